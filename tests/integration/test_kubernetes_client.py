"""The Kubernetes client over HTTP: pages, metadata, the meaning of every refusal, TLS, and how little it may."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client
from kubernetes.config import incluster_config

from rotator.clients.clock import RunClock
from rotator.clients.meter import Meter
from rotator.clients.retry import Retry
from rotator.engine.outcome import Outcome, Result
from rotator.errors import Ambiguous, ClientError, Conflict, Forbidden, NotFound, Rejected, Unavailable
from rotator.kinds import CONFIG_MAP, LEASE, SECRET
from rotator.policy import permissions
from rotator.policy.model import RotationPolicy
from rotator.ports import Deadline
from rotator.run import wiring
from rotator.systems.kubernetes import client as kubernetes
from rotator.systems.kubernetes.client import Kubernetes
from rotator.systems.world import World, ends_after
from rotator_sandbox.certificates import ServerFiles, issue
from rotator_sandbox.emulator import Cluster, EmulatorServer
from rotator_sandbox.processes import free_port
from tests.clusters import Served, official, over_http
from tests.faults.timeline import START, Timeline
from tests.troubled import Scripted, Troubled

pytest_plugins = ["tests.apis"]
VALUE = "tR8wZk3HnM5qYx7LvB"
ENCODED = base64.b64encode(VALUE.encode()).decode()


@pytest.fixture(params=["emulator_server", "kube_apiserver"])
def api(request: pytest.FixtureRequest) -> Served:
    """Each server in turn."""
    served: Served = request.getfixturevalue(request.param)
    return served


@pytest.fixture
def namespace(api: Served) -> str:
    """A namespace of the test's own."""
    return api.namespace()


def secret(name: str, **labels: str) -> dict[str, Any]:
    """Return a Secret to create."""
    return {"metadata": {"name": name, "labels": labels}, "data": {"key": ENCODED}}


# --- lists -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("metadata_only", [False, True])
def test_a_list_is_read_page_by_page_to_its_end(
    api: Served, namespace: str, monkeypatch: pytest.MonkeyPatch, *, metadata_only: bool
) -> None:
    """Five of seven objects match, two fit a page: three requests, and the selector holds on every page."""
    monkeypatch.setattr(kubernetes, "PAGE", 2)
    meter = Meter(Timeline().run_clock(timedelta()))
    reader = api.client(meter=meter)
    for n in range(7):
        reader.create(SECRET, namespace, secret(f"key-{n}", part="this" if n < 5 else "other"))
    before = meter.requests["kubernetes", "GET", 200]
    listed = reader.list(SECRET, namespace, selector="part=this", metadata_only=metadata_only)
    assert [o["metadata"]["name"] for o in listed] == [f"key-{n}" for n in range(5)]
    assert meter.requests["kubernetes", "GET", 200] - before == 3


def test_a_list_asks_for_no_page_before_it_is_needed(
    api: Served, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many objects there are, one page is in memory."""
    monkeypatch.setattr(kubernetes, "PAGE", 2)
    meter = Meter(Timeline().run_clock(timedelta()))
    reader = api.client(meter=meter)
    for n in range(5):
        reader.create(CONFIG_MAP, namespace, {"metadata": {"name": f"map-{n}"}})
    before = meter.requests["kubernetes", "GET", 200]
    listed = reader.list(CONFIG_MAP, namespace)
    next(listed)
    next(listed)
    assert meter.requests["kubernetes", "GET", 200] - before == 1


def test_an_empty_list_is_one_request(api: Served, namespace: str) -> None:
    """Nothing matches: nothing is yielded."""
    assert list(api.client().list(LEASE, namespace, selector="a=b")) == []


def test_metadata_alone_never_carries_contents(api: Served, namespace: str) -> None:
    """What is due is seen without reading one secret: no data, neither in a list nor of one object."""
    reader = api.client()
    reader.create(SECRET, namespace, secret("key", part="this"))
    listed = list(reader.list(SECRET, namespace, metadata_only=True))
    alone = reader.metadata(SECRET, namespace, "key")
    for document in (*listed, alone):
        assert document["metadata"]["name"] == "key"
        assert document["metadata"]["resourceVersion"]
        assert "data" not in document
        assert ENCODED not in str(document)
    assert len(listed) == 1
    assert reader.get(SECRET, namespace, "key")["data"] == {"key": ENCODED}


# --- what refusals mean ------------------------------------------------------------------------------------------


def test_refusals_are_translated_and_name_the_request_alone(api: Served, namespace: str) -> None:
    """Each status becomes the class that says what to do; no message holds what was sent."""
    writer, stranger, nobody = (
        api.client(),
        api.client(api.token(namespace, api.account(namespace))),
        api.client("no-such-token"),
    )
    made = writer.create(SECRET, namespace, secret("key"))
    writer.patch(SECRET, namespace, "key", {"metadata": {"labels": {"a": "b"}}})
    stale = {"metadata": {"resourceVersion": made["metadata"]["resourceVersion"]}, "data": {"key": ENCODED}}
    path = f"/api/v1/namespaces/{namespace}/secrets"
    table: list[tuple[type[ClientError], int, str, Any]] = [
        (Conflict, 409, f"CREATE {path}/key", lambda: writer.create(SECRET, namespace, secret("key"))),
        (Conflict, 409, f"PATCH {path}/key", lambda: writer.patch(SECRET, namespace, "key", stale)),
        (NotFound, 404, f"GET {path}/none", lambda: writer.get(SECRET, namespace, "none")),
        (NotFound, 404, f"GET {path}/none", lambda: writer.metadata(SECRET, namespace, "none")),
        (NotFound, 404, f"PATCH {path}/none", lambda: writer.patch(SECRET, namespace, "none", {"data": {}})),
        (Forbidden, 401, f"GET {path}/key", lambda: nobody.get(SECRET, namespace, "key")),
        (Forbidden, 403, f"GET {path}/key", lambda: stranger.get(SECRET, namespace, "key")),
        (Forbidden, 403, f"GET {path}", lambda: list(stranger.list(SECRET, namespace))),
        (Forbidden, 403, f"CREATE {path}/mine", lambda: stranger.create(SECRET, namespace, secret("mine"))),
        (Rejected, 422, f"CREATE {path}/NoName", lambda: writer.create(SECRET, namespace, secret("NoName"))),
    ]
    for expected, code, what, ask in table:
        with pytest.raises(ClientError) as caught:
            ask()
        assert (type(caught.value), caught.value.code, caught.value.what) == (expected, code, what)
        assert str(caught.value).startswith(f"{what}: HTTP {code}")
        assert VALUE not in str(caught.value)
        assert ENCODED not in str(caught.value)


def test_a_write_names_who_wrote(api: Served, namespace: str) -> None:
    """`kubectl get -o yaml --show-managed-fields` shows rotator as the owner of what it wrote."""
    writer = api.client()
    writer.create(CONFIG_MAP, namespace, {"metadata": {"name": "map"}, "data": {"a": "1"}})
    written = writer.patch(CONFIG_MAP, namespace, "map", {"data": {"b": "2"}})
    assert {m["manager"] for m in written["metadata"]["managedFields"]} == {"rotator"}


# --- servers in trouble ------------------------------------------------------------------------------------------


@pytest.fixture
def timeline() -> Timeline:
    """Virtual time, in which waiting for a server costs nothing."""
    return Timeline()


@pytest.fixture
def troubled() -> Iterator[Troubled]:
    """An API server in trouble."""
    with Troubled() as server:
        yield server


@pytest.fixture
def asker(troubled: Troubled, timeline: Timeline) -> Iterator[Kubernetes]:
    """The product's client on it."""
    reader = _reader(official(troubled.url, "token"), timeline)
    yield reader
    reader.close()


OK: Scripted = (
    200,
    {},
    b'{"metadata": {"name": "key", "namespace": "payments", "resourceVersion": "7"}}',
)


@pytest.mark.parametrize("status", [429, 503])
def test_what_the_server_did_not_take_is_asked_again_after_the_time_it_names(
    troubled: Troubled, asker: Kubernetes, timeline: Timeline, status: int
) -> None:
    """Reads and writes alike: nothing has happened yet."""
    troubled.says((status, {"Retry-After": "7"}, b"{}"), OK)
    assert asker.create(SECRET, "payments", secret("key"))["metadata"]["name"] == "key"
    assert troubled.asked == {"PATCH": 2}
    assert timeline.now - START >= timedelta(seconds=7)


@pytest.mark.parametrize("status", [429, 503])
def test_what_the_server_never_takes_is_unavailable(
    troubled: Troubled, asker: Kubernetes, status: int
) -> None:
    """It is given up after a few times, with the status and the time that was asked for."""
    troubled.says((status, {"Retry-After": "2"}, b'{"reason": "TooManyRequests"}'))
    with pytest.raises(Unavailable, match=rf"/secrets/key: HTTP {status} TooManyRequests") as caught:
        asker.create(SECRET, "payments", secret("key"))
    assert (caught.value.code, caught.value.retry_after) == (status, 2)
    assert troubled.asked == {"PATCH": 5}


@pytest.mark.parametrize(
    "failure", [(500, {}, b"{}"), (504, {}, b"gateway"), (0, {}, b"")], ids=["500", "504", "cut"]
)
def test_a_write_that_may_have_taken_effect_is_not_repeated(
    troubled: Troubled, asker: Kubernetes, failure: Scripted
) -> None:
    """The caller reads back first (I6); a read is simply asked again."""
    troubled.says(failure, OK)
    with pytest.raises(Ambiguous):
        asker.patch(SECRET, "payments", "key", {"data": {}})
    assert troubled.asked == {"PATCH": 1}
    troubled.says(failure, OK)
    assert asker.get(SECRET, "payments", "key")["metadata"]["name"] == "key"
    assert troubled.asked == {"GET": 2}


@pytest.mark.parametrize(
    "body", [b"<html>please log in</html>", b"", b'["no", "object"]'], ids=["page", "empty", "list"]
)
def test_an_answer_that_is_no_object_is_no_answer(troubled: Troubled, asker: Kubernetes, body: bytes) -> None:
    """A proxy's page with status 200 says nothing about what became of a write."""
    troubled.says((200, {}, body))
    with pytest.raises(Ambiguous, match="PATCH /api/v1/namespaces/payments/secrets/key"):
        asker.patch(SECRET, "payments", "key", {"data": {}})


def test_a_redirect_is_not_followed_and_no_answer(troubled: Troubled, asker: Kubernetes) -> None:
    """The token goes to nobody else."""
    troubled.says((302, {"Location": "http://127.0.0.1:1/elsewhere"}, b""))
    with pytest.raises(ClientError, match="302"):
        asker.get(SECRET, "payments", "key")


def test_a_server_that_is_gone_is_unavailable() -> None:
    """Nobody listens: nothing was sent, and it says so."""
    reader = _reader(official(f"http://127.0.0.1:{free_port()}", "token"))
    with pytest.raises(Unavailable, match=r"not reached \(Connection refused\)"):
        reader.create(SECRET, "payments", secret("key"))


# --- TLS and the service account's files -------------------------------------------------------------------------


@pytest.fixture
def files(tmp_path: Path) -> ServerFiles:
    """A CA, and a server's certificate."""
    return issue(tmp_path)


@pytest.fixture
def over_tls(files: ServerFiles) -> Iterator[EmulatorServer]:
    """The emulator over TLS."""
    with EmulatorServer(tls=files) as server:
        yield server


def test_a_wrong_ca_reaches_nobody(over_tls: EmulatorServer, tmp_path: Path) -> None:
    """A server that another CA vouches for is told nothing: the request was not taken, and it says why."""
    other = tmp_path / "other"
    other.mkdir()
    reader = _reader(official(over_tls.url, over_tls.admin_token, str(issue(other).ca)))
    with pytest.raises(Unavailable, match=r"not reached \(its certificate is not valid here: "):
        reader.create(SECRET, "default", secret("key"))
    reader.close()


def test_in_a_cluster_the_service_accounts_files_are_enough(
    over_tls: EmulatorServer, files: ServerFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Host, port, token and CA are found where the kubelet puts them."""
    token = tmp_path / "token"
    token.write_text(over_tls.admin_token)
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(token))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(files.ca))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", over_tls.url.rpartition(":")[2])
    reader = _reader(kubernetes.connect())
    assert reader.create(SECRET, "default", secret("key"))["data"] == {"key": ENCODED}
    reader.close()


def _reader(api: client.ApiClient, timeline: Timeline | None = None) -> Kubernetes:
    clock = (timeline or Timeline()).run_clock(timedelta())
    return Kubernetes(api, Retry(clock, Deadline(clock.now() + timedelta(hours=1))), Meter(clock))


# --- least privilege ---------------------------------------------------------------------------------------------


def declaration(namespace: str) -> RotationPolicy:
    """Return a rotation that needs no Vault."""
    spec = {
        "credential": {"jwtSigningKey": {"algorithm": "EdDSA"}},
        "every": "30d",
        "overlap": {"tokenTTL": "15m"},
        "store": {"kubernetes": {}},
        "verifiers": [{"jwks": {"configMap": "key-accepted", "maxAge": "5m"}}],
        "holders": [{"secret": {"name": "key", "data": {"key": "private_key", "kid": "kid"}}}],
    }
    metadata = {"name": "key", "namespace": namespace}
    whole = {"apiVersion": "rotator.dev/v1alpha1", "kind": "Rotation", "metadata": metadata, "spec": spec}
    return RotationPolicy.model_validate(whole)


EXTENT = permissions.Extent(events=False)


def _without(rule: permissions.Rule, missing: Sequence[str]) -> permissions.Rule:
    """Return a rule without the verbs that are missing for its resource, as `patch secrets`."""
    return replace(rule, verbs=tuple(v for v in rule.verbs if f"{v} {rule.resource}" not in missing))


class Jobs:
    """Runs of one rotation with a service account's token."""

    def __init__(self, api: Served, namespace: str, timeline: Timeline | None, *without: str) -> None:
        self._api, self._namespace, self._timeline = api, namespace, timeline
        self._policy = declaration(namespace)
        allowed = [_without(rule, without) for rule in permissions.rules([self._policy], EXTENT)[namespace]]
        self._account = api.account(namespace, *(rule.to_json() for rule in allowed if rule.verbs))

    def run(self) -> Outcome:
        """Do one run, with a token as fresh as a kubelet would have it."""
        clock = self._timeline.run_clock(timedelta()) if self._timeline else RunClock()
        token = self._api.token(self._namespace, self._account)
        world = World(
            clock=clock,
            deadline=ends_after(clock, timedelta(minutes=10)),
            connect_kubernetes=lambda retry, meter: Kubernetes(self._api.official(token), retry, meter),
            connect_vault=lambda _retry, _meter: pytest.fail("there is no Vault here"),
        )
        try:
            rotation = wiring.declared(world, self._policy)
            return wiring.fleet(world, act=True).advance([rotation]).outcomes[0]
        finally:
            world.close()

    def wait(self, outcome: Outcome) -> None:
        """Let time pass as an outcome asks."""
        assert outcome.until is not None
        assert self._timeline is not None
        self._timeline.pass_by(max(outcome.until - self._timeline.now, timedelta()) + timedelta(seconds=1))


@pytest.fixture
def rbac() -> Iterator[tuple[Served, Timeline]]:
    """The emulator over HTTP with RBAC, in virtual time."""
    timeline = Timeline()
    with EmulatorServer(
        Cluster(clock=lambda: timeline.now, admin_token="sandbox-admin", rbac=True),
        admin_token="sandbox-admin",
    ) as server:
        served = over_http(server)
        yield served, timeline
        served.close()


def test_a_role_in_one_namespace_is_enough_for_a_whole_rotation(rbac: tuple[Served, Timeline]) -> None:
    """From nothing to the destruction of the first version; then idle, though it may list no Secret."""
    api, timeline = rbac
    jobs = Jobs(api, api.namespace(), timeline)
    destroyed = False
    for _ in range(12):
        outcome = jobs.run()
        assert outcome.result in {Result.WAITING, Result.IDLE}, outcome.reason
        destroyed = destroyed or any(step.startswith("destroy") for step in outcome.steps)
        if destroyed:
            break
        jobs.wait(outcome)
    assert destroyed
    assert jobs.run().result is Result.IDLE


def test_the_same_role_is_enough_on_a_real_api_server(kube_apiserver: Served) -> None:
    """The first version is made, published, activated and delivered."""
    outcome = Jobs(kube_apiserver, kube_apiserver.namespace(), None).run()
    assert outcome.result is Result.WAITING, outcome.reason
    steps = [step.partition(" ")[0] for step in outcome.steps]
    assert [s for s in steps if s in {"stage", "publish", "activate"}] == ["stage", "publish", "activate"]


CORE = "/api/v1/namespaces/{namespace}"
FORBIDDEN = {
    "create leases": "CREATE /apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/rotation-key",
    "patch leases": "CREATE /apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/rotation-key",
    "create configmaps": f"CREATE {CORE}/configmaps/key-accepted",
    "patch configmaps": f"CREATE {CORE}/configmaps/key-accepted",
    "create secrets": f"CREATE {CORE}/secrets/rotation-key",
    "get secrets": f"GET {CORE}/secrets/rotation-key",
    "patch secrets": f"CREATE {CORE}/secrets/rotation-key",
}


@pytest.mark.parametrize("missing", FORBIDDEN)
def test_a_missing_permission_freezes_the_rotation_and_is_named(
    rbac: tuple[Served, Timeline], missing: str
) -> None:
    """The message is the request that was refused: what a person has to add to the Role."""
    api, timeline = rbac
    namespace = api.namespace()
    expected = FORBIDDEN[missing].format(namespace=namespace) + ": HTTP 403"
    jobs = Jobs(api, namespace, timeline, missing)
    for _ in range(12):
        outcome = jobs.run()
        if outcome.result is Result.FROZEN:
            break
        jobs.wait(outcome)
    assert outcome.result is Result.FROZEN
    assert outcome.reason.startswith(expected)


def test_without_the_list_of_leases_nothing_can_be_done(rbac: tuple[Served, Timeline]) -> None:
    """It is what every run begins with: the rotations of the namespace freeze, and the refusal is named."""
    api, timeline = rbac
    namespace = api.namespace()
    path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
    outcome = Jobs(api, namespace, timeline, "list leases").run()
    assert outcome.result is Result.FROZEN
    assert outcome.reason.startswith(f"GET {path}: HTTP 403")
