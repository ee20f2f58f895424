"""What the metrics say, read back by the parsers that the world reads them with."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from rotator.core.machine import Step
from rotator.core.ring import Phase
from rotator.engine.outcome import Result
from rotator.telemetry.metrics import RESULTS, registry_of
from rotator.telemetry.metrics_out import text
from tests.observability.figures import HOUR, NOW, rotation, run

Labels = tuple[tuple[str, str], ...]
JWT: Labels = (("namespace", "payments"), ("rotation", "jwt"), ("type", "jwtSigningKey"))
OF_A_ROTATION = {
    "rotator_rotation_phase",
    "rotator_rotation_revision",
    "rotator_rotation_accepted_versions",
    "rotator_rotation_active_timestamp_seconds",
    "rotator_rotation_period_seconds",
    "rotator_rotation_next_timestamp_seconds",
    "rotator_rotation_frozen",
    "rotator_rotation_result_timestamp_seconds",
    "rotator_rotation_retire_timestamp_seconds",
    "rotator_rotation_lease_held",
    "rotator_rotation_lease_acquired_timestamp_seconds",
}
OF_ALL = {"rotator_rotations", "rotator_rotations_left_out"}
OF_A_RUN = {
    "rotator_run_timestamp_seconds",
    "rotator_run_success_timestamp_seconds",
    "rotator_run_duration_seconds",
    "rotator_run_exit_code",
    "rotator_run_requests",
    "rotator_run_steps",
    "rotator_run_rotations",
    "rotator_clock_skew_seconds",
}


def _samples(registry: CollectorRegistry) -> dict[tuple[str, Labels], float]:
    """Read the text format back, and OpenMetrics too: they must say the same."""
    plain = _read(parse_text(generate_latest(registry).decode()))
    assert plain == _read(parse_openmetrics(text(registry)))  # type: ignore[no-untyped-call]
    return plain


def _read(families: Iterable[object]) -> dict[tuple[str, Labels], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples  # type: ignore[attr-defined]
    }


def _names(registry: CollectorRegistry) -> set[str]:
    return {family.name for family in parse_text(generate_latest(registry).decode())}


def _by(samples: dict[tuple[str, Labels], float], name: str, label: str) -> dict[str, float]:
    return {dict(labels)[label]: value for (n, labels), value in samples.items() if n == name}


def test_the_names_are_those_that_dashboards_rely_on() -> None:
    """Names are a promise; all are gauges, in base units."""
    registry = registry_of(rotations=[rotation()], run=run())
    assert _names(registry) == OF_A_ROTATION | OF_ALL | OF_A_RUN
    assert {family.type for family in registry.collect()} == {"gauge"}
    assert _names(registry_of(rotations=[])) == OF_A_ROTATION | OF_ALL
    assert _names(registry_of(run=run())) == OF_A_RUN


def test_instants_and_durations_are_seconds() -> None:
    """Every figure of a rotation, each with another value."""
    figures = rotation(
        phase="Overlap",
        revision=17,
        accepted_versions=2,
        active_since=NOW - HOUR,
        period=timedelta(days=30),
        next=NOW + timedelta(seconds=1.5),
        frozen=True,
        result_since=NOW - timedelta(minutes=2),
        retire_at=NOW + 2 * HOUR,
        lease_held=True,
        lease_acquired=NOW - timedelta(seconds=5),
    )
    samples = _samples(registry_of(rotations=[figures]))
    now = NOW.timestamp()
    assert {name: value for (name, labels), value in samples.items() if labels == JWT} == {
        "rotator_rotation_revision": 17,
        "rotator_rotation_accepted_versions": 2,
        "rotator_rotation_active_timestamp_seconds": now - 3600,
        "rotator_rotation_period_seconds": 2592000,
        "rotator_rotation_next_timestamp_seconds": now + 1.5,
        "rotator_rotation_frozen": 1,
        "rotator_rotation_result_timestamp_seconds": now - 120,
        "rotator_rotation_retire_timestamp_seconds": now + 7200,
        "rotator_rotation_lease_held": 1,
        "rotator_rotation_lease_acquired_timestamp_seconds": now - 5,
    }
    assert _by(samples, "rotator_rotation_phase", "phase") == {
        str(phase): float(phase is Phase.OVERLAP) for phase in Phase
    }


def test_what_is_unknown_has_no_sample() -> None:
    """An unknown instant is absent, not zero: zero is 1970, and overdue. A lease that is free was taken by nobody."""
    unknown = rotation(
        active_since=None,
        next=None,
        result_since=None,
        period=timedelta(),
        phase="",
        lease_acquired=NOW,
    )
    samples = _samples(registry_of(rotations=[unknown]))
    assert {name for (name, labels) in samples if labels == JWT} == {
        "rotator_rotation_revision",
        "rotator_rotation_accepted_versions",
        "rotator_rotation_frozen",
        "rotator_rotation_lease_held",
    }
    assert set(_by(samples, "rotator_rotation_phase", "phase").values()) == {0}


def test_a_run_says_what_it_did() -> None:
    """Steps and results are told even where they are none, or a gateway would keep the last ones."""
    samples = _samples(registry_of(run=run()))
    now = NOW.timestamp()
    assert samples["rotator_run_timestamp_seconds", ()] == now
    assert samples["rotator_run_success_timestamp_seconds", ()] == now
    assert samples["rotator_run_duration_seconds", ()] == 2.5
    assert samples["rotator_run_exit_code", ()] == 0
    get = (("code", "200"), ("method", "GET"), ("system", "kubernetes"))
    lost = (("code", "0"), ("method", "POST"), ("system", "vault"))
    assert samples["rotator_run_requests", get] == 3
    assert samples["rotator_run_requests", lost] == 1
    assert _by(samples, "rotator_run_steps", "step") == {str(s): float(s is Step.STAGE) for s in Step}
    assert _by(samples, "rotator_run_rotations", "result") == {r: 2.0 * (r == "Waiting") for r in RESULTS}
    assert samples["rotator_clock_skew_seconds", (("system", "kubernetes"),)] == -0.25


@pytest.mark.parametrize("exit_code", [1, 2, 3])
def test_a_failed_run_says_nothing_of_the_last_success(exit_code: int) -> None:
    """The instant that a gateway has stays; a zero would take it away."""
    registry = registry_of(run=run(exit_code=exit_code))
    assert "rotator_run_success_timestamp_seconds" not in _names(registry)
    assert _samples(registry)["rotator_run_exit_code", ()] == exit_code


def test_results_are_those_of_the_engine() -> None:
    """The metrics must not import the engine; their list is held equal here."""
    assert set(RESULTS) == {str(r) for r in Result}


# --- bounds ------------------------------------------------------------------------------------------------------


def test_frozen_rotations_come_first_then_those_that_are_due_soonest() -> None:
    """Beyond the cap nothing has series of its own; without an instant, each run looks, which is now."""
    figures = [
        rotation("later", next=NOW + 9 * HOUR),
        rotation("soon", next=NOW + HOUR),
        rotation("now", next=None),
        rotation("frozen-later", frozen=True, result="Frozen", next=NOW + 99 * HOUR),
        rotation("latest", next=NOW + 10 * HOUR),
    ]
    for cap, shown in (
        (1, {"frozen-later"}),
        (2, {"frozen-later", "now"}),
        (3, {"frozen-later", "now", "soon"}),
        (4, {"frozen-later", "now", "soon", "later"}),
    ):
        samples = _samples(registry_of(rotations=figures, cap=cap))
        assert _by(samples, "rotator_rotation_frozen", "rotation").keys() == shown
        assert _by(samples, "rotator_rotation_phase", "rotation").keys() == shown
        assert samples["rotator_rotations_left_out", ()] == 5 - cap
        assert _total(samples) == 5


def _total(samples: dict[tuple[str, Labels], float]) -> float:
    return sum(value for (name, _), value in samples.items() if name == "rotator_rotations")


def test_a_large_fleet_has_a_bounded_number_of_series() -> None:
    """Ten thousand rotations are counted, a thousand are shown."""
    fleet = [rotation(f"r{n}", next=NOW + n * HOUR) for n in range(10_000)]
    samples = _samples(registry_of(rotations=fleet))
    assert len(_by(samples, "rotator_rotation_revision", "rotation")) == 1000
    assert samples["rotator_rotations_left_out", ()] == 9000
    assert _total(samples) == 10_000
    assert len(samples) < 1000 * 20


def test_totals_are_by_type_phase_and_result() -> None:
    """They need no series a rotation."""
    figures = [
        rotation("a"),
        rotation("b"),
        rotation("c", type="sharedSecret", phase="Lead"),
        rotation("d", result="Frozen", frozen=True),
    ]
    samples = _samples(registry_of(rotations=figures))
    assert {labels: v for (name, labels), v in samples.items() if name == "rotator_rotations"} == {
        (("phase", "Stable"), ("result", "Waiting"), ("type", "jwtSigningKey")): 2,
        (("phase", "Lead"), ("result", "Waiting"), ("type", "sharedSecret")): 1,
        (("phase", "Stable"), ("result", "Frozen"), ("type", "jwtSigningKey")): 1,
    }


def test_nobody_makes_series_by_writing_on_an_object() -> None:
    """Phase, result and step come from closed lists, whatever an annotation says."""
    figures = [rotation(f"r{n}", phase=f"P{n}", result=f"R{n}") for n in range(50)]
    strange = run(steps={f"S{n}": 1 for n in range(50)}, results={f"R{n}": 1 for n in range(50)})
    samples = _samples(registry_of(rotations=figures, run=strange))
    assert {labels: v for (name, labels), v in samples.items() if name == "rotator_rotations"} == {
        (("phase", "Unknown"), ("result", "Unknown"), ("type", "jwtSigningKey")): 50
    }
    assert _by(samples, "rotator_run_steps", "step") == {**{str(s): 0 for s in Step}, "Unknown": 50}
    assert _by(samples, "rotator_run_rotations", "result") == {**dict.fromkeys(RESULTS, 0), "Unknown": 50}


def test_label_values_are_escaped() -> None:
    """Quotes, backslashes and line breaks come back as they were, and make no second line."""
    name = 'a"b\\c\nrotator_rotation_frozen{rotation="x"} 1'
    samples = _samples(registry_of(rotations=[rotation(name)]))
    assert set(_by(samples, "rotator_rotation_frozen", "rotation")) == {name}


def test_logs_do_not_load_the_metrics_library() -> None:
    """A run that pushes nothing must not wait for it to load."""
    code = (
        "import sys; import rotator.telemetry.logs, rotator.telemetry.figures; "
        "sys.exit('prometheus_client' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
