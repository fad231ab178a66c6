"""The syntax that challenges and credentials share: ``Scheme name=value, name="value"``.

RFC 3261 section 25.1 (challenge, credentials, ainfo) and RFC 7235 section 2.1.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from picosip_server.sip.grammar import quote, unquote

_QUOTED = r'"(?:[^"\\\x00-\x08\x0a-\x1f\x7f]|\\[^\x00-\x1f\x7f])*+"'
_TOKEN = r"[!%'*+.0-9A-Z_`a-z~-]++"
# Elements end at a comma outside quotes; a quote that is never closed takes the rest,
# once, so that the time stays linear whatever comes.
_ELEMENT = re.compile(rf'(?:[^",]++|{_QUOTED}|"[\s\S]*+)++')
_PARAM = re.compile(
    rf"(?:(?P<scheme>{_TOKEN})[ \t]++)?"
    rf"(?P<name>{_TOKEN})[ \t]*+=[ \t]*+"
    rf'(?P<value>{_QUOTED}|[^\s\x00-\x1f\x7f",]*+)'
)

Parts = list[tuple[str, dict[str, str]]]


def parse(value: str) -> Parts:
    """The (scheme, parameters) pairs of one field value; schemes and names in lower case.

    Values are unquoted, whether they had to be quoted or not. RFC 3261 section 7.3.1
    allows one challenge per field; several in one, as HTTP has them, are told apart.
    Parameters before any scheme come under the empty scheme (Authentication-Info).
    A part whose syntax is bad, or that repeats a parameter, comes with no parameters.
    """
    parts: Parts = []
    broken: set[int] = set()
    for found in _ELEMENT.finditer(value):
        element = found[0].strip(" \t")
        if not element:
            continue
        match = _PARAM.fullmatch(element)
        if match is None:
            # A bare scheme, one with a token68 (RFC 7235 section 2.1), or nonsense.
            parts.append((element.partition(" ")[0].lower(), {}))
            broken.add(len(parts) - 1)
            continue
        if match["scheme"] is not None:
            parts.append((match["scheme"].lower(), {}))
        elif not parts:
            parts.append(("", {}))
        params = parts[-1][1]
        name = match["name"].lower()
        if name in params:
            broken.add(len(parts) - 1)
        params[name] = unquote(match["value"])
    return [
        (scheme, {} if index in broken else params) for index, (scheme, params) in enumerate(parts)
    ]


def write(pairs: Iterable[tuple[str, str | None, bool]]) -> str:
    """``Digest`` and the parameters (name, value, quoted); those with value None left out."""
    return "Digest " + ", ".join(
        f"{name}={quote(value) if quoted else value}"
        for name, value, quoted in pairs
        if value is not None
    )
