"""What notifiers with a dialog of their own have in common: RFC 6665 section 4.2."""

from __future__ import annotations

from collections.abc import Mapping

from picosip_server.sip.dialog import Dialog
from picosip_server.sip.hop import Hop
from picosip_server.sip.message import Request
from picosip_server.sip.ua.context import Context
from picosip_server.sip.ua.effects import Effect
from picosip_server.sip.ua.keys import dialog_key
from picosip_server.sip.ua.outputs import Failure
from picosip_server.sip.ua.subscription.inside import admit, answer_other
from picosip_server.sip.ua.subscription.notifier import NotifierUsage
from picosip_server.sip.ua.subscription.refer import bare
from picosip_server.sip.ua.user import Serving, TransactionUser

_NO_LABELS: Mapping[str, str] = {}


class NotifyingUser(TransactionUser):
    """The dialog that a request from outside makes, with one subscription to state of ours."""

    __slots__ = ("_dialog", "_known", "_request", "_tag", "_usage", "authenticated_user")

    _usage: NotifierUsage

    def __init__(self, name: str, context: Context, request: Request) -> None:
        """Raises RemoteProtocolError where the request has no usable Contact."""
        super().__init__(name, context, _NO_LABELS)
        self._request = request
        self._tag = context.identity.tag()
        self._dialog = Dialog.uas(request, self._tag)
        self._dialog.early = False
        self._known = frozenset(request.require)
        self.authenticated_user = request.authenticated_user

    def local_tag(self) -> str:
        """The tag of all our messages."""
        return self._tag

    def _make_usage(self, event: str, *, incoming_request: str = "") -> NotifierUsage:
        request = self._request
        return NotifierUsage(
            self,
            self._dialog,
            name=self.name,
            event=event,
            local=bare(request.to),
            remote=bare(request.from_),
            on_end=self._ended,
            contact_user=request.uri.user or "",
            incoming_request=incoming_request,
        )

    def _open_dialog(self) -> None:
        self.bind(dialog_key(self._dialog.call_id, self._tag))

    def receive_request(self, request: Request, hop: Hop, now: float) -> list[Effect]:
        """A request whose Call-ID and To tag are this dialog's."""
        if request.method == "ACK":
            return self.flush()
        serving = self.serve(request, hop, now)
        if request.from_.tag != self._dialog.remote_tag:
            self.respond(serving, now, 481)
        elif admit(self, self._dialog, serving, now, known=self._known):
            if request.method == "SUBSCRIBE":
                self.on_subscribe(serving, now)
            else:
                answer_other(self, serving, now)
        return self.flush()

    def on_subscribe(self, serving: Serving, now: float) -> None:
        """A SUBSCRIBE in the dialog."""
        if self._usage.matches(serving.request):
            self._usage.receive(serving, now)
        else:
            # 4.5.2: no second subscription in a dialog.
            self.respond(serving, now, 489)

    def _ended(self, failure: Failure | None, now: float) -> None:
        self.unbind(dialog_key(self._dialog.call_id, self._tag))
        self._alarms.clear()
        self.over = True
