"""Reading Rotation custom resources, as the API server returns them. One that is wrong does not stop the others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from rotator.errors import PolicyError
from rotator.policy import RotationPolicy
from rotator.policy_problems import Problem, problems, written
from rotator.policy_rules import Owners, unsafe

API_VERSION = "rotator.dev/v1alpha1"
KIND = "Rotation"
_TAKEN = ("name", "namespace", "labels", "annotations")
"""What is taken of the metadata; the rest (uid, managedFields, ...) is the API server's own."""


@dataclass(frozen=True)
class Refused:
    """A custom resource that cannot be carried out."""

    namespace: str
    name: str
    problems: tuple[str, ...]
    """Each as `spec.path: what was expected`."""

    def __str__(self) -> str:
        return "\n".join(f"rotation {self.namespace}/{self.name}: {problem}" for problem in self.problems)


def from_resource(resource: Mapping[str, Any]) -> RotationPolicy:
    """Return the declaration that a custom resource is, whatever else exists.

    Raises PolicyError with every problem as `rotation NAMESPACE/NAME: spec.path: what was expected`.
    """
    found = _read(resource)
    if isinstance(found, Refused):
        raise PolicyError(str(found))
    return found


def accept(
    resources: Iterable[Mapping[str, Any]], owners: Owners
) -> tuple[list[RotationPolicy], list[Refused]]:
    """Return the declarations that can be carried out beside each other and beside `owners`, and those that cannot.

    Of two that claim one document the older keeps it, so that a new one cannot stop what works.
    """
    accepted: list[RotationPolicy] = []
    refused: list[Refused] = []
    for resource in sorted(resources, key=_age):
        found = _read(resource)
        if isinstance(found, RotationPolicy) and (wrong := list(owners.conflicts(found))):
            found = _refused(resource, wrong)
        if isinstance(found, Refused):
            refused.append(found)
            continue
        owners.add(found, f"rotation {found.ref}")
        accepted.append(found)
    return accepted, refused


def _age(resource: Mapping[str, Any]) -> tuple[str, str, str]:
    metadata = resource.get("metadata", {})
    return tuple(str(metadata.get(part, "")) for part in ("creationTimestamp", "namespace", "name"))  # type: ignore[return-value]


def _read(resource: Mapping[str, Any]) -> RotationPolicy | Refused:
    metadata = resource.get("metadata") or {}
    declaration: dict[str, Any] = {
        "apiVersion": resource.get("apiVersion", API_VERSION),  # items of a list have neither
        "kind": resource.get("kind", KIND),
        "metadata": {part: metadata[part] for part in _TAKEN if metadata.get(part) is not None},
    }
    if "spec" in resource:
        declaration["spec"] = resource["spec"]
    try:
        policy = RotationPolicy.model_validate(declaration)
    except ValidationError as error:
        return _refused(resource, problems(error, declaration, _child))
    wrong = list(unsafe(policy))
    return _refused(resource, wrong) if wrong else policy


def _refused(resource: Mapping[str, Any], wrong: Iterable[Problem]) -> Refused:
    metadata = resource.get("metadata") or {}
    return Refused(
        str(metadata.get("namespace", "?")),
        str(metadata.get("name", "?")),
        tuple(written(problem) for problem in wrong),
    )


def _child(node: Any, step: int | str) -> Any:
    if isinstance(node, Mapping):
        return node.get(step)
    if isinstance(node, list) and isinstance(step, int) and step < len(node):
        return node[step]
    return None
