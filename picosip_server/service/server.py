"""The server: engine, gRPC services, metrics and ready file, from start to end."""

from __future__ import annotations

import asyncio
import faulthandler
import logging
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import grpc
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from picosip.v1 import (
    admin_service_pb2 as admin_pb,
    admin_service_pb2_grpc as admin_grpc,
    call_service_pb2 as call_pb,
    call_service_pb2_grpc as call_grpc,
    event_service_pb2 as event_pb,
    load_service_pb2 as load_pb,
    load_service_pb2_grpc as load_grpc,
    registration_service_pb2 as registration_pb,
    registration_service_pb2_grpc as registration_grpc,
    request_service_pb2 as request_pb,
    request_service_pb2_grpc as request_grpc,
    subscription_service_pb2 as subscription_pb,
    subscription_service_pb2_grpc as subscription_grpc,
)
from picosip_server.addresses import HostPort
from picosip_server.engine.config import EngineConfig, ListenerSpec
from picosip_server.engine.engine import Engine
from picosip_server.form import is_compiled
from picosip_server.ready_file import remove_ready_file, write_ready_file
from picosip_server.service import listening, memory
from picosip_server.service.admin import AdminService
from picosip_server.service.backend import Backend
from picosip_server.service.bridge import Bridge
from picosip_server.service.calls import CallService
from picosip_server.service.clock import Clock
from picosip_server.service.drain import Drain
from picosip_server.service.event_log import EventLog
from picosip_server.service.events import EventService
from picosip_server.service.idempotency import Idempotency
from picosip_server.service.interceptors import Observer
from picosip_server.service.loads import Loads, LoadService
from picosip_server.service.metrics import Metrics
from picosip_server.service.ports import EnginePort, Sink
from picosip_server.service.registrations import RegistrationService
from picosip_server.service.requests import RequestService
from picosip_server.service.sessions import Sessions
from picosip_server.service.streams import Pace, Streams
from picosip_server.service.subscriptions import SubscriptionService
from picosip_server.service.trace import Tracer
from picosip_server.service.waiting import WaitingCalls
from picosip_server.service.witness import Witness
from picosip_server.settings import Settings, engine_config
from picosip_server.sip.ua.events import Event

_log = structlog.get_logger(__name__)

_MOST_EVENT_STREAMS = 2_000
_MOST_TRACES = 16
_LAST_WORDS = 1.0
"""Seconds for streams to send what they still have when the server stops."""

_ONE_SIGNAL = 0.1
"""Seconds within which a repeated signal is the same one."""

SERVICES = (
    call_pb.DESCRIPTOR.services_by_name["CallService"].full_name,
    registration_pb.DESCRIPTOR.services_by_name["RegistrationService"].full_name,
    request_pb.DESCRIPTOR.services_by_name["RequestService"].full_name,
    subscription_pb.DESCRIPTOR.services_by_name["SubscriptionService"].full_name,
    event_pb.DESCRIPTOR.services_by_name["EventService"].full_name,
    load_pb.DESCRIPTOR.services_by_name["LoadService"].full_name,
    admin_pb.DESCRIPTOR.services_by_name["AdminService"].full_name,
)

EngineFactory = Callable[[EngineConfig, Sink], EnginePort]


def _own_engine(config: EngineConfig, sink: Sink) -> Engine:
    return Engine(config, sink, loop=asyncio.get_running_loop())


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where a server really listens, as the ready file has it."""

    grpc: tuple[str, ...]
    sip: tuple[str, ...]
    metrics: str | None


class Server:
    """One server; started, drained and stopped once, on the running event loop."""

    def __init__(self, settings: Settings, make_engine: EngineFactory = _own_engine) -> None:
        self._settings = settings
        clock = Clock()
        self._metrics = Metrics()
        self._witness = Witness(self._metrics.set_up)
        self._event_log = EventLog(settings.event_log_size, clock)
        self._bridge = Bridge(
            lambda sink: make_engine(engine_config(settings), sink),
            on_event=self._on_event,
            on_traced=lambda traced: self._tracer.offer(traced),
            on_batch=self._event_log.wake,
            revision=lambda: self._event_log.latest,
        )
        engine = self._bridge.engine
        self._streams = Streams(_MOST_EVENT_STREAMS, engine.set_audience)
        self._waiting = WaitingCalls(self._event_log, self._streams.hears)
        self._sessions = Sessions(self._bridge.hang_up)
        self._tracer = Tracer(_MOST_TRACES, clock, engine.set_tracing)
        self._clock = clock
        self._health = health.aio.HealthServicer()
        self._drain: Drain | None = None
        self._grpc = grpc.aio.server(
            interceptors=(Observer(self._metrics.rpc_done),),
            options=listening.OPTIONS,
            maximum_concurrent_rpcs=listening.MOST_RPCS,
        )

    async def start(self) -> Addresses:
        """Begins to serve. Raises OSError if an address cannot be had."""
        settings = self._settings
        secure = listening.credentials(settings.tls_cert, settings.tls_key, settings.tls_client_ca)
        listeners = self._bridge.engine.start()
        try:
            backend = self._backend(listeners)
            loads = Loads(backend, settings, settings.node)
            self._add_services(backend, loads)
            grpc_addresses = tuple(
                listening.bind(self._grpc, address, secure) for address in settings.grpc
            )
            metrics = self._serve_metrics(loads)
            await loads.answer()
            await self._grpc.start()
            for name in ("", *SERVICES):
                await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        except BaseException:
            await self.stop()
            raise
        return Addresses(
            grpc=grpc_addresses,
            sip=tuple(
                f"{one.transport.lower()}:{HostPort(one.host, one.port)}" for one in listeners
            ),
            metrics=metrics,
        )

    async def drain(self, grace: float | None = None) -> None:
        """Takes no new work, gives what runs ``grace`` seconds, and ends it."""
        assert self._drain is not None, "the server has not been started"
        await self._drain.begin(self._settings.drain_timeout if grace is None else grace)
        await self._drain.wait()

    async def stop(self, last_words: float = _LAST_WORDS) -> None:
        """Stops at once, but for the last words of open streams, in seconds."""
        await self._grpc.stop(last_words)
        # It joins threads, which may want to hand the loop something.
        await asyncio.to_thread(self._bridge.engine.stop)
        self._bridge.close()
        await asyncio.to_thread(self._metrics.close)

    def read_certificates(self) -> None:
        """Reads the certificates of SIP over TLS again."""
        self._bridge.engine.read_certificates()

    async def give_back_memory(self) -> None:
        """Does so whenever a crowd has gone, until it is cancelled."""
        engine = self._bridge.engine
        await memory.Ebb(engine.size, engine.compact).watch()

    def _on_event(self, event: Event) -> None:
        self._event_log.append(event)
        self._waiting.saw(event)
        self._sessions.saw(event)
        self._witness.saw(event)

    def _backend(self, listeners: tuple[ListenerSpec, ...]) -> Backend:
        config = engine_config(self._settings)
        return Backend(
            bridge=self._bridge,
            log=self._event_log,
            streams=self._streams,
            waiting=self._waiting,
            idempotency=Idempotency(),
            clock=self._clock,
            listeners=listeners,
            host=listening.own_host(config.advertise_host, listeners[0].host),
            start_time=self._clock.now(),
            sessions=self._sessions,
            pace=Pace(self._settings.stream_batch, self._settings.stream_delay),
            most_commands=self._settings.stream_commands,
            rpc_done=self._metrics.rpc_done,
        )

    def _add_services(self, backend: Backend, loads: Loads) -> None:
        server = self._grpc
        self._drain = Drain(backend, self._tracer, loads, self._health.enter_graceful_shutdown)
        admin = AdminService(backend, self._drain, self._tracer, self._settings.drain_timeout)
        call_grpc.add_CallServiceServicer_to_server(CallService(backend), server)
        registration_grpc.add_RegistrationServiceServicer_to_server(
            RegistrationService(backend), server
        )
        request_grpc.add_RequestServiceServicer_to_server(RequestService(backend), server)
        subscription_grpc.add_SubscriptionServiceServicer_to_server(
            SubscriptionService(backend), server
        )
        load_grpc.add_LoadServiceServicer_to_server(LoadService(backend, loads), server)
        admin_grpc.add_AdminServiceServicer_to_server(admin, server)
        server.add_generic_rpc_handlers((EventService(backend).handler(),))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        reflection.enable_server_reflection(
            (*SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME), server
        )

    def _serve_metrics(self, loads: Loads) -> str | None:
        address = self._settings.metrics_address
        if address is None:
            return None
        self._metrics.watch(
            self._bridge.engine.stats,
            event_streams=lambda: len(self._streams),
            event_lag=lambda: self._streams.lag(self._clock.now()),
            events=lambda: self._event_log.latest,
            loads=loads.totals,
        )
        try:
            port = self._metrics.serve(address.host, address.port)
        except OSError as error:
            raise OSError(
                error.errno, f"cannot serve metrics on {address}: {error.strerror}"
            ) from None
        return str(HostPort(address.host, port))


def run(settings: Settings) -> int:
    """Serves until SIGTERM or SIGINT, and drains then; gives the exit status.

    0 after a drain, 1 where it could not start or a second signal cut the drain short.
    """
    if sys.stderr is not None:
        # What ends a process at once, as a fault in a native library does, leaves its stacks.
        faulthandler.enable()
    # On the debug level it has a line for each of its many tasks.
    logging.getLogger("grpc").setLevel(logging.INFO)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(_serve(settings))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        # It does not run everywhere; asyncio's own loop does.
        return None
    return uvloop.new_event_loop


async def _serve(settings: Settings) -> int:
    signals = _Signals()
    server = Server(settings)
    if settings.ready_file is not None:
        # One that a crash left behind would tell of a server that is not there.
        settings.ready_file.unlink(missing_ok=True)
    last_words = _LAST_WORDS
    try:
        addresses = await server.start()
        if hasattr(signal, "SIGHUP"):
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGHUP, server.read_certificates)
    except OSError as error:
        _log.error("cannot start", error=str(error))
        return 1
    memory.spare_collector()
    ebb = asyncio.create_task(server.give_back_memory(), name="memory")
    try:
        if settings.ready_file is not None:
            write_ready_file(settings.ready_file, addresses.grpc, addresses.sip, addresses.metrics)
        _log.info(
            "serving",
            grpc=addresses.grpc,
            sip=addresses.sip,
            metrics=addresses.metrics,
            compiled=is_compiled(),
        )
        await signals.first.wait()
        drained = asyncio.create_task(server.drain())
        cut_short = asyncio.create_task(signals.second.wait())
        await asyncio.wait((drained, cut_short), return_when=asyncio.FIRST_COMPLETED)
        cut_short.cancel()
        if drained.done():
            drained.result()
            return 0
        drained.cancel()
        last_words = 0.0
        _log.warning("stopped before everything had ended")
        return 1
    finally:
        ebb.cancel()
        await server.stop(last_words)
        if settings.ready_file is not None:
            remove_ready_file(settings.ready_file)
        _log.info("stopped")


class _Signals:
    """SIGTERM and SIGINT: the first one asks, the second one insists.

    ``timeout`` and terminals signal a process and its group at once: what comes within
    a moment of the first is the first.
    """

    def __init__(self) -> None:
        self.first = asyncio.Event()
        self.second = asyncio.Event()
        self._insists_from = 0.0
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            try:
                loop.add_signal_handler(number, self._came)
            except NotImplementedError:
                # Windows: its event loop takes no signal handlers.
                signal.signal(number, lambda *_: loop.call_soon_threadsafe(self._came))

    def _came(self) -> None:
        now = time.monotonic()
        if not self.first.is_set():
            self._insists_from = now + _ONE_SIGNAL
            self.first.set()
        elif now >= self._insists_from:
            self.second.set()
