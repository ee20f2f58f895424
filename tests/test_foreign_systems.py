"""A provider that another distribution brings: really installed, found by its entry point, loaded only where it is named.

The distribution is the worked example of the page "Add a system". Everything here is a process of its own.
"""

from __future__ import annotations

import ast
import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from rotator_sandbox.emulator import Cluster, EmulatorServer
from rotator_sandbox.envtest import ControlPlane
from rotator_sandbox.identity.served import Served
from tests.declared_providers import ADMIN, SECRET, declaration
from tests.faults.environment import TOKEN as ADMIN_TOKEN
from tests.test_crd_server import Server
from toy_api import TOKEN, ToyApi

ROOT = Path(__file__).parents[1]
TOY = ROOT / "examples/toy-provider"
PAGE = ROOT / "docs/declare/providers/add-a-system.md"
NAMED = {"ROTATOR_SYSTEMS": "toy"}
FROM_VAULT = "auth: {token: {vault: {mount: secret, path: payments/toy, field: token}}}"
HEADER_ONLY = "Toy reads a client's secret in the header only; expected client_secret_basic"
POSTED = (
    "oauthClient: {clientId: payments, issuer: https://sso.example.com, authentication: client_secret_post}"
)


def toy(auth: str = ADMIN, credential: str = SECRET) -> str:
    """Return a declaration of a client of Toy."""
    return declaration(credential, f"toy: {{url: https://toy.example.com, {auth}}}")


@dataclass
class Shell:
    """The command line, where a folder of distributions is on the path."""

    folder: Path
    packages: Path

    def run(self, *arguments: str, code: int = 0, env: Mapping[str, str] | None = None) -> str:
        """Call it, and return what it prints: never a traceback."""
        done = subprocess.run(
            [sys.executable, "-m", "rotator", *arguments],
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.folder),
                "PYTHONPATH": str(self.packages),
                **(env or {}),
            },
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout or done.stderr.strip()

    def file(self, text: str) -> str:
        """Write a declaration, and return the name of its file."""
        (self.folder / "toy.yaml").write_text(text)
        return "toy.yaml"


def install(source: Path, target: Path) -> None:
    """Install a distribution as people do, without an index."""
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-index",
        "--no-deps",
        "--no-build-isolation",
    ]
    subprocess.run([*pip, "--disable-pip-version-check", "--target", target, source], check=True, timeout=120)


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the example is installed."""
    target = tmp_path_factory.mktemp("installed")
    install(TOY, target)
    return target


@pytest.fixture
def shell(packages: Path, tmp_path: Path) -> Shell:
    """The command line with the example installed."""
    return Shell(tmp_path, packages)


# --- where it is named ----------------------------------------------------------------------------------------------


def test_it_can_be_declared_as_one_of_ours(shell: Shell) -> None:
    """Proves that schema and definition have it, with its fields and its check, and nothing else is different."""
    ours, both = (json.loads(shell.run("schema", env=env)) for env in ({}, NAMED))
    assert both["$defs"].keys() - ours["$defs"].keys() == {"Toy"}
    assert both["$defs"]["Toy"]["properties"].keys() == {"caFile", "propagation", "url", "auth", "others"}
    assert both["$defs"]["Verifier"]["properties"].keys() - ours["$defs"]["Verifier"][
        "properties"
    ].keys() == {"toy"}
    (version,) = yaml.safe_load(shell.run("crd", env=NAMED))["spec"]["versions"]
    spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    assert "toy" in spec["properties"]["verifiers"]["items"]["properties"]
    said = [rule["message"] for rule in spec["x-kubernetes-validations"]]
    assert (
        "authentication: Toy reads a client's secret in the header only; expected client_secret_basic" in said
    )


def test_what_its_page_declares_is_good(shell: Shell) -> None:
    """Proves that people can copy it."""
    (declared,) = re.findall(r"```yaml\n(.*?)```", (TOY / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert "good" in shell.run("validate", "-f", shell.file(declared), env=NAMED)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (toy(credential=POSTED), f"toy.yaml:6: spec.credential.oauthClient.authentication: {HEADER_ONLY}"),
        (
            toy(credential="oauthClient: {clientId: payments, issuer: https://sso.example.com, length: 65}"),
            "toy.yaml:6: spec.credential.oauthClient.length: Toy takes at most 64 characters; expected a shorter length",
        ),
        (
            toy().replace("  every", "  takeOver: {secret: {name: old, key: secret}}\n  every"),
            "toy.yaml:7: spec.takeOver: ",
        ),
        (toy(credential="jwtSigningKey: {}"), "toy.yaml:11: spec.verifiers.0: does not suit jwtSigningKey"),
        (
            toy("auth: {}"),
            "toy.yaml:11: spec.verifiers.0.toy.auth: expected exactly one of client, token, own",
        ),
    ],
)
def test_what_it_cannot_do_is_refused(shell: Shell, text: str, says: str) -> None:
    """Proves that its own check, and those that follow from what it says of itself, name file, line and what was expected."""
    assert says in shell.run("validate", "-f", shell.file(text), code=2, env=NAMED)


def test_its_rights_are_rendered(shell: Shell) -> None:
    """Proves that what it is let in by may be read, and nothing else of the namespace's Secrets."""
    shown = shell.run("rbac", "-f", shell.file(toy()), "--service-account", "rotator/rotator", env=NAMED)
    rules = [rule for doc in yaml.safe_load_all(shown) if doc["kind"] == "Role" for rule in doc["rules"]]
    assert {
        "apiGroups": [""],
        "resources": ["secrets"],
        "verbs": ["get"],
        "resourceNames": ["sso-admin"],
    } in rules
    policy = shell.run("vault", "policy", "-f", shell.file(toy(FROM_VAULT)), env=NAMED)
    assert 'path "secret/data/payments/toy"' in policy


def test_it_imports_what_its_page_names() -> None:
    """Proves that the modules which others may import are enough, and are there."""
    table = PAGE.read_text(encoding="utf-8").partition("| for | modules |")[2].partition("\n\n")[0]
    allowed = set(re.findall(r"`(rotator\.[\w.]+)`", table))
    trees = [ast.parse(file.read_text(encoding="utf-8")) for file in (TOY / "rotator_toy").glob("*.py")]
    asked = {
        node.module or ""
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith("rotator.")
    }
    assert len(asked) > 8
    assert asked <= allowed
    assert all(find_spec(name) for name in allowed)


# --- runs -----------------------------------------------------------------------------------------------------------


GROUP = "foreign.rotator.dev"
"""Of a definition beside that of other tests."""
DECLARED = f"/apis/{GROUP}/v1alpha1/namespaces/default/rotations"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
SECRETS = "/api/v1/namespaces/payments/secrets"
ROTATIONS = "/apis/rotator.dev/v1alpha1/namespaces/payments/rotations"


def cluster_of(definition: str, url: str, issuer: str) -> Cluster:
    """Return a cluster with the definition, a Rotation of a client of Toy, and what rotator is let in by."""
    cluster = Cluster(admin_token=ADMIN_TOKEN)
    text = declaration(
        f"oauthClient: {{clientId: payments, issuer: '{issuer}'}}",
        f"toy: {{url: '{url}', propagation: 0s, auth: {{token: {{secret: {{name: toy, key: token}}}}}}}}",
        holder="secret: {name: payments, data: {value: client_secret}}",
    ).replace("{tokenTTL: 15m}", "{tokenTTL: 15m, clockSkew: 0s}")
    ask(cluster, "POST", DEFINITIONS, yaml.safe_load(definition))
    ask(cluster, "POST", "/api/v1/namespaces", {"metadata": {"name": "payments"}})
    ask(cluster, "POST", SECRETS, {"metadata": {"name": "toy"}, "stringData": {"token": TOKEN}})
    ask(cluster, "POST", ROTATIONS, yaml.safe_load(text))
    return cluster


def ask(cluster: Cluster, method: str, path: str, body: Any = None) -> Any:
    """Ask the cluster as its admin."""
    headers = {"authorization": f"Bearer {ADMIN_TOKEN}", "content-type": "application/json"}
    answer = cluster.handle(method, path, headers, json.dumps(body).encode() if body else b"")
    assert isinstance(answer.body, bytes)
    assert answer.status < 400, answer.body
    return json.loads(answer.body)


def test_a_custom_resource_is_carried_out_where_its_server_is_allowed(shell: Shell) -> None:
    """Proves that its address is found by its type: where only its issuer is allowed, nobody is asked."""
    api = ToyApi()
    with Served(api) as served:
        api.url = served.url.replace("127.0.0.1", "localhost")
        cluster = cluster_of(shell.run("crd", env=NAMED), served.url, issuer=api.url)
        with EmulatorServer(cluster, admin_token=ADMIN_TOKEN) as server:
            env = {**NAMED, "KUBECONFIG": str(server.kubeconfig(shell.folder / "kubeconfig"))}
            run = ("run", "--resources-in", "payments", "-o", "json", "--gate-urls", api.url)
            (refused,) = json.loads(shell.run(*run, code=1, env=env))
            assert refused["result"] == "Refused"
            assert f"provider {served.url}: expected an address below one" in refused["reason"]
            assert api.journal == []
            (done,) = json.loads(shell.run(*run, "--gate-urls", served.url, env=env))
            assert done["result"] == "Waiting", done
    held = ask(cluster, "GET", f"{SECRETS}/payments")["data"]["value"]
    (secret,) = api.secrets
    assert base64.b64decode(held).decode() == secret.value
    assert secret.id.startswith(f"rotator-{done['active']}-")


def conditions(server: Server) -> set[tuple[str, str]]:
    """Return the conditions of the definition, each with its status."""
    status = server.ask("GET", f"{DEFINITIONS}/rotations.{GROUP}").get("status", {})
    return {(one["type"], one["status"]) for one in status.get("conditions") or ()}


def test_the_api_server_refuses_what_its_check_refuses(
    shell: Shell, control_plane: ControlPlane, tmp_path: Path
) -> None:
    """Proves on a real kube-apiserver that the definition with one more provider is taken, and its check works in CEL."""
    definition = json.dumps(yaml.safe_load(shell.run("crd", env=NAMED))).replace("rotator.dev", GROUP)
    with closing(Server(control_plane, tmp_path)) as server:
        made = server.ask("POST", DEFINITIONS, json.loads(definition))
        assert made["kind"] == "CustomResourceDefinition", made.get("message")
        server.until(lambda: ("Established", "True") in conditions(server))
        server.until(lambda: server.ask("GET", DECLARED).get("kind") == "RotationList")

        def refusal(text: str) -> str:
            document = yaml.safe_load(
                text.replace("rotator.dev", GROUP).replace("namespace: payments", "namespace: default")
            )
            answer = server.ask("POST", f"{DECLARED}?dryRun=All&fieldValidation=Strict", document)
            return "" if answer["kind"] == "Rotation" else str(answer["message"])

        assert refusal(toy()) == ""
        assert f"authentication: {HEADER_ONLY}" in refusal(toy(credential=POSTED))
        assert "does not suit jwtSigningKey" in refusal(toy(credential="jwtSigningKey: {}"))


def test_its_own_suite_passes(shell: Shell) -> None:
    """Proves that what is installed keeps the contract of every provider: the suite is run as its page says."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "pythonpath=", TOY],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(map(str, (shell.packages, TOY, ROOT))),
        },
        cwd=shell.folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=250,
    )
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout


# --- where it is not ------------------------------------------------------------------------------------------------


def test_what_no_setting_names_is_not_there(shell: Shell) -> None:
    """Proves that a distribution that merely is installed adds nothing."""
    said = shell.run("validate", "-f", shell.file(toy()), code=2)
    assert "toy.yaml:11: spec.verifiers.0.toy: unknown field" in said


BROKEN = {
    "raises": "raise RuntimeError('the moon is full\\nand more')",
    "leaves": "raise SystemExit('no licence')",
    "no_class": "Kind = object()",
    "no_provider": "class Kind: declared_as = 'no_provider'",
    "silent": "from rotator.systems.provider import Provider\nclass Kind(Provider): 'x'",
    "renamed": (
        "from rotator.systems.provider import Provider\n"
        "class Kind(Provider):\n    declared_as, system, suits = 'other', 'other', ()"
    ),
    "no_client": (
        "from rotator.systems.provider import Provider\n"
        "class Kind(Provider):\n    declared_as, system, suits = 'no_client', 'x', ()"
    ),
    "okta": "",
    "twice": "",
}
"""Modules that entry points name, by the name of the provider."""
FAULTS = {
    "raises": "(broken.raises:Kind), which broken 1.0 brings, cannot be loaded: RuntimeError: the moon is full",
    "leaves": "(broken.leaves:Kind), which broken 1.0 brings, cannot be loaded: SystemExit: no licence",
    "no_class": "is no class below rotator.systems.provider.Provider",
    "no_provider": "is no class below rotator.systems.provider.Provider",
    "silent": "does not say declared_as, suits, system",
    "renamed": "is declared as other; expected the name of its entry point",
    "no_client": "cannot be called; expected a module broken.no_client.client with a function build",
    "nobody": "no installed distribution brings nobody; there are: leaves, no_class, no_client, ",
    "okta": "okta is a verifier of rotator itself; expected another name",
    "jwks": "jwks is a verifier of rotator itself; expected another name",
    "twice": "again and broken bring a twice each; expected one of them to be installed",
}


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with distributions as an installer leaves them, each of whose providers is none."""
    folder = tmp_path_factory.mktemp("broken")
    for dist, names in {"broken": list(BROKEN), "again": ["twice"]}.items():
        info = folder / f"{dist}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {dist}\nVersion: 1.0\n")
        lines = [f"{n} = {f'broken.{n}' if dist == 'broken' else dist}:Kind" for n in names]
        (info / "entry_points.txt").write_text("\n".join(["[rotator.systems]", *lines, ""]))
    (folder / "broken").mkdir()
    for name, text in BROKEN.items():
        (folder / "broken" / f"{name}.py").write_text(text)
    return folder


@pytest.mark.parametrize("name", FAULTS)
def test_what_is_no_provider_is_named(broken: Path, tmp_path: Path, name: str) -> None:
    """Proves that whatever is wrong with it ends in one sentence, before anything is done."""
    said = Shell(tmp_path, broken).run("validate", "-f", "x.yaml", code=2, env={"ROTATOR_SYSTEMS": name})
    assert said.startswith("rotator: ROTATOR_SYSTEMS: ")
    assert FAULTS[name] in said
    assert said.endswith("Nothing was done")
    assert "\n" not in said


def test_help_needs_none_of_them(broken: Path, tmp_path: Path) -> None:
    """Proves that a provider that cannot be loaded takes nobody the help."""
    assert "validate" in Shell(tmp_path, broken).run("--help", env={"ROTATOR_SYSTEMS": "raises"})
