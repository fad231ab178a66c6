"""Mutated messages at a server process, while calls are placed at it that must succeed."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import grpc
from google.protobuf.duration_pb2 import Duration

from picosip.v1 import call_service_pb2 as call_pb, request_service_pb2 as request_pb, sip_pb2
from tests.fuzz.channels import Datagrams, Stream, WebSocket
from tests.fuzz.dialogs import FarEnd
from tests.support.app import App, Event, sdp
from tests.support.raw import RawCall, RawUdp, request
from tests.support.server import PicosipServer
from tests.support.waiting import wait_until

FLAGS = (
    "--workers=1",
    "--sip=ws:127.0.0.1:0",
    # What a figure of memory would otherwise show is the log as it fills.
    "--event-log-size=2000",
    # Whoever runs this may have other things to do; load is another test's affair.
    "--overload-delay=5",
    "--answer-timeout=5",
    "--respond-timeout=2",
    "--offer-timeout=2",
)
"""Of the server: whatever waits for somebody does not wait for long."""

METHODS = ("MESSAGE", "SUBSCRIBE", "PUBLISH", "REGISTER", "REFER", "INFO")
BATCH = 10
"""Messages of one far end before the server is asked whether it is still with us."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What came of it."""

    messages: int
    seconds: float
    calls: int
    """Placed and ended meanwhile, without a fault."""
    memory: tuple[int, ...]
    """Resident memory of the server in KiB, after each twentieth of the messages."""
    counters: dict[str, int]

    @property
    def growth(self) -> float:
        """By how much memory grew from the first half, in which all tables fill, to the end."""
        half = len(self.memory) // 2
        return max(self.memory[half:]) / max(self.memory[:half]) - 1.0


class _Application:
    """Answers calls, and takes part in others, by chance; all its doings are allowed to fail,
    since the far ends may have gone."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._phones: set[str] = set()

    def __call__(self, app: App, event: Event) -> None:
        kind = event.WhichOneof("kind")
        rng = self._rng
        if kind == "call_received":
            if event.call_received.call.from_address.uri.startswith("sip:raw@"):
                self._phones.add(event.resource)
            if event.resource in self._phones or rng.random() < 0.6:
                answer = call_pb.AnswerRequest(name=event.resource, description=sdp(), no_wait=True)
                app.soon(app.calls.Answer.future(answer))
        elif kind == "call_confirmed" and rng.random() < 0.3:
            if event.resource not in self._phones:
                app.soon(app.calls.Hangup.future(call_pb.HangupRequest(name=event.resource)))
        elif kind == "incoming_request" and rng.random() < 0.7:
            # A 202 to a REFER would begin a subscription, which lasts longer than the test.
            refer = event.incoming_request.method == "REFER"
            status = sip_pb2.SipStatus(code=403 if refer else rng.choice((200, 202, 403)))
            respond = request_pb.RespondRequest(name=event.incoming_request.name, status=status)
            app.soon(app.requests.Respond.future(respond))


class _Calls:
    """Correct calls, one after the other, each to its end."""

    def __init__(self, server: PicosipServer) -> None:
        self._server = server
        self._enough = threading.Event()
        self.done = 0
        self.failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="calls")

    def _run(self) -> None:
        try:
            with RawUdp(self._server.udp) as phone:
                while not self._enough.wait(0.05):
                    RawCall(phone).hang_up()
                    self.done += 1
        except BaseException as failure:
            self.failure = failure

    def check(self) -> None:
        """They go on."""
        if self.failure is not None:
            raise self.failure

    def __enter__(self) -> _Calls:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        self._thread.join(30.0)


def fuzz(
    home: Path, messages: int, seed: int, *, told: Callable[[str], object] = lambda text: None
) -> Figures:
    """Runs it against a server of its own; raises where something does not hold.

    Afterwards the server is empty, has logged no error, and ends as it is asked to.
    """
    rng = random.Random(seed)
    began = time.monotonic()
    memory: list[int] = []
    with (
        PicosipServer(home, *FLAGS) as server,
        App(server.grpc, on_event=_Application(random.Random(seed)), methods=METHODS) as app,
        _Calls(server) as calls,
        RawUdp(server.udp) as probe,
    ):
        ws = ("127.0.0.1", server.ports["ws"])
        channels = [Datagrams(server.udp) for _ in range(6)]
        channels += [Stream(server.tcp, rng), WebSocket(ws, rng)]  # type: ignore[list-item]
        far_ends = [
            FarEnd(
                random.Random(rng.random()),
                here=channel.here,
                target=f"127.0.0.1:{server.ports[channel.transport.lower()]}",
                send=channel.send,
                spoilt=rng.choice((0.3, 0.6, 0.9)),
                transport=channel.transport,
            )
            for channel in channels
        ]
        sent = 0
        while sent < messages:
            for channel, far_end in zip(channels, far_ends, strict=True):
                far_end.here = channel.here
                before = far_end.sent
                while far_end.sent < before + BATCH:
                    far_end.step()
                for octets in channel.received():
                    far_end.heard(octets)
                sent += far_end.sent - before
            _alive(probe)
            calls.check()
            if rng.random() < 0.25:
                _invite(app, rng.choice(channels[:6]).here)
            while len(memory) < 20 * sent // messages:
                memory.append(_resident(server.process.pid))
                told(f"{sent} messages, {calls.done} calls, {memory[-1]} KiB")
        sending = time.monotonic() - began
        done = calls.done
        wait_until(lambda: calls.failure or calls.done >= done + 3, what="three more calls")
        calls.check()
        for far_end in far_ends:
            far_end.end_dialogs()
        for channel in channels:
            channel.close()
        calls.__exit__()
        _end(app)
        # Timers B, F, H and J are 32 s, and BYEs may be on their way to nobody.
        try:
            wait_until(lambda: _empty(app), timeout=90.0, what="an empty server")
        except TimeoutError as error:
            error.add_note(f"left are {app.stats()}")
            raise
        counters = dict(app.stats().counters)
    return Figures(
        messages=sent,
        seconds=sending,
        calls=calls.done,
        memory=tuple(memory),
        counters=counters,
    )


def _alive(probe: RawUdp) -> None:
    """The server has come as far as this, and answers."""
    octets = request("OPTIONS", probe)
    for _ in range(5):
        probe.send(octets)
        answer = probe.receive(5.0)
        if answer is not None:
            assert answer.status in (200, 503), answer.start_line
            return
    raise AssertionError("the server does not answer any more")


def _invite(app: App, where: str) -> None:
    invite = call_pb.InviteRequest(
        from_address=sip_pb2.Address(uri="sip:fuzzed@127.0.0.1"),
        to_address=sip_pb2.Address(uri=f"sip:fuzz@{where}"),
        offer=sdp(),
        policy=call_pb.CallPolicy(ring_timeout=Duration(seconds=2)),
    )
    app.soon(app.calls.Invite.future(invite, timeout=5))


def _end(app: App) -> None:
    """Hangs up whatever is left."""
    ends = []
    token = ""
    while True:
        page = app.calls.ListCalls(
            call_pb.ListCallsRequest(page_size=1000, page_token=token), timeout=30
        )
        for call in page.calls:
            ends.append(app.calls.Hangup.future(call_pb.HangupRequest(name=call.name)))
        token = page.next_page_token
        if not token:
            break
    for end in ends:
        with contextlib.suppress(grpc.RpcError):
            end.result()


def _empty(app: App) -> bool:
    stats = app.stats()
    if stats.active_calls:
        _end(app)
    return not (
        stats.active_calls
        or stats.active_transactions
        or stats.active_subscriptions
        or stats.active_registrations
    )


def _resident(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])
