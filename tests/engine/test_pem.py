"""Public keys in PEM, for verifiers that read no JWK Set: one file of all, or a file a version beside those of other rotations."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from rotator.engine.outcome import Outcome, Result
from rotator.policy.model import RotationPolicy
from rotator.run import wiring
from tests.faults.environment import Bao
from tests.faults.traffic import text_of
from tests.trial import Trial

MONTH = timedelta(days=30)
END = "-----END PUBLIC KEY-----\n"


@pytest.fixture
def trial(bao: Bao) -> Trial:
    """An empty cluster, an empty path in Vault, and time of its own."""
    return Trial(bao)


def reading(trial: Trial, name: str = "key", *, per_version: bool = False, **spec: Any) -> RotationPolicy:
    """Return a declaration of a rotation whose verifiers read PEM."""
    pem = {"configMap": "keys", "maxAge": "5m", **({"perVersion": True} if per_version else {})}
    return trial.policy(name, **{"verifiers": [{"pem": pem}], **spec})


def files(trial: Trial) -> dict[str, str]:
    """Return what verifiers read."""
    document = trial.environment.config_map("keys")
    return dict(document["data"]) if document else {}


def listed(text: str) -> list[str]:
    """Split a file of several keys as a reader does."""
    return [f"{part}{END}" for part in text.split(END)[:-1]]


def accepted(keys: Iterable[str], token: str) -> bool:
    """Whether one of the keys verifies a token: PyJWT reads the PEM."""
    for key in keys:
        try:
            jwt.decode(token, key, algorithms=["EdDSA"])
        except jwt.InvalidSignatureError:
            continue
        return True
    return False


def token(trial: Trial, name: str = "key") -> str:
    """Sign a token as the holder does."""
    key = text_of(trial.environment.secret(name), "key", secret=True)
    assert key
    return jwt.encode({"sub": "somebody"}, key, algorithm="EdDSA")


def ids(outcome: Outcome) -> list[str]:
    """Return the ids of the live versions."""
    assert outcome.ring
    return [v.id for v in outcome.ring.live]


def test_a_reader_of_one_file_accepts_every_token_of_a_whole_rotation_and_no_dead_one(trial: Trial) -> None:
    """Whoever tries each key of the file: the token of before as long as it lives, the token of after from the first on."""
    policy = reading(trial)
    trial.until_stable(policy)
    old = token(trial)
    outcome = trial.run(policy, request="now")
    seen_two = False
    for _ in range(10):
        keys = listed(files(trial)["public_keys.pem"])
        seen_two = seen_two or len(keys) == 2
        assert accepted(keys, token(trial))
        assert accepted(keys, old) or len(keys) == 1
        if outcome.reason.startswith("the next rotation"):
            break
        trial.wait(outcome)
        outcome = trial.run(policy)
    assert seen_two
    assert not accepted(listed(files(trial)["public_keys.pem"]), old)


def test_each_version_has_a_file_that_its_kid_names_and_that_goes_with_it(trial: Trial) -> None:
    """Two rotations in one ConfigMap, with a file of others: each has its own files, and no other is touched."""
    trial.environment.ask(
        "POST",
        "/api/v1/namespaces/payments/configmaps",
        {"metadata": {"name": "keys"}, "data": {"theirs.pem": "theirs"}},
    )
    one, other = (reading(trial, name, per_version=True) for name in ("one", "other"))
    for _ in range(3):
        live = [*ids(trial.until_stable(one)), *ids(trial.until_stable(other))]
        assert sorted(files(trial)) == sorted(["theirs.pem", *(f"{kid}.pem" for kid in live)])
        for kid in live:
            assert isinstance(load_pem_public_key(files(trial)[f"{kid}.pem"].encode()), Ed25519PublicKey)
        trial.timeline.pass_by(MONTH)
    outcome = trial.run(one, request="now")
    assert len(ids(outcome)) == 2
    assert len(files(trial)) == 4
    assert outcome.beside == (f"configmap payments/keys: payments/other has {live[1]}",)


def test_a_dead_file_that_somebody_puts_back_is_removed(trial: Trial) -> None:
    """A reader of all files would accept it."""
    policy = reading(trial, per_version=True)
    (old,) = ids(trial.until_stable(policy))
    found = files(trial)
    trial.timeline.pass_by(MONTH)
    (new,) = ids(trial.until_stable(policy))
    trial.environment.ask("PATCH", "/api/v1/namespaces/payments/configmaps/keys", {"data": found})
    trial.run(policy)
    assert sorted(files(trial)) == [f"{new}.pem"], old


@pytest.mark.parametrize("of_others", [{}, {"theirs.pem": "theirs"}], ids=["alone", "beside others"])
def test_deletion_takes_the_files_of_the_rotation_and_no_other(
    trial: Trial, of_others: dict[str, str]
) -> None:
    """The object goes with the last of them, unless others made it."""
    if of_others:
        document = {"metadata": {"name": "keys"}, "data": of_others}
        trial.environment.ask("POST", "/api/v1/namespaces/payments/configmaps", document)
    policy = reading(trial, per_version=True, deletionPolicy="Delete", store={"kubernetes": {}})
    trial.until_stable(policy)
    for _ in range(5):
        world = trial.world()
        fleet = wiring.fleet(world, act=True)
        outcome = fleet.advance([wiring.declared(world, policy, leaving=True)]).outcomes[0]
        world.close()
        if outcome.result is Result.DELETED:
            break
        trial.wait(outcome)
    assert outcome.result is Result.DELETED
    assert files(trial) == of_others


def test_a_kid_that_can_name_no_file_is_refused_before_anything_is_recorded(trial: Trial) -> None:
    """Others chose it: `2023/key`."""
    trial.until_stable(trial.policy("donor"))
    policy = reading(
        trial,
        per_version=True,
        store={"kubernetes": {}},
        takeOver={"secret": {"name": "donor", "key": "key"}, "kid": "2023/key"},
    )
    outcome = trial.run(policy)
    assert outcome.result is Result.FROZEN
    assert "cannot name a data key" in outcome.reason
    assert trial.environment.secret("rotation-key") is None
    assert files(trial) == {}


def test_files_of_a_secret_are_read_as_they_are(trial: Trial) -> None:
    """Where the verifiers' document is a Secret."""
    pem = {"secret": "keys", "maxAge": "5m"}
    trial.until_stable(trial.policy(verifiers=[{"pem": pem}]))
    data = trial.environment.secret("keys")["data"]
    assert isinstance(load_pem_public_key(base64.b64decode(data["public_keys.pem"])), Ed25519PublicKey)


def test_a_file_of_another_rotation_is_not_taken_over(trial: Trial) -> None:
    """Whoever has it removes it some day."""
    (kid,) = ids(trial.until_stable(reading(trial, per_version=True)))
    heir = reading(
        trial,
        "heir",
        per_version=True,
        store={"kubernetes": {}},
        takeOver={"secret": {"name": "key", "key": "key"}, "kid": kid},
    )
    outcome = trial.run(heir)
    assert outcome.result is Result.FROZEN
    assert "which belongs to the rotation payments/key" in outcome.reason
    assert trial.environment.secret("rotation-heir") is None
