"""What a Control stream says and hears: the part without any I/O, for both clients."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable

from picosip._commands import BATCH, Commands
from picosip._position import LOST, Position
from picosip._retry import Backoff
from picosip._values import duration
from picosip.errors import PicosipError
from picosip.v1 import event_service_pb2 as pb

OUTSTANDING = 8192
"""Events that the server sends ahead of those that have been handled."""
LINGER = 0.002
"""Seconds for which commands wait for more of them, if the last message is as young."""


class Conversation:
    """One client's session with the server, over one stream after another.

    ``position`` is where its events are; None while nobody listens.
    """

    def __init__(self, retry_for: float, keep_session: float | None) -> None:
        self.session = str(uuid.uuid4())
        self.commands = Commands(self.session)
        self.position: Position | None = None
        self.attached = False
        """The server has the stream, with the events that are wanted."""
        self._retry_for = retry_for
        self._keep_session = duration(keep_session)
        self._backoff = Backoff()
        self._is_last = False
        self._handled = 0
        self._unacknowledged = 0

    def opening(self) -> bytes:
        """The first message of a stream. Behind it all goes that has no result yet."""
        self.attached = False
        self._unacknowledged = 0
        self.commands.again()
        position = self.position
        if position is None:
            position = Position(resources=("none",), observer=True, progress_interval=0.0)
        request = position.request()
        opening = pb.ControlOpen(
            filter=request.filter,
            after=request.after if request.HasField("after") else None,
            include_snapshot=request.include_snapshot,
            progress_interval=request.progress_interval,
            max_outstanding_events=OUTSTANDING,
            session=self.session,
            keep_session=self._keep_session,
            combine=True,
        )
        return pb.ControlRequest(open=opening).SerializeToString()

    def wants_last_stream(self) -> bool:
        """Whether one is to be opened though the client has been closed: once, for what was
        handed over before and has never been sent."""
        wanted = not self._is_last and self.commands.unsent > 0
        self._is_last = True
        return wanted

    @property
    def has_more(self) -> bool:
        """Whether there is something to send."""
        return self.commands.unsent > 0 or self._credit_is_due

    @property
    def has_batch(self) -> bool:
        """Whether it is to be sent without waiting for more."""
        return self.commands.unsent >= BATCH or self._credit_is_due

    @property
    def _credit_is_due(self) -> bool:
        return self._unacknowledged > OUTSTANDING // 2

    def next_message(self) -> bytes:
        """What to send now."""
        if self._credit_is_due:
            self._unacknowledged = 0
            return pb.ControlRequest(acknowledge_revision=self._handled).SerializeToString()
        return self.commands.batch()

    def parts(
        self, response: pb.ControlResponse
    ) -> tuple[Iterable[pb.CommandResult], pb.EventsResponse | None]:
        """The results of a response, and its events."""
        match response.WhichOneof("kind"):
            case "both":
                return response.both.results, response.both.events
            case "results":
                return response.results.results, None
            case "events":
                return (), response.events
        self._backoff = Backoff()
        return (), None

    def hear(self, response: pb.EventsResponse) -> None:
        """Takes events, for ``position`` to hand out."""
        # The first response says that the server has the stream.
        self.attached = True
        if self.position is not None:
            self.position.accept(response)

    def handled(self, event: pb.Event) -> bool:
        """An event has been handed out; whether that is to be told the server now."""
        self._handled = event.revision
        self._unacknowledged += 1
        return self._credit_is_due

    def lost(self, failure: PicosipError | None) -> tuple[float, PicosipError | None]:
        """The stream has ended. How long to wait, in seconds, before the next one, and what
        those who listen are to be told where that does not mend it for them."""
        self.attached = False
        if self.position is None:
            return self._backoff.pause(), None
        try:
            return self.position.lost(failure), None
        except PicosipError as error:
            # Commands go on, without events.
            self.position = None
            return 0.0, error

    def give_up(self, failure: PicosipError) -> None:
        """Fails the commands that have waited for too long: those that another stream may
        still help get their time."""
        late = time.monotonic() - self._retry_for if failure.code in LOST else float("inf")
        self.commands.fail(failure, older_than=late)
