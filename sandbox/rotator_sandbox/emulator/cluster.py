"""The cluster: a pure-ish core that answers requests, with one lock and one clock."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime
from typing import TYPE_CHECKING

from . import deletes, discovery, patching, protobuf, reads, reviews, scale, watching, writes
from .authn import ANONYMOUS, AUTHENTICATED, ISSUER, Tokens, User, bearer
from .authz import BOOTSTRAP, authorise
from .managed import Manager
from .state import Call, State
from .status import ApiError, method_not_allowed, unauthorized
from .target import Target, parse_target
from .wire import Object, Request, Response, copy_json, encode, is_true, parse_request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_RBAC = "rbac.authorization.k8s.io/v1"
_FIRST_NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")


def utc_now() -> datetime:
    """Give the wall clock's instant."""
    return datetime.now(UTC)


class Cluster:
    """A Kubernetes API in memory; `handle` is all of it, from any thread."""

    def __init__(
        self,
        clock: Callable[[], datetime] = utc_now,
        admin_token: str = "sandbox-admin",  # noqa: S107
        *,
        rbac: bool = False,
    ) -> None:
        """Start with the namespaces and roles that every cluster starts with."""
        self.admin_token = admin_token
        self._state = State(clock, Tokens(admin_token), rbac)
        self._date: tuple[int, str] = (0, "")
        first = [{"kind": "Namespace", "metadata": {"name": name}} for name in _FIRST_NAMESPACES]
        with self._state.store.lock:
            for namespace in first:
                self._bootstrap({"apiVersion": "v1", **namespace})
            for obj in BOOTSTRAP:
                self._bootstrap({"apiVersion": _RBAC, **obj})

    def __repr__(self) -> str:
        """Show how large it is, and nothing it holds."""
        return f"Cluster(revision={self._state.store.revision})"

    def _bootstrap(self, obj: Object) -> None:
        state = self._state
        kind = state.registry.by_name(obj["apiVersion"], obj["kind"])
        if kind is None:
            message = f"{obj['kind']} is not served"
            raise LookupError(message)
        call = Call(state, Request("POST", "", {}, {}, b""), ANONYMOUS)
        manager = Manager("kube-apiserver", "Update", kind.api_version)
        draft = writes.Draft(copy_json(obj), manager, dry_run=False)
        writes.insert(call, Target(kind, "", "", ""), draft)

    def handle(
        self, method: str, path_and_query: str, headers: Mapping[str, str], body: bytes = b""
    ) -> Response:
        """Answer one request; a failure is answered with its Status object."""
        try:
            request = parse_request(method, path_and_query, headers, body)
            with self._state.store.lock:
                response = self._answer(request)
        except ApiError as error:
            response = error.response()
        response.headers["Date"] = self._http_date()
        return response

    @property
    def revision(self) -> int:
        """The resourceVersion of the newest write: while it stands, every read has the same answer."""
        return self._state.store.revision

    def compact(self) -> None:
        """Forget the history, as etcd does every few minutes: old watches and pages expire."""
        with self._state.store.lock:
            self._state.store.compact()

    def close(self) -> None:
        """End all watches."""
        with self._state.store.lock:
            self._state.closed = True
            self._state.store.changed.notify_all()

    def _http_date(self) -> str:
        moment = self._state.clock()
        second = int(moment.timestamp())
        if self._date[0] != second:
            shown = format_datetime(moment.astimezone(UTC), usegmt=True)
            self._date = (second, shown)
        return self._date[1]

    def _user(self, request: Request) -> User:
        token = bearer(request.headers)
        if not token:
            return ANONYMOUS
        found = reviews.authenticate(self._state, token, [ISSUER])
        if found is None:
            raise unauthorized()
        return found[0]

    def _answer(self, request: Request) -> Response:
        if request.headers.get("content-type") == protobuf.MEDIA:
            request.headers["content-type"] = "application/json"
            request.body = encode(protobuf.decode(request.body))
        call = Call(self._state, request, self._user(request))
        watch = is_true(request.query.get("watch"))
        stranger = AUTHENTICATED not in call.user.groups
        if stranger and not self._state.rbac and not discovery.is_public(request.path):
            raise unauthorized()
        target = parse_target(self._state.registry, request.path)
        authorise(call, target, watch=watch)
        if target is None:
            return discovery.discover(call)
        return _route(call, target, watch=watch)


def _route(call: Call, target: Target, *, watch: bool) -> Response:
    method = call.request.method
    if "get" not in target.kind.verbs:
        if method != "POST" or target.name:
            raise method_not_allowed()
        return reviews.review(call, target)
    if watch and method == "GET" and not target.subresource:
        return watching.watch(call, target)
    if not target.name:
        return _route_collection(call, target)
    if target.subresource in {"scale", "token", "finalize"}:
        return _route_subresource(call, target)
    return _route_object(call, target)


def _route_collection(call: Call, target: Target) -> Response:
    every = target.kind.namespaced and not target.namespace
    match call.request.method:
        case "GET" | "HEAD":
            return reads.list_objects(call, target)
        case "POST" if not every:
            return writes.create(call, target)
        case "DELETE" if not every and "deletecollection" in target.kind.verbs:
            return deletes.delete_collection(call, target)
    raise method_not_allowed()


def _route_object(call: Call, target: Target) -> Response:
    match call.request.method:
        case "GET" | "HEAD":
            return reads.get(call, target)
        case "PUT":
            return writes.update(call, target)
        case "PATCH":
            return patching.patch(call, target)
        case "DELETE" if not target.subresource:
            return deletes.delete(call, target)
    raise method_not_allowed()


def _route_subresource(call: Call, target: Target) -> Response:
    match target.subresource, call.request.method:
        case "token", "POST":
            return reviews.request_token(call, target)
        case "scale", "GET":
            return scale.read_scale(call, target)
        case "scale", "PUT" | "PATCH":
            return scale.write_scale(call, target)
        case "finalize", "PUT":
            return writes.update(call, target)
    raise method_not_allowed()
