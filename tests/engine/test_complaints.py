"""Log lines about bad input: how many there are, and how much is remembered for that."""

from __future__ import annotations

import structlog

from picosip_server.engine.complaints import MOST_SOURCES, Complaints


def test_one_line_a_second_for_each_source() -> None:
    complaints = Complaints()
    with structlog.testing.capture_logs() as logs:
        for now in (10.0, 10.5, 10.999, 11.0, 11.5, 13.0):
            complaints.about("192.0.2.1", now, "bad message", fault="x")
        complaints.about("192.0.2.2", 10.5, "bad message", fault="y")
    first = {"event": "bad message", "log_level": "warning", "source": "192.0.2.1", "fault": "x"}
    assert logs == [
        first | {"suppressed": 0},
        first | {"suppressed": 2},
        first | {"suppressed": 1},
        first | {"source": "192.0.2.2", "suppressed": 0, "fault": "y"},
    ]


def test_a_flood_of_sources_is_bounded() -> None:
    complaints = Complaints()
    with structlog.testing.capture_logs() as logs:
        for number in range(5 * MOST_SOURCES):
            complaints.about(f"source-{number}", 10.0 + number / 1e6, "bad message")
        assert len(logs) == MOST_SOURCES
        # A second later others get their line.
        complaints.about("another", 11.5, "bad message")
        assert len(logs) == MOST_SOURCES + 1
        assert logs[-1]["source"] == "another"
