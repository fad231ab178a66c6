"""What Prometheus reads, and what the log says."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from picosip_server.engine.stats import EngineStats
from picosip_server.service.metrics import Metrics
from picosip_server.service.witness import Witness
from picosip_server.sip.address import Address
from picosip_server.sip.ua.events import CallAnswered, RegistrationChanged
from picosip_server.sip.ua.snapshots import RegistrationState
from tests.service import values

STATS = EngineStats(
    active_calls=3,
    active_registrations=2,
    active_transactions=5,
    calls_by_state={"confirmed": 2, "EARLY": 1},
    counters={
        "messages_received": 10,
        "messages_sent": 11,
        "responses_sent_2xx": 4,
        "responses_received_4xx": 1,
        "retransmissions_sent": 6,
        "refused_overload": 7,
        "dropped_blocked": 12,
        "parse_errors": 8,
        "internal errors": 0,
    },
    trunks={"sip:a.example": True, "sip:b.example": False},
)


@pytest.fixture
def metrics() -> Iterator[Metrics]:
    made = Metrics()
    made.watch(lambda: STATS, event_streams=lambda: 9, event_lag=lambda: 0.25, events=lambda: 42)
    yield made
    made.close()


def scrape(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    port = metrics.serve("127.0.0.1", 0)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_the_figures_of_the_engine_and_of_the_service(metrics: Metrics) -> None:
    metrics.rpc_done("/picosip.v1.CallService/Invite", "OK")
    metrics.rpc_done("/picosip.v1.CallService/Invite", "OK")
    metrics.rpc_done("/picosip.v1.CallService/Invite", "NOT_FOUND")
    metrics.set_up(0.3)
    found = scrape(metrics)
    invite = ("method", "/picosip.v1.CallService/Invite")
    expected = {
        ("picosip_calls", (("state", "confirmed"),)): 2,
        ("picosip_calls", (("state", "early"),)): 1,
        ("picosip_calls", (("state", "calling"),)): 0,
        ("picosip_active_calls", ()): 3,
        ("picosip_active_registrations", ()): 2,
        ("picosip_active_transactions", ()): 5,
        ("picosip_trunk_up", (("uri", "sip:a.example"),)): 1,
        ("picosip_trunk_up", (("uri", "sip:b.example"),)): 0,
        ("picosip_event_streams", ()): 9,
        ("picosip_event_lag_seconds", ()): 0.25,
        ("picosip_events_total", ()): 42,
        ("picosip_messages_total", (("direction", "received"),)): 10,
        ("picosip_messages_total", (("direction", "sent"),)): 11,
        ("picosip_responses_total", (("class", "2xx"), ("direction", "sent"))): 4,
        ("picosip_responses_total", (("class", "4xx"), ("direction", "received"))): 1,
        ("picosip_responses_total", (("class", "6xx"), ("direction", "received"))): 0,
        ("picosip_retransmissions_total", (("direction", "sent"),)): 6,
        ("picosip_retransmissions_total", (("direction", "received"),)): 0,
        ("picosip_refused_total", (("reason", "overload"),)): 7,
        ("picosip_refused_total", (("reason", "draining"),)): 0,
        ("picosip_refused_total", (("reason", "rate_limit"),)): 0,
        ("picosip_refused_total", (("reason", "auth_failures"),)): 0,
        ("picosip_dropped_total", (("reason", "blocked"),)): 12,
        ("picosip_dropped_total", (("reason", "denied"),)): 0,
        ("picosip_dropped_total", (("reason", "receive_buffer"),)): 0,
        ("picosip_parse_errors_total", ()): 8,
        ("picosip_internal_errors_total", ()): 0,
        ("picosip_grpc_requests_total", (("code", "OK"), invite)): 2,
        ("picosip_grpc_requests_total", (("code", "NOT_FOUND"), invite)): 1,
        ("picosip_call_setup_seconds_count", ()): 1,
        ("picosip_call_setup_seconds_sum", ()): 0.3,
        ("picosip_call_setup_seconds_bucket", (("le", "0.25"),)): 0,
        ("picosip_call_setup_seconds_bucket", (("le", "0.5"),)): 1,
    }
    assert {key: found.get(key) for key in expected} == expected


def test_two_servers_do_not_mix(metrics: Metrics) -> None:
    other = Metrics()
    other.rpc_done("/picosip.v1.CallService/Invite", "OK")
    assert not [key for key in scrape(metrics) if key[0] == "picosip_grpc_requests_total"]


def test_a_port_that_is_taken_is_an_error(metrics: Metrics) -> None:
    port = metrics.serve("127.0.0.1", 0)
    with pytest.raises(OSError):
        Metrics().serve("127.0.0.1", port)


def answered(at: float, status: int = 200) -> CallAnswered:
    return CallAnswered(
        resource="calls/a", at=at, status=status, reason="OK", remote_tag="b1", description=None
    )


def test_a_call_leaves_a_line_for_each_fact() -> None:
    setups: list[float] = []
    witness = Witness(setups.append)
    with capture_logs() as lines:
        witness.saw(values.created("calls/a"))
        witness.saw(answered(1000.3))
        # Another fork's 2xx sets up no second call.
        witness.saw(answered(1000.9))
        witness.saw(values.ended("calls/a"))
        witness.saw(values.received("calls/b"))
        # Of a call that nobody saw begin.
        witness.saw(values.ended("calls/c"))
    assert setups == [pytest.approx(0.3)]
    common = {"log_level": "info", "call": "calls/a", "sip_call_id": "id-of-calls/a"}
    assert lines[:3] == [
        {
            **common,
            "event": "call created",
            "caller": "sip:alice@example.com",
            "callee": "sip:bob@example.com",
        },
        {**common, "event": "call answered", "status": 200, "setup_seconds": 0.3},
        {
            **common,
            "event": "call ended",
            "cause": "local_hangup",
            "status": None,
            "seconds": 10.0,
        },
    ]
    assert [(line["event"], line["call"]) for line in lines[3:]] == [
        ("call received", "calls/b"),
        ("call ended", "calls/c"),
    ]


def test_a_registration_leaves_a_line_without_secrets() -> None:
    registration = values.registration(
        state=RegistrationState.FAILED,
        aor=Address.parse("<sip:bob:pa55w0rd@example.com;x=y>"),
        last_status=403,
    )
    with capture_logs() as lines:
        Witness(lambda seconds: None).saw(
            RegistrationChanged(resource="registrations/a", at=1.0, registration=registration)
        )
    assert lines == [
        {
            "log_level": "info",
            "event": "registration changed",
            "registration": "registrations/a",
            "state": "failed",
            "aor": "sip:bob@example.com",
            "registrar": "sip:example.com",
            "status": 403,
        }
    ]
