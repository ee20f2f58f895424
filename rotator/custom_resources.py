"""Rotations that are declared as custom resources: reading them, and keeping those that are to be deleted properly.

One bad resource never stops another: it is refused by itself. Whoever may create Rotations in a namespace is trusted
with that namespace only: such a rotation may not touch another namespace, nor Vault paths outside `NAMESPACE/`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from rotator.engine.outcome import Outcome, Result
from rotator.errors import Conflict, Frozen, NotFound, PolicyError
from rotator.kinds import PREFIX, ROTATION, Kind
from rotator.policy import RotationPolicy
from rotator.policy_problems import written
from rotator.policy_resources import from_resource
from rotator.policy_rules import Owners

Json = dict[str, Any]
FINALIZER = f"{PREFIX}/credential"
"""Keeps a Rotation with `deletionPolicy: Delete` until its credential is deleted."""


class ResourceApi(Protocol):
    """What custom resources need of the Kubernetes API."""

    def list(self, kind: Kind, namespace: str, *, selector: str = "") -> Iterator[Json]:
        """Yield objects, page by page."""
        ...

    def patch(self, kind: Kind, namespace: str, name: str, changes: Json) -> Json:
        """Apply a merge patch at a resourceVersion. Raises Conflict, NotFound."""
        ...


@dataclass(frozen=True)
class Found:
    """What was declared by custom resources."""

    policies: tuple[RotationPolicy, ...] = ()
    refused: tuple[Outcome, ...] = ()
    deleted: tuple[RotationPolicy, ...] = ()
    """Rotations that are being deleted, and their credentials with them."""
    documents: Mapping[str, Json] = field(default_factory=dict)
    """The resources as they were read, by `namespace/name`."""


def load_resources(
    api: ResourceApi, namespaces: Iterable[str], declared: Sequence[RotationPolicy], *, trusted: bool
) -> Found:
    """Read all Rotations in `namespaces`: one list each. `declared` are those from files, which come first.

    `trusted` allows other namespaces and any Vault path. Raises NotFound as a sentence where the definition is missing.
    """
    documents = _documents(api, namespaces)
    policies, refused = _policies(documents, trusted=trusted)
    alone, shared = _owned(policies, declared)
    return Found(
        policies=tuple(p for p in alone if not _leaving(documents[p.ref])),
        refused=(*refused, *shared),
        deleted=tuple(p for p in alone if _kept(documents[p.ref]) and _leaving(documents[p.ref])),
        documents=documents,
    )


def _documents(api: ResourceApi, namespaces: Iterable[str]) -> dict[str, Json]:
    """Return all Rotations, oldest first."""
    found = []
    for namespace in sorted(set(namespaces)):
        try:
            found += list(api.list(ROTATION, namespace))
        except NotFound:
            raise Frozen(
                "the API server knows no Rotation (rotator.dev/v1alpha1): install the definition "
                "(rotator crd | kubectl apply -f -), or leave --resources-in out"
            ) from None
    found.sort(key=lambda d: (d["metadata"].get("creationTimestamp", ""), _ref(d)))
    return {_ref(d): d for d in found}


def _policies(documents: Mapping[str, Json], *, trusted: bool) -> tuple[list[RotationPolicy], list[Outcome]]:
    policies, refused = [], []
    for ref, document in documents.items():
        try:
            policy = from_resource(document)
        except PolicyError as error:
            refused.append(_refuse(ref, "; ".join(_without(f"rotation {ref}: ", error))))
            continue
        if problem := "" if trusted else "; ".join(_strays(policy)):
            refused.append(_refuse(ref, problem))
        else:
            policies.append(policy)
    return policies, refused


def _without(prefix: str, error: PolicyError) -> list[str]:
    """Return the problems; whose they are is known where they are shown."""
    return [problem.removeprefix(prefix) for problem in str(error).splitlines()]


def _owned(
    policies: Sequence[RotationPolicy], declared: Sequence[RotationPolicy]
) -> tuple[list[RotationPolicy], list[Outcome]]:
    """Refuse what claims a name or a document that another has: files come first, then the oldest resource."""
    owners = Owners()
    for policy in declared:
        owners.add(policy, "a file")
    alone, shared = [], []
    for policy in policies:
        if problems := [written(p) for p in owners.conflicts(policy)]:
            shared.append(_refuse(policy.ref, "; ".join(problems)))
        else:
            owners.add(policy, "a custom resource")
            alone.append(policy)
    return alone, shared


def _refuse(ref: str, problem: str) -> Outcome:
    return Outcome(rotation=ref, result=Result.REFUSED, reason=problem)


def _strays(policy: RotationPolicy) -> Iterator[str]:
    """Find what lies outside the resource's own namespace."""
    home, spec = policy.metadata.namespace, policy.spec
    named = [v.place.namespace for v in spec.verifiers if v.place.namespace]
    named += [n for h in spec.holders if h.secret for n in h.secret.namespaces or ()]
    for other in sorted({n for n in named if n != home}):
        yield f"namespace {other}: a custom resource may only name its own, {home} (--trust-resources allows others)"
    places = [spec.store.vault, *(v.place.vault for v in spec.verifiers), *(h.vault for h in spec.holders)]
    places.append(spec.take_over.vault if spec.take_over else None)
    for path in sorted({p.path for p in places if p and not p.path.startswith(f"{home}/")}):
        yield f"Vault path {path}: expected one that begins with {home}/ (--trust-resources allows others)"


# --- finalizers --------------------------------------------------------------------------------------------------


def prepare(api: ResourceApi, policies: Iterable[RotationPolicy], documents: Mapping[str, Json]) -> None:
    """Put the finalizer on every Rotation that asks for its credential to be deleted with it, before that exists.

    Where somebody wrote in between, the next run does it; a Rotation that asks no more loses it.
    """
    for policy in policies:
        document = documents.get(policy.ref)
        if document and (policy.spec.deletion_policy == "Delete") != _kept(document):
            _finalize(api, document, keep=not _kept(document))


def release(api: ResourceApi, outcome: Outcome, documents: Mapping[str, Json]) -> None:
    """Let a Rotation go whose credential is deleted."""
    if outcome.result is Result.DELETED:
        _finalize(api, documents[outcome.rotation], keep=False)


def _finalize(api: ResourceApi, document: Json, *, keep: bool) -> None:
    metadata = document["metadata"]
    others = [f for f in metadata.get("finalizers") or () if f != FINALIZER]
    changes = {
        "metadata": {
            "resourceVersion": metadata["resourceVersion"],
            "finalizers": [*others, FINALIZER] if keep else others,
        }
    }
    namespace, name = metadata["namespace"], metadata["name"]
    try:
        document["metadata"] = api.patch(ROTATION, namespace, name, changes)["metadata"]
    except (Conflict, NotFound):
        return


def _kept(document: Json) -> bool:
    return FINALIZER in (document["metadata"].get("finalizers") or ())


def _leaving(document: Json) -> bool:
    return bool(document["metadata"].get("deletionTimestamp"))


def _ref(document: Json) -> str:
    return f"{document['metadata']['namespace']}/{document['metadata']['name']}"
