"""A publication of ours against a compositor that the test plays: RFC 3903 section 4."""

from __future__ import annotations

import pytest

from picosip_server.sip.address import Address
from picosip_server.sip.message import Request
from picosip_server.sip.ua.commands import Body, Credentials, Options
from picosip_server.sip.ua.outputs import FailureKind
from picosip_server.sip.ua.subscription import commands
from picosip_server.sip.ua.subscription.events import PublicationChanged, PublicationSnapshot
from picosip_server.sip.uri import Uri
from tests.engine.memory import Host, Simulation
from tests.sip.ua.peer import Peer

OPEN = Body(content_type="application/pidf+xml", data=b"<open/>")
CLOSED = Body(content_type="application/pidf+xml", data=b"<closed/>")


def publish(host: Host, **fields: object) -> object:
    """Publishes presence at the peer."""
    fields.setdefault("body", OPEN)
    return host.submit(
        lambda token: commands.Publish(
            token=token,
            from_address=Address.parse(f"<sip:me@{host.address}>"),
            uri=Uri.parse("sip:callee@10.0.0.2"),
            event="presence",
            **fields,  # type: ignore[arg-type]
        )
    )


def grant(peer: Peer, request: Request, etag: str, expires: int = 3600) -> None:
    """The compositor takes it."""
    peer.reply(request, 200, fields=[("SIP-ETag", etag), ("Expires", str(expires))])


def published(
    net: Simulation, host: Host, peer: Peer, *, granted: int = 3600, **fields: object
) -> tuple[str, Request]:
    """A publication with the tag ``e1``; gives its name, and its PUBLISH."""
    token = publish(host, **fields)
    net.run(0.1)
    request = peer.request("PUBLISH")
    grant(peer, request, "e1", granted)
    net.run(0.1)
    value = host.results[token]
    assert isinstance(value, PublicationSnapshot)
    return value.name, request


def next_publish(net: Simulation, peer: Peer) -> Request:
    """Waits for the next PUBLISH, and no longer: unanswered it would be repeated."""
    seen = len(peer.received)
    net.run(8000, until=lambda: len(peer.received) > seen)
    return peer.request("PUBLISH")


def order(host: Host, kind: type[commands.PublicationCommand], name: str, **more: object) -> object:
    """Submits a command on a publication."""
    return host.submit(lambda token: kind(token=token, name=name, **more))


def test_the_first_publish_has_a_body_and_no_tag(net: Simulation, host: Host, peer: Peer) -> None:
    name, request = published(net, host, peer, options=Options(headers=(("X-Trace", "1"),)))
    assert request.uri_text == "sip:callee@10.0.0.2"
    assert request.headers.get("Event") == "presence"
    assert request.headers.get("Expires") == "3600"
    assert request.headers.get("SIP-If-Match") is None
    assert request.headers.get("X-Trace") == "1"
    assert (request.body, request.content_type) == (OPEN.data, OPEN.content_type)
    assert name.startswith("publications/")
    assert host.core.stats().active_publications == 1


def test_a_refresh_has_the_last_tag_and_no_body(net: Simulation, host: Host, peer: Peer) -> None:
    """Table 1; each 2xx brings another tag."""
    published(net, host, peer, granted=600)
    began = net.now
    refresh = next_publish(net, peer)
    assert 0.79 * 600 <= net.now - began <= 0.91 * 600
    assert refresh.headers.get("SIP-If-Match") == "e1"
    assert refresh.headers.get("Expires") == "3600"
    assert refresh.body == b""
    grant(peer, refresh, "e2", 600)
    again = next_publish(net, peer)
    assert again.headers.get("SIP-If-Match") == "e2"
    grant(peer, again, "e3")


def test_a_modification_has_both(net: Simulation, host: Host, peer: Peer) -> None:
    name, _ = published(net, host, peer)
    token = order(host, commands.Republish, name, body=CLOSED, expires=900.0)
    net.run(0.1)
    request = peer.request("PUBLISH")
    assert request.headers.get("SIP-If-Match") == "e1"
    assert request.headers.get("Expires") == "900"
    assert request.body == CLOSED.data
    grant(peer, request, "e2", 900)
    net.run(0.1)
    value = host.results[token]
    assert isinstance(value, PublicationSnapshot)
    assert value.expire_time == pytest.approx(net.now + 900, abs=0.2)


def test_412_has_it_published_anew_with_the_last_body(
    net: Simulation, host: Host, peer: Peer
) -> None:
    """Section 4.4: without the tag that the compositor does not know."""
    name, _ = published(net, host, peer, granted=600)
    order(host, commands.Republish, name, body=CLOSED)
    net.run(0.1)
    grant(peer, peer.request("PUBLISH"), "e2", 600)
    refresh = next_publish(net, peer)
    peer.reply(refresh, 412)
    net.run(0.1)
    anew = peer.request("PUBLISH")
    assert anew.headers.get("SIP-If-Match") is None
    assert anew.body == CLOSED.data
    grant(peer, anew, "e3")


def test_423_lengthens_the_interval(net: Simulation, host: Host, peer: Peer) -> None:
    token = publish(host, expires=10.0)
    net.run(0.1)
    peer.reply(peer.request("PUBLISH"), 423, fields=[("Min-Expires", "60")])
    net.run(0.1)
    longer = peer.request("PUBLISH")
    assert longer.headers.get("Expires") == "60"
    peer.reply(longer, 423, fields=[("Min-Expires", "60")])
    net.run(0.1)
    assert host.failure(token).status == 423


@pytest.mark.parametrize("status", [403, 489, 503])
def test_a_first_publish_that_is_refused_leaves_nothing(
    net: Simulation, host: Host, peer: Peer, status: int
) -> None:
    token = publish(host)
    net.run(0.1)
    peer.reply(peer.request("PUBLISH"), status)
    net.run(0.1)
    assert host.failure(token).status == status
    assert host.core.stats().active_publications == 0
    assert host.events == []


def test_unpublish_sends_the_tag_and_expires_0(net: Simulation, host: Host, peer: Peer) -> None:
    name, _ = published(net, host, peer)
    token = order(host, commands.Unpublish, name)
    net.run(0.1)
    request = peer.request("PUBLISH")
    assert request.headers.get("SIP-If-Match") == "e1"
    assert request.headers.get("Expires") == "0"
    assert request.body == b""
    peer.reply(request, 200, fields=[("Expires", "0"), ("SIP-ETag", "e2")])
    net.run(0.1)
    assert host.results[token] is None
    assert host.failure(order(host, commands.Unpublish, name)).kind is FailureKind.NOT_FOUND


@pytest.mark.parametrize(("status", "fails"), [(412, False), (500, True)])
def test_unpublish_that_is_refused(
    net: Simulation, host: Host, peer: Peer, status: int, fails: bool
) -> None:
    """What the compositor does not know any more is gone; the resource is in any case."""
    name, _ = published(net, host, peer)
    token = order(host, commands.Unpublish, name)
    net.run(0.1)
    peer.reply(peer.request("PUBLISH"), status)
    net.run(0.1)
    assert (host.results[token] is not None) is fails
    assert host.core.stats().active_publications == 0


def test_one_publish_at_a_time(net: Simulation, host: Host, peer: Peer) -> None:
    """Section 4.1: none before the one before it has its final response."""
    name, _ = published(net, host, peer)
    order(host, commands.Republish, name, body=CLOSED)
    order(host, commands.Unpublish, name)
    net.run(0.1)
    first = peer.request("PUBLISH")
    assert peer.rest() == []
    grant(peer, first, "e2")
    net.run(0.1)
    second = peer.request("PUBLISH")
    assert second.headers.get("SIP-If-Match") == "e2"
    peer.reply(second, 200)


def test_a_modification_that_is_refused_leaves_what_is_published(
    net: Simulation, host: Host, peer: Peer
) -> None:
    name, _ = published(net, host, peer, granted=600)
    token = order(host, commands.Republish, name, body=CLOSED)
    net.run(0.1)
    peer.reply(peer.request("PUBLISH"), 415)
    net.run(0.1)
    assert host.failure(token).status == 415
    refresh = next_publish(net, peer)
    peer.reply(refresh, 412)
    net.run(0.1)
    anew = peer.request("PUBLISH")
    assert anew.body == OPEN.data
    grant(peer, anew, "e2")


def test_a_refresh_that_fails_is_told_and_tried_again(
    net: Simulation, host: Host, peer: Peer
) -> None:
    name, _ = published(net, host, peer, granted=600)
    peer.reply(next_publish(net, peer), 503)
    net.run(0.1)
    (lost,) = host.of(PublicationChanged)
    assert (lost.resource, lost.status, lost.ended) == (name, 503, False)
    grant(peer, next_publish(net, peer), "e2")
    net.run(0.1)
    back = host.of(PublicationChanged)[-1]
    assert (back.status, back.detail, back.ended) == (200, "", False)


def test_a_refresh_that_is_refused_for_good_ends_it(
    net: Simulation, host: Host, peer: Peer
) -> None:
    published(net, host, peer, granted=600)
    peer.reply(next_publish(net, peer), 403)
    net.run(0.1)
    (lost,) = host.of(PublicationChanged)
    assert (lost.status, lost.ended) == (403, True)
    assert host.core.stats().active_publications == 0


def test_publish_answers_digest_challenges(net: Simulation, host: Host, peer: Peer) -> None:
    publish(host, credentials=(Credentials(username="me", password="secret"),))
    net.run(0.1)
    challenge = 'Digest realm="x", nonce="n", algorithm=MD5, qop="auth"'
    peer.reply(peer.request("PUBLISH"), 401, fields=[("WWW-Authenticate", challenge)])
    net.run(0.1)
    second = peer.request("PUBLISH")
    assert 'username="me"' in (second.headers.get("Authorization") or "")
    assert second.body == OPEN.data
    grant(peer, second, "e1")


def test_a_server_that_stops_takes_its_state_back(net: Simulation, host: Host, peer: Peer) -> None:
    published(net, host, peer)
    ended: list[bool] = []
    host.core.end_all(lambda: ended.append(True), net.now)
    net.run(0.1)
    request = peer.request("PUBLISH")
    assert request.headers.get("Expires") == "0"
    peer.reply(request, 200)
    net.run(0.1)
    assert ended == [True]
