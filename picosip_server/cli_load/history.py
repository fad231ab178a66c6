"""What the server reports of a load, collected into a report."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any, cast

from google.protobuf.duration_pb2 import Duration

from picosip.v1 import load_service_pb2 as load_pb
from picosip_server.cli_load.report import Kind, Point, Report, Spread

_SHORT = 0.1
"""The share of an interval below which the rates of what is left of it say nothing."""


class History:
    """The course of one load; ``last`` is the newest report of the server's."""

    def __init__(self, kind: str, interval: float = 1.0) -> None:
        """``interval``: how often reports are asked for, in seconds."""
        self.kind = kind
        self._interval = interval
        self.last: load_pb.LoadReport | None = None
        self.points: list[Point] = []
        self.named = asyncio.Event()
        """Set once there is a report, which has the load's name."""

    def add(self, report: load_pb.LoadReport) -> None:
        """Takes note of how it goes."""
        self.last = report
        self.named.set()
        interval = report.interval
        length = _seconds(interval.length)
        # The first report comes at once, and the last one when it may. A load that is shorter than
        # an interval has but these.
        only = self.ended and not self.points
        if length < self._interval * _SHORT and not (only and length):
            return
        self.points.append(
            Point(
                time=_seconds(report.elapsed),
                length=length,
                target_rate=interval.target_rate,
                start_rate=interval.start_rate,
                success_rate=interval.success_rate,
                failure_rate=interval.failure_rate,
                started=report.started,
                active=report.active,
                waiting=report.waiting,
                setup=spread(interval.setup),
            )
        )

    @property
    def ended(self) -> bool:
        """Whether the load has come to its end."""
        return self.last is not None and self.last.state == load_pb.LoadReport.STATE_ENDED

    def report(self, *, server: str, server_version: str, scenario: dict[str, Any]) -> Report:
        """All of it, as far as it is known."""
        last = self.last
        assert last is not None, "the server has reported nothing"
        return Report(
            kind=cast(Kind, self.kind),
            name=last.name,
            server=server,
            server_version=server_version,
            scenario=scenario,
            complete=self.ended,
            start_time=_time(last.start_time.ToNanoseconds()),
            end_time=_time(last.end_time.ToNanoseconds()) if last.HasField("end_time") else None,
            elapsed=_seconds(last.elapsed),
            started=last.started,
            succeeded=last.succeeded,
            failed=last.failed,
            peak_active=last.peak_active,
            rate=self._rate(last),
            responses={str(code): last.responses[code] for code in sorted(last.responses)},
            failures=dict(sorted(last.failures.items())),
            retransmissions_sent=last.retransmissions_sent,
            retransmissions_received=last.retransmissions_received,
            setup=spread(last.setup),
            post_dial_delay=spread(last.post_dial_delay),
            teardown=spread(last.teardown),
            series=self.points,
        )

    def _rate(self, last: load_pb.LoadReport) -> float:
        # In the interval in which the last one begins, and after it, nobody is late: those say
        # nothing of the rate, unless there is nothing else.
        whole = [one for one in self.points if one.started < last.started] or self.points[:1]
        if whole:
            started, time = whole[-1].started, whole[-1].time
        else:
            started, time = last.started, _seconds(last.elapsed)
        return started / time if time else 0.0


def spread(histogram: load_pb.LoadHistogram) -> Spread:
    """A histogram as reports have it."""
    return Spread(
        count=histogram.count,
        min=_seconds(histogram.min),
        mean=_seconds(histogram.mean),
        max=_seconds(histogram.max),
        percentiles={
            f"{one.quantile * 100:.6g}": _seconds(one.value) for one in histogram.quantiles
        },
        hdr=histogram.hdr,
    )


def _seconds(duration: Duration) -> float:
    return duration.ToNanoseconds() / 1e9


def _time(nanoseconds: int) -> datetime:
    return datetime.fromtimestamp(nanoseconds / 1e9, UTC)
