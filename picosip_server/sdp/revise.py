"""The next description of a session: RFC 3264 section 8, and answers from what stands."""

from __future__ import annotations

from dataclasses import replace

from picosip_server.sdp.direction import answered, directed, direction, held
from picosip_server.sdp.model import Media, Origin, SessionDescription
from picosip_server.sdp.parse import parse
from picosip_server.sdp.write import write


def continued(given: bytes, sent: bytes) -> bytes:
    """``given`` as what follows ``sent``: its o= line, with the next version where anything
    else differs, and ``sent`` itself where nothing does.

    Raises SdpError.
    """
    return _after(parse(given), sent)


def on_hold(given: bytes, sent: bytes) -> bytes:
    """The same, with each stream held (section 8.4). Raises SdpError."""
    return _after(_held(parse(given)), sent)


def answer_to(offer: bytes, given: bytes, sent: bytes, *, hold: bool) -> bytes:
    """An answer that has the streams of ``given`` where the offer has them too (section 6).

    Each stream of the offer has its counterpart in the same place; one that ``given`` does
    not have, or has of another kind, is refused with port 0. Raises SdpError.
    """
    theirs, ours = parse(offer), parse(given)
    if hold:
        ours = _held(ours)
    media = []
    for index, wanted in enumerate(theirs.media):
        present = ours.media[index] if index < len(ours.media) else None
        media.append(_stream(wanted, theirs, present, ours))
    return _after(replace(ours, media=tuple(media)), sent)


def _stream(
    wanted: Media, theirs: SessionDescription, present: Media | None, ours: SessionDescription
) -> Media:
    alike = (
        present is not None
        and present.type == wanted.type
        and present.protocol == wanted.protocol
        and not set(present.formats).isdisjoint(wanted.formats)
        and wanted.port
        and present.port
    )
    if present is None or not alike:
        return Media(
            type=wanted.type, port=0, protocol=wanted.protocol, formats=wanted.formats or ("0",)
        )
    towards = answered(direction(wanted, theirs), direction(present, ours))
    return directed(present, towards)


def _held(description: SessionDescription) -> SessionDescription:
    return replace(
        description,
        media=tuple(
            directed(media, held(direction(media, description))) if media.port else media
            for media in description.media
        ),
    )


def _after(description: SessionDescription, sent: bytes) -> bytes:
    last = parse(sent)
    same = replace(description, origin=last.origin)
    if same == last:
        return sent
    origin = last.origin or Origin()
    version = str(int(origin.session_version or "0") + 1)
    return write(replace(description, origin=replace(origin, session_version=version)))
