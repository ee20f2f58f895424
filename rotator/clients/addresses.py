"""Addresses of servers: which of them a credential may be sent to, and how they are shown."""

from __future__ import annotations

import re
from urllib.parse import urljoin, urlsplit

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
"""The hosts to which plain text does not leave the machine."""
_PLACE = re.compile(r"[A-Za-z0-9._:\[\]-]{1,260}")
_ADDRESS = re.compile(
    r"(?P<scheme>https?)://(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:(?P<port>[0-9]{1,5}))?(/[!-\[\]-~]*)?"
)
"""An address without a user and without a backslash: everybody reads the same host in it."""
_PORTS = {"https": 443, "http": 80}
_END = re.compile(r"[/?#\\]")


def is_safe(address: str) -> bool:
    """Whether a credential may be sent there: TLS, or loopback, a port that is one, and neither user nor password in the address."""
    try:
        url = urlsplit(address)
        port = url.port
    except ValueError:
        return False
    return (
        bool(url.hostname)
        and port != 0
        and not url.netloc.endswith(":")
        and url.username is None
        and (url.scheme == "https" or (url.scheme == "http" and url.hostname in LOOPBACK))
    )


def origin(address: str) -> str:
    """Return scheme, host and port (RFC 6454, section 4); empty for an address that could be read in two ways."""
    found = _ADDRESS.fullmatch(address)
    if not found:
        return ""
    scheme, host, port = found["scheme"].lower(), found["host"].lower(), found["port"]
    return f"{scheme}://{host}:{int(port) if port else _PORTS[scheme]}"


def where(address: str) -> str:
    """Return host and port of an address, without what may be secret in it, or do something to a terminal."""
    place = _END.split(address.partition("://")[2], maxsplit=1)[0].rpartition("@")[2]
    return place if _PLACE.fullmatch(place) else "?"


def named(address: str) -> str:
    """Return host and port, also where the address leaves the port out."""
    place, scheme = where(address), address.partition("://")[0].lower()
    has_port = place.rpartition("]")[2].count(":") == 1
    return place if has_port or place == "?" or scheme not in _PORTS else f"{place}:{_PORTS[scheme]}"


def target_of(address: str, location: str) -> str:
    """Return host and port of what a redirect from `address` leads to (RFC 9110, section 10.2.2)."""
    try:
        target = urljoin(address, location)
        plain = urlsplit(address).scheme == "https" and urlsplit(target).scheme == "http"
    except ValueError:
        return "?"
    return f"{where(target)}{', in plain text' if plain else ''}"
