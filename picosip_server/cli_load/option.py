"""How an option of ``picosip load`` is declared, and under which heading the help shows it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import typer

T = TypeVar("T")

SCRIPT = "What each one is"
PATTERN = "How much and when"
SERVER = "Which server makes the load"
REPORT = "What is written"
LIMITS = "What must hold: exit status 1 where it does not"
PANELS = (SCRIPT, PATTERN, SERVER, REPORT, LIMITS)
"""In the order in which the help has them."""


def option(
    flag: str,
    metavar: str,
    text: str,
    panel: str,
    parse: Callable[[str], Any] | None = None,
    *,
    default: str = "",
    env: str | None = None,
) -> Any:
    """An option of one value, as the help shows it; ``parse`` raises ValueError."""
    if default:
        text += f" [default: {default}]"
    return typer.Option(
        flag,
        metavar=metavar,
        # Square brackets are markup here, unless escaped.
        help=text.replace("[", "\\["),
        rich_help_panel=panel,
        show_default=False,
        parser=None if parse is None else _saying_why(parse),
        envvar=env,
    )


def switch(flag: str, text: str, panel: str) -> Any:
    """An option without a value."""
    return typer.Option(
        flag, help=text.replace("[", "\\["), rich_help_panel=panel, show_default=False
    )


def _saying_why(parse: Callable[[str], T]) -> Callable[[str], T]:
    """The parser with errors that keep their text: of a ValueError only the value is shown."""

    def parsed(text: str) -> T:
        try:
            return parse(text)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error

    return parsed
