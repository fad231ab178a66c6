"""Figures for Prometheus."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, Counter, Histogram, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from picosip_server.engine.load.figures import LoadFigures
from picosip_server.engine.stats import EngineStats
from picosip_server.sip.ua.snapshots import CallState

_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 180)
# Shown from the start: what has not happened yet is a zero, not a gap.
_ALWAYS = {
    "flows_failed": 0,
    "parse_errors": 0,
    "retransmissions_sent": 0,
    "retransmissions_received": 0,
    **dict.fromkeys(
        (
            "refused_overload",
            "refused_draining",
            "refused_rate_limit",
            "refused_auth_failures",
            "dropped_denied",
            "dropped_blocked",
            "dropped_scanner",
            "dropped_rate_limit",
            "dropped_overload",
            "dropped_stun",
            "dropped_receive_buffer",
        ),
        0,
    ),
    **{
        f"responses_{direction}_{number}xx": 0
        for direction in ("sent", "received")
        for number in range(1, 7)
    },
}
_responses = re.compile(r"responses_(sent|received)_([1-6]xx)").fullmatch
_directed = re.compile(r"(\w+)_(sent|received)").fullmatch
_turned_away = re.compile(r"(refused|dropped)_(\w+)").fullmatch


class Metrics:
    """A registry of this server's own, so that two servers in a process do not mix."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "picosip_grpc_requests",
            "RPCs done, by method and status code.",
            ["method", "code"],
            registry=self.registry,
        )
        self._counters: dict[tuple[str, str], Counter] = {}
        self._setup = Histogram(
            "picosip_call_setup_seconds",
            "From INVITE to 2xx.",
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._server: WSGIServer | None = None
        self._thread: threading.Thread | None = None

    def rpc_done(self, method: str, code: str) -> None:
        """Counts an RPC."""
        # Looking a child up by its labels costs more than all the rest of it.
        counter = self._counters.get((method, code))
        if counter is None:
            counter = self._counters[method, code] = self._requests.labels(method, code)
        counter.inc()

    def set_up(self, seconds: float) -> None:
        """Notes how long a call took to be answered."""
        self._setup.observe(seconds)

    def watch(
        self,
        stats: Callable[[], EngineStats],
        *,
        event_streams: Callable[[], int],
        event_lag: Callable[[], float],
        events: Callable[[], int],
        loads: Callable[[], LoadFigures] = LoadFigures,
    ) -> None:
        """Has these read whenever somebody asks for the metrics, in another thread."""
        self.registry.register(_Figures(stats, event_streams, event_lag, events, loads))

    def serve(self, host: str, port: int) -> int:
        """Exposes them over HTTP; gives the port really bound. Raises OSError."""
        self._server, self._thread = start_http_server(port, host, self.registry)
        return self._server.server_port

    def close(self) -> None:
        """Ends the exposition."""
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()
            self._server = self._thread = None


class _Figures(Collector):
    def __init__(
        self,
        stats: Callable[[], EngineStats],
        event_streams: Callable[[], int],
        event_lag: Callable[[], float],
        events: Callable[[], int],
        loads: Callable[[], LoadFigures],
    ) -> None:
        self._stats = stats
        self._loads = loads
        self._event_streams = event_streams
        self._event_lag = event_lag
        self._events = events

    def describe(self) -> list[Metric]:
        """Nothing: the names of the engine's counters are the engine's."""
        return []

    def collect(self) -> Iterator[Metric]:
        """The figures of this moment."""
        stats = self._stats()
        calls = GaugeMetricFamily("picosip_calls", "Live calls by state.", labels=["state"])
        by_state = dict.fromkeys((state.name.lower() for state in CallState), 0)
        by_state |= {state.lower(): number for state, number in stats.calls_by_state.items()}
        for state, number in by_state.items():
            calls.add_metric([state], number)
        yield calls
        trunks = GaugeMetricFamily(
            "picosip_trunk_up", "Whether a trunk answers its pings.", labels=["uri"]
        )
        for uri, up in stats.trunks.items():
            trunks.add_metric([uri], up)
        yield trunks
        for name, text, value in (
            ("picosip_active_calls", "Calls that have not ended.", stats.active_calls),
            ("picosip_active_registrations", "Registrations kept.", stats.active_registrations),
            ("picosip_active_subscriptions", "Subscriptions.", stats.active_subscriptions),
            ("picosip_active_publications", "Publications kept.", stats.active_publications),
            ("picosip_active_transactions", "SIP transactions.", stats.active_transactions),
            ("picosip_event_streams", "Open Events streams.", self._event_streams()),
            (
                "picosip_event_lag_seconds",
                "Age of the oldest event that a stream has not been sent yet.",
                self._event_lag(),
            ),
        ):
            yield GaugeMetricFamily(name, text, value=value)
        yield CounterMetricFamily(
            "picosip_events", "Events in the log since the start.", value=self._events()
        )
        loads = self._loads()
        yield GaugeMetricFamily("picosip_load_active", "What loads keep alive.", value=loads.active)
        for name, text, value in (
            ("started", "Calls, registrations and messages of loads that began.", loads.started),
            ("succeeded", "Those that ended as was wanted.", loads.succeeded),
            ("failed", "Those that did not.", loads.failed),
        ):
            yield CounterMetricFamily(f"picosip_load_{name}", text, value=value)
        yield from _counters({**_ALWAYS, **stats.counters})


def _counters(counters: dict[str, int]) -> list[CounterMetricFamily]:
    families: dict[str, CounterMetricFamily] = {}
    for name, number in sorted(counters.items()):
        family, labels = _family(name)
        if family not in families:
            families[family] = CounterMetricFamily(
                f"picosip_{family}", f"SIP: {family.replace('_', ' ')}.", labels=list(labels)
            )
        families[family].add_metric(list(labels.values()), number)
    return list(families.values())


def _family(name: str) -> tuple[str, dict[str, str]]:
    """The metric for an engine counter: what tells counters apart becomes a label."""
    if found := _responses(name):
        return "responses", {"direction": found[1], "class": found[2]}
    if found := _directed(name):
        return found[1], {"direction": found[2]}
    if found := _turned_away(name):
        return found[1], {"reason": found[2]}
    return re.sub(r"\W", "_", name), {}
