"""Silences in the shape of Alertmanager's API, as the actions on them need them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any

from console.actions.action import ClusterReader
from queries.errors import SourceError
from queries.model.matcher import Matcher
from queries.text.times import parse_rfc3339

POLL_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class ExistingSilence:
    """One silence as Alertmanager has it; times stay in its own writing, so that they can be sent back unchanged.

    `raw` is all that Alertmanager said, also what no field here stands for.
    """

    id: str
    state: str
    matchers: tuple[Matcher, ...]
    starts_at: str
    ends_at: str
    created_by: str
    comment: str
    raw: Mapping[str, Any]

    @property
    def annotations(self) -> Mapping[str, str]:
        """Since Alertmanager 0.33; a POST that leaves them out deletes them."""
        return self.raw.get("annotations") or {}

    @property
    def postable(self) -> dict[str, Any]:
        """What a POST that changes nothing would say: everything but what the server alone decides."""
        return {name: value for name, value in self.raw.items() if name not in _OF_THE_SERVER}


_OF_THE_SERVER = ("status", "updatedAt")


def known(silence: Mapping[str, Any]) -> ExistingSilence:
    return ExistingSilence(
        id=str(silence.get("id", "")),
        state=str((silence.get("status") or {}).get("state", "active")),
        matchers=tuple(matcher(item) for item in silence.get("matchers") or ()),
        starts_at=str(silence.get("startsAt", "")),
        ends_at=str(silence.get("endsAt", "")),
        created_by=str(silence.get("createdBy", "")),
        comment=str(silence.get("comment", "")),
        raw=silence,
    )


def matcher(item: Mapping[str, Any]) -> Matcher:
    """`isEqual` is absent from old servers, where every matcher is positive."""
    return Matcher(str(item["name"]), str(item["value"]), bool(item.get("isRegex")), bool(item.get("isEqual", True)))


def as_api(item: Matcher) -> dict[str, Any]:
    return {"name": item.name, "value": item.value, "isRegex": item.is_regex, "isEqual": item.is_equal}


def text(matchers: tuple[Matcher, ...]) -> str:
    """The matchers in Alertmanager's syntax, which `parse_matchers` understands."""
    return ", ".join(str(item) for item in matchers)


def subject(matchers: tuple[Matcher, ...]) -> str:
    """The alert's name where the matchers name exactly one, else `alerts`: also what is typed to confirm."""
    names = [item.value for item in matchers if item.name == "alertname" and item.is_equal and not item.is_regex]
    return names[0] if len(names) == 1 and names[0] else "alerts"


def same_moment(left: str, right: str) -> bool:
    """Whether two RFC 3339 times are the same second, however they are written."""
    try:
        return abs(parse_rfc3339(left) - parse_rfc3339(right)) < 1.0
    except ValueError:
        return left == right


async def watched(identity: str, reads: ClusterReader) -> AsyncGenerator[ExistingSilence | None, None]:
    """The silence again and again, None while there is none with this id. Raises other SourceErrors."""
    while True:
        try:
            yield known(await reads.silence(identity))
        except SourceError as error:
            if error.fault.status != 404:
                raise
            yield None
        await asyncio.sleep(POLL_SECONDS)
