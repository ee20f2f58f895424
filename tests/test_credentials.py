"""Credential kinds: what they make works in popular libraries, and its ids and sizes are what RFCs say."""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import string
from collections.abc import Callable, Mapping
from typing import Any

import jwt as pyjwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jwk
from joserfc import jwt as jose

from rotator.core.sensitive import Sensitive
from rotator.credentials.jwt_signing_key.maker import ALGORITHMS, RSA_ALGORITHMS, JwtSigningKey
from rotator.credentials.shared_secret.maker import ALPHANUMERIC, HMAC_BYTES, SharedSecret
from rotator.ports import Made

CLAIMS = {"sub": "payments"}
NEW_NAME = pytest.mark.filterwarnings("ignore:EdDSA is deprecated via RFC 9864")
"""joserfc prefers the name Ed25519; RFC 8037's EdDSA is what is deployed."""
PRIVATE_MEMBERS = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}
REQUIRED_MEMBERS = {"RSA": ("e", "kty", "n"), "EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x")}
"""The members a thumbprint is made of, in order (RFC 7638, section 3.2; RFC 8037, section 2)."""


def kind(algorithm: str) -> JwtSigningKey:
    """Return the kind, with the smallest RSA keys allowed: they are made many times here."""
    return JwtSigningKey(algorithm, 2048)


@functools.cache
def key(algorithm: str) -> Made:
    """Return one key for each algorithm."""
    return kind(algorithm).make("payments/jwt", 1)


def public(algorithm: str) -> Mapping[str, Any]:
    """Return what a verifier is given."""
    return kind(algorithm).accepted(key(algorithm).id, key(algorithm).material)


def fields(algorithm: str) -> Mapping[str, Sensitive]:
    """Return what a holder is given."""
    return kind(algorithm).fields(key(algorithm).id, key(algorithm).material)


def thumbprint(document: Mapping[str, Any]) -> str:
    """Compute RFC 7638 by hand: SHA-256 of the required members, sorted, without white space."""
    members = ",".join(f'"{m}":"{document[m]}"' for m in REQUIRED_MEMBERS[document["kty"]])
    return base64.urlsafe_b64encode(hashlib.sha256(f"{{{members}}}".encode()).digest()).rstrip(b"=").decode()


def unpadded(text: str) -> bytes:
    """Read base64url without padding."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


# --- signing keys -------------------------------------------------------------------------------------------


RFC_7638_EXAMPLE: dict[str, str | list[str]] = {
    "kty": "RSA",
    "n": (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMs"
        "tn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbI"
        "SD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
    ),
    "e": "AQAB",
    "alg": "RS256",
    "kid": "2011-04-29",
}
"""RFC 7638, section 3.1."""


def test_the_thumbprint_is_the_one_of_the_rfc() -> None:
    """Proves that this file's computation, and the library that makes our ids, agree with RFC 7638's example."""
    expected = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
    assert thumbprint(RFC_7638_EXAMPLE) == expected
    assert jwk.RSAKey.import_key(RFC_7638_EXAMPLE).thumbprint() == expected


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_id_is_the_rfc_7638_thumbprint(algorithm: str) -> None:
    """Proves that anybody can compute our key ids from the key."""
    assert key(algorithm).id == thumbprint(public(algorithm))
    assert public(algorithm)["kid"] == key(algorithm).id
    assert fields(algorithm)["kid"].reveal() == key(algorithm).id


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_public_jwk_has_no_private_members(algorithm: str) -> None:
    """Proves I8 for what every verifier reads, and that the holder's JWK does have them."""
    assert not PRIVATE_MEMBERS & set(public(algorithm))
    assert PRIVATE_MEMBERS & set(json.loads(fields(algorithm)["jwk"].reveal()))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_jwk_says_what_it_is_for(algorithm: str) -> None:
    """Proves `use` and `alg` (RFC 7517, section 4), so that no verifier takes it for anything else."""
    for document in (public(algorithm), json.loads(fields(algorithm)["jwk"].reveal())):
        assert (document["use"], document["alg"]) == ("sig", algorithm)
    assert fields(algorithm)["algorithm"].reveal() == algorithm


@NEW_NAME
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_pyjwt_signs_with_the_private_key_and_joserfc_verifies(algorithm: str) -> None:
    """Proves that a token made from the PEM is accepted by the public JWK, in another library."""
    token = pyjwt.encode(
        CLAIMS, fields(algorithm)["private_key"].reveal(), algorithm, {"kid": key(algorithm).id}
    )
    verifier = jwk.import_key(dict(public(algorithm)))
    assert jose.decode(token, verifier, algorithms=[algorithm]).claims == CLAIMS


@NEW_NAME
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_joserfc_signs_with_the_jwk_and_pyjwt_verifies(algorithm: str) -> None:
    """Proves that a token made from the private JWK is accepted by the public JWK and by the public PEM."""
    signer = jwk.import_key(json.loads(fields(algorithm)["jwk"].reveal()))
    token = jose.encode({"alg": algorithm, "kid": key(algorithm).id}, CLAIMS, signer, algorithms=[algorithm])
    assert pyjwt.decode(token, pyjwt.PyJWK(dict(public(algorithm))), [algorithm]) == CLAIMS
    assert pyjwt.decode(token, fields(algorithm)["public_key"].reveal(), [algorithm]) == CLAIMS


@pytest.mark.parametrize("algorithm", ["ES256", "ES384", "ES512", "RS256", "PS512", "EdDSA"])
def test_another_version_does_not_verify(algorithm: str) -> None:
    """Proves that two makes differ, in key and in id."""
    other = kind(algorithm).make("payments/jwt", 1)
    assert other.id != key(algorithm).id
    token = pyjwt.encode(CLAIMS, other.material["private_key"].reveal(), algorithm)
    with pytest.raises(pyjwt.InvalidSignatureError):
        pyjwt.decode(token, fields(algorithm)["public_key"].reveal(), [algorithm])


def test_keys_have_the_size_of_their_algorithm() -> None:
    """Proves the curve of each ES (RFC 7518, section 3.4), Ed25519, the RSA exponent, and that PEM is PKCS #8."""
    curves = {"ES256": "secp256r1", "ES384": "secp384r1", "ES512": "secp521r1"}
    for algorithm in ALGORITHMS:
        pem = fields(algorithm)["private_key"].octets()
        assert pem.startswith(b"-----BEGIN PRIVATE KEY-----")
        private = load_pem_private_key(pem, None)
        if algorithm in curves:
            assert isinstance(private, ec.EllipticCurvePrivateKey)
            assert private.curve.name == curves[algorithm]
        elif algorithm == "EdDSA":
            assert isinstance(private, ed25519.Ed25519PrivateKey)
        else:
            assert isinstance(private, rsa.RSAPrivateKey)
            assert private.key_size == 2048
            assert private.private_numbers().public_numbers.e == 65537


def test_rsa_keys_have_3072_bits_unless_told_otherwise() -> None:
    """Proves the default, and that the size is part of the fingerprint: a change of it is a reason to rotate."""
    default = JwtSigningKey("PS256")
    private = load_pem_private_key(default.make("a/b", 1).material["private_key"].octets(), None)
    assert isinstance(private, rsa.RSAPrivateKey)
    assert private.key_size == 3072
    assert default.spec == "PS256-3072"
    assert JwtSigningKey("PS256", 4096).spec == "PS256-4096"
    assert {JwtSigningKey(a).spec for a in ALGORITHMS if a not in RSA_ALGORITHMS} == {
        "ES256",
        "ES384",
        "ES512",
        "EdDSA",
    }


def test_the_public_key_field_is_the_public_half() -> None:
    """Proves that the PEM pair belongs together, and that the public one is SPKI."""
    pem = fields("ES256")["public_key"].octets()
    assert pem.startswith(b"-----BEGIN PUBLIC KEY-----")
    private = load_pem_private_key(fields("ES256")["private_key"].octets(), None)
    assert load_pem_public_key(pem) == private.public_key()


def test_all_fields_are_hidden() -> None:
    """Proves that what a holder is handed cannot be printed, not even the harmless parts."""
    for algorithm in ALGORITHMS:
        assert set(repr(dict(fields(algorithm))).split()) >= {"[redacted],"}
        assert "BEGIN" not in repr(dict(fields(algorithm)))


def test_only_the_private_key_and_its_algorithm_are_kept() -> None:
    """Proves that everything else follows from these two."""
    assert set(key("ES256").material) == {"private_key", "algorithm"}


def test_a_version_keeps_its_own_algorithm() -> None:
    """Proves that a policy which asks for another algorithm by now does not rename the old key's."""
    old = key("RS256")
    assert kind("PS512").accepted(old.id, old.material)["alg"] == "RS256"
    assert kind("PS512").fields(old.id, old.material)["algorithm"].reveal() == "RS256"
    assert old.spec == "RS256-2048"


@pytest.mark.parametrize(
    "garbage", ["", "not a key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"]
)
def test_damaged_material_is_refused_without_being_quoted(garbage: str) -> None:
    """Proves that a damaged store is named, and that the error holds nothing of it."""
    with pytest.raises(ValueError, match="no unencrypted private key") as caught:
        kind("ES256").accepted("a", {"private_key": Sensitive(garbage)})
    assert "AAAA" not in repr(caught.value)


# --- shared secrets -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", HMAC_BYTES)
def test_the_string_and_the_jwk_are_the_same_hmac_key(algorithm: str) -> None:
    """Proves that an application with the string and one with the JWK accept each other's tokens."""
    secret = SharedSecret(algorithm=algorithm)
    made = secret.make("payments/webhook", 1)
    given_out = secret.fields(made.id, made.material)
    value, document = given_out["value"].reveal(), json.loads(given_out["jwk"].reveal())
    assert unpadded(document["k"]) == value.encode()
    assert document == secret.accepted(made.id, made.material)
    verifier = jwk.import_key(document)
    token = pyjwt.encode(CLAIMS, value, algorithm, {"kid": made.id})
    assert jose.decode(token, verifier, algorithms=[algorithm]).claims == CLAIMS
    token = jose.encode({"alg": algorithm}, CLAIMS, verifier, algorithms=[algorithm])
    assert pyjwt.decode(token, value, [algorithm]) == CLAIMS


@pytest.mark.parametrize(("algorithm", "size"), [("HS256", 32), ("HS384", 48), ("HS512", 64)])
def test_an_hmac_key_has_the_entropy_of_its_hash(algorithm: str, size: int) -> None:
    """Proves RFC 7518, section 3.2: as many random bytes as the hash has, written as text."""
    made = SharedSecret(algorithm=algorithm).make("a/b", 1)
    value = SharedSecret(algorithm=algorithm).fields(made.id, made.material)["value"].reveal()
    assert len(unpadded(value)) == size


@pytest.mark.no_cover
@settings(deadline=None)
@given(
    length=st.integers(16, 200),
    alphabet=st.sets(st.sampled_from(string.ascii_letters + string.digits + string.punctuation), min_size=10),
)
def test_an_opaque_value_has_its_length_and_its_alphabet(length: int, alphabet: set[str]) -> None:
    """Proves both parameters."""
    secret = SharedSecret(length=length, alphabet="".join(sorted(alphabet)))
    made = secret.make("a/b", 1)
    value = secret.fields(made.id, made.material)["value"].reveal()
    assert len(value) == length
    assert set(value) <= alphabet


def test_every_character_of_the_alphabet_is_used() -> None:
    """Proves that none is left out: 62 characters, 4096 draws (a miss has a chance of 62 * e**-66)."""
    secret = SharedSecret(length=4096)
    made = secret.make("a/b", 1)
    assert set(secret.fields(made.id, made.material)["value"].reveal()) == set(ALPHANUMERIC)


@pytest.mark.parametrize("size", [16, 32, 100])
def test_bytes_are_written_in_their_encoding(size: int) -> None:
    """Proves size and encoding, padding included."""
    readers: dict[str, Callable[[bytes], bytes]] = {
        "base64": base64.b64decode,
        "hex": lambda text: bytes.fromhex(text.decode()),
        "raw": bytes,
    }
    for encoding, reader in readers.items():
        secret = SharedSecret(size=size, encoding=encoding)
        made = secret.make("a/b", 1)
        assert len(reader(secret.fields(made.id, made.material)["value"].octets())) == size


def test_without_parameters_it_is_32_random_bytes_in_base64() -> None:
    """Proves the default."""
    made = SharedSecret().make("a/b", 1)
    given_out = SharedSecret().fields(made.id, made.material)
    assert len(base64.b64decode(given_out["value"].octets(), validate=True)) == 32
    assert set(given_out) == {"value", "kid", "algorithm"}
    assert given_out["algorithm"].reveal() == "opaque"


def test_an_opaque_secret_is_accepted_by_id_and_value() -> None:
    """Proves what a verifier's list is made of."""
    secret = SharedSecret(length=20)
    made = secret.make("a/b", 1)
    value = secret.fields(made.id, made.material)["value"].reveal()
    assert secret.accepted(made.id, made.material) == {"id": made.id, "value": value}


@pytest.mark.parametrize("secret", [SharedSecret(), SharedSecret(algorithm="HS256"), SharedSecret(length=40)])
def test_an_id_stands_for_one_value(secret: SharedSecret) -> None:
    """Proves that a ring which begins anew, at number 1, names another value otherwise; and the same value as before."""
    one, two = secret.make("a/b", 1), secret.make("a/b", 1)
    assert one.id != two.id
    value = secret.fields(one.id, one.material)["value"]
    assert secret.adopt(value, None, "a/b").id == one.id
    assert secret.adopt(value, None, "a/c").id != one.id


def test_an_id_is_a_slow_hash_of_rotation_and_value() -> None:
    """Proves the hash and its cost (scrypt, N=2^14, r=8, p=1, 64 bits): another one would give this value another id.

    Of two versions of rotator that disagree, one would take the other's secret for another; a cheaper hash makes each guess cheaper.
    """
    made = SharedSecret().adopt(Sensitive("correct horse battery staple"), None, "payments/cookie")
    assert made.id == "8cc24b15a022d1a5"


def test_each_form_has_its_own_fingerprint() -> None:
    """Proves that each change of the form is a reason to rotate."""
    forms = [
        SharedSecret(),
        SharedSecret(size=64),
        SharedSecret(encoding="hex"),
        SharedSecret(length=32),
        SharedSecret(length=33),
        SharedSecret(length=32, alphabet=string.digits),
        SharedSecret(algorithm="HS256"),
        SharedSecret(algorithm="HS512"),
    ]
    assert len({f.spec for f in forms}) == len(forms)
    assert SharedSecret(length=32).spec == SharedSecret(length=32, alphabet=ALPHANUMERIC).spec
