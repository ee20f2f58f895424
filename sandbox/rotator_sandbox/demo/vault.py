"""What the demo asks of its OpenBao: as root to watch and to prove, and as a program with rights of its own."""

from __future__ import annotations

from typing import Any

import requests

from rotator_sandbox.openbao import OpenBao

_POLICY = 'path "secret/data/{path}" {{ capabilities = ["read"] }}'
TIMEOUT = 5.0
NOT_FOUND = 404


class Reader:
    """Reads documents of KV version 2 with one token; for one thread."""

    def __init__(self, bao: OpenBao, token: str) -> None:
        self._address = bao.address
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = bao.ca_file
        self._session.headers["X-Vault-Token"] = token

    def get(self, path: str) -> dict[str, Any] | None:
        """Return the `data` of an answer; None where there is none."""
        try:
            answer = self._session.get(f"{self._address}/v1/{path}", timeout=TIMEOUT)
        except requests.RequestException:
            return None
        return dict(answer.json().get("data") or {}) if answer.ok or answer.status_code == NOT_FOUND else None

    def document(self, mount: str, path: str, version: int = 0) -> dict[str, str] | None:
        """Return the fields of a document, of its current version or of an earlier one; None where they are gone."""
        found = self.get(f"{mount}/data/{path}" + (f"?version={version}" if version else ""))
        fields = (found or {}).get("data")
        return dict(fields) if fields else None

    def current(self, mount: str, path: str) -> int:
        """Return the number of a document's current version; 0 where there is none."""
        return int((self.get(f"{mount}/metadata/{path}") or {}).get("current_version", 0))


def consumer(bao: OpenBao, path: str) -> Reader:
    """Return a reader that may read what is delivered to `path`, and nothing else."""
    name = path.replace("/", "-")
    bao.call("PUT", f"sys/policies/acl/{name}", {"policy": _POLICY.format(path=path)})
    made = bao.call("POST", "auth/token/create", {"policies": [name], "ttl": "1h"})
    return Reader(bao, made["auth"]["client_token"])
