"""Istio, told each key: the `jwks` of one issuer's rule in a RequestAuthentication.

https://istio.io/latest/docs/reference/config/security/jwt/. istiod pushes a change after at most 10 s (`PILOT_DEBOUNCE_MAX`), and a proxy
drains the connections that were open with the old rule for 45 s (`drainDuration`,
https://istio.io/latest/docs/reference/config/istio.mesh.v1alpha1/): until then an open connection may still refuse the new key, and accept
the old one. A proxy that refuses a set keeps the one before, so the API server's answer alone shows nothing: declare `gateway` as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import ClassVar

from pydantic import Field

from rotator.credentials.jwt_signing_key import SIGNING_KEY
from rotator.kinds import REQUEST_AUTHENTICATION, Address
from rotator.systems.verifier import VerifierKind, milliseconds, needed
from rotator.vocabulary.footprint import Home, Touch, Use
from rotator.vocabulary.types import Duration, Name, Namespace, Words

PUSHED = timedelta(seconds=60)
"""istiod's longest pause, the drain of proxies, and five seconds for the push."""


class Istio(VerifierKind):
    """The JWK Set of one issuer in a RequestAuthentication of Istio. All else of the object stays as it is."""

    declared_as: ClassVar[str] = "istio"
    suits: ClassVar[tuple[str, ...]] = (SIGNING_KEY,)
    for_one: ClassVar[bool] = False
    waits_at_first: ClassVar[bool] = True

    request_authentication: Name = Field(description="The RequestAuthentication.")
    namespace: Namespace | None = Field(None, description="Its namespace. Default: the rotation's own.")
    issuer: Words = Field(
        description="The issuer of the rule whose jwks is written. The rule has to be there."
    )
    propagation: Duration | None = Field(
        None,
        description="From a change until all connections are checked with it: the mesh's drainDuration and 15s. Default: 60s.",
    )

    def address(self, home: Home) -> Address:
        """Return where the object is."""
        return Address(REQUEST_AUTHENTICATION, self.namespace or home.namespace, self.request_authentication)

    def titles(self, home: Home) -> tuple[str, ...]:
        """Return what it is called: `requestauthentication payments/api`."""
        return (self.address(home).label,)

    def cache(self, *, restarted: bool) -> timedelta:
        """Nothing is cached: it is pushed."""
        del restarted
        return timedelta()

    @property
    def travel(self) -> timedelta:
        """The propagation that counts."""
        return PUSHED if self.propagation is None else self.propagation

    @classmethod
    def stale(cls) -> str:
        """Return, in CEL, the milliseconds until all connections are checked with what it was told."""
        return f"(has(v.istio.propagation) ? {needed('v.istio.propagation')} : {milliseconds(PUSHED)})"

    def touches(self, home: Home) -> Iterator[Touch]:
        """Its rule is written; the object is never made, and never deleted."""
        yield Touch(self.address(home), Use.EDITED, (self.camel(), "requestAuthentication"))
