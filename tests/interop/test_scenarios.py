"""Runs the scenario suite (``tests/interop/suite.py``)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop import scenarios, suite
from tests.interop.tshark import dissect, flawed

RFCS = Path(__file__).parents[3] / "shared" / "rfc"

scenarios.load()


@pytest.fixture(scope="module")
def lanes(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[suite.Lanes]:
    """What is to be tested has begun: all, where only what follows from it is."""
    selected = [
        item.callspec.params["scenario"]
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.function is test_scenario
    ]
    running = suite.Lanes(selected or suite.registry, tmp_path_factory.mktemp("scenarios"))
    yield running
    running.close()


@pytest.mark.peer("sipp")
@pytest.mark.timeout(240)
@pytest.mark.parametrize("scenario", suite.registry, ids=lambda each: each.label)
def test_scenario(lanes: suite.Lanes, scenario: suite.Scenario) -> None:
    lanes.outcome(scenario.label)


def test_there_are_eighty_scenarios_and_more_in_both_directions() -> None:
    names = set(suite.files())
    assert len(names) >= 80
    for role in ("uac", "uas"):
        assert sum(name.endswith(role) for name in names) >= 25


def test_every_file_is_run_and_every_run_has_its_own_name() -> None:
    assert set(suite.files()) == {name for each in suite.registry for name in each.files}
    labels = [each.label for each in suite.registry]
    assert sorted(labels) == sorted(set(labels))


def test_every_name_names_a_section_that_exists() -> None:
    names = {each.name for each in suite.registry} | set(suite.files())
    found = {name: suite.NAME.fullmatch(name) for name in names}
    assert [name for name, match in found.items() if match is None] == []
    sections = {(match["rfc"], match["section"]) for match in found.values() if match}
    if not RFCS.exists():
        pytest.skip("the texts of ../shared/rfc are not here")
    missing = set()
    for rfc, section in sections:
        path = RFCS / f"rfc{rfc}.txt"
        if not path.exists():
            continue
        text = path.read_text("utf-8", "replace")
        # A heading stands at the margin; in some texts a dot closes its number.
        if not re.search(rf"(?m)^ *{re.escape(section)}\.? +[0-9A-Z\"']", text):
            missing.add((rfc, section))
    assert missing == set()


def test_each_file_calls_itself_by_its_name() -> None:
    for name in suite.files():
        text = (suite.SCENARIOS / f"{name}.xml").read_text()
        assert re.findall(r'<scenario name="([^"]*)"', text) == [name]


@pytest.mark.peer("sipp", "tshark")
@pytest.mark.timeout(600)
def test_wireshark_finds_no_fault(lanes: suite.Lanes, tmp_path: Path) -> None:
    """With the SIP and SDP that the servers sent in all of these scenarios, over whatever."""
    dissected = dissect(lanes.sent(), tmp_path)
    assert flawed(dissected) == []
    assert any("sdp" in each.protocols for each in dissected)
