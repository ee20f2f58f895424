"""Shared secrets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from rotator.vocabulary.credential import CredentialKind
from rotator.vocabulary.types import Rule

SHARED = "sharedSecret"
HAS_ALGORITHM = "has(self.credential.sharedSecret.algorithm)"
IS_RAW = (
    "(has(self.credential.sharedSecret) && has(self.credential.sharedSecret.encoding) && "
    "self.credential.sharedSecret.encoding == 'raw')"
)
"""In CEL, of the spec `self`: the value is bytes, no text."""
_NO_ENCODING = "encoding goes with bytes or algorithm"
_NO_RAW = "without an encoding the value is the key; expected base64, base64url or hex, or none"


class SharedSecret(CredentialKind):
    """A secret that both sides hold: an HMAC key for JWTs, or an opaque value."""

    declared_as: ClassVar[str] = "shared_secret"
    forms: ClassVar[Mapping[str, str]] = {SHARED: "has(self.credential.sharedSecret)"}
    carried: ClassVar[tuple[str, ...]] = (SHARED,)
    secret: ClassVar[tuple[str, ...]] = (SHARED,)

    algorithm: Literal["HS256", "HS384", "HS512"] | None = Field(
        None, description="Makes an HMAC key for JWTs. Leave out for an opaque value."
    )
    length: int | None = Field(None, ge=16, le=4096, description="Characters of an opaque value.")
    alphabet: str | None = Field(
        None, min_length=10, max_length=94, description="Its characters; default A-Z a-z 0-9."
    )
    bytes: int | None = Field(
        None, ge=16, le=4096, description="Random bytes of an opaque value; default 32."
    )
    encoding: Literal["base64", "base64url", "hex", "raw"] | None = Field(
        None,
        description="How `bytes` are written; default base64. With `algorithm`: how the value that applications decode writes the key "
        "(base64, base64url or hex); default: the value is the key.",
    )

    rules = (
        Rule(
            "[has(self.algorithm), has(self.length), has(self.bytes)].filter(x, x).size() <= 1",
            "expected one of algorithm, length, bytes",
        ),
        Rule("!has(self.alphabet) || has(self.length)", "alphabet goes with length"),
        Rule("!has(self.encoding) || !has(self.length)", _NO_ENCODING),
        Rule("!has(self.encoding) || !has(self.algorithm) || self.encoding != 'raw'", _NO_RAW),
        Rule(
            "!has(self.alphabet) || (self.alphabet.matches('^[!-~]*$') && "
            "self.alphabet.split('').all(c, self.alphabet.indexOf(c) == self.alphabet.lastIndexOf(c)))",
            "alphabet: expected distinct ASCII characters, and no white space",
        ),
    )

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        forms = [self.algorithm is not None, self.length is not None, self.bytes is not None]
        if sum(forms) > 1:
            raise ValueError("expected one of algorithm, length, bytes")
        if self.alphabet is not None and self.length is None:
            raise ValueError("alphabet goes with length")
        if self.encoding is not None and self.length is not None:
            raise ValueError(_NO_ENCODING)
        if self.encoding == "raw" and self.algorithm is not None:
            raise ValueError(_NO_RAW)
        if self.alphabet is not None and not _is_alphabet(self.alphabet):
            raise ValueError("alphabet: expected distinct ASCII characters, and no white space")
        return self

    @classmethod
    def examples(cls) -> Mapping[str, CredentialKind]:
        """Return an HMAC key, which has a JWK, and an opaque value."""
        (shared,) = cls.forms.values()
        return {
            f"{shared} && {HAS_ALGORITHM}": cls(algorithm="HS256"),
            f"{shared} && !{HAS_ALGORITHM}": cls(),
        }

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields a holder can be handed."""
        return ("value", "kid", "algorithm", *(("jwk",) if self.algorithm else ()))


def _is_alphabet(text: str) -> bool:
    return len(set(text)) == len(text) and all("!" <= c <= "~" for c in text)
