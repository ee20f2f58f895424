"""Passwords in a directory: decisions as tables, the contract suite, whole lives with the wire cut, and a real slapd."""

from __future__ import annotations

import base64
import re
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rotator.clients.ldap import (
    ACCOUNT_LOCKED,
    CHANGE_AFTER_RESET,
    BindAs,
    BindAsOwn,
    policy_error,
)
from rotator.clients.ldap import Ldap as Client
from rotator.clients.meter import Meter
from rotator.clients.retry import Retry
from rotator.core.distinguished_names import parse, same
from rotator.core.sensitive import Sensitive
from rotator.errors import (
    Ambiguous,
    ClientError,
    Conflict,
    Forbidden,
    Frozen,
    NotFound,
    Rejected,
    SettingsError,
    Unavailable,
)
from rotator.ports import Aim, Copy, Deadline
from rotator.systems.ldap.client import (
    Act,
    DirectoryAccounts,
    Found,
    LdapBind,
    Step,
    Stuck,
    next_of_one,
    next_of_several,
    stored,
    verify,
)
from rotator.systems.ldap.maker import LdapPassword
from rotator_sandbox.certificates import issue
from tests.providers.contract import ROTATION, Bench, ProviderContract
from tests.providers.exploration import START, Virtual
from tests.providers.ldap_directory import (
    BIND,
    EXTENDED,
    MODIFY,
    ROTATOR,
    ROTATOR_PASSWORD,
    SEARCH,
    Directory,
    DirectoryServer,
    HangUp,
    Perform,
    Wire,
    admin,
    binds,
)
from tests.providers.ldap_life import (
    EXISTING,
    TIMES,
    Fault,
    Life,
    Mode,
    Place,
    PlaceInMemory,
    bench,
    client,
    copied,
    schedules,
)
from tests.providers.real_slapd import Slapd

REAL = pytest.param("real", marks=pytest.mark.real_provider)
DN = "cn=payments,ou=services,dc=example,dc=org"


@pytest.fixture(scope="session")
def in_memory() -> Iterator[PlaceInMemory]:
    """The directory in this process."""
    directory = Directory()
    with DirectoryServer(directory) as server:
        yield PlaceInMemory(url=server.url, directory=directory)


@pytest.fixture
def real(slapd_server: Slapd) -> Iterator[Place]:
    """A real slapd."""
    with admin(slapd_server.url) as kept:
        yield Place(slapd_server.url, kept)


@pytest.fixture(params=["in_memory", REAL])
def place(request: pytest.FixtureRequest) -> Place:
    """A directory: the one in this process, and a real slapd."""
    found: Place = request.getfixturevalue(request.param)
    return found


# --- the decisions ---------------------------------------------------------------------------------------------------


def said(step: Step | Stuck | None) -> str:
    """Write a decision as `ACT version[/index]`."""
    if step is None:
        return "nothing"
    if isinstance(step, Stuck):
        return "stuck"
    return f"{step.act.name} {step.version}" + ("" if step.value is None else f"/{step.value}")


def found(accepts: str, owners: str, adopted: str) -> Found:
    """Return what was read: a letter a version, `x` for somebody else's value."""
    return Found(
        accepts=frozenset(accepts),
        owners=tuple(None if o == "x" else o for o in owners),
        adopted=frozenset(adopted),
    )


@pytest.mark.parametrize(
    ("accepts", "owners", "adopted", "accept", "forget", "expected"),
    [
        ("", "", "", "a", "", "ADD a"),
        ("a", "a", "", "a", "", "nothing"),
        ("a", "", "", "a", "", "nothing"),
        ("a", "a", "", "ab", "", "ADD b"),
        ("b", "b", "", "ab", "", "ADD a"),
        ("ab", "ba", "", "ab", "", "nothing"),
        ("ab", "ab", "", "b", "a", "DELETE a/0"),
        ("ab", "", "", "b", "a", "DELETE a"),
        ("b", "b", "", "b", "a", "nothing"),
        ("b", "", "", "b", "a", "nothing"),
        ("a", "a", "", "b", "a", "ADD b"),
        ("b", "zb", "", "b", "", "DELETE z/0"),  # a value of ours that came late: its material is gone
        ("ab", "ab", "", "", "ba", "DELETE b/1"),
        ("", "", "", "", "ab", "nothing"),
        ("a", "x", "a", "a", "", "stuck"),
        ("a", "ax", "", "a", "", "stuck"),
        ("a", "ax", "", "", "a", "DELETE a/0"),
        ("", "x", "", "", "a", "nothing"),
        ("", "x", "a", "a", "", "stuck"),
        ("", "", "a", "a", "", "stuck"),
        ("a", "a", "a", "a", "", "nothing"),
        ("ab", "", "a", "b", "a", "stuck"),
        ("ab", "b", "", "b", "a", "stuck"),
    ],
)
def test_what_comes_next_where_several_are_accepted(  # noqa: PLR0913, PLR0917 - the columns
    accepts: str, owners: str, adopted: str, accept: str, forget: str, expected: str
) -> None:
    """Add before delete, and never somebody else's."""
    step = next_of_several(found(accepts, owners, adopted), accept, forget, settled=False, others="Stop")
    assert said(step) == expected


@pytest.mark.parametrize(
    ("accepts", "owners", "accept", "forget", "expected"),
    [
        ("a", "ax", "a", "", "nothing"),
        ("a", "ax", "ab", "", "ADD b"),
        ("ab", "xab", "b", "a", "DELETE a/1"),
        ("", "x", "a", "", "ADD a"),
    ],
)
def test_values_of_others_are_left_where_that_is_declared(
    accepts: str, owners: str, accept: str, forget: str, expected: str
) -> None:
    """They are passed over."""
    step = next_of_several(found(accepts, owners, ""), accept, forget, settled=False, others="Leave")
    assert said(step) == expected


@pytest.mark.parametrize(
    ("accepts", "owners", "adopted", "accept", "forget", "settled", "expected"),
    [
        ("", "", "", "a", "", False, "SET a"),
        ("", "x", "", "a", "", False, "SET a"),
        ("a", "a", "", "a", "", False, "nothing"),
        ("a", "a", "", "b", "a", False, "SET b"),
        ("b", "b", "", "b", "a", False, "nothing"),
        ("a", "a", "", "", "a", False, "CLOSE a"),
        ("b", "b", "", "", "ab", False, "CLOSE b"),
        ("", "x", "", "", "ab", False, "nothing"),
        ("a", "a", "", "ab", "", False, "stuck"),
        ("a", "ax", "", "a", "", False, "stuck"),
        ("", "x", "a", "a", "", False, "stuck"),
        ("", "x", "a", "a", "", True, "SET a"),
        ("a", "a", "a", "a", "", False, "nothing"),
    ],
)
def test_what_comes_next_where_one_is_accepted(  # noqa: PLR0913, PLR0917 - the columns
    accepts: str, owners: str, adopted: str, accept: str, forget: str, settled: bool, expected: str
) -> None:
    """Set what is missing; take away where nothing is to be accepted; never over a password that was not taken over."""
    assert said(next_of_one(found(accepts, owners, adopted), accept, forget, settled=settled)) == expected


def test_a_password_taken_over_is_put_back_once_it_was_in_place() -> None:
    """Who took it away after that did so by hand, and a hand's work is put right."""
    gone = found("", "", "a")
    assert said(next_of_several(gone, "a", "", settled=True, others="Stop")) == "ADD a"


# --- stored values and names -----------------------------------------------------------------------------------------


def test_the_stored_form_is_the_same_each_time_and_bears_the_version() -> None:
    """Adding it twice is one value, and it is known for ours when its password is forgotten."""
    copy = copied(LdapPassword(accounts=[DN]), 1)
    assert stored(copy) == stored(Copy(copy.id, dict(copy.material)))
    assert stored(copy) != stored(Copy("another", copy.material))
    assert verify(stored(copy), copy.material["password"])
    assert not verify(stored(copy), Sensitive("another-password"))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("secret-text", True),
        ("{CLEARTEXT}secret-text", True),
        ("{SSHA}8USMZ0MYxqV+sG1Lb5FeOXTpeKsxMjM0", None),
        ("{SHA}" + base64.b64encode(bytes(20)).decode(), False),
        ("{CRYPT}$6$abc$def", None),
        ("{ARGON2}$argon2id$v=19$x", None),
        ("{SSHA}not base64!", None),
        ("{", False),
    ],
)
def test_stored_values_are_verified_where_that_is_possible(value: str, expected: bool | None) -> None:
    """An unknown scheme is unknown, and no refusal."""
    if value.startswith("{SSHA}8U"):
        salt = b"1234"
        import hashlib  # noqa: PLC0415 - for this row

        digest = hashlib.sha256(b"secret-text" + salt).digest()
        value, expected = "{ssha256}" + base64.b64encode(digest + salt).decode(), True
    assert verify(Sensitive(value), Sensitive("secret-text")) is expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("cn=a,dc=example,dc=org", "CN=A, DC=Example , dc=ORG"),
        ("cn=a,dc=org", "2.5.4.3=a,domainComponent=org"),
        (r"cn=a\,b,dc=org", r"cn=a\2Cb,dc=org"),
        ("cn=a+sn=b,dc=org", "sn=b+cn=a,dc=org"),
        (r"cn=M\C3\BCller,dc=org", "cn=müller,dc=org"),
        ("cn=a  b,dc=org", "cn=a b,dc=org"),
    ],
)
def test_two_ways_to_write_one_name_are_one_name(one: str, other: str) -> None:
    """Who is compared with rotator's own account must be found, however the name is written."""
    assert same(one, other)


@pytest.mark.parametrize(
    "other", ["cn=b,dc=org", "cn=a,dc=com", "cn=a,ou=x,dc=org", "dc=org", r"cn=a\+sn=b,dc=org"]
)
def test_two_names_are_two(other: str) -> None:
    """They are not confused."""
    assert not same("cn=a,dc=org", other)


@pytest.mark.parametrize(
    "text",
    ["", " ", "payments", "cn=", "cn=a,", ",cn=a", "cn=a,,dc=b", "=a", "c n=a", 'cn="a"', "cn=a;dc=b", "cn=<a>",
     "cn=a\\", r"cn=a\zz", "cn=#zz", r"cn=\FF\FE", "cn=a\0b"],
)  # fmt: skip
def test_what_is_no_name_is_refused(text: str) -> None:
    """Before anything is asked of a directory."""
    with pytest.raises(ValueError, match=r".+"):
        parse(text)


def test_accounts_that_are_no_names_or_the_same_are_refused(in_memory: Place) -> None:
    """A declaration that cannot be carried out says so at once."""
    with pytest.raises(SettingsError, match="no TYPE=VALUE"):
        DirectoryAccounts(client(in_memory.url), ["payments"])
    with pytest.raises(SettingsError, match="twice"):
        DirectoryAccounts(client(in_memory.url), ["cn=a,dc=org", "CN=a, dc=org"])


# --- the credential --------------------------------------------------------------------------------------------------


def test_accounts_take_turns_and_ids_are_derived() -> None:
    """Version n is of account (n - 1) mod the number of accounts, and a second run makes the same id."""
    credential = LdapPassword(accounts=["cn=a,dc=org", "cn=b,dc=org"], length=20)
    made = [credential.make(ROTATION, n) for n in (1, 2, 3)]
    assert [m.material["bind_dn"].reveal() for m in made] == ["cn=a,dc=org", "cn=b,dc=org", "cn=a,dc=org"]
    assert made[0].id == credential.make(ROTATION, 1).id
    assert len({m.id for m in made}) == 3
    assert all(len(m.material["password"].reveal()) == 20 for m in made)
    assert len({m.material["password"].reveal() for m in made}) == 3
    fields = credential.fields(made[1].id, made[1].material)
    assert set(fields) == {"bind_dn", "password"}
    assert credential.accepted(made[1].id, made[1].material) == {"id": made[1].id, "bind_dn": "cn=b,dc=org"}


@pytest.mark.parametrize("value", ["", "with\0zero"])
def test_what_nobody_can_bind_with_is_not_taken_over(value: str) -> None:
    """An empty password binds as nobody (RFC 4513, section 5.1.2)."""
    with pytest.raises(ValueError, match="no directory"):
        LdapPassword(accounts=[DN]).adopt(Sensitive(value), None, ROTATION)


# --- the contract ----------------------------------------------------------------------------------------------------


class TestSeveralValues(ProviderContract):
    """One account with several passwords."""

    @pytest.fixture
    def bench(self, place: Place) -> Bench:
        """An account of its own."""
        return bench(place, [place.account()])


class TestSeveralValuesUnseen(ProviderContract):
    """The same, where rotator may write passwords and not read them."""

    @pytest.fixture
    def bench(self, place: Place) -> Bench:
        """An account of its own."""
        return bench(place, [place.account(unit="hidden", policy="lax")])


class TestAccountsInTurn(ProviderContract):
    """Two accounts under a strict password policy."""

    @pytest.fixture
    def bench(self, place: Place) -> Bench:
        """Accounts of its own."""
        return bench(place, [place.account(policy="strict") for _ in range(2)])


class TestAccountsInTurnUnseen(ProviderContract):
    """The same, where rotator may write passwords and not read them."""

    @pytest.fixture
    def bench(self, place: Place) -> Bench:
        """Accounts of its own."""
        return bench(place, [place.account(unit="hidden", policy="strict") for _ in range(2)])


class TestOneValue(ProviderContract):
    """One account with one password: the hard cut."""

    @pytest.fixture
    def bench(self, place: Place) -> Bench:
        """An account of its own."""
        return bench(place, [place.account(policy="strict")], several=False)


# --- lives -----------------------------------------------------------------------------------------------------------

LIVES = [
    (mode, own, unit)
    for mode in Mode
    for own, unit in ((False, "services"), (False, "hidden"), (True, "services"))
]


def the_life(place: Place, wire: Wire, mode: Mode, own: bool, unit: str, **given: Any) -> Life:
    """Return a life under a password policy that locks after three wrong passwords."""
    policy = "lax" if mode is Mode.SEVERAL else "strict"
    return Life(place, wire, mode, own=own, unit=unit, policy=policy, **given)


@pytest.mark.parametrize(("mode", "own", "unit"), LIVES)
def test_a_whole_life_locks_nobody(place: Place, mode: Mode, own: bool, unit: str) -> None:
    """As many logins must agree, with the old one too, as refused ones lock the account; nobody is told anything."""
    with Wire(place.url) as wire:
        life = the_life(place, wire, mode, own, unit)
        life.live()
    assert TIMES == 3
    assert not life.told


@pytest.mark.parametrize(("mode", "own", "unit"), LIVES)
def test_a_life_with_the_wire_cut_at_any_change_is_carried_on(
    place: Place, mode: Mode, own: bool, unit: str
) -> None:
    """Nobody who uses the password notices, nobody is locked, and it ends as wanted; `own`: nobody locks himself out.

    Every fifth fault in this process, the next ones on a real directory: there are as many requests.
    """
    with Wire(place.url) as wire:
        whole = the_life(place, wire, mode, own, unit)
        whole.live()
        lives = list(schedules(whole.asked, changes_only=True))
        for fault, at in lives[0 if isinstance(place, PlaceInMemory) else 1 :: 5]:
            the_life(place, wire, mode, own, unit, fault=fault, at=at).live()
    assert len(lives) >= 12


@pytest.mark.no_cover
def test_a_life_with_the_wire_cut_at_reads_and_binds_is_carried_on(in_memory: Place) -> None:
    """In the way that asks most: with rotator's own account, and passwords that are set blindly."""
    with Wire(in_memory.url) as wire:
        whole = the_life(in_memory, wire, Mode.ONE, True, "services")
        whole.live()
        for fault, at in list(schedules(whole.asked))[::5]:
            the_life(in_memory, wire, Mode.ONE, True, "services", fault=fault, at=at).live()


# --- what stands there already ---------------------------------------------------------------------------------------


def aim(*accept: Copy, forget: tuple[Copy, ...] = (), settled: bool = False) -> Aim:
    """Return what is wanted."""
    known = frozenset(copy.id for copy in (*accept, *forget))
    return Aim(rotation=ROTATION, accept=accept, forget=forget, known=known, settled=settled)


def provider(place: Place, *accounts: str, **given: Any) -> DirectoryAccounts:
    """Return the provider."""
    return DirectoryAccounts(client(place.url), accounts, **given)


def carried_out(provider: DirectoryAccounts, wanted: Aim) -> int:
    """Make all calls; return how many there were."""
    for number in range(12):
        call = provider.next_call(wanted)
        if call is None:
            return number
        call.run()
    raise AssertionError("no end")


def test_a_password_in_use_stops_the_first_version(place: Place) -> None:
    """It is named, and nothing of it is changed; with Leave it works beside ours."""
    dn = place.account(password=EXISTING)
    for several in (True, False):
        with pytest.raises(Frozen, match="has a password already") as caught:
            provider(place, dn, several=several).check_free(ROTATION)
        assert "takeOver" in str(caught.value)
        assert EXISTING not in str(caught.value)
    assert place.stored(dn) == [EXISTING.encode()]
    leaves = provider(place, dn, others="Leave")
    leaves.check_free(ROTATION)
    copy = copied(LdapPassword(accounts=[dn]), 1)
    with pytest.raises(Frozen, match="a password that rotator did not make"):
        provider(place, dn).next_call(aim(copy))
    assert carried_out(leaves, aim(copy)) == 1
    assert carried_out(leaves, aim(forget=(copy,))) == 1
    assert place.stored(dn) == [EXISTING.encode()]


def test_an_account_without_a_password_is_free(place: Place) -> None:
    """Seen, or asked by a comparison."""
    dn = place.account()
    provider(place, dn).check_free(ROTATION)
    provider(place, dn, several=False).check_free(ROTATION)
    provider(place, dn, place.account()).check_free(ROTATION)


def test_what_cannot_be_seen_is_not_overwritten(place: Place) -> None:
    """A password may be in use there, so one that would take its place is not set; one beside it harms nobody."""
    dn = place.account(unit="hidden", password=EXISTING)
    provider(place, dn).check_free(ROTATION)
    with pytest.raises(Frozen, match="is not shown to rotator"):
        provider(place, dn, several=False).check_free(ROTATION)
    assert place.stored(dn) == [EXISTING.encode()]


@pytest.mark.parametrize("unit", ["services", "hidden"])
@pytest.mark.parametrize("several", [True, False])
def test_a_wrong_password_taken_over_is_not_set(place: Place, several: bool, unit: str) -> None:
    """Else a wrong declaration would shut out whoever uses the right one."""
    dn = place.account(password=EXISTING, unit=unit)
    made = LdapPassword(accounts=[dn]).adopt(Sensitive("not-the-password-1"), None, ROTATION)
    with pytest.raises(Frozen, match=r"other than the one taken over|did not make"):
        provider(place, dn, several=several).next_call(aim(Copy(made.id, made.material)))
    assert place.stored(dn) == [EXISTING.encode()]


def test_a_password_taken_over_in_a_scheme_of_the_servers_own_is_withdrawn(real: Place) -> None:
    """Which value it is follows from a bind, where the scheme is none that we compute."""
    dn = real.account()
    # Of EXISTING, by slappasswd -h '{CRYPT}' -c '$6$saltsalt'.
    hashed = "aXdtXomkpaK3ZbLkQZAuNn83V5.aqDHpjLLRLyjm7prN3MtDrKOEvHZyc5rY7r7jmVJQ3rPzlJC3yvHDVQrTA1"
    real.change(dn, "MODIFY_ADD", [f"{{CRYPT}}$6$saltsalt${hashed}".encode()])
    made = LdapPassword(accounts=[dn]).adopt(Sensitive(EXISTING), None, ROTATION)
    adopted, fresh = Copy(made.id, made.material), copied(LdapPassword(accounts=[dn]), 2)
    assert carried_out(provider(real, dn), aim(adopted)) == 0
    assert carried_out(provider(real, dn), aim(adopted, fresh)) == 1
    assert carried_out(provider(real, dn), aim(fresh, forget=(adopted,))) == 1
    assert real.stored(dn) == [stored(fresh).octets()]
    assert not binds(real.url, dn, EXISTING.encode())
    assert binds(real.url, dn, fresh.material["password"].octets())


def test_a_value_of_ours_that_came_late_is_deleted(place: Place) -> None:
    """A request of a killed run may arrive when its version is destroyed: its value says whose it is."""
    dn = place.account()
    credential = LdapPassword(accounts=[dn])
    old, used = copied(credential, 1), copied(credential, 2)
    assert carried_out(provider(place, dn), aim(used)) == 1
    place.change(dn, "MODIFY_ADD", [stored(old).octets()])
    late = replace(aim(used), known=frozenset({old.id, used.id}))
    assert carried_out(provider(place, dn), late) == 1
    assert place.stored(dn) == [stored(used).octets()]


def test_adding_and_deleting_twice_is_done_once(place: Place) -> None:
    """Harmless when it comes late or twice (I5)."""
    dn = place.account()
    copy = copied(LdapPassword(accounts=[dn]), 1)
    directory = provider(place, dn)
    add = directory.next_call(aim(copy))
    assert add is not None
    add.run()
    with pytest.raises(Conflict):  # the engine looks again
        directory.directory.add_value(dn, stored(copy))
    delete = directory.next_call(aim(forget=(copy,)))
    assert delete is not None
    delete.run()
    delete.run()
    assert place.stored(dn) == []


def test_an_account_that_must_have_a_password_keeps_one_that_nobody_knows(place: Place) -> None:
    """After a deletion nothing of ours is accepted, whatever the account's class asks for (simpleSecurityObject)."""
    dn = place.account(must=True, password=EXISTING)
    made = LdapPassword(accounts=[dn]).adopt(Sensitive(EXISTING), None, ROTATION)
    adopted = Copy(made.id, made.material)
    assert carried_out(provider(place, dn), aim(forget=(adopted,))) == 1
    assert len(place.stored(dn)) == 1
    assert not place.accepted(adopted)


def test_a_deletion_where_the_account_is_gone_is_done(place: Place) -> None:
    """Nobody binds with what is no more; while it is to be accepted, that is a case for people."""
    dn = place.account()
    copy = copied(LdapPassword(accounts=[dn]), 1)
    assert carried_out(provider(place, dn), aim(copy)) == 1
    place.remove(dn)
    assert provider(place, dn).next_call(aim(forget=(copy,))) is None
    with pytest.raises(Frozen, match="there is no account"):
        provider(place, dn).next_call(aim(copy))
    with pytest.raises(Frozen, match="there is no account"):
        provider(place, dn).check_free(ROTATION)


def test_two_versions_on_one_account_with_one_password_are_refused(place: Place) -> None:
    """Whoever leaves out an account in the middle of a rotation hears of it, and nothing is set."""
    dn, gone = place.account(), place.account()
    before = LdapPassword(accounts=[dn, gone])
    first = copied(before, 1)
    assert carried_out(provider(place, dn, gone), aim(first)) == 1
    second = copied(LdapPassword(accounts=[gone, dn]), 2)
    with pytest.raises(Frozen, match="one password only"):
        provider(place, dn, gone).next_call(aim(first, second))
    assert place.accepted(first)


def test_several_values_where_one_is_declared_are_left_alone(place: Place) -> None:
    """Setting the one would delete the others."""
    dn = place.account()
    place.change(dn, "MODIFY_ADD", [b"one-of-two-passwords"])
    place.change(dn, "MODIFY_ADD", [b"two-of-two-passwords"])
    with pytest.raises(Frozen, match="values: One"):
        provider(place, dn, several=False).next_call(aim(copied(LdapPassword(accounts=[dn]), 1)))
    assert len(place.stored(dn)) == 2


# --- rotator's own account -------------------------------------------------------------------------------------------


def test_our_own_account_is_refused_however_it_is_written(place: Place) -> None:
    """After the change we would be shut out."""
    shouted = ROTATOR.upper().replace(",", ", ")
    refused = provider(place, shouted)
    with pytest.raises(Frozen, match="rotator itself binds with"):
        refused.check_free(ROTATION)
    with pytest.raises(Frozen, match="rotator itself binds with"):
        refused.next_call(aim(copied(LdapPassword(accounts=[shouted]), 1)))


def test_our_own_account_begins_with_the_password_in_use(place: Place) -> None:
    """There is nothing to bind with before that."""
    dn = place.account()
    own = DirectoryAccounts(client(place.url, BindAsOwn()), [dn])
    with pytest.raises(Frozen, match="takeOver"):
        own.check_free(ROTATION)
    with pytest.raises(Frozen, match="takeOver"):
        own.next_call(aim(copied(LdapPassword(accounts=[dn]), 1)))


def test_looks_without_a_proof_lock_nobody(place: Place) -> None:
    """A run that is stopped before its logins has tried the old password: each look ends with the one in use."""
    dn = place.account(unit="hidden", policy="lax")
    credential = LdapPassword(accounts=[dn])
    old, used = copied(credential, 1), copied(credential, 2)
    assert carried_out(provider(place, dn), aim(old, used)) == 2
    assert carried_out(provider(place, dn), aim(used, forget=(old,))) == 1
    for _ in range(4):
        assert provider(place, dn).next_call(aim(used, forget=(old,))) is None
        assert not place.failures(dn)
    assert not place.locked(dn)
    assert binds(place.url, dn, used.material["password"].octets())


def test_a_login_of_our_own_account_needs_no_other_way_in(place: Place) -> None:
    """Whether it is locked cannot be looked up then, and a refusal is one."""
    dn = place.account(password=EXISTING)
    made = LdapPassword(accounts=[dn]).adopt(Sensitive(EXISTING), None, ROTATION)
    login = LdapBind(client(place.url, BindAsOwn()))
    assert login.accepted(Copy(made.id, made.material))
    assert not login.accepted(copied(LdapPassword(accounts=[dn]), 2))
    assert login.name == f"bind at {place.url}"


# --- password policies of a real directory ---------------------------------------------------------------------------


@pytest.mark.real_provider
def test_a_policy_that_takes_no_hash_asks_for_accounts_in_turn(real: Place) -> None:
    """With pwdCheckQuality 2 it cannot look into a hash; nothing was changed."""
    dn = real.account(policy="strict")
    call = provider(real, dn).next_call(aim(copied(LdapPassword(accounts=[dn]), 1)))
    assert call is not None
    with pytest.raises(Frozen, match="at least two accounts"):
        call.run()
    assert real.stored(dn) == []


@pytest.mark.real_provider
def test_a_policy_that_refuses_a_password_says_why(real: Place) -> None:
    """Too short, or known from before: the directory's own word for it stands in the message."""
    dn = real.account(policy="strict")
    short = provider(real, dn, several=False).next_call(aim(copied(LdapPassword(accounts=[dn], length=8), 1)))
    assert short is not None
    with pytest.raises(Frozen, match="passwordTooShort"):
        short.run()
    credential = LdapPassword(accounts=[dn])
    first, second = copied(credential, 1), copied(credential, 2)
    one = provider(real, dn, several=False)
    assert carried_out(one, aim(first)) == 1
    assert carried_out(one, aim(second)) == 1
    back = one.next_call(aim(first))
    assert back is not None
    with pytest.raises(Frozen, match="passwordInHistory"):
        back.run()
    assert real.accepted(second)


@pytest.mark.real_provider
def test_a_temporary_password_is_not_taken_for_one_that_works(real: Place) -> None:
    """A policy with pwdMustChange lets in with it, and allows nothing but to change it."""
    dn = real.account(policy="must", password=EXISTING)
    copy = copied(LdapPassword(accounts=[dn]), 1)
    directory = client(real.url)
    directory.set_password(dn, copy.material["password"])
    with admin(real.url) as connection:
        assert connection.modify(dn, {"pwdReset": [("MODIFY_REPLACE", ["TRUE"])]})
    with pytest.raises(Rejected, match="pwdMustChange") as caught:
        LdapBind(directory).accepted(copy)
    assert caught.value.reason == CHANGE_AFTER_RESET


@pytest.mark.real_provider
@pytest.mark.parametrize("server", ["slapd_server", "silent_server"])
def test_a_locked_account_is_said_to_be_locked(request: pytest.FixtureRequest, server: str) -> None:
    """Also by a directory that tells who binds only that the password is wrong: it is looked up."""
    real = Place(request.getfixturevalue(server).url)
    dn = real.account(policy="lax")
    copy = copied(LdapPassword(accounts=[dn]), 1)
    assert carried_out(provider(real, dn), aim(copy)) == 1
    login = LdapBind(client(real.url))
    assert login.accepted(copy)
    for _ in range(3):
        assert not binds(real.url, dn, b"somebody guesses")
    assert real.locked(dn)
    with pytest.raises(Rejected, match="locked") as caught:
        login.accepted(copy)
    assert caught.value.reason == ACCOUNT_LOCKED
    hidden = real.account(policy="lax", unit="hidden")
    hers = copied(LdapPassword(accounts=[hidden]), 1)
    assert carried_out(provider(real, hidden), aim(hers)) == 1
    for _ in range(3):
        assert not binds(real.url, hidden, b"somebody guesses")
    with pytest.raises(Frozen, match="is locked by the directory's password policy"):
        provider(real, hidden).next_call(aim(hers))


@pytest.mark.parametrize("octets", [b"", b"0", b"\x30\x00", b"\x30\x03\x81\x01", b"\xff" * 9])
def test_a_policy_answer_without_an_error_has_none(octets: bytes) -> None:
    """Garbage is none either."""
    assert not policy_error(octets)


def test_a_policy_answer_is_read_behind_its_warning() -> None:
    """`SEQUENCE { warning [0] [0] INTEGER, error [1] ENUMERATED }`."""
    assert policy_error(b"\x30\x08\xa0\x03\x80\x01\x3c\x81\x01\x01") == ACCOUNT_LOCKED
    assert policy_error(b"\x30\x03\x81\x01\x08") == "passwordInHistory"


# --- the client ------------------------------------------------------------------------------------------------------


@pytest.mark.real_provider
@pytest.mark.parametrize("start_tls", [True, False])
def test_tls_is_verified_either_way(slapd_server: Slapd, tmp_path: Path, start_tls: bool) -> None:
    """With the right CA it works; with another one nothing is sent; and the name in the certificate counts."""
    url = slapd_server.url if start_tls else slapd_server.tls_url
    dn = Place(slapd_server.url).account(password=EXISTING)
    directory = client(url, start_tls=start_tls, ca_file=slapd_server.ca_file)
    assert directory.account(dn).has_password
    assert directory.log_in(dn, Sensitive(EXISTING)).code == 0
    wrong = client(url, start_tls=start_tls, ca_file=str(issue(tmp_path).ca))
    with pytest.raises(Unavailable, match="caFile") as caught:
        wrong.log_in(dn, Sensitive(EXISTING))
    assert "127.0.0.1" in str(caught.value) or "localhost" in str(caught.value)
    with pytest.raises(Unavailable):
        client(url, start_tls=start_tls).log_in(dn, Sensitive(EXISTING))
    named = slapd_server.tls_url.replace("localhost", "127.0.0.1") if not start_tls else url
    assert (
        client(named, start_tls=start_tls, ca_file=slapd_server.ca_file).log_in(dn, Sensitive(EXISTING)).code
        == 0
    )


@pytest.mark.real_provider
@pytest.mark.parametrize("start_tls", [True, False])
def test_a_certificate_of_another_name_is_refused(slapd_server: Slapd, start_tls: bool) -> None:
    """The CA alone is not enough: 127.0.0.2 reaches the same server, and its certificate does not name it."""
    url = (slapd_server.url if start_tls else slapd_server.tls_url).replace("localhost", "127.0.0.1")
    elsewhere = url.replace("127.0.0.1", "127.0.0.2")
    with pytest.raises(Unavailable, match="caFile"):
        client(elsewhere, start_tls=start_tls, ca_file=slapd_server.ca_file).log_in(DN, Sensitive(EXISTING))


@pytest.mark.parametrize(
    ("url", "start_tls"),
    [("ldap://ldap.example.com", False), ("ldaps://ldap.example.com", True), ("https://ldap.example.com", False),
     ("ldaps://", False), ("ldaps://user:word@ldap.example.com", False), ("ldaps://ldap.example.com/dc=org", False)],
)  # fmt: skip
def test_an_address_without_encryption_is_refused(url: str, start_tls: bool) -> None:
    """Passwords do not travel in plain text, but to loopback."""
    with pytest.raises(SettingsError) as caught:
        client(url, start_tls=start_tls)
    assert "word" not in str(caught.value).replace("passwords", "")


def test_a_ca_file_that_is_none_is_named(in_memory: Place, tmp_path: Path) -> None:
    """Before anything is asked."""
    with pytest.raises(SettingsError, match="caFile"):
        client(in_memory.url, ca_file=str(tmp_path / "none"))


def test_start_tls_is_never_left_out(in_memory: Place) -> None:
    """A server that refuses it is sent nothing else."""
    with Wire(in_memory.url) as wire:
        asked: list[int] = []

        def listen(tag: int, perform: Perform) -> None:
            asked.append(tag)
            del perform
            raise HangUp

        wire.middle = listen
        with pytest.raises(Unavailable):
            client(wire.url, start_tls=True).log_in(DN, Sensitive(EXISTING))
    assert set(asked) == {EXTENDED}


@pytest.mark.parametrize(
    ("cut", "expected"),
    [(BIND, Unavailable), (SEARCH, Ambiguous), (MODIFY, Ambiguous), (EXTENDED, Ambiguous)],
)
def test_a_lost_reply_is_what_it_is(in_memory: Place, cut: int, expected: type[ClientError]) -> None:
    """A write may have taken effect and is not repeated; before rotator's own bind nothing was asked."""
    dn = in_memory.account()
    asked: list[int] = []

    def middle(tag: int, perform: Perform) -> None:
        asked.append(tag)
        if tag == cut:
            perform()
            raise HangUp
        perform()

    with Wire(in_memory.url) as wire:
        wire.middle = middle
        directory = client(wire.url)
        requests: Mapping[int, Callable[[], object]] = {
            SEARCH: lambda: directory.account(dn),
            EXTENDED: lambda: directory.set_password(dn, Sensitive(EXISTING)),
        }
        with pytest.raises(expected) as caught:
            requests.get(cut, lambda: directory.add_value(dn, Sensitive(EXISTING)))()
        assert asked.count(cut) == (1 if cut in {MODIFY, EXTENDED} else 5)
    assert EXISTING not in str(caught.value)
    assert caught.value.code in {0, 49}


def test_a_login_whose_reply_is_lost_is_not_repeated(in_memory: PlaceInMemory) -> None:
    """The directory may have counted it."""
    dn = in_memory.account(policy="lax", password=EXISTING)
    with Wire(in_memory.url) as wire:

        def middle(tag: int, perform: Perform) -> None:
            del tag
            perform()
            raise HangUp

        wire.middle = middle
        with pytest.raises(Ambiguous):
            client(wire.url).log_in(dn, Sensitive("wrong"))
    assert in_memory.directory.find(dn).failures == 1


def test_a_directory_that_is_not_there_is_unavailable() -> None:
    """Nothing has changed there."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        url = f"ldap://127.0.0.1:{s.getsockname()[1]}"
        with pytest.raises(Unavailable, match="was not reached"):
            client(url).log_in(DN, Sensitive(EXISTING))


def test_a_directory_that_does_not_answer_is_given_up(in_memory: Place) -> None:
    """After the time-out; whether a write took effect is not known."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"ldap://127.0.0.1:{silent.getsockname()[1]}"
        clock = Virtual()
        retry = Retry(clock, Deadline(START.replace(year=2040)), attempts=1)
        identities = BindAs(ROTATOR, lambda: Sensitive(ROTATOR_PASSWORD))
        directory = Client(url, retry, Meter(clock), identities, timeout=0.2)
        with pytest.raises(Ambiguous, match="no answer"):
            directory.log_in(DN, Sensitive(EXISTING))
    del in_memory


def test_what_the_directory_refuses_is_told_by_its_code(place: Place) -> None:
    """Each with its number and its name; never with what was sent."""
    dn = place.account(password=EXISTING)
    directory = client(place.url)
    with pytest.raises(NotFound, match=r"LDAP 32 noSuchObject|no such entry"):
        directory.account("cn=nobody,ou=services,dc=example,dc=org")
    with pytest.raises(Conflict, match="LDAP 20 attributeOrValueExists"):
        directory.add_value(dn, Sensitive(EXISTING))
    with pytest.raises(Rejected, match="LDAP 16 noSuchAttribute"):
        directory.delete_value(dn, Sensitive("another-value-1"))
    with pytest.raises(Forbidden, match=r"its password .LDAP 49 invalidCredentials.") as caught:
        client(place.url, BindAs(ROTATOR, lambda: Sensitive("not-our-password"))).account(dn)
    assert "not-our-password" not in str(caught.value)
    with pytest.raises(Forbidden, match="is empty"):
        directory.log_in(dn, Sensitive(""))


@pytest.mark.real_provider
def test_what_we_may_not_do_is_forbidden(real: Place) -> None:
    """And says who needs more."""
    with pytest.raises(Forbidden, match="50 insufficientAccessRights; rotator's own bind"):
        client(real.url).set_password("ou=policies,dc=example,dc=org", Sensitive(EXISTING))


@pytest.mark.parametrize("password", ["pa ss,\"wo\\rd'#+;<>=", "pässwörd-ﬀ", "  spaces around  ", "*)(uid=*"])
def test_every_password_arrives_as_it_is(place: Place, password: str) -> None:
    """Taken over, hashed by us and set by the directory: no character is lost or prepared away."""
    dn = place.account(password=password)
    made = LdapPassword(accounts=[dn]).adopt(Sensitive(password), None, ROTATION)
    copy = Copy(made.id, made.material)
    login = LdapBind(client(place.url))
    assert login.accepted(copy)
    place.change(dn, "MODIFY_DELETE", [password.encode()])
    assert not login.accepted(copy)
    client(place.url).add_value(dn, stored(copy))
    assert login.accepted(copy)
    client(place.url).set_password(dn, copy.material["password"])
    assert login.accepted(copy)
    assert binds(place.url, dn, password.encode())


def test_an_account_whose_name_must_be_escaped_works(place: Place) -> None:
    """A comma, a plus and a space in front."""
    dn = r"cn=\ Team\, Payments \+ more,ou=services,dc=example,dc=org"
    given: Mapping[str, Any] = {"sn": "team"}
    with admin(place.url) as connection:
        connection.delete(dn)
        assert connection.add(dn, ["person"], given), connection.result
    copy = copied(LdapPassword(accounts=[dn]), 1)
    assert carried_out(provider(place, dn), aim(copy)) == 1
    assert LdapBind(client(place.url)).accepted(copy)


def test_requests_are_counted_by_method_and_code(in_memory: Place) -> None:
    """As those of every system; -1 stands for no answer, for 0 is success here."""
    dn = in_memory.account(password=EXISTING)
    clock = Virtual()
    meter = Meter(clock)
    identities = BindAs(ROTATOR, lambda: Sensitive(ROTATOR_PASSWORD))
    directory = Client(in_memory.url, Retry(clock, Deadline(START.replace(year=2040))), meter, identities)
    with pytest.raises(Conflict):
        directory.add_value(dn, Sensitive(EXISTING))
    assert meter.requests == {("ldap", "bind", 0): 1, ("ldap", "modify", 20): 1}


def test_nothing_says_a_password(place: Place) -> None:
    """No representation of what we hold, and no label."""
    dn = place.account(password=EXISTING)
    one = provider(place, dn)
    account = one.directory.account(dn)
    shown = f"{one!r} {one.label} {account!r} {one.directory.identities!r} {LdapBind(one.directory)!r}"
    assert EXISTING not in shown
    assert ROTATOR_PASSWORD not in shown
    assert re.search(r"ldap ldap://127.0.0.1:\d+ cn=", one.label)


def test_it_shows_no_value_and_has_four_ways_to_act(in_memory: Place) -> None:
    """Honest: what it cannot do is not tried."""
    assert provider(in_memory, DN).current() is None
    assert [act.name for act in Act] == ["ADD", "DELETE", "SET", "CLOSE"]
    assert Fault.NEVER_CAME in Fault
