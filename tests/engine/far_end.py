"""What a far end sends to a server that guards itself, and what it reads in the answers."""

from __future__ import annotations

from picosip_server.engine.guard.config import GuardConfig
from picosip_server.sip.auth.client import DigestClient
from picosip_server.sip.message import Message, Response
from picosip_server.sip.parse import parse
from picosip_server.sip.ua import events
from picosip_server.sip.ua.commands import Credentials
from tests.engine.memory import SDP
from tests.engine.probe import FAR, Server, octets

JUNK = b"nothing of the kind\r\n\r\n"


def guarded(*methods: str, **settings: object) -> Server:
    """A server with these settings of its guard."""
    return Server(*methods, guard=GuardConfig(**settings))  # type: ignore[arg-type]


def request(method: str, number: int, *more: str, body: bytes = b"", **changes: str) -> bytes:
    """One that is told from others by its number."""
    changes.setdefault("via", f"SIP/2.0/UDP pub.example:5062;branch=z9hG4bK{method}{number}")
    changes.setdefault("call_id", f"call-{number}")
    return octets(method, *more, body=body, **changes)


def established(server: Server, *more: str) -> str:
    """A call from the far end that was answered; gives our tag."""
    lines = ("Content-Type: application/sdp", *more)
    server.hear(request("INVITE", 0, *lines, contact=f"<sip:olga@{FAR}>", body=SDP.data))
    server.answer(server.of(events.CallReceived)[-1].resource)
    answer = parse(server.out[-1][2])
    assert isinstance(answer, Response)
    assert answer.status == 200
    assert server.hear(inside("ACK", answer.to.tag, cseq="7 ACK")) == []
    assert len(server.of(events.CallConfirmed)) == 1
    return answer.to.tag


def inside(method: str, tag: str, *more: str, number: int = 8, **changes: str) -> bytes:
    """A request of the far end in that call."""
    changes.setdefault("cseq", f"{number} {method}")
    via = f"SIP/2.0/UDP pub.example:5062;branch=z9hG4bKin{method}{number}"
    to = f"<sip:piet@yellow.example>;tag={tag}"
    return request(method, 0, *more, to=to, via=via, **changes)


def credentials(
    challenge: Response, method: str, *, user: str = "olga", password: str = "secret"
) -> str:
    """The line that answers a challenge."""
    client = DigestClient((Credentials(username=user, password=password),))
    fields = client.answer(challenge, method=method, uri="sip:piet@10.0.0.1", body=b"", cnonce="c")
    assert fields is not None
    ((name, value),) = fields
    return f"{name}: {value}"


def statuses(answers: list[Message]) -> list[int]:
    return [each.status for each in answers if isinstance(each, Response)]


def retry_after(response: Response) -> int:
    assert response.status == 503
    return int(response.headers.get("Retry-After") or "")
