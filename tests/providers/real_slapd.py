"""A real slapd (OpenLDAP) on loopback, with its own configuration, database and certificates in a folder of the test's.

It is Debian's package `slapd`. Rotator's own account may do what it needs, and nothing else: write `userPassword` under
`ou=services`, and read the rest.
"""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from rotator_sandbox.certificates import issue
from rotator_sandbox.processes import ServerProcess, free_port
from tests.providers.ldap_directory import ADMIN, ADMIN_PASSWORD, ROTATOR, ROTATOR_PASSWORD, admin

INSTALLED = Path(__file__).parents[2] / "build" / "providers" / "slapd"
CONFIG = """
include {schema}/core.schema
include {schema}/cosine.schema
include {schema}/inetorgperson.schema
modulepath {modules}
moduleload back_mdb
moduleload ppolicy
pidfile {folder}/slapd.pid
TLSCACertificateFile {folder}/ca.crt
TLSCertificateFile {folder}/tls.crt
TLSCertificateKeyFile {folder}/tls.key
access to dn.subtree="ou=hidden,dc=example,dc=org" attrs=userPassword
  by dn.exact="{rotator}" =w by self write by anonymous auth by * none
access to dn.subtree="ou=services,dc=example,dc=org" attrs=userPassword
  by dn.exact="{rotator}" write by dn.subtree="ou=services,dc=example,dc=org" write by anonymous auth by * none
access to attrs=userPassword by self write by anonymous auth by * none
access to * by * read
database mdb
suffix dc=example,dc=org
rootdn {admin}
rootpw {password}
directory {folder}/data
overlay ppolicy
{lockout}
"""
POLICIES = {
    "strict": {"pwdCheckQuality": "2", "pwdMinLength": "12", "pwdMaxFailure": "3", "pwdLockout": "TRUE", "pwdInHistory": "3"},
    "lax": {"pwdCheckQuality": "0", "pwdMaxFailure": "3", "pwdLockout": "TRUE"},
    "must": {"pwdMustChange": "TRUE"},
}  # fmt: skip


def find_slapd() -> Path | None:
    """Return the program: as SLAPD says, as unpacked in build/providers, or as the system has it."""
    named = [os.environ.get("SLAPD", ""), str(INSTALLED / "usr/sbin/slapd"), "/usr/sbin/slapd"]
    found = [shutil.which(name) for name in named if name]
    return next((Path(path) for path in found if path), None)


class Slapd:
    """A running server with an empty tree, its policies and rotator's own account."""

    def __init__(self, folder: Path, program: Path, *, says_locked: bool = True) -> None:
        """Start it; `says_locked`: whether it tells who binds that the account is locked."""
        self.folder = folder
        self.files = issue(folder)
        self._ports = free_port(), free_port()
        (folder / "data").mkdir()
        root = program.parents[2] if program.is_relative_to(INSTALLED) else Path("/")
        config = CONFIG.format(
            schema=root / "etc/ldap/schema",
            modules=root / "usr/lib/ldap",
            folder=folder,
            rotator=ROTATOR,
            admin=ADMIN,
            password=ADMIN_PASSWORD,
            lockout="ppolicy_use_lockout" if says_locked else "",
        )
        (folder / "slapd.conf").write_text(config)
        urls = f"ldap://127.0.0.1:{self._ports[0]}/ ldaps://127.0.0.1:{self._ports[1]}/"
        urls += f" ldap://127.0.0.2:{self._ports[0]}/ ldaps://127.0.0.2:{self._ports[1]}/"  # a name that is in no certificate
        # A debug level, even none of them, keeps it in the foreground.
        self._process = ServerProcess(
            [str(program), "-d", "0", "-f", str(folder / "slapd.conf"), "-h", urls], folder / "slapd.log"
        )
        self._process.wait_until(self._listens)
        self._fill()

    @property
    def url(self) -> str:
        """In plain text: for StartTLS, and for proxies on loopback."""
        return f"ldap://127.0.0.1:{self._ports[0]}"

    @property
    def tls_url(self) -> str:
        """With TLS from the start."""
        return f"ldaps://localhost:{self._ports[1]}"

    @property
    def ca_file(self) -> str:
        """The CA to verify it with."""
        return str(self.files.ca)

    def stop(self) -> None:
        """End it."""
        self._process.stop()

    def _listens(self) -> bool:
        with socket.socket() as s:
            return all(s.connect_ex(("127.0.0.1", port)) == 0 for port in self._ports[:1])

    def _fill(self) -> None:
        with admin(self.url) as connection:
            for unit in ("dc=example", "ou=policies", "ou=services", "ou=hidden"):
                dn = "dc=example,dc=org" if unit.startswith("dc=") else f"{unit},dc=example,dc=org"
                assert connection.add(dn, "domain" if unit.startswith("dc=") else "organizationalUnit")
            for name, rules in POLICIES.items():
                dn = f"cn={name},ou=policies,dc=example,dc=org"
                attributes = {"pwdAttribute": "userPassword", **rules}
                assert connection.add(dn, ["device", "pwdPolicy"], attributes), connection.result
            service = ["organizationalRole", "simpleSecurityObject"]
            assert connection.add(ROTATOR, service, {"userPassword": ROTATOR_PASSWORD})


@pytest.fixture(scope="session", name="slapd_server")
def slapd_server_(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    """Run one for the session."""
    program = find_slapd()
    if program is None:
        pytest.skip("NO SLAPD: run make test-providers")
    server = Slapd(tmp_path_factory.mktemp("slapd"), program)
    yield server
    server.stop()


@pytest.fixture(scope="session", name="silent_server")
def silent_server_(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    """Run one that says of a locked account only that the password is wrong."""
    program = find_slapd()
    if program is None:
        pytest.skip("NO SLAPD: run make test-providers")
    server = Slapd(tmp_path_factory.mktemp("silent-slapd"), program, says_locked=False)
    yield server
    server.stop()
