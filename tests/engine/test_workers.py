"""The threads: waking them, defects in what they run, and who gets which message."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest
import structlog

from picosip_server.engine import worker as workers
from picosip_server.engine.config import EngineConfig
from picosip_server.engine.core import Core
from picosip_server.engine.network import Sender, Ticket
from picosip_server.engine.worker import GRAIN, IDLE, ROUND, SLICE, Worker
from picosip_server.sip.hop import Hop, Target
from picosip_server.sip.ua import events
from picosip_server.sip.ua.outputs import Completed, Output
from picosip_server.sip.ua.user import TransactionUser
from tests.engine.loopback import PATIENCE, Agent, TcpPeer, UdpPeer


class Nowhere:
    """A network for cores that send nothing."""

    def send(self, hop: Hop, data: bytes, sender: Sender | None) -> None:
        raise AssertionError

    def locate(self, target: Target, ticket: Ticket) -> None:
        raise AssertionError


Sink = Callable[[list[Output]], None]


@pytest.fixture
def make() -> Iterator[Callable[[Sink], Worker]]:
    """Makes running workers, and ends them."""
    workers = []

    def worker(sink: Sink) -> Worker:
        worker = Worker(0, sink)
        worker.core = Core(EngineConfig(listeners=(), node="test"), Nowhere())
        workers.append(worker)
        worker.start()
        return worker

    yield worker
    for each in workers:
        each.end()
        each.join()
        each.close()


def _wait(gate: threading.Event) -> None:
    assert gate.wait(PATIENCE)


def nothing(batch: list[Output]) -> None:
    assert batch


@pytest.fixture
def restless() -> Iterator[None]:
    """Threads take turns as often as they can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("restless")
def test_no_wake_up_is_lost(
    make: Callable[[Sink], Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    # By itself it does not turn while this test lasts.
    monkeypatch.setattr(workers, "IDLE", 10 * PATIENCE)
    worker = make(nothing)
    done = threading.Semaphore(0)

    def post_many() -> None:
        for _ in range(20_000):
            worker.post(lambda now: None)

    posters = [threading.Thread(target=post_many) for _ in range(3)]
    for poster in posters:
        poster.start()
    for poster in posters:
        poster.join()
    for _ in range(10):
        worker.post(lambda now: done.release())
        assert done.acquire(timeout=PATIENCE), "the worker was not woken"


def test_work_is_done_in_order_and_the_sink_gets_its_turn(make: Callable[[Sink], Worker]) -> None:
    batches: list[list[int]] = []
    complete = threading.Event()
    total = 3 * ROUND

    def sink(batch: list[Output]) -> None:
        batches.append([each.value for each in batch if isinstance(each, Completed)])  # type: ignore[misc]
        if sum(map(len, batches)) == total:
            complete.set()

    worker = make(sink)
    gate = threading.Event()
    worker.post(lambda now: _wait(gate))

    def emit(number: int) -> Callable[[float], None]:
        return lambda now: worker.core.put(Completed(token=0, value=number))

    for number in range(total):
        worker.post(emit(number))
    assert worker.backlog >= total
    gate.set()
    assert complete.wait(PATIENCE)
    assert [number for batch in batches for number in batch] == list(range(total))
    assert max(map(len, batches)) <= ROUND


def test_a_turn_ends_when_its_time_is_used_up() -> None:
    worker = Worker(0, nothing)
    worker.core = Core(EngineConfig(listeners=(), node="test"), Nowhere())
    done: list[float] = []

    def work(now: float) -> None:
        end = time.monotonic() + SLICE
        while time.monotonic() < end:
            pass
        done.append(now)

    for _ in range(3):
        worker.post(work)
    # Whether it is used up is looked at when a piece of work begins.
    worker.turn(())
    assert len(done) == 2
    assert worker.backlog == 1
    assert worker.sleep() == 0.0
    worker.turn(())
    assert len(done) == 3
    worker.close()


def test_a_defect_costs_only_the_work_it_is_in(make: Callable[[Sink], Worker]) -> None:
    done = threading.Event()

    def broken(now: float) -> None:
        raise RuntimeError("a defect")

    with structlog.testing.capture_logs() as logs:
        worker = make(nothing)
        worker.post(broken)
        worker.post(lambda now: done.set())
        assert done.wait(PATIENCE)
        worker.end()
        worker.join()
    assert worker.internal_errors == 1
    (line,) = logs
    assert (line["event"], line["log_level"]) == ("internal error", "error")


def test_a_worker_that_never_ran_can_be_ended() -> None:
    worker = Worker(0, nothing)
    worker.end()
    worker.join()
    worker.close()
    worker.post(lambda now: None)


def test_a_defect_in_the_sink_or_a_handler_leaves_the_engine_running() -> None:
    with structlog.testing.capture_logs() as logs:
        agent = Agent(on_event=_raise)
        try:
            with UdpPeer(agent.address()) as udp, TcpPeer.to(agent.address("TCP")) as tcp:
                udp.send(udp.request("INVITE"))
                udp.response(100)
                agent.wait_counter("internal_errors", 1)
                udp.ping()
                agent.engine.set_audience(_Broken())
                agent.snapshot()
                # The second message in the same segment is not lost with the first.
                tcp.send(tcp.request("INVITE") + tcp.request("OPTIONS", call_id="after"))
                assert tcp.response(200).call_id == "after"
        finally:
            agent.engine.stop()
    errors = [line for line in logs if line["event"] == "internal error"]
    assert len(errors) == agent.counter("internal_errors") >= 2


def _raise(agent: Agent, event: events.Event) -> None:
    raise RuntimeError("a defect in the sink")


class _Broken:
    def hears(self, resource: str, labels: object) -> bool:
        raise RuntimeError("a defect in a handler")

    def claims(self, method: str) -> bool:
        return False

    def lag(self, now: float) -> float:
        return 0.0


def test_who_hears_that_all_ended_has_heard_of_each_end() -> None:
    with Agent("udp", workers=2) as agent:
        first, second = agent.engine._workers
        begin, ended, gate = threading.Event(), threading.Event(), threading.Event()
        # The first one is the last to end, and the second one in the midst of its round then.
        first.post(lambda now: _wait(ended))
        second.post(lambda now: _wait(begin))
        second.post(lambda now: second.core.put(Completed(token="before", value=None)))
        agent.engine.end_all_calls("all")
        second.post(lambda now: ended.set())
        second.post(lambda now: _wait(gate))
        begin.set()
        agent.result("all")
        assert agent.result("before") is None
        tokens = [each.token for each in agent.outputs if isinstance(each, Completed)]
        gate.set()
        assert tokens == ["before", "all"]


def test_all_of_one_call_id_meet_on_one_worker() -> None:
    with Agent("udp", workers=4) as agent, UdpPeer(agent.address()) as peer:
        for number in range(8):
            call_id = f"meeting-{number}"
            peer.send(peer.request("INVITE", call_id=call_id, branch=f"m{number}"))
            peer.response(100)
            # Compact, folded, spaced and late in the message: the same call.
            cancel = peer.request("CANCEL", call_id=call_id, branch=f"m{number}")
            for spelling in (b"i \t:", b"CALL-ID:\r\n  ", b"Call-ID: \t\r\n\t"):
                other = cancel.replace(b"Call-ID: ", spelling)
                assert other != cancel
                peer.send(other)
                if spelling == b"i \t:":
                    answers = {peer.receive().cseq.method for _ in range(2)}
                    assert answers == {"CANCEL", "INVITE"}
        # The last two were retransmissions of the first.
        agent.wait_counter("retransmissions_received", 16)
        agent.wait(events.CallEnded, 8)
        counters = agent.engine.stats().counters
        # One 487 a call. Nobody acknowledges them here, so that timer G may repeat some; the other
        # repetitions are the answers to the repeated CANCELs.
        repeated = counters["retransmissions_sent"] - 16
        assert counters["responses_sent_4xx"] - repeated == 8


def test_no_datagram_keeps_the_threads_busy() -> None:
    with Agent("udp", workers=4) as agent, UdpPeer(agent.address()) as peer:
        spaces = b" \t" * 30_000
        for data in (b"\r\nCall-ID:" + spaces + b"\r", b"\r\ni" + spaces, b"\r\ni:\r\n \r" * 6000):
            peer.send(data)
            peer.send(b"OPTIONS sip:x SIP/2.0" + data + b"x\r\n\r\n")
        peer.ping()


@pytest.fixture
def resting() -> Iterator[Worker]:
    """A worker that takes no turn by itself."""
    worker = Worker(0, nothing)
    worker.core = Core(EngineConfig(listeners=(), node="test"), Nowhere())
    yield worker
    worker.close()


def _wakes(worker: Worker, at: float) -> None:
    """It sleeps until then."""
    before = time.monotonic()
    seconds = worker.sleep()
    after = time.monotonic()
    assert before + seconds <= at + 1e-6
    assert at <= after + seconds + 1e-6


def _timer(worker: Worker, at: float) -> None:
    user = TransactionUser("calls/a", worker.core.context, {})
    user.alarm("alarm", at)
    worker.core._population.timers.schedule(user)


def test_timers_of_one_grain_share_a_turn(resting: Worker) -> None:
    begin = (time.monotonic() // GRAIN + 100) * GRAIN
    for part in (0.9, 0.1, 0.5):
        _timer(resting, begin + part * GRAIN)
    _wakes(resting, begin + GRAIN)
    # What is to be done at a certain time is done then.
    resting.now = begin
    resting.after(0.3 * GRAIN, lambda now: None)
    _wakes(resting, begin + 0.3 * GRAIN)


@pytest.mark.parametrize("deadline", [1e6, float("inf")])
def test_what_is_far_away_is_slept_for_in_parts(resting: Worker, deadline: float) -> None:
    _timer(resting, time.monotonic() + deadline)
    assert resting.sleep() == pytest.approx(IDLE)


def test_what_is_due_already_is_not_slept_for(resting: Worker) -> None:
    _timer(resting, time.monotonic() - 1.0)
    assert resting.sleep() == 0.0
