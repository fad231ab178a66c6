"""What the scenarios have in common."""

from __future__ import annotations

from picosip_server.sip.message import Request
from picosip_server.sip.ua import commands, events
from picosip_server.sip.ua.commands import Body
from picosip_server.sip.ua.snapshots import CallSnapshot, Termination
from tests.engine.memory import ANSWER, SDP, Host, Simulation
from tests.sip.ua.peer import Peer

PEER = "sip:callee@10.0.0.2"
RELIABLE = [("Require", "100rel"), ("RSeq", "5")]
OTHER = Body(content_type="application/sdp", data=b"v=0\r\no=- 3 3 IN IP4 192.0.2.7\r\ns=-\r\n")


def ended(host: Host) -> Termination:
    """How the only call ended."""
    (event,) = host.of(events.CallEnded)
    return event.termination


def snapshot(host: Host) -> CallSnapshot:
    """The only call, as GetCall shows it."""
    return result(host, host.on_call(commands.GetCall, host.call()))


def result(host: Host, token: object) -> CallSnapshot:
    """The call that a command was completed with."""
    value = host.results[token]
    assert isinstance(value, CallSnapshot), value
    return value


def connect(net: Simulation, host: Host, peer: Peer, **fields: object) -> Request:
    """A call of the host that the peer answered under tag ``a``; gives its INVITE."""
    host.invite(PEER, **fields)
    net.run(0.1)
    invite = peer.request("INVITE")
    peer.reply(invite, 200, tag="a", body=ANSWER)
    net.run(0.1)
    peer.request("ACK")
    return invite


def called(
    net: Simulation,
    host: Host,
    peer: Peer,
    *,
    fields: tuple[tuple[str, str], ...] = (),
    body: Body | None = SDP,
) -> str:
    """A call of the peer that the host was told of; gives the branch of its INVITE."""
    branch = peer.ask("INVITE", host.address, fields=fields, body=body)
    net.run(0.1)
    peer.response(100)
    return branch


def accept(net: Simulation, host: Host, peer: Peer, **fields: object) -> str:
    """The host answers, the peer acknowledges; gives the host's tag."""
    host.answer(host.call(), **fields)
    net.run(0.1)
    tag = peer.response(200).to.tag
    peer.ask("ACK", host.address, to_tag=tag)
    net.run(0.1)
    return tag
