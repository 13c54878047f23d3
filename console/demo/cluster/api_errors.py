"""The errors of the API server, each with the Status object that a real one answers with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from console.demo.cluster.resource import Resource


@dataclass(frozen=True, slots=True)
class Cause:
    """One reason of a 422: `FieldValueInvalid`, its message, and the field in dotted form."""

    reason: str
    message: str
    field: str


class Failure(Exception):
    """A request that is refused; `status` is the Status object, `code` its HTTP status."""

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
    """A path that no API group serves: a real server answers in plain text."""


def _named(resource: Resource, name: str) -> str:
    return f'{resource.qualified} "{name}"' if name else resource.qualified


def _details(resource: Resource, name: str, kind: str) -> dict[str, Any]:
    return {
        **({"name": name} if name else {}),
        **({"group": resource.group} if resource.group else {}),
        "kind": kind,
    }


def not_found(resource: Resource, name: str) -> Failure:
    return Failure(404, "NotFound", f"{_named(resource, name)} not found", _details(resource, name, resource.plural))


def unknown_resource() -> Failure:
    return Failure(404, "NotFound", "the server could not find the requested resource", {})


def exists(resource: Resource, name: str) -> Failure:
    details = _details(resource, name, resource.plural)
    return Failure(409, "AlreadyExists", f"{_named(resource, name)} already exists", details)


def conflict(resource: Resource, name: str, why: str = "") -> Failure:
    why = why or "the object has been modified; please apply your changes to the latest version and try again"
    return Failure(
        409,
        "Conflict",
        f"Operation cannot be fulfilled on {_named(resource, name)}: {why}",
        _details(resource, name, resource.plural),
    )


def invalid(kind: str, group: str, name: str, causes: Iterable[Cause]) -> Failure:
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
    return Failure(422, "Invalid", f'{qualified} "{name}" is invalid: {text}', details)


def opaque() -> Failure:
    """What a JSON patch that does not apply gets: the server says no more than this."""
    return Failure(422, "Invalid", "the server rejected our request due to an error in our request", {})


def bad_patch(shown: str, why: str) -> Failure:
    message = f'Invalid value: "{shown}": {why}'
    return invalid("", "", "", [Cause("FieldValueInvalid", message, "patch")])


def bad_request(message: str) -> Failure:
    return Failure(400, "BadRequest", message)


def internal(message: str) -> Failure:
    return Failure(500, "", message)


def unauthorized() -> Failure:
    return Failure(401, "Unauthorized", "Unauthorized")


def forbidden(user: str, verb: str, resource: Resource, *, subresource: str, namespace: str, name: str) -> Failure:
    what = f"{resource.plural}/{subresource}" if subresource else resource.plural
    where = f' in the namespace "{namespace}"' if namespace else " at the cluster scope"
    message = (
        f'{_named(resource, name)} is forbidden: User "{user}" cannot {verb} resource "{what}" '
        f'in API group "{resource.group}"{where}'
    )
    return Failure(403, "Forbidden", message, _details(resource, name, resource.plural))


def forbidden_path(user: str, verb: str, path: str) -> Failure:
    return Failure(403, "Forbidden", f'forbidden: User "{user}" cannot {verb} path "{path}"', {})


def not_allowed() -> Failure:
    message = "the server does not allow this method on the requested resource"
    return Failure(405, "MethodNotAllowed", message, {})


def unsupported_patch() -> Failure:
    return Failure(415, "UnsupportedMediaType", "415: Unsupported Media Type", {})


def unsupported_body() -> Failure:
    message = "the body of the request was in an unknown format - accepted media types include: application/json"
    return Failure(415, "UnsupportedMediaType", message)


def too_old(asked: int, oldest: int) -> Failure:
    return Failure(410, "Expired", f"too old resource version: {asked} ({oldest})")


def too_large(asked: int, current: int) -> Failure:
    message = f"Timeout: Too large resource version: {asked}, current: {current}"
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    return Failure(504, "Timeout", message, {"causes": [cause], "retryAfterSeconds": 1})
