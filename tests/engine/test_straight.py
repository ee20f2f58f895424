"""Between the guard and a change at a provider nothing is asked, in the whole life of a credential and its deletion (I5).

What the look has read, and the way in that it found, serve the change: a lease that was renewed grows old meanwhile.
"""

from __future__ import annotations

import pytest

from rotator.engine.guard import Guard
from tests.faults import explore
from tests.faults.environment import Bao, Scenario
from tests.faults.explore import kept
from tests.faults.schedules import PROVIDERS, REALM
from tests.faults.transport import Call
from tests.faults.vendor import ADMIN

GUARD = Call("guard", "", "")
_NO_CHANGE = ("/token", "/introspect", "/revoke", "/revoke-self", "/lookup", "/login")
"""How addresses end at which a POST changes no credential."""


def _changes(call: Call) -> bool:
    """Whether a call changes something at the provider; Vault is one for its own secret ids."""
    at = call.at_provider or (call.system == "vault" and "secret-id" in call.path)
    return at and call != GUARD and call.changes and not call.path.endswith(_NO_CHANGE)


def _is_way_in(call: Call) -> bool:
    return call.path.endswith(f"/secrets/{ADMIN}")


@pytest.mark.parametrize("scenario", [*PROVIDERS, REALM], ids=lambda s: f"{s.kind}-{s.store}")
def test_nothing_is_asked_between_the_guard_and_a_change(
    bao: Bao, monkeypatch: pytest.MonkeyPatch, scenario: Scenario
) -> None:
    """Neither a token nor a password, an address or a setting; a second part of one change follows at once."""
    monkeypatch.setattr(explore, "_bao", [bao])
    life = kept(scenario, 1)
    asked, genuine = life._verdict.calls, Guard.__call__  # noqa: SLF001 - what it is asked, while it lives

    def guarded(guard: Guard) -> None:
        genuine(guard)
        asked.append(GUARD)

    monkeypatch.setattr(Guard, "__call__", guarded)
    verdict = life.live()
    changes = [n for n, call in enumerate(asked) if _changes(call)]
    between = {
        asked[n]: asked[n - 1] for n in changes if asked[n - 1] != GUARD and not _changes(asked[n - 1])
    }
    assert (verdict.converged, verdict.violations) == (True, [])
    assert len(changes) > 1
    assert between == {}
    late = [asked[n + 1] for n in changes if asked[n].system == "ldap" and _is_way_in(asked[n + 1])]
    assert late == [], "the client of a directory looks for its way in within the request"
