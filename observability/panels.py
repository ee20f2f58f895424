"""The kinds of panels that the dashboard has, drawn as SVG from what their own queries return."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from observability.prometheus_api import PrometheusApi, Series
from observability.svg import WIDE, Drawing, Scale, shortened, ticks, time_ticks, written

COLOURS = ("#2f6fde", "#e8820c", "#3f9c4f", "#9a5fd0", "#c9a100", "#d1263b", "#1298a6", "#8a8f98")
PAD, HEAD, FOOT, LEGEND = 14.0, 34.0, 22.0, 18.0
"""Room at the sides, for the title, for the axis of time, and for one line of the legend."""
BOLD = 7.6
"""The width of a character of a title, in pixels."""
STRIPE, HIGHEST = 40.0, 130.0
"""The height of one line of states where a picture is as high as it needs, and the most where there is room."""
FINEST = 0.25
"""Values are not asked for closer than that, in seconds."""
Panel = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Whom to ask, and about what time."""

    api: PrometheusApi
    begin: datetime
    end: datetime
    width: float
    height: float
    scrape: float = 60
    """How often the data were scraped, in seconds."""

    @property
    def span(self) -> tuple[float, float]:
        """Begin and end in seconds."""
        return self.begin.timestamp(), self.end.timestamp()

    def step(self, points: float) -> float:
        """Return the seconds between `points` values, which are not asked for closer than the data are."""
        begin, end = self.span
        return max((end - begin) / points, min(1.0, self.scrape), FINEST)


def drawn(panel: Panel, view: View) -> Drawing:
    """Return a panel of the dashboard, with its card and title."""
    drawing = Drawing()
    drawing.box(0.5, 0.5, view.width - 1, view.height - 1, rx=6, kind="card")
    _title(panel["title"], view, drawing)
    KINDS[panel["type"]](panel, view, drawing)
    return drawing


def _title(title: str, view: View, drawing: Drawing) -> None:
    """Write it, smaller where there is little room."""
    if len(title) * BOLD <= view.width - 2 * PAD:
        drawing.add("text", title, x=PAD, y=22, kind="title")
        return
    small = "font-size:11.5px"
    drawing.add("text", shortened(title, view.width - PAD), x=PAD / 2, y=22, kind="title", style=small)


def fitting(panel: Panel, view: View) -> View:
    """Return the view just as high as a table or timeline needs."""
    if panel["type"] == "table":
        return replace(view, height=HEAD + 8 + ROW * (1 + len(_rows(_columns(panel, view)))))
    if panel["type"] == "state-timeline":
        lines = max(1, len(_ranges(panel, view, view.step(view.width))))
        return replace(view, height=HEAD + STRIPE * lines + FOOT + LEGEND + PAD / 2)
    return view


def queries(panel: Panel, view: View, step: float = 0) -> list[tuple[str, str]]:
    """Return expression and legend of each target, with the dashboard's variables put in: everything is chosen."""
    interval = max(step + view.scrape, 4 * view.scrape)
    variables = {"$namespace": ".*", "$rotation": ".*", "$__rate_interval": f"{interval * 1000:.0f}ms"}
    found = []
    for target in panel.get("targets", ()):
        expression = target["expr"]
        for name, value in variables.items():
            expression = expression.replace(name, value)
        found.append((expression, target.get("legendFormat", "")))
    return found


def _named(legend: str, labels: Mapping[str, str]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda m: labels.get(m[1], ""), legend).strip()


def _ranges(panel: Panel, view: View, step: float) -> list[tuple[str, Series]]:
    found = [
        (_named(legend, series.labels), series)
        for expression, legend in queries(panel, view, step)
        for series in view.api.range(expression, view.begin, view.end, step)
        if series.points
    ]
    return sorted(found, key=lambda item: item[0])


def _defaults(panel: Panel) -> Mapping[str, Any]:
    defaults: Mapping[str, Any] = panel["fieldConfig"]["defaults"]
    return defaults


def _words(config: Mapping[str, Any]) -> Mapping[str, Mapping[str, str]]:
    options: Mapping[str, Mapping[str, str]] = (config.get("mappings") or [{"options": {}}])[0]["options"]
    return options


def _by_limits(config: Mapping[str, Any], value: float) -> str | None:
    steps = (config.get("thresholds") or {}).get("steps") or []
    found: str | None = None
    for step in steps:
        if step["value"] is None or value >= step["value"]:
            found = step["color"]
    return found


def _nothing(view: View, drawing: Drawing) -> None:
    drawing.add(
        "text",
        "nothing in this time",
        x=view.width / 2,
        y=view.height / 2 + 10,
        kind="soft",
        text_anchor="middle",
    )


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle, in pixels."""

    x: float
    y: float
    width: float
    height: float


# --- one number --------------------------------------------------------------------------------------------------


def _stat(panel: Panel, view: View, drawing: Drawing) -> None:
    found = [s for expression, _ in queries(panel, view) for s in view.api.instant(expression, view.end)]
    config = _defaults(panel)
    text, colour = str(config.get("noValue", "-")), None
    if found and found[0].points:
        value = found[0].points[0][1]
        text, colour = written(value, config.get("unit", "none")), _by_limits(config, value)
    drawing.add(
        "text",
        text,
        x=view.width / 2,
        y=view.height / 2 + 22,
        kind="big",
        text_anchor="middle",
        style=f"fill:{colour}" if colour else None,
    )


# --- a table -----------------------------------------------------------------------------------------------------

ROW = 24.0


def _table(panel: Panel, view: View, drawing: Drawing) -> None:
    columns = _columns(panel, view)
    refs = _rows(columns)
    if not refs:
        _nothing(view, drawing)
        return
    widths = [max(len(title), *(_length(v.get(r, ("", None))) for r in refs)) + 2.0 for title, v in columns]
    room = (view.width - 2 * PAD) / sum(widths)
    x, top = PAD, HEAD + 14
    for (title, values), share in zip(columns, widths, strict=True):
        drawing.add("text", shortened(title, share * room), x=x, y=top, kind="soft")
        for line, ref in enumerate(refs, 1):
            text, colour = values.get(ref, ("", None))
            if text:
                style = f"fill:{colour};font-weight:600" if colour else None
                drawing.add("text", shortened(text, share * room), x=x, y=top + line * ROW, style=style)
        x += share * room
    for line in range(1, len(refs) + 1):
        y = top + line * ROW - 16.5
        drawing.add("line", x1=PAD, x2=view.width - PAD, y1=y, y2=y, kind="grid")


Cells = dict[tuple[str, str], tuple[str, str | None]]


def _columns(panel: Panel, view: View) -> list[tuple[str, Cells]]:
    names = panel["transformations"][1]["options"]["renameByName"]
    looks = {
        o["matcher"]["options"]: {p["id"]: p["value"] for p in o["properties"]}
        for o in panel["fieldConfig"]["overrides"]
    }
    columns: list[tuple[str, Cells]] = []
    for (expression, _), target in zip(queries(panel, view), panel["targets"], strict=True):
        title = names[f"Value #{target['refId']}"]
        cells: Cells = {}
        for series in view.api.instant(expression, view.end):
            ref = series.labels.get("namespace", ""), series.labels.get("rotation", "")
            if series.points and all(ref):
                cells[ref] = _cell(looks[title], series.points[0][1])
        columns.append((title, cells))
    refs = _rows(columns)
    return [("Rotation", {ref: ("/".join(ref), None) for ref in refs}), *columns]


def _length(cell: tuple[str, str | None]) -> float:
    """Return how many ordinary characters a cell takes; what has a colour is bold."""
    text, colour = cell
    return len(text) * (BOLD / WIDE if colour else 1)


def _rows(columns: Sequence[tuple[str, Cells]]) -> list[tuple[str, str]]:
    return sorted({ref for _, cells in columns for ref in cells})


def _cell(config: Mapping[str, Any], value: float) -> tuple[str, str | None]:
    if word := _words(config).get(written(value, "none")):
        return word["text"], None if word["color"] == "transparent" else word["color"]
    return written(value, config["unit"]), _by_limits(config, value)


# --- states over time --------------------------------------------------------------------------------------------


def _states(panel: Panel, view: View, drawing: Drawing) -> None:
    step = view.step(view.width)
    found = _ranges(panel, view, step)
    if not found:
        _nothing(view, drawing)
        return
    words = _words(_defaults(panel))
    left = PAD + min(180.0, max(len(name) for name, _ in found) * WIDE + 10)
    begin, end = view.span
    across = Scale(begin, end, left, view.width - PAD)
    bottom = view.height - FOOT - LEGEND - PAD / 2
    height = min(HIGHEST, (bottom - HEAD) / len(found))
    _time_axis(view, drawing, across, HEAD, HEAD + height * len(found))
    seen: set[str] = set()
    for line, (name, series) in enumerate(found):
        top = HEAD + line * height
        drawing.add(
            "text",
            shortened(name, left - PAD),
            x=left - 8,
            y=top + height / 2 + 4,
            text_anchor="end",
        )
        for at, until, value in stretches(series, step, end):
            key = written(value, "none")
            word = words.get(key, {"text": key, "color": COLOURS[-1]})
            if word["color"] != "transparent":
                seen.add(key)
                box = Box(across(at), top + height * 0.1, across(until) - across(at), height * 0.8)
                _stretch(drawing, box, word, f"{word['text']}: {written(until - at, 's')}")
    shown = [(w["text"], w["color"]) for key, w in words.items() if key in seen]
    _legend(view, drawing, shown)


def stretches(series: Series, step: float, end: float) -> list[tuple[float, float, float]]:
    """Return from when until when the value was the same; a gap of several steps ends a stretch."""
    found: list[tuple[float, float, float]] = []
    for at, value in series.points:
        if found and found[-1][2] == value and at - found[-1][1] < 1.5 * step:
            found[-1] = found[-1][0], at + step, value
        else:
            found.append((at, at + step, value))
    return [(at, min(until, end), value) for at, until, value in found]


def _stretch(drawing: Drawing, box: Box, word: Mapping[str, str], tip: str) -> None:
    width = max(box.width, 1.0)
    drawing.box(box.x, box.y, width, box.height, fill=word["color"], tip=tip)
    if width > len(word["text"]) * WIDE + 8:
        drawing.add("text", word["text"], x=box.x + 6, y=box.y + box.height / 2 + 4, kind="on")


# --- lines and bars ----------------------------------------------------------------------------------------------


def _lines(panel: Panel, view: View, drawing: Drawing) -> None:
    step = view.step(view.width - 80)
    found = _ranges(panel, view, step)
    if not found:
        _nothing(view, drawing)
        return
    config = _defaults(panel)
    unit, custom = config.get("unit", "none"), config.get("custom", {})
    stacked = (custom.get("stacking") or {}).get("mode") == "normal"
    if stacked:
        found = [(name, s) for name, s in found if any(value for _, value in s.points)] or found[:1]
    layers = stacked_layers(found) if stacked else [(name, s.points, None) for name, s in found]
    entries = [(name, COLOURS[n % len(COLOURS)]) for n, (name, _, _) in enumerate(layers)]
    up, marks = _vertical(config, layers, view, LEGEND * len(_legend_lines(view, entries)))
    begin, end = view.span
    left = PAD + max(len(written(m, unit)) for m in marks) * WIDE + 6
    across = Scale(begin, end, left, view.width - PAD)
    for mark in marks:
        y = up(mark)
        drawing.add("line", x1=left, x2=view.width - PAD, y1=y, y2=y, kind="grid")
        drawing.add("text", written(mark, unit), x=left - 6, y=y + 4, kind="soft", text_anchor="end")
    _time_axis(view, drawing, across, up.end, up.begin)
    for limit in (config.get("thresholds") or {}).get("steps") or []:
        if limit["value"] is not None and up.low < limit["value"] < up.high:
            y = up(limit["value"])
            drawing.add(
                "line",
                x1=left,
                x2=view.width - PAD,
                y1=y,
                y2=y,
                stroke=limit["color"],
                stroke_dasharray="4 3",
            )
    stepped = custom.get("lineInterpolation") == "stepAfter"
    for number, (_, points, below) in enumerate(layers):
        colour = COLOURS[number % len(COLOURS)]
        if below is None:
            path = "".join(_path(part, across, up, stepped=stepped) for part in unbroken(points, step))
            drawing.add("path", d=path, fill="none", stroke=colour, stroke_width=2, stroke_linejoin="round")
        else:
            parts = zip(unbroken(points, step), unbroken(below, step), strict=True)
            path = "".join(_outline(*part, across, up, step) for part in parts)
            drawing.add("path", d=path, fill=colour, fill_opacity=0.8)
    _legend(view, drawing, entries)


Points = Sequence[tuple[float, float]]
Layer = tuple[str, Points, Points | None]


def unbroken(points: Points, step: float) -> list[Points]:
    """Return the parts of a line between gaps of more than a step."""
    parts: list[list[tuple[float, float]]] = []
    for at, value in points:
        if not parts or at - parts[-1][-1][0] > 1.5 * step:
            parts.append([])
        parts[-1].append((at, value))
    return list(parts)


def stacked_layers(found: Sequence[tuple[str, Series]]) -> list[Layer]:
    """Return each series on top of those before it, with the line that it stands on."""
    layers: list[Layer] = []
    base: dict[float, float] = {}
    for name, series in found:
        below = [(at, base.get(at, 0.0)) for at, _ in series.points]
        for at, value in series.points:
            base[at] = base.get(at, 0.0) + value
        layers.append((name, [(at, base[at]) for at, _ in series.points], below))
    return layers


def _vertical(
    config: Mapping[str, Any], layers: Sequence[Layer], view: View, legend: float
) -> tuple[Scale, list[float]]:
    values = [value for _, points, _ in layers for _, value in points]
    low, high = min(values), max(values)
    if config.get("custom", {}).get("axisCenteredZero"):
        high = max(abs(low), abs(high)) or 1.0
        low = -high
    low = min(low, config.get("min", low))
    if low == high:
        high = low + 1
    unit = config.get("unit", "none")
    most = max(2, int((view.height - HEAD - FOOT - legend) / 34))
    marks = ticks(low, high * 1.08 if high > 0 else high, most, unit=unit)
    if config.get("decimals") == 0:
        marks = [m for m in marks if float(m).is_integer()]
    top = max(high * 1.05 if high > 0 else high, marks[-1])
    return Scale(low, top, view.height - FOOT - legend - PAD / 2, HEAD + 6), marks


def _path(points: Points, across: Scale, up: Scale, *, stepped: bool) -> str:
    written_: list[str] = []
    before: float | None = None
    for at, value in points:
        x, y = across(at), up(value)
        if before is None:
            written_.append(f"M{x:.1f} {y:.1f}")
        elif stepped:
            written_.append(f"H{x:.1f}" + (f"V{y:.1f}" if y != before else ""))
        else:
            written_.append(f"L{x:.1f} {y:.1f}")
        before = y
    return _without_repeats(written_)


def _without_repeats(parts: Sequence[str]) -> str:
    """Join the parts of a path; of `H` that follow each other only the last one matters."""
    kept: list[str] = []
    for part in parts:
        if kept and part.startswith("H") and kept[-1].startswith("H") and "V" not in kept[-1]:
            kept[-1] = part
        else:
            kept.append(part)
    return "".join(kept)


def _outline(points: Points, below: Points, across: Scale, up: Scale, step: float) -> str:
    """Return the area between two stepped lines; the last value stands for a step."""
    end = points[-1][0] + step
    there = _path([*points, (end, points[-1][1])], across, up, stepped=True)
    back = []
    for number in range(len(below) - 1, -1, -1):
        at, base = below[number]
        until = below[number + 1][0] if number + 1 < len(below) else end
        back.append(f"L{across(until):.1f} {up(base):.1f}L{across(at):.1f} {up(base):.1f}")
    return there + "".join(back) + "Z"


# --- shared ------------------------------------------------------------------------------------------------------


def _time_axis(view: View, drawing: Drawing, across: Scale, top: float, bottom: float) -> None:
    for at, text in time_ticks(*view.span, max(2, int((across.end - across.begin) / 90))):
        x = across(at)
        drawing.add("line", x1=x, x2=x, y1=top, y2=bottom, kind="grid")
        if across.begin + 18 <= x <= across.end - 18:
            drawing.add("text", text, x=x, y=bottom + 16, kind="soft", text_anchor="middle")


Entries = Sequence[tuple[str, str]]
"""Names with their colours."""


def _legend_lines(view: View, entries: Entries) -> list[list[tuple[float, str, str]]]:
    """Return where each name stands, in as many lines as it takes; one line where there is no name."""
    lines: list[list[tuple[float, str, str]]] = [[]]
    x = PAD
    for name, colour in entries:
        if lines[-1] and x + len(name) * WIDE + 16 > view.width - PAD:
            lines.append([])
            x = PAD
        lines[-1].append((x, name, colour))
        x += len(name) * WIDE + 28
    return lines


def _legend(view: View, drawing: Drawing, entries: Entries) -> None:
    lines = _legend_lines(view, entries)
    for number, line in enumerate(lines, 1):
        y = view.height - 10 - LEGEND * (len(lines) - number)
        for x, name, colour in line:
            drawing.box(x, y - 9, 10, 10, rx=2, fill=colour)
            drawing.add("text", shortened(name, view.width - PAD - x - 15), x=x + 15, y=y, kind="soft")


KINDS: Mapping[str, Callable[[Panel, View, Drawing], None]] = {
    "stat": _stat,
    "table": _table,
    "state-timeline": _states,
    "timeseries": _lines,
}
