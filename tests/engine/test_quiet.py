"""What nothing is due of costs little, and what is wrong with a run's settings is said all the same."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from rotator.engine.outcome import Result
from rotator.errors import SettingsError
from rotator.run import wiring
from tests.faults.environment import Bao
from tests.trial import Trial

GATES = {
    "beforeActivate": [
        {
            "prometheus": {
                "url": "https://prometheus.example",
                "query": "up",
                "below": 1.0,
                "caFile": "/not/there",
            }
        }
    ]
}


def _no_settings(*_: object) -> Any:
    raise SettingsError("no address of Vault")


def test_what_is_quiet_is_not_wired(bao: Bao, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lists show that there is nothing to do; what is due is wired, and so is everything once an hour."""
    trial = Trial(bao)
    policy = trial.policy()
    trial.until_stable(policy)
    wired, wire = [], wiring.rotation

    def counted(world: Any, declared: Any, **given: Any) -> Any:
        wired.append(declared.ref)
        return wire(world, declared, **given)

    monkeypatch.setattr(wiring, "rotation", counted)
    assert (trial.run(policy).result, wired) == (Result.IDLE, [])
    trial.timeline.pass_by(timedelta(hours=1))
    trial.run(policy)
    assert wired == [policy.ref]


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"store": {"kubernetes": {}}, "holders": [{"vault": {"mount": "rotator", "path": "quiet/holder"}}]},
        {
            "store": {"kubernetes": {}},
            "takeOver": {"vault": {"mount": "rotator", "path": "old", "field": "key"}},
        },
    ],
    ids=["store", "holder", "takeOver"],
)
def test_settings_of_vault_are_looked_at_though_nothing_is_due(bao: Bao, spec: dict[str, Any]) -> None:
    """A run ends before it begins, whichever part of a declaration needs Vault."""
    trial = Trial(bao)
    world = trial.world()
    world.connect_vault = _no_settings
    with pytest.raises(SettingsError, match="no address of Vault"):
        wiring.declared(world, trial.policy(**spec))
    wiring.declared(world, trial.policy(store={"kubernetes": {}}))


def test_files_of_gates_are_looked_at_though_nothing_is_due(bao: Bao) -> None:
    """Who asks others is wired at once."""
    trial = Trial(bao)
    with pytest.raises(SettingsError, match="/not/there"):
        wiring.declared(trial.world(), trial.policy(gates=GATES))
