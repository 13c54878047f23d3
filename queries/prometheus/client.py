"""Any server that speaks Prometheus' HTTP API, read only."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import httpx

from queries.catalogue.loader import expand_query
from queries.catalogue.signals import Signal, SignalError
from queries.errors import RequestRejected, SourceError
from queries.http.client import Client
from queries.http.endpoint import Endpoint
from queries.model.panel import Contradiction, Origin, PanelHistory, PanelResult, PanelSpec, Unit
from queries.model.recorded import NOTHING_SEEN, RecordedBook
from queries.model.rule import RuleGroup
from queries.model.series import Sample, Series, without
from queries.offload import compute
from queries.prometheus import responses
from queries.prometheus.evidence import Decisions
from queries.prometheus.panel_fetcher import PanelFetcher, PanelResults
from queries.prometheus.query_batch import BatchQuery, QueryBatch
from queries.prometheus.recorded_panels import RecordedPanels
from queries.prometheus.responses import InstantResult, RangeResult, RulesResult
from queries.prometheus.witnesses import Pair

__all__ = ["InstantResult", "PanelResults", "Prometheus", "RangeResult", "RulesResult"]

if TYPE_CHECKING:
    from queries.prometheus.recorded_series import LoadedRules

T = TypeVar("T")

_RULES_WAIT_SECONDS = 1.0
"""How long the first values wait for the loaded rules; without them a recorded series counts as not verified."""
_RULES_EVERY_SECONDS = 60.0
_LONG_QUERY = 1500
"""Characters from which a query travels in a form: some proxies take no URL beyond 2 KiB."""


class Prometheus:
    """Instant and range queries, whole boards of panels, and the rules. Every method raises SourceError."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], float] = time.time,
        signals: Mapping[str, Signal] | None = None,
    ) -> None:
        """`signals` are a team's with the catalogue's, None for the catalogue's alone."""
        self._client = Client(endpoint, name="prometheus", transport=transport)
        self._forms = True
        # The server gives up before we do: then it says so, and one heavy query is told apart from a dead server.
        self._limit = ("timeout", f"{endpoint.timeout_seconds * 0.8:.3f}")
        known = responses.remembered_alerts(self._client.where)
        self._read_rules = partial(responses.rules, where=self._client.where, known=known)
        self._clock = clock
        self.decisions = Decisions(signals)
        """How this server's series are counted; the evidence for it is part of the panels' refresh."""
        self.recorded = RecordedPanels()
        """What the loaded rules say of the series that our rules would record."""
        self.windows: Mapping[str, str] = {}
        """Windows over which this server's rules record what ours record over others."""
        self.rules_come = False
        """Whether somebody asks for the rules along with the panels: the first ones wait a moment for what they say."""
        self._rules_answered = asyncio.Event()
        self._rules_due = float("-inf")
        self._loaded: LoadedRules | None = None
        self._panels = PanelFetcher(self._samples, self._tracks, clock=clock, decisions=self.decisions, recorded=self.recorded)

    @property
    def where(self) -> str:
        return self._client.where

    @property
    def ahead_seconds(self) -> float:
        """How far the server's clock is ahead of this machine's at least, negative where it is behind."""
        return self._client.ahead_seconds

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is odd about the server though it answers."""
        return self._client.warnings

    async def query(self, text: str, *, at: float | None = None) -> InstantResult:
        """The instant vector of `text`, now or at Unix seconds `at`; a scalar is one sample without labels."""
        params = [("query", text), self._limit] + ([("time", f"{at:.3f}")] if at is not None else [])
        return await self._ask("/api/v1/query", params, decode=partial(responses.instant, where=self.where))

    async def query_range(self, text: str, *, start: float, end: float, step_seconds: float) -> RangeResult:
        """The tracks of `text` from `start` to `end` (Unix seconds, both included)."""
        window = [("start", f"{start:.3f}"), ("end", f"{end:.3f}"), ("step", f"{step_seconds:.3f}")]
        params = [("query", text), *window, self._limit]
        return await self._ask("/api/v1/query_range", params, decode=partial(responses.matrix, where=self.where))

    async def panels(self, specs: Sequence[PanelSpec]) -> PanelResults:
        """One refresh of these panels: one request, two where a recorded series is missing, and at first one for the trends."""
        if self.rules_come and not self._rules_answered.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(_RULES_WAIT_SECONDS):
                    await self._rules_answered.wait()
        return await self._panels.refresh(specs)

    async def panel(self, spec: PanelSpec, query: str, *, at: float | None = None) -> PanelResult:
        """What one panel says by this expression, now or at Unix seconds `at`, with what contradicts it: one request."""
        pairs = self._panels.pairs(spec)
        joined: QueryBatch[Sample] = QueryBatch(partial(self._samples, at=at), clock=self._clock)
        answer = await joined.ask([BatchQuery(spec.id, query), *(pair.figures for pair in pairs)])
        doubt = tuple(found for pair in pairs for found in pair.contradictions(answer.found[pair.key]))
        samples, fault = tuple(answer.found[spec.id]), answer.faults.get(spec.id)
        return PanelResult(spec.id, Origin.NONE, query, samples, fault, contradictions=doubt)

    def pairs(self, spec: PanelSpec) -> tuple[Pair, ...]:
        """The second counts that a panel is held against, for whoever asks for the panel himself."""
        return self._panels.pairs(spec)

    async def contradictions(self, text: str, *, at: float | None = None) -> tuple[Contradiction, ...]:
        """What contradicts the signals of a text with ${signal[5m]}, now or at Unix seconds `at`: one request, or none."""
        pairs = self._panels.pairs(PanelSpec("", "", Unit.COUNT, raw=text, written=text))
        if not pairs:
            return ()
        joined: QueryBatch[Sample] = QueryBatch(partial(self._samples, at=at), clock=self._clock)
        answer = await joined.ask([pair.figures for pair in pairs])
        return tuple(found for pair in pairs for found in pair.contradictions(answer.found[pair.key]))

    def board(self, window_seconds: float) -> PanelFetcher:
        """Panels of their own, beside those of `panels`, with trends over this window; whoever has them closes them."""
        return PanelFetcher(
            self._samples,
            self._tracks,
            clock=self._clock,
            window_seconds=window_seconds,
            decisions=self.decisions,
            recorded=self.recorded,
        )

    @property
    def recorded_rules(self) -> frozenset[str]:
        """Names of recording rules that the server is known to evaluate."""
        return self._panels.rules

    def expression(self, spec: PanelSpec) -> str:
        """What a panel is read from where it is not refreshed: its recorded series only where the loaded rules mean
        the same for all that is known, else its raw expression."""
        return self._panels.expression(spec)

    def expand(self, text: str) -> str:
        """The PromQL of a text with ${signal[5m]}, as this server's series are counted. Raises Rejected."""
        try:
            return expand_query(text, self.decisions.choice)
        except SignalError as error:
            raise RequestRejected(str(error), where=self.where) from None

    async def history(self, spec: PanelSpec, *, start: float, end: float, step_seconds: float) -> PanelHistory:
        """A panel's tracks by series, from its recorded series where it has them; a failure is data."""
        tracks: tuple[Series, ...] = ()
        spec = self.recorded.plan(self._panels.expanded(spec)).spec
        try:
            if spec.recorded is not None and self._panels.reads_recorded(spec):
                answer = await self.query_range(spec.recorded, start=start, end=end, step_seconds=step_seconds)
                tracks = tuple(Series(without(track.labels, "__name__"), track.points) for track in answer.tracks)
            if not tracks and spec.raw:
                tracks = (await self.query_range(spec.raw, start=start, end=end, step_seconds=step_seconds)).tracks
        except SourceError as error:
            return PanelHistory(spec.id, start, end, step_seconds, fault=error.fault)
        return PanelHistory(spec.id, start, end, step_seconds, tracks)

    async def read_codings(self) -> None:
        """Which number means which state in each metric of circuits, from its help text; asked at once and then hourly."""
        metrics = self.decisions.metrics_to_ask_about(self._clock())
        told = await asyncio.gather(*map(self._read_help, metrics), return_exceptions=True)
        failed = [item for item in told if isinstance(item, BaseException)]
        for item in failed:
            if not isinstance(item, SourceError):
                raise item
        # Not every server that speaks this API has metadata, and Prometheus has none before its first scrape.
        if failed or (told and not any(told)):
            self.decisions.ask_again(self._clock())

    async def _read_help(self, metric: str) -> bool:
        """Whether the server has any help text of the metric."""
        decode = partial(responses.metadata, where=self.where)
        found = (await self._client.fetch("/api/v1/metadata", [("metric", metric)], decode=decode)).get(metric, ())
        self.decisions.take_help(metric, [item.type for item in found], [item.help for item in found if item.help])
        return any(item.help for item in found)

    async def rules(self) -> RulesResult:
        """The rules and their pending and firing instances; these lack the server's external labels."""
        try:
            answer = await self._client.fetch("/api/v1/rules", decode=self._read_rules)
            self._panels.rules = frozenset(answer.recorded)
            self.recorded.take(await self.judge_rules(answer.recording))
        except SourceError as error:
            self.recorded.take(NOTHING_SEEN, f"the rules cannot be seen: {error.fault.sentence()}")
            raise
        finally:
            self._rules_answered.set()
        return answer

    async def see_rules(self) -> None:
        """Ask for the rules where nobody does, once a minute; where they cannot be seen, `recorded` says so."""
        now = self._clock()
        if self.rules_come or now < self._rules_due:
            return
        self._rules_due = now + _RULES_EVERY_SECONDS
        with suppress(SourceError):
            await self.rules()

    async def judge_rules(self, groups: Sequence[RuleGroup]) -> RecordedBook:
        """What each of our recorded names is worth, by the rules of this server."""
        return await compute(partial(self._judge, groups))

    def _judge(self, groups: Sequence[RuleGroup]) -> RecordedBook:
        """Not in the loop: it reads our rules, and compares where something changed."""
        from queries.prometheus.recorded_series import LoadedRules  # noqa: PLC0415  # brings the parser
        from queries.promql.rule_templates import our_recordings  # noqa: PLC0415

        if self._loaded is None:
            self._loaded = LoadedRules(partial(our_recordings, windows=self.windows))
        return self._loaded.judge(groups, self.decisions.choice, now=self._clock() + self.ahead_seconds)

    async def rule_groups(self) -> tuple[RuleGroup, ...]:
        """The rules as they are defined, and how their evaluation goes; their instances are left out."""
        return await self._client.fetch("/api/v1/rules", decode=partial(responses.rule_groups, where=self.where))

    async def close(self) -> None:
        await self._panels.close()
        await self._client.close()

    async def _samples(self, text: str, *, at: float | None = None) -> tuple[Sequence[Sample], Sequence[str]]:
        answer = await self.query(text, at=at)
        return answer.samples, answer.warnings

    async def _tracks(self, text: str, start: float, end: float, step: float) -> tuple[Sequence[Series], Sequence[str]]:
        answer = await self.query_range(text, start=start, end=end, step_seconds=step)
        return answer.tracks, answer.warnings

    async def _ask(self, path: str, params: Sequence[tuple[str, str]], *, decode: Callable[[bytes], T]) -> T:
        if self._forms and len(params[0][1]) > _LONG_QUERY:
            try:
                return await self._client.fetch(path, params, decode=decode, method="POST")
            except RequestRejected as error:
                if error.fault.status != 405:
                    raise
                self._forms = False  # a read-only proxy: then a long URL, and its own word on that
        return await self._client.fetch(path, params, decode=decode)
