"""How loads go, for the API."""

from __future__ import annotations

from google.protobuf.duration_pb2 import Duration
from hdrh.histogram import HdrHistogram

from picosip.v1 import load_service_pb2 as pb
from picosip_server.engine.load.figures import LoadFigures
from picosip_server.engine.load.samples import LONGEST, MICROSECONDS, STEPS, Samples, Summary
from picosip_server.service.convert import values

_DIGITS = 3
_QUANTILES = (0.5, 0.75, 0.9, 0.95, 0.99, 0.999)


def histogram(samples: Samples, *, whole: bool = True) -> pb.LoadHistogram | None:
    """The figures of what was measured; ``whole``: with the histogram itself. None: nothing."""
    found = samples.summary(_QUANTILES)
    if found is None:
        return None
    return pb.LoadHistogram(
        count=found.count,
        min=_duration(found.min),
        mean=_duration(found.mean),
        max=_duration(found.max),
        quantiles=[
            pb.Quantile(quantile=part, value=_duration(value))
            for part, value in zip(_QUANTILES, found.quantiles, strict=True)
        ],
        hdr=_encoded(samples, found) if whole else "",
    )


def _encoded(samples: Samples, summary: Summary) -> str:
    """As an HdrHistogram, whose counts of an octave stand beside each other as ours do: to record
    each time once more would take a hundred times as long."""
    made = HdrHistogram(1, LONGEST, _DIGITS)
    all_counts = memoryview(made.counts).cast("B").cast("Q")
    for octave, counts in samples.octaves():
        all_counts[octave * STEPS : (octave + 1) * STEPS] = counts
    first, last = map(made.get_counts_array_index, (summary.min, summary.max))
    made.set_internal_tacking_values(first, last, summary.count)
    encoded: bytes = made.encode()
    return encoded.decode("ascii")


def _duration(microseconds: float) -> Duration:
    return values.duration(microseconds / MICROSECONDS)


def interval(before: LoadFigures, after: LoadFigures) -> pb.LoadInterval:
    """What happened between two looks at a load."""
    length = after.elapsed - before.elapsed

    def rate(more: int) -> float:
        return more / length if length > 0 else 0.0

    return pb.LoadInterval(
        length=values.duration(max(0.0, length)),
        target_rate=after.target_rate,
        start_rate=rate(after.started - before.started),
        success_rate=rate(after.succeeded - before.succeeded),
        failure_rate=rate(after.failed - before.failed),
        setup=histogram(after.setup.since(before.setup), whole=False),
    )


def fill(report: pb.LoadReport, figures: LoadFigures) -> None:
    """What came of the whole load."""
    report.elapsed.CopyFrom(values.duration(figures.elapsed))
    report.started = figures.started
    report.succeeded = figures.succeeded
    report.failed = figures.failed
    report.active = figures.active
    report.peak_active = figures.peak_active
    report.waiting = figures.waiting
    report.responses.update(figures.responses)
    report.failures.update(figures.failures)
    report.retransmissions_sent = figures.sent_again
    report.retransmissions_received = figures.received_again
    for target, samples in (
        (report.setup, figures.setup),
        (report.post_dial_delay, figures.post_dial_delay),
        (report.teardown, figures.teardown),
    ):
        found = histogram(samples)
        if found is not None:
            target.CopyFrom(found)
