"""What a directory may answer instead of what it answers: words, no change, and no password in the words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from rotator.clients.clock import RunClock
from rotator.clients.ldap import BindAs, Ldap
from rotator.clients.meter import Meter
from rotator.clients.retry import Retry
from rotator.core.distinguished_names import parse
from rotator.core.sensitive import Sensitive
from rotator.errors import ClientError, Frozen
from rotator.ports import Deadline
from rotator.systems.ldap.client import DirectoryAccounts as Provider
from rotator.systems.ldap.client import LdapBind
from tests.fuzz.directories import DN, PASSWORD, Odd, acts, instead, oddities
from tests.providers.ldap_directory import ROTATOR, ROTATOR_PASSWORD

SEARCH = 0x65
NUMBERS = range(len(oddities(b"\1", SEARCH)))
NO_LDAP, CUT_OFF, ANOTHER = (
    "its answer is no LDAP",
    "no answer from",
    "another entry than the one that was asked for",
)
NOBODY, WRONG = "no such entry is shown to us", "LDAP 49 invalidCredentials"
READ: dict[int, str] = {
    0: "LDAP 10 referral; it refers to another server, and no referral is followed", 1: "LDAP 10 referral",
    2: NOBODY, 3: NOBODY, 4: ANOTHER, 5: "", 6: NO_LDAP, 7: "", 8: ANOTHER, 10: NO_LDAP, 11: NO_LDAP, 12: ANOTHER,
    13: NO_LDAP, 14: NO_LDAP, 15: NOBODY, 16: WRONG, 17: WRONG, 18: NO_LDAP, 19: NOBODY, 20: NO_LDAP, 23: NO_LDAP,
}  # fmt: skip
"""What a read says of each oddity; empty: it is an account, with values of others."""


@pytest.fixture(scope="module")
def server() -> Iterator[Odd]:
    """The directory."""
    with Odd() as server:
        yield server


def client(server: Odd) -> Ldap:
    """Return the product's client; it asks nothing a second time."""
    clock = RunClock(sleep=lambda _: None)
    retry = Retry(clock, Deadline(clock.now() + timedelta(minutes=1)), attempts=1)
    return Ldap(server.url, retry, Meter(clock), BindAs(ROTATOR, lambda: Sensitive(ROTATOR_PASSWORD)))


def told(act: Callable[[], object]) -> str:
    """Return the words that something ended with; empty: with none."""
    try:
        act()
    except (ClientError, Frozen) as error:
        return str(error)
    return ""


@pytest.mark.parametrize("right", [0, 1], ids=["bind", "search"])
@pytest.mark.parametrize("number", NUMBERS)
def test_an_odd_answer_of_a_directory_changes_nothing(server: Odd, number: int, right: int) -> None:
    """Proves that each oddity, as the answer to a bind or to a search, ends in words wherever it ends."""
    for index in range(len(list(acts(Provider(client(server), [DN]), LdapBind(client(server)))))):
        asked = client(server)
        act = list(acts(Provider(asked, [DN]), LdapBind(asked)))[index]
        server.prepare(right, lambda answers: instead(answers)[number])
        said = told(act)
        assert PASSWORD.decode() not in said
        assert not said or server.directory.entries[parse(DN)].passwords == [PASSWORD]


@pytest.mark.parametrize("number", NUMBERS)
def test_an_account_is_read_as_it_is_or_not_at_all(server: Odd, number: int) -> None:
    """Proves what is told of each: an entry of another name and a referral are not the account."""
    server.prepare(1, lambda answers: instead(answers)[number])
    words = READ.get(number, CUT_OFF)
    if not words:
        account = client(server).account(DN)
        assert account.values
        assert Sensitive(PASSWORD) not in account.values
        return
    with pytest.raises(ClientError, match=words):
        client(server).account(DN)
