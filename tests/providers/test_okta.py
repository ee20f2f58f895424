"""Okta: its decision as tables, the contract suite, whole lives with a fault at every request, and Okta's own SDK."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from rotator.clients.oauth import BASIC, POST, OAuthLogin, StaticToken
from rotator.core.sensitive import Sensitive
from rotator.credentials.oauth_client.maker import OAuthClient
from rotator.errors import Conflict, Forbidden, Frozen, Unavailable
from rotator.ports import Aim, Blocked, Call, Copy
from rotator.systems.okta.client import (
    MADE,
    SECRET_ID,
    SETTLES,
    SLOTS,
    Move,
    OktaApp,
    Secret,
    decide,
    hash_of,
)
from tests.providers.contract import ROTATION, Bench, ProviderContract
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
from tests.providers.okta_server import APP, TOKEN, OktaApi
from tests.providers.served import Served
from tests.providers.vendor_sdks import Sdk

A, B, C = (letter * 43 for letter in "abc")
HERE = "okta https://acme.example app 0oa1"


# --- the decision ---------------------------------------------------------------------------------------------------


def secret(value: str, *, active: bool = True, number: int = 0, shown: bool = True) -> Secret:
    """Return a secret as it is read."""
    return Secret(
        id=f"ocs-{value[:1]}{number}",
        active=active,
        created="2029-12-31T00:00:00.000Z",
        value=Sensitive(value) if shown else None,
        hash=hash_of(Sensitive(value)),
    )


def version(value: str, *, made: timedelta | None = None) -> Copy:
    """Return the version of a value; `made`: how long ago it was added, if it is known that it was."""
    notes = {}
    if made is not None:
        at = (START - made).isoformat()
        notes = {SECRET_ID: Sensitive(f"ocs-{value[:1]}0"), MADE: Sensitive(at)}
    return Copy(f"version-{value[:1]}", {"client_secret": Sensitive(value), **notes})


def aim(accept: str, forget: str = "", *, settled: bool = False, made: timedelta | None = None) -> Aim:
    """Return what is wanted: a letter for each version."""
    copies = {letter: version(letter * 43, made=made) for letter in accept + forget}
    return Aim(
        rotation=ROTATION,
        accept=tuple(copies[letter] for letter in accept),
        forget=tuple(copies[letter] for letter in forget),
        known=frozenset(copy.id for copy in copies.values()),
        settled=settled,
    )


def found(shown: str) -> list[Secret]:
    """Return secrets: a capital for an active one, a small letter for an inactive one; `x` is somebody else's."""
    return [secret(s.lower() * 43, active=s.isupper(), number=n) for n, s in enumerate(shown)]


def said(move: Move | Blocked | None) -> str:
    """Write a decision as `STEP WHAT`."""
    if isinstance(move, Blocked):
        return f"blocked: {move.waiting}"
    if move is None:
        return "nothing"
    about = move.secret.id if move.secret else move.copy.id if move.copy else ""
    return f"{move.step} {about}".strip()


@pytest.mark.parametrize(
    ("shown", "accept", "forget", "expected"),
    [
        ("", "a", "", "add version-a"),
        ("A", "a", "", "nothing"),
        ("a", "a", "", "activate ocs-a0"),
        ("A", "ab", "", "add version-b"),
        ("AB", "ab", "", "nothing"),
        ("Ab", "ab", "", "activate ocs-b1"),
        ("aB", "ab", "", "activate ocs-a0"),
        ("B", "ab", "", "add version-a"),
        ("AB", "b", "a", "deactivate ocs-a0"),
        ("aB", "b", "a", "delete ocs-a0"),
        ("B", "b", "a", "nothing"),
        ("A", "b", "a", "add version-b"),
        ("a", "b", "a", "add version-b"),
        ("Ab", "b", "a", "activate ocs-b1"),
        ("aB", "bc", "a", "delete ocs-a0"),
        ("AB", "bc", "a", "deactivate ocs-a0"),
        ("AC", "bd", "ac", "deactivate ocs-a0"),
        ("aC", "bd", "ac", "delete ocs-a0"),
        ("AA", "a", "", "deactivate ocs-a1"),
        ("Aa", "a", "", "delete ocs-a1"),
        ("aA", "a", "", "delete ocs-a0"),
        ("AA", "ab", "", "deactivate ocs-a1"),
        # it is being deleted: nothing of ours is left, and Okta keeps one active secret
        ("AB", "", "ab", "deactivate ocs-a0"),
        ("aB", "", "ab", "delete ocs-a0"),
        ("B", "", "ab", "stand in"),
        ("BX", "", "ab", "deactivate ocs-b0"),
        ("bX", "", "ab", "delete ocs-b0"),
        ("X", "", "ab", "nothing"),
        ("", "", "ab", "nothing"),
    ],
)
def test_what_comes_next(shown: str, accept: str, forget: str, expected: str) -> None:
    """The table: what is there, what is to be accepted, what is to be forgotten, and the next step."""
    decided = decide(found(shown), aim(accept, forget), others="Stop", now=START, where=HERE)
    assert said(decided) == expected


@pytest.mark.parametrize(
    ("shown", "accept", "forget", "stop", "leave"),
    [
        ("X", "a", "", "frozen", "add version-a"),
        ("AX", "a", "", "frozen", "nothing"),
        ("AX", "ab", "", "frozen", "frozen"),
        ("aX", "a", "", "activate ocs-a0", "activate ocs-a0"),
        ("XY", "a", "", "frozen", "frozen"),
        ("AX", "b", "a", "frozen", "deactivate ocs-a0"),
        ("aX", "b", "a", "frozen", "delete ocs-a0"),
        ("Ax", "b", "a", "frozen", "frozen"),
        ("Ax", "", "a", "frozen", "frozen"),
    ],
)
def test_somebody_elses_secret_is_never_touched(
    shown: str, accept: str, forget: str, stop: str, leave: str
) -> None:
    """The table again, with a secret of somebody else's (`x`), by what is declared about it."""
    for others, expected in (("Stop", stop), ("Leave", leave)):
        assert _decided(found(shown), aim(accept, forget), others) == expected


def _decided(shown: Sequence[Secret], wanted: Aim, others: str) -> str:
    try:
        return said(decide(shown, wanted, others=others, now=START, where=HERE))
    except Frozen as error:
        names_it = "ocs-x" in str(error) and "Nothing was changed" in str(error)
        return "frozen" if names_it else str(error)


@pytest.mark.parametrize(
    ("made", "settled", "shown", "expected"),
    [
        (SETTLES - timedelta(seconds=1), False, "A", "blocked: the secret of version-b was made"),
        (SETTLES, False, "A", "add version-b"),
        (SETTLES, False, "X", "add version-a"),
        (None, True, "X", "add version-a"),
        (SETTLES, False, "B", "add version-a"),
    ],
)
def test_what_was_there_before(made: timedelta | None, settled: bool, shown: str, expected: str) -> None:
    """What was made a moment ago is waited for; what was accepted before is put back, also beside somebody else's."""
    wanted = aim("ab", made=made, settled=settled)
    assert said(decide(found(shown), wanted, others="Stop", now=START, where=HERE)).startswith(expected)


@pytest.mark.parametrize(("shown", "expected"), [("", "add version-b"), ("X", "blocked"), ("D", "blocked")])
def test_what_is_not_shown_yet_takes_room(shown: str, expected: str) -> None:
    """One was just made, one is missing: it is added only where there is a place for both."""
    fresh, missing, old = version(A, made=timedelta(seconds=1)), version(B), version("d" * 43)
    wanted = replace(aim("ab"), accept=(missing, fresh), forget=(old,))
    assert said(decide(found(shown), wanted, others="Leave", now=START, where=HERE)).startswith(expected)


@pytest.mark.parametrize(
    ("there", "copy", "ours"),
    [
        (secret(A), version(A), True),
        (secret(B), version(A), False),
        (secret(A, shown=False), version(A), True),
        (secret(B, shown=False), version(A), False),
        (replace(secret(B, shown=False), id="ocs-a0"), version(A, made=SETTLES), True),
        (replace(secret(B), id="ocs-a0"), version(A, made=SETTLES), False),
        (secret(A), Copy("version-a", {}), False),
        (secret(A, shown=False), Copy("version-a", {}), False),
    ],
)
def test_whose_it_is(there: Secret, copy: Copy, ours: bool) -> None:
    """By its value; where that is not shown by its hash, or by the id that was learned."""
    assert there.carries(copy) is ours


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("3ZIqRCzmjcdNPK2Y29x1qSkI5NRHji_eGIm4aKtI", "jMur1qOhMw_MtC9aQo7YEg"),
        ("D0HxBn1FtTXeYC4cSBwWL_sPMztMT2t6Ei9n1QjO", "tI4z6TbSw5YYd8RtcClaEw"),
        ("7U_MTFeIoRVHtPTcb4MY0gESLLisXfNRbbob1Quo", "cfQjsGNDYEn5e3rqJME_jQ"),
    ],
)
def test_the_hash_is_that_of_the_published_examples(value: str, expected: str) -> None:
    """From the guide "Client secret rotation"."""
    assert hash_of(Sensitive(value)) == expected


# --- at the contract server -----------------------------------------------------------------------------------------


class Org:
    """A contract server, and what stands before it."""

    def __init__(self, served: Served) -> None:
        self.clock = Virtual()
        self._served = served
        self._https = {token: http(self.clock, access(token)) for token in (TOKEN, "stale")}
        self.plain = http(self.clock)
        self.afresh()

    def afresh(self, *, lag: int = 0, shows_values: bool = True) -> None:
        """Begin with an app without a secret."""
        self.api = self._served.api = OktaApi()
        self.url = self.api.url = self._served.url
        self.api.shows_values = shows_values
        self.api.secrets.lag = {READS: lag, LOGINS: lag}
        self.clock.at = START
        self.credential = OAuthClient(issuer=self.api.issuer, client_id=APP)

    def provider(self, *, others: str = "Stop", app: str = APP, token: str = TOKEN) -> OktaApp:
        """Return the provider as a new run would make it."""
        return OktaApp(http=self._https[token], url=self.url, app=app, clock=self.clock, others=others)

    def login(self, method: str = BASIC) -> OAuthLogin:
        """Return the product's login."""
        return OAuthLogin(
            http=self.plain, issuer=self.api.issuer, method=method, clock=self.clock, scope="all"
        )

    def make(self, number: int) -> Copy:
        """Make a version as the credential kind does, but for a value that is always the same."""
        made = self.credential.make(ROTATION, number)
        return Copy(made.id, {**made.material, "client_secret": Sensitive(f"{number:043}")})

    def settle(self) -> None:
        """Let replicas catch up, and time pass."""
        self.api.secrets.settle()
        self.clock.sleep((SETTLES + timedelta(minutes=1)).total_seconds())

    def bench(self, *, others: str = "Stop") -> Bench:
        """Return a bench at it."""
        return Bench(
            provider=lambda: self.provider(others=others),
            make=self.make,
            logs_in=self.login().accepted,
            settle=self.settle,
        )


def access(token: str) -> StaticToken:
    """Return the access of an API token."""
    return StaticToken(lambda: Sensitive(token), scheme="SSWS")


@pytest.fixture
def org() -> Iterator[Org]:
    """An org with one app without a secret."""
    with Served(OktaApi()) as served:
        yield Org(served)


class TestContract(ProviderContract):
    """The suite, at the contract server."""

    @pytest.fixture
    def bench(self, org: Org) -> Bench:
        """A bench at a fresh app."""
        return org.bench()


class TestContractWithoutValues(ProviderContract):
    """The suite, at an org that shows no values."""

    @pytest.fixture
    def bench(self, org: Org) -> Bench:
        """A bench at a fresh app."""
        org.afresh(shows_values=False)
        return org.bench()


@pytest.mark.parametrize("method", [BASIC, POST])
def test_the_products_login_tells_accepted_from_refused(org: Org, method: str) -> None:
    """The token endpoint is one that the product's login understands."""
    bench = org.bench()
    first, second = bench.version(1), bench.version(2)
    bench.reach([first])
    login = org.login(method)
    assert login.accepted(bench.copy(first))
    assert not login.accepted(bench.copy(second))


def test_a_secret_in_use_is_taken_over(org: Org) -> None:
    """`current` shows it, nothing is changed by taking it over, and it is withdrawn in its time."""
    org.api.add_anothers(A)
    with pytest.raises(Frozen, match="takeOver"):
        org.provider().check_free(ROTATION)
    value = org.provider().current()
    assert value == Sensitive(A)
    made = org.credential.adopt(value, None, ROTATION)
    bench = org.bench()
    bench.material[made.id], bench.numbers[made.id] = made.material, 1
    assert bench.reach([made.id]) == 0
    second = bench.version(2)
    bench.reach([made.id, second])
    bench.reach([second], [made.id])
    assert not org.api.accepts(A)
    assert bench.logs_in(bench.copy(second))


def test_which_of_two_is_in_use_is_not_guessed(org: Org) -> None:
    """Two active secrets: a person has to say."""
    assert org.provider().current() is None
    org.api.add_anothers(A)
    org.api.add_anothers(B, active=False)
    assert org.provider().current() == Sensitive(A)
    org.api.take_away(org.api.secrets.now[1].id)
    org.api.add_anothers(B)
    with pytest.raises(Frozen, match="which of them is in use"):
        org.provider().current()


def test_a_value_that_is_not_shown_is_not_made_up(org: Org) -> None:
    """Where Okta shows no values there is nothing to take over from."""
    org.api.shows_values = False
    org.api.add_anothers(A)
    assert org.provider().current() is None


@pytest.mark.parametrize(
    ("strangers", "others", "free"),
    [(0, "Stop", True), (1, "Stop", False), (1, "Leave", True), (2, "Leave", False)],
)
def test_whether_the_first_can_be_added(org: Org, strangers: int, others: str, free: bool) -> None:
    """Before there is any version: whether there is room, and whether somebody else's may stay."""
    for _ in range(strangers):
        org.api.add_anothers()
    if free:
        org.provider(others=others).check_free(ROTATION)
        return
    with pytest.raises(Frozen, match="Nothing was changed"):
        org.provider(others=others).check_free(ROTATION)


def test_what_somebody_put_to_sleep_or_took_away_is_put_back(org: Org) -> None:
    """Drift: the value is ours, so it can be given again."""
    bench = org.bench()
    first = bench.version(1)
    bench.reach([first])
    org.settle()
    org.api.put_to_sleep(org.api.secrets.now[0].id)
    assert not bench.logs_in(bench.copy(first))
    bench.reach([first])
    assert bench.logs_in(bench.copy(first))
    org.api.take_away(org.api.secrets.now[0].id)
    bench.reach([first])
    assert bench.logs_in(bench.copy(first))


def test_a_deletion_leaves_a_secret_that_nobody_has(org: Org) -> None:
    """Okta keeps one active secret: it draws one that is handed to nobody."""
    bench = org.bench()
    first = bench.version(1)
    bench.reach([first])
    bench.remove([first])
    assert not bench.logs_in(bench.copy(first))
    assert [s.by_us for s in org.api.secrets.now] == [False]


def test_a_value_that_okta_refuses_is_explained(org: Org) -> None:
    """A 400 says neither what nor why in its code: our sentence does."""
    org.api.least_length = 64
    bench = org.bench()
    first = bench.version(1)
    with pytest.raises(Frozen, match=r"E0000001.*Nothing was changed.*14 to 100") as raised:
        bench.step([first])
    assert raised.value.__cause__ is None


def test_a_third_secret_is_refused_with_a_sentence(org: Org) -> None:
    """Somebody was quicker: between our look and our call both places were taken."""
    bench = org.bench()
    first = bench.version(1)
    wanted = bench.want([first])
    aim = Aim(rotation=ROTATION, accept=wanted.copies, forget=(), known=frozenset({first}), settled=False)
    call = org.provider().next_call(aim)
    assert call is not None
    assert not isinstance(call, Blocked)
    org.api.add_anothers()
    org.api.add_anothers()
    with pytest.raises(Frozen, match="takes 2 secrets an app"):
        call.run()
    assert len(org.api.anothers()) == 2


@pytest.mark.parametrize("number", [0, 1])
def test_who_changes_it_between_our_look_and_our_call_makes_us_look_again(org: Org, number: int) -> None:
    """What is refused then is read again: to deactivate the only active one, to delete an active one."""
    bench = org.bench()
    first, second = bench.version(1), bench.version(2)
    bench.reach([first, second])
    ours, other = org.api.secrets.now
    if number:
        bench.step([second], [first])
    wanted = bench.want([second], [first])
    aim = Aim(
        rotation=ROTATION,
        accept=wanted.copies,
        forget=wanted.withdrawn,
        known=frozenset({first, second}),
        settled=False,
    )
    call = org.provider().next_call(aim)
    assert isinstance(call, Call)
    if number:
        org.api.wake(ours.id)
    else:
        org.api.put_to_sleep(other.id)
    with pytest.raises(Conflict):
        call.run()
    bench.reach([second], [first])
    assert org.api.accepts(other.value)
    assert not org.api.accepts(ours.value)


def test_who_we_are_and_where_is_checked(org: Org) -> None:
    """No such app, and no such token."""
    bench = org.bench()
    first = bench.version(1)
    wanted = bench.want([first])
    aim = Aim(rotation=ROTATION, accept=wanted.copies, forget=(), known=frozenset({first}), settled=False)
    with pytest.raises(Frozen, match="Okta knows no such app"):
        org.provider(app="0oa-other").next_call(aim)
    with pytest.raises(Forbidden) as raised:
        org.provider(token="stale").next_call(aim)
    assert raised.value.reason == "E0000011"


def test_a_rate_limit_that_lasts_ends_the_run_and_changes_nothing(org: Org) -> None:
    """429 outlasts the retries: nothing was taken."""
    bench = org.bench()
    first = bench.version(1)
    org.api.limited = 100
    with pytest.raises(Unavailable):
        bench.step([first])
    assert org.api.secrets.now == ()


# --- whole lives ----------------------------------------------------------------------------------------------------


def world(org: Org) -> World:
    """Return the org as a life needs it."""

    def take_away(value: str) -> None:
        for kept in org.api.secrets.now:
            if kept.value == value:
                org.api.take_away(kept.id)

    def add_anothers() -> None:
        if len(org.api.secrets.now) < SLOTS:
            org.api.add_anothers()

    def anothers_away() -> None:
        for secret_id in org.api.anothers():
            org.api.take_away(secret_id)

    return World(
        api=org.api,
        bench=org.bench(others="Leave"),
        accepts=org.api.accepts,
        add_anothers=add_anothers,
        take_anothers_away=anothers_away,
        anothers=org.api.anothers,
        take_away=take_away,
        limit=lambda times: setattr(org.api, "limited", times),
    )


@pytest.mark.parametrize(("lag", "shows_values"), [(0, True), (2, True), (0, False)])
@pytest.mark.no_cover
def test_a_fault_at_every_request_of_a_life(
    org: Org, lag: int, shows_values: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Proves I2, I5 and I6 at Okta: whatever happens, what is in use is accepted, and all ends as wanted."""
    caplog.set_level(logging.INFO, logger="urllib3")
    org.afresh(lag=lag, shows_values=shows_values)
    plain = Life(world(org))
    plain.live()
    assert lag or not plain.told
    for fault, at in schedules(org.api, changes_only=lag > 0 or not shows_values):
        org.afresh(lag=lag, shows_values=shows_values)
        life = Life(world(org), fault, at)
        life.live()
        assert life.requests > at
        assert life.told or fault is not Fault.LIMITED_FOR_LONG


# --- Okta's own SDK ---------------------------------------------------------------------------------------------------


def by_sdk(sdk: Sdk, org: Org, method: str, *arguments: str) -> tuple[Any, Any]:
    """Ask by Okta's client; return what it answers, and its error."""

    async def ask() -> Any:
        async with sdk("okta.client").Client({"orgUrl": org.url, "token": TOKEN}) as okta:
            return await getattr(okta, method)(APP, *arguments)

    answer = asyncio.run(ask())
    return answer[0], answer[-1]


@pytest.mark.real_provider
@pytest.mark.filterwarnings("ignore")  # what it warns of is its vendor's to mend
def test_the_contract_server_is_understood_by_oktas_sdk(
    org: Org, sdk: Sdk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What we add the SDK shows, what it adds we see, and both meet the same refusals."""
    monkeypatch.setenv("OKTA_TESTING_TESTINGDISABLEHTTPSCHECK", "True")
    listing, adding = "list_o_auth2_client_secrets", "create_o_auth2_client_secret"
    deactivating, deleting = "deactivate_o_auth2_client_secret", "delete_o_auth2_client_secret"
    ask = functools.partial(by_sdk, sdk, org)
    bench = org.bench(others="Leave")
    first = bench.version(1)
    bench.reach([first])
    (shown,), _ = ask(listing)
    assert shown.client_secret == bench.material[first]["client_secret"].reveal()
    assert shown.id == bench.material[first][SECRET_ID].reveal()
    assert shown.status == "ACTIVE"

    made, error = ask(adding)
    assert error is None
    assert ask(adding)[1].error_code == "E0000001"
    assert ask(deleting, made.id)[1].error_code == "E0000001"
    second = bench.version(2)
    with pytest.raises(Frozen, match=made.id):
        bench.step([first, second])

    assert ask(deactivating, made.id)[1] is None
    assert ask(deactivating, shown.id)[1].error_code == "E0000001"
    assert ask(deleting, made.id)[1] is None
    bench.reach([first, second])
    assert {s.status for s in ask(listing)[0]} == {"ACTIVE"}
    bench.reach([second], [first])
    assert [s.client_secret for s in ask(listing)[0]] == [bench.material[second]["client_secret"].reveal()]
