"""The flow by which requests come back to one binding: RFC 5626 section 4.4."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Protocol

from picosip_server.sip.hop import Hop
from picosip_server.sip.ua.registration.granted import Granted


class Keeping(Protocol):
    """Who has flows kept alive."""

    def keep(self, hop: Hop, flow_timer: float | None, *, answered: bool) -> None:
        """Has a flow kept alive and watched."""

    def leave(self, hop: Hop) -> None:
        """A flow is not used any more, unless by another binding."""


class OwnFlow:
    """``hop`` is the flow while it works; None where any way leads to us."""

    __slots__ = ("_owner", "hop", "proved")

    def __init__(self, owner: Keeping) -> None:
        self._owner = owner
        self.hop: Hop | None = None
        self.proved = False
        """A keep-alive was answered on it."""

    @property
    def key(self) -> Hashable:
        """What the flow is known by; None where there is none."""
        return None if self.hop is None else self.hop.flow_key

    def keep(self, hop: Hop, granted: Granted) -> None:
        """The registrar has noted this flow."""
        if self.key != hop.flow_key:
            self.leave()
        if self.hop is None:
            self.proved = False
        self.hop = hop
        self._owner.keep(hop, granted.flow_timer, answered=granted.outbound)

    def leave(self) -> None:
        """The binding goes another way, or is gone."""
        if self.hop is not None:
            hop, self.hop = self.hop, None
            self._owner.leave(hop)
