"""The smallest useful program: registers, places a call, shows its events, hangs up.

python call.py sip:alice@example.com secret sip:bob@example.com
"""

from __future__ import annotations

import argparse

import picosip


def main() -> None:
    """Runs the program."""
    parser = argparse.ArgumentParser(description="Register, call somebody, hang up when answered.")
    parser.add_argument("user", help="address of record, such as sip:alice@example.com")
    parser.add_argument("password")
    parser.add_argument("callee", help="whom to call, such as sip:bob@example.com")
    parser.add_argument("--registrar", help="its URI (default: the host of the user)")
    parser.add_argument("--server", default="127.0.0.1:50051", help="picoSIP's gRPC address")
    options = parser.parse_args()
    registrar = options.registrar or "sip:" + options.user.partition("@")[2]
    secret = picosip.credentials(options.user.partition("@")[0].partition(":")[2], options.password)

    offer = picosip.sdp(
        [picosip.media("audio", 4000, formats=[0], attributes={"rtpmap": "0 PCMU/8000"})],
        connection="127.0.0.1",
    )
    with picosip.Client(options.server) as client, client.events() as events:
        registration = client.register(registrar, options.user, credentials=secret)
        call = client.invite(options.user, options.callee, offer, credentials=secret)
        for event in events:
            kind = event.WhichOneof("kind")
            print(event.resource, kind)
            if event.resource != call.name:
                continue
            if kind == "call_confirmed":
                client.hangup(call.name)
            elif kind == "call_ended":
                print(picosip.Termination.Cause.Name(event.call_ended.termination.cause))
                break
        client.unregister(registration.name)


if __name__ == "__main__":
    main()
