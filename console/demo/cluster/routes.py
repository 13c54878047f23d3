"""Maps requests to responses: paths, verbs, options and bodies."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from console.demo.cluster import api_errors, discovery, endpoints, eviction, list_pages, newer_events, patch
from console.demo.cluster.auth import ANONYMOUS, OPEN_PATHS, Access, User
from console.demo.cluster.pod_logs import LogFollow, PodLogs
from console.demo.cluster.registry import Registry
from console.demo.cluster.request import HttpRequest, HttpResponse, as_json, as_text
from console.demo.cluster.resource import (
    ENDPOINT_SLICES,
    EVENTS_V1,
    POD_METRICS,
    PODS,
    REVIEWS,
    ROLLOUTS,
    SELF_REVIEWS,
    Object,
    Resource,
    find_resource,
)
from console.demo.cluster.store import Store
from console.demo.cluster.watch import WatchRequest, typed
from queries.model.frozen import dataclass

_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
DEFAULT_WATCH_SECONDS = 1800.0


@dataclass(frozen=True, slots=True)
class ResourcePath:
    """A parsed path: a kind, with an optional namespace, name and subresource."""

    resource: Resource
    namespace: str = ""
    name: str = ""
    subresource: str = ""


def parse_path(path: str) -> ResourcePath:
    """Raises NotServed for an unknown group or version, ApiError 404 for an unknown kind in a known one."""
    steps = [step for step in path.split("/") if step]
    if steps[:1] == ["api"] and len(steps) > 2:
        group, version, rest = "", steps[1], steps[2:]
    elif steps[:1] == ["apis"] and len(steps) > 3:
        group, version, rest = steps[1], steps[2], steps[3:]
    else:
        raise api_errors.NotServed
    if discovery.resources(group, version) is None:
        raise api_errors.NotServed
    namespace = ""
    if len(rest) > 2 and rest[0] == "namespaces" and rest[2] not in ("status", "finalize"):
        namespace, rest = rest[1], rest[2:]
    resource = find_resource(group, version, rest[0])
    if resource is None or len(rest) > 3:
        raise api_errors.unknown_resource()
    named = [*rest[1:], "", ""]
    return ResourcePath(resource, namespace, named[0], named[1])


@dataclass(slots=True)
class Routes:
    """Responds from the store. A WatchRequest or LogFollow is what the connection then streams."""

    store: Store
    registry: Registry
    access: Access
    address: str
    logs: PodLogs
    usage: Callable[[str], list[Object]]
    has_metrics: bool = True
    has_rollouts: bool = False
    """Whether the definition of Argo's Rollouts is installed."""

    def respond(self, request: HttpRequest) -> HttpResponse | WatchRequest | LogFollow:
        try:
            user = self.access.user(request)
            fixed = self._fixed(request, user)
            return fixed if fixed is not None else self._resource(request, user)
        except api_errors.NotServed:
            return as_text(404, "404 page not found\n")
        except api_errors.ApiError as failed:
            return as_json(failed.code, failed.status)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            # an object of an unvalidated shape: reject the request, keep the server running
            unreadable = api_errors.bad_request(f"the object provided is unrecognized: {type(error).__name__}")
            return as_json(unreadable.code, unreadable.status)

    def _fixed(self, request: HttpRequest, user: User) -> HttpResponse | None:
        path = request.path.rstrip("/")
        if path in OPEN_PATHS:
            return as_json(200, discovery.version()) if path == "/version" else as_text(200, "ok")
        steps = path.split("/")[1:]
        document: Object | None = None
        if path == "/api":
            document = discovery.core_versions(self.address)
        elif path == "/apis":
            document = discovery.groups()
            document["groups"] = [row for row in document["groups"] if self._is_installed(row["name"])]
        elif path == "/api/v1":
            document = discovery.resources("", "v1")
        elif len(steps) in (2, 3) and steps[0] == "apis" and not self._is_installed(steps[1]):
            return None
        elif len(steps) == 2 and steps[0] == "apis":
            document = discovery.group(steps[1])
        elif len(steps) == 3 and steps[0] == "apis":
            document = discovery.resources(steps[1], steps[2])
        if document is None:
            return None
        if user is ANONYMOUS:
            raise api_errors.forbidden_path(user.name, "get", path)
        return as_json(200, document)

    def _is_installed(self, group: str) -> bool:
        return {POD_METRICS.group: self.has_metrics, ROLLOUTS.group: self.has_rollouts}.get(group, True)

    def _resource(self, request: HttpRequest, user: User) -> HttpResponse | WatchRequest | LogFollow:
        at = parse_path(request.path)
        if not self._is_installed(at.resource.group):
            raise api_errors.NotServed
        watching = request.query.get("watch", "") in ("1", "true")
        if request.method in ("GET", "HEAD"):
            verb = "get" if at.name else "watch" if watching else "list"
        else:
            verb = _VERBS.get(request.method, "")
        if verb == "delete" and not at.name:
            verb = "deletecollection"
        self.access.authorize(user, verb, at.resource, subresource=at.subresource, namespace=at.namespace, name=at.name)
        if at.resource is REVIEWS:
            if request.method != "POST":
                raise api_errors.not_allowed()
            return as_json(201, self.access.review(user, _decode(request)))
        if at.resource is SELF_REVIEWS:
            if request.method != "POST":
                raise api_errors.not_allowed()
            return as_json(201, self.access.review_self(user))
        if at.resource in (POD_METRICS, ENDPOINT_SLICES, EVENTS_V1):
            return self._derived(request, at)
        if verb in ("list", "watch"):
            return (
                self._watch(request, at)
                if watching
                else as_json(200, list_pages.list_page(self.store, at.resource, at.namespace, request.query))
            )
        if at.subresource:
            return self._subresource(request, at, verb)
        return self._object(request, at, verb)

    def _derived(self, request: HttpRequest, at: ResourcePath) -> HttpResponse:
        """What is computed from other objects."""
        if at.resource is EVENTS_V1:
            return as_json(200, newer_events.respond(self.store, self.registry, at.namespace, at.name, request.query))
        if at.resource is POD_METRICS:
            return self._computed(request, at, self.usage(at.namespace))
        return self._computed(request, at, endpoints.endpoint_slices(self.store, at.namespace))

    def _watch(self, request: HttpRequest, at: ResourcePath) -> WatchRequest:
        query = request.query
        initial = query.get("sendInitialEvents") == "true"
        try:
            seconds = float(query.get("timeoutSeconds") or DEFAULT_WATCH_SECONDS)
        except ValueError:
            raise api_errors.bad_request("timeoutSeconds is not a number") from None
        return WatchRequest(
            at.resource,
            at.namespace,
            list_pages.list_matcher(at.resource, query),
            None if initial else list_pages.requested_version(query),
            query.get("allowWatchBookmarks") in ("1", "true"),
            seconds,
            initial_bookmark=initial and query.get("allowWatchBookmarks") in ("1", "true"),
        )

    def _object(self, request: HttpRequest, at: ResourcePath, verb: str) -> HttpResponse:
        resource, dry = at.resource, _dry(request)
        if verb == "create" and not at.name:
            item = self.registry.create(
                resource, at.namespace, _object_of(_decode(request)), dry=dry, manager=_manager(request)
            )
            return as_json(201, typed(resource, item))
        if not at.name or verb in ("", "create", "deletecollection"):
            raise api_errors.not_allowed()
        if verb == "get":
            item = typed(resource, self.registry.existing(resource, at.namespace, at.name))
            return as_json(200, _metadata_only(item) if _wants_metadata(request) else item)
        if verb == "delete":
            options = _object_of(_decode(request)) if request.body else {}
            if "gracePeriodSeconds" in request.query:
                options["gracePeriodSeconds"] = int(request.query["gracePeriodSeconds"])
            if "propagationPolicy" in request.query:
                options["propagationPolicy"] = request.query["propagationPolicy"]
            dry = dry or options.get("dryRun") == ["All"]
            gone = self.registry.delete(resource, at.namespace, at.name, options=options, dry=dry)
            return as_json(200, gone if gone.get("kind") == "Status" else typed(resource, gone))
        return as_json(200, typed(resource, self._write(request, at, verb, status=False)))

    def _write(self, request: HttpRequest, at: ResourcePath, verb: str, *, status: bool) -> Object:
        dry = _dry(request)
        if verb == "patch":
            kind = _patch_type(request)
            change = _decode(request)
            return self.registry.patch(
                at.resource, at.namespace, at.name, change, kind, dry=dry, status=status, manager=_manager(request)
            )
        if verb != "update":
            raise api_errors.not_allowed()
        item = _object_of(_decode(request))
        return self.registry.replace(
            at.resource, at.namespace, at.name, item, dry=dry, status=status, manager=_manager(request)
        )

    def _subresource(self, request: HttpRequest, at: ResourcePath, verb: str) -> HttpResponse | LogFollow:
        if at.subresource == "status" and at.resource.status:
            if verb == "get":
                return as_json(200, typed(at.resource, self.registry.existing(at.resource, at.namespace, at.name)))
            return as_json(200, typed(at.resource, self._write(request, at, verb, status=True)))
        if at.subresource == "log" and at.resource is PODS and verb == "get":
            log = self.logs.respond(self.registry.existing(PODS, at.namespace, at.name), request.query)
            return log if isinstance(log, LogFollow) else HttpResponse(200, log, "text/plain")
        if at.subresource == "eviction" and at.resource is PODS and verb == "create":
            sent = _object_of(_decode(request))
            return as_json(201, eviction.evict(self.registry, at.namespace, at.name, sent, dry=_dry(request)))
        if at.subresource != "scale" or "scale" not in at.resource.subresources:
            raise api_errors.unknown_resource()
        scale = self.registry.scale(at.resource, at.namespace, at.name)
        if verb == "get":
            return as_json(200, scale)
        dry = _dry(request)
        if verb == "patch":
            desired = patch.apply_patch(scale, _decode(request), _patch_type(request))
        elif verb == "update":
            desired = _object_of(_decode(request))
            desired.setdefault("metadata", {})
        else:
            raise api_errors.not_allowed()
        scaled = self.registry.rescale(at.resource, at.namespace, at.name, desired, dry=dry, manager=_manager(request))
        return as_json(200, scaled)

    def _computed(self, request: HttpRequest, at: ResourcePath, every: list[Object]) -> HttpResponse:
        """Objects that are not stored: to get and to list only."""
        if request.method not in ("GET", "HEAD"):
            raise api_errors.not_allowed()
        resource = at.resource
        match = list_pages.list_matcher(resource, {**request.query, "fieldSelector": ""})
        items = [item for item in every if match(item)]
        if not at.name:
            listed = {"kind": f"{resource.kind}List", "apiVersion": resource.api_version, "metadata": {}, "items": items}
            return as_json(200, listed)
        for item in items:
            if item["metadata"]["name"] == at.name:
                return as_json(200, typed(resource, item))
        raise api_errors.not_found(resource, at.name)


def _wants_metadata(request: HttpRequest) -> bool:
    return "as=PartialObjectMetadata;" in request.headers.get("accept", "")


def _metadata_only(item: Object) -> Object:
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": item["metadata"]}


def _manager(request: HttpRequest) -> str:
    """The field manager: the parameter, else the start of the User-Agent, as in a real server."""
    return request.query.get("fieldManager") or request.headers.get("user-agent", "").partition("/")[0] or "unknown"


def _patch_type(request: HttpRequest) -> str:
    if request.content_type not in (patch.MERGE, patch.STRATEGIC, patch.JSON):
        raise api_errors.unsupported_patch()
    return request.content_type


def _decode(request: HttpRequest) -> Any:
    if request.method != "PATCH" and request.content_type not in ("application/json", ""):
        raise api_errors.unsupported_body()
    try:
        return json.loads(request.body)
    except ValueError as error:
        what = "error decoding patch" if request.method == "PATCH" else "the object provided is unrecognized: json parse error"
        raise api_errors.bad_request(f"{what}: {error}") from None


def _object_of(body: Any) -> Object:
    if not isinstance(body, dict):
        raise api_errors.bad_request("the object provided is unrecognized: no JSON object")
    return body


def _dry(request: HttpRequest) -> bool:
    given = request.query.get("dryRun", "")
    if given in ("", "All"):
        return given == "All"
    message = f'Unsupported value: ["{given}"]: supported values: "All"'
    kind = {"POST": "CreateOptions", "PUT": "UpdateOptions", "DELETE": "DeleteOptions"}.get(request.method, "PatchOptions")
    raise api_errors.invalid(kind, "meta.k8s.io", "", [api_errors.StatusCause("FieldValueNotSupported", message, "dryRun")])
