"""Authentication by token, and authorization by denials and Roles."""

from __future__ import annotations

import hmac
from dataclasses import field
from typing import Any, TypeAlias

from console.demo.cluster import api_errors
from console.demo.cluster.request import HttpRequest
from console.demo.cluster.resource import NAMESPACES, REVIEWS, SELF_REVIEWS, Object, Resource
from queries.model.frozen import dataclass

Grants: TypeAlias = frozenset[tuple[str, str, str, str]]
"""API group, resource (with its subresource, `pods/log`), verb, and the name of the one object; empty for all."""
OPEN_PATHS = ("/version", "/healthz", "/livez", "/readyz")


@dataclass(frozen=True, slots=True)
class User:
    """`trusted` users may do everything that is not denied to all, others nothing; `granted` restricts to the permissions of
    Roles, which hold in a namespace only, and `cluster_granted` to those of ClusterRoles.
    """

    name: str
    trusted: bool = True
    granted: Grants | None = None
    cluster_granted: Grants = frozenset()


ANONYMOUS = User("system:anonymous", trusted=False)


@dataclass(slots=True)
class Access:
    """Tokens and denials. A denial is a verb and a resource such as `patch` and `deployments/scale`; `*` stands for any."""

    users: dict[str, User] = field(default_factory=dict, repr=False)
    denied: set[tuple[str, str]] = field(default_factory=set)
    anonymous: bool = False
    """Whether requests without a token are admitted."""

    def user(self, request: HttpRequest) -> User:
        """The user of a request, the impersonated one if it names one. Raises ApiError 401 for an unknown token."""
        user = self._authenticate(request.headers.get("authorization", ""))
        name = request.headers.get("impersonate-user", "")
        if not name or not user.trusted:
            return user
        return next((known for known in self.users.values() if known.name == name), User(name, trusted=False))

    def _authenticate(self, given: str) -> User:
        if not given:
            return User(ANONYMOUS.name, trusted=True) if self.anonymous else ANONYMOUS
        scheme, _, token = given.partition(" ")
        if scheme.lower() != "bearer":  # of any case, as Kubernetes takes it: a pod's own client writes it in lower case
            raise api_errors.unauthorized()
        for known, user in self.users.items():
            if hmac.compare_digest(known.encode(), token.encode()):
                return user
        raise api_errors.unauthorized()

    def allows(self, user: User, verb: str, resource: str, group: str = "", *, name: str = "", namespace: str = "") -> bool:
        """Whether the user may do this; `resource` is a plural with its subresource."""
        if user.granted is not None:
            # In a Role, the right to get namespaces is that to get its own.
            granted = user.granted if namespace or resource == NAMESPACES.plural else frozenset()
            if not {(group, resource, verb, ""), (group, resource, verb, name)} & (granted | user.cluster_granted):
                return False
        return user.trusted and not any(
            denied_verb in (verb, "*") and denied_resource in (resource, "*") for denied_verb, denied_resource in self.denied
        )

    def authorize(self, user: User, verb: str, resource: Resource, *, subresource: str, namespace: str, name: str) -> None:
        """Raises ApiError 403 where the user may not do this. Every known user may review their own permissions."""
        if resource in (REVIEWS, SELF_REVIEWS) and user is not ANONYMOUS:
            return
        plural = f"{resource.plural}/{subresource}" if subresource else resource.plural
        if not self.allows(user, verb, plural, resource.group, name=name, namespace=namespace):
            raise api_errors.forbidden(user.name, verb, resource, subresource=subresource, namespace=namespace, name=name)

    def review(self, user: User, body: Any) -> Object:
        """The response to a SelfSubjectAccessReview."""
        spec = body.get("spec") if isinstance(body, dict) else None
        attributes = spec.get("resourceAttributes") if isinstance(spec, dict) else None
        if not isinstance(attributes, dict):
            message = "Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified"
            cause = api_errors.StatusCause("FieldValueInvalid", message, "spec.resourceAttributes")
            raise api_errors.invalid("", REVIEWS.group, "", [cause])
        plural = str(attributes.get("resource", ""))
        if attributes.get("subresource"):
            plural += f"/{attributes['subresource']}"
        verb, group, name, namespace = (str(attributes.get(key, "")) for key in ("verb", "group", "name", "namespace"))
        allowed = self.allows(user, verb, plural, group, name=name, namespace=namespace)
        status: dict[str, Any] = {"allowed": allowed}
        if not allowed and user.trusted:
            status["reason"] = f"denied by the demo: {attributes.get('verb')} {plural}"
        return {"kind": REVIEWS.kind, "apiVersion": REVIEWS.api_version, "metadata": {}, "spec": spec, "status": status}

    def review_self(self, user: User) -> Object:
        """The response to a SelfSubjectReview."""
        info = {"username": user.name, "groups": ["system:authenticated"]}
        return {"kind": SELF_REVIEWS.kind, "apiVersion": SELF_REVIEWS.api_version, "metadata": {}, "status": {"userInfo": info}}
