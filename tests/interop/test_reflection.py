"""buf curl, and grpcurl where it is installed, know the API from the reflection service alone."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.process import Process
from tests.support.raw import RawUdp
from tests.support.server import PicosipServer
from tests.support.waiting import wait_until

BUF = Path(sys.executable).with_name("buf")
SERVICES = {
    "grpc.health.v1.Health",
    "picosip.v1.AdminService",
    "picosip.v1.CallService",
    "picosip.v1.EventService",
    "picosip.v1.RegistrationService",
    "picosip.v1.RequestService",
    "picosip.v1.SubscriptionService",
}


MEDIA = {"type": "audio", "port": 4000, "protocol": "RTP/AVP", "formats": ["0"]}


class Buf:
    """``buf curl``."""

    def __init__(self, target: str) -> None:
        self.url = f"http://{target}"
        self.command = [str(BUF), "curl", "--http2-prior-knowledge", "--protocol", "grpc"]

    def services(self) -> set[str]:
        return set(output([*self.command, "--list-services", self.url]).split())

    def methods(self, service: str) -> set[str]:
        listed = output([*self.command, "--list-methods", self.url]).split()
        return {m.split("/")[1] for m in listed if m.startswith(f"{service}/")}

    def call(self, method: str, request: dict[str, Any]) -> list[str]:
        return [*self.command, "-d", json.dumps(request), f"{self.url}/{method}"]


class Grpcurl:
    """``grpcurl``."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.command = ["grpcurl", "-plaintext"]

    def services(self) -> set[str]:
        return set(output([*self.command, self.target, "list"]).split())

    def methods(self, service: str) -> set[str]:
        listed = output([*self.command, self.target, "list", service]).split()
        return {m.removeprefix(f"{service}.") for m in listed}

    def call(self, method: str, request: dict[str, Any]) -> list[str]:
        return [*self.command, "-d", json.dumps(request), self.target, method]


def output(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


@pytest.fixture(params=[Buf, *([Grpcurl] if shutil.which("grpcurl") else [])])
def client(server: PicosipServer, request: pytest.FixtureRequest) -> Buf | Grpcurl:
    client: Buf | Grpcurl = request.param(server.grpc)
    return client


@pytest.fixture
def events(client: Buf | Grpcurl, tmp_path: Path) -> Iterator[Process]:
    """The Events stream, printed as JSON for as long as the test runs."""
    request = {"progressInterval": "0.050s"}
    process = Process(client.call("picosip.v1.EventService/Events", request), tmp_path / "events")
    wait_until(lambda: "cursor" in process.tail(), what="the first response of Events")
    yield process
    process.kill()


def test_services_are_listed(client: Buf | Grpcurl) -> None:
    assert client.services() >= SERVICES


def test_methods_are_listed(client: Buf | Grpcurl) -> None:
    assert client.methods("picosip.v1.RegistrationService") == {
        "Register",
        "Unregister",
        "GetRegistration",
        "ListRegistrations",
    }
    assert client.methods("picosip.v1.CallService") >= {"Invite", "Answer", "Hangup", "GetCall"}


def test_server_info(client: Buf | Grpcurl, server: PicosipServer) -> None:
    info = json.loads(output(client.call("picosip.v1.AdminService/GetServerInfo", {})))
    ports = {listener["transport"]: listener["port"] for listener in info["listeners"]}
    assert ports == {"TRANSPORT_UDP": server.udp[1], "TRANSPORT_TCP": server.tcp[1]}
    assert "100rel" in info["optionTags"]


def test_call_and_its_events(client: Buf | Grpcurl, server: PicosipServer, events: Process) -> None:
    with RawUdp(server.udp) as phone:
        request = {
            "fromAddress": {"uri": "sip:interop@127.0.0.1"},
            "toAddress": {"uri": f"sip:phone@127.0.0.1:{phone.port}"},
            "offer": {"sdp": {"media": [MEDIA]}},
            "labels": {"by": "hand"},
        }
        made = json.loads(output(client.call("picosip.v1.CallService/Invite", request)))["call"]
        invite = phone.receive()
        assert invite is not None
        assert invite.method == "INVITE"
        assert b"m=audio 4000 RTP/AVP 0\r\n" in invite.body
        get = client.call("picosip.v1.CallService/GetCall", {"name": made["name"]})
        assert json.loads(output(get))["call"]["state"] == "STATE_CALLING"
        phone.refuse(invite, "486 Busy Here")
        wait_until(lambda: "callEnded" in events.tail(20000), what="the end of the call")
    seen = events.tail(20000)
    assert seen.index("callCreated") < seen.index("callEnded")
    assert made["name"] in seen
    assert '"by"' in seen


def test_error_is_understood(client: Buf | Grpcurl) -> None:
    command = client.call("picosip.v1.CallService/GetCall", {"name": "calls/none-such"})
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode != 0
    text = (done.stdout + done.stderr).lower().replace("_", "")
    assert "notfound" in text
