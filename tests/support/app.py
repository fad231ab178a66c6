"""A small application: commands over gRPC, and the events that came back."""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any

import grpc

from picosip.v1 import (
    admin_service_pb2 as admin_pb,
    admin_service_pb2_grpc as admin_grpc,
    call_service_pb2 as call_pb,
    call_service_pb2_grpc as call_grpc,
    event_service_pb2 as event_pb,
    event_service_pb2_grpc as event_grpc,
    registration_service_pb2 as registration_pb,
    registration_service_pb2_grpc as registration_grpc,
    request_service_pb2_grpc as request_grpc,
    sdp_pb2,
    sip_pb2,
)


def media(description: sdp_pb2.SessionDescription) -> list[tuple[str, int]]:
    """Kind and port of each stream of a description that came in, which the server has read."""
    assert description.HasField("sdp"), description
    return [(stream.type, stream.port) for stream in description.sdp.media]


Call = call_pb.Call
Event = event_pb.Event
Termination = call_pb.Termination
OnEvent = Callable[["App", Event], None]


def sdp(port: int = 4000, address: str = "127.0.0.1") -> sdp_pb2.SessionDescription:
    """A description with one audio stream, as raw octets."""
    lines = (
        "v=0",
        f"o=interop 1 1 IN IP4 {address}",
        "s=-",
        f"c=IN IP4 {address}",
        "t=0 0",
        f"m=audio {port} RTP/AVP 0",
        "a=rtpmap:0 PCMU/8000",
    )
    return sdp_pb2.SessionDescription(raw="".join(f"{line}\r\n" for line in lines).encode())


def answering(app: App, event: Event) -> None:
    """An ``on_event`` that answers each call as it comes."""
    if event.WhichOneof("kind") == "call_received":
        app.soon(
            app.calls.Answer.future(
                call_pb.AnswerRequest(name=event.resource, description=sdp(), no_wait=True)
            )
        )


class App:
    """A client of one server with an Events stream that it reads from its making on.

    ``on_event`` is called in the thread that reads, once for each event.
    """

    def __init__(
        self,
        target: str,
        *,
        on_event: OnEvent | None = None,
        methods: Iterable[str] = (),
        observer: bool = False,
        include_messages: bool = False,
        after: event_pb.Cursor | None = None,
    ) -> None:
        self.target = target
        self.channel = grpc.insecure_channel(target)
        self.calls = call_grpc.CallServiceStub(self.channel)
        self.registrations = registration_grpc.RegistrationServiceStub(self.channel)
        self.requests = request_grpc.RequestServiceStub(self.channel)
        self.admin = admin_grpc.AdminServiceStub(self.channel)
        self.events: list[Event] = []
        """All events so far, in order."""
        self.cursor = event_pb.Cursor()
        """Where the stream is."""
        self.failure: BaseException | None = None
        self.errors: list[BaseException] = []
        """What went wrong with commands given by :meth:`soon`."""
        self._on_event = on_event
        self._counts: Counter[str] = Counter()
        self._changed = threading.Condition()
        self._closing = False
        request = event_pb.EventsRequest(
            filter=event_pb.EventFilter(
                include_messages=include_messages, observer=observer, handle_methods=methods
            ),
            after=after,
        )
        request.progress_interval.FromMilliseconds(50)
        self._stream = event_grpc.EventServiceStub(self.channel).Events(request)
        self._thread = threading.Thread(target=self._read, name="events", daemon=True)
        self._thread.start()
        # The first response, with or without events, says that the server knows this stream.
        self._wait(lambda: bool(self.cursor.incarnation), 10.0, "the first response of Events")

    def _read(self) -> None:
        try:
            for response in self._stream:
                for event in response.events:
                    if self._on_event is not None:
                        self._on_event(self, event)
                with self._changed:
                    self.events.extend(response.events)
                    self._counts.update(str(e.WhichOneof("kind")) for e in response.events)
                    self.cursor.CopyFrom(response.cursor)
                    self._changed.notify_all()
        except BaseException as error:
            with self._changed:
                if not self._closing:
                    self.failure = error
                self._changed.notify_all()

    def _wait(self, met: Callable[[], bool], timeout: float, what: str) -> None:
        deadline = time.monotonic() + timeout
        with self._changed:
            while not met():
                if self.failure is not None:
                    raise AssertionError(f"the Events stream ended: {self.failure}")
                left = deadline - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    seen = "\n".join(
                        f"  {event.revision} {event.resource} {event.WhichOneof('kind')}"
                        for event in self.events[-40:]
                    )
                    raise TimeoutError(f"{what} did not come within {timeout} s; seen:\n{seen}")

    def wait_for(
        self,
        kind: str,
        resource: str = "",
        *,
        where: Callable[[Event], bool] = lambda event: True,
        timeout: float = 10.0,
    ) -> Event:
        """The first event of that kind (``call_ended``...), past ones included."""
        found: list[Event] = []
        seen = 0

        def met() -> bool:
            nonlocal seen
            start, seen = seen, len(self.events)
            for event in self.events[start:]:
                if (
                    event.WhichOneof("kind") == kind
                    and resource in ("", event.resource)
                    and where(event)
                ):
                    found.append(event)
                    return True
            return False

        self._wait(met, timeout, f"{kind} of {resource or 'anything'}")
        return found[0]

    def wait_for_count(self, kind: str, number: int, *, timeout: float = 10.0) -> list[Event]:
        """All events of a kind, as soon as there are ``number`` of them."""
        self._wait(lambda: self._counts[kind] >= number, timeout, f"{number} times {kind}")
        return self.of_kind(kind)

    def wait_for_revision(self, revision: int, *, timeout: float = 10.0) -> None:
        """Until the stream has reached ``revision``."""
        self._wait(lambda: self.cursor.revision >= revision, timeout, f"revision {revision}")

    def catch_up(self) -> None:
        """Until the stream has all that has happened: it and the answers to commands come each
        its own way."""
        self.wait_for_revision(self.latest().revision)

    def of_kind(self, kind: str) -> list[Event]:
        """The events of one kind so far."""
        return [event for event in self.events if event.WhichOneof("kind") == kind]

    def kinds(self, resource: str) -> list[str]:
        """The kinds of all events of one resource so far, in order."""
        return [str(e.WhichOneof("kind")) for e in self.events if e.resource == resource]

    def soon(self, future: grpc.Future[Any]) -> None:
        """Lets an RPC run; what becomes of it is seen in ``errors``."""

        def done(outcome: grpc.Future[Any]) -> None:
            error = outcome.exception()
            if error is not None:
                self.errors.append(error)

        future.add_done_callback(done)

    # Shorthands for commands; each raises grpc.RpcError as it is.

    def invite(self, to: str, *, sender: str = "sip:interop@127.0.0.1", **more: object) -> str:
        """Places a call with an offer and gives its name; ``more`` are fields of InviteRequest."""
        fields: dict[str, object] = {"offer": sdp(), **more}
        request = call_pb.InviteRequest(
            request_id=str(uuid.uuid4()),
            from_address=sip_pb2.Address(uri=sender),
            to_address=sip_pb2.Address(uri=to),
            **{name: value for name, value in fields.items() if value is not None},  # type: ignore[arg-type]
        )
        return self.calls.Invite(request, timeout=40).call.name

    def answer(self, name: str, **more: object) -> Call:
        """Answers with a description; ``more`` are fields of AnswerRequest."""
        fields: dict[str, object] = {"description": sdp(), **more}
        request = call_pb.AnswerRequest(name=name, **fields)  # type: ignore[arg-type]
        return self.calls.Answer(request, timeout=40).call

    def hangup(self, name: str, **more: object) -> Call:
        """Ends a call; ``more`` are fields of HangupRequest."""
        request = call_pb.HangupRequest(name=name, **more)  # type: ignore[arg-type]
        return self.calls.Hangup(request, timeout=40).call

    def register(self, registrar: str, aor: str, **more: object) -> registration_pb.Registration:
        """Registers; ``more`` are fields of RegisterRequest."""
        request = registration_pb.RegisterRequest(
            registrar_uri=registrar,
            aor=sip_pb2.Address(uri=aor),
            **more,  # type: ignore[arg-type]
        )
        return self.registrations.Register(request, timeout=40).registration

    def unregister(self, name: str) -> registration_pb.Registration:
        """Removes a registration."""
        request = registration_pb.UnregisterRequest(name=name)
        return self.registrations.Unregister(request, timeout=40).registration

    def progress(self, name: str, code: int = 180, **more: object) -> Call:
        """Sends a 1xx; ``more`` are fields of ProgressRequest."""
        request = call_pb.ProgressRequest(
            name=name,
            status=sip_pb2.SipStatus(code=code),
            **more,  # type: ignore[arg-type]
        )
        return self.calls.Progress(request, timeout=40).call

    def reject(self, name: str, code: int, **more: object) -> Call:
        """Refuses a call; ``more`` are fields of RejectRequest."""
        request = call_pb.RejectRequest(
            name=name,
            status=sip_pb2.SipStatus(code=code),
            **more,  # type: ignore[arg-type]
        )
        return self.calls.Reject(request, timeout=40).call

    def call(self, name: str) -> Call:
        """The present state of a call."""
        return self.calls.GetCall(call_pb.GetCallRequest(name=name), timeout=10).call

    def leave_nothing(self) -> None:
        """Fails if calls are left, but ends them first: the next test is to have none of them."""
        left = self.calls.ListCalls(call_pb.ListCallsRequest(page_size=1000), timeout=10).calls
        for call in left:
            with contextlib.suppress(grpc.RpcError):
                self.hangup(call.name)
        assert [call.name for call in left] == []
        assert self.stats().active_calls == 0

    def stats(self) -> admin_pb.GetStatsResponse:
        """The server's figures."""
        return self.admin.GetStats(admin_pb.GetStatsRequest(), timeout=10)

    def latest(self) -> event_pb.Cursor:
        """The end of the server's event log."""
        info = self.admin.GetServerInfo(admin_pb.GetServerInfoRequest(), timeout=10)
        return info.latest_cursor

    def close(self) -> None:
        """Ends the stream and the channel."""
        with self._changed:
            self._closing = True
        self._stream.cancel()
        self._thread.join(10.0)
        self.channel.close()

    def __enter__(self) -> App:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
