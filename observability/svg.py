"""Plain SVG: a few elements, axes, and numbers as people write them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import escape

FONT = "system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif"
STYLE = f"""
svg{{font-family:{FONT};font-size:12px;--paper:#fff;--ink:#1f2328;--soft:#59636e;--line:#d9dee4;--card:#fff}}
@media (prefers-color-scheme:dark){{svg{{--paper:#0d1117;--ink:#e6edf3;--soft:#9198a1;--line:#2d333b;--card:#151b23}}}}
.card{{fill:var(--card);stroke:var(--line)}} .title{{fill:var(--ink);font-weight:600;font-size:13px}}
text{{fill:var(--ink)}} .soft{{fill:var(--soft)}} .grid{{stroke:var(--line);stroke-width:1}}
.on{{fill:#fff;font-weight:600;font-size:11px}} .big{{font-size:26px;font-weight:600}}
""".replace("\n", "")
WIDE = 6.9
"""The width of a character of ordinary text, in pixels: a little more than most are."""


@dataclass
class Drawing:
    """Elements of one picture, in the order in which they are painted."""

    parts: list[str] = field(default_factory=list)

    def add(self, tag: str, text: str = "", /, **attributes: object) -> None:
        """Add one element; `_` in names stands for `-`, `kind` for `class`."""
        names = {"kind": "class"}
        written = "".join(
            f' {names.get(k, k.replace("_", "-"))}="{escape(_written(v))}"'
            for k, v in attributes.items()
            if v is not None
        )
        self.parts.append(f"<{tag}{written}>{escape(text)}</{tag}>" if text else f"<{tag}{written}/>")

    def box(self, x: float, y: float, width: float, height: float, *, tip: str = "", **how: object) -> None:
        """Add a rectangle; `tip` is shown under the pointer."""
        if not tip:
            self.add("rect", x=x, y=y, width=width, height=height, **how)
            return
        self.parts.append("<g>")
        self.add("title", tip)
        self.add("rect", x=x, y=y, width=width, height=height, **how)
        self.parts.append("</g>")

    def group(self, other: Drawing, x: float, y: float) -> None:
        """Add another drawing, moved."""
        self.parts.append(f'<g transform="translate({_written(x)} {_written(y)})">')
        self.parts += other.parts
        self.parts.append("</g>")

    def picture(self, width: float, height: float, title: str) -> str:
        """Return the whole file."""
        size = f'width="{_written(width)}" height="{_written(height)}"'
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {_written(width)} {_written(height)}"'
            f' role="img"><title>{escape(title)}</title><style>{STYLE}</style>'
            f'<rect {size} fill="var(--paper)"/>' + "\n".join(self.parts) + "</svg>\n"
        )


def _written(value: object) -> str:
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)


def shortened(text: str, width: float) -> str:
    """Return `text`, cut with an ellipsis where it is wider than `width` pixels."""
    room = max(1, int(width / WIDE))
    return text if len(text) <= room else text[: room - 1] + "…"


@dataclass(frozen=True, slots=True)
class Scale:
    """From values to pixels."""

    low: float
    high: float
    begin: float
    end: float

    def __call__(self, value: float) -> float:
        """Return the place of `value`, inside the range of the scale."""
        share = (min(max(value, self.low), self.high) - self.low) / ((self.high - self.low) or 1)
        return self.begin + share * (self.end - self.begin)


def ticks(low: float, high: float, most: int, *, unit: str = "none") -> list[float]:
    """Return round values from `low` to `high`, at most about `most`."""
    raw = (high - low) / max(most, 1)
    if raw <= 0:
        return [low]
    steps: Iterable[float]
    if unit == "s" and raw > 1:
        steps = (2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 4 * 3600, 6 * 3600, 12 * 3600)
        steps = (*steps, *(86400.0 * n for n in (1, 2, 5, 10, 20, 50, 100)))
    else:
        size = 10.0 ** math.floor(math.log10(raw))
        steps = (size, 2 * size, 5 * size, 10 * size)
    step = next((s for s in steps if s >= raw), raw)
    first = math.ceil(low / step - 1e-9)
    return [n * step for n in range(first, math.floor(high / step + 1e-9) + 1)]


MINUTE, DAY = 60, 86400
TIMES = (
    *(5, 10, 15, 30),
    *(MINUTE * n for n in (1, 5, 15, 30, 60, 180, 360, 720)),
    *(DAY * n for n in (1, 2, 5, 7, 14, 30)),
)
"""Round steps of a clock and a calendar, in seconds."""


def time_ticks(begin: float, end: float, most: int) -> list[tuple[float, str]]:
    """Return round instants (UTC) between `begin` and `end` with what is written below them."""
    step = next((s for s in TIMES if s >= (end - begin) / most), TIMES[-1])
    clock = "%H:%M:%S" if step < MINUTE else "%H:%M"
    form = "%-d %b" if step >= DAY else f"%-d %b {clock}" if end - begin > DAY else clock
    places = range(math.ceil(begin / step), math.floor(end / step) + 1)
    return [(n * step, datetime.fromtimestamp(n * step, UTC).strftime(form)) for n in places]


UNITS: Sequence[tuple[str, float]] = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1), ("ms", 0.001))


def written(value: float, unit: str) -> str:
    """Return `value` as people write it: two parts of a duration, whole per cent."""
    if unit == "percentunit":
        return f"{value * 100:.0f} %"
    if unit == "s":
        return _duration(value)
    return f"{value:.0f}" if float(value).is_integer() else f"{value:.3g}"


def _duration(seconds: float) -> str:
    if not seconds:
        return "0"
    sign, length = "-" if seconds < 0 else "", abs(seconds)
    place = next((n for n, (_, size) in enumerate(UNITS) if length >= size), len(UNITS) - 1)
    name, size = UNITS[place]
    if size <= 1:
        return f"{sign}{length / size:.3g} {name}"
    smaller, part = UNITS[place + 1]
    rounded = round(length / part) * part
    if place and rounded >= UNITS[place - 1][1]:
        return f"{sign}{_duration(rounded)}"
    whole, rest = divmod(rounded, size)
    return f"{sign}{whole:.0f} {name}" + (f" {rest / part:.0f} {smaller}" if rest else "")
