"""The clients on a Control stream, against a real server whose engine follows a script."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

import picosip
from picosip import aio
from picosip.v1 import call_service_pb2 as call_pb
from tests.client.conftest import Connect, connecting
from tests.client.controlled import Server

ALICE = "sip:alice@example.com"


@pytest.fixture
def real() -> Iterator[Server]:
    with Server() as server:
        yield server


@pytest.fixture(params=["sync", "aio"])
def control(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """Makes a client of a target, with the arguments of ``picosip.Control``."""
    with ExitStack() as stack:
        yield connecting(stack, request.param, picosip.Control, aio.Control)


def to(user: str) -> str:
    return f"sip:{user}@example.com"


def kinds(events: Any, count: int) -> list[str | None]:
    return [next(events).WhichOneof("kind") for _ in range(count)]


def test_a_call_as_with_the_client(real: Server, control: Connect) -> None:
    client = control(real.target)
    events = client.events(resources=["calls/node-0001"])
    call = client.invite(ALICE, to("answers"))
    assert call.state == call_pb.Call.STATE_CONFIRMED
    assert kinds(events, 3) == ["call_created", "call_answered", "call_confirmed"]
    client.invite(ALICE, to("answers"))
    assert client.get_call(call.name) == call
    assert client.hangup(call.name).state == call_pb.Call.STATE_TERMINATED
    assert kinds(events, 1) == ["call_ended"]
    assert events.cursor.revision == 7
    events.close()
    with pytest.raises(picosip.NotFound) as raised:
        client.hangup(call.name)
    assert raised.value.reason == "RESOURCE_NOT_FOUND"
    # One stream for all of it.
    assert client.stats().event_streams == 1


def test_a_listing_comes_page_by_page(real: Server, control: Connect) -> None:
    client = control(real.target)
    names = {client.invite(ALICE, to("rings")).name for _ in range(5)}
    assert {call.name for call in client.list_calls(page_size=2)} == names


@pytest.mark.parametrize("method", ["submit", "post"])
def test_what_nobody_waits_for(real: Server, control: Connect, method: str) -> None:
    client = control(real.target)
    name = client.invite(ALICE, to("rings")).name
    getattr(client, method)(call_pb.HangupRequest(name=name))
    with pytest.raises(picosip.NotFound):
        client.hangup(name)
