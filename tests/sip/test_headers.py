"""The header section (RFC 3261 section 7.3)."""

from __future__ import annotations

import pytest

from picosip_server.sip.errors import LocalProtocolError
from picosip_server.sip.headers import Headers, canonical, known_names

_PAIRS = [("Via", "a"), ("v", "b, c"), ("X-Odd", "1"), ("VIA", "d"), ("x-odd", "2")]


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("Via", "via"),
        ("v", "via"),
        ("V", "via"),
        ("l", "content-length"),
        ("CALL-ID", "call-id"),
        ("i", "call-id"),
        ("x", "session-expires"),
        ("X-New", "x-new"),
        ("g", "g"),
        ("odd-!.%*+_`'~", "odd-!.%*+_`'~"),
    ],
)
def test_canonical(name: str, key: str) -> None:
    # 7.3.1 and 7.3.3
    assert canonical(name) == key


@pytest.mark.parametrize("name", ["", "a b", "a:", "a\r\nb", "ä"])
def test_what_is_no_header_name(name: str) -> None:
    with pytest.raises(LocalProtocolError):
        canonical(name)
    with pytest.raises(LocalProtocolError):
        Headers().add(name, "x")


def test_the_names_that_peers_invent_do_not_pile_up() -> None:
    for count in range(2000):
        assert canonical(f"X-Flood-{count}") == f"x-flood-{count}"
    assert canonical("X-" + "a" * 5000) == "x-" + "a" * 5000
    assert len(known_names()) <= 1024
    assert max(map(len, known_names())) <= 40


def test_order_case_and_repeats_survive() -> None:
    headers = Headers(_PAIRS)
    assert list(headers) == _PAIRS
    assert len(headers) == 5
    assert headers == Headers(_PAIRS)
    assert headers != Headers(_PAIRS[::-1])
    assert headers != _PAIRS
    assert repr(headers) == f"Headers({_PAIRS!r})"


def test_lookups() -> None:
    headers = Headers(_PAIRS)
    assert headers.get("via") == "a"
    assert headers.get_all("V") == ["a", "b, c", "d"]
    assert headers.elements("Via") == ["a", "b", "c", "d"]
    assert headers.count("X-ODD") == 2
    assert headers.has("x-odd")
    assert headers.get("To") is None
    assert headers.get_all("To") == headers.elements("To") == []
    assert headers.count("To") == 0
    assert not headers.has("t")


def test_elements_without_the_empty_ones() -> None:
    headers = Headers([("Supported", ""), ("k", "a,, b,"), ("Supported", '"c,d"')])
    assert headers.elements("Supported") == ["a", "b", '"c,d"']


def test_add_insert_set_replace_remove() -> None:
    headers = Headers()
    headers.add("b", "1")
    headers.insert(0, "Via", "x")
    headers.add("v", "y")
    assert list(headers) == [("Via", "x"), ("b", "1"), ("v", "y")]
    assert headers.get_all("via") == ["x", "y"]
    headers.replace_first("v", "z")
    assert list(headers) == [("v", "z"), ("b", "1"), ("v", "y")]
    headers.set("VIA", "w")
    assert list(headers) == [("VIA", "w"), ("b", "1")]
    headers.set("To", "t")
    headers.replace_first("From", "f")
    assert list(headers) == [("VIA", "w"), ("b", "1"), ("To", "t"), ("From", "f")]
    headers.remove("v")
    headers.remove("nothing")
    assert list(headers) == [("b", "1"), ("To", "t"), ("From", "f")]
    assert not headers.has("Via")


def test_lookups_follow_each_change() -> None:
    headers = Headers([("a1", "1")])
    assert headers.get("a1") == "1"
    headers.insert(0, "A1", "0")
    assert headers.get("a1") == "0"
    headers.add("a1", "2")
    assert headers.get_all("a1") == ["0", "1", "2"]
    headers.set("a1", "9")
    assert headers.get_all("a1") == ["9"]
    headers.remove("a1")
    assert headers.get("a1") is None


@pytest.mark.parametrize("change", ["add", "insert", "set", "replace_first", "remove"])
def test_derived_values_do_not_outlive_a_change(change: str) -> None:
    headers = Headers([("a1", "1")])
    headers.memo["x"] = "derived"
    arguments = {"insert": (0, "a1", "2"), "remove": ("a1",)}
    getattr(headers, change)(*arguments.get(change, ("a1", "2")))
    assert headers.memo == {}


def test_a_copy_is_independent() -> None:
    headers = Headers([("To", "a")])
    headers.memo["x"] = "derived"
    copied = headers.copy()
    copied.add("To", "b")
    assert headers.get_all("To") == ["a"]
    assert copied.get_all("To") == ["a", "b"]
    assert headers.memo == {"x": "derived"}


@pytest.mark.parametrize("value", ["a\r\nVia: b", "a\nb", "a\rb", "\n"])
def test_a_value_cannot_end_its_field(value: str) -> None:
    headers = Headers()
    for change in (headers.add, headers.set, headers.replace_first):
        with pytest.raises(LocalProtocolError):
            change("Subject", value)
    with pytest.raises(LocalProtocolError):
        headers.insert(0, "Subject", value)
    with pytest.raises(LocalProtocolError):
        Headers([("Subject", value)])
    assert len(headers) == 0
