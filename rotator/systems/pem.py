"""Public keys in PEM (RFC 7468, section 13), for verifiers that read no JWK Set: one file of all, or a file a version."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from pydantic import Field

from rotator.core.sensitive import Sensitive
from rotator.credentials.jwt_signing_key import SIGNING_KEY
from rotator.credentials.oauth_client import CLIENT_KEY
from rotator.ports import Clock, Copy, Credential, Render, Rendered, Seen, Stamp, Want
from rotator.systems.document import Delivered, Document
from rotator.systems.part import Part, Shareable
from rotator.vocabulary.checks import Check, all_verifiers, each
from rotator.vocabulary.types import DATA_KEY, DataKey

SUFFIX = ".pem"
_RESTARTED = (
    "restart: a new version is a new file, and pods that were started with the old files cannot be told from others; expected "
    "readers that look for new files (maxAge), or one file of all (without perVersion)"
)


class PemPlace(Document):
    """Public keys in PEM."""

    declared_as: ClassVar[str] = "pem"
    suits: ClassVar[tuple[str, ...]] = (SIGNING_KEY, CLIENT_KEY)
    checks: ClassVar[tuple[Check, ...]] = (
        Check(
            "FilesRestart",
            _RESTARTED,
            each(
                "verifiers",
                lambda _, v: isinstance(v.one, PemPlace) and v.one.per_version and v.restart,
                "restart",
            ),
            all_verifiers("!has(v.restart) || !has(v.pem) || !has(v.pem.perVersion) || !v.pem.perVersion"),
            field=".verifiers",
        ),
    )

    key: DataKey = Field(
        "public_keys.pem", description="The data key that holds all keys, one after the other, oldest first."
    )
    per_version: bool | None = Field(
        None,
        description="Whether each version has a data key of its own instead, named by its kid: KID.pem. Other rotations may deliver "
        "theirs into the same document.",
    )

    @classmethod
    def extras(cls) -> tuple[str, ...]:
        """Return the optional fields that are no alternatives."""
        return (*super().extras(), "per_version")

    @property
    def is_shared(self) -> bool:
        """Whether other rotations may deliver to the document too."""
        return bool(self.per_version)

    def render(self, credential: Credential) -> Render:
        """Return what writes all keys into one file."""
        return PemList(credential, self.key)

    def part(self, document: Shareable, credential: Credential, clock: Clock) -> Delivered:
        """Return the rotation's files."""
        if not self.per_version:
            return super().part(document, credential, clock)
        files = PemFiles(document, credential)
        return files, files, files.beside


@dataclass(frozen=True)
class PemList:
    """Renders the accepted public keys one after the other under one data key, oldest first."""

    credential: Credential
    key: str

    @property
    def names(self) -> tuple[str, ...]:
        """The fields of the target that are ours."""
        return (self.key,)

    def __call__(self, want: Want) -> Rendered:
        """Return the document."""
        return Rendered({self.key: Sensitive("".join(_pem(self.credential, c) for c in want.copies))})


@dataclass
class PemFiles(Part):
    """The files of one rotation in a document, one a version."""

    @property
    def names(self) -> tuple[str, ...]:
        """The data keys of all versions that there ever were."""
        return _files(self._own(self._raw.stamp if self._raw else None))

    def __call__(self, want: Want) -> Rendered:
        """Return a file for each accepted version; those of all others are to be removed."""
        self._learn(want)
        current = {_file(c.id): Sensitive(_pem(self.credential, c)) for c in want.copies}
        return Rendered(current, dict.fromkeys(n for n in _files(self._ring) if n not in current))

    def read(self, names: Sequence[str]) -> Seen | None:
        """Read the files of all versions that the ring knows, or the stamp names."""
        self._raw = self.document.read(names)
        if self._raw and self._raw.stamp is None:
            self._check_unclaimed(self._ring)
        if self._raw and set(self.names) - set(names):
            self._raw = self.document.read(self.names)
        return self._raw

    def write(
        self, fields: Mapping[str, Sensitive | None], stamp: Stamp, seen: Seen | None, note: Mapping[str, str]
    ) -> Seen:
        """Write the files, and note whose they are."""
        keys = tuple(name.removesuffix(SUFFIX) for name, value in fields.items() if value is not None)
        self._raw = self.document.write(fields, replace(stamp, keys=keys), seen, note)
        return self._raw

    def remove(self, names: Sequence[str], seen: Seen) -> tuple[str, ...]:
        """Remove the rotation's files."""
        del names
        return self.document.remove(self.names, seen)


def _pem(credential: Credential, copy: Copy) -> str:
    text = credential.fields(copy.id, copy.material)["public_key"].reveal()
    return text if text.endswith("\n") else f"{text}\n"


def _files(ids: Iterable[str]) -> tuple[str, ...]:
    """Return the data keys of versions; one that cannot be a data key never became one."""
    return tuple(sorted(f"{i}{SUFFIX}" for i in ids if re.fullmatch(DATA_KEY, i)))


def _file(version_id: str) -> str:
    """Return the data key of a version. Raises ValueError for a kid that others chose and that can be none."""
    if not re.fullmatch(DATA_KEY, version_id):
        raise ValueError(
            "the kid that was taken over cannot name a data key, which has letters, digits, -, _ and . only; use one file of all "
            "(without perVersion), or take the key over under another kid"
        )
    return f"{version_id}{SUFFIX}"
