"""A request of ours inside a dialog of a call: RFC 3261 section 12.2.1."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from picosip_server.sip.auth.client import DigestClient
from picosip_server.sip.message import Response
from picosip_server.sip.ua.call.leg import Leg
from picosip_server.sip.ua.commands import Body, NextHop
from picosip_server.sip.ua.exchange import Draft, Exchange
from picosip_server.sip.ua.outputs import Failure, FailureKind
from picosip_server.sip.ua.snapshots import CallState, Cause

if TYPE_CHECKING:
    from picosip_server.sip.ua.call.ending import EndingUser

Outcome = Response | Failure
"""The final response, of whatever class, or why there is none."""


class RequestInside:
    """Sends one request with the dialog's target, route set, CSeq and the call's credentials.

    ``done`` hears once what came of it. Where that says that the dialog is no more, it is
    ended before, unless the request is not ``vital``, since it ends the dialog anyway or
    another one decides.
    """

    __slots__ = ("_call", "_done", "_exchange", "_leg", "_vital")

    def __init__(
        self,
        call: EndingUser,
        leg: Leg,
        method: str,
        done: Callable[[Outcome, float], None],
        *,
        headers: tuple[tuple[str, str], ...] = (),
        body: Body | None = None,
        with_contact: bool = False,
        next_hop: NextHop | None = None,
        auth: DigestClient | None = None,
        vital: bool = True,
    ) -> None:
        dialog = leg.dialog
        self._call = call
        self._leg = leg
        self._done = done
        self._vital = vital
        self._exchange = Exchange(
            call,
            Draft(
                method=method,
                target=dialog.remote_target,
                route_set=dialog.route_set,
                from_=dialog.local,
                to=dialog.remote,
                call_id=dialog.call_id,
                headers=headers,
                contact_user=call.contact_user if with_contact else None,
                contact_params=call.contact_params,
                body=body,
                next_hop=next_hop,
            ),
            self,
            next_cseq=dialog.next_cseq,
            auth=auth or call.auth,
        )

    @property
    def cseq(self) -> int:
        """The CSeq number of the latest attempt."""
        return self._exchange.cseq

    def start(self, now: float) -> None:
        """Sends it."""
        self._exchange.start(now)

    def on_provisional(self, exchange: Exchange, response: Response, now: float) -> None:
        """A 1xx says nothing."""

    def on_final(self, exchange: Exchange, response: Response, now: float) -> None:
        """Whatever it is, it is the outcome."""
        if response.status == 481:
            self._lost(Cause.REMOTE_HANGUP, response.status, now)
        elif response.status == 408:
            self._lost(Cause.TIMEOUT, response.status, now)
        self._done(response, now)

    def on_failure(self, exchange: Exchange, kind: FailureKind, detail: str, now: float) -> None:
        """There was no response."""
        if kind is FailureKind.TIMEOUT:
            self._lost(Cause.TIMEOUT, 408, now)
        self._done(Failure(kind=kind, detail=detail), now)

    def _lost(self, cause: Cause, status: int, now: float) -> None:
        if self._vital:
            self._call.lose(self._leg, cause, status, now)


def open_leg(call: EndingUser) -> Leg | None:
    """The dialog that a request of ours can go in now; None where there is none (12.1)."""
    if call.state in (CallState.EARLY, CallState.CONNECTING, CallState.CONFIRMED):
        leg = call.main_leg()
        if leg is not None and not leg.over:
            return leg
    return None
