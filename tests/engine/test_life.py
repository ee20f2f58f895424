"""What happens to one rotation when people, servers and other runs get in its way."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from rotator.credentials.jwt_signing_key.maker import JwtSigningKey
from rotator.engine.outcome import Result
from tests.faults.environment import NAMESPACE, OTHER, Bao
from tests.faults.traffic import text_of
from tests.faults.transport import Answer, Call, Perform, http_date
from tests.trial import Trial

DAYS_30 = timedelta(days=30)
CLASSIC = {"secret": {"name": "jwt-signing-key", "data": {"key": "private_key"}}}


@pytest.fixture
def trial(bao: Bao) -> Trial:
    """An empty cluster, an empty path in Vault, and time of its own."""
    return Trial(bao)


def _edit_config_map(trial: Trial, text: str) -> None:
    path = f"/api/v1/namespaces/{NAMESPACE}/configmaps/key-accepted"
    trial.environment.ask("PATCH", path, {"data": {"jwks.json": text}})


# --- the plain life ---------------------------------------------------------------------------------------------


def test_a_second_version_takes_over_and_the_first_is_gone_everywhere(trial: Trial) -> None:
    """After a life the list shows the second key only, and no KV version of any path holds the first."""
    policy = trial.policy(
        holders=[
            {"secret": {"name": "key"}, "restart": {"workloads": "auto", "soak": "0s"}},
            {"vault": {"mount": "secret", "path": trial.life}},
        ]
    )
    trial.until_stable(policy)
    (first,) = trial.accepted()
    material = trial.vault(f"secret/data/{trial.life}")["data"]["private_key"]
    trial.timeline.pass_by(DAYS_30)
    trial.until_stable(policy)
    (second,) = trial.accepted()
    assert first != second
    assert trial.held() == second
    for path in (f"rotator/data/{trial.life}/key", f"secret/data/{trial.life}"):
        newest = trial.vault(path)["metadata"]["version"]
        assert material not in json.dumps(trial.vault(path))
        for version in range(1, newest):
            with pytest.raises(RuntimeError, match="404"):
                trial.vault(f"{path}?version={version}")


def test_a_vault_path_shows_current_and_previous_while_both_are_accepted(trial: Trial) -> None:
    """Consumers read flat fields; the metadata tells people version, state and instants."""
    policy = trial.policy(holders=[{"vault": {"mount": "secret", "path": trial.life}}])
    trial.until_stable(policy)
    first = trial.accepted()[0]
    trial.timeline.pass_by(DAYS_30)
    for _ in range(2):
        trial.wait(trial.run(policy))
    document = trial.vault(f"secret/data/{trial.life}")
    data, note = document["data"], document["metadata"]["custom_metadata"]
    assert data["previous_kid"] == first != data["kid"]
    assert {"private_key", "public_key", "jwk", "algorithm", "previous_private_key"} <= data.keys()
    assert all(isinstance(v, str) for v in data.values())
    assert (note["rotator.dev/current_version"], note["rotator.dev/current_state"]) == (data["kid"], "Active")
    assert (note["rotator.dev/previous_version"], note["rotator.dev/previous_state"]) == (first, "Retiring")
    trial.until_stable(policy)
    assert not [f for f in trial.vault(f"secret/data/{trial.life}")["data"] if f.startswith("previous_")]


def test_the_classic_secret_with_the_one_key_is_filled(trial: Trial) -> None:
    """An application that reads `key` of `jwt-signing-key` needs no change, and its other data keys are left alone."""
    path = f"/api/v1/namespaces/{NAMESPACE}/secrets"
    other = {"metadata": {"name": "jwt-signing-key"}, "data": {"issuer": base64.b64encode(b"acme").decode()}}
    trial.environment.ask("POST", path, other)
    trial.until_stable(trial.policy(holders=[CLASSIC]))
    document = trial.environment.secret("jwt-signing-key")
    assert "PRIVATE KEY" in (text_of(document, "key", secret=True) or "")
    assert sorted(document["data"]) == ["issuer", "key"]


def test_holders_in_many_namespaces_all_receive_it(trial: Trial) -> None:
    """One holder, two namespaces, the same version."""
    trial.until_stable(trial.policy(holders=[{"secret": {"name": "key", "namespaces": [NAMESPACE, OTHER]}}]))
    assert text_of(trial.environment.secret("key", OTHER), "kid", secret=True) == trial.held()


def test_an_opaque_secret_has_a_current_value_and_a_list_of_accepted_ones(trial: Trial) -> None:
    """A cookie secret: the holder has the newest, the verifiers have both while it is needed."""
    policy = trial.policy(
        credential={"sharedSecret": {"length": 40}},
        store={"kubernetes": {}},
        verifiers=[{"acceptedList": {"secret": "cookies", "format": "lines", "maxAge": "1m"}}],
        holders=[{"secret": {"name": "cookie", "data": {"COOKIE_SECRET": "value"}}}],
    )
    trial.until_stable(policy)
    trial.timeline.pass_by(DAYS_30)
    for _ in range(2):
        trial.wait(trial.run(policy))
    values = (text_of(trial.environment.secret("cookies"), "accepted", secret=True) or "").split()
    current = text_of(trial.environment.secret("cookie"), "COOKIE_SECRET", secret=True)
    assert len(values) == 2
    assert values[1] == current
    assert {len(v) for v in values} == {40}


def test_raw_bytes_reach_the_holder_as_they_are(trial: Trial) -> None:
    """An encryption key that is no text: bytes in the Secret, base64 in the list of those who decrypt."""
    policy = trial.policy(
        credential={"sharedSecret": {"bytes": 32, "encoding": "raw"}},
        verifiers=[{"acceptedList": {"secret": "keys", "maxAge": "1m"}}],
        holders=[{"secret": {"name": "key", "data": {"KEY": "value"}}}],
    )
    trial.until_stable(policy)
    held = base64.b64decode(trial.environment.secret("key")["data"]["KEY"])
    accepted = json.loads(text_of(trial.environment.secret("keys"), "accepted", secret=True) or "")
    assert len(held) == 32
    assert [base64.b64decode(a["value"]) for a in accepted] == [held]


# --- taking over ------------------------------------------------------------------------------------------------


def _existing(trial: Trial, value: bytes) -> None:
    data = {"key": base64.b64encode(value).decode()}
    path = f"/api/v1/namespaces/{NAMESPACE}/secrets"
    trial.environment.ask("POST", path, {"metadata": {"name": "jwt-signing-key"}, "data": data})


def test_a_key_in_use_is_taken_over_and_nobody_notices(trial: Trial) -> None:
    """It is the first version under the id its tokens carry; nothing restarts until it is rotated for real."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    _existing(trial, pem)
    trial.environment.keep("key")  # which the Deployment mounts
    policy = trial.policy(
        credential={"jwtSigningKey": {"algorithm": "RS256", "bits": 2048}},
        takeOver={"secret": {"name": "jwt-signing-key", "key": "key"}, "kid": "2023-key"},
        holders=[{**CLASSIC, "restart": {"workloads": [{"name": "api"}], "soak": "0s"}}],
    )
    trial.until_stable(policy)
    assert trial.accepted() == ["2023-key"]
    assert text_of(trial.environment.secret("jwt-signing-key"), "key", secret=True) == pem.decode()
    assert trial.environment.deployment()["metadata"]["generation"] == 1
    trial.timeline.pass_by(DAYS_30)
    trial.until_stable(policy)
    assert trial.accepted() != ["2023-key"]
    assert text_of(trial.environment.secret("jwt-signing-key"), "key", secret=True) != pem.decode()
    assert trial.environment.deployment()["metadata"]["generation"] == 2


def test_a_key_of_another_kind_is_taken_over_as_what_it_is_and_then_replaced(trial: Trial) -> None:
    """An RSA key where the policy asks for ES256: accepted as RS256 until its tokens have expired."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    _existing(trial, private.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()))
    policy = trial.policy(
        credential={"jwtSigningKey": {}},
        takeOver={"secret": {"name": "jwt-signing-key", "key": "key"}},
    )
    trial.wait(trial.run(policy))
    trial.run(policy)
    both = json.loads(trial.environment.config_map("key-accepted")["data"]["jwks.json"])["keys"]
    assert [k["alg"] for k in both] == ["RS256", "ES256"]


@pytest.mark.parametrize(
    ("value", "expected"), [(b"not a key", "it is no private key"), (None, "nothing to take over")]
)
def test_what_cannot_be_taken_over_freezes_and_is_left_untouched(
    trial: Trial, value: bytes | None, expected: str
) -> None:
    """The message names it and never quotes it; nothing is written."""
    if value:
        _existing(trial, value)
    outcome = trial.run(trial.policy(takeOver={"secret": {"name": "jwt-signing-key", "key": "key"}}))
    assert outcome.result is Result.FROZEN
    assert expected in outcome.reason
    assert "not a key" not in outcome.reason
    assert not trial.accepted()


# --- drift ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ['{"keys": []}', "", "garbage"])
def test_a_list_edited_by_hand_is_repaired_by_the_next_run_and_said_so(trial: Trial, text: str) -> None:
    """Level-triggered: nothing is due, and still the next run sees it and puts it right."""
    policy = trial.policy()
    trial.until_stable(policy)
    before = trial.accepted()
    _edit_config_map(trial, text)
    outcome = trial.run(policy)
    assert trial.accepted() == before
    assert any("repair (edited by somebody else)" in s for s in outcome.steps)
    trial.run(policy)
    assert trial.run(policy).result is Result.IDLE


@pytest.mark.parametrize(("kind", "name"), [("configmaps", "key-accepted"), ("secrets", "key")])
def test_a_target_deleted_by_hand_comes_back_with_the_next_run(trial: Trial, kind: str, name: str) -> None:
    """Deleted is edited, too."""
    policy = trial.policy()
    trial.until_stable(policy)
    before = trial.accepted()
    trial.environment.ask("DELETE", f"/api/v1/namespaces/{NAMESPACE}/{kind}/{name}")
    outcome = trial.run(policy)
    assert trial.accepted() == before == [trial.held()]
    assert any("repair (deleted by somebody else)" in s for s in outcome.steps)


def test_a_vault_path_written_by_hand_is_repaired_at_the_next_look(trial: Trial) -> None:
    """The KV version moved on without us; no list shows that, so a run looks once an hour."""
    policy = trial.policy(holders=[{"vault": {"mount": "secret", "path": trial.life}}])
    trial.until_stable(policy)
    before = trial.vault(f"secret/data/{trial.life}")["data"]["kid"]
    trial.bao.server.call(
        "POST", f"secret/data/{trial.life}", {"options": {"cas": 1}, "data": {"kid": "mine"}}
    )
    trial.timeline.pass_by(timedelta(hours=1))
    outcome = trial.run(policy)
    assert trial.vault(f"secret/data/{trial.life}")["data"]["kid"] == before
    assert any("repair" in s for s in outcome.steps)


def test_a_key_removed_by_hand_during_the_lead_starts_the_lead_anew(trial: Trial) -> None:
    """I1: whoever fetched the list without it may cache that for the whole lead."""
    policy = trial.policy()
    trial.until_stable(policy)
    trial.timeline.pass_by(DAYS_30)
    published = trial.run(policy)
    assert published.until
    old, new = trial.accepted()
    document = trial.environment.config_map("key-accepted")["data"]["jwks.json"]
    only_old = {"keys": [k for k in json.loads(document)["keys"] if k["kid"] == old]}
    trial.timeline.pass_by(timedelta(minutes=4))
    _edit_config_map(trial, json.dumps(only_old))
    repaired = trial.run(policy)
    assert trial.accepted() == [old, new]
    assert repaired.until
    assert repaired.until >= trial.timeline.now + policy.lead - timedelta(seconds=1)
    trial.timeline.pass_by(published.until - trial.timeline.now + timedelta(seconds=1))
    trial.run(policy)
    assert trial.held() == old


def test_a_look_at_what_never_ran_invents_nothing(trial: Trial) -> None:
    """`status` says what is; only `plan` goes on from what would be recorded."""
    policy = trial.policy()
    (shown,) = trial.fleet(policy, act=False, tell_last=True).outcomes
    assert (shown.summary.phase, shown.summary.active, shown.summary.revision) == ("New", "", 0)
    assert shown.reason == "the next run goes on: stage (new): there is no version yet"
    trial.until_stable(policy)
    trial.timeline.pass_by(DAYS_30)
    (due,) = trial.fleet(policy, act=False, tell_last=True).outcomes
    assert (due.summary.phase, due.summary.active) == ("Stable", trial.held())
    assert due.reason.startswith("the next run goes on: stage (new): ")


def test_a_foreign_secret_can_still_be_taken_over_after_the_freeze(trial: Trial) -> None:
    """The message says so, and nothing that a run left behind is in the way of it."""
    path = f"/api/v1/namespaces/{NAMESPACE}/secrets"
    key = JwtSigningKey("EdDSA").make("x", 1).material["private_key"].reveal()
    data = {"key": base64.b64encode(key.encode()).decode()}
    trial.environment.ask("POST", path, {"metadata": {"name": "key"}, "data": data})
    assert trial.run(
        trial.policy(holders=[{"secret": {"name": "key", "data": {"key": "private_key"}}}])
    ).result is (Result.FROZEN)
    taken = trial.policy(
        holders=[{"secret": {"name": "key", "data": {"key": "private_key"}}}],
        takeOver={"secret": {"name": "key", "key": "key"}},
    )
    trial.until_stable(taken)
    assert trial.environment.secret("key")["data"]["key"] == data["key"]


def test_time_that_is_used_up_is_no_freeze(trial: Trial) -> None:
    """What a run did not reach waits for the next one, and calls nobody."""
    policies = [trial.policy(f"key-{n}") for n in range(3)]
    report = trial.fleet(*policies, deadline=timedelta(microseconds=1))
    assert {o.result for o in report.outcomes} == {Result.WAITING}
    assert report.exit_code == 0


# --- what is not ours -------------------------------------------------------------------------------------------


def test_a_secret_that_rotator_did_not_make_is_left_untouched(trial: Trial) -> None:
    """A foreign value is never overwritten: the rotation freezes, says so, and goes on once it is moved away."""
    path = f"/api/v1/namespaces/{NAMESPACE}/secrets"
    foreign = base64.b64encode(b"theirs").decode()
    trial.environment.ask("POST", path, {"metadata": {"name": "key"}, "data": {"kid": foreign}})
    policy = trial.policy()
    for _ in range(3):  # every run, also one that knows of the runs before
        outcome = trial.run(policy)
        assert outcome.result is Result.FROZEN
        assert outcome.steps == (), "nothing at all is written before the way is free"
        assert "takeOver" in outcome.reason
        assert "secret payments/key exists and was not made by rotator" in outcome.reason
        assert trial.held() == "theirs"
        trial.timeline.pass_by(timedelta(minutes=5))
    trial.environment.ask("DELETE", f"{path}/key")
    trial.until_stable(policy)
    assert [trial.held()] == trial.accepted()


def test_a_vault_path_that_rotator_did_not_make_is_left_untouched_with_its_history(trial: Trial) -> None:
    """Neither its data nor its metadata change: its owner keeps every version."""
    path = f"secret/data/{trial.life}"
    for value in ("one", "two"):
        trial.bao.server.call("POST", path, {"data": {"kid": value}})
    metadata = trial.vault(f"secret/metadata/{trial.life}")
    outcome = trial.run(trial.policy(holders=[{"vault": {"mount": "secret", "path": trial.life}}]))
    assert outcome.result is Result.FROZEN
    assert f"vault secret/{trial.life} exists and was not made by rotator" in outcome.reason
    assert trial.vault(f"secret/metadata/{trial.life}") == metadata
    assert trial.vault(f"{path}?version=1")["data"] == {"kid": "one"}


def test_a_target_of_another_rotation_is_left_untouched(trial: Trial) -> None:
    """Two rotations that write one object would undo each other for ever."""
    trial.until_stable(trial.policy())
    thief = trial.policy("thief", verifiers=[{"jwks": {"configMap": "key-accepted"}}])
    outcome = trial.run(thief)
    assert outcome.result is Result.FROZEN
    assert "belongs to the rotation payments/key" in outcome.reason


def test_a_missing_namespace_is_named(trial: Trial) -> None:
    """The message says which namespace, and what was left alone."""
    holders = [{"secret": {"name": "key", "namespaces": ["nowhere"]}}]
    outcome = trial.run(trial.policy(holders=holders))
    assert outcome.result is Result.FROZEN
    assert "the namespace nowhere does not exist" in outcome.reason


# --- the store --------------------------------------------------------------------------------------------------

_BAD_RINGS = [
    pytest.param({"ring": "garbage", "material": "{}"}, "no JSON of ours", id="garbage"),
    pytest.param(
        {"ring": json.dumps({"format": 9}), "material": "{}"}, "another version of rotator", id="newer"
    ),
    pytest.param({"material": "{}"}, "'ring' is missing", id="half"),
]


@pytest.mark.parametrize(("fields", "expected"), _BAD_RINGS)
def test_an_unreadable_ring_freezes_and_nothing_is_written(
    trial: Trial, fields: dict[str, str], expected: str
) -> None:
    """Garbage and newer formats are never overwritten."""
    policy = trial.policy()
    trial.until_stable(policy)
    path = f"rotator/data/{trial.life}/key"
    version = trial.vault(path)["metadata"]["version"]
    trial.bao.server.call("POST", path, {"options": {"cas": version}, "data": fields})
    trial.timeline.pass_by(DAYS_30)
    outcome = trial.run(policy)
    assert outcome.result is Result.FROZEN
    assert expected in outcome.reason
    assert trial.vault(path)["data"] == fields
    assert not [c for c in trial.calls if c.writes and "leases" not in c.path and "auth" not in c.path]


def test_a_ring_that_vanished_is_no_new_beginning(trial: Trial) -> None:
    """Starting anew would sign with a key that no verifier has waited for."""
    policy = trial.policy()
    trial.until_stable(policy)
    trial.bao.server.call("DELETE", f"rotator/metadata/{trial.life}/key")
    trial.timeline.pass_by(DAYS_30)
    outcome = trial.run(policy)
    assert outcome.result is Result.FROZEN
    assert "there is no ring" in outcome.reason
    assert len(trial.accepted()) == 1


def test_an_old_copy_of_the_ring_is_refused(trial: Trial) -> None:
    """A restored backup knows keys that are dead, and not those that live."""
    policy = trial.policy()
    trial.until_stable(policy)
    path = f"rotator/data/{trial.life}/key"
    backup = trial.vault(path)
    trial.timeline.pass_by(DAYS_30)
    trial.until_stable(policy)
    version = trial.vault(path)["metadata"]["version"]
    trial.bao.server.call("POST", path, {"options": {"cas": version}, "data": backup["data"]})
    trial.timeline.pass_by(DAYS_30)
    outcome = trial.run(policy)
    assert outcome.result is Result.FROZEN
    assert "an old copy was restored" in outcome.reason


def test_a_ring_and_a_lease_that_vanished_are_noticed_by_what_was_delivered(trial: Trial) -> None:
    """Every document carries its version: a ring that begins anew does not know it, and does not overwrite it."""
    policy = trial.policy()
    trial.until_stable(policy)
    before = trial.accepted()
    trial.bao.server.call("DELETE", f"rotator/metadata/{trial.life}/key")
    lease = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/rotation-key"
    trial.environment.ask("DELETE", lease)
    outcome = trial.run(policy)
    assert outcome.result is Result.FROZEN
    assert "there is no ring: it was lost. Nothing was written" in outcome.reason
    assert outcome.steps == ()
    assert trial.accepted() == before == [trial.held()]


def test_a_ring_restored_from_an_old_copy_is_noticed_without_a_lease(trial: Trial) -> None:
    """Every document carries the revision: an old ring is behind them."""
    policy = trial.policy()
    trial.until_stable(policy)
    path = f"rotator/data/{trial.life}/key"
    backup = trial.vault(path)
    trial.timeline.pass_by(DAYS_30)
    trial.until_stable(policy)
    version = trial.vault(path)["metadata"]["version"]
    trial.bao.server.call("POST", path, {"options": {"cas": version}, "data": backup["data"]})
    trial.environment.ask(
        "DELETE", f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/rotation-key"
    )
    before = trial.accepted()
    outcome = trial.run(policy)
    assert outcome.result is Result.FROZEN
    assert "is behind what was delivered" in outcome.reason
    assert trial.accepted() == before


# --- clocks, leases, deadlines ------------------------------------------------------------------------------------


@pytest.mark.parametrize("off", [timedelta(minutes=5), timedelta(minutes=-5)])
def test_a_run_whose_clock_is_off_changes_nothing_and_says_so(trial: Trial, off: timedelta) -> None:
    """Beyond overlap.clockSkew, in either direction."""
    outcome = trial.run(trial.policy(), skew=off)
    assert outcome.result is Result.FROZEN
    assert "clock" in outcome.reason
    assert not [c for c in trial.calls if c.writes]


def test_a_clock_that_is_behind_by_more_than_the_deadline_is_called_by_its_name(trial: Trial) -> None:
    """Setting the clock right takes no time from the run; what is wrong is the clock, in every namespace."""
    two = [{"secret": {"name": "key", "namespaces": [NAMESPACE, OTHER]}}]
    report = trial.fleet(trial.policy(holders=two), trial.policy("other"), skew=timedelta(minutes=-20))
    assert all("behind the clock of kubernetes" in o.reason for o in report.outcomes)


@pytest.mark.parametrize("off", [timedelta(minutes=5), timedelta(minutes=-5)])
def test_a_vault_whose_clock_is_off_stops_only_those_that_use_it(
    trial: Trial, off: timedelta, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And it is Vault's clock that is to be put right: the API server agrees with ours."""
    middle = trial._middle  # noqa: SLF001 - the trial's own seam for faults

    def dated(call: Call, body: bytes, perform: Perform) -> Answer:
        answer = middle(call, body, perform)
        if call.system != "vault":
            return answer
        return replace(answer, headers={**answer.headers, "Date": http_date(trial.timeline.now + off)})

    monkeypatch.setattr(trial, "_middle", dated)
    without = trial.policy("other", store={"kubernetes": {}})
    report = trial.fleet(trial.policy(), without, trial.policy("third", store={"kubernetes": {}}))
    of = {o.rotation: o for o in report.outcomes}
    assert of["payments/key"].result is Result.FROZEN
    assert "Put the clock of vault right" in of["payments/key"].reason
    assert {of[f"payments/{name}"].result for name in ("other", "third")} == {Result.WAITING}


def test_a_lease_that_is_deleted_under_a_run_stops_it(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever deletes a lease lets another run begin: this one changes nothing more."""
    policy = trial.policy()
    trial.until_stable(policy)
    before = trial.held()
    middle = trial._middle  # noqa: SLF001 - the trial's own seam for faults
    lease = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/rotation-key"

    def deleted(call: Call, body: bytes, perform: Perform) -> Answer:
        answer = middle(call, body, perform)
        if "/data/" in call.path and call.method == "GET":
            trial.environment.ask("DELETE", lease)
            trial.timeline.pass_by(timedelta(seconds=15))  # long enough to have to renew it
        return answer

    monkeypatch.setattr(trial, "_middle", deleted)
    outcome = trial.run(policy, request="INC-1")
    assert (outcome.result, outcome.steps) == (Result.HELD, ())
    assert trial.held() == before


def test_another_runs_lease_is_respected_until_it_expires(trial: Trial) -> None:
    """Exit code 3 while it lasts; a killed run is not waited for longer than its lease."""
    policy = trial.policy()
    trial.until_stable(policy)
    now = trial.timeline.now.isoformat().replace("+00:00", "Z")
    spec = {"holderIdentity": "somebody", "renewTime": now, "leaseDurationSeconds": 30}
    path = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/rotation-key"
    trial.environment.ask("PATCH", path, {"spec": spec})
    trial.timeline.pass_by(timedelta(seconds=20))
    report = trial.fleet(policy, request="INC-1")
    assert (report.outcomes[0].result, report.exit_code) == (Result.HELD, 3)
    trial.timeline.pass_by(timedelta(seconds=11))
    assert trial.fleet(policy, request="INC-1").exit_code == 0


def test_a_run_ends_inside_its_deadline_and_the_next_carries_on(trial: Trial) -> None:
    """A workload that never gets ready is not waited for beyond the deadline."""
    deployment = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/api"
    annotations = {"sandbox.rotator.dev/rollout": "stall"}
    trial.environment.ask("PATCH", deployment, {"metadata": {"annotations": annotations}})
    restart = {"workloads": "auto", "timeout": "1h", "soak": "0s"}
    policy = trial.policy(holders=[{"secret": {"name": "key"}, "restart": restart}])
    started = trial.timeline.now
    outcome = trial.run(policy, deadline=timedelta(minutes=3))
    assert outcome.result is Result.WAITING
    assert timedelta(minutes=2) < trial.timeline.now - started < timedelta(minutes=3)


# --- plan, requests, gates, isolation -----------------------------------------------------------------------------


def test_a_plan_says_what_the_run_then_does_and_changes_nothing(trial: Trial) -> None:
    """The same code: step by step the same words, up to the new id, which a plan does not know yet."""
    policy = trial.policy()
    planned = trial.run(policy, act=False)
    assert not [c for c in trial.calls if c.writes and "auth" not in c.path]
    assert trial.lease() is None
    done = trial.run(policy)
    new = trial.accepted()[0]
    assert [s.replace("(new)", new) for s in planned.steps][: len(done.steps)] == list(done.steps)


def test_a_request_rotates_now_and_at_most_once_per_reason(trial: Trial) -> None:
    """The same safe path, started by a person; asking twice is asking once."""
    policy = trial.policy()
    trial.until_stable(policy)
    assert any("requested: INC-1" in s for s in trial.run(policy, request="INC-1").steps)
    trial.until_stable(policy)
    assert not trial.run(policy, request="INC-1").steps
    assert trial.run(policy, request="INC-2").steps
    assert "INC-3) has not begun" in trial.run(policy, request="INC-3").reason


def test_a_target_that_is_declared_no_more_is_left_alone_and_said_so(trial: Trial) -> None:
    """Whoever still reads it will get no new version: that is said once, and then nothing is due any more."""
    both = [{"secret": {"name": "key"}}, {"secret": {"name": "old"}}]
    trial.until_stable(trial.policy(holders=both))
    policy = trial.policy(holders=both[:1])
    assert any("secret payments/old is declared no more" in s for s in trial.run(policy).steps)
    assert trial.run(policy).result is Result.IDLE


def test_another_algorithm_in_the_policy_is_a_reason_to_rotate(trial: Trial) -> None:
    """The old key stays until its tokens have expired, whatever its algorithm."""
    trial.until_stable(trial.policy())
    policy = trial.policy(credential={"jwtSigningKey": {"algorithm": "ES384"}})
    trial.run(policy)
    both = json.loads(trial.environment.config_map("key-accepted")["data"]["jwks.json"])["keys"]
    assert [(k["alg"], k["kty"]) for k in both] == [("EdDSA", "OKP"), ("ES384", "EC")]
    trial.until_stable(policy)
    document = json.loads(trial.environment.config_map("key-accepted")["data"]["jwks.json"])
    assert [k["alg"] for k in document["keys"]] == ["ES384"]


def test_one_bad_rotation_never_stops_another(trial: Trial) -> None:
    """Isolation: the report has both, and the exit code says that one is frozen."""
    trial.bao.server.call(
        "POST",
        f"rotator/data/{trial.life}/bad",
        {"options": {}, "data": {"ring": "garbage", "material": "{}"}},
    )
    report = trial.fleet(trial.policy("bad"), trial.policy("good"), concurrency=4)
    assert [o.result for o in report.outcomes] == [Result.FROZEN, Result.WAITING]
    assert report.exit_code == 1
    assert len(trial.accepted("good")) == 1


def test_a_server_that_refuses_for_good_freezes_with_its_name_and_path(trial: Trial) -> None:
    """I9: 403 is not retried for ever; the message says what was asked of whom."""
    trial.answers["PATCH", "/key-accepted"] = Answer(403, {}, json.dumps({"reason": "Forbidden"}).encode())
    outcome = trial.run(trial.policy())
    assert outcome.result is Result.FROZEN
    assert "CREATE /api/v1/namespaces/payments/configmaps/key-accepted: HTTP 403 Forbidden" in outcome.reason


@pytest.mark.parametrize("status", [500, 504, 409])
@pytest.mark.parametrize("tail", ["/configmaps/key-accepted", "/secrets/key", "/secrets/rotation-key"])
def test_a_write_that_is_never_taken_is_blamed_on_nobody_else(trial: Trial, tail: str, status: int) -> None:
    """Where what stands there stays as it was, no other writer is looked for: the server's last answer is the cause."""
    policy = trial.policy(store={"kubernetes": {}})
    trial.answers["PATCH", tail] = Answer(status, {}, json.dumps({"reason": "Odd"}).encode())
    outcome = trial.run(policy)
    for _ in range(2):
        if outcome.result is not Result.FROZEN:
            trial.wait(outcome)
            outcome = trial.run(policy)
    assert outcome.result is Result.FROZEN
    assert f"{tail}: HTTP {status} Odd" in outcome.reason
    assert "and nobody else changed it" in outcome.reason
    trial.answers.clear()
    assert trial.until_stable(policy).result is Result.WAITING


def test_a_webhook_that_changes_what_is_written_is_told_from_another_writer(trial: Trial) -> None:
    """The answer to our own write shows something else than was written."""
    policy = trial.policy(store={"kubernetes": {}})
    trial.run(policy)
    shown = trial.environment.config_map("key-accepted")
    changed = {**shown, "data": {"jwks.json": '{"keys": []}'}}
    trial.timeline.pass_by(timedelta(days=31))
    trial.answers["PATCH", "/configmaps/key-accepted"] = Answer(200, {}, json.dumps(changed).encode())
    outcome = trial.run(policy)
    assert outcome.result is Result.FROZEN
    assert "configmap payments/key-accepted does not show what was written to it" in outcome.reason


def test_what_a_run_left_is_on_the_lease_for_people_and_for_the_next_run(trial: Trial) -> None:
    """The memo names outcome, reason, what comes next, and since when it is so."""
    policy = trial.policy()
    outcome = trial.until_stable(policy)
    memo: dict[str, Any] = json.loads(trial.lease()["metadata"]["annotations"]["rotator.dev/memo"])
    assert outcome.until
    assert memo["outcome"] == "Waiting"
    assert memo["due"] == outcome.until.isoformat().replace("+00:00", "Z")
    assert set(memo["fences"]) == {"configmap payments/key-accepted", "secret payments/key"}
