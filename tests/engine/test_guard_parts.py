"""The parts of the guard, each by itself: lists, buckets, scanners, a first look."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network

import pytest
import structlog

from picosip_server.engine.arrivals import Arrivals
from picosip_server.engine.guard.config import GuardConfig
from picosip_server.engine.guard.guard import Guard, Screening
from picosip_server.engine.guard.peek import begins_something, invites_as
from picosip_server.engine.guard.rate import TokenBucket
from picosip_server.engine.guard.scanners import GARBAGE_WINDOW, Agents, Garbage
from picosip_server.engine.guard.sources import Sources, Standing, Table
from picosip_server.engine.network import Source

FAR = "192.0.2.7"


def networks(*texts: str) -> tuple[object, ...]:
    return tuple(ip_network(text) for text in texts)


def guard(**settings: object) -> Guard:
    return Guard(GuardConfig(**settings))  # type: ignore[arg-type]


# Lists.


@pytest.mark.parametrize(
    ("host", "standing"),
    [
        ("192.0.2.1", Standing(True, False, "192.0.2.1")),
        ("192.0.2.9", Standing(False, False, "192.0.2.9")),
        ("198.51.100.1", Standing(False, False, "198.51.100.1")),
        ("192.0.2.200", Standing(True, True, "192.0.2.200")),
        ("127.0.0.1", Standing(True, True, "127.0.0.1")),
        ("127.9.9.9", Standing(False, True, "127.9.9.9")),
        ("::1", Standing(False, True, "::/64")),
        ("2001:db8:1:2:3::4", Standing(True, False, "2001:db8:1:2::/64")),
        ("2001:db8:1:2:ffff::1", Standing(True, False, "2001:db8:1:2::/64")),
        ("fe80::1%eth0", Standing(False, False, "fe80::/64")),
        ("::ffff:192.0.2.9", Standing(False, False, "192.0.2.9")),
    ],
)
def test_what_the_configuration_says_of_an_address(host: str, standing: Standing) -> None:
    """Deny wins; loopback is exempt from limits, not from the lists; IPv6 counts by /64."""
    config = GuardConfig(
        allow=networks("192.0.2.0/24", "127.0.0.1", "2001:db8::/32"),  # type: ignore[arg-type]
        deny=networks("192.0.2.8/31"),  # type: ignore[arg-type]
        trust=networks("192.0.2.200"),  # type: ignore[arg-type]
    )
    assert Sources(config).standing(host) == standing


def test_loopback_is_like_others_only_where_the_configuration_says_so() -> None:
    for host in ("127.0.0.1", "127.1.2.3", "::1"):
        assert Sources(GuardConfig()).standing(host).exempt
        assert not Sources(GuardConfig(loopback=True)).standing(host).exempt


def test_the_table_forgets_who_was_not_heard_of_for_longest() -> None:
    table: Table[list[int]] = Table(list, most=2)
    table.of("a").append(1)
    table.of("b")
    assert table.of("a") == [1]
    table.of("c")
    assert (len(table), table.known("b"), table.known("a")) == (2, None, [1])
    table.drop("a")
    table.drop("a")
    assert (table.known("a"), len(table)) == (None, 1)


# Rates.


def test_a_bucket_gives_its_burst_and_then_its_rate() -> None:
    bucket = TokenBucket(2.0, 3)
    assert [bucket.take(10.0) for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]
    # One that was refused costs nothing.
    assert bucket.wait(10.25) == 0.25
    assert bucket.take(10.5) == 0.0
    assert bucket.take(10.5) == 0.5
    # It does not hold more than its burst, and time that runs backwards gives nothing.
    assert [bucket.take(1000.0) for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]
    assert bucket.take(900.0) == 0.5
    assert bucket.take(1000.5) == 0.0


def test_requests_and_calls_have_rates_of_their_own() -> None:
    own = guard(rate=2.0, burst=3, call_rate=1.0, call_burst=2)
    assert [own.charge(FAR, 5.0, a_call=True) for _ in range(3)] == [0.0, 0.0, 1.0]
    assert own.charge(FAR, 5.0, a_call=False) == 0.5
    assert own.screen(FAR, 5.0) is Screening.LIMITED
    assert own.screen("192.0.2.8", 5.0) is Screening.OPEN
    assert own.charge("192.0.2.8", 5.0, a_call=True) == 0.0
    assert own.screen(FAR, 5.5) is Screening.OPEN
    # Without a burst of its own: what comes in two seconds.
    assert [guard(rate=1.0).charge(FAR, 5.0, a_call=False)] == [0.0]
    slow = guard(rate=0.1)
    assert [slow.charge(FAR, 5.0, a_call=False) for _ in range(2)] == [0.0, 10.0]


def test_an_ipv6_peer_is_counted_by_its_network() -> None:
    own = guard(rate=1.0, burst=1)
    assert own.charge("2001:db8::1", 5.0, a_call=False) == 0.0
    assert own.charge("2001:db8::2", 5.0, a_call=False) == 1.0
    assert own.charge("2001:db8:0:1::2", 5.0, a_call=False) == 0.0


def test_without_a_rate_nobody_is_counted() -> None:
    own = guard()
    assert {own.charge(FAR, 5.0, a_call=True) for _ in range(1000)} == {0.0}
    assert own.screen(FAR, 5.0) is Screening.OPEN


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "192.0.2.200"])
def test_loopback_and_trusted_addresses_have_no_limits(host: str) -> None:
    own = guard(
        rate=1.0,
        burst=1,
        garbage=1,
        auth_failures=1,
        trust=networks("192.0.2.200"),
        auth_block=True,
    )
    for _ in range(5):
        assert own.charge(host, 5.0, a_call=True) == 0.0
        own.heard_garbage(host, 5.0)
        own.guessed(host, 5.0)
    assert own.screen(host, 5.0) is Screening.OPEN
    assert own.must_wait(host, 5.0) == 0.0
    assert not own.is_blocked(host, 5.0)


# Scanners.


@pytest.mark.parametrize(
    ("agent", "scanner"),
    [
        ("friendly-scanner", True),
        ("Friendly-Scanner/1.0", True),
        ("sipcli/v1.8", True),
        ("VaxSIPUserAgent/3.1", True),
        ("pplsip", True),
        ("sundayddr", True),
        ("iWar", True),
        ("SIVuS 1.09", True),
        ("Phone (sip-scan 2)", True),
        ("DigiWare 7", False),
        ("Linphone/5.2", False),
        ("", False),
    ],
)
def test_scanners_are_told_by_the_words_of_their_name(agent: str, scanner: bool) -> None:
    assert Agents(GuardConfig()).is_scanner(agent) is scanner


def test_the_patterns_are_a_setting() -> None:
    agents = Agents(GuardConfig(block_agents=("evil*",), allow_agents=("Linphone", "Acme")))
    assert agents.is_scanner("my EVIL* thing")
    assert not agents.is_scanner("evil thing")
    assert not agents.is_scanner("friendly-scanner")
    assert not agents.is_unknown("linphone/5")
    assert agents.is_unknown("friendly-scanner")
    assert agents.is_unknown("")
    none = Agents(GuardConfig(block_agents=()))
    assert not none.is_scanner("friendly-scanner")
    assert not none.is_unknown("friendly-scanner")


def test_garbage_counts_within_its_window_and_beside_what_is_good() -> None:
    garbage = Garbage()
    assert [garbage.bad(1.0, 3) for _ in range(3)] == [False, False, True]
    # The next window begins anew.
    later = 1.0 + GARBAGE_WINDOW
    assert [garbage.bad(later, 3) for _ in range(2)] == [False, False]
    for _ in range(3):
        garbage.good(later)
    # As many as are good: a busy peer with a bug is no scanner.
    assert [garbage.bad(later, 3) for _ in range(2)] == [False, True]


def test_a_source_of_garbage_is_blocked_for_a_time_and_logged_once() -> None:
    own = guard(garbage=3, block_time=60.0)
    with structlog.testing.capture_logs() as logs:
        for _ in range(2):
            own.heard_garbage(FAR, 5.0)
        assert own.screen(FAR, 5.0) is Screening.OPEN
        for _ in range(5):
            own.heard_garbage(FAR, 6.0)
    assert [(log["event"], log["source"], log["seconds"]) for log in logs] == [
        ("source blocked", FAR, 60.0)
    ]
    assert own.screen(FAR, 65.9) is Screening.BLOCKED
    assert own.screen("192.0.2.8", 65.9) is Screening.OPEN
    assert own.screen(FAR, 66.0) is Screening.OPEN
    assert not own.is_blocked(FAR, 66.0)


def test_no_block_time_no_block() -> None:
    own = guard(garbage=1, block_time=0.0)
    own.heard_garbage(FAR, 5.0)
    own.block(FAR, 5.0, "test")
    assert own.screen(FAR, 5.0) is Screening.OPEN


# Guessed passwords.


def test_who_guesses_is_slowed() -> None:
    """Ten guesses, then one each six seconds."""
    own = guard()
    for _ in range(9):
        own.guessed(FAR, 5.0)
    assert own.must_wait(FAR, 5.0) == 0.0
    own.guessed(FAR, 5.0)
    assert own.must_wait(FAR, 5.0) == pytest.approx(6.0)
    assert own.must_wait("192.0.2.8", 5.0) == 0.0
    assert own.must_wait(FAR, 11.1) == 0.0
    own.guessed(FAR, 11.1)
    assert own.must_wait(FAR, 11.1) > 5.0
    assert own.screen(FAR, 11.1) is Screening.OPEN
    assert own.must_wait(FAR, 11.1 + 60.0) == 0.0


def test_who_guesses_is_blocked_where_that_is_wanted() -> None:
    own = guard(auth_failures=2, auth_block=True, block_time=60.0)
    own.guessed(FAR, 5.0)
    assert own.screen(FAR, 5.0) is Screening.OPEN
    own.guessed(FAR, 5.0)
    assert own.screen(FAR, 5.0) is Screening.BLOCKED


def test_guessing_may_be_free() -> None:
    own = guard(auth_failures=0)
    for _ in range(100):
        own.guessed(FAR, 5.0)
    assert own.must_wait(FAR, 5.0) == 0.0


# The first look.


@pytest.mark.parametrize(
    ("data", "begins"),
    [
        (b"INVITE sip:a@b SIP/2.0\r\nTo: <sip:a@b>\r\n\r\n", True),
        (b"INVITE sip:a@b SIP/2.0\r\nTo: <sip:a@b>;tag=1\r\n\r\n", False),
        (b"INVITE sip:a@b SIP/2.0\r\nt:<sip:a@b>; TAG = 1\r\n\r\n", False),
        (b"BYE sip:a@b SIP/2.0\r\nTO \t: <sip:a@b>\r\n ;x=1;\r\n\ttag=1\r\n\r\n", False),
        (b"INVITE sip:a@b SIP/2.0\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\n\r\n", True),
        # Written as usual, but folded; and what stands elsewhere says nothing.
        (b"BYE sip:a@b SIP/2.0\r\nTo: <sip:a@b>\r\n ;tag=1\r\n\r\n", False),
        (b"BYE sip:a@b SIP/2.0\r\nTo: <sip:a@b>\r\n\t;tag=1", False),
        (b"BYE sip:a@b SIP/2.0\r\nTo: <sip:a@b>;x\r\nFrom: <sip:a@b>;tag=1\r\n\r\n", True),
        # What stands in the body says nothing.
        (b"MESSAGE sip:a@b SIP/2.0\r\nTo: <sip:a@b>\r\n\r\nx\r\nTo: x;tag=1", True),
        (b"\r\n\r\nSIP/2.0 200 OK\r\n\r\n", False),
        (b"ACK sip:a@b SIP/2.0\r\n\r\n", False),
        (b"CANCEL sip:a@b SIP/2.0\r\nTo: <sip:a@b>\r\n\r\n", False),
        (b"CANCELLED sip:a@b SIP/2.0\r\n\r\n", True),
        (b"BYE sip:a@b SIP/2.0\r\nTo: <sip:a@b>\r\n\r\n", True),
        (b"\x00\xff\x00", True),
        (b"", True),
    ],
)
def test_what_may_begin_something(data: bytes, begins: bool) -> None:
    assert begins_something(data) is begins


@pytest.mark.parametrize(
    ("data", "call_id"),
    [
        (b"INVITE sip:a@b SIP/2.0\r\nCall-ID: 7@x\r\nTo: <sip:a@b>\r\n\r\n", b"7@x"),
        (b"INVITE sip:a@b SIP/2.0\r\nCall-ID:7\t \r\n\r\n", b"7"),
        (b"INVITE sip:a@b SIP/2.0\r\nCall-ID:\r\n 7\r\n\r\n", b""),
        (b"INVITE sip:a@b SIP/2.0\r\nCall-ID: 7\r\n\t8\r\n\r\n", b""),
        (b"INVITE sip:a@b SIP/2.0\r\ni: 7\r\n\r\nbody\r\nCall-ID: 8\r\n", b""),
        (b"INVITE sip:a@b SIP/2.0\r\nCall-ID: 7\r\n", b""),
        (b"MESSAGE sip:a@b SIP/2.0\r\nCall-ID: 7\r\n\r\n", b""),
        (b"INVITE ", b""),
        (b"", b""),
    ],
)
def test_the_call_id_of_an_invite_at_a_glance(data: bytes, call_id: bytes) -> None:
    assert invites_as(data) == call_id


INVITE = b"INVITE sip:a@b SIP/2.0\r\nTo: <sip:a@b>\r\n\r\n"
BYE = b"BYE sip:a@b SIP/2.0\r\nTo: <sip:a@b>;tag=1\r\n\r\n"
CANCEL = b"CANCEL sip:a@b SIP/2.0\r\nTo: <sip:a@b>\r\n\r\n"
OK = b"SIP/2.0 200 OK\r\n\r\n"
SOURCE = Source("UDP", FAR, 5060, "192.0.2.1", 5060)


def taken(arrivals: Arrivals) -> list[bytes]:
    taken = []
    while arrival := arrivals.take():
        taken.append(arrival.data)
    return taken


def test_what_goes_on_is_taken_before_what_begins() -> None:
    """But a CANCEL stays behind its INVITE."""
    arrivals = Arrivals(few=0)
    for number, data in enumerate((INVITE, BYE, CANCEL, OK)):
        assert arrivals.add(data, SOURCE, float(number))
    assert len(arrivals) == 4
    assert taken(arrivals) == [BYE, OK, INVITE, CANCEL]
    assert len(arrivals) == 0


def test_a_few_are_taken_as_they_came() -> None:
    """And what comes while others wait in order is behind them all."""
    arrivals = Arrivals(few=2)
    for data in (INVITE, BYE, INVITE, OK):
        assert arrivals.add(data, SOURCE, 0.0)
    assert len(arrivals) == 4
    assert taken(arrivals) == [INVITE, BYE, OK, INVITE]


def test_each_kind_has_room_of_its_own() -> None:
    arrivals = Arrivals(most_new=2, most_going_on=3, few=0)
    invites = [INVITE.replace(b"a@b", b"%d@b" % number) for number in range(3)]
    assert [arrivals.add(each, SOURCE, 0.0) for each in invites] == [True, True, False]
    assert [arrivals.add(CANCEL, SOURCE, 0.0) for _ in range(2)] == [True, False]
    assert [arrivals.add(BYE, SOURCE, 0.0) for _ in range(4)] == [True, True, True, False]
    assert taken(arrivals) == [BYE, BYE, BYE, *invites[:2], CANCEL]


def test_a_request_that_still_waits_is_not_kept_twice() -> None:
    arrivals = Arrivals(few=0)
    other = replace(SOURCE, port=5070)
    for source in (SOURCE, SOURCE, other, SOURCE):
        assert arrivals.add(INVITE, source, 0.0)
    for data in (BYE, BYE, OK, OK):
        assert arrivals.add(data, SOURCE, 0.0), "what goes on may be meant twice"
    assert taken(arrivals) == [BYE, BYE, OK, OK, INVITE, INVITE]
    assert arrivals.repeated == 2
    assert arrivals.add(INVITE, SOURCE, 1.0)
    assert taken(arrivals) == [INVITE], "it does not wait any more"
