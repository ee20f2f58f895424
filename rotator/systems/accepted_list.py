"""The accepted list of a shared secret: every value that is to be accepted now, for services that try each."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from pydantic import Field

from rotator.core.sensitive import Sensitive
from rotator.credentials.shared_secret import IS_RAW, SHARED, SharedSecret
from rotator.ports import Credential, Render, Rendered, Want
from rotator.systems.document import Document
from rotator.vocabulary.checks import Check, all_verifiers, each
from rotator.vocabulary.types import DataKey


class AcceptedListPlace(Document):
    """The accepted values of a shared secret."""

    declared_as: ClassVar[str] = "accepted_list"
    suits: ClassVar[tuple[str, ...]] = (SHARED,)
    checks: ClassVar[tuple[Check, ...]] = (
        Check(
            "NoLines",
            "raw bytes are no lines; expected json, or base64 or hex",
            each(
                "verifiers", lambda policy, v: _has_lines(v.one) and _is_raw(policy), "acceptedList", "format"
            ),
            f"!{IS_RAW} || " + all_verifiers("!has(v.acceptedList) || v.acceptedList.format != 'lines'"),
            field=".verifiers",
        ),
    )

    key: DataKey = Field("accepted", description="The data key that holds the list.")
    format: Literal["json", "lines"] = Field("json", description="A JSON array, or one value a line.")

    def render(self, credential: Credential) -> Render:
        """Return what writes the list."""
        return Accepted(credential, self.key, lines=self.format == "lines")


def _has_lines(kind: object) -> bool:
    return isinstance(kind, AcceptedListPlace) and kind.format == "lines"


def _is_raw(policy: Any) -> bool:
    credential = policy.spec.credential.one
    return isinstance(credential, SharedSecret) and credential.encoding == "raw"


@dataclass(frozen=True)
class Accepted:
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
