"""What the fields of one declaration mean together, and several declarations beside each other: for files and custom resources.

Each check stands beside the same check in CEL, by which the API server refuses a custom resource at `kubectl apply`
(`CEL_RULES`, by the class they belong to). A rule in CEL never refuses what the check in Python accepts.
"""

from __future__ import annotations

from collections.abc import Iterator

from rotator.core.due import LONGEST, is_reason
from rotator.core.timing import format_duration
from rotator.holders.mapping import PREVIOUS
from rotator.policy.model import (
    ROTATE,
    Gates,
    JwtSigningKey,
    RotationPolicy,
    SecretHolder,
    SharedSecret,
    Spec,
    VaultHolder,
    holder_labels,
    place_label,
    store_label,
)
from rotator.policy.problems import Problem
from rotator.policy.types import Rule, seconds
from rotator.targets.stamp import STAMP_FIELDS


def unsafe(policy: RotationPolicy) -> Iterator[Problem]:
    """Yield what cannot be carried out, though every field by itself is well."""
    yield from _windows(policy)
    yield from _kinds(policy)
    yield from _mappings(policy)
    if policy.asked_for is not None and not is_reason(policy.asked_for):
        yield (
            ("metadata", "annotations", ROTATE),
            f"expected a reason of at most {LONGEST} printable characters",
        )


# --- windows -----------------------------------------------------------------------------------------------------


def _windows(policy: RotationPolicy) -> Iterator[Problem]:
    """Check that lead and period are long enough (`rotator.core.timing`); write the sums out where they are not."""
    spec, least = policy.spec, policy.least_lead
    if spec.lead is not None and spec.lead < least.total:
        yield ("spec", "lead"), f"{format_duration(spec.lead)} is too short; expected at least {least}"
    whole = policy.lead + policy.overlap.total
    if spec.every <= whole:
        yield (
            ("spec", "every"),
            (
                f"{format_duration(spec.every)} is too short; expected more than lead + overlap = "
                f"{format_duration(policy.lead)} + {format_duration(policy.overlap.total)} = {format_duration(whole)}, "
                f"where lead = {least} and overlap = {policy.overlap}"
            ),
        )


def _given(duration: str) -> str:
    """Return, in CEL, the milliseconds of a duration that must be long enough: halves are rounded up."""
    return f"int({seconds(duration)} * 1000.0 + 0.501)"


def _needed(duration: str) -> str:
    """Return, in CEL, the milliseconds of a duration that adds to what is needed: halves are rounded down.

    `parse_duration` rounds them to the even number, so that a rule never asks for more than the check.
    """
    return f"int({seconds(duration)} * 1000.0 + 0.499)"


def _stale(place: str) -> str:
    """Return, in CEL, the milliseconds for which the verifier `v` may have what was at `place` before."""
    cache = f"has({place}.maxAge) ? {_needed(f'{place}.maxAge')} : has(v.restart) ? 0 : 86400000"
    travel = (
        f"has({place}.propagation) ? {_needed(f'{place}.propagation')} : has({place}.vault) ? 300000 : 90000"
    )
    return f"({cache}) + ({travel})"


_SKEW = _needed("self.overlap.clockSkew")
_STALEST = (
    f"self.verifiers.map(v, has(v.jwks) ? {_stale('v.jwks')} : "
    f"has(v.acceptedList) ? {_stale('v.acceptedList')} : 0).max()"
)
_LEAST = f"({_STALEST} + {_SKEW})"
_WHOLE = (
    f"((has(self.lead) ? {_needed('self.lead')} : {_LEAST}) + {_needed('self.overlap.tokenTTL')} + {_SKEW})"
)
WINDOW_RULES = (
    Rule(
        f"!has(self.lead) || {_given('self.lead')} >= {_LEAST}",
        "too short; expected at least the longest maxAge + propagation of a verifier, and clockSkew",
        field=".lead",
        written_out="'%s is too short; expected at least %ss: the longest maxAge + propagation of a verifier, and "
        f"clockSkew'.format([self.lead, double({_LEAST}) / 1000.0])",
    ),
    Rule(
        f"{_given('self.every')} > {_WHOLE}",
        "too short; expected more than lead + tokenTTL + clockSkew",
        field=".every",
        written_out="'%s is too short; expected more than %ss: lead + tokenTTL + clockSkew, where the lead is, if not "
        "given, the longest maxAge + propagation of a verifier, and clockSkew'"
        f".format([self.every, double({_WHOLE}) / 1000.0])",
    ),
)


# --- kinds -------------------------------------------------------------------------------------------------------

_FOR_EVERYBODY = "a shared secret in a ConfigMap is readable by everybody; expected secret or vault"
_NO_JWK = "an opaque secret is no JWK; expected acceptedList"
_NO_LINES = "raw bytes are no lines; expected json, or base64 or hex"
_NO_SECRET = "a signing key's verifiers read public keys; expected jwks"  # noqa: S105 - a sentence
_NO_TEXT = "raw bytes do not fit in Vault's text fields; expected base64 or hex"
_NO_PUBLIC_KEY = "jwksProbe reads public keys; a shared secret has none"
_NO_PROOF = "jwksProbe shows that a key is there; expected prometheus"


def _kinds(policy: RotationPolicy) -> Iterator[Problem]:
    """Check that verifiers, holders and gates suit the kind of credential."""
    shared = policy.spec.credential.shared_secret
    for position, verifier in enumerate(policy.spec.verifiers):
        where = ("spec", "verifiers", position)
        place = verifier.place
        if shared and place.config_map:
            yield where, _FOR_EVERYBODY
        if shared and verifier.jwks and not shared.algorithm:
            yield where, _NO_JWK
        if shared and shared.encoding == "raw" and place.has_lines:
            yield (*where, "acceptedList", "format"), _NO_LINES
        if not shared and verifier.accepted_list:
            yield where, _NO_SECRET
    if shared and shared.encoding == "raw" and any(h.vault for h in policy.spec.holders):
        yield ("spec", "holders"), _NO_TEXT
    gates = policy.spec.gates
    if any(g.jwks_probe for g in (*gates.before_activate, *gates.before_destroy)) and shared:
        yield ("spec", "gates"), _NO_PUBLIC_KEY
    if any(g.jwks_probe for g in gates.before_destroy):
        yield ("spec", "gates", "beforeDestroy"), _NO_PROOF


_SHARED = "has(self.credential.sharedSecret)"
_ALGORITHM = "has(self.credential.sharedSecret.algorithm)"
_RAW = (
    f"({_SHARED} && has(self.credential.sharedSecret.encoding) && "
    "self.credential.sharedSecret.encoding == 'raw')"
)
KIND_RULES = (
    Rule(
        f"!{_SHARED} || self.verifiers.all(v, !(has(v.jwks) && has(v.jwks.configMap)) && "
        "!(has(v.acceptedList) && has(v.acceptedList.configMap)))",
        _FOR_EVERYBODY,
        field=".verifiers",
    ),
    Rule(f"!{_SHARED} || {_ALGORITHM} || self.verifiers.all(v, !has(v.jwks))", _NO_JWK, field=".verifiers"),
    Rule(
        f"!{_RAW} || self.verifiers.all(v, !has(v.acceptedList) || v.acceptedList.format != 'lines')",
        _NO_LINES,
        field=".verifiers",
    ),
    Rule(
        "!has(self.credential.jwtSigningKey) || self.verifiers.all(v, !has(v.acceptedList))",
        _NO_SECRET,
        field=".verifiers",
    ),
    Rule(f"!{_RAW} || self.holders.all(h, !has(h.vault))", _NO_TEXT, field=".holders"),
    Rule(
        f"!{_SHARED} || !has(self.gates) || "
        "((!has(self.gates.beforeActivate) || self.gates.beforeActivate.all(g, !has(g.jwksProbe))) && "
        "(!has(self.gates.beforeDestroy) || self.gates.beforeDestroy.all(g, !has(g.jwksProbe))))",
        _NO_PUBLIC_KEY,
        field=".gates",
    ),
)
GATE_RULES = (
    Rule(
        "!has(self.beforeDestroy) || self.beforeDestroy.all(g, !has(g.jwksProbe))",
        _NO_PROOF,
        field=".beforeDestroy",
    ),
)


# --- mappings ----------------------------------------------------------------------------------------------------

_NO_ACTIVE = "only previous fields; expected at least one of the active version"
_RESERVED = f"reserved; expected a name other than {', '.join(STAMP_FIELDS)}"


def _expected(known: tuple[str, ...]) -> str:
    return f"expected one of {', '.join(known)}, or {PREVIOUS}FIELD"


def _mappings(policy: RotationPolicy) -> Iterator[Problem]:
    """Check that holders are handed what the credential has."""
    known = policy.spec.credential.fields
    for position, holder in enumerate(policy.spec.holders):
        given = holder.secret.data if holder.secret else holder.vault.data if holder.vault else None
        where = ("spec", "holders", position, holder.chosen, "data")
        for theirs, ours in (given or {}).items():
            if ours.removeprefix(PREVIOUS) not in known:
                yield (*where, theirs), f"unknown field {ours}; {_expected(known)}"
            if holder.vault and theirs in STAMP_FIELDS:
                yield (*where, theirs), _RESERVED
        if given and all(o.startswith(PREVIOUS) for o in given.values()):
            yield where, _NO_ACTIVE


def _hands(condition: str, known: tuple[str, ...]) -> Rule:
    """Return the rule that, under `condition`, every holder is handed only fields that are known."""
    names = [*known, *(f"{PREVIOUS}{name}" for name in known)]
    mapped = " && ".join(
        f"(!has(h.{way}) || !has(h.{way}.data) || h.{way}.data.all(k, h.{way}.data[k] in {names}))"
        for way in ("secret", "vault")
    )
    message = f"a holder's data asks for an unknown field; {_expected(known)}"
    return Rule(f"!({condition}) || self.holders.all(h, {mapped})", message, field=".holders")


MAPPING_RULES = (
    _hands("has(self.credential.jwtSigningKey)", JwtSigningKey().fields),
    _hands(f"{_SHARED} && {_ALGORITHM}", SharedSecret(algorithm="HS256").fields),
    _hands(f"{_SHARED} && !{_ALGORITHM}", SharedSecret().fields),
)
SOME_ACTIVE_RULES = (
    Rule(
        f"!has(self.data) || self.data.exists(k, !self.data[k].startsWith('{PREVIOUS}'))",
        _NO_ACTIVE,
        field=".data",
    ),
)
NOT_RESERVED_RULES = (
    Rule(
        f"!has(self.data) || self.data.all(k, !(k in {list(STAMP_FIELDS)}))",
        _RESERVED,
        field=".data",
    ),
)

CEL_RULES: dict[str, tuple[Rule, ...]] = {
    Spec.__name__: WINDOW_RULES + KIND_RULES + MAPPING_RULES,
    Gates.__name__: GATE_RULES,
    SecretHolder.__name__: SOME_ACTIVE_RULES,
    VaultHolder.__name__: SOME_ACTIVE_RULES + NOT_RESERVED_RULES,
}
"""The checks of this module in CEL, by the name of the class that they are about."""


# --- several declarations ----------------------------------------------------------------------------------------


class Owners:
    """Which rotation has which name, and which document belongs to it: each has one owner."""

    def __init__(self) -> None:
        self._declared: dict[str, str] = {}
        self._owners: dict[str, str] = {}

    def conflicts(self, policy: RotationPolicy) -> Iterator[Problem]:
        """Yield what `policy` claims and another has, or it has twice."""
        if first := self._declared.get(policy.ref):
            yield ("metadata", "name"), f"{policy.ref} is declared twice, first at {first}"
            return
        own: set[str] = set()
        for location, label in _labels(policy):
            if owner := policy.ref if label in own else self._owners.get(label):
                yield location, f"{label} is used already by {owner}; expected one owner"
            own.add(label)

    def add(self, policy: RotationPolicy, where: str) -> None:
        """Remember what `policy` claims, and that it was declared at `where`; the first owner stays."""
        if self._declared.setdefault(policy.ref, where) == where:
            for _, label in _labels(policy):
                self._owners.setdefault(label, policy.ref)


def _labels(policy: RotationPolicy) -> Iterator[Problem]:
    """Yield the unique label of each document that belongs to `policy`, and where it is declared."""
    yield ("spec", "store"), store_label(policy)
    for position, verifier in enumerate(policy.spec.verifiers):
        yield ("spec", "verifiers", position), place_label(policy, verifier.place)
    for position, holder in enumerate(policy.spec.holders):
        for label in holder_labels(policy, holder):
            yield ("spec", "holders", position), label
