"""Those who are handed the credential, under the names that an application already reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, Any, ClassVar

from pydantic import Field

from rotator.core.sensitive import Sensitive
from rotator.credentials.shared_secret import IS_RAW, SharedSecret
from rotator.kinds import MANAGED_BY, MARK, PREFIX, SECRET, Address, SecretMeta
from rotator.ports import Credential, Rendered, Want
from rotator.ports.stamp import STAMP_FIELDS
from rotator.systems.forms import OTHER, PREVIOUS, Source, parse, read, render
from rotator.vocabulary.checks import Check, each, when
from rotator.vocabulary.footprint import Home, Location, Place, Touch
from rotator.vocabulary.places import FETCHED, MOUNTED, delivered
from rotator.vocabulary.types import (
    DataKey,
    LabelKey,
    LabelValue,
    Model,
    Name,
    Namespace,
    SecretType,
    VaultRef,
    to_camel,
)

OPAQUE, BASIC_AUTH = "Opaque", "kubernetes.io/basic-auth"
CARRIERS = {"private_key", "jwk", "value", "client_secret", "password", "secret_id"}
"""The fields of ours that are the credential itself."""


# --- what is declared --------------------------------------------------------------------------------------------


class HolderKind(Model):
    """A kind of holder."""

    declared_as: ClassVar[str]
    """Its name among the holders of a declaration, in snake case."""
    handed: ClassVar[bool] = True
    """Whether it is handed the credential, so that it can be restarted, or reads again by itself."""
    referenced: ClassVar[bool] = False
    """Whether workloads say in Kubernetes that they read it."""
    rereads: ClassVar[timedelta | None] = None
    """Within what time it reads again by itself, where a declaration does not say; None: it is handed nothing."""
    checks: ClassVar[tuple[Check, ...]] = ()
    """What it asks of the rest of the declaration."""

    @classmethod
    def camel(cls) -> str:
        """Return its name as it stands in a declaration: `keycloakRealm`."""
        return to_camel(cls.declared_as)

    def places(self, home: Home) -> tuple[Place, ...]:
        """Return where the credential is delivered to."""
        del home
        return ()

    @property
    def asked(self) -> Mapping[str, str]:
        """What it is handed, by its own names; empty: everything."""
        return {}

    @property
    def texts_given(self) -> Mapping[str, str]:
        """What stands there beside the credential, by its own names."""
        return {}

    @property
    def meta(self) -> SecretMeta:
        """What is said of it where rotator makes it."""
        return SecretMeta()

    def mapping(self, fields: tuple[str, ...]) -> Mapping[str, str]:
        """Return what it is handed of a credential with `fields`, by its own names."""
        return self.asked or {field: field for field in fields}

    @property
    def has_other(self) -> bool:
        """Whether it is handed the other accepted version as well, so that it can check with both."""
        return any(parse(ours).has_other for ours in self.asked.values())

    def touches(self, home: Home) -> Iterator[Touch]:
        """It is delivered to."""
        for place in self.places(home):
            yield from delivered(place)


def _some_active(of: str, camel: str) -> Check:
    """Return the check that holders of one kind are handed something of the active version."""
    return Check(
        "NothingActive",
        "only previous or other fields; expected at least one of the active version",
        each("holders", lambda _, h: h.one.camel() == camel and _nothing_active(h.one), camel, "data"),
        f"!has(self.data) || self.data.exists(k, !self.data[k].startsWith('{PREVIOUS}') && !self.data[k].startsWith('{OTHER}'))",
        field=".data",
        of=of,
    )


def _nothing_active(kind: HolderKind) -> bool:
    return bool(kind.asked) and not any(parse(ours).is_active for ours in kind.asked.values())


_RESERVED_KEYS = f"rotator and Kubernetes say these themselves; expected keys other than {PREFIX}/…, {MANAGED_BY} and kubectl.kubernetes.io/…"
_TYPES = (
    "a type that Kubernetes gives a meaning to, and that a credential alone does not have; expected Opaque, kubernetes.io/basic-auth with "
    "the data keys username and password, or a type of your own"
)
_TWICE = "a data key that holds a field of the credential too; expected each once"


def _every_secret(wrong: Callable[[SecretHolder], bool], *below: str) -> Callable[[Any], Iterable[Location]]:
    """Return what finds the Secrets among the holders of which the condition holds."""
    return each("holders", lambda _, h: isinstance(h.one, SecretHolder) and wrong(h.one), "secret", *below)


def _is_reserved(key: str) -> bool:
    return key == MANAGED_BY or key.startswith((f"{PREFIX}/", "kubectl.kubernetes.io/"))


def _reserves(names: str) -> Callable[[SecretHolder], bool]:
    return lambda holder: any(map(_is_reserved, getattr(holder, names) or ()))


_OURS = {
    "labels": (MANAGED_BY, MARK),
    "annotations": (
        *(f"{PREFIX}/{name.replace('_', '-')}" for name in STAMP_FIELDS),
        "kubectl.kubernetes.io/last-applied-configuration",
    ),
}
"""The reserved keys that can be named: the API server reckons that how a key begins costs as much as the longest request."""


def _not_reserved(names: str) -> str:
    """Return, in CEL, that none of these keys is in a mapping."""
    return f"!has(self.{names}) || ({' && '.join(f'!({key!r} in self.{names})' for key in _OURS[names])})"


class SecretHolder(HolderKind):
    """A Kubernetes Secret in one or many namespaces."""

    declared_as: ClassVar[str] = "secret"
    referenced: ClassVar[bool] = True
    rereads: ClassVar[timedelta | None] = MOUNTED
    checks: ClassVar[tuple[Check, ...]] = (
        _some_active("SecretHolder", "secret"),
        *(
            Check(
                "ReservedKey",
                _RESERVED_KEYS,
                _every_secret(_reserves(names), names),
                _not_reserved(names),
                field=f".{names}",
                of="SecretHolder",
            )
            for names in ("labels", "annotations")
        ),
        Check(
            "TypeOfKubernetes",
            _TYPES,
            _every_secret(lambda s: not s.has_own_type, "type"),
            "!has(self.type) || self.type == 'Opaque' || (self.type == 'kubernetes.io/basic-auth' ? "
            "['username', 'password'].all(k, (has(self.data) && k in self.data) || (has(self.texts) && k in self.texts)) : "
            "!self.type.contains('kubernetes.io/') && !self.type.startsWith('helm.sh/') && !self.type.startsWith('rotator.dev/'))",
            field=".type",
            of="SecretHolder",
        ),
        Check(
            "NamedTwice",
            _TWICE,
            each(
                "holders",
                lambda policy, h: (
                    h.one.texts_given.keys() & set(h.one.mapping(policy.spec.credential.one.fields))
                ),
                "secret",
                "texts",
            ),
            "!has(self.texts) || !has(self.data) || self.texts.all(k, !(k in self.data))",
            field=".texts",
            of="SecretHolder",
        ),
    )

    name: Name = Field(description="The name of the Secret; rotator makes it.")
    namespaces: list[Namespace] | None = Field(
        None, min_length=1, max_length=1000, description="Default: the rotation's namespace."
    )
    data: dict[DataKey, Source] | None = Field(
        None,
        min_length=1,
        max_length=16,
        description="Data key -> our field, as {key: private_key}; previous.FIELD for the version on its way out; other.FIELD, with verifiers[].holders, "
        "for the other accepted version; FIELD|ENCODING, as private_key|pkcs1; or a text with ${FIELD} or ${FIELD|ENCODING} in it. Default: every field by its own name.",
    )

    texts: dict[DataKey, Annotated[str, Field(max_length=1024)]] | None = Field(
        None,
        min_length=1,
        max_length=16,
        description="Data key -> a text that stands there as it is and is no secret, as {username: payments}.",
    )
    labels: dict[LabelKey, LabelValue] | None = Field(
        None,
        max_length=16,
        description="Labels of the Secret, as {konghq.com/credential: jwt}, where rotator made it. One that others made keeps theirs.",
    )
    annotations: dict[LabelKey, Annotated[str, Field(max_length=1024)]] | None = Field(
        None, max_length=16, description="Annotations of the Secret, where rotator made it."
    )
    type: SecretType | None = Field(
        None, description="The type of the Secret where rotator makes it. Default: Opaque."
    )

    @property
    def has_own_type(self) -> bool:
        """Whether its type is one that a credential alone can have."""
        if self.type == BASIC_AUTH:
            return {"username", "password"} <= self.texts_given.keys() | self.asked.keys()
        return self.type in {None, OPAQUE} or not (
            "kubernetes.io/" in str(self.type) or str(self.type).startswith(("helm.sh/", f"{PREFIX}/"))
        )

    @property
    def texts_given(self) -> Mapping[str, str]:
        """What stands there beside the credential."""
        return self.texts or {}

    @property
    def meta(self) -> SecretMeta:
        """What is said of the Secret."""
        return SecretMeta(self.labels or {}, self.annotations or {}, self.type or "")

    def places(self, home: Home) -> tuple[Place, ...]:
        """Return the Secret in each namespace."""
        return tuple(
            Address(SECRET, namespace, self.name) for namespace in self.namespaces or [home.namespace]
        )

    @property
    def asked(self) -> Mapping[str, str]:
        """What it is handed."""
        return self.data or {}


_RESERVED = f"reserved; expected a name other than {', '.join(STAMP_FIELDS)}"


class VaultHolder(VaultRef, HolderKind):
    """A Vault path in flat string fields, current and previous."""

    declared_as: ClassVar[str] = "vault"
    rereads: ClassVar[timedelta | None] = FETCHED
    checks: ClassVar[tuple[Check, ...]] = (
        _some_active("VaultHolder", "vault"),
        Check(
            "ReservedField",
            _RESERVED,
            lambda policy: _reserved(policy.spec),
            f"!has(self.data) || self.data.all(k, !(k in {list(STAMP_FIELDS)}))",
            field=".data",
            of="VaultHolder",
        ),
        Check(
            "NoText",
            "raw bytes do not fit in Vault's text fields; expected base64 or hex",
            when(lambda policy: _raw_in_vault(policy.spec), "holders"),
            f"!{IS_RAW} || self.holders.all(h, !has(h.vault))",
            field=".holders",
        ),
    )

    data: dict[DataKey, Source] | None = Field(
        None,
        min_length=1,
        max_length=16,
        description="Their field -> our field, perhaps with |ENCODING, or a text with ${FIELD} in it. Default: every field by its own name, and as previous_FIELD.",
    )

    def places(self, home: Home) -> tuple[Place, ...]:
        """Return the document."""
        del home
        return (self.document,)

    @property
    def asked(self) -> Mapping[str, str]:
        """What it is handed."""
        return self.data or {}

    def mapping(self, fields: tuple[str, ...]) -> Mapping[str, str]:
        """Return what it is handed: without a word, what its readers need who cannot see two versions at once."""
        return self.asked or current_and_previous(fields)


def _reserved(spec: Any) -> Iterator[Location]:
    """Yield the fields that would take the names of the stamp."""
    for position, holder in enumerate(spec.holders):
        if isinstance(holder.one, VaultHolder):
            yield from (
                ("holders", position, "vault", "data", t) for t in holder.one.asked if t in STAMP_FIELDS
            )


def _raw_in_vault(spec: Any) -> bool:
    credential = spec.credential.one
    raw = isinstance(credential, SharedSecret) and credential.encoding == "raw"
    return raw and any(isinstance(h.one, VaultHolder) for h in spec.holders)


# --- what is delivered -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Mapped:
    """Renders the active version, and where the mapping asks for it the previous one."""

    credential: Credential
    data: Mapping[str, str]
    """Their name -> our field."""
    texts: Mapping[str, str] = field(default_factory=dict)
    """What stands there beside the credential, and is no secret."""

    @property
    def names(self) -> tuple[str, ...]:
        """The fields of the target that are ours."""
        return (*self.data, *self.texts)

    def __call__(self, want: Want) -> Rendered:
        """Return the fields; those of a previous version that does not exist are to be removed.

        What holds something of the active version, or of the other one, is current, also where it has the previous one in it as well.
        """
        fields = [self.credential.fields(c.id, c.material) for c in want.copies]
        current, other = fields[0], fields[1] if len(fields) > 1 else {}
        retiring = want.ring.retiring
        before = other if retiring and retiring.id in {c.id for c in want.copies[1:]} else {}
        shapes = {name: parse(ours) for name, ours in self.data.items()}
        values = {name: render(shape, current, before, other) for name, shape in shapes.items()}
        return Rendered(
            current={n: v for n, v in values.items() if v is not None and not shapes[n].is_previous}
            | {n: Sensitive(text) for n, text in self.texts.items()},
            previous={n: v for n, v in values.items() if shapes[n].is_previous},
            same=self._is_same,
            carriers=frozenset(n for n, shape in shapes.items() if CARRIERS & {t.named for t in shape.taken}),
        )

    def _is_same(self, name: str, theirs: Sensitive, ours: Sensitive) -> bool:
        """Whether others wrote down the same: a field is compared by its meaning, in whatever encoding, a template as text."""
        if name in self.texts:
            return theirs == ours
        shape = parse(self.data[name])
        one, other = read(shape, theirs), read(shape, ours)
        if theirs == ours or one is None or other is None:
            return theirs == ours
        return self.credential.same(shape.taken[0].field, one, other)


def current_and_previous(fields: tuple[str, ...]) -> dict[str, str]:
    """Return the layout of a Vault path: every field by its own name, and again as `previous_` field."""
    return {f: f for f in fields} | {f"previous_{f}": f"{PREVIOUS}{f}" for f in fields}
