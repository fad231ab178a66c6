"""The program as it is run, with real servers: its own, and remote ones."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from picosip.v1 import request_service_pb2 as request_pb, sip_pb2
from picosip_server.cli_load.report import Report
from tests.cli_load.conftest import Ran, RunProgram
from tests.support.app import App, Event
from tests.support.server import PicosipServer
from tests.support.waiting import wait_until

COMMAND = [sys.executable, "-m", "picosip_server", "load"]


def environment(**more: str) -> dict[str, str]:
    """That of the tests without settings of whoever runs them."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PICOSIP_")}
    return {**kept, "COLUMNS": "200", **more}


def run(*arguments: object, **variables: str) -> Ran:
    """Runs ``picosip load`` to its end."""
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        capture_output=True,
        text=True,
        env=environment(**variables),
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


@contextmanager
def answering(*arguments: str) -> Iterator[tuple[str, list[str]]]:
    """A ``picosip load answer``: its port, and, once it has been interrupted, what it wrote."""
    process = subprocess.Popen(
        [*COMMAND, "answer", "--sip", "udp:127.0.0.1:0", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    assert process.stdout is not None
    written: list[str] = []
    try:
        title = process.stdout.readline()
        # The first line of figures says that it answers.
        process.stdout.readline()
        yield title.rpartition(":")[2].strip(), written
        process.send_signal(signal.SIGINT)
        written += process.stdout.read().splitlines()
        assert process.wait(30.0) == 0
    finally:
        process.stdout.close()
        if process.poll() is None:
            process.kill()
            process.wait(10.0)


def test_one_answers_and_another_one_calls(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    with answering("--ringing", "--progress", "100ms", "--delay", "20ms") as (port, written):
        ran = run(
            *["calls", f"127.0.0.1:{port}", "--rate", "100", "--count", "30"],
            *["--header", "X-Number: {n}", "--hold", "uniform:10ms:50ms", "--seed", "1"],
            *["--max-fail", "0", "--p99-setup", "20s", "--p99-pdd", "20s", "--p99-teardown", "20s"],
            *["--json", report, "--html", tmp_path / "report.html"],
        )
    assert (ran.status, ran.err) == (0, "")
    found = Report.model_validate_json(report.read_bytes())
    assert (found.kind, found.complete) == ("calls", True)
    assert (found.started, found.succeeded, found.failed) == (30, 30, 0)
    assert found.responses == {"200": 30}
    assert found.setup.count == found.post_dial_delay.count == found.teardown.count == 30
    assert found.setup.min >= 0.02
    assert found.post_dial_delay.min < 0.02
    assert found.setup.hdr
    assert "</html>" in (tmp_path / "report.html").read_text()
    assert any("ok 30, failed 0" in line for line in written)


def test_a_share_of_busy_ends_misses_a_threshold(load: RunProgram) -> None:
    with answering("--status", "486", "--progress", "100ms") as (port, _):
        ran = load(
            *["calls", f"127.0.0.1:{port}", "--rate", "100", "--count", "5", "--max-fail", "10%"]
        )
    assert (ran.status, ran.err) == (1, "")
    assert "failed  max-fail  100 % (5 of 5), limit 10 %" in ran.out
    assert "responses        486: 5" in ran.out


def test_a_remote_server_calls_itself(load: RunProgram, tmp_path: Path) -> None:
    with PicosipServer(tmp_path / "server") as server:
        at = ["--server", server.grpc]
        begun = load("answer", *at, "--users", "load*", "--detach")
        assert begun.status == 0
        name = begun.out.strip()
        ran = load("calls", server.uri("load{n}", "tcp"), *at, "--count", 5, "--max-fail", 0)
        assert (ran.status, ran.err) == (0, "")
        listed = {
            one["name"]: one for one in json.loads(load("list", *at, "--json").out)["reports"]
        }
        assert len(listed) == 2
        assert listed[name]["state"] == "STATE_RUNNING"
        assert listed[name]["succeeded"] == "5"
        stopped = load("stop", name, *at)
        assert (stopped.status, stopped.out) == (0, f"{name}: 5 ok, 0 failed\n")


def grant(app: App, event: Event) -> None:
    """A registrar that takes all who authenticated as whom they register."""
    if event.WhichOneof("kind") == "incoming_request":
        contacts = [
            header for header in event.incoming_request.headers if header.name.lower() == "contact"
        ]
        app.soon(
            app.requests.Respond.future(
                request_pb.RespondRequest(
                    name=event.resource,
                    status=sip_pb2.SipStatus(code=200),
                    options=sip_pb2.MessageOptions(
                        headers=[*contacts, sip_pb2.Header(name="Expires", value="600")]
                    ),
                )
            )
        )


def test_registrations_and_messages(load: RunProgram, tmp_path: Path) -> None:
    users = tmp_path / "users.toml"
    users.write_text(
        'realm = "x"\n'
        + "".join(f'[[users]]\nuser = "u{n}"\npassword = "pass-{n}"\n' for n in range(3))
    )
    users.chmod(0o600)
    table = tmp_path / "users.csv"
    table.write_text("user,secret\n" + "".join(f"u{n},pass-{n}\n" for n in range(3)))
    with PicosipServer(tmp_path / "server", f"--users={users}") as server:
        app = App(server.grpc, on_event=grant, methods=["REGISTER"])
        ran = load(
            *["register", server.uri("").replace("@", ""), "--csv", table, "--count", 6],
            *["--rate", 100, "--aor", "sip:{user}@example.com", "--user", "{user}"],
            *["--password", "{secret}", "--max-fail", 0, "--json", tmp_path / "r.json"],
        )
        assert (ran.status, ran.err) == (0, "")
        assert "pass-" not in (tmp_path / "r.json").read_text()
        # Each was registered and, at the end, removed.
        requests = [one.incoming_request for one in app.of_kind("incoming_request")]
        assert len(requests) == 12
        assert {one.authenticated_user for one in requests} == {"u0", "u1", "u2"}
        assert app.errors == []
        app.close()
        # Nobody takes messages there.
        ran = load("messages", server.uri("a"), "--count", 3, "--rate", 100, "--max-fail", 0)
        assert ran.status == 1
        assert "failed  max-fail  3, limit 0" in ran.out


def test_targets_are_those_of_load_target_else_loopback(load: RunProgram) -> None:
    for target, flags in (("192.0.2.1", ()), ("127.0.0.1", ("--load-target", "192.0.2.0/24"))):
        ran = load("calls", target, "--count", 1, *flags)
        assert (ran.status, ran.out.count("\n")) == (3, 1)
        assert "PERMISSION_DENIED" in ran.err
        assert target in ran.err


def test_the_own_server_is_gone_at_the_end(load: RunProgram, tmp_path: Path) -> None:
    log = tmp_path / "log"
    ran = load("messages", "127.0.0.1:9", "--count", 1, "--server-log", log, "--progress", "50ms")
    assert ran.status == 0
    assert "drained" in log.read_text()
    assert "stopped" in log.read_text().splitlines()[-1]


def test_the_own_server_ends_with_a_command_that_was_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    process = subprocess.Popen(
        [*COMMAND, "answer", "--progress", "100ms", "--server-log", log],
        stdout=subprocess.PIPE,
        env=environment(TMPDIR=str(tmp_path)),
    )
    assert process.stdout is not None
    with process.stdout as output:
        output.readline()
        output.readline()
        process.kill()
        assert process.wait(10.0) == -signal.SIGKILL
    wait_until(
        lambda: "stopped" in log.read_text("utf-8").splitlines()[-1],
        timeout=20.0,
        what="the end of the server",
    )
