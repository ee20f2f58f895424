"""Private keys in use, in every form that people keep them in: each is read as the key it is, or refused with the reason."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from rotator.core.sensitive import Sensitive
from rotator.credentials.found import LARGEST, read_private_key
from rotator.credentials.keys import PrivateKey, same_key, to_jwk

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
WEAK = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 - such keys are in use
P256, P384, P521 = (ec.generate_private_key(c()) for c in (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1))
ED = ed25519.Ed25519PrivateKey.generate()
DSA = dsa.generate_private_key(1024)  # noqa: S505 - it is refused
OTHER = ec.generate_private_key(ec.SECP256R1())
KEYS: Mapping[str, PrivateKey] = {
    "rsa": RSA,
    "weak": WEAK,
    "p256": P256,
    "p384": P384,
    "p521": P521,
    "ed": ED,
}
PARAMETERS = b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"


def pkcs8(key: Any) -> bytes:
    """Write a key as rotator does."""
    return bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def traditional(key: Any) -> bytes:
    """Write PKCS #1 or SEC 1, as `openssl genrsa -traditional`, Go, Terraform and Helm do."""
    return bytes(key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()))


def der(key: Any) -> bytes:
    """Write PKCS #8 without PEM around it."""
    return bytes(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))


def public(key: Any) -> bytes:
    """Write the public key."""
    return bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def as_jwk(key: Any, **members: str) -> dict[str, Any]:
    """Write a private JWK."""
    return {**to_jwk(Sensitive(pkcs8(key))).as_dict(private=True), **members}


def one_line(pem: bytes) -> bytes:
    """Leave out the line ends of the body."""
    first, *body, last = pem.splitlines()
    return first + b"\n" + b"".join(body) + b"\n" + last


def encrypted(key: Any, form: PrivateFormat = PrivateFormat.PKCS8) -> bytes:
    """Protect a key with a password."""
    return bytes(key.private_bytes(Encoding.PEM, form, BestAvailableEncryption(b"password")))


def without_curve(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Write an ECPrivateKey that names no curve, as it stands inside PKCS #8 (RFC 5958)."""
    size = (key.curve.key_size + 7) // 8
    inner = b"\x02\x01\x01\x04" + bytes([size]) + key.private_numbers().private_value.to_bytes(size)
    body = base64.encodebytes(b"\x30" + bytes([len(inner)]) + inner)
    return b"-----BEGIN EC PRIVATE KEY-----\n" + body + b"-----END EC PRIVATE KEY-----\n"


WRITTEN: Mapping[str, Callable[[Any], bytes]] = {
    "PKCS #8": pkcs8,
    "without the last line end": lambda k: pkcs8(k).rstrip(),
    "two line ends": lambda k: pkcs8(k) + b"\n",
    "CRLF": lambda k: pkcs8(k).replace(b"\n", b"\r\n"),
    "CR": lambda k: pkcs8(k).replace(b"\n", b"\r"),
    "byte order mark": lambda k: b"\xef\xbb\xbf" + pkcs8(k),
    "one long line": lambda k: one_line(pkcs8(k)),
    "all in one line": lambda k: b" ".join(pkcs8(k).splitlines()),
    "written line ends": lambda k: pkcs8(k).replace(b"\n", b"\\n"),
    "in quotes": lambda k: b'"' + pkcs8(k).replace(b"\n", b"\\r\\n") + b'"',
    "indented": lambda k: b"".join(b"    " + line + b"\n" for line in pkcs8(k).splitlines()),
    "trailing blanks": lambda k: pkcs8(k).replace(b"\n", b" \t\n"),
    "text around, in an old encoding": lambda k: "friendlyName: Schlüssel\n".encode("latin-1") + pkcs8(k),
    "text around": lambda k: b"Bag Attributes\n  friendlyName: key\n" + pkcs8(k) + b"the end\n",
    "public key before": lambda k: public(k) + pkcs8(k),
    "public key behind": lambda k: pkcs8(k) + public(k),
    "the same twice": lambda k: pkcs8(k) + pkcs8(k).replace(b"\n", b"\r\n"),
    "DER": der,
    "base64 of PEM": lambda k: base64.b64encode(pkcs8(k)),
    "base64 of PEM, in lines": lambda k: base64.encodebytes(pkcs8(k)),
    "base64 of PEM, twice": lambda k: base64.b64encode(base64.b64encode(pkcs8(k))),
    "base64 of DER": lambda k: base64.b64encode(der(k)) + b"\n",
    "base64url of DER": lambda k: base64.urlsafe_b64encode(der(k)).rstrip(b"="),
    "hex of DER": lambda k: der(k).hex().encode(),
    "hex in capitals": lambda k: der(k).hex().upper().encode(),
    "JWK": lambda k: json.dumps(as_jwk(k)).encode(),
    "JWK with white space": lambda k: b"\n" + json.dumps(as_jwk(k), indent=2).encode() + b"\n",
    "JWK Set": lambda k: json.dumps({"keys": [as_jwk(k)]}).encode(),
    "base64url of JWK": lambda k: base64.urlsafe_b64encode(json.dumps(as_jwk(k)).encode()),
}


@pytest.mark.parametrize("named", KEYS)
@pytest.mark.parametrize("form", WRITTEN)
def test_a_key_is_the_same_key_however_it_is_written(form: str, named: str) -> None:
    """Every form against every kind of key."""
    key = KEYS[named]
    assert same_key(read_private_key(WRITTEN[form](key)).private, key)


@pytest.mark.parametrize(
    ("written", "key", "algorithm"),
    [
        (traditional(RSA), RSA, ""),
        (traditional(WEAK), WEAK, ""),
        (traditional(RSA).replace(b"\n", b"\r\n").rstrip(), RSA, ""),
        (traditional(P256), P256, ""),
        (PARAMETERS + traditional(P256), P256, ""),
        (one_line(traditional(P384)), P384, ""),
        (without_curve(P256), P256, ""),
        (without_curve(P384), P384, ""),
        (without_curve(P521), P521, ""),
        (PARAMETERS + without_curve(P256), P256, ""),
        (json.dumps({n: as_jwk(RSA)[n] for n in ("kty", "n", "e", "d")}).encode(), RSA, ""),
        (
            json.dumps(
                {"keys": [as_jwk(P256), {n: v for n, v in as_jwk(OTHER).items() if n != "d"}]}
            ).encode(),
            P256,
            "",
        ),
        (json.dumps({"type": "service_account", "private_key": pkcs8(RSA).decode()}).encode(), RSA, ""),
        (ED.private_bytes_raw(), ED, "EdDSA"),
        (ED.private_bytes_raw() + ED.public_key().public_bytes_raw(), ED, "EdDSA"),
        (base64.b64encode(ED.private_bytes_raw()), ED, "EdDSA"),
        (base64.urlsafe_b64encode(ED.private_bytes_raw()).rstrip(b"="), ED, "EdDSA"),
        (ED.private_bytes_raw().hex().encode(), ED, "EdDSA"),
        (P256.private_numbers().private_value.to_bytes(32), P256, "ES256"),
        (P521.private_numbers().private_value.to_bytes(66).hex().encode(), P521, "ES512"),
    ],
    ids=[
        "RSA, PKCS #1",
        "RSA of 1024 bits, PKCS #1",
        "RSA, PKCS #1, CRLF and no last line end",
        "P-256, SEC 1",
        "P-256, SEC 1 with parameters",
        "P-384, SEC 1, one line",
        "P-256 without its curve",
        "P-384 without its curve",
        "P-521 without its curve",
        "P-256 without its curve, with parameters",
        "a JWK without the primes",
        "a JWK Set with one private key",
        "PEM in a JSON document",
        "Ed25519, raw",
        "Ed25519, raw, with the public key",
        "Ed25519, base64",
        "Ed25519, base64url",
        "Ed25519, hex",
        "P-256, raw",
        "P-521, hex",
    ],
)
def test_forms_that_only_some_keys_have(written: bytes, key: PrivateKey, algorithm: str) -> None:
    """PKCS #1, SEC 1 with and without parameters, JWKs without primes, and bare numbers where the algorithm is known."""
    assert same_key(read_private_key(written, algorithm).private, key)


def test_what_a_jwk_says_beside_the_key_is_kept() -> None:
    """Its tokens carry the kid and the algorithm that it names."""
    found = read_private_key(json.dumps(as_jwk(RSA, kid="2023", alg="PS256")).encode())
    assert (found.kid, found.algorithm) == ("2023", "PS256")


def tlv(tag: int, *parts: bytes) -> bytes:
    """Write a value in DER."""
    inside = b"".join(parts)
    size = len(inside)
    octets = size.to_bytes(max(1, (size.bit_length() + 7) // 8))
    written = octets if size < 128 else bytes([0x80 + len(octets)]) + octets
    return bytes([tag]) + written + inside


PSS = bytes.fromhex("06092a864886f70d01010a")
SHA512 = tlv(0x30, tlv(0xA0, tlv(0x30, bytes.fromhex("0609608648016503040203"), b"\x05\x00")))


def for_pss(parameters: bytes) -> bytes:
    """Write an RSA key down as one that is for RSASSA-PSS alone, as `openssl genpkey -algorithm RSA-PSS` does."""
    bare = RSA.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    return tlv(0x30, b"\x02\x01\x00", tlv(0x30, PSS, parameters), tlv(0x04, bare))


@pytest.mark.parametrize(
    ("written", "asked", "expected"),
    [
        (for_pss(b""), "RS256", "PS256"),
        (for_pss(b""), "PS384", "PS384"),
        (for_pss(SHA512), "RS256", "PS512"),
        (for_pss(SHA512), "PS256", "PS512"),
        (base64.b64encode(for_pss(SHA512)), "RS256", "PS512"),
        (der(RSA), "RS256", None),
        (der(RSA), "PS256", None),
    ],
)
def test_a_key_for_pss_alone_is_no_key_for_another_signature(
    written: bytes, asked: str, expected: str | None
) -> None:
    """RFC 4055, section 1.2: today's tokens are signed by PSS, whatever is declared, and the list has to say so."""
    found = read_private_key(written, asked)
    assert same_key(found.private, RSA)
    assert found.algorithm == expected


def of_another_curve(key: ec.EllipticCurvePrivateKey, parameters: bytes = b"", point: bytes = b"") -> bytes:
    """Write a SEC 1 key whose curve is none of ours, though its scalar is as long as one."""
    size = (key.key_size + 7) // 8
    scalar = tlv(0x04, key.private_numbers().private_value.to_bytes(size))
    said = tlv(0xA0, parameters) if parameters else b""
    public_part = tlv(0xA1, tlv(0x03, b"\0" + point)) if point else b""
    return tlv(0x30, b"\x02\x01\x01", scalar, said, public_part)


def point(key: ec.EllipticCurvePrivateKey, form: PublicFormat = PublicFormat.UncompressedPoint) -> bytes:
    """Write a point of a curve."""
    return key.public_key().public_bytes(Encoding.X962, form)


@pytest.mark.parametrize(
    ("key", "form"),
    [
        (k, f)
        for k in (P256, P384, P521)
        for f in (PublicFormat.UncompressedPoint, PublicFormat.CompressedPoint)
    ],
)
def test_a_public_key_tells_the_curve_of_a_key_that_names_none(
    key: ec.EllipticCurvePrivateKey, form: PublicFormat
) -> None:
    """Also behind parameters that spell a curve out, as old programs do."""
    for said in (b"", tlv(0x30, b"\x02\x01\x01")):
        assert same_key(read_private_key(of_another_curve(key, said, point(key, form))).private, key)


UNKNOWN_CURVE = bytes.fromhex("06092b240303020801010c")  # brainpoolP384t1
REFUSED: Mapping[str, tuple[bytes, str]] = {
    "another curve, by name": (of_another_curve(P384, UNKNOWN_CURVE, point(ec.generate_private_key(ec.SECP384R1()))), "it is no private key"),
    "another curve, by name alone": (of_another_curve(P384, UNKNOWN_CURVE), "it is no private key"),
    "another curve, spelt out": (of_another_curve(P256, tlv(0x30, b"\x02\x01\x01"), point(OTHER)), "it is no private key"),
    "another curve, not named": (of_another_curve(P256, b"", point(OTHER)), "it is no private key"),
    "PKCS #12": (tlv(0x30, b"\x02\x01\x03", tlv(0x30, bytes(40))), "it is a PKCS #12 store"),
    "PKCS #12 in base64": (base64.b64encode(tlv(0x30, b"\x02\x01\x03", tlv(0x30, b"\xff" * 400))), "it is a PKCS #12 store"),
    "a Java key store": (b"\xfe\xed\xfe\xed" + bytes(40), "it is a Java key store"),
    "PuTTY": (b"PuTTY-User-Key-File-3: ssh-rsa\n", "it is PuTTY's own format"),
    "nothing": (b"", "it is no private key"),
    "white space": (b" \n", "it is no private key"),
    "a word": (b"not a key", "it is no private key"),
    "a password": (b"correct-horse-battery-staple", "it is no private key"),
    "bytes": (bytes(range(200, 232)), "it is no private key"),
    "a seed of nobody's algorithm": (ED.private_bytes_raw().hex().encode(), "it is no private key"),
    "PKCS #8 with a password": (encrypted(RSA), "it is encrypted; put it down without a password"),
    "PKCS #1 with a password": (encrypted(RSA, PrivateFormat.TraditionalOpenSSL), "it is encrypted"),
    "in base64, with a password": (base64.b64encode(encrypted(P256)), "it is encrypted"),
    "OpenSSH": (P256.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()), "ssh-keygen -p -m pkcs8"),
    "a public key": (public(RSA), "its PEM holds a Public key, and no private key"),
    "cut off": (pkcs8(RSA)[:400], "there is no END PRIVATE KEY"),
    "damaged": (pkcs8(RSA).replace(b"MII", b"AAA", 1), "its PEM is damaged"),
    "an empty block": (b"-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n", "its PEM is damaged"),
    "two keys": (pkcs8(P256) + pkcs8(OTHER), "it holds 2 private keys, and they differ"),
    "two JWKs": (json.dumps({"keys": [as_jwk(P256), as_jwk(OTHER)]}).encode(), "it holds 2 private keys"),
    "a public JWK": (b'{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}', "without a private part"),
    "a JWK that is damaged": (json.dumps({**as_jwk(P256), "d": 7}).encode(), "no key can be read from"),
    "a JWK of another key's parts": (json.dumps({**as_jwk(P256), "x": as_jwk(OTHER)["x"]}).encode(), "no key can be read from"),
    "a symmetric JWK": (b'{"kty": "oct", "k": "c2VjcmV0"}', "without a private part"),
    "JSON": (b'{"a": 1}', "it is JSON, and no JWK"),
    "a list": (b"[1]", "it is JSON, and no JWK"),
    "an empty set": (b'{"keys": []}', "without a private part"),
    "deep JSON": (b'{"keys":' + b"[" * 30_000, "it is JSON, and no JWK"),
    "P-192": (traditional(ec.generate_private_key(ec.SECP192R1())), "its curve secp192r1"),
    "secp256k1": (pkcs8(ec.generate_private_key(ec.SECP256K1())), "its curve secp256k1"),
    "X25519": (pkcs8(x25519.X25519PrivateKey.generate()), "its kind is none"),
    "DSA": (pkcs8(DSA), "its kind is none"),
    "too large": (b"-----BEGIN " * (LARGEST // 10), "larger than 64 KiB"),
    "many beginnings": (b"-----BEGIN A-----" * 3800, "there is no END A"),
}  # fmt: skip


@pytest.mark.parametrize("named", REFUSED)
def test_what_is_no_key_of_ours_is_refused_with_the_reason_and_never_quoted(named: str) -> None:
    """One kind of error for all of it, and what to do where something can be done."""
    written, expected = REFUSED[named]
    with pytest.raises(ValueError, match=expected.replace("(", r"\(")) as caught:
        read_private_key(written)
    assert caught.value.__cause__ is None
    assert b"correct-horse" not in str(caught.value).encode()


@settings(max_examples=300)
@given(
    st.binary(max_size=300) | st.sampled_from([pkcs8(P256), der(P256), json.dumps(as_jwk(P256)).encode()]),
    st.data(),
)
def test_foreign_bytes_are_read_or_refused_and_nothing_else(octets: bytes, data: st.DataObject) -> None:
    """Whatever stands there, with some octets changed: a key, or ValueError."""
    changed = bytearray(octets)
    for _ in range(data.draw(st.integers(0, 3)) if changed else 0):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    with suppress(ValueError):
        read_private_key(bytes(changed), data.draw(st.sampled_from(["", "ES256", "EdDSA", "RS256"])))
