"""How rates, times, distributions, shares and the like are written on the command line.

Each function raises ValueError with what is wrong.
"""

from __future__ import annotations

import math
import re
from typing import NamedTuple

from google.protobuf.duration_pb2 import Duration

from picosip.v1 import load_service_pb2 as load_pb, sip_pb2

_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_NUMBER = r"\d+(?:\.\d*)?|\.\d+"
_PART = re.compile(rf"({_NUMBER})(us|ms|min|s|m|h|d)")
_PLAIN = re.compile(_NUMBER)
# What a google.protobuf.Duration holds: about 10,000 years.
_LONGEST = 315_576_000_000.0


def seconds(text: str) -> float:
    """``10``, ``10s``, ``50ms``, ``2m``, ``1h30m``: a time in seconds."""
    bare = text.strip().lower()
    if _PLAIN.fullmatch(bare):
        found = float(bare)
    elif bare and re.fullmatch(rf"(?:{_PART.pattern})+", bare):
        found = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(bare))
    else:
        raise ValueError(f"{text!r} is no time, such as 10, 50ms, 2s or 1h30m")
    if found > _LONGEST:
        raise ValueError(f"{text!r} is too long")
    return found


def positive_seconds(text: str) -> float:
    """A time above zero."""
    found = seconds(text)
    if found == 0:
        raise ValueError(f"{text!r} must be more than no time")
    return found


def rate(text: str) -> float:
    """``100``, ``0.5``, ``100/s``, ``30/m``: so many in a second."""
    number, _, per = text.strip().partition("/")
    if not _PLAIN.fullmatch(number) or per not in ("", "s", "m", "min", "h"):
        raise ValueError(f"{text!r} is no rate, such as 100, 0.5 or 30/m")
    return float(number) / _UNITS[per or "s"]


def positive_rate(text: str) -> float:
    """A rate above zero."""
    found = rate(text)
    if found == 0:
        raise ValueError(f"{text!r} must be above zero")
    return found


def count(text: str) -> int:
    """``1000``, ``10k``, ``2M``: a whole number above zero."""
    match = re.fullmatch(r"(\d+)([kM]?)", text.strip())
    found = int(match[1]) * {"": 1, "k": 1_000, "M": 1_000_000}[match[2]] if match else 0
    if not 0 < found < 1 << 63:
        raise ValueError(f"{text!r} is no number above zero, such as 1000 or 10k")
    return found


def ramp(text: str) -> load_pb.RampRate:
    """``FROM:TO:TIME``: from one rate to another in this time."""
    parts = _parts(text, "FROM:TO:TIME, such as 10:200:1m", 3, 3)
    found = load_pb.RampRate(
        from_rate=rate(parts[0]),
        to_rate=rate(parts[1]),
        duration=duration(positive_seconds(parts[2])),
    )
    if found.from_rate == found.to_rate == 0:
        raise ValueError(f"{text!r} never leaves zero")
    return found


def step(text: str) -> load_pb.StepRate:
    """``FROM:STEP:EVERY[:MAX]``: a rate that rises by a step each time."""
    parts = _parts(text, "FROM:STEP:EVERY[:MAX], such as 100:50:10s:1000", 3, 4)
    return load_pb.StepRate(
        from_rate=rate(parts[0]),
        step=positive_rate(parts[1]),
        every=duration(positive_seconds(parts[2])),
        max_rate=positive_rate(parts[3]) if len(parts) == 4 else 0.0,
    )


def distribution(text: str) -> load_pb.Distribution:
    """``30s``, ``uniform:10s:60s``, ``exp:30s``, ``normal:30s:5s``: how long, each time."""
    kind, _, rest = text.partition(":")
    match kind.strip().lower():
        case "uniform":
            low, high = map(seconds, _parts(rest, "uniform:MIN:MAX", 2, 2))
            if high < low:
                raise ValueError(f"{text!r} ends before it begins")
            return load_pb.Distribution(
                uniform=load_pb.UniformDistribution(min=duration(low), max=duration(high))
            )
        case "exp" | "exponential":
            return load_pb.Distribution(exponential=duration(positive_seconds(rest)))
        case "normal":
            mean, deviation = map(seconds, _parts(rest, "normal:MEAN:DEVIATION", 2, 2))
            return load_pb.Distribution(
                normal=load_pb.NormalDistribution(
                    mean=duration(mean), deviation=duration(deviation)
                )
            )
        case "constant":
            return load_pb.Distribution(constant=duration(seconds(rest)))
    if rest:
        raise ValueError(f"{text!r} is none of TIME, uniform:MIN:MAX, exp:MEAN, normal:MEAN:DEV")
    return load_pb.Distribution(constant=duration(seconds(text)))


class Amount(NamedTuple):
    """How much is allowed: a number, or a share of the whole."""

    value: float
    """A number; of a share, 0 to 1 or more."""
    share: bool

    def __str__(self) -> str:
        return f"{self.value * 100:g} %" if self.share else f"{self.value:g}"


def amount(text: str) -> Amount:
    """``5`` or ``0.1%``: a number, or a share."""
    bare = text.strip()
    number = bare.removesuffix("%").rstrip()
    if not _PLAIN.fullmatch(number):
        raise ValueError(f"{text!r} is neither a number nor a share, such as 0.1%")
    if number == bare:
        return Amount(float(number), False)
    return Amount(float(number) / 100, True)


def share(text: str) -> float:
    """``10%``, or ``10`` for the same: a share, as a fraction of one."""
    found = amount(text)
    return found.value if found.share else found.value / 100


def outcome(text: str) -> load_pb.Outcome:
    """``CODE[=WEIGHT]``, such as ``486=10``: a final status and how often it is to come."""
    code, given, weight = text.partition("=")
    if not re.fullmatch(r"200|[3-6]\d\d", code.strip()):
        raise ValueError(f"{text!r} does not begin with a final status: 200, or 300 to 699")
    if given and (not _PLAIN.fullmatch(weight.strip()) or float(weight) == 0):
        raise ValueError(f"{text!r}: the weight must be a number above zero")
    return load_pb.Outcome(
        status=sip_pb2.SipStatus(code=int(code)), weight=float(weight) if given else 1.0
    )


def header(text: str) -> sip_pb2.Header:
    """``Name: value``."""
    name, colon, value = text.partition(":")
    if not colon or not re.fullmatch(r"[!%'*+\-.0-9A-Z_`a-z~]+", name.strip()):
        raise ValueError(f"{text!r} is no header field, such as 'Subject: load {{n}}'")
    return sip_pb2.Header(name=name.strip(), value=value.strip())


def duration(value: float) -> Duration:
    """Seconds as a message, to the nanosecond."""
    if not math.isfinite(value):
        raise ValueError(f"{value} is no time")
    found = Duration()
    found.FromNanoseconds(round(value * 1e9))
    return found


def _parts(text: str, expected: str, least: int, most: int) -> list[str]:
    parts = text.split(":")
    if not least <= len(parts) <= most or not all(parts):
        raise ValueError(f"{text!r} is not of the form {expected}")
    return parts
