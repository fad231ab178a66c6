"""One dialog of a call, with what the two ends told each other in it."""

from __future__ import annotations

from functools import lru_cache

from picosip_server.sip.dialog import Dialog, contact_target
from picosip_server.sip.errors import RemoteProtocolError
from picosip_server.sip.grammar import split_list
from picosip_server.sip.message import Message, Request
from picosip_server.sip.offer_answer import OfferAnswer
from picosip_server.sip.ua.acknowledgement import Acknowledgement
from picosip_server.sip.ua.commands import Body
from picosip_server.sip.ua.snapshots import DialogSnapshot


@lru_cache(maxsize=256)
def _methods(text: str) -> frozenset[str]:
    """All calls of one kind of peer share one set: it is a good part of what a call costs."""
    return frozenset(filter(None, split_list(text)))


class Leg:
    """A dialog usage: until the call is confirmed there is one for each fork."""

    __slots__ = (
        "acknowledged",
        "acknowledgement",
        "allow",
        "answered",
        "dialog",
        "dropped",
        "invite",
        "left",
        "offer_answer",
        "owed_prack",
        "remote_description",
        "rseq",
    )

    def __init__(self, dialog: Dialog, invite: Request | None = None) -> None:
        self.dialog = dialog
        self.invite = invite
        """The INVITE of ours that made it, as last sent, while its transaction lasts."""
        self.offer_answer = OfferAnswer()
        self.remote_description: Body | None = None
        self.rseq = -1
        """Last RSeq taken in order (RFC 3262 section 4); -1 before the first."""
        self.owed_prack: tuple[int, int, str] | None = None
        """RAck of a PRACK that waits for the application's answer to an offer."""
        self.answered = False
        """A 2xx made it a confirmed dialog."""
        self.dropped = False
        """We have ended it by itself, without the call."""
        self.left = False
        """The far end has ended it."""
        self.acknowledged = False
        """We have sent the ACK to its 2xx."""
        self.acknowledgement: Acknowledgement | None = None
        """That ACK, while the 2xx may come again."""
        self.allow: frozenset[str] = frozenset()
        """Methods that the far end says it takes (RFC 3261 section 20.5)."""

    @property
    def over(self) -> bool:
        """Whether it has ended. It is kept all the same, to acknowledge a repeated 2xx and
        so that no CSeq is used twice."""
        return self.dropped or self.left

    def learn(self, message: Message) -> None:
        """Notes what the far end says of itself."""
        allow = message.headers.get_all("Allow")
        if allow:
            self.allow = _methods(", ".join(allow))

    def shed(self) -> None:
        """The INVITE's transaction has ended: what only that needed can go."""
        self.invite = None
        self.acknowledgement = None

    def refresh_target(self, message: Message) -> None:
        """Takes the Contact of a request or response that refreshes the target (12.2.1.2)."""
        try:
            self.dialog.remote_target = contact_target(message)
        except RemoteProtocolError:
            # It has none, or none that could be used: the target stays.
            return

    def snapshot(self) -> DialogSnapshot:
        """Its state as plain values."""
        dialog = self.dialog
        return DialogSnapshot(
            remote_tag=dialog.remote_tag,
            remote_target=str(dialog.remote_target),
            route_set=dialog.route_set,
            early=dialog.early,
        )
