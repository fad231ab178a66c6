"""Two user agents and what passes between them: RFC 3665, RFC 3262."""

from __future__ import annotations

import pytest

from picosip_server.sip.parse import parse
from picosip_server.sip.ua import commands, events
from picosip_server.sip.ua.snapshots import Cause
from tests.engine.memory import ANSWER, SDP, Host, Simulation
from tests.sip.ua.peer import short
from tests.sip.ua.scene import ended, result


@pytest.fixture
def far(net: Simulation) -> Host:
    """The other user agent."""
    return net.host("10.0.0.9")


def ladder(net: Simulation) -> list[str]:
    """Every message sent, with an arrow for who sent it."""
    return [
        f"{'>' if sender == '10.0.0.1' else '<'} {short(parse(data, stream=False))}"
        for _, sender, _, data in net.wire
    ]


@pytest.mark.parametrize("transport", ["", ";transport=tcp"])
def test_a_call_with_a_reliable_answer(
    net: Simulation, host: Host, far: Host, transport: str
) -> None:
    """RFC 3262 section 5: the session is set up before the 2xx."""
    host.invite(f"sip:callee@10.0.0.9{transport}")
    net.run(0.1)
    far.on_call(commands.Progress, far.call(), status=183, reliable=True, description=ANSWER)
    answer = far.answer(far.call(), description=None)
    net.run(0.1)
    token = far.hangup(far.call())
    net.run()
    assert ladder(net) == [
        "> INVITE 1",
        "< 100 INVITE 1",
        "< 183 INVITE 1",
        "> PRACK 2",
        "< 200 PRACK 2",
        "< 200 INVITE 1",
        "> ACK 1",
        "< BYE 1",
        "> 200 BYE 1",
    ]
    assert host.kinds() == [
        "CallCreated",
        "CallProgressed",
        "CallAnswered",
        "CallConfirmed",
        "CallEnded",
    ]
    assert far.kinds() == ["CallReceived", "CallAnswered", "CallConfirmed", "CallEnded"]
    near, here = result(far, answer), result(far, token)
    assert (near.local_description, near.remote_description) == (ANSWER, SDP)
    assert here.termination is not None
    assert (ended(host).cause, here.termination.cause) == (
        Cause.REMOTE_HANGUP,
        Cause.LOCAL_HANGUP,
    )


def test_a_call_without_offer(net: Simulation, host: Host, far: Host) -> None:
    """RFC 3261 section 13.2.1: offer in the 2xx, answer in the ACK."""
    host.invite("sip:callee@10.0.0.9", offer=None)
    net.run(0.1)
    far.answer(far.call(), description=SDP)
    net.run(0.1)
    host.answer(host.call(), description=ANSWER)
    net.run(0.1)
    host.hangup(host.call())
    net.run()
    assert ladder(net) == [
        "> INVITE 1",
        "< 100 INVITE 1",
        "< 200 INVITE 1",
        "> ACK 1",
        "> BYE 2",
        "< 200 BYE 2",
    ]
    (confirmed,) = far.of(events.CallConfirmed)
    assert confirmed.description == ANSWER


def test_a_cancelled_call(net: Simulation, host: Host, far: Host) -> None:
    """RFC 3665 section 3.8."""
    host.invite("sip:callee@10.0.0.9")
    net.run(0.1)
    far.on_call(commands.Progress, far.call())
    net.run(0.1)
    host.hangup(host.call())
    net.run()
    assert ladder(net) == [
        "> INVITE 1",
        "< 100 INVITE 1",
        "< 180 INVITE 1",
        "> CANCEL 1",
        "< 200 CANCEL 1",
        "< 487 INVITE 1",
        "> ACK 1",
    ]
    assert ended(host) == ended(far)
    assert ended(far).cause is Cause.CANCELLED


def test_byes_that_cross(net: Simulation, host: Host, far: Host) -> None:
    """RFC 3261 section 15.1.2: both sides end, neither hangup fails."""
    host.invite("sip:callee@10.0.0.9")
    net.run(0.1)
    far.answer(far.call())
    net.run(0.1)
    tokens = host.hangup(host.call()), far.hangup(far.call())
    net.run()
    assert sorted(ladder(net)[-4:]) == ["< 200 BYE 2", "< BYE 1", "> 200 BYE 1", "> BYE 2"]
    for side, token in zip((host, far), tokens, strict=True):
        assert result(side, token).termination == ended(side)
        assert ended(side).cause is Cause.LOCAL_HANGUP
