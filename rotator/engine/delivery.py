"""Delivery of a document to one verifier or holder: look, compare, write fenced, read back, and see it settle.

This is the only place where a target is written, so what keeps a stale run from acting (I5), what is done after a
lost reply (I6) and what counts as somebody else's edit is said once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from rotator.core.codec import instant
from rotator.core.due import Reason
from rotator.core.fence import data_key, is_data_key, outdated
from rotator.core.machine import Sighting
from rotator.core.sensitive import Sensitive
from rotator.core.timing import format_duration
from rotator.errors import Ambiguous, ClientError, Conflict, Frozen, Superseded
from rotator.ports import Clock, Content, Copy, Deeds, Readers, Render, Rendered, Seen, Stamp, Target, Want

ATTEMPTS = 5
FOREIGN = "exists and was not made by rotator"
WAY_OUT = "Take the value over (spec.takeOver), move it away, or map to other data keys (holders[].data)"
ANOTHER_VALUE = "Take over what is in use there (spec.takeOver), or map to other data keys (holders[].data)"
WAY_OUT_OF_LISTS = (
    "A list of what is accepted is always a new object of rotator's own, or a data key of its own (`key`): name another one, and "
    "let verifiers read it as well before the first rotation. Keys of others stay where they are; a JWK Set can have rotator's beside "
    "them (jwks.shared: true)"
)
REMEMBERED = timedelta(days=7)
"""For so long a repair is remembered: who changes the same again within that time does it as often as it is put right."""
SHAPED = "Write it there as a text first, or map to other fields (holders[].data)"
FOUND = 0
"""The content revision of what was there before us and is as it is wanted: whoever reads it has read it."""


@dataclass
class Delivery:
    """One verifier or holder that is a document somewhere, and perhaps those who read it."""

    name: str
    target: Target
    render: Render
    clock: Clock
    landing: timedelta
    """The longest time between stamping a write and its taking effect."""
    lands_within: Callable[[timedelta], AbstractContextManager[None]]
    """Sees to it: what is asked meanwhile, however often it is tried, is over by then."""
    pick_up: timedelta | None = None
    """Holders that read again by themselves: within this time."""
    readers: Readers | None = None
    """Who reads it; None: that cannot be seen."""
    accepts: bool = False
    """Whether it is a list of what is accepted, which is never taken over from others."""
    beside: Callable[[], str] = str
    """Says what others have in the same document; empty: nothing."""
    shape: Callable[[], str] = str
    """Says which fields stand where, as it was declared, where the document is created; empty: each by its own name."""
    once_more: str = ""
    """How a person has it put right once more, where that was undone: a command."""
    _seen: Seen | None = field(default=None, repr=False)
    _looked: bool = False
    _deeds: Deeds | None = field(default=None, repr=False)
    """What was done here; None: not looked at in this run."""
    _left: str = ""
    """The fence with which all was in place, in this run."""

    def sync(self, want: Want, *, act: bool, fresh: bool) -> Sighting:
        """Bring the target in line with `want`; see `rotator.ports.Party`."""
        if not want.copies:
            raise Frozen(f"{self.target.label} would be left without any version; nothing was written there")
        rendered = self._rendered(want)
        self._looked = self._looked and not fresh
        deeds = self._deeds or want.deeds.get(self.target.label) or Deeds()
        self._deeds, changes = self._deliver(want, rendered, deeds, act=act)
        if self._deeds.undone:
            return Sighting(name=self.name, confirmed=False, failed=self._undone(), changes=changes)
        if want.erase and not self.target.erase_history(act=act):
            changes = (*changes, f"erase the history of {self.target.label}")
        return self._settle(want, rendered, changes, act=act, fresh=fresh)

    def fences(self) -> Mapping[str, str]:
        """Return the fence of the target as it was last seen in place; empty: it was not."""
        return {self.target.label: self._left}

    def deeds(self) -> Mapping[str, Deeds]:
        """Return what was done at the target and for its readers; see `rotator.ports.Party`."""
        if self._deeds is None:
            return {}
        restarts = self.readers.restarts if self.readers else {}
        return {self.target.label: replace(self._deeds, restarts=restarts)}

    def check_free(self, rotation: str) -> None:
        """Look whether the first version can be delivered, before it is made; see `rotator.ports.Party`."""
        label = self.target.label
        self._look()
        if self._seen is None:
            return
        if (stamp := self._seen.stamp) is None:
            if self._seen.fields:
                raise Frozen(self._foreign())
        elif stamp.rotation != rotation:
            raise Frozen(
                f"{label} belongs to the rotation {stamp.rotation}; it was left untouched. "
                "Name another target, or remove it from one of the two rotations"
            )
        else:
            raise Frozen(
                f"{label} carries the version {stamp.version}, and there is no ring: it was lost. Nothing was written. "
                "Restore the ring; to begin anew on purpose, see Backup and restore (docs/declare/stores.md)"
            )

    def check_first(self, want: Want) -> None:
        """Look whether a version that is taken over could be delivered; see `rotator.ports.Party`."""
        rendered = self._rendered(want)
        self._look()
        self._check(want, self._as_found(rendered))

    def _look(self) -> None:
        self._seen, self._looked = self.target.read(self.render.names), True

    def _foreign(self, names: Sequence[str] = (), want: Want | None = None) -> str:
        """Say that the fields `names` are somebody else's, with the way out: `want` tells whether a value was taken over."""
        found = f"{self.target.label} {FOREIGN}"
        taken = {v.id for v in want.ring.versions if v.reason == Reason.TAKEN_OVER} if want else set()
        if self.accepts:
            return f"{found}; it was left untouched. {WAY_OUT_OF_LISTS}"
        if want and want.copies[0].id in taken:
            return f"{found}, and its {', '.join(names)} is not what is taken over; it was left untouched. {ANOTHER_VALUE}"
        return f"{found}; it was left untouched. {WAY_OUT}"

    def check_next(self, *, adopted: bool) -> None:
        """Look whether another version could be delivered; see `rotator.ports.Party`."""
        if not self._looked:
            self._look()
        if obstacle := self.target.obstacle(self.render.names, adopted=adopted):
            raise Frozen(f"{self.target.label} cannot take another version: {obstacle}. Nothing was begun")

    def remove(
        self, rotation: str, live: Callable[[], Sequence[Copy]], guard: Callable[[], None]
    ) -> tuple[str, ...]:
        """Take away what `rotation` delivered; see `rotator.ports.Party`."""
        del live  # what is ours says so itself
        for _ in range(ATTEMPTS):
            seen = self.target.read(self.render.names)
            if seen is None or seen.stamp is None or seen.stamp.rotation != rotation:
                return ()
            guard()
            try:
                left = self.target.remove(self._removable(seen), seen)
            except (Conflict, Ambiguous):
                continue
            if left:
                theirs = ", ".join(name for name in left if not is_data_key(name))
                return (f"delete our fields of {self.target.label}; others are left: {theirs}",)
            return (f"delete {self.target.label}",)
        raise Frozen(f"{self.target.label} changed under us {ATTEMPTS} times; nothing more was deleted")

    def _removable(self, seen: Seen) -> tuple[str, ...]:
        """Return what is ours: where others use the object too, without the keys that pod templates refer to."""
        keys = tuple(n for n in seen.names if is_data_key(n))
        shared = seen.names - {*keys, *self.render.names}
        return tuple(self.render.names) if shared else (*self.render.names, *keys)

    def _rendered(self, want: Want) -> Rendered:
        try:
            rendered = self.render(want)
            if not self.target.takes_bytes:
                _check_texts(rendered)
        except ValueError as error:
            raise Frozen(
                f"{self.target.label} cannot hold what is to stand there: {error}. Nothing was written there"
            ) from None
        return rendered

    def _as_found(self, rendered: Rendered) -> dict[str, Sensitive | None]:
        """Return all fields, with those as they stand that were found in another form, until the first rotation."""
        seen = self._seen
        untouched = seen is not None and (seen.stamp is None or seen.stamp.content_revision == FOUND)
        theirs = seen.fields if seen and untouched else {}
        kept = {n: t for n, v in rendered.current.items() if (t := theirs.get(n)) and rendered.same(n, t, v)}
        return {**rendered.current, **rendered.previous, **kept}

    def _deliver(
        self, want: Want, rendered: Rendered, deeds: Deeds, *, act: bool
    ) -> tuple[Deeds, tuple[str, ...]]:
        changes: tuple[str, ...] = ()
        tries = _Tries()
        if act and not self._looked and self._never_delivered(want):
            self._looked = True  # creating it is fenced by its absence; a conflict makes us read it
        for _ in range(ATTEMPTS):
            if not self._looked:
                self._look()
            fields = self._as_found(rendered)
            self._check(want, fields)
            if _in_place(self._seen, fields, want):
                self._left = self._seen.fence if self._seen else ""
                return (deeds if changes else _held(deeds, self.clock.now())), changes
            edited = self._is_edited(want, {n: fields[n] for n in rendered.current})
            if edited and not changes:
                deeds = _once_more(deeds, self.clock.now())
            if deeds.undone:
                return deeds, changes
            kept = [n for n, v in rendered.current.items() if fields[n] != v]
            changes = (self._describe(want, kept, edited=edited),)
            stamp = self._stamp(want, rendered, {n: fields[n] for n in rendered.current})
            written = {**fields, **self._fence_fields(stamp)}
            tries.note(self._seen)
            if not act:
                self._seen = _imagined(self._seen, written, stamp)
                return deeds, changes
            try:
                with self.lands_within(self.landing):
                    self._seen = self.target.write(written, stamp, self._seen, _note(want))
                self._left = self._seen.fence
                tries.last = None
            except (Conflict, Ambiguous) as error:
                self._looked, tries.last = False, error
        if self._looked and _in_place(self._seen, self._as_found(rendered), want):
            return deeds, changes
        raise Frozen(f"{self.target.label} {tries.why()}")

    def _never_delivered(self, want: Want) -> bool:
        return self._seen is None and want.settled == 0 and self.target.label not in want.known

    def _check(self, want: Want, fields: Mapping[str, Sensitive | None]) -> None:
        """Refuse to touch what is not ours, and what a later run has written."""
        seen, label = self._seen, self.target.label
        if seen is None:
            return
        stamp = seen.stamp
        if stamp and stamp.rotation != want.ring.rotation:
            raise Frozen(
                f"{label} belongs to the rotation {stamp.rotation}; it was left untouched. "
                "Name another target, or remove it from one of the two rotations"
            )
        if stamp and stamp.revision > want.ring.revision:
            raise Superseded(
                f"{label} carries revision {stamp.revision}, we act on revision {want.ring.revision}: "
                "another run is ahead"
            )
        if stamp and stamp.version not in {v.id for v in want.ring.versions}:
            raise Frozen(
                f"{label} carries the version {stamp.version}, which the ring does not know: the ring was lost, or "
                "began anew. Nothing was written there. Restore the ring; to begin anew on purpose, delete the target"
            )
        if stamp is None and seen.shaped and label not in want.known:
            raise Frozen(
                f"{label} exists, and its {', '.join(sorted(seen.shaped))} is an object or a number, no text; it was left "
                f"untouched. {SHAPED}"
            )
        foreign = sorted(n for n, v in fields.items() if n in seen.fields and seen.fields[n] != v)
        if stamp is None and foreign and label not in want.known:
            raise Frozen(self._foreign(foreign, want))

    def _stamp(self, want: Want, rendered: Rendered, current: Mapping[str, Sensitive | None]) -> Stamp:
        """Return the stamp for a write; where the current fields stay as they are, so do their instants.

        Fields that are only added to a credential that was found leave it as it is: nobody can have read them yet.
        """
        there = self._seen.fields if self._seen else {}
        old = self._seen.stamp if self._seen else None
        version = want.copies[0].id if want.copies else ""
        keep = old if all(there.get(n) == v for n, v in current.items()) else None
        found = (
            not want.settled and self.target.label not in want.known and self._was_found(rendered, current)
        )
        stamp = Stamp(
            rotation=want.ring.rotation,
            revision=want.ring.revision,
            version=version,
            content_revision=keep.content_revision if keep else FOUND if found else want.ring.revision,
            since=keep.since if keep else self.clock.now(),
            fence_key=_fence_key(keep) if keep else "",
        )
        if keep or found or not (self.readers and self.readers.is_fenced):
            return stamp
        return replace(stamp, fence_key=data_key(stamp.content_revision, _carried(stamp)))

    def _was_found(self, rendered: Rendered, current: Mapping[str, Sensitive | None]) -> bool:
        """Whether the credential stood in the target before us, and all that stood there is as it is to be."""
        seen = self._seen
        if seen is None or (seen.stamp and seen.stamp.content_revision != FOUND):
            return False
        there = seen.fields
        names = there.keys() & current.keys()
        return bool(names & rendered.carriers) and all(there[n] == current[n] for n in names)

    def _fence_fields(self, stamp: Stamp) -> dict[str, Sensitive | None]:
        """Return the data keys that come and go with a write so that a restart can refer to the content by name."""
        key = stamp.fence_key
        if not key:
            return {}
        gone = outdated(self._seen.names if self._seen else (), key)
        return {**dict.fromkeys(gone), key: Sensitive("")}

    def _content(self, want: Want, rendered: Rendered, seen: Seen, stamp: Stamp) -> Content:
        """Return what the target holds, for those who read it."""
        key = _fence_key(stamp)
        files = frozenset(n for n in seen.names - rendered.previous.keys() if not is_data_key(n))
        return Content(
            value=_carried(stamp),
            since=stamp.since,
            fields=frozenset(self.render.names),
            older=len(want.ring.versions) > 1,
            key=key if key in seen.names else "",
            files=files,
            alone=not rendered.previous and files == rendered.current.keys(),
            restarts=self._deeds.restarts if self._deeds else {},
        )

    def _describe(self, want: Want, kept: Sequence[str], *, edited: bool) -> str:
        verb = "create" if self._seen is None else "write"
        if edited:
            verb = "repair (edited by somebody else)" if self._seen else "repair (deleted by somebody else)"
        shown = ", ".join(c.id for c in want.copies)
        shape = self.shape() if self._seen is None else ""
        as_found = f" ({', '.join(kept)} stays in the form it has until the first rotation)" if kept else ""
        return f"{verb} {self.target.label}: {shown}{f' ({shape})' if shape else ''}{as_found}"

    def _is_edited(self, want: Want, current: Mapping[str, Sensitive | None]) -> bool:
        """Whether somebody else has changed what we wrote for this very want, or has taken it away."""
        seen, last = self._seen, self._left or want.known.get(self.target.label)
        if not last or seen is None:
            return bool(last)
        beneath = seen.stamp is None or seen.stamp.revision >= want.epoch
        differs = not seen.described or any(seen.fields.get(n) != v for n, v in current.items())
        return seen.fence != last and beneath and differs

    def _undone(self) -> str:
        """Say that a repair was undone, by whom, and how to go on."""
        deeds, subject = self._deeds or Deeds(), "it" if self.name == self.target.label else self.target.label
        writer = self.target.last_writer(self.render.names) if self._seen else "it was deleted"
        put_right = f"{subject} was put right at {instant(deeds.repaired)}" if deeds.repaired else subject
        return (
            f"{put_right}, and somebody else has changed it again: {writer or 'it does not show who'}. It was left as it is now: "
            f"two who write would go on for ever. Let nobody else write it; then have it put right once more: {self.once_more}"
        )

    def _settle(
        self, want: Want, rendered: Rendered, changes: tuple[str, ...], *, act: bool, fresh: bool
    ) -> Sighting:
        """See whether those who read the target have read what it holds now."""
        stamp = self._seen.stamp if self._seen else None
        if self._seen is None or stamp is None:
            raise Frozen(f"{self.target.label} does not show what was just written to it")
        since = stamp.since + self.landing
        seen = Sighting(
            name=self.name,
            confirmed=True,
            since=since,
            revision=stamp.content_revision,
            changes=changes,
            beside=self.beside(),
        )
        if stamp.content_revision == FOUND or stamp.content_revision < want.settled:
            return seen  # what was written at the revision at which all was settled was written after that
        if self.readers:
            content = self._content(want, rendered, self._seen, stamp)
            seen = self.readers.sync(seen, content, act=act, fresh=fresh)
        if not seen.confirmed or self.pick_up is None or self.clock.now() >= since + self.pick_up:
            return seen
        until = since + self.pick_up
        waiting = f"it reads again within {format_duration(self.pick_up)}"
        return replace(seen, confirmed=False, waiting=waiting, until=until)


@dataclass
class _Tries:
    """What the attempts to write one document have shown."""

    last: ClientError | None = None
    """What the last of them met; None: it was taken."""
    _fences: list[str] = field(default_factory=list)

    def note(self, seen: Seen | None) -> None:
        """Note what stood there before an attempt."""
        self._fences.append(seen.fence if seen else "")

    def why(self) -> str:
        """Say why none of them has led to what was wanted."""
        if self.last is None:
            return (
                f"does not show what was written to it, tried {ATTEMPTS} times: somebody changes it on the way, as an admission webhook "
                "does, or right after. Let nobody else write these data keys"
            )
        if len(set(self._fences)) == 1:
            return (
                f"did not take our write, tried {ATTEMPTS} times, and nobody else changed it. The last answer: {self.last}. It stands as "
                "it was"
            )
        return (
            f"changed under us {ATTEMPTS} times: somebody else writes it all the time. "
            "Expected: only rotator writes it. Find the other writer (kubectl get -o yaml shows managedFields)"
        )


def _once_more(deeds: Deeds, now: datetime) -> Deeds:
    """Return the deeds where something has to be put right: where that was done lately, it was undone."""
    if deeds.undone or (deeds.repaired and now < deeds.repaired + REMEMBERED):
        return replace(deeds, undone=True)
    return replace(deeds, repaired=now)


def _held(deeds: Deeds, now: datetime) -> Deeds:
    """Return the deeds where all is as it was written: whatever was undone is right again."""
    lately = deeds.repaired and now < deeds.repaired + REMEMBERED
    return replace(deeds, repaired=deeds.repaired if lately else None, undone=False)


def _check_texts(rendered: Rendered) -> None:
    """See that all can stand in JSON. Raises ValueError, naming the field."""
    for name, value in {**rendered.current, **rendered.previous}.items():
        try:
            if value is not None:
                value.reveal()
        except ValueError:
            raise ValueError(
                f"{name} would be bytes, and only text can stand there; hand it out in a Secret (holders[].secret)"
            ) from None


def _imagined(seen: Seen | None, fields: Mapping[str, Sensitive | None], stamp: Stamp) -> Seen:
    """Return the document as a write would leave it, for a plan."""
    after = {**(seen.fields if seen else {}), **fields}
    there = {n: v for n, v in after.items() if v is not None}
    names = (seen.names if seen else frozenset()) - fields.keys() | there.keys()
    return Seen(fields=there, stamp=stamp, fence="", names=names)


def _in_place(seen: Seen | None, fields: Mapping[str, Sensitive | None], want: Want) -> bool:
    if seen is None or seen.stamp is None or seen.stamp.revision < want.epoch:
        return False
    if seen.vanishes or not seen.described:
        return False
    if (key := _fence_key(seen.stamp)) and key not in seen.names:
        return False
    return all(seen.fields.get(name) == value for name, value in fields.items())


def _carried(stamp: Stamp) -> str:
    """Return what the pods are annotated with that were restarted for the content of `stamp`."""
    return stamp.content


def _fence_key(stamp: Stamp) -> str:
    """Return the data key that a stamp names. Anybody may write on an object: what is none of ours counts as none."""
    return stamp.fence_key if is_data_key(stamp.fence_key) else ""


def _note(want: Want) -> dict[str, str]:
    """Describe the versions delivered, for people who look at a document's metadata."""
    note = {"rotation": want.ring.rotation, "revision": str(want.ring.revision)}
    delivered = {copy.id for copy in want.copies}
    versions = {"current": want.ring.active or want.ring.candidate, "previous": want.ring.retiring}
    for name, version in versions.items():
        if version is None or version.id not in delivered:
            continue
        since = version.activated_at or version.staged_at
        note |= {
            f"{name}_version": version.id,
            f"{name}_state": version.state,
            f"{name}_since": instant(since),
        }
    return note
