"""A publication: PUBLISH, refreshed until it is taken back (RFC 3903 section 4)."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace

from picosip_server.frozen import dataclass
from picosip_server.sip.address import Address
from picosip_server.sip.auth.client import DigestClient
from picosip_server.sip.message import Response
from picosip_server.sip.ua.commands import Body, Command
from picosip_server.sip.ua.context import Context
from picosip_server.sip.ua.effects import Effect
from picosip_server.sip.ua.exchange import Draft, Exchange
from picosip_server.sip.ua.failures import refused
from picosip_server.sip.ua.outputs import Failure, FailureKind
from picosip_server.sip.ua.subscription.commands import (
    PublicationCommand,
    Publish,
    Republish,
    Unpublish,
)
from picosip_server.sip.ua.subscription.events import PublicationChanged, PublicationSnapshot
from picosip_server.sip.ua.subscription.header import seconds_of
from picosip_server.sip.ua.subscription.renewal import Renewal
from picosip_server.sip.ua.user import TransactionUser


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """A PUBLISH that is to be sent. ``token`` None: the stack's own refresh."""

    token: Hashable | None = None
    body: Body | None = None
    removes: bool = False


class Publication(TransactionUser):
    """Event state of ours at one compositor. One PUBLISH at a time (section 4.1)."""

    __slots__ = (
        "_asked",
        "_auth",
        "_body",
        "_call_id",
        "_cseq",
        "_current",
        "_etag",
        "_expire_time",
        "_failing",
        "_jobs",
        "_publish",
        "_renewal",
        "_tag",
    )

    def __init__(self, name: str, context: Context, publish: Publish, *, call_id: str) -> None:
        super().__init__(name, context, {})
        self._publish = publish
        self._asked = publish.expires
        self._body = publish.body
        self._call_id = call_id
        self._tag = context.identity.tag()
        self._cseq = 0
        self._auth = DigestClient(publish.credentials) if publish.credentials else None
        self._etag = ""
        self._expire_time: float | None = None
        self._jobs: list[_Job] = []
        self._current: _Job | None = None
        self._failing = False
        """The last refresh came to nothing, and the application knows."""
        self._renewal = Renewal(context)

    def start(self, now: float) -> list[Effect]:
        """Publishes for the first time.

        Raises:
            LocalProtocolError: a preloaded route cannot be parsed.
        """
        self._add(_Job(token=self._publish.token, body=self._body), now)
        return self.flush()

    def snapshot(self) -> PublicationSnapshot:
        """The publication as plain values."""
        return PublicationSnapshot(name=self.name, expire_time=self._expire_time)

    def command(self, command: Command, now: float) -> list[Effect]:
        """Republish and Unpublish."""
        assert isinstance(command, PublicationCommand)
        if isinstance(command, Republish):
            if command.expires is not None:
                self._asked = command.expires
            if command.options is not None:
                self._publish = replace(self._publish, options=command.options)
            self._add(_Job(token=command.token, body=command.body), now)
        else:
            assert isinstance(command, Unpublish)
            self._add(_Job(token=command.token, removes=True), now)
        return self.flush()

    def shut_down(self, now: float) -> list[Effect]:
        """The server stops: nobody will refresh the state."""
        if not self.over:
            self._add(_Job(removes=True), now)
        return self.flush()

    def abandon(self, now: float) -> list[Effect]:
        """The server goes, and the compositor does not answer: over all the same."""
        self.forsake()
        self._end(None)
        return self.flush()

    # PUBLISH.

    def _add(self, job: _Job, now: float) -> None:
        self._jobs.append(job)
        if self._current is None:
            self._next(now)

    def _next(self, now: float) -> None:
        if self.over or not self._jobs:
            return
        self.disarm("refresh")
        self._current = self._jobs.pop(0)
        if self._current.removes and not self._etag:
            # Nothing is published: there is nothing to take back.
            self._done(None)
            self._end(None)
        else:
            self._send(now)

    def _send(self, now: float) -> None:
        job, publish, options = self._current, self._publish, self._publish.options
        assert job is not None
        routes = options.routes
        if not routes and self.context.outbound_proxy and options.next_hop is None:
            routes = (self.context.outbound_proxy,)
        expires = 0.0 if job.removes else self._asked
        headers = [("Event", publish.event), ("Expires", str(round(expires)))]
        # 4.1, table 1: the first one has a body and no tag, a refresh a tag and no body, a
        # modification both, a removal the tag alone.
        body = job.body
        if self._etag:
            headers.append(("SIP-If-Match", self._etag))
        elif body is None:
            body = self._body
        Exchange(
            self,
            Draft(
                method="PUBLISH",
                target=publish.uri,
                route_set=routes,
                from_=str(publish.from_address.with_tag(self._tag)),
                to=str(Address(uri=publish.uri)),
                call_id=self._call_id,
                headers=(*headers, *options.headers),
                body=body,
                next_hop=options.next_hop,
            ),
            self,
            next_cseq=self._next_cseq,
            auth=self._auth,
        ).start(now)

    def _next_cseq(self) -> int:
        self._cseq += 1
        return self._cseq

    def on_provisional(self, exchange: Exchange, response: Response, now: float) -> None:
        """Says nothing."""

    def on_final(self, exchange: Exchange, response: Response, now: float) -> None:
        """The compositor has decided."""
        job = self._current
        if job is None:
            return
        if response.status == 412 and self._etag:
            # 4.4: it does not know the tag any more; publish anew, without one.
            self._etag = ""
            if not job.removes:
                self._send(now)
                return
        if response.status == 423 and not job.removes and self._lengthen(response):
            self._send(now)
        elif job.removes:
            gone = response.status < 300 or response.status == 412
            self._done(None if gone else refused(response, "PUBLISH"))
            self._end(None)
        elif response.status < 300:
            self._published(response, now)
        else:
            self._failed(refused(response, "PUBLISH"), now, response)

    def on_failure(self, exchange: Exchange, kind: FailureKind, detail: str, now: float) -> None:
        """The compositor was not reached."""
        if self._current is None:
            return
        failure = Failure(kind=kind, detail=detail)
        if self._current.removes:
            self._done(failure)
            self._end(None)
        else:
            self._failed(failure, now)

    def _lengthen(self, response: Response) -> bool:
        """4.1: a 423 names the shortest interval that the compositor takes."""
        shortest = seconds_of(response, "Min-Expires")
        if shortest is None or shortest <= self._asked:
            return False
        self._asked = shortest
        return True

    def _published(self, response: Response, now: float) -> None:
        # 4.1: each 2xx has a new tag. One without leaves nothing to refresh: it is published
        # anew each time.
        self._etag = (response.headers.get("SIP-ETag") or "").strip()
        granted = seconds_of(response, "Expires")
        granted = self._asked if granted is None else granted
        self._expire_time = now + granted
        self._renewal.began(now)
        assert self._current is not None
        if self._current.body is not None:
            self._body = self._current.body
        if self._failing:
            self._failing = False
            self._tell(now, response)
        share = 0.80 + 0.10 * self.context.identity.fraction()
        self.alarm("refresh", now + max(granted * share, 1.0))
        self._done(None)
        self._next(now)

    def _failed(self, failure: Failure, now: float, response: Response | None = None) -> None:
        job = self._current
        first = self._expire_time is None
        self._done(failure)
        if first:
            # The one who asked is told, and asks again when it wants: nothing stays behind.
            self._end(failure)
            return
        wait = self._renewal.after_failure(response)
        if job is not None and job.token is not None and wait is None:
            # The new state was refused; what is published stays, and is refreshed in time.
            assert self._expire_time is not None
            wait = max((self._expire_time - now) / 2, 1.0)
        if wait is None:
            self._end(failure)
            self._tell(now, response, failure)
            return
        if job is None or job.token is None:
            self._failing = True
            self._tell(now, response, failure)
        self.alarm("refresh", now + wait)
        self._next(now)

    def _tell(self, now: float, response: Response | None, failure: Failure | None = None) -> None:
        self.emit(
            PublicationChanged(
                resource=self.name,
                at=now,
                message=response,
                publication=self.snapshot(),
                status=response.status if response is not None else 0,
                reason=response.reason if response is not None else "",
                detail=failure.detail if failure is not None else "",
                ended=self.over,
            )
        )

    def on_alarm(self, alarm: str, now: float) -> None:
        """Time to refresh."""
        self._add(_Job(), now)

    # The end.

    def _done(self, failure: Failure | None) -> None:
        job, self._current = self._current, None
        if job is None or job.token is None:
            return
        if failure is not None:
            self.fail(job.token, failure)
        else:
            self.complete(job.token, None if job.removes else self.snapshot())

    def _end(self, failure: Failure | None) -> None:
        """The resource is gone."""
        self._alarms.clear()
        self.over = True
        ended = Failure(kind=FailureKind.ENDED, detail=f"{self.name} has ended")
        self._done(failure or ended)
        jobs, self._jobs = self._jobs, []
        for job in jobs:
            self._current = job
            self._done(None if job.removes else failure or ended)
