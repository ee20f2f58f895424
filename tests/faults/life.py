"""One life: from nothing to the destruction of the first version, with faults on the way. What lives, subclasses say."""

from __future__ import annotations

import base64
import json
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from rotator.core.sensitive import Sensitive
from rotator.engine.outcome import Outcome, Result
from rotator.policy.model import RotationPolicy
from rotator.run import wiring
from rotator.systems.kubernetes.client import Kubernetes
from rotator.systems.vault.client import Vault
from rotator.systems.vault.settings import VaultSettings
from rotator.systems.world import World, ends_after
from rotator_sandbox.emulator.nodes import MOST_LATE
from tests.faults.environment import NAMESPACE, RING_SECRET, TOKEN, Bao, Environment, Scenario
from tests.faults.kinds_of_faults import AMBIGUOUS, ON_THE_WIRE, Fault, Killed, applies, refusal
from tests.faults.on_the_wire import DamagedAnswerError
from tests.faults.timeline import TICK, Timeline
from tests.faults.transport import Answer, Call, LostReply, Perform, VaultPool, api_client

MOST_RUNS = 80
CADENCE = timedelta(seconds=61)
LEASE = timedelta(seconds=30)
NODE_SKEW = 50.0
"""Nodes' clocks are off by up to this many seconds, always: the policy allows 60."""
A_WRONG_CLOCK = timedelta(minutes=30)
STAYS_READY = timedelta(seconds=35)
"""For so long nodes may lose the API server before they count as not ready, and get no new pods."""
TTL = timedelta(minutes=15)
STALE = timedelta(minutes=5, seconds=90)
PICK_UP = timedelta(minutes=5)


@dataclass
class Verdict:
    """What came of a life."""

    calls: list[Call]
    run_of: list[int] = field(default_factory=list)
    """The run that made each call."""
    apart: set[int] = field(default_factory=set)
    """The calls that follow no other of their run at once: they are the first, or time has passed."""
    converged: bool = False
    violations: list[str] = field(default_factory=list)
    struck: int = 0
    """Faults that found their call."""
    runs: int = 0
    figures: dict[str, int] = field(default_factory=dict)
    """What the traffic did."""
    said: str = ""
    """What the last run said."""


class Life:
    """A life of one credential, with `faults` at the numbered calls of its runs."""

    def __init__(
        self,
        bao: Bao,
        scenario: Scenario,
        faults: Mapping[int, Fault],
        name: str,
        environment: Environment | None = None,
    ) -> None:
        self._bao, self._scenario, self._name = bao, scenario, name
        self.faults = faults
        self.reached: Callable[[Life, int], None] = lambda _life, _number: None
        """Told of each call of the life's own runs before it is made."""
        self._random = random.Random(name)  # noqa: S311 - a schedule, not a secret
        self.environment = environment or Environment(Timeline())
        self.timeline = self.environment.timeline
        self._policy = self._declaration()
        self._verdict = Verdict(calls=[])
        self._leaving = False
        self._depth = 0
        self._wrong_clock: dict[int, bool] = {}
        self._wrote = Counter[int]()
        """How often runs have changed the ring, by how many stand still meanwhile."""
        self._late: Perform | None = None
        self._skews: list[timedelta] = []
        self._answered: datetime | None = None
        """When the last call of the life's own runs was over."""
        self._unanswered: Call | None = None
        """What the provider has taken last, if no answer came back."""
        self._ring: Any = None
        self._revisions: dict[str, int] = {}
        self._known: set[str] = set()
        self.timeline.moved.append(self._moved)

    # --- what subclasses say ----------------------------------------------------------------------------------

    def _declaration(self) -> RotationPolicy:
        return self._scenario.declaration(self._name)

    def _observe(self) -> None:
        """Look at every document as it is now, and let the traffic flow."""
        raise NotImplementedError

    def _secrets(self) -> set[str]:
        """Return all that no outcome may hold."""
        raise NotImplementedError

    def _delivered_to_vault(self, data: Mapping[str, str]) -> None:
        """Note what a consumer reads in Vault from now on."""
        raise NotImplementedError

    def _look_at_version(self, version: Mapping[str, Any], material: Mapping[str, Mapping[str, str]]) -> None:
        """Look at one version of a ring that was just saved, with all the material in the store."""

    def _ran(self, outcome: Outcome | None) -> None:
        """Look at what came of a run."""

    def _afterwards(self) -> None:
        """Look at what is left when it is over."""
        raise NotImplementedError

    def _figures(self) -> dict[str, int]:
        """Return what the traffic did."""
        raise NotImplementedError

    def _refusal(self, fault: Fault, call: Call) -> Answer:
        return refusal(fault, call)

    def _connections(self) -> Mapping[str, Any]:
        """Return the connections to providers, as `World` names them."""
        return {}

    # --- living ---------------------------------------------------------------------------------------------

    def live(self) -> Verdict:
        """Live it, and return what came of it."""
        verdict = self._verdict
        verdict.converged = self._until(self._over, MOST_RUNS)
        if verdict.converged:
            self._afterwards()
        verdict.figures = self._figures()
        return verdict

    def _until(self, over: Any, most: int) -> bool:
        """Run again and again; return whether it came to be `over`."""
        for _ in range(most):
            outcome = self._run()
            self._ran(outcome)
            self._verdict.said = f"{outcome.result}: {outcome.reason}" if outcome else "killed"
            self._verdict.runs += 1
            if (over() and not self._late) or self._verdict.violations:
                break
            self._leap(outcome)
        return bool(over())

    def _run(self) -> Outcome | None:
        """Do one run as a job would; None where it was killed."""
        skew = (
            self._skews.pop(0)
            if self._skews
            else timedelta(seconds=self._random.uniform(-NODE_SKEW, NODE_SKEW))
        )
        before, self._wrong_clock[self._depth] = self._wrote[self._depth], abs(skew) > A_WRONG_CLOCK
        late, self._late = (None, self._late) if self._depth else (self._late, None)
        world = self._world(skew)
        try:
            fleet = wiring.fleet(world, act=True, concurrency=1, lease=LEASE)
            rotation = wiring.declared(world, self._policy, leaving=self._leaving)
            outcome = fleet.advance([rotation]).outcomes[0]
            world.close()
        except Killed:
            return None
        except Exception as error:  # noqa: BLE001 - a run that cannot even list says so and ends
            outcome = Outcome(rotation=self._policy.ref, result=Result.FROZEN, reason=str(error))
        finally:
            wrote = self._wrote[self._depth] - before
            if late:
                late()
                self._observe()
        if abs(skew) > A_WRONG_CLOCK and wrote:
            self._violate("a run with a wrong clock has changed the ring")
        self._no_leak(outcome)
        return outcome

    def _world(self, skew: timedelta) -> World:
        clock = self.timeline.run_clock(skew)
        bao = self._bao
        settings = VaultSettings(
            address=bao.server.address,
            method="approle",
            role=bao.role,
            auth_mount="approle",
            ca=bao.server.ca_file,
            credential=Sensitive(bao.secret),
        )
        pool: Any = VaultPool(bao.pool, self._middle, lambda: self.timeline.now)
        api = api_client(self.environment.cluster, TOKEN, self._middle, lambda: self.timeline.now)
        return World(
            clock=clock,
            deadline=ends_after(clock, timedelta(minutes=10)),
            connect_kubernetes=lambda retry, meter: Kubernetes(api, retry, meter),
            connect_vault=lambda retry, meter: Vault(settings, retry, meter, pool),
            identity=f"run-{self._verdict.runs}-{self._depth}-{self._random.random()}",
            **self._connections(),
        )

    def _leap(self, outcome: Outcome | None) -> None:
        """Let time pass until the next run is of use, and look at the traffic on the way."""
        self.environment.step()
        length = CADENCE if self._random.random() < 0.7 else timedelta(seconds=2)
        if outcome and outcome.until and outcome.result in {Result.WAITING, Result.IDLE}:
            length = max(outcome.until - self.timeline.now + timedelta(seconds=1), timedelta(seconds=1))
        self._let_pass(length)

    def _let_pass(self, length: timedelta) -> None:
        end = self.timeline.now + length
        for moment in (end - TTL - STALE, end - STALE, end - PICK_UP, end):
            if moment > self.timeline.now:
                self.timeline.pass_by(moment - self.timeline.now)

    def _moved(self) -> None:
        self.environment.step()
        self._observe()

    # --- between the product and the outside ------------------------------------------------------------------

    def _middle(self, call: Call, body: bytes, perform: Perform) -> Answer:
        try:
            return self._through(call, body, perform)
        finally:
            if not self._depth:
                self._answered = self.timeline.now

    def _through(self, call: Call, body: bytes, perform: Perform) -> Answer:
        self.timeline.now += TICK
        fault = self._strikes(call)
        if fault in {Fault.CONFLICT, Fault.THROTTLED, Fault.UNAVAILABLE}:
            return self._refusal(fault, call)
        self._before(fault, lambda: self._performed(call, body, perform))
        answer = self._performed(call, body, perform)
        if fault is Fault.KILL_AFTER:
            raise Killed
        if fault is Fault.LOST:
            self.timeline.now += timedelta(seconds=10)
            raise LostReply
        if fault is not None and fault in ON_THE_WIRE:
            raise DamagedAnswerError(ON_THE_WIRE[fault])
        return Answer(500, {}, b"{}") if fault is Fault.BROKEN else answer

    def _strikes(self, call: Call) -> Fault | None:
        if self._depth:
            return None
        number = len(self._verdict.calls)
        self.reached(self, number)
        self._note(number, call)
        if call == self._unanswered:
            self._violate(
                f"I6: {call.method} {call.path} may have been taken, and was made again without a look"
            )
        self._unanswered = None
        fault = self.faults.get(number)
        if fault is None or not applies(fault, call):
            return None
        self._verdict.struck += 1
        if fault in AMBIGUOUS and call.at_provider and call.changes:
            self._unanswered = call
        return fault

    def _note(self, number: int, call: Call) -> None:
        verdict = self._verdict
        if self._answered != self.timeline.now - TICK or verdict.run_of[-1] != verdict.runs:
            verdict.apart.add(number)
        verdict.run_of.append(verdict.runs)
        verdict.calls.append(call)

    def _before(self, fault: Fault | None, perform: Perform) -> None:
        """Do what a fault does before its call is performed."""
        match fault:
            case Fault.KILL_BEFORE:
                raise Killed
            case Fault.NEVER_ARRIVED:
                self.timeline.now += timedelta(seconds=10)
                raise LostReply
            case Fault.LATE:
                self._late = perform
                self.timeline.now += timedelta(seconds=10)
                raise LostReply
            case Fault.OTHER_RUN:
                self.timeline.pass_by(LEASE + timedelta(seconds=5))
                self._others(1, leap=False)
            case Fault.PAUSED:
                self._pause(leap=True)
            case Fault.LEASE_LOST:
                self._steal()
            case Fault.STALE_NODE:
                late = self._random.uniform
                self.environment.nodes.lose_api(self.timeline.now, STAYS_READY, lambda _: late(0, MOST_LATE))
            case Fault.CLOCK_AHEAD:
                self._skews = [timedelta(hours=1)] * 2
            case Fault.CLOCK_BEHIND:
                self._skews = [-timedelta(hours=1)] * 2

    def _pause(self, *, leap: bool) -> None:
        """Stand still for longer than the lease lasts, while others do what is due; with `leap`, also what is due later."""
        self.timeline.pass_by(LEASE + timedelta(seconds=5))
        self._others(4, leap=leap)

    def _others(self, runs: int, *, leap: bool) -> None:
        """Let other runs go on while this one stands still, for longer than its deadline or not."""
        self._depth += 1
        try:
            for _ in range(runs):
                outcome = self._run()
                if leap:
                    self._leap(outcome)
        finally:
            self._depth -= 1

    def _steal(self) -> None:
        path = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/rotation-key"
        now = self.timeline.now.isoformat().replace("+00:00", "Z")
        spec = {"holderIdentity": "somebody-else", "renewTime": now, "leaseDurationSeconds": 30}
        self.environment.ask("PATCH", path, {"spec": spec})

    def _performed(self, call: Call, body: bytes, perform: Perform) -> Answer:
        ring, answer = self._ring, perform()
        if answer.status < 300 and call.writes and call.system == "vault":
            self._sniff(call, body)
        self._observe()
        self._wrote[self._depth] += self._ring != ring
        return answer

    # --- watching -------------------------------------------------------------------------------------------

    def _sniff(self, call: Call, body: bytes) -> None:
        """Note what was written to Vault: the ring, or what a consumer reads there."""
        if call.path == f"/v1/rotator/data/{self._name}":
            self._see_ring(json.loads(body)["data"])
        if call.path == f"/v1/secret/data/{self._name}/key":
            data = json.loads(body)["data"]
            if int(data["revision"]) < self._revisions.get("vault", 0):
                self._violate("I5: the revision of the Vault path went backwards")
            self._revisions["vault"] = int(data["revision"])
            self._delivered_to_vault(data)

    def _see_ring(self, fields: Mapping[str, str]) -> None:
        ring, material = json.loads(fields["ring"]), json.loads(fields["material"])
        if self._ring and ring["revision"] < self._ring["revision"]:
            self._violate("the ring's revision went backwards")
        states = [v["state"] for v in ring["versions"]]
        live = [s for s in states if s != "Destroyed"]
        if len(live) > 3 or states.count("Active") > 1:
            self._violate(f"I3: {states}")
        activated = any(v.get("activated_at") for v in ring["versions"])
        if activated and states.count("Active") != 1:
            self._violate(f"I3: no active version in {states}")
        for version in ring["versions"]:
            if version["state"] == "Destroyed" and version["id"] in material:
                self._violate("I8: the material of a destroyed version is in the store")
            self._look_at_version(version, material)
        self._known |= {v["id"] for v in ring["versions"]}
        self._ring = ring

    def _look_at_ring(self) -> None:
        if self._scenario.store == "kubernetes" and (ring := self.environment.secret(RING_SECRET)):
            fields = {k: base64.b64decode(v).decode() for k, v in ring["data"].items()}
            if not self._ring or json.loads(fields["ring"]) != self._ring:
                self._see_ring(fields)

    def _fenced(self, documents: Mapping[str, Any]) -> None:
        for name, document in documents.items():
            annotations = ((document or {}).get("metadata") or {}).get("annotations") or {}
            revision = int(annotations.get("rotator.dev/revision", 0))
            if revision < self._revisions.get(name, 0):
                self._violate(f"I5: the revision of {name} went backwards")
            self._revisions[name] = revision

    def _no_leak(self, outcome: Outcome) -> None:
        text = repr(outcome)
        if any(secret in text for secret in self._secrets()):
            self._violate("I8: an outcome holds key material")

    def _violate(self, what: str) -> None:
        self._verdict.violations.append(f"{self.timeline.now}: {what}")

    # --- the end --------------------------------------------------------------------------------------------

    def _over(self) -> bool:
        versions = {v["number"]: v for v in (self._ring or {}).get("versions", [])}
        first, current = versions.get(1, {}), versions.get(max(versions, default=0), {})
        return (
            first.get("state") == "Destroyed"
            and current.get("state") == "Active"
            and "converged_at" in current
        )

    def _restarts(self) -> None:
        """Nothing was restarted twice for one version."""
        restarts = self.environment.deployment()["metadata"]["generation"] - 1
        activations = max(v["number"] for v in self._ring["versions"])
        if restarts != activations:
            self._violate(f"the Deployment was restarted {restarts} times for {activations} activations")

    def _history(self, path: str, secret: str) -> None:
        """I8: the destroyed version cannot be read back from any KV version."""
        current = self._bao.server.call("GET", path)["data"]["metadata"]["version"]
        for number in range(1, current + 1):
            try:
                found = self._bao.server.call("GET", f"{path}?version={number}")
            except RuntimeError:
                continue
            if secret in json.dumps(found):
                self._violate(f"I8: version {number} of {path} still holds the destroyed material")
