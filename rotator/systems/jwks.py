"""A JWK Set (RFC 7517, section 5): all accepted keys, for everybody who fetches or mounts it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import Field

from rotator.core.sensitive import Sensitive
from rotator.credentials.jwt_signing_key import SIGNING_KEY
from rotator.credentials.oauth_client import CLIENT_KEY
from rotator.credentials.shared_secret import HAS_ALGORITHM, SHARED, SharedSecret
from rotator.ports import Credential, Render, Rendered, Want
from rotator.systems.document import Document
from rotator.vocabulary.checks import Check, all_verifiers, each
from rotator.vocabulary.types import DataKey


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
    )

    key: DataKey = Field("jwks.json", description="The data key that holds the document.")

    def render(self, credential: Credential) -> Render:
        """Return what writes the set."""
        return JwkSet(credential, self.key)


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
