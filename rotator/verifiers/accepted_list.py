"""The accepted list of a shared secret: every value that is to be accepted now, for services that try each."""

from __future__ import annotations

import json
from dataclasses import dataclass

from rotator.core.sensitive import Sensitive
from rotator.ports import Credential, Rendered, Want


@dataclass(frozen=True)
class AcceptedList:
    """Renders the list under one data key: a JSON array of objects, or the bare values, one a line."""

    credential: Credential
    key: str
    lines: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The fields of the target that are ours."""
        return (self.key,)

    def __call__(self, want: Want) -> Rendered:
        """Return the document, oldest version first."""
        if self.lines:
            values = [self.credential.fields(c.id, c.material)["value"].reveal() for c in want.copies]
            return Rendered({self.key: Sensitive("".join(f"{v}\n" for v in values))})
        accepted = [self.credential.accepted(c.id, c.material) for c in want.copies]
        return Rendered({self.key: Sensitive(json.dumps(accepted, indent=1))})
