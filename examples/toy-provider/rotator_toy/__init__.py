"""Toy: the secrets of a client. What is declared of it, and what it can do; nothing here asks the server."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from rotator.credentials.oauth_client import CLIENT_SECRET, OAuthClient
from rotator.systems.provider import OTHERS, Others, Provider
from rotator.vocabulary.access import Auth
from rotator.vocabulary.checks import Check, when
from rotator.vocabulary.types import Url, place_of

CLIENT = "self.credential.oauthClient"


def _posts(policy: Any) -> bool:
    """Whether a client of Toy would send its secret in the body: Toy reads it in the header only."""
    credential = policy.spec.credential.one
    return (
        isinstance(credential, OAuthClient)
        and credential.authentication == "client_secret_post"
        and any(isinstance(verifier.one, Toy) for verifier in policy.spec.verifiers)
    )


class Toy(Provider):
    """A client of Toy: five secrets at a time."""

    declared_as: ClassVar[str] = "toy"
    system: ClassVar[str] = "toy"
    suits: ClassVar[tuple[str, ...]] = (CLIENT_SECRET,)
    slots: ClassVar[int | None] = 5
    takes_over: ClassVar[bool] = False
    """It shows no value: which of its secrets is the one in use is not to be seen."""
    with_own: ClassVar[str] = "auth"
    max_length: ClassVar[int | None] = 64
    checks: ClassVar[tuple[Check, ...]] = (
        Check(
            "NotPosted",
            "Toy reads a client's secret in the header only; expected client_secret_basic",
            when(_posts, "credential", "oauthClient", "authentication"),
            f"!has({CLIENT}) || !has({CLIENT}.authentication) || {CLIENT}.authentication != 'client_secret_post' || "
            "self.verifiers.all(v, !has(v.toy))",
            field=".credential",
            below="authentication",
        ),
    )

    url: Url = Field(description="The server, as https://toy.example.com.")
    auth: Auth
    others: Others = Field("Stop", description=OTHERS)

    def label(self, subject: str) -> str:
        """Return the unique label; see `Provider.label`."""
        return f"toy {place_of(self.url)} client {subject}"
