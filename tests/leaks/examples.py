"""Tests that leak, each in another way: the canary has to fail every one but the last. Run by tests/test_canary.py."""

from __future__ import annotations

import logging

import pytest

from rotator.core.sensitive import Sensitive
from rotator.credentials.jwt_signing_key.maker import JwtSigningKey
from rotator.credentials.shared_secret.maker import SharedSecret


def _secret() -> Sensitive:
    made = SharedSecret(algorithm="HS256").make("payments/orders", 1)
    return SharedSecret(algorithm="HS256").fields(made.id, made.material)["value"]


def test_that_prints_a_secret() -> None:
    """Output."""
    print(_secret().reveal())  # noqa: T201 - the leak


def test_that_logs_a_secret() -> None:
    """A log message."""
    logging.getLogger("rotator").warning("made %s", _secret().reveal())


def test_that_logs_a_secret_beside_the_message() -> None:
    """A field of a log record."""
    logging.getLogger("anybody").debug("made", extra={"value": _secret().reveal()})


def test_that_raises_a_secret() -> None:
    """An exception's text."""
    raise RuntimeError(_secret().reveal())


def test_that_raises_a_private_key_from_elsewhere() -> None:
    """An exception that another one came from."""
    key = JwtSigningKey("ES256").make("payments/jwt", 1).material["private_key"].reveal()
    with pytest.raises(KeyError) as caught:
        raise KeyError(key)
    raise ValueError("no key here") from caught.value


def test_that_keeps_its_secrets() -> None:
    """Wrapped, it may be shown anywhere."""
    logging.getLogger("rotator").warning("made %s", _secret())
