"""Quick construction of frozen values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any


def setters(cls: type) -> tuple[Callable[[object, Any], None], ...]:
    """The functions that set the fields of a frozen, slotted dataclass, in order.

    Its own ``__init__`` looks ``object.__setattr__`` up anew for each field, three times
    the cost; a parser makes a dozen such values per message. Only for a class's own
    ``parse``, on an instance that nobody has seen yet.
    """
    return tuple(cls.__dict__[field.name].__set__ for field in fields(cls))
