"""Who sees what, and who is listening."""

from __future__ import annotations

from typing import Any

import pytest

from picosip.v1 import event_service_pb2 as pb
from picosip_server.service.audience import Listeners
from picosip_server.service.event_log import Entry
from picosip_server.service.filters import StreamFilter


def stream_filter(**fields: Any) -> StreamFilter:
    return StreamFilter(pb.EventFilter(**fields))


def entry(resource: str, **more: Any) -> Entry:
    return Entry(b"", at=0.0, resource=resource, **more)


@pytest.mark.parametrize(
    ("wanted", "resource", "matches"),
    [
        ([], "calls/a", True),
        (["calls/"], "calls/a", True),
        (["calls"], "calls/a", True),
        (["calls/"], "registrations/a", False),
        (["calls/a"], "calls/a", True),
        (["calls/a"], "calls/ab", False),
        (["calls/a"], "calls/a/transfers/1", True),
        (["calls/b", "registrations/"], "registrations/a", True),
        (["calls/b", "registrations/"], "calls/a", False),
    ],
)
def test_resources(wanted: list[str], resource: str, matches: bool) -> None:
    assert stream_filter(resources=wanted).sees(entry(resource)) is matches


@pytest.mark.parametrize(
    ("wanted", "labels", "matches"),
    [
        ({}, {}, True),
        ({}, {"a": "b"}, True),
        ({"a": "b"}, {"a": "b", "c": "d"}, True),
        ({"a": "b"}, {"a": "c"}, False),
        ({"a": "b"}, {}, False),
        ({"a": "b", "c": "d"}, {"a": "b"}, False),
        ({"a": ""}, {}, False),
    ],
)
def test_labels(wanted: dict[str, str], labels: dict[str, str], matches: bool) -> None:
    assert stream_filter(labels=wanted).sees(entry("calls/a", labels=labels)) is matches


@pytest.mark.parametrize(
    ("fields", "sees"),
    [
        ({}, False),
        ({"handle_methods": ["OPTIONS"]}, False),
        ({"handle_methods": ["OPTIONS", "REGISTER"]}, True),
        ({"handle_methods": ["*"]}, True),
        # A claim holds whatever else is filtered: somebody must answer.
        ({"handle_methods": ["REGISTER"], "resources": ["calls/"]}, True),
        ({"handle_methods": ["REGISTER"], "labels": {"a": "b"}}, True),
        ({"observer": True}, True),
        ({"observer": True, "resources": ["requests/"]}, True),
        ({"observer": True, "resources": ["calls/"]}, False),
        ({"observer": True, "resources": ["calls/"], "handle_methods": ["*"]}, False),
    ],
)
def test_requests_outside_dialogs(fields: dict[str, Any], sees: bool) -> None:
    assert stream_filter(**fields).sees(entry("requests/a", method="REGISTER")) is sees


def test_what_is_for_all_is_for_all() -> None:
    narrow = stream_filter(resources=["calls/x"], labels={"a": "b"})
    assert narrow.sees(entry("", for_all=True))


def test_the_audience_is_who_does_not_only_observe() -> None:
    nobody = Listeners([stream_filter(observer=True, handle_methods=["*"])])
    assert not nobody.hears("calls/a", {})
    assert not nobody.claims("REGISTER")
    somebody = Listeners(
        [
            stream_filter(observer=True),
            stream_filter(resources=["calls/b"], handle_methods=["OPTIONS"]),
            stream_filter(resources=["registrations/"], labels={"a": "b"}),
        ]
    )
    assert somebody.hears("calls/b", {})
    assert not somebody.hears("calls/a", {})
    assert somebody.hears("registrations/a", {"a": "b"})
    assert not somebody.hears("registrations/a", {})
    assert somebody.claims("OPTIONS")
    assert not somebody.claims("REGISTER")
    assert not Listeners([]).hears("calls/a", {})
    assert Listeners([stream_filter()]).hears("calls/a", {})
