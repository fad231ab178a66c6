"""Answers every call: 180, then 200. Over a Control stream.

python -m benchmarks.apps.picosip_control_uas TARGET [--longest SECONDS]
"""

from __future__ import annotations

import argparse
import sys

import uvloop
from google.protobuf.duration_pb2 import Duration

import picosip
from benchmarks.apps.pace import say
from benchmarks.apps.sessions import ANSWER
from picosip.v1 import call_service_pb2 as call_pb, sip_pb2

RINGING = sip_pb2.SipStatus(code=180)


def told(outcome: object) -> None:
    """The far end counts what failed."""
    if isinstance(outcome, picosip.PicosipError):
        print(outcome, file=sys.stderr)


async def main(target: str, longest: int) -> None:
    """Runs until it is ended. Calls end after ``longest`` seconds, where that is not 0."""
    policy = None
    if longest:
        policy = call_pb.CallPolicy(max_duration=Duration(seconds=longest))
    async with (
        picosip.aio.Control(target) as client,
        client.events(resources=["calls/"]) as events,
    ):

        def take(event: picosip.Event) -> None:
            if event.HasField("call_received"):
                name = event.resource
                client.post(call_pb.ProgressRequest(name=name, status=RINGING), told)
                client.post(
                    call_pb.AnswerRequest(
                        name=name, description=ANSWER, no_wait=True, policy=policy
                    ),
                    told,
                )

        say({"ready": True})
        await events.run(take)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target")
    parser.add_argument("--longest", type=int, default=0)
    options = parser.parse_args()
    uvloop.run(main(options.target, options.longest))
