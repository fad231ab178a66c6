"""Loads, from the API to the engine."""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Hashable
from dataclasses import replace
from typing import Any, TypeVar

from google.protobuf.duration_pb2 import Duration

from picosip.v1 import call_service_pb2 as call_pb, load_service_pb2 as pb
from picosip_server.engine.load.arrivals import Profile
from picosip_server.engine.load.distributions import (
    Constant,
    Distribution,
    Exponential,
    Normal,
    Uniform,
)
from picosip_server.engine.load.policy import alone
from picosip_server.engine.load.rates import ConstantRate, RampRate, Rate, StepRate
from picosip_server.engine.load.script import (
    AnswerScript,
    CallScript,
    Load,
    MessageScript,
    Outcome,
    RegisterScript,
    Script,
)
from picosip_server.engine.load.targets import Targets
from picosip_server.engine.load.templates import Row, Table, TemplateError, Templates
from picosip_server.service.convert import commands as convert, load_targets, requests
from picosip_server.service.convert.load_texts import marked
from picosip_server.service.errors import ApiError
from picosip_server.service.validate import CONTACT_RESERVED, Check
from picosip_server.sip.hop import Target
from picosip_server.sip.ua import commands

_MOST_RATE = 100_000.0
_MOST_ROWS = 100_000
_MOST_COLUMNS = 64
_MOST_OUTCOMES = 32
_MOST_USERS = 64
_LEAST_INTERVAL = 0.05
_LONGEST_INTERVAL = 3600.0
_USUAL_INTERVAL = 1.0

Made = TypeVar("Made", bound=commands.Command)


def progress_interval(check: Check, request: pb.LoadServiceRunRequest) -> float:
    """Seconds between responses."""
    if not request.HasField("progress_interval"):
        return _USUAL_INTERVAL
    seconds = check.seconds("progress_interval", request.progress_interval)
    if not _LEAST_INTERVAL <= seconds <= _LONGEST_INTERVAL:
        check.fail("progress_interval", "must be from 50 milliseconds to an hour")
    return seconds


def load(
    check: Check, request: pb.LoadServiceRunRequest, name: str, *, host: str, targets: Targets
) -> Load:
    """The load that a request describes. Raises ApiError if it is not as it must be."""
    check.request_id(request.request_id)
    kind = request.WhichOneof("script")
    table = _table(check, request.table)
    profile = None
    if kind == "answers":
        if request.HasField("profile"):
            check.fail("profile", "must not be set with answers: the callers decide")
    elif kind is not None:
        profile = _profile(check, request)
    else:
        check.fail("script", "needs calls, registrations, messages or answers")
    check.done()
    reader = _Reader(check, table, host)
    script: Script
    if kind == "calls":
        script = reader.calls(request.calls)
    elif kind == "registrations":
        script = reader.registrations(request.registrations)
    elif kind == "messages":
        script = reader.messages(request.messages)
    else:
        script = reader.answers(request.answers)
    check.done()
    known: tuple[Target, ...] = ()
    if reader.sample is not None:
        known = load_targets.known(reader.sample, reader.word, targets)
    return Load(
        name=name,
        script=script,
        profile=profile,
        table=table,
        targets=targets,
        known=known,
        seed=request.seed,
        publish=request.publish_events,
    )


def _table(check: Check, value: pb.LoadTable) -> Table:
    columns = list(value.columns)
    check.count("table.columns", len(columns), _MOST_COLUMNS)
    for index, column in enumerate(columns):
        path = f"table.columns[{index}]"
        check.token(path, column)
        if column == "n":
            check.fail(path, "must not be n, which is the number")
        elif column in columns[:index]:
            check.fail(path, "is there twice")
    check.count("table.rows", len(value.rows), _MOST_ROWS)
    if columns and not value.rows:
        check.fail("table.rows", "is required where there are columns")
    for index, row in enumerate(value.rows):
        if len(row.values) != len(columns):
            check.fail(f"table.rows[{index}]", f"must have {len(columns)} values")
    return Table(columns, [tuple(row.values) for row in value.rows])


def _profile(check: Check, request: pb.LoadServiceRunRequest) -> Profile | None:
    value = request.profile
    if not request.HasField("profile"):
        check.fail("profile", "is required")
        return None
    if value.arrivals not in pb.LoadProfile.Arrivals.values():
        check.fail("profile.arrivals", "is no value of the enumeration")
    duration = math.inf
    if value.HasField("duration"):
        duration = check.positive("profile.duration", value.duration)
    if value.count < 0:
        check.fail("profile.count", "must not be negative")
    if value.max_concurrent < 0:
        check.fail("profile.max_concurrent", "must not be negative")
    return Profile(
        rate=_rate(check, value),
        count=value.count,
        duration=duration,
        max_concurrent=value.max_concurrent,
        poisson=value.arrivals == pb.LoadProfile.ARRIVALS_POISSON,
    )


def _rate(check: Check, value: pb.LoadProfile) -> Rate:
    kind = value.WhichOneof("rate")
    if kind == "constant":
        return ConstantRate(_number(check, "profile.constant", value.constant, above=0.0))
    if kind == "ramp":
        ramp = value.ramp
        first = _number(check, "profile.ramp.from_rate", ramp.from_rate)
        last = _number(check, "profile.ramp.to_rate", ramp.to_rate)
        if first == last == 0:
            check.fail("profile.ramp.to_rate", "must not be zero as from_rate is")
        duration = check.positive("profile.ramp.duration", ramp.duration)
        return RampRate(first, last, duration or 1.0)
    if kind == "step":
        step = value.step
        first = _number(check, "profile.step.from_rate", step.from_rate)
        more = _number(check, "profile.step.step", step.step, above=0.0)
        every = check.positive("profile.step.every", step.every)
        most = _number(check, "profile.step.max_rate", step.max_rate) or math.inf
        if most < first:
            check.fail("profile.step.max_rate", "must not be less than from_rate")
        return StepRate(first, more, every or 1.0, most)
    check.fail("profile.rate", "needs constant, ramp or step")
    return ConstantRate(1.0)


def _number(check: Check, field: str, value: float, *, above: float | None = None) -> float:
    if above is not None and not value > above:
        check.fail(field, f"must be above {above:g}")
    elif not 0 <= value <= _MOST_RATE:
        check.fail(field, f"must be from 0 to {_MOST_RATE:g} a second")
    return value


def distribution(check: Check, field: str, value: pb.Distribution) -> Distribution | None:
    """How long something lasts."""
    kind = value.WhichOneof("kind")

    def seconds(name: str, part: Duration, *, positive: bool = False) -> float:
        path = f"{field}.{name}"
        return check.positive(path, part) if positive else check.seconds(path, part)

    if kind == "constant":
        return Constant(seconds("constant", value.constant))
    if kind == "uniform":
        least, most = (
            seconds("uniform.min", value.uniform.min),
            seconds("uniform.max", value.uniform.max),
        )
        if most < least:
            check.fail(f"{field}.uniform.max", "must not be less than min")
        return Uniform(least, most)
    if kind == "exponential":
        return Exponential(seconds("exponential", value.exponential, positive=True) or 1.0)
    if kind == "normal":
        return Normal(
            seconds("normal.mean", value.normal.mean),
            seconds("normal.deviation", value.normal.deviation),
        )
    check.fail(field, "needs constant, uniform, exponential or normal")
    return None


class _Reader:
    """Reads one script."""

    def __init__(self, check: Check, table: Table, host: str) -> None:
        self._check = check
        self._host = host
        self.word = f"qz{secrets.token_hex(6)}x"
        """What each mark begins with; nobody writes it by chance."""
        self._templates = Templates(table, self.word)
        self.sample: commands.Invite | commands.Register | commands.Transact | None = None
        """One command, with marks."""

    def calls(self, value: pb.CallScript) -> CallScript:
        """Placed calls."""
        check = self._check
        hold = self._hold("calls.hold", value)
        self._refuse("calls.invite", value.invite, "request_id", "wait_for", "labels")
        request = marked(check, "calls.invite", value.invite, self._templates)
        check.done()
        made = _within("calls.invite", lambda: convert.invite(request, host=self._host)(None))
        assert isinstance(made, commands.Invite)
        sample = self.sample = replace(
            made, wait_for=commands.WaitFor.FINAL, policy=alone(made.policy)
        )
        return CallScript(make=self._maker("calls.invite", sample), hold=hold)

    def registrations(self, value: pb.RegisterScript) -> RegisterScript:
        """Registrations."""
        check = self._check
        hold = self._hold("registrations.hold", value)
        path = "registrations.register"
        self._refuse(path, value.register, "request_id", "no_wait", "labels", "outbound")
        request = marked(check, path, value.register, self._templates)
        check.done()
        made = _within(path, lambda: convert.register(request)(None))
        assert isinstance(made, commands.Register)
        self.sample = made
        return RegisterScript(make=self._maker(path, made), hold=hold)

    def messages(self, value: pb.MessageScript) -> MessageScript:
        """MESSAGEs outside dialogs."""
        check = self._check
        path = "messages.message"
        self._refuse(path, value.message, "request_id", "call")
        request = marked(check, path, value.message, self._templates)
        check.done()
        made = _within(path, lambda: requests.send_message(request)(None))
        assert isinstance(made, commands.Transact)
        self.sample = made
        return MessageScript(make=self._maker(path, made))

    def answers(self, value: pb.AnswerScript) -> AnswerScript:
        """Answered calls."""
        check = self._check
        self._refuse("answers.answer", value.answer, "request_id", "name", "no_wait")
        check.count("answers.users", len(value.users), _MOST_USERS)
        for index, user in enumerate(value.users):
            check.text(f"answers.users[{index}]", user, required=True, most=256)
        outcomes = tuple(
            _outcome(check, f"answers.outcomes[{index}]", each)
            for index, each in enumerate(value.outcomes)
        )
        check.count("answers.outcomes", len(outcomes), _MOST_OUTCOMES)
        delay = None
        if value.HasField("delay"):
            delay = distribution(check, "answers.delay", value.delay)
        hold = self._hold("answers.hold", value)
        duration = None
        if value.HasField("duration"):
            duration = check.positive("answers.duration", value.duration)
        check.done()
        request = call_pb.AnswerRequest()
        request.CopyFrom(value.answer)
        # Of no call in particular.
        request.name = "calls/any"
        made = _within("answers.answer", lambda: convert.answer(request, host=self._host)(None))
        assert isinstance(made, commands.Answer)
        return AnswerScript(
            users=tuple(value.users),
            outcomes=outcomes or (Outcome(),),
            ringing=value.ringing,
            delay=delay,
            hold=hold,
            answer=replace(made, policy=alone(made.policy or commands.Policy())),
            duration=duration,
        )

    def _hold(
        self, field: str, value: pb.CallScript | pb.RegisterScript | pb.AnswerScript
    ) -> Distribution | None:
        if not value.HasField("hold"):
            return None
        return distribution(self._check, field, value.hold)

    def _refuse(self, path: str, request: Any, *names: str) -> None:
        """Fields that have no meaning in a load."""
        for name in names:
            if getattr(request, name) and (
                not hasattr(getattr(request, name), "ListFields") or request.HasField(name)
            ):
                self._check.fail(f"{path}.{name}", "is not taken in a load")

    def _maker(self, path: str, sample: Made) -> Callable[[Hashable, int, Row], Made]:
        try:
            return self._templates.compile_command(sample)
        except TemplateError as error:
            self._check.fail(path, str(error))
            return lambda token, number, row: sample


def _outcome(check: Check, field: str, value: pb.Outcome) -> Outcome:
    if not 0 < value.weight < math.inf:
        check.fail(f"{field}.weight", "must be above 0")
    status = value.status.code
    if not (status == 200 or 300 <= status <= 699):
        check.fail(f"{field}.status.code", "must be 200, or from 300 to 699")
    for index, header in enumerate(value.headers):
        reserved = CONTACT_RESERVED - {"contact"} if 300 <= status < 400 else CONTACT_RESERVED
        check.header(f"{field}.headers[{index}]", header.name, header.value, reserved)
    return Outcome(
        weight=value.weight,
        status=status,
        reason=check.text(f"{field}.status.reason", value.status.reason, most=256),
        headers=tuple((header.name, header.value) for header in value.headers),
    )


def _within(path: str, convert_it: Callable[[], commands.Command]) -> commands.Command:
    """What is converted as a request of its own, whose faults are named within the script."""
    try:
        return convert_it()
    except ApiError as error:
        raise error.within(path) from error
