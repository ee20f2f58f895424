"""The metrics of the process: those of rotations and of the last run, as everywhere, and what is served."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from rotator.serving.view import View, readers
from rotator.telemetry.metrics import registry_of
from rotator.telemetry.sources import of_outcome


def registry(view: View) -> CollectorRegistry:
    """Return what is known at one moment."""
    found = registry_of(
        rotations=None if view.last is None else [of_outcome(outcome) for outcome in view.outcomes],
        run=view.last.figures if view.last else None,
    )
    found.register(_Served(view))
    return found


class _Served(Collector):
    """What is served, by document: bounded by what is declared."""

    def __init__(self, view: View) -> None:
        self._view = view

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Return the families."""
        revision = GaugeMetricFamily(
            "rotator_served_revision",
            "Revision of what is answered with, by rotation.",
            labels=("namespace", "rotation", "document"),
        )
        age = GaugeMetricFamily(
            "rotator_served_look_age_seconds",
            "Since when the document was not seen, or since the start if it never was; a few seconds are usual.",
            labels=("document",),
        )
        silence = GaugeMetricFamily(
            "rotator_served_reader_age_seconds",
            "Since when this replica has not answered a declared reader; the reader's cache is usual.",
            labels=("namespace", "rotation", "document", "reader"),
        )
        table = self._view.table
        for name in table.declared.sources:
            if held := table.serves(name):
                for rotation, stamp in held.stamps.items():
                    namespace, _, short = rotation.partition("/")
                    revision.add_metric((namespace, short, name), stamp.revision)
            looked = table.state(name).looked
            never = (self._view.now - self._view.started).total_seconds()
            age.add_metric((name,), never if looked is None else self._view.steady - looked)
        for seen in readers(self._view):
            if seen.age is not None:
                namespace, _, short = seen.rotation.partition("/")
                silence.add_metric((namespace, short, seen.document, seen.reader), seen.age)
        return (revision, age, silence, *self._success())

    def _success(self) -> Iterable[GaugeMetricFamily]:
        """Return when a run last succeeded, where the last one did not: its own figures tell it otherwise."""
        last = self._view.last
        if last and last.exit_code and last.success:
            at = last.success.timestamp()
            yield GaugeMetricFamily(
                "rotator_run_success_timestamp_seconds", "When the last run with exit code 0 ended.", value=at
            )
