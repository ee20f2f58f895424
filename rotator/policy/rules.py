"""What the fields of one declaration mean together: a table of checks, each in Python and beside it in CEL.

What a kind of credential, verifier, holder or gate asks of the rest stands with that kind (`rotator.systems.registry.checks`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from rotator.core.due import LONGEST, is_reason
from rotator.core.timing import format_duration
from rotator.credentials.jwt_signing_key import SIGNING_KEY, JwtSigningKey
from rotator.credentials.oauth_client import CLIENT_KEY, OAuthClient
from rotator.credentials.shared_secret import HAS_ALGORITHM, IS_RAW, SHARED, SharedSecret
from rotator.policy.model import ROTATE, RotationPolicy
from rotator.systems.accepting_holders import THERE, accept_one
from rotator.systems.forms import ENCODINGS, PREFIXES, PREVIOUS, Encoding, Taken, encodings_of, parse, splits
from rotator.systems.provider import ALWAYS, ITSELF, NEVER, Provider, When
from rotator.systems.registry import (
    CREDENTIALS,
    DOCUMENTS,
    FORMS,
    GATES,
    HOLDERS,
    PROVIDERS,
    VERIFIERS,
    checks,
)
from rotator.systems.verifier import needed
from rotator.vocabulary.checks import Check, all_verifiers, each, when
from rotator.vocabulary.footprint import Location
from rotator.vocabulary.problems import Problem
from rotator.vocabulary.types import Rule, seconds

# --- windows -----------------------------------------------------------------------------------------------------


def _given(duration: str) -> str:
    """Return, in CEL, the milliseconds of a duration that must be long enough: halves are rounded up."""
    return f"int({seconds(duration)} * 1000.0 + 0.501)"


def _stalest() -> str:
    """Return, in CEL, the milliseconds of the verifier that takes longest."""
    text = "0"
    for kind in (*PROVIDERS, *DOCUMENTS):
        text = f"has(v.{kind.camel()}) ? {kind.stale()} : ({text})"
    return f"self.verifiers.map(v, {text}).max()"


_SKEW = needed("self.overlap.clockSkew")
_LEAST = f"({_stalest()} + {_SKEW})"
_WHOLE = f"((has(self.outage) ? 0 : has(self.lead) ? {needed('self.lead')} : {_LEAST}) + {needed('self.overlap.tokenTTL')} + {_SKEW})"


def _short_lead(policy: RotationPolicy) -> bool:
    return policy.spec.lead is not None and policy.spec.lead < policy.least_lead.total


def _short_period(policy: RotationPolicy) -> bool:
    return policy.spec.every <= policy.lead + policy.overlap.total


def _sum_of_lead(policy: RotationPolicy, place: Location) -> str:
    del place
    lead = format_duration(policy.lead)
    return f"{lead} is too short; expected at least {policy.least_lead}"


def _sum_of_period(policy: RotationPolicy, place: Location) -> str:
    del place
    whole = policy.lead + policy.overlap.total
    lead = "0s, for all of it would be an outage," if policy.spec.outage else policy.least_lead
    return (
        f"{format_duration(policy.spec.every)} is too short; expected more than lead + overlap = "
        f"{format_duration(policy.lead)} + {format_duration(policy.overlap.total)} = {format_duration(whole)}, "
        f"where lead = {lead} and overlap = {policy.overlap}"
    )


WINDOWS = (
    Check(
        "LeadTooShort",
        "too short; expected at least the longest maxAge + propagation of a verifier, and clockSkew",
        when(_short_lead, "lead"),
        f"!has(self.lead) || {_given('self.lead')} >= {_LEAST}",
        field=".lead",
        says=_sum_of_lead,
        written_out="'%s is too short; expected at least %ss: the longest maxAge + propagation of a verifier, and "
        f"clockSkew'.format([self.lead, double({_LEAST}) / 1000.0])",
    ),
    Check(
        "PeriodTooShort",
        "too short; expected more than lead + tokenTTL + clockSkew",
        when(_short_period, "every"),
        f"{_given('self.every')} > {_WHOLE}",
        field=".every",
        says=_sum_of_period,
        written_out="'%s is too short; expected more than %ss: lead + tokenTTL + clockSkew, where the lead is, if not "
        "given, the longest maxAge + propagation of a verifier, and clockSkew'"
        f".format([self.every, double({_WHOLE}) / 1000.0])",
    ),
)


# --- who suits whom ----------------------------------------------------------------------------------------------

SUITS: dict[str, tuple[str, ...]] = {
    form: tuple(
        kind.camel() for kind in sorted(VERIFIERS, key=lambda kind: kind.by_hand) if form in kind.suits
    )
    for form in FORMS
}
"""Which verifiers suit which form of a credential."""


def _not_suited(form: str) -> str:
    return f"does not suit {form}; expected {', '.join(SUITS[form])}"


def _suits(form: str) -> Check:
    """Return the check, by CEL alone, that a credential of one form has verifiers that accept it."""
    fits = " || ".join(f"has(v.{kind})" for kind in SUITS[form])
    cel = f"!({FORMS[form]}) || {all_verifiers(fits)}"
    return Check("NotSuited", _not_suited(form), None, cel, field=".verifiers")


def _any_of(forms: Iterable[str]) -> str:
    """Return, in CEL, that the credential has one of the forms."""
    return " || ".join(f"({FORMS[form]})" for form in forms)


def _in_config_map(kinds: Iterable[str]) -> str:
    return "[" + ", ".join(f"has(v.{k}) && has(v.{k}.configMap)" for k in kinds) + "].all(x, !x)"


PUBLIC = tuple(form for kind in CREDENTIALS for form in kind.public)
SECRET = tuple(form for kind in CREDENTIALS for form in kind.secret)
CARRIED = tuple(form for kind in CREDENTIALS for form in kind.carried)
_OF_PUBLIC_KEYS = tuple(gate.camel() for gate in GATES if gate.reads_public_keys)


def _probes_nothing(policy: RotationPolicy) -> bool:
    gates = policy.spec.gates
    return policy.spec.credential.one.form not in PUBLIC and any(
        gate.one.reads_public_keys for gate in (*gates.before_activate, *gates.before_destroy)
    )


def _no_such_gate(which: str) -> str:
    return f"(!has(self.gates.{which}) || self.gates.{which}.all(g, {' && '.join(f'!has(g.{g})' for g in _OF_PUBLIC_KEYS)}))"


KINDS = (
    Check(
        "NotSuited",
        "does not suit the credential",
        each("verifiers", lambda policy, v: policy.spec.credential.one.form not in v.one.suits),
        says=lambda policy, _: _not_suited(policy.spec.credential.one.form),
    ),
    *(_suits(form) for form in FORMS),
    Check(
        "SecretInConfigMap",
        "a secret in a ConfigMap is readable by everybody; expected secret or vault",
        each(
            "verifiers",
            lambda policy, v: (
                policy.spec.credential.one.form in SECRET
                and v.document is not None
                and v.document.config_map is not None
            ),
        ),
        f"!({_any_of(SECRET)}) || " + all_verifiers(_in_config_map(kind.camel() for kind in DOCUMENTS)),
        field=".verifiers",
    ),
    Check(
        "NoPublicKey",
        "jwksProbe reads public keys; this credential has none",
        when(_probes_nothing, "gates"),
        f"{_any_of(PUBLIC)} || !has(self.gates) || ({_no_such_gate('beforeActivate')} && {_no_such_gate('beforeDestroy')})",
        field=".gates",
    ),
    Check(
        "OneProvider",
        "a version is made for one provider; expected a rotation for each",
        when(lambda policy: sum(v.one.for_one for v in policy.spec.verifiers) > 1, "verifiers"),
        "self.verifiers.filter(v, "
        + " || ".join(f"has(v.{kind.camel()})" for kind in VERIFIERS if kind.for_one)
        + ").size() <= 1",
        field=".verifiers",
    ),
)


# --- outages -----------------------------------------------------------------------------------------------------


def _some(condition: Callable[[type[Provider]], When | bool]) -> str:
    """Return, in CEL, that there is a verifier `v` of whose kind it holds; false where it holds of none."""
    found = {kind.camel(): condition(kind) for kind in PROVIDERS}
    conditions = {n: w if isinstance(w, When) else ALWAYS if w else NEVER for n, w in found.items()}
    holding = (
        f"(has(v.{n}) && {w.cel})" if w.cel else f"has(v.{n})"
        for n, w in conditions.items()
        if w is not NEVER
    )
    return f"self.verifiers.exists(v, {' || '.join(holding)})"


def _at_one_slot(policy: RotationPolicy) -> bool:
    """Whether a provider among the verifiers accepts one version at a time."""
    return any(v.one.one_slot_for(policy.spec.credential.one) for v in policy.spec.verifiers)


def cannot_overlap(policy: RotationPolicy) -> bool:
    """Whether a verifier of `policy` accepts one version at a time."""
    return _at_one_slot(policy) or accept_one(policy)


_ONE_SLOT = _some(lambda kind: kind.one_slot)


def _at_once(reason: str, what: str, given: Callable[[Any], object], cel: str, *place: str) -> Check:
    """Return the check that nothing is waited for while versions cannot overlap."""
    return Check(
        reason,
        f"while versions cannot overlap, everything that is waited for is an outage; expected no {what}",
        when(lambda policy: policy.spec.outage and given(policy.spec), *place),
        f"!has(self.outage) || {cel}",
        field=f".{place[0]}",
    )


OUTAGES = (
    Check(
        "OutageNeeded",
        "this verifier cannot accept two versions at a time, so every switch is an outage; expected `outage`, which accepts it and "
        "says when, or a verifier that can",
        when(lambda policy: _at_one_slot(policy) and not policy.spec.outage, "outage"),
        f"has(self.outage) || !{_ONE_SLOT}",
    ),
    Check(
        "NoOutage",
        "versions overlap here, and nobody has to be refused; expected no `outage`",
        when(lambda policy: policy.spec.outage and not cannot_overlap(policy), "outage"),
        f"!has(self.outage) || {_ONE_SLOT} || {THERE}",
        field=".outage",
    ),
    _at_once("NoLead", "lead", lambda spec: spec.lead is not None, "!has(self.lead)", "lead"),
    _at_once(
        "NoFirstLead",
        "firstLead",
        lambda spec: spec.first_lead,
        "!has(self.firstLead) || !self.firstLead",
        "firstLead",
    ),
    _at_once(
        "NoGateBefore",
        "gate before activation",
        lambda spec: spec.gates.before_activate,
        "!has(self.gates) || !has(self.gates.beforeActivate) || self.gates.beforeActivate.size() == 0",
        "gates",
        "beforeActivate",
    ),
)


# --- providers ---------------------------------------------------------------------------------------------------

NAMES = {"client_secret": "client_id", "password": "bind_dn"}
"""The field that says whose a field is, where each version has a client or an account of its own."""
_CLIENT = "self.credential.oauthClient"
_AT_CLIENT = ("credential", "oauthClient")


def providers(policy: RotationPolicy) -> list[Provider]:
    """Return the providers among the verifiers."""
    return [v.provider for v in policy.spec.verifiers if v.provider]


def _taken_by(holder: Any) -> Iterator[Taken]:
    """Yield the fields that a holder is handed."""
    for ours in holder.one.asked.values():
        yield from parse(ours).taken


def _lacks_name(policy: RotationPolicy, holder: Any) -> bool:
    """Whether a holder is handed something without the name that goes with it, where each version has its own."""
    given, credential = {taken.named for taken in _taken_by(holder)}, policy.spec.credential.one
    return any(p.alternates.holds(p, credential) for p in providers(policy)) and any(
        f"{of}{field}" in given and f"{of}{name}" not in given
        for field, name in NAMES.items()
        for of in ("", PREVIOUS)
    )


def _named(way: str, field: str, name: str) -> str:
    """Return, in CEL, that the holder `h` is handed no `field` without the `name` that goes with it, unless it has a template."""
    data = f"h.{way}.data"
    alone = _texts((field, name, "issuer"))
    pairs = " && ".join(
        f"(!{data}.exists(k, {data}[k] == '{of}{field}') || {data}.exists(k, {data}[k] in {_written(of, name)}))"
        for of in ("", PREVIOUS)
    )
    return f"(!has(h.{way}) || !has({data}) || {data}.exists(k, !({data}[k] in {alone})) || ({pairs}))"


def _all_named(field: str) -> str:
    """Return the same, in CEL, of all holders."""
    ways = (kind.camel() for kind in HOLDERS if "data" in kind.model_fields)
    return f"self.holders.all(h, {' && '.join(_named(way, field, NAMES[field]) for way in ways)})"


def _written(of: str, field: str) -> list[str]:
    """Return how a field that stands alone is asked for, as it is and in each encoding."""
    return [f"{of}{field}", *(f"{of}{field}|{encoding}" for encoding in encodings_of(field))]


def _texts(fields: Iterable[str]) -> list[str]:
    """Return the same of several fields, of every version that can be asked for."""
    return [text for field in fields for of in PREFIXES for text in _written(of, field)]


def _client(policy: RotationPolicy) -> Any:
    """Return the declared OAuth client; None for other credentials."""
    credential = policy.spec.credential.one
    return credential if isinstance(credential, OAuthClient) else None


def _is_registered(policy: RotationPolicy) -> bool:
    return any(p.registers for p in providers(policy))


_IS_REGISTERED = _some(lambda kind: kind.registers)


def _length_given(policy: RotationPolicy) -> bool:
    client = _client(policy)
    return bool(client and "length" in client.model_fields_set and any(p.makes for p in providers(policy)))


def _too_long(kind: type[Provider]) -> Check:
    def longer(policy: RotationPolicy) -> bool:
        client = _client(policy)
        return bool(
            client and client.length > kind.max_length and any(type(p) is kind for p in providers(policy))
        )

    return Check(
        "TooLong",
        f"{kind.__name__} takes at most {kind.max_length} characters; expected a shorter length",
        when(longer, *_AT_CLIENT, "length"),
        f"!has({_CLIENT}) || !has({_CLIENT}.length) || {_CLIENT}.length <= {kind.max_length} || "
        + all_verifiers(f"!has(v.{kind.camel()})"),
        field=".credential",
        below="length",
    )


def _other_algorithm(kind: type[Provider]) -> Check:
    def differs(policy: RotationPolicy) -> bool:
        client = _client(policy)
        return bool(
            client
            and client.has_key
            and client.algorithm not in kind.algorithms
            and any(type(p) is kind for p in providers(policy))
        )

    return Check(
        "OtherAlgorithm",
        f"{kind.__name__} lets keys in by {', '.join(kind.algorithms)}; expected one of them as algorithm",
        when(differs, *_AT_CLIENT, "algorithm"),
        f"!({FORMS[CLIENT_KEY]}) || (has({_CLIENT}.algorithm) && {_CLIENT}.algorithm in {list(kind.algorithms)}) || "
        + all_verifiers(f"!has(v.{kind.camel()})"),
        field=".credential",
        below="algorithm",
    )


PROVIDED = (
    Check(
        "NoClientId",
        "each version is registered as a client of its own; expected no clientId",
        when(lambda p: (c := _client(p)) and c.client_id and _is_registered(p), *_AT_CLIENT, "clientId"),
        f"!has({_CLIENT}) || !has({_CLIENT}.clientId) || !{_IS_REGISTERED}",
        field=".credential",
        below="clientId",
    ),
    Check(
        "ClientIdNeeded",
        "expected the client's id",
        when(
            lambda p: (c := _client(p)) and not c.client_id and not _is_registered(p), *_AT_CLIENT, "clientId"
        ),
        f"!has({_CLIENT}) || has({_CLIENT}.clientId) || {_IS_REGISTERED}",
        field=".credential",
        below="clientId",
    ),
    Check(
        "MadeThere",
        "the provider makes the secret; expected no length",
        when(_length_given, *_AT_CLIENT, "length"),
        f"!has({_CLIENT}) || !has({_CLIENT}.length) || !{_some(lambda kind: kind.makes)}",
        field=".credential",
        below="length",
    ),
    *(_too_long(kind) for kind in PROVIDERS if kind.max_length),
    *(_other_algorithm(kind) for kind in PROVIDERS if kind.algorithms),
    Check(
        "ByItself",
        ITSELF,
        each("verifiers", lambda p, v: v.provider and v.provider.is_itself(p.spec.credential.one)),
        all_verifiers(f"!({' || '.join(filter(None, (kind.itself() for kind in PROVIDERS)))})"),
        field=".verifiers",
    ),
    Check(
        "NameNeeded",
        "each version has a client or an account of its own; expected its name (client_id, bind_dn) beside it",
        each("holders", _lacks_name),
        f"!{_some(lambda kind: kind.alternates)} || (has({_CLIENT}) ? {_all_named('client_secret')} : {_all_named('password')})",
        field=".holders",
    ),
)


# --- what is in use today ----------------------------------------------------------------------------------------

_OWN = (
    "self.verifiers.exists(v, "
    + " || ".join(
        f"(has(v.{k.camel()}) && has(v.{k.camel()}.{k.with_own}) && has(v.{k.camel()}.{k.with_own}.own))"
        for k in PROVIDERS
        if k.with_own
    )
    + ")"
)


def _taken(condition: Callable[[Any, Any], object]) -> Callable[[Any], bool]:
    """Return what says whether something is taken over of which, beside the policy, the condition holds."""
    return lambda policy: bool(policy.spec.take_over and condition(policy, policy.spec.take_over))


def _not_shown(policy: RotationPolicy, taken: Any) -> bool:
    credential = policy.spec.credential.one
    return bool(taken.provider and not any(p.shows.holds(p, credential) for p in providers(policy)))


def _reads_the_text(policy: RotationPolicy) -> bool:
    """Whether services take the text of an HMAC key as the key."""
    credential = policy.spec.credential.one
    return isinstance(credential, SharedSecret) and bool(credential.algorithm and not credential.encoding)


def _own_is_unknown(policy: RotationPolicy) -> bool:
    taken = policy.spec.take_over
    return any(p.own for p in providers(policy)) and not (taken and not taken.provider)


TAKEN_OVER = (
    Check(
        "NotTakenOver",
        "what the provider made itself cannot be taken over; expected no takeOver",
        when(_taken(lambda policy, _: not all(p.takes_over for p in providers(policy))), "takeOver"),
        f"!has(self.takeOver) || !{_some(lambda kind: not kind.takes_over)}",
        field=".takeOver",
    ),
    Check(
        "NotShown",
        "this provider does not show its secrets; expected secret or vault",
        when(_taken(_not_shown), "takeOver"),
        f"!has(self.takeOver) || !has(self.takeOver.provider) || {_some(lambda kind: kind.shows)}",
        field=".takeOver",
    ),
    Check(
        "NoKid",
        "no token carries the id of this credential's versions; expected no kid",
        when(_taken(lambda p, taken: taken.kid and p.spec.credential.one.form not in CARRIED), "takeOver"),
        f"!has(self.takeOver) || !has(self.takeOver.kid) || {_any_of(CARRIED)}",
        field=".takeOver",
    ),
    Check(
        "NoEncoding",
        "a key shows by itself how it is written, and other credentials are text; expected no encoding",
        when(
            _taken(lambda p, t: t.encoding and not isinstance(p.spec.credential.one, SharedSecret)),
            "takeOver",
        ),
        f"!has(self.takeOver) || !has(self.takeOver.encoding) || {FORMS[SHARED]}",
        field=".takeOver",
    ),
    Check(
        "EncodingOnce",
        "it counts for the value of today alone; expected credential.sharedSecret.encoding as well, which says how services read "
        "the HMAC key from now on, so that takeOver can be removed later",
        when(
            _taken(lambda policy, taken: taken.encoding and _reads_the_text(policy)), "takeOver", "encoding"
        ),
        f"!has(self.takeOver) || !has(self.takeOver.encoding) || !{FORMS[SHARED]} || !{HAS_ALGORITHM} || "
        "has(self.credential.sharedSecret.encoding)",
        field=".takeOver.encoding",
    ),
    Check(
        "OwnFirst",
        "rotator's own credential is how it gets in; expected secret or vault, which holds the one in use",
        when(_own_is_unknown, "takeOver"),
        f"!{_OWN} || (has(self.takeOver) && !has(self.takeOver.provider))",
        below="takeOver",
    ),
)


# --- what holders are handed -------------------------------------------------------------------------------------


def _expected(known: Iterable[str]) -> str:
    return f"expected one of {', '.join(known)}, or {PREVIOUS}FIELD"


def _unknown_fields(policy: RotationPolicy) -> Iterator[Location]:
    known = policy.spec.credential.one.fields
    for position, holder in enumerate(policy.spec.holders):
        for theirs, ours in holder.one.asked.items():
            if any(taken.field not in known for taken in parse(ours).taken):
                yield "holders", position, holder.chosen, "data", theirs


def _unknown_field(policy: RotationPolicy, place: Location) -> str:
    known = policy.spec.credential.one.fields
    unknown = next(taken.named for taken in _taken_at(policy, place) if taken.field not in known)
    return f"unknown field {unknown}; {_expected(known)}"


def _taken_at(policy: RotationPolicy, place: Location) -> tuple[Taken, ...]:
    """Return the fields that stand in one data key of a holder."""
    _, position, _, _, theirs = place
    return parse(policy.spec.holders[int(position)].one.asked[str(theirs)]).taken


def _mapped(entry: str) -> str:
    """Return, in CEL, that `entry` holds of each text in a mapping, which it calls `of[k]`."""
    ways = (f"h.{kind.camel()}" for kind in HOLDERS if "data" in kind.model_fields)
    each_way = (
        f"(!has({way}) || !has({way}.data) || {way}.data.all(k, {entry.format(f'{way}.data[k]')}))"
        for way in ways
    )
    return f"self.holders.all(h, {' && '.join(each_way)})"


def _in_each(cases: Iterable[tuple[str, str]], otherwise: str = "true") -> str:
    """Return, in CEL, what counts under each of some conditions that exclude each other."""
    text = otherwise
    for condition, holds in cases:
        text = f"({condition}) ? ({holds}) : ({text})"
    return text


def _none_of(refused: Iterable[str]) -> str:
    """Return, in CEL, that no holder asks for one of some texts."""
    return _mapped(f"!({{0}} in {list(refused)})")


def _hands(known: tuple[str, ...]) -> str:
    """Return, in CEL, that every holder is handed only fields that are known; what a template takes is not looked at.

    The API server reckons that a look for `${` walks through the longest text there can be: for all credentials there is one rule.
    """
    return _mapped(f"({{0}} in {_texts(known)} || {{0}}.contains('${{{{'))")


def _said(known: tuple[str, ...]) -> str:
    """Return, in CEL, what is said of a field that is none of those."""
    return f"'a holder\\'s data asks for an unknown field, or for an encoding that it has not; {_expected(known)}'"


_EXAMPLES = [item for kind in CREDENTIALS for item in kind.examples().items() if item[1].fields]

MAPPINGS = (
    Check("UnknownField", "unknown field", _unknown_fields, says=_unknown_field),
    Check(
        "UnknownField",
        "a holder's data asks for an unknown field",
        None,
        _in_each((condition, _hands(one.fields)) for condition, one in _EXAMPLES),
        field=".holders",
        written_out=_in_each(
            ((condition, _said(one.fields)) for condition, one in _EXAMPLES), otherwise="''"
        ),
    ),
)


# --- how it is written -------------------------------------------------------------------------------------------


def _algorithm_of(policy: RotationPolicy) -> str | None:
    """Return the `alg` of keys; None for other credentials."""
    credential = policy.spec.credential.one
    if isinstance(credential, JwtSigningKey) or (isinstance(credential, OAuthClient) and credential.has_key):
        return credential.algorithm
    return None


def _is_raw(policy: RotationPolicy) -> bool:
    credential = policy.spec.credential.one
    return isinstance(credential, SharedSecret) and credential.encoding == "raw"


def _why_not(policy: RotationPolicy, taken: Taken) -> str:
    """Say why a field that has an encoding has it not with this credential; empty: it has."""
    encoding, algorithm = ENCODINGS.get(taken.encoding), _algorithm_of(policy)
    if encoding is None:
        return ""
    if algorithm and not algorithm.startswith(encoding.algorithms):
        return f"a key of {algorithm} is not written as {encoding.name}; expected pkcs8, or {_algorithms(encoding)} as algorithm"
    if encoding.only_text and taken.field == "value" and _is_raw(policy):
        return f"raw bytes are not written as {encoding.name}, which is for text; expected base64 or hex"
    alphabet = (getattr(policy.spec.credential.one, "alphabet", None) or "") if taken.field == "value" else ""
    if odd := sorted(set(alphabet) & set(encoding.never)):
        return f"readers of {encoding.name} do not agree on {' '.join(odd)}; expected an alphabet without"
    return ""


def _algorithms(encoding: Encoding) -> str:
    return " or ".join(f"{begin}…" for begin in encoding.algorithms)


def _not_written(policy: RotationPolicy) -> Iterator[Location]:
    for position, holder in enumerate(policy.spec.holders):
        for theirs, ours in holder.one.asked.items():
            if any(_why_not(policy, taken) for taken in parse(ours).taken):
                yield "holders", position, holder.chosen, "data", theirs


def _says_why_not(policy: RotationPolicy, place: Location) -> str:
    return next(why for taken in _taken_at(policy, place) if (why := _why_not(policy, taken)))


def _unfit(algorithm: str) -> list[str]:
    """Return how keys of an algorithm are asked for in encodings that they have not."""
    return [
        f"{of}{field}|{encoding.name}"
        for encoding in ENCODINGS.values()
        if not algorithm.startswith(encoding.algorithms)
        for field in encoding.of
        for of in PREFIXES
    ]


def _keys_are_written(form: str, kind: str) -> tuple[str, str]:
    """Return, in CEL, the condition of one form that is a key, and that it is asked for in no encoding that it has not."""
    algorithm = f"self.credential.{kind}.algorithm"
    by_beginning = (
        (f"{algorithm}.startsWith('{kind}')", _none_of(_unfit(kind))) for kind in ("RS", "PS", "ES", "EdDSA")
    )
    default = _none_of(_unfit(JwtSigningKey().algorithm))
    return FORMS[form], f"has({algorithm}) ? ({_in_each(by_beginning)}) : ({default})"


WRITTEN = (
    Check("NotWritten", "is not written so", _not_written, says=_says_why_not),
    Check(
        "NotWritten",
        "a holder's data asks for an encoding that this credential has not: pkcs1 is for RSA, sec1 for elliptic curves, and raw bytes "
        "are no text",
        None,
        _in_each(
            (
                _keys_are_written(SIGNING_KEY, "jwtSigningKey"),
                _keys_are_written(CLIENT_KEY, "oauthClient"),
                (
                    IS_RAW,
                    _none_of(
                        f"{of}value|{e.name}" for e in ENCODINGS.values() if e.only_text for of in PREFIXES
                    ),
                ),
            )
        ),
        field=".holders",
    ),
)


# --- lists in a text ---------------------------------------------------------------------------------------------


def _split(policy: RotationPolicy, text: str) -> str:
    """Return the separator of a list that values of this credential can hold; empty: there is none."""
    alphabet = getattr(policy.spec.credential.one, "alphabet", None) or ""
    return next((separator for separator, _ in parse(text).separators if separator in alphabet), "")


def _splitting(policy: RotationPolicy) -> Iterator[Location]:
    for position, holder in enumerate(policy.spec.holders):
        for theirs, ours in holder.one.asked.items():
            if _split(policy, ours):
                yield "holders", position, holder.chosen, "data", theirs


def _says_split(policy: RotationPolicy, place: Location) -> str:
    _, position, _, _, theirs = place
    separator = _split(policy, policy.spec.holders[int(position)].one.asked[str(theirs)])
    return f"a value {splits(separator)}; expected an alphabet without"


LISTS = (Check("Splits", "a value holds the separator of its list", _splitting, says=_says_split),)

CHECKS = (*WINDOWS, *KINDS, *OUTAGES, *PROVIDED, *TAKEN_OVER, *MAPPINGS, *WRITTEN, *LISTS, *checks())
"""All checks, in the order in which problems are told."""
_IN_PYTHON = tuple((check.places, check) for check in CHECKS if check.places)


def unsafe(policy: RotationPolicy) -> Iterator[Problem]:
    """Yield what cannot be carried out, though every field by itself is well."""
    for places, check in _IN_PYTHON:
        for place in places(policy):
            yield check.problem(policy, place)
    if policy.asked_for is not None and not is_reason(policy.asked_for):
        yield (
            ("metadata", "annotations", ROTATE),
            f"expected a reason of at most {LONGEST} printable characters",
        )


def rules_of(name: str) -> tuple[Rule, ...]:
    """Return the checks in CEL that are about the class `name`."""
    return tuple(check.rule for check in CHECKS if check.cel and check.of == name)
