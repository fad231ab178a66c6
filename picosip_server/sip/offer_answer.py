"""Whose turn it is: offer and answer within an INVITE session (RFC 3264, RFC 6337).

The bodies themselves are opaque here; this only follows whether one that passes
is an offer, an answer, or a mere repetition.
"""

from __future__ import annotations

import enum

from picosip_server.mypyc import mypyc_attr
from picosip_server.sip.errors import LocalProtocolError


class Side(enum.Enum):
    """Who made the offer that is open."""

    LOCAL = "local"
    REMOTE = "remote"


@mypyc_attr(acyclic=True)
class OfferAnswer:
    """One exchange after another; at most one is open at a time (RFC 3264 section 4)."""

    __slots__ = ("open", "rounds")

    def __init__(self) -> None:
        self.open: Side | None = None
        self.rounds = 0

    @property
    def stable(self) -> bool:
        """Whether at least one exchange is complete and none is open."""
        return self.open is None and self.rounds > 0

    @property
    def untouched(self) -> bool:
        """Whether no offer was made yet."""
        return self.open is None and self.rounds == 0

    def offer(self, side: Side) -> None:
        """A side makes an offer.

        Raises:
            LocalProtocolError: an offer is open already (RFC 3264 section 4).
        """
        if self.open is not None:
            raise LocalProtocolError(
                f"an offer of the {self.open.value} side still awaits its answer"
            )
        self.open = side

    def answer(self) -> None:
        """The open offer is answered.

        Raises:
            LocalProtocolError: no offer is open.
        """
        if self.open is None:
            raise LocalProtocolError("there is no offer to answer")
        self.open = None
        self.rounds += 1

    def withdraw(self) -> None:
        """The open offer is refused: the session stays as it was (RFC 6337 section 3.4)."""
        self.open = None
