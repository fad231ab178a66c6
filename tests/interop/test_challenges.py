"""Two servers, of which one asks the other who it is: outside calls, and inside one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from picosip.v1 import call_service_pb2 as call_pb, sip_pb2
from tests.support.app import App, answering
from tests.support.server import PicosipServer

USERS = 'realm = "example.com"\n[[users]]\nuser = "alice"\npassword = "wonderland"\n'
ALICE = [sip_pb2.Credentials(username="alice", password="wonderland")]


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PicosipServer]:
    """A server that wants credentials for every request that can have them."""
    folder: Path = tmp_path_factory.mktemp("strict")
    users = folder / "users.toml"
    users.write_text(USERS)
    users.chmod(0o600)
    flags = (
        "--challenge=*",
        "--challenge=BYE",
        "--challenge=PRACK",
        "--respond-timeout=1",
        f"--users={users}",
    )
    with PicosipServer(folder, *flags) as server:
        yield server


def test_every_request_of_a_call_is_challenged_and_answered(
    server: PicosipServer, strict: PicosipServer
) -> None:
    """INVITE, INFO, re-INVITE, BYE: the caller's stack answers each 401 by itself."""
    with App(strict.grpc, on_event=answering) as callee, App(server.grpc) as caller:
        name = caller.invite(strict.uri("bob"), credentials=ALICE)
        caller.wait_for("call_confirmed", name)
        received = callee.wait_for("call_received").call_received
        assert received.call.authenticated_user == "alice"
        theirs = received.call.name
        digit = call_pb.SendDtmfRequest(name=name, digits="5")
        caller.calls.SendDtmf(digit, timeout=20)
        callee.wait_for("dtmf_received", theirs)
        with pytest.raises(grpc.RpcError, match="INVITE was answered with 488"):
            # Nobody answers the offer; but it came so far.
            caller.calls.Hold(call_pb.HoldRequest(name=name), timeout=20)
        offered = callee.wait_for("incoming_request", theirs).incoming_request
        assert (offered.method, offered.authenticated_user) == ("INVITE", "alice")
        caller.hangup(name)
        callee.wait_for("call_ended", theirs)
        challenged = callee.stats().counters["responses_sent_4xx"]
        # Credentials that are known go along; each nonce count is good for one request.
        assert challenged >= 1
        caller.leave_nothing()
        callee.leave_nothing()


def test_without_credentials_nobody_gets_in(server: PicosipServer, strict: PicosipServer) -> None:
    with App(strict.grpc, on_event=answering) as callee, App(server.grpc) as caller:
        name = caller.invite(strict.uri("bob"))
        ended = caller.wait_for("call_ended", name).call_ended
        assert ended.termination.status.code == 401
        assert callee.of_kind("call_received") == []


def test_who_is_called_is_not_asked(server: PicosipServer, strict: PicosipServer) -> None:
    """It has no account with the caller."""
    with App(server.grpc, on_event=answering) as callee, App(strict.grpc) as caller:
        name = caller.invite(server.uri("bob"))
        caller.wait_for("call_confirmed", name)
        theirs = callee.wait_for("call_received").resource
        callee.calls.SendDtmf(call_pb.SendDtmfRequest(name=theirs, digits="7"), timeout=20)
        caller.wait_for("dtmf_received", name)
        callee.hangup(theirs)
        caller.wait_for("call_ended", name)
        caller.leave_nothing()
        callee.leave_nothing()
