"""The text of a first config file: what was found, each key explained, and the keys that most people need next."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import field

from console.config import schema
from console.config.load import DEFAULT_NAMESPACE
from console.config.validation import Key
from console.setup.candidates import ALERTMANAGER, GRAFANA, KINDS, LOKI, PLATFORM, PROMETHEUS
from queries.model.frozen import dataclass

_WIDTH = 72
_PLAIN = re.compile(r"[A-Za-z_/~][\w./~@:+-]*(?<!:)")
_YAML_WORDS = {"true", "false", "yes", "no", "on", "off", "null", "y", "n", "~"}
_EXAMPLES = {
    PROMETHEUS: "https://prometheus.example.com",
    ALERTMANAGER: "https://alertmanager.example.com",
    PLATFORM: "https://cad-ml.example.com",
    GRAFANA: "https://grafana.example.com",
    LOKI: "https://loki.example.com",
}


@dataclass(frozen=True, slots=True)
class ServerAccess:
    """The files that a server needs to be read, with absolute paths; empty for none."""

    token_file: str = ""
    username: str = ""
    password_file: str = ""
    ca_file: str = ""

    def lines(self) -> Iterator[str]:
        """The `http_config` section's lines."""
        if self.token_file:
            yield f"authorization: {{credentials_file: {quote_yaml(self.token_file)}}}"
        if self.username:
            yield f"basic_auth: {{username: {quote_yaml(self.username)}, password_file: {quote_yaml(self.password_file)}}}"
        if self.ca_file:
            yield f"tls_config: {{ca_file: {quote_yaml(self.ca_file)}}}"


NO_ACCESS = ServerAccess()


@dataclass(frozen=True, slots=True)
class ChosenServer:
    """A server for the file. `note` is what answered there; `omitted` is why its line is only a comment."""

    url: str
    note: str = ""
    access: ServerAccess = NO_ACCESS
    omitted: str = ""


@dataclass(frozen=True, slots=True)
class ChosenCluster:
    """The cluster for the file; `kubeconfig` is empty for ~/.kube/config."""

    kubeconfig: str = ""
    context: str = ""
    in_cluster: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class ConfigChoices:
    """Everything that a person, or the search, decided; `servers` by their key in the file."""

    environment: str = "production"
    namespace: str = DEFAULT_NAMESPACE
    servers: Mapping[str, tuple[ChosenServer, ...]] = field(default_factory=dict)
    cluster: ChosenCluster | None = None


def render_config(choices: ConfigChoices, *, date: str) -> str:
    """The file's text. It has no secret: credentials stand in files that it names."""
    lines = [
        f"# Written by `cad-console init` on {date}.",
        "# `cad-console config check` checks this file, `cad-console doctor` its servers;",
        "# `cad-console config show --origin` prints what is in effect and what set it.",
        "",
        *_comment(schema.DOCUMENT, "default_environment"),
        f"default_environment: {quote_yaml(choices.environment)}",
        "",
        "environments:",
        f"  {quote_yaml(choices.environment)}:",
    ]
    body = [
        *_comment(schema.ENVIRONMENT, "protected"),
        "protected: true",
        "",
        *_comment(schema.ENVIRONMENT, "namespace"),
        f"namespace: {quote_yaml(choices.namespace)}",
    ]
    for kind in KINDS:
        body += ["", *_comment(schema.ENVIRONMENT, kind), *_server(kind, choices.servers.get(kind, ()))]
    body += ["", *_comment(schema.ENVIRONMENT, "kubernetes"), *_cluster(choices.cluster)]
    body += ["", *_comment(schema.ENVIRONMENT, "read_only"), "# read_only: true"]
    lines += [f"    {line}".rstrip() for line in body]
    lines += [
        "",
        "# A second environment, for `--environment staging` or `:env staging`:",
        "#  staging:",
        "#    prometheus: https://prometheus.staging.example.com",
        "",
        *_comment(schema.DOCUMENT, "thresholds"),
        "# thresholds:",
        "#   error_ratio: {warn: 1, critical: 5}",
    ]
    return "\n".join(lines) + "\n"


def _comment(table: object, key: str) -> Iterator[str]:
    """The description of a key, from the schema."""
    found = getattr(table, "keys")[key]  # noqa: B009
    assert isinstance(found, Key)  # noqa: S101
    text = found.description.replace("`", "")
    yield from (f"# {line}" for line in textwrap.wrap(text[:1].upper() + text[1:], _WIDTH))


def _server(kind: str, servers: tuple[ChosenServer, ...]) -> Iterator[str]:
    kept = [item for item in servers if not item.omitted]
    for item in servers:
        for line in textwrap.wrap(item.omitted or (f"{item.url}: {item.note}" if len(kept) > 1 else item.note), _WIDTH):
            yield f"# {line}"
    if not kept:
        yield f"# {kind}: {_EXAMPLES[kind]}"
    elif len(kept) == 1:
        yield from _entry(f"{kind}:", kept[0], indent="  ")
    else:
        yield f"{kind}:"
        for item in kept:
            yield from (f"  {line}" for line in _entry("-", item, indent="  "))


def _entry(head: str, server: ChosenServer, *, indent: str) -> Iterator[str]:
    access = list(server.access.lines())
    if not access:
        yield f"{head} {quote_yaml(server.url)}"
        return
    first = [f"url: {quote_yaml(server.url)}", "http_config:", *(f"  {line}" for line in access)]
    if head == "-":
        yield f"- {first[0]}"
        yield from (f"{indent}{line}" for line in first[1:])
    else:
        yield head
        yield from (f"{indent}{line}" for line in first)


def _cluster(cluster: ChosenCluster | None) -> Iterator[str]:
    if cluster is None:
        yield "# kubernetes: {context: production}"
        return
    if cluster.note:
        yield f"# {cluster.note}"
    if cluster.in_cluster:
        yield "kubernetes: {in_cluster: true}"
        return
    file = f"kubeconfig: {quote_yaml(cluster.kubeconfig)}, " if cluster.kubeconfig else ""
    yield f"kubernetes: {{{file}context: {quote_yaml(cluster.context)}}}"


def quote_yaml(text: str) -> str:
    """A YAML scalar that reads back as this text, within brackets too."""
    plain = _PLAIN.fullmatch(text) and text.lower() not in _YAML_WORDS
    return text if plain else json.dumps(text, ensure_ascii=False)
