"""What each step costs: the requests of every run of a rotation's life, to each system.

Each line is the least that the invariants allow:
- leases: one list shows what is due; taking and giving back are one write each (I5), the memo travels with them.
- vault login and revoke-self: once a run, and only where Vault is needed.
- a mount of Vault: looked at once a run, before the first version is made, and before one for which something there is written (I11).
- the ring: read once a run; written once for each recorded step (I4).
- a target: read before the first version is made, so that nothing is written where something is in the way; created,
  fenced by its absence; from then on read before it is written (I5, I6), and before a step that relies on it (I1, I2);
  looked at once more before each version is made, for what would refuse it or fight over it (I11).
- the workloads: one list a kind to find them, one write a workload, one list of pods as proof.
- where nobody is restarted: one list of pods for each new content, to see that its readers read it again (I11).
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from rotator.kinds import CONFIG_MAP
from tests.faults.environment import Bao
from tests.trial import Trial

EVERY_RUN = {
    "kubernetes GET leases": 1,
    "kubernetes PATCH leases/NAME": 2,
    "vault GET data": 1,
    "vault POST login": 1,
    "vault POST revoke-self": 1,
}


def test_a_whole_life_costs_what_the_table_says(bao: Bao) -> None:
    """From nothing to the destruction of the first version, run by run."""
    trial = Trial(bao)
    policy = trial.policy()

    trial.wait(trial.run(policy))
    assert trial.counted() == {
        **EVERY_RUN,
        "kubernetes PATCH leases/NAME": 1,
        "kubernetes CREATE leases/NAME": 1,
        "kubernetes GET configmaps/NAME": 1,  # nothing is in the way of the first version, and of any other
        "kubernetes GET secrets/NAME": 1,
        "kubernetes CREATE configmaps/NAME": 1,  # fenced by their absence
        "kubernetes CREATE secrets/NAME": 1,
        "vault GET config": 1,  # does the mount keep what is written?
        "vault GET metadata": 1,  # is the path nobody's?
        "vault POST metadata": 1,  # once in a life: no history is kept
        "vault POST data": 2,  # stage; publish and activate, with nothing outside between them
    }, "the first version is made, published, activated and delivered"

    looked = {**EVERY_RUN, "kubernetes GET configmaps/NAME": 1, "kubernetes GET secrets/NAME": 1}
    trial.run(policy)
    assert trial.counted() == {**looked, "vault POST data": 1}, "it converges"

    trial.timeline.pass_by(timedelta(days=30))
    trial.wait(trial.run(policy))
    assert trial.counted() == {
        **looked,
        "kubernetes PATCH configmaps/NAME": 1,
        "kubernetes GET pods": 1,  # nobody restarts its readers: do they read again?
        "vault POST data": 2,  # stage, publish
    }, "the second version is made and published"

    trial.wait(trial.run(policy))
    assert trial.counted() == {
        **looked,
        "kubernetes PATCH secrets/NAME": 1,
        "kubernetes GET pods": 1,
        "vault POST data": 1,  # activate
    }, "it is activated and delivered"

    trial.wait(trial.run(policy))
    assert trial.counted() == {**looked, "kubernetes GET pods": 1, "vault POST data": 1}, "it converges"

    trial.wait(trial.run(policy))
    assert trial.counted() == {
        **looked,
        "kubernetes PATCH configmaps/NAME": 1,
        "kubernetes GET pods": 1,
        "vault POST data": 1,  # withdraw
    }, "the first version is withdrawn"

    trial.run(policy)
    assert trial.counted() == {
        **looked,
        "kubernetes GET pods": 1,
        "vault POST data": 2,  # prove, destroy
        "vault GET metadata": 1,  # proof that no older copy can be read
    }, "it is in no cache any more, and destroyed"
    assert len(trial.accepted()) == 1


def test_a_restart_costs_one_list_a_kind_one_write_a_workload_and_one_list_of_pods(bao: Bao) -> None:
    """What waiting adds is one read of the workload each time it is looked at again."""
    trial = Trial(bao)
    restart = {"workloads": "auto", "soak": "0s"}
    policy = trial.policy(holders=[{"secret": {"name": "key"}, "restart": restart}])
    trial.run(policy)
    counted = trial.counted()
    again = counted.pop("kubernetes GET deployments/NAME")
    assert again >= 1
    found = {
        f"kubernetes GET {kind}": 1 for kind in ("deployments", "statefulsets", "daemonsets", "rollouts")
    }
    restarted = {"kubernetes PATCH deployments/NAME": 1}
    assert found.items() | restarted.items() <= counted.items()
    assert counted["kubernetes GET pods"] <= again


@pytest.mark.parametrize("count", [1, 3, 40])
def test_nothing_due_costs_three_lists_however_many_rotations_there_are(bao: Bao, count: int) -> None:
    """One list of leases shows what is due; one of each target kind that nobody wrote to it. Vault is not asked."""
    trial = Trial(bao)
    policies = [trial.policy(f"key-{n}", store={"kubernetes": {}}) for n in range(count)]
    for _ in range(2):
        trial.fleet(*policies)
        trial.timeline.pass_by(timedelta(minutes=5))
    report = trial.fleet(*policies)
    assert {str(o.result) for o in report.outcomes} == {"Idle"}
    assert trial.counted() == {
        "kubernetes GET leases": 1,
        "kubernetes GET configmaps": 1,
        "kubernetes GET secrets": 1,
    }


def test_what_no_list_shows_costs_nothing_until_it_is_looked_at_again(bao: Bao) -> None:
    """Vault lists no versions: such a path is looked at once an hour, and so is a Secret where none are listed."""
    trial = Trial(bao)
    policy = trial.policy(
        store={"kubernetes": {}},
        holders=[{"vault": {"mount": "secret", "path": trial.life}}, {"secret": {"name": "key"}}],
    )
    trial.until_stable(policy)
    trial.fleet(policy, listed=(CONFIG_MAP,))
    assert trial.counted() == {"kubernetes GET leases": 1, "kubernetes GET configmaps": 1}
    trial.timeline.pass_by(timedelta(hours=1))
    trial.fleet(policy, listed=(CONFIG_MAP,))
    assert trial.counted() == {
        "kubernetes GET leases": 1,
        "kubernetes GET configmaps": 1,
        "kubernetes GET configmaps/NAME": 1,
        "kubernetes GET secrets/NAME": 2,
        "kubernetes PATCH leases/NAME": 2,
        "vault GET data": 1,
        "vault POST login": 1,
        "vault POST revoke-self": 1,
    }, "a look costs one read of each target and of the ring, and the lease"
    trial.fleet(policy, listed=(CONFIG_MAP,))
    assert trial.counted() == {"kubernetes GET leases": 1, "kubernetes GET configmaps": 1}
