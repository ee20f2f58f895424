"""The chart as Helm's own engine renders it, and the questions that tests ask of manifests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import helm_python
import kubernetes_validate
import yaml

Json = dict[str, Any]
ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts/rotator"
PLAIN = ROOT / "cronjobs"
RELEASE, NAMESPACE = "rotator", "jobs"
NOTES = "rotator/templates/NOTES.txt"
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# It would read megabytes of schemas anew for each object.
kubernetes_validate.utils.schema_contents = cache(kubernetes_validate.utils.schema_contents)


@cache
def chart() -> helm_python.Chart:
    """Return the chart, loaded once."""
    return helm_python.Chart.load(CHART)


def texts(
    values: Mapping[str, Any] | None = None, *, name: str = RELEASE, namespace: str = NAMESPACE
) -> dict[str, str]:
    """Render the chart, and return the text of each template."""
    return chart().render(dict(values or {}), name=name, namespace=namespace)


def documents(text: str) -> list[Json]:
    """Return the documents of a text that are not empty."""
    return [d for d in yaml.load_all(text, Loader=_LOADER) if d]


def render(
    values: Mapping[str, Any] | None = None, *, name: str = RELEASE, namespace: str = NAMESPACE
) -> list[Json]:
    """Render the chart, and return its objects."""
    rendered = texts(values, name=name, namespace=namespace)
    return [d for at, text in sorted(rendered.items()) if at != NOTES for d in documents(text)]


def check_strictly(document: Json, version: str) -> None:
    """Check an object against the schemas of a Kubernetes version, in which no field may be unknown."""
    kubernetes_validate.validate(document, version, strict=True)


def lasting(objects: Iterable[Json]) -> list[Json]:
    """Return the objects of a release; those of its hooks come and go (https://helm.sh/docs/topics/charts_hooks/)."""
    return [o for o in objects if "helm.sh/hook" not in o["metadata"].get("annotations", {})]


def of_kind(objects: Iterable[Json], *kinds: str) -> list[Json]:
    """Return the objects of some kinds."""
    return [o for o in objects if o["kind"] in kinds]


def named(objects: Iterable[Json], kind: str, name: str) -> Json:
    """Return the one object of a kind and name."""
    (found,) = (o for o in objects if o["kind"] == kind and o["metadata"]["name"] == name)
    return found


def pod(document: Json) -> Json | None:
    """Return the pod template of an object, or the pod itself; None where it makes no pods."""
    match document["kind"]:
        case "Pod":
            return document
        case "CronJob":
            template: Json = document["spec"]["jobTemplate"]["spec"]["template"]
        case "Job" | "Deployment":
            template = document["spec"]["template"]
        case _:
            return None
    return template


def pods(objects: Iterable[Json]) -> list[Json]:
    """Return all pods and pod templates."""
    return [p for p in map(pod, objects) if p]


def containers(of: Json) -> list[Json]:
    """Return all containers of a pod."""
    return [*of["spec"].get("initContainers", ()), *of["spec"]["containers"]]


def environment(container: Json) -> dict[str, str]:
    """Return the plain values of a container's environment."""
    return {e["name"]: e["value"] for e in container["env"] if "value" in e}


@dataclass(frozen=True, order=True)
class Allowed:
    """One thing that somebody may do; an empty name stands for all objects of the kind."""

    namespace: str
    group: str
    resource: str
    verb: str
    name: str = ""


def allowed(objects: Iterable[Json], role: str = RELEASE) -> set[Allowed]:
    """Return every single thing that the Roles of a name allow, however they are written."""
    roles = (o for o in of_kind(objects, "Role") if o["metadata"]["name"] == role)
    return {one for each in roles for one in of_rules(each["metadata"]["namespace"], each["rules"])}


def of_rules(namespace: str, rules: Iterable[Json]) -> Iterator[Allowed]:
    """Take rules apart."""
    for rule in rules:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                for verb in rule["verbs"]:
                    for name in rule.get("resourceNames") or [""]:
                        yield Allowed(namespace, group, resource, verb, name)
