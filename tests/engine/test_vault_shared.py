"""Paths that others use too: nothing but our fields is changed there, or the rotation is refused before anything is begun."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from rotator.engine.outcome import Result
from rotator.policy.model import RotationPolicy
from tests.faults.environment import Bao
from tests.trial import Trial

SECRET = "correct-horse-battery-staple-0123456789-abcdefg"
THEIRS: dict[str, Any] = {
    "DB_PASSWORD": "s3cret",
    "port": 5432,
    "rate": 1.5,
    "tls": True,
    "none": None,
    "hosts": ["a", "b"],
    "limits": {"rate": 10, "nested": {"deep": "\u00e4"}},
    "big": 123456789012345678901234567890,
}
NOTES = {
    "managed-by": "external-secrets",
    "owner": "team-payments",
    "pager": "payments-oncall",
    "rotation": "x",
}
_names = itertools.count()


@dataclass
class Path:
    """A path as a team has made it: versions, one after the other, and metadata."""

    bao: Bao
    mount: str
    versions: list[Mapping[str, Any]]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    name: str = field(default_factory=lambda: f"team/{next(_names)}")

    def make(self) -> None:
        """Write it all down, the metadata first."""
        if self.metadata:
            self.bao.server.call("POST", f"{self.mount}/metadata/{self.name}", self.metadata)
        for n, fields in enumerate(self.versions):
            body = {"data": fields, "options": {"cas": n}}
            self.bao.server.call("POST", f"{self.mount}/data/{self.name}", body)

    def history(self) -> dict[str, Any]:
        """Return all that anybody can read of it: settings, notes, and every version."""
        found: dict[str, Any] = self.bao.server.call("GET", f"{self.mount}/metadata/{self.name}")["data"]
        alive = [n for n, v in found["versions"].items() if not v["destroyed"] and not v["deletion_time"]]
        at = f"{self.mount}/data/{self.name}"
        data = {n: self.bao.server.call("GET", f"{at}?version={n}")["data"]["data"] for n in alive}
        settings = ("max_versions", "cas_required", "delete_version_after", "custom_metadata", "versions")
        return {**{s: found[s] for s in settings}, "data": data}

    def shown(self) -> dict[str, Any]:
        """Return the current fields."""
        answer: dict[str, Any] = self.bao.server.call("GET", f"{self.mount}/data/{self.name}")["data"]
        return dict(answer["data"])


@pytest.fixture(scope="module")
def mount(bao: Bao) -> Iterator[str]:
    """Return a mount on which some rows set how many versions are kept."""
    yield "secret"
    bao.server.call("POST", "secret/config", {"max_versions": 0, "cas_required": False})


def policy_at(trial: Trial, path: Path, *, takes: bool) -> RotationPolicy:
    """Return a declaration with one field at the path, which is taken over or made anew."""
    vault = {"mount": path.mount, "path": path.name}
    more: dict[str, Any] = {"takeOver": {"vault": {**vault, "field": "JWT_SECRET"}}} if takes else {}
    return trial.policy(
        credential={"sharedSecret": {"algorithm": "HS256"}},
        verifiers=[{"jwks": {"secret": "key-accepted", "maxAge": "1m"}}],
        holders=[{"vault": {**vault, "data": {"JWT_SECRET": "value"}}}],
        **more,
    )


ALONE = {"JWT_SECRET": SECRET}
BESIDE = {**THEIRS, "JWT_SECRET": SECRET}
ONE = {"max_versions": 1}
FULL = {"custom_metadata": {f"key-{n}": "x" for n in range(60)}}
REFUSED: dict[str, tuple[list[Mapping[str, Any]], Mapping[str, Any], int, str]] = {
    "fields of others, versions by default": (
        [BESIDE],
        {},
        0,
        "holds fields of others (DB_PASSWORD, big, hosts",
    ),
    "fields of others, ten versions": ([BESIDE] * 3, {"max_versions": 10}, 0, "and keeps 10 versions"),
    "fields of others, two versions": ([BESIDE], {"max_versions": 2}, 0, "and keeps 2 versions"),
    "fields of others, the mount keeps five": ([BESIDE], ONE, 5, "and keeps 5 versions"),
    "fields of others, and none of ours": ([THEIRS], {}, 0, "and keeps 10 versions"),
    "fields of others in older versions": ([BESIDE, ALONE], {}, 0, "its history has versions of others (1)"),
    "our field alone, in several versions": (
        [ALONE, ALONE, ALONE],
        {},
        0,
        "history has versions of others (1,2)",
    ),
    "versions that end": (
        [ALONE],
        {"delete_version_after": "720h"},
        0,
        "deleted 720h0m0s after they were written",
    ),
    "fenced metadata": (
        [ALONE],
        {"metadata_cas_required": True, "metadata_cas": 0},
        0,
        "asks for metadata_cas",
    ),
    "full metadata": ([ALONE], FULL, 0, "its metadata has 60 entries"),
}
"""By what is there: its versions, its metadata, what the mount keeps, and what is said of it."""


@pytest.mark.parametrize("act", [False, True], ids=["plan", "run"])
@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_shared_is_refused_before_anything_is_begun(
    bao: Bao, mount: str, name: str, act: bool
) -> None:
    """Everything that anybody can read there is as it was, and there is no ring."""
    versions, metadata, kept, says = REFUSED[name]
    bao.server.call("POST", f"{mount}/config", {"max_versions": kept})
    path = Path(bao, mount, versions, metadata)
    path.make()
    before = path.history()
    trial = Trial(bao)
    outcome = trial.run(policy_at(trial, path, takes="JWT_SECRET" in versions[-1]), act=act)
    assert outcome.result is Result.FROZEN
    assert f"vault {mount}/{path.name} cannot take another version: " in outcome.reason
    assert says in outcome.reason
    assert path.history() == before
    with pytest.raises(RuntimeError, match="404"):
        trial.vault(f"rotator/metadata/{trial.life}/key")
    assert trial.environment.secret("key-accepted") is None


SHARED: dict[str, tuple[list[Mapping[str, Any]], Mapping[str, Any]]] = {
    "fields of others, and ours": ([BESIDE], ONE),
    "fields of others, and none of ours": ([THEIRS], ONE),
    "check-and-set and notes of others": ([BESIDE], {**ONE, "cas_required": True, "custom_metadata": NOTES}),
    "our field alone": ([ALONE], {}),
    "our field alone, settings and notes of others": (
        [ALONE],
        {"max_versions": 7, "cas_required": False, "custom_metadata": NOTES},
    ),
    "metadata of others, and nothing yet": ([], {"max_versions": 7, "custom_metadata": NOTES}),
}
"""By what is there: its versions and its metadata."""


@pytest.mark.parametrize("name", SHARED)
def test_what_can_be_shared_is_left_to_its_owner_but_for_our_fields(bao: Bao, mount: str, name: str) -> None:
    """Through a take-over and two rotations: fields, notes and settings of others stay, and they can write."""
    versions, metadata = SHARED[name]
    bao.server.call("POST", f"{mount}/config", {"max_versions": 0})
    path = Path(bao, mount, versions, metadata)
    path.make()
    before = path.history()
    theirs = {n: v for n, v in path.shown().items() if n != "JWT_SECRET"} if versions else {}
    trial = Trial(bao)
    policy = policy_at(trial, path, takes=bool(versions) and "JWT_SECRET" in versions[-1])

    def stays() -> None:
        after = path.history()
        noted = {n: v for n, v in after["custom_metadata"].items() if not n.startswith("rotator.dev/")}
        assert noted == (before["custom_metadata"] or {})
        assert [after[s] for s in ("max_versions", "cas_required", "delete_version_after")] == [
            before[s] for s in ("max_versions", "cas_required", "delete_version_after")
        ]
        assert {n: path.shown()[n] for n in theirs} == theirs

    trial.until_stable(policy)
    stays()
    seen = {path.shown()["JWT_SECRET"]}
    for _ in range(2):
        trial.timeline.pass_by(timedelta(days=30))
        trial.until_stable(policy)
        stays()
        seen.add(path.shown()["JWT_SECRET"])
        if theirs:  # the team goes on writing
            theirs["DB_PASSWORD"] = f"changed-{len(seen)}"
            bao.server.call(
                "POST",
                f"{mount}/data/{path.name}",
                {"options": {"cas": _current(path)}, "data": {**path.shown(), **theirs}},
            )
    assert len(seen) == 3
    assert len(path.history()["data"]) == 1, "no version that was withdrawn can be read"


def _current(path: Path) -> int:
    return max(int(n) for n in path.history()["versions"])


def test_history_that_comes_later_is_not_erased(bao: Bao, mount: str) -> None:
    """A team that begins to keep versions in mid-rotation keeps them: the rotation freezes, and says what to erase."""
    bao.server.call("POST", f"{mount}/config", {"max_versions": 0})
    path = Path(bao, mount, [BESIDE], ONE)
    path.make()
    trial = Trial(bao)
    policy = policy_at(trial, path, takes=True)
    trial.until_stable(policy)
    trial.timeline.pass_by(timedelta(days=30))
    trial.wait(trial.run(policy))  # staged and published
    bao.server.call("POST", f"{mount}/metadata/{path.name}", {"max_versions": 9})
    for _ in range(8):
        outcome = trial.run(policy)
        if outcome.result is Result.FROZEN:
            break
        trial.wait(outcome)
    assert "has older versions" in outcome.reason
    alive = path.history()["data"]
    assert len(alive) > 1
    older = sorted(int(n) for n in alive)[:-1]
    assert f"-versions={','.join(map(str, older))}" in outcome.reason
    bao.server.call("PUT", f"{mount}/destroy/{path.name}", {"versions": older})
    bao.server.call("POST", f"{mount}/metadata/{path.name}", {"max_versions": 1})
    trial.until_stable(policy)


def test_a_ring_takes_no_place_of_others(bao: Bao) -> None:
    """Metadata that somebody else made at its path is left alone; what a killed run of ours left is used."""
    trial = Trial(bao)
    policy = trial.policy()
    at = f"rotator/metadata/{trial.life}/key"
    bao.server.call("POST", at, {"custom_metadata": {"owner": "team"}, "max_versions": 3})
    before = trial.vault(at)
    outcome = trial.run(policy)
    assert outcome.result is Result.FROZEN
    assert "has metadata that others made. Nothing was written" in outcome.reason
    assert trial.vault(at) == before
    bao.server.call("POST", at, {"custom_metadata": {"owner": "rotator"}})
    trial.until_stable(policy)
