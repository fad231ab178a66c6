"""Values that nobody changes, made cheaply.

A frozen dataclass of the standard library pays for each field of each instance with a call
of ``object.__setattr__``: three to four times the cost of the assignment (``docs/performance.md``).
Here the type checker, which ``make check`` runs over every line, holds that nobody assigns;
at run time the class is a plain slotted one with the equality and hash of a frozen one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
else:
    import dataclasses

    def dataclass(*, frozen=False, **options):
        """``dataclasses.dataclass``, whose ``frozen`` is held by the type checker alone."""
        return dataclasses.dataclass(**{"unsafe_hash": frozen, **options})
