"""Ory Hydra: its decision as a table, the contract suite, and whole lives with a fault at every request."""

from __future__ import annotations

import base64
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import quote_plus

import pytest

from rotator.clients.http import Http
from rotator.clients.oauth import BASIC, OAuthLogin
from rotator.core.sensitive import Sensitive
from rotator.credentials.oauth_client.maker import OAuthClient
from rotator.engine.installation import Installation
from rotator.errors import Frozen, Rejected, Unavailable
from rotator.ports import Aim, Blocked, Copy
from rotator.systems.hydra.client import (
    NOTE,
    HydraClient,
    Mark,
    Note,
    Only,
    Rotate,
    Seen,
    Step,
    Watch,
    decide,
    read_client,
)
from tests.providers.contract import ROTATION, Bench, ProviderContract
from tests.providers.exploration import Fault, Life, Virtual, World, http
from tests.providers.hydra_server import CLIENT, FIRST_SECRET, KEPT, HydraApi
from tests.providers.real_hydra import RealHydra
from tests.providers.served import Asked, HangUp, Said, Served
from tests.providers.vendor_sdks import Sdk

HERE = "hydra https://acme.example client payments"
THEN, LATER = "2030-01-01T00:00:00Z", "2030-01-01T00:00:07Z"


# --- the decision --------------------------------------------------------------------------------------------------


def version(spelled: str) -> Copy:
    """Return a version: `a` has a value, `a?` has none yet, `a1` has the note of our change 1, `a1!` made it the only one."""
    material: dict[str, Sensitive] = {}
    if "?" not in spelled:
        material["client_secret"] = Sensitive(f"value-of-{spelled[0]}")
    if number := "".join(c for c in spelled if c.isdigit()):
        note = Note(token=f"m{number}", updated_at=THEN, tries=1, number=int(number), alone="!" in spelled)
        material[NOTE] = note.kept()
    return Copy(spelled[0], material)


def aim(accept: str, forget: str = "") -> Aim:
    """Return what is wanted."""
    accepted, forgotten = (tuple(version(s) for s in text.split()) for text in (accept, forget))
    known = frozenset(c.id for c in (*accepted, *forgotten))
    return Aim(rotation=ROTATION, accept=accepted, forget=forgotten, known=known, settled=False)


def seen(mark: str, at: str = THEN, method: str = "client_secret_basic", rotation: str = ROTATION) -> Seen:
    """Return a client: `3 adding b 2` is our mark 3, for b's second try; empty: there is none."""
    if not mark:
        return Seen(method=method, updated_at=at, mark=None, fence=None)
    number, state, version_id, tries = mark.split()
    found = Mark(token=f"m{number}", rotation=rotation, version=version_id, state=state, tries=int(tries))
    return Seen(method=method, updated_at=at, mark=found, fence=found.token)


def said(step: Step | Blocked | None) -> str:
    """Write a decision in words."""
    match step:
        case Rotate(copy, tries):
            return f"rotate for {copy.id}, try {tries}"
        case Only(copy):
            return f"only {copy.id}" if copy else "only what nobody knows"
        case Watch():
            return "watch"
        case Blocked():
            return "blocked"
        case _:
            return "nothing"


@pytest.mark.parametrize(
    ("mark", "accept", "forget", "expected"),
    [
        # the first version
        ("", "a?", "", "rotate for a, try 1"),
        ("5 adding a 1", "a?", "", "rotate for a, try 2"),
        ("5 adding a 9", "a?", "", "rotate for a, try 10"),  # nothing of ours can be pushed out
        ("1 adding a 1", "a1", "", "nothing"),
        ("", "a", "", "watch"),  # it was taken over
        ("1 watched a 0", "a1", "", "nothing"),
        ("9 ended a 0", "a?", "", "rotate for a, try 1"),  # what an earlier life of the rotation left
        # the second beside it
        ("1 adding a 1", "a1 b?", "", "rotate for b, try 1"),
        ("5 adding b 1", "a1 b?", "", "rotate for b, try 2"),
        ("5 adding b 3", "a1 b?", "", "rotate for b, try 4"),
        ("5 adding b 4", "a1 b?", "", "only a"),  # one more would leave no place free
        ("2 only a 0", "a2! b?", "", "rotate for b, try 1"),
        ("2 adding b 1", "a1 b2", "", "nothing"),
        # a third beside two
        ("2 adding b 1", "a1 b2 c?", "", "rotate for c, try 1"),
        ("5 adding c 2", "a1 b2 c?", "", "rotate for c, try 3"),
        # the old one is withdrawn
        ("2 adding b 1", "b2", "a1", "only b"),
        ("5 only b 0", "b2", "a1", "only b"),  # the answer was lost
        ("3 only b 0", "b3!", "a1", "nothing"),
        ("", "b3!", "a1", "nothing"),  # what somebody did afterwards is another matter
        ("4 adding b 1", "a3!", "b4", "only a"),  # back to the older one
        ("2 adding b 1", "b2 c?", "a1", "rotate for c, try 1"),
        ("3 adding c 1", "b2 c3", "a1", "blocked"),
        # it is deleted
        ("2 adding b 1", "", "a1 b2", "only what nobody knows"),
        ("5 ended b 0", "", "a1 b2", "nothing"),
        ("", "", "a?", "nothing"),
        ("5 adding a 1", "", "a?", "only what nobody knows"),
    ],
)
def test_what_comes_next(mark: str, accept: str, forget: str, expected: str) -> None:
    """The decision, whole: what is seen, what is wanted, what is done."""
    assert said(decide(seen(mark), aim(accept, forget), "Stop", HERE)) == expected


@pytest.mark.parametrize(
    ("mark", "at", "accept", "forget", "expected"),
    [
        ("1 adding a 1", LATER, "a1 b?", "", "rotate for b, try 1"),
        ("2 adding b 1", LATER, "b2", "a1", "only b"),
        ("", THEN, "a1 b?", "", "only a"),  # how often we tried is not known any more
        ("", THEN, "b2", "a1", "only b"),
        ("2 adding b 1", LATER, "", "a1 b2", "only what nobody knows"),
    ],
)
def test_a_change_by_somebody_else_stops_it_unless_that_is_declared(
    mark: str, at: str, accept: str, forget: str, expected: str
) -> None:
    """By `updated_at`, or by our mark that is gone."""
    with pytest.raises(Frozen, match=r"was changed by somebody else.*Nothing was changed.*others: Leave"):
        decide(seen(mark, at), aim(accept, forget), "Stop", HERE)
    assert said(decide(seen(mark, at), aim(accept, forget), "Leave", HERE)) == expected


def test_the_mark_of_another_rotation_counts_as_somebody_elses() -> None:
    """Two rotations of one client do not work against each other."""
    with pytest.raises(Frozen, match="somebody else"):
        decide(seen("5 adding b 1", rotation="orders/client"), aim("a1 b?"), "Stop", HERE)


def test_where_nothing_has_changed_the_same_instant_may_be_written_otherwise() -> None:
    """Databases write time zones in their own ways."""
    shown = seen("1 adding a 1", "2030-01-01T00:00:00+00:00")
    assert said(decide(shown, aim("a1 b?"), "Stop", HERE)) == "rotate for b, try 1"


def test_a_third_that_would_push_out_the_first_is_not_asked_for() -> None:
    """With two in use there is none that could be made the only one."""
    with pytest.raises(Frozen, match=r"3 new secrets.*Nothing was withdrawn"):
        decide(seen("5 adding c 3"), aim("a1 b2 c?"), "Stop", HERE)


def test_a_client_without_secrets_is_named() -> None:
    """Hydra refuses to rotate for other methods."""
    with pytest.raises(Frozen, match="private_key_jwt, expected client_secret_basic or client_secret_post"):
        decide(seen("", method="private_key_jwt"), aim("a?"), "Stop", HERE)


def test_a_client_that_is_not_there() -> None:
    """Somebody has to make it; where ours are to be withdrawn, nothing is left to do."""
    with pytest.raises(Frozen, match="does not exist"):
        decide(None, aim("a?"), "Stop", HERE)
    assert decide(None, aim("", "a1"), "Stop", HERE) is None


@pytest.mark.parametrize(
    "metadata",
    [None, {}, "text", {"rotator": None}, {"rotator": {"x": 1}}, {"rotator": {"x": {"tries": "y"}}}],
)
def test_what_somebody_wrote_in_the_place_of_our_mark_is_none(metadata: object) -> None:
    """Metadata belong to everybody."""
    assert read_client({"updated_at": THEN, "metadata": metadata}).mark is None


# --- at the contract server ----------------------------------------------------------------------------------------


def let_in(token_endpoint: str, client: str, secret: str) -> bool:
    """Log in beside the product's own code (RFC 6749, section 4.4)."""
    pair = f"{quote_plus(client)}:{quote_plus(secret)}"
    request = urllib.request.Request(
        token_endpoint,
        data=b"grant_type=client_credentials",
        headers={"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"},
    )
    try:
        with urllib.request.urlopen(request, timeout=10):
            return True
    except urllib.error.HTTPError as error:
        if error.code == 401:
            return False
        raise


def copy_of(number: int, client: str = CLIENT) -> Copy:
    """Make a version as the credential kind does: Hydra makes the secret."""
    made = OAuthClient(issuer="https://acme.example", client_id=client, made_by_provider=True).make(
        ROTATION, number
    )
    return Copy(made.id, made.material)


@dataclass
class Org:
    """A Hydra, and rotator beside it."""

    api: HydraApi
    url: str
    clock: Virtual
    http: Http
    others: str = "Stop"
    strangers: list[str] = field(default_factory=list)
    """Secrets that somebody else made, and that must not be ended."""

    def provider(self) -> HydraClient:
        """Return the provider as a new run would make it."""
        return HydraClient(http=self.http, url=self.url, client=CLIENT, others=self.others)

    def settle(self) -> None:
        """Let two seconds pass: Hydra's instants are whole seconds."""
        self.clock.sleep(2)

    def bench(self) -> Bench:
        """Return a bench at a fresh client."""
        return Bench(
            provider=self.provider,
            make=copy_of,
            logs_in=self.logs_in,
            settle=self.settle,
        )

    def logs_in(self, copy: Copy) -> bool:
        """Whether the token endpoint lets a version in."""
        secret = copy.material.get("client_secret")
        return secret is not None and let_in(f"{self.url}/oauth2/token", CLIENT, secret.reveal())


@pytest.fixture
def org() -> Iterator[Org]:
    """Start a Hydra with one client."""
    clock = Virtual()
    api = HydraApi(clock.now)
    with Served(api) as served:
        api.url = served.url
        yield Org(api, served.url, clock, http(clock))


class TestContract(ProviderContract):
    """What every provider keeps."""

    @pytest.fixture
    def bench(self, org: Org) -> Bench:
        """Return a bench at a fresh client."""
        return org.bench()


def journal(org: Org) -> list[str]:
    """Return the requests so far."""
    return [f"{method} {path.removeprefix('/admin/clients/')}" for method, path, _ in org.api.journal]


def test_the_requests_of_a_rotation(org: Org) -> None:
    """Three that change something, and a look after each step."""
    bench = org.bench()
    first = bench.version(1)
    bench.reach([first])
    second = bench.version(2)
    org.api.journal.clear()
    bench.reach([first, second])
    bench.reach([second], [first])
    look, change = "GET payments", "PATCH payments"
    assert journal(org) == [look, change, "POST payments/secrets/rotate", look, look, change, look]


def test_what_was_taken_over_is_watched_and_ends_with_the_first_withdrawal(org: Org) -> None:
    """Taking over changes no secret."""
    bench = org.bench()
    first = bench.version(1)
    bench.material[first] = {**bench.material[first], "client_secret": Sensitive(FIRST_SECRET)}
    bench.reach([first])
    assert bench.logs_in(bench.copy(first))
    second = bench.version(2)
    bench.reach([first, second])
    assert bench.logs_in(bench.copy(first))
    bench.reach([second], [first])
    assert not org.api.accepts(FIRST_SECRET)
    assert org.api.client.previous == ()


@pytest.mark.parametrize("somebody", ["rotates", "edits", "takes our mark away"])
def test_somebody_elses_change_freezes_and_ends_nothing(org: Org, somebody: str) -> None:
    """Not even where the credential is deleted; declared as harmless, it goes on."""
    bench = org.bench()
    first = bench.version(1)
    bench.reach([first])
    second = bench.version(2)
    bench.reach([first, second])
    org.settle()
    theirs = org.api.rotate() if somebody == "rotates" else ""
    if somebody == "edits":
        org.api.edit(scope="orders")
    if somebody == "takes our mark away":
        org.api.edit(metadata={"team": "payments"})
    org.api.journal.clear()
    with pytest.raises(Frozen, match="was changed by somebody else"):
        bench.step([second], [first])
    with pytest.raises(Frozen, match="was changed by somebody else"):
        Installation(org.provider()).remove(
            ROTATION, lambda: [bench.copy(first), bench.copy(second)], lambda: None
        )
    assert set(journal(org)) == {"GET payments"}
    assert not theirs or org.api.accepts(theirs)
    assert bench.logs_in(bench.copy(first))
    org.others = "Leave"
    bench.reach([second], [first])
    assert bench.logs_in(bench.copy(second))
    assert not bench.logs_in(bench.copy(first))


def test_our_own_settings_are_not_the_only_metadata(org: Org) -> None:
    """What others keep there stays, and our marks do not pile up."""
    org.api.edit(metadata={"team": "payments"})
    bench = org.bench()
    first = bench.version(1)
    bench.reach([first])
    second = bench.version(2)
    bench.reach([first, second])
    metadata = org.api.client.document["metadata"]
    assert metadata["team"] == "payments"
    assert len(metadata["rotator"]) == 1


def test_however_many_replies_are_lost_the_one_in_use_is_never_pushed_out(org: Org) -> None:
    """Each lost reply leaves a secret; in time all those are ended, by the one in use."""
    bench = org.bench()
    first = bench.version(1)
    bench.reach([first])
    second = bench.version(2)

    def lose(asked: Asked, perform: Callable[[], Said]) -> Said:
        answer = perform()
        if asked.path.endswith("/secrets/rotate"):
            raise HangUp
        return answer

    org.api.middle = lose
    known, ended = bench.material[first]["client_secret"], 0
    for _ in range(40):
        before = len(org.api.client.previous)
        bench.step([first, second])
        assert bench.logs_in(bench.copy(first))
        behind = [*(known.reveal() == s for s in org.api.client.previous), True].index(True)
        assert org.api.client.secret == known.reveal() or behind < KEPT - 1, (
            "no place is free for a rotation that comes late"
        )
        ended += len(org.api.client.previous) < before
        org.clock.sleep(1)
    assert ended > 2
    org.api.middle = lambda _, perform: perform()
    bench.reach([first, second])
    bench.reach([second], [first])
    assert bench.logs_in(bench.copy(second))
    assert org.api.client.previous == ()


@pytest.mark.parametrize("late", ["the withdrawal", "the mark"])
def test_a_call_that_comes_late_changes_nothing(org: Org, late: str) -> None:
    """A run is held up between its look and its call; the next ones go on, and then its call arrives."""
    bench = org.bench()
    first = bench.version(1)
    bench.reach([first])
    second = bench.version(2)
    if late == "the withdrawal":
        bench.reach([first, second])
    wanted = bench.want([second], [first]) if late == "the withdrawal" else bench.want([first, second])
    call = org.provider().next_call(Installation(org.provider())._aim(wanted))  # noqa: SLF001 - as the engine asks
    assert call is not None
    assert not isinstance(call, Blocked)
    bench.reach([first, second])
    bench.reach([second], [first])
    third = bench.version(3)
    bench.reach([second, third])
    before = org.api.client
    with pytest.raises(Exception, match="HTTP 500"):
        call.run()
    assert org.api.client == before
    assert bench.logs_in(bench.copy(second))
    assert bench.logs_in(bench.copy(third))


@pytest.mark.parametrize(("others", "free"), [("Stop", False), ("Leave", True)])
def test_whether_the_first_may_be_added(org: Org, others: str, free: bool) -> None:
    """A client has a secret from its beginning."""
    org.others = others
    if free:
        org.provider().check_free(ROTATION)
        return
    with pytest.raises(Frozen, match=r"Nothing was changed.*spec.takeOver"):
        org.provider().check_free(ROTATION)


def test_hydra_shows_no_secret(org: Org) -> None:
    """Nothing can be taken over from it."""
    assert org.provider().current() is None


def test_another_server_at_the_address_is_named(org: Org) -> None:
    """Such as the public API."""
    org.api.edit()
    del org.api.client.document["updated_at"]
    bench = org.bench()
    with pytest.raises(Rejected, match=r"updated_at is missing\. Is this its address"):
        bench.step([bench.version(1)])


def test_metadata_that_is_no_object_is_left_alone(org: Org) -> None:
    """There is no place for a mark."""
    org.api.edit(metadata=["theirs"])
    bench = org.bench()
    with pytest.raises(Frozen, match=r"metadata.*is no object"):
        bench.step([bench.version(1)])
    assert org.api.client.document["metadata"] == ["theirs"]


def test_a_rate_limit_that_lasts_ends_the_run_and_changes_nothing(org: Org) -> None:
    """It is waited for as asked, and then given up until the next run."""
    bench = org.bench()
    org.api.limited = 100
    with pytest.raises(Unavailable):
        bench.step([bench.version(1)])
    assert org.api.accepts(FIRST_SECRET)
    assert org.api.client.previous == ()


def test_the_products_own_login_agrees(org: Org) -> None:
    """The proof by login says the same as the server's truth."""
    bench = org.bench()
    first = bench.version(1)
    bench.reach([first])
    second = bench.version(2)
    bench.reach([first, second])
    bench.reach([second], [first])
    login = OAuthLogin(http=org.http, issuer=f"{org.url}/", method=BASIC, clock=org.clock)
    assert login.accepted(bench.copy(second))
    assert not login.accepted(bench.copy(first))


# --- whole lives ---------------------------------------------------------------------------------------------------


class HydraLife(Life):
    """A life at Hydra: what others made before our look is not ended by us."""

    world: HydraWorld

    def _between(self, asked: Asked, perform: Callable[[], Said]) -> Said:
        self.world.asked = asked
        try:
            return super()._between(asked, perform)
        finally:
            if not all(self.world.accepts(s) for s in self.world.org.strangers):
                self.refused.append(f"somebody else's, after {asked.method} {asked.path}")


@dataclass(kw_only=True)
class HydraWorld(World):
    """Hydra, and somebody who makes secrets there."""

    org: Org
    asked: Asked | None = None


def world(org: Org) -> HydraWorld:
    """Return the server and somebody else at it."""

    def somebody_rotates() -> None:
        """What was there before us is for `check_free`; and between our look and our change nobody can be seen."""
        theirs = org.api.rotate()
        if found.asked and found.asked.method == "GET" and "rotator" in org.api.client.document["metadata"]:
            org.strangers.append(theirs)

    def the_person_decides() -> None:
        org.others = "Leave"
        org.strangers.clear()

    def limit(requests: int) -> None:
        org.api.limited = requests

    found = HydraWorld(
        api=org.api,
        bench=org.bench(),
        accepts=org.api.accepts,
        add_anothers=somebody_rotates,
        take_anothers_away=the_person_decides,
        anothers=lambda: (),
        take_away=lambda _: None,
        limit=limit,
        org=org,
    )
    return found


REQUESTS = 18


def test_a_life_without_faults_has_so_many_requests(org: Org) -> None:
    """The schedules cover them all."""
    life = HydraLife(world(org))
    life.live()
    assert life.requests == REQUESTS
    assert life.told == []


@pytest.mark.parametrize(
    ("fault", "at"),
    [(fault, at) for fault in Fault if fault is not Fault.TAKEN_AWAY for at in range(REQUESTS)],
)
def test_a_life_with_a_fault_at_every_request(org: Org, fault: Fault, at: int) -> None:
    """It converges, what is in use is let in all the time, and what others made before our look is not ended."""
    life = HydraLife(world(org), fault, at)
    life.live()
    if fault is Fault.ANOTHERS and org.others == "Leave":
        assert any("was changed by somebody else" in told for told in life.told)


# --- Ory's own SDK -------------------------------------------------------------------------------------------------


@pytest.mark.real_provider
@pytest.mark.filterwarnings("ignore")  # what it warns of is its vendor's to mend
def test_orys_own_sdk_understands_the_contract_server(org: Org, sdk: Sdk) -> None:
    """An independent client of the routes. This one is older than the rotation of secrets."""
    ory = sdk("ory_hydra_client")
    bench = org.bench()
    first = bench.version(1)
    bench.reach([first])
    api = ory.OAuth2Api(ory.ApiClient(ory.Configuration(host=org.url)))
    shown = api.get_o_auth2_client(CLIENT)
    assert shown.client_id == CLIENT
    assert shown.client_secret is None
    org.settle()
    patch = ory.JsonPatch(op="replace", path="/scope", value="orders")
    assert api.patch_o_auth2_client(CLIENT, [patch]).scope == "orders"
    assert bench.logs_in(bench.copy(first))
    second = bench.version(2)
    with pytest.raises(Frozen, match="was changed by somebody else"):
        bench.step([first, second])
    shown.client_secret = "set-by-the-sdk"
    api.set_o_auth2_client(CLIENT, shown)
    assert not bench.logs_in(bench.copy(first))


# --- a real Hydra --------------------------------------------------------------------------------------------------


class TestRealHydra(ProviderContract):
    """The same at the real thing; each test has a client of its own."""

    pytestmark = pytest.mark.real_provider

    @pytest.fixture
    def bench(self, real_hydra: RealHydra) -> Bench:
        """Return a bench at a fresh client."""
        client, _ = real_hydra.new_client()
        if not real_hydra.rotates(real_hydra.new_client()[0]):
            pytest.skip("THIS HYDRA IS TOO OLD: it has no way to rotate secrets")
        client_of_hydra = http(Virtual())

        def logs_in(copy: Copy) -> bool:
            """Whether the token endpoint lets a version in."""
            secret = copy.material.get("client_secret")
            return secret is not None and let_in(f"{real_hydra.public}/oauth2/token", client, secret.reveal())

        return Bench(
            provider=lambda: HydraClient(http=client_of_hydra, url=real_hydra.admin, client=client),
            make=lambda number: copy_of(number, client),
            logs_in=logs_in,
        )
