"""Writes out what ``dataclass`` would make at run time, so that it is compiled as well.

mypyc compiles the methods that stand in the source. Those that ``dataclass`` makes when the
class is created stay interpreted, and to make a value would cost as much as ever. So the
compiled form is made from a copy of the source in which ``__init__`` of each dataclass stands
in its body; ``dataclass`` then lists the fields, and makes what is seldom called.

It also tells mypyc which of them are acyclic (``picosip_server/mypyc.py``).
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_NO_HEIRS = ("bytes", "int", "str", "tuple")
"""Built-in types that no native class can derive from."""

_ACYCLIC = [
    "from picosip_server.mypyc import mypyc_attr as _mypyc_attr",
    "@_mypyc_attr(acyclic=True)",
]


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field of a dataclass, with the module whose names its type and default use."""

    name: str
    module: str
    type: ast.expr
    default: ast.expr | None
    factory: ast.expr | None
    keyword: bool
    """Is given by its name only."""


@dataclass(frozen=True, kw_only=True)
class _Class:
    node: ast.ClassDef
    decorator: ast.Call
    options: dict[str, bool]


class Module:
    """One module of the source."""

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self.path = path
        self.text = path.read_text("utf-8")
        self.tree = ast.parse(self.text)
        self.imported: dict[str, tuple[str, str]] = {}
        """Name here: the module that it comes from and its name there, empty for the module."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    self.imported[alias.asname or alias.name] = (node.module, alias.name)
            elif isinstance(node, ast.Import):
                for alias in node.names:
                    self.imported[alias.asname or alias.name] = (alias.name, "")
        self.classes = dict(self._dataclasses())
        self.ordinary = [
            node
            for node in self.tree.body
            if isinstance(node, ast.ClassDef)
            and any(ast.unparse(base).partition("[")[0] in _NO_HEIRS for base in node.bases)
        ]

    def _dataclasses(self) -> Iterator[tuple[str, _Class]]:
        for node in self.tree.body:
            if not isinstance(node, ast.ClassDef):
                continue
            for decorator in node.decorator_list:
                if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "dataclass":
                    options = {
                        each.arg: bool(ast.literal_eval(each.value))
                        for each in decorator.keywords
                        if each.arg is not None
                    }
                    yield node.name, _Class(node=node, decorator=decorator, options=options)

    def own_fields(self, name: str) -> Iterator[Field]:
        """The fields that a class here adds to those of its bases."""
        found = self.classes[name]
        for node in found.node.body:
            if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
                continue
            if ast.unparse(node.annotation).startswith("ClassVar"):
                # mypyc shows these to ``dataclass`` as if they were fields.
                raise ValueError(f"{self.name}.{name}: a class variable in a dataclass")
            default, given = node.value, {}
            if isinstance(default, ast.Call) and ast.unparse(default.func) == "field":
                given = {each.arg: each.value for each in default.keywords if each.arg}
                default = given.get("default")
            yield Field(
                name=node.target.id,
                module=self.name,
                type=node.annotation,
                default=default,
                factory=given.get("default_factory"),
                keyword=found.options.get("kw_only", False),
            )


class Source:
    """All modules that are compiled."""

    def __init__(self, modules: dict[str, Path]) -> None:
        self._modules = {name: Module(name, path) for name, path in modules.items()}

    def write_out(self) -> None:
        """Changes the files of all modules that have dataclasses."""
        for module in self._modules.values():
            if module.classes or module.ordinary:
                module.path.write_text(self._written_out(module), "utf-8")

    def _written_out(self, module: Module) -> str:
        lines = module.text.splitlines()
        # From the end, so that the numbers of the lines before stay right.
        for node in reversed(module.tree.body):
            if node in module.ordinary:
                # A class with any decorator that mypyc does not know is an ordinary one.
                lines[node.lineno - 1 : node.lineno - 1] = ["@(lambda itself: itself)"]
            if not isinstance(node, ast.ClassDef) or node.name not in module.classes:
                continue
            name, found = node.name, module.classes[node.name]
            fields = list(self._fields(module, name))
            names = _Names(module)
            for part in node.body:
                if isinstance(part, ast.AnnAssign) and ast.unparse(part.annotation) == "object":
                    # mypyc looks for this one among the names of the module.
                    line = lines[part.lineno - 1]
                    lines[part.lineno - 1] = line.replace(": object", ": object | None")
            if not found.options.get("order"):
                body = list(_init(fields, names, post=_has_post_init(node)))
                end = node.end_lineno or node.lineno
                lines[end:end] = body
            start = found.decorator.lineno - 1
            assert found.decorator.end_lineno == found.decorator.lineno
            lines[start] = _decorator(found)
            lines[start:start] = names.imports() + (_ACYCLIC if self._acyclic(module, name) else [])
        return "\n".join(lines) + "\n"

    def _acyclic(self, module: Module, name: str) -> bool:
        """Whether its objects hold only what was there before them, and nothing that acts."""
        found = module.classes[name]
        if not found.options.get("frozen") or any(
            "Callable" in ast.unparse(field.type) for field in module.own_fields(name)
        ):
            return False
        bases = [self._find(module, base) for base in found.node.bases]
        return all(
            home is not None and base in home.classes and self._acyclic(home, base)
            for home, base in bases
        )

    def _fields(self, module: Module, name: str) -> Iterator[Field]:
        merged: dict[str, Field] = {}
        for base in reversed(module.classes[name].node.bases):
            home, base_name = self._find(module, base)
            if home is not None and base_name in home.classes:
                merged |= {field.name: field for field in self._fields(home, base_name)}
        merged |= {field.name: field for field in module.own_fields(name)}
        yield from merged.values()

    def _find(self, module: Module, base: ast.expr) -> tuple[Module | None, str]:
        if isinstance(base, ast.Name):
            if base.id in module.classes:
                return module, base.id
            home, name = module.imported.get(base.id, ("", ""))
            return self._modules.get(home), name
        if isinstance(base, ast.Attribute) and isinstance(base.value, ast.Name):
            package, name = module.imported.get(base.value.id, ("", ""))
            return self._modules.get(f"{package}.{name}" if name else package), base.attr
        return None, ""


def _has_post_init(node: ast.ClassDef) -> bool:
    return any(
        isinstance(each, ast.FunctionDef) and each.name == "__post_init__" for each in node.body
    )


class _Names(ast.NodeTransformer):
    """Makes the names that inherited fields use known where the heir is."""

    def __init__(self, module: Module) -> None:
        self._module = module
        self._home = ""
        self._known: dict[str, str] = {}

    def text(self, expression: ast.expr, home: str) -> str:
        if home == self._module.name:
            return ast.unparse(expression)
        self._home = home
        return ast.unparse(self.visit(ast.parse(ast.unparse(expression), mode="eval")))

    def visit_Name(self, node: ast.Name) -> ast.Name:
        if hasattr(builtins, node.id):
            return node
        alias = f"_{self._home.replace('.', '_')}_{node.id}"
        self._known[alias] = f"from {self._home} import {node.id} as {alias}"
        return ast.Name(id=alias)

    def imports(self) -> list[str]:
        return [f"{line}  # type: ignore[attr-defined]" for line in self._known.values()]


def _decorator(found: _Class) -> str:
    options = {key: value for key, value in found.options.items() if key != "slots"}
    if not options.get("order"):
        options["init"] = False
        if options.pop("frozen", False):
            # What the source says is checked where it is not compiled.
            options["unsafe_hash"] = True
    return f"@dataclass({', '.join(f'{key}={value}' for key, value in options.items())})"


def _init(fields: list[Field], names: _Names, *, post: bool) -> Iterator[str]:
    given = ["self"]
    body = []
    # As ``dataclass`` orders them: those by position first.
    for field in sorted(fields, key=lambda each: each.keyword):
        if field.keyword and "*" not in given:
            given.append("*")
        type_ = names.text(field.type, field.module)
        if field.factory is not None:
            made = names.text(field.factory, field.module)
            given.append(f"{field.name}: {type_} | None = None")
            body.append(
                f"self.{field.name} = {field.name} if {field.name} is not None else {made}()"
            )
            continue
        default = "" if field.default is None else names.text(field.default, field.module)
        given.append(f"{field.name}: {type_}" + (f" = {default}" if default else ""))
        body.append(f"self.{field.name} = {field.name}")
    if post:
        body.append("self.__post_init__()")
    yield f"    def __init__({', '.join(given)}) -> None:"
    for line in body or ["pass"]:
        yield f"        {line}"
