"""Whose fault it is.

SipError
 +-- LocalProtocolError     the application asked for the impossible
 +-- RemoteProtocolError    the peer broke the protocol; carries the status that answers it
      +-- ParseError        the octets are no SIP message, or a bad one
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from picosip_server.sip.message import Request


class SipError(Exception):
    """Base of all errors that this package raises."""


class LocalProtocolError(SipError):
    """The local side asked for something that the protocol does not allow now."""


class RemoteProtocolError(SipError):
    """The peer broke the protocol.

    ``status`` is the response code that answers a request with this fault
    (RFC 3261 section 21.4); a response or an ACK with it is dropped instead.
    """

    def __init__(self, detail: str, status: int = 400) -> None:
        super().__init__(detail)
        self.status = status


class ParseError(RemoteProtocolError):
    """Octets that are not a valid SIP message, header or URI.

    ``request`` is what could be read of a faulty request, enough to answer it
    with ``status``; None for responses, single values and hopeless octets.
    """

    def __init__(self, detail: str, status: int = 400, *, request: Request | None = None) -> None:
        super().__init__(detail, status)
        self.request = request
