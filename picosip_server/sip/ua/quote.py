"""Whose a datagram was of which an ICMP error quotes the beginning (RFC 3261 section 18.4)."""

from __future__ import annotations

from collections.abc import Hashable

from picosip_server.sip.errors import ParseError
from picosip_server.sip.grammar import split_list
from picosip_server.sip.ua.keys import client_key, server_key_by
from picosip_server.sip.via import Via, is_rfc3261


def key_of_quote(quote: bytes) -> Hashable | None:
    """The routing key of the transaction that sent it; None where too little is quoted.

    Nobody but who saw the datagram knows its branch, so that an error made up by somebody else
    leads to no transaction.
    """
    # The last line may be cut off.
    first, *lines = quote.decode("utf-8", "surrogateescape").split("\r\n")[:-1] or [""]
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        fields.setdefault(name.strip().lower(), value)
    try:
        via = Via.parse((split_list(fields.get("via", "")) or [""])[0])
    except ParseError:
        return None
    if not is_rfc3261(via.branch):
        return None
    if not first.startswith("SIP/2.0 "):
        return client_key(via.branch, first.partition(" ")[0])
    _, _, method = fields.get("cseq", "").strip().partition(" ")
    return server_key_by(via, method.strip())
