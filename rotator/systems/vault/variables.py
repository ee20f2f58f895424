"""The variables of the environment that say where Vault is: one row each. Reading, refusals and reference follow from it.

https://developer.hashicorp.com/vault/docs/commands#configure-environment-variables has the meaning of Vault's own.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from rotator.clients.addresses import is_safe
from rotator.clients.proxies import checked
from rotator.core.own_secrets import token_of
from rotator.core.reading import Unreadable
from rotator.core.sensitive import Sensitive
from rotator.core.timing import parse_duration
from rotator.errors import SettingsError

T = TypeVar("T")


def own_secret(where: str, octets: bytes) -> Sensitive:
    """Return a secret of our own. Raises SettingsError, naming `where` it stands, for what cannot be one."""
    try:
        return token_of(Sensitive(octets))
    except Unreadable as error:
        raise SettingsError(f"{where} {error}. Nothing was sent to Vault") from None


def _text(_: str, text: str) -> str:
    return text


def _file(_: str, text: str) -> Path:
    return Path(text)


def _present(name: str, text: str) -> str:
    if not Path(text).exists():
        raise SettingsError(f"{name}={text}: no such file")
    return text


def _secret(name: str, text: str) -> Sensitive | None:
    """Read a secret; None: nothing but line ends."""
    octets = os.fsencode(text)
    return own_secret(name, octets) if octets.strip(b"\r\n") else None


def _seconds(name: str, text: str) -> float:
    """Read seconds as a bare number or a duration; Vault's own tools take both."""
    try:
        seconds = parse_duration(f"{text}s" if text.isdecimal() else text).total_seconds()
    except ValueError:
        seconds = 0.0
    if not seconds:
        raise SettingsError(f"{name}={text}: expected more than 0 seconds, as 30 or 30s")
    return seconds


def _address(name: str, text: str) -> str:
    """Read an address, which is shown without what may be a password."""
    before, at, after = text.rpartition("@")
    shown = f"{before.partition('://')[0]}://…@{after}" if at else text
    if not is_safe(text):
        raise SettingsError(
            f"{name}={shown}: expected https://HOST:PORT without user and password; keys do not travel "
            "in plain text (only to loopback)"
        )
    if ends := _OF_API.search(text):
        raise SettingsError(
            f"{name}={shown}: expected the address alone, as https://vault:8200; {ends[1]} belongs to what is asked there"
        )
    return text.rstrip("/")


def _verified(name: str, text: str) -> None:
    if text.lower() in {"1", "true", "t", "yes"}:
        raise SettingsError(f"{name} is set: TLS is always verified. Use VAULT_CACERT instead")


_OF_API = re.compile(r"://[^/]+.*?(/v1|/ui)(/.*)?$")
"""What comes after an address when it is copied from a browser or from documentation of the API."""


@dataclass(frozen=True, slots=True)
class Variable(Generic[T]):
    """One variable. Set to nothing it counts as not set."""

    name: str
    read: Callable[[str, str], T]
    """Returns the value, from the name and the text. Raises SettingsError, which names the variable."""
    means: str
    default: str = ""
    """What holds where it is not set, in words."""
    partner: str = ""
    """The variable without which it is refused."""

    def of(self, env: Mapping[str, str]) -> T | None:
        """Return the value; None: it is not set. Raises SettingsError for what is refused."""
        text = env.get(self.name)
        if not text:
            return None
        if self.partner and not env.get(self.partner):
            raise SettingsError(f"{self.name} and {self.partner} go together; only one of them is set")
        return self.read(self.name, text)


ADDRESS = Variable("VAULT_ADDR", _address, "the address; `https://`, or loopback", "required")
PROXY = Variable("VAULT_PROXY_ADDR", checked, "the proxy for Vault alone", "`VAULT_HTTP_PROXY`")
HTTP_PROXY = Variable("VAULT_HTTP_PROXY", checked, "the same, by its older name", "the proxy for all servers")
NAMESPACE = Variable("VAULT_NAMESPACE", _text, "the namespace")
CA_FILE = Variable("VAULT_CACERT", _present, "the file of the CA that Vault is verified by", "`VAULT_CAPATH`")
CA_FOLDER = Variable(
    "VAULT_CAPATH", _present, "a folder of such CAs", "the CAs that come with rotator (certifi)"
)
CERT = Variable("VAULT_CLIENT_CERT", _present, "a client certificate", partner="VAULT_CLIENT_KEY")
KEY = Variable("VAULT_CLIENT_KEY", _present, "the key of the client certificate", partner="VAULT_CLIENT_CERT")
TIMEOUT = Variable(
    "VAULT_CLIENT_TIMEOUT", _seconds, "the longest one request may take: seconds, or as `1m30s`", "10 s"
)
SKIP_VERIFY = Variable("VAULT_SKIP_VERIFY", _verified, "refused where it is true: TLS is always verified")
METHOD = Variable(
    "ROTATOR_VAULT_AUTH",
    _text,
    "how to log in",
    "`token-file` where `ROTATOR_VAULT_TOKEN_FILE` is set, else `token`",
)
ROLE = Variable("ROTATOR_VAULT_ROLE", _text, "the role; for `approle` the role id")
MOUNT = Variable("ROTATOR_VAULT_AUTH_MOUNT", _text, "where the method is mounted", "the method's own name")
JWT_FILE = Variable(
    "ROTATOR_VAULT_JWT_FILE", _file, "the file of the token to log in with", "the pod's own token"
)
SECRET_ID = Variable("ROTATOR_VAULT_SECRET_ID", _secret, "the secret id")
SECRET_ID_FILE = Variable("ROTATOR_VAULT_SECRET_ID_FILE", _file, "the file of the secret id")
TOKEN = Variable("VAULT_TOKEN", _secret, "a token")
TOKEN_FILE = Variable("ROTATOR_VAULT_TOKEN_FILE", _file, "the file of a token, as Vault Agent writes it")

VARIABLES: tuple[Variable[Any], ...] = (
    ADDRESS, PROXY, HTTP_PROXY, NAMESPACE, CA_FILE, CA_FOLDER, CERT, KEY, TIMEOUT, SKIP_VERIFY,
    METHOD, ROLE, MOUNT, JWT_FILE, SECRET_ID_FILE, SECRET_ID, TOKEN_FILE, TOKEN,
)  # fmt: skip
"""All of them, in the order of the reference."""
