"""Dialogs: RFC 3261 section 12."""

from __future__ import annotations

from picosip_server.frozen import dataclass
from picosip_server.mypyc import mypyc_attr
from picosip_server.sip.address import Address
from picosip_server.sip.errors import LocalProtocolError, RemoteProtocolError
from picosip_server.sip.message import Message, Request, Response
from picosip_server.sip.uri import Uri
from picosip_server.sip.via import is_rfc3261


@mypyc_attr(acyclic=True)
@dataclass(slots=True, kw_only=True)
class Dialog:
    """The state that both sides of a dialog keep (section 12.1).

    ``local`` and ``remote`` are the From and To values of requests sent in the
    dialog, tags included. ``remote_cseq`` is -1 while empty.
    """

    call_id: str
    local: str
    remote: str
    local_tag: str
    remote_tag: str
    remote_target: Uri
    route_set: tuple[str, ...] = ()
    local_cseq: int = 0
    remote_cseq: int = -1
    early: bool = True

    @staticmethod
    def uac(request: Request, response: Response) -> Dialog:
        """The dialog that a response with a To tag makes for the one who asked (12.1.2).

        A response that lacks the Contact it must have (12.1.1) leaves the Request-URI as
        the target: better to acknowledge and end such a call than to leave it hanging.
        """
        return Dialog(
            call_id=request.call_id,
            local=request.headers.get("From") or "",
            remote=response.headers.get("To") or "",
            local_tag=request.from_.tag,
            remote_tag=response.to.tag,
            remote_target=_target(response, request.uri),
            route_set=tuple(str(route) for route in reversed(response.record_routes)),
            local_cseq=request.cseq.number,
            early=response.status < 200,
        )

    @staticmethod
    def uas(request: Request, local_tag: str) -> Dialog:
        """The dialog that our response to ``request`` makes (12.1.1).

        Raises:
            RemoteProtocolError: the request has no usable Contact.
        """
        to = request.headers.get("To") or ""
        return Dialog(
            call_id=request.call_id,
            local=f"{to};tag={local_tag}",
            remote=request.headers.get("From") or "",
            local_tag=local_tag,
            remote_tag=request.from_.tag,
            remote_target=contact_target(request),
            route_set=tuple(str(route) for route in request.record_routes),
            remote_cseq=request.cseq.number,
            early=True,
        )

    def confirm(self, response: Response) -> None:
        """Takes the route set and target of the 2xx (12.1.2, 13.2.2.4)."""
        self.early = False
        self.route_set = tuple(str(route) for route in reversed(response.record_routes))
        self.remote_target = _target(response, self.remote_target)

    def next_cseq(self) -> int:
        """The CSeq number of the next request of ours (12.2.1.1)."""
        self.local_cseq += 1
        return self.local_cseq

    def admit(self, request: Request) -> None:
        """Checks and takes the CSeq of an incoming request (12.2.2).

        Raises:
            RemoteProtocolError: the number is lower than one seen before (500).
        """
        number = request.cseq.number
        if self.remote_cseq >= 0 and number < self.remote_cseq:
            raise RemoteProtocolError(
                f"CSeq {number} is lower than {self.remote_cseq}, which came before", 500
            )
        self.remote_cseq = number


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """How a request travels: its Request-URI, its Route values, and the URI to send it to."""

    request_uri: str
    routes: tuple[str, ...]
    next_hop: Uri


def plan(target: Uri, route_set: tuple[str, ...]) -> Route:
    """Applies a route set to a remote target (RFC 3261 section 12.2.1.1).

    Raises:
        LocalProtocolError: a route of the set cannot be parsed.
    """
    target = _as_request_uri(target)
    if not route_set:
        return Route(request_uri=str(target), routes=(), next_hop=target)
    first = _route_uri(route_set[0])
    if first.params.has("lr"):
        return Route(request_uri=str(target), routes=route_set, next_hop=first)
    # 12.2.1.1: a strict router wants itself in the Request-URI, the target last.
    strict = _as_request_uri(first)
    return Route(request_uri=str(strict), routes=(*route_set[1:], f"<{target}>"), next_hop=strict)


def loose_route(uri: Uri) -> str:
    """A proxy's URI as a preloaded route: loose, since all proxies of today are."""
    if not uri.params.has("lr"):
        uri = uri.with_(params=uri.params.with_("lr", None))
    return f"<{uri}>"


def _as_request_uri(uri: Uri) -> Uri:
    """Without what a Request-URI may not carry (19.1.1: method parameter, headers)."""
    if uri.headers or uri.params.has("method"):
        return uri.with_(params=uri.params.without("method"), headers="")
    return uri


def _route_uri(text: str) -> Uri:
    try:
        return Address.parse(text).uri
    except RemoteProtocolError as error:
        raise LocalProtocolError(f"the route {text!r} is not a name-addr or URI: {error}") from None


def contact_target(message: Message) -> Uri:
    """The URI of the one Contact that makes a dialog (12.1.1, 8.1.1.8).

    Raises:
        RemoteProtocolError: there is none, or it is no SIP or SIPS URI.
    """
    contacts = message.contacts
    if not contacts and isinstance(message, Request) and not is_rfc3261(message.via.branch):
        # RFC 4475 section 3.4.1: an RFC 2543 caller need not give one, and is where it is from.
        return message.from_.uri
    if len(contacts) != 1 or not contacts[0].uri.is_sip:
        raise RemoteProtocolError("what makes a dialog needs exactly one Contact, with a SIP URI")
    return contacts[0].uri


def _target(response: Response, fallback: Uri) -> Uri:
    try:
        return contact_target(response)
    except RemoteProtocolError:
        return fallback
