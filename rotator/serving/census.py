"""Which declared readers were answered with what: what the public listener notes, for the page, the metrics and the Leases.

A note says that somebody who sent the declared header, or connected from a declared address, was answered. Several caches may stand
behind that, so a note lets nothing happen earlier: runs wait for it beside the computed lead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from http import HTTPStatus
from ipaddress import IPv6Address, ip_address, ip_network

from rotator.serving.answers import Answer, Asked
from rotator.serving.declared import Set, Source
from rotator.serving.sets import Table
from rotator.systems.served import Reader

_network = lru_cache(maxsize=1024)(ip_network)


@dataclass(frozen=True, slots=True)
class Fetch:
    """The last answer that a reader was given, of one rotation's part of a set."""

    content: str
    """`Stamp.content` of it."""
    at: float | None = None
    """When, by the steady clock of this replica; None: another one has answered."""


@dataclass
class Census:
    """What each reader fetched last. The listener's thread notes it, others read."""

    _fetched: dict[tuple[str, str, str], Fetch] = field(default_factory=dict)
    """By set, rotation and reader: bounded by what is declared."""

    def note(self, table: Table, asked: Asked, answer: Answer, steady: float) -> None:
        """Note who was answered with a set. Whoever was told that nothing has changed has the same set."""
        if asked.method != "GET" or answer.status not in {HTTPStatus.OK, HTTPStatus.NOT_MODIFIED}:
            return
        route = table.declared.route(asked.host, asked.path)
        if not isinstance(route, Set):
            return
        source, held = table.declared.sources[route.name], table.serves(route.name)
        for rotation, readers in source.readers.items():
            stamp = held.stamps.get(rotation) if held else None
            for reader in readers if stamp else ():
                if stamp and is_from(reader, asked):
                    self._fetched[source.name, rotation, reader.name] = Fetch(stamp.content, steady)

    def recall(self, source: Source, rotation: str, contents: Mapping[str, str]) -> None:
        """Take over what other replicas have noted, as far as this one has noted nothing."""
        for reader in source.readers.get(rotation, ()):
            if reader.name in contents:
                self._fetched.setdefault((source.name, rotation, reader.name), Fetch(contents[reader.name]))

    def fetched(self, source: Source, rotation: str) -> dict[str, Fetch]:
        """Return, by the name of each declared reader that was seen, what it fetched last."""
        keys = (
            (reader.name, (source.name, rotation, reader.name)) for reader in source.readers.get(rotation, ())
        )
        return {name: self._fetched[key] for name, key in keys if key in self._fetched}


def is_from(reader: Reader, asked: Asked) -> bool:
    """Whether a request comes from a declared reader, by the sign that is declared."""
    if reader.header:
        return asked.headers.get(reader.header.name.lower()) == reader.header.value
    try:
        client = ip_address(asked.client)
    except ValueError:
        return False
    if isinstance(client, IPv6Address) and client.ipv4_mapped:
        client = client.ipv4_mapped
    return any(client in _network(each) for each in reader.addresses or ())
