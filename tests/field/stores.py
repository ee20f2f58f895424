"""Vaults that others have set up."""

from __future__ import annotations

from tests.field.cases import case
from tests.field.place import SOON, Place, named, same


@case("05-retention-of-the-mount")
def _(place: Place) -> None:
    """A mount that deletes by itself is seen before the first write, or what is written there stays."""
    mount = f"kept-{place.namespace}"
    place.bao.call("POST", f"sys/mounts/{mount}", {"type": "kv", "options": {"version": "2"}})
    place.mounted(mount)
    place.bao.call("POST", f"{mount}/config", {"delete_version_after": "3s", "max_versions": 10})
    place.declare(
        credential={"jwtSigningKey": {"algorithm": "ES256"}},
        store={"vault": {"mount": mount, "path": f"{place.namespace}/key"}},
        verifiers=[{"jwks": {"configMap": "public", **SOON}}],
        holders=[{"vault": {"mount": mount, "path": f"{place.namespace}/app"}, "pickUp": "1s"}],
    )
    ran = place.run()
    same("exit and result", (ran.code, ran.row["result"]), (1, "Frozen"))
    named("the reason", ran.row["reason"], mount, "delete_version_after")
    same("the ring", place.vault("key", mount), None)
    same("what exists", place.names("ConfigMap") - {"kube-root-ca.crt"}, set())


@case("04-path-of-a-team")
def _(place: Place) -> None:
    """A Vault path with fields and history of a team is refused before anything is begun, and all of it stays."""
    path = f"{place.namespace}/pay"
    for number in (1, 2, 3):
        data = {"DSN": f"db-{number}", "JWT": "a-shared-secret-of-40-letters-abcdefghij", "FLAGS": '{"a":1}'}
        place.bao.call("POST", f"secret/data/{path}", {"data": data})
    theirs = {"owner": "team-pay", "managed-by": "external-secrets"}
    place.bao.call("POST", f"secret/metadata/{path}", {"max_versions": 10, "custom_metadata": theirs})
    place.declare(
        credential={"sharedSecret": {"algorithm": "HS256"}},
        takeOver={"vault": {"mount": "secret", "path": path, "field": "JWT"}},
        verifiers=[{"jwks": {"secret": "accepted", **SOON}}],
        holders=[{"vault": {"mount": "secret", "path": path, "data": {"JWT": "value"}}, "pickUp": "1s"}],
    )
    ran = place.run()
    ran.ends(1, "Frozen", "New")
    named("the reason", ran.row["reason"], f"secret/{path}", "DSN", "max-versions=1")
    metadata = place.bao.call("GET", f"secret/metadata/{path}")["data"]
    same("what exists", place.names("Secret"), set())
    same("their metadata", {k: metadata["custom_metadata"].get(k) for k in theirs}, theirs)
    same("max_versions", metadata["max_versions"], 10)
    same("cas_required", metadata["cas_required"], False)
    same("their history", "1" in metadata["versions"], True)
    same("their field", (place.vault("pay") or {})["data"]["DSN"], "db-3")
