"""`cad-console init`: finds the servers, tries each, and writes the config file."""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from console.config.errors import ConfigError
from console.config.load import DEFAULT_NAMESPACE, load_settings
from console.config.sources import locate_config, xdg_folder
from console.config.text_formats import is_dns_name
from console.setup.candidates import GRAFANA, KINDS, LOKI, Candidate, given_candidates, local_candidates
from console.setup.config_text import NO_ACCESS, ChosenServer, ConfigChoices, ServerAccess, render_config
from console.setup.probe import ProbeResult
from console.setup.search import FoundCluster, Probed, find_cluster, probe_all, probe_candidate, probe_cluster
from console.text_files import write_private
from queries.model.fault import FaultKind
from queries.model.text import visible
from queries.text.suggestions import suggest_spelling
from queries.text.times import format_time
from queries.text.variables import command_name, home_folder, read_env

_NONE = ("-", "none")
_INDENT = "        "
_THREE_WAYS = """\
No server was found, so there is nothing to write. Three ways on:
  {0} init
      in a terminal: asks for each address
  PROMETHEUS_URL=https://… {0}
      also ALERTMANAGER_URL, CAD_ML_API_URL and KUBECONFIG
  {0} demo
      an embedded stack, with nothing to configure"""

Ask = Callable[[str], str]


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--yes", action="store_true", help="ask nothing: take the given addresses, and what answers elsewhere")
    parser.add_argument("--force", action="store_true", help="with --yes: replace an existing config file, and keep it as .bak")
    parser.add_argument("--print", action="store_true", help="print the config file instead of writing it")
    parser.epilog = (
        "looks at flags, environment variables, the kubeconfig, Services of the cluster and the usual ports of this machine; "
        "exits 0 if it wrote the file and every server in it answers, 1 if one does not or you declined, 2 if there is nothing "
        "to write or the file exists"
    )


def run(arguments: argparse.Namespace) -> int:
    flags = vars(arguments)
    asks = sys.stdin.isatty() and sys.stdout.isatty() and not arguments.yes
    if not (asks or arguments.yes):
        _fail("not a terminal: `cad-console init --yes` takes what it finds and asks nothing")
        return 2
    ask = _prompt if asks else None
    try:
        return Init(flags, os.environ, ask=ask, to_stdout=arguments.print, force=arguments.force).run()
    except EOFError:
        _fail("input ended, nothing was written")
        return 1


def _prompt(text: str) -> str:
    return input(text).strip()


def _fail(text: str) -> None:
    print(f"cad-console init: {text}", file=sys.stderr)


class Init:
    """One run. `ask` puts a question to a person and returns the answer; None takes the proposals."""

    def __init__(
        self,
        flags: Mapping[str, Any],
        environ: Mapping[str, str],
        *,
        ask: Ask | None,
        to_stdout: bool = False,
        force: bool = False,
    ) -> None:
        self._flags = {name: value for name, value in flags.items() if value is not None}
        self._environ = environ
        self._ask = ask
        self._to_stdout = to_stdout
        self._force = force
        self._file = locate_config(self._flags, environ)[0]
        self._all_answer = True
        self._name = visible(command_name(sys.argv, environ))

    def run(self) -> int:
        """The exit code."""
        if not self._to_stdout and (code := self._refuse_existing()) is not None:
            return code
        if self._ask:
            self._say("Enter accepts the proposal in brackets, - leaves a server out, ctrl+c changes nothing.\n")
        cluster, found = self._choose_cluster()
        namespace = cluster.namespace if cluster else str(self._flags.get("namespace") or DEFAULT_NAMESPACE)
        candidates = (*given_candidates(self._flags, self._environ), *found, *local_candidates())
        self._say(f"Servers: trying {len(candidates)} addresses")
        probed = asyncio.run(probe_all(candidates, namespace=namespace))
        servers = {kind: self._choose_servers(kind, probed, namespace) for kind in KINDS}
        if not any(servers.values()) and cluster is None:
            print(_THREE_WAYS.format(self._name), file=sys.stderr)
            return 2
        name = str(self._flags.get("environment") or read_env(self._environ, "CAD_CONSOLE_ENVIRONMENT") or "production")
        if self._ask:
            name = self._answer("Name of this environment", name)
        text = render_config(
            ConfigChoices(
                name, namespace, {kind: items for kind, items in servers.items() if items}, cluster.choice if cluster else None
            ),
            date=format_time(time.time(), "%Y-%m-%d", unknown=""),
        )
        self._check(text)
        if self._to_stdout:
            print(text, end="")
            return 0 if self._all_answer else 1
        return self._write(text)

    # the file

    def _refuse_existing(self) -> int | None:
        if not (self._file.exists() or self._file.is_symlink()):
            return None
        where = visible(str(self._file))
        if self._ask is None:
            if self._force:
                return None
            _fail(f"{where} exists: --force replaces it (and keeps it as .bak), --print only shows what would be written")
            return 2
        if self._confirm(f"{where} exists.\nReplace it in the end? The old one is kept as .bak", default=False):
            return None
        self._say("Nothing was changed. `cad-console config check` checks the file that is there.")
        return 1

    def _check(self, text: str) -> None:
        """The text must load before it replaces anything. Raises ConfigError."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "config.yaml"
            path.write_text(text, encoding="utf-8")
            load_settings({"config": str(path)}, {"HOME": home_folder(self._environ)})

    def _write(self, text: str) -> int:
        where = visible(str(self._file))
        if self._ask:
            self._say(f"\n{where} will be:\n")
            self._say("\n".join(f"  {visible(line)}".rstrip() for line in text.splitlines()))
            if not self._confirm("\nWrite it?", default=True):
                self._say("Nothing was written.")
                return 1
        try:
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self._file.exists() or self._file.is_symlink():
                self._say(f"the old file is kept as {visible(str(_replace(self._file, text)))}")
            else:
                write_private(self._file, [text])
        except OSError as error:
            _fail(f"cannot write {where}: {error.strerror}")
            return 2
        self._say(f"written: {where}")
        self._offer_shell_files()
        self._say(f"\nNext: `{self._name} doctor` shows everything in detail, `{self._name}` opens the console.")
        return 0 if self._all_answer else 1

    def _offer_shell_files(self) -> None:
        """Completion for the person's shell, and the manual page: each is written only after a yes."""
        from console.cli.completion import completion_script, install_path  # builds every parser
        from console.cli.man import manual_page  # as above

        shell = Path(read_env(self._environ, "SHELL")).name
        page = xdg_folder(self._environ, "XDG_DATA_HOME", ".local", "share") / "man" / "man1" / "cad-console.1"
        files: list[tuple[str, Path, str, Callable[[], str]]] = []
        if place := install_path(shell, self._environ):
            files.append((f"completion for {shell}", place, f"completion {shell}", lambda: completion_script(shell)))
        files.append(("the manual page", page, "man", manual_page))
        self._say("")
        for what, path, verb, build in files:
            where = visible(str(path))
            if self._ask is None:
                self._say(f"{what}: {self._name} {verb} > {where}")
            elif self._confirm(f"Install {what} as {where}?", default=False):
                try:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_text(build(), encoding="utf-8")
                except OSError as error:
                    _fail(f"cannot write {where}: {error.strerror}")

    # the cluster

    def _choose_cluster(self) -> tuple[FoundCluster | None, tuple[Candidate, ...]]:
        """The cluster for the file, and the addresses of its Services."""
        try:
            cluster = find_cluster(self._flags, self._environ)
        except ConfigError as error:
            self._report(False, visible(str(error)))
            return None, ()
        self._say("Cluster")
        if cluster is None:
            self._say("  none: no kubeconfig (KUBECONFIG, ~/.kube/config), and this is not a pod")
            return None, ()
        while True:
            cluster = self._ask_context(cluster)
            if cluster is None:
                return None, ()
            self._wait_line(f"asking {cluster.endpoint.context or 'the API server of this pod'}")
            probe = asyncio.run(probe_cluster(cluster))
            self._report(probe.ok, probe.summary)
            if probe.search_error:
                self._detail(f"its Services cannot be listed: {probe.search_error}")
            if self._ask is None:
                self._all_answer &= probe.ok
                kept = probe.ok or "context" in self._flags or "kubeconfig" in self._flags
                return (replace_note(cluster, probe.summary) if kept else None), probe.candidates
            if not probe.ok and self._confirm("Choose another context or namespace?", default=True):
                continue
            self._all_answer &= probe.ok
            return replace_note(cluster, probe.summary), probe.candidates

    def _ask_context(self, cluster: FoundCluster) -> FoundCluster | None:
        if self._ask is None:
            return cluster
        names = cluster.endpoint.contexts
        if len(names) > 1:
            self._say(f"  contexts: {visible(', '.join(names))}")
        while names:
            context = self._answer("  Context", cluster.endpoint.context)
            if context in _NONE:
                return None
            if context in names:
                cluster = find_cluster(self._flags, self._environ, context) or cluster
                break
            self._report(False, visible(f"no context {context!r}: {suggest_spelling(context, names)}"))
        while True:
            namespace = self._answer("  Namespace of the platform", cluster.namespace)
            if is_dns_name(namespace):
                break
            self._report(False, visible(f"{namespace!r} is not a namespace's name"))
        return replace(cluster, namespace=namespace, endpoint=replace(cluster.endpoint, namespace=namespace))

    # the servers

    def _choose_servers(self, kind: str, probed: Iterable[Probed], namespace: str) -> tuple[ChosenServer, ...]:
        mine = [item for item in probed if item.candidate.kind == kind]
        shown = [item for item in mine if item.result.answers or item.candidate.given]
        given = [item for item in shown if item.candidate.given]
        for item in shown:
            self._show(item.candidate.origin, item.result, prefix="" if item.candidate.given else "answers, but: ")
        proposed = given or [item for item in shown if item.result.ok][:1]
        if not proposed:
            self._explain_missing(kind, mine)
        if self._ask is None:
            self._all_answer &= all(item.result.ok for item in proposed)
            return tuple(_chosen(item.candidate, item.result) for item in proposed)
        if not shown and kind in (GRAFANA, LOKI):
            return ()
        return self._ask_servers(kind, proposed, namespace)

    def _explain_missing(self, kind: str, tried: list[Probed]) -> None:
        """That there is none, and how to reach those that did not answer; one that answers is shown already."""
        unreached = [item.candidate.forward for item in tried if not item.result.answers]
        if len(unreached) == len(tried) or any(unreached):
            self._say(f"  none  {KINDS[kind]}")
        for forward in dict.fromkeys(filter(None, unreached)):
            self._detail(f"in the cluster, not reachable from here; run this and init again: {visible(forward)}")

    def _ask_servers(self, kind: str, proposed: list[Probed], namespace: str) -> tuple[ChosenServer, ...]:
        good = [item for item in proposed if item.result.ok]
        default = ", ".join(item.result.url for item in good)
        while True:
            answer = self._answer(f"  {KINDS[kind]} URL", default or "-")
            if answer in _NONE:
                return ()
            if answer == default:
                return tuple(_chosen(item.candidate, item.result) for item in good)
            chosen = []
            for url in filter(None, answer.replace(",", " ").split()):
                address = url if "://" in url else f"http://{url}"
                server = self._try(Candidate(kind, address, "typed", given=True), namespace)
                if server is not None:
                    chosen.append(server)
            if chosen:
                return tuple(chosen)

    def _try(self, candidate: Candidate, namespace: str) -> ChosenServer | None:
        """Try a typed address, with files for credentials or an authority if the server wants them; None to ask again."""
        access = NO_ACCESS
        while True:
            result = asyncio.run(probe_candidate(candidate, namespace=namespace, access=access))
            self._show("", result)
            if result.ok:
                return _chosen(candidate, result, access)
            again = self._ask_access(result, access)
            if again is None:
                if result.url != "not a URL" and self._confirm("  Keep it in the file anyway?", default=False):
                    self._all_answer = False
                    return _chosen(candidate, result, access)
                return None
            access = again

    def _ask_access(self, result: ProbeResult, access: ServerAccess) -> ServerAccess | None:
        """The access with one more file; None if the fault is of another kind, or the person gives none."""
        fault = result.fault
        if fault is None or access is not NO_ACCESS:
            return None
        if fault.kind is FaultKind.DENIED and fault.status in (401, 403):
            if file := self._ask_file("  File with a bearer token (enter: none)"):
                return replace(access, token_file=file)
            username = self._answer("  User name for basic auth (enter: none)", "")
            password = self._ask_file("  File with its password") if username else ""
            return replace(access, username=username, password_file=password) if password else None
        if "authority" in fault.what or "self-signed" in fault.what:
            file = self._ask_file("  File with the certificate of its authority (enter: none)")
            return replace(access, ca_file=file) if file else None
        return None

    def _ask_file(self, question: str) -> str:
        while True:
            answer = self._answer(question, "")
            path = Path(answer).expanduser().absolute()
            if not answer:
                return ""
            if path.is_file() and os.access(path, os.R_OK):
                return str(path)
            self._report(False, visible(f"no readable file at {path}"))

    # talking

    def _show(self, origin: str, result: ProbeResult, *, prefix: str = "") -> None:
        where = f"{KINDS[result.kind]}: {result.url}" + (f" ({origin})" if origin else "")
        self._report(result.ok, where)
        self._detail(f"{'' if result.ok else prefix}{result.summary}")
        for title, text in result.details:
            self._detail(f"{title}: {text}")

    def _report(self, ok: bool, text: str) -> None:
        self._say(f"  {'ok' if ok else 'FAIL':<6}{text}")

    def _detail(self, text: str) -> None:
        width = max(40, shutil.get_terminal_size().columns - len(_INDENT) - 1)
        for part in textwrap.wrap(text, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False):
            self._say(f"{_INDENT}{part}")

    def _wait_line(self, text: str) -> None:
        if self._ask:
            self._say(f"  …     {visible(text)}")

    def _say(self, text: str) -> None:
        print(text, file=sys.stderr if self._to_stdout else sys.stdout, flush=True)

    def _answer(self, question: str, default: str) -> str:
        assert self._ask is not None  # noqa: S101  only asked where there is somebody
        shown = f" [{visible(default)}]" if default else ""
        return self._ask(f"{question}{shown}: ") or default

    def _confirm(self, question: str, *, default: bool) -> bool:
        assert self._ask is not None  # noqa: S101  as above
        while True:
            answer = self._ask(f"{question} [{'Y/n' if default else 'y/N'}] ").lower()
            if answer in ("", "y", "yes", "n", "no"):
                return answer.startswith("y") if answer else default


def replace_note(cluster: FoundCluster, note: str) -> FoundCluster:
    """The cluster with a comment for the file."""
    return replace(cluster, choice=replace(cluster.choice, note=note))


def _chosen(candidate: Candidate, result: ProbeResult, access: ServerAccess = NO_ACCESS) -> ChosenServer:
    if candidate.has_credentials:
        omitted = (
            f"{candidate.origin} has a user or a password, which this file does not hold: put the password into a file and "
            "name it as http_config.basic_auth.password_file, or keep the variable."
        )
        return ChosenServer(result.url, omitted=omitted)
    if result.url == "not a URL":
        return ChosenServer("", omitted=f"{candidate.origin} is not a URL.")
    note = result.summary if result.ok else f"Did not answer as expected when this was written: {result.summary}"
    return ChosenServer(candidate.url.rstrip("/"), note, access)


def _replace(path: Path, text: str) -> Path:
    """Replaces the file at once, so that at no moment there is none; returns where the old one is. Raises OSError."""
    kept = _free_name(path)
    os.link(path, kept, follow_symlinks=False)
    try:
        write_private(path, [text], replace=True)
    except OSError:
        kept.unlink()
        raise
    return kept


def _free_name(path: Path) -> Path:
    """`config.yaml.bak`, or the first `config.yaml.bak2`, `3` … that does not exist."""
    number = 1
    while True:
        kept = path.with_name(f"{path.name}.bak{number if number > 1 else ''}")
        if not (kept.exists() or kept.is_symlink()):
            return kept
        number += 1
