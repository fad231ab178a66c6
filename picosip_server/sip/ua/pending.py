"""Incoming requests that wait for the application's Respond."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import replace
from typing import ClassVar

from picosip_server.frozen import dataclass
from picosip_server.sip.address import Address
from picosip_server.sip.errors import LocalProtocolError, RemoteProtocolError
from picosip_server.sip.message import Request, Response
from picosip_server.sip.timers import Timers
from picosip_server.sip.ua.bodies import body_of
from picosip_server.sip.ua.commands import Body, Respond
from picosip_server.sip.ua.events import IncomingRequest, IncomingRequestClosed
from picosip_server.sip.ua.failures import invalid, not_found
from picosip_server.sip.ua.outputs import Failure
from picosip_server.sip.ua.user import Serving, TransactionUser

ANSWER_WANTED = "the request carries an offer: a 2xx must answer it"
"""RFC 3264 section 5."""


def request_key(name: str) -> Hashable:
    """Routing key of a request that awaits Respond."""
    return ("r", name)


@dataclass(slots=True, kw_only=True)
class Pending:
    """One such request. ``on_answer`` is called once with the response sent, and its body."""

    name: str
    resource: str
    """Of what the application is told: the call, or the request itself."""
    serving: Serving
    wants_description: str
    """Why a 2xx needs a description; empty: it does not."""
    default: tuple[int, str]
    """Status and reason that the stack gives when the application is silent."""
    default_headers: tuple[tuple[str, str], ...]
    on_answer: Callable[[Response, Body | None, float], None]
    fields: Callable[[int], Iterable[tuple[str, str]]]
    """Header fields of the owner's in a response with this status."""
    prepare: Callable[[Body], Body]
    """What becomes of a description before it is sent. Raises LocalProtocolError."""


def _no_fields(status: int) -> Iterable[tuple[str, str]]:
    return ()


def _as_given(body: Body) -> Body:
    return body


class Pendings:
    """Those of one user."""

    __slots__ = ("_items", "_user")

    ALARM_PREFIX: ClassVar[str] = "pending "

    def __init__(self, user: TransactionUser) -> None:
        self._user = user
        self._items: dict[str, Pending] = {}

    def hand_over(
        self,
        serving: Serving,
        now: float,
        *,
        default: tuple[int, str],
        default_headers: tuple[tuple[str, str], ...] = (),
        respond_by: float,
        on_answer: Callable[[Response, Body | None, float], None],
        call: str = "",
        offer: Body | None = None,
        wants_description: str = "",
        fields: Callable[[int], Iterable[tuple[str, str]]] = _no_fields,
        prepare: Callable[[Body], Body] = _as_given,
    ) -> str:
        """Hands a request to the application, and returns the name it was given."""
        user = self._user
        request = serving.request
        name = user.context.identity.request_name()
        self._items[name] = Pending(
            name=name,
            resource=call or name,
            serving=serving,
            wants_description=wants_description or (ANSWER_WANTED if offer is not None else ""),
            default=default,
            default_headers=default_headers,
            on_answer=on_answer,
            fields=fields,
            prepare=prepare,
        )
        user.bind(request_key(name))
        user.alarm(self.ALARM_PREFIX + name, respond_by)
        if request.method != "INVITE":
            # RFC 4320 section 4.1: 100 once the client's timer E would have reached T2.
            user.alarm(
                self.ALARM_PREFIX + "trying " + name, now + until_trying(user.context.timers)
            )
        user.emit(
            IncomingRequest(
                resource=call or name,
                at=now,
                labels=user.labels,
                message=request,
                name=name,
                call=call,
                method=request.method,
                from_address=request.from_,
                to_address=request.to,
                headers=tuple(request.headers),
                body=body_of(request),
                offer=offer,
                respond_by=respond_by,
                contacts=_contacts(request),
                authenticated_user=request.authenticated_user,
                refer_to=_address(request, "Refer-To"),
                referred_by=_address(request, "Referred-By"),
            )
        )
        return name

    def respond(self, command: Respond, now: float) -> Failure | None:
        """The application's response; what is wrong with it, if anything is."""
        pending = self._items.get(command.name)
        if pending is None:
            return not_found(command.name)
        body = command.body
        if command.status < 300 and pending.wants_description:
            if body is None:
                # RFC 3264 section 5, RFC 3261 section 14.2.
                return invalid("description", pending.wants_description)
            try:
                body = pending.prepare(body)
            except LocalProtocolError as error:
                return invalid("description", str(error))
        self._take(command.name)
        headers = list(command.options.headers)
        self._answer(pending, now, command.status, command.reason, headers=headers, body=body)
        return None

    def alarm(self, alarm: str, now: float) -> bool:
        """An alarm of the user went off. False: it is none of these."""
        if not alarm.startswith(self.ALARM_PREFIX):
            return False
        name = alarm.removeprefix(self.ALARM_PREFIX)
        if name.startswith("trying "):
            pending = self._items.get(name.removeprefix("trying "))
            if pending is not None:
                self._user.respond(pending.serving, now, 100)
            return True
        expired = self._take(name)
        if expired is not None:
            self._close(expired, *expired.default, now, expired.default_headers)
        return True

    def close_all(self, status: int, reason: str, now: float) -> None:
        """The dialog ends: what still waits is answered by the stack."""
        for name in list(self._items):
            pending = self._take(name)
            if pending is not None:
                self._close(pending, status, reason, now)

    def close(self, serving: Serving, status: int, now: float) -> None:
        """The peer has withdrawn the request that this transaction serves."""
        for name, pending in list(self._items.items()):
            if pending.serving is serving:
                self._take(name)
                self._close(pending, status, "", now)

    def _close(
        self,
        pending: Pending,
        status: int,
        reason: str,
        now: float,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        response = self._answer(pending, now, status, reason, headers=headers)
        user = self._user
        user.emit(
            IncomingRequestClosed(
                resource=pending.resource,
                at=now,
                labels=user.labels,
                name=pending.name,
                status=response.status,
                reason=response.reason,
            )
        )

    def _answer(
        self,
        pending: Pending,
        now: float,
        status: int,
        reason: str,
        *,
        headers: Iterable[tuple[str, str]] = (),
        body: Body | None = None,
    ) -> Response:
        response = self._user.respond(
            pending.serving,
            now,
            status,
            reason,
            to_tag=self._user.local_tag(),
            headers=[*pending.fields(status), *headers],
            content_type=body.content_type if body is not None else "",
            body=body.data if body is not None else b"",
        )
        pending.on_answer(response, body, now)
        return response

    def _take(self, name: str) -> Pending | None:
        pending = self._items.pop(name, None)
        if pending is not None:
            self._user.unbind(request_key(name))
            self._user.disarm(self.ALARM_PREFIX + name, self.ALARM_PREFIX + "trying " + name)
        return pending


def until_trying(timers: Timers) -> float:
    """Seconds after which the client's timer E has reached T2 (RFC 4320 section 4.1)."""
    interval, total = timers.t1, 0.0
    while interval < timers.t2:
        total += interval
        interval *= 2
    return total


def _address(request: Request, name: str) -> Address | None:
    """The address in a header of a REFER, where it can be read; the application has the text."""
    values = request.headers.elements(name) if request.method == "REFER" else []
    try:
        return Address.parse(values[0]) if values else None
    except RemoteProtocolError:
        return None


def _contacts(request: Request) -> tuple[Address, ...]:
    """The contacts, where they can be read: the request itself was checked before.

    Those of a REGISTER say how long they want to live: without a parameter of their own
    that is what the Expires header says (RFC 3261 section 10.2.1.1).
    """
    try:
        contacts = request.contacts
        expires = request.expires if request.method == "REGISTER" else None
    except RemoteProtocolError:
        return ()
    if expires is None:
        return tuple(contacts)
    return tuple(
        contact
        if contact.params.has("expires")
        else replace(contact, params=contact.params.with_("expires", str(expires)))
        for contact in contacts
    )
