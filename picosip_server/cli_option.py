"""An option of ``picosip serve``, as the help shows it."""

from __future__ import annotations

from typing import Any

import typer

from picosip_server.settings import Settings, flag


def option(name: str, metavar: str, text: str, panel: str, default: str = "") -> Any:
    """An option of ``serve``, taken as text: the settings check it, wherever it comes from."""
    value = Settings.model_fields[name].default
    shown = default or (" ".join(value) if isinstance(value, tuple) else str(value or ""))
    if shown:
        text += f" [default: {shown}]"
    return typer.Option(
        flag(name),
        metavar=metavar,
        # Square brackets are markup here, unless escaped.
        help=text.replace("[", "\\["),
        rich_help_panel=panel,
        show_default=False,
    )


def switch(name: str, text: str, panel: str) -> Any:
    """An option of ``serve`` without a value."""
    return typer.Option(flag(name), help=text, rich_help_panel=panel, show_default=False)
