"""Every kubeconfig field that client-go knows, checked strictly: unsupported ones are refused by name.

The fields and the rules are those of Kubernetes 1.36, k8s.io/client-go/tools/clientcmd: api/v1/types.go and validation.go.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import msgspec

from queries.errors import AccessDenied
from queries.kubernetes.kubeconfig import ChosenContext

T = TypeVar("T", bound=msgspec.Struct)

_HEADER_SAFE = "!#$&'*+^`|"
"""Characters that RFC 7230 allows in a header name beyond those of `quote`; client-go escapes the rest of an extra's name."""


class NamedExtension(msgspec.Struct, frozen=True):
    """An extension of another tool; a client reads only the one for exec plugins."""

    name: str = ""
    extension: Any = None


class ClusterFields(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """A cluster's section. `disable-compression` always holds: requests accept no compression."""

    server: str | None = None
    tls_server_name: str | None = None
    insecure_skip_tls_verify: bool | None = None
    certificate_authority: str | None = None
    certificate_authority_data: str | None = None
    proxy_url: str | None = None
    disable_compression: bool | None = None
    extensions: list[NamedExtension] | None = None


class ExecVariable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    value: str = ""


class ExecFields(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """A user's `exec` section; `run_plugin` supports every field."""

    command: str = ""
    args: list[str] | None = None
    env: list[ExecVariable] | None = None
    api_version: str | None = None
    install_hint: str | None = None
    provide_cluster_info: bool | None = None
    interactive_mode: str | None = None


class AuthProvider(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str = ""
    config: dict[str, str] | None = None


class UserFields(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """A user's section."""

    client_certificate: str | None = None
    client_certificate_data: str | None = None
    client_key: str | None = None
    client_key_data: str | None = None
    token: str | None = None
    token_file: str | None = msgspec.field(name="tokenFile", default=None)
    impersonate: str | None = msgspec.field(name="as", default=None)
    as_uid: str | None = None
    as_groups: list[str] | None = None
    as_user_extra: dict[str, list[str]] | None = None
    username: str | None = None
    password: str | None = None
    auth_provider: AuthProvider | None = None
    exec: ExecFields | None = None
    extensions: list[NamedExtension] | None = None


class ContextFields(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A context's section."""

    cluster: str = ""
    user: str | None = None
    namespace: str | None = None
    extensions: list[NamedExtension] | None = None


def check_fields(chosen: ChosenContext) -> tuple[ClusterFields, UserFields]:
    """The checked sections. Raises AccessDenied, naming the unknown, malformed or conflicting field."""
    _convert(chosen.own, ContextFields, f"context {chosen.context}")
    cluster = _convert(chosen.cluster, ClusterFields, f"cluster {chosen.cluster_name}")
    user = _convert(chosen.user, UserFields, f"user {chosen.user_name}")
    _check_cluster(cluster, f"cluster {chosen.cluster_name}")
    _check_user(user, f"user {chosen.user_name}")
    return cluster, user


def impersonation_headers(user: UserFields) -> tuple[tuple[str, str], ...]:
    """The impersonation headers for this user; none without `as`.

    As in client-go, one header for each group and each value; the text is UTF-8 decoded as Latin-1, as http.client needs.
    """
    if not user.impersonate:
        return ()
    headers = [("Impersonate-User", user.impersonate)]
    if user.as_uid:
        headers.append(("Impersonate-Uid", user.as_uid))
    headers += [("Impersonate-Group", group) for group in user.as_groups or ()]
    for key, values in (user.as_user_extra or {}).items():
        name = quote(key, safe=_HEADER_SAFE).replace("%7E", "~")
        headers += [(f"Impersonate-Extra-{name}", value) for value in values]
    return tuple((name, value.encode().decode("latin-1")) for name, value in headers)


def _convert(section: object, kind: type[T], whose: str) -> T:
    try:
        return msgspec.convert(section, kind)
    except msgspec.ValidationError as error:
        raise _refuse(whose, str(error), "kubectl config view --minify shows it") from None


def _check_cluster(cluster: ClusterFields, whose: str) -> None:
    parts = _split(cluster.server)
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise _refuse(whose, "`server` is not an http:// or https:// URL", "correct it with kubectl config set-cluster")
    if cluster.certificate_authority and cluster.certificate_authority_data:
        raise _refuse_both(whose, "certificate-authority", "certificate-authority-data")
    if cluster.insecure_skip_tls_verify and (cluster.certificate_authority or cluster.certificate_authority_data):
        raise _refuse_both(whose, "insecure-skip-tls-verify", "a certificate-authority")
    _check_base64(cluster.certificate_authority_data, whose, "certificate-authority-data")
    if cluster.proxy_url:
        proxy = _split(cluster.proxy_url)
        if proxy is None or proxy.scheme not in ("http", "https", "socks5") or not proxy.hostname:
            message = "`proxy-url` is not an http://, https:// or socks5:// URL"
            raise _refuse(whose, message, "correct it with kubectl config set-cluster")


def _check_user(user: UserFields, whose: str) -> None:
    ways = [
        name
        for name, given in (
            ("token", user.token or user.token_file),
            ("username", user.username or user.password),
        )
        if given
    ]
    if len(ways) > 1:
        raise _refuse_both(whose, *ways)
    if user.exec and user.auth_provider:
        raise _refuse_both(whose, "exec", "auth-provider")
    for name, path, data in (
        ("client-certificate", user.client_certificate, user.client_certificate_data),
        ("client-key", user.client_key, user.client_key_data),
    ):
        if path and data:
            raise _refuse_both(whose, name, f"{name}-data")
        _check_base64(data, whose, f"{name}-data")
    if bool(user.client_certificate or user.client_certificate_data) != bool(user.client_key or user.client_key_data):
        raise _refuse(whose, "`client-certificate` and `client-key` go together, one is missing", "log in again")
    if not user.impersonate and (user.as_uid or user.as_groups or user.as_user_extra):
        raise _refuse(whose, "`as-uid`, `as-groups` or `as-user-extra` without `as`", "name the user in `as`")
    texts = (user.impersonate, user.as_uid, *(user.as_groups or ()), *(user.as_user_extra or {}))
    values = (item for items in (user.as_user_extra or {}).values() for item in items)
    if any(character < " " or character == "\x7f" for text in (*texts, *values) for character in text or ""):
        raise _refuse(whose, "an `as` field holds a control character", "remove it")
    if user.exec and user.exec.interactive_mode not in (None, "", "Never", "IfAvailable", "Always"):
        raise _refuse(whose, "`interactiveMode` of `exec` is not Never, IfAvailable or Always", "correct it")


def _check_base64(data: str | None, whose: str, name: str) -> None:
    try:
        base64.b64decode("".join((data or "").split()), validate=True)
    except (binascii.Error, ValueError):
        raise _refuse(whose, f"`{name}` is not base64", "take it from the cluster again") from None


def _split(url: str | None) -> Any:
    try:
        parts = urlsplit(url or "")
        return parts if parts.port is None or parts.port > 0 else None
    except ValueError:
        return None


def _refuse_both(whose: str, one: str, other: str) -> AccessDenied:
    return _refuse(whose, f"`{one}` and `{other}` exclude each other", "keep one of them")


def _refuse(whose: str, what: str, hint: str) -> AccessDenied:
    return AccessDenied(f"the kubeconfig's {whose} is refused: {what}", hint=hint)
