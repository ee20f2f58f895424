"""Mounts that do not fit are found before anything is written there, and what would not stay is said and not relied on."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from rotator.engine.outcome import Outcome, Result
from rotator.policy.vault_access import OWN_TOKEN, document, hcl
from tests.faults.environment import Bao
from tests.trial import Trial

_names = itertools.count()
KV1 = {"type": "kv", "options": {"version": "1"}}
KV2 = {"type": "kv", "options": {"version": "2"}}
DELETES = "deletes every version 30m0s after it was written"
UNFIT: dict[str, tuple[Mapping[str, Any] | None, Mapping[str, Any], str]] = {
    "no mount": (None, {}, "nothing is mounted there"),
    "KV version 1": (KV1, {}, "the mount is no KV version 2"),
    "transit": ({"type": "transit"}, {}, "the mount is no KV version 2"),
    "pki": ({"type": "pki"}, {}, "the mount is no KV version 2"),
    "versions are deleted": (KV2, {"delete_version_after": "30m"}, DELETES),
    "versions are deleted, late": (
        KV2,
        {"delete_version_after": "87600h"},
        "deletes every version 87600h0m0s",
    ),
    "metadata is fenced": (KV2, {"metadata_cas_required": True}, "asks for metadata_cas in every write"),
}
"""By what is mounted: how, with which settings, and what is said of it."""
FIT: dict[str, Mapping[str, Any]] = {
    "as it comes": {},
    "check-and-set": {"cas_required": True},
    "many versions": {"max_versions": 50},
    "one version": {"max_versions": 1},
    "nothing is deleted": {"delete_version_after": "-1s"},
}
"""Settings of a KV version 2 engine with which all goes well."""


@pytest.fixture
def mount(bao: Bao) -> Iterator[str]:
    """Return the name of a mount, which is removed at the end."""
    name = f"engines/{next(_names)}"
    yield name
    bao.server.call("DELETE", f"sys/mounts/{name}")


def enable(bao: Bao, mount: str, engine: Mapping[str, Any] | None, settings: Mapping[str, Any]) -> None:
    """Mount an engine. One of KV version 2 takes settings once it is ready."""
    if engine:
        bao.server.call("POST", f"sys/mounts/{mount}", engine)
    give_up = time.monotonic() + 30
    while engine is KV2 and not _set(bao, mount, settings):
        assert time.monotonic() < give_up


def _set(bao: Bao, mount: str, settings: Mapping[str, Any]) -> bool:
    try:
        bao.server.call("POST", f"{mount}/config", settings or {"max_versions": 0})
    except RuntimeError:
        return False
    return True


def logged_in(bao: Bao, mount: str, *, looks: bool) -> Bao:
    """Return a role that may do at `mount` what is rendered for it, where it `looks` at its settings or not."""
    places = [g for at in ("rotator", "secret", mount) for g in document(at, "*", "all")]
    allowed = [g for g in places if looks or not g.path.endswith("/config")]
    role, secret = bao.server.app_role(f"mounts-{next(_names)}", policy=hcl((*allowed, *OWN_TOKEN)))
    return replace(bao, role=role, secret=secret)


def spec_at(part: str, mount: str, life: str) -> dict[str, Any]:
    """Return a declaration with its ring, a verifier or a holder at a mount."""
    place = {"vault": {"mount": mount, "path": f"{life}/here"}}
    specs: dict[str, dict[str, Any]] = {
        "store": {"store": place},
        "verifier": {"verifiers": [{"jwks": {**place, "maxAge": "1m"}}]},
        "holder": {"holders": [{"secret": {"name": "key"}}, place]},
    }
    return specs[part]


def written(trial: Trial) -> list[str]:
    """Return the requests of the last run that may have changed something, but for the lease and Vault's token."""
    return [
        f"{c.system} {c.method} {c.path}"
        for c in trial.calls
        if c.method != "GET" and not c.path.endswith(("/login", "/revoke-self")) and "/leases" not in c.path
    ]


PARTS = ["store", "verifier", "holder"]


SEEN = [
    (name, looks)
    for name, (_, settings, _) in UNFIT.items()
    for looks in (True, False)
    if looks or not settings
]
"""What is seen before anything is written. Settings that nobody may look at are told by the answer to the first write."""


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize(("name", "looks"), SEEN)
def test_what_does_not_fit_is_refused_before_the_first_write(
    bao: Bao, mount: str, name: str, part: str, looks: bool
) -> None:
    """Neither the ring nor a target is written, and a plan says the same."""
    engine, settings, says = UNFIT[name]
    enable(bao, mount, engine, settings)
    trial = Trial(logged_in(bao, mount, looks=looks))
    policy = trial.policy(**spec_at(part, mount, trial.life))
    for act in (False, True):
        outcome = trial.run(policy, act=act)
        assert outcome.result is Result.FROZEN
        assert says in outcome.reason
        assert written(trial) == []


@pytest.mark.parametrize("looks", [True, False], ids=["may look", "may not look"])
@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("name", FIT)
def test_what_fits_is_used(bao: Bao, mount: str, name: str, part: str, looks: bool) -> None:
    """A whole life, also where the settings may not be read; plans say so, and name the mount and no other."""
    enable(bao, mount, KV2, FIT[name])
    trial = Trial(logged_in(bao, mount, looks=looks))
    policy = trial.policy(**spec_at(part, mount, trial.life))
    unseen = f"{mount}/config"
    assert (unseen in trial.run(policy, act=False).reason) == (not looks)
    trial.until_stable(policy)
    assert (unseen in trial.run(policy, act=False).reason) == (not looks and part != "store")
    trial.timeline.pass_by(timedelta(days=30))
    trial.until_stable(policy)
    assert len(trial.vault(f"{mount}/data/{trial.life}/here")["data"]) > 1


def _frozen(trial: Trial, policy: Any) -> Outcome:
    """Run until it freezes."""
    for _ in range(10):
        outcome = trial.run(policy)
        if outcome.result is Result.FROZEN:
            return outcome
        trial.wait(outcome)
    raise AssertionError(outcome)


@pytest.mark.parametrize("part", PARTS)
def test_an_answer_tells_what_nobody_may_look_at(bao: Bao, mount: str, part: str) -> None:
    """What would vanish is not relied on: the run freezes. Once it stays, the next run writes it again and goes on."""
    enable(bao, mount, KV2, {"delete_version_after": "30m"})
    trial = Trial(logged_in(bao, mount, looks=False))
    policy = trial.policy(**spec_at(part, mount, trial.life))
    _tells_and_goes_on(trial, policy, mount, part)


@pytest.mark.parametrize("looks", [True, False], ids=["may look", "may not look"])
@pytest.mark.parametrize("part", PARTS)
def test_a_mount_that_begins_to_delete_is_noticed(bao: Bao, mount: str, part: str, looks: bool) -> None:
    """Also by those who looked when all was well, and whatever the path's own metadata says."""
    enable(bao, mount, KV2, {})
    trial = Trial(logged_in(bao, mount, looks=looks))
    policy = trial.policy(**spec_at(part, mount, trial.life))
    trial.until_stable(policy)
    _set(bao, mount, {"delete_version_after": "30m"})
    trial.timeline.pass_by(timedelta(days=30))
    _tells_and_goes_on(trial, policy, mount, part, looks=looks)


def _tells_and_goes_on(trial: Trial, policy: Any, mount: str, part: str, *, looks: bool = False) -> None:
    path = f"{mount}/data/{trial.life}/here"
    outcome = _frozen(trial, policy)
    if looks and part != "store":  # it was looked at before anything was begun
        assert DELETES in outcome.reason
        assert written(trial) == []
    else:
        at = trial.vault(path)["metadata"]["deletion_time"]
        assert f"Vault deletes it by itself at {at}" in outcome.reason
        assert f"bao write {mount}/config delete_version_after=0s" in outcome.reason
        assert at[:10] in trial.run(policy, act=False).reason or trial.run(policy, act=False).steps
    _set(trial.bao, mount, {"delete_version_after": "0s"})
    trial.until_stable(policy)
    assert trial.vault(path)["metadata"]["deletion_time"] == ""


def test_looks_are_made_once_for_a_mount_and_only_where_something_begins(bao: Bao, mount: str) -> None:
    """Three rotations with two parts each look once at two mounts; a run that begins nothing looks at none."""
    enable(bao, mount, KV2, {})
    trial = Trial(logged_in(bao, mount, looks=True))
    policies = [
        trial.policy(f"key-{n}", holders=[{"vault": {"mount": mount, "path": f"{trial.life}/{n}"}}])
        for n in range(3)
    ]
    trial.fleet(*policies)
    assert _looks(trial) == 2
    trial.timeline.pass_by(timedelta(hours=2))
    trial.fleet(*policies)
    assert _looks(trial) == 0


def _looks(trial: Trial) -> int:
    return sum(c.method == "GET" and c.path.endswith("/config") for c in trial.calls)
