"""One refresh of a board: which expression each panel reads now, in one request, or two where a recorded series is gone."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from queries.catalogue.error_code_series import CODE
from queries.catalogue.loader import expand_spec
from queries.catalogue.signals import UNDECIDED, DefinitionChoice
from queries.errors import SourceError
from queries.model.aggregation import folded
from queries.model.fault import Fault, FaultKind
from queries.model.panel import MOST_SERIES, Aggregation, Origin, PanelResult, PanelSpec
from queries.model.series import Sample, Series, without
from queries.offload import aside
from queries.prometheus.evidence import Decisions
from queries.prometheus.query_batch import BatchQuery, BatchResult, QueryBatch
from queries.prometheus.recorded_panels import ByValue, RecordedPanels, RecordedPlan
from queries.prometheus.trends import WINDOW_SECONDS, Trends
from queries.prometheus.witnesses import Pair, Witnesses, pairs_of

_SEED_WAIT_SECONDS = 0.4
"""How long the first answer waits for its trend lines; a slower server's come with a later refresh."""
_SEED_AGAIN_SECONDS = 300.0

AskInstant = Callable[[str], Awaitable[tuple[Sequence[Sample], Sequence[str]]]]
AskRange = Callable[[str, float, float, float], Awaitable[tuple[Sequence[Series], Sequence[str]]]]


@dataclass(frozen=True, slots=True)
class PanelResults:
    """Every panel's answer in the order of the specs, with the server's warnings."""

    answers: tuple[PanelResult, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _CachedResult:
    """The kept answer of a raw expression that is asked rarely."""

    query: str
    asked_at: float
    samples: tuple[Sample, ...]
    fault: Fault | None


class PanelFetcher:
    """Remembers from refresh to refresh who has recorded series, what was refused, and the trends.

    A panel reads its recorded series where they exist, and its raw expression where not. The question whether they exist
    is part of every refresh: a rule that appears or vanishes is noticed at once.
    """

    def __init__(
        self,
        instant: AskInstant,
        ranges: AskRange,
        *,
        clock: Callable[[], float],
        window_seconds: float = WINDOW_SECONDS,
        decisions: Decisions | None = None,
        recorded: RecordedPanels | None = None,
    ) -> None:
        self._instant: QueryBatch[Sample] = QueryBatch(instant, clock=clock)
        self._ranges = ranges
        self._clock = clock
        self.decisions = decisions or Decisions()
        """Which definition of each signal the server's evidence has decided; shared by all panels of one server."""
        self.recorded = recorded or RecordedPanels()
        """What the loaded rules say of the recorded series; shared by all panels of one server."""
        self._by_value = ByValue()
        self._expanded: tuple[DefinitionChoice, dict[PanelSpec, PanelSpec]] = (UNDECIDED, {})
        self._unrecorded: set[str] = set()
        self._rare: dict[str, _CachedResult] = {}
        self._trends = Trends(window_seconds)
        self._witnesses = Witnesses(clock=clock)
        self._seeding: asyncio.Task[None] | None = None
        self._seed_after = float("-inf")
        self.rules: frozenset[str] = frozenset()
        """Names of recording rules that the server is known to evaluate: their silence is an answer."""

    def reads_recorded(self, spec: PanelSpec) -> bool:
        """Whether the panel read its recorded series at the last refresh, or would at the first."""
        return spec.recorded is not None and spec.id not in self._unrecorded

    async def refresh(self, specs: Sequence[PanelSpec]) -> PanelResults:
        """Ask everything. Raises SourceError where the server as a whole does not answer."""
        now = self._clock()
        wanted = [spec for spec in specs if spec.source == "prometheus"]
        plans = [self.recorded.plan(self.expanded(spec)) for spec in wanted]
        raw = [
            plan.spec
            for plan in plans
            if self._to_verify(plan, now) or (not self.reads_recorded(plan.spec) and self._due(plan.spec, now))
        ]
        evidence = self.decisions.part(now)
        if evidence and self.decisions.nothing_decided:
            # A month of every definition would be read: the decision comes with this answer, and what is rare can wait for it.
            raw = [spec for spec in raw if not (spec.written and spec.raw_every_seconds)]
        asked = [plan.spec for plan in plans]
        parts = [_recorded(spec) for spec in asked if spec.recorded is not None] + [_raw(spec) for spec in raw]
        parts.extend([evidence] if evidence else ())
        answer = await self._instant.ask([*parts, *self._witnesses.due(asked, self.decisions.choice)])
        suspects = self._witnesses.take(answer)
        if evidence and evidence.key not in answer.faults:
            self.decisions.take(answer.found[evidence.key], now)
            plans = [
                plan if plan.spec in raw else self.recorded.plan(self.expanded(its))
                for plan, its in zip(plans, wanted, strict=True)
            ]
            asked = [plan.spec for plan in plans]
        size = sum(map(len, answer.found.values()))
        self._unrecorded = await aside(partial(self._without_records, asked, answer), size)
        late = [
            plan.spec
            for plan in plans
            if plan.spec not in raw
            and (self._to_verify(plan, now) or (plan.spec.id in self._unrecorded and self._due(plan.spec, now)))
        ]
        if late or suspects:
            second = await self._instant.ask([*map(_raw, late), *suspects])
            self._witnesses.take(second)
            answer.found.update(second.found)
            answer.faults.update(second.faults)
            answer.warnings.extend(second.warnings)
        for spec in (*raw, *late):
            self._keep_rare(spec, answer, now)
        results = await aside(lambda: [self._answer(spec, answer) for spec in asked], size)
        results = [self._verify(plan, item, answer, now) for plan, item in zip(plans, results, strict=True)]
        await self._remember(dict(zip((spec.id for spec in asked), asked, strict=True)), results, now)
        warnings = [*answer.warnings, *_refused_rules(asked, answer), *self._witnesses.refused(answer)]
        answers = (self._with_more(spec, item) for spec, item in zip(asked, results, strict=True))
        return PanelResults(tuple(answers), tuple(dict.fromkeys(warnings)))

    def pairs(self, spec: PanelSpec) -> tuple[Pair, ...]:
        """The second counts that the panel is held against."""
        return pairs_of((spec,), self.decisions.choice).get(spec.id, ())

    async def close(self) -> None:
        if self._seeding is not None:
            self._seeding.cancel()
            await asyncio.wait([self._seeding])

    def _without_records(self, asked: Sequence[PanelSpec], answer: BatchResult[Sample]) -> set[str]:
        return {spec.id for spec in asked if not self._has_recorded(spec, answer)}

    def _has_recorded(self, spec: PanelSpec, answer: BatchResult[Sample]) -> bool:
        """Whether every recorded series of the panel is there, or its rule is known and has nothing to say beside others.

        An expression that computes something from recorded series loses their names; then having a result is enough.
        """
        if spec.recorded is None:
            return False
        samples = answer.found[_recorded(spec).key]
        if not samples:
            return False
        names = {sample.label("__name__") for sample in samples} - {""}
        return not names or names | self.rules >= set(spec.recorded_names)

    def _to_verify(self, plan: RecordedPlan, now: float) -> bool:
        """Whether the raw expression is asked beside recorded series that nobody could verify by their rules."""
        spec = plan.spec
        return not plan.verified and bool(spec.raw) and self.reads_recorded(spec) and self._by_value.due(spec, now)

    def _verify(self, plan: RecordedPlan, result: PanelResult, answer: BatchResult[Sample], now: float) -> PanelResult:
        """With what there is to say of the recorded series, and what their raw expression says against them."""
        spec = plan.spec
        if result.origin is not Origin.RECORDED:
            self._by_value.forget(spec)
            return replace(result, caveat=plan.caveat if plan.verified else None)
        if plan.verified:
            return result
        key = _raw(spec).key
        asked = answer.found.get(key) if key not in answer.faults else None
        self._by_value.take(spec, result.samples, asked, now)
        doubt = self._by_value.contradictions(spec, now)
        return replace(result, caveat=plan.caveat, contradictions=(*result.contradictions, *doubt))

    def expression(self, spec: PanelSpec) -> str:
        """As `Prometheus.expression`."""
        plan = self.recorded.plan(self.expanded(spec))
        return plan.spec.recorded if plan.spec.recorded is not None and plan.verified else plan.spec.raw

    def expanded(self, spec: PanelSpec) -> PanelSpec:
        """The panel as it is asked now that the signals are decided as they are."""
        choice = self.decisions.choice
        if self._expanded[0] is not choice:
            self._expanded = (choice, {})
        made = self._expanded[1]
        if spec not in made:
            made[spec] = expand_spec(spec, choice)
        return made[spec]

    def _due(self, spec: PanelSpec, now: float) -> bool:
        if not spec.raw:
            return False
        kept = self._rare.get(spec.id)
        if kept is None or kept.query != spec.raw:
            return True
        return not 0 <= now - kept.asked_at < spec.raw_every_seconds

    def _keep_rare(self, spec: PanelSpec, answer: BatchResult[Sample], now: float) -> None:
        if spec.raw_every_seconds:
            key = _raw(spec).key
            self._rare[spec.id] = _CachedResult(spec.raw, now, tuple(answer.found[key]), answer.faults.get(key))

    def _answer(self, spec: PanelSpec, answer: BatchResult[Sample]) -> PanelResult:
        if self.reads_recorded(spec):
            found = answer.found[_recorded(spec).key]
            samples = tuple(Sample(without(item.labels, "__name__"), item.value) for item in found)
            return PanelResult(
                spec.id,
                Origin.RECORDED,
                spec.recorded or "",
                samples,
                more=_may_be_more(spec, found),
                contradictions=self._witnesses.of(spec.id),
            )
        if not spec.raw:
            return PanelResult(spec.id, Origin.NONE, "", fault=Fault(FaultKind.REJECTED, spec.absent))
        key = _raw(spec).key
        if key in answer.found:
            samples, fault = tuple(answer.found[key]), answer.faults.get(key)
        else:
            samples, fault = self._rare[spec.id].samples, self._rare[spec.id].fault
        more, doubt = _may_be_more(spec, samples), self._witnesses.of(spec.id)
        return PanelResult(spec.id, Origin.RAW, spec.raw, samples, fault, more=more, contradictions=doubt)

    def _with_more(self, spec: PanelSpec, answer: PanelResult) -> PanelResult:
        """With the trend, and how it is counted: raw, or by a rule that is known to mean the same."""
        counted = spec.written and (answer.origin is not Origin.RECORDED or answer.caveat is None)
        basis = self.decisions.basis(spec.written) if counted else ()
        return replace(answer, trend=self._trends.points(answer.id), basis=basis)

    async def _remember(self, specs: dict[str, PanelSpec], results: Sequence[PanelResult], now: float) -> None:
        """Extend the trends, and see to it that their window is asked for when it is missing."""
        missing = self._trends.wanted(now) and now >= self._seed_after
        for result in results:
            value = folded(specs[result.id].fold, (sample.value for sample in result.samples))
            self._trends.extend(result.id, value, now)
        self._trends.extended(now)
        if missing and (self._seeding is None or self._seeding.done()):
            self._seed_after = now + _SEED_AGAIN_SECONDS
            parts = [folded_part(specs[item.id].fold, item) for item in results if _seedable(specs[item.id], item)]
            self._seeding = asyncio.create_task(self._seed(parts, now))
            done, _ = await asyncio.wait([self._seeding], timeout=_SEED_WAIT_SECONDS)
            for task in done:
                task.result()

    async def _seed(self, parts: Sequence[BatchQuery], now: float) -> None:
        window, step = self._trends.window_seconds, self._trends.step_seconds
        end = now // step * step

        async def ask(text: str) -> tuple[Sequence[Series], Sequence[str]]:
            return await self._ranges(text, end - window, end, step)

        joined: QueryBatch[Series] = QueryBatch(ask, clock=self._clock)
        try:
            answer = await joined.ask(parts)
        except SourceError:
            return  # the instants still come; the window is asked for again after a while
        for part in parts:
            for track in answer.found[part.key][:1]:
                self._trends.seed(part.key, track.points, now)
        self._trends.seeded(now)


def _recorded(spec: PanelSpec) -> BatchQuery:
    return BatchQuery(f"{spec.id}/recorded", _worst(spec, spec.recorded or ""))


def _raw(spec: PanelSpec) -> BatchQuery:
    return BatchQuery(f"{spec.id}/raw", _worst(spec, spec.raw))


def _shows_the_worst(spec: PanelSpec) -> bool:
    """Whether the series that are left out could change nothing: a sum needs them all, and so do codes with two spellings."""
    return bool(spec.by) and spec.by != CODE and spec.fold is (Aggregation.MIN if spec.below else Aggregation.MAX)


def _worst(spec: PanelSpec, query: str) -> str:
    if not _shows_the_worst(spec):
        return query
    # Of every recorded name its own: whether each of them is there is told by the answer. What is infinite at the other end
    # is no value: it makes the panel not known, and so it is asked for too.
    most, endless = ("bottomk", "+Inf") if spec.below else ("topk", "-Inf")
    return f"{most} by (__name__) ({MOST_SERIES},\n{query}\n)\nor topk by (__name__) (1, (\n{query}\n) == {endless})"


def _may_be_more(spec: PanelSpec, samples: Sequence[Sample]) -> bool:
    names = Counter(item.label("__name__") for item in samples)
    return _shows_the_worst(spec) and max(names.values(), default=0) >= MOST_SERIES


def _seedable(spec: PanelSpec, answer: PanelResult) -> bool:
    """A window of an expression that reads long ranges would be asked sixty times over."""
    return answer.fault is None and not (answer.origin is Origin.RAW and spec.raw_every_seconds)


def folded_query(fold: Aggregation, query: str) -> str:
    """One series: the panel's value."""
    return f"{fold.value}(\n{query}\n)"


def folded_part(fold: Aggregation, answer: PanelResult) -> BatchQuery:
    """What was asked, as the one value of the panel, under the panel's id."""
    return BatchQuery(answer.id, folded_query(fold, answer.query))


def _refused_rules(specs: Sequence[PanelSpec], answer: BatchResult[Sample]) -> list[str]:
    """A refused recorded expression has its raw one to stand in; that it was refused is still worth a word."""
    faults = ((spec, answer.faults.get(_recorded(spec).key)) for spec in specs)
    return [f"{spec.title}: {fault.sentence()}" for spec, fault in faults if fault]
