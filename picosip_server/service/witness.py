"""What happened, for operators: one log line per fact, and how long calls take to set up."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from picosip_server.mypyc import mypyc_attr
from picosip_server.service.convert.values import clean
from picosip_server.sip.address import Address
from picosip_server.sip.ua.events import (
    CallAnswered,
    CallCreated,
    CallEnded,
    CallReceived,
    Event,
    RegistrationChanged,
)
from picosip_server.sip.ua.snapshots import CallSnapshot
from picosip_server.sip.ua.subscription.events import PublicationChanged, SubscriptionChanged

_log = structlog.get_logger(__name__)


@mypyc_attr(acyclic=True)
class _Call:
    __slots__ = ("answered", "began", "sip_call_id")

    def __init__(self, sip_call_id: str, began: float) -> None:
        self.sip_call_id = sip_call_id
        self.began = began
        self.answered = False


class Witness:
    """Sees all events; ``set_up`` is told the seconds from INVITE to 2xx of each call."""

    def __init__(self, set_up: Callable[[float], None]) -> None:
        self._set_up = set_up
        self._calls: dict[str, _Call] = {}

    def saw(self, event: Event) -> None:
        """Notes an event."""
        match event:
            case CallCreated(call=call):
                self._began("call created", event, call)
            case CallReceived(call=call):
                self._began("call received", event, call)
            case CallAnswered():
                self._answered(event)
            case CallEnded():
                self._ended(event)
            case RegistrationChanged(registration=registration):
                _log.info(
                    "registration changed",
                    registration=event.resource,
                    state=registration.state.name.lower(),
                    aor=_who(registration.aor),
                    registrar=clean(registration.registrar),
                    status=registration.last_status or None,
                )
            case SubscriptionChanged(subscription=subscription):
                _log.info(
                    "subscription changed",
                    subscription=event.resource,
                    role=subscription.role.name.lower(),
                    state=subscription.state.name.lower(),
                    package=clean(subscription.event),
                    remote=_who(subscription.remote),
                    reason=clean(subscription.reason) or None,
                )
            case PublicationChanged():
                _log.info(
                    "publication changed",
                    publication=event.resource,
                    ended=event.ended,
                    detail=clean(event.detail) or None,
                )

    def _began(self, what: str, event: Event, call: CallSnapshot) -> None:
        known = self._calls[event.resource] = _Call(clean(call.sip_call_id), event.at)
        _log.info(
            what,
            call=event.resource,
            sip_call_id=known.sip_call_id,
            caller=_who(call.from_address),
            callee=_who(call.to_address),
        )

    def _answered(self, event: CallAnswered) -> None:
        known = self._calls.get(event.resource)
        # A second 2xx, of another fork, sets up no second call.
        if known is None or known.answered:
            return
        known.answered = True
        self._set_up(event.at - known.began)
        _log.info(
            "call answered",
            call=event.resource,
            sip_call_id=known.sip_call_id,
            status=event.status,
            setup_seconds=round(event.at - known.began, 3),
        )

    def _ended(self, event: CallEnded) -> None:
        known = self._calls.pop(event.resource, None)
        termination = event.termination
        _log.info(
            "call ended",
            call=event.resource,
            sip_call_id=clean(event.sip_call_id),
            cause=termination.cause.name.lower(),
            status=termination.status or None,
            seconds=None if known is None else round(event.at - known.began, 3),
        )


def _who(address: Address) -> str:
    # The address-of-record: a URI may hold a password besides.
    return clean(address.uri.aor)
