"""The event log: numbers, bounds, and octets that are encoded once."""

from __future__ import annotations

import sys

import pytest

from picosip.v1 import event_service_pb2 as pb, sip_pb2
from picosip_server.service.clock import Clock
from picosip_server.service.convert import events as convert, values as convert_values
from picosip_server.service.event_log import EventLog
from picosip_server.sip.parse import parse
from picosip_server.sip.ua.events import IncomingRequestClosed
from tests.service import values

CLOCK = Clock(now=lambda: 1000.0, wall=lambda: 1_700_000_000.0)


def log(size: int = 4, *, filled: int = 0) -> EventLog:
    made = EventLog(size, CLOCK, incarnation="first")
    for event in values.numbered(filled):
        made.append(event)
    return made


def resources(of: EventLog) -> list[str]:
    return [of.entry(revision).resource for revision in range(of.oldest, of.latest + 1)]


@pytest.mark.parametrize(
    ("filled", "oldest", "latest"), [(0, 1, 0), (1, 1, 1), (4, 1, 4), (5, 2, 5), (11, 8, 11)]
)
def test_revisions_go_up_and_the_oldest_falls_out(filled: int, oldest: int, latest: int) -> None:
    full = log(filled=filled)
    assert (full.oldest, full.latest) == (oldest, latest)
    assert resources(full) == [f"calls/{number - 1}" for number in range(oldest, latest + 1)]


@pytest.mark.parametrize("revision", [0, 1, 6])
def test_what_is_not_held_is_an_error(revision: int) -> None:
    with pytest.raises(KeyError):
        log(filled=5).entry(revision)


def test_an_entry_is_the_encoded_event() -> None:
    event = values.created("calls/a", labels={"a": "b"})
    full = log()
    full.append(event)
    octets = full.entry(1).octets(include_message=False)
    assert pb.Event.FromString(octets) == pb.Event.FromString(convert.octets(event, 1, CLOCK))


def test_the_message_comes_where_asked_for_with_its_credentials_masked() -> None:
    message = values.request(Authorization="Digest response=5ec2e7")
    event = values.created("calls/a", message=message)
    full = log()
    full.append(event)
    entry = full.entry(1)
    expected = pb.Event.FromString(convert.octets(event, 1, CLOCK))
    assert pb.Event.FromString(entry.octets(include_message=False)) == expected
    expected.message.CopyFrom(convert_values.message(message))
    whole = entry.octets(include_message=True)
    assert pb.Event.FromString(whole) == expected
    assert sip_pb2.Header(name="Authorization", value="Digest ***") in expected.message.headers
    assert b"5ec2e7" not in whole
    assert entry.octets(include_message=True) is whole


def test_a_message_that_came_in_is_kept_as_its_octets() -> None:
    """What was parsed of it takes many times the memory, for as long as the log is."""
    message = parse(values.request().encode())
    full = log()
    octets = message.raw
    # Not by what the collector sees: an entry is none of its business once it is compiled.
    known, held = sys.getrefcount(message), sys.getrefcount(octets)
    full.append(values.created("calls/a", message=message))
    entry = full.entry(1)
    assert (sys.getrefcount(message), sys.getrefcount(octets)) == (known, held + 1)
    whole = pb.Event.FromString(entry.octets(include_message=True))
    assert whole.message == convert_values.message(message)


def test_an_event_without_a_message_is_the_same_either_way() -> None:
    entry = log(filled=1).entry(1)
    assert entry.octets(include_message=True) == entry.octets(include_message=False)


def test_a_request_and_its_closing_carry_the_method_to_claim() -> None:
    full = log(size=10)
    full.append(values.incoming_request("requests/a", method="OPTIONS"))
    full.append(values.incoming_request("requests/b", call="calls/x", resource="calls/x"))
    for name in ("requests/a", "requests/b"):
        full.append(IncomingRequestClosed(resource=name, at=1000.0, name=name, status=200))
    assert [full.entry(revision).method for revision in range(1, 5)] == [
        "OPTIONS",
        "",
        "OPTIONS",
        "",
    ]


def test_requests_that_were_answered_are_forgotten_in_time() -> None:
    full = log(size=10)
    for number in range(10_001):
        full.append(values.incoming_request(f"requests/{number}"))
    for name in ("requests/0", "requests/1"):
        full.append(IncomingRequestClosed(resource=name, at=1000.0, name=name, status=200))
    assert [full.entry(full.latest - back).method for back in (1, 0)] == ["", "REGISTER"]


def test_draining_is_for_all() -> None:
    full = log()
    full.append_draining(1030.0)
    assert full.entry(1).for_all
    event = pb.Event.FromString(full.entry(1).octets(include_message=False))
    assert event == convert.draining(1030.0, 1, 1000.0, CLOCK)


def test_readers_are_woken_once_for_a_batch() -> None:
    woken: list[str] = []
    full = log()

    def waker() -> None:
        woken.append("up")

    full.add_waker(waker)
    for event in values.numbered(3):
        full.append(event)
    assert woken == []
    full.wake()
    assert woken == ["up"]
    full.remove_waker(waker)
    full.wake()
    assert woken == ["up"]


def test_each_log_has_an_incarnation_of_its_own() -> None:
    one, other = EventLog(1, CLOCK), EventLog(1, CLOCK)
    assert one.incarnation != other.incarnation
    assert one.cursor(3) == pb.Cursor(incarnation=one.incarnation, revision=3)


def test_a_log_that_holds_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        EventLog(0, CLOCK)
