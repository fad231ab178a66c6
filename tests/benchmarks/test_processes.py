"""What the driver starts ends with it, however it ends."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from benchmarks.contenders.base import ROOT
from benchmarks.process import Process, ProcessEnded
from tests.support.waiting import wait_until

SLEEPER = [sys.executable, "-c", "import time; time.sleep(600)"]


def test_a_process_is_ended_where_its_block_is_left(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), Process(SLEEPER, tmp_path / "log") as process:
        assert process.running
        raise ZeroDivisionError
    assert not psutil.pid_exists(process.pid)


def test_what_it_has_used_is_known_after_its_end(tmp_path: Path) -> None:
    work = "import time\nwhile time.process_time() < 0.2: pass"
    process = Process([sys.executable, "-c", work], tmp_path / "log")
    assert process.wait(30.0)
    assert process.cpu() >= 0.2
    assert process.rss() == 0


def test_a_process_that_ended_is_told_with_its_last_words(tmp_path: Path) -> None:
    process = Process([sys.executable, "-c", "raise SystemExit('no more')"], tmp_path / "log")
    assert process.wait(30.0)
    with pytest.raises(ProcessEnded, match="ended with 1:\nno more"):
        process.check()


@pytest.mark.peer("sipp")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_leaves_nothing_behind(number: signal.Signals, tmp_path: Path) -> None:
    driver = subprocess.Popen(
        [sys.executable, "-m", "benchmarks", "--only=sipp-uas", f"--output={tmp_path}"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        watched = psutil.Process(driver.pid)
        # Both SIPps, the one that answers and the one that calls.
        wait_until(lambda: len(watched.children()) == 2, timeout=30.0, what="two children")
        children = watched.children()
        driver.send_signal(number)
        output, _ = driver.communicate(timeout=30.0)
    finally:
        driver.kill()
    assert driver.returncode not in (0, -number), output
    assert [child for child in children if child.is_running()] == []
