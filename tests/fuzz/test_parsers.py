"""A few thousand spoilt inputs for each parser; `make fuzz` has time for more."""

from __future__ import annotations

import random
from itertools import islice

import pytest

from tests.fuzz import parsers


@pytest.mark.parametrize("target", parsers.TARGETS)
def test_no_octets_are_too_much(target: str) -> None:
    rng = random.Random(3261)
    for data in islice(parsers.mutated(target, rng), 1500):
        parsers.TARGETS[target](data)


@pytest.mark.parametrize("target", parsers.TARGETS)
def test_the_inputs_begin_as_valid_ones(target: str) -> None:
    for data in islice(parsers.seeds(target, random.Random(1)), 50):
        parsers.TARGETS[target](data)
