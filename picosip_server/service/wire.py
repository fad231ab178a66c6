"""Protobuf fields put together from octets that are encoded already.

The octets of a message's fields may be concatenated: readers merge them. So an
event is encoded once and its octets go to every stream.
"""

from __future__ import annotations

from collections.abc import Iterable

from picosip.v1 import event_service_pb2 as pb

_LENGTH_DELIMITED = 2
_SHORT = tuple(bytes((number,)) for number in range(0x80))


def varint(number: int) -> bytes:
    """A number as protobuf writes lengths and tags."""
    if number <= 0x3FFF:
        return _SHORT[number] if number <= 0x7F else bytes((number & 0x7F | 0x80, number >> 7))
    octets = bytearray()
    while number > 0x7F:
        octets.append(number & 0x7F | 0x80)
        number >>= 7
    octets.append(number)
    return bytes(octets)


def tag(field_number: int) -> bytes:
    """What stands before the length of a field that holds a message."""
    return varint(field_number << 3 | _LENGTH_DELIMITED)


_CURSOR = tag(pb.EventsResponse.CURSOR_FIELD_NUMBER)
_EVENTS = tag(pb.EventsResponse.EVENTS_FIELD_NUMBER)
_RESULTS_OF_RESPONSE = tag(pb.ControlResponse.RESULTS_FIELD_NUMBER)
_EVENTS_OF_RESPONSE = tag(pb.ControlResponse.EVENTS_FIELD_NUMBER)
_BOTH_OF_RESPONSE = tag(pb.ControlResponse.BOTH_FIELD_NUMBER)
_RESULTS_OF_BATCH = tag(pb.CommandResultBatch.RESULTS_FIELD_NUMBER)
_RESULTS_OF_BOTH = tag(pb.ResultsAndEvents.RESULTS_FIELD_NUMBER)
_EVENTS_OF_BOTH = tag(pb.ResultsAndEvents.EVENTS_FIELD_NUMBER)
_MESSAGE = tag(pb.Event.MESSAGE_FIELD_NUMBER)


def field(tag: bytes, message: bytes) -> bytes:
    """A field with an encoded message, to stand behind other fields of its message."""
    return tag + varint(len(message)) + message


def message_field(message: bytes) -> bytes:
    """``Event.message`` with an encoded SipMessage, to stand behind an encoded Event."""
    return field(_MESSAGE, message)


def response(cursor: pb.Cursor | None, events: Iterable[bytes]) -> bytes:
    """An encoded EventsResponse with encoded events."""
    parts: list[bytes] = []
    if cursor is not None:
        place = cursor.SerializeToString()
        parts += (_CURSOR, varint(len(place)), place)
    parts.append(_repeated(_EVENTS, events))
    return b"".join(parts)


def control_events(events: bytes) -> bytes:
    """An encoded ControlResponse with an encoded EventsResponse."""
    return b"".join((_EVENTS_OF_RESPONSE, varint(len(events)), events))


def control_results(results: Iterable[bytes]) -> bytes:
    """An encoded ControlResponse with encoded CommandResults."""
    batch = _repeated(_RESULTS_OF_BATCH, results)
    return b"".join((_RESULTS_OF_RESPONSE, varint(len(batch)), batch))


def control_both(results: Iterable[bytes], events: bytes) -> bytes:
    """An encoded ControlResponse with encoded CommandResults and an encoded EventsResponse."""
    first = _repeated(_RESULTS_OF_BOTH, results)
    second = b"".join((_EVENTS_OF_BOTH, varint(len(events)), events))
    return b"".join((_BOTH_OF_RESPONSE, varint(len(first) + len(second)), first, second))


def _repeated(tag: bytes, messages: Iterable[bytes]) -> bytes:
    parts: list[bytes] = []
    for message in messages:
        parts += (tag, varint(len(message)), message)
    return b"".join(parts)
