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
