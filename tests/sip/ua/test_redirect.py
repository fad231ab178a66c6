"""3xx to an INVITE: RFC 3261 sections 8.1.3.4, 8.3 and 21.3."""

from __future__ import annotations

import pytest

from picosip_server.sip.address import Address
from picosip_server.sip.message import Request
from picosip_server.sip.ua import commands, events
from picosip_server.sip.ua.commands import Policy, WaitFor
from picosip_server.sip.ua.outputs import FailureKind
from picosip_server.sip.ua.snapshots import CallState, Cause
from tests.engine.memory import ANSWER, Host, Simulation
from tests.sip.ua.peer import Peer
from tests.sip.ua.scene import PEER, RELIABLE, called, ended, result, snapshot

Answers = dict[str, tuple[int, str]]


def script(peer: Peer, answers: Answers) -> list[str]:
    """The peer answers each user's INVITE with a status and contacts. Gives the users asked."""
    asked: list[str] = []

    def on_request(request: Request) -> None:
        if request.method != "INVITE":
            return
        user = request.uri.user or ""
        asked.append(user)
        status, contacts = answers[user]
        fields = [("Contact", contacts)] if contacts else []
        peer.reply(request, status, tag=user, fields=fields, contact=False)

    peer.on_request = on_request
    return asked


def redirects(host: Host) -> list[list[str]]:
    return [
        [str(contact.uri) for contact in event.contacts] for event in host.of(events.CallRedirected)
    ]


def test_by_default_it_is_told_and_not_followed(net: Simulation, host: Host, peer: Peer) -> None:
    """20.10: by q, and one without q first."""
    contacts = (
        "<sip:low@10.0.0.2>;q=0.1, <sip:bad@10.0.0.2>;q=x, <sip:top@10.0.0.2>, "
        "<sip:mid@10.0.0.2>;q=0.5"
    )
    asked = script(peer, {"callee": (302, contacts)})
    token = host.invite(PEER, wait_for=WaitFor.FINAL)
    net.run(1.0)
    assert asked == ["callee"]
    users = ["top", "mid", "low", "bad"]
    assert redirects(host) == [[f"sip:{user}@10.0.0.2" for user in users]]
    assert host.kinds() == ["CallCreated", "CallRedirected", "CallEnded"]
    assert (ended(host).cause, ended(host).status) == (Cause.REDIRECTED, 302)
    assert host.failure(token).status == 302


def test_it_is_followed_target_by_target(net: Simulation, host: Host, peer: Peer) -> None:
    """8.1.3.4: by q; the Call-ID, From tag and To stay, CSeq rises."""
    asked = script(
        peer,
        {
            "callee": (
                302,
                "<sip:c@10.0.0.2?Subject=no>;q=0.1, <tel:+1>, <sip:a@10.0.0.2>, "
                "<sip:b@10.0.0.2>;q=0.5",
            ),
            "a": (486, ""),
            "b": (503, ""),
            "c": (200, "<sip:c@10.0.0.2>"),
        },
    )
    token = host.invite(PEER, policy=Policy(max_redirects=1), wait_for=WaitFor.FINAL)
    net.run(1.0)
    assert asked == ["callee", "a", "b", "c"]
    invites = [message for _, message, _ in peer.received if message.cseq.method == "INVITE"]
    assert len({(each.call_id, each.from_.tag, str(each.to)) for each in invites}) == 1
    assert [each.cseq.number for each in invites] == [1, 2, 3, 4]
    assert invites[-1].start_line == "INVITE sip:c@10.0.0.2 SIP/2.0"
    assert result(host, token).state is CallState.CONFIRMED
    assert snapshot(host).dialogs[0].remote_tag == "c"


@pytest.mark.parametrize(
    "answers, most, asked, status, cause",
    [
        # 8.1.3.4: a 6xx speaks for all.
        (
            {
                "callee": (302, "<sip:a@10.0.0.2>, <sip:b@10.0.0.2>"),
                "a": (603, ""),
                "b": (200, ""),
            },
            1,
            ["callee", "a"],
            603,
            Cause.REJECTED,
        ),
        # Only so many 3xx are followed.
        (
            {
                "callee": (302, "<sip:a@10.0.0.2>"),
                "a": (301, "<sip:b@10.0.0.2>"),
                "b": (302, "<sip:c@10.0.0.2>"),
            },
            2,
            ["callee", "a", "b"],
            302,
            Cause.REDIRECTED,
        ),
        # 8.1.3.4: no target more than once, however often it is named.
        (
            {
                "callee": (302, "<sip:a@10.0.0.2>"),
                "a": (302, "<sip:callee@10.0.0.2>, <sip:%61@10.0.0.2>"),
            },
            5,
            ["callee", "a"],
            302,
            Cause.REDIRECTED,
        ),
        # A 3xx without a target.
        ({"callee": (300, "")}, 5, ["callee"], 300, Cause.REDIRECTED),
        # What the first left is tried when the second cannot be followed.
        (
            {
                "callee": (302, "<sip:a@10.0.0.2>, <sip:b@10.0.0.2>"),
                "a": (302, "<sip:c@10.0.0.2>"),
                "b": (404, ""),
            },
            1,
            ["callee", "a", "b"],
            404,
            Cause.REJECTED,
        ),
    ],
)
def test_where_it_ends(
    net: Simulation,
    host: Host,
    peer: Peer,
    answers: Answers,
    most: int,
    asked: list[str],
    status: int,
    cause: Cause,
) -> None:
    seen = script(peer, answers)
    host.invite(PEER, policy=Policy(max_redirects=most))
    net.run(1.0)
    assert seen == asked
    assert (ended(host).status, ended(host).cause) == (status, cause)


def test_a_target_that_cannot_be_reached_is_passed_over(
    net: Simulation, host: Host, peer: Peer
) -> None:
    """8.1.3.4, 8.1.3.1."""
    host.unreachable.add("10.0.0.9")
    asked = script(
        peer,
        {"callee": (302, "<sip:x@10.0.0.9>, <sip:b@10.0.0.2>"), "b": (200, "<sip:b@10.0.0.2>")},
    )
    host.invite(PEER, policy=Policy(max_redirects=1))
    net.run(1.0)
    assert asked == ["callee", "b"]
    assert snapshot(host).state is CallState.CONFIRMED


def test_an_early_dialog_ends_with_the_redirection(net: Simulation, host: Host, peer: Peer) -> None:
    """13.2.2.3: its offer, which still waits for an answer, is over as well."""
    host.invite(PEER, offer=None, policy=Policy(max_redirects=1))
    net.run(0.1)
    invite = peer.request("INVITE")
    peer.reply(invite, 183, tag="a", fields=RELIABLE, body=ANSWER)
    contact = [("Contact", "<sip:b@10.0.0.2>")]
    peer.reply(invite, 302, tag="a", fields=contact, contact=False)
    net.run(0.1)
    peer.request("ACK")
    second = peer.request("INVITE")
    assert snapshot(host).dialogs == ()
    peer.reply(second, 180, tag="b")
    net.run(20.0)
    assert snapshot(host).state is CallState.EARLY
    # The end by a hangup is not told as the 302 that came long before.
    host.hangup(host.call())
    net.run(0.1)
    cancel = peer.request("CANCEL")
    peer.reply(cancel, 200)
    peer.reply(second, 487, tag="b")
    net.run(0.1)
    assert (ended(host).cause, ended(host).status) == (Cause.CANCELLED, 487)


# As the callee.


def test_redirect_of_an_incoming_call(net: Simulation, host: Host, peer: Peer) -> None:
    """8.3: the 3xx names where to go, and has no Contact of ours."""
    called(net, host, peer)
    contacts = (Address.parse("<sip:a@10.0.0.8>;q=0.7"), Address.parse("<sip:b@10.0.0.9>"))
    token = host.on_call(commands.Redirect, host.call(), contacts=contacts)
    net.run(0.1)
    response = peer.response(302)
    assert response.headers.get_all("Contact") == [str(each) for each in contacts]
    assert response.to.tag
    assert result(host, token).state is CallState.TERMINATED
    assert (ended(host).cause, ended(host).status) == (Cause.REDIRECTED, 302)
    again = host.on_call(commands.Redirect, host.call(), contacts=contacts)
    assert host.failure(again).kind is FailureKind.NOT_FOUND


def test_an_answered_call_is_not_redirected(net: Simulation, host: Host, peer: Peer) -> None:
    called(net, host, peer)
    host.answer(host.call())
    token = host.on_call(commands.Redirect, host.call())
    assert host.failure(token).kind is FailureKind.WRONG_STATE
