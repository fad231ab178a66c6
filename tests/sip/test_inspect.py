"""How a UAS looks at a request before it acts on it: RFC 3261 section 8.2."""

from __future__ import annotations

import pytest

from picosip_server.sip.errors import RemoteProtocolError
from picosip_server.sip.message import Request
from picosip_server.sip.parse import parse
from picosip_server.sip.ua import inspect
from picosip_server.sip.ua.capabilities import METHODS
from picosip_server.sip.ua.inspect import Refusal
from tests.sip import capabilities, messages

ALLOW = ("Allow", capabilities.ALLOW)
SDP = "Content-Type: application/sdp"
MIXED = (
    b"--b\r\nContent-Type: text/plain\r\n\r\nhi\r\n"
    b"--b\r\nContent-Type: %s\r\n\r\nv=0\r\n\r\n--b--\r\n"
)


def request(
    *more: str, method: str = "INVITE", uri: str = "sip:piet@yellow.example", body: bytes = b""
) -> Request:
    message = parse(
        messages.request(
            *more, line=f"{method} {uri} SIP/2.0", changes={"CSeq": f"7 {method}"}, body=body
        )
    )
    assert isinstance(message, Request)
    return message


def allow_without(method: str) -> tuple[str, str]:
    return "Allow", ", ".join(each for each in METHODS if each != method)


def test_what_this_user_agent_can_do() -> None:
    """11.2: Allow, Accept, Accept-Encoding, Accept-Language, Supported."""
    assert inspect.option_answer(("application/isup",)) == [
        ALLOW,
        ("Accept", "application/sdp, application/isup"),
        ("Accept-Encoding", "identity"),
        ("Accept-Language", "en"),
        ("Supported", capabilities.SUPPORTED),
    ]
    assert inspect.option_answer()[1] == ("Accept", "application/sdp")
    assert inspect.capability_headers() == [ALLOW, ("Supported", capabilities.SUPPORTED)]


@pytest.mark.parametrize(
    ("uri", "status"),
    [
        ("sip:a@b", 0),
        ("sips:a@b", 0),
        ("tel:+31", 0),
        ("http://b", 416),
        ("nobodyKnowsThisScheme:x", 416),
    ],
)
def test_an_unknown_scheme_gets_416(uri: str, status: int) -> None:
    """8.2.2.1."""
    assert inspect.refuse_uri(request(uri=uri)) == (Refusal(status) if status else None)


@pytest.mark.parametrize(
    ("method", "refusal"),
    [
        ("INVITE", None),
        ("OPTIONS", None),
        # 8.2.1: known, but not taken here.
        ("REGISTER", Refusal(405, (ALLOW,))),
        ("MESSAGE", Refusal(405, (allow_without("MESSAGE"),))),
        ("UPDATE", Refusal(481)),
        # 12.2.2: they belong to a dialog.
        ("BYE", Refusal(481)),
        ("PRACK", Refusal(481)),
        ("INFO", Refusal(481)),
        # 21.5.2: not known at all.
        ("NEWMETHOD", Refusal(501, (ALLOW,))),
        # 7.1: methods are case-sensitive.
        ("invite", Refusal(501, (ALLOW,))),
    ],
)
def test_methods(method: str, refusal: Refusal | None) -> None:
    assert inspect.refuse_method(request(method=method), claimed=False) == refusal
    assert inspect.refuse_method(request(method=method), claimed=True) is None


@pytest.mark.parametrize(
    ("require", "unsupported"),
    [
        ([], None),
        (["Require: 100rel"], None),
        (["Require: 100REL"], None),
        (["Require: 100rel, Frob, precondition", "Require: Foo"], "frob, foo"),
    ],
)
def test_extensions_that_are_not_understood(require: list[str], unsupported: str | None) -> None:
    """8.2.2.3: 420 with Unsupported; an application that claimed the method judges itself."""
    expected = Refusal(420, (("Unsupported", unsupported),)) if unsupported else None
    assert inspect.refuse_extensions(request(*require), claimed=False) == expected
    assert inspect.refuse_extensions(request(*require), claimed=True) is None


@pytest.mark.parametrize(
    ("lines", "body", "refusal"),
    [
        ([], b"", None),
        ([SDP], b"v=0\r\n", None),
        (["Content-Type: APPLICATION/SDP;charset=x"], b"v=0\r\n", None),
        (["Content-Type: application/isup"], b"x", None),
        ([SDP, "Content-Encoding: identity"], b"v=0\r\n", None),
        # 8.2.3: 415 with what would do.
        (
            ["Content-Type: text/plain"],
            b"x",
            Refusal(415, (("Accept", "application/sdp, application/isup"),)),
        ),
        (
            [SDP, "Content-Encoding: gzip"],
            b"x",
            Refusal(415, (("Accept-Encoding", "identity"),)),
        ),
        # RFC 5621: the description may be a part of a multipart body.
        (["Content-Type: multipart/mixed;boundary=b"], MIXED % b"application/sdp", None),
        (
            ["Content-Type: multipart/mixed;boundary=b"],
            MIXED % b"text/html",
            Refusal(415, (("Accept", "application/sdp, application/isup"),)),
        ),
    ],
)
def test_bodies(lines: list[str], body: bytes, refusal: Refusal | None) -> None:
    assert inspect.refuse_invite(request(*lines, body=body), ("application/isup",)) == refusal


@pytest.mark.parametrize(
    ("accept", "taken"),
    [
        ("application/sdp", True),
        ("text/plain, Application/SDP;level=1", True),
        ("application/*", True),
        ("*/*", True),
        ("multipart/mixed", True),
        ("text/nobodyKnowsThis", False),
        # 20.1: an empty Accept header field means that no formats are acceptable.
        ("", False),
        (";q=1", False),
    ],
)
def test_an_answer_that_would_not_be_understood(accept: str, taken: bool) -> None:
    """RFC 4475 section 3.3.15: 406."""
    expected = None if taken else Refusal(406)
    assert inspect.refuse_invite(request(f"Accept: {accept}"), ()) == expected


def test_an_invite_without_usable_contact_is_faulty() -> None:
    """8.1.1.8."""
    invite = request()
    invite.headers.set("Contact", "<tel:+31>")
    with pytest.raises(RemoteProtocolError):
        inspect.refuse_invite(invite, ())
