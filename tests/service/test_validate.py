"""What is wrong with a request is said field by field, before anything is sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2  # type: ignore[import-untyped]

from picosip.v1 import (
    call_service_pb2 as call_pb,
    registration_service_pb2 as registration_pb,
    request_service_pb2 as request_pb,
    sdp_pb2,
    sip_pb2 as pb,
)
from picosip_server.service.convert import commands
from picosip_server.service.errors import ApiError

HOST = "192.0.2.7"
ALICE = pb.Address(uri="sip:alice@example.com")
BOB = pb.Address(uri="sip:bob@example.com")
ONE_STREAM = sdp_pb2.Media(type="audio", port=4000, protocol="RTP/AVP", formats=["0"])


def invite(**changes: Any) -> Callable[[], object]:
    fields = {"from_address": ALICE, "to_address": BOB, **changes}
    request = call_pb.InviteRequest(**fields)
    return lambda: commands.invite(request, host=HOST)


def options(*headers: tuple[str, str], **more: Any) -> pb.MessageOptions:
    made = [pb.Header(name=name, value=value) for name, value in headers]
    return pb.MessageOptions(headers=made, **more)


def register(**changes: Any) -> Callable[[], object]:
    fields = {"registrar_uri": "sip:example.com", "aor": ALICE, **changes}
    request = registration_pb.RegisterRequest(**fields)
    return lambda: commands.register(request)


def progress(**changes: Any) -> Callable[[], object]:
    request = call_pb.ProgressRequest(**{"name": "calls/a", **changes})
    return lambda: commands.progress(request, host=HOST)


def answer(**changes: Any) -> Callable[[], object]:
    request = call_pb.AnswerRequest(**{"name": "calls/a", **changes})
    return lambda: commands.answer(request, host=HOST)


def reject(**changes: Any) -> Callable[[], object]:
    request = call_pb.RejectRequest(**{"name": "calls/a", **changes})
    return lambda: commands.reject(request)


def redirect(**changes: Any) -> Callable[[], object]:
    request = call_pb.RedirectRequest(**{"name": "calls/a", "contacts": [BOB], **changes})
    return lambda: commands.redirect(request)


def hangup(**changes: Any) -> Callable[[], object]:
    request = call_pb.HangupRequest(**{"name": "calls/a", **changes})
    return lambda: commands.hangup(request)


def ping(**changes: Any) -> Callable[[], object]:
    request = request_pb.PingRequest(**{"uri": "sip:example.com", **changes})
    return lambda: commands.ping(request)


def respond(**changes: Any) -> Callable[[], object]:
    request = request_pb.RespondRequest(
        **{"name": "requests/a", "status": pb.SipStatus(code=200), **changes}
    )
    return lambda: commands.respond(request, host=HOST)


def sdp(**fields: Any) -> sdp_pb2.SessionDescription:
    return sdp_pb2.SessionDescription(sdp=sdp_pb2.Sdp(**{"media": [ONE_STREAM], **fields}))


def media(**changes: Any) -> sdp_pb2.Media:
    changed = sdp_pb2.Media()
    changed.CopyFrom(ONE_STREAM)
    changed.MergeFrom(sdp_pb2.Media(**changes))
    return changed


def status(code: int, reason: str = "") -> pb.SipStatus:
    return pb.SipStatus(code=code, reason=reason)


CONTROLS = "must not hold CR, LF, NUL or another control character"
TOKEN = "must be a token (RFC 3261 section 25.1)"
REQUIRED = "is required"
CASES: list[tuple[str, Callable[[], object], list[tuple[str, str]]]] = [
    ("nothing given", invite(from_address=None, to_address=None), [
        ("from_address.uri", REQUIRED), ("to_address.uri", REQUIRED),
    ]),
    ("no uri", invite(to_address=pb.Address(display_name="Bob")), [("to_address.uri", REQUIRED)]),
    ("bad uri", invite(to_address=pb.Address(uri="bob")), [
        ("to_address.uri", "is no URI: malformed URI"),
    ]),
    ("uri with a line end", invite(to_address=pb.Address(uri="sip:b@x\r\nVia: y")), [
        ("to_address.uri", "is no URI: malformed URI"),
    ]),
    ("uri with a header that cannot be", invite(request_uri="sip:b@x?Subject=a%0D%0Ab"), [
        ("request_uri.value", "must not hold CR, LF, NUL or another control character"),
    ]),
    ("bad port", invite(request_uri="sip:b@x:70000"), [
        ("request_uri", "is no URI: number above 65535"),
    ]),
    ("display name with a line end", invite(from_address=pb.Address(
        display_name="A\nl", uri="sip:a@x")), [("from_address.display_name", CONTROLS)]),
    ("tag given", invite(from_address=pb.Address(
        uri="sip:a@x", parameters=[pb.Parameter(name="Tag", value="1")])), [
        ("from_address.parameters[0].name", "the tag is set by the stack"),
    ]),
    ("parameter name", invite(from_address=pb.Address(
        uri="sip:a@x", parameters=[pb.Parameter(name="a b")])), [
        ("from_address.parameters[0].name", TOKEN),
    ]),
    ("parameter value", invite(from_address=pb.Address(
        uri="sip:a@x", parameters=[pb.Parameter(name="a", value="b\0")])), [
        ("from_address.parameters[0].value", CONTROLS),
    ]),
    ("raw offer empty", invite(offer=sdp_pb2.SessionDescription(raw=b"")), [
        ("offer.raw", "must not be empty"),
    ]),
    ("offer without form", invite(offer=sdp_pb2.SessionDescription()), [
        ("offer", "needs raw or sdp"),
    ]),
    ("sdp port", invite(offer=sdp(media=[media(port=65536)])), [
        ("offer.sdp.media[0].port", "must be from 0 to 65535"),
    ]),
    ("sdp second stream", invite(offer=sdp(media=[ONE_STREAM, media(type="au dio")])), [
        ("offer.sdp.media[1].type", "must be a token"),
    ]),
    ("sdp attribute map", invite(offer=sdp(attribute_map={
        "a b": sdp_pb2.AttributeValues()})), [
        ('offer.sdp.attribute_map["a b"]', "the name must be a token"),
    ]),
    ("sdp attribute map of a stream", invite(offer=sdp(media=[media(attribute_map={
        "x": sdp_pb2.AttributeValues(values=["ok", "a\r\nb"])})])), [
        ('offer.sdp.media[0].attribute_map["x"].values[1]', "must not hold NUL, CR or LF"),
    ]),
    ("extra body without type", invite(extra_bodies=[pb.Body(data=b"x")]), [
        ("extra_bodies[0].content_type", REQUIRED),
    ]),
    ("extra body with a bad type", invite(extra_bodies=[
        pb.Body(content_type="text/plain"), pb.Body(content_type="text")]), [
        ("extra_bodies[1].content_type", 'must be a media type such as "text/plain"'),
    ]),
    ("disposition", invite(extra_bodies=[
        pb.Body(content_type="text/plain", content_disposition="a\r\nb")]), [
        ("extra_bodies[0].content_disposition", CONTROLS),
    ]),
    ("credentials", invite(credentials=[
        pb.Credentials(), pb.Credentials(username="a", ha1="beef")]), [
        ("credentials[0].secret", "needs password or ha1"),
        ("credentials[0].username", REQUIRED),
        ("credentials[1].ha1", "must be 32 (MD5) or 64 (SHA-256) hexadecimal digits"),
    ]),
    ("header name", invite(options=options(("Subject", "x"), ("", ""), ("a b", "c"))), [
        ("options.headers[1].name", TOKEN), ("options.headers[2].name", TOKEN),
    ]),
    ("header value", invite(options=options(("Subject", "x\r\nVia: y"))), [
        ("options.headers[0].value", CONTROLS),
    ]),
    ("routes", invite(options=options(routes=["sip:p;lr", "<tel:1>", "x", ""])), [
        ("options.routes[1]", "must be a sip or sips URI"),
        ("options.routes[2]", "is no route: malformed URI"),
        ("options.routes[3]", REQUIRED),
    ]),
    ("contact parameters", invite(options=options(contact_parameters=[
        pb.Parameter(name="a b"), pb.Parameter(name="a", value="x\r\ny")])), [
        ("options.contact_parameters[0].name", TOKEN),
        ("options.contact_parameters[1].value", CONTROLS),
    ]),
    ("next hop", invite(options=options(next_hop=pb.Endpoint(
        transport=9, port=-1))), [
        ("options.next_hop.transport", "is no value of the enumeration"),
        ("options.next_hop.host", REQUIRED),
        ("options.next_hop.port", "must be from 0 to 65535"),
    ]),
    ("next hop's host", invite(options=options(next_hop=pb.Endpoint(host="a b"))), [
        ("options.next_hop.host", "must be a host name or an IP address"),
    ]),
    ("ring timeout", invite(policy=call_pb.CallPolicy(ring_timeout=Duration(seconds=-1))), [
        ("policy.ring_timeout", "must not be negative"),
    ]),
    ("no ring timeout", invite(policy=call_pb.CallPolicy(ring_timeout=Duration())), [
        ("policy.ring_timeout", "must be longer than zero"),
    ]),
    ("duration", invite(policy=call_pb.CallPolicy(
        max_duration=Duration(seconds=1, nanos=-1),
        respond_timeout=Duration(nanos=1_000_000_000))), [
        ("policy.max_duration", "is no valid Duration"),
        ("policy.respond_timeout", "is no valid Duration"),
    ]),
    ("session timer", invite(policy=call_pb.CallPolicy(offers=9, session_timer=call_pb.SessionTimer(
        interval=Duration(seconds=60), min_se=Duration(seconds=90), refresher=7))), [
        ("policy.offers", "is no value of the enumeration"),
        ("policy.session_timer.interval", "must not be shorter than min_se"),
        ("policy.session_timer.refresher", "is no value of the enumeration"),
    ]),
    ("session timer's floor", invite(policy=call_pb.CallPolicy(
        session_timer=call_pb.SessionTimer(min_se=Duration()))), [
        ("policy.session_timer.min_se", "must be longer than zero"),
    ]),
    ("redirects", invite(policy=call_pb.CallPolicy(max_redirects=-1)), [
        ("policy.max_redirects", "must be from 0 to 70"),
    ]),
    ("enumerations", invite(
        policy=call_pb.CallPolicy(reliable_provisional=77, forked_answers=77),  # type: ignore[arg-type]
        wait_for=77), [
        ("policy.reliable_provisional", "is no value of the enumeration"),
        ("policy.forked_answers", "is no value of the enumeration"),
        ("wait_for", "is no value of the enumeration"),
    ]),
    ("labels", invite(labels={"": "x", "a\n": "b"}), [
        ("labels", "must not have an empty key"), ("labels", CONTROLS),
    ]),
    ("long label", invite(labels={"a": "x" * 1025}), [
        ('labels["a"]', "must not be longer than 1024 characters"),
    ]),
    ("many labels", invite(labels={str(number): "" for number in range(65)}), [
        ("labels", "must not have more than 64 elements"),
    ]),
    ("request id", invite(request_id="x" * 129), [
        ("request_id", "must not be longer than 128 characters"),
    ]),
    ("progress 100", progress(status=status(100)), [("status.code", "must be from 101 to 199")]),
    ("progress 200", progress(status=status(200)), [("status.code", "must be from 101 to 199")]),
    ("reason phrase", progress(status=status(180, "a\nb")), [("status.reason", CONTROLS)]),
    ("progress name", progress(name=""), [("name", 'must be a name such as "calls/..."')]),
    ("progress description", progress(description=sdp(media=[media(port=-1)])), [
        ("description.sdp.media[0].port", "must be from 0 to 65535"),
    ]),
    ("answer name", answer(name="registrations/a"), [
        ("name", 'must be a name such as "calls/..."'),
    ]),
    ("answer policy", answer(policy=call_pb.CallPolicy(max_redirects=71)), [
        ("policy.max_redirects", "must be from 0 to 70"),
    ]),
    ("reject 200", reject(status=status(200)), [("status.code", "must be from 400 to 699")]),
    ("reject 302", reject(status=status(302)), [("status.code", "must be from 400 to 699")]),
    ("reject 700", reject(status=status(700)), [("status.code", "must be from 400 to 699")]),
    ("reject name", reject(name="calls/A"), [("name", 'must be a name such as "calls/..."')]),
    ("redirect 400", redirect(status=status(400)), [("status.code", "must be from 300 to 399")]),
    ("redirect nowhere", redirect(contacts=[]), [("contacts", REQUIRED)]),
    ("redirect contact", redirect(contacts=[BOB, pb.Address(uri="x")]), [
        ("contacts[1].uri", "is no URI: malformed URI"),
    ]),
    ("hangup 200", hangup(status=status(200)), [("status.code", "must be from 400 to 699")]),
    ("hangup name", hangup(name="calls/a/b"), [("name", 'must be a name such as "calls/..."')]),
    ("hangup tag", hangup(remote_tag="a\r\n"), [("remote_tag", CONTROLS)]),
    ("register nothing", register(registrar_uri="", aor=None), [
        ("registrar_uri", REQUIRED), ("aor.uri", REQUIRED),
    ]),
    ("register tel", register(registrar_uri="tel:1", aor=pb.Address(uri="tel:1")), [
        ("registrar_uri", "must be a sip or sips URI"), ("aor.uri", "must be a sip or sips URI"),
    ]),
    ("register no time", register(expires=Duration()), [("expires", "must be longer than zero")]),
    ("register negative", register(expires=Duration(nanos=-1)), [
        ("expires", "must not be negative"),
    ]),
    ("register for ever", register(expires=Duration(seconds=2**32)), [
        ("expires", "must not be longer than 4294967295 seconds"),
    ]),
    ("register contact", register(contacts=[pb.Address(uri="*")]), [
        ("contacts[0].uri", "is no URI: malformed URI"),
    ]),
    ("register flows", register(
        outbound=registration_pb.Outbound(instance_id="uuid:1", edges=["sip:e", "tel:1", ""]),
        contacts=[BOB],
        options=pb.MessageOptions(routes=["<sip:r;lr>"]),
    ), [
        ("outbound.instance_id", 'must be a URN such as "urn:uuid:..."'),
        ("outbound.edges[1]", "must be a sip or sips URI"), ("outbound.edges[2]", REQUIRED),
        ("outbound", "must not be set together with contacts"),
        ("outbound.edges", "must not be set together with a route or next hop"),
    ]),
    ("register many flows", register(
        outbound=registration_pb.Outbound(edges=["sip:e"] * 5),
    ), [("outbound.edges", "must not have more than 4 elements")]),
    ("ping nobody", ping(uri=""), [("uri", REQUIRED)]),
    ("ping from", ping(from_address=pb.Address()), [("from_address.uri", REQUIRED)]),
    ("respond name", respond(name="calls/a"), [
        ("name", 'must be a name such as "requests/..."'),
    ]),
    ("respond no status", respond(status=None), [("status.code", REQUIRED)]),
    ("respond 100", respond(status=status(100)), [("status.code", "must be from 200 to 699")]),
    ("respond two bodies", respond(body=pb.Body(content_type="a/b"), description=sdp()), [
        ("body", "must not be set together with description"),
    ]),
    ("respond body", respond(body=pb.Body(data=b"x")), [("body.content_type", REQUIRED)]),
]  # fmt: skip


def violations(convert: Callable[[], object]) -> tuple[ApiError, list[tuple[str, str]]]:
    with pytest.raises(ApiError) as raised:
        convert()
    for packed in raised.value.status().details:
        found = error_details_pb2.BadRequest()
        if packed.Unpack(found):
            return raised.value, [(one.field, one.description) for one in found.field_violations]
    raise AssertionError("no BadRequest in the details")


@pytest.mark.parametrize(
    ("convert", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_each_fault_names_its_field(
    convert: Callable[[], object], expected: list[tuple[str, str]]
) -> None:
    error, found = violations(convert)
    assert found == expected
    assert error.code is grpc.StatusCode.INVALID_ARGUMENT
    assert error.metadata["field"] in dict(expected)
    assert error.message == f"{expected[0][0]}: {expected[0][1]}"


RESERVED = (
    *("Via", "CSeq", "Call-ID", "From", "To", "Max-Forwards", "Content-Length", "Content-Type"),
    *("Route", "Record-Route", "RSeq", "RAck"),
    *("v", "i", "f", "t", "l", "c", "VIA", "call-id", "max-forwards"),
)
CONTACT = ("Contact", "m", "CONTACT")
EVERYWHERE = (invite, register, progress, answer, reject, redirect, hangup, ping, respond)
OWN_CONTACT = (invite, register, progress, answer, redirect)


@pytest.mark.parametrize("name", RESERVED)
@pytest.mark.parametrize("make", EVERYWHERE)
def test_headers_of_the_stack_are_refused(
    make: Callable[..., Callable[[], object]], name: str
) -> None:
    refuses(make, name)


@pytest.mark.parametrize("name", CONTACT)
@pytest.mark.parametrize("make", OWN_CONTACT)
def test_the_contact_is_refused_where_the_stack_makes_it(
    make: Callable[..., Callable[[], object]], name: str
) -> None:
    refuses(make, name)


def test_the_interval_of_a_registration_is_its_own_field() -> None:
    refuses(register, "Expires")
    ping(options=options(("Expires", "5")))()


def refuses(make: Callable[..., Callable[[], object]], name: str) -> None:
    error, found = violations(make(options=options(("Subject", "x"), (name, "y"))))
    assert found == [("options.headers[1].name", f"{name} is set by the stack")]
    assert error.reason == "RESERVED_HEADER"
    assert error.metadata == {"field": "options.headers[1].name", "header": name}


@pytest.mark.parametrize("make", [reject, hangup, ping, respond])
def test_a_contact_can_be_given_elsewhere(make: Callable[..., Callable[[], object]]) -> None:
    make(options=options(("Contact", "<sip:a@x>"), ("m", "<sip:a@y>")))()


@pytest.mark.parametrize("make", EVERYWHERE)
def test_any_other_header_is_taken(make: Callable[..., Callable[[], object]]) -> None:
    make(options=options(("Subject", ""), ("X-A", "b, c;d\te"), ("P-Asserted-Identity", "é")))()


def test_a_special_reason_wins_over_the_common_one() -> None:
    error, found = violations(invite(to_address=None, options=options(("Via", "x"))))
    assert [field for field, _ in found] == ["to_address.uri", "options.headers[0].name"]
    assert error.reason == "RESERVED_HEADER"


def test_the_list_of_faults_is_bounded() -> None:
    many = options(*(("a b", "") for _ in range(100)))
    assert len(violations(invite(options=many))[1]) == 16
