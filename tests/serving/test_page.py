"""The page in a real Chromium: what people see, without a script, in the dark, by keyboard, on a small screen, and aloud."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

from rotator.serving import operator
from rotator.serving.listener import Listener
from tests.faults.environment import Bao
from tests.serving.replica import Serving, policy
from tests.trial import Trial

CHROMIUM = shutil.which("chromium") or ""
PICTURES = Path(__file__).parents[2] / "build" / "pictures"
LEAST = 4.5
"""The least contrast of text (WCAG 2.2, 1.4.3)."""
CONTRASTS = """
() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
  const rgb = (colour) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); return [...canvas.getImageData(0, 0, 1, 1).data]; };
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255).map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (node) => { for (; node; node = node.parentElement) { const c = rgb(getComputedStyle(node).backgroundColor); if (c[3]) return c; }
    return matchMedia("(prefers-color-scheme: dark)").matches ? [18, 18, 18, 255] : [255, 255, 255, 255]; };
  return [...document.querySelectorAll("body *")].filter((n) => [...n.childNodes].some((c) => c.nodeType === 3 && c.data.trim())).map((n) => {
    const [one, other] = [light(rgb(getComputedStyle(n).color)), light(ground(n))].sort((a, b) => b - a);
    return [n.tagName + "." + n.className, (one + 0.05) / (other + 0.05)];
  });
}
"""
"""Measures each text against its ground."""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium."""
    if not CHROMIUM:
        pytest.skip("NO CHROMIUM: apt-get install chromium")
    with sync_playwright() as driver:
        sandbox = [] if os.getuid() else ["--no-sandbox"]  # it refuses to be sandboxed as root
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=sandbox)
        yield browser
        browser.close()


@pytest.fixture
def replica(bao: Bao, tmp_path: Path) -> Serving:
    """A replica in the middle of its second version, beside a rotation that needs a person."""
    trial = Trial(bao)
    taken = {"metadata": {"name": "taken"}, "data": {"kid": "eA=="}}
    trial.environment.ask("POST", "/api/v1/namespaces/payments/secrets", taken)
    frozen = trial.policy("frozen", holders=[{"secret": {"name": "taken", "data": {"kid": "kid"}}}])
    made = Serving(trial, tmp_path, policy(trial), frozen)
    for _ in range(12):
        view = made.tick()
        outcome = next(o for o in view.outcomes if o.rotation.endswith("/key"))
        if outcome.until and outcome.summary.phase != "Stable":
            trial.timeline.pass_by(max(outcome.until - view.now, timedelta()))
    trial.timeline.pass_by(timedelta(days=31))
    made.tick()
    made.service.look()
    return made


@pytest.fixture
def address(replica: Serving) -> Iterator[str]:
    """Where the page is served."""
    listener = Listener("a", "127.0.0.1:0", lambda asked: operator.answer(replica.service.view(), asked))
    yield f"http://127.0.0.1:{listener.port}/"
    listener.close()


def opened(chromium: Browser, address: str, **how: Any) -> Page:
    """Open the page; whatever it loads, runs or complains about beside itself fails the test."""
    page = chromium.new_context(**how).new_page()
    asked: list[str] = []
    said: list[str] = []

    def requested(request: Request) -> None:
        asked.append(request.url)

    def complained(message: ConsoleMessage) -> None:
        said.append(message.text)

    page.on("request", requested)
    page.on("console", complained)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(address)
    assert [url for url in asked if not url.endswith("/favicon.ico")] == [address]
    assert [text for text in said if "favicon" not in text and "404" not in text] == []
    return page


@pytest.mark.parametrize("script", [True, False])
def test_people_see_what_there_is_to_see(chromium: Browser, address: str, script: bool) -> None:
    """With and without script: each rotation, how it stands in words, and what is waited for."""
    page = opened(chromium, address, java_script_enabled=script)
    assert page.title() == "rotator: 2 rotations, 1 of them needs a person"
    rows = page.get_by_role("region", name="Rotations").get_by_role("row")
    assert rows.count() == 3
    frozen = rows.filter(has=page.get_by_role("rowheader", name="payments/frozen")).inner_text()
    assert "Frozen: a person has to look" in frozen
    assert "exists and was not made by rotator" in frozen
    lead = rows.filter(has=page.get_by_role("rowheader", name="payments/key")).inner_text()
    assert "Lead" in lead
    assert "waits as planned" in lead
    served = page.get_by_role("region", name="What is served").inner_text()
    assert "serves revision " in served
    page.context.close()


def test_the_timeline_opens_by_keyboard_and_tells_past_and_future(chromium: Browser, address: str) -> None:
    """It is a part of the page that needs no script to be opened."""
    page = opened(chromium, address, java_script_enabled=False)
    details = page.locator("details", has=page.get_by_text("payments/key", exact=True))
    assert not page.get_by_text("made active").first.is_visible()
    details.locator("summary").focus()
    page.keyboard.press("Enter")
    assert page.get_by_text("made active").first.is_visible()
    assert details.get_by_role("heading", name="So far").is_visible()
    assert "may be made active" in details.get_by_role("list").last.inner_text()
    page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read_in_the_light_and_in_the_dark(
    chromium: Browser, address: str, scheme: Any
) -> None:
    """By its contrast (WCAG 2.2, 1.4.3); the ground follows what people have chosen."""
    page = opened(chromium, address, color_scheme=scheme)
    for details in page.locator("details").all():
        details.locator("summary").click()
    measured = page.evaluate(CONTRASTS)
    assert len(measured) > 30
    assert [pair for pair in measured if pair[1] < LEAST] == []
    grounds = page.evaluate("() => matchMedia('(prefers-color-scheme: dark)').matches")
    assert grounds == (scheme == "dark")
    page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_pictured_for_the_docs(chromium: Browser, address: str, scheme: Any) -> None:
    """`make pictures` takes what this leaves in build/pictures into the docs."""
    page = opened(chromium, address, color_scheme=scheme, viewport={"width": 1280, "height": 720})
    page.locator("details", has=page.get_by_text("payments/key", exact=True)).locator("summary").click()
    PICTURES.mkdir(parents=True, exist_ok=True)
    taken = page.screenshot(path=PICTURES / f"serve-{scheme}.png", full_page=True)
    assert taken.startswith(b"\x89PNG")
    page.context.close()


def test_it_fits_on_a_small_screen(chromium: Browser, address: str) -> None:
    """Tables scroll by themselves, also by keyboard; the page does not (WCAG 2.2, 1.4.10)."""
    page = opened(chromium, address, viewport={"width": 320, "height": 600})
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 320
    region = page.get_by_role("region", name="Rotations")
    region.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("(node) => node.scrollLeft > 0", arg=region.element_handle())
    page.context.close()


def test_it_is_told_aloud_as_it_is_shown(chromium: Browser, address: str) -> None:
    """Landmarks, headings in order, tables with headers, and a language (what a screen reader goes by)."""
    page = opened(chromium, address)
    assert page.locator("html").get_attribute("lang") == "en"
    for role in ("banner", "main", "contentinfo", "status"):
        assert page.get_by_role(role).count() == 1, role
    levels = [int(h.evaluate("node => node.tagName[1]")) for h in page.locator("h1, h2, h3").all()]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in itertools.pairwise(levels))
    for table in page.get_by_role("table").all():
        assert table.locator("caption").inner_text()
        assert table.get_by_role("columnheader").count() >= 4
        assert table.get_by_role("rowheader").count() == table.locator("tbody tr").count()
    page.context.close()


def test_a_later_look_shows_what_has_become_of_it(chromium: Browser, address: str, replica: Serving) -> None:
    """Each request is answered anew, and nothing is kept by the browser."""
    page = opened(chromium, address)
    replica.tick(timedelta(minutes=20))
    page.reload()
    row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name="payments/key")).inner_text()
    assert "Switching" in row or "Overlap" in row
    page.context.close()
