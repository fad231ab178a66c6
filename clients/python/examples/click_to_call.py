"""Click to call: connects two people, neither of whom dialled (RFC 3725 section 4.1, flow I).

python click_to_call.py sip:alice@example.com sip:bob@example.com

The first is invited without an offer; what it offers when it answers is offered to the second, and
the second's answer goes back to it. It waits for that answer with its 200 unacknowledged: the
second should be somebody who answers within half a minute, such as a machine.
"""

from __future__ import annotations

import argparse

import picosip


def passed_on(client: picosip.Client, request: picosip.IncomingRequest, other: str) -> None:
    """A later offer of one is offered to the other, whose answer goes back."""
    try:
        call = client.modify(other, request.offer)
        client.respond(request.name, 200, description=call.remote_description)
    except picosip.PicosipError as error:
        client.respond(request.name, error.sip_status or 488)


def connect(client: picosip.Client, events: picosip.Events, first: str, second: str) -> bool:
    """Makes the two calls and stays with them until both are over. True if they were connected."""
    calls = [client.invite(second, first).name]
    connected = False
    for event in events:
        if event.resource not in calls:
            continue
        kind = event.WhichOneof("kind")
        print(first if event.resource == calls[0] else second, kind, flush=True)
        other = calls[1 - calls.index(event.resource)] if len(calls) == 2 else ""
        try:
            if kind == "call_answered" and not other:
                offer = event.call_answered.description
                calls.append(client.invite(first, second, offer).name)
            elif kind == "call_answered" and event.resource == calls[-1]:
                client.answer(other, event.call_answered.description)
                connected = True
            elif event.incoming_request.HasField("offer"):
                passed_on(client, event.incoming_request, other)
            elif kind == "call_ended":
                if other:
                    client.hangup(other)
                break
        except picosip.NotFound:
            # The other hung up at the same time.
            print(event.resource, "has nobody to talk to any more", flush=True)
    return connected


def main() -> int:
    """Runs the program; exit status 1 if they were not connected."""
    parser = argparse.ArgumentParser(description="Connect two people.")
    parser.add_argument("first", help="who is called first, such as sip:alice@example.com")
    parser.add_argument("second", help="who is called when the first has answered")
    parser.add_argument("--server", default="127.0.0.1:50051", help="picoSIP's gRPC address")
    options = parser.parse_args()
    with picosip.Client(options.server) as client, client.events(resources=["calls/"]) as events:
        return 0 if connect(client, events, options.first, options.second) else 1


if __name__ == "__main__":
    raise SystemExit(main())
