"""The server as a process: signals, addresses, TLS."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
import urllib.request
from pathlib import Path

import grpc
import pytest

from picosip.v1 import admin_service_pb2 as admin_pb, admin_service_pb2_grpc as admin_grpc
from picosip_server.service import listening
from picosip_server.service.server import _ONE_SIGNAL
from tests.support.app import App
from tests.support.server import PicosipServer
from tests.support.waiting import wait_until


def info(channel: grpc.Channel) -> admin_pb.GetServerInfoResponse:
    with channel:
        return admin_grpc.AdminServiceStub(channel).GetServerInfo(
            admin_pb.GetServerInfoRequest(), timeout=10
        )


def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    server = PicosipServer(tmp_path / "server", "--drain-timeout=600")
    with App(server.grpc) as app:
        # It rings at this server itself, for ever.
        app.invite(server.uri("bob"))
        app.wait_for("call_received")
        server.process.popen.send_signal(signal.SIGTERM)
        app.wait_for("server_draining")
        drained_from = time.monotonic()
        # One that comes along with the first, as from `timeout`, is no second one.
        server.process.popen.send_signal(signal.SIGTERM)
        wait_until(lambda: time.monotonic() > drained_from + 2 * _ONE_SIGNAL, what="a moment")
        assert app.stats().active_calls == 2
        server.process.popen.send_signal(signal.SIGINT)
        assert server.process.wait(10.0) == 1
    assert not server.ready_file.exists()
    assert [line["event"] for line in server.log_lines()][-2:] == [
        "stopped before everything had ended",
        "stopped",
    ]


def test_a_crash_leaves_its_stacks(tmp_path: Path) -> None:
    server = PicosipServer(tmp_path / "server")
    server.process.popen.send_signal(signal.SIGSEGV)
    assert server.process.wait(10.0) == -signal.SIGSEGV
    server.running.remove(server)
    written = server.process.log.read_text()
    assert "Fatal Python error: Segmentation fault" in written
    assert "picosip_server/service/server.py" in written


def test_an_address_that_is_taken_ends_it_with_a_reason(tmp_path: Path) -> None:
    with PicosipServer(tmp_path / "one") as server:
        for number, flag in enumerate((f"--grpc={server.grpc}", f"--metrics={server.grpc}")):
            with pytest.raises(AssertionError, match="picosip ended at its start") as raised:
                PicosipServer(tmp_path / f"other-{number}", flag)
            lines = str(raised.value).splitlines()
            line = next(
                json.loads(line)
                for line in lines
                if line.startswith("{") and "cannot start" in line
            )
            assert line["level"] == "error"
            assert line["error"]


def test_metrics_are_served_where_the_ready_file_says(tmp_path: Path) -> None:
    with PicosipServer(tmp_path / "server", "--metrics=127.0.0.1:0") as server:
        address = json.loads(server.ready_file.read_text())["metrics"]
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
            assert b"\npicosip_active_calls 0.0\n" in answer.read()


def test_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "grpc.sock"
    with PicosipServer(tmp_path / "server", f"--grpc=unix:{path}") as server:
        ready = json.loads(server.ready_file.read_text())
        assert f"unix:{path}" in ready["grpc"]
        assert info(grpc.insecure_channel(f"unix:{path}")).version == "0.1.0"


def test_plaintext_beyond_this_machine_is_served_with_a_warning(tmp_path: Path) -> None:
    with PicosipServer(tmp_path / "server", "--grpc=0.0.0.0:0") as server:
        warnings = [line for line in server.log_lines() if line["level"] == "warning"]
        assert [line["address"] for line in warnings] == ["0.0.0.0:0"]


@pytest.mark.parametrize(
    ("advertised", "bound", "expected"),
    [
        ("sip.example.com", "0.0.0.0", "sip.example.com"),
        ("", "192.0.2.1", "192.0.2.1"),
        ("", "2001:db8::1", "2001:db8::1"),
    ],
)
def test_the_own_host(advertised: str, bound: str, expected: str) -> None:
    assert listening.own_host(advertised, bound) == expected


@pytest.mark.parametrize("bound", ["0.0.0.0", "::"])
def test_the_own_host_is_found_where_it_is_not_given(bound: str) -> None:
    host = listening.own_host("", bound)
    assert host not in ("", "0.0.0.0", "::")
    assert (":" in host) is (bound == "::")


def make_certificates(folder: Path) -> None:
    """An authority, and a server's and a client's certificate signed by it."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs the openssl program: apt-get install openssl")

    def run(*arguments: str) -> None:
        subprocess.run([openssl, *arguments], cwd=folder, check=True, capture_output=True)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    run("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test")
    for name in ("server", "client"):
        run("req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        (folder / f"{name}.ext").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        run(
            *("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key"),
            *("-CAcreateserial", "-out", f"{name}.pem", "-extfile", f"{name}.ext"),
        )


def test_tls_with_client_certificates(tmp_path: Path) -> None:
    make_certificates(tmp_path)
    with PicosipServer(
        tmp_path / "server",
        f"--tls-cert={tmp_path / 'server.pem'}",
        f"--tls-key={tmp_path / 'server.key'}",
        f"--tls-client-ca={tmp_path / 'ca.pem'}",
    ) as server:
        authority, key, chain = (
            (tmp_path / name).read_bytes() for name in ("ca.pem", "client.key", "client.pem")
        )
        known = grpc.ssl_channel_credentials(authority, key, chain)
        assert info(grpc.secure_channel(server.grpc, known)).version == "0.1.0"
        for channel in (
            grpc.secure_channel(server.grpc, grpc.ssl_channel_credentials(authority)),
            grpc.insecure_channel(server.grpc),
        ):
            with pytest.raises(grpc.RpcError) as raised:
                info(channel)
            assert isinstance(raised.value, grpc.Call)
            assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
        assert not [line for line in server.log_lines() if line["level"] == "warning"]
