"""Texts with placeholders, and what is made of them."""

from __future__ import annotations

from typing import Any

import pytest

from picosip_server.engine.load.templates import Table, TemplateError, Templates
from picosip_server.sip.address import Address
from picosip_server.sip.ua.commands import Body, Credentials, Invite, NextHop, Options
from picosip_server.sip.uri import Uri

WORD = "qz0x"
ROWS = Table(("user", "secret"), (("alice", "a b"), ("bob", "c")))


def rendered(text: str, number: int, table: Table = ROWS) -> Any:
    templates = Templates(table, WORD)
    make = templates.compile(templates.mark(text))
    return text if make is None else make(number, table.row(number))


@pytest.mark.parametrize(
    ("text", "number", "result"),
    [
        ("{n}", 12, "12"),
        ("+49{n:05}!", 12, "+4900012!"),
        ("{n:5}", 12, "00012"),
        ("{n%10}{n%100}", 345, "545"),
        ("{n%100:03}", 7, "007"),
        ("{user}-{n}-{user}", 3, "bob-3-bob"),
        ("{{{n}}}", 1, "{1}"),
    ],
)
def test_placeholders(text: str, number: int, result: str) -> None:
    assert rendered(text, number) == result


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a{b", "has a '{' of its own: a brace is written twice"),
        ("a}b", "has a '}' of its own"),
        ("{x}", "has {x}, which is neither a column"),
        ("{n%0}", "has {n%0}, which is neither"),
        ("{n:x}", "has {n:x}, which is neither"),
        ("{}", "has {}, which is neither"),
    ],
)
def test_what_is_no_placeholder(text: str, fault: str) -> None:
    with pytest.raises(TemplateError) as caught:
        Templates(ROWS, WORD).mark(text)
    assert fault in str(caught.value)


def test_only_what_varies_is_made_anew() -> None:
    templates = Templates(ROWS, WORD)
    mark = templates.mark
    caller = Address.parse("<sip:caller@example.com>")
    invite = Invite(
        token=None,
        from_address=caller,
        to_address=Address.parse(mark('"No. {n}" <sip:{user}@example.com;x={n}>')),
        offer=Body(content_type="application/sdp", data=mark("o=- {n}\r\n").encode()),
        credentials=(Credentials(username=mark("{user}"), password=mark("{secret}")),),
        options=Options(
            headers=(("X-One", "same"), ("X-Two", mark("{n:03}"))),
            routes=(mark("<sip:{user}.example.com;lr>"),),
            next_hop=NextHop(host="192.0.2.1"),
        ),
    )
    make = templates.compile_command(invite)
    made = make("token", 1, ROWS.row(1))
    assert made.token == "token"
    assert made.from_address is caller
    assert str(made.to_address) == '"No. 1" <sip:bob@example.com;x=1>'
    assert made.to_address.uri == Uri.parse("sip:bob@example.com;x=1")
    assert made.offer.data == b"o=- 1\r\n"
    assert made.credentials == (Credentials(username="bob", password="c"),)
    assert made.options.headers == (("X-One", "same"), ("X-Two", "001"))
    assert made.options.routes == ("<sip:bob.example.com;lr>",)
    assert made.options.next_hop is invite.options.next_hop
    # The rows in turn, and again.
    assert make(None, 2, ROWS.row(2)).credentials[0].password == "a b"


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        (Address.parse("<sip:qz0x0z@example.com>"), "cannot stand in a URI"),
        (Address.parse("<sip:a@example.com>;tag=qz0x0z"), "is no token"),
        (Options(routes=("<sip:qz0x0z;lr>",)), "cannot stand in a URI"),
    ],
)
def test_values_must_fit_their_place(value: object, fault: str) -> None:
    table = Table(("it",), (("fine",), ("a b",)))
    templates = Templates(table, WORD)
    assert templates.mark("{it}") == "qz0x0z"
    with pytest.raises(TemplateError) as caught:
        templates.compile(value)
    assert str(caught.value).startswith("the value of 'it' in row 1 ")
    assert fault in str(caught.value)


def test_no_value_breaks_a_line() -> None:
    table = Table(("it",), (("a\r\nVia: x",),))
    templates = Templates(table, WORD)
    options = Options(headers=(("X", templates.mark("{it}")),))
    with pytest.raises(TemplateError, match="row 0 has a control character"):
        templates.compile(options)
