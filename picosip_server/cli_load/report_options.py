"""Options that say what is written of a load, and what it must have reached."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from picosip_server.cli_load import notation
from picosip_server.cli_load.option import LIMITS, REPORT, option, switch


@dataclass(kw_only=True)
class ReportOptions:
    """Reports, thresholds, comparison."""

    json: Annotated[
        Path | None, option("--json", "FILE", "Write the report as JSON; - for stdout.", REPORT)
    ] = None
    html: Annotated[
        Path | None,
        option("--html", "FILE", "Write it as one HTML page with plots.", REPORT),
    ] = None
    quiet: Annotated[bool, switch("--quiet", "No figures while it runs.", REPORT)] = False
    compare: Annotated[
        Path | None,
        option("--compare", "REPORT.json", "Print the differences to an earlier report.", REPORT),
    ] = None
    max_regression: Annotated[
        float | None,
        option(
            "--max-regression",
            "PERCENT",
            "No figure may be worse than that of --compare by more than this.",
            LIMITS,
            notation.share,
        ),
    ] = None
    max_fail: Annotated[
        notation.Amount | None,
        option(
            "--max-fail",
            "N|PERCENT%",
            "So many may fail, such as 0 or 0.1%.",
            LIMITS,
            notation.amount,
        ),
    ] = None
    min_rate: Annotated[
        float | None,
        option(
            "--min-rate",
            "N",
            "So many must begin in a second, on average while new ones begin.",
            LIMITS,
            notation.positive_rate,
        ),
    ] = None
    max_retransmissions: Annotated[
        notation.Amount | None,
        option(
            "--max-retransmissions",
            "N|PERCENT%",
            "So many messages may be sent again, by either side; a share is of those begun.",
            LIMITS,
            notation.amount,
        ),
    ] = None
    p50_setup: Annotated[
        float | None,
        option(
            "--p50-setup",
            "TIME",
            "Half must be set up in this time.",
            LIMITS,
            notation.positive_seconds,
        ),
    ] = None
    p95_setup: Annotated[
        float | None,
        option("--p95-setup", "TIME", "95 % must be.", LIMITS, notation.positive_seconds),
    ] = None
    p99_setup: Annotated[
        float | None,
        option("--p99-setup", "TIME", "99 % must be.", LIMITS, notation.positive_seconds),
    ] = None
    max_setup: Annotated[
        float | None,
        option("--max-setup", "TIME", "All must be.", LIMITS, notation.positive_seconds),
    ] = None
    p50_pdd: Annotated[
        float | None,
        option(
            "--p50-pdd",
            "TIME",
            "Half must ring in this time (post-dial delay).",
            LIMITS,
            notation.positive_seconds,
        ),
    ] = None
    p99_pdd: Annotated[
        float | None,
        option("--p99-pdd", "TIME", "99 % must ring.", LIMITS, notation.positive_seconds),
    ] = None
    p99_teardown: Annotated[
        float | None,
        option(
            "--p99-teardown",
            "TIME",
            "99 % of the BYEs must be answered in this time.",
            LIMITS,
            notation.positive_seconds,
        ),
    ] = None
