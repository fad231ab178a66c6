"""SIP messages as they pass the transports, for those who trace."""

from __future__ import annotations

from picosip_server.engine.network import Source
from picosip_server.sip.message import Message
from picosip_server.sip.ua.effects import Transmit
from picosip_server.sip.ua.outputs import Traced


def received(
    message: Message, data: bytes, source: Source, resource: str, now: float, *, again: bool
) -> Traced:
    """A message came in."""
    return Traced(
        at=now,
        sent=False,
        message=message,
        raw=data,
        transport=source.transport,
        local=(source.local_host, source.local_port),
        remote=(source.host, source.port),
        resource=resource,
        retransmission=again,
    )


def sent(effect: Transmit, resource: str, now: float) -> Traced:
    """A message goes out."""
    hop = effect.hop
    return Traced(
        at=now,
        sent=True,
        message=effect.message,
        raw=effect.data,
        transport=hop.transport,
        local=(hop.local_host, hop.local_port),
        remote=(hop.host, hop.port),
        resource=resource,
        retransmission=effect.retransmission,
    )
