"""PRACK, as the one who got a reliable provisional response: RFC 3262 section 4."""

from __future__ import annotations

from typing import TYPE_CHECKING

from picosip_server.sip.message import Response
from picosip_server.sip.ua.call.leg import Leg
from picosip_server.sip.ua.commands import Body
from picosip_server.sip.ua.exchange import Draft, Exchange
from picosip_server.sip.ua.outputs import FailureKind

if TYPE_CHECKING:
    from picosip_server.sip.ua.call.base import Call


class Prack:
    """Acknowledges one reliable provisional response, with an answer where one is due.

    What becomes of it changes nothing for the call: the INVITE's own outcome decides.
    """

    __slots__ = ("_exchange",)

    def __init__(
        self,
        call: Call,
        leg: Leg,
        rack: tuple[int, int, str],
        body: Body | None = None,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        dialog = leg.dialog
        rseq, cseq, method = rack
        self._exchange = Exchange(
            call,
            Draft(
                method="PRACK",
                target=dialog.remote_target,
                route_set=dialog.route_set,
                from_=dialog.local,
                to=dialog.remote,
                call_id=dialog.call_id,
                headers=(("RAck", f"{rseq} {cseq} {method}"), *headers),
                body=body,
            ),
            self,
            next_cseq=dialog.next_cseq,
            auth=call.auth,
        )

    def start(self, now: float) -> None:
        """Sends it."""
        self._exchange.start(now)

    def on_provisional(self, exchange: Exchange, response: Response, now: float) -> None:
        """Says nothing."""

    def on_final(self, exchange: Exchange, response: Response, now: float) -> None:
        """The far end stops repeating its provisional response."""

    def on_failure(self, exchange: Exchange, kind: FailureKind, detail: str, now: float) -> None:
        """The far end will give up the INVITE by itself (RFC 3262 section 3)."""
