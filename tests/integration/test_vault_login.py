"""Logging in to a real OpenBao over TLS, the life of the token, and the shipped policy, which is all that it may."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from rotator.clients.clock import RunClock
from rotator.core.sensitive import Sensitive
from rotator.errors import Forbidden, Unavailable
from rotator.systems.vault.client import Vault
from rotator_sandbox.certificates import issue
from rotator_sandbox.emulator import EmulatorServer
from rotator_sandbox.openbao import wide_policy
from tests.clusters import over_http
from tests.faults.environment import Bao
from tests.faults.timeline import Timeline
from tests.vaults import Recorder, Sent, address, app_role, connected

_names = itertools.count()
AUDIENCE = "openbao"
TTL = "10m"


@dataclass
class Session:
    """A logged-in client, and what it sent."""

    vault: Vault
    recorder: Recorder
    path: str

    def work(self) -> None:
        """Do what a run does: look, write, write again, look."""
        fields = {"ring": Sensitive("{}")}
        assert self.vault.read("rotator", self.path) is None
        self.vault.write_metadata("rotator", self.path, {"owner": "rotator"}, max_versions=1)
        assert self.vault.write("rotator", self.path, fields, cas=0).version == 1
        assert self.vault.write("rotator", self.path, fields, cas=1).version == 2
        assert self.vault.older_versions("rotator", self.path) == []

    @property
    def logins(self) -> list[str]:
        """The logins sent."""
        return [s.path for s in self.recorder.sent if s.path.endswith("/login")]

    @property
    def token(self) -> str:
        """The token last used."""
        return self.recorder.tokens()[-1]


Open = Callable[..., Session]


@pytest.fixture
def open_session() -> Iterator[Open]:
    """Return what opens sessions; they are closed after the test."""
    opened: list[Session] = []

    def open_one(env: Mapping[str, str], clock: RunClock | None = None) -> Session:
        recorder = Recorder()
        session = Session(connected(env, clock or RunClock(), recorder), recorder, f"logins/{next(_names)}")
        opened.append(session)
        return session

    yield open_one
    for session in opened:
        session.vault.close()


@pytest.fixture(scope="module")
def policy(bao: Bao) -> str:
    """Write exactly the shipped policy, and return its name."""
    bao.server.call("PUT", "sys/policies/acl/rotator", {"policy": wide_policy()})
    return "rotator"


def is_valid(bao: Bao, token: str) -> bool:
    """Ask the server as root whether a token still is one."""
    try:
        bao.server.call("POST", "auth/token/lookup", {"token": token})
    except RuntimeError as error:
        assert "HTTP 403" in str(error)  # noqa: PT017 - the sandbox has one class for all failures
        return False
    return True


def mounted(bao: Bao, kind: str) -> str:
    """Mount an auth method at a path of its own, and return the path."""
    path = f"{kind}-{next(_names)}"
    bao.server.call("POST", f"sys/auth/{path}", {"type": kind})
    return path


def file_with(folder: Path, text: str) -> str:
    """Write a credential to a file as a kubelet or an agent would, with a line break at the end."""
    path = folder / f"credential-{next(_names)}"
    path.write_text(text + "\n")
    return str(path)


# --- the methods -------------------------------------------------------------------------------------------------


def test_an_app_role_logs_in_with_its_secret_id(bao: Bao, open_session: Open) -> None:
    """One login at the first request serves the whole session."""
    session = open_session(app_role(bao))
    assert session.recorder.sent == []
    session.work()
    assert session.logins == ["auth/approle/login"]
    assert len(session.recorder.tokens()) == 1


def test_an_app_role_reads_its_secret_id_from_a_file(bao: Bao, open_session: Open, tmp_path: Path) -> None:
    """The secret id need not be in the environment."""
    env = {n: v for n, v in app_role(bao).items() if n != "ROTATOR_VAULT_SECRET_ID"}
    open_session(env | {"ROTATOR_VAULT_SECRET_ID_FILE": file_with(tmp_path, bao.secret)}).work()


def test_a_given_token_is_used_and_left_alone(bao: Bao, open_session: Open, policy: str) -> None:
    """VAULT_TOKEN belongs to somebody else: there is no login, and it is still valid after the end."""
    token = bao.server.call("POST", "auth/token/create", {"policies": [policy], "ttl": TTL})["auth"][
        "client_token"
    ]
    session = open_session(address(bao) | {"VAULT_TOKEN": token})
    session.work()
    session.vault.close()
    assert session.logins == []
    assert session.token == token
    assert is_valid(bao, token)


def test_a_token_file_is_read_and_left_alone(
    bao: Bao, open_session: Open, policy: str, tmp_path: Path
) -> None:
    """The token in the file is an agent's: it is used as it is, and still valid after the end."""
    token = bao.server.call("POST", "auth/token/create", {"policies": [policy], "ttl": TTL})["auth"][
        "client_token"
    ]
    session = open_session(address(bao) | {"ROTATOR_VAULT_TOKEN_FILE": file_with(tmp_path, token)})
    session.work()
    session.vault.close()
    assert session.token == token
    assert is_valid(bao, token)


@dataclass(frozen=True)
class Issuer:
    """Who gives workloads their identities, and the jwt auth method that trusts it."""

    mount: str
    key: ec.EllipticCurvePrivateKey

    def signed(self, **changes: Any) -> str:
        """Return a workload identity."""
        now = int(time.time())
        claims = {"sub": "rotator", "aud": AUDIENCE, "iat": now, "nbf": now - 60, "exp": now + 300, **changes}
        return jwt.encode(claims, self.key, algorithm="ES256")


@pytest.fixture(scope="module")
def issuer(bao: Bao, policy: str) -> Issuer:
    """A jwt auth method that trusts an issuer."""
    made = Issuer(mounted(bao, "jwt"), ec.generate_private_key(ec.SECP256R1()))
    public = made.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    bao.server.call("POST", f"auth/{made.mount}/config", {"jwt_validation_pubkeys": [public]})
    role = {
        "role_type": "jwt",
        "bound_audiences": [AUDIENCE],
        "user_claim": "sub",
        "bound_subject": "rotator",
    }
    bao.server.call(
        "POST", f"auth/{made.mount}/role/rotator", {**role, "token_policies": policy, "token_ttl": TTL}
    )
    return made


def with_jwt(bao: Bao, method: str, mount: str, file: str) -> dict[str, str]:
    """Return the environment of a workload with a JWT in a file."""
    return address(bao) | {
        "ROTATOR_VAULT_AUTH": method,
        "ROTATOR_VAULT_AUTH_MOUNT": mount,
        "ROTATOR_VAULT_ROLE": "rotator",
        "ROTATOR_VAULT_JWT_FILE": file,
    }


def test_a_jwt_logs_in(bao: Bao, open_session: Open, issuer: Issuer, tmp_path: Path) -> None:
    """The jwt method takes an identity that is signed by an issuer it trusts."""
    session = open_session(with_jwt(bao, "jwt", issuer.mount, file_with(tmp_path, issuer.signed())))
    session.work()
    assert session.logins == [f"auth/{issuer.mount}/login"]


def test_a_service_account_logs_in(bao: Bao, open_session: Open, policy: str, tmp_path: Path) -> None:
    """The kubernetes method asks the cluster (TokenReview) whose token it is; nobody else's logs in."""
    mount = mounted(bao, "kubernetes")
    files = issue(tmp_path)
    with EmulatorServer(rbac=True, tls=files) as server:
        api = over_http(server)
        config = {
            "kubernetes_host": server.url,
            "kubernetes_ca_cert": files.ca.read_text(),
            "disable_local_ca_jwt": True,
        }
        bao.server.call("POST", f"auth/{mount}/config", {**config, "token_reviewer_jwt": api.admin_token})
        namespace = api.namespace()
        name, other = api.account(namespace), api.account(namespace)
        token, stranger = api.token(namespace, name), api.token(namespace, other)
        bound = {"bound_service_account_names": name, "bound_service_account_namespaces": namespace}
        bao.server.call(
            "POST", f"auth/{mount}/role/rotator", {**bound, "token_policies": policy, "token_ttl": TTL}
        )
        session = open_session(with_jwt(bao, "kubernetes", mount, file_with(tmp_path, token)))
        session.work()
        assert session.logins == [f"auth/{mount}/login"]
        with pytest.raises(Forbidden):
            open_session(with_jwt(bao, "kubernetes", mount, file_with(tmp_path, stranger))).work()
        api.close()
    with pytest.raises(Forbidden, match="could not ask the API server to review the token") as caught:
        open_session(with_jwt(bao, "kubernetes", mount, file_with(tmp_path, token))).work()
    assert caught.value.code in {400, 403, 500}


# --- being refused -----------------------------------------------------------------------------------------------


def test_a_wrong_secret_id_is_forbidden_and_not_quoted(bao: Bao, open_session: Open) -> None:
    """The message says which login was refused, and nothing of what was sent."""
    wrong = "k2VtqXw8ZrB5nJ7dLfHs"
    with pytest.raises(Forbidden, match=r"auth/approle/login.*refused") as caught:
        open_session(app_role(bao) | {"ROTATOR_VAULT_SECRET_ID": wrong}).work()
    assert wrong not in str(caught.value)
    assert bao.role not in str(caught.value)


@pytest.mark.parametrize(
    "claims",
    [{"exp": 1}, {"aud": "somebody else"}, {"sub": "nobody"}],
    ids=["expired", "audience", "subject"],
)
def test_a_wrong_jwt_is_forbidden_and_not_quoted(
    bao: Bao, open_session: Open, issuer: Issuer, tmp_path: Path, claims: Mapping[str, Any]
) -> None:
    """An identity that is old, or somebody else's, is refused as such."""
    token = issuer.signed(**claims)
    with pytest.raises(Forbidden, match=rf"auth/{issuer.mount}/login.*refused") as caught:
        open_session(with_jwt(bao, "jwt", issuer.mount, file_with(tmp_path, token))).work()
    assert token not in str(caught.value)
    assert token.rpartition(".")[2] not in str(caught.value)


def test_an_auth_mount_that_does_not_exist_is_named(bao: Bao, open_session: Open) -> None:
    """The server does not tell a missing mount from a refusal; the path says which was asked."""
    with pytest.raises(Forbidden, match="auth/elsewhere/login"):
        open_session(app_role(bao) | {"ROTATOR_VAULT_AUTH_MOUNT": "elsewhere"}).work()


def test_an_invalid_token_is_forbidden_and_not_quoted(bao: Bao, open_session: Open) -> None:
    """A token that is no more is refused at the first request."""
    token = "s.q9TnWv3LmK7xRz5Yb2Hc"
    with pytest.raises(Forbidden, match="rotator/data/logins") as caught:
        open_session(address(bao) | {"VAULT_TOKEN": token}).work()
    assert token not in str(caught.value)


# --- the token's life --------------------------------------------------------------------------------------------


def paths(sent: list[Sent]) -> list[str]:
    """Return what concerns the token itself."""
    return [s.path for s in sent if s.path.startswith("auth/")]


def test_a_token_of_ours_is_revoked_at_the_end(bao: Bao, open_session: Open) -> None:
    """Nobody who finds it later can use it."""
    session = open_session(app_role(bao))
    session.work()
    token = session.token
    assert is_valid(bao, token)
    session.vault.close()
    assert not is_valid(bao, token)
    with pytest.raises(Forbidden):
        open_session(address(bao) | {"VAULT_TOKEN": token}).work()


def test_a_session_that_was_not_used_neither_logs_in_nor_revokes(bao: Bao, open_session: Open) -> None:
    """Closing costs nothing where nothing was asked."""
    session = open_session(app_role(bao))
    session.vault.close()
    assert session.recorder.sent == []


def test_a_token_is_renewed_once_half_of_its_life_is_over(bao: Bao, open_session: Open) -> None:
    """Not before, once each time, and with the same token: the role gives ten minutes."""
    timeline = Timeline()
    session = open_session(app_role(bao), timeline.run_clock(timedelta()))
    session.work()
    timeline.pass_by(timedelta(minutes=4, seconds=55))
    session.vault.read("rotator", session.path)
    assert paths(session.recorder.sent) == ["auth/approle/login"]
    for _ in range(2):
        timeline.pass_by(timedelta(minutes=5, seconds=5))
        session.vault.read("rotator", session.path)
        session.vault.read("rotator", session.path)
    assert paths(session.recorder.sent) == ["auth/approle/login", *["auth/token/renew-self"] * 2]
    assert len(session.recorder.tokens()) == 1
    assert is_valid(bao, session.token)


def test_a_given_token_is_not_renewed(bao: Bao, open_session: Open, policy: str) -> None:
    """Whoever gave it looks after it."""
    timeline = Timeline()
    token = bao.server.call("POST", "auth/token/create", {"policies": [policy], "ttl": TTL})["auth"][
        "client_token"
    ]
    session = open_session(address(bao) | {"VAULT_TOKEN": token}, timeline.run_clock(timedelta()))
    session.work()
    timeline.pass_by(timedelta(hours=5))
    session.vault.read("rotator", session.path)
    assert paths(session.recorder.sent) == []


def test_after_its_longest_life_a_new_login_happens(bao: Bao, open_session: Open) -> None:
    """A token that cannot be renewed any more is replaced, and the new one is the one revoked at the end."""
    timeline = Timeline()
    session = open_session(app_role(bao), timeline.run_clock(timedelta()))
    session.work()
    first = session.token
    bao.server.call("POST", "auth/token/revoke", {"token": first})  # what its longest life does, at once
    timeline.pass_by(timedelta(minutes=6))
    assert session.vault.read("rotator", session.path) is not None
    assert session.logins == ["auth/approle/login"] * 2
    second = session.token
    assert second != first
    session.vault.close()
    assert not is_valid(bao, second)


def test_a_token_past_its_longest_life_is_replaced_while_the_server_still_knows_it(
    bao: Bao, open_session: Open
) -> None:
    """The server refuses the renewal (past the max TTL), and that is no failure of the run."""
    bao.server.call("POST", "auth/approle/role/brief", {"token_policies": "rotator", "token_max_ttl": "1s"})
    role = bao.server.call("GET", "auth/approle/role/brief/role-id")["data"]["role_id"]
    secret = bao.server.call("POST", "auth/approle/role/brief/secret-id")["data"]["secret_id"]
    timeline = Timeline()
    env = app_role(bao) | {"ROTATOR_VAULT_ROLE": role, "ROTATOR_VAULT_SECRET_ID": secret}
    session = open_session(env, timeline.run_clock(timedelta()))
    session.vault.read("rotator", session.path)
    first = session.token
    until_gone = time.monotonic() + 30
    while is_valid(bao, first) and time.monotonic() < until_gone:
        time.sleep(0.05)
    timeline.pass_by(timedelta(seconds=1))
    session.vault.read("rotator", session.path)
    assert session.logins == ["auth/approle/login"] * 2
    assert session.token != first


# --- namespaces --------------------------------------------------------------------------------------------------


def test_a_namespace_is_a_world_of_its_own(bao: Bao, open_session: Open) -> None:
    """Login, documents, renewal and revocation happen inside VAULT_NAMESPACE; outside nothing is seen of it."""
    if not bao.server.product.has_namespaces:
        pytest.skip(f"NO VAULT NAMESPACES: {bao.server.product}")
    call = bao.server.call
    call("POST", "sys/namespaces/team", {})
    for mount in ("rotator", "secret"):
        call("POST", f"team/sys/mounts/{mount}", {"type": "kv", "options": {"version": "2"}})
    call("POST", "team/sys/auth/approle", {"type": "approle"})
    rules = wide_policy()
    call("PUT", "team/sys/policies/acl/rotator", {"policy": rules})
    call("POST", "team/auth/approle/role/rotator", {"token_policies": "rotator", "token_ttl": TTL})
    env = app_role(bao) | {
        "VAULT_NAMESPACE": "team",
        "ROTATOR_VAULT_ROLE": call("GET", "team/auth/approle/role/rotator/role-id")["data"]["role_id"],
        "ROTATOR_VAULT_SECRET_ID": call("POST", "team/auth/approle/role/rotator/secret-id")["data"][
            "secret_id"
        ],
    }
    until_upgraded(bao, "team/rotator")
    timeline = Timeline()
    session = open_session(env, timeline.run_clock(timedelta()))
    session.work()
    timeline.pass_by(timedelta(minutes=6))
    session.vault.read("rotator", session.path)
    assert paths(session.recorder.sent) == ["auth/approle/login", "auth/token/renew-self"]
    session.vault.close()
    assert {s.namespace for s in session.recorder.sent} == {"team"}
    assert call("GET", f"team/rotator/data/{session.path}")["data"]["metadata"]["version"] == 2
    assert open_session(app_role(bao)).vault.read("rotator", session.path) is None
    with pytest.raises(Forbidden):
        open_session({**env, "VAULT_NAMESPACE": ""}).work()


def until_upgraded(bao: Bao, mount: str) -> None:
    """Wait until a new mount of KV version 2 answers."""
    give_up = time.monotonic() + 30
    while True:
        try:
            bao.server.call("GET", f"{mount}/config")
        except RuntimeError:
            assert time.monotonic() < give_up
            time.sleep(0.02)
        else:
            return


# --- TLS ---------------------------------------------------------------------------------------------------------


def refused_over_tls(session: Session) -> None:
    """Assert that nothing went over the connection."""
    with pytest.raises(Unavailable, match=r"not reached \(its certificate is not valid here: .*VAULT_CACERT"):
        session.vault.read("rotator", session.path)
    assert set(session.recorder.paths()) == {"POST auth/approle/login"}
    assert not session.recorder.tokens()


def test_a_wrong_ca_reaches_nobody(bao: Bao, open_session: Open, tmp_path: Path) -> None:
    """A server that another CA vouches for is not spoken to, whatever the environment of requests says."""
    files = issue(tmp_path)
    clock = Timeline().run_clock(timedelta())
    refused_over_tls(open_session(app_role(bao) | {"VAULT_CACERT": str(files.ca)}, clock))


def test_the_ca_is_only_what_vault_cacert_names(
    bao: Bao, open_session: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it the system's CAs hold; what other tools are told by their own variables changes nothing."""
    for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(variable, bao.server.ca_file)
    env = {n: v for n, v in app_role(bao).items() if n != "VAULT_CACERT"}
    refused_over_tls(open_session(env, Timeline().run_clock(timedelta())))


# --- the policy --------------------------------------------------------------------------------------------------


def test_the_shipped_policy_allows_a_run_and_nothing_else(bao: Bao, open_session: Open) -> None:
    """What a run does works; other mounts, lists, deletions, and the server itself are out of reach."""
    bao.server.call("POST", "sys/mounts/others", {"type": "kv", "options": {"version": "2"}})
    session = open_session(app_role(bao))
    session.work()
    session.vault.destroy("rotator", session.path, [1])
    asked = [
        ("GET", "sys/mounts"),
        ("GET", "sys/policies/acl/rotator"),
        ("GET", "others/data/key"),
        ("POST", "others/data/key"),
        ("LIST", "rotator/metadata/"),
        ("LIST", "secret/metadata/"),
        ("DELETE", f"rotator/data/{session.path}"),
        ("DELETE", f"rotator/metadata/{session.path}"),
        ("POST", f"rotator/undelete/{session.path}"),
        ("POST", "rotator/config"),
        ("POST", "auth/token/create"),
        ("POST", "auth/approle/role/rotator/secret-id"),
    ]
    allowed = [f"{method} {path}" for method, path in asked if not _is_forbidden(bao, session, method, path)]
    assert allowed == []


def _is_forbidden(bao: Bao, session: Session, method: str, path: str) -> bool:

    with requests.Session() as http:
        http.trust_env = False
        http.verify = bao.server.ca_file
        url, headers = f"{bao.server.address}/v1/{path}", {"X-Vault-Token": session.token}
        body: dict[str, Any] | None = {"data": {}, "options": {}} if method == "POST" else None
        answer = http.request(method, url, headers=headers, json=body, timeout=10)
    return answer.status_code == 403
