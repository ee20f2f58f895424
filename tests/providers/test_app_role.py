"""Secret ids of an AppRole role, on a real OpenBao: the contract, whole lives with lost replies, and the run's own role."""

from __future__ import annotations

import itertools
import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast
from urllib.parse import urlsplit

import pytest
import urllib3

from rotator.clients.clock import RunClock
from rotator.clients.connections import Connections
from rotator.clients.meter import Meter
from rotator.clients.retry import Retry
from rotator.core.sensitive import Sensitive
from rotator.engine.installation import Installation
from rotator.engine.proof import Proof
from rotator.errors import Ambiguous, Forbidden, Frozen, NotFound, RotatorError
from rotator.policy.vault_access import OWN_TOKEN, Grant, hcl
from rotator.ports import Aim, Copy, Deadline
from rotator.systems.app_role.client import AppRoleLogin, AppRoleSecretIds
from rotator.systems.app_role.maker import AppRoleSecret
from rotator.systems.vault.client import Vault, connections_to
from rotator.systems.vault.settings import VaultSettings
from tests.faults.environment import Bao
from tests.providers.contract import ROTATION, Bench, ProviderContract

_names = itertools.count()
CHANGES = ("custom-secret-id", "secret-id/destroy")


def grants(role: str, mount: str = "approle") -> tuple[Grant, ...]:
    """Return exactly what rotating the secret ids of a role needs."""
    at = f"auth/{mount}/role/{role}"
    return (
        Grant(f"{at}/role-id", ("read",), "the login"),
        Grant(f"{at}/custom-secret-id", ("update",), "makes them"),
        Grant(f"{at}/secret-id/lookup", ("update",), "looks for them"),
        Grant(f"{at}/secret-id/destroy", ("update",), "withdraws them"),
        *OWN_TOKEN,
    )


@dataclass
class Wire:
    """The connections to the server, which lose what they are told to lose."""

    lose_before: int = -1
    lose_after: int = -1
    asked: list[str] = field(default_factory=list)
    inner: Connections | None = None

    def request(self, method: str, url: str, **given: Any) -> urllib3.BaseHTTPResponse:
        """Let a request through, or lose it, or lose its answer."""
        assert self.inner
        number = len(self.asked)
        self.asked.append(urlsplit(url).path)
        if number == self.lose_before:
            raise urllib3.exceptions.ProtocolError("lost on the way there")
        answer = self.inner.request(method, url, **given)
        if number == self.lose_after:
            answer.close()
            raise urllib3.exceptions.ProtocolError("lost on the way back")
        return answer

    def clear(self) -> None:
        """Close the connections."""
        assert self.inner
        self.inner.clear()


def connected(bao: Bao, role_id: str, secret_id: str, wire: Wire | None = None) -> Vault:
    """Return the product's client, logged in by a role; it asks nothing a second time."""
    settings = VaultSettings.from_environment(
        {
            "VAULT_ADDR": bao.server.address,
            "VAULT_CACERT": bao.server.ca_file,
            "ROTATOR_VAULT_AUTH": "approle",
            "ROTATOR_VAULT_ROLE": role_id,
            "ROTATOR_VAULT_SECRET_ID": secret_id,
        }
    )
    clock = RunClock()
    retry = Retry(clock, Deadline(clock.now() + timedelta(hours=1)), attempts=1)
    if wire:
        wire.inner = connections_to(settings)
    return Vault(settings, retry, Meter(clock), cast("Connections | None", wire))


@dataclass
class Place:
    """A role whose secret ids are rotated, and a run that may do exactly that."""

    bao: Bao
    role: str
    role_id: str
    run: tuple[str, str]
    """The role id and a secret id by which the run logs in."""
    open: list[Vault] = field(default_factory=list)

    @classmethod
    def new(cls, bao: Bao) -> Place:
        """Make a role that nobody had."""
        role = f"service-{next(_names)}"
        policy = 'path "auth/token/revoke-self" { capabilities = ["update"] }'
        role_id, secret_id = bao.server.app_role(role, policy=policy)
        bao.server.call("POST", f"auth/approle/role/{role}/secret-id/destroy", {"secret_id": secret_id})
        return cls(bao, role, role_id, bao.server.app_role(f"run-{role}", policy=hcl(grants(role))))

    def vault(self, wire: Wire | None = None) -> Vault:
        """Return a client of a new run."""
        self.open.append(connected(self.bao, *self.run, wire))
        return self.open[-1]

    def provider(self, wire: Wire | None = None) -> AppRoleSecretIds:
        """Return the provider of a new run."""
        return AppRoleSecretIds(self.vault(wire), "approle", self.role)

    def login(self) -> AppRoleLogin:
        """Return the proof of a new run."""
        return AppRoleLogin(self.vault(), "approle", self.role)

    def accepted(self, copy: Copy) -> bool:
        """Whether a holder is let in, beside the product's own code."""
        body = {"role_id": self.role_id, "secret_id": copy.material["secret_id"].reveal()}
        try:
            self.bao.server.call("POST", "auth/approle/login", body)
        except RuntimeError as error:
            assert "invalid role or secret ID" in str(error)  # noqa: PT017 - the sandbox has one class for all
            return False
        return True

    def made(self) -> list[Mapping[str, Any]]:
        """Return what the server shows of all secret ids."""
        at = f"auth/approle/role/{self.role}"
        try:
            accessors = self.bao.server.call("LIST", f"{at}/secret-id")["data"]["keys"]
        except RuntimeError:
            return []
        look = f"{at}/secret-id-accessor/lookup"
        return [self.bao.server.call("POST", look, {"secret_id_accessor": a})["data"] for a in accessors]

    def add_by_hand(self, secret_id: str) -> None:
        """Add a secret id as somebody else does."""
        path = f"auth/approle/role/{self.role}/custom-secret-id"
        self.bao.server.call("POST", path, {"secret_id": secret_id})

    def tokens(self) -> int:
        """Return how many tokens there are in the server."""
        return len(self.bao.server.call("LIST", "auth/token/accessors")["data"]["keys"])


@pytest.fixture
def place(bao: Bao) -> Iterator[Place]:
    """A role of its own."""
    made = Place.new(bao)
    yield made
    for vault in made.open:
        vault.close()


def version(number: int) -> Copy:
    """Return version `number`."""
    made = AppRoleSecret().make(ROTATION, number)
    return Copy(made.id, made.material)


def aim(*accept: Copy, forget: tuple[Copy, ...] = (), settled: bool = False) -> Aim:
    """Return what is wanted."""
    known = frozenset(copy.id for copy in (*accept, *forget))
    return Aim(rotation=ROTATION, accept=accept, forget=forget, known=known, settled=settled)


def carried_out(provider: AppRoleSecretIds, wanted: Aim) -> list[str]:
    """Make all calls; return what they did."""
    done: list[str] = []
    while call := provider.next_call(wanted):
        call.run()
        done.append(call.does)
        assert len(done) < 12
    return done


class TestAppRole(ProviderContract):
    """With exactly the capabilities that are needed."""

    @pytest.fixture
    def bench(self, place: Place) -> Bench:
        """A role of its own."""
        return Bench(provider=place.provider, make=version, logs_in=place.accepted)


def test_each_call_says_what_it_does_and_the_server_whose_it_is(place: Place) -> None:
    """People find rotation and version in the metadata of the secret id."""
    first, second = version(1), version(2)
    provider = place.provider()
    provider.check_free(ROTATION)
    assert carried_out(provider, aim(first)) == [f"add the secret id of {first.id} to {provider.label}"]
    assert carried_out(provider, aim(first, second)) == [
        f"add the secret id of {second.id} to {provider.label}"
    ]
    assert {(m["metadata"]["rotation"], m["metadata"]["version"]) for m in place.made()} == {
        (ROTATION, first.id),
        (ROTATION, second.id),
    }
    done = [f"destroy the secret id of {first.id} in {provider.label}"]
    assert carried_out(provider, aim(second, forget=(first,))) == done
    assert provider.label == f"approle approle/{place.role}"
    assert provider.current() is None


def test_secret_ids_of_others_are_left_alone(place: Place) -> None:
    """Each instance of a program may have one of its own."""
    theirs = Copy("theirs", {"secret_id": Sensitive(str(uuid.uuid4()))})
    place.add_by_hand(theirs.material["secret_id"].reveal())
    first = version(1)
    provider = place.provider()
    provider.check_free(ROTATION)
    carried_out(provider, aim(first))
    carried_out(provider, aim(forget=(first,)))
    assert place.accepted(theirs)
    assert len(place.made()) == 1


# --- lives ---------------------------------------------------------------------------------------------------------


def live(place: Place, lose: Mapping[str, int]) -> list[str]:
    """Live a whole life, with what is lost at one request; return what was asked."""
    wire = Wire(lose.get("before", -1), lose.get("after", -1))
    numbers = itertools.count(1)
    first, second, third = (version(next(numbers)) for _ in range(3))
    steps = [
        (aim(first), None, ()),
        (aim(first, second), first, ()),
        (aim(second, forget=(first,)), second, (first,)),
        (aim(second, third), second, (first,)),
        (aim(forget=(second, third)), None, (first, second, third)),
    ]
    for wanted, used, dead in steps:
        for _ in range(6):
            try:
                provider = place.provider(wire)
                while call := provider.next_call(wanted):
                    call.run()
                    assert used is None or place.accepted(used)
            except RotatorError:
                assert used is None or place.accepted(used)
                continue
            break
        assert all(place.accepted(copy) for copy in wanted.accept)
        assert not any(place.accepted(copy) for copy in dead)
    assert place.made() == []
    return wire.asked


@pytest.mark.parametrize("how", ["before", "after"])
@pytest.mark.no_cover
def test_a_life_with_any_request_or_reply_lost_is_carried_on(bao: Bao, how: str) -> None:
    """By the next run: a lost reply of what makes or ends a secret id is read back."""
    place = Place.new(bao)
    asked = live(place, {})
    assert sum(path.endswith(CHANGES) for path in asked) == 6
    for number in range(len(asked)):
        live(place, {how: number})
    for vault in place.open:
        vault.close()


def test_adding_and_destroying_twice_is_done_once(place: Place) -> None:
    """Harmless when it comes late or twice (I5): the second is read back, and there is one secret id, then none."""
    first = version(1)
    provider = place.provider()
    add = provider.next_call(aim(first))
    assert add is not None
    add.run()
    with pytest.raises(Ambiguous):
        add.run()
    assert provider.next_call(aim(first)) is None
    assert len(place.made()) == 1
    destroy = provider.next_call(aim(forget=(first,)))
    assert destroy is not None
    destroy.run()
    destroy.run()
    assert provider.next_call(aim(forget=(first,))) is None


# --- what is in the way ----------------------------------------------------------------------------------------------


def test_a_role_that_is_not_there_is_named(bao: Bao) -> None:
    """Before the first version, and in the middle; a deletion where it is gone is done."""
    place = Place.new(bao)
    provider = place.provider()
    first = version(1)
    carried_out(provider, aim(first))
    bao.server.call("DELETE", f"auth/approle/role/{place.role}")
    with pytest.raises(Frozen, match="there is no such role"):
        provider.check_free(ROTATION)
    with pytest.raises(Frozen, match="there is no such role"):
        provider.next_call(aim(first))
    with pytest.raises(NotFound):
        place.login().accepted(first)
    assert provider.next_call(aim(forget=(first,))) is None
    for vault in place.open:
        vault.close()


@pytest.mark.parametrize(
    ("limit", "word"),
    [({"secret_id_ttl": "1h"}, "secret_id_ttl"), ({"secret_id_num_uses": 9}, "secret_id_num_uses")],
)
def test_secret_ids_that_end_by_themselves_are_refused(
    place: Place, limit: Mapping[str, Any], word: str
) -> None:
    """One in use would be refused between two runs, or used up by the proof; the one in use stays."""
    first, second = version(1), version(2)
    provider = place.provider()
    carried_out(provider, aim(first))
    place.bao.server.call("POST", f"auth/approle/role/{place.role}", limit)
    with pytest.raises(Frozen, match=word):
        carried_out(provider, aim(first, second))
    assert place.accepted(first)


def test_a_secret_id_taken_over_is_not_made(place: Place) -> None:
    """A wrong declaration does not become a right one; one that is in use is left as it is, and withdrawn later."""
    value = str(uuid.uuid4())
    made = AppRoleSecret().adopt(Sensitive(value), None, ROTATION)
    taken = Copy(made.id, made.material)
    with pytest.raises(Frozen, match="taken over"):
        place.provider().next_call(aim(taken))
    assert place.made() == []
    place.add_by_hand(value)
    assert place.provider().next_call(aim(taken)) is None
    second = version(2)
    carried_out(place.provider(), aim(taken, second))
    carried_out(place.provider(), aim(second, forget=(taken,)))
    assert not place.accepted(taken)
    carried_out(
        place.provider(), aim(taken, settled=True)
    )  # somebody took it away by hand: that is put right
    assert place.accepted(taken)


@pytest.mark.parametrize("value", ["", "  ", "x" * 4097])
def test_what_is_no_secret_id_is_not_taken_over(value: str) -> None:
    """And is not quoted."""
    with pytest.raises(ValueError, match="no text of 1 to 4096"):
        AppRoleSecret().adopt(Sensitive(value), None, ROTATION)


def test_a_secret_id_that_is_no_text_is_not_taken_over() -> None:
    """Bytes cannot be sent in JSON."""
    with pytest.raises(ValueError, match="no text"):
        AppRoleSecret().adopt(Sensitive(b"\xff\xfe"), None, ROTATION)


def test_the_credential_hands_out_the_secret_id_only() -> None:
    """And its ids are derived, its values drawn."""
    credential = AppRoleSecret()
    one, again = credential.make(ROTATION, 1), credential.make(ROTATION, 1)
    assert one.id == again.id != credential.make(ROTATION, 2).id
    assert one.material["secret_id"] != again.material["secret_id"]
    adopted = credential.adopt(Sensitive("in-use-for-years"), "v0", ROTATION)
    assert set(credential.fields(adopted.id, adopted.material)) == {"secret_id"}
    assert credential.accepted(adopted.id, adopted.material) == {"id": "v0"}


# --- the proof -------------------------------------------------------------------------------------------------------


def test_a_login_tells_one_secret_id_from_another_and_leaves_no_token(place: Place) -> None:
    """The token that it brings is ended at once."""
    first, second = version(1), version(2)
    carried_out(place.provider(), aim(first))
    login = place.login()
    assert not login.accepted(second)
    before = place.tokens()
    for _ in range(3):
        assert login.accepted(first)
    assert place.tokens() == before
    assert login.name == f"login at auth/approle as {place.role}"


@pytest.mark.parametrize("missing", range(4))
def test_each_capability_is_needed(bao: Bao, missing: int) -> None:
    """Without it something is refused, and it says so."""
    place = Place.new(bao)
    left = [grant for n, grant in enumerate(grants(place.role)) if n != missing]
    place.run = bao.server.app_role(f"less-{place.role}-{missing}", policy=hcl(left))
    first = version(1)

    def whole() -> None:
        provider = place.provider()
        provider.check_free(ROTATION)
        carried_out(provider, aim(first))
        assert place.login().accepted(first)
        carried_out(provider, aim(forget=(first,)))

    with pytest.raises(Forbidden, match="HTTP 403"):
        whole()
    for vault in place.open:
        vault.close()


# --- our own ---------------------------------------------------------------------------------------------------------


def test_the_runs_own_secret_id_is_rotated(bao: Bao) -> None:
    """Logged in by the old one, a run makes the new one, proves it, ends the old one, and is still let in."""
    role = f"own-{next(_names)}"
    role_id, in_use = bao.server.app_role(role, policy=hcl(grants(role)))
    place = Place(bao, role, role_id, (role_id, in_use))
    made = AppRoleSecret().adopt(Sensitive(in_use), None, ROTATION)
    old, new = Copy(made.id, made.material), version(2)
    bench = Bench(place.provider, version, place.accepted)
    for number, copy in enumerate((old, new), 1):
        bench.material[copy.id], bench.numbers[copy.id] = copy.material, number

    vault = place.vault()
    installation = Installation(AppRoleSecretIds(vault, "approle", role))
    proof = Proof(AppRoleLogin(vault, "approle", role), RunClock(), times=3)
    for accept, forget in (([old.id], []), ([old.id, new.id], []), ([new.id], [old.id])):
        want = bench.want(accept, forget)
        while (sighting := installation.sync(want, act=True, fresh=False)).again:
            pass
        assert sighting.confirmed
        assert proof.sync(want, act=True, fresh=False).confirmed
    assert not place.accepted(old)
    place.run = (role_id, new.material["secret_id"].reveal())
    assert place.provider().next_call(aim(new, forget=(old,))) is None
    for opened in place.open:
        opened.close()


def test_nothing_says_a_secret_id(place: Place) -> None:
    """No representation, no error, nothing in what is asked for but its body."""
    first = version(1)
    secret = first.material["secret_id"].reveal()
    provider = place.provider()
    add = provider.next_call(aim(first))
    assert add is not None
    add.run()
    with pytest.raises(Ambiguous) as caught:
        add.run()
    shown = f"{provider!r} {add!r} {add.does} {caught.value!r} {caught.value} {json.dumps(provider.label)}"
    assert secret not in shown
