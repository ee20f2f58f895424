"""A gateway, mesh or proxy that fetches the JWK Set by itself: rotator tells it nothing, and sees what it knows.

How long each keeps what it fetched, by default:

- Envoy: `cache_duration`, https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/http/jwt_authn/v3/config.proto
- Envoy Gateway: `remoteJWKS.cacheDuration`, https://gateway.envoyproxy.io/docs/api/extension_types/#remotejwks
- Istio: `PILOT_JWT_PUB_KEY_REFRESH_INTERVAL` is 20 minutes, and up to 60 after fetches that failed
  (https://github.com/istio/istio/blob/master/pilot/pkg/features/pilot.go, https://github.com/istio/istio/issues/41588). istiod pushes what it
  fetched after at most 10 s (`PILOT_DEBOUNCE_MAX`), and connections that were open go on with the old set until they are drained, 45 s
  (`drainDuration`, https://istio.io/latest/docs/reference/config/istio.mesh.v1alpha1/).
- Kong keeps nothing: it looks a credential up for each request. Another verifier tells it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from rotator.credentials.jwt_signing_key import SIGNING_KEY
from rotator.kinds import ENDPOINT_SLICE, Address
from rotator.systems.verifier import VerifierKind, milliseconds, needed
from rotator.vocabulary.checks import Check, each, when
from rotator.vocabulary.footprint import Home, Touch, Use
from rotator.vocabulary.types import URL, Duration, JobFile, Model, Name, Namespace, Rule

_AGE_NEEDED = "maxAge: how long does it keep a JWK Set? Expected maxAge, for nothing is known of this product"
_TEXTS_NEEDED = "answers: what does it answer with? Expected answers, for nothing is known of this product"
_ONLY_RSA = "Edge Stack verifies RSA signatures only; expected RS256, RS384 or RS512"


@dataclass(frozen=True, slots=True)
class Product:
    """What is known of a product, where nothing else is declared."""

    keeps: timedelta | None
    """How long it keeps a JWK Set; None: that depends on how it is set up."""
    travel: timedelta = timedelta()
    """From when it has a new set until all connections are checked with that."""
    says: bool = True
    """Whether its answers tell a known key from an unknown one."""


PRODUCTS = {
    "Envoy": Product(timedelta(minutes=10)),
    "EnvoyGateway": Product(timedelta(minutes=5)),
    "Istio": Product(timedelta(minutes=60), timedelta(seconds=60)),
    "Kong": Product(timedelta()),
    "EdgeStack": Product(None, says=False),
    "Other": Product(None, says=False),
}


_OF_NO_AGE = [name for name, product in PRODUCTS.items() if product.keeps is None]
_SILENT = [name for name, product in PRODUCTS.items() if not product.says]


class ProxyService(Model):
    """The Service whose endpoints are asked, each by itself: a load balancer would answer for one of them."""

    name: Name = Field(description="The Service.")
    namespace: Namespace | None = Field(
        None, description="The Service's namespace. Default: the rotation's own."
    )
    port: int = Field(ge=1, le=65535, description="The port on which each pod of the proxy listens.")


class Answers(Model):
    """What the gateway answers to a token that nobody signed."""

    known: str = Field(
        min_length=1,
        max_length=256,
        description="A part of its answer where it knows the key and the signature is wrong.",
    )
    unknown: str = Field(
        min_length=1, max_length=256, description="A part of its answer where it does not know the key."
    )

    rules = (Rule("self.known != self.unknown", "expected two texts that differ"),)

    @model_validator(mode="after")
    def _differ(self) -> Self:
        if self.known == self.unknown:
            raise ValueError("expected two texts that differ")
        return self


class Gateway(VerifierKind):
    """A gateway that fetches the JWK Set by itself. It is asked with a token that nobody signed whether it knows a key."""

    declared_as: ClassVar[str] = "gateway"
    suits: ClassVar[tuple[str, ...]] = (SIGNING_KEY,)
    for_one: ClassVar[bool] = False
    checks: ClassVar[tuple[Check, ...]] = (
        Check(
            "GatewayAlone",
            "a gateway fetches what somebody else publishes; expected the verifier that publishes it as well, as jwks",
            when(lambda policy: all(isinstance(v.one, Gateway) for v in policy.spec.verifiers), "verifiers"),
            "self.verifiers.exists(v, !has(v.gateway))",
            field=".verifiers",
        ),
        Check(
            "EdgeStackAlgorithm",
            _ONLY_RSA,
            each(
                "verifiers", lambda policy, v: _is_edge_stack(v) and not _is_rsa(policy), "gateway", "product"
            ),
            "!self.verifiers.exists(v, has(v.gateway) && v.gateway.product == 'EdgeStack') || "
            "(has(self.credential.jwtSigningKey) && has(self.credential.jwtSigningKey.algorithm) && "
            "self.credential.jwtSigningKey.algorithm.startsWith('RS'))",
            field=".verifiers",
        ),
    )

    product: Literal["Envoy", "EnvoyGateway", "Istio", "Kong", "EdgeStack", "Other"] = Field(
        description="What it is: this sets the defaults of maxAge, propagation and answers."
    )
    url: str = Field(
        pattern=URL,
        max_length=1024,
        description="A route that demands a token, as https://api.example.com/orders.",
    )
    service: ProxyService | None = Field(
        None,
        description="Ask each pod of this Service by itself, for the host of the url. Default: the url alone is asked.",
    )
    issuer: str | None = Field(
        None, min_length=1, max_length=1024, description="The iss of the token that nobody signed."
    )
    audience: str | None = Field(
        None, min_length=1, max_length=1024, description="The aud of the token that nobody signed."
    )
    times: int = Field(
        5,
        ge=1,
        le=100,
        description="How many times in a row, each on a new connection: the threads of a proxy may each have a cache.",
    )
    max_age: Duration | None = Field(
        None,
        description="How long the gateway keeps a JWK Set. Default: 10m for Envoy, 5m for EnvoyGateway, 60m for Istio, 0s for Kong.",
    )
    propagation: Duration | None = Field(
        None,
        description="From a new set until it counts on connections that were open. Default: 60s for Istio, else 0s.",
    )
    answers: Answers | None = Field(
        None, description="What it answers. Default: what Envoy, Envoy Gateway, Istio and Kong answer."
    )
    ca_file: JobFile | None = Field(
        None, description="A PEM bundle to verify the server with; default: the system's."
    )

    rules = (
        Rule(f"has(self.maxAge) || !(self.product in {_OF_NO_AGE})", _AGE_NEEDED),
        Rule(f"has(self.answers) || !(self.product in {_SILENT})", _TEXTS_NEEDED),
    )

    @model_validator(mode="after")
    def _says_what_is_not_known(self) -> Self:
        if self.max_age is None and self.what.keeps is None:
            raise ValueError(_AGE_NEEDED)
        if self.answers is None and not self.what.says:
            raise ValueError(_TEXTS_NEEDED)
        return self

    @property
    def what(self) -> Product:
        """What is known of the product."""
        return PRODUCTS[self.product]

    def titles(self, home: Home) -> tuple[str, ...]:
        """Return what it is called: `gateway https://api.example.com/orders`."""
        del home
        return (f"gateway {self.url}",)

    def cache(self, *, restarted: bool) -> timedelta:
        """How long it keeps a JWK Set."""
        del restarted
        return self.max_age if self.max_age is not None else self.what.keeps or timedelta()

    @property
    def travel(self) -> timedelta:
        """The propagation that counts."""
        return self.what.travel if self.propagation is None else self.propagation

    @classmethod
    def stale(cls) -> str:
        """Return, in CEL, the milliseconds for which it may have what was there before."""
        keeps = {name: product.keeps for name, product in PRODUCTS.items()}
        return " + ".join(
            (
                _given_or("maxAge", {name: age for name, age in keeps.items() if age}),
                _given_or("propagation", {name: p.travel for name, p in PRODUCTS.items() if p.travel}),
            )
        )

    def touches(self, home: Home) -> Iterator[Touch]:
        """The endpoints of its Service are listed: no Role can name EndpointSlices."""
        if self.service:
            namespace = self.service.namespace or home.namespace
            yield Touch(Address(ENDPOINT_SLICE, namespace), Use.LISTED, (self.camel(), "service"))


def _given_or(field: str, defaults: dict[str, timedelta]) -> str:
    """Return, in CEL, the milliseconds of a field of the gateway `v`, or the default of its product."""
    at, otherwise = "v.gateway", "0"
    for name, default in defaults.items():
        otherwise = f"{at}.product == '{name}' ? {milliseconds(default)} : {otherwise}"
    return f"(has({at}.{field}) ? {needed(f'{at}.{field}')} : ({otherwise}))"


def _is_edge_stack(verifier: Any) -> bool:
    return isinstance(verifier.one, Gateway) and verifier.one.product == "EdgeStack"


def _is_rsa(policy: Any) -> bool:
    algorithm: str = getattr(policy.spec.credential.one, "algorithm", "") or ""
    return algorithm.startswith("RS")
