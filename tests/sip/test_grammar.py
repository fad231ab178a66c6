"""Tokens, quotes, lists, numbers and parameters (RFC 3261 section 25.1)."""

from __future__ import annotations

import pytest

from picosip_server.sip.errors import ParseError
from picosip_server.sip.grammar import (
    NO_PARAMS,
    Params,
    is_token,
    number,
    quote,
    split_list,
    unquote,
)


@pytest.mark.parametrize("text", ["INVITE", "!odd-Method0_*+`.%'~", "0"])
def test_tokens(text: str) -> None:
    assert is_token(text)


@pytest.mark.parametrize("text", ["", "a b", "a:b", "a/b", "ä", "a\n", 'a"', "a,b", "a@b"])
def test_no_tokens(text: str) -> None:
    assert not is_token(text)


@pytest.mark.parametrize(
    ("plain", "quoted"),
    [
        ("", '""'),
        ("a b", '"a b"'),
        ('J Ros \\"', r'"J Ros \\\""'),
        ("\x07\x00\x7f", '"\\\x07\\\x00\\\x7f"'),
        ("д\udcff\t", '"д\udcff\t"'),
    ],
)
def test_quote_and_unquote(plain: str, quoted: str) -> None:
    assert quote(plain) == quoted
    assert unquote(quoted) == plain


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("token", "token"),
        ('"', '"'),
        ('"a', '"a'),
        (r'"\a"', "a"),
        # 25.1: only ASCII can be escaped.
        (r'"\ä"', r"\ä"),
    ],
)
def test_unquote_only(text: str, plain: str) -> None:
    assert unquote(text) == plain


@pytest.mark.parametrize(
    ("text", "elements"),
    [
        ("", []),
        ("  ", []),
        (" a ", ["a"]),
        ("a,b ,\tc", ["a", "b", "c"]),
        (",a,,", ["", "a", "", ""]),
        ('"a,b" <c,d>;e="f,\\",g", h', ['"a,b" <c,d>;e="f,\\",g"', "h"]),
        ("<a,b>,<c>", ["<a,b>", "<c>"]),
        ('a,"b,c', ["a", '"b,c']),
        ("a,<b,c", ["a", "<b,c"]),
        ('"a",', ['"a"', ""]),
    ],
)
def test_split_list(text: str, elements: list[str]) -> None:
    assert split_list(text) == elements


@pytest.mark.parametrize(
    ("text", "value"), [("0", 0), ("0068", 68), ("255", 255), ("0" * 9999 + "7", 7), ("0" * 30, 0)]
)
def test_numbers(text: str, value: int) -> None:
    assert number(text, 255) == value


@pytest.mark.parametrize(
    "text", ["", " 1", "+1", "-1", "1_0", "٣", "²", "0x1", "1.0", "256", "1" * 21, "9" * 9999]
)
def test_no_numbers(text: str) -> None:
    with pytest.raises(ParseError):
        number(text, 255)


def test_params_keep_order_case_and_quotes() -> None:
    params = Params.parse(' ; Tag = abc;LR;q="a;\\"b" ; tag=2')
    assert params == Params((("Tag", "abc"), ("LR", None), ("q", '"a;\\"b"'), ("tag", "2")))
    assert str(params) == ';Tag=abc;LR;q="a;\\"b";tag=2'
    assert params.get("tag") == "abc"
    assert params.get("TAG") == "abc"
    assert params.get("q") == '"a;\\"b"'
    assert params.text("q") == 'a;"b'
    assert params.text("tag") == "abc"


def test_params_without_value_and_absent_params() -> None:
    params = Params.parse(";lr")
    assert params.has("LR")
    assert not params.has("tag")
    assert params.get("lr") is None
    assert params.get("lr", "on") == "on"
    assert params.get("tag", "none") == "none"
    assert params.text("lr") == params.text("tag") == ""


def test_no_params() -> None:
    assert Params.parse("") is NO_PARAMS
    assert str(NO_PARAMS) == ""


def test_params_with_and_without() -> None:
    params = Params.parse(";a=1;b;A=2")
    assert str(params.with_("a", "3")) == ";a=3;b"
    assert str(params.with_("B")) == ";a=1;B;A=2"
    assert str(params.with_("c", "4")) == ";a=1;b;A=2;c=4"
    assert str(params.without("A")) == ";b"
    assert str(params.without("x")) == ";a=1;b;A=2"
    assert str(params) == ";a=1;b;A=2"


@pytest.mark.parametrize(
    "text",
    [
        ";received=2001:db8::9",
        ";received=[2001:db8::9]",
        ";a=b=c==",
        ";fromParam''~+*_!.-%=\"д\"",
        ';+sip.instance="<urn:uuid:1>"',
    ],
)
def test_odd_params(text: str) -> None:
    assert str(Params.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "a",
        ";",
        ";;",
        ";a;",
        ";=b",
        ";a=",
        ";a b",
        ";a=b c",
        ';a="b',
        ';a="b"c',
        ";a=b,c",
        ";a=<b>",
        ";a=b\r\nc",
        ";ä=b",
        ";a@b",
    ],
)
def test_no_params_at_all(text: str) -> None:
    with pytest.raises(ParseError):
        Params.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        ";a",
        ";rport;branch=z9hG4bK-1.!%*_+`'~-0",
        ";a=b;c;A=d",
        ";received=2001:db8::1;b",
        ";a=[::1]:5060;b=c=d",
        ";a/b;c=\u00fc",
    ],
)
def test_plain_parameters_are_those_that_parse_reads(text: str) -> None:
    assert Params.plain("x" + text, 1) == Params.parse(text)


@pytest.mark.parametrize(
    "text",
    ["", ";", "a=b", ";;a", ";a;", ";a=", ";=b", ";a=b;c=", ";a b", ";a= b", ';a="b"', ";a=b,c"],
)
def test_what_is_no_plain_parameter(text: str) -> None:
    assert Params.plain("x" + text, 1) is None


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        (";a=b", (("a", "b"),)),
        (";branch=z9hG4bK-1.!%*_+`'~-0", (("branch", "z9hG4bK-1.!%*_+`'~-0"),)),
        # Not token characters, and allowed all the same.
        (";a=[2001:db8::1]", (("a", "[2001:db8::1]"),)),
        (";a/b=c", (("a/b", "c"),)),
        (";a=b=c", (("a", "b=c"),)),
        (";a=\u00fc", (("a", "\u00fc"),)),
        *((text, None) for text in ("", ";", "a=b", ";a", ";=b", ";a=", "; a=b", ";a =b")),
        *((text, None) for text in (";a=b c", ";a=b;c=d", ';a="b"', ";a=b,c", ";a=b\t", ";a=\x7f")),
    ],
)
def test_one_plain_parameter_is_read_at_a_glance(
    text: str, pairs: tuple[tuple[str, str], ...] | None
) -> None:
    found = Params.one("x" + text, 1)
    assert (None if found is None else tuple(found)) == pairs
