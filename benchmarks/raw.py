"""The raw limit: a bare client that only writes, on the official Kubernetes client and hvac: raw.py PLAN.

It makes the writes that a plan names, of the sizes it names, with as many threads, and nothing else: no key
is made, nothing is read, nothing is decided. It prints the seconds that the writes alone took.
"""

from __future__ import annotations

import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hvac
import requests
from kubernetes import client, config

from benchmarks.traffic import Traffic, share

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST_NOTE = 500
"""A value of custom_metadata has at most 512 characters."""
FRAME = 120
"""Bytes of a body that are not its payload, about."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How many writes of which kind, for how many rotations, by how many threads."""

    rotations: int
    concurrency: int
    namespace: str
    prefix: str
    """The path under the mount `rotator`."""
    writes: list[Traffic]

    @classmethod
    def read(cls, path: Path) -> Plan:
        """Read it back."""
        document = json.loads(path.read_text())
        return cls(**{**document, "writes": [Traffic(**t) for t in document["writes"]]})


@dataclass(frozen=True)
class Bare:
    """The two clients, and what they write."""

    plan: Plan
    core: Any
    coordination: Any
    vault: hvac.Client
    _versions: dict[str, int] = field(default_factory=dict)

    def write_all(self, rotation: int) -> None:
        """Make the writes of one rotation, one after the other."""
        for traffic in self.plan.writes:
            write = self._writer(traffic.kind)
            for number in range(share(traffic.count, self.plan.rotations, rotation)):
                write(f"raw-{rotation:04}", number, "x" * max(1, traffic.size - FRAME))

    def _writer(self, kind: str) -> Callable[[str, int, str], None]:
        system, method, resource = kind.split(" ")
        if system == "vault":
            return {"data": self._data, "metadata": self._metadata}[resource]
        suffix = {"leases": "lease", "configmaps": "config_map", "secrets": "secret", "events": "event"}[
            resource
        ]
        api = self.coordination if resource == "leases" else self.core
        if method == "CREATE":
            create = getattr(api, f"create_namespaced_{suffix}")
            return lambda name, _, pad: create(self.plan.namespace, _document(resource, name, pad))
        patch = getattr(api, f"patch_namespaced_{suffix}")
        return lambda name, number, pad: patch(
            name, self.plan.namespace, _document(resource, name, f"{number}{pad}")
        )

    def _data(self, name: str, number: int, pad: str) -> None:
        del number
        version = self._versions.get(name, 0)
        self.vault.secrets.kv.v2.create_or_update_secret(
            f"{self.plan.prefix}/{name}", {"payload": pad}, cas=version, mount_point="rotator"
        )
        self._versions[name] = version + 1

    def _metadata(self, name: str, number: int, pad: str) -> None:
        del number
        self.vault.secrets.kv.v2.update_metadata(
            f"{self.plan.prefix}/{name}",
            max_versions=1,
            cas_required=True,
            mount_point="rotator",
            custom_metadata={"payload": pad[:LONGEST_NOTE]},
        )


def _document(resource: str, name: str, pad: str) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name}
    match resource:
        case "leases":
            return {
                "metadata": metadata | {"annotations": {"payload": pad}},
                "spec": {"holderIdentity": "raw"},
            }
        case "secrets":
            return {"metadata": metadata, "stringData": {"payload": pad}}
        case "events":
            about = {"kind": "ConfigMap", "name": name}
            return {"metadata": metadata, "involvedObject": about, "message": pad[:1000]}
        case _:
            return {"metadata": metadata, "data": {"payload": pad}}


def _kubernetes(concurrency: int) -> client.ApiClient:
    settings = client.Configuration()
    load: Callable[..., None] = config.load_kube_config
    load(client_configuration=settings)
    settings.connection_pool_maxsize = concurrency
    return client.ApiClient(settings)


def _vault(concurrency: int) -> hvac.Client:
    session = requests.Session()
    session.trust_env = False
    session.verify = os.environ["VAULT_CACERT"]
    session.mount("https://", requests.adapters.HTTPAdapter(pool_maxsize=concurrency))
    vault = hvac.Client(url=os.environ["VAULT_ADDR"], session=session)
    secret_id = Path(os.environ["SECRET_ID_FILE"]).read_text()
    vault.auth.approle.login(role_id=os.environ["ROLE_ID"], secret_id=secret_id)
    return vault


def main() -> None:
    """Make all writes of a plan."""
    plan = Plan.read(Path(sys.argv[1]))
    kubernetes, vault = _kubernetes(plan.concurrency), _vault(plan.concurrency)
    bare = Bare(plan, client.CoreV1Api(kubernetes), client.CoordinationV1Api(kubernetes), vault)
    begin = time.perf_counter()
    with ThreadPoolExecutor(plan.concurrency) as pool:
        list(pool.map(bare.write_all, range(plan.rotations)))
    print(time.perf_counter() - begin)
    vault.logout(revoke_token=True)


if __name__ == "__main__":
    main()
