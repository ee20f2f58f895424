"""The Grafana dashboard, as code: `python -m observability.dashboard` writes charts/rotator/files/dashboard.json.

What people on call ask, from top to bottom: is anything wrong, which rotation, what happened when, and what do the
runs do. `tests/observability/test_dashboard.py` holds the file equal to this source.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from grafana_foundation_sdk.builders import common as options
from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.builders import prometheus, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common, dashboard
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from observability import queries as q

PATH = Path(__file__).parent.parent / "charts/rotator/files/dashboard.json"
SOURCE = dashboard.DataSourceRef(type_val="prometheus", uid="${datasource}")
ROTATION = "{{namespace}}/{{rotation}}"

GREEN, BLUE, LIGHT, ORANGE, PURPLE, YELLOW, RED, GREY = (
    "#3f9c4f",
    "#2f6fde",
    "#6aa5f5",
    "#e8820c",
    "#9a5fd0",
    "#c9a100",
    "#d1263b",
    "#8a8f98",
)
PHASES = dict(zip(q.PHASES, (GREY, LIGHT, BLUE, ORANGE, PURPLE, YELLOW, GREEN), strict=True))
Words = Mapping[float, tuple[str, str]]
"""What a value is called, and its colour."""
OF_PHASES: Words = {
    0: ("Unknown", RED),
    **{n: (phase, colour) for n, (phase, colour) in enumerate(PHASES.items(), 1)},
}
OF_TROUBLE: Words = {
    0: ("at rest", "transparent"),
    1: ("a run is at work", BLUE),
    2: ("frozen", RED),
    3: ("frozen, a run is at work", ORANGE),
}
OF_ALERTS: Words = {1: ("pending", ORANGE), 2: ("firing", RED)}
OF_EXIT_CODES: Words = {
    0: ("well", GREEN),
    1: ("frozen or failed", RED),
    2: ("refused: usage or policy", ORANGE),
    3: ("held by another run", BLUE),
}
OF_YES_AND_NO: Words = {0: ("-", "transparent"), 1: ("yes", ORANGE)}

Panel = stat.Panel | table.Panel | timeseries.Panel | statetimeline.Panel


def made() -> dashboard.Dashboard:
    """Return the dashboard."""
    whole = (
        build.Dashboard("Credential rotation")
        .uid("rotator")
        .description("Where every rotation of rotator stands, and what its runs do.")
        .tags(["rotator", "security"])
        .timezone("browser")
        .refresh("1m")
        .time("now-7d", "now")
        .tooltip(dashboard.DashboardCursorSync.CROSSHAIR)
        .readonly()
    )
    for variable in _variables():
        whole.with_variable(variable)
    numbers = iter(range(1, 1000))
    for row, panels in _rows():
        whole.with_row(build.Row(row).id(next(numbers)))
        for panel in panels:
            whole.with_panel(panel.datasource(SOURCE).id(next(numbers)))
    return whole.build()


def as_json(whole: dashboard.Dashboard) -> str:
    """Return it as the file has it: the same source gives the same bytes."""
    return json.dumps(whole, cls=JSONEncoder, indent=2, sort_keys=True) + "\n"


def _variables() -> Iterable[build.DatasourceVariable | build.QueryVariable]:
    yield build.DatasourceVariable("datasource").label("Data source").type("prometheus")
    yield _choice("namespace", "Namespace", "label_values(rotator_rotation_frozen, namespace)")
    yield _choice(
        "rotation",
        "Rotation",
        'label_values(rotator_rotation_frozen{namespace=~"$namespace"}, rotation)',
    )


def _choice(name: str, label: str, query: str) -> build.QueryVariable:
    return (
        build.QueryVariable(name)
        .label(label)
        .datasource(SOURCE)
        .query(query)
        .refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(dashboard.VariableSort.ALPHABETICAL_ASC)
        .multi(multi=True)
        .include_all(include_all=True)
        .all_value(".*")
        .current(dashboard.VariableOption(selected=True, text=["All"], value=["$__all"]))
    )


# --- the rows ----------------------------------------------------------------------------------------------------


def _rows() -> Iterable[tuple[str, Sequence[Panel]]]:
    yield (
        "Is anything wrong?",
        [
            _number("Rotations", f"count({q.of_rotation('frozen')})", "Those chosen above."),
            _number(
                "Under way",
                f"sum({q.of_rotation('phase', _NOT_AT_REST)})",
                "Those that have a new version on its way in, or an old one on its way out.",
                {0: BLUE},
            ),
            _number(
                "Frozen",
                f"sum({q.of_rotation('frozen')})",
                "They cannot go on, and a person has to look. All versions stay accepted: nobody is refused.",
                {0: GREEN, 1: RED},
            ),
            _number(
                "Overdue",
                f"sum({q.OVERDUE} > bool 3600)",
                "Their next step should have been taken more than an hour ago.",
                {0: GREEN, 1: RED},
            ),
            _number(
                "Since a run succeeded",
                f"max({q.since(q.of_run('run_success_timestamp_seconds'))})",
                "Of the job or shard for which it is longest.",
                {0: GREEN, 3600: ORANGE, 7200: RED},
                unit="s",
            ),
            _number(
                "Without own series",
                f"sum({q.of_run('rotations_left_out')})",
                "Rotations beyond the cap: they are counted, but not shown here one by one.",
                {0: GREY},
            ),
            _states("Alerts", [(q.ALERTS, "{{alertname}}")], OF_ALERTS, height=5).description(
                "Alerts of rotator, pending and firing. Empty is good."
            ),
        ],
    )
    yield (
        "Rotations",
        [
            _rotations(),
            _states("Phases", [(q.phase_number(), ROTATION)], OF_PHASES, height=8).description(
                "Verifiers accept the new version (Publishing), every cache runs out (Lead), holders switch (Switching), "
                "what was signed with the old one expires (Overlap), it is withdrawn (Withdrawing)."
            ),
            _states("Frozen, and at work", [(q.TROUBLE, ROTATION)], OF_TROUBLE, height=6).description(
                "Since when a rotation cannot go on, and when a run held its lease."
            ),
            _lines("Age of the active version, of its period", [(q.PERIOD_USED, ROTATION)], "percentunit")
            .min(0)
            .thresholds(_limits({0: GREEN, 1: ORANGE, 2: RED}))
            .description("At 100 % a new version is made; it is in use once the lead has passed."),
            _lines("Accepted versions", [(q.of_rotation("accepted_versions"), ROTATION)], "none")
            .min(0)
            .decimals(0)
            .line_interpolation(common.LineInterpolation.STEP_AFTER)
            .description("1 at rest, 2 while a version replaces another."),
            _lines("Overdue by", [(q.OVERDUE, ROTATION)], "s")
            .min(0)
            .thresholds(_limits({0: GREEN, 3600: RED}))
            .description("How long ago the next step should have been taken; 0 is good."),
        ],
    )
    yield (
        "Runs",
        [
            _states(
                "Exit codes", [(q.of_run("run_exit_code"), _OF_JOB)], OF_EXIT_CODES, height=8, span=16
            ).description("How the last run ended."),
            _lines(
                "Clock skew",
                [(q.of_run("clock_skew_seconds", "system", matcher=q.OF_A_SYSTEM), _OF_SYSTEM)],
                "s",
            )
            .axis_centered_zero(axis_centered_zero=True)
            .thresholds(_limits({-1e9: RED, -30: GREEN, 30: RED}))
            .description(
                "How far the clock of a system is ahead of the node's. A run whose clock is off by more than a policy "
                "allows changes nothing."
            ),
            _lines("Duration of the last run", [(q.highest_of_run("run_duration_seconds"), _OF_JOB)], "s")
            .min(0)
            .description("A run ends inside its deadline."),
            _bars("Requests of the last run", q.REQUESTS, "{{system}} {{code}}").description(
                "By system and status code; 0 stands for no answer."
            ),
            _bars("Steps of the last run", q.STEPS, "{{step}}").description(
                "What was recorded: stage, publish, activate, converge, withdraw, prove, destroy."
            ),
        ],
    )


_NOT_AT_REST = 'phase!~"Stable|New"'
_OF_JOB = "{{job}} {{shard}}"
_OF_SYSTEM = "{{system}}"


# --- kinds of panels ---------------------------------------------------------------------------------------------


def _number(
    title: str,
    expression: str,
    description: str,
    limits: Mapping[float, str] | None = None,
    unit: str = "none",
) -> stat.Panel:
    return (
        stat.Panel()
        .title(title)
        .description(description)
        .height(4)
        .span(4)
        .unit(unit)
        .no_value("-")
        .thresholds(_limits(limits or {0: GREY}))
        .color_mode(common.BigValueColorMode.VALUE)
        .graph_mode(common.BigValueGraphMode.NONE)
        .reduce_options(options.ReduceDataOptions().calcs(["lastNotNull"]))
        .with_target(_query(expression, instant=True))
    )


def _states(
    title: str, asked: Sequence[tuple[str, str]], words: Words, *, height: int, span: int = 24
) -> statetimeline.Panel:
    panel = (
        statetimeline.Panel()
        .title(title)
        .height(height)
        .span(span)
        .mappings([_mapping(words)])
        .color_scheme(build.FieldColor().mode(dashboard.FieldColorModeId.FIXED).fixed_color(GREY))
        .merge_values(merge_values=True)
        .show_value(common.VisibilityMode.AUTO)
        .row_height(0.8)
        .fill_opacity(90)
        .line_width(0)
        .legend(_legend())
    )
    for expression, legend in asked:
        panel.with_target(_query(expression, legend))
    return panel


def _lines(title: str, asked: Sequence[tuple[str, str]], unit: str) -> timeseries.Panel:
    panel = (
        timeseries.Panel()
        .title(title)
        .height(8)
        .span(8)
        .unit(unit)
        .line_width(2)
        .fill_opacity(0)
        .show_points(common.VisibilityMode.NEVER)
        .thresholds_style(options.GraphThresholdsStyleConfig().mode(common.GraphTresholdsStyleMode.DASHED))
        .thresholds(_limits({0: GREEN}))
        .legend(_legend())
        .tooltip(options.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI))
    )
    for expression, legend in asked:
        panel.with_target(_query(expression, legend))
    return panel


def _bars(title: str, expression: str, legend: str) -> timeseries.Panel:
    return (
        _lines(title, [(expression, legend)], "none")
        .line_width(0)
        .fill_opacity(75)
        .line_interpolation(common.LineInterpolation.STEP_AFTER)
        .stacking(options.StackingConfig().mode(common.StackingMode.NORMAL))
        .min(0)
        .decimals(0)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of the table of rotations."""

    title: str
    query: str
    unit: str = "none"
    words: Words | None = None
    limits: Mapping[float, str] | None = None


COLUMNS = (
    Column(title="Phase", query=q.phase_number(), words=OF_PHASES),
    Column(title="Age", query=q.AGE, unit="s"),
    Column(
        title="Of its period", query=q.PERIOD_USED, unit="percentunit", limits={0: GREEN, 1: ORANGE, 2: RED}
    ),
    Column(title="Next step in", query=q.NEXT, unit="s", limits={-1e12: RED, -3600: GREY}),
    Column(title="Frozen since", query=q.FROZEN_SINCE, unit="s", limits={0: RED}),
    Column(title="Accepted versions", query=q.of_rotation("accepted_versions")),
    Column(title="Old version ends in", query=q.RETIRE, unit="s", limits={-1e12: RED, -3600: GREY}),
    Column(title="A run is at work", query=q.of_rotation("lease_held"), words=OF_YES_AND_NO),
    Column(title="Revision", query=q.of_rotation("revision")),
)


def _rotations() -> table.Panel:
    panel = (
        table.Panel()
        .title("Where each rotation stands")
        .description(
            "Empty cells: not known, or not so. A rotation without a next step is looked at in each run."
        )
        .height(9)
        .span(24)
        .show_header(show_header=True)
        .sort_by([options.TableSortByFieldState().display_name("Frozen since").desc(desc=True)])
    )
    names = {"namespace": "Namespace", "rotation": "Rotation"}
    for letter, column in zip("ABCDEFGHIJ", COLUMNS, strict=False):
        panel.with_target(
            _query(column.query, instant=True).ref_id(letter).format(PromQueryFormat.TABLE)
        ).override_by_name(column.title, _properties(column))
        names[f"Value #{letter}"] = column.title
    order = {name: number for number, name in enumerate(names)}
    return panel.with_transformation(
        dashboard.DataTransformerConfig(id_val="merge", options={})
    ).with_transformation(
        dashboard.DataTransformerConfig(
            id_val="organize",
            options={"excludeByName": {"Time": True}, "indexByName": order, "renameByName": names},
        )
    )


def _properties(column: Column) -> list[dashboard.DynamicConfigValue]:
    values = [dashboard.DynamicConfigValue("unit", column.unit)]
    if column.words:
        values.append(dashboard.DynamicConfigValue("mappings", [_mapping(column.words)]))
    if column.limits:
        values.append(dashboard.DynamicConfigValue("thresholds", _limits(column.limits).build()))
    if column.words or column.limits:
        values.append(dashboard.DynamicConfigValue("custom.cellOptions", {"type": "color-text"}))
    return values


# --- small things ------------------------------------------------------------------------------------------------


def _query(expression: str, legend: str = "", *, instant: bool = False) -> prometheus.Dataquery:
    query = prometheus.Dataquery().expr(expression).legend_format(legend).datasource(SOURCE).ref_id("A")
    return query.instant() if instant else query.range()


def _legend() -> options.VizLegendOptions:
    return (
        options.VizLegendOptions()
        .display_mode(common.LegendDisplayMode.LIST)
        .placement(common.LegendPlacement.BOTTOM)
        .show_legend(show_legend=True)
        .calcs([])
    )


def _limits(colours: Mapping[float, str]) -> build.ThresholdsConfig:
    """Colours from a value on; the first one also counts below."""
    first = next(iter(colours))
    steps = [
        dashboard.Threshold(value=None if value == first else value, color=colour)
        for value, colour in colours.items()
    ]
    return build.ThresholdsConfig().mode(dashboard.ThresholdsMode.ABSOLUTE).steps(steps)


def _mapping(words: Words) -> dashboard.ValueMap:
    return dashboard.ValueMap(
        options={
            str(value): dashboard.ValueMappingResult(text=text, color=colour, index=number)
            for number, (value, (text, colour)) in enumerate(words.items())
        }
    )


def main(arguments: Sequence[str]) -> str | None:
    """Write the file, or with `--check` say whether it is as this source makes it."""
    text = as_json(made())
    if "--check" in arguments:
        return None if PATH.read_text(encoding="utf-8") == text else f"{PATH.name} is not as its source"
    PATH.write_text(text, encoding="utf-8")
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
