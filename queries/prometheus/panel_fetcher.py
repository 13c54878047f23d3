"""One refresh of panels: the expression of each panel, in one request, or two if a recorded series is missing."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Container, Mapping, Sequence
from dataclasses import field, replace
from functools import partial
from typing import TypeAlias

from queries.catalogue.error_code_series import CODE
from queries.catalogue.loader import expand_spec
from queries.catalogue.signals import UNDECIDED, DefinitionChoice
from queries.concurrency import maybe_offload, run_cpu_bound
from queries.errors import SourceError
from queries.model.annotations import Annotations, is_warning, without_position
from queries.model.fault import Fault, FaultKind
from queries.model.frozen import dataclass
from queries.model.panel import MOST_SERIES, Aggregation, Origin, PanelSpec, aggregate
from queries.model.panel_result import PanelResult
from queries.model.series import Sample, Series, drop_labels
from queries.prometheus.evidence import Decisions
from queries.prometheus.query_batch import BatchQuery, BatchResult, QueryBatch
from queries.prometheus.recorded_panels import RecordedPanels, RecordedPlan, RecordedValueCheck
from queries.prometheus.trends import POINTS, WINDOW_SECONDS, Trends
from queries.prometheus.witnesses import Pair, Witnesses, build_pairs
from queries.shipped import recall
from queries.waits import still_waits

_SEED_WAIT_SECONDS = 0.4
"""How long the first refresh waits for the trends; those of a slower server come with a later refresh."""
_SEED_AGAIN_SECONDS = 300.0
_MOST_EVALUATIONS = 5000
"""The maximum number of evaluations of one expression for the window of its trend."""

_Planned: TypeAlias = tuple[list[PanelSpec], list[RecordedPlan], list[BatchQuery]]
FetchInstant = Callable[[str], Awaitable[tuple[Sequence[Sample], Annotations]]]
FetchRange = Callable[[str, float, float, float], Awaitable[tuple[Sequence[Series], Annotations]]]


@dataclass(frozen=True, slots=True)
class PanelResults:
    """Every panel's result in the order of the specs, with the server's warnings."""

    results: tuple[PanelResult, ...]
    warnings: tuple[str, ...] = ()
    infos: tuple[str, ...] = ()
    """Advice from the server that refers to no panel's query; it does not degrade the source."""
    partial: str = ""
    """The server's message about what is missing from its results; empty if they are complete."""
    beside: Mapping[str, tuple[Sample, ...] | Fault] = field(default_factory=dict)
    """What the same request returned for queries that are of no panel, by their key."""


@dataclass(frozen=True, slots=True)
class _CachedResult:
    """The cached result of a raw expression that is evaluated rarely."""

    query: str
    fetched_at: float
    samples: tuple[Sample, ...]
    fault: Fault | None
    annotations: tuple[str, ...]
    partial: str


class PanelFetcher:
    """Tracks from refresh to refresh which panels have recorded series, which queries were refused, and the trends.

    A panel uses its recorded series if they exist, else its raw expression. Every refresh queries the recorded series, so
    that a rule that appears or vanishes takes effect at once.
    """

    def __init__(
        self,
        instant: FetchInstant,
        ranges: FetchRange,
        *,
        clock: Callable[[], float],
        window_seconds: float = WINDOW_SECONDS,
        decisions: Decisions | None = None,
        recorded: RecordedPanels | None = None,
        seed_rare: Container[str] = (),
    ) -> None:
        """`seed_rare` are the panels whose trend has its window at first even if their expression is evaluated rarely."""
        self._instant: QueryBatch[Sample] = QueryBatch(instant, clock=clock)
        self._ranges = ranges
        self._clock = clock
        self.decisions = decisions or Decisions()
        """The definition chosen for each signal; shared by all panels of one server."""
        self.recorded = recorded or RecordedPanels()
        """How the loaded rules match the recorded series; shared by all panels of one server."""
        self._value_check = RecordedValueCheck()
        self._expanded: tuple[DefinitionChoice, dict[PanelSpec, PanelSpec]] = (UNDECIDED, {})
        self._unrecorded: set[str] = set()
        self._planned: tuple[tuple[object, ...], _Planned] = ((None,) * 4, ([], [], []))
        """What the panels and the loaded rules were planned by, and how."""
        self._rare: dict[str, _CachedResult] = {}
        self._built: dict[str, tuple[PanelSpec, Sequence[Sample], object, PanelResult]] = {}
        """Of each panel its samples, what was said about them, and the result of both."""
        self._completed: dict[str, tuple[PanelResult, object, PanelResult]] = {}
        """Of each panel its result without and with what this fetcher adds."""
        self._refreshed: tuple[tuple[object, ...], PanelResults] | None = None
        """The results of the last refresh and all that they follow from; None if they follow from the time too."""
        self._trends = Trends(window_seconds)
        self._witnesses = Witnesses(clock=clock)
        self._seed_rare = seed_rare
        self._seeding: asyncio.Task[None] | None = None
        self._seeding_rare: asyncio.Task[None] | None = None
        self._seed_after = float("-inf")
        self.rules: frozenset[str] = frozenset()
        """Names of the recording rules that the server evaluates: an empty result of theirs is valid."""
        self.wants_trend: Callable[[PanelSpec, float], bool] | None = None
        """Whether the window of a panel with this value is fetched; None for every panel's."""

    def reads_recorded(self, spec: PanelSpec) -> bool:
        """Whether the panel used its recorded series at the last refresh, or would at the first."""
        return spec.recorded is not None and spec.id not in self._unrecorded

    async def refresh(self, specs: Sequence[PanelSpec], *, beside: Sequence[BatchQuery] = ()) -> PanelResults:
        """Query all panels, and what else is asked beside them. Raises SourceError if the server as a whole does not answer."""
        now = self._clock()
        prometheus_specs, plans, parts = self._plan(specs)
        raw = [
            plan.spec
            for plan in plans
            if self._needs_verification(plan, now) or (not self.reads_recorded(plan.spec) and self._is_due(plan.spec, now))
        ]
        evidence = self.decisions.evidence_query(now)
        if evidence and self.decisions.undecided:
            # Every definition would read a month: rare queries wait for the decision, which comes with this answer.
            raw = [spec for spec in raw if not (spec.template and spec.raw_every_seconds)]
        specs = [plan.spec for plan in plans]
        parts = [*parts, *map(_raw, raw), *([evidence] if evidence else ())]
        witnesses = self._witnesses.due_queries(specs, self.decisions.choice)
        answer = await self._instant.fetch([*parts, *witnesses, *beside])
        lasting = answer.received is not None and not evidence and not witnesses and self._is_lasting(plans, raw)
        if lasting and self._refreshed is not None and self._refreshed[0] == self._basis(plans, answer, now):
            self._trends.mark_extended(now)
            return self._refreshed[1]
        self._refreshed = None
        # Series missing from a partial result may exist: they overrule no decision and contradict no other count.
        suspects = [] if answer.partial else self._witnesses.ingest(answer)
        if evidence and evidence.key not in answer.faults and (not answer.partial or self.decisions.undecided):
            self.decisions.ingest(answer.items[evidence.key], now)
            if answer.partial:
                self.decisions.retry_evidence(now)
            plans = [
                # Keep the results with data; an empty one may come from a query in a form that this server does not store.
                plan if plan.spec in raw and answer.items[_raw_key(plan.spec)] else self.recorded.plan(self.expand(its))
                for plan, its in zip(plans, prometheus_specs, strict=True)
            ]
            specs = [plan.spec for plan in plans]
        size = sum(map(len, answer.items.values()))
        self._unrecorded = await maybe_offload(partial(self._find_unrecorded, specs, answer), size)
        late = [
            plan.spec
            for plan in plans
            if plan.spec not in raw
            and (self._needs_verification(plan, now) or (plan.spec.id in self._unrecorded and self._is_due(plan.spec, now)))
        ]
        if late or suspects:
            second = await self._instant.fetch([*map(_raw, late), *suspects])
            answer.extend(second)
            if not answer.partial:
                self._witnesses.ingest(second)
        for spec in (*raw, *late):
            self._cache_rare(spec, answer, now)
        results = await maybe_offload(lambda: [self._build_result(spec, answer) for spec in specs], size)
        results = [self._verify(plan, item, answer, now) for plan, item in zip(plans, results, strict=True)]
        await self._extend_trends(dict(zip((spec.id for spec in specs), specs, strict=True)), results, now)
        # A warning about the query of a panel is shown there, and puts it in doubt.
        shown = {text for item in results for text in item.annotations}
        general = [text for text in answer.warnings if without_position(text) not in shown]
        warnings = [*general, *_describe_refusals(specs, answer), *self._witnesses.refusals(answer)]
        complete = (self._complete(spec, item, now) for spec, item in zip(specs, results, strict=True))
        infos = tuple(text for text in answer.annotations.get("", ()) if not is_warning(text))
        others = {part.key: answer.faults.get(part.key) or tuple(answer.items[part.key]) for part in beside}
        found = PanelResults(tuple(complete), tuple(dict.fromkeys(warnings)), infos, answer.partial, others)
        if lasting and not late and not suspects:
            self._refreshed = self._basis(plans, answer, now), found
        return found

    def _is_lasting(self, plans: Sequence[RecordedPlan], raw: Sequence[PanelSpec]) -> bool:
        """Whether results follow from nothing that passes with time, except their trends: no comparison with a raw expression,
        and no expression that is evaluated rarely.
        """
        compared = any(not plan.verified and self.reads_recorded(plan.spec) for plan in plans)
        return not compared and not any(spec.raw_every_seconds for spec in raw)

    def _basis(self, plans: Sequence[RecordedPlan], answer: BatchResult[Sample], now: float) -> tuple[object, ...]:
        """What the results of a refresh follow from: as long as it is equal, they are."""
        trends = self._trends
        return (
            plans,
            answer.received,
            self.rules,
            self.decisions.changes,
            trends.changes,
            trends.window(now),
            self._misses_window(now),
        )

    def pairs(self, spec: PanelSpec) -> tuple[Pair, ...]:
        """The second counts that the panel is checked against."""
        return build_pairs((spec,), self.decisions.choice).get(spec.id, ())

    async def close(self) -> None:
        for task in (self._seeding, self._seeding_rare):
            if task is not None:
                task.cancel()
                await asyncio.wait([task])

    def _plan(self, specs: Sequence[PanelSpec]) -> _Planned:
        """The panels of Prometheus, their plans, and the queries of their recorded series; remembered until one may differ."""
        basis = (specs, self.decisions.choice, self.recorded.book, self.recorded.fault)
        if any(one is not other for one, other in zip(basis, self._planned[0], strict=True)):
            own = [spec for spec in specs if spec.source == "prometheus"]
            plans = [self.recorded.plan(self.expand(spec)) for spec in own]
            self._planned = basis, (own, plans, [_recorded(plan.spec) for plan in plans if plan.spec.recorded is not None])
        return self._planned[1]

    def _find_unrecorded(self, specs: Sequence[PanelSpec], answer: BatchResult[Sample]) -> set[str]:
        return {spec.id for spec in specs if not self._has_recorded(spec, answer)}

    def _has_recorded(self, spec: PanelSpec, answer: BatchResult[Sample]) -> bool:
        """Whether every recorded series of the panel exists, or its rule does and returns nothing beside others.

        An expression that computes from recorded series drops their names; then any result is enough.
        """
        if spec.recorded is None:
            return False
        samples = answer.items[_recorded_key(spec)]
        if not samples:
            return False
        names = {sample.label("__name__") for sample in samples} - {""}
        return not names or names | self.rules >= set(spec.recorded_names)

    def _needs_verification(self, plan: RecordedPlan, now: float) -> bool:
        """Whether to query the raw expression beside recorded series that their rules cannot verify."""
        spec = plan.spec
        return not plan.verified and bool(spec.raw) and self.reads_recorded(spec) and self._value_check.is_due(spec, now)

    def _verify(self, plan: RecordedPlan, result: PanelResult, answer: BatchResult[Sample], now: float) -> PanelResult:
        """Add the caveat of the recorded series, and contradictions of their raw expression."""
        spec = plan.spec
        if result.origin is not Origin.RECORDED:
            self._value_check.forget(spec)
            caveat = plan.caveat if plan.verified else None
            return result if result.caveat is caveat else replace(result, caveat=caveat)
        if plan.verified:
            return result
        if answer.partial:
            return replace(result, caveat=plan.caveat)
        key = _raw_key(spec)
        raw = answer.items.get(key) if key not in answer.faults else None
        self._value_check.ingest(spec, result.samples, raw, now)
        contradictions = (*result.contradictions, *self._value_check.contradictions(spec, now))
        return replace(result, caveat=plan.caveat, contradictions=contradictions)

    def expression(self, spec: PanelSpec) -> str:
        """See `Prometheus.expression`."""
        plan = self.recorded.plan(self.expand(spec))
        return plan.spec.recorded if plan.spec.recorded is not None and plan.verified else plan.spec.raw

    def expand(self, spec: PanelSpec) -> PanelSpec:
        """The panel with the chosen definitions of its signals."""
        choice = self.decisions.choice
        if self._expanded[0] is not choice:
            self._expanded = (choice, {})
        known = self._expanded[1]
        if spec not in known:
            known[spec] = expand_spec(spec, choice)
        return known[spec]

    def _is_due(self, spec: PanelSpec, now: float) -> bool:
        if not spec.raw:
            return False
        kept = self._rare.get(spec.id)
        if kept is None or kept.query != spec.raw:
            return True
        return bool(kept.fault or kept.partial) or not 0 <= now - kept.fetched_at < spec.raw_every_seconds

    def _cache_rare(self, spec: PanelSpec, answer: BatchResult[Sample], now: float) -> None:
        if spec.raw_every_seconds:
            key = _raw_key(spec)
            self._rare[spec.id] = _CachedResult(
                spec.raw,
                now,
                tuple(answer.items[key]),
                answer.faults.get(key),
                answer.annotations.get(key, ()),
                answer.partial,
            )

    def _build_result(self, spec: PanelSpec, answer: BatchResult[Sample]) -> PanelResult:
        """The same object as long as the server returns the same."""
        origin, query, key = Origin.RAW, spec.raw, _raw_key(spec)
        if self.reads_recorded(spec):
            origin, query, key = Origin.RECORDED, spec.recorded or "", _recorded_key(spec)
        elif not spec.raw:
            return PanelResult(spec.id, Origin.NONE, "", fault=Fault(FaultKind.REJECTED, spec.no_data_reason))
        found: Sequence[Sample]
        if origin is Origin.RECORDED or key in answer.items:
            found, fault = answer.items[key], answer.faults.get(key)
            annotations, partial = answer.annotations.get(key, ()), answer.partial
        else:
            kept = self._rare[spec.id]
            found, fault, annotations, partial = kept.samples, kept.fault, kept.annotations, kept.partial
        contradictions = self._witnesses.contradictions(spec.id)
        notes = (origin, fault, contradictions, annotations, partial)
        known = self._built.get(spec.id)
        if known is None or known[0] is not spec or known[2] != notes or not (known[1] is found or known[1] == found):
            named = origin is Origin.RECORDED
            result = PanelResult(
                spec.id,
                origin,
                query,
                tuple(Sample(drop_labels(item.labels, "__name__"), item.value) if named else item for item in found),
                fault,
                truncated=_may_be_more(spec, found),
                contradictions=contradictions,
                annotations=annotations,
                partial=partial,
            )
        else:
            result = known[3]
        self._built[spec.id] = (spec, found, notes, result)
        return result

    def _complete(self, spec: PanelSpec, result: PanelResult, now: float) -> PanelResult:
        """Add the trend, and the basis if the value is raw or from a verified rule; the same object if nothing differs."""
        counted = spec.template and (result.origin is not Origin.RECORDED or result.caveat is None)
        added = (
            self._trends.points(result.id),
            self._trends.window(now),
            result.id in self._trends.sampled,
            self.decisions.basis(spec.template) if counted else (),
        )
        known = self._completed.get(result.id)
        if known is None or known[0] is not result or known[1] != added:
            trend, window, sampled, basis = added
            whole = replace(result, trend=trend, trend_window=window, trend_sampled=sampled, basis=basis)
            self._completed[result.id] = known = (result, added, whole)
        return known[2]

    def _misses_window(self, now: float) -> bool:
        """Whether to fetch the window of the trends."""
        return self._trends.needs_window(now) and not still_waits(self._seed_after, now, _SEED_AGAIN_SECONDS)

    async def _extend_trends(self, specs: dict[str, PanelSpec], results: Sequence[PanelResult], now: float) -> None:
        """Extend the trends, and fetch their window if it is missing."""
        missing = self._misses_window(now)
        requested: list[PanelResult] = []
        for result in results:
            spec = specs[result.id]
            # A partial value would stay in the trend as a drop that never happened.
            known = () if result.partial else result.samples
            value = aggregate(spec.aggregation, (sample.value for sample in known))
            self._trends.extend(result.id, value, now, lowest=spec.lower_is_worse)
            if self.wants_trend is None or (value is not None and self.wants_trend(spec, value)):
                requested.append(result)
        self._trends.mark_extended(now)
        if missing and requested and (self._seeding is None or self._seeding.done()):
            self._seed_after = now + _SEED_AGAIN_SECONDS
            usual, rare = _list_seedable(specs, requested)
            self._seeding = asyncio.create_task(self._seed(usual, now))
            rare = [(spec, item) for spec, item in rare if spec.id in self._seed_rare]
            if rare and (self._seeding_rare is None or self._seeding_rare.done()):
                self._seeding_rare = asyncio.create_task(self._seed_each(rare, now, after=self._seeding))
            done, _ = await asyncio.wait([self._seeding], timeout=_SEED_WAIT_SECONDS)
            for task in done:
                task.result()

    async def _seed(self, panels: Sequence[tuple[PanelSpec, PanelResult]], now: float) -> None:
        """Fetch the window: the worst value of each step, or a sample of a panel for which the server refuses that."""
        plain = {spec.id: build_aggregate_query(spec.aggregation, item) for spec, item in panels}
        lowest = {spec.id: spec.lower_is_worse for spec, _ in panels}
        peaks = await run_cpu_bound(partial(self._build_peaks, tuple(plain.values()), lowest))
        step = self._trends.step_seconds
        start, end = self._trends.window(now)

        async def fetch(text: str) -> tuple[Sequence[Series], Annotations]:
            # The last step ends in the future; use the worst value so far.
            return await self._ranges(text, start + step, end, step)

        batch: QueryBatch[Series] = QueryBatch(fetch, clock=self._clock)
        try:
            answer = await batch.fetch([peaks[key][0] if key in peaks else part for key, part in plain.items()])
            refused = [plain[key] for key in peaks if key in answer.faults]
            if refused:
                again = await batch.fetch(refused)
                answer.items.update(again.items)
                answer.partial = answer.partial or again.partial
        except SourceError:
            return  # the polls still extend the trends; the window is fetched again later
        if answer.partial:
            return
        sampled = {part.key for part in refused} | (plain.keys() - peaks.keys())
        for key in plain:
            computed = key in sampled or peaks[key][1]
            for series in answer.items[key][:1]:
                # An expression evaluated in the future returns a value that no sample supports.
                points = [point for point in series.points if not computed or point[0] <= now]
                self._trends.seed(key, points, now, lowest=lowest[key])
        self._trends.mark_seeded(now, frozenset(sampled))

    async def _seed_each(
        self, panels: Sequence[tuple[PanelSpec, PanelResult]], now: float, *, after: asyncio.Task[None]
    ) -> None:
        """Fetch the window of expressions over long ranges, one after another and as samples; no refresh waits for them."""
        await asyncio.wait([after])
        step = self._trends.step_seconds
        start, end = self._trends.window(now)
        for spec, result in panels:
            part = build_aggregate_query(spec.aggregation, result)
            try:
                found, annotations = await self._ranges(part.query, start + step, end - step, step)
            except SourceError:
                continue  # the polls still extend the trend
            if annotations.partial:
                continue
            for series in found[:1]:
                self._trends.seed(spec.id, series.points, now, lowest=spec.lower_is_worse)
                self._trends.sampled |= {spec.id}

    def _build_peaks(self, parts: Sequence[BatchQuery], lowest: Mapping[str, bool]) -> dict[str, tuple[BatchQuery, bool]]:
        """The queries of each step's worst value, and whether the server computes them: without those that cost too much.

        Runs off the loop: where these queries are new, it imports the PromQL parser.
        """
        from queries.promql.code_stamp import code_stamp  # noqa: PLC0415  # only for panels

        step, every = self._trends.step_seconds, self.recorded.evaluation_seconds

        def build() -> list[list[str | int]]:
            from queries.promql.peaks import build_peak_query  # noqa: PLC0415  # the parser of PromQL

            peaks = [
                build_peak_query(part.query, step_seconds=step, lowest=lowest[part.key], evaluation_seconds=every)
                for part in parts
            ]
            return [[peak.text, peak.evaluations] for peak in peaks]

        facts = ([(part.query, lowest[part.key]) for part in parts], step, every, code_stamp())
        found = {}
        for part, (text, evaluations) in zip(parts, recall("peaks", repr(facts), build), strict=True):
            if evaluations * POINTS <= _MOST_EVALUATIONS:
                found[part.key] = BatchQuery(part.key, text), text == part.query or evaluations > 0
        return found


def _recorded(spec: PanelSpec) -> BatchQuery:
    return BatchQuery(_recorded_key(spec), _worst(spec, spec.recorded or ""))


def _recorded_key(spec: PanelSpec) -> str:
    return f"{spec.id}/recorded"


def _raw(spec: PanelSpec) -> BatchQuery:
    return BatchQuery(_raw_key(spec), _worst(spec, spec.raw))


def _raw_key(spec: PanelSpec) -> str:
    return f"{spec.id}/raw"


def build_queries(spec: PanelSpec) -> tuple[str, ...]:
    """The queries that a refresh sends for the panel, the preferred one first, then its expressions in full."""
    parts = [*([_recorded(spec)] if spec.recorded is not None else ()), *([_raw(spec)] if spec.raw else ())]
    return tuple(dict.fromkeys((*(part.query for part in parts), *filter(None, (spec.recorded, spec.raw)))))


def _shows_the_worst(spec: PanelSpec) -> bool:
    """Whether truncation is harmless: a sum needs every series, and so do error codes, which have several spellings."""
    return (
        bool(spec.group_by)
        and spec.group_by != CODE
        and spec.aggregation is (Aggregation.MIN if spec.lower_is_worse else Aggregation.MAX)
    )


def _worst(spec: PanelSpec, query: str) -> str:
    if not _shows_the_worst(spec):
        return query
    # By recorded name, because the result must show which of them exist. An infinite sample at the good end makes the panel
    # unknown, so it is fetched too.
    function, infinity = ("bottomk", "+Inf") if spec.lower_is_worse else ("topk", "-Inf")
    return f"{function} by (__name__) ({MOST_SERIES},\n{query}\n)\nor topk by (__name__) (1, (\n{query}\n) == {infinity})"


def _may_be_more(spec: PanelSpec, samples: Sequence[Sample]) -> bool:
    names = Counter(item.label("__name__") for item in samples)
    return _shows_the_worst(spec) and max(names.values(), default=0) >= MOST_SERIES


def _list_seedable(
    specs: Mapping[str, PanelSpec], results: Sequence[PanelResult]
) -> tuple[list[tuple[PanelSpec, PanelResult]], list[tuple[PanelSpec, PanelResult]]]:
    """The panels with a window to fetch, and apart those whose expression is evaluated rarely: sixty times cost a lot."""
    usual: list[tuple[PanelSpec, PanelResult]] = []
    rare: list[tuple[PanelSpec, PanelResult]] = []
    for result in results:
        spec = specs[result.id]
        if result.fault is None:
            (rare if result.origin is Origin.RAW and spec.raw_every_seconds else usual).append((spec, result))
    return usual, rare


def aggregate_query(fold: Aggregation, query: str) -> str:
    """The expression of the panel's one value."""
    return f"{fold.value}(\n{query}\n)"


def build_aggregate_query(fold: Aggregation, answer: PanelResult) -> BatchQuery:
    """The query of a result, aggregated to the panel's value, under the panel's id."""
    return BatchQuery(answer.id, aggregate_query(fold, answer.query))


def _describe_refusals(specs: Sequence[PanelSpec], answer: BatchResult[Sample]) -> list[str]:
    """A warning for each refused recorded expression, though the raw one replaces it."""
    faults = ((spec, answer.faults.get(_recorded_key(spec))) for spec in specs)
    return [f"{spec.title}: {fault.sentence()}" for spec, fault in faults if fault]
