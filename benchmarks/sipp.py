"""SIPp as the far end: its command line, and what its statistics say."""

from __future__ import annotations

import csv
import re
import signal
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import TracebackType

from benchmarks.figures import Spread
from benchmarks.ports import HOST, free_port, wait_bound
from benchmarks.process import Process

SCENARIOS = Path(__file__).with_name("scenarios")
_RECEIVE_BUFFER = 4_000_000
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d\t[\d:.]+\t[\d.]+: ")
_NOISE = ("The following events occurred", "Maximum number of open sockets")


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What SIPp has counted so far."""

    elapsed: float = 0.0
    """Seconds since its start."""
    created: int = 0
    current: int = 0
    """Calls that live."""
    successful: int = 0
    failed: int = 0
    resent: int = 0
    """Messages sent again, and those that came when their call was over or never was."""
    causes: dict[str, int] = field(default_factory=dict)
    """Why calls failed, in SIPp's words."""

    @classmethod
    def read(cls, text: str) -> Counts:
        """From what ``-trace_stat`` has written: the last complete row."""
        rows = list(csv.reader(text[: text.rfind("\n") + 1].splitlines(), delimiter=";"))
        if len(rows) < 2:
            return cls()
        row = dict(zip(rows[0], rows[-1], strict=False))
        return cls(
            elapsed=_moment(row["CurrentTime"]) - _moment(row["StartTime"]),
            created=int(row["TotalCallCreated"]),
            current=int(row["CurrentCall"]),
            successful=int(row["SuccessfulCall(C)"]),
            failed=int(row["FailedCall(C)"]),
            resent=sum(
                int(row[f"{name}(C)"])
                for name in ("Retransmissions", "OutOfCallMsgs", "DeadCallMsgs")
            ),
            causes={
                cause[1]: int(value)
                for name, value in row.items()
                if (cause := _cause(name or "")) and int(value)
            },
        )


_cause = re.compile(r"Failed(?!Call\()(\w+)\(C\)").fullmatch


def _moment(text: str) -> float:
    # Date, time of day and seconds since 1970, with tabs between them.
    *_, seconds = text.split("\t")
    return float(seconds) if "." in seconds else datetime.fromisoformat(text).timestamp()


def received_again(text: str) -> int:
    """From what ``-trace_counts`` has written: messages that came once more than expected."""
    rows = list(csv.reader(text[: text.rfind("\n") + 1].splitlines(), delimiter=";"))
    if len(rows) < 2:
        return 0
    received = {name.removesuffix("_Recv") for name in rows[0] if name.endswith("_Recv")}
    return sum(
        int(value)
        for name, value in zip(rows[0], rows[-1], strict=False)
        if name.endswith("_Retrans") and name.removesuffix("_Retrans") in received
    )


def counted(text: str) -> dict[str, int]:
    """From what ``-trace_counts`` has written: each column without its index, added up."""
    rows = list(csv.reader(text[: text.rfind("\n") + 1].splitlines(), delimiter=";"))
    found: dict[str, int] = {}
    if len(rows) > 1:
        for name, value in zip(rows[0][2:], rows[-1][2:], strict=False):
            index, _, rest = name.partition("_")
            if index.isdigit():
                found[rest] = found.get(rest, 0) + int(value)
                found[name] = int(value)
    return found


def response_times(text: str) -> list[float]:
    """From what ``-trace_rtt`` has written: milliseconds, in whole ones."""
    lines = text[: text.rfind("\n") + 1].splitlines()[1:]
    return [float(line.split(";")[1]) for line in lines]


def first_complaint(text: str) -> str:
    """From what ``-trace_err`` has written, without the moment and the open file warning."""
    for line in text.splitlines():
        for part in _MOMENT.split(line):
            if part.strip() and not part.startswith(_NOISE):
                return part.strip()
    return ""


class Sipp:
    """A SIPp process, which ends by itself after ``calls`` of them.

    With ``server`` it calls there at ``rate`` a second and hangs up after ``hold`` seconds;
    without, it is called. ``changes``: what is put in the place of what in the scenario.
    """

    def __init__(
        self,
        folder: Path,
        *,
        calls: int,
        server: int | None = None,
        rate: float = 0.0,
        hold: float = 0.0,
        changes: Mapping[str, str] | None = None,
        flags: tuple[str, ...] = (),
    ) -> None:
        self.port = free_port()
        self.calls = calls
        self._folder = folder / f"sipp-{self.port}"
        self._folder.mkdir(parents=True)
        scenario = (SCENARIOS / ("uac.xml" if server else "uas.xml")).read_text()
        for old, new in (changes or {}).items():
            if old not in scenario:
                raise ValueError(f"the scenario has no {old}")
            scenario = scenario.replace(old, new, 1)
        (self._folder / "scenario.xml").write_text(scenario)
        command: list[str | Path] = ["sipp"]
        if server is not None:
            command += [f"{HOST}:{server}", "-r", f"{rate:g}", "-d", str(round(hold * 1000))]
            command += ["-l", str(calls), "-trace_rtt", "-rtt_freq", str(min(50, calls))]
        command += ["-sf", "scenario.xml", "-m", str(calls), "-s", "bench"]
        command += ["-i", HOST, "-p", str(self.port), "-t", "u1", "-nostdin"]
        command += ["-buff_size", str(_RECEIVE_BUFFER), "-cid_str", f"%u-%p-{self.port}@%s"]
        command += ["-trace_stat", "-stf", "stat.csv", "-fd", "1", "-trace_counts"]
        command += ["-trace_err", "-error_file", "errors.log"]
        self.process = Process([*command, *flags], self._folder / "screen.log", cwd=self._folder)
        try:
            wait_bound(self.process, self.port, socket.SOCK_DGRAM)
        except BaseException:
            # A few calls may have come and gone before anybody looked.
            if self.process.poll() not in (0, 1):
                self.process.kill()
                raise

    @property
    def uri(self) -> str:
        """Where it is called."""
        return f"sip:bench@{HOST}:{self.port}"

    def counts(self) -> Counts:
        """What it has counted, up to a second ago while it runs."""
        return Counts.read(self._text("stat.csv"))

    def received_again(self) -> int:
        """Messages that it received more than once."""
        return received_again(self._text("*_counts.csv"))

    def messages(self) -> dict[str, int]:
        """How often each message of the scenario came or went, as ``counted`` has them."""
        return counted(self._text("*_counts.csv"))

    def setup(self) -> Spread | None:
        """INVITE to 200 (callers)."""
        return Spread.of(response_times(self._text("*_rtt.csv")))

    def why(self) -> str:
        """What it complained about first; empty if it did not."""
        return first_complaint(self._text("errors.log"))

    def _text(self, pattern: str) -> str:
        for path in self._folder.glob(pattern):
            return path.read_text("latin-1")
        return ""

    def finish(self, patience: float) -> None:
        """Gives it this long to end by itself, then has it quit."""
        if not self.process.wait(patience):
            self.process.send_signal(signal.SIGUSR1)
            if not self.process.wait(1.0):
                self.process.kill()

    def __enter__(self) -> Sipp:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.process.kill()
