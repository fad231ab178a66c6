"""The guard at work in a server's core: what is dropped, refused, challenged, and what passes."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network

import pytest
import structlog

from picosip_server.engine.guard.config import GuardConfig
from picosip_server.sip.auth.users import User
from picosip_server.sip.message import Response
from picosip_server.sip.ua import events
from picosip_server.sip.ua.snapshots import Cause
from tests.engine.far_end import (
    JUNK,
    credentials,
    established,
    guarded,
    inside,
    request,
    retry_after,
    statuses,
)
from tests.engine.probe import FAR, SOURCE, Server, octets

OTHER = replace(SOURCE, host="10.0.0.3")
LOCAL = replace(SOURCE, host="127.0.0.1")
USERS = (User(realm="far", username="olga", password="secret"),)
SCANNER = "User-Agent: friendly-scanner"


# Lists.


def test_whom_the_lists_deny_gets_nothing_at_all() -> None:
    server = guarded(deny=(ip_network("10.0.0.3"), ip_network("127.0.0.0/8")))
    for data in (request("OPTIONS", 1), JUNK, b"SIP/2.0 200 OK\r\n\r\n", inside("BYE", "x")):
        assert server.hear(data, OTHER) == []
    # Lists hold for loopback addresses as well: they are no limit.
    assert server.hear(request("OPTIONS", 1), LOCAL) == []
    assert server.ask(request("OPTIONS", 1)).status == 200
    assert server.counter("dropped_denied") == 5
    assert server.counter("parse_errors") == 0


def test_an_allow_list_keeps_out_all_others() -> None:
    server = guarded(allow=(ip_network(FAR),))
    assert server.hear(request("OPTIONS", 1), OTHER) == []
    assert server.ask(request("OPTIONS", 1)).status == 200


# Rates.


def test_above_its_rate_a_source_is_refused_with_a_time_to_come_again() -> None:
    server = guarded(rate=1.0, burst=3)
    answers = [server.ask(request("OPTIONS", number)) for number in range(30)]
    assert [each.status for each in answers] == [200] * 3 + [503] * 27
    waits = [retry_after(each) for each in answers[3:]]
    # Spread: or all would be back at the same time.
    assert 5 <= min(waits) <= max(waits) <= 16
    assert len(set(waits)) > 5
    # 8.2.7: a repetition gets the same answer.
    again = [retry_after(server.ask(request("OPTIONS", number))) for number in range(4, 30)]
    assert again == waits[1:]
    assert server.counter("refused_rate_limit") == 53
    # Others are not touched; nor is this one, a second later.
    assert server.ask(request("OPTIONS", 1), OTHER).status == 200
    server.later(1.0)
    assert server.ask(request("OPTIONS", 99)).status == 200
    assert server.core.idle


def test_above_its_rate_a_source_may_be_dropped() -> None:
    server = guarded(rate=1.0, burst=1, drop=True)
    assert server.ask(request("OPTIONS", 1)).status == 200
    assert [server.hear(request("OPTIONS", number)) for number in (2, 3)] == [[], []]
    assert server.counter("dropped_rate_limit") == 2


def test_new_calls_have_a_rate_of_their_own() -> None:
    server = guarded(call_rate=0.5, call_burst=1)
    server.hear(request("INVITE", 1))
    assert retry_after(server.ask(request("INVITE", 2))) >= 7
    assert server.ask(request("OPTIONS", 3)).status == 200
    assert len(server.of(events.CallReceived)) == 1


def test_what_goes_on_is_not_limited() -> None:
    """Repetitions, CANCEL, ACK, BYE, and responses."""
    server = guarded(rate=0.001, burst=2)
    tag = established(server)
    server.hear(request("INVITE", 1))
    assert retry_after(server.ask(request("INVITE", 2))) > 0
    # The second INVITE again: its 100 again.
    assert server.ask(request("INVITE", 1)).status == 100
    via = "SIP/2.0/UDP pub.example:5062;branch=z9hG4bKINVITE1"
    assert statuses(server.hear(request("CANCEL", 1, via=via))) == [200, 487]
    assert server.ask(inside("OPTIONS", tag)).status == 200
    assert server.ask(inside("BYE", tag, number=9)).status == 200
    server.invite(f"sip:a@{FAR}")
    server.reply(200, ("Contact", f"<sip:a@{FAR}>"))
    assert server.request("ACK").method == "ACK"


def test_loopback_is_not_limited_unless_the_configuration_says_so() -> None:
    for loopback, expected in ((False, {200}), (True, {200, 503})):
        server = guarded(rate=1.0, burst=1, loopback=loopback)
        got = {server.ask(request("OPTIONS", number), LOCAL).status for number in range(20)}
        assert got == expected


# Scanners.


@pytest.mark.parametrize("method", ["OPTIONS", "INVITE", "REGISTER", "BYE", "CANCEL", "FROB"])
def test_a_scanner_gets_no_answer_and_is_blocked_for_a_time(method: str) -> None:
    server = guarded(block_time=60.0)
    with structlog.testing.capture_logs() as logs:
        assert server.hear(request(method, 1, SCANNER)) == []
        assert server.hear(request("OPTIONS", 2)) == []
        assert server.hear(JUNK) == []
    (line,) = logs
    assert (line["event"], line["source"], line["seconds"]) == ("source blocked", FAR, 60.0)
    assert server.counter("dropped_scanner") == 1
    assert server.counter("dropped_blocked") == 2
    assert server.ask(request("OPTIONS", 2), OTHER).status == 200
    server.later(60.0)
    assert server.ask(request("OPTIONS", 3)).status == 200
    assert server.core.idle


def test_a_blocked_source_can_still_end_its_calls() -> None:
    """Datagrams are easily sent in somebody's name: no call is to hang on that."""
    server = Server()
    tag = established(server)
    server.invite(f"sip:a@{FAR}")
    assert server.hear(request("OPTIONS", 1, SCANNER)) == []
    assert server.hear(request("INVITE", 2)) == []
    server.reply(200, ("Contact", f"<sip:a@{FAR}>"))
    assert server.request("ACK").method == "ACK"
    # What is inside no dialog gets nothing, whatever it says.
    assert server.hear(inside("BYE", "none")) == []
    assert server.hear(request("CANCEL", 3)) == []
    assert server.ask(inside("BYE", tag)).status == 200


def test_garbage_has_a_source_blocked() -> None:
    server = guarded(garbage=20)
    for number in range(20):
        broken = request("OPTIONS", number, max_forwards="x")
        assert statuses(server.hear(broken)) == ([400] if number < 19 else [])
    assert server.hear(request("OPTIONS", 99)) == []
    assert server.counter("parse_errors") == 20
    assert server.counter("dropped_blocked") == 2


def test_who_also_sends_sense_is_not_blocked() -> None:
    server = guarded(garbage=20)
    assert server.hear(JUNK) == []
    for number in range(40):
        assert server.ask(request("OPTIONS", 2 * number)).status == 200
        assert server.ask(request("OPTIONS", 2 * number + 1)).status == 200
        server.hear(JUNK)
    assert server.ask(request("OPTIONS", 99)).status == 200


def test_only_known_agents_may_be_let_in() -> None:
    server = guarded(allow_agents=("Acme",))
    assert server.hear(request("OPTIONS", 1)) == []
    assert server.hear(request("OPTIONS", 2, "User-Agent: Other/1")) == []
    assert server.ask(request("OPTIONS", 3, "User-Agent: Acme/1")).status == 200
    assert server.counter("dropped_scanner") == 2


def test_scanners_on_loopback_are_answered() -> None:
    server = Server()
    assert server.ask(request("OPTIONS", 1, SCANNER), LOCAL).status == 200
    for _ in range(200):
        server.hear(JUNK, LOCAL)
    assert server.ask(request("OPTIONS", 2), LOCAL).status == 200
    strict = guarded(loopback=True)
    assert strict.hear(request("OPTIONS", 1, SCANNER), LOCAL) == []


# Challenges.


@pytest.mark.parametrize(
    ("challenge", "method", "status"),
    [
        (("INVITE", "REGISTER"), "MESSAGE", 0),
        (("MESSAGE",), "MESSAGE", 401),
        (("MESSAGE",), "INVITE", 0),
        (("*",), "OPTIONS", 401),
        (("*",), "FROB", 401),
        (("*",), "BYE", 481),
        (("*",), "CANCEL", 481),
        (("ACK", "CANCEL"), "CANCEL", 481),
    ],
)
def test_the_methods_that_are_challenged(
    challenge: tuple[str, ...], method: str, status: int
) -> None:
    """22.1: never CANCEL or ACK."""
    server = Server("MESSAGE", "FROB", users=USERS, challenge=challenge)
    answers = statuses(server.hear(request(method, 1)))
    assert [each for each in answers if each != 100] == ([status] if status else [])


def test_the_listeners_that_challenge() -> None:
    server = Server(users=USERS, challenge=("*",), challenge_listeners=frozenset({1}))
    assert server.ask(request("OPTIONS", 1)).status == 200
    assert server.ask(request("OPTIONS", 1), replace(SOURCE, listener=1)).status == 401


def test_the_application_is_told_who_asked() -> None:
    server = Server("MESSAGE", users=USERS, challenge=("MESSAGE",))
    line = credentials(server.ask(request("MESSAGE", 1)), "MESSAGE")
    server.hear(request("MESSAGE", 2, line, cseq="8 MESSAGE"))
    (event,) = server.of(events.IncomingRequest)
    assert (event.method, event.authenticated_user) == ("MESSAGE", "olga")


def test_requests_inside_a_call_are_challenged() -> None:
    """The ACK to the 401 of a re-INVITE leaves the call alone, and BYE is asked by name only."""
    server = Server(users=USERS, challenge=("INFO", "INVITE", "BYE"))
    line = credentials(server.ask(request("INVITE", 0)), "INVITE")
    tag = established(server, line)
    assert server.of(events.CallReceived)[-1].call.authenticated_user == "olga"

    challenge = server.ask(inside("INVITE", tag))
    assert (challenge.status, challenge.to.tag) == (401, tag)
    assert server.hear(inside("ACK", tag, cseq="8 ACK")) == []

    challenge = server.ask(inside("INFO", tag, number=9))
    assert challenge.status == 401
    line = credentials(challenge, "INFO")
    server.hear(inside("INFO", tag, line, number=10))
    (event,) = server.of(events.IncomingRequest)
    assert (event.method, event.authenticated_user) == ("INFO", "olga")

    challenge = server.ask(inside("BYE", tag, number=11))
    assert challenge.status == 401
    assert server.of(events.CallEnded) == []
    line = credentials(challenge, "BYE")
    # Its end answers the INFO that waits.
    assert statuses(server.hear(inside("BYE", tag, line, number=12))) == [200, 487]
    assert server.of(events.CallEnded)[0].termination.cause is Cause.REMOTE_HANGUP


def test_another_user_has_no_say_in_a_call() -> None:
    users = (*USERS, User(realm="far", username="piet", password="pw"))
    server = Server(users=users, challenge=("INVITE", "BYE"))
    tag = established(server, credentials(server.ask(request("INVITE", 0)), "INVITE"))
    line = credentials(server.ask(inside("BYE", tag)), "BYE", user="piet", password="pw")
    assert server.ask(inside("BYE", tag, line, number=9)).status == 403
    assert server.of(events.CallEnded) == []


def test_the_far_end_of_a_call_of_ours_is_not_asked() -> None:
    """It has no account here."""
    server = Server(users=USERS, challenge=("*", "BYE"))
    server.invite(f"sip:a@{FAR}")
    invite = server.request("INVITE")
    server.reply(200, ("Contact", f"<sip:a@{FAR}>"))
    bye = octets(
        "BYE",
        to=f"<sip:caller@10.0.0.1>;tag={invite.from_.tag}",
        call_id=invite.call_id,
        **{"from": f"<sip:a@{FAR}>;tag=far"},
    )
    assert server.ask(bye).status == 200


# Guessed passwords.


def guess(server: Server, number: int, password: str = "wrong") -> Response:
    """An attempt with a challenge of its own."""
    challenge = server.ask(request("REGISTER", 2 * number))
    line = credentials(challenge, "REGISTER", password=password)
    return server.ask(request("REGISTER", 2 * number + 1, line))


def test_who_guesses_passwords_must_wait() -> None:
    server = Server("REGISTER", users=USERS, guard=GuardConfig(auth_failures=3))
    assert [guess(server, number).status for number in range(3)] == [401] * 3
    # Now even the right one is not looked at; a source without credentials still is.
    assert retry_after(guess(server, 4, "secret")) > 0
    assert server.counter("refused_auth_failures") == 1
    other = server.ask(request("REGISTER", 50), OTHER)
    line = credentials(other, "REGISTER")
    assert server.hear(request("REGISTER", 51, line), OTHER) == []
    server.later(30.0)
    challenge = server.ask(request("REGISTER", 60))
    assert server.hear(request("REGISTER", 61, credentials(challenge, "REGISTER"))) == []
    assert len(server.of(events.IncomingRequest)) == 2


def test_nonces_of_another_server_are_no_guesses() -> None:
    """As after a restart, when everybody comes with one."""
    old = Server("REGISTER", users=USERS).ask(request("REGISTER", 1))
    server = Server("REGISTER", users=USERS, guard=GuardConfig(auth_failures=1))
    line = credentials(old, "REGISTER")
    for number in range(5):
        assert server.ask(request("REGISTER", number, line)).status == 401


def test_who_guesses_passwords_may_be_blocked() -> None:
    config = GuardConfig(auth_failures=2, auth_block=True)
    server = Server("REGISTER", users=USERS, guard=config)
    assert [guess(server, number).status for number in range(2)] == [401] * 2
    assert server.hear(request("REGISTER", 9)) == []
