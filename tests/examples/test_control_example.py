"""The program that answers very many calls, called over SIP through another server."""

from __future__ import annotations

from pathlib import Path

import pytest

import picosip
from picosip.v1 import call_service_pb2 as call_pb, sip_pb2
from tests.examples.phones import ALICE, audio
from tests.examples.programs import Program
from tests.support.server import PicosipServer

CALLS = 300


@pytest.mark.timeout(60)
def test_answer_many(tmp_path: Path) -> None:
    with (
        PicosipServer(tmp_path / "far") as far,
        PicosipServer(tmp_path / "near") as near,
        Program(tmp_path, "answer_many.py", "--server", far.grpc) as program,
        picosip.Control(near.grpc) as client,
        client.events(resources=["calls/"]) as events,
    ):
        program.wait_for("waiting for calls")
        request = call_pb.InviteRequest(
            from_address=sip_pb2.Address(uri=ALICE),
            to_address=sip_pb2.Address(uri=far.uri("bob")),
            offer=audio(4000),
        )
        calls = [client.submit(request, brief=True) for _ in range(CALLS)]
        causes: list[picosip.Termination.Cause] = []

        def take(event: picosip.Event) -> None:
            if event.HasField("call_confirmed"):
                client.post(call_pb.HangupRequest(name=event.resource))
            elif event.HasField("call_ended"):
                causes.append(event.call_ended.termination.cause)
                if len(causes) == CALLS:
                    events.close()

        events.run(take)
        assert causes == [picosip.Termination.CAUSE_LOCAL_HANGUP] * CALLS
        assert len({call.result(20) for call in calls}) == CALLS
        program.wait_for(f"{CALLS} calls, 0 of them not answered")
