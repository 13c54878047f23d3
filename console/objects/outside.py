"""The services outside the cluster: their health now, and what the journal has of their backups and changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace

from console.config.services import EXTERNAL, Service
from console.journal.event import Event
from queries.model.frozen import dataclass
from queries.model.text import visible
from queries.model.verdict import Verdict

FetchEvents = Callable[[str], Awaitable[tuple[Event, ...]]]
"""The newest events about `external/NAME`, newest first."""
FetchUnfinished = Callable[[str], Awaitable[tuple[tuple[Event, ...], str]]]
FetchHealth = Callable[[Service], Awaitable[str]]
"""Why a service with a health URL is not healthy; empty if it is."""


@dataclass(frozen=True, slots=True)
class ServiceReading:
    """One service. `health` says why it has its verdict. `backup` is the newest step that saved something, `change` the newest
    end of an update or restore, both None where the journal has none. `running` names a run without an outcome.
    """

    service: Service
    verdict: Verdict = Verdict.NO_DATA
    health: str = "no answer yet"
    answered: bool = False
    """Whether its health is known, or known not to be."""
    health_at: float | None = None
    """When it was last healthy, of a service whose health only a program tells; Unix seconds."""
    backup: Event | None = None
    change: Event | None = None
    running: str = ""

    @property
    def target(self) -> str:
        return f"{EXTERNAL}/{self.service.name}"


async def read_outside(
    services: Sequence[Service],
    *,
    health: FetchHealth,
    steps: FetchEvents,
    outcomes: FetchEvents,
    unfinished: FetchUnfinished,
) -> AsyncIterator[tuple[ServiceReading, ...]]:
    """First what the journal knows, then with the health; the worst first. No program is started."""
    found = [await _read_journal(item, steps, outcomes, unfinished) for item in services]
    yield _rank(found)
    yield _rank(await asyncio.gather(*(_read_health(item, health) for item in found)))


async def _read_journal(
    service: Service, steps: FetchEvents, outcomes: FetchEvents, unfinished: FetchUnfinished
) -> ServiceReading:
    target = f"{EXTERNAL}/{service.name}"
    done = [event for event in await steps(target) if event.data.get("state") == "done"]
    ended = await outcomes(target)
    healthy = next((event.at for event in done if event.data.get("step") == "health"), None)
    open_runs, caveat = await unfinished(target)
    running = "; ".join(f"{visible(event.author)}: {visible(str(event.data.get('title')))}" for event in open_runs)
    return ServiceReading(
        service,
        health_at=None if service.health_url else healthy,
        backup=next((event for event in done if event.data.get("step") == "backup"), None),
        change=next((event for event in ended if event.data.get("outcome") != "refused"), None),
        running=running or (f"not known: {caveat}" if caveat else ""),
    )


async def _read_health(item: ServiceReading, health: FetchHealth) -> ServiceReading:
    if not item.service.health_url:
        verdict = Verdict.NO_DATA if item.health_at is None else Verdict.STALE
        return replace(item, answered=True, verdict=verdict, health="only a program tells, which only an action starts")
    why = await health(item.service)
    if why:
        return replace(item, answered=True, verdict=Verdict.CRITICAL, health=visible(why))
    return replace(item, answered=True, verdict=Verdict.WARN if item.running else Verdict.OK, health="healthy")


def _rank(found: Sequence[ServiceReading]) -> tuple[ServiceReading, ...]:
    return tuple(sorted(found, key=lambda item: (-item.verdict.rank, item.service.name)))
