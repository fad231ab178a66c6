"""Digits of ours, one INFO each: SendDtmf."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from picosip_server.sip import dtmf
from picosip_server.sip.ua.call.request_inside import Outcome, RequestInside, open_leg
from picosip_server.sip.ua.commands import Body, SendDtmf
from picosip_server.sip.ua.failures import refused
from picosip_server.sip.ua.outputs import Failure

if TYPE_CHECKING:
    from picosip_server.sip.ua.call.base import Call


class DtmfSender:
    """Sends digits one after the other: the next when the last one was taken and its time is over.

    Commands that come meanwhile wait for their turn.
    """

    __slots__ = ("_busy", "_call", "_free", "_queue", "_sent")

    ALARM = "dtmf"

    def __init__(self, call: Call) -> None:
        self._call = call
        self._queue: deque[SendDtmf] = deque()
        self._sent = 0
        """How much of the first command's digits is done."""
        self._busy = False
        """An INFO awaits its response."""
        self._free = 0.0
        """When the last digit and the gap behind it are over."""

    def send(self, command: SendDtmf, now: float) -> None:
        """Queues the digits of a command."""
        call = self._call
        if open_leg(call) is None:
            call.fail_state(command.token, call.state.name, f"{call.name} has no dialog to send in")
            return
        self._queue.append(command)
        if len(self._queue) == 1:
            self._next(now)

    def alarm(self, alarm: str, now: float) -> bool:
        """The time of a digit is over. False: the alarm is another one."""
        if alarm != self.ALARM:
            return False
        self._next(now)
        return True

    def close(self, failure: Failure) -> None:
        """The call is over."""
        for command in self._queue:
            self._call.fail(command.token, failure)
        self._queue.clear()

    def _next(self, now: float) -> None:
        while self._queue and not self._busy:
            command = self._queue[0]
            if self._sent == len(command.digits):
                self._done(None)
            elif now < self._free:
                self._call.alarm(self.ALARM, self._free)
                return
            else:
                self._digit(command, command.digits[self._sent], now)

    def _digit(self, command: SendDtmf, digit: str, now: float) -> None:
        leg = open_leg(self._call)
        if leg is None:
            # The call ends: what waits here is failed when it has.
            self._busy = True
            return
        self._sent += 1
        if digit == dtmf.PAUSE:
            self._free = now + dtmf.PAUSE_SECONDS
            return
        self._free = now + command.duration + command.gap
        self._busy = True
        body = dtmf.write(command.content_type, digit, command.duration)
        RequestInside(
            self._call,
            leg,
            "INFO",
            self._answered,
            body=Body(content_type=command.content_type, data=body),
        ).start(now)

    def _answered(self, outcome: Outcome, now: float) -> None:
        self._busy = False
        if not self._queue:
            return
        if isinstance(outcome, Failure):
            self._done(outcome)
        elif outcome.status >= 300:
            self._done(refused(outcome, "INFO"))
        self._next(now)

    def _done(self, failure: Failure | None) -> None:
        command = self._queue.popleft()
        self._sent = 0
        if failure is None:
            self._call.complete(command.token, None)
        else:
            self._call.fail(command.token, failure)
