"""Watches somebody's presence (RFC 3856), until it is interrupted or the subscription ends.

python presence_watcher.py sip:alice@example.com sip:bob@example.com

The server refreshes the subscription, and subscribes again where the notifier asks for that.
"""

from __future__ import annotations

import argparse
from xml.etree import ElementTree

import picosip

NAMES = {"pidf": "urn:ietf:params:xml:ns:pidf"}


def told(document: bytes) -> str:
    """What a PIDF document says, in a line (RFC 3863)."""
    if not document:
        return "nothing yet"
    presence = ElementTree.fromstring(document)
    tuples = presence.findall("pidf:tuple", NAMES)
    states = [each.findtext("pidf:status/pidf:basic", "", NAMES) for each in tuples]
    notes = [note.text or "" for note in presence.iterfind(".//pidf:note", NAMES)]
    return " ".join(["open" if "open" in states else "closed", *notes])


def main() -> None:
    """Runs the program."""
    parser = argparse.ArgumentParser(description="Watch presence.")
    parser.add_argument("user", help="who watches, such as sip:alice@example.com")
    parser.add_argument("whom", help="who is watched")
    parser.add_argument("--password")
    parser.add_argument("--server", default="127.0.0.1:50051", help="picoSIP's gRPC address")
    options = parser.parse_args()
    secret: list[picosip.Credentials] = []
    if options.password is not None:
        name = options.user.partition(":")[2].partition("@")[0]
        secret = [picosip.credentials(name, options.password)]

    with (
        picosip.Client(options.server) as client,
        client.events(resources=["subscriptions/"]) as events,
    ):
        subscription = client.subscribe(
            options.user,
            options.whom,
            "presence",
            accept=["application/pidf+xml"],
            credentials=secret,
        )
        print("watching", flush=True)
        for event in events:
            if event.resource != subscription.name:
                continue
            if event.HasField("notification_received"):
                print(told(event.notification_received.body.data), flush=True)
            elif event.HasField("subscription_changed"):
                changed = event.subscription_changed.subscription
                if changed.state == picosip.Subscription.STATE_TERMINATED:
                    print("ended", changed.reason, flush=True)
                    break


if __name__ == "__main__":
    main()
