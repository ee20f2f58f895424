"""Where metrics go from a job that ends: a Pushgateway, a text file, or standard output."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from prometheus_client import CollectorRegistry, pushadd_to_gateway, write_to_textfile
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from rotator.clients.connections import verified
from rotator.clients.outlet import Outlet
from rotator.errors import SettingsError

FORM = "expected http://HOST:PORT or https://HOST:PORT, a path after it if need be"


def push(  # noqa: PLR0913 - where to, as what, and what
    url: str,
    job: str,
    grouping: Mapping[str, str],
    registry: CollectorRegistry,
    seconds: float,
    *,
    ca_file: str | None = None,
) -> None:
    """Add `registry` to the group `job` and `grouping` of the Pushgateway at `url`, within `seconds`.

    A name that is pushed replaces all series of that name in the group; others stay as they were. A name that is
    in the registry without a sample is pushed as not-a-number, or the gateway would show its last value for ever.
    TLS is verified, by `ca_file` or the system's authorities. `url` may hold `user:password@`, which no message
    shows. Raises SettingsError for a URL or file that cannot be used, ClientError where the gateway did not take it.
    API: https://github.com/prometheus/pushgateway#put-method
    """
    gateway = _Gateway.at(url)
    context = verified(ca_file, "the CA file of the Pushgateway")
    with closing(Outlet("push of the metrics to the Pushgateway", context)) as outlet:

        def handler(
            url: str, method: str, timeout: float | None, headers: Sequence[tuple[str, str]], data: bytes
        ) -> Callable[[], None]:
            del method, timeout  # a POST, and the limit of the whole
            return lambda: outlet.post(url, data, {**dict(headers), **gateway.authorization}, seconds)

        pushadd_to_gateway(
            gateway.base,
            job,
            WithoutGaps(registry),
            grouping_key=dict(grouping),
            handler=handler,
            compression="gzip",
        )


def write_file(path: str, registry: CollectorRegistry) -> None:
    """Write the text format to `path` in one rename, as the textfile collector of the node exporter wants it.

    Raises SettingsError where it cannot be written; a file that was there stays whole.
    """
    try:
        write_to_textfile(path, registry)
    except OSError as error:
        raise SettingsError(
            f"the metrics file {path} cannot be written: {error.strerror or error}; "
            "expected a path in a folder that this user may write to"
        ) from None


def text(registry: CollectorRegistry) -> str:
    """Return `registry` as OpenMetrics text."""
    encode, _ = choose_encoder("application/openmetrics-text; version=1.0.0")
    return encode(registry).decode()


class WithoutGaps(Collector):
    """A registry in which no name is without a sample: not-a-number stands where there is none."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterable[Metric]:
        """Yield the families, those without a sample with one."""
        for family in self._registry.collect():
            if family.samples:
                yield family
            else:
                told = Metric(family.name, family.documentation, family.type)
                told.add_sample(family.name, {}, math.nan)
                yield told


@dataclass(frozen=True, slots=True)
class _Gateway:
    """Where to push, with what may be shown of it kept apart from what may not."""

    base: str
    """The URL without user and password."""
    authorization: Mapping[str, str]

    @classmethod
    def at(cls, url: str) -> _Gateway:
        """Take `url` apart. Raises SettingsError, which shows nothing of it."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
            (host or "").encode("idna"), parts.path.encode("ascii")
        except ValueError:
            host, port = None, None
        if not host or parts.scheme not in {"http", "https"} or parts.query or parts.fragment:
            raise SettingsError(f"the URL of the Pushgateway cannot be used: {FORM}")
        place = f"[{host}]" if ":" in host else host
        authorization = {}
        if parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            authorization["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        return cls(f"{parts.scheme}://{place}{f':{port}' if port else ''}{parts.path}", authorization)
