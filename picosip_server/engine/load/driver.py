"""One load, on one worker: begins what is due, and has what it began do what is next."""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Callable
from random import Random

from picosip_server.engine.departures import BATCH, TICK, Departures
from picosip_server.engine.load import causes
from picosip_server.engine.load.answers import AnsweredCall
from picosip_server.engine.load.arrivals import Arrivals
from picosip_server.engine.load.calls import PlacedCall
from picosip_server.engine.load.distributions import Mix
from picosip_server.engine.load.figures import LoadFigures
from picosip_server.engine.load.ground import Ground
from picosip_server.engine.load.part import Session
from picosip_server.engine.load.registrations import MadeRegistration, SentRequest
from picosip_server.engine.load.script import (
    AnswerScript,
    CallScript,
    Load,
    MessageScript,
    RegisterScript,
)
from picosip_server.engine.load.targets import SETTING
from picosip_server.sip.hop import Hop, Target
from picosip_server.sip.ua.commands import Command
from picosip_server.sip.ua.context import Context
from picosip_server.sip.ua.effects import Effect
from picosip_server.sip.ua.outputs import Failure, FailureKind
from picosip_server.sip.ua.user import TransactionUser


class Driver(TransactionUser):
    """See ``Part`` for what sessions ask of it.

    ``begun`` is told once that it runs, or why it may not; ``ended`` its last figures.
    """

    def __init__(
        self,
        load: Load,
        context: Context,
        ground: Ground,
        begun: Callable[[Failure | None], None],
        ended: Callable[[LoadFigures], None],
        now: float,
        *,
        host: str,
        seed: int,
        worker: int = 0,
        workers: int = 1,
    ) -> None:
        super().__init__(load.name, context, {})
        self.load = load
        self.host = host
        self.publish = load.publish
        self.figures = LoadFigures()
        self.random = Random(seed + 1 + worker)
        self._ground = ground
        self._tell_begun = begun
        self._ended = ended
        self._workers = workers
        self._begun = False
        self._unknown = len(load.known)
        """Targets that are still looked up."""
        self._start = now
        self._next_tick = now
        """Not before then does anything more begin."""
        self._sessions: set[Session] = set()
        self._soon: deque[Session] = deque()
        self._soon_since = now
        self._later: list[tuple[float, int, Session]] = []
        self._laters = 0
        self._departures: Departures[Session] = Departures()
        """Registrations that stay until the load ends, or all that is to end at once."""
        self._cleared: set[tuple[str, int]] = set()
        """Addresses that were found to be allowed."""
        self._number = worker
        self._due = 0
        """How many are due and have not begun."""
        self._arrivals: Arrivals | None = None
        self._answers: Mix | None = None
        self._until: float | None = None
        """When it ceases to begin anything."""
        self._most = 0
        profile = load.profile
        if profile is not None:
            # All workers draw the same times.
            self._arrivals = Arrivals(profile, Random(seed), worker=worker, workers=workers)
            self._most = -(-profile.max_concurrent // workers)

    # Its beginning.

    def start(self, now: float) -> list[Effect]:
        """Begins, once it is known that all its targets are allowed."""
        for target in self.load.known:
            self.locate(_Look(self, target), target)
        if not self._unknown:
            self._begin(now)
        return self.flush()

    def found(self, target: Target, hops: tuple[Hop, ...], now: float) -> None:
        """Where a target leads."""
        if self.over:
            return
        named = self.load.targets.has_name(target.host, target.port)
        for hop in hops:
            if named:
                self._cleared.add((hop.host, hop.port))
            elif not self.may_send(hop.host, hop.port):
                detail = f"{target.host} leads to {hop.host}, which {SETTING} does not allow"
                self.refuse(Failure(kind=FailureKind.FORBIDDEN, detail=detail))
                return
        self._unknown -= 1
        if not self._unknown:
            self._begin(now)

    def refuse(self, failure: Failure) -> None:
        """It does not begin at all."""
        if not self.over:
            self.over = True
            self._tell_begun(failure)

    def _begin(self, now: float) -> None:
        self._begun = True
        self._start = self._next_tick = now
        self._tell_begun(None)
        profile, script = self.load.profile, self.load.script
        if profile is not None and profile.duration < math.inf:
            self._until = now + profile.duration
        if isinstance(script, AnswerScript):
            self._answers = Mix(tuple(each.weight for each in script.outcomes))
            self._until = None if script.duration is None else now + script.duration

    # Time.

    def deadline(self) -> float | None:
        """When it has something to do."""
        if self.over or not self._begun:
            return None
        if self._soon or self._done:
            return self._soon_since
        due = self._until
        if self._later and (due is None or self._later[0][0] < due):
            due = self._later[0][0]
        next_one = self._next_begin()
        if next_one is not None:
            next_one = max(next_one, self._next_tick)
            if due is None or next_one < due:
                due = next_one
        return due

    def _next_begin(self) -> float | None:
        """When the next one may begin or is released, the tick apart."""
        if self.figures.stopping:
            return self._departures.next
        arrivals = self._arrivals
        if arrivals is None:
            return None
        if self._due and not self._full:
            return self._next_tick
        return None if arrivals.next is None else self._start + arrivals.next

    @property
    def _full(self) -> bool:
        return bool(self._most) and len(self._sessions) >= self._most

    def timeout(self, now: float) -> list[Effect]:
        """Does what is due."""
        soon = self._soon
        for _ in range(len(soon)):
            soon.popleft().act(now)
        later = self._later
        while later and later[0][0] <= now:
            heapq.heappop(later)[2].act(now)
        if self._until is not None and self._until <= now:
            self.cease(now)
        if now >= self._next_tick:
            self._tick(now)
        self._check_end(now)
        return self.flush()

    def _tick(self, now: float) -> None:
        self._next_tick = now + TICK
        if self.figures.stopping:
            for session in self._departures.due(now):
                session.hang_up(now)
            return
        arrivals = self._arrivals
        if arrivals is None:
            return
        # As ``deadline`` adds it up: rounded otherwise, it would be due and never be done.
        while arrivals.next is not None and self._start + arrivals.next <= now:
            arrivals.take()
            self._due += 1
        for _ in range(min(BATCH, self._due)):
            if self._full:
                break
            self._due -= 1
            self._begin_one(now)
        if arrivals.next is None and not self._due:
            self.cease(now)

    def _begin_one(self, now: float) -> None:
        number = self._number
        self._number += self._workers
        load = self.load
        row = load.table.row(number)
        script = load.script
        session: Session
        command: Command
        if isinstance(script, CallScript):
            session = PlacedCall(self, script.hold, now)
            invite = script.make(session, number, row)
            session.offers = invite.offer is not None
            command = invite
        elif isinstance(script, RegisterScript):
            session = MadeRegistration(self, script.hold, self._stays, now)
            command = script.make(session, number, row)
        else:
            assert isinstance(script, MessageScript)
            session = SentRequest(self, now)
            command = script.make(session, number, row)
        self._add(session)
        self._ground.begin(command, now)

    def _add(self, session: Session) -> None:
        sessions, figures = self._sessions, self.figures
        sessions.add(session)
        figures.started += 1
        if len(sessions) > figures.peak_active:
            figures.peak_active = len(sessions)

    def _stays(self, session: Session, now: float) -> None:
        """It is bound until the load ends, which may have begun already."""
        self._departures.add(session, now)
        if self.figures.stopping:
            self._ground.schedule(self)

    # Its end.

    def cease(self, now: float) -> None:
        """Begins nothing more; what lives comes to its end."""
        if not self.figures.stopping:
            self.figures.stopping = True
            self._next_tick = max(self._next_tick, now)
            profile = self.load.profile
            # As fast as they came.
            rate = 0.0 if profile is None else profile.rate.at(now - self._start)
            self._departures.open(now, rate / self._workers)
        self._until = None
        self._due = 0
        if self._arrivals is not None:
            self._arrivals.end()
        self._answers = None

    def stop(self, now: float, *, hang_up: bool) -> list[Effect]:
        """Begins nothing more; with ``hang_up`` what lives is ended at once."""
        self.cease(now)
        if hang_up:
            self._departures.open(now, more=self._sessions)
        self._check_end(now)
        return self.flush()

    @property
    def _done(self) -> bool:
        return self.figures.stopping and not self._sessions

    def _check_end(self, now: float) -> None:
        if self._done and not self.over:
            self.over = True
            self._later.clear()
            self._soon.clear()
            self._ended(self.measure(now))

    def measure(self, now: float) -> LoadFigures:
        """Its figures as of now, for another thread."""
        figures = self.figures
        figures.elapsed = now - self._start
        figures.active = len(self._sessions)
        figures.waiting = self._due
        profile = self.load.profile
        running = profile is not None and not figures.stopping
        figures.target_rate = (
            profile.rate.at(figures.elapsed) if profile is not None and running else 0.0
        )
        return figures.copy()

    # Incoming calls.

    def answers(self, user: str, now: float) -> Session | None:
        """What takes an incoming call to a user part; None: it is not for this load."""
        mix, script = self._answers, self.load.script
        if mix is None or not isinstance(script, AnswerScript):
            return None
        users = script.users
        if users and not any(
            user.startswith(each[:-1]) if each.endswith("*") else user == each for each in users
        ):
            return None
        session = AnsweredCall(self, script, script.outcomes[mix.draw(self.random)], now)
        self._add(session)
        return session

    # What sessions ask: see ``Part``.

    def soon(self, session: Session, now: float) -> None:
        """See ``Part.soon``."""
        self._soon.append(session)
        if len(self._soon) == 1:
            self._soon_since = now
            self._ground.schedule(self)

    def later(self, session: Session, at: float) -> None:
        """See ``Part.later``."""
        self._laters += 1
        heapq.heappush(self._later, (at, self._laters, session))
        if self._later[0][2] is session:
            self._ground.schedule(self)

    def do(self, user: TransactionUser, command: Command, now: float) -> None:
        """See ``Part.do``."""
        self._ground.run(user, command, now)

    def over_with(self, session: Session, now: float, cause: str = "") -> None:
        """See ``Part.over_with``."""
        if session not in self._sessions:
            return
        self._sessions.discard(session)
        # They hold each other: without this, only the garbage collector would free them.
        session.user = None
        figures = self.figures
        if cause:
            if session.astray:
                cause = causes.TARGET
            figures.failed += 1
            figures.failures[cause] = figures.failures.get(cause, 0) + 1
        else:
            figures.succeeded += 1
        if self._done:
            self._soon_since = now
            self._ground.schedule(self)
        elif self._departures.left(session) or self._due:
            # The turn of one that waits.
            self._next_tick = max(self._next_tick, now)
            self._ground.schedule(self)

    def may_send(self, host: str, port: int) -> bool:
        """See ``Part.may_send``."""
        if (host, port) in self._cleared:
            return True
        if not self.load.targets.has_address(host, port):
            return False
        self._cleared.add((host, port))
        return True


class _Look:
    """One target that is looked up before the load begins."""

    def __init__(self, driver: Driver, target: Target) -> None:
        self._driver = driver
        self._target = target

    def located(self, hops: tuple[Hop, ...], now: float) -> None:
        """See ``Seeker``."""
        self._driver.found(self._target, hops, now)

    def not_located(self, detail: str, now: float) -> None:
        """See ``Seeker``: the name leads nowhere."""
        self._driver.refuse(Failure(kind=FailureKind.TRANSPORT, detail=detail))
