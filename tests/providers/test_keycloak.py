"""Keycloak's client secrets: the decision as tables, and the same tests on the contract server and on real servers."""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import pytest

from rotator.clients.clock import RunClock
from rotator.clients.http import Http
from rotator.clients.meter import Meter
from rotator.clients.oauth import BASIC, POST, ClientCredentials, OAuthLogin, StaticToken
from rotator.clients.retry import Retry
from rotator.core.sensitive import Sensitive
from rotator.engine.installation import Installation
from rotator.errors import Frozen, RotatorError
from rotator.ports import Aim, Blocked, Call, Copy
from rotator.systems.keycloak.client import Client, KeycloakClient, Step, Terms, decide, read_client
from tests.providers.contract import ROTATION, Bench, ProviderContract
from tests.providers.exploration import START, Fault, Life, Virtual, World, http, schedules
from tests.providers.keycloak_server import (
    ENDS,
    ROTATED,
    ROTATED_ENDS,
    ROTATED_SINCE,
    SINCE,
    Admin,
    KeycloakApi,
    RealClient,
    Realm,
)
from tests.providers.served import Served, straight

LASTS = timedelta(hours=6)
ANY_CLIENT = {"condition": "any-client", "configuration": {}}
A_MONTH = 30 * 86400


# --- the decision ---------------------------------------------------------------------------------------------------


def version(letter: str) -> Copy:
    """Return the version of a letter."""
    return Copy(f"version-{letter}", {"client_secret": Sensitive(letter * 43)})


def aim(accept: str, forget: str = "") -> Aim:
    """Return what is wanted: a letter for each version."""
    copies = {letter: version(letter) for letter in accept + forget}
    return Aim(
        rotation=ROTATION,
        accept=tuple(copies[letter] for letter in accept),
        forget=tuple(copies[letter] for letter in forget),
        known=frozenset(copy.id for copy in copies.values()),
        settled=False,
    )


def client(shown: str, *, ends: timedelta | None = timedelta(days=900), **fields: Any) -> Client:
    """Return a client: `ab` has the secret a and the rotated one b; `a-`, b has ended; `ab!` b ends soon; `x` is a stranger's."""
    rotated = shown[1:2]
    lives = {"!": timedelta(hours=1), "-": -timedelta(hours=1)}.get(shown[2:], 3 * LASTS)
    return Client(
        uuid="0",
        secret=Sensitive(shown[:1] * 43) if shown[:1].strip() else None,
        ends=START + ends if ends is not None else None,
        rotated=Sensitive(rotated * 43) if rotated else None,
        rotated_ends=START + lives if rotated else None,
        **fields,
    )


def said(step: Step | Blocked | None) -> str:
    """Write a decision as `act SECRET ROTATED`, by letters."""
    if isinstance(step, Blocked):
        return "blocked"
    if step is None:
        return "nothing"
    letters = [value.reveal()[:1] if value else "." for value in (step.secret, step.rotated)]
    return f"{step.act.name.lower()} {''.join(letters)}"


def decided(shown: str, accept: str, forget: str = "", *, overlap: bool = True, others: str = "Stop") -> str:
    """Return a decision in words; `frozen` where a person must decide."""
    terms = Terms(overlap=overlap, others=others, lasts=LASTS)
    try:
        return said(decide(client(shown), aim(accept, forget), terms, START))
    except Frozen:
        return "frozen"


@pytest.mark.parametrize(
    ("shown", "accept", "forget", "expected"),
    [
        # one version
        ("a", "a", "", "nothing"),
        (" ", "a", "", "replace a."),
        ("x", "a", "", "frozen"),
        ("aa", "a", "", "nothing"),
        # a second one beside it: reserve, then switch
        ("a", "ab", "", "reserve .a"),
        ("aa", "ab", "", "switch ba"),
        ("aa-", "ab", "", "reserve .a"),
        ("ba", "ab", "", "nothing"),
        ("ba!", "ab", "", "reserve .a"),
        ("ba-", "ab", "", "reserve .a"),
        ("b", "ab", "", "reserve .a"),
        ("bb", "ab", "", "reserve .a"),
        ("ab", "ab", "", "switch ba"),
        # what was forgotten stands in the rotated place
        ("az", "ab", "z", "reserve .a"),
        ("bz", "ab", "z", "reserve .a"),
        ("bz-", "b", "z", "cover .b"),
        # somebody else's rotated secret is never overwritten while it works
        ("ax", "ab", "", "blocked"),
        ("ax-", "ab", "", "reserve .a"),
        ("bx", "ab", "", "blocked"),
        ("ax", "a", "", "blocked"),
        ("ax-", "a", "", "nothing"),
        # withdrawal
        ("ba", "b", "a", "cover .b"),
        ("ba-", "b", "a", "cover .b"),
        ("b", "b", "a", "nothing"),
        ("ab", "b", "a", "replace b."),
        ("a", "b", "a", "replace b."),
        # an old backup of the server: a forgotten one is the secret again
        ("z", "ab", "z", "reserve .a"),
        ("za", "ab", "z", "switch ba"),
        # somebody else changed the secret
        ("xa", "a", "", "frozen"),
        ("xb", "ab", "", "frozen"),
        # three are more than it takes
        ("a", "abc", "", "frozen"),
        # deletion
        ("ba", "", "ab", "scramble ?."),
        ("b", "", "ab", "scramble ?."),
        ("xa", "", "ab", "drop .."),
        ("xa-", "", "ab", "drop .."),
        ("x", "", "ab", "nothing"),
        ("xy", "", "ab", "nothing"),
    ],
)
def test_what_comes_next_with_overlap(shown: str, accept: str, forget: str, expected: str) -> None:
    """Proves that each state leads to one change at most, and none of them refuses what is accepted."""
    found = decided(shown, accept, forget)
    if expected.startswith("scramble"):
        assert found.startswith("scramble")
        assert found.endswith(".")
    else:
        assert found == expected


@pytest.mark.parametrize(
    ("shown", "accept", "forget", "expected"),
    [
        ("a", "a", "", "nothing"),
        ("a", "b", "a", "replace b."),
        ("b", "b", "a", "nothing"),
        ("ba", "b", "a", "drop .."),
        ("x", "b", "a", "frozen"),
        ("ax", "b", "a", "blocked"),
        ("ax-", "b", "a", "replace b."),
    ],
)
def test_what_comes_next_without_overlap(shown: str, accept: str, forget: str, expected: str) -> None:
    """Proves that a hard cut replaces ours, and nothing of somebody else's."""
    assert decided(shown, accept, forget, overlap=False) == expected


@pytest.mark.parametrize(
    ("shown", "accept", "expected"),
    [
        ("x", "a", "reserve .x"),
        ("xx", "a", "switch ax"),
        ("xa", "a", "switch ax"),
        ("ax", "a", "nothing"),
        ("xy", "a", "blocked"),
        ("xa", "ab", "frozen"),
        ("ax", "ab", "blocked"),
    ],
)
def test_what_somebody_else_made_is_moved_aside_where_that_is_declared(
    shown: str, accept: str, expected: str
) -> None:
    """Proves that `others: Leave` never destroys what works."""
    assert decided(shown, accept, others="Leave") == expected


def test_without_overlap_nothing_of_somebody_elses_is_replaced() -> None:
    """Proves that a hard cut needs a value that is known."""
    assert decided("x", "a", overlap=False, others="Leave") == "frozen"


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        (timedelta(days=1), "nothing"),
        (LASTS, "renew .."),
        (-timedelta(days=1), "renew .."),
        (None, "nothing"),
    ],
)
def test_a_secret_that_the_server_is_about_to_end_is_renewed(left: timedelta | None, expected: str) -> None:
    """Proves that the server does not end what is in use."""
    terms = Terms(overlap=True, others="Stop", lasts=LASTS)
    assert said(decide(client("a", ends=left), aim("a"), terms, START)) == expected


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ({"publicClient": True}, "public"),
        ({"bearerOnly": True}, "bearer-only"),
        ({"protocol": "saml"}, "SAML"),
        ({"clientAuthenticatorType": "client-jwt"}, "client-jwt"),
        ({"secret": "${vault.payments}"}, "vault"),
        ({"secret": "**********"}, "not shown"),
        ({"enabled": False}, "disabled"),
    ],
)
def test_a_client_without_a_secret_to_rotate_is_left_alone(document: dict[str, Any], why: str) -> None:
    """Proves that the reason is said."""
    seen = read_client({"id": "0", "clientId": "c", "secret": "a" * 43, "attributes": {}, **document})
    terms = Terms(overlap=True, others="Stop", lasts=LASTS)
    with pytest.raises(Frozen, match=why):
        decide(seen, aim("ab"), terms, START)


def test_a_client_of_another_rotation_is_left_alone() -> None:
    """Proves that two declarations do not fight over one client."""
    terms = Terms(overlap=True, others="Stop", lasts=LASTS)
    with pytest.raises(Frozen, match="reports/other"):
        decide(client("a", rotation="reports/other"), aim("ab"), terms, START)


def test_a_version_without_a_value_is_never_sent() -> None:
    """Proves that no empty secret is set: Keycloak would accept it at the login."""
    empty = Copy("version-b", {"client_secret": Sensitive("")})
    wanted = Aim(rotation=ROTATION, accept=(version("a"), empty), forget=(), known=frozenset(), settled=False)
    with pytest.raises(Frozen, match="no client_secret"):
        decide(client("aa"), wanted, Terms(overlap=True, others="Stop", lasts=LASTS), START)


def test_instants_are_read_from_texts_and_numbers() -> None:
    """Proves that both ways to write an instant are read."""
    attributes = {ENDS: 1893456000, ROTATED: "b" * 43, ROTATED_SINCE: "1", ROTATED_ENDS: "1893456000"}
    seen = read_client({"id": "0", "clientId": "c", "secret": "a" * 43, "attributes": attributes})
    assert seen.ends == seen.rotated_ends == datetime(2030, 1, 1, tzinfo=UTC)
    assert read_client({"id": "0", "attributes": {**attributes, ROTATED_SINCE: ""}}).rotated is None


# --- servers --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def contract_with() -> Iterator[Admin]:
    """The contract server with the feature."""
    yield from _served(rotates=True)


@pytest.fixture(scope="session")
def contract_without() -> Iterator[Admin]:
    """The contract server without it."""
    yield from _served(rotates=False)


def _served(*, rotates: bool) -> Iterator[Admin]:
    api = KeycloakApi(rotates=rotates)
    with Served(api) as server:
        api.url = server.url
        yield Admin(url=server.url, password=api.password, real=False, rotates=rotates)


REAL = pytest.mark.real_provider
WITH = ["contract_with", pytest.param("keycloak_with_rotation", marks=REAL)]
WITHOUT = ["contract_without", pytest.param("keycloak_without_rotation", marks=REAL)]
_REALMS: dict[str, Realm] = {}


def _realm(admin: Admin) -> Realm:
    """Return the realm that the tests on one server share: a real server takes a second to make one."""
    if admin.url not in _REALMS:
        _REALMS[admin.url] = admin.realm()
    return _REALMS[admin.url]


@pytest.fixture(params=WITH)
def rotating(request: pytest.FixtureRequest) -> Realm:
    """A realm of a server with the feature, in which the tests share our policy."""
    return _realm(request.getfixturevalue(request.param))


@pytest.fixture(params=WITH)
def fresh_rotating(request: pytest.FixtureRequest) -> Realm:
    """A new realm of a server with the feature."""
    realm: Realm = request.getfixturevalue(request.param).realm()
    return realm


@pytest.fixture(params=WITHOUT)
def plain(request: pytest.FixtureRequest) -> Realm:
    """A realm of a server without the feature."""
    return _realm(request.getfixturevalue(request.param))


@pytest.fixture(params=[*WITH, *WITHOUT])
def any_realm(request: pytest.FixtureRequest) -> Realm:
    """A realm of every server."""
    return _realm(request.getfixturevalue(request.param))


def new_http(realm: Realm | None = None, roles: tuple[str, ...] = ("manage-clients", "manage-realm")) -> Http:
    """Return the product's client, let in as a client of the realm with these roles."""
    clock = RunClock()
    retry = Retry(clock, clock.deadline(timedelta(minutes=5)))
    if realm is None:
        return Http(retry, Meter(clock))
    name, secret = realm.robot(*roles)
    access = ClientCredentials(
        http=Http(retry, Meter(clock)),
        issuer=realm.issuer,
        method=POST,
        client_id=name,
        credential=lambda: Sensitive(secret),
        clock=clock,
    )
    return Http(retry, Meter(clock), access=access)


def provider_for(there: RealClient, sends: Http, **declared: Any) -> KeycloakClient:
    """Return the product at a client; `declared`: what differs from the usual."""
    usual: dict[str, Any] = {"ensure_policy": True, "lasts": LASTS, "clock": RunClock()}
    return KeycloakClient(
        http=sends,
        url=there.realm.admin.url,
        realm=there.realm.name,
        client=there.name,
        **(usual | declared),
    )


def bench_at(there: RealClient, sends: Http, **declared: Any) -> Bench:
    """Return a bench whose first version is the secret that the client has: it was taken over."""

    def make(number: int) -> Copy:
        value = there.secret if number == 1 else secrets.token_urlsafe(36)
        return Copy(f"version-{number}", {"client_secret": Sensitive(value)})

    return Bench(
        provider=lambda: provider_for(there, sends, **declared),
        make=make,
        logs_in=lambda copy: there.logs_in(copy.material["client_secret"].reveal()),
        one_slot=not declared.get("overlap", True),
    )


class TestTwoSecrets(ProviderContract):
    """The contract where two secrets overlap."""

    @pytest.fixture
    def bench(self, rotating: Realm) -> Bench:
        """Return one at a new client."""
        return bench_at(rotating.client(), new_http(rotating))


class TestAHardCut(ProviderContract):
    """The contract where they do not."""

    @pytest.fixture
    def bench(self, plain: Realm) -> Bench:
        """Return one at a new client."""
        return bench_at(plain.client(), new_http(plain, ("manage-clients",)), overlap=False)


# --- what the servers do: on this stands everything else ----------------------------------------------------------------


def test_without_a_policy_every_update_takes_the_rotated_secret_away(any_realm: Realm) -> None:
    """Measured: what is reserved does not stay, and POST is a hard cut."""
    there = any_realm.client()
    until = str(int(datetime.now(UTC).timestamp()) + 1000)
    there.update(attributes={ROTATED: "b" * 43, ROTATED_SINCE: "1", ROTATED_ENDS: until, ENDS: until})
    assert not {ROTATED, ROTATED_ENDS, ENDS} & set(there.document["attributes"])
    assert there.logs_in(there.secret)
    there.regenerate()
    assert not there.logs_in(there.secret)


def test_with_a_policy_a_put_sets_everything_at_once_and_moves_nothing_by_itself(
    fresh_rotating: Realm,
) -> None:
    """Measured: our own values in one PUT; only POST moves a secret."""
    fresh_rotating.rotating("theirs", (A_MONTH, 3600), condition=ANY_CLIENT)
    there = fresh_rotating.client()
    now = int(datetime.now(UTC).timestamp())
    slot = {ROTATED: there.secret, ROTATED_SINCE: str(now), ROTATED_ENDS: str(now + 1000)}
    there.update(secret="b" * 43, attributes=slot)
    assert there.logs_in(there.secret)
    assert there.logs_in("b" * 43)
    there.update(secret="c" * 43)
    assert there.document["attributes"][ROTATED] == there.secret
    assert not there.logs_in("b" * 43)
    drawn = there.regenerate()
    assert there.document["attributes"][ROTATED] == "c" * 43
    assert there.logs_in("c" * 43)
    assert there.logs_in(drawn)
    there.drop_rotated()
    assert not there.logs_in("c" * 43)
    there.drop_rotated()


def test_a_secret_that_has_ended_lets_nobody_in_and_is_replaced_at_the_next_update(
    fresh_rotating: Realm,
) -> None:
    """Measured: an update of a client whose secret has ended draws a new one."""
    fresh_rotating.rotating("theirs", (A_MONTH, 3600), condition=ANY_CLIENT)
    there = fresh_rotating.client()
    now = int(datetime.now(UTC).timestamp())
    slot = {ROTATED: "b" * 43, ROTATED_SINCE: str(now), ROTATED_ENDS: str(now + 1000)}
    there.update(attributes={**slot, ENDS: str(now - 5)})
    drawn = there.document["secret"]
    assert drawn != there.secret
    assert there.document["attributes"][ROTATED] == there.secret


def test_an_update_by_others_keeps_what_it_does_not_name(rotating: Realm) -> None:
    """Measured: fields and attributes are merged."""
    there = rotating.client(attributes={"access.token.lifespan": "77"})
    place = f"{rotating.path}/clients/{there.uuid}"
    status, _ = rotating.admin.ask(
        "PUT", place, {"clientId": there.name, "attributes": {"rotator.dev/x": "1"}}
    )
    assert status == 204
    assert there.document["attributes"]["access.token.lifespan"] == "77"
    assert there.document["secret"] == there.secret


def test_a_profile_with_the_executor_is_refused_without_the_feature(plain: Realm) -> None:
    """Measured: there is no such executor then."""
    entry = {"executor": "secret-rotation", "configuration": {"expiration-period": 1000}}
    profile = {"name": "theirs", "executors": [entry]}
    place = f"{plain.path}/client-policies/profiles"
    assert plain.admin.ask("PUT", place, {"profiles": [profile]})[0] == 400


# --- a rotation -------------------------------------------------------------------------------------------------------


def test_everything_else_of_the_client_stays_as_it_is(rotating: Realm) -> None:
    """Proves that an update carries what it must, authorization settings among it, and no more."""
    there = rotating.client(
        authorizationServicesEnabled=True,
        description="Payments",
        redirectUris=["https://payments.example/*"],
        attributes={"access.token.lifespan": "77"},
    )
    before = there.document
    bench = bench_at(there, new_http(rotating))
    first, second = bench.version(1), bench.version(2)
    bench.reach([first])
    bench.reach([first, second])
    bench.reach([second], [first])
    after = there.document
    rotated = {f"client.secret.rotated{part}" for part in ("", ".creation.time", ".expiration.time")}
    ours = {"rotator.dev/rotation", "rotator.dev/overlap", ENDS, *rotated}
    assert set(after["attributes"]) - set(before["attributes"]) == ours
    assert after["attributes"]["access.token.lifespan"] == "77"
    assert after["attributes"][SINCE] >= before["attributes"][SINCE]
    changed = {n for n in before if before[n] != after.get(n) and n not in {"attributes", "secret"}}
    assert changed <= {"defaultClientScopes", "optionalClientScopes"}  # a real one says them in any order
    status, _ = rotating.admin.ask("GET", f"{rotating.path}/clients/{there.uuid}/authz/resource-server")
    assert status == 200


def test_what_is_in_use_stays_accepted_where_somebody_comes_between_the_look_and_the_withdrawal(
    rotating: Realm,
) -> None:
    """A new secret is drawn by hand: that moves the one in use to the rotated place, where it must not be removed."""
    there = rotating.client()
    bench = bench_at(there, new_http(rotating))
    first, second = bench.version(1), bench.version(2)
    bench.reach([first])
    bench.reach([first, second])
    wanted = Aim(
        rotation=ROTATION,
        accept=(bench.copy(second),),
        forget=(bench.copy(first),),
        known=frozenset({first, second}),
        settled=False,
    )
    call = bench.provider().next_call(wanted)
    assert isinstance(call, Call)
    theirs = there.regenerate()
    call.run()
    assert bench.logs_in(bench.copy(second))
    assert there.logs_in(theirs)
    assert not bench.logs_in(bench.copy(first))


def test_nobody_is_refused_at_any_moment_and_the_old_secret_is_dead_after_it(rotating: Realm) -> None:
    """Two clients log in all the time, one by the old and one by the new secret, each as long as it is accepted."""
    there = rotating.client()
    bench = bench_at(there, new_http(rotating))
    first, second = bench.version(1), bench.version(2)
    bench.reach([first])
    with Traffic(there, bench.copy(first)) as old:
        bench.reach([first, second])
        with Traffic(there, bench.copy(second)) as new:
            old.more(5)
            new.more(5)
            old.stop()
            bench.reach([second], [first])
            new.more(5)
    assert old.refused == new.refused == 0
    assert not bench.logs_in(bench.copy(first))
    login = OAuthLogin(
        http=new_http(), issuer=rotating.issuer, method=BASIC, clock=RunClock(), client_id=there.name
    )
    assert login.accepted(bench.copy(second))
    assert not login.accepted(bench.copy(first))


class Traffic:
    """Somebody who logs in all the time with one secret."""

    def __init__(self, there: RealClient, copy: Copy) -> None:
        self._there, self._secret = there, copy.material["client_secret"].reveal()
        self._over, self._tried = threading.Event(), threading.Semaphore(0)
        self._thread = threading.Thread(target=self._work, daemon=True)
        self.refused = 0

    def _work(self) -> None:
        while not self._over.is_set():
            self.refused += not self._there.logs_in(self._secret)
            self._tried.release()

    def more(self, times: int) -> None:
        """Wait until so many more logins were tried."""
        for _ in range(times):
            assert self._tried.acquire(timeout=30)

    def stop(self) -> None:
        """Stop, and wait for the last login."""
        self._over.set()
        self._thread.join()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def test_the_first_secret_of_a_rotation_leaves_somebody_elses_accepted(rotating: Realm) -> None:
    """Proves that `others: Leave` gives holders time, and waits for its end."""
    there = rotating.client()
    bench = bench_at(there, new_http(rotating), others="Leave")
    version_id = bench.version(2)
    bench.provider().check_free(ROTATION)
    bench.reach([version_id])
    assert there.logs_in(there.secret)
    assert bench.logs_in(bench.copy(version_id))
    follower = bench.version(3)
    sighting = bench.step([version_id, follower])
    assert not sighting.confirmed
    assert sighting.until is not None
    assert there.logs_in(there.secret)


def test_what_the_server_drew_meanwhile_is_found_and_left_alone(rotating: Realm) -> None:
    """Proves that a secret drawn in the console is no reason to guess."""
    there = rotating.client()
    bench = bench_at(there, new_http(rotating))
    first, second = bench.version(1), bench.version(2)
    bench.reach([first, second])
    bench.reach([second], [first])
    there.regenerate()
    third = bench.version(3)
    with pytest.raises(Frozen, match=r"none of ours.*version-2 is still accepted until"):
        bench.step([second, third])
    assert bench.logs_in(bench.copy(second))


def test_with_leave_ours_is_the_secret_again_and_both_stay_accepted(rotating: Realm) -> None:
    """Proves that ours comes back without a refusal."""
    there = rotating.client()
    bench = bench_at(there, new_http(rotating), others="Leave")
    first, second = bench.version(1), bench.version(2)
    bench.reach([first, second])
    bench.reach([second], [first])
    drawn = there.regenerate()
    bench.reach([second])
    assert there.document["secret"] == bench.material[second]["client_secret"].reveal()
    assert there.logs_in(drawn)


def test_a_rotated_secret_that_somebody_withdrew_is_brought_back(rotating: Realm) -> None:
    """Proves that a version that is to be accepted is, again."""
    there = rotating.client()
    bench = bench_at(there, new_http(rotating))
    first, second = bench.version(1), bench.version(2)
    bench.reach([first, second])
    there.drop_rotated()
    assert not bench.logs_in(bench.copy(first))
    bench.reach([first, second])
    assert bench.logs_in(bench.copy(first))


def test_a_secret_that_has_ended_is_renewed_and_not_replaced(rotating: Realm) -> None:
    """Proves that ours works again, and that the server draws none."""
    there = rotating.client()
    bench = bench_at(there, new_http(rotating))
    first, second = bench.version(1), bench.version(2)
    bench.reach([first, second])
    soon = datetime.now(UTC) + timedelta(seconds=2)
    there.update(attributes={ENDS: str(int(soon.timestamp()))})
    _until(lambda: not there.logs_in(there.secret))
    assert not bench.logs_in(bench.copy(second))
    bench.reach([first, second])
    assert bench.logs_in(bench.copy(first))
    assert bench.logs_in(bench.copy(second))


def _until(reached: Callable[[], bool]) -> None:
    deadline = datetime.now(UTC) + timedelta(seconds=30)
    while not reached():
        assert datetime.now(UTC) < deadline


def test_after_a_deletion_the_client_is_there_with_a_secret_that_nobody_knows(rotating: Realm) -> None:
    """Proves that nothing of ours is left, and never an empty secret."""
    there = rotating.client()
    bench = bench_at(there, new_http(rotating))
    first, second = bench.version(1), bench.version(2)
    bench.reach([first, second])
    bench.remove([first, second])
    left = there.document
    assert left["secret"]
    assert not {ROTATED, "rotator.dev/rotation", "rotator.dev/overlap"} & set(left["attributes"])


def test_a_deletion_ends_both_secrets_in_one_change(fresh_rotating: Realm) -> None:
    """Proves that a policy that goes on applying keeps nothing of ours alive."""
    fresh_rotating.rotating("theirs", (A_MONTH, 3600), condition=ANY_CLIENT)
    there = fresh_rotating.client()
    bench = bench_at(there, new_http(fresh_rotating, ("manage-clients",)), ensure_policy=False)
    first, second = bench.version(1), bench.version(2)
    bench.reach([first, second])
    copies = [bench.copy(first), bench.copy(second)]
    assert len(Installation(bench.provider()).remove(ROTATION, lambda: copies, lambda: None)) == 1
    assert not bench.logs_in(bench.copy(first))
    assert not bench.logs_in(bench.copy(second))


def test_a_deletion_leaves_somebody_elses_secret_and_a_client_that_is_gone(rotating: Realm) -> None:
    """Proves that a deletion takes away what is ours only."""
    there = rotating.client()
    stranger = Copy("version-9", {"client_secret": Sensitive("z" * 43)})
    bench = bench_at(there, new_http(rotating))
    assert not Installation(bench.provider()).remove(ROTATION, lambda: [stranger], lambda: None)
    assert there.logs_in(there.secret)
    rotating.admin.ask("DELETE", f"{rotating.path}/clients/{there.uuid}")
    assert not Installation(bench.provider()).remove(ROTATION, lambda: [stranger], lambda: None)


def test_a_client_that_is_gone_freezes(rotating: Realm) -> None:
    """Proves that it is said."""
    there = rotating.client()
    bench = bench_at(there, new_http(rotating))
    first = bench.version(1)
    rotating.admin.ask("DELETE", f"{rotating.path}/clients/{there.uuid}")
    with pytest.raises(Frozen, match="no such client"):
        bench.step([first])


@pytest.mark.parametrize(
    ("settings", "why"),
    [({"publicClient": True}, "public"), ({"clientAuthenticatorType": "client-jwt"}, "client-jwt")],
)
def test_a_client_that_needs_no_secret_freezes(rotating: Realm, settings: dict[str, Any], why: str) -> None:
    """Proves that it is said before there is a version, and after."""
    there = rotating.client(**settings)
    provider = provider_for(there, new_http(rotating))
    with pytest.raises(Frozen, match=why):
        provider.check_free(ROTATION)
    with pytest.raises(Frozen, match=why):
        provider.next_call(aim("a"))


# --- whether two secrets can be had ------------------------------------------------------------------------------------


def test_without_the_feature_nothing_is_changed_and_it_is_said_what_to_do(plain: Realm) -> None:
    """Proves that the first sign of trouble is no outage."""
    there = plain.client()
    before = there.document
    bench = bench_at(there, new_http(plain))
    first, second = bench.version(1), bench.version(2)
    bench.reach([first])
    for attempt in (
        lambda: bench.step([first, second]),
        bench.provider().current,
        lambda: provider_for(there, new_http(plain), others="Leave").check_free(ROTATION),
    ):
        with pytest.raises(Frozen, match="client-secret-rotation is off"):
            attempt()
    assert there.document == before


def test_without_a_policy_that_applies_the_secret_in_use_stays(fresh_rotating: Realm) -> None:
    """Proves that it is found out without any risk."""
    there = fresh_rotating.client()
    bench = bench_at(there, new_http(fresh_rotating, ("manage-clients",)), ensure_policy=False)
    first, second = bench.version(1), bench.version(2)
    bench.reach([first])
    with pytest.raises(Frozen, match="no client policy with the executor secret-rotation applies"):
        bench.step([first, second])
    assert there.document["secret"] == there.secret
    assert bench.logs_in(bench.copy(first))


def test_a_policy_of_somebody_elses_is_enough(fresh_rotating: Realm) -> None:
    """Proves that nothing of ours is needed in the realm."""
    fresh_rotating.rotating("theirs", (A_MONTH, 3600), condition=ANY_CLIENT)
    there = fresh_rotating.client()
    bench = bench_at(there, new_http(fresh_rotating, ("manage-clients",)), ensure_policy=False)
    first, second = bench.version(1), bench.version(2)
    bench.reach([first, second])
    assert bench.logs_in(bench.copy(first))
    assert bench.logs_in(bench.copy(second))
    assert [item["name"] for item in fresh_rotating.policies("policies")] == ["theirs"]


def test_a_realm_that_ends_secrets_sooner_than_they_are_rotated_freezes(fresh_rotating: Realm) -> None:
    """Proves that the numbers are said before anything depends on them."""
    fresh_rotating.rotating("theirs", (A_MONTH, 3600), condition=ANY_CLIENT)
    there = fresh_rotating.client()
    sends = new_http(fresh_rotating, ("manage-clients",))
    bench = bench_at(there, sends, ensure_policy=False, lives=timedelta(days=90))
    first, second = bench.version(1), bench.version(2)
    with pytest.raises(Frozen, match=r"ends a secret .* after it is set, and this one is in use for 90d"):
        bench.step([first, second])
    assert there.document["secret"] == there.secret


def test_our_policy_is_added_to_those_of_others(fresh_rotating: Realm) -> None:
    """Proves that an update of the whole list keeps the others."""
    fresh_rotating.rotating("theirs", (A_MONTH, 3600), condition={**ANY_CLIENT})
    there = fresh_rotating.client()
    bench = bench_at(there, new_http(fresh_rotating))
    first, second = bench.version(1), bench.version(2)
    bench.reach([first, second])
    for kind in ("profiles", "policies"):
        assert [item["name"] for item in fresh_rotating.policies(kind)] == ["theirs", "rotator"]


def test_our_policy_concerns_nobody_else(fresh_rotating: Realm) -> None:
    """Proves that its condition is met by our clients only."""
    there, other = fresh_rotating.client(), fresh_rotating.client()
    bench = bench_at(there, new_http(fresh_rotating))
    first, second = bench.version(1), bench.version(2)
    bench.reach([first, second])
    assert other.logs_in(other.secret)
    other.update(description="touched")
    assert ENDS not in other.document["attributes"]


def test_something_else_of_our_name_is_left_alone(fresh_rotating: Realm) -> None:
    """Proves that a name is not enough."""
    fresh_rotating.set_policies("profiles", [{"name": "rotator", "executors": []}])
    there = fresh_rotating.client()
    bench = bench_at(there, new_http(fresh_rotating))
    first, second = bench.version(1), bench.version(2)
    with pytest.raises(Frozen, match="does not let a rotated secret live"):
        bench.step([first, second])
    assert fresh_rotating.policies("profiles")[0]["executors"] == []


def test_a_policy_that_was_switched_off_meanwhile_is_found(fresh_rotating: Realm) -> None:
    """Proves that a lost overlap is said, and comes back with the policy."""
    there = fresh_rotating.client()
    bench = bench_at(there, new_http(fresh_rotating))
    first, second = bench.version(1), bench.version(2)
    bench.reach([first, second])
    off = [{**item, "enabled": False} for item in fresh_rotating.policies("policies")]
    fresh_rotating.set_policies("policies", off)
    assert bench.changes_nothing([first, second])
    there.update(description="touched")
    assert not bench.logs_in(bench.copy(first))
    with pytest.raises(Frozen, match=r"named rotator among its client policies"):
        bench.step([first, second])
    fresh_rotating.set_policies("policies", [{**item, "enabled": True} for item in off])
    bench.reach([first, second])
    assert bench.logs_in(bench.copy(first))


# --- roles ------------------------------------------------------------------------------------------------------------


def test_manage_clients_is_enough_where_a_policy_applies(rotating: Realm) -> None:
    """Proves the least role."""
    made = bench_at(rotating.client(), new_http(rotating))
    made.reach([made.version(1), made.version(2)])  # so that our policy is there
    there = rotating.client(attributes={"rotator.dev/overlap": "true"})
    bench = bench_at(there, new_http(rotating, ("manage-clients",)), ensure_policy=False)
    first, second = bench.version(1), bench.version(2)
    bench.reach([first, second])
    bench.reach([second], [first])
    assert not bench.logs_in(bench.copy(first))


@pytest.mark.parametrize(
    ("roles", "why"),
    [
        ((), "manage-clients of realm-management"),
        (("query-clients",), "no such client, or we may not see it"),
        (("view-clients",), "manage-clients of realm-management"),
        (("manage-clients",), "manage-realm of realm-management"),
    ],
)
def test_a_role_that_is_missing_is_named(rotating: Realm, roles: tuple[str, ...], why: str) -> None:
    """Proves that a refusal says what to grant."""
    there = rotating.client()
    ensure = roles == ("manage-clients",)
    bench = bench_at(there, new_http(rotating, roles), ensure_policy=ensure)
    first, second = bench.version(1), bench.version(2)
    with pytest.raises(Frozen, match=why):
        bench.step([first, second])
    assert there.logs_in(there.secret)


def test_the_value_in_use_is_shown_to_be_taken_over(rotating: Realm) -> None:
    """Proves that nobody has to type it."""
    there = rotating.client()
    assert provider_for(there, new_http(rotating)).current() == Sensitive(there.secret)


def test_a_client_in_use_is_no_place_for_a_first_version(rotating: Realm) -> None:
    """Proves that what may be in use is not replaced unasked."""
    there = rotating.client()
    with pytest.raises(Frozen, match="takeOver"):
        provider_for(there, new_http(rotating)).check_free(ROTATION)
    with pytest.raises(Frozen, match="overlap: false"):
        provider_for(there, new_http(rotating), overlap=False, others="Leave").check_free(ROTATION)


# --- whole lives with a fault at every request, on the contract server ------------------------------------------------------


class Sandbox:
    """A client on the contract server in virtual time, rotator's access to it, and somebody else."""

    def __init__(self, served: Served, api: KeycloakApi, clock: Virtual) -> None:
        """Make a realm, a client in it, and one that rotator is let in as."""
        self.api, self.clock = api, clock
        self.realm = Admin(url=served.url, password=api.password, real=False, rotates=True).realm()
        self.there = self.realm.client()
        name, secret = self.realm.robot("manage-clients", "manage-realm")
        token = RealClient(self.realm, name, "", secret).login(secret) or ""
        self.sends = http(clock, StaticToken(lambda: Sensitive(token)))
        self.kept = api.realms[self.realm.name].clients[self.there.uuid]
        self.strangers: list[str] = []
        api.journal.clear()

    def bench(self) -> Bench:
        """Return a bench at the client."""
        made = bench_at(self.there, self.sends, clock=self.clock)
        made.logs_in = lambda copy: self.accepts(copy.material["client_secret"].reveal())
        return made

    def accepts(self, value: str) -> bool:
        """Whether a secret lets the client in, in truth."""
        return self.api.accepts(self.realm.name, self.there.name, value)

    @property
    def rotated(self) -> str | None:
        """The rotated secret."""
        value: str | None = self.kept["attributes"].get(ROTATED)
        return value

    def add_anothers(self) -> None:
        """Put a secret of somebody else's into the rotated place, where it is free."""
        if self.rotated is None:
            self.strangers.append(secrets.token_urlsafe(36))
            ends = str(self.api.seconds() + 86400)
            self.kept["attributes"] |= {ROTATED: self.strangers[-1], ROTATED_SINCE: "1", ROTATED_ENDS: ends}

    def take_anothers_away(self) -> None:
        """Do what the message asks for."""
        if self.rotated in self.strangers:
            del self.kept["attributes"][ROTATED]
            self.strangers.clear()

    def take_away(self, value: str) -> None:
        """Take away one of ours, by hand."""
        if self.rotated == value != self.kept["secret"]:
            del self.kept["attributes"][ROTATED]
        elif self.kept["secret"] == value and self.rotated not in {None, value}:
            self.kept["secret"] = self.rotated

    def limit(self, times: int) -> None:
        """Refuse so many requests."""
        self.api.limited = times

    def world(self) -> World:
        """Return it as whole lives need it."""
        return World(
            api=self.api,
            bench=self.bench(),
            accepts=self.accepts,
            add_anothers=self.add_anothers,
            take_anothers_away=self.take_anothers_away,
            anothers=lambda: [s for s in self.strangers if self.rotated == s],
            take_away=self.take_away,
            limit=self.limit,
        )


@pytest.mark.parametrize("fault", Fault)
@pytest.mark.no_cover
def test_a_fault_at_every_request_of_a_life(fault: Fault, caplog: pytest.LogCaptureFixture) -> None:
    """Proves I2, I5 and I6 at Keycloak: whatever happens, what is in use is accepted, and all ends as wanted."""
    caplog.set_level(logging.INFO, logger="urllib3")
    clock = Virtual()
    api = KeycloakApi(now=clock.now)
    with Served(api) as served:
        api.url = served.url
        plain = Life(Sandbox(served, api, clock).world())
        plain.live()
        assert not plain.told
        explored = [at for kind, at in schedules(api) if kind is fault]
        for at in explored:
            api.middle = straight
            life = Life(Sandbox(served, api, clock).world(), fault, at)
            life.live()
            assert life.requests > at
            assert life.told or fault is not Fault.LIMITED_FOR_LONG
    assert len(explored) == plain.requests


def test_nothing_that_is_said_holds_a_secret(rotating: Realm) -> None:
    """Proves I8 for what is said of calls, and for what is raised."""
    there = rotating.client()
    bench = bench_at(there, new_http(rotating))
    first, second = bench.version(1), bench.version(2)
    wanted = Aim(
        rotation=ROTATION,
        accept=(bench.copy(first), bench.copy(second)),
        forget=(),
        known=frozenset(),
        settled=False,
    )
    told = []
    for _ in range(6):
        call = bench.provider().next_call(wanted)
        if not isinstance(call, Call):
            break
        told += [call.does, repr(call)]
        call.run()
    there.regenerate()
    try:
        bench.provider().next_call(wanted)
    except RotatorError as error:
        told.append(str(error))
    values = {there.secret, bench.material[second]["client_secret"].reveal(), there.document["secret"]}
    assert len(told) > 4
    assert not [value for value in values if any(value in text for text in told)]
