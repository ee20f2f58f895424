"""The Kubernetes API, on the official client: its configuration, its authentication, its connections.

Objects are plain JSON documents here: the generated models are slow to load, and their repr prints secrets.
API: https://kubernetes.io/docs/reference/using-api/api-concepts/
"""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, cast
from urllib.parse import urlencode

import urllib3
import yaml

from rotator.clients.addresses import is_safe, where
from rotator.clients.answers import TAKEN, Asked, check_redirect, json_object, no_answer
from rotator.clients.connections import Connections, cause_of, verified, whole
from rotator.clients.meter import REFERENCE, Meter
from rotator.clients.proxies import checked
from rotator.clients.retry import Retry
from rotator.core.own_secrets import token_of
from rotator.core.reading import Unreadable
from rotator.core.sensitive import Sensitive
from rotator.core.shapes import Shape
from rotator.core.texts import printable
from rotator.errors import Ambiguous, Forbidden, NotFound, Rejected, SettingsError
from rotator.kinds import Kind
from rotator.late import in_part
from rotator.systems.kubernetes import objects
from rotator.systems.kubernetes.api import Json, Odd
from rotator.systems.kubernetes.objects import METADATA, SHAPES
from rotator.systems.kubernetes.refusals import translate

_UNUSED = ("oauthlib.oauth2", "requests_oauthlib", "dateutil.parser", "multiprocessing.pool")
"""What a login by OpenID Connect, the generated models and threads of the client's own would need."""
with in_part("kubernetes", without=_UNUSED):
    from kubernetes.client import ApiClient, Configuration
    from kubernetes.config import ConfigException, kube_config, load_incluster_config, load_kube_config

SYSTEM = REFERENCE
PAGE = 500
"""Objects a page of a list (`limit`)."""
_PACKED = {"Accept-Encoding": "gzip"}
"""The API server packs what is longer than 128 KiB: lists, to a tenth of it."""
PROGRAM = "the program that the kubeconfig lets us in by"
"""What may be waited for where a kubeconfig is read: it may run a program (`exec`)."""
MOST_PAGES = 10_000
"""Pages after which a list is one without an end."""
LARGEST = 32 << 20
"""The largest answer read, in bytes: a page of objects of the usual sizes has a tenth of it."""
MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
NEVER = "1"
"""A resourceVersion that no object has: etcd's first revision is that of the empty store."""
AS_METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
AS_METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
FIELD_MANAGER = "rotator"
MOST_OF_A_PLUGIN = 300
"""Characters of what a kubeconfig's exec plugin, or its library, has to say."""
_PROXY = "Expected: the API server itself, where the kubeconfig says `server`"
METHODS = {"CREATE": "PATCH"}
"""HTTP methods of what messages call otherwise: as a Role would have to name it."""
TOKEN_LIFE = timedelta(seconds=30)
"""How long a token is used before it is read again; the kubelet renews it long before it expires."""

# The client's hand-written parts are untyped.
_load_incluster: Callable[..., None] = load_incluster_config
_load_kubeconfig: Callable[..., None] = load_kube_config


def _in_memory(content: bytes | str, *_: object, **__: object) -> str:
    """Return the path of a file that is nowhere but in the memory of this process."""
    held = os.memfd_create("kubeconfig")
    with open(held, "wb", closefd=False) as file:
        file.write(content.encode() if isinstance(content, str) else content)
    return f"/proc/self/fd/{held}"


if hasattr(
    os, "memfd_create"
):  # Linux; elsewhere the loader's temporary files are removed at the end of the process
    kube_config._create_temp_file_with_content = _in_memory  # noqa: SLF001 - keys must not outlive a run that is killed


def _connections(api: ApiClient) -> Connections:
    """Return the client's connections. Its own way to ask would follow redirects, and hides what went wrong with TLS."""
    pool: Any = api.rest_client.pool_manager
    return cast("Connections", pool)


def connect(context: str | None = None, *, pool: int = 16) -> ApiClient:
    """Return the official client for the cluster that runs us, else for the kubeconfig's `context`.

    Raises SettingsError where neither is to be had.
    """
    settings = Configuration(proxy="")  # then what it has in the end is the kubeconfig's `proxy-url`
    try:
        if context is None and "KUBERNETES_SERVICE_HOST" in os.environ:
            _load_incluster(client_configuration=settings)
        else:
            _load_kubeconfig(context=context, client_configuration=settings)
    except (ConfigException, OSError) as error:
        reason = printable(str(error).rstrip("."), MOST_OF_A_PLUGIN)
    except (yaml.YAMLError, ValueError, TypeError, KeyError, AttributeError):
        reason = "the kubeconfig is damaged"  # its parser quotes what it read, and there may be a token in it
    else:
        reason = "" if "://" in (settings.host or "") else "the kubeconfig names no server"
    if reason:
        raise SettingsError(
            f"no Kubernetes API is configured: {reason}. Expected: a pod's service account, or a kubeconfig "
            "(KUBECONFIG, --context)"
        )
    if not is_safe(settings.host or ""):
        raise SettingsError(
            f"the kubeconfig's server is {where(settings.host or '')}: expected https://HOST:PORT without user and password; "
            "keys do not travel in plain text (only to loopback). Correct `server` in the kubeconfig"
        )
    if not settings.verify_ssl:
        raise SettingsError(
            "the kubeconfig switches TLS verification off; rotator refuses to hand keys to that"
        )
    return api_client(settings, pool=pool)


def api_client(settings: Configuration, *, pool: int = 16) -> ApiClient:
    """Return the official client, on connections of ours; `pool` of them are kept."""
    api = ApiClient(settings)
    context = verified(settings.ssl_ca_cert)
    if settings.cert_file:
        try:
            context.load_cert_chain(settings.cert_file, settings.key_file)
        except (OSError, ValueError) as error:
            raise SettingsError(
                f"the kubeconfig's client certificate cannot be used ({cause_of(error)}): expected PEM, and the key that "
                "belongs to the certificate"
            ) from None
    made: Any = Connections(
        context,
        maxsize=pool,
        proxy=checked("proxy-url in the kubeconfig", settings.proxy) if settings.proxy else "",
        **({"server_hostname": settings.tls_server_name} if settings.tls_server_name else {}),
    )
    api.rest_client.pool_manager = made
    return api


class Kubernetes:
    """Reads and writes of JSON documents; every write is either fenced by a resourceVersion or a creation."""

    def __init__(self, api: ApiClient, retry: Retry, meter: Meter, *, timeout: float = 10.0) -> None:
        self._api = api
        self._retry = retry
        self._meter = meter
        self._timeout = timeout
        self._host = str(api.configuration.host)
        self._bearer: tuple[str | None, datetime] | None = None
        self._ending = ""

    def namespace(self, name: str) -> Json:
        """Read a namespace. Raises NotFound, and Forbidden where no ClusterRole allows it."""
        path = f"/api/v1/namespaces/{name}"
        return _fitting("GET", path, objects.NAMESPACE, self._read(path))

    def as_it_ends(self, namespace: str) -> Kubernetes:
        """Return a client to which all that it may not see in `namespace` is gone.

        For a namespace that is being deleted, and for what is to be removed there: its Roles are deleted in no order among
        all else that it holds, and no right in it can be given any more.
        https://kubernetes.io/docs/concepts/overview/working-with-objects/namespaces/
        """
        other = copy.copy(self)
        other._ending = namespace  # noqa: SLF001 - a copy of our own
        return other

    def get(self, kind: Kind, namespace: str, name: str) -> Json:
        """Read one object. Raises NotFound."""
        path = kind.path(namespace, name)
        return _fitting("GET", path, SHAPES.get(kind, METADATA), self._read(path))

    def metadata(self, kind: Kind, namespace: str, name: str) -> Json:
        """Read one object's metadata, and nothing of its contents. Raises NotFound."""
        path = kind.path(namespace, name)
        return _fitting("GET", path, METADATA, self._read(path, accept=AS_METADATA))

    def list(
        self,
        kind: Kind,
        namespace: str,
        *,
        selector: str = "",
        metadata_only: bool = False,
        odd: Odd | None = None,
    ) -> Iterator[Json]:
        """Yield the objects that match a label selector, page by page, so that memory stays bounded.

        `odd` is told of an object of another shape than the API gives it, which is then left out; without it such an object is
        Rejected.
        """
        query = {"limit": str(PAGE)}
        if selector:
            query["labelSelector"] = selector
        accept = AS_METADATA_LIST if metadata_only else "application/json"
        shape = METADATA if metadata_only else SHAPES.get(kind, METADATA)
        path = kind.path(namespace)
        for _ in range(MOST_PAGES):
            page = _fitting(
                "GET", path, objects.PAGE, self._read(f"{path}?{urlencode(query)}", accept=accept)
            )
            for document in page["items"]:
                try:
                    found = _fitting("GET", path, shape, document)
                except Rejected as error:
                    if odd is None:
                        raise
                    odd(document, error)
                else:
                    yield found
            token = page["metadata"].get("continue")
            if not token:
                return
            query["continue"] = token
        raise Rejected(f"GET {path}", f"the list has no end: {MOST_PAGES} pages were read")

    def create(self, kind: Kind, namespace: str, document: Json) -> Json:
        """Create an object. Raises Conflict where the name is taken.

        It is a server-side apply at a resourceVersion that no object has: what exists is a conflict, what does not is
        made. Unlike a POST it names the object in its address, so a Role can allow it for single names
        (https://kubernetes.io/docs/reference/access-authn-authz/rbac/#referring-to-resources).
        """
        metadata = {**document["metadata"], "resourceVersion": NEVER}
        document = {"apiVersion": kind.api, "kind": kind.name, **document, "metadata": metadata}
        return self._write_object(kind, namespace, metadata["name"], APPLY_PATCH, document, verb="CREATE")

    def apply(self, kind: Kind, namespace: str, name: str, document: Json) -> Json:
        """Apply fields on the server at `metadata.resourceVersion`; Conflict where it is stale.

        Who applied the same values goes on holding them, and so do we: they stay when the other one applies them no more
        (https://kubernetes.io/docs/reference/using-api/server-side-apply/#transferring-ownership).
        """
        document = {"apiVersion": kind.api, "kind": kind.name, **document}
        return self._write_object(kind, namespace, name, APPLY_PATCH, document, force=True)

    def post(self, kind: Kind, namespace: str, document: Json) -> Json:
        """Create an object whose name no Role can know, as an Event. Raises Conflict where the name is taken."""
        document = {"apiVersion": kind.api, "kind": kind.name, **document}
        return self._write(kind.path(namespace), "application/json", document, verb="POST")

    def delete(self, kind: Kind, namespace: str, name: str, resource_version: str) -> None:
        """Delete an object as it was seen. Raises Conflict where it has changed, NotFound where it is gone."""
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"resourceVersion": resource_version},
        }
        self._write(kind.path(namespace, name), "application/json", options, verb="DELETE")

    def patch_status(self, kind: Kind, namespace: str, name: str, changes: Json) -> Json:
        """Apply a merge patch to the status. With `metadata.resourceVersion` in it, Conflict where it is stale."""
        return self._write_object(kind, namespace, f"{name}/status", MERGE_PATCH, changes)

    def patch(self, kind: Kind, namespace: str, name: str, changes: Json) -> Json:
        """Apply a merge patch (RFC 7386). With `metadata.resourceVersion` in it, Conflict where it is stale."""
        return self._write_object(kind, namespace, name, MERGE_PATCH, changes)

    def close(self) -> None:
        """Close the connections."""
        self._api.rest_client.pool_manager.clear()

    def _read(self, path: str, *, accept: str = "application/json") -> Json:
        with self._gone(path):
            return self._retry.call(lambda: self._ask("GET", path, {"Accept": accept, **_PACKED}), read=True)

    def _write_object(  # noqa: PLR0913 - the parts of a request
        self,
        kind: Kind,
        namespace: str,
        name: str,
        content_type: str,
        body: Json,
        *,
        verb: str = "PATCH",
        force: bool = False,
    ) -> Json:
        path = kind.path(namespace, name)
        answer = self._write(path, content_type, body, verb=verb, force=force)
        return _fitting(verb, path, SHAPES.get(kind, METADATA), answer)

    def _write(
        self, path: str, content_type: str, body: Json, *, verb: str = "PATCH", force: bool = False
    ) -> Json:
        headers = {"Accept": "application/json", "Content-Type": content_type}
        path = f"{path}?fieldManager={FIELD_MANAGER}{'&force=true' if force else ''}"
        with self._gone(path):
            return self._retry.call(lambda: self._ask(verb, path, headers, body), read=False)

    @contextmanager
    def _gone(self, path: str) -> Iterator[None]:
        """Take for gone what is forbidden in a namespace that is being deleted."""
        try:
            yield
        except Forbidden as error:
            if self._ending and f"/namespaces/{self._ending}/" in path:
                raise NotFound(error.what, "its namespace is being deleted", code=error.code) from None
            raise

    def _ask(self, verb: str, path: str, headers: Mapping[str, str], body: Json | None = None) -> Json:
        what = f"{verb} {path.partition('?')[0]}"
        method = METHODS.get(verb, verb)
        sent = self._retry.clock.now()
        token = self._token(sent)
        sent_headers = {**headers, "Authorization": token} if token else dict(headers)
        octets = None if body is None else json.dumps(body).encode()
        try:
            with (
                self._meter.span(SYSTEM, {"request": what}),
                self._retry.within(self._timeout, what, self._host),
            ):
                answer = _connections(self._api).request(
                    method,
                    self._host + path,
                    headers=sent_headers,
                    body=octets,
                    redirect=False,
                    preload_content=False,
                )
                status, text = answer.status, whole(answer, LARGEST)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            self._meter.count(SYSTEM, method, 0)
            raise no_answer(what, error, self._host, "the kubeconfig") from None
        self._meter.count(SYSTEM, method, status)
        self._meter.note_date(SYSTEM, answer.headers.get("Date"), sent)
        check_redirect(Asked(what, method, self._host, _PROXY), status, answer.headers)
        if len(text) > LARGEST:
            raise Ambiguous(
                what, f"HTTP {status}, and the answer is larger than {LARGEST} bytes", code=status
            )
        if status not in TAKEN:
            raise translate(what, status, text, answer.headers.get("Retry-After"))
        return json_object(what, status, text)

    def _token(self, now: datetime) -> str | None:
        """Return the bearer token; it is asked for anew now and then, for it may rotate while we run."""
        if self._bearer is None or now >= self._bearer[1]:
            settings = self._api.configuration
            header = self._retry.bounded(
                PROGRAM, lambda: settings.get_api_key_with_prefix("BearerToken", alias="authorization")
            )
            self._bearer = (_bearer(header), now + TOKEN_LIFE)
        return self._bearer[0]


def _bearer(header: str | None) -> str | None:
    """Return the header that lets us in. Raises SettingsError where its token is none: a library would quote it."""
    if not header:
        return None
    scheme, _, token = header.partition(" ")
    try:
        return f"{scheme} {token_of(Sensitive(token.encode(errors='surrogatepass'))).reveal()}"
    except Unreadable as error:
        raise SettingsError(
            f"the token by which the kubeconfig or the service account lets rotator in {error}. Nothing was sent"
        ) from None


def _fitting(verb: str, path: str, shape: Shape[Json], document: object) -> Json:
    """Return what was answered. Rejected where it is nothing that the API describes; of a write: Ambiguous."""
    try:
        return shape(document)
    except Unreadable as error:
        kind = Rejected if verb == "GET" else Ambiguous
        raise kind(f"{verb} {path}", f"the answer is odd: {error}") from None
