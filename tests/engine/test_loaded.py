"""What is loaded from the store is checked before anything is done by it: a changed ring freezes, and names what is wrong."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from rotator.core.ring import Ring
from rotator.engine.outcome import Result
from rotator.errors import Frozen
from rotator.ports import Want
from rotator.run import wiring
from tests.faults.environment import NAMESPACE, Bao
from tests.trial import Trial

Document = dict[str, Any]
Edit = Callable[[Document], None]
DAYS_30 = timedelta(days=30)
ES256: Document = {"credential": {"jwtSigningKey": {"algorithm": "ES256"}}}
OPAQUE: Document = {
    "credential": {"sharedSecret": {"length": 40}},
    "verifiers": [{"acceptedList": {"secret": "key-accepted", "maxAge": "5m"}}],
    "holders": [{"secret": {"name": "key", "data": {"value": "value"}}}],
}
HMAC: Document = {
    "credential": {"sharedSecret": {"algorithm": "HS256"}},
    "verifiers": [{"jwks": {"secret": "key-accepted", "maxAge": "5m"}}],
    "holders": [{"secret": {"name": "key", "data": {"value": "value"}}}],
}


@pytest.fixture
def trial(bao: Bao) -> Trial:
    """An empty cluster, an empty path in Vault, and time of its own."""
    return Trial(bao)


def pem(private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    """Write a key down as rotator does."""
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _material(**changes: str) -> Edit:
    def edit(document: Document) -> None:
        for parts in document["material"].values():
            parts.update(changes)

    return edit


def _version(**changes: Any) -> Edit:
    return lambda document: document["ring"]["versions"][0].update(changes)


def _without_digests(edit: Edit) -> Edit:
    """As if an earlier program had written the ring, which kept no digests."""

    def whole(document: Document) -> None:
        edit(document)
        del document["digests"]

    return whole


def _twice_active(document: Document) -> None:
    versions = document["ring"]["versions"]
    versions.append({**versions[0], "id": "copy", "number": 2})
    document["material"]["copy"] = next(iter(document["material"].values()))


def _only_destroyed(document: Document) -> None:
    at = document["ring"]["versions"][0]["converged_at"]
    document["ring"]["versions"][0].update(state="Destroyed", withdrawn_at=at, destroyed_at=at)
    document["material"].clear()


def _renamed(document: Document) -> None:
    document["ring"]["versions"][0]["id"] = "mine"
    document["material"] = {"mine": next(iter(document["material"].values()))}


ANOTHER = pem(ec.generate_private_key(ec.SECP256R1()))
WEAK_BITS = 1024
RSA_1024 = pem(rsa.generate_private_key(public_exponent=65537, key_size=WEAK_BITS))
LARGER = pem(ec.generate_private_key(ec.SECP384R1()))
SHORT = base64.b64encode(b"short").decode()
OTHER_VALUE = base64.b64encode(b"another-value-of-forty-characters-012345").decode()


@pytest.mark.parametrize(
    ("spec", "edit", "expected"),
    [
        (ES256, _material(private_key=ANOTHER), "is not what was recorded with it"),
        (ES256, _without_digests(_material(private_key=ANOTHER)), "another than the one that it is named after"),
        (ES256, _without_digests(_material(private_key=RSA_1024)), "its key cannot sign ES256"),
        (ES256, _without_digests(_material(private_key=LARGER)), "its key cannot sign ES256"),
        (ES256, _without_digests(_material(private_key="no key")), "no unencrypted private key"),
        (ES256, _without_digests(_material(algorithm="none")), "its key cannot sign what it is said to sign"),
        (ES256, _without_digests(_material(algorithm="HS256")), "its key cannot sign what it is said to sign"),
        (ES256, _without_digests(_material(private_key=RSA_1024, algorithm="RS256")), "recorded as ES256, and is RS256-1024"),
        (ES256, _without_digests(_renamed), "another than the one that it is named after"),
        (ES256, lambda d: d["material"].update({k: {} for k in d["material"]}), "is not what was recorded with it"),
        (ES256, _without_digests(lambda d: d["material"].update({k: {} for k in d["material"]})), "it has no private_key, algorithm"),
        (ES256, lambda d: d.update(digests="garbage"), "'digests' holds no JSON of ours"),
        (OPAQUE, _material(value=OTHER_VALUE), "is not what was recorded with it"),
        (OPAQUE, _without_digests(_material(value="%%%")), "its value is damaged"),
        (HMAC, _without_digests(_material(value=SHORT)), "shorter than HS256 wants"),
        (HMAC, _without_digests(_material(algorithm="HS512")), "recorded as HS256, and is HS512"),
        (HMAC, _without_digests(_material(algorithm="opaque")), "recorded as HS256, and is opaque"),
        (ES256, _version(withdrawn_at="2026-01-01T00:00:00Z"), "is Active and has withdrawn_at already"),
        (ES256, _version(state="Retiring"), "no version is active"),
        (ES256, _twice_active, "are active, and only one can be"),
        (ES256, _only_destroyed, "no version is active"),
        (ES256, lambda d: d["ring"].update(versions=[]), "there is no version"),
        (ES256, lambda d: d["ring"].update(acceptanceConfirmed=999), "beyond the revision"),
    ],
)  # fmt: skip
def test_a_ring_that_was_changed_by_hand_freezes_and_nothing_is_written(
    trial: Trial, spec: Document, edit: Edit, expected: str
) -> None:
    """It names the store and what is wrong, quotes nothing, and goes on once the ring is as it was."""
    policy = trial.policy(**spec)
    trial.until_stable(policy)
    path = f"rotator/data/{trial.life}/key"
    before = trial.vault(path)
    _write(trial, path, before, edit)
    trial.timeline.pass_by(DAYS_30)
    outcome = trial.run(policy)
    assert outcome.result is Result.FROZEN
    assert expected in outcome.reason
    assert f"vault rotator/{trial.life}/key" in outcome.reason
    assert "PRIVATE KEY" not in outcome.reason
    assert not [c for c in trial.calls if c.writes and "leases" not in c.path and "auth" not in c.path]
    _write(trial, path, {"data": before["data"], "metadata": trial.vault(path)["metadata"]}, lambda _: None)
    assert trial.run(policy).result is not Result.FROZEN


def _write(trial: Trial, path: str, found: Mapping[str, Any], edit: Edit) -> None:
    document = {name: json.loads(text) if name != "writer" else text for name, text in found["data"].items()}
    edit(document)
    fields = {name: part if isinstance(part, str) else json.dumps(part) for name, part in document.items()}
    cas = {"cas": found["metadata"]["version"]}
    trial.bao.server.call("POST", path, {"options": cas, "data": fields})


def test_a_key_under_a_name_of_its_own_cannot_be_replaced_either(trial: Trial) -> None:
    """Its id is what its tokens carry, not its thumbprint: the digest beside it tells that it is another key."""
    data = {"key": base64.b64encode(ANOTHER.encode()).decode()}
    path = f"/api/v1/namespaces/{NAMESPACE}/secrets"
    trial.environment.ask("POST", path, {"metadata": {"name": "key"}, "data": data})
    policy = trial.policy(
        **ES256,
        takeOver={"secret": {"name": "key", "key": "key"}, "kid": "2023"},
        holders=[{"secret": {"name": "key", "data": {"key": "private_key"}}}],
    )
    trial.until_stable(policy)
    ring = f"rotator/data/{trial.life}/key"
    _write(
        trial, ring, trial.vault(ring), _material(private_key=pem(ec.generate_private_key(ec.SECP256R1())))
    )
    trial.timeline.pass_by(DAYS_30)
    outcome = trial.run(policy)
    assert (outcome.result, trial.accepted()) == (Result.FROZEN, ["2023"])
    assert "the material of the version 2023 is not what was recorded with it" in outcome.reason


@pytest.mark.parametrize("spec", [ES256, OPAQUE, HMAC])
def test_a_ring_of_an_earlier_program_is_taken_as_it_is(trial: Trial, spec: Document) -> None:
    """No digests were written then, and those of an older revision say nothing: the rotation goes on."""
    policy = trial.policy(**spec)
    trial.until_stable(policy)
    path = f"rotator/data/{trial.life}/key"
    _write(
        trial,
        path,
        trial.vault(path),
        lambda d: d["digests"].update(revision=1, material=dict.fromkeys(d["material"], "x")),
    )
    trial.timeline.pass_by(DAYS_30)
    assert trial.run(policy).result is not Result.FROZEN
    _write(trial, path, trial.vault(path), lambda d: d.pop("digests"))
    trial.timeline.pass_by(DAYS_30)
    trial.until_stable(policy)


def test_a_declaration_of_another_kind_is_told_from_damage(trial: Trial) -> None:
    """Whoever writes another credential into the file of a rotation is told, and nothing is delivered."""
    trial.until_stable(trial.policy(**OPAQUE))
    outcome = trial.run(
        trial.policy(
            **{
                **OPAQUE,
                **ES256,
                "verifiers": [{"jwks": {"configMap": "list"}}],
                "holders": [{"secret": {"name": "k2"}}],
            }
        )
    )
    assert outcome.result is Result.FROZEN
    assert "of another kind of credential than is declared" in outcome.reason


@pytest.mark.parametrize("spec", [ES256, OPAQUE, HMAC])
def test_an_empty_list_is_never_delivered(trial: Trial, spec: Document) -> None:
    """Whatever asks for it: a list without any version refuses everybody."""
    policy = trial.policy(**spec)
    world = trial.world()
    (verifier,) = wiring.rotation(world, policy).verifiers
    nothing = Want(
        ring=Ring(rotation=policy.ref, revision=1), copies=(), epoch=0, settled=0, drift=False, known={}, erase=False
    )  # fmt: skip
    with pytest.raises(Frozen, match="would be left without any version"):
        verifier.sync(nothing, act=True, fresh=True)
    world.close()
    assert not [c for c in trial.calls if c.writes]
