"""Just enough SVG, and one look for all pictures, in light and in dark.

A picture stands inside a page and takes the page's colours (furo's variables); shown by itself it follows what the
reader's system prefers. Nothing in it is loaded from elsewhere.
"""

from __future__ import annotations

from html import escape

STYLE = """\
#{name} {{ --ink: var(--color-foreground-primary, #1b1b1b); --pale: var(--color-foreground-muted, #6b6f76);
  --line: var(--color-background-border, #d5d5d5); --ground: var(--color-background-primary, transparent);
  font: 13px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }}
@media (prefers-color-scheme: dark) {{ #{name} {{ --ink: var(--color-foreground-primary, #e8e8e8);
  --pale: var(--color-foreground-muted, #a0a5ac); --line: var(--color-background-border, #444); }} }}
#{name} text {{ fill: var(--ink); }}
#{name} .small {{ font-size: 11.5px; fill: var(--pale); }}
#{name} .strong {{ font-weight: 600; }}
#{name} .on {{ fill: #101010; }}
#{name} .staged {{ fill: #b9bec6; }}
#{name} .published {{ fill: #8cc8f0; }}
#{name} .active {{ fill: #3fb68b; }}
#{name} .retiring {{ fill: #f0b73f; }}
#{name} .destroyed {{ fill: none; stroke: var(--pale); stroke-dasharray: 4 3; }}
#{name} .both {{ fill: #b7a6e6; }}
#{name} .rule {{ stroke: var(--line); stroke-width: 1; fill: none; }}
#{name} .edge {{ stroke: var(--pale); stroke-width: 1.4; fill: none; }}
#{name} .tip {{ fill: var(--pale); }}
"""
"""The colours are told apart by people who do not see red or green; the words on them are always dark."""


def picture(name: str, size: tuple[float, float], title: str, description: str, parts: list[str]) -> str:
    """Return an SVG document whose styles touch nothing but itself."""
    width, height = size
    head = (
        f'<svg id="{name}" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {num(width)} {num(height)}" '
        f'width="100%" style="max-width:{num(width)}px;height:auto" role="img" aria-labelledby="{name}-t {name}-d">'
    )
    return "\n".join(
        [
            head,
            f'<title id="{name}-t">{escape(title)}</title>',
            f'<desc id="{name}-d">{escape(description)}</desc>',
            f"<style>\n{STYLE.format(name=name)}</style>",
            *parts,
            "</svg>\n",
        ]
    )


def num(value: float) -> str:
    """Write a number the same on every machine."""
    return f"{value:.1f}".removesuffix(".0")


def box(corner: tuple[float, float], size: tuple[float, float], kind: str, radius: float = 3) -> str:
    """Draw a box."""
    (x, y), (width, height) = corner, size
    return (
        f'<rect class="{kind}" x="{num(x)}" y="{num(y)}" width="{num(max(width, 0))}" height="{num(height)}" '
        f'rx="{num(radius)}"/>'
    )


def text(x: float, y: float, words: str, *, kind: str = "", anchor: str = "start") -> str:
    """Write words."""
    named = f' class="{kind}"' if kind else ""
    return f'<text{named} x="{num(x)}" y="{num(y)}" text-anchor="{anchor}">{escape(words)}</text>'


def line(points: list[tuple[float, float]], kind: str = "rule", extra: str = "") -> str:
    """Draw a line through points."""
    path = " ".join(f"{num(x)},{num(y)}" for x, y in points)
    return f'<polyline class="{kind}" points="{path}"{extra}/>'


def tip(x: float, y: float, direction: tuple[int, int]) -> str:
    """Draw the tip of an arrow that points to `direction`, ending at x, y."""
    dx, dy = direction
    a = (x - 7 * dx - 4 * dy, y - 7 * dy - 4 * dx)
    b = (x - 7 * dx + 4 * dy, y - 7 * dy + 4 * dx)
    corners = " ".join(f"{num(px)},{num(py)}" for px, py in ((x, y), a, b))
    return f'<polygon class="tip" points="{corners}"/>'
