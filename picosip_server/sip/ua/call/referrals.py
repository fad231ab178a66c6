"""REFER from the far end, and its implicit subscription: RFC 3515 section 2.4, RFC 4488."""

from __future__ import annotations

from typing import TYPE_CHECKING

from picosip_server.sip.errors import RemoteProtocolError
from picosip_server.sip.message import Request, Response
from picosip_server.sip.ua.call.leg import Leg
from picosip_server.sip.ua.commands import Body
from picosip_server.sip.ua.outputs import Failure
from picosip_server.sip.ua.subscription.commands import SubscriptionCommand
from picosip_server.sip.ua.subscription.notifier import NotifierUsage
from picosip_server.sip.ua.subscription.refer import (
    bare,
    begin_reports,
    check_refer,
    without_subscription,
)
from picosip_server.sip.ua.user import Serving

if TYPE_CHECKING:
    from picosip_server.sip.ua.call.base import Call


class Referrals:
    """Those of one call that the application has accepted, until each is reported to its end.

    They are usages of the call's dialog, and outlive the call itself (RFC 5057): who refers
    often hangs up before he hears how it went.
    """

    __slots__ = ("_call", "_count", "_usages")

    def __init__(self, call: Call) -> None:
        self._call = call
        self._count = 0
        self._usages: dict[str, NotifierUsage] = {}

    @property
    def alive(self) -> bool:
        """Whether some are still to be reported on."""
        return bool(self._usages)

    def on_refer(self, leg: Leg, serving: Serving, now: float) -> None:
        """Hands a REFER to the application; 603 where it says nothing."""
        call, request = self._call, serving.request
        try:
            check_refer(request)
        except RemoteProtocolError as error:
            warning = [("Warning", f'399 picosip "{error}"')]
            call.respond(serving, now, error.status, headers=warning)
            return
        silent = without_subscription(request)

        def answered(response: Response, body: Body | None, now: float) -> None:
            if response.status < 300 and not without_subscription(response):
                self._subscribe(leg, request, name, now)

        name = call.parts.pendings.hand_over(
            serving,
            now,
            default=(603, ""),
            respond_by=now + call.respond_timeout(),
            on_answer=answered,
            call=call.name,
            fields=lambda status: self._fields(serving, silent) if status < 300 else [],
        )

    def _fields(self, serving: Serving, silent: bool) -> list[tuple[str, str]]:
        fields = [("Contact", serving.hop.contact(self._call.contact_user))]
        if silent:
            # RFC 4488 section 4: the wish is granted.
            fields.append(("Refer-Sub", "false"))
        return fields

    def _subscribe(self, leg: Leg, request: Request, incoming_request: str, now: float) -> None:
        call = self._call
        self._count += 1
        # 2.4.6: the id tells it from the first one; that one needs none.
        event = "refer" if self._count == 1 else f"refer;id={request.cseq.number}"
        name = call.context.identity.subscription_name()
        usage = NotifierUsage(
            call,
            leg.dialog,
            name=name,
            event=event,
            local=bare(request.to),
            remote=bare(request.from_),
            on_end=lambda failure, now: self._ended(name, failure, now),
            contact_user=call.contact_user,
            auth=call.auth,
            call=call.name,
            incoming_request=incoming_request,
        )
        self._usages[name] = usage
        begin_reports(usage, now)

    def _ended(self, name: str, failure: Failure | None, now: float) -> None:
        self._usages.pop(name, None)

    def on_subscribe(self, serving: Serving, now: float) -> bool:
        """A SUBSCRIBE in the dialog, to have one for longer or no more. False: of none of these."""
        for usage in self._usages.values():
            if usage.matches(serving.request):
                usage.receive(serving, now)
                return True
        return False

    def command(self, command: SubscriptionCommand, now: float) -> None:
        """Notify."""
        self._usages[command.name].command(command, now)

    def alarm(self, alarm: str, now: float) -> bool:
        """An alarm of the call went off. False: it is none of these."""
        return any(usage.alarm(alarm, now) for usage in list(self._usages.values()))

    def drop(self, now: float) -> None:
        """The server goes: nobody reports any more."""
        for usage in list(self._usages.values()):
            usage.drop(now)
