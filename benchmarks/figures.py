"""From samples to the figures that are printed: pure sums."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks.traffic import Traffic, writes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DUE = 200
"""The number of rotations that the figures are about, whatever number was measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of one rotation, by both sides in turn."""

    rotator: Sequence[float]
    shell: Sequence[float]
    traffic: Sequence[Traffic]

    @property
    def vs_shell(self) -> float:
        """How long rotator takes, as a share of the script."""
        return _ratio(self.rotator, self.shell)


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """Many rotations due at once, by rotator, by the script in a loop and by a bare client in turn."""

    rotations: int
    scripted: int
    """How many rotations the script was measured over."""
    concurrency: int
    rotator: Sequence[float]
    shell: Sequence[float]
    raw: Sequence[float]
    raw_loop: Sequence[float]
    """What the writes alone took of `raw`."""
    traffic: Sequence[Traffic]

    @property
    def written(self) -> int:
        """How many writes rotator made."""
        return sum(t.count for t in writes(self.traffic))

    @property
    def vs_shell(self) -> float:
        """How many times faster rotator is than the script."""
        return _ratio(self.shell, self.rotator) / self.scripted * self.rotations

    @property
    def vs_raw(self) -> float:
        """Writes a second of rotator, as a share of those of the bare client."""
        return _ratio(self.raw, self.rotator)

    @property
    def vs_raw_loop(self) -> float:
        """The same, where the bare client's start, imports and login do not count, and rotator's do."""
        return _ratio(self.raw_loop, self.rotator)


@dataclass(frozen=True, slots=True, kw_only=True)
class Idle:
    """Runs in which nothing is due."""

    seconds: Sequence[float]
    peak_mb: Sequence[float]
    traffic: Sequence[Traffic]


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """Requests for a JWK Set, to `rotator serve` and to a bare static server in turn."""

    requests: int
    rotator: Sequence[float]
    """Seconds for so many requests, one after the other."""
    static: Sequence[float]

    @property
    def vs_static(self) -> float:
        """Requests a second of rotator, as a share of those of the bare server."""
        return _ratio(self.static, self.rotator)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """All that was measured in one run of the benchmark."""

    servers: Mapping[str, str]
    step: Step
    due: Due
    idle: Idle
    served: Served
    notes: Sequence[str] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """Return the object that is printed."""
        return {
            "step_vs_shell": round(self.step.vs_shell, 3),
            "due200_vs_shell": round(self.due.vs_shell, 1),
            "due200_vs_raw": round(self.due.vs_raw, 3),
            "idle_seconds": round(median(self.idle.seconds), 3),
            "idle_peak_mb": round(median(self.idle.peak_mb), 1),
            "jwks_vs_static": round(self.served.vs_static, 3),
            "servers": dict(self.servers),
            "notes": [*_notes(self.due), *self.notes],
            "details": {
                "step": self._step(),
                "due": self._due(),
                "idle": self._idle(),
                "served": self._served(),
            },
        }

    def _step(self) -> dict[str, Any]:
        return {
            "rotator_seconds": _spread(self.step.rotator),
            "shell_seconds": _spread(self.step.shell),
            "requests": _requests(self.step.traffic, 1),
        }

    def _due(self) -> dict[str, Any]:
        due = self.due
        return {
            "rotations": due.rotations,
            "concurrency": due.concurrency,
            "rotator_seconds": _spread(due.rotator),
            "shell_seconds_per_rotation": _spread([s / due.scripted for s in due.shell]),
            "raw_seconds": _spread(due.raw),
            "raw_loop_seconds": _spread(due.raw_loop),
            "vs_raw_loop": round(due.vs_raw_loop, 3),
            "writes": due.written,
            "writes_per_second": round(due.written / median(due.rotator)),
            "raw_writes_per_second": round(due.written / median(due.raw)),
            "requests_per_rotation": _requests(due.traffic, due.rotations),
        }

    def _served(self) -> dict[str, Any]:
        served = self.served
        return {
            "requests": served.requests,
            "rotator_milliseconds": _spread([s / served.requests * 1000 for s in served.rotator]),
            "static_milliseconds": _spread([s / served.requests * 1000 for s in served.static]),
        }

    def _idle(self) -> dict[str, Any]:
        return {"seconds": _spread(self.idle.seconds), "requests": _requests(self.idle.traffic, 1)}


def _notes(due: Due) -> list[str]:
    return [
        f"the script was measured over {due.scripted} rotations a round, scaled linearly to {due.rotations}",
        "each ratio is the median of the ratios of all rounds; in a round, one side comes right after the other",
        "all times are of whole processes, with imports and login, the bare client's as well",
        "details.due.vs_raw_loop leaves out the start of the bare client, and of nobody else",
        "bao is the program itself, not the Python script of its package that starts it",
        *([f"bounded: {due.rotations} rotations stand for {DUE}"] if due.rotations != DUE else []),
    ]


def _ratio(above: Sequence[float], below: Sequence[float]) -> float:
    """Return the median of the ratios of each round: what else the machine does in a round is in both sides."""
    return median(a / b for a, b in zip(above, below, strict=True))


def _spread(samples: Sequence[float]) -> dict[str, float]:
    shown = {"median": median(samples), "least": min(samples), "most": max(samples)}
    return {name: round(value, 4) for name, value in shown.items()}


def _requests(traffic: Sequence[Traffic], rotations: int) -> dict[str, float]:
    counted = {t.kind: round(t.count / rotations, 3) for t in traffic}
    return {**counted, "all": round(sum(t.count for t in traffic) / rotations, 3)}
