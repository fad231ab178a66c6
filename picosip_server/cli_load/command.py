"""A command whose options are the fields of a dataclass, so that commands share groups of them."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, get_type_hints

import typer

from picosip_server.cli_load.option import PANELS

Options = TypeVar("Options")


def add_command(
    app: typer.Typer,
    name: str,
    options: type[Options],
    run: Callable[[Options], int],
    *,
    about: str,
    examples: Sequence[str] = (),
) -> None:
    """Adds a command that fills ``options`` and ends with the exit status that ``run`` gives.

    Fields are annotated as typer's parameters are.
    """
    hints = get_type_hints(options, include_extras=True)
    parameters = [
        inspect.Parameter(
            one.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if one.default is dataclasses.MISSING else one.default,
            annotation=hints[one.name],
        )
        for one in dataclasses.fields(options)  # type: ignore[arg-type]
    ]

    def command(**values: Any) -> None:
        raise typer.Exit(run(options(**values)))

    # Groups come in the order of inheritance; the help's is that of its headings.
    parameters.sort(key=lambda one: _place(one.annotation))
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    app.command(name, help=about, epilog="\n\n".join(("Examples:", *examples)) if examples else "")(
        command
    )


def _place(annotation: Any) -> int:
    (declared,) = annotation.__metadata__
    panel = declared.rich_help_panel
    return PANELS.index(panel) if panel in PANELS else -1
