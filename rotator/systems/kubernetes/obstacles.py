"""What is in the way of another version at a Kubernetes object, by what the object says: pure functions over its document.

API: https://kubernetes.io/docs/concepts/configuration/secret/.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rotator.kinds import PREFIX
from rotator.systems.kubernetes.writers import IGNORED, keeper, owner, rivals, shown

MOST = 1024 * 1024
"""Bytes that all values of a Secret, or of a ConfigMap, may have together."""
MOST_ANNOTATIONS = 256 * 1024
"""Bytes that all annotations of an object may have together, names included."""
ROOM = 16 * 1024
"""Bytes that one of our fields may need: a list of three shared secrets of the longest kind."""
ROOM_OF_STAMP = 1024
"""Bytes that our annotations may need."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Together:
    """The data keys that belong together in a Secret of one type."""

    keys: frozenset[str] = frozenset()
    """Empty: all of it."""
    why: str
    whole: bool = False
    """Whether it is enough that all keys are ours."""


TYPES = {
    "kubernetes.io/tls": Together(
        keys=frozenset({"tls.crt", "tls.key"}),
        why="a certificate and its key belong together, and rotator makes no certificates",
    ),
    "kubernetes.io/dockerconfigjson": Together(
        keys=frozenset({".dockerconfigjson"}), why="it is a document about logins at registries"
    ),
    "kubernetes.io/dockercfg": Together(
        keys=frozenset({".dockercfg"}), why="it is a document about logins at registries"
    ),
    "kubernetes.io/basic-auth": Together(
        keys=frozenset({"username", "password"}),
        why="a user name and its password belong together",
        whole=True,
    ),
    "kubernetes.io/ssh-auth": Together(
        keys=frozenset({"ssh-privatekey"}),
        why="an SSH key belongs to the public key that its server knows, which rotator does not deliver",
    ),
    "kubernetes.io/service-account-token": Together(
        why="Kubernetes writes it, and removes it with its service account"
    ),
    "bootstrap.kubernetes.io/token": Together(why="the parts of a bootstrap token belong together"),
    "helm.sh/release.v1": Together(why="it is Helm's record of a release"),
    f"{PREFIX}/ring": Together(why="it is the ring of a rotation"),
}


def obstacle(document: Mapping[str, Any], names: Sequence[str], *, adopted: bool) -> str:
    """Say why the data keys `names` of an object cannot be written again and again, and what to do; empty: they can.

    `adopted`: the values stay as they are for now, so that whoever applies the same can be told to stop.
    """
    return next(_obstacles(document, names), "") or ("" if adopted else _fight(document, names))


def is_needed(document: Mapping[str, Any], names: Sequence[str]) -> bool:
    """Whether an object cannot be without the data keys `names`, by its type."""
    rule = TYPES.get(str(document.get("type") or ""))
    return rule is not None and bool(rule.keys & set(names))


def _fight(document: Mapping[str, Any], names: Sequence[str]) -> str:
    found = rivals(document, names)
    if not found:
        return ""
    return (
        f"it is also written by {found}: each would put its own values back in turn. Take these data keys out of what is applied "
        f"there. If they are left alone there all the same, annotate the object with {IGNORED}: NAME"
    )


def _obstacles(document: Mapping[str, Any], names: Sequence[str]) -> Iterator[str]:
    if document.get("immutable"):
        yield "it is immutable (immutable: true). Make it again without that, or name another one"
    if document["metadata"].get("deletionTimestamp"):
        yield "it is being deleted, and waits for its finalizers. Make it again when it is gone, or name another one"
    if said := _of_type(str(document.get("type") or ""), frozenset(names)):
        yield said
    if of := owner(document):
        yield (
            f"it belongs to {of}, its controller, which writes it. Take it out of that (and out of ownerReferences), or name an "
            "object of its own"
        )
    if tool := keeper(document):
        yield f"{tool} replaces all of its data. Take it out of that, or name an object of its own"
    if taken := sorted(set(names) & (document.get("binaryData") or {}).keys()):
        yield f"its binaryData has {shown(', '.join(taken))} already. Map to other data keys"
    yield from _sizes(document, names)


def _of_type(kind: str, ours: frozenset[str]) -> str:
    rule = TYPES.get(kind)
    if rule is None or (rule.keys and not rule.keys & ours) or (rule.whole and rule.keys <= ours):
        return ""
    where = "Map all of it" if rule.whole else "Map to other data keys" if rule.keys else "Name another one"
    return f"its type is {kind}: {rule.why}. {where} (holders[].data), or give the credential an object of its own"


def _sizes(document: Mapping[str, Any], names: Sequence[str]) -> Iterator[str]:
    data, secret = document.get("data") or {}, "type" in document
    others = {n: v for n, v in {**data, **(document.get("binaryData") or {})}.items() if n not in names}
    encoded = others if secret else document.get("binaryData") or {}
    held = sum(_decoded(v) if n in encoded else len(v.encode()) for n, v in others.items())
    if held + len(names) * ROOM > MOST:
        yield (
            f"its other data keys have {held} bytes, and all may have {MOST}: there is no room for {len(names)} more of up to "
            f"{ROOM} each. Move some of them to another object, or name one of its own"
        )
    texts = document["metadata"].get("annotations") or {}
    noted = sum(len(n.encode()) + len(str(v).encode()) for n, v in texts.items())
    if noted + ROOM_OF_STAMP > MOST_ANNOTATIONS:
        yield f"its annotations have {noted} bytes, and may have {MOST_ANNOTATIONS}: there is no room for ours. Remove some"


def _decoded(text: str) -> int:
    """Return how many bytes a text in base64 stands for."""
    return len(text) * 3 // 4 - text[-2:].count("=")
