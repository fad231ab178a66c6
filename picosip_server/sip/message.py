"""Requests and responses: a start line, headers and a body of octets."""

from __future__ import annotations

from picosip_server.mypyc import mypyc_attr
from picosip_server.sip.address import Address
from picosip_server.sip.errors import LocalProtocolError, ParseError
from picosip_server.sip.grammar import is_token, number, split_list
from picosip_server.sip.headers import Field, Headers, canonical
from picosip_server.sip.meaning import (
    address_of,
    addresses_of,
    cseq_of,
    number_of,
    refuse_star,
    session_expires_of,
    via_of,
)
from picosip_server.sip.uri import Uri
from picosip_server.sip.values import LARGEST_RSEQ, LARGEST_SECONDS, CSeq, RAck, SessionExpires
from picosip_server.sip.via import Via, parse_list as parse_vias

_PLAIN_TYPES = {kind: kind for kind in ("application/sdp", "text/plain", "application/dtmf-relay")}
"""The most frequent Content-Types, as they are usually written."""
_MANDATORY = {name.lower(): name for name in ("Via", "From", "To", "Call-ID", "CSeq")}


@mypyc_attr(acyclic=True)
class Message:
    """What requests and responses share.

    Header accessors parse when first read, and the field remembers the value. Each raises
    ParseError if its header is malformed, and if a header that every message has (Via, From,
    To, Call-ID, CSeq) is missing.
    """

    __slots__ = ("body", "headers", "raw")

    headers: Headers
    body: bytes
    raw: bytes
    """The octets that it was read from; empty for one of our own."""

    @property
    def start_line(self) -> str:
        """The first line, without CRLF."""
        raise NotImplementedError

    @property
    def via(self) -> Via:
        """The top Via value."""
        field = self.headers.first("via")
        via: Via | None = None if field is None else field.meaning
        return via if via is not None else via_of(self._mandatory("via"))

    @property
    def vias(self) -> list[Via]:
        """All Via values, top first."""
        memo = self.headers.memo
        vias: list[Via] | None = memo.get("vias")
        if vias is None:
            lines = self.headers.get_all("Via")
            vias = memo["vias"] = [via for line in lines for via in parse_vias(line)]
        return vias

    @property
    def from_(self) -> Address:
        """The From header."""
        field = self.headers.first("from")
        address: Address | None = None if field is None else field.meaning
        return address if address is not None else address_of(self._mandatory("from"))

    @property
    def to(self) -> Address:
        """The To header."""
        field = self.headers.first("to")
        address: Address | None = None if field is None else field.meaning
        return address if address is not None else address_of(self._mandatory("to"))

    @property
    def call_id(self) -> str:
        """The Call-ID; compares with case (RFC 3261 section 20.8)."""
        return self._mandatory("call-id").value

    @property
    def cseq(self) -> CSeq:
        """The CSeq header."""
        field = self.headers.first("cseq")
        cseq: CSeq | None = None if field is None else field.meaning
        return cseq if cseq is not None else cseq_of(self._mandatory("cseq"))

    @property
    def contacts(self) -> tuple[Address, ...]:
        """All Contact values; one Address with ``STAR`` for ``Contact: *``."""
        return self._addresses("contact")

    @property
    def routes(self) -> tuple[Address, ...]:
        """All Route values, next hop first."""
        return self._addresses("route")

    @property
    def record_routes(self) -> tuple[Address, ...]:
        """All Record-Route values, in wire order."""
        return self._addresses("record-route")

    @property
    def require(self) -> list[str]:
        """Option tags that the receiver must understand, lower case."""
        return [tag.lower() for tag in self.headers.elements("Require")]

    @property
    def supported(self) -> list[str]:
        """Option tags that the sender understands, lower case."""
        return [tag.lower() for tag in self.headers.elements("Supported")]

    @property
    def allow(self) -> list[str]:
        """Methods that the sender takes."""
        return self.headers.elements("Allow")

    @property
    def content_type(self) -> str:
        """``type/subtype`` in lower case without parameters; empty if there is none."""
        value = self.headers.get("Content-Type")
        if value is None:
            return ""
        plain = _PLAIN_TYPES.get(value)
        if plain is not None:
            return plain
        type_, slash, subtype = value.partition(";")[0].partition("/")
        type_, subtype = type_.strip(" \t"), subtype.strip(" \t")
        if not (slash and is_token(type_) and is_token(subtype)):
            raise ParseError("malformed Content-Type")
        return f"{type_}/{subtype}".lower()

    @property
    def expires(self) -> int | None:
        """The Expires header in seconds."""
        return self._number("Expires", LARGEST_SECONDS)

    @property
    def max_forwards(self) -> int | None:
        """The number of hops that are left, 0 to 255 (RFC 3261 section 20.22)."""
        return self._number("Max-Forwards", 255)

    @property
    def rseq(self) -> int | None:
        """The number of a reliable provisional response (RFC 3262)."""
        return self._number("RSeq", LARGEST_RSEQ)

    @property
    def rack(self) -> RAck | None:
        """What a PRACK acknowledges (RFC 3262)."""
        value = self.headers.get("RAck")
        return None if value is None else RAck.parse(value)

    @property
    def session_expires(self) -> SessionExpires | None:
        """The session interval that is asked for or granted (RFC 4028 section 4)."""
        field = self.headers.first("session-expires")
        return None if field is None else session_expires_of(field)

    @property
    def min_se(self) -> int | None:
        """The smallest session interval that the sender takes, in seconds (RFC 4028 section 5)."""
        value = self.headers.get("Min-SE")
        if value is None:
            return None
        try:
            return number(value.partition(";")[0].strip(" \t"), LARGEST_SECONDS)
        except ParseError as error:
            raise ParseError(f"Min-SE: {error}") from error

    def replace_top_via(self, via: Via) -> None:
        """Puts ``via`` in the place of the top Via value; the others stay as they came.

        For the server's received and rport (RFC 3261 section 18.2.1, RFC 3581 section 4).
        """
        line = self._mandatory("via").value
        rest = split_list(line)[1:] if "," in line else ()
        self.headers.replace_first("Via", ", ".join((str(via), *rest)))
        self._mandatory("via").meaning = via

    def encode(self) -> bytes:
        """The message as octets, Content-Length set right where it stands or as last field.

        Raises LocalProtocolError if the start line or a header cannot be written.
        """
        start_line = self.start_line
        if "\r" in start_line or "\n" in start_line:
            raise LocalProtocolError("line end in the start line")
        body = self.body
        lines = [start_line]
        length = f"Content-Length: {len(body)}"
        for name, value in self.headers.items():
            # Of the names that mean Content-Length, "l" and the long one: no other is looked up.
            if len(name) in (1, 14) and canonical(name) == "content-length":
                if length:
                    lines.append(f"{name}: {len(body)}")
                    length = ""
            else:
                lines.append(f"{name}: {value}")
        if length:
            lines.append(length)
        head = "\r\n".join(lines) + "\r\n\r\n"
        try:
            return head.encode("utf-8", "surrogateescape") + body
        except UnicodeEncodeError as error:
            raise LocalProtocolError("text that UTF-8 cannot hold") from error

    def _mandatory(self, key: str) -> Field:
        field = self.headers.first(key)
        if field is None:
            raise ParseError(f"{_MANDATORY[key]} is missing")
        return field

    def _number(self, name: str, largest: int) -> int | None:
        field = self.headers.first(name.lower())
        if field is None:
            return None
        try:
            return number_of(field, largest)
        except ParseError as error:
            raise ParseError(f"{name}: {error}") from error

    def _addresses(self, key: str) -> tuple[Address, ...]:
        headers = self.headers
        field = headers.first(key)
        if field is None:
            return ()
        addresses: tuple[Address, ...] | None
        if not headers.repeats(key):
            addresses = field.meaning
            return addresses if addresses is not None else addresses_of(field)
        addresses = headers.memo.get(key)
        if addresses is None:
            addresses = ()
            for each in headers.all(key):
                addresses += addresses_of(each)
            # 20.10: the star stands alone.
            if len(addresses) > 1:
                for address in addresses:
                    refuse_star(address)
            headers.memo[key] = addresses
        return addresses


@mypyc_attr(acyclic=True)
class Request(Message):
    """A request (RFC 3261 section 7.1)."""

    __slots__ = ("_uri", "authenticated_user", "method", "uri_text")

    def __init__(self, method: str, uri: Uri | str, headers: Headers, body: bytes = b"") -> None:
        self.method = method
        self.headers = headers
        self.body = body
        self.raw = b""
        self.authenticated_user = ""
        """Whom its credentials proved it to be from: noted by who checked them."""
        if isinstance(uri, str):
            self.uri_text = uri
            self._uri: Uri | None = None
        else:
            self.uri_text = str(uri)
            self._uri = uri

    @property
    def uri(self) -> Uri:
        """The Request-URI. Raises ParseError if it was given as malformed text."""
        if self._uri is None:
            self._uri = Uri.parse(self.uri_text)
        return self._uri

    @property
    def start_line(self) -> str:
        """The Request-Line."""
        return f"{self.method} {self.uri_text} SIP/2.0"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Request):
            return NotImplemented
        return (
            self.method == other.method
            and self.uri_text == other.uri_text
            and self.headers == other.headers
            and self.body == other.body
        )

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.uri_text}>"


@mypyc_attr(acyclic=True)
class Response(Message):
    """A response (RFC 3261 section 7.2)."""

    __slots__ = ("reason", "status")

    def __init__(self, status: int, reason: str, headers: Headers, body: bytes = b"") -> None:
        self.status = status
        self.reason = reason
        self.headers = headers
        self.body = body
        self.raw = b""

    @property
    def start_line(self) -> str:
        """The Status-Line."""
        return f"SIP/2.0 {self.status} {self.reason}"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Response):
            return NotImplemented
        return (
            self.status == other.status
            and self.reason == other.reason
            and self.headers == other.headers
            and self.body == other.body
        )

    def __repr__(self) -> str:
        return f"<Response {self.status} {self.reason}>"
