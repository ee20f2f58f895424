"""Those who use a shared secret accept it, too: an application that both signs and checks, or encrypts and decrypts."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar

from rotator.credentials.shared_secret import SHARED
from rotator.systems.forms import OTHER
from rotator.systems.verifier import VerifierKind
from rotator.vocabulary.checks import Check, each, when
from rotator.vocabulary.footprint import Home

THERE = "self.verifiers.exists(v, has(v.holders))"
"""In CEL, of the spec `self`: the holders are verifiers."""
_MAPPED = ("h.secret", "h.vault")
"""In CEL, of the holder `h`: what can have a mapping."""
_ARE_MAPPED = "self.holders.all(h, " + " || ".join(f"has({way}) && has({way}.data)" for way in _MAPPED) + ")"
"""In CEL: every holder has a mapping. Whether it has the other version in it is not looked at: the API server reckons that a look
into a text walks through the longest there can be."""
_NONE_ASKS = (
    "self.holders.all(h, "
    + " && ".join(
        f"(!has({way}) || !has({way}.data) || {way}.data.all(k, !{way}.data[k].startsWith('{OTHER}')))"
        for way in _MAPPED
    )
    + ")"
)
"""In CEL: no holder is handed the other version, in an entry that is no template."""


class AcceptingHolders(VerifierKind):
    """The holders themselves check with the secret. They accept two values if each is handed `other.FIELD`, otherwise one."""

    declared_as: ClassVar[str] = "holders"
    suits: ClassVar[tuple[str, ...]] = (SHARED,)
    for_one: ClassVar[bool] = False
    checks: ClassVar[tuple[Check, ...]] = (
        Check(
            "OutageNeeded",
            "a holder is handed one value here, so every switch is an outage; expected other.FIELD in the data of every holder, if "
            "the application accepts several values, or `outage`, which accepts it and says when",
            when(lambda policy: accept_one(policy) and not policy.spec.outage, "outage"),
            f"has(self.outage) || !{THERE} || {_ARE_MAPPED}",
        ),
        Check(
            "OtherAlone",
            "other.FIELD is for holders that check with the secret as well; expected `holders` among the verifiers",
            each("holders", lambda policy, h: h.one.has_other and not _are_verifiers(policy)),
            f"{THERE} || {_NONE_ASKS}",
            field=".holders",
        ),
    )

    def titles(self, home: Home) -> tuple[str, ...]:
        """Return what they are called."""
        del home
        return ("the holders",)

    def cache(self, *, restarted: bool) -> timedelta:
        """Return nothing: they are seen to have restarted, or `pickUp` has passed, before a version counts as published."""
        del restarted
        return timedelta()

    @property
    def travel(self) -> timedelta:
        """Nothing, for the same reason."""
        return timedelta()

    @classmethod
    def stale(cls) -> str:
        """Return, in CEL, that there is nothing to wait for."""
        return "0"


def _are_verifiers(policy: Any) -> bool:
    return any(isinstance(v.one, AcceptingHolders) for v in policy.spec.verifiers)


def accept_one(policy: Any) -> bool:
    """Whether the holders of `policy` are its verifiers, and one of them is handed one value at a time."""
    return _are_verifiers(policy) and not all(h.one.has_other for h in policy.spec.holders)


def accept_two(policy: Any) -> bool:
    """Whether the holders of `policy` are its verifiers, and each is handed both values while two are accepted."""
    return _are_verifiers(policy) and not accept_one(policy)
