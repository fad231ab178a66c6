"""Compiles the hot modules of the server: python -m scripts.compiled FOLDER [LEVEL]

FOLDER gets a copy of the package ``picosip_server`` in which those modules are written out (see
``values.py``) and stand beside what the C compiler made of them; LEVEL is its level of
optimisation, 2 unless told. Needs mypy with mypyc, setuptools and a C compiler. ``LIST`` in there
names the files that a compiled wheel has in the place of those of the tree, or beside them.
"""

from __future__ import annotations

import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mypyc.build import mypycify
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

from scripts.compiled import PACKAGE, hot_modules
from scripts.compiled.values import Source

LIST = "wheel.txt"


class BuildSideBySide(build_ext):  # type: ignore[misc]
    """Compiles as many C files at a time as there are processors."""

    def build_extension(self, ext: Extension) -> None:
        objects: list[str] = []
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            for made in pool.map(lambda source: self._object(source, ext), ext.sources):
                objects += made
        # What is left is to link them.
        ext.sources, ext.extra_objects = [], objects
        super().build_extension(ext)

    def _object(self, source: str, ext: Extension) -> list[str]:
        made: list[str] = self.compiler.compile(
            [source],
            output_dir=self.build_temp,
            include_dirs=ext.include_dirs,
            macros=ext.define_macros,
            extra_postargs=ext.extra_compile_args,
            depends=ext.depends,
        )
        return made


def main() -> None:
    """See above."""
    root = Path(__file__).parents[2]
    folder = Path(sys.argv[1]).resolve()
    level = sys.argv[2] if len(sys.argv) > 2 else "2"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(
        root / PACKAGE, folder / PACKAGE, ignore=shutil.ignore_patterns("__pycache__", "*.so")
    )
    os.chdir(folder)
    hot = list(hot_modules(Path(PACKAGE)))
    Source({".".join(path.with_suffix("").parts): path for path in hot}).write_out()
    (folder / "mypy.ini").write_text("[mypy]\nignore_missing_imports = True\n")
    extensions = mypycify(
        ["--config-file=mypy.ini", *map(str, hot)],
        opt_level=level,
        debug_level="0",
        # Compiled within minutes and side by side, not within a quarter of an hour.
        multi_file=True,
        group_name=PACKAGE,
    )
    setup(
        name=PACKAGE,
        packages=[],
        ext_modules=extensions,
        cmdclass={"build_ext": BuildSideBySide},
        script_args=["--quiet", "build_ext", "--inplace"],
    )
    made = [*hot, *sorted(Path().glob("*.so")), *sorted(Path(PACKAGE).rglob("*.so"))]
    Path(LIST).write_text("".join(f"{path.as_posix()}\n" for path in made))


if __name__ == "__main__":
    main()
