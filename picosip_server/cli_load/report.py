"""The report of a load as a value, and as JSON with a schema of its own.

All times are in seconds, all rates in a second. Later versions of the format may have more fields;
``version`` goes up when the meaning of one changes or one goes.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from picosip_server.cli_load.scenario import read_octets
from picosip_server.settings_file import SettingsError

Kind = Literal["calls", "registrations", "messages", "answers"]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Spread(_Model):
    """How a time was spread over all of them."""

    count: int = 0
    min: float = 0.0
    mean: float = 0.0
    max: float = 0.0
    percentiles: dict[str, float] = Field(
        default_factory=dict, description='By per cent: "50", "99.9".'
    )
    hdr: str = Field(
        default="",
        description="The histogram, as HdrHistogram's V2 compressed octets in base64, in "
        "microseconds; empty where only a part of the load was asked about.",
    )

    def at(self, percent: str) -> float | None:
        """The value at ``"50"``, ``"99"``...; None where nothing was measured."""
        return self.percentiles.get(percent) if self.count else None


class Point(_Model):
    """How the load went in one interval."""

    time: float = Field(description="Its end, from the start of the load on.")
    length: float
    target_rate: float = Field(description="What the profile asked for.")
    start_rate: float
    success_rate: float
    failure_rate: float
    started: int = Field(description="From the start of the load on.")
    active: int = Field(description="At its end.")
    waiting: int = Field(description="Due, but waiting for their turn, at its end.")
    setup: Spread


class Threshold(_Model):
    """A limit and what was reached."""

    name: str = Field(description="The option that set it, without dashes.")
    limit: str
    value: str
    ok: bool


class Difference(_Model):
    """A figure beside that of an earlier report."""

    name: str
    unit: Literal["s", "/s", "%", ""]
    before: float | None
    now: float | None
    change: float | None = Field(
        description="Relative to before: 0.1 is 10 % more. None where one of them is missing, or "
        "the first is 0 and the second is not."
    )
    worse: bool = Field(description="By more than --max-regression, where there is one.")


class Comparison(_Model):
    """What became of the figures of an earlier report."""

    report: str = Field(description="The file that was compared with.")
    start_time: datetime
    differences: list[Difference]


class Report(_Model):
    """One load, from start to end."""

    format: Literal["picosip-load"] = "picosip-load"
    version: Literal[1] = 1
    kind: Kind
    name: str = Field(description="Resource name: loads/{load}.")
    server: str = Field(description='Address of the server that made the load, or "own".')
    server_version: str
    scenario: dict[str, Any] = Field(
        description="The LoadServiceRunRequest as JSON, without secrets and table rows."
    )
    complete: bool = Field(description="Whether the load was followed to its end.")
    start_time: datetime
    end_time: datetime | None = None
    elapsed: float
    started: int
    succeeded: int
    failed: int
    peak_active: int
    rate: float = Field(description="Begun in a second, on average while new ones began.")
    responses: dict[str, int] = Field(description="Final ones by status code.")
    failures: dict[str, int] = Field(description="Failed ones by why.")
    retransmissions_sent: int
    retransmissions_received: int
    setup: Spread
    post_dial_delay: Spread
    teardown: Spread
    series: list[Point]
    thresholds: list[Threshold] = Field(default_factory=list)
    comparison: Comparison | None = None

    def json_text(self) -> str:
        """The file of ``--json``."""
        return self.model_dump_json(indent=2) + "\n"


def schema() -> dict[str, Any]:
    """JSON Schema of the file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Report.model_json_schema(mode="serialization"),
        "title": "Report of picosip load",
    }


def read_report(option: str, path: Path) -> Report:
    """A report that was written before. Raises SettingsError naming the option."""
    try:
        return Report.model_validate_json(read_octets(option, path))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise SettingsError(
            f"{option} {path}: is no report of this version: {where or 'it'}: {first['msg']}"
        ) from error
