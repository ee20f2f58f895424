"""What a run may do in Vault: exactly the paths that some rotations need, one by one, each with the least capabilities.

Pure: from declarations to grants, from grants to text. No path holds a wildcard: names in a declaration have neither
`*` nor `+` (`rotator.vocabulary.types.VAULT_PATH`). What a capability allows: https://openbao.org/docs/concepts/policies/. In KV
version 2 a document exists, for `create` against `update`, once it has metadata, with or without a version.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from rotator.policy.model import RotationPolicy
from rotator.vocabulary.footprint import Document, Use, VaultCall

WRITE = ("create", "read", "update")
NOTE = (*WRITE, "patch")
ORDER = (*NOTE, "delete")
TOKEN_LIFE = "15m"  # noqa: S105 - how long, not which
"""A run renews its token; that of a killed run ends after this."""
RUNNER = "rotator"
ISSUER = "https://kubernetes.default.svc.cluster.local"
"""Who issues the tokens of service accounts, where a cluster says nothing else."""


@dataclass(frozen=True, slots=True)
class Grant:
    """One path, what may be done there, and what for."""

    path: str
    capabilities: tuple[str, ...]
    why: str


OWN_TOKEN = (
    Grant("auth/token/renew-self", ("update",), "the run's own token lasts as long as the run"),
    Grant("auth/token/revoke-self", ("update",), "and no longer"),
)
"""Also in the server's `default` policy. Named here, so that a role can do without that one."""


def grants(policies: Iterable[RotationPolicy], *, deletion: bool = False) -> tuple[Grant, ...]:
    """Return what a run over `policies` needs, sorted by path; nothing where none of them uses Vault.

    `deletion`: whether runs see to it that what says `deletionPolicy: Delete` is removed with its declaration.
    """
    needed = merged(grant for policy in policies for grant in _needed(policy, deletion=deletion))
    return (*needed, *OWN_TOKEN) if needed else ()


def consumers(policies: Iterable[RotationPolicy]) -> dict[str, tuple[Grant, ...]]:
    """Return what those need who read what is delivered, by document: `secret/payments/jwt`.

    One policy a document: who verifies with a JWK Set has no use for the key that signs.
    """
    return {
        f"{thing.mount}/{thing.path}": (
            Grant(f"{thing.mount}/data/{thing.path}", ("read",), f"{where[1]} of {policy.ref}"),
        )
        for policy in policies
        for where, (thing, use, _) in policy.footprint
        if isinstance(thing, Document) and use in {Use.DELIVERED, Use.SHARED}
    }


def document(mount: str, path: str, why: str, metadata: tuple[str, ...] = NOTE) -> Iterator[Grant]:
    """Yield what keeping a document of ours needs, without history; a ring is alone at its path, and patches no metadata.

    A ring's metadata is made before its data, a delivered document's after them. Each may have to make the other anew:
    where somebody removes the document between our look and our write, that is what makes it a conflict, which is
    looked into, and no refusal.
    """
    yield Grant(f"{mount}/config", ("read",), "sees whether the mount keeps what is written")
    yield Grant(f"{mount}/data/{path}", WRITE, why)
    yield Grant(f"{mount}/metadata/{path}", metadata, "keeps no history, and proves it")
    yield Grant(f"{mount}/destroy/{path}", ("update",), "erases history where the mount is set to keep some")


def merged(found: Iterable[Grant]) -> tuple[Grant, ...]:
    """Return one grant a path, sorted by path, with all that is asked for it."""
    paths: dict[str, Grant] = {}
    for grant in found:
        known = paths.get(grant.path, Grant(grant.path, (), grant.why))
        both = {*known.capabilities, *grant.capabilities}
        why = known.why if grant.why in known.why else f"{known.why}; {grant.why}"
        paths[grant.path] = Grant(grant.path, tuple(c for c in ORDER if c in both), why)
    return tuple(paths[path] for path in sorted(paths))


def _needed(policy: RotationPolicy, *, deletion: bool) -> Iterator[Grant]:
    deleted = deletion and policy.spec.deletion_policy == "Delete"
    for where, (thing, use, _) in policy.footprint:
        if isinstance(thing, VaultCall):
            yield Grant(thing.path, thing.capabilities, f"{thing.why} {policy.ref}")
        elif isinstance(thing, Document) and use is Use.READ:
            yield Grant(f"{thing.mount}/data/{thing.path}", ("read",), READ[str(where[1])].format(policy.ref))
        elif isinstance(thing, Document):
            why = f"{KEPT if use is Use.KEPT else where[1]} of {policy.ref}"
            yield from document(thing.mount, thing.path, why, WRITE if use is Use.KEPT else NOTE)
            if deleted:
                yield Grant(f"{thing.mount}/metadata/{thing.path}", ("delete",), "and can remove it")


KEPT = "the ring"
READ = {"takeOver": "what {} takes over", "verifiers": "our way in at the provider of {}"}
"""Why a document is read, by the part of the spec that names it."""


# --- as text ---------------------------------------------------------------------------------------------------


def hcl(found: Iterable[Grant]) -> str:
    """Return a policy as people read it."""
    return "\n".join(
        f'# {grant.why}\npath "{grant.path}" {{\n  capabilities = {json.dumps(grant.capabilities)}\n}}\n'
        for grant in found
    )


def json_text(found: Iterable[Grant]) -> str:
    """Return the same policy as JSON, which the server takes as well."""
    paths = {grant.path: {"capabilities": list(grant.capabilities)} for grant in found}
    return json.dumps({"path": paths}, indent=2) + "\n"


def commands(  # noqa: PLR0913 - what a person decides
    found: Iterable[Grant],
    *,
    role: str = RUNNER,
    auth: str = "kubernetes",
    service_account: str = "rotator/rotator",
    audience: str = "vault",
    mount: str = "",
    program: str = "bao",
) -> str:
    """Return a script that sets up policy, auth method and role, all named `role`. It can be run again.

    `auth`: kubernetes, jwt or approle, at `mount` where that is not the method's name. `service_account`:
    NAMESPACE/NAME. `audience`: for whom its token is made out. `program`: bao or vault. Raises ValueError for what
    it does not know.
    """
    if auth not in _METHODS:
        raise ValueError(f"{auth}: expected one of {', '.join(_METHODS)}")
    namespace, _, name = service_account.partition("/")
    if not (namespace and name):
        raise ValueError(f"{service_account}: expected NAMESPACE/NAME")
    if not audience and auth != "approle":
        raise ValueError(
            "no audience: then a token made out for anybody would log in; expected a name, as vault"
        )
    at = mount or auth
    setup = _Setup(program, f"auth/{at}", role, namespace, name, audience)
    enable = shlex.join((program, "auth", "enable", f"-path={at}", auth))
    lines = (
        f"# Needs a token that may write policies and auth methods ({program} login); VAULT_NAMESPACE where there are.",
        f"{shlex.join((program, 'policy', 'write', role, '-'))} <<'EOF'\n{hcl(found)}EOF",
        f"{program} auth list | grep -q {shlex.quote(f'^{at}/')} || {enable}",
        *_METHODS[auth](setup),
    )
    return "\n".join(lines) + "\n"


@dataclass(frozen=True, slots=True)
class _Setup:
    """A role of an auth method, and who may log in to it."""

    program: str
    at: str
    role: str
    namespace: str
    name: str
    audience: str

    @property
    def path(self) -> str:
        return f"{self.at}/role/{self.role}"

    def write(self, **bound: str) -> str:
        """Return the command that writes the role: its tokens have our policy only, and end by themselves."""
        token = {"token_policies": self.role, "token_no_default_policy": "true", "token_ttl": TOKEN_LIFE}
        words = (f"{name}={value}" for name, value in {**bound, **token}.items())
        return shlex.join((self.program, "write", self.path, *words))

    def environment(self, method: str) -> str:
        """Say what a run is told."""
        return (
            f"# ROTATOR_VAULT_AUTH={method}, ROTATOR_VAULT_ROLE={self.role}; in ROTATOR_VAULT_JWT_FILE a token of the "
            f"service account {self.namespace}/{self.name} for the audience {self.audience}"
        )


def _kubernetes(setup: _Setup) -> Iterator[str]:
    yield "# For a server outside the cluster: KUBERNETES_HOST, and the files KUBERNETES_CA and REVIEWER_JWT."
    yield (
        f"{setup.program} write {shlex.quote(f'{setup.at}/config')} "
        'kubernetes_host="${KUBERNETES_HOST:-https://kubernetes.default.svc}" '
        '${KUBERNETES_CA:+"kubernetes_ca_cert=@$KUBERNETES_CA"} '
        '${REVIEWER_JWT:+"token_reviewer_jwt=@$REVIEWER_JWT"}'
    )
    yield setup.write(
        bound_service_account_names=setup.name,
        bound_service_account_namespaces=setup.namespace,
        audience=setup.audience,
    )
    yield setup.environment("kubernetes")


def _jwt(setup: _Setup) -> Iterator[str]:
    yield "# TRUST is the issuer of the tokens; or jwt_validation_pubkeys=@FILE."
    trust = f'"${{TRUST:-oidc_discovery_url={ISSUER}}}"'
    yield f"{setup.program} write {shlex.quote(f'{setup.at}/config')} {trust}"
    yield setup.write(
        role_type="jwt",
        user_claim="sub",
        bound_subject=f"system:serviceaccount:{setup.namespace}:{setup.name}",
        bound_audiences=setup.audience,
    )
    yield setup.environment("jwt")


def _app_role(setup: _Setup) -> Iterator[str]:
    yield setup.write()
    yield "# ROTATOR_VAULT_AUTH=approle; ROTATOR_VAULT_ROLE, and the file for ROTATOR_VAULT_SECRET_ID_FILE:"
    yield shlex.join((setup.program, "read", "-field=role_id", f"{setup.path}/role-id"))
    secret = shlex.join((setup.program, "write", "-force", "-field=secret_id", f"{setup.path}/secret-id"))
    yield f"(umask 077; {secret} > {shlex.quote(f'{setup.role}-secret-id')})"


_METHODS: Mapping[str, Callable[[_Setup], Iterator[str]]] = {
    "kubernetes": _kubernetes,
    "jwt": _jwt,
    "approle": _app_role,
}
"""How to set up each auth method that has roles, line by line."""
