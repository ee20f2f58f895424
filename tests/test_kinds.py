"""What objects are called, for people and in what is remembered."""

from __future__ import annotations

from rotator.kinds import CONFIG_MAP, SECRET, Address


def test_an_address_is_said_as_kubectl_takes_it() -> None:
    """Leases written by earlier versions name targets so."""
    assert Address(SECRET, "payments", "signing-key").label == "secret payments/signing-key"
    assert Address(CONFIG_MAP, "payments", "jwks").label == "configmap payments/jwks"


def test_the_same_name_in_another_cluster_is_another_thing() -> None:
    """Labels are unique in the fleet."""
    ours, other = Address(SECRET, "a", "b"), Address(SECRET, "a", "b", cluster="east")
    assert ours != other
    assert other.label == "secret a/b in east"
