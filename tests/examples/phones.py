"""Telephones on a server, for the examples that connect calls."""

from __future__ import annotations

from collections.abc import Iterator

import picosip

ALICE = "sip:alice@example.com"


def audio(port: int, direction: str = "sendrecv") -> picosip.SessionDescription:
    """One stream, known by its port."""
    stream = picosip.media("audio", port, formats=[0], attributes={direction: None})
    return picosip.sdp([stream], connection="127.0.0.1")


def port(description: picosip.SessionDescription) -> int:
    """Of the first stream."""
    return description.sdp.media[0].port


class Phones:
    """A client whose events are waited for one by one."""

    def __init__(self, client: picosip.Client, events: picosip.Events) -> None:
        self.client = client
        self._events: Iterator[picosip.Event] = iter(events)
        self._rang: list[picosip.Event] = []
        """Calls that came in while something else was waited for."""

    def next(self, kind: str, resource: str = "") -> picosip.Event:
        """The next event of this kind, of this resource if given; others are passed by, but for
        calls that come in: those of two calls may cross."""
        if kind == "call_received" and self._rang:
            return self._rang.pop(0)
        for event in self._events:
            if event.WhichOneof("kind") == kind and resource in ("", event.resource):
                return event
            if event.HasField("call_received"):
                self._rang.append(event)
        raise AssertionError(f"no {kind}")

    def ended(self, name: str) -> tuple[str, int]:
        """How a call ended: its cause, and its status code."""
        termination = self.next("call_ended", name).call_ended.termination
        return picosip.Termination.Cause.Name(termination.cause), termination.status.code
