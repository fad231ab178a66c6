"""What was read before is not read again: that is never to be seen in what comes out."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from hypothesis import example, given, settings, strategies as st

from picosip_server.sip import address, parse as reading, via
from picosip_server.sip.address import Address
from picosip_server.sip.errors import ParseError
from picosip_server.sip.message import Request
from picosip_server.sip.parse import parse
from picosip_server.sip.uri import MOST_KEPT
from picosip_server.sip.via import Via
from tests.sip.messages import parsed, request

_PARAMS = st.sampled_from(
    [
        "",
        ";tag=1",
        ";a=b;c",
        "; tag=1",
        ";tag=1 ",
        ';a=">"',
        ';a=">;b=c',
        ";tag=",
        ";=1",
        ";a=b>;c=d",
    ]
)
_ADDRESSES = st.one_of(
    st.text('ab"\\<>;=:@ \t*,?', max_size=24),
    st.builds(
        "{}{}{}".format,
        st.sampled_from(
            [
                "",
                "<sip:a@h>",
                "x <sip:a@h:1;lr>",
                '"a>b" <sip:h>',
                '"a>',
                "<sip:a@h:99999>",
                "<*>",
                "*",
            ]
        ),
        st.sampled_from(["", "sip:h", " "]),
        _PARAMS,
    ),
)
_VIAS = st.one_of(
    st.text("SIP/2.0UDPh:1;= \t", max_size=24),
    st.builds(
        "{}{}".format,
        st.sampled_from(
            [
                "SIP/2.0/UDP h",
                "SIP / 2.0 / tcp  [::1]:5 ",
                "SIP/2.0/UDP h:99999",
                "SIP/2.0/UDP",
                " ",
            ]
        ),
        _PARAMS,
    ),
)


def _outcome(read: Callable[[str], object], text: str) -> object:
    try:
        return read(text)
    except ParseError as error:
        return str(error), error.status


@given(_ADDRESSES)
@settings(max_examples=500)
@example('"Alice" <sip:alice@h>;tag=1')
def test_an_address_with_one_parameter_is_read_as_any_other(text: str) -> None:
    assert _outcome(Address.parse, text) == _outcome(address._parse, text)


@given(_VIAS)
@settings(max_examples=500)
@example("SIP/2.0/UDP h:5060;branch=z9hG4bK1")
def test_a_via_with_one_parameter_is_read_as_any_other(text: str) -> None:
    assert _outcome(Via.parse, text) == _outcome(via._parse, text)


_EDITS = st.lists(
    st.tuples(
        st.integers(0, 300),
        st.sampled_from(
            [b"", b"\r\n", b"\r\n ", b" ", b"\r", b"\n", b";", b":", b",", b"\x00", b"x"]
        ),
    ),
    max_size=3,
)


_READS = ("via", "vias", "from_", "to", "call_id", "cseq", "contacts", "routes", "record_routes")


def _read(data: bytes) -> object:
    try:
        message = parse(data)
    except ParseError as error:
        return str(error), error.status, error.request
    found: list[object] = [message, message.raw]
    for name in _READS:
        with contextlib.suppress(ParseError):
            found.append(getattr(message, name))
    return found


@given(_EDITS)
@settings(max_examples=300)
def test_a_message_reads_the_same_the_first_time_and_later(edits: list[tuple[int, bytes]]) -> None:
    octets = request(
        "Route: <sip:a;lr>, <sip:b;lr>", "Contact: <sip:c>", "Content-Length: 1", body=b"x"
    )
    for at, new in edits:
        octets = octets[:at] + new + octets[at + 1 :]
    reading._fields.clear()
    reading._starts.clear()
    first = _read(octets)
    assert _read(octets) == first


def test_a_changed_message_changes_no_other() -> None:
    one, two = parsed(request()), parsed(request())
    one.replace_top_via(Via(transport="UDP", host="elsewhere"))
    one.headers.set("From", "<sip:somebody@else.example>")
    one.headers.add("Contact", "<sip:more.example>")
    assert two == parsed(request())
    assert two.via.host == "pub.green.example"
    assert two.from_.tag == "o1"
    assert len(two.contacts) == 1
    assert isinstance(two, Request)


def test_the_lines_that_are_kept_do_not_pile_up() -> None:
    for count in range(2 * MOST_KEPT):
        parse(
            request(
                f"X-New: {count}", "X-Long: " + "a" * 5000, line=f"INVITE sip:{count}@h SIP/2.0"
            )
        )
    for kept in (reading._fields, reading._starts):
        assert 0 < len(kept) <= MOST_KEPT
        assert max(map(len, kept)) <= 200
