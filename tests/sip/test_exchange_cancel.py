"""CANCEL: RFC 3261 section 9.1."""

from __future__ import annotations

import pytest

from picosip_server.sip.hop import Hop
from picosip_server.sip.ua.outputs import FailureKind
from tests.sip.agent import OTHER, TCP, UDP
from tests.sip.exchanges import Bench


def test_no_cancel_before_a_provisional_response() -> None:
    bench = Bench().start()
    bench.cancel(("Reason", "SIP;cause=200"))
    assert bench.exchange.cancelling
    assert bench.drive.briefs == [(0, "1 INVITE", "UDP", "10.0.0.2")]
    bench.drive.now = 0.2
    bench.drive.answer(100)
    assert bench.drive.briefs[1:] == [(0.2, "1 CANCEL", "UDP", "10.0.0.2")]
    cancel = bench.drive.last("CANCEL")
    assert cancel.via == bench.drive.last("INVITE").via
    assert cancel.headers.get("Reason") == "SIP;cause=200"
    assert bench.user.log == [(0.2, "cancel sent"), (0.2, 100)]


@pytest.mark.parametrize("hop", [UDP, TCP])
def test_one_cancel_is_enough_whatever_comes_later(hop: Hop) -> None:
    """9.1; also when the CANCEL's own transaction is over, as at once over TCP."""
    bench = Bench(hops=(hop,)).start()
    bench.drive.answer(180)
    bench.cancel()
    cancel, invite = bench.drive.last("CANCEL"), bench.drive.last("INVITE")
    bench.drive.answer(180, to=invite)
    bench.drive.answer(100, to=cancel)
    bench.drive.answer(200, to=cancel)
    bench.drive.until(6)
    bench.drive.answer(180, to=invite)
    bench.drive.answer(487, to=invite)
    methods = [sent.message.cseq.method for sent in bench.drive.sent]
    assert methods == ["INVITE", "CANCEL", "ACK"]
    assert bench.user.log == [
        *((0, 180), (0, "cancel sent"), (0, 180), (0, "cancel answered")),
        *((6, 180), (6, 487)),
    ]


def test_a_silent_peer_ends_the_cancel_with_timer_f() -> None:
    bench = Bench(hops=(TCP,)).start()
    bench.drive.answer(180)
    bench.cancel()
    bench.drive.until(40)
    assert bench.user.log[2:] == [(32.0, "cancel answered")]
    assert bench.drive.bound == {("c", "z9hG4bK1", "INVITE")}


def test_a_cancel_that_cannot_be_sent_is_as_good_as_answered() -> None:
    bench = Bench().start()
    bench.drive.answer(180)
    bench.drive.broken.add(("UDP", "10.0.0.2"))
    bench.cancel()
    assert sorted(bench.user.log, key=str) == [
        *((0, "cancel answered"), (0, "cancel sent"), (0, 180))
    ]
    assert bench.drive.bound == {("c", "z9hG4bK1", "INVITE")}


def test_what_is_cancelled_before_it_was_sent_is_never_sent() -> None:
    bench = Bench(hops=None).start()
    bench.cancel()
    bench.drive.run(bench.user.located(1, (UDP, OTHER), 0))
    assert bench.drive.sent == []
    assert [entry[:2] for entry in bench.user.log] == [(0, FailureKind.TRANSPORT)]


def test_a_cancelled_request_is_not_tried_elsewhere() -> None:
    """Neither after a failure, nor after a 503, nor with credentials."""
    silent = Bench(hops=(UDP, OTHER)).start()
    silent.cancel()
    silent.drive.until(40)
    assert {sent.hop for sent in silent.drive.sent} == {UDP}
    assert [entry[:2] for entry in silent.user.log] == [(32.0, FailureKind.TIMEOUT)]
    for status in (503, 401, 407):
        bench = Bench(hops=(UDP, OTHER)).start()
        bench.drive.answer(180)
        bench.cancel()
        bench.drive.answer(status, to=bench.drive.last("INVITE"))
        assert bench.user.log[-1] == (0, status)
        assert {sent.hop for sent in bench.drive.sent} == {UDP}
