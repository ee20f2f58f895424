"""OAuth as a client: discovery, the three client authentications, what a refusal means, and tokens for our own access."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any
from urllib.parse import parse_qs

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jwk, jwt

from rotator.clients import oauth
from rotator.clients.http import Http
from rotator.clients.meter import Meter
from rotator.clients.oauth import (
    METHODS,
    WAYS,
    ClientCredentials,
    Endpoints,
    Identity,
    OAuthLogin,
    OwnClient,
    Says,
    Server,
    StaticToken,
    judge,
)
from rotator.clients.retry import Retry
from rotator.core.sensitive import Sensitive
from rotator.credentials.jwt_signing_key.maker import JwtSigningKey
from rotator.credentials.oauth_client.maker import OAuthClientKey
from rotator.errors import Ambiguous, ClientError, Forbidden, Rejected, SettingsError
from rotator.ports import Copy, Deadline
from tests.conftest import Canary
from tests.providers.oidc_server import Client, Dialect, OidcServer
from tests.providers.real_oidc_provider import RealOidcProvider
from tests.providers.served import Api, Asked, HangUp, Said, Served

START = datetime(2030, 1, 1, tzinfo=UTC)
VSCHAR = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=24)
"""The characters of client ids and secrets (RFC 6749, appendix A.1 and A.2)."""
NEW_NAME = pytest.mark.filterwarnings("ignore:EdDSA is deprecated via RFC 9864")
CACHED = 61
"""oidc-provider keeps a client's key set for a minute, or longer where its headers say so; in seconds."""
SECRET = "correct-horse-battery"


@dataclass
class Clock:
    """A clock that moves only when somebody sleeps or turns it."""

    instant: datetime = START
    slept: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        """Return the instant."""
        return self.instant

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.slept.append(seconds)
        self.instant += timedelta(seconds=seconds)

    def correct(self, by: timedelta) -> None:
        """Turn it."""
        self.instant += by

    @cached_property
    def http(self) -> Http:
        """An HTTP client on this clock."""
        return Http(Retry(self, Deadline(self.now() + timedelta(days=1))), Meter(self))


def client(clock: Clock) -> Http:
    """Return the HTTP client on `clock`."""
    return clock.http


@pytest.fixture(params=["", "/realms/acme"], ids=["issuer without a path", "issuer with a path"])
def server(request: pytest.FixtureRequest, clock: Clock) -> Iterator[OidcServer]:
    """Serve the contract server."""
    api = OidcServer(request.param)
    api.now = lambda: clock.now().timestamp()
    with Served(api) as served:
        api.url = served.url
        yield api


@pytest.fixture
def clock() -> Clock:
    """Return a virtual clock."""
    return Clock()


def login(server: OidcServer, clock: Clock, method: str = "client_secret_basic", **more: Any) -> OAuthLogin:
    """Return a login at `server`."""
    return OAuthLogin(http=client(clock), issuer=server.issuer, method=method, clock=clock, **more)


def secret_copy(secret: str = SECRET, client_id: str = "payments", version: str = "v1") -> Copy:
    """Return a version of a client with a secret."""
    return Copy(version, {"client_id": Sensitive(client_id), "client_secret": Sensitive(secret)})


def key_copy(algorithm: str = "ES256", client_id: str = "payments") -> Copy:
    """Return a version of a client with a key."""
    made = JwtSigningKey(algorithm, 2048).make("payments/client", 1)
    return Copy(made.id, {**made.material, "client_id": Sensitive(client_id)})


def key_set(*copies: Copy) -> dict[str, Any]:
    """Return the public keys of `copies`."""
    return {"keys": [dict(JwtSigningKey("ES256").accepted(c.id, c.material)) for c in copies]}


def admit(server: OidcServer, copy: Copy, method: str) -> None:
    """Make the client of `copy` known to the server."""
    name = copy.material["client_id"].reveal()
    if method == "private_key_jwt":
        server.clients[name] = Client(name, method=method, jwks=lambda: key_set(copy))
    else:
        server.clients[name] = Client(name, copy.material["client_secret"].reveal(), method)


# --- discovery -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("issuer", "openid", "oauth2"),
    [
        (
            "https://a.example",
            "https://a.example/.well-known/openid-configuration",
            "https://a.example/.well-known/oauth-authorization-server",
        ),
        (
            "https://a.example/",
            "https://a.example/.well-known/openid-configuration",
            "https://a.example/.well-known/oauth-authorization-server",
        ),
        (
            "https://a.example:8443/x/y",
            "https://a.example:8443/x/y/.well-known/openid-configuration",
            "https://a.example:8443/.well-known/oauth-authorization-server/x/y",
        ),
        (
            "https://a.example/x/",
            "https://a.example/x/.well-known/openid-configuration",
            "https://a.example/.well-known/oauth-authorization-server/x",
        ),
    ],
)
def test_where_an_issuer_describes_itself(issuer: str, openid: str, oauth2: str) -> None:
    """Proves that where an issuer describes itself."""
    assert oauth.documents(issuer) == (openid, oauth2)


@pytest.mark.parametrize("openid", [True, False])
def test_discovery_finds_every_endpoint(server: OidcServer, clock: Clock, openid: bool) -> None:
    """Proves that discovery finds every endpoint."""
    server.dialect = Dialect(oidc_document=openid)
    assert oauth.discover(client(clock), server.issuer) == Endpoints(
        issuer=server.issuer,
        token=f"{server.issuer}/token",
        introspection=f"{server.issuer}/introspect",
        revocation=f"{server.issuer}/revoke",
        registration=f"{server.issuer}/register",
    )


@pytest.mark.parametrize("said", ["https://evil.example", None, "SLASH"])
def test_a_document_of_another_issuer_is_refused_and_gets_nothing(
    server: OidcServer, clock: Clock, said: str | None
) -> None:
    """Proves that a document of another issuer is refused and gets nothing."""
    server.changed_document = {"issuer": f"{server.issuer}/" if said == "SLASH" else said}
    admit(server, secret_copy(), "client_secret_basic")
    with pytest.raises(Rejected, match="letter by letter"):
        login(server, clock).accepted(secret_copy())
    assert {method for method, _, _ in server.journal} == {"GET"}


def test_a_server_that_does_not_describe_itself_is_named_with_both_addresses(
    server: OidcServer, clock: Clock
) -> None:
    """Proves that a server that does not describe itself is named with both addresses."""
    issuer = f"{server.url}/elsewhere"
    with pytest.raises(Rejected) as error:
        oauth.discover(client(clock), issuer)
    assert all(address in str(error.value) for address in oauth.documents(issuer))


@pytest.mark.parametrize(
    ("issuer", "address", "taken"),
    [
        ("https://a.example", "https://b.example/token", True),
        ("https://a.example", "http://a.example/token", False),
        ("http://127.0.0.1:1", "http://127.0.0.1:1/token", True),
        ("http://127.0.0.1:1", "https://a.example/token", True),
        ("https://a.example", "file:///etc/passwd", False),
        ("https://a.example", 7, False),
        ("https://a.example", None, True),
    ],
)
def test_a_secret_goes_only_where_tls_is(issuer: str, address: object, taken: bool) -> None:
    """Proves that a secret goes only where tls is."""
    document = {"issuer": issuer, "revocation_endpoint": address}
    if taken:
        assert oauth.read_endpoints("GET x", issuer, document).revocation == address
    else:
        with pytest.raises(Rejected, match="https"):
            oauth.read_endpoints("GET x", issuer, document)


def test_discovery_is_asked_once(server: OidcServer, clock: Clock) -> None:
    """Proves that discovery is asked once."""
    admit(server, secret_copy(), "client_secret_basic")
    once = login(server, clock)
    assert [once.accepted(secret_copy()) for _ in range(3)] == [True] * 3
    assert [path.rpartition("/")[2] for _, path, _ in server.journal] == ["openid-configuration"] + [
        "token"
    ] * 3


def test_an_endpoint_that_is_not_declared_is_said_to_be_missing(server: OidcServer, clock: Clock) -> None:
    """Proves that an endpoint that is not declared is said to be missing."""
    server.changed_document = {"introspection_endpoint": None}
    with pytest.raises(Rejected, match="declares no introspection_endpoint"):
        login(server, clock, via="introspection").accepted(secret_copy())


# --- every login form ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("via", WAYS)
@pytest.mark.parametrize("method", METHODS)
def test_every_form_of_login_tells_the_right_from_the_wrong(
    server: OidcServer, clock: Clock, method: str, via: str
) -> None:
    """Proves that every form of login tells the right from the wrong."""
    right, wrong = (
        (key_copy(), key_copy()) if method == "private_key_jwt" else (secret_copy(), secret_copy("wrong"))
    )
    admit(server, right, method)
    by = login(server, clock, method, via=via)
    assert by.accepted(right)
    assert not by.accepted(wrong)
    assert by.accepted(right)


@pytest.mark.parametrize("via", WAYS)
@pytest.mark.parametrize("method", METHODS)
def test_a_client_that_is_gone_is_refused(server: OidcServer, clock: Clock, method: str, via: str) -> None:
    """Proves that a client that is gone is refused."""
    copy = key_copy() if method == "private_key_jwt" else secret_copy()
    assert not login(server, clock, method, via=via).accepted(copy)


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "ES384", "ES512", "EdDSA"])
@NEW_NAME
def test_every_algorithm_signs_an_assertion(server: OidcServer, clock: Clock, algorithm: str) -> None:
    """Proves that every algorithm signs an assertion."""
    copy = key_copy(algorithm)
    admit(server, copy, "private_key_jwt")
    assert login(server, clock, "private_key_jwt").accepted(copy)


@pytest.mark.parametrize("kind", oauth.AUDIENCES)
def test_the_audience_of_an_assertion_is_the_one_declared(
    server: OidcServer, clock: Clock, kind: str
) -> None:
    """Proves that the audience of an assertion is the one declared."""
    server.dialect = Dialect(audiences=(kind,))
    copy = key_copy()
    admit(server, copy, "private_key_jwt")
    for named in oauth.AUDIENCES:
        assert login(server, clock, "private_key_jwt", assertion_audience=named).accepted(copy) is (
            named == kind
        )


@pytest.mark.parametrize("method", METHODS)
def test_a_version_without_a_value_logs_nobody_in_and_asks_nobody(
    server: OidcServer, clock: Clock, method: str
) -> None:
    """Proves that a version without a value logs nobody in and asks nobody."""
    assert not login(server, clock, method).accepted(Copy("v1", {"client_id": Sensitive("payments")}))
    assert not server.journal


def test_the_declared_client_counts_where_the_version_names_none(server: OidcServer, clock: Clock) -> None:
    """Proves that the declared client counts where the version names none."""
    admit(server, secret_copy(), "client_secret_basic")
    nameless = Copy("v1", {"client_secret": Sensitive(SECRET)})
    assert login(server, clock, client_id="payments").accepted(nameless)
    assert login(server, clock, client_id="other").accepted(secret_copy())
    with pytest.raises(SettingsError, match="declare the client id"):
        login(server, clock).accepted(nameless)


def test_scope_and_audience_are_asked_for(server: OidcServer, clock: Clock) -> None:
    """Proves that scope and audience are asked for."""
    admit(server, secret_copy(), "client_secret_post")
    forms: list[Mapping[str, str]] = []

    def middle(asked: Asked, perform: Callable[[], Said]) -> Said:
        forms.append(asked.form)
        return perform()

    server.middle = middle
    assert login(server, clock, "client_secret_post", scope="a b", audience="urn:api").accepted(secret_copy())
    assert forms[-1]["scope"] == "a b"
    assert forms[-1]["audience"] == "urn:api"
    assert forms[-1]["grant_type"] == "client_credentials"
    assert login(server, clock, "client_secret_post").accepted(secret_copy())
    assert set(forms[-1]) == {"grant_type", "client_id", "client_secret"}


def test_an_authentication_that_is_not_known_is_refused(server: OidcServer, clock: Clock) -> None:
    """Proves that an authentication that is not known is refused."""
    with pytest.raises(SettingsError, match="client_secret_post"):
        login(server, clock, "client_secret_jwt").accepted(secret_copy())


# --- what a refusal means ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("via", "status", "word", "says"),
    [
        ("client_credentials", 401, "invalid_client", Says.REFUSED),  # RFC 6749; Okta, Entra ID, Hydra
        ("client_credentials", 400, "invalid_client", Says.REFUSED),  # RFC 6749; Keycloak, a signed assertion
        ("client_credentials", 401, "unauthorized_client", Says.EITHER),  # Keycloak
        ("introspection", 401, "unauthorized_client", Says.EITHER),
        ("client_credentials", 401, "access_denied", Says.REFUSED),  # Auth0
        (
            "client_credentials",
            400,
            "unauthorized_client",
            Says.NOT_ALLOWED,
        ),  # RFC 6749; Entra ID: no such client
        ("client_credentials", 403, "unauthorized_client", Says.NOT_ALLOWED),  # Auth0: grant type
        ("client_credentials", 403, "access_denied", Says.NOT_ALLOWED),  # Auth0: no client grant
        ("client_credentials", 400, "access_denied", Says.NOT_ALLOWED),
        ("client_credentials", 400, "invalid_scope", Says.NOT_ALLOWED),
        ("client_credentials", 400, "invalid_target", Says.NOT_ALLOWED),
        ("client_credentials", 400, "unsupported_grant_type", Says.NOT_ALLOWED),
        ("client_credentials", 400, "invalid_request", Says.NOT_ALLOWED),  # oidc-provider: the grant
        ("client_credentials", 401, "invalid_request", Says.NOT_ALLOWED),
        ("client_credentials", 400, "invalid_grant", Says.NOTHING),
        ("client_credentials", 401, "", Says.NOTHING),  # some proxy
        ("client_credentials", 403, "", Says.NOTHING),
        ("client_credentials", 403, "invalid_client", Says.NOTHING),
        ("client_credentials", 404, "invalid_client", Says.NOTHING),
        ("client_credentials", 500, "invalid_client", Says.NOTHING),
        ("client_credentials", 503, "unauthorized_client", Says.NOT_ALLOWED),
        ("introspection", 401, "invalid_request", Says.REFUSED),  # Keycloak
        ("introspection", 403, "invalid_request", Says.NOT_ALLOWED),  # Keycloak: a public client
        ("introspection", 401, "invalid_client", Says.REFUSED),
        ("revocation", 401, "unauthorized_client", Says.REFUSED),  # Keycloak
        ("revocation", 401, "invalid_request", Says.NOT_ALLOWED),
    ],
)
def test_what_an_answer_says_of_the_credential(via: str, status: int, word: str, says: Says) -> None:
    """Proves that what an answer says of the credential."""
    assert judge(via, status, word) is says


@pytest.mark.parametrize(
    ("via", "dialect"),
    [
        ("client_credentials", Dialect(wrong_secret=(401, "unauthorized_client"))),
        ("revocation", Dialect(wrong_secret=(401, "unauthorized_client"))),
        ("introspection", Dialect(wrong_at_introspection=(401, "invalid_request"))),
        ("client_credentials", Dialect(wrong_secret=(401, "access_denied"))),
        ("client_credentials", Dialect(wrong_secret=(400, "invalid_client"))),
    ],
)
def test_the_words_of_vendors_refuse(server: OidcServer, clock: Clock, via: str, dialect: Dialect) -> None:
    """Proves that the words of vendors refuse."""
    server.dialect = dialect
    admit(server, secret_copy(), "client_secret_basic")
    by = login(server, clock, via=via)
    assert not by.accepted(secret_copy("wrong"))
    assert by.accepted(secret_copy())


@pytest.mark.parametrize("status", [400, 403])
def test_a_grant_that_is_not_allowed_says_nothing_and_says_what_to_do(
    server: OidcServer, clock: Clock, status: int
) -> None:
    """Proves that a grant that is not allowed says nothing and says what to do."""
    server.dialect = Dialect(not_granted=(status, "unauthorized_client"))
    admit(server, secret_copy(), "client_secret_basic")
    server.clients["payments"].grants = ("authorization_code",)
    with pytest.raises(ClientError, match="introspection, revocation") as error:
        login(server, clock).accepted(secret_copy())
    assert error.value.code == status
    assert error.value.reason == "unauthorized_client"
    assert login(server, clock, via="revocation").accepted(secret_copy())


@pytest.mark.parametrize("revocation", [True, False])
def test_keycloaks_word_for_both_is_told_apart_by_a_second_request(
    server: OidcServer, clock: Clock, revocation: bool
) -> None:
    """Proves that a right secret without a service account is not taken for a wrong one, where the server can tell."""
    server.dialect = Dialect(
        wrong_secret=(401, "unauthorized_client"), not_granted=(401, "unauthorized_client")
    )
    if not revocation:
        server.changed_document = {"revocation_endpoint": None}
    admit(server, secret_copy(), "client_secret_basic")
    server.clients["payments"].grants = ()
    assert not login(server, clock).accepted(secret_copy("wrong"))
    if revocation:
        with pytest.raises(ClientError, match=r"401 unauthorized_client.*introspection, revocation"):
            login(server, clock).accepted(secret_copy())
    else:
        assert not login(server, clock).accepted(secret_copy())


def test_a_scope_that_is_not_allowed_says_nothing(server: OidcServer, clock: Clock) -> None:
    """Proves that a scope that is not allowed says nothing."""
    admit(server, secret_copy(), "client_secret_basic")
    with pytest.raises(ClientError, match="scope"):
        login(server, clock, scope="forbidden").accepted(secret_copy())


@pytest.mark.parametrize(
    ("via", "document"),
    [
        ("client_credentials", {"welcome": "to the hotel"}),
        ("client_credentials", {"access_token": 7}),
        ("client_credentials", None),
        ("introspection", {"active": "yes"}),
        ("introspection", None),
    ],
)
def test_an_answer_of_something_else_is_no_login(
    server: OidcServer, clock: Clock, via: str, document: object
) -> None:
    """Proves that an answer of something else is no login."""
    server.middle = lambda asked, perform: perform() if asked.method == "GET" else Said(200, document)
    with pytest.raises(Rejected, match="in front of it"):
        login(server, clock, via=via).accepted(secret_copy())


def test_the_body_of_a_revocation_is_not_looked_at(server: OidcServer, clock: Clock) -> None:
    """Proves that the body of a revocation is not looked at."""
    server.middle = lambda asked, perform: perform() if asked.method == "GET" else Said(200, {"what": "ever"})
    assert login(server, clock, via="revocation").accepted(secret_copy())


# --- answers that are lost ---------------------------------------------------------------------------------------------------


def losing(numbers: set[int], *, after: bool) -> Callable[[Asked, Callable[[], Said]], Said]:
    """Lose the answers to the POSTs with these numbers, before or after they took effect."""
    count = itertools.count()

    def middle(asked: Asked, perform: Callable[[], Said]) -> Said:
        if asked.method == "POST" and next(count) in numbers:
            if after:
                perform()
            raise HangUp
        return perform()

    return middle


@pytest.mark.parametrize("after", [True, False])
@pytest.mark.parametrize("numbers", [{0}, {1}, {0, 1}])
@pytest.mark.parametrize("method", METHODS)
def test_a_lost_answer_is_not_taken_for_a_refusal(
    server: OidcServer, clock: Clock, method: str, numbers: set[int], after: bool
) -> None:
    """Proves that a lost answer is not taken for a refusal."""
    copy = key_copy() if method == "private_key_jwt" else secret_copy()
    admit(server, copy, method)
    server.middle = losing(numbers, after=after)
    assert login(server, clock, method).accepted(copy)


def test_a_repeated_assertion_is_not_taken_for_a_refusal(server: OidcServer, clock: Clock) -> None:
    """A proxy answers 503 once the server has heard: the repetition is refused, and says nothing of the key."""
    copy = key_copy()
    admit(server, copy, "private_key_jwt")
    first = iter([True])

    def middle(asked: Asked, perform: Callable[[], Said]) -> Said:
        said = perform()
        return Said(503) if asked.method == "POST" and next(first, False) else said

    server.middle = middle
    assert login(server, clock, "private_key_jwt").accepted(copy)
    assert [status for method, _, status in server.journal if method == "POST"] == [503, 401, 200]


def test_an_assertion_that_ran_out_while_the_server_was_busy_is_not_taken_for_a_refusal(
    server: OidcServer, clock: Clock
) -> None:
    """Proves that an assertion that ran out while the server was busy is not taken for a refusal."""
    copy = key_copy()
    admit(server, copy, "private_key_jwt")
    first = iter([True])

    def middle(asked: Asked, perform: Callable[[], Said]) -> Said:
        if asked.method == "POST" and next(first, False):
            return Said(429, headers={"Retry-After": "300"})
        return perform()

    server.middle = middle
    assert login(server, clock, "private_key_jwt").accepted(copy)
    assert clock.now() >= START + timedelta(seconds=300)


@pytest.mark.parametrize("method", METHODS)
def test_a_server_that_never_answers_says_nothing(server: OidcServer, clock: Clock, method: str) -> None:
    """Proves that a server that never answers says nothing."""
    copy = key_copy() if method == "private_key_jwt" else secret_copy()
    admit(server, copy, method)
    server.middle = losing(set(range(99)), after=True)
    with pytest.raises(Ambiguous):
        login(server, clock, method).accepted(copy)


def test_no_assertion_is_sent_twice(server: OidcServer, clock: Clock) -> None:
    """Proves that each try has an assertion of its own, also after a lost answer."""
    copy = key_copy()
    admit(server, copy, "private_key_jwt")
    sent: list[str] = []
    lost = iter([True])

    def middle(asked: Asked, perform: Callable[[], Said]) -> Said:
        sent.extend(parse_qs(asked.body.decode()).get("client_assertion", []))
        if asked.method == "POST" and next(lost, False):
            raise HangUp
        return perform()

    server.middle = middle
    by = login(server, clock, "private_key_jwt")
    assert [by.accepted(copy), by.accepted(key_copy()), by.accepted(copy)] == [True, False, True]
    assert len(sent) == len(set(sent)) == 5


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "ES512", "EdDSA"])
@NEW_NAME
def test_a_server_is_stirred_by_a_key_that_nobody_knows(
    server: OidcServer, clock: Clock, algorithm: str
) -> None:
    """Proves that it is of the kind that the client signs with, for the client, unknown, and never the client's own."""
    copy = key_copy(algorithm)
    admit(server, copy, "private_key_jwt")
    sent: list[str] = []

    def middle(asked: Asked, perform: Callable[[], Said]) -> Said:
        sent.extend(parse_qs(asked.body.decode()).get("client_assertion", []))
        return perform()

    server.middle = middle
    assert login(server, clock, "private_key_jwt").stir(copy)
    headers = [json.loads(base64.urlsafe_b64decode(text.partition(".")[0] + "==")) for text in sent]
    assert headers
    assert {header["alg"] for header in headers} == {algorithm}
    assert copy.id not in {header["kid"] for header in headers}


def test_nobody_is_stirred_about_a_secret(server: OidcServer, clock: Clock) -> None:
    """Proves that this is about keys, and asks nothing otherwise."""
    assert not login(server, clock).stir(secret_copy())
    assert not login(server, clock, "private_key_jwt").stir(Copy("v1", {"client_id": Sensitive("payments")}))
    assert not server.journal


def test_a_server_that_lets_in_any_key_is_found_out(server: OidcServer, clock: Clock) -> None:
    """Proves that such a server proves nothing."""
    copy = key_copy()
    server.middle = lambda asked, perform: (
        perform() if asked.method == "GET" else Said(200, {"access_token": "x"})
    )
    with pytest.raises(Rejected, match="does not look at keys"):
        login(server, clock, "private_key_jwt").stir(copy)


# --- what is sent ------------------------------------------------------------------------------------------------------------


def test_an_assertion_says_what_rfc_7523_asks_for() -> None:
    """Proves that an assertion says what rfc 7523 asks for."""
    copy = key_copy()
    who = Identity(client_id="payments", material=copy.material, kid=copy.id)
    form = oauth.authenticate("private_key_jwt", who, "https://a.example", START).form
    assertion = form["client_assertion"]
    assert isinstance(assertion, Sensitive)
    public = jwk.import_key(key_set(copy)["keys"][0])
    token = jwt.decode(assertion.reveal(), public, algorithms=["ES256"])
    assert token.header == {"alg": "ES256", "typ": "JWT", "kid": copy.id}
    jti = token.claims.pop("jti")
    assert len(jti) >= 16
    begin = int(START.timestamp())
    expected = {
        "iss": "payments",
        "sub": "payments",
        "aud": "https://a.example",
        "iat": begin,
        "exp": begin + 45,
    }
    assert token.claims == expected
    assert form["client_id"] == "payments"
    assert form["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        ("RS256", "RS256"),
        ("PS256", "RS256"),
        ("ES256", "ES256"),
        ("ES384", "ES384"),
        ("ES512", "ES512"),
        ("EdDSA", "EdDSA"),
    ],
)
def test_a_key_alone_signs_with_what_its_kind_is_used_for_and_goes_by_its_thumbprint(
    made: str, expected: str
) -> None:
    """Proves that a key alone signs with what its kind is used for and goes by its thumbprint."""
    copy = key_copy(made)
    who = Identity(client_id="payments", material={"private_key": copy.material["private_key"]})
    assertion = oauth.authenticate("private_key_jwt", who, "x", START).form["client_assertion"]
    assert isinstance(assertion, Sensitive)
    header = assertion.reveal().partition(".")[0]
    read = json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))
    assert read == {"alg": expected, "typ": "JWT", "kid": copy.id}


def test_a_key_that_is_none_is_not_quoted() -> None:
    """Proves that a key that is none is not quoted."""
    who = Identity(client_id="payments", material={"private_key": Sensitive("not-a-key-at-all")})
    with pytest.raises(SettingsError, match="PEM") as error:
        oauth.authenticate("private_key_jwt", who, "x", START)
    assert "not-a-key" not in repr(error.value)
    assert error.value.__context__ is None or "not-a-key" not in repr(error.value.__context__)


def test_the_example_of_a_basic_header() -> None:
    """RFC 6749, section 2.3.1; appendix B: the blank becomes a plus sign, all else is percent-encoded."""
    header = oauth.basic("a:b c", Sensitive("d%+e")).reveal()
    assert base64.b64decode(header.removeprefix("Basic ")).decode() == "a%3Ab+c:d%25%2Be"


@pytest.fixture(scope="module")
def plain() -> Iterator[tuple[OidcServer, Clock, Http]]:
    """Serve one contract server for many examples."""
    clock, api = Clock(), OidcServer()
    with Served(api) as served:
        api.url = served.url
        yield api, clock, client(clock)


@given(client_id=VSCHAR, secret=VSCHAR, method=st.sampled_from(["client_secret_basic", "client_secret_post"]))
@settings(max_examples=200)
def test_odd_ids_and_secrets_arrive_as_they_are(
    plain: tuple[OidcServer, Clock, Http], client_id: str, secret: str, method: str
) -> None:
    """Proves that an id and a secret of any characters that RFC 6749, appendix A, allows are understood."""
    api, clock, http = plain
    admit(api, secret_copy(secret, client_id), method)
    by = OAuthLogin(http=http, issuer=api.issuer, method=method, clock=clock)
    assert by.accepted(secret_copy(secret, client_id))
    assert not by.accepted(secret_copy(f"{secret}x", client_id))


# --- our own access -------------------------------------------------------------------------------------------------------------


def own_access(
    server: OidcServer, clock: Clock, credential: Callable[[], Sensitive], **more: Any
) -> ClientCredentials:
    """Return the access of a client of our own."""
    method = more.pop("method", "client_secret_basic")
    return ClientCredentials(
        http=client(clock),
        issuer=server.issuer,
        method=method,
        client_id="payments",
        credential=credential,
        clock=clock,
        **more,
    )


def bearer(headers: Mapping[str, Sensitive]) -> str:
    """Return the token in the headers."""
    return headers["Authorization"].reveal().removeprefix("Bearer ")


@pytest.mark.parametrize("method", METHODS)
def test_an_access_is_let_in_by_every_method(server: OidcServer, clock: Clock, method: str) -> None:
    """Proves that an access is let in by every method."""
    copy = key_copy() if method == "private_key_jwt" else secret_copy()
    admit(server, copy, method)
    value = copy.material.get("private_key") or copy.material["client_secret"]
    access = own_access(
        server, clock, lambda: value, method=method, kid=copy.id if "private" in method else None
    )
    assert server.tokens[bearer(access.headers())] == "payments"


@pytest.mark.parametrize(
    ("expires_in", "seconds"),
    [
        (300, 270),
        ("3600", 3570),
        (40, 20),
        (1, 0.5),
        (0, 60),
        (-5, 60),
        (None, 60),
        ("soon", 60),
        (True, 60),
        (10**12, 86370),
        (float("nan"), 60),
        (float("inf"), 86370),
    ],
)
def test_for_how_long_a_token_is_used(expires_in: object, seconds: float) -> None:
    """Proves that for how long a token is used."""
    assert oauth.usable(expires_in) == timedelta(seconds=seconds)


def test_a_token_is_kept_until_shortly_before_it_ends(server: OidcServer, clock: Clock) -> None:
    """Proves that a token is kept until shortly before it ends."""
    admit(server, secret_copy(), "client_secret_basic")
    access = own_access(server, clock, lambda: Sensitive(SECRET))
    first = bearer(access.headers())
    clock.sleep(269)
    assert bearer(access.headers()) == first
    clock.sleep(1)
    assert bearer(access.headers()) != first


def test_a_new_secret_is_seen_when_the_next_token_is_needed(server: OidcServer, clock: Clock) -> None:
    """Proves that a new secret is seen when the next token is needed."""
    admit(server, secret_copy(), "client_secret_basic")
    secrets_in_turn = iter([SECRET, "the-next-one"])
    access = own_access(server, clock, lambda: Sensitive(next(secrets_in_turn)))
    access.headers()
    server.clients["payments"].secret = "the-next-one"
    clock.sleep(300)
    assert server.tokens[bearer(access.headers())] == "payments"


def test_an_access_that_is_refused_says_whose_it_is(server: OidcServer, clock: Clock) -> None:
    """Proves that an access that is refused says whose it is."""
    admit(server, secret_copy(), "client_secret_basic")
    with pytest.raises(Forbidden, match=r"the client payments.*was refused"):
        own_access(server, clock, lambda: Sensitive("wrong")).headers()


def test_a_token_that_was_given_to_us_goes_with_its_scheme() -> None:
    """Proves that a token that was given to us goes with its scheme."""
    assert StaticToken(lambda: Sensitive("abc")).headers() == {"Authorization": Sensitive("Bearer abc")}
    assert StaticToken(lambda: Sensitive("abc"), "SSWS").headers() == {"Authorization": Sensitive("SSWS abc")}


def own_client(server: OidcServer, clock: Clock) -> OwnClient:
    """Return the access of a client that rotates its own secret."""
    return OwnClient(http=client(clock), issuer=server.issuer, method="client_secret_basic", clock=clock)


def posts(server: OidcServer) -> list[int]:
    """Return the statuses of all POSTs."""
    return [status for method, _, status in server.journal if method == "POST"]


@pytest.mark.parametrize(
    ("offered", "tried"),
    [
        ([SECRET], [200]),
        ([SECRET, "older"], [200]),
        (["newer", SECRET], [401, 200]),
        (["newer", "older", SECRET], [401, 401, 200]),
        ([None, SECRET], [200]),
    ],
)
def test_a_client_of_its_own_tries_its_versions_in_order(
    server: OidcServer, clock: Clock, offered: list[str | None], tried: list[int]
) -> None:
    """Proves that a client of its own tries its versions in order."""
    admit(server, secret_copy(), "client_secret_basic")
    own = own_client(server, clock)
    own.offer(
        [
            secret_copy(s, version=f"v{n}") if s else Copy(f"v{n}", {"client_id": Sensitive("payments")})
            for n, s in enumerate(offered)
        ]
    )
    token = bearer(own.headers())
    assert server.tokens[token] == "payments"
    assert bearer(own.headers()) == token
    assert posts(server) == tried


@pytest.mark.parametrize("offered", [[], ["wrong"], ["wrong", "older"]])
def test_a_client_of_its_own_that_is_always_refused_says_so(
    server: OidcServer, clock: Clock, offered: list[str]
) -> None:
    """Proves that a client of its own that is always refused says so."""
    admit(server, secret_copy(), "client_secret_basic")
    own = own_client(server, clock)
    own.offer([secret_copy(s, version=f"v{n}") for n, s in enumerate(offered)])
    with pytest.raises(Forbidden, match="every version that is known"):
        own.headers()


def test_an_answer_that_says_nothing_stops_the_trying(server: OidcServer, clock: Clock) -> None:
    """Proves that an answer that says nothing stops the trying."""
    admit(server, secret_copy(), "client_secret_basic")
    server.clients["payments"].grants = ()
    own = own_client(server, clock)
    own.offer([secret_copy(), secret_copy("older", version="v0")])
    with pytest.raises(ClientError, match="unauthorized_client"):
        own.headers()
    assert posts(server) == [400]


def test_the_token_of_a_version_that_is_offered_no_more_is_not_used(server: OidcServer, clock: Clock) -> None:
    """Proves that the token of a version that is offered no more is not used."""
    admit(server, secret_copy(), "client_secret_basic")
    own = own_client(server, clock)
    own.offer([secret_copy(version="v1")])
    first = bearer(own.headers())
    own.offer([secret_copy(version="v2")])
    assert bearer(own.headers()) != first


def test_nothing_secret_is_shown(server: OidcServer, clock: Clock, canary: Canary) -> None:
    """Proves that nothing secret is shown."""
    copy = secret_copy()
    admit(server, copy, "client_secret_basic")
    by, own = login(server, clock), own_client(server, clock)
    access = own_access(server, clock, lambda: Sensitive(SECRET))
    own.offer([copy])
    by.accepted(copy)
    shown = f"{by} {own} {access} {own.headers()} {access.headers()} {own._bearer} {access._bearer} {by.name}"  # noqa: SLF001
    assert not canary.found_in(shown)
    assert SECRET not in shown
    assert by.name == f"login at {server.issuer}"


# --- the real server ----------------------------------------------------------------------------------------------------------------


REAL_TIME = Clock(datetime.now(UTC))


@pytest.fixture(scope="module")
def real_http() -> Http:
    """Return an HTTP client for the real server."""
    return client(REAL_TIME)


def real_login(http: Http, provider: RealOidcProvider, method: str, via: str) -> OAuthLogin:
    """Return a login at the real server."""
    REAL_TIME.instant = provider.now()
    return OAuthLogin(http=http, issuer=provider.issuer, method=method, clock=REAL_TIME, via=via)


@pytest.mark.real_provider
@pytest.mark.parametrize("via", WAYS)
@pytest.mark.parametrize("method", METHODS)
def test_every_form_of_login_at_the_real_server(
    oidc_provider: RealOidcProvider,
    real_http: Http,
    method: str,
    via: str,
) -> None:
    """Proves that every form of login at the real server."""
    if method == "private_key_jwt":
        copy, wrong = key_copy(), key_copy()
        known = oidc_provider.register({"token_endpoint_auth_method": method, "jwks": key_set(copy)})
        named = {"client_id": Sensitive(known["client_id"])}
        copy, wrong = (Copy(c.id, {**c.material, **named}) for c in (copy, wrong))
    else:
        known = oidc_provider.register({"token_endpoint_auth_method": method})
        copy = secret_copy(known["client_secret"], known["client_id"])
        wrong = secret_copy("wrong-" + known["client_secret"], known["client_id"])
    by = real_login(real_http, oidc_provider, method, via)
    assert by.accepted(copy)
    assert not by.accepted(wrong)
    nobody = replace(copy, material={**copy.material, "client_id": Sensitive("nobody")})
    assert not by.accepted(nobody)


@pytest.mark.real_provider
def test_a_grant_that_is_not_allowed_at_the_real_server(
    oidc_provider: RealOidcProvider,
    real_http: Http,
) -> None:
    """Proves that this is told from a refusal: here the word is invalid_request."""
    known = oidc_provider.register(
        {
            "grant_types": ["authorization_code"],
            "response_types": ["code"],
            "redirect_uris": ["https://a.example/cb"],
        }
    )
    copy = secret_copy(known["client_secret"], known["client_id"])
    with pytest.raises(ClientError, match=r"HTTP 400 invalid_request.*introspection, revocation"):
        real_login(real_http, oidc_provider, "client_secret_basic", "client_credentials").accepted(copy)
    assert real_login(real_http, oidc_provider, "client_secret_basic", "revocation").accepted(copy)


@pytest.mark.real_provider
@given(client_id=VSCHAR, secret=VSCHAR, method=st.sampled_from(["client_secret_basic", "client_secret_post"]))
@settings(max_examples=100)
def test_odd_ids_and_secrets_arrive_as_they_are_at_the_real_server(
    oidc_provider: RealOidcProvider,
    real_http: Http,
    client_id: str,
    secret: str,
    method: str,
) -> None:
    """Proves that odd ids and secrets arrive as they are at the real server."""
    oidc_provider.register({"token_endpoint_auth_method": method}, client_id, secret)
    by = real_login(real_http, oidc_provider, method, "client_credentials")
    assert by.accepted(secret_copy(secret, client_id))
    assert not by.accepted(secret_copy(f"{secret}x", client_id))


class KeySet(Api):
    """The key set that a client publishes."""

    def __init__(self) -> None:
        super().__init__()
        self.copies: tuple[Copy, ...] = ()
        self.route("GET", "/jwks.json", lambda _: Said(200, key_set(*self.copies)))


@pytest.mark.real_provider
@pytest.mark.parametrize("algorithm", ["ES256", "RS256", "PS256", "EdDSA"])
@NEW_NAME
def test_a_key_is_rotated_through_the_key_set_that_the_real_server_reads(
    oidc_provider: RealOidcProvider,
    real_http: Http,
    algorithm: str,
) -> None:
    """Proves a whole rotation: the new key is accepted once the server's cache has run out, then the old one is dead."""
    published = KeySet()
    with Served(published) as served:
        known = oidc_provider.register(
            {
                "token_endpoint_auth_method": "private_key_jwt",
                "token_endpoint_auth_signing_alg": algorithm,
                "jwks_uri": f"{served.url}/jwks.json",
            }
        )
        kind = OAuthClientKey(
            issuer=oidc_provider.issuer, client_id=known["client_id"], algorithm=algorithm, bits=2048
        )
        old, new = (Copy(m.id, m.material) for m in (kind.make("payments/client", n) for n in (1, 2)))

        def login_now() -> OAuthLogin:
            return real_login(real_http, oidc_provider, "private_key_jwt", "client_credentials")

        def let_in(copy: Copy) -> bool:
            return login_now().accepted(copy)

        published.copies = (old,)
        assert [let_in(old), let_in(new)] == [True, False]
        published.copies = (old, new)
        oidc_provider.advance(CACHED)
        assert [let_in(old), let_in(new)] == [True, True]
        published.copies = (new,)
        oidc_provider.advance(CACHED)
        assert let_in(old), (
            "it reads the set again only for a key that it does not find: see `OAuthLogin.stir`"
        )
        assert login_now().stir(new)
        assert [let_in(old), let_in(new)] == [False, True]


def test_a_server_is_asked_for_its_endpoints_only_when_one_is_needed(
    server: OidcServer, clock: Clock
) -> None:
    """Proves that a server is asked for its endpoints only when one is needed."""
    asked = Server(client(clock), server.issuer)
    assert not server.journal
    assert asked.audience("issuer") == server.issuer
    assert not server.journal
    assert asked.audience("token endpoint") == f"{server.issuer}/token"
