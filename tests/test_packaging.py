"""What is shipped: the wheels' contents, what they ask for, and targets that exist."""

from __future__ import annotations

import configparser
import email
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
CLIENT = ROOT / "clients" / "python"
PROTOS = sorted(path.stem for path in (ROOT / "proto/picosip/v1").glob("*.proto"))


class Wheel:
    """A wheel that was built from the tree."""

    def __init__(self, project: Path, folder: Path) -> None:
        subprocess.run(
            [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder],
            cwd=project,
            check=True,
            capture_output=True,
        )
        (path,) = folder.glob("*.whl")
        with zipfile.ZipFile(path) as archive:
            self.files = {name: archive.read(name) for name in archive.namelist()}

    def info(self, name: str) -> str:
        """A file of its .dist-info."""
        (found,) = (path for path in self.files if path.endswith(f".dist-info/{name}"))
        return self.files[found].decode()

    def packages(self) -> set[str]:
        """Its top folders, but for .dist-info."""
        return {name.split("/")[0] for name in self.files if ".dist-info/" not in name}

    def requirements(self) -> list[str]:
        """Names of what it depends on."""
        lines = email.message_from_string(self.info("METADATA")).get_all("Requires-Dist") or []
        return sorted(re.split(r"[^A-Za-z0-9-]", line)[0] for line in lines)


@pytest.fixture(scope="module")
def server_wheel(tmp_path_factory: pytest.TempPathFactory) -> Wheel:
    return Wheel(ROOT, tmp_path_factory.mktemp("server"))


@pytest.fixture(scope="module")
def client_wheel(tmp_path_factory: pytest.TempPathFactory) -> Wheel:
    return Wheel(CLIENT, tmp_path_factory.mktemp("client"))


def project(path: Path) -> dict[str, Any]:
    """The [project] table of a pyproject.toml."""
    table: dict[str, Any] = tomllib.loads((path / "pyproject.toml").read_text())["project"]
    return table


def test_the_server_wheel_has_the_server_and_nothing_else(server_wheel: Wheel) -> None:
    assert server_wheel.packages() == {"picosip_server"}
    assert "picosip_server/sip/uri.py" in server_wheel.files
    assert "picosip_server/cli_load/templates/report.html" in server_wheel.files
    assert server_wheel.info("licenses/LICENSE").startswith("MIT License")


def test_the_server_wheel_brings_the_program(server_wheel: Wheel) -> None:
    scripts = configparser.ConfigParser()
    scripts.read_string(server_wheel.info("entry_points.txt"))
    assert dict(scripts["console_scripts"]) == {"picosip": "picosip_server.cli:main"}


def test_the_client_wheel_has_stubs_of_every_file(client_wheel: Wheel) -> None:
    assert client_wheel.packages() == {"picosip"}
    assert "picosip/py.typed" in client_wheel.files
    for name in PROTOS:
        for suffix in ("_pb2.py", "_pb2.pyi", "_pb2_grpc.py", "_pb2_grpc.pyi"):
            assert f"picosip/v1/{name}{suffix}" in client_wheel.files


def test_the_client_asks_for_little(client_wheel: Wheel) -> None:
    assert client_wheel.requirements() == [
        "googleapis-common-protos",
        "grpcio",
        "grpcio-status",
        "protobuf",
    ]


def test_the_server_asks_for_this_very_client(server_wheel: Wheel, client_wheel: Wheel) -> None:
    assert project(ROOT)["version"] == project(CLIENT)["version"]
    assert f"picosip=={project(CLIENT)['version']}" in project(ROOT)["dependencies"]
    assert "uvloop" in server_wheel.requirements()
    assert "hatchling" not in server_wheel.requirements()


def test_the_lower_bounds_are_those_of_the_generated_code() -> None:
    """The stubs refuse older libraries when imported: the requirement must say so."""
    stubs = CLIENT / "picosip" / "v1"
    code = (stubs / "sip_pb2_grpc.py").read_text() + (stubs / "sip_pb2.py").read_text()
    grpc_version = re.search(r"GRPC_GENERATED_VERSION = '([\d.]+)'", code)
    protobuf_version = re.search(r"Protobuf Python Version: ([\d.]+)", code)
    assert grpc_version is not None
    assert protobuf_version is not None
    requirements = project(CLIENT)["dependencies"]
    assert f"grpcio>={grpc_version[1]}" in requirements
    major = int(protobuf_version[1].split(".")[0])
    assert f"protobuf>={protobuf_version[1]},<{major + 1}" in requirements


def test_make_lists_its_targets() -> None:
    done = subprocess.run(["make", "-C", ROOT], capture_output=True, text=True, check=True)
    listed = re.findall(r"^  make ([a-z-]+)  +\S", done.stdout, re.MULTILINE)
    assert listed == [
        "help",
        "setup",
        "demo",
        "run",
        "test",
        "check",
        "proto",
        "peers",
        "fuzz",
        "fuzz-server",
        "wheel-compiled",
        "compiled",
        "test-compiled",
        "bench",
        "bench-smoke",
        "soak",
        "image",
        "image-test",
        "clean",
    ]


@pytest.mark.parametrize(
    "target",
    ["demo", "run", "test", "check", "proto", "peers", "bench", "soak", "image", "image-test"],
)
def test_every_target_sets_up_first(target: str, tmp_path: Path) -> None:
    """Where there is no .venv, the first command of each makes it."""
    copied = (
        "Makefile",
        "pyproject.toml",
        "clients/python/pyproject.toml",
        "benchmarks/peers.txt",
    )
    for name in copied:
        copy = tmp_path / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes((ROOT / name).read_bytes())
    done = subprocess.run(
        ["make", "--dry-run", "-C", tmp_path, target], capture_output=True, text=True, check=True
    )
    lines = [line for line in done.stdout.splitlines() if not line.startswith("make")]
    assert "sys.version_info" in lines[0]
    assert any("-m venv .venv" in line for line in lines[:4])
