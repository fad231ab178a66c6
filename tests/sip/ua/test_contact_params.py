"""What the application adds to the Contact of its user agent: RFC 3840."""

from __future__ import annotations

from picosip_server.sip.address import Address
from picosip_server.sip.grammar import Params
from picosip_server.sip.ua import commands
from picosip_server.sip.ua.commands import ModifyMethod, Options
from picosip_server.sip.uri import Uri
from tests.engine.memory import Host, Simulation
from tests.sip.ua.peer import Peer
from tests.sip.ua.scene import called, connect

FEATURES = Options(contact_params=Params([("audio", None), ("methods", '"INVITE,BYE"')]))
TOLD = ';audio;methods="INVITE,BYE"'


def test_a_caller_tells_them_in_all_of_a_call(net: Simulation, host: Host, peer: Peer) -> None:
    invite = connect(net, host, peer, options=FEATURES)
    contact = f"<sip:caller@10.0.0.1:5060>{TOLD}"
    assert invite.headers.get_all("Contact") == [contact]
    host.on_call(commands.TransactInside, host.call(), method="OPTIONS")
    net.run(0.1)
    options = peer.request("OPTIONS")
    assert options.headers.get("Contact") == contact
    peer.reply(options, 200)
    # 12.2.1.1: what refreshes the target says them again.
    host.on_call(commands.Modify, host.call(), method=ModifyMethod.UPDATE)
    net.run(0.1)
    update = peer.request("UPDATE")
    assert update.headers.get("Contact") == contact
    peer.reply(update, 200)
    peer.within(invite, "UPDATE", cseq=9)
    net.run(0.1)
    assert peer.response(200).headers.get("Contact") == contact


def test_a_change_may_tell_others(net: Simulation, host: Host, peer: Peer) -> None:
    connect(net, host, peer, options=FEATURES)
    focus = Options(contact_params=Params([("isfocus", None)]))
    for options in (focus, Options()):
        host.on_call(commands.Modify, host.call(), method=ModifyMethod.UPDATE, options=options)
        net.run(0.1)
        update = peer.request("UPDATE")
        assert update.headers.get("Contact") == "<sip:caller@10.0.0.1:5060>;isfocus"
        peer.reply(update, 200)
        net.run(0.1)


def test_a_callee_tells_them_from_then_on(net: Simulation, host: Host, peer: Peer) -> None:
    called(net, host, peer)
    contact = "<sip:callee@10.0.0.1:5060>"
    host.on_call(commands.Progress, host.call())
    net.run(0.1)
    assert peer.response(180).headers.get("Contact") == contact
    host.on_call(commands.Progress, host.call(), options=FEATURES)
    net.run(0.1)
    assert peer.response(180).headers.get("Contact") == contact + TOLD
    host.answer(host.call())
    net.run(0.1)
    ok = peer.response(200)
    assert ok.headers.get("Contact") == contact + TOLD
    peer.ask("ACK", host.address, to_tag=ok.to.tag)
    net.run(0.1)


def test_a_registration_and_a_single_request_tell_them(
    net: Simulation, host: Host, peer: Peer
) -> None:
    aor = Address.parse("<sip:a@10.0.0.1>")
    host.submit(
        lambda token: commands.Register(
            token=token, registrar=Uri.parse("sip:10.0.0.2"), aor=aor, options=FEATURES
        )
    )
    net.run(0.1)
    register = peer.request("REGISTER")
    assert TOLD in (register.headers.get("Contact") or "")
    peer.reply(register, 403)
    uri = Uri.parse("sip:10.0.0.2")
    host.submit(lambda token: commands.Ping(token=token, uri=uri, options=FEATURES))
    net.run(0.1)
    options = peer.request("OPTIONS")
    assert options.headers.get("Contact") == f"<sip:ping@10.0.0.1:5060>{TOLD}"
    peer.reply(options, 200)
