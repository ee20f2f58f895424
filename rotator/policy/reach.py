"""How far a custom resource may reach: its own namespace, Vault paths below its name, and servers that the operator names.

A projection of its footprint. It fails closed: whatever the declaration names and no touch covers is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from rotator.kinds import Address
from rotator.policy.model import RotationPolicy
from rotator.vocabulary.footprint import Document, Endpoint, JobFile, Location, Server, Touch, VaultCall
from rotator.vocabulary.traversal import ADDRESSES, FILES, NAMESPACES, named, parts
from rotator.vocabulary.types import VaultRef

TRUST = "(--trust-resources allows others)"
API_PARTS = {"data", "metadata", "destroy", "delete", "undelete", "subkeys", "sys", "auth"}
"""Parts of a mount's path that would make an address of Vault's API mean something else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How far a custom resource may reach."""

    anywhere: bool = False
    """Whether those who may create one are trusted like the operator."""
    gates: tuple[str, ...] = ()
    """The addresses below which gates and providers may be asked, such as `https://prometheus.monitoring:9090/`."""


def strays(policy: RotationPolicy, reach: Reach) -> list[str]:
    """Return what lies outside the resource's own namespace, each once, in sentences."""
    touches = [*policy.footprint]
    found = [stray for where, touch in touches for stray in _outside(policy, reach, where, touch)]
    return [*dict.fromkeys([*_namespaces(policy), *found, *_uncovered(policy, touches)])]


def _namespaces(policy: RotationPolicy) -> Iterator[str]:
    """Find namespaces of others, whether anything in them is touched or not."""
    home = policy.metadata.namespace
    for other in sorted({*named(policy.spec, NAMESPACES)} - {home}):
        yield f"namespace {other}: a custom resource may only name its own, {home} {TRUST}"


def _outside(policy: RotationPolicy, reach: Reach, where: Location, touch: Touch) -> Iterator[str]:
    """Find what one touch has outside."""
    thing, home = touch.thing, policy.metadata.namespace
    if isinstance(thing, Address) and thing.namespace != home:
        yield f"namespace {thing.namespace}: a custom resource may only name its own, {home} {TRUST}"
    elif isinstance(thing, Document):
        if not thing.path.startswith(f"{home}/"):
            yield f"Vault path {thing.path}: expected one that begins with {home}/ {TRUST}"
        if API_PARTS & set(thing.mount.split("/")):
            yield f"Vault mount {thing.mount}: expected one without a part such as data or metadata {TRUST}"
    elif isinstance(thing, VaultCall):
        yield f"AppRole role {'; '.join(policy.spec.credential.one.subjects)}: no custom resource may rotate logins of Vault {TRUST}"
    elif isinstance(thing, Endpoint) and thing.url:
        yield f"{thing.url}: no custom resource may say what is served to everybody {TRUST}"
    elif isinstance(thing, JobFile):
        yield f"file {thing.path}: a custom resource may name no file of the job {TRUST}"
    elif isinstance(thing, Server) and not any(_is_below(thing.url, allowed) for allowed in reach.gates):
        what = "gate" if where[1] == "gates" else "provider"
        yield f"{what} {thing.url}: expected an address below one that the operator allows (--gate-urls)"


def _uncovered(policy: RotationPolicy, touches: list[tuple[Location, Touch]]) -> Iterator[str]:
    """Find what is named, and is in no footprint: then it is not known what would be done with it."""
    covered = {touch.thing for _, touch in touches}
    addresses = (Server(url) for url in named(policy.spec, ADDRESSES))
    files = (JobFile(path) for path in named(policy.spec, FILES))
    documents = (ref.document for ref in parts(policy.spec, VaultRef))
    for thing in (*addresses, *files, *documents):
        if thing not in covered:
            yield f"{thing}: it is not known what is done there {TRUST}"


_UPWARDS = re.compile(r"(^|/)(\.|%2e){1,2}(;[^/]*)?(/|$)|\\|%5c|%2f", re.IGNORECASE)
"""What a client or a server may take for a way out of a folder (RFC 3986, section 5.2.4), plain or encoded."""


def _is_below(url: str, allowed: str) -> bool:
    """Whether `url` has the scheme, host and port of `allowed`, and a path that begins with its path and stays there."""
    try:
        one, other = urlsplit(url), urlsplit(allowed)
    except ValueError:
        return False  # it is none
    folder = other.path if other.path.endswith("/") else f"{other.path}/"
    return (
        (one.scheme, one.netloc) == (other.scheme, other.netloc)
        and f"{one.path}/".startswith(folder)
        and not _UPWARDS.search(one.path)
    )
