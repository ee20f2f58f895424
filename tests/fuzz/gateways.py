"""What is read of gateways: EndpointSlices, a mesh's rules, Kong's consumer with its credentials, and refusals."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

from rotator import kinds
from rotator.clients.clock import RunClock
from rotator.core.reading import Unreadable, parse
from rotator.core.sensitive import Sensitive
from rotator.core.shapes import fitting, record, whole
from rotator.credentials.jwt_signing_key.maker import JwtSigningKey
from rotator.kinds import Address, Kind
from rotator.ports import Aim, Call, Copy
from rotator.ports.stamp import Signature
from rotator.systems.gateway.probe import said
from rotator.systems.istio.target import FIELD, IssuerRule
from rotator.systems.kong.client import KongCredentials
from rotator.systems.kubernetes.api import Json, KubernetesApi
from rotator.systems.kubernetes.endpoints import endpoints
from rotator.systems.kubernetes.objects import SHAPES
from rotator.systems.shared_set import SharedJwkSet

META = {"name": "api", "namespace": "n", "resourceVersion": "7", "generation": 2}
SLICE = {
    "metadata": META,
    "addressType": "IPv4",
    "endpoints": [
        {"addresses": ["10.0.0.1"], "conditions": {"ready": True, "serving": True, "terminating": False}}
    ],
    "ports": [{"port": 8443}],
}
RULES = {
    "metadata": {**META, "annotations": {"rotator.dev/sharer-x": "{}"}},
    "spec": {
        "jwtRules": [
            {"issuer": "i", "jwks": '{"keys": [{"kty": "OKP", "kid": "k"}]}'},
            {"issuer": "other", "jwksUri": "https://other.example"},
        ]
    },
}
KONG = {
    "consumer": {
        "metadata": {**META, "annotations": {"kubernetes.io/ingress.class": "kong"}},
        "credentials": ["theirs", "kong-a-0"],
        "status": {"conditions": [{"type": "Programmed", "status": "True", "observedGeneration": 2}]},
    },
    "secret": {
        "metadata": {
            **META,
            "annotations": {"rotator.dev/rotation": "n/a"},
            "labels": {"konghq.com/credential": "jwt"},
        },
        "data": {"key": "aw==", "algorithm": "RVMyNTY=", "rsa_public_key": "eA=="},
    },
}
ANSWER = {"status": 401, "text": "Jwt verification fails"}
_CREDENTIAL = JwtSigningKey("ES256", 3072)
_MADE = _CREDENTIAL.make("n/a", 1)


class _Api:
    """Answers every read with what was read, as the client would show it, and takes every write."""

    def __init__(self, documents: Callable[[Kind], object]) -> None:
        self._documents = documents

    def get(self, kind: Kind, namespace: str, name: str) -> Json:
        """Return the document of a kind."""
        del namespace, name
        return SHAPES[kind](self._documents(kind))

    def list(self, kind: Kind, namespace: str, **_: object) -> Iterator[Json]:
        """Yield it."""
        yield self.get(kind, namespace, "")

    def patch(self, kind: Kind, namespace: str, name: str, changes: Json) -> Json:
        """Write nothing."""
        del changes
        return self.get(kind, namespace, name)

    def create(self, kind: Kind, namespace: str, document: Json) -> Json:
        """Write nothing."""
        del document
        return self.get(kind, namespace, "")

    def delete(self, *_: object) -> None:
        """Delete nothing."""


def _api(documents: Callable[[Kind], object]) -> KubernetesApi:
    return cast("KubernetesApi", _Api(documents))


def _slice(octets: bytes) -> None:
    document = parse(octets)
    endpoints(_api(lambda _: document), "n", "proxy")


def _rules(octets: bytes) -> None:
    document = parse(octets)
    at = Address(kinds.REQUEST_AUTHENTICATION, "n", "api")
    rule = IssuerRule(_api(lambda _: document), at, Signature("n/a"), issuer="i")
    part = SharedJwkSet(rule, _CREDENTIAL, FIELD, RunClock(sleep=lambda _: None))
    seen = part.read(())
    rule.obstacle([FIELD], adopted=False)
    part.beside()
    assert seen
    rule.remove([FIELD], seen, {FIELD: Sensitive("{}")})


def _kong(octets: bytes) -> None:
    found = parse(octets)
    documents: Mapping[str, object] = found if isinstance(found, dict) else {}
    api = _api(lambda kind: documents.get("consumer" if kind is kinds.KONG_CONSUMER else "secret"))
    consumer = Address(kinds.KONG_CONSUMER, "n", "api")
    slots = tuple(Address(kinds.SECRET, "n", f"kong-a-{slot}") for slot in range(3))
    at = KongCredentials(api, _CREDENTIAL, consumer, slots)
    copy = Copy(_MADE.id, _MADE.material)
    for accept, forget in (((copy,), ()), ((), (copy,))):
        aim = Aim(rotation="n/a", accept=accept, forget=forget, known=frozenset({copy.id}), settled=False)
        if isinstance(call := at.next_call(aim), Call):
            call.run()


def _answer(octets: bytes) -> None:
    status = fitting(record({"status": whole}), _parsed(octets), {"status": 401})["status"]
    said(status, octets.decode(errors="replace"), None)


def _parsed(octets: bytes) -> object:
    try:
        return parse(octets)
    except Unreadable:
        return None


READERS: Mapping[str, tuple[Any, Callable[[bytes], None]]] = {
    "endpoints": (SLICE, _slice),
    "rules": (RULES, _rules),
    "kong": (KONG, _kong),
    "refusal": (ANSWER, _answer),
}
