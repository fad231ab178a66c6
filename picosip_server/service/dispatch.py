"""The commands of a Control stream: begun in order, without a task each, and told when they end."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import grpc
import structlog

from picosip.v1 import event_service_pb2 as pb
from picosip_server.service import errors
from picosip_server.service.backend import Backend
from picosip_server.service.commands import COMMANDS
from picosip_server.service.errors import ApiError, FieldViolation
from picosip_server.service.idempotency import Outcome
from picosip_server.service.operations import Begins
from picosip_server.service.sessions import Session

_log = structlog.get_logger(__name__)


class Dispatch:
    """``put`` takes each encoded CommandResult."""

    def __init__(self, backend: Backend, session: Session, put: Callable[[bytes], None]) -> None:
        self._backend = backend
        self._session = session
        self._put = put
        self.open: set[int] = set()
        """command_id of those that are being done."""
        self.gone = False
        """Nobody takes results any more."""

    def begin(self, commands: Iterable[pb.Command]) -> None:
        """Has these done; the engine wakes up for all of them once."""
        with self._backend.bridge.engine.gather():
            for command in commands:
                self._begin(command)

    def _begin(self, command: pb.Command) -> None:
        number = command.command_id
        if number in self.open:
            text = f"{number} is that of a command that has no result yet"
            self._tell(number, misused("command_id", text, "DUPLICATE_COMMAND_ID").status())
            return
        field = command.WhichOneof("request")
        if field is None:
            text = "is none that this server knows: set one of the fields"
            self._tell(number, misused("request", text).status())
            return
        operation = COMMANDS[field]
        request = getattr(command, field)
        done = partial(self._done, number, operation)
        on_created = None
        if field == "invite" and request.policy.hangup_on_disconnect:
            on_created = partial(self._backend.sessions.created, self._session)
        self.open.add(number)
        try:
            operation.begin(
                self._backend, request, done, brief=command.brief, on_created=on_created
            )
        except Exception as error:
            done(error)

    def _done(self, number: int, operation: Begins, outcome: Outcome) -> None:
        """A command has come to its end, in whichever way."""
        code = grpc.StatusCode.OK
        if isinstance(outcome, pb.CommandResult):
            result = outcome
        elif isinstance(outcome, Exception):
            error = outcome if isinstance(outcome, ApiError) else _unexpected(operation, outcome)
            code = error.code
            result = pb.CommandResult(error=error.status())
        else:
            result = operation.result(outcome)
        self._backend.rpc_done(operation.path, code.name)
        self.open.discard(number)
        result.command_id = number
        if not self.gone:
            self._put(result.SerializeToString())

    def _tell(self, number: int, status: Any) -> None:
        result = pb.CommandResult(command_id=number, error=status)
        self._put(result.SerializeToString())


def misused(field: str, description: str, reason: str = "INVALID_FIELD") -> ApiError:
    """Something is wrong with a message of the stream itself."""
    return errors.invalid((FieldViolation(field=field, description=description, reason=reason),))


def _unexpected(operation: Begins, error: Exception) -> ApiError:
    error_id = secrets.token_hex(8)
    _log.error(
        "a command failed unexpectedly", method=operation.path, error_id=error_id, exc_info=error
    )
    return errors.internal(error_id)
