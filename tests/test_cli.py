"""The command line: help that teaches, one line for each fault, the health check."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent import futures
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import grpc
import pytest
import trustme
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from picosip_server.cli import main
from picosip_server.settings import Settings, flag


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.upper().startswith("PICOSIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "200")


@dataclass(frozen=True)
class Run:
    """What a run of the program gave."""

    status: int
    out: str
    err: str


RunProgram = Callable[..., Run]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> RunProgram:
    """Runs the program in this process."""

    def run(*arguments: str) -> Run:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        out, err = capsys.readouterr()
        return Run(int(ended.value.code or 0), out, err)

    return run


def test_help_names_every_setting_with_its_default(run: RunProgram) -> None:
    shown = run("serve", "--help")
    assert (shown.status, shown.err) == (0, "")
    for name, field in Settings.model_fields.items():
        assert f" {flag(name)} " in shown.out
        if isinstance(field.default, str | float | int) and field.default:
            assert f"[default: {field.default}]" in shown.out, name
    assert "[default: 127.0.0.1:50051]" in shown.out
    assert "[default: udp:0.0.0.0:5060 tcp:0.0.0.0:5060]" in shown.out
    assert "PICOSIP_LOG_LEVEL=debug" in shown.out
    assert "picosip serve --config picosip.toml" in shown.out


def test_without_a_command_the_help_is_shown(run: RunProgram) -> None:
    shown = run()
    assert shown.status == 2
    assert "serve" in shown.out + shown.err
    assert "health" in shown.out + shown.err
    assert "picosip: " not in shown.err


def test_version(run: RunProgram) -> None:
    assert run("--version") == Run(0, f"picosip {version('picosip-server')}\n", "")


@pytest.mark.parametrize("program", [["-m", "picosip_server"], ["-c", "run_script"]])
def test_both_ways_to_start_it(program: list[str]) -> None:
    command = (
        [sys.executable, *program]
        if program[0] == "-m"
        else [str(Path(sys.executable).with_name("picosip"))]
    )
    done = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"picosip {version('picosip-server')}\n"
    done = subprocess.run(
        [*command, "serve", "--workers=x"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "picosip: --workers 'x': expected a whole number from 0 to 256\n"


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        (["serve", "--prot", "x"], ["picosip: No such option: --prot"]),
        (["serve", "--workers"], ["picosip: Option '--workers' requires an argument."]),
        (["fly"], ["picosip: No such command 'fly'."]),
        (
            ["serve", "--workers=-1", "--sip", "udp:127.0.0.1:0", "--sip", "sctp:127.0.0.1:0"],
            [
                "picosip: --sip 'sctp:127.0.0.1:0': "
                "the transport must be one of udp, tcp, tls, ws, wss, not 'sctp'; "
                "expected TRANSPORT:ADDR:PORT, such as udp:0.0.0.0:5060 or tcp:[::]:5060",
                "picosip: --workers '-1': expected a whole number from 0 to 256",
            ],
        ),
        (
            ["serve", "--config", "/nowhere/picosip.toml"],
            ["picosip: --config /nowhere/picosip.toml: cannot be read: No such file or directory"],
        ),
        (
            ["health", "--grpc", "x"],
            [
                "picosip: --grpc 'x': the port is missing; "
                "expected ADDR:PORT or unix:PATH, such as 127.0.0.1:50051"
            ],
        ),
        (
            ["health", "--tls-ca", "/nowhere/ca.pem"],
            ["picosip: /nowhere/ca.pem cannot be read: No such file or directory"],
        ),
        (
            ["health", "--tls-cert", __file__],
            ["picosip: a certificate (--tls-cert) and its key (--tls-key) need each other"],
        ),
        (["health", "--tls-ca", __file__], [f"picosip: {__file__} must have certificates in PEM"]),
    ],
)
def test_a_fault_is_one_line_and_status_2(
    run: RunProgram, arguments: list[str], lines: list[str]
) -> None:
    shown = run(*arguments)
    assert (shown.status, shown.out) == (2, "")
    assert shown.err.splitlines() == lines


@dataclass
class HealthServer:
    """A gRPC server with nothing but its health."""

    servicer: health.HealthServicer
    port: int


ServeHealth = Callable[..., HealthServer]


@pytest.fixture
def serve_health() -> Iterator[ServeHealth]:
    """Starts servers that tell their health, with TLS or without."""
    servers = []

    def start(
        host: str = "127.0.0.1", credentials: grpc.ServerCredentials | None = None
    ) -> HealthServer:
        server = grpc.server(futures.ThreadPoolExecutor(2), options=[("grpc.so_reuseport", 0)])
        servicer = health.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
        address = f"{host}:0"
        port = (
            server.add_insecure_port(address)
            if credentials is None
            else server.add_secure_port(address, credentials)
        )
        server.start()
        servers.append(server)
        return HealthServer(servicer, port)

    yield start
    for server in servers:
        server.stop(None).wait()


def test_health_follows_what_the_server_says(run: RunProgram, serve_health: ServeHealth) -> None:
    server = serve_health()
    target = f"127.0.0.1:{server.port}"
    assert run("health", "--grpc", target) == Run(0, f"{target}: SERVING\n", "")
    server.servicer.set("", health_pb2.HealthCheckResponse.NOT_SERVING)
    assert run("health", "--grpc", target) == Run(1, f"{target}: NOT_SERVING\n", "")
    server.servicer.set("picosip.v1.CallService", health_pb2.HealthCheckResponse.SERVING)
    assert run("health", "--grpc", target, "--service", "picosip.v1.CallService").status == 0
    unknown = run("health", "--grpc", target, "--service", "other")
    assert unknown.status == 1
    assert unknown.out.startswith(f"{target}: NOT_FOUND")


def test_health_asks_this_machine_for_an_address_to_listen_on(
    run: RunProgram, serve_health: ServeHealth, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve_health("0.0.0.0")
    monkeypatch.setenv("PICOSIP_GRPC", f"0.0.0.0:{server.port},127.0.0.1:1")
    assert run("health") == Run(0, f"0.0.0.0:{server.port}: SERVING\n", "")


def test_health_of_nobody(run: RunProgram, tmp_path: Path) -> None:
    asked = run("health", "--grpc", f"unix:{tmp_path}/none.sock", "--timeout", "2")
    assert asked.status == 1
    assert ": UNAVAILABLE: " in asked.out


def test_health_over_tls_with_a_certificate_of_our_own(
    run: RunProgram,
    serve_health: ServeHealth,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    authority = trustme.CA()
    server_certificate = authority.issue_cert("sip.example.com")
    client_certificate = authority.issue_cert("client.example.com")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    client_certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    client_certificate.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    server = serve_health(
        credentials=grpc.ssl_server_credentials(
            [
                (
                    server_certificate.private_key_pem.bytes(),
                    server_certificate.cert_chain_pems[0].bytes(),
                )
            ],
            authority.cert_pem.bytes(),
            require_client_auth=True,
        )
    )
    target = f"127.0.0.1:{server.port}"
    known = ["--grpc", target, "--tls-ca", f"{tmp_path}/ca.pem", "--tls-name", "sip.example.com"]
    ours = ["--tls-cert", f"{tmp_path}/cert.pem", "--tls-key", f"{tmp_path}/key.pem"]
    assert run("health", *known, *ours) == Run(0, f"{target}: SERVING\n", "")
    assert run("health", *known).status == 1
    assert run("health", "--grpc", target).status == 1
    assert run("health", "--grpc", target, "--tls").status == 1
    # The HEALTHCHECK of an image is told by its environment.
    monkeypatch.setenv("PICOSIP_GRPC", target)
    for name in ("ca", "cert", "key"):
        monkeypatch.setenv(f"PICOSIP_HEALTH_TLS_{name.upper()}", f"{tmp_path}/{name}.pem")
    monkeypatch.setenv("PICOSIP_HEALTH_TLS_NAME", "sip.example.com")
    assert run("health") == Run(0, f"{target}: SERVING\n", "")
