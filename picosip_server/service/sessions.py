"""Sessions: the Control streams that a client opens one after the other, and what they leave."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from picosip_server.service.ties import Ties
from picosip_server.sip.ua.events import CallEnded, Event


class Session:
    """One session, with or without a stream at the moment."""

    __slots__ = ("keep", "lost", "name", "superseded", "ties")

    def __init__(self, name: str, hang_up: Callable[[str], None]) -> None:
        self.name = name
        self.ties = Ties(hang_up)
        self.keep = 0.0
        self.superseded: Callable[[], None] | None = None
        """Ends the stream that it has."""
        self.lost: asyncio.TimerHandle | None = None
        """Ends the session, where it has no stream."""


class Sessions:
    """All sessions, by name; a stream that names none has one of its own."""

    def __init__(self, hang_up: Callable[[str], None], *, most_lost: int = 10_000) -> None:
        self._hang_up = hang_up
        self._most_lost = most_lost
        self._named: dict[str, Session] = {}
        self._lost: dict[str, Session] = {}
        """Those without a stream, the one that was lost first first."""
        self._owners: dict[str, Session] = {}
        """By the name of a call that ends with the session."""

    def begin(self, name: str, keep: float, superseded: Callable[[], None]) -> tuple[Session, bool]:
        """The session of a new stream, and whether it was there already.

        A stream that it has still is told that it is ``superseded``. ``keep``: how many
        seconds it stays once this stream is lost.
        """
        session = self._named.get(name) if name else None
        known = session is not None
        if session is None:
            session = Session(name, self._hang_up)
            if name:
                self._named[name] = session
        elif session.lost is not None:
            session.lost.cancel()
            session.lost = None
            del self._lost[name]
        elif session.superseded is not None:
            session.superseded()
        session.keep = keep
        session.superseded = superseded
        return session, known

    def created(self, session: Session, call: str) -> None:
        """A call exists that ends with the session."""
        session.ties.created(call)
        self._owners[call] = session

    def saw(self, event: Event) -> None:
        """Notes an event."""
        if self._owners and isinstance(event, CallEnded):
            session = self._owners.pop(event.resource, None)
            if session is not None:
                session.ties.ended(event.resource)

    def left(self, session: Session, superseded: Callable[[], None], *, lost: bool) -> None:
        """A stream has ended: in order, or it was lost and may be replaced by another."""
        if session.superseded != superseded:
            # It has been.
            return
        session.superseded = None
        if not lost or not session.name:
            self._end(session)
            return
        loop = asyncio.get_running_loop()
        session.lost = loop.call_later(session.keep, self._end, session)
        self._lost[session.name] = session
        if len(self._lost) > self._most_lost:
            self._end(next(iter(self._lost.values())))

    def _end(self, session: Session) -> None:
        if session.name:
            self._named.pop(session.name, None)
            self._lost.pop(session.name, None)
        if session.lost is not None:
            session.lost.cancel()
        session.ties.cut()
