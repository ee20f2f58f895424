"""From our fields to the names an application already reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rotator.ports import Credential, Rendered, Want

CARRIERS = {"private_key", "jwk", "value", "client_secret", "password", "secret_id"}
"""The fields of ours that are the credential itself."""
PREVIOUS = "previous."
"""The prefix by which a mapping names a field of the version on its way out: `previous.private_key`."""


@dataclass(frozen=True)
class Mapped:
    """Renders the active version, and where the mapping asks for it the previous one."""

    credential: Credential
    data: Mapping[str, str]
    """Their name -> our field."""

    @property
    def names(self) -> tuple[str, ...]:
        """The fields of the target that are ours."""
        return tuple(self.data)

    def __call__(self, want: Want) -> Rendered:
        """Return the fields; those of a previous version that does not exist are to be removed."""
        active, *previous = want.copies
        current = self.credential.fields(active.id, active.material)
        before = self.credential.fields(previous[0].id, previous[0].material) if previous else {}
        asked = {name: ours.removeprefix(PREVIOUS) for name, ours in self.data.items() if PREVIOUS in ours}
        return Rendered(
            current={name: current[ours] for name, ours in self.data.items() if name not in asked},
            previous={name: before.get(ours) for name, ours in asked.items()},
            same=lambda name, theirs, ours: self.credential.same(self.data[name], theirs, ours),
            carriers=frozenset(name for name, ours in self.data.items() if ours in CARRIERS),
        )


def current_and_previous(fields: tuple[str, ...]) -> dict[str, str]:
    """Return the layout of a Vault path: every field by its own name, and again as `previous_` field."""
    return {f: f for f in fields} | {f"previous_{f}": f"{PREVIOUS}{f}" for f in fields}
