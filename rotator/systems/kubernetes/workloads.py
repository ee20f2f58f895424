"""What a workload's and a pod's document says: pure functions over JSON, one question each.

API: https://kubernetes.io/docs/concepts/workloads/controllers/, https://argo-rollouts.readthedocs.io/,
https://docs.stakater.com/reloader/. When a rollout is complete is what `kubectl rollout status` and
`kubectl argo rollouts status` say.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from rotator.core.shapes import digits, fitting
from rotator.kinds import DAEMON_SET, DEPLOYMENT, PREFIX, ROLLOUT, ROTATOR, STATEFUL_SET, Address, Kind
from rotator.systems.kubernetes.api import Json
from rotator.systems.kubernetes.pods import controller, leaving
from rotator.systems.kubernetes.readers import Source, references

LONGEST_NAME = 63
"""The name part of an annotation key has at most 63 characters (Kubernetes: annotations, syntax)."""
HASH = 8
"""Characters of the hash that keeps shortened names apart."""
RELOADER = "reloader.stakater.com/"
WORKLOAD_GENERATION = "rollout.argoproj.io/workload-generation"


def annotation_key(rotation: str, role: str, target: str = "") -> str:
    """Return the key of the pod-template annotation that carries the version a pod runs.

    With `target` it is that target's own: a restart for one Secret is none for another that is written later.
    """
    name = rotation.replace("/", ".")
    tail = f".{role}-{_hash(target)}" if target else f".{role}"
    if len(name) + len(tail) > LONGEST_NAME:
        tail = f"-{_hash(name)}{tail}"
        name = name[: LONGEST_NAME - len(tail)].rstrip(".-")
    return f"{PREFIX}/{name}{tail}"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:HASH]


@dataclass(frozen=True, slots=True)
class Workload:
    """A workload as it was read."""

    kind: Kind
    document: Json

    @property
    def namespace(self) -> str:
        """Its namespace."""
        return str(self.document["metadata"]["namespace"])

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.document["metadata"]["name"])

    @property
    def uid(self) -> str:
        """What tells it from another of the same name."""
        return str(self.document["metadata"].get("uid"))

    @property
    def label(self) -> str:
        """`deployment payments/api`."""
        return Address(self.kind, self.namespace, self.name).label

    @property
    def spec(self) -> Json:
        """What its owner wants."""
        return self.document.get("spec") or {}

    @property
    def status(self) -> Json:
        """What its controller has seen."""
        return self.document.get("status") or {}

    @property
    def template(self) -> Json:
        """The pod template; empty for a Rollout that borrows that of another workload (`workloadRef`)."""
        return self.spec.get("template") or {}

    @property
    def lender(self) -> tuple[Kind, str] | None:
        """The Deployment whose template a Rollout borrows."""
        ref = self.spec.get("workloadRef") or {}
        borrows = self.kind is ROLLOUT and not self.template and ref.get("kind") == DEPLOYMENT.name
        return (DEPLOYMENT, str(ref.get("name"))) if borrows else None

    @property
    def paused(self) -> str:
        """Why its rollouts stand still by the will of its owner; empty where they do not."""
        if self.spec.get("paused"):
            return "its rollout is paused"
        if self.kind is not ROLLOUT:
            return ""
        reasons = [str(c.get("reason")) for c in self.status.get("pauseConditions") or ()]
        if reasons:
            return f"its rollout waits to be promoted ({', '.join(reasons)})"
        return "its rollout is being promoted" if self.status.get("controllerPause") else ""

    @property
    def leaving(self) -> bool:
        """Whether it is being deleted."""
        return leaving(self.document)

    def annotation(self, key: str) -> str:
        """Return an annotation of the pod template, or an empty text."""
        return _annotations(self.template).get(key, "")

    def own_annotation(self, key: str) -> str:
        """Return an annotation of the workload itself, or an empty text."""
        return _annotations(self.document).get(key, "")

    @property
    def owner(self) -> str:
        """Who keeps its pod template as it is, as far as the object tells: its controller, or who wrote the template last."""
        if ref := controller(self.document):
            return f"its owner, {ref.get('kind')} {ref.get('name')} ({ref.get('apiVersion')})"
        fields = self.document["metadata"].get("managedFields") or []
        writers = [
            (str(f.get("time") or ""), str(f.get("manager")))
            for f in fields
            if f.get("manager") != ROTATOR and "f:template" in ((f.get("fieldsV1") or {}).get("f:spec") or {})
        ]
        return f"the field manager {max(writers)[1]}" if writers else ""

    @property
    def pod_spec(self) -> Json:
        """The spec of its pods."""
        return self.template.get("spec") or {}

    def references(self, source: Source) -> bool:
        """Whether its pods read the Secret or ConfigMap `source`."""
        return references(self.pod_spec, source)

    def reloaded_by_others(self, source: Source) -> bool:
        """Whether Stakater Reloader restarts it for this Secret or ConfigMap: then we wait, and do not fight.

        Names may be patterns with `.*`; a richer one counts as none, which costs one restart more.
        """
        kind, name = source.kind, source.name
        own, typed = _annotations(self.document), f"{kind}.{RELOADER}"
        triggers = (f"{RELOADER}auto", f"{typed}auto", f"{typed}reload", f"{RELOADER}search")
        asked = own if any(t in own for t in triggers) else _annotations(self.template)
        if name in _names(own.get(f"{kind}s.exclude.{RELOADER}reload")):
            return False
        if any(fnmatchcase(name, n.replace(".*", "*")) for n in _names(asked.get(f"{typed}reload"))):
            return True
        return any(asked.get(t, "").lower() in {"true", "t", "1"} for t in triggers[:2])

    def selects(self, pod: Json) -> bool:
        """Whether `pod` is one of its pods: its labels are selected, and such a controller made it."""
        if pod["metadata"]["namespace"] != self.namespace or not self._made(pod):
            return False
        return _selected(self.spec.get("selector") or {}, pod["metadata"].get("labels") or {})

    def _made(self, pod: Json) -> bool:
        owner = controller(pod)
        if self.kind in (DEPLOYMENT, ROLLOUT):
            return owner.get("kind") == "ReplicaSet"
        return (owner.get("kind"), owner.get("name")) == (self.kind.name, self.name)


def _annotations(document: Json) -> Mapping[str, str]:
    annotations: Mapping[str, str] = (document.get("metadata") or {}).get("annotations") or {}
    return annotations


def _names(listed: str | None) -> list[str]:
    return [name.strip() for name in (listed or "").split(",") if name.strip()]


def _selected(selector: Json, labels: Mapping[str, str]) -> bool:
    wanted, rules = selector.get("matchLabels") or {}, selector.get("matchExpressions") or ()
    if not wanted and not rules:
        return False
    return wanted.items() <= labels.items() and all(_fits(rule, labels) for rule in rules)


def _fits(rule: Json, labels: Mapping[str, str]) -> bool:
    value, values = labels.get(rule["key"]), rule.get("values") or ()
    match rule["operator"]:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case _:
            return value is None


# --- how far a rollout is --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a rollout is."""

    waiting: str = ""
    """What is missing; empty when it is complete."""
    failed: str = ""
    """Why it will not complete by waiting."""


def progress(workload: Workload) -> Progress:
    """Read a rollout's progress from the status, as `kubectl rollout status` does."""
    if not _observed(workload):
        return Progress(waiting="its controller has not seen the change yet")
    missing = _missing(workload)
    if workload.kind is ROLLOUT:
        return _rollout(workload, missing)
    if missing and workload.kind is DEPLOYMENT and _overdue(workload.status):
        return Progress(failed="its rollout has exceeded its progress deadline (ProgressDeadlineExceeded)")
    if missing and workload.kind is not DEPLOYMENT:
        return _by_strategy(workload, missing)
    return Progress(waiting=_because(workload.paused, missing) if missing else "")


def _observed(workload: Workload) -> bool:
    """Whether the status is about the spec. Argo writes the generation as text; before 0.10 it was a hash."""
    written = workload.status.get("observedGeneration") or 0
    observed = fitting(digits, str(written), None)
    if observed is not None and observed < workload.document["metadata"].get("generation", 0):
        return False
    lent = _annotations(workload.document).get(WORKLOAD_GENERATION) if workload.lender else None
    return lent is None or workload.status.get("workloadObservedGeneration", lent) == lent


def _missing(workload: Workload) -> str:
    """Say which pods are not there, not new or not available yet, or are left over."""
    status = workload.status
    if workload.kind is DAEMON_SET:
        wanted, updated = _count(status, "desiredNumberScheduled"), _count(status, "updatedNumberScheduled")
        total, available = _count(status, "currentNumberScheduled"), _count(status, "numberAvailable")
    else:
        wanted = _count(workload.spec, "replicas", 1)
        updated, total = _count(status, "updatedReplicas"), _count(status, "replicas")
        available = _count(status, "availableReplicas")
    if workload.kind is STATEFUL_SET:  # before Kubernetes 1.22 it does not count what is available
        available = min(_count(status, "readyReplicas"), _count(status, "availableReplicas", wanted))
    if updated >= wanted and total <= updated and available >= wanted:
        return ""
    return f"{updated} of {wanted} pods updated, {available} available, {max(0, total - updated)} old"


def _count(document: Json, name: str, default: int = 0) -> int:
    value = document.get(name)
    return default if value is None else int(value)


def _because(reason: str, missing: str) -> str:
    return f"{reason}: {missing}" if reason else missing


def _overdue(status: Json) -> bool:
    return any(
        c.get("type") == "Progressing" and c.get("reason") == "ProgressDeadlineExceeded"
        for c in status.get("conditions") or ()
    )


def _by_strategy(workload: Workload, missing: str) -> Progress:
    """Explain what a StatefulSet or a DaemonSet lacks: its strategy may leave pods as they are."""
    strategy = workload.spec.get("updateStrategy") or {}
    if strategy.get("type") == "OnDelete":
        return Progress(waiting=f"its update strategy is OnDelete, delete its pods to go on: {missing}")
    partition = _count(strategy.get("rollingUpdate") or {}, "partition")
    above = max(0, _count(workload.spec, "replicas", 1) - partition)
    if partition and _count(workload.status, "updatedReplicas") >= above:
        return Progress(failed=f"its pods below partition {partition} keep the old version: {missing}")
    return Progress(waiting=missing)


def _rollout(workload: Workload, missing: str) -> Progress:
    status = workload.status
    phase = status.get("phase") or ("Degraded" if missing and _overdue(status) else "")
    if phase == "Degraded":
        reason = str(status.get("message") or "").partition(":")[0]
        return Progress(failed=f"the Rollout is Degraded{f' ({reason})' if reason else ''}")
    promoted = status.get("stableRS") == status.get("currentPodHash")
    if not missing and promoted and (phase in {"", "Healthy"} or workload.spec.get("paused")):
        return Progress()
    missing = missing or "its pods are updated, its steps are not complete"
    return Progress(waiting=_because(workload.paused, missing))
