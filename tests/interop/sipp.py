"""Runs SIPp with a scenario of ours and reads its statistics."""

from __future__ import annotations

import csv
import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from tests.interop.blocks import expand
from tests.support.process import Process
from tests.support.raw import RawMessage
from tests.support.waiting import free_port, is_bound, wait_until

SCENARIOS = Path(__file__).with_name("scenarios")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What SIPp counted."""

    successful: int
    failed: int
    retransmissions: int
    """Messages that SIPp sent again."""


class Sipp:
    """A SIPp process. Without ``server`` it waits for calls on ``port``.

    ``calls``: it ends by itself after so many. ``pause``: milliseconds of each ``<pause/>``.
    ``keys``: what stands for ``[name]`` in the scenario (SIPp's own -key comes too late for
    a status code), besides what ``tests/interop/blocks.py`` has for all.
    """

    def __init__(
        self,
        scenario: str,
        directory: Path,
        *,
        server: tuple[str, int] | None = None,
        transport: str = "udp",
        calls: int = 1,
        rate: int = 50,
        pause: int = 0,
        user: str = "interop",
        keys: Mapping[str, str] | None = None,
        flags: tuple[str, ...] = (),
        timeout: int = 50,
        host: str = "127.0.0.1",
        messages: bool = True,
    ) -> None:
        self.scenario = scenario
        self.port = free_port()
        self._host = f"[{host}]" if ":" in host else host
        self._home = directory / f"{scenario}-{self.port}"
        self._home.mkdir(parents=True)
        self._waits = server is None
        self._kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
        command: list[str | Path] = ["sipp"]
        if server is not None:
            command.append(f"{server[0]}:{server[1]}")
        text = expand((SCENARIOS / f"{scenario}.xml").read_text(), dict(keys or {}))
        (self._home / "scenario.xml").write_text(text)
        command += ["-sf", "scenario.xml"]
        command += ["-i", host, "-bind_local", "-p", str(self.port)]
        command += ["-t", "u1" if transport == "udp" else "t1"]
        command += ["-m", str(calls), "-r", str(rate), "-l", str(max(calls, 10)), "-d", str(pause)]
        command += ["-s", user, "-nostdin", "-timeout", str(timeout), "-timeout_error"]
        command += ["-buff_size", "4000000", "-cid_str", "%u-%p-" + str(self.port) + "@%s"]
        command += ["-trace_err", "-error_file", "errors.log"]
        command += ["-trace_stat", "-stf", "stat.csv", "-fd", "1"]
        if messages:
            command += ["-trace_msg", "-message_file", "messages.log"]
        self.process = Process([*command, *flags], self._home / "screen.log", cwd=self._home)
        if self._waits:
            wait_until(self._listening, what=f"SIPp listening with {scenario}")

    def _listening(self) -> bool:
        assert self.process.running, f"SIPp ended at its start:\n{self.process.tail()}"
        return is_bound(self._kind, self.port)

    @property
    def uri(self) -> str:
        """Where it is called."""
        suffix = ";transport=tcp" if self._kind is socket.SOCK_STREAM else ""
        return f"sip:sipp@{self._host}:{self.port}{suffix}"

    def finish(self, timeout: float = 55.0) -> Outcome:
        """Waits for its end; every call must have gone as the scenario says."""
        status = self.process.wait(timeout)
        outcome = self._outcome()
        assert status == 0, f"SIPp ({self.scenario}): status {status}, {outcome}\n{self._why()}"
        return outcome

    def wait_until(self, met: Callable[[], bool], what: str) -> None:
        """Waits while SIPp runs; ``met`` looks at what it has received."""
        wait_until(met, what=f"{what} at SIPp ({self.scenario})")

    def received(self) -> list[RawMessage]:
        """All messages that SIPp received, repeated ones included."""
        log = self._home / "messages.log"
        text = log.read_bytes() if log.exists() else b""
        found = re.findall(
            rb"\n\w+ message received[^\n]*\n\n(.*?)\n(?=------------------|\Z)", b"\n" + text, re.S
        )
        return [RawMessage.read(octets) for octets in found]

    def _outcome(self) -> Outcome:
        with (self._home / "stat.csv").open() as file:
            names, *_, last = csv.reader(file, delimiter=";")
        values = dict(zip(names, last, strict=False))
        return Outcome(
            successful=int(values["SuccessfulCall(C)"]),
            failed=int(values["FailedCall(C)"]),
            retransmissions=int(values["Retransmissions(C)"]),
        )

    def _why(self) -> str:
        errors = self._home / "errors.log"
        text = errors.read_text("utf-8", "replace") if errors.exists() else self.process.tail()
        return text[-4000:]

    def __enter__(self) -> Sipp:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.process.kill()
