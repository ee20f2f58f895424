"""A credential in use is taken over by what it means: it stays byte for byte until the first rotation, and nobody restarts."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from rotator.cli import report
from rotator.core.sensitive import Sensitive
from rotator.credentials.encodings import decode
from rotator.credentials.keys import to_jwk
from rotator.engine.outcome import Result
from tests.faults.environment import NAMESPACE, Bao
from tests.trial import Trial

DAYS_30 = timedelta(days=30)
PRIVATE = rsa.generate_private_key(public_exponent=65537, key_size=2048)
CURVE = ec.generate_private_key(ec.SECP256R1())
PKCS8, PKCS1 = (
    PRIVATE.private_bytes(Encoding.PEM, form, NoEncryption())
    for form in (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL)
)
EC8 = CURVE.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
RSA_1024 = rsa.generate_private_key(public_exponent=65537, key_size=1024).private_bytes(  # noqa: S505 - such keys are in use
    Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
)
SEC1 = CURVE.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
EC_KID = to_jwk(Sensitive(EC8)).thumbprint()
KID = to_jwk(Sensitive(PKCS8)).thumbprint()
RS256 = {"jwtSigningKey": {"algorithm": "RS256", "bits": 2048}}
ES256 = {"jwtSigningKey": {"algorithm": "ES256"}}
HMAC = {"sharedSecret": {"algorithm": "HS256"}}
OPAQUE = {"sharedSecret": {"length": 40}}
JWKS = [{"jwks": {"configMap": "key-accepted", "maxAge": "5m"}}]
LIST = [{"acceptedList": {"secret": "key-accepted", "maxAge": "5m"}}]
RESTART = {"restart": {"workloads": [{"name": "api"}], "soak": "0s"}}


@pytest.fixture
def trial(bao: Bao) -> Trial:
    """An empty cluster, an empty path in Vault, and time of its own."""
    return Trial(bao)


def there(trial: Trial, **data: bytes) -> None:
    """Make the Secret that holds the credential in use."""
    encoded = {name: base64.b64encode(value).decode() for name, value in data.items()}
    path = f"/api/v1/namespaces/{NAMESPACE}/secrets"
    trial.environment.ask("POST", path, {"metadata": {"name": "key"}, "data": encoded})


def held(trial: Trial, name: str) -> bytes | None:
    """Return what the Secret holds under a data key, octet for octet."""
    data = trial.environment.secret("key")["data"]
    return base64.b64decode(data[name]) if name in data else None


def policy(trial: Trial, data: Mapping[str, str], **spec: Any) -> Any:
    """Declare that the Secret is taken over and is the holder, whose workload restarts when it changes."""
    return trial.policy(
        **{
            "credential": RS256,
            "takeOver": {"secret": {"name": "key", "key": "key"}},
            "holders": [{"secret": {"name": "key", "data": dict(data)}, **RESTART}],
            **spec,
        }
    )


def generation(trial: Trial) -> int:
    """Return how often the workload's template was changed, and once more."""
    return int(trial.environment.deployment()["metadata"]["generation"])


def jwk_of(pem: bytes, **members: str) -> bytes:
    """Write a key as a private JWK, its members in an order of its own."""
    document = {**members, **to_jwk(Sensitive(pem)).as_dict(private=True)}
    return json.dumps(document, indent=3).encode()


FORMS: Mapping[str, tuple[bytes, str, Mapping[str, Any]]] = {
    "PKCS #8": (EC8, "private_key", ES256),
    "PKCS #1": (PKCS1, "private_key", RS256),
    "SEC 1": (SEC1, "private_key", ES256),
    "CRLF": (EC8.replace(b"\n", b"\r\n"), "private_key", ES256),
    "no last line end": (PKCS1.rstrip(), "private_key", RS256),
    "text around": (b"Bag Attributes\n" + EC8 + b"\n\n", "private_key", ES256),
    "base64 in one line": (base64.b64encode(EC8), "private_key", ES256),
    "a JWK": (jwk_of(EC8), "jwk", ES256),
    "a JWK with its kid": (jwk_of(EC8, kid=EC_KID), "jwk", ES256),
    "an HMAC key": (b"k" * 43, "value", HMAC),
    "a value": (b"correct horse battery staple", "value", OPAQUE),
    "a value of bytes": (bytes(range(200, 232)), "value", {"sharedSecret": {"bytes": 32, "encoding": "raw"}}),
}


@pytest.mark.parametrize("form", FORMS)
def test_what_is_found_stays_octet_for_octet_until_the_first_rotation(trial: Trial, form: str) -> None:
    """And nobody restarts for it; the first rotation then writes what rotator makes, and restarts once."""
    written, field, credential = FORMS[form]
    there(trial, key=written, other=b"theirs")
    opaque = credential.get("sharedSecret", {"algorithm": ""}).get("algorithm") is None
    declared = policy(
        trial,
        {"key": field, "kid": "kid"},
        credential=credential,
        verifiers=LIST if opaque else _jwks(credential),
    )
    planned = trial.run(declared, act=False)
    assert (planned.result, held(trial, "kid")) == (Result.WAITING, None)
    trial.until_stable(declared)
    trial.timeline.pass_by(timedelta(days=20))
    trial.run(declared)
    assert (held(trial, "key"), held(trial, "other"), generation(trial)) == (written, b"theirs", 1)
    trial.timeline.pass_by(DAYS_30)
    trial.until_stable(declared)
    assert held(trial, "key") not in {written, None}
    assert (held(trial, "other"), generation(trial)) == (b"theirs", 2)


def _jwks(credential: Mapping[str, Any]) -> list[Any]:
    kind = "secret" if "sharedSecret" in credential else "configMap"
    return [{"jwks": {kind: "key-accepted", "maxAge": "5m"}}]


def test_the_key_of_today_is_in_the_published_list(trial: Trial) -> None:
    """By the number that its tokens are verified with, whatever form it was found in."""
    there(trial, key=PKCS1)
    trial.until_stable(policy(trial, {"key": "private_key"}))
    (shown,) = json.loads(trial.environment.config_map("key-accepted")["data"]["jwks.json"])["keys"]
    assert (shown["kid"], shown["n"]) == (KID, to_jwk(Sensitive(PKCS8)).as_dict(private=False)["n"])


def test_a_jwk_says_by_itself_which_kid_and_algorithm_its_tokens_carry(trial: Trial) -> None:
    """Nobody has to declare what stands there."""
    there(trial, key=jwk_of(PKCS8, kid="2023-key", alg="PS384"))
    trial.run(policy(trial, {"key": "jwk"}))
    shown, *_ = json.loads(trial.environment.config_map("key-accepted")["data"]["jwks.json"])["keys"]
    assert (shown["kid"], shown["alg"]) == ("2023-key", "PS384")


def test_a_repaired_secret_means_the_same(trial: Trial) -> None:
    """What was deleted comes back as the same key, in the form that the first rotation will have, too."""
    there(trial, key=PKCS1)
    declared = policy(trial, {"key": "private_key"})
    trial.until_stable(declared)
    trial.environment.ask("DELETE", f"/api/v1/namespaces/{NAMESPACE}/secrets/key")
    trial.run(declared)
    assert held(trial, "key") == PKCS8


@pytest.mark.parametrize(
    ("data", "mapping", "restarts"),
    [
        ({"key": PKCS1}, {"key": "private_key", "kid": "kid"}, 0),
        ({"key": PKCS1, "kid": KID.encode()}, {"key": "private_key", "kid": "kid"}, 0),
        ({"key": PKCS1}, {"key": "private_key", "kid": "kid", "public.pem": "public_key"}, 0),
        ({"key": PKCS1}, {"key": "private_key", "previous": "previous.private_key"}, 0),
        ({"key": PKCS1}, {"another": "private_key"}, 1),
        ({"key": PKCS1, "kid": KID.encode()}, {"another": "private_key", "kid": "kid"}, 1),
    ],
)
def test_fields_that_are_only_added_are_no_reason_to_restart(
    trial: Trial, data: Mapping[str, bytes], mapping: Mapping[str, str], restarts: int
) -> None:
    """Nobody can have read them. Where the credential itself was not there, it has to be read."""
    there(trial, **data)
    trial.until_stable(policy(trial, mapping))
    assert generation(trial) == 1 + restarts


def _of(rotation: str) -> dict[str, Any]:
    stamp = {
        "rotation": rotation,
        "revision": "3",
        "version": "v",
        "content-revision": "3",
        "since": "2026-01-01T00:00:00Z",
    }
    return {"annotations": {f"rotator.dev/{name}": value for name, value in stamp.items()}}


IN_THE_WAY: Mapping[str, tuple[Callable[[Trial], None], Mapping[str, Any], str]] = {
    "another key in a second holder": (
        lambda trial: _secret(trial, "second", {"key": SEC1}),
        {"holders": [{"secret": {"name": n, "data": {"key": "private_key"}}} for n in ("key", "second")]},
        "secret payments/second exists and was not made by rotator, and its key is not what is taken over",
    ),
    "another kid": (
        lambda trial: trial.environment.ask(
            "PATCH", "/api/v1/namespaces/payments/secrets/key", {"data": {"kid": "b3RoZXI="}}
        ),
        {},
        "its kid is not what is taken over",
    ),
    "a list of others": (
        lambda trial: trial.environment.ask(
            "POST",
            "/api/v1/namespaces/payments/configmaps",
            {"metadata": {"name": "key-accepted"}, "data": {"jwks.json": "{}"}},
        ),
        {},
        "configmap payments/key-accepted exists and was not made by rotator",
    ),
    "a target of another rotation": (
        lambda trial: _secret(trial, "second", {"a": b"a"}, **_of("payments/other")),
        {"holders": [{"secret": {"name": n, "data": {"key": "private_key"}}} for n in ("key", "second")]},
        "belongs to the rotation payments/other",
    ),
}


def _secret(trial: Trial, name: str, data: Mapping[str, bytes], **metadata: Any) -> None:
    encoded = {n: base64.b64encode(v).decode() for n, v in data.items()}
    document = {"metadata": {"name": name, **metadata}, "data": encoded}
    trial.environment.ask("POST", f"/api/v1/namespaces/{NAMESPACE}/secrets", document)


@pytest.mark.parametrize("case", IN_THE_WAY)
def test_nothing_is_recorded_before_all_that_will_be_delivered_was_looked_at(trial: Trial, case: str) -> None:
    """No ring, no list, no mark: correct it, and the next run takes the credential over. The plan says the same."""
    put, spec, expected = IN_THE_WAY[case]
    there(trial, key=PKCS1)
    put(trial)
    declared = policy(trial, {"key": "private_key", "kid": "kid"}, **spec)
    for act in (False, True):
        outcome = trial.run(declared, act=act)
        assert (outcome.result, outcome.steps) == (Result.FROZEN, ())
        assert expected in outcome.reason
    with pytest.raises(RuntimeError, match="HTTP 404"):
        trial.vault(f"rotator/metadata/{trial.life}/key")
    assert held(trial, "key") == PKCS1


WEAK: Mapping[str, tuple[bytes, str, Mapping[str, Any], str]] = {
    "RSA of 1024 bits": (RSA_1024, "private_key", RS256, "an RSA key of 1024 bits, and 2048 are needed"),
    "an HMAC key of 17 bytes": (b"my-256-bit-secret", "value", HMAC, "17 bytes, and 32 are needed"),
    "a value of 8 letters": (b"changeme", "value", OPAQUE, "8 bytes, and 16 are needed"),
}


@pytest.mark.parametrize("named", WEAK)
def test_a_weak_credential_is_taken_over_and_replaced_at_once_on_the_safe_path(
    trial: Trial, named: str
) -> None:
    """It is said to be weak by the plan, the run and the status; the next version is published while it is in use."""
    written, field, credential, expected = WEAK[named]
    there(trial, key=written)
    verifiers = LIST if credential is OPAQUE else _jwks(credential)
    declared = policy(trial, {"key": field}, credential=credential, verifiers=verifiers)
    planned = trial.run(declared, act=False)
    assert expected in planned.steps[0]
    outcome = trial.run(declared)
    assert (outcome.result, outcome.summary.phase) == (Result.WAITING, "Lead")
    assert outcome.ring
    assert [(v.reason, bool(v.weak)) for v in outcome.ring.versions] == [("TakenOver", True), ("Weak", False)]
    assert expected in report.as_table([outcome], trial.timeline.now, steps=False)
    assert (held(trial, "key"), generation(trial)) == (written, 1)
    trial.wait(outcome)
    trial.until_stable(declared)
    assert held(trial, "key") not in {written, None}
    assert generation(trial) == 2


def test_a_value_with_a_line_end_is_taken_over_and_the_plan_names_it(trial: Trial) -> None:
    """Whether those who read it take the line end off nobody can see."""
    there(trial, key=b"k" * 40 + b"\n")
    declared = policy(trial, {"key": "value"}, credential=OPAQUE, verifiers=LIST)
    assert "it ends with a line end, which counts as part of it" in trial.run(declared, act=False).steps[0]


# --- formats ----------------------------------------------------------------------------------------------------

LINES = [{"acceptedList": {"secret": "key-accepted", "format": "lines", "maxAge": "5m"}}]
FROM_VAULT = {"takeOver": {"vault": {"mount": "secret", "path": "PATH", "field": "field"}}}

MEANS_ANOTHER: Mapping[str, tuple[bytes, Mapping[str, Any], str]] = {
    "a line end": (b"correct-horse-battery-staple\n", {"verifiers": LINES}, "begins or ends with white space, or a line end"),
    "CRLF": (b"correct-horse-battery-staple\r\n", {"verifiers": LINES}, "begins or ends with white space, or a line end"),
    "a blank behind": (b"correct-horse-battery-staple ", {"verifiers": LINES}, "begins or ends with white space"),
    "two lines": (b"correct-horse-battery\nstaple-0123456789", {"verifiers": LINES}, "holds a line end"),
    "a line separator": ("correct-horse-battery\u2028staple".encode(), {"verifiers": LINES}, "holds a line end"),
    "a vertical tab": (b"correct-horse-battery\x0bstaple", {"verifiers": LINES}, "holds a line end"),
    "bytes in lines": (bytes(range(200, 232)), {"verifiers": LINES}, "is bytes, no text"),
    "bytes in Vault": (bytes(range(200, 232)), {"holders": [{"vault": {"mount": "secret", "path": "PATH"}}]}, "value would be bytes"),
}  # fmt: skip


def _with_path(value: Any, path: str) -> Any:
    return json.loads(json.dumps(value).replace("PATH", path))


def _no_ring(trial: Trial) -> None:
    with pytest.raises(RuntimeError, match="HTTP 404"):
        trial.vault(f"rotator/metadata/{trial.life}/key")


@pytest.mark.parametrize("named", MEANS_ANOTHER)
def test_no_value_enters_a_format_in_which_it_means_something_else(trial: Trial, named: str) -> None:
    """It is refused before the ring exists, by the plan as by the run, with the reason; and never quoted."""
    written, spec, expected = MEANS_ANOTHER[named]
    there(trial, key=written)
    declared = policy(
        trial, {"key": "value"}, **{"credential": OPAQUE, "verifiers": LIST, **_with_path(spec, trial.life)}
    )
    for act in (False, True):
        outcome = trial.run(declared, act=act)
        assert (outcome.result, outcome.steps) == (Result.FROZEN, ())
        assert expected in outcome.reason
        assert "horse" not in outcome.reason
    _no_ring(trial)
    assert held(trial, "key") == written


@pytest.mark.parametrize("credential", [OPAQUE, {"sharedSecret": {"bytes": 32, "encoding": "hex"}}])
def test_bytes_stand_in_a_json_list_in_base64(trial: Trial, credential: Mapping[str, Any]) -> None:
    """And the list says so, whatever is asked of new values; the Secret keeps the bytes."""
    written = bytes(range(200, 232))
    there(trial, key=written)
    trial.until_stable(policy(trial, {"key": "value"}, credential=credential, verifiers=LIST))
    (shown,) = json.loads(base64.b64decode(trial.environment.secret("key-accepted")["data"]["accepted"]))
    assert (base64.b64decode(shown["value"]), shown["encoding"], held(trial, "key")) == (
        written,
        "base64",
        written,
    )


@pytest.mark.parametrize("odd", [{"kty": "oct", "k": "c2VjcmV0"}, ["a"], 12345678, True, None])
@pytest.mark.parametrize("as_holder", [False, True])
def test_an_object_in_vault_is_no_text(trial: Trial, odd: Any, *, as_holder: bool) -> None:
    """It is neither taken over as the text that a program would print, nor written over with one."""
    trial.bao.server.call("POST", f"secret/metadata/{trial.life}", {"max_versions": 1})
    trial.bao.server.call("POST", f"secret/data/{trial.life}", {"data": {"field": odd, "other": 1}})
    there(trial, key=b"correct-horse-battery-staple")
    held_in_vault = [{"vault": {"mount": "secret", "path": trial.life, "data": {"field": "value"}}}]
    spec = {"holders": held_in_vault} if as_holder else _with_path(FROM_VAULT, trial.life)
    outcome = trial.run(policy(trial, {"key": "value"}, **{"credential": OPAQUE, "verifiers": LIST, **spec}))
    assert outcome.result is Result.FROZEN
    assert "an object or a number, no text" in outcome.reason
    _no_ring(trial)
    assert trial.vault(f"secret/data/{trial.life}")["data"] == {"field": odd, "other": 1}


# --- encodings --------------------------------------------------------------------------------------------------

OCTETS = bytes(range(32))
ENCODED = {
    "base64": base64.b64encode(OCTETS),
    "base64url": base64.urlsafe_b64encode(bytes(range(190, 222))).rstrip(b"="),
    "hex": OCTETS.hex().upper().encode(),
    "with a line end": base64.b64encode(OCTETS) + b"\n",
}


@pytest.mark.parametrize("named", ENCODED)
@pytest.mark.parametrize("said", ["once", "twice"])
def test_a_service_that_decodes_its_key_goes_on_to_decode(trial: Trial, named: str, said: str) -> None:
    """The list holds the key that it signs with, today and after the rotation; the Secret keeps the text until then.

    takeOver is removed once the value is taken over: it says nothing of what is made later.
    """
    encoding = "base64" if " " in named else named
    written = ENCODED[named]
    there(trial, key=written)
    spec: dict[str, Any] = {"credential": {"sharedSecret": {"algorithm": "HS256", "encoding": encoding}}}
    if said == "twice":
        spec["takeOver"] = {"secret": {"name": "key", "key": "key"}, "encoding": encoding}
    declared = policy(trial, {"key": "value"}, **spec, verifiers=_jwks(HMAC))
    trial.until_stable(declared)
    assert (held(trial, "key"), generation(trial)) == (written, 1)
    assert _published(trial) == [decode(written, encoding)]
    declared = policy(trial, {"key": "value"}, **{**spec, "takeOver": None}, verifiers=_jwks(HMAC))
    trial.timeline.pass_by(DAYS_30)
    trial.until_stable(declared)
    assert held(trial, "key") != written
    assert _published(trial) == [decode(held(trial, "key") or b"", encoding)]


def _published(trial: Trial) -> list[bytes]:
    keys = json.loads(base64.b64decode(trial.environment.secret("key-accepted")["data"]["jwks.json"]))["keys"]
    return [decode(k["k"].encode(), "base64url") for k in keys]


def test_a_text_that_may_be_encoded_is_named_by_the_plan(trial: Trial) -> None:
    """Whether services decode it nobody can see."""
    there(trial, key=base64.b64encode(OCTETS))
    declared = policy(trial, {"key": "value"}, credential=HMAC, verifiers=_jwks(HMAC))
    assert (
        "if services decode it first, declare sharedSecret.encoding"
        in trial.run(declared, act=False).steps[0]
    )
