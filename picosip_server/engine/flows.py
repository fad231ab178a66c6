"""The flows of one worker that are kept alive, and who uses them (RFC 5626)."""

from __future__ import annotations

from collections.abc import Hashable

from picosip_server.sip.ua.context import Context
from picosip_server.sip.ua.effects import Effect, KeepFlow
from picosip_server.sip.ua.flow_keeper import FlowKeeper
from picosip_server.sip.ua.user import TransactionUser

MOST_HELD = 40_000
"""Connections remembered for who registered over them: twice as many as there may be."""


class Flow:
    """One of them: whoever wants keep-alives most often decides for all its users."""

    __slots__ = ("_answered", "_flow_timer", "keeper", "users")

    def __init__(self, keeper: FlowKeeper) -> None:
        self.keeper = keeper
        self.users: dict[TransactionUser, None] = {}
        self._flow_timer: float | None = None
        self._answered = False

    def keep(self, user: TransactionUser, wish: KeepFlow, now: float) -> list[Effect]:
        """One more user, or another wish of one of them."""
        self.users[user] = None
        self._answered = self._answered or wish.answered
        timers = [each for each in (self._flow_timer, wish.flow_timer) if each is not None]
        self._flow_timer = min(timers, default=None)
        return self.keeper.keep(self._flow_timer, now, answered=self._answered)


class Flows:
    """One keeper for each flow, however many registrations share it."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._flows: dict[Hashable, Flow] = {}
        self._keys: dict[TransactionUser, Hashable] = {}

    def open(self, wish: KeepFlow) -> Flow:
        """The flow that somebody wishes to keep."""
        key = wish.hop.flow_key
        flow = self._flows.get(key)
        if flow is None:
            flow = self._flows[key] = Flow(FlowKeeper(self._context, wish.hop))
            self._keys[flow.keeper] = key
        return flow

    def leave(self, user: TransactionUser, key: Hashable) -> FlowKeeper | None:
        """One user less; the keeper, where it has nothing to do any more."""
        flow = self._flows.get(key)
        if flow is None:
            return None
        flow.users.pop(user, None)
        if flow.users:
            return None
        self.drop(key)
        return flow.keeper

    def drop(self, key: Hashable) -> Flow | None:
        """The flow is gone; what it was."""
        flow = self._flows.pop(key, None)
        if flow is not None:
            del self._keys[flow.keeper]
        return flow

    def keeper(self, key: Hashable) -> FlowKeeper | None:
        """Who keeps this flow."""
        flow = self._flows.get(key)
        return None if flow is None else flow.keeper

    def key_of(self, keeper: TransactionUser) -> Hashable:
        """The flow that a keeper is for; None where it is for none any more."""
        return self._keys.get(keeper)

    def users(self, key: Hashable) -> list[TransactionUser]:
        """Who uses a flow."""
        flow = self._flows.get(key)
        return [] if flow is None else list(flow.users)


class Held:
    """Connections by which those are reached who registered over them at an application."""

    def __init__(self) -> None:
        self._until: dict[int, float] = {}

    def note(self, flow: int, until: float) -> None:
        """Somebody is registered over this one until then."""
        self._until.pop(flow, None)
        if len(self._until) >= MOST_HELD:
            # More than there can be: some had ended before their registrations were answered.
            del self._until[next(iter(self._until))]
        self._until[flow] = until

    def needs(self, flow: int, now: float) -> bool:
        """Whether somebody is."""
        return self._until.get(flow, now) > now

    def drop(self, flow: int) -> None:
        """The connection has ended."""
        self._until.pop(flow, None)
