"""Endpoints: a server's URL and Prometheus' own `http_config`."""

from __future__ import annotations

from dataclasses import field
from urllib.parse import unquote, urlsplit

from queries.model.frozen import dataclass


@dataclass(frozen=True, slots=True, repr=False)
class HttpConfig:
    """The fields of Prometheus' `http_config` that a reading client needs; file fields are paths, re-read on change.

    Its repr shows no value, so that no log or traceback leaks a secret.
    """

    username: str = ""
    password: str = ""
    password_file: str = ""
    authorization_type: str = "Bearer"
    credentials: str = ""
    credentials_file: str = ""
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    server_name: str = ""
    insecure_skip_verify: bool = False
    proxy_url: str = ""
    no_proxy: str = ""
    follow_redirects: bool = True
    http_headers: tuple[tuple[str, str], ...] = ()
    header_files: tuple[tuple[str, str], ...] = ()
    """Headers whose value is the current content of a file."""
    plain_values: tuple[str, ...] = ()
    """The values of `http_headers` that are no secrets, such as a tenant's name."""

    @property
    def authorization_field(self) -> str:
        """The field that sets the Authorization header, else empty."""
        if any(name.strip().lower() == "authorization" for name, _ in (*self.http_headers, *self.header_files)):
            return "http_headers.Authorization"
        if self.username or self.password or self.password_file:
            return "basic_auth"
        return "authorization" if self.credentials or self.credentials_file else ""

    @property
    def secret_values(self) -> tuple[str, ...]:
        """The values of `http_headers` that no text may repeat."""
        return tuple(value for _, value in self.http_headers if value not in self.plain_values)

    def __repr__(self) -> str:
        return "HttpConfig(…)"


def parse_credentials(url: str) -> tuple[str, str]:
    """User and password of a URL, percent-decoded; empty without any."""
    user, _, password = urlsplit(url).netloc.rpartition("@")[0].partition(":")
    return unquote(user), unquote(password)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One server: base URL (a path prefix is allowed), `http_config`, and timeout of a request.

    `ruler` evaluates the rules over this server's data, if another server does: vmalert, Thanos Ruler, Mimir's ruler.
    """

    url: str = field(repr=False)
    http: HttpConfig = HttpConfig()
    timeout_seconds: float = 5.0
    ruler: Endpoint | None = None


@dataclass(frozen=True, slots=True)
class ClusterPlace:
    """The cluster and identity of requests, free of secrets.

    `context`, `cluster` and `user` are the kubeconfig's names, empty in a pod; `impersonates` is the identity of the
    kubeconfig's `as` fields, empty without impersonation; `credential` is how the user logs in: `exec plugin aws`.
    """

    context: str = ""
    cluster: str = ""
    server: str = ""
    user: str = ""
    impersonates: str = ""
    credential: str = field(default="", compare=False)

    @property
    def identity(self) -> str:
        """`demo as viewer-only (groups readers)`."""
        return f"{self.user} as {self.impersonates}".strip() if self.impersonates else self.user

    def sentence(self) -> str:
        """`context prod, server https://10.0.0.1:6443, as viewer-only`: the target of a write."""
        parts = (
            f"context {self.context}" if self.context else "the cluster of this pod" if self.server else "",
            f"server {self.server}" if self.server else "",
            f"user {self.identity}" if self.user else f"as {self.impersonates}" if self.impersonates else "",
        )
        return ", ".join(part for part in parts if part)

    def is_in(self, sentence: str) -> bool:
        """Whether a `sentence` names this context and server, with any user: either alone may be another cluster on another
        host (a tunnel).
        """
        cluster = ClusterPlace(self.context, self.cluster, self.server).sentence()
        return sentence == cluster or sentence.startswith(f"{cluster}, ")


@dataclass(frozen=True, slots=True)
class ClusterIdentity:
    """The API server's UIDs and the identity that it sees; a field is empty if the server does not reveal it.

    `cluster_uid` is the UID of kube-system, unique to a cluster; `namespace_uid` is that of our namespace, for which a Role in
    that namespace suffices.
    """

    cluster_uid: str = ""
    namespace_uid: str = ""
    username: str = ""
    groups: tuple[str, ...] = ()

    def sentence(self) -> str:
        """`system:serviceaccount:a:b (groups system:authenticated)`; empty if unknown."""
        groups = ", ".join(item for item in self.groups if item != "system:authenticated")
        return f"{self.username} (groups {groups})" if self.username and groups else self.username

    def is_bound(self) -> bool:
        """Whether a UID identifies the cluster, beyond its name and address."""
        return bool(self.cluster_uid or self.namespace_uid)


@dataclass(frozen=True, slots=True)
class ClusterEndpoint:
    """How to reach Kubernetes: a kubeconfig and its context, or the pod's service account.

    `kubeconfig` is one file, or several as in KUBECONFIG. `place` is their target when the settings were read: a client
    connects nowhere else from then on; None if unknown, then the first connection sets it. `kubectl` is the command with
    the arguments for the same target. `contexts` are the names of all contexts of the kubeconfig at that time.
    """

    namespace: str
    kubeconfig: str = ""
    context: str = ""
    in_cluster: bool = False
    timeout_seconds: float = 5.0
    place: ClusterPlace | None = None
    kubectl: tuple[str, ...] = ("kubectl",)
    contexts: tuple[str, ...] = field(default=(), compare=False, repr=False)

    def sentence(self) -> str:
        """Place and namespace for previews and the journal; empty if the place is unknown."""
        return f"{self.place.sentence()}, namespace {self.namespace}" if self.place else ""


@dataclass(frozen=True, slots=True)
class RedisEndpoint:
    """A Redis server by redis-py's URL, which holds the password and is not in the repr."""

    url: str = field(repr=False)
    timeout_seconds: float = 3.0

    @property
    def where(self) -> str:
        """The URL without user, password and query."""
        try:
            parts = urlsplit(self.url)
        except ValueError:
            return "the URL of Redis"
        if parts.scheme not in ("redis", "rediss", "unix"):
            return "the URL of Redis"
        if parts.scheme == "unix":
            return f"unix://{parts.path}"
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
