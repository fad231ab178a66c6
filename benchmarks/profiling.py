"""Where the time of a server goes: py-spy looks at it while it gets calls."""

from __future__ import annotations

import re
import shutil
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contenders.base import Contender
from benchmarks.course import WARM_UP
from benchmarks.process import Process, ProcessEnded
from benchmarks.steps import Plan, Step, run_step

_LEAD = 1.0
"""Seconds for it to begin."""
_PATIENCE = 30.0
"""Seconds for it to write down what it saw."""
_WAITS = re.compile(r"(__GI_)?_*(epoll_p?wait|poll|select|futex|pthread_cond_\w+wait\w*)\b").match
_WAITS_FOR_A_LOCK = re.compile(r"(PyThread_acquire_lock|acquire_timed|take_gil)").match
_INNERMOST = 4
"""Frames within which a lock shows that is waited for: what is below has no names."""

# The innermost frame that one of these knows says whose time it is.
_LAYERS: dict[str, re.Pattern[str]] = {
    "garbage collector": re.compile(r"(gc_collect|_PyGC_|gc_list_|visit_(decref|reachable))"),
    "reading and writing sockets": re.compile(
        r"((__GI_|__libc_)?(send|recv)(to|from|msg)?\b|.*picosip_server/engine/transport/)"
    ),
    "protobuf": re.compile(r".*(_message\.|google/protobuf/|upb)"),
    "protocol and engine": re.compile(
        r".*picosip_server/(sip|sdp|engine)/|.*picosip_server__mypyc|CPyDef_"
    ),
    "service: events, commands, streams": re.compile(r".*picosip_server/(service|logs)"),
    "gRPC": re.compile(r".*(cygrpc|grpc/)"),
    "event loop": re.compile(r".*(loop\.c|asyncio|uv__|uv_run|_asynciomodule)"),
}
OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Shares of the samples in which the server did not wait, 0 to 1."""

    samples: int
    layers: dict[str, float]
    """By whose code ran; they add up to 1."""
    functions: list[tuple[str, float, float]]
    """Each with all that it calls, and by itself; the greatest first."""


def read(lines: Iterable[str]) -> Profile:
    """From what ``py-spy record --format raw`` writes: a stack, outermost first, and a count."""
    layers: Counter[str] = Counter()
    within: Counter[str] = Counter()
    alone: Counter[str] = Counter()
    total = 0
    for line in lines:
        stack, _, count = line.strip().rpartition(" ")
        frames = stack.split(";")
        if not stack or _WAITS(frames[-1]) or any(map(_WAITS_FOR_A_LOCK, frames[-_INNERMOST:])):
            continue
        number = int(count)
        total += number
        layers[_layer(frames)] += number
        alone[frames[-1]] += number
        for frame in set(frames):
            within[frame] += number
    whole = max(1, total)
    return Profile(
        samples=total,
        layers={name: count / whole for name, count in layers.most_common()},
        functions=[
            (frame, count / whole, alone[frame] / whole) for frame, count in within.most_common()
        ],
    )


def _layer(frames: list[str]) -> str:
    for frame in reversed(frames):
        for name, known in _LAYERS.items():
            if known.match(frame):
                return name
    return OTHER


def py_spy() -> Path | None:
    """The program, beside this Python or on the path."""
    beside = Path(sys.executable).with_name("py-spy")
    found = beside if beside.exists() else shutil.which("py-spy")
    return None if found is None else Path(found)


def profile(
    program: Path,
    contender: Contender,
    rate: float,
    seconds: float,
    looks: int,
    folder: Path,
) -> tuple[Step, Profile]:
    """Calls at that rate, and so many looks a second at the server meanwhile. ProcessEnded if
    py-spy may not."""
    raw = folder / "stacks.txt"
    with contender.start(folder / "contender") as running:
        server, _ = running.processes()
        assert server is not None
        run_step(running, WARM_UP, folder / "warm")
        options = ["--native", "--format", "raw", "--rate", str(looks)]
        command: list[str | Path] = [program, "record", *options]
        command += ["--duration", str(max(1, round(seconds)))]
        command += ["--output", raw, "--pid", str(server.pid)]
        with Process(command, folder / "py-spy.log") as looking:
            calls = max(1, round(rate * (seconds + _LEAD)))
            step = run_step(running, Plan(rate=rate, calls=calls), folder / "calls")
            looking.wait(_PATIENCE)
            if looking.poll() != 0:
                raise ProcessEnded(f"py-spy cannot look:\n{looking.tail()}")
    return step, read(raw.read_text().splitlines())
