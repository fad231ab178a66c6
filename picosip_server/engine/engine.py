"""The SIP engine as the service sees it: commands in, batches of outputs out."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Hashable
from threading import Lock

from picosip_server.engine.accounts import Accounts
from picosip_server.engine.audience import Audience
from picosip_server.engine.config import EngineConfig, ListenerSpec
from picosip_server.engine.core import Core
from picosip_server.engine.gate import Gate
from picosip_server.engine.identity import new_call_id, worker_for, worker_of
from picosip_server.engine.snapshot import Snapshot
from picosip_server.engine.stats import EngineStats
from picosip_server.engine.transport.sockets import Sockets, WorkerNetwork
from picosip_server.engine.worker import Worker
from picosip_server.sip.ua import commands
from picosip_server.sip.ua.commands import Command
from picosip_server.sip.ua.outputs import Completed, Output


def default_workers() -> int:
    """One where CPython holds the GIL: more threads would only wait for each other."""
    enabled = getattr(sys, "_is_gil_enabled", None)
    if enabled is None or enabled():
        return 1
    return os.cpu_count() or 1


class Engine:
    """A pool of workers, each with its own actors; all of one Call-ID meet on one of them.

    ``sink`` is called from the workers' threads, with what happened in one round, in order.
    """

    def __init__(self, config: EngineConfig, sink: Callable[[list[Output]], None]) -> None:
        self._config = config
        self._sink = sink
        self._workers: list[Worker] = []
        self._sockets: Sockets | None = None

    def start(self) -> tuple[ListenerSpec, ...]:
        """Binds the listeners and starts the threads.

        Returns:
            The addresses really bound, in the order of the configuration.

        Raises:
            OSError: one of them cannot be bound.
        """
        sockets = Sockets(self._config)
        self._sockets = sockets
        accounts = Accounts()
        gate = Gate(self._config.users)
        count = self._config.workers or default_workers()
        workers = [Worker(index, self._sink) for index in range(count)]
        for worker in workers:
            network = WorkerNetwork(sockets, worker, workers[0])
            worker.core = Core(
                self._config, network, worker=worker.index, accounts=accounts, gate=gate
            )
        sockets.attach(workers)
        self._workers = workers
        for worker in workers:
            worker.start()
        return sockets.bound

    def submit(self, command: Command) -> None:
        """Hands a command over; answered by one ``Completed`` or ``Failed`` with its token."""
        count = len(self._workers)
        call_id = ""
        if isinstance(command, commands.Invite | commands.Register | commands.Ping):
            call_id = new_call_id()
            worker = self._workers[worker_for(call_id, count)]
        else:
            assert isinstance(
                command, commands.CallCommand | commands.RegistrationCommand | commands.Respond
            )
            worker = self._workers[worker_of(command.name, count)]
        worker.post(lambda now: worker.core.submit(command, now, call_id))

    def submit_snapshot(self, token: Hashable) -> None:
        """Answered by ``Completed`` with a ``Snapshot`` of all that lives."""

        def merge(parts: list[object]) -> Snapshot:
            snapshots = [part for part in parts if isinstance(part, Snapshot)]
            return Snapshot(
                calls=tuple(call for part in snapshots for call in part.calls),
                registrations=tuple(each for part in snapshots for each in part.registrations),
            )

        gather = _Gather(token, len(self._workers), merge)
        for worker in self._workers:
            worker.post(_snapshot_of(worker, gather))

    def set_audience(self, audience: Audience) -> None:
        """Tells the workers who listens now."""
        for worker in self._workers:
            worker.post(_with(worker, lambda core, now: core.set_audience(audience, now)))

    def set_tracing(self, on: bool) -> None:
        """``Traced`` outputs are made only while this is on."""

        def set_it(core: Core, now: float) -> None:
            core.tracing = on

        for worker in self._workers:
            worker.post(_with(worker, set_it))

    def refuse_new_work(self) -> None:
        """Drains: 503 for new requests, ``UNAVAILABLE`` for commands that begin something."""
        for worker in self._workers:
            worker.post(_with(worker, lambda core, now: core.refuse_new_work()))

    def end_all_calls(self, token: Hashable) -> None:
        """Ends all calls and registrations; answered by ``Completed`` when none is left."""
        gather = _Gather(token, len(self._workers), lambda parts: None)
        for worker in self._workers:
            worker.post(_end_all_of(worker, gather))

    def stats(self) -> EngineStats:
        """Figures of now."""
        total = EngineStats.total([worker.core.stats() for worker in self._workers])
        total.counters["internal_errors"] = sum(each.internal_errors for each in self._workers)
        return total

    def stop(self) -> None:
        """Ends the threads and closes the sockets."""
        for worker in self._workers:
            worker.stop()
        if self._sockets is not None:
            self._sockets.close()
        for worker in self._workers:
            worker.close()


class _Gather:
    """One answer made of one part from each worker."""

    def __init__(
        self, token: Hashable, parts: int, merge: Callable[[list[object]], object]
    ) -> None:
        self.token = token
        self._missing = parts
        self._parts: list[object] = []
        self._merge = merge
        self._lock = Lock()

    def add(self, part: object) -> Completed | None:
        """Adds a part; the last one makes the answer."""
        with self._lock:
            self._parts.append(part)
            self._missing -= 1
            if self._missing:
                return None
        return Completed(token=self.token, value=self._merge(self._parts))


def _with(worker: Worker, work: Callable[[Core, float], None]) -> Callable[[float], None]:
    return lambda now: work(worker.core, now)


def _snapshot_of(worker: Worker, gather: _Gather) -> Callable[[float], None]:
    def snapshot(now: float) -> None:
        answer = gather.add(worker.core.snapshot())
        if answer is not None:
            worker.core.outbox.append(answer)

    return snapshot


def _end_all_of(worker: Worker, gather: _Gather) -> Callable[[float], None]:
    def ended() -> None:
        answer = gather.add(None)
        if answer is not None:
            worker.core.outbox.append(answer)

    return lambda now: worker.core.end_all(ended, now)
