"""Metrics: one gauge a fact, in base units, of bounded number.

Everything is a gauge that tells what is so now, because a job keeps no counters between two runs. Names and labels
are a promise to dashboards and alerts: https://prometheus.io/docs/practices/naming/.

Labels come from the declarations (namespace, rotation, type) and from closed lists (phase, result, step); what a list
does not know is counted as `Unknown`, so that nobody makes series by writing on an object.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from rotator.core.machine import Step
from rotator.core.ring import Phase
from rotator.telemetry.figures import RotationFigures, RunFigures

CAP = 1000
"""So many rotations have series of their own; the totals always tell of all."""
RESULTS = ("Waiting", "Frozen", "Held", "Idle", "Refused", "Deleted")
"""The values of `rotator.engine.outcome.Result`; a test holds the two equal."""
UNKNOWN = "Unknown"
_PHASES = tuple(str(phase) for phase in Phase)
_STEPS = tuple(str(step) for step in Step)
_LABELS = ("namespace", "rotation", "type")

Value = float | None
_ROTATION: tuple[tuple[str, str, Callable[[RotationFigures], Value]], ...] = (
    (
        "rotator_rotation_revision",
        "Revision of the ring; it only grows.",
        lambda r: r.revision,
    ),
    (
        "rotator_rotation_accepted_versions",
        "Versions that the verifiers are to accept now.",
        lambda r: r.accepted_versions,
    ),
    (
        "rotator_rotation_active_timestamp_seconds",
        "Since when the active version is active.",
        lambda r: _seconds(r.active_since),
    ),
    (
        "rotator_rotation_period_seconds",
        "How often a new version is declared to be made.",
        lambda r: r.period.total_seconds() or None,
    ),
    (
        "rotator_rotation_next_timestamp_seconds",
        "When something is to be done next; absent where each run looks.",
        lambda r: _seconds(r.next),
    ),
    (
        "rotator_rotation_frozen",
        "1 where the rotation cannot go on and a person has to look; all versions stay accepted.",
        lambda r: r.frozen,
    ),
    (
        "rotator_rotation_result_timestamp_seconds",
        "Since when result and reason are what they are.",
        lambda r: _seconds(r.result_since),
    ),
    (
        "rotator_rotation_retire_timestamp_seconds",
        "When the old version stops being accepted; only while it is, and while that instant is known.",
        lambda r: _seconds(r.retire_at),
    ),
    (
        "rotator_rotation_lease_held",
        "1 while a run is at work on the rotation.",
        lambda r: r.lease_held,
    ),
    (
        "rotator_rotation_lease_acquired_timestamp_seconds",
        "When the run that is at work took the lease; only while it is held.",
        lambda r: _seconds(r.lease_acquired) if r.lease_held else None,
    ),
)
"""The gauges of one rotation: name, help, value. None makes no sample."""


def registry_of(
    *, rotations: Sequence[RotationFigures] | None = None, run: RunFigures | None = None, cap: int = CAP
) -> CollectorRegistry:
    """Return a registry that shows where `rotations` stand, and what `run` did.

    None says that nothing is known of them, so that a push leaves what the last one told; an empty sequence says
    that there are none. Beyond `cap`, rotations are counted but have no series of their own: frozen ones come
    first, then those that are due soonest.
    """
    registry = CollectorRegistry(auto_describe=False)
    if rotations is not None:
        registry.register(_Families(_of_rotations(rotations, cap)))
    if run is not None:
        registry.register(_Families(_of_run(run)))
    return registry


class _Families(Collector):
    """Families that are made at once, so that whoever reads them later cannot meet an error."""

    def __init__(self, families: Iterable[GaugeMetricFamily]) -> None:
        self._families = tuple(families)

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Return them."""
        return self._families


# --- rotations ---------------------------------------------------------------------------------------------------


def _of_rotations(rotations: Sequence[RotationFigures], cap: int) -> Iterator[GaugeMetricFamily]:
    shown = sorted(rotations, key=_urgency)[:cap]
    yield _phases(shown)
    for name, text, value in _ROTATION:
        family = GaugeMetricFamily(name, text, labels=_LABELS)
        for rotation in shown:
            if (number := value(rotation)) is not None:
                family.add_metric((rotation.namespace, rotation.name, rotation.type), float(number))
        yield family
    yield _counted(
        "rotator_rotations",
        "Rotations by type, phase and result of the last run.",
        ("type", "phase", "result"),
        Counter((r.type, _known(r.phase, _PHASES), _known(r.result, RESULTS)) for r in rotations),
    )
    yield GaugeMetricFamily(
        "rotator_rotations_left_out",
        f"Rotations without series of their own: those beyond {cap}.",
        value=len(rotations) - len(shown),
    )


def _urgency(rotation: RotationFigures) -> tuple[bool, float, str, str]:
    """Sort frozen ones first, then by when they are due; without an instant, each run looks: that is now."""
    return not rotation.frozen, _seconds(rotation.next) or 0.0, rotation.namespace, rotation.name


def _phases(rotations: Iterable[RotationFigures]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(
        "rotator_rotation_phase",
        "1 for the phase that the rotation is in, 0 for the others.",
        labels=(*_LABELS, "phase"),
    )
    for rotation in rotations:
        for phase in _PHASES:
            labels = (rotation.namespace, rotation.name, rotation.type, phase)
            family.add_metric(labels, float(rotation.phase == phase))
    return family


# --- a run -------------------------------------------------------------------------------------------------------


def _of_run(run: RunFigures) -> Iterator[GaugeMetricFamily]:
    ended = run.ended.timestamp()
    yield GaugeMetricFamily("rotator_run_timestamp_seconds", "When the last run ended.", value=ended)
    if run.exit_code == 0:
        yield GaugeMetricFamily(
            "rotator_run_success_timestamp_seconds", "When the last run with exit code 0 ended.", value=ended
        )
    yield GaugeMetricFamily(
        "rotator_run_duration_seconds",
        "How long the last run took.",
        value=run.duration.total_seconds(),
    )
    yield GaugeMetricFamily(
        "rotator_run_exit_code",
        "0 done or waiting as planned, 1 frozen or failed, 2 usage or policy, 3 another run holds the lease.",
        value=run.exit_code,
    )
    yield _counted(
        "rotator_run_requests",
        "Requests of the last run; code 0 stands for no answer.",
        ("system", "method", "code"),
        {(system, method, str(code)): n for (system, method, code), n in run.requests.items()},
    )
    yield _counted(
        "rotator_run_steps", "Steps that the last run recorded.", ("step",), _all(run.steps, _STEPS)
    )
    yield _counted(
        "rotator_run_rotations",
        "Rotations by how the last run ended for them.",
        ("result",),
        _all(run.results, RESULTS),
    )
    yield _counted(
        "rotator_clock_skew_seconds",
        "How far the clock of a system is ahead of ours, where that is certain.",
        ("system",),
        {(system,): off.total_seconds() for system, off in run.skew.items()},
    )


def _all(counts: Mapping[str, int], names: Iterable[str]) -> Mapping[tuple[str, ...], float]:
    """Return a count for every name, 0 where there is none; what no name fits is counted as unknown."""
    known = tuple(names)
    every = Counter(dict.fromkeys(known, 0))
    for name, count in counts.items():
        every[_known(name, known)] += count
    return {(name,): count for name, count in every.items()}


# --- small things ------------------------------------------------------------------------------------------------


def _counted(
    name: str, text: str, labels: Sequence[str], values: Mapping[tuple[str, ...], float]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=labels)
    for key, value in sorted(values.items()):
        family.add_metric(key, value)
    return family


def _known(name: str, names: Collection[str]) -> str:
    return str(name) if name in names else UNKNOWN


def _seconds(instant: datetime | None) -> float | None:
    return None if instant is None else instant.timestamp()
