"""Publisher, agent and watcher together: three programs on two servers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.examples.programs import Program
from tests.support.server import PicosipServer

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def far(tmp_path: Path) -> Iterator[PicosipServer]:
    """The server of the agent."""
    with PicosipServer(tmp_path / "far") as server:
        yield server


@pytest.fixture
def near(tmp_path: Path) -> Iterator[PicosipServer]:
    """The server of publisher and watcher."""
    with PicosipServer(tmp_path / "near") as server:
        yield server


def test_presence(near: PicosipServer, far: PicosipServer, tmp_path: Path) -> None:
    bob = far.uri("bob")
    with Program(tmp_path, "presence_agent.py", "--server", far.grpc) as agent:
        agent.wait_for("agent")
        watcher = Program(
            tmp_path, "presence_watcher.py", "sip:alice@example.com", bob, "--server", near.grpc
        )
        publisher = Program(
            tmp_path, "presence_publisher.py", bob, "--server", near.grpc, typed=True
        )
        with watcher, publisher:
            watcher.wait_for("watching")
            watcher.wait_for("open available")
            publisher.type("in a <meeting>")
            publisher.wait_for("published in a <meeting>")
            watcher.wait_for("open in a <meeting>")
            publisher.type("")
            publisher.wait_for("taken back")
            assert publisher.process.wait(10.0) == 0
            watcher.wait_for("nothing yet")
        assert f"published {bob} presence 3600" in agent.lines
        assert f"published {bob} presence 0" in agent.lines
        assert f"watched {bob} presence by sip:alice@example.com" in agent.lines
