"""A silence: as the console lists it, and as Alertmanager stores it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

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
