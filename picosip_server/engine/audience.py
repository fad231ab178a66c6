"""Who listens: what the engine must know of the applications' event streams."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class Audience(Protocol):
    """A picture of the open event streams; asked from worker threads."""

    def hears(self, resource: str, labels: Mapping[str, str]) -> bool:
        """Whether a stream that is no mere observer matches this resource."""

    def claims(self, method: str) -> bool:
        """Whether a stream claimed out-of-dialog requests of this method."""

    def lag(self, now: float) -> float:
        """Seconds for which an event has been waiting for whoever takes new work: for the one
        that is least behind, since a slow reader is not to hold up the others."""


class Nobody:
    """The audience before anybody has come."""

    def hears(self, resource: str, labels: Mapping[str, str]) -> bool:
        """Nobody hears."""
        return False

    def claims(self, method: str) -> bool:
        """Nobody claims."""
        return False

    def lag(self, now: float) -> float:
        """Nothing waits for anybody."""
        return 0.0
