"""The accepted list, handed to people or to a webhook, who install it where no API is known to rotator."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from rotator.credentials.oauth_client import CLIENT_SECRET
from rotator.ports import Credential, Render
from rotator.systems.accepted_list import Accepted
from rotator.systems.document import Document
from rotator.vocabulary.checks import Check, all_verifiers, when
from rotator.vocabulary.types import DataKey, Rule

_NO_ANNOTATION = "a Vault path has no annotations; expected Login, or a Secret"


class StaticPlace(Document):
    """The accepted list, handed to people or to a webhook, who install it where no API is known to rotator."""

    declared_as: ClassVar[str] = "static"
    suits: ClassVar[tuple[str, ...]] = (CLIENT_SECRET,)
    for_one: ClassVar[bool] = True
    seen: ClassVar[bool] = True
    by_hand: ClassVar[bool] = True
    checks: ClassVar[tuple[Check, ...]] = (
        Check(
            "InstalledByPeople",
            "what people install rotator cannot withdraw; expected Retain",
            when(
                lambda policy: (
                    policy.spec.deletion_policy == "Delete"
                    and any(isinstance(v.one, StaticPlace) for v in policy.spec.verifiers)
                ),
                "deletionPolicy",
            ),
            "!has(self.deletionPolicy) || self.deletionPolicy != 'Delete' || "
            + all_verifiers("!has(v.static)"),
            field=".deletionPolicy",
        ),
    )

    key: DataKey = Field("accepted", description="The data key that holds the list, a JSON array.")
    confirmed_by: Literal["Login", "Annotation"] = Field(
        "Login",
        description="Login: installed is what can log in, removed is what cannot. Annotation: whoever installs it says so by "
        "rotator.dev/accepts on the Secret: the ids accepted now, with commas between.",
    )

    rules = (
        Rule(
            "!(has(self.vault) && has(self.confirmedBy) && self.confirmedBy == 'Annotation')",
            f"confirmedBy: {_NO_ANNOTATION}",
        ),
    )

    @model_validator(mode="after")
    def _has_annotations(self) -> Self:
        if self.vault and self.confirmed_by == "Annotation":
            raise ValueError(f"confirmedBy: {_NO_ANNOTATION}")
        return self

    def render(self, credential: Credential) -> Render:
        """Return what writes the list."""
        return Accepted(credential, self.key)
