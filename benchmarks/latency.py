"""From a SIP message to its event at the application."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.contenders.base import Application
from benchmarks.contenders.picosip import PicosipAnswering, Server, application_of
from benchmarks.figures import Spread
from benchmarks.steps import Plan, Step, run_step

# SIPp's clock: date, time of day and seconds since 1970 with their fractions.
CHANGES = {'From: "Alice"': 'From: "[timestamp]"'}


def event_latency(rate: float, seconds: float, folder: Path) -> tuple[Step, Spread | None]:
    """The step, and how old INVITEs were when the application heard of them."""
    with (
        Server(folder / "server") as server,
        application_of(server, "latency_uas", folder=folder) as application,
    ):
        running = PicosipAnswering(server, application)
        run_step(running, Plan(rate=50, calls=50), folder, changes=CHANGES)
        _ages(application)
        step = run_step(
            running, Plan(rate=rate, calls=round(rate * seconds)), folder, changes=CHANGES
        )
        return step, Spread.of(_ages(application))


def _ages(application: Application) -> list[float]:
    application.say({})
    line = application.hear(20.0)
    if line is None:
        raise TimeoutError("the application does not tell what it has measured")
    ages: list[float] = json.loads(line)["ages"]
    return ages
