"""Requests, responses and a way of driving a transaction machine through time."""

from __future__ import annotations

from picosip_server.sip.build import response_to
from picosip_server.sip.headers import Headers
from picosip_server.sip.message import Request, Response
from picosip_server.sip.transaction.effects import Effect
from picosip_server.sip.transaction.machine import Machine

START = 100.0
"""When each test begins; deadlines are told from here."""


def request(method: str, *more: tuple[str, str]) -> Request:
    """A request as we would send or receive it."""
    return Request(
        method,
        "sip:ute@haus.example",
        Headers(
            (
                ("Via", "SIP/2.0/UDP hof.example:5060;branch=z9hG4bKhof1"),
                *more,
                ("Max-Forwards", "70"),
                ("From", "<sip:kai@hof.example>;tag=kai"),
                ("To", "<sip:ute@haus.example>"),
                ("Call-ID", "hof-1"),
                ("CSeq", f"31 {method}"),
            )
        ),
    )


def response(status: int, tag: str = "ute", method: str = "INVITE") -> Response:
    """A response to it."""
    return response_to(request(method), status, to_tag=tag)


def due(machine: Machine) -> float | None:
    """The deadline, from the start of the test."""
    deadline = machine.deadline()
    return None if deadline is None else deadline - START


def play(machine: Machine, until: float) -> list[tuple[float, list[Effect]]]:
    """Lets time pass up to ``until``: when the machine did something, and what."""
    done = []
    while (deadline := machine.deadline()) is not None and deadline <= START + until:
        done.append((deadline - START, machine.timeout(deadline)))
    return done
