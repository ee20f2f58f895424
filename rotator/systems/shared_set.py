"""A JWK Set in which several rotations, and others, have keys: each rotation sees, writes and removes its own and no other."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from rotator.core import jwk_set
from rotator.core.jwk_set import Entry, Jwk, JwkSetText
from rotator.core.reading import Unreadable
from rotator.core.sensitive import Sensitive
from rotator.errors import Frozen
from rotator.ports import Clock, Rendered, Seen, Stamp, Want
from rotator.systems.part import Part

LARGEST = 1024 * 1024 - 64 * 1024
"""Characters of a set to which a key can still be added: an object, or a document, holds a mebibyte."""


@dataclass
class SharedJwkSet(Part):
    """The part of one rotation of a JWK Set: a target whose field holds the rotation's keys, whoever else has keys there."""

    key: str
    clock: Clock
    keep: Mapping[str, datetime] = field(default_factory=dict)
    """Until when keys of others stay, by their `kid`; one that is not named stays for ever."""
    _wanted: tuple[Jwk, ...] = field(default=(), init=False)

    # --- what the part is to hold -----------------------------------------------------------------------------

    @property
    def names(self) -> tuple[str, ...]:
        """The data key that holds the set."""
        return (self.key,)

    def __call__(self, want: Want) -> Rendered:
        """Return the keys of the rotation, oldest first."""
        self._learn(want)
        self._wanted = tuple(self.credential.accepted(c.id, c.material) for c in want.copies)
        return Rendered({self.key: _part(self._wanted)})

    # --- the part as a target ---------------------------------------------------------------------------------

    def read(self, names: Sequence[str]) -> Seen | None:
        """Read the document, and show of the set what belongs to the rotation."""
        del names
        self._raw = self.document.read(self.names)
        return self._shown()

    def write(
        self, fields: Mapping[str, Sensitive | None], stamp: Stamp, seen: Seen | None, note: Mapping[str, str]
    ) -> Seen:
        """Put the rotation's keys in place of those that it had."""
        del fields  # they were made of what is wanted here
        before = self._raw if seen else None
        text = self._changed(before)
        keys = tuple(str(jwk["kid"]) for jwk in self._wanted)
        self._raw = self.document.write({self.key: Sensitive(text)}, replace(stamp, keys=keys), before, note)
        shown = self._shown()
        assert shown  # noqa: S101 - it was just written
        return shown

    def obstacle(self, names: Sequence[str], *, adopted: bool) -> str:
        """See `rotator.ports.Target`."""
        if self._raw and len(self._set(self._raw).text) > LARGEST:
            return "its JWK Set has no room for another key. Take old keys of others out of it, or name another document"
        return super().obstacle(names, adopted=adopted)

    def remove(self, names: Sequence[str], seen: Seen) -> tuple[str, ...]:
        """Take the rotation's keys out; what is left is never a set without keys: then the data key goes."""
        del names
        before = self._raw or seen
        own = self._own(before.stamp)
        left = self._set(before).without(lambda entry: entry.kid in own)
        rest = {self.key: Sensitive(left.text)} if left.entries else {}
        return self.document.remove(self.names, before, rest)

    def _owners(self) -> Iterator[str]:
        yield from super()._owners()
        if self._raw:
            known = {key for stamp in self.document.sharers.values() for key in stamp.keys}
            known |= self._own(self._raw.stamp)
            kids = [entry.kid for entry in self._set(self._raw).entries]
            if others := [kid or "(no kid)" for kid in kids if kid not in known]:
                yield f"others have {', '.join(others)}"

    # --- the set as it is written -----------------------------------------------------------------------------

    def _set(self, seen: Seen) -> JwkSetText:
        text = seen.fields.get(self.key)
        try:
            return jwk_set.read(text.reveal() if text else jwk_set.EMPTY)
        except Unreadable as error:
            raise Frozen(
                f"{self.label}: the data key {self.key} cannot be shared: {error}. It was left untouched. Mend it, or name another "
                "data key (key)"
            ) from None
        except ValueError:
            raise Frozen(
                f"{self.label}: the data key {self.key} is bytes, no text; it was left untouched"
            ) from None

    def _shown(self) -> Seen | None:
        """Return what was read with the rotation's keys alone; what means the same as is wanted is shown as that."""
        seen = self._raw
        if seen is None:
            return None
        ids = self._own(seen.stamp)
        own = [e for e in self._set(seen).entries if e.kid in ids]
        if seen.stamp is None:
            self._check_free_kids(own)
        meant = [w for w in self._wanted if any(jwk_set.same(e.jwk, w) for e in own)]
        rest = [e.jwk for e in own if not any(jwk_set.same(e.jwk, w) for w in self._wanted)]
        return replace(seen, fields={self.key: _part([*meant, *rest])} if own else {})

    def _own(self, stamp: Stamp | None) -> frozenset[str]:
        """Return the ids of the rotation's keys; one that was kept for a time is its own to remove when that is over."""
        now = self.clock.now()
        ended = {kid for kid, until in self.keep.items() if until <= now} if stamp else set()
        return super()._own(stamp) | (ended - self._of_others().keys())

    def _check_free_kids(self, own: Sequence[Entry]) -> None:
        """See that no key of others has the `kid` of one of ours, before anything of ours stands there."""
        wanted = {jwk["kid"]: jwk for jwk in self._wanted}
        self._check_unclaimed(wanted)
        for entry in own:
            if entry.kid in wanted and not jwk_set.same(entry.jwk, wanted[entry.kid]):
                raise Frozen(
                    f"{self.label}: the data key {self.key} has another key with the kid {entry.kid} already; it was left untouched. "
                    "Readers would take one or the other. Take it out there, or give the key that is taken over its own kid (takeOver.kid)"
                )

    def _changed(self, seen: Seen | None) -> str:
        """Return the set with the rotation's keys as they are wanted; what stands there already stays as it is written."""
        found = self._set(seen) if seen else jwk_set.read(jwk_set.EMPTY)
        ids = self._own(seen.stamp if seen else None)
        kept: set[str | None] = set()

        def goes(entry: Entry) -> bool:
            if entry.kid not in ids:
                return False
            stays = entry.kid not in kept and any(jwk_set.same(entry.jwk, w) for w in self._wanted)
            kept.add(entry.kid if stays else None)
            return not stays

        left = found.without(goes)
        return left.with_keys([jwk for jwk in self._wanted if jwk["kid"] not in kept]).text


def _part(jwks: Sequence[Jwk]) -> Sensitive:
    return Sensitive(json.dumps({"keys": list(jwks)}, indent=1))
