"""A server that is behind, or full: what it refuses, and what goes on."""

from __future__ import annotations

import pytest

from picosip_server.engine.guard.overload import BURST, CALM, UPDATE
from picosip_server.sip.ua import commands, events
from picosip_server.sip.ua.outputs import Failure, FailureKind
from tests.engine.far_end import (
    JUNK,
    established,
    inside,
    request,
    retry_after,
    statuses,
)
from tests.engine.memory import Everybody
from tests.engine.probe import FAR, Server


def behind(server: Server, delay: float = 5.0) -> None:
    """Messages have waited for so long."""
    server.simulation.run(2 * UPDATE)
    server.core.waited(delay, server.simulation.now)


def relieved(server: Server) -> None:
    """Nothing waits any more, for some time."""
    server.simulation.run(CALM)
    server.core.waited(0.0, server.simulation.now)


def test_an_overloaded_server_refuses_what_is_new() -> None:
    server = Server("MESSAGE")
    tag = established(server)
    server.hear(request("INVITE", 1))
    behind(server)
    answers = [server.ask(request("INVITE", number)) for number in range(100, 200)]
    waits = [retry_after(each) for each in answers]
    assert (min(waits), max(waits)) == (5, 15)
    assert len(set(waits)) == 11
    assert answers[0].to.tag
    # A repetition gets the same; its ACK nothing.
    assert retry_after(server.ask(request("INVITE", 100))) == waits[0]
    to = f"<sip:piet@yellow.example>;tag={answers[0].to.tag}"
    assert server.hear(request("ACK", 100, to=to, cseq="7 ACK")) == []
    for number, method in enumerate(("MESSAGE", "OPTIONS", "REGISTER", "FROB"), 300):
        assert retry_after(server.ask(request(method, number))) > 0
    assert server.counter("refused_overload") == 105
    # What was taken already goes on.
    assert server.ask(request("INVITE", 1)).status == 100
    assert server.ask(inside("BYE", tag)).status == 200
    assert len(server.of(events.CallReceived)) == 2
    # And what is no SIP is found to be none.
    server.hear(JUNK)
    assert server.counter("parse_errors") == 1
    relieved(server)
    server.hear(request("INVITE", 400))
    assert len(server.of(events.CallReceived)) == 3


def test_applications_that_are_behind_are_told_of_less() -> None:
    server = Server()
    server.core.set_audience(Everybody(behind=0.15), server.simulation.now)
    behind(server, 0.0)
    assert server.ask(request("INVITE", 1)).status == 100
    # What waited here comes on top of it: together it is hopeless.
    server.core.set_audience(Everybody(behind=0.5), server.simulation.now)
    behind(server, 0.4)
    assert server.ask(request("INVITE", 2)).status == 503
    # Nor does it drop out where the engine itself is so far behind that it is judged at once.
    server.core.waited(0.85, server.simulation.now)
    server.core.waited(0.85, server.simulation.now + 0.004)
    assert server.ask(request("INVITE", 3)).status == 503
    server.core.set_audience(Everybody(), server.simulation.now)
    relieved(server)
    assert server.ask(request("INVITE", 4)).status == 100


def test_a_server_that_is_little_behind_refuses_a_part() -> None:
    server = Server()
    for _ in range(round(BURST / UPDATE) + 2):
        behind(server, 0.21)
    answers = [server.ask(request("INVITE", number)).status for number in range(1000)]
    assert set(answers) == {100, 503}
    refused = answers.count(503)
    assert 200 < refused < 800
    # Whoever says it again gets the same.
    assert [server.ask(request("INVITE", number)).status for number in range(1000)] == answers
    # So does whoever was asked for credentials, and has them now.
    again = [
        request(
            "INVITE", n, via=f"SIP/2.0/UDP pub.example:5062;branch=z9hG4bKb{n}", cseq="8 INVITE"
        )
        for n in range(1000)
    ]
    assert [server.ask(one).status == 503 for one in again] == [each == 503 for each in answers]
    # And whoever writes its Call-ID otherwise, or folds the line.
    for branch, name in (("i", b"i:"), ("f", b"Call-ID:\r\n ")):
        spelt = [
            request(
                "INVITE", n, via=f"SIP/2.0/UDP pub.example:5062;branch=z9hG4bK{branch}{n}"
            ).replace(b"Call-ID:", name)
            for n in range(1000)
        ]
        assert [server.ask(one).status == 503 for one in spelt] == [each == 503 for each in answers]
    # A phone that registers is not always the one.
    registering = [
        server.ask(request("REGISTER", n, call_id="one")).status == 503 for n in range(1000)
    ]
    assert sum(registering) == pytest.approx(refused, abs=130)
    # A head of another form is for the parser, and judged by the same.
    folded = [
        server.ask(request("OPTIONS", number, "Subject: a\r\n b")).status for number in range(1000)
    ]
    assert folded.count(503) == pytest.approx(refused, abs=130)
    tokens = [server.invite(f"sip:a@{FAR}") for _ in range(1000)]
    failures = [one for one in tokens if isinstance(server.results.get(one), Failure)]
    assert len(failures) == pytest.approx(refused, abs=130)


def test_an_overloaded_server_takes_commands_on_what_exists() -> None:
    server = Server()
    established(server)
    behind(server)
    failure = server.failure(server.invite(f"sip:a@{FAR}"))
    assert (failure.kind, failure.detail) == (
        FailureKind.EXHAUSTED,
        "this server is overloaded: it takes less new work until it has caught up",
    )
    server.hangup(server.of(events.CallReceived)[0].resource)
    assert server.request("BYE").method == "BYE"
    relieved(server)
    server.invite(f"sip:a@{FAR}")
    assert server.request("INVITE")


@pytest.mark.parametrize("limits", [{"max_calls": 2}, {"max_transactions": 4}])
def test_a_full_server_lets_calls_end(limits: dict[str, int]) -> None:
    server = Server(**limits)
    tag = established(server)
    server.hear(request("INVITE", 1))
    waits = {retry_after(server.ask(request("INVITE", number))) for number in range(2, 40)}
    assert len(waits) > 5
    assert server.failure(server.invite(f"sip:a@{FAR}")).kind is FailureKind.EXHAUSTED
    via = "SIP/2.0/UDP pub.example:5062;branch=z9hG4bKINVITE1"
    assert statuses(server.hear(request("CANCEL", 1, via=via))) == [200, 487]
    assert server.ask(inside("BYE", tag)).status == 200


def test_the_room_inside_dialogs_is_not_endless_but_for_what_ends_them() -> None:
    server = Server(max_transactions=4)
    tag = established(server)
    inside_it = [server.ask(inside("OPTIONS", tag, number=number)) for number in range(8, 16)]
    assert [each.status for each in inside_it] == [200] * 5 + [503] * 3
    assert retry_after(inside_it[-1]) >= 5
    assert server.ask(inside("PRACK", tag, "RAck: 1 1 INVITE", number=16)).status == 481
    assert server.ask(inside("BYE", tag, number=17)).status == 200


def test_a_server_full_of_calls_takes_other_requests() -> None:
    server = Server("MESSAGE", max_calls=0)
    assert retry_after(server.ask(request("INVITE", 1))) >= 5
    assert server.ask(request("OPTIONS", 2)).status == 200
    assert server.hear(request("MESSAGE", 3)) == []
    assert len(server.of(events.IncomingRequest)) == 1


def test_commands_that_refer_to_a_call_pass_a_full_server() -> None:
    server = Server(max_transactions=1)
    server.invite(f"sip:a@{FAR}")
    server.reply(200, ("Contact", f"<sip:a@{FAR}>"))
    server.on_call(commands.Hangup, server.of(events.CallCreated)[0].resource)
    assert server.request("BYE").method == "BYE"
