"""What the demo declares: three rotations on a compressed clock, and the workloads that depend on them."""

from __future__ import annotations

from dataclasses import dataclass
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


def scenarios(namespace: str, jwks_url: str) -> tuple[Scenario, ...]:
    """Return the three rotations."""
    cache = f"maxAge: {MAX_AGE:g}s, propagation: {PROPAGATION * 1000:g}ms"
    restart = "restart: {workloads: auto, timeout: 40s, soak: 0s}"
    jwt = f"""\
  store:
    vault: {{mount: rotator, path: payments/jwt}}
  verifiers:
    - jwks: {{configMap: {JWKS_MAP}, key: {JWKS_KEY}, {cache}}}
  holders:
    - secret: {{name: {SIGNING_SECRET}, data: {{key: private_key, kid: kid}}}}
      {restart}
    - vault: {{mount: secret, path: payments/jwt}}
      pickUp: {PICK_UP:g}s
  gates:
    beforeActivate: [{{jwksProbe: {{url: "{jwks_url}", times: 2}}}}]
"""
    hmac = f"""\
  store:
    kubernetes: {{}}
  verifiers:
    - jwks: {{secret: orders-accepted, key: {JWKS_KEY}, {cache}}}
  holders:
    - secret: {{name: orders-token-secret, data: {{key: value, kid: kid}}}}
      {restart}
"""
    cookie = f"""\
  store:
    vault: {{mount: rotator, path: shop/cookie}}
  verifiers:
    - acceptedList: {{secret: cookie-accepted, {cache}}}
  holders:
    - secret: {{name: cookie-secret, data: {{key: value, kid: kid}}}}
      pickUp: {PICK_UP:g}s
"""
    return (
        Scenario(
            "payments-jwt",
            "jwtSigningKey",
            _policy("payments-jwt", namespace, "jwtSigningKey: {algorithm: ES256}", jwt),
            ring="payments/jwt",
            consumers="payments/jwt",
            holder=SIGNING_SECRET,
            workloads=(("payments-api", 2), ("payments-batch", 1)),
        ),
        Scenario(
            "orders-hs256",
            "sharedSecret",
            _policy("orders-hs256", namespace, "sharedSecret: {algorithm: HS256}", hmac),
            ring="",
            holder="orders-token-secret",
            workloads=(("orders-api", 2),),
        ),
        Scenario(
            "shop-cookie",
            "sharedSecret",
            _policy("shop-cookie", namespace, "sharedSecret: {length: 40}", cookie),
            ring="shop/cookie",
            holder="cookie-secret",
        ),
    )


def deployment(name: str, replicas: int, secret: str) -> dict[str, Any]:
    """Return a Deployment whose pods read the key at their start, by environment variables, as most programs do."""

    def variable(env: str, key: str) -> dict[str, Any]:
        return {"name": env, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}

    container = {
        "name": "app",
        "image": "registry.k8s.io/pause:3.10",
        "env": [variable("SIGNING_KEY", "key"), variable("SIGNING_KID", "kid")],
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
