"""The RPCs of LoadService, and scripts for it made from plain Python values."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from picosip._rpc import unary
from picosip._values import (
    AddressLike,
    BodyLike,
    CredentialsLike,
    HeadersLike,
    StatusLike,
    as_address,
    as_body,
    as_credentials,
    as_status,
    duration,
    with_headers,
)
from picosip.v1 import (
    call_service_pb2 as call_pb,
    load_service_pb2 as pb,
    registration_service_pb2 as registration_pb,
    request_service_pb2 as request_pb,
    sdp_pb2,
    sip_pb2,
)

Script = pb.CallScript | pb.RegisterScript | pb.MessageScript | pb.AnswerScript
"""What a load does."""

DistributionLike = float | pb.Distribution
"""Seconds that are always the same, or a Distribution."""

RateLike = float | pb.RampRate | pb.StepRate
"""A rate in a second that stays the same, or one that does not."""


@unary("/picosip.v1.LoadService/Stop", pb.LoadServiceStopResponse, lambda whole: whole.report)
def stop_load(name: str, *, hang_up: bool = False) -> pb.LoadServiceStopRequest:
    """Has a load begin nothing more, and returns its last report once all that lives has ended.

    ``hang_up`` ends what lives at once. Raises NotFound.
    """
    return pb.LoadServiceStopRequest(name=name, hang_up=hang_up)


@unary("/picosip.v1.LoadService/List", pb.LoadServiceListResponse, lambda whole: [*whole.reports])
def list_loads() -> pb.LoadServiceListRequest:
    """How the loads that run stand, and how the last ones ended."""
    return pb.LoadServiceListRequest()


def run_request(
    script: Script,
    *,
    rate: RateLike | None,
    count: int,
    seconds: float | None,
    max_concurrent: int,
    poisson: bool,
    table: pb.LoadTable | None,
    progress_interval: float,
    detached: bool,
    seed: int,
    publish_events: bool,
    request_id: str,
) -> pb.LoadServiceRunRequest:
    """The request of ``Client.run_load``, whose arguments these are."""
    request = pb.LoadServiceRunRequest(
        request_id=request_id,
        table=table,
        progress_interval=duration(progress_interval),
        detached=detached,
        seed=seed,
        publish_events=publish_events,
    )
    if isinstance(script, pb.CallScript):
        request.calls.CopyFrom(script)
    elif isinstance(script, pb.RegisterScript):
        request.registrations.CopyFrom(script)
    elif isinstance(script, pb.MessageScript):
        request.messages.CopyFrom(script)
    else:
        request.answers.CopyFrom(script)
        if seconds is not None:
            request.answers.duration.FromNanoseconds(round(seconds * 1e9))
        return request
    profile = request.profile
    profile.count = count
    profile.max_concurrent = max_concurrent
    if seconds is not None:
        profile.duration.FromNanoseconds(round(seconds * 1e9))
    if poisson:
        profile.arrivals = pb.LoadProfile.ARRIVALS_POISSON
    if isinstance(rate, pb.RampRate):
        profile.ramp.CopyFrom(rate)
    elif isinstance(rate, pb.StepRate):
        profile.step.CopyFrom(rate)
    elif rate is not None:
        profile.constant = rate
    return request


def call_script(
    from_address: AddressLike,
    to_address: AddressLike,
    offer: sdp_pb2.SessionDescription | None = None,
    *,
    hold: DistributionLike | None = None,
    request_uri: str = "",
    credentials: CredentialsLike = (),
    headers: HeadersLike = (),
    options: sip_pb2.MessageOptions | None = None,
    policy: call_pb.CallPolicy | None = None,
) -> pb.CallScript:
    """Calls as ``Client.invite`` places them, ended by BYE ``hold`` after the answer, or at once.

    Each text may hold placeholders: ``{n}`` is the number of the call, ``{n:05}`` with leading
    zeros, ``{n%100}`` modulo, ``{column}`` a value of the table; ``{{`` and ``}}`` are braces.
    """
    return pb.CallScript(
        invite=call_pb.InviteRequest(
            from_address=as_address(from_address),
            to_address=as_address(to_address),
            request_uri=request_uri,
            offer=offer,
            credentials=as_credentials(credentials),
            options=with_headers(options, headers),
            policy=policy,
        ),
        hold=_distribution(hold),
    )


def register_script(
    registrar_uri: str,
    aor: AddressLike,
    *,
    hold: DistributionLike | None = None,
    expires: float | None = None,
    credentials: CredentialsLike = (),
    headers: HeadersLike = (),
    options: sip_pb2.MessageOptions | None = None,
) -> pb.RegisterScript:
    """Registrations as ``Client.register`` makes them, each removed after ``hold``, or all when
    the load ends. Placeholders: see ``call_script``."""
    return pb.RegisterScript(
        register=registration_pb.RegisterRequest(
            registrar_uri=registrar_uri,
            aor=as_address(aor),
            expires=duration(expires),
            credentials=as_credentials(credentials),
            options=with_headers(options, headers),
        ),
        hold=_distribution(hold),
    )


def message_script(
    from_address: AddressLike,
    to_address: AddressLike,
    body: BodyLike,
    *,
    credentials: CredentialsLike = (),
    headers: HeadersLike = (),
    options: sip_pb2.MessageOptions | None = None,
) -> pb.MessageScript:
    """MESSAGEs as ``Client.send_message`` sends them. Placeholders: see ``call_script``."""
    return pb.MessageScript(
        message=request_pb.SendMessageRequest(
            from_address=as_address(from_address),
            to_address=as_address(to_address),
            body=as_body(body),
            credentials=as_credentials(credentials),
            options=with_headers(options, headers),
        )
    )


def answer_script(
    users: Iterable[str] = (),
    *,
    ringing: bool = False,
    delay: DistributionLike | None = None,
    hold: DistributionLike | None = None,
    outcomes: Iterable[tuple[float, StatusLike]] = (),
    description: sdp_pb2.SessionDescription | None = None,
    headers: HeadersLike = (),
    policy: call_pb.CallPolicy | None = None,
) -> pb.AnswerScript:
    """Answers incoming calls to these ``users`` (``load*`` for all that begin so; none: all).

    ``ringing``: with a 180 at once. ``delay``: until the final response. ``hold``: from the ACK
    to a BYE; None leaves it to the caller. ``outcomes``: weights and statuses; none: 200 for
    all. Without a ``description`` an offer is answered with its own streams.
    """
    answer = None
    if description is not None or headers or policy is not None:
        answer = call_pb.AnswerRequest(
            description=description, options=with_headers(None, headers), policy=policy
        )
    return pb.AnswerScript(
        users=users,
        ringing=ringing,
        delay=_distribution(delay),
        hold=_distribution(hold),
        outcomes=[
            pb.Outcome(weight=weight, status=as_status(status)) for weight, status in outcomes
        ],
        answer=answer,
    )


def load_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> pb.LoadTable:
    """Values for placeholders: each call, registration or message takes the next row."""
    return pb.LoadTable(columns=columns, rows=[pb.LoadRow(values=row) for row in rows])


def load_table_from_csv(path: str | Path) -> pb.LoadTable:
    """The same from a CSV file whose first line names the columns. Raises OSError."""
    with Path(path).open(newline="", encoding="utf-8") as file:
        lines = csv.reader(file)
        columns = next(lines, [])
        return load_table(columns, [line for line in lines if line])


def ramp(from_rate: float, to_rate: float, seconds: float) -> pb.RampRate:
    """A rate that goes from one to another in so many seconds."""
    return pb.RampRate(from_rate=from_rate, to_rate=to_rate, duration=duration(seconds))


def steps(from_rate: float, step: float, every: float, max_rate: float = 0.0) -> pb.StepRate:
    """A rate that rises by ``step`` every so many seconds, up to ``max_rate`` (0: no bound)."""
    return pb.StepRate(from_rate=from_rate, step=step, every=duration(every), max_rate=max_rate)


def uniform(least: float, most: float) -> pb.Distribution:
    """Any time between two is as likely as any other; seconds."""
    return pb.Distribution(uniform=pb.UniformDistribution(min=duration(least), max=duration(most)))


def exponential(mean: float) -> pb.Distribution:
    """As telephone calls last, on average ``mean`` seconds."""
    return pb.Distribution(exponential=duration(mean))


def normal(mean: float, deviation: float) -> pb.Distribution:
    """Around a mean, cut off at zero; seconds."""
    return pb.Distribution(
        normal=pb.NormalDistribution(mean=duration(mean), deviation=duration(deviation))
    )


def _distribution(value: DistributionLike | None) -> pb.Distribution | None:
    if value is None or isinstance(value, pb.Distribution):
        return value
    return pb.Distribution(constant=duration(value))
