"""Requests of the far end inside a call that the application may answer: RFC 3261 12.2.2.

INVITE, UPDATE, PRACK and BYE, which change the session or end it, are the call's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from picosip_server.sip import dtmf
from picosip_server.sip.errors import RemoteProtocolError
from picosip_server.sip.headers import Headers
from picosip_server.sip.ua.call.inside import answer_inside
from picosip_server.sip.ua.capabilities import KNOWN_METHODS
from picosip_server.sip.ua.events import DtmfReceived
from picosip_server.sip.ua.inspect import ALLOW, Refusal
from picosip_server.sip.ua.user import Serving

if TYPE_CHECKING:
    from picosip_server.sip.ua.call.base import Call

HANDED_OVER = {
    # RFC 6086 section 4.2.2: what is well-formed gets a 200.
    "INFO": Refusal(200),
    # RFC 3428 section 7: nobody is there to read it, and it may be sent again.
    "MESSAGE": Refusal(480),
}
"""What the application is asked about, and the answer where it gives none."""


class RequestsIn:
    """Those of one call, and which INFO packages it takes."""

    __slots__ = ("_before", "_call", "_packages")

    def __init__(self, call: Call) -> None:
        self._call = call
        self._packages: tuple[str, ...] = ()
        self._before: tuple[str, ...] = ()

    def advertised(self, headers: tuple[tuple[str, str], ...]) -> None:
        """A message of ours told these: its Recv-Info, if any, is the set from now on (RFC 6086
        section 5.2.2)."""
        told = Headers(headers)
        self._before = self._packages
        if told.has("Recv-Info"):
            self._packages = tuple(filter(None, told.elements("Recv-Info")))

    def roll_back(self) -> None:
        """That message was a request, and was refused (RFC 6086 section 5.2.4)."""
        self._packages = self._before

    def take(self, serving: Serving, now: float) -> None:
        """Answers a request, or hands it to the application."""
        method = serving.request.method
        if method == "INFO" and self._info(serving, now):
            return
        default = HANDED_OVER.get(method)
        if default is None and method not in KNOWN_METHODS:
            # RFC 3261 section 8.2.1.
            default = Refusal(501, (("Allow", ALLOW),))
        if default is None:
            answer = answer_inside(method)
            self._call.respond(serving, now, answer.status, headers=answer.headers)
            return
        call = self._call
        call.parts.pendings.hand_over(
            serving,
            now,
            default=(default.status, default.reason),
            default_headers=default.headers,
            respond_by=now + call.respond_timeout(),
            on_answer=lambda response, body, now: None,
            call=call.name,
        )

    def _info(self, serving: Serving, now: float) -> bool:
        """Answers the INFO that needs no application; whether it was one."""
        request = serving.request
        package = request.headers.get("Info-Package")
        if package is not None:
            if _name(package) in map(_name, self._packages):
                return False
            # RFC 6086 section 4.2.2.
            told = [("Recv-Info", ", ".join(self._packages))]
            self._call.respond(serving, now, 469, headers=told)
            return True
        if request.content_type not in dtmf.TYPES:
            return False
        try:
            signal = dtmf.read(request.content_type, request.body)
        except RemoteProtocolError:
            warning = [("Warning", '399 picosip "the body names no DTMF digit"')]
            self._call.respond(serving, now, 400, headers=warning)
            return True
        self._call.respond(serving, now, 200)
        self._call.emit(
            DtmfReceived(
                resource=self._call.name,
                at=now,
                labels=self._call.labels,
                message=request,
                digit=signal.digit,
                duration=signal.duration,
            )
        )
        return True


def _name(package: str) -> str:
    """Of an Info Package, by which it is told (RFC 6086 section 7.2.2): without parameters."""
    return package.split(";", 1)[0].strip()
