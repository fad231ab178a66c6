"""Who sees what, and who is listening."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from picosip.v1 import event_service_pb2 as pb
from picosip_server.service.audience import STUCK, Listeners
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


@dataclass
class Stream:
    filter: StreamFilter
    waits: float = 0.0

    def behind(self, now: float) -> float:
        return now - 100.0 + self.waits


def stream(waits: float = 0.0, **fields: Any) -> Stream:
    return Stream(stream_filter(**fields), waits)


def test_the_audience_is_who_does_not_only_observe() -> None:
    nobody = Listeners([stream(observer=True, handle_methods=["*"])])
    assert not nobody.hears("calls/a", {})
    assert not nobody.claims("REGISTER")
    somebody = Listeners(
        [
            stream(observer=True),
            stream(resources=["calls/b"], handle_methods=["OPTIONS"]),
            stream(resources=["registrations/"], labels={"a": "b"}),
        ]
    )
    assert somebody.hears("calls/b", {})
    assert not somebody.hears("calls/a", {})
    assert somebody.hears("registrations/a", {"a": "b"})
    assert not somebody.hears("registrations/a", {})
    assert somebody.claims("OPTIONS")
    assert not somebody.claims("REGISTER")
    assert not Listeners([]).hears("calls/a", {})
    assert Listeners([stream()]).hears("calls/a", {})


@pytest.mark.parametrize(
    ("streams", "lag"),
    [
        ([], 0.0),
        ([stream(3.0)], 3.0),
        # The slow one holds up nobody, whether he takes calls or watches them.
        ([stream(3.0), stream(1.0), stream(2.0, resources=["calls/"])], 1.0),
        ([stream(3.0), stream(0.0, observer=True)], 3.0),
        ([stream(0.0), stream(3.0, observer=True)], 0.0),
        ([stream(3.0, observer=True)], 0.0),
        # Who is told of no call that comes in says nothing of those who are.
        ([stream(3.0), stream(0.0, resources=["calls/a", "registrations/"])], 3.0),
        ([stream(3.0), stream(0.0, labels={"a": "b"})], 3.0),
        ([stream(3.0), stream(2.0, resources=["calls/a"], handle_methods=["MESSAGE"])], 3.0),
        # Where nobody is, those count who claim requests, and then those who place calls.
        ([stream(3.0, labels={"a": "b"}, handle_methods=["*"]), stream(labels={"a": "b"})], 3.0),
        ([stream(3.0, labels={"a": "b"}), stream(2.0, resources=["calls/a"])], 2.0),
    ],
)
def test_what_is_new_waits_for_the_stream_that_is_least_behind(
    streams: list[Stream], lag: float
) -> None:
    assert Listeners(streams).lag(100.0) == lag


def test_one_that_is_stuck_does_not_count() -> None:
    assert Listeners([stream(STUCK - 1.0)]).lag(100.0) == STUCK - 1.0
    assert Listeners([stream(STUCK)]).lag(100.0) == 0.0
    assert Listeners([stream(STUCK), stream(2.0)]).lag(100.0) == 2.0
