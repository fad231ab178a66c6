"""A registration that is lost, tried again, or taken back (RFC 3261 10.2.2, RFC 5626 4.5)."""

from __future__ import annotations

import pytest

from picosip_server.sip.message import Request
from picosip_server.sip.ua import commands
from picosip_server.sip.ua.outputs import FailureKind
from picosip_server.sip.ua.snapshots import RegistrationState
from tests.sip.agent import TCP, UDP
from tests.sip.registrations import BOUND, HOME, Client


def lost(share: float = 0.5, *headers: tuple[str, str]) -> Client:
    """Refused at 0, after the command was completed."""
    client = Client(share=share, no_wait=True).start()
    client.answer(500, *headers)
    assert client.states == [(0, "FAILED")]
    return client


def test_a_registration_lost_is_tried_again_after_longer_and_longer_waits() -> None:
    """RFC 5626 4.5: 50 to 100 % of 30 s * 2^failures, 30 minutes at most; and for ever."""
    client = lost(share=0.0)
    for failure in range(2, 1102):
        due = client.registration.deadline()
        while due is not None and len(client.times) < failure:
            client.until(due)
            due = client.registration.deadline()
        client.answer(500)
    waits = [later - sooner for sooner, later in zip(client.times, client.times[1:], strict=False)]
    assert waits[:7] == [30, 60, 120, 240, 480, 900, 900]
    assert set(waits[6:]) == {900}


@pytest.mark.parametrize(("share", "wait"), [(0.0, 30.0), (0.5, 45.0), (1.0, 60.0)])
def test_the_first_retry_comes_after_30_to_60_seconds(share: float, wait: float) -> None:
    """RFC 5626 4.5: to be explicitly clear on the boundary conditions."""
    client = lost(share)
    client.until(61)
    assert client.times == [0, wait]
    assert client.states == [(0, "FAILED"), (wait, "REGISTERING")]


def test_success_resets_the_wait() -> None:
    client = lost()
    client.until(45)
    client.answer(500)
    client.until(45 + 90)
    client.granted(600)
    client.until(135 + 510)
    client.answer(500)
    client.until(135 + 510 + 45)
    assert client.times == [0, 45, 135, 645, 690]
    assert [state for _, state in client.states] == [
        *("FAILED", "REGISTERING", "FAILED", "REGISTERING", "ACTIVE", "FAILED", "REGISTERING")
    ]


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        ("120", 120.0),
        ("120 (maintenance)", 120.0),
        ("120;duration=60", 120.0),
        ("10", 45.0),
        ("soon", 45.0),
        ("1234567", 45.0),
    ],
)
def test_retry_after_makes_the_wait_longer_never_shorter(value: str, wait: float) -> None:
    """20.33; RFC 5626 4.5: may cause the UA to wait longer."""
    client = lost(0.5, ("Retry-After", value))
    client.until(150)
    assert client.times == [0, wait]


def test_a_refresh_that_times_out_keeps_the_binding_until_it_runs_out() -> None:
    client = Client().start().granted(600)
    client.until(1000)
    assert client.states == [
        *((0, "ACTIVE"), (542.0, "FAILED"), (587.0, "REGISTERING"), (619.0, "FAILED")),
        *((709.0, "REGISTERING"), (741.0, "FAILED"), (921.0, "REGISTERING"), (953.0, "FAILED")),
    ]
    assert client.registration.snapshot().expire_time == 600.0


def test_unregister_takes_the_bindings_back() -> None:
    """10.2.2: Expires 0; same Call-ID, next CSeq; then nothing is left."""
    client = Client().start().granted(600)
    client.now = 5.0
    client.unregister()
    assert (client.asked("Expires"), client.asked("Contact")) == (["0"], [BOUND])
    assert client.last().cseq.number == 2
    client.unregister("again")
    ok = client.answer(200)
    assert client.states == [(0, "ACTIVE"), (5.0, "UNREGISTERING"), (5.0, "TERMINATED")]
    assert client.events[-1].message is ok
    for token in ("unregister", "again"):
        snapshot = client.snapshot(token)
        assert snapshot.state is RegistrationState.TERMINATED
        assert (snapshot.expires, snapshot.expire_time) == (0.0, None)
    client.until(1000)
    assert client.times == [0, 5.0]
    assert client.registration.finished
    assert client.bound == set()


def test_a_refused_unregister_ends_the_resource_all_the_same() -> None:
    client = Client().start().granted(600)
    client.unregister()
    client.answer(403)
    assert client.failure("unregister").status == 403
    assert client.failure("unregister").kind is FailureKind.REFUSED
    assert client.states[1:] == [(0, "UNREGISTERING"), (0, "TERMINATED")]
    assert client.registration.over


def test_an_unregister_that_nobody_answers_ends_it_too() -> None:
    client = Client().start().granted(600)
    client.unregister()
    client.until(40)
    assert client.failure("unregister").kind is FailureKind.TIMEOUT
    assert client.states[1:] == [(0, "UNREGISTERING"), (32.0, "TERMINATED")]
    assert client.registration.finished


@pytest.mark.parametrize("status", [200, 500])
def test_unregister_waits_for_the_register_under_way(status: int) -> None:
    """10.2: no other REGISTER before the final response; a lost one, sent again after the
    bindings were taken back, would make them anew."""
    client = Client().start()
    client.unregister()
    client.until(0.7)
    assert [sent.again for sent in client.sent] == [False, True]
    client.answer(status)
    assert client.asked("Expires") == ["0"]
    assert client.times == [0, 0.7]
    assert client.results == {}
    client.answer(200)
    assert client.snapshot("unregister").state is RegistrationState.TERMINATED
    failure = client.failure("register")
    assert failure.kind is FailureKind.ENDED
    assert failure.detail == "the registration was taken back before the registrar answered"
    assert client.states == [(0, "UNREGISTERING"), (0.7, "TERMINATED")]


def test_unregister_while_a_register_that_nobody_answers_is_under_way() -> None:
    """10.2: or until it has timed out; a registrar never heard of has no bindings."""
    client = Client().start()
    client.unregister()
    client.until(40)
    assert client.times == [0]
    assert client.snapshot("unregister").state is RegistrationState.TERMINATED
    assert client.states == [(0, "UNREGISTERING"), (32.0, "TERMINATED")]


def test_unregister_while_a_refresh_that_nobody_answers_is_under_way() -> None:
    client = Client().start().granted(600)
    client.until(511)
    client.unregister()
    client.until(600)
    assert client.times == [0, 510, 542]
    assert client.asked("Expires") == ["0"]
    assert client.failure("unregister").kind is FailureKind.TIMEOUT
    assert client.states[1:] == [(511, "UNREGISTERING"), (574.0, "TERMINATED")]


def test_unregister_before_the_registrar_was_found_sends_nothing() -> None:
    client = Client(found=False).start()
    client.unregister()
    assert client.snapshot("unregister").state is RegistrationState.TERMINATED
    assert client.failure("register").kind is FailureKind.ENDED
    assert not client.registration.finished
    client.run(client.registration.located(1, (UDP,), 1.0))
    assert client.sent == []
    assert client.registration.finished
    assert client.states == [(0, "UNREGISTERING"), (0, "TERMINATED")]


def test_unregister_while_a_refresh_looks_for_the_registrar() -> None:
    """The refresh is dropped: sent later, it would bind again."""
    client = Client().start().granted(600)
    del client.hops[HOME]
    client.until(510)
    client.unregister()
    assert [ticket for ticket, _ in client.tickets] == [1, 2, 3]
    client.run(client.registration.located(3, (UDP,), client.now))
    client.run(client.registration.located(2, (TCP,), client.now))
    assert [sent.message.headers.get("Expires") for sent in client.sent] == ["3600", "0"]
    client.answer(200)
    assert client.snapshot("unregister").state is RegistrationState.TERMINATED


def test_unregister_while_waiting_to_try_again() -> None:
    client = lost()
    client.unregister()
    assert client.asked("Expires") == ["0"]
    client.answer(200)
    client.until(4000)
    assert client.times == [0, 0]
    assert client.snapshot("unregister").state is RegistrationState.TERMINATED


def test_the_end_of_the_server_takes_the_bindings_back_once() -> None:
    client = Client().start().granted(600)
    client.run(client.registration.shut_down(0))
    client.run(client.registration.shut_down(0))
    assert [sent.message.headers.get("Expires") for sent in client.sent] == ["3600", "0"]
    client.answer(200)
    assert client.registration.over
    client.run(client.registration.shut_down(0))
    assert len(client.sent) == 2


def test_answers_after_the_end_change_nothing() -> None:
    client = Client().start().granted(600)
    client.unregister()
    client.answer(200)
    exchange_over = list(client.events)
    request = client.last()
    assert isinstance(request, Request)
    client.answer(200, to=request)
    client.answer(403, to=client.last())
    assert client.events == exchange_over
    client.command(commands.GetRegistration, "get")
    assert client.snapshot("get").state is RegistrationState.TERMINATED
