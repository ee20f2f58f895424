"""Auth0: the decisions as tables, the contract suite for keys and for the secret, and lives with a fault at every request."""

from __future__ import annotations

import secrets
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from typing import Any
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from joserfc import jwk, jwt

from rotator.clients.http import Http
from rotator.clients.oauth import POST, PRIVATE_KEY_JWT, OAuthLogin, StaticToken
from rotator.core.sensitive import Sensitive
from rotator.credentials.oauth_client.maker import OAuthClient, OAuthClientKey
from rotator.engine.installation import Installation
from rotator.errors import Forbidden, Frozen, Unavailable
from rotator.ports import Aim, Blocked, Copy
from rotator.systems.auth0.client import (
    MADE_AT,
    Auth0Keys,
    Auth0Secret,
    Delete,
    Key,
    Keys,
    KeyStep,
    Name,
    Upload,
    decide_keys,
    decide_secret,
)
from tests.providers.auth0_server import ASSERTION, CLIENT, FIRST_SECRET, TOKEN, Auth0Api, State
from tests.providers.contract import ROTATION, Bench, ProviderContract
from tests.providers.exploration import (
    LOGINS,
    READS,
    START,
    Fault,
    Lagging,
    Life,
    Virtual,
    World,
    http,
)
from tests.providers.served import Asked, Said, Served
from tests.providers.vendor_sdks import Sdk

HERE = "auth0 https://acme.example client payments"


# --- the decision about keys ---------------------------------------------------------------------------------------


def version(letter: str, *, made: timedelta | None = None, algorithm: str = "RS256") -> Copy:
    """Return a version; `made`: how long ago its key was uploaded, where that is known."""
    material = {"algorithm": Sensitive(algorithm)}
    if made is not None:
        material[MADE_AT] = Sensitive((START - made).isoformat())
    return Copy(letter, material)


def aim(accept: str, forget: str = "", known: str = "", **how: Any) -> Aim:
    """Return what is wanted."""
    return Aim(
        rotation=ROTATION,
        accept=tuple(version(letter, **how) for letter in accept),
        forget=tuple(version(letter) for letter in forget),
        known=frozenset(accept + forget + known),
        settled=False,
    )


def kept(letter: str) -> Key:
    """Return the key of a version as the client keeps it."""
    return Key(id=f"cred-{letter}", name=letter, kid=f"kid-{letter}", kind="public_key", created_at="then")


def found(letters: str) -> Keys:
    """Return what is kept: a capital for a key that the client names, a small letter for one that it only keeps."""
    return Keys(
        by_key=True,
        named=tuple(f"cred-{s.lower()}" for s in letters if s.isupper()),
        kept=tuple(kept(s.lower()) for s in letters),
    )


def said(step: KeyStep | Blocked | None) -> str:
    """Write a decision in words."""
    match step:
        case Upload(copy):
            return f"upload {copy.id}"
        case Name(ids):
            return f"name {''.join(i.removeprefix('cred-') for i in ids) or 'none'}"
        case Delete(key):
            return f"delete {key.name}"
        case Blocked():
            return "blocked"
        case _:
            return "nothing"


@pytest.mark.parametrize(
    ("there", "accept", "forget", "expected"),
    [
        ("", "a", "", "upload a"),
        ("a", "a", "", "name a"),
        ("A", "a", "", "nothing"),
        ("A", "ab", "", "upload b"),
        ("Ab", "ab", "", "name ab"),
        ("AB", "ab", "", "nothing"),
        ("aB", "ab", "", "name ab"),
        ("B", "ab", "", "upload a"),
        ("AB", "b", "a", "name b"),
        ("Ab", "b", "a", "name b"),
        ("aB", "b", "a", "delete a"),
        ("B", "b", "a", "nothing"),
        # what an earlier run left is cleared before there is no place for the next
        ("aB", "bc", "", "delete a"),
        ("abc", "b", "ac", "name b"),
        # nothing is let go before what is wanted is there
        ("A", "b", "a", "upload b"),
        ("AB", "bc", "a", "upload c"),
        ("ABc", "bc", "a", "name bc"),
        # it is deleted
        ("AB", "", "ab", "name none"),
        ("ab", "", "ab", "delete a"),
        ("", "", "ab", "nothing"),
        ("AX", "", "a", "name x"),
        ("aX", "", "a", "delete a"),
        ("X", "", "a", "nothing"),
    ],
)
def test_which_key_comes_next(there: str, accept: str, forget: str, expected: str) -> None:
    """The decision, whole: what is there, what is wanted, what is done."""
    known = "a" if "a" in there.lower() else ""
    assert said(decide_keys(found(there), aim(accept, forget, known), "Stop", HERE, START)) == expected


@pytest.mark.parametrize(
    ("there", "accept", "stop", "leave"),
    [
        ("X", "a", "somebody else made", "upload a"),
        ("Xa", "a", "somebody else made", "name xa"),
        ("XA", "a", "somebody else made", "nothing"),
        ("XAb", "ab", "somebody else made", "no place"),
        # a key that the client only keeps lets nobody in
        ("xA", "a", "nothing", "nothing"),
        ("xyzw", "a", "no place", "no place"),
        ("xyzAb", "ab", "name ab", "name ab"),
    ],
)
def test_somebody_elses_key(there: str, accept: str, stop: str, leave: str) -> None:
    """It is named, and left untouched."""
    for others, expected in (("Stop", stop), ("Leave", leave)):
        if expected in {"somebody else made", "no place"}:
            with pytest.raises(Frozen, match=expected) as raised:
                decide_keys(found(there), aim(accept), others, HERE, START)
            assert "cred-x ('x', kid kid-x, of then)" in str(raised.value)
        else:
            assert said(decide_keys(found(there), aim(accept), others, HERE, START)) == expected


def test_a_key_that_was_taken_over_is_known_by_its_kid() -> None:
    """Its name is what somebody chose."""
    there = Keys(
        by_key=True,
        named=("cred-1",),
        kept=(Key(id="cred-1", name="made by hand", kid="a", kind="public_key", created_at="then"),),
    )
    assert decide_keys(there, aim("a"), "Stop", HERE, START) is None


@pytest.mark.parametrize(("seconds", "expected"), [(0, "blocked"), (119, "blocked"), (120, "upload a")])
def test_what_was_just_made_is_waited_for(seconds: int, expected: str) -> None:
    """Auth0 may show it late; after two minutes it is gone."""
    wanted = aim("a", made=timedelta(seconds=seconds))
    step = decide_keys(found(""), wanted, "Stop", HERE, START)
    assert said(step) == expected
    if isinstance(step, Blocked):
        assert step.until == START + timedelta(seconds=120 - seconds)


def test_a_named_key_that_the_list_does_not_show_yet() -> None:
    """Whose it is cannot be known."""
    there = Keys(by_key=True, named=("cred-a", "cred-new"), kept=(kept("a"),))
    assert said(decide_keys(there, aim("ab"), "Stop", HERE, START)) == "blocked"


def test_an_algorithm_that_auth0_does_not_take() -> None:
    """Said before anything is uploaded."""
    with pytest.raises(Frozen, match=r"no keys for ES256, expected one of RS256, RS384, PS256"):
        decide_keys(found(""), aim("a", algorithm="ES256"), "Stop", HERE, START)


def test_a_client_that_does_not_use_keys() -> None:
    """People have to switch it."""
    there = Keys(by_key=False, named=(), kept=(kept("a"),))
    with pytest.raises(Frozen, match=r"private_key_jwt.*token_endpoint_auth_method to null.*spec\.takeOver"):
        decide_keys(there, aim("a"), "Stop", HERE, START)
    assert said(decide_keys(there, aim("", "a"), "Stop", HERE, START)) == "delete a"


def test_a_client_that_is_not_there() -> None:
    """Somebody has to make it; where ours are to be withdrawn, nothing is left to do."""
    with pytest.raises(Frozen, match="does not exist"):
        decide_keys(None, aim("a"), "Stop", HERE, START)
    assert decide_keys(None, aim("", "a"), "Stop", HERE, START) is None


# --- the decision about the secret ---------------------------------------------------------------------------------


def with_secret(letter: str) -> Copy:
    """Return a version with a secret."""
    return Copy(letter, {"client_secret": Sensitive(f"secret-{letter}")})


@pytest.mark.parametrize(
    ("current", "accept", "forget", "known", "expected"),
    [
        ("a", "a", "", "a", False),
        ("x", "a", "", "a", "a"),  # the first version: `check_free` has allowed it, or it was taken over
        ("a", "b", "a", "ab", "b"),
        ("b", "b", "a", "ab", False),
        ("x", "b", "a", "ab", "somebody changed it"),
        ("x", "b", "", "ab", "somebody changed it"),
        ("a", "", "a", "a", True),
        ("x", "", "a", "a", False),
    ],
)
def test_which_secret_is_set(
    current: str, accept: str, forget: str, known: str, expected: str | bool
) -> None:
    """The decision, whole."""
    wanted = Aim(
        rotation=ROTATION,
        accept=tuple(with_secret(s) for s in accept),
        forget=tuple(with_secret(s) for s in forget),
        known=frozenset(known),
        settled=False,
    )
    value = Sensitive(f"secret-{current}")
    if expected == "somebody changed it":
        with pytest.raises(Frozen, match=r"somebody changed it.*left untouched"):
            decide_secret(value, wanted, HERE)
        return
    decided = decide_secret(value, wanted, HERE)
    assert (decided.id if isinstance(decided, Copy) else decided) == expected


# --- at the contract server ----------------------------------------------------------------------------------------


@cache
def private_key(number: int) -> str:
    """Return key number `number`, in PEM: made once for all tests."""
    made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    del number
    return made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@cache
def public_key(number: int) -> str:
    """Return the public half of key number `number`, in PEM."""
    private = load_pem_private_key(private_key(number).encode(), password=None)
    return private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@cache
def key_fields(number: int) -> tuple[str, Mapping[str, str]]:
    """Return a version of key number `number` as the credential kind makes it: its id and its material, unwrapped."""
    kind = OAuthClientKey(issuer="https://acme.example/", client_id=CLIENT, algorithm="RS256")
    made = kind.adopt(Sensitive(private_key(number)), None, ROTATION)
    return made.id, {name: value.reveal() for name, value in made.material.items()}


def key_version(number: int) -> Copy:
    """Make a version from a key."""
    version_id, fields = key_fields(number)
    return Copy(version_id, {name: Sensitive(value) for name, value in fields.items()})


def secret_version(number: int) -> Copy:
    """Make a version as the credential kind does."""
    made = OAuthClient(issuer="https://acme.example/", client_id=CLIENT).make(ROTATION, number)
    return Copy(made.id, made.material)


def let_in(url: str, form: dict[str, str]) -> bool:
    """Log in beside the product's own code."""
    grant = {"grant_type": "client_credentials", "client_id": CLIENT, "audience": f"{url}/api/v2/"}
    try:
        with urllib.request.urlopen(f"{url}/oauth/token", urlencode({**grant, **form}).encode(), timeout=10):
            return True
    except urllib.error.HTTPError as error:
        if error.code == 401:
            return False
        raise


@dataclass
class Org:
    """A tenant, and rotator beside it."""

    api: Auth0Api
    url: str
    clock: Virtual
    http: Http
    others: str = "Stop"
    strangers: list[str] = field(default_factory=list)

    def keys(self) -> Auth0Keys:
        """Return the provider of keys, as a new run would make it."""
        return Auth0Keys(http=self.http, url=self.url, client=CLIENT, clock=self.clock, others=self.others)

    def secret(self, **how: Any) -> Auth0Secret:
        """Return the provider of the secret, as a new run would make it."""
        return Auth0Secret(**{"http": self.http, "url": self.url, "client": CLIENT, **how})

    def settle(self) -> None:
        """Let enough time pass for all to be seen."""
        self.clock.sleep(150)
        self.api.state.settle()

    def has_key(self, copy: Copy) -> bool:
        """Whether an assertion that the key signed lets somebody in."""
        now = int(self.clock.now().timestamp())
        claims = {
            "iss": CLIENT,
            "sub": CLIENT,
            "aud": f"{self.url}/",
            "jti": secrets.token_hex(8),
            "iat": now,
            "exp": now + 30,
        }
        key = jwk.RSAKey.import_key(copy.material["private_key"].reveal())
        assertion = jwt.encode({"alg": "RS256", "kid": key.thumbprint()}, claims, key)
        return let_in(self.url, {"client_assertion_type": ASSERTION, "client_assertion": assertion})

    def has_secret(self, copy: Copy) -> bool:
        """Whether the secret lets somebody in."""
        return let_in(self.url, {"client_secret": copy.material["client_secret"].reveal()})

    def key_bench(self) -> Bench:
        """Return a bench for keys."""
        return Bench(provider=self.keys, make=key_version, logs_in=self.has_key, settle=self.settle)

    def secret_bench(self) -> Bench:
        """Return a bench for the secret."""
        return Bench(
            provider=self.secret,
            make=secret_version,
            logs_in=self.has_secret,
            one_slot=True,
            settle=self.settle,
        )


def org_of(state: State) -> Iterator[Org]:
    """Start a tenant with this client."""
    clock, api = Virtual(), Auth0Api()
    api.now = lambda: clock.now().timestamp()
    api.state = Lagging(state)
    access = StaticToken(lambda: Sensitive(TOKEN))
    with Served(api) as served:
        api.url = served.url
        yield Org(api, served.url, clock, http(clock, access))


@pytest.fixture
def org() -> Iterator[Org]:
    """A client that uses keys, and has none."""
    yield from org_of(State(method=None, named=()))


@pytest.fixture
def by_secret() -> Iterator[Org]:
    """A client as Auth0 makes it: with a secret."""
    yield from org_of(State())


class TestKeys(ProviderContract):
    """What every provider keeps, at a tenant that keeps four keys and shows each change at once."""

    @pytest.fixture
    def bench(self, org: Org) -> Bench:
        """Return a bench at a fresh client."""
        return org.key_bench()


class TestKeysWithLag(ProviderContract):
    """The same at a tenant that keeps two, and shows each change three looks later."""

    @pytest.fixture
    def bench(self, org: Org) -> Bench:
        """Return a bench at a fresh client."""
        org.api.state.lag = {READS: 3}
        org.api.most_kept = 2
        return org.key_bench()


class TestSecret(ProviderContract):
    """The secret: one at a time."""

    @pytest.fixture
    def bench(self, by_secret: Org) -> Bench:
        """Return a bench at a fresh client."""
        return by_secret.secret_bench()


class TestSecretWithLag(ProviderContract):
    """The same, where each change is shown three looks later."""

    @pytest.fixture
    def bench(self, by_secret: Org) -> Bench:
        """Return a bench at a fresh client."""
        by_secret.api.state.lag = {READS: 3}
        return by_secret.secret_bench()


def changes(org: Org) -> list[str]:
    """Return the requests that changed something."""
    tail = f"/api/v2/clients/{CLIENT}"
    return [
        f"{method} {'client' if path == tail else path.removeprefix(tail).split('/')[1]}"
        for method, path, _ in org.api.journal
        if method in {"POST", "PATCH", "DELETE"} and path.startswith("/api/")
    ]


def test_the_changes_of_a_rotation_of_keys(org: Org) -> None:
    """Upload, name beside the old one, name alone, delete."""
    bench = org.key_bench()
    first = bench.version(1)
    bench.reach([first])
    second = bench.version(2)
    org.api.journal.clear()
    bench.reach([first, second])
    bench.reach([second], [first])
    assert changes(org) == ["POST credentials", "PATCH client", "PATCH client", "DELETE credentials"]
    assert org.api.named_keys() == [second]
    assert [k.kid for k in org.api.state.now.kept] == [second]


def test_a_key_in_use_is_taken_over(org: Org) -> None:
    """Nothing is changed by that."""
    org.api.use_keys(("made by hand", public_key(1)))
    bench = org.key_bench()
    first = bench.version(1)
    assert bench.changes_nothing([first])
    second = bench.version(2)
    bench.reach([first, second])
    assert bench.logs_in(bench.copy(first))
    bench.reach([second], [first])
    assert org.api.named_keys() == [second]


def test_lag_and_impatience(org: Org) -> None:
    """Looks follow each other without a pause, and show what was true some looks ago."""
    org.api.state.lag = {READS: 5}
    bench = org.key_bench()
    bench.settle = lambda: org.clock.sleep(1)
    first = bench.version(1)
    bench.reach([first])
    second = bench.version(2)
    for accept, forget, used in (([first, second], [], first), ([second], [first], second)):
        for _ in range(200):
            sighting = bench.step(accept, forget)
            assert used in org.api.named_keys()
            org.clock.sleep(1)
            if sighting.confirmed:
                break
        assert sighting.confirmed
    org.settle()
    bench.reach([second], [first])
    assert org.api.named_keys() == [second]
    assert len(org.api.state.now.kept) == 1


def test_a_key_that_is_still_used_for_something_else_is_waited_for(org: Org) -> None:
    """It lets nobody in any more, and is deleted once it can be."""
    bench = org.key_bench()
    first = bench.version(1)
    bench.reach([first])
    second = bench.version(2)
    bench.reach([first, second])
    (theirs,) = [k.id for k in org.api.state.now.kept if k.kid == first]
    org.api.in_use.add(theirs)
    for _ in range(3):
        sighting = bench.step([second], [first])
    assert "still in use at the client" in sighting.waiting
    assert org.api.named_keys() == [second]
    org.api.in_use.clear()
    bench.reach([second], [first])


def test_a_key_that_auth0_refuses_is_explained(org: Org) -> None:
    """Its message cannot be shown, for it may quote us."""
    org.api.most_kept = 1
    org.api.upload_only("theirs", public_key(9))
    bench = org.key_bench()
    sighting = bench.step([bench.version(1)])
    assert "HTTP 400 invalid_body" in sighting.waiting
    assert "as many keys as it may" in sighting.waiting
    assert sighting.again


@pytest.mark.parametrize("others", ["Stop", "Leave"])
def test_whether_the_first_key_can_be_added(org: Org, others: str) -> None:
    """A key that only lies there is not in the way."""
    org.others = others
    org.keys().check_free(ROTATION)
    org.api.upload_only("theirs", public_key(8))
    org.keys().check_free(ROTATION)
    org.api.use_keys(("theirs too", public_key(9)))
    with pytest.raises(Frozen, match=r"'theirs too'.*left untouched.*spec\.takeOver"):
        org.keys().check_free(ROTATION)


def test_a_client_with_a_secret_is_told_how_to_switch(by_secret: Org) -> None:
    """And nothing is changed."""
    bench = by_secret.key_bench()
    with pytest.raises(Frozen, match="Switch it first"):
        bench.step([bench.version(1)])
    with pytest.raises(Frozen, match="Switch it first"):
        by_secret.keys().check_free(ROTATION)
    assert by_secret.api.state.now == State()


def test_the_products_own_login_agrees(org: Org, by_secret: Org) -> None:
    """The proof by login says the same as the server's truth."""
    for where, bench, method in (
        (org, org.key_bench(), PRIVATE_KEY_JWT),
        (by_secret, by_secret.secret_bench(), POST),
    ):
        first = bench.version(1)
        bench.reach([first])
        second = bench.version(2)
        bench.reach([first, second])
        bench.reach([second], [first])
        login = OAuthLogin(
            http=http(where.clock),
            issuer=f"{where.url}/",
            method=method,
            clock=where.clock,
            audience=f"{where.url}/api/v2/",
        )
        assert login.accepted(bench.copy(second))
        assert not login.accepted(bench.copy(first))


def test_nothing_private_leaves_for_auth0(org: Org) -> None:
    """Only public keys are uploaded."""
    bodies: list[bytes] = []

    def listen(asked: Asked, perform: Callable[[], Said]) -> Said:
        bodies.append(asked.body)
        return perform()

    org.api.middle = listen
    bench = org.key_bench()
    bench.reach([bench.version(1)])
    assert any(b"BEGIN PUBLIC KEY" in body for body in bodies)
    assert not any(b"PRIVATE" in body for body in bodies)


# --- the secret ----------------------------------------------------------------------------------------------------


def test_the_secret_in_use_is_shown_to_be_taken_over(by_secret: Org) -> None:
    """Without that, the first of ours would end it."""
    assert by_secret.secret().current() == Sensitive(FIRST_SECRET)
    with pytest.raises(Frozen, match=r"would end it at once.*spec\.takeOver"):
        by_secret.secret().check_free(ROTATION)


def test_somebody_elses_secret_is_left_untouched(by_secret: Org) -> None:
    """In every phase, and in a deletion."""
    bench = by_secret.secret_bench()
    first = bench.version(1)
    bench.reach([first])
    by_secret.api.set_secret("somebody-elses")
    second = bench.version(2)
    for accept, forget in (([first, second], []), ([second], [first])):
        with pytest.raises(Frozen, match="somebody changed it"):
            bench.step(accept, forget)
    Installation(by_secret.secret()).remove(
        ROTATION, lambda: [bench.copy(first), bench.copy(second)], lambda: None
    )
    assert by_secret.api.state.now.secret == "somebody-elses"


def test_a_secret_that_is_not_shown_is_not_guessed(by_secret: Org) -> None:
    """The scope that is missing is named."""
    by_secret.api.shows_secret = False
    bench = by_secret.secret_bench()
    with pytest.raises(Frozen, match="Grant rotator's client the scope read:client_keys"):
        bench.step([bench.version(1)])
    assert by_secret.api.state.now.secret == FIRST_SECRET


def test_a_client_without_a_secret_is_named(org: Org) -> None:
    """And a deletion finds nothing to do."""
    bench = org.secret_bench()
    with pytest.raises(Frozen, match="does not authenticate by a secret"):
        bench.step([bench.version(1)])
    Installation(org.secret()).remove(ROTATION, lambda: [secret_version(1)], lambda: None)
    assert changes(org) == []


@pytest.mark.parametrize("at", range(12))
@pytest.mark.parametrize("fault", [f for f in Fault if f not in {Fault.ANOTHERS, Fault.TAKEN_AWAY}])
def test_a_life_of_secrets_with_a_fault_at_every_request(by_secret: Org, fault: Fault, at: int) -> None:
    """There is no overlap to keep: it converges, what is newest is let in, and nothing older is."""
    life = SecretLife(secret_world(by_secret), fault, at)
    life.live()
    assert life.requests > at


class SecretLife(Life):
    """A life of one secret after the other."""

    def live(self) -> None:
        """Live it, and see that it ends as wanted."""
        self.world.api.middle = self._between
        bench, older = self.world.bench, list[str]()
        for number in (1, 2, 3):
            newest = bench.version(number)
            self._reach([*older[-1:], newest], older[:-1])
            assert self._accepted(newest)
            assert not any(self._accepted(i) for i in older)
            older.append(newest)
        self._delete(older)
        assert not any(self._accepted(i) for i in older)


# --- whole lives of keys -------------------------------------------------------------------------------------------


class KeyLife(Life):
    """A life whose versions are keys: they are known by their ids."""

    world: KeyWorld

    def _accepted(self, version_id: str) -> bool:
        return self.world.accepts(version_id)

    def _take_away(self) -> None:
        for key in self.world.org.api.state.now.kept:
            if key.name in self.world.bench.material and key.name != self.used:
                self.world.org.api.take_away(key.id)


@dataclass(kw_only=True)
class KeyWorld(World):
    """A tenant, and somebody who uploads keys there."""

    org: Org


def world(org: Org) -> KeyWorld:
    """Return the server and somebody else at it."""

    def somebody_adds() -> None:
        """Where the client names two already, a third is only kept."""
        name = f"theirs {len(org.strangers)}"
        pem = public_key(100 + len(org.strangers))
        if len(org.api.state.now.named or ()) < 2:
            org.strangers += org.api.use_keys((name, pem))
        else:
            org.strangers.append(org.api.upload_only(name, pem))

    def the_person_takes_it_away() -> None:
        for theirs in org.strangers:
            org.api.take_away(theirs)
        org.strangers.clear()

    def limit(requests: int) -> None:
        org.api.limited = requests

    return KeyWorld(
        api=org.api,
        bench=org.key_bench(),
        accepts=lambda version_id: version_id in org.api.named_keys(),
        add_anothers=somebody_adds,
        take_anothers_away=the_person_takes_it_away,
        anothers=lambda: kept_by(org, org.strangers),
        take_away=lambda _: None,
        limit=limit,
        org=org,
    )


def secret_world(org: Org) -> World:
    """Return a tenant whose client has a secret."""
    found = world(org)
    return World(
        api=org.api,
        bench=org.secret_bench(),
        accepts=lambda value: org.api.state.now.secret == value,
        add_anothers=lambda: None,
        take_anothers_away=lambda: None,
        anothers=lambda: (),
        take_away=lambda _: None,
        limit=found.limit,
    )


def kept_by(org: Org, ids: Sequence[str]) -> list[str]:
    """Return those of `ids` that the client still keeps."""
    return [k.id for k in org.api.state.now.kept if k.id in ids]


REQUESTS = 43


@pytest.mark.parametrize("most_kept", [2, 4])
def test_a_life_without_faults_has_so_many_requests(org: Org, most_kept: int) -> None:
    """The schedules cover them all."""
    org.api.most_kept = most_kept
    life = KeyLife(world(org))
    life.live()
    assert life.requests == REQUESTS
    assert life.told == []


@pytest.mark.parametrize(("fault", "at"), [(fault, at) for fault in Fault for at in range(REQUESTS)])
def test_a_life_of_keys_with_a_fault_at_every_request(org: Org, fault: Fault, at: int) -> None:
    """It converges, what is in use is let in all the time, and nobody else's key is touched."""
    KeyLife(world(org), fault, at).live()


def test_a_rate_limit_that_lasts_ends_the_run_and_changes_nothing(org: Org) -> None:
    """It is waited for as asked, and then given up until the next run."""
    bench = org.key_bench()
    first = bench.version(1)
    org.api.limited = 100
    began = org.clock.now()
    with pytest.raises(Unavailable):
        bench.step([first])
    assert org.clock.now() - began >= timedelta(seconds=4)
    assert org.api.state.now.kept == ()


def test_without_a_good_token_nothing_is_done(by_secret: Org) -> None:
    """The word of the refusal is kept."""
    stale = http(by_secret.clock, StaticToken(lambda: Sensitive("stale")))
    with pytest.raises(Forbidden) as raised:
        by_secret.secret(http=stale).current()
    assert raised.value.reason in {"Unauthorized", "invalid_token"}


def test_lagging_logins_are_the_proofs_business(org: Org) -> None:
    """The provider is done before the token endpoint knows."""
    org.api.state.lag = {LOGINS: 1}
    bench = org.key_bench()
    first = bench.version(1)
    bench.settle = lambda: None
    bench.reach([first])
    assert not bench.logs_in(bench.copy(first))
    org.settle()
    assert bench.logs_in(bench.copy(first))


# --- Auth0's own SDK -----------------------------------------------------------------------------------------------


@pytest.mark.real_provider
@pytest.mark.filterwarnings("ignore")  # what it warns of is its vendor's to mend
def test_auth0s_own_sdk_understands_the_contract_server(org: Org, sdk: Sdk) -> None:
    """An independent client of the routes: were they made up, it would not read them."""
    management = sdk("auth0.management")
    with sdk("httpx").Client() as connections:
        auth0 = management.Auth0(base_url=f"{org.url}/api/v2", token=TOKEN, httpx_client=connections)
        bench = org.key_bench()
        first = bench.version(1)
        bench.reach([first])
        (shown,) = auth0.clients.credentials.list(CLIENT)
        assert (shown.kid, shown.name, shown.alg, shown.credential_type) == (
            first,
            first,
            "RS256",
            "public_key",
        )
        methods = auth0.clients.get(CLIENT).client_authentication_methods
        assert [c.id for c in methods.private_key_jwt.credentials] == [shown.id]
        made = auth0.clients.credentials.create(
            CLIENT, credential_type="public_key", name="theirs", pem=public_key(9)
        )
        named = {"private_key_jwt": {"credentials": [{"id": shown.id}, {"id": made.id}]}}
        auth0.clients.update(CLIENT, client_authentication_methods=named, token_endpoint_auth_method=None)
        with pytest.raises(Frozen, match="'theirs'"):
            bench.step([first])
        with pytest.raises(management.core.api_error.ApiError) as raised:
            auth0.clients.credentials.delete(CLIENT, made.id)
        assert raised.value.status_code == 400
