"""Whether the pods that read a document read it again: a look at them, where nobody is restarted."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime

from rotator.engine.pods import has_no_node, terminal
from rotator.engine.readers import Source, stuck
from rotator.engine.rollout import Cluster, some
from rotator.errors import Forbidden
from rotator.kinds import POD


@dataclass
class Rereading:
    """The pods of one namespace that read `source`."""

    cluster: Cluster
    namespace: str
    source: Source
    is_believed: bool = False
    """Whether the last look was not allowed."""

    def stuck(self, since: datetime, keys: Collection[str]) -> str:
        """Name the pods that read `keys` at their start alone and started before `since`, and how they read them.

        Empty: there is none, or pods may not be listed here (`rotator plan` says so): then it is believed.
        """
        try:
            found, self.is_believed = list(self._stuck(since, keys)), False
        except Forbidden:
            self.is_believed = True
            return ""
        return some(found) if found else ""

    def _stuck(self, since: datetime, keys: Collection[str]) -> Iterator[str]:
        for pod in self.cluster.list(POD, self.namespace):
            ways = () if terminal(pod) or has_no_node(pod) else stuck(pod, self.source, keys, since)
            if ways:
                how = ", ".join(f"{way.how} in {way.container}" for way in ways)
                yield f"{pod['metadata']['namespace']}/{pod['metadata']['name']} ({how})"
