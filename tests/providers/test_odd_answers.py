"""What a provider's API may answer instead of what it answers: words, no change, and nothing secret in the words."""

from __future__ import annotations

import copy
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast

import pytest
import urllib3

from rotator.clients.clock import RunClock
from rotator.clients.http import Http
from rotator.clients.meter import Meter
from rotator.clients.oauth import ClientCredentials, OAuthLogin, Server, discover
from rotator.clients.retry import Retry
from rotator.core.sensitive import Sensitive
from rotator.errors import Ambiguous, ClientError, Frozen, Rejected, RotatorError
from rotator.ports import Aim, Call, Copy, Deadline, Provider
from rotator.systems.auth0.client import MADE_AT, Auth0Keys, Auth0Secret
from rotator.systems.entra.client import KEY_ID, MADE, EntraApplication
from rotator.systems.hydra.client import NOTE, HydraClient
from rotator.systems.keycloak.client import KeycloakClient
from rotator.systems.okta.client import MADE as OKTA_MADE
from rotator.systems.okta.client import SECRET_ID, OktaApp
from rotator.systems.registration.client import RegisteredClients
from tests.providers.exploration import Virtual

ROTATION = "payments/client"
CANARY = "canary-secret-that-no-message-may-hold"
URL = "https://id.example.com"
AT = "2029-12-31T00:00:00Z"
ME = {"client_id": Sensitive("c1")}


@dataclass
class Says:
    """Connections on which each request is answered as written down; by method, and the end of the path."""

    answers: Mapping[str, bytes]
    headers: Mapping[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def request(self, method: str, url: str, **_: object) -> urllib3.HTTPResponse:
        """Answer."""
        path = url.partition("?")[0]
        self.asked.append(f"{method} {path}")
        body = next(
            b
            for ask, b in self.answers.items()
            if f"{method} {path}".endswith(ask.partition(" ")[2]) and ask.startswith(method)
        )
        return urllib3.HTTPResponse(
            body=io.BytesIO(body), status=200, headers=self.headers, preload_content=False
        )

    @property
    def writes(self) -> list[str]:
        """What would have changed something."""
        return [ask for ask in self.asked if not ask.startswith("GET ")]


def http(says: Says) -> Http:
    """Return the product's client on these connections."""
    clock = RunClock(sleep=lambda _: None)
    retry = Retry(clock, Deadline(clock.now() + timedelta(hours=1)))
    return Http(retry, Meter(clock), connect=lambda _: cast("Any", says))


@dataclass(frozen=True)
class Place:
    """A provider, what it reads in a good case, and what a version of it is."""

    make: Callable[[Http], Provider]
    reads: Mapping[str, Any]
    material: Mapping[str, Sensitive]
    writes: Mapping[str, Any] = field(default_factory=dict)
    """The first change, and its good answer."""
    empty: Mapping[str, Sensitive] = field(default_factory=lambda: dict(ME))
    """What a version has before it is there."""

    def aim(self) -> Aim:
        """One version that is to go."""
        gone = Copy("v0", self.material)
        return Aim(rotation=ROTATION, accept=(), forget=(gone,), known=frozenset({"v0"}), settled=False)

    def first(self) -> Aim:
        """One version that is to come."""
        new = Copy("v1", self.empty)
        return Aim(rotation=ROTATION, accept=(new,), forget=(), known=frozenset({"v1"}), settled=False)


CLOCK = Virtual()
SECRET = {"client_secret": Sensitive(CANARY)}
PLACES: dict[str, Place] = {
    "okta": Place(
        lambda h: OktaApp(http=h, url=URL, app="a", clock=CLOCK, others="Leave"),
        {"GET /credentials/secrets": [{"id": "ocs1", "status": "ACTIVE", "created": AT, "client_secret": CANARY, "secret_hash": "h"}]},
        {**SECRET, SECRET_ID: Sensitive("ocs1")},
        {"POST /credentials/secrets": {"id": "ocs2", "status": "ACTIVE", "client_secret": CANARY}},
        {"client_secret": Sensitive(f"{CANARY}-2")},
    ),
    "entra": Place(
        lambda h: EntraApplication(http=h, application="a", lasts=timedelta(days=90), clock=CLOCK, url=URL, others="Leave"),
        {"GET /applications/a": {"appId": "c1", "passwordCredentials": [{"keyId": "k1", "displayName": "x", "hint": "can", "endDateTime": "2031-01-01T00:00:00Z"}]}},
        {**ME, **SECRET, KEY_ID: Sensitive("k1")},
        {"POST /addPassword": {"keyId": "k2", "secretText": CANARY}},
    ),
    "hydra": Place(
        lambda h: HydraClient(http=h, url=URL, client="c1", others="Leave"),
        {"GET /admin/clients/c1": {"client_id": "c1", "updated_at": AT, "token_endpoint_auth_method": "client_secret_basic", "metadata": {}}},
        SECRET,
        {"PATCH /admin/clients/c1": {"client_id": "c1", "updated_at": AT}, "POST /secrets/rotate": {"client_id": "c1", "updated_at": AT, "client_secret": CANARY}},
    ),
    "auth0-keys": Place(
        lambda h: Auth0Keys(http=h, url=URL, client="c1", clock=CLOCK, others="Leave"),
        {
            "GET /clients/c1": {"client_id": "c1", "client_authentication_methods": {"private_key_jwt": {"credentials": [{"id": "cred1"}]}}},
            "GET /credentials": [{"id": "cred1", "name": "v0", "kid": "v0", "credential_type": "public_key", "created_at": AT}],
        },
        {"algorithm": Sensitive("RS256")},
    ),
    "auth0-secret": Place(
        lambda h: Auth0Secret(http=h, url=URL, client="c1"),
        {"GET /clients/c1": {"client_id": "c1", "client_secret": CANARY, "token_endpoint_auth_method": "client_secret_post"}},
        SECRET,
    ),
    "keycloak": Place(
        lambda h: KeycloakClient(http=h, url=URL, realm="r", client="c1", clock=CLOCK, overlap=False),
        {"GET /clients": [{"id": "u-1", "clientId": "c1", "secret": CANARY, "attributes": {"client.secret.rotated": "x"}, "enabled": True, "serviceAccountsEnabled": True}]},
        SECRET,
    ),
}  # fmt: skip


# --- whatever is read -----------------------------------------------------------------------------------------------

DEEP = b"[" * 10_000 + b"]" * 10_000
ANYWHERE: dict[str, tuple[bytes, str]] = {
    "null": (b"null", "expected"),
    "a text": (b'"x"', "expected"),
    "a number": (b"7", "expected"),
    "true": (b"true", "expected"),
    "a list of lists": (b"[[]]", "expected"),
    "an object of nothing": (b"{}", "missing|expected a list"),
    "a list of nothing": (b"[null]", "expected"),
    "HTML": (b"<html>canary</html>", "no JSON"),
    "nothing": (b"", "no JSON"),
    "half": (b'{"client_id": "c1', "no JSON"),
    "deep": (DEEP, "nested deeper than 64"),
    "deep in a field": (b'[{"id": ' + DEEP + b"}]", "nested deeper than 64"),
    "huge": (b'"' + b"x" * (2 << 20) + b'"', "larger than"),
    "NaN": (b'[{"id": NaN}]', "NaN"),
    "beyond all bounds": (b'[{"id": 1e400}]', "beyond all bounds"),
    "digits": (b"[" + b"9" * 5_000 + b"]", "no JSON"),
    "half a character": (b'["\\ud800"]', "half a character"),
    "no UTF-8": (b'["\xff"]', "no UTF-8"),
}


@pytest.mark.parametrize("odd", ANYWHERE)
@pytest.mark.parametrize("name", PLACES)
def test_what_is_no_such_document_changes_nothing(name: str, odd: str) -> None:
    """Proves that each read, answered by whatever it is, ends in words: also where a version is to be withdrawn."""
    place, (body, words) = PLACES[name], ANYWHERE[odd]
    for read in place.reads:
        good = {ask: json.dumps(said).encode() for ask, said in place.reads.items()}
        says = Says({**good, read: body})
        for aim in (place.aim(), place.first()):
            with pytest.raises(RotatorError, match=words) as caught:
                place.make(http(says)).next_call(aim)
            assert isinstance(caught.value, ClientError | Frozen)
            assert CANARY not in str(caught.value)
        assert not says.writes


# --- one odd field --------------------------------------------------------------------------------------------------

GONE = object()
Path = Sequence[str | int]
FIELDS: list[tuple[str, str, Path, Any, str]] = [
    ("okta", "GET /credentials/secrets", [0, "id"], GONE, r"\[0\].id is missing"),
    ("okta", "GET /credentials/secrets", [0, "id"], 7, r"\[0\].id is a number, expected a text"),
    ("okta", "GET /credentials/secrets", [0, "id"], "..", r"\[0\].id is no id"),
    ("okta", "GET /credentials/secrets", [0, "id"], "a/../../users/me", r"\[0\].id is no id"),
    ("okta", "GET /credentials/secrets", [0, "id"], "x" * 100_000, r"\[0\].id is no id"),
    ("okta", "GET /credentials/secrets", [0, "status"], "REVOKED", r"\[0\].status is another word"),
    ("okta", "GET /credentials/secrets", [0, "status"], True, r"\[0\].status is true or false"),
    ("okta", "GET /credentials/secrets", [0, "client_secret"], [CANARY], r"\[0\].client_secret is a list"),
    ("okta", "GET /credentials/secrets", [0, "secret_hash"], 1.5, r"\[0\].secret_hash is a number"),
    ("okta", "GET /credentials/secrets", [1], {"id": "ocs1", "status": "INACTIVE"}, "same id twice"),
    ("entra", "GET /applications/a", ["appId"], 7, "appId is a number"),
    ("entra", "GET /applications/a", ["appId"], GONE, "appId is missing"),
    ("entra", "GET /applications/a", ["passwordCredentials"], {}, "passwordCredentials is an object"),
    ("entra", "GET /applications/a", ["passwordCredentials"], None, "passwordCredentials is missing"),
    ("entra", "GET /applications/a", ["passwordCredentials", 0], [], r"passwordCredentials\[0\] is a list"),
    ("entra", "GET /applications/a", ["passwordCredentials", 0, "keyId"], None, "keyId is missing"),
    ("entra", "GET /applications/a", ["passwordCredentials", 0, "keyId"], "", "keyId is no id"),
    ("entra", "GET /applications/a", ["passwordCredentials", 1], {"keyId": "k1"}, "same keyId twice"),
    ("entra", "GET /applications/a", ["passwordCredentials", 0, "endDateTime"], "soon", "expected an instant"),
    ("entra", "GET /applications/a", ["passwordCredentials", 0, "endDateTime"], 1e30, "endDateTime is a number"),
    ("entra", "GET /applications/a", ["passwordCredentials", 0, "endDateTime"], "2031-01-01", "with a zone"),
    ("entra", "GET /applications/a", ["passwordCredentials", 0, "endDateTime"], "0001-01-01T00:00:00+23:59", "from 1900"),
    ("entra", "GET /applications/a", ["passwordCredentials@odata.nextLink"], "https://evil.example/", "goes on elsewhere"),
    ("entra", "GET /applications/a", ["@odata.nextLink"], f"{URL}/v1.0/applications/a", "goes on elsewhere"),
    ("hydra", "GET /admin/clients/c1", ["client_id"], "another", "about another client"),
    ("hydra", "GET /admin/clients/c1", ["client_id"], GONE, "client_id is missing"),
    ("hydra", "GET /admin/clients/c1", ["updated_at"], 7, "updated_at is a number"),
    ("hydra", "GET /admin/clients/c1", ["updated_at"], "", "updated_at is empty"),
    ("hydra", "GET /admin/clients/c1", ["token_endpoint_auth_method"], ["x"], "token_endpoint_auth_method is a list"),
    ("auth0-keys", "GET /clients/c1", ["client_id"], "c2", "about another client"),
    ("auth0-keys", "GET /clients/c1", ["client_authentication_methods"], [], "client_authentication_methods is a list"),
    ("auth0-keys", "GET /clients/c1", ["client_authentication_methods", "private_key_jwt"], "x", "private_key_jwt is a text"),
    ("auth0-keys", "GET /clients/c1", ["client_authentication_methods", "private_key_jwt", "credentials", 0], "cred1", "expected an object"),
    ("auth0-keys", "GET /clients/c1", ["client_authentication_methods", "private_key_jwt", "credentials", 1], {"id": "cred1"}, "same id twice"),
    ("auth0-keys", "GET /credentials", [0, "id"], "../../users/auth0|1", r"\[0\].id is no id"),
    ("auth0-keys", "GET /credentials", [0, "id"], 10**400, r"\[0\].id is a number"),
    ("auth0-keys", "GET /credentials", [0, "kid"], {}, r"\[0\].kid is an object"),
    ("auth0-keys", "GET /credentials", [1], {"id": "cred1"}, "same id twice"),
    ("auth0-secret", "GET /clients/c1", ["client_id"], None, "client_id is missing"),
    ("auth0-secret", "GET /clients/c1", ["client_secret"], [CANARY], "client_secret is a list"),
    ("auth0-secret", "GET /clients/c1", ["token_endpoint_auth_method"], ["x"], "token_endpoint_auth_method is a list"),
    ("keycloak", "GET /clients", [0, "id"], GONE, r"\[0\].id is missing"),
    ("keycloak", "GET /clients", [0, "id"], "u-1/../../users/u-2", r"\[0\].id is no id"),
    ("keycloak", "GET /clients", [0, "secret"], 7, r"\[0\].secret is a number"),
    ("keycloak", "GET /clients", [0, "attributes"], [], r"\[0\].attributes is a list"),
    ("keycloak", "GET /clients", [0, "attributes", "client.secret.rotated"], 7, "rotated is a number"),
    ("keycloak", "GET /clients", [0, "enabled"], "false", r"\[0\].enabled is a text, expected true or false"),
    ("keycloak", "GET /clients", [0, "serviceAccountsEnabled"], "false", "serviceAccountsEnabled is a text"),
    ("keycloak", "GET /clients", [1], {"id": "u-1", "clientId": "c2"}, "same id twice"),
    ("keycloak", "GET /clients", [1], {"id": "u-2", "clientId": "c1"}, "two clients of this name"),
]  # fmt: skip


def changed(document: Any, path: Path, value: Any) -> Any:
    """Return a copy in which one field is another, or gone; an index beyond a list's end adds to it."""
    made = copy.deepcopy(document)
    *way, last = path
    inner = made
    for step in way:
        inner = inner[step]
    if value is GONE:
        del inner[last]
    elif isinstance(inner, list) and last == len(inner):
        inner.append(value)
    else:
        inner[last] = value
    return made


@pytest.mark.parametrize(("name", "read", "path", "value", "words"), FIELDS, ids=range(len(FIELDS)))
def test_an_odd_field_changes_nothing(name: str, read: str, path: Path, value: Any, words: str) -> None:
    """Proves that one odd field is named by its place, and neither adds nor withdraws anything."""
    place = PLACES[name]
    answers = {**place.reads, read: changed(place.reads[read], path, value)}
    says = Says({ask: json.dumps(said).encode() for ask, said in answers.items()})
    for aim in (place.aim(), place.first()):
        with pytest.raises(RotatorError, match=words) as caught:
            place.make(http(says)).next_call(aim)
        assert CANARY not in str(caught.value)
    assert not says.writes


@pytest.mark.parametrize(
    "link",
    [
        '<https://evil.example/api>; rel="next"',
        f'<{URL}/api/v1/apps/a/credentials/secrets>; rel="self", <{URL}/more>; rel="next"',
        "</api>; rel=next",
        '</api>; title="x"; rel="prefetch next"',
    ],
)
@pytest.mark.parametrize("name", ["okta", "auth0-keys", "entra"])
def test_what_goes_on_elsewhere_is_not_all_of_it(name: str, link: str) -> None:
    """Proves that a list with a next page is never taken for the whole one, and that the link is not followed."""
    place = PLACES[name]
    says = Says({ask: json.dumps(said).encode() for ask, said in place.reads.items()}, {"Link": link})
    with pytest.raises(Rejected, match="goes on elsewhere"):
        place.make(http(says)).next_call(place.aim())
    assert all(ask.startswith(f"GET {URL}/") for ask in says.asked)


def test_what_is_fine_is_acted_upon() -> None:
    """Proves that the table above starts from answers that let something happen."""
    for name, place in PLACES.items():
        says = Says(
            {ask: json.dumps(said).encode() for ask, said in place.reads.items()},
            {"Link": f'<{URL}>; rel="self"'},
        )
        assert isinstance(place.make(http(says)).next_call(place.aim()), Call), name


# --- what answers a change ------------------------------------------------------------------------------------------

ANSWERS: list[tuple[str, str, Any]] = [
    ("okta", "POST /credentials/secrets", []),
    ("okta", "POST /credentials/secrets", None),
    ("okta", "POST /credentials/secrets", {"id": 7, "status": "ACTIVE"}),
    ("okta", "POST /credentials/secrets", {"id": "../x", "status": "ACTIVE"}),
    ("okta", "POST /credentials/secrets", {"id": "ocs2", "status": "ACTIVE", "client_secret": 7}),
    ("entra", "POST /addPassword", []),
    ("entra", "POST /addPassword", {"keyId": "k2"}),
    ("entra", "POST /addPassword", {"keyId": "k2", "secretText": ""}),
    ("entra", "POST /addPassword", {"keyId": "k2", "secretText": [CANARY]}),
    ("entra", "POST /addPassword", {"keyId": "k2", "secretText": f"{CANARY}\r\nX: 1"}),
    ("entra", "POST /addPassword", {"keyId": None, "secretText": CANARY}),
    ("hydra", "POST /secrets/rotate", []),
    ("hydra", "POST /secrets/rotate", {"updated_at": AT, "client_secret": None}),
    ("hydra", "POST /secrets/rotate", {"updated_at": AT, "client_secret": 7}),
    ("hydra", "POST /secrets/rotate", {"updated_at": AT, "client_secret": f"{CANARY}\n"}),
    ("hydra", "POST /secrets/rotate", {"updated_at": 7, "client_secret": CANARY}),
]


@pytest.mark.parametrize(("name", "write", "answer"), ANSWERS, ids=range(len(ANSWERS)))
def test_an_odd_answer_to_a_change_is_read_back(name: str, write: str, answer: Any) -> None:
    """Proves that such a change counts as one that may have taken effect: once, nothing learned (I6)."""
    place = PLACES[name]
    answers = {**place.reads, **place.writes, write: answer}
    says = Says({ask: json.dumps(said).encode() for ask, said in answers.items()})
    call = place.make(http(says)).next_call(place.first())
    assert isinstance(call, Call)
    with pytest.raises(Ambiguous) as caught:
        call.run()
    assert CANARY not in str(caught.value)
    assert len([ask for ask in says.writes if ask.endswith(write.partition(" ")[2])]) == 1


# --- what was noted with a version ----------------------------------------------------------------------------------

NOTES: list[tuple[str, str, str]] = [
    ("okta", OKTA_MADE, "soon"),
    ("okta", OKTA_MADE, "9999-12-31T23:59:59Z"),
    ("okta", OKTA_MADE, "2029-12-31T00:00:00"),
    ("entra", MADE, "1e400"),
    ("entra", MADE, "0001-01-01T00:00:00+23:59"),
    ("hydra", NOTE, "[" * 10_000),
    ("hydra", NOTE, "{}"),
    ("hydra", NOTE, json.dumps({"token": "t", "updated_at": AT, "tries": -5, "number": 1})),
    ("hydra", NOTE, json.dumps({"token": "t", "updated_at": AT, "tries": "1", "number": 1})),
    ("auth0-keys", MADE_AT, "\u0667"),
]


@pytest.mark.parametrize(("name", "note", "text"), NOTES, ids=range(len(NOTES)))
def test_a_note_that_somebody_changed_freezes(name: str, note: str, text: str) -> None:
    """Proves that what stands in the store is looked at, too, before it is counted with."""
    place = PLACES[name]
    says = Says({ask: json.dumps(said).encode() for ask, said in place.reads.items()})
    more = {note: Sensitive(text), KEY_ID: Sensitive("k9"), SECRET_ID: Sensitive("ocs9")}
    kept = Copy("v1", {**place.material, **SECRET, **more, "client_secret": Sensitive(f"{CANARY}-3")})
    aim = Aim(rotation=ROTATION, accept=(kept,), forget=(), known=frozenset({"v1"}), settled=False)
    with pytest.raises(
        Frozen, match=rf"the note {note} of the version v1 cannot be read.*Nothing was changed"
    ):
        place.make(http(says)).next_call(aim)
    assert not says.writes


# --- OAuth ----------------------------------------------------------------------------------------------------------

DISCOVERY = {"issuer": URL, "token_endpoint": f"{URL}/token", "introspection_endpoint": f"{URL}/introspect"}
ENDPOINTS: list[tuple[str, Any]] = [
    ("token_endpoint", 7),
    ("token_endpoint", [f"{URL}/token"]),
    ("token_endpoint", "https://[::1"),
    ("token_endpoint", "https://id.example.com\\@evil.example/token"),
    ("token_endpoint", "https://id.example.com@evil.example/token"),
    ("token_endpoint", "https://evil.example\r\nX: 1/token"),
    ("token_endpoint", "https:///token"),
    ("token_endpoint", "http://id.example.com/token"),
    ("token_endpoint", "//id.example.com/token"),
    ("token_endpoint", "file:///etc/passwd"),
    ("token_endpoint", "https://id.example.com:99999999/token"),
    ("revocation_endpoint", "https://\u0456d.example.com/revoke"),
    ("registration_endpoint", {}),
    ("issuer", None),
    ("issuer", [URL]),
    ("issuer", f"{URL}/"),
]


@pytest.mark.parametrize(("name", "value"), ENDPOINTS, ids=range(len(ENDPOINTS)))
def test_an_odd_endpoint_is_sent_nothing(name: str, value: Any) -> None:
    """Proves that a secret goes to no address that could be read in two ways."""
    says = Says({"GET /openid-configuration": json.dumps({**DISCOVERY, name: value}).encode()})
    with pytest.raises(Rejected, match="Nothing was sent there"):
        discover(http(says), URL)


@pytest.mark.parametrize("odd", ANYWHERE)
def test_an_odd_description_is_none(odd: str) -> None:
    """Proves that a server that describes itself oddly is asked for nothing else."""
    body = ANYWHERE[odd][0]
    says = Says({"GET /openid-configuration": body, "GET /oauth-authorization-server": body})
    with pytest.raises(ClientError):
        Server(http(says), URL).endpoint("token")
    assert not says.writes


TOKENS: list[tuple[str, Any, str]] = [
    ("client_credentials", {}, "access_token is missing"),
    ("client_credentials", {"access_token": 7}, "access_token is a number"),
    ("client_credentials", {"access_token": ""}, "access_token is no token"),
    ("client_credentials", {"access_token": f"{CANARY}\r\nX-Evil: 1"}, "access_token is no token"),
    ("client_credentials", {"access_token": f"{CANARY} \u00e9"}, "access_token is no token"),
    ("client_credentials", {"access_token": [CANARY]}, "access_token is a list"),
    ("client_credentials", [CANARY], "it is a list"),
    ("introspection", {"active": "false"}, "active is a text"),
    ("introspection", {"active": 0}, "active is a number"),
    ("introspection", {}, "active is missing"),
]


@pytest.mark.parametrize(("via", "answer", "words"), TOKENS, ids=range(len(TOKENS)))
def test_an_odd_login_proves_nothing(via: str, answer: Any, words: str) -> None:
    """Proves that a login counts neither as accepted nor as refused, and that nothing odd gets into a header."""
    said = {"GET /openid-configuration": DISCOVERY, "POST /token": answer, "POST /introspect": answer}
    says = Says({ask: json.dumps(document).encode() for ask, document in said.items()})
    login = OAuthLogin(http=http(says), issuer=URL, method="client_secret_post", clock=CLOCK, via=via)
    with pytest.raises(Rejected, match=words) as caught:
        login.accepted(Copy("v1", {**ME, **SECRET}))
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("ends", [None, True, -1, 0, "soon", "\u0667", "9" * 5_000, 10**400, 1e308, [], {}])
def test_a_token_that_ends_oddly_is_used_all_the_same(ends: Any) -> None:
    """Proves that how long a token lasts is no reason to fail: it is asked for anew soon."""
    said = {"GET /openid-configuration": DISCOVERY, "POST /token": {"access_token": "t", "expires_in": ends}}
    says = Says({ask: json.dumps(document).encode() for ask, document in said.items()})
    access = ClientCredentials(
        http=http(says), issuer=URL, method="client_secret_post", client_id="c", credential=lambda: Sensitive(CANARY), clock=CLOCK
    )  # fmt: skip
    assert access.headers()["Authorization"].reveal() == "Bearer t"


@pytest.mark.parametrize(
    "answer", [None, [], 7, {}, {"client_id": 7}, {"client_id": ""}, {"client_id": "c\n1"}]
)
def test_a_registration_without_a_client_stops(answer: Any) -> None:
    """Proves that such an answer is told to a person, for a client may be there now: it is asked for once."""
    said = {
        "GET /openid-configuration": {**DISCOVERY, "registration_endpoint": f"{URL}/register"},
        "POST /register": answer,
    }
    says = Says({ask: json.dumps(document).encode() for ask, document in said.items()})
    login = OAuthLogin(http=http(says), issuer=URL, method="client_secret_post", clock=CLOCK)
    place = RegisteredClients(server=Server(http(says), URL), rotation=ROTATION, clock=CLOCK, login=login)
    call = place.next_call(PLACES["hydra"].first())
    assert isinstance(call, Call)
    with pytest.raises(Frozen, match=r"names no client_id|was lost"):
        call.run()
    assert says.writes == [f"POST {URL}/register"]
