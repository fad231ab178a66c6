"""A response whose way back is gone: RFC 3261 section 18.2.2, RFC 3263 section 5."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace

from picosip_server.sip.hop import Hop, Target
from picosip_server.sip.message import Response
from picosip_server.sip.transaction.effects import Send
from picosip_server.sip.ua.context import Context
from picosip_server.sip.ua.effects import Effect, Locate, Transmit
from picosip_server.sip.ua.user import TransactionUser


class Redelivery(TransactionUser):
    """Sends one response again, to wherever the sender of the request may still be reached.

    It has no timers, and nothing refers to it but what it waits for: the look-up of a name,
    then the connection that its octets wait in.
    """

    __slots__ = ("_hops", "_lost", "_sought", "_tried")

    def __init__(self, name: str, context: Context, lost: Transmit) -> None:
        super().__init__(name, context, {})
        self.over = True
        self._lost = lost
        self._hops: tuple[Hop, ...] = ()
        self._tried = {_address(lost.hop)}
        self._sought = False

    def start(self, now: float, *, closed: bool) -> list[Effect]:
        """Begins. ``closed``: it was the connection of the request itself that failed."""
        if closed:
            # 18.2.2: a connection to the address it came from, at the port of the sent-by.
            self._send(replace(self._lost.hop, flow=0))
        else:
            self._seek()
        return self.flush()

    def _seek(self) -> None:
        """RFC 3263 section 5: the sent-by of the Via, resolved by SRV where it has no port."""
        if self._sought:
            return
        self._sought = True
        assert isinstance(self._lost.message, Response)
        via = self._lost.message.via
        target = Target(host=via.host, port=via.port or 0, transport=self._lost.hop.transport)
        self._out.append(Locate(1, target))

    def _send(self, hop: Hop) -> None:
        self._tried.add(_address(hop))
        lost = self._lost
        self.transmit(hop, Send(lost.message, lost.data, retransmission=True), lost.key)

    def _next(self) -> None:
        while self._hops:
            hop, self._hops = self._hops[0], self._hops[1:]
            if _address(hop) not in self._tried:
                self._send(hop)
                return
        self._seek()

    def located(self, ticket: int, hops: tuple[Hop, ...], now: float) -> list[Effect]:
        """The addresses of the sent-by, best first."""
        self._hops = hops
        self._next()
        return self.flush()

    def transport_failed(self, key: Hashable, detail: str, now: float) -> list[Effect]:
        """This one fails too: on to the next, if there is one."""
        self._next()
        return self.flush()


def _address(hop: Hop) -> tuple[str, int]:
    return hop.host, hop.port
