"""Secrets by which rotator itself is let in are read in the same way from a file, a Secret and a Vault path."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from rotator.core.own_secrets import text_of, token_of
from rotator.errors import Frozen
from rotator.systems.at import Read, reader
from rotator.vocabulary.access import SecretSource
from rotator.vocabulary.footprint import Home
from tests.faults.environment import NAMESPACE, Bao
from tests.trial import Trial

Put = Callable[[Trial, Path, bytes], Mapping[str, Any]]


@pytest.fixture
def trial(bao: Bao) -> Trial:
    """An empty cluster, an empty path in Vault, and time of its own."""
    return Trial(bao)


def _file(trial: Trial, folder: Path, value: bytes) -> Mapping[str, Any]:
    del trial
    (folder / "secret").write_bytes(value)
    return {"file": str(folder / "secret")}


def _secret(trial: Trial, folder: Path, value: bytes) -> Mapping[str, Any]:
    del folder
    document = {"metadata": {"name": "own"}, "data": {"key": base64.b64encode(value).decode()}}
    trial.environment.ask("POST", f"/api/v1/namespaces/{NAMESPACE}/secrets", document)
    return {"secret": {"name": "own", "key": "key"}}


def _vault(trial: Trial, folder: Path, value: bytes) -> Mapping[str, Any]:
    del folder
    trial.bao.server.call("POST", f"secret/data/{trial.life}", {"data": {"key": value.decode()}})
    return {"vault": {"mount": "secret", "path": trial.life, "field": "key"}}


def read(trial: Trial, declared: Mapping[str, Any], how: Read = text_of) -> str:
    """Read a secret as a run does."""
    world = trial.world()
    try:
        return reader(world, Home(NAMESPACE, "a"), SecretSource.model_validate(declared), how)().reveal()
    finally:
        world.close()


EVERYWHERE = [_file, _secret, _vault]
READ = {
    "as it is": (b"s3cret", "s3cret"),
    "made by echo": (b"s3cret\n", "s3cret"),
    "made by Windows": (b"s3cret\r\n", "s3cret"),
    "two line ends": (b"s3cret\n\n", "s3cret"),
    "blanks around": (b" s3cret \n", " s3cret "),
    "a key": (b"-----BEGIN\nAAAA\n-----END\n", "-----BEGIN\nAAAA\n-----END"),
    "other scripts": ("schlüssel".encode(), "schlüssel"),
}


@pytest.mark.parametrize("put", EVERYWHERE)
@pytest.mark.parametrize("named", READ)
def test_it_is_the_same_secret_wherever_it_stands(trial: Trial, tmp_path: Path, put: Put, named: str) -> None:
    """Line ends behind it are what an editor or `echo` puts there; blanks may belong to it."""
    written, expected = READ[named]
    assert read(trial, put(trial, tmp_path, written)) == expected


@pytest.mark.parametrize("put", EVERYWHERE)
@pytest.mark.parametrize("written", [b"", b"\n", b"\r\n\r\n"])
def test_an_empty_one_is_named(trial: Trial, tmp_path: Path, put: Put, written: bytes) -> None:
    """Before it is sent anywhere."""
    with pytest.raises(Frozen, match="is empty"):
        read(trial, put(trial, tmp_path, written))


@pytest.mark.parametrize("put", [_file, _secret])
def test_bytes_are_named_and_not_quoted(trial: Trial, tmp_path: Path, put: Put) -> None:
    """No header, form or bind can carry them."""
    with pytest.raises(Frozen, match="is bytes, no text"):
        read(trial, put(trial, tmp_path, b"\xff\xfe"))


def test_an_object_in_vault_is_no_text(trial: Trial) -> None:
    """What a program would print of it is nobody's secret."""
    trial.bao.server.call("POST", f"secret/data/{trial.life}", {"data": {"key": {"a": "b"}}})
    with pytest.raises(Frozen, match="an object or a number, no text"):
        read(trial, {"vault": {"mount": "secret", "path": trial.life, "field": "key"}})


@pytest.mark.parametrize("put", EVERYWHERE)
@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_a_token_is_read_in_the_same_way(trial: Trial, tmp_path: Path, put: Put, end: bytes) -> None:
    """Line ends behind it go."""
    assert read(trial, put(trial, tmp_path, b"t0ken" + end), token_of) == "t0ken"


@pytest.mark.parametrize("put", EVERYWHERE)
@pytest.mark.parametrize("written", [b"t0\nken", b"t0 ken", b"t0ken ", b"t0ken\x1b", "t0kün".encode()])
def test_what_fits_into_no_header_is_named_and_not_quoted(
    trial: Trial, tmp_path: Path, put: Put, written: bytes
) -> None:
    """Libraries quote it."""
    with pytest.raises(Frozen, match="holds more than a token") as caught:
        read(trial, put(trial, tmp_path, written), token_of)
    assert "t0" not in str(caught.value).replace(str(tmp_path), "")
