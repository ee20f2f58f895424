"""The CustomResourceDefinition on a real kube-apiserver: what it takes, what it refuses and says, what kubectl shows.

Two things are proven with generated declarations: what the API server refuses is refused by the reader as well (a good
policy is never refused), and what the reader refuses is refused by the API server, but for the exceptions written down here.
"""

from __future__ import annotations

import copy
import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import urllib3
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from rotator.errors import PolicyError
from rotator.policy import crd
from rotator.policy.model import RotationPolicy
from rotator.policy.resources import from_resource
from rotator.vocabulary.types import (
    AUTH_MOUNT_IS_RESERVED,
    CEL,
    MOUNT_HAS_API,
    MOUNT_IS_RESERVED,
    PATH_HAS_API,
)
from rotator_sandbox.envtest import ControlPlane, find_binaries
from tests.contract.kubernetes_servers import Api, forget_rotations
from tests.declared_providers import (
    ACCEPTED_AS_RESOURCES,
    CREDENTIALS,
    REFUSED_AS_RESOURCES,
    SUITING,
    VERIFIERS,
    declaration,
    pair,
)
from tests.test_policy_files import (
    FIELDS,
    GOOD,
    MEANING,
    PROVIDED,
    SHARED,
    WINDOWS,
    WRITTEN,
    Bad,
    good,
    shared,
)
from tests.test_policy_schema import GOOD as WHOLE
from tests.test_policy_schema import SHARED as CHARACTERS

EXAMPLE = (Path(__file__).parents[1] / "docs/example.yaml").read_text()
NAMESPACE = "declared"
PATH = f"/apis/rotator.dev/v1alpha1/namespaces/{NAMESPACE}/rotations"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
PATIENCE = 60.0
"""Seconds until what the API server does in the background (publishing a definition) counts as not done."""


class Server:
    """A kube-apiserver with the definition, and its administrator."""

    def __init__(self, plane: ControlPlane, folder: Path) -> None:
        self._host = plane.url
        self._pool = urllib3.PoolManager(
            ca_certs=str(plane.ca_file), headers={"Authorization": f"Bearer {plane.admin_token}"}
        )
        self._kubectl = find_binaries().kube_apiserver.parent / "kubectl"
        self._config = plane.kubeconfig(folder / "config")

    def ask(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> Any:
        """Ask, and return the answer, whatever its status."""
        octets = None if body is None else json.dumps(body).encode()
        answer = self._pool.request(
            method, self._host + path, body=octets, headers={**self._pool.headers, "Content-Type": kind}
        )
        return answer.json()

    def attempt(self, document: Any) -> Any:
        """Create a Rotation without keeping it; return it as the API server would store it, or the refusal."""
        return self.ask("POST", f"{PATH}?dryRun=All&fieldValidation=Strict", document)

    def refusal(self, document: Any) -> list[str]:
        """Return why a Rotation would be refused, as `field: message`; nothing where it would be created."""
        answer = self.attempt(document)
        if answer.get("kind") == "Rotation":
            return []
        assert answer["code"] in {400, 422}, answer
        causes = answer.get("details", {}).get("causes")
        if not causes:
            return [answer["message"]]
        return [f"{c.get('field')}: {c['message'].removeprefix('Invalid value: ')}" for c in causes]

    def kubectl(self, *arguments: str) -> str:
        """Run kubectl, and return what it prints."""
        if not self._kubectl.exists():
            pytest.skip(f"NO KUBECTL: {self._kubectl}")
        command = [str(self._kubectl), "--kubeconfig", str(self._config), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
        return done.stdout + done.stderr

    def until(self, seen: Callable[[], Any]) -> Any:
        """Ask until it is seen: the API server publishes definitions in the background."""
        give_up = time.monotonic() + PATIENCE
        while not (found := seen()):
            assert time.monotonic() < give_up, "not seen in time"
            time.sleep(0.05)
        return found

    def close(self) -> None:
        """Close all connections."""
        self._pool.clear()


@pytest.fixture(scope="module")
def server(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The real kube-apiserver, with the definition as it is generated, established."""
    api = Server(control_plane, tmp_path_factory.mktemp("kube"))
    api.ask("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
    with closing(Api(control_plane.url, control_plane.admin_token, control_plane.ca_file)) as beside:
        forget_rotations(beside)
    created = api.ask("POST", DEFINITIONS, crd.definition())
    assert created["kind"] == "CustomResourceDefinition", created.get("message")
    api.until(lambda: _conditions(api).get("Established") == "True")
    api.until(lambda: api.ask("GET", PATH).get("kind") == "RotationList")
    yield api
    api.close()


def _conditions(api: Server) -> dict[str, str]:
    found = api.ask("GET", f"{DEFINITIONS}/{crd.PLURAL}.{crd.GROUP}")
    return {c["type"]: c["status"] for c in found.get("status", {}).get("conditions") or ()}


def read(document: Any) -> list[str]:
    """Return what the reader of custom resources finds wrong."""
    try:
        from_resource(document)
    except PolicyError as error:
        return str(error).splitlines()
    return []


def parsed(text: str) -> Any:
    """Return the document that a text holds, in the namespace of the tests."""
    document = yaml.load(text, yaml.CSafeLoader)
    document["metadata"]["namespace"] = NAMESPACE
    return document


# --- the definition ---------------------------------------------------------------------------------------------


def test_the_definition_is_established_and_structural(server: Server) -> None:
    """Proves that a real API server serves it, and has nothing against its schema."""
    conditions = _conditions(server)
    assert conditions["Established"] == conditions["NamesAccepted"] == "True"
    assert "NonStructuralSchema" not in conditions


def test_rules_cost_a_fraction_of_what_they_may(server: Server) -> None:
    """Proves that there is room: with lists four times as long the API server still takes the definition."""
    wider = re.sub(
        r'("maxItems": )(32|64)\b', lambda most: f"{most[1]}{4 * int(most[2])}", json.dumps(crd.definition())
    )
    assert wider != json.dumps(crd.definition())
    wide = json.loads(wider.replace("rotator.dev", "wide.rotator.dev"))
    answer = server.ask("POST", f"{DEFINITIONS}?dryRun=All", wide)
    assert answer["kind"] == "CustomResourceDefinition", answer["message"]


def test_kubectl_explains_the_fields(server: Server) -> None:
    """Proves that people can read in the terminal what a field means, its form, and its default."""

    def said(field: str) -> str:
        text = server.until(
            lambda: (t := server.kubectl("explain", field)) and "KIND:       Rotation" in t and t
        )
        return " ".join(str(text).split())

    overlap = said("rotation.spec.overlap")
    assert "How long the old version stays accepted after the last holder has switched." in overlap
    assert "tokenTTL <string> -required- The longest life of a token or session" in overlap
    assert "For example 30d, 15m, 90s. Default: 1m." in overlap
    spec = said("rotation.spec")
    assert "credential <Object> -required- What is rotated." in spec
    assert "deletionPolicy <string> enum: Retain, Delete What happens with the credential" in spec
    assert "Restart the workloads that read the target" in said("rotation.spec.holders.restart")
    assert "Stable where nothing is under way" in said("rotation.status")


# --- what is accepted -------------------------------------------------------------------------------------------

ACCEPTED = {
    "the example of the docs": EXAMPLE,
    "the example of the design": GOOD,
    "a shared secret": SHARED,
    "every field of a signing key": WHOLE.replace("lead: 1h", "lead: 25h"),
    "a field that is left out by null": good("  every: 30d\n", "  every: 30d\n  lead: null\n"),
    "an alphabet": CHARACTERS,
    "workloads by label": good("{workloads: auto", "{workloads: {matchLabels: {app: x}}"),
    "workloads by name": good("{workloads: auto", "{workloads: [{name: a}, {kind: Rollout, name: b}]"),
    "an RSA size": good("ES256", "RS256, bits: 4096"),
    "an empty signing key": good("{algorithm: ES256}", "{}"),
    "an HMAC key": shared("{}\n  every", "{algorithm: HS512}\n  every"),
    "an HMAC key as a JWK Set": shared("sharedSecret: {}", "sharedSecret: {algorithm: HS256}").replace(
        "acceptedList:", "jwks:"
    ),
    "bytes in hex": shared("{}\n  every", "{bytes: 64, encoding: hex}\n  every"),
    "lines": shared("webhook-accepted}", "webhook-accepted, format: lines}"),
    "raw bytes": shared("{}\n  every", "{encoding: raw}\n  every"),
    "a mapping with the previous version": good(
        "{name: payments-signing-key}", "{name: k, data: {a: private_key, b: previous.private_key}}"
    ),
    "a lead of exactly the sum": good("  every: 30d\n", "  every: 30d\n  lead: 9m\n"),
    "a period a millisecond longer than the sum": good("every: 30d", "every: 25m1ms"),
    "durations in odd units": good("every: 30d", "every: 1h1d1h0.5d"),
    "a hundred years": good("every: 30d", "every: 36500d"),
    "half a millisecond": good("maxAge: 5m", "maxAge: 0.5ms"),
    "a restarted verifier": shared("webhook-accepted}", "webhook-accepted}\n      restart: {}").replace(
        "7d", "2h"
    ),
    "taking over": good(
        "  every: 30d\n", "  every: 30d\n  takeOver: {secret: {name: a, key: k}, kid: '1'}\n"
    ),
    "a gate before destruction": good(
        "  gates:\n",
        "  gates:\n    beforeDestroy: [{prometheus: {url: 'http://p:9090', query: q, below: 1}}]\n",
    ),
    **{
        f"written: {ours}": good(
            "{name: payments-signing-key}", f"{{name: k, data: {{b: kid, a: {json.dumps(ours)}}}}}"
        )
        for ours in WRITTEN
    },
    "deletion": good("  every: 30d\n", "  every: 30d\n  deletionPolicy: Delete\n"),
    **ACCEPTED_AS_RESOURCES,
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_good_policy_is_accepted_and_comes_back_as_it_was(server: Server, name: str) -> None:
    """Proves that the API server takes it, and that the defaults it adds change nothing of what is carried out."""
    document = parsed(ACCEPTED[name])
    assert read(document) == []
    assert server.refusal(document) == []
    back = server.attempt(document)
    assert from_resource(back).spec == RotationPolicy.model_validate(document).spec
    assert from_resource(back).digest == RotationPolicy.model_validate(document).digest


def test_what_was_created_is_read_from_a_list(server: Server) -> None:
    """Proves that the reader takes an object as a list returns it: no kind, and metadata that only a server writes."""
    document = parsed(good("payments-jwt,", "listed, labels: {team: a}, annotations: {b: c},"))
    created = server.ask(
        "POST", PATH, {**document, "metadata": {**document["metadata"], "finalizers": ["a.b/c"]}}
    )
    assert created["metadata"]["uid"]
    (item,) = [i for i in server.ask("GET", PATH)["items"] if i["metadata"]["name"] == "listed"]
    item.pop("kind", None)
    item.pop("apiVersion", None)
    assert from_resource(item) == RotationPolicy.model_validate(document)


# --- what is refused --------------------------------------------------------------------------------------------

_SUITABLE = {
    "sharedSecret": "jwks, acceptedList, holders",
    "oauthClient with a secret": "keycloak, okta, entra, auth0, hydra, registration, static",
    "oauthClient with a key": "jwks, pem, auth0",
    "oauthClient that is registered": "keycloak, okta, entra, auth0, hydra, registration, static",
    "ldapPassword": "ldap",
    "vaultAppRole": "appRole",
    "keycloakRealmKey": "keycloakRealmKeys",
}
_KINDS = {"oauthClient that is registered": "oauthClient with a secret"}
"""What suits a client that is registered suits it by its form; that it needs a name there is another message."""
_DATA = "{name: payments-signing-key}"
_THEMSELVES = (
    "rotator and Kubernetes say these themselves; expected keys other than rotator.dev/…, app.kubernetes.io/managed-by and "
    "kubectl.kubernetes.io/…"
)
_SUM = "the longest maxAge + propagation of a verifier, and clockSkew"

REFUSED = [
    (
        "a long name",
        good("payments-jwt,", "a" * 53 + ","),
        "<nil>: metadata.name: expected at most 52 characters",
    ),
    (
        "a name with dots",
        good("payments-jwt,", "a.b,"),
        "<nil>: metadata.name: expected lower-case letters, digits and -, as payments-jwt",
    ),
    (
        "two kinds of credential",
        good("{algorithm: ES256}", "{}\n    sharedSecret: {}"),
        "spec.credential: expected exactly one of jwtSigningKey, sharedSecret, oauthClient, ldapPassword, vaultAppRole, keycloakRealmKey",
    ),
    (
        "a size where there is one",
        good("ES256", "ES256, bits: 4096"),
        "spec.credential.jwtSigningKey: bits goes with RS and PS algorithms; the others have one size",
    ),
    (
        "a size of the default algorithm",
        good("algorithm: ES256", "bits: 3072"),
        "spec.credential.jwtSigningKey: bits goes with RS and PS algorithms; the others have one size",
    ),
    (
        "two forms",
        shared("{}\n  every", "{algorithm: HS256, length: 32}\n  every"),
        "spec.credential.sharedSecret: expected one of algorithm, length, bytes",
    ),
    (
        "an alphabet of bytes",
        shared("{}\n  every", "{alphabet: abcdefghij}\n  every"),
        "spec.credential.sharedSecret: alphabet goes with length",
    ),
    (
        "an encoding of characters",
        shared("{}\n  every", "{length: 20, encoding: hex}\n  every"),
        "spec.credential.sharedSecret: encoding goes with bytes or algorithm",
    ),
    (
        "an encoding of a key",
        good("  every: 30d", "  takeOver: {secret: {name: a, key: k}, encoding: hex}\n  every: 30d"),
        "spec.takeOver: a key shows by itself how it is written, and other credentials are text; expected no encoding",
    ),
    (
        "an encoding for today alone",
        shared(
            "{}\n  every",
            "{algorithm: HS256}\n  takeOver: {secret: {name: a, key: k}, encoding: base64}\n  every",
        ),
        (
            "spec.takeOver.encoding: it counts for the value of today alone; expected credential.sharedSecret.encoding as well, "
            "which says how services read the HMAC key from now on, so that takeOver can be removed later"
        ),
    ),
    (
        "raw bytes of a key",
        shared("{}\n  every", "{algorithm: HS256, encoding: raw}\n  every"),
        "spec.credential.sharedSecret: without an encoding the value is the key; expected base64, base64url or hex, or none",
    ),
    (
        "a letter twice",
        shared("{}\n  every", "{length: 20, alphabet: aabcdefghij}\n  every"),
        "spec.credential.sharedSecret: alphabet: expected distinct ASCII characters, and no white space",
    ),
    ("nothing", good("15m,", "0s,"), 'spec.overlap.tokenTTL: "0s": expected more than 0s'),
    (
        "more than there are dates",
        good("30d", "99999999999d"),
        'spec.every: "99999999999d": too long: expected at most 36500d',
    ),
    (
        "two stores",
        good("    vault: {mount: rotator", "    kubernetes: {}\n    vault: {mount: rotator"),
        "spec.store: expected exactly one of vault, kubernetes",
    ),
    (
        "a mount of Vault's",
        good("mount: rotator", "mount: sys"),
        MOUNT_IS_RESERVED,
    ),
    ("a mount and more", good("mount: rotator", "mount: a/data"), MOUNT_HAS_API),
    (
        "an address as path",
        good("rotator, path: payments", "rotator, path: data"),
        PATH_HAS_API,
    ),
    (
        "a login of Vault's",
        declaration("vaultAppRole: {role: a, mount: auth/approle}", "appRole"),
        AUTH_MOUNT_IS_RESERVED,
    ),
    (
        "no store",
        shared("    kubernetes: {}", "    {}"),
        "spec.store: expected exactly one of vault, kubernetes",
    ),
    (
        "two kinds of verifier",
        good("    - jwks:", "    - acceptedList: {secret: x}\n      jwks:"),
        "spec.verifiers[0]: expected exactly one of jwks, pem, acceptedList, static, holders, gateway, istio, kong, keycloak, keycloakRealmKeys, okta, entra, auth0, hydra, registration, ldap, appRole",
    ),
    (
        "no place to read",
        good("configMap: payments-jwks, ", ""),
        "spec.verifiers[0].jwks: expected exactly one of configMap, secret, vault",
    ),
    (
        "restart and pick-up",
        good("timeout: 10m}", "timeout: 10m}\n      pickUp: 1m"),
        "spec.holders[0]: expected restart or pickUp, not both",
    ),
    (
        "a gate with no kind",
        good('{jwksProbe: {url: "https://api.example.com/.well-known/jwks.json"}}', "{}"),
        "spec.gates.beforeActivate[0]: expected exactly one of jwksProbe, prometheus",
    ),
    (
        "two credentials to take over",
        good("  every: 30d\n", "  every: 30d\n  takeOver: {kid: a}\n"),
        "spec.takeOver: expected exactly one of secret, vault, provider",
    ),
    (
        "a holder of both kinds",
        good("    - vault: {mount: secret", "    - secret: {name: x}\n      vault: {mount: secret"),
        "spec.holders[1]: expected exactly one of secret, vault, keycloakRealm",
    ),
    (
        "a key with a space",
        good(_DATA, "{name: k, data: {'a b': kid}}"),
        "spec.holders[0].secret.data: a key is wrong: expected letters, digits, -, _ and ., as tls.key",
    ),
    (
        "a long key",
        good(_DATA, "{name: k, data: {" + "a" * 254 + ": kid}}"),
        "spec.holders[0].secret.data: a key is too long: expected at most 253 characters",
    ),
    (
        "a period that is too short",
        good("30d", "20m"),
        f"spec.every: 20m is too short; expected more than 1500s: lead + tokenTTL + clockSkew, where the lead is, if not given, {_SUM}",
    ),
    (
        "a period of exactly the sum",
        good("30d", "25m"),
        f"spec.every: 25m is too short; expected more than 1500s: lead + tokenTTL + clockSkew, where the lead is, if not given, {_SUM}",
    ),
    (
        "a period too short for a cache of a day",
        shared("every: 7d", "every: 1d"),
        f"spec.every: 1d is too short; expected more than 90300s: lead + tokenTTL + clockSkew, where the lead is, if not given, {_SUM}",
    ),
    (
        "a period too short for the lead asked for",
        good("every: 30d", "every: 1d\n  lead: 25h"),
        f"spec.every: 1d is too short; expected more than 90960s: lead + tokenTTL + clockSkew, where the lead is, if not given, {_SUM}",
    ),
    (
        "a lead that is too short",
        good("  every: 30d", "  every: 30d\n  lead: 8m59s"),
        f"spec.lead: 8m59s is too short; expected at least 540s: {_SUM}",
    ),
    (
        "a lead too short for the slowest verifier",
        good("maxAge: 5m}\n", "maxAge: 5m}\n    - jwks: {vault: {mount: a, path: b}, maxAge: 4m}\n").replace(
            "every: 30d", "every: 30d\n  lead: 8m"
        ),
        f"spec.lead: 8m is too short; expected at least 600s: {_SUM}",
    ),
    (
        "a shared secret for everybody",
        shared("{secret: webhook-a", "{configMap: webhook-a"),
        "spec.verifiers: a secret in a ConfigMap is readable by everybody; expected secret or vault",
    ),
    (
        "an HMAC key for everybody",
        shared("{}\n  every", "{algorithm: HS256}\n  every").replace(
            "acceptedList: {secret", "jwks: {configMap"
        ),
        "spec.verifiers: a secret in a ConfigMap is readable by everybody; expected secret or vault",
    ),
    (
        "a JWK of an opaque secret",
        shared("acceptedList:", "jwks:"),
        "spec.verifiers: an opaque secret is no JWK; expected acceptedList",
    ),
    (
        "a served set that may be cached for ever",
        good("maxAge: 5m}", "served: {}}"),
        "spec.verifiers[0].jwks: served: how long may it be cached? Expected maxAge: the lead is computed from it, and it is sent",
    ),
    (
        "a served set at another host than the issuer",
        good("maxAge: 5m}", 'maxAge: 5m, served: {host: a.example, issuer: "https://b.example"}}'),
        "spec.verifiers[0].jwks.served: issuer: its configuration is asked for at its own host; expected the same host",
    ),
    (
        "a reader that nothing tells from others",
        good("maxAge: 5m}", "maxAge: 5m, served: {readers: [{name: orders}]}}"),
        "spec.verifiers[0].jwks.served.readers[0]: how is this reader told from others? Expected header or addresses",
    ),
    (
        "two readers of one name",
        good(
            "maxAge: 5m}",
            "maxAge: 5m, served: {readers: [{name: a, addresses: [10.0.0.1]}, {name: a, addresses: [10.0.0.2]}]}}",
        ),
        "spec.verifiers[0].jwks.served: readers: two of them have one name; expected each name once",
    ),
    (
        "a gateway of which nothing is known",
        good(
            "maxAge: 5m}\n",
            "maxAge: 5m}\n    - gateway: {product: Other, url: 'https://a.example/', answers: {known: a, unknown: b}}\n",
        ),
        "spec.verifiers[1].gateway: maxAge: how long does it keep a JWK Set? Expected maxAge, for nothing is known of this product",
    ),
    (
        "an Edwards curve at any Kong",
        good("jwks: {configMap: payments-jwks, maxAge: 5m}", "kong: {consumer: a}").replace(
            "algorithm: ES256", "algorithm: EdDSA"
        ),
        'spec.verifiers: Kong verifies ES512, PS and EdDSA signatures from 3.7 on; expected oldest: "3.7", or RS256, RS384, RS512, ES256 or ES384',
    ),
    (
        "a key in use at Kong",
        good("jwks: {configMap: payments-jwks, maxAge: 5m}", "kong: {consumer: a}").replace(
            "  every:", "  takeOver: {secret: {name: a, key: b}}\n  every:"
        ),
        (
            "spec.takeOver: a credential of the key in use is there already, and a second one with the same key would remove the whole "
            "consumer from Kong; expected no takeOver: rotator makes a new key beside it"
        ),
    ),
    (
        "a gateway alone",
        good(
            "jwks: {configMap: payments-jwks, maxAge: 5m}",
            "gateway: {product: Envoy, url: 'https://a.example/'}",
        ),
        "spec.verifiers: a gateway fetches what somebody else publishes; expected the verifier that publishes it as well, as jwks",
    ),
    (
        "a gateway that answers nobody knows what",
        good(
            "maxAge: 5m}\n",
            "maxAge: 5m}\n    - gateway: {product: Other, url: 'https://a.example/', maxAge: 5m}\n",
        ),
        "spec.verifiers[1].gateway: answers: what does it answer with? Expected answers, for nothing is known of this product",
    ),
    (
        "a gateway that always answers the same",
        good(
            "maxAge: 5m}\n",
            "maxAge: 5m}\n    - gateway: {product: Envoy, url: 'https://a.example/', answers: {known: a, unknown: a}}\n",
        ),
        "spec.verifiers[1].gateway.answers: expected two texts that differ",
    ),
    (
        "an elliptic curve at Edge Stack",
        good(
            "maxAge: 5m}\n",
            "maxAge: 5m}\n    - gateway: {product: EdgeStack, url: 'https://a.example/', maxAge: 5m, answers: {known: a, unknown: b}}\n",
        ),
        "spec.verifiers: Edge Stack verifies RSA signatures only; expected RS256, RS384 or RS512",
    ),
    (
        "a served HMAC key",
        shared("{}\n  every", "{algorithm: HS256}\n  every").replace(
            "acceptedList: {", "jwks: {maxAge: 5m, served: {}, "
        ),
        "spec.verifiers: a shared secret is for its holders alone; expected no served",
    ),
    (
        "raw lines",
        shared("{}\n  every", "{encoding: raw}\n  every").replace(
            "webhook-accepted}", "webhook-accepted, format: lines}"
        ),
        "spec.verifiers: raw bytes are no lines; expected json, or base64 or hex",
    ),
    (
        "raw text",
        shared("{}\n  every", "{encoding: raw}\n  every").replace(
            "secret: {name: webhook}", "vault: {mount: a, path: b}"
        ),
        "spec.holders: raw bytes do not fit in Vault's text fields; expected base64 or hex",
    ),
    (
        "a list of signing keys",
        good("jwks: {configMap: payments-jwks, maxAge: 5m}", "acceptedList: {secret: a}"),
        "spec.verifiers: does not suit jwtSigningKey; expected jwks, pem, gateway, istio, kong",
    ),
    (
        "a probe for a shared secret",
        SHARED + '  gates:\n    beforeActivate: [{jwksProbe: {url: "https://a"}}]\n',
        "spec.gates: jwksProbe reads public keys; this credential has none",
    ),
    (
        "a probe before destruction",
        good("beforeActivate:", "beforeDestroy:"),
        "spec.gates.beforeDestroy: jwksProbe shows that a key is there; expected prometheus",
    ),
    (
        "an unknown field of a signing key",
        good(_DATA, "{name: k, data: {a: value, b: kid}}"),
        (
            "spec.holders: a holder's data asks for an unknown field, or for an encoding that it has not; "
            "expected one of private_key, public_key, jwk, kid, algorithm, or previous.FIELD"
        ),
    ),
    (
        "an unknown field of an opaque secret",
        shared("{name: webhook}\n", "{name: webhook, data: {a: jwk}}\n"),
        (
            "spec.holders: a holder's data asks for an unknown field, or for an encoding that it has not; "
            "expected one of value, kid, algorithm, or previous.FIELD"
        ),
    ),
    (
        "an unknown field of an HMAC key",
        shared("{}\n  every", "{algorithm: HS256}\n  every").replace(
            "{name: webhook}", "{name: webhook, data: {a: private_key}}"
        ),
        (
            "spec.holders: a holder's data asks for an unknown field, or for an encoding that it has not; "
            "expected one of value, kid, algorithm, jwk, or previous.FIELD"
        ),
    ),
    (
        "a label of ours",
        good(_DATA, '{name: k, labels: {rotator.dev/managed: "false"}}'),
        f"spec.holders[0].secret.labels: {_THEMSELVES}",
    ),
    (
        "an annotation of ours",
        good(_DATA, '{name: k, annotations: {rotator.dev/revision: "9"}}'),
        f"spec.holders[0].secret.annotations: {_THEMSELVES}",
    ),
    (
        "a label that is none",
        good(_DATA, "{name: k, labels: {-a: b}}"),
        "spec.holders[0].secret.labels: a key is wrong: expected letters, digits, -, _ and ., perhaps after a domain and /, as konghq.com/credential",
    ),
    (
        "a type of Kubernetes",
        good(_DATA, "{name: k, type: kubernetes.io/service-account-token}"),
        (
            "spec.holders[0].secret.type: a type that Kubernetes gives a meaning to, and that a credential alone does not have; expected "
            "Opaque, kubernetes.io/basic-auth with the data keys username and password, or a type of your own"
        ),
    ),
    (
        "a text for a field",
        good(_DATA, "{name: k, data: {a: kid}, texts: {a: b}}"),
        "spec.holders[0].secret.texts: a data key that holds a field of the credential too; expected each once",
    ),
    (
        "kept without others",
        good("maxAge: 5m}", 'maxAge: 5m, keep: {a: "2027-01-31T00:00:00Z"}}'),
        "keep: a set that is not shared has no keys of others; expected shared: true as well",
    ),
    (
        "kept under a long name",
        good("maxAge: 5m}", f'maxAge: 5m, shared: true, keep: {{{"a" * 600}: "2027-01-31T00:00:00Z"}}}}'),
        "a key is too long: expected at most 512 characters",
    ),
    (
        "kept under no name",
        good("maxAge: 5m}", 'maxAge: 5m, shared: true, keep: {" ": "2027-01-31T00:00:00Z"}}'),
        "spec.verifiers[0].jwks.keep: a key is wrong: expected characters that can be printed, and not only blanks",
    ),
    (
        "kept for some time",
        good("maxAge: 5m}", "maxAge: 5m, shared: true, keep: {a: soon}}"),
        (
            'spec.verifiers[0].jwks.keep.a: "soon": spec.verifiers[0].jwks.keep.a in body should match '
            "'^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(Z|[+-][0-9]{2}:[0-9]{2})$'"
        ),
    ),
    (
        "restarts for a shared set",
        good("maxAge: 5m}", "maxAge: 5m, shared: true}\n      restart: {}"),
        (
            "spec.verifiers: restart: several rotations would restart the readers of a shared set, each for its own keys; expected "
            "readers that fetch it again (maxAge)"
        ),
    ),
    (
        "restarts for a file a version",
        good(
            "jwks: {configMap: payments-jwks, maxAge: 5m}",
            "pem: {configMap: a, perVersion: true}\n      restart: {}",
        ),
        (
            "spec.verifiers: restart: a new version is a new file, and pods that were started with the old files cannot be told from "
            "others; expected readers that look for new files (maxAge), or one file of all (without perVersion)"
        ),
    ),
    (
        "only the previous version",
        good(_DATA, "{name: k, data: {a: previous.kid}}"),
        "spec.holders[0].secret.data: only previous or other fields; expected at least one of the active version",
    ),
    (
        "only the previous version in Vault",
        good("path: payments/jwt}\n  gates", "path: payments/jwt, data: {a: previous.kid}}\n  gates"),
        "spec.holders[1].vault.data: only previous or other fields; expected at least one of the active version",
    ),
    (
        "a field that is ours",
        good("path: payments/jwt}\n  gates", "path: payments/jwt, data: {revision: kid}}\n  gates"),
        (
            "spec.holders[1].vault.data: reserved; "
            "expected a name other than rotation, revision, version, content_revision, since"
        ),
    ),
    ("an unknown field", good("every:", "evry:"), 'strict decoding error: unknown field "spec.evry"'),
    (
        "a deep unknown field",
        good("algorithm: ES256", "algorithm: ES256, size: 1"),
        'strict decoding error: unknown field "spec.credential.jwtSigningKey.size"',
    ),
    (
        "an unknown field of an empty object",
        shared("kubernetes: {}", "kubernetes: {name: a}"),
        'strict decoding error: unknown field "spec.store.kubernetes.name"',
    ),
    *((row.name, row.text, row.shown) for row in REFUSED_AS_RESOURCES if row.shown),
    *(
        (
            f"{form} at {verifier}",
            pair(form, verifier),
            "spec.verifiers: does not suit jwtSigningKey; expected jwks, pem, gateway, istio, kong"
            if form == "jwtSigningKey"
            else f"spec.verifiers: does not suit {_KINDS.get(form, form)}; expected {_SUITABLE[form]}",
        )
        for form in CREDENTIALS
        for verifier in VERIFIERS
        if (_KINDS.get(form, form), verifier) not in SUITING and verifier != "registration"
    ),
]


@pytest.mark.parametrize(("text", "expected"), [pytest.param(t, e, id=n) for n, t, e in REFUSED])
def test_a_bad_policy_is_refused_with_the_message_that_a_user_sees(
    server: Server, text: str, expected: str
) -> None:
    """Proves each message of `kubectl apply`, and that the reader would have refused it as well."""
    document = parsed(text)
    assert read(document)
    found = server.refusal(document)
    patterns = [problem for problem in found if "in body should" in problem and expected in problem]
    assert patterns or any(problem == expected or problem.endswith(expected) for problem in found), found


def test_every_rule_has_refused_something(server: Server) -> None:
    """Proves that no rule is there for show: the table above makes each of them speak."""
    said = "\n".join(problem for _, text, _ in REFUSED for problem in server.refusal(parsed(text)))
    schema = crd.definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    rules = re.findall(rf'"{CEL}": (\[.*?\}}\])', json.dumps(schema))
    messages = {
        rule["message"]: "is too short; expected" if "messageExpression" in rule else rule["message"]
        for text in rules
        for rule in json.loads(text)
    }
    assert len(messages) > 30
    assert {message for message, spoken in messages.items() if spoken not in said} == set()


def test_kubectl_shows_the_message(server: Server, tmp_path: Path) -> None:
    """Proves what somebody who applies an unsafe window or a typo reads in the terminal."""
    file = tmp_path / "rotation.yaml"
    here = ("namespace: payments", f"namespace: {NAMESPACE}")
    file.write_text(good("30d", "20m").replace(*here))
    said = server.kubectl("apply", "-f", str(file))
    assert said.startswith(
        'The Rotation "payments-jwt" is invalid: spec.every: Invalid value: 20m is too short;'
    )
    file.write_text(good("every:", "evry:").replace(*here))
    assert 'unknown field "spec.evry"' in server.kubectl("apply", "-f", str(file))


KUBERNETES_OWN = {
    "no namespace",  # the address of the request has it
    "a long namespace",
    "a number as name",
    "a word as metadata",
    "a number as label",
    "no spec",
}
"""Rows about what Kubernetes itself sees to; the tests put a good namespace in."""
ACCEPTED_ALTHOUGH_BAD = {
    "workloads of a Vault path",  # what has no one type is not visible to CEL
    "workloads: a word",
    "workloads: an odd kind",
    "workloads: no name",
    "workloads: no label",
    "less than can be told from nothing",  # the rule asks for a digit that is not 0; 0.0004s rounds to 0
    "the holder is the store",  # one document claimed twice
    "one Secret twice",
    "one path under two names",
    "a data key that keeps nodes from old copies",  # a rule for each key would cost the room that is left
    "a list under such a data key",
    "two documents at one address",
    "a set in place of the issuer's configuration",  # the path below the issuer is put together in Python
    "a kid that turns the line",  # only Python knows all characters that cannot be printed
    "a kid of too many bytes",  # the API server counts characters
    "an unknown field in a text",  # the pattern of a text knows encodings, and no credential's fields
    "only the previous version in a text",
    "an encoding in a text that the algorithm has not",
    "a text without a field",
    "a text that begins like a field",
    "characters that readers of .env do not agree on",
    *(row.name for row in REFUSED_AS_RESOURCES if row.shown is None),
}
"""The rows of the table of bad files that the API server lets pass. All others it refuses. Rotator refuses all."""


def _as_resources() -> list[Bad]:
    rows = []
    for row in (*FIELDS, *WINDOWS, *MEANING, *PROVIDED):
        documents = list(
            yaml.load_all(row.text, yaml.CSafeLoader)
        )  # each process asks this: in C it is ten times as fast
        if (
            len(documents) == 1
            and isinstance(documents[0].get("metadata"), dict)
            and row.name not in KUBERNETES_OWN
        ):
            rows.append(row)
    return rows


@pytest.mark.parametrize("row", [pytest.param(r, id=r.name) for r in _as_resources()])
def test_what_a_file_may_not_say_a_custom_resource_may_not_say(server: Server, row: Bad) -> None:
    """Proves for every bad file that the API server refuses it as well, or that it is a known exception."""
    document = json.loads(json.dumps(parsed(row.text), default=str))  # YAML has dates, JSON has texts
    assert bool(server.refusal(document)) == (row.name not in ACCEPTED_ALTHOUGH_BAD)


def test_every_exception_is_a_row() -> None:
    """Proves that the exceptions name rows that exist."""
    names = {row.name for row in (*FIELDS, *WINDOWS, *MEANING, *PROVIDED)}
    assert names >= ACCEPTED_ALTHOUGH_BAD
    assert names >= KUBERNETES_OWN


def test_null_stands_for_the_default(server: Server) -> None:
    """Proves what becomes of a null that the reader of files refuses: the API server puts the default in its place."""
    document = parsed(good("clockSkew: 60s", "clockSkew: null"))
    assert read(document)
    assert from_resource(server.attempt(document)).spec == RotationPolicy.model_validate(parsed(GOOD)).spec


# --- generated declarations --------------------------------------------------------------------------------------

_JUNK: st.SearchStrategy[Any] = st.sampled_from(
    [
        None,
        *(
            True,
            False,
            0,
            1,
            -1,
            16,
            3072,
            4095,
            2**31,
            2**53,
            10**30,
            0.5,
            -2.5,
            1e300,
            "",
            " ",
            "a",
            "A",
            "auto",
        ),
        *("a.b", "a/b", "a b", "..", "-a", "30d", "1m", "0s", "0.5s", "999999d", "1d1d", "30", "1e3s", "٣d"),
        *(
            "ES256",
            "RS256",
            "HS256",
            "raw",
            "lines",
            "json",
            "Retain",
            "Delete",
            "value",
            "previous.value",
            "other.value",
        ),
        *(
            "https://a",
            "https://a\u00a0b",
            "http://a b",
            "ftp://a",
            "\n",
            "\u0000",
            "ä",
            "x" * 33,
            "x" * 70,
            "x" * 260,
        ),
        *(
            [],
            {},
            ["a"],
            [{}],
            {"a": "b"},
            {"": "kid"},
            {"a": "kid"},
            {"a": "previous.kid"},
            {"revision": "kid"},
        ),
        *(
            {"kubernetes": {}},
            {"secret": "a"},
            {"vault": {"mount": "a", "path": "b"}},
            {"secret": {"name": "a"}},
        ),
        *({"jwtSigningKey": {}}, {"sharedSecret": {}}, {"sharedSecret": {"algorithm": "HS256"}}),
        *({"sharedSecret": {"length": 20, "alphabet": "abcdefghij"}}, {"sharedSecret": {"encoding": "raw"}}),
        *(
            {"jwks": {"secret": "a"}},
            {"acceptedList": {"secret": "a", "format": "lines"}},
            {"restart": {}},
            {"holders": {}},
        ),
        *({"jwksProbe": {"url": "https://a"}}, {"prometheus": {"url": "http://a", "query": "q", "below": 1}}),
        *(
            "https://a/",
            "https://A",
            "https://a/..",
            "http://localhost:1/a",
            "ldaps://a",
            "ldap://a:389",
            "ldaps://a/",
        ),
        *(
            "cn=a",
            "CN = a",
            "cn=a,b",
            "uid=payments,ou=services,dc=example,dc=org",
            "payments",
            "rotator",
            "02:30",
        ),
        *(
            "private_key_jwt",
            "client_secret_post",
            "introspection",
            "Annotation",
            "Several",
            "One",
            "Leave",
            "client_id",
        ),
        *(
            "client_secret",
            "bind_dn",
            "password",
            "previous.password",
            ["Mon"],
            ["cn=a"],
            ["cn=a", "cn=b"],
            ["cn=a", "CN=A"],
        ),
        *(
            {"own": {}},
            {"provider": {}},
            {"keycloakRealm": {}},
            {"start": "00:00", "length": "1d"},
            {"a": "password"},
        ),
        *(
            {"registration": {}},
            {"appRole": {}},
            {"static": {"secret": "a"}},
            {"hydra": {"url": "https://a"}},
        ),
        *(
            {"ldapPassword": {"accounts": ["cn=a"]}},
            {"vaultAppRole": {"role": "a"}},
            {"keycloakRealmKey": {}},
        ),
        *(
            {"oauthClient": {"issuer": "https://a"}},
            {"oauthClient": {"issuer": "https://a", "clientId": "payments"}},
        ),
        *(
            {"clientId": "payments", "secret": {"file": "/a"}},
            {"file": "/a"},
            {"secret": {"name": "a", "key": "b"}},
        ),
    ]
)
_NAMES = st.sampled_from(
    [
        *(
            "every",
            "lead",
            "credential",
            "jwtSigningKey",
            "sharedSecret",
            "algorithm",
            "bits",
            "length",
            "alphabet",
        ),
        *(
            "bytes",
            "encoding",
            "tokenTTL",
            "clockSkew",
            "store",
            "vault",
            "kubernetes",
            "mount",
            "path",
            "jwks",
        ),
        *(
            "acceptedList",
            "configMap",
            "secret",
            "namespace",
            "maxAge",
            "propagation",
            "key",
            "format",
            "name",
        ),
        *("namespaces", "data", "restart", "pickUp", "timeout", "soak", "atOnce", "gates", "beforeActivate"),
        *(
            "beforeDestroy",
            "takeOver",
            "kid",
            "firstLead",
            "times",
            "url",
            "deletionPolicy",
            "other",
            "token_ttl",
        ),
        *(
            "outage",
            "days",
            "start",
            "length",
            "own",
            "client",
            "token",
            "file",
            "clientId",
            "issuer",
            "scope",
            "audience",
        ),
        *(
            "via",
            "overlap",
            "others",
            "values",
            "startTls",
            "dn",
            "bind",
            "auth",
            "accounts",
            "confirmedBy",
            "provider",
        ),
        *(
            "static",
            "keycloak",
            "auth0",
            "registration",
            "ldap",
            "appRole",
            "keycloakRealm",
            "role",
            "caFile",
            "endpoint",
        ),
    ]
)
_DURATIONS = st.builds(
    "{}{}".format,
    st.one_of(st.integers(1, 400), st.floats(1, 400).map(lambda x: f"{x:.3f}")),
    st.sampled_from(["d", "h", "m", "s", "ms"]),
)
_BASES = [parsed(text) for text in ACCEPTED.values()]


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every mapping or list below `value`, with each of its keys or positions."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in pairs:
        yield value, key
        yield from _places(below)


def _is_duration(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"([0-9.]+[a-z]+)+", value) is not None


@st.composite
def mutants(draw: st.DrawFn) -> Any:
    """A good declaration with up to three changes: other durations, values, fields taken away, put in or swapped."""
    document = copy.deepcopy(draw(st.sampled_from(_BASES)))
    for _ in range(draw(st.integers(1, 3))):
        places = list(_places(document["spec"]))
        if not places:
            break
        parent, key = draw(st.sampled_from(places))
        change = draw(st.sampled_from(["duration", "duration", "replace", "remove", "insert", "graft"]))
        if change == "duration":
            spots = [(p, k) for p, k in places if _is_duration(p[k])]
            if spots:
                parent, key = draw(st.sampled_from(spots))
                parent[key] = draw(_DURATIONS) + draw(st.just("") | _DURATIONS)
        elif change == "replace":
            parent[key] = copy.deepcopy(draw(_JUNK))
        elif change == "remove":
            del parent[key]
        elif change == "insert" and isinstance(parent, dict):
            parent[draw(_NAMES)] = copy.deepcopy(draw(_JUNK | _DURATIONS))
        else:
            other = draw(st.sampled_from(list(_places(draw(st.sampled_from(_BASES))["spec"]))))
            parent[key] = copy.deepcopy(other[0][other[1]])
    return document


_LET_PASS = re.compile(
    r"restart\.workloads|workloads"  # of several forms, which the API server cannot check
    r"|is no TYPE=VALUE|in a value"  # what is wrong inside a distinguished name
    r"|an account is there twice|this is the very credential"  # of which there may be two spellings
)


@settings(max_examples=400)
@given(document=mutants())
def test_the_api_server_refuses_no_good_policy_and_lets_no_bad_one_pass(
    server: Server, document: Any
) -> None:
    """Proves on generated declarations that API server and reader are of one mind, but for the exceptions here."""
    answer = server.attempt(document)
    if answer["kind"] == "Status":
        assert read(document), f"a good policy was refused: {answer['message']}"
    else:
        wrong = [problem for problem in read(answer) if not _LET_PASS.search(problem)]
        assert wrong == [], "a bad policy was accepted"


@settings(max_examples=150)
@given(
    every=_DURATIONS,
    lead=st.none() | _DURATIONS,
    ttl=_DURATIONS,
    skew=st.none() | _DURATIONS,
    verifiers=st.lists(
        st.fixed_dictionaries(
            {},
            optional={
                "maxAge": _DURATIONS,
                "propagation": _DURATIONS,
                "restart": st.just({}),
                "vault": st.just({"mount": "a", "path": "b"}),
            },
        ),
        min_size=1,
        max_size=4,
    ),
)
def test_the_windows_are_the_same_sums(  # noqa: PLR0913, PLR0917 - the parts of a sum
    server: Server, every: str, lead: str | None, ttl: str, skew: str | None, verifiers: list[dict[str, Any]]
) -> None:
    """Proves that both compute one sum: they differ at most where parts of a millisecond are rounded."""
    document = parsed(GOOD)
    spec = document["spec"]
    spec["every"], spec["overlap"] = every, {"tokenTTL": ttl} | ({"clockSkew": skew} if skew else {})
    spec["verifiers"] = [_verifier(dict(v)) for v in verifiers]
    if lead:
        spec["lead"] = lead
    policy = RotationPolicy.model_validate(document)
    spare = [policy.spec.every - policy.lead - policy.overlap.total, policy.lead - policy.least_lead.total]
    if server.refusal(document):
        assert read(document)
    elif not any(timedelta() <= abs(s) < timedelta(milliseconds=5) for s in spare):
        assert read(document) == []


def _verifier(parts: dict[str, Any]) -> dict[str, Any]:
    restart = {"restart": parts.pop("restart")} if "restart" in parts else {}
    if "vault" in parts and restart:  # who reads Vault is to be named
        restart = {"restart": {"workloads": [{"name": "a"}]}}
    return {"jwks": {"configMap": "a"} | parts if "vault" not in parts else parts, **restart}


# --- status and columns ------------------------------------------------------------------------------------------

STATUS = {
    "observedGeneration": 1,
    "type": "jwtSigningKey",
    "phase": "Overlap",
    "active": "kid-2",
    "activeSince": "2020-01-01T00:00:00Z",
    "revision": 7,
    "result": "Waiting",
    "reason": "the overlap",
    "next": "2030-01-01T00:00:00Z",
    "waitingOn": ["deployment/payments"],
    "versions": [
        {"id": "kid-1", "number": 1, "state": "Retiring"},
        {"id": "kid-2", "number": 2, "state": "Active"},
    ],
    "conditions": [
        {
            "type": "Ready",
            "status": "True",
            "observedGeneration": 1,
            "lastTransitionTime": "2020-01-01T00:00:00Z",
            "reason": "Overlap",
            "message": "",
        }
    ],
}


def test_columns_show_the_status(server: Server) -> None:
    """Proves what `kubectl get rotations` prints, also by the short name."""
    server.ask("POST", PATH, parsed(good("payments-jwt,", "shown,")))
    merge = "application/merge-patch+json"
    server.ask("PATCH", f"{PATH}/shown/status", {"status": STATUS}, merge)
    header, line = server.kubectl("get", "rotations", "shown", "-n", NAMESPACE).splitlines()
    assert header.split() == ["NAME", "TYPE", "PHASE", "ACTIVE", "AGE", "RESULT", "NEXT", "REASON"]
    assert re.fullmatch(
        r"shown +jwtSigningKey +Overlap +kid-2 +\d+y\w* +Waiting +2030-01-01T00:00:00Z +the overlap *", line
    )
    wide = server.kubectl("get", "rot", "shown", "-n", NAMESPACE, "-o", "wide").splitlines()
    assert wide[0].split()[-2:] == ["REASON", "REVISION"]
    assert wide[1].split()[-1] == "7"


def test_the_status_is_written_apart_from_the_spec(server: Server) -> None:
    """Proves that who may write only the status cannot change the spec, and that applying a spec leaves the status."""
    merge = "application/merge-patch+json"
    created = server.ask("POST", PATH, {**parsed(good("payments-jwt,", "apart,")), "status": STATUS})
    assert "status" not in created
    body = {"spec": {"every": "90d"}, "status": STATUS}
    written = server.ask("PATCH", f"{PATH}/apart/status", body, merge)
    assert (written["spec"]["every"], written["metadata"]["generation"]) == ("30d", 1)
    assert written["status"] == STATUS
    written = server.ask("PATCH", f"{PATH}/apart", {**body, "status": None}, merge)
    assert (written["spec"]["every"], written["metadata"]["generation"]) == ("90d", 2)
    assert written["status"] == STATUS


@pytest.mark.parametrize(
    "wrong",
    [
        {"phase": 7},
        {"revision": -1},
        {"activeSince": "yesterday"},
        {"versions": [{"id": "a"}]},
        {"conditions": [{"type": "Ready", "status": "Maybe"}]},
        {"conditions": STATUS["conditions"] * 2},  # type: ignore[operator]
    ],
)
def test_a_wrong_status_is_refused(server: Server, wrong: Any) -> None:
    """Proves that the status has one form, which people and tools can rely on."""
    server.ask("POST", PATH, parsed(good("payments-jwt,", "wrong,")))
    answer = server.ask("PATCH", f"{PATH}/wrong/status", {"status": wrong}, "application/merge-patch+json")
    assert answer["kind"] == "Status"
    assert answer["code"] == 422


def test_status_writes_are_fenced(server: Server) -> None:
    """Proves that a stale writer of the status is refused: it names the resourceVersion that it read."""
    created = server.ask("POST", PATH, parsed(good("payments-jwt,", "fenced,")))
    first = {**created, "status": STATUS}
    assert server.ask("PUT", f"{PATH}/fenced/status", first)["status"] == STATUS
    assert server.ask("PUT", f"{PATH}/fenced/status", {**created, "status": {"phase": "New"}})["code"] == 409
