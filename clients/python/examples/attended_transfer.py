"""An attended transfer: connects two people that it has both called (RFC 5589 section 7).

python attended_transfer.py sip:me@example.com sip:alice@example.com sip:bob@example.com

It calls the first and holds it, calls the second, and has the first call the second in the place
of that second call (REFER with Replaces). Both its calls are over then.
"""

from __future__ import annotations

import argparse

import picosip


def transfer(client: picosip.Client, events: picosip.Events, first: str, second: str) -> bool:
    """Transfers one call to the other. True if they were connected."""
    name = client.transfer(first, second)
    print("agreed", flush=True)
    for event in events:
        told = event.transfer_progressed
        if told.transfer == name:
            print("progress", told.status.code, flush=True)
            if told.done:
                return told.status.code < 300
        elif event.resource == first and event.HasField("call_ended"):
            # Gone without a last word: it is not known how the other call goes.
            return False
    return False


def main() -> int:
    """Runs the program; exit status 1 if they were not connected."""
    parser = argparse.ArgumentParser(description="Call two people, and connect them.")
    parser.add_argument("user", help="who calls, such as sip:me@example.com")
    parser.add_argument("first", help="who is to be transferred")
    parser.add_argument("second", help="to whom")
    parser.add_argument("--media-port", type=int, default=4000, help="where it wants the audio")
    parser.add_argument("--server", default="127.0.0.1:50051", help="picoSIP's gRPC address")
    options = parser.parse_args()
    stream = picosip.media("audio", options.media_port, formats=[0])
    offer = picosip.sdp([stream], connection="127.0.0.1")
    calls: list[str] = []
    with picosip.Client(options.server) as client, client.events(resources=["calls/"]) as events:
        try:
            calls.append(client.invite(options.user, options.first, offer, wait_for="final").name)
            client.hold(calls[0])
            calls.append(client.invite(options.user, options.second, offer, wait_for="final").name)
            connected = transfer(client, events, *calls)
        except picosip.PicosipError as error:
            print(error, flush=True)
            connected = False
        for call in calls:
            try:
                client.hangup(call)
            except picosip.NotFound:
                # The second one ends when it is replaced.
                continue
    print("connected" if connected else "not connected", flush=True)
    return 0 if connected else 1


if __name__ == "__main__":
    raise SystemExit(main())
