"""Credentials that others made, and that are in use."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from tests.field.cases import case
from tests.field.place import SOON, Place, by_env, deployment, same, secret

_PEM = serialization.Encoding.PEM
_OLD = serialization.PrivateFormat.TraditionalOpenSSL
_PKCS8 = serialization.PrivateFormat.PKCS8
_RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
_EC = ec.generate_private_key(ec.SECP256R1())


def _text(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, form: serialization.PrivateFormat) -> bytes:
    return key.private_bytes(_PEM, form, serialization.NoEncryption())


FORMS: dict[str, tuple[str, bytes]] = {
    "pkcs1": ("RS256", _text(_RSA, _OLD)),
    "sec1": ("ES256", _text(_EC, _OLD)),
    "crlf": ("RS256", _text(_RSA, _PKCS8).replace(b"\n", b"\r\n")),
    "no-last-line-end": ("ES256", _text(_EC, _PKCS8).rstrip()),
    "text-around": ("RS256", b"made by somebody\n" + _text(_RSA, _OLD) + b"\n# keep\n"),
}


def _is_taken_over_as_it_is(form: str) -> Callable[[Place], None]:
    algorithm, text = FORMS[form]

    def act(place: Place) -> None:
        """A key in any form of PEM is taken over, stays as found, and restarts nobody."""
        place.have(
            secret("signer", data={"tls.key": text}), deployment("issuer", by_env("signer", "tls.key"))
        )
        place.declare(
            credential={
                "jwtSigningKey": {"algorithm": algorithm, **({"bits": 2048} if algorithm == "RS256" else {})}
            },
            takeOver={"secret": {"name": "signer", "key": "tls.key"}, "kid": "of-today"},
            verifiers=[{"jwks": {"configMap": "public", **SOON}}],
            holders=[
                {
                    "secret": {"name": "signer", "data": {"tls.key": "private_key"}},
                    "restart": {"workloads": "auto"},
                }
            ],
        )
        runs = place.live()
        same("restarts", [s for r in runs for s in r.restarts()], [])
        same("the key as its reader finds it", place.data("Secret", "signer")["tls.key"], text)
        same("published", [k["kid"] for k in place.keys("ConfigMap", "public")], ["of-today"])

    return act


for _form in FORMS:
    case(f"01-{_form}")(_is_taken_over_as_it_is(_form))


@case("03-added-kid")
def _(place: Place) -> None:
    """A key id that is added beside a key that stays as it was restarts nobody."""
    key = _text(_RSA, _PKCS8)
    place.have(secret("signer", data={"pem": key}), deployment("issuer", by_env("signer", "pem"), replicas=2))
    before = place.template("issuer")
    place.declare(
        credential={"jwtSigningKey": {"algorithm": "RS256", "bits": 2048}},
        takeOver={"secret": {"name": "signer", "key": "pem"}, "kid": "of-2023"},
        verifiers=[{"jwks": {"configMap": "public", **SOON}}],
        holders=[
            {
                "secret": {"name": "signer", "data": {"pem": "private_key", "kid": "kid"}},
                "restart": {"workloads": "auto", "soak": "0s"},
            }
        ],
    )
    place.live()
    same("the template", place.template("issuer"), before)
    same("the key", place.data("Secret", "signer")["pem"], key)
    same("the key id", place.data("Secret", "signer")["kid"], b"of-2023")


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


def _shared(place: Place, credential: dict[str, object], value: bytes, verifier: dict[str, object]) -> None:
    place.have(secret("session", data={"SECRET": value}))
    place.declare(
        credential={"sharedSecret": credential},
        takeOver={"secret": {"name": "session", "key": "SECRET"}},
        verifiers=[verifier],
        holders=[{"secret": {"name": "session", "data": {"SECRET": "value"}}, "pickUp": "1s"}],
    )


LINES = {
    "line-end": b"a-passphrase-that-echo-ended-with-a-line\n",
    "two-lines": b"the-first-half-of-a-long-secret\nthe-second-half-of-it",
    "windows": b"a-passphrase-that-notepad-has-ended-well\r\n",
}


def _is_no_list_of_lines(value: bytes) -> Callable[[Place], None]:
    def act(place: Place) -> None:
        """A secret with a line end never makes an accepted list with entries that nobody has."""
        _shared(
            place, {"length": 40}, value, {"acceptedList": {"secret": "accepted", "format": "lines", **SOON}}
        )
        ran = place.run()
        same("exit and result", (ran.code, ran.row["result"]), (1, "Frozen"))
        same("what exists", place.names("Secret"), {"session"})
        same("the secret", place.data("Secret", "session"), {"SECRET": value})

    return act


for _name, _value in LINES.items():
    case(f"02-{_name}")(_is_no_list_of_lines(_value))


@case("02-short-hmac")
def _(place: Place) -> None:
    """A secret that is too short is taken over, and replaced at once without refusing its tokens."""
    weak = "too-short-a-key"
    _shared(place, {"algorithm": "HS256"}, weak.encode(), {"jwks": {"secret": "accepted", **SOON}})
    place.live()
    same("whether it was replaced", place.data("Secret", "session")["SECRET"] == weak.encode(), False)
    same("accepted", len(place.keys("Secret", "accepted")), 1)


@case("02-raw-bytes")
def _(place: Place) -> None:
    """Bytes that are no text are taken over, and stand in a list of texts as what they are, encoded."""
    value = bytes(range(180, 212))
    _shared(place, {"bytes": 32, "encoding": "hex"}, value, {"acceptedList": {"secret": "accepted", **SOON}})
    same("exit", place.run().code, 0)
    same("the secret", place.data("Secret", "session"), {"SECRET": value})
    (entry,) = json.loads(place.data("Secret", "accepted")["accepted"])
    same("the entry", (base64.b64decode(entry["value"]), entry.get("encoding")), (value, "base64"))


@case("27-hmac-decoded")
def _(place: Place) -> None:
    """A service that decodes its HMAC key goes on: its tokens of today are accepted, and so are those of tomorrow."""
    key = bytes(range(32))
    written = base64.b64encode(key)
    spec: dict[str, object] = {"algorithm": "HS256", "encoding": "base64"}
    _shared(place, spec, written, {"jwks": {"secret": "accepted", **SOON}})
    place.live()
    same("the value", place.data("Secret", "session"), {"SECRET": written})
    same("the key", [_octets(k["k"]) for k in place.keys("Secret", "accepted")], [key])
    place.wait(place.rotate())
    place.live()
    after = place.data("Secret", "session")["SECRET"]
    same("whether it was rotated", after == written, False)
    same("the key", [_octets(k["k"]) for k in place.keys("Secret", "accepted")], [base64.b64decode(after)])


def _octets(text: str) -> bytes:
    return base64.urlsafe_b64decode(f"{text}==")
