"""A registrar and location server: keeps bindings, and redirects callers to them.

python registrar.py --server 127.0.0.1:50051

RFC 3261 section 10.3 without a word of SIP. Started with ``--users``, the server checks the
digests and says here who it is.
"""

from __future__ import annotations

import argparse
import asyncio
import time

import picosip

SHORTEST, DEFAULT = 60, 3600
"""Seconds that a binding lives at least, and where the REGISTER does not say."""


class Registrar:
    """Bindings in memory: address of record to contact URI to its end (monotonic seconds)."""

    def __init__(self, client: picosip.aio.Client) -> None:
        self.client = client
        self.bindings: dict[str, dict[str, float]] = {}

    def bound(self, aor: str) -> dict[str, int]:
        """Where somebody is, and for how many more seconds; the newest binding is the last."""
        now = time.monotonic()
        left = {uri: round(end - now) for uri, end in self.bindings.get(aor, {}).items()}
        return {uri: seconds for uri, seconds in left.items() if seconds > 0}

    def update(self, aor: str, wishes: dict[str, int]) -> tuple[int, list[tuple[str, str]]]:
        """Takes what a REGISTER wants; the status and headers that answer it."""
        if "*" in wishes and wishes != {"*": 0}:
            # Step 6: it stands alone, and only to remove all.
            return 400, []
        if any(0 < seconds < SHORTEST for seconds in wishes.values()):
            return 423, [("Min-Expires", str(SHORTEST))]
        now = time.monotonic()
        kept = {} if "*" in wishes else self.bindings.setdefault(aor, {})
        for uri, seconds in wishes.items():
            kept.pop(uri, None)
            if seconds:
                kept[uri] = now + seconds
        self.bindings[aor] = kept
        left = self.bound(aor).items()
        return 200, [("Contact", f"<{uri}>;expires={seconds}") for uri, seconds in left]

    async def register(self, request: picosip.IncomingRequest) -> None:
        """Answers a REGISTER."""
        aor, user = request.to_address.uri, request.authenticated_user
        if user and not aor.partition(":")[2].startswith(f"{user}@"):
            await self.client.respond(request.name, 403)
            return
        wishes = {contact.uri: expires(contact) for contact in request.contacts}
        status, headers = self.update(aor, wishes)
        print(aor, status, *self.bound(aor), flush=True)
        await self.client.respond(request.name, status, headers=headers)

    async def locate(self, call: picosip.Call) -> None:
        """Sends a caller to where the callee is, to the newest place first."""
        places = list(reversed(self.bound(call.to_address.uri)))
        if places:
            await self.client.redirect(call.name, places)
        else:
            await self.client.reject(call.name, 480)


def expires(contact: picosip.Address) -> int:
    """How long a contact wants to be bound, in seconds."""
    said = [p.value for p in contact.parameters if p.name.lower() == "expires"]
    return int(said[0]) if said and said[0].isdecimal() else DEFAULT


async def main(server: str) -> None:
    """Runs until it is interrupted; a server that goes away is waited for."""
    async with picosip.aio.Client(server) as client:
        registrar = Registrar(client)
        async with client.events(handle_methods=["REGISTER"], snapshot_on_loss=True) as events:
            print("registrar", flush=True)
            async for event in events:
                try:
                    if event.HasField("call_received"):
                        await registrar.locate(event.call_received.call)
                    elif event.incoming_request.method == "REGISTER":
                        await registrar.register(event.incoming_request)
                except picosip.PicosipError as error:
                    # Given up meanwhile, or another application was first.
                    print(event.resource, error, flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A registrar on a picoSIP server.")
    parser.add_argument("--server", default="127.0.0.1:50051", help="picoSIP's gRPC address")
    asyncio.run(main(parser.parse_args().server))
