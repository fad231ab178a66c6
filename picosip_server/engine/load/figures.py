"""What a load counts and measures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from picosip_server.engine.load.samples import Samples


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
    setup: Samples = field(default_factory=Samples)
    post_dial_delay: Samples = field(default_factory=Samples)
    teardown: Samples = field(default_factory=Samples)

    def counts(self) -> LoadFigures:
        """Without what was measured."""
        return replace(self, setup=Samples(), post_dial_delay=Samples(), teardown=Samples())

    def copy(self) -> LoadFigures:
        """The figures of now, for another thread."""
        return replace(
            self,
            responses=dict(self.responses),
            failures=dict(self.failures),
            setup=self.setup.copy(),
            post_dial_delay=self.post_dial_delay.copy(),
            teardown=self.teardown.copy(),
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
        whole.setup.include(part.setup)
        whole.post_dial_delay.include(part.post_dial_delay)
        whole.teardown.include(part.teardown)
    return whole
