"""Names are looked up at real name servers: records, faults, time to live, sharing."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from picosip_server.engine.transport.dns_cache import (
    FAILED_FOR,
    LONGEST,
    LONGEST_NO,
    MOST_ANSWERS,
    DnsCache,
)
from picosip_server.engine.transport.dns_client import SYSTEM_TTL, DnsClient
from picosip_server.engine.transport.hosts_file import HostsFile
from picosip_server.engine.transport.resolver import Resolver
from picosip_server.sip.hop import Target
from picosip_server.sip.locating import Candidate, Naptr, NoAnswer, Question, Records, Srv
from picosip_server.sip.message import Response
from picosip_server.sip.ua import commands
from picosip_server.sip.ua.commands import WaitFor
from picosip_server.sip.ua.outputs import FailureKind
from picosip_server.sip.uri import Uri
from tests.engine.loopback import PATIENCE, Agent, TcpHost, until
from tests.support.nameserver import SERVFAIL, SILENT, TRUNCATED, NameServer

V4 = {"UDP": frozenset({4}), "TCP": frozenset({4})}


class Clock:
    """Stands still unless it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Asker:
    """A resolver, and what it has found."""

    def __init__(self, server: NameServer, timeout: float = 5.0) -> None:
        self.clock = Clock()
        self.draws: list[int] = []
        self.outcomes: queue.Queue[tuple[Candidate, ...] | str] = queue.Queue()
        client = DnsClient([server.address], timeout)
        self.resolver = Resolver(client, V4, clock=self.clock, draw=self._draw)
        self.resolver.start()

    def _draw(self, most: int) -> int:
        self.draws.append(most)
        return most if len(self.draws) % 2 else 0

    def begin(self, host: str, port: int = 0, transport: str = "") -> None:
        target = Target(host=host, port=port, transport=transport)
        self.resolver.resolve(target, found=self.outcomes.put, lost=self.outcomes.put)

    def outcome(self) -> list[str] | str:
        found = self.outcomes.get(timeout=PATIENCE)
        if isinstance(found, str):
            return found
        return [f"{each.transport} {each.host} {each.port}" for each in found]

    def find(self, host: str, port: int = 0, transport: str = "") -> list[str] | str:
        self.begin(host, port, transport)
        return self.outcome()


@pytest.fixture
def server() -> Iterator[NameServer]:
    with NameServer() as running:
        yield running


@pytest.fixture
def asker(server: NameServer) -> Iterator[Asker]:
    one = Asker(server)
    yield one
    server.open.set()
    one.resolver.close()


def client(server: NameServer, timeout: float = 5.0) -> DnsClient:
    return DnsClient([server.address], timeout)


# What a name server says.


def test_records_are_read(server: NameServer) -> None:
    server.records = {
        "NAPTR a.test": ['10 20 "S" "SIP+D2U" "" _sip._udp.a.test.'],
        "SRV _sip._udp.a.test": ["1 2 5070 h.a.test.", "3 4 0 ."],
        "A h.a.test": ["192.0.2.1", "192.0.2.2"],
        "AAAA h.a.test": ["2001:db8:0::1"],
    }
    one = client(server)
    naptr = Naptr(
        order=10, preference=20, flags="S", service="SIP+D2U", replacement="_sip._udp.a.test"
    )
    assert one.ask(Question("a.test", "NAPTR")) == (Records(naptr=(naptr,)), 300)
    records, _ = one.ask(Question("_sip._udp.a.test", "SRV"))
    assert set(records.srv) == {
        Srv(priority=1, weight=2, port=5070, target="h.a.test"),
        Srv(priority=3, weight=4, port=0, target="."),
    }
    records, _ = one.ask(Question("h.a.test", "A"))
    assert set(records.addresses) == {"192.0.2.1", "192.0.2.2"}
    records, _ = one.ask(Question("h.a.test", "AAAA"))
    assert records.addresses == ("2001:db8::1",)


def test_a_no_holds_for_as_long_as_the_zone_says(server: NameServer) -> None:
    """RFC 2308 section 5; without an SOA record it is not kept."""
    server.records = {"A h.test": ["192.0.2.1"]}
    one = client(server)
    assert one.ask(Question("none.test", "A")) == (Records(), 60)
    assert one.ask(Question("h.test", "SRV")) == (Records(), 60)
    server.negative_ttl = None
    assert one.ask(Question("none.test", "A")) == (Records(), 0)
    assert one.ask(Question("h.test", "SRV")) == (Records(), 0)


def test_an_alias_leads_on(server: NameServer) -> None:
    server.records = {"CNAME a.test": ["b.test."], "A b.test": ["192.0.2.1"]}
    assert client(server).ask(Question("a.test", "A"))[0] == Records(addresses=("192.0.2.1",))


def test_what_is_too_long_for_a_datagram_comes_over_tcp(server: NameServer) -> None:
    server.records = {"A h.test": ["192.0.2.1"]}
    server.faults = {"h.test": TRUNCATED}
    assert client(server).ask(Question("h.test", "A"))[0] == Records(addresses=("192.0.2.1",))
    assert server.asked == ["A h.test UDP", "A h.test TCP"]


def test_another_name_server_is_asked_where_one_fails(server: NameServer) -> None:
    server.records = {"A h.test": ["192.0.2.1"]}
    for fault in (SERVFAIL, SILENT):
        with NameServer(faults={"h.test": fault}) as broken:
            one = DnsClient([broken.address, server.address], 2.0)
            assert one.ask(Question("h.test", "A"))[0] == Records(addresses=("192.0.2.1",))
            assert broken.asked == ["A h.test UDP"]


@pytest.mark.parametrize(
    ("fault", "reason"), [(SERVFAIL, "SERVFAIL"), (SILENT, "the name servers do not answer")]
)
def test_no_answer_is_neither_yes_nor_no(server: NameServer, fault: str, reason: str) -> None:
    server.faults = {"h.test": fault}
    with pytest.raises(NoAnswer, match=reason):
        client(server, 0.2).ask(Question("h.test", "A"))


def test_a_name_that_is_none_is_not_asked_for(server: NameServer) -> None:
    """RFC 1035 section 2.3.4."""
    with pytest.raises(NoAnswer):
        client(server).ask(Question("x" * 64 + ".test", "A"))
    assert server.asked == []


def test_plain_names_are_the_systems_affair(server: NameServer) -> None:
    one = client(server)
    assert one.ask(Question("localhost", "A")) == (Records(addresses=("127.0.0.1",)), SYSTEM_TTL)
    assert one.ask(Question("localhost", "SRV")) == (Records(), SYSTEM_TTL)
    assert server.asked == []


def test_the_hosts_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    hosts = HostsFile(path)
    assert "a.test" not in hosts
    path.write_text("# none\n127.0.0.1 localhost A.test # b.test\n\n")
    assert "a.test" in hosts and "localhost" in hosts
    assert "b.test" not in hosts and "127.0.0.1" not in hosts
    path.write_text("::1 other.test\n")
    assert "a.test" not in hosts and "OTHER.test" in hosts


# The cache.


def test_an_answer_is_kept_for_its_time_to_live() -> None:
    clock = Clock()
    cache = DnsCache(clock)
    yes, no, failed = (Question(name, "A") for name in ("yes", "no", "failed"))
    found = Records(addresses=("192.0.2.1",))
    cache.put(yes, found, 1e9)
    cache.put(no, Records(), 1e9)
    cache.put_failure(failed, "why")
    cache.put(Question("never", "A"), found, 0)
    assert cache.get(Question("never", "A")) is None
    clock.now += FAILED_FOR - 1
    assert cache.get(failed) == "why"
    clock.now += 1
    assert cache.get(failed) is None
    clock.now += LONGEST_NO - FAILED_FOR - 1
    assert cache.get(no) == Records()
    clock.now += 1
    assert cache.get(no) is None
    clock.now += LONGEST - LONGEST_NO - 1
    assert cache.get(yes) == found
    clock.now += 1
    assert cache.get(yes) is None


def test_the_cache_is_bounded() -> None:
    cache = DnsCache(Clock())
    for number in range(MOST_ANSWERS + 1):
        cache.put(Question(str(number), "A"), Records(), 60)
    assert cache.get(Question("0", "A")) is None
    assert cache.get(Question("1", "A")) == Records()
    assert cache.get(Question(str(MOST_ANSWERS), "A")) == Records()


# Whole targets.

DOMAIN = {
    "NAPTR a.test": ['1 1 "s" "SIP+D2T" "" t.test.', '2 1 "s" "SIP+D2U" "" u.test.'],
    "SRV t.test": ["0 1 5070 one.test.", "0 1 5071 two.test."],
    "A one.test": ["192.0.2.1"],
    "A two.test": ["192.0.2.2"],
}


def test_a_domain_leads_to_its_servers(server: NameServer, asker: Asker) -> None:
    server.records = dict(DOMAIN)
    both = {"TCP 192.0.2.1 5070", "TCP 192.0.2.2 5071"}
    assert set(asker.find("a.test")) == both
    assert asker.draws == [2, 1]
    assert sorted(server.asked) == [
        "A one.test UDP",
        "A two.test UDP",
        "NAPTR a.test UDP",
        "SRV t.test UDP",
    ]
    # Again, in other letters: nobody is asked, but lots are drawn anew.
    assert set(asker.find("A.TEST")) == both
    assert len(server.asked) == 4
    assert asker.draws == [2, 1, 2, 1]
    asker.clock.now += 299
    asker.find("a.test")
    assert len(server.asked) == 4
    asker.clock.now += 1
    asker.find("a.test")
    assert len(server.asked) == 8


def test_a_no_is_kept_as_well(server: NameServer, asker: Asker) -> None:
    reason = "the name 'none.test' does not resolve: it has no address of a family listened on"
    assert asker.find("none.test", 5060) == reason
    assert asker.find("none.test", 5060) == reason
    assert server.asked == ["A none.test UDP"]
    asker.clock.now += 60
    server.records = {"A none.test": ["192.0.2.1"]}
    assert asker.find("none.test", 5060) == ["UDP 192.0.2.1 5060"]


def test_a_failure_is_kept_for_a_moment_however_often_it_is_asked_for(
    server: NameServer, asker: Asker
) -> None:
    server.faults = {"h.test": SERVFAIL}
    assert "SERVFAIL" in asker.find("h.test", 5060)
    asker.clock.now += FAILED_FOR - 1
    assert "SERVFAIL" in asker.find("h.test", 5060)
    assert server.asked == ["A h.test UDP"]
    server.faults = {}
    server.records = {"A h.test": ["192.0.2.1"]}
    asker.clock.now += 1
    assert asker.find("h.test", 5060) == ["UDP 192.0.2.1 5060"]


def test_who_asks_at_the_same_time_shares_one_look_up(server: NameServer, asker: Asker) -> None:
    """But each draws lots for itself, or all would go to the same server."""
    server.records = dict(DOMAIN)
    server.open.clear()
    for _ in range(4):
        asker.begin("a.test")
    server.open.set()
    outcomes = [asker.outcome() for _ in range(4)]
    assert len(server.asked) == 4
    assert {len(each) for each in outcomes} == {2}
    assert asker.draws == [2, 1] * 4


def test_a_silent_name_server_holds_up_nobody_else(server: NameServer) -> None:
    """Neither the one who asks, nor the next name."""
    server.faults = {"slow.test": SILENT}
    server.records = {"A quick.test": ["192.0.2.1"]}
    asker = Asker(server, timeout=1.0)
    asker.begin("slow.test", 5060)
    assert asker.find("quick.test", 5060) == ["UDP 192.0.2.1 5060"]
    assert asker.outcome() == (
        "the name 'slow.test' does not resolve: the name servers do not answer"
    )
    asker.resolver.close()


def test_a_target_is_given_up_after_two_questions_without_answer(server: NameServer) -> None:
    server.faults = dict.fromkeys(("a.test", "_sip._udp.a.test", "_sip._tcp.a.test"), SILENT)
    asker = Asker(server, timeout=0.5)
    assert asker.find("a.test") == (
        "the name 'a.test' does not resolve: the name servers do not answer"
    )
    assert set(server.asked) == {"NAPTR a.test UDP", "SRV _sip._udp.a.test UDP"}
    asker.resolver.close()


def test_closing_does_not_wait_for_a_name_server(server: NameServer) -> None:
    server.records = {"A slow.test": ["192.0.2.1"]}
    server.open.clear()
    one = Asker(server, timeout=60.0)
    one.begin("slow.test", 5060)
    until(lambda: server.asked, "the name server is not asked")
    closing = threading.Thread(target=one.resolver.close)
    closing.start()
    closing.join(5.0)
    assert not closing.is_alive()
    assert one.outcomes.empty()
    # So that its thread does not outlive the test.
    server.open.set()
    assert one.outcome() == ["UDP 192.0.2.1 5060"]


# Through a whole engine.


def test_a_request_goes_to_the_next_server_after_a_refused_connection(server: NameServer) -> None:
    with socket.socket() as nobody, TcpHost() as far:
        # Bound, but nothing listens there.
        nobody.bind(("127.0.0.1", 0))
        dead = nobody.getsockname()[1]
        server.records = {
            "NAPTR far.test": ['1 1 "s" "SIP+D2T" "" _sip._tcp.far.test.'],
            "SRV _sip._tcp.far.test": [f"1 0 {dead} h.test.", f"2 0 {far.port} h.test."],
            "A h.test": ["127.0.0.1"],
        }
        with Agent(dns_servers=(server.address,)) as agent:
            token = agent.submit(commands.Ping, uri=Uri.parse("sip:x@far.test"))
            with far.accept() as peer:
                options = peer.expect("OPTIONS")
                assert str(options.uri) == "sip:x@far.test"
                assert options.via.transport == "TCP"
                peer.reply(options, 200)
            assert isinstance(agent.result(token), Response)


def test_a_transport_without_listener_fails_with_a_reason(server: NameServer) -> None:
    with Agent("udp", dns_servers=(server.address,)) as agent:
        for uri, reason in [
            ("sip:x@far.test;transport=tcp", "this server has no TCP listener: add one with --sip"),
            ("sips:x@far.test", "the name 'far.test' does not resolve"),
            ("sip:x@far.test", "the name 'far.test' does not resolve"),
        ]:
            failure = agent.failure(agent.invite(uri, wait_for=WaitFor.FINAL))
            assert failure.kind is FailureKind.TRANSPORT
            assert reason in failure.detail
