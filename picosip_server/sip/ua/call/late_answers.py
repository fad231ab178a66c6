"""2xx that come when their call is over: RFC 3261 section 13.2.2.4, RFC 6026 section 7.2."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

from picosip_server.sip.auth.client import DigestClient
from picosip_server.sip.dialog import Dialog
from picosip_server.sip.hop import Hop
from picosip_server.sip.message import Request, Response
from picosip_server.sip.parse import OWN, parse
from picosip_server.sip.transaction.effects import Send
from picosip_server.sip.ua.acknowledgement import Acknowledgement
from picosip_server.sip.ua.echo import Echo
from picosip_server.sip.ua.effects import Effect
from picosip_server.sip.ua.exchange import NOBODY, Draft, Exchange
from picosip_server.sip.ua.remains import Remains
from picosip_server.sip.ua.user import TransactionUser

Ack = tuple[Hop, bytes]
"""An ACK that was sent, and where to."""


class LateAnswers(Remains):
    """What is left of an answered call of ours, until timer M ends.

    The 2xx that answered it gets its ACK again. That of another fork makes a dialog, which is
    acknowledged and ended.
    """

    __slots__ = ("_acks", "_auth", "_invite", "_key", "_surplus")

    def __init__(
        self,
        call: TransactionUser,
        echoes: list[Echo],
        *,
        key: Hashable,
        invite: bytes,
        acks: Mapping[str, Ack],
        auth: DigestClient | None,
    ) -> None:
        super().__init__(call, echoes)
        self._key = key
        self._invite = invite
        self._acks = acks
        """By the far end's tag."""
        self._auth = auth
        self._surplus: dict[str, Acknowledgement] = {}
        """The same of those that answered later."""

    def let_go(self) -> None:
        """The ACKs of the late ones know it."""
        super().let_go()
        self._surplus = {}

    def receive_response(
        self, key: Hashable, response: Response, now: float, *, flow: int = 0
    ) -> list[Effect]:
        """Also a 2xx to the INVITE."""
        if key == self._key and 200 <= response.status < 300:
            self._accepted(response, now)
        return super().receive_response(key, response, now, flow=flow)

    def _accepted(self, response: Response, now: float) -> None:
        tag = response.to.tag
        if tag in self._acks:
            hop, data = self._acks[tag]
            self.transmit(hop, Send(parse(data, OWN), data, retransmission=True))
        elif tag in self._surplus:
            self._surplus[tag].repeat()
        else:
            self._end(tag, response, now)

    def _end(self, tag: str, response: Response, now: float) -> None:
        invite = parse(self._invite, OWN)
        assert isinstance(invite, Request)
        dialog = Dialog.uac(invite, response)
        self._surplus[tag] = acknowledgement = Acknowledgement(self, dialog, invite, None)
        acknowledgement.start()
        bye = Draft(
            method="BYE",
            target=dialog.remote_target,
            route_set=dialog.route_set,
            from_=dialog.local,
            to=dialog.remote,
            call_id=dialog.call_id,
        )
        Exchange(self, bye, NOBODY, next_cseq=dialog.next_cseq, auth=self._auth).start(now)
