"""Entra ID: its decision as tables, the contract suite, whole lives with a fault at every request, and Microsoft's SDK."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from rotator.clients.oauth import BASIC, POST, OAuthLogin, StaticToken
from rotator.core.sensitive import Sensitive
from rotator.credentials.oauth_client.maker import OAuthClient
from rotator.engine.installation import Installation
from rotator.errors import Ambiguous, Forbidden, Frozen, Rejected, Unavailable
from rotator.ports import Aim, Blocked, Call, Copy
from rotator.systems.entra.client import (
    EARLIER,
    KEY_ID,
    LONGEST_NAME,
    MADE,
    SETTLES,
    VALUE,
    EntraApplication,
    Move,
    Password,
    Question,
    decide,
    name_of,
)
from tests.providers.contract import ROTATION, Bench, ProviderContract
from tests.providers.entra_server import CLIENT, OBJECT, TOKEN, EntraApi
from tests.providers.exploration import (
    LOGINS,
    READS,
    START,
    Fault,
    Life,
    Virtual,
    World,
    http,
    schedules,
)
from tests.providers.served import HangUp, Said, Served
from tests.providers.vendor_sdks import Sdk

LASTS = timedelta(days=90)
HERE = "entra https://graph.example application 03ef"
MINUTE = timedelta(minutes=1)


# --- the decision ---------------------------------------------------------------------------------------------------


def password(key_id: str, of: str = "", *, hint: str = "", ends: timedelta = LASTS) -> Password:
    """Return a password as it is read; `of`: the version that it is named after."""
    name = name_of(ROTATION, of) if of else "by hand"
    return Password(key_id=key_id, name=name, hint=hint, ends=START + ends)


def version(name: str, key_id: str = "", *, made: timedelta = LASTS, earlier: str = "") -> Copy:
    """Return a version: without a key id nothing was learned of it. `made`: how long ago."""
    if not key_id:
        return Copy(name, {})
    at = (START - made).isoformat()
    notes = {KEY_ID: key_id, MADE: at, EARLIER: earlier, VALUE: f"value of {key_id}"}
    return Copy(name, {field: Sensitive(text) for field, text in notes.items()})


def taken_over(name: str, value: str) -> Copy:
    """Return a version whose value was taken over."""
    return Copy(name, {VALUE: Sensitive(value)})


def question(  # noqa: PLR0913 - the parts of a question
    found: Sequence[Password],
    accept: Sequence[Copy],
    forget: Sequence[Copy] = (),
    *,
    others: str = "Stop",
    tried: str = "",
    removed: str = "",
) -> Question:
    """Return what is asked; `a` to `d` are versions of the ring, `z` one that was destroyed."""
    known = frozenset({"a", "b", "c", "d", "z"})
    wanted = Aim(rotation=ROTATION, accept=tuple(accept), forget=tuple(forget), known=known, settled=False)
    return Question(
        found=found,
        aim=wanted,
        stop=others == "Stop",
        removed=frozenset(removed.split()),
        tried=frozenset(f"{tried} {removed}".split()),
        now=START,
        where=HERE,
    )


def said(asked: Question) -> str:
    """Write a decision as `STEP WHAT`."""
    try:
        move = decide(asked)
    except Frozen as error:
        return "frozen" if "Nothing was changed" in str(error) else str(error)
    if isinstance(move, Blocked):
        return f"blocked: {move.waiting}"
    if not isinstance(move, Move):
        return "nothing"
    parts = (move.step, move.copy.id if move.copy else "", move.password.key_id if move.password else "")
    return " ".join(part for part in parts if part)


A, B = version("a", "k1"), version("b", "k2")
K1, K2 = password("k1", "a"), password("k2", "b")
LOST = password("k9", "b")


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (question([], [version("a")]), "add a"),
        (question([K1], [A]), "nothing"),
        (question([K1], [A, version("b")]), "add b"),
        (question([K1, K2], [A, B]), "nothing"),
        (question([K1, K2], [B], [A]), "remove k1"),
        (question([K2], [B], [A]), "nothing"),
        (question([K1, K2], [], [A, B]), "remove k1"),
        (question([K2], [], [A, B]), "remove k2"),
        (question([], [], [A, B]), "nothing"),
        (question([K1, K2], [B], [version("a")]), "remove k1"),  # by its name alone
        # a reply was lost, and the value with it
        (question([K1, LOST], [A, version("b")]), "remove k9"),
        (question([K1, LOST], [A, version("b")], tried="k9"), "add b"),
        (question([K1, K2, LOST], [A, B]), "remove k9"),
        (question([K1, password("k8", "z")], [A]), "remove k8"),
        # replicas
        (
            question([K1], [A, version("b", "k2", made=SETTLES - MINUTE)]),
            "blocked: the password of b was added",
        ),
        (question([K1, K2], [B], [A], removed="k1"), f"blocked: {K1.name!r} was removed"),
        (question([K1, K2], [B], [A], tried="k1"), f"blocked: {K1.name!r} was removed"),
        (question([K2], [B], [version("a", "k1", made=MINUTE)]), "blocked: the password of a was added"),
        (
            question([K2], [B], [version("a", "k1", made=MINUTE)], tried="k1"),
            "blocked: the password of a was added",
        ),
        (question([K2], [B], [version("a", "k1", made=MINUTE)], removed="k1"), "nothing"),
        # it is gone, or over: another for the same version, and the earlier one stays if it turns up again
        (question([K1], [A, B]), "add b"),
        (question([K2], [A, B]), "add a"),
        (question([K1, password("k2", "b", ends=-MINUTE)], [A, B]), "add b"),
        (question([K1, K2], [version("a", "k1"), version("b", "k3", earlier="k2")]), "add b"),
        (question([K1, K2, password("k3", "b")], [A, version("b", "k3", earlier="k2")]), "nothing"),
        (question([K1, K2, password("k3", "b")], [A], [version("b", "k3", earlier="k2")]), "remove k2"),
        # nothing that was accepted is withdrawn before what is to be accepted is there
        (question([K1], [version("b")], [A]), "add b"),
        (question([K1], [B], [A]), "add b"),
        (question([K1], [version("b", "k2", made=MINUTE)], [A]), "blocked: the password of b was added"),
    ],
)
def test_what_comes_next(asked: Question, expected: str) -> None:
    """The table: what is there, what is to be accepted, what is to be forgotten, and the next step."""
    assert said(asked).startswith(expected)


@pytest.mark.parametrize(
    ("asked", "stop", "leave"),
    [
        (question([password("x")], [version("a")]), "frozen", "add a"),
        (question([K1, password("x")], [A]), "frozen", "nothing"),
        (question([K1, password("x")], [A, version("b")]), "frozen", "add b"),
        (question([K1, K2, password("x")], [B], [A]), "frozen", "remove k1"),
        (question([K1, password("x")], [], [A]), "remove k1", "remove k1"),
        (question([password("x")], [], [A]), "nothing", "nothing"),
        (question([K1, password("x", ends=-MINUTE)], [A]), "nothing", "nothing"),
        (question([K1, password("x", "of another life")], [A]), "frozen", "nothing"),
        (question([password("x")], [A]), "add a", "add a"),  # it was accepted before: it is put back
    ],
)
def test_somebody_elses_password_is_never_touched(asked: Question, stop: str, leave: str) -> None:
    """The table again, with a password of somebody else's (`x`), by what is declared about it."""
    assert said(replace(asked, stop=True)) == stop
    assert said(replace(asked, stop=False)) == leave


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([password("x", hint="abc")], "note a x"),
        ([password("x", hint="abc"), password("y", hint="xyz")], "note a x"),
        ([password("x"), password("y", hint="xyz")], "note a x"),
        ([password("x", hint="abc"), password("y")], "note a x"),
        ([password("x", hint="abc"), password("y", hint="abc")], "frozen"),
        ([password("x"), password("y")], "frozen"),
        ([password("x", hint="xyz")], "frozen"),
        ([password("x", hint="abc", ends=-MINUTE)], "frozen"),
        ([], "frozen"),
    ],
)
def test_which_password_was_taken_over_is_told_by_its_hint(found: list[Password], expected: str) -> None:
    """The directory shows the first three characters; what is not certain is not guessed."""
    assert said(question(found, [taken_over("a", "abcdef")])) == expected


def test_what_was_taken_over_and_not_noted_is_withdrawn_all_the_same() -> None:
    """A run was killed between taking over and noting, and then the credential was deleted."""
    found = [password("x", hint="abc"), password("y", hint="xyz")]
    old = [taken_over("a", "abcdef")]
    assert said(question(found, [], old)) == "remove x"
    assert said(question(found, [], old, tried="x")) == "nothing"
    assert said(question(found[1:], [], old)) == "nothing"


@pytest.mark.parametrize(
    ("rotation", "version_id", "expected"),
    [
        ("payments/client", "3f2a", "rotator/payments/client/3f2a"),
        ("n" * 63 + "/" + "r" * 253, "v" * 43, ""),
    ],
)
def test_a_password_is_named_after_its_version(rotation: str, version_id: str, expected: str) -> None:
    """The name is short enough, and another rotation's is another."""
    name = name_of(rotation, version_id)
    assert len(name) <= LONGEST_NAME
    assert name == expected or len(rotation) > LONGEST_NAME
    assert name.startswith("rotator/")
    assert name.endswith(f"/{version_id}")
    assert name != name_of(f"{rotation}2", version_id)


# --- at the contract server -----------------------------------------------------------------------------------------


class Tenant:
    """A contract server, and what stands before it."""

    def __init__(self, served: Served) -> None:
        self.clock = Virtual()
        self._served = served
        self._https = {token: http(self.clock, access(token)) for token in (TOKEN, "stale")}
        self.plain = http(self.clock)
        self.afresh()

    def afresh(self, *, lag: int = 0) -> None:
        """Begin with an application without a password."""
        self.clock.at = START
        self.api = self._served.api = EntraApi(self.clock)
        self.url = self.api.url = self._served.url
        self.api.passwords.lag = {READS: lag, LOGINS: lag}
        self.credential = OAuthClient(issuer=self.api.issuer, client_id=CLIENT, made_by_provider=True)

    def provider(
        self, *, others: str = "Stop", application: str = OBJECT, token: str = TOKEN
    ) -> EntraApplication:
        """Return the provider as a new run would make it."""
        return EntraApplication(
            http=self._https[token],
            application=application,
            lasts=LASTS,
            clock=self.clock,
            url=self.url,
            others=others,
        )

    def login(self, method: str = POST) -> OAuthLogin:
        """Return the product's login."""
        return OAuthLogin(
            http=self.plain,
            issuer=self.api.issuer,
            method=method,
            clock=self.clock,
            scope="https://graph.microsoft.com/.default",
        )

    def make(self, number: int) -> Copy:
        """Make a version as the credential kind does: without a value."""
        made = self.credential.make(ROTATION, number)
        return Copy(made.id, made.material)

    def settle(self) -> None:
        """Let replicas catch up, and time pass."""
        self.api.passwords.settle()
        self.clock.sleep((SETTLES + MINUTE).total_seconds())

    def bench(self, *, others: str = "Stop") -> Bench:
        """Return a bench at it."""
        return Bench(
            provider=lambda: self.provider(others=others),
            make=self.make,
            logs_in=self.login().accepted,
            settle=self.settle,
        )

    def next(self, bench: Bench, accept: Sequence[str], **provider: str) -> Call:
        """Return the next call."""
        wanted = bench.want(accept)
        aim = Aim(
            rotation=ROTATION,
            accept=wanted.copies,
            forget=(),
            known=frozenset(bench.material),
            settled=False,
        )
        call = self.provider(**provider).next_call(aim)
        assert isinstance(call, Call)
        return call


def access(token: str) -> StaticToken:
    """Return the access of a token."""
    return StaticToken(lambda: Sensitive(token))


@pytest.fixture
def tenant() -> Iterator[Tenant]:
    """A tenant with one application without a password."""
    with Served(EntraApi(Virtual())) as served:
        yield Tenant(served)


class TestContract(ProviderContract):
    """The suite, at the contract server."""

    @pytest.fixture
    def bench(self, tenant: Tenant) -> Bench:
        """A bench at a fresh application."""
        return tenant.bench()


class TestContractWithReplicas(ProviderContract):
    """The suite, where each change is shown only after some more reads and logins."""

    @pytest.fixture
    def bench(self, tenant: Tenant) -> Bench:
        """A bench at a fresh application."""
        tenant.afresh(lag=1)
        return tenant.bench()

    def test_nothing_of_ours_is_left_after_a_deletion(self, bench: Bench) -> None:
        """A deletion is not done while a password is still shown: a later run sees that it is gone."""
        first = bench.version(1)
        bench.reach([first])
        with pytest.raises(Frozen, match="was removed, and is still shown"):
            _remove(bench, first)
        bench.settle()
        assert _remove(bench, first) == ()
        assert not bench.logs_in(bench.copy(first))


def _remove(bench: Bench, version_id: str) -> tuple[str, ...]:
    installation = Installation(bench.provider())
    return installation.remove(ROTATION, lambda: [bench.copy(version_id)], lambda: None)


@pytest.mark.parametrize("method", [BASIC, POST])
def test_the_products_login_tells_accepted_from_refused(tenant: Tenant, method: str) -> None:
    """The token endpoint is one that the product's login understands; an expired password is refused."""
    bench = tenant.bench()
    first = bench.version(1)
    bench.reach([first])
    login = tenant.login(method)
    assert login.accepted(bench.copy(first))
    wrong = Copy(first, {**bench.material[first], VALUE: Sensitive("a wrong value")})
    assert not login.accepted(wrong)
    tenant.clock.sleep(LASTS.total_seconds())
    assert not login.accepted(bench.copy(first))


def test_a_password_lasts_as_long_as_declared_and_carries_its_version(tenant: Tenant) -> None:
    """What a person sees in the portal: whose it is, and until when."""
    bench = tenant.bench()
    first = bench.version(1)
    bench.reach([first])
    (kept,) = tenant.api.passwords.now
    assert kept.name == f"rotator/{ROTATION}/{first}"
    assert kept.ends == START + LASTS
    assert bench.material[first][KEY_ID].reveal() == kept.key_id


def test_a_password_in_use_is_taken_over(tenant: Tenant) -> None:
    """Nothing is changed by it, which one it is is noted at once, and it is withdrawn in its time."""
    kept, other = tenant.api.add_anothers(), tenant.api.add_anothers()
    assert tenant.provider().current() is None
    with pytest.raises(Frozen, match="takeOver"):
        tenant.provider().check_free(ROTATION)
    made = tenant.credential.adopt(Sensitive(kept.value), None, ROTATION)
    bench = tenant.bench(others="Leave")
    bench.material[made.id], bench.numbers[made.id] = made.material, 1
    bench.reach([made.id])
    assert [p.key_id for p in tenant.api.passwords.now] == [kept.key_id, other.key_id]
    assert bench.material[made.id][KEY_ID].reveal() == kept.key_id
    second = bench.version(2)
    bench.reach([made.id, second])
    bench.reach([second], [made.id])
    assert not tenant.api.accepts(kept.value)
    assert tenant.api.anothers() == (other.key_id,)
    assert bench.logs_in(bench.copy(second))


@pytest.mark.parametrize(
    ("lasts", "others", "free"), [(1, "Stop", False), (1, "Leave", True), (-1, "Stop", True)]
)
def test_whether_the_first_can_be_added(tenant: Tenant, lasts: int, others: str, free: bool) -> None:
    """Before there is any version: somebody else's password stops us, unless it is declared to stay, or has expired."""
    tenant.api.add_anothers(lasts=timedelta(days=lasts))
    if free:
        tenant.provider(others=others).check_free(ROTATION)
        return
    with pytest.raises(Frozen, match="'by hand'"):
        tenant.provider(others=others).check_free(ROTATION)


def test_a_password_that_somebody_removed_is_replaced_for_the_same_version(tenant: Tenant) -> None:
    """Its value cannot be given back: another is made, and learned in place of the first; all are remembered."""
    bench = tenant.bench()
    first = bench.version(1)
    bench.reach([first])
    gone = []
    for _ in range(2):
        gone.append(bench.material[first])
        tenant.settle()
        tenant.api.take_away(gone[-1][KEY_ID].reveal())
        bench.reach([first])
        assert bench.logs_in(bench.copy(first))
        assert not tenant.api.accepts(gone[-1][VALUE].reveal())
    assert bench.material[first][EARLIER].reveal().split() == sorted(g[KEY_ID].reveal() for g in gone)


def test_what_an_earlier_run_removed_and_is_still_shown_is_waited_for(tenant: Tenant) -> None:
    """The directory says that it is not there (400), and shows it all the same."""
    bench = tenant.bench()
    first, second = bench.version(1), bench.version(2)
    bench.reach([first, second])
    tenant.api.passwords.lag = {READS: 3}
    assert bench.step([second], [first]).again
    assert bench.step([second], [first]).again
    assert tenant.api.journal[-1][2] == 400
    run = Installation(tenant.provider())
    want = bench.want([second], [first])
    assert run.sync(want, act=True, fresh=False).again
    assert "still shown" in run.sync(want, act=True, fresh=False).waiting
    assert run.sync(want, act=True, fresh=True).confirmed


def test_what_was_just_made_is_deleted_in_one_run(tenant: Tenant) -> None:
    """Not shown after it was removed: that is no replica that lags."""
    bench = tenant.bench()
    first = bench.version(1)
    bench.step([first])
    assert len(_remove(bench, first)) == 1
    with pytest.raises(Frozen, match="was added, and is not shown yet"):
        _remove(bench, first)  # another run cannot know
    tenant.settle()
    assert _remove(bench, first) == ()


def test_a_read_that_lags_for_very_long_refuses_nobody(tenant: Tenant) -> None:
    """The password is replaced as if it were gone; when it turns up it is left alone until its version is withdrawn."""
    bench = tenant.bench()
    first = bench.version(1)
    bench.step([first])
    held = bench.material[first][VALUE].reveal()
    tenant.clock.sleep(SETTLES.total_seconds())
    tenant.api.passwords.lag = {READS: 1}
    tenant.api.passwords.change(tenant.api.passwords.now)  # a replica that shows nothing yet
    tenant.api.passwords._states[0].value = ()  # noqa: SLF001 - what that replica shows
    del tenant.api.passwords._states[1:-1]  # noqa: SLF001 - as above
    bench.step([first])
    assert bench.material[first][VALUE].reveal() != held
    for _ in range(3):
        tenant.settle()
        assert bench.step([first]).confirmed
        assert tenant.api.accepts(held)
    second = bench.version(2)
    bench.reach([first, second])
    bench.reach([second], [first])
    assert not tenant.api.accepts(held)


@pytest.mark.parametrize(
    ("setting", "value", "says"),
    [
        ("most", 0, "Request_BadRequest.*personal accounts use too takes two"),
        ("longest", timedelta(days=30), "CredentialInvalidLifetimeAsPerAppPolicy.*such as last 90d"),
    ],
)
def test_what_the_tenant_refuses_is_explained(tenant: Tenant, setting: str, value: object, says: str) -> None:
    """A policy of the tenant, or of the kind of application."""
    setattr(tenant.api, setting, value)
    bench = tenant.bench()
    first = bench.version(1)
    with pytest.raises(Frozen, match=says):
        bench.step([first])
    assert tenant.api.passwords.now == ()


def test_who_we_are_and_where_is_checked(tenant: Tenant) -> None:
    """No such application, no such token, and the application of another client."""
    bench = tenant.bench()
    first = bench.version(1)
    with pytest.raises(Frozen, match="object id, which is not its client id"):
        tenant.next(bench, [first], application="03ef14b0-of-nobody")
    with pytest.raises(Forbidden) as raised:
        tenant.next(bench, [first], token="stale")
    assert raised.value.reason == "InvalidAuthenticationToken"
    bench.material[first] = {"client_id": Sensitive("another")}
    with pytest.raises(Frozen, match=f"is the client {CLIENT}, and another is declared"):
        tenant.next(bench, [first])


@pytest.mark.parametrize(
    "document",
    [
        [],
        {"appId": CLIENT},
        {"passwordCredentials": []},
        {"appId": CLIENT, "passwordCredentials": [{}]},
        {"appId": CLIENT, "passwordCredentials": ["k1"]},
        {"appId": CLIENT, "passwordCredentials": [{"keyId": "k1", "endDateTime": "soon"}]},
    ],
)
def test_an_answer_of_something_else_is_not_taken_for_an_empty_list(tenant: Tenant, document: Any) -> None:
    """Else a proxy's page would make us add passwords without end."""
    tenant.api.middle = lambda _, __: Said(200, document)
    bench = tenant.bench()
    first = bench.version(1)
    with pytest.raises(Rejected, match="the answer is odd"):
        tenant.next(bench, [first])


def test_an_answer_without_a_value_is_one_that_was_lost(tenant: Tenant) -> None:
    """It may have taken effect: what it left is found by its name, and removed."""
    bench = tenant.bench()
    first = bench.version(1)
    call = tenant.next(bench, [first])

    def without_value(_: object, perform: Any) -> Said:
        perform()
        return Said(200, {"keyId": "k1"})

    tenant.api.middle = without_value
    with pytest.raises(Ambiguous):
        call.run()
    tenant.api.middle = lambda _, perform: perform()
    bench.reach([first])
    assert bench.logs_in(bench.copy(first))
    assert len(tenant.api.passwords.now) == 1


def test_a_value_whose_reply_was_lost_is_removed_before_another_is_made(tenant: Tenant) -> None:
    """Found by its name, for nobody was told its value."""
    bench = tenant.bench()
    first = bench.version(1)
    call = tenant.next(bench, [first])

    def lost(_: object, perform: Any) -> Said:
        perform()
        raise HangUp

    tenant.api.middle = lost
    with pytest.raises(Ambiguous):
        call.run()
    tenant.api.middle = lambda _, perform: perform()
    (left,) = tenant.api.passwords.now
    assert tenant.next(bench, [first]).does.startswith("remove our password")
    assert bench.reach([first]) == 2
    assert left not in tenant.api.passwords.now


def test_a_rate_limit_that_lasts_ends_the_run_and_changes_nothing(tenant: Tenant) -> None:
    """429 outlasts the retries, which wait as long as Retry-After says."""
    bench = tenant.bench()
    first = bench.version(1)
    tenant.api.limited = 100
    before = tenant.clock.at
    with pytest.raises(Unavailable):
        bench.step([first])
    assert tenant.clock.at - before >= 4 * timedelta(seconds=7)
    assert tenant.api.passwords.now == ()


# --- whole lives ----------------------------------------------------------------------------------------------------


def world(tenant: Tenant) -> World:
    """Return the tenant as a life needs it."""

    def take_away(value: str) -> None:
        for kept in tenant.api.passwords.now:
            if kept.value == value:
                tenant.api.take_away(kept.key_id)

    def anothers_away() -> None:
        for key_id in tenant.api.anothers():
            tenant.api.take_away(key_id)

    def add_anothers() -> None:
        tenant.api.add_anothers()

    return World(
        api=tenant.api,
        bench=tenant.bench(others="Leave"),
        accepts=tenant.api.accepts,
        add_anothers=add_anothers,
        take_anothers_away=anothers_away,
        anothers=tenant.api.anothers,
        take_away=take_away,
        limit=lambda times: setattr(tenant.api, "limited", times),
    )


@pytest.mark.parametrize("lag", [0, 2])
@pytest.mark.no_cover
def test_a_fault_at_every_request_of_a_life(
    tenant: Tenant, lag: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Proves I2, I5 and I6 at Entra ID: whatever happens, what is in use is accepted, and all ends as wanted."""
    caplog.set_level(logging.INFO, logger="urllib3")
    tenant.afresh(lag=lag)
    plain = Life(world(tenant))
    plain.live()
    assert lag or not plain.told
    for fault, at in schedules(tenant.api, changes_only=lag > 0):
        tenant.afresh(lag=lag)
        life = Life(world(tenant), fault, at)
        life.live()
        assert life.requests > at
        assert life.told or fault is not Fault.LIMITED_FOR_LONG
        left = [p for p in tenant.api.passwords.now if p.by_us]
        assert left == []


# --- Microsoft's SDK ------------------------------------------------------------------------------------------------


@pytest.mark.real_provider
@pytest.mark.filterwarnings("ignore")  # what it warns of is its vendor's to mend
def test_the_contract_server_is_understood_by_microsofts_sdk(tenant: Tenant, sdk: Sdk) -> None:
    """What we add the SDK shows, what it adds we see and leave alone, and both remove by key id."""
    asyncio.run(_by_sdk(tenant, sdk))


async def _by_sdk(tenant: Tenant, sdk: Sdk) -> None:
    keys = sdk("kiota_abstractions.authentication.api_key_authentication_provider")
    where = keys.KeyLocation.Header
    access = keys.ApiKeyAuthenticationProvider(where, f"Bearer {TOKEN}", "Authorization", ["127.0.0.1"])
    async with sdk("httpx").AsyncClient() as client:
        adapter = sdk("msgraph.graph_request_adapter").GraphRequestAdapter(access, client)
        adapter.base_url = f"{tenant.url}/v1.0"
        service = sdk("msgraph").GraphServiceClient(request_adapter=adapter)
        await _both(tenant, sdk, service.applications.by_application_id(OBJECT))


async def _both(tenant: Tenant, sdk: Sdk, builder: Any) -> None:
    item = "msgraph.generated.applications.item"
    add = sdk(f"{item}.add_password.add_password_post_request_body").AddPasswordPostRequestBody
    remove = sdk(f"{item}.remove_password.remove_password_post_request_body").RemovePasswordPostRequestBody
    errors = sdk("msgraph.generated.models.o_data_errors.o_data_error")
    models = sdk("msgraph.generated.models.password_credential")
    bench = tenant.bench(others="Leave")
    first = bench.version(1)
    bench.reach([first])
    shown = await builder.get()
    assert shown.app_id == CLIENT
    (ours,) = shown.password_credentials
    assert str(ours.key_id) == bench.material[first][KEY_ID].reveal()
    assert ours.display_name == f"rotator/{ROTATION}/{first}"
    assert ours.end_date_time == START + LASTS
    assert ours.hint == bench.material[first][VALUE].reveal()[:3]

    made = await builder.add_password.post(
        add(password_credential=models.PasswordCredential(display_name="by the SDK"))
    )
    assert tenant.api.accepts(made.secret_text)
    second = bench.version(2)
    bench.reach([first, second])
    bench.reach([second], [first])
    assert {str(p.display_name) for p in (await builder.get()).password_credentials} == {
        "by the SDK",
        f"rotator/{ROTATION}/{second}",
    }
    await builder.remove_password.post(remove(key_id=uuid.UUID(str(made.key_id))))
    assert not tenant.api.accepts(made.secret_text)
    with pytest.raises(errors.ODataError) as raised:
        await builder.remove_password.post(remove(key_id=uuid.UUID(str(made.key_id))))
    assert raised.value.response_status_code == 400
