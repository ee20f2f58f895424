"""The explorer itself: a life that branches off another is the life that it would have been from its beginning."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from rotator.clients import http
from rotator.clients.meter import Meter
from rotator.clients.retry import Retry
from rotator.errors import Unavailable
from rotator.systems.kubernetes.rollout import Rollout
from rotator_sandbox.openbao import OpenBao
from tests.faults import explore, ready
from tests.faults.branches import live
from tests.faults.environment import NAMESPACE, Bao, Scenario
from tests.faults.explore import life
from tests.faults.kinds_of_faults import AT_PROVIDERS, ON_THE_WIRE, Fault, applies
from tests.faults.life import Life, Verdict
from tests.faults.sameness import RULES, same_as
from tests.faults.schedules import Schedule, singles
from tests.faults.transport import Call
from tests.faults.vault import KeptVault

pytestmark = pytest.mark.no_cover
NAMES = ("none", "9.KILL_AFTER", "9.PAUSED", "40.OTHER_RUN+44.LOST", "60.CLOCK_AHEAD", "5000.LOST")


@pytest.mark.parametrize("kind", ["jwt", "okta"])
def test_a_branch_ends_as_the_whole_life_does(bao: Bao, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the same faults, runs and traffic; what it draws follows from its name."""
    monkeypatch.setattr(explore, "_bao", [bao])
    schedules = [Schedule.named(f"{kind}-kubernetes-{name}") for name in NAMES if name != "none"]
    scenario = schedules[0].scenario
    branched = dict(live(lambda: life(scenario, {}, "exploration"), schedules))
    assert set(branched) == set(schedules)
    for schedule in schedules:
        whole = life(scenario, dict(schedule.faults), "exploration").live()
        found = branched[schedule]
        assert (found.runs, found.struck, found.figures) == (whole.runs, whole.struck, whole.figures), (
            schedule
        )
        assert (found.converged, found.violations) == (True, [])


@pytest.mark.parametrize("kind", ["jwt", "okta"])
def test_nodes_with_old_copies_are_found_without_the_fence(
    bao: Bao, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They lose the API server before each write that is followed by a restart, and their watches come back at random."""
    monkeypatch.setattr(explore, "_bao", [bao])

    def restarts() -> list[Verdict]:
        return [v for name in "abc" for v in _struck(kind, f"old copies {name}", Fault.STALE_NODE, _restarts)]

    assert {(v.struck, v.converged, len(v.violations)) for v in restarts()} == {(1, True, 0)}
    monkeypatch.setattr(Rollout, "_fence", lambda *_: None)
    assert any(v.violations for v in restarts())


@pytest.mark.parametrize("fault", ON_THE_WIRE)
def test_a_write_that_is_made_again_after_a_damaged_answer_is_found(
    bao: Bao, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The provider has taken it: a client that takes it for never sent makes a second secret."""
    monkeypatch.setattr(explore, "_bao", [bao])

    def changes() -> list[Verdict]:
        return _struck("okta", "damaged", fault, lambda call: call.at_provider and call.changes)

    assert {(v.struck, v.converged, len(v.violations)) for v in changes()} == {(1, True, 0)}
    monkeypatch.setattr(http, "no_answer", lambda what, *_: Unavailable(what, "it was not reached"))
    assert any(v.violations for v in changes())


@pytest.mark.parametrize("fault", RULES)
def test_what_counts_as_the_same_life_is_the_same(
    bao: Bao, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In all runs after the fault the product asks for the same, in a life with the one and in a life with the other."""
    monkeypatch.setattr(explore, "_bao", [bao])
    scenario, clean = _clean("okta" if fault in AT_PROVIDERS else "jwt")
    numbers = range(60, len(clean.calls))
    apt = (n for n in numbers if applies(fault, clean.calls[n]) and same_as(fault, clean, n))
    number = next(apt)
    other = same_as(fault, clean, number)
    assert other
    one, two = (life(scenario, {n: f}, "same").live() for n, f in ((number, fault), other))
    hurt = max(clean.run_of[number], clean.run_of[other[0]])
    assert (one.struck, one.violations, one.runs) == (1, [], two.runs)
    assert _after(hurt, one) == _after(hurt, two)


@functools.cache
def _clean(kind: str) -> tuple[Scenario, Verdict]:
    scenario = Scenario(kind, "kubernetes")
    return scenario, life(scenario, {}, "same").live()


def _after(run: int, verdict: Verdict) -> list[tuple[int, Call]]:
    return [pair for pair in zip(verdict.run_of, verdict.calls, strict=True) if pair[0] > run]


def test_each_life_is_lived_once_and_none_is_left_out() -> None:
    """Whatever is the same as another leads to one that is lived, in a life of looks and changes in two runs."""
    look, change = Call("okta", "GET", "/secrets"), Call("okta", "POST", "/secrets")
    lease, secret = Call("kubernetes", "PATCH", "/leases/a"), Call("kubernetes", "PATCH", "/secrets/a")
    calls = [lease, look, change, look, secret, lease, lease, look, secret]
    clean = Verdict(calls=calls, run_of=[0, 0, 0, 0, 0, 0, 1, 1, 1], apart={0, 4, 6})
    points = [(n, f) for n, call in enumerate(calls) for f in Fault if applies(f, call)]
    lived = {s.faults[0] for s in singles(Schedule.named("okta-kubernetes-none").scenario, clean)}
    assert lived < set(points)
    assert {f for _, f in lived} == {f for _, f in points}
    for point in points:
        while other := same_as(point[1], clean, point[0]):
            point = other  # noqa: PLW2901 - to the end of the chain
        assert point in lived
    kills = {p for p in lived if p[1] in {Fault.KILL_BEFORE, Fault.KILL_AFTER}}
    before, after = {0, 4, 6}, {0, 2, 4, 5, 6, 8}
    assert kills == {(n, Fault.KILL_BEFORE) for n in before} | {(n, Fault.KILL_AFTER) for n in after}
    assert {n for n, f in lived if f is Fault.LEASE_LOST} == {0, 3, 5, 6, 8}
    assert {n for n, f in lived if f is Fault.CLOCK_AHEAD} == {5, 8}


def _on_any_clock(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Meter, "check_skew", lambda *_: None)


def _asked_again(patch: pytest.MonkeyPatch) -> None:
    call = Retry.call
    patch.setattr(Retry, "call", lambda retry, ask, **_: call(retry, ask, read=True))


BROKEN = ((_on_any_clock, Fault.CLOCK_AHEAD), (_asked_again, Fault.BROKEN))


@pytest.mark.parametrize(("breaks", "fault"), BROKEN)
def test_what_is_broken_on_purpose_is_found_in_the_lives_that_are_lived(
    bao: Bao, breaks: Callable[[pytest.MonkeyPatch], None], fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the product as it is, nothing is found in the same lives."""
    monkeypatch.setattr(explore, "_bao", [bao])
    scenario, clean = _clean("okta")
    own = [s for s in singles(scenario, clean) if s.faults[0][1] is fault]
    changing = [s for s in own if clean.calls[s.faults[0][0]].at_provider]
    lived = (changing or own)[:3]

    def found() -> bool:
        return any(v.violations for _, v in live(lambda: life(scenario, {}, "same"), lived))

    assert not found()
    breaks(monkeypatch)
    assert found()


def _restarts(call: Call) -> bool:
    return call.writes and call.path.endswith(f"{NAMESPACE}/secrets/key")


def _struck(kind: str, name: str, fault: Fault, where: Callable[[Call], bool]) -> list[Verdict]:
    """Live a life once for each call `where` says, but the first of them, with a fault there."""
    scenario = Schedule.named(f"{kind}-kubernetes-none").scenario

    def begin() -> Life:
        return life(scenario, {}, name)

    numbers = [number for number, call in enumerate(begin().live().calls) if where(call)]
    schedules = [Schedule(scenario, ((number, fault),)) for number in numbers[1:]]
    assert schedules
    return [verdict for _, verdict in live(begin, schedules)]


def test_a_branch_that_fails_is_a_violation(bao: Bao, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception in the other process must not be lost."""
    monkeypatch.setattr(explore, "_bao", [bao])
    schedule = Schedule.named("jwt-kubernetes-9.LOST")

    def begin() -> Life:
        begun = life(schedule.scenario, {}, "broken")
        monkeypatch.setattr(begun, "_afterwards", lambda: 1 / 0 if begun.faults else None)
        return begun

    ((_, verdict),) = live(begin, [schedule])
    assert verdict.violations == ["the life ended in an exception"]


_RING, _KEY, _ROLE = "a/b", "k", "auth/approle/role/of-a"
_MINE = {"secret_id": "mine", "metadata": '{"a": "b"}'}
ASKED: tuple[tuple[str, str, Any], ...] = (
    ("GET", "rotator/config", {}),
    ("GET", f"rotator/data/{_RING}", {}),
    ("GET", f"rotator/metadata/{_RING}", {}),
    (
        "POST",
        f"rotator/metadata/{_RING}",
        {"max_versions": 1, "cas_required": True, "custom_metadata": {"o": "1"}},
    ),
    ("GET", f"rotator/metadata/{_RING}", {}),
    ("GET", f"rotator/data/{_RING}", {}),
    ("POST", f"rotator/data/{_RING}", {"options": {"cas": 0}, "data": {"x": "1"}}),
    ("POST", f"rotator/data/{_RING}", {"options": {"cas": 0}, "data": {"x": "2"}}),
    ("POST", f"rotator/data/{_RING}", {"options": {"cas": 1}, "data": {"x": "2"}}),
    ("GET", f"rotator/data/{_RING}", {}),
    ("GET", f"rotator/data/{_RING}?version=1", {}),
    ("GET", f"rotator/metadata/{_RING}", {}),
    ("PATCH", f"rotator/metadata/{_RING}", {"custom_metadata": {"q": "z"}}),
    ("GET", f"rotator/metadata/{_RING}", {}),
    ("PATCH", f"rotator/metadata/{_RING}", {"custom_metadata": {"o": None, "q": None}}),
    ("GET", f"rotator/metadata/{_RING}", {}),
    ("PATCH", "rotator/metadata/none", {"custom_metadata": {"q": "z"}}),
    ("POST", f"secret/data/{_KEY}", {"options": {"cas": 3}, "data": {"x": "1"}}),
    *(("POST", f"secret/data/{_KEY}", {"options": {"cas": n}, "data": {"x": str(n)}}) for n in range(3)),
    ("PUT", f"secret/destroy/{_KEY}", {"versions": [1, 2]}),
    ("GET", f"secret/data/{_KEY}?version=1", {}),
    ("GET", f"secret/metadata/{_KEY}", {}),
    ("PUT", f"secret/destroy/{_KEY}", {"versions": [3, 9]}),
    ("GET", f"secret/data/{_KEY}", {}),
    ("POST", f"secret/metadata/{_KEY}", {"max_versions": 2, "cas_required": True}),
    ("GET", f"secret/metadata/{_KEY}", {}),
    *(("POST", f"secret/data/{_KEY}", {"options": {"cas": n}, "data": {}}) for n in range(3, 15)),
    ("GET", f"secret/metadata/{_KEY}", {}),
    *(("DELETE", f"secret/metadata/{_KEY}", {}) for _ in range(2)),
    ("GET", f"secret/metadata/{_KEY}", {}),
    ("GET", f"secret/data/{_KEY}", {}),
    ("PUT", f"secret/destroy/{_KEY}", {"versions": [1]}),
    ("POST", _ROLE, {"token_ttl": "1m", "token_num_uses": 1}),
    ("GET", f"{_ROLE}/role-id", {}),
    ("GET", "auth/approle/role/none/role-id", {}),
    ("POST", f"{_ROLE}/secret-id/lookup", {"secret_id": "mine"}),
    *(("POST", f"{_ROLE}/custom-secret-id", _MINE) for _ in range(2)),
    ("POST", f"{_ROLE}/secret-id/lookup", {"secret_id": "mine"}),
    *(("POST", f"{_ROLE}/secret-id/destroy", {"secret_id": "mine"}) for _ in range(2)),
    ("POST", f"{_ROLE}/secret-id/lookup", {"secret_id": "mine"}),
    ("POST", "auth/approle/role/none/secret-id/lookup", {"secret_id": "mine"}),
    ("POST", "auth/approle/login", {"role_id": "of nobody", "secret_id": "mine"}),
)
"""What is asked of both, in this order."""
_OWN = frozenset({"request_id", "secret_id_accessor", "role_id"})
"""What each server makes up."""


def test_the_vault_in_this_process_answers_as_openbao_does(tmp_path: Path) -> None:
    """All that lives and runs ask for, and what is refused; but for instants and what a server makes up."""
    real = OpenBao(tmp_path)
    try:
        real.app_role()
        kept = KeptVault(real.ca_file)
        session = requests.Session()
        session.trust_env, session.verify = False, real.ca_file
        for method, target, body in ASKED:
            kind = {"Content-Type": "application/merge-patch+json"} if method == "PATCH" else {}
            headers = {"X-Vault-Token": real.root_token, **kind}
            answer = session.request(method, f"{real.address}/v1/{target}", json=body, headers=headers)
            said = answer.json() if answer.content else None
            found = kept.answer(method, target, copy.deepcopy(body), kept.root_token)
            assert (found[0], _plain(found[1])) == (answer.status_code, _plain(said)), (method, target)
    finally:
        real.stop()


def _plain(document: Any) -> Any:
    if not isinstance(document, dict):
        return document
    named = {k: v for k, v in document.items() if k not in _OWN}
    return {k: bool(v) if k.endswith("_time") else _plain(v) for k, v in named.items()}


def test_what_is_made_once_is_where_the_product_looks_for_it() -> None:
    """Proves that the explorer starts: a name that was moved would end it before its first life."""
    assert [name for module, name in ready.SLOW if not callable(getattr(module, name, None))] == []
