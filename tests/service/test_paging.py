"""Pages of a listing."""

from __future__ import annotations

import pytest

from picosip.v1 import call_service_pb2 as pb
from picosip_server.service.errors import ApiError
from picosip_server.service.paging import Page
from picosip_server.service.validate import Check
from picosip_server.sip.ua.snapshots import CallSnapshot
from tests.service import values

CALLS = [values.call(f"calls/{letter}") for letter in "dbeac"]


def convert(call: CallSnapshot) -> pb.Call:
    return pb.Call(name=call.name, sip_call_id=call.sip_call_id)


def page(size: int, token: str = "") -> tuple[list[str], str]:
    check = Check()
    asked = Page(check, size, token)
    check.done()
    items, following = asked.of(CALLS, convert)
    return [item.name for item in items], following


def test_the_pages_are_in_order_and_complete() -> None:
    first, token = page(2)
    second, next_token = page(2, token)
    third, last_token = page(2, next_token)
    assert (first, second, third) == (
        ["calls/a", "calls/b"],
        ["calls/c", "calls/d"],
        ["calls/e"],
    )
    assert last_token == ""


def test_a_page_that_takes_all_has_none_after_it() -> None:
    names = [f"calls/{letter}" for letter in "abcde"]
    assert page(5) == (names, "")
    assert page(0) == (names, "")


@pytest.mark.parametrize(("size", "count"), [(0, 100), (1000, 1000), (5000, 1000)])
def test_sizes_have_a_default_and_a_limit(size: int, count: int) -> None:
    many = [values.call(f"calls/{number:05}") for number in range(1500)]
    items, token = Page(Check(), size, "").of(many, convert)
    assert len(items) == count
    assert Page(Check(), size, token).of(many, convert)[0][0].name == f"calls/{count:05}"


def test_what_comes_and_goes_between_does_not_shift_the_others() -> None:
    _, token = Page(Check(), 2, "").of(CALLS, convert)
    changed = [values.call(f"calls/{letter}") for letter in ("aa", "c", "d", "e")]
    items, _ = Page(Check(), 2, token).of(changed, convert)
    assert [item.name for item in items] == ["calls/c", "calls/d"]


@pytest.mark.parametrize("token", ["x", "!!!!", "Y2FsbHMvYQ==", "é", "YWZ0ZXI6/w=="])
def test_a_token_of_another_make_is_refused(token: str) -> None:
    with pytest.raises(ApiError, match="page_token: is none that this server gave out"):
        page(2, token)


def test_a_negative_size_is_refused() -> None:
    with pytest.raises(ApiError, match="page_size: must not be negative"):
        page(-1)


def test_large_items_make_a_page_shorter() -> None:
    large = [values.call(f"calls/{n}", sip_call_id="x" * 900_000) for n in range(5)]
    items, token = Page(Check(), 0, "").of(large, convert)
    assert [item.name for item in items] == ["calls/0", "calls/1"]
    items, token = Page(Check(), 0, token).of(large, convert)
    assert [item.name for item in items] == ["calls/2", "calls/3"]
    huge = [values.call(f"calls/{n}", sip_call_id="x" * 3_000_000) for n in range(2)]
    items, token = Page(Check(), 0, "").of(huge, convert)
    assert [item.name for item in items] == ["calls/0"]
    assert token != ""
