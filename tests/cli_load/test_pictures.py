"""What people see: the live picture, lines, sparklines, the page and its plots."""

from __future__ import annotations

import io
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from hdrh.histogram import HdrHistogram
from rich.console import Console

from picosip.v1 import load_service_pb2 as load_pb
from picosip_server.cli_load.compare import compare
from picosip_server.cli_load.history import History
from picosip_server.cli_load.html import html_text
from picosip_server.cli_load.notation import Amount
from picosip_server.cli_load.plots import distribution, rates
from picosip_server.cli_load.report import Report
from picosip_server.cli_load.report_options import ReportOptions
from picosip_server.cli_load.thresholds import check
from picosip_server.cli_load.view import Picture
from picosip_server.cli_load.words import (
    counts_text,
    rate_text,
    span_text,
    sparkline,
    time_text,
)
from tests.cli_load.scripted import NAME, State, report, whole
from tests.cli_load.test_reports import made


def test_times_rates_and_spans() -> None:
    times = [0, 12e-6, 0.9e-3, 0.0012345, 0.05, 0.99951, 12.345, 123.4]
    assert [time_text(one) for one in times] == [
        *["0 ms", "12 us", "900 us", "1.23 ms", "50 ms", "1 s", "12.3 s", "123 s"]
    ]
    assert [rate_text(one) for one in (0.5, 99.84, 1234.5)] == ["0.5/s", "99.84/s", "1,234/s"]
    assert [span_text(one) for one in (3.25, 245, 3600)] == ["3.2 s", "4:05", "1:00:00"]


def test_the_most_frequent_counts_come_first() -> None:
    assert counts_text({486: 3, 200: 1000}) == "200: 1,000  486: 3"
    assert counts_text({number: 1 for number in range(9)}, most=2) == "0: 1  1: 1  ..."


def test_sparklines() -> None:
    assert sparkline([0.0, 1.0, 4.0, 8.0], 10) == "▁▂▅█"
    assert sparkline([9.0, 0.0, 0.0], 2) == "▁▁"
    assert sparkline([], 5) == ""


def drawn(*reports: load_pb.LoadReport, note: str = "", count: int = 40) -> str:
    """The picture after these reports, as a recording console has it."""
    console = Console(
        file=io.StringIO(), record=True, width=120, force_terminal=True, color_system=None
    )
    history = History("calls")
    with Picture(console, "calls to x", count=count) as picture:
        for one in reports:
            history.add(one)
            picture.update(history)
        if note:
            picture.note(note)
        shown = picture.render()
    console.export_text()
    console.print(shown)
    return console.export_text()


def test_the_live_picture() -> None:
    text = drawn(report(1.0, 10), report(2.0, 20, failed=2, active=3), note="Stopping")
    assert f"calls to x  {NAME}  running" in text
    assert re.search(r"━+.* 20/40 in 2\.0 s", text)
    assert re.search(r"rate +9\.5/s of 10/s +██", text)
    assert re.search(r"active +3, at most 7, waiting 2 +▁█", text)
    assert re.search(r"setup p99 +5 ms +██", text)
    assert re.search(r"post-dial delay +p50 500 us", text)
    assert re.search(r"outcome +ok 15  failed 2  retransmissions 4", text)
    assert re.search(r"responses +200: 15  486: 2", text)
    assert re.search(r"failures +486: 2", text)
    assert "Stopping" in text


def test_the_picture_before_and_after() -> None:
    assert "calls to x  starting" in drawn(note="Stopping")
    assert "ended" in drawn(report(1.0, 10, state=State.STATE_ENDED), count=0)


class Page(HTMLParser):
    """What a page is made of."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            fetches = name in ("src", "href", "data", "action", "srcset", "xlink:href")
            if fetches or "url(" in (value or ""):
                self.links.append(f"{tag} {name}={value}")

    def handle_data(self, data: str) -> None:
        self.text += data


def parsed(text: str) -> Page:
    """A page that was taken apart."""
    page = Page()
    page.feed(text)
    page.close()
    return page


def judged() -> tuple[Report, Report]:
    """A report with thresholds and a comparison, and the one it was compared with."""
    before, now = made(*whole(20)), made(*whole(20, failed=1))
    return now.model_copy(
        update={
            "thresholds": check(now, ReportOptions(max_fail=Amount(0, False), p99_setup=1.0)),
            "comparison": compare(now, before, "<before>.json", 0.1),
            "scenario": {"calls": "</pre><script>alert(1)</script>"},
        }
    ), before


def test_the_page_holds_everything_and_fetches_nothing() -> None:
    text = html_text(*judged())
    page = parsed(text)
    assert page.links == []
    assert not {"script", "link", "img", "iframe", "object"} & set(page.tags)
    assert "@import" not in text
    assert "default-src 'none'" in text
    assert page.tags.count("svg") == 4
    for words in (
        "Calls by picosip load",
        "max-fail",
        "limit 1 s",
        "<before>.json",
        "</pre><script>alert(1)</script>",
        "How times are spread",
    ):
        assert words in page.text


def test_the_plots_are_svg_with_a_line_for_each_series() -> None:
    found, _ = judged()
    text = rates(found)
    assert text is not None
    svg = ElementTree.fromstring(text)
    assert svg.tag == "{http://www.w3.org/2000/svg}svg"
    lines = svg.findall(".//{*}g[@class='series lines']")
    assert len(lines) == 4
    labels = {element.text for element in svg.iter("{http://www.w3.org/2000/svg}text")}
    assert {"begun", "target", "succeeded", "failed", "20 s"} <= labels


@pytest.mark.parametrize("length", [0.05, 0.7, 59.0, 600.0, 90_000.0])
def test_a_load_of_any_length_is_drawn(length: float) -> None:
    page = parsed(html_text(made(report(length, 10, state=State.STATE_ENDED))))
    assert page.tags.count("svg") == 4


def test_a_load_without_figures_has_a_page_without_plots() -> None:
    nothing = load_pb.LoadReport(name=NAME, state=State.STATE_ENDED)
    assert "svg" not in parsed(html_text(made(nothing))).tags


def test_the_distribution_is_drawn_from_the_histogram_where_there_is_one() -> None:
    histogram = HdrHistogram(1, 3_600_000_000, 3)
    for value in range(1, 10_001):
        histogram.record_value(value * 100)
    one = report(1.0, 10_000, state=State.STATE_ENDED)
    one.setup.hdr = histogram.encode().decode()
    one.ClearField("post_dial_delay")
    one.ClearField("teardown")
    text = distribution(made(one), None)
    assert text is not None
    svg = ElementTree.fromstring(text)
    (path,) = svg.findall(".//{*}g[@class='series lines']/{*}path")
    # Up to 99.99 %, beyond which there is less than one of ten thousand.
    labels = [element.text for element in svg.iter("{http://www.w3.org/2000/svg}text")]
    assert "99.99 %" in labels
    assert "99.999 %" not in labels
    places = [float(number) for number in path.attrib["d"].split() if number not in "ML"]
    assert len(places) // 2 > 30
    # Times rise along the line: further down is less.
    assert places[1::2] == sorted(places[1::2], reverse=True)
