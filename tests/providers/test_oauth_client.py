"""OAuth clients as credentials: what a version is made of, what a holder is handed, what a verifier is shown."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from joserfc import jwk

from rotator.core.sensitive import Sensitive
from rotator.credentials.jwt_signing_key.maker import ALGORITHMS, JwtSigningKey
from rotator.credentials.oauth_client.maker import ALPHABET, LENGTH, OAuthClient, OAuthClientKey
from rotator.ports import Credential

ISSUER = "https://sso.example.com/realms/acme"
ROTATION = "payments/client"
NOTES = {"okta.secret_id": Sensitive("ocs1"), "registration.access_token": Sensitive("let-me-in-again")}


def secret(**more: Any) -> OAuthClient:
    """Return the kind with a secret."""
    return OAuthClient(**{"issuer": ISSUER, "client_id": "payments", **more})


def key(**more: Any) -> OAuthClientKey:
    """Return the kind with a key."""
    return OAuthClientKey(issuer=ISSUER, client_id="payments", bits=2048, **more)


def plain(material: Any) -> dict[str, str]:
    """Return what is in material."""
    return {name: value.reveal() for name, value in material.items()}


def test_a_secret_is_of_the_length_and_of_characters_that_need_no_encoding() -> None:
    """Proves it for many: none needs an escape in a form, a header, a URL or a shell."""
    drawn = [
        secret(length=length).make(ROTATION, 1).material["client_secret"].reveal()
        for length in range(22, 128)
    ]
    assert [len(text) for text in drawn] == list(range(22, 128))
    assert set("".join(drawn)) <= set(ALPHABET)
    assert len(set(drawn)) == len(drawn)
    assert ALPHABET.isalnum()
    assert ALPHABET.isascii()
    assert len(set(ALPHABET)) == 62


def test_a_secret_has_the_entropy_that_is_stated() -> None:
    """Proves the figure in the docstring: more than 256 bits."""
    assert math.floor(LENGTH * math.log2(len(ALPHABET))) == 285


def test_an_id_is_derived_and_a_secret_is_drawn() -> None:
    """Proves I4: a retry finds what the killed run made, and learns nothing of the secret from the id."""
    first, again, next_one = (
        secret().make(ROTATION, 1),
        secret().make(ROTATION, 1),
        secret().make(ROTATION, 2),
    )
    other = secret().make("orders/client", 1)
    assert first.id == again.id
    assert len({first.id, next_one.id, other.id}) == 3
    assert len(first.id) == 16
    assert first.material["client_secret"] != again.material["client_secret"]


def test_what_the_provider_makes_is_left_to_it() -> None:
    """Proves that there is a version without a value, and without an id where each is a client of its own."""
    assert plain(secret(made_by_provider=True).make(ROTATION, 1).material) == {"client_id": "payments"}
    assert plain(secret(made_by_provider=True, client_id=None).make(ROTATION, 1).material) == {}


def test_a_version_names_its_client() -> None:
    """Proves that whoever logs in finds the id in the material."""
    assert plain(secret().make(ROTATION, 1).material).keys() == {"client_id", "client_secret"}
    assert secret().make(ROTATION, 1).material["client_id"] == Sensitive("payments")
    assert key().make(ROTATION, 1).material["client_id"] == Sensitive("payments")


def test_a_secret_is_taken_over_as_it_is() -> None:
    """Proves that an existing secret of any length and alphabet stays as it is."""
    made = secret(made_by_provider=True).adopt(Sensitive("s +%:~"), None, ROTATION)
    assert plain(made.material) == {"client_id": "payments", "client_secret": "s +%:~"}
    assert made.id == secret().adopt(Sensitive("another"), None, ROTATION).id
    assert made.id not in {secret().make(ROTATION, n).id for n in range(5)}
    assert secret().adopt(Sensitive("another"), "2023", ROTATION).id == "2023"


@pytest.mark.parametrize(
    "value", ["", "two\nlines", "ends in a line end\n", "umlaut ä", "tab\t", b"\xff\xfe", "del\x7f"]
)
def test_what_no_client_secret_can_be_is_not_taken_over(value: str | bytes) -> None:
    """Proves RFC 6749, appendix A.2: printable ASCII; and that the value is not quoted."""
    with pytest.raises(ValueError, match="it ") as error:
        secret().adopt(Sensitive(value), None, ROTATION)
    assert not value or str(value) not in str(error.value)


@pytest.mark.parametrize(
    ("credential", "spec"),
    [
        (secret(), "client-secret-48"),
        (secret(length=64), "client-secret-64"),
        (secret(made_by_provider=True), "client-secret-by-provider"),
        (secret(made_by_provider=True, length=64), "client-secret-by-provider"),
        (key(), "private-key-jwt-ES256"),
        (key(algorithm="RS256"), "private-key-jwt-RS256-2048"),
    ],
    ids=str,
)
def test_the_parameters_have_a_fingerprint(credential: Credential, spec: str) -> None:
    """Proves that a version says how it was made, and that what the provider decides does not count."""
    assert credential.spec == spec
    assert credential.make(ROTATION, 1).spec == spec


def test_a_holder_of_a_secret_is_handed_what_the_policy_names() -> None:
    """Proves the field names, and that no note about the provider is among them."""
    made = secret().make(ROTATION, 1)
    fields = plain(secret().fields(made.id, {**made.material, **NOTES}))
    assert fields == {**plain(made.material), "issuer": ISSUER}
    assert fields.keys() == {"client_id", "client_secret", "issuer"}


def test_a_holder_gets_no_secret_before_there_is_one() -> None:
    """Proves that the fields of a version without a value are those that are known."""
    assert plain(secret(made_by_provider=True, client_id=None).fields("v1", {})) == {"issuer": ISSUER}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_holder_of_a_key_is_handed_what_the_policy_names(algorithm: str) -> None:
    """Proves the field names for every algorithm, and that no note about the provider is among them."""
    made = key(algorithm=algorithm).make(ROTATION, 1)
    fields = plain(key(algorithm=algorithm).fields(made.id, {**made.material, **NOTES}))
    names = {"client_id", "private_key", "public_key", "jwk", "kid", "algorithm", "issuer"}
    assert fields.keys() == names
    assert (fields["kid"], fields["algorithm"], fields["client_id"], fields["issuer"]) == (
        made.id,
        algorithm,
        "payments",
        ISSUER,
    )
    assert json.loads(fields["jwk"])["kid"] == made.id


def test_a_verifier_is_shown_the_public_key_only() -> None:
    """Proves that the key set that the server reads holds no private member."""
    made = key().make(ROTATION, 1)
    shown = key().accepted(made.id, made.material)
    assert set(shown) == {"kty", "crv", "x", "y", "kid", "use", "alg"}
    assert jwk.import_key(dict(shown)).thumbprint() == made.id


def test_whoever_installs_it_by_hand_is_shown_all_of_it() -> None:
    """Proves that the list that is handed over holds what has to be installed, and no note of ours."""
    made = secret().make(ROTATION, 1)
    value = made.material["client_secret"].reveal()
    shown = {"id": made.id, "client_id": "payments", "client_secret": value}
    assert secret().accepted(made.id, made.material) == shown
    assert secret(client_id=None).accepted("v1", {}) == {"id": "v1"}


def test_a_key_is_taken_over_with_the_kid_that_the_server_knows() -> None:
    """Proves that an existing key goes on under its name, with the algorithm of its kind."""
    existing = JwtSigningKey("ES384").make("x", 1)
    made = key().adopt(existing.material["private_key"], "2023-key", ROTATION)
    assert (made.id, made.spec) == ("2023-key", "private-key-jwt-ES384")
    assert made.material["algorithm"] == Sensitive("ES384")
    assert made.material["client_id"] == Sensitive("payments")
    assert key().adopt(existing.material["private_key"], None, ROTATION).id == existing.id


def test_what_is_no_key_is_not_taken_over() -> None:
    """Proves that the value is refused, and not quoted."""
    with pytest.raises(ValueError, match="PEM") as error:
        key().adopt(Sensitive("a-password-perhaps"), None, ROTATION)
    assert "a-password" not in str(error.value)
