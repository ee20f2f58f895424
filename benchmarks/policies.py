"""Policy files for as many rotations as a measurement needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

FIRST, CHANGED = "ES384", "ES256"
"""An edit of the algorithm makes the next version due, with nothing to wait for."""

TEMPLATE = """\
apiVersion: rotator.dev/v1alpha1
kind: Rotation
metadata: {{name: {name}, namespace: {group}}}
spec:
  credential:
    jwtSigningKey: {{algorithm: {algorithm}}}
  every: 30d
  overlap: {{tokenTTL: 15m, clockSkew: 60s}}
  store:
    vault: {{mount: rotator, path: bench/{group}/{name}}}
  verifiers:
    - jwks: {{configMap: {name}-jwks, maxAge: 5m}}
  holders:
    - secret: {{name: {name}-signing-key, data: {{private_key: private_key}}}}
      pickUp: {pick_up}s
"""
PICK_UP = 1


@dataclass(frozen=True, slots=True)
class Group:
    """Rotations of one namespace, each in a policy file of its own."""

    name: str
    """Also the namespace and the folder in the store."""
    folder: Path
    count: int

    @property
    def names(self) -> list[str]:
        """The names of the rotations."""
        return [f"r{number:04}" for number in range(self.count)]

    def file(self, name: str) -> Path:
        """Return where the policy of one rotation is."""
        return self.folder / f"{name}.yaml"

    def write(self, algorithm: str = CHANGED) -> None:
        """Write all policies."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for name in self.names:
            text = TEMPLATE.format(name=name, group=self.name, algorithm=algorithm, pick_up=PICK_UP)
            self.file(name).write_text(text)
