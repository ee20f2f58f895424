"""HashiCorp Vault stands in for OpenBao wherever VAULT_BIN names it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from rotator_sandbox.openbao import BaoNotFoundError, OpenBao, Product, find_bao


def program(folder: Path, *lines: str) -> Path:
    """Make a program that says `lines`, whatever it is asked."""
    made = folder / "vault"
    made.write_text("\n".join(("#!/bin/sh", *(f"echo '{line}'" for line in lines), "")))
    made.chmod(0o755)
    return made


def test_without_a_name_it_is_the_one_of_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside this Python, also where the virtual environment is not on the PATH."""
    monkeypatch.delenv("VAULT_BIN", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    assert find_bao() == str(Path(sys.executable).parent / "bao")


def test_the_named_one_is_started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """By its path, and not by the folder that somebody else is in; what it says when it dies is told."""
    named = program(tmp_path, "I am Vault")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VAULT_BIN", "./vault")
    assert find_bao() == str(named)
    with pytest.raises(RuntimeError, match="I am Vault"):
        OpenBao(tmp_path)


def test_a_name_that_is_no_program_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """And no other server is taken for it."""
    monkeypatch.setenv("VAULT_BIN", str(tmp_path / "vault"))
    with pytest.raises(BaoNotFoundError, match="VAULT_BIN names "):
        find_bao()


@pytest.mark.parametrize(
    ("said", "product", "has_namespaces"),
    [
        ("OpenBao v2.7.2 (9e0a0d3c), committed 2026-10-26T20:32:27Z", "OpenBao 2.7.2", True),
        ("Vault v1.21.4 (0bc3a1f), built 2026-01-07T15:01:02Z", "Vault 1.21.4", False),
        ("Vault v1.21.4+ent (0bc3a1f), built 2026-01-07T15:01:02Z", "Vault 1.21.4+ent", True),
        ("Vault v1.21.4+ent.hsm.fips1403 (0bc3a1f)", "Vault 1.21.4+ent.hsm.fips1403", True),
    ],
)
def test_a_server_says_what_it_is(tmp_path: Path, said: str, product: str, has_namespaces: bool) -> None:
    """By its program; namespaces are OpenBao's and those of Vault's Enterprise edition."""
    found = Product.of(str(program(tmp_path, said)))
    assert (str(found), found.has_namespaces) == (product, has_namespaces)
