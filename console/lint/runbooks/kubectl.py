"""Validates a command with kubectl itself, without a cluster: kubectl rejects wrong usage before it connects."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from console.lint.runbooks.page import suggest_name
from queries.model.frozen import dataclass
from queries.text.durations import format_duration

_LIMIT_SECONDS = 20
_OWN_SERVER = ("--kubeconfig", "--server", "-s", "--context", "--cluster", "--user", "--token", "--as", "--tls-server-name")
_SHORT_SERVER = re.compile(r"-[AwitfpRLhq]*s")
"""`-sHOST`, also after short flags without a value."""
_WRITING = ("--profile", "--profile-output", "--cache-dir")
_LOCAL_VERBS = frozenset({"proxy", "config", "plugin", "kustomize", "completion", "alpha", "kuberc"})
"""Verbs that act on this machine without connecting first."""
_FILES = frozenset({"apply", "create", "replace", "delete", "diff", "patch"})
_OF_FILES = ("-f", "--filename", "-k", "--kustomize")
_WITH_VALUE = frozenset({"-n", "--namespace", "--request-timeout", "-v"})
_OF_RESOURCES = frozenset({"get", "describe", "delete", "scale", "edit", "label", "annotate", "wait", "explain"})
_KINDS = """
po pod pods deploy deployment deployments rs replicaset replicasets sts statefulset statefulsets ds daemonset daemonsets
job jobs cj cronjob cronjobs svc service services ep endpoints endpointslice endpointslices ing ingress ingresses netpol
networkpolicy networkpolicies cm configmap configmaps secret secrets sa serviceaccount serviceaccounts no node nodes ns
namespace namespaces pv persistentvolume persistentvolumes pvc persistentvolumeclaim persistentvolumeclaims sc storageclass
storageclasses ev event events hpa horizontalpodautoscaler horizontalpodautoscalers pdb poddisruptionbudget
poddisruptionbudgets quota resourcequota resourcequotas limits limitrange limitranges role roles rolebinding rolebindings
clusterrole clusterroles clusterrolebinding clusterrolebindings crd customresourcedefinition customresourcedefinitions lease
leases all rc replicationcontroller replicationcontrollers controllerrevision controllerrevisions priorityclass
priorityclasses prometheusrule prometheusrules servicemonitor servicemonitors
"""
_RESOURCES = tuple(_KINDS.split())


@dataclass(frozen=True, slots=True)
class KubectlResult:
    """`problem` is why kubectl rejects the command, `unchecked` why it was not run; both empty for a valid one."""

    problem: str = ""
    unchecked: str = ""


@dataclass(frozen=True, slots=True)
class Kubectl:
    """kubectl in isolation: an empty home, no plugins, and an unreachable server."""

    path: str
    port: int
    home: str

    @classmethod
    @contextmanager
    def open(cls) -> Iterator[Kubectl | None]:
        """None where kubectl is not on PATH.

        The server is a port that this process binds and never listens on. No other process can listen there, so no command
        can change anything.
        """
        path = shutil.which("kubectl")
        if not path:
            yield None
            return
        with socket.socket() as held, tempfile.TemporaryDirectory(prefix="runbook-lint-") as home:
            held.bind(("127.0.0.1", 0))
            port = held.getsockname()[1]
            (Path(home) / "config").write_text(
                "apiVersion: v1\nkind: Config\ncurrent-context: nobody\nusers: []\n"
                f"clusters: [{{name: nobody, cluster: {{server: 'http://127.0.0.1:{port}'}}}}]\n"
                "contexts: [{name: nobody, context: {cluster: nobody}}]\n",
                encoding="utf-8",
            )
            yield cls(str(Path(path).absolute()), port, home)

    def validate(self, words: Sequence[str]) -> KubectlResult:
        """`words` begin with `kubectl`."""
        given = tuple(words[1:])
        own_words = _before_dashes(given)
        flags = [word.partition("=")[0] for word in own_words]
        own = next((flag for flag in flags if flag in _OWN_SERVER or _SHORT_SERVER.match(flag)), "")
        if own:
            return KubectlResult(problem=f"{own} names a server or a user; leave that to the reader's kubeconfig")
        if wrote := next((flag for flag in flags if flag in _WRITING), ""):
            return KubectlResult(unchecked=f"{wrote} writes a file on this machine")
        verb = _verb(given)
        if verb in _LOCAL_VERBS:
            return KubectlResult(unchecked=f"kubectl {verb} works on this machine")
        if any("://" in word for word in own_words) or (verb in _FILES and any(flag in _OF_FILES for flag in flags)):
            return KubectlResult(unchecked=f"kubectl {verb} would read a file or a URL")
        return self._run(given, verb)

    def _run(self, given: tuple[str, ...], verb: str) -> KubectlResult:
        environ = {"HOME": self.home, "PATH": self.home, "KUBECONFIG": f"{self.home}/config", "KUBERC": "off", "LC_ALL": "C"}
        try:
            done = subprocess.run(  # noqa: S603  # kubectl, without a shell
                [self.path, *given],
                env=environ, cwd=self.home, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
                timeout=_LIMIT_SECONDS, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return KubectlResult(unchecked=f"kubectl did not finish within {format_duration(_LIMIT_SECONDS)}")
        except OSError as error:
            return KubectlResult(unchecked=f"kubectl cannot be run: {error.strerror}")
        output = f"{done.stderr}\n{done.stdout}"
        if done.returncode == 0 or (f"127.0.0.1:{self.port}" in output and "refused" in output):
            return _check_resource(given, verb)
        return KubectlResult(problem=_parse_error(output, verb))


def _before_dashes(words: tuple[str, ...]) -> tuple[str, ...]:
    """The words that kubectl itself parses: after `--` follows a container's command. Dashes that may be a flag's value
    (`-n --`) do not count.
    """
    for at, word in enumerate(words):
        if word == "--" and at and not words[at - 1].startswith("-"):
            return words[:at]
    return words


def _operands(words: tuple[str, ...]) -> list[str]:
    """The words that are not flags."""
    operands: list[str] = []
    rest = iter(_before_dashes(words))
    for word in rest:
        if word in _WITH_VALUE:
            next(rest, None)
        elif not word.startswith("-"):
            operands.append(word)
    return operands


def _verb(words: tuple[str, ...]) -> str:
    return next(iter(_operands(words)), "")


def _check_resource(words: tuple[str, ...], verb: str) -> KubectlResult:
    """Reports a kind that resembles a built-in one; only a server knows every kind."""
    operands = _operands(words)[1:]
    named = operands[0] if operands and verb in _OF_RESOURCES else ""
    for kind in named.partition("/")[0].split(","):
        if kind and kind.lower().partition(".")[0] not in _RESOURCES:
            hint = suggest_name(kind.lower(), _RESOURCES)
            if hint:
                return KubectlResult(problem=f"Kubernetes has no resource {kind}{hint}")
    return KubectlResult()


def _parse_error(output: str, verb: str) -> str:
    if "flags cannot be placed before plugin name" in output:
        return f'kubectl has no command "{verb}"'
    for line in output.splitlines():
        match = re.search(r'(?:^error: |^Error: |err=")(.*?)"?$', line)
        if match:
            return "kubectl: " + match[1].replace('\\"', '"')
    return "kubectl rejects it: " + next((line.strip() for line in output.splitlines() if line.strip()), "without a message")
