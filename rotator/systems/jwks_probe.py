"""The JWK Set as a verifier would fetch it: it must show the new key, several times in a row.

Several, because what answers is often several replicas or a cache (istio/istio#51581), each on its own clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from rotator.core.machine import Sighting
from rotator.core.timing import format_duration
from rotator.errors import ClientError
from rotator.ports import Clock, Gate
from rotator.systems.freshness import age, lifetime
from rotator.systems.gate import GateAt, GateKind
from rotator.vocabulary.checks import Check, when
from rotator.vocabulary.types import URL, JobFile

if TYPE_CHECKING:
    from rotator.clients.http import Fetched, Http


def _probed(policy: Any, *which: str) -> bool:
    gates = policy.spec.gates
    return any(isinstance(gate.one, JwksProbe) for name in which for gate in getattr(gates, name))


class JwksProbe(GateKind):
    """Fetch the JWK Set as a verifier would; it must show the new key several times in a row."""

    declared_as: ClassVar[str] = "jwks_probe"
    reads_public_keys: ClassVar[bool] = True
    checks: ClassVar[tuple[Check, ...]] = (
        Check(
            "NoProof",
            "jwksProbe shows that a key is there; expected prometheus",
            when(lambda policy: _probed(policy, "before_destroy"), "gates", "beforeDestroy"),
            "!has(self.beforeDestroy) || self.beforeDestroy.all(g, !has(g.jwksProbe))",
            field=".beforeDestroy",
            of="Gates",
        ),
    )

    url: str = Field(pattern=URL, description="Where verifiers fetch the JWK Set.")
    times: int = Field(3, ge=1, le=100, description="How many times in a row.")
    ca_file: JobFile | None = Field(
        None, description="A PEM bundle to verify the server with; default: the system's."
    )

    def build(self, at: GateAt) -> Gate:
        """Return what fetches it."""
        return Probe(at.http(self.ca_file), self.url, self.times, at.lead, at.clock)


@dataclass(frozen=True)
class Probe:
    """Fetches `url` `times` times; `lead` is what the policy computed with."""

    http: Http
    url: str
    times: int
    lead: timedelta
    clock: Clock

    @property
    def name(self) -> str:
        """`jwksProbe URL`."""
        return f"jwksProbe {self.url}"

    def check(self, version_id: str) -> Sighting:
        """Open if each of `times` answers shows `version_id`, and none may be cached for longer than the lead."""
        for attempt in range(1, self.times + 1):
            try:
                fetched = self.http.get(self.url)
            except ClientError as error:
                return Sighting(name=self.name, confirmed=False, waiting=str(error))
            if version_id not in _key_ids(fetched.document):
                waiting = f"answer {attempt} of {self.times} does not show {version_id}"
                return Sighting(name=self.name, confirmed=False, waiting=waiting)
            if failed := self._cached_too_long(fetched):
                return Sighting(name=self.name, confirmed=False, failed=failed)
        return Sighting(name=self.name, confirmed=True)

    def _cached_too_long(self, fetched: Fetched) -> str:
        """Compare with the lead how long a verifier, and a cache on the way, may go on with an answer (RFC 9111)."""
        longest = lifetime(fetched.headers, self.clock.now())
        if longest > self.lead:
            return (
                f"it is served with a cache lifetime of {format_duration(longest)}, the lead is only "
                f"{format_duration(self.lead)}: raise maxAge of the jwks verifier, or lower the header"
            )
        kept = age(fetched.headers)
        if kept > self.lead:
            return (
                f"a cache on the way has kept it for {format_duration(kept)} (Age), the lead is only "
                f"{format_duration(self.lead)}: raise maxAge of the jwks verifier, or lower what that cache keeps"
            )
        return ""


def _key_ids(document: Any) -> set[str]:
    keys = document.get("keys") if isinstance(document, dict) else None
    return {str(k.get("kid")) for k in keys if isinstance(k, dict)} if isinstance(keys, list) else set()
