"""Calls of loads that go another way than most."""

from __future__ import annotations

import pytest

from picosip_server.engine.load.distributions import Constant
from picosip_server.engine.load.policy import alone
from picosip_server.engine.load.script import CallScript, Outcome
from picosip_server.engine.load.templates import Table, Templates
from picosip_server.sip.address import Address
from picosip_server.sip.auth.users import User
from picosip_server.sip.message import Message, Request
from picosip_server.sip.ua import commands
from picosip_server.sip.ua.commands import Body
from picosip_server.sip.ua.snapshots import CallSnapshot
from tests.engine.load.running import Running, answers, at_rate, calls
from tests.engine.memory import ANSWER, SDP, Host, Simulation
from tests.sip.ua.peer import Peer

OFFER = Body(
    content_type="application/sdp",
    data=b"v=0\r\no=- 7 7 IN IP4 192.0.2.2\r\ns=-\r\nc=IN IP4 192.0.2.2\r\nt=0 0\r\n"
    b"m=audio 4000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=sendonly\r\n"
    b"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x\r\nm=video 0 RTP/AVP 31\r\n",
)


@pytest.fixture
def simulation() -> Simulation:
    return Simulation()


@pytest.fixture
def near(simulation: Simulation) -> Host:
    return simulation.host("192.0.2.1")


@pytest.fixture
def far(simulation: Simulation) -> Host:
    return simulation.host("192.0.2.2")


@pytest.fixture
def peer(simulation: Simulation) -> Peer:
    return Peer(simulation, "192.0.2.2")


def requests(peer: Peer, method: str) -> list[Request]:
    return [
        message
        for _, message, _ in peer.received
        if isinstance(message, Request) and message.method == method
    ]


def body(message: Message) -> list[bytes]:
    return message.body.split(b"\r\n")


def test_an_offer_in_the_answer_is_answered_in_the_ack(
    simulation: Simulation, near: Host, peer: Peer
) -> None:
    peer.on_request = lambda request: (
        peer.reply(request, 200, tag="b", body=OFFER if request.method == "INVITE" else None)
        if request.method != "ACK"
        else None
    )
    load = Running(near, calls(offer=None), at_rate(1, count=1))
    simulation.run(until=lambda: load.ended)
    assert load.figures.succeeded == 1
    (ack,) = requests(peer, "ACK")
    # RFC 3264 section 6.1: who sends only is received only; keys are each end's own.
    assert body(ack)[1:] == [
        b"o=- 1 1 IN IP4 192.0.2.1",
        b"s=-",
        b"c=IN IP4 192.0.2.1",
        b"t=0 0",
        b"m=audio 4000 RTP/AVP 0 101",
        b"a=rtpmap:101 telephone-event/8000",
        b"a=recvonly",
        b"m=video 0 RTP/AVP 31",
        b"",
    ]


def test_a_call_without_an_offer_is_answered_with_one(
    simulation: Simulation, near: Host, far: Host
) -> None:
    answering = Running(far, answers())
    load = Running(near, calls(offer=None), at_rate(10, count=2))
    simulation.run(until=lambda: load.ended)
    assert load.figures.succeeded == 2
    answering.stop()
    assert answering.figures.succeeded == 2


def test_the_answer_may_be_given(simulation: Simulation, far: Host, peer: Peer) -> None:
    answer = commands.Answer(
        token=None,
        name="",
        description=ANSWER,
        options=commands.Options(headers=(("X-Load", "yes"),)),
    )
    Running(far, answers(answer=answer, outcomes=(Outcome(headers=(("X-Mix", "1"),)),)))
    caller = Peer(simulation, "192.0.2.3")
    caller.ask("INVITE", "192.0.2.2", body=SDP)
    simulation.run(0.1)
    caller.response(100)
    response = caller.response(200)
    assert response.headers.get("X-Load") == "yes"
    assert response.headers.get("X-Mix") == "1"
    assert response.body == ANSWER.data


def test_without_an_ack_a_call_has_failed(simulation: Simulation, far: Host) -> None:
    answering = Running(far, answers())
    caller = Peer(simulation, "192.0.2.3")
    caller.on_request = lambda request: caller.reply(request, 200)
    caller.ask("INVITE", "192.0.2.2", body=SDP)
    simulation.run(60.0)
    figures = answering.figures
    assert (figures.active, figures.failures) == (0, {"no_ack": 1})
    # RFC 3261 section 13.3.1.4: doubling up to T2, for 64*T1.
    assert figures.sent_again == 10


def test_who_gives_up_is_counted(simulation: Simulation, near: Host, far: Host) -> None:
    answering = Running(far, answers(ringing=True, delay=Constant(30.0)))
    policy = commands.Policy(ring_timeout=1.0)
    load = Running(near, calls(policy=policy), at_rate(10, count=2))
    simulation.run(until=lambda: load.ended)
    assert load.figures.failures == {"timeout": 2}
    assert load.figures.responses == {487: 2}
    assert answering.figures.failures == {"cancelled": 2}


def test_the_far_end_must_not_hang_up_first(simulation: Simulation, near: Host, far: Host) -> None:
    answering = Running(far, answers(hold=Constant(1.0)))
    load = Running(near, calls(hold=Constant(5.0)), at_rate(10, count=2))
    simulation.run(until=lambda: load.ended)
    assert load.figures.failures == {"remote_bye": 2}
    simulation.run(1.0)
    assert answering.figures.succeeded == 2
    assert sum(sum(counts) for _, counts in answering.figures.teardown.octaves()) == 2


def test_a_bye_that_is_refused_is_a_failure(simulation: Simulation, near: Host, peer: Peer) -> None:
    status = {"INVITE": 200, "BYE": 500}
    peer.on_request = lambda request: (
        peer.reply(request, status[request.method], tag="b") if request.method in status else None
    )
    load = Running(near, calls(), at_rate(1, count=1))
    simulation.run(until=lambda: load.ended)
    assert load.figures.failures == {"bye_500": 1}


def test_calls_beyond_the_server_s_limit_fail(simulation: Simulation, far: Host) -> None:
    near = simulation.host("192.0.2.1", max_calls=5)
    Running(far, answers())
    load = Running(near, calls(hold=Constant(1.0)), at_rate(1000, count=10))
    simulation.run(until=lambda: load.ended)
    assert (load.figures.succeeded, load.figures.failures) == (5, {"overload": 5})


def test_an_application_may_look_at_a_call_of_a_load_and_end_it(
    simulation: Simulation, near: Host, far: Host
) -> None:
    Running(far, answers())
    load = Running(near, calls(hold=Constant(60.0)), at_rate(1, count=1))
    simulation.run(1.0)
    (call,) = near.core.snapshot().calls
    looked = near.on_call(commands.GetCall, call.name)
    assert near.results[looked] == call
    assert call.to_address.uri.user == "bob"
    ended = near.hangup(call.name)
    simulation.run(until=lambda: load.ended)
    result = near.results[ended]
    assert isinstance(result, CallSnapshot) and result.name == call.name
    assert load.figures.failures == {"local_hangup": 1}


def test_a_server_that_asks_for_rest_is_loaded_all_the_same(
    simulation: Simulation, near: Host, far: Host
) -> None:
    busy = Outcome(status=503, headers=(("Retry-After", "60"),))
    Running(far, answers(outcomes=(busy,)))
    load = Running(near, calls(), at_rate(10, count=5))
    simulation.run(until=lambda: load.ended)
    assert load.figures.responses == {503: 5}


def test_two_answering_loads_share_by_user(simulation: Simulation, near: Host, far: Host) -> None:
    first = Running(far, answers(users=("bob",)), name="loads/first")
    second = Running(far, answers(outcomes=(Outcome(status=404),)), name="loads/second")
    both = [
        Running(near, calls(f"sip:{user}@192.0.2.2"), at_rate(10, count=2), name=f"loads/{user}")
        for user in ("bob", "carol")
    ]
    simulation.run(until=lambda: all(load.ended for load in both))
    assert [load.figures.responses for load in both] == [{200: 2}, {404: 2}]
    assert [load.figures.started for load in (first, second)] == [2, 2]


def test_answers_for_a_time(simulation: Simulation, near: Host, far: Host) -> None:
    answering = Running(far, answers(duration=1.0))
    load = Running(near, calls(), at_rate(10, duration=0.95))
    simulation.run(until=lambda: answering.ended)
    assert answering.figures.elapsed == pytest.approx(1.0, abs=0.01)
    assert load.figures.succeeded == answering.figures.succeeded == 10


def test_requests_inside_a_call_are_answered_at_once(simulation: Simulation, far: Host) -> None:
    answer = commands.Answer(token=None, name="", policy=alone(commands.Policy()))
    Running(far, answers(answer=answer))
    caller = Peer(simulation, "192.0.2.3")
    caller.ask("INVITE", "192.0.2.2", body=SDP)
    simulation.run(0.1)
    caller.response(100)
    tag = caller.response(200).to.tag
    caller.ask("ACK", "192.0.2.2", to_tag=tag)
    caller.ask("MESSAGE", "192.0.2.2", to_tag=tag, cseq=2)
    simulation.run(0.1)
    # RFC 3428 section 7: nobody is there to read it.
    caller.response(480)
    # RFC 3264 section 8: an offer inside the call is answered from the present description.
    contact = (("Contact", "<sip:peer@192.0.2.3>"),)
    caller.ask("UPDATE", "192.0.2.2", to_tag=tag, cseq=3, body=SDP, fields=contact)
    simulation.run(0.1)
    assert caller.response(200).body


def test_a_challenge_is_answered_with_the_credentials_of_the_row(simulation: Simulation) -> None:
    near = simulation.host("192.0.2.1")
    users = tuple(
        User(realm="example.com", username=name, password=secret)
        for name, secret in (("alice", "a"), ("bert", "b"))
    )
    far = simulation.host("192.0.2.2", users=users)
    Running(far, answers())
    table = Table(("user", "secret"), (("alice", "a"), ("bert", "b"), ("eve", "c")))
    templates = Templates(table, "qz0x")
    sample = commands.Invite(
        token=None,
        from_address=Address.parse(templates.mark("<sip:{user}@example.com>")),
        to_address=Address.parse("<sip:bob@192.0.2.2>"),
        offer=SDP,
        credentials=(
            commands.Credentials(
                username=templates.mark("{user}"), password=templates.mark("{secret}")
            ),
        ),
        wait_for=commands.WaitFor.FINAL,
    )
    script = CallScript(make=templates.compile_command(sample))
    load = Running(near, script, at_rate(10, count=6), table=table)
    simulation.run(until=lambda: load.ended)
    # A challenge that is answered is no final response; Eve has no account.
    assert load.figures.responses == {200: 4, 401: 2}
    assert load.figures.failures == {"401": 2}
