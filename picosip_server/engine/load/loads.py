"""The loads of one worker."""

from __future__ import annotations

from collections.abc import Callable

from picosip_server.engine.identity import RandomIdentity
from picosip_server.engine.load.driver import Driver
from picosip_server.engine.load.figures import LoadFigures
from picosip_server.engine.load.script import AnswerScript, Load
from picosip_server.engine.orders import Orders
from picosip_server.engine.population import Population
from picosip_server.sip.ua.call.incoming import IncomingCall
from picosip_server.sip.ua.commands import Command
from picosip_server.sip.ua.context import Context
from picosip_server.sip.ua.outputs import Failure
from picosip_server.sip.ua.user import TransactionUser

Begun = Callable[[Failure | None], None]
"""Is told that a load runs, or why it may not."""
Ended = Callable[[LoadFigures], None]
"""Is told the last figures of a load."""

_MOST_ENDED = 100


class Loads:
    """What drivers stand on (``Ground``), and where incoming calls find theirs."""

    def __init__(
        self,
        population: Population,
        orders: Orders,
        context: Context,
        identity: RandomIdentity,
        *,
        worker: int,
        workers: int,
    ) -> None:
        self._population = population
        self._orders = orders
        self._context = context
        self._identity = identity
        self._worker = worker
        self._workers = workers
        self._drivers: dict[str, Driver] = {}
        self._answering: list[Driver] = []
        self._ended: dict[str, LoadFigures] = {}
        """The last figures of those that ended lately: other workers may still have a part."""

    # From outside.

    def start(
        self, load: Load, host: str, seed: int, begun: Begun, ended: Ended, now: float
    ) -> None:
        """Begins this worker's part of a load."""

        def forget() -> None:
            del self._drivers[load.name]
            if driver in self._answering:
                self._answering.remove(driver)

        def told(failure: Failure | None) -> None:
            if failure is not None:
                forget()
            begun(failure)

        def over(figures: LoadFigures) -> None:
            forget()
            self._ended[load.name] = figures
            if len(self._ended) > _MOST_ENDED:
                del self._ended[next(iter(self._ended))]
            ended(figures)

        driver = Driver(
            load,
            self._context,
            self,
            told,
            over,
            now,
            host=host,
            seed=seed,
            worker=self._worker,
            workers=self._workers,
        )
        self._drivers[load.name] = driver
        if isinstance(load.script, AnswerScript):
            self._answering.append(driver)
        self._population.run(driver, driver.start(now), now)

    def stop(self, name: str, now: float, *, hang_up: bool) -> None:
        """Has a load begin nothing more, if it is still there."""
        driver = self._drivers.get(name)
        if driver is not None:
            self._population.run(driver, driver.stop(now, hang_up=hang_up), now)

    def measure(self, name: str, now: float) -> LoadFigures | None:
        """The figures of this worker's part of a load; None: there is no such load."""
        driver = self._drivers.get(name)
        return self._ended.get(name) if driver is None else driver.measure(now)

    def take(self, call: IncomingCall, user: str, now: float) -> None:
        """An incoming call begins: a load may answer it."""
        for driver in self._answering:
            session = driver.answers(user, now)
            if session is not None:
                session.user = call
                call.listener = session
                return

    # For the drivers.

    def begin(self, command: Command, now: float) -> None:
        """See ``Ground.begin``."""
        self._orders.submit(command, now, self._identity.call_id())

    def run(self, user: TransactionUser, command: Command, now: float) -> None:
        """See ``Ground.run``."""
        self._population.run(user, user.command(command, now), now)

    def schedule(self, driver: Driver) -> None:
        """See ``Ground.schedule``."""
        self._population.timers.schedule(driver)
