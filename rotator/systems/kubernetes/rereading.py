"""Whether the pods that read a document read it again: a look at them, where nobody is restarted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from rotator.core.codec import instant
from rotator.core.machine import Sighting
from rotator.errors import Forbidden
from rotator.kinds import POD, Address
from rotator.ports import Clock, Content
from rotator.systems.kubernetes.api import KubernetesApi
from rotator.systems.kubernetes.pods import has_no_node, terminal
from rotator.systems.kubernetes.readers import Source, stuck
from rotator.systems.kubernetes.rollout import COPIES, some


@dataclass
class Rereading:
    """The pods that read the Secret or ConfigMap at `address`."""

    api: KubernetesApi
    clock: Clock
    address: Address
    within: timedelta = COPIES
    """For so long after a write they are waited for; after that it is a failure that they have not read it."""

    @property
    def is_fenced(self) -> bool:
        """See `rotator.ports.Readers`: who is not restarted refers to nothing new."""
        return False

    @property
    def restarts(self) -> Mapping[str, str]:
        """Nobody is restarted."""
        return {}

    def sync(self, seen: Sighting, content: Content, *, act: bool, fresh: bool) -> Sighting:
        """See that no pod reads it at its start alone: nobody restarts it, so it would keep the old content.

        Pods may not be listed here (`rotator plan` says so): then it is believed. See `rotator.ports.Readers`.
        """
        del fresh
        if not content.older:
            return seen
        since = seen.since or content.since
        try:
            found = list(self._stuck(since + COPIES, content))
        except Forbidden:
            return seen if act else self._believed(seen)
        if not found:
            return seen
        said = (
            f"nobody restarts the pods that read {self.address.label} at their start alone: {some(found)}. Declare `restart` for "
            f"it, or restart them by hand (kubectl rollout restart), after {instant(since + COPIES)}: until then a node may start a "
            "pod with an older copy"
        )
        until = since + self.within
        if self.clock.now() < until:
            return replace(seen, confirmed=False, waiting=said, until=until)
        return replace(seen, confirmed=False, failed=said)

    def _believed(self, seen: Sighting) -> Sighting:
        """Say in a plan that changes something what nobody can look at."""
        said = f"believe that the pods that read {self.address.label} read it again: pods may not be listed there"
        return replace(seen, changes=(*seen.changes, said)) if seen.changes else seen

    def _stuck(self, since: datetime, content: Content) -> Iterator[str]:
        """Name the pods that read our fields at their start alone and started before `since`, and how they read them."""
        source = Source(self.address.kind, self.address.name)
        for pod in self.api.list(POD, self.address.namespace):
            ways = () if terminal(pod) or has_no_node(pod) else stuck(pod, source, content.fields, since)
            if ways:
                how = ", ".join(f"{way.how} in {way.container}" for way in ways)
                yield f"{pod['metadata']['namespace']}/{pod['metadata']['name']} ({how})"
