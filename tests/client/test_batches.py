"""How commands are put into the messages of a Control stream."""

from __future__ import annotations

import pytest

from picosip._commands import MOST, MOST_OCTETS, Commands, ignore
from picosip.v1 import call_service_pb2 as call_pb, event_service_pb2 as pb

SERVER_TAKES = 4 << 20
"""Octets in a message, unless it is told to take more."""


def batches(commands: Commands) -> list[bytes]:
    found = []
    while commands.unsent:
        found.append(commands.batch())
    return found


def numbers(batch: bytes) -> list[int]:
    return [one.command_id for one in pb.ControlRequest.FromString(batch).commands.commands]


def test_what_waits_goes_out_together_and_in_order() -> None:
    commands = Commands("session")
    for _ in range(MOST + 1):
        commands.add(call_pb.GetCallRequest(name="calls/a"), ignore)
    first, second = batches(commands)
    assert numbers(first) == list(range(1, MOST + 1))
    assert numbers(second) == [MOST + 1]


@pytest.mark.parametrize("size", [200_000, 3_000_000])
def test_large_ones_do_not_make_a_message_that_no_server_takes(size: int) -> None:
    commands = Commands("session")
    for _ in range(30):
        commands.add(call_pb.GetCallRequest(name="x" * size), ignore)
    found = batches(commands)
    assert [number for batch in found for number in numbers(batch)] == list(range(1, 31))
    assert max(len(batch) for batch in found) < min(SERVER_TAKES, max(MOST_OCTETS, size) + 1000)
