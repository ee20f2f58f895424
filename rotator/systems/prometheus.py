"""A Prometheus query that must stay below a value, such as tokens still seen with the old key.

API: https://prometheus.io/docs/prometheus/latest/querying/api/#instant-queries
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlencode

from pydantic import Field

from rotator.core.machine import Sighting
from rotator.errors import ClientError
from rotator.ports import Gate
from rotator.systems.gate import GateAt, GateKind
from rotator.vocabulary.types import BASE_URL, JobFile

if TYPE_CHECKING:
    from rotator.clients.http import Http

VERSION = "$version"
"""Stands in a query for the id of the version concerned: `sum(rate(tokens_total{kid="$version"}[15m]))`."""


class PrometheusQuery(GateKind):
    """An instant query of which every value must be below a bound; no data does not count as zero."""

    declared_as: ClassVar[str] = "prometheus"

    url: str = Field(pattern=BASE_URL, description="Of Prometheus, as http://prometheus:9090.")
    query: str = Field(
        min_length=1, description="PromQL; $version stands for the id of the version concerned."
    )
    below: float = Field(description="The bound: every value must be less than this.")
    ca_file: JobFile | None = Field(
        None, description="A PEM bundle to verify the server with; default: the system's."
    )

    def build(self, at: GateAt) -> Gate:
        """Return what asks it."""
        return Query(at.http(self.ca_file), self.url, self.query, self.below)


@dataclass(frozen=True)
class Query:
    """Asks the server at `url`; every value of the answer must be below `below`."""

    http: Http
    url: str
    query: str
    below: float

    @property
    def name(self) -> str:
        """`prometheus URL`."""
        return f"prometheus {self.url}"

    def check(self, version_id: str) -> Sighting:
        """Open if there is an answer and all of it is below. No data is no answer: it may be a misspelt query."""
        query = urlencode({"query": self.query.replace(VERSION, version_id)})
        try:
            document = self.http.get(f"{self.url.rstrip('/')}/api/v1/query?{query}").document
            values = _values(document)
        except ClientError as error:
            return self._closed(str(error))
        except (KeyError, TypeError, ValueError, OverflowError):
            return self._closed("the answer is none of a Prometheus instant query")
        if not values:
            return self._closed("the query returns no data; where that means zero, add `or vector(0)` to it")
        if above := [v for v in values if not v < self.below]:
            return self._closed(f"the query returns {above[0]:g}, expected below {self.below:g}")
        return Sighting(name=self.name, confirmed=True)

    def _closed(self, why: str) -> Sighting:
        return Sighting(name=self.name, confirmed=False, waiting=why)


def _values(document: Any) -> list[float]:
    data = document["data"]
    samples = [data["result"]] if data["resultType"] == "scalar" else [s["value"] for s in data["result"]]
    return [float(value) for _, value in samples]
