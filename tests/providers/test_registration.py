"""Dynamic registration: every version is a client of its own, at the contract server and at a real one."""

from __future__ import annotations

import base64
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rotator.clients.http import Http
from rotator.clients.meter import Meter
from rotator.clients.oauth import OAuthLogin, Server, StaticToken
from rotator.clients.retry import Retry
from rotator.core.sensitive import Sensitive
from rotator.credentials.oauth_client.maker import OAuthClient
from rotator.errors import Frozen, Rejected, Unavailable
from rotator.ports import Aim, Call, Copy, Deadline
from rotator.systems.registration.client import (
    EXPIRES_AT,
    METHOD,
    ODD,
    REGISTERED_AT,
    REMOVED,
    TOKEN,
    URI,
    RegisteredClients,
    client_metadata,
    read_client,
)
from tests.conftest import Canary
from tests.providers.contract import ROTATION, Bench, ProviderContract
from tests.providers.keycloak_server import Admin
from tests.providers.oidc_server import Dialect, OidcServer
from tests.providers.real_oidc_provider import RealOidcProvider
from tests.providers.served import Asked, HangUp, Said, Served

START = datetime(2030, 1, 1, tzinfo=UTC)
MONTH = timedelta(days=30)


@dataclass
class Clock:
    """A clock that moves only when somebody sleeps."""

    instant: datetime = START

    def now(self) -> datetime:
        """Return the instant."""
        return self.instant

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.instant += timedelta(seconds=seconds)

    def correct(self, by: timedelta) -> None:
        """Leave it as it is: a server's `Date` is real, this clock is not."""


@dataclass
class Office:
    """A server where clients are registered, and what rotator needs to do so."""

    issuer: str
    token: str
    clock: Clock
    authentication: str = "client_secret_basic"
    settings: dict[str, Any] = field(default_factory=dict)
    http: Http = field(init=False)

    def __post_init__(self) -> None:
        self.http = Http(Retry(self.clock, Deadline(self.clock.now() + MONTH)), Meter(self.clock))

    def login(self) -> OAuthLogin:
        """Return the product's login."""
        return OAuthLogin(http=self.http, issuer=self.issuer, method=self.authentication, clock=self.clock)

    def provider(self) -> RegisteredClients:
        """Return the provider as a new run would make it."""
        return RegisteredClients(
            **{
                "server": Server(self.http, self.issuer),
                "rotation": ROTATION,
                "clock": self.clock,
                "login": self.login(),
                "access": StaticToken(lambda: Sensitive(self.token)),
                "authentication": self.authentication,
                **self.settings,
            }
        )

    def bench(self, canary: Canary, logs_in: Callable[[Copy], bool]) -> Bench:
        """Return a bench at it."""
        credential = OAuthClient(issuer=self.issuer, made_by_provider=True)

        def make(number: int) -> Copy:
            made = credential.make(ROTATION, number)
            return Copy(made.id, made.material)

        return Known(provider=self.provider, make=make, logs_in=logs_in, canary=canary)


@dataclass(kw_only=True)
class Known(Bench):
    """A bench that tells the canary which client ids there are: they stand in addresses, and are no secrets."""

    canary: Canary

    def learn(self, learned: Mapping[str, Mapping[str, Sensitive]]) -> None:
        """Keep what was learned."""
        for fields in learned.values():
            for name in ("client_id", URI):
                if name in fields:
                    self.canary.heard(f'{{"id": "{fields[name].reveal()}"}}')
        super().learn(learned)


@pytest.fixture(params=["", "/realms/acme"], ids=["issuer without a path", "issuer with a path"])
def api(request: pytest.FixtureRequest) -> Iterator[OidcServer]:
    """Serve the contract server."""
    api = OidcServer(request.param)
    with Served(api) as served:
        api.url = served.url
        yield api


@pytest.fixture
def office(api: OidcServer) -> Office:
    """Return what rotator needs at the contract server."""
    clock = Clock()
    api.now = lambda: clock.now().timestamp()
    return Office(api.issuer, api.initial_token, clock)


@pytest.fixture
def bench(office: Office, api: OidcServer, canary: Canary) -> Bench:
    """Return a bench at the contract server."""
    return office.bench(canary, lambda copy: is_let_in(api, copy))


def is_let_in(api: OidcServer, copy: Copy) -> bool:
    """Look it up in the server, beside the product's own code."""
    if "client_id" not in copy.material:
        return False
    client = api.clients.get(copy.material["client_id"].reveal())
    return client is not None and client.secret == copy.material["client_secret"].reveal()


class TestContract(ProviderContract):
    """The contract suite at the contract server."""


class TestContractWithTokensForOneUse(ProviderContract):
    """The contract suite at a server whose registration access tokens last for one use, with Keycloak's word."""

    @pytest.fixture
    def bench(self, office: Office, api: OidcServer, canary: Canary) -> Bench:
        """Return a bench at it."""
        api.dialect = Dialect(tokens_last_for_one_use=True, wrong_secret=(401, "unauthorized_client"))
        return office.bench(canary, lambda copy: is_let_in(api, copy))


@pytest.mark.real_provider
class TestContractAtTheRealServer(ProviderContract):
    """The contract suite at a real oidc-provider."""

    @pytest.fixture
    def bench(self, oidc_provider: RealOidcProvider, canary: Canary) -> Bench:
        """Return a bench at it."""
        office = Office(oidc_provider.issuer, oidc_provider.initial_token, Clock(datetime.now(UTC)))
        return office.bench(canary, lambda copy: is_let_in_there(oidc_provider.issuer, copy))


@pytest.fixture
def keycloak_office(keycloak_without_rotation: Admin) -> Office:
    """Return what rotator needs in a fresh realm of a real Keycloak: an initial access token."""
    realm = keycloak_without_rotation.realm()
    place = f"{realm.path}/clients-initial-access"
    status, made = keycloak_without_rotation.ask("POST", place, {"count": 100, "expiration": 3600})
    assert status == 201
    return Office(realm.issuer, made["token"], Clock(datetime.now(UTC)))


@pytest.mark.real_provider
class TestContractAtKeycloak(ProviderContract):
    """The contract suite at a real Keycloak."""

    @pytest.fixture
    def bench(self, keycloak_office: Office, canary: Canary) -> Bench:
        """Return a bench at it."""
        return keycloak_office.bench(
            canary,
            lambda copy: is_let_in_there(f"{keycloak_office.issuer}/protocol/openid-connect", copy),
        )


def is_let_in_there(folder: str, copy: Copy) -> bool:
    """Log in beside the product's own code."""
    if "client_id" not in copy.material:
        return False
    pair = ":".join(
        urllib.parse.quote(copy.material[n].reveal(), safe="") for n in ("client_id", "client_secret")
    )
    request = urllib.request.Request(
        f"{folder}/token",
        b"grant_type=client_credentials",
        {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"},
        method="POST",
    )
    try:
        with urllib.request.urlopen(request, timeout=10):
            return True
    except urllib.error.HTTPError as error:
        error.close()
        if error.code != 401:
            raise
        return False


# --- what is registered, and what is kept of the answer ---------------------------------------------------------------------


def test_a_client_is_named_so_that_a_person_finds_it(bench: Bench, api: OidcServer) -> None:
    """Proves that rotation and version stand in the client's name and in its software (RFC 7591, section 2)."""
    first = bench.version(1)
    bench.reach([first])
    (client,) = api.clients.values()
    assert client.metadata["client_name"] == f"rotator {ROTATION} {first}"
    assert client.metadata["software_id"] == f"rotator {ROTATION}"
    assert client.metadata["software_version"] == first


@pytest.mark.parametrize(
    ("declared", "name", "grants"),
    [
        ({}, "rotator a/b v1", ["client_credentials"]),
        ({"client_name": "Payments"}, "Payments a/b v1", ["client_credentials"]),
        ({"grant_types": ["x"], "software_id": "mine"}, "rotator a/b v1", ["x"]),
        ({"token_endpoint_auth_method": "none"}, "rotator a/b v1", ["client_credentials"]),
    ],
)
def test_what_a_person_declares_is_registered(declared: dict[str, Any], name: str, grants: list[str]) -> None:
    """Proves that declared metadata counts, but for what says whose client it is and how it authenticates."""
    document = client_metadata({"scope": "a b", **declared}, "a/b", "v1", "client_secret_post")
    assert document["client_name"] == name
    assert document["grant_types"] == grants
    assert document["scope"] == "a b"
    assert document["software_id"] == "rotator a/b"
    assert document["token_endpoint_auth_method"] == "client_secret_post"


FULL = {
    "client_id": "c1",
    "client_secret": "s1",
    "registration_access_token": "t1",
    "registration_client_uri": "https://a.example/register/c1",
    "token_endpoint_auth_method": "client_secret_basic",
    "client_secret_expires_at": 0,
}
KEPT = {
    "client_id": "c1",
    "client_secret": "s1",
    TOKEN: "t1",
    URI: "https://a.example/register/c1",
    METHOD: "client_secret_basic",
    REGISTERED_AT: str(int(START.timestamp())),
}
UNKNOWN = {name: value for name, value in KEPT.items() if name != "client_secret"}
WITHOUT_TOKEN = {name: value for name, value in KEPT.items() if name != TOKEN}
ENDS, NUMBER = "client_secret_expires_at", "expected a number of at most 9007199254740992"
NO_INSTANT = "is no instant, expected seconds since 1970, or 0"
NO_TOKEN = "registration_access_token is no token: expected printable ASCII without spaces"


@pytest.mark.parametrize(
    ("document", "kept"),
    [
        (FULL, KEPT),
        ({**FULL, "client_secret_expires_at": 1893456001}, {**KEPT, EXPIRES_AT: "1893456001"}),
        ({**FULL, "client_secret_expires_at": "1893456001"}, {**KEPT, ODD: f"{ENDS} is a text, {NUMBER}"}),
        ({**FULL, "client_secret_expires_at": True}, {**KEPT, ODD: f"{ENDS} is true or false, {NUMBER}"}),
        ({**FULL, "client_secret_expires_at": None}, KEPT),
        ({**FULL, "client_secret_expires_at": -1}, {**KEPT, ODD: f"{ENDS} {NO_INSTANT}"}),
        ({**FULL, "client_secret_expires_at": 10**15}, {**KEPT, ODD: f"{ENDS} {NO_INSTANT}"}),
        ({**FULL, "client_secret": 7}, {**UNKNOWN, ODD: "client_secret is a number, expected a text"}),
        (
            {**FULL, "client_secret": "s\n1"},
            {**UNKNOWN, ODD: "client_secret is not printable ASCII, or empty"},
        ),
        ({**FULL, "client_secret": ""}, UNKNOWN),
        ({**FULL, "registration_access_token": "t\r\nX: 1"}, {**WITHOUT_TOKEN, ODD: NO_TOKEN}),
        ({"client_id": "c1"}, {"client_id": "c1", REGISTERED_AT: KEPT[REGISTERED_AT]}),
        ({**FULL, "client_id": None}, {}),
        ({}, {}),
        (None, {}),
        (["c1"], {}),
        ("c1", {}),
    ],
    ids=range(17),
)
def test_what_is_kept_of_an_answer(document: object, kept: dict[str, str]) -> None:
    """Proves what is kept of a client information response, whatever a server answers."""
    assert {name: value.reveal() for name, value in read_client(document, START).items()} == kept


# --- the next call ---------------------------------------------------------------------------------------------------------------


def registered(version: str, **more: str | None) -> Copy:
    """Return a version that was registered; None leaves a field out."""
    fields = {**KEPT, "client_id": f"c-{version}", URI: f"https://a.example/register/c-{version}", **more}
    return Copy(version, {name: Sensitive(value) for name, value in fields.items() if value is not None})


MISSING = Copy("v9", {})
PLANNED = Copy("v9", {"client_id": Sensitive(""), "client_secret": Sensitive("")})


class Recorded:
    """A login that knows who is let in."""

    name = "login"

    def __init__(self, let_in: bool) -> None:
        self.let_in = let_in

    def accepted(self, copy: Copy) -> bool:
        """Say what is known."""
        del copy
        return self.let_in

    def stir(self, copy: Copy) -> bool:
        """Nobody has keys here."""
        del copy
        return False


def told(
    accept: tuple[Copy, ...], forget: tuple[Copy, ...], *, let_in: bool = True, lasts: timedelta = MONTH
) -> str:
    """Return what comes next, in one word, or what is said instead."""
    clock = Clock()
    provider = RegisteredClients(
        server=Server(Http(Retry(clock, Deadline(START)), Meter(clock)), "https://a.example"),
        rotation=ROTATION,
        clock=clock,
        login=Recorded(let_in),
        endpoint="https://a.example/register",
        lasts=lasts,
    )
    aim = Aim(rotation=ROTATION, accept=accept, forget=forget, known=frozenset(), settled=False)
    try:
        call = provider.next_call(aim)
    except Frozen as error:
        return str(error)
    return call.does.partition(" at ")[0] if isinstance(call, Call) else "nothing"


@pytest.mark.parametrize(
    ("accept", "forget", "expected"),
    [
        ((), (), "nothing"),
        ((MISSING,), (), "register a client for v9"),
        ((PLANNED,), (), "nothing"),
        ((registered("v1"),), (), "nothing"),
        ((registered("v1"), MISSING), (), "register a client for v9"),
        ((registered("v1"), registered("v2")), (), "nothing"),
        ((MISSING,), (registered("v1"),), "register a client for v9"),
        ((registered("v2"),), (registered("v1"),), "remove the client of v1"),
        ((registered("v2"),), (registered("v1", **{REMOVED: "yes"}),), "nothing"),
        ((registered("v2"),), (MISSING,), "nothing"),
        ((), (registered("v1"), registered("v2")), "remove the client of v1"),
        ((), (registered("v1", **{REMOVED: "yes"}), registered("v2")), "remove the client of v2"),
        ((), (registered("v1", client_secret=None),), "remove the client of v1"),
        ((registered("v2", client_secret=None),), (registered("v1"),), "remove the client of v1"),
    ],
    ids=range(14),
)
def test_what_comes_next(accept: tuple[Copy, ...], forget: tuple[Copy, ...], expected: str) -> None:
    """Proves every case that goes on: register first, then remove, and what is in place is left alone."""
    assert told(accept, forget) == expected


ELSEWHERE = [
    "https://b.example/register/c1",
    "http://a.example/register/c1",
    "https://a.example:8443/register/c1",
    "https://a.example@b.example/register/c1",
    "https://a.example\\@b.example/register/c1",
    "https://b.example\\.a.example/register/c1",
    "https://a.example.b.example/register/c1",
    "https://a.example:port/register/c1",
    "//a.example/register/c1",
    "https:/a.example/register/c1",
    "https://a.example?x",
    "file:///etc/passwd",
    "https://a.example/register/c1\r\nHost: b.example",
    "nowhere",
]


@pytest.mark.parametrize("uri", ELSEWHERE, ids=range(len(ELSEWHERE)))
def test_a_token_is_not_sent_elsewhere(uri: str) -> None:
    """Proves that a client whose management leads elsewhere is not taken into use, and gets no token."""
    leads = registered("v1", **{URI: uri})
    assert "no token is sent elsewhere" in told((leads,), ())
    said = told((), (leads,))
    assert "cannot be removed" in said
    assert "no token is sent elsewhere" in said
    assert told((), (leads,), let_in=False) == "nothing"


@pytest.mark.parametrize(
    "uri", ["https://A.example:443/x", "https://a.example", "https://a.example/x?y=%20#z"]
)
def test_the_same_origin_in_other_words_is_the_same(uri: str) -> None:
    """Proves that scheme, host and port count, as RFC 6454, section 4, compares them."""
    assert told((registered("v1", **{URI: uri}),), ()) == "nothing"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"client_secret": None}, "was given no client_secret"),
        ({URI: None}, "RFC 7592"),
        ({TOKEN: None}, "RFC 7592"),
        (
            {METHOD: "client_secret_post"},
            "was registered for client_secret_post, declared is client_secret_basic",
        ),
        (
            {EXPIRES_AT: str(int((START + MONTH).timestamp()) - 1)},
            "the server ends at 2030-01-30T23:59:59+00:00",
        ),
    ],
)
def test_a_client_that_cannot_serve_is_named(change: dict[str, str | None], says: str) -> None:
    """Proves that the rotation stops before a holder gets such a client, and says what to do."""
    said = told((registered("v1", **change),), ())
    assert says in said
    assert "the client c-v1 of version v1" in said


@pytest.mark.parametrize(
    ("change", "lasts"),
    [
        ({METHOD: None}, MONTH),
        ({EXPIRES_AT: str(int((START + MONTH).timestamp()))}, MONTH),
        ({EXPIRES_AT: str(int((START + MONTH).timestamp()))}, MONTH - timedelta(seconds=1)),
        ({EXPIRES_AT: "1", REGISTERED_AT: None}, MONTH),
    ],
    ids=range(4),
)
def test_a_client_that_can_serve_is_left_alone(change: dict[str, str | None], lasts: timedelta) -> None:
    """Proves the borders: a secret that lasts exactly as long as it has to is long enough."""
    assert told((registered("v1", **change),), (), lasts=lasts) == "nothing"


# --- what servers answer ----------------------------------------------------------------------------------------------------------


def test_a_secret_that_ends_too_early_is_kept_and_stops_the_rotation(
    bench: Bench, api: OidcServer, office: Office
) -> None:
    """Proves that the client is known and no other one is made; a shorter `every` lets it go on."""
    office.settings = {"lasts": MONTH}
    api.dialect = Dialect(secret_expires_at=int((START + timedelta(days=7)).timestamp()))
    first = bench.version(1)
    bench.step([first])
    for _ in range(3):
        with pytest.raises(Frozen, match=r"2030-01-08.*may be in use until 2030-01-31.*every"):
            bench.step([first])
    assert len(api.clients) == 1
    office.settings = {"lasts": timedelta(days=7)}
    assert bench.step([first]).confirmed


def test_a_server_without_management_is_found_out_at_once(bench: Bench, api: OidcServer) -> None:
    """Proves that one client is made, and named, when RFC 7592 is missing; once it is gone a deletion goes through."""
    api.dialect = Dialect(management=False)
    first = bench.version(1)
    bench.step([first])
    for _ in range(3):
        with pytest.raises(Frozen, match=r"could not be withdrawn later: .*RFC 7592"):
            bench.step([first])
    assert len(api.clients) == 1
    with pytest.raises(Frozen, match="cannot be removed"):
        bench.remove([first])
    api.clients.clear()
    assert bench.remove([first]) == ()


def test_management_that_leads_elsewhere_gets_no_token(bench: Bench, api: OidcServer) -> None:
    """Proves that nothing is asked there."""
    other = OidcServer()
    with Served(other) as served:
        api.answers_elsewhere = f"{served.url}/register/x"
        first = bench.version(1)
        bench.step([first])
        with pytest.raises(Frozen, match="no token is sent elsewhere"):
            bench.step([first])
        with pytest.raises(Frozen, match="no token is sent elsewhere"):
            bench.remove([first])
        assert not other.journal


def test_a_registration_that_is_not_allowed_is_explained(bench: Bench, office: Office) -> None:
    """Proves that the initial access token is named as the cause."""
    office.token = "another-one"
    with pytest.raises(Frozen, match=r"HTTP 401 invalid_token.*initial access token"):
        bench.step([bench.version(1)])


def test_metadata_that_the_server_refuses_is_explained(bench: Bench, office: Office, api: OidcServer) -> None:
    """Proves that the server's word is passed on, and that nothing is left."""
    office.settings = {"metadata": {"grant_types": ["unheard_of"]}}
    with pytest.raises(Frozen, match=r"HTTP 400 invalid_client_metadata.*Correct the declared metadata"):
        bench.step([bench.version(1)])
    assert not api.clients


def test_an_answer_without_a_client_is_explained(bench: Bench, api: OidcServer) -> None:
    """Proves that what is no client information response is not taken for one."""
    api.middle = lambda asked, perform: perform() if asked.method == "GET" else Said(201, {"welcome": "x"})
    with pytest.raises(Frozen, match=rf"'rotator {ROTATION} [0-9a-f]+' names no client_id"):
        bench.step([bench.version(1)])


def test_a_server_without_registration_is_found_out_before_the_first_version(
    office: Office, api: OidcServer
) -> None:
    """Proves that `check_free` stops what could not begin."""
    office.provider().check_free(ROTATION)
    api.changed_document = {"registration_endpoint": None}
    with pytest.raises(Rejected, match="declares no registration_endpoint"):
        office.provider().check_free(ROTATION)


def test_a_declared_endpoint_needs_no_discovery(office: Office, api: OidcServer, canary: Canary) -> None:
    """Proves that the endpoint that a person declared is used as it is."""
    office.settings = {"endpoint": f"{api.issuer}/register"}
    api.changed_document = {"registration_endpoint": None}
    bench = office.bench(canary, lambda copy: is_let_in(api, copy))
    first = bench.version(1)
    bench.reach([first])
    assert bench.logs_in(bench.copy(first))


def test_no_initial_access_token_is_sent_where_none_is_declared(
    bench: Bench, office: Office, api: OidcServer
) -> None:
    """Proves that an open registration is asked without one."""
    office.settings = {"access": None}
    seen: list[bool] = []

    def middle(asked: Asked, perform: Callable[[], Said]) -> Said:
        seen.append("authorization" in asked.headers)
        return perform()

    api.middle = middle
    with pytest.raises(Frozen):
        bench.step([bench.version(1)])
    assert seen == [False, False]


# --- answers that are lost --------------------------------------------------------------------------------------------------------


def losing(method: str, *, after: bool) -> Callable[[Asked, Callable[[], Said]], Said]:
    """Lose the answer to the first request by `method`, before or after it took effect."""
    first = iter([True])

    def middle(asked: Asked, perform: Callable[[], Said]) -> Said:
        if asked.method == method and "/register" in asked.path and next(first, False):
            if after:
                perform()
            raise HangUp
        return perform()

    return middle


@pytest.mark.parametrize("after", [True, False])
def test_a_lost_registration_is_said_and_the_next_run_goes_on(
    bench: Bench, api: OidcServer, after: bool
) -> None:
    """Proves the limit: at most one client a run is lost, it is named, and it takes nothing else with it."""
    api.middle = losing("POST", after=after)
    first = bench.version(1)
    with pytest.raises(Frozen, match=rf"'rotator {ROTATION} {first}'.*look for it and remove it"):
        bench.step([first])
    bench.reach([first])
    assert bench.logs_in(bench.copy(first))
    assert len(api.clients) == (2 if after else 1)
    assert {c.metadata["software_version"] for c in api.clients.values()} == {first}


@pytest.mark.parametrize("once", [True, False], ids=["tokens for one use", "tokens that stay"])
@pytest.mark.parametrize("after", [True, False])
def test_a_lost_removal_is_carried_on(bench: Bench, api: OidcServer, after: bool, once: bool) -> None:
    """Proves that the client ends, and that a DELETE is made again only where the client is let in still (I6)."""
    api.dialect = Dialect(tokens_last_for_one_use=once)
    first = bench.version(1)
    bench.reach([first])
    second = bench.version(2)
    bench.reach([first, second])
    lose, seen = losing("DELETE", after=after), []

    def middle(asked: Asked, perform: Callable[[], Said]) -> Said:
        seen.append(asked.method)
        return lose(asked, perform)

    api.middle = middle
    bench.reach([second], [first])
    assert seen.count("DELETE") == (1 if after else 2)
    assert not bench.logs_in(bench.copy(first))
    assert bench.logs_in(bench.copy(second))
    assert len(api.clients) == 1


@pytest.mark.parametrize("status", [401, 403, 404, 405])
def test_a_client_that_cannot_be_removed_is_named_until_somebody_removes_it(
    bench: Bench, api: OidcServer, status: int
) -> None:
    """Proves that a refused removal is never taken for a removal while the client is let in."""
    first = bench.version(1)
    bench.reach([first])
    second = bench.version(2)
    bench.reach([first, second])
    api.middle = lambda asked, perform: Said(status) if asked.method == "DELETE" else perform()
    name = bench.material[first]["client_id"].reveal()
    for _ in range(2):
        with pytest.raises(Frozen, match=rf"the client {name} of version {first} cannot be removed"):
            bench.step([second], [first])
    assert bench.logs_in(bench.copy(first))
    del api.clients[name]
    bench.reach([second], [first])
    assert bench.logs_in(bench.copy(second))


def test_a_busy_server_is_asked_again(bench: Bench, api: OidcServer) -> None:
    """Proves that 429 with Retry-After is waited for, and makes no second client."""
    first_time = iter([True])

    def middle(asked: Asked, perform: Callable[[], Said]) -> Said:
        if asked.method == "POST" and next(first_time, False):
            return Said(429, headers={"Retry-After": "7"})
        return perform()

    api.middle = middle
    first = bench.version(1)
    bench.reach([first])
    assert len(api.clients) == 1


def test_a_server_that_stays_busy_ends_the_look(bench: Bench, api: OidcServer) -> None:
    """Proves that nothing is concluded from 503."""
    api.middle = lambda asked, perform: perform() if asked.method == "GET" else Said(503)
    with pytest.raises(Unavailable):
        bench.step([bench.version(1)])
    assert not api.clients


def test_a_deletion_goes_on_where_another_one_stopped(bench: Bench, api: OidcServer) -> None:
    """Proves it for a run that was killed between two removals: nothing of it was kept."""
    first = bench.version(1)
    bench.reach([first])
    second = bench.version(2)
    bench.reach([first, second])
    left = iter([None])
    with pytest.raises(StopIteration):  # the guard before the second removal: a kill
        bench.remove([first, second], lambda: next(left))
    assert len(api.clients) == 1
    assert len(bench.remove([first, second])) == 2
    assert not api.clients


def test_the_registration_access_token_is_used_for_nothing_but_the_removal(
    bench: Bench, api: OidcServer
) -> None:
    """Proves that no answer can replace it: a client is never read or changed."""
    first = bench.version(1)
    bench.reach([first])
    second = bench.version(2)
    bench.reach([first, second])
    bench.reach([second], [first])
    managed = [method for method, path, _ in api.journal if "/register/" in path]
    assert managed == ["DELETE"]


def test_what_it_says_of_itself(office: Office) -> None:
    """Proves that its label is of one rotation, and that nobody is asked for a value in use."""
    provider = office.provider()
    assert provider.label == f"registration at {office.issuer} for {ROTATION}"
    assert provider.current() is None
