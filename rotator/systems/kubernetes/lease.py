"""One Lease per rotation: one run at a time, and a memo where a list shows what is due.

API: https://kubernetes.io/docs/concepts/architecture/leases/. A lease only saves work and shields systems without
a fence; what keeps a stale run from doing harm is the fence on every write (I5).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta

from rotator.core import shapes
from rotator.core.codec import instant
from rotator.errors import Ambiguous, ClientError, Conflict, Frozen, LeaseLost, NotFound, Unavailable
from rotator.kinds import DEEDS, LEASE, MANAGED, MANAGED_BY, PREFIX, ROTATOR, Address, lease_name
from rotator.ports import Clock, Lease, LeaseHeld, Memo
from rotator.systems.kubernetes.api import Json, KubernetesApi

LEASE_DURATION = timedelta(seconds=30)
"""How long a lease lasts without renewal: how long a killed run keeps the next one waiting."""
MEMO = f"{PREFIX}/memo"
RENEW_AFTER = 1 / 3
"""A held lease is renewed once this share of its duration has passed."""
ATTEMPTS = 5
MOST = 2**31 - 1
"""The API takes no larger number of transitions (int32)."""
NAMED = lease_name("")
"""What the name of each of our leases begins with."""


def forget_deeds(rotation: str) -> str:
    """Return the command by which a person has done once more what is remembered as done."""
    at = _address(rotation)
    return f"kubectl -n {at.namespace} annotate lease {at.name} {DEEDS}-"


def _address(rotation: str) -> Address:
    namespace, _, name = rotation.partition("/")
    return Address(LEASE, namespace, lease_name(name))


@dataclass
class KubernetesLeases:
    """Takes, renews and gives back the leases of one run."""

    api: KubernetesApi
    clock: Clock
    identity: str
    duration: timedelta

    def list(self, namespaces: Iterable[str]) -> dict[str, Lease]:
        """Return all our leases in `namespaces` by `namespace/name` of the rotation: one list a namespace.

        One of an odd shape is left out: its rotation meets it when it takes it.
        """
        listed = {}
        for namespace in sorted(set(namespaces)):
            for document in self.api.list(LEASE, namespace, selector=MANAGED, odd=lambda *_: None):
                name = str(document["metadata"]["name"])
                if name.startswith(NAMED):
                    rotation = f"{namespace}/{name.removeprefix(NAMED)}"
                    listed[rotation] = _read(rotation, document)
        return listed

    def take(self, lease: Lease) -> Lease:
        """Take the lease. Raises LeaseHeld where another run has it, ClientError where it cannot be written."""
        now = instant(self.clock.now())
        last: ClientError | None = None
        for _ in range(ATTEMPTS):
            if (
                lease.holder
                and lease.holder != self.identity
                and lease.expires
                and lease.expires > self.clock.now()
            ):
                raise LeaseHeld(lease.holder)
            taken = {
                **self._renewed(),
                "acquireTime": now,
                "leaseTransitions": min(lease.transitions + 1, MOST),
            }
            try:
                return self._write(lease, taken, lease.memo)
            except (Conflict, Unavailable, Ambiguous, NotFound) as error:
                last, lease = error, self._again(lease)
        if last and lease.holder in {"", self.identity}:
            raise last
        raise LeaseHeld(lease.holder)

    def renew(self, lease: Lease) -> Lease:
        """Renew the lease if a good part of it is over. Raises LeaseLost where somebody else has it."""
        now = self.clock.now()
        if lease.expires and lease.expires - now > self.duration * (1 - RENEW_AFTER):
            return lease
        away: Unavailable | None = None
        for _ in range(ATTEMPTS):
            if lease.holder != self.identity:
                raise LeaseLost(
                    f"the {_address(lease.rotation).label} was taken by {lease.holder or 'nobody'}"
                )
            try:
                return self._write(lease, self._renewed(), lease.memo)
            except (Conflict, Unavailable, Ambiguous, NotFound) as error:
                away = error if isinstance(error, Unavailable) else None
                lease = self._again(lease)  # which waits until the API server is back
        if away:
            raise away
        raise LeaseLost(f"the {_address(lease.rotation).label} cannot be renewed")

    def give_back(self, lease: Lease, memo: Memo) -> None:
        """Leave the memo and give the lease back. Somebody else's lease is left alone."""
        for _ in range(ATTEMPTS):
            if lease.holder != self.identity:
                return
            try:
                self._write(lease, {"holderIdentity": None, "renewTime": None}, memo)
            except (Conflict, Ambiguous, NotFound):
                lease = self._again(lease)
            else:
                return

    def remove(self, lease: Lease) -> None:
        """Delete the lease that we hold: its rotation is no more. Raises LeaseLost where somebody else has it."""
        for _ in range(ATTEMPTS):
            if lease.fence and lease.holder != self.identity:
                raise LeaseLost(
                    f"the {_address(lease.rotation).label} was taken by {lease.holder or 'nobody'}"
                )
            try:
                at = _address(lease.rotation)
                self.api.delete(LEASE, at.namespace, at.name, lease.fence)
            except NotFound:
                return
            except (Conflict, Ambiguous):
                lease = self._again(lease)
            else:
                return
        raise LeaseLost(f"the {_address(lease.rotation).label} cannot be deleted")

    def _renewed(self) -> Json:
        seconds = max(1, round(self.duration.total_seconds()))
        return {
            "holderIdentity": self.identity,
            "leaseDurationSeconds": seconds,
            "renewTime": instant(self.clock.now()),
        }

    def _write(self, lease: Lease, spec: Json, memo: Memo) -> Lease:
        at = _address(lease.rotation)
        metadata: Json = {
            "name": at.name,
            "labels": {MANAGED_BY: ROTATOR},
            "annotations": {MEMO: memo.to_json(), DEEDS: memo.deeds_to_json()},
        }
        if not lease.fence:
            metadata["annotations"] = {k: v for k, v in metadata["annotations"].items() if v is not None}
            document = {"metadata": metadata, "spec": {k: v for k, v in spec.items() if v is not None}}
            return _read(lease.rotation, self._create(at.namespace, document))
        metadata["resourceVersion"] = lease.fence
        changes = {"metadata": metadata, "spec": spec}
        return _read(lease.rotation, self.api.patch(LEASE, at.namespace, at.name, changes))

    def _create(self, namespace: str, document: Json) -> Json:
        try:
            return self.api.create(LEASE, namespace, document)
        except NotFound:
            raise Frozen(
                f"the namespace {namespace} does not exist. Create it, or correct the rotation's namespace; nothing was "
                "changed"
            ) from None

    def _again(self, lease: Lease) -> Lease:
        at = _address(lease.rotation)
        try:
            return _read(lease.rotation, self.api.get(LEASE, at.namespace, at.name))
        except NotFound:
            return replace(lease, fence="", holder="", expires=None)


def _read(rotation: str, document: Json) -> Lease:
    """Return what a lease says. Times that make no sense hold nothing: a lease only saves work."""
    metadata, spec = document["metadata"], shapes.fitting(_OBJECT, document.get("spec"), {})
    annotations = metadata.get("annotations") or {}
    renewed = shapes.fitting(shapes.moment, spec.get("renewTime"), None)
    lasts = shapes.fitting(shapes.seconds, spec.get("leaseDurationSeconds"), 0)
    return Lease(
        rotation=rotation,
        fence=metadata["resourceVersion"],
        holder=shapes.fitting(shapes.text, spec.get("holderIdentity"), ""),
        acquired=shapes.fitting(shapes.moment, spec.get("acquireTime"), None),
        expires=renewed + timedelta(seconds=lasts) if renewed and lasts else None,
        transitions=shapes.fitting(shapes.count, spec.get("leaseTransitions"), 0),
        memo=Memo.from_json(annotations.get(MEMO, ""), annotations.get(DEEDS, "")),
    )


_OBJECT = shapes.mapping(shapes.anything)
