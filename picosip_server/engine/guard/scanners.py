"""What gives a scanner away: its name, or how much garbage it sends."""

from __future__ import annotations

import re

from picosip_server.engine.guard.config import GuardConfig

GARBAGE_WINDOW = 10.0
"""Seconds within which faulty messages are counted together."""


class Agents:
    """Judges values of User-Agent by how their words begin, whatever the case."""

    def __init__(self, config: GuardConfig) -> None:
        self._bad = _beginnings(config.block_agents)
        self._good = _beginnings(config.allow_agents)

    def is_scanner(self, agent: str) -> bool:
        """Whether it is one of those that are blocked."""
        return self._bad is not None and self._bad.search(agent) is not None

    def is_unknown(self, agent: str) -> bool:
        """Whether there is a list of those that may come, and it is none of them."""
        return self._good is not None and self._good.search(agent) is None


def _beginnings(texts: tuple[str, ...]) -> re.Pattern[str] | None:
    if not texts:
        return None
    # Not in the midst of a word: a maker's name may well contain a short one.
    return re.compile(rf"(?<![a-z0-9])(?:{'|'.join(map(re.escape, texts))})", re.IGNORECASE)


class Garbage:
    """Counts one source's messages, good and faulty, within one window after the other."""

    __slots__ = ("_bad", "_began", "_good")

    def __init__(self) -> None:
        self._began = float("-inf")
        self._bad = 0
        self._good = 0

    def good(self, now: float) -> None:
        """A message could be read."""
        self._roll(now)
        self._good += 1

    def bad(self, now: float, most: int) -> bool:
        """One could not. Whether there are ``most`` of these, and more than good ones."""
        self._roll(now)
        self._bad += 1
        return self._bad >= most and self._bad > self._good

    def _roll(self, now: float) -> None:
        if now - self._began >= GARBAGE_WINDOW:
            self._began, self._bad, self._good = now, 0, 0
