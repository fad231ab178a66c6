"""Commands that cannot be carried out, and ends that nobody answers."""

from __future__ import annotations

import pytest

from picosip_server.sip.address import Address
from picosip_server.sip.ua import commands, events
from picosip_server.sip.ua.commands import NextHop, Options
from picosip_server.sip.ua.outputs import FailureKind
from picosip_server.sip.ua.snapshots import Cause, RegistrationState
from picosip_server.sip.uri import Uri
from tests.engine.probe import FAR, Server


def test_what_does_not_answer_is_abandoned_in_the_end() -> None:
    """The application hears of each end even so."""
    server = Server()
    server.invite(f"sip:a@{FAR}")
    server.reply(200, ("Contact", f"<sip:a@{FAR}>"))
    server.invite("sip:a@10.0.0.9")
    server.submit(
        lambda token: commands.Register(
            token=token,
            registrar=Uri.parse(f"sip:{FAR}"),
            aor=Address.parse("<sip:kai@far.example>"),
        )
    )
    ended: list[bool] = []
    server.core.end_all(lambda: ended.append(True), server.simulation.now)
    assert ended == []
    server.core.abandon_all(server.simulation.now)
    server.collect()
    assert ended == [True]
    causes = [each.termination.cause for each in server.of(events.CallEnded)]
    assert causes == [Cause.SERVER_SHUTDOWN] * 2
    (*_, last) = server.of(events.RegistrationChanged)
    assert last.registration.state is RegistrationState.TERMINATED
    # And of no second one, when the requests that were under way would have timed out.
    told = len(server.events)
    server.later(100)
    assert len(server.events) == told
    assert server.core.idle


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "to_address.uri"),
        ({"request_uri": Uri.parse("urn:service:sos")}, "request_uri"),
    ],
)
def test_a_target_that_leads_nowhere_needs_a_way(fields: dict[str, object], field: str) -> None:
    """19.1.6: a tel URI names no host; a route, a next hop or the outbound proxy does."""
    server = Server()
    failure = server.failure(server.invite("tel:+31", **fields))
    assert (failure.kind, failure.field) == (FailureKind.INVALID, field)
    assert server.events == []
    hop = NextHop(host="10.0.0.9")
    for options in (Options(next_hop=hop), Options(routes=("<sip:10.0.0.9;lr>",))):
        server.invite("tel:+31", options=options, **fields)
        assert server.request("INVITE").uri_text in ("tel:+31", "urn:service:sos")
    Server(outbound_proxy="sip:10.0.0.9").invite("tel:+31")
