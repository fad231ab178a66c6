"""Bodies of several parts, and of other types: RFC 3261 section 7.4, RFC 5621."""

from __future__ import annotations

from picosip_server.sip.ua import events
from picosip_server.sip.ua.commands import Body
from tests.engine.memory import ANSWER, SDP, Everybody, Host, Simulation
from tests.sip.ua.peer import Peer
from tests.sip.ua.scene import PEER, called, snapshot

ISUP = Body(content_type="application/isup;version=x", data=b"\x01\r\n", disposition="signal")
MIXED = Body(
    content_type='multipart/mixed; boundary="xyz"',
    data=b"--xyz\r\nContent-Type: text/plain\r\n\r\nhello\r\n"
    b"--xyz\r\nContent-Type: application/sdp\r\n\r\n" + SDP.data + b"\r\n--xyz--\r\n",
)
PLAIN = Body(
    content_type="multipart/mixed; boundary=xyz",
    data=b"--xyz\r\nContent-Type: text/plain\r\n\r\nhello\r\n--xyz--\r\n",
)


def offer_of(host: Host) -> Body | None:
    (received,) = host.of(events.CallReceived)
    return received.offer


def test_an_offer_with_extra_bodies_goes_as_multipart(
    net: Simulation, host: Host, peer: Peer
) -> None:
    """RFC 5621 section 3: both arrive, untouched, with their dispositions."""
    far = net.host("10.0.0.3")
    host.invite("sip:callee@10.0.0.3", extra_bodies=(ISUP,))
    host.invite(PEER, extra_bodies=(ISUP,))
    net.run(0.1)
    assert offer_of(far) == SDP
    invite = peer.request("INVITE")
    assert invite.content_type == "multipart/mixed"
    boundary = (invite.headers.get("Content-Type") or "").partition("boundary=")[2].encode()
    assert invite.body == b"\r\n".join(
        [
            b"--" + boundary,
            b"Content-Type: application/sdp",
            b"",
            SDP.data,
            b"--" + boundary,
            b"Content-Type: application/isup;version=x",
            b"Content-Disposition: signal",
            b"",
            ISUP.data,
            b"--" + boundary + b"--",
            b"",
        ]
    )


def test_one_body_that_is_no_offer(net: Simulation, host: Host, peer: Peer) -> None:
    """It goes as it is; there is no offer then."""
    host.invite(PEER, offer=None, extra_bodies=(ISUP,))
    net.run(0.1)
    invite = peer.request("INVITE")
    assert invite.headers.get("Content-Type") == "application/isup;version=x"
    assert invite.headers.get("Content-Disposition") == "signal"
    assert invite.body == ISUP.data
    peer.reply(invite, 200, tag="a", body=SDP)
    net.run(0.1)
    host.answer(host.call())
    net.run(0.1)
    assert peer.request("ACK").body == ANSWER.data


def test_the_offer_in_a_multipart_invite(net: Simulation, host: Host, peer: Peer) -> None:
    called(net, host, peer, body=MIXED)
    assert offer_of(host) == SDP


def test_the_answer_in_a_multipart_2xx(net: Simulation, host: Host, peer: Peer) -> None:
    host.invite(PEER)
    net.run(0.1)
    peer.reply(peer.request("INVITE"), 200, tag="a", body=MIXED)
    net.run(0.1)
    assert snapshot(host).remote_description == SDP


def test_a_2xx_with_another_body_has_no_description(
    net: Simulation, host: Host, peer: Peer
) -> None:
    for body in (ISUP, PLAIN):
        host.invite(PEER)
        net.run(0.1)
        peer.reply(peer.request("INVITE"), 200, tag="a", body=body)
        net.run(0.1)
        peer.request("ACK")
    answered = [event.description for event in host.of(events.CallAnswered)]
    assert answered == [None, None]


def test_a_body_that_is_not_understood_is_refused(net: Simulation, host: Host, peer: Peer) -> None:
    """8.2.3: 415 names what is."""
    for body in (ISUP, PLAIN):
        peer.ask("INVITE", host.address, body=body)
        net.run(0.1)
        assert peer.response(415).headers.get("Accept") == "application/sdp"
    assert host.events == []


def test_a_type_that_the_server_was_told_to_accept(net: Simulation, peer: Peer) -> None:
    host = net.host("10.0.0.4", accept=("application/isup",))
    called(net, host, peer, body=ISUP)
    assert offer_of(host) is None


def test_the_body_of_a_request_for_the_application(net: Simulation, peer: Peer) -> None:
    """8.2.3: as it came; none is none."""
    host = net.host("10.0.0.4")
    host.core.set_audience(Everybody(methods=("MESSAGE",)), net.now)
    peer.ask("MESSAGE", host.address, call_id="one@peer")
    peer.ask("MESSAGE", host.address, call_id="two@peer", body=ISUP)
    net.run(0.1)
    bodies = [event.body for event in host.of(events.IncomingRequest)]
    assert bodies == [None, Body(content_type=ISUP.content_type, data=ISUP.data)]
