"""Credentials that others made, and that are in use."""

from __future__ import annotations

from collections.abc import Callable

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from tests.field.cases import case
from tests.field.place import SOON, Place, same, secret

_PEM = serialization.Encoding.PEM
_OLD = serialization.PrivateFormat.TraditionalOpenSSL
_PKCS8 = serialization.PrivateFormat.PKCS8
_RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
_EC = ec.generate_private_key(ec.SECP256R1())


def _text(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, form: serialization.PrivateFormat) -> bytes:
    return key.private_bytes(_PEM, form, serialization.NoEncryption())


KIDS = {
    "date": "2024-06-30",
    "address": "https://issuer.example/keys/7",
    "base64": "q+/9aA==",
    "blank": "old key",
    "script": "schlüssel-один",
    "long": "k" * 250,
}


def _keeps_the_kid(kid: str) -> Callable[[Place], None]:
    def act(place: Place) -> None:
        """A token of today is accepted by the new list under the key id that it carries."""
        key = RSAKey.import_key(_text(_RSA, _PKCS8))
        token = jwt.encode({"alg": "RS256", "kid": kid}, {"sub": "a"}, key)
        place.have(secret("signer", data={"pem": _text(_RSA, _PKCS8)}))
        place.declare(
            credential={"jwtSigningKey": {"algorithm": "RS256"}},
            takeOver={"secret": {"name": "signer", "key": "pem"}, "kid": kid},
            verifiers=[{"jwks": {"configMap": "public", **SOON}}],
            holders=[{"secret": {"name": "signer", "data": {"pem": "private_key"}}, "pickUp": "1s"}],
        )
        same("exit", place.run().code, 0)
        published = KeySet.import_key_set({"keys": place.keys("ConfigMap", "public")})
        same("the subject", jwt.decode(token, published, algorithms=["RS256"]).claims["sub"], "a")

    return act


for _name, _kid in KIDS.items():
    case(f"15-kid-{_name}")(_keeps_the_kid(_kid))
