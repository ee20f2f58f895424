"""The declaration of a rotation: one closed schema for files and custom resources.

Unknown fields, unsafe windows, duplicate names and references to nothing are refused, all at once, each with file,
line and what was expected. Every default is in the published JSON schema (`rotator schema`).
"""

from __future__ import annotations

import hashlib
import json
from datetime import time, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import (
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    create_model,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

from rotator.core.timing import (
    Staleness,
    Sum,
    format_duration,
    least_lead,
    least_overlap,
)
from rotator.core.weekly import Weekly
from rotator.systems.provider import NEVER, Provider
from rotator.systems.registry import PROVIDERS
from rotator.vocabulary.credentials import Credential
from rotator.vocabulary.types import (
    BASE_URL,
    DNS_LABEL,
    TIME_OF_DAY,
    URL,
    DataKey,
    Duration,
    JobFile,
    Kid,
    Model,
    Name,
    Namespace,
    OneOf,
    Positive,
    Rule,
    SecretKey,
    Source,
    VaultField,
    VaultRef,
    place_of,
    seconds,
)

if TYPE_CHECKING:
    from pydantic_core import core_schema


ROTATE = "rotator.dev/rotate"
"""The annotation that asks for a rotation now; its value is the reason."""
MOUNTED = timedelta(minutes=3)
"""Until a kubelet has updated a mounted file: its sync takes up to 90 s (a minute and half of that as jitter), and after an
outage of the API server its watches come back within a minute. https://kubernetes.io/docs/concepts/configuration/configmap/
"""

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


# --- restarts --------------------------------------------------------------------------------------------------


class WorkloadName(Model):
    """A workload by name, in the namespace of the target."""

    kind: Literal["Deployment", "StatefulSet", "DaemonSet", "Rollout"] = "Deployment"
    name: Name


class WorkloadSelector(Model):
    """Workloads by their labels."""

    match_labels: Annotated[dict[str, str], Field(min_length=1)]


def _form(value: object) -> str | None:
    if isinstance(value, list):
        return "Names"
    return "Selector" if isinstance(value, dict | WorkloadSelector) else "Auto" if value == "auto" else None


Workloads = Annotated[
    Annotated[Literal["auto"], Tag("Auto")]
    | Annotated[WorkloadSelector, Tag("Selector")]
    | Annotated[list[WorkloadName], Field(min_length=1), Tag("Names")],
    Discriminator(
        _form,
        custom_error_type="workloads",
        custom_error_message="expected auto, a mapping with matchLabels, or a list of names",
    ),
]


class Restart(Model):
    """Restart the workloads that read the target, and wait until every pod has switched."""

    workloads: Workloads = Field(
        "auto", description="auto: all that reference the target; or by label, or by name in this order."
    )
    timeout: Positive = Field(
        timedelta(minutes=10), description="After this the rotation freezes with both versions accepted."
    )
    soak: Duration = Field(timedelta(seconds=10), description="How long all pods must stay ready.")
    at_once: int = Field(
        0, ge=0, le=1000, description="How many workloads may restart at the same time; 0: all."
    )


# --- verifiers -------------------------------------------------------------------------------------------------


class Place(OneOf):
    """Where a verifier reads: a ConfigMap, a Secret or a Vault path."""

    config_map: Name | None = Field(None, description="The name of a ConfigMap.")
    secret: Name | None = Field(None, description="The name of a Secret.")
    vault: VaultRef | None = None
    namespace: Namespace | None = Field(
        None, description="Of the ConfigMap or Secret. Default: the rotation's namespace."
    )

    @classmethod
    def extras(cls) -> tuple[str, ...]:
        """Return the optional fields that are no alternatives."""
        return ("namespace", "max_age", "propagation")

    max_age: Duration | None = Field(
        None,
        description="How long a verifier may cache what it read. Default: 24h, which suits verifiers nobody has "
        "looked into; 0s where they are restarted, and for static: what is accepted there is seen.",
    )
    propagation: Duration | None = Field(
        None,
        description="From the write to where verifiers read. Default: 3m for ConfigMap and Secret, 5m for Vault.",
    )

    @property
    def travel(self) -> timedelta:
        """The propagation that counts."""
        if self.propagation is not None:
            return self.propagation
        return timedelta(minutes=5) if self.vault else MOUNTED


class JwksPlace(Place):
    """A JWK Set (RFC 7517)."""

    @property
    def has_lines(self) -> bool:
        """Whether the values stand bare, one a line: never."""
        return False

    key: DataKey = Field("jwks.json", description="The data key that holds the document.")


class AcceptedListPlace(Place):
    """The accepted values of a shared secret."""

    key: DataKey = Field("accepted", description="The data key that holds the list.")
    format: Literal["json", "lines"] = Field("json", description="A JSON array, or one value a line.")

    @property
    def has_lines(self) -> bool:
        """Whether the values stand bare, one a line."""
        return self.format == "lines"


_NO_ANNOTATION = "a Vault path has no annotations; expected Login, or a Secret"


class StaticPlace(Place):
    """The accepted list, handed to people or to a webhook, who install it where no API is known to rotator."""

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

    @property
    def has_lines(self) -> bool:
        """Whether the values stand bare, one a line: never."""
        return False


_NOTHING_READS = (
    "nothing in Kubernetes reads what a provider accepts; expected restart at the holders, if anywhere"
)
_NO_REFERENCE = "restart.workloads: nothing in Kubernetes references a Vault path; name the workloads"


class _Documents(OneOf):
    """Those who accept the credential by a document that they read."""

    jwks: JwksPlace | None = None
    accepted_list: AcceptedListPlace | None = None
    static: StaticPlace | None = None


if TYPE_CHECKING:
    _Variants = _Documents
else:
    _Variants = create_model(
        "_Variants", __base__=_Documents, **{kind.name: (kind | None, None) for kind in PROVIDERS}
    )


class Verifier(_Variants):
    """Somebody who accepts the credential."""

    restart: Restart | None = Field(None, description="For verifiers that read only at their start.")

    @classmethod
    def extras(cls) -> tuple[str, ...]:
        """Return the optional fields that are no alternatives."""
        return ("restart",)

    rules = (
        Rule(
            "!has(self.restart) || has(self.jwks) || has(self.acceptedList) || has(self.static)",
            _NOTHING_READS,
        ),
    )

    @model_validator(mode="after")
    def _read_by_workloads(self) -> Self:
        if self.restart and self.place is None:
            raise ValueError(_NOTHING_READS)
        # Nothing in CEL, as for holders.
        if self.restart and self.place and self.place.vault and self.restart.workloads == "auto":
            raise ValueError(_NO_REFERENCE)
        return self

    @property
    def place(self) -> JwksPlace | AcceptedListPlace | StaticPlace | None:
        """The document that is read; None where it is a provider."""
        return self.jwks or self.accepted_list or self.static

    @property
    def provider(self) -> Provider | None:
        """The provider; None where it is a document."""
        return None if self.place else getattr(self, self.chosen)


# --- holders ---------------------------------------------------------------------------------------------------


class SecretHolder(Model):
    """A Kubernetes Secret in one or many namespaces."""

    name: Name = Field(description="The name of the Secret; rotator makes it.")
    namespaces: list[Namespace] | None = Field(
        None, min_length=1, max_length=1000, description="Default: the rotation's namespace."
    )
    data: dict[DataKey, Source] | None = Field(
        None,
        min_length=1,
        max_length=64,
        description="Data key -> our field, as {key: private_key}; previous.FIELD for the version on its way out. "
        "Default: every field by its own name.",
    )


class VaultHolder(VaultRef):
    """A Vault path in flat string fields, current and previous."""

    data: dict[DataKey, Source] | None = Field(
        None,
        min_length=1,
        max_length=64,
        description="Their field -> our field. Default: every field by its own name, and as previous_FIELD.",
    )


class RealmHolder(Model):
    """The Keycloak realm itself signs with its key."""


_HANDED_NOTHING = "a realm is handed nothing; expected no restart and no pickUp"


class Holder(OneOf):
    """Somebody who uses the credential."""

    secret: SecretHolder | None = None
    vault: VaultHolder | None = None
    keycloak_realm: RealmHolder | None = None
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
        Rule("!has(self.keycloakRealm) || !(has(self.restart) || has(self.pickUp))", _HANDED_NOTHING),
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.restart and self.pick_up:
            raise ValueError("expected restart or pickUp, not both")
        if self.keycloak_realm and (self.restart or self.pick_up):
            raise ValueError(_HANDED_NOTHING)
        # Nothing in CEL: it cannot see `workloads`, which has no one type.
        if self.restart and self.vault and self.restart.workloads == "auto":
            raise ValueError(_NO_REFERENCE)
        return self

    @property
    def picks_up_within(self) -> timedelta | None:
        """The pick-up time that counts; None where workloads are restarted."""
        if self.restart or self.keycloak_realm:
            return None
        return self.pick_up or (timedelta(minutes=5) if self.vault else MOUNTED)


# --- gates, store, the whole -----------------------------------------------------------------------------------


class JwksProbe(Model):
    """Fetch the JWK Set as a verifier would; it must show the new key several times in a row."""

    url: str = Field(pattern=URL, description="Where verifiers fetch the JWK Set.")
    times: int = Field(3, ge=1, le=100, description="How many times in a row.")
    ca_file: JobFile | None = Field(
        None, description="A PEM bundle to verify the server with; default: the system's."
    )


class PrometheusQuery(Model):
    """An instant query of which every value must be below a bound; no data does not count as zero."""

    url: str = Field(pattern=BASE_URL, description="Of Prometheus, as http://prometheus:9090.")
    query: str = Field(
        min_length=1, description="PromQL; $version stands for the id of the version concerned."
    )
    below: float = Field(description="The bound: every value must be less than this.")
    ca_file: JobFile | None = Field(
        None, description="A PEM bundle to verify the server with; default: the system's."
    )


class Gate(OneOf):
    """A condition that must be seen."""

    jwks_probe: JwksProbe | None = None
    prometheus: PrometheusQuery | None = None


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
        description="Whether the first version waits for the lead too, though nobody can have a stale cache. At a provider it "
        "always does.",
    )
    store: Store
    verifiers: list[Verifier] = Field(
        min_length=1, max_length=64, description="Everybody who accepts the credential."
    )
    holders: list[Holder] = Field(
        min_length=1, max_length=64, description="Everybody who uses the credential."
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
        return to_camel(self.spec.credential.chosen)

    @property
    def digest(self) -> str:
        """Changes with what is to be carried out and with nothing else: what follows a deletion is no part of it."""
        text = json.dumps(
            self.spec.model_dump(mode="json", exclude={"deletion_policy"}, exclude_none=True), sort_keys=True
        )
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def staleness(self, verifier: Verifier) -> Staleness:
        """How long `verifier` may work with what was there before."""
        place = verifier.place
        if place is None:
            return Staleness(verifier_labels(self, verifier)[0], *_times(verifier))
        cache = timedelta(hours=24) if place.max_age is None else place.max_age
        if (verifier.restart or verifier.static) and place.max_age is None:
            cache = timedelta()
        return Staleness(f"{to_camel(verifier.chosen)} {place_label(self, place)}", cache, place.travel)

    @property
    def least_lead(self) -> Sum:
        """The sum that the lead must reach."""
        return least_lead((self.staleness(v) for v in self.spec.verifiers), self.spec.overlap.clock_skew)

    @property
    def lead(self) -> timedelta:
        """The lead that counts; where versions cannot overlap, every second of it would be an outage."""
        if self.spec.outage:
            return timedelta()
        return self.spec.lead if self.spec.lead is not None else self.least_lead.total

    @property
    def waits_at_first(self) -> bool:
        """Whether the first version waits for the lead too.

        A provider has nodes that learn of it one after the other, and the readers of a realm's keys have caches already.
        """
        return self.spec.first_lead or any(v.provider for v in self.spec.verifiers)

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


def _times(verifier: Verifier) -> tuple[timedelta, timedelta]:
    """Return how long those behind a provider may cache, and until it is as it was told."""
    provider = verifier.provider
    return (provider.caches, provider.travel) if provider else (timedelta(), timedelta())


def verifier_labels(policy: RotationPolicy, verifier: Verifier) -> list[str]:
    """Return the unique labels of what a verifier has of the credential: a document, a client, or each account."""
    if place := verifier.place:
        return [place_label(policy, place)]
    provider, credential = verifier.provider, policy.spec.credential
    assert provider  # noqa: S101 - exactly one is set
    if password := credential.ldap_password:
        return [provider.label(account) for account in password.accounts]
    return [provider.label(credential.subject or policy.ref)]


def client_label(policy: RotationPolicy) -> str | None:
    """Return the unique label of the client that is rotated, whichever way it is reached; None: there is none yet."""
    client = policy.spec.credential.oauth_client
    if client is None or client.client_id is None:
        return None
    what = "key" if client.has_key else "secret"
    return f"the {what} of client {client.client_id} at {place_of(client.issuer)}"


def place_label(policy: RotationPolicy, place: Place) -> str:
    """Return the unique label of a verifier's place: `configmap payments/payments-jwks`."""
    if place.vault:
        return f"vault {place.vault.mount}/{place.vault.path}"
    namespace = place.namespace or policy.metadata.namespace
    return (
        f"configmap {namespace}/{place.config_map}"
        if place.config_map
        else f"secret {namespace}/{place.secret}"
    )


def holder_labels(policy: RotationPolicy, holder: Holder) -> list[str]:
    """Return the unique labels of a holder's targets."""
    if holder.vault:
        return [f"vault {holder.vault.mount}/{holder.vault.path}"]
    if holder.secret is None:
        return []
    return [
        f"secret {n}/{holder.secret.name}" for n in holder.secret.namespaces or [policy.metadata.namespace]
    ]


def store_label(policy: RotationPolicy) -> str:
    """Return the unique label of where the ring is kept."""
    if policy.spec.store.vault:
        return f"vault {policy.spec.store.vault.mount}/{policy.spec.store.vault.path}"
    return f"secret {policy.metadata.namespace}/rotation-{policy.metadata.name}"


class Schema(GenerateJsonSchema):
    """Writes defaults as they stand in a file, and closes mappings whose keys have a pattern."""

    def encode_default(self, dft: Any) -> Any:
        """Write a default; durations as 30d, not as P30D."""
        if isinstance(dft, Model):
            return dft.model_dump(mode="json", by_alias=True, exclude_none=True)
        return format_duration(dft) if isinstance(dft, timedelta) else super().encode_default(dft)

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
