"""An example is read on one page."""

from __future__ import annotations

from tests.examples.programs import EXAMPLES

LONGER = {"demo.py", "far_end.py"}
"""Those of the demo, which show more than how something is done."""


def test_an_example_has_less_than_a_hundred_lines() -> None:
    lines = {path.name: len(path.read_text().splitlines()) for path in EXAMPLES.glob("*.py")}
    assert {name for name, count in lines.items() if count >= 100} <= LONGER
    assert len(lines) > 12
