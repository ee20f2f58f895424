"""What the fields of one declaration mean together, and several declarations beside each other: for files and custom resources.

Each check stands beside the same check in CEL, by which the API server refuses a custom resource at `kubectl apply`
(`CEL_RULES`, by the class they belong to). A rule in CEL never refuses what the check in Python accepts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta

from pydantic.alias_generators import to_camel

from rotator.core.due import LONGEST, is_reason
from rotator.core.timing import format_duration
from rotator.holders.mapping import PREVIOUS
from rotator.policy.model import (
    ROTATE,
    Gates,
    Holder,
    RotationPolicy,
    SecretHolder,
    Spec,
    VaultHolder,
    client_label,
    holder_labels,
    store_label,
    verifier_labels,
)
from rotator.systems.provider import ALWAYS, ITSELF, NEVER, Provider, When
from rotator.systems.registry import PROVIDERS
from rotator.targets.stamp import STAMP_FIELDS
from rotator.vocabulary.credentials import (
    APP_ROLE_SECRET,
    CLIENT_KEY,
    CLIENT_SECRET,
    DIRECTORY_PASSWORD,
    FORMS,
    REALM_KEY,
    SHARED,
    SIGNING_KEY,
    Credential,
    JwtSigningKey,
    LdapPassword,
    OAuthClient,
    SharedSecret,
    VaultAppRole,
)
from rotator.vocabulary.problems import Problem
from rotator.vocabulary.types import Rule, seconds


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
    lead = "0s, for all of it would be an outage," if spec.outage else least
    if spec.every <= whole:
        yield (
            ("spec", "every"),
            (
                f"{format_duration(spec.every)} is too short; expected more than lead + overlap = "
                f"{format_duration(policy.lead)} + {format_duration(policy.overlap.total)} = {format_duration(whole)}, "
                f"where lead = {lead} and overlap = {policy.overlap}"
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
    cache = (
        f"has({place}.maxAge) ? {_needed(f'{place}.maxAge')} : has(v.restart) || has(v.static) ? 0 : 86400000"
    )
    travel = (
        f"has({place}.propagation) ? {_needed(f'{place}.propagation')} : has({place}.vault) ? 300000 : 180000"
    )
    return f"({cache}) + ({travel})"


_SKEW = _needed("self.overlap.clockSkew")


def _settles(kind: str, default: timedelta) -> str:
    """Return, in CEL, the milliseconds until a provider is as it was told."""
    return f"has(v.{kind}.propagation) ? {_needed(f'v.{kind}.propagation')} : {default // timedelta(milliseconds=1)}"


def _stalest() -> str:
    """Return, in CEL, the milliseconds of the verifier that takes longest."""
    text = "0"
    for declared in PROVIDERS:
        kind = declared.key()
        caches = f"{_needed(f'v.{kind}.maxAge')} + " if "max_age" in declared.model_fields else ""
        text = f"has(v.{kind}) ? {caches}({_settles(kind, declared.settles)}) : ({text})"
    for kind in ("jwks", "acceptedList", "static"):
        text = f"has(v.{kind}) ? {_stale(f'v.{kind}')} : ({text})"
    return f"self.verifiers.map(v, {text}).max()"


_STALEST = _stalest()
_LEAST = f"({_STALEST} + {_SKEW})"
_WHOLE = f"((has(self.outage) ? 0 : has(self.lead) ? {_needed('self.lead')} : {_LEAST}) + {_needed('self.overlap.tokenTTL')} + {_SKEW})"
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

_FOR_EVERYBODY = "a secret in a ConfigMap is readable by everybody; expected secret or vault"
_NO_JWK = "an opaque secret is no JWK; expected acceptedList"
_NO_LINES = "raw bytes are no lines; expected json, or base64 or hex"
_NO_TEXT = "raw bytes do not fit in Vault's text fields; expected base64 or hex"
_NO_PUBLIC_KEY = "jwksProbe reads public keys; this credential has none"
_NO_PROOF = "jwksProbe shows that a key is there; expected prometheus"
_ONE_PROVIDER = "a version is made for one provider; expected a rotation for each"
_REALM_HOLDER = "the realm signs with its key, and nobody is handed it; expected one holder, keycloakRealm, and only there"
_OUTAGE_NEEDED = (
    "this verifier cannot accept two versions at a time, so every switch is an outage; expected `outage`, which accepts it and "
    "says when, or a verifier that can"
)
_NO_OUTAGE = "versions overlap here, and nobody has to be refused; expected no `outage`"
_NO_CLIENT = "each version is registered as a client of its own; expected no clientId"
_CLIENT = "expected the client's id"
_NO_TAKE_OVER = "what the provider made itself cannot be taken over; expected no takeOver"
_OWN_FIRST = (
    "rotator's own credential is how it gets in; expected secret or vault, which holds the one in use"
)
_NOT_SHOWN = "this provider does not show its secrets; expected secret or vault"
_NO_KID = "no token carries the id of this credential's versions; expected no kid"
_SAID_TWICE = (
    "it counts for the value of today alone; expected credential.sharedSecret.encoding as well, which says how services read "
    "the HMAC key from now on, so that takeOver can be removed later"
)
_ONLY_SHARED = "a key shows by itself how it is written, and other credentials are text; expected no encoding"
_MADE_THERE = "the provider makes the secret; expected no length"
_WITH_NAME = (
    "each version has a client or an account of its own; expected its name (client_id, bind_dn) beside it"
)
_INSTALLED = "what people install rotator cannot withdraw; expected Retain"
_AT_ONCE = "while versions cannot overlap, everything that is waited for is an outage; expected no {}"

SUITS: dict[str, tuple[str, ...]] = {
    form: (*read, *(kind.key() for kind in PROVIDERS if form in kind.suits), *by_hand)
    for form, read, by_hand in (
        (SIGNING_KEY, ("jwks",), ()),
        (SHARED, ("jwks", "acceptedList"), ()),
        (CLIENT_SECRET, (), ("static",)),
        (CLIENT_KEY, ("jwks",), ()),
        (DIRECTORY_PASSWORD, (), ()),
        (APP_ROLE_SECRET, (), ()),
        (REALM_KEY, (), ()),
    )
}
"""Which verifiers suit which form of a credential."""
CARRIED = (SIGNING_KEY, SHARED, CLIENT_KEY)
"""The forms whose versions have an id that is theirs elsewhere too: the `kid` of tokens."""
NAMES = {"client_secret": "client_id", "password": "bind_dn"}
"""The field that says whose a field is, where each version has a client or an account of its own."""


def cannot_overlap(policy: RotationPolicy) -> bool:
    """Whether a verifier of `policy` accepts one version at a time."""
    return any(
        v.provider and v.provider.one_slot.holds(v.provider, policy.spec.credential)
        for v in policy.spec.verifiers
    )


def _kinds(policy: RotationPolicy) -> Iterator[Problem]:
    """Check that verifiers, holders and gates suit the kind of credential."""
    yield from _suiting(policy)
    yield from _shared(policy)
    yield from _provided(policy)
    gates = policy.spec.gates
    form = policy.spec.credential.form
    probed = any(g.jwks_probe for g in (*gates.before_activate, *gates.before_destroy))
    if probed and form not in {SIGNING_KEY, CLIENT_KEY}:
        yield ("spec", "gates"), _NO_PUBLIC_KEY
    if any(g.jwks_probe for g in gates.before_destroy):
        yield ("spec", "gates", "beforeDestroy"), _NO_PROOF


def _suiting(policy: RotationPolicy) -> Iterator[Problem]:
    form = policy.spec.credential.form
    for position, verifier in enumerate(policy.spec.verifiers):
        if to_camel(verifier.chosen) not in SUITS[form]:
            yield ("spec", "verifiers", position), _not_suited(form)
    realm = form == REALM_KEY
    if realm != any(h.keycloak_realm for h in policy.spec.holders) or (
        realm and len(policy.spec.holders) > 1
    ):
        yield ("spec", "holders"), _REALM_HOLDER


def _not_suited(form: str) -> str:
    if form == SIGNING_KEY:
        return "a signing key's verifiers read public keys; expected jwks"
    return f"does not suit {form}; expected {', '.join(SUITS[form])}"


def _shared(policy: RotationPolicy) -> Iterator[Problem]:
    """Check what goes with secrets that are delivered to verifiers."""
    shared = policy.spec.credential.shared_secret
    secret = shared or policy.spec.credential.form == CLIENT_SECRET
    for position, verifier in enumerate(policy.spec.verifiers):
        where = ("spec", "verifiers", position)
        place = verifier.place
        if secret and place and place.config_map:
            yield where, _FOR_EVERYBODY
        if shared and verifier.jwks and not shared.algorithm:
            yield where, _NO_JWK
        if shared and shared.encoding == "raw" and place and place.has_lines:
            yield (*where, "acceptedList", "format"), _NO_LINES
    if shared and shared.encoding == "raw" and any(h.vault for h in policy.spec.holders):
        yield ("spec", "holders"), _NO_TEXT


def _provided(policy: RotationPolicy) -> Iterator[Problem]:
    """Check what goes with providers, and with people who stand in for one."""
    spec = policy.spec
    if sum(v.provider is not None or v.static is not None for v in spec.verifiers) > 1:
        yield ("spec", "verifiers"), _ONE_PROVIDER
    if spec.deletion_policy == "Delete" and any(v.static for v in spec.verifiers):
        yield ("spec", "deletionPolicy"), _INSTALLED
    yield from _outages(policy)
    yield from _clients(policy)
    yield from _taken_over(policy)
    for position, verifier in enumerate(spec.verifiers):
        if provider := verifier.provider:
            where = ("spec", "verifiers", position)
            if provider.is_itself(spec.credential):
                yield where, ITSELF
            yield from (((*where, *below), said) for below, said in provider.check(spec.credential))
    for position, holder in enumerate(spec.holders):
        if _alternates(policy) and _lacks_name(holder):
            yield ("spec", "holders", position), _WITH_NAME


def _outages(policy: RotationPolicy) -> Iterator[Problem]:
    """Check that an outage is accepted where one is needed, only there, and that it is as short as can be."""
    spec, where = policy.spec, ("spec",)
    if cannot_overlap(policy) and not spec.outage:
        yield (*where, "outage"), _OUTAGE_NEEDED
    if spec.outage and not cannot_overlap(policy):
        yield (*where, "outage"), _NO_OUTAGE
    if spec.outage and spec.lead is not None:
        yield (*where, "lead"), _AT_ONCE.format("lead")
    if spec.outage and spec.first_lead:
        yield (*where, "firstLead"), _AT_ONCE.format("firstLead")
    if spec.outage and spec.gates.before_activate:
        yield (*where, "gates", "beforeActivate"), _AT_ONCE.format("gate before activation")


def _clients(policy: RotationPolicy) -> Iterator[Problem]:
    """Check what is said of an OAuth client, beside who accepts it."""
    client, verifiers = policy.spec.credential.oauth_client, policy.spec.verifiers
    if client is None:
        return
    where = ("spec", "credential", "oauthClient")
    registered = any(v.provider and v.provider.registers for v in verifiers)
    if registered and client.client_id:
        yield (*where, "clientId"), _NO_CLIENT
    if not registered and not client.client_id:
        yield (*where, "clientId"), _CLIENT
    for provider in (v.provider for v in verifiers if v.provider):
        if provider.makes and "length" in client.model_fields_set:
            yield (*where, "length"), _MADE_THERE
        if provider.max_length and client.length > provider.max_length:
            yield (*where, "length"), _too_long(type(provider))
        if client.has_key and provider.algorithms and client.algorithm not in provider.algorithms:
            yield (*where, "algorithm"), _other_algorithm(type(provider))


def _too_long(kind: type[Provider]) -> str:
    return f"{kind.__name__} takes at most {kind.max_length} characters; expected a shorter length"


def _other_algorithm(kind: type[Provider]) -> str:
    return f"{kind.__name__} lets keys in by {', '.join(kind.algorithms)}; expected one of them as algorithm"


def _taken_over(policy: RotationPolicy) -> Iterator[Problem]:
    spec, where = policy.spec, ("spec", "takeOver")
    taken, form = spec.take_over, spec.credential.form
    providers = [v.provider for v in spec.verifiers if v.provider]
    if taken and not all(p.takes_over for p in providers):
        yield where, _NO_TAKE_OVER
    if taken and taken.provider and not any(p.shows.holds(p, spec.credential) for p in providers):
        yield where, _NOT_SHOWN
    if taken and taken.kid and form not in CARRIED:
        yield where, _NO_KID
    if taken and taken.encoding and not spec.credential.shared_secret:
        yield where, _ONLY_SHARED
    if taken and taken.encoding and _reads_the_text(spec.credential):
        yield (*where, "encoding"), _SAID_TWICE
    if any(p.own for p in providers) and not (taken and not taken.provider):
        yield where, _OWN_FIRST


def _reads_the_text(credential: Credential) -> bool:
    """Whether services take the text of an HMAC key as the key."""
    shared = credential.shared_secret
    return bool(shared and shared.algorithm and not shared.encoding)


def _alternates(policy: RotationPolicy) -> bool:
    """Whether each version has a client or an account of its own."""
    providers = [v.provider for v in policy.spec.verifiers if v.provider]
    return any(p.alternates.holds(p, policy.spec.credential) for p in providers)


def _lacks_name(holder: Holder) -> bool:
    """Whether a holder is handed something without the name that goes with it."""
    given = set(_mapping(holder).values())
    return any(
        f"{of}{field}" in given and f"{of}{name}" not in given
        for field, name in NAMES.items()
        for of in ("", PREVIOUS)
    )


def _each(condition: str) -> str:
    """Return, in CEL, that `condition` holds for each verifier `v`."""
    return f"self.verifiers.all(v, {condition})"


def _suit(form: str) -> Rule:
    condition, fits = FORMS[form], " || ".join(f"has(v.{kind})" for kind in SUITS[form])
    return Rule(f"!({condition}) || {_each(fits)}", _not_suited(form), field=".verifiers")


_SHARED = FORMS[SHARED]
_ALGORITHM = "has(self.credential.sharedSecret.algorithm)"
_CLIENT_SECRET, _CLIENT_KEY, _REALM = FORMS[CLIENT_SECRET], FORMS[CLIENT_KEY], FORMS[REALM_KEY]
_RAW = (
    f"({_SHARED} && has(self.credential.sharedSecret.encoding) && "
    "self.credential.sharedSecret.encoding == 'raw')"
)


def _some(when: Callable[[type[Provider]], When | bool]) -> str:
    """Return, in CEL, that there is a verifier `v` of whose kind it holds; false where it holds of none."""
    found = {kind.key(): when(kind) for kind in PROVIDERS}
    conditions = {n: w if isinstance(w, When) else ALWAYS if w else NEVER for n, w in found.items()}
    each = (
        f"(has(v.{n}) && {w.cel})" if w.cel else f"has(v.{n})"
        for n, w in conditions.items()
        if w is not NEVER
    )
    return f"self.verifiers.exists(v, {' || '.join(each)})"


_REGISTERED = _some(lambda kind: kind.registers)
_ONE_SLOT = _some(lambda kind: kind.one_slot)
_CLIENT_OF = "self.credential.oauthClient"


def _let_in_as_itself(kind: str) -> str:
    """Return, in CEL, that rotator is let in at the verifier `v` as the client that is rotated."""
    ours = f"v.{kind}.auth.client"
    return (
        f"(has(v.{kind}) && has(v.{kind}.auth) && has({ours}) && {ours}.clientId == {_CLIENT_OF}.clientId && "
        f"(!has({ours}.issuer) || {ours}.issuer == {_CLIENT_OF}.issuer))"
    )


def _named(way: str) -> str:
    """Return, in CEL, that the holder `h` is handed nothing without the name that goes with it."""
    data = f"h.{way}.data"
    pairs = " && ".join(
        f"(!{data}.exists(k, {data}[k] == '{of}{field}') || {data}.exists(k, {data}[k] == '{of}{name}'))"
        for field, name in NAMES.items()
        for of in ("", PREVIOUS)
    )
    return f"(!has(h.{way}) || !has({data}) || ({pairs}))"


_OWN = (
    "self.verifiers.exists(v, "
    + " || ".join(
        f"(has(v.{k.key()}) && has(v.{k.key()}.{k.with_own}) && has(v.{k.key()}.{k.with_own}.own))"
        for k in PROVIDERS
        if k.with_own
    )
    + ")"
)
KIND_RULES = (
    *(_suit(form) for form in SUITS),
    Rule(
        f"!({_SHARED} || {_CLIENT_SECRET}) || "
        + _each(
            "["
            + ", ".join(f"has(v.{k}) && has(v.{k}.configMap)" for k in ("jwks", "acceptedList", "static"))
            + "].all(x, !x)"
        ),
        _FOR_EVERYBODY,
        field=".verifiers",
    ),
    Rule(f"!{_SHARED} || {_ALGORITHM} || {_each('!has(v.jwks)')}", _NO_JWK, field=".verifiers"),
    Rule(
        f"!{_RAW} || " + _each("!has(v.acceptedList) || v.acceptedList.format != 'lines'"),
        _NO_LINES,
        field=".verifiers",
    ),
    Rule(f"!{_RAW} || self.holders.all(h, !has(h.vault))", _NO_TEXT, field=".holders"),
    Rule(
        f"has(self.credential.jwtSigningKey) || {_CLIENT_KEY} || !has(self.gates) || "
        "((!has(self.gates.beforeActivate) || self.gates.beforeActivate.all(g, !has(g.jwksProbe))) && "
        "(!has(self.gates.beforeDestroy) || self.gates.beforeDestroy.all(g, !has(g.jwksProbe))))",
        _NO_PUBLIC_KEY,
        field=".gates",
    ),
    Rule(
        f"({_REALM}) ? self.holders.size() == 1 && has(self.holders[0].keycloakRealm) : "
        "self.holders.all(h, !has(h.keycloakRealm))",
        _REALM_HOLDER,
        field=".holders",
    ),
    Rule(
        "self.verifiers.filter(v, "
        + " || ".join(f"has(v.{kind})" for kind in (*(k.key() for k in PROVIDERS), "static"))
        + ").size() <= 1",
        _ONE_PROVIDER,
        field=".verifiers",
    ),
    Rule(f"has(self.outage) || !{_ONE_SLOT}", _OUTAGE_NEEDED),
    Rule(f"!has(self.outage) || {_ONE_SLOT}", _NO_OUTAGE, field=".outage"),
    Rule("!has(self.outage) || !has(self.lead)", _AT_ONCE.format("lead"), field=".lead"),
    Rule(
        "!has(self.outage) || !has(self.firstLead) || !self.firstLead",
        _AT_ONCE.format("firstLead"),
        field=".firstLead",
    ),
    Rule(
        "!has(self.outage) || !has(self.gates) || !has(self.gates.beforeActivate) || "
        "self.gates.beforeActivate.size() == 0",
        _AT_ONCE.format("gate before activation"),
        field=".gates",
    ),
    Rule(
        "!has(self.deletionPolicy) || self.deletionPolicy != 'Delete' || " + _each("!has(v.static)"),
        _INSTALLED,
        field=".deletionPolicy",
    ),
    Rule(
        f"!has({_CLIENT_OF}) || !has({_CLIENT_OF}.length) || !{_some(lambda kind: kind.makes)}",
        f"length: {_MADE_THERE}",
        field=".credential",
    ),
    *(
        Rule(
            f"!has({_CLIENT_OF}) || !has({_CLIENT_OF}.length) || {_CLIENT_OF}.length <= {kind.max_length} || "
            + _each(f"!has(v.{kind.key()})"),
            f"length: {_too_long(kind)}",
            field=".credential",
        )
        for kind in PROVIDERS
        if kind.max_length
    ),
    *(
        Rule(
            f"!({_CLIENT_KEY}) || (has({_CLIENT_OF}.algorithm) && {_CLIENT_OF}.algorithm in {list(kind.algorithms)}) || "
            + _each(f"!has(v.{kind.key()})"),
            f"algorithm: {_other_algorithm(kind)}",
            field=".credential",
        )
        for kind in PROVIDERS
        if kind.algorithms
    ),
    *(rule for kind in PROVIDERS for rule in kind.spec_rules),
    Rule(
        f"!has(self.takeOver) || !has(self.takeOver.kid) || {' || '.join(f'({FORMS[form]})' for form in CARRIED)}",
        _NO_KID,
        field=".takeOver",
    ),
    Rule(
        f"!has(self.takeOver) || !has(self.takeOver.encoding) || {_SHARED}",
        _ONLY_SHARED,
        field=".takeOver",
    ),
    Rule(
        f"!has(self.takeOver) || !has(self.takeOver.encoding) || !{_SHARED} || "
        "!has(self.credential.sharedSecret.algorithm) || has(self.credential.sharedSecret.encoding)",
        _SAID_TWICE,
        field=".takeOver.encoding",
    ),
    Rule(
        f"!has({_CLIENT_OF}) || !has({_CLIENT_OF}.clientId) || "
        + _each(f"!({' || '.join(_let_in_as_itself(k.key()) for k in PROVIDERS if k.with_own == 'auth')})"),
        ITSELF,
        field=".verifiers",
    ),
    Rule(
        f"!{_some(lambda kind: kind.alternates)} || "
        f"self.holders.all(h, {_named('secret')} && {_named('vault')})",
        _WITH_NAME,
        field=".holders",
    ),
    Rule(
        f"!has(self.credential.oauthClient) || has(self.credential.oauthClient.clientId) != {_REGISTERED}",
        f"clientId: {_CLIENT}; where each version is registered, none",
        field=".credential",
    ),
    Rule(
        f"!has(self.takeOver) || !{_some(lambda kind: not kind.takes_over)}", _NO_TAKE_OVER, field=".takeOver"
    ),
    Rule(
        f"!has(self.takeOver) || !has(self.takeOver.provider) || {_some(lambda kind: kind.shows)}",
        _NOT_SHOWN,
        field=".takeOver",
    ),
    Rule(
        f"!{_OWN} || (has(self.takeOver) && !has(self.takeOver.provider))",
        f"takeOver: {_OWN_FIRST}",
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
        given = _mapping(holder)
        where = ("spec", "holders", position, holder.chosen, "data")
        for theirs, ours in given.items():
            if ours.removeprefix(PREVIOUS) not in known:
                yield (*where, theirs), f"unknown field {ours}; {_expected(known)}"
            if holder.vault and theirs in STAMP_FIELDS:
                yield (*where, theirs), _RESERVED
        if given and all(o.startswith(PREVIOUS) for o in given.values()):
            yield where, _NO_ACTIVE


def _mapping(holder: Holder) -> Mapping[str, str]:
    """Return what a holder is handed, by their names; empty: everything by its own."""
    handed = holder.secret or holder.vault
    return (handed and handed.data) or {}


def _hands(condition: str, known: tuple[str, ...]) -> Rule:
    """Return the rule that, under `condition`, every holder is handed only fields that are known."""
    names = [*known, *(f"{PREVIOUS}{name}" for name in known)]
    mapped = " && ".join(
        f"(!has(h.{way}) || !has(h.{way}.data) || h.{way}.data.all(k, h.{way}.data[k] in {names}))"
        for way in ("secret", "vault")
    )
    message = f"a holder's data asks for an unknown field; {_expected(known)}"
    return Rule(f"!({condition}) || self.holders.all(h, {mapped})", message, field=".holders")


_SOME = "https://issuer"
MAPPING_RULES = (
    _hands(FORMS[SIGNING_KEY], JwtSigningKey().fields),
    _hands(f"{_SHARED} && {_ALGORITHM}", SharedSecret(algorithm="HS256").fields),
    _hands(f"{_SHARED} && !{_ALGORITHM}", SharedSecret().fields),
    _hands(_CLIENT_SECRET, OAuthClient(issuer=_SOME).fields),
    _hands(_CLIENT_KEY, OAuthClient(issuer=_SOME, authentication="private_key_jwt").fields),
    _hands(FORMS[DIRECTORY_PASSWORD], LdapPassword(accounts=["cn=x"]).fields),
    _hands(FORMS[APP_ROLE_SECRET], VaultAppRole(role="x").fields),
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
        own: dict[str, str] = {}
        for location, label in _labels(policy):
            where = ".".join(map(str, location))
            if first := own.get(label):
                yield (
                    location,
                    f"{label} is named twice in this rotation, first by {first}; name it once, with all of its data keys",
                )
            elif owner := self._owners.get(label):
                yield location, f"{label} is used already by {owner}; expected one owner"
            own.setdefault(label, where)

    def add(self, policy: RotationPolicy, where: str) -> None:
        """Remember what `policy` claims, and that it was declared at `where`; the first owner stays."""
        if self._declared.setdefault(policy.ref, where) == where:
            for _, label in _labels(policy):
                self._owners.setdefault(label, policy.ref)


def _labels(policy: RotationPolicy) -> Iterator[Problem]:
    """Yield the unique label of each document that belongs to `policy`, and where it is declared."""
    yield ("spec", "store"), store_label(policy)
    for position, verifier in enumerate(policy.spec.verifiers):
        for label in verifier_labels(policy, verifier):
            yield ("spec", "verifiers", position), label
    if client := client_label(policy):
        yield ("spec", "credential", "oauthClient", "clientId"), client
    for position, holder in enumerate(policy.spec.holders):
        for label in holder_labels(policy, holder):
            yield ("spec", "holders", position), label
