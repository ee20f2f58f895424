"""What is declared of every kind of credential."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from rotator.vocabulary.types import Model, to_camel

JwtAlgorithm = Literal[
    "ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "EdDSA"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What else of a rotation counts for how its versions are made."""

    encoding: str | None = None
    """How the field that is taken over writes the value of today, where that is declared."""
    made_by_provider: bool = False
    """Whether the provider makes the value."""


class CredentialKind(Model):
    """A kind of credential. Its package has a module `maker`, whose `build` makes what makes versions."""

    declared_as: ClassVar[str]
    """Its name in a declaration, in snake case."""
    forms: ClassVar[Mapping[str, str]]
    """The forms that it has, each with its condition in CEL, of the spec `self`."""
    carried: ClassVar[tuple[str, ...]] = ()
    """The forms whose versions have an id that is theirs elsewhere too: the `kid` of tokens."""
    public: ClassVar[tuple[str, ...]] = ()
    """The forms that have a public key, which a JWK Set shows."""
    secret: ClassVar[tuple[str, ...]] = ()
    """The forms of which verifiers are handed the secret itself."""

    @classmethod
    def camel(cls) -> str:
        """Return its name as it stands in a declaration: `jwtSigningKey`."""
        return to_camel(cls.declared_as)

    @classmethod
    def examples(cls) -> Mapping[str, CredentialKind]:
        """Return, by CEL conditions that exclude each other, a credential whose fields all of that condition have."""
        return {condition: cls() for condition in cls.forms.values()}

    @property
    def form(self) -> str:
        """Its form, a key of `forms`."""
        (form,) = self.forms
        return form

    @property
    def subjects(self) -> tuple[str, ...]:
        """Whose credential it is, as its provider names them; none where the rotation says it all."""
        return ()

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that a holder can be handed."""
        return ()
