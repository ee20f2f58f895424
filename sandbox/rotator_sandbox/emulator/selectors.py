"""Label selectors and field selectors."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from .status import bad_request
from .wire import Object, Value, as_object

if TYPE_CHECKING:
    from .resources import Kind

Predicate: TypeAlias = Callable[[Object], bool]

_SETS = re.compile(r"^\s*([^\s,!=()]+)\s+(in|notin)\s*\(([^()]*)\)\s*$")
_EQUALITY = re.compile(r"^\s*([^\s,!=()]+)\s*(==|=|!=)\s*([^\s,!=()]*)\s*$")
_EXISTS = re.compile(r"^\s*(!?)\s*([^\s,!=()]+)\s*$")
_COMMAS = re.compile(r",(?![^(]*\))")

_EVENT_FIELDS = (
    "reason",
    "type",
    "source",
    "reportingComponent",
    "involvedObject.kind",
    "involvedObject.namespace",
    "involvedObject.name",
    "involvedObject.uid",
    "involvedObject.apiVersion",
    "involvedObject.resourceVersion",
    "involvedObject.fieldPath",
)
_EXTRA_FIELDS: dict[str, tuple[str, ...]] = {
    "Secret": ("type",),
    "Event": _EVENT_FIELDS,
    "Namespace": ("status.phase",),
    "Pod": (
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "status.phase",
        "status.podIP",
    ),
    "Job": ("status.successful",),
    "ReplicaSet": ("status.replicas",),
    "Service": ("spec.clusterIP", "spec.type"),
}


def _label_term(term: str) -> Predicate:
    if match := _SETS.match(term):
        key, operator, listed = match.groups()
        values = {value.strip() for value in listed.split(",")}
        if operator == "in":
            return lambda labels: labels.get(key) in values
        return lambda labels: labels.get(key) not in values
    if match := _EQUALITY.match(term):
        key, operator, value = match.groups()
        if operator == "!=":
            return lambda labels: labels.get(key) != value
        return lambda labels: labels.get(key) == value
    if match := _EXISTS.match(term):
        negated, key = match.groups()
        if negated:
            return lambda labels: key not in labels
        return lambda labels: key in labels
    message = f"unable to parse requirement: found '{term}'"
    raise bad_request(message)


def label_selector(text: str) -> Predicate:
    """Read a labelSelector parameter: =, ==, !=, in, notin, exists, not exists."""
    terms = [_label_term(term) for term in _COMMAS.split(text) if term.strip()]

    def matches(obj: Object) -> bool:
        labels = obj["metadata"].get("labels") or {}
        return all(term(labels) for term in terms)

    return matches


def match_labels(selector: Object, labels: Object) -> bool:
    """Say whether labels satisfy a LabelSelector object (matchLabels and matchExpressions)."""
    wanted = as_object(selector.get("matchLabels"))
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    return all(_expression(each, labels) for each in selector.get("matchExpressions") or [])


def _expression(expression: Object, labels: Object) -> bool:
    key, values = str(expression.get("key")), expression.get("values") or []
    outcomes = {
        "In": labels.get(key) in values,
        "NotIn": labels.get(key) not in values,
        "Exists": key in labels,
        "DoesNotExist": key not in labels,
    }
    return outcomes.get(str(expression.get("operator")), False)


def _lookup(obj: Object, path: str) -> str:
    value: Value = obj
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if isinstance(value, dict):  # an Event's source selects by its component
        value = value.get("component")
    return "" if value is None else str(value)


def _field_term(kind: Kind, term: str) -> Predicate:
    match = _EQUALITY.match(term)
    if match is None:
        message = f"invalid selector: '{term}'; can't understand '{term}'"
        raise bad_request(message)
    path, operator, wanted = match.groups()
    allowed = {"metadata.name", "metadata.namespace", *_EXTRA_FIELDS.get(kind.name, ())}
    if path not in allowed or (path == "metadata.namespace" and not kind.namespaced):
        what = f'"{path}" is not a known field selector: only "metadata.name"'
        message = f'{what}, "metadata.namespace"' if kind.namespaced else what
        known = kind.custom is not None or kind.name in _EXTRA_FIELDS
        raise bad_request(f"field label not supported: {path}" if known else message)
    if operator == "!=":
        return lambda obj: _lookup(obj, path) != wanted
    return lambda obj: _lookup(obj, path) == wanted


def field_selector(kind: Kind, text: str) -> Predicate:
    """Read a fieldSelector parameter, with the fields that the kind offers."""
    terms = [_field_term(kind, term) for term in text.split(",") if term.strip()]
    return lambda obj: all(term(obj) for term in terms)


def selector_of(kind: Kind, query: dict[str, str], name: str = "") -> Predicate | None:
    """Give the predicate that a list or watch asks for; nothing when it takes all."""
    predicates = []
    if name:
        predicates.append(field_selector(kind, f"metadata.name={name}"))
    if query.get("labelSelector"):
        predicates.append(label_selector(query["labelSelector"]))
    if query.get("fieldSelector"):
        predicates.append(field_selector(kind, query["fieldSelector"]))
    if not predicates:
        return None
    return lambda obj: all(predicate(obj) for predicate in predicates)
