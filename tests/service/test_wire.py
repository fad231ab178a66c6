"""Fields put together by hand, as protobuf reads them."""

from __future__ import annotations

import pytest

from picosip.v1 import event_service_pb2 as pb
from picosip_server.service import wire


@pytest.mark.parametrize("length", [0, 1, 0x7F, 0x80, 0x3FFF, 0x4000, 0x20_0000])
def test_a_field_of_any_length_stands_behind_the_others(length: int) -> None:
    forked = pb.CallForked()
    forked.dialog.remote_tag = "x" * length
    octets = pb.Event(revision=7).SerializeToString() + wire.field(
        wire.tag(pb.Event.CALL_FORKED_FIELD_NUMBER), forked.SerializeToString()
    )
    assert pb.Event.FromString(octets) == pb.Event(revision=7, call_forked=forked)
