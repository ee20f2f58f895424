"""What documents of workloads and pods say: every form of a reference, every state of a rollout."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from rotator.kinds import CONFIG_MAP, DAEMON_SET, DEPLOYMENT, ROLLOUT, SECRET, STATEFUL_SET, Kind
from rotator.systems.kubernetes.pods import has_no_node, ready_since, terminal
from rotator.systems.kubernetes.readers import Source, references
from rotator.systems.kubernetes.workloads import Workload, annotation_key, progress

Json = dict[str, Any]


# --- references ------------------------------------------------------------------------------------------------


def env(kind: str, **more: Any) -> Json:
    """Return an environment variable that reads `key`."""
    return {"env": [{"name": "A", "value": "b"}, {"name": "K", "valueFrom": {kind: {"name": "key", **more}}}]}


def env_from(kind: str, **more: Any) -> Json:
    """Return an environment that is read from all of `key`."""
    return {"envFrom": [{"prefix": "A_", kind: {"name": "key", **more}}]}


def container(where: str, holds: Json) -> Json:
    """Return a pod spec with one container that reads `key`, and others that do not."""
    return {"containers": [{"name": "a"}], where: [{"name": "b"}, {"name": "c", **holds}]}


def volume(source: Json) -> Json:
    """Return a pod spec with one volume."""
    return {
        "containers": [{"name": "a"}],
        "volumes": [{"name": "tmp", "emptyDir": {}}, {"name": "v", **source}],
    }


CONTAINERS = ("containers", "initContainers", "ephemeralContainers")
SECRET_FORMS = [
    *(container(c, env("secretKeyRef", key="a")) for c in CONTAINERS),
    *(container(c, env_from("secretRef")) for c in CONTAINERS),
    container("containers", env("secretKeyRef", key="a", optional=True)),
    container("containers", env_from("secretRef", optional=True)),
    volume({"secret": {"secretName": "key", "defaultMode": 420}}),
    volume({"secret": {"secretName": "key", "optional": True, "items": [{"key": "a", "path": "b"}]}}),
    volume({"projected": {"sources": [{"serviceAccountToken": {"path": "t"}}, {"secret": {"name": "key"}}]}}),
    volume({"csi": {"driver": "d", "nodePublishSecretRef": {"name": "key"}}}),
]
CONFIG_MAP_FORMS = [
    *(container(c, env("configMapKeyRef", key="a")) for c in CONTAINERS),
    *(container(c, env_from("configMapRef")) for c in CONTAINERS),
    container("containers", env("configMapKeyRef", key="a", optional=True)),
    volume({"configMap": {"name": "key", "optional": True}}),
    volume({"projected": {"sources": [{"downwardAPI": {}}, {"configMap": {"name": "key"}}]}}),
]
NO_FORMS: list[Json] = [
    {},
    {"containers": None, "initContainers": None, "volumes": None},
    {"containers": [{"name": "key", "env": None, "envFrom": None}]},
    container("containers", {"env": [{"name": "key", "value": "key"}]}),
    container(
        "containers", {"env": [{"name": "N", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]}
    ),
    {"containers": [], "imagePullSecrets": [{"name": "key"}], "serviceAccountName": "key"},
    volume(
        {"csi": {"driver": "secrets-store.csi.k8s.io", "volumeAttributes": {"secretProviderClass": "key"}}}
    ),
    volume({"projected": {"sources": None}}),
    volume({"secret": {"secretName": "key-2"}}),
    volume({"persistentVolumeClaim": {"claimName": "key"}}),
]


@pytest.mark.parametrize("spec", SECRET_FORMS)
def test_a_pod_spec_reads_a_secret_in_every_form_the_api_has(spec: Json) -> None:
    """And a form of a Secret is none of the ConfigMap of the same name."""
    assert references(spec, Source(SECRET, "key"))
    assert not references(spec, Source(CONFIG_MAP, "key"))
    assert not references(spec, Source(SECRET, "other"))


@pytest.mark.parametrize("spec", CONFIG_MAP_FORMS)
def test_a_pod_spec_reads_a_config_map_in_every_form_the_api_has(spec: Json) -> None:
    """And a form of a ConfigMap is none of the Secret of the same name."""
    assert references(spec, Source(CONFIG_MAP, "key"))
    assert not references(spec, Source(SECRET, "key"))


@pytest.mark.parametrize("spec", NO_FORMS)
def test_what_only_bears_the_name_is_no_reference(spec: Json) -> None:
    """Nulls, names of other things, and what the kubelet reads instead of the pod."""
    assert not references(spec, Source(SECRET, "key"))
    assert not references(spec, Source(CONFIG_MAP, "key"))


# --- progress --------------------------------------------------------------------------------------------------


def workload(kind: Kind, spec: Json, status: Json | None, generation: int = 2, **metadata: Any) -> Workload:
    """Return a workload with two replicas."""
    base: Json = {} if kind is DAEMON_SET else {"replicas": 2}
    metadata = {"name": "api", "namespace": "n", "generation": generation, **metadata}
    document = {"metadata": metadata, "spec": {**base, "template": {}, **spec}}
    return Workload(kind, document if status is None else {**document, "status": status})


def condition(kind: str, reason: str, *, met: bool = True) -> Json:
    """Return a condition."""
    return {"type": kind, "status": str(met), "reason": reason, "message": "…"}


def deployment(**status: Any) -> Json:
    """Return the status of a finished Deployment as its controller writes it, changed by `status`."""
    conditions = [condition("Available", "MinimumReplicasAvailable")]
    conditions.append(condition("Progressing", "NewReplicaSetAvailable"))
    counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), 2)
    return {"observedGeneration": 2, **counts, "conditions": conditions, **status}


def stateful(**status: Any) -> Json:
    """Return the status of a finished StatefulSet."""
    names = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "currentReplicas")
    revisions = {"currentRevision": "api-2", "updateRevision": "api-2", "collisionCount": 0}
    return {"observedGeneration": 2, **dict.fromkeys(names, 2), **revisions, **status}


def daemon(**status: Any) -> Json:
    """Return the status of a finished DaemonSet."""
    names = ("desired", "current", "updated")
    scheduled = {f"{n}NumberScheduled": 2 for n in names}
    return {"observedGeneration": 2, **scheduled, "numberReady": 2, "numberAvailable": 2, **status}


def argo(**status: Any) -> Json:
    """Return the status of a finished Rollout: its observedGeneration is a text."""
    hashes = {"currentPodHash": "b", "stableRS": "b"}
    return {
        **deployment(),
        "observedGeneration": "2",
        "HPAReplicas": 2,
        **hashes,
        "phase": "Healthy",
        **status,
    }


OVERDUE = [condition("Progressing", "ProgressDeadlineExceeded", met=False)]
ON_DELETE = {"updateStrategy": {"type": "OnDelete"}}
PARTITION = {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}}
ROLLING = {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}}
CANARY_PAUSE = {"pauseConditions": [{"reason": "CanaryPauseStep", "startTime": "2026-01-01T00:00:00Z"}]}
NOT_SEEN = "its controller has not seen the change yet"

COMPLETE = {
    "a Deployment": (DEPLOYMENT, {}, deployment()),
    "of a later generation": (DEPLOYMENT, {}, deployment(observedGeneration=3)),
    "with replicas 0, which the API leaves out of the status": (
        DEPLOYMENT,
        {"replicas": 0},
        {"observedGeneration": 2, "conditions": deployment()["conditions"]},
    ),
    "without replicas: one": (
        DEPLOYMENT,
        {"replicas": None},
        deployment(replicas=1, updatedReplicas=1, availableReplicas=1),
    ),
    "scaled down meanwhile": (DEPLOYMENT, {"replicas": 1}, deployment()),
    "paused, and nothing missing": (DEPLOYMENT, {"paused": True}, deployment()),
    "a StatefulSet": (STATEFUL_SET, ROLLING, stateful()),
    "a StatefulSet before 1.22": (
        STATEFUL_SET,
        {},
        {k: v for k, v in stateful().items() if k != "availableReplicas"},
    ),
    "a StatefulSet of none": (
        STATEFUL_SET,
        {"replicas": 0},
        stateful(
            replicas=0,
            updatedReplicas=0,
            readyReplicas=0,
            availableReplicas=0,
        ),
    ),
    "an OnDelete StatefulSet, its pods deleted": (STATEFUL_SET, ON_DELETE, stateful(currentRevision="api-1")),
    "a partition that is done with": (STATEFUL_SET, PARTITION, stateful()),
    "a DaemonSet": (DAEMON_SET, {}, daemon()),
    "a DaemonSet without nodes": (
        DAEMON_SET,
        {},
        {"observedGeneration": 2, "desiredNumberScheduled": 0, "currentNumberScheduled": 0},
    ),
    "an OnDelete DaemonSet, its pods deleted": (DAEMON_SET, ON_DELETE, daemon()),
    "a Rollout": (ROLLOUT, {}, argo()),
    "a Rollout without replicas: one": (
        ROLLOUT,
        {"replicas": None},
        argo(replicas=1, updatedReplicas=1, availableReplicas=1),
    ),
    "a Rollout paused once it is promoted": (ROLLOUT, {"paused": True}, argo(phase="Paused")),
    "a Rollout of Argo before 0.10, with a hash": (
        ROLLOUT,
        {},
        argo(observedGeneration="6c9d7c8f", phase=None),
    ),
}
WAITING = {
    "no status yet": (DEPLOYMENT, {}, None, NOT_SEEN),
    "an older generation": (DEPLOYMENT, {}, deployment(observedGeneration=1), NOT_SEEN),
    "overdue, and then changed": (
        DEPLOYMENT,
        {},
        deployment(observedGeneration=1, conditions=OVERDUE),
        NOT_SEEN,
    ),
    "surge": (
        DEPLOYMENT,
        {},
        deployment(replicas=3, updatedReplicas=1),
        "1 of 2 pods updated, 2 available, 2 old",
    ),
    "old pods are left": (DEPLOYMENT, {}, deployment(replicas=3), "2 of 2 pods updated, 2 available, 1 old"),
    "within minReadySeconds": (
        DEPLOYMENT,
        {"minReadySeconds": 30},
        deployment(availableReplicas=1),
        "1 available",
    ),
    "nothing is available, and so left out": (
        DEPLOYMENT,
        {},
        {"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2},
        "0 available",
    ),
    "scaled up meanwhile": (DEPLOYMENT, {"replicas": 4}, deployment(), "2 of 4 pods updated"),
    "paused half way": (
        DEPLOYMENT,
        {"paused": True},
        deployment(updatedReplicas=1),
        "its rollout is paused: 1 of 2",
    ),
    "half a StatefulSet": (
        STATEFUL_SET,
        ROLLING,
        stateful(updatedReplicas=1, currentReplicas=1, currentRevision="api-1"),
        "1 of 2 pods updated, 2 available, 1 old",
    ),
    "the last pod of a StatefulSet is not ready": (
        STATEFUL_SET,
        ROLLING,
        stateful(readyReplicas=1),
        "1 available",
    ),
    "a StatefulSet within minReadySeconds": (
        STATEFUL_SET,
        ROLLING,
        stateful(availableReplicas=1),
        "1 available",
    ),
    "a StatefulSet that nobody has seen": (STATEFUL_SET, {}, {"replicas": 0}, NOT_SEEN),
    "an OnDelete StatefulSet": (
        STATEFUL_SET,
        ON_DELETE,
        stateful(updatedReplicas=0, currentRevision="api-1"),
        "its update strategy is OnDelete, delete its pods to go on: 0 of 2",
    ),
    "above the partition": (
        STATEFUL_SET,
        {**PARTITION, "replicas": 3},
        stateful(replicas=3, readyReplicas=3, updatedReplicas=1),
        "1 of 3 pods updated",
    ),
    "half a DaemonSet": (
        DAEMON_SET,
        {},
        daemon(updatedNumberScheduled=1),
        "1 of 2 pods updated, 2 available, 1 old",
    ),
    "a DaemonSet that is not available": (DAEMON_SET, {}, daemon(numberAvailable=0), "0 available"),
    "an OnDelete DaemonSet": (
        DAEMON_SET,
        ON_DELETE,
        daemon(updatedNumberScheduled=0),
        "its update strategy is OnDelete, delete its pods to go on: 0 of 2",
    ),
    "a Rollout's older generation": (ROLLOUT, {}, argo(observedGeneration="1"), NOT_SEEN),
    "a Rollout at a canary step": (
        ROLLOUT,
        {},
        argo(updatedReplicas=1, stableRS="a", phase="Paused", controllerPause=True, **CANARY_PAUSE),
        "its rollout waits to be promoted (CanaryPauseStep): 1 of 2 pods updated, 2 available, 1 old",
    ),
    "a Rollout at its last pause, all pods updated": (
        ROLLOUT,
        {},
        argo(stableRS="a", phase="Paused", controllerPause=True, **CANARY_PAUSE),
        "its rollout waits to be promoted (CanaryPauseStep): its pods are updated, its steps are not complete",
    ),
    "a Rollout that was just promoted": (
        ROLLOUT,
        {},
        argo(updatedReplicas=1, stableRS="a", phase="Paused", controllerPause=True),
        "its rollout is being promoted: 1 of 2",
    ),
    "a Rollout paused by hand": (
        ROLLOUT,
        {"paused": True},
        argo(updatedReplicas=1, stableRS="a", phase="Paused"),
        "its rollout is paused: 1 of 2",
    ),
    "a Rollout whose active service is not cut over": (
        ROLLOUT,
        {},
        argo(phase="Progressing"),
        "its steps are not complete",
    ),
    "a blue-green Rollout, the old pods not scaled down": (ROLLOUT, {}, argo(replicas=4), "2 old"),
}
FAILED = {
    "a Deployment over its deadline": (
        DEPLOYMENT,
        {},
        deployment(updatedReplicas=1, conditions=OVERDUE),
        "ProgressDeadlineExceeded",
    ),
    "a StatefulSet, updated down to its partition": (
        STATEFUL_SET,
        PARTITION,
        stateful(updatedReplicas=1, currentReplicas=1, currentRevision="api-1"),
        "its pods below partition 1 keep the old version: 1 of 2",
    ),
    "a partition above all pods": (
        STATEFUL_SET,
        {"updateStrategy": {"rollingUpdate": {"partition": 5}}},
        stateful(updatedReplicas=0),
        "below partition 5",
    ),
    "an aborted Rollout": (
        ROLLOUT,
        {},
        argo(phase="Degraded", message="RolloutAborted: Rollout aborted update to revision 2"),
        "the Rollout is Degraded (RolloutAborted)",
    ),
    "an invalid Rollout": (
        ROLLOUT,
        {},
        argo(phase="Degraded", message='InvalidSpec: The Rollout "api" is invalid'),
        "the Rollout is Degraded (InvalidSpec)",
    ),
    "a Rollout over its deadline, before Argo 1.0": (
        ROLLOUT,
        {},
        argo(phase=None, updatedReplicas=1, conditions=OVERDUE),
        "the Rollout is Degraded",
    ),
}


@pytest.mark.parametrize(("kind", "spec", "status"), COMPLETE.values(), ids=COMPLETE)
def test_a_rollout_is_complete(kind: Kind, spec: Json, status: Json) -> None:
    """All pods wanted are updated and available, and none is left over."""
    seen = progress(workload(kind, spec, status))
    assert (seen.waiting, seen.failed) == ("", "")


@pytest.mark.parametrize(("kind", "spec", "status", "said"), WAITING.values(), ids=WAITING)
def test_a_rollout_is_waited_for(kind: Kind, spec: Json, status: Json | None, said: str) -> None:
    """Time, or its owner, may bring it to its end."""
    seen = progress(workload(kind, spec, status))
    assert said in seen.waiting
    assert not seen.failed


@pytest.mark.parametrize(("kind", "spec", "status", "said"), FAILED.values(), ids=FAILED)
def test_a_rollout_has_failed(kind: Kind, spec: Json, status: Json, said: str) -> None:
    """Waiting brings nothing: the rotation freezes and says why."""
    seen = progress(workload(kind, spec, status))
    assert said in seen.failed


def test_a_rollout_that_borrows_its_template_waits_until_its_controller_has_seen_the_lender() -> None:
    """With workloadRef it is the generation of the other workload that counts."""
    spec = {"template": None, "workloadRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "base"}}
    marks = {"rollout.argoproj.io/workload-generation": "7"}
    behind = workload(ROLLOUT, spec, argo(workloadObservedGeneration="6"), annotations=marks)
    level = workload(ROLLOUT, spec, argo(workloadObservedGeneration="7"), annotations=marks)
    assert progress(behind).waiting == NOT_SEEN
    assert progress(level) == progress(workload(ROLLOUT, {}, argo()))
    assert level.lender == (DEPLOYMENT, "base")
    assert level.annotation("a") == ""
    assert not level.references(Source(SECRET, "key"))
    assert not level.selects(pod({"app": "api"}))


def test_only_a_deployment_lends_a_template_that_can_be_restarted() -> None:
    """A Rollout may refer to a ReplicaSet or a PodTemplate as well."""
    borrowed = workload(
        ROLLOUT, {"template": None, "workloadRef": {"kind": "PodTemplate", "name": "base"}}, argo()
    )
    assert borrowed.lender is None


# --- who owns a pod --------------------------------------------------------------------------------------------

MADE_BY_SET = {"kind": "ReplicaSet", "name": "api-1", "controller": True}


def pod(labels: Json | None, owner: Json | None = MADE_BY_SET, namespace: str = "n") -> Json:
    """Return a pod."""
    metadata: Json = {"name": "p", "namespace": namespace, "labels": labels}
    return {"metadata": {**metadata, "ownerReferences": [owner] if owner else None}}


def rule(operator: str, *values: str) -> Json:
    """Return a selector of one expression."""
    expression: Json = {"key": "app", "operator": operator}
    return {"matchExpressions": [expression | ({"values": list(values)} if values else {})]}


@pytest.mark.parametrize(
    ("selector", "labels", "selected"),
    [
        ({"matchLabels": {"app": "api"}}, {"app": "api", "pod-template-hash": "x"}, True),
        ({"matchLabels": {"app": "api"}}, {"app": "web"}, False),
        ({"matchLabels": {"app": "api"}}, None, False),
        (rule("In", "api", "web"), {"app": "web"}, True),
        (rule("In", "api"), {}, False),
        (rule("NotIn", "api"), {}, True),
        (rule("NotIn", "api"), {"app": "api"}, False),
        (rule("Exists"), {"app": ""}, True),
        (rule("Exists"), {}, False),
        (rule("DoesNotExist"), {}, True),
        (rule("DoesNotExist"), {"app": "api"}, False),
        ({"matchLabels": {"a": "b"}, **rule("Exists")}, {"app": "api"}, False),
        ({}, {"app": "api"}, False),
        (None, {"app": "api"}, False),
    ],
)
def test_a_selector_means_what_the_api_means(
    selector: Json | None, labels: Json | None, selected: bool
) -> None:
    """Labels and expressions; a missing selector selects nothing."""
    assert workload(DEPLOYMENT, {"selector": selector}, None).selects(pod(labels)) is selected


@pytest.mark.parametrize(
    ("kind", "owner", "made"),
    [
        (DEPLOYMENT, MADE_BY_SET, True),
        (ROLLOUT, MADE_BY_SET, True),
        (DEPLOYMENT, {"kind": "Job", "name": "api-1", "controller": True}, False),
        (DEPLOYMENT, {**MADE_BY_SET, "controller": False}, False),
        (DEPLOYMENT, None, False),
        (STATEFUL_SET, {"kind": "StatefulSet", "name": "api", "controller": True}, True),
        (STATEFUL_SET, {"kind": "StatefulSet", "name": "api-2", "controller": True}, False),
        (DAEMON_SET, {"kind": "DaemonSet", "name": "api", "controller": True}, True),
        (DAEMON_SET, MADE_BY_SET, False),
    ],
)
def test_a_pod_is_owned_by_what_made_it_and_not_by_its_labels_alone(
    kind: Kind, owner: Json, made: bool
) -> None:
    """A Job of the same chart bears the same labels, and no restart reaches it."""
    selecting = workload(kind, {"selector": {"matchLabels": {"app": "api"}}}, None)
    assert selecting.selects(pod({"app": "api"}, owner)) is made
    assert not selecting.selects(pod({"app": "api"}, owner, namespace="other"))


# --- who restarts it -------------------------------------------------------------------------------------------

RELOADER = "reloader.stakater.com"


@pytest.mark.parametrize(
    ("annotations", "in_template", "reloaded"),
    [
        ({f"{RELOADER}/auto": "true"}, {}, True),
        ({f"secret.{RELOADER}/auto": "True"}, {}, True),
        ({f"secret.{RELOADER}/reload": "other, key"}, {}, True),
        ({f"secret.{RELOADER}/reload": "ke.*"}, {}, True),
        ({}, {f"{RELOADER}/auto": "true"}, True),
        ({f"{RELOADER}/auto": "false"}, {f"secret.{RELOADER}/auto": "true"}, False),
        ({f"{RELOADER}/auto": "true", f"secrets.exclude.{RELOADER}/reload": "key"}, {}, False),
        ({f"{RELOADER}/auto": "false"}, {}, False),
        ({f"configmap.{RELOADER}/auto": "true"}, {}, False),
        ({f"secret.{RELOADER}/reload": "other"}, {}, False),
        ({f"secret.{RELOADER}/reload": "(k+)+ey$"}, {}, False),
        ({f"{RELOADER}/search": "true"}, {}, False),
        ({f"deployment.{RELOADER}/pause-period": "5m"}, {}, False),
        ({f"{RELOADER}/rollout-strategy": "restart"}, {f"{RELOADER}/last-reloaded-from": "{}"}, False),
        ({"example.com/auto": "true"}, {}, False),
    ],
)
def test_only_a_workload_that_reloader_restarts_for_this_secret_is_left_to_it(
    annotations: Json,
    in_template: Json,
    reloaded: bool,
) -> None:
    """Reloader's own rules: who waits for a restart that never comes waits for ever."""
    template = {"metadata": {"annotations": in_template}}
    assert (
        workload(DEPLOYMENT, {"template": template}, None, annotations=annotations).reloaded_by_others(
            Source(SECRET, "key")
        )
        is reloaded
    )


# --- small things ----------------------------------------------------------------------------------------------


def test_the_key_of_the_annotation_names_rotation_and_role() -> None:
    """Where there is room, it is for people."""
    assert annotation_key("payments/key", "holds") == "rotator.dev/payments.key.holds"


def test_shortened_keys_stay_apart_and_within_63_characters() -> None:
    """Two rotations whose names begin alike must not take each other's restarts for theirs."""
    names = [f"{'n' * size}/{'k' * 51}{end}" for size in (40, 62, 63) for end in "ab"]
    whose = [("holds", ""), ("accepts", ""), ("holds", "secret n/a"), ("holds", "secret n/b")]
    keys = [annotation_key(name, role, target) for name in names for role, target in whose]
    assert len(set(keys)) == len(keys)
    for key in keys:
        name = key.removeprefix("rotator.dev/")
        assert len(name) <= 63
        assert name[0].isalnum()
        assert ".holds" in name or ".accepts" in name


def test_a_name_that_just_fits_is_not_shortened() -> None:
    """63 characters are allowed, 64 are not."""
    fits, too_long = f"n/{'k' * 55}", f"n/{'k' * 56}"
    assert annotation_key(fits, "holds") == f"rotator.dev/n.{'k' * 55}.holds"
    assert len(annotation_key(too_long, "holds")) == len("rotator.dev/") + 63


def test_a_pod_that_has_ended_uses_nothing() -> None:
    """Whatever its phase says else: a terminating pod runs until it is gone."""
    assert [terminal({"status": {"phase": p}}) for p in ("Succeeded", "Failed")] == [True, True]
    assert [terminal({"status": {"phase": p}}) for p in ("Pending", "Running", "Unknown")] == [False] * 3
    assert not terminal({})


UNSCHEDULABLE = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}


@pytest.mark.parametrize(
    ("pod", "nowhere"),
    [
        ({"spec": {"nodeName": "node-1"}}, False),
        ({"spec": {"nodeName": "node-1"}, "status": {"conditions": [UNSCHEDULABLE]}}, False),
        ({"spec": {}, "status": {"conditions": [UNSCHEDULABLE]}}, True),
        ({"spec": {}, "status": {"conditions": [{**UNSCHEDULABLE, "reason": "SchedulingGated"}]}}, True),
        ({"spec": {}, "status": {"conditions": [{"type": "PodScheduled", "status": "True"}]}}, True),
        ({"spec": {}, "status": {"conditions": []}}, True),
        ({"spec": {}, "status": {"phase": "Pending"}}, True),
        ({"spec": {"schedulerName": "one-that-does-not-run"}}, True),
        ({"spec": {"nodeName": ""}}, True),
        ({"spec": {"nodeName": None}}, True),
        ({}, True),
    ],
)
def test_a_pod_is_somewhere_only_where_it_names_a_node(pod: Json, nowhere: bool) -> None:
    """Its conditions are told by others, late or never: only a pod that is bound to a node is started."""
    assert has_no_node(pod) is nowhere


def test_a_pod_is_ready_since_its_condition_changed() -> None:
    """Or since it was made, where no instant is told."""
    told = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:05Z"}
    metadata = {"creationTimestamp": "2026-01-01T00:00:00Z"}
    others = [{"type": "Initialized", "status": "True", "lastTransitionTime": "2026-01-01T00:00:01Z"}]
    shown = {"metadata": metadata, "status": {"conditions": [*others, told]}}
    assert ready_since(shown) == datetime(2026, 1, 1, 0, 0, 5, tzinfo=UTC)
    untold = {"metadata": metadata, "status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    assert ready_since(untold) == datetime(2026, 1, 1, tzinfo=UTC)
    assert (
        ready_since({"metadata": metadata, "status": {"conditions": [{**told, "status": "False"}]}}) is None
    )
    assert ready_since({"metadata": metadata}) is None
