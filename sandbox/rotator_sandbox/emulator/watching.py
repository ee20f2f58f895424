"""Watches: what was, then what changes, until the time is over."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .reads import read_page
from .selectors import Predicate, selector_of
from .status import bad_request, expired, internal_error, invalid_value
from .store import Change, Stored
from .views import View, call_view, raw_in_version, show_object
from .wire import Object, Response, encode, is_true

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .state import Call
    from .target import Target

_BOOKMARK_SECONDS = 10.0
_SHORTEST, _LONGEST = 1800, 3600
_INITIAL_END = "k8s.io/initial-events-end"


@dataclass(frozen=True, slots=True)
class _Watch:
    """One watch: what it is about, and how its events are written."""

    call: Call
    target: Target
    view: View
    matches: Predicate | None

    def event(self, kind: str, stored: Stored) -> bytes:
        """Write one event as a line."""
        if self.view is View.OBJECT:
            raw = raw_in_version(self.target.kind, stored)
        else:
            raw = encode(show_object(self.call, self.target.kind, stored.object, self.view))
        return b'{"type":"' + kind.encode() + b'","object":' + raw + b"}\n"

    def bookmark(self, revision: int, *, initial_end: bool = False) -> bytes:
        """Write a BOOKMARK event: nothing happened up to this revision."""
        metadata: Object = {"resourceVersion": str(revision)}
        if initial_end:
            metadata["annotations"] = {_INITIAL_END: "true"}
        kind = self.target.kind
        obj = {"kind": kind.name, "apiVersion": kind.api_version, "metadata": metadata}
        return encode({"type": "BOOKMARK", "object": obj}) + b"\n"

    def accepts(self, stored: Stored | None) -> bool:
        """Say whether a version of an object is selected."""
        return stored is not None and (self.matches is None or self.matches(stored.object))

    def line(self, change: Change) -> bytes:
        """Write what a change looks like through the selectors; empty when it is not seen."""
        if change.storage != self.target.kind.storage:
            return b""
        if self.target.namespace and change.key[0] != self.target.namespace:
            return b""
        before, after = self.accepts(change.old), self.accepts(change.new)
        if not before and not after:
            return b""
        if before and after:
            return self.event("MODIFIED", change.last)
        if after:
            return self.event("ADDED", change.last)
        return self.event("DELETED", _last_seen(change))


def _last_seen(change: Change) -> Stored:
    """Give what left the selection: as it was, at the revision of the change."""
    if change.new is None or change.old is None:
        return change.last
    metadata = {**change.old.object["metadata"], "resourceVersion": str(change.revision)}
    obj = {**change.old.object, "metadata": metadata}
    return Stored(obj, encode(obj), change.revision)


def _seconds(call: Call) -> float:
    text = call.query.get("timeoutSeconds", "")
    if text in {"", "0"}:
        return random.uniform(_SHORTEST, _LONGEST)  # noqa: S311
    if not text.isdigit():
        message = f'strconv.ParseInt: parsing "{text}": invalid syntax'
        raise bad_request(message)
    return float(text)


def watch(call: Call, target: Target) -> Response:
    """Answer a watch: initial events unless it starts at a resourceVersion, then changes."""
    seconds, text = _seconds(call), call.query.get("resourceVersion", "")
    if text and not text.isdigit():
        why = f'strconv.ParseUint: parsing "{text}": invalid syntax'
        raise internal_error(str(invalid_value("resourceVersion", text, why)))
    send_initial = is_true(call.query.get("sendInitialEvents"))
    matches = selector_of(target.kind, call.query, target.name)
    watch_ = _Watch(call, target, call_view(call), matches)
    start, first = int(text or 0), b""
    if send_initial or start == 0:
        call.query.pop("limit", None)
        call.query.pop("resourceVersionMatch", None)
        page = read_page(call, target)
        first = b"".join(watch_.event("ADDED", stored) for stored in page.items)
        start = page.revision
        if send_initial and is_true(call.query.get("allowWatchBookmarks")):
            first += watch_.bookmark(start, initial_end=True)
    headers = {"Content-Type": "application/json"}
    return Response(200, headers, _stream(watch_, start, first, time.monotonic() + seconds))


def _stream(watch_: _Watch, position: int, first: bytes, deadline: float) -> Iterator[bytes]:
    if first:
        yield first
    state, bookmarks = watch_.call.state, is_true(watch_.call.query.get("allowWatchBookmarks"))
    next_bookmark = time.monotonic() + _BOOKMARK_SECONDS
    while (now := time.monotonic()) < deadline and not state.closed:
        until = min(deadline, next_bookmark) if bookmarks else deadline
        with state.store.lock:
            if position < state.store.compacted:
                yield _too_old(position, state.store.compacted)
                return
            changes = state.store.since(position)
            if changes:
                position = state.store.revision
            else:
                state.store.changed.wait(min(max(until - now, 0.0), 1.0))
        if lines := b"".join(map(watch_.line, changes)):
            yield lines
        elif bookmarks and time.monotonic() >= until:
            next_bookmark = time.monotonic() + _BOOKMARK_SECONDS
            yield watch_.bookmark(position)


def _too_old(position: int, compacted: int) -> bytes:
    error = expired(f"too old resource version: {position} ({compacted})")
    return encode({"type": "ERROR", "object": error.status()}) + b"\n"
