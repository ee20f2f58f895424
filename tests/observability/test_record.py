"""The picture of the dashboard in the pages: what is recorded for it, and that it is whole."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import yaml
from click.testing import CliRunner

from observability.pictures import dashboard
from observability.record import DECLARED, HURRY, MISSING, RULES, SHOWN, declared, hurried, main, story
from rotator.core.timing import parse_duration
from rotator.policy.files import load

ROOT = Path(__file__).parent.parent.parent
PICTURE = ROOT / "docs/pictures" / SHOWN
PAGE = ROOT / "docs/operate/observability.md"
RULES_AS_SHIPPED: dict[str, Any] = yaml.safe_load(RULES.read_text(encoding="utf-8"))


def _rules(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [rule for group in document["groups"] for rule in group["rules"]]


def test_alerts_wait_shorter_and_are_otherwise_as_shipped() -> None:
    """Only `for` differs, and is what it was, divided."""
    before, after = _rules(RULES_AS_SHIPPED), _rules(hurried(RULES_AS_SHIPPED, HURRY))
    for shipped, ours in zip(before, after, strict=True):
        assert {**ours, "for": None} == {**shipped, "for": None}
        waits = parse_duration(shipped.get("for", "0s")) / HURRY
        assert parse_duration(ours["for"]) == waits
    assert len(before) > 5


def test_a_wait_that_is_not_in_minutes_is_refused() -> None:
    """Rather than left as long as it is."""
    rules = {"groups": [{"name": "x", "rules": [{"alert": "A", "expr": "1", "for": "1h"}]}]}
    with pytest.raises(ValueError, match="A: expected minutes, not 1h"):
        hurried(rules, 60)


def test_what_is_recorded_is_allowed_and_short() -> None:
    """`rotator validate` takes it, and several periods fit into the time that is recorded."""
    found = load([DECLARED])
    assert [p.ref for p in found] == [
        f"{d['metadata']['namespace']}/{d['metadata']['name']}" for d in declared()
    ]
    assert all(p.spec.every.total_seconds() <= 40 for p in found)


def test_the_story_is_in_order() -> None:
    """Each disturbance has its time inside the recording, and is said in words."""
    shares = [event.share for event in story()]
    assert shares == sorted(shares)
    assert shares[0] > 0
    assert shares[-1] < 1
    assert all(event.says for event in story())


def test_without_the_programs_nothing_is_drawn(tmp_path: Path) -> None:
    """It says so, exits with a code of its own, and leaves no picture."""
    answer = CliRunner().invoke(main, ["--out", str(tmp_path)], env={"PATH": str(tmp_path)})
    assert answer.exit_code == MISSING
    assert "NOTHING IS DRAWN: no " in answer.output
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def picture() -> ET.Element:
    """What the pages show."""
    return ET.fromstring(PICTURE.read_text(encoding="utf-8"))  # noqa: S314 - drawn by us


def _texts(picture: ET.Element) -> set[str]:
    return {element.text or "" for element in picture.iter() if element.tag.endswith("}text")}


def test_every_panel_is_in_it_with_data(picture: ET.Element) -> None:
    """Under its title, as are the rows; none says that there is nothing."""
    shown = _texts(picture)
    assert {panel["title"] for panel in dashboard()} <= shown
    assert "nothing in this time" not in shown


def test_it_tells_the_story(picture: ET.Element) -> None:
    """All rotations, a freeze, an alert that is pending and firing, and each phase that lasts."""
    names = {f"{d['metadata']['namespace']}/{d['metadata']['name']}" for d in declared()}
    expected = {
        "RotatorRotationFrozen",
        "pending",
        "firing",
        "frozen",
        "Lead",
        "Switching",
        "Overlap",
        "Stable",
    }
    assert names | expected <= _texts(picture)


def test_nothing_in_it_comes_from_elsewhere(picture: ET.Element) -> None:
    """No script, no link, no image, no address but the namespace."""
    text = PICTURE.read_text(encoding="utf-8")
    assert not re.search(r"url\(|@import|javascript:|<!|<\?", text)
    assert re.findall(r"https?://[^\"']+", text) == ["http://www.w3.org/2000/svg"]
    tags = {element.tag.rpartition("}")[2] for element in picture.iter()}
    assert tags <= {"svg", "title", "style", "g", "rect", "text", "line", "path"}
    names = {name for element in picture.iter() for name in element.attrib}
    assert not {name for name in names if "href" in name or name.startswith(("on", "src"))}


def test_the_page_shows_it_with_words_for_who_does_not_see_it() -> None:
    """And says how it was made."""
    figure = re.search(r":::\{figure\} ../pictures/(\S+)\n:alt: (.+)\n", PAGE.read_text(encoding="utf-8"))
    assert figure
    assert figure[1] == SHOWN
    assert len(figure[2]) > 100
