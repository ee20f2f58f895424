"""The way of traces to an OTLP collector: a session of `requests`, as the exporter of OpenTelemetry takes one.

The exporter asks again within its own time-out (OTEL_EXPORTER_OTLP_TIMEOUT) what was not taken. That holds for a
whole export here, and once the run is over for what is left of it.
"""

from __future__ import annotations

import io
import math
import ssl
import time
from collections.abc import Mapping
from typing import Any

import requests
from requests.adapters import BaseAdapter
from requests.utils import urldefragauth

from rotator.clients.connections import verified
from rotator.clients.outlet import Outlet
from rotator.errors import Ambiguous, ClientError, RotatorError, SettingsError, Unavailable

TIMEOUT = 10.0
"""Seconds for one request where the exporter names no limit, and for all that is left once the run is over."""
_REFUSED = 400
"""The library takes everything below for a success."""


class Carrier(BaseAdapter):
    """Carries what the exporter sends, and keeps why the last request was in vain."""

    def __init__(self) -> None:
        """Nothing was sent yet."""
        super().__init__()
        self.failed = ""
        """Why the last request was in vain, in words; empty: it was not."""
        self._ends = math.inf
        self._outlets: dict[tuple[Any, Any], Outlet] = {}

    def end(self, seconds: float) -> None:
        """Let everything end after `seconds`: the run is over."""
        self._ends = time.monotonic() + seconds

    def send(  # noqa: PLR0913, PLR0917 - as the library asks
        self,
        request: requests.PreparedRequest,
        stream: bool = False,  # noqa: FBT001, FBT002 - as the library asks
        timeout: Any = None,
        verify: Any = True,  # noqa: FBT002 - as the library asks
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Send a request. Raises ConnectionError of requests for what may be tried again, RotatorError otherwise."""
        del stream, proxies
        self.failed = ""
        url = urldefragauth(request.url or "")
        body = request.body.encode() if isinstance(request.body, str) else request.body or b""
        try:
            self._outlet(verify, cert).post(
                url,
                body,
                dict(request.headers),
                TIMEOUT if timeout is None else timeout,
                self._left,
            )
        except RotatorError as error:
            self.failed = str(error)
            if isinstance(error, ClientError) and error.code >= _REFUSED:
                return _response(request, error.code, error)
            if isinstance(error, Unavailable | Ambiguous) and not error.code and self._left() > 0:
                raise requests.exceptions.ConnectionError(self.failed) from None
            raise
        return _response(request, 200)

    def _left(self) -> float:
        return self._ends - time.monotonic()

    def close(self) -> None:
        """Close the connections."""
        for outlet in self._outlets.values():
            outlet.close()

    def _outlet(self, verify: Any, cert: Any) -> Outlet:
        if (verify, cert) not in self._outlets:
            context = verified(verify if isinstance(verify, str) else None, "OTEL_EXPORTER_OTLP_CERTIFICATE")
            if cert:
                _show(context, *((cert,) if isinstance(cert, str) else cert))
            self._outlets[verify, cert] = Outlet("push of the traces to the collector", context)
        return self._outlets[verify, cert]


def _show(context: ssl.SSLContext, certificate: str, key: str | None = None) -> None:
    """Let a collector see our certificate. Raises SettingsError."""
    try:
        context.load_cert_chain(certificate, key)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise SettingsError(
            f"OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE {certificate}: {reason}; expected a certificate and its key in PEM"
        ) from None


def _response(
    request: requests.PreparedRequest, status: int, error: ClientError | None = None
) -> requests.Response:
    response = requests.Response()
    response.status_code, response.request, response.raw = status, request, io.BytesIO()
    response.url = request.url or ""
    if isinstance(error, Unavailable) and error.retry_after is not None:
        response.headers["Retry-After"] = f"{error.retry_after:.0f}"
    return response


def session(carrier: Carrier) -> requests.Session:
    """Return a session that goes by `carrier` alone, and takes nothing from the surroundings by itself."""
    made = requests.Session()
    made.trust_env = False
    for scheme in ("http://", "https://"):
        made.mount(scheme, carrier)
    return made
