"""A Keycloak realm's signing keys: the decisions as tables, and whole lives on the contract server and on a real one."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from joserfc import jwk, jwt

from rotator.clients.clock import RunClock
from rotator.clients.http import Http
from rotator.clients.meter import Meter
from rotator.clients.oauth import POST, ClientCredentials
from rotator.clients.retry import Retry
from rotator.core.sensitive import Material, Sensitive
from rotator.errors import Ambiguous, Conflict, Forbidden, Frozen
from rotator.ports import Aim, Blocked, Call, Copy
from rotator.systems.keycloak_realm_keys.client import (
    KID,
    Key,
    RealmKeys,
    RealmSigner,
    Step,
    component_id,
    decide_published,
    decide_signing,
    generator,
)
from rotator.systems.keycloak_realm_keys.client import Realm as Seen
from rotator.systems.keycloak_realm_keys.maker import RealmKey
from tests.providers.keycloak_server import KEY_PROVIDER, Admin, KeycloakApi, RealClient, Realm
from tests.providers.served import Asked, HangUp, Said, Served, straight

ROTATION = "payments/realm-key"
MOST = 20


# --- the decisions ----------------------------------------------------------------------------------------------------


def version(letter: str, *, learned: bool = True) -> Copy:
    """Return the version of a letter; `learned`: whether the `kid` of its key is known."""
    note = {KID: Sensitive(f"kid-{letter}")} if learned else {}
    return Copy(letter, {"algorithm": Sensitive("RS256"), **note})


def aim(accept: str, forget: str = "", unlearned: str = "") -> Aim:
    """Return what is wanted: a letter for each version."""
    copies = {letter: version(letter, learned=letter not in unlearned) for letter in accept + forget}
    return Aim(
        rotation=ROTATION,
        accept=tuple(copies[letter] for letter in accept),
        forget=tuple(copies[letter] for letter in forget),
        known=frozenset(copies),
        settled=False,
    )


def realm(shown: str, *, chosen: str = "") -> Seen:
    """Return keys: `a100` is active at this priority, `a100-` passive, `a100!` disabled; `x` is a stranger's."""
    keys = tuple(_key(word) for word in shown.split())
    signers = [k for k in keys if k.status == "ACTIVE"]
    signer = max(signers, key=lambda k: k.priority, default=None)
    kid = f"kid-{chosen}" if chosen else signer.kid if signer else ""
    return Seen(name="acme", keys=keys, chosen={"RS256": kid})


def _key(word: str) -> Key:
    letter, status = word[0], {"-": "PASSIVE", "!": "DISABLED"}.get(word[-1], "ACTIVE")
    return Key(
        id="stranger" if letter == "x" else component_id("acme", ROTATION, letter),
        kid=f"kid-{letter}",
        algorithm="RS256",
        status=status,
        priority=int(word[1:].rstrip("-!")),
    )


def said(step: Step | Blocked | None) -> str:
    """Write a decision as `act VERSION`, with the priority where there is one."""
    if isinstance(step, Blocked):
        return "blocked"
    if step is None:
        return "nothing"
    return f"{step.act.name.lower()} {step.version} {step.priority or ''}".strip()


@pytest.mark.parametrize(
    ("shown", "wanted", "expected"),
    [
        ("", aim("a", unlearned="a"), "create a 90"),
        ("x100", aim("a", unlearned="a"), "create a 90"),
        ("x100 x40", aim("a", unlearned="a"), "create a 30"),
        ("x100 x40-", aim("a", unlearned="a"), "create a 90"),
        ("x100 a90-", aim("a", unlearned="a"), "note a"),
        ("x100 a90-", aim("a"), "nothing"),
        ("x100 a110", aim("a"), "nothing"),
        ("x100 a90!", aim("a"), "enable a"),
        ("x100 a110", aim("ab", unlearned="b"), "create b 90"),
        ("x100 a110 b90-", aim("ab"), "nothing"),
        ("x100 a110- b120", aim("ab"), "nothing"),
        ("x100 a110 b120", aim("b", "a"), "rest a"),
        ("x100 a110- b120", aim("b", "a"), "delete a"),
        ("x100 a110! b120", aim("b", "a"), "delete a"),
        ("x100 b120", aim("b", "a"), "nothing"),
        ("x100 a110", aim("", "a"), "rest a"),
        ("x100 a110-", aim("", "a"), "delete a"),
        ("x100", aim("", "a"), "nothing"),
    ],
)
def test_what_is_published_next(shown: str, wanted: Aim, expected: str) -> None:
    """Proves that a version is published passive, and taken away in two changes."""
    assert said(decide_published(realm(shown), wanted)) == expected


@pytest.mark.parametrize(
    ("shown", "wanted", "why"),
    [
        ("x100", aim("a"), "was deleted"),
        ("x100 a90-", Aim(rotation=ROTATION, accept=(Copy("a", {KID: Sensitive("other")}),), forget=(), known=frozenset("a"), settled=False), "another one now"),
        ("x100- a110", aim("", "a"), "only one that can sign"),
        ("a110 b120-", aim("b", "a"), "only one that can sign"),
        ("", Aim(rotation=ROTATION, accept=(Copy("a", {}),), forget=(), known=frozenset("a"), settled=False), "no algorithm"),
    ],
)  # fmt: skip
def test_what_a_person_must_decide(shown: str, wanted: Aim, why: str) -> None:
    """Proves that no key is made anew under an old name, and that the last signer is never taken away."""
    with pytest.raises(Frozen, match=why):
        decide_published(realm(shown), wanted)


@pytest.mark.parametrize(
    ("shown", "wanted", "expected"),
    [
        ("x100 a90-", aim("a"), "raise a 110"),
        ("x100 a90", aim("a"), "raise a 110"),
        ("x100 a100", aim("a"), "raise a 110"),
        ("x100 a110", aim("a"), "nothing"),
        ("x500 a110", aim("a"), "raise a 510"),
        ("a50-", aim("a"), "raise a 100"),
        ("x100 a110 b90-", aim("ba"), "raise b 120"),
        ("x100 a110 b120", aim("ba"), "rest a"),
        ("x100 a110- b120", aim("ba"), "nothing"),
        ("x100 a110", aim("ba"), "blocked"),
        ("x100 a110 b90!", aim("ba"), "blocked"),
        ("x100 a110", aim("ba", unlearned="b"), "raise b"),
        ("x100 a110", aim(""), "nothing"),
    ],
)
def test_what_signs_next(shown: str, wanted: Aim, expected: str) -> None:
    """Proves that the new one is raised before the previous one rests, and that one unpublished never signs."""
    assert said(decide_signing(realm(shown), wanted)) == expected


def test_what_the_server_says_it_signs_with_is_believed() -> None:
    """Proves that priorities alone do not count: equal ones may go either way."""
    assert said(decide_signing(realm("x100 a110", chosen="x"), aim("a"))) == "raise a 110"


def test_keys_for_encryption_and_other_algorithms_are_no_rivals() -> None:
    """Proves that only what could sign in its place counts."""
    seen = realm("x100 a90-")
    others = [replace(seen.keys[0], signs=False), replace(seen.keys[0], algorithm="ES256")]
    for other in others:
        alone = replace(seen, keys=(replace(seen.keys[1], status="ACTIVE"), other), chosen={"RS256": "kid-a"})
        with pytest.raises(Frozen, match="only one that can sign"):
            decide_published(alone, aim("", "a"))


def test_only_algorithms_that_keycloak_generates_are_taken() -> None:
    """Proves that a shared secret is no realm key."""
    with pytest.raises(Frozen, match="HS256"):
        generator("HS256")


# --- servers ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def contract() -> Iterator[tuple[Admin, KeycloakApi]]:
    """The contract server."""
    api = KeycloakApi()
    with Served(api) as server:
        api.url = server.url
        yield Admin(url=server.url, password=api.password, real=False, rotates=True), api


@pytest.fixture(
    params=["contract", pytest.param("keycloak_without_rotation", marks=pytest.mark.real_provider)]
)
def there(request: pytest.FixtureRequest) -> Realm:
    """A new realm."""
    found = request.getfixturevalue(request.param)
    admin: Admin = found if isinstance(found, Admin) else found[0]
    return admin.realm()


def new_http(there: Realm, *roles: str) -> Http:
    """Return the product's client, let in as a client of the realm."""
    clock = RunClock()
    retry = Retry(clock, clock.deadline(timedelta(minutes=5)))
    name, secret = there.robot(*roles)
    access = ClientCredentials(
        http=Http(retry, Meter(clock)),
        issuer=there.issuer,
        method=POST,
        client_id=name,
        credential=lambda: Sensitive(secret),
        clock=clock,
    )
    return Http(retry, Meter(clock), access=access, timeout=20)


@dataclass
class Bench:
    """A realm, rotator's two hands on it, and what it remembers."""

    realm: Realm
    sends: Http
    app: RealClient
    algorithm: str = "RS256"
    material: dict[str, Material] = field(default_factory=dict)

    @property
    def verifier(self) -> RealmKeys:
        """The one that publishes."""
        return RealmKeys(http=self.sends, url=self.realm.admin.url, realm=self.realm.name)

    @property
    def holder(self) -> RealmSigner:
        """The one that signs."""
        return RealmSigner(http=self.sends, url=self.realm.admin.url, realm=self.realm.name)

    def version(self, number: int) -> str:
        """Record a version as the engine does; return its id."""
        made = RealmKey(self.algorithm).make(ROTATION, number)
        self.material[made.id] = made.material
        return made.id

    def aim(self, accept: list[str], forget: list[str] | None = None) -> Aim:
        """Return what is wanted."""
        return Aim(
            rotation=ROTATION,
            accept=tuple(Copy(i, self.material[i]) for i in accept),
            forget=tuple(Copy(i, self.material[i]) for i in forget or []),
            known=frozenset(self.material),
            settled=False,
        )

    def reach(
        self, who: RealmKeys | RealmSigner, accept: list[str], forget: list[str] | None = None
    ) -> list[str]:
        """Call until all is as wanted; return what was done."""
        done: list[str] = []
        for _ in range(MOST):
            call = who.next_call(self.aim(accept, forget))
            if call is None:
                return done
            assert isinstance(call, Call)
            with contextlib.suppress(
                Ambiguous, Conflict
            ):  # a large key may take longer than a reply is waited for
                self.learn(call.run())
            done.append(call.does)
        raise AssertionError(done)

    def learn(self, learned: Mapping[str, Material]) -> None:
        """Keep what was learned."""
        for version_id, fields in learned.items():
            self.material[version_id] = {**self.material[version_id], **fields}

    def kid(self, version_id: str) -> str:
        """Return what was learned of a version."""
        return self.material[version_id][KID].reveal()

    @property
    def jwks(self) -> dict[str, Any]:
        """What every reader sees, by `kid`."""
        _, shown = self.realm.admin.ask("GET", f"/realms/{self.realm.name}/protocol/openid-connect/certs")
        return {key["kid"]: key for key in shown["keys"]}

    def token(self) -> str:
        """Let the realm sign a token."""
        token = self.app.login(self.app.secret)
        assert token
        return token

    def signed_with(self) -> str:
        """Return the `kid` of the key with which the realm signs now."""
        return kid_of(self.token())

    def verifies(self, token: str) -> bool:
        """Verify a token as a reader of the JWK Set does."""
        key = self.jwks.get(kid_of(token))
        if key is None:
            return False
        jwt.decode(token, jwk.import_key(key), algorithms=[self.algorithm])
        return True


def kid_of(token: str) -> str:
    """Read the header of a token."""
    part = token.split(".", maxsplit=1)[0]
    header: dict[str, str] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return header["kid"]


@pytest.fixture
def bench(there: Realm) -> Bench:
    """A bench with an account that has just the roles that are needed."""
    return Bench(there, new_http(there, "view-realm", "manage-realm"), there.client())


# --- lives -------------------------------------------------------------------------------------------------------------


def test_a_life_in_which_every_token_verifies_at_every_moment(bench: Bench) -> None:
    """Proves the order: published, then signing, then resting, then gone; and that each token verifies all the time."""
    theirs = bench.signed_with()
    first = bench.version(1)
    tokens = [bench.token()]
    bench.reach(bench.verifier, [first])
    assert bench.kid(first) in bench.jwks
    made = config_of(bench, first)
    assert made["active"] == ["false"]
    assert bench.signed_with() == theirs
    bench.reach(bench.holder, [first])
    assert bench.signed_with() == bench.kid(first)
    tokens.append(bench.token())
    second = bench.version(2)
    bench.reach(bench.verifier, [first, second])
    assert bench.signed_with() == bench.kid(first)
    steps = [bench.token()]
    for _ in range(MOST):
        call = bench.holder.next_call(bench.aim([second, first]))
        if call is None:
            break
        assert isinstance(call, Call)
        call.run()
        steps.append(bench.token())
        assert all(bench.verifies(token) for token in [*tokens, *steps])
    assert kid_of(steps[-1]) == bench.kid(second)
    rests = config_of(bench, first)
    assert rests["active"] == ["false"]
    assert set(rests) == set(made)
    assert int(made["priority"][0]) < int(rests["priority"][0])
    bench.reach(bench.verifier, [second], [first])
    assert bench.kid(first) not in bench.jwks
    assert bench.signed_with() == bench.kid(second)
    assert not bench.verifies(tokens[1])
    assert bench.verifies(tokens[0])
    assert bench.verifies(steps[-1])
    assert bench.verifier.next_call(bench.aim([second], [first])) is None
    assert bench.holder.next_call(bench.aim([second])) is None


def config_of(bench: Bench, version_id: str) -> dict[str, list[str]]:
    """Return the settings of the component of a version."""
    wanted = component_id(bench.realm.name, ROTATION, version_id)
    config: dict[str, list[str]] = next(c["config"] for c in components(bench.realm) if c["id"] == wanted)
    return config


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated via RFC 9864")
@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "ES384", "ES512", "EdDSA"])
def test_every_algorithm_signs(there: Realm, algorithm: str) -> None:
    """Proves that each generator makes keys that sign with the algorithm declared."""
    app = there.client(attributes={"access.token.signed.response.alg": algorithm})
    bench = Bench(there, new_http(there, "view-realm", "manage-realm"), app, algorithm)
    first = bench.version(1)
    bench.reach(bench.verifier, [first])
    bench.reach(bench.holder, [first])
    token = bench.token()
    assert kid_of(token) == bench.kid(first)
    assert bench.verifies(token)


def test_a_deletion_leaves_the_realm_with_its_own_keys(bench: Bench) -> None:
    """Proves that what was there before signs again, and that it was published all the time."""
    theirs = bench.signed_with()
    first = bench.version(1)
    bench.reach(bench.verifier, [first])
    bench.reach(bench.holder, [first])
    before = bench.token()
    assert bench.holder.next_call(bench.aim([], [first])) is None
    assert len(bench.reach(bench.verifier, [], [first])) == 2
    assert bench.signed_with() == theirs
    assert not bench.verifies(before)


def test_the_last_key_that_signs_is_never_taken_away(bench: Bench) -> None:
    """Proves that Keycloak is not made to sign with a key that no reader knows."""
    first = bench.version(1)
    bench.reach(bench.verifier, [first])
    bench.reach(bench.holder, [first])
    delete_theirs(bench.realm)
    anew = replace(bench, sends=new_http(bench.realm, "view-realm"))  # what signed the old token is gone
    with pytest.raises(Frozen, match="only one that can sign with RS256"):
        anew.verifier.next_call(anew.aim([], [first]))
    assert bench.signed_with() == bench.kid(first)


@pytest.mark.real_provider
def test_a_token_of_ours_whose_key_is_gone_is_no_missing_role(request: pytest.FixtureRequest) -> None:
    """Proves that the message does not send people the wrong way; the next run logs in anew."""
    there: Realm = request.getfixturevalue("keycloak_without_rotation").realm()
    bench = Bench(there, new_http(there, "view-realm", "manage-realm"), there.client())
    first = bench.version(1)
    bench.reach(bench.verifier, [first])
    delete_theirs(bench.realm)
    with pytest.raises(Forbidden, match="HTTP 401") as refused:
        bench.verifier.next_call(bench.aim([first]))
    assert "role" not in str(refused.value)


def delete_theirs(there: Realm) -> None:
    """Delete the key that the realm came with."""
    own = next(c for c in components(there) if c["name"] == "rsa-generated")
    there.admin.ask("DELETE", f"{there.path}/components/{own['id']}")


def components(there: Realm) -> list[dict[str, Any]]:
    """Return the key components of a realm."""
    _, found = there.admin.ask("GET", f"{there.path}/components?type={quote(KEY_PROVIDER)}")
    listed: list[dict[str, Any]] = found
    return listed


def test_a_key_that_people_raise_above_ours_does_not_stay_there(bench: Bench) -> None:
    """Proves that the active version signs again, above theirs."""
    first = bench.version(1)
    bench.reach(bench.verifier, [first])
    bench.reach(bench.holder, [first])
    own = next(c for c in components(bench.realm) if c["name"] == "rsa-generated")
    raised = {**own, "config": {**own["config"], "priority": ["5000"]}}
    bench.realm.admin.ask("PUT", f"{bench.realm.path}/components/{own['id']}", raised)
    assert bench.signed_with() != bench.kid(first)
    bench.reach(bench.holder, [first])
    assert bench.signed_with() == bench.kid(first)


def test_a_key_that_somebody_disabled_is_published_again(bench: Bench) -> None:
    """Proves that the verifiers' side repairs it, and the holders' side waits for that."""
    first = bench.version(1)
    bench.reach(bench.verifier, [first])
    mine = next(c for c in components(bench.realm) if c["name"].startswith("rotator "))
    off = {**mine, "config": {**mine["config"], "enabled": ["false"]}}
    bench.realm.admin.ask("PUT", f"{bench.realm.path}/components/{mine['id']}", off)
    assert bench.kid(first) not in bench.jwks
    assert isinstance(bench.holder.next_call(bench.aim([first])), Blocked)
    bench.reach(bench.verifier, [first])
    assert bench.kid(first) in bench.jwks


def test_a_key_that_somebody_deleted_is_not_made_anew_in_silence(bench: Bench) -> None:
    """Proves that a lost key is said: nothing brings it back."""
    first = bench.version(1)
    bench.reach(bench.verifier, [first])
    mine = next(c for c in components(bench.realm) if c["name"].startswith("rotator "))
    bench.realm.admin.ask("DELETE", f"{bench.realm.path}/components/{mine['id']}")
    with pytest.raises(Frozen, match=r"was deleted.*Restore the realm"):
        bench.verifier.next_call(bench.aim([first]))


def test_keys_of_a_ring_that_was_lost_are_named(bench: Bench) -> None:
    """Proves that an earlier life of the rotation is not taken for this one."""
    bench.verifier.check_free(ROTATION)
    first = bench.version(1)
    bench.reach(bench.verifier, [first])
    with pytest.raises(Frozen, match=f"rotator {ROTATION} {first}"):
        bench.verifier.check_free(ROTATION)
    bench.verifier.check_free("payments/other")
    bench.holder.check_free(ROTATION)
    assert bench.verifier.current() is None


@pytest.mark.parametrize(
    ("roles", "why"),
    [
        (("manage-clients",), "view-realm of realm-management"),
        (("view-realm",), "manage-realm of realm-management"),
    ],
)
def test_a_role_that_is_missing_is_named(there: Realm, roles: tuple[str, ...], why: str) -> None:
    """Proves that a refusal says what to grant."""
    bench = Bench(there, new_http(there, *roles), there.client())
    first = bench.version(1)
    with pytest.raises(Frozen, match=why):
        bench.reach(bench.verifier, [first])


def test_a_second_key_of_the_same_version_cannot_come_into_being(bench: Bench) -> None:
    """Proves that a request that comes twice, or late, is harmless."""
    first = bench.version(1)
    call = bench.verifier.next_call(bench.aim([first]))
    assert isinstance(call, Call)
    bench.learn(call.run())
    before = bench.kid(first)
    again = [c for c in components(bench.realm) if c["name"].startswith("rotator ")]
    with pytest.raises(Exception, match="HTTP 409"):
        call.run()
    assert [c for c in components(bench.realm) if c["name"].startswith("rotator ")] == again
    assert bench.verifier.next_call(bench.aim([first])) is None
    assert bench.kid(first) == before


# --- a fault at every request ---------------------------------------------------------------------------------------------


class Trouble:
    """Stands between rotator and the server: one request is lost, before or after it took effect."""

    def __init__(self, at: int, *, after: bool) -> None:
        """Meet the request number `at`."""
        self.at, self.after, self.seen = at, after, 0

    def __call__(self, asked: Asked, perform: Any) -> Said:
        """Let a request through, or not."""
        if not asked.path.startswith("/admin"):
            said: Said = perform()
            return said
        self.seen += 1
        if self.seen - 1 != self.at:
            return perform()  # type: ignore[no-any-return]
        if self.after:
            perform()
        raise HangUp


def _life(bench: Bench, api: KeycloakApi, trouble: Trouble) -> None:
    """Live: each run that fails is followed by another, and nothing of a call that failed is kept."""
    first, second = bench.version(1), bench.version(2)
    stages: list[tuple[RealmKeys | RealmSigner, list[str], list[str]]] = [
        (bench.verifier, [first], []),
        (bench.holder, [first], []),
        (bench.verifier, [first, second], []),
        (bench.holder, [second, first], []),
        (bench.verifier, [second], [first]),
        (bench.verifier, [], [second]),
    ]
    tokens: list[str] = []
    for who, accept, forget in stages:
        for _ in range(MOST):
            api.middle = trouble
            call = None
            try:
                call = who.next_call(bench.aim(accept, forget))
                if isinstance(call, Call):
                    bench.learn(call.run())
            except Exception as error:  # noqa: BLE001 - whatever it is, the next run carries on
                assert not isinstance(error, Frozen | AssertionError)  # noqa: PT017 - in a loop
            else:
                if call is None:
                    break
            finally:
                api.middle = straight
            tokens = [*tokens[-1:], bench.token()]
            assert not accept or forget or all(bench.verifies(token) for token in tokens)
        else:
            raise AssertionError(f"not reached: {accept}")
    assert not [c for c in components(bench.realm) if c["name"].startswith("rotator ")]


@pytest.mark.no_cover
def test_a_request_lost_at_any_point_is_carried_on(contract: tuple[Admin, KeycloakApi]) -> None:
    """Proves I6 for each request of a life: lost before, or after it took effect."""
    admin, api = contract
    there = admin.realm()
    app = there.client(attributes={"access.token.signed.response.alg": "ES256"})
    stranger = {"name": "theirs", "providerId": "ecdsa-generated", "providerType": KEY_PROVIDER}
    config = {"priority": ["100"], "ecdsaEllipticCurveKey": ["P-256"]}
    admin.ask("POST", f"{there.path}/components", {**stranger, "config": config})
    sends = new_http(there, "view-realm", "manage-realm")
    plain = Trouble(-1, after=False)
    _life(Bench(there, sends, app, "ES256"), api, plain)
    assert plain.seen > 20
    for at in range(plain.seen):
        for after in (False, True):
            trouble = Trouble(at, after=after)
            _life(Bench(there, sends, app, "ES256"), api, trouble)
            assert trouble.seen > at


def test_labels_differ(bench: Bench) -> None:
    """Proves that both sides can be told apart."""
    labels = {bench.verifier.label, bench.holder.label}
    assert len(labels) == 2
    assert all(bench.realm.name in label for label in labels)
