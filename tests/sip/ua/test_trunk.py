"""Pings of trunks: RFC 3261 section 11."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from picosip_server.sip.hop import Target
from picosip_server.sip.ua.context import Context
from picosip_server.sip.ua.trunk import Trunk
from picosip_server.sip.uri import Uri
from tests.engine.memory import Simulation
from tests.sip.agent import TCP, UDP, Driver, Numbered
from tests.sip.ua.peer import Peer


class Watch:
    """One trunk, pinged every 10 seconds, and what was told of it."""

    def __init__(self, uri: str = "sip:gw@10.0.0.2", interval: float = 10.0) -> None:
        self.told: list[tuple[float, bool, str]] = []
        trunk = Trunk(
            Context(identity=Numbered(), user_agent="pico"),
            Uri.parse(uri),
            interval=interval,
            call_id="one",
            changed=lambda uri, up, why: self.told.append((self.driver.now, up, why)),
        )
        self.trunk = trunk
        self.driver = Driver(trunk, hops={Target(host="10.0.0.2"): (UDP,)})
        self.driver.run(trunk.start(0.0))


def test_what_a_ping_is() -> None:
    """11.1; all of them are of one Call-ID, with a rising CSeq."""
    watch = Watch()
    driver = watch.driver
    first = driver.last("OPTIONS")
    assert first.start_line == "OPTIONS sip:gw@10.0.0.2 SIP/2.0"
    assert (first.call_id, first.cseq.number) == ("one", 1)
    assert first.headers.get("Contact") == "<sip:ping@10.0.0.1:5060>"
    assert first.headers.get("Accept") == "application/sdp"
    assert watch.trunk.up is None
    driver.answer(100)
    assert watch.trunk.up is None
    driver.answer(200)
    assert (watch.trunk.up, watch.told) == (True, [(0.0, True, "200 OK")])
    driver.until(9.9)
    assert driver.last("OPTIONS").cseq.number == 1
    driver.until(10.0)
    again = driver.last("OPTIONS")
    assert (again.call_id, again.cseq.number) == ("one", 2)
    assert again.from_.tag == first.from_.tag
    driver.answer(405)
    # Only a change is told.
    assert len(watch.told) == 1


@pytest.mark.parametrize("status", [200, 302, 401, 404, 405, 483, 500, 603])
def test_whoever_answers_is_up(status: int) -> None:
    watch = Watch()
    watch.driver.answer(status)
    assert watch.trunk.up is True


@pytest.mark.parametrize("status", [408, 503])
def test_two_failures_in_a_row_are_down(status: int) -> None:
    watch = Watch()
    driver = watch.driver
    answers = [200, status, 200, status, status, status, 200]
    for number, answer in enumerate(answers):
        driver.until(number * 10.0)
        driver.answer(answer)
    assert [(at, up) for at, up, _ in watch.told] == [(0.0, True), (40.0, False), (60.0, True)]
    assert watch.told[1][2].startswith(str(status))


@pytest.mark.parametrize(
    ("interval", "down"),
    [
        # Within the interval...
        (5.0, 10.0),
        # ... or within 64*T1.
        (40.0, 72.0),
    ],
)
def test_no_answer_in_time(interval: float, down: float) -> None:
    watch = Watch(interval=interval)
    watch.driver.until(100.0)
    ((at, up, why),) = watch.told
    assert (at, up) == (down, False)
    assert "within" in why
    # The one that nobody waits for any more says nothing.
    assert len(watch.driver.bound) == 1
    watch.driver.answer(200)
    assert watch.trunk.up is True


def test_a_trunk_that_cannot_be_reached() -> None:
    watch = Watch()
    watch.driver.broken |= {(hop.transport, hop.host) for hop in (UDP, TCP)}
    watch.driver.until(20.0)
    assert watch.told == [(10.0, False, "no route")]


def test_a_server_watches_its_trunks(net: Simulation) -> None:
    """Counted, logged, and in its figures."""
    peer = Peer(net, "10.0.0.2")
    host = net.host("10.0.0.1", trunk_interval=10.0, outbound_proxy="sip:10.0.0.9")
    uri = "sip:gw@10.0.0.2"
    with capture_logs() as lines:
        host.core.watch_trunk(uri, "trunk-1", net.now)
        assert host.core.stats().trunks == {}
        net.run(0.1)
        # The trunk itself is asked, not through a proxy.
        peer.reply(peer.request("OPTIONS"), 200)
        net.run(0.1)
        assert host.core.stats().trunks == {uri: True}
        net.run(40)
        assert host.core.stats().trunks == {uri: False}
    assert host.core.stats().counters["trunk_changes"] == 2
    assert [(line["event"], line["trunk"]) for line in lines] == [
        ("trunk up", uri),
        ("trunk down", uri),
    ]
    net.hosts.clear()
