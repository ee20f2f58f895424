"""The declaration of a rotation: one closed schema for files and custom resources.

Unknown fields, unsafe windows, duplicate names and references to nothing are refused, all at once, each with file,
line and what was expected. Every default is in the published JSON schema (`rotator schema`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import time, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeAlias

from pydantic import ConfigDict, Field, create_model, model_validator
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

from rotator.core.timing import Staleness, Sum, format_duration, least_lead, least_overlap
from rotator.core.weekly import Weekly
from rotator.kinds import SECRET, Address, ring_name
from rotator.systems.document import Document
from rotator.systems.gate import GateKind
from rotator.systems.holders import HolderKind
from rotator.systems.provider import NEVER, Provider
from rotator.systems.registry import CREDENTIALS, DOCUMENTS, GATES, HOLDERS, PROVIDERS, VERIFIERS
from rotator.systems.verifier import VerifierKind
from rotator.vocabulary.credential import CredentialKind
from rotator.vocabulary.first_used import behind, first_used
from rotator.vocabulary.footprint import Home, Location, Place, Touch, Use
from rotator.vocabulary.places import Restart
from rotator.vocabulary.traversal import touched
from rotator.vocabulary.types import (
    DNS_LABEL,
    TIME_OF_DAY,
    Duration,
    Kid,
    Model,
    Namespace,
    OneOf,
    Positive,
    Rule,
    SecretKey,
    VaultField,
    VaultRef,
    seconds,
)

if TYPE_CHECKING:
    from pydantic_core import core_schema


ROTATE = "rotator.dev/rotate"
"""The annotation that asks for a rotation now; its value is the reason."""


def _choice(kinds: Any) -> Any:
    """Return the choice of one of `kinds`, each by its name; the class that is made from it adds what goes with all of them."""
    named: dict[str, Any] = {kind.declared_as: (first_used(kind) | None, None) for kind in kinds}
    return create_model("Choice", __base__=OneOf, **named)


if TYPE_CHECKING:
    _Credentials: TypeAlias = OneOf
    _Verifiers: TypeAlias = OneOf
    _Holders: TypeAlias = OneOf
    _Gates: TypeAlias = OneOf
else:
    _Credentials, _Verifiers = _choice(CREDENTIALS), _choice(VERIFIERS)
    _Holders, _Gates = _choice(HOLDERS), _choice(GATES)

# --- windows ---------------------------------------------------------------------------------------------------


class Overlap(Model):
    """How long the old version stays accepted after the last holder has switched."""

    token_ttl: Positive = Field(
        alias="tokenTTL", description="The longest life of a token or session made with the credential."
    )
    clock_skew: Duration = Field(
        timedelta(seconds=60),
        description="How far clocks may differ. A run whose own clock is off by more changes nothing.",
    )


# --- who accepts, who uses ---------------------------------------------------------------------------------------

_NOTHING_READS = (
    "nothing in Kubernetes reads what a provider accepts; expected restart at the holders, if anywhere"
)
_NO_REFERENCE = "restart.workloads: nothing in Kubernetes references a Vault path; name the workloads"


class Credential(_Credentials):
    """What is rotated."""

    @cached_property
    def one(self) -> CredentialKind:
        """The kind, as it is declared."""
        given: CredentialKind = self.given
        return given


class Verifier(_Verifiers):
    """Somebody who accepts the credential."""

    restart: Restart | None = Field(None, description="For verifiers that read only at their start.")

    @classmethod
    def extras(cls) -> tuple[str, ...]:
        """Return the optional fields that are no alternatives."""
        return ("restart",)

    rules = (
        Rule(
            " || ".join(("!has(self.restart)", *(f"has(self.{kind.camel()})" for kind in DOCUMENTS))),
            _NOTHING_READS,
        ),
    )

    @model_validator(mode="after")
    def _read_by_workloads(self) -> Self:
        if self.restart and self.document is None:
            raise ValueError(_NOTHING_READS)
        # Nothing in CEL, as for holders.
        if self.restart and self.document and self.document.vault and self.restart.workloads == "auto":
            raise ValueError(_NO_REFERENCE)
        return self

    @cached_property
    def one(self) -> VerifierKind:
        """The kind, as it is declared."""
        given: VerifierKind = self.given
        return given

    @property
    def document(self) -> Document | None:
        """The document that is read; None where it is a provider."""
        return self.one if isinstance(self.one, Document) else None

    @property
    def provider(self) -> Provider | None:
        """The provider; None where it is a document."""
        return self.one if isinstance(self.one, Provider) else None

    def touches(self, home: Home) -> Iterator[Touch]:
        """The workloads that are restarted."""
        if self.restart and self.document:
            yield from self.restart.in_namespace(self.document.namespace or home.namespace)


_HANDED_NOTHING = "a realm is handed nothing; expected no restart and no pickUp"
_UNHANDED = " && ".join(f"!has(self.{kind.camel()})" for kind in HOLDERS if not kind.handed)


class Holder(_Holders):
    """Somebody who uses the credential."""

    restart: Restart | None = Field(
        None,
        description="For holders that read only at their start. With vault: only where the pods themselves read Vault then; where "
        "an operator copies the path into a Secret, use pickUp.",
    )
    pick_up: Positive | None = Field(
        None,
        description="Without restart: within what time a holder reads again by itself. "
        "Default: 3m for a Secret, 5m for Vault.",
    )

    @classmethod
    def extras(cls) -> tuple[str, ...]:
        """Return the optional fields that are no alternatives."""
        return ("restart", "pick_up")

    rules = (
        Rule("!(has(self.restart) && has(self.pickUp))", "expected restart or pickUp, not both"),
        Rule(f"({_UNHANDED}) || !(has(self.restart) || has(self.pickUp))", _HANDED_NOTHING),
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.restart and self.pick_up:
            raise ValueError("expected restart or pickUp, not both")
        if not self.one.handed and (self.restart or self.pick_up):
            raise ValueError(_HANDED_NOTHING)
        # Nothing in CEL: it cannot see `workloads`, which has no one type.
        if self.restart and not self.one.referenced and self.restart.workloads == "auto":
            raise ValueError(_NO_REFERENCE)
        return self

    @cached_property
    def one(self) -> HolderKind:
        """The kind, as it is declared."""
        given: HolderKind = self.given
        return given

    @property
    def picks_up_within(self) -> timedelta | None:
        """The pick-up time that counts; None where workloads are restarted."""
        return None if self.restart else self.pick_up or self.one.rereads

    def touches(self, home: Home) -> Iterator[Touch]:
        """The workloads that are restarted."""
        if self.restart:
            for place in self.one.places(home):
                yield from self.restart.in_namespace(
                    place.namespace if isinstance(place, Address) else home.namespace
                )


# --- gates, store, the whole -----------------------------------------------------------------------------------


class Gate(_Gates):
    """A condition that must be seen."""

    @cached_property
    def one(self) -> GateKind:
        """The kind, as it is declared."""
        given: GateKind = self.given
        return given


class Gates(Model):
    """Conditions before steps."""

    before_activate: list[Gate] = Field(
        [], max_length=16, description="All of them must be open before holders are handed the new version."
    )
    before_destroy: list[Gate] = Field(
        [], max_length=16, description="All of them must be open before verifiers forget the old version."
    )


class KubernetesStore(Model):
    """The ring in the Secret `rotation-NAME` of the rotation's namespace."""


class Store(OneOf):
    """Where ring and material are kept."""

    vault: VaultRef | None = None
    kubernetes: KubernetesStore | None = None

    def place(self, home: Home) -> Place:
        """Return where that is."""
        if self.vault:
            return self.vault.document
        return Address(SECRET, home.namespace, ring_name(home.name))

    def touches(self, home: Home) -> Iterator[Touch]:
        """It is kept there."""
        yield Touch(self.place(home), Use.KEPT)


_SHOWING = [kind.__name__ for kind in PROVIDERS if kind.shows is not NEVER]


class FromProvider(Model):
    """The provider itself is asked."""


class TakeOver(OneOf):
    """The credential that is in use: it becomes the first version, and nobody notices."""

    secret: SecretKey | None = None
    vault: VaultField | None = None
    provider: FromProvider | None = Field(
        None,
        description=f"The value that the provider shows as the one in use. These do: {', '.join(_SHOWING)}.",
    )
    kid: Kid | None = Field(None, description="What its tokens carry; default: derived as for new ones.")
    encoding: Literal["base64", "base64url", "hex"] | None = Field(
        None,
        description="With a shared secret: how the field writes the value of today; an HMAC key needs sharedSecret.encoding as well. Default: as "
        "sharedSecret.encoding says of an HMAC key, else as it is.",
    )

    @classmethod
    def extras(cls) -> tuple[str, ...]:
        """Return the optional fields that are no alternatives."""
        return ("kid", "encoding")


Day = Literal["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]


class Outage(Model):
    """When a switch without overlap may begin, in UTC. One that was begun is finished."""

    days: list[Day] = Field(
        ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"],
        min_length=1,
        max_length=7,
        description="Default: every day.",
    )
    start: str = Field(pattern=TIME_OF_DAY, max_length=5, description="The time of day in UTC, as 02:30.")
    length: Positive = Field(description="How long the window is open, at most a day.")

    rules = (Rule(f"{seconds('self.length')} <= 86400.0006", "length: expected at most 1d"),)

    @model_validator(mode="after")
    def _within_a_day(self) -> Self:
        if self.length > timedelta(days=1):
            raise ValueError("length: expected at most 1d")
        return self

    @property
    def weekly(self) -> Weekly:
        """The window."""
        return Weekly(tuple(self.days), time.fromisoformat(self.start), self.length)


class Spec(Model):
    """What is rotated, when, for whom."""

    credential: Credential
    take_over: TakeOver | None = None
    every: Positive = Field(
        description="The period: so long after an activation the next version is made. Longer than lead and overlap."
    )
    overlap: Overlap
    lead: Duration | None = Field(
        None, description="Between publication and activation. Default: computed; a longer one is kept."
    )
    first_lead: bool = Field(
        default=False,
        description="Whether the first version waits for the lead too, though nobody can have a stale cache. At a provider, and in a shared "
        "set, it always does.",
    )
    store: Store
    verifiers: list[Verifier] = Field(
        min_length=1, max_length=64, description="Everybody who accepts the credential."
    )
    holders: list[Holder] = Field(
        min_length=1, max_length=32, description="Everybody who uses the credential."
    )
    gates: Gates = Gates()
    outage: Outage | None = Field(
        None,
        description="Accepts that logins are refused while the credential is switched, because its verifier cannot accept two at "
        "a time, and says when that may be. Required there, and refused everywhere else.",
    )
    deletion_policy: Literal["Retain", "Delete"] = Field(
        "Retain",
        description="What happens with the credential when this custom resource is deleted. Retain: nothing, "
        "everything stays as it is and goes on working. Delete: the credential is withdrawn from its verifiers, "
        "and what rotator made is deleted. In a file only Retain is possible.",
    )


class Metadata(Model):
    """Name, namespace and labels."""

    name: Annotated[str, Field(pattern=DNS_LABEL, max_length=52)]
    namespace: Namespace
    labels: dict[str, str] = Field({})
    annotations: dict[str, str] = Field({})


class RotationPolicy(Model):
    """One declared rotation."""

    model_config = ConfigDict(title="Rotation")

    api_version: Literal["rotator.dev/v1alpha1"]
    kind: Literal["Rotation"]
    metadata: Metadata
    spec: Spec

    @property
    def home(self) -> Home:
        """The rotation that all of it is about."""
        return Home(self.metadata.namespace, self.metadata.name, self.spec.credential.one.subjects)

    @property
    def ref(self) -> str:
        """`namespace/name`."""
        return f"{self.metadata.namespace}/{self.metadata.name}"

    @property
    def asked_for(self) -> str | None:
        """Why a rotation is to begin now, by the annotation `rotator.dev/rotate`; each reason rotates once."""
        return self.metadata.annotations.get(ROTATE)

    @property
    def kind_name(self) -> str:
        """The credential kind, as written in the file: `jwtSigningKey`."""
        return self.spec.credential.one.camel()

    @property
    def digest(self) -> str:
        """Changes with what is to be carried out and with nothing else: what follows a deletion is no part of it."""
        text = json.dumps(
            self.spec.model_dump(mode="json", exclude={"deletion_policy"}, exclude_none=True), sort_keys=True
        )
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def staleness(self, verifier: Verifier) -> Staleness:
        """How long `verifier` may work with what was there before."""
        kind = verifier.one
        title = kind.titles(self.home)[0]
        name = f"{kind.camel()} {title}" if verifier.document else title
        return Staleness(name, kind.cache(restarted=verifier.restart is not None), kind.travel)

    @cached_property
    def least_lead(self) -> Sum:
        """The sum that the lead must reach."""
        return least_lead((self.staleness(v) for v in self.spec.verifiers), self.spec.overlap.clock_skew)

    @cached_property
    def lead(self) -> timedelta:
        """The lead that counts; where versions cannot overlap, every second of it would be an outage."""
        if self.spec.outage:
            return timedelta()
        return self.spec.lead if self.spec.lead is not None else self.least_lead.total

    @property
    def forget(self) -> timedelta:
        """How long after its withdrawal a version may still be accepted somewhere: only then it is dead."""
        lingers = max(v.one.lingers(restarted=v.restart is not None) for v in self.spec.verifiers)
        return lingers + self.spec.overlap.clock_skew if lingers else lingers

    @property
    def waits_at_first(self) -> bool:
        """Whether the first version waits for the lead too.

        A provider has nodes that learn of it one after the other, and the readers of a realm's keys have caches already. So
        have those of a set in which others have keys.
        """
        return self.spec.first_lead or any(
            v.one.waits_at_first or (v.document and v.document.is_shared) for v in self.spec.verifiers
        )

    @property
    def overlap(self) -> Sum:
        """The sum that the overlap is."""
        return least_overlap(self.spec.overlap.token_ttl, self.spec.overlap.clock_skew)

    @property
    def converge(self) -> timedelta:
        """How long the slowest holder may take to switch."""
        limits = [
            h.restart.timeout if h.restart else 2 * (h.picks_up_within or timedelta(minutes=5))
            for h in self.spec.holders
        ]
        return max(limits)

    @property
    def footprint(self) -> Iterator[tuple[Location, Touch]]:
        """Yield what the rotation touches outside, each with where it is declared; what belongs to it by name comes elsewhere."""
        home, spec = self.home, self.spec
        parts: list[tuple[Location, object]] = [
            (("store",), spec.store),
            *((("verifiers", position), one) for position, one in enumerate(spec.verifiers)),
            *((("holders", position), one) for position, one in enumerate(spec.holders)),
            (("credential", spec.credential.one.camel()), spec.credential),
            (("takeOver",), spec.take_over),
            (("gates",), spec.gates),
        ]
        for where, part in parts:
            for touch in touched(part, home):
                yield ("spec", *where, *touch.below), touch


class Schema(GenerateJsonSchema):
    """Writes defaults as they stand in a file, and closes mappings whose keys have a pattern."""

    def encode_default(self, dft: Any) -> Any:
        """Write a default; durations as 30d, not as P30D."""
        if isinstance(dft, Model):
            return dft.model_dump(mode="json", by_alias=True, exclude_none=True)
        return format_duration(dft) if isinstance(dft, timedelta) else super().encode_default(dft)

    def function_plain_schema(self, schema: core_schema.PlainValidatorFunctionSchema) -> JsonSchemaValue:
        """Describe an alternative as its class does."""
        return self.generate_inner(behind(schema))

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Title no field whose class has a title."""
        return schema.get("type") != "function-plain" and super().field_title_should_be_set(schema)

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        """Close a mapping whose keys have a pattern."""
        written = super().dict_schema(schema)
        return {**written, "additionalProperties": False} if "patternProperties" in written else written


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of the file format."""
    schema = RotationPolicy.model_json_schema(by_alias=True, schema_generator=Schema)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **_without_extensions(schema)}


def _without_extensions(schema: Any) -> Any:
    """Leave out what is for the custom resource's schema only (`rotator.policy.crd`)."""
    if isinstance(schema, list):
        return [_without_extensions(part) for part in schema]
    if isinstance(schema, dict):
        return {n: _without_extensions(part) for n, part in schema.items() if not n.startswith("x-")}
    return schema
