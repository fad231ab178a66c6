"""SIP over TLS: RFC 3261 section 26.2, RFC 5922."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

import pytest
import structlog

from picosip_server.engine.transport.stream import StreamLimits
from picosip_server.engine.transport.tls import identities, is_of
from picosip_server.sip.message import Request
from picosip_server.sip.ua import events
from picosip_server.sip.ua.commands import WaitFor
from picosip_server.sip.ua.outputs import FailureKind
from tests.engine.certificates import Authority
from tests.engine.loopback import PATIENCE, Agent, TcpPeer, until


class TlsPeer(TcpPeer):
    """A bare SIP peer over TLS."""

    transport = "TLS"


def connect(agent: Agent, context: ssl.SSLContext, name: str = "127.0.0.1") -> TlsPeer:
    plain = socket.create_connection(agent.address("TLS"), PATIENCE)
    return TlsPeer(context.wrap_socket(plain, server_hostname=name))


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def answering(agent: Agent, event: events.Event) -> None:
    if isinstance(event, events.CallReceived):
        agent.answer(event.resource)


@pytest.mark.parametrize("scheme", ["sip", "sips"])
def test_a_call_over_tls(authority: Authority, scheme: str) -> None:
    with (
        Agent("tls", tls=authority.files(), on_event=answering) as callee,
        Agent("tls", tls=authority.files()) as caller,
    ):
        callee.engine.set_tracing(True)
        uri = callee.uri("TLS").replace("sip:", f"{scheme}:", 1)
        if scheme == "sips":
            uri = uri.replace(";transport=tls", "")
        caller.result(caller.invite(uri, wait_for=WaitFor.FINAL))
        caller.wait(events.CallConfirmed)
        callee.wait(events.CallConfirmed)
        callee.hangup(callee.wait(events.CallReceived).resource)
        caller.wait(events.CallEnded)
        traced = callee.wait_traced(6)
        invite = traced[0].message
        assert isinstance(invite, Request)
        assert traced[0].transport == "TLS"
        assert invite.via.transport == "TLS"
        port = caller.address("TLS")[1]
        # RFC 3261 section 8.1.1.8: sips for sips.
        suffix = "" if scheme == "sips" else ";transport=tls"
        assert invite.headers.get("Contact") == f"<{scheme}:caller@127.0.0.1:{port}{suffix}>"


def test_a_peer_over_tls(authority: Authority) -> None:
    with (
        Agent("tls", tls=authority.files()) as agent,
        connect(agent, authority.client()) as peer,
    ):
        peer.ping()
        peer.send(b"\r\n\r\n")
        assert peer.socket.recv(100) == b"\r\n"
        data = peer.request("OPTIONS")
        peer.send(data[:20])
        peer.send(data[20:])
        peer.response(200)


def test_a_large_message_in_many_records(authority: Authority) -> None:
    with (
        Agent("tls", tls=authority.files()) as agent,
        connect(agent, authority.client()) as peer,
    ):
        many = [peer.request("OPTIONS", "X: " + "y" * 20_000) for _ in range(40)]
        peer.send(b"".join(many))
        for _ in many:
            peer.response(200)


@pytest.mark.parametrize("names", [("example.com",), ("*.0.0.1", "localhost")])
def test_a_certificate_of_somebody_else(authority: Authority, names: tuple[str, ...]) -> None:
    """RFC 5922 section 7: the one sought must be named; nothing was sent."""
    with (
        Agent("tls", tls=authority.files(*names)) as callee,
        Agent("tls", tls=authority.files()) as caller,
    ):
        failure = caller.failure(caller.invite(callee.uri("TLS"), wait_for=WaitFor.FINAL))
        assert failure.kind is FailureKind.TRANSPORT
        assert "is not of '127.0.0.1'" in failure.detail
        assert callee.events == []


def test_an_authority_that_is_not_trusted(authority: Authority, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other")
    with (
        Agent("tls", tls=other.files()) as callee,
        Agent("tls", tls=authority.files()) as caller,
    ):
        failure = caller.failure(caller.invite(callee.uri("TLS"), wait_for=WaitFor.FINAL))
        assert "certificate" in failure.detail
        assert callee.events == []


def test_clients_must_show_a_certificate_where_it_is_asked_for(authority: Authority) -> None:
    """Mutual TLS: those of a server's own are shown; a peer without one gets nowhere."""
    files = authority.files(verify_client=True)
    with (
        Agent("tls", tls=files, on_event=answering) as callee,
        Agent("tls", tls=authority.files()) as caller,
    ):
        caller.result(caller.invite(callee.uri("TLS"), wait_for=WaitFor.FINAL))
        with connect(callee, authority.client()) as stranger, pytest.raises(ssl.SSLError):
            stranger.send(stranger.request("OPTIONS"))
            stranger.receive()


@pytest.mark.parametrize("junk", [b"OPTIONS sip:x SIP/2.0\r\n\r\n", b"\x00" * 100, b"\x16\x03\x01"])
def test_what_is_no_handshake(authority: Authority, junk: bytes) -> None:
    """It ends, soon or when its time is over; others are not disturbed."""
    limits = StreamLimits(connect=0.5)
    with (
        Agent("tls", tls=authority.files(), limits=limits) as agent,
        socket.create_connection(agent.address("TLS"), PATIENCE) as stranger,
        connect(agent, authority.client()) as peer,
    ):
        stranger.sendall(junk)
        peer.ping()
        while stranger.recv(1000):
            # An alert may come first.
            pass
        peer.ping()


def test_a_server_that_never_shakes_hands(authority: Authority) -> None:
    limits = StreamLimits(connect=0.3)
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        Agent("tls", tls=authority.files(), limits=limits) as caller,
    ):
        to = f"sip:x@127.0.0.1:{silent.getsockname()[1]};transport=tls"
        failure = caller.failure(caller.invite(to, wait_for=WaitFor.FINAL))
        assert "timed out" in failure.detail


def test_renewed_certificates(authority: Authority) -> None:
    """New connections get the new one, those that stand stay; a bad one changes nothing."""
    files = authority.files()
    cert, key = Path(files.cert), Path(files.key)

    def refused() -> bool:
        return any(each["event"] == "sip certificates cannot be read again" for each in logs)

    with (
        structlog.testing.capture_logs() as logs,
        Agent("tls", tls=files) as agent,
        connect(agent, authority.client()) as old,
    ):
        before = serial(old)
        authority.write(cert, key)
        until(lambda: fresh(agent, authority) != before, "the new certificate is not shown")
        now = fresh(agent, authority)
        old.ping()
        # The certificate and its key, written one after the other, may have been refused too.
        logs.clear()
        cert.write_text("no certificate")
        until(refused, "the bad certificate was not tried")
        assert fresh(agent, authority) == now
        old.ping()
        authority.write(cert, key)
        until(lambda: fresh(agent, authority) != now, "the next good one is not shown")


def serial(peer: TlsPeer) -> str:
    assert isinstance(peer.socket, ssl.SSLSocket)
    certificate = peer.socket.getpeercert()
    assert certificate
    return str(certificate["serialNumber"])


def fresh(agent: Agent, authority: Authority) -> str:
    with connect(agent, authority.client()) as peer:
        peer.ping()
        return serial(peer)


def test_a_listener_without_certificate() -> None:
    with pytest.raises(OSError, match="need a certificate"), Agent("tls"):
        pass


@pytest.mark.parametrize(
    ("names", "domain", "fits"),
    [
        ([("DNS", "example.com")], "example.com", True),
        ([("DNS", "Example.COM.")], "example.com", True),
        ([("DNS", "*.example.com")], "a.example.com", False),
        ([("DNS", "a.example.com")], "example.com", False),
        ([("URI", "sip:example.com"), ("DNS", "host.example.net")], "example.com", True),
        ([("URI", "sip:example.com"), ("DNS", "host.example.net")], "host.example.net", False),
        ([("URI", "sip:alice@example.com"), ("DNS", "b.net")], "example.com", False),
        ([("URI", "https://example.com"), ("DNS", "b.net")], "b.net", True),
        ([("IP Address", "192.0.2.1")], "192.0.2.1", True),
        ([("IP Address", "2001:DB8:0:0:0:0:0:1")], "2001:db8::1", True),
        ([("DNS", "192.0.2.1")], "192.0.2.2", False),
        ([], "common.example", True),
        ([("DNS", "x.example")], "common.example", False),
    ],
)
def test_whom_a_certificate_is_of(names: list[tuple[str, str]], domain: str, fits: bool) -> None:
    """RFC 5922 sections 7.1 and 7.2."""
    certificate = {
        "subjectAltName": tuple(names),
        "subject": ((("commonName", "common.example"),),),
    }
    assert is_of(certificate, domain) is fits


def test_a_certificate_of_nobody() -> None:
    assert identities({}) == []
    assert not is_of({}, "example.com")


def test_an_address_is_reached_over_the_connection_of_its_domain(authority: Authority) -> None:
    """The ACK goes to the Contact, an address that the certificate does not name (RFC 5923)."""
    with (
        Agent("tls", tls=authority.files("localhost"), on_event=answering) as callee,
        Agent("tls", tls=authority.files("localhost")) as caller,
    ):
        uri = callee.uri("TLS").replace("127.0.0.1", "localhost")
        caller.result(caller.invite(uri, wait_for=WaitFor.FINAL))
        callee.wait(events.CallConfirmed)
        caller.hangup(caller.snapshot().calls[0].name)
        callee.wait(events.CallEnded)


def test_a_phone_is_reached_over_the_connection_that_it_made(authority: Authority) -> None:
    with (
        Agent("tls", tls=authority.files(), on_event=answering) as agent,
        connect(agent, authority.client()) as peer,
    ):
        peer.send(peer.request("INVITE", call_id="phone", branch="phone"))
        to_tag = peer.response(200).to.tag
        peer.send(peer.request("ACK", call_id="phone", to_tag=to_tag))
        agent.hangup(agent.wait(events.CallConfirmed).resource)
        peer.reply(peer.expect("BYE"), 200)
        agent.wait(events.CallEnded)


def test_a_call_outlives_the_certificate(authority: Authority) -> None:
    files = authority.files()
    with (
        Agent("tls", tls=files, on_event=answering) as callee,
        Agent("tls", tls=authority.files()) as caller,
    ):
        caller.result(caller.invite(callee.uri("TLS"), wait_for=WaitFor.FINAL))
        callee.wait(events.CallConfirmed)
        before = fresh(callee, authority)
        authority.write(Path(files.cert), Path(files.key))
        callee.engine.read_certificates()
        until(lambda: fresh(callee, authority) != before, "the new certificate is not shown")
        caller.hangup(caller.snapshot().calls[0].name)
        callee.wait(events.CallEnded)
