"""The dashboard is what its source makes, Grafana's types take it, and every query gives data on a real Prometheus."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from observability.dashboard import COLUMNS, PATH, PHASES, as_json, made
from observability.queries import PHASES as IN_ORDER
from rotator.core.ring import Phase
from rotator.telemetry.metrics import RESULTS, registry_of
from rotator.telemetry.metrics_out import push
from tests.observability.figures import rotation, run
from tests.observability.servers import Prometheus, Pushgateway
from tests.observability.test_rules import RULES

HOUR = timedelta(hours=1)
VARIABLES = {"$namespace": ".*", "$rotation": ".*", "$__rate_interval": "4m"}


def _panels() -> list[dict[str, Any]]:
    panels: list[dict[str, Any]] = json.loads(PATH.read_text(encoding="utf-8"))["panels"]
    return panels


def _chosen(expression: str) -> str:
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    return expression


QUERIES = [
    pytest.param(_chosen(t["expr"]), id=f"{p['title']} {t['refId']}")
    for p in _panels()
    for t in p.get("targets", ())
]


def test_the_file_is_what_its_source_makes() -> None:
    """Write it with `python -m observability.dashboard`; the same source gives the same bytes."""
    assert PATH.read_text(encoding="utf-8") == as_json(made())


def test_grafana_s_types_take_it() -> None:
    """Read into the types that Grafana's schema generates, and written again, nothing is lost."""
    register_default_plugins()
    document = json.loads(PATH.read_text(encoding="utf-8"))
    read = Dashboard.from_json(document)
    assert json.loads(as_json(read)) == document


def test_panels_have_ids_places_and_words() -> None:
    """No two share an id or a place; each says what it shows, and asks the data source that was chosen."""
    ids: set[int] = set()
    places: set[tuple[int, int]] = set()
    for panel in _panels():
        assert panel["id"] not in ids
        ids.add(panel["id"])
        grid = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(grid["x"], grid["x"] + grid["w"])
            for y in range(grid["y"], grid["y"] + grid["h"])
        }
        assert not cells & places
        assert grid["x"] + grid["w"] <= 24
        places |= cells
        if panel["type"] != "row":
            assert panel["description"]
            assert panel["targets"]
            sources = [panel["datasource"], *(t["datasource"] for t in panel["targets"])]
            assert {s["uid"] for s in sources} == {"${datasource}"}


def test_variables() -> None:
    """The data source, namespaces and rotations, all chosen at first; what is chosen reaches every query of rotations."""
    variables = json.loads(PATH.read_text(encoding="utf-8"))["templating"]["list"]
    assert [v["name"] for v in variables] == ["datasource", "namespace", "rotation"]
    assert {v["allValue"] for v in variables[1:]} == {".*"}
    for panel in _panels():
        for target in panel.get("targets", ()):
            chosen = target["expr"].count('namespace=~"$namespace", rotation=~"$rotation"')
            assert chosen == target["expr"].count("rotator_rotation_")


def test_every_column_of_the_table_has_a_query_and_a_place() -> None:
    """Grafana names the value of query A `Value #A`; it is renamed to the column's title."""
    (panel,) = [p for p in _panels() if p["type"] == "table"]
    organized = panel["transformations"][1]["options"]
    values = {f"Value #{t['refId']}" for t in panel["targets"]}
    assert len(values) == len(COLUMNS)
    assert organized["renameByName"].keys() == values | {"namespace", "rotation"}
    assert organized["indexByName"].keys() == organized["renameByName"].keys()
    titles = {o["matcher"]["options"] for o in panel["fieldConfig"]["overrides"]}
    assert titles == {organized["renameByName"][v] for v in values}


def test_phases_are_those_of_the_core() -> None:
    """A phase that the dashboard does not know would look unknown."""
    assert set(IN_ORDER) == {str(p) for p in Phase}
    assert list(PHASES) == list(IN_ORDER)


# --- a real Prometheus -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """One that scrapes a Pushgateway to which runs have pushed every kind of situation, twice over."""
    gateway = Pushgateway(tmp_path_factory.mktemp("pushgateway"))
    try:
        for job in ("rotator", "another"):
            push(gateway.url, job, {}, registry_of(**_situations()), 5)
        targets = {"pushgateway": gateway.port}
        server = Prometheus(tmp_path_factory.mktemp("prometheus"), targets, rules=RULES)
        try:
            server.wait_for('ALERTS{alertname="RotatorRotationFrozen"}')
            yield server
        finally:
            server.stop()
    finally:
        gateway.stop()


def _situations() -> dict[str, Any]:
    now = datetime.now(UTC)
    rotations = [
        rotation("calm", active_since=now - 9 * HOUR, next=now + HOUR, result_since=now),
        rotation("frozen", frozen=True, result="Frozen", next=None, result_since=now - 2 * HOUR),
        rotation("overlap", phase="Overlap", accepted_versions=2, retire_at=now + HOUR, next=now + HOUR),
        rotation("late", phase="Lead", next=now - 2 * HOUR),
        rotation("at-work", phase="Switching", lease_held=True, lease_acquired=now, next=None),
    ]
    return {"rotations": rotations, "run": run(ended=now, results=dict.fromkeys(RESULTS, 1))}


@pytest.mark.parametrize("query", QUERIES)
def test_every_query_gives_data(prometheus: Prometheus, query: str) -> None:
    """The queries as the panels have them, with everything chosen; two copies of a rotation make no error."""
    found = prometheus.query(query)
    assert found
    assert all(sample["value"][1] != "NaN" for sample in found)


def test_the_numbers_are_right(prometheus: Prometheus) -> None:
    """Each rotation counts once, though two jobs told of it."""
    by_title = {p["title"]: _chosen(p["targets"][0]["expr"]) for p in _panels() if p["type"] == "stat"}
    numbers = {title: prometheus.value(query) for title, query in by_title.items()}
    assert 0 <= (numbers.pop("Since a run succeeded") or 0) < HOUR.total_seconds()
    assert numbers == {
        "Rotations": 5,
        "Under way": 3,
        "Frozen": 1,
        "Overdue": 1,
        "Without own series": 0,
    }


def test_the_phase_is_the_number_that_its_name_has(prometheus: Prometheus) -> None:
    """The table and the timeline show numbers by their names."""
    phases = _chosen(next(p for p in _panels() if p["title"] == "Phases")["targets"][0]["expr"])
    found = {s["metric"]["rotation"]: IN_ORDER[int(s["value"][1]) - 1] for s in prometheus.query(phases)}
    assert found == {
        "calm": "Stable",
        "frozen": "Stable",
        "overlap": "Overlap",
        "late": "Lead",
        "at-work": "Switching",
    }


def test_choosing_one_rotation_shows_it_alone(prometheus: Prometheus) -> None:
    """The variables narrow what is asked."""
    expression = next(p for p in _panels() if p["title"] == "Rotations" and p["type"] == "stat")
    query = expression["targets"][0]["expr"].replace("$namespace", "payments").replace("$rotation", "late")
    assert prometheus.value(query) == 1


def test_variables_find_what_there_is(prometheus: Prometheus) -> None:
    """What Grafana asks for `label_values`."""
    found = prometheus.ask("label/rotation/values", **{"match[]": "rotator_rotation_frozen"})
    assert found == ["at-work", "calm", "frozen", "late", "overlap"]


def test_the_rules_load_and_the_pending_alert_is_seen(prometheus: Prometheus) -> None:
    """The same rules in a running Prometheus, beside promtool's tests of them."""
    groups = prometheus.ask("rules")["groups"]
    assert {rule["health"] for group in groups for rule in group["rules"]} == {"ok"}
    assert prometheus.wait_for('ALERTS{alertname="RotatorRotationFrozen", rotation="frozen"}')
    assert Path(groups[0]["file"]) == RULES
