"""The picture of the dashboard in the pages: real runs, a real Pushgateway, a real Prometheus, on a compressed clock.

    python -m observability.record --seconds 120

Starts all that is needed on loopback, runs `rotator run` again and again on the rotations of `record.yaml`, whose
windows are seconds, disturbs two of them on purpose, and draws the dashboard by the panels' own queries. All is stopped
at the end, also on Ctrl-C. Exit code 3: a program is missing.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPException
from pathlib import Path
from types import FrameType
from typing import Any

import click
import yaml

from observability.panels import View
from observability.pictures import pictures
from observability.prometheus_api import PrometheusApi
from observability.servers import SCRAPE, ProgramNotFoundError, prometheus, pushgateway
from rotator_sandbox.demo.scenarios import deployment
from rotator_sandbox.emulator import EmulatorServer, HttpCaller, WorkloadController
from rotator_sandbox.envtest import BinariesNotFoundError, ControlPlane, find_binaries
from rotator_sandbox.openbao import BaoNotFoundError, OpenBao

ROOT = Path(__file__).parent.parent
DECLARED = Path(__file__).parent / "record.yaml"
RULES = ROOT / "charts/rotator/files/rules.yaml"
SHOWN = "dashboard.svg"
"""Which of the pictures is kept: the one of the whole dashboard."""
HURRY = 60
"""How many times shorter the alerts wait (`for`) than in production."""
PAUSE = 1.0
"""Between the end of a run and the next, in seconds."""
PATIENCE = 20.0
MISSING = 3
RUN = ("run", "--timeout=1s", "--lease=2s", "--deadline=4s", "--output=json")
"""What is run: short requests let a lease go early where a run is cut off."""
Object = dict[str, Any]


def hurried(rules: Mapping[str, Any], times: float) -> Object:
    """Return alert rules as they are, but for `for`, which is `times` shorter."""

    def one(rule: Mapping[str, Any]) -> Object:
        found = re.fullmatch(r"(\d+)m", rule.get("for", "0m"))
        if not found:
            raise ValueError(f"{rule['alert']}: expected minutes, not {rule['for']}")
        return {**rule, "for": f"{int(found[1]) * 60_000 / times:.0f}ms"}

    return {"groups": [{**g, "rules": [one(r) for r in g["rules"]]} for g in rules["groups"]]}


# --- what goes wrong ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Disturbance:
    """Something that people do to an object of a rotation, once."""

    share: float
    """When, as a share of the whole time."""
    says: str
    act: Callable[[Cluster], None]


def story() -> tuple[Disturbance, ...]:
    """Return what happens, in order: a ring is lost and restored, and a Secret is copied over another one."""
    kept: list[Object] = []

    def lost(cluster: Cluster) -> None:
        kept.append(cluster.read("orders", "secrets", "rotation-webhook"))
        cluster.delete("orders", "secrets", "rotation-webhook")

    def restored(cluster: Cluster) -> None:
        cluster.create("orders", "secrets", kept.pop())

    def copied(cluster: Cluster) -> None:
        copy = cluster.read("orders", "secrets", "webhook-key")
        cluster.delete("shop", "secrets", "cookie-secret")
        cluster.create("shop", "secrets", {**copy, "metadata": {**copy["metadata"], "name": "cookie-secret"}})

    return (
        Disturbance(0.3, "the ring of orders/webhook is deleted", lost),
        Disturbance(0.58, "the ring of orders/webhook is restored", restored),
        Disturbance(0.88, "the Secret of orders/webhook is copied over that of shop/cookie", copied),
    )


# --- where it happens --------------------------------------------------------------------------------------------


class Cluster:
    """What is done to the Kubernetes API from outside of the rotations."""

    def __init__(self, call: HttpCaller) -> None:
        self._call = call

    def create(self, namespace: str, plural: str, body: Object, group: str = "api/v1") -> None:
        """Create an object; without a namespace, one of the cluster."""
        scope = f"namespaces/{namespace}/" if namespace else ""
        self._ask("POST", f"/{group}/{scope}{plural}", body)

    def read(self, namespace: str, plural: str, name: str) -> Object:
        """Return an object of the core group as somebody writes it down who wants to create it again."""
        found = self._ask("GET", f"/api/v1/namespaces/{namespace}/{plural}/{name}", None)
        metadata = {k: v for k, v in found["metadata"].items() if k in {"name", "labels", "annotations"}}
        return {"metadata": metadata, "data": found["data"], "type": found["type"]}

    def delete(self, namespace: str, plural: str, name: str) -> None:
        """Delete an object of the core group."""
        self._ask("DELETE", f"/api/v1/namespaces/{namespace}/{plural}/{name}", None)

    def _ask(self, method: str, path: str, body: Object | None) -> Object:
        status, answer = self._call(method, path, {}, body)
        if status >= 300:  # noqa: PLR2004 - HTTP
            raise click.ClickException(f"{method} {path}: {status} {answer.get('message', '')}")
        return answer


@dataclass(frozen=True, kw_only=True)
class Site:
    """What stands while it is recorded."""

    cluster: Cluster
    backend: str
    prometheus: str
    environment: Mapping[str, str]


def site(folder: Path, stack: ExitStack) -> Site:
    """Start everything; `stack` ends it. Raises ProgramNotFoundError or BaoNotFoundError."""
    gateway = pushgateway(folder, stack)
    rules = hurried(yaml.safe_load(RULES.read_text(encoding="utf-8")), HURRY)
    url = prometheus(folder, gateway, rules, stack)
    home = folder / "bao"
    home.mkdir()
    bao = OpenBao(home)
    stack.callback(bao.stop)
    server: ControlPlane | EmulatorServer
    try:
        server, backend = ControlPlane(find_binaries()), "kube-apiserver"
    except BinariesNotFoundError:
        server, backend = EmulatorServer(), "emulator"
    stack.enter_context(server)
    cluster = _furnished(server, stack)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "KUBECONFIG": str(server.kubeconfig(folder / "kubeconfig")),
        "ROTATOR_POLICIES": str(DECLARED),
        "ROTATOR_METRICS_PUSH": f"http://127.0.0.1:{gateway}",
        **_vault(bao, folder),
    }
    return Site(cluster=cluster, backend=backend, prometheus=url, environment=environment)


def _vault(bao: OpenBao, folder: Path) -> Mapping[str, str]:
    role, secret = bao.app_role()
    file = folder / "secret-id"
    file.touch(mode=0o600)
    file.write_text(secret, encoding="utf-8")
    return {
        "VAULT_ADDR": bao.address,
        "VAULT_CACERT": bao.ca_file,
        "ROTATOR_VAULT_AUTH": "approle",
        "ROTATOR_VAULT_ROLE": role,
        "ROTATOR_VAULT_SECRET_ID_FILE": str(file),
    }


def _furnished(server: ControlPlane | EmulatorServer, stack: ExitStack) -> Cluster:
    """Make the namespaces and the workload that restarts, and let a controller move it."""

    def caller() -> HttpCaller:
        made = HttpCaller(server.url, server.admin_token, server.ca_file)
        stack.callback(made.close)
        return made

    cluster = Cluster(caller())
    for namespace in sorted({r["metadata"]["namespace"] for r in declared()}):
        cluster.create("", "namespaces", {"metadata": {"name": namespace}})
    workload = deployment("payments-api", 2, "payments-signing-key")
    cluster.create("payments", "deployments", workload, "apis/apps/v1")
    controller = WorkloadController(caller(), seconds_to_ready=1.5, terminating_seconds=1.0)
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(0.3):
            with suppress(OSError, HTTPException):  # a busy machine: the next pass finds the same
                controller.step()

    thread = threading.Thread(target=work, name="controller", daemon=True)
    thread.start()
    stack.callback(thread.join, 5)
    stack.callback(stop.set)
    return cluster


def declared() -> list[Object]:
    """Return the rotations that are recorded, as documents."""
    return list(yaml.safe_load_all(DECLARED.read_text(encoding="utf-8")))


# --- what is recorded --------------------------------------------------------------------------------------------


def recorded(site: Site, seconds: float, say: Callable[[str], None]) -> tuple[datetime, datetime]:
    """Run again and again for so long, once all is at rest; return from when until when that was."""
    _to_rest(site, say)
    begin, began = datetime.now(UTC), time.monotonic()
    coming = list(story())
    while (passed := time.monotonic() - began) < seconds:
        if coming and passed >= coming[0].share * seconds:
            event = coming.pop(0)
            event.act(site.cluster)
            say(f"{passed:4.0f} s: {event.says}")
        time.sleep(PAUSE)
        say(f"{time.monotonic() - began:4.0f} s: {_run(site)}")
    return begin, datetime.now(UTC)


def _to_rest(site: Site, say: Callable[[str], None]) -> None:
    """Run until each rotation has its first version in use, and Prometheus knows that and no alert."""
    count = len(declared())
    query = f'absent(ALERTS) and on () count(rotator_rotation_phase{{phase="Stable"}} == 1) == {count}'
    api, give_up = PrometheusApi(site.prometheus), time.monotonic() + PATIENCE
    while not api.instant(query, datetime.now(UTC)):
        if time.monotonic() > give_up:
            raise click.ClickException(f"not at rest after {PATIENCE:.0f} s: {query}")
        say(f"before: {_run(site)}")
        time.sleep(SCRAPE)


def _run(site: Site) -> str:
    """Run once as a process; return in a few words how it ended and where each rotation stands."""
    process = subprocess.Popen(
        [sys.executable, "-m", "rotator", *RUN],
        env=site.environment, cwd=ROOT, text=True, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    try:
        out, errors = process.communicate()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    try:
        rows: list[Object] = json.loads(out)
    except ValueError:
        raise click.ClickException(
            f"a run ended with {process.returncode}: {errors.strip()[-500:]}"
        ) from None
    return f"exit code {process.returncode}: {', '.join(_standing(row) for row in rows)}"


def _standing(row: Mapping[str, Any]) -> str:
    frozen = " (frozen)" if row["result"] == "Frozen" else ""
    return f"{row['rotation']} {row['phase'] or '-'}{frozen}"


@contextmanager
def _whole() -> Iterator[None]:
    """Do what is inside to its end before a Ctrl-C or a termination counts: what has half started could not be stopped."""
    asked: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        asked.append(number)

    before = {n: signal.signal(n, note) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if asked:
        raise KeyboardInterrupt


@click.command()
@click.option("--seconds", default=120.0, show_default=True, help="How long; below 100 not all is seen.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=ROOT / "docs/pictures",
    help="A folder; default: docs/pictures.",
)
def main(seconds: float, out: Path) -> None:
    """Record real runs on a compressed clock, and draw the dashboard from them."""
    with ExitStack() as stack:
        before = signal.signal(signal.SIGTERM, signal.default_int_handler)
        stack.callback(signal.signal, signal.SIGTERM, before)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rotator-record-")))
        click.echo("starting Pushgateway, Prometheus, OpenBao and a Kubernetes API")
        try:
            with _whole():
                standing = site(folder, stack)
        except (ProgramNotFoundError, BaoNotFoundError) as error:
            click.echo(f"NOTHING IS DRAWN: {error}", err=True)
            sys.exit(MISSING)
        click.echo(f"on {standing.backend}; {len(declared())} rotations for {seconds:.0f} s")
        begin, end = recorded(standing, seconds, click.echo)
        view = View(
            api=PrometheusApi(standing.prometheus), begin=begin, end=end, width=0, height=0, scrape=SCRAPE
        )
        made = pictures(view)
        out.mkdir(parents=True, exist_ok=True)
        (out / SHOWN).write_text(made[SHOWN], encoding="utf-8")
        click.echo(f"{out / SHOWN}")


if __name__ == "__main__":
    main()
