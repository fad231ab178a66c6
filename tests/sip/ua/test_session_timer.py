"""Session timers: RFC 4028."""

from __future__ import annotations

import pytest

from picosip_server.sip.message import Request
from picosip_server.sip.ua import commands, events
from picosip_server.sip.ua.commands import Policy, Refresher, TimerWish
from picosip_server.sip.ua.outputs import FailureKind
from picosip_server.sip.ua.snapshots import Cause, SessionTimerSnapshot, Termination
from tests.engine.memory import ANSWER, SDP, Host, Simulation
from tests.sip.ua.peer import Peer
from tests.sip.ua.scene import PEER, accept, called, ended, snapshot

UPDATES = ("Allow", "INVITE, ACK, BYE, UPDATE")


def policy(
    interval: float | None = None, min_se: float | None = None, refresher: Refresher | None = None
) -> Policy:
    return Policy(session_timer=TimerWish(interval=interval, min_se=min_se, refresher=refresher))


def call(
    net: Simulation, host: Host, peer: Peer, *fields: tuple[str, str], **more: object
) -> Request:
    """A call of the host whose 200 has these fields."""
    host.invite(PEER, **more)
    net.run(0.1)
    invite = peer.request("INVITE")
    peer.reply(invite, 200, tag="a", fields=fields, body=ANSWER)
    net.run(0.1)
    peer.request("ACK")
    return invite


@pytest.mark.parametrize(
    "wish, expires, min_se",
    [
        (None, "1800", None),
        (policy(600), "600", None),
        (policy(600, 120), "600", "120"),
        (policy(600, refresher=Refresher.REMOTE), "600;refresher=uas", None),
        (policy(600, refresher=Refresher.LOCAL), "600;refresher=uac", None),
        (policy(0), None, None),
    ],
)
def test_what_an_invite_asks_for(
    net: Simulation,
    host: Host,
    peer: Peer,
    wish: Policy | None,
    expires: str | None,
    min_se: str | None,
) -> None:
    """Section 7.1; the application's wish wins over the server's default."""
    host.invite(PEER, **({} if wish is None else {"policy": wish}))
    net.run(0.1)
    invite = peer.request("INVITE")
    assert "timer" in invite.supported
    assert invite.headers.get("Session-Expires") == expires
    assert invite.headers.get("Min-SE") == min_se


def test_the_caller_refreshes_by_update(net: Simulation, host: Host, peer: Peer) -> None:
    """Section 10: at half of the interval, by UPDATE where the far end takes it."""
    call(net, host, peer, UPDATES, ("Session-Expires", "100;refresher=uac"))
    assert snapshot(host).session_timer == SessionTimerSnapshot(
        interval=100, min_se=0, we_refresh=True
    )
    net.run(49.8)
    assert peer.rest() == []
    net.run(0.2)
    refresh = peer.request("UPDATE")
    assert (refresh.body, refresh.headers.get("Session-Expires")) == (b"", "100;refresher=uac")
    peer.reply(refresh, 200, tag="a", fields=[("Session-Expires", "100;refresher=uac")])
    net.run(50.1)
    assert peer.request("UPDATE").cseq.number == 3


def test_the_caller_refreshes_by_reinvite(net: Simulation, host: Host, peer: Peer) -> None:
    """Section 7.4: with the session as it is."""
    call(net, host, peer, ("Session-Expires", "100;refresher=uac"))
    net.run(50.1)
    refresh = peer.request("INVITE")
    assert refresh.body == SDP.data
    peer.reply(
        refresh, 200, tag="a", fields=[("Session-Expires", "100;refresher=uac")], body=ANSWER
    )
    net.run(0.1)
    peer.request("ACK")
    assert host.of(events.CallModified) == []


def test_an_update_that_is_not_taken(net: Simulation, host: Host, peer: Peer) -> None:
    """The far end said that it takes UPDATE: by re-INVITE then."""
    call(net, host, peer, UPDATES, ("Session-Expires", "100;refresher=uac"))
    net.run(50.1)
    peer.reply(peer.request("UPDATE"), 405)
    net.run(0.1)
    peer.request("INVITE")


def test_a_session_that_nobody_refreshes(net: Simulation, host: Host, peer: Peer) -> None:
    """Section 10: BYE slightly before the session expires: a third of it, at most 32 s."""
    call(net, host, peer, ("Session-Expires", "90;refresher=uas"))
    assert snapshot(host).session_timer == SessionTimerSnapshot(
        interval=90, min_se=0, we_refresh=False
    )
    net.run(59.8)
    assert peer.rest() == []
    net.run(0.3)
    peer.reply(peer.request("BYE"), 200)
    net.run(0.1)
    assert ended(host) == Termination(cause=Cause.SESSION_EXPIRED)


def test_a_refresh_keeps_the_session(net: Simulation, host: Host, peer: Peer) -> None:
    """Section 9: theirs is answered with the interval, and the time begins anew."""
    invite = call(net, host, peer, ("Session-Expires", "90;refresher=uas"))
    for cseq in range(1, 5):
        net.run(45)
        peer.ask(
            "UPDATE",
            host.address,
            call_id=invite.call_id,
            tag="a",
            to_tag=invite.from_.tag,
            cseq=cseq,
            fields=[("Supported", "timer"), ("Session-Expires", "90;refresher=uac")],
        )
        net.run(0.1)
        ok = peer.response(200)
        assert ok.headers.get("Session-Expires") == "90;refresher=uac"
        assert ok.require == ["timer"]


def test_422_until_it_fits(net: Simulation, host: Host, peer: Peer) -> None:
    """Section 7.3: the interval grows to the Min-SE, which is said from then on."""
    host.invite(PEER, policy=policy(90))
    net.run(0.1)
    first = peer.request("INVITE")
    peer.reply(first, 422, fields=[("Min-SE", "120")])
    net.run(0.1)
    peer.request("ACK")
    second = peer.request("INVITE")
    assert (second.call_id, second.cseq.number) == (first.call_id, 2)
    assert second.headers.get("Session-Expires") == "120"
    assert second.headers.get("Min-SE") == "120"
    peer.reply(second, 422, fields=[("Min-SE", "240")])
    net.run(0.1)
    peer.request("ACK")
    assert peer.request("INVITE").headers.get("Session-Expires") == "240"


@pytest.mark.parametrize("fields", [[], [("Min-SE", "90")], [("Min-SE", "x")]])
def test_422_that_asks_for_nothing(
    net: Simulation, host: Host, peer: Peer, fields: list[tuple[str, str]]
) -> None:
    """It would be refused again: the call has failed."""
    token = host.invite(PEER, policy=policy(90), wait_for=commands.WaitFor.FINAL)
    net.run(0.1)
    peer.reply(peer.request("INVITE"), 422, fields=fields)
    net.run(0.1)
    assert host.failure(token).status == 422


def test_a_far_end_without_timers(net: Simulation, host: Host, peer: Peer) -> None:
    """Section 7.2: no timer by default; one of our own where the application wants it."""
    call(net, host, peer)
    assert snapshot(host).session_timer is None


def test_a_wish_that_the_far_end_does_not_share(net: Simulation, host: Host, peer: Peer) -> None:
    call(net, host, peer, policy=policy(100))
    timer = snapshot(host).session_timer
    assert timer is not None and (timer.interval, timer.we_refresh) == (100, True)


@pytest.mark.parametrize(
    "wish, fields, answer, require",
    [
        (None, ["Session-Expires: 300", "Supported: timer"], "300;refresher=uac", ["timer"]),
        (None, ["Session-Expires: 300"], "300;refresher=uas", []),
        (None, ["x: 300;refresher=uas", "k: timer"], "300;refresher=uas", ["timer"]),
        (None, ["Supported: timer"], None, []),
        (None, [], None, []),
        (policy(200), ["Session-Expires: 300", "Supported: timer"], "200;refresher=uac", ["timer"]),
        (
            policy(200),
            ["Session-Expires: 300", "Min-SE: 250", "Supported: timer"],
            "250;refresher=uac",
            ["timer"],
        ),
        (policy(200), [], "200;refresher=uas", []),
        (
            policy(refresher=Refresher.LOCAL),
            ["Session-Expires: 300", "Supported: timer"],
            "300;refresher=uas",
            ["timer"],
        ),
        (
            policy(refresher=Refresher.LOCAL),
            ["Session-Expires: 300;refresher=uac", "Supported: timer"],
            "300;refresher=uac",
            ["timer"],
        ),
    ],
)
def test_what_a_callee_answers(
    net: Simulation,
    host: Host,
    peer: Peer,
    wish: Policy | None,
    fields: list[str],
    answer: str | None,
    require: list[str],
) -> None:
    """Section 9, table 2."""
    pairs = tuple((name, value) for name, _, value in (line.partition(": ") for line in fields))
    called(net, host, peer, fields=pairs)
    host.answer(host.call(), policy=wish)
    net.run(0.1)
    ok = peer.response(200)
    assert ok.headers.get("Session-Expires") == answer
    assert ok.require == require
    peer.ask("ACK", host.address, to_tag=ok.to.tag)
    net.run(0.1)


def test_the_callee_refreshes(net: Simulation, host: Host, peer: Peer) -> None:
    called(net, host, peer, fields=(("Session-Expires", "100;refresher=uas"), UPDATES))
    accept(net, host, peer)
    net.run(50)
    assert peer.request("UPDATE").headers.get("Session-Expires") == "100;refresher=uac"


def test_an_interval_below_the_servers_least(net: Simulation, host: Host, peer: Peer) -> None:
    """Section 9: 422 with Min-SE, before the application hears of the call."""
    peer.ask("INVITE", host.address, fields=[("Session-Expires", "89")], body=SDP)
    net.run(0.1)
    assert peer.response(422).headers.get("Min-SE") == "90"
    assert host.events == []


def test_an_interval_below_the_policys_least(net: Simulation, host: Host, peer: Peer) -> None:
    called(net, host, peer, fields=(("Session-Expires", "100"),))
    token = host.answer(host.call(), policy=policy(min_se=120))
    net.run(0.1)
    assert peer.response(422).headers.get("Min-SE") == "120"
    failure = host.failure(token)
    assert (failure.kind, failure.status) == (FailureKind.ENDED, 422)
    assert ended(host).status == 422


def test_a_refresh_below_the_least(net: Simulation, host: Host, peer: Peer) -> None:
    called(net, host, peer, fields=(("Session-Expires", "200"), ("Supported", "timer")))
    tag = accept(net, host, peer)
    peer.ask("UPDATE", host.address, to_tag=tag, cseq=2, fields=[("Session-Expires", "60")])
    net.run(0.1)
    assert peer.response(422).headers.get("Min-SE") == "90"


@pytest.mark.parametrize("value", ["soon", "100;refresher=me", ""])
def test_a_bad_session_expires(net: Simulation, host: Host, peer: Peer, value: str) -> None:
    peer.ask("INVITE", host.address, fields=[("Session-Expires", value)], body=SDP)
    net.run(0.1)
    peer.response(400)
    assert host.events == []


def test_a_refresh_that_finds_no_dialog(net: Simulation, host: Host, peer: Peer) -> None:
    """Section 10: 481 ends the call."""
    call(net, host, peer, UPDATES, ("Session-Expires", "100;refresher=uac"))
    net.run(50.1)
    peer.reply(peer.request("UPDATE"), 481)
    net.run(0.1)
    peer.reply(peer.request("BYE"), 481)
    net.run(0.1)
    assert ended(host).cause is Cause.REMOTE_HANGUP
