"""What header fields mean: read when somebody first asks, and noted in the field.

The same fields come again and again, in the messages of a call or of all calls (``parse``
keeps them), and so does what they mean. Each function raises ParseError if the value is malformed.
"""

from __future__ import annotations

import re

from picosip_server.sip.address import Address, parse_list
from picosip_server.sip.errors import ParseError
from picosip_server.sip.grammar import number, split_list
from picosip_server.sip.headers import Field
from picosip_server.sip.uri import STAR
from picosip_server.sip.values import CSeq, SessionExpires
from picosip_server.sip.via import Via

_is_call_id = re.compile(r"[^\x00-\x20\x7f]++").fullmatch


def via_of(field: Field) -> Via:
    """The first value of a Via."""
    via: Via | None = field.meaning
    if via is None:
        line = field.value
        via = field.meaning = Via.parse(split_list(line)[0] if "," in line else line)
    return via


def address_of(field: Field) -> Address:
    """A From or To."""
    address: Address | None = field.meaning
    if address is None:
        address = Address.parse(field.value)
        refuse_star(address)
        field.meaning = address
    return address


def addresses_of(field: Field) -> tuple[Address, ...]:
    """The values of a Contact, Route or Record-Route."""
    addresses: tuple[Address, ...] | None = field.meaning
    if addresses is None:
        addresses = tuple(parse_list(field.value))
        # 20.10: the star stands alone, and for contacts only.
        if len(addresses) != 1 or field.key != "contact":
            for address in addresses:
                refuse_star(address)
        field.meaning = addresses
    return addresses


def call_id_of(field: Field) -> str:
    """A Call-ID, whole."""
    if field.meaning is None:
        value = field.value
        plain = value.isascii() and value.isprintable() and value != "" and " " not in value
        if not plain and _is_call_id(value) is None:
            raise ParseError("malformed")
        field.meaning = value
    return field.value


def cseq_of(field: Field) -> CSeq:
    """A CSeq."""
    cseq: CSeq | None = field.meaning
    if cseq is None:
        cseq = field.meaning = CSeq.parse(field.value)
    return cseq


def number_of(field: Field, largest: int) -> int:
    """A field that is a number up to ``largest``, which hangs on the field's name alone."""
    found: int | None = field.meaning
    if found is None:
        found = field.meaning = number(field.value, largest)
    return found


def session_expires_of(field: Field) -> SessionExpires:
    """A Session-Expires."""
    expires: SessionExpires | None = field.meaning
    if expires is None:
        expires = field.meaning = SessionExpires.parse(field.value)
    return expires


def refuse_star(address: Address) -> None:
    """Raises ParseError for the star that means all contacts."""
    if address.uri is STAR:
        raise ParseError("* is no address here")
