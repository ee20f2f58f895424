"""Traces by OpenTelemetry, where the extra `otel` is installed and an endpoint is named.

The usual variables apply: https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/. Spans: one
a run, one a rotation, one a request, named by system; a request says its method and path and nothing of its contents.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

from rotator.clients.meter import no_span
from rotator.errors import RotatorError, SettingsError
from rotator.late import Late

if TYPE_CHECKING:
    from opentelemetry import trace

    from rotator.telemetry import traces_out
else:  # an extra
    trace, traces_out = Late("opentelemetry.trace"), Late("rotator.telemetry.traces_out")

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
Span = Callable[[str, Mapping[str, str]], AbstractContextManager[object]]


@contextmanager
def tracing(environment: Mapping[str, str] = os.environ) -> Iterator[Span]:
    """Trace the work that is done meanwhile, where an endpoint is named.

    Raises SettingsError where an endpoint is named, and the extra is not installed.
    """
    if not any(environment.get(name) for name in ENDPOINTS):
        yield no_span
        return
    try:
        tracer = traces_out.tracer
    except ImportError:
        raise SettingsError(
            f"{ENDPOINTS[0]} asks for traces, and OpenTelemetry is not installed. Expected: rotator[otel], or the "
            "image built with REQUIREMENTS=requirements-otel.txt. Nothing was touched"
        ) from None
    with tracer() as opened:
        yield by(opened)


def by(tracer: trace.Tracer) -> Span:
    """Return what opens spans of `tracer`. An error of ours is told by its kind alone, whatever its text may hold."""

    @contextmanager
    def traced(name: str, about: Mapping[str, str]) -> Iterator[None]:
        with tracer.start_as_current_span(
            name,
            attributes={f"rotator.{k}": v for k, v in about.items()},
            record_exception=False,
            set_status_on_exception=False,
        ) as opened:
            try:
                yield
            except RotatorError as error:
                opened.set_status(trace.Status(trace.StatusCode.ERROR, type(error).__name__))
                raise

    return traced
