"""Whose turn it is: RFC 3264 section 4, RFC 6337."""

from __future__ import annotations

import pytest

from picosip_server.sip.errors import LocalProtocolError
from picosip_server.sip.offer_answer import OfferAnswer, Side


def facts(exchange: OfferAnswer) -> tuple[Side | None, int, bool, bool]:
    return exchange.open, exchange.rounds, exchange.stable, exchange.untouched


def test_nothing_was_offered_at_first() -> None:
    assert facts(OfferAnswer()) == (None, 0, False, True)


@pytest.mark.parametrize("side", list(Side))
def test_an_offer_and_its_answer_make_the_session_stable(side: Side) -> None:
    """RFC 3264 section 4: one exchange."""
    exchange = OfferAnswer()
    exchange.offer(side)
    assert facts(exchange) == (side, 0, False, False)
    exchange.answer()
    assert facts(exchange) == (None, 1, True, False)


def test_further_exchanges_may_begin_on_either_side() -> None:
    """RFC 3264 section 4: at any moment, either agent may send a new offer."""
    exchange = OfferAnswer()
    for side in (Side.LOCAL, Side.REMOTE, Side.LOCAL):
        exchange.offer(side)
        exchange.answer()
    assert facts(exchange) == (None, 3, True, False)


@pytest.mark.parametrize("first", list(Side))
@pytest.mark.parametrize("second", list(Side))
def test_no_offer_while_one_is_open(first: Side, second: Side) -> None:
    """RFC 3264 section 4: neither a second of one's own, nor one across the other's."""
    exchange = OfferAnswer()
    exchange.offer(first)
    with pytest.raises(LocalProtocolError, match=f"an offer of the {first.value} side"):
        exchange.offer(second)
    assert facts(exchange) == (first, 0, False, False)


def test_no_answer_without_an_offer() -> None:
    exchange = OfferAnswer()
    with pytest.raises(LocalProtocolError, match="no offer to answer"):
        exchange.answer()
    assert facts(exchange) == (None, 0, False, True)


def test_a_refused_first_offer_leaves_nothing_behind() -> None:
    """RFC 6337 section 3.4: back to where it was."""
    exchange = OfferAnswer()
    exchange.offer(Side.REMOTE)
    exchange.withdraw()
    assert facts(exchange) == (None, 0, False, True)


def test_a_refused_later_offer_leaves_the_session_as_it_was() -> None:
    """RFC 6337 section 3.4."""
    exchange = OfferAnswer()
    exchange.offer(Side.LOCAL)
    exchange.answer()
    exchange.offer(Side.REMOTE)
    exchange.withdraw()
    assert facts(exchange) == (None, 1, True, False)
