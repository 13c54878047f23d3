"""A kubeconfig as client-go reads it: files merged, paths resolved relative to their file, one context chosen."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from queries.errors import NotConfigured
from queries.http.endpoint import ClusterPlace
from queries.model.frozen import dataclass

_MOST_VALUES = 100_000
_MOST_LEVELS = 40
"""A kubeconfig has six, the settings of an exec plugin a few more."""
_Texts: TypeAlias = tuple[tuple[Path, str], ...]
"""Each file with its text."""
_PATHS = {
    "clusters": ("cluster", ("certificate-authority",)),
    "users": ("user", ("client-certificate", "client-key", "tokenFile")),
}


@dataclass(frozen=True, slots=True, repr=False)
class ChosenContext:
    """One context with its cluster and user, as in the files; its repr shows no value."""

    context: str
    cluster_name: str
    user_name: str
    namespace: str
    cluster: Mapping[str, Any]
    user: Mapping[str, Any]
    own: Mapping[str, Any]
    """The context's own section."""
    known: tuple[str, ...] = ()
    """The names of all contexts of the files."""

    def __repr__(self) -> str:
        return f"ChosenContext({self.context!r})"

    @property
    def place(self) -> ClusterPlace:
        """The context without secrets."""
        return ClusterPlace(
            self.context,
            self.cluster_name,
            redact_server(self.cluster.get("server")),
            self.user_name,
            describe_impersonation(self.user),
            describe_credential(self.user),
        )


@dataclass(frozen=True, slots=True)
class KnownChoice:
    """What the settings need of a chosen context: no secret, and the files that hold some."""

    place: ClusterPlace
    namespace: str
    known: tuple[str, ...]
    secret_files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ContextSummary:
    """One context of a kubeconfig, without secrets; `current` is the file's own choice."""

    name: str
    cluster: str
    server: str
    user: str
    namespace: str
    current: bool


def kubeconfig_files(named: str) -> tuple[Path, ...]:
    """The files of `named`, separated as in KUBECONFIG; as in kubectl missing ones are skipped.

    Raises NotConfigured if none exists.
    """
    paths = [Path(text).expanduser().absolute() for text in named.split(os.pathsep) if text]
    found = tuple(path for path in paths if path.is_file())
    if not found:
        where = ", ".join(str(path) for path in paths)
        raise NotConfigured(f"no kubeconfig at {where}", hint="set KUBECONFIG or kubernetes.kubeconfig")
    return found


def choose_context(files: Iterable[Path], context: str = "") -> ChosenContext:
    """The named context, or the current one. Raises NotConfigured, naming the file and the missing entry."""
    return _choose(_read_texts(files), context)


def _choose(texts: _Texts, context: str) -> ChosenContext:
    known = tuple(path for path, _ in texts)
    merged = _merge(texts)
    name = context or str(merged.get("current-context") or "")
    own = _find_entry(merged, "contexts", name, "context", known)
    cluster_name, user_name = str(own.get("cluster") or ""), str(own.get("user") or "")
    cluster = _find_entry(merged, "clusters", cluster_name, "cluster", known)
    user = _find_entry(merged, "users", user_name, "user", known) if user_name else {}
    contexts = tuple(str(item["name"]) for item in merged["contexts"])
    return ChosenContext(name, cluster_name, user_name, str(own.get("namespace") or ""), cluster, user, own, contexts)


def recall_choice(files: Iterable[Path], context: str = "") -> KnownChoice:
    """As `choose_context`; of files that were read before on this machine and are the same, without YAML. Raises as that."""
    from queries.shipped import recall  # noqa: PLC0415  # not before the first frame without a kubeconfig

    # Read once: a choice from a later text would be kept for this one, for good.
    texts = _read_texts(files)

    def choose() -> list[object]:
        chosen = _choose(texts, context)
        secrets = [str(chosen.user[key]) for key in ("client-key", "tokenFile") if chosen.user.get(key)]
        return [
            [getattr(chosen.place, field.name) for field in fields(ClusterPlace)],
            chosen.namespace,
            list(chosen.known),
            secrets,
        ]

    facts = (context, [(str(path), text) for path, text in texts], _code_stamp())
    place, namespace, names, secrets = recall("kubeconfig", repr(facts), choose)
    return KnownChoice(ClusterPlace(*place), namespace, tuple(names), tuple(secrets))


def _code_stamp() -> str:
    """Differs where this file does, or that of the classes whose values are kept."""
    files = [path.stat() for path in (Path(__file__), Path(__file__).parents[1] / "http" / "endpoint.py")]
    return "".join(f"{code.st_size} {code.st_mtime_ns} " for code in files)


def list_contexts(files: Iterable[Path]) -> tuple[ContextSummary, ...]:
    """Every context, in the files' order. Raises NotConfigured for a file that cannot be read."""
    merged = _merge(_read_texts(files))
    servers = {item["name"]: item.get("cluster") for item in merged["clusters"]}
    found = []
    for item in merged["contexts"]:
        own = item["context"] if isinstance(item.get("context"), dict) else {}
        cluster, user, namespace = (str(own.get(key) or "") for key in ("cluster", "user", "namespace"))
        section = servers.get(cluster)
        server = redact_server(section.get("server")) if isinstance(section, dict) else ""
        found.append(
            ContextSummary(item["name"], cluster, server, user, namespace, item["name"] == merged.get("current-context"))
        )
    return tuple(found)


def describe_credential(user: Mapping[str, Any]) -> str:
    """How the user logs in, without the secret: `exec plugin aws`, `token`; empty if the kubeconfig names no way."""
    plugin, provider = user.get("exec"), user.get("auth-provider")
    ways = (
        ("token", user.get("token")),
        (f"token of {user.get('tokenFile')}", user.get("tokenFile")),
        ("user name and password", user.get("username")),
        (f"exec plugin {plugin.get('command') if isinstance(plugin, Mapping) else ''}".rstrip(), plugin),
        (f"auth-provider {provider.get('name') if isinstance(provider, Mapping) else ''}".rstrip(), provider),
        ("client certificate", user.get("client-certificate") or user.get("client-certificate-data")),
    )
    return next((name for name, given in ways if given), "")


def describe_impersonation(user: Mapping[str, Any]) -> str:
    """The impersonated identity: `viewer (uid 7; groups a, b; extra reason)`; empty without impersonation.

    Of the extras only the names, because a value may be a secret.
    """
    name, groups, extra = user.get("as"), user.get("as-groups"), user.get("as-user-extra")
    if not name:
        return ""
    more = [
        f"uid {user['as-uid']}" if user.get("as-uid") else "",
        f"groups {', '.join(map(str, groups))}" if isinstance(groups, list) and groups else "",
        f"extra {', '.join(map(str, extra))}" if isinstance(extra, Mapping) and extra else "",
    ]
    details = "; ".join(item for item in more if item)
    return f"{name} ({details})" if details else str(name)


def redact_server(url: object) -> str:
    """The server's URL without user, password and query."""
    try:
        parts = urlsplit(url if isinstance(url, str) else "")
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}" if parts.netloc else ""


def _read_texts(files: Iterable[Path]) -> _Texts:
    return tuple((path, _read_text(path)) for path in files)


def _merge(texts: _Texts) -> dict[str, Any]:
    """Merge as kubectl does: the first file that names an entry wins; paths are relative to their own file."""
    merged: dict[str, Any] = {"clusters": [], "contexts": [], "users": []}
    for path, text in texts:
        content = _read(path, text)
        if content.get("current-context"):
            merged.setdefault("current-context", content["current-context"])
        for section in ("clusters", "contexts", "users"):
            entries = content.get(section) or []
            known = {item["name"] for item in merged[section]}
            if not isinstance(entries, list):
                raise NotConfigured(f"the kubeconfig {path} has a {section} section that is not a list")
            counts = Counter(str(entry.get("name")) for entry in entries if isinstance(entry, dict))
            for name in (name for name, count in counts.items() if count > 1):
                raise NotConfigured(f"the kubeconfig {path} has {name!r} twice in {section}", hint="keep one of them")
            for entry in entries:
                if isinstance(entry, dict) and isinstance(entry.get("name"), str) and entry["name"] not in known:
                    merged[section].append(_absolute(entry, section, path.parent))
    return merged


def _read(path: Path, text: str) -> dict[str, Any]:
    content = _recall_content(path, text)
    if not _is_bounded(content):
        message = f"the kubeconfig {path} is too large, or full of nested aliases"
        raise NotConfigured(message, hint="write its values out")
    if not isinstance(content, dict):
        raise NotConfigured(f"the kubeconfig {path} is empty or not a mapping")
    return content


def _recall_content(path: Path, text: str) -> object:
    """The values of the YAML text. Where the same text was read before on this machine, without PyYAML: of the values only
    their places in the text are kept, because some are secrets. Raises NotConfigured.
    """
    # Imported here: a console without a kubeconfig starts without them.
    from queries.shipped import recall  # noqa: PLC0415  # as above

    content: list[object] = []

    def build() -> object:
        content.append(_parse(path, text))
        return _locate(content[0], text) if _is_bounded(content[0]) else None

    places = recall("kubeconfig places", _code_stamp() + text, build)
    if content:
        return content[0]
    return _fill(places, text) if places is not None else _parse(path, text)


def _parse(path: Path, text: str) -> object:
    from queries.yaml import YamlError, load_yaml  # noqa: PLC0415  # only if no earlier read of these bytes is kept

    try:
        return load_yaml(text, where=str(path))
    except YamlError as error:
        raise NotConfigured(f"the kubeconfig is not YAML: {error}") from None


def _locate(content: object, text: str) -> object:
    """The values with `[begin, end]` in the text instead of each text in them, and anything else but mappings inside a list.
    None where that is impossible, as for a number or a folded text.
    """
    before = 0

    def locate(value: object, levels: int) -> object:
        nonlocal before
        if not levels:
            raise ValueError
        if isinstance(value, str):
            # Values are in the order of the text, except those of aliases.
            at = text.find(value, before)
            before = at if at >= 0 else text.index(value)
            return [before, before + len(value)]
        if value is None or isinstance(value, bool):
            return [value]
        if isinstance(value, list):
            return [[locate(item, levels - 1) for item in value]]
        if isinstance(value, dict) and all(isinstance(key, str) for key in value):
            return {key: locate(item, levels - 1) for key, item in value.items()}
        raise ValueError

    try:
        return locate(content, _MOST_LEVELS)
    except ValueError:
        return None


def _fill(places: Any, text: str) -> object:
    """The value whose places `_locate` found."""
    if isinstance(places, dict):
        return {key: _fill(item, text) for key, item in places.items()}
    if len(places) == 2:
        return text[places[0] : places[1]]
    (item,) = places
    return [_fill(part, text) for part in item] if isinstance(item, list) else item


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise NotConfigured(f"the kubeconfig {path} cannot be read", hint=str(getattr(error, "strerror", error))) from None


def _is_bounded(content: object) -> bool:
    """Whether the number of values, with aliases expanded, is plausible for a kubeconfig."""
    waiting, seen = [content], 0
    while waiting:
        seen += 1
        if seen > _MOST_VALUES:
            return False
        item = waiting.pop()
        if isinstance(item, dict):
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
    return True


def _absolute(entry: dict[str, Any], section: str, folder: Path) -> dict[str, Any]:
    key, fields = _PATHS.get(section, ("", ()))
    body = entry.get(key)
    if not isinstance(body, dict):
        return entry
    resolved: dict[str, Any] = {
        field: str(folder / body[field]) for field in fields if body.get(field) and isinstance(body[field], str)
    }
    plugin = body.get("exec")
    command = plugin.get("command") if isinstance(plugin, dict) else None
    if isinstance(command, str) and "/" in command:
        # A command without a slash is looked for on PATH.
        resolved["exec"] = {**plugin, "command": str(folder / command)} if isinstance(plugin, dict) else plugin
    return {**entry, key: {**body, **resolved}}


def _find_entry(merged: Mapping[str, Any], section: str, name: str, key: str, files: tuple[Path, ...]) -> Mapping[str, Any]:
    where = ", ".join(str(path) for path in files)
    if not name:
        raise NotConfigured(f"the kubeconfig {where} names no {key}", hint="choose one with --context")
    for entry in merged[section]:
        if entry["name"] == name and isinstance(entry.get(key), dict):
            return dict(entry[key])
    known = ", ".join(sorted(entry["name"] for entry in merged[section])) or "none"
    raise NotConfigured(f"no {key} {name!r} in the kubeconfig {where}", hint=f"it has {known}")
