"""A small engine without a network: the user part of an address says what the far end does."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Hashable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

from picosip_server.engine.audience import Audience, Nobody
from picosip_server.engine.config import EngineConfig, ListenerSpec
from picosip_server.engine.snapshot import Snapshot
from picosip_server.engine.stats import EngineStats
from picosip_server.service.ports import Sink
from picosip_server.sip.message import Response
from picosip_server.sip.ua import commands, events
from picosip_server.sip.ua.commands import Command, WaitFor
from picosip_server.sip.ua.outputs import (
    Completed,
    Failed,
    Failure,
    FailureKind,
    Occurred,
    Output,
    Traced,
)
from picosip_server.sip.ua.snapshots import (
    CallDirection,
    CallSnapshot,
    CallState,
    Cause,
    RegistrationSnapshot,
    RegistrationState,
    Termination,
)
from tests.service import values

REFUSALS = {"busy": (486, "Busy Here"), "declines": (603, "Decline"), "gone": (410, "Gone")}


class ScriptedEngine:
    """Calls to ``answers`` are answered, to ``rings`` ring for ever, to ``later`` exist only
    after ``release``; a user of ``REFUSALS`` refuses. ``breaks`` makes the engine raise."""

    def __init__(self, config: EngineConfig, sink: Sink) -> None:
        self.config = config
        self.audience: Audience = Nobody()
        self.tracing: list[bool] = []
        self.commands: list[Command] = []
        self.responses: list[commands.Respond] = []
        self.stopped = False
        self.now = 1000.0
        self.just_before_snapshot: list[events.Event] = []
        self._sink = sink
        self._calls: dict[str, CallSnapshot] = {}
        self._registrations: dict[str, RegistrationSnapshot] = {}
        self._requests: set[str] = set()
        self._invites: dict[str, commands.Invite] = {}
        self._held: list[commands.Invite] = []
        self._counters: Counter[str] = Counter()
        self._refusing = False
        self._made = 0
        self._lock = threading.RLock()

    # What the service calls.

    def start(self) -> tuple[ListenerSpec, ...]:
        return tuple(replace(one, port=one.port or 5060) for one in self.config.listeners)

    def submit(self, command: Command) -> None:
        with self._lock:
            self.commands.append(command)
            self._emit(*self._outputs(command))

    def gather(self) -> AbstractContextManager[None]:
        return nullcontext()

    def submit_snapshot(self, token: Hashable) -> None:
        with self._lock:
            snapshot = Snapshot(
                calls=tuple(self._calls.values()),
                registrations=tuple(self._registrations.values()),
            )
            before = (Occurred(event=event) for event in self.just_before_snapshot)
            self._emit(*before, Completed(token=token, value=snapshot))

    def set_audience(self, audience: Audience) -> None:
        self.audience = audience

    def set_tracing(self, on: bool) -> None:
        self.tracing.append(on)

    def hold_back(self, on: bool) -> None:
        raise NotImplementedError

    def read_certificates(self) -> None:
        raise NotImplementedError

    def refuse_new_work(self) -> None:
        self._refusing = True

    def end_all_calls(self, token: Hashable) -> None:
        with self._lock:
            for name in tuple(self._calls):
                self._emit(*self._end(name, Cause.SERVER_SHUTDOWN))
            self._registrations.clear()
            self._emit(Completed(token=token, value=None))

    def abandon_all(self) -> None:
        """Nothing is left to wait for: ``end_all_calls`` ends all at once."""

    def compact(self) -> None:
        """There is nothing to do."""

    def size(self) -> int:
        return len(self._calls)

    def stats(self) -> EngineStats:
        return EngineStats(
            active_calls=len(self._calls),
            active_registrations=len(self._registrations),
            calls_by_state=dict(Counter(one.state.name.lower() for one in self._calls.values())),
            counters=dict(self._counters),
        )

    def stop(self) -> None:
        self.stopped = True

    # What tests call: the far end moves.

    def receive_call(self) -> str:
        """An INVITE comes in; gives the call's name."""
        with self._lock:
            name = self._name("calls")
            event = values.received(name)
            self._calls[name] = event.call
            self._emit(Occurred(event=event))
            return name

    def receive_request(self, method: str = "REGISTER") -> str:
        """A request outside dialogs comes in and is handed over if somebody claims it."""
        with self._lock:
            assert self.audience.claims(method), "nobody claims it: the stack would answer"
            name = self._name("requests")
            self._requests.add(name)
            self._emit(Occurred(event=values.incoming_request(name, method=method)))
            return name

    def far_end_hangs_up(self, name: str) -> None:
        """The far end ends a call."""
        with self._lock:
            self._emit(*self._end(name, Cause.REMOTE_HANGUP))

    def release(self) -> None:
        """The calls to ``later`` come into being."""
        with self._lock:
            for command in self._held:
                self._emit(
                    *self._created(command),
                    Completed(token=command.token, value=next(reversed(self._calls.values()))),
                )
            self._held.clear()

    def emit(self, *happened: events.Event) -> None:
        """Any events."""
        self._emit(*(Occurred(event=event) for event in happened))

    def trace(self, *traced: Traced) -> None:
        """Messages pass a transport."""
        self._emit(*traced)

    def _emit(self, *outputs: Output) -> None:
        if outputs:
            self._sink(list(outputs))

    def _name(self, collection: str) -> str:
        self._made += 1
        return f"{collection}/{self.config.node}-{self._made:04}"

    def _outputs(self, command: Command) -> list[Output]:
        token = command.token
        begins = isinstance(
            command, commands.Invite | commands.Register | commands.Ping | commands.Transact
        )
        if begins and self._refusing:
            return [_failed(token, FailureKind.UNAVAILABLE, "the server drains")]
        match command:
            case commands.Invite():
                return self._invite(command)
            case commands.CallCommand():
                call = self._calls.get(command.name)
                if call is None:
                    return [_failed(token, FailureKind.NOT_FOUND, f"no {command.name}")]
                return self._on_call(command, call)
            case commands.Register():
                return self._register(command)
            case commands.RegistrationCommand():
                registration = self._registrations.get(command.name)
                if registration is None:
                    return [_failed(token, FailureKind.NOT_FOUND, f"no {command.name}")]
                if isinstance(command, commands.Unregister):
                    del self._registrations[command.name]
                    registration = replace(registration, state=RegistrationState.TERMINATED)
                return [Completed(token=token, value=registration)]
            case commands.Ping():
                return [Completed(token=token, value=values.response(486, "Busy Here"))]
            case commands.Transact():
                return [Completed(token=token, value=_script(command.to_address.uri.user or ""))]
            case commands.Respond():
                if command.name not in self._requests:
                    return [_failed(token, FailureKind.NOT_FOUND, f"no {command.name}")]
                self._requests.discard(command.name)
                self.responses.append(command)
                return [Completed(token=token, value=None)]
        raise AssertionError(f"no script for {command}")

    def _invite(self, command: commands.Invite) -> list[Output]:
        user = command.to_address.uri.user or ""
        if user == "breaks":
            raise RuntimeError("the engine broke")
        if user == "later":
            self._held.append(command)
            return []
        outputs = self._created(command)
        name = next(reversed(self._calls))
        if user in REFUSALS:
            status, reason = REFUSALS[user]
            failure = Failure(
                kind=FailureKind.REFUSED,
                detail=f"{name} was refused: {status} {reason}",
                status=status,
                reason=reason,
                headers=(("Retry-After", "30"), ("X-Why", "lunch")),
            )
            refused = [Failed(token=command.token, failure=failure)]
            early = [Completed(token=command.token, value=self._calls[name])]
            at_once = command.wait_for is WaitFor.CREATED
            over = self._end(name, Cause.REJECTED, status)
            return [*outputs, *early, *over] if at_once else [*outputs, *over, *refused]
        if user == "answers":
            return [
                *outputs,
                *self._answer(name),
                Completed(token=command.token, value=self._calls[name]),
            ]
        self._change(name, state=CallState.EARLY)
        if command.wait_for is WaitFor.FINAL:
            self._invites[name] = command
            return outputs
        return [*outputs, Completed(token=command.token, value=self._calls[name])]

    def _created(self, command: commands.Invite) -> list[Output]:
        name = self._name("calls")
        call = values.call(
            name,
            from_address=command.from_address,
            to_address=command.to_address,
            local_description=command.offer,
            labels=command.labels,
        )
        self._calls[name] = call
        return [
            Occurred(
                event=events.CallCreated(
                    resource=name,
                    at=self.now,
                    labels=command.labels,
                    call=call,
                    token=command.token,
                    message=values.request(Authorization="Digest response=5ec2e7"),
                )
            )
        ]

    def _on_call(self, command: commands.CallCommand, call: CallSnapshot) -> list[Output]:
        name, token = command.name, command.token
        unanswered = call.state in (CallState.INCOMING, CallState.EARLY)
        match command:
            case commands.GetCall():
                return [Completed(token=token, value=call)]
            case commands.TransactInside():
                return [Completed(token=token, value=_script(call.to_address.uri.user or ""))]
            case commands.SendDtmf():
                return [Completed(token=token, value=None)]
            case commands.Hangup():
                return self._end(name, Cause.LOCAL_HANGUP, token=token)
            case _ if call.direction is CallDirection.OUTGOING or not unanswered:
                return [_failed(token, FailureKind.WRONG_STATE, "too late", state=call.state.name)]
            case commands.Progress():
                self._change(name, state=CallState.EARLY)
                return [Completed(token=token, value=self._calls[name])]
            case commands.Answer():
                return [*self._answer(name), Completed(token=token, value=self._calls[name])]
            case commands.Reject():
                return self._end(name, Cause.REJECTED, command.status, token=token)
            case commands.Redirect():
                return self._end(name, Cause.REDIRECTED, command.status, token=token)
        raise AssertionError(f"no script for {command}")

    def _answer(self, name: str) -> list[Output]:
        self._change(name, state=CallState.CONFIRMED, answer_time=self.now)
        answered = events.CallAnswered(
            resource=name,
            at=self.now,
            status=200,
            reason="OK",
            remote_tag="b1",
            description=values.SDP,
        )
        return [
            Occurred(event=answered),
            Occurred(event=events.CallConfirmed(resource=name, at=self.now)),
        ]

    def _change(self, name: str, **changes: object) -> None:
        self._calls[name] = replace(self._calls[name], **changes)  # type: ignore[arg-type]

    def _end(
        self, name: str, cause: Cause, status: int = 0, token: Hashable = None
    ) -> list[Output]:
        termination = Termination(cause=cause, status=status)
        self._change(name, state=CallState.TERMINATED, termination=termination, end_time=self.now)
        call = self._calls.pop(name)
        outputs: list[Output] = [
            Occurred(
                event=events.CallEnded(
                    resource=name,
                    at=self.now,
                    labels=call.labels,
                    termination=termination,
                    sip_call_id=call.sip_call_id,
                )
            )
        ]
        waiting = self._invites.pop(name, None)
        if waiting is not None:
            outputs.append(_failed(waiting.token, FailureKind.ENDED, "the call ended", status=487))
        if token is not None:
            outputs.append(Completed(token=token, value=call))
        return outputs

    def _register(self, command: commands.Register) -> list[Output]:
        name = self._name("registrations")
        registration = values.registration(
            name, aor=command.aor, contacts=command.contacts, labels=command.labels
        )
        self._registrations[name] = registration
        changed = events.RegistrationChanged(
            resource=name, at=self.now, labels=command.labels, registration=registration
        )
        return [Occurred(event=changed), Completed(token=command.token, value=registration)]


def _script(user: str) -> Response:
    """What the far end says to a single request."""
    return values.response(*REFUSALS.get(user, (202, "Accepted")))


def _failed(
    token: Hashable, kind: FailureKind, detail: str, *, state: str = "", status: int = 0
) -> Failed:
    return Failed(
        token=token, failure=Failure(kind=kind, detail=detail, state=state, status=status)
    )
