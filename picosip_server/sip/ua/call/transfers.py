"""REFER from us, and the NOTIFYs that tell how it goes: RFC 3515, RFC 4488, RFC 5589."""

from __future__ import annotations

from typing import TYPE_CHECKING

from picosip_server.sip.errors import RemoteProtocolError
from picosip_server.sip.grammar import Params
from picosip_server.sip.message import Request
from picosip_server.sip.sipfrag import SIPFRAG, status_of
from picosip_server.sip.ua import commands
from picosip_server.sip.ua.call.request_inside import Outcome, RequestInside, open_leg
from picosip_server.sip.ua.events import TransferProgressed
from picosip_server.sip.ua.failures import refused
from picosip_server.sip.ua.outputs import Failure
from picosip_server.sip.ua.user import Serving
from picosip_server.sip.values import LARGEST_SECONDS

if TYPE_CHECKING:
    from picosip_server.sip.ua.call.base import Call

LONGEST = 3600.0
"""Seconds that a transfer is followed whose far end names no limit."""


class Transfer:
    """One REFER, until its last NOTIFY."""

    __slots__ = ("name", "notified", "request", "token")

    def __init__(self, name: str, token: object) -> None:
        self.name = name
        self.token = token
        self.request: RequestInside | None = None
        self.notified = False


class Transfers:
    """Those of one call."""

    __slots__ = ("_call", "_count", "_open")

    ALARM = "transfer "

    def __init__(self, call: Call) -> None:
        self._call = call
        self._count = 0
        self._open: dict[str, Transfer] = {}

    def command(self, command: commands.Transfer, now: float) -> None:
        """Sends the REFER; completed with the transfer's name after its final response."""
        call = self._call
        leg = open_leg(call)
        if leg is None or not leg.answered:
            call.fail_state(
                command.token, call.state.name, f"{call.name} has no confirmed dialog to refer in"
            )
            return
        self._count += 1
        transfer = Transfer(f"{call.name}/transfers/{self._count}", command.token)
        self._open[transfer.name] = transfer
        headers = [("Refer-To", str(command.refer_to))]
        if command.referred_by is not None:
            # RFC 3892 section 3.
            headers.append(("Referred-By", str(command.referred_by)))
        if command.without_progress:
            # RFC 4488 section 4.
            headers += [("Refer-Sub", "false"), ("Supported", "norefersub")]
        transfer.request = RequestInside(
            call,
            leg,
            "REFER",
            lambda outcome, now: self._answered(transfer, outcome, now),
            headers=(*headers, *command.options.headers),
            with_contact=True,
        )
        transfer.request.start(now)

    def _answered(self, transfer: Transfer, outcome: Outcome, now: float) -> None:
        call = self._call
        token, transfer.token = transfer.token, None
        if isinstance(outcome, Failure) or outcome.status >= 300:
            self._open.pop(transfer.name, None)
            if token is not None:
                failure = outcome if isinstance(outcome, Failure) else refused(outcome, "REFER")
                call.fail(token, failure)
            return
        if token is not None:
            call.complete(token, transfer.name)
        subscribed = (outcome.headers.get("Refer-Sub") or "").partition(";")[0].strip().lower()
        if subscribed == "false":
            # RFC 4488 section 4: nobody tells how it goes.
            self._tell(transfer, outcome.status, outcome.reason, True, None, now)
        elif transfer.name in self._open and not transfer.notified:
            # RFC 6665 section 4.1.2.4, timer N: the first NOTIFY comes at once.
            call.alarm(self.ALARM + transfer.name, now + call.context.timers.give_up)

    def on_notify(self, serving: Serving, now: float) -> bool:
        """A NOTIFY in the dialog. False: it is of no transfer of ours."""
        request = serving.request
        event, _, rest = (request.headers.get("Event") or "").partition(";")
        if event.strip().lower() != "refer":
            return False
        transfer = self._find(Params.parse(f";{rest.strip()}").get("id") if rest else None)
        if transfer is None:
            return False
        call = self._call
        try:
            if request.content_type != SIPFRAG:
                raise RemoteProtocolError("not a fragment of a SIP message", 415)
            status, reason = status_of(request.body)
            over, expires = _state(request)
        except RemoteProtocolError as error:
            accept = [("Accept", SIPFRAG)] if error.status == 415 else []
            call.respond(serving, now, error.status, headers=accept)
            return True
        call.respond(serving, now, 200)
        transfer.notified = True
        call.alarm(self.ALARM + transfer.name, now + expires)
        self._tell(transfer, status, reason, over, request, now)
        return True

    def _find(self, identity: str | None) -> Transfer | None:
        for transfer in self._open.values():
            assert transfer.request is not None
            # Section 2.4.6: the id is the CSeq number of the REFER, which may be left out
            # while there is one only.
            if identity is None or identity == str(transfer.request.cseq):
                return transfer
        return None

    def _tell(
        self,
        transfer: Transfer,
        status: int,
        reason: str,
        done: bool,
        message: Request | None,
        now: float,
    ) -> None:
        call = self._call
        if done:
            self._open.pop(transfer.name, None)
            call.disarm(self.ALARM + transfer.name)
        call.emit(
            TransferProgressed(
                resource=call.name,
                at=now,
                labels=call.labels,
                message=message,
                transfer=transfer.name,
                status=status,
                reason=reason,
                done=done,
            )
        )

    def alarm(self, alarm: str, now: float) -> bool:
        """An alarm of the call went off. False: it is none of these."""
        if not alarm.startswith(self.ALARM):
            return False
        # Nobody told how it ended: 408, as for any subscription that falls silent.
        transfer = self._open[alarm.removeprefix(self.ALARM)]
        self._tell(transfer, 408, "", True, None, now)
        return True

    def close(self, failure: Failure, now: float) -> None:
        """The call ends, and what would have been told of its transfers with it."""
        for transfer in list(self._open.values()):
            if transfer.token is not None:
                self._call.fail(transfer.token, failure)
                transfer.token = None
            else:
                self._tell(transfer, 487, "", True, None, now)
        self._open.clear()


def _state(request: Request) -> tuple[bool, float]:
    """Whether the NOTIFY is the last one, and for how long it promises more (RFC 6665 8.2.3).

    Raises:
        RemoteProtocolError: it has no Subscription-State that can be read.
    """
    state, semicolon, rest = (request.headers.get("Subscription-State") or "").partition(";")
    state = state.strip(" \t").lower()
    if not state:
        raise RemoteProtocolError("a NOTIFY without Subscription-State")
    expires = Params.parse(semicolon + rest.strip(" \t")).get("expires") if semicolon else None
    seconds = LONGEST
    if expires is not None and expires.isascii() and expires.isdigit():
        seconds = float(min(int(expires[:10]), LARGEST_SECONDS))
    return state == "terminated", seconds
