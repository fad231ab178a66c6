"""The messages of RFC 4475, RFC 5118 and RFC 3665, each parsed or refused as it must be."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from picosip_server.sip.errors import ParseError
from picosip_server.sip.framing import StreamFramer
from picosip_server.sip.message import Request, Response
from picosip_server.sip.multipart import find_part
from picosip_server.sip.parse import parse
from picosip_server.sip.uri import Uri
from tests.sip.messages import corpus

# Status that answers it, or None where there is nobody to answer.
_REFUSED: dict[str, int | None] = {
    "badinv01": 400,
    "clerr": 400,
    "ncl": 400,
    "scalar02": 400,
    "scalarlg": None,
    "quotbal": 400,
    "ltgtruri": 400,
    "lwsruri": 400,
    "lwsstart": 400,
    "trws": 400,
    "regbadct": 400,
    "badaspec": 400,
    "baddn": 400,
    "badvers": 505,
    "mismatch01": 400,
    "mismatch02": 400,
    "bigcode": None,
    "badbranch": 400,
    "insuf": 400,
    "multi01": 400,
    "mcl01": 400,
}


def _wsinv(message: Request) -> None:
    assert message.method == "INVITE"
    assert tuple(message.uri.params) == (("unknownparam", None),)
    assert message.cseq.number == 9
    assert message.max_forwards == 68
    assert message.to.tag == "1918181833n"
    assert message.from_.display_name == 'J Rosenberg \\"'
    assert message.from_.tag == "98asjd8"
    assert message.headers.get("Subject") == ""
    assert message.headers.get("NewFangledHeader") == "newfangled value continued newfangled value"
    assert [(via.transport, via.host, via.branch) for via in message.vias] == [
        ("UDP", "192.0.2.2", "390skdjuw"),
        ("TCP", "spindle.example.com", "z9hG4bK9ikj8"),
        ("UDP", "192.168.255.111", "z9hG4bK30239"),
    ]
    assert message.routes[0].uri.params.has("lr")
    (contact,) = message.contacts
    assert contact.display_name == 'Quoted string ""'
    assert tuple(contact.params) == (("newparam", "newvalue"), ("secondparam", None), ("q", "0.33"))
    assert len(message.body) == 150


def _intmeth(message: Request) -> None:
    assert message.method == "!interesting-Method0123456789_*+`.%indeed'~"
    assert message.uri.user == "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"
    assert message.uri.password == "&it+has=1,weird!*pas$wo~d_too.(doesn't-it)"
    assert message.to.display_name == "BEL:\x07 NUL:\x00 DEL:\x7f"
    assert message.from_.display_name == "token1~` token2'+_ token3*%!.-"
    assert message.from_.params.text("fromParam''~+*_!.-%") == "работающий"
    assert message.from_.tag == "_token~1'+`*%!-."
    assert message.call_id == "intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{"
    assert message.headers.get("extensionHeader-!.%*+_`'~") == "\ufeff大停電"
    assert message.max_forwards == 255


def _esc01(message: Request) -> None:
    assert (message.uri.user, message.uri.host) == ("sips%3Auser%40example.com", "example.net")
    assert message.to.uri.equivalent(Uri.parse("sip:user@example.com"))
    assert message.from_.uri.user == "I%20have%20spaces"
    assert tuple(message.contacts[0].uri.params) == (
        ("%6C%72", None),
        ("n%61me", "v%61lue%25%34%31"),
    )


def _escnull(message: Request) -> None:
    assert message.to.uri.user == message.from_.uri.user == "null-%00-null"
    assert message.to.uri.aor == "sip:null-%00-null@example.com"
    one, two = message.contacts
    assert (one.uri.user, two.uri.user) == ("%00", "%00%00")
    assert not one.uri.equivalent(two.uri)


def _esc02(message: Request) -> None:
    assert message.method == "RE%47IST%45R"
    assert message.to.display_name == "%Z%45"
    assert [contact.uri.user for contact in message.contacts] == ["alias1", "alias3"]
    assert message.headers.get("C%6Fntact") == "<sip:alias2@host2.example.com>"


def _lwsdisp(message: Request) -> None:
    assert message.from_.display_name == "caller"
    assert str(message.from_.uri) == "sip:caller@example.com"
    assert message.from_.tag == "323"


def _longreq(message: Request) -> None:
    assert len(message.vias) == 34
    assert (message.via.transport, message.via.host) == ("TCP", "sip33.example.com")
    assert message.via.branch == ""
    assert message.vias[-1].received == "192.0.2.5"
    assert message.call_id.startswith("longreq.onereally")
    assert message.from_.tag == "1" + "298" * 50 + "2424"
    assert len(message.body) == 150


def _dblreq(message: Request) -> None:
    assert message.method == "REGISTER"
    assert message.body == b""


def _semiuri(message: Request) -> None:
    assert (message.uri.user, message.uri.host) == ("user;par=u%40example.net", "example.com")
    assert tuple(message.uri.params) == ()
    assert len(message.headers.elements("Accept")) == 6


def _transports(message: Request) -> None:
    transports = [via.transport for via in message.vias]
    assert transports == ["UDP", "SCTP", "TLS", "UNKNOWN", "TCP"]


def _mpart01(message: Request) -> None:
    assert len(message.body) == 553
    assert b"\x00" in message.body
    assert message.content_type == "multipart/mixed"
    whole = message.headers.get("Content-Type") or ""
    assert find_part(whole, message.body, "text/plain") == (
        {"content-type": "text/plain", "content-transfer-encoding": "binary"},
        b"Hello",
    )
    signature = find_part(whole, message.body, "application/octet-stream")
    assert signature is not None
    assert signature[1][:4] == b"0\x82\x01R"
    # The outer DER length says how long it is.
    assert len(signature[1]) == 4 + 0x152


def _escruri(message: Request) -> None:
    assert message.uri.headers == "Route=%3Csip:example.com%3E"
    assert message.routes == ()


def _baddate(message: Request) -> None:
    assert message.headers.get("Date") == "Fri, 01 Jan 2010 16:00:00 EST"


def _unkscm(message: Request) -> None:
    assert message.uri == Uri(scheme="nobodyknowsthisscheme", opaque="totallyopaquecontent")
    assert message.uri_text == "nobodyKnowsThisScheme:totallyopaquecontent"


def _novelsc(message: Request) -> None:
    assert message.uri == Uri(scheme="soap.beep", opaque="//192.0.2.103:3002")


def _unksm2(message: Request) -> None:
    assert str(message.to.uri) == "isbn:2983792873"
    assert str(message.from_.uri) == "http://www.example.com"
    assert str(message.contacts[0].uri) == "name:John_Smith"


def _bext01(message: Request) -> None:
    assert message.require == ["nothingsupportsthis", "nothingsupportsthiseither"]
    assert message.via.transport == "TLS"


def _invut(message: Request) -> None:
    assert message.content_type == "application/unknownformat"
    assert len(message.body) == 40


def _regaut01(message: Request) -> None:
    assert message.headers.get("Authorization") == "NoOneKnowsThisScheme opaque-data=here"


def _zeromf(message: Request) -> None:
    assert message.max_forwards == 0


def _cparam01(message: Request) -> None:
    (contact,) = message.contacts
    assert str(contact.uri) == "sip:+19725552222@gw1.example.net"
    assert tuple(contact.params) == (("unknownparam", None),)


def _cparam02(message: Request) -> None:
    (contact,) = message.contacts
    assert tuple(contact.uri.params) == (("unknownparam", None),)
    assert tuple(contact.params) == ()


def _regescrt(message: Request) -> None:
    (contact,) = message.contacts
    assert contact.uri.headers == "Route=%3Csip:sip.example.com%3E"
    assert tuple(contact.params) == ()


def _sdp01(message: Request) -> None:
    assert message.headers.elements("Accept") == ["text/nobodyKnowsThis"]


def _inv2543(message: Request) -> None:
    assert len(message.body) == 105
    assert message.via.branch == message.from_.tag == ""
    assert message.max_forwards is None
    assert message.contacts == ()
    assert not message.record_routes[0].uri.params.has("lr")
    assert message.record_routes[0].uri.params.get("maddr") == "ss1.example.com"


_REQUESTS: dict[str, Callable[[Request], None]] = {
    "wsinv": _wsinv,
    "intmeth": _intmeth,
    "esc01": _esc01,
    "escnull": _escnull,
    "esc02": _esc02,
    "lwsdisp": _lwsdisp,
    "longreq": _longreq,
    "dblreq": _dblreq,
    "semiuri": _semiuri,
    "transports": _transports,
    "mpart01": _mpart01,
    "escruri": _escruri,
    "baddate": _baddate,
    "unkscm": _unkscm,
    "novelsc": _novelsc,
    "unksm2": _unksm2,
    "bext01": _bext01,
    "invut": _invut,
    "regaut01": _regaut01,
    "zeromf": _zeromf,
    "cparam01": _cparam01,
    "cparam02": _cparam02,
    "regescrt": _regescrt,
    "sdp01": _sdp01,
    "inv2543": _inv2543,
}

_RESPONSES = {
    "unreason": (200, "= 2**3 * 5**2 но сто девяносто девять - простое", 154),
    "noreason": (100, "", 0),
    "bcast": (200, "OK", 154),
}


def _torture(name: str) -> bytes:
    return (corpus("rfc4475") / "dat" / f"{name}.dat").read_bytes()


def test_every_message_of_rfc4475_has_its_test() -> None:
    files = {path.stem for path in (corpus("rfc4475") / "dat").glob("*.dat")}
    assert files == _REFUSED.keys() | _REQUESTS.keys() | _RESPONSES.keys()


@pytest.mark.parametrize("name", _REQUESTS)
def test_rfc4475_requests(name: str) -> None:
    message = parse(_torture(name))
    assert isinstance(message, Request)
    _REQUESTS[name](message)


@pytest.mark.parametrize("name", _RESPONSES)
def test_rfc4475_responses(name: str) -> None:
    message = parse(_torture(name))
    assert isinstance(message, Response)
    assert (message.status, message.reason, len(message.body)) == _RESPONSES[name]
    # 3.3.10: whom a response with a second Via is for, is not for the parser to say.
    assert len(message.vias) == (2 if name == "bcast" else 1)


def _assert_refused(name: str, data: bytes) -> None:
    with pytest.raises(ParseError) as caught:
        parse(data)
    status = _REFUSED[name]
    if status is None:
        assert caught.value.request is None
        return
    assert caught.value.status == status
    saved = caught.value.request
    assert saved is not None
    # An answer needs no more than this (RFC 3261 section 8.2.6.2), and has the Via to go by.
    assert saved.via.host
    for field in ("From", "To", "Call-ID", "CSeq"):
        assert saved.headers.has(field) is (name != "insuf" or field == "CSeq")


@pytest.mark.parametrize("name", _REFUSED)
def test_rfc4475_refused(name: str) -> None:
    _assert_refused(name, _torture(name))


def test_rfc4475_baddn_with_its_empty_line() -> None:
    data = (corpus("rfc4475") / "dat-fixed" / "baddn.dat").read_bytes()
    assert data.endswith(b"\r\n\r\n")
    _assert_refused("baddn", data)


def test_rfc4475_two_requests_on_a_stream() -> None:
    # Section 3.1.1.8 over TCP: empty lines, then the next message.
    frames = StreamFramer().feed(_torture("dblreq"))
    messages = [parse(frame, stream=True) for frame in frames if isinstance(frame, bytes)]
    assert [message.cseq.method for message in messages] == ["REGISTER", "INVITE"]
    assert len(messages[1].body) == 150


@pytest.mark.parametrize("name", ["ncl", "mcl01", "inv2543"])
def test_rfc4475_streams_that_cannot_be_framed(name: str) -> None:
    with pytest.raises(ParseError) as caught:
        StreamFramer().feed(_torture(name))
    assert caught.value.status == 400
    assert caught.value.request is not None


def test_rfc4475_a_body_that_never_comes() -> None:
    framer = StreamFramer()
    data = _torture("clerr")
    assert framer.feed(data) == []
    assert framer.pending == len(data)


_V6: dict[str, Callable[[Request], object]] = {
    "ipv6-good": lambda message: (message.uri.host, message.uri.port) == ("2001:db8::10", None),
    "port-ambiguous": lambda message: (
        (message.uri.host, message.uri.port) == ("2001:db8::10:5070", None)
    ),
    "port-unambiguous": lambda message: (
        (message.uri.host, message.uri.port) == ("2001:db8::10", 5070)
    ),
    "via-received-param-with-delim": lambda message: message.via.received == "2001:db8::9:255",
    "via-received-param-no-delim": lambda message: message.via.received == "2001:db8::9:255",
    "ipv6-in-sdp": lambda message: len(message.body) == 251,
    "mult-ip-in-header": lambda message: (
        [via.host for via in message.vias] == ["2001:db8::9:1", "192.0.2.1", "2001:db8::9:255"]
    ),
    "mult-ip-in-sdp": lambda message: len(message.body) == 189,
    "ipv4-mapped-ipv6": lambda message: (
        (message.via.host, message.via.port) == ("::ffff:192.0.2.10", 19823)
        and message.contacts[0].uri.host == "::ffff:192.0.2.2"
    ),
    "ipv6-bug-abnf-3-colons": lambda message: message.uri.host == "2001:db8:::192.0.2.1",
    "ipv6-correct-abnf-2-colons": lambda message: message.uri.host == "2001:db8::192.0.2.1",
}


@pytest.mark.parametrize("name", _V6)
def test_rfc5118(name: str) -> None:
    message = parse((corpus("rfc5118") / "wire" / name).read_bytes())
    assert isinstance(message, Request)
    assert _V6[name](message)


def test_rfc5118_refused() -> None:
    folder = corpus("rfc5118") / "wire"
    assert {path.name for path in folder.iterdir()} == _V6.keys() | {"ipv6-bad"}
    with pytest.raises(ParseError) as caught:
        parse((folder / "ipv6-bad").read_bytes())
    assert caught.value.status == 400
    assert caught.value.request is not None
    assert caught.value.request.via.host == "2001:db8::9:1"


def test_rfc3665() -> None:
    paths = sorted(corpus("rfc3665").glob("*.sip"))
    assert len(paths) == 178
    for path in paths:
        data = path.read_bytes()
        message = parse(data)
        start = message.method if isinstance(message, Request) else str(message.status)
        assert start == path.stem.rsplit("-", 1)[1], path.name
        for read in ("vias", "contacts", "routes", "record_routes", "allow", "supported"):
            assert isinstance(getattr(message, read), (list, tuple))
        for read in ("via", "from_", "to", "cseq", "content_type", "expires", "max_forwards"):
            getattr(message, read)
        # It is written as it came; the one without Content-Length gets one.
        if not message.headers.has("Content-Length"):
            message.headers.add("Content-Length", "0")
        assert parse(message.encode()) == message
