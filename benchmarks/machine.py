"""What was measured on: the machine and the versions, without anything that names it."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from importlib.metadata import version
from pathlib import Path

import psutil

from benchmarks import interpreter
from benchmarks.contenders.base import PEERS_PYTHON, ROOT


def describe() -> dict[str, object]:
    """For the reports."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": platform.system(),
        "kernel": platform.release(),
        "load_average_at_start": [round(load, 2) for load in os.getloadavg()],
        "receive_buffer_max": _number(Path("/proc/sys/net/core/rmem_max")),
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """Of all that takes part; what is missing is left out."""
    found = {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        # What is measured is what its program is, whatever this process has imported.
        "picosip": _said([interpreter.python().with_name("picosip"), "--version"], r"picosip (.+)"),
        "commit": _said(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"], r"(\w+)"),
        "grpcio": version("grpcio"),
        "protobuf": version("protobuf"),
        "sipp": _said(["sipp", "-v"], r"SIPp v([\w.]+)"),
        "baresip": _said(["dpkg-query", "-W", "-f", "${Version}", "baresip-core"], r"(\S+)"),
        **_peers(),
    }
    return {name: text for name, text in found.items() if text}


def _cpu() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        match = re.search(r"^model name\s*:\s*(.+)$", cpuinfo.read_text(), re.MULTILINE)
        if match:
            return match[1]
    return platform.processor() or platform.machine()


def _number(path: Path) -> int | None:
    return int(path.read_text()) if path.exists() else None


def _said(command: list[str | Path], pattern: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except FileNotFoundError:
        return ""
    match = re.search(pattern, done.stdout)
    return match[1] if match else ""


def _peers() -> dict[str, str]:
    if not PEERS_PYTHON.exists():
        return {}
    code = (
        "import json; from importlib.metadata import distributions; "
        "print(json.dumps({d.name: d.version for d in distributions()}))"
    )
    done = subprocess.run([PEERS_PYTHON, "-c", code], capture_output=True, text=True, check=True)
    installed: dict[str, str] = json.loads(done.stdout)
    return {name: installed[name] for name in ("aiosipua", "sippy") if name in installed}
