"""Runs the image as it should be run in production, places a call through it, and stops it.

The far end is a server from this tree's .venv. Needs CONTAINER_ENGINE, which container.sh sets.
Usage, from the top of the tree: python -m scripts.image_test TAG
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from picosip.v1 import admin_service_pb2, sip_pb2
from tests.support.app import App
from tests.support.server import PicosipServer
from tests.support.waiting import free_port, wait_until

STOP_AFTER = 20
"""Seconds from SIGTERM to SIGKILL."""


class Container:
    """A container of the image, read-only, without capabilities, on the host's network."""

    def __init__(self, engine: str, image: str) -> None:
        self._engine = engine
        self.name = f"picosip-test-{uuid.uuid4().hex[:8]}"
        self.grpc = f"127.0.0.1:{free_port()}"
        # The health check below is run as the image has it; podman's own timer wants systemd.
        own = ["--no-healthcheck"] if engine == "podman" else []
        self.run(
            *("run", "--detach", "--name", self.name, "--network", "host"),
            *("--read-only", "--tmpfs", "/tmp", "--cap-drop=ALL"),
            *("--security-opt", "no-new-privileges", "--memory", "512m", "--pids-limit", "200"),
            *("--env", f"PICOSIP_GRPC={self.grpc}"),
            *("--env", "PICOSIP_SIP=udp:127.0.0.1:0,tcp:127.0.0.1:0"),
            *own,
            image,
        )
        where = ".HealthCheck" if engine == "podman" else ".Config.Healthcheck"
        shown = self.run("image", "inspect", image, "--format", f"{{{{json {where}}}}}")
        kind, *self._health = json.loads(shown)["Test"]
        assert kind == "CMD", f"the image's HEALTHCHECK is {shown}"

    def run(self, *arguments: str) -> str:
        """Output of the engine's command; a fault is shown with what it wrote."""
        done = subprocess.run([self._engine, *arguments], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{self._engine} {' '.join(arguments)}\n{done.stdout}{done.stderr}")
        return done.stdout.strip()

    def healthy(self) -> bool:
        """Runs the image's health check in the container."""
        command = [self._engine, "exec", self.name, *self._health]
        return subprocess.run(command, capture_output=True).returncode == 0

    def state(self, field: str) -> str:
        """A field of the container's state."""
        return self.run("inspect", self.name, "--format", f"{{{{.State.{field}}}}}")

    def logs(self) -> str:
        """All that it has logged."""
        command = [self._engine, "logs", self.name]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return done.stdout


@contextmanager
def running(engine: str, image: str) -> Iterator[Container]:
    """A container that is removed at the end, its log shown if something failed."""
    container = Container(engine, image)
    try:
        yield container
    except BaseException:
        print(f"--- log of the container\n{container.logs()}", file=sys.stderr)
        raise
    finally:
        container.run("rm", "--force", container.name)


def place_calls(container: Container, folder: Path) -> None:
    """One call from the container to another server, and one the other way round."""
    with (
        PicosipServer(folder) as other,
        App(container.grpc) as inside,
        App(other.grpc) as outside,
    ):
        info = inside.admin.GetServerInfo(admin_service_pb2.GetServerInfoRequest(), timeout=10)
        port = next(
            listener.port
            for listener in info.listeners
            if listener.transport == sip_pb2.TRANSPORT_UDP
        )
        call(inside, outside, other.uri("outside"))
        call(outside, inside, f"sip:inside@127.0.0.1:{port}")


def call(caller: App, callee: App, uri: str) -> None:
    """Places a call, answers it, hangs it up, and waits for its end on both sides."""
    before = len(callee.of_kind("call_received"))
    name = caller.invite(uri)
    received = callee.wait_for_count("call_received", before + 1)[-1].resource
    callee.answer(received)
    caller.wait_for("call_answered", name)
    caller.hangup(name)
    caller.wait_for("call_ended", name)
    callee.wait_for("call_ended", received)
    print(f"call to {uri}: received, answered, hung up")


def main() -> None:
    """The test; any fault is an exception."""
    engine, image = os.environ["CONTAINER_ENGINE"], sys.argv[1]
    with running(engine, image) as container, tempfile.TemporaryDirectory() as folder:
        wait_until(container.healthy, timeout=60.0, what="a health check that passes")
        print(f"{engine} runs {image}: healthy")
        user = container.run("exec", container.name, "id", "-u")
        assert user != "0", "the container runs as root"
        place_calls(container, Path(folder))
        container.run("stop", "-t", str(STOP_AFTER), container.name)
        assert container.state("ExitCode") == "0", f"exit status {container.state('ExitCode')}"
        lines = container.logs().splitlines()
        assert lines, "nothing was logged"
        assert all(isinstance(json.loads(line), dict) for line in lines), "the log is not JSON"
    print("stopped by SIGTERM: exit status 0")


if __name__ == "__main__":
    main()
