"""Messages in: to the user that they are for, or to a new one, or answered without any."""

from __future__ import annotations

from picosip_server.engine.admission import Admission
from picosip_server.engine.audience import Audience, Nobody
from picosip_server.engine.complaints import Complaints
from picosip_server.engine.config import EngineConfig
from picosip_server.engine.gate import Gate
from picosip_server.engine.guard.door import Door
from picosip_server.engine.identity import RandomIdentity
from picosip_server.engine.intake import (
    answer_to_faulty,
    check,
    stamp,
    stateless_response,
    way_back,
)
from picosip_server.engine.load.loads import Loads
from picosip_server.engine.network import Source
from picosip_server.engine.population import Population
from picosip_server.sip.errors import ParseError, RemoteProtocolError
from picosip_server.sip.hop import Hop
from picosip_server.sip.message import Request, Response
from picosip_server.sip.parse import parse
from picosip_server.sip.replaces import replaces_of
from picosip_server.sip.ua import inspect
from picosip_server.sip.ua.call.base import Call
from picosip_server.sip.ua.call.incoming import IncomingCall
from picosip_server.sip.ua.context import Context
from picosip_server.sip.ua.incoming_request import IncomingRequestUser
from picosip_server.sip.ua.inspect import Refusal
from picosip_server.sip.ua.keys import dialog_key, merge_key, response_key, server_key
from picosip_server.sip.ua.subscription.incoming import IncomingSubscription
from picosip_server.sip.ua.subscription.notifying import NotifyingUser
from picosip_server.sip.ua.subscription.outgoing import OutgoingSubscription
from picosip_server.sip.ua.subscription.referral import IncomingReferral
from picosip_server.sip.ua.subscription.screening import (
    allow_events,
    check_outside,
    refuse_subscribe,
)

_RECEIVED = [f"responses_received_{digit}xx" for digit in range(10)]


class Reception:
    """What happens to the octets that one worker receives."""

    def __init__(
        self,
        config: EngineConfig,
        population: Population,
        admission: Admission,
        context: Context,
        *,
        identity: RandomIdentity,
        gate: Gate,
        door: Door,
        complaints: Complaints,
    ) -> None:
        self._accept = config.accept
        self._population = population
        self._admission = admission
        self._context = context
        self._identity = identity
        self._gate = gate
        self._door = door
        self._complaints = complaints
        self._secret = admission.secret
        self.audience: Audience = Nobody()
        self.loads: Loads | None = None
        """Those that may answer calls before an application hears of them."""

    def receive(self, data: bytes, source: Source, now: float, *, stream: bool = False) -> None:
        """A datagram, or one frame of a stream."""
        self._population.counters["messages_received"] += 1
        if self._door.turns_away(data, source, now):
            return
        try:
            message = parse(data, stream=stream)
        except ParseError as error:
            self.faulty(error, source, now)
            return
        try:
            check(message)
        except RemoteProtocolError as fault:
            request = message if isinstance(message, Request) else None
            self.faulty(ParseError(str(fault), fault.status, request=request), source, now)
            return
        self._door.heard(source, now)
        if isinstance(message, Response):
            self._response(message, data, source, now)
        else:
            self._request(message, data, source, now)

    def faulty(self, error: ParseError, source: Source, now: float) -> None:
        """Octets that are no valid message: answered if they can be, and counted."""
        self._population.counters["parse_errors"] += 1
        self._complaints.about(
            source.host, now, "bad message", fault=str(error), status=error.status
        )
        if self._door.shuns_garbage(source, now):
            return
        request = error.request
        if request is None:
            return
        try:
            stamp(request, source)
            hop = way_back(request, source)
        except RemoteProtocolError:
            # Its Via cannot be read: there is no way back (RFC 3261 section 18.2.2).
            return
        response = answer_to_faulty(request, error.status, str(error), self._secret)
        if response is not None:
            self._population.send_stateless(response, hop, now)

    def _response(self, response: Response, data: bytes, source: Source, now: float) -> None:
        population = self._population
        population.counters[_RECEIVED[response.status // 100]] += 1
        user = None
        # 8.1.3.3: a response with a second Via is not for us.
        if len(response.headers.elements("Via")) == 1:
            user = population.routes.get(response_key(response))
        population.trace(response, data, source, user, now)
        if user is None:
            population.counters["responses_unmatched"] += 1
            return
        key = response_key(response)
        effects = user.receive_response(key, response, now, flow=source.flow)
        population.run(user, effects, now)

    def _request(self, request: Request, data: bytes, source: Source, now: float) -> None:
        stamp(request, source)
        hop = way_back(request, source)
        if source.flow:
            self._learn(request, source)
        population = self._population
        method = request.method
        key = server_key(request)
        user = population.routes.get(key)
        if user is not None:
            again = method != "ACK"
            if again:
                population.counters["retransmissions_received"] += 1
                if user.listener is not None:
                    user.listener.received_again()
            population.trace(request, data, source, user, now, again=again)
            population.run(user, user.receive_again(key, request, now), now)
        elif method == "CANCEL":
            self._cancel(request, data, source, hop, now)
        elif request.to.tag:
            self._in_dialog(request, data, source, hop, now)
        elif method == "ACK":
            population.trace(request, data, source, None, now)
            population.counters["acks_unmatched"] += 1
        else:
            self._outside(request, data, source, hop, now)

    def _learn(self, request: Request, source: Source) -> None:
        """RFC 7118 section 5.2, RFC 5626: a browser is reached over its own connection only.

        Names that no name server has (RFC 2606 section 2), and no others: or whoever connects
        could have what is sent to somebody else's host.
        """
        for contact in request.contacts:
            uri = contact.uri
            if uri.host.lower().endswith(".invalid"):
                self._population.learn(uri.host, uri.port or 0, source.flow)

    def _cancel(self, request: Request, data: bytes, source: Source, hop: Hop, now: float) -> None:
        key = server_key(request, "INVITE")
        user = self._population.routes.get(key)
        self._population.trace(request, data, source, user, now)
        if user is None:
            self._refuse_unmatched(request, source, hop, now)
        else:
            self._population.run(user, user.receive_cancel(key, request, hop, now), now)

    def _in_dialog(
        self, request: Request, data: bytes, source: Source, hop: Hop, now: float
    ) -> None:
        call = self._population.routes.get(dialog_key(request.call_id, request.to.tag))
        self._population.trace(request, data, source, call, now)
        if isinstance(call, (Call, OutgoingSubscription, NotifyingUser)):
            refusal = self._admission.refuse_inside(request)
            refusal = refusal or self._counted(self._gate.check_inside(request, call, source, now))
            if refusal is not None:
                self._refuse(request, hop, refusal, now)
                return
            hop = self._population.dress(hop, call.aor, anonymous=call.anonymous)
            self._population.run(call, call.receive_request(request, hop, now), now)
        elif request.method != "ACK":
            # 12.2.2: a request of a dialog that does not exist.
            self._refuse_unmatched(request, source, hop, now)

    def _counted(self, refusal: Refusal | None) -> Refusal | None:
        if refusal is not None and refusal.status == 503:
            self._population.counters["refused_auth_failures"] += 1
        return refusal

    def _refuse_unmatched(self, request: Request, source: Source, hop: Hop, now: float) -> None:
        if not self._door.shuns(request, source, now):
            self._refuse(request, hop, Refusal(481), now)

    def _outside(self, request: Request, data: bytes, source: Source, hop: Hop, now: float) -> None:
        method = request.method
        if self._door.shuns(request, source, now) or self._door.limits(request, source, hop, now):
            self._population.trace(request, data, source, None, now)
            return
        claimed = method != "INVITE" and self.audience.claims(method)
        try:
            refusal = self._admission.refuse_request(request)
            refusal = refusal or inspect.refuse_method(request, claimed)
            if refusal is None:
                refusal = self._counted(self._gate.check(request, source, now))
            refusal = refusal or self._inspect(request, claimed)
        except RemoteProtocolError as error:
            self.faulty(ParseError(str(error), error.status, request=request), source, now)
            return
        if refusal is None and not claimed and method != "INVITE":
            answer = (*inspect.option_answer(self._accept), *allow_events(self._context))
            refusal = Refusal(200, answer)
        if refusal is not None:
            self._population.trace(request, data, source, None, now)
            self._refuse(request, hop, refusal, now)
            return
        user: IncomingCall | IncomingRequestUser | IncomingSubscription | IncomingReferral
        # RFC 5627 section 4.4.1: the contact given is that of the address called.
        aor = request.to.uri.aor
        hop = self._population.dress(hop, aor)
        if method == "INVITE":
            name = self._identity.call_name()
            replaces = self._replaced(request)
            user = IncomingCall(
                name,
                self._context,
                request,
                hop,
                now,
                authenticated_user=request.authenticated_user,
                replaces=replaces.name if replaces is not None else "",
            )
            user.aor = aor
            if self.loads is not None:
                self.loads.take(user, request.uri.user or "", now)
            self._population.calls[name] = user
            user.start(now)
            effects = user.flush()
        elif method in ("SUBSCRIBE", "REFER"):
            name = self._identity.subscription_name()
            kind = IncomingSubscription if method == "SUBSCRIBE" else IncomingReferral
            user = kind(name, self._context, request)
            user.aor = aor
            self._population.subscribers[name] = user
            effects = user.start(hop, now)
        else:
            user = IncomingRequestUser(self._context)
            effects = user.hand_over(request, hop, now)
        self._population.trace(request, data, source, user, now)
        self._population.run(user, effects, now)

    def _inspect(self, request: Request, claimed: bool) -> Refusal | None:
        refusal = inspect.refuse_uri(request)
        if refusal is None and merge_key(request) in self._population.routes:
            # 8.2.2.2: the same request by another way.
            refusal = Refusal(482)
        refusal = refusal or inspect.refuse_extensions(request, claimed)
        if refusal is None and request.method == "INVITE":
            refusal = inspect.refuse_invite(request, self._accept)
            refusal = refusal or inspect.refuse_interval(request, self._context.min_se)
            refusal = refusal or self._refuse_replacing(request)
        if refusal is None and request.method == "SUBSCRIBE":
            refusal = refuse_subscribe(request, self._context, claimed)
        if refusal is None and request.method == "REFER":
            check_outside(request)
        return refusal

    def _replaced(self, request: Request) -> Call | None:
        """The call that has the dialog which an INVITE wants to replace."""
        replaces = replaces_of(request)
        if replaces is None:
            return None
        call = self._population.routes.get(dialog_key(replaces.call_id, replaces.to_tag))
        return call if isinstance(call, Call) else None

    def _refuse_replacing(self, request: Request) -> Refusal | None:
        """RFC 3891 section 3.

        Raises:
            RemoteProtocolError: the Replaces cannot be read.
        """
        replaces = replaces_of(request)
        if replaces is None:
            return None
        call = self._replaced(request)
        status = 481 if call is None else call.refuse_replacing(replaces)
        return Refusal(status) if status else None

    def _refuse(self, request: Request, hop: Hop, refusal: Refusal, now: float) -> None:
        response = stateless_response(request, refusal.status, self._secret, refusal.headers)
        self._population.send_stateless(response, hop, now)
