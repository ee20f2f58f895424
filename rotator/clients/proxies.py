"""The proxy by which a server is reached: HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY, as Go programs read them.

https://pkg.go.dev/golang.org/x/net/http/httpproxy: loopback never goes by a proxy; NO_PROXY names hosts, domains,
addresses and networks (CIDR), each perhaps with a port.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from urllib.parse import urlsplit

from rotator.clients.addresses import where
from rotator.errors import SettingsError

_SCHEMES = frozenset({"http", "https"})


def proxy_for(address: str, env: Mapping[str, str] = os.environ) -> str | None:
    """Return the proxy for a URL; None: it is reached without one. Raises SettingsError for what is no proxy."""
    url = urlsplit(address)
    host, port = (url.hostname or "").rstrip("."), url.port or {"https": 443, "http": 80}.get(url.scheme, 0)
    name, value = _variable(env, f"{url.scheme}_proxy", "all_proxy")
    if not value or _direct(host, port, _variable(env, "no_proxy")[1]):
        return None
    return checked(name, value)


def answered_by(address: str) -> str:
    """Say which proxy may have answered instead of a server; empty: none. Over TLS only the server can."""
    proxy = proxy_for(address) if urlsplit(address).scheme == "http" else None
    return f", by the proxy {where(proxy)}" if proxy else ""


def checked(name: str, value: str) -> str:
    """Return a proxy's URL. Raises SettingsError, which shows no password, for what is none; `name`: where it is set."""
    proxy = value if "://" in value else f"http://{value}"
    try:
        parts = urlsplit(proxy)
        good = parts.scheme in _SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise SettingsError(f"{name} is set to {where(proxy)}: expected a proxy, as http://HOST:PORT")
    return proxy


def set_variable(env: Mapping[str, str] = os.environ) -> str:
    """Return the variable that names a proxy for TLS; empty: none does."""
    name, value = _variable(env, "https_proxy", "all_proxy")
    return name if value else ""


def _variable(env: Mapping[str, str], *names: str) -> tuple[str, str]:
    for name in names:
        for spelt in (name, name.upper()):
            if value := env.get(spelt, "").strip():
                return spelt, value
    return names[0].upper(), ""


def _direct(host: str, port: int, no_proxy: str) -> bool:
    """Whether a host is reached without a proxy."""
    address = _address(host)
    if host == "localhost" or (address is not None and address.is_loopback):
        return True
    return any(
        _matches(host, address, port, entry.strip().lower()) for entry in no_proxy.split(",") if entry.strip()
    )


def _matches(
    host: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address | None, port: int, entry: str
) -> bool:
    if entry == "*":
        return True
    network = _network(entry)
    if network is not None:
        return address is not None and address in network
    name, colon, number = entry.rpartition(":")
    if colon and number.isdecimal():
        if int(number) != port:
            return False
        entry = name.strip("[]")
        if (network := _network(entry)) is not None:
            return address is not None and address in network
    entry = entry.removeprefix("*")
    inside = host.endswith(f".{entry.removeprefix('.')}")
    return inside if entry.startswith(".") else host == entry or inside


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text.strip("[]"), strict=False)
    except ValueError:
        return None
