"""Draw one rotation, with the instants that the machine itself decides on: `timeline.svg`.

`python -m docs.pictures.timeline` writes it, with `--check` it only compares.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path

from docs.pictures.life import Event, Life, live, windows_of
from docs.pictures.svg import box, line, picture, text, tip
from docs.written import HERE, finish
from rotator.core.machine import Step
from rotator.core.ring import Ring, State
from rotator.core.timing import Windows, format_duration
from rotator.policy.files import load

FILE = HERE / "pictures/timeline.svg"
SCHEDULE = timedelta(minutes=5)
"""How often a run starts, as the CronJob does."""
SWITCHING = timedelta(minutes=3, seconds=40)
"""How long the restarted pods need, in this picture."""
OLD, NEW = "v1", "v2"

LEFT, RIGHT, TOP = 122.0, 24.0, 86.0
PER_MINUTE = 16.0
ROW, BAR = 40.0, 26.0
NEAR = 85.0
"""Words over lines that are closer than this would touch."""
BEFORE, AFTER = timedelta(minutes=4), timedelta(minutes=5)
WORDS = {
    State.STAGED: "staged",
    State.PUBLISHED: "published",
    State.ACTIVE: "active",
    State.RETIRING: "retiring",
}


def life() -> tuple[Life, Windows]:
    """Live the example of the pages through one replacement."""
    windows = windows_of(load([HERE / "example.yaml"])[0])
    return lived_with(windows), windows


def lived_with(windows: Windows) -> Life:
    """Live through one replacement."""
    return live(windows, schedule=SCHEDULE, switching=SWITCHING, versions=2)


def texts() -> Mapping[Path, str]:
    """Return the picture by its file."""
    return {FILE: draw(*life())}


def draw(lived: Life, windows: Windows) -> str:
    """Return the picture as SVG."""
    scale = _Scale(lived)
    rows = [TOP + n * ROW for n in range(5)]
    bottom = rows[4] + 58
    parts = [
        *_moments(scale, lived, rows[0] - 12, rows[4] - 6),
        *_versions(scale, lived, rows),
        *_row(scale, lived, rows[2], "verifiers accept", lambda ring: _names(ring.accepted)),
        *_row(scale, lived, rows[3], "holders use", _used),
        *_windows(scale, lived, windows, rows[4] + 6),
        *_axis(scale, bottom - 24),
    ]
    begun = lived.at(Step.STAGE, NEW)
    told = "; ".join(f"{_clock(e.at - begun)} {e.step} {e.version}" for e in _shown(lived))
    size = scale.x(scale.end) + RIGHT, bottom + 4
    return picture("timeline", size, "One rotation, minute by minute", told, parts)


class _Scale:
    def __init__(self, lived: Life) -> None:
        self.begun = lived.at(Step.STAGE, NEW)
        self.start = self.begun - BEFORE
        self.end = lived.at(Step.DESTROY, OLD) + AFTER

    def x(self, at: datetime) -> float:
        return LEFT + (at - self.start) / timedelta(minutes=1) * PER_MINUTE


def _shown(lived: Life) -> list[Event]:
    begun = lived.at(Step.STAGE, NEW)
    return [e for e in lived.events if e.at >= begun]


def _moments(scale: _Scale, lived: Life, top: float, bottom: float) -> list[str]:
    """Mark each instant at which something is recorded; what is recorded in the same run stands together."""
    groups: list[list[Event]] = []
    for event in _shown(lived):
        if groups and event.at - groups[-1][-1].at < timedelta(seconds=30):
            groups[-1].append(event)
        else:
            groups.append([event])
    parts = []
    places = [scale.x(group[0].at) for group in groups]
    for group, x, before, after in zip(
        groups, places, [-NEAR, *places], [*places[1:], places[-1] + NEAR], strict=False
    ):
        anchor = "end" if after - x < NEAR else "start" if x - before < NEAR else "middle"
        parts.append(line([(x, top), (x, bottom)], extra=' stroke-dasharray="2 3"'))
        for position, event in enumerate(reversed(group)):
            words = f"{event.step} {event.version}"
            parts.append(text(x, top - 6 - 15 * (position + 1), words, anchor=anchor, kind="strong"))
        parts.append(text(x, top - 6, _clock(group[0].at - scale.begun), anchor=anchor, kind="small"))
    return parts


def _versions(scale: _Scale, lived: Life, rows: list[float]) -> list[str]:
    """One bar a version, in the colour of its state."""
    parts = []
    for version, y in ((OLD, rows[0]), (NEW, rows[1])):
        parts.append(text(LEFT - 12, y + 18, f"version {version}", anchor="end"))
        for state, start, end in _states(scale, lived, version):
            if state is State.DESTROYED:
                parts.append(
                    box((scale.x(start), y + 1), (scale.x(end) - scale.x(start), BAR - 2), "destroyed")
                )
                parts.append(text(scale.x(start) + 10, y + 18, "destroyed", kind="small"))
                continue
            x, width = scale.x(start), scale.x(end) - scale.x(start)
            parts.append(box((x, y), (width, BAR), str(state).lower()))
            if width > 7 * len(WORDS[state]):
                parts.append(text(x + 10, y + 18, WORDS[state], kind="on"))
    return parts


def _states(scale: _Scale, lived: Life, version: str) -> list[tuple[State, datetime, datetime]]:
    spans: list[tuple[State, datetime, datetime]] = []
    for event in lived.events:
        state = next((v.state for v in event.ring.versions if v.id == version), None)
        if state is None:
            continue
        at = max(event.at, scale.start)
        if spans and spans[-1][0] is state:
            continue
        if spans:
            spans[-1] = (*spans[-1][:2], at)
        spans.append((state, at, scale.end))
    return [s for s in spans if s[1] < s[2]]


def _row(scale: _Scale, lived: Life, y: float, title: str, said: Callable[[Ring], str]) -> list[str]:
    """Say how something that follows from the ring changes over time."""
    parts = [text(LEFT - 12, y + 18, title, anchor="end")]
    spans: list[tuple[str, datetime, datetime]] = []
    for event in lived.events:
        words, at = said(event.ring), max(event.at, scale.start)
        if spans and spans[-1][0] == words:
            continue
        if spans:
            spans[-1] = (*spans[-1][:2], at)
        spans.append((words, at, scale.end))
    for words, start, end in spans:
        x, width = scale.x(start), scale.x(end) - scale.x(start)
        if width <= 0:
            continue
        parts.append(box((x, y), (width, BAR), "both" if " " in words else "staged"))
        parts.append(text(x + 6, y + 18, words, kind="on"))
    return parts


def _names(ids: tuple[str, ...]) -> str:
    return " and ".join(ids)


def _used(ring: Ring) -> str:
    active = ring.active
    if active is None:
        return "nothing"
    switched = active.converged_at is not None or len(ring.held) == 1
    return active.id if switched else f"{ring.held[1]} → {active.id}"


def _windows(scale: _Scale, lived: Life, windows: Windows, y: float) -> list[str]:
    """Draw the lead and the overlap as they were stored when they began."""
    published, converged = lived.at(Step.PUBLISH, NEW), lived.at(Step.CONVERGE, NEW)
    lead = scale.x(published), scale.x(published + windows.lead)
    overlap = scale.x(converged), scale.x(converged + windows.overlap)
    return [
        text(LEFT - 12, y + 4, "at least", anchor="end"),
        *_span(*lead, y, f"lead {format_duration(windows.lead)}"),
        *_span(*overlap, y, f"overlap {format_duration(windows.overlap)}"),
    ]


def _span(x1: float, x2: float, y: float, words: str) -> list[str]:
    return [
        line([(x1, y), (x2, y)], "edge"),
        tip(x1, y, (-1, 0)),
        tip(x2, y, (1, 0)),
        text((x1 + x2) / 2, y + 16, words, anchor="middle", kind="small"),
    ]


def _axis(scale: _Scale, y: float) -> list[str]:
    """Draw the axis: a line for each start of the CronJob."""
    parts = [
        text(LEFT - 12, y + 4, f"a run every {format_duration(SCHEDULE)}", anchor="end"),
        line([(LEFT, y), (scale.x(scale.end), y)]),
    ]
    at = scale.begun.replace(second=0)
    while at <= scale.end:
        x = scale.x(at)
        parts.append(line([(x, y - 5), (x, y + 5)], "edge"))
        parts.append(
            text(
                x,
                y + 20,
                f"{(at - scale.begun.replace(second=0)) // timedelta(minutes=1)} min",
                anchor="middle",
                kind="small",
            )
        )
        at += SCHEDULE
    return parts


def _clock(length: timedelta) -> str:
    seconds = int(length.total_seconds())
    return f"{seconds // 60}:{seconds % 60:02}"


if __name__ == "__main__":
    finish(texts())
