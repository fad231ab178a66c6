"""A call as plain values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from picosip_server.sip.address import Address
from picosip_server.sip.offer_answer import Side
from picosip_server.sip.ua.call.leg import Leg
from picosip_server.sip.ua.snapshots import CallDirection, CallSnapshot, CallState, OfferAnswerState
from picosip_server.sip.uri import Uri

if TYPE_CHECKING:
    from picosip_server.sip.ua.call.base import Call


_NOBODY = Address(uri=Uri())
UNSEEN = CallSnapshot(
    name="",
    state=CallState.TERMINATED,
    direction=CallDirection.OUTGOING,
    from_address=_NOBODY,
    to_address=_NOBODY,
    request_uri="",
    sip_call_id="",
    local_tag="",
)
"""For those who do not look: making the picture of a call takes longer than it seems."""


def picture(call: Call) -> CallSnapshot:
    """The call as it now stands."""
    leg = call.main_leg()
    hidden = call.state in (CallState.CALLING, CallState.INCOMING)
    return CallSnapshot(
        name=call.name,
        state=call.state,
        direction=call.DIRECTION,
        from_address=_untagged(call.from_address),
        to_address=call.to_address,
        request_uri=call.request_uri,
        sip_call_id=call.call_id,
        local_tag=call.tag,
        dialogs=() if hidden else tuple(each.snapshot() for each in call.live_legs()),
        offer_answer_state=_offer_answer_state(call, leg),
        local_description=call.local_description,
        remote_description=leg.remote_description if leg is not None else None,
        local_hold=call.local_hold,
        remote_hold=call.remote_hold,
        session_timer=call.timer.snapshot(),
        termination=call.termination,
        create_time=call.create_time,
        answer_time=call.answer_time,
        end_time=call.end_time,
        labels=call.labels,
        authenticated_user=call.authenticated_user,
    )


def _offer_answer_state(call: Call, leg: Leg | None) -> OfferAnswerState:
    if leg is None:
        # A caller that heard nothing yet: an INVITE with a description is an offer.
        offers = call.local_description is not None
        return OfferAnswerState.LOCAL_OFFER if offers else OfferAnswerState.NONE
    if leg.offer_answer.open is Side.LOCAL:
        return OfferAnswerState.LOCAL_OFFER
    if leg.offer_answer.open is Side.REMOTE:
        return OfferAnswerState.REMOTE_OFFER
    return OfferAnswerState.STABLE if leg.offer_answer.stable else OfferAnswerState.NONE


def _untagged(address: Address) -> Address:
    """Whom it names: the tag names the dialog, and has a place of its own."""
    if not address.params.has("tag"):
        return address
    return Address(
        display_name=address.display_name,
        uri=address.uri,
        params=address.params.without("tag"),
    )
