"""Where the requests of a call go: RFC 3261 sections 8.1.1.1, 8.1.2 and 12.2.1.1."""

from __future__ import annotations

import pytest

from picosip_server.sip.address import Address
from picosip_server.sip.ua.commands import NextHop, Options
from picosip_server.sip.ua.outputs import FailureKind
from picosip_server.sip.ua.snapshots import OfferAnswerState
from tests.engine.memory import ANSWER, Host, Simulation
from tests.sip.ua.peer import Peer
from tests.sip.ua.scene import PEER, snapshot


def test_a_2xx_without_contact_leaves_the_request_uri_as_target(
    net: Simulation, host: Host, peer: Peer
) -> None:
    """12.1.1 asks for a Contact; without it the call can still be acknowledged and ended."""
    host.invite(PEER)
    net.run(0.1)
    peer.reply(peer.request("INVITE"), 200, tag="a", contact=False)
    net.run(0.1)
    assert peer.request("ACK").uri_text == PEER
    # No answer came at all: the offer stays open.
    assert snapshot(host).offer_answer_state is OfferAnswerState.LOCAL_OFFER
    host.hangup(host.call())
    net.run(0.1)
    assert peer.request("BYE").uri_text == PEER


def test_a_strict_router_in_the_route_set(net: Simulation, host: Host, peer: Peer) -> None:
    """12.2.1.1, 16.12.1.2: it wants itself in the Request-URI and the target last."""
    proxy = Peer(net, "10.0.0.3")
    host.invite(PEER)
    net.run(0.1)
    routes = [("Record-Route", "<sip:10.0.0.4;lr>"), ("Record-Route", "<sip:10.0.0.3>")]
    peer.reply(peer.request("INVITE"), 200, tag="a", fields=routes, body=ANSWER)
    net.run(0.1)
    ack = proxy.request("ACK")
    assert ack.uri_text == "sip:10.0.0.3"
    assert ack.headers.get_all("Route") == ["<sip:10.0.0.4;lr>", "<sip:a@10.0.0.2>"]
    (dialog,) = snapshot(host).dialogs
    assert dialog.route_set == ("<sip:10.0.0.3>", "<sip:10.0.0.4;lr>")
    assert dialog.remote_target == "sip:a@10.0.0.2"


def test_the_2xx_sets_the_route_set_anew(net: Simulation, host: Host, peer: Peer) -> None:
    """12.1.2, 13.2.2.4."""
    host.invite(PEER)
    net.run(0.1)
    invite = peer.request("INVITE")
    peer.reply(invite, 180, tag="a", fields=[("Record-Route", "<sip:10.0.0.9;lr>")])
    net.run(0.1)
    new = [("Contact", "<sip:new@10.0.0.2>")]
    peer.reply(invite, 200, tag="a", fields=new, contact=False, body=ANSWER)
    net.run(0.1)
    ack = peer.request("ACK")
    assert ack.uri_text == "sip:new@10.0.0.2"
    assert not ack.headers.has("Route")


def test_preloaded_routes_headers_and_next_hop(net: Simulation, host: Host) -> None:
    """8.1.1.1, 8.1.2; the next hop is for the one request, not for the dialog."""
    edge, proxy = Peer(net, "10.0.0.3"), Peer(net, "10.0.0.4")
    host.invite(
        PEER,
        options=Options(
            headers=(("Subject", "hello"), ("X-Id", "7")),
            routes=("<sip:10.0.0.4;lr>", "sip:10.0.0.5;lr"),
            next_hop=NextHop(host="10.0.0.3"),
        ),
        request_uri=Address.parse("<sip:else@10.0.0.9>").uri,
        from_address=Address.parse('"A B" <sip:ab@10.0.0.1>'),
    )
    net.run(0.1)
    invite = edge.request("INVITE")
    assert invite.uri_text == "sip:else@10.0.0.9"
    assert invite.headers.get_all("Route") == ["<sip:10.0.0.4;lr>", "sip:10.0.0.5;lr"]
    assert (invite.headers.get("Subject"), invite.headers.get("X-Id")) == ("hello", "7")
    assert invite.from_.display_name == "A B"
    assert str(invite.to) == f"<{PEER}>"
    route = [("Record-Route", "<sip:10.0.0.4;lr>")]
    edge.reply(invite, 200, tag="a", fields=route, body=ANSWER)
    net.run(0.1)
    assert proxy.request("ACK").headers.get_all("Route") == ["<sip:10.0.0.4;lr>"]
    assert edge.rest() == []


def test_a_route_that_cannot_be_read_fails_the_invite(net: Simulation, host: Host) -> None:
    token = host.invite(PEER, options=Options(routes=("<sip:",)))
    net.run()
    assert host.failure(token).kind is FailureKind.INVALID
    assert host.kinds() == []


@pytest.mark.parametrize(
    "options, through",
    [
        (Options(), "10.0.0.3"),
        (Options(routes=("<sip:10.0.0.4;lr>",)), "10.0.0.4"),
        (Options(next_hop=NextHop(host="10.0.0.5")), "10.0.0.5"),
    ],
)
def test_an_outbound_proxy_is_the_route_where_no_other_is_named(
    net: Simulation, options: Options, through: str
) -> None:
    """8.1.2: a preloaded route, loose."""
    peers = {address: Peer(net, address) for address in ("10.0.0.3", "10.0.0.4", "10.0.0.5")}
    host = net.host("10.0.0.1", outbound_proxy="sip:10.0.0.3")
    host.invite(PEER, options=options)
    net.run(0.1)
    invite = peers[through].request("INVITE")
    routes = [] if options.next_hop else [f"<sip:{through};lr>"]
    assert invite.headers.get_all("Route") == routes
    assert invite.uri_text == PEER
    peers[through].reply(invite, 486, tag="a")
