"""What is seen on the terminal while it runs."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from benchmarks.contenders.base import Contender
from benchmarks.steps import Plan, Step


class Live:
    """A line for each step that has ended, a bar for the one that runs and one for the whole."""

    def __init__(self, console: Console, total: int) -> None:
        self.console = console
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:.0f}/{task.total:.0f}{task.fields[unit]}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._whole = self._progress.add_task("measurements", total=total, unit="")
        self._step = self._progress.add_task("", total=1, unit=" s", visible=False)

    def begin(self, contender: Contender, number: int, of: int) -> None:
        """A contender's turn in a round."""
        self.console.print(f"[bold]{contender.name}[/] ({contender.title}), round {number} of {of}")
        self._progress.update(self._step, description=contender.name, visible=True)

    def end(self) -> None:
        """The turn is over."""
        self._progress.update(self._whole, advance=1)
        self._progress.update(self._step, visible=False)

    def watch(self, plan: Plan, seconds: float) -> None:
        """So much of a plan has passed."""
        self._progress.update(
            self._step, total=plan.seconds, completed=min(seconds, plan.seconds), visible=True
        )

    def told(self, contender: Contender, what: str, step: Step | None, why: str = "") -> None:
        """A step has ended."""
        if step is None:
            self.console.print(f"  {what:>14}  [red]failed[/]  {escape(why)}")
            return
        verdict = "[green]clean[/]" if step.clean else "[yellow]not clean[/]"
        cpu = step.cpu_per_call
        figures = f"CPU {cpu.server:.2f}"
        if cpu.application:
            figures += f" + {cpu.application:.2f}"
        figures += " ms/call"
        if step.setup is not None:
            figures += f", setup p50 {step.setup.p50:.0f} ms p99 {step.setup.p99:.0f} ms"
        self.console.print(f"  {what:>14}  {verdict}  {escape(why) or figures}")

    def __enter__(self) -> Live:
        self._progress.__enter__()
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._progress.__exit__(error_type, error, traceback)
