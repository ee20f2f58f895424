"""The pictures of the dashboard, from a Prometheus that knows the past of three rotations."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner

from observability.life import Job, Trouble, as_openmetrics, pushes, sampled
from observability.panels import stacked_layers, stretches, unbroken
from observability.pictures import dashboard, main, slug
from observability.prometheus_api import Series
from observability.svg import Scale, shortened, ticks, time_ticks, written
from rotator.core.machine import Part
from tests.observability.backfill import with_past
from tests.observability.lives import DAY, MINUTE, three
from tests.observability.servers import Prometheus

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
END = BEGIN + 10.5 * DAY
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Ten days: payments/jwt rotates in the second week and is frozen at the end."""
    frozen = Trouble(part=Part.VERIFIERS, begin=BEGIN + 10 * DAY, end=END + DAY, failed="edited by hand")
    runs = pushes(three(frozen), Job(held=frozenset({900})), BEGIN, END)
    scrapes = sampled(runs, 4 * MINUTE, END)
    server = with_past(tmp_path_factory.mktemp("past"), as_openmetrics(scrapes))
    yield server
    server.stop()


@pytest.fixture(scope="module")
def pictures(past: Prometheus, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, ET.Element]:
    """What the command draws of the last days, parsed."""
    out = tmp_path_factory.mktemp("pictures") / "new"
    asked = ["--start", (BEGIN + 6 * DAY).isoformat(), "--end", END.isoformat(), "--scrape", "240"]
    answer = CliRunner().invoke(main, ["--prometheus", past.url, *asked, "--out", str(out)])
    assert answer.exit_code == 0, answer.output
    return {path.name: ET.fromstring(path.read_text(encoding="utf-8")) for path in out.iterdir()}  # noqa: S314 - drawn by us


def _texts(picture: ET.Element) -> list[str]:
    return [t.text or "" for t in picture.iter(f"{SVG}text")]


def _boxes(picture: ET.Element) -> list[tuple[str, float]]:
    """Return words and width of each stretch of a timeline."""
    found = []
    for group in picture.iter(f"{SVG}g"):
        title, box = group.find(f"{SVG}title"), group.find(f"{SVG}rect")
        if title is not None and box is not None:
            found.append(((title.text or "").partition(":")[0], float(box.get("width", "0"))))
    return found


def test_there_is_one_for_each_panel_and_one_of_all(pictures: Mapping[str, ET.Element]) -> None:
    """With its title, and something in it; no alert is in a past that no rule has seen."""
    panels = [p for p in dashboard() if p["type"] != "row"]
    assert pictures.keys() == {"dashboard.svg", *(f"{slug(p['title'])}.svg" for p in panels)}
    for panel in panels:
        name = f"{slug(panel['title'])}.svg"
        assert _texts(pictures[name])[0] == panel["title"]
        assert ("nothing in this time" in _texts(pictures[name])) is (panel["title"] == "Alerts")
    assert {p["title"] for p in dashboard()} <= set(_texts(pictures["dashboard.svg"]))


def test_everything_stands_inside_its_picture(pictures: Mapping[str, ET.Element]) -> None:
    """No rectangle, text or line begins outside."""
    for name, picture in pictures.items():
        width, height = float(picture.get("width", "0")), float(picture.get("height", "0"))
        for element in picture.iter():
            for x, y in (("x", "y"), ("x1", "y1"), ("x2", "y2")):
                assert 0 <= float(element.get(x, "0")) <= width, name
                assert 0 <= float(element.get(y, "0")) <= height, name


def test_the_timeline_shows_the_phases_in_their_order(pictures: Mapping[str, ET.Element]) -> None:
    """One rotation is at rest all the time, one goes through a life, the last one through several."""
    words = [word for word, _ in _boxes(pictures["phases.svg"])]
    assert words[-5:] == ["Stable", "Lead", "Switching", "Overlap", "Stable"], "payments/jwt is the last line"
    assert {"orders/session", "orders/webhook", "payments/jwt"} <= set(_texts(pictures["phases.svg"]))
    longest = max(width for word, width in _boxes(pictures["phases.svg"]) if word == "Stable")
    assert longest > 500


def test_the_table_tells_of_the_last_instant(pictures: Mapping[str, ET.Element]) -> None:
    """The frozen one says since when; the others have empty cells there."""
    texts = _texts(pictures["where-each-rotation-stands.svg"])
    assert "Frozen since" in texts
    assert "12 h" in texts
    assert [t for t in texts if "/" in t] == ["orders/session", "orders/webhook", "payments/jwt"]


def test_numbers(pictures: Mapping[str, ET.Element]) -> None:
    """One picture each."""
    shown = {name: _texts(pictures[f"{name}.svg"])[1] for name in ("rotations", "frozen", "overdue")}
    assert shown == {"rotations": "3", "frozen": "1", "overdue": "0"}


def test_short_runs_are_seen_in_a_long_time(pictures: Mapping[str, ET.Element]) -> None:
    """A step stands for ten minutes among days: the highest value of each interval is drawn."""
    assert {"stage", "publish", "activate", "converge", "withdraw", "destroy"} <= set(
        _texts(pictures["steps-of-the-last-run.svg"])
    )


def test_no_two_lines_of_text_are_in_each_other(pictures: Mapping[str, ET.Element]) -> None:
    """In a panel, texts that begin on the same line of pixels do not begin at the same place."""
    for name, picture in pictures.items():
        groups = list(picture.iter(f"{SVG}g")) or [picture]
        for group in groups:
            places = [(t.get("x"), t.get("y")) for t in group.findall(f"{SVG}text")]
            assert len(places) == len(set(places)), name


def test_they_follow_light_and_dark(pictures: Mapping[str, ET.Element]) -> None:
    """Ink and paper are named once for each; no text has a colour of its own that only one could show."""
    for picture in pictures.values():
        style = picture.findtext(f"{SVG}style") or ""
        assert "prefers-color-scheme:dark" in style
        for text in picture.iter(f"{SVG}text"):
            assert not re.search(r"#(?:000|fff)\b", text.get("style", ""))


def test_a_server_that_does_not_answer_is_a_sentence(tmp_path: Path) -> None:
    """And so is an end before the start, and what is no instant."""
    asked = ["--prometheus", "http://127.0.0.1:1", "--out", str(tmp_path)]
    for begin, end, said in (
        ("2026-01-01", "2026-01-02", "does not answer"),
        ("2026-01-02", "2026-01-01", "expected an end after the start"),
        ("yesterday", "2026-01-01", "expected an instant"),
    ):
        answer = CliRunner().invoke(main, [*asked, "--start", begin, "--end", end])
        assert answer.exit_code != 0
        assert said in answer.output
        assert "Traceback" not in answer.output


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (0, "s", "0"),
        (0.25, "s", "250 ms"),
        (-0.1, "s", "-100 ms"),
        (59.5, "s", "59.5 s"),
        (90, "s", "1 min 30 s"),
        (3600, "s", "1 h"),
        (7199, "s", "2 h"),
        (86399, "s", "1 d"),
        (176400, "s", "2 d 1 h"),
        (-5400, "s", "-1 h 30 min"),
        (1.544, "percentunit", "154 %"),
        (2, "none", "2"),
        (0.12345, "none", "0.123"),
    ],
)
def test_numbers_are_written_as_people_do(value: float, unit: str, expected: str) -> None:
    """Two parts of a duration, rounded so that no part is full."""
    assert written(value, unit) == expected


@pytest.mark.parametrize(
    ("low", "high", "most", "unit", "expected"),
    [
        (0, 10, 5, "none", [0, 2, 4, 6, 8, 10]),
        (0, 2.16, 3, "none", [0, 1, 2]),
        (0, 7000, 4, "s", [0, 1800, 3600, 5400]),
        (-30, 30, 4, "s", [-30, -15, 0, 15, 30]),
        (5, 5, 4, "none", [5]),
    ],
)
def test_ticks_are_round(low: float, high: float, most: int, unit: str, expected: list[float]) -> None:
    """Steps of 1, 2 and 5; of clock and calendar for durations."""
    assert ticks(low, high, most, unit=unit) == pytest.approx(expected)


def test_times_are_round() -> None:
    """Whole days over days, hours and minutes over hours, seconds over less than minutes."""
    begin = BEGIN.timestamp()
    assert [text for _, text in time_ticks(begin, begin + 3 * 86400, 3)] == [
        "1 Mar",
        "2 Mar",
        "3 Mar",
        "4 Mar",
    ]
    assert [text for _, text in time_ticks(begin, begin + 20, 2)] == ["00:00:00", "00:00:10", "00:00:20"]
    assert [text for _, text in time_ticks(begin, begin + 7200, 4)] == [
        "00:00",
        "00:30",
        "01:00",
        "01:30",
        "02:00",
    ]


def test_a_gap_in_the_data_is_a_gap_in_the_timeline() -> None:
    """Equal values that follow each other are one stretch; the last one ends with the picture."""
    series = Series({}, [(0, 1), (10, 1), (20, 2), (50, 2), (60, 2)])
    assert stretches(series, 10, 65) == [(0, 20, 1), (20, 30, 2), (50, 65, 2)]


def test_a_gap_in_the_data_is_a_gap_in_a_line() -> None:
    """A value that is not there is not drawn as if it were between its neighbours."""
    assert unbroken([(0, 1), (10, 2), (30, 3)], 10) == [[(0, 1), (10, 2)], [(30, 3)]]
    assert unbroken([], 10) == []


def test_areas_stand_on_each_other() -> None:
    """Also where one has no value."""
    found = [("a", Series({}, [(0, 1), (10, 2)])), ("b", Series({}, [(10, 3), (20, 4)]))]
    assert stacked_layers(found) == [
        ("a", [(0, 1), (10, 2)], [(0, 0), (10, 0)]),
        ("b", [(10, 5), (20, 4)], [(10, 2), (20, 0)]),
    ]


def test_small_helpers() -> None:
    """A scale stays inside its range; a text that is too long ends with an ellipsis."""
    scale = Scale(0, 10, 100, 200)
    assert [scale(v) for v in (-5, 0, 5, 10, 15)] == [100, 100, 150, 200, 200]
    assert shortened("payments/jwt", 1000) == "payments/jwt"
    assert shortened("payments/jwt", 40).endswith("…")
