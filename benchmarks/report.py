"""The report of a run: medians over its rounds, as JSON, as Markdown, and as a table."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.table import Table

from benchmarks.contenders.base import Contender, Role
from benchmarks.figures import median
from benchmarks.measure import Result

COLUMNS = (
    "clean calls/s",
    "CPU ms/call, server",
    "CPU ms/call, application",
    "setup p50 ms",
    "setup p99 ms",
    "kB/held call, server",
    "kB/held call, application",
)


# For a terminal of 80 columns: what belongs together shares one.
_SHORT = (
    "clean\ncalls/s",
    "CPU ms/call\nserver + app.",
    "setup ms\np50 / p99",
    "kB/held call\nserver + app.",
)


@dataclass(slots=True)
class Entry:
    """A contender and what its rounds gave."""

    contender: Contender
    missing: str = ""
    results: list[Result] = field(default_factory=list)

    def figures(self) -> dict[str, float | None]:
        """The median of each figure, under the names of ``COLUMNS``."""
        done = self.results
        separate = self.contender.driven
        values = {
            COLUMNS[0]: median(float(one.highest) for one in done),
            COLUMNS[1]: median(one.cpu.server if one.cpu else None for one in done),
            COLUMNS[2]: median(one.cpu.application if one.cpu else None for one in done),
            COLUMNS[3]: median(one.setup.p50 if one.setup else None for one in done),
            COLUMNS[4]: median(one.setup.p99 if one.setup else None for one in done),
            COLUMNS[5]: median(
                one.held_memory.server / 1000 if one.held_memory else None for one in done
            ),
            COLUMNS[6]: median(
                one.held_memory.application / 1000 if one.held_memory else None for one in done
            ),
        }
        if not separate:
            values[COLUMNS[2]] = values[COLUMNS[6]] = None
        return values

    @property
    def why(self) -> str:
        """Why there are no figures, where there are none."""
        if self.missing or any(one.highest for one in self.results):
            return self.missing
        if not self.results:
            return "not measured"
        return self.results[-1].why or "not one step was clean"


@dataclass(slots=True)
class Report:
    """All of a run."""

    machine: dict[str, Any]
    options: dict[str, Any]
    entries: list[Entry] = field(default_factory=list)
    interrupted: bool = False
    """Somebody ended the run before it had all rounds of all."""

    def of(self, role: Role) -> list[Entry]:
        """Those on one side of the calls."""
        return [entry for entry in self.entries if entry.contender.role is role]

    def as_json(self) -> str:
        """Everything, with each round."""
        return json.dumps(
            {
                "machine": self.machine,
                "options": self.options,
                "interrupted": self.interrupted,
                "contenders": [
                    {
                        "name": entry.contender.name,
                        "title": entry.contender.title,
                        "role": entry.contender.role.name,
                        "missing": entry.missing,
                        "median": entry.figures(),
                        "rounds": [asdict(result) for result in entry.results],
                    }
                    for entry in self.entries
                ],
            },
            indent=2,
        )

    def as_markdown(self) -> str:
        """Two tables, for those that answer and for those that call, and the machine."""
        parts = [_sentence(self.machine), ""]
        for role in Role:
            head = [_title(role), *COLUMNS]
            parts += ["| " + " | ".join(head) + " |", "|---" + "|---:" * len(COLUMNS) + "|"]
            for entry in self.of(role):
                cells = [entry.contender.title]
                if entry.why:
                    cells.append(entry.why.replace("|", "/").replace("\n", " "))
                    cells += [""] * (len(COLUMNS) - 1)
                else:
                    cells += [_shown(*item) for item in entry.figures().items()]
                parts.append("| " + " | ".join(cells) + " |")
            parts.append("")
        return "\n".join(parts)

    def as_table(self, role: Role) -> Table:
        """For the terminal: those that have figures, best first."""
        table = Table(title=_title(role))
        table.add_column("", no_wrap=True)
        for column in _SHORT:
            table.add_column(column, justify="right", no_wrap=True)
        entries = [entry for entry in self.of(role) if entry.results and not entry.why]
        for entry in sorted(entries, key=lambda one: -(one.figures()[COLUMNS[0]] or 0)):
            rate, *others = (_shown(*item) for item in entry.figures().items())
            cpu, p50, p99, memory = (
                _joined(others[0], others[1]),
                others[2],
                others[3],
                _joined(others[4], others[5]),
            )
            table.add_row(entry.contender.title, rate, cpu, f"{p50} / {p99}", memory)
        return table

    def without_figures(self) -> list[str]:
        """A line for each contender that has none, with the reason."""
        return [f"{entry.contender.name}: {entry.why}" for entry in self.entries if entry.why]

    def write(self, folder: Path) -> None:
        """bench.json and bench.md."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "bench.json").write_text(self.as_json() + "\n")
        (folder / "bench.md").write_text(self.as_markdown())


def _title(role: Role) -> str:
    return "answering SIPp (UAS)" if role is Role.UAS else "calling SIPp (UAC)"


def _joined(server: str, application: str) -> str:
    return server if application == "-" else f"{server} + {application}"


def _shown(column: str, value: float | None) -> str:
    if value is None:
        return "-"
    if column.startswith("clean"):
        return f"{value:,.0f}"
    return f"{value:.2f}" if column.startswith("CPU") else f"{value:.1f}"


def _sentence(machine: dict[str, Any]) -> str:
    named = ", ".join(f"{name} {text}" for name, text in machine["versions"].items())
    return (
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB, "
        f"{machine['system']} {machine['kernel']}; {named}."
    )
