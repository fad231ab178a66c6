"""A far end that plays all kinds of dialogs, valid in themselves, and spoils what it sends.

It knows no transport: octets go out by a function, and come in by another. It reads as little
as it needs in order to go on, whatever is wrong with it.
"""

from __future__ import annotations

import random
import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from tests.fuzz import mutation

SDP = (
    b"v=0\r\no=fuzz 1 %d IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    b"m=audio 4002 RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n"
    b"a=%s\r\n"
)
INSIDE = (
    *("ACK", "ACK", "BYE", "BYE", "CANCEL", "PRACK", "UPDATE", "INVITE", "INFO", "REFER"),
    *("MESSAGE", "NOTIFY", "OPTIONS", "SUBSCRIBE", "FROBNICATE"),
)
OUTSIDE = (
    *("INVITE", "INVITE", "INVITE", "OPTIONS", "MESSAGE", "SUBSCRIBE", "PUBLISH", "REGISTER"),
    *("BYE", "CANCEL", "NOTIFY", "REFER", "FROBNICATE"),
)
STATUSES = (100, 180, 183, 199, 200, 200, 200, 202, 302, 401, 407, 408, 420, 422, 423, 481, 486)
STATUSES += (487, 488, 491, 500, 503, 603, 999)
BODIES = {
    "INVITE": "application/sdp",
    "UPDATE": "application/sdp",
    "PRACK": "application/sdp",
    "INFO": "application/dtmf-relay",
    "MESSAGE": "text/plain",
    "NOTIFY": "message/sipfrag",
    "PUBLISH": "application/pidf+xml",
}


@dataclass
class Dialog:
    """What the far end remembers of one."""

    call_id: str
    tag: str
    their_tag: str = ""
    target: str = ""
    number: int = 1
    branch: str = ""
    rack: str = ""


class FarEnd:
    """Sends with ``send``; is told by :meth:`heard`. ``target``: host and port of the server.

    ``spoilt``: share of messages that are changed. ``users``: whom it asks for.
    """

    def __init__(
        self,
        rng: random.Random,
        *,
        here: str,
        target: str,
        send: Callable[[bytes], object],
        spoilt: float = 0.7,
        user: str = "fuzz",
        transport: str = "UDP",
    ) -> None:
        self.rng = rng
        self.here = here
        self.target = target
        self.user = user
        self.transport = transport
        self.sent = 0
        self._send = send
        self._spoilt = spoilt
        self._dialogs: deque[Dialog] = deque(maxlen=20)
        self._past: deque[bytes] = deque([b"OPTIONS sip:a@b SIP/2.0\r\n\r\n"], maxlen=50)
        self._requests: deque[bytes] = deque(maxlen=20)
        self._name = f"{rng.getrandbits(32):x}"
        self._count = 0

    def step(self) -> None:
        """Sends one message: a new dialog, one inside another, one again, or a late answer."""
        choice = self.rng.random()
        if choice < 0.08:
            self._out(self.rng.choice(self._past))
        elif choice < 0.14 and self._requests:
            self._answer(self.rng.choice(self._requests))
        elif choice < 0.65 and self._dialogs:
            self._inside(self.rng.choice(self._dialogs), self.rng.choice(INSIDE))
        else:
            self._begin(self.rng.choice(OUTSIDE))

    def heard(self, data: bytes) -> None:
        """Something came: a response brings a dialog on, a request may be answered."""
        if not data.startswith(b"SIP/2.0 "):
            self._requests.append(data)
            if self.rng.random() < 0.8:
                self._answer(data)
            return
        call_id = _field(data, "Call-ID")
        dialog = next((each for each in self._dialogs if each.call_id == call_id), None)
        if dialog is None:
            return
        dialog.their_tag = _found(rb"(?im)^To:.*;tag=([^;\r\n]+)", data) or dialog.their_tag
        dialog.target = _found(rb"(?im)^Contact:[^<\r\n]*<([^>]+)>", data) or dialog.target
        cseq = _field(data, "CSeq")
        rseq = _field(data, "RSeq")
        if rseq:
            dialog.rack = f"{rseq} {cseq}"
        if self.rng.random() < 0.6 and cseq.endswith("INVITE"):
            self._inside(dialog, "PRACK" if rseq else "ACK")

    def end_dialogs(self) -> None:
        """A correct BYE in each dialog that it remembers."""
        self._spoilt = 0.0
        for dialog in self._dialogs:
            self._inside(dialog, "BYE")

    def _begin(self, method: str) -> None:
        self._count += 1
        dialog = Dialog(f"{self._name}-{self._count}", f"t{self._count}")
        self._dialogs.append(dialog)
        self._request(dialog, method)

    def _inside(self, dialog: Dialog, method: str) -> None:
        if method not in ("ACK", "CANCEL"):
            dialog.number += 1
        self._request(dialog, method)

    def _request(self, dialog: Dialog, method: str) -> None:
        rng = self.rng
        if method != "CANCEL":
            dialog.branch = f"z9hG4bK{rng.getrandbits(40):x}"
        there = f"sip:{self.user}@{self.target}"
        to_tag = f";tag={dialog.their_tag}" if dialog.their_tag and method != "CANCEL" else ""
        lines = [
            f"{method} {dialog.target if to_tag and dialog.target else there} SIP/2.0",
            f"Via: SIP/2.0/{self.transport} {self.here};branch={dialog.branch};rport",
            f"Max-Forwards: {rng.choice((70, 70, 70, 1, 0))}",
            f'From: "Fuzz" <sip:fuzz@{self.here}>;tag={dialog.tag}',
            f"To: <{there}>{to_tag}",
            f"Call-ID: {dialog.call_id}",
            f"CSeq: {dialog.number} {method}",
            f"Contact: <sip:fuzz@{self.here}>",
            *self._extra(dialog, method),
        ]
        body = self._body(method) if rng.random() < 0.8 else b""
        if body:
            lines.append(f"Content-Type: {BODIES[method]}")
        self._spoil(lines, body)

    def _extra(self, dialog: Dialog, method: str) -> list[str]:
        rng = self.rng
        extra = []
        if method in ("INVITE", "UPDATE") and rng.random() < 0.5:
            extra.append("Supported: 100rel, timer, replaces, norefersub")
            extra.append(f"Session-Expires: {rng.choice((90, 1800, 30))};refresher=uac")
        if method == "INVITE" and rng.random() < 0.2:
            other = rng.choice(self._dialogs)
            extra.append(f"Replaces: {other.call_id};to-tag={other.their_tag};from-tag={other.tag}")
        if method == "PRACK":
            extra.append(f"RAck: {dialog.rack or '1 1 INVITE'}")
        if method == "REFER":
            extra.append(f"Refer-To: <sip:other@{self.here}>")
        if method in ("SUBSCRIBE", "NOTIFY", "PUBLISH"):
            event = "refer" if method == "NOTIFY" else rng.choice(("presence", "dialog", "x"))
            extra.append(f"Event: {event}")
            extra.append(f"Expires: {rng.choice((0, 1, 60, 3600))}")
        if method == "NOTIFY":
            extra.append(f"Subscription-State: {rng.choice(('active', 'terminated'))}")
        return extra

    def _body(self, method: str) -> bytes:
        kind = BODIES.get(method, "")
        if kind == "application/sdp":
            direction = self.rng.choice((b"sendrecv", b"sendonly", b"inactive"))
            return SDP % (self.rng.randrange(9), direction)
        if kind == "application/dtmf-relay":
            return b"Signal=5\r\nDuration=100\r\n"
        return b"SIP/2.0 200 OK\r\n" if kind else b""

    def _answer(self, request: bytes) -> None:
        rng = self.rng
        head = request.partition(b"\r\n\r\n")[0].decode("utf-8", "surrogateescape")
        method, _, _ = head.partition(" ")
        if method == "ACK":
            return
        lines = [f"SIP/2.0 {rng.choice(STATUSES)} Whatever"]
        for line in head.split("\r\n")[1:]:
            name = line.partition(":")[0].lower()
            if name in ("via", "from", "call-id", "cseq", "record-route"):
                lines.append(line)
            elif name == "to":
                lines.append(line if ";tag=" in line else f"{line};tag=a{rng.randrange(3)}")
        lines.append(f"Contact: <sip:fuzz@{self.here}>")
        if rng.random() < 0.3:
            lines += ["Require: 100rel", f"RSeq: {rng.randrange(1, 4)}"]
        body = self._body(method) if rng.random() < 0.7 else b""
        if body:
            lines.append(f"Content-Type: {BODIES[method]}")
        self._spoil(lines, body)

    def _spoil(self, lines: list[str], body: bytes) -> None:
        head = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""])
        data = head.encode("utf-8", "surrogateescape") + body
        self._past.append(data)
        if self.rng.random() < self._spoilt:
            data = mutation.message(data, self.rng, self.rng.choice(self._past))
        self._out(data)

    def _out(self, data: bytes) -> None:
        self.sent += 1
        self._send(data[:60_000])


def _found(pattern: bytes, data: bytes) -> str:
    match = re.search(pattern, data)
    return match[1].decode("utf-8", "surrogateescape") if match else ""


def _field(data: bytes, name: str) -> str:
    return _found(rb"(?im)^" + name.encode() + rb":[ \t]*([^\r\n]*)", data)
