"""What a load does, as the service hands it to the engine."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

from picosip_server.engine.load.arrivals import Profile
from picosip_server.engine.load.distributions import Distribution
from picosip_server.engine.load.targets import Targets
from picosip_server.engine.load.templates import Row, Table
from picosip_server.sip.hop import Target
from picosip_server.sip.ua import commands


@dataclass(frozen=True, slots=True, kw_only=True)
class CallScript:
    """Places calls and ends them."""

    make: Callable[[Hashable, int, Row], commands.Invite]
    """The command for a token, a number, and the row of its turn."""
    hold: Distribution | None = None
    """From the answer to the BYE; None: at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterScript:
    """Makes registrations and takes them back."""

    make: Callable[[Hashable, int, Row], commands.Register]
    hold: Distribution | None = None
    """From the binding to its removal; None: when the load ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageScript:
    """Sends single requests."""

    make: Callable[[Hashable, int, Row], commands.Transact]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A final response to incoming calls."""

    weight: float = 1.0
    status: int = 200
    reason: str = ""
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerScript:
    """Answers incoming calls."""

    users: tuple[str, ...] = ()
    """User parts, or beginnings of them with ``*`` behind; empty: all calls."""
    outcomes: tuple[Outcome, ...] = (Outcome(),)
    ringing: bool = False
    delay: Distribution | None = None
    """From the INVITE to the final response; None: none."""
    hold: Distribution | None = None
    """From the ACK to a BYE; None: the caller hangs up."""
    answer: commands.Answer
    """What a 2xx holds; its token and name are not used. Without a description an offer is
    answered with its own streams."""
    duration: float | None = None
    """Answers for so long; None: until it is stopped."""


Script = CallScript | RegisterScript | MessageScript | AnswerScript


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """One load."""

    name: str
    """``loads/{load}``"""
    script: Script
    profile: Profile | None = None
    """Not for an ``AnswerScript``."""
    table: Table = field(default_factory=Table)
    targets: Targets = field(default_factory=Targets)
    """Where what it begins may go."""
    known: tuple[Target, ...] = ()
    """Where it will go, as far as that is the same for all: looked up before it begins."""
    seed: int = 0
    """Makes the random choices the same ones again; 0: others each time."""
    publish: bool = False
    """The application hears its events."""
