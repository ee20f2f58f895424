"""Everything that the demo starts, and that is gone when it ends."""

from __future__ import annotations

import os
import signal
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from types import FrameType

from kubernetes.config import ConfigException
from urllib3.exceptions import HTTPError

from rotator.errors import RotatorError
from rotator_sandbox.demo import identity, logins
from rotator_sandbox.demo.api import Api, ApiUnavailableError
from rotator_sandbox.demo.jwks_server import JwksServer
from rotator_sandbox.demo.scenarios import ROBOT_KEY, ROBOT_SECRET, Realm, Scenario, deployment, scenarios
from rotator_sandbox.demo.served import Replica, ServedSet
from rotator_sandbox.demo.workers import Workers
from rotator_sandbox.emulator import EmulatorServer, HttpCaller, WorkloadController
from rotator_sandbox.envtest import BinariesNotFoundError, ControlPlane, find_binaries
from rotator_sandbox.openbao import OpenBao

KUBE_APISERVER = "kube-apiserver"
SANDBOX = "sandbox"
"""The context in the kubeconfigs of our own servers."""
SECONDS_TO_READY = 0.4
TERMINATING_SECONDS = 0.6
STEP = 0.2
"""Between two passes of the controller that moves the workloads, in seconds."""
NO_PROXY = "127.0.0.1,localhost"


@dataclass(frozen=True, kw_only=True)
class Environment:
    """What stands while the demo runs."""

    api: Api
    bao: OpenBao
    jwks: JwksServer
    served: ServedSet
    realm: Realm
    """Of the identity provider."""
    scenarios: tuple[Scenario, ...]
    variables: dict[str, str]
    """What the job is started with."""
    context: str
    workers: Workers
    backends: dict[str, str]


@contextmanager
def started(context: str | None, seed: int) -> Iterator[Environment]:
    """Start everything; end everything, whatever happens in between."""
    with ExitStack() as stack:
        stack.enter_context(_terminations())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rotator-demo-")))
        workers = Workers()
        try:
            with ThreadPoolExecutor(1) as beside:
                starting = beside.submit(_start_bao, folder, stack)
                kubeconfig, backend = _start_cluster(context, folder, stack, workers)
            bao = starting.result()
            api = _connect(kubeconfig, context, f"rotator-demo-{seed}", stack)
            provider = identity.start(folder / "identity", stack)
            api.create_secret(ROBOT_SECRET, {ROBOT_KEY: provider.robot_secret})
        except (RuntimeError, ApiUnavailableError, OSError, HTTPError) as error:
            raise RotatorError(f"the demo cannot start: {_sentence(error)}") from error
        if backend == KUBE_APISERVER:
            backend = f"{KUBE_APISERVER} {api.version()}"
        jwks = JwksServer()
        declared = scenarios(api.namespace, jwks.url, provider.realm)
        _declare(api, declared, folder)
        variables = _variables(bao, folder, kubeconfig)
        first, second = (
            Replica(name, variables, context or SANDBOX, folder / f"{name}.log")
            for name in ("serve-0", "serve-1")
        )
        served = ServedSet((first, second), seed)
        stack.callback(served.stop)
        served.start()
        yield Environment(
            api=api,
            bao=bao,
            jwks=jwks,
            served=served,
            realm=provider.realm,
            scenarios=declared,
            variables=variables,
            context=context or SANDBOX,
            workers=workers,
            backends={"kubernetes": backend, "vault": str(bao.product), "identity": logins.NAME},
        )


def _start_bao(folder: Path, stack: ExitStack) -> OpenBao:
    home = folder / "bao"
    home.mkdir()
    bao = OpenBao(home)
    stack.callback(bao.stop)
    return bao


def _start_cluster(
    context: str | None, folder: Path, stack: ExitStack, workers: Workers
) -> tuple[str | None, str]:
    """Start an API server, or take the user's own; return its kubeconfig and what it is."""
    if context is not None:
        stack.callback(workers.end)
        return None, f"context {context}"
    server: ControlPlane | EmulatorServer
    try:
        server, name = ControlPlane(find_binaries()), KUBE_APISERVER
    except BinariesNotFoundError:
        server, name = EmulatorServer(), "emulator"
    stack.enter_context(server)
    caller = HttpCaller(server.url, server.admin_token, server.ca_file)
    stack.callback(caller.close)
    stack.callback(workers.end)
    controller = WorkloadController(
        caller, seconds_to_ready=SECONDS_TO_READY, terminating_seconds=TERMINATING_SECONDS
    )
    workers.repeat(lambda: _step(controller), STEP, "controller")
    return str(server.kubeconfig(folder / "kubeconfig")), name


def _step(controller: WorkloadController) -> None:
    with suppress(OSError, HTTPException):  # a busy machine: the next pass finds the same
        controller.step()


def _connect(kubeconfig: str | None, context: str | None, namespace: str, stack: ExitStack) -> Api:
    try:
        api = Api(kubeconfig, context or SANDBOX, namespace)
    except ConfigException as error:
        raise RuntimeError(f"no cluster: {error}") from None
    stack.callback(api.close)
    api.create_namespace()
    if context is not None:
        stack.callback(api.delete_namespace)
    return api


def _declare(api: Api, declared: tuple[Scenario, ...], folder: Path) -> None:
    policies = folder / "policies"
    policies.mkdir()
    for scenario in declared:
        (policies / f"{scenario.name}.yaml").write_text(scenario.policy, encoding="utf-8")
        for name, replicas in scenario.workloads:
            api.create_deployment(deployment(name, replicas, scenario.holder, scenario.variables))


def _variables(bao: OpenBao, folder: Path, kubeconfig: str | None) -> dict[str, str]:
    """Return the environment variables of the job: the user's, with our own Vault and our own policies."""
    role, secret = bao.app_role()
    secret_file = folder / "secret-id"
    secret_file.touch(mode=0o600)
    secret_file.write_text(secret, encoding="utf-8")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("VAULT_", "ROTATOR_"))}
    quiet = {"no_proxy": NO_PROXY, "NO_PROXY": NO_PROXY} if kubeconfig else {}
    return {
        **kept,
        **quiet,
        **({"KUBECONFIG": kubeconfig} if kubeconfig else {}),
        "VAULT_ADDR": bao.address,
        "VAULT_CACERT": bao.ca_file,
        "ROTATOR_VAULT_AUTH": "approle",
        "ROTATOR_VAULT_ROLE": role,
        "ROTATOR_VAULT_SECRET_ID_FILE": str(secret_file),
        "ROTATOR_POLICIES": str(folder / "policies"),
    }


@contextmanager
def _terminations() -> Iterator[None]:
    """End in order when asked to end, or when the terminal is closed, as on Ctrl-C."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _sentence(error: BaseException) -> str:
    """Return the first and the last line of a message: what failed, and the end of its log."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return lines[0] if len(lines) == 1 else f"{lines[0]} {lines[-1]}"
