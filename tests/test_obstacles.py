"""What is in the way of another version at an object of others: tables of objects, each with what is said of it."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from rotator.systems.kubernetes.obstacles import MOST, ROOM, obstacle
from rotator.systems.kubernetes.writers import IGNORED, LAST_APPLIED, LONGEST, last_writer, shown

KEY = "token"
OURS = (KEY, "kid")
FREE = ""
"""Nothing is said."""


def encoded(size: int) -> str:
    """Return `size` bytes as a Secret shows them."""
    return base64.b64encode(b"x" * size).decode()


def secret(data: Any = None, *, type: str = "Opaque", **metadata: Any) -> dict[str, Any]:  # noqa: A002 - its name there
    """Return a Secret."""
    return {"type": type, "data": data or {KEY: "eA=="}, "metadata": {"name": "theirs", **metadata}}


def entry(
    manager: str,
    keys: tuple[str, ...] = (KEY,),
    operation: str = "Apply",
    part: str = "data",
    time: str = "2026-01-01T00:00:00Z",
) -> dict[str, Any]:
    """Return an entry of `managedFields`."""
    fields: dict[str, Any] = {f"f:{part}": {".": {}, **{f"f:{key}": {} for key in keys}}}
    return {
        "manager": manager,
        "operation": operation,
        "time": time,
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
    }


def owned(kind: str, name: str, api: str, **more: Any) -> dict[str, Any]:
    """Return a Secret with an owner."""
    return secret(ownerReferences=[{"apiVersion": api, "kind": kind, "name": name, "uid": "1", **more}])


TLS = {"tls.crt": "eA==", "tls.key": "eA=="}
LOGIN = {"username": "eA==", "password": "eA=="}
TRACKED = {"argocd.argoproj.io/tracking-id": "shop:/Secret:git/signer"}
RELEASE = {"meta.helm.sh/release-name": "gateway"}


def applied(key: str, part: str = "stringData") -> dict[str, str]:
    """Return what `kubectl apply` leaves on an object."""
    return {LAST_APPLIED: json.dumps({"kind": "Secret", part: {key: "x"}})}


ALWAYS: dict[str, tuple[dict[str, Any], tuple[str, ...], str]] = {
    "an object of one's own": (secret(), OURS, FREE),
    "immutable": ({**secret(), "immutable": True}, OURS, "it is immutable"),
    "mutable, said so": ({**secret(), "immutable": False}, OURS, FREE),
    "being deleted": (
        secret(deletionTimestamp="2026-01-01T00:00:00Z", finalizers=["a/b"]),
        OURS,
        "being deleted",
    ),
    # --- size
    "full": (secret({"other": encoded(MOST - 276)}), OURS, "no room"),
    "just too full": (secret({"other": encoded(MOST - 2 * ROOM + 3)}), OURS, "no room"),
    "just room enough": (secret({"other": encoded(MOST - 2 * ROOM)}), OURS, FREE),
    "full of what is ours": (secret({KEY: encoded(MOST - 276)}), OURS, FREE),
    "a full ConfigMap": ({"data": {"other": "é" * (MOST // 2)}, "metadata": {}}, OURS, "no room"),
    "a ConfigMap full of bytes": ({"binaryData": {"other": encoded(MOST)}, "metadata": {}}, OURS, "no room"),
    "a ConfigMap with a text that looks encoded": (
        {"data": {"other": "x" * (MOST - 2 * ROOM)}, "metadata": {}},
        OURS,
        FREE,
    ),
    "full of annotations": (secret(annotations={"a": "x" * (256 * 1024 - 1024)}), OURS, "annotations"),
    "our key is binary": ({"binaryData": {KEY: "eA=="}, "metadata": {}}, OURS, f"binaryData has {KEY}"),
    "another key is binary": ({"binaryData": {"other": "eA=="}, "metadata": {}}, OURS, FREE),
    # --- types whose data belongs together
    "the key of a TLS pair": (
        secret(TLS, type="kubernetes.io/tls"),
        ("tls.key",),
        "a certificate and its key",
    ),
    "a whole TLS pair": (
        secret(TLS, type="kubernetes.io/tls"),
        ("tls.key", "tls.crt"),
        "a certificate and its key",
    ),
    "beside a TLS pair": (secret(TLS, type="kubernetes.io/tls"), OURS, FREE),
    "a pull secret": (secret(type="kubernetes.io/dockerconfigjson"), (".dockerconfigjson",), "registries"),
    "an old pull secret": (secret(type="kubernetes.io/dockercfg"), (".dockercfg",), "registries"),
    "beside a pull secret": (secret(type="kubernetes.io/dockerconfigjson"), OURS, FREE),
    "a password alone": (
        secret(LOGIN, type="kubernetes.io/basic-auth"),
        ("password",),
        "a user name and its password",
    ),
    "a whole login": (secret(LOGIN, type="kubernetes.io/basic-auth"), ("password", "username"), FREE),
    "an SSH key": (secret(type="kubernetes.io/ssh-auth"), ("ssh-privatekey",), "an SSH key"),
    "a service account's token": (
        secret(type="kubernetes.io/service-account-token"),
        OURS,
        "service account",
    ),
    "a bootstrap token": (secret(type="bootstrap.kubernetes.io/token"), OURS, "bootstrap token"),
    "a release of Helm": (secret(type="helm.sh/release.v1"), OURS, "Helm's record"),
    "a ring": (secret(type="rotator.dev/ring"), OURS, "the ring of a rotation"),
    "a type of somebody's own": (secret(type="example.com/any"), OURS, FREE),
    # --- owners
    "an External Secret": (
        owned("ExternalSecret", "app", "external-secrets.io/v1", controller=True),
        OURS,
        "it belongs to ExternalSecret app (external-secrets.io/v1)",
    ),
    "a Sealed Secret": (
        owned("SealedSecret", "app", "bitnami.com/v1alpha1", controller=True),
        OURS,
        "SealedSecret app",
    ),
    "a certificate": (
        owned("Certificate", "app", "cert-manager.io/v1", controller=True),
        OURS,
        "Certificate app",
    ),
    "an owner for the garbage collector alone": (owned("Deployment", "app", "apps/v1"), OURS, FREE),
    "no controller": (owned("Deployment", "app", "apps/v1", controller=False), OURS, FREE),
    "owners that are none": (secret(ownerReferences={"controller": True}), OURS, FREE),
    "an owner that is none": (secret(ownerReferences=["x"]), OURS, FREE),
    # --- what replaces all data
    "a sealed secret without owner": (
        secret(annotations={"sealedsecrets.bitnami.com/managed": "true"}),
        OURS,
        "Sealed Secrets (sealedsecrets",
    ),
    "a reflection": (
        secret(annotations={"reflector.v1.k8s.emberstack.com/reflects": "a/b"}),
        OURS,
        "Reflector",
    ),
    "a replica": (
        secret(annotations={"replicator.v1.mittwald.de/replicate-from": "a/b"}),
        OURS,
        "Kubernetes Replicator",
    ),
    "Argo CD, told to replace": (
        secret(annotations={**TRACKED, "argocd.argoproj.io/sync-options": "Prune=false,Replace=true"}),
        OURS,
        "Argo CD (argocd.argoproj.io/tracking-id",
    ),
    "Argo CD, told other things": (
        secret(annotations={**TRACKED, "argocd.argoproj.io/sync-options": "Prune=false"}),
        OURS,
        FREE,
    ),
    "said to leave it alone": (
        secret(annotations={"reflector.v1.k8s.emberstack.com/reflects": "a/b", IGNORED: "Reflector"}),
        OURS,
        FREE,
    ),
    "a hook of Helm": (
        secret(annotations={"helm.sh/hook": "pre-install,pre-upgrade"}),
        OURS,
        "Helm (helm.sh/hook: pre-install",
    ),
    "a hook of Helm's rollback": (
        secret(annotations={**RELEASE, "helm.sh/hook": "post-rollback"}),
        OURS,
        "Helm (",
    ),
    "a hook of Helm's installation": (secret(annotations={"helm.sh/hook": "pre-install"}), OURS, FREE),
    "a hook of Argo CD": (
        secret(annotations={"argocd.argoproj.io/hook": "PreSync"}),
        OURS,
        "Argo CD (argocd.argoproj.io/hook: PreSync",
    ),
    "no hook of Argo CD": (secret(annotations={"argocd.argoproj.io/hook": "Skip"}), OURS, FREE),
    "what a CSI driver keeps equal": (
        secret(labels={"secrets-store.csi.k8s.io/managed": "true"}),
        OURS,
        "the Secrets Store CSI driver",
    ),
    "a clone of Kyverno": (
        secret(labels={"generate.kyverno.io/policy-name": "spread"}),
        OURS,
        "Kyverno (generate",
    ),
    "a copy of Config Syncer": (
        secret(labels={"kubed.appscode.com/origin.name": "a"}),
        OURS,
        "Config Syncer",
    ),
    "a user of Strimzi": (
        secret(labels={"strimzi.io/kind": "KafkaUser"}),
        OURS,
        "Strimzi (strimzi.io/kind: KafkaUser",
    ),
    "an addon": (secret(labels={"addonmanager.kubernetes.io/mode": "Reconcile"}), OURS, "the addon manager"),
    "an addon that is made once": (
        secret(labels={"addonmanager.kubernetes.io/mode": "EnsureExists"}),
        OURS,
        FREE,
    ),
    "a label that says nothing": (secret(labels={"argocd.argoproj.io/hook": "None"}), OURS, FREE),
    "1Password": (secret(annotations={"operator.1password.io/item-path": "vaults/a"}), OURS, "1Password"),
}
"""What is refused whenever a version is made, also where one is taken over."""

FIGHTS: dict[str, tuple[dict[str, Any], str]] = {
    "Helm 4": (
        secret(managedFields=[entry("helm")], annotations=RELEASE),
        "Helm (token by the field manager helm",
    ),
    "Helm 4, by stringData": (secret(managedFields=[entry("helm", part="stringData")]), "Helm (token"),
    "Helm 3": (secret(managedFields=[entry("helm", operation="Update")]), "Helm (token"),
    "Helm, another key": (secret(managedFields=[entry("helm", ("other",))], annotations=RELEASE), FREE),
    "Argo CD": (secret(managedFields=[entry("argocd-controller")], annotations=TRACKED), "Argo CD (token"),
    "Argo CD, by clients": (
        secret(annotations={**TRACKED, **applied(KEY)}),
        f"Argo CD (token in {LAST_APPLIED}; argocd.argoproj.io/tracking-id: shop",
    ),
    "Argo CD, by clients, by data": (
        secret(annotations={**TRACKED, **applied("kid", "data")}),
        "Argo CD (kid",
    ),
    "Argo CD tracks it, our keys are not applied": (
        secret(annotations={**TRACKED, **applied("other")}),
        FREE,
    ),
    "people applied it, no tool keeps it": (secret(annotations=applied(KEY)), FREE),
    "what was applied is garbage": (secret(annotations={**TRACKED, LAST_APPLIED: "[" * 100_000}), FREE),
    "Flux": (secret(managedFields=[entry("kustomize-controller")]), "Flux (token"),
    "Flux by Helm": (secret(managedFields=[entry("helm-controller")]), "Flux (token"),
    "Flux, told to leave it": (
        secret(
            managedFields=[entry("kustomize-controller")],
            annotations={"kustomize.toolkit.fluxcd.io/reconcile": "disabled"},
        ),
        FREE,
    ),
    "External Secrets, merged": (
        secret(managedFields=[entry("externalsecrets.external-secrets.io/app", operation="Update")]),
        "External Secrets (token",
    ),
    "External Secrets, other keys": (
        secret(
            managedFields=[entry("externalsecrets.external-secrets.io/app", ("other",))],
            labels={"reconcile.external-secrets.io/managed": "true"},
        ),
        FREE,
    ),
    "cert-manager": (
        secret(managedFields=[entry("cert-manager-certificates-issuing")]),
        "cert-manager (token",
    ),
    "Vault Secrets Operator": (
        secret(managedFields=[entry("vault-secrets-operator", operation="Update")]),
        "Vault Secrets",
    ),
    "Terraform": (secret(managedFields=[entry("Terraform", operation="Update")]), "Terraform"),
    "Pulumi": (secret(managedFields=[entry("pulumi-kubernetes-0a1b")]), "Pulumi"),
    "an operator nobody knows": (secret(managedFields=[entry("acme-operator")]), "acme-operator (token"),
    "one that writes once": (secret(managedFields=[entry("acme-operator", operation="Update")]), FREE),
    "people": (secret(managedFields=[entry("kubectl"), entry("kubectl-edit", operation="Update")]), FREE),
    "rotator": (secret(managedFields=[entry("rotator"), entry("rotator", operation="Update")]), FREE),
    "two": (secret(managedFields=[entry("helm"), entry("argocd-controller", ("kid",))]), " and Argo CD (kid"),
    "said to leave it alone": (secret(managedFields=[entry("helm")], annotations={IGNORED: "a, helm"}), FREE),
    "the tool is said to leave it alone": (
        secret(annotations={**TRACKED, **applied(KEY), IGNORED: "Argo CD"}),
        FREE,
    ),
    "another is said to leave it alone": (
        secret(managedFields=[entry("helm")], annotations={IGNORED: "argocd"}),
        "Helm",
    ),
    "its name begins alike": (secret(managedFields=[entry("helmet", operation="Update")]), FREE),
    "fields that are none": (
        secret(managedFields=[None, {"manager": 5, "fieldsV1": []}, {"fieldsV1": {"f:data": 1}}]),
        FREE,
    ),
    "no list": (secret(managedFields="x"), FREE),
}
"""What would put its own value back. A value that is taken over stays as it is, so that it can be taken out there."""


@pytest.mark.parametrize(("document", "names", "expected"), ALWAYS.values(), ids=ALWAYS)
@pytest.mark.parametrize("adopted", [False, True])
def test_what_cannot_take_another_version_is_said(
    document: dict[str, Any], names: tuple[str, ...], expected: str, adopted: bool
) -> None:
    """By one look at the object, before anything is begun."""
    said = obstacle(document, names, adopted=adopted)
    assert expected in said
    assert bool(said) == bool(expected)


@pytest.mark.parametrize(("document", "expected"), FIGHTS.values(), ids=FIGHTS)
def test_who_would_put_a_value_back_is_named(document: dict[str, Any], expected: str) -> None:
    """With the keys, the manager and the mark."""
    said = obstacle(document, OURS, adopted=False)
    assert expected in said
    assert bool(said) == bool(expected)


@pytest.mark.parametrize("document", [document for document, _ in FIGHTS.values()], ids=FIGHTS)
def test_what_is_applied_may_be_taken_over(document: dict[str, Any]) -> None:
    """No value changes by that: it can be taken out of the manifest before the first rotation."""
    assert obstacle(document, OURS, adopted=True) == FREE


LAST: dict[str, tuple[dict[str, Any], str]] = {
    "nobody is known": (secret(), ""),
    "rotator alone": (secret(managedFields=[entry("rotator", operation="Update")]), ""),
    "the last to write our keys": (
        secret(
            managedFields=[
                entry("kubectl-edit", operation="Update", time="2026-01-02T00:00:00Z"),
                entry("helm", time="2026-01-01T00:00:00Z"),
                entry("scaler", ("other",), time="2026-01-03T00:00:00Z"),
            ]
        ),
        "the field manager kubectl-edit wrote it at 2026-01-02T00:00:00Z",
    ),
    "none has our keys": (
        secret(managedFields=[entry("acme", ("other",))]),
        "the field manager acme wrote it at 2026-01-01T00:00:00Z",
    ),
    "an owner": (
        owned("ExternalSecret", "app", "external-secrets.io/v1", controller=True),
        "it belongs to ExternalSecret app (external-secrets.io/v1)",
    ),
    "a mark": (
        secret(annotations=TRACKED),
        "Argo CD keeps it (argocd.argoproj.io/tracking-id: shop:/Secret:git/signer)",
    ),
}


@pytest.mark.parametrize(("document", "expected"), LAST.values(), ids=LAST)
def test_who_wrote_last_is_named(document: dict[str, Any], expected: str) -> None:
    """By manager and instant, owner and tracking mark."""
    assert last_writer(document, OURS) == expected


def test_texts_of_others_are_shown_short_and_printable() -> None:
    """Whoever may write on an object may write anything there."""
    assert shown("a\x1b[31m\nb" + "c" * 1000) == "a[31mb" + "c" * (LONGEST - 8)
