"""A registered call between two picoSIP servers, from REGISTER to BYE, as it happens.

Server A is alice's. On server B runs ``far_end.py``, a registrar and callee that never sees a
SIP message; the server itself checks the digests for it. Exit status 0 means that every step
was seen to happen, on both sides.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import signal
import sys
import tempfile
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

from rich.console import Console
from rich.markup import escape

import picosip

ALICE, BOB, USER, PASSWORD = "sip:alice@demo.picosip", "sip:bob@demo.picosip", "alice", "wonder"
USERS = f'realm = "demo.picosip"\n[[users]]\nuser = "{USER}"\npassword = "{PASSWORD}"\n'
PATIENCE = 10.0
"""How long a step may take, in seconds."""

Item = TypeVar("Item")
console = Console(highlight=False, soft_wrap=True)
started = time.monotonic()


class Failed(Exception):
    """A step did not happen."""


def step(title: str) -> None:
    """A new chapter of the story."""
    console.print(f"\n[bold]{title}[/]")


def check(happened: bool, what: str) -> None:
    """A fact that the demo stands for."""
    if not happened:
        raise Failed(f"not so: {what}")
    console.print(f"   [green]ok[/]  {escape(what)}")


class Watch(Generic[Item]):
    """Collects what a stream brings, and waits for what the story needs."""

    def __init__(
        self, name: str, show: Callable[[Item], str] | None = None, *, color: str = "dim"
    ) -> None:
        self.name = name
        self.items: list[Item] = []
        self._color = color
        self._show = show
        self._news = asyncio.Event()
        self._ended = False

    async def follow(self, stream: AsyncIterator[Item]) -> None:
        """Reads the stream to its end."""
        async for item in stream:
            if self._show is not None:
                elapsed = time.monotonic() - started
                name = f"[{self._color}]{self.name:<10}[/]"
                console.print(f"[dim]{elapsed:7.3f}[/]  {name}  {self._show(item)}")
            self.items.append(item)
            self._news.set()
        self._ended = True
        self._news.set()

    async def first(self, wanted: Callable[[Item], bool], what: str) -> Item:
        """The first one that is wanted, those that came already included."""
        seen = 0
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    self._news.clear()
                    for item in self.items[seen:]:
                        if wanted(item):
                            return item
                    if self._ended:
                        raise Failed(f"{self.name}: ended before {what}")
                    seen = len(self.items)
                    await self._news.wait()
        except TimeoutError:
            raise Failed(f"{self.name}: no {what} within {PATIENCE:.0f} s") from None

    async def event(self: Watch[picosip.Event], kind: str, resource: str = "") -> picosip.Event:
        """The first event of that kind."""
        return await self.first(
            lambda event: event.WhichOneof("kind") == kind and event.resource.startswith(resource),
            kind,
        )


def describe(event: picosip.Event) -> str:
    """What is worth knowing of an event, in a line."""
    kind = event.WhichOneof("kind") or ""
    value = getattr(event, kind)
    match kind:
        case "registration_changed":
            text = picosip.Registration.State.Name(value.registration.state)
        case "call_created" | "call_received":
            text = f"{value.call.from_address.uri} -> {value.call.to_address.uri}"
        case "call_progressed" | "call_answered":
            text = f"{value.status.code} {value.status.reason}"
        case "call_ended":
            text = picosip.Termination.Cause.Name(value.termination.cause)
        case "incoming_request":
            text = f"{value.method} by {value.authenticated_user or 'nobody known'}"
        case _:
            text = ""
    return f"[cyan]{kind:<22}[/]{escape(f'{text:<48}')}[dim]{event.resource}[/]"


def answers(records: list[picosip.TraceRecord], method: str) -> list[int]:
    """The status codes of all responses to a method, in order."""
    return [
        record.message.status.code
        for record in records
        if record.message.HasField("status")
        for header in record.message.headers
        if header.name.lower() == "cseq" and header.value.endswith(f" {method}")
    ]


async def stop(process: Process) -> int:
    """SIGTERM, and the exit status; SIGKILL where that does not help."""
    if process.returncode is None:
        process.terminate()
    try:
        return await asyncio.wait_for(process.wait(), 10.0)
    except TimeoutError:
        process.kill()
        return await process.wait()


@contextlib.asynccontextmanager
async def server(name: str, directory: Path, *flags: str) -> AsyncIterator[dict[str, Any]]:
    """A picoSIP server with ports that the system chooses; gives what its ready file says."""
    ready = directory / f"{name}.json"
    command = [sys.executable, "-m", "picosip_server", "serve", "--ready-file", str(ready)]
    command += ["--grpc", "127.0.0.1:0", "--sip", "udp:127.0.0.1:0", "--log-format", "json"]
    with (directory / f"{name}.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *command, *flags, cwd=directory, stdin=DEVNULL, stdout=log, stderr=log
        )
    try:
        deadline = time.monotonic() + 30.0
        while not ready.exists():
            if process.returncode is not None or time.monotonic() > deadline:
                raise Failed(f"server {name} did not start")
            await asyncio.sleep(0.02)
        yield json.loads(ready.read_text())
    except BaseException:
        await stop(process)
        raise
    check(await stop(process) == 0, f"server {name} ended with status 0 at SIGTERM")


@contextlib.asynccontextmanager
async def far_end(target: str) -> AsyncIterator[Watch[str]]:
    """The application on server B; gives the lines that it writes."""
    program = Path(__file__).with_name("far_end.py")
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, str(program), "--server", target, "--ring-seconds", "0.5"],
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    written: Watch[str] = Watch("far_end.py", escape)

    async def lines(reader: asyncio.StreamReader) -> AsyncIterator[str]:
        async for line in reader:
            yield line.decode().rstrip()

    reading = asyncio.create_task(written.follow(lines(process.stdout)))
    try:
        yield written
    finally:
        await stop(process)
        await reading


async def tell(directory: Path) -> None:
    """The story: raises Failed where it goes another way."""
    users = directory / "users.toml"
    users.touch(0o600)
    users.write_text(USERS)
    async with contextlib.AsyncExitStack() as stack:
        step("Two servers, and an application on the second")
        a = await stack.enter_async_context(server("A", directory))
        b = await stack.enter_async_context(server("B", directory, "--users", str(users)))
        place = b["sip"][0].removeprefix("udp:")
        client_a = await stack.enter_async_context(picosip.aio.Client(a["grpc"][0], timeout=10.0))
        client_b = await stack.enter_async_context(picosip.aio.Client(b["grpc"][0], timeout=10.0))
        app = await stack.enter_async_context(far_end(b["grpc"][0]))
        at_a = Watch("A", describe, color="yellow")
        at_b = Watch("B", describe, color="magenta")
        trace: Watch[picosip.TraceRecord] = Watch("trace")
        tasks = [
            asyncio.create_task(at_a.follow(await client_a.events())),
            asyncio.create_task(at_b.follow(await client_b.events(observer=True))),
            asyncio.create_task(trace.follow(await client_a.trace())),
        ]
        await app.first(lambda line: line == "attached", "application")

        step("alice registers at B, which wants to see her password")
        secret = picosip.credentials(USER, PASSWORD)
        registration = await client_a.register(f"sip:{place}", ALICE, credentials=secret)
        check(registration.state == picosip.Registration.STATE_ACTIVE, "the registration is active")
        request = (await at_b.event("incoming_request")).incoming_request
        check(request.authenticated_user == USER, f"B has authenticated {USER} for its application")

        step("alice calls bob")
        offered = {"rtpmap": ["0 PCMU/8000", "8 PCMA/8000"], "ptime": "20", "sendonly": None}
        offer = picosip.sdp(
            [picosip.media("audio", 4000, formats=[0, 8], attributes=offered)],
            connection="127.0.0.1",
        )
        call = await client_a.invite(
            ALICE, BOB, offer, request_uri=f"sip:bob@{place}", credentials=secret
        )
        progressed = (await at_a.event("call_progressed", call.name)).call_progressed
        check(progressed.status.code == 180, "it rings")
        answered = (await at_a.event("call_answered", call.name)).call_answered
        answer = answered.description.sdp.media[0]
        found = picosip.attribute_map(answer.attributes)
        check(found["rtpmap"] == offered["rtpmap"], "the answer took both codecs of the offer")
        check("recvonly" in found, "what is sent here is received there")
        await at_a.event("call_confirmed", call.name)
        await at_b.event("call_confirmed")
        check(True, "the call is up on both sides")
        received = (await at_b.event("call_received")).call_received
        check(received.call.authenticated_user == USER, f"B knows that it is {USER} who calls")

        step("alice hangs up and unregisters")
        await client_a.hangup(call.name)
        here = (await at_a.event("call_ended", call.name)).call_ended.termination.cause
        there = (await at_b.event("call_ended")).call_ended.termination.cause
        check(here == picosip.Termination.CAUSE_LOCAL_HANGUP, "the call is over for alice")
        check(there == picosip.Termination.CAUSE_REMOTE_HANGUP, "bob saw alice hang up")
        gone = await client_a.unregister(registration.name)
        check(gone.state == picosip.Registration.STATE_TERMINATED, "the registration is gone")
        await app.first(lambda line: line.endswith("is at no place"), "unregistration")
        for name, client in (("A", client_a), ("B", client_b)):
            stats = await client.stats()
            left = stats.active_calls + stats.active_registrations
            check(left == 0, f"nothing is left on server {name}")

        step("What server A sent and received")
        await trace.first(lambda _: answers(trace.items, "REGISTER").count(200) == 2, "last 200")
        for line in picosip.ladder(trace.items, local="A", names={place: "B, the far end"}):
            console.print(escape(line))
        check(answers(trace.items, "REGISTER")[:2] == [401, 200], "REGISTER: first 401, then 200")
        check(answers(trace.items, "INVITE")[-2:] == [180, 200], "INVITE: 180, then 200")
        check(answers(trace.items, "BYE") == [200], "BYE: 200")
        await client_a.close()
        await client_b.close()
        await asyncio.gather(*tasks)


async def main() -> int:
    """Runs the demo; its exit status."""
    task = asyncio.current_task()
    assert task is not None
    with contextlib.suppress(NotImplementedError):
        # So that the servers are ended with it.
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    directory = Path(tempfile.mkdtemp(prefix="picosip-demo-"))
    try:
        await tell(directory)
    except (Failed, picosip.PicosipError, OSError) as error:
        console.print(f"\n[bold red]The demo failed:[/] {escape(str(error))}")
        for log in sorted(directory.glob("*.log")):
            console.print(f"\n--- the end of {log}")
            console.print(escape("\n".join(log.read_text("utf-8", "replace").splitlines()[-15:])))
        return 1
    except asyncio.CancelledError:
        shutil.rmtree(directory)
        console.print("\nInterrupted.")
        return 1
    shutil.rmtree(directory)
    console.print(f"\n[bold green]All of it happened[/], in {time.monotonic() - started:.1f} s.")
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
