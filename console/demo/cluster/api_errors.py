"""The errors of the API server, each with the Status object of a real one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from console.demo.cluster.resource import Resource
from queries.model.frozen import dataclass


@dataclass(frozen=True, slots=True)
class StatusCause:
    """One cause of a 422: `FieldValueInvalid`, its message, and the field in dotted form."""

    reason: str
    message: str
    field: str


class ApiError(Exception):
    """A rejected request; `status` is the Status object, `code` its HTTP status."""

    def __init__(self, code: int, reason: str, message: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.status: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": message,
        }
        if reason:
            self.status["reason"] = reason
        if details is not None:
            self.status["details"] = details
        self.status["code"] = code


class NotServed(Exception):
    """A path that no API group serves; a real server responds in plain text."""


def _named(resource: Resource, name: str) -> str:
    return f'{resource.qualified} "{name}"' if name else resource.qualified


def _details(resource: Resource, name: str, kind: str) -> dict[str, Any]:
    return {
        **({"name": name} if name else {}),
        **({"group": resource.group} if resource.group else {}),
        "kind": kind,
    }


def not_found(resource: Resource, name: str) -> ApiError:
    """404: no such object."""
    return ApiError(404, "NotFound", f"{_named(resource, name)} not found", _details(resource, name, resource.plural))


def unknown_resource() -> ApiError:
    """404: no such kind."""
    return ApiError(404, "NotFound", "the server could not find the requested resource", {})


def exists(resource: Resource, name: str) -> ApiError:
    """409: an object of this name exists."""
    details = _details(resource, name, resource.plural)
    return ApiError(409, "AlreadyExists", f"{_named(resource, name)} already exists", details)


def conflict(resource: Resource, name: str, why: str = "") -> ApiError:
    """409: the object changed since it was read."""
    why = why or "the object has been modified; please apply your changes to the latest version and try again"
    return ApiError(
        409,
        "Conflict",
        f"Operation cannot be fulfilled on {_named(resource, name)}: {why}",
        _details(resource, name, resource.plural),
    )


def invalid(kind: str, group: str, name: str, causes: Iterable[StatusCause]) -> ApiError:
    """422: the object has invalid fields."""
    causes = tuple(causes)
    texts = [f"{cause.field}: {cause.message}" for cause in causes]
    text = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    details: dict[str, Any] = {
        **({"name": name} if name else {}),
        **({"group": group} if group else {}),
        **({"kind": kind} if kind else {}),
        "causes": [{"reason": cause.reason, "message": cause.message, "field": cause.field} for cause in causes],
    }
    qualified = f"{kind}.{group}" if group else kind
    return ApiError(422, "Invalid", f'{qualified} "{name}" is invalid: {text}', details)


def opaque() -> ApiError:
    """The error for a JSON patch that does not apply; a real server gives no details."""
    return ApiError(422, "Invalid", "the server rejected our request due to an error in our request", {})


def bad_patch(shown: str, why: str) -> ApiError:
    """422: the patched object has a value of a wrong type."""
    message = f'Invalid value: "{shown}": {why}'
    return invalid("", "", "", [StatusCause("FieldValueInvalid", message, "patch")])


def bad_request(message: str) -> ApiError:
    """400: the request cannot be parsed."""
    return ApiError(400, "BadRequest", message)


def internal(message: str) -> ApiError:
    """500, with the server's message."""
    return ApiError(500, "", message)


def unauthorized() -> ApiError:
    """401: an unknown token."""
    return ApiError(401, "Unauthorized", "Unauthorized")


def forbidden(user: str, verb: str, resource: Resource, *, subresource: str, namespace: str, name: str) -> ApiError:
    """403: the user lacks this permission."""
    what = f"{resource.plural}/{subresource}" if subresource else resource.plural
    where = f' in the namespace "{namespace}"' if namespace else " at the cluster scope"
    message = (
        f'{_named(resource, name)} is forbidden: User "{user}" cannot {verb} resource "{what}" '
        f'in API group "{resource.group}"{where}'
    )
    return ApiError(403, "Forbidden", message, _details(resource, name, resource.plural))


def forbidden_path(user: str, verb: str, path: str) -> ApiError:
    """403: the user may not read this path."""
    return ApiError(403, "Forbidden", f'forbidden: User "{user}" cannot {verb} path "{path}"', {})


def too_many_disruptions(message: str, retry_after_seconds: int) -> ApiError:
    """429: an eviction that a PodDisruptionBudget does not allow; the cause names the budget."""
    details = {"causes": [{"reason": "DisruptionBudget", "message": message}]}
    if retry_after_seconds:
        details["retryAfterSeconds"] = retry_after_seconds  # type: ignore[assignment]
    return ApiError(429, "TooManyRequests", "Cannot evict pod as it would violate the pod's disruption budget.", details)


def not_allowed() -> ApiError:
    """405: the resource does not support the method."""
    message = "the server does not allow this method on the requested resource"
    return ApiError(405, "MethodNotAllowed", message, {})


def unsupported_patch() -> ApiError:
    """415: an unknown kind of patch."""
    return ApiError(415, "UnsupportedMediaType", "415: Unsupported Media Type", {})


def unsupported_body() -> ApiError:
    """415: a body that is not JSON."""
    message = "the body of the request was in an unknown format - accepted media types include: application/json"
    return ApiError(415, "UnsupportedMediaType", message)


def too_old(requested: int, oldest: int) -> ApiError:
    """410: the version has expired."""
    return ApiError(410, "Expired", f"too old resource version: {requested} ({oldest})")


def too_large(requested: int, current: int) -> ApiError:
    """504: the version does not exist yet."""
    message = f"Timeout: Too large resource version: {requested}, current: {current}"
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    return ApiError(504, "Timeout", message, {"causes": [cause], "retryAfterSeconds": 1})
