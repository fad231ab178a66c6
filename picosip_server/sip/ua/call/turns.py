"""What a description of the callee's may be, when: RFC 3264, RFC 3262 section 5, RFC 6337."""

from __future__ import annotations

from picosip_server.sip.offer_answer import OfferAnswer, Side
from picosip_server.sip.ua.commands import Body


def early_fault(turn: OfferAnswer, body: Body, sent: Body | None, reliable: bool) -> str:
    """What is wrong with ``body`` in a provisional response, after ``sent``; empty: nothing."""
    if turn.untouched and not reliable:
        return "the INVITE had no offer: an offer of ours must go reliably (set reliable)"
    if (turn.stable or turn.open is Side.LOCAL) and body != sent:
        return "a description went reliably already: a provisional cannot change the session"
    return ""


def final_fault(turn: OfferAnswer, body: Body | None, sent: Body | None) -> str:
    """What is wrong with ``body`` in the 2xx, after ``sent``; empty: nothing."""
    if body is None:
        if turn.open is Side.REMOTE:
            return "the INVITE carried an offer: the 2xx needs a description that answers it"
        if turn.untouched:
            return "the INVITE carried no offer: the 2xx needs a description that makes one"
    elif (turn.stable or turn.open is Side.LOCAL) and body != sent:
        return "offer and answer went in a reliable provisional already: leave it out"
    return ""
