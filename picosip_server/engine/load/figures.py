"""What a load counts and measures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

MICROSECONDS = 1_000_000
LONGEST = 3600 * MICROSECONDS
"""What takes longer is counted as that long."""
_PRECISION = 11
"""Bits kept of a time: three decimal digits, as an HdrHistogram of that precision has them."""

Samples = dict[int, int]
"""How often each time was measured: microseconds, rounded down to the precision kept."""


def rounded(seconds: float) -> int:
    """A time in microseconds with the precision kept."""
    value = min(int(seconds * MICROSECONDS + 0.5), LONGEST)
    if value <= 0:
        return 0
    lost = value.bit_length() - _PRECISION
    return value if lost <= 0 else value >> lost << lost


def note(samples: Samples, seconds: float) -> None:
    """One more time was measured."""
    value = rounded(seconds)
    samples[value] = samples.get(value, 0) + 1


def add(samples: Samples, more: Samples) -> None:
    """Those of another part of the load."""
    for value, count in more.items():
        samples[value] = samples.get(value, 0) + count


@dataclass(slots=True, kw_only=True)
class LoadFigures:
    """The figures of a load, or of the part of it that one worker has; counted from its start."""

    elapsed: float = 0.0
    """Seconds."""
    stopping: bool = False
    """Nothing new begins."""
    target_rate: float = 0.0
    """What the profile asks for now, a second."""
    started: int = 0
    succeeded: int = 0
    failed: int = 0
    active: int = 0
    peak_active: int = 0
    waiting: int = 0
    """Due, but held up by the cap."""
    sent_again: int = 0
    received_again: int = 0
    responses: dict[int, int] = field(default_factory=dict)
    failures: dict[str, int] = field(default_factory=dict)
    setup: Samples = field(default_factory=dict)
    post_dial_delay: Samples = field(default_factory=dict)
    teardown: Samples = field(default_factory=dict)

    def counts(self) -> LoadFigures:
        """Without what was measured."""
        return replace(self, setup={}, post_dial_delay={}, teardown={})

    def copy(self) -> LoadFigures:
        """The figures of now, for another thread."""
        return replace(
            self,
            responses=dict(self.responses),
            failures=dict(self.failures),
            setup=dict(self.setup),
            post_dial_delay=dict(self.post_dial_delay),
            teardown=dict(self.teardown),
        )


def total(parts: Iterable[LoadFigures]) -> LoadFigures:
    """The figures of all parts together; the peaks as if they had been at the same time."""
    whole = LoadFigures(stopping=True)
    for part in parts:
        whole.elapsed = max(whole.elapsed, part.elapsed)
        whole.stopping = whole.stopping and part.stopping
        whole.target_rate = max(whole.target_rate, part.target_rate)
        whole.started += part.started
        whole.succeeded += part.succeeded
        whole.failed += part.failed
        whole.active += part.active
        whole.peak_active += part.peak_active
        whole.waiting += part.waiting
        whole.sent_again += part.sent_again
        whole.received_again += part.received_again
        for code, count in part.responses.items():
            whole.responses[code] = whole.responses.get(code, 0) + count
        for cause, count in part.failures.items():
            whole.failures[cause] = whole.failures.get(cause, 0) + count
        add(whole.setup, part.setup)
        add(whole.post_dial_delay, part.post_dial_delay)
        add(whole.teardown, part.teardown)
    return whole
