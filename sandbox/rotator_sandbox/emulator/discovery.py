"""What a client can ask about the server itself: groups, versions, resources, health, OpenAPI."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .wire import Object, Response, encode, json_response

if TYPE_CHECKING:
    from .resources import Kind
    from .state import Call

_VERSION: Object = {
    "major": "1",
    "minor": "36",
    "gitVersion": "v1.36.0+sandbox",
    "gitCommit": "0000000000000000000000000000000000000000",
    "gitTreeState": "clean",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "go1.26.0",
    "compiler": "gc",
    "platform": "linux/amd64",
}
_HEALTH = frozenset({"/healthz", "/livez", "/readyz"})
_AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
_SUB_VERBS = {"token": ["create"], "finalize": ["update"]}
_WRITE_QUERY = ("dryRun", "fieldManager", "fieldValidation", "force", "pretty")


def is_public(path: str) -> bool:
    """Say whether anyone may ask for a path."""
    return path in _HEALTH or path.rstrip("/") == "/version"


def discover(call: Call) -> Response:
    """Answer a GET of a path that is no resource."""
    request = call.request
    path = request.path.rstrip("/") or "/"
    if path in _HEALTH:
        return Response(200, {"Content-Type": "text/plain; charset=utf-8"}, b"ok")
    answer = _document(call, path) if request.method in {"GET", "HEAD"} else None
    if answer is None:
        return Response(404, {"Content-Type": "text/plain; charset=utf-8"}, b"404 page not found\n")
    if answer.get("kind") == "APIGroupDiscoveryList":
        return Response(200, {"Content-Type": _AGGREGATED}, encode(answer))
    return json_response(200, answer)


def _document(call: Call, path: str) -> Object | None:
    kinds = call.state.registry.every()
    parts = path.strip("/").split("/")
    match parts:
        case [""]:
            return {"paths": ["/api", "/api/v1", "/apis", "/healthz", "/openapi/v3", "/version"]}
        case ["version"]:
            return _VERSION
        case ["api" | "apis"] if _wants_aggregated(call.request.headers.get("accept", "")):
            return _aggregate([kind for kind in kinds if bool(kind.group) == (parts == ["apis"])])
        case ["openapi", "v3", *rest]:
            return _openapi(kinds, "/".join(rest[1:])) if rest else _openapi_index(kinds)
    return _plain_document(kinds, parts)


def _plain_document(kinds: list[Kind], parts: list[str]) -> Object | None:
    match parts:
        case ["api"]:
            return {"kind": "APIVersions", "versions": ["v1"]}
        case ["apis"]:
            return _group_list(kinds)
        case ["apis", group]:
            return _one_group(kinds, group)
        case ["api", version]:
            return _resource_list(kinds, "", version)
        case ["apis", group, version]:
            return _resource_list(kinds, group, version)
    return None


def _wants_aggregated(accept: str) -> bool:
    return "as=APIGroupDiscoveryList" in accept and "v=v2;" in f"{accept.replace(',', ';')};"


def _versions(kinds: list[Kind], group: str) -> list[str]:
    return list(dict.fromkeys(kind.version for kind in kinds if kind.group == group))


def _groups(kinds: list[Kind]) -> list[str]:
    return list(dict.fromkeys(kind.group for kind in kinds))


def _group(kinds: list[Kind], group: str) -> Object:
    entries = [
        {"groupVersion": f"{group}/{version}", "version": version} for version in _versions(kinds, group)
    ]
    return {"name": group, "versions": entries, "preferredVersion": entries[0]}


def _group_list(kinds: list[Kind]) -> Object:
    groups = [_group(kinds, group) for group in _groups(kinds) if group]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def _one_group(kinds: list[Kind], group: str) -> Object | None:
    if not any(kind.group == group for kind in kinds):
        return None
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(kinds, group)}


def _resource_list(kinds: list[Kind], group: str, version: str) -> Object | None:
    served = [kind for kind in kinds if (kind.group, kind.version) == (group, version)]
    if not served:
        return None
    resources = [entry for kind in served for entry in _resource_entries(kind)]
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": served[0].api_version,
        "resources": resources,
    }


def _resource_entries(kind: Kind) -> list[Object]:
    entry: Object = {
        "name": kind.plural,
        "singularName": kind.singular,
        "namespaced": kind.namespaced,
        "kind": kind.name,
        "verbs": list(kind.verbs),
    }
    if kind.short_names:
        entry["shortNames"] = list(kind.short_names)
    if kind.categories:
        entry["categories"] = list(kind.categories)
    return [entry, *(_subresource_entry(kind, name) for name in kind.subresources)]


def _response_kind(kind: Kind, subresource: str) -> Object:
    if subresource == "scale":
        return {"group": "autoscaling", "version": "v1", "kind": "Scale"}
    if subresource == "token":
        return {"group": "authentication.k8s.io", "version": "v1", "kind": "TokenRequest"}
    return {"group": kind.group, "version": kind.version, "kind": kind.name}


def _subresource_verbs(subresource: str) -> list[str]:
    return _SUB_VERBS.get(subresource, ["get", "patch", "update"])


def _subresource_entry(kind: Kind, subresource: str) -> Object:
    entry: Object = {
        "name": f"{kind.plural}/{subresource}",
        "singularName": "",
        "namespaced": kind.namespaced,
    }
    if subresource in {"scale", "token"}:
        entry.update(_response_kind(kind, subresource))
    else:
        entry["kind"] = kind.name
    entry["verbs"] = _subresource_verbs(subresource)
    return entry


def _aggregate(kinds: list[Kind]) -> Object:
    items = []
    for group in _groups(kinds):
        versions = [
            {
                "version": version,
                "resources": [
                    _aggregated_resource(kind)
                    for kind in kinds
                    if (kind.group, kind.version) == (group, version)
                ],
                "freshness": "Current",
            }
            for version in _versions(kinds, group)
        ]
        items.append({"metadata": {"name": group}, "versions": versions})
    head = {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2"}
    return {**head, "metadata": {}, "items": items}


def _aggregated_resource(kind: Kind) -> Object:
    entry: Object = {
        "resource": kind.plural,
        "responseKind": _response_kind(kind, ""),
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "singularResource": kind.singular,
        "verbs": list(kind.verbs),
    }
    if kind.short_names:
        entry["shortNames"] = list(kind.short_names)
    if kind.categories:
        entry["categories"] = list(kind.categories)
    if kind.subresources:
        entry["subresources"] = [
            {
                "subresource": name,
                "responseKind": _response_kind(kind, name),
                "verbs": _subresource_verbs(name),
            }
            for name in kind.subresources
        ]
    return entry


def _place(api_version: str) -> str:
    return f"apis/{api_version}" if "/" in api_version else f"api/{api_version}"


def _openapi_index(kinds: list[Kind]) -> Object:
    places = dict.fromkeys(_place(kind.api_version) for kind in kinds)
    return {
        "paths": {
            place: {"serverRelativeURL": f"/openapi/v3/{place}?hash={abs(hash(place)):X}"} for place in places
        }
    }


def _openapi(kinds: list[Kind], api_version: str) -> Object | None:
    """Give just enough OpenAPI for kubectl to see that the server validates fields."""
    served = [kind for kind in kinds if kind.api_version == api_version]
    if not served:
        return None
    paths = {_object_path(kind): _operations(kind) for kind in served if "patch" in kind.verbs}
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": _VERSION["gitVersion"]},
        "paths": paths,
        "components": {"schemas": {}},
    }


def _object_path(kind: Kind) -> str:
    scope = "/namespaces/{namespace}" if kind.namespaced else ""
    return f"/{_place(kind.api_version)}{scope}/{kind.plural}/{{name}}"


def _operations(kind: Kind) -> Object:
    parameters = [{"name": name, "in": "query", "schema": {"type": "string"}} for name in _WRITE_QUERY]
    operation = {
        "operationId": f"patch{kind.name}",
        "parameters": parameters,
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-action": "patch",
        "x-kubernetes-group-version-kind": _response_kind(kind, ""),
    }
    return {"patch": operation}
