"""``picosip load`` at a scripted server: what it asks for, shows, writes, and ends with."""

from __future__ import annotations

import json
from pathlib import Path

import grpc
import pytest
import trustme

from picosip_server.cli_load.report import Report
from tests.cli_load.conftest import RunProgram
from tests.cli_load.scripted import NAME, ScriptedLoads, ScriptedServer, report, whole


def test_a_load_is_followed_to_its_end(load: RunProgram, server: ScriptedServer) -> None:
    ran = load("calls", "127.0.0.1:5060", "--server", server.target, "--count", "30")
    assert (ran.status, ran.err) == (0, "")
    (request,) = server.loads.requests
    assert request.calls.invite.to_address.uri == "sip:127.0.0.1:5060"
    assert request.profile.count == 30
    lines = ran.out.splitlines()
    assert lines[0] == f"calls to sip:127.0.0.1:5060 by {server.target}"
    assert lines[1] == "  1.0 s  rate 9.5/s of 10/s  active 2  ok 8  failed 0  p50 1 ms  p99 5 ms"
    assert "outcome          ok 30, failed 0" in ran.out
    assert "setup            p50 1 ms  p90 3 ms  p99 5 ms  p99.9 6 ms  max 6 ms" in ran.out


@pytest.mark.parametrize(
    ("arguments", "title"),
    [
        (["register", "127.0.0.1"], "registrations at sip:127.0.0.1"),
        (["messages", "sip:a@127.0.0.1"], "messages to sip:a@127.0.0.1"),
        (["answer"], "answering at udp:127.0.0.1:5060"),
    ],
)
def test_every_kind_of_load(
    load: RunProgram, server: ScriptedServer, arguments: list[str], title: str
) -> None:
    ran = load(*arguments, "--server", server.target)
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.splitlines()[0] == f"{title} by {server.target}"


def test_quiet_prints_the_end_alone(load: RunProgram, server: ScriptedServer) -> None:
    ran = load("calls", "127.0.0.1", "--server", server.target, "--quiet")
    assert ran.out.splitlines()[0].rstrip() == "calls            30 in 3.5 s"


def test_thresholds_make_the_exit_status(load: RunProgram) -> None:
    with ScriptedServer(ScriptedLoads(whole(failed=3))) as server:
        at = ["calls", "127.0.0.1", "--server", server.target, "--quiet"]
        held = load(*at, "--max-fail", "10%", "--p99-setup", "5ms", "--min-rate", "10")
        missed = load(*at, "--max-fail", "2", "--p99-setup", "4ms", "--max-retransmissions", "4")
    assert held.status == 0
    assert "ok  max-fail   10 % (3 of 30), limit 10 %" in held.out
    assert "ok  p99-setup  5 ms, limit 5 ms" in held.out
    assert "ok  min-rate   10/s, limit 10/s" in held.out
    assert missed.status == 1
    assert "failed  max-fail             3, limit 2" in missed.out
    assert "failed  p99-setup            5 ms, limit 4 ms" in missed.out
    assert "ok      max-retransmissions  4, limit 4" in missed.out


def test_reports_are_written_and_compared(
    load: RunProgram, server: ScriptedServer, tmp_path: Path
) -> None:
    before, now, page = (tmp_path / name for name in ("before.json", "now.json", "now.html"))
    at = ["calls", "127.0.0.1", "--server", server.target, "--quiet"]
    assert load(*at, "--json", before).status == 0
    server.loads.reports[-1] = report(
        3.5, 30, state=server.loads.reports[-1].state, setup=(1.0, 2.0, 3.0, 4.0, 5.6, 6.0)
    )
    ran = load(*at, "--json", now, "--html", page, "--compare", before, "--max-regression", "10%")
    assert ran.status == 1
    assert f"compared with {before} of 2027-01-15 08:00:00 UTC" in ran.out
    (line,) = (line for line in ran.out.splitlines() if line.startswith("setup p99"))
    assert line.split() == ["setup", "p99", "5", "ms", "5.6", "ms", "+12.0", "%", "worse"]
    written = Report.model_validate_json(now.read_bytes())
    assert written.comparison is not None
    assert [one.name for one in written.comparison.differences if one.worse] == [
        "setup p99",
        "post-dial delay p99",
        "teardown p99",
    ]
    assert "setup p99" in page.read_text("utf-8")
    # A fifth worse is allowed: all is well.
    assert load(*at, "--compare", before, "--max-regression", "20%").status == 0
    # The same from the files alone.
    shown = load("show", now, "--compare", before, "--max-regression", "10")
    assert shown.status == 1
    assert line in shown.out.splitlines()


def test_json_on_the_output_leaves_people_the_other_stream(
    load: RunProgram, server: ScriptedServer
) -> None:
    ran = load("calls", "127.0.0.1", "--server", server.target, "--json", "-", "--max-fail", "0")
    assert json.loads(ran.out)["thresholds"] == [
        {"name": "max-fail", "limit": "0", "value": "0", "ok": True}
    ]
    assert "outcome" in ran.err


def test_print_scenario_runs_nothing(load: RunProgram) -> None:
    ran = load("messages", "sip:a@127.0.0.1", "--rate", "5", "--print-scenario")
    assert ran.status == 0
    assert json.loads(ran.out)["profile"] == {"constant": 5.0, "duration": "10s"}


def test_a_detached_load_is_left_and_found_again(load: RunProgram, server: ScriptedServer) -> None:
    server.loads.reports = [report(0.0, 0)]
    server.loads.listed = [report(2.0, 1200, failed=3, active=5)]
    at = ["--server", server.target]
    begun = load("calls", "127.0.0.1", *at, "--detach")
    assert (begun.status, begun.out) == (0, f"{NAME}\n")
    assert server.loads.requests[0].detached
    assert server.loads.left.wait(10.0)
    listed = load("list", *at)
    assert listed.out.splitlines()[1].split() == [
        *[NAME, "running", "2.0", "s", "1,200", "1,192", "3", "5", "5", "ms"]
    ]
    assert json.loads(load("list", *at, "--json").out)["reports"][0]["name"] == NAME
    stopped = load("stop", NAME, *at, "--hang-up")
    assert (stopped.status, stopped.out) == (0, f"{NAME}: 20 ok, 0 failed\n")
    assert [(one.name, one.hang_up) for one in server.loads.stops] == [(NAME, True)]
    unknown = load("stop", "loads/none", *at)
    assert unknown.status == 3
    assert unknown.err == "picosip: NOT_FOUND: no load loads/none\n"


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, 2),
        (grpc.StatusCode.PERMISSION_DENIED, 3),
        (grpc.StatusCode.UNIMPLEMENTED, 3),
    ],
)
def test_a_load_that_is_refused(
    load: RunProgram, server: ScriptedServer, code: grpc.StatusCode, status: int
) -> None:
    server.loads.reports = []
    server.loads.failure = (code, "not like this")
    ran = load("calls", "127.0.0.1", "--server", server.target)
    assert ran.status == status
    assert ran.err.startswith("picosip: ")
    assert ran.err.endswith("not like this\n")


def test_a_server_that_goes_away(load: RunProgram, server: ScriptedServer) -> None:
    server.loads.reports = [report(1.0, 10)]
    server.loads.failure = (grpc.StatusCode.UNAVAILABLE, "gone")
    ran = load("calls", "127.0.0.1", "--server", server.target)
    assert ran.status == 3
    assert ran.err == (f"picosip: the server stopped reporting on {NAME}: UNAVAILABLE: gone\n")


def test_nobody_there(load: RunProgram, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("picosip_server.cli_load.connection._PATIENCE", 0.2)
    address = f"unix:{tmp_path}/none"
    ran = load("calls", "127.0.0.1", "--server", address)
    assert (ran.status, ran.err) == (3, f"picosip: no answer from {address} within 0.2 s\n")


def test_over_tls(load: RunProgram, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    ours, theirs = authority.issue_cert("load.example.com"), authority.issue_cert("sip.example.com")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    ours.private_key_pem.write_to_path(tmp_path / "key.pem")
    ours.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    secure = grpc.ssl_server_credentials(
        [(theirs.private_key_pem.bytes(), theirs.cert_chain_pems[0].bytes())],
        authority.cert_pem.bytes(),
        require_client_auth=True,
    )
    for name in ("ca", "cert", "key"):
        monkeypatch.setenv(f"PICOSIP_LOAD_TLS_{name.upper()}", f"{tmp_path}/{name}.pem")
    with ScriptedServer(ScriptedLoads(whole()), secure) as server:
        ran = load(
            *["calls", "127.0.0.1", "--server", server.target, "--tls-name", "sip.example.com"]
        )
    assert (ran.status, ran.err) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["calls", "x", "--hold", "1 parsec"], "Invalid value for '--hold'"),
        (["calls", "x", "--rate", "0"], "'0' must be above zero"),
        (["calls", "x", "--seed", "x"], "Invalid value for '--seed'"),
        (["calls"], "TARGET is missing"),
        (["calls", "x", "--fly"], "No such option: --fly"),
        (["calls", "x", "--detach"], "--detach: wants --server"),
        (["calls", "x", "--tls"], "--tls and the like: want --server"),
        (["calls", "x", "--server", "x:1", "--sip", "udp:127.0.0.1:0"], "not of --server"),
        (["calls", "x", "--sip", "smoke:127.0.0.1:0"], "--sip 'smoke:127.0.0.1:0': the transport"),
        (["calls", "x", "--server", "x"], "--server 'x': the port is missing"),
        (["calls", "x", "--server", "x:1", "--tls-cert", __file__], "need each other"),
        (["calls", "x", "--max-regression", "1%"], "--max-regression: wants --compare"),
        (["calls", "x", "--compare", "/nowhere/r.json"], "--compare /nowhere/r.json: cannot be"),
        (["calls", "x", "--compare", __file__], "is no report of this version"),
        (["calls", "x", "--json", "/nowhere/r.json"], "--json /nowhere/r.json: cannot be written"),
        (["list"], "--server is missing"),
        (["stop", "--server", "x:1"], "Missing argument 'NAME'"),
        (["show"], "REPORT.json is missing"),
    ],
)
def test_a_fault_is_told_before_anything_runs(
    load: RunProgram, arguments: list[str], says: str
) -> None:
    ran = load(*arguments)
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith("picosip: ")
    assert says in ran.err


def test_help_teaches(load: RunProgram) -> None:
    whole_help = load("--help").out
    for word in ("{n:05}", "{column}", "Exit status", "Ctrl-C"):
        assert word in whole_help
    for command in ("calls", "register", "messages", "answer", "stop"):
        assert f"picosip load {command} " in load(command, "--help").out
    calls = load("calls", "--help").out
    assert calls.index("What each one is") < calls.index("How much and when")
    assert calls.index("How much and when") < calls.index("What must hold")
