"""A JWK Set (RFC 7517, section 5): all accepted keys, for everybody who fetches or mounts it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from pydantic import Field, model_validator

from rotator.core.codec import parse_instant
from rotator.core.sensitive import Sensitive
from rotator.credentials.jwt_signing_key import SIGNING_KEY
from rotator.credentials.oauth_client import CLIENT_KEY
from rotator.credentials.shared_secret import HAS_ALGORITHM, SHARED, SharedSecret
from rotator.ports import Clock, Credential, Render, Rendered, Want
from rotator.systems.document import Delivered, Document
from rotator.systems.part import Shareable
from rotator.systems.served import AGE_NEEDED, Served
from rotator.systems.shared_set import SharedJwkSet
from rotator.vocabulary.checks import Check, all_verifiers, each
from rotator.vocabulary.footprint import Endpoint, Home, Touch, Use
from rotator.vocabulary.types import DataKey, Instant, Kid, Rule

_RESTARTED_BY_SEVERAL = (
    "restart: several rotations would restart the readers of a shared set, each for its own keys; expected readers that fetch it "
    "again (maxAge)"
)
_ALONE = "keep: a set that is not shared has no keys of others; expected shared: true as well"


KEY = "jwks.json"
"""The usual data key."""


class JwksPlace(Document):
    """A JWK Set (RFC 7517)."""

    declared_as: ClassVar[str] = "jwks"
    suits: ClassVar[tuple[str, ...]] = (SIGNING_KEY, SHARED, CLIENT_KEY)
    checks: ClassVar[tuple[Check, ...]] = (
        Check(
            "NoJwk",
            "an opaque secret is no JWK; expected acceptedList",
            each("verifiers", lambda policy, v: isinstance(v.one, JwksPlace) and _is_opaque(policy)),
            f"!has(self.credential.sharedSecret) || {HAS_ALGORITHM} || {all_verifiers('!has(v.jwks)')}",
            field=".verifiers",
        ),
        Check(
            "SharedRestart",
            _RESTARTED_BY_SEVERAL,
            each(
                "verifiers",
                lambda _, v: isinstance(v.one, JwksPlace) and v.one.shared and v.restart,
                "restart",
            ),
            all_verifiers("!has(v.restart) || !has(v.jwks) || !has(v.jwks.shared) || !v.jwks.shared"),
            field=".verifiers",
        ),
        Check(
            "ServedSecret",
            "a shared secret is for its holders alone; expected no served",
            each("verifiers", lambda policy, v: _is_served(v) and _is_shared(policy), "jwks", "served"),
            f"!has(self.credential.sharedSecret) || {all_verifiers('!(has(v.jwks) && has(v.jwks.served))')}",
            field=".verifiers",
        ),
    )
    served: Served | None = Field(
        None, description="rotator itself answers with this set over HTTP. Requires maxAge."
    )
    key: DataKey = Field(KEY, description="The data key that holds the document.")
    shared: bool | None = Field(
        None,
        description="Whether other rotations, or others, have keys in the set as well. Each rotation writes and removes its own keys "
        "only; the keys of others stay as they are written.",
    )
    keep: dict[Kid, Instant] | None = Field(
        None,
        min_length=1,
        max_length=16,
        description="In a shared set: until when a key of others stays, by its kid; then rotator removes it. For keys that were in "
        "use before the one that is taken over. A key that is not named here stays for ever.",
    )

    rules = (
        Rule("!has(self.keep) || (has(self.shared) && self.shared)", _ALONE),
        Rule("!has(self.served) || has(self.maxAge)", AGE_NEEDED),
    )

    @model_validator(mode="after")
    def _keeps_in_a_shared_set(self) -> Self:
        if self.keep and not self.shared:
            raise ValueError(_ALONE)
        return self

    @classmethod
    def extras(cls) -> tuple[str, ...]:
        """Return the optional fields that are no alternatives."""
        return (*super().extras(), "shared", "keep", "served")

    @property
    def is_shared(self) -> bool:
        """Whether other rotations deliver to the set too."""
        return bool(self.shared)

    def part(self, document: Shareable, credential: Credential, clock: Clock) -> Delivered:
        """Return the rotation's part of the set."""
        if not self.shared:
            return super().part(document, credential, clock)
        keep = {kid: parse_instant(until) for kid, until in (self.keep or {}).items()}
        shared = SharedJwkSet(document, credential, self.key, clock, keep)
        return shared, shared, shared.beside

    @property
    def serving(self) -> Served | None:
        """How `rotator serve` answers with the set."""
        return self.served

    def touches(self, home: Home) -> Iterator[Touch]:
        """It is delivered, and perhaps served."""
        yield from super().touches(home)
        if self.served:
            yield from self.served.touched(self.set_name(home), home, self.camel(), "served")
        elif self.shared:
            yield Touch(Endpoint("", self.set_name(home)), Use.ANSWERED, (self.camel(),))

    def set_name(self, home: Home) -> str:
        """Name the set: its document, and the data key where it is not the usual one."""
        label = self.place(home).label
        return label if self.key == KEY else f"{label} {self.key}"

    @model_validator(mode="after")
    def _has_an_age(self) -> Self:
        if self.served and self.max_age is None:
            raise ValueError(AGE_NEEDED)
        return self

    def render(self, credential: Credential) -> Render:
        """Return what writes the set."""
        return JwkSet(credential, self.key)


def _is_served(verifier: Any) -> bool:
    return isinstance(verifier.one, JwksPlace) and verifier.one.served is not None


def _is_shared(policy: Any) -> bool:
    return isinstance(policy.spec.credential.one, SharedSecret)


def _is_opaque(policy: Any) -> bool:
    credential = policy.spec.credential.one
    return isinstance(credential, SharedSecret) and not credential.algorithm


@dataclass(frozen=True)
class JwkSet:
    """Renders the accepted list as `{"keys": [...]}` under one data key.

    Oldest first: a verifier that knows no `kid` and takes the first key goes on with the key it has.
    """

    credential: Credential
    key: str

    @property
    def names(self) -> tuple[str, ...]:
        """The fields of the target that are ours."""
        return (self.key,)

    def __call__(self, want: Want) -> Rendered:
        """Return the document."""
        keys = [self.credential.accepted(c.id, c.material) for c in want.copies]
        return Rendered({self.key: Sensitive(json.dumps({"keys": keys}, indent=1))})
