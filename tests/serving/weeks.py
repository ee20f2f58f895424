"""A process that serves for weeks: `python -m tests.serving.weeks TICKS FOLDER VAULT` does so in virtual time, and prints figures.

KUBECONFIG has to name FOLDER/kubeconfig.

Runs and looks are those of `rotator serve`, over real connections with TLS: to an emulated API server whose clock is the virtual one,
and to a real OpenBao. Every token of the API server lives for an hour and is replaced in its file, as the kubelet does it; its
certificate authority is replaced each week, in its file too.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import threading
from collections import Counter
from datetime import timedelta
from http import HTTPStatus
from itertools import count
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Any, cast

from rotator.core.sensitive import Sensitive
from rotator.run.request import Declarations, RunRequest, Serving
from rotator.run.run import all_declared
from rotator.run.serve import Service
from rotator.serving import operator, public
from rotator.serving.answers import Asked
from rotator.systems.kubernetes.client import Kubernetes, connect
from rotator.systems.vault.client import Vault, connections_to
from rotator.systems.vault.settings import VaultSettings
from rotator.systems.world import World, ends_after
from rotator_sandbox.certificates import issue
from rotator_sandbox.emulator import Cluster, EmulatorServer
from rotator_sandbox.processes import free_port
from tests.faults.environment import NAMESPACE
from tests.faults.timeline import START, Timeline
from tests.faults.transport import VaultPool

STEP = timedelta(minutes=30)
"""Virtual time between two runs."""
LIFE = timedelta(hours=1)
"""Of a token, at which the API server refuses it."""
WEEK = timedelta(days=7)
SAMPLES = 8
"""How often the process is measured."""
KEYS = """
apiVersion: rotator.dev/v1alpha1
kind: Rotation
metadata: {{name: {name}, namespace: payments}}
spec:
  credential: {{jwtSigningKey: {{algorithm: EdDSA}}}}
  every: 3d
  overlap: {{tokenTTL: 15m}}
  store: {store}
  verifiers: [{{jwks: {{{place}, maxAge: 5m, served: {{path: /{name}}}}}}}]
  holders: [{{secret: {{name: {name}}}}}]
"""


class Own(VaultPool):
    """Connections of one run's own: they are closed with it."""

    def clear(self) -> None:
        """Close them."""
        self._inner.clear()


def api_server(port: int, seconds: Synchronized[float], orders: Connection) -> None:
    """Be the API server, in a process of its own, for it keeps a history of all that was written; do as `orders` say."""
    cluster = Cluster(clock=lambda: START + timedelta(seconds=seconds.value))
    server: EmulatorServer | None = None
    headers = {"authorization": f"Bearer {cluster.admin_token}", "content-type": "application/json"}
    while order := orders.recv():
        match order:
            case Path() as folder:
                if server:
                    server.stop()
                server = EmulatorServer(cluster, port=port, tls=issue(folder)).start()
                orders.send(None)
            case (method, path, body):
                answer = cluster.handle(method, path, headers, json.dumps(body).encode())
                orders.send(answer.body)
    if server:
        server.stop()


class Weeks:
    """What goes on around the process."""

    def __init__(self, folder: Path, vault: VaultSettings, timeline: Timeline) -> None:
        """Start the API server."""
        self.folder, self.vault, self.timeline = folder, vault, timeline
        self.port, self.authorities, self._names = free_port(), 0, count()
        forked = get_context("fork")
        self._seconds: Synchronized[float] = forked.Value("d", 0.0)
        timeline.moved.append(self._tell)
        self._orders, theirs = forked.Pipe()
        self._process = forked.Process(target=api_server, args=(self.port, self._seconds, theirs))
        self._process.start()
        self.replaced_authority = timeline.now
        self.replace_authority()
        self.ask("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        self.ask("POST", f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts", {"metadata": {"name": "rotator"}})
        self.replace_token()
        self._write_kubeconfig()

    def _tell(self) -> None:
        self._seconds.value = self.timeline.seconds()

    def close(self) -> None:
        """End the API server."""
        self._orders.send(None)
        self._process.join()

    def ask(self, method: str, path: str, body: Any) -> Any:
        """Ask as the administrator, beside the process."""
        self._orders.send((method, path, body))
        return json.loads(self._orders.recv())

    def replace_token(self) -> None:
        """Write a new token, as the kubelet does before the old one expires."""
        path = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/rotator/token"
        asked = {"spec": {"expirationSeconds": int(LIFE.total_seconds())}}
        token = self.ask("POST", path, asked)["status"]["token"]
        (self.folder / "token").write_text(token)

    def replace_authority(self) -> None:
        """Start the API server again with a certificate of another authority, in the same file."""
        self.authorities += 1
        folder = self.folder / f"authority-{self.authorities}"
        folder.mkdir()
        self._orders.send(folder)
        self._orders.recv()
        (self.folder / "ca.crt").write_bytes((folder / "ca.crt").read_bytes())
        self.replaced_authority = self.timeline.now

    def _write_kubeconfig(self) -> None:
        config = {
            "apiVersion": "v1", "kind": "Config", "current-context": "a",
            "clusters": [{"name": "a", "cluster": {"server": f"https://127.0.0.1:{self.port}", "certificate-authority": str(self.folder / "ca.crt")}}],
            "users": [{"name": "a", "user": {"tokenFile": str(self.folder / "token")}}],
            "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
        }  # fmt: skip
        (self.folder / "kubeconfig").write_text(json.dumps(config))

    def world(self, *_: object) -> World:
        """Return the systems, as the process connects to them, in virtual time."""
        clock = self.timeline.run_clock(timedelta())
        return World(
            clock=clock,
            deadline=ends_after(clock, timedelta(minutes=10)),
            connect_kubernetes=lambda retry, meter: Kubernetes(connect(pool=4), retry, meter),
            connect_vault=lambda retry, meter: Vault(self.vault, retry, meter, cast("Any", self._own())),
            identity=f"run-{next(self._names)}",
        )

    def _own(self) -> Own:
        return Own(connections_to(self.vault, 4), lambda _, __, perform: perform(), lambda: self.timeline.now)


def figures() -> dict[str, int]:
    """Return what a process must not gather over weeks."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return {
        "memory": pages * os.sysconf("SC_PAGE_SIZE"),
        "descriptors": len(list(Path("/proc/self/fd").iterdir())),
        "threads": threading.active_count(),
        "objects": len(gc.get_objects()),
    }


def main(ticks: int, folder: Path, vault: VaultSettings) -> dict[str, Any]:
    """Do so many runs, and a look between each two; return what was seen."""
    timeline = Timeline()
    weeks = Weeks(folder, vault, timeline)
    (folder / "policies").mkdir()
    for name, store, place in (
        ("cluster", "{kubernetes: {}}", "configMap: cluster-accepted"),
        (
            "vault",
            "{vault: {mount: rotator, path: weeks/key}}",
            "vault: {mount: secret, path: weeks/accepted}",
        ),
    ):
        (folder / "policies" / f"{name}.yaml").write_text(KEYS.format(name=name, store=store, place=place))
    request = RunRequest(declarations=Declarations(paths=(folder / "policies",)))
    service = Service(
        request, Serving(), connect=weeks.world, connect_beside=weeks.world, policies=lambda: all_declared(request),
        clock=lambda: timeline.now, steady=timeline.seconds,
    )  # fmt: skip
    codes: Counter[str] = Counter()
    kids: dict[str, set[str]] = {"cluster": set(), "vault": set()}
    unserved, samples = 0, list[dict[str, int]]()
    for number in range(ticks):
        timeline.pass_by(STEP)
        weeks.replace_token()
        if timeline.now - weeks.replaced_authority > WEEK:
            weeks.replace_authority()
        service.refresher.refresh()
        service.tick()
        last = service.last
        codes["no run" if last is None else last.error or str(last.exit_code)] += 1
        for name, found in kids.items():
            answer = public.answer(service.refresher.table, Asked(method="GET", path=f"/{name}"))
            unserved += answer.status != HTTPStatus.OK and number > 1
            if answer.status == HTTPStatus.OK:
                found.update(key["kid"] for key in json.loads(answer.body)["keys"])
        operator.answer(service.view(), Asked(method="GET", path="/"))
        operator.answer(service.view(), Asked(method="GET", path="/metrics"))
        if (number + 1) % (ticks // SAMPLES) == 0:
            samples.append(figures())
    service.refresher.close()
    weeks.close()
    return {
        "ticks": ticks,
        "days": ticks * STEP / timedelta(days=1),
        "codes": codes,
        "keys": {name: len(found) for name, found in kids.items()},
        "unserved": unserved,
        "frozen": [o.reason for o in service.outcomes if o.result in {"Frozen", "Refused"}],
        "samples": samples,
        "authorities": weeks.authorities,
    }


if __name__ == "__main__":
    given = json.loads(sys.argv[3])
    settings = VaultSettings(
        address=given["address"], method="approle", role=given["role"], auth_mount="approle", ca=given["ca"],
        credential=Sensitive(given["secret"]),
    )  # fmt: skip
    sys.stdout.write(json.dumps(main(int(sys.argv[1]), Path(sys.argv[2]), settings)))
