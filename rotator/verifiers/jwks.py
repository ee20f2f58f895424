"""A JWK Set (RFC 7517, section 5): all accepted keys, for everybody who fetches or mounts it."""

from __future__ import annotations

import json
from dataclasses import dataclass

from rotator.core.sensitive import Sensitive
from rotator.ports import Credential, Rendered, Want


@dataclass(frozen=True)
class Jwks:
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
