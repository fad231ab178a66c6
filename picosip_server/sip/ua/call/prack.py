"""PRACK, as the one who got a reliable provisional response: RFC 3262 section 4."""

from __future__ import annotations

from typing import TYPE_CHECKING

from picosip_server.sip.ua.call.leg import Leg
from picosip_server.sip.ua.call.request_inside import RequestInside
from picosip_server.sip.ua.commands import Body

if TYPE_CHECKING:
    from picosip_server.sip.ua.call.base import Call


class Prack(RequestInside):
    """Acknowledges one reliable provisional response, with an answer where one is due.

    What becomes of it changes nothing for the call: the far end stops repeating its response
    or gives up the INVITE (RFC 3262 section 3), whose own outcome decides.
    """

    __slots__ = ()

    def __init__(
        self,
        call: Call,
        leg: Leg,
        rack: tuple[int, int, str],
        body: Body | None = None,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        rseq, cseq, method = rack
        super().__init__(
            call,
            leg,
            "PRACK",
            lambda outcome, now: None,
            headers=(("RAck", f"{rseq} {cseq} {method}"), *headers),
            body=body,
            vital=False,
        )
