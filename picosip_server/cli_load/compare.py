"""The figures of a report beside those of an earlier one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from picosip_server.cli_load.report import Comparison, Difference, Report
from picosip_server.settings_file import SettingsError


@dataclass(frozen=True, slots=True)
class _Figure:
    name: str
    unit: Literal["s", "/s", "%", ""]
    value: Callable[[Report], float | None]
    more_is_worse: bool = True


_FIGURES = (
    _Figure("rate", "/s", lambda report: report.rate, more_is_worse=False),
    _Figure("failed", "%", lambda report: _share(report.failed, report.started)),
    _Figure(
        "retransmissions",
        "%",
        lambda report: _share(
            report.retransmissions_sent + report.retransmissions_received, report.started
        ),
    ),
    _Figure("setup p50", "s", lambda report: report.setup.at("50")),
    _Figure("setup p95", "s", lambda report: report.setup.at("95")),
    _Figure("setup p99", "s", lambda report: report.setup.at("99")),
    _Figure("post-dial delay p50", "s", lambda report: report.post_dial_delay.at("50")),
    _Figure("post-dial delay p99", "s", lambda report: report.post_dial_delay.at("99")),
    _Figure("teardown p99", "s", lambda report: report.teardown.at("99")),
)


def check_comparable(name: str, before: Report, kind: str) -> None:
    """Raises SettingsError where the other report is of another kind of load."""
    if before.kind != kind:
        raise SettingsError(f"--compare {name}: is of {before.kind}, and this load of {kind}")


def compare(now: Report, before: Report, name: str, max_regression: float | None) -> Comparison:
    """Every figure that one of them has. ``max_regression``: 0.1 allows a tenth worse."""
    found = []
    for figure in _FIGURES:
        old, new = figure.value(before), figure.value(now)
        if old is None and new is None:
            continue
        found.append(
            Difference(
                name=figure.name,
                unit=figure.unit,
                before=old,
                now=new,
                change=_change(old, new),
                worse=max_regression is not None
                and _is_worse(old, new, figure.more_is_worse, max_regression),
            )
        )
    return Comparison(report=name, start_time=before.start_time, differences=found)


def _is_worse(old: float | None, new: float | None, more_is_worse: bool, allowed: float) -> bool:
    if old is None:
        return False
    if new is None:
        # It is no longer measured: nothing shows that it holds.
        return True
    if more_is_worse:
        return new > old * (1 + allowed)
    return new < old * (1 - allowed)


def _change(old: float | None, new: float | None) -> float | None:
    if old is None or new is None:
        return None
    if old == 0:
        return 0.0 if new == 0 else None
    return new / old - 1


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
