"""Start lines, bodies and limits: what is read, what is refused and with which status."""

from __future__ import annotations

import pytest

from picosip_server.sip.message import Response
from picosip_server.sip.parse import Limits, parse, salvage
from picosip_server.sip.uri import Uri
from tests.sip.messages import BASE, parsed, refused, request, response


def test_a_request() -> None:
    message = parsed(request("Content-Length: 3", body=b"abc"))
    assert message.method == "INVITE"
    assert message.uri_text == "sip:piet@yellow.example"
    assert message.uri == Uri(user="piet", host="yellow.example")
    assert list(message.headers) == [*BASE.items(), ("Content-Length", "3")]
    assert message.body == b"abc"
    assert message.via.branch == "z9hG4bKgr1"
    assert message.from_.tag == "o1"
    assert message.cseq.number == 7


def test_a_response() -> None:
    message = parse(response("l: 0", line="SIP/2.0 183 Session  Progress"))
    assert isinstance(message, Response)
    assert (message.status, message.reason) == (183, "Session  Progress")
    assert message.contacts[0].uri.port == 5062


class TestStartLine:
    @pytest.mark.parametrize(
        ("line", "status", "reason"),
        [
            # RFC 4475 sections 3.1.1.12 and 3.1.1.13
            ("SIP/2.0 200 = 2 * 100 привет", 200, "= 2 * 100 привет"),
            ("SIP/2.0 100 ", 100, ""),
            ("SIP/2.0 100", 100, ""),
            ("sip/2.0 699 x", 699, "x"),
            ("SIP/2.0 200 \udcff", 200, "\udcff"),
        ],
    )
    def test_status_lines(self, line: str, status: int, reason: str) -> None:
        message = parse(response(line=line))
        assert isinstance(message, Response)
        assert (message.status, message.reason) == (status, reason)

    @pytest.mark.parametrize(
        "line",
        [
            # RFC 4475 section 3.1.2.19
            "SIP/2.0 4294967496 x",
            "SIP/2.0 099 x",
            "SIP/2.0 700 x",
            "SIP/2.0 20 x",
            "SIP/2.0 +20 x",
            "SIP/2.0 ٢٠٠ x",
            "SIP/2.0  200 x",
            "SIP/2.0",
            "SIP/7.0 200 OK",
        ],
    )
    def test_malformed_status_lines(self, line: str) -> None:
        assert refused(response(line=line)).request is None

    @pytest.mark.parametrize(
        "line",
        [
            # RFC 4475 sections 3.1.2.8, 3.1.2.9 and 3.1.2.10
            "INVITE sip:piet@yellow.example; lr SIP/2.0",
            "INVITE  sip:piet@yellow.example  SIP/2.0",
            "INVITE sip:piet@yellow.example SIP/2.0  ",
            " INVITE sip:piet@yellow.example SIP/2.0",
            "INVITE\tsip:piet@yellow.example\tSIP/2.0",
            # RFC 4475 section 3.1.2.7
            "INVITE <sip:piet@yellow.example> SIP/2.0",
            "INVITE sip:a:b:c SIP/2.0",
            # RFC 5118 section 4.2
            "INVITE sip:2001:db8::10 SIP/2.0",
            "INVITE yellow.example SIP/2.0",
            "INVITE * SIP/2.0",
            "INVITE urn:<x> SIP/2.0",
        ],
    )
    def test_malformed_request_lines_can_be_answered(self, line: str) -> None:
        error = refused(request(line=line))
        assert error.status == 400
        assert error.request is not None
        assert error.request.method == "INVITE"
        assert error.request.via.sent_by == "pub.green.example:5062"
        assert list(error.request.headers) == list(BASE.items())

    @pytest.mark.parametrize(
        "line",
        [
            "INVITE sip:a",
            "INVITE sip:a HTTP/1.1",
            "IN(VITE sip:a SIP/2.0",
            "hello",
            "",
            "SIP/2.0/UDP",
            # A fold makes one line of two.
            "INVITE sip:a SIP/2.0\r\n X: y",
        ],
    )
    def test_what_is_no_sip_at_all(self, line: str) -> None:
        error = refused(request(line=line))
        assert error.status == 400
        assert error.request is None

    @pytest.mark.parametrize("version", ["SIP/7.0", "SIP/2.00", "sip/1.0"])
    def test_another_version(self, version: str) -> None:
        # RFC 4475 section 3.1.2.16
        error = refused(
            request(
                line=f"INVITE sip:a {version}",
                via=f"{version}/UDP pub.green.example;branch=z9hG4bKx",
            )
        )
        assert error.status == 505
        assert error.request is not None
        assert error.request.via.host == "pub.green.example"

    def test_the_version_has_no_case(self) -> None:
        # 7.1
        message = parsed(request(line="INVITE sip:a sip/2.0"))
        assert message.encode().startswith(b"INVITE sip:a SIP/2.0\r\n")

    def test_an_odd_method(self) -> None:
        # RFC 4475 sections 3.1.1.2 and 3.1.1.5
        method = "!odd-Method_*+`.%49N'~"
        message = parsed(request(line=f"{method} sip:a SIP/2.0", cseq=f"1 {method}"))
        assert message.method == method

    @pytest.mark.parametrize(
        "uri", ["noSuchScheme:opaque", "beep.soap://192.0.2.3:99", "tel:+31201234"]
    )
    def test_other_schemes_are_left_to_the_user(self, uri: str) -> None:
        # RFC 4475 sections 3.3.2 and 3.3.3: 416 is no fault of the grammar.
        assert parsed(request(line=f"INVITE {uri} SIP/2.0")).uri_text == uri

    def test_headers_in_the_request_uri_are_kept_apart(self) -> None:
        # RFC 4475 section 3.1.2.11
        message = parsed(request(line="INVITE sip:piet@h?Route=%3Csip:g%3E SIP/2.0"))
        assert message.uri.headers == "Route=%3Csip:g%3E"
        assert message.routes == ()


class TestBody:
    def test_a_datagram_without_content_length_is_all_body(self) -> None:
        # 18.3
        assert parse(request(body=b"a\r\n\r\nb")).body == b"a\r\n\r\nb"

    def test_octets_behind_the_body_are_dropped(self) -> None:
        # 18.3 and RFC 4475 section 3.1.1.8
        assert parse(request("l: 2", body=b"ab" + request())).body == b"ab"

    def test_a_body_with_any_octets(self) -> None:
        body = bytes(range(256)) + b"\r\n\r\n"
        assert parse(request(f"Content-Length: {len(body)}", body=body)).body == body

    @pytest.mark.parametrize(
        "fields",
        [
            ("Content-Length: 4",),
            ("Content-Length: -999",),
            ("Content-Length: ",),
            ("Content-Length: 1 1",),
            ("Content-Length: 3", "Content-Length: 3"),
            ("Content-Length: 3", "l: 1"),
            ("Content-Length: " + "9" * 5000,),
            ("Content-Length: ³",),
        ],
    )
    @pytest.mark.parametrize("stream", [True, False])
    def test_lengths_that_arerefused(self, fields: tuple[str, ...], stream: bool) -> None:
        # RFC 4475 sections 3.1.2.2, 3.1.2.3 and 3.3.9
        error = refused(request(*fields, body=b"abc"), stream=stream)
        assert error.status == 400
        assert error.request is not None
        assert error.request.call_id == BASE["Call-ID"]

    def test_a_stream_needs_content_length(self) -> None:
        # 20.14
        assert refused(request(body=b"abc"), stream=True).status == 400
        assert parse(request("l: 3", body=b"abc"), stream=True).body == b"abc"


class TestLimits:
    def test_message_octets(self) -> None:
        data = request(body=b"x" * 500)
        assert parse(data, Limits(message_octets=len(data))).body == b"x" * 500
        error = refused(data, Limits(message_octets=len(data) - 1))
        assert error.status == 413
        assert error.request is not None

    def test_header_octets(self) -> None:
        data = request(*(["X: " + "y" * 100] * 20))
        assert len(parse(data, Limits(header_octets=len(data) - 4)).headers) == 27
        error = refused(data, Limits(header_octets=len(data) - 5))
        assert error.status == 513
        assert error.request is not None
        assert error.request.to.uri.user == "piet"

    def test_a_header_section_without_end(self) -> None:
        error = refused(request("X: " + "y" * 1000)[:-4], Limits(header_octets=900))
        assert error.status == 513
        assert error.request is not None
        assert list(error.request.headers) == list(BASE.items())

    def test_number_of_headers(self) -> None:
        data = request(*(["X: y"] * 3))
        assert parse(data, Limits(headers=10))
        error = refused(data, Limits(headers=9))
        assert error.status == 513
        assert error.request is not None
        assert len(error.request.headers) == 9

    def test_the_start_line_is_judged_first(self) -> None:
        error = refused(request(*(["X: y"] * 300), line="INVITE sip:a SIP/3.0"))
        assert error.status == 505


def test_salvage_of_a_cut_request() -> None:
    cut = request()[:-30]
    saved = salvage(cut)
    assert saved is not None
    assert saved.cseq.number == 7
    assert saved.contacts == ()
    assert salvage(response()) is None
    assert salvage(b"INVITE sip:a SIP/2.0") is None
