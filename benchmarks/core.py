"""What a call costs in the engine's core alone: no socket, no thread, no gRPC.

``python -m benchmarks.core`` has one core call another in memory and prints, for each message
and command of a call, the lower quartile of the CPU time in microseconds: on a machine that
others use the mean says more about them. To compare two versions, run it in turn in both.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time
from collections import defaultdict, deque
from collections.abc import Callable
from functools import partial

from picosip_server.engine.config import EngineConfig, ListenerSpec
from picosip_server.engine.core import Core
from picosip_server.engine.network import Sender, Source, Ticket
from picosip_server.sip.address import Address
from picosip_server.sip.hop import Hop, Target
from picosip_server.sip.ua import commands, events
from picosip_server.sip.ua.commands import Body, Brief
from picosip_server.sip.ua.outputs import Failed, Occurred, Output

HOST = "127.0.0.1"
INTERVAL = 0.001
"""Seconds of the core's clock between two calls."""
DESCRIPTION = Body(
    content_type="application/sdp",
    data=b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    b"m=audio 6000 RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n",
)


class Everybody:
    """An application that hears all."""

    def hears(self, resource: str, labels: object) -> bool:
        """Whatever it is."""
        return True

    def claims(self, method: str) -> bool:
        """No requests outside of dialogs."""
        return False

    def lag(self, now: float) -> float:
        """It is never behind."""
        return 0.0


class Side:
    """One core, whose network is the other one's inbox."""

    def __init__(self, port: int, peer: int) -> None:
        config = EngineConfig(
            listeners=(ListenerSpec(transport="UDP", host=HOST, port=port),), node=f"n{port}"
        )
        self.core = Core(config, self)
        self.core.set_audience(Everybody(), 0.0)
        self.sent: deque[bytes] = deque()
        self.seen_as = Source("UDP", HOST, port, HOST, peer)
        self.costs: dict[str, list[float]] = defaultdict(list)
        self._hop = Hop(transport="UDP", host=HOST, port=peer, local_host=HOST, local_port=port)

    def send(self, hop: Hop, data: bytes, sender: Sender | None) -> None:
        """See ``Network.send``."""
        self.sent.append(data)

    def learn(self, host: str, port: int, flow: int) -> None:
        """See ``Network.learn``: there are no connections."""

    def locate(self, target: Target, ticket: Ticket) -> tuple[Hop, ...] | None:
        """See ``Network.locate``."""
        return (self._hop,)

    def do(self, what: str, work: Callable[[], None]) -> list[Output]:
        """Does one thing, and notes what it cost."""
        began = time.thread_time()
        work()
        outputs = self.core.take()
        self.costs[what].append(time.thread_time() - began)
        return outputs


class Run:
    """Calls, one after the other: INVITE 180 200 ACK BYE 200, hung up by the caller."""

    def __init__(self) -> None:
        self.caller, self.callee = Side(5061, 5062), Side(5062, 5061)
        self.ended = 0
        self._now = 1000.0
        self._from = Address.parse('"Alice" <sip:alice@example.com>')
        self._to = Address.parse(f"<sip:bob@{HOST}:5062>")

    def call(self, number: int) -> None:
        """Places one call and lets it end."""
        self._now += INTERVAL
        caller = self.caller
        invite = commands.Invite(
            token=Brief(number), from_address=self._from, to_address=self._to, offer=DESCRIPTION
        )
        self._take(
            caller,
            caller.do("Invite", lambda: caller.core.submit(invite, self._now, f"call-{number}")),
        )
        while caller.sent or self.callee.sent:
            self._carry(caller, self.callee)
            self._carry(self.callee, caller)
        for side in (caller, self.callee):
            side.do("timers", partial(side.core.timeout, self._now))

    def _carry(self, sender: Side, receiver: Side) -> None:
        while sender.sent:
            data = sender.sent.popleft()
            what = data.split(b"\r\n", 1)[0].removeprefix(b"SIP/2.0 ").split()[0].decode()
            outputs = receiver.do(
                what, partial(receiver.core.receive, data, sender.seen_as, self._now)
            )
            self._take(receiver, outputs)

    def _take(self, side: Side, outputs: list[Output]) -> None:
        for output in outputs:
            assert not isinstance(output, Failed), output
            if not isinstance(output, Occurred):
                continue
            event = output.event
            name = event.resource
            if isinstance(event, events.CallReceived):
                self._command(side, commands.Progress(token=Brief(0), name=name))
                answer = commands.Answer(token=Brief(0), name=name, description=DESCRIPTION)
                self._command(side, answer)
            elif isinstance(event, events.CallConfirmed) and side is self.caller:
                self._command(side, commands.Hangup(token=Brief(0), name=name))
            elif isinstance(event, events.CallEnded) and side is self.caller:
                self.ended += 1

    def _command(self, side: Side, command: commands.Command) -> None:
        what = type(command).__name__
        self._take(side, side.do(what, lambda: side.core.submit(command, self._now)))


def main() -> None:
    """Runs and prints."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.core", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--calls", type=int, default=4000, help="how many (default: 4000)")
    calls = parser.parse_args().calls
    run = Run()
    gc.collect()
    gc.freeze()
    for number in range(calls):
        run.call(number)
    assert run.ended == calls, f"{calls - run.ended} calls did not end"
    for role, side in (("caller", run.caller), ("callee", run.callee)):
        quartiles = {
            what: statistics.quantiles(costs, n=4)[0] * 1e6 * len(costs) / calls
            for what, costs in side.costs.items()
        }
        parts = ", ".join(f"{what} {cost:.0f}" for what, cost in quartiles.items())
        print(f"{role}: {sum(quartiles.values()):.0f} us a call ({parts})")


if __name__ == "__main__":
    main()
