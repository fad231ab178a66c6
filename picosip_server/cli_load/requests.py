"""From options, and the scenario they began with, to the request that the server gets.

An option that was given wins over the scenario, and that over what is usual.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import MutableSequence

import picosip
from picosip.v1 import load_service_pb2 as load_pb, sip_pb2
from picosip_server.cli_load import notation
from picosip_server.cli_load.options import PatternOptions, RunOptions
from picosip_server.cli_load.scenario import read_octets, read_scenario, read_table
from picosip_server.cli_load.subjects import (
    AnswerOptions,
    CallOptions,
    MessageOptions,
    RegisterOptions,
    UacOptions,
)
from picosip_server.settings_file import SettingsError

_FROM = "sip:load@anonymous.invalid"
_RATE = 10.0
_DURATION = 10.0
_PROGRESS = 1.0
_COMMANDS = {
    "calls": "calls",
    "registrations": "register",
    "messages": "messages",
    "answers": "answer",
}


def call_request(options: CallOptions) -> load_pb.LoadServiceRunRequest:
    """Of ``picosip load calls``. Raises SettingsError, as the others do."""
    request = _begin(options, "calls")
    invite = request.calls.invite
    target = _target(options, invite.request_uri or invite.to_address.uri)
    _address(invite.from_address, options.from_, _FROM)
    if options.to is not None:
        invite.request_uri = target
    elif options.target is not None:
        # That of a scenario would send the calls to where they were before.
        invite.ClearField("request_uri")
    _address(invite.to_address, options.to or options.target, target)
    if options.sdp is not None and options.no_sdp:
        raise SettingsError("--sdp and --no-sdp: give one of them")
    if options.sdp is not None:
        invite.offer.CopyFrom(picosip.raw_sdp(read_octets("--sdp", options.sdp)))
    elif options.no_sdp:
        invite.ClearField("offer")
    elif options.scenario is None:
        invite.offer.CopyFrom(_usual_offer())
    _common(options, invite.options, invite.credentials)
    if options.hold is not None:
        request.calls.hold.CopyFrom(options.hold)
    return request


def register_request(options: RegisterOptions) -> load_pb.LoadServiceRunRequest:
    """Of ``picosip load register``."""
    request = _begin(options, "registrations")
    register = request.registrations.register
    register.registrar_uri = _target(options, register.registrar_uri)
    _address(register.aor, options.aor, f"sip:load{{n}}@{_host(register.registrar_uri)}")
    if options.expires is not None:
        register.expires.CopyFrom(notation.duration(options.expires))
    _common(options, register.options, register.credentials)
    if options.hold is not None:
        request.registrations.hold.CopyFrom(options.hold)
    return request


def message_request(options: MessageOptions) -> load_pb.LoadServiceRunRequest:
    """Of ``picosip load messages``."""
    request = _begin(options, "messages")
    message = request.messages.message
    target = _target(options, message.to_address.uri)
    if options.to is not None and options.target is not None:
        # A MESSAGE goes where its To says, unless there is a route.
        raise SettingsError("--to and TARGET: give one of them, and --route for a way")
    _address(message.from_address, options.from_, _FROM)
    message.to_address.uri = target
    if options.body is not None and options.text is not None:
        raise SettingsError("--body and --text: give one of them")
    if options.body is not None:
        message.body.data = read_octets("--body", options.body)
    elif options.text is not None:
        message.body.data = options.text.encode()
    elif not message.body.data:
        message.body.data = b"load {n}"
    message.body.content_type = options.content_type or message.body.content_type or "text/plain"
    _common(options, message.options, message.credentials)
    return request


def answer_request(options: AnswerOptions) -> load_pb.LoadServiceRunRequest:
    """Of ``picosip load answer``."""
    request = _begin(options, "answers")
    script = request.answers
    script.SetInParent()
    if options.users:
        script.users[:] = options.users
    if options.status:
        del script.outcomes[:]
        script.outcomes.extend(options.status)
    script.ringing |= options.ringing
    if options.delay is not None:
        script.delay.CopyFrom(options.delay)
    if options.hold is not None:
        script.hold.CopyFrom(options.hold)
    if options.sdp is not None:
        script.answer.description.CopyFrom(picosip.raw_sdp(read_octets("--sdp", options.sdp)))
    if options.header:
        script.answer.options.headers.extend(options.header)
    if options.duration is not None:
        script.duration.CopyFrom(notation.duration(options.duration))
    return request


def _begin(options: RunOptions, script: str) -> load_pb.LoadServiceRunRequest:
    """The scenario, or an empty request, with what all kinds of load have."""
    request = load_pb.LoadServiceRunRequest()
    if options.scenario is not None:
        request = read_scenario(options.scenario)
        found = request.WhichOneof("script") or script
        if found != script:
            raise SettingsError(
                f"--scenario {options.scenario}: is for picosip load {_COMMANDS[found]}"
            )
    request.request_id = str(uuid.uuid4())
    if options.csv is not None:
        request.table.CopyFrom(read_table(options.csv))
    if options.seed is not None:
        request.seed = options.seed
    if options.progress is not None or not request.HasField("progress_interval"):
        request.progress_interval.CopyFrom(notation.duration(options.progress or _PROGRESS))
    request.publish_events |= options.events
    request.detached |= options.detach
    if isinstance(options, PatternOptions):
        _profile(options, request.profile)
    return request


def _profile(options: PatternOptions, profile: load_pb.LoadProfile) -> None:
    given = {"--rate": options.rate, "--ramp": options.ramp, "--step": options.step}
    names = [name for name, value in given.items() if value is not None]
    if len(names) > 1:
        raise SettingsError(f"{' and '.join(names)}: give one of them")
    if options.ramp is not None:
        profile.ramp.CopyFrom(options.ramp)
    elif options.step is not None:
        profile.step.CopyFrom(options.step)
    elif options.rate is not None or profile.WhichOneof("rate") is None:
        profile.constant = options.rate or _RATE
    if options.poisson:
        profile.arrivals = load_pb.LoadProfile.ARRIVALS_POISSON
    if options.count is not None or options.duration is not None:
        # What bounded the scenario is not what is wanted now.
        profile.ClearField("count")
        profile.ClearField("duration")
    if options.count is not None:
        profile.count = options.count
    if options.duration is not None:
        profile.duration.CopyFrom(notation.duration(options.duration))
    elif not profile.count and not profile.HasField("duration"):
        profile.duration.CopyFrom(notation.duration(_DURATION))
    if options.concurrent is not None:
        profile.max_concurrent = min(options.concurrent, 2**31 - 1)


def _common(
    options: UacOptions,
    sip: sip_pb2.MessageOptions,
    credentials: MutableSequence[sip_pb2.Credentials],
) -> None:
    sip.headers.extend(options.header or [])
    if options.route:
        sip.routes[:] = [_uri(one) for one in options.route]
    if options.user is not None:
        del credentials[:]
        credentials.append(sip_pb2.Credentials(username=options.user))
    if options.password is not None:
        if not credentials:
            raise SettingsError("--password: wants --user")
        for one in credentials:
            if not one.WhichOneof("secret"):
                one.password = options.password
    if any(not one.WhichOneof("secret") for one in credentials):
        raise SettingsError("--user: wants --password, or PICOSIP_LOAD_PASSWORD")


def _target(options: UacOptions, of_scenario: str) -> str:
    target = options.target
    if target is None and isinstance(options, MessageOptions):
        target = options.to
    found = of_scenario if target is None else _uri(target)
    if not found:
        raise SettingsError("TARGET is missing: a SIP URI, or HOST:PORT")
    return found


def _address(address: sip_pb2.Address, given: str | None, usual: str) -> None:
    if given is not None:
        address.Clear()
        address.uri = _uri(given)
    elif not address.uri:
        address.uri = usual


def _uri(text: str) -> str:
    """A URI as it is, and ``HOST:PORT`` as one."""
    return text if re.match(r"(?i)[a-z][a-z0-9+.-]*:(?!\d+$)", text) else f"sip:{text}"


def _host(uri: str) -> str:
    """Host and port of a SIP URI whose user part may hold placeholders."""
    rest = uri.partition(":")[2].rpartition("@")[2]
    return re.split("[;?]", rest, maxsplit=1)[0]


def _usual_offer() -> picosip.SessionDescription:
    """One audio stream that nobody sends: its addresses are never used."""
    return picosip.sdp(
        [picosip.media("audio", 9, formats=[0], attributes={"rtpmap": "0 PCMU/8000"})],
        connection="127.0.0.1",
    )
