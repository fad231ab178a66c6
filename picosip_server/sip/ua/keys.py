"""Routing keys: what a message is matched by (RFC 3261 sections 17.1.3, 17.2.3, 12.2.2)."""

from __future__ import annotations

from collections.abc import Hashable

from picosip_server.sip.message import Request, Response
from picosip_server.sip.via import Via, is_rfc3261


def client_key(branch: str, method: str) -> Hashable:
    """Of a client transaction: the branch that we made, and the method of the CSeq (17.1.3)."""
    return ("c", branch, method)


def response_key(response: Response) -> Hashable:
    """The client transaction that a response is for."""
    return ("c", response.via.branch, response.cseq.method)


def server_key(request: Request, method: str = "") -> Hashable:
    """Of a server transaction (17.2.3). An ACK matches the INVITE's; ``method`` overrides.

    Branches without the magic cookie are of RFC 2543: there the transaction is told
    by Request-URI, tags, Call-ID, CSeq number and the whole top Via.
    """
    if method:
        return _server_key(request, method)
    memo = request.headers.memo
    key: Hashable | None = memo.get("server key")
    if key is None:
        key = memo["server key"] = _server_key(request, request.method)
    return key


def _server_key(request: Request, method: str) -> Hashable:
    if method == "ACK":
        method = "INVITE"
    via = request.via
    branch = via.branch
    if is_rfc3261(branch):
        return server_key_by(via, method)
    # An RFC 2543 ACK carries the To tag of the response, the INVITE did not: leave it out.
    return (
        "o",
        request.uri_text,
        request.from_.tag,
        request.call_id,
        request.cseq.number,
        via.sent_by,
        method,
    )


def server_key_by(via: Via, method: str) -> Hashable:
    """The same by the top Via, where its branch is unique by itself."""
    return server_key_of(via.branch, via.sent_by, method)


def server_key_of(branch: str, sent_by: str, method: str) -> Hashable:
    """The same by what the top Via says."""
    return ("s", branch, sent_by, method)


def merge_key(request: Request) -> Hashable:
    """By which two branches of one forked request are told to be the same (8.2.2.2)."""
    cseq = request.cseq
    return ("m", request.from_.tag, request.call_id, cseq.number, cseq.method)


def dialog_key(call_id: str, local_tag: str) -> Hashable:
    """Of all dialogs of one call. Local tags are our own and unique, so that the far
    end's tag is compared by the call itself: it may have several (12.2.2)."""
    return ("d", call_id, local_tag)


def is_transaction(key: Hashable) -> bool:
    """Whether a routing key is that of a transaction, not of a dialog or a request's name."""
    return isinstance(key, tuple) and key[0] in ("c", "s", "o")
