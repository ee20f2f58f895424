"""How Vault is found and logged in to, from the environment."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from rotator.errors import SettingsError
from rotator.systems.vault.settings import LOGINS, SERVICE_ACCOUNT_TOKEN, VaultSettings

CANARY = "canary-5f1c"
ADDRESS = {"VAULT_ADDR": "https://vault:8200"}
TOKEN = {**ADDRESS, "VAULT_TOKEN": CANARY}
ROLE = {"ROTATOR_VAULT_ROLE": "rotator"}


def refused(env: dict[str, str]) -> str:
    """Return the sentence that an environment is refused with."""
    with pytest.raises(SettingsError) as caught:
        VaultSettings.from_environment(env)
    assert CANARY not in repr(caught.value)
    return str(caught.value)


def test_a_token_is_the_least_that_is_needed() -> None:
    """Proves the environment that Vault's own command line uses, and the defaults."""
    settings = VaultSettings.from_environment(TOKEN)
    assert settings.address == "https://vault:8200"
    assert settings.method == "token"
    assert settings.credential is not None
    assert settings.credential.reveal() == CANARY
    assert (settings.namespace, settings.ca, settings.client_cert, settings.timeout) == (
        None,
        None,
        None,
        10.0,
    )


@pytest.mark.parametrize("ends", ["/v1", "/v1/", "/ui", "/ui/vault/auth", "/prefix/v1", "/v1/secret/data/a"])
def test_an_address_that_was_copied_from_the_api_or_a_browser_is_refused(ends: str) -> None:
    """What comes after it is asked for there; a prefix of a proxy is part of an address."""
    assert "expected the address alone" in refused({**TOKEN, "VAULT_ADDR": f"https://vault:8200{ends}"})
    for fine in ("/prefix", "/v10", "/uis", ""):
        VaultSettings.from_environment({**TOKEN, "VAULT_ADDR": f"https://vault:8200{fine}"})


@pytest.mark.parametrize("method", ["kubernetes", "jwt"])
def test_a_pod_logs_in_with_its_service_account(method: str) -> None:
    """Proves the default of the token file, and that mount and role are what Vault is asked with."""
    settings = VaultSettings.from_environment({**ADDRESS, **ROLE, "ROTATOR_VAULT_AUTH": method})
    assert settings.credential_file == SERVICE_ACCOUNT_TOKEN
    assert (settings.role, settings.auth_mount) == ("rotator", method)


@pytest.mark.parametrize("method", ["kubernetes", "jwt"])
def test_the_token_of_a_pod_may_be_elsewhere(method: str) -> None:
    """Proves ROTATOR_VAULT_JWT_FILE, for projected tokens with an audience, and another mount."""
    settings = VaultSettings.from_environment(
        {
            **ADDRESS,
            **ROLE,
            "ROTATOR_VAULT_AUTH": method,
            "ROTATOR_VAULT_JWT_FILE": "/t",
            "ROTATOR_VAULT_AUTH_MOUNT": "k8s/a",
        }
    )
    assert settings.credential_file == Path("/t")
    assert settings.auth_mount == "k8s/a"


def test_approle_takes_its_secret_id_from_the_environment_or_a_file() -> None:
    """Proves both ways."""
    env = {**ADDRESS, **ROLE, "ROTATOR_VAULT_AUTH": "approle"}
    direct = VaultSettings.from_environment({**env, "ROTATOR_VAULT_SECRET_ID": CANARY})
    assert direct.credential is not None
    assert direct.credential.reveal() == CANARY
    file = VaultSettings.from_environment({**env, "ROTATOR_VAULT_SECRET_ID_FILE": "/secret-id"})
    assert file.credential is None
    assert file.credential_file == Path("/secret-id")


def test_a_token_file_is_enough() -> None:
    """Proves that naming the file chooses the method: Vault Agent writes such a file."""
    settings = VaultSettings.from_environment({**ADDRESS, "ROTATOR_VAULT_TOKEN_FILE": "/token"})
    assert (settings.method, settings.credential_file) == ("token-file", Path("/token"))


def test_the_method_chooses_what_is_read() -> None:
    """Proves that a VAULT_TOKEN left over in the environment is not used by another method."""
    settings = VaultSettings.from_environment({**TOKEN, **ROLE, "ROTATOR_VAULT_AUTH": "kubernetes"})
    assert settings.credential is None


def test_namespace_ca_and_client_certificate_are_taken_over(tmp_path: Path) -> None:
    """Proves the rest of Vault's own variables."""
    for name in ("ca", "cert", "key"):
        (tmp_path / name).touch()
    settings = VaultSettings.from_environment(
        {
            **TOKEN,
            "VAULT_NAMESPACE": "team/a",
            "VAULT_CACERT": str(tmp_path / "ca"),
            "VAULT_CLIENT_CERT": str(tmp_path / "cert"),
            "VAULT_CLIENT_KEY": str(tmp_path / "key"),
        }
    )
    assert settings.namespace == "team/a"
    assert settings.ca == str(tmp_path / "ca")
    assert settings.client_cert == (str(tmp_path / "cert"), str(tmp_path / "key"))
    assert VaultSettings.from_environment({**TOKEN, "VAULT_CAPATH": str(tmp_path)}).ca == str(tmp_path)


def test_a_slash_behind_the_address_does_not_matter() -> None:
    """Proves that paths are joined to it cleanly."""
    assert (
        VaultSettings.from_environment({**TOKEN, "VAULT_ADDR": "https://vault:8200/"}).address
        == "https://vault:8200"
    )


WAYS: dict[str, tuple[str, dict[str, str], str]] = {
    "token": ("VAULT_TOKEN", {}, ""),
    "token file": ("", {}, "ROTATOR_VAULT_TOKEN_FILE"),
    "secret id": ("ROTATOR_VAULT_SECRET_ID", {**ROLE, "ROTATOR_VAULT_AUTH": "approle"}, ""),
    "secret id file": ("", {**ROLE, "ROTATOR_VAULT_AUTH": "approle"}, "ROTATOR_VAULT_SECRET_ID_FILE"),
    "JWT file": ("", {**ROLE, "ROTATOR_VAULT_AUTH": "jwt"}, "ROTATOR_VAULT_JWT_FILE"),
    "service account": ("", {**ROLE, "ROTATOR_VAULT_AUTH": "kubernetes"}, "ROTATOR_VAULT_JWT_FILE"),
}
"""By way in: the variable that holds the secret, what else is set, and the variable that names its file."""


def _sent(way: str, folder: Path, octets: bytes) -> dict[str, str]:
    """Return what Vault would be sent."""
    variable, env, file = WAYS[way]
    (folder / "own").write_bytes(octets)
    held = {variable: os.fsdecode(octets)} if variable else {file: str(folder / "own")}
    settings = VaultSettings.from_environment({**ADDRESS, **env, **held})
    return LOGINS[settings.method](settings)[1]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n\n"])
def test_line_ends_behind_a_secret_are_no_part_of_it(tmp_path: Path, way: str, end: str) -> None:
    """Proves that what `echo` or an editor wrote works, as for every other secret of our own."""
    assert CANARY in _sent(way, tmp_path, f"{CANARY}{end}".encode()).values()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("octets", "why"),
    [
        (f" {CANARY}", "holds more than a token"),
        (f"{CANARY} ", "holds more than a token"),
        (f"{CANARY}\t\n", "holds more than a token"),
        (f"{CANARY}\n{CANARY}\n", "holds more than a token"),
        (f"\n{CANARY}", "holds more than a token"),
        (f"{CANARY}\x7f", "holds more than a token"),
        (f"{CANARY}\x1b[0m", "holds more than a token"),
        (f"{CANARY}\u200b", "holds more than a token"),
        (f"\ufeff{CANARY}", "holds more than a token"),
        (f"{CANARY}\u00fc", "holds more than a token"),
        (" \n", "holds more than a token"),
        (CANARY.encode() + b"\xff", "is bytes, no text"),
    ],
)
def test_what_is_no_token_is_refused_before_it_is_sent(
    tmp_path: Path, way: str, octets: str | bytes, why: str
) -> None:
    """Proves that the variable or the file is named, and the secret is not."""
    with pytest.raises(SettingsError) as caught:
        _sent(way, tmp_path, octets if isinstance(octets, bytes) else octets.encode())
    said = str(caught.value)
    assert f"{why}" in said
    assert "Nothing was sent to Vault" in said
    assert (WAYS[way][0] or f"{WAYS[way][2]}: {tmp_path / 'own'}") in said
    assert CANARY not in said


@pytest.mark.parametrize("way", [way for way in WAYS if WAYS[way][2]])
@pytest.mark.parametrize("octets", [b"", b"\n"])
def test_an_empty_file_is_named(tmp_path: Path, way: str, octets: bytes) -> None:
    """Proves that nothing is no token."""
    with pytest.raises(SettingsError, match=f"{WAYS[way][2]}: {tmp_path / 'own'} is empty"):
        _sent(way, tmp_path, octets)


@pytest.mark.parametrize(
    "name",
    [
        "VAULT_NAMESPACE",
        "VAULT_CACERT",
        "VAULT_CAPATH",
        "VAULT_CLIENT_CERT",
        "VAULT_CLIENT_TIMEOUT",
        "VAULT_SKIP_VERIFY",
        "ROTATOR_VAULT_AUTH",
        "ROTATOR_VAULT_AUTH_MOUNT",
        "ROTATOR_VAULT_TOKEN_FILE",
    ],
)
def test_an_empty_variable_counts_as_absent(name: str) -> None:
    """Proves that an empty value in a manifest changes nothing."""
    assert VaultSettings.from_environment({**TOKEN, name: ""}) == VaultSettings.from_environment(TOKEN)


@pytest.mark.parametrize(
    ("text", "seconds"), [("30", 30.0), ("30s", 30.0), ("1m30s", 90.0), ("500ms", 0.5), ("2.5s", 2.5)]
)
def test_the_time_out_is_read_as_vault_reads_it(text: str, seconds: float) -> None:
    """Proves seconds, and durations."""
    assert VaultSettings.from_environment({**TOKEN, "VAULT_CLIENT_TIMEOUT": text}).timeout == seconds


@pytest.mark.parametrize("text", ["soon", "0", "0s", "-5", "-5s", "nan", "inf", "1w", "99999999999999d"])
def test_a_time_out_that_is_none_is_refused(text: str) -> None:
    """Proves that no request waits for ever, or not at all."""
    assert f"VAULT_CLIENT_TIMEOUT={text}: expected" in refused({**TOKEN, "VAULT_CLIENT_TIMEOUT": text})


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:8200", "http://localhost", "http://[::1]:8200", "https://vault"]
)
def test_plain_text_is_for_loopback_only(address: str) -> None:
    """Proves which addresses are allowed."""
    assert VaultSettings.from_environment({**TOKEN, "VAULT_ADDR": address}).address == address


@pytest.mark.parametrize(
    "address",
    [
        "http://vault:8200",
        "http://localhost.example.com",
        "http://127.0.0.1.example.com",
        "http://127.0.0.1@example.com",
        "http://localhost:x@example.com",
        "ftp://localhost",
        "https://",
        "http://[::1",
        "vault",
        "https://vault:99999",
        "https://vault:0",
        "https://vault:",
        "https://vault:-1",
        "https://vault:82oo",
    ],
)
def test_keys_never_travel_in_plain_text(address: str) -> None:
    """Proves that a name that only begins like loopback is none."""
    said = refused({**TOKEN, "VAULT_ADDR": address})
    shown = f"{address.partition('://')[0]}://…@{address.rpartition('@')[2]}" if "@" in address else address
    assert f"VAULT_ADDR={shown}: expected https://" in said


def test_a_password_in_the_address_is_refused_and_not_shown() -> None:
    """Proves that an address is never the place for one."""
    said = refused({**TOKEN, "VAULT_ADDR": "https://user:hunter2@vault:8200"})
    assert "hunter2" not in said
    assert "without user and password" in said


@pytest.mark.parametrize("value", ["1", "true", "TRUE", "True", "t", "yes"])
def test_skipping_tls_verification_is_refused(value: str) -> None:
    """Proves that there is no way to hand keys to an unknown server."""
    assert "VAULT_SKIP_VERIFY is set: TLS is always verified" in refused(
        {**TOKEN, "VAULT_SKIP_VERIFY": value}
    )


@pytest.mark.parametrize("value", ["0", "false", "FALSE"])
def test_saying_that_tls_is_verified_is_allowed(value: str) -> None:
    """Proves that the harmless values pass."""
    assert VaultSettings.from_environment({**TOKEN, "VAULT_SKIP_VERIFY": value}).method == "token"


@pytest.mark.parametrize(
    ("env", "names"),
    [
        pytest.param({}, ["VAULT_ADDR", "https://vault:8200"], id="nothing"),
        pytest.param({"VAULT_TOKEN": CANARY}, ["VAULT_ADDR"], id="no address"),
        pytest.param(
            {**TOKEN, "VAULT_ADDR": "vault:8200"}, ["VAULT_ADDR=vault:8200", "expected https://"], id="no URL"
        ),
        pytest.param(
            ADDRESS, ["VAULT_TOKEN", "ROTATOR_VAULT_AUTH", "ROTATOR_VAULT_ROLE"], id="no way to log in"
        ),
        pytest.param({**ADDRESS, "VAULT_TOKEN": " \n"}, ["VAULT_TOKEN"], id="a token of white space"),
        pytest.param(
            {**TOKEN, "ROTATOR_VAULT_AUTH": "ldap"},
            ["ROTATOR_VAULT_AUTH=ldap", "expected one of approle, jwt, kubernetes, token, token-file"],
            id="another method",
        ),
        *[
            pytest.param(
                {**TOKEN, "ROTATOR_VAULT_AUTH": m},
                [f"ROTATOR_VAULT_AUTH={m}", "ROTATOR_VAULT_ROLE"],
                id=f"{m}: no role",
            )
            for m in ("kubernetes", "jwt", "approle")
        ],
        pytest.param(
            {**TOKEN, "ROTATOR_VAULT_AUTH": "jwt", "ROTATOR_VAULT_ROLE": ""},
            ["ROTATOR_VAULT_ROLE"],
            id="an empty role",
        ),
        pytest.param(
            {**ADDRESS, **ROLE, "ROTATOR_VAULT_AUTH": "approle"},
            ["ROTATOR_VAULT_SECRET_ID"],
            id="approle: no secret id",
        ),
        pytest.param(
            {**ADDRESS, "ROTATOR_VAULT_AUTH": "token-file"},
            ["ROTATOR_VAULT_TOKEN_FILE"],
            id="token-file: no file",
        ),
        pytest.param(
            {**TOKEN, "VAULT_CLIENT_CERT": "/dev/null"},
            ["VAULT_CLIENT_CERT", "VAULT_CLIENT_KEY"],
            id="no key",
        ),
        pytest.param(
            {**TOKEN, "VAULT_CLIENT_KEY": "/dev/null"},
            ["VAULT_CLIENT_CERT", "VAULT_CLIENT_KEY"],
            id="no cert",
        ),
        pytest.param({**TOKEN, "VAULT_CACERT": "/nope"}, ["VAULT_CACERT=/nope", "no such file"], id="no CA"),
        pytest.param(
            {**TOKEN, "VAULT_CAPATH": "/nope"}, ["VAULT_CAPATH=/nope", "no such file"], id="no CA folder"
        ),
    ],
)
def test_what_is_missing_or_wrong_is_named(env: dict[str, str], names: list[str]) -> None:
    """Proves that each refusal names the variable, and what was expected."""
    sentence = refused(env)
    for name in names:
        assert name in sentence


@pytest.mark.parametrize(
    "write", [repr, str, "{}".format, lambda s: f"{s!r} {s}"], ids=["repr", "str", "format", "f"]
)
def test_the_token_is_never_shown(write: object) -> None:
    """Proves I8 for the settings themselves."""
    assert callable(write)
    for env in (
        TOKEN,
        {**ADDRESS, **ROLE, "ROTATOR_VAULT_AUTH": "approle", "ROTATOR_VAULT_SECRET_ID": CANARY},
    ):
        text = write(VaultSettings.from_environment(env))
        assert CANARY not in text
        assert "[redacted]" in text


def test_reading_the_environment_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """Proves that no library of ours writes the environment to a log."""
    with caplog.at_level(logging.DEBUG):
        VaultSettings.from_environment(TOKEN)
    assert CANARY not in caplog.text


def test_what_another_way_in_left_behind_is_not_read(tmp_path: Path) -> None:
    """Proves that a token file is what is sent, whatever secret id stands beside it, and however bad that is."""
    (tmp_path / "token").write_text(CANARY)
    env = {**ADDRESS, "ROTATOR_VAULT_TOKEN_FILE": str(tmp_path / "token")}
    for left in ("s", " no secret id "):
        settings = VaultSettings.from_environment({**env, "ROTATOR_VAULT_SECRET_ID": left})
        assert LOGINS["token-file"](settings) == ("", {"token": CANARY})
