"""What the source says to mypyc, which makes the compiled form of it; else it says nothing.

``mypyc_attr(acyclic=True)``: no cycle of references ever leads through objects of the class. Where
it is compiled they are then freed by counting references alone: the garbage collector neither
follows them nor has its links in them. An object that could be reached from itself would never
be freed, unless somebody opens the circle, as is done with a user's entry among the timers. Frozen
dataclasses are such by themselves, unless a field of theirs is a function, which may know who made
it (``scripts/compiled/values.py``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_extensions import mypyc_attr as mypyc_attr
else:

    def mypyc_attr(**_attributes):
        """Leaves a class as it is: the interpreter has nothing of the kind."""
        return lambda marked: marked
