"""How things are written on the command line of ``picosip load``."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from picosip.v1 import load_service_pb2 as load_pb, sip_pb2
from picosip_server.cli_load import notation
from picosip_server.cli_load.notation import Amount, duration


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("10", 10.0),
        ("0", 0.0),
        ("0.5", 0.5),
        (".5s", 0.5),
        ("50ms", 0.05),
        ("250us", 0.00025),
        ("2m", 120.0),
        ("2min", 120.0),
        ("1h30m", 5400.0),
        ("1m30s500ms", 90.5),
        ("1d", 86400.0),
        (" 3S ", 3.0),
    ],
)
def test_times(text: str, value: float) -> None:
    assert notation.seconds(text) == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize(
    ("text", "value"),
    [("100", 100.0), ("0.5", 0.5), ("100/s", 100.0), ("30/m", 0.5), ("36/h", 0.01)],
)
def test_rates(text: str, value: float) -> None:
    assert notation.positive_rate(text) == pytest.approx(value)


def test_counts() -> None:
    assert [notation.count(text) for text in ("1", "10k", "2M")] == [1, 10_000, 2_000_000]


def test_ramps_and_steps() -> None:
    assert notation.ramp("0:200:1m") == load_pb.RampRate(to_rate=200.0, duration=duration(60.0))
    assert notation.step("100:50:10s") == load_pb.StepRate(
        from_rate=100.0, step=50.0, every=duration(10.0)
    )
    assert notation.step("0:30/m:500ms:1000").max_rate == 1000.0
    assert notation.step("0:30/m:500ms:1000").step == 0.5


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("30s", load_pb.Distribution(constant=duration(30.0))),
        ("constant:1500ms", load_pb.Distribution(constant=duration(1.5))),
        (
            "uniform:10s:1m",
            load_pb.Distribution(
                uniform=load_pb.UniformDistribution(min=duration(10.0), max=duration(60.0))
            ),
        ),
        ("exp:30", load_pb.Distribution(exponential=duration(30.0))),
        ("exponential:30s", load_pb.Distribution(exponential=duration(30.0))),
        (
            "normal:30s:500ms",
            load_pb.Distribution(
                normal=load_pb.NormalDistribution(mean=duration(30.0), deviation=duration(0.5))
            ),
        ),
    ],
)
def test_distributions(text: str, value: load_pb.Distribution) -> None:
    assert notation.distribution(text) == value


def test_amounts_and_shares() -> None:
    assert notation.amount("5") == Amount(5.0, False)
    assert notation.amount("0.1%") == Amount(pytest.approx(0.001), True)
    assert (str(notation.amount("0")), str(notation.amount("0.1 %"))) == ("0", "0.1 %")
    assert notation.share("10%") == notation.share("10") == pytest.approx(0.1)


def test_outcomes_and_headers() -> None:
    assert notation.outcome("200") == load_pb.Outcome(
        status=sip_pb2.SipStatus(code=200), weight=1.0
    )
    assert notation.outcome("486=0.5").weight == 0.5
    assert notation.header("X-Number: {n}: 1") == sip_pb2.Header(name="X-Number", value="{n}: 1")
    assert notation.header("Subject:") == sip_pb2.Header(name="Subject")


@pytest.mark.parametrize(
    ("parse", "text", "says"),
    [
        (notation.seconds, "", "is no time"),
        (notation.seconds, "5 parsecs", "is no time"),
        (notation.seconds, "-1s", "is no time"),
        (notation.seconds, "1s30", "is no time"),
        (notation.seconds, "9999999999h", "is too long"),
        (notation.positive_seconds, "0ms", "must be more than no time"),
        (notation.rate, "10/y", "is no rate"),
        (notation.rate, "ten", "is no rate"),
        (notation.positive_rate, "0", "must be above zero"),
        (notation.count, "0", "is no number above zero"),
        (notation.count, "1.5k", "is no number above zero"),
        (notation.count, "9" * 20, "is no number above zero"),
        (notation.ramp, "10:20", "FROM:TO:TIME"),
        (notation.ramp, "10:20:", "FROM:TO:TIME"),
        (notation.ramp, "0:0:1s", "never leaves zero"),
        (notation.step, "1:0:1s", "must be above zero"),
        (notation.step, "1:2:3:4:5", "FROM:STEP:EVERY[:MAX]"),
        (notation.distribution, "pareto:1s:2s", "is none of"),
        (notation.distribution, "uniform:2s:1s", "ends before it begins"),
        (notation.distribution, "uniform:2s", "uniform:MIN:MAX"),
        (notation.distribution, "exp:", "is no time"),
        (notation.amount, "few", "neither a number nor a share"),
        (notation.amount, "%", "neither a number nor a share"),
        (notation.outcome, "180", "final status"),
        (notation.outcome, "202", "200, or 300 to 699"),
        (notation.outcome, "200=", "weight"),
        (notation.outcome, "200=0", "weight"),
        (notation.header, "Subject", "is no header field"),
        (notation.header, "Sub ject: x", "is no header field"),
    ],
)
def test_what_is_wrong_is_said(parse: Callable[[str], object], text: str, says: str) -> None:
    with pytest.raises(ValueError) as raised:
        parse(text)
    assert says in str(raised.value)
