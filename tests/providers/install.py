"""Puts real providers and the vendors' SDKs into `build/providers`, each by its registry's own client: `python -m tests.providers.install [NAME…]`.

Without a name all of them. What is there already is left alone. What is missing on this machine is said, and the exit code is 1.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

HERE = Path(__file__).parent
PLACE = HERE.parents[1] / "build" / "providers"

KEYCLOAK = "26.7.1"
KEYCLOAK_SHA256 = "2a67bb5773b6bb027461f485241379ac93dcfe353ffc1911f8b7ba7206c88b33"
KEYCLOAK_NEEDS_JAVA = 17
COPIES = ("built-with-rotation", "built-without-rotation")
"""A Keycloak writes what it was built with into its own folder: one for each set of features."""
_FEATURES: Sequence[Sequence[str]] = (["--features=client-secret-rotation"], [])
_BUILT_WITH = ("--db=dev-mem", "--cache=local")
_BUILD_JAVA_OPTIONS = "-Xmx512m -XX:-UseG1GC -XX:+UseSerialGC -XX:TieredStopAtLevel=1"
"""One compiler: with both a build takes twice the processor time, for it is over before the second one pays."""
LOCKED_SDKS = HERE / "requirements-sdk.txt"
_DEPENDENCY_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:copy"


class Missing(Exception):
    """Something is not on this machine; the text says what, and how to name it."""


def keycloak(folder: Path) -> None:
    """Install Keycloak twice, from its distribution at Maven Central, and build each with its features."""
    found = java()
    if all((folder / name / "bin" / "kc.sh").is_file() for name in COPIES):
        return
    if shutil.which("mvn") is None:
        raise Missing("Maven (`mvn`) is not on the PATH")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as place:
        artifact = f"org.keycloak:keycloak-quarkus-dist:{KEYCLOAK}:zip"
        _run(["mvn", "-q", "-B", _DEPENDENCY_PLUGIN, f"-Dartifact={artifact}", f"-DoutputDirectory={place}"])
        archive = Path(place) / f"keycloak-quarkus-dist-{KEYCLOAK}.zip"
        _check(archive, KEYCLOAK_SHA256)
        for name, features in zip(COPIES, _FEATURES, strict=True):
            home = _unpack(archive, Path(place) / name)
            env = {**os.environ, "JAVA": str(found), "JAVA_OPTS_KC_HEAP": _BUILD_JAVA_OPTIONS}
            _run([str(home / "bin" / "kc.sh"), "build", *_BUILT_WITH, *features], env=env)
            shutil.rmtree(folder / name, ignore_errors=True)
            home.rename(folder / name)


def java() -> Path:
    """Return a Java that can run Keycloak: that of JAVA_HOME, else `java` on the PATH. Raises Missing."""
    home = os.environ.get("JAVA_HOME")
    found = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    if found is None:
        raise Missing(
            f"there is no Java: neither JAVA_HOME nor `java` on the PATH; {KEYCLOAK_NEEDS_JAVA} or newer"
        )
    try:
        said = subprocess.run([found, "-version"], capture_output=True, text=True, check=True).stderr
    except (OSError, subprocess.CalledProcessError):
        raise Missing(f"{found} does not run, expected a Java {KEYCLOAK_NEEDS_JAVA} or newer") from None
    version = re.search(r'version "(\d+)', said)
    if version is None or int(version[1]) < KEYCLOAK_NEEDS_JAVA:
        told = said.splitlines()[0] if said else "nothing"
        raise Missing(
            f"{found} says {told}, expected {KEYCLOAK_NEEDS_JAVA} or newer: set JAVA_HOME to such a one"
        )
    return Path(found)


def oidc_provider(folder: Path) -> None:
    """Install oidc-provider with exactly the packages of its lock file."""
    if not (folder / "node_modules" / "oidc-provider").is_dir():
        _npm(HERE / "oidc_provider", folder)


def applications(folder: Path) -> None:
    """Install the libraries of JavaScript with which applications read their secrets, with exactly the packages of their lock file."""
    if not (folder / "node_modules" / "express-session").is_dir():
        _npm(HERE.parent / "consumers" / "node", folder)


def _npm(source: Path, folder: Path) -> None:
    if shutil.which("npm") is None:
        raise Missing("npm is not on the PATH")
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(source / name, folder / name)
    _run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder)


def slapd(folder: Path) -> None:
    """Unpack OpenLDAP's server from Debian's package: nothing is installed, and no service starts."""
    program = folder / "usr" / "sbin" / "slapd"
    if program.is_file() or shutil.which("slapd", path=f"{os.environ.get('PATH', '')}:/usr/sbin"):
        return
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise Missing(
            "there is no slapd, and neither apt-get nor dpkg-deb: install OpenLDAP's server by hand"
        )
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as place:
        _run(["apt-get", "-q", "download", "slapd"], cwd=Path(place))
        (package,) = Path(place).glob("slapd_*.deb")
        _run(["dpkg-deb", "-x", str(package), str(folder)])
    tried = subprocess.run([str(program), "-VV"], capture_output=True, text=True, check=False)
    if "OpenLDAP" not in tried.stderr:
        shutil.rmtree(folder)
        raise Missing(f"{tried.stderr.strip()[:200]}: install the package slapd, with what it depends on")


def sdk(folder: Path) -> None:
    """Install the vendors' SDKs, exactly those of the lock, which lies in the folder once all is there.

    They are not in the virtual environment: what other tests import stays what users have.
    """
    lock = folder / LOCKED_SDKS.name
    if lock.is_file() and lock.read_bytes() == LOCKED_SDKS.read_bytes():
        return
    shutil.rmtree(folder, ignore_errors=True)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    exactly = ["--require-hashes", "--no-deps", f"--requirement={LOCKED_SDKS}"]
    _run([*pip, *exactly, "--no-compile", f"--target={folder}"])
    shutil.copyfile(LOCKED_SDKS, lock)


ALL: Mapping[str, Callable[[Path], None]] = {
    "keycloak": keycloak,
    "oidc-provider": oidc_provider,
    "applications": applications,
    "slapd": slapd,
    "sdk": sdk,
}


def _run(command: Sequence[str], *, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> None:
    try:
        subprocess.run(command, cwd=cwd, env=env, check=True)
    except subprocess.CalledProcessError as error:
        raise Missing(f"`{' '.join(command)}` failed with exit code {error.returncode}") from None


def _check(archive: Path, expected: str) -> None:
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != expected:
        raise Missing(f"{archive.name} has the SHA-256 {found}, expected {expected}: it was not unpacked")


def _unpack(archive: Path, to: Path) -> Path:
    """Unpack `archive` and return the one folder in it."""
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(to)
    (top,) = to.iterdir()
    for script in (top / "bin").glob("*.sh"):
        script.chmod(0o755)
    return top


def main(names: Sequence[str]) -> int:
    """Install what is named; return the exit code."""
    unknown = [name for name in names if name not in ALL]
    if unknown:
        sys.stderr.write(f"unknown: {', '.join(unknown)}; expected {', '.join(ALL)}\n")
        return 2
    code = 0
    for name in names or ALL:
        try:
            ALL[name](PLACE / name)
            sys.stdout.write(f"{name}: installed\n")
        except Missing as error:
            sys.stderr.write(f"{name}: NOT installed: {error}\n")
            code = 1
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
