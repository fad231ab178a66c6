"""Session descriptions as octets (RFC 8866 section 5)."""

from __future__ import annotations

from collections.abc import Iterator

from picosip_server.sdp import rules
from picosip_server.sdp.complete import complete
from picosip_server.sdp.errors import SdpError
from picosip_server.sdp.model import (
    Attribute,
    Bandwidth,
    Connection,
    Media,
    Origin,
    SessionDescription,
    Timing,
)


def write(
    description: SessionDescription,
    *,
    session_id: str = "",
    session_version: str = "",
    address: str = "",
) -> bytes:
    """The octets of ``description``, each line ended by CRLF, in the order of the RFC.

    What is unset is filled in by ``complete``. Any media type, protocol, format and
    attribute may be written; what they mean, and whether there is a c= line for
    every stream, is the application's affair.

    Raises SdpError with the path of the first value that no line can hold: a control
    character, a name that is no token, a number out of range, a missing subfield.
    """
    whole = complete(
        description, session_id=session_id, session_version=session_version, address=address
    )
    text = "".join(f"{line}\r\n" for line in _session(whole))
    return text.encode("utf-8", "surrogateescape")


def _need(fulfilled: bool, field: str, detail: str) -> None:
    if not fulfilled:
        raise SdpError(detail, field=field)


def _token(value: str, field: str) -> str:
    _need(rules.is_token(value), field, "must be a token")
    return value


def _word(value: str, field: str) -> str:
    _need(rules.is_word(value), field, "must be text without spaces and control characters")
    return value


def _text(value: str, field: str) -> str:
    _need(rules.is_text(value), field, "must be text without NUL, CR and LF, and not empty")
    return value


def _digits(value: str, field: str) -> str:
    _need(rules.is_digits(value), field, "must be decimal digits")
    return value


def _number(value: int, field: str, largest: int) -> int:
    _need(0 <= value <= largest, field, f"must be from 0 to {largest}")
    return value


def _session(whole: SessionDescription) -> Iterator[str]:
    yield "v=0"
    yield _origin(whole.origin or Origin())
    yield "s=" + _text(whole.session_name, "session_name")
    yield from _optional("i", whole.information, "information")
    yield from _optional("u", whole.uri, "uri")
    for index, email in enumerate(whole.emails):
        yield "e=" + _text(email, f"emails[{index}]")
    for index, phone in enumerate(whole.phones):
        yield "p=" + _text(phone, f"phones[{index}]")
    if whole.connection is not None:
        yield _connection(whole.connection, "connection")
    yield from _bandwidths(whole.bandwidths, "")
    for index, timing in enumerate(whole.timings):
        yield from _timing(timing, f"timings[{index}]")
    yield from _optional("k", whole.key, "key")
    yield from _attributes(whole.attributes, "")
    for index, media in enumerate(whole.media):
        yield from _media(media, f"media[{index}].")


def _media(media: Media, path: str) -> Iterator[str]:
    port = str(_number(media.port, path + "port", rules.MAX_PORT))
    if _number(media.port_count, path + "port_count", rules.MAX_PORT):
        port += f"/{media.port_count}"
    _need(rules.is_protocol(media.protocol), path + "protocol", 'must be tokens with "/" between')
    # RFC 8866 section 9 wants a format, but refused streams come without (port 0).
    _need(bool(media.formats) or media.port == 0, path + "formats", "must not be empty")
    formats = [_word(each, f"{path}formats[{index}]") for index, each in enumerate(media.formats)]
    yield " ".join(["m=" + _token(media.type, path + "type"), port, media.protocol, *formats])
    yield from _optional("i", media.information, path + "information")
    for index, connection in enumerate(media.connections):
        yield _connection(connection, f"{path}connections[{index}]")
    yield from _bandwidths(media.bandwidths, path)
    yield from _optional("k", media.key, path + "key")
    yield from _attributes(media.attributes, path)


def _origin(origin: Origin) -> str:
    return "o=" + " ".join(
        (
            _word(origin.username, "origin.username"),
            _digits(origin.session_id, "origin.session_id"),
            _digits(origin.session_version, "origin.session_version"),
            _token(origin.network_type, "origin.network_type"),
            _token(origin.address_type, "origin.address_type"),
            _word(origin.address, "origin.address"),
        )
    )


def _connection(connection: Connection, path: str) -> str:
    return "c=" + " ".join(
        (
            _token(connection.network_type, path + ".network_type"),
            _token(connection.address_type, path + ".address_type"),
            _word(connection.address, path + ".address"),
        )
    )


def _bandwidths(bandwidths: tuple[Bandwidth, ...], path: str) -> Iterator[str]:
    for index, bandwidth in enumerate(bandwidths):
        here = f"{path}bandwidths[{index}]"
        kind = _token(bandwidth.type, here + ".type")
        yield f"b={kind}:{_number(bandwidth.value, here + '.value', rules.MAX_UINT64)}"


def _timing(timing: Timing, path: str) -> Iterator[str]:
    start = _number(timing.start, path + ".start", rules.MAX_UINT64)
    yield f"t={start} {_number(timing.stop, path + '.stop', rules.MAX_UINT64)}"
    for index, repeat in enumerate(timing.repeats):
        yield "r=" + _text(repeat, f"{path}.repeats[{index}]")
    yield from _optional("z", timing.zone, path + ".zone")


def _attributes(attributes: tuple[Attribute, ...], path: str) -> Iterator[str]:
    for index, attribute in enumerate(attributes):
        here = f"{path}attributes[{index}]"
        line = "a=" + _token(attribute.name, here + ".name")
        if attribute.value is not None:
            line += ":"
            # RFC 8866 wants an octet behind the colon, but lines without are about.
            if attribute.value:
                line += _text(attribute.value, here + ".value")
        yield line


def _optional(letter: str, value: str, field: str) -> Iterator[str]:
    if value:
        yield f"{letter}={_text(value, field)}"
