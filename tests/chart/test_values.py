"""The values of the chart: a closed schema, and a comment on each of them."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from typing import Any

import helm_python
import pytest
import yaml

from tests.chart import write_schema
from tests.chart.charts import CHART, chart, render
from tests.chart.variants import ROTATIONS, VARIANTS, VAULT_ROTATION, Values

SCHEMA: Values = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
DEFAULTS: Values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))


def test_the_schema_is_as_the_code_says() -> None:
    """A rotation's spec and the parts of a pod are taken from where they are defined: `python -m tests.chart.write_schema`."""
    assert write_schema.whole(SCHEMA) == SCHEMA


@pytest.mark.parametrize("values", VARIANTS.values(), ids=VARIANTS)
def test_what_is_right_is_taken(values: Values) -> None:
    """The defaults too."""
    chart().validate_schema(values)


def _rotation(change: str) -> Values:
    """Return values with one rotation that is changed at a dotted path: `spec.every=soon`, or `spec.evry=1d`."""
    rotation = copy.deepcopy(ROTATIONS["rotations"][0])
    path, _, text = change.partition("=")
    *above, last = path.split(".")
    part: Any = rotation
    for step in above:
        part = part[int(step)] if step.isdecimal() else part[step]
    part[last] = yaml.safe_load(text)
    return {"rotations": [rotation]}


REFUSED: dict[str, str | Values] = {
    # typing errors, at each level
    "rotation: []": "rotation",
    "image: {repo: x}": "repo",
    "image: {repository: x, pullPolicy: Sometimes}": "pullPolicy",
    "image: {repository: x, digest: sha256:abc}": "digest",
    "image: {repository: 'UPPER'}": "repository",
    "imagePullSecrets: [{nam: x}]": "nam",
    "commonLabels: {a: 1}": "commonLabels",
    "fullnameOverride: With_Capitals": "fullnameOverride",
    "existingConfigMaps: [No_Name]": "existingConfigMaps",
    "existingConfigMaps: [a, a]": "existingConfigMaps",
    "customResources: {enable: true}": "enable",
    "customResources: {enabled: 'yes'}": "enabled",
    "customResources: {targets: [{namespace: a, secret: [b]}]}": "secret",
    "customResources: {targets: [{secrets: [b]}]}": "namespace",
    "customResources: {targets: [{namespace: a, secrets: ['*']}]}": "secrets",
    "jobs: {rotate: {schedul: '* * * * *'}}": "schedul",
    "jobs: {rotate: {schedule: often}}": "schedule",
    "jobs: {rotate: {run: revoke}}": "run",
    "jobs: {rotate: {shards: 1}}": "shards",
    "jobs: {rotate: {shards: '4'}}": "shards",
    "jobs: {rotate: {type: jwt}}": "type",
    "jobs: {rotate: {names: [payments-jwt]}}": "names",
    "jobs: {rotate: {selector: 'team in (a)'}}": "selector",
    "jobs: {rotate: {concurrencyPolicy: Allow}}": "concurrencyPolicy",
    "jobs: {rotate: {resources: {limit: {}}}}": "limit",
    "jobs: {rotate: {activeDeadlineSeconds: 30}}": "activeDeadlineSeconds",
    "jobs: {rotate-now: {shards: 4}}": "shards",
    "jobs: {rotate-now: {type: jwtSigningKey}}": "type",
    "jobs: {rotate-now: {names: [a/b, a/c]}}": "names",
    "jobs: {rotat: {schedule: '* * * * *'}}": "run",
    "jobs: {No_Name: {run: rotate, schedule: '* * * * *'}}": "No_Name",
    "jobDefaults: {timezone: Etc/UTC}": "timezone",
    "jobDefaults: {suspend: 1}": "suspend",
    "jobDefaults: {extraEnv: [{name: A, valu: b}]}": "valu",
    "events: 'on'": "events",
    "lookEvery: hourly": "lookEvery",
    "serviceAccount: {creat: true}": "creat",
    "rbac: {list: [secrets]}": "list",
    "rbac: {clusterWide: true}": "clusterWide",
    "podSecurityContext: {runAsUsr: 1}": "runAsUsr",
    "podSecurityContext: {seccompProfile: {typ: x}}": "typ",
    "securityContext: {capabilities: {dropp: [ALL]}}": "dropp",
    "networkPolicy: {enable: true}": "enable",
    "networkPolicy: {apiServerCidrs: [10.0.0.1]}": "apiServerCidrs",
    "networkPolicy: {extraEgress: [{port: []}]}": "port",
    "networkPolicy: {vaultPeers: [{podSelectr: {}}]}": "podSelectr",
    "vault: {addres: x}": "addres",
    "vault: {address: 'http://vault:8200'}": "address",
    "vault: {ca: {secretName: x}}": "secretName",
    "vault: {auth: {method: token}}": "method",
    "vault: {auth: {method: approle}}": "credential",
    "vault: {auth: {method: token-file, credential: {secret: a}}}": "key",
    "vault: {auth: {token: hvs.x}}": "token",
    "vault: {tokenExpirationSeconds: 60}": "tokenExpirationSeconds",
    "metrics: {push: {uri: x}}": "uri",
    "metrics: {push: {url: pushgateway}}": "url",
    "metrics: {textfile: relative.prom}": "textfile",
    "exporter: {port: 80}": "port",
    "exporter: {podMonitor: {honorLabels: false}}": "honorLabels",
    "exporter: {serviceMonitor: {interval: often}}": "interval",
    "exporter: {service: {type: LoadBalancer}}": "type",
    "serve: {port: 80}": "port",
    "serve: {replicas: 0}": "replicas",
    "serve: {schedule: '0 0 * * 0'}": "schedule",
    "serve: {every: often}": "every",
    "serve: {ingress: {paths: [jwks.json]}}": "paths",
    "serve: {ingress: {host: 'https://api.example.com'}}": "host",
    "serve: {httpRoute: {parentRefs: [{nam: edge}]}}": "nam",
    "serve: {service: {type: LoadBalancer}}": "type",
    "prometheusRule: {enabled: maybe}": "enabled",
    "dashboard: {folder: x}": "folder",
    "otlp: {endpoint: collector}": "endpoint",
    "extraEnvFrom: [{secretReff: {name: x}}]": "secretReff",
    "extraVolumes: [{name: a, hostpath: {path: /}}]": "hostpath",
    "extraVolumes: [{name: a, projected: {sources: [{secret: {nam: x}}]}}]": "nam",
    "extraVolumeMounts: [{name: a, mountpath: /a}]": "mountpath",
    "tolerations: [{kee: a}]": "kee",
    "affinity: {nodeAffinit: {}}": "nodeAffinit",
    "nodeSelector: {a: true}": "nodeSelector",
    # rights that are wider than anything needs
    "rbac: {extraRules: [{namespace: a, rules: [{apiGroups: ['*'], resources: [pods], verbs: [get]}]}]}": "apiGroups",
    "rbac: {extraRules: [{namespace: a, rules: [{apiGroups: [''], resources: ['*'], verbs: [get]}]}]}": "resources",
    "rbac: {extraRules: [{namespace: a, rules: [{apiGroups: [''], resources: [pods], verbs: ['*']}]}]}": "verbs",
    "rbac: {extraRules: [{namespace: a, rules: [{apiGroups: [''], resources: [secrets], verbs: [get]}]}]}": "resourceNames",
    "rbac: {extraRules: [{namespace: a, rules: [{apiGroups: [''], resources: [pods, secrets], verbs: [get, list], "
    "resourceNames: [b]}]}]}": "verbs",
    "rbac: {extraRules: [{namespace: a, rules: [{apiGroups: [''], resources: [pods], verb: [get]}]}]}": "verb",
    # a rotation
    "rotations: [{name: a}]": "spec",
    "name=No_Name": _rotation("name=No_Name"),
    "lables={}": _rotation("lables={}"),
    "namespace=a.b": _rotation("namespace=a.b"),
    "evry=1d": _rotation("spec.evry=1d"),
    "every=soon": _rotation("spec.every=soon"),
    "tokenTtl=1m": _rotation("spec.overlap.tokenTtl=1m"),
    "algorithm=none": _rotation("spec.credential.jwtSigningKey.algorithm=none"),
    "sharedSecret too": _rotation("spec.credential.sharedSecret={}"),
    "configmap=a": _rotation("spec.verifiers.0.jwks.configmap=a"),
    "two places": _rotation("spec.verifiers.0.jwks.secret=a"),
    "no verifiers": _rotation("spec.verifiers=[]"),
    "namespace of a holder": _rotation("spec.holders.0.secret.namespace=a"),
    "workloads=all": _rotation("spec.holders.0.restart.workloads=all"),
    "workload kind": _rotation("spec.holders.0.restart.workloads=[{kind: Job, name: a}]"),
    "gate": _rotation("spec.gates.beforeActivate=[{probe: {}}]"),
}


@pytest.mark.parametrize(("given", "field"), REFUSED.items(), ids=REFUSED)
def test_what_is_wrong_is_refused(given: str, field: str | Values) -> None:
    """By `helm install`, `upgrade`, `template` and `lint` alike, before anything is changed; the message names the field."""
    values, name = (yaml.safe_load(given), field) if isinstance(field, str) else (field, "rotations")
    with pytest.raises(helm_python.HelmError, match=re.escape(str(name))):
        chart().validate_schema(values)
    with pytest.raises(helm_python.HelmError):
        render(values)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (VAULT_ROTATION, "payments/payments-jwt uses Vault, but vault.address is empty"),
        ({"rotations": ROTATIONS["rotations"] * 2}, "payments/payments-jwt is declared twice"),
        ({"vault": {"ca": {"secret": "a", "configMap": "b"}}}, "expected secret or configMap, not both"),
    ],
    ids=["vault", "twice", "ca"],
)
def test_what_a_schema_cannot_see_is_refused_with_a_sentence(values: Values, sentence: str) -> None:
    """It says which rotation, and what is expected."""
    with pytest.raises(helm_python.HelmRenderError, match=re.escape(sentence)):
        render(values)


def _objects(schema: Any, path: str = "") -> Iterator[tuple[str, Values]]:
    """Yield every schema of an object, with its path."""
    if isinstance(schema, list):
        for at, each in enumerate(schema):
            yield from _objects(each, f"{path}/{at}")
    if isinstance(schema, dict):
        if "properties" in schema and not path.endswith(("/then", "/if", "oneOf", "anyOf")):
            yield path, schema
        for name, each in schema.items():
            yield from _objects(each, f"{path}/{name}")


def test_every_object_of_the_schema_is_closed() -> None:
    """Nothing that has named fields takes others; what stands in if, then and oneOf only narrows what is above it."""
    conditions = re.compile(r"/(if|then|oneOf|anyOf)(/|$)")
    # metav1's free-form object, which only a volume claim template has
    free = {"/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1"}
    open_ones = {
        path
        for path, schema in _objects(SCHEMA)
        if not conditions.search(path) and schema.get("additionalProperties") is not False
    }
    assert open_ones <= free


def _paths(values: Any, above: str = "") -> Iterator[str]:
    for name, each in values.items():
        yield f"{above}{name}"
        if isinstance(each, dict) and f"{above}{name}" not in LEAVES:
            yield from _paths(each, f"{above}{name}.")


LEAVES = {
    "jobDefaults.resources",
    "exporter.resources",
    "serve.resources",
    "podSecurityContext",
    "securityContext",
    "dashboard.labels",
}
"""Values that are given whole: one comment is enough."""


def test_every_value_has_a_comment() -> None:
    """`# -- ` above a value describes it; a group has a comment, or its parts do."""
    described: dict[str, str] = {}
    above: list[tuple[int, str]] = []
    comment = ""
    for line in (CHART / "values.yaml").read_text(encoding="utf-8").splitlines():
        text = line.strip()
        if text.startswith("#"):
            comment += text
        elif match := re.match(r"( *)([\w-]+):", line):
            indent = len(match[1])
            above = [*(a for a in above if a[0] < indent), (indent, match[2])]
            described[".".join(name for _, name in above)] = comment
            comment = ""
        else:
            comment = ""
    groups = {p.rpartition(".")[0] for p in described} | {p.split(".")[0] for p in described if "." in p}
    for path in _paths(DEFAULTS):
        assert path in groups or described[path].startswith("# -- "), path
