"""The file of ``--users``: who may register and call here, and with what secret.

::

    realm = "example.com"          # of those users that name none

    [[users]]
    user = "alice"
    password = "wonderland"

    [[users]]
    user = "bob"
    realm = "example.org"
    ha1 = "12af60467a33e8518da5c68bbff12b11"   # MD5 or SHA-256 of user:realm:password
"""

from __future__ import annotations

import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from picosip_server.sip.auth.users import User, is_ha1, is_name

_SECRETS = ("password", "ha1")
_KEYS = frozenset({"user", "realm", *_SECRETS})


class UsersError(ValueError):
    """The file cannot be used; its text has one line for each fault, never with a secret in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsersFile:
    """A file that was read."""

    path: Path
    users: tuple[User, ...]


def read_users(path: Path) -> tuple[User, ...]:
    """Reads the file; raises UsersError with all that is wrong with it."""
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UsersError(f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsersError(f"is not UTF-8 text (octet {error.start})") from error
    except tomllib.TOMLDecodeError as error:
        # The parser's own words name characters of the file, and those may be of a secret.
        raise UsersError(f"is not TOML {_place(str(error))}".rstrip()) from None
    faults = [
        f"has an unknown key {key!r}; it may hold realm and [[users]]"
        for key in sorted(content.keys() - {"realm", "users"})
    ]
    tables = content.get("users", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise UsersError("users must be a list of tables, each headed [[users]]")
    if not tables:
        faults.append("has no [[users]] table: nobody could authenticate")
    users: list[User] = []
    for number, table in enumerate(tables, start=1):
        own = _faults(table, content.get("realm"))
        faults += [f"[[users]] number {number}: {fault}" for fault in own]
        if not own:
            users.append(_user(table, content.get("realm")))
    faults += _repeated(users)
    if faults:
        raise UsersError("\n".join(faults))
    return tuple(users)


def readable_by_others(path: Path) -> bool:
    """Whether the file's mode lets everybody on the machine read it."""
    return bool(path.stat().st_mode & stat.S_IROTH)


def _place(message: str) -> str:
    start = message.rfind("(at ")
    return message[start:] if start >= 0 else ""


def _faults(table: Mapping[str, object], top_realm: object) -> list[str]:
    faults = [
        f"unknown key {key!r}; it may hold {', '.join(sorted(_KEYS))}"
        for key in sorted(table.keys() - _KEYS)
    ]
    names = {"user": table.get("user"), "realm": table.get("realm", top_realm)}
    for key, value in names.items():
        if value is None:
            faults.append(f"{key} is missing")
        elif not isinstance(value, str) or not value:
            faults.append(f"{key} must be a text that is not empty")
        elif not is_name(value):
            faults.append(f"{key} must not hold control characters")
    if isinstance(names["user"], str) and ":" in names["user"]:
        # RFC 7616 section 3.4.2: user:realm:password is hashed.
        faults.append("user must not hold a colon")
    given = [key for key in _SECRETS if key in table]
    if len(given) != 1:
        faults.append("exactly one of password and ha1 is needed")
    for key in given:
        value = table[key]
        if not isinstance(value, str) or not value:
            faults.append(f"{key} must be a text that is not empty")
        elif key == "ha1" and not is_ha1(value):
            faults.append("ha1 must be 32 (MD5) or 64 (SHA-256) hexadecimal digits")
    return faults


def _user(table: Mapping[str, object], top_realm: object) -> User:
    secrets = {key: str(table[key]) for key in _SECRETS if key in table}
    return User(
        realm=str(table.get("realm", top_realm)),
        username=str(table["user"]),
        password=secrets.get("password"),
        ha1=secrets.get("ha1"),
    )


def _repeated(users: list[User]) -> list[str]:
    """A user may have an HA1 for each of the two algorithms, but no two secrets for one."""
    faults = []
    seen: dict[tuple[str, str], list[int]] = {}
    for user in users:
        # Digits of the HA1; a password serves all algorithms and so is 0, beside nothing else.
        kinds = seen.setdefault((user.realm, user.username), [])
        kind = len(user.ha1 or "")
        if kind in kinds or (kinds and 0 in (kind, *kinds)):
            faults.append(f"user {user.username!r} of realm {user.realm!r} is there twice")
        kinds.append(kind)
    return faults
