"""The syntax of names, labels and keys (apimachinery's validation)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .status import FieldError, invalid_value, required

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .wire import Object

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_QUALIFIED = r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_IS_LABEL, _IS_SUBDOMAIN = re.compile(_LABEL), re.compile(_SUBDOMAIN)
_IS_QUALIFIED = re.compile(_QUALIFIED)
_IS_DATA_KEY = re.compile(r"[-._a-zA-Z0-9]+")
_LABEL_LIMIT, _SUBDOMAIN_LIMIT, _ANNOTATIONS_LIMIT = 63, 253, 256 * 1024

_BAD_SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
    r"for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_BAD_LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
    "must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex "
    "used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
_BAD_LABEL_VALUE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or "
    "'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
_BAD_QUALIFIED = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end "
    "with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used "
    "for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
_BAD_KEY = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. "
    "'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)
_STANDARD_FINALIZERS = frozenset({"kubernetes", "orphan", "foregroundDeletion"})
_LABEL_NAMES = frozenset({"Namespace", "Service"})
_PATH_NAMES = frozenset({"Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"})


def _name_problem(kind: str, name: str) -> str:
    if kind in _PATH_NAMES:
        bad = name in {".", ".."} or "/" in name or "%" in name
        return "may not contain '/' or '%'" if bad else ""
    if kind in _LABEL_NAMES:
        if len(name) > _LABEL_LIMIT:
            return f"must be no more than {_LABEL_LIMIT} characters"
        return "" if _IS_LABEL.fullmatch(name) else _BAD_LABEL
    if len(name) > _SUBDOMAIN_LIMIT:
        return f"must be no more than {_SUBDOMAIN_LIMIT} characters"
    return "" if _IS_SUBDOMAIN.fullmatch(name) else _BAD_SUBDOMAIN


def name_errors(kind: str, name: str) -> list[FieldError]:
    """Check an object's name: an RFC 1123 subdomain, or a label where the kind asks for one."""
    if not name:
        return [required("metadata.name", "name or generateName is required")]
    problem = _name_problem(kind, name)
    return [invalid_value("metadata.name", name, problem)] if problem else []


def _qualified_problem(key: str) -> str:
    prefix, slash, name = key.rpartition("/")
    if slash and not _IS_SUBDOMAIN.fullmatch(prefix):
        return "prefix part " + _BAD_SUBDOMAIN
    if len(name) > _LABEL_LIMIT:
        return f"name part must be no more than {_LABEL_LIMIT} characters"
    return "" if _IS_QUALIFIED.fullmatch(name) else _BAD_QUALIFIED


def label_errors(path: str, labels: Object) -> list[FieldError]:
    """Check the keys and values of labels."""
    errors = []
    for key, value in labels.items():
        if problem := _qualified_problem(key):
            errors.append(invalid_value(path, key, problem))
        if len(value) > _LABEL_LIMIT:
            why = f"must be no more than {_LABEL_LIMIT} bytes"
            errors.append(invalid_value(path, value, why))
        elif value and not _IS_QUALIFIED.fullmatch(value):
            errors.append(invalid_value(path, value, _BAD_LABEL_VALUE))
    return errors


def annotation_errors(annotations: Object) -> list[FieldError]:
    """Check the keys of annotations, and their size together (256 KiB)."""
    path = "metadata.annotations"
    errors = [
        invalid_value(path, key, problem)
        for key in annotations
        if (problem := _qualified_problem(key.lower()))
    ]
    if sum(len(key) + len(value) for key, value in annotations.items()) > _ANNOTATIONS_LIMIT:
        message = f"Too long: may not be more than {_ANNOTATIONS_LIMIT} bytes"
        errors.append(FieldError("FieldValueTooLong", path, message))
    return errors


def finalizer_errors(finalizers: list[str]) -> list[FieldError]:
    """Check finalizers: qualified by a domain, or one of the standard ones."""
    why = "name is neither a standard finalizer name nor is it fully qualified"
    return [
        invalid_value(f"metadata.finalizers[{index}]", name, why)
        for index, name in enumerate(finalizers)
        if "/" not in name and name not in _STANDARD_FINALIZERS
    ]


def owner_errors(owners: list[Object]) -> list[FieldError]:
    """Check that owner references are complete."""
    path, errors = "metadata.ownerReferences", []
    for owner in owners:
        if not owner.get("apiVersion"):
            errors.append(invalid_value(f"{path}.apiVersion", "", "version must not be empty"))
        missing = [name for name in ("kind", "name", "uid") if not owner.get(name)]
        errors += [invalid_value(f"{path}.{name}", "", "must not be empty") for name in missing]
    return errors


def data_key_errors(path: str, data: Object) -> list[FieldError]:
    """Check the keys of a Secret's or ConfigMap's data."""
    return [invalid_value(f"{path}[{key}]", key, why) for key in data for why in _data_key_problems(key)]


def _data_key_problems(key: str) -> Iterator[str]:
    if len(key) > _SUBDOMAIN_LIMIT:
        yield f"must be no more than {_SUBDOMAIN_LIMIT} characters"
    if not _IS_DATA_KEY.fullmatch(key):
        yield _BAD_KEY
    if key in {".", ".."}:
        yield f"must not be '{key}'"
    elif key.startswith(".."):
        yield "must not start with '..'"
