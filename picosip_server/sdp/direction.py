"""Which way media flow: sendrecv, sendonly, recvonly, inactive (RFC 3264, RFC 8866 section 6.7)."""

from __future__ import annotations

from dataclasses import replace

from picosip_server.sdp.model import Attribute, Media, SessionDescription

DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")
_NOWHERE = ("0.0.0.0", "::")


def direction(media: Media, description: SessionDescription) -> str:
    """The direction of one stream: its own attribute, else the session's, else sendrecv."""
    for attributes in (media.attributes, description.attributes):
        for attribute in attributes:
            if attribute.name in DIRECTIONS and attribute.value is None:
                return attribute.name
    return "sendrecv"


def directed(media: Media, towards: str) -> Media:
    """The stream with that direction: in the place of its attribute, else as its last one."""
    kept: list[Attribute] = []
    placed = False
    for attribute in media.attributes:
        if attribute.name in DIRECTIONS and attribute.value is None:
            if placed:
                continue
            placed = True
            attribute = Attribute(name=towards)
        kept.append(attribute)
    if not placed:
        kept.append(Attribute(name=towards))
    return replace(media, attributes=tuple(kept))


def held(towards: str) -> str:
    """The direction of a stream that its sender puts on hold (RFC 3264 section 8.4)."""
    return "sendonly" if towards in ("sendrecv", "sendonly") else "inactive"


def answered(offered: str, wanted: str) -> str:
    """The direction in an answer, where the one who answers wants ``wanted`` (section 6.1)."""
    sends = offered in ("sendrecv", "recvonly") and wanted in ("sendrecv", "sendonly")
    receives = offered in ("sendrecv", "sendonly") and wanted in ("sendrecv", "recvonly")
    if sends:
        return "sendrecv" if receives else "sendonly"
    return "recvonly" if receives else "inactive"


def wants_nothing(description: SessionDescription) -> bool:
    """Whether its sender takes no media of any stream: it holds the other end.

    Also said by an address of zeros, as peers of RFC 2543 do (RFC 3264 section 8.4).
    """
    open_streams = [media for media in description.media if media.port]
    return bool(open_streams) and all(
        direction(media, description) in ("sendonly", "inactive") or _nowhere(media, description)
        for media in open_streams
    )


def _nowhere(media: Media, description: SessionDescription) -> bool:
    connections = media.connections or (
        (description.connection,) if description.connection is not None else ()
    )
    return bool(connections) and all(each.address in _NOWHERE for each in connections)
