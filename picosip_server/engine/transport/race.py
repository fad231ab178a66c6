"""Two addresses of one server, one of each family: the first that answers is used (RFC 8305)."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Protocol

from picosip_server.engine.network import Unreachable
from picosip_server.sip.hop import Hop
from picosip_server.sip.locating import Candidate

HEAD_START = 0.25
"""Seconds for which the better address is tried alone (section 5)."""

Done = Callable[[tuple[Hop, ...], str], None]
"""Gets the two hops, the winner first; or none, and why none answers."""


class Track(Protocol):
    """Who opens connections, and names each by a number."""

    def reaches(self, hop: Hop) -> bool:
        """Whether a connection stands already."""

    def open(self, hop: Hop) -> int:
        """Begins one. Raises Unreachable."""

    def ready(self, number: int) -> bool:
        """Whether one stands, with all its handshakes."""

    def drop_unused(self, number: int) -> None:
        """Closes one, unless somebody has sent something over it."""


class _Race:
    def __init__(self, hops: tuple[Hop, Hop], done: Done) -> None:
        self.hops = hops
        self.done = done
        self.waiting = list(hops)
        self.running: dict[int, Hop] = {}
        self.over = False


class Races:
    """All that are on. Belongs to the thread of the connections."""

    def __init__(
        self, track: Track, after: Callable[[float, Callable[[float], None]], None]
    ) -> None:
        self._track = track
        self._after = after
        self._by_number: dict[int, _Race] = {}

    def run(self, hops: tuple[Hop, Hop], done: Done) -> None:
        """Begins one between two hops, the better one first."""
        for hop in hops:
            if self._track.reaches(hop):
                done(_in_front(hop, hops), "")
                return
        race = _Race(hops, done)
        self._begin_next(race)
        if not race.over and race.waiting:
            self._after(HEAD_START, lambda now: self._begin_next(race))

    def stands(self, number: int) -> None:
        """A connection has come about, with all its handshakes."""
        race = self._by_number.pop(number, None)
        if race is None:
            return
        race.over = True
        winner = race.running.pop(number)
        for other in race.running:
            del self._by_number[other]
            self._track.drop_unused(other)
        race.done(_in_front(winner, race.hops), "")

    def closed(self, number: int, detail: str) -> None:
        """A connection has ended, or did not come about."""
        race = self._by_number.pop(number, None)
        if race is not None:
            del race.running[number]
            self._lost(race, detail)

    def _begin_next(self, race: _Race) -> None:
        if race.over or not race.waiting:
            return
        try:
            hop = race.waiting.pop(0)
            number = self._track.open(hop)
        except Unreachable as error:
            self._lost(race, str(error))
            return
        race.running[number] = hop
        self._by_number[number] = race
        if self._track.ready(number):
            self.stands(number)

    def _lost(self, race: _Race, detail: str) -> None:
        if race.waiting:
            # Section 5: nothing is left to wait for.
            self._begin_next(race)
        elif not race.running:
            race.over = True
            race.done((), detail)


def rival(candidates: tuple[Candidate, ...]) -> int | None:
    """Which candidate is the best one's server by the other family; None: none is.

    Only where there are connections: a datagram tells nothing before it is answered.
    """
    best = candidates[0]
    if best.transport == "UDP" or not best.name:
        return None
    for index, each in enumerate(candidates):
        same = (each.transport, each.name, each.port) == (best.transport, best.name, best.port)
        if same and _version(each) != _version(best):
            return index
    return None


def _version(candidate: Candidate) -> int:
    return ipaddress.ip_address(candidate.host).version


def _in_front(hop: Hop, hops: tuple[Hop, ...]) -> tuple[Hop, ...]:
    return (hop, *(each for each in hops if each is not hop))
