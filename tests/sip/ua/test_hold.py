"""Hold and Resume: RFC 3264 section 8.4."""

from __future__ import annotations

import pytest

from picosip_server.sip.ua import commands, events
from picosip_server.sip.ua.commands import Body
from picosip_server.sip.ua.outputs import FailureKind
from tests.engine.memory import Host, Simulation
from tests.sip.ua.peer import Peer
from tests.sip.ua.scene import OTHER, PEER, accept, called, snapshot

LINES = "v=0\r\no=- 1 {} IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"


def audio(direction: str = "", version: int = 1) -> Body:
    text = LINES.format(version) + "m=audio 4000 RTP/AVP 0\r\n"
    if direction:
        text += f"a={direction}\r\n"
    return Body(content_type="application/sdp", data=text.encode())


@pytest.fixture
def call(net: Simulation, host: Host, peer: Peer) -> str:
    """A call that the host placed with raw audio, and that stands."""
    host.invite(PEER, offer=audio())
    net.run(0.1)
    peer.reply(peer.request("INVITE"), 200, tag="a", body=audio())
    net.run(0.1)
    peer.request("ACK")
    return host.call()


def test_hold_and_resume(net: Simulation, host: Host, peer: Peer, call: str) -> None:
    """Each a re-INVITE with the next version of the o= line; a raw description too."""
    token = host.on_call(commands.Hold, call)
    net.run(0.1)
    held = peer.request("INVITE")
    assert held.body == audio("sendonly", 2).data
    assert host.of(events.CallHeld) == []
    peer.reply(held, 200, tag="a", body=audio("recvonly"))
    net.run(0.1)
    peer.request("ACK")
    assert host.results[token] == snapshot(host)
    assert snapshot(host).local_hold and not snapshot(host).remote_hold
    again = host.on_call(commands.Hold, call)
    assert host.results[again] == snapshot(host)
    host.on_call(commands.Resume, call)
    net.run(0.1)
    resumed = peer.request("INVITE")
    assert resumed.body == audio("", 3).data
    peer.reply(resumed, 200, tag="a", body=audio())
    net.run(0.1)
    assert [(each.local_hold, each.remote_hold) for each in host.of(events.CallHeld)] == [
        (True, False),
        (False, False),
    ]


def test_a_refused_hold(net: Simulation, host: Host, peer: Peer, call: str) -> None:
    token = host.on_call(commands.Hold, call)
    net.run(0.1)
    peer.reply(peer.request("INVITE"), 488)
    net.run(0.1)
    assert host.failure(token).status == 488
    assert not snapshot(host).local_hold
    assert snapshot(host).local_description == audio()


def test_the_far_end_holds(net: Simulation, host: Host, peer: Peer) -> None:
    """Its sendonly or inactive, or an address of zeros, is a hold; sendrecv ends it."""
    called(net, host, peer, body=audio())
    tag = accept(net, host, peer, description=audio())
    nowhere = audio().data.replace(b"c=IN IP4 192.0.2.1", b"c=IN IP4 0.0.0.0")
    zeros = Body(content_type="application/sdp", data=nowhere)
    for cseq, offer in enumerate([audio("sendonly"), audio("inactive"), audio(), zeros], 2):
        peer.ask("UPDATE", host.address, to_tag=tag, cseq=cseq, body=offer)
        net.run(0.1)
        name = host.of(events.IncomingRequest)[-1].name
        host.submit(
            lambda token, name=name: commands.Respond(
                token=token, name=name, status=200, body=audio("recvonly")
            )
        )
        net.run(0.1)
        peer.response(200)
    assert [each.remote_hold for each in host.of(events.CallHeld)] == [True, False, True]
    assert not snapshot(host).local_hold


def test_an_offer_of_the_applications_own_holds(
    net: Simulation, host: Host, peer: Peer, call: str
) -> None:
    host.on_call(commands.Modify, call, offer=audio("inactive", 2))
    net.run(0.1)
    peer.reply(peer.request("INVITE"), 200, tag="a", body=audio("inactive"))
    net.run(0.1)
    assert (snapshot(host).local_hold, snapshot(host).remote_hold) == (True, True)


def test_what_cannot_be_held(net: Simulation, host: Host, peer: Peer) -> None:
    """A description that is none, and a call without one."""
    host.invite(PEER, offer=Body(content_type="application/sdp", data=b"nothing"))
    net.run(0.1)
    peer.reply(peer.request("INVITE"), 200, tag="a", body=OTHER)
    net.run(0.1)
    failure = host.failure(host.on_call(commands.Hold, host.call()))
    assert failure.kind is FailureKind.WRONG_STATE
    assert "cannot be read" in failure.detail


def test_a_description_goes_on_from_the_one_before(
    net: Simulation, host: Host, peer: Peer, call: str
) -> None:
    """RFC 3264 section 8: the o= line of one that the stack makes, with the next version."""
    video = LINES.format(77) + "m=audio 4000 RTP/AVP 0\r\nm=video 4002 RTP/AVP 31\r\n"
    offer = Body(content_type="application/sdp", data=video.encode(), continues=True)
    host.on_call(commands.Modify, call, offer=offer)
    net.run(0.1)
    assert peer.request("INVITE").body == video.replace(" 77 ", " 2 ").encode()
