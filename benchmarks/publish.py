"""Puts the tables of a run into the pages that show them."""

from __future__ import annotations

from pathlib import Path

from benchmarks.contenders.base import ROOT

PAGES = (ROOT / "README.md", ROOT / "docs" / "performance.md")
BEGIN, END = "<!-- benchmarks: begin -->\n", "<!-- benchmarks: end -->\n"


def inserted(page: str, tables: str) -> str:
    """The page with these tables between its marks; ValueError without them."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no {BEGIN.strip()} with a {END.strip()} after it")
    return f"{before}{begin}{tables.strip()}\n{end}{after}"


def publish(tables: str) -> list[Path]:
    """Changes the pages and gives their paths."""
    for page in PAGES:
        page.write_text(inserted(page.read_text(), tables))
    return list(PAGES)
