"""Vault and OpenBao, on hvac: login, the token's life, and KV version 2.

API: https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2 (OpenBao serves the same).
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import urllib3

from rotator.clients.addresses import where
from rotator.clients.answers import (
    REDIRECTS,
    TAKEN,
    Asked,
    by_status,
    check_redirect,
    json_object,
    no_answer,
    said_nothing,
)
from rotator.clients.connections import Connections, cause_of, verified, whole
from rotator.clients.meter import VAULT, Meter
from rotator.clients.retry import Retry, briefly
from rotator.core.reading import Unreadable, parse
from rotator.core.sensitive import Sensitive
from rotator.core.shapes import (
    Shape,
    count,
    digits,
    document,
    filled,
    fitting,
    flag,
    listed,
    mapping,
    record,
    seconds,
    text,
    token,
)
from rotator.errors import (
    Ambiguous,
    ClientError,
    Conflict,
    Forbidden,
    NotFound,
    Rejected,
    SettingsError,
    Unavailable,
)
from rotator.late import Late, in_part
from rotator.systems.vault.kv import KvDocument, KvMetadata, KvSettings
from rotator.systems.vault.settings import LOGINS, VaultSettings

with in_part("hvac", without=("requests", "requests.exceptions")):  # the connections are ours
    from hvac.adapters import RawAdapter
if TYPE_CHECKING:
    from requests import utils
else:
    utils = Late("requests.utils")

SYSTEM = VAULT
LARGEST = 8 << 20
"""The largest answer read, in bytes: what Vault keeps at one path has a few of them at most."""
RENEW_BEFORE = 0.5
"""The token is renewed once this share of its life is over."""
_CAS_MISMATCH = b"check-and-set parameter"
_WRONG = re.compile(rb"invalid (role|secret)", re.IGNORECASE)
"""How the server names a role id or a secret id that it does not know; other refusals come with the same status."""
WRONG = "invalid role or secret ID"
_STANDBY = (
    "If a standby answered, it names the `api_addr` of the active server: let VAULT_ADDR name the active server, or let the "
    "standbys forward requests (`cluster_addr`)"
)

_HEADERS: Mapping[str, Mapping[str, str]] = {"PATCH": {"Content-Type": "application/merge-patch+json"}}
"""What KV asks for beside the body (RFC 7396)."""

Json = dict[str, Any]
_NOTHING: Json = {}
"""Stands for an answer without a word, which no document is."""


_ONLY_AFTER = (
    "whether the mount deletes what is written, or asks for more than rotator sends, only the answer to the first write will tell. "
    "Allow read there (`rotator vault policy` prints it)"
)


class Vault:
    """One session: logged in at the first request, renewed while it runs, revoked at the end."""

    def __init__(
        self,
        settings: VaultSettings,
        retry: Retry,
        meter: Meter,
        connections: Connections | None = None,
        pool: int = 10,
    ) -> None:
        """Open a session; `pool` connections are kept for as many threads. `connections`: instead of the network's."""
        self._settings = settings
        self._retry = retry
        self._meter = meter
        self._session = _Session(connections or connections_to(settings, pool))
        self._adapter = _adapter(settings, self._session)
        self._lock = threading.Lock()
        self._token_is_ours = False
        self._renew_at: datetime | None = None
        self._mounts: dict[str, KvSettings | None] = {}

    def mount_settings(self, mount: str) -> KvSettings | None:
        """Look at a mount, once in a session; None where this login may not read its settings.

        Raises Rejected where no KV version 2 engine is mounted there.
        """
        if mount not in self._mounts:
            self._mounts[mount] = self._look_at(mount)
        return self._mounts[mount]

    def unfit(self, mount: str) -> str:
        """Say why nothing of ours can be kept at a mount, as far as this login may see; empty: it can."""
        try:
            settings = self.mount_settings(mount)
        except Rejected as error:
            return str(error)
        return settings.unfit(mount) if settings else ""

    def unseen(self, mounts: Collection[str]) -> str:
        """Say of which mounts that were looked at this login may not read the settings; empty: of none."""
        named = [m for m in sorted(mounts) if m in self._mounts and self._mounts[m] is None]
        paths = ", ".join(f"{m}/config" for m in named)
        return f"this login may not read {paths} in Vault: {_ONLY_AFTER}" if named else ""

    def _look_at(self, mount: str) -> KvSettings | None:
        what = f"{SYSTEM}: GET {mount}/config"
        try:
            answer = self._call("GET", f"{mount}/config", read=True)
        except _Absent as absent:
            raise Rejected(what, absent.no_kv or _NO_VERSION_2, code=404) from None
        except Forbidden:
            self._check_version(mount)
            return None
        with _kv_version_2(what):
            data = _CONFIG(answer)["data"]
            return KvSettings(
                max_versions=data["max_versions"],
                delete_version_after=_lifetime(data["delete_version_after"]),
                metadata_cas_required=data.get("metadata_cas_required", False),
            )

    def _check_version(self, mount: str) -> None:
        """Look at what everybody is shown who may do something below a mount, as Vault's own tools do."""
        path = f"sys/internal/ui/mounts/{mount}"
        try:
            mounted = _MOUNT(self._call("GET", path, read=True))["data"]
        except (ClientError, Unreadable):
            return  # not shown here: then the answers to our own requests tell
        if (mounted["type"], mounted.get("options", {}).get("version")) != ("kv", "2"):
            raise Rejected(f"{SYSTEM}: GET {path}", _NO_VERSION_2)

    def read(self, mount: str, path: str) -> KvDocument | None:
        """Read the current version; None where nothing was ever written there."""
        try:
            answer = self._call("GET", f"{mount}/data/{path}", read=True)
        except _Absent as absent:
            if absent.no_kv:
                raise Rejected(absent.what, absent.no_kv, code=404) from None
            return KvDocument(fields=None, version=absent.version) if absent.version else None
        with _kv_version_2(f"{SYSTEM}: GET {mount}/data/{path}"):
            data = _KV(answer)["data"]
            version, raw = data["metadata"]["version"], data["data"]
            vanishes = data["metadata"].get("deletion_time", "")
            custom = data["metadata"].get("custom_metadata", {})
        fields = {k: Sensitive(str(v)) for k, v in raw.items()}
        return KvDocument(fields=fields, version=version, raw=raw, vanishes=vanishes, custom=custom)

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
            data = _WRITTEN(answer)["data"]
            version, vanishes = data["version"], data.get("deletion_time", "")
            custom = data.get("custom_metadata", {})
        texts = {k: Sensitive(str(v)) for k, v in raw.items()}
        return KvDocument(fields=texts, version=version, raw=raw, vanishes=vanishes, custom=custom)

    def write_metadata(self, mount: str, path: str, custom: Mapping[str, str], *, max_versions: int) -> None:
        """Set what people read about a document of ours, and how many versions are kept."""
        body = {"custom_metadata": dict(custom), "max_versions": max_versions, "cas_required": True}
        self._call("POST", f"{mount}/metadata/{path}", body)

    def note(self, mount: str, path: str, custom: Mapping[str, str | None]) -> None:
        """Change some of what people read about a document (None removes one), and nothing else of its metadata."""
        try:
            self._call("PATCH", f"{mount}/metadata/{path}", {"custom_metadata": dict(custom)})
        except (_Absent, Rejected) as gone:
            if gone.code != _NOT_FOUND:  # which comes without a body here
                raise
            raise Conflict(gone.what, "it was deleted in between", code=409) from None

    def metadata(self, mount: str, path: str) -> KvMetadata | None:
        """Read the metadata of a document; None where there is none."""
        at = f"{mount}/metadata/{path}"
        try:
            data = _fitting(at, _HISTORY, self._call("GET", at, read=True))["data"]
        except _Absent as absent:
            if absent.no_kv:
                raise Rejected(absent.what, absent.no_kv, code=404) from None
            return None
        numbers = {fitting(digits, n, 0): v for n, v in data["versions"].items()}
        others = numbers.keys() - {0, data["current_version"]}
        return KvMetadata(
            max_versions=data.get("max_versions", 0),
            delete_version_after=_lifetime(data.get("delete_version_after", "")),
            metadata_cas_required=data.get("metadata_cas_required", False),
            custom=data.get("custom_metadata", {}),
            older=tuple(sorted(n for n in others if not numbers[n]["destroyed"])),
        )

    def older_versions(self, mount: str, path: str) -> list[int]:
        """Return the versions before the current one whose data can still be read or undeleted."""
        found = self.metadata(mount, path)
        return list(found.older) if found else []

    def destroy(self, mount: str, path: str, versions: list[int]) -> None:
        """Remove the data of `versions` for good."""
        self._call("PUT", f"{mount}/destroy/{path}", {"versions": versions})

    def erase_older(self, mount: str, path: str, *, act: bool) -> bool:
        """Destroy what can still be read of older versions (only if `act`); return whether nothing is left."""
        older = self.older_versions(mount, path)
        if older and act:
            self.destroy(mount, path, older)
        return not older or act

    def remove(self, mount: str, path: str) -> None:
        """Delete a document with all its versions and its metadata; one that is gone is no error."""
        try:
            self._call("DELETE", f"{mount}/metadata/{path}", read=True)
        except _Absent as absent:
            if absent.no_kv:
                raise Rejected(absent.what, absent.no_kv, code=404) from None

    # --- secret ids of AppRole roles (https://openbao.org/api-docs/auth/approle/)

    def app_role_id(self, mount: str, role: str) -> str:
        """Return the id by which a role logs in, which is no secret. Raises NotFound where there is no such role."""
        path = f"auth/{mount}/role/{role}/role-id"
        try:
            return str(_fitting(path, _ROLE_ID, self._call("GET", path, read=True))["data"]["role_id"])
        except _Absent as absent:
            raise NotFound(
                absent.what, "there is no such role, or no AppRole mounted there", code=404
            ) from None

    def add_secret_id(self, mount: str, role: str, secret_id: Sensitive, metadata: Mapping[str, str]) -> None:
        """Let `role` log in with a secret id of ours. Ambiguous where it is there already: the server says 500."""
        body = {"secret_id": secret_id.reveal(), "metadata": dumps(dict(metadata))}
        self._of_role(f"auth/{mount}/role/{role}/custom-secret-id", body)

    def find_secret_id(self, mount: str, role: str, secret_id: Sensitive) -> Mapping[str, Any] | None:
        """Return what the server says of a secret id; None where it does not know it."""
        body = {"secret_id": secret_id.reveal()}
        path = f"auth/{mount}/role/{role}/secret-id/lookup"
        answer = self._of_role(path, body, read=True)
        return None if answer is _NOTHING else _fitting(path, _SECRET_ID, answer)["data"]

    def destroy_secret_id(self, mount: str, role: str, secret_id: Sensitive) -> None:
        """End a secret id; one that is gone is no error. Tokens that it brought live on until they expire."""
        body = {"secret_id": secret_id.reveal()}
        self._of_role(f"auth/{mount}/role/{role}/secret-id/destroy", body)

    def try_app_role(self, mount: str, role_id: str, secret_id: Sensitive) -> bool:
        """Log in as a holder does, and end the token that it brings; False where the server takes them for wrong (400)."""
        body, path = {"role_id": role_id, "secret_id": secret_id.reveal()}, f"auth/{mount}/login"
        try:
            answer = _fitting(path, _LOGIN, self._of_role(path, body, read=True))
        except Rejected as error:
            if error.reason == WRONG:
                return False
            if error.code != _BAD_REQUEST:
                raise
            raise Rejected(
                error.what,
                "HTTP 400, and not because the role id or the secret id is wrong, so it says nothing about them. See whether the "
                "role or its secret ids are bound to addresses (secret_id_bound_cidrs) that rotator's is none of",
                code=error.code,
            ) from None
        self._revoke(answer["auth"]["client_token"])
        return True

    def _of_role(self, path: str, body: Json, *, read: bool = False) -> Json:
        try:
            return self._call("POST", path, body, read=read)
        except _Absent as absent:
            raise NotFound(
                absent.what, "there is no such role, or no AppRole mounted there", code=404
            ) from None

    def _revoke(self, token: str) -> None:
        """End a token by itself, not ours; where that fails, it ends when its time is over."""
        holder = _adapter(self._settings, self._session)
        holder.token = token
        with contextlib.suppress(ClientError):
            self._sent(holder, "POST", "auth/token/revoke-self", None)

    def close(self) -> None:
        """Revoke the token that we logged in for; one that was given to us is left alone."""
        if self._token_is_ours and self._adapter.token:
            with contextlib.suppress(ClientError):  # it expires by itself; the run's result is as it is
                self._ask("POST", "auth/token/revoke-self", {})
        self._session.close()

    def _call(self, method: str, path: str, body: Json | None = None, *, read: bool = False) -> Json:
        with briefly(brief=not read):
            self._ensure_token()
        return self._retry.call(lambda: self._ask(method, path, body), read=read)

    def _ensure_token(self) -> None:
        with self._lock:
            if not self._adapter.token:
                self._login()
            elif self._renew_at and self._retry.clock.now() >= self._renew_at:
                self._renew()

    def _login(self) -> None:
        path, body = LOGINS[self._settings.method](self._settings)
        if not path:
            self._adapter.token = body["token"]
            return
        try:
            answer = self._retry.call(lambda: self._ask("POST", path, body), read=True)
        except (Rejected, Forbidden, _Absent) as error:
            if error.code in REDIRECTS:
                raise
            why = f": {error.no_kv}" if isinstance(error, _Absent) and error.no_kv else ""
            raise Forbidden(
                error.what,
                f"the login was refused (HTTP {error.code}{why}). Expected: this login method mounted there (bao auth list), with "
                f"a role that takes what ROTATOR_VAULT_AUTH={self._settings.method} sends{_ALSO.get(self._settings.method, '')}",
                code=error.code,
            ) from None
        answer = _fitting(path, _LOGIN, answer)
        self._adapter.token = answer["auth"]["client_token"]
        self._token_is_ours = True
        self._plan_renewal(answer["auth"])

    def _renew(self) -> None:
        try:
            path = "auth/token/renew-self"
            self._plan_renewal(_fitting(path, _RENEWED, self._ask("POST", path, {}))["auth"])
        except ClientError:
            self._adapter.token = ""  # its longest life may be over: log in anew
            self._login()

    def _plan_renewal(self, auth: Json) -> None:
        life = timedelta(seconds=auth.get("lease_duration", 0))
        self._renew_at = self._retry.clock.now() + life * RENEW_BEFORE if life else None

    def _ask(self, method: str, path: str, body: Json | None) -> Json:
        what = f"{SYSTEM}: {method} {path}"
        sent = self._retry.clock.now()
        answer = self._sent(self._adapter, method, path, body)
        self._meter.note_date(SYSTEM, answer.headers.get("Date"), sent)
        asked = Asked(what, method, self._settings.address, _STANDBY)
        check_redirect(asked, answer.status, answer.headers)
        if answer.status not in TAKEN:
            given = bool(self._adapter.token) and not self._token_is_ours
            raise _translate(what, where(self._settings.address), answer, given=given)
        if not answer.octets and said_nothing(answer.status, answer.headers):
            return _NOTHING
        return json_object(what, answer.status, answer.octets)

    def _sent(self, adapter: RawAdapter, method: str, path: str, body: Json | None) -> _Answer:
        """Return an answer, whatever it says. Raises ClientError where none came."""
        what = f"{SYSTEM}: {method} {path}"
        headers = dict(_HEADERS.get(method, {}))
        try:
            limit = self._retry.within(self._settings.timeout, what, self._settings.address)
            with self._meter.span(SYSTEM, {"request": what}), limit:
                answer = cast("_Answer", adapter.request(method, f"/v1/{path}", json=body, headers=headers))
        except urllib3.exceptions.HTTPError as error:
            self._meter.count(SYSTEM, method, 0)
            raise no_answer(what, error, self._settings.address, "VAULT_CACERT") from None
        self._meter.count(SYSTEM, method, answer.status)
        if len(answer.octets) > LARGEST:
            said = f"HTTP {answer.status}, and the answer is larger than {LARGEST} bytes"
            raise Ambiguous(what, said, code=answer.status)
        return answer


@contextlib.contextmanager
def _kv_version_2(what: str) -> Iterator[None]:
    """Refuse the answer of what is no KV version 2: version 1 takes every write, and knows no check-and-set."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError):
        raise Rejected(what, _NO_VERSION_2) from None


def _lifetime(after: str) -> str:
    """Return for how long a version lives; empty: without an end, which 0 and what is negative mean."""
    return "" if after.startswith("-") or after == "0s" else after


class _Absent(ClientError):
    """404 of KV version 2: nothing there (version 0), or a deleted version."""

    def __init__(self, what: str, version: int, no_kv: str) -> None:
        super().__init__(what, no_kv or "not found", code=404)
        self.version = version
        self.no_kv = no_kv
        """Why nothing is said of what is there: no KV version 2 engine can be; empty: one may be, and has nothing at that path."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """An answer that was read to its end, as far as hvac looks at it."""

    status: int
    headers: Mapping[str, str]
    octets: bytes
    ok: bool = True
    """Whether hvac is to let it through: what it says is read here."""


class _Session:
    """What hvac sends by: connections of ours. It takes nothing from the environment, and no redirect is followed."""

    verify = cert = proxies = None

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def request(
        self, method: str, url: str, headers: Mapping[str, str], json: Json | None = None, **_: object
    ) -> _Answer:
        """Send a request, as a session of requests does; how servers are verified is not asked of each of them."""
        body = None if json is None else dumps(json).encode()
        kind = {} if body is None else {"Content-Type": "application/json"}
        answer = self._connections.request(
            method, url, body=body, headers={**kind, **headers}, redirect=False, preload_content=False
        )
        return _Answer(answer.status, answer.headers, whole(answer, LARGEST))

    def close(self) -> None:
        """Close the connections."""
        self._connections.clear()


def connections_to(settings: VaultSettings, pool: int = 10) -> Connections:
    """Return connections that verify Vault by what the settings say; `pool` of them are kept."""
    ca = settings.ca or utils.DEFAULT_CA_BUNDLE_PATH
    context = verified(ca, "VAULT_CACERT", folder=Path(ca).is_dir())
    if settings.client_cert:
        try:
            context.load_cert_chain(*settings.client_cert)
        except (OSError, ValueError) as error:
            raise SettingsError(
                f"VAULT_CLIENT_CERT and VAULT_CLIENT_KEY cannot be used ({cause_of(error)}): expected PEM, and the key that "
                "belongs to the certificate"
            ) from None
    by_proxy = settings.proxy if settings.address.startswith("https://") else None
    return Connections(context, proxy=by_proxy or "", maxsize=pool)


def _adapter(settings: VaultSettings, session: _Session) -> RawAdapter:
    sender: Any = session
    return RawAdapter(
        base_uri=settings.address,
        token="",
        namespace=settings.namespace,
        session=sender,
        allow_redirects=False,  # they would take the token, and what is written, wherever an answer says
    )


def _translate(what: str, at: str, answer: _Answer, *, given: bool = False) -> ClientError:
    """Translate a failure, and keep nothing of the body but whether it was a check-and-set mismatch.

    `at`: the server, for people. `given`: whether the token was given to us, so that nobody has seen yet whether it is one.
    """
    if answer.status == _NOT_FOUND:
        return _absent(what, answer.octets)
    if answer.status == _BAD_REQUEST and _CAS_MISMATCH in answer.octets:
        return Conflict(what, "somebody wrote in between (check-and-set)", code=409)
    detail = f"HTTP {answer.status}"
    if said := _NOT_CARRIED_OUT.get(answer.status):
        return Unavailable(what, f"{detail} {said} ({at})", code=answer.status)
    if answer.status == _BROKEN and _NO_ACTIVE in answer.octets:
        said = f"{detail} {at} is a standby, and there is no active server at the moment"
        return Unavailable(what, said, code=answer.status)
    if answer.status == _SEALED and b"sealed" in answer.octets:
        detail += f" Vault at {at} is sealed"
    if answer.status == _FORBIDDEN:
        detail += "; `rotator vault policy` prints what is needed"
        detail += ", if the token that was given is valid at all (bao token lookup)" if given else ""
    reason = WRONG if answer.status == _BAD_REQUEST and _WRONG.search(answer.octets) else ""
    return by_status(what, answer.status, detail, answer.headers.get("Retry-After"), reason)


def _no_kv(errors: list[str]) -> str:
    """Tell what is not there from what nobody has looked for: KV says nothing of the first, the router names the second."""
    said = " ".join(errors)
    known = (why for words, why in _ELSEWHERE.items() if words in said)
    return next(
        known,
        "HTTP 404, and an error that is not known here: whether anything is there it does not say"
        if said
        else "",
    )


_NO_VERSION_2 = "the mount is no KV version 2 (bao secrets enable -version=2 kv)"
_NO_NAMESPACE = "the server knows no such namespace: is it VAULT_NAMESPACE (bao namespace list)?"
_NO_MOUNT = "nothing is mounted there (bao secrets enable -version=2 -path=MOUNT kv)"
_ELSEWHERE = {
    "no handler for route": _NO_MOUNT,
    "unsupported path": _NO_VERSION_2,
    "namespace not found": _NO_NAMESPACE,
}
"""What is said of a path that no engine has looked at."""
_ALSO = {
    "kubernetes": "; or Vault could not ask the API server to review the token: the answer is the same while that is away "
    "(kubernetes_host in the configuration of this login)",
    "jwt": "; or Vault could not fetch the keys of the token's issuer: the answer is the same while that is away",
}
"""What else refuses a login, where Vault has to ask somebody (https://openbao.org/docs/auth/kubernetes/)."""


def _absent(what: str, body: bytes) -> ClientError:
    """Read a 404: nothing was ever there, or its current version is deleted, and then its number is told."""
    try:
        found = _GONE(parse(body))
    except Unreadable as error:
        return Rejected(what, f"HTTP 404, and the answer is odd: {error}", code=_NOT_FOUND)
    version = found.get("data", {}).get("metadata", {}).get("version", 0)
    return _Absent(what, version, _no_kv(found.get("errors", [])))


def _fitting(path: str, shape: Shape[Json], answer: Json) -> Json:
    try:
        return shape(answer)
    except Unreadable as error:
        raise Rejected(f"{SYSTEM}: {path}", f"the answer is odd: {error}") from None


_CONFIG = record(
    {"data": record({"max_versions": count, "delete_version_after": text}, {"metadata_cas_required": flag})}
)
_MOUNT = record({"data": record({"type": text}, {"options": mapping(text)})})
_VERSION = record({"version": count}, {"deletion_time": text, "custom_metadata": mapping(text)})
_KV = record({"data": record({"metadata": _VERSION, "data": document})})
_WRITTEN = record({"data": _VERSION})
_HISTORY = record(
    {
        "data": record(
            {"current_version": count, "versions": mapping(record({"destroyed": flag}))},
            {
                "max_versions": count,
                "delete_version_after": text,
                "metadata_cas_required": flag,
                "custom_metadata": mapping(text),
            },
        )
    }
)
_GONE = record({}, {"errors": listed(text), "data": record({}, {"metadata": record({}, {"version": count})})})
_ROLE_ID = record({"data": record({"role_id": filled})})
_SECRET_ID = record({"data": record({"expiration_time": filled}, {"secret_id_num_uses": count})})
_LIFE = {"lease_duration": seconds}
_LOGIN = record({"auth": record({"client_token": token}, _LIFE)})
_RENEWED = record({"auth": record({}, _LIFE)})

_NOT_FOUND = 404
_BAD_REQUEST = 400
_SEALED = 503
_BROKEN = 500
_NO_ACTIVE = b"active cluster node not found"
_NOT_CARRIED_OUT = {
    412: "this server has not caught up yet with what was written",
    472: "a standby for disaster recovery, which serves nothing",
    473: "a performance standby that cannot forward",
}
"""Statuses of a request that was left alone (https://developer.hashicorp.com/vault/api-docs, and sys/health there)."""
_FORBIDDEN = 403
