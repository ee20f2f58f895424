"""How traces leave: by the exporter of OpenTelemetry, over our own connections. What cannot be told is one warning.

Needs the extra `otel`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Tracer

from rotator.clients.limits import bounded, within
from rotator.clients.otlp import TIMEOUT, Carrier, session

log = logging.getLogger("rotator")
MOMENT = 1.0
"""Seconds in which what has run out of time says so."""
_NOT_SENT = (
    "nothing could be sent; OTEL_EXPORTER_OTLP_ENDPOINT: expected http://HOST:PORT or https://HOST:PORT"
)


class Telling(SpanExporter):
    """Sends spans, and says once in words that they could not be told."""

    def __init__(self) -> None:
        """Take endpoint, headers, certificates and time-out from the usual variables."""
        self._carrier = Carrier()
        self._library = OTLPSpanExporter(session=session(self._carrier))
        self._told = False
        logging.getLogger("opentelemetry.exporter").addHandler(
            logging.NullHandler()
        )  # it says the same in its own words

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send them."""
        result = self._library.export(spans)
        if result is not SpanExportResult.SUCCESS:
            self.warn()
        return result

    def warn(self) -> None:
        """Say why traces could not be told, if nobody said so before."""
        if not self._told:
            log.warning("traces could not be told", extra={"reason": self._carrier.failed or _NOT_SENT})
        self._told = True

    def end(self, seconds: float) -> None:
        """Let what is still sent end after `seconds`: the run is over."""
        self._carrier.end(seconds)

    def shutdown(self) -> None:
        """Close the connections."""
        self._library.shutdown()  # type: ignore[no-untyped-call]  # the library's


@contextmanager
def tracer(seconds: float = TIMEOUT) -> Iterator[Tracer]:
    """Trace what is done meanwhile. At the end what is left is sent within so many seconds, or not at all."""
    exporter = Telling()
    provider = TracerProvider(resource=Resource.create({SERVICE_NAME: "rotator"}), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    try:
        yield provider.get_tracer("rotator")
    finally:
        exporter.end(seconds)
        try:
            with within(seconds + MOMENT):
                bounded(provider.shutdown)
        except TimeoutError:
            exporter.warn()
