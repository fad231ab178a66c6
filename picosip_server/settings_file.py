"""The TOML file of ``--config``: keys are the names of the flags, with dashes or underscores."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path


class SettingsError(Exception):
    """The settings cannot be used. ``faults``: a line for each, naming the option at fault."""

    def __init__(self, *faults: str) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsFile:
    """A file that was read; its values are not checked yet."""

    path: Path
    values: Mapping[str, object]
    """By name with underscores."""


def read_settings_file(path: Path, known: Collection[str]) -> SettingsFile:
    """Reads the file; ``known``: the names of settings, with underscores.

    Raises SettingsError if it cannot be read, is not TOML or has a key that is no setting.
    """
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise SettingsError(f"--config {path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"--config {path}: is not UTF-8 (octet {error.start})") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"--config {path}: is not TOML: {error}") from error
    values: dict[str, object] = {}
    faults = []
    for key, value in content.items():
        name = key.replace("-", "_")
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            faults.append(f"--config {path}: {key!r} is no setting{hint}")
        elif name in values:
            faults.append(f"--config {path}: {name} is there twice, with dash and underscore")
        values[name] = value
    if faults:
        raise SettingsError(*faults)
    return SettingsFile(path=path, values=values)
