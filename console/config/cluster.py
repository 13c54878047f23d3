"""The choice of the cluster: from the flags, else the environment, else the shell, else the default kubeconfig."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from console.config.errors import ConfigError
from console.config.text_formats import is_dns_name
from queries.http.endpoint import ClusterEndpoint, ClusterPlace
from queries.model.frozen import dataclass
from queries.text.variables import read_env

if TYPE_CHECKING:
    from queries.kubernetes.kubeconfig import KnownChoice

SERVICE_ACCOUNT = "in-cluster service account"
_STANDARD = ".kube/config"


@dataclass(frozen=True, slots=True)
class ClusterChoice:
    """`origin` is the source that chose the cluster. `named` is true where the environment itself did, by a kubeconfig or as
    the pod's own; a context alone names a cluster only in the default file.

    `passed_over` is the shell's KUBECONFIG where the environment's own cluster took precedence. `namespace` is the context's
    own, empty where it has none.
    """

    endpoint: ClusterEndpoint | None = None
    origin: str = ""
    named: bool = True
    passed_over: str = ""
    namespace: str = ""
    flagged: bool = False
    """Whether `--kubeconfig`, `--context` or `:ctx` chose it."""
    secret_files: tuple[str, ...] = ()
    """The files that the context's user names for its key and token."""


def choose_cluster(
    table: Mapping[str, Any],
    *,
    flags: Mapping[str, Any],
    environ: Mapping[str, str],
    home: str,
    file: Callable[[str], str],
    line: str,
    service_account: str,
    context_origin: str = "flag --context",
) -> ClusterChoice:
    """`table` is the environment's `kubernetes` section and `line` its place; `file` resolves a path in it.
    `context_origin` says who named the context of `flags`.

    Raises ConfigError where a flag names a missing file, or the context an invalid namespace.
    """
    timeout = float(table.get("timeout", 5.0))
    shell, standard = read_env(environ, "KUBECONFIG"), str(Path(home) / _STANDARD)
    flag_file, flag_context = str(flags.get("kubeconfig") or ""), str(flags.get("context") or "")
    own_file, own_context = str(table.get("kubeconfig") or ""), str(table.get("context") or "")
    flagged = bool(flag_file or flag_context)
    # A context is a name within a file: where the shell chooses the file, the shell chooses the cluster.
    shell_chooses = bool(shell) and not own_file and not _same(shell, standard)
    own = bool(own_file or table.get("in_cluster") or (own_context and not shell_chooses))
    if flag_file and not Path(flag_file).expanduser().is_file():
        raise ConfigError(source="flag --kubeconfig", expected=f"expected a kubeconfig, found no file at {flag_file}")
    # A context belongs to its file: never look up the environment's context in a flag's file.
    context = flag_context or ("" if flag_file and own_file else own_context)
    named_file, from_file = (flag_file, "flag --kubeconfig") if flag_file else (file(own_file) if own_file else "", line)
    if not named_file and not (table.get("in_cluster") and not flagged):
        if shell:
            named_file, from_file = shell, "environment variable KUBECONFIG"
        elif Path(standard).is_file():
            named_file, from_file = standard, "~/.kube/config"
    if flag_context and not flag_file:
        from_file = f"{context_origin}, in {from_file}" if named_file else context_origin
    elif own_context and not flagged and not own_file:
        from_file = f"the context of {line}, in {from_file}" if named_file else line
    if named_file:
        passed_over = shell if own and not flagged and shell and not _same(shell, named_file) else ""
        endpoint, namespace, secrets = _from_kubeconfig(named_file, context, plain="" if shell else standard)
        endpoint = replace(endpoint, timeout_seconds=timeout)
        return ClusterChoice(endpoint, from_file, own and not flagged, passed_over, namespace, flagged, secrets)
    inside = read_env(environ, "KUBERNETES_SERVICE_HOST") and Path(service_account).is_file()
    if (table.get("in_cluster") and not flagged) or (inside and not context):
        host, port = read_env(environ, "KUBERNETES_SERVICE_HOST"), read_env(environ, "KUBERNETES_SERVICE_PORT")
        server = f"https://{f'[{host}]' if ':' in host else host}:{port}" if host and port else ""
        place = ClusterPlace(server=server) if server else None
        # kubectl uses the pod's service account only where it finds no kubeconfig.
        kubectl = ("env", f"KUBECONFIG={os.devnull}", "kubectl") if shell or Path(standard).is_file() else ("kubectl",)
        endpoint = ClusterEndpoint("", in_cluster=True, timeout_seconds=timeout, place=place, kubectl=kubectl)
        return ClusterChoice(endpoint, SERVICE_ACCOUNT, own, shell if own else "")
    if context or table:
        # A context without any kubeconfig: the source reports what is missing at its first request.
        endpoint = ClusterEndpoint("", context=context, timeout_seconds=timeout)
        return ClusterChoice(endpoint, context_origin if flag_context else line, own and not flagged, flagged=flagged)
    return ClusterChoice()


def _from_kubeconfig(named: str, context: str, *, plain: str) -> tuple[ClusterEndpoint, str, tuple[str, ...]]:
    """The endpoint, the context's namespace, and the files of its user's key and token. `plain` is the file that kubectl reads
    by default, empty where the shell names another.
    """
    # Imported here: a console without a kubeconfig starts without them.
    from queries.errors import NotConfigured  # noqa: PLC0415  # as above
    from queries.kubernetes.kubeconfig import kubeconfig_files, recall_choice  # noqa: PLC0415  # as above

    chosen: KnownChoice | None = None
    try:
        chosen = recall_choice(kubeconfig_files(named), context)
    except NotConfigured:
        chosen = None  # the source reports the error at its first request
    if chosen and chosen.namespace and not is_dns_name(chosen.namespace):
        key = f"contexts.{chosen.place.context}.namespace"
        raise ConfigError(source=f"kubeconfig {named}", key=key, expected="expected a namespace's name")
    endpoint = ClusterEndpoint(
        "",
        kubeconfig=os.pathsep.join(str(Path(part).expanduser()) for part in named.split(os.pathsep) if part),
        # Pinned: a changed current-context in another shell must not move this console to another cluster.
        context=chosen.place.context if chosen else context,
        place=chosen.place if chosen else None,
        contexts=chosen.known if chosen else (),
        kubectl=_kubectl(named, chosen.place.context if chosen else context, plain),
    )
    return endpoint, chosen.namespace if chosen else "", chosen.secret_files if chosen else ()


def _kubectl(named: str, context: str, plain: str) -> tuple[str, ...]:
    """The command that leads kubectl to the same cluster, with or without KUBECONFIG; --kubeconfig accepts one file only."""
    files = [str(Path(part).expanduser().absolute()) for part in named.split(os.pathsep) if part]
    which = ("--context", context) if context else ()
    if files == [plain]:
        return ("kubectl", *which)
    if len(files) == 1:
        return ("kubectl", "--kubeconfig", files[0], *which)
    return ("env", f"KUBECONFIG={os.pathsep.join(files)}", "kubectl", *which)


def _same(one: str, other: str) -> bool:
    files = ([str(Path(part).expanduser().absolute()) for part in item.split(os.pathsep) if part] for item in (one, other))
    first, second = files
    return first == second
