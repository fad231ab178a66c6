"""Requests of loads: what is wrong is named, and what is right becomes a script."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import picosip
from picosip.v1 import load_service_pb2 as pb
from picosip_server.engine.load.arrivals import Profile
from picosip_server.engine.load.distributions import Constant, Exponential, Normal, Uniform
from picosip_server.engine.load.rates import RampRate, StepRate
from picosip_server.engine.load.script import AnswerScript, CallScript, Load, RegisterScript
from picosip_server.engine.load.targets import AllowedName, Targets
from picosip_server.service.convert import loads as convert
from picosip_server.service.errors import ApiError
from picosip_server.service.validate import Check
from picosip_server.sip.hop import Target
from picosip_server.sip.ua import commands

OFFER = picosip.raw_sdp("v=0\r\no=- {n} 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n")


def calls(**fields: Any) -> pb.LoadServiceRunRequest:
    fields.setdefault("offer", OFFER)
    script = picosip.call_script("sip:{user}@127.0.0.1", "sip:bob@127.0.0.1", **fields)
    return pb.LoadServiceRunRequest(
        calls=script,
        profile=pb.LoadProfile(constant=10, count=5),
        table=picosip.load_table(["user"], [["anna"], ["bert"]]),
    )


def read(request: pb.LoadServiceRunRequest, targets: Targets | None = None) -> Load:
    return convert.load(Check(), request, "loads/x", host="192.0.2.9", targets=targets or Targets())


def test_a_script_of_calls() -> None:
    load = read(calls(hold=picosip.exponential(2)))
    script = load.script
    assert isinstance(script, CallScript)
    assert script.hold == Exponential(2)
    invite = script.make("token", 1, load.table.row(1))
    assert invite.token == "token"
    assert str(invite.from_address) == "<sip:bert@127.0.0.1>"
    assert invite.offer is not None and b"o=- 1 1 IN" in invite.offer.data
    # There is no application to ask, and nobody to tell before the end.
    assert invite.policy.offers is commands.Offers.ACCEPT
    assert invite.wait_for is commands.WaitFor.FINAL


def test_structured_descriptions_have_placeholders_too() -> None:
    media = picosip.media("audio", 4000, formats=[0], attributes={"label": "{user}-{n}"})
    load = read(calls(offer=picosip.sdp([media], connection="127.0.0.1")))
    assert isinstance(load.script, CallScript)
    invite = load.script.make(None, 4, load.table.row(4))
    assert invite.offer is not None and b"a=label:anna-4\r\n" in invite.offer.data


def test_rates_and_arrivals() -> None:
    request = calls()
    request.profile.ramp.CopyFrom(picosip.ramp(1, 2, 3))
    request.profile.duration.FromSeconds(7)
    request.profile.max_concurrent = 4
    request.profile.arrivals = pb.LoadProfile.ARRIVALS_POISSON
    profile = read(request).profile
    assert isinstance(profile, Profile) and isinstance(profile.rate, RampRate)
    assert profile.rate.at(1.5) == 1.5
    assert (profile.count, profile.duration, profile.max_concurrent) == (5, 7.0, 4)
    assert profile.poisson
    request.profile.step.CopyFrom(picosip.steps(1, 2, 3, 4))
    profile = read(request).profile
    assert profile is not None and isinstance(profile.rate, StepRate)
    assert [profile.rate.at(elapsed) for elapsed in (0, 3, 6)] == [1, 3, 4]


def test_an_answer_script() -> None:
    request = pb.LoadServiceRunRequest(
        answers=picosip.answer_script(
            ["a*"],
            ringing=True,
            delay=picosip.uniform(1, 2),
            hold=picosip.normal(3, 1),
            outcomes=[(3, 200), (1, picosip.SipStatus(code=486, reason="No"))],
        )
    )
    request.answers.duration.FromSeconds(9)
    load = read(request)
    script = load.script
    assert isinstance(script, AnswerScript) and load.profile is None
    assert (script.users, script.ringing, script.duration) == (("a*",), True, 9.0)
    assert (script.delay, script.hold) == (Uniform(1, 2), Normal(3, 1))
    assert [(each.weight, each.status, each.reason) for each in script.outcomes] == [
        (3, 200, ""),
        (1, 486, "No"),
    ]


def test_names_are_looked_up_before_it_begins() -> None:
    request = calls(request_uri="sip:bob@Other.test;transport=tcp")
    request.calls.invite.options.routes.append("<sip:proxy.test:5070;lr>")
    targets = Targets((AllowedName("proxy.test", 5070),))
    assert read(request, targets).known == (
        Target(host="Other.test", transport="TCP"),
        Target(host="proxy.test", port=5070),
    )
    # Where each one leads is seen when it begins.
    assert read(calls(request_uri="sip:bob@{user}.test")).known == ()


def test_a_script_of_registrations() -> None:
    script = picosip.register_script("sip:127.0.0.1", "sip:{n:03}@example.com", hold=5)
    load = read(
        pb.LoadServiceRunRequest(registrations=script, profile=pb.LoadProfile(constant=1, count=1))
    )
    assert isinstance(load.script, RegisterScript)
    assert load.script.hold == Constant(5)
    register = load.script.make("token", 7, ())
    assert str(register.aor) == "<sip:007@example.com>"
    assert register.registrar.host == "127.0.0.1"


def change(**fields: Any) -> Callable[[pb.LoadServiceRunRequest], None]:
    def apply(request: pb.LoadServiceRunRequest) -> None:
        for path, value in fields.items():
            *parents, name = path.split("__")
            target: Any = request
            for parent in parents:
                target = getattr(target, parent)
            if isinstance(value, list):
                getattr(target, name).extend(value)
            elif hasattr(value, "CopyFrom"):
                getattr(target, name).CopyFrom(value)
            else:
                setattr(target, name, value)

    return apply


@pytest.mark.parametrize(
    ("apply", "field", "description"),
    [
        (lambda request: request.ClearField("calls"), "script", "needs calls, registrations,"),
        (lambda request: request.ClearField("profile"), "profile", "is required"),
        (lambda request: request.profile.ClearField("constant"), "profile.rate", "needs constant"),
        (change(request_id="x" * 129), "request_id", "must not be longer"),
        (change(profile__constant=-1.0), "profile.constant", "must be above 0"),
        (change(profile__constant=float("nan")), "profile.constant", "must be above 0"),
        (change(profile__constant=1e6), "profile.constant", "must be from 0 to 100000 a second"),
        (change(profile__count=-1), "profile.count", "must not be negative"),
        (change(profile__max_concurrent=-1), "profile.max_concurrent", "must not be negative"),
        (change(profile__arrivals=9), "profile.arrivals", "is no value of the enumeration"),
        (change(profile__ramp=picosip.ramp(0, 0, 1)), "profile.ramp.to_rate", "must not be zero"),
        (change(profile__ramp=picosip.ramp(1, 1, 0)), "profile.ramp.duration", "longer than zero"),
        (change(profile__step=picosip.steps(1, 0, 1)), "profile.step.step", "must be above 0"),
        (change(profile__step=picosip.steps(5, 1, 1, 4)), "profile.step.max_rate", "less than"),
        (change(table__columns=["n"]), "table.columns[1]", "must not be n, which is the number"),
        (change(table__columns=["user"]), "table.columns[1]", "is there twice"),
        (change(table__rows=[pb.LoadRow()]), "table.rows[2]", "must have 1 values"),
        (change(calls__hold=pb.Distribution()), "calls.hold", "needs constant, uniform"),
        (
            change(calls__hold=picosip.uniform(2, 1)),
            "calls.hold.uniform.max",
            "must not be less than min",
        ),
        (change(calls__invite__request_id="x"), "calls.invite.request_id", "is not taken"),
        (change(calls__invite__wait_for=1), "calls.invite.wait_for", "is not taken in a load"),
        (change(calls__invite__request_uri="sip:{x}@h"), "calls.invite.request_uri", "has {x}"),
        (change(calls__invite__request_uri="sip:"), "calls.invite.request_uri", "is no URI"),
        (
            change(calls__invite__options__headers=[picosip.Header(name="Via", value="x")]),
            "calls.invite.options.headers[0].name",
            "Via is set by the stack",
        ),
        (
            change(calls__invite__options__headers=[picosip.Header(name="X", value="{")]),
            "calls.invite.options.headers[0].value",
            "a brace is written twice",
        ),
        (
            change(calls__invite__request_uri="sip:{bad}@127.0.0.1"),
            "calls.invite.request_uri",
            "has {bad}",
        ),
    ],
)
def test_faults_are_named(
    apply: Callable[[pb.LoadServiceRunRequest], None], field: str, description: str
) -> None:
    request = calls()
    apply(request)
    violations = faults(request)
    assert field in violations
    assert description in violations[field]


def faults(request: pb.LoadServiceRunRequest) -> dict[str, str]:
    with pytest.raises(ApiError) as caught:
        read(request)
    (bad,) = caught.value.details
    return {each.field: each.description for each in bad.field_violations}  # type: ignore[attr-defined]


def test_a_value_that_does_not_fit_is_named() -> None:
    request = calls()
    request.table.rows[1].values[0] = "a b"
    assert faults(request) == {
        "calls.invite": "the value of 'user' in row 1 cannot stand in a URI: some of its "
        "characters need escapes"
    }


@pytest.mark.parametrize(
    ("script", "field"),
    [
        (picosip.answer_script(outcomes=[(0, 200)]), "answers.outcomes[0].weight"),
        (picosip.answer_script(outcomes=[(1, 180)]), "answers.outcomes[0].status.code"),
        (picosip.answer_script([""]), "answers.users[0]"),
        (picosip.answer_script(delay=-1), "answers.delay.constant"),
        (picosip.answer_script(headers=[("Via", "x")]), "answers.answer.options.headers[0].name"),
    ],
)
def test_faults_of_answers_are_named(script: pb.AnswerScript, field: str) -> None:
    assert field in faults(pb.LoadServiceRunRequest(answers=script))


def test_answers_have_no_profile() -> None:
    request = pb.LoadServiceRunRequest(
        answers=picosip.answer_script(), profile=pb.LoadProfile(constant=1)
    )
    assert faults(request) == {"profile": "must not be set with answers: the callers decide"}


@pytest.mark.parametrize("seconds", [0.01, 3601])
def test_reports_come_neither_too_often_nor_too_seldom(seconds: float) -> None:
    request = pb.LoadServiceRunRequest()
    request.progress_interval.FromNanoseconds(int(seconds * 1e9))
    check = Check()
    convert.progress_interval(check, request)
    with pytest.raises(ApiError, match="progress_interval"):
        check.done()
