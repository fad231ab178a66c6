"""A subscription to state of ours: SUBSCRIBE from outside, until it ends (RFC 6665 4.2.1)."""

from __future__ import annotations

from picosip_server.sip.hop import Hop
from picosip_server.sip.message import Request
from picosip_server.sip.ua.bodies import body_of
from picosip_server.sip.ua.commands import Command
from picosip_server.sip.ua.context import Context
from picosip_server.sip.ua.effects import Effect
from picosip_server.sip.ua.pending import until_trying
from picosip_server.sip.ua.subscription.commands import (
    AcceptSubscription,
    RejectSubscription,
    SubscriptionCommand,
)
from picosip_server.sip.ua.subscription.events import IncomingSubscribe, SubscriptionChanged
from picosip_server.sip.ua.subscription.header import seconds_of
from picosip_server.sip.ua.subscription.notifier import (
    DEFAULT_EXPIRES,
    acceptance,
)
from picosip_server.sip.ua.subscription.notifying import NotifyingUser
from picosip_server.sip.ua.user import Serving


class IncomingSubscription(NotifyingUser):
    """One subscriber, whom the application accepts or refuses first."""

    __slots__ = ("_asked", "_serving")

    def __init__(self, name: str, context: Context, request: Request) -> None:
        """Raises RemoteProtocolError where the request has no usable Contact."""
        super().__init__(name, context, request)
        asked = seconds_of(request, "Expires")
        self._asked = DEFAULT_EXPIRES if asked is None else asked
        self._serving: Serving | None = None
        """The SUBSCRIBE that awaits its answer."""
        self._usage = self._make_usage(request.headers.get("Event") or "")

    def start(self, hop: Hop, now: float) -> list[Effect]:
        """Hands the SUBSCRIBE to the application, for as long as it may wait."""
        request = self._request
        self._open_dialog()
        self._serving = self.serve(request, hop, now)
        respond_by = now + self.context.respond_timeout
        self.alarm("respond", respond_by)
        self.alarm("trying", now + until_trying(self.context.timers))
        self.emit(
            SubscriptionChanged(
                resource=self.name,
                at=now,
                labels=self.labels,
                message=request,
                subscription=self._usage.snapshot(),
                request=IncomingSubscribe(
                    headers=tuple(request.headers),
                    body=body_of(request),
                    expires=self._asked,
                    respond_by=respond_by,
                    authenticated_user=self.authenticated_user,
                ),
            )
        )
        return self.flush()

    def command(self, command: Command, now: float) -> list[Effect]:
        """AcceptSubscription, RejectSubscription, Notify."""
        assert isinstance(command, SubscriptionCommand)
        deciding = isinstance(command, AcceptSubscription | RejectSubscription)
        if self._serving is None and not deciding:
            self._usage.command(command, now)
        elif self._serving is None:
            self.fail_state(
                command.token, self._usage.state.name, f"{self.name} was answered already"
            )
        elif isinstance(command, AcceptSubscription):
            self._accept(command, self._serving, now)
        elif isinstance(command, RejectSubscription):
            self._refuse(
                self._serving, command.status, command.reason, command.options.headers, now
            )
            self.complete(command.token, None)
        else:
            self.fail_state(
                command.token,
                self._usage.state.name,
                f"{self.name} is to be accepted or rejected first",
            )
        return self.flush()

    def _accept(self, accept: AcceptSubscription, serving: Serving, now: float) -> None:
        granted = self._asked if accept.expires is None else min(self._asked, accept.expires)
        self._decided()
        user = serving.request.uri.user or ""
        # 4.2.1.1: 202 is not sent any more.
        self.respond(
            serving, now, 200, to_tag=self._tag, headers=acceptance(serving, granted, user)
        )
        self._usage.start(accept.state, granted, accept.body, now, longest=accept.expires)
        self.complete(accept.token, self._usage.snapshot())

    def _refuse(
        self,
        serving: Serving,
        status: int,
        reason: str,
        headers: tuple[tuple[str, str], ...],
        now: float,
    ) -> None:
        self._decided()
        response = self.respond(serving, now, status, reason, to_tag=self._tag, headers=headers)
        self._usage.close("rejected", now, response)
        self._ended(None, now)

    def _decided(self) -> None:
        self._serving = None
        self.disarm("respond", "trying")

    def on_alarm(self, alarm: str, now: float) -> None:
        """The application is silent, or an alarm of the subscription."""
        if alarm == "trying" and self._serving is not None:
            # RFC 4320 section 4.1.
            self.respond(self._serving, now, 100)
        elif alarm == "respond" and self._serving is not None:
            self._refuse(self._serving, 480, "", (), now)
        else:
            self._usage.alarm(alarm, now)

    def on_subscribe(self, serving: Serving, now: float) -> None:
        """A SUBSCRIBE in the dialog."""
        if self._serving is None:
            super().on_subscribe(serving, now)
        else:
            # The first one is not answered yet.
            self.respond(serving, now, 500, headers=[("Retry-After", "1")])

    def shut_down(self, now: float) -> list[Effect]:
        """The server stops: the subscriber is sent to another one (section 4.4.2)."""
        if self._serving is not None:
            self._refuse(self._serving, 503, "", (("Retry-After", "5"),), now)
        else:
            self._usage.terminate("deactivated", now)
        return self.flush()

    def abandon(self, now: float) -> list[Effect]:
        """The server goes, and the subscriber does not answer: over all the same."""
        self.forsake()
        if self._serving is not None:
            self._refuse(self._serving, 503, "", (), now)
        self._usage.drop(now)
        return self.flush()
