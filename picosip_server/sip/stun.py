"""STUN binding requests and their answers (RFC 5389), as far as SIP keep-alives need them.

RFC 5626 section 8: they share the UDP port with SIP, and carry no attribute except the
address that the server saw.
"""

from __future__ import annotations

import enum
import ipaddress
import struct

from picosip_server.frozen import dataclass
from picosip_server.sip.errors import ParseError

COOKIE = 0x2112A442
ID_OCTETS = 12
_HEADER = 20
_MAPPED_ADDRESS = 0x0001
_ERROR_CODE = 0x0009
_UNKNOWN_ATTRIBUTES = 0x000A
_XOR_MAPPED_ADDRESS = 0x0020
_OPTIONAL = 0x8000
"""Attribute types from here on may be skipped by those who do not know them (section 15)."""
_KNOWN = (_MAPPED_ADDRESS, _ERROR_CODE, _UNKNOWN_ATTRIBUTES, _XOR_MAPPED_ADDRESS)
_FAMILIES = {1: 4, 2: 16}


class Kind(enum.IntEnum):
    """Message types: the method Binding in its classes (section 6)."""

    REQUEST = 0x0001
    INDICATION = 0x0011
    SUCCESS = 0x0101
    ERROR = 0x0111


@dataclass(frozen=True, slots=True, kw_only=True)
class StunMessage:
    """One STUN message."""

    kind: Kind
    id: bytes
    """The transaction id: 12 octets."""
    mapped: tuple[str, int] | None = None
    """The address in XOR-MAPPED-ADDRESS."""
    unknown: tuple[int, ...] = ()
    """Types of attributes that must be understood, and are not."""


def looks_like_stun(data: bytes) -> bool:
    """Whether a datagram is STUN: no SIP message begins with such an octet (section 6)."""
    return len(data) >= _HEADER and data[0] < 2 and data[4:8] == COOKIE.to_bytes(4, "big")


def parse(data: bytes) -> StunMessage:
    """Reads a message. Raises ParseError, also for methods other than Binding."""
    if not looks_like_stun(data):
        raise ParseError("not a STUN message")
    kind, length = struct.unpack_from("!HH", data)
    if length % 4 or len(data) != _HEADER + length:
        raise ParseError("STUN message of the wrong length")
    if kind not in Kind.__members__.values():
        raise ParseError(f"STUN message type {kind:#06x}")
    own_id = data[8:_HEADER]
    mapped: tuple[str, int] | None = None
    unknown: list[int] = []
    at = _HEADER
    while at < len(data):
        name, size = struct.unpack_from("!HH", data, at)
        value = data[at + 4 : at + 4 + size]
        if len(value) < size:
            raise ParseError("STUN attribute longer than its message")
        if name == _XOR_MAPPED_ADDRESS:
            mapped = mapped or _address(value, own_id)
        elif name < _OPTIONAL and name not in _KNOWN:
            unknown.append(name)
        at += 4 + (size + 3) // 4 * 4
    return StunMessage(kind=Kind(kind), id=own_id, mapped=mapped, unknown=tuple(unknown))


def binding_request(transaction_id: bytes) -> bytes:
    """A Binding request without attributes (RFC 5626 section 8)."""
    return _message(Kind.REQUEST, transaction_id, b"")


def answer(request: StunMessage, host: str, port: int) -> bytes:
    """The response to a request that came from this address (RFC 5389 section 7.3.1)."""
    if request.unknown:
        types = b"".join(struct.pack("!H", each) for each in request.unknown)
        error = struct.pack("!HBB", 0, 4, 20) + b"Unknown Attribute"
        attributes = _attribute(_ERROR_CODE, error) + _attribute(_UNKNOWN_ATTRIBUTES, types)
        return _message(Kind.ERROR, request.id, attributes)
    address = ipaddress.ip_address(host.partition("%")[0])
    family = 1 if address.version == 4 else 2
    value = struct.pack("!BBH", 0, family, port ^ (COOKIE >> 16))
    value += _masked(address.packed, request.id)
    return _message(Kind.SUCCESS, request.id, _attribute(_XOR_MAPPED_ADDRESS, value))


def _message(kind: Kind, transaction_id: bytes, attributes: bytes) -> bytes:
    return struct.pack("!HHI", kind, len(attributes), COOKIE) + transaction_id + attributes


def _attribute(name: int, value: bytes) -> bytes:
    return struct.pack("!HH", name, len(value)) + value + bytes(-len(value) % 4)


def _address(value: bytes, transaction_id: bytes) -> tuple[str, int]:
    """Section 15.2: the address is masked, so that no NAT on the way rewrites it."""
    size = _FAMILIES.get(value[1]) if len(value) > 4 else None
    if size is None or len(value) != 4 + size:
        raise ParseError("malformed XOR-MAPPED-ADDRESS")
    (port,) = struct.unpack_from("!H", value, 2)
    host = str(ipaddress.ip_address(_masked(value[4:], transaction_id)))
    return host, port ^ (COOKIE >> 16)


def _masked(address: bytes, transaction_id: bytes) -> bytes:
    mask = COOKIE.to_bytes(4, "big") + transaction_id
    return bytes(octet ^ other for octet, other in zip(address, mask, strict=False))
