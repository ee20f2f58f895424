"""Kong with its Ingress Controller: one credential of the `jwt` plugin for each version, which a KongConsumer lists.

https://developer.konghq.com/plugins/jwt/ and https://developer.konghq.com/kubernetes-ingress-controller/reference/custom-resources/.
The plugin has to find a credential by the token's `kid`: `key_claim_name: kid`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, ClassVar, Literal

from pydantic import Field

from rotator.credentials.jwt_signing_key import SIGNING_KEY
from rotator.kinds import KONG_CONSUMER, SECRET, Address
from rotator.systems.verifier import VerifierKind, milliseconds, needed
from rotator.vocabulary.checks import Check, each, when
from rotator.vocabulary.footprint import Home, Touch, Use
from rotator.vocabulary.types import Duration, Name, Namespace

SYNCED = timedelta(seconds=30)
"""The controller looks every 3 seconds, and applies within a few more; the rest is room for a busy one."""
SLOTS = 3
"""Credentials of one rotation: no more versions live at a time."""
ALWAYS = ("RS256", "RS384", "RS512", "ES256", "ES384")
"""What every Kong verifies (https://developer.konghq.com/plugins/jwt/changelog/)."""
_TOO_NEW = 'Kong verifies ES512, PS and EdDSA signatures from 3.7 on; expected oldest: "3.7", or RS256, RS384, RS512, ES256 or ES384'
_IN_USE = (
    "a credential of the key in use is there already, and a second one with the same key would remove the whole consumer from Kong; expected "
    "no takeOver: rotator makes a new key beside it"
)


class Kong(VerifierKind):
    """A KongConsumer, which gets a credential for each version. Other credentials of the consumer stay as they are."""

    declared_as: ClassVar[str] = "kong"
    suits: ClassVar[tuple[str, ...]] = (SIGNING_KEY,)
    for_one: ClassVar[bool] = False
    waits_at_first: ClassVar[bool] = True
    checks: ClassVar[tuple[Check, ...]] = (
        Check(
            "KongAlgorithm",
            _TOO_NEW,
            each(
                "verifiers", lambda policy, v: _is_kong(v) and not _verified(policy, v.one), "kong", "oldest"
            ),
            "!self.verifiers.exists(v, has(v.kong) && !(has(v.kong.oldest) && v.kong.oldest == '3.7')) || "
            "!has(self.credential.jwtSigningKey) || !has(self.credential.jwtSigningKey.algorithm) || "
            f"self.credential.jwtSigningKey.algorithm in {list(ALWAYS)}",
            field=".verifiers",
        ),
        Check(
            "KongTakeOver",
            _IN_USE,
            when(
                lambda policy: policy.spec.take_over and any(_is_kong(v) for v in policy.spec.verifiers),
                "takeOver",
            ),
            "!has(self.takeOver) || self.verifiers.all(v, !has(v.kong))",
            field=".takeOver",
        ),
    )

    consumer: Name = Field(description="The KongConsumer.")
    namespace: Namespace | None = Field(
        None,
        description="The consumer's namespace, where its credentials are too. Default: the rotation's own.",
    )
    oldest: Literal["2.8", "3.7"] = Field(
        "2.8", description="The oldest version of Kong that runs: 3.7 verifies more algorithms."
    )
    propagation: Duration | None = Field(
        None, description="Until all proxies have what the consumer lists. Default: 30s."
    )

    def address(self, home: Home) -> Address:
        """Return where the consumer is."""
        return Address(KONG_CONSUMER, self.namespace or home.namespace, self.consumer)

    def slots(self, home: Home) -> tuple[Address, ...]:
        """Return where the credentials are: their names are known before there is a version, so a Role can name them."""
        at = self.address(home)
        return tuple(Address(SECRET, at.namespace, f"kong-{home.name}-{slot}") for slot in range(SLOTS))

    def titles(self, home: Home) -> tuple[str, ...]:
        """Return what it is called: `kongconsumer payments/api`."""
        return (self.address(home).label,)

    def cache(self, *, restarted: bool) -> timedelta:
        """Nothing is cached: Kong looks a credential up for each request."""
        del restarted
        return timedelta()

    @property
    def travel(self) -> timedelta:
        """The propagation that counts."""
        return SYNCED if self.propagation is None else self.propagation

    @classmethod
    def stale(cls) -> str:
        """Return, in CEL, the milliseconds until all proxies have what the consumer lists."""
        return f"(has(v.kong.propagation) ? {needed('v.kong.propagation')} : {milliseconds(SYNCED)})"

    def touches(self, home: Home) -> Iterator[Touch]:
        """Its list is changed, and the credentials are made and deleted."""
        yield Touch(self.address(home), Use.EDITED, (self.camel(), "consumer"))
        yield from (Touch(slot, Use.PER_VERSION, (self.camel(), "consumer")) for slot in self.slots(home))


def _is_kong(verifier: Any) -> bool:
    return isinstance(verifier.one, Kong)


def _verified(policy: Any, declared: Kong) -> bool:
    algorithm = getattr(policy.spec.credential.one, "algorithm", None)
    return declared.oldest == "3.7" or algorithm is None or algorithm in ALWAYS
