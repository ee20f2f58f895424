"""Pictures of the dashboard, drawn from a Prometheus by the panels' own queries.

    python -m observability.pictures --prometheus URL --start 2026-03-01T00:00Z --end 2026-03-08T00:00Z --out FOLDER

One SVG for each panel, and `dashboard.svg` with all of them in their places. They follow the reader's light or dark
mode, and need no Grafana.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from observability.panels import PAD, Panel, View, drawn, fitting
from observability.prometheus_api import PrometheusApi, QueryError
from observability.svg import Drawing

DASHBOARD = Path(__file__).parent.parent / "charts/rotator/files/dashboard.json"
WIDTH = 1080.0
"""The width of the dashboard, in pixels."""
COLUMNS = 24
UNIT = 34.0
"""The height of one unit of the dashboard's grid."""
GAP = 8.0
LEAST = 760.0
"""A panel on its own is not narrower than this, unless it is a number."""


def dashboard() -> list[dict[str, Any]]:
    """Return the panels of the dashboard that is shipped, rows included."""
    panels: list[dict[str, Any]] = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    return panels


def pictures(view: View) -> Mapping[str, str]:
    """Return file names and SVG documents of what is to be seen in `view`. Raises QueryError."""
    panels = [p for p in dashboard() if p["type"] != "row"]
    files = {f"{slug(p['title'])}.svg": _alone(p, view) for p in panels}
    return {"dashboard.svg": _together(dashboard(), view), **files}


def slug(title: str) -> str:
    """Return a title as the name of a file."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def _alone(panel: Panel, view: View) -> str:
    width = _width(panel) if panel["type"] == "stat" else max(_width(panel), LEAST)
    view = fitting(panel, replace(view, width=width, height=panel["gridPos"]["h"] * UNIT))
    return drawn(panel, view).picture(view.width, view.height, panel["title"])


def _together(panels: Sequence[Panel], view: View) -> str:
    """Draw all panels, side by side as the dashboard has them; a table and states are only as high as they need."""
    whole, y = Drawing(), 0.0
    for beside in _bands(panels):
        views = [replace(view, width=_width(p) - GAP, height=p["gridPos"]["h"] * UNIT - GAP) for p in beside]
        if len(beside) == 1:
            views = [fitting(beside[0], views[0])]
        for panel, place in zip(beside, views, strict=True):
            x = panel["gridPos"]["x"] * WIDTH / COLUMNS
            if panel["type"] == "row":
                whole.add("text", panel["title"], x=x + PAD, y=y + 24, kind="title", style="font-size:15px")
            else:
                whole.group(drawn(panel, place), x + GAP / 2, y)
        y += max(place.height for place in views) + GAP
    return whole.picture(WIDTH, y, "Credential rotation")


def _bands(panels: Sequence[Panel]) -> list[list[Panel]]:
    """Return panels that stand beside each other together, from top to bottom."""
    bands: dict[int, list[Panel]] = {}
    for panel in panels:
        bands.setdefault(panel["gridPos"]["y"], []).append(panel)
    return [bands[y] for y in sorted(bands)]


def _width(panel: Panel) -> float:
    return float(panel["gridPos"]["w"] * WIDTH / COLUMNS)


class Instant(click.ParamType[datetime]):
    """An instant with its zone, as 2026-03-01T00:00Z."""

    name = "instant"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Read it, or say what was expected."""
        try:
            found = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value}: expected an instant, as 2026-03-01T00:00Z", param, ctx)
        return found if found.tzinfo else found.replace(tzinfo=UTC)


@click.command()
@click.option("--prometheus", "url", required=True, metavar="URL", help="http://HOST:PORT of a Prometheus.")
@click.option("--start", "begin", type=Instant(), required=True, help="From when on.")
@click.option(
    "--end", type=Instant(), required=True, help="Until when; tables and numbers are of this instant."
)
@click.option("--scrape", default=60.0, show_default=True, help="How often it was scraped, in seconds.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="A folder.")
def main(url: str, begin: datetime, end: datetime, scrape: float, out: Path) -> None:
    """Draw the dashboard's panels from the data of a Prometheus."""
    if begin >= end:
        raise click.BadParameter("expected an end after the start", param_hint="--end")
    try:
        made = pictures(
            View(api=PrometheusApi(url), begin=begin, end=end, width=WIDTH, height=0, scrape=scrape)
        )
    except QueryError as error:
        raise click.ClickException(str(error)) from None
    out.mkdir(parents=True, exist_ok=True)
    for name, text in made.items():
        (out / name).write_text(text, encoding="utf-8")
    click.echo(f"{len(made)} pictures in {out}")


if __name__ == "__main__":
    main()
