"""Key material that cannot be printed, formatted, pickled or logged by accident."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import NoReturn

HIDDEN = "[redacted]"


class Sensitive:
    """A secret text, or secret bytes. Only `reveal()` and `octets()` give it away, where it leaves for its owner."""

    __slots__ = ("_value",)

    def __init__(self, value: str | bytes) -> None:
        """Wrap `value`."""
        self._value = value.encode() if isinstance(value, str) else value

    def reveal(self) -> str:
        """Return the secret as text. Raises ValueError for bytes that are no UTF-8."""
        try:
            return self._value.decode()
        except UnicodeDecodeError:
            pass  # it quotes all the bytes: it must not live on, not even as the context of ours
        raise ValueError("this secret is bytes, no text")

    def octets(self) -> bytes:
        """Return the secret as bytes."""
        return self._value

    def __repr__(self) -> str:
        return HIDDEN

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return HIDDEN

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sensitive):
            return NotImplemented
        return hmac.compare_digest(self._value, other._value)

    __hash__ = None  # type: ignore[assignment]  # a secret is nobody's dictionary key

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled")


Material = Mapping[str, Sensitive]
"""The secret parts of one version, by field name."""
