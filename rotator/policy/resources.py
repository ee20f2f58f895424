"""Reading Rotation custom resources, as the API server returns them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from rotator.errors import PolicyError
from rotator.policy.model import RotationPolicy
from rotator.policy.rules import unsafe
from rotator.vocabulary.problems import Problem, problems, written

API_VERSION = "rotator.dev/v1alpha1"
KIND = "Rotation"
_TAKEN = ("name", "namespace", "labels", "annotations")
"""What is taken of the metadata; the rest (uid, managedFields, ...) is the API server's own."""


def from_resource(resource: Mapping[str, Any]) -> RotationPolicy:
    """Return the declaration that a custom resource is, whatever else exists (`rotator.policy.rules.Owners`).

    Raises PolicyError with every problem as `rotation NAMESPACE/NAME: spec.path: what was expected`.
    """
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
        raise _refusal(metadata, problems(error, declaration, _child)) from None
    if wrong := list(unsafe(policy)):
        raise _refusal(metadata, wrong)
    return policy


def _refusal(metadata: Mapping[str, Any], wrong: Iterable[Problem]) -> PolicyError:
    who = f"rotation {metadata.get('namespace', '?')}/{metadata.get('name', '?')}"
    return PolicyError(*(f"{who}: {written(problem)}" for problem in wrong))


def _child(node: Any, step: int | str) -> Any:
    if isinstance(node, Mapping):
        return node.get(step)
    if isinstance(node, list) and isinstance(step, int) and step < len(node):
        return node[step]
    return None
