"""A real server that guards itself, against loopback addresses too because it is told to."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.app import App, Event, answering
from tests.support.raw import (
    SDP,
    RawCall,
    RawMessage,
    RawTcp,
    RawUdp,
    RefusedError,
    request,
    unique,
)
from tests.support.server import PicosipServer
from tests.support.waiting import wait_until

BURST = 20
USERS = 'realm = "example.com"\n[[users]]\nuser = "alice"\npassword = "wonderland"\n'


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PicosipServer]:
    """A server that treats loopback addresses like others."""
    folder = tmp_path_factory.mktemp("guarded")
    users = folder / "users.toml"
    users.write_text(USERS)
    flags = (
        "--guard-loopback",
        "--rate-limit=0.01",
        f"--rate-burst={BURST}",
        "--deny-source=127.0.0.4",
        "--challenge=OPTIONS",
        "--challenge-listener=tcp:127.0.0.1:0",
        "--auth-failures=3",
        f"--users={users}",
    )
    with PicosipServer(folder, *flags) as server:
        yield server


@pytest.fixture
def app(guarded: PicosipServer) -> Iterator[App]:
    with App(guarded.grpc, observer=True) as app:
        yield app


def ask(peer: RawUdp | RawTcp, *lines: str) -> RawMessage | None:
    """An OPTIONS, and what answers it within a second."""
    peer.send(request("OPTIONS", peer, *lines))
    return peer.receive(1.0)


def asked(peer: RawUdp | RawTcp, *lines: str) -> RawMessage:
    """An OPTIONS, and its answer."""
    peer.send(request("OPTIONS", peer, *lines))
    answer = peer.receive()
    assert answer is not None
    return answer


def test_above_its_rate_a_source_gets_503_with_retry_after(
    guarded: PicosipServer, app: App
) -> None:
    with RawUdp(guarded.udp, "127.0.0.2") as peer, RawUdp(guarded.udp, "127.0.0.3") as other:
        answers = [asked(peer) for _ in range(BURST + 20)]
        assert [each.status for each in answers] == [200] * BURST + [503] * 20
        waits = {int(each.one("Retry-After")) for each in answers[BURST:]}
        assert len(waits) > 3
        assert asked(other).status == 200
        # The port is no other source.
        with RawUdp(guarded.udp, "127.0.0.2") as again:
            assert asked(again).status == 503
    assert app.stats().counters["refused_rate_limit"] == 21


def test_whom_the_list_denies_gets_nothing(guarded: PicosipServer, app: App) -> None:
    with RawUdp(guarded.udp, "127.0.0.4") as peer:
        assert ask(peer) is None
    with RawTcp(guarded.tcp, "127.0.0.4") as stream:
        assert stream.closed_by_server()
    assert app.stats().counters["dropped_denied"] == 2


def test_a_scanner_is_dropped_and_blocked(guarded: PicosipServer, app: App) -> None:
    with RawUdp(guarded.udp, "127.0.0.5") as peer:
        assert asked(peer).status == 200
        assert ask(peer, "User-Agent: friendly-scanner") is None
        assert ask(peer) is None
        peer.send(b"no SIP at all\r\n\r\n")
    wait_until(lambda: app.stats().counters["dropped_blocked"] == 2, what="two dropped")
    assert app.stats().counters["dropped_scanner"] == 1
    lines = [line for line in guarded.log_lines() if line["event"] == "source blocked"]
    assert [(line["source"], line["user_agent"]) for line in lines] == [
        ("127.0.0.5", "friendly-scanner")
    ]


def test_who_guesses_passwords_must_wait(guarded: PicosipServer, app: App) -> None:
    """Here OPTIONS is challenged, over TCP alone."""
    with RawTcp(guarded.tcp, "127.0.0.6") as peer, RawUdp(guarded.udp, "127.0.0.6") as datagrams:
        assert asked(datagrams).status == 200
        statuses = []
        for _ in range(5):
            challenge = asked(peer)
            assert challenge.status == 401
            nonce = re.search(r'nonce="([^"]+)"', challenge.one("WWW-Authenticate"))
            assert nonce
            wrong = asked(
                peer,
                'Authorization: Digest username="alice", realm="example.com", '
                f'nonce="{nonce[1]}", uri="sip:x", response="{"0" * 64}", algorithm=SHA-256, '
                'qop=auth, nc=00000001, cnonce="c"',
            )
            statuses.append(wrong.status)
        assert statuses == [401, 401, 401, 503, 503]
        assert int(wrong.one("Retry-After")) > 0
    assert app.stats().counters["refused_auth_failures"] == 2


def test_by_default_loopback_addresses_are_neither_limited_nor_blocked(tmp_path: Path) -> None:
    with PicosipServer(tmp_path, "--rate-limit=1", "--call-rate-limit=1") as server:
        with RawUdp(server.udp, "127.0.0.7") as peer:
            for _ in range(100):
                peer.send(b"no SIP at all\r\n\r\n")
                assert asked(peer, "User-Agent: friendly-scanner").status == 200
        with App(server.grpc, observer=True) as app:
            counters = app.stats().counters
            assert counters["parse_errors"] == 100
            kinds = ("refused_rate_limit", "dropped_blocked", "dropped_scanner")
            assert {counters.get(kind, 0) for kind in kinds} == {0}


# Overload.

CALLS = 20
INVITES = 1000


class Burst:
    """INVITEs over TCP, as fast as the connection takes them, at least so many and until it is
    enough; what the server takes is ended at once."""

    def __init__(self, server: PicosipServer, least: int) -> None:
        self.answers: Counter[int] = Counter()
        self.waits: Counter[int] = Counter()
        self.byes: Counter[int] = Counter()
        self.sent = 0
        self._taken: set[str] = set()
        self._least = least
        self._enough = threading.Event()
        self._all_sent = threading.Event()
        self._peer = RawTcp(server.tcp)
        self._threads = [threading.Thread(target=each) for each in (self._send, self._read)]
        for thread in self._threads:
            thread.start()

    def _send(self) -> None:
        line = "Content-Type: application/sdp"
        while self.sent < self._least or not self._enough.is_set():
            self._peer.send(request("INVITE", self._peer, line, body=SDP))
            self.sent += 1
        self._all_sent.set()

    def _read(self) -> None:
        while not (
            self._all_sent.is_set()
            and self.answers.total() == self.sent
            and self.byes.total() == self.answers[200]
        ):
            answer = self._peer.receive(0.5)
            if answer is None:
                if self._peer.closed:
                    return
            elif answer.method == "BYE":
                self.byes[answer.status] += 1
            elif answer.status == 503:
                self.answers[503] += 1
                self.waits[int(answer.one("Retry-After"))] += 1
            elif answer.status >= 200:
                self._taken_in(answer)

    def _taken_in(self, answer: RawMessage) -> None:
        call_id = answer.one("Call-ID")
        found = re.search(r";tag=([^;]+)", answer.one("To"))
        assert found
        # 13.3.1.4: a 200 is repeated until the ACK is there.
        first = call_id not in self._taken
        for method, cseq in (("ACK", 1), ("BYE", 2))[: 1 + first]:
            self._peer.send(
                request(method, self._peer, call_id=call_id, to_tag=found[1], cseq=cseq)
            )
        if first:
            self._taken.add(call_id)
            self.answers[answer.status] += 1

    def end(self) -> None:
        """Sends no more, and waits for all answers."""
        self._enough.set()
        for thread in self._threads:
            thread.join(60.0)
        self._peer.close()


def hang_up(call: RawCall) -> int:
    """BYE, repeated as RFC 3261 section 17.1.2.2 has it; the status of its answer."""
    bye = request(
        "BYE", call.peer, call_id=call.call_id, to_tag=call.tag, target=call.target, cseq=2
    )
    for _ in range(20):
        call.peer.send(bye)
        answer = call.peer.receive(0.5)
        while answer is not None and answer.method != "BYE":
            answer = call.peer.receive(0.5)
        if answer is not None:
            return answer.status
    return 0


def test_a_burst_beyond_the_bound_is_refused_and_calls_still_end(tmp_path: Path) -> None:
    with (
        PicosipServer(tmp_path, f"--max-calls={CALLS}") as server,
        App(server.grpc, on_event=answering) as app,
        RawUdp(server.udp) as phone,
    ):
        calls = [RawCall(phone) for _ in range(CALLS)]
        burst = Burst(server, INVITES)
        wait_until(lambda: burst.answers[503] > 10, what="calls that are refused")
        assert [hang_up(call) for call in calls] == [200] * CALLS
        burst.end()
        assert burst.answers[503] + burst.answers[200] == burst.sent >= INVITES
        assert burst.byes[200] == burst.byes.total() == burst.answers[200]
        assert burst.answers[503] > INVITES / 10
        assert min(burst.waits) == 5
        assert max(burst.waits) == 15
        assert len(burst.waits) == 11
        assert app.stats().counters["refused_overload"] == burst.answers[503]
        app.wait_for_count("call_ended", CALLS + burst.answers[200])
        app.leave_nothing()


def rejecting(app: App, event: Event) -> None:
    """An ``on_event`` that answers the first calls, and leaves the others to ring."""
    if event.WhichOneof("kind") == "call_received" and len(app.of_kind("call_received")) < CALLS:
        answering(app, event)


def placed(phone: RawUdp) -> RawCall | None:
    """A call; ``None`` if the server is behind already, for other work of this machine."""
    try:
        return RawCall(phone)
    except RefusedError as refused:
        if refused.status != 503:
            raise
        return None


def test_a_server_that_falls_behind_refuses_what_is_new(tmp_path: Path) -> None:
    """Far below its bounds: by how long messages wait."""
    flags = ("--overload-delay=0.005", "--answer-timeout=1")
    with (
        PicosipServer(tmp_path, *flags) as server,
        App(server.grpc, on_event=rejecting) as app,
        RawUdp(server.udp) as phone,
        RawUdp(server.udp) as crowd,
    ):
        calls = [wait_until(lambda: placed(phone), what="a call") for _ in range(CALLS)]
        line = "Content-Type: application/sdp"
        flood = [
            request("INVITE", crowd, line, call_id=unique(), body=SDP) for _ in range(3 * INVITES)
        ]
        for invite in flood:
            crowd.send(invite)
        assert [hang_up(call) for call in calls] == [200] * CALLS
        wait_until(
            lambda: app.stats().counters["refused_overload"] > 100, what="calls that are refused"
        )
        with RawUdp(server.udp) as probe:
            # It has caught up.
            wait_until(lambda: asked(probe).status == 200, what="an answer that is no refusal")
        app.wait_for_count("call_ended", app.stats().active_calls)
