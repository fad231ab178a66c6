"""The ACK to a 2xx: sent by the user itself, outside any transaction (RFC 3261 13.2.2.4)."""

from __future__ import annotations

from picosip_server.sip.dialog import Dialog, Route, plan
from picosip_server.sip.headers import Headers
from picosip_server.sip.hop import Hop, Target
from picosip_server.sip.message import Request
from picosip_server.sip.transaction.effects import Send
from picosip_server.sip.ua.commands import Body
from picosip_server.sip.ua.user import TransactionUser


class Acknowledgement:
    """One ACK, kept so that each repetition of the 2xx is answered with the same octets."""

    __slots__ = ("_body", "_dialog", "_extra", "_invite", "_locating", "_route", "_sent", "_user")

    def __init__(
        self,
        user: TransactionUser,
        dialog: Dialog,
        invite: Request,
        body: Body | None,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        self._user = user
        self._dialog = dialog
        self._invite = invite
        self._body = body
        self._extra = headers
        self._route: Route | None = None
        self._locating = False
        self._sent: tuple[Hop, Send] | None = None

    def start(self) -> None:
        """Sends it, as soon as its next hop is known."""
        self._route = plan(self._dialog.remote_target, self._dialog.route_set)
        self._locating = True
        self._user.locate(self, Target.of(self._route.next_hop))

    @property
    def sent(self) -> tuple[Hop, bytes] | None:
        """Where it went, and as which octets; None: it could not be sent yet."""
        if self._sent is None:
            return None
        hop, send = self._sent
        return hop, send.data

    def repeat(self) -> None:
        """The 2xx came again: so does the ACK."""
        if self._sent is not None:
            hop, send = self._sent
            self._user.transmit(hop, Send(send.message, send.data, retransmission=True))
        elif not self._locating:
            # The name did not resolve before; the repetition is a new chance.
            self.start()

    def located(self, hops: tuple[Hop, ...], now: float) -> None:
        """The hops of the remote target or first route."""
        self._locating = False
        if not hops:
            return
        hop = hops[0]
        request = self._build(hop)
        send = Send(request, request.encode())
        self._sent = (hop, send)
        self._user.transmit(hop, send)

    def not_located(self, detail: str, now: float) -> None:
        """The far end gave a target that leads nowhere; it will repeat its 2xx, then give up."""
        self._locating = False

    def _build(self, hop: Hop) -> Request:
        assert self._route is not None
        dialog = self._dialog
        headers = Headers()
        branch = self._user.context.identity.branch()
        headers.add("Via", f"SIP/2.0/{hop.transport} {hop.sent_by};rport;branch={branch}")
        for route in self._route.routes:
            headers.add("Route", route)
        headers.add("From", dialog.local)
        headers.add("To", dialog.remote)
        headers.add("Call-ID", dialog.call_id)
        # 13.2.2.4: the CSeq number of the INVITE, and its credentials.
        headers.add("CSeq", f"{self._invite.cseq.number} ACK")
        headers.add("Max-Forwards", "70")
        for name in ("Authorization", "Proxy-Authorization"):
            for value in self._invite.headers.get_all(name):
                headers.add(name, value)
        for name, value in self._extra:
            headers.add(name, value)
        body = b""
        if self._body is not None:
            headers.add("Content-Type", self._body.content_type)
            if self._body.disposition:
                headers.add("Content-Disposition", self._body.disposition)
            body = self._body.data
        return Request("ACK", self._route.request_uri, headers, body)
