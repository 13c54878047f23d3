"""A session that is watched while a test breaks its sources: what it said of each of them, and when."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from console.config.settings import Paths, Settings
from console.monitor.session import Session
from console.state.snapshot import Snapshot
from queries.http.endpoint import ClusterEndpoint, Endpoint
from queries.model.source import Health, SourceState

Case = TypeVar("Case")
Played = TypeVar("Played")

SOURCES = ("prometheus", "alertmanager", "kubernetes", "platform")
EVERY_SECONDS = 0.4
CAP_SECONDS = 1.2
TIMEOUT_SECONDS = 0.8
PATIENT_SECONDS, SLACK_SECONDS = 4.0, 2.0
"""For a source that is not the one under test, where many tests run at once: its time limit, and by how much its last answer
may be older than its cadence."""
MARK_PATHS = {"prometheus": "/api/v1/query", "alertmanager": "/api/v2/alerts", "platform": "/health"}
"""A path that each round of the source asks once in good times."""


def settings_for(
    folder: Path, urls: Mapping[str, str | Sequence[str]], *, patient: Sequence[str] = (), **changes: object
) -> Settings:
    """Sources by name: URLs, for Kubernetes the path of a kubeconfig; short times, so that a test is short too.

    The sources in `patient` have more time for an answer.
    """
    state = folder / "state"
    paths = Paths("", str(state), str(folder / "cache"), str(state / "journal.sqlite3"), str(state / "console.log"), "")

    def limit(name: str) -> float:
        return PATIENT_SECONDS if name in patient else TIMEOUT_SECONDS

    def server(name: str, url: str | Sequence[str]) -> Endpoint:
        return Endpoint(str(url), timeout_seconds=limit(name))

    peers = urls.get("alertmanager", ())
    kubeconfig = urls.get("kubernetes")
    made = Settings(
        environment="faults",
        namespace="cad-ml-platform",
        protected=False,
        read_only=True,
        user="tester",
        paths=paths,
        prometheus=server("prometheus", urls["prometheus"]) if "prometheus" in urls else None,
        alertmanagers=tuple(server("alertmanager", url) for url in ([peers] if isinstance(peers, str) else peers)),
        platform=server("platform", urls["platform"]) if "platform" in urls else None,
        kubernetes=ClusterEndpoint("cad-ml-platform", kubeconfig=str(kubeconfig), timeout_seconds=limit("kubernetes"))
        if kubeconfig
        else None,
        refresh_seconds=EVERY_SECONDS,
        stale_after_seconds=5.0,
        backoff_cap_seconds=CAP_SECONDS,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Sight:
    """One snapshot, by the monotonic clock."""

    at: float
    snapshot: Snapshot


class Sitting:
    """Opens a session, keeps every snapshot, and at its end tells which tasks were left behind."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.seen: list[Sight] = []
        self.left: list[str] = []
        self._arrived = asyncio.Event()
        self._before: set[asyncio.Task[object]] = set()

    async def __aenter__(self) -> Sitting:
        self._before = set(asyncio.all_tasks())
        self.session = await asyncio.to_thread(Session.open, self.settings)
        self.session.start(self._take)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.session.close()
        # Cancelled tasks of the transports need a turn of the loop to be gone.
        for _ in range(20):
            left = asyncio.all_tasks() - self._before
            if not left:
                break
            await asyncio.sleep(0.01)
        self.left = [str(task.get_coro()) for task in left]

    def _take(self, snapshot: Snapshot) -> None:
        self.seen.append(Sight(time.monotonic(), snapshot))
        self._arrived.set()

    @property
    def now(self) -> Snapshot:
        return self.session.snapshot()

    def state(self, name: str, snapshot: Snapshot | None = None) -> SourceState:
        found = (snapshot or self.now).source(name)
        assert found is not None
        return found

    async def until(self, met: Callable[[Snapshot], bool], what: str, *, seconds: float) -> float:
        """Wait for a snapshot that `met` accepts; gives how long that took."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(seconds):
                while not met(self.session.snapshot()):
                    self._arrived.clear()
                    await self._arrived.wait()
        except TimeoutError:
            told = "; ".join(f"{item.name} {item.health} {sentence(item)}" for item in self.session.snapshot().sources)
            raise AssertionError(f"waited {seconds:g} s in vain for {what}: {told}") from None
        return time.monotonic() - began

    async def until_up(self, *names: str, seconds: float = 10.0) -> float:
        wanted = names or SOURCES
        return await self.until(
            lambda told: all(self.state(name, told).health is Health.UP for name in wanted), f"{wanted} up", seconds=seconds
        )

    def not_live(self, name: str, *, since: float, until: float, slack_seconds: float = TIMEOUT_SECONDS + 0.8) -> list[str]:
        """Every moment of this time at which the source was not up, or its last good answer older than its cadence.

        The slack is for one slow answer, and for a machine that is busy with other things.
        """
        cadence = {"prometheus": 1.0, "alertmanager": 1.0, "platform": 2.0}.get(name)
        limit = cadence * self.settings.refresh_seconds * 1.1 + slack_seconds if cadence else 15.0
        found = []
        for sight in self.seen:
            if since <= sight.at <= until:
                state = self.state(name, sight.snapshot)
                age = sight.snapshot.taken_at - (state.last_good_at or 0.0)
                if state.health is not Health.UP or age > limit:
                    found.append(f"{name} {state.health} {sentence(state)} {age:.1f} s")
        return found


def sentence(state: SourceState) -> str:
    return " | ".join([*([state.fault.sentence()] if state.fault else []), *state.warnings])


def play_all(
    cases: Iterable[Case],
    play: Callable[[Case], Coroutine[Any, Any, Played]],
    *,
    at_once: int,
    as_expected: Callable[[Case, Played], bool],
) -> dict[Case, Played]:
    """Plays every case in an event loop of its own, several at once, each in a thread.

    They share one interpreter, on a machine that does other work too: what was not as expected among the others is played
    again, alone, and that counts. What is wrong with the console is wrong alone, too.
    """

    def run(case: Case) -> Played:
        return asyncio.run(play(case))

    chosen = list(cases)
    with ThreadPoolExecutor(at_once, thread_name_prefix="case") as hands:
        found = dict(zip(chosen, hands.map(run, chosen), strict=True))
    return {case: told if as_expected(case, told) else run(case) for case, told in found.items()}
