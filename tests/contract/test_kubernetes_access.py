"""Who may do what: tokens of service accounts, token reviews, and role-based access."""

from __future__ import annotations

import base64
import json
import ssl
from pathlib import Path
from typing import Any

import pytest

from rotator_sandbox.certificates import issue
from rotator_sandbox.emulator import Cluster, EmulatorServer, HttpCaller
from tests.contract.kubernetes_servers import APPLY, Answer, Api, config_map, eventually, reasons

RBAC = "/apis/rbac.authorization.k8s.io/v1"
ISSUER = "https://kubernetes.default.svc.cluster.local"
REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"


def accounts(namespace: str) -> str:
    """Give the path of service accounts."""
    return f"/api/v1/namespaces/{namespace}/serviceaccounts"


def token_of(api: Api, namespace: str, name: str, **spec: object) -> str:
    """Give a token of a service account that is made if need be."""
    api.post(accounts(namespace), {"metadata": {"name": name}})
    answer = api.post(f"{accounts(namespace)}/{name}/token", {"spec": spec})
    assert answer.status == 201
    return str(answer.body["status"]["token"])


def allow(api: Api, namespace: str, account: str, *rules: dict[str, Any]) -> None:
    """Bind a Role with these rules to a service account."""
    api.post(f"{RBAC}/namespaces/{namespace}/roles", {"metadata": {"name": account}, "rules": list(rules)})
    subject = {"kind": "ServiceAccount", "name": account, "namespace": namespace}
    binding = {
        "metadata": {"name": account},
        "roleRef": {"kind": "Role", "name": account},
        "subjects": [subject],
    }
    assert api.post(f"{RBAC}/namespaces/{namespace}/rolebindings", binding).status == 201
    for each in rules:
        resource, _, subresource = each["resources"][0].partition("/")
        asked = {"verb": each["verbs"][0], "resource": resource, "subresource": subresource}
        name = each.get("resourceNames", [""])[0]
        wait_until_allowed(api, namespace, account, {**asked, "namespace": namespace, "name": name})


def wait_until_allowed(api: Api, namespace: str, account: str, attributes: dict[str, str]) -> None:
    """Wait until the authoriser has heard of a new binding."""
    spec = {"user": f"system:serviceaccount:{namespace}:{account}", "resourceAttributes": attributes}
    path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    eventually(lambda: api.post(path, {"spec": spec}).body["status"]["allowed"], "the binding has no effect")


def rule(*verbs: str, resource: str = "configmaps", names: tuple[str, ...] = ()) -> dict[str, Any]:
    """Give a PolicyRule about a core resource."""
    whole: dict[str, Any] = {"apiGroups": [""], "resources": [resource], "verbs": list(verbs)}
    return {**whole, "resourceNames": list(names)} if names else whole


def test_the_emulator_can_speak_tls(tmp_path: Path) -> None:
    """Clients verify it by its CA; without the CA they refuse it."""
    with EmulatorServer(Cluster(admin_token="secret"), tls=issue(tmp_path)) as server:
        trusting = HttpCaller(server.url, server.admin_token, server.ca_file)
        assert trusting("GET", "/api/v1/namespaces/default", {}, None)[0] == 200
        trusting.close()
        stranger = HttpCaller(server.url, server.admin_token)
        with pytest.raises(ssl.SSLCertVerificationError):
            stranger("GET", "/version", {}, None)
        stranger.close()


def test_a_token_says_whose_it_is_and_until_when(api: Api, namespace: str) -> None:
    """TokenRequest: a JWT for an hour and for the API server unless asked otherwise."""
    api.post(accounts(namespace), {"metadata": {"name": "app"}})
    answer = api.post(
        f"{accounts(namespace)}/app/token", {"spec": {"audiences": ["vault"], "expirationSeconds": 600}}
    )
    assert answer.body["spec"]["audiences"] == ["vault"]
    payload = answer.body["status"]["token"].split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert (claims["aud"], claims["exp"] - claims["iat"]) == (["vault"], 600)
    assert claims["sub"] == f"system:serviceaccount:{namespace}:app"
    assert claims["kubernetes.io"]["serviceaccount"]["name"] == "app"


def test_a_token_is_not_given_for_too_short_or_for_nobody(api: Api, namespace: str) -> None:
    """422 under ten minutes, 404 without an account."""
    api.post(accounts(namespace), {"metadata": {"name": "app"}})
    assert reasons(api.post(f"{accounts(namespace)}/app/token", {"spec": {"expirationSeconds": 10}})) == (
        422,
        "Invalid",
    )
    assert reasons(api.post(f"{accounts(namespace)}/none/token", {"spec": {}})) == (404, "NotFound")


def review(api: Api, token: str, *audiences: str) -> dict[str, Any]:
    """Review a token."""
    answer = api.post(REVIEWS, {"spec": {"token": token, "audiences": list(audiences)}})
    assert answer.status == 201
    status: dict[str, Any] = answer.body["status"]
    return status


def test_a_review_tells_who_a_token_stands_for(api: Api, namespace: str) -> None:
    """TokenReview, as Vault and OpenBao ask it."""
    status = review(api, token_of(api, namespace, "app"))
    assert status["authenticated"] is True
    assert status["user"]["username"] == f"system:serviceaccount:{namespace}:app"
    assert set(status["user"]["groups"]) == {
        "system:serviceaccounts",
        f"system:serviceaccounts:{namespace}",
        "system:authenticated",
    }
    assert status["audiences"] == [ISSUER]


def test_a_review_minds_the_audience(api: Api, namespace: str) -> None:
    """A token for vault is nobody's to the API server, and the other way round."""
    token = token_of(api, namespace, "app", audiences=["vault"])
    assert review(api, token, "vault", "other")["audiences"] == ["vault"]
    assert "authenticated" not in review(api, token)
    assert "vault" in review(api, token)["error"]


def test_a_review_refuses_what_is_no_token(api: Api, namespace: str) -> None:
    """Nonsense, and a token whose signature does not fit."""
    token = token_of(api, namespace, "app")
    head, payload, signature = token.split(".")
    forged = ".".join((head, payload, signature[::-1]))
    for bad in ("nonsense", forged):
        status = review(api, bad)
        assert (status["user"], "invalid bearer token" in status["error"]) == ({}, True)
        assert "authenticated" not in status


def test_a_token_dies_with_its_account(api: Api, namespace: str) -> None:
    """An account of the same name made anew has another uid, and the old token is nobody's."""
    token = token_of(api, namespace, "app")
    api.delete(f"{accounts(namespace)}/app")
    api.post(accounts(namespace), {"metadata": {"name": "app"}})
    assert "authenticated" not in review(api, token)


def test_a_bad_token_is_unauthorized_and_none_is_anonymous(api: Api, namespace: str) -> None:
    """401 for what is no token; 403 for nobody, except for health and version."""
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    with api.as_user("nonsense") as stranger:
        assert reasons(stranger.get(path)) == (401, "Unauthorized")
    with api.as_user("") as nobody:
        refused = nobody.get(path)
        assert reasons(refused) == (403, "Forbidden")
        assert (
            'User "system:anonymous" cannot list resource "configmaps" in API group ""'
            in refused.body["message"]
        )
        assert nobody.get("/version").status == 200
        assert nobody.get("/healthz").body == "ok"


def test_an_account_may_do_what_its_role_says_and_no_more(api: Api, namespace: str) -> None:
    """Verb by verb."""
    allow(api, namespace, "app", rule("get", "create"))
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    with api.as_user(token_of(api, namespace, "app")) as user:
        assert user.post(path, config_map("c")).status == 201
        assert user.get(f"{path}/c").status == 200
        for refused in (
            user.get(path),
            user.patch(f"{path}/c", {}),
            user.delete(f"{path}/c"),
            user.put(f"{path}/c", config_map("c")),
            user.delete(path),
            user.get(f"{path}", watch="true", timeoutSeconds=1),
        ):
            assert reasons(refused) == (403, "Forbidden")


def test_a_role_can_be_for_named_objects(api: Api, namespace: str) -> None:
    """The resourceNames are honoured, for lists too when they select by that name."""
    allow(api, namespace, "app", rule("get", "patch", "list", "watch", resource="secrets", names=("mine",)))
    path = f"/api/v1/namespaces/{namespace}/secrets"
    for name in ("mine", "other"):
        api.post(path, {"metadata": {"name": name}})
    with api.as_user(token_of(api, namespace, "app")) as user:
        assert user.patch(f"{path}/mine", {"stringData": {"a": "b"}}).status == 200
        assert reasons(user.get(f"{path}/other")) == (403, "Forbidden")
        assert reasons(user.get(path)) == (403, "Forbidden")
        assert user.get(path, fieldSelector="metadata.name=mine").names == ["mine"]


def test_an_apply_creates_what_a_role_names_and_nothing_else(api: Api, namespace: str) -> None:
    """Its address names the object, so resourceNames hold for `create` as well; a POST stays forbidden."""
    allow(api, namespace, "app", rule("create", "patch", names=("c",)), rule("patch", names=("seen",)))
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    with api.as_user(token_of(api, namespace, "app")) as user:

        def apply(name: str) -> Answer:
            body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
            return user.patch(f"{path}/{name}", body, APPLY, fieldManager="app")

        assert apply("c").status == 201
        assert reasons(apply("seen")) == (403, "Forbidden"), "patching is not creating"
        assert reasons(apply("other")) == (403, "Forbidden")
        assert reasons(user.post(path, config_map("c"))) == (403, "Forbidden")


def test_a_role_for_an_object_is_not_for_its_subresources(api: Api, namespace: str) -> None:
    """They are named by their own."""
    api.post(accounts(namespace), {"metadata": {"name": "target"}})
    allow(api, namespace, "app", rule("create", resource="serviceaccounts"))
    allow(api, namespace, "minter", rule("create", resource="serviceaccounts/token", names=("target",)))
    path = f"{accounts(namespace)}/target/token"
    with api.as_user(token_of(api, namespace, "app")) as user:
        assert reasons(user.post(path, {"spec": {}})) == (403, "Forbidden")
    with api.as_user(token_of(api, namespace, "minter")) as user:
        assert user.post(path, {"spec": {}}).status == 201


def test_a_role_is_for_its_namespace(api: Api, namespace: str) -> None:
    """Elsewhere, and for objects of the cluster, it says nothing."""
    allow(api, namespace, "app", rule("get", "list"), rule("get", "list", resource="namespaces"))
    with api.as_user(token_of(api, namespace, "app")) as user:
        assert user.get(f"/api/v1/namespaces/{namespace}/configmaps").status == 200
        assert user.get(f"/api/v1/namespaces/{namespace}").status == 200
        for path in ("/api/v1/namespaces/default/configmaps", "/api/v1/configmaps", "/api/v1/namespaces"):
            assert reasons(user.get(path)) == (403, "Forbidden")


def test_a_cluster_role_is_for_everywhere(api: Api, namespace: str) -> None:
    """Bound by a ClusterRoleBinding it holds in all namespaces; bound by a RoleBinding, in one."""
    subject = {"kind": "ServiceAccount", "name": "auditor", "namespace": namespace}
    token = token_of(api, namespace, "auditor")
    role = {"metadata": {"name": f"read-{namespace}"}, "rules": [rule("list")]}
    assert api.post(f"{RBAC}/clusterroles", role).status == 201
    reference = {"kind": "ClusterRole", "name": f"read-{namespace}"}
    binding = {"metadata": {"name": f"read-{namespace}"}, "roleRef": reference, "subjects": [subject]}
    assert api.post(f"{RBAC}/namespaces/{namespace}/rolebindings", binding).status == 201
    attributes = {"verb": "list", "resource": "configmaps", "namespace": namespace}
    wait_until_allowed(api, namespace, "auditor", attributes)
    with api.as_user(token) as user:
        assert user.get(f"/api/v1/namespaces/{namespace}/configmaps").status == 200
        assert reasons(user.get("/api/v1/configmaps")) == (403, "Forbidden")
        assert api.post(f"{RBAC}/clusterrolebindings", binding).status == 201
        wait_until_allowed(api, namespace, "auditor", {"verb": "list", "resource": "configmaps"})
        assert user.get("/api/v1/configmaps").status == 200


@pytest.mark.parametrize(("verb", "allowed"), [("get", True), ("delete", False)])
def test_an_account_can_ask_what_it_may_do(api: Api, namespace: str, verb: str, *, allowed: bool) -> None:
    """SelfSubjectAccessReview is open to all who are authenticated."""
    allow(api, namespace, "app", rule("get"))
    attributes = {"verb": verb, "resource": "configmaps", "namespace": namespace, "name": "c"}
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    with api.as_user(token_of(api, namespace, "app")) as user:
        answer = user.post(path, {"spec": {"resourceAttributes": attributes}})
    assert (answer.status, answer.body["status"]["allowed"]) == (201, allowed)


def test_a_reviewer_needs_the_delegators_role(api: Api, namespace: str) -> None:
    """system:auth-delegator, as Vault's and OpenBao's kubernetes method ask for."""
    token = token_of(api, namespace, "reviewer")
    body = {"spec": {"token": token}}
    with api.as_user(token) as reviewer:
        assert reasons(reviewer.post(REVIEWS, body)) == (403, "Forbidden")
        subject = {"kind": "ServiceAccount", "name": "reviewer", "namespace": namespace}
        reference = {"kind": "ClusterRole", "name": "system:auth-delegator"}
        binding = {"metadata": {"name": f"reviewer-{namespace}"}, "roleRef": reference, "subjects": [subject]}
        assert api.post(f"{RBAC}/clusterrolebindings", binding).status == 201
        asked = {"verb": "create", "group": "authentication.k8s.io", "resource": "tokenreviews"}
        wait_until_allowed(api, namespace, "reviewer", asked)
        assert reviewer.post(REVIEWS, body).body["status"]["authenticated"] is True


def test_the_role_of_a_binding_is_fixed(api: Api, namespace: str) -> None:
    """422: a binding is made anew instead."""
    allow(api, namespace, "app", rule("get"))
    path = f"{RBAC}/namespaces/{namespace}/rolebindings/app"
    assert reasons(api.patch(path, {"roleRef": {"name": "other"}})) == (422, "Invalid")
