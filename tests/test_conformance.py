"""The table of docs/conformance.md names only tests that exist, and names one for each claim."""

import re
from pathlib import Path

TESTS = Path(__file__).parent
TABLE = TESTS.parent / "docs" / "conformance.md"


def rows() -> list[list[str]]:
    """The cells of each row that is neither a heading nor the line below one."""
    lines = [line for line in TABLE.read_text().splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in cells if row[2] != "state"]


def exists(name: str) -> bool:
    path, _, function = name.partition("::")
    if not path.endswith(".py"):
        return (TESTS / "interop" / "scenarios" / f"{path}.xml").is_file()
    file = TESTS / path
    # A whole file is no evidence for anything.
    return bool(function) and file.is_file() and f"def {function}(" in file.read_text()


def test_each_claim_names_a_test() -> None:
    claims = ("supported", "partly", "by the application")
    assert len(rows()) > 50
    for row in rows():
        assert len(row) == 4, row
        state = row[2].partition(":")[0]
        assert state in (*claims, "no"), row
        assert state == "no" or re.search(r"`[^`]+`", row[3]), row


def test_each_test_that_is_named_exists() -> None:
    named = {name for row in rows() for name in re.findall(r"`([^`]+)`", row[3])}
    assert sorted(name for name in named if not exists(name)) == []
