"""The life of a credential at a provider, and its deletion: the provider is changed by calls, the traffic is logins."""

from __future__ import annotations

import base64
import itertools
import json
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any

from rotator.engine.outcome import Outcome, Result
from rotator.policy.model import RotationPolicy
from rotator.policy.vault_access import grants, hcl
from tests.faults.environment import NAMESPACE, OTHER, Bao, Environment, Scenario
from tests.faults.kinds_of_faults import Fault
from tests.faults.life import LEASE, PICK_UP, TTL, Life, Verdict
from tests.faults.logins import Logins
from tests.faults.timeline import START, Timeline
from tests.faults.transport import Answer, Call, Perform
from tests.faults.vendor import OUTAGE, Vendor
from tests.faults.vendors import VENDORS

MOST_TO_SETTLE = 5
"""So many more runs, an hour apart, may clear up what faults have left."""
MOST_TO_DELETE = 40
PATIENCE = 3
"""So many frozen runs that name what somebody else made, and a person takes it away."""
MOST_SILENT = 25
"""So many frozen runs in a row may say nothing of it: what was just made may be missing for ten minutes."""
UNFENCED = frozenset({Fault.LATE, Fault.PAUSED, Fault.OTHER_RUN, Fault.SLOWLY})
"""What may bring a second secret for nobody: a call that comes late, or one of a run before that is not shown yet."""
A_LIMIT = timedelta(minutes=1)
SKEWED = timedelta(minutes=1)
"""How far the clock of a run may be off that records when it began."""


class ProviderLife(Life):
    """A life with holders who log in."""

    def __init__(self, bao: Bao, scenario: Scenario, faults: Mapping[int, Fault], name: str) -> None:
        environment = Environment(Timeline(), reads=VENDORS[scenario.kind].fields)
        draw = random.Random(f"{name} provider")  # noqa: S311 - a schedule, not a secret
        self.vendor: Vendor = VENDORS[scenario.kind](environment, draw)
        self.vendor.begin(bao, name.replace("/", "-"))
        self._vault_holder: str | None = None
        self._values: dict[str, list[str]] = {}
        """The values that each version has had, by its id."""
        self._private: set[str] = set()
        self._handed: dict[str, Mapping[str, str]] = {}
        """What holders were handed, by its value."""
        self._converged: set[str] = set()
        self._lost: set[str] = set()
        """Those among the values that somebody else ended which were in use then: who holds one is refused rightly."""
        self._limited_until = environment.timeline.now
        self._frozen = self._named = 0
        self._tampered = False
        self._asks = Call("", "", "")
        self._cures = 0
        self._to_settle = 0
        self._deleted = False
        self._renewed: dict[int, datetime] = {}
        """When the run last renewed its lease, by its depth in others."""
        self._looked: dict[int, datetime] = {}
        """When it last asked the provider, likewise."""
        super().__init__(bao, scenario, faults, name, environment)
        if scenario.store == "vault" or self.vendor.in_vault:
            self._bao = self._allowed()
        self.logins = Logins(
            timeline=self.timeline,
            pick_up=PICK_UP,
            pods=lambda: [json.dumps(fields) for fields in self.environment.started()],
            accepted=lambda held: self.vendor.accepted(json.loads(held)),
            excused=self._excused,
        )

    def _allowed(self) -> Bao:
        """Return a role in Vault with exactly the policy that is printed for this declaration, its deletion included."""
        policy = hcl(grants([self._policy], deletion=True))
        role, secret = self._bao.server.app_role(self._name.replace("/", "-"), policy=policy)
        return replace(self._bao, role=role, secret=secret)

    def _declaration(self) -> RotationPolicy:
        """Holders are a Secret with pods that read it at their start, and a Vault path or a Secret that is read again."""
        vendor, vault = self.vendor, self._scenario.store == "vault"
        mapping = {name: name for name in vendor.fields}
        second: dict[str, Any] = (
            {"vault": {"mount": "secret", "path": f"{self._name}/key"}}
            if vault
            else {"secret": {"name": "key", "namespaces": [OTHER], "data": mapping}}
        )
        restart = {"workloads": "auto", "timeout": "30m", "soak": "5s"}
        spec = {
            "credential": vendor.credential(),
            "every": "8h",
            "overlap": {"tokenTTL": "15m", "clockSkew": "60s"},
            "store": {"vault": {"mount": "rotator", "path": self._name}} if vault else {"kubernetes": {}},
            "verifiers": [vendor.verifier()],
            "holders": [
                {"secret": {"name": "key", "data": mapping}, "restart": restart},
                {**second, "pickUp": "5m"},
            ],
            "deletionPolicy": "Delete",
            **vendor.besides(),
        }
        return RotationPolicy.model_validate(
            {
                "apiVersion": "rotator.dev/v1alpha1",
                "kind": "Rotation",
                "metadata": {"name": "key", "namespace": NAMESPACE},
                "spec": spec,
            }
        )

    # --- living -----------------------------------------------------------------------------------------------

    def live(self) -> Verdict:
        """Live it, delete it, and return what came of it."""
        verdict = super().live()
        if verdict.converged and not verdict.violations and not self.logins.refused:
            self.logins.stopped = self._leaving = True
            verdict.converged = self._until(lambda: self._deleted, MOST_TO_DELETE)
            self._after_deletion()
        verdict.violations += self.logins.refused
        verdict.figures = self._figures()
        return verdict

    def _ran(self, outcome: Outcome | None) -> None:
        """Do what the message of a frozen rotation asks for; let what is over settle."""
        self._to_settle += super()._over()
        if outcome is None:
            return
        self._deleted = outcome.result is Result.DELETED
        hurt = self.vendor.theirs or self.vendor.undo or (self.vendor.blind and self._looks_foreign)
        if outcome.result is not Result.FROZEN or not hurt:
            self._frozen = self._named = 0
            return
        self._frozen += 1
        self._named += self.vendor.is_named_in(outcome.reason)
        if self._frozen >= MOST_SILENT and not self._named:
            self._violate(f"I9: frozen, and it does not say because of what: {outcome.reason}")
        if self._named >= PATIENCE:
            self._cure(outcome.reason)

    @property
    def _looks_foreign(self) -> bool:
        """Whether a provider that does not show who changed it was changed by others, or by a call of ours that came late."""
        return bool(self.vendor.foreign) or not UNFENCED.isdisjoint(self.faults.values())

    def _cure(self, reason: str) -> None:
        """Do what a person would whom the message of a frozen rotation asked to."""
        if not self.vendor.cured and not self.vendor.undo:
            self._violate(f"it is frozen beside what was to be left alone: {reason}")
        self._frozen = self._named = 0
        self._cures += 1
        self.vendor.cure()
        self._policy = self._declaration()

    def _leap(self, outcome: Outcome | None) -> None:
        if super()._over() and not self._leaving:
            self.environment.step()
            self._let_pass(timedelta(minutes=61))
        else:
            super()._leap(outcome)

    def _over(self) -> bool:
        settled = self._orphans() == 0 and not self._missing()
        return super()._over() and (settled or self._to_settle >= MOST_TO_SETTLE)

    def _figures(self) -> dict[str, int]:
        return {"logins": self.logins.tried, "cures": self._cures, "orphans": self._orphans()}

    # --- between the product and the outside ------------------------------------------------------------------

    def _connections(self) -> Mapping[str, Any]:
        return self.vendor.connections(self._middle)

    def _middle(self, call: Call, body: bytes, perform: Perform) -> Answer:
        if any(secret in call.path for secret in self._private):
            self._violate(f"I8: the address of {call.method} {call.path} holds a secret")
        self._guarded(call)
        return super()._middle(call, body, perform)

    def _refusal(self, fault: Fault, call: Call) -> Answer:
        if fault is Fault.THROTTLED and call.at_provider:
            return self.vendor.limited()
        return super()._refusal(fault, call)

    def _before(self, fault: Fault | None, perform: Perform) -> None:
        match fault:
            case Fault.LIMITED:
                self._limited_until = self.timeline.now + A_LIMIT
            case Fault.SLOWLY:
                self.vendor.slow_down()
            case Fault.ANOTHERS:
                self._tamper(self.vendor.add_theirs)
            case Fault.TAKEN:
                self._tamper(self.vendor.take_newest)
            case Fault.EXCHANGED:
                self._tamper(self.vendor.exchange)
        vendor = self.vendor
        unseen = (vendor.blind and self._asks.changes) or (vendor.nameless and not self._has_begun)
        if fault in {Fault.ANOTHERS, Fault.EXCHANGED} and unseen:
            self.vendor.forgive()
        if fault is Fault.PAUSED and self._asks.changes and not vendor.overlaps:
            self._pause(leap=False)  # hours later it would end what is in use by then: docs/limits.md
            return
        super()._before(fault, perform)

    def _tamper(self, do: Callable[[], object]) -> None:
        """Let somebody else do something."""
        self._tampered = True
        before = set(self.vendor.ended)
        do()
        self._lost |= (self.vendor.ended - before) & self._activated()

    @property
    def _has_begun(self) -> bool:
        return any("published_at" in v for v in (self._ring or {}).get("versions", ()))

    def _performed(self, call: Call, body: bytes, perform: Perform) -> Answer:
        if call.at_provider and self.timeline.now < self._limited_until:
            return self.vendor.limited()

        def performed() -> Answer:
            answer = perform()
            self.vendor.changed(call)
            return answer

        answer = super()._performed(call, body, performed)
        if call.renews and answer.status < 300:
            self._renewed[self._depth] = self.timeline.now
        return answer

    def _guarded(self, call: Call) -> None:
        """I5: a provider has no fence, so no run changes it whose lease was over when it looked, or whose clock is wrong.

        A run may stand still between its look and its change, and while it reads its own way in: nobody can prevent that.
        """
        again, self._asks = call == self._asks, call
        if not call.at_provider:
            return
        looked, self._looked[self._depth] = self._looked.get(self._depth, START), self.timeline.now
        if again or not call.changes:
            return
        since = looked - self._renewed.get(self._depth, START)
        if since > LEASE:
            self._violate(f"I5: {call.method} {call.path}, looked at {since} after the lease was renewed")
        if self._wrong_clock[self._depth]:
            self._violate(f"I5: {call.method} {call.path} by a run with a wrong clock")

    # --- watching ---------------------------------------------------------------------------------------------

    def _secrets(self) -> set[str]:
        return self._private

    def _delivered_to_vault(self, data: Mapping[str, str]) -> None:
        self._vault_holder = json.dumps({name: data[name] for name in self.vendor.fields if name in data})

    def _look_at_version(self, version: Mapping[str, Any], material: Mapping[str, Mapping[str, str]]) -> None:
        """What leaves the store was proven dead before; and what was proven dead is dead."""
        name = version["id"]
        if name in material:
            self._private |= set(self.vendor.secrets(material[name]))
            values = self._values.setdefault(name, [])
            if (value := self.vendor.value(material[name])) and value not in values:
                values.append(value)
                self.vendor.known.add(value)
        elif name in self._values and "proven_at" not in version:
            self._violate(f"the material of {name} left the store, and {name} is not proven dead")
        if "converged_at" in version and name not in self._converged:
            self._converged.add(name)
            self._have_switched(name)
        began = datetime.fromisoformat(version["staged_at"])
        if not self.vendor.overlaps and version["number"] > 1 and not _is_open(began):
            self._violate(
                f"{name} was begun at {began}, outside of the window in which an outage is accepted"
            )
        if "proven_at" in version and set(self._values.get(name, ())) & set(self.vendor.valid()):
            self._violate(f"{name} counts as proven dead, and is accepted")

    def _have_switched(self, name: str) -> None:
        """I2: once a version counts as converged, nobody holds another one."""
        for held in self.logins.holders(PICK_UP - 2 * SKEWED):
            if self.vendor.value(json.loads(held)) not in self._values[name]:
                self._violate(f"I2: {name} counts as converged, and somebody holds {self._name_of(held)}")

    def _see_ring(self, fields: Mapping[str, str]) -> None:
        """I2: nothing is withdrawn before the overlap has passed since all holders have switched."""
        super()._see_ring(fields)
        for old, new in itertools.pairwise(self._ring["versions"]):
            if "withdrawn_at" in old and "withdrawn_at" not in new:
                since = new.get("converged_at", "9999-01-01T00:00:00Z")
                passed = datetime.fromisoformat(old["withdrawn_at"]) - datetime.fromisoformat(since)
                if passed < TTL - 2 * SKEWED:
                    self._violate(f"I2: {old['id']} was withdrawn {passed} after all holders have switched")

    def _observe(self) -> None:
        self._look_at_ring()
        first, second = self.environment.secret("key"), self.environment.secret("key", OTHER)
        held = [self._held(first), self._held(second) or self._vault_holder]
        documents = {"key": first, "other": second}
        self._fenced({name: d for name, d in documents.items() if d or not self._leaving})
        self.logins.held.note(self.timeline.now, held[1])
        self.vendor.ended -= {v for v in self.vendor.valid() if self._handed_and_accepted(v)}
        self._lost &= self.vendor.ended
        if not self._leaving:
            self._recorded(held)
            self._widest()
        if not self.vendor.intact():
            self._violate("what somebody else made was touched")
            self.vendor.theirs.clear()
        self.logins.pulse(self._name_of)

    def _handed_and_accepted(self, value: str) -> bool:
        return value in self.vendor.ended and (
            value not in self._handed or self.vendor.accepted(self._handed[value])
        )

    def _excused(self, held: str) -> bool:
        """Whether somebody else has ended what is held; or whether that is the outage that was declared."""
        value = self.vendor.value(json.loads(held))
        newest = self._values[self._ring["versions"][-1]["id"]][-1:]
        return value in self._lost or (not self.vendor.overlaps and value not in newest)

    def _held(self, document: Any) -> str | None:
        data = (document or {}).get("data") or {}
        fields = {n: base64.b64decode(data[n]).decode() for n in self.vendor.fields if n in data}
        return json.dumps(fields) if fields else None

    def _name_of(self, held: str) -> str:
        value = self.vendor.value(json.loads(held))
        return next((name for name, values in self._values.items() if value in values), "one unknown")

    def _recorded(self, held: list[str | None]) -> None:
        """I4, I1: what holders have is recorded in the ring, and was recorded to be active."""
        active = self._activated()
        for fields in (json.loads(h) for h in held if h):
            value = self.vendor.value(fields)
            self._handed[value] = fields
            if value not in active:
                self._violate(
                    f"I1: a holder was handed {self._name_of(json.dumps(fields))}, which is not active"
                )

    def _activated(self) -> set[str]:
        versions = (self._ring or {}).get("versions", [])
        return {value for v in versions if "activated_at" in v for value in self._values.get(v["id"], ())}

    def _widest(self) -> None:
        """I2, I9: what was published is accepted until it is withdrawn, unless somebody else ended it."""
        valid = set(self.vendor.valid())
        for version in (self._ring or {}).get("versions", []):
            lives = "published_at" in version and "withdrawn_at" not in version
            values = self._values.get(version["id"], [])[-1:]
            if lives and self.vendor.overlaps and set(values) - valid - self.vendor.ended:
                self._violate(f"I2: {version['id']} is published and not withdrawn, and is not accepted")

    # --- the end ----------------------------------------------------------------------------------------------

    def _expected(self) -> Counter[str]:
        versions = (self._ring or {}).get("versions", [])
        lives = [v["id"] for v in versions if "published_at" in v and "withdrawn_at" not in v]
        return Counter(self._values[name][-1] for name in lives)

    def _missing(self) -> Counter[str]:
        """Return what the ring accepts and the provider does not: somebody may have taken it after the last look."""
        return self._expected() - Counter(self.vendor.valid())

    def _orphans(self) -> int:
        """Count what is there, was not made by somebody else, and is not what the ring accepts."""
        if self._leaving:
            return sum(value in self._known_values for value in self.vendor.ours())
        return (Counter(self.vendor.ours()) - self._expected()).total()

    @property
    def _known_values(self) -> set[str]:
        return {value for values in self._values.values() for value in values}

    def _afterwards(self) -> None:
        """The ring and the provider say the same, what is destroyed is dead, nothing was restarted twice."""
        self._let_pass(timedelta(minutes=2))
        orphans, most = self._orphans(), len(self.faults) if self.vendor.unfindable else 0
        if orphans > most:
            self._violate(
                f"{orphans} secrets are left that no version in the ring has, expected {most} at the most"
            )
        if missing := self._missing():
            self._violate(f"{missing.total()} accepted versions are not accepted")
        ended = self._known_values - set(self._expected())
        for value in ended & self._handed.keys():
            if self.vendor.accepted(self._handed[value]):
                self._violate("a destroyed version is still accepted")
        if self._scenario.store == "vault":
            for value in ended:
                self._history(f"rotator/data/{self._name}", value)
                self._history(f"secret/data/{self._name}/key", value)
        if not self._tampered:
            self._restarts()

    def _after_deletion(self) -> None:
        """Nothing that was ours is accepted, and nothing of others was touched."""
        if set(self.vendor.valid()) & self._known_values:
            self._violate("a version is accepted after the deletion")
        left = len(self.vendor.ours())
        late = sum(fault in UNFENCED for fault in self.faults.values()) if self.vendor.refuge else 0
        most = self.vendor.refuge + late + (len(self.faults) if self.vendor.unfindable else 0)
        if left > most:
            self._violate(f"{left} secrets are left after the deletion, expected {most} at the most")
        if any(self.environment.secret("key", namespace) for namespace in (NAMESPACE, OTHER)):
            self._violate("a holder's Secret is left after the deletion")


def _is_open(at: datetime) -> bool:
    opens = datetime.combine(at.date(), time.fromisoformat(OUTAGE["start"]), UTC)
    return opens - SKEWED <= at <= opens + timedelta(hours=2) + SKEWED
