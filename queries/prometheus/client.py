"""A client of Prometheus' HTTP API, read-only."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Container, Mapping, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from queries.catalogue.heat_maps import STEP
from queries.catalogue.loader import expand_query, expand_spec
from queries.catalogue.signals import Signal, SignalError
from queries.concurrency import maybe_offload, run_cpu_bound
from queries.errors import RequestRejected, SourceError, Unreachable
from queries.http.client import Client
from queries.http.endpoint import Endpoint
from queries.http.lean_httpx import httpx
from queries.model.annotations import Annotations
from queries.model.fault import Fault, FaultKind
from queries.model.heat_map import HeatMap
from queries.model.panel import Origin, PanelSpec, Unit
from queries.model.panel_result import Contradiction, PanelHistory, PanelResult
from queries.model.rule import NOTHING_SEEN, RecordedBook, RuleGroup
from queries.model.series import Sample, Series, drop_labels
from queries.prometheus import responses
from queries.prometheus.capabilities import VICTORIA_METRICS, Capabilities, learn
from queries.prometheus.evidence import Decisions
from queries.prometheus.panel_fetcher import PanelFetcher, PanelResults
from queries.prometheus.query_batch import BatchQuery, BatchResult, QueryBatch
from queries.prometheus.recorded_panels import RecordedPanels
from queries.prometheus.responses import InstantResult, RangeResult, RulesResult
from queries.prometheus.rules_reader import RulesReader
from queries.prometheus.trends import WINDOW_SECONDS
from queries.prometheus.witnesses import Pair
from queries.text.durations import format_duration
from queries.waits import still_waits

__all__ = ["InstantResult", "PanelResults", "Prometheus", "RangeResult", "RulesResult"]

if TYPE_CHECKING:
    from queries.prometheus.history import HistoryReader, Window
    from queries.prometheus.recorded_series import LoadedRules
    from queries.prometheus.relabel import AlertRelabeling

T = TypeVar("T")
Result = TypeVar("Result", InstantResult, RangeResult)

_RULES_WAIT_SECONDS = 1.0
"""How long the first panels wait for the loaded rules; until then recorded series are not verified."""
_RULES_EVERY_SECONDS = 60.0
_LEAST_COUNTED_SECONDS = 300.0
"""The window of the panels: shorter ones lack samples where the scrape interval is long."""
_LONG_QUERY = 1500
"""A query of more characters is sent as a form: some proxies refuse URLs beyond 2 KiB."""


class Prometheus:
    """Instant and range queries, panels, and rules. Every method raises SourceError."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], float] = time.time,
        signals: Mapping[str, Signal] | None = None,
    ) -> None:
        """`signals` are the catalogue's and a team's own, None for the catalogue's alone."""
        self._client = Client(endpoint, name="prometheus", transport=transport)
        self._forms = True
        # The server times out before the client does, which distinguishes a heavy query from a dead server.
        self._limit = ("timeout", f"{endpoint.timeout_seconds * 0.8:.3f}")
        self._rules = RulesReader(endpoint, self._client, transport=transport, clock=clock)
        self._ruler, self._stores = self._rules.ruler, self._rules.stores
        self._instants = responses.InstantDecoder(self._client.where)
        self._capabilities: Capabilities | None = None
        self._clock = clock
        self._moment: Callable[[], float] | None = None
        self._owner = True
        """Whether closing this client closes the connections."""
        self._signals = signals
        self.note_query: Callable[[str, float], None] | None = None
        """Gets every query with its step in seconds, 0 for an instant one: a bundle stores what the console asks."""
        self.decisions = Decisions(signals)
        """The definition chosen for each signal on this server; each refresh of the panels fetches the evidence."""
        self.recorded = RecordedPanels()
        """Which of our recorded series the loaded rules record with the same meaning."""
        self.windows: Mapping[str, str] = {}
        """Windows in our rules that this server's rules replace by others."""
        self.rules_expected = False
        """Whether a poller fetches the rules: then the first panels wait briefly for them."""
        self.once = False
        """Whether only one refresh is asked for: then it waits for the rules until they arrive or fail."""
        self._rules_received = asyncio.Event()
        self._rules_due = float("-inf")
        self._loaded: LoadedRules | None = None
        self._reader: HistoryReader | None = None
        self._panels = PanelFetcher(self._samples, self._series, clock=clock, decisions=self.decisions, recorded=self.recorded)

    def as_of(self, moment: Callable[[], float]) -> Prometheus:
        """This server as it was at a moment (Unix seconds): queries without a time of their own are evaluated then, windows end
        then, and the definitions of signals are decided by the series of then. What the rules record is known as of now only.

        It shares the connections of this client, and closes none of them.
        """
        past = copy(self)
        past._clock, past._moment, past._owner = moment, moment, False
        past.decisions = Decisions(self._signals, before=self.decisions)
        past._reader, past.rules_expected = None, False
        past._panels = past.board(WINDOW_SECONDS)
        past._panels.rules = self._panels.rules
        return past

    async def leave_moment(self) -> None:
        """The next refresh is of another time: its trends do not continue those of the last one."""
        before = self._panels
        self._panels = self.board(WINDOW_SECONDS)
        self._panels.rules = before.rules
        await before.close()

    async def current_relabeling(self) -> AlertRelabeling:
        """How this server rewrites the labels of its alerts, as its configuration says now. Raises nothing."""
        return await self._rules.sent_labels.current()

    async def retention(self) -> str:
        """How long the server keeps samples, in its own words (`15d`); empty if it does not say. Raises SourceError."""
        decode = partial(responses.decode_retention, where=self.where)
        return await self._client.fetch("/api/v1/status/runtimeinfo", decode=decode)

    @property
    def where(self) -> str:
        return self._client.where

    @property
    def ahead_seconds(self) -> float:
        """The least by which the server's clock is ahead of this machine's, negative if it is behind."""
        return self._client.ahead_seconds

    @property
    def warnings(self) -> tuple[str, ...]:
        """Problems of a server that does answer, such as a wrong clock."""
        return self._client.warnings

    def limit_trends(self, wants: Callable[[PanelSpec, float], bool]) -> None:
        """Fetch the window of a trend only for the panels that `wants` names by their value: for a single snapshot."""
        self._panels.wants_trend = wants

    async def capabilities(self) -> Capabilities:
        """The server's capabilities: detected at the first call, and again after it was unreachable. Raises SourceError."""
        if self._capabilities is None:
            self._capabilities = await learn(self._client, self._ruler)
        return self._capabilities

    async def query(self, text: str, *, at: float | None = None) -> InstantResult:
        """The instant vector of `text`, now or at Unix seconds `at`; a scalar is one sample without labels."""
        at = self._moment() if at is None and self._moment is not None else at
        if self.note_query is not None:
            self.note_query(text, 0.0)
        params = [("query", text), self._limit] + ([("time", f"{at:.3f}")] if at is not None else [])
        result = await self._fetch("/api/v1/query", params, decode=partial(self._instants.decode, text))
        return await self._note_missing(result)

    async def query_range(self, text: str, *, start: float, end: float, step_seconds: float) -> RangeResult:
        """The series of `text` from `start` to `end` (Unix seconds, both included)."""
        if self.note_query is not None:
            self.note_query(text, step_seconds)
        window = [("start", f"{start:.3f}"), ("end", f"{end:.3f}"), ("step", f"{step_seconds:.3f}")]
        params = [("query", text), *window, self._limit]
        result = await self._fetch("/api/v1/query_range", params, decode=partial(responses.decode_range, where=self.where))
        return await self._note_missing(result)

    async def panels(self, specs: Sequence[PanelSpec], *, beside: Sequence[BatchQuery] = ()) -> PanelResults:
        """One refresh of these panels: one request, two if a recorded series is missing, and at first one for the trends.

        `beside` are queries of no panel that the first request takes along.
        """
        if self.rules_expected and not self._rules_received.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(None if self.once else _RULES_WAIT_SECONDS):
                    await self._rules_received.wait()
        return await self._panels.refresh(specs, beside=beside)

    async def panel(self, spec: PanelSpec, query: str, *, at: float | None = None) -> PanelResult:
        """One panel evaluated with this expression, now or at Unix seconds `at`, with its contradictions: one request."""
        pairs = self._panels.pairs(spec)
        batch: QueryBatch[Sample] = QueryBatch(partial(self._samples, at=at), clock=self._clock)
        answer = await batch.fetch([BatchQuery(spec.id, query), *(pair.figures for pair in pairs)])
        return PanelResult(
            spec.id,
            Origin.NONE,
            query,
            tuple(answer.items[spec.id]),
            answer.faults.get(spec.id),
            contradictions=_contradictions(pairs, answer),
            annotations=answer.annotations.get(spec.id, ()),
            partial=answer.partial,
        )

    def pairs(self, spec: PanelSpec) -> tuple[Pair, ...]:
        """The second counts that a panel is checked against, for callers that query the panel themselves."""
        return self._panels.pairs(spec)

    async def contradictions(self, text: str, *, at: float | None = None) -> tuple[Contradiction, ...]:
        """The contradictions of the signals in a text with ${signal[5m]}, now or at Unix seconds `at`: at most one request."""
        pairs = self._panels.pairs(PanelSpec("", "", Unit.COUNT, raw=text, template=text))
        if not pairs:
            return ()
        batch: QueryBatch[Sample] = QueryBatch(partial(self._samples, at=at), clock=self._clock)
        return _contradictions(pairs, await batch.fetch([pair.figures for pair in pairs]))

    def board(self, window_seconds: float, *, seed_rare: Container[str] = ()) -> PanelFetcher:
        """A fetcher for other panels than those of `panels`, with trends over this window; the caller closes it.

        The trend of a panel in `seed_rare` has its window at first, whatever its expression costs.
        """
        return PanelFetcher(
            self._samples,
            self._series,
            clock=self._clock,
            window_seconds=window_seconds,
            decisions=self.decisions,
            recorded=self.recorded,
            seed_rare=seed_rare,
        )

    @property
    def recorded_rules(self) -> frozenset[str]:
        """Names of the recording rules that the server evaluates, as far as known."""
        return self._panels.rules

    def expression(self, spec: PanelSpec) -> str:
        """The expression for a panel outside a refresh: its recorded series only if verified by the loaded rules, else its raw
        expression."""
        return self._panels.expression(spec)

    def expand(self, text: str) -> str:
        """Expand ${signal[5m]} to PromQL with this server's definitions. Raises RequestRejected."""
        try:
            return expand_query(text, self.decisions.choice)
        except SignalError as error:
            raise RequestRejected(str(error), where=self.where) from None

    async def history(self, spec: PanelSpec, *, start: float, end: float, step_seconds: float) -> PanelHistory:
        """A panel's series over a window, from its recorded series if it has them; a failure is stored as data.

        The note says what is missing from a partial response.
        """
        series: tuple[Series, ...] = ()
        note = ""
        spec = self.recorded.plan(self._panels.expand(spec)).spec
        try:
            if spec.recorded is not None and self._panels.reads_recorded(spec):
                answer = await self.query_range(spec.recorded, start=start, end=end, step_seconds=step_seconds)
                series = tuple(Series(drop_labels(item.labels, "__name__"), item.points) for item in answer.series)
                note = answer.annotations.caveat
            if not series and spec.raw:
                answer = await self.query_range(spec.raw, start=start, end=end, step_seconds=step_seconds)
                series, note = answer.series, note or answer.annotations.caveat
        except SourceError as error:
            return PanelHistory(spec.id, start, end, step_seconds, fault=error.fault)
        return PanelHistory(spec.id, start, end, step_seconds, series, note=note)

    async def peak_history(self, spec: PanelSpec, window: Window, *, back_seconds: float = 0.0) -> AsyncIterator[PanelHistory]:
        """A panel's series over a window with the worst value of each step; see `HistoryReader.read`."""
        from queries.prometheus.history import HistoryReader  # noqa: PLC0415  # not before a chart is opened

        spec = self.recorded.plan(self._panels.expand(spec)).spec
        recorded = spec.recorded if spec.recorded is not None and self._panels.reads_recorded(spec) else ""
        if self._reader is None:
            self._reader = HistoryReader(lambda at: partial(self._samples, at=at), self._series, clock=self._clock)
        async for history in self._reader.read(
            spec,
            [query for query in (recorded, spec.raw) if query],
            window,
            evaluation_seconds=self.recorded.evaluation_seconds,
            computable=not spec.raw_every_seconds,
            back_seconds=back_seconds,
        ):
            yield history

    async def heat_history(self, spec: PanelSpec, window: Window) -> PanelHistory:
        """A panel's heat map over a window: each column counts what happened in its step, at least in five minutes."""
        from queries.prometheus.heat_rows import LE, build_bucket_rows, build_label_rows  # noqa: PLC0415  # not before a chart

        history, heat = PanelHistory(spec.id, window.start, window.end, window.step), spec.heat_map
        if heat is None:
            return replace(history, fault=Fault(FaultKind.REJECTED, f"{spec.title} has no heat map"))
        query = heat.template.replace(STEP, format_duration(max(_LEAST_COUNTED_SECONDS, window.step)))
        requested = replace(spec, recorded=None, recorded_names=(), raw=query, template=query)
        try:
            query = expand_spec(requested, self.decisions.choice).raw
            last = max(window.first, window.end // window.step * window.step)
            found = await self.query_range(query, start=window.first, end=last, step_seconds=window.step)
        except SourceError as error:
            return replace(history, fault=error.fault)
        if LE in heat.by:
            rows, note = await run_cpu_bound(partial(build_bucket_rows, found, spec.unit))
        else:
            rows, note = await run_cpu_bound(partial(build_label_rows, found, heat.by)), ""
        note = "; ".join(filter(None, (found.annotations.caveat, note)))
        return replace(history, heat_map=HeatMap(heat.about, heat.unit, rows, LE in heat.by), note=note)

    async def fetch_encodings(self) -> None:
        """Learn from help texts which number means which circuit state, at once and then hourly."""
        metrics = self.decisions.metrics_without_help(self._clock())
        results = await asyncio.gather(*map(self._fetch_help, metrics), return_exceptions=True)
        failed = [item for item in results if isinstance(item, BaseException)]
        for item in failed:
            if not isinstance(item, SourceError):
                raise item
        # Not every server of this API has metadata, and Prometheus has none before its first scrape.
        if failed or (results and not any(results)):
            self.decisions.retry_help(self._clock())

    async def fetch_evidence(self) -> None:
        """Decide between the definitions of signals before the next refresh does, if that is due. Raises SourceError."""
        now = self._clock()
        evidence = self.decisions.evidence_query(now)
        if evidence is not None:
            self.decisions.ingest((await self.query(evidence.query)).samples, now)

    async def _fetch_help(self, metric: str) -> bool:
        """Fetch type and help of a metric; False if the server has no help text."""
        decode = partial(responses.decode_metadata, where=self.where)
        found = (await self._client.fetch("/api/v1/metadata", [("metric", metric)], decode=decode)).get(metric, ())
        self.decisions.ingest_help(metric, [item.type for item in found], [item.help for item in found if item.help])
        return any(item.help for item in found)

    async def rules(self) -> RulesResult:
        """What `RulesReader.read` returns; the recorded series are compared with it."""
        try:
            answer = await self._rules.read()
            self._panels.rules = frozenset(answer.recorded)
            self.recorded.update_intervals(answer.recording)
            self.recorded.update(await self.match_rules(answer.recording))
        except SourceError as error:
            self.recorded.update(NOTHING_SEEN, f"the rules cannot be read: {error.fault.sentence()}")
            raise
        finally:
            self._rules_received.set()
        return answer

    @property
    def evaluates_rules(self) -> bool:
        """Whether the rules are this server's own, not those of a `ruler`."""
        return self._ruler is self._client

    @property
    def rules_bytes(self) -> int:
        """The size of the last answer with rules and their alerts."""
        return self._rules.size

    async def raw_rules(self) -> bytes:
        """The rules as the server sends them. Raises SourceError."""
        return await self._ruler.fetch("/api/v1/rules", decode=bytes)

    async def raw_metadata(self, metric: str) -> bytes:
        """Type and help of a metric as the server sends them. Raises SourceError."""
        return await self._client.fetch("/api/v1/metadata", [("metric", metric)], decode=bytes)

    async def refresh_rules(self) -> None:
        """Fetch the rules once a minute if no poller does; `recorded` states if they cannot be read."""
        now = self._clock()
        if self.rules_expected or still_waits(self._rules_due, now, _RULES_EVERY_SECONDS):
            return
        self._rules_due = now + _RULES_EVERY_SECONDS
        with suppress(SourceError):
            await self.rules()

    async def match_rules(self, groups: Sequence[RuleGroup]) -> RecordedBook:
        """How each of our recorded names matches the rules of this server."""
        match = partial(self._match, groups)
        if self._loaded is not None and self._loaded.has_compared(groups, self.decisions.choice):
            return await maybe_offload(match, sum(len(group.rules) for group in groups))
        return await run_cpu_bound(match)

    def _match(self, groups: Sequence[RuleGroup]) -> RecordedBook:
        """Reads our rule files on the first call, and compares if anything changed; both take too long for the event loop."""
        from queries.prometheus.recorded_series import LoadedRules  # noqa: PLC0415  # imports the PromQL parser
        from queries.promql.our_rules import our_recordings  # noqa: PLC0415  # as above

        if self._loaded is None:
            self._loaded = LoadedRules(partial(our_recordings, windows=self.windows))
        return self._loaded.match(groups, self.decisions.choice, now=self._clock() + self.ahead_seconds)

    async def rule_groups(self) -> tuple[RuleGroup, ...]:
        """The rule groups with their definitions and evaluation state, without alerts."""
        return await self._ruler.fetch("/api/v1/rules", decode=partial(responses.decode_rule_groups, where=self._ruler.where))

    async def explain_missing_rules(self) -> str:
        """Why this server lists no rules although there are some, in one sentence; empty if there may be none.

        Raises SourceError.
        """
        if self._ruler is not self._client:
            return ""
        if (await self.capabilities()).maker == VICTORIA_METRICS:
            reason = "VictoriaMetrics evaluates none itself"
        elif (await self.query('count({__name__=~"ALERTS|ALERTS_FOR_STATE"})')).samples:
            reason = "it stores alerts that fire"
        else:
            return ""
        return f"rules are not visible here: {reason}; set `ruler` beside the `url` of this Prometheus"

    async def close(self) -> None:
        await self._panels.close()
        if not self._owner:
            return
        await self._rules.close()

    async def _samples(self, text: str, *, at: float | None = None) -> tuple[Sequence[Sample], Annotations]:
        answer = await self.query(text, at=at)
        return answer.samples, answer.annotations

    async def _series(self, text: str, start: float, end: float, step: float) -> tuple[Sequence[Series], Annotations]:
        answer = await self.query_range(text, start=start, end=end, step_seconds=step)
        return answer.series, answer.annotations

    async def _note_missing(self, result: Result) -> Result:
        """The result, partial if the server left a store out without a warning."""
        annotations = result.annotations
        if annotations.partial or not (missing := await self._stores.missing(is_thanos=result.is_thanos)):
            return result
        return replace(result, annotations=replace(annotations, partial=missing))

    async def _fetch(self, path: str, params: Sequence[tuple[str, str]], *, decode: Callable[[bytes], T]) -> T:
        if self._forms and len(params[0][1]) > _LONG_QUERY:
            try:
                return await self._client.fetch(path, params, decode=decode, method="POST")
            except RequestRejected as error:
                if error.fault.status != 405:
                    raise
                self._forms = False  # a read-only proxy: send a long URL and report the proxy's own error
        try:
            return await self._client.fetch(path, params, decode=decode)
        except Unreachable:
            self._capabilities = None  # it may return with another version
            self._stores.forget()
            raise


def _contradictions(pairs: Sequence[Pair], answer: BatchResult[Sample]) -> tuple[Contradiction, ...]:
    """Series missing from a partial result may exist, so they contradict nothing."""
    if answer.partial:
        return ()
    return tuple(found for pair in pairs for found in pair.contradictions(answer.items[pair.key]))
