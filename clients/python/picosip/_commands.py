"""Commands of a Control stream: how they are encoded, and who waits for their results.

Here is no I/O: both clients send what this makes, and hand it what comes.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from picosip.errors import PicosipError, from_status
from picosip.v1 import event_service_pb2 as pb, subscription_service_pb2 as subscription_pb

_log = logging.getLogger("picosip")

Done = Callable[[Any], None]
"""Is told what the client's method returns, or the PicosipError that it raises."""

BATCH = 64
"""So many commands wait for no more of them."""
MOST = 512
"""Commands in one message: what waits already costs less together."""
MOST_OCTETS = 1 << 20
"""Of those in one message, unless it is one alone. Servers take up to 4 MiB by default."""


def _varint(number: int) -> bytes:
    octets = bytearray()
    while number > 0x7F:
        octets.append(number & 0x7F | 0x80)
        number >>= 7
    octets.append(number)
    return bytes(octets)


def _tag(field_number: int, wire_type: int = 2) -> bytes:
    return _varint(field_number << 3 | wire_type)


_COMMAND_ID = _tag(pb.Command.COMMAND_ID_FIELD_NUMBER, 0)
_BRIEF = _tag(pb.Command.BRIEF_FIELD_NUMBER, 0) + b"\1"
_IN_BATCH = _tag(pb.CommandBatch.COMMANDS_FIELD_NUMBER)
_BATCH = _tag(pb.ControlRequest.COMMANDS_FIELD_NUMBER)


@dataclass(frozen=True, slots=True)
class Kind:
    """One command of the API."""

    tag: bytes
    """Of its field in Command."""
    request_id: bytes
    """The tag of its ``request_id``; empty: it has none, for it changes nothing."""
    value: Callable[[pb.CommandResult], Any]
    """What the client's method returns."""


def _value(result: pb.CommandResult) -> Any:
    outcome = result.WhichOneof("outcome")
    return None if outcome is None or outcome == "done" else getattr(result, outcome)


def _published(result: pb.CommandResult) -> Any:
    expires = result.expire_time if result.HasField("expire_time") else None
    return subscription_pb.PublishResponse(name=result.name, expire_time=expires)


_VALUES: dict[str, Callable[[pb.CommandResult], Any]] = {
    "send_message": lambda result: result.response.status,
    "publish": _published,
}


def _kinds() -> dict[type[Message], Kind]:
    kinds = {}
    for field in pb.Command.DESCRIPTOR.oneofs_by_name["request"].fields:
        descriptor = field.message_type
        assert descriptor is not None
        own = descriptor.fields_by_name.get("request_id")
        kinds[GetMessageClass(descriptor)] = Kind(
            _tag(field.number),
            b"" if own is None else _tag(own.number),
            _VALUES.get(field.name, _value),
        )
    return kinds


KINDS = _kinds()
"""By the type of the request."""


class Command:
    """One that has no result yet."""

    __slots__ = ("at", "done", "number", "octets", "value")

    def __init__(
        self, number: int, octets: bytes, value: Callable[[pb.CommandResult], Any], done: Done
    ) -> None:
        self.number = number
        self.octets = octets
        """As they stand in a batch."""
        self.value = value
        self.done = done
        self.at = time.monotonic()


class Commands:
    """All commands of a client that have no result, and those that are to be sent.

    ``settle`` and ``fail`` may run beside the others; these not beside each other.
    """

    def __init__(self, session: str) -> None:
        self._session = session
        self._numbers = 0
        self._open: dict[int, Command] = {}
        self._unsent: deque[Command] = deque()

    @property
    def unsent(self) -> int:
        """How many wait to be sent."""
        return len(self._unsent)

    def add(self, request: Message, done: Done, *, brief: bool = False) -> Command:
        """Takes a request in; it is not touched, and may be used again.

        It gets a ``request_id`` of its own where it has none, which stays the same however
        often it is sent. Raises TypeError where there is no such command.
        """
        kind = KINDS.get(type(request))
        if kind is None:
            raise TypeError(f"no command takes a {type(request).__name__}")
        self._numbers += 1
        number = self._numbers
        body = request.SerializeToString()
        if kind.request_id and not request.request_id:  # type: ignore[attr-defined]
            own = f"{self._session}-{number}".encode()
            body += kind.request_id + _varint(len(own)) + own
        inner = b"".join(
            (
                _COMMAND_ID,
                _varint(number),
                _BRIEF if brief else b"",
                kind.tag,
                _varint(len(body)),
                body,
            )
        )
        value = _value if brief else kind.value
        command = Command(number, _IN_BATCH + _varint(len(inner)) + inner, value, done)
        self._open[number] = command
        self._unsent.append(command)
        return command

    def forget(self, command: Command) -> None:
        """Nobody waits for its result any more. It may be done all the same."""
        self._open.pop(command.number, None)

    def batch(self) -> bytes:
        """The next commands to be sent, as an encoded ControlRequest."""
        unsent = self._unsent
        parts: list[bytes] = []
        size = 0
        while unsent and len(parts) < MOST:
            size += len(unsent[0].octets)
            if parts and size > MOST_OCTETS:
                break
            parts.append(unsent.popleft().octets)
        octets = b"".join(parts)
        return b"".join((_BATCH, _varint(len(octets)), octets))

    def drop_unsent(self) -> None:
        """There will be no stream any more."""
        self._unsent.clear()

    def again(self) -> None:
        """The stream is another one: all that have no result are to be sent (once more)."""
        self._unsent = deque(self._open.values())

    def settle(self, results: Iterable[pb.CommandResult]) -> None:
        """Tells those who wait."""
        taken = self._open.pop
        for result in results:
            command = taken(result.command_id, None)
            if command is None:
                continue
            if result.HasField("error"):
                _tell(command, from_status(result.error))
            else:
                _tell(command, command.value(result))

    def fail(self, error: PicosipError, *, older_than: float = float("inf")) -> None:
        """Gives up those that were added before that moment (``time.monotonic``)."""
        for command in list(self._open.values()):
            if command.at < older_than and self._open.pop(command.number, None) is not None:
                _tell(command, error)


def ignore(outcome: object) -> None:
    """For a command whose result nobody wants."""


def _tell(command: Command, outcome: Any) -> None:
    try:
        command.done(outcome)
    except Exception:
        # It is not to stand in the way of the others.
        _log.exception("what a command's result was handed to failed")
