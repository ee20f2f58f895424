"""Why the API server did not do what it was asked: a right that is missing, somebody who refused it, or what it asks itself.

Messages of the server may quote what was sent. So of a message only names are kept that stand in sentences known here.
https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from rotator.clients.answers import by_status
from rotator.core.reading import Unreadable, parse
from rotator.core.shapes import listed, record, text
from rotator.core.texts import printable
from rotator.errors import ClientError, Forbidden, Rejected, Unavailable

RBAC = "`rotator rbac` prints what is needed"
FORBIDDEN, UNAUTHORIZED = 403, 401


@dataclass(frozen=True, slots=True)
class Refusal:
    """One sentence of the server, by what it means."""

    marks: re.Pattern[str]
    said: str
    """For people; `{0}` and so on are the names that the sentence holds."""
    kind: type[ClientError] | None = None
    """What certainly holds, whatever the status says; None: what the status says."""


def _of(marks: str, said: str, kind: type[ClientError] | None = None) -> Refusal:
    return Refusal(re.compile(marks), said, kind)


REFUSALS = (
    _of(
        r"admission webhook \"([^\"]+)\" denied",
        "the right is there, and the admission webhook {0} refused it: ask who runs it",
        Rejected,
    ),
    _of(
        r"failed calling webhook \"([^\"]+)\"",
        "the right is there, and the admission webhook {0}, which the API server has to ask, does not answer it: ask who runs it",
        Unavailable,
    ),
    _of(
        r"(?:Validating|Mutating)AdmissionPolicy '([^']+)'",
        "the right is there, and the admission policy {0} refused it: ask who made it",
        Rejected,
    ),
    _of(r"exceeded quota: ([A-Za-z0-9.-]+)", "the right is there, and the quota {0} of the namespace is used up"),
    _of(
        r"(?:failed quota: |status unknown for quota: )([A-Za-z0-9.-]+)",
        "the right is there, and the quota {0} of the namespace does not allow it",
    ),
    _of(r"violates PodSecurity \"([^\"]+)\"", "the right is there, and Pod Security ({0}) refused it"),
    _of(r"because it is being terminated", "the namespace is being deleted: nothing new can be made in it"),
    _of(r"User \"system:anonymous\" cannot", "the request came without a login that the API server knows: see the token of "
        "the service account, or the user in the kubeconfig"),
    _of(r"User \"([^\"]+)\" cannot ([a-z]+) resource \"([a-z./-]+)\"", f"{{0}} has no right to {{1}} {{2}}; {RBAC}"),
    _of(
        r"etcdserver: request is too large", "the object would be larger than etcd takes", Rejected
    ),
    _of(
        r"etcdserver: mvcc: database space exceeded", "etcd has no space left: nothing can be written in this cluster", Unavailable
    ),
    _of(r"etcdserver: ([a-z]+(?: [a-z]+){0,5})", "etcd says: {0}"),
)  # fmt: skip
"""The first that fits counts. What admission refuses was not stored, whatever status a webhook gave it."""
_LOGIN_OVER = (
    "the login is not known, or is over: see the token of the service account, or the user in the kubeconfig"
)
_BY_STATUS = {UNAUTHORIZED: _LOGIN_OVER, FORBIDDEN: RBAC}
"""What can be said where the server says nothing."""
_PLUGIN = "it names no right that is missing, so an admission plug-in of the API server refused it: its audit log says which"
_MOST_OF_A_NAME = 100
_MOST_CAUSES = 5
_FIELD = re.compile(r"[A-Za-z0-9_.\[\]/ -]{1,200}")
_CAUSES = record({"details": record({"causes": listed(record({}, {"field": text, "reason": text}))})})
_STATUS = record({}, {"reason": text, "message": text})
_REASON = re.compile(r"[A-Za-z]{1,64}")
"""A reason of the API is one word in CamelCase (metav1.StatusReason)."""


def translate(what: str, status: int, body: bytes, retry_header: str | None) -> ClientError:
    """Return the error that an answer means, with the server's reason, the fields that it names, and who refused."""
    try:
        document = _STATUS(parse(body))
    except Unreadable:
        document = {}
    reason, message = document.get("reason", ""), document.get("message", "")
    reason = reason if _REASON.fullmatch(reason) else ""
    said, kind = _refusal(status, message)
    detail = "; ".join(part for part in (f"HTTP {status} {reason}{_causes(body)}".strip(), said) if part)
    error = by_status(what, status, detail, retry_header)
    if kind is None or isinstance(error, (kind, Forbidden)):
        return error
    return kind(what, detail, code=status)


def _refusal(status: int, message: str) -> tuple[str, type[ClientError] | None]:
    for refusal in REFUSALS:
        if found := refusal.marks.search(message):
            names = (printable(name, _MOST_OF_A_NAME) for name in found.groups())
            return refusal.said.format(*names), refusal.kind
    if status == FORBIDDEN and message:
        return _PLUGIN, None
    return _BY_STATUS.get(status, ""), None


def _causes(body: bytes) -> str:
    """Return the fields that the server names, each with its reason: words of its schema, never values."""
    try:
        causes = _CAUSES(parse(body))["details"]["causes"]
    except Unreadable:
        return ""
    named = [f"{c.get('field', '')} {c.get('reason', '')}".strip() for c in causes]
    good = [name for name in named if _FIELD.fullmatch(name)]
    return f" ({', '.join(good[:_MOST_CAUSES])})" if good else ""
