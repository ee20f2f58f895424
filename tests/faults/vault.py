"""A Vault in this process, so that a life that keeps something in it can be continued from a snapshot.

It answers what runs and lives ask of KV version 2 and of AppRole as OpenBao answers it: tests/test_exploration.py asks both
the same. It knows no policies: the lives without faults, and tests/test_vault_access.py, are lived at a real OpenBao.
https://openbao.org/api-docs/secret/kv/kv-v2/ and https://openbao.org/api-docs/auth/approle/
"""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

import urllib3

Json = dict[str, Any]
Said = tuple[int, Any]
NOT_FOUND: Said = (404, {"errors": []})
DENIED: Said = (403, {"errors": ["permission denied"]})
DONE: Said = (204, None)
_MISMATCH: Said = (400, {"errors": ["check-and-set parameter did not match the current version"]})
_WRONG_ID: Said = (400, {"errors": ["invalid role or secret ID"]})
_OPENS = "auth/approle/login"
_SETTINGS: Mapping[str, Any] = {
    "cas_required": False,
    "delete_version_after": "0s",
    "max_versions": 0,
    "metadata_cas_required": False,
}
_WHEN = "2026-01-01T00:00:00Z"
_TAKEN = "1 error occurred:\n\t* failed to store secret_id: SecretID is already registered\n\n"
_SECRET_ID: Mapping[str, Any] = {
    "cidr_list": [],
    "creation_time": _WHEN,
    "expiration_time": "0001-01-01T00:00:00Z",
    "last_updated_time": _WHEN,
    "secret_id_accessor": "",
    "secret_id_num_uses": 0,
    "secret_id_ttl": 0,
    "token_bound_cidrs": [],
}
"""What is said of a secret id that lasts."""
_DEFAULT_VERSIONS = 10


@dataclass
class Document:
    """What is at one path of KV version 2."""

    settings: Json = field(default_factory=lambda: {**_SETTINGS, "custom_metadata": None})
    versions: dict[int, Json] = field(default_factory=dict)
    """The data by version, of those that are kept."""
    destroyed: set[int] = field(default_factory=set)
    current: int = 0
    changes: int = 0
    """The version of its metadata."""
    oldest: int = 0
    """The oldest version, once others have gone."""

    def write(self, data: Json) -> None:
        """Add a version; the oldest ones go."""
        self.current += 1
        self.versions[self.current] = data
        kept = self.settings["max_versions"] or _DEFAULT_VERSIONS
        for number in [n for n in self.versions if n <= self.current - kept]:
            del self.versions[number]
            self.destroyed.discard(number)
            self.oldest = number + 1

    def about(self, number: int) -> Json:
        """Return what is said of one version."""
        gone = number in self.destroyed
        return {"created_time": _WHEN, "deletion_time": "", "destroyed": gone}

    def metadata(self) -> Json:
        """Return what is said of all."""
        return {
            **self.settings,
            "created_time": _WHEN,
            "updated_time": _WHEN,
            "current_metadata_version": self.changes,
            "current_version": self.current,
            "oldest_version": self.oldest,
            "versions": {str(n): self.about(n) for n in self.versions},
        }


@dataclass
class Role:
    """An AppRole."""

    id: str
    secrets: dict[str, Json] = field(default_factory=dict)
    """What is said of each secret id."""


class KeptVault:
    """The server, and what of `rotator_sandbox.openbao.OpenBao` a life uses."""

    address = "https://vault.example"

    def __init__(self, ca_file: str) -> None:
        self.ca_file = ca_file
        self.root_token = "root"
        self._numbers = itertools.count(1)
        self._documents: dict[str, Document] = {}
        self._roles: dict[str, Role] = {}
        self._tokens = {self.root_token}

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Ask as root; RuntimeError for a failure."""
        status, answer = self.answer(method, path, dict(body or {}), self.root_token)
        if status >= HTTPStatus.BAD_REQUEST:
            raise RuntimeError(f"{method} {path}: HTTP {status}")
        return answer

    def app_role(self, name: str = "rotator", *, policy: str = "") -> tuple[str, str]:
        """Return role id and secret id of a role; there are no policies here."""
        del policy
        self.call("POST", f"auth/approle/role/{name}", {})
        secret_id = f"secret-id-{next(self._numbers)}"
        self.call("POST", f"auth/approle/role/{name}/custom-secret-id", {"secret_id": secret_id})
        return self._roles[name].id, secret_id

    def drop_connections(self) -> None:
        """There are none."""

    def answer(self, method: str, target: str, body: Json, token: str) -> Said:
        """Answer a request."""
        path, _, query = target.partition("?")
        if path == _OPENS:
            return self._log_in(body)
        if token not in self._tokens:
            return DENIED
        first, kind, *rest = path.split("/", 2)
        ways: Mapping[str, Callable[..., Said]] = {
            "token": self._token,
            "approle": self._of_role,
            "config": lambda *_: (200, _whole(_SETTINGS)),
            "data": self._data,
            "metadata": self._metadata,
            "destroy": self._destroy,
        }
        at = "/".join(rest) if first == "auth" else "/".join((first, *rest))
        return ways[kind](method, at, body, token if kind == "token" else parse_qs(query))

    def _token(self, method: str, at: str, body: Json, token: str) -> Said:
        del method, body
        if at == "renew-self":
            return 200, _whole(None, auth=_auth(token))
        self._tokens.discard(token)
        return DONE

    # --- KV version 2 -----------------------------------------------------------------------------------------

    def _data(self, method: str, at: str, body: Json, query: Mapping[str, list[str]]) -> Said:
        found = self._documents.get(at)
        if method == "POST":
            current = found.current if found else 0
            if body["options"]["cas"] != current:
                return _MISMATCH
            found = self._documents.setdefault(at, Document())
            found.write(body["data"])
            return 200, _whole({**found.about(found.current), **_shown(found, found.current)})
        number = int(query["version"][0]) if "version" in query else (found.current if found else 0)
        if found is None or number not in found.versions:
            return NOT_FOUND
        gone = number in found.destroyed
        said = {
            "data": None if gone else found.versions[number],
            "metadata": {**found.about(number), **_shown(found, number)},
        }
        return (404 if gone else 200), _whole(said)

    def _metadata(self, method: str, at: str, body: Json, query: object) -> Said:
        del query
        found = self._documents.get(at)
        if method == "DELETE":
            self._documents.pop(at, None)
            return DONE
        if method == "GET":
            return (200, _whole(found.metadata())) if found else NOT_FOUND
        if method == "PATCH":
            if found is None:
                return 404, None
            custom = {**(found.settings["custom_metadata"] or {}), **body.pop("custom_metadata", {})}
            body["custom_metadata"] = {k: v for k, v in custom.items() if v is not None} or None
        found = self._documents.setdefault(at, Document())
        found.changes += 1
        found.settings.update(body)
        return DONE

    def _destroy(self, method: str, at: str, body: Json, query: object) -> Said:
        del method, query
        if found := self._documents.get(at):
            found.destroyed |= found.versions.keys() & set(body["versions"])
        return DONE

    # --- AppRole ----------------------------------------------------------------------------------------------

    def _log_in(self, body: Json) -> Said:
        role = next((r for r in self._roles.values() if r.id == body["role_id"]), None)
        if role is None or body["secret_id"] not in role.secrets:
            return _WRONG_ID
        token = f"s.{next(self._numbers)}"
        self._tokens.add(token)
        return 200, _whole(None, auth=_auth(token))

    def _of_role(self, method: str, at: str, body: Json, query: object) -> Said:
        del query
        _, name, *rest = at.split("/", 2)
        if not rest:
            self._roles[name] = Role(f"role-id-{next(self._numbers)}")
            return DONE
        if name not in self._roles:
            said = {"errors": [f'1 error occurred:\n\t* role "{name}" does not exist\n\n']}
            return NOT_FOUND if method == "GET" else (500, said)
        role = self._roles[name]
        if rest == ["role-id"]:
            return 200, _whole({"role_id": role.id})
        ways = {"custom-secret-id": _add, "secret-id/lookup": _look_up, "secret-id/destroy": _end}
        return ways[rest[0]](role, body)


def _add(role: Role, body: Json) -> Said:
    secret = body["secret_id"]
    if secret in role.secrets:
        return 500, {"errors": [_TAKEN]}
    role.secrets[secret] = {**_SECRET_ID, "metadata": json.loads(body.get("metadata", "{}"))}
    said = {n: v for n, v in _SECRET_ID.items() if n.startswith("secret_id_")}
    return 200, _whole({"secret_id": secret, **said})


def _look_up(role: Role, body: Json) -> Said:
    about = role.secrets.get(body["secret_id"])
    return (200, _whole(about)) if about else DONE


def _end(role: Role, body: Json) -> Said:
    role.secrets.pop(body["secret_id"], None)
    return DONE


class KeptPool:
    """Stands for the connections to a Vault in this process."""

    def __init__(self, vault: KeptVault) -> None:
        self._vault = vault

    def request(self, method: str, url: str, **given: Any) -> urllib3.BaseHTTPResponse:
        """Answer like `urllib3.PoolManager.request`."""
        parts = urlsplit(url)
        path = parts.path.removeprefix("/v1/")
        target = f"{path}?{parts.query}" if parts.query else path
        body = json.loads(given["body"]) if given.get("body") else {}
        token = str(given["headers"].get("X-Vault-Token", ""))
        status, said = self._vault.answer(method, target, body, token)
        octets = b"" if said is None else json.dumps(said).encode()
        return urllib3.HTTPResponse(body=io.BytesIO(octets), status=int(status), preload_content=False)

    def clear(self) -> None:
        """Close what was never opened."""


def _shown(found: Document, number: int) -> Json:
    return {"custom_metadata": found.settings["custom_metadata"], "version": number}


def _auth(token: str) -> Json:
    return {"client_token": token, "lease_duration": 600, "renewable": True}


def _whole(data: Any, auth: Any = None) -> Json:
    return {
        "request_id": "",
        "lease_id": "",
        "renewable": False,
        "lease_duration": 0,
        "data": data,
        "wrap_info": None,
        "warnings": None,
        "auth": auth,
    }
