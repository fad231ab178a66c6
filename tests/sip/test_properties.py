"""What holds for all inputs: nothing is lost, and nothing but ParseError is raised."""

from __future__ import annotations

import contextlib

from hypothesis import example, given, settings, strategies as st

from picosip_server.sip.address import Address
from picosip_server.sip.errors import ParseError
from picosip_server.sip.framing import KeepAlive, StreamFramer
from picosip_server.sip.grammar import Params, quote, split_list, unquote
from picosip_server.sip.headers import Headers, canonical
from picosip_server.sip.message import Message, Request, Response
from picosip_server.sip.multipart import build, find_part
from picosip_server.sip.parse import parse
from picosip_server.sip.uri import Uri
from picosip_server.sip.via import Via
from tests.sip.messages import BASE, request

_TOKEN = st.text("abcXYZ019-.!%*_+`'~", min_size=1, max_size=8)
# Text as it comes off the wire: anything, with octets that are no UTF-8 as surrogates.
_ANY = st.binary(max_size=24).map(lambda octets: octets.decode("utf-8", "surrogateescape"))
_LINE = _ANY.map(lambda text: text.replace("\r", "").replace("\n", ""))
_ESCAPED = st.lists(
    st.sampled_from(["a", "Z", "9", "%41", "%00", "%fF", "-", "~", "'", "(", ";", "?", "/", "&"]),
    min_size=1,
    max_size=6,
).map("".join)
_HOST = st.sampled_from(["h", "a.b-c.example", "192.0.2.1", "[2001:db8::1]", "[::ffff:1.2.3.4]"])
_PORT = st.one_of(st.just(""), st.integers(0, 65535).map(":{}".format))
_URI_PARAMS = st.lists(
    st.one_of(
        _TOKEN,
        st.builds(
            "{}={}".format,
            _TOKEN,
            _ESCAPED.map(lambda text: text.replace(";", "").replace("?", "") or "x"),
        ),
    ),
    max_size=3,
).map(lambda params: "".join(f";{param}" for param in params))
_PARAMS = st.lists(
    st.one_of(
        _TOKEN,
        st.builds("{}={}".format, _TOKEN, _TOKEN),
        st.builds("{}={}".format, _TOKEN, _LINE.map(quote)),
        st.builds("{} \t= {}".format, _TOKEN, _TOKEN),
    ),
    max_size=3,
).map(lambda params: "".join(f" ;\t{param}" for param in params))
_SIP_URI = st.builds(
    "{}:{}{}{}{}{}".format,
    st.sampled_from(["sip", "sips", "SIP"]),
    st.one_of(
        st.just(""),
        st.builds("{}@".format, _ESCAPED),
        st.builds("{}:{}@".format, _ESCAPED, _ESCAPED),
    ),
    _HOST,
    _PORT,
    _URI_PARAMS,
    st.sampled_from(["", "?a=b", "?a=%41&b="]),
)
_URI = st.one_of(_SIP_URI, st.sampled_from(["tel:+31;a=b", "urn:service:sos", "http://h/a?b#c"]))
_ADDRESS = st.builds(
    "{}<{}>{}".format,
    st.one_of(st.just(""), _TOKEN, st.builds("{} {} ".format, _TOKEN, _TOKEN), _LINE.map(quote)),
    _URI,
    _PARAMS,
)
_VIA = st.builds(
    "SIP{}/2.0 /{} {}{}{}".format,
    st.sampled_from(["", " ", "\t"]),
    st.sampled_from(["UDP", "tcp", "TLS", "x-New"]),
    _HOST,
    _PORT,
    _PARAMS,
)
_FIELD = st.tuples(
    st.one_of(
        _TOKEN,
        st.sampled_from(["Via", "v", "To", "Contact", "m", "Subject", "Supported", "Expires", "l"]),
    ),
    st.one_of(_LINE, _ADDRESS, _VIA, st.just("0")),
)
_MESSAGE = st.builds(
    lambda start, fields, more, body, fold: (
        start
        + b"\r\n"
        + "".join(f"{name}: {value}\r\n" for name, value in fields).encode(
            "utf-8", "surrogateescape"
        )
        + "".join(f"{name} :{fold}{value}\r\n" for name, value in more).encode(
            "utf-8", "surrogateescape"
        )
        + b"\r\n"
        + body
    ),
    st.sampled_from(
        [b"INVITE sip:piet@h SIP/2.0", b"SIP/2.0 200 OK \xff", b"INVITE tel:1 SIP/2.0"]
    ),
    st.permutations(list(BASE.items())),
    st.lists(_FIELD, max_size=4),
    st.binary(max_size=30),
    st.sampled_from(["", " ", "\r\n ", "\t\r\n\t"]),
)


def _but_for_length(headers: Headers) -> list[tuple[str, str]]:
    return [field for field in headers if canonical(field[0]) != "content-length"]


def _written_and_read(message: Message) -> None:
    again = parse(message.encode())
    assert type(again) is type(message)
    assert again.start_line == message.start_line
    assert again.body == message.body
    assert _but_for_length(again.headers) == _but_for_length(message.headers)
    length = again.headers.get_all("Content-Length")
    assert length == [str(len(message.body))]
    # Once there is a Content-Length, it comes back as it is.
    assert parse(again.encode()) == again


def _read_all(message: Request | Response) -> None:
    reads = "via vias from_ to call_id cseq contacts routes record_routes require supported allow"
    for read in f"{reads} content_type expires max_forwards rseq rack".split():
        with contextlib.suppress(ParseError):
            getattr(message, read)


@given(_MESSAGE)
@settings(max_examples=300)
def test_messages_that_are_accepted_come_back_unchanged(data: bytes) -> None:
    try:
        message = parse(data)
    except ParseError:
        return
    _written_and_read(message)
    _read_all(message)


@given(st.lists(_FIELD, max_size=6), st.binary(max_size=30), st.booleans())
def test_messages_that_are_built_come_back_unchanged(
    fields: list[tuple[str, str]], body: bytes, answer: bool
) -> None:
    own = {"max-forwards", "from", "to", "call-id", "cseq", "contact", "via", "record-route"}
    kept = [
        # As off the wire: two surrogates that make UTF-8 together would be read as one sign.
        (
            name,
            value.encode("utf-8", "surrogateescape")
            .decode("utf-8", "surrogateescape")
            .strip(" \t"),
        )
        for name, value in fields
        if canonical(name) not in own | {"content-length"}
    ]
    headers = Headers([*BASE.items(), *kept])
    message = (
        Response(404, "Not here", headers, body)
        if answer
        else Request("INVITE", "sip:piet@h", headers, body)
    )
    again = parse(message.encode())
    assert list(again.headers) == [*headers, ("Content-Length", str(len(body)))]
    assert again.start_line == message.start_line
    assert again.body == body


@given(st.binary(max_size=200), st.booleans())
@example(b"INVITE sip:a SIP/2.0\r\n\r\n", False)
def test_any_octets_give_a_message_or_a_parse_error(data: bytes, stream: bool) -> None:
    with contextlib.suppress(ParseError):
        parse(data, stream=stream)


@given(st.data())
@settings(max_examples=300)
def test_damaged_messages_give_a_message_or_a_parse_error(data: st.DataObject) -> None:
    octets = bytearray(request("Content-Length: 3", "Record-Route: <sip:a;lr>", body=b"abc"))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(octets) - 1))
        until = at + data.draw(st.integers(0, 3))
        octets[at:until] = data.draw(
            st.one_of(
                st.binary(max_size=3),
                st.sampled_from([b"\r\n", b" ", b'"', b"<", b">", b";", b",", b":", b"@", b"\x00"]),
            )
        )
    try:
        message = parse(bytes(octets))
    except ParseError as error:
        if error.request is not None:
            _read_all(error.request)
            # What it holds can be written into an answer.
            error.request.encode()
        return
    _written_and_read(message)


@given(_URI)
def test_uris(text: str) -> None:
    uri = Uri.parse(text)
    assert Uri.parse(str(uri)) == uri
    assert str(Uri.parse(str(uri))) == str(uri)
    assert uri.equivalent(uri)


@given(_ADDRESS)
def test_addresses(text: str) -> None:
    address = Address.parse(text)
    assert Address.parse(str(address)) == address


@given(_VIA)
def test_vias(text: str) -> None:
    via = Via.parse(text)
    assert Via.parse(str(via)) == via
    assert Via.salvage(text) == via


@given(_PARAMS)
def test_params(text: str) -> None:
    params = Params.parse(text)
    assert Params.parse(str(params)) == params


@given(st.one_of(_ANY, st.text(max_size=20)))
def test_any_text_is_a_value_or_a_parse_error(text: str) -> None:
    for read in (Uri.parse, Address.parse, Via.parse, Params.parse):
        try:
            value = read(text)
        except ParseError:
            continue
        assert read(str(value)) == value
    split_list(text)


@given(_LINE)
def test_any_display_name_can_be_written(text: str) -> None:
    assert unquote(quote(text)) == text
    address = Address(display_name=text, uri=Uri(host="h"))
    assert Address.parse(str(address)) == address


@given(st.lists(st.lists(st.binary(max_size=30), max_size=2).map(tuple), max_size=3), st.data())
def test_frames_do_not_depend_on_the_cuts(
    bodies: list[tuple[bytes, ...]], data: st.DataObject
) -> None:
    messages = [
        request(f"Content-Length: {len(body)}", body=body) for each in bodies for body in each
    ]
    fillers = [data.draw(st.sampled_from([b"", b"\r\n\r\n", b"\r\n" * 4])) for _ in messages]
    stream = b"".join(filler + each for filler, each in zip(fillers, messages, strict=True))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    framer = StreamFramer()
    frames = [
        frame
        for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)
        for frame in framer.feed(stream[start:end])
    ]
    assert [frame for frame in frames if isinstance(frame, bytes)] == messages
    assert frames.count(KeepAlive.PING) == sum(filler.count(b"\r\n\r\n") for filler in fillers)
    assert framer.pending == 0


@given(st.lists(st.binary(max_size=40), max_size=6))
def test_any_stream_gives_frames_or_a_parse_error(chunks: list[bytes]) -> None:
    framer = StreamFramer()
    for chunk in chunks:
        try:
            framer.feed(chunk)
        except ParseError as error:
            assert framer.fault is error
    assert framer.pending <= sum(map(len, chunks))


@given(_MESSAGE, st.integers(0, 400))
def test_a_stream_and_a_datagram_are_read_alike(data: bytes, cut: int) -> None:
    framer = StreamFramer()
    try:
        frames = framer.feed(data[:cut])
        frames += framer.feed(data[cut:])
    except ParseError:
        return
    for frame in frames:
        if isinstance(frame, bytes):
            with contextlib.suppress(ParseError):
                assert parse(frame, stream=True) == parse(data)
            break


@given(st.lists(st.tuples(st.sampled_from(["a/b", "c/d"]), st.binary(max_size=20)), max_size=4))
def test_multiparts(parts: list[tuple[str, bytes]]) -> None:
    content_type, body = build([(kind, data, "") for kind, data in parts], "boundary-x1")
    found = find_part(content_type, body, "c/d")
    first = [data for kind, data in parts if kind == "c/d"][:1]
    assert ([] if found is None else [found[1]]) == first


@given(st.binary(max_size=80))
@example(b"--b\r\n\r\n--b--")
def test_any_body_is_a_multipart_or_a_parse_error(body: bytes) -> None:
    for content_type in ("multipart/mixed;boundary=b", "multipart/mixed"):
        with contextlib.suppress(ParseError):
            find_part(content_type, b"--b" + body, "a/b")
