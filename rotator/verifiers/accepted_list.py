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
            lines = [_line(c.id, self.credential.fields(c.id, c.material)["value"]) for c in want.copies]
            return Rendered({self.key: Sensitive("".join(lines))})
        accepted = [self.credential.accepted(c.id, c.material) for c in want.copies]
        return Rendered({self.key: Sensitive(json.dumps(accepted, indent=1))})


def _line(version_id: str, value: Sensitive) -> str:
    """Return one line. Raises ValueError where whoever reads lines would take the value for another one, or for two."""
    try:
        text = value.reveal()
    except ValueError:
        text = ""
    if len(text.splitlines()) != 1:
        raise ValueError(
            f"the value of {version_id} {'holds a line end' if text else 'is bytes, no text'}; {_JSON}"
        )
    if text != text.strip():
        raise ValueError(f"the value of {version_id} begins or ends with white space, or a line end; {_JSON}")
    return f"{text}\n"


_JSON = "in lines it would be another one, or two; expected acceptedList.format: json"
