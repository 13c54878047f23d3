"""Witnesses: second counts of a signal, queried along with the panels, and their contradictions with the first."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from queries.catalogue.loader import expand_spec
from queries.catalogue.signals import IN_FLIGHT, SETTLED, UNDECIDED, DefinitionChoice, Signal, Witness, find_witnessed
from queries.model.frozen import dataclass
from queries.model.panel import PanelSpec, Unit
from queries.model.panel_result import Contradiction, ContradictionKind, Figure
from queries.model.series import Sample, drop_labels
from queries.prometheus.query_batch import BatchQuery, BatchResult
from queries.text.durations import format_duration, parse_duration

FIGURE = "__figure__"
"""The label that distinguishes the figures of one label set: `first`, `second`, and the bounds of `first`."""
MOST = 5
"""At most this many contradictions are listed, the worst."""
LEAST_EVERY_SECONDS = 60.0
_CHECKS_PER_WINDOW = 5.0
"""A window of an hour is checked every twelve minutes: a long window changes slowly and is expensive."""
_LONGEST_SECONDS = 3600.0
"""A panel with a longer window is checked with the shortest window of the same signal on the board, else with this."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A signal and one of its witnesses over one window.

    `first` is the panels' expression and `second` the witness, both PromQL in the signal's unit, by the labels `by`.
    `bounds` are two variants of `first` shifted in time, because one count may see the start of a request and the other its
    end: requests in flight lie between the three. In steady traffic the three are equal. A signal that counts the end of
    requests has no bounds. `seconds` is the window, 0 for a signal without one.
    """

    key: str
    subject: str
    by: tuple[str, ...]
    unit: Unit
    first: str
    first_source: str
    bounds: tuple[str, ...]
    second: str
    second_source: str
    ratio: float
    events: float
    seconds: float

    @property
    def scale(self) -> float:
        """The factor to the figure that is shown and compared with the tolerance: a rate becomes the events in its window."""
        return self.seconds if self.seconds and self.unit is Unit.PER_SECOND else 1.0

    @property
    def every_seconds(self) -> float:
        return max(LEAST_EVERY_SECONDS, self.seconds / _CHECKS_PER_WINDOW)

    @property
    def suspicion_key(self) -> str:
        return f"{self.key}/suspicion"

    @property
    def suspicion(self) -> BatchQuery:
        """A cheap query that returns a sample only if the two may contradict each other: it evaluates each once.

        With m = events / ratio the tolerance is ratio * max(m, first, second), at least ratio / 2 * (m + the larger of both): a
        difference beyond it shows in the quotient of both, each plus m.
        """
        most = -math.log(1.0 - self.ratio / 2.0)
        first, second = (f"((\n{query}\n) + {self.events / self.scale / self.ratio!r})" for query in (self.first, self.second))
        return BatchQuery(self.suspicion_key, f"topk(1, abs(ln({first} / {second})) >= {most!r})")

    @property
    def figures(self) -> BatchQuery:
        """Both counts of the label sets that contradict each other, the worst ones; empty if none does, or if only one of the
        two has series.
        """
        by, least = ", ".join(self.by), repr(self.events / self.scale)
        first, second = _figure(self.first, "first"), _figure(self.second, "second")
        first = "\nor ".join([first, *(_figure(query, str(at)) for at, query in enumerate(self.bounds))])
        over = f"min by ({by}) (\n{first}\n) - (\n{self.second}\n) >= {least}"
        under = f"(\n{self.second}\n) - max by ({by}) (\n{first}\n) >= {least}"
        return BatchQuery(self.key, f"({first}\nor {second})\nand on ({by}) topk({MOST}, ({over}) or ({under}))")

    def contradictions(self, samples: Iterable[Sample]) -> tuple[Contradiction, ...]:
        """The contradictions beyond the tolerance in the samples of `figures`."""
        figures: dict[tuple[tuple[str, str], ...], dict[str, float]] = {}
        for sample in samples:
            figures.setdefault(drop_labels(sample.labels, FIGURE), {})[sample.label(FIGURE)] = sample.value
        return tuple(self._contradiction(labels, each) for labels, each in figures.items() if self._contradicts(each))

    def _contradicts(self, figures: Mapping[str, float]) -> bool:
        first, second = figures.get("first", math.nan), figures.get("second", math.nan)
        if not all(map(math.isfinite, (first, second, *figures.values()))):
            return False
        firsts = [value for name, value in figures.items() if name != "second"]
        low, high = min(firsts), max(firsts)
        gap, larger = (low - second, low) if second < low else (second - high, second)
        return gap * self.scale >= self.events and gap > self.ratio * larger

    def _contradiction(self, labels: tuple[tuple[str, str], ...], figures: Mapping[str, float]) -> Contradiction:
        rate = self.unit is Unit.PER_SECOND

        def figure(source: str, value: float, query: str) -> Figure:
            return (
                Figure(source, float(round(value * self.scale)), f"({query}) * {self.scale:g}")
                if rate
                else Figure(source, value, query)
            )

        return Contradiction(
            ContradictionKind.WITNESS,
            self.subject,
            Unit.COUNT if rate else self.unit,
            figure(self.first_source, figures["first"], self.first),
            figure(self.second_source, figures["second"], self.second),
            whom=", ".join(value for name, value in labels if name in self.by and value),
        )


def _figure(query: str, name: str) -> str:
    return f'label_replace(\n{query}\n, "{FIGURE}", "{name}", "", "")'


def build_pairs(specs: Sequence[PanelSpec], choice: DefinitionChoice | None) -> dict[str, tuple[Pair, ...]]:
    """The pairs of each panel, by panel id. Panels of the same signal, provider and window share a pair."""
    signals = choice.signals if choice else None
    named = {spec.id: (spec, find_witnessed(spec.template, signals=signals)) for spec in specs if spec.template}
    short: dict[tuple[str, str], list[tuple[float, str]]] = {}
    for spec, found in named.values():
        for signal, window in found:
            seconds = _seconds(window)
            if seconds <= _LONGEST_SECONDS:
                short.setdefault((signal.id, spec.provider), []).append((seconds, window))
    known: dict[str, Pair] = {}

    def pair(spec: PanelSpec, signal: Signal, window: str, witness: Witness) -> Pair:
        if _seconds(window) > _LONGEST_SECONDS:
            window = min(short.get((signal.id, spec.provider), [(_LONGEST_SECONDS, "1h")]))[1]
        key = "/".join(("witness", signal.id, window, spec.provider, witness.id))
        if key not in known:
            known[key] = _pair(key, spec, signal, witness, window=window, choice=choice)
        return known[key]

    return {
        name: tuple(
            one
            for one in dict.fromkeys(pair(spec, signal, window, it) for signal, window in found for it in signal.witnesses)
            if one.first and one.second
        )
        for name, (spec, found) in named.items()
    }


def _pair(key: str, spec: PanelSpec, signal: Signal, witness: Witness, *, window: str, choice: DefinitionChoice | None) -> Pair:
    known = choice or UNDECIDED
    definition = known.definitions.get(signal.id)

    def expression(written: str) -> str:
        return expand_spec(replace(spec, raw=written, template=written), known).raw

    def reference(window: str) -> str:
        return f"${{{signal.id}[{window}]}}" if window else f"${{{signal.id}}}"

    first = expression(reference(window))
    settled = expression(reference(f"{window} {SETTLED}")) if window else first
    bounds = (settled, expression(reference(f"{window} offset {IN_FLIGHT}"))) if settled != first else ()
    return Pair(
        key=key,
        subject=signal.about.partition(";")[0] + (f" in {_readable(window)}" if window else ""),
        by=signal.by,
        unit=signal.unit,
        first=first,
        first_source=definition.description if definition else "the panel's expression",
        bounds=bounds,
        second=expression(witness.expression.replace("$window", window)),
        second_source=witness.description,
        ratio=witness.ratio,
        events=witness.events,
        seconds=_seconds(window),
    )


def _readable(window: str) -> str:
    return format_duration(_seconds(window)) if window.endswith("ms") else window


def _seconds(window: str) -> float:
    """The length of a window; infinite for one that is not a plain duration, which makes the pair use another window."""
    try:
        return parse_duration(window) if window else 0.0
    except ValueError:
        return math.inf


@dataclass(frozen=True, slots=True)
class _PairCheck:
    pair: Pair
    at: float
    suspected: bool = False
    contradictions: tuple[Contradiction, ...] = ()


class Witnesses:
    """Tracks contradictions from refresh to refresh, and checks each pair only now and then.

    The queries go with the panels in one request: mostly one cheap `suspicion` per pair, which returns nothing. A suspected
    pair gets its `figures`, in a second request if the suspicion is new.
    """

    def __init__(self, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._pairs: dict[str, tuple[Pair, ...]] = {}
        self._each: tuple[Pair, ...] = ()
        """The pairs of all panels, each once."""
        self._for: tuple[tuple[PanelSpec, ...], DefinitionChoice | None] | None = None
        self._checks: dict[str, _PairCheck] = {}

    def due_queries(self, specs: Sequence[PanelSpec], choice: DefinitionChoice | None) -> list[BatchQuery]:
        """The queries to send with these panels now."""
        request = (tuple(specs), choice)
        if self._for is None or self._for[0] != request[0] or self._for[1] is not choice:
            self._for, self._pairs = request, build_pairs(specs, choice)
            self._each = tuple(dict.fromkeys(pair for pairs in self._pairs.values() for pair in pairs))
            self._checks = {
                pair.key: check for pair in self._each if (check := self._checks.get(pair.key)) and check.pair == pair
            }
        now = self._clock()
        checks = ((pair, self._checks.get(pair.key)) for pair in self._each)
        return [
            pair.figures if check is not None and check.suspected else pair.suspicion
            for pair, check in checks
            if check is None or not 0 <= now - check.at < pair.every_seconds
        ]

    def ingest(self, answer: BatchResult[Sample]) -> list[BatchQuery]:
        """Record the results of the pairs; returns the `figures` queries of newly suspected ones."""
        now, suspects = self._clock(), []
        for pair in self._each:
            if answer.faults.keys() & {pair.key, pair.suspicion_key}:
                self._checks.pop(pair.key, None)
            elif pair.key in answer.items:
                samples = answer.items[pair.key]
                self._checks[pair.key] = _PairCheck(pair, now, bool(samples), pair.contradictions(samples))
            elif answer.items.get(pair.suspicion_key):
                suspects.append(pair.figures)
            elif pair.suspicion_key in answer.items:
                self._checks[pair.key] = _PairCheck(pair, now)
        return suspects

    def refusals(self, answer: BatchResult[Sample]) -> list[str]:
        """A sentence for each second count that the server refused to evaluate."""
        pairs = ((pair, answer.faults.get(pair.key) or answer.faults.get(pair.suspicion_key)) for pair in self._each)
        return [
            f"{pair.subject} cannot be compared with {pair.second_source}: {fault.sentence()}" for pair, fault in pairs if fault
        ]

    def contradictions(self, panel_id: str) -> tuple[Contradiction, ...]:
        """The contradictions of the panel's value, as of the last check."""
        checks = (self._checks.get(pair.key) for pair in self._pairs.get(panel_id, ()))
        return tuple(found for check in checks if check for found in check.contradictions)
