"""What the pictures ask of a Prometheus: instant and range queries.

API: https://prometheus.io/docs/prometheus/latest/querying/api/
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, build_opener

TIMEOUT = 60


@dataclass(frozen=True, slots=True)
class Series:
    """Labels and (seconds, value) pairs in the order of time; values that are no numbers are left out."""

    labels: Mapping[str, str]
    points: Sequence[tuple[float, float]]


class QueryError(Exception):
    """Prometheus did not answer a query; the message says which and why."""


@dataclass(frozen=True, slots=True)
class PrometheusApi:
    """A Prometheus at `url`."""

    url: str

    def instant(self, query: str, at: datetime) -> list[Series]:
        """Return the vector that `query` gives at one instant."""
        data = self._get("query", query=query, time=f"{at.timestamp():.3f}")
        return [_series(r["metric"], [r["value"]]) for r in data["result"]]

    def range(self, query: str, begin: datetime, end: datetime, step: float) -> list[Series]:
        """Return the matrix that `query` gives from `begin` to `end`, a value every `step` seconds."""
        data = self._get(
            "query_range",
            query=query,
            start=f"{begin.timestamp():.3f}",
            end=f"{end.timestamp():.3f}",
            step=f"{step:.3f}",
        )
        return [_series(r["metric"], r["values"]) for r in data["result"]]

    def _get(self, what: str, **parameters: str) -> Any:
        address = f"{self.url.rstrip('/')}/api/v1/{what}?{urlencode(parameters)}"
        try:
            with build_opener(ProxyHandler({})).open(address, timeout=TIMEOUT) as answer:
                return json.load(answer)["data"]
        except HTTPError as error:
            raise QueryError(f"{parameters['query']}: {error.read().decode(errors='replace')}") from None
        except OSError as error:
            raise QueryError(f"{self.url} does not answer: {error}") from None


def _series(labels: Mapping[str, str], values: Sequence[tuple[float, str]]) -> Series:
    points = [(float(at), float(value)) for at, value in values]
    return Series(labels, [(at, value) for at, value in points if math.isfinite(value)])
