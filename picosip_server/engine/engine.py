"""The SIP engine as the service sees it: commands in, batches of outputs out."""

from __future__ import annotations

import os
import secrets
import sys
from asyncio import AbstractEventLoop
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from functools import partial
from threading import Barrier, Lock

from picosip_server.engine.accounts import Accounts
from picosip_server.engine.audience import Audience
from picosip_server.engine.complaints import Complaints
from picosip_server.engine.config import EngineConfig, ListenerSpec
from picosip_server.engine.core import Core
from picosip_server.engine.gate import Gate
from picosip_server.engine.guard.overload import Pressure
from picosip_server.engine.identity import call_id_like, new_call_id, worker_for, worker_of
from picosip_server.engine.load.figures import LoadFigures, total
from picosip_server.engine.load.script import Load
from picosip_server.engine.orders import Creation
from picosip_server.engine.runner import Runner, SharedLoop, Turns
from picosip_server.engine.snapshot import Snapshot
from picosip_server.engine.stats import EngineStats
from picosip_server.engine.transport.sockets import MOST_WAITING, Sockets
from picosip_server.engine.transport.stream import DEFAULT_LIMITS, StreamLimits
from picosip_server.engine.transport.worker_network import WorkerNetwork
from picosip_server.engine.worker import Worker
from picosip_server.sip.ua import commands
from picosip_server.sip.ua.commands import Command
from picosip_server.sip.ua.outputs import Completed, Failed, Failure, FailureKind, Output
from picosip_server.sip.ua.subscription.commands import PublicationCommand, SubscriptionCommand


def default_workers() -> int:
    """One where CPython holds the GIL: more threads would only wait for each other."""
    enabled = getattr(sys, "_is_gil_enabled", None)
    if enabled is None or enabled():
        return 1
    return os.cpu_count() or 1


class Engine:
    """A pool of workers, each with its own actors; all of one Call-ID meet on one of them.

    ``sink`` is called from the workers' threads, with what happened in one turn, in order.
    It must not block, nor stop the engine.

    With ``loop``, on whose thread the engine is then started, the one worker that is the default
    under the GIL takes its turns there, instead of in a thread of its own.
    """

    def __init__(
        self,
        config: EngineConfig,
        sink: Callable[[list[Output]], None],
        *,
        limits: StreamLimits = DEFAULT_LIMITS,
        loop: AbstractEventLoop | None = None,
    ) -> None:
        self._loop = loop
        self._config = config
        self._sink = sink
        self._limits = limits
        self._workers: list[Worker] = []
        self._sockets: Sockets | None = None
        self._stopped = False
        self._pressure = Pressure()
        self.turned_away = 0
        """Commands that found too many others waiting."""
        self._lock = Lock()
        """Held while all workers are told something that they are to do at the same time."""

    def start(self) -> tuple[ListenerSpec, ...]:
        """Binds the listeners and starts the threads.

        Returns:
            The addresses really bound, in the order of the configuration.

        Raises:
            OSError: one of them cannot be bound; then nothing stays bound.
        """
        sockets = self._sockets = Sockets(self._config, self._limits)
        try:
            self._start_workers(sockets)
        except BaseException:
            self.stop()
            raise
        return sockets.bound

    def _start_workers(self, sockets: Sockets) -> None:
        accounts = Accounts()
        gate = Gate(self._config, sockets.guard)
        complaints = Complaints()
        workers = self._workers
        count = self._config.workers or default_workers()
        runner = self._runner(count)
        for index in range(count):
            worker = Worker(index, self._sink, runner)
            workers.append(worker)
            worker.core = Core(
                self._config,
                WorkerNetwork(sockets, worker, workers[0]),
                worker=index,
                workers=count,
                accounts=accounts,
                gate=gate,
                complaints=complaints,
                guard=sockets.guard,
                pressure=self._pressure,
            )
        sockets.attach(workers)
        for worker in workers:
            worker.start()
        for uri in self._config.trunks:
            # What answers its pings comes to the worker of their Call-ID.
            call_id = new_call_id()
            worker = workers[worker_for(call_id, len(workers))]
            worker.post(_watch(worker, uri, call_id))

    def _runner(self, count: int) -> Callable[[Turns], Runner] | None:
        if self._loop is None or self._config.workers or count > 1 or not SharedLoop.possible():
            return None
        return partial(SharedLoop, loop=self._loop)

    def submit(self, command: Command) -> None:
        """Hands a command over; answered by one ``Completed`` or ``Failed`` with its token."""
        count = len(self._workers)
        call_id = ""
        if isinstance(command, Creation):
            call_id = new_call_id()
            if isinstance(command, commands.Transact) and command.method == "MESSAGE":
                # All to one URI meet on one worker, which sends them one after the other.
                call_id = call_id_like(str(command.uri), count)
            worker = self._workers[worker_for(call_id, count)]
        else:
            assert isinstance(
                command,
                commands.CallCommand
                | commands.RegistrationCommand
                | commands.Respond
                | SubscriptionCommand
                | PublicationCommand,
            )
            worker = self._workers[worker_of(command.name, count)]
        # A command on what exists, such as Hangup, has room of its own.
        most = MOST_WAITING if isinstance(command, Creation) else 10 * MOST_WAITING
        if worker.backlog >= most:
            self.turned_away += 1
            detail = "more commands wait than this server can take"
            failure = Failure(kind=FailureKind.EXHAUSTED, detail=detail)
            self._sink([Failed(token=command.token, failure=failure)])
            return
        worker.post(lambda now: worker.core.submit(command, now, call_id))

    @contextmanager
    def gather(self) -> Iterator[None]:
        """Commands that are submitted inside reach the workers with one wake-up for all."""
        for worker in self._workers:
            worker.gather(True)
        try:
            yield
        finally:
            for worker in self._workers:
                worker.gather(False)

    def submit_snapshot(self, token: Hashable) -> None:
        """Answered by ``Completed`` with a ``Snapshot`` of all that lives.

        What the sink heard before is in it, and what the sink hears after is not.
        """
        parts: list[Snapshot] = []

        def answer() -> None:
            calls = tuple(call for part in parts for call in part.calls)
            registrations = tuple(each for part in parts for each in part.registrations)
            subscriptions = tuple(each for part in parts for each in part.subscriptions)
            value = Snapshot(calls=calls, registrations=registrations, subscriptions=subscriptions)
            self._sink([Completed(token=token, value=value)])

        # The workers wait for each other: the picture is of one moment. They all come to
        # this, since all are told at once, and nobody is told after it was told to end.
        barrier = Barrier(len(self._workers), action=answer)
        with self._lock:
            if not self._stopped:
                for worker in self._workers:
                    worker.post(_snapshot_of(worker, parts, barrier))

    def set_audience(self, audience: Audience) -> None:
        """Tells the workers who listens now."""
        for worker in self._workers:
            worker.post(_with(worker, lambda core, now: core.set_audience(audience, now)))

    def set_tracing(self, on: bool) -> None:
        """``Traced`` outputs are made only while this is on."""
        for worker in self._workers:
            worker.post(_with(worker, lambda core, now: core.set_tracing(on)))

    def hold_back(self, on: bool) -> None:
        """Whoever takes the outputs is behind: nothing new begins while this is on."""
        self._pressure.on = on

    def read_certificates(self) -> None:
        """Reads the certificates of SIP over TLS again, for connections to come."""
        sockets = self._sockets
        if sockets is not None and self._workers:
            self._workers[0].post(lambda now: sockets.read_certificates())

    def refuse_new_work(self) -> None:
        """Drains: 503 for new requests, ``UNAVAILABLE`` for commands that begin something."""
        for worker in self._workers:
            worker.post(_with(worker, lambda core, now: core.refuse_new_work()))

    def end_all_calls(self, token: Hashable) -> None:
        """Ends all calls and registrations; answered by ``Completed`` when none is left."""
        countdown = _Countdown(len(self._workers), Completed(token=token, value=None))
        for worker in self._workers:
            worker.post(_end_all_of(worker, countdown))

    def abandon_all(self) -> None:
        """Ends what ``end_all_calls`` still waits for, without the far ends' answers."""
        for worker in self._workers:
            worker.post(_with(worker, lambda core, now: core.abandon_all(now)))

    def compact(self) -> None:
        """Has the tables be as large as what is in them, after a crowd."""
        for worker in self._workers:
            worker.post(_with(worker, lambda core, now: core.compact()))

    def begin_load(self, load: Load, host: str, token: Hashable, over: Hashable) -> None:
        """Begins a load, in equal parts on all workers.

        Answered by ``Completed`` when it runs, or by ``Failed`` where it may not; when it has
        ended, by another ``Completed``, with the token ``over`` and its ``LoadFigures``.
        ``host`` stands in descriptions that it makes.
        """
        count = len(self._workers)
        seed = load.seed or secrets.randbits(63)
        beginning = _Beginning(count, token, lambda: self.stop_load(load.name, hang_up=True))
        gathering = _Gathering(count, over)
        for worker in self._workers:
            worker.post(_load_on(worker, load, host, seed, beginning, gathering))

    def stop_load(self, name: str, *, hang_up: bool) -> None:
        """Has a load begin nothing more; with ``hang_up`` what lives is ended at once."""
        for worker in self._workers:
            worker.post(
                _with(worker, lambda core, now: core.loads.stop(name, now, hang_up=hang_up))
            )

    def measure_load(self, name: str, token: Hashable) -> None:
        """Answered by ``Completed`` with the ``LoadFigures`` of now."""
        gathering = _Gathering(len(self._workers), token)
        for worker in self._workers:
            worker.post(_measure_on(worker, name, gathering))

    def stats(self) -> EngineStats:
        """Figures of now."""
        total = EngineStats.total([worker.core.stats() for worker in self._workers])
        total.counters["internal_errors"] = sum(each.internal_errors for each in self._workers)
        repeated = sum(worker.arrivals.repeated for worker in self._workers)
        for name in ("messages_received", "retransmissions_received"):
            total.counters[name] = total.counters.get(name, 0) + repeated
        if self._sockets is not None:
            total.counters["dropped_stun"] = self._sockets.stun_dropped
            total.counters["dropped_overload"] = self._sockets.dropped
            total.counters["dropped_receive_buffer"] = self._sockets.lost
            denied = total.counters.get("dropped_denied", 0)
            total.counters["dropped_denied"] = denied + self._sockets.denied
        refused = total.counters.get("refused_overload", 0)
        total.counters["refused_overload"] = refused + self.turned_away
        return total

    def size(self) -> int:
        """See ``EnginePort.size``."""
        return sum(worker.core.size() for worker in self._workers)

    def stop(self) -> None:
        """Ends the threads and closes the sockets. What is submitted from now on is lost."""
        with self._lock:
            if self._stopped:
                return
            self._stopped = True
            for worker in self._workers:
                worker.end()
        for worker in self._workers:
            worker.join()
        if self._sockets is not None:
            self._sockets.close()
        for worker in self._workers:
            worker.close()


class _Countdown:
    """An answer that is due when every worker has come to its end."""

    def __init__(self, workers: int, answer: Completed) -> None:
        self._missing = workers
        self._answer = answer
        self._lock = Lock()

    def one_more(self) -> Completed | None:
        """One more has; the last one gets the answer."""
        with self._lock:
            self._missing -= 1
            return None if self._missing else self._answer


class _Beginning:
    """Whether a load may begin: all workers must find that it may."""

    def __init__(self, workers: int, token: Hashable, stop: Callable[[], None]) -> None:
        self._missing = workers
        self._token = token
        self._stop = stop
        self._failure: Failure | None = None
        self._lock = Lock()

    def one_more(self, failure: Failure | None) -> Completed | Failed | None:
        """One more worker knows; the last one gets the answer."""
        with self._lock:
            self._missing -= 1
            self._failure = self._failure or failure
            if self._missing:
                return None
            if self._failure is None:
                return Completed(token=self._token, value=None)
        # Where the others have begun.
        self._stop()
        return Failed(token=self._token, failure=self._failure)


class _Gathering:
    """The figures of a load that the workers have parts of."""

    def __init__(self, workers: int, token: Hashable) -> None:
        self._missing = workers
        self._token = token
        self._parts: list[LoadFigures] = []
        self._lock = Lock()

    def one_more(self, part: LoadFigures) -> Completed | None:
        """One more worker has its part; the last one gets the answer."""
        with self._lock:
            self._missing -= 1
            self._parts.append(part)
            return None if self._missing else Completed(token=self._token, value=total(self._parts))


def _load_on(
    worker: Worker,
    load: Load,
    host: str,
    seed: int,
    beginning: _Beginning,
    gathering: _Gathering,
) -> Callable[[float], None]:
    def begun(failure: Failure | None) -> None:
        answer = beginning.one_more(failure)
        if answer is not None:
            worker.core.put(answer)

    def ended(part: LoadFigures) -> None:
        answer = gathering.one_more(part)
        if answer is not None:
            worker.core.put(answer)

    return lambda now: worker.core.loads.start(load, host, seed, begun, ended, now)


def _measure_on(worker: Worker, name: str, gathering: _Gathering) -> Callable[[float], None]:
    def measure(now: float) -> None:
        part = worker.core.loads.measure(name, now) or LoadFigures(stopping=True)
        answer = gathering.one_more(part)
        if answer is not None:
            worker.core.put(answer)

    return measure


def _with(worker: Worker, work: Callable[[Core, float], None]) -> Callable[[float], None]:
    return lambda now: work(worker.core, now)


def _watch(worker: Worker, uri: str, call_id: str) -> Callable[[float], None]:
    return lambda now: worker.core.watch_trunk(uri, call_id, now)


def _snapshot_of(
    worker: Worker, parts: list[Snapshot], barrier: Barrier
) -> Callable[[float], None]:
    def snapshot(now: float) -> None:
        try:
            worker.flush()
            parts.append(worker.core.snapshot())
        except BaseException:
            # Or the others would wait for ever.
            barrier.abort()
            raise
        barrier.wait()

    return snapshot


def _end_all_of(worker: Worker, countdown: _Countdown) -> Callable[[float], None]:
    def ended() -> None:
        # The ends of this worker's calls go out before another worker may say that all ended.
        worker.flush()
        answer = countdown.one_more()
        if answer is not None:
            worker.core.put(answer)

    return lambda now: worker.core.end_all(ended, now)
