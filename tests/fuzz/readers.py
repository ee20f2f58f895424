"""The readers of what stands in objects, documents, headers and files, each with what it reads in a good case."""

from __future__ import annotations

import io
import json
import os
import random
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import urllib3
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from rotator import kinds
from rotator.clients.clock import RunClock
from rotator.clients.http import Http
from rotator.clients.meter import Meter
from rotator.clients.retry import Retry, retry_after
from rotator.core.codec import to_document
from rotator.core.dates import http_date
from rotator.core.reading import Unreadable, parse
from rotator.core.sensitive import Sensitive
from rotator.core.soundness import problems
from rotator.engine.outcome import Outcome, Result
from rotator.errors import RotatorError
from rotator.policy.files import load
from rotator.policy.resources import from_resource
from rotator.ports import Deadline, Memo, Summary
from rotator.ports.entry import from_fields
from rotator.ports.stamp import from_texts
from rotator.systems.freshness import age, lifetime
from rotator.systems.jwks_probe import Probe
from rotator.systems.kubernetes import pods, readers, writers
from rotator.systems.kubernetes.fence import Fence
from rotator.systems.kubernetes.objects import SHAPES
from rotator.systems.kubernetes.workloads import Workload, progress
from rotator.systems.prometheus import Query
from rotator.telemetry.status import wanted
from tests.core.rings import FIRST, after
from tests.fuzz import gateways, roles
from tests.fuzz.oddities import odd, torn

NOW = datetime(2026, 1, 1, tzinfo=UTC)
AT = "2026-01-01T00:00:00Z"
SOURCE = readers.Source(kinds.SECRET, "key")
META = {
    "name": "key", "namespace": "payments", "resourceVersion": "7", "uid": "u", "generation": 2, "creationTimestamp": AT,
    "labels": {"app": "api"}, "annotations": {"rotator.dev/revision": "3"}, "finalizers": ["rotator.dev/credential"],
    "ownerReferences": [{"kind": "ReplicaSet", "name": "r", "apiVersion": "apps/v1", "controller": True}],
    "managedFields": [{"manager": "helm", "time": AT, "operation": "Apply", "fieldsV1": {"f:spec": {"f:template": {}}, "f:data": {"f:a": {}}}}],
}  # fmt: skip
POD_SPEC = {
    "nodeName": "n",
    "initContainers": [{"name": "i", "restartPolicy": "Always", "env": [{"name": "K", "value": "v"}]}],
    "containers": [{
        "name": "c",
        "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "key", "key": "a", "optional": False}}}],
        "envFrom": [{"secretRef": {"name": "key"}}],
        "volumeMounts": [{"name": "v", "mountPath": "/v", "subPath": "a"}, {"name": "p", "mountPath": "/p"}],
    }],
    "volumes": [
        {"name": "v", "secret": {"secretName": "key", "items": [{"key": "a", "path": "a"}]}},
        {"name": "p", "projected": {"sources": [{"secret": {"name": "key"}}]}},
        {"name": "d", "csi": {"nodePublishSecretRef": {"name": "key"}}},
    ],
}  # fmt: skip
CONDITIONS = [{"type": "Ready", "status": "True", "reason": "Fine", "lastTransitionTime": AT}]
STATE = {
    "running": {"startedAt": AT},
    "terminated": {"reason": "Error", "exitCode": 1},
    "waiting": {"reason": "x"},
}
POD = {
    "metadata": META,
    "spec": POD_SPEC,
    "status": {
        "phase": "Running", "reason": "x", "conditions": CONDITIONS,
        "containerStatuses": [{"name": "c", "ready": False, "state": STATE}],
    },
}  # fmt: skip
COUNTS = {
    "replicas": 2, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1, "desiredNumberScheduled": 2,
    "currentNumberScheduled": 2, "updatedNumberScheduled": 1, "numberAvailable": 1,
}  # fmt: skip
WORKLOAD = {
    "metadata": META,
    "spec": {
        "replicas": 2, "paused": False,
        "selector": {"matchLabels": {"app": "api"}, "matchExpressions": [{"key": "app", "operator": "In", "values": ["api"]}]},
        "template": {"metadata": {"labels": {"app": "api"}, "annotations": {}}, "spec": POD_SPEC},
        "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}},
    },
    "status": {
        **COUNTS, "observedGeneration": 2, "conditions": CONDITIONS, "phase": "Degraded", "message": "a: b", "stableRS": "x",
        "currentPodHash": "y", "pauseConditions": [{"reason": "x"}], "controllerPause": True,
    },
}  # fmt: skip
SPEC = {
    "credential": {"jwtSigningKey": {"algorithm": "EdDSA"}},
    "every": "30d",
    "overlap": {"tokenTTL": "15m"},
    "store": {"vault": {"mount": "rotator", "path": "payments/key"}},
    "verifiers": [{"jwks": {"configMap": "accepted", "maxAge": "5m"}}],
    "holders": [
        {"secret": {"name": "key", "data": {"key": "private_key"}}, "restart": {"workloads": "auto"}}
    ],
    "gates": {"beforeDestroy": [{"prometheus": {"url": "https://p/", "query": "q", "below": 1}}]},
}
ROTATION = {
    "apiVersion": "rotator.dev/v1alpha1",
    "kind": "Rotation",
    "metadata": META,
    "spec": SPEC,
    "status": {"revision": 2, "observedGeneration": 2, "conditions": CONDITIONS},
}
RING = to_document(after(*FIRST))
ENTRY = {
    "ring": json.dumps(RING),
    "material": json.dumps({v["id"]: {"jwk": "{}"} for v in RING["versions"]}),
    "digests": json.dumps({"revision": 1, "material": {}}),
    "writer": "run",
}
STAMP = {"rotation": "a/b", "revision": "3", "version": "v", "content_revision": "3", "since": AT}
HEADERS = {
    "cache-control": "max-age=60, s-maxage=60", "age": "5", "date": "Thu, 26 Nov 2026 10:00:00 GMT",
    "expires": "Thu, 26 Nov 2026 11:00:00 GMT", "retry-after": "5", "x-rate-limit-reset": "1790000000",
}  # fmt: skip
SAMPLES = {
    "status": "success",
    "data": {"resultType": "vector", "result": [{"metric": {}, "value": [1, "0"]}]},
}


@dataclass(frozen=True)
class Reader:
    """One place where something is read."""

    good: Any
    read: Callable[[bytes], object]


def _object(kind: kinds.Kind, use: Callable[[dict[str, Any]], object]) -> Callable[[bytes], object]:
    return lambda octets: use(SHAPES[kind](parse(octets)))


def _pod(pod: dict[str, Any]) -> None:
    for look in (
        pods.controller,
        pods.terminal,
        pods.leaving,
        pods.created,
        pods.ready_since,
        pods.has_no_node,
    ):
        look(pod)
    pods.trouble(pod)
    readers.stuck(pod, SOURCE, {"a"}, NOW)
    _pod_spec(pod.get("spec") or {})
    Workload(kinds.DEPLOYMENT, WORKLOAD).selects(pod)


def _pod_spec(spec: dict[str, Any]) -> None:
    readers.references(spec, SOURCE)
    readers.readings(spec, SOURCE, {"a"})
    fence = Fence(source=SOURCE, key="ROTATOR_FENCE_1_x", files=frozenset({"a"}), alone=True)
    fence.holds(spec)
    fence.leaves_gap(spec)
    fence.put(spec)


def _workload(kind: kinds.Kind) -> Callable[[dict[str, Any]], None]:
    def use(document: dict[str, Any]) -> None:
        workload = Workload(kind, document)
        progress(workload)
        assert isinstance(
            (workload.uid, workload.label, workload.lender, workload.paused, workload.owner), tuple
        )
        workload.references(SOURCE)
        workload.reloaded_by_others(SOURCE)
        workload.selects(POD)
        _pod_spec(workload.pod_spec)

    return use


def _data(document: dict[str, Any]) -> None:
    from_texts(
        {
            name.removeprefix("rotator.dev/"): text
            for name, text in document["metadata"].get("annotations", {}).items()
        }
    )
    writers.owner(document)
    writers.keeper(document)
    writers.rivals(document, ["a"])
    writers.last_writer(document, ["a"])


def _rotation(document: dict[str, Any]) -> None:
    wanted(Outcome(rotation="a/b", result=Result.FROZEN), 2, document.get("status") or {}, NOW)
    from_resource(document)


def _texts(octets: bytes) -> dict[str, str]:
    """Return the texts of an object: what these readers are given is text already."""
    try:
        document = json.loads(octets)
    except (ValueError, RecursionError):
        return {}
    return {k: v for k, v in document.items() if isinstance(v, str)} if isinstance(document, dict) else {}


def _memo(octets: bytes) -> None:
    Memo.from_json(octets.decode(errors="replace")).to_json()


def _entry(octets: bytes) -> None:
    fields = {k: Sensitive(v.encode("utf-8", "replace")) for k, v in _texts(octets).items()}
    ring = from_fields(fields, "1").ring
    problems(ring)
    to_document(ring)
    Summary.of(ring)


def _stamp(octets: bytes) -> None:
    from_texts(_texts(octets))


def _policy(octets: bytes) -> None:
    handle, name = tempfile.mkstemp(suffix=".yaml")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(octets)
        load([Path(name)])
    finally:
        Path(name).unlink()


def _headers(octets: bytes) -> None:
    found = {k.lower(): v for k, v in _texts(octets).items()}
    lifetime(found, NOW)
    age(found)
    for text in found.values():
        http_date(text)
        retry_after(text)


class _Says:
    """Connections on which every request is answered with the same octets."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets

    def request(self, *_: object, **__: object) -> urllib3.HTTPResponse:
        """Answer."""
        return urllib3.HTTPResponse(
            body=io.BytesIO(self._octets), headers=HEADERS, status=200, preload_content=False
        )


def _http(octets: bytes) -> tuple[Http, RunClock]:
    clock = RunClock(sleep=lambda _: None)
    retry = Retry(clock, Deadline(clock.now() + timedelta(hours=1)))
    return Http(retry, Meter(clock), connect=lambda _: cast("Any", _Says(octets))), clock


def _prometheus(octets: bytes) -> None:
    Query(_http(octets)[0], "https://p/", "q", 1.0).check("v")


def _jwks(octets: bytes) -> None:
    http, clock = _http(octets)
    Probe(http, "https://p/", 1, timedelta(minutes=5), clock).check("v")


READERS: Mapping[str, Reader] = {
    "memo": Reader(json.loads(Memo(reason="x", fences={"a": "1"}, due=NOW).to_json()), _memo),
    "entry": Reader(ENTRY, _entry),
    "stamp": Reader(STAMP, _stamp),
    "policy": Reader({**ROTATION, "metadata": {"name": "a", "namespace": "b"}}, _policy),
    "headers": Reader(HEADERS, _headers),
    "prometheus": Reader(SAMPLES, _prometheus),
    "roles": Reader(roles.GOOD, roles.read),
    "jwks": Reader({"keys": [{"kid": "v", "kty": "OKP"}]}, _jwks),
    "pod": Reader(POD, _object(kinds.POD, _pod)),
    "secret": Reader(
        {"metadata": META, "data": {"a": "eA=="}, "immutable": False}, _object(kinds.SECRET, _data)
    ),
    "rotation": Reader(ROTATION, _object(kinds.ROTATION, _rotation)),
    **{name: Reader(good, read) for name, (good, read) in gateways.READERS.items()},
    **{kind.name: Reader(WORKLOAD, _object(kind, _workload(kind))) for kind in kinds.WORKLOADS},
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
EXAMPLES = 100


def wrong(name: str, octets: bytes) -> str:
    """Let one reader read; return which error came that is none in words."""
    try:
        READERS[name].read(octets)
    except (RotatorError, Unreadable):
        return ""
    except Exception as error:  # noqa: BLE001 - that is what is looked for
        return f"{name}: {type(error).__name__}: {str(error)[:200]} for {octets[:300]!r}"
    return ""


def inputs(number: int, first: int) -> Iterator[Callable[[], str]]:
    """Yield what to do, one input after the other, from the `first` on."""
    names = list(READERS)
    while True:
        draw = random.Random(f"{number} readers {first}")  # noqa: S311 - a schedule, not a secret
        name = names[first % len(names)]
        yield _mutated(name, draw)
        first += 1


def _mutated(name: str, draw: random.Random) -> Callable[[], str]:
    good = READERS[name].good
    octets = odd(draw, good) if draw.random() < 0.9 else torn(draw, json.dumps(good).encode())
    return lambda: wrong(name, octets)


def drawn(number: int, tell: Callable[[str], None]) -> None:
    """Let Hypothesis draw whole documents for each reader, and tell what came of each."""
    for name in READERS:
        _drawn(name, number, tell)


def _drawn(name: str, number: int, tell: Callable[[str], None]) -> None:
    quick = settings(
        max_examples=EXAMPLES,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )

    @seed(number)
    @quick
    @given(JSON)
    def read(document: Any) -> None:
        tell(wrong(name, json.dumps(document).encode()))

    read()
