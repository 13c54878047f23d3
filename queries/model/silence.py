"""A silence: as the console lists it, and as Alertmanager stores it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field, replace
from typing import Any

from queries.model.frozen import dataclass
from queries.model.matcher import Matcher


@dataclass(frozen=True, slots=True)
class Silence:
    """One silence; times are Unix seconds; `state` is active, pending or expired."""

    id: str
    matchers: tuple[Matcher, ...]
    starts_at: float
    ends_at: float
    created_by: str
    comment: str
    state: str = "active"
    updated_at: float = field(default=0.0, compare=False)
    """When somebody last changed it; 0 if the server does not report it."""


KEPT_SECONDS = 120.0 * 3600.0
"""How long Alertmanager keeps a silence that has ended, unless `--data.retention` says otherwise (0.33, cmd/alertmanager)."""


def find_silences_at(silences: Iterable[Silence], at: float) -> tuple[Silence, ...]:
    """The silences as they were at `at`, Unix seconds.

    What is known now says what was then: a silence that had begun can only be ended or extended, and one that had ended is
    never changed again. One that had not begun existed then for certain only if nobody changed it since.
    """
    found = []
    for item in silences:
        if item.starts_at <= at:
            found.append(replace(item, state="active" if at < item.ends_at else "expired"))
        elif 0.0 < item.updated_at <= at:
            found.append(replace(item, state="pending"))
    return tuple(found)


def known_since(silences: Iterable[Silence], *, now: float) -> float:
    """From when on every silence is listed that was active then, Unix seconds: Alertmanager drops those that ended long ago."""
    ended = [item.ends_at for item in silences if item.ends_at <= now]
    return min([now - KEPT_SECONDS, *ended])


@dataclass(frozen=True, slots=True)
class ExistingSilence:
    """One silence as Alertmanager stores it, complete enough to be posted back.

    Times keep Alertmanager's own format, so that they can be sent back unchanged. `raw` is the whole API object, including
    fields that have no attribute here.
    """

    id: str
    state: str
    matchers: tuple[Matcher, ...]
    starts_at: str
    ends_at: str
    created_by: str
    comment: str
    raw: Mapping[str, Any]

    @classmethod
    def decode(cls, raw: Mapping[str, Any]) -> ExistingSilence:
        """From one object of Alertmanager's API v2."""
        return cls(
            id=str(raw.get("id", "")),
            state=str((raw.get("status") or {}).get("state", "active")),
            matchers=tuple(map(decode_matcher, raw.get("matchers") or ())),
            starts_at=str(raw.get("startsAt", "")),
            ends_at=str(raw.get("endsAt", "")),
            created_by=str(raw.get("createdBy", "")),
            comment=str(raw.get("comment", "")),
            raw=raw,
        )

    @property
    def annotations(self) -> Mapping[str, str]:
        """Since Alertmanager 0.33; a POST without them deletes them."""
        return self.raw.get("annotations") or {}

    @property
    def postable(self) -> dict[str, Any]:
        """The body of a POST that changes nothing: every field but those that only the server sets."""
        return {name: value for name, value in self.raw.items() if name not in ("status", "updatedAt")}


def decode_matcher(raw: Mapping[str, Any]) -> Matcher:
    """Old servers omit `isEqual`: there every matcher is positive."""
    return Matcher(str(raw["name"]), str(raw["value"]), bool(raw.get("isRegex")), bool(raw.get("isEqual", True)))


def encode_matcher(matcher: Matcher) -> dict[str, Any]:
    """As Alertmanager's API v2 takes it."""
    return {"name": matcher.name, "value": matcher.value, "isRegex": matcher.is_regex, "isEqual": matcher.is_equal}
