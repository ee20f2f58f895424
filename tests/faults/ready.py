"""What is slow to make or to check and is no subject of the explorer is made once in a process, and used in every life.

RSA keys are made from a pool, in the same order in every life: no life has one twice. What was read once as a private key
is not checked again, and the system's certificates are not loaded by every run.
"""

from __future__ import annotations

import functools
from types import ModuleType
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc._rfc7517 import pem
from joserfc._rfc7518 import rsa_key

from rotator.clients import ldap
from rotator.credentials import found, keys
from tests.providers import ldap_directory

SLOW: tuple[tuple[ModuleType, str], ...] = (
    (pem, "load_pem_private_key"),
    (keys, "load_pem_private_key"),
    (found, "load_der_private_key"),
    (ldap, "shared"),
    (ldap_directory, "parse"),
)


class Pool:
    """RSA keys, made when they are first asked for."""

    def __init__(self) -> None:
        self._make = rsa.generate_private_key
        self._made: dict[tuple[int, int], list[rsa.RSAPrivateKey]] = {}
        self._taken: dict[tuple[int, int], int] = {}

    def begin(self) -> None:
        """Begin anew with the first, for another life."""
        self._taken.clear()

    def take(self, public_exponent: int, key_size: int, backend: Any = None) -> rsa.RSAPrivateKey:
        """Return the next one, like `rsa.generate_private_key`."""
        del backend
        kind = public_exponent, key_size
        made, taken = self._made.setdefault(kind, []), self._taken.get(kind, 0)
        if taken == len(made):
            made.append(self._make(*kind))
        self._taken[kind] = taken + 1
        return made[taken]


POOL = Pool()


def make_ready() -> None:
    """Use ready ones from now on, in this process and in those that are forked from it."""
    for module, name in SLOW:
        setattr(module, name, functools.cache(getattr(module, name)))
    for module in (rsa, rsa_key):
        setattr(module, "generate_private_key", POOL.take)  # noqa: B010 - as above
