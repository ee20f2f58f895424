"""Rotations that are declared as custom resources: reading them, and keeping those that are to be deleted properly.

One bad resource, and one namespace that cannot be read, never stop another. Whoever may create Rotations in a namespace
is trusted with that namespace only: such a rotation touches no other namespace, no Vault path outside `NAMESPACE/`, no
login of Vault, no file of the job, and asks only those gates and providers that the operator has named. It is let in at a
provider by what it may read itself: nothing of the operator's is sent anywhere for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

from rotator.core.shapes import fitting, record, text
from rotator.engine.outcome import Outcome, Result
from rotator.errors import ClientError, Conflict, Forbidden, NotFound, PolicyError
from rotator.kinds import CREDENTIALS, PREFIX, ROTATION
from rotator.policy.model import RotationPolicy
from rotator.policy.owners import Owners
from rotator.policy.reach import Reach, strays
from rotator.policy.resources import from_resource
from rotator.systems.kubernetes.api import Json, KubernetesApi
from rotator.vocabulary.problems import written

FINALIZER = f"{PREFIX}/credential"
"""Keeps a Rotation with `deletionPolicy: Delete` until its credential is deleted."""
ATTEMPTS = 5


@dataclass(frozen=True, kw_only=True)
class Found:
    """What was declared by custom resources."""

    policies: tuple[RotationPolicy, ...] = ()
    leaving: tuple[RotationPolicy, ...] = ()
    """Rotations that are being deleted, and their credentials with them."""
    kept: tuple[str, ...] = ()
    """Rotations that are being deleted, and whose credentials stay after all."""
    refused: tuple[Outcome, ...] = ()
    unread: tuple[Outcome, ...] = ()
    """Namespaces that could not be read."""
    ending: frozenset[str] = frozenset()
    """Namespaces that are being deleted, with Rotations that keep them until their credentials are."""
    documents: Mapping[str, Json] = field(default_factory=dict)
    """The resources as they were read, by `namespace/name`."""


def load_resources(
    api: KubernetesApi, namespaces: Iterable[str], declared: Sequence[RotationPolicy], reach: Reach
) -> Found:
    """Read all Rotations in `namespaces`: one list each. `declared` are those from files, which come first."""
    documents, odd, unread = _documents(api, namespaces)
    policies, refused = _policies(documents, reach)
    alone, shared = _owned(policies, declared, documents)
    kept = [p for p in alone if _is_leaving(documents[p.ref]) and _has_finalizer(documents[p.ref])]
    homes = {p.metadata.namespace for p in kept}
    return Found(
        ending=frozenset(home for home in homes if _state(api, home) is State.ENDING),
        policies=tuple(p for p in alone if not _is_leaving(documents[p.ref])),
        leaving=tuple(p for p in kept if p.spec.deletion_policy == "Delete"),
        kept=tuple(p.ref for p in kept if p.spec.deletion_policy != "Delete"),
        refused=(*refused, *shared),
        unread=(*odd, *unread),
        documents=documents,
    )


def _documents(
    api: KubernetesApi, namespaces: Iterable[str]
) -> tuple[dict[str, Json], list[Outcome], list[Outcome]]:
    """Return all Rotations, oldest first, those that cannot be read, and the namespaces that cannot."""
    found: list[Json] = []
    odd: list[Outcome] = []
    unread = []
    for namespace in sorted(set(namespaces)):

        def note(document: object, error: ClientError, namespace: str = namespace) -> None:
            ref = f"{namespace}/{fitting(_NAME, document, _NAMELESS)['metadata']['name']}"
            odd.append(Outcome(rotation=ref, result=Result.REFUSED, reason=str(error)))

        try:
            found += list(api.list(ROTATION, namespace, odd=note))
        except ClientError as error:
            state = _state(api, namespace) if isinstance(error, Forbidden) else State.UNKNOWN
            if state is State.GONE:
                continue  # with all Rotations that were in it
            reason = _ENDING.format(namespace=namespace) if state is State.ENDING else _why_unread(error)
            unread.append(Outcome(rotation=f"{namespace}/*", result=Result.FROZEN, reason=reason))
    found.sort(key=lambda d: (d["metadata"].get("creationTimestamp", ""), _ref(d)))
    return {_ref(d): d for d in found}, odd, unread


_NAME = record({"metadata": record({"name": text})})
_NAMELESS = {"metadata": {"name": "?"}}


class State(Enum):
    """What a namespace is, as far as we may know."""

    THERE, ENDING, GONE, UNKNOWN = range(4)


def _state(api: KubernetesApi, namespace: str) -> State:
    """Look at a namespace: without a ClusterRole nobody may."""
    try:
        found = api.namespace(namespace)
    except NotFound:
        return State.GONE
    except ClientError:
        return State.UNKNOWN
    return State.ENDING if _is_leaving(found) else State.THERE


_ENDING = (
    "the namespace is being deleted, and the right to read its Rotations went with its Role. A Rotation with the finalizer "
    f"{FINALIZER} keeps the namespace: `kubectl -n {{namespace}} patch rotation NAME --type=merge "
    """-p '{{"metadata":{{"finalizers":null}}}}'` lets it go, and leaves what its credential has outside of the namespace. """
    "With the ClusterRole that `rotator rbac` prints, runs end this by themselves"
)


def _why_unread(error: ClientError) -> str:
    if isinstance(error, NotFound):
        return (
            "the API server knows no Rotation (rotator.dev/v1alpha1): install the definition "
            "(rotator crd | kubectl apply --server-side -f -), or leave --resources-in out"
        )
    return f"its Rotations cannot be read: {error}"


def _policies(documents: Mapping[str, Json], reach: Reach) -> tuple[list[RotationPolicy], list[Outcome]]:
    policies, refused = [], []
    for ref, document in documents.items():
        try:
            policy = from_resource(document)
        except PolicyError as error:
            refused.append(_refuse(document, _without(f"rotation {ref}: ", error)))
            continue
        if outside := [] if reach.anywhere else list(strays(policy, reach)):
            refused.append(_refuse(document, outside))
        else:
            policies.append(policy)
    return policies, refused


def _without(prefix: str, error: PolicyError) -> list[str]:
    """Return the problems; whose they are is known where they are shown."""
    return [problem.removeprefix(prefix) for problem in str(error).splitlines()]


def _owned(
    policies: Sequence[RotationPolicy], declared: Sequence[RotationPolicy], documents: Mapping[str, Json]
) -> tuple[list[RotationPolicy], list[Outcome]]:
    """Refuse what claims a name or a document that another has: files come first, then the oldest resource."""
    owners = Owners()
    for policy in declared:
        owners.claim(policy, "a file")
    alone, shared = [], []
    for policy in policies:
        if problems := owners.claim(policy, "a custom resource", refused=True):
            shared.append(_refuse(documents[policy.ref], [written(problem) for problem in problems]))
        else:
            alone.append(policy)
    return alone, shared


def _refuse(document: Json, problems: Sequence[str]) -> Outcome:
    reason = "; ".join(problems)
    if _is_leaving(document) and _has_finalizer(document):
        reason = (
            f"it is being deleted, and its credential cannot be deleted with it: {reason}. Correct the spec, or "
            f"remove the finalizer {FINALIZER} to leave the credential as it is"
        )
    declared = (document.get("spec") or {}).get("credential") or {}
    kind = next((k for k in CREDENTIALS if k in declared), "")
    return Outcome(rotation=_ref(document), result=Result.REFUSED, reason=reason, kind=kind)


# --- finalizers --------------------------------------------------------------------------------------------------


def prepare(
    api: KubernetesApi, policies: Iterable[RotationPolicy], documents: Mapping[str, Json]
) -> tuple[list[RotationPolicy], list[Outcome]]:
    """Put the finalizer on every Rotation that asks for its credential to be deleted with it, before that exists.

    Returns those that can be advanced, and what holds the others up: nothing is made for a Rotation whose deletion
    could not be noticed. One that asks no more for that loses the finalizer.
    """
    ready, held_up = [], []
    for policy in policies:
        document = documents.get(policy.ref)
        wanted = policy.spec.deletion_policy == "Delete"
        if document is None or wanted == _has_finalizer(document):
            ready.append(policy)
        elif problem := _finalize(api, document, keep=wanted):
            held_up.append(problem)
        else:
            ready.append(policy)
    return ready, held_up


def _finalize(api: KubernetesApi, document: Json, *, keep: bool) -> Outcome | None:
    """Add or remove the finalizer; return what is in the way."""
    ref = _ref(document)
    try:
        _put(api, document, keep=keep)
    except (Conflict, NotFound):
        reason = "it was edited or deleted just now: the next run goes on"
        return Outcome(rotation=ref, result=Result.WAITING, reason=reason)
    except ClientError as error:
        reason = f"deletionPolicy: Delete needs the finalizer {FINALIZER}, and it cannot be set or removed: {error}"
        return Outcome(rotation=ref, result=Result.FROZEN, reason=reason)
    return None


def _put(api: KubernetesApi, document: Json, *, keep: bool) -> None:
    metadata = document["metadata"]
    others = [f for f in metadata.get("finalizers") or () if f != FINALIZER]
    changes = {
        "metadata": {
            "resourceVersion": metadata["resourceVersion"],
            "finalizers": [*others, FINALIZER] if keep else others,
        }
    }
    namespace, name = metadata["namespace"], metadata["name"]
    document["metadata"] = api.patch(ROTATION, namespace, name, changes)["metadata"]


def release(api: KubernetesApi, outcome: Outcome, documents: Mapping[str, Json]) -> Outcome:
    """Let a Rotation go whose credential is deleted, and return what became of it."""
    if outcome.result is not Result.DELETED:
        return outcome
    return _let_go(api, documents[outcome.rotation], outcome)


def let_go(api: KubernetesApi, ref: str, documents: Mapping[str, Json]) -> Outcome:
    """Let a Rotation go whose credential stays after all."""
    done = Outcome(rotation=ref, result=Result.DELETED, reason="deleted; its credential is left as it is")
    return _let_go(api, documents[ref], done)


def leave(api: KubernetesApi, found: Found) -> list[Outcome]:
    """Take the finalizer off every Rotation that nobody deletes, before the last run: no other would be left to do it."""
    staying = [d for d in found.documents.values() if _has_finalizer(d) and not _is_leaving(d)]
    stuck = [o for o in found.refused if _is_leaving(d := found.documents[o.rotation]) and _has_finalizer(d)]
    return [*stuck, *(_finalize(api, d, keep=False) or _left(d) for d in staying)]


def _left(document: Json) -> Outcome:
    reason = f"the finalizer {FINALIZER} was taken off; its credential is left as it is, and goes on working"
    return Outcome(rotation=_ref(document), result=Result.IDLE, reason=reason)


def _let_go(api: KubernetesApi, document: Json, done: Outcome) -> Outcome:
    """Remove the finalizer; somebody may have written the resource meanwhile, and its deletion stands all the same."""
    problem: ClientError | None = None
    for _ in range(ATTEMPTS):
        try:
            _put(api, document, keep=False)
        except NotFound:
            return done
        except Conflict as error:
            problem = error
            try:
                document = api.get(ROTATION, document["metadata"]["namespace"], document["metadata"]["name"])
            except NotFound:
                return done
            except ClientError as unread:
                problem = unread
                break
        except ClientError as error:
            problem = error
            break
        else:
            return done
    reason = f"{done.reason}, and the finalizer {FINALIZER} could not be removed: {problem}"
    return replace(done, result=Result.FROZEN, reason=reason)


def _has_finalizer(document: Json) -> bool:
    return FINALIZER in (document["metadata"].get("finalizers") or ())


def _is_leaving(document: Json) -> bool:
    return bool(document["metadata"].get("deletionTimestamp"))


def _ref(document: Json) -> str:
    return f"{document['metadata']['namespace']}/{document['metadata']['name']}"
