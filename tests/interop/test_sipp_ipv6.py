"""Calls between SIPp and picoSIP over IPv6."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.sipp import Sipp
from tests.support.app import App, answering
from tests.support.server import PicosipServer

HOST = "::1"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PicosipServer]:
    """A server that listens on the IPv6 loopback address alone."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind((HOST, 0))
    except OSError as error:
        pytest.skip(f"this machine has no IPv6: {error}")
    with PicosipServer(tmp_path_factory.mktemp("picosip"), host=f"[{HOST}]") as running:
        yield running


@pytest.mark.peer("sipp")
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_calls_both_ways(server: PicosipServer, tmp_path: Path, transport: str) -> None:
    with App(server.grpc, on_event=answering) as app:
        where = (f"[{HOST}]", server.ports[transport])
        with Sipp(
            "rfc3261-s13.2-call-uac",
            tmp_path,
            server=where,
            transport=transport,
            calls=10,
            host=HOST,
        ) as sipp:
            assert sipp.finish().successful == 10
        with Sipp(
            "rfc3261-s13.2-call-uas", tmp_path, transport=transport, calls=10, host=HOST
        ) as sipp:
            calls = [app.invite(sipp.uri, sender=f"sip:interop@[{HOST}]") for _ in range(10)]
            for call in calls:
                app.wait_for("call_confirmed", call)
                app.hangup(call)
            assert sipp.finish().successful == 10
        app.wait_for_count("call_ended", 20)
        assert app.errors == []
        app.leave_nothing()
