"""Who else writes a Kubernetes object, by what the object says: pure functions over its document.

Each manager of an object's fields is listed with the fields it wrote last or applied
(https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management). Tools that apply manifests, and operators,
mark what they keep by labels and annotations of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rotator.core.reading import Unreadable, parse
from rotator.kinds import PREFIX, ROTATOR

DATA = ("data", "stringData", "binaryData")
"""Where an object's contents stand. A manager that applies `stringData` is listed with that."""
IGNORED = f"{PREFIX}/ignore-managers"
"""The annotation by which a person says that these tools or field managers, separated by commas, leave our data keys alone."""
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
PEOPLE = ("kubectl", "before-first-apply")
"""How the managers begin that act only when a person does."""
LONGEST = 100
"""Characters of a text that are shown: whoever may write on an object may write anything there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A tool that writes objects again and again."""

    name: str
    managers: tuple[str, ...] = ()
    """How the names of its field managers begin."""
    marks: tuple[str, ...] = ()
    """Labels and annotations of what it keeps."""
    whole: bool = False
    """Whether it replaces all data of what carries its mark."""
    replaces: tuple[tuple[str, str], ...] = ()
    """Labels and annotations by which it is told to replace an object, and what their values then have in them."""
    off: tuple[tuple[str, str], ...] = ()
    """Labels and annotations with the values by which it is told to leave an object alone."""


TOOLS = (
    Tool(
        name="Argo CD",
        managers=("argocd",),
        marks=("argocd.argoproj.io/tracking-id", "argocd.argoproj.io/instance", "argocd.argoproj.io/hook"),
        replaces=(
            ("argocd.argoproj.io/sync-options", "Replace=true"),
            ("argocd.argoproj.io/hook", "Sync"),
        ),
    ),
    Tool(
        name="Flux",
        managers=("kustomize-controller", "helm-controller", "flux"),
        marks=("kustomize.toolkit.fluxcd.io/name", "helm.toolkit.fluxcd.io/name"),
        off=(
            ("kustomize.toolkit.fluxcd.io/reconcile", "disabled"),
            ("kustomize.toolkit.fluxcd.io/ssa", "IfNotPresent"),
            ("kustomize.toolkit.fluxcd.io/ssa", "Ignore"),
        ),
    ),
    Tool(
        name="Helm",
        managers=("helm",),
        marks=("meta.helm.sh/release-name", "helm.sh/hook"),
        replaces=(("helm.sh/hook", "upgrade"), ("helm.sh/hook", "rollback")),
    ),
    Tool(
        name="External Secrets",
        managers=("external-secrets",),
        marks=("reconcile.external-secrets.io/managed", "reconcile.external-secrets.io/data-hash"),
    ),
    Tool(
        name="Sealed Secrets",
        managers=("sealed-secrets",),
        marks=("sealedsecrets.bitnami.com/managed",),
        whole=True,
    ),
    Tool(name="cert-manager", managers=("cert-manager",), marks=("cert-manager.io/certificate-name",)),
    Tool(
        name="Vault Secrets Operator",
        managers=("vault-secrets-operator",),
        marks=("secrets.hashicorp.com/vso-ownerRefUID",),
    ),
    Tool(name="Reflector", marks=("reflector.v1.k8s.emberstack.com/reflects",), whole=True),
    Tool(
        name="Kubernetes Replicator",
        marks=(
            "replicator.v1.mittwald.de/replicate-from",
            "replicator.v1.mittwald.de/replicated-from-version",
        ),
        whole=True,
    ),
    Tool(
        name="the Secrets Store CSI driver",
        managers=("secrets-store",),
        marks=("secrets-store.csi.k8s.io/managed",),
        whole=True,
    ),
    Tool(name="Kyverno", managers=("kyverno",), marks=("generate.kyverno.io/policy-name",), whole=True),
    Tool(
        name="Config Syncer",
        marks=("kubed.appscode.com/origin", "kubed.appscode.com/origin.name"),
        whole=True,
    ),
    Tool(name="Strimzi", managers=("strimzi",), marks=("strimzi.io/kind",), whole=True),
    Tool(
        name="the addon manager",
        marks=("addonmanager.kubernetes.io/mode",),
        replaces=(("addonmanager.kubernetes.io/mode", "Reconcile"),),
    ),
    Tool(name="1Password", managers=("onepassword",), marks=("operator.1password.io/item-path",), whole=True),
    Tool(name="Config Sync", managers=("configsync",), marks=("configsync.gke.io/resource-id",)),
    Tool(name="Fleet", managers=("fleetagent",)),
    Tool(name="kapp", managers=("kapp",), marks=("kapp.k14s.io/app",)),
    Tool(name="Terraform", managers=("Terraform", "HashiCorp")),
    Tool(name="Pulumi", managers=("pulumi",)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """One entry of `managedFields`."""

    manager: str
    applies: bool
    time: str
    keys: frozenset[str]
    """The data keys among its fields."""


def owner(document: Mapping[str, Any]) -> str:
    """Name the controller that an object belongs to, as `ExternalSecret app-key (external-secrets.io/v1)`; empty: none."""
    references = _metadata(document).get("ownerReferences")
    for reference in references if isinstance(references, list) else ():
        found = _mapping(reference)
        if found.get("controller"):
            return shown(f"{found.get('kind')} {found.get('name')} ({found.get('apiVersion')})")
    return ""


def keeper(document: Mapping[str, Any]) -> str:
    """Name the tool that replaces all data of an object, with its mark; empty: none."""
    texts, ignored = _texts(document), _ignored(document)
    found = (
        f"{tool.name} ({mark})"
        for tool, mark in _marks(document)
        if tool.name not in ignored
        and (tool.whole or any(told in str(texts.get(name)) for name, told in tool.replaces))
    )
    return next(found, "")


def rivals(document: Mapping[str, Any], names: Iterable[str]) -> str:
    """Name the tools that hold the data keys `names` by what they apply, and will put their values back; empty: none."""
    ours, ignored = frozenset(names), _ignored(document)
    found = {
        _called(e.manager): _held(e, ours)
        for e in _entries(document)
        if e.keys & ours and e.manager not in ignored and (_tool(e.manager) or _applies(e))
    }
    if applied := sorted(_last_applied(document) & ours):
        told = f"{', '.join(applied)} in {LAST_APPLIED}"
        found = {**{tool.name: f"{told}; {mark}" for tool, mark in _marks(document)}, **found}
    left = ignored | {tool.name for tool in TOOLS if _is_off(tool, document)}
    return " and ".join(f"{name} ({said})" for name, said in found.items() if name not in left)


def last_writer(document: Mapping[str, Any], names: Iterable[str]) -> str:
    """Name who wrote the data keys `names` last, or else anything, besides rotator, and who keeps the object; empty: not known."""
    ours = frozenset(names)
    others = [e for e in _entries(document) if e.manager != ROTATOR]
    latest = max([e for e in others if e.keys & ours] or others, key=lambda e: e.time, default=None)
    said = [f"the field manager {shown(latest.manager)} wrote it at {shown(latest.time)}"] if latest else []
    if of := owner(document):
        said.append(f"it belongs to {of}")
    said += [f"{tool.name} keeps it ({mark})" for tool, mark in _marks(document)]
    return "; ".join(said)


def shown(text: object) -> str:
    """Return a text of others as it may be shown: short, and without what is not printable."""
    return "".join(c for c in str(text)[:LONGEST] if c.isascii() and c.isprintable())


def _applies(entry: _Entry) -> bool:
    """Whether an unknown manager applies manifests: what does that does it again."""
    return entry.applies and entry.manager != ROTATOR and not entry.manager.startswith(PEOPLE)


def _held(entry: _Entry, ours: frozenset[str]) -> str:
    keys = ", ".join(sorted(entry.keys & ours))
    return f"{keys} by the field manager {shown(entry.manager)}, {shown(entry.time)}"


def _called(manager: str) -> str:
    tool = _tool(manager)
    return tool.name if tool else shown(manager)


def _tool(manager: str) -> Tool | None:
    return next((t for t in TOOLS if any(_begins(manager, m) for m in t.managers)), None)


def _begins(manager: str, name: str) -> bool:
    """Whether a manager is `name` or one of its own: operators add the names of their resources."""
    return manager == name or manager.startswith((f"{name}-", f"{name}/")) or f".{name}" in manager


def _marks(document: Mapping[str, Any]) -> Iterator[tuple[Tool, str]]:
    texts = _texts(document)
    for tool in TOOLS:
        found = next((m for m in tool.marks if m in texts), "")
        if found and not _is_off(tool, document):
            yield tool, f"{found}: {shown(texts[found])}"


def _is_off(tool: Tool, document: Mapping[str, Any]) -> bool:
    texts = _texts(document)
    return any(texts.get(name) == value for name, value in tool.off)


def _ignored(document: Mapping[str, Any]) -> frozenset[str]:
    listed = str(_mapping(_metadata(document).get("annotations")).get(IGNORED) or "")
    return frozenset(name.strip() for name in listed.split(","))


def _last_applied(document: Mapping[str, Any]) -> frozenset[str]:
    """Return the data keys of the manifest that was applied last by a client."""
    text = str(_mapping(_metadata(document).get("annotations")).get(LAST_APPLIED) or "")
    try:
        manifest = _mapping(parse(text))
    except Unreadable:
        return frozenset()
    return frozenset(str(key) for part in DATA for key in _mapping(manifest.get(part)))


def _entries(document: Mapping[str, Any]) -> Iterator[_Entry]:
    listed = _metadata(document).get("managedFields")
    for entry in map(_mapping, listed if isinstance(listed, list) else ()):
        fields = _mapping(entry.get("fieldsV1"))
        keys = (str(key) for part in DATA for key in _mapping(fields.get(f"f:{part}")))
        yield _Entry(
            manager=str(entry.get("manager") or ""),
            applies=entry.get("operation") == "Apply",
            time=str(entry.get("time") or ""),
            keys=frozenset(key.removeprefix("f:") for key in keys),
        )


def _texts(document: Mapping[str, Any]) -> dict[str, Any]:
    metadata = _metadata(document)
    return {**_mapping(metadata.get("labels")), **_mapping(metadata.get("annotations"))}


def _metadata(document: Mapping[str, Any]) -> Mapping[str, Any]:
    return _mapping(document.get("metadata"))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
