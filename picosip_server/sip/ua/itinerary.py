"""The hops that one request of ours is tried over, in their order (RFC 3263 section 4.3)."""

from __future__ import annotations

from picosip_server.sip.hop import Hop


class Itinerary:
    """What is left of the hops of a target."""

    __slots__ = ("_later", "_left", "_reliable_taken")

    def __init__(self) -> None:
        self._left: tuple[Hop, ...] = ()
        self._later: tuple[Hop, ...] = ()
        self._reliable_taken = False

    def found(self, hops: tuple[Hop, ...]) -> None:
        """The hops of the target, best first; then those that were put off."""
        self._left = (*hops, *self._later)
        self._later = ()

    def end(self) -> None:
        """No hop is to be tried any more."""
        self._left = ()

    def take(self) -> Hop | None:
        """The next one, if there is one."""
        if not self._left:
            return None
        hop, self._left = self._left[0], self._left[1:]
        self._reliable_taken = self._reliable_taken or hop.reliable
        return hop

    def leave(self, refusing: Hop) -> bool:
        """Whether there is another server than the one that said 503.

        The same server by another transport is none (RFC 3261 section 21.5.4).
        """
        address = (refusing.host, refusing.port)
        self._left = tuple(hop for hop in self._left if (hop.host, hop.port) != address)
        return bool(self._left)

    @property
    def reliable_known(self) -> bool:
        """Whether the target has led to a reliable transport, tried already or not."""
        return self._reliable_taken or any(hop.reliable for hop in self._left)

    @property
    def reliable_left(self) -> bool:
        """Whether a hop over a reliable transport is to be tried still."""
        return any(hop.reliable for hop in self._left)

    def put_off(self, hop: Hop, *, never: bool) -> None:
        """RFC 3261 section 18.1.1: the request is too large for this hop, and others over UDP.

        They come last, or with ``never`` not at all.
        """
        reliable = tuple(each for each in self._left if each.reliable)
        datagrams = (hop, *(each for each in self._left if not each.reliable))
        self._left = reliable
        if not never:
            self._later = datagrams
        if reliable:
            self.found(reliable)
