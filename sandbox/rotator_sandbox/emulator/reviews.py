"""Questions put to the cluster: TokenReview, access reviews, TokenRequest."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from .authn import ADMIN, ISSUER, User, service_account
from .authz import Attributes, allowed
from .decoding import decode
from .options import check_kind, decode_body
from .reads import find
from .resources import Kind
from .state import timestamp
from .status import bad_request, invalid, invalid_value, quoted
from .wire import Object, Response, as_object, json_response

if TYPE_CHECKING:
    from collections.abc import Callable

    from .state import Call, State
    from .target import Target

_SHORTEST, _LONGEST, _USUAL = 600, 2**32, 3600
_ACCOUNTS = ("", "serviceaccounts")
_TOKEN_REQUEST = Kind("authentication.k8s.io", "v1", "tokenrequests", "TokenRequest")


def authenticate(state: State, token: str, audiences: list[str]) -> tuple[User, list[str]] | None:
    """Give whom a token stands for, and the audiences it shares with the ones asked for."""
    if state.tokens.is_admin(token):
        return ADMIN, audiences
    claims = state.tokens.claims(token, state.clock())
    if claims is None:
        return None
    shared = [audience for audience in claims["aud"] if audience in audiences]
    bound = claims["kubernetes.io"]
    name, namespace = bound["serviceaccount"]["name"], bound["namespace"]
    account = state.store.get(_ACCOUNTS, (namespace, name))
    uid = bound["serviceaccount"]["uid"]
    if not shared or account is None or account.object["metadata"]["uid"] != uid:
        return None
    return service_account(namespace, name, uid, claims["jti"]), shared


def _token_review(call: Call, spec: Object) -> Object:
    audiences = spec.get("audiences") or [ISSUER]
    token = str(spec.get("token", ""))
    if not token:
        raise bad_request("token is required for TokenReview in authentication")
    found = authenticate(call.state, token, audiences)
    if found is None:
        return {"user": {}, "error": _refusal(call.state, token, audiences)}
    user, shared = found
    return {"authenticated": True, "user": user.info(), "audiences": shared}


def _refusal(state: State, token: str, audiences: list[str]) -> str:
    """Say why a token is refused, and nothing of what it is."""
    claims = state.tokens.claims(token, state.clock())
    if claims is None or set(claims["aud"]) & set(audiences):
        return "invalid bearer token"
    return (
        f"[invalid bearer token, token audiences {quoted(claims['aud'])} is invalid for the "
        f"target audiences {quoted(audiences)}]"
    )


def _self_review(call: Call, spec: Object) -> Object:
    del spec
    return {"userInfo": call.user.info()}


def _attributes(spec: Object) -> Attributes:
    path = as_object(spec.get("nonResourceAttributes"))
    if path:
        return Attributes(path.get("verb", ""), path=path.get("path", ""))
    asked = as_object(spec.get("resourceAttributes"))
    return Attributes(
        asked.get("verb", ""),
        asked.get("group", ""),
        asked.get("resource", ""),
        asked.get("subresource", ""),
        asked.get("namespace", ""),
        asked.get("name", ""),
    )


def _access(state: State, user: User, spec: Object) -> Object:
    return {"allowed": allowed(state, user, _attributes(spec))}


def _self_access_review(call: Call, spec: Object) -> Object:
    return _access(call.state, call.user, spec)


def _access_review(call: Call, spec: Object) -> Object:
    user = User(spec.get("user", ""), tuple(spec.get("groups") or ()), spec.get("uid", ""))
    return _access(call.state, user, spec)


_REVIEWS: dict[str, Callable[[Call, Object], Object]] = {
    "TokenReview": _token_review,
    "SelfSubjectReview": _self_review,
    "SelfSubjectAccessReview": _self_access_review,
    "SubjectAccessReview": _access_review,
}


def review(call: Call, target: Target) -> Response:
    """Answer a POST of a review: nothing is stored, the answer is in its status."""
    kind, obj = target.kind, decode_body(call.request.body)
    check_kind(kind, obj)
    obj = decode(kind, obj, strict=False)
    spec = as_object(obj.get("spec"))
    answer: Object = {
        "kind": kind.name,
        "apiVersion": kind.api_version,
        "metadata": {},
    }
    if kind.name == "SelfSubjectReview":
        answer["metadata"] = {"creationTimestamp": call.state.now()}
    else:
        answer["spec"] = spec
    answer["status"] = _REVIEWS[kind.name](call, spec)
    return json_response(201, answer)


def request_token(call: Call, target: Target) -> Response:
    """Answer a POST of a TokenRequest to a service account."""
    account, obj = find(call, target).object, decode_body(call.request.body)
    spec = as_object(decode(_TOKEN_REQUEST, obj, strict=False).get("spec"))
    seconds = int(spec.get("expirationSeconds") or _USUAL)
    if not _SHORTEST <= seconds <= _LONGEST:
        why = "may not specify a duration less than 10 minutes"
        if seconds > _LONGEST:
            why = "may not specify a duration larger than 2^32 seconds"
        error = invalid_value("spec.expirationSeconds", seconds, why)
        raise invalid(_TOKEN_REQUEST, "", [error])
    audiences = list(spec.get("audiences") or [ISSUER])
    issued = call.state.clock()
    token = call.state.tokens.issue(account, audiences, issued, seconds)
    expires = timestamp(issued + timedelta(seconds=seconds))
    answer = {
        "kind": "TokenRequest",
        "apiVersion": "authentication.k8s.io/v1",
        "metadata": {
            "name": target.name,
            "namespace": target.namespace,
            "uid": account["metadata"]["uid"],
            "creationTimestamp": timestamp(issued),
        },
        "spec": {
            "audiences": audiences,
            "expirationSeconds": seconds,
            "boundObjectRef": spec.get("boundObjectRef"),
        },
        "status": {"token": token, "expirationTimestamp": expires},
    }
    return json_response(201, answer)
