"""What is turned away at the door of a worker: dropped, or refused without state."""

from __future__ import annotations

from picosip_server.engine.admission import Admission
from picosip_server.engine.guard.guard import Guard, Screening
from picosip_server.engine.guard.head import Head
from picosip_server.engine.guard.peek import begins_something, invites_as
from picosip_server.engine.guard.refusals import Refusals
from picosip_server.engine.intake import (
    hop_back,
    identity_of,
    retry_later,
    stamp,
    stateless_response,
    way_back,
)
from picosip_server.engine.network import Source
from picosip_server.engine.population import Population
from picosip_server.sip.errors import RemoteProtocolError
from picosip_server.sip.hop import Hop
from picosip_server.sip.message import Request
from picosip_server.sip.parse import salvage
from picosip_server.sip.ua.keys import server_key


class Door:
    """Responses, and requests of dialogs and transactions that exist, always pass, unless the
    lists of networks deny their source."""

    def __init__(self, guard: Guard, admission: Admission, population: Population) -> None:
        self._guard = guard
        self._admission = admission
        self._population = population
        self._refusals = Refusals(admission.secret)

    def turns_away(self, data: bytes, source: Source, now: float) -> bool:
        """Whether octets need not be parsed at all."""
        screening = self._guard.screen(source.host, now)
        admission = self._admission
        if screening is Screening.OPEN and not admission.refused_part:
            return False
        if screening is Screening.DENIED:
            self._population.counters["dropped_denied"] += 1
            return True
        # Who traces is to see them as messages.
        brief = not self._population.tracing
        if brief and self._refusals.acknowledged_by(data, source):
            return True
        if not begins_something(data):
            return False
        if screening is Screening.BLOCKED:
            self._population.counters["dropped_blocked"] += 1
            return True
        limited = screening is Screening.LIMITED
        # Who is to be let in is read by the parser, and need not be twice.
        call_id = b"" if limited else invites_as(data)
        if call_id and not admission.is_too_much("INVITE", b"", call_id):
            return False
        if brief and (head := Head.of_new(data, source)) is not None:
            return self._refuse_brief(head, source, limited=limited)
        return self._refuse_unread(data, source, now, limited=limited)

    def shuns(self, request: Request, source: Source, now: float) -> bool:
        """Whether a request that belongs to nothing is to be dropped for what its sender is."""
        counter = self._guard.shuns(request, source.host, now)
        if counter:
            self._population.counters[counter] += 1
        return bool(counter)

    def heard(self, source: Source, now: float) -> None:
        """Notes a message that could be read."""
        self._guard.heard(source.host, now)

    def shuns_garbage(self, source: Source, now: float) -> bool:
        """Notes a faulty message. Whether it gets no answer."""
        self._guard.heard_garbage(source.host, now)
        blocked = self._guard.is_blocked(source.host, now)
        if blocked:
            self._population.counters["dropped_blocked"] += 1
        return blocked

    def limits(self, request: Request, source: Source, hop: Hop, now: float) -> bool:
        """Whether a request that begins something was above the rate of its source."""
        wait = self._guard.charge(source.host, now, a_call=request.method == "INVITE")
        if wait:
            self._turn_back(request, hop, now, wait=wait)
        return wait > 0

    def _refuse_brief(self, head: Head, source: Source, *, limited: bool) -> bool:
        """As ``_refuse_unread``."""
        population = self._population
        if head.key in population.routes:
            return False
        if limited and self._guard.drops:
            population.counters["dropped_rate_limit"] += 1
            return True
        admission = self._admission
        if not (limited or admission.is_too_much(head.method.decode(), head.vias[0], head.call_id)):
            return False
        population.counters["refused_rate_limit" if limited else "refused_overload"] += 1
        hop = hop_back(source, source.host, head.port, secure=head.secure)
        tag = head.tag(admission.secret)
        self._refusals.gave(tag.encode())
        population.send_octets(head.refuse(tag), 503, hop)
        return True

    def _refuse_unread(self, data: bytes, source: Source, now: float, *, limited: bool) -> bool:
        """Answers by what can be had from the head alone, which costs less than a parse."""
        request = salvage(data)
        if request is None:
            return False
        try:
            stamp(request, source)
            hop = way_back(request, source)
            if server_key(request) in self._population.routes:
                # A repetition of what was taken already: 503 would end it (17.1.1.2).
                return False
            if limited:
                self._turn_back(request, hop, now)
            elif not self._admission.is_too_much(request.method, *identity_of(request)):
                return False
            else:
                self._population.counters["refused_overload"] += 1
                self._send(request, hop, now)
        except RemoteProtocolError:
            # It cannot be answered like this; whoever reads it in full knows how.
            return False
        self._population.trace(request, data, source, None, now)
        return True

    def _turn_back(self, request: Request, hop: Hop, now: float, *, wait: float = 0.0) -> None:
        counters = self._population.counters
        if self._guard.drops:
            counters["dropped_rate_limit"] += 1
            return
        counters["refused_rate_limit"] += 1
        self._send(request, hop, now, wait=wait)

    def _send(self, request: Request, hop: Hop, now: float, *, wait: float = 0.0) -> None:
        secret = self._admission.secret
        headers = (retry_later(request, secret, least=wait),)
        response = stateless_response(request, 503, secret, headers)
        self._population.send_stateless(response, hop, now)
