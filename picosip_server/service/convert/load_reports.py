"""How loads go, for the API."""

from __future__ import annotations

from google.protobuf.duration_pb2 import Duration
from hdrh.histogram import HdrHistogram

from picosip.v1 import load_service_pb2 as pb
from picosip_server.engine.load.figures import LoadFigures
from picosip_server.engine.load.samples import LONGEST, MICROSECONDS, Samples
from picosip_server.service.convert import values

_DIGITS = 3
_QUANTILES = (0.5, 0.75, 0.9, 0.95, 0.99, 0.999)


class Growing:
    """A histogram of samples that only grow: what is new in them is added each time."""

    def __init__(self) -> None:
        self._hdr = HdrHistogram(1, LONGEST, _DIGITS)
        self._samples = Samples()

    def update(self, samples: Samples) -> Samples:
        """Takes the samples as they now are; gives those that are new."""
        new = samples.since(self._samples)
        for value, count in new.items():
            self._hdr.record_value(value, count)
        self._samples = samples
        return new

    def report(self, *, whole: bool = True) -> pb.LoadHistogram | None:
        """The figures; ``whole``: with the histogram itself. None: nothing was measured."""
        samples, hdr = list(self._samples.items()), self._hdr
        if not samples:
            return None
        count = sum(number for _, number in samples)
        mean = sum(value * number for value, number in samples) / count
        at = hdr.get_percentile_to_value_dict([100 * each for each in _QUANTILES])
        return pb.LoadHistogram(
            count=count,
            min=_duration(samples[0][0]),
            mean=_duration(mean),
            max=_duration(hdr.get_max_value()),
            quantiles=[
                pb.Quantile(quantile=each, value=_duration(at[100 * each])) for each in _QUANTILES
            ],
            hdr=hdr.encode().decode("ascii") if whole else "",
        )


def _duration(microseconds: float) -> Duration:
    return values.duration(microseconds / MICROSECONDS)


class Histograms:
    """Those of one load."""

    def __init__(self) -> None:
        self._setup = Growing()
        self._post_dial_delay = Growing()
        self._teardown = Growing()

    def update(self, figures: LoadFigures) -> Samples:
        """Takes the figures as they now are; gives the setup times that are new."""
        self._post_dial_delay.update(figures.post_dial_delay)
        self._teardown.update(figures.teardown)
        return self._setup.update(figures.setup)

    def fill(self, report: pb.LoadReport) -> None:
        """Puts them in a report."""
        for target, found in (
            (report.setup, self._setup.report()),
            (report.post_dial_delay, self._post_dial_delay.report()),
            (report.teardown, self._teardown.report()),
        ):
            if found is not None:
                target.CopyFrom(found)


def interval(before: LoadFigures, after: LoadFigures, new: Samples) -> pb.LoadInterval:
    """What happened between two looks at a load; ``new`` are the setup times of it."""
    length = after.elapsed - before.elapsed
    setup = Growing()
    setup.update(new)

    def rate(more: int) -> float:
        return more / length if length > 0 else 0.0

    return pb.LoadInterval(
        length=values.duration(max(0.0, length)),
        target_rate=after.target_rate,
        start_rate=rate(after.started - before.started),
        success_rate=rate(after.succeeded - before.succeeded),
        failure_rate=rate(after.failed - before.failed),
        setup=setup.report(whole=False),
    )


def fill(report: pb.LoadReport, figures: LoadFigures) -> None:
    """The counts of the whole load."""
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
