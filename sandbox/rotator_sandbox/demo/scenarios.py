"""What the demo declares: four rotations on a compressed clock, and the workloads that depend on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MAX_AGE = 1.0
"""How long verifiers may cache, in seconds."""
PROPAGATION = 0.5
"""From the write to where verifiers read."""
TOKEN_TTL = 2.0
CLOCK_SKEW = 1.0
PICK_UP = 1.0
"""Within what time a holder that is not restarted reads again."""
EVERY = 9.0
STALEST = MAX_AGE + PROPAGATION
"""How old a verifier's copy may be."""

JWKS_MAP, JWKS_KEY = "payments-jwks", "jwks.json"
SIGNING_SECRET = "payments-signing-key"  # noqa: S105 - the name of an object
ORDERS_LIST, ORDERS_SECRET = "orders-accepted", "orders-token-secret"
COOKIE_LIST, COOKIE_KEY, COOKIE_SECRET = "cookie-accepted", "accepted", "cookie-secret"
CLIENT, CLIENT_SECRET = "shop", "shop-client"
ROBOT, ROBOT_SECRET, ROBOT_KEY = "rotator", "sso-rotator", "client_secret"
"""The client by which rotator is let in at the identity provider, and where its own secret is."""
JWKS_PATH = "/.well-known/jwks.json"


@dataclass(frozen=True, slots=True)
class Scenario:
    """One rotation of the demo: its declaration, and who depends on it."""

    name: str
    kind: str
    """The credential kind; each has a CronJob of its own."""
    policy: str
    ring: str
    """Where its ring is kept: a path of Vault's `rotator` mount, or empty for the Secret `rotation-NAME`."""
    consumers: str = ""
    """The path of Vault's `secret` mount that it delivers to, if any."""
    holder: str = ""
    """The Secret that it delivers to."""
    workloads: tuple[tuple[str, int], ...] = ()
    """The Deployments that are restarted, and their replicas."""
    variables: Mapping[str, str] = field(default_factory=lambda: _SIGNING)
    """What their pods read at their start: environment variables, and the data keys that they are of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Realm:
    """Where the identity provider is, as a declaration names it."""

    url: str
    name: str
    ca_file: str

    @property
    def issuer(self) -> str:
        """As its tokens name it."""
        return f"{self.url}/realms/{self.name}"


_SIGNING: Mapping[str, str] = {"SIGNING_KEY": "key", "SIGNING_KID": "kid"}
_LOGGING_IN: Mapping[str, str] = {"OAUTH_CLIENT_ID": "client_id", "OAUTH_CLIENT_SECRET": "client_secret"}


_CACHE = f"maxAge: {MAX_AGE:g}s, propagation: {PROPAGATION * 1000:g}ms"
_RESTART = "restart: {workloads: auto, timeout: 40s, soak: 0s}"


def _policy(name: str, namespace: str, credential: str, parts: str) -> str:
    return f"""\
apiVersion: rotator.dev/v1alpha1
kind: Rotation
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  credential:
    {credential}
  every: {EVERY:g}s
  overlap: {{tokenTTL: {TOKEN_TTL:g}s, clockSkew: {CLOCK_SKEW:g}s}}
{parts}"""


def _payments(namespace: str, jwks_url: str) -> Scenario:
    """A JWT signing key: pods that are restarted, a program that reads Vault again, verifiers over HTTP."""
    parts = f"""\
  store:
    vault: {{mount: rotator, path: payments/jwt}}
  verifiers:
    - jwks: {{configMap: {JWKS_MAP}, key: {JWKS_KEY}, {_CACHE}, served: {{path: {JWKS_PATH}}}}}
  holders:
    - secret: {{name: {SIGNING_SECRET}, data: {{key: private_key, kid: kid}}}}
      {_RESTART}
    - vault: {{mount: secret, path: payments/jwt}}
      pickUp: {PICK_UP:g}s
  gates:
    beforeActivate: [{{jwksProbe: {{url: "{jwks_url}", times: 2}}}}]
"""
    return Scenario(
        "payments-jwt",
        "jwtSigningKey",
        _policy("payments-jwt", namespace, "jwtSigningKey: {algorithm: ES256}", parts),
        ring="payments/jwt",
        consumers="payments/jwt",
        holder=SIGNING_SECRET,
        workloads=(("payments-api", 2), ("payments-batch", 1)),
    )


def _orders(namespace: str) -> Scenario:
    """A shared HMAC key, kept in Kubernetes alone."""
    parts = f"""\
  store:
    kubernetes: {{}}
  verifiers:
    - jwks: {{secret: {ORDERS_LIST}, key: {JWKS_KEY}, {_CACHE}}}
  holders:
    - secret: {{name: {ORDERS_SECRET}, data: {{key: value, kid: kid}}}}
      {_RESTART}
"""
    return Scenario(
        "orders-hs256",
        "sharedSecret",
        _policy("orders-hs256", namespace, "sharedSecret: {algorithm: HS256}", parts),
        ring="",
        holder=ORDERS_SECRET,
        workloads=(("orders-api", 2),),
    )


def _shop(namespace: str) -> Scenario:
    """A cookie secret, which its program reads again by itself."""
    parts = f"""\
  store:
    vault: {{mount: rotator, path: shop/cookie}}
  verifiers:
    - acceptedList: {{secret: {COOKIE_LIST}, key: {COOKIE_KEY}, {_CACHE}}}
  holders:
    - secret: {{name: {COOKIE_SECRET}, data: {{key: value, kid: kid}}}}
      pickUp: {PICK_UP:g}s
"""
    return Scenario(
        "shop-cookie",
        "sharedSecret",
        _policy("shop-cookie", namespace, "sharedSecret: {length: 40}", parts),
        ring="shop/cookie",
        holder=COOKIE_SECRET,
    )


def _client(namespace: str, realm: Realm) -> Scenario:
    """An OAuth client that has been in use: pods that are restarted, and a program that reads Vault again, log in as it."""
    credential = (
        f"oauthClient: {{clientId: {CLIENT}, issuer: {realm.issuer}, login: {{caFile: {realm.ca_file}}}}}"
    )
    parts = f"""\
  takeOver: {{provider: {{}}}}
  store:
    vault: {{mount: rotator, path: shop/client}}
  verifiers:
    - keycloak:
        url: {realm.url}
        realm: {realm.name}
        caFile: {realm.ca_file}
        propagation: {PROPAGATION * 1000:g}ms
        ensurePolicy: true
        auth: {{client: {{clientId: {ROBOT}, secret: {{secret: {{name: {ROBOT_SECRET}, key: {ROBOT_KEY}}}}}}}}}
  holders:
    - secret: {{name: {CLIENT_SECRET}}}
      {_RESTART}
    - vault: {{mount: secret, path: shop/client}}
      pickUp: {PICK_UP:g}s
"""
    return Scenario(
        "shop-oauth",
        "oauthClient",
        _policy("shop-oauth", namespace, credential, parts),
        ring="shop/client",
        consumers="shop/client",
        holder=CLIENT_SECRET,
        workloads=(("shop-checkout", 2),),
        variables=_LOGGING_IN,
    )


def scenarios(namespace: str, jwks_url: str, realm: Realm) -> tuple[Scenario, ...]:
    """Return the four rotations."""
    return _payments(namespace, jwks_url), _orders(namespace), _shop(namespace), _client(namespace, realm)


def deployment(
    name: str, replicas: int, secret: str, variables: Mapping[str, str] = _SIGNING
) -> dict[str, Any]:
    """Return a Deployment whose pods read a Secret at their start, by environment variables, as most programs do."""

    def variable(env: str, key: str) -> dict[str, Any]:
        return {"name": env, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}

    container = {
        "name": "app",
        "image": "registry.k8s.io/pause:3.10",
        "env": [variable(env, key) for env, key in variables.items()],
    }
    spec = {"containers": [container], "terminationGracePeriodSeconds": 1}
    labels = {"app": name}
    return {
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }
