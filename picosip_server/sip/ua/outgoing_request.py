"""A single request of ours outside dialogs: RFC 3261 sections 8.1 and 11."""

from __future__ import annotations

from collections.abc import Hashable

from picosip_server.sip.address import Address
from picosip_server.sip.message import Response
from picosip_server.sip.ua.capabilities import SDP_TYPE
from picosip_server.sip.ua.commands import Command, Options
from picosip_server.sip.ua.context import Context
from picosip_server.sip.ua.effects import Effect
from picosip_server.sip.ua.exchange import Draft, Exchange
from picosip_server.sip.ua.inspect import ALLOW
from picosip_server.sip.ua.outputs import Failure, FailureKind
from picosip_server.sip.ua.user import TransactionUser
from picosip_server.sip.uri import Uri


class OutgoingRequestUser(TransactionUser):
    """Sends one OPTIONS, and completes its command with the final response, whatever it is."""

    __slots__ = ("_cseq", "_exchange", "_token")

    def __init__(
        self,
        context: Context,
        token: Hashable,
        *,
        uri: Uri,
        from_address: Address | None,
        options: Options,
        call_id: str,
    ) -> None:
        super().__init__("", context, {})
        self._token = token
        self._cseq = 0
        sender = from_address or Address(uri=Uri.parse("sip:ping@invalid"))
        routes = options.routes
        if not routes and context.outbound_proxy and options.next_hop is None:
            routes = (context.outbound_proxy,)
        self._exchange = Exchange(
            self,
            Draft(
                method="OPTIONS",
                target=uri,
                route_set=routes,
                from_=str(sender.with_tag(context.identity.tag())),
                to=str(Address(uri=uri)),
                call_id=call_id,
                headers=(("Accept", SDP_TYPE), ("Allow", ALLOW), *options.headers),
                contact_user=sender.uri.user or "",
                next_hop=options.next_hop,
            ),
            self,
            next_cseq=self._next_cseq,
        )

    def start(self, now: float) -> list[Effect]:
        """Sends it.

        Raises:
            LocalProtocolError: a preloaded route cannot be parsed.
        """
        self._exchange.start(now)
        return self.flush()

    def _next_cseq(self) -> int:
        self._cseq += 1
        return self._cseq

    def command(self, command: Command, now: float) -> list[Effect]:
        """There is nothing to command: the request has no name."""
        return []

    def on_provisional(self, exchange: Exchange, response: Response, now: float) -> None:
        """Says nothing yet."""

    def on_final(self, exchange: Exchange, response: Response, now: float) -> None:
        """The answer."""
        self.over = True
        self.complete(self._token, response)

    def on_failure(self, exchange: Exchange, kind: FailureKind, detail: str, now: float) -> None:
        """There was none."""
        self.over = True
        self.fail(self._token, Failure(kind=kind, detail=detail))
