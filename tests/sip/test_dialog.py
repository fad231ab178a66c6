"""Dialogs and route sets: RFC 3261 section 12."""

from __future__ import annotations

import pytest

from picosip_server.sip.dialog import Dialog, Route, contact_target, plan
from picosip_server.sip.errors import LocalProtocolError, RemoteProtocolError
from picosip_server.sip.message import Request, Response
from picosip_server.sip.parse import parse
from picosip_server.sip.uri import Uri
from tests.sip import messages

LOOSE = ("<sip:p1.example;lr>", "<sip:p2.example;lr>")


def invite(*more: str, **changes: str) -> Request:
    message = parse(messages.request(*more, **changes))  # type: ignore[arg-type]
    assert isinstance(message, Request)
    return message


def answer(*more: str, line: str = "SIP/2.0 200 OK", **changes: str) -> Response:
    changes.setdefault("to", "<sip:piet@yellow.example>;tag=p1")
    changes.setdefault("contact", "<sip:piet@pub.yellow.example>")
    message = parse(messages.response(*more, line=line, **changes))  # type: ignore[arg-type]
    assert isinstance(message, Response)
    return message


def test_the_caller_takes_its_dialog_from_the_response() -> None:
    """12.1.2: route set reversed, target from Contact, local from From, remote from To."""
    routes = "Record-Route: <sip:p1.example;lr>, <sip:p2.example;lr>"
    ringing = answer(routes, "Record-Route: <sip:p3.example;lr>", line="SIP/2.0 180 Ringing")
    assert Dialog.uac(invite(), ringing) == Dialog(
        call_id="c4f1@pub.green.example",
        local='"Olga" <sip:olga@green.example>;tag=o1',
        remote="<sip:piet@yellow.example>;tag=p1",
        local_tag="o1",
        remote_tag="p1",
        remote_target=Uri.parse("sip:piet@pub.yellow.example"),
        route_set=("<sip:p3.example;lr>", "<sip:p2.example;lr>", "<sip:p1.example;lr>"),
        local_cseq=7,
        remote_cseq=-1,
        early=True,
    )


def test_a_2xx_makes_a_confirmed_dialog_at_once() -> None:
    """12.1: early only until a 2xx."""
    assert Dialog.uac(invite(), answer()).early is False


@pytest.mark.parametrize("contact", ["<tel:+311>", ""])
def test_without_a_usable_contact_the_request_uri_stays_the_target(contact: str) -> None:
    """12.1.1 demands one; a call without it can still be ended."""
    response = answer()
    response.headers.remove("Contact")
    if contact:
        response.headers.add("Contact", contact)
    assert Dialog.uac(invite(), response).remote_target == Uri.parse("sip:piet@yellow.example")


def test_the_callee_takes_its_dialog_from_the_request() -> None:
    """12.1.1: route set in order, target from Contact, remote from From, its CSeq."""
    routes = "Record-Route: <sip:p1.example;lr>, <sip:p2.example;lr>"
    assert Dialog.uas(invite(routes), "u9") == Dialog(
        call_id="c4f1@pub.green.example",
        local="<sip:piet@yellow.example>;tag=u9",
        remote='"Olga" <sip:olga@green.example>;tag=o1',
        local_tag="u9",
        remote_tag="o1",
        remote_target=Uri.parse("sip:olga@pub.green.example:5062"),
        route_set=LOOSE,
        local_cseq=0,
        remote_cseq=7,
        early=True,
    )


@pytest.mark.parametrize("contact", ["<tel:+311>", ""])
def test_the_callee_refuses_a_request_without_usable_contact(contact: str) -> None:
    """8.1.1.8: an INVITE has exactly one Contact with a SIP or SIPS URI."""
    request = invite()
    request.headers.remove("Contact")
    if contact:
        request.headers.add("Contact", contact)
    with pytest.raises(RemoteProtocolError, match="exactly one Contact") as caught:
        Dialog.uas(request, "u9")
    assert caught.value.status == 400


def test_the_2xx_decides_about_routes_and_target() -> None:
    """13.2.2.4: the route set is recomputed from it; the target follows (12.2.1.2)."""
    dialog = Dialog.uac(invite(), answer("Record-Route: <sip:old;lr>", line="SIP/2.0 180 R"))
    dialog.confirm(
        answer("Record-Route: <sip:n1;lr>, <sip:n2;lr>", contact="<sip:desk@yellow.example>")
    )
    assert dialog.early is False
    assert dialog.route_set == ("<sip:n2;lr>", "<sip:n1;lr>")
    assert dialog.remote_target == Uri.parse("sip:desk@yellow.example")


def test_a_2xx_without_contact_keeps_the_target_of_the_early_dialog() -> None:
    dialog = Dialog.uac(invite(), answer(line="SIP/2.0 180 Ringing"))
    final = answer()
    final.headers.remove("Contact")
    dialog.confirm(final)
    assert dialog.remote_target == Uri.parse("sip:piet@pub.yellow.example")


def test_our_cseq_numbers_rise_by_one() -> None:
    """12.2.1.1: contiguous; starting from the INVITE's, or from nothing."""
    caller, callee = Dialog.uac(invite(), answer()), Dialog.uas(invite(), "u9")
    assert [caller.next_cseq(), caller.next_cseq()] == [8, 9]
    assert [callee.next_cseq(), callee.next_cseq()] == [1, 2]


@pytest.mark.parametrize(("number", "after"), [("7", 7), ("8", 8), ("900", 900)])
def test_the_same_or_a_higher_cseq_is_taken(number: str, after: int) -> None:
    """12.2.2: gaps are allowed."""
    dialog = Dialog.uas(invite(), "u9")
    dialog.admit(invite(cseq=f"{number} INVITE"))
    assert dialog.remote_cseq == after


def test_a_lower_cseq_is_refused_with_500() -> None:
    """12.2.2: out of order."""
    dialog = Dialog.uas(invite(), "u9")
    with pytest.raises(RemoteProtocolError, match="CSeq 6 is lower than 7") as caught:
        dialog.admit(invite(cseq="6 INVITE"))
    assert caught.value.status == 500
    assert dialog.remote_cseq == 7


def test_the_first_request_of_the_callee_sets_the_callers_number() -> None:
    """12.2.2: empty until then, so that any number is taken, 0 too."""
    dialog = Dialog.uac(invite(), answer())
    dialog.admit(invite(cseq="0 INVITE"))
    assert dialog.remote_cseq == 0


TARGET = Uri.parse("sip:ute@10.0.0.9:5070")


def test_without_routes_the_target_is_everything() -> None:
    """12.2.1.1."""
    assert plan(TARGET, ()) == Route(request_uri=str(TARGET), routes=(), next_hop=TARGET)


def test_a_loose_first_route_leaves_the_target_in_the_request_uri() -> None:
    """12.2.1.1: lr in the first URI."""
    assert plan(TARGET, LOOSE) == Route(
        request_uri="sip:ute@10.0.0.9:5070", routes=LOOSE, next_hop=Uri.parse("sip:p1.example;lr")
    )


def test_a_strict_first_route_becomes_the_request_uri() -> None:
    """12.2.1.1: the target goes last; what a Request-URI may not carry is stripped."""
    strict = '"P" <sip:p1.example;method=INVITE;x=1?Subject=a>;foo=bar'
    assert plan(TARGET, (strict, "<sip:p2.example;lr>")) == Route(
        request_uri="sip:p1.example;x=1",
        routes=("<sip:p2.example;lr>", "<sip:ute@10.0.0.9:5070>"),
        next_hop=Uri.parse("sip:p1.example;x=1"),
    )


@pytest.mark.parametrize("more", [";method=BYE", "?Subject=a", ";method=BYE?Subject=a"])
def test_a_target_loses_what_a_request_uri_may_not_carry(more: str) -> None:
    """19.1.1 table 1: neither a method parameter nor headers."""
    target = Uri.parse(f"sip:ute@10.0.0.9;user=phone{more}")
    bare = Uri.parse("sip:ute@10.0.0.9;user=phone")
    assert plan(target, ()) == Route(request_uri=str(bare), routes=(), next_hop=bare)
    assert plan(target, LOOSE).request_uri == str(bare)
    assert plan(target, ("<sip:strict.example>",)).routes == (f"<{bare}>",)


def test_a_route_may_be_a_bare_uri() -> None:
    assert plan(TARGET, ("sip:p1.example;lr",)).request_uri == "sip:p1.example"


def test_a_route_that_cannot_be_read_is_the_applications_fault() -> None:
    with pytest.raises(LocalProtocolError, match="the route '<sip:' is not a name-addr or URI"):
        plan(TARGET, ("<sip:",))


def test_the_target_of_a_contact_is_its_uri() -> None:
    assert contact_target(invite()) == Uri.parse("sip:olga@pub.green.example:5062")
