"""The figures of a demo, and the verdict in plain words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from rotator_sandbox.demo.ledger import Ledger
from rotator_sandbox.demo.proof import Dead


@dataclass(frozen=True, kw_only=True)
class Served:
    """What the replicas of `rotator serve` did."""

    replicas: int
    kills: int
    """How often one of them was killed, and started again."""
    answers: int


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What a demo has measured."""

    seed: int
    backends: Mapping[str, str]
    duration: float
    ledger: Ledger
    dead: Dead
    rotations: int
    """Versions that were replaced and destroyed."""
    unfinished: tuple[str, ...]
    kills: tuple[str, ...]
    """Where runs were killed."""
    runs: int
    restarts_expected: int
    restarts_done: int
    phases: Mapping[str, float]
    served: Served
    frozen: tuple[str, ...] = field(default=())

    @property
    def failures(self) -> tuple[str, ...]:
        """What went wrong, a sentence each; empty where the promise was kept."""
        return tuple(self._failures())

    def _failures(self) -> Iterator[str]:
        if self.ledger.rejected:
            yield f"{self.ledger.rejected} checks refused a valid token"
        if self.ledger.refused:
            yield f"{self.ledger.refused} valid logins were refused"
        if self.dead.accepted:
            yield f"{len(self.dead.accepted)} dead credentials still worked"
        if self.dead.unproven:
            yield f"{len(self.dead.unproven)} proofs could not be made"
        if self.unfinished:
            yield f"not finished in time: {', '.join(self.unfinished)}"
        if self.restarts_done > self.restarts_expected:
            yield f"workloads were restarted {self.restarts_done} times, not {self.restarts_expected}"
        if not (
            self.served.answers
            and self.ledger.verified
            and self.ledger.logins > self.ledger.unanswered
            and self.dead.tried
        ):
            yield "nothing was checked, so nothing is proven"

    @property
    def verdict(self) -> str:
        """Say how it went, in one or two sentences."""
        if self.failures:
            return f"The promise was broken: {'; '.join(self.failures)}."
        return (
            f"The promise was kept: {self.rotations} rotations under traffic, {len(self.kills)} runs killed in the "
            f"middle, a replica of `rotator serve` killed {self.served.kills} times, {self.ledger.verified} checks of valid tokens and {self.ledger.logins} logins, and none refused. "
            "Every old credential was tried again, and none works."
        )

    def document(self) -> dict[str, Any]:
        """Return the figures as JSON."""
        ledger = self.ledger
        return {
            "ok": not self.failures,
            "tokens": {"signed": ledger.signed, "verified": ledger.verified, "rejected": ledger.rejected},
            "logins": {"tried": ledger.logins, "refused": ledger.refused},
            "dead": {"tried": self.dead.tried, "accepted": len(self.dead.accepted)},
            "kills": len(self.kills),
            "serve": {
                "replicas": self.served.replicas,
                "killed": self.served.kills,
                "answers": self.served.answers,
            },
            "rotations": self.rotations,
            "restarts": {"expected": self.restarts_expected, "done": self.restarts_done},
            "backends": dict(self.backends),
            "duration_seconds": round(self.duration, 1),
            "seed": self.seed,
            "phases": dict(self.phases),
            "runs": self.runs,
            "unchecked": ledger.unchecked,
            "unanswered": ledger.unanswered,
            "killed": list(self.kills),
            "refusals": [refusal.document() for refusal in ledger.refusals],
            "still_working": list(self.dead.accepted),
            "unproven": list(self.dead.unproven),
            "unfinished": list(self.unfinished),
            "frozen": list(self.frozen),
        }
