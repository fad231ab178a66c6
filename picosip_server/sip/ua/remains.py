"""What is left of a user that is over: transactions that only absorb, or say the same again.

They stay for up to 64*T1 (timers D, I, J, K and L). Until then a call would keep its dialogs,
its messages and all that was made of them, some 13 kB for each, though nothing but a few octets
is ever needed of it any more.
"""

from __future__ import annotations

from collections.abc import Hashable

from picosip_server.sip.message import Request, Response
from picosip_server.sip.parse import OWN, parse
from picosip_server.sip.transaction.effects import Send
from picosip_server.sip.ua.echo import Echo
from picosip_server.sip.ua.effects import Effect, Transmit
from picosip_server.sip.ua.user import TransactionUser, earlier


class Remains(TransactionUser):
    """Stands in the place of a user whose transactions all rest."""

    __slots__ = ("_echoes", "_tag")

    def __init__(self, user: TransactionUser, echoes: list[Echo]) -> None:
        super().__init__(user.name, user.context, {})
        self.over = True
        self.flow = user.flow
        self.aor = user.aor
        self.anonymous = user.anonymous
        self.listener = user.listener
        self._tag = user.local_tag()
        self._echoes = echoes

    @classmethod
    def of(cls, user: TransactionUser) -> Remains | None:
        """What is left of a user; None: it cannot be let go of yet."""
        echoes = user.rest()
        return None if echoes is None else cls(user, echoes)

    @property
    def keys(self) -> list[Hashable]:
        """The routing keys that are its own from now on."""
        keys = [echo.key for echo in self._echoes]
        return keys + [echo.merge for echo in self._echoes if echo.merge is not None]

    @property
    def finished(self) -> bool:
        """Whether the last transaction has ended, that of a late CANCEL included."""
        return not self._echoes and super().finished

    def local_tag(self) -> str:
        """The To tag that the user had."""
        return self._tag

    def deadline(self) -> float | None:
        """When the first of its transactions ends."""
        due = super().deadline()
        return earlier(due, min((echo.until for echo in self._echoes), default=None))

    def timeout(self, now: float) -> list[Effect]:
        """Forgets the transactions whose time is over."""
        for echo in [each for each in self._echoes if each.until <= now]:
            self._echoes.remove(echo)
            self.unbind(echo.key)
            if echo.merge is not None:
                self.unbind(echo.merge)
        return super().timeout(now)

    def receive_again(self, key: Hashable, request: Request, now: float) -> list[Effect]:
        """The request again (17.2.2), or an ACK, which needs no answer."""
        self._repeat(key)
        return super().receive_again(key, request, now)

    def receive_response(
        self, key: Hashable, response: Response, now: float, *, flow: int = 0
    ) -> list[Effect]:
        """The final response again: one that refused an INVITE gets its ACK again (17.1.1.2)."""
        if response.status >= 300:
            self._repeat(key)
        return super().receive_response(key, response, now, flow=flow)

    def last_response(self, key: Hashable) -> Transmit | None:
        """The response that a datagram quoted by an ICMP error may have carried."""
        echo = self._echo(key)
        if echo is None or not echo.again:
            return None
        message = parse(echo.again, OWN)
        if not isinstance(message, Response):
            return None
        return Transmit(echo.hop, echo.again, message, key)

    def _repeat(self, key: Hashable) -> None:
        echo = self._echo(key)
        if echo is not None and echo.again:
            # It is seldom needed: so the octets alone are kept.
            message = parse(echo.again, OWN)
            self.transmit(echo.hop, Send(message, echo.again, retransmission=True), key)

    def _echo(self, key: Hashable) -> Echo | None:
        for echo in self._echoes:
            if echo.key == key:
                return echo
        return None
