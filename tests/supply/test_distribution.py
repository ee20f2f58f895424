"""The wheel and the sdist, tested as built: what is in them, that they can be built again, and that they run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest

import rotator
from rotator.policy import model as policy

ROOT = Path(__file__).parents[2]
NAME = f"rotator-{rotator.__version__}"
INFO = f"{NAME}.dist-info"
SANDBOX = f"rotator_sandbox-{rotator.__version__}"
EPOCH = "1767225600"
NOT_SOURCE = shutil.ignore_patterns(".git", ".venv", "mutants", "__pycache__", ".*_cache", ".hypothesis")


@dataclass(frozen=True)
class Built:
    """A wheel and an sdist."""

    wheel: Path
    sdist: Path

    def wheel_files(self) -> dict[str, bytes]:
        """Return the wheel's files."""
        with zipfile.ZipFile(self.wheel) as archive:
            return {name: archive.read(name) for name in archive.namelist()}

    def sdist_files(self) -> set[str]:
        """Return the names of the sdist's files."""
        with tarfile.open(self.sdist) as archive:
            names = {member.name for member in archive.getmembers() if member.isfile()}
        assert all(name.startswith(f"{NAME}/") for name in names)
        return {name.removeprefix(f"{NAME}/") for name in names}

    def metadata(self) -> Message:
        """Return the wheel's metadata."""
        return message_from_bytes(self.wheel_files()[f"{INFO}/METADATA"])


def build(tree: Path, into: Path, *what: str, name: str = NAME) -> Built:
    """Build with the tools that are here; no index is asked. Without `what`: the sdist, and the wheel from it."""
    done = subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", *what, "--outdir", into, tree],
        env={**os.environ, "SOURCE_DATE_EPOCH": EPOCH, "PIP_NO_INDEX": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return Built(into / f"{name}-py3-none-any.whl", into / f"{name}.tar.gz")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the source, as a fresh clone would be."""
    folder = tmp_path_factory.mktemp("clone") / "rotator"
    return Path(shutil.copytree(ROOT, folder, ignore=NOT_SOURCE))


@pytest.fixture(scope="module")
def built(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Return what is released: the sdist, and the wheel made from it."""
    return build(tree, tmp_path_factory.mktemp("dist"))


def test_it_can_be_built_again_byte_by_byte(built: Built, tree: Path, tmp_path: Path) -> None:
    """Proves that place, time and way do not matter: a later copy elsewhere, its wheel made from the tree itself."""
    other = Path(shutil.copytree(tree, tmp_path / "elsewhere" / "source"))
    for file in other.rglob("*"):
        os.utime(file, (0, 1_500_000_000))
    again = build(other, tmp_path / "dist", "--sdist", "--wheel")
    assert again.sdist.read_bytes() == built.sdist.read_bytes()
    assert again.wheel.read_bytes() == built.wheel.read_bytes()


# --- what is in them ----------------------------------------------------------------------------------------------


def test_the_wheel_holds_the_package_and_nothing_else(built: Built, tree: Path) -> None:
    """Proves that every module and data file is in it, typed, and no test, no bytecode, no second package: no sandbox."""
    expected = {str(file.relative_to(tree)) for file in (tree / "rotator").rglob("*") if file.is_file()}
    held = {name for name in built.wheel_files() if not name.startswith(f"{INFO}/")}
    assert held == expected
    assert "rotator/py.typed" in held
    assert not [name for name in held if name.endswith(".pyc")]


def test_the_licence_goes_with_it(built: Built) -> None:
    """Proves that the wheel holds the licence's text, and names it as tools read it (PEP 639)."""
    files = built.wheel_files()
    assert files[f"{INFO}/licenses/LICENSE"] == (ROOT / "LICENSE").read_bytes()
    assert built.metadata().get("License-Expression") == "Apache-2.0"
    assert built.metadata().get_all("License-File") == ["LICENSE"]


def test_the_metadata_is_that_of_the_source(built: Built) -> None:
    """Proves that version, dependencies and command are said once and are equal wherever they are read."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    said = built.metadata()
    assert said["Version"] == project["version"] == rotator.__version__
    assert said["Requires-Python"] == project["requires-python"]
    assert said["Description-Content-Type"] == "text/markdown"
    required = said.get_all("Requires-Dist") or []
    assert {line for line in required if "extra ==" not in line} == set(project["dependencies"])
    assert set(said.get_all("Provides-Extra") or []) == set(project["optional-dependencies"])
    assert "rotator = rotator.cli.verbs:main" in built.wheel_files()[f"{INFO}/entry_points.txt"].decode()


def test_the_sdist_holds_all_that_is_needed_to_build_test_and_judge_it(built: Built) -> None:
    """Proves what a packager finds, and that nothing that merely lay about went along."""
    files = built.sdist_files()
    wanted = {
        "CHANGELOG.md",
        "LICENSE",
        "Makefile",
        "README.md",
        "SECURITY.md",
        "cronjobs/image/Containerfile",
        "cronjobs/rotate-now/__main__.py",
        "cronjobs/rotate/__main__.py",
        "docs/example.yaml",
        "pyproject.toml",
        "requirements-dev.txt",
        "requirements.txt",
        "sandbox/rotator_sandbox/emulator/go_types.txt",
        "tests/supply/test_distribution.py",
    }
    assert wanted <= files
    assert not [name for name in files if name.endswith(".pyc") or "/.venv/" in name or ".git/" in name]


@pytest.fixture(scope="module")
def sandbox(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Return the sandbox's wheel, a distribution of its own."""
    return build(tree / "sandbox", tmp_path_factory.mktemp("sandbox"), "--wheel", name=SANDBOX)


def test_the_sandbox_is_a_distribution_of_its_own(sandbox: Built, tree: Path) -> None:
    """Proves that it holds its package and licence, and that it and rotator ask for each other's very version."""
    files = sandbox.wheel_files()
    expected = {
        str(f.relative_to(tree / "sandbox"))
        for f in (tree / "sandbox/rotator_sandbox").rglob("*")
        if f.is_file()
    }
    info = f"{SANDBOX}.dist-info"
    assert {name for name in files if not name.startswith(f"{info}/")} == expected
    assert {"rotator_sandbox/py.typed", "rotator_sandbox/emulator/go_types.txt"} <= expected
    assert files[f"{info}/licenses/LICENSE"] == (ROOT / "LICENSE").read_bytes()
    ours, theirs = (
        tomllib.loads((ROOT / at / "pyproject.toml").read_text())["project"] for at in ("", "sandbox")
    )
    assert ours["version"] == theirs["version"]
    assert f"rotator=={ours['version']}" in theirs["dependencies"]
    assert ours["optional-dependencies"]["demo"] == [f"rotator-sandbox=={ours['version']}"]


# --- as installed -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def installed(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Return what calls the wheel's command, which gives back its output."""
    return install(tmp_path_factory.mktemp("installed"), built.wheel)


def install(folder: Path, *wheels: Path, lacks: tuple[str, ...] = ()) -> Callable[..., str]:
    """Install wheels in an environment of their own that borrows our dependencies, but for those that it `lacks`."""
    venv.create(folder / "venv", with_pip=False, symlinks=True)
    python = folder / "venv" / "bin" / "python"
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "--python",
            python,
            "install",
            "--quiet",
            "--no-index",
            "--no-deps",
            *wheels,
        ],
        check=True,
        timeout=120,
    )
    (places,) = (folder / "venv").glob("lib/python*/site-packages")
    (places / "borrowed.pth").write_text(f"{folder / 'borrowed'}\n")
    (folder / "borrowed").mkdir()
    for each in Path(sysconfig.get_path("purelib")).iterdir():
        if not each.name.startswith(lacks):
            (folder / "borrowed" / each.name).symlink_to(each)

    def run(command: str, *arguments: str, code: int = 0) -> str:
        done = subprocess.run(
            [folder / "venv" / "bin" / command, *arguments],
            env={"PATH": os.environ["PATH"], "HOME": str(folder)},
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == code, done.stderr
        return done.stdout + done.stderr if code else done.stdout

    assert Path(run("python", "-c", "import rotator; print(rotator.__file__)").strip()).is_relative_to(places)
    return run


def test_the_installed_command_says_its_version(installed: Callable[..., str]) -> None:
    """Proves the entry point."""
    assert installed("rotator", "--version") == f"rotator, version {rotator.__version__}\n"


def test_the_installed_schema_is_the_published_one(installed: Callable[..., str]) -> None:
    """Proves that what is printed from the wheel is what the source says."""
    assert json.loads(installed("rotator", "schema")) == policy.json_schema()


def test_the_installed_command_reads_a_policy(installed: Callable[..., str]) -> None:
    """Proves that the example of the first page is good for the wheel too."""
    assert "payments/payments-jwt: good" in installed(
        "rotator", "validate", "-f", str(ROOT / "docs/example.yaml")
    )


def test_the_demo_comes_with_the_sandbox(
    installed: Callable[..., str], built: Built, sandbox: Built, tmp_path: Path
) -> None:
    """Proves that the product alone has none and says how to get it, and finds it where the sandbox is installed."""
    assert "pip install 'rotator[demo]'" in installed("rotator", "demo", "--seed", "7", code=2)
    assert "demo" in installed("rotator", "--help")
    assert "--seed" in install(tmp_path, built.wheel, sandbox.wheel)("rotator", "demo", "--help")


# --- without the extra `ldap` ---------------------------------------------------------------------------------------

DIRECTORY = """\
apiVersion: rotator.dev/v1alpha1
kind: Rotation
metadata: {name: directory, namespace: payments}
spec:
  credential: {ldapPassword: {accounts: ["uid=payments,dc=example,dc=org"]}}
  every: 30d
  overlap: {tokenTTL: 5m}
  store: {kubernetes: {}}
  verifiers:
    - ldap:
        url: "ldaps://directory.invalid"
        bind: {dn: "cn=rotator,dc=example,dc=org", password: {secret: {name: ldap-rotator, key: password}}}
  holders:
    - secret: {name: directory, data: {password: password}}
"""
NOBODY = """\
apiVersion: v1
kind: Config
current-context: nobody
contexts: [{name: nobody, context: {cluster: nobody, user: nobody}}]
clusters: [{name: nobody, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: nobody, user: {token: t}}]
"""
"""A cluster where nobody answers: whoever asks it anything says so."""


@pytest.fixture(scope="module")
def bare(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Return what calls the wheel's command where no library for LDAP is installed."""
    folder = tmp_path_factory.mktemp("bare")
    (folder / "directory.yaml").write_text(DIRECTORY)
    (folder / ".kube").mkdir()
    (folder / ".kube" / "config").write_text(NOBODY)
    return install(folder, built.wheel, lacks=("ldap3", "pyasn1"))


def test_a_directory_is_declared_without_its_library(bare: Callable[..., str]) -> None:
    """Proves that whoever only reads declarations needs no library for LDAP, and that there is none here."""
    assert "No module named 'ldap3'" in bare("python", "-c", "import ldap3", code=1)
    assert "payments/directory: good" in bare("rotator", "validate", "-f", "directory.yaml")
    assert "ldap-rotator" in bare(
        "rotator", "rbac", "-f", "directory.yaml", "--service-account", "ci/rotator"
    )


@pytest.mark.parametrize("verb", ["plan", "run"])
def test_a_run_says_that_the_library_of_a_directory_is_missing(bare: Callable[..., str], verb: str) -> None:
    """Proves that it is said with the remedy, and before anybody is asked anything."""
    said = bare("rotator", verb, "-f", "directory.yaml", code=2)
    assert said == (
        "rotator: the directory ldaps://directory.invalid is declared, and the library for LDAP (ldap3) is not installed. "
        "It was not asked, and nothing was changed. Expected: pip install 'rotator[ldap]', or rotator's image, which has it\n"
    )
