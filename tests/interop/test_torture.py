"""The messages of RFC 4475, RFC 5118 and RFC 3665 sent to a running server, over UDP and TCP.

Over UDP an answer goes to the packet's source address and the port in Via, so each message is
sent from that port of a loopback address that is free there.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.app import App, Call, answering
from tests.support.corpora import messages, sent_by_port
from tests.support.raw import RawMessage, RawTcp, RawUdp, request
from tests.support.server import PicosipServer

SILENCE = 0

# What RFC 4475 wants of a user agent that is no registrar and where nobody answers the phone.
# Where the RFC leaves a choice there are several.
RFC4475: dict[str, set[int]] = {
    "badaspec": {400},
    "badbranch": {400, 200},
    "baddate": {480},
    "baddn": {400},
    "badinv01": {400},
    "badvers": {505},
    "bcast": {SILENCE},
    "bext01": {420},
    "bigcode": {SILENCE},
    "clerr": {400},
    "cparam01": {405},
    "cparam02": {405},
    "dblreq": {405},
    "esc01": {480},
    "esc02": {501},
    "escnull": {405},
    "escruri": {400, 480},
    "insuf": {400},
    "intmeth": {501},
    "inv2543": {480},
    "invut": {415},
    "longreq": {480},
    "ltgtruri": {400},
    "lwsdisp": {200},
    "lwsruri": {400},
    "lwsstart": {400},
    "mcl01": {400},
    "mismatch01": {400},
    "mismatch02": {501, 400},
    "mpart01": {405},
    "multi01": {400},
    "ncl": {400},
    "noreason": {SILENCE},
    "novelsc": {416},
    "quotbal": {400},
    "regaut01": {405},
    "regbadct": {400},
    "regescrt": {405},
    "scalar02": {400},
    "scalarlg": {SILENCE},
    "sdp01": {406, 400},
    "semiuri": {200},
    "transports": {200},
    "trws": {400, 200},
    "unkscm": {416},
    "unksm2": {405},
    "unreason": {SILENCE},
    "wsinv": {480, 481},
    "zeromf": {200},
}
# Over TCP the length decides: what has none, or two, or an impossible one ends the connection.
RFC4475_TCP: dict[str, set[int]] = {
    **RFC4475,
    "baddn": {SILENCE},  # The line that ends the header is missing: there may be more to come.
    "clerr": {SILENCE},  # So is most of the body.
    "inv2543": {400},
}
CLOSES = {"dblreq", "inv2543", "mcl01", "ncl"}
UNFINISHED = {"baddn", "clerr"}

RFC5118: dict[str, set[int]] = {
    "ipv4-mapped-ipv6": {480},
    "ipv6-bad": {400},
    "ipv6-bug-abnf-3-colons": {200},
    "ipv6-correct-abnf-2-colons": {200},
    "ipv6-good": {405},
    "ipv6-in-sdp": {480},
    "mult-ip-in-header": {481},
    "mult-ip-in-sdp": {480},
    "port-ambiguous": {405},
    "port-unambiguous": {405},
    "via-received-param-no-delim": {200},
    "via-received-param-with-delim": {481},
}


# A response with one of these statuses has to name what would have been right.
EXPLAINED = {405: "Allow", 415: "Accept", 420: "Unsupported"}


@pytest.fixture(params=["udp", "tcp"])
def transport(request: pytest.FixtureRequest) -> str:
    """Over what the messages go."""
    chosen: str = request.param
    return chosen


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PicosipServer]:
    """A server of each test's own: transactions of one message must not meet another's.

    One worker, so that messages of one sender are handled in order.
    """
    with PicosipServer(tmp_path, "--attach-wait=0.05", "--workers=1") as running:
        yield running


class Sender:
    """Sends messages, each from an address of its own, and collects the answers."""

    def __init__(self, server: PicosipServer, transport: str) -> None:
        self.server = server
        self.transport = transport
        self._numbers = iter(range(10_000))

    def answers(self, octets: bytes) -> list[RawMessage]:
        """All answers: those that come before the answer to an OPTIONS sent right after it, and
        the final ones of INVITEs that got a 100 until then."""
        with self._endpoint(octets) as peer:
            peer.send(octets)
            probe = request("OPTIONS", peer)
            peer.send(probe)
            probed = False
            found: list[RawMessage] = []
            while not probed or waiting(found):
                answer = peer.receive()
                assert answer, f"no answer to the OPTIONS after it; before: {found}"
                if answer.one("Call-ID") == RawMessage.read(probe).one("Call-ID"):
                    probed = True
                else:
                    found.append(answer)
            return found

    def answers_until_closed(self, octets: bytes, *, unfinished: bool) -> list[RawMessage]:
        """All answers on a connection that the server has to close."""
        with RawTcp(self.server.tcp) as peer:
            peer.send(octets)
            if unfinished:
                peer.socket.shutdown(socket.SHUT_WR)
            found: list[RawMessage] = []
            while answer := peer.receive():
                found.append(answer)
            assert peer.closed_by_server(), "the connection stays open"
            return found

    def _endpoint(self, octets: bytes) -> RawUdp | RawTcp:
        if self.transport == "tcp":
            return RawTcp(self.server.tcp)
        port = sent_by_port(octets)
        for number in self._numbers:
            host = f"127.66.{number // 250}.{number % 250 + 1}"
            # Somebody may have this port on all addresses: then no other address helps.
            try:
                return RawUdp(self.server.udp, host, port)
            except OSError:
                if number > 9000:
                    raise
        raise OSError(f"port {port} is free on no loopback address")


def waiting(answers: list[RawMessage]) -> bool:
    """Whether an INVITE among those that were answered still waits for its final response."""
    final = {(a.one("Call-ID"), a.one("CSeq")) for a in answers if a.status >= 200}
    return any((a.one("Call-ID"), a.one("CSeq")) not in final for a in answers)


def finals(answers: list[RawMessage]) -> list[int]:
    """The final statuses; whoever explains nothing is left out."""
    return [
        answer.status
        for answer in answers
        if answer.status >= 200
        and (answer.status not in EXPLAINED or answer.one(EXPLAINED[answer.status]))
    ]


def place_call(server: PicosipServer) -> None:
    """The server, after all that, still calls: itself."""
    with App(server.grpc, on_event=answering) as app:
        assert app.stats().active_calls == 0
        call = app.invite(server.uri("itself"))
        app.wait_for("call_confirmed", call)
        assert app.hangup(call).state == Call.STATE_TERMINATED
        app.wait_for_count("call_ended", 2)
        assert app.errors == []


def wrong(got: dict[str, list[int]], table: dict[str, set[int]]) -> dict[str, list[int]]:
    """What came out differently from the table."""
    return {
        name: statuses
        for name, statuses in got.items()
        if statuses not in [[status] if status else [] for status in table[name]]
    }


def test_rfc4475(server: PicosipServer, transport: str) -> None:
    corpus = messages("rfc4475/dat")
    assert corpus.keys() == RFC4475.keys()
    sender = Sender(server, transport)
    got: dict[str, list[int]] = {}
    for name, octets in corpus.items():
        if transport == "tcp" and name in CLOSES | UNFINISHED:
            answers = sender.answers_until_closed(octets, unfinished=name in UNFINISHED)
        else:
            answers = sender.answers(octets)
        got[name] = finals(answers)
    if transport == "tcp":
        # A stream delivers the INVITE after it as well; and 5 octets after that, which are no
        # message, so that the connection ends before anybody could take the call.
        assert got.pop("dblreq") in ([405, 400], [405])
    assert wrong(got, RFC4475_TCP if transport == "tcp" else RFC4475) == {}
    place_call(server)


def test_rfc5118(server: PicosipServer, transport: str) -> None:
    corpus = messages("rfc5118/wire")
    assert corpus.keys() == RFC5118.keys()
    sender = Sender(server, transport)
    got = {name: finals(sender.answers(octets)) for name, octets in corpus.items()}
    assert wrong(got, RFC5118) == {}
    place_call(server)


class Flow:
    """What a lone user agent says to the messages of call flows that it took no part in.

    The RFC's flows use the same branches and Call-IDs again and again, so that many an INVITE is
    the repetition of an earlier one (RFC 3261 section 17.2.3), or comes merged (8.2.2.2).
    """

    def __init__(self, transport: str) -> None:
        self._transport = transport
        self._transactions: dict[str, tuple[str, ...]] = {}

    def expected(self, octets: bytes) -> int:
        """The final status that is right, given what was sent before."""
        message = RawMessage.read(re.sub(rb"\r\n[ \t]+", b" ", octets))
        if message.status:
            return SILENCE
        # Sent-by and branch.
        transaction = re.sub("^SIP/2.0/\\w+ +", "", message.one("Via"))
        if message.method == "ACK":
            if self._transport == "tcp":
                # Timer I is 0 there: nothing is left of the transaction.
                self._transactions.pop(transaction, None)
            return SILENCE
        if message.method == "CANCEL":
            return 200 if transaction in self._transactions else 481
        if message.method == "REGISTER":
            return 405
        if ";tag=" in message.one("To"):
            return 481
        assert message.method == "INVITE"
        if transaction in self._transactions:
            # The 480 goes once more to where the first one came from.
            return SILENCE
        tag = message.one("From").partition(";tag=")[2]
        identity = (message.one("Call-ID"), tag, message.one("CSeq"))
        if identity in self._transactions.values():
            return 482
        self._transactions[transaction] = identity
        return 480


def test_rfc3665(server: PicosipServer, transport: str) -> None:
    corpus = messages("rfc3665", "*.sip")
    sender = Sender(server, transport)
    flow = Flow(transport)
    got: dict[str, list[int]] = {}
    table: dict[str, set[int]] = {}
    for name, octets in corpus.items():
        table[name] = {flow.expected(octets)}
        if transport == "tcp" and b"\nContent-Length" not in octets:
            got[name] = finals(sender.answers_until_closed(octets, unfinished=False))
        else:
            got[name] = finals(sender.answers(octets))
    assert wrong(got, table) == {}
    place_call(server)
