"""Descriptions of sessions that nobody takes part in."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from picosip_server.sdp.direction import DIRECTIONS, answered, directed, direction
from picosip_server.sdp.errors import SdpError
from picosip_server.sdp.model import Connection, Media, Origin, SessionDescription
from picosip_server.sdp.parse import parse
from picosip_server.sdp.write import write
from picosip_server.sip.ua.capabilities import SDP_TYPE
from picosip_server.sip.ua.commands import Body

_KEPT = frozenset(("rtpmap", "fmtp", "ptime", "maxptime", "mid", "rtcp-mux", *DIRECTIONS))
"""Attributes that hold for both ends alike; keys and addresses do not."""
_PORT = 9
"""The discard port: where nothing is expected (RFC 863)."""


@lru_cache(maxsize=64)
def answer_to(offer: Body, host: str) -> Body | None:
    """An answer that takes all streams of an offer, with the directions turned (RFC 3264 section
    6.1); None where the offer cannot be read. Load repeats a few offers: they are kept."""
    try:
        return _answer(parse(offer.data), host)
    except SdpError:
        return None


def _answer(theirs: SessionDescription, host: str) -> Body:
    media = []
    for each in theirs.media:
        kept = tuple(one for one in each.attributes if one.name in _KEPT)
        ours = Media(
            type=each.type,
            port=each.port,
            protocol=each.protocol,
            formats=each.formats,
            attributes=kept,
        )
        towards = answered(direction(each, theirs), "sendrecv")
        media.append(directed(ours, towards) if each.port and towards != "sendrecv" else ours)
    return _described(SessionDescription(media=tuple(media), timings=theirs.timings), host)


@lru_cache(maxsize=64)
def audio_at(host: str) -> Body:
    """An offer of one audio stream."""
    media = Media(type="audio", port=_PORT, protocol="RTP/AVP", formats=("0", "8"))
    return _described(SessionDescription(media=(media,)), host)


def _described(description: SessionDescription, host: str) -> Body:
    origin = Origin(session_id="1", session_version="1", address=host)
    whole = replace(description, origin=origin, connection=Connection(address=host))
    return Body(content_type=SDP_TYPE, data=write(whole))
