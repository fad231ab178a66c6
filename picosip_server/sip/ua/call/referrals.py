"""REFER from the far end that was accepted: the implicit subscription to how it goes.

RFC 3515 section 2.4.4 and RFC 6665: it lives in the dialog of the call, and ends with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from picosip_server.sip.message import Response
from picosip_server.sip.sipfrag import SIPFRAG
from picosip_server.sip.ua.commands import Body
from picosip_server.sip.ua.subscription.commands import (
    AcceptSubscription,
    RejectSubscription,
    SubscriptionCommand,
)
from picosip_server.sip.ua.subscription.header import SubscriptionState
from picosip_server.sip.ua.subscription.notifier import NotifierUsage
from picosip_server.sip.ua.user import Serving

if TYPE_CHECKING:
    from picosip_server.sip.ua.call.base import Call

LASTS = 300.0
"""Seconds within which the application is to tell how it ended; refreshed by the far end."""
TRYING = Body(content_type=f"{SIPFRAG};version=2.0", data=b"SIP/2.0 100 Trying\r\n")


class Referrals:
    """Those of one call."""

    __slots__ = ("_call", "_count", "_usages")

    def __init__(self, call: Call) -> None:
        self._call = call
        self._count = 0
        self._usages: dict[str, NotifierUsage] = {}

    def on_answer(self, serving: Serving, response: Response, now: float) -> None:
        """A REFER was answered; a 2xx begins the subscription, and is followed by a NOTIFY."""
        call, request = self._call, serving.request
        leg = call.legs.get(request.from_.tag)
        subscribes = (response.headers.get("Refer-Sub") or "").partition(";")[0].strip().lower()
        if response.status >= 300 or leg is None or leg.over or subscribes == "false":
            # RFC 4488 section 4: nobody wants to hear how it goes.
            return
        self._count += 1
        # 2.4.6: the number tells a second REFER of a dialog from the first.
        event = "refer" if self._count == 1 else f"refer;id={request.cseq.number}"
        name = call.context.identity.subscription_name()
        usage = self._usages[name] = NotifierUsage(
            call,
            leg.dialog,
            name=name,
            event=event,
            local=request.to,
            remote=request.from_,
            on_end=lambda failure, now: self._ended(name),
            contact_user=call.contact_user,
            auth=call.auth,
        )
        usage.start(SubscriptionState.ACTIVE, LASTS, TRYING, now)

    def _ended(self, name: str) -> None:
        self._usages.pop(name, None)

    def command(self, command: SubscriptionCommand, now: float) -> None:
        """Notify."""
        usage = self._usages[command.name]
        if isinstance(command, AcceptSubscription | RejectSubscription):
            detail = f"{command.name} came of a REFER, which was answered already"
            self._call.fail_state(command.token, usage.state.name, detail)
        else:
            usage.command(command, now)

    def on_subscribe(self, serving: Serving, now: float) -> None:
        """A SUBSCRIBE in the dialog: it refreshes or ends one of these (2.4.4)."""
        for usage in list(self._usages.values()):
            if usage.dialog.remote_tag == serving.request.from_.tag and usage.matches(
                serving.request
            ):
                usage.receive(serving, now)
                return
        # RFC 6665 section 4.5.2: nothing else is subscribed to inside a call.
        self._call.respond(serving, now, 481)

    def alarm(self, alarm: str, now: float) -> bool:
        """An alarm of the call went off. False: it is none of these."""
        return any(usage.alarm(alarm, now) for usage in list(self._usages.values()))

    def close(self, now: float) -> None:
        """The call ends, and its dialogs with it."""
        for usage in list(self._usages.values()):
            usage.drop(now)
