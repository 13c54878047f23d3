"""How Prometheus changes an alert's labels before it sends the alert: external labels, then `alert_relabel_configs`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from functools import partial
from typing import Any

import msgspec

from queries.concurrency import maybe_offload
from queries.errors import AccessDenied, InvalidResponse, RequestRejected, SourceError
from queries.http.client import Client
from queries.model.alert import Alert
from queries.model.frozen import dataclass
from queries.model.later import lazy_pattern
from queries.model.regex import compile_groups
from queries.model.series import Labels
from queries.shipped import recall

_LABEL = lazy_pattern(r"[a-zA-Z_][a-zA-Z0-9_]*")
_EVERY_SECONDS = 600.0
_REFERENCE = lazy_pattern(r"\$(?:\$|(\w+)|\{(\w+)\})")


@dataclass(frozen=True, slots=True)
class RelabelStep:
    """One entry of `alert_relabel_configs`, with Prometheus' defaults."""

    action: str = "replace"
    source_labels: tuple[str, ...] = ()
    separator: str = ";"
    regex: str = "(.*)"
    modulus: int = 0
    target_label: str = ""
    replacement: str = "$1"


@dataclass(frozen=True, slots=True)
class AlertRelabeling:
    """How one server rewrites the labels of its alerts; `steps` is empty if it only adds `external_labels`."""

    external_labels: tuple[tuple[str, str], ...] = ()
    steps: tuple[RelabelStep, ...] = ()
    is_utf8: bool = True
    """Whether a label may have any name, as since Prometheus 3."""

    def sent(self, labels: Labels) -> Labels | None:
        """The labels of an alert as Prometheus sends it; None if it drops the alert. Raises ValueError for a bad regex."""
        found = dict(labels)
        for name, value in self.external_labels:
            found.setdefault(name, value)
        for step in self.steps:
            if not _apply(step, found, is_utf8=self.is_utf8):
                return None
        return tuple(sorted((name, value) for name, value in found.items() if value))


class SentLabels:
    """Adds to firing alerts the labels that Prometheus sends, if it rewrites them.

    Caches the server's configuration for ten minutes, and each alert: an unchanged alert stays the same object.
    """

    def __init__(self, client: Client, *, clock: Callable[[], float]) -> None:
        self._client = client
        self._clock = clock
        self._relabeling = AlertRelabeling()
        self._fetched_at = float("-inf")
        self._added: dict[int, tuple[Alert, Alert]] = {}
        """Alerts as listed, and with the labels that Prometheus sends, by the identity of the listed alert."""

    async def add(self, alerts: tuple[Alert, ...]) -> tuple[Alert, ...]:
        """Never raises: while the configuration cannot be read, the last one is used."""
        if not any(alert.firing for alert in alerts):
            return alerts
        await self._refresh()
        relabeling, before = self._relabeling, self._added
        if not relabeling.steps and not relabeling.external_labels:
            return alerts
        new = [alert for alert in alerts if id(alert) not in before]
        found = await maybe_offload(lambda: [_add_sent_labels(alert, relabeling) for alert in new], len(new))
        pairs = {**before, **{id(alert): (alert, sent) for alert, sent in zip(new, found, strict=True)}}
        added = {id(alert): pairs[id(alert)] for alert in alerts}
        if self._relabeling is relabeling:
            self._added = added
        return tuple([added[id(alert)][1] for alert in alerts])

    @property
    def external_labels(self) -> Labels:
        """As last read; empty before anything fires."""
        return self._relabeling.external_labels

    async def current(self) -> AlertRelabeling:
        """The server's relabelling; never raises: while the configuration cannot be read, the last one is used."""
        await self._refresh()
        return self._relabeling

    async def _refresh(self) -> None:
        now = self._clock()
        if 0 <= now - self._fetched_at < _EVERY_SECONDS:
            return
        try:
            found = await fetch_relabeling(self._client)
        except SourceError:
            return  # a temporary failure: retry with the next rules
        self._fetched_at = now
        if found != self._relabeling:
            self._relabeling, self._added = found, {}


def _add_sent_labels(alert: Alert, relabeling: AlertRelabeling) -> Alert:
    try:
        sent = relabeling.sent(alert.labels) if alert.firing else None
    except ValueError:
        return alert  # a regular expression that this RE2 rejects: compare the labels as listed
    return replace(alert, sent_labels=sent) if sent else alert


async def fetch_relabeling(client: Client) -> AlertRelabeling:
    """The server's own configuration; empty if it does not expose one, as with other vendors. Raises SourceError."""
    try:
        return await client.fetch("/api/v1/status/config", decode=partial(decode_config, where=client.where))
    except (InvalidResponse, RequestRejected):
        return AlertRelabeling()
    except AccessDenied as error:
        if error.fault.status != 403:
            raise
        return AlertRelabeling()


class _Config(msgspec.Struct):
    yaml: str = ""


class _Answer(msgspec.Struct):
    data: _Config = msgspec.field(default_factory=_Config)


def decode_config(body: bytes, *, where: str) -> AlertRelabeling:
    """Read the two keys of a configuration that concern alerts. Raises InvalidResponse."""
    try:
        text = msgspec.json.decode(body, type=_Answer).data.yaml
        if not ("alert_relabel_configs" in text or "external_labels" in text):
            return AlertRelabeling()
        scheme, external, listed = recall("relabel-2", text, lambda: _read_keys(text))
        labels = tuple((str(name), str(value)) for name, value in external.items())
        return AlertRelabeling(labels, tuple(map(_step, listed)), is_utf8=scheme == "utf8")
    except (msgspec.DecodeError, AttributeError, TypeError, ValueError):
        raise InvalidResponse("the configuration is not in Prometheus' format", where=where) from None


def _read_keys(text: str) -> list[Any]:
    """How names of labels are validated (Prometheus 2 says nothing), the external labels, and the entries of
    `alert_relabel_configs`. Raises ValueError, AttributeError and TypeError.
    """
    from queries.yaml import load_yaml  # noqa: PLC0415  # once for each configuration

    config: Any = load_yaml(text, where="")
    alerting = config.get("alerting") or {}
    listed = list(alerting.get("alert_relabel_configs") or ())
    managers: list[Any] = alerting.get("alertmanagers") or []
    if len(managers) == 1:  # with several Alertmanagers, each gets its own labels
        listed += managers[0].get("alert_relabel_configs") or ()
    shared = config.get("global") or {}
    return [shared.get("metric_name_validation_scheme") or "", shared.get("external_labels") or {}, listed]


def _step(entry: Mapping[str, Any]) -> RelabelStep:
    names = (item.name for item in fields(RelabelStep))
    known = {name: entry[name] for name in names if entry.get(name) is not None}
    known["source_labels"] = tuple(entry.get("source_labels") or ())
    return RelabelStep(**known)


def _apply(step: RelabelStep, labels: dict[str, str], *, is_utf8: bool) -> bool:
    """Apply one step in place; False if it drops the alert."""
    action = step.action.lower()
    value = step.separator.join(labels.get(name, "") for name in step.source_labels)
    if action in ("labeldrop", "labelkeep"):
        for name in [name for name in labels if (_match(step.regex, name) is not None) is (action == "labeldrop")]:
            del labels[name]
    elif action == "labelmap":
        for found, text in [(_match(step.regex, name), text) for name, text in labels.items()]:
            if found is not None:
                _set(labels, _expand(step.replacement, found), text)
    elif action in ("keep", "drop"):
        return (_match(step.regex, value) is not None) is (action == "keep")
    elif action in ("keepequal", "dropequal"):
        return (labels.get(step.target_label, "") == value) is (action == "keepequal")
    elif action in ("lowercase", "uppercase"):
        _set(labels, step.target_label, value.lower() if action == "lowercase" else value.upper())
    elif action == "hashmod":
        digest = hashlib.md5(value.encode(), usedforsecurity=False).digest()
        _set(labels, step.target_label, str(int.from_bytes(digest[8:], "big") % step.modulus))
    elif (groups := _match(step.regex, value)) is not None:
        target = _expand(step.target_label, groups)
        if target if is_utf8 else _LABEL.fullmatch(target):
            _set(labels, target, _expand(step.replacement, groups))
    return True


def _set(labels: dict[str, str], name: str, value: str) -> None:
    """An empty value is no label. What was set last is mapped last, as by Prometheus: of two labels on one name it counts."""
    labels.pop(name, None)
    if value:
        labels[name] = value


def _match(pattern: str, value: str) -> Mapping[str, str] | None:
    """The groups of a match of the whole value, by number and by name. Raises ValueError."""
    found = compile_groups(pattern).fullmatch(value)
    if found is None:
        return None
    numbered: Sequence[str | None] = (found.group(0), *found.groups())
    return {**{str(at): text or "" for at, text in enumerate(numbered)}, **{k: v or "" for k, v in found.groupdict().items()}}


def _expand(template: str, groups: Mapping[str, str]) -> str:
    """Go's `Expand`: `$1`, `${1}`, `${name}`; `$$` is a dollar sign, an unknown group is empty."""
    return _REFERENCE.sub(lambda match: groups.get(match[1] or match[2] or "", "") if match[0] != "$$" else "$", template)
