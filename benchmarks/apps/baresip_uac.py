"""Has baresip place calls, over its ctrl_tcp module, and hang up what was answered.

python -m benchmarks.apps.baresip_uac CONTROL_PORT
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import time
from typing import Any, cast

import uvloop

from benchmarks.apps.pace import Tally, jobs, paced, say


class Control(asyncio.Protocol):
    """Its control connection: netstrings with JSON in them."""

    def __init__(self) -> None:
        self._octets = b""
        self._socket: socket.socket | None = None
        self._transport: asyncio.Transport | None = None
        self.caller: Caller | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps it."""
        self._transport = cast(asyncio.Transport, transport)
        self._socket = transport.get_extra_info("socket")
        self._acknowledge()

    def _acknowledge(self) -> None:
        # baresip writes with Nagle's algorithm: each of its small messages waits for the last one's
        # acknowledgement, which is given at once only where that is asked for again and again.
        assert self._socket is not None
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def send(self, command: str, params: str) -> None:
        """Gives it a command."""
        text = json.dumps({"command": command, "params": params, "token": params}).encode()
        assert self._transport is not None
        self._transport.write(b"%d:%s," % (len(text), text))

    def data_received(self, data: bytes) -> None:
        """Takes apart what it says."""
        self._acknowledge()
        self._octets += data
        while b":" in self._octets:
            size, rest = self._octets.split(b":", 1)
            length = int(size)
            if len(rest) <= length:
                return
            self._octets = rest[length + 1 :]
            message = json.loads(rest[:length])
            if self.caller is not None:
                self.caller.take(message)


class Caller:
    """The calls of one job, told apart by the user whom each calls."""

    def __init__(self, control: Control, job: dict[str, Any]) -> None:
        self._control = control
        self._host: str = job["uri"].partition("@")[2]
        self._calls: int = job["calls"]
        self._rate: float = job["rate"]
        self._hold: float = job["hold"]
        self._over = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self.tally = Tally()

    def begin(self, number: int) -> None:
        """Places a call."""
        uri = f"sip:b{number}@{self._host}"
        self.tally.began[uri] = time.monotonic()
        self._control.send("dial", uri)

    def take(self, message: dict[str, Any]) -> None:
        """Follows events, and commands that failed."""
        if message.get("response"):
            uri = message.get("token", "")
            if not message.get("ok") and uri in self.tally.began:
                self._end(uri, str(message.get("data")))
            return
        uri, kind = message.get("peeruri", ""), message.get("type")
        if kind == "CALL_ESTABLISHED":
            self.tally.answered[uri] = time.monotonic()
            if self._hold:
                self._loop.call_later(self._hold, self._hang_up, message["id"])
            else:
                self._hang_up(message["id"])
        elif kind == "CALL_CLOSED":
            answered = uri in self.tally.answered
            self._end(uri, "" if answered else str(message.get("param")))

    def _hang_up(self, call_id: str) -> None:
        # It ends the current call, so this one is made that first.
        self._control.send("callfind", call_id)
        self._control.send("hangup", call_id)

    def _end(self, uri: str, why: str) -> None:
        if why:
            self.tally.fail(uri, why)
        else:
            self.tally.ended.add(uri)
        if self.tally.over >= self._calls:
            self._over.set()

    async def run(self) -> None:
        """All of them."""
        start = time.monotonic()
        await paced(self._calls, self._rate, self.begin)
        await self._over.wait()
        say(self.tally.report(start))


async def main(port: int) -> None:
    """Runs until its input ends."""
    loop = asyncio.get_running_loop()
    _, control = await loop.create_connection(Control, "127.0.0.1", port)
    say({"ready": True})
    async for job in jobs():
        control.caller = Caller(control, job)
        await control.caller.run()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    uvloop.run(main(parser.parse_args().port))
