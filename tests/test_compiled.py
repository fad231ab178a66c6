"""What the compiled form is made from: the same classes, made and compared in the same way."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.compiled import PACKAGE, hot_modules
from scripts.compiled.values import Source

ROOT = Path(__file__).parents[1]
SIGNATURES = """
import dataclasses, importlib, inspect, json, sys
found = {}
for name in json.loads(sys.argv[1]):
    for key, value in vars(importlib.import_module(name)).items():
        own = isinstance(value, type) and value.__module__ == name
        if own and "__dataclass_fields__" in vars(value):
            found[f"{name}.{key}"] = (
                [
                    (each.name, each.kind.name, each.default is inspect.Parameter.empty)
                    for each in inspect.signature(value).parameters.values()
                ],
                [(each.name, each.repr, each.compare) for each in dataclasses.fields(value)],
                value.__hash__ is None,
                "def __init__" in inspect.getsource(value),
            )
print(json.dumps([sys.modules[sys.argv[2]].__file__, found]))
"""


def classes(tree: Path, names: list[str]) -> tuple[str, dict[str, list[object]]]:
    """Where a tree's package was loaded from, and how its dataclasses are made and compared."""
    done = subprocess.run(
        [sys.executable, "-c", SIGNATURES, json.dumps(names), PACKAGE],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree)},
        capture_output=True,
        text=True,
        check=True,
    )
    where, found = json.loads(done.stdout)
    return where, found


@pytest.fixture
def paths(tmp_path: Path) -> dict[str, Path]:
    """The modules that are compiled, in a copy of the package, written out for that."""
    shutil.copytree(ROOT / PACKAGE, tmp_path / PACKAGE)
    paths = {
        ".".join(path.relative_to(tmp_path).with_suffix("").parts): path
        for path in hot_modules(tmp_path / PACKAGE)
    }
    Source(paths).write_out()
    return paths


def test_what_is_written_out_is_what_dataclass_makes(
    tmp_path: Path, paths: dict[str, Path]
) -> None:
    where, written = classes(tmp_path, list(paths))
    assert where == str(tmp_path / PACKAGE / "__init__.py")
    _, plain = classes(ROOT, list(paths))
    assert {name: each[:3] for name, each in written.items()} == {
        name: each[:3] for name, each in plain.items()
    }
    # Of one that is ordered dataclass makes all.
    assert {name for name, each in written.items() if not each[3]} == {
        "picosip_server.sip.auth.nonce.Nonce"
    }


@pytest.mark.parametrize("level", ["4", "yes"])
def test_a_level_that_there_is_not_is_refused(level: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path],
        cwd=ROOT,
        env={**os.environ, "PICOSIP_COMPILE": level},
        capture_output=True,
        text=True,
    )
    assert done.returncode
    assert f"a level of optimisation from 0 to 3, not '{level}'" in done.stderr


def handlers(tree: ast.AST) -> Iterator[tuple[str, str, list[str]]]:
    """Functions, and the types that an exception of one name is of in them, in order."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found: dict[str, list[str]] = {}
            for each in ast.walk(node):
                if isinstance(each, ast.ExceptHandler) and each.name and each.type:
                    found.setdefault(each.name, []).append(ast.unparse(each.type))
            for name, types in found.items():
                yield node.name, name, types


def test_an_exception_that_is_caught_has_a_name_of_its_own() -> None:
    # To mypyc a variable has the type of what is caught first, if that is a class which is
    # compiled; anything else that it is to hold then is a TypeError.
    trees = {path: ast.parse(path.read_text()) for path in hot_modules(ROOT / PACKAGE)}
    own = {
        node.name
        for tree in trees.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }
    assert "LayerError" in own
    assert [
        (path.name, function, name)
        for path, tree in trees.items()
        for function, name, types in handlers(tree)
        if types[0] in own and len(set(types)) > 1
    ] == []


def waits_on_the_way_out(tree: ast.AST) -> bool:
    """Whether a coroutine waits while an exception is on its way through."""
    awaiting = (ast.Await, ast.AsyncWith, ast.AsyncFor)
    return any(isinstance(node, ast.AsyncWith) for node in ast.walk(tree)) or any(
        isinstance(each, awaiting)
        for node in ast.walk(tree)
        if isinstance(node, ast.Try)
        for part in (*node.finalbody, *node.handlers)
        for each in ast.walk(part)
    )


def test_no_coroutine_that_waits_on_its_way_out_is_compiled() -> None:
    assert waits_on_the_way_out(ast.parse((ROOT / PACKAGE / "service/control.py").read_text()))
    assert [
        path.name
        for path in hot_modules(ROOT / PACKAGE)
        if waits_on_the_way_out(ast.parse(path.read_text()))
    ] == []


def test_values_are_left_out_of_what_the_garbage_collector_follows(
    paths: dict[str, Path],
) -> None:
    marked = {
        f"{path.stem}.{node.name}"
        for path in paths.values()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
        and any("acyclic=True" in ast.unparse(each) for each in node.decorator_list)
    }
    # Frozen ones, with and without bases, and those that the source marks.
    values = {"address.Address", "via.Via", "commands.Invite", "events.CallEnded"}
    by_hand = {"message.Request", "headers.Field", "echo.Echo", "user.Entry", "event_log.Entry"}
    assert values | by_hand <= marked
    # A function may know who made it; users know their parts, and these know them.
    names = {each.partition(".")[2] for each in marked}
    assert "Address" in names
    assert not {"Draft", "CallScript", "Pending", "TransactionUser", "Exchange"} & names
