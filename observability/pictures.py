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

from observability.panels import PAD, Panel, Scene, drawn, fitting
from observability.prometheus_api import PrometheusApi, QueryError
from observability.svg import Drawing

DASHBOARD = Path(__file__).parent.parent / "charts/rotator/files/dashboard.json"
WIDTH = 1200.0
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


def pictures(scene: Scene) -> Mapping[str, str]:
    """Return file names and SVG documents of what is to be seen in `scene`. Raises QueryError."""
    panels = [p for p in dashboard() if p["type"] != "row"]
    files = {f"{slug(p['title'])}.svg": _alone(p, scene) for p in panels}
    return {"dashboard.svg": _together(dashboard(), scene), **files}


def slug(title: str) -> str:
    """Return a title as the name of a file."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def _alone(panel: Panel, scene: Scene) -> str:
    grid = panel["gridPos"]
    width = grid["w"] * WIDTH / COLUMNS
    if panel["type"] != "stat":
        width = max(width, LEAST)
    scene = fitting(panel, replace(scene, width=width, height=grid["h"] * UNIT))
    return drawn(panel, scene).picture(scene.width, scene.height, panel["title"])


def _together(panels: Sequence[Panel], scene: Scene) -> str:
    whole, bottom = Drawing(), 0.0
    for panel in panels:
        grid = panel["gridPos"]
        x, y = grid["x"] * WIDTH / COLUMNS, grid["y"] * UNIT
        width, height = grid["w"] * WIDTH / COLUMNS - GAP, grid["h"] * UNIT - GAP
        bottom = max(bottom, y + height)
        if panel["type"] == "row":
            whole.add("text", panel["title"], x=x + PAD, y=y + 24, kind="title", style="font-size:15px")
        else:
            whole.group(drawn(panel, replace(scene, width=width, height=height)), x + GAP / 2, y)
    return whole.picture(WIDTH, bottom + GAP, "Credential rotation")


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
            Scene(api=PrometheusApi(url), begin=begin, end=end, width=WIDTH, height=0, scrape=scrape)
        )
    except QueryError as error:
        raise click.ClickException(str(error)) from None
    out.mkdir(parents=True, exist_ok=True)
    for name, text in made.items():
        (out / name).write_text(text, encoding="utf-8")
    click.echo(f"{len(made)} pictures in {out}")


if __name__ == "__main__":
    main()
