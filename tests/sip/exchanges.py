"""An exchange on its own: a user that keeps what it hears, and the driver of both."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from picosip_server.sip.auth.client import DigestClient
from picosip_server.sip.hop import Hop, Target
from picosip_server.sip.message import Response
from picosip_server.sip.ua.commands import Body
from picosip_server.sip.ua.context import Context
from picosip_server.sip.ua.exchange import Draft, Exchange
from picosip_server.sip.ua.outputs import FailureKind
from picosip_server.sip.ua.user import TransactionUser
from picosip_server.sip.uri import Uri
from tests.sip.agent import UDP, Driver, Numbered

ANY = Target(host="far.example")
Log = list[tuple[object, ...]]
DRAFT = Draft(
    method="INVITE",
    target=Uri.parse("sip:ute@far.example"),
    from_="<sip:kai@near.example>;tag=k",
    to="<sip:ute@far.example>",
    call_id="call-1",
)
LARGE = replace(DRAFT, body=Body(content_type="text/plain", data=b"x" * 1300))


class User(TransactionUser):
    """Keeps what it hears of its exchange, and of its CANCEL."""

    __slots__ = ("log",)

    def __init__(self, context: Context) -> None:
        super().__init__("calls/1", context, {})
        self.log: Log = []

    def on_provisional(self, exchange: Exchange, response: Response, now: float) -> None:
        self.log.append((now, response.status))

    def on_final(self, exchange: Exchange, response: Response, now: float) -> None:
        self.log.append((now, response.status))

    def on_failure(self, exchange: Exchange, kind: FailureKind, detail: str, now: float) -> None:
        self.log.append((now, kind, detail))

    def on_cancel_sent(self, now: float) -> None:
        self.log.append((now, "cancel sent"))

    def on_cancel_answered(self, now: float) -> None:
        self.log.append((now, "cancel answered"))


@dataclass
class Bench:
    """An exchange, its user, and the driver of both."""

    draft: Draft = DRAFT
    hops: tuple[Hop, ...] | str | None = (UDP,)
    target: Target = ANY
    auth: DigestClient | None = None
    agent: str = ""
    user: User = field(init=False)
    drive: Driver = field(init=False)
    exchange: Exchange = field(init=False)
    cseq: int = 0

    def __post_init__(self) -> None:
        self.user = User(Context(identity=Numbered(), user_agent=self.agent))
        self.drive = Driver(self.user)
        if self.hops is not None:
            self.drive.hops[self.target] = self.hops
        self.exchange = Exchange(
            self.user, self.draft, self.user, next_cseq=self._next_cseq, auth=self.auth
        )

    def _next_cseq(self) -> int:
        self.cseq += 1
        return self.cseq

    def start(self) -> Bench:
        self.exchange.start(self.drive.now)
        self.drive.run(self.user.flush())
        return self

    def cancel(self, *headers: tuple[str, str]) -> None:
        self.exchange.cancel(headers, self.drive.now)
        self.drive.run(self.user.flush())
