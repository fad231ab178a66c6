"""A presence agent: takes what publishers publish, and tells it to watchers.

python presence_agent.py --server 127.0.0.1:50051

It is the compositor of RFC 3903 and the notifier of RFC 6665 for any event package, with one
publisher for each address. Who may watch whom is not asked.
"""

from __future__ import annotations

import argparse
import secrets
import time

import picosip

DEFAULT = 3600


class Agent:
    """State in memory: (address, package) to entity tag, end in monotonic seconds, and body."""

    def __init__(self, client: picosip.Client) -> None:
        self.client = client
        self.published: dict[tuple[str, str], tuple[str, float, picosip.Body]] = {}
        self.watchers: dict[str, tuple[str, str]] = {}

    def state(self, key: tuple[str, str]) -> picosip.Body | None:
        """What is published, unless its time is over."""
        _, end, body = self.published.get(key, ("", 0.0, None))
        return body if end > time.monotonic() else None

    def publish(self, request: picosip.IncomingRequest) -> None:
        """Answers a PUBLISH (RFC 3903 section 6), and tells the watchers."""
        headers = {each.name.lower(): each.value for each in request.headers}
        key = (request.to_address.uri, headers.get("event", "").partition(";")[0])
        tag, _, body = self.published.get(key, ("", 0.0, picosip.Body()))
        if headers.get("sip-if-match", tag) != tag or ("sip-if-match" in headers and not tag):
            self.client.respond(request.name, 412)
            return
        expires = int(headers.get("expires", DEFAULT))
        body = request.body if request.HasField("body") else body
        tag = secrets.token_hex(8)
        self.published[key] = (tag, time.monotonic() + expires, body)
        answer = [("SIP-ETag", tag), ("Expires", str(expires))]
        self.client.respond(request.name, 200, headers=answer)
        print("published", *key, expires, flush=True)
        for name in [name for name, watched in self.watchers.items() if watched == key]:
            self.client.notify(name, self.state(key))

    def subscribed(self, subscription: picosip.Subscription) -> None:
        """Accepts a watcher with the present state."""
        key = (subscription.local.uri, subscription.event.partition(";")[0])
        self.watchers[subscription.name] = key
        self.client.accept_subscription(subscription.name, self.state(key))
        print("watched", *key, "by", subscription.remote.uri, flush=True)


def main(server: str) -> None:
    """Runs until it is interrupted; a server that goes away is waited for."""
    with (
        picosip.Client(server) as client,
        client.events(handle_methods=["SUBSCRIBE", "PUBLISH"], snapshot_on_loss=True) as events,
    ):
        agent = Agent(client)
        print("agent", flush=True)
        for event in events:
            try:
                if event.incoming_request.method == "PUBLISH":
                    agent.publish(event.incoming_request)
                elif event.subscription_changed.HasField("request"):
                    agent.subscribed(event.subscription_changed.subscription)
                elif event.HasField("subscription_changed"):
                    changed = event.subscription_changed.subscription
                    if changed.state == picosip.Subscription.STATE_TERMINATED:
                        agent.watchers.pop(changed.name, None)
            except picosip.PicosipError as error:
                # Gone meanwhile, or another application was first.
                print(event.resource, error, flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A presence agent on a picoSIP server.")
    parser.add_argument("--server", default="127.0.0.1:50051", help="picoSIP's gRPC address")
    main(parser.parse_args().server)
