"""A redirect server: sends callers to where a table says (RFC 3261 section 8.3).

python redirect_server.py table.toml --server 127.0.0.1:50051

The table has a line for each user: where to go, best first; permanent for those that moved.

    bob = ["sip:bob@192.0.2.7", "sip:bob@mobile.example.com"]
    carol = { permanent = true, contacts = ["sip:carol@new.example.com"] }
"""

from __future__ import annotations

import argparse
import asyncio
import tomllib
from pathlib import Path
from typing import Any

import picosip


def entry(line: list[str] | dict[str, Any]) -> tuple[int, list[picosip.Address]]:
    """What to say to a caller: 301 or 302, and the contacts with a falling q."""
    line = {"contacts": line} if isinstance(line, list) else line
    uris = line["contacts"]
    contacts = [
        picosip.address(uri, parameters={"q": f"{1 - number / max(10, len(uris)):.2f}"})
        for number, uri in enumerate(uris)
    ]
    return (301 if line.get("permanent") else 302), contacts


async def answer(
    client: picosip.aio.Client,
    call: picosip.Call,
    table: dict[str, tuple[int, list[picosip.Address]]],
) -> None:
    """Sends one caller elsewhere, or says that there is nobody of that name."""
    user = call.to_address.uri.partition(":")[2].partition("@")[0]
    try:
        if user in table:
            status, contacts = table[user]
            await client.redirect(call.name, contacts, status)
        else:
            await client.reject(call.name, 404)
    except picosip.PicosipError as error:
        # The caller gave up meanwhile, or another application was first.
        print(call.name, error, flush=True)


async def main(options: argparse.Namespace) -> None:
    """Runs until it is interrupted; a server that goes away is waited for."""
    lines = tomllib.loads(options.table.read_text("utf-8"))
    table = {user: entry(line) for user, line in lines.items()}
    async with (
        picosip.aio.Client(options.server) as client,
        client.events(snapshot_on_loss=True) as events,
        asyncio.TaskGroup() as tasks,
    ):
        print("redirecting", *sorted(table), flush=True)
        async for event in events:
            if event.HasField("call_received"):
                tasks.create_task(answer(client, event.call_received.call, table))
            elif event.HasField("call_ended"):
                termination = event.call_ended.termination
                print(event.resource, termination.status.code, flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Redirect calls by a table.")
    parser.add_argument("table", type=Path, help="TOML file")
    parser.add_argument("--server", default="127.0.0.1:50051", help="picoSIP's gRPC address")
    try:
        asyncio.run(main(parser.parse_args()))
    except KeyboardInterrupt:
        print("no longer redirecting")
