"""Rotations declared as custom resources: read, refused one by one, shown in their status, and deleted with care."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from rotator.core.codec import instant
from rotator.core.request import Request
from rotator.engine.fleet import Report
from rotator.engine.outcome import Outcome, Result
from rotator.errors import SettingsError
from rotator.kinds import CONFIG_MAP
from rotator.policy.crd import definition
from rotator.policy.model import ROTATE, RotationPolicy
from rotator.policy.resources import from_resource
from rotator.policy.vault_access import grants, hcl
from rotator.run.job import Job
from rotator.run.request import Connections, Declarations, FleetSettings, Mode, Notices, RunRequest, Selection
from rotator.systems.vault.client import Vault
from tests.faults.environment import NAMESPACE, OTHER, Bao
from tests.faults.transport import Answer, Call, Perform
from tests.trial import Trial

ROTATIONS = f"/apis/rotator.dev/v1alpha1/namespaces/{NAMESPACE}/rotations"
DAYS_30 = timedelta(days=30)


class Resources:
    """A trial whose rotations are custom resources."""

    def __init__(self, bao: Bao, *, defined: bool = True) -> None:
        self.trial = Trial(bao)
        self.told: list[Outcome] = []
        if not defined:
            return
        crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        assert (
            self.trial.environment.ask("POST", crds, definition())["metadata"]["name"]
            == "rotations.rotator.dev"
        )

    def spec(self, name: str = "key", **spec: Any) -> dict[str, Any]:
        """Return the spec of a rotation that keeps its ring in Kubernetes."""
        return {
            "credential": {"jwtSigningKey": {"algorithm": "EdDSA"}},
            "every": "30d",
            "overlap": {"tokenTTL": "15m"},
            "store": {"kubernetes": {}},
            "verifiers": [{"jwks": {"configMap": f"{name}-accepted", "maxAge": "5m"}}],
            "holders": [
                {"secret": {"name": name, "data": {"key": "private_key", "kid": "kid"}}, "pickUp": "2m"}
            ],
            **spec,
        }

    def create(self, name: str = "key", annotations: Mapping[str, str] | None = None, **spec: Any) -> Any:
        """Create a Rotation."""
        metadata = {"name": name, "annotations": dict(annotations or {})}
        body = {
            "apiVersion": "rotator.dev/v1alpha1",
            "kind": "Rotation",
            "metadata": metadata,
            "spec": self.spec(name, **spec),
        }
        made = self.trial.environment.ask("POST", ROTATIONS, body)
        assert made["kind"] == "Rotation", made
        return made

    def change(self, name: str, changes: Any) -> Any:
        """Merge changes into a Rotation."""
        return self.trial.environment.ask("PATCH", f"{ROTATIONS}/{name}", changes)

    def delete(self, name: str) -> None:
        """Delete a Rotation, as kubectl does."""
        self.trial.environment.ask("DELETE", f"{ROTATIONS}/{name}")

    def get(self, name: str = "key") -> Any:
        """Read a Rotation; None where it is gone."""
        return self.trial.environment.ask("GET", f"{ROTATIONS}/{name}")

    def status(self, name: str = "key") -> dict[str, Any]:
        """Read its status."""
        status: dict[str, Any] = self.get(name).get("status") or {}
        return status

    def condition(self, kind: str, name: str = "key") -> tuple[str, str]:
        """Return status and reason of one condition."""
        (found,) = (c for c in self.status(name)["conditions"] if c["type"] == kind)
        return found["status"], found["reason"]

    def run(
        self,
        *files: RotationPolicy,
        mode: Mode = Mode.ADVANCE,
        events: bool = False,
        vault: bool = True,
        reason: str | None = None,
        selection: Selection | None = None,
        **declared: Any,
    ) -> Report:
        """Do one run over all custom resources of the namespace, with the permissions of a CronJob."""
        self.trial.calls = []
        self.told = []
        request = RunRequest(
            declarations=Declarations(**{"namespaces": [NAMESPACE], **declared}),
            selection=selection or Selection(),
            connections=Connections(concurrency=1),
            fleet=FleetSettings(listed=(CONFIG_MAP,)),
            notices=Notices(events=events),
            mode=mode,
            asked=Request(reason=reason) if reason else None,
        )
        world = self.trial.world()
        if not vault:
            world.connect_vault = _no_vault
        try:
            return Job(request=request, world=world).run(files, lambda _: self.told.append)
        finally:
            world.close()

    def meanwhile(self, path: str, act: Any) -> None:
        """Let somebody `act` once, right after the next run has asked for `path`."""
        middle, waiting = self.trial._middle, [act]  # noqa: SLF001 - the trial's own seam for faults

        def watched(call: Call, body: bytes, perform: Perform) -> Answer:
            answer = middle(call, body, perform)
            if waiting and call.path.partition("?")[0].endswith(path):
                waiting.pop()()
            return answer

        self.trial._middle = watched  # type: ignore[method-assign]  # noqa: SLF001

    def until_stable(self, name: str = "key") -> None:
        """Run and let time pass until the rotation is stable."""
        for _ in range(30):
            (outcome,) = (o for o in self.run().outcomes if o.rotation == f"{NAMESPACE}/{name}")
            if outcome.reason.startswith("the next rotation"):
                return
            self.trial.wait(outcome)
        raise AssertionError(outcome)

    def events(self) -> list[Any]:
        """Return all Events."""
        path = f"/api/v1/namespaces/{NAMESPACE}/events"
        found: list[Any] = self.trial.environment.ask("GET", path)["items"]
        return found


def _no_vault(*_: object) -> Vault:
    raise SettingsError("VAULT_ADDR is not set")


@pytest.fixture
def resources(bao: Bao) -> Resources:
    """A trial with the definition installed, and no Rotation."""
    return Resources(bao)


# --- status ------------------------------------------------------------------------------------------------------


def test_the_status_says_what_a_run_found(resources: Resources) -> None:
    """Type, phase, active version, what comes next and why; a condition for people and one for `kubectl wait`."""
    resources.create()
    (outcome,) = resources.run().outcomes
    status = resources.status()
    assert outcome.until
    assert (status["type"], status["phase"], status["result"]) == ("jwtSigningKey", "Switching", "Waiting")
    assert (status["revision"], status["next"]) == (outcome.summary.revision, instant(outcome.until))
    assert (status["reason"], status["observedGeneration"]) == (outcome.reason, 1)
    assert [v["state"] for v in status["versions"]] == ["Active"]
    assert status["active"] == status["versions"][0]["id"] == resources.trial.held()
    assert resources.condition("Ready") == ("True", "Active")
    assert resources.condition("Progressing") == ("True", "Switching")
    resources.until_stable()
    assert resources.condition("Progressing") == ("False", "Stable")


def test_a_frozen_rotation_says_so_and_since_when(resources: Resources) -> None:
    """Ready turns False with the reason, keeps the instant while it stays so, and turns True again afterwards."""
    resources.create()
    resources.until_stable()
    path = f"/api/v1/namespaces/{NAMESPACE}/secrets/rotation-key"
    ring = resources.trial.environment.ask("GET", path)
    resources.trial.environment.ask("DELETE", path)
    resources.trial.timeline.pass_by(DAYS_30)
    assert resources.run().exit_code == 1
    first = resources.status()["conditions"]
    assert resources.condition("Ready") == ("False", "Frozen")
    assert "there is no ring" in resources.status()["reason"]
    assert resources.status()["phase"] == "Stable", "what is known of it stays"
    resources.trial.timeline.pass_by(timedelta(minutes=5))
    resources.run()
    assert resources.status()["conditions"] == first
    resources.trial.environment.ask(
        "POST",
        path.rpartition("/")[0],
        {k: ring[k] for k in ("data", "type")} | {"metadata": {"name": "rotation-key"}},
    )
    assert resources.run().exit_code == 0
    assert resources.condition("Ready") == ("True", "Active")


def test_nothing_due_costs_one_list_of_each_kind_and_no_write(resources: Resources) -> None:
    """However many rotations there are: of rotations, of leases, of what may be listed."""
    for n in range(25):
        resources.create(f"key-{n}")
    for _ in range(4):
        resources.run()
        resources.trial.timeline.pass_by(timedelta(minutes=5))
    report = resources.run()
    assert {o.result for o in report.outcomes} == {Result.IDLE}
    assert sorted((c.method, c.path.partition("?")[0].rpartition("/")[2]) for c in resources.trial.calls) == [
        ("GET", "configmaps"),
        ("GET", "leases"),
        ("GET", "rotations"),
    ]


def test_a_status_that_was_lost_is_written_again_though_nothing_is_due(resources: Resources) -> None:
    """A run that was killed between the lease and the status leaves it to the next."""
    resources.create()
    resources.until_stable()
    whole = resources.status()
    path = f"{ROTATIONS}/key/status"
    resources.trial.environment.ask("PATCH", path, {"status": dict.fromkeys(whole)})
    resources.run()
    kept = ("type", "phase", "active", "activeSince", "revision", "next", "reason", "result")
    assert {k: resources.status()[k] for k in kept} == {k: whole[k] for k in kept}


def test_what_could_not_be_looked_at_keeps_what_is_known_of_it(resources: Resources) -> None:
    """Without the leases of its namespace nothing is known of a rotation but that it froze."""
    resources.create()
    resources.until_stable()
    before = resources.status()
    resources.trial.answers["GET", "/leases"] = Answer(403, {}, b'{"reason": "Forbidden"}')
    (outcome,) = resources.run().outcomes
    assert outcome.result is Result.FROZEN
    assert resources.condition("Ready") == ("False", "Frozen")
    kept = ("type", "phase", "active", "activeSince", "revision")
    assert {k: resources.status().get(k) for k in kept} == {k: before[k] for k in kept}
    assert resources.condition("Progressing") == ("False", "Stable")


@pytest.mark.parametrize("ahead", [{"revision": 99}, {"observedGeneration": 99}])
def test_a_run_that_was_overtaken_leaves_the_status_alone(
    resources: Resources, ahead: dict[str, int]
) -> None:
    """What a later run wrote since this one read the resource stays: of a later ring, of a later declaration."""
    resources.create()
    resources.run()
    resources.trial.timeline.pass_by(timedelta(minutes=5))
    later = {"status": {"phase": "Overlap", **ahead}}
    resources.meanwhile(
        "/leases", lambda: resources.trial.environment.ask("PATCH", f"{ROTATIONS}/key/status", later)
    )
    resources.run()
    assert resources.status()["phase"] == "Overlap"


def test_after_beginning_anew_the_status_tells_of_the_new_ring(resources: Resources) -> None:
    """Its revision is lower than the one before, and it is the truth."""
    resources.create()
    resources.until_stable()
    core = f"/api/v1/namespaces/{NAMESPACE}"
    for path in (
        f"{core}/secrets/rotation-key",
        f"{core}/secrets/key",
        f"{core}/configmaps/key-accepted",
        f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/rotation-key",
    ):
        resources.trial.environment.ask("DELETE", path)
    resources.run()
    assert resources.status()["active"] == resources.trial.held()


def test_a_condition_of_somebody_else_stays(resources: Resources) -> None:
    """A list in a merge patch replaces the whole."""
    resources.create()
    theirs = {
        "type": "Synced",
        "status": "True",
        "reason": "Pushed",
        "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    resources.trial.environment.ask("PATCH", f"{ROTATIONS}/key/status", {"status": {"conditions": [theirs]}})
    resources.run()
    assert {c["type"] for c in resources.status()["conditions"]} == {"Ready", "Progressing", "Synced"}


def test_a_long_sentence_is_cut_in_the_status(resources: Resources) -> None:
    """The definition bounds its texts: what is too long would leave the status unwritten."""
    namespaces = [f"other-{n}" for n in range(500)]
    resources.create(holders=[{"secret": {"name": "x", "namespaces": namespaces}}])
    resources.run()
    assert len(resources.status()["reason"]) == 1024
    assert resources.condition("Ready") == ("False", "Refused")


def test_a_status_that_cannot_be_written_stops_nothing(resources: Resources) -> None:
    """The rotation goes its way; people read about it on the lease and in the log."""
    resources.trial.answers["PATCH", "/status"] = Answer(403, {}, b"{}")
    for name in ("one", "two"):
        resources.create(name)
    report = resources.run()
    assert [o.result for o in report.outcomes] == [Result.WAITING, Result.WAITING]
    assert resources.trial.held("one")
    tried = [c for c in resources.trial.calls if c.path.partition("?")[0].endswith("/status")]
    assert len(tried) == 1, "where it is forbidden it is not tried again in the same run"


# --- what is refused ---------------------------------------------------------------------------------------------


def test_one_that_cannot_be_carried_out_is_refused_by_itself(resources: Resources) -> None:
    """Its status says why, nothing of it is touched, the others go on, and the run exits 1."""
    resources.create("good")
    resources.create("bad", lead="1s")
    report = resources.run()
    assert {o.rotation: o.result for o in report.outcomes} == {
        f"{NAMESPACE}/good": Result.WAITING,
        f"{NAMESPACE}/bad": Result.REFUSED,
    }
    assert report.exit_code == 1
    assert resources.condition("Ready", "bad") == ("False", "Refused")
    assert "spec.lead: 1s is too short" in resources.status("bad")["reason"]
    assert resources.trial.held("bad") is None
    resources.change("bad", {"spec": {"lead": None}})
    assert resources.run().exit_code == 0
    assert resources.condition("Ready", "bad") == ("True", "Active")


@pytest.mark.parametrize(
    ("stray", "says"),
    [
        ({"holders": [{"secret": {"name": "x", "namespaces": [OTHER]}}]}, f"namespace {OTHER}"),
        (
            {"verifiers": [{"jwks": {"configMap": "x", "namespace": OTHER, "maxAge": "1m"}}]},
            f"namespace {OTHER}",
        ),
        ({"store": {"vault": {"mount": "rotator", "path": "orders/jwt"}}}, "Vault path orders/jwt"),
        ({"holders": [{"vault": {"mount": "secret", "path": f"{NAMESPACE}"}}]}, f"Vault path {NAMESPACE}"),
        (
            {"takeOver": {"vault": {"mount": "secret", "path": "orders/jwt", "field": "key"}}},
            "Vault path orders/jwt",
        ),
        (
            {"gates": {"beforeActivate": [{"jwksProbe": {"url": "http://10.0.0.1/x"}}]}},
            "gate http://10.0.0.1/x",
        ),
        (
            {
                "gates": {
                    "beforeDestroy": [
                        {
                            "prometheus": {
                                "url": "https://prom/",
                                "query": "q",
                                "below": 1,
                                "caFile": "/etc/passwd",
                            }
                        }
                    ]
                }
            },
            "file /etc/passwd",
        ),
    ],
)
def test_a_resource_stays_in_its_namespace(resources: Resources, stray: dict[str, Any], says: str) -> None:
    """Whoever may create Rotations in one namespace gets no hand on another, nor on its paths in Vault."""
    resources.create(**stray)
    (outcome,) = resources.run(mode=Mode.PLAN).outcomes
    assert outcome.result is Result.REFUSED
    assert says in outcome.reason
    if not says.startswith("file "):  # which is read when the rotation is wired
        (trusted,) = resources.run(mode=Mode.PLAN, trust_resources=True).outcomes
        assert trusted.result is not Result.REFUSED


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("http://prometheus:9090", True),
        ("http://prometheus:9090/team/", True),
        ("http://prometheus:909/", False),
        ("http://prometheus:9091/", False),
        ("https://prometheus:9090", False),
        ("http://prometheus.evil.example:9090/", False),
        ("http://apps/one/jwks.json", True),
        ("http://apps/onerous", False),
        ("http://[::]/", False),
        ("http://apps/one/../two", False),
        ("http://apps/one/./x", False),
        ("http://apps/one/%2e%2E/two", False),
        ("http://apps/one/..;a/two", False),
        ("http://apps/one/..\\two", False),
        ("http://apps/one/a%2f..%2f..%2ftwo", False),
        ("http://apps/one/.well-known/jwks.json", True),
    ],
)
def test_gates_ask_where_the_operator_allows_it(resources: Resources, url: str, *, asked: bool) -> None:
    """By scheme, host, port and folder; what only begins alike, or leads out of the folder, is another place."""
    gate = {"prometheus": {"url": url, "query": "q", "below": 1}}
    resources.create(gates={"beforeDestroy": [gate]})
    (outcome,) = resources.run(
        mode=Mode.PLAN, gate_urls=["http://prometheus:9090", "http://apps/one"]
    ).outcomes
    assert (outcome.result is not Result.REFUSED) == asked, outcome.reason


def test_a_name_in_a_file_and_in_a_resource_is_two_things(resources: Resources) -> None:
    """The file is advanced, the resource is refused in its own status, run after run."""
    resources.create()
    file = resources.trial.policy("key", store={"kubernetes": {}})
    for _ in range(2):
        report = resources.run(file)
        assert [o.result for o in report.outcomes] in (
            [Result.WAITING, Result.REFUSED],
            [Result.IDLE, Result.REFUSED],
        )
        assert resources.condition("Ready") == ("False", "Refused")
        resources.trial.timeline.pass_by(timedelta(minutes=5))


def test_of_two_that_claim_one_document_the_older_keeps_it(resources: Resources) -> None:
    """And a file comes before any resource: what works is not stopped by what is new."""
    resources.create("first")
    resources.trial.timeline.pass_by(timedelta(seconds=5))
    resources.create("second", holders=[{"secret": {"name": "first"}}])
    results = {o.rotation.rpartition("/")[2]: o for o in resources.run().outcomes}
    assert results["first"].result is Result.WAITING
    assert results["second"].result is Result.REFUSED
    assert f"secret {NAMESPACE}/first is used already by {NAMESPACE}/first" in results["second"].reason
    file = resources.trial.policy("first", store={"kubernetes": {}})
    refused = [o for o in resources.run(file, mode=Mode.PLAN).outcomes if o.result is Result.REFUSED]
    assert "declared twice" in refused[0].reason


def test_a_missing_definition_is_said_in_a_sentence_and_stops_no_file(bao: Bao) -> None:
    """What to install, and how; rotations in files go on."""
    resources = Resources(bao, defined=False)
    file = resources.trial.policy("file", store={"kubernetes": {}})
    report = resources.run(file)
    results = {o.rotation: o for o in report.outcomes}
    assert results[f"{NAMESPACE}/file"].result is Result.WAITING
    assert "rotator crd | kubectl apply" in results[f"{NAMESPACE}/*"].reason
    assert report.exit_code == 1


@pytest.mark.parametrize("path", ["/rotations", "/leases"])
def test_a_namespace_that_cannot_be_read_stops_no_other(resources: Resources, path: str) -> None:
    """It is said, the run exits 1, and the rest is advanced."""
    resources.create()
    forbidden = Answer(403, {}, b'{"reason": "Forbidden"}')
    resources.trial.answers["GET", f"namespaces/{OTHER}{path}"] = forbidden
    resources.trial.environment.ask(
        "POST",
        ROTATIONS.replace(NAMESPACE, OTHER),
        {
            "apiVersion": "rotator.dev/v1alpha1",
            "kind": "Rotation",
            "metadata": {"name": "far"},
            "spec": resources.spec("far"),
        },
    )
    report = resources.run(namespaces=[NAMESPACE, OTHER])
    results = {o.rotation.partition("/")[0]: o for o in report.outcomes}
    assert results[NAMESPACE].result is Result.WAITING
    assert results[OTHER].result is Result.FROZEN
    assert f"namespaces/{OTHER}{path}: HTTP 403" in results[OTHER].reason


@pytest.mark.parametrize(
    "spec",
    [
        {"store": {"vault": {"mount": "rotator", "path": f"{NAMESPACE}/key"}}},
        {
            "gates": {
                "beforeActivate": [{"jwksProbe": {"url": "https://x/", "caFile": "/no/such/file"}}],
            }
        },
    ],
    ids=["no Vault is configured", "no such file"],
)
def test_one_that_cannot_be_wired_is_refused_by_itself(resources: Resources, spec: dict[str, Any]) -> None:
    """What the job has no settings for concerns whoever asks for it."""
    resources.create("good")
    resources.create("bad", **spec)
    report = resources.run(trust_resources=True, vault=False)
    results = {o.rotation.rpartition("/")[2]: o.result for o in report.outcomes}
    assert results == {"good": Result.WAITING, "bad": Result.REFUSED}


# --- asking for a rotation ---------------------------------------------------------------------------------------


def test_an_annotation_asks_for_a_rotation_once_a_reason(resources: Resources) -> None:
    """`kubectl annotate rotation key rotator.dev/rotate=INC-1`: the next scheduled run begins it."""
    resources.create()
    resources.until_stable()
    first = resources.trial.held()
    resources.change("key", {"metadata": {"annotations": {ROTATE: "INC-1"}}})
    resources.until_stable()
    second = resources.trial.held()
    assert second != first
    (outcome,) = resources.run().outcomes
    assert outcome.result is Result.IDLE, "the reason is honoured, the annotation may stay"
    resources.change("key", {"metadata": {"annotations": {ROTATE: "INC-2"}}})
    resources.until_stable()
    assert resources.trial.held() not in {first, second}


def test_an_annotation_during_a_rotation_begins_the_next_one_by_itself(resources: Resources) -> None:
    """Nobody has to ask again, so nobody is told to."""
    resources.create()
    resources.until_stable()
    resources.change("key", {"metadata": {"annotations": {ROTATE: "INC-1"}}})
    resources.run()
    resources.change("key", {"metadata": {"annotations": {ROTATE: "INC-2"}}})
    (outcome,) = resources.run().outcomes
    assert outcome.reason.startswith(
        "the rotation requested (INC-2) begins by itself once this one is over; "
    )
    resources.until_stable()
    assert resources.run().outcomes[0].summary.requests == ("INC-1", "INC-2")


@pytest.mark.parametrize("reason", ["", " ", "two\nlines", "\x1b[31mred", "x" * 129])
def test_a_reason_is_a_short_line(resources: Resources, reason: str) -> None:
    """It is stored, logged and shown: anything else is refused, and nothing begins."""
    resources.create(annotations={ROTATE: reason})
    (outcome,) = resources.run().outcomes
    assert outcome.result is Result.REFUSED
    assert "expected a reason of at most 128 printable characters" in outcome.reason


def test_a_request_for_one_that_is_refused_says_why(resources: Resources) -> None:
    """Not that nothing was chosen."""
    resources.create(lead="1s")
    report = resources.run(reason="INC-1", selection=Selection(names=[f"{NAMESPACE}/key"]))
    assert [o.result for o in report.outcomes] == [Result.REFUSED]


def test_what_was_not_chosen_is_not_told_of(resources: Resources) -> None:
    """A refused resource of another team is that team's."""
    resources.create("bad", lead="1s")
    assert resources.run(selection=Selection(selector={"team": "payments"})).exit_code == 0


# --- Events ------------------------------------------------------------------------------------------------------


def test_events_tell_what_happened_on_the_rotation_and_once(resources: Resources) -> None:
    """Each recorded step and each write, then nothing more while nothing happens."""
    resources.create()
    resources.run(events=True)
    told = resources.events()
    assert {"Stage", "Publish", "Activate", "Create"} <= {e["reason"] for e in told}
    assert {(e["involvedObject"]["kind"], e["involvedObject"]["name"], e["type"]) for e in told} == {
        ("Rotation", "key", "Normal")
    }
    assert {e["involvedObject"]["uid"] for e in told} == {resources.get()["metadata"]["uid"]}
    resources.run(events=True)
    assert len(resources.events()) == len(told)


def test_a_freeze_is_a_warning_told_once(resources: Resources) -> None:
    """Not again by each run that finds it unchanged; without a custom resource it is told on the lease."""
    file = resources.trial.policy("key", store={"kubernetes": {}})
    secret = {"metadata": {"name": "key"}, "data": {"kid": "bWluZQ=="}}
    resources.trial.environment.ask("POST", f"/api/v1/namespaces/{NAMESPACE}/secrets", secret)
    for _ in range(3):
        resources.run(file, events=True)
        resources.trial.timeline.pass_by(timedelta(minutes=5))
    warnings = [e for e in resources.events() if e["type"] == "Warning"]
    assert [(e["reason"], e["involvedObject"]["kind"], e["involvedObject"]["name"]) for e in warnings] == [
        ("Frozen", "Lease", "rotation-key")
    ]
    assert "was not made by rotator" in warnings[0]["message"]


# --- deletion ----------------------------------------------------------------------------------------------------


def documents(resources: Resources, life: str) -> dict[str, Any]:
    """Return what exists of a rotation with a Vault path, by where it is."""
    environment, bao = resources.trial.environment, resources.trial.bao.server
    found = {
        "secret": environment.secret("key"),
        "ring": environment.secret("rotation-key"),
        "verifiers": environment.config_map("key-accepted"),
        "lease": resources.trial.lease(),
        "path": _or_none(lambda: bao.call("GET", f"secret/metadata/{life}")),
        "rotation": resources.get(),
    }
    return {where: it for where, it in found.items() if it is not None}


def _or_none(ask: Any) -> Any:
    try:
        return ask()
    except RuntimeError:
        return None


def test_deleting_a_rotation_leaves_its_credential_alone(resources: Resources) -> None:
    """Retain, the default: the declaration goes, everything that lives stays, and nobody notices."""
    resources.create()
    resources.until_stable()
    before = resources.trial.held(), resources.trial.accepted()
    resources.delete("key")
    assert resources.get() is None
    resources.run()
    assert (resources.trial.held(), resources.trial.accepted()) == before


def test_the_same_rotation_declared_again_goes_on_where_it_was(resources: Resources) -> None:
    """The ring and the lease are its memory, not the resource."""
    resources.create()
    resources.until_stable()
    before = resources.trial.held()
    resources.delete("key")
    resources.create()
    resources.until_stable()
    assert resources.trial.held() == before


def _deletable(resources: Resources, **spec: Any) -> str:
    life = f"{NAMESPACE}/{resources.trial.life}"
    holders = [
        {"secret": {"name": "key", "data": {"key": "private_key", "kid": "kid"}}},
        {"vault": {"mount": "secret", "path": life}},
    ]
    made = resources.create(deletionPolicy="Delete", **{"holders": holders, **spec})
    policy = hcl(grants([from_resource(made)], deletion=True))
    role, secret = resources.trial.bao.server.app_role("deleter", policy=policy)
    resources.trial.bao = replace(resources.trial.bao, role=role, secret=secret)
    resources.until_stable()
    return life


def test_with_the_policy_delete_the_credential_goes_with_the_rotation(resources: Resources) -> None:
    """Holders, verifiers, ring, lease; then the resource itself. A Rotation that is deleted is not advanced any more."""
    life = _deletable(resources)
    assert set(documents(resources, life)) == {"secret", "ring", "verifiers", "lease", "path", "rotation"}
    resources.delete("key")
    assert resources.get()["metadata"]["deletionTimestamp"], (
        "the finalizer keeps it until the credential is gone"
    )
    assert set(documents(resources, life)) == {"secret", "ring", "verifiers", "lease", "path", "rotation"}
    (planned,) = resources.run(mode=Mode.PLAN).outcomes
    assert (planned.result, planned.steps) == (Result.WAITING, ("delete the credential",))
    assert "rotation" in documents(resources, life), "a plan deletes nothing"
    (outcome,) = resources.run().outcomes
    assert (outcome.result, outcome.rotation) == (Result.DELETED, f"{NAMESPACE}/key")
    assert documents(resources, life) == {}


def test_the_last_run_ends_deletions_and_lets_all_others_go(resources: Resources) -> None:
    """No run is left after it. What nobody deletes keeps its credential, whatever its spec says; nothing is advanced."""
    for name in ("goes", "stays", "broken", "undone"):
        resources.create(name, deletionPolicy="Delete")
        resources.until_stable(name)
    resources.create("retained")
    resources.create("new", deletionPolicy="Delete")
    for name in ("broken", "undone"):
        resources.change(name, {"spec": {"lead": "1s"}})
    resources.delete("goes")
    resources.delete("undone")
    resources.trial.timeline.pass_by(DAYS_30)
    held = resources.trial.held("stays")
    report = resources.run(mode=Mode.LEAVE)
    assert {o.rotation.partition("/")[2]: o.result for o in report.outcomes} == {
        "goes": Result.DELETED,
        "stays": Result.IDLE,
        "broken": Result.IDLE,
        "undone": Result.REFUSED,
    }
    assert report.exit_code == 1
    assert resources.get("goes") is None
    assert resources.trial.held("goes") is None
    assert resources.trial.held("stays") == held
    for name in ("retained", "new"):
        assert resources.trial.held(name) is None
    finalizers = {
        n: resources.get(n)["metadata"].get("finalizers") for n in ("stays", "broken", "undone", "new")
    }
    assert finalizers == {"stays": None, "broken": None, "undone": ["rotator.dev/credential"], "new": None}
    assert resources.run(mode=Mode.LEAVE).exit_code == 1, (
        "until somebody corrects it, or removes the finalizer"
    )
    resources.change("undone", {"spec": {"lead": None}})
    assert resources.run(mode=Mode.LEAVE).exit_code == 0
    assert resources.get("undone") is None


LOGIN = {"username": "eA==", "password": "eHl6eHl6eHl6eHl6eHl6eHl6"}


@pytest.mark.parametrize(
    ("type_", "there", "data", "left"),
    [
        ("Opaque", {"password": LOGIN["password"]}, {"password": "value"}, {}),
        ("Opaque", LOGIN, {"password": "value"}, {"username": "eA=="}),
        ("kubernetes.io/basic-auth", {"password": LOGIN["password"]}, {"password": "value", "username": "kid"}, None),
    ],
)  # fmt: skip
def test_an_object_that_was_taken_over_outlives_the_deletion(
    resources: Resources, type_: str, there: Any, data: Any, left: Any
) -> None:
    """With its labels and all that is not ours; one whose type cannot be without our fields goes."""
    environment, path = resources.trial.environment, f"/api/v1/namespaces/{NAMESPACE}/secrets"
    labels = {"app.kubernetes.io/managed-by": "Helm"}
    environment.ask(
        "POST", path, {"metadata": {"name": "key", "labels": labels}, "type": type_, "data": there}
    )
    _deletable(
        resources,
        credential={"sharedSecret": {"length": 40}},
        verifiers=[{"acceptedList": {"secret": "accepted-list", "maxAge": "1m"}}],
        holders=[{"secret": {"name": "key", "data": data}}],
        takeOver={"secret": {"name": "key", "key": "password"}},
    )
    resources.delete("key")
    outcome = resources.run().outcomes[0]
    assert outcome.result is Result.DELETED, outcome
    found = environment.secret("key")
    if left is None:
        assert found is None
        return
    assert (found.get("data") or {}) == left
    assert found["metadata"]["labels"] == labels
    assert resources.get() is None


@pytest.mark.parametrize("said", ["namespace not found", "no handler for route", "unsupported path", "odd"])
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_what_nobody_has_looked_at_is_not_gone(resources: Resources, method: str, said: str) -> None:
    """Another namespace of Vault, or a mount that is away for a moment, ends no deletion: the credential may be there."""
    life = _deletable(resources)
    kind = "data" if method == "GET" else "metadata"
    tail = f"secret/{kind}/{life}"
    resources.trial.answers[method, tail] = Answer(404, {}, json.dumps({"errors": [said]}).encode())
    resources.delete("key")
    outcome = resources.run().outcomes[0]
    assert outcome.result is Result.FROZEN, outcome
    assert resources.get() is not None
    resources.trial.answers.clear()
    assert resources.run().outcomes[0].result is Result.DELETED


def test_fields_and_documents_of_others_survive_the_deletion(resources: Resources) -> None:
    """A foreign data key stays in its Secret; a Secret that carries another rotation's stamp stays whole."""
    _deletable(resources)
    resources.trial.environment.ask(
        "PATCH", f"/api/v1/namespaces/{NAMESPACE}/secrets/key", {"data": {"theirs": "eA=="}}
    )
    others = {"metadata": {"annotations": {"rotator.dev/rotation": "orders/other"}}}
    resources.trial.environment.ask(
        "PATCH", f"/api/v1/namespaces/{NAMESPACE}/configmaps/key-accepted", others
    )
    resources.delete("key")
    resources.run()
    left = resources.trial.environment.secret("key")
    assert left["data"] == {"theirs": "eA=="}
    assert not [a for a in left["metadata"].get("annotations") or {} if a.startswith("rotator.dev/")]
    assert resources.trial.accepted(), "the list is another's now"
    assert resources.get() is None


class Killed(BaseException):
    """The process is gone."""


def _killed_at(resources: Resources, number: int, *, after: bool) -> Iterator[bool]:
    """Yield whether a run was killed at its `number`th request, before it or after its answer was made."""
    seen = [0]
    middle = resources.trial._middle  # noqa: SLF001 - the trial's own seam for faults

    def counted(call: Call, body: bytes, perform: Perform) -> Answer:
        seen[0] += 1
        if seen[0] == number and not after:
            raise Killed
        answer = middle(call, body, perform)
        if seen[0] == number:
            raise Killed
        return answer

    resources.trial._middle = counted  # type: ignore[method-assign]  # noqa: SLF001
    try:
        resources.run()
        yield False
    except Killed:
        yield True
    finally:
        resources.trial._middle = middle  # type: ignore[method-assign]  # noqa: SLF001


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.no_cover
def test_a_deletion_that_is_killed_anywhere_is_carried_on(bao: Bao, *, after: bool) -> None:
    """At every request: the next run finishes, and the resource is never gone before the credential."""
    call, killed = 1, True
    while killed:
        resources = Resources(bao)
        life = _deletable(resources)
        resources.delete("key")
        (killed,) = _killed_at(resources, call, after=after)
        left = documents(resources, life)
        assert "rotation" in left or not left, f"call {call}: the resource went before {set(left)}"
        resources.trial.timeline.pass_by(timedelta(minutes=1))
        resources.run()
        assert documents(resources, life) == {}, f"killed at call {call}"
        call += 1
    assert call > 10


@pytest.mark.parametrize("first", ["policy", "deletion"])
def test_who_thinks_better_of_it_keeps_the_credential(resources: Resources, first: str) -> None:
    """Retain counts, whether it came before the deletion or while that was waiting for the next run."""
    life = _deletable(resources)
    retain = {"spec": {"deletionPolicy": "Retain"}}
    if first == "policy":
        resources.change("key", retain)
    resources.delete("key")
    if first == "deletion":
        resources.change("key", retain)
    resources.run()
    assert set(documents(resources, life)) == {"secret", "ring", "verifiers", "lease", "path"}


def test_a_lost_ring_does_not_save_what_was_delivered(resources: Resources) -> None:
    """Documents say by their stamps whose they are."""
    life = _deletable(resources)
    resources.trial.environment.ask("DELETE", f"/api/v1/namespaces/{NAMESPACE}/secrets/rotation-key")
    resources.delete("key")
    (outcome,) = resources.run().outcomes
    assert outcome.result is Result.DELETED
    assert documents(resources, life) == {}


def test_a_ring_that_cannot_be_read_keeps_the_resource(resources: Resources) -> None:
    """What is in it is not known to be gone: a person has to look, and the status says so."""
    life = _deletable(resources)
    ring = f"/api/v1/namespaces/{NAMESPACE}/secrets/rotation-key"
    resources.trial.environment.ask("PATCH", ring, {"data": {"ring": "eA=="}})
    resources.delete("key")
    (outcome,) = resources.run().outcomes
    assert outcome.result is Result.FROZEN
    assert set(documents(resources, life)) == {"ring", "lease", "rotation"}
    assert resources.condition("Ready") == ("False", "Frozen")
    assert "Remove it by hand" in resources.status()["reason"]
    assert resources.trial.lease()["spec"].get("holderIdentity") is None
    resources.trial.environment.ask("DELETE", ring)
    resources.run()
    assert documents(resources, life) == {}


def test_what_a_run_put_back_meanwhile_is_removed_again(resources: Resources) -> None:
    """A run that read the resource before it was deleted takes the deletion for somebody's edit, and repairs it."""
    life = _deletable(resources)
    resources.delete("key")
    path = f"/api/v1/namespaces/{NAMESPACE}/secrets"
    secret = resources.trial.environment.secret("key")
    again = {k: secret[k] for k in ("data", "type")}
    again["metadata"] = {k: secret["metadata"][k] for k in ("name", "labels", "annotations")}
    resources.meanwhile("/secrets/key", lambda: None)
    resources.meanwhile("/secrets/rotation-key", lambda: resources.trial.environment.ask("POST", path, again))
    (outcome,) = resources.run().outcomes
    assert outcome.result is Result.DELETED
    assert documents(resources, life) == {}


@pytest.mark.parametrize(
    ("status", "result"), [(409, Result.WAITING), (403, Result.FROZEN), (500, Result.FROZEN)]
)
def test_nothing_is_made_for_a_rotation_whose_deletion_could_not_be_noticed(
    resources: Resources, status: int, result: Result
) -> None:
    """Without its finalizer: it waits or freezes alone, and the others go on."""
    resources.create("good")
    resources.create("key", deletionPolicy="Delete")
    resources.trial.answers["PATCH", "/rotations/key"] = Answer(status, {}, b"{}")
    report = resources.run()
    results = {o.rotation.rpartition("/")[2]: o.result for o in report.outcomes}
    assert results == {"good": Result.WAITING, "key": result}
    assert resources.trial.held("key") is None


def test_a_rotation_that_was_edited_just_now_keeps_its_status(resources: Resources) -> None:
    """It only waits for the next run: whoever waits for Ready is not told otherwise."""
    resources.create()
    resources.until_stable()
    before = resources.status()
    resources.change("key", {"spec": {"deletionPolicy": "Delete"}})
    resources.trial.answers["PATCH", "/rotations/key"] = Answer(409, {}, b"{}")
    (outcome,) = resources.run().outcomes
    assert outcome.result is Result.WAITING
    assert resources.status() == before


@pytest.mark.parametrize("status", [409, 403])
def test_a_finalizer_that_stays_is_said_and_tried_again(resources: Resources, status: int) -> None:
    """The credential is deleted, the resource is still there, and the next run ends it."""
    life = _deletable(resources)
    resources.delete("key")
    resources.trial.answers["PATCH", "/rotations/key"] = Answer(status, {}, b"{}")
    (outcome,) = resources.run().outcomes
    assert outcome.result is Result.FROZEN
    assert "finalizer" in outcome.reason
    assert set(documents(resources, life)) == {"rotation"}
    resources.trial.answers.clear()
    resources.run()
    assert documents(resources, life) == {}


def test_a_deletion_that_is_refused_says_what_to_do(resources: Resources) -> None:
    """The spec became one that cannot be carried out: nobody can tell what is to be deleted."""
    _deletable(resources)
    resources.change("key", {"spec": {"lead": "1s"}})
    resources.delete("key")
    (outcome,) = resources.run().outcomes
    assert outcome.result is Result.REFUSED
    assert "remove the finalizer rotator.dev/credential" in outcome.reason
    assert resources.trial.held()


def test_in_a_namespace_that_is_being_deleted_no_lease_is_needed(resources: Resources) -> None:
    """None can be made there, and the finalizer would keep the namespace for ever."""
    life = _deletable(resources)
    resources.delete("key")
    leases = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases"
    resources.trial.environment.ask("DELETE", f"{leases}/rotation-key")
    resources.trial.answers["PATCH", "/leases/rotation-key"] = Answer(403, {}, b'{"reason": "Forbidden"}')
    (outcome,) = resources.run().outcomes
    assert outcome.result is Result.DELETED
    assert documents(resources, life) == {}


def test_binary_data_of_others_survives(resources: Resources) -> None:
    """A ConfigMap has two kinds of data."""
    _deletable(resources)
    path = f"/api/v1/namespaces/{NAMESPACE}/configmaps/key-accepted"
    resources.trial.environment.ask("PATCH", path, {"binaryData": {"theirs": "eA=="}})
    resources.delete("key")
    (outcome,) = resources.run().outcomes
    left = resources.trial.environment.config_map("key-accepted")
    assert (left["binaryData"], left.get("data") or {}) == ({"theirs": "eA=="}, {})
    assert any("others are left: theirs" in step for step in outcome.steps)


@pytest.mark.parametrize("shared", [True, False])
def test_a_deletion_leaves_what_pod_templates_refer_to_where_others_use_the_object(
    resources: Resources, *, shared: bool
) -> None:
    """Without these keys their pods could not start any more."""
    holder = {"secret": {"name": "key"}, "restart": {"workloads": "auto", "soak": "0s"}}
    resources.create(holders=[holder], deletionPolicy="Delete", store={"kubernetes": {}})
    resources.until_stable()
    path = f"/api/v1/namespaces/{NAMESPACE}/secrets/key"
    if shared:
        resources.trial.environment.ask("PATCH", path, {"data": {"theirs": "eA=="}})
    (fence,) = (
        k for k in resources.trial.environment.secret("key")["data"] if k.startswith("ROTATOR_FENCE_")
    )
    resources.delete("key")
    resources.run()
    left = (resources.trial.environment.secret("key") or {}).get("data")
    assert left == ({"theirs": "eA==", fence: ""} if shared else None)


def test_a_policy_that_asks_no_more_for_deletion_lets_go(resources: Resources) -> None:
    """The finalizer follows the policy."""
    _deletable(resources)
    assert resources.get()["metadata"]["finalizers"] == ["rotator.dev/credential"]
    resources.change("key", {"spec": {"deletionPolicy": "Retain"}})
    resources.run()
    assert not resources.get()["metadata"].get("finalizers")
    resources.delete("key")
    assert resources.get() is None
    assert resources.trial.held()


def test_a_status_is_json_of_known_fields_alone(resources: Resources) -> None:
    """What is written is what the definition names, so that nothing is pruned."""
    resources.create()
    resources.run()
    schema = definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]
    assert set(resources.status()) <= set(schema["properties"])
    assert json.loads(json.dumps(resources.status())) == resources.status()
