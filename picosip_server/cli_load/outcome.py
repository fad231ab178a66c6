"""What is made of a load that has ended: thresholds, comparison, files, exit status."""

from __future__ import annotations

import sys
from pathlib import Path

from rich.console import Console

from picosip_server.cli_load.compare import check_comparable, compare
from picosip_server.cli_load.report import Report, read_report
from picosip_server.cli_load.report_options import ReportOptions
from picosip_server.cli_load.summary import print_summary
from picosip_server.cli_load.thresholds import check
from picosip_server.settings_file import SettingsError

OK, MISSED, CANNOT_RUN = 0, 1, 3
"""Exit statuses; 2 is that of faulty options."""

_STDOUT = Path("-")


class Judge:
    """Made before the load, so that a faulty file is told of then; used after it."""

    def __init__(self, options: ReportOptions, kind: str) -> None:
        """Raises SettingsError where files cannot be read or written."""
        self._options = options
        self._before: Report | None = None
        if options.compare is not None:
            self._before = read_report("--compare", options.compare)
            check_comparable(str(options.compare), self._before, kind)
        elif options.max_regression is not None:
            raise SettingsError("--max-regression: wants --compare")
        for name, path in (("--json", options.json), ("--html", options.html)):
            if path is not None and path != _STDOUT:
                _check_writable(name, path)

    @property
    def console(self) -> Console:
        """Where to speak to people: standard error where the report goes to the output."""
        return Console(stderr=_STDOUT in (self._options.json, self._options.html))

    def judge(self, report: Report) -> int:
        """Prints and writes it; gives the exit status."""
        options = self._options
        comparison = None
        if self._before is not None:
            name = str(options.compare)
            comparison = compare(report, self._before, name, options.max_regression)
        report = report.model_copy(
            update={"thresholds": check(report, options), "comparison": comparison}
        )
        print_summary(self.console, report)
        if options.json is not None:
            _write(options.json, report.json_text())
        if options.html is not None:
            # Only now: jinja2 and the plots take their time to load.
            from picosip_server.cli_load.html import html_text

            _write(options.html, html_text(report, self._before))
        if not report.complete:
            return CANNOT_RUN
        met = all(one.ok for one in report.thresholds)
        worse = comparison is not None and any(one.worse for one in comparison.differences)
        return OK if met and not worse else MISSED


def _check_writable(name: str, path: Path) -> None:
    # Appending nothing: what is there is kept until there is something better.
    try:
        path.open("ab").close()
    except OSError as error:
        raise SettingsError(f"{name} {path}: cannot be written: {error.strerror}") from error


def _write(path: Path, text: str) -> None:
    if path == _STDOUT:
        sys.stdout.write(text)
    else:
        path.write_text(text, "utf-8")
