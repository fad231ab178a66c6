"""A transaction that only waits for its last timer: RFC 3261 section 17, RFC 6026 section 7."""

from __future__ import annotations

from collections.abc import Hashable

from picosip_server.mypyc import mypyc_attr
from picosip_server.sip.hop import Hop


@mypyc_attr(acyclic=True)
class Echo:
    """What such a transaction needs, in the place of its machine, messages and user."""

    __slots__ = ("again", "hop", "key", "merge", "until")

    def __init__(
        self, key: Hashable, merge: Hashable | None, hop: Hop, again: bytes, until: float
    ) -> None:
        self.key = key
        self.merge = merge
        """The routing key by which a copy of the request is told that came another way."""
        self.hop = hop
        self.again = again
        """What is sent when the far end says again what it said last; empty: nothing."""
        self.until = until
        """When the transaction ends."""
