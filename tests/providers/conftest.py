"""The real providers, each started once for all tests that ask for it, and the vendors' SDKs."""

from tests.providers.real_hydra import real_hydra
from tests.providers.real_keycloak import keycloak_with_rotation, keycloak_without_rotation
from tests.providers.real_oidc_provider import oidc_provider
from tests.providers.real_slapd import silent_server_, slapd_server_
from tests.providers.vendor_sdks import sdk

__all__ = [
    "keycloak_with_rotation",
    "keycloak_without_rotation",
    "oidc_provider",
    "real_hydra",
    "sdk",
    "silent_server_",
    "slapd_server_",
]
