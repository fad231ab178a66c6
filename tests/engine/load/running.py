"""Loads on the network in memory."""

from __future__ import annotations

import ipaddress
from collections.abc import Hashable

from picosip_server.engine.load.arrivals import Profile
from picosip_server.engine.load.distributions import Distribution
from picosip_server.engine.load.figures import LoadFigures
from picosip_server.engine.load.rates import ConstantRate
from picosip_server.engine.load.script import AnswerScript, CallScript, Load, Script
from picosip_server.engine.load.targets import AllowedNetwork, Targets
from picosip_server.engine.load.templates import Row, Table
from picosip_server.sip.address import Address
from picosip_server.sip.hop import Target
from picosip_server.sip.ua import commands
from picosip_server.sip.ua.commands import Body
from picosip_server.sip.ua.outputs import Failure
from tests.engine.memory import SDP, Host

NEARBY = Targets((AllowedNetwork(ipaddress.ip_network("192.0.2.0/24")),))
"""All hosts of the simulation."""
PLAIN = commands.Options()
USUAL = commands.Policy()
ALICE = Address.parse("<sip:alice@192.0.2.1>")


class Running:
    """A load on a host, and what it told."""

    def __init__(
        self,
        host: Host,
        script: Script,
        profile: Profile | None = None,
        *,
        targets: Targets = NEARBY,
        known: tuple[Target, ...] = (),
        table: Table | None = None,
        publish: bool = False,
        name: str = "loads/one",
    ) -> None:
        self.host = host
        self.name = name
        self.begun: list[Failure | None] = []
        self._last: list[LoadFigures] = []
        load = Load(
            name=name,
            script=script,
            profile=profile,
            targets=targets,
            table=table or Table(),
            known=known,
            publish=publish,
        )
        host.core.loads.start(
            load, host.address, 1, self.begun.append, self._last.append, host.simulation.now
        )

    @property
    def ended(self) -> bool:
        return bool(self._last)

    @property
    def figures(self) -> LoadFigures:
        """As of now, or the last ones."""
        figures = self.host.core.loads.measure(self.name, self.host.simulation.now)
        assert figures is not None
        assert not self._last or figures == self._last[0]
        return figures

    def stop(self, *, hang_up: bool = False) -> None:
        self.host.core.loads.stop(self.name, self.host.simulation.now, hang_up=hang_up)


def calls(
    to: str = "sip:bob@192.0.2.2",
    *,
    hold: Distribution | None = None,
    offer: Body | None = SDP,
    options: commands.Options = PLAIN,
    policy: commands.Policy = USUAL,
) -> CallScript:
    callee = Address.parse(f"<{to}>")

    def make(token: Hashable, number: int, row: Row) -> commands.Invite:
        return commands.Invite(
            token=token,
            from_address=ALICE,
            to_address=callee,
            offer=offer,
            options=options,
            policy=policy,
            wait_for=commands.WaitFor.FINAL,
        )

    return CallScript(make=make, hold=hold)


def answers(**fields: object) -> AnswerScript:
    fields.setdefault("answer", commands.Answer(token=None, name=""))
    return AnswerScript(**fields)  # type: ignore[arg-type]


def at_rate(rate: float, **fields: object) -> Profile:
    return Profile(rate=ConstantRate(rate), **fields)  # type: ignore[arg-type]
