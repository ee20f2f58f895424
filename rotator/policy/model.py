"""The declaration of a rotation: one closed schema for files and custom resources.

Unknown fields, unsafe windows, duplicate names and references to nothing are refused, all at once, each with file,
line and what was expected. Every default is in the published JSON schema (`rotator schema`).
"""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import (
    ConfigDict,
    Discriminator,
    Field,
    Tag,
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
from rotator.policy.types import (
    BASE_URL,
    DNS_LABEL,
    URL,
    VAULT_PATH,
    DataKey,
    Duration,
    Model,
    Name,
    Namespace,
    OneOf,
    Positive,
    Rule,
    Source,
)

if TYPE_CHECKING:
    from pydantic_core import core_schema


class VaultRef(Model):
    """A document in a KV version 2 engine."""

    mount: str = Field(pattern=VAULT_PATH, description="Where the KV version 2 engine is mounted.")
    path: str = Field(pattern=VAULT_PATH, description="The path of the document below the mount.")


ROTATE = "rotator.dev/rotate"
"""The annotation that asks for a rotation now; its value is the reason."""

# --- credential ------------------------------------------------------------------------------------------------

JwtAlgorithm = Literal[
    "ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "EdDSA"
]


class JwtSigningKey(Model):
    """A key pair that signs JWTs; its id is its RFC 7638 thumbprint."""

    algorithm: JwtAlgorithm = Field("ES256", description="The `alg` of the tokens (RFC 7518, RFC 8037).")
    bits: int = Field(
        3072, ge=2048, le=8192, multiple_of=8, description="RSA key size, default 3072; RS and PS only."
    )

    conditional = ("bits",)
    rules = (
        Rule(
            "!has(self.bits) || self.algorithm.startsWith('RS') || self.algorithm.startsWith('PS')",
            "bits goes with RS and PS algorithms; the others have one size",
        ),
    )

    @model_validator(mode="after")
    def _bits_of_rsa(self) -> Self:
        if "bits" in self.model_fields_set and not self.algorithm.startswith(("RS", "PS")):
            raise ValueError(f"bits goes with RS and PS algorithms; {self.algorithm} has one size")
        return self

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields a holder can be handed."""
        return ("private_key", "public_key", "jwk", "kid", "algorithm")


class SharedSecret(Model):
    """A secret that both sides hold: an HMAC key for JWTs, or an opaque value."""

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
    encoding: Literal["base64", "hex", "raw"] | None = Field(
        None, description="How `bytes` are written; default base64."
    )

    rules = (
        Rule(
            "[has(self.algorithm), has(self.length), has(self.bytes)].filter(x, x).size() <= 1",
            "expected one of algorithm, length, bytes",
        ),
        Rule("!has(self.alphabet) || has(self.length)", "alphabet goes with length"),
        Rule("!has(self.encoding) || !(has(self.length) || has(self.algorithm))", "encoding goes with bytes"),
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
        if self.encoding is not None and (self.length is not None or self.algorithm is not None):
            raise ValueError("encoding goes with bytes")
        if self.alphabet is not None and not _is_alphabet(self.alphabet):
            raise ValueError("alphabet: expected distinct ASCII characters, and no white space")
        return self

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields a holder can be handed."""
        return ("value", "kid", "algorithm", *(("jwk",) if self.algorithm else ()))


def _is_alphabet(text: str) -> bool:
    return len(set(text)) == len(text) and all("!" <= c <= "~" for c in text)


class Credential(OneOf):
    """What is rotated."""

    jwt_signing_key: JwtSigningKey | None = None
    shared_secret: SharedSecret | None = None

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields a holder can be handed."""
        kind: JwtSigningKey | SharedSecret = getattr(self, self.chosen)
        return kind.fields


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
        "looked into; 0s where they are restarted.",
    )
    propagation: Duration | None = Field(
        None,
        description="From the write to where verifiers read. Default: 90s for ConfigMap and Secret, 5m for Vault.",
    )

    @property
    def travel(self) -> timedelta:
        """The propagation that counts."""
        if self.propagation is not None:
            return self.propagation
        return timedelta(minutes=5) if self.vault else timedelta(seconds=90)


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


class Verifier(OneOf):
    """Somebody who accepts the credential."""

    jwks: JwksPlace | None = None
    accepted_list: AcceptedListPlace | None = None
    restart: Restart | None = Field(None, description="For verifiers that read only at their start.")

    @classmethod
    def extras(cls) -> tuple[str, ...]:
        """Return the optional fields that are no alternatives."""
        return ("restart",)

    @property
    def place(self) -> JwksPlace | AcceptedListPlace:
        """The one that is set."""
        place: JwksPlace | AcceptedListPlace = getattr(self, self.chosen)
        return place


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


class Holder(OneOf):
    """Somebody who uses the credential."""

    secret: SecretHolder | None = None
    vault: VaultHolder | None = None
    restart: Restart | None = Field(
        None,
        description="For holders that read only at their start. With vault: only where the pods themselves read Vault then; where "
        "an operator copies the path into a Secret, use pickUp.",
    )
    pick_up: Positive | None = Field(
        None,
        description="Without restart: within what time a holder reads again by itself. "
        "Default: 2m for a Secret, 5m for Vault.",
    )

    @classmethod
    def extras(cls) -> tuple[str, ...]:
        """Return the optional fields that are no alternatives."""
        return ("restart", "pick_up")

    rules = (Rule("!(has(self.restart) && has(self.pickUp))", "expected restart or pickUp, not both"),)

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.restart and self.pick_up:
            raise ValueError("expected restart or pickUp, not both")
        # Nothing in CEL: it cannot see `workloads`, which has no one type.
        if self.restart and self.vault and self.restart.workloads == "auto":
            raise ValueError(
                "restart.workloads: nothing in Kubernetes references a Vault path; name the workloads"
            )
        return self

    @property
    def picks_up_within(self) -> timedelta | None:
        """The pick-up time that counts; None where workloads are restarted."""
        if self.restart:
            return None
        return self.pick_up or (timedelta(minutes=5) if self.vault else timedelta(minutes=2))


# --- gates, store, the whole -----------------------------------------------------------------------------------


class JwksProbe(Model):
    """Fetch the JWK Set as a verifier would; it must show the new key several times in a row."""

    url: str = Field(pattern=URL, description="Where verifiers fetch the JWK Set.")
    times: int = Field(3, ge=1, le=100, description="How many times in a row.")
    ca_file: str | None = Field(
        None, description="A PEM bundle to verify the server with; default: the system's."
    )


class PrometheusQuery(Model):
    """An instant query of which every value must be below a bound; no data does not count as zero."""

    url: str = Field(pattern=BASE_URL, description="Of Prometheus, as http://prometheus:9090.")
    query: str = Field(
        min_length=1, description="PromQL; $version stands for the id of the version concerned."
    )
    below: float = Field(description="The bound: every value must be less than this.")
    ca_file: str | None = Field(
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


class TakeOverSecret(Model):
    """A data key of an existing Secret in the rotation's namespace."""

    name: Name = Field(description="The name of the Secret.")
    key: DataKey = Field(description="The data key that holds the credential.")


class TakeOverVault(VaultRef):
    """A field of an existing Vault document."""

    field: DataKey = Field(description="The field that holds the credential.")


class TakeOver(OneOf):
    """The credential that is in use: it becomes the first version, and nobody notices."""

    secret: TakeOverSecret | None = None
    vault: TakeOverVault | None = None
    kid: str | None = Field(
        None, min_length=1, description="What its tokens carry; default: derived as for new ones."
    )

    @classmethod
    def extras(cls) -> tuple[str, ...]:
        """Return the optional fields that are no alternatives."""
        return ("kid",)


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
        description="Whether the first version waits for the lead too, though nobody can have a stale cache.",
    )
    store: Store
    verifiers: list[Verifier] = Field(
        min_length=1, max_length=64, description="Everybody who accepts the credential."
    )
    holders: list[Holder] = Field(
        min_length=1, max_length=64, description="Everybody who uses the credential."
    )
    gates: Gates = Gates()
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
        text = json.dumps(self.spec.model_dump(mode="json", exclude={"deletion_policy"}), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def staleness(self, verifier: Verifier) -> Staleness:
        """How long `verifier` may work with what was there before."""
        place = verifier.place
        cache = timedelta(hours=24) if place.max_age is None else place.max_age
        if verifier.restart and place.max_age is None:
            cache = timedelta()
        return Staleness(f"{to_camel(verifier.chosen)} {place_label(self, place)}", cache, place.travel)

    @property
    def least_lead(self) -> Sum:
        """The sum that the lead must reach."""
        return least_lead((self.staleness(v) for v in self.spec.verifiers), self.spec.overlap.clock_skew)

    @property
    def lead(self) -> timedelta:
        """The lead that counts."""
        return self.spec.lead if self.spec.lead is not None else self.least_lead.total

    @property
    def overlap(self) -> Sum:
        """The sum that the overlap is."""
        return least_overlap(self.spec.overlap.token_ttl, self.spec.overlap.clock_skew)

    @property
    def converge(self) -> timedelta:
        """How long the slowest holder may take to switch."""
        limits = [
            h.restart.timeout if h.restart else 2 * (h.picks_up_within or timedelta())
            for h in self.spec.holders
        ]
        return max(limits)


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
    assert holder.secret  # noqa: S101 - exactly one is set
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
