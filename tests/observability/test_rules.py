"""The alert rules, evaluated by promtool: by hand-written series, and by whole lives that the real machine lives."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Collection, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from observability.life import Job, Life, Trouble, as_input_series, pushes, sampled
from rotator.core.machine import Part
from tests.observability.lives import DAY, EPOCH, HOUR, MINUTE, three, weekly

ROOT = Path(__file__).parents[2]
RULES = ROOT / "charts/rotator/files/rules.yaml"
ALERTS = {
    "RotatorRotationOverdue",
    "RotatorRotationFrozen",
    "RotatorRunFailing",
    "RotatorNoRuns",
    "RotatorClockSkew",
    "RotatorOldVersionAccepted",
    "RotatorLeaseStuck",
    "RotatorCredentialTooOld",
    "RotatorServedSetOld",
}
SCRAPED = 5 * MINUTE


def _promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    if shutil.which("promtool") is None:
        pytest.skip("NO PROMTOOL: the alert rules are not evaluated")
    return subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)


def _alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def test_there_is_a_rule_for_every_alert_and_each_says_what_to_do() -> None:
    """People read the annotations at night: what happened, what is safe, what to do first, and where to read on."""
    assert {rule["alert"] for rule in _alerts()} == ALERTS
    for rule in _alerts():
        said = rule["annotations"]
        assert said.keys() == {"summary", "description", "runbook_url"}
        assert said["runbook_url"] == f"docs/runbooks/{rule['alert']}.md"
        assert "nobody is refused" in said["description"]
        assert " First " in said["description"].replace("\n", " ")
        assert rule["labels"]["severity"] in {"warning", "critical"}


def test_the_rules_are_well_formed() -> None:
    """Promtool parses every expression and every template."""
    answer = _promtool("check", "rules", str(RULES))
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_every_alert_fires_when_it_must_and_not_before() -> None:
    """The hand-written series beside the dashboard's source."""
    answer = _promtool("test", "rules", str(ROOT / "observability/rules_test.yaml"))
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_every_alert_is_in_the_hand_written_series() -> None:
    """A new alert without a test of its words is found here."""
    tests = yaml.safe_load((ROOT / "observability/rules_test.yaml").read_text(encoding="utf-8"))["tests"]
    assert {case["alertname"] for test in tests for case in test.get("alert_rule_test", [])} == ALERTS


Fired = Mapping[str, Collection[str]]
"""The alerts of each rotation, by its name; those of the runs by the empty name."""


def _fired(folder: Path, lives: list[Life], job: Job, expected: Fired, days: int = 13) -> str:
    """Evaluate the rules over some days, expecting exactly these alerts to have fired and none to fire at the end.

    Returns what promtool says otherwise. Series that no rule looks at are left out.
    """
    end = EPOCH + days * DAY
    rules = RULES.read_text(encoding="utf-8")
    scrapes = (
        (now, [s for s in samples if s.name in rules])
        for now, samples in sampled(pushes(lives, job, EPOCH, end), SCRAPED, end)
    )
    ever = f"group by (alertname, rotation) (count_over_time(ALERTS{{alertstate='firing'}}[{days}d]))"
    samples = [
        {"labels": f'{{alertname="{alert}"' + (f', rotation="{name}"' if name else "") + "}", "value": 1}
        for name, alerts in expected.items()
        for alert in alerts
    ]
    questions = [
        {"expr": ever, "eval_time": f"{days}d", "exp_samples": samples},
        {"expr": "count(ALERTS{alertstate='firing'})", "eval_time": f"{days}d", "exp_samples": []},
    ]
    document = {
        "rule_files": [str(RULES)],
        "evaluation_interval": "5m",
        "tests": [
            {"interval": "5m", "input_series": as_input_series(scrapes), "promql_expr_test": questions}
        ],
    }
    path = folder / "life.yaml"
    path.write_text(json.dumps(document), encoding="utf-8")  # which is YAML, and is written faster
    answer = _promtool("test", "rules", str(path))
    return "" if answer.returncode == 0 else answer.stdout + answer.stderr


def test_a_healthy_month_of_rotation_is_silent(tmp_path: Path) -> None:
    """With long leads and overlaps, slow restarts, runs that did not take place and runs that found another at work."""
    job = Job(skipped=frozenset({50, 51, 700, 701, 702}), held=frozenset({144, 145, 1500}))
    assert _fired(tmp_path, three(), job, {}, days=31) == ""


def _trouble(part: Part, begin: timedelta, length: timedelta, failed: str = "") -> Trouble:
    return Trouble(part=part, begin=EPOCH + begin, end=EPOCH + begin + length, failed=failed)


TROUBLES: Mapping[str, tuple[Trouble, set[str]]] = {
    "a-verifier-fails-for-two-hours": (
        _trouble(Part.VERIFIERS, 10 * DAY, 2 * HOUR, "edited by hand"),
        {"RotatorRotationFrozen"},
    ),
    "holders-do-not-switch-in-time": (
        _trouble(Part.HOLDERS, 8 * DAY, DAY),
        {"RotatorRotationFrozen"},
    ),
    "a-gate-before-activation-stays-closed": (
        _trouble(Part.BEFORE_ACTIVATE, 8 * DAY, 1.5 * DAY),
        {"RotatorCredentialTooOld", "RotatorRotationOverdue"},
    ),
    "a-gate-before-destruction-stays-closed": (
        _trouble(Part.BEFORE_DESTROY, 8 * DAY, 12 * HOUR),
        {"RotatorOldVersionAccepted"},
    ),
    "the-store-keeps-an-old-copy": (
        _trouble(Part.HISTORY, 7 * DAY, 4 * DAY),
        {"RotatorRotationOverdue"},
    ),
}
"""What goes wrong with a rotation of this name, and the alerts that name it."""


def test_what_goes_wrong_is_told_and_no_more(tmp_path: Path) -> None:
    """Each trouble raises the alerts that name it, for its rotation and no other, and all is quiet once it is over."""
    troubled = [weekly(name, trouble) for name, (trouble, _) in TROUBLES.items()]
    expected = {name: alerts for name, (_, alerts) in TROUBLES.items()}
    assert _fired(tmp_path, [*three(), *troubled], Job(), expected) == ""


def test_runs_that_stop_are_told(tmp_path: Path) -> None:
    """The Pushgateway shows the last push for ever; that it gets old is what counts."""
    stopped = Job(skipped=frozenset(range(1000, 1200)))
    overdue = {"RotatorRotationOverdue"}
    expected = {"": {"RotatorNoRuns"}, "jwt": overdue, "session": overdue}
    assert _fired(tmp_path, three(), stopped, expected) == ""


def test_a_clock_that_is_off_is_told(tmp_path: Path) -> None:
    """As long as it is off, and an hour more."""
    assert "RotatorClockSkew" in _fired(tmp_path, three(), Job(skew=timedelta(seconds=45)), {}, days=1)
    assert _fired(tmp_path, three(), Job(skew=timedelta(seconds=30)), {}, days=1) == ""
