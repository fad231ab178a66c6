"""REFER from us: RFC 3515, RFC 4488, RFC 5589."""

from __future__ import annotations

import pytest

from picosip_server.sip.address import Address
from picosip_server.sip.ua import commands, events
from picosip_server.sip.ua.commands import Body
from picosip_server.sip.ua.outputs import FailureKind
from tests.engine.memory import ANSWER, Host, Simulation
from tests.sip.ua.peer import Peer
from tests.sip.ua.scene import PEER, connect

TARGET = Address.parse("<sip:carol@10.0.0.3>")


def notify(
    peer: Peer,
    invite: object,
    text: str,
    *,
    cseq: int = 1,
    event: str = "refer",
    state: str = "active;expires=60",
    kind: str = "message/sipfrag",
) -> None:
    peer.ask(
        "NOTIFY",
        "10.0.0.1",
        call_id=invite.call_id,  # type: ignore[attr-defined]
        cseq=cseq,
        tag="a",
        to_tag=invite.from_.tag,  # type: ignore[attr-defined]
        fields=[("Event", event), ("Subscription-State", state)],
        body=Body(content_type=kind, data=text.encode()),
    )


def told(host: Host) -> list[tuple[int, str, bool]]:
    return [(each.status, each.reason, each.done) for each in host.of(events.TransferProgressed)]


def test_a_blind_transfer(net: Simulation, host: Host, peer: Peer) -> None:
    """RFC 3515 section 2.4.5: the NOTIFYs tell how it goes; the last one says so."""
    invite = connect(net, host, peer)
    by = Address.parse("<sip:boss@10.0.0.1>")
    token = host.on_call(commands.Transfer, host.call(), refer_to=TARGET, referred_by=by)
    net.run(0.1)
    refer = peer.request("REFER")
    assert refer.headers.get("Refer-To") == "<sip:carol@10.0.0.3>"
    assert refer.headers.get("Referred-By") == "<sip:boss@10.0.0.1>"
    assert refer.headers.get("Contact") == "<sip:caller@10.0.0.1:5060>"
    peer.reply(refer, 202, tag="a")
    notify(peer, invite, "SIP/2.0 100 Trying\r\n")
    net.run(0.1)
    assert host.results[token] == f"{host.call()}/transfers/1"
    notify(peer, invite, "SIP/2.0 180 Ringing\r\nTo: x\r\n", cseq=2, event="Refer;id=2")
    last = "terminated;reason=noresource"
    notify(peer, invite, "SIP/2.0 200 OK", cseq=3, state=last)
    net.run(0.1)
    assert peer.rest() == ["200 NOTIFY 1", "200 NOTIFY 2", "200 NOTIFY 3"]
    assert told(host) == [(100, "Trying", False), (180, "Ringing", False), (200, "OK", True)]
    notify(peer, invite, "SIP/2.0 200 OK", cseq=4, state=last)
    net.run(0.1)
    assert peer.rest() == ["481 NOTIFY 4"]


def test_a_notify_before_the_202(net: Simulation, host: Host, peer: Peer) -> None:
    """RFC 6665 section 4.1.2.4."""
    invite = connect(net, host, peer)
    token = host.on_call(commands.Transfer, host.call(), refer_to=TARGET)
    net.run(0.1)
    refer = peer.request("REFER")
    notify(peer, invite, "SIP/2.0 200 OK", state="terminated")
    net.run(0.1)
    peer.response(200)
    peer.reply(refer, 202, tag="a")
    net.run(0.1)
    assert host.results[token] == f"{host.call()}/transfers/1"
    assert told(host) == [(200, "OK", True)]


@pytest.mark.parametrize("status", [603, 405, 481])
def test_a_refused_transfer(net: Simulation, host: Host, peer: Peer, status: int) -> None:
    connect(net, host, peer)
    token = host.on_call(commands.Transfer, host.call(), refer_to=TARGET)
    net.run(0.1)
    peer.reply(peer.request("REFER"), status)
    net.run(0.1)
    assert host.failure(token).status == status
    assert told(host) == []
    if status == 481:
        peer.reply(peer.request("BYE"), 200)


def test_without_progress(net: Simulation, host: Host, peer: Peer) -> None:
    """RFC 4488."""
    connect(net, host, peer)
    host.on_call(commands.Transfer, host.call(), refer_to=TARGET, without_progress=True)
    net.run(0.1)
    refer = peer.request("REFER")
    assert refer.headers.get("Refer-Sub") == "false"
    assert refer.supported == ["norefersub"]
    peer.reply(refer, 202, tag="a", fields=[("Refer-Sub", "false")])
    net.run(0.1)
    assert told(host) == [(202, "Accepted", True)]


@pytest.mark.parametrize(("first", "after"), [(None, 32.0), ("active;expires=60", 60.0)])
def test_a_far_end_that_falls_silent(
    net: Simulation, host: Host, peer: Peer, first: str | None, after: float
) -> None:
    """Timer N, and the time that a NOTIFY promised."""
    invite = connect(net, host, peer)
    host.on_call(commands.Transfer, host.call(), refer_to=TARGET)
    net.run(0.1)
    peer.reply(peer.request("REFER"), 202, tag="a")
    if first is not None:
        notify(peer, invite, "SIP/2.0 100 Trying", state=first)
    net.run(0.1)
    before = len(told(host))
    net.run(after - 0.2)
    assert len(told(host)) == before
    net.run(0.3)
    assert told(host)[-1] == (408, "", True)


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"text": "hello"}, 400),
        ({"text": "SIP/2.0 200 OK", "kind": "text/plain"}, 415),
        ({"text": "SIP/2.0 200 OK", "event": "refer;id=99"}, 481),
        ({"text": "SIP/2.0 200 OK", "event": "presence"}, 481),
        ({"text": "SIP/2.0 200 OK", "state": ""}, 400),
    ],
)
def test_notifys_that_tell_nothing(
    net: Simulation, host: Host, peer: Peer, fields: dict[str, str], status: int
) -> None:
    invite = connect(net, host, peer)
    host.on_call(commands.Transfer, host.call(), refer_to=TARGET)
    net.run(0.1)
    peer.reply(peer.request("REFER"), 202, tag="a")
    notify(peer, invite, **fields)
    net.run(0.1)
    peer.response(status)
    assert told(host) == []


def test_an_attended_transfer(net: Simulation, host: Host, peer: Peer) -> None:
    """RFC 5589 section 7: the other call's far end, and its dialog as that one sees it."""
    connect(net, host, peer)
    first = host.call()
    carol = Peer(net, "10.0.0.3")
    token = host.invite("sip:carol@10.0.0.3")
    net.run(0.1)
    other = carol.request("INVITE")
    carol.reply(other, 200, tag="c", body=ANSWER)
    net.run(0.1)
    carol.request("ACK")
    call = host.results[token]
    host.on_call(commands.TransferToCall, first, other=call.name)  # type: ignore[attr-defined]
    net.run(0.1)
    refer = peer.request("REFER")
    value = f"{other.call_id}%3Bto-tag%3Dc%3Bfrom-tag%3D{other.from_.tag}"
    assert refer.headers.get("Refer-To") == f"<sip:c@10.0.0.3?Replaces={value}>"
    peer.reply(refer, 603)
    carol.on_request = lambda request: carol.reply(request, 200)
    net.run(0.1)


def test_what_cannot_be_transferred(net: Simulation, host: Host, peer: Peer) -> None:
    host.invite(PEER)
    net.run(0.1)
    name = host.call()
    early = host.on_call(commands.Transfer, name, refer_to=TARGET)
    assert host.failure(early).kind is FailureKind.WRONG_STATE
    missing = host.on_call(commands.TransferToCall, name, other="calls/none")
    assert host.failure(missing).kind is FailureKind.NOT_FOUND


def test_the_call_ends_before(net: Simulation, host: Host, peer: Peer) -> None:
    """Whoever follows the transfer hears that it hears no more."""
    connect(net, host, peer)
    host.on_call(commands.Transfer, host.call(), refer_to=TARGET)
    net.run(0.1)
    peer.reply(peer.request("REFER"), 202, tag="a")
    net.run(0.1)
    host.hangup(host.call())
    net.run(0.1)
    peer.reply(peer.request("BYE"), 200)
    net.run(0.1)
    assert told(host) == [(487, "", True)]
