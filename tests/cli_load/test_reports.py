"""The report as a value, as JSON, as figures beside others, as limits that hold or not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from picosip.v1 import load_service_pb2 as load_pb
from picosip_server.cli_load.compare import check_comparable, compare
from picosip_server.cli_load.history import History
from picosip_server.cli_load.notation import Amount
from picosip_server.cli_load.report import Report, read_report, schema
from picosip_server.cli_load.report_options import ReportOptions
from picosip_server.cli_load.thresholds import check
from picosip_server.settings_file import SettingsError
from tests.cli_load.scripted import NAME, State, report, whole

SCHEMA = Path(__file__).parents[2] / "docs" / "load-report.schema.json"


def made(*reports: load_pb.LoadReport, kind: str = "calls") -> Report:
    """The report of a load that went so."""
    history = History(kind)
    for one in reports:
        history.add(one)
    return history.report(server="own", server_version="1.2.3", scenario={"seed": "1"})


def test_a_report_has_what_the_server_told() -> None:
    found = made(*whole(failed=3))
    assert (found.format, found.version, found.kind, found.name) == (
        "picosip-load",
        1,
        "calls",
        NAME,
    )
    assert (found.started, found.succeeded, found.failed, found.peak_active) == (30, 27, 3, 7)
    assert found.responses == {"200": 27, "486": 3}
    assert found.failures == {"486": 3}
    assert (found.retransmissions_sent, found.retransmissions_received) == (3, 1)
    assert found.complete
    assert found.end_time is not None
    assert (found.end_time - found.start_time).total_seconds() == 3
    assert found.setup.percentiles == {
        "50": 0.001,
        "75": 0.002,
        "90": 0.003,
        "95": 0.004,
        "99": 0.005,
        "99.9": 0.006,
    }
    assert [point.time for point in found.series] == [1.0, 2.0, 3.0, 3.5]
    assert found.series[0].setup.at("50") == 0.001
    assert found.series[0].waiting == 2


def test_the_rate_is_that_of_the_time_in_which_they_begin() -> None:
    # 25 at 10 a second: the third second is not a whole one.
    ends = [report(1.0, 10), report(2.0, 20), report(3.0, 25), report(9.0, 25)]
    assert made(*ends, report(9.5, 25, state=State.STATE_ENDED)).rate == 10.0
    only = report(0.4, 8, state=State.STATE_ENDED)
    only.ClearField("interval")
    assert made(only).rate == 20.0
    assert made(report(0.0, 0)).rate == 0.0


def test_remainders_of_intervals_have_no_point_unless_they_are_all() -> None:
    first, last = report(0.01, 1), report(2.05, 20, state=State.STATE_ENDED)
    for one in (first, last):
        one.interval.length.FromMilliseconds(50)
    found = made(first, report(1.0, 10), report(2.0, 20), last)
    assert [point.time for point in found.series] == [1.0, 2.0]
    assert found.succeeded == 20
    assert [point.time for point in made(first, last).series] == [2.05]


def test_json_there_and_back(tmp_path: Path) -> None:
    found = made(*whole(failed=1))
    found = found.model_copy(
        update={
            "thresholds": check(found, ReportOptions(max_fail=Amount(0, False))),
            "comparison": compare(found, made(*whole()), "before.json", 0.1),
        }
    )
    path = tmp_path / "r.json"
    path.write_text(found.json_text())
    assert read_report("--compare", path) == found
    # A later server may tell more.
    path.write_text(json.dumps({**json.loads(found.json_text()), "more": 1}))
    assert read_report("--compare", path) == found
    path.write_text(json.dumps({**json.loads(found.json_text()), "version": 2}))
    with pytest.raises(SettingsError, match="is no report of this version: version: "):
        read_report("--compare", path)


def test_the_schema_in_the_documentation_is_that_of_the_code() -> None:
    """Made anew by ``picosip load show --schema > docs/load-report.schema.json``."""
    assert json.loads(SCHEMA.read_text()) == schema()


def test_every_field_that_is_written_is_in_the_schema() -> None:
    written = json.loads(made(*whole()).json_text())
    documented = json.loads(SCHEMA.read_text())
    assert set(written) == set(documented["properties"])
    assert set(written["series"][0]) == set(documented["$defs"]["Point"]["properties"])
    assert set(written["setup"]) == set(documented["$defs"]["Spread"]["properties"])


def test_each_threshold() -> None:
    found = made(*whole(failed=3))
    limits = ReportOptions(
        max_fail=Amount(0.1, True),
        min_rate=10.1,
        max_retransmissions=Amount(3, False),
        p50_setup=0.001,
        p95_setup=0.0039,
        p99_setup=0.005,
        max_setup=0.006,
        p50_pdd=0.0005,
        p99_pdd=0.0024,
        p99_teardown=0.00125,
    )
    assert [(one.name, one.ok) for one in check(found, limits)] == [
        ("max-fail", True),
        ("min-rate", False),
        ("max-retransmissions", False),
        ("p50-setup", True),
        ("p95-setup", False),
        ("p99-setup", True),
        ("max-setup", True),
        ("p50-pdd", True),
        ("p99-pdd", False),
        ("p99-teardown", True),
    ]
    assert check(found, ReportOptions()) == []


def test_what_was_not_measured_reaches_no_limit() -> None:
    nothing = load_pb.LoadReport(name=NAME, state=State.STATE_ENDED)
    limits = ReportOptions(p99_setup=1.0, max_setup=1.0, max_fail=Amount(0.5, True))
    assert [(one.name, one.value, one.ok) for one in check(made(nothing), limits)] == [
        ("max-fail", "0 % (0 of 0)", False),
        ("p99-setup", "not measured", False),
        ("max-setup", "not measured", False),
    ]


def test_differences() -> None:
    before, now = made(*whole()), made(*whole(failed=3))
    found = {one.name: one for one in compare(now, before, "b", 0.1).differences}
    assert found["rate"].change == 0.0
    assert (found["failed"].before, found["failed"].now) == (0.0, 0.1)
    # From nothing to something is no share, and worse.
    assert found["failed"].change is None
    assert found["failed"].worse
    assert not found["setup p99"].worse
    assert not any(one.worse for one in compare(now, before, "b", None).differences)


def test_a_lower_rate_is_worse_and_so_is_what_is_no_longer_measured() -> None:
    before, now = made(*whole(rate=20)), made(*whole(rate=10))
    now = now.model_copy(update={"teardown": now.teardown.model_copy(update={"count": 0})})
    worse = [one.name for one in compare(now, before, "b", 0.4).differences if one.worse]
    assert worse == ["rate", "retransmissions", "teardown p99"]
    assert not any(one.worse for one in compare(before, now, "b", 0.0).differences)


def test_only_loads_of_a_kind_are_compared() -> None:
    before = made(*whole(), kind="messages")
    check_comparable("b.json", before, "messages")
    with pytest.raises(SettingsError, match=r"b\.json: is of messages, and this load of calls"):
        check_comparable("b.json", before, "calls")
