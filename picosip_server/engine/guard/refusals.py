"""The refusals of late, so that their ACKs are known at a glance."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from picosip_server.engine.guard.head import acknowledges_refusal
from picosip_server.engine.intake import mark_of
from picosip_server.engine.network import Source

MOST: Final = 10_000
"""Refusals that are remembered: those of some seconds. An ACK comes at once, or is read."""
_TAG: Final = 16
"""Octets of a tag (``intake.tag_of``)."""


class Refusals:
    """The tags that were given to those who were refused without state.

    Each of them sends an ACK. Which tag it has to bring can be told from what else is in it, but
    to read that costs as much as to refuse one more.
    """

    def __init__(self, secret: bytes, most: int = MOST) -> None:
        self._secret = secret
        self._start = b";tag=" + mark_of(secret).encode()
        # Not a dict: to find the oldest of one takes a walk past all those that have gone.
        self._recent: OrderedDict[bytes, None] = OrderedDict()
        self._most = most

    def gave(self, tag: bytes) -> None:
        """Somebody was refused with this tag."""
        recent = self._recent
        if len(recent) >= self._most:
            recent.popitem(last=False)
        recent[tag] = None

    def acknowledged_by(self, data: bytes, source: Source) -> bool:
        """Whether this is the ACK to a refusal."""
        if data[:4] != b"ACK ":
            return False
        at = data.find(self._start) + len(b";tag=")
        # Another tag may begin like ours; then all of it is read.
        if data[at : at + _TAG] in self._recent:
            return True
        return acknowledges_refusal(data, source, self._secret)
