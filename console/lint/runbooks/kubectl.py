"""What kubectl itself says of a command, without a cluster: wrong usage is refused before anybody is asked."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from console.lint.runbooks.page import near

_LIMIT_SECONDS = 20
_OWN_SERVER = ("--kubeconfig", "--server", "-s", "--context", "--cluster", "--user", "--token", "--as", "--tls-server-name")
_SHORT_SERVER = re.compile(r"-[AwitfpRLhq]*s")
"""`-sHOST`, also behind short flags that take no value."""
_WRITING = ("--profile", "--profile-output", "--cache-dir")
_NOT_ASKING = frozenset({"proxy", "config", "plugin", "kustomize", "completion", "alpha", "kuberc"})
"""Verbs that do something on this machine instead of asking a server first."""
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
    """`problem` is why kubectl refuses it, `unchecked` why it was not tried; both empty where it is valid."""

    problem: str = ""
    unchecked: str = ""


@dataclass(frozen=True, slots=True)
class Kubectl:
    """kubectl by its path, in a place of its own: an empty home, no plugins, and a server that is not there."""

    path: str
    port: int
    home: str

    @classmethod
    @contextmanager
    def open(cls) -> Iterator[Kubectl | None]:
        """None where kubectl is not on PATH.

        The server is a port that this process holds and never listens on: nobody else can, so that nothing can answer, and
        whatever a command would change, it changes nothing.
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

    def answer(self, words: Sequence[str]) -> KubectlResult:
        """`words` begin with `kubectl`."""
        given = tuple(words[1:])
        own_words = _before_dashes(given)
        flags = [word.partition("=")[0] for word in own_words]
        own = next((flag for flag in flags if flag in _OWN_SERVER or _SHORT_SERVER.match(flag)), "")
        if own:
            return KubectlResult(problem=f"{own} names a server or a person; leave that to the kubeconfig of whoever runs it")
        if wrote := next((flag for flag in flags if flag in _WRITING), ""):
            return KubectlResult(unchecked=f"{wrote} writes a file on this machine")
        verb = _verb(given)
        if verb in _NOT_ASKING:
            return KubectlResult(unchecked=f"kubectl {verb} works on this machine")
        if any("://" in word for word in own_words) or (verb in _FILES and any(flag in _OF_FILES for flag in flags)):
            return KubectlResult(unchecked=f"kubectl {verb} would read a file or an address")
        return self._asked(given, verb)

    def _asked(self, given: tuple[str, ...], verb: str) -> KubectlResult:
        environ = {"HOME": self.home, "PATH": self.home, "KUBECONFIG": f"{self.home}/config", "KUBERC": "off", "LC_ALL": "C"}
        try:
            done = subprocess.run(  # noqa: S603  # kubectl, with words that no shell sees
                [self.path, *given],
                env=environ, cwd=self.home, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
                timeout=_LIMIT_SECONDS, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return KubectlResult(unchecked=f"kubectl gave no answer in {_LIMIT_SECONDS} s")
        except OSError as error:
            return KubectlResult(unchecked=f"kubectl cannot be run: {error.strerror}")
        told = f"{done.stderr}\n{done.stdout}"
        if done.returncode == 0 or (f"127.0.0.1:{self.port}" in told and "refused" in told):
            return _resource(given, verb)
        return KubectlResult(problem=_complaint(told, verb))


def _before_dashes(words: tuple[str, ...]) -> tuple[str, ...]:
    """What kubectl itself reads: behind `--` stands the command of a container. Where the dashes may be a flag's value
    (`-n --`), they do not count.
    """
    for at, word in enumerate(words):
        if word == "--" and at and not words[at - 1].startswith("-"):
            return words[:at]
    return words


def _plain(words: tuple[str, ...]) -> list[str]:
    """The words that are no flags."""
    found: list[str] = []
    rest = iter(_before_dashes(words))
    for word in rest:
        if word in _WITH_VALUE:
            next(rest, None)
        elif not word.startswith("-"):
            found.append(word)
    return found


def _verb(words: tuple[str, ...]) -> str:
    return next(iter(_plain(words)), "")


def _resource(words: tuple[str, ...], verb: str) -> KubectlResult:
    """A kind that is spelled nearly like one of Kubernetes' own: only a server knows all that there are."""
    plain = _plain(words)[1:]
    named = plain[0] if plain and verb in _OF_RESOURCES else ""
    for kind in named.partition("/")[0].split(","):
        if kind and kind.lower().partition(".")[0] not in _RESOURCES:
            hint = near(kind.lower(), _RESOURCES)
            if hint:
                return KubectlResult(problem=f"Kubernetes has no resource {kind}{hint}")
    return KubectlResult()


def _complaint(told: str, verb: str) -> str:
    if "flags cannot be placed before plugin name" in told:
        return f'kubectl has no command "{verb}"'
    for line in told.splitlines():
        match = re.search(r'(?:^error: |^Error: |err=")(.*?)"?$', line)
        if match:
            return "kubectl: " + match[1].replace('\\"', '"')
    return "kubectl refuses it: " + next((line.strip() for line in told.splitlines() if line.strip()), "without a word")
