"""The tables of a run go into the pages that show them."""

from __future__ import annotations

import pytest

from benchmarks.publish import BEGIN, END, PAGES, inserted


def test_what_is_between_the_marks_is_replaced() -> None:
    page = f"# Title\n\n{BEGIN}old\nlines\n{END}\nThe rest.\n"
    once = inserted(page, "| new |\n\n")
    assert once == f"# Title\n\n{BEGIN}| new |\n{END}\nThe rest.\n"
    assert inserted(once, "| new |") == once


@pytest.mark.parametrize("page", ["", BEGIN, END + BEGIN])
def test_a_page_without_the_marks_is_refused(page: str) -> None:
    with pytest.raises(ValueError, match="the page has no <!-- benchmarks: begin -->"):
        inserted(page, "| new |")


def test_the_pages_have_them() -> None:
    for page in PAGES:
        assert "| new |" in inserted(page.read_text(), "| new |")
