"""What is shown while a load runs: a live picture on a terminal, else a line at a time."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from picosip.v1 import load_service_pb2 as load_pb
from picosip_server.cli_load.history import History, spread
from picosip_server.cli_load.report import Spread
from picosip_server.cli_load.words import (
    counts_text,
    rate_text,
    span_text,
    sparkline,
    time_text,
)

_STATES = {
    load_pb.LoadReport.STATE_RUNNING: "running",
    load_pb.LoadReport.STATE_STOPPING: "ending",
    load_pb.LoadReport.STATE_ENDED: "ended",
}
_PERCENTS = ("50", "90", "99", "99.9")
_SPARK = 60


class View(Protocol):
    """A context manager that is told of each report."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

    def update(self, history: History) -> None:
        """There is a new report."""

    def note(self, text: str) -> None:
        """Something else that whoever watches should know."""


class Lines:
    """A line for each report."""

    def __init__(self, console: Console, *, quiet: bool = False) -> None:
        self._console = console
        self._quiet = quiet

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Nothing was begun."""

    def update(self, history: History) -> None:
        """Prints it."""
        if self._quiet or history.last is None or not history.points:
            return
        last, point = history.last, history.points[-1]
        words = [
            f"{span_text(point.time):>7}",
            f"rate {rate_text(point.start_rate)} of {rate_text(point.target_rate)}"
            if point.target_rate
            else f"rate {rate_text(point.start_rate)}",
            f"active {point.active:,}",
            f"ok {last.succeeded:,}",
            f"failed {last.failed:,}",
        ]
        for percent in ("50", "99"):
            value = point.setup.at(percent)
            if value is not None:
                words.append(f"p{percent} {time_text(value)}")
        if last.state == load_pb.LoadReport.STATE_STOPPING:
            words.append("ending")
        self._console.print("  ".join(words), markup=False, highlight=False, soft_wrap=True)

    def note(self, text: str) -> None:
        """Prints it."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


class Picture:
    """A picture that is drawn anew with each report."""

    def __init__(
        self, console: Console, title: str, *, count: int = 0, duration: float = 0.0
    ) -> None:
        """``count`` and ``duration`` (seconds) bound the load; 0: no such bound."""
        self._title = title
        self._count = count
        self._duration = duration
        self._note = ""
        self._history: History | None = None
        self._bar = Progress(
            BarColumn(bar_width=40), TextColumn("{task.fields[text]}"), console=console
        )
        self._task = self._bar.add_task("", total=None, text="")
        self._live = Live(console=console, auto_refresh=False, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._live.stop()

    def update(self, history: History) -> None:
        """Draws it."""
        self._history = history
        self._draw()

    def note(self, text: str) -> None:
        """Draws it below."""
        self._note = text
        self._draw()

    def _draw(self) -> None:
        self._live.update(self.render(), refresh=True)

    def render(self) -> RenderableType:
        """The picture as it is now."""
        history = self._history
        if history is None or history.last is None:
            return Text.assemble((self._title, "bold"), "  starting")
        last = history.last
        self._advance(last)
        parts: list[RenderableType] = [
            Text.assemble(
                (self._title, "bold"),
                (f"  {last.name}  {_STATES.get(last.state, '')}", "dim"),
                overflow="ellipsis",
                no_wrap=True,
            ),
            self._bar,
            _figures(history, last),
        ]
        if self._note:
            parts.append(Text(self._note, style="yellow"))
        return Group(*parts)

    def _advance(self, last: load_pb.LoadReport) -> None:
        elapsed = last.elapsed.ToNanoseconds() / 1e9
        text = f"{last.started:,} in {span_text(elapsed)}"
        # Whichever bound is nearer is the one that ends it.
        shares = []
        if self._count:
            text = f"{last.started:,}/{self._count:,} in {span_text(elapsed)}"
            shares.append(last.started / self._count)
        if self._duration:
            shares.append(elapsed / self._duration)
            text += f" of {span_text(self._duration)}"
        if shares:
            self._bar.update(self._task, total=1.0, completed=min(max(shares), 1.0))
        self._bar.update(self._task, text=text)


def _figures(history: History, last: load_pb.LoadReport) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="cyan")
    table.add_column(no_wrap=True, overflow="ellipsis")
    table.add_column(no_wrap=True, overflow="crop")
    points = history.points
    if points:
        rate = rate_text(points[-1].start_rate)
        if points[-1].target_rate:
            rate += f" of {rate_text(points[-1].target_rate)}"
        table.add_row("rate", rate, sparkline([one.start_rate for one in points], _SPARK))
    active = f"{last.active:,}, at most {last.peak_active:,}"
    if last.waiting:
        active += f", waiting {last.waiting:,}"
    table.add_row("active", active, sparkline([float(one.active) for one in points], _SPARK))
    table.add_row(
        "setup p99",
        _at(points[-1].setup, "99") if points else "",
        sparkline([one.setup.at("99") or 0.0 for one in points], _SPARK),
    )
    grid = Table.grid()
    grid.add_row(table)
    rest = Table.grid(padding=(0, 2))
    rest.add_column(style="cyan")
    rest.add_column(no_wrap=True, overflow="ellipsis")
    for name, histogram in (
        ("setup", last.setup),
        ("post-dial delay", last.post_dial_delay),
        ("teardown", last.teardown),
    ):
        if histogram.count:
            rest.add_row(name, percentiles_text(spread(histogram)))
    ended = Text(f"ok {last.succeeded:,}  ")
    ended.append(f"failed {last.failed:,}", style="bold red" if last.failed else "")
    again = last.retransmissions_sent + last.retransmissions_received
    ended.append(f"  retransmissions {again:,}", style="yellow" if again else "")
    rest.add_row("outcome", ended)
    if last.responses:
        rest.add_row("responses", counts_text(last.responses))
    if last.failures:
        rest.add_row("failures", counts_text(last.failures))
    grid.add_row(rest)
    return grid


def percentiles_text(values: Spread) -> str:
    """``p50 1.2 ms  p90 ...  max 40 ms``."""
    found = [f"p{one} {_at(values, one)}" for one in _PERCENTS if values.at(one) is not None]
    return "  ".join([*found, f"max {time_text(values.max)}"])


def _at(values: Spread, percent: str) -> str:
    value = values.at(percent)
    return "" if value is None else time_text(value)
