"""Hook of hatchling: with PICOSIP_COMPILE=2 in the environment, the wheel is a compiled one.

The number is the C compiler's level of optimisation. Without it, or with 0, the wheel is the pure
one that runs everywhere; the same goes for editable installations.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

VARIABLE = "PICOSIP_COMPILE"
TOOLS = ["mypy>=2.4,<3", "setuptools>=77"]


class CompiledBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Named by ``pyproject.toml``."""

    PLUGIN_NAME = "custom"

    def _level(self) -> str:
        level = os.environ.get(VARIABLE, "")
        if level not in ("", "0", "1", "2", "3"):
            raise ValueError(f"{VARIABLE} is a level of optimisation from 0 to 3, not {level!r}")
        return "" if level == "0" else level

    def dependencies(self) -> list[str]:
        """What building needs besides hatchling."""
        return TOOLS if self._level() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Has the modules compiled, and puts them into the wheel."""
        level = self._level()
        if not level or version == "editable":
            return
        # Outside of the tree: only from there do files take the place of those in the tree.
        self._folder = tempfile.TemporaryDirectory(prefix="picosip-compiled-")
        folder = Path(self._folder.name)
        # What hatchling itself prints to stdout is the name of the wheel.
        subprocess.run(
            [sys.executable, "-m", "scripts.compiled", str(folder), level],
            cwd=self.root,
            stdout=sys.stderr,
            check=True,
        )
        made = (folder / "wheel.txt").read_text().splitlines()
        build_data["force_include"] |= {str(folder / line): line for line in made}
        build_data["pure_python"] = False
        build_data["infer_tag"] = True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """The wheel has them now."""
        if build_data["infer_tag"]:
            self._folder.cleanup()
