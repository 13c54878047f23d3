"""The services outside the cluster and the tokens of an environment, and the programs that change them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from console.config.sources import KeyPath, Sources
from console.config.text_formats import is_dns_name
from queries.http.endpoint import parse_credentials
from queries.model.frozen import dataclass

EXTERNAL, TOKEN = "external", "token"  # the kinds of target
VERSION, BACKUP = "{version}", "{backup}"
"""What the console fills in: in `update` the version that a person names, in `restore` the last line that `backup` printed."""
LIMITS = {
    "backup": 600.0, "update": 600.0, "restart": 120.0, "health": 60.0, "restore": 600.0, "smoke": 120.0,
    "make": 60.0, "register": 60.0, "withdraw": 60.0,
}  # fmt: skip
"""Seconds until a program and all its processes are ended; for `health`, until the service must be healthy."""
_SERVICE_STEPS = ("backup", "update", "restart", "health", "restore", "smoke")
_TOKEN_STEPS = ("make", "register", "smoke", "withdraw")
_KNOWN_IN = {VERSION: "update", BACKUP: "restore"}


@dataclass(frozen=True, slots=True)
class Programs:
    """Programs by step, as argument lists. They run in `folder`, with the variables of `env_files` and a few of the console."""

    name: str
    commands: tuple[tuple[str, tuple[str, ...]], ...] = ()
    folder: str = ""
    env_files: tuple[str, ...] = ()
    limits: tuple[tuple[str, float], ...] = ()

    def command(self, step: str) -> tuple[str, ...]:
        """Empty if there is no program for the step."""
        return dict(self.commands).get(step, ())

    def limit_seconds(self, step: str) -> float:
        return dict(self.limits).get(step, LIMITS[step])


@dataclass(frozen=True, slots=True)
class Service(Programs):
    """A service outside the cluster. `health_url` is empty if `health` is a program."""

    health_url: str = ""

    @property
    def takes_version(self) -> bool:
        return any(VERSION in item for item in self.command("update"))

    @property
    def takes_backup(self) -> bool:
        """Whether `restore` needs to know what `backup` printed."""
        return any(BACKUP in item for item in self.command("restore"))


@dataclass(frozen=True, slots=True)
class Token(Programs):
    """A token and its consumers. `read` is a file with the new one, empty if a program or the console makes it.

    `secrets` are `NAME/KEY` of Kubernetes Secrets, `files` paths; `restart` are targets, as `deployment/NAME`.
    """

    read: str = ""
    secrets: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    restart: tuple[str, ...] = ()

    @property
    def workloads(self) -> tuple[str, ...]:
        """The consumers in the cluster that are restarted."""
        return tuple(item for item in self.restart if not item.startswith(f"{EXTERNAL}/"))

    @property
    def in_cluster(self) -> bool:
        """Whether rotating it changes an object in Kubernetes."""
        return bool(self.secrets or self.workloads)


def read_services(sources: Sources) -> tuple[Service, ...]:
    """Raises ConfigError."""
    found = []
    for name, item in (sources.own("services") or {}).items():
        path = (*sources.environment_path, "services", name)
        programs = _read_programs(sources, name, item, path, _SERVICE_STEPS)
        health = item["health"] if isinstance(item["health"], str) else ""
        if health and parse_credentials(health) != ("", ""):
            raise sources.error(
                (*path, "health"), "expected a URL without user and password; use a program where it needs them"
            )
        found.append(Service(*programs, health_url=health))
    return tuple(found)


def read_tokens(sources: Sources, services: tuple[Service, ...]) -> tuple[Token, ...]:
    """Raises ConfigError."""
    found = []
    for name, item in (sources.own("tokens") or {}).items():
        path = (*sources.environment_path, "tokens", name)
        if "make" in item and "read" in item:
            raise sources.error(path, "expected at most one of make and read: where the new token comes from")
        if "make" not in item and "read" not in item and "register" not in item:
            raise sources.error(path, "expected make, read, or register for a token that the console makes")
        if not item.get("secrets") and not item.get("files"):
            raise sources.error(path, "expected secrets or files: where the consumers read the token")
        for index, target in enumerate(item.get("restart", ())):
            kind, _, other = target.partition("/")
            known = next((service for service in services if service.name == other), None)
            if kind == EXTERNAL and (known is None or not known.command("restart")):
                raise sources.error((*path, "restart", index), f"expected a service with restart, found none named {other!r}")
        programs = _read_programs(sources, name, item, path, _TOKEN_STEPS)
        (read,) = _find_files(sources, item, "read") or ("",)
        files = _find_files(sources, item, "files")
        found.append(
            Token(*programs, read=read, secrets=_listed(item, "secrets"), files=files, restart=_listed(item, "restart"))
        )
    return tuple(found)


def _listed(item: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = item.get(key, ())
    return (value,) if isinstance(value, str) else tuple(value)


def _find_files(sources: Sources, item: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """Paths of files that hold secrets. They may be on another host, so the preflight reads them, and not the start."""
    files = tuple(str(sources.beside(name)) for name in _listed(item, key))
    sources.secret_files.extend(files)
    return files


def _read_programs(
    sources: Sources, name: str, item: Mapping[str, Any], path: KeyPath, steps: tuple[str, ...]
) -> tuple[str, tuple[tuple[str, tuple[str, ...]], ...], str, tuple[str, ...], tuple[tuple[str, float], ...]]:
    """The fields of `Programs`. Raises ConfigError."""
    if not is_dns_name(name):
        raise sources.error(path, "expected a name of lowercase letters, digits and hyphens")
    commands = []
    for step in steps:
        command = item.get(step)
        if command is None or isinstance(command, str):
            continue
        if not command:
            raise sources.error((*path, step), "expected a program and its arguments, found an empty list")
        for mark, known in _KNOWN_IN.items():
            if step != known and any(mark in argument for argument in command):
                raise sources.error((*path, step), f"{mark} is known only in {known}")
        commands.append((step, tuple(command)))
    folder = sources.beside(item.get("folder", ""))
    env_files = _find_files(sources, item, "env_files")
    limits = tuple((step, float(seconds)) for step, seconds in item.get("limits", {}).items())
    return name, tuple(commands), str(folder), env_files, limits
