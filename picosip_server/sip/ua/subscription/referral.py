"""A REFER outside a call, and the subscription that it brings about: RFC 3515, 4488, 7647."""

from __future__ import annotations

from picosip_server.sip.hop import Hop
from picosip_server.sip.message import Request, Response
from picosip_server.sip.ua import commands
from picosip_server.sip.ua.commands import Body, Command
from picosip_server.sip.ua.context import Context
from picosip_server.sip.ua.effects import Effect
from picosip_server.sip.ua.pending import Pendings
from picosip_server.sip.ua.subscription.commands import SubscriptionCommand
from picosip_server.sip.ua.subscription.notifying import NotifyingUser
from picosip_server.sip.ua.subscription.refer import begin_reports, without_subscription
from picosip_server.sip.ua.user import Serving


class IncomingReferral(NotifyingUser):
    """One REFER: a request that awaits Respond, then what the application reports on."""

    __slots__ = ("_accepted", "_pendings")

    def __init__(self, name: str, context: Context, request: Request) -> None:
        """``name`` is that of the subscription, should there be one.

        Raises RemoteProtocolError where the request has no usable Contact.
        """
        super().__init__(name, context, request)
        self._pendings = Pendings(self)
        self._accepted = False

    def start(self, hop: Hop, now: float) -> list[Effect]:
        """Hands the REFER to the application, for as long as it may wait."""
        serving = self.serve(self._request, hop, now)

        def answered(response: Response, body: Body | None, now: float) -> None:
            if response.status < 300 and not without_subscription(response):
                self._subscribe(name, now)
            else:
                self.over = True

        name = self._pendings.hand_over(
            serving,
            now,
            default=(480, ""),
            respond_by=now + self.context.respond_timeout,
            on_answer=answered,
            fields=lambda status: self._fields(serving) if status < 300 else [],
        )
        return self.flush()

    def _fields(self, serving: Serving) -> list[tuple[str, str]]:
        request = self._request
        # RFC 6665 section 4.2.1.1, RFC 3261 section 12.1.1: it makes a dialog.
        fields = [("Record-Route", each) for each in request.headers.get_all("Record-Route")]
        fields.append(("Contact", serving.hop.contact(request.uri.user or "")))
        if without_subscription(request):
            # RFC 4488 section 4: the wish is granted.
            fields.append(("Refer-Sub", "false"))
        return fields

    def _subscribe(self, incoming_request: str, now: float) -> None:
        self._accepted = True
        self._open_dialog()
        # RFC 3515 section 2.4.6: the first REFER of a dialog needs no id.
        self._usage = self._make_usage("refer", incoming_request=incoming_request)
        begin_reports(self._usage, now)

    def command(self, command: Command, now: float) -> list[Effect]:
        """Respond, then Notify."""
        if isinstance(command, SubscriptionCommand):
            self._usage.command(command, now)
            return self.flush()
        assert isinstance(command, commands.Respond)
        failure = self._pendings.respond(command, now)
        if failure is None:
            self.complete(command.token, None)
        else:
            self.fail(command.token, failure)
        return self.flush()

    def on_alarm(self, alarm: str, now: float) -> None:
        """The application is silent, or the time of the subscription is over."""
        if not self._pendings.alarm(alarm, now):
            self._usage.alarm(alarm, now)

    def shut_down(self, now: float) -> list[Effect]:
        """The server stops. Nobody could subscribe to this anew elsewhere (section 4.1.3)."""
        if self._accepted:
            self._usage.terminate("noresource", now)
        else:
            self._pendings.close_all(503, "", now)
        return self.flush()

    def abandon(self, now: float) -> list[Effect]:
        """The server goes, and the referrer does not answer: over all the same."""
        self.forsake()
        if self._accepted:
            self._usage.drop(now)
        else:
            self._pendings.close_all(503, "", now)
        return self.flush()
