"""A single request of ours outside dialogs: RFC 3261 sections 8.1 and 11, RFC 3428."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from picosip_server.sip.address import Address
from picosip_server.sip.auth.client import DigestClient
from picosip_server.sip.message import Response
from picosip_server.sip.ua import commands
from picosip_server.sip.ua.capabilities import SDP_TYPE, needs_contact
from picosip_server.sip.ua.commands import Command, Transact
from picosip_server.sip.ua.context import Context
from picosip_server.sip.ua.effects import Effect
from picosip_server.sip.ua.exchange import Draft, Exchange
from picosip_server.sip.ua.inspect import ALLOW
from picosip_server.sip.ua.outputs import Failure, FailureKind
from picosip_server.sip.ua.user import TransactionUser
from picosip_server.sip.uri import Uri


class OutgoingRequestUser(TransactionUser):
    """Sends one request, and completes its command with the final response, whatever it is."""

    __slots__ = ("_cseq", "_exchange", "then", "token", "uri")

    def __init__(self, context: Context, request: Transact, *, call_id: str) -> None:
        super().__init__("", context, {})
        self.token = request.token
        self.uri = str(request.uri)
        self.then: Callable[[Failure | None, float], None] = lambda failure, now: None
        """Hears once that there is an outcome, and where it is none, why."""
        self._cseq = 0
        options = request.options
        routes = options.routes
        if not routes and context.outbound_proxy and options.next_hop is None:
            routes = (context.outbound_proxy,)
        sender = request.from_address
        with_contact = needs_contact(request.method, options.headers)
        self._exchange: Exchange | None = Exchange(
            self,
            Draft(
                method=request.method,
                target=request.uri,
                route_set=routes,
                from_=str(sender.with_tag(context.identity.tag())),
                to=str(request.to_address),
                call_id=call_id,
                headers=options.headers,
                contact_user=(sender.uri.user or "") if with_contact else None,
                contact_params=options.contact_params,
                body=request.body,
                next_hop=options.next_hop,
            ),
            self,
            next_cseq=self._next_cseq,
            auth=DigestClient(request.credentials) if request.credentials else None,
        )

    def start(self, now: float) -> list[Effect]:
        """Sends it.

        Raises:
            LocalProtocolError: a preloaded route cannot be parsed.
        """
        assert self._exchange is not None
        self._exchange.start(now)
        return self.flush()

    def let_go(self) -> None:
        """Its exchange knows it."""
        self._exchange = None

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
        self.complete(self.token, response)
        self.then(None, now)

    def on_failure(self, exchange: Exchange, kind: FailureKind, detail: str, now: float) -> None:
        """There was none."""
        self.over = True
        failure = Failure(kind=kind, detail=detail)
        self.fail(self.token, failure)
        self.then(failure, now)


def options_request(ping: commands.Ping) -> Transact:
    """The OPTIONS of a Ping (section 11.1)."""
    options = ping.options
    headers = (("Accept", SDP_TYPE), ("Allow", ALLOW), *options.headers)
    return Transact(
        token=ping.token,
        method="OPTIONS",
        uri=ping.uri,
        from_address=ping.from_address or Address(uri=Uri.parse("sip:ping@invalid")),
        to_address=Address(uri=ping.uri),
        options=replace(options, headers=headers),
    )
