"""Where Vault is and how to log in: read from the environment, checked, and turned into a login request."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rotator.clients.addresses import is_safe
from rotator.clients.proxies import checked, proxy_for
from rotator.core.own_secrets import token_of
from rotator.core.reading import Unreadable
from rotator.core.sensitive import Sensitive
from rotator.core.timing import parse_duration
from rotator.errors import SettingsError

SERVICE_ACCOUNT_TOKEN = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultSettings:
    """Where Vault is and how to log in, from the usual VAULT_* environment and a few ROTATOR_VAULT_* names."""

    address: str
    method: str = "token"
    """`kubernetes`, `jwt`, `approle`, `token` (VAULT_TOKEN) or `token-file`."""
    role: str = ""
    auth_mount: str = ""
    namespace: str | None = None
    ca: str | None = None
    client_cert: tuple[str, str] | None = None
    credential: Sensitive | None = None
    """The token, or the AppRole secret id."""
    credential_file: Path | None = None
    """Where the token, the JWT or the secret id is read from, at each login."""
    timeout: float = 10.0
    proxy: str | None = None
    """By which proxy Vault is reached."""

    @classmethod
    def from_environment(cls, env: Mapping[str, str] = os.environ) -> VaultSettings:
        """Read the environment. Raises SettingsError, naming the variable, for what is missing or refused."""
        address = env.get("VAULT_ADDR", "")
        if not address:
            raise SettingsError(
                "a rotation uses Vault, but VAULT_ADDR is not set; expected e.g. https://vault:8200"
            )
        if not is_safe(address):
            raise SettingsError(
                f"VAULT_ADDR={_shown(address)}: expected https://HOST:PORT without user and password; keys do not travel "
                "in plain text (only to loopback)"
            )
        if ends := _OF_API.search(address):
            raise SettingsError(
                f"VAULT_ADDR={_shown(address)}: expected the address alone, as https://vault:8200; {ends[1]} belongs to what is asked there"
            )
        if env.get("VAULT_SKIP_VERIFY", "").lower() in {"1", "true", "t", "yes"}:
            raise SettingsError("VAULT_SKIP_VERIFY is set: TLS is always verified. Use VAULT_CACERT instead")
        method = env.get("ROTATOR_VAULT_AUTH") or (
            "token-file" if env.get("ROTATOR_VAULT_TOKEN_FILE") else "token"
        )
        if method not in LOGINS:
            raise SettingsError(f"ROTATOR_VAULT_AUTH={method}: expected one of {', '.join(sorted(LOGINS))}")
        secret = _from_variable("VAULT_TOKEN" if method == "token" else "ROTATOR_VAULT_SECRET_ID", env)
        file = env.get(_FILE_VARIABLES.get(method, ""), "") or _default_file(method)
        if method == "token" and not secret:
            raise SettingsError(
                "a rotation uses Vault, but there is no way to log in: set ROTATOR_VAULT_AUTH (kubernetes, jwt, "
                "approle, token-file) and ROTATOR_VAULT_ROLE, or VAULT_TOKEN"
            )
        if method in {"kubernetes", "jwt", "approle"} and not env.get("ROTATOR_VAULT_ROLE"):
            raise SettingsError(
                f"ROTATOR_VAULT_AUTH={method} needs ROTATOR_VAULT_ROLE (for approle: the role id)"
            )
        if not (secret or file):
            raise SettingsError(f"ROTATOR_VAULT_AUTH={method} needs {_FILE_VARIABLES[method]}")
        cert, key = env.get("VAULT_CLIENT_CERT"), env.get("VAULT_CLIENT_KEY")
        if bool(cert) != bool(key):
            raise SettingsError("VAULT_CLIENT_CERT and VAULT_CLIENT_KEY go together; only one of them is set")
        _check_files(env)
        return cls(
            address=address.rstrip("/"),
            method=method,
            role=env.get("ROTATOR_VAULT_ROLE", ""),
            auth_mount=env.get("ROTATOR_VAULT_AUTH_MOUNT") or method,
            namespace=env.get("VAULT_NAMESPACE") or None,
            ca=env.get("VAULT_CACERT") or env.get("VAULT_CAPATH") or None,
            client_cert=(cert, key) if cert and key else None,
            credential=secret,
            credential_file=Path(file) if file else None,
            timeout=_seconds(env.get("VAULT_CLIENT_TIMEOUT") or "10"),
            proxy=_proxy(address, env),
        )


_OF_API = re.compile(r"://[^/]+.*?(/v1|/ui)(/.*)?$")
"""What comes after an address when it is copied from a browser or from documentation of the API."""
_FILE_VARIABLES = {
    "kubernetes": "ROTATOR_VAULT_JWT_FILE",
    "jwt": "ROTATOR_VAULT_JWT_FILE",
    "approle": "ROTATOR_VAULT_SECRET_ID_FILE",
    "token-file": "ROTATOR_VAULT_TOKEN_FILE",
}


def _shown(address: str) -> str:
    """Return the address without what may be a password."""
    before, at, after = address.rpartition("@")
    return f"{before.partition('://')[0]}://…@{after}" if at else address


def _check_files(env: Mapping[str, str]) -> None:
    for name in ("VAULT_CACERT", "VAULT_CAPATH", "VAULT_CLIENT_CERT", "VAULT_CLIENT_KEY"):
        if (path := env.get(name)) and not Path(path).exists():
            raise SettingsError(f"{name}={path}: no such file")


def _proxy(address: str, env: Mapping[str, str]) -> str | None:
    """Return the proxy: as the environment names it for Vault alone, else for all servers."""
    for name in ("VAULT_PROXY_ADDR", "VAULT_HTTP_PROXY"):
        if value := env.get(name):
            return checked(name, value)
    return proxy_for(address, env)


def _default_file(method: str) -> str:
    return str(SERVICE_ACCOUNT_TOKEN) if method in {"kubernetes", "jwt"} else ""


def _seconds(text: str) -> float:
    """Read seconds as a bare number or a duration; Vault's own tools take both."""
    try:
        seconds = parse_duration(f"{text}s" if text.isdecimal() else text).total_seconds()
    except ValueError:
        seconds = 0.0
    if not seconds:
        raise SettingsError(f"VAULT_CLIENT_TIMEOUT={text}: expected more than 0 seconds, as 30 or 30s")
    return seconds


def _from_variable(name: str, env: Mapping[str, str]) -> Sensitive | None:
    """Return the secret in a variable; None: it is not set, or to nothing."""
    octets = os.fsencode(env.get(name, ""))
    return _own(octets, name) if octets.strip(b"\r\n") else None


def _from_file(settings: VaultSettings) -> str:
    if settings.credential_file is None:
        raise SettingsError(f"ROTATOR_VAULT_AUTH={settings.method} needs {_FILE_VARIABLES[settings.method]}")
    variable = _FILE_VARIABLES[settings.method]
    try:
        octets = settings.credential_file.read_bytes()
    except OSError as error:
        raise SettingsError(f"{variable}: cannot read {settings.credential_file}: {error.strerror}") from None
    return _own(octets, f"{variable}: {settings.credential_file}").reveal()


def _own(octets: bytes, where: str) -> Sensitive:
    """Return a secret of our own. Raises SettingsError, naming `where` it stands, for what cannot be one."""
    try:
        return token_of(Sensitive(octets))
    except Unreadable as error:
        raise SettingsError(f"{where} {error}. Nothing was sent to Vault") from None


def _jwt(settings: VaultSettings) -> tuple[str, Json]:
    return f"auth/{settings.auth_mount}/login", {"role": settings.role, "jwt": _from_file(settings)}


def _approle(settings: VaultSettings) -> tuple[str, Json]:
    secret = settings.credential.reveal() if settings.credential else _from_file(settings)
    return f"auth/{settings.auth_mount}/login", {"role_id": settings.role, "secret_id": secret}


def _token(settings: VaultSettings) -> tuple[str, Json]:
    return "", {"token": settings.credential.reveal() if settings.credential else _from_file(settings)}


LOGINS: Mapping[str, Callable[[VaultSettings], tuple[str, Json]]] = {
    "kubernetes": _jwt,
    "jwt": _jwt,
    "approle": _approle,
    "token": _token,
    "token-file": _token,
}
"""By method: the path to log in at (empty: nowhere, the token is given) and what to send."""
