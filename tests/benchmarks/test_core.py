"""What a call costs in the core alone: that it is measured, not how much it is."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_part_of_a_call_has_a_figure() -> None:
    command = [sys.executable, "-m", "benchmarks.core", "--calls", "20"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    caller, callee = done.stdout.splitlines()
    assert re.findall(r"(\w+) \d+[,)]", caller) == [
        *("Invite", "100", "180", "200", "Hangup", "timers")
    ]
    assert re.findall(r"(\w+) \d+[,)]", callee) == [
        *("INVITE", "Progress", "Answer", "ACK", "BYE", "timers")
    ]


def test_registrations_are_spread_in_the_measurement_as_well() -> None:
    command = [sys.executable, "-m", "benchmarks.registrations", "--lines", "100"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    registered, hour, cpu = done.stdout.splitlines()
    assert registered.startswith("100 of 100 registered")
    assert re.match(r"in the last hour \d+: a minute \d+ to \d+, on average \d+;", hour)
    assert cpu.startswith("CPU ")
