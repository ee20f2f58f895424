"""GET of an object, and of lists: selectors, pages, and lists of the past."""

from __future__ import annotations

import base64
import json
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .options import option_error
from .selectors import selector_of
from .status import (
    ApiError,
    bad_request,
    expired,
    forbidden_field,
    invalid_value,
    not_found,
    unsupported_value,
)
from .tables import table
from .views import View, call_view, in_version, partial, raw_in_version, stored_response
from .wire import Object, Response, encode, raw_response

if TYPE_CHECKING:
    from .resources import Kind
    from .state import Call
    from .store import Key, Store, Stored
    from .target import Target

_TOO_OLD_PAGE = (
    "The provided continue parameter is too old to display a consistent list result. You can "
    "start a new list without the continue parameter, or use the continue token in this response "
    "to retrieve the remainder of the results. Continuing with the provided token results in an "
    "inconsistent list - objects that were created, modified, or deleted between the time the "
    "first chunk was returned and now may show up in the list."
)
_TOO_OLD_LIST = "The resourceVersion for the provided list is too old."


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list: what is on it, as of when, and where the next one starts."""

    items: list[Stored]
    revision: int
    following: str = ""
    remaining: int | None = None

    def metadata(self) -> Object:
        """Give the page as metav1.ListMeta."""
        meta: Object = {"resourceVersion": str(self.revision)}
        if self.following:
            meta["continue"] = self.following
        if self.remaining is not None:
            meta["remainingItemCount"] = self.remaining
        return meta


def find(call: Call, target: Target) -> Stored:
    """Give the object that a path names, or 404."""
    stored = call.state.store.get(target.kind.storage, target.key)
    if stored is None:
        raise not_found(target.kind, target.name)
    return stored


def get(call: Call, target: Target) -> Response:
    """Answer a GET of one object."""
    _requested_revision(call)
    return stored_response(call, target.kind, find(call, target))


def _requested_revision(call: Call) -> int:
    text = call.query.get("resourceVersion", "")
    if text in {"", "0"}:
        return 0
    if not text.isdigit():
        problem = invalid_value(
            "resourceVersion", text, f'strconv.ParseUint: parsing "{text}": invalid syntax'
        )
        message = f"invalid resource version: {problem}"
        raise bad_request(message)
    current = call.state.store.revision
    if int(text) > current:
        message = f"Too large resource version: {text}, current: {current}"
        cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
        details = {"causes": [cause], "retryAfterSeconds": 1}
        raise ApiError(504, "Timeout", f"Timeout: {message}", details)
    return int(text)


def _pack(revision: int, key: Key) -> str:
    token = {"v": "meta.k8s.io/v1", "rv": revision, "start": "/".join(key)}
    return base64.urlsafe_b64encode(encode(token)).rstrip(b"=").decode()


def _unpack(text: str) -> tuple[int, Key]:
    try:
        token = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        namespace, _, name = str(token["start"]).rpartition("/")
        return int(token["rv"]), (namespace, name.rstrip("\0"))
    except (ValueError, KeyError, TypeError):
        message = "invalid continue token: continue key is not valid"
        raise bad_request(message) from None


def _continued(store: Store, query: dict[str, str]) -> tuple[int, Key | None]:
    """Give the revision and the key that a page starts after."""
    if not query.get("continue"):
        return store.revision, None
    revision, after = _unpack(query["continue"])
    if revision < 0:  # an inconsistent continuation, after the history was compacted
        return store.revision, after
    if revision < store.compacted:
        error = expired(_TOO_OLD_PAGE)
        error.metadata = {"continue": _pack(-1, after)}
        raise error
    return revision, after


def _listed(call: Call, target: Target, revision: int) -> list[tuple[Key, Stored]]:
    store, storage = call.state.store, target.kind.storage
    if revision == store.revision or store.touched.get(storage, 0) <= revision:
        return store.select(storage, target.namespace)
    return store.select_at(storage, target.namespace, revision)


def _limit(query: dict[str, str]) -> int:
    text = query.get("limit", "") or "0"
    if not text.lstrip("-").isdigit():
        message = f'strconv.ParseInt: parsing "{text}": invalid syntax'
        raise bad_request(message)
    return max(int(text), 0)


def read_page(call: Call, target: Target) -> Page:
    """Give the page of a list that a call asks for."""
    store, query = call.state.store, call.query
    wanted = _requested_revision(call)
    _check_match(query)
    revision, after = _continued(store, query)
    if query.get("resourceVersionMatch") == "Exact" and after is None:
        if wanted < store.compacted:
            raise expired(_TOO_OLD_LIST)
        revision = wanted
    entries = _listed(call, target, revision)
    if after is not None:
        entries = entries[bisect_right(entries, after, key=lambda entry: entry[0]) :]
    return _cut(call, target, entries, revision)


def _cut(call: Call, target: Target, entries: list[tuple[Key, Stored]], revision: int) -> Page:
    matches = selector_of(target.kind, call.query, target.name)
    limit = _limit(call.query) or len(entries)
    taken: list[Stored] = []
    for position, (key, stored) in enumerate(entries):
        if len(taken) == limit:
            last = entries[position - 1][0]
            remaining = len(entries) - position if matches is None else None
            return Page(taken, revision, _pack(revision, last), remaining)
        del key
        if matches is None or matches(stored.object):
            taken.append(stored)
    return Page(taken, revision)


def _check_match(query: dict[str, str]) -> None:
    match, version = query.get("resourceVersionMatch", ""), query.get("resourceVersion", "")
    path, why = "resourceVersionMatch", ""
    if match not in {"", "Exact", "NotOlderThan"}:
        allowed = ["Exact", "NotOlderThan", ""]
        raise option_error("ListOptions", unsupported_value(path, match, allowed))
    if match and not version:
        why = "resourceVersionMatch is forbidden unless resourceVersion is provided"
    elif match and query.get("continue"):
        why = "resourceVersionMatch is forbidden when continue is provided"
    elif match == "Exact" and version == "0":
        why = 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
    if why:
        raise option_error("ListOptions", forbidden_field(path, why))


def list_objects(call: Call, target: Target) -> Response:
    """Answer a GET of a list."""
    page, kind, view = read_page(call, target), target.kind, call_view(call)
    if view is View.TABLE:
        objects = [in_version(kind, stored) for stored in page.items]
        include = call.query.get("includeObject", "Metadata")
        moment = call.state.clock()
        return raw_response(200, encode(table(kind, objects, page.metadata(), include, moment)))
    if view is View.METADATA:
        head = {"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1"}
        texts = [encode(partial(stored.object)) for stored in page.items]
    else:
        head = {"kind": f"{kind.name}List", "apiVersion": kind.api_version}
        texts = _item_texts(kind, page.items)
    meta = page.metadata()
    if kind.custom is not None and view is View.OBJECT:
        meta = {"continue": "", **meta}
    start = encode({**head, "metadata": meta})[:-1]
    return raw_response(200, start + b',"items":[' + b",".join(texts) + b"]}")


def _item_texts(kind: Kind, items: list[Stored]) -> list[bytes]:
    """Give the items of a list; the built-in kinds' carry no kind and apiVersion."""
    if kind.custom is not None:
        return [raw_in_version(kind, stored) for stored in items]
    skipped = len(kind.prefix)
    return [b"{" + stored.raw[skipped:] for stored in items]
