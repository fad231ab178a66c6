"""``python -m tests.fuzz`` looks for faults for a time, or sends many messages to a server.

The parsers run under atheris where it is installed (``pip install --group fuzz``), which looks for
ways that it has not seen yet; else, and for the user agent in memory, changes are by chance alone.
What was found is printed with what brings it back, and is to become a test.
"""

from __future__ import annotations

import argparse
import importlib.util
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

AGENT = "agent"
PARSERS = ("message", "sdp", "framer", "websocket")
"""Those of ``tests.fuzz.parsers``, which is not imported before atheris is there to watch it."""


def main() -> None:
    """All targets, one after the other, in equal shares of the time; 1 if one found something."""
    options = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    options.add_argument("--seconds", type=float, default=60.0)
    options.add_argument("--seed", type=int, default=random.randrange(2**31))
    options.add_argument("--target", choices=[*PARSERS, AGENT])
    options.add_argument("--server", type=int, metavar="MESSAGES")
    given = options.parse_args()
    if given.server:
        _server(given.server, given.seed)
    elif given.target:
        _run(given.target, given.seconds, given.seed)
    else:
        share = str(given.seconds / (len(PARSERS) + 1))
        outcomes = [
            subprocess.run(
                [
                    *(sys.executable, "-m", "tests.fuzz", "--seconds", share),
                    *("--target", target, "--seed", str(given.seed)),
                ],
                check=False,
            ).returncode
            for target in (*PARSERS, AGENT)
        ]
        sys.exit(any(outcomes))


def _run(target: str, seconds: float, seed: int) -> None:
    end = time.monotonic() + seconds
    done = 0
    if target == AGENT:
        from tests.fuzz.simulated import Fuzzed

        while time.monotonic() < end:
            print(f"\r{AGENT}: seed {seed + done}", end="", flush=True)
            run = Fuzzed(seed + done, transport=("UDP", "TCP")[done % 2])
            run.run(1000)
            run.check()
            done += 1
        print(f"\r{AGENT}: {done} runs of 1000 messages from seed {seed} on, nothing found")
    elif importlib.util.find_spec("atheris"):
        _guided(target, seconds, seed)
    else:
        from tests.fuzz import parsers

        for data in parsers.mutated(target, random.Random(seed)):
            if time.monotonic() > end:
                break
            try:
                parsers.TARGETS[target](data)
            except BaseException:
                print(f"{target}: {data!r}")
                raise
            done += 1
        print(f"{target}: {done} inputs from seed {seed}, nothing found")


def _guided(target: str, seconds: float, seed: int) -> None:
    import atheris  # type: ignore[import-untyped,import-not-found,unused-ignore]

    with atheris.instrument_imports(include=["picosip_server"]):
        from tests.fuzz import parsers

    with tempfile.TemporaryDirectory() as corpus:
        rng = random.Random(seed)
        for number, data in zip(range(100), parsers.seeds(target, rng), strict=False):
            Path(corpus, f"{number}").write_bytes(data)
        Path("build").mkdir(exist_ok=True)
        flags = [f"-max_total_time={max(1, round(seconds))}", f"-seed={seed + 1}", "-verbosity=0"]
        flags += ["-max_len=4000", "-artifact_prefix=build/", "-print_final_stats=1"]
        # It ends this process itself, with a status other than 0 where it found something.
        atheris.Setup([sys.argv[0], *flags, corpus], parsers.TARGETS[target])
        print(f"{target}: guided, from seed {seed}", flush=True)
        atheris.Fuzz()


def _server(messages: int, seed: int) -> None:
    from tests.fuzz.running import fuzz

    with tempfile.TemporaryDirectory() as home:
        figures = fuzz(
            Path(home, "server"), messages, seed, told=lambda text: print(text, flush=True)
        )
    print(f"{figures.messages} messages in {figures.seconds:.0f} s, seed {seed}")
    print(f"{figures.calls} calls meanwhile, each as it should be; then an empty server")
    print(f"memory {min(figures.memory)} to {max(figures.memory)} KiB: {figures.growth:+.1%}")
    print("  ".join(f"{name} {number}" for name, number in sorted(figures.counters.items())))


if __name__ == "__main__":
    main()
