"""One JWK Set of several rotations, with keys of others: each has its own keys there, and leaves all else as it is."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest

from rotator.engine.outcome import Outcome, Result
from rotator.policy.model import RotationPolicy
from rotator.policy.owners import Owners
from rotator.run import wiring
from tests.faults.environment import NAMESPACE, Bao
from tests.faults.traffic import text_of
from tests.trial import Trial

CONFIG_MAPS = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
MONTH = timedelta(days=30)
THEIRS = (
    '{ "kty":"OKP" , "crv":"Ed25519", "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",\n  "kid":"theirs" }'
)
FOUND = f'{{"issuer": "them", "keys": [\n  {THEIRS}\n]}}\n'
Read = Callable[[], str]


@pytest.fixture
def trial(bao: Bao) -> Trial:
    """An empty cluster, an empty path in Vault, and time of its own."""
    return Trial(bao)


def sharing(
    trial: Trial, name: str = "key", set_: Mapping[str, Any] | None = None, **spec: Any
) -> RotationPolicy:
    """Return a declaration of a rotation that shares the set."""
    jwks = {"configMap": "platform", "maxAge": "5m", "shared": True, **(set_ or {})}
    return trial.policy(name, **{"verifiers": [{"jwks": jwks}], **spec})


def published(trial: Trial) -> str:
    """Return the set as it is read."""
    return text_of(trial.environment.config_map("platform"), "jwks.json", secret=False) or ""


def kids(trial: Trial) -> list[str]:
    """Return the ids in the set, in order."""
    return [key["kid"] for key in json.loads(published(trial) or '{"keys": []}')["keys"]]


def put(trial: Trial, text: str | None, **metadata: Any) -> None:
    """Write the set as its owner would."""
    document = {"metadata": {"name": "platform", **metadata}, "data": {"jwks.json": text}}
    if trial.environment.config_map("platform"):
        trial.environment.ask("PATCH", f"{CONFIG_MAPS}/platform", document)
    else:
        trial.environment.ask("POST", CONFIG_MAPS, document)


def ids(outcome: Outcome) -> list[str]:
    """Return the ids of a rotation's live versions."""
    assert outcome.ring
    return [v.id for v in outcome.ring.live]


def test_two_rotations_live_in_one_set_beside_a_key_of_others(trial: Trial) -> None:
    """For three months. The key of others, and what else the set says, stay byte for byte."""
    put(trial, FOUND)
    one, other = sharing(trial, "one"), sharing(trial, "other")
    for _ in range(3):
        for policy in (one, other):
            outcome = trial.until_stable(policy)
            assert set(ids(outcome)) < set(kids(trial))
        assert kids(trial)[0] == "theirs"
        assert THEIRS in published(trial)
        assert json.loads(published(trial))["issuer"] == "them"
        assert len(kids(trial)) == 3
        trial.timeline.pass_by(MONTH)


def test_during_a_rotation_both_keys_of_one_are_there_and_the_other_is_not_touched(trial: Trial) -> None:
    """The new one comes last; a reader that takes the first key goes on with what it has."""
    one, other = sharing(trial, "one"), sharing(trial, "other")
    before = [*ids(trial.until_stable(one)), *ids(trial.until_stable(other))]
    assert kids(trial) == before
    trial.run(one, request="now")
    assert kids(trial)[:2] == before
    assert len(kids(trial)) == 3
    assert trial.run(other).steps == ()


def test_status_says_who_has_which_key(trial: Trial) -> None:
    """For each rotation: the keys of the others, and those of nobody that rotator knows."""
    put(trial, FOUND)
    one, other = sharing(trial, "one"), sharing(trial, "other")
    trial.until_stable(one)
    (theirs,) = ids(trial.until_stable(other))
    looked = trial.run(one, act=False)
    assert looked.beside == (
        f"configmap payments/platform: {NAMESPACE}/other has {theirs}; others have theirs",
    )


def test_a_writer_between_look_and_write_loses_nothing(trial: Trial) -> None:
    """The write is fenced by what was read: ours is made anew from what stands there then."""
    put(trial, FOUND)
    policy = sharing(trial)
    trial.until_stable(policy)
    added = THEIRS.replace("theirs", "late")

    def write_late() -> None:
        if not kids(trial).count("late") and any(
            c.method == "GET" and c.path.endswith("/platform") for c in trial.calls
        ):
            put(trial, published(trial).replace(THEIRS, f"{THEIRS}, {added}"))

    trial.timeline.moved.append(write_late)
    trial.timeline.pass_by(MONTH)
    trial.run(policy, request="now")
    trial.until_stable(policy)
    assert kids(trial)[:2] == ["theirs", "late"]
    assert added in published(trial)
    assert len(kids(trial)) == 3


def test_a_key_that_somebody_takes_out_comes_back_and_theirs_do_not(trial: Trial) -> None:
    """Each is the master of its own keys."""
    put(trial, FOUND)
    policy = sharing(trial)
    (ours,) = ids(trial.until_stable(policy))
    put(trial, '{"keys": []}')
    outcome = trial.run(policy)
    assert any("repair" in step for step in outcome.steps)
    assert kids(trial) == [ours]


def test_a_dead_key_that_somebody_puts_back_is_taken_out(trial: Trial) -> None:
    """A set from a backup has the key of last month."""
    policy = sharing(trial)
    trial.until_stable(policy)
    old = published(trial)
    trial.timeline.pass_by(MONTH)
    (new,) = ids(trial.until_stable(policy))
    put(trial, json.dumps({"keys": [*json.loads(old)["keys"], *json.loads(published(trial))["keys"]]}))
    trial.run(policy)
    assert kids(trial) == [new]


def test_a_rotation_that_was_alone_begins_to_share(trial: Trial) -> None:
    """Without another key, and without a wait; then another rotation joins, and it can be taken away again."""
    alone = sharing(trial, "one", {"shared": False})
    before = ids(trial.until_stable(alone))
    one, other = sharing(trial, "one"), sharing(trial, "other")
    assert trial.run(other).result is Result.FROZEN
    outcome = trial.until_stable(one)
    assert ids(outcome) == before
    trial.until_stable(other)
    assert kids(trial)[:1] == before
    assert len(kids(trial)) == 2


def test_a_shared_set_is_not_taken_for_ones_own_again(trial: Trial) -> None:
    """Keys of others could be lost: it is refused, and stays as it is."""
    put(trial, FOUND)
    trial.until_stable(sharing(trial))
    before = published(trial)
    outcome = trial.run(sharing(trial, set_={"shared": False}))
    assert outcome.result is Result.FROZEN
    assert "is shared by the rotations payments/key" in outcome.reason
    assert published(trial) == before


@pytest.mark.parametrize("text", ["no JSON", "[]", '{"keys": [], "keys": []}', "{}"])
def test_what_is_no_set_is_refused_before_anything_is_made(trial: Trial, text: str) -> None:
    """The plan says so; there is no ring."""
    put(trial, text)
    for act in (False, True):
        outcome = trial.run(sharing(trial), act=act)
        assert outcome.result is Result.FROZEN
        assert "the data key jwks.json cannot be shared" in outcome.reason
    assert published(trial) == text
    assert outcome.summary.active == ""


# --- taking over -------------------------------------------------------------------------------------------------


def taken_over(trial: Trial, kid: str, **more: Any) -> RotationPolicy:
    """Return a declaration that takes over the key which another rotation has made."""
    return sharing(
        trial,
        "heir",
        store={"kubernetes": {}},
        takeOver={"secret": {"name": "key", "key": "key"}, "kid": kid},
        holders=[{"secret": {"name": "held-by-heir"}, "pickUp": "1s"}],
        **more,
    )


def test_the_key_in_use_is_taken_over_where_it_stands(trial: Trial) -> None:
    """Somebody's set has the public part already, without a use: it is the same key, and stays as it is written."""
    donor = trial.policy("key")
    trial.until_stable(donor)
    accepted = text_of(trial.environment.config_map("key-accepted"), "jwks.json", secret=False) or ""
    jwk = {**json.loads(accepted)["keys"][0], "kid": "old", "x5t": "abc"}
    del jwk["use"]
    put(trial, f'{{"keys": [{json.dumps(jwk)}, {THEIRS}]}}')
    trial.until_stable(taken_over(trial, "old"))
    assert kids(trial) == ["old", "theirs"]
    assert json.dumps(jwk) in published(trial)
    trial.timeline.pass_by(MONTH)
    (new,) = ids(trial.until_stable(taken_over(trial, "old")))
    assert kids(trial) == ["theirs", new]


def test_a_kid_of_others_is_refused_before_anything_is_recorded(trial: Trial) -> None:
    """Two keys of one name: readers would take one or the other."""
    trial.until_stable(trial.policy("key"))
    put(trial, FOUND)
    outcome = trial.run(taken_over(trial, "theirs"))
    assert outcome.result is Result.FROZEN
    assert "has another key with the kid theirs already" in outcome.reason
    assert trial.environment.secret("rotation-heir") is None
    assert published(trial) == FOUND


def test_a_key_of_others_is_kept_until_the_day_that_is_named(trial: Trial) -> None:
    """Then it goes, and the others stay."""
    until = trial.timeline.now + timedelta(days=10)
    put(trial, f'{{"keys": [{THEIRS}, {THEIRS.replace("theirs", "previous")}]}}')
    policy = sharing(trial, set_={"keep": {"previous": until.strftime("%Y-%m-%dT%H:%M:%SZ")}})
    (ours,) = ids(trial.until_stable(policy))
    trial.timeline.pass_by(timedelta(days=9))
    trial.run(policy)
    assert kids(trial) == ["theirs", "previous", ours]
    trial.timeline.pass_by(timedelta(days=1, hours=1))
    trial.run(policy)
    assert kids(trial) == ["theirs", ours]


def test_a_key_of_another_rotation_is_neither_taken_over_nor_removed(trial: Trial) -> None:
    """Whoever has it withdraws it some day, and the other one's tokens would be refused."""
    one = sharing(trial, "key")
    (kid,) = ids(trial.until_stable(one))
    heir = taken_over(trial, kid)
    outcome = trial.run(heir)
    assert outcome.result is Result.FROZEN
    assert f"has the key {kid} already, which belongs to the rotation payments/key" in outcome.reason
    assert trial.environment.secret("rotation-heir") is None
    other = sharing(trial, "other", {"keep": {kid: "2020-01-01T00:00:00Z"}})
    trial.until_stable(other)
    assert kid in kids(trial)


# --- the end -----------------------------------------------------------------------------------------------------


def delete(trial: Trial, policy: RotationPolicy) -> Outcome:
    """Delete the declaration and with it the credential."""
    world = trial.world()
    try:
        return (
            wiring.fleet(world, act=True).advance([wiring.declared(world, policy, leaving=True)]).outcomes[0]
        )
    finally:
        world.close()


def gone(trial: Trial, policy: RotationPolicy) -> None:
    """Run the deletion to its end."""
    for _ in range(10):
        outcome = delete(trial, policy)
        if outcome.result is Result.DELETED:
            return
        trial.wait(outcome)
    raise AssertionError(outcome)


def test_deletion_takes_only_ones_own_keys(trial: Trial) -> None:
    """Those of the other rotation and of others stay; an object that others made stays with them."""
    put(trial, FOUND)
    one = sharing(trial, "one", deletionPolicy="Delete", store={"kubernetes": {}})
    other = sharing(trial, "other", deletionPolicy="Delete", store={"kubernetes": {}})
    trial.until_stable(one)
    (left,) = ids(trial.until_stable(other))
    gone(trial, one)
    assert kids(trial) == ["theirs", left]
    assert trial.run(other).result is not Result.FROZEN
    gone(trial, other)
    assert published(trial) == FOUND


def test_the_last_one_takes_the_object_and_leaves_no_empty_set(trial: Trial) -> None:
    """Readers of a set without keys would refuse everything."""
    one = sharing(trial, "one", deletionPolicy="Delete", store={"kubernetes": {}})
    trial.until_stable(one)
    gone(trial, one)
    assert trial.environment.config_map("platform") is None


# --- in Vault ----------------------------------------------------------------------------------------------------


def in_vault(trial: Trial, name: str, path: str) -> RotationPolicy:
    """Return a declaration of a rotation that shares a set in Vault."""
    jwks = {"vault": {"mount": "secret", "path": path}, "maxAge": "5m", "shared": True}
    return trial.policy(name, verifiers=[{"jwks": jwks}])


def test_two_rotations_live_in_one_set_in_vault(trial: Trial) -> None:
    """The path that rotator makes keeps one version, so no withdrawn key is left in its history."""
    path = f"{trial.life}/platform"
    one, other = (in_vault(trial, name, path) for name in ("one", "other"))
    for _ in range(2):
        live = [*ids(trial.until_stable(one)), *ids(trial.until_stable(other))]
        document = trial.vault(f"secret/data/{path}")["data"]
        assert sorted(k["kid"] for k in json.loads(document["jwks.json"])["keys"]) == sorted(live)
        trial.timeline.pass_by(MONTH)


# --- what is declared --------------------------------------------------------------------------------------------


def claims(*policies: RotationPolicy) -> list[str]:
    """Return what is refused of declarations beside each other."""
    owners = Owners()
    return [said for p in policies for _, said in owners.claim(p, "file")]


def test_a_set_is_shared_by_all_or_by_nobody(trial: Trial) -> None:
    """Whoever takes it for its own would take the keys of the others away."""
    shared, alone = sharing(trial, "one"), sharing(trial, "two", {"shared": False})
    assert claims(shared, sharing(trial, "three")) == []
    expected = "configmap payments/platform is used already by payments/{}; expected all of them to share it, or none"
    assert claims(shared, alone) == [expected.format("one")]
    assert claims(alone, shared) == [expected.format("two")]


@pytest.mark.parametrize(
    ("verifier", "expected"),
    [
        (
            {"jwks": {"configMap": "platform", "maxAge": "5m", "keep": {"a": "2027-01-31T00:00:00Z"}}},
            "keep: a set that is not",
        ),
        (
            {"jwks": {"configMap": "platform", "maxAge": "5m", "shared": True, "keep": {"a": "soon"}}},
            "should match pattern",
        ),
        (
            {
                "jwks": {
                    "configMap": "platform",
                    "maxAge": "5m",
                    "shared": True,
                    "keep": {"a": "2027-02-31T00:00:00Z"},
                }
            },
            "keep",
        ),
    ],
)
def test_what_cannot_be_shared_is_refused(trial: Trial, verifier: dict[str, Any], expected: str) -> None:
    """With the field."""
    with pytest.raises(ValueError, match=expected):
        trial.policy(verifiers=[verifier])
