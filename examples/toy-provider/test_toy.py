"""Toy: its decision as tables, rotator's contract suite, odd answers, and whole lives with a fault at every request.

It needs a checkout of rotator, of the release that is installed: PYTHONPATH=CHECKOUT pytest
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pytest

from rotator.clients.oauth import StaticToken
from rotator.core.sensitive import Sensitive
from rotator.credentials.oauth_client.maker import OAuthClient
from rotator.errors import Conflict, Forbidden, Frozen, NotFound, Rejected
from rotator.ports import Aim, Call, Copy
from rotator_sandbox.identity.served import Asked, Said, Served
from rotator_toy.client import Add, Remove, Secret, ToyClient, decide, id_of
from tests.providers.contract import ROTATION, Bench, ProviderContract
from tests.providers.exploration import Fault, Life, Virtual, World, http, schedules
from toy_api import CLIENT, MOST, TOKEN, ToyApi

HERE = "toy https://toy.example.com client payments"


# --- the decision ---------------------------------------------------------------------------------------------------


def version(letter: str) -> Copy:
    """Return the version of a letter."""
    return Copy(f"version-{letter}", {"client_secret": Sensitive(letter * 48)})


def aim(accept: str, forget: str = "", *, settled: bool = False) -> Aim:
    """Return what is wanted: a letter for each version; `d` was destroyed, and is known still."""
    return Aim(
        rotation=ROTATION,
        accept=tuple(map(version, accept)),
        forget=tuple(map(version, forget)),
        known=frozenset(version(letter).id for letter in f"{accept}{forget}d"),
        settled=settled,
    )


def found(letters: str) -> list[Secret]:
    """Return secrets: a letter for one of ours, `x` and `y` for somebody else's."""
    return [Secret(f"by-hand-{one}" if one in "xy" else id_of(version(one))) for one in letters]


def decided(shown: Sequence[Secret], wanted: Aim, *, stop: bool = True) -> str:
    """Write a decision as `add b`; a refusal as what it names."""
    try:
        step = decide(shown, wanted, stop=stop, where=HERE)
    except Frozen as error:
        return f"frozen {' '.join(one for one in 'xy' if f'by-hand-{one}' in str(error))}"
    if isinstance(step, Add):
        return f"add {step.copy.id[-1]}"
    if isinstance(step, Remove):
        return f"remove {next(one for one in 'abcdxy' if step.secret in found(one))}"
    return "nothing"


@pytest.mark.parametrize(
    ("shown", "accept", "forget", "expected"),
    [
        ("", "a", "", "add a"),
        ("a", "a", "", "nothing"),
        ("a", "ab", "", "add b"),
        ("ab", "ab", "", "nothing"),
        ("b", "ab", "", "add a"),
        ("ab", "b", "a", "remove a"),
        ("a", "b", "a", "add b"),
        ("b", "b", "a", "nothing"),
        ("bd", "b", "", "remove d"),
        ("ab", "", "ab", "remove a"),
        ("b", "", "ab", "remove b"),
        ("", "", "ab", "nothing"),
    ],
)
def test_what_comes_next(shown: str, accept: str, forget: str, expected: str) -> None:
    """The table: what is there, what is to be accepted, what is to be forgotten, and the next step."""
    assert decided(found(shown), aim(accept, forget)) == expected


@pytest.mark.parametrize(
    ("shown", "accept", "forget", "stop", "leave"),
    [
        ("x", "a", "", "frozen x", "add a"),
        ("axy", "a", "", "frozen x y", "nothing"),
        ("abx", "b", "a", "frozen x", "remove a"),
        ("ax", "", "a", "remove a", "remove a"),
        ("x", "", "a", "nothing", "nothing"),
    ],
)
def test_somebody_elses_secret_is_never_touched(
    shown: str, accept: str, forget: str, stop: str, leave: str
) -> None:
    """The table again, with secrets of somebody else's, by what is declared about them."""
    wanted = aim(accept, forget)
    assert decided(found(shown), wanted, stop=True) == stop
    assert decided(found(shown), wanted, stop=False) == leave


def test_what_was_accepted_before_is_put_back_first() -> None:
    """Also beside somebody else's: whoever uses it must not wait for a person. Then the rotation stops."""
    assert decided(found("x"), aim("a", settled=True)) == "add a"
    assert decided(found("ax"), aim("a", settled=True)) == "frozen x"


def test_an_id_is_that_of_one_version_with_one_value() -> None:
    """A value that another ring had for a version of that name is not taken for ours: it would not log in."""
    other = Copy("version-a", {"client_secret": Sensitive("z" * 48)})
    assert id_of(version("a")) == id_of(version("a"))
    assert decided([Secret(id_of(other))], aim("a")) == "add a"


# --- at the server --------------------------------------------------------------------------------------------------


def access(token: str) -> StaticToken:
    """Return the access by a token."""
    return StaticToken(lambda: Sensitive(token))


class Place:
    """Toy on loopback, and rotator before it."""

    def __init__(self, served: Served) -> None:
        clock = Virtual()
        self._served = served
        self._https = {token: http(clock, access(token)) for token in (TOKEN, "stale")}
        self.afresh()

    def afresh(self) -> None:
        """Begin with a client without a secret."""
        self.api = self._served.api = ToyApi()

    def provider(self, *, stop: bool = True, client: str = CLIENT, token: str = TOKEN) -> ToyClient:
        """Return the provider as a new run would make it."""
        url = self._served.url
        return ToyClient(http=self._https[token], url=url, client=client, label=HERE, stop=stop)

    def bench(self, *, stop: bool = True) -> Bench:
        """Return a bench at it."""
        credential = OAuthClient(issuer="https://toy.example.com", client_id=CLIENT)

        def make(number: int) -> Copy:
            made = credential.make(ROTATION, number)
            return Copy(made.id, made.material)

        return Bench(
            provider=lambda: self.provider(stop=stop),
            make=make,
            logs_in=lambda copy: self.api.accepts(copy.material["client_secret"].reveal()),
        )


@pytest.fixture
def toy() -> Iterator[Place]:
    """A client without a secret."""
    with Served(ToyApi()) as served:
        yield Place(served)


class TestContract(ProviderContract):
    """What every provider keeps."""

    @pytest.fixture
    def bench(self, toy: Place) -> Bench:
        """A bench at a fresh client."""
        return toy.bench()


def test_who_was_quicker_makes_us_look_again(toy: Place) -> None:
    """A call that comes twice is refused by its id, and changes nothing."""
    for accept, error in (("a", Conflict), ("", NotFound)):
        call = toy.provider().next_call(aim(accept, "" if accept else "a"))
        assert isinstance(call, Call)
        call.run()
        before = toy.api.secrets
        with pytest.raises(error):
            call.run()
        assert toy.api.secrets == before


@pytest.mark.parametrize(
    ("secret", "stop", "free"),
    [
        ("", True, True),
        ("by-hand-1", True, False),
        ("by-hand-1", False, True),
        ("rotator-1-2", False, False),
    ],
)
def test_whether_the_first_can_be_added(toy: Place, secret: str, stop: bool, free: bool) -> None:
    """Not beside secrets of an earlier rotation: they would count as ours, and be taken from whoever uses them."""
    toy.api.middle = lambda _asked, _perform: Said(200, {"secrets": [{"id": secret}] if secret else []})
    if free:
        toy.provider(stop=stop).check_free(ROTATION)
        return
    with pytest.raises(Frozen, match=f"accepts {secret} .*Nothing was changed"):
        toy.provider(stop=stop).check_free(ROTATION)


def test_what_toy_refuses_is_explained(toy: Place) -> None:
    """A sixth secret; a client that is not there; a token that is none."""
    bench = toy.bench(stop=False)
    for _ in range(MOST):
        toy.api.add_anothers()
    with pytest.raises(Frozen, match=r"\(too_many\)\. Nothing was changed\. Toy takes 5 secrets"):
        bench.step([bench.version(1)])
    with pytest.raises(Frozen, match=r"Nothing was changed\. Correct url or credential"):
        toy.provider(client="nobody").next_call(aim("a"))
    with pytest.raises(Forbidden) as raised:
        toy.provider(token="stale").next_call(aim("a"))
    assert raised.value.reason == "invalid_token"


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (Said(200, []), "it is a list, expected an object"),
        (Said(200, {}), "secrets is missing"),
        (Said(200, {"secrets": [{"id": "../../admin"}]}), r"secrets\[0\]\.id is no id"),
        (Said(200, {"secrets": [{"id": "a"}, {"id": "a"}]}), "secrets has the same id twice"),
        (Said(200, {"secrets": [{"id": "a", "created": 7}]}), "created is a number, expected a text"),
        (Said(200, {"secrets": []}, {"Link": '</next>; rel="next"'}), "it goes on elsewhere"),
        (Said(302, {}, {"Location": "https://evil.example"}), "redirects to .*Nothing was sent there"),
    ],
)
def test_an_odd_answer_ends_in_words_and_changes_nothing(toy: Place, said: Said, why: str) -> None:
    """What is read is looked at before anything is concluded from it."""
    asked = []

    def odd(request: Asked, perform: Callable[[], Said]) -> Said:
        del perform
        asked.append(request.method)
        return said

    toy.api.middle = odd
    with pytest.raises(Rejected, match=why):
        toy.provider().next_call(aim("b", "a"))
    assert set(asked) == {"GET"}


def test_no_message_holds_a_value(toy: Place) -> None:
    """Not even where the server's sentence quotes it."""
    bench = toy.bench()
    first = bench.version(1)
    value = bench.material[first]["client_secret"].reveal()
    quoted = Said(400, {"error": "weak", "error_description": f"{value} is too weak"})
    toy.api.middle = lambda asked, perform: perform() if asked.method == "GET" else quoted
    with pytest.raises(Frozen, match="weak") as raised:
        bench.step([first])
    assert value not in str(raised.value)


# --- whole lives ----------------------------------------------------------------------------------------------------


def world(toy: Place) -> World:
    """Return Toy as a life needs it."""

    def anothers_away() -> None:
        for secret in [s for s in toy.api.secrets if not s.by_us]:
            toy.api.take_away(secret.value)

    return World(
        api=toy.api,
        bench=toy.bench(),
        accepts=toy.api.accepts,
        add_anothers=toy.api.add_anothers,
        take_anothers_away=anothers_away,
        anothers=toy.api.anothers,
        take_away=toy.api.take_away,
        limit=toy.api.limit,
    )


def test_a_fault_at_every_request_of_a_life(toy: Place) -> None:
    """Whatever happens, what is in use is accepted, and all ends as wanted."""
    plain = Life(world(toy))
    plain.live()
    assert not plain.told
    for fault, at in schedules(toy.api):
        toy.afresh()
        life = Life(world(toy), fault, at)
        life.live()
        assert life.requests > at
        assert life.told or fault is not Fault.LIMITED_FOR_LONG
