"""The examples: declarations, manifests and windows fit together, and name only what rotator delivers."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import hcl2
import kubernetes_validate
import pytest
import yaml

from rotator.core.timing import parse_duration
from rotator.credentials.oauth_client import OAuthClient
from rotator.engine.outcome import Outcome, Result
from rotator.policy.files import load
from rotator.policy.model import RotationPolicy
from rotator.policy.vault_access import consumers, hcl
from rotator.ports.stamp import STAMP_FIELDS
from rotator.run.wiring import credential_of
from rotator.systems.forms import PREVIOUS
from rotator.systems.holders import SecretHolder, VaultHolder
from rotator.systems.jwks import JwksPlace
from tests.faults.environment import NAMESPACE, Bao
from tests.trial import Trial

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = sorted(p.parent.name for p in EXAMPLES.glob("*/rotation.yaml"))
KUBERNETES = kubernetes_validate.latest_version()
MINUTE = timedelta(minutes=1)
KUBELET = timedelta(minutes=3)
"""From a changed Secret to the file of a volume: the kubelet's sync period and its cache (rotator counts the same)."""
AES_256 = 32
"""Bytes of a key."""
KUBELET_TURN = 2 * MINUTE
"""How seldom a kubelet publishes a CSI volume anew, at most."""
REREAD = MINUTE
"""Applications of the examples read their file again within this."""
CUSTOM = {
    "SecretProviderClass": "secrets-store.csi.x-k8s.io/v1",
    "VaultAuth": "secrets.hashicorp.com/v1beta1",
    "VaultStaticSecret": "secrets.hashicorp.com/v1beta1",
    "SecretStore": "external-secrets.io/v1",
    "ExternalSecret": "external-secrets.io/v1",
    "KongPlugin": "configuration.konghq.com/v1",
    "SecurityPolicy": "gateway.envoyproxy.io/v1alpha1",
}
"""Custom resources, and the versions of their APIs."""
PARTS = {"KongPlugin": {"plugin", "config"}}
"""What a custom resource has in place of `spec`."""
PUSHED = MINUTE
"""Envoy Gateway sees a changed Secret and pushes it: usually seconds."""
CLIENTS = ("oauth2-proxy", "kong", "envoy-gateway")
"""The examples of who is a client of an identity provider."""


@dataclass(frozen=True)
class Example:
    """One folder."""

    name: str

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return EXAMPLES / self.name

    @cached_property
    def policy(self) -> RotationPolicy:
        """Its rotation."""
        (policy,) = load([self.folder / "rotation.yaml"])
        return policy

    @cached_property
    def manifests(self) -> list[Any]:
        """Every Kubernetes object in it but the rotation."""
        files = sorted(self.folder.glob("*.yaml"))
        found = [d for f in files for d in yaml.safe_load_all(f.read_text())]
        return [d for d in found if "kind" in d and d["kind"] != "Rotation"]

    def one(self, kind: str) -> Any:
        """Return its only object of a kind."""
        (found,) = (m for m in self.manifests if m["kind"] == kind)
        return found

    def annotations(self) -> dict[str, str]:
        """Return the annotations of its pods."""
        found: dict[str, str] = self.one("Deployment")["spec"]["template"]["metadata"]["annotations"]
        return found

    def values(self) -> Any:
        """Return the values for the driver's chart."""
        return yaml.safe_load((self.folder / "driver-values.yaml").read_text())

    def agent(self, name: str) -> Any:
        """Read the configuration of an agent, by a parser that is not ours."""
        return hcl2.loads((self.folder / name).read_text())


@pytest.fixture(params=NAMES)
def example(request: pytest.FixtureRequest) -> Example:
    """Each example."""
    return Example(request.param)


# --- manifests -------------------------------------------------------------------------------------------------------


def test_every_rotation_is_accepted_and_explained(example: Example) -> None:
    """Windows included; and beside it stands what it is for."""
    assert example.policy.metadata.namespace == NAMESPACE
    assert (example.folder / "README.md").read_text().startswith("# ")


def test_manifests_are_what_kubernetes_takes(example: Example) -> None:
    """Built-in kinds strictly by their schema; of custom resources kind, version, name and namespace."""
    for manifest in example.manifests:
        assert manifest["metadata"]["namespace"] == NAMESPACE
        if manifest["kind"] in CUSTOM:
            assert manifest["apiVersion"] == CUSTOM[manifest["kind"]]
            assert manifest["metadata"]["name"]
            parts = PARTS.get(manifest["kind"], {"spec"})
            assert set(manifest) == {"apiVersion", "kind", "metadata", *parts}
        else:
            kubernetes_validate.validate(manifest, KUBERNETES, strict=True)


def test_the_policies_beside_them_are_the_rendered_ones(example: Example) -> None:
    """What a consumer needs in Vault: one document, read only."""
    beside = sorted(f.read_text() for f in example.folder.glob("*policy.hcl"))
    assert beside == sorted(map(hcl, consumers([example.policy]).values()))


def test_what_a_manifest_refers_to_is_there() -> None:
    """Stores, roles, service accounts and Secrets by their names, and the document by its path."""
    eso, vso, csi = (Example(n) for n in ("external-secrets", "vault-secrets-operator", "csi-provider"))
    external, store = eso.one("ExternalSecret"), eso.one("SecretStore")
    static, auth = vso.one("VaultStaticSecret"), vso.one("VaultAuth")
    assert external["spec"]["secretStoreRef"] == {"kind": "SecretStore", "name": store["metadata"]["name"]}
    assert static["spec"]["vaultAuthRef"] == auth["metadata"]["name"]
    assert _volume(eso)["secret"]["secretName"] == external["spec"]["target"]["name"]
    assert _volume(vso)["secret"]["secretName"] == static["spec"]["destination"]["name"]
    attributes = _volume(csi)["csi"]["volumeAttributes"]
    assert attributes["secretProviderClass"] == csi.one("SecretProviderClass")["metadata"]["name"]
    account = store["spec"]["provider"]["vault"]["auth"]["kubernetes"]["serviceAccountRef"]["name"]
    assert account == eso.one("ServiceAccount")["metadata"]["name"]
    assert auth["spec"]["kubernetes"]["serviceAccount"] == vso.one("ServiceAccount")["metadata"]["name"]
    vault = store["spec"]["provider"]["vault"]
    assert (vault["version"], static["spec"]["type"]) == ("v2", "kv-v2")
    assert (
        (vault["path"], external["spec"]["data"][0]["remoteRef"]["key"])
        == (
            static["spec"]["mount"],
            static["spec"]["path"],
        )
        == ("secret", "payments/jwt")
    )


def _volume(example: Example) -> Any:
    (volume,) = example.one("Deployment")["spec"]["template"]["spec"]["volumes"]
    return volume


# --- fields ----------------------------------------------------------------------------------------------------------

TEMPLATE = re.compile(r'{{-? *(with )?(?:\.Data\.data\.(\w+)|index \.Data\.data "([^"]+)")')
SECRET = re.compile(r'secret "([^"]+)"')


@dataclass(frozen=True)
class Use:
    """Somebody names a field of a document."""

    document: str
    """MOUNT/data/PATH."""
    field: str
    may_be_missing: bool = False


def uses(example: Example) -> Iterator[Use]:
    """Yield every field that an example's consumers name."""
    for file in sorted(example.folder.glob("*.hcl")):
        for template in example.agent(file.name).get("template", ()):
            yield from _in_template(template["contents"])
    for manifest in example.manifests:
        if find := FINDERS.get(manifest["kind"]):
            yield from find(manifest["spec"])


def _in_template(text: str) -> Iterator[Use]:
    """Read an agent's template. Only `with index` stands a field that is not there."""
    (document,) = SECRET.findall(text)
    for guard, plain, indexed in TEMPLATE.findall(text):
        yield Use(document, plain or indexed, may_be_missing=bool(guard and indexed))


def _in_annotations(spec: Any) -> Iterator[Use]:
    for name, value in spec["template"]["metadata"].get("annotations", {}).items():
        if "agent-inject-template" in name:
            yield from _in_template(value)


def _in_objects(spec: Any) -> Iterator[Use]:
    for entry in yaml.safe_load(spec["parameters"]["objects"]):
        yield Use(entry["secretPath"], entry["secretKey"])


def _in_references(spec: Any) -> Iterator[Use]:
    for entry in spec["data"]:
        yield Use(f"secret/data/{entry['remoteRef']['key']}", entry["remoteRef"]["property"])


def _in_patterns(spec: Any) -> Iterator[Use]:
    for pattern in spec["destination"]["transformation"]["includes"]:
        yield Use(f"{spec['mount']}/data/{spec['path']}", pattern.strip("^$"))


FINDERS = {
    "Deployment": _in_annotations,
    "SecretProviderClass": _in_objects,
    "ExternalSecret": _in_references,
    "VaultStaticSecret": _in_patterns,
}
"""By kind: who finds the fields that a spec names."""


def delivered(policy: RotationPolicy) -> dict[str, tuple[set[str], set[str]]]:
    """Return by document the fields that are always there, and those that are there at times."""
    found = {}
    for verifier in policy.spec.verifiers:
        if isinstance(verifier.one, JwksPlace) and (vault := verifier.one.vault):
            found[f"{vault.mount}/data/{vault.path}"] = ({verifier.one.key, *STAMP_FIELDS}, set[str]())
    for holder in policy.spec.holders:
        if isinstance(at := holder.one, VaultHolder):
            names = at.mapping(policy.spec.credential.one.fields)
            at_times = {name for name, ours in names.items() if ours.startswith(PREVIOUS)}
            found[f"{at.mount}/data/{at.path}"] = ({*names, *STAMP_FIELDS} - at_times, at_times)
    return found


def test_only_fields_are_named_that_are_delivered(example: Example) -> None:
    """What comes and goes is named only where its absence is allowed."""
    known = delivered(example.policy)
    named = list(uses(example))
    assert {u.document for u in named} == set(known)
    for use in named:
        always, at_times = known[use.document]
        assert use.field in (always | at_times if use.may_be_missing else always), use


def test_what_is_called_delivered_is_what_rotator_delivers(bao: Bao) -> None:
    """The table above against a real document, with one version and with two."""
    trial = Trial(bao)
    policy = trial.policy(holders=[{"vault": {"mount": "secret", "path": trial.life}}])
    always, at_times = delivered(policy)[f"secret/data/{trial.life}"]
    trial.until_stable(policy)
    assert set(trial.vault(f"secret/data/{trial.life}")["data"]) == always
    trial.timeline.pass_by(policy.spec.every)
    for _ in range(2):
        trial.wait(trial.run(policy))
    assert set(trial.vault(f"secret/data/{trial.life}")["data"]) == always | at_times


def test_the_keys_that_pods_read_of_the_secret_are_the_mapped_ones() -> None:
    """Where rotator writes the Secret itself, the environment names keys of the mapping."""
    example = Example("reloader")
    (container,) = example.one("Deployment")["spec"]["template"]["spec"]["containers"]
    (holder,) = example.policy.spec.holders
    secret = holder.one
    assert isinstance(secret, SecretHolder)
    refs = [e["valueFrom"]["secretKeyRef"] for e in container["env"]]
    assert {r["name"] for r in refs} == {secret.name}
    assert {r["key"] for r in refs} == set(secret.data or ())


# --- clients of an identity provider -----------------------------------------------------------------------------


def handed(name: str) -> tuple[str, dict[str, str]]:
    """Return the Secret of an example's only holder, and its mapping."""
    (holder,) = Example(name).policy.spec.holders
    assert isinstance(holder.one, SecretHolder)
    return holder.one.name, holder.one.data or {}


@pytest.mark.parametrize("name", CLIENTS)
def test_the_consumer_is_the_client_that_is_rotated(name: str) -> None:
    """Client id and issuer are the same on both sides, and it is the secret that is handed over."""
    example = Example(name)
    client = example.policy.spec.credential.one
    assert isinstance(client, OAuthClient)
    text = "".join(f.read_text() for f in sorted(example.folder.glob("*.yaml")) if "rotation" not in f.name)
    assert client.client_id is not None
    assert re.search(rf"(?<![\w-]){client.client_id}(?![\w-])", text)
    assert client.issuer in text
    assert set(handed(name)[1].values()) == {"client_secret"}


def test_oauth2_proxy_reads_the_file_that_is_delivered() -> None:
    """By the manifest, and by the values for the project's chart: the same path, in the mount of the same Secret."""
    example = Example("oauth2-proxy")
    values = yaml.safe_load((example.folder / "chart-values.yaml").read_text())
    pod = example.one("Deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    name, (key,) = handed("oauth2-proxy")[0], handed("oauth2-proxy")[1]
    for mount, volume in (
        (container["volumeMounts"][0], pod["volumes"][0]),
        (values["extraVolumeMounts"][0], values["extraVolumes"][0]),
    ):
        assert (mount["name"], volume["secret"]) == (volume["name"], {"secretName": name})
        file = f"{mount['mountPath']}/{key}"
        assert f"--client-secret-file={file}" in container["args"]
        assert values["extraArgs"]["client-secret-file"] == file


def test_oauth2_proxy_takes_the_cookie_secrets_that_are_made() -> None:
    """16, 24 or 32 bytes as it decodes them (its pkg/encryption/utils.go): each that the rotation makes is 32."""
    example = Example("oauth2-proxy")
    (policy,) = load([example.folder / "cookie-rotation.yaml"])
    (holder,) = policy.spec.holders
    secret = holder.one
    assert isinstance(secret, SecretHolder)
    (env,) = example.one("Deployment")["spec"]["template"]["spec"]["containers"][0]["env"]
    assert env["valueFrom"]["secretKeyRef"] == {"name": secret.name, "key": "cookie-secret"}
    assert secret.data == {"cookie-secret": "value"}
    values = yaml.safe_load((example.folder / "chart-values.yaml").read_text())
    assert values["config"]["existingSecret"] == secret.name
    credential = credential_of(policy)
    for number in range(20):
        made = credential.make(policy.ref, number)
        text = credential.fields(made.id, made.material)["value"].reveal()
        assert len(base64.urlsafe_b64decode(f"{text}=")) == AES_256


def test_kong_reads_the_environment_by_the_name_in_the_reference() -> None:
    """`{vault://env/NAME}` is the variable NAME in capitals, with _ for - (Kong's documentation of that vault)."""
    example = Example("kong")
    (reference,) = example.one("KongPlugin")["config"]["client_secret"]
    (name,) = re.findall(r"^\{vault://env/([a-z-]+)\}$", reference)
    (container,) = example.one("Deployment")["spec"]["template"]["spec"]["containers"]
    (env,) = container["env"]
    assert env["name"] == name.upper().replace("-", "_")
    secret, data = handed("kong")
    (key,) = data
    assert env["valueFrom"]["secretKeyRef"] == {"name": secret, "key": key}


def test_envoy_gateway_reads_its_own_data_key() -> None:
    """`client-secret` (OIDCClientSecretKey in its api/v1alpha1/oidc_types.go) of the Secret that is named."""
    secret, data = handed("envoy-gateway")
    oidc = Example("envoy-gateway").one("SecurityPolicy")["spec"]["oidc"]
    assert oidc["clientSecret"] == {"name": secret}
    assert set(data) == {"client-secret"}


# --- windows ---------------------------------------------------------------------------------------------------------


def intervals() -> Iterator[tuple[str, timedelta, timedelta]]:
    """Yield by example the window that is declared, and the longest that delivery takes, read from its files."""
    agents = Example("vault-agent")
    ((verifier,), (holder,)) = agents.policy.spec.verifiers, agents.policy.spec.holders
    signer, reader = (_agent_interval(agents.agent(f"{n}.hcl")) for n in ("signer", "verifier"))
    yield "vault-agent", _pick_up(agents), signer  # a signal follows each render
    yield "vault-agent, verifier", verifier.one.travel, reader
    injector = Example("vault-agent-injector")
    sidecar = injector.annotations()["vault.hashicorp.com/template-static-secret-render-interval"]
    yield injector.name, _pick_up(injector), parse_duration(sidecar) + REREAD
    csi = Example("csi-provider")
    assert csi.values()["enableSecretRotation"] is True
    poll = parse_duration(csi.values()["rotationPollInterval"])
    yield csi.name, _pick_up(csi), poll + KUBELET_TURN + REREAD
    vso = Example("vault-secrets-operator")
    refresh = parse_duration(vso.one("VaultStaticSecret")["spec"]["refreshAfter"])
    yield vso.name, _pick_up(vso), refresh + KUBELET + REREAD
    eso = Example("external-secrets")
    refresh = parse_duration(eso.one("ExternalSecret")["spec"]["refreshInterval"])
    yield eso.name, _pick_up(eso), refresh + KUBELET + REREAD
    assert isinstance(holder.one, VaultHolder)
    yield "oauth2-proxy", _pick_up(Example("oauth2-proxy")), KUBELET  # the file is read at each login
    yield "envoy-gateway", _pick_up(Example("envoy-gateway")), PUSHED


def _pick_up(example: Example) -> timedelta:
    (holder,) = example.policy.spec.holders
    assert holder.pick_up
    return holder.pick_up


def _agent_interval(config: Any) -> timedelta:
    (settings,) = config["template_config"]
    return parse_duration(json.loads(settings["static_secret_render_interval"]))


@pytest.mark.parametrize(
    ("window", "takes"), [i[1:] for i in intervals()], ids=[name for name, *_ in intervals()]
)
def test_windows_are_longer_than_delivery_takes(window: timedelta, takes: timedelta) -> None:
    """With nothing to spare the slowest pod would be the one whose tokens are refused."""
    assert takes > timedelta()
    assert window >= takes * 1.25


def test_every_example_is_in_the_table_of_windows_or_is_restarted() -> None:
    """A new example cannot be forgotten here."""
    restarted = {n for n in NAMES if any(h.restart for h in Example(n).policy.spec.holders)}
    assert restarted == {"reloader", "kong"}
    assert {name.partition(",")[0] for name, *_ in intervals()} | restarted == set(NAMES)


def test_nobody_else_restarts_what_rotator_counts_on() -> None:
    """The operator's own restarts wait for nobody."""
    spec = Example("vault-secrets-operator").one("VaultStaticSecret")["spec"]
    assert "rolloutRestartTargets" not in spec


# --- Reloader --------------------------------------------------------------------------------------------------------


class Shared(Trial):
    """A trial with the Deployment of the example, and Reloader at work or not."""

    path = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/payments"

    def __init__(self, bao: Bao) -> None:
        super().__init__(bao)
        self.environment.ask("POST", self.path.rpartition("/")[0], Example("reloader").one("Deployment"))

    def rotation(self) -> RotationPolicy:
        """Return the example's rotation, with a ring of its own."""
        spec = Example("reloader").policy.spec.model_dump(mode="json", by_alias=True, exclude_unset=True)
        return self.policy(
            "payments-jwt", **{**spec, "store": {"vault": {"mount": "rotator", "path": self.life}}}
        )

    def reload(self, value: str) -> None:
        """Do what Reloader does: change an environment variable of its own."""
        template = self.environment.ask("GET", self.path)["spec"]["template"]
        (container,) = template["spec"]["containers"]
        own = "STAKATER_PAYMENTS_SIGNING_KEY_SECRET"
        container["env"] = [e for e in container["env"] if e["name"] != own] + [{"name": own, "value": value}]
        self.environment.ask("PATCH", self.path, {"spec": {"template": template}})

    def template(self) -> Any:
        """Read the pods' template."""
        return self.environment.ask("GET", self.path)["spec"]["template"]

    def until_switching(self, policy: RotationPolicy) -> Outcome:
        """Live until the pods are waited for."""
        for _ in range(10):
            outcome = self.run(policy, deadline=MINUTE)
            if "payments/payments-" in outcome.reason:
                return outcome
            self.wait(outcome)
        raise AssertionError(outcome.reason)

    def to_the_second(self, policy: RotationPolicy) -> Outcome:
        """Live until a second version is active, and the pods have yet to switch to it."""
        self.until_switching(policy)
        self.reload("1")
        self.until_stable(policy)
        self.timeline.pass_by(policy.spec.every)
        return self.until_switching(policy)

    def accepts(self) -> int:
        """Return how many keys are accepted."""
        return len(json.loads(self.environment.config_map("payments-jwks")["data"]["jwks.json"])["keys"])


def test_rotator_waits_for_reloader_and_does_not_fight(bao: Bao) -> None:
    """It changes nothing of the template; once Reloader has restarted the pods, the rotation goes on by itself."""
    trial = Shared(bao)
    policy = trial.rotation()
    before = trial.template()
    assert "pods that run the old version: payments/payments-" in trial.until_switching(policy).reason
    assert trial.template() == before
    assert "pods that run the old version" in trial.to_the_second(policy).reason
    trial.reload("2")
    after = trial.template()
    trial.until_stable(policy)
    assert trial.template() == after
    assert trial.accepts() == 1


def test_where_reloader_does_nothing_the_rotation_freezes_and_says_for_whom(bao: Bao) -> None:
    """After `timeout`; both keys stay accepted. Without the annotation the next run restarts the pods itself."""
    trial = Shared(bao)
    policy = trial.rotation()
    trial.to_the_second(policy)
    before = trial.template()
    trial.timeline.pass_by(timedelta(minutes=16))
    frozen = trial.run(policy)
    assert frozen.result is Result.FROZEN
    assert "payments/payments-" in frozen.reason
    assert trial.accepts() == 2
    trial.environment.ask(
        "PATCH", trial.path, {"metadata": {"annotations": {"reloader.stakater.com/auto": None}}}
    )
    trial.until_stable(policy)
    assert trial.template() != before
    assert trial.accepts() == 1
