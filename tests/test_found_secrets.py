"""Shared secrets in use: what stands there is read as the key or the value that it is, whoever wrote it and however."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import jwt as pyjwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.core.sensitive import Sensitive
from rotator.credentials.encodings import ENCODINGS, decode, encode
from rotator.credentials.shared_secret.maker import SharedSecret

KEY = bytes(range(190, 222))
WORDS = b"correct-horse-battery-staple-012"


def key_of(document: Mapping[str, Any]) -> bytes:
    """Read the key of a symmetric JWK, as a verifier does."""
    return base64.urlsafe_b64decode(document["k"] + "=" * (-len(document["k"]) % 4))


@given(st.binary(min_size=1, max_size=80), st.sampled_from(ENCODINGS), st.integers(0, 200))
def test_what_is_written_is_read_again_whatever_white_space_is_put_into_it(
    octets: bytes, encoding: str, at: int
) -> None:
    """Line ends at the end, line breaks within, other alphabets and capitals."""
    text = encode(octets, encoding)
    broken = text[:at] + b"\r\n" + text[at:] + b"\n"
    assert decode(text, encoding) == decode(broken, encoding) == octets
    if encoding == "hex":
        assert decode(text.upper(), encoding) == octets


HMAC: Mapping[str, tuple[SharedSecret, bytes, bytes]] = {
    "as it is": (SharedSecret("HS256"), WORDS, WORDS),
    "bytes": (SharedSecret("HS256"), KEY, KEY),
    "base64 that counts as text": (SharedSecret("HS256"), base64.b64encode(KEY), base64.b64encode(KEY)),
    "base64": (SharedSecret("HS256", encoding="base64"), base64.b64encode(KEY), KEY),
    "base64, a line end": (SharedSecret("HS256", encoding="base64"), base64.b64encode(KEY) + b"\n", KEY),
    "base64 without padding": (SharedSecret("HS256", encoding="base64"), base64.b64encode(KEY).rstrip(b"="), KEY),
    "base64url": (SharedSecret("HS256", encoding="base64url"), base64.urlsafe_b64encode(KEY), KEY),
    "base64 in the other alphabet": (SharedSecret("HS256", encoding="base64"), base64.urlsafe_b64encode(KEY), KEY),
    "hex": (SharedSecret("HS256", encoding="hex"), KEY.hex().upper().encode(), KEY),
    "from base64 into hex": (SharedSecret("HS256", encoding="hex", found="base64"), base64.b64encode(KEY), KEY),
    "from base64 into bytes": (SharedSecret("HS256", found="base64"), base64.b64encode(KEY), KEY),
    "a JWK": (SharedSecret("HS256"), b'{"kty": "oct", "k": "' + encode(KEY, "base64url") + b'"}', KEY),
    "a JWK into base64": (SharedSecret("HS256", encoding="base64"), b'{"kty":"oct","k":"' + encode(KEY, "base64url") + b'"}', KEY),
}  # fmt: skip


@pytest.mark.parametrize("named", HMAC)
def test_the_tokens_of_today_are_accepted_by_the_list(named: str) -> None:
    """The service signs with the key, however the value writes it; the JWK that verifiers read holds the same key."""
    secret, written, key = HMAC[named]
    made = secret.adopt(Sensitive(written), "today", "web/jwt")
    token = pyjwt.encode({"sub": "a"}, key, "HS256", {"kid": made.id})
    accepted = secret.accepted(made.id, made.material)
    assert pyjwt.decode(token, key_of(accepted), ["HS256"]) == {"sub": "a"}
    assert made.weak is None


@pytest.mark.parametrize("named", HMAC)
def test_what_is_handed_out_writes_the_key_as_the_application_reads_it(named: str) -> None:
    """And what was found counts as the same, so it is not touched."""
    secret, written, key = HMAC[named]
    made = secret.adopt(Sensitive(written), "today", "web/jwt")
    fields = secret.fields(made.id, made.material)
    value = fields["value"].octets()
    assert (decode(value, secret.encoding) if secret.encoding else value) == key
    assert json.loads(fields["jwk"].reveal())["k"] == encode(key, "base64url").decode()
    if secret.found is None and "JWK" not in named:
        assert secret.same("value", Sensitive(written), fields["value"])


@pytest.mark.parametrize("encoding", [None, *ENCODINGS])
@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_what_rotator_makes_is_written_in_the_same_way(algorithm: str, encoding: str | None) -> None:
    """So a service that decodes goes on to decode, and nothing changes with the first rotation."""
    secret = SharedSecret(algorithm, encoding=encoding)
    made = secret.make("web/jwt", 2)
    value = secret.fields(made.id, made.material)["value"].octets()
    key = decode(value, encoding) if encoding else value
    assert key_of(secret.accepted(made.id, made.material)) == key
    assert SharedSecret(algorithm).spec != SharedSecret(algorithm, encoding="hex").spec


def _jwk(**members: Any) -> bytes:
    return json.dumps({"kty": "oct", "k": encode(KEY, "base64url").decode(), **members}).encode()


def test_a_jwk_says_its_kid() -> None:
    """What today's tokens carry; what is declared comes first."""
    secret = SharedSecret("HS256")
    assert secret.adopt(Sensitive(_jwk(kid="k1")), None, "web/jwt").id == "k1"
    assert secret.adopt(Sensitive(_jwk(kid="k1")), "k2", "web/jwt").id == "k2"


def _set(*keys: bytes) -> bytes:
    return json.dumps({"keys": [json.loads(k) for k in keys]}).encode()


AS_JWK: Mapping[str, tuple[bytes, str]] = {
    "a JWK": (_jwk(kid="k1"), "HS256"),
    "a JWK of another algorithm": (_jwk(kid="k1", alg="HS384"), "HS384"),
    "a JWK for something else": (_jwk(kid="k1", alg="A256GCM"), "HS256"),
    "a JWK Set": (_set(_jwk(kid="k1")), "HS256"),
    "a JWK Set that says it twice": (_set(_jwk(kid="k1"), _jwk(kid="k1")), "HS256"),
    "a JWK Set with a public key beside it": (_set(b'{"kty": "RSA", "n": "AA", "e": "AQAB"}', _jwk(kid="k1")), "HS256"),
    "a JWK in base64": (base64.b64encode(_jwk(kid="k1")), "HS256"),
    "a JWK Set in base64url": (base64.urlsafe_b64encode(_set(_jwk(kid="k1"))).rstrip(b"="), "HS256"),
}  # fmt: skip


@pytest.mark.parametrize("named", AS_JWK)
@pytest.mark.parametrize("encoding", [None, "base64"])
def test_a_jwk_is_the_key_that_it_means_however_it_stands_there(named: str, encoding: str | None) -> None:
    """Taken as a text, its tokens of today would be refused by the list."""
    written, algorithm = AS_JWK[named]
    secret = SharedSecret("HS256", encoding=encoding)
    made = secret.adopt(Sensitive(written), None, "web/jwt")
    accepted = secret.accepted(made.id, made.material)
    assert (accepted["kid"], accepted["alg"], accepted["k"]) == ("k1", algorithm, json.loads(_jwk())["k"])
    assert secret.same("jwk", Sensitive(written), secret.fields(made.id, made.material)["jwk"])


SAME: Mapping[str, tuple[SharedSecret, str, bytes, bytes, bool]] = {
    "a JWK in another order": (SharedSecret("HS256"), "jwk", _jwk(), _jwk(kid="a", alg="HS256"), True),
    "a JWK of another kid": (SharedSecret("HS256"), "jwk", _jwk(kid="b"), _jwk(kid="a"), False),
    "a JWK of another key": (SharedSecret("HS256"), "jwk", _jwk(k="AAAA"), _jwk(), False),
    "no JWK": (SharedSecret("HS256"), "jwk", b"[]", _jwk(), False),
    "a value with a line end": (SharedSecret("HS256"), "value", WORDS + b"\n", WORDS, False),
    "an encoded one with a line end": (SharedSecret("HS256", encoding="hex"), "value", KEY.hex().encode() + b"\n", KEY.hex().encode(), True),
    "another encoding": (SharedSecret("HS256", encoding="hex"), "value", base64.b64encode(KEY), KEY.hex().encode(), False),
    "an opaque value in another encoding": (SharedSecret(encoding="hex"), "value", KEY.hex().upper().encode(), KEY.hex().encode(), False),
    "a kid": (SharedSecret("HS256"), "kid", b"a", b"b", False),
}  # fmt: skip


@pytest.mark.parametrize("named", SAME)
def test_values_are_compared_by_what_they_mean(named: str) -> None:
    """An opaque value is its octets: nobody knows what its readers make of them."""
    secret, field, theirs, ours, same = SAME[named]
    assert secret.same(field, Sensitive(theirs), Sensitive(ours)) is same


WEAK: Mapping[str, tuple[SharedSecret, bytes, str | None]] = {
    "17 bytes": (SharedSecret("HS256"), b"my-256-bit-secret", "17 bytes, and 32 are needed (HS256: RFC 7518, section 3.2)"),
    "HS512": (SharedSecret("HS512"), b"k" * 63, "63 bytes, and 64 are needed (HS512: RFC 7518, section 3.2)"),
    "24 bytes in 32 letters": (SharedSecret("HS256", encoding="base64"), b"A" * 32, "24 bytes, and 32 are needed"),
    "enough": (SharedSecret("HS256"), b"k" * 32, None),
    "a short value": (SharedSecret(length=40), b"changeme", "8 bytes, and 16 are needed (128 bits)"),
    "a value": (SharedSecret(length=40), b"k" * 16, None),
}  # fmt: skip


@pytest.mark.parametrize("named", WEAK)
def test_a_weak_secret_is_taken_over_and_said_to_be_weak(named: str) -> None:
    """It is in use: refusing it would leave it in use."""
    secret, written, expected = WEAK[named]
    made = secret.adopt(Sensitive(written), None, "web/jwt")
    assert (made.weak or "").startswith(expected or "")
    assert bool(made.weak) is bool(expected)
    assert secret.fields(made.id, made.material)["value"].octets() == written


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (WORDS + b"\n", "it ends with a line end, which counts as part of it"),
        (WORDS + b"\r\n", "it ends with a line end, which counts as part of it"),
        (WORDS + b" ", "it has white space around it, which counts as part of it"),
        (b"\t" + WORDS, "it has white space around it, which counts as part of it"),
        (b'"' + WORDS + b'"', "it stands in quotes, which counts as part of it"),
        (b"\xef\xbb\xbf" + WORDS, "it begins with a byte order mark, which counts as part of it"),
    ],
)
def test_what_stands_around_a_value_is_named(written: bytes, expected: str) -> None:
    """Whether its readers take it off nobody can see."""
    (note,) = SharedSecret("HS256").adopt(Sensitive(written), None, "web/jwt").notes
    assert note == expected


REFUSED: Mapping[str, tuple[SharedSecret, bytes, str]] = {
    "nothing": (SharedSecret("HS256"), b"", "it is empty"),
    "white space": (SharedSecret(length=40), b" \r\n", "it is empty"),
    "no base64": (SharedSecret("HS256", encoding="base64"), b"not base64!", "it is not base64"),
    "half a digit": (SharedSecret("HS256", encoding="hex"), b"abc", "it is not hex"),
    "bytes": (SharedSecret("HS256", encoding="hex"), KEY, "it is not hex"),
    "said to be base64": (SharedSecret(length=40, found="base64"), b"!", "it is not base64"),
    "a JWK of another kind": (SharedSecret("HS256"), b'{"kty": "RSA", "n": "AA", "e": "AQAB"}', "it is a JWK that is no key of HMAC"),
    "a JWK without a key": (SharedSecret("HS256"), b'{"kty": "oct"}', "it is a JWK that is no key of HMAC"),
    "a JWK with an odd key": (SharedSecret("HS256"), _jwk(k="!"), "it is a JWK that is no key of HMAC"),
    "an empty JWK Set": (SharedSecret("HS256"), b'{"keys": []}', "it is a JWK that is no key of HMAC"),
    "a JWK Set of several": (SharedSecret("HS256"), _set(_jwk(kid="a"), _jwk(kid="b")), "it is a JWK Set of several keys"),
    "a kid with colours": (SharedSecret("HS256"), _jwk(kid="\x1b[31mred"), "its kid is blank, longer than"),
    "a kid without end": (SharedSecret("HS256"), _jwk(kid="k" * 513), "its kid is blank, longer than 512 octets"),
}  # fmt: skip


@pytest.mark.parametrize("named", REFUSED)
def test_what_cannot_be_taken_over_is_refused_and_never_quoted(named: str) -> None:
    """With the reason."""
    secret, written, expected = REFUSED[named]
    with pytest.raises(ValueError, match=expected) as caught:
        secret.adopt(Sensitive(written), None, "web/jwt")
    assert "not base64!" not in str(caught.value)


@pytest.mark.parametrize("value", [KEY, b"\x00\xff", "text".encode("utf-16")])
def test_bytes_that_are_no_text_stand_in_a_list_in_base64(value: bytes) -> None:
    """And the list says so, whatever the policy asks of new values."""
    for secret in (SharedSecret(length=40), SharedSecret(encoding="hex"), SharedSecret(encoding="raw")):
        made = secret.adopt(Sensitive(value), "a", "web/jwt")
        shown = secret.accepted(made.id, made.material)
        assert shown == {"id": "a", "value": base64.b64encode(value).decode(), "encoding": "base64"}
