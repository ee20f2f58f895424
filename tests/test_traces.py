"""Traces: one span a run, a rotation and a request, to a real OTLP endpoint; nothing secret in them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from rotator.clients.meter import no_span
from rotator.errors import SettingsError
from rotator.run.job import Job
from rotator.run.request import Connections, RunRequest
from rotator.telemetry import traces
from tests.conftest import Canary
from tests.faults.environment import Bao
from tests.trial import Trial


class Collector(ThreadingHTTPServer):
    """An OTLP endpoint over HTTP that keeps what it is sent."""

    spans: list[Span]

    @property
    def url(self) -> str:
        """Where traces are sent."""
        return f"http://127.0.0.1:{self.server_port}/v1/traces"


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        sent = ExportTraceServiceRequest.FromString(body)
        self.server.spans += [
            span for resource in sent.resource_spans for scope in resource.scope_spans for span in scope.spans
        ]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A running endpoint."""
    server = Collector(("127.0.0.1", 0), _Handler)
    server.spans = []
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_run_is_one_trace(bao: Bao, collector: Collector, canary: Canary) -> None:
    """Run, rotations (also in threads of their own), requests: each below the one that caused it."""
    trial = Trial(bao)
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(endpoint=collector.url)))
    world = trial.world()
    world.meter.span = traced = traces.by(provider.get_tracer("test"))
    world.span = traced
    policies = [trial.policy("one"), trial.policy("two")]
    request = RunRequest(connections=Connections(concurrency=2))
    Job(request=request, world=world).run(policies, lambda _: lambda _: None)
    world.close()
    provider.shutdown()
    spans = {s.span_id: s for s in collector.spans}
    (run,) = (s for s in spans.values() if s.name == "run")
    rotations = [s for s in spans.values() if s.name == "rotation"]
    assert {s.parent_span_id for s in rotations} == {run.span_id}
    assert {v.string_value for s in rotations for v in (a.value for a in s.attributes)} == {
        "payments/one",
        "payments/two",
    }
    requests = [s for s in spans.values() if s.name in {"kubernetes", "vault"}]
    assert len(requests) >= len(trial.calls) - 1, "all but the one that gives the token back"
    assert {s.trace_id for s in requests if s.parent_span_id} == {run.trace_id}
    assert {spans[s.parent_span_id].name for s in requests if s.parent_span_id} == {"run", "rotation"}
    assert not canary.found_in(" ".join(str(s) for s in collector.spans))


def test_an_error_is_told_by_its_kind_alone(collector: Collector) -> None:
    """Its text may hold what somebody sent."""
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(endpoint=collector.url)))
    with pytest.raises(SettingsError), traces.by(provider.get_tracer("test"))("work", {}):
        raise SettingsError("quoted text")
    provider.shutdown()
    (span,) = collector.spans
    assert (span.status.code, span.status.message) == (2, "SettingsError")
    assert not span.events


def test_without_an_endpoint_nothing_is_traced_and_nothing_loaded() -> None:
    """The extra costs nothing where it is not used."""
    with traces.tracing({}) as span:
        assert span is no_span
