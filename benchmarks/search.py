"""The search for the highest rate that goes well."""

from __future__ import annotations

import math
from collections.abc import Callable

GROWTH = 1.6


def highest(
    goes_well: Callable[[int], bool],
    first: int,
    *,
    precision: float = 0.05,
    floor: int = 5,
    ceiling: int = 20_000,
    enough: Callable[[], bool] = lambda: False,
) -> int:
    """The highest rate at which ``goes_well`` was true; 0 if not even ``floor`` went well.

    From ``first`` it rises, or falls, by a factor of 1.6 until one rate has gone well and
    one has not, and halves (geometrically) what is between them until that is ``precision``,
    or until ``enough`` says that the best one so far will do.
    """
    good, bad = 0, 0
    rate = max(floor, min(first, ceiling))
    while True:
        if goes_well(rate):
            good = rate
        else:
            bad = rate
        if good == ceiling or bad == floor or (good and enough()):
            return good
        if not bad:
            rate = min(ceiling, math.ceil(good * GROWTH))
        elif not good:
            rate = max(floor, math.floor(bad / GROWTH))
        else:
            rate = round(math.sqrt(good * bad))
            if bad / good <= 1 + precision or rate in (good, bad):
                return good
