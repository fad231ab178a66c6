"""Publishes that somebody is there, for as long as it runs (RFC 3903, RFC 3856).

python presence_publisher.py sip:alice@example.com --note "at my desk"

Each line on standard input is a new note; an empty one, or the end of the input, takes the
state back. The server refreshes the publication in between.
"""

from __future__ import annotations

import argparse
import sys
from xml.sax.saxutils import escape, quoteattr

import picosip

PIDF = """<?xml version="1.0" encoding="UTF-8"?>
<presence xmlns="urn:ietf:params:xml:ns:pidf" entity={entity}>
  <tuple id="picosip"><status><basic>open</basic></status><note>{note}</note></tuple>
</presence>
"""


def presence(user: str, note: str) -> picosip.Body:
    """The state as a PIDF document (RFC 3863)."""
    document = PIDF.format(entity=quoteattr(user), note=escape(note))
    return picosip.Body(content_type="application/pidf+xml", data=document.encode())


def main() -> None:
    """Runs the program."""
    parser = argparse.ArgumentParser(description="Publish presence.")
    parser.add_argument("user", help="address of record, such as sip:alice@example.com")
    parser.add_argument("--note", default="available")
    parser.add_argument("--uri", help="where to publish (default: the user)")
    parser.add_argument("--password")
    parser.add_argument("--server", default="127.0.0.1:50051", help="picoSIP's gRPC address")
    options = parser.parse_args()
    secret: list[picosip.Credentials] = []
    if options.password is not None:
        name = options.user.partition(":")[2].partition("@")[0]
        secret = [picosip.credentials(name, options.password)]

    with picosip.Client(options.server) as client:
        state = presence(options.user, options.note)
        publication = client.publish(
            options.user, options.uri or options.user, "presence", state, credentials=secret
        )
        print("published", options.note, flush=True)
        for line in sys.stdin:
            note = line.strip()
            if not note:
                break
            client.republish(publication.name, presence(options.user, note))
            print("published", note, flush=True)
        client.unpublish(publication.name)
        print("taken back", flush=True)


if __name__ == "__main__":
    main()
