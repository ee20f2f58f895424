"""Vault and OpenBao, on hvac: login, the token's life, and KV version 2.

API: https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2 (OpenBao serves the same).
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import hvac
import requests
import urllib3
from hvac import adapters

from rotator.clients.answers import by_status, json_object
from rotator.clients.meter import Meter
from rotator.clients.retry import Retry
from rotator.core.sensitive import Sensitive
from rotator.core.timing import parse_duration
from rotator.errors import (
    Ambiguous,
    ClientError,
    Conflict,
    Forbidden,
    Rejected,
    SettingsError,
    Unavailable,
)

SYSTEM = "vault"
SERVICE_ACCOUNT_TOKEN = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
RENEW_BEFORE = 0.5
"""The token is renewed once this share of its life is over."""
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_CAS_MISMATCH = "check-and-set parameter"

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

    @classmethod
    def from_environment(cls, env: Mapping[str, str] = os.environ) -> VaultSettings:
        """Read the environment. Raises SettingsError, naming the variable, for what is missing or refused."""
        address = env.get("VAULT_ADDR", "")
        if not address:
            raise SettingsError(
                "a rotation uses Vault, but VAULT_ADDR is not set; expected e.g. https://vault:8200"
            )
        if not _is_safe(address):
            raise SettingsError(
                f"VAULT_ADDR={address}: expected https://; keys do not travel in plain text (only to loopback)"
            )
        if env.get("VAULT_SKIP_VERIFY", "").lower() in {"1", "true", "t", "yes"}:
            raise SettingsError("VAULT_SKIP_VERIFY is set: TLS is always verified. Use VAULT_CACERT instead")
        method = env.get("ROTATOR_VAULT_AUTH") or (
            "token-file" if env.get("ROTATOR_VAULT_TOKEN_FILE") else "token"
        )
        if method not in _LOGINS:
            raise SettingsError(f"ROTATOR_VAULT_AUTH={method}: expected one of {', '.join(sorted(_LOGINS))}")
        secret = env.get("VAULT_TOKEN" if method == "token" else "ROTATOR_VAULT_SECRET_ID", "").strip()
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
            credential=Sensitive(secret) if secret else None,
            credential_file=Path(file) if file else None,
            timeout=_seconds(env.get("VAULT_CLIENT_TIMEOUT") or "10"),
        )


_FILE_VARIABLES = {
    "kubernetes": "ROTATOR_VAULT_JWT_FILE",
    "jwt": "ROTATOR_VAULT_JWT_FILE",
    "approle": "ROTATOR_VAULT_SECRET_ID_FILE",
    "token-file": "ROTATOR_VAULT_TOKEN_FILE",
}


def _is_safe(address: str) -> bool:
    try:
        url = urlsplit(address)
    except ValueError:
        return False
    return bool(url.hostname) and (
        url.scheme == "https" or (url.scheme == "http" and url.hostname in _LOOPBACK)
    )


def _check_files(env: Mapping[str, str]) -> None:
    for name in ("VAULT_CACERT", "VAULT_CAPATH", "VAULT_CLIENT_CERT", "VAULT_CLIENT_KEY"):
        if (path := env.get(name)) and not Path(path).exists():
            raise SettingsError(f"{name}={path}: no such file")


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


@dataclass(frozen=True, slots=True, kw_only=True)
class KvDocument:
    """One document of KV version 2 as it was read."""

    fields: Mapping[str, Sensitive] | None
    """None where the current version is deleted or destroyed."""
    version: int
    """What a write must name as `cas`."""
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """The fields as they came: those of others need not be texts."""


class Vault:
    """One session: logged in at the first request, renewed while it runs, revoked at the end."""

    def __init__(
        self,
        settings: VaultSettings,
        retry: Retry,
        meter: Meter,
        session: requests.Session | None = None,
        pool: int = 10,
    ) -> None:
        """Open a session, or use the one given; `pool` connections are kept for as many threads."""
        self._settings = settings
        self._retry = retry
        self._meter = meter
        self._client = _client(settings, session or _session(pool))
        self._lock = threading.Lock()
        self._token_is_ours = False
        self._renew_at: datetime | None = None

    def read(self, mount: str, path: str) -> KvDocument | None:
        """Read the current version; None where nothing was ever written there."""
        try:
            answer = self._call("GET", f"{mount}/data/{path}", read=True)
        except _Absent as absent:
            return KvDocument(fields=None, version=absent.version) if absent.version else None
        with _kv_version_2(f"{SYSTEM}: GET {mount}/data/{path}"):
            data = answer["data"]
            version, raw = int(data["metadata"]["version"]), dict(data["data"])
        return KvDocument(fields={k: Sensitive(str(v)) for k, v in raw.items()}, version=version, raw=raw)

    def write(
        self,
        mount: str,
        path: str,
        fields: Mapping[str, Sensitive],
        *,
        cas: int,
        beside: Mapping[str, Any] | None = None,
    ) -> KvDocument:
        """Write a version if the current one is `cas` (0: there is none). Raises Conflict otherwise.

        `beside` are fields of others, written as they came.
        """
        raw = {**(beside or {}), **{k: v.reveal() for k, v in fields.items()}}
        answer = self._call("POST", f"{mount}/data/{path}", {"options": {"cas": cas}, "data": raw})
        with _kv_version_2(f"{SYSTEM}: POST {mount}/data/{path}"):
            version = int(answer["data"]["version"])
        return KvDocument(fields={k: Sensitive(str(v)) for k, v in raw.items()}, version=version, raw=raw)

    def write_metadata(self, mount: str, path: str, custom: Mapping[str, str], *, max_versions: int) -> None:
        """Set what people read about a document, and how many versions are kept."""
        body = {"custom_metadata": dict(custom), "max_versions": max_versions, "cas_required": True}
        self._call("POST", f"{mount}/metadata/{path}", body)

    def older_versions(self, mount: str, path: str) -> list[int]:
        """Return the versions before the current one whose data can still be read or undeleted."""
        try:
            data = self._call("GET", f"{mount}/metadata/{path}", read=True)["data"]
        except _Absent:
            return []
        current = int(data["current_version"])
        return sorted(int(n) for n, v in data["versions"].items() if int(n) != current and not v["destroyed"])

    def current_version(self, mount: str, path: str) -> int:
        """Return the number of the current version from the metadata, without reading any secret; 0 if none."""
        try:
            return int(self._call("GET", f"{mount}/metadata/{path}", read=True)["data"]["current_version"])
        except _Absent:
            return 0

    def destroy(self, mount: str, path: str, versions: list[int]) -> None:
        """Remove the data of `versions` for good."""
        self._call("PUT", f"{mount}/destroy/{path}", {"versions": versions})

    def close(self) -> None:
        """Revoke the token that we logged in for; one that was given to us is left alone."""
        if self._token_is_ours and self._client.token:
            with contextlib.suppress(ClientError):  # it expires by itself; the run's result is as it is
                self._ask("POST", "auth/token/revoke-self", {})
        self._client.adapter.close()

    def _call(self, method: str, path: str, body: Json | None = None, *, read: bool = False) -> Json:
        self._ensure_token()
        return self._retry.call(lambda: self._ask(method, path, body), read=read)

    def _ensure_token(self) -> None:
        with self._lock:
            if not self._client.token:
                self._login()
            elif self._renew_at and self._retry.clock.now() >= self._renew_at:
                self._renew()

    def _login(self) -> None:
        path, body = _LOGINS[self._settings.method](self._settings)
        if not path:
            self._client.token = body["token"]
            return
        try:
            answer = self._retry.call(lambda: self._ask("POST", path, body), read=True)
        except (Rejected, Forbidden) as error:
            raise Forbidden(
                error.what,
                f"the login was refused (HTTP {error.code}). Expected: a role at this path that takes what "
                f"ROTATOR_VAULT_AUTH={self._settings.method} sends",
                code=error.code,
            ) from None
        self._client.token = answer["auth"]["client_token"]
        self._token_is_ours = True
        self._plan_renewal(answer["auth"])

    def _renew(self) -> None:
        try:
            self._plan_renewal(self._ask("POST", "auth/token/renew-self", {})["auth"])
        except ClientError:
            self._client.token = ""  # its longest life may be over: log in anew
            self._login()

    def _plan_renewal(self, auth: Json) -> None:
        life = timedelta(seconds=int(auth.get("lease_duration") or 0))
        self._renew_at = self._retry.clock.now() + life * RENEW_BEFORE if life else None

    def _ask(self, method: str, path: str, body: Json | None) -> Json:
        what = f"{SYSTEM}: {method} {path}"
        sent = self._retry.clock.now()
        try:
            answer = self._client.adapter.request(method, f"/v1/{path}", json=body, raise_exception=False)
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            self._meter.count(SYSTEM, method, 0)
            raise _no_answer(what, error) from None
        self._meter.count(SYSTEM, method, answer.status_code)
        self._meter.note_date(SYSTEM, answer.headers.get("Date"), sent)
        if not answer.ok:
            raise _translate(what, answer)
        return json_object(what, answer.status_code, answer.content) if answer.content else {}


@contextlib.contextmanager
def _kv_version_2(what: str) -> Iterator[None]:
    """Refuse the answer of what is no KV version 2: version 1 takes every write, and knows no check-and-set."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError):
        raise Rejected(what, "the mount is no KV version 2 (bao secrets enable -version=2 kv)") from None


class _Absent(ClientError):
    """404 of KV version 2: nothing there (version 0), or a deleted version."""

    def __init__(self, what: str, version: int) -> None:
        super().__init__(what, "not found", code=404)
        self.version = version


def _session(pool: int) -> requests.Session:
    session = requests.Session()
    session.mount("https://", requests.adapters.HTTPAdapter(pool_maxsize=pool))
    return session


def _client(settings: VaultSettings, session: requests.Session) -> hvac.Client:
    session.trust_env = False
    session.verify = settings.ca or True
    session.cert = settings.client_cert
    return hvac.Client(
        url=settings.address,
        token="",
        namespace=settings.namespace,
        session=session,
        adapter=adapters.RawAdapter,
        timeout=settings.timeout,  # type: ignore[arg-type]  # the stubs say int, requests takes fractions
    )


def _from_file(settings: VaultSettings) -> str:
    if settings.credential_file is None:
        raise SettingsError(f"ROTATOR_VAULT_AUTH={settings.method} needs {_FILE_VARIABLES[settings.method]}")
    variable = _FILE_VARIABLES[settings.method]
    try:
        octets = settings.credential_file.read_bytes().strip()
    except OSError as error:
        raise SettingsError(f"{variable}: cannot read {settings.credential_file}: {error.strerror}") from None
    if not octets or not octets.isascii():
        raise SettingsError(f"{variable}: {settings.credential_file} holds no token")
    return octets.decode()


def _jwt(settings: VaultSettings) -> tuple[str, Json]:
    return f"auth/{settings.auth_mount}/login", {"role": settings.role, "jwt": _from_file(settings)}


def _approle(settings: VaultSettings) -> tuple[str, Json]:
    secret = settings.credential.reveal() if settings.credential else _from_file(settings)
    return f"auth/{settings.auth_mount}/login", {"role_id": settings.role, "secret_id": secret}


def _token(settings: VaultSettings) -> tuple[str, Json]:
    return "", {"token": settings.credential.reveal() if settings.credential else _from_file(settings)}


_LOGINS: Mapping[str, Callable[[VaultSettings], tuple[str, Json]]] = {
    "kubernetes": _jwt,
    "jwt": _jwt,
    "approle": _approle,
    "token": _token,
    "token-file": _token,
}


def _no_answer(what: str, error: Exception) -> ClientError:
    refused = (requests.exceptions.ConnectTimeout, requests.exceptions.SSLError)
    cause = error.args[0] if error.args else None
    reason = getattr(cause, "reason", None)
    if isinstance(error, refused) or isinstance(reason, urllib3.exceptions.NewConnectionError):
        return Unavailable(what, f"not reached ({type(error).__name__})")
    return Ambiguous(what, f"no answer ({type(error).__name__})")


def _translate(what: str, answer: requests.Response) -> ClientError:
    """Translate a failure, and keep nothing of the body but whether it was a check-and-set mismatch."""
    try:
        body = answer.json()
    except ValueError:
        body = {}
    if answer.status_code == _NOT_FOUND:
        metadata = ((body.get("data") or {}) if isinstance(body, dict) else {}).get("metadata") or {}
        return _Absent(what, int(metadata.get("version", 0)))
    if answer.status_code == _BAD_REQUEST and _CAS_MISMATCH in answer.text:
        return Conflict(what, "somebody wrote in between (check-and-set)", code=409)
    detail = f"HTTP {answer.status_code}"
    if answer.status_code == _SEALED and "sealed" in answer.text:
        detail += " Vault is sealed"
    return by_status(what, answer.status_code, detail, answer.headers.get("Retry-After"))


_NOT_FOUND = 404
_BAD_REQUEST = 400
_SEALED = 503
