"""RFC 3263 against SIPp: a call reaches the second server of a domain where the first fails."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.sipp import Sipp
from tests.support.app import App, Termination
from tests.support.nameserver import NameServer
from tests.support.server import PicosipServer

pytestmark = pytest.mark.peer("sipp")

DOMAIN = "far.test"
NAPTR = {
    "udp": ['10 10 "s" "SIP+D2U" "" _sip._udp.far.test.'],
    "tcp": ['10 10 "s" "SIP+D2T" "" _sip._tcp.far.test.'],
}


@pytest.fixture(scope="module")
def names() -> Iterator[NameServer]:
    with NameServer(ttl=0) as running:
        yield running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, names: NameServer) -> Iterator[PicosipServer]:
    """It gives a silent address up after 3.2 seconds, 64 times T1."""
    host, port = names.address
    flags = (f"--dns-server={host}:{port}", "--sip-t1=0.05")
    with PicosipServer(tmp_path_factory.mktemp("picosip"), *flags) as running:
        yield running


@contextlib.contextmanager
def nobody(transport: str) -> Iterator[int]:
    """A port that is taken: over TCP it refuses, over UDP it says nothing."""
    kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]


@contextlib.contextmanager
def refusing(directory: Path) -> Iterator[int]:
    """A server that has 503 for the one call that comes."""
    keys = {"status": "503 Service Unavailable", "header": "Retry-After: 60"}
    with Sipp("rfc3261-s13.2.2.3-refused-uas", directory, keys=keys) as sipp:
        yield sipp.port
        assert sipp.finish().successful == 1


@pytest.mark.parametrize(
    ("first", "transport"), [("refuses", "tcp"), ("says 503", "udp"), ("is silent", "udp")]
)
def test_a_call_reaches_the_second_server_where_the_first(
    server: PicosipServer, names: NameServer, tmp_path: Path, first: str, transport: str
) -> None:
    """Section 4.3: a transport failure, a 503, a timeout."""
    fails = refusing(tmp_path) if first == "says 503" else nobody(transport)
    with (
        App(server.grpc) as app,
        fails as bad,
        Sipp("rfc3261-s13.2-call-uas", tmp_path, transport=transport) as sipp,
    ):
        names.records = {
            f"NAPTR {DOMAIN}": NAPTR[transport],
            f"SRV _sip._{transport}.{DOMAIN}": [
                f"1 0 {bad} one.{DOMAIN}.",
                f"2 0 {sipp.port} two.{DOMAIN}.",
            ],
            f"A one.{DOMAIN}": ["127.0.0.1"],
            f"A two.{DOMAIN}": ["127.0.0.1"],
        }
        call = app.invite(f"sip:ute@{DOMAIN}")
        app.wait_for("call_confirmed", call, timeout=30.0)
        app.hangup(call)
        assert sipp.finish().successful == 1
        (invite,) = [each for each in sipp.received() if each.start_line.startswith("INVITE")]
        # The name of the domain stays in the request; each attempt is a transaction of its own.
        assert invite.start_line == f"INVITE sip:ute@{DOMAIN} SIP/2.0"
        app.leave_nothing()


def test_a_domain_that_offers_no_sip_is_not_called(
    server: PicosipServer, names: NameServer
) -> None:
    """RFC 2782: a target of "."; its address is not tried instead."""
    with App(server.grpc) as app:
        names.asked.clear()
        names.records = {
            f"SRV _sip._udp.{DOMAIN}": ["0 0 0 ."],
            f"SRV _sip._tcp.{DOMAIN}": ["0 0 0 ."],
            f"A {DOMAIN}": ["127.0.0.1"],
        }
        call = app.invite(f"sip:ute@{DOMAIN}")
        ended = app.wait_for("call_ended", call).call_ended
        assert ended.termination.cause == Termination.CAUSE_TRANSPORT_FAILURE
        assert names.asked == [
            f"NAPTR {DOMAIN} UDP",
            f"SRV _sip._udp.{DOMAIN} UDP",
            f"SRV _sip._tcp.{DOMAIN} UDP",
        ]
        app.leave_nothing()
