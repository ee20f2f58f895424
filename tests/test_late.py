"""What is loaded and made, and when: each script runs in a process of its own."""

from __future__ import annotations

import subprocess
import sys

CLIENTS = """
import sys
from rotator.credentials import keys
from rotator.systems.kubernetes.client import kube_config
from rotator.systems.vault.client import RawAdapter
"""


def printed(script: str) -> list[str]:
    """Run a script, and return the words that it prints."""
    command = [sys.executable, "-c", CLIENTS + script]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def test_of_libraries_only_what_is_used_is_loaded() -> None:
    """What they load beside it takes longer than the requests of a run."""
    loaded = printed("print(*sys.modules)")
    assert {"kubernetes.config.kube_config", "hvac.adapters", "joserfc.jwk"} <= set(loaded)
    beside = (
        "kubernetes.dynamic",
        "kubernetes.stream",
        "oauthlib.oauth2",
        "requests",
        "hvac.api",
        "cryptography.x509",
    )
    assert not [name for name in loaded if name.startswith(beside)]


def test_whoever_uses_more_of_a_library_finds_all_of_it() -> None:
    """A provider of others runs in the same process."""
    script = """
import hvac, kubernetes
from kubernetes import watch
import requests
print(hvac.Client.__name__, kubernetes.__version__ != "", watch.Watch.__name__, requests.Session.__name__)
"""
    assert printed(script) == ["Client", "True", "Watch", "Session"]


def test_a_kubeconfig_that_logs_in_by_openid_connect_loads_what_it_calls() -> None:
    """The official client makes its session by this name."""
    script = """
made = kube_config.OAuth2Session(client_id="rotator")
print(type(made).__module__, made.client_id, hasattr(kube_config.oauthlib.oauth2, "LegacyApplicationClient"))
"""
    assert printed(script) == ["requests_oauthlib.oauth2_session", "rotator", "True"]


def test_whoever_reads_a_certificate_gets_its_key() -> None:
    """What is no key may be a certificate: joserfc tries that."""
    script = """
from datetime import UTC, datetime
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
private, name = keys.generate("ES256", 0), x509.Name([])
made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(private.public_key()).serial_number(1)
signed = made.not_valid_before(datetime.now(UTC)).not_valid_after(datetime.now(UTC)).sign(private, SHA256())
print(keys.jwk.ECKey.import_key(signed.public_bytes(Encoding.PEM)).thumbprint() == keys.jwk.ECKey.import_key(keys.to_pem(private).reveal()).thumbprint())
"""
    assert printed(script) == ["True"]


def test_requests_without_a_session_of_ours_are_those_of_requests() -> None:
    """The adapter makes its own session where it is given none."""
    assert printed("print(type(RawAdapter().session).__module__)") == ["requests.sessions"]


def test_what_reads_an_alternative_is_made_when_one_is_declared() -> None:
    """There are dozens, and a run reads a few."""
    script = """
from rotator.policy.model import Holder
from rotator.systems.holders import SecretHolder, VaultHolder
Holder.model_validate({"secret": {"name": "key", "data": {"key": "private_key"}}})
print(SecretHolder.__pydantic_complete__, VaultHolder.__pydantic_complete__)
"""
    assert printed(script) == ["True", "False"]
