"""Where Vault is and how to log in: read from the environment, checked, and turned into a login request."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rotator.clients.proxies import proxy_for
from rotator.core.sensitive import Sensitive
from rotator.errors import SettingsError
from rotator.systems.vault import variables
from rotator.systems.vault.variables import Variable, own_secret

SERVICE_ACCOUNT_TOKEN = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
TIMEOUT = 10.0
"""Seconds that one request may take, where nothing else is set."""

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultSettings:
    """Where Vault is and how to log in, from the usual VAULT_* environment and a few ROTATOR_VAULT_* names."""

    address: str
    method: str = "token"
    """A key of LOGINS."""
    role: str = ""
    auth_mount: str = ""
    namespace: str | None = None
    ca: str | None = None
    client_cert: tuple[str, str] | None = None
    credential: Sensitive | None = None
    """The token, or the AppRole secret id."""
    credential_file: Path | None = None
    """Where the token, the JWT or the secret id is read from, at each login."""
    timeout: float = TIMEOUT
    """In seconds."""
    proxy: str | None = None
    """By which proxy Vault is reached."""

    @classmethod
    def from_environment(cls, env: Mapping[str, str] = os.environ) -> VaultSettings:
        """Read the environment. Raises SettingsError, naming the variable, for what is missing or refused."""
        address = variables.ADDRESS.of(env)
        if address is None:
            raise SettingsError(
                "a rotation uses Vault, but VAULT_ADDR is not set; expected e.g. https://vault:8200"
            )
        variables.SKIP_VERIFY.of(env)
        method = _method(env)
        credential, file = LOGINS[method].found(method, env)
        cert, key = variables.CERT.of(env), variables.KEY.of(env)
        return cls(
            address=address,
            method=method,
            role=variables.ROLE.of(env) or "",
            auth_mount=variables.MOUNT.of(env) or method,
            namespace=variables.NAMESPACE.of(env),
            ca=_first(env, variables.CA_FILE, variables.CA_FOLDER),
            client_cert=(cert, key) if cert and key else None,
            credential=credential,
            credential_file=file,
            timeout=variables.TIMEOUT.of(env) or TIMEOUT,
            proxy=_first(env, variables.PROXY, variables.HTTP_PROXY) or proxy_for(address, env),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """One way to log in: which variables it needs, and what it sends to Vault."""

    body: Callable[[str, str], Json]
    """What is sent, from the role and the secret."""
    at_mount: bool = True
    """It is sent to the mount; else nothing is, for the secret is the token."""
    needs_role: bool = True
    secret: Variable[Sensitive | None] | None = None
    """What holds the secret."""
    file: Variable[Path] | None = None
    """What names the file of the secret; that is read at each login."""
    default_file: Path | None = None
    missing: str = ""
    """What is said where there is no secret; empty: that the file is needed."""

    @property
    def uses(self) -> tuple[Variable[Any] | None, ...]:
        """Return the variables that only some ways to log in use; None stands for none."""
        shared = (variables.ROLE if self.needs_role else None, variables.MOUNT if self.at_mount else None)
        return (*shared, self.secret, self.file)

    def found(self, method: str, env: Mapping[str, str]) -> tuple[Sensitive | None, Path | None]:
        """Return the secret, or the file that it is in. Raises SettingsError, naming the variable, where it has none."""
        secret = self.secret.of(env) if self.secret else None
        file = (self.file.of(env) if self.file else None) or self.default_file
        if self.needs_role and not variables.ROLE.of(env):
            raise SettingsError(
                f"ROTATOR_VAULT_AUTH={method} needs ROTATOR_VAULT_ROLE (for approle: the role id)"
            )
        if not (secret or file):
            raise SettingsError(self._missing(method))
        return secret, file

    def __call__(self, settings: VaultSettings) -> tuple[str, Json]:
        """Return the path to log in at (empty: nowhere) and what to send. Raises SettingsError for a file's content."""
        path = f"auth/{settings.auth_mount}/login" if self.at_mount else ""
        return path, self.body(settings.role, (settings.credential or self._read(settings)).reveal())

    def _read(self, settings: VaultSettings) -> Sensitive:
        file = settings.credential_file
        if not (self.file and file):
            raise SettingsError(self._missing(settings.method))
        try:
            octets = file.read_bytes()
        except OSError as error:
            raise SettingsError(f"{self.file.name}: cannot read {file}: {error.strerror}") from None
        return own_secret(f"{self.file.name}: {file}", octets)

    def _missing(self, method: str) -> str:
        return self.missing or f"ROTATOR_VAULT_AUTH={method} needs {self.file.name if self.file else ''}"


def _jwt(role: str, secret: str) -> Json:
    return {"role": role, "jwt": secret}


def _approle(role: str, secret: str) -> Json:
    return {"role_id": role, "secret_id": secret}


def _token(_: str, secret: str) -> Json:
    return {"token": secret}


_POD = Login(body=_jwt, file=variables.JWT_FILE, default_file=SERVICE_ACCOUNT_TOKEN)
LOGINS: Mapping[str, Login] = {
    "kubernetes": _POD,
    "jwt": _POD,
    "approle": Login(body=_approle, secret=variables.SECRET_ID, file=variables.SECRET_ID_FILE),
    "token-file": Login(body=_token, at_mount=False, needs_role=False, file=variables.TOKEN_FILE),
    "token": Login(
        body=_token,
        at_mount=False,
        needs_role=False,
        secret=variables.TOKEN,
        missing="a rotation uses Vault, but there is no way to log in: set ROTATOR_VAULT_AUTH (kubernetes, jwt, "
        "approle, token-file) and ROTATOR_VAULT_ROLE, or VAULT_TOKEN",
    ),
}
"""By method, in the order of the reference."""


def _method(env: Mapping[str, str]) -> str:
    method = variables.METHOD.of(env) or ("token-file" if variables.TOKEN_FILE.of(env) else "token")
    if method not in LOGINS:
        raise SettingsError(f"ROTATOR_VAULT_AUTH={method}: expected one of {', '.join(sorted(LOGINS))}")
    return method


def _first(env: Mapping[str, str], *names: Variable[str]) -> str | None:
    """Return what the first of these that is set says; each is checked."""
    return next((value for value in [name.of(env) for name in names] if value), None)
