"""The parts that requests share, from the API: addresses, options, bodies, credentials."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from urllib.parse import unquote

from picosip.v1 import (
    call_service_pb2 as call_pb,
    registration_service_pb2 as registration_pb,
    sdp_pb2,
    sip_pb2 as pb,
)
from picosip_server.sdp.errors import SdpError
from picosip_server.service.convert import descriptions
from picosip_server.service.validate import ALWAYS_RESERVED, NOT_FROM_URI, Check
from picosip_server.sip.address import Address
from picosip_server.sip.auth.users import is_ha1
from picosip_server.sip.errors import ParseError
from picosip_server.sip.grammar import Params, is_token, quote
from picosip_server.sip.headers import canonical
from picosip_server.sip.ua.commands import (
    Body,
    Credentials,
    ForkedAnswers,
    NextHop,
    Offers,
    Options,
    Outbound,
    Policy,
    Refresher,
    Reliability,
    TimerWish,
)
from picosip_server.sip.uri import Uri, is_urn
from picosip_server.sip.values import LARGEST_SECONDS

_NO_OPTIONS = Options()
_MOST_HEADERS = 200
_MOST_PARTS = 32
_MOST_EDGES = 4
"""RFC 5626 section 4.2.1 asks for up to four."""
_TRANSPORTS = {
    pb.TRANSPORT_UNSPECIFIED: "",
    pb.TRANSPORT_UDP: "UDP",
    pb.TRANSPORT_TCP: "TCP",
    pb.TRANSPORT_TLS: "TLS",
    pb.TRANSPORT_WS: "WS",
    pb.TRANSPORT_WSS: "WSS",
}
_RELIABILITY = {
    call_pb.CallPolicy.RELIABLE_PROVISIONAL_UNSPECIFIED: Reliability.SUPPORTED,
    call_pb.CallPolicy.RELIABLE_PROVISIONAL_DISABLED: Reliability.DISABLED,
    call_pb.CallPolicy.RELIABLE_PROVISIONAL_SUPPORTED: Reliability.SUPPORTED,
    call_pb.CallPolicy.RELIABLE_PROVISIONAL_REQUIRED: Reliability.REQUIRED,
}
_FORKED_ANSWERS = {
    call_pb.CallPolicy.FORKED_ANSWERS_UNSPECIFIED: ForkedAnswers.KEEP_FIRST,
    call_pb.CallPolicy.FORKED_ANSWERS_KEEP_FIRST: ForkedAnswers.KEEP_FIRST,
    call_pb.CallPolicy.FORKED_ANSWERS_KEEP_ALL: ForkedAnswers.KEEP_ALL,
}


_OFFERS = {
    call_pb.CallPolicy.OFFERS_UNSPECIFIED: Offers.ASK,
    call_pb.CallPolicy.OFFERS_ASK: Offers.ASK,
    call_pb.CallPolicy.OFFERS_ACCEPT: Offers.ACCEPT,
    call_pb.CallPolicy.OFFERS_ACCEPT_UNCHANGED: Offers.ACCEPT_UNCHANGED,
    call_pb.CallPolicy.OFFERS_REFUSE: Offers.REFUSE,
}
_REFRESHERS = {
    call_pb.SessionTimer.REFRESHER_UNSPECIFIED: None,
    call_pb.SessionTimer.REFRESHER_LOCAL: Refresher.LOCAL,
    call_pb.SessionTimer.REFRESHER_REMOTE: Refresher.REMOTE,
}


def address(
    check: Check, field: str, value: pb.Address, *, sip: bool = False, contact: bool = False
) -> Address:
    """A name-addr. In From and To the tag is the stack's own; a ``contact`` has none."""
    uri = check.uri(f"{field}.uri", value.uri, sip=sip, headers=contact)
    params = []
    for index, parameter in enumerate(value.parameters):
        path = f"{field}.parameters[{index}]"
        check.token(f"{path}.name", parameter.name)
        if not contact and parameter.name.lower() == "tag":
            check.fail(f"{path}.name", "the tag is set by the stack")
        text = None
        if parameter.HasField("value"):
            check.text(f"{path}.value", parameter.value)
            text = _parameter_value(parameter.value)
        params.append((parameter.name, text))
    return Address(
        display_name=check.text(f"{field}.display_name", value.display_name),
        uri=uri,
        params=Params(params),
    )


def callee(
    check: Check, field: str, value: pb.Address
) -> tuple[Address, tuple[tuple[str, str], ...]]:
    """Whom to call, and the header fields that the URI asks for: see ``target``."""
    if "?" not in value.uri:
        return address(check, field, value), ()
    uri, headers = target(check, f"{field}.uri", value.uri)
    bare = pb.Address()
    bare.CopyFrom(value)
    bare.uri = str(uri)
    return address(check, field, bare), headers


def target(check: Check, field: str, text: str) -> tuple[Uri, tuple[tuple[str, str], ...]]:
    """A URI to call, without its headers, and these as fields of the INVITE (RFC 3261 section
    19.1.5): such as the Replaces of a Refer-To. Those that are the stack's own are left out.
    """
    uri = check.uri(field, text, headers=True)
    fields = []
    for pair in filter(None, uri.headers.split("&")):
        name, _, value = pair.partition("=")
        name, value = unquote(name), unquote(value)
        if is_token(name) and canonical(name) not in NOT_FROM_URI:
            check.header(field, name, value, ())
            fields.append((name, value))
    return uri.with_(headers=""), tuple(fields)


def _parameter_value(text: str) -> str:
    # RFC 3261 section 25.1, gen-value: a token or a host stands as it is.
    if is_token(text) or (text.startswith("[") and text.endswith("]") and ":" in text):
        return text
    return quote(text)


def addresses(check: Check, field: str, values: Collection[pb.Address]) -> tuple[Address, ...]:
    """Contacts."""
    check.count(field, len(values), _MOST_PARTS)
    return tuple(
        address(check, f"{field}[{index}]", value, contact=True)
        for index, value in enumerate(values)
    )


def status(
    check: Check, value: pb.SipStatus, *, default: int, least: int, most: int
) -> tuple[int, str]:
    """Code and reason phrase; no code asks for the default."""
    code = value.code and check.code("status.code", value.code, least, most)
    return code or default, check.text("status.reason", value.reason, most=256)


def options(
    check: Check, value: pb.MessageOptions, reserved: Collection[str] = ALWAYS_RESERVED
) -> Options:
    """What the application adds to the message; ``reserved`` headers are refused."""
    if not value.ByteSize():
        return _NO_OPTIONS
    check.count("options.headers", len(value.headers), _MOST_HEADERS)
    for index, header in enumerate(value.headers):
        check.header(f"options.headers[{index}]", header.name, header.value, reserved)
    check.count("options.routes", len(value.routes), _MOST_PARTS)
    for index, route in enumerate(value.routes):
        _route(check, f"options.routes[{index}]", route)
    return Options(
        headers=tuple((header.name, header.value) for header in value.headers),
        routes=tuple(value.routes),
        next_hop=_next_hop(check, value.next_hop) if value.HasField("next_hop") else None,
        contact_params=_contact_params(check, value.contact_parameters),
    )


def _contact_params(check: Check, values: Collection[pb.Parameter]) -> Params:
    check.count("options.contact_parameters", len(values), _MOST_PARTS)
    params = []
    for index, parameter in enumerate(values):
        path = f"options.contact_parameters[{index}]"
        name = check.token(f"{path}.name", parameter.name)
        text = None
        if parameter.HasField("value"):
            check.text(f"{path}.value", parameter.value)
            # RFC 3840 section 9: the value of a feature tag stands in quotes.
            plain = name.lower() in ("q", "expires") and is_token(parameter.value)
            text = parameter.value if plain else quote(parameter.value)
        params.append((name, text))
    return Params(params)


def _route(check: Check, field: str, text: str) -> None:
    try:
        uri = Address.parse(check.text(field, text, required=True)).uri
    except ParseError as error:
        if text:
            check.fail(field, f"is no route: {error}")
        return
    if not uri.is_sip:
        check.fail(field, "must be a sip or sips URI")


def _next_hop(check: Check, value: pb.Endpoint) -> NextHop:
    transport = _TRANSPORTS.get(value.transport)
    if transport is None:
        check.fail("options.next_hop.transport", "is no value of the enumeration")
    host = check.text("options.next_hop.host", value.host, required=True, most=255)
    if " " in host:
        check.fail("options.next_hop.host", "must be a host name or an IP address")
    return NextHop(
        host=host.removeprefix("[").removesuffix("]"),
        port=check.number("options.next_hop.port", value.port, 0, 65_535),
        transport=transport or "",
    )


def body(check: Check, field: str, value: pb.Body) -> Body:
    """A body, whatever is in it."""
    return Body(
        content_type=check.media_type(f"{field}.content_type", value.content_type),
        data=value.data,
        disposition=check.text(f"{field}.content_disposition", value.content_disposition),
    )


def bodies(check: Check, field: str, values: Collection[pb.Body]) -> tuple[Body, ...]:
    """Several bodies."""
    check.count(field, len(values), _MOST_PARTS)
    return tuple(body(check, f"{field}[{index}]", value) for index, value in enumerate(values))


def description(
    check: Check, field: str, value: sdp_pb2.SessionDescription, *, host: str
) -> Body | None:
    """A session description as the body that says it; see ``descriptions.to_body``."""
    form = value.WhichOneof("form")
    if form is None:
        check.fail(field, "needs raw or sdp")
        return None
    if form == "raw" and not value.raw:
        check.fail(f"{field}.raw", "must not be empty")
        return None
    try:
        return descriptions.to_body(value, host=host)
    except SdpError as error:
        check.fail(f"{field}.sdp.{error.field}" if error.field else f"{field}.sdp", error.detail)
        return None


def credentials(check: Check, values: Iterable[pb.Credentials]) -> tuple[Credentials, ...]:
    """Secrets for digest."""
    found = []
    for index, value in enumerate(values):
        path = f"credentials[{index}]"
        secret = value.WhichOneof("secret")
        if secret is None:
            check.fail(f"{path}.secret", "needs password or ha1")
        if secret == "ha1" and not is_ha1(value.ha1):
            check.fail(f"{path}.ha1", "must be 32 (MD5) or 64 (SHA-256) hexadecimal digits")
        found.append(
            Credentials(
                realm=check.text(f"{path}.realm", value.realm),
                username=check.text(f"{path}.username", value.username, required=True),
                password=value.password if secret == "password" else None,
                ha1=value.ha1 if secret == "ha1" else None,
            )
        )
    check.count("credentials", len(found), _MOST_PARTS)
    return tuple(found)


def policy(check: Check, value: call_pb.CallPolicy) -> Policy:
    """What the stack does by itself for the call."""
    reliability = _RELIABILITY.get(value.reliable_provisional)
    if reliability is None:
        check.fail("policy.reliable_provisional", "is no value of the enumeration")
    forked_answers = _FORKED_ANSWERS.get(value.forked_answers)
    if forked_answers is None:
        check.fail("policy.forked_answers", "is no value of the enumeration")
    offers = _OFFERS.get(value.offers)
    if offers is None:
        check.fail("policy.offers", "is no value of the enumeration")
    return Policy(
        reliability=reliability or Reliability.SUPPORTED,
        ring_timeout=_limit(check, value, "ring_timeout"),
        max_duration=_limit(check, value, "max_duration"),
        max_redirects=check.number("policy.max_redirects", value.max_redirects, 0, 70),
        respond_timeout=_limit(check, value, "respond_timeout"),
        forked_answers=forked_answers or ForkedAnswers.KEEP_FIRST,
        session_timer=(
            _session_timer(check, value.session_timer) if value.HasField("session_timer") else None
        ),
        offers=offers or Offers.ASK,
    )


def _session_timer(check: Check, value: call_pb.SessionTimer) -> TimerWish:
    field = "policy.session_timer"
    interval = min_se = None
    if value.HasField("interval"):
        interval = float(math.ceil(check.seconds(f"{field}.interval", value.interval)))
    if value.HasField("min_se"):
        min_se = float(math.ceil(check.positive(f"{field}.min_se", value.min_se)))
    for name, seconds in (("interval", interval), ("min_se", min_se)):
        if seconds is not None and seconds > LARGEST_SECONDS:
            check.fail(f"{field}.{name}", f"must not be longer than {LARGEST_SECONDS} seconds")
    if interval and min_se and interval < min_se:
        check.fail(f"{field}.interval", "must not be shorter than min_se")
    if value.refresher not in _REFRESHERS:
        check.fail(f"{field}.refresher", "is no value of the enumeration")
    return TimerWish(interval=interval, min_se=min_se, refresher=_REFRESHERS.get(value.refresher))


def _limit(check: Check, value: call_pb.CallPolicy, name: str) -> float | None:
    intervals = {
        "ring_timeout": value.ring_timeout,
        "max_duration": value.max_duration,
        "respond_timeout": value.respond_timeout,
    }
    if not value.HasField(name):  # type: ignore[arg-type]
        return None
    return check.positive(f"policy.{name}", intervals[name])


def outbound(check: Check, value: registration_pb.Outbound) -> Outbound:
    """How to register over flows (RFC 5626)."""
    if value.instance_id and not is_urn(value.instance_id):
        check.fail("outbound.instance_id", 'must be a URN such as "urn:uuid:..."')
    check.count("outbound.edges", len(value.edges), _MOST_EDGES)
    edges = tuple(
        check.uri(f"outbound.edges[{index}]", edge, sip=True)
        for index, edge in enumerate(value.edges[:_MOST_EDGES])
    )
    return Outbound(instance_id=value.instance_id, edges=edges)
