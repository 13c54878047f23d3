"""The second count of what a signal counts: which ones a board asks along with its panels, and which contradict the first."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from queries.catalogue.loader import expand_spec
from queries.catalogue.signals import SETTLED, UNDECIDED, UNDER_WAY, DefinitionChoice, Signal, Witness, witnessed
from queries.model.panel import Contradiction, ContradictionKind, Figure, PanelSpec, Unit
from queries.model.series import Sample, without
from queries.prometheus.query_batch import BatchQuery, BatchResult
from queries.text.durations import duration_seconds

FIGURE = "__figure__"
"""The label that tells the figures of one label set apart: `first`, `second`, and what `first` may be without what is under
way."""
MOST = 5
"""Of a thousand providers that contradict themselves so many are named, the worst."""
LEAST_EVERY_SECONDS = 60.0
_LOOKS_PER_WINDOW = 5.0
"""A window of an hour is looked at every twelve minutes: it changes as slowly as it is long to read."""
_LONGEST_SECONDS = 3600.0
"""What a panel reads over a longer window is held against the shortest of the same signal that the board reads, else this."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A signal and one of its witnesses over one window. `first` is what panels read and `second` the witness, both PromQL in
    the signal's unit, by the labels `by`. `bounds` are two more of `first`: where what begins is counted earlier, and where all
    of it is. What is under way lies between the three: traffic that begins has started and not ended, requests that begin to
    hang are not counted as failed before they fail. In steady traffic the three are one. A signal of what ends has no bounds.

    `seconds` is the window, 0 for a signal that has none.
    """

    key: str
    subject: str
    by: tuple[str, ...]
    unit: Unit
    first: str
    first_says: str
    bounds: tuple[str, ...]
    second: str
    second_says: str
    ratio: float
    events: float
    seconds: float

    @property
    def scale(self) -> float:
        """What makes of a figure what is shown and held against the tolerance: of a rate, the events in its window."""
        return self.seconds if self.seconds and self.unit is Unit.PER_SECOND else 1.0

    @property
    def every_seconds(self) -> float:
        return max(LEAST_EVERY_SECONDS, self.seconds / _LOOKS_PER_WINDOW)

    @property
    def suspicion_key(self) -> str:
        return f"{self.key}/suspicion"

    @property
    def suspicion(self) -> BatchQuery:
        """Something where the two may contradict each other, nothing where they do not: each is evaluated once.

        With m = events / ratio the tolerance is ratio * max(m, first, second), at least ratio / 2 * (m + the larger of both): a
        difference beyond it shows in the quotient of both, each plus m.
        """
        most = -math.log(1.0 - self.ratio / 2.0)
        first, second = (f"((\n{query}\n) + {self.events / self.scale / self.ratio!r})" for query in (self.first, self.second))
        return BatchQuery(self.suspicion_key, f"topk(1, abs(ln({first} / {second})) >= {most!r})")

    @property
    def figures(self) -> BatchQuery:
        """Both counts of the label sets that contradict each other, the worst ones; nothing where none does, or where only one
        of them has series.
        """
        by, least = ", ".join(self.by), repr(self.events / self.scale)
        first, second = _figure(self.first, "first"), _figure(self.second, "second")
        first = "\nor ".join([first, *(_figure(query, str(at)) for at, query in enumerate(self.bounds))])
        over = f"min by ({by}) (\n{first}\n) - (\n{self.second}\n) >= {least}"
        under = f"(\n{self.second}\n) - max by ({by}) (\n{first}\n) >= {least}"
        return BatchQuery(self.key, f"({first}\nor {second})\nand on ({by}) topk({MOST}, ({over}) or ({under}))")

    def contradictions(self, samples: Iterable[Sample]) -> tuple[Contradiction, ...]:
        """Of what the part gave, what lies beyond the tolerance."""
        figures: dict[tuple[tuple[str, str], ...], dict[str, float]] = {}
        for sample in samples:
            figures.setdefault(without(sample.labels, FIGURE), {})[sample.label(FIGURE)] = sample.value
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

        def figure(says: str, value: float, query: str) -> Figure:
            return (
                Figure(says, float(round(value * self.scale)), f"({query}) * {self.scale:g}")
                if rate
                else Figure(says, value, query)
            )

        return Contradiction(
            ContradictionKind.WITNESS,
            self.subject,
            Unit.COUNT if rate else self.unit,
            figure(self.first_says, figures["first"], self.first),
            figure(self.second_says, figures["second"], self.second),
            whom=", ".join(value for name, value in labels if name in self.by and value),
        )


def _figure(query: str, name: str) -> str:
    return f'label_replace(\n{query}\n, "{FIGURE}", "{name}", "", "")'


def pairs_of(specs: Sequence[PanelSpec], choice: DefinitionChoice | None) -> dict[str, tuple[Pair, ...]]:
    """What each panel is held against, by the panel's id. Panels of the same signal, provider and window share a pair."""
    signals = choice.signals if choice else None
    named = {spec.id: (spec, witnessed(spec.written, signals=signals)) for spec in specs if spec.written}
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
    decided = known.definitions.get(signal.id)

    def expression(written: str) -> str:
        return expand_spec(replace(spec, raw=written, written=written), known).raw

    def reference(window: str) -> str:
        return f"${{{signal.id}[{window}]}}" if window else f"${{{signal.id}}}"

    first = expression(reference(window))
    settled = expression(reference(f"{window} {SETTLED}")) if window else first
    bounds = (settled, expression(reference(f"{window} offset {UNDER_WAY}"))) if settled != first else ()
    return Pair(
        key=key,
        subject=signal.about.partition(";")[0] + (f" in {_readable(window)}" if window else ""),
        by=signal.by,
        unit=signal.unit,
        first=first,
        first_says=decided.says if decided else "what the panel reads",
        bounds=bounds,
        second=expression(witness.expression.replace("$window", window)),
        second_says=witness.says,
        ratio=witness.ratio,
        events=witness.events,
        seconds=_seconds(window),
    )


def _readable(window: str) -> str:
    return f"{_seconds(window):.0f}s" if window.endswith("ms") else window


def _seconds(window: str) -> float:
    """The length of a window; infinite for one that cannot be read or lies in the past: it is held against another."""
    try:
        return duration_seconds(window) if window else 0.0
    except ValueError:
        return math.inf


@dataclass(frozen=True, slots=True)
class _Look:
    pair: Pair
    at: float
    suspected: bool = False
    found: tuple[Contradiction, ...] = ()


class Witnesses:
    """Remembers from refresh to refresh what contradicted what, and asks each pair only now and then.

    They travel with the panels in one request. Mostly that is one suspicion a pair, which costs little and comes back empty;
    the figures are asked where there was one, in a second request when it is new.
    """

    def __init__(self, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._pairs: dict[str, tuple[Pair, ...]] = {}
        self._for: tuple[tuple[PanelSpec, ...], DefinitionChoice | None] | None = None
        self._looks: dict[str, _Look] = {}

    def due(self, specs: Sequence[PanelSpec], choice: DefinitionChoice | None) -> list[BatchQuery]:
        """What to ask along with these panels now."""
        asked = (tuple(specs), choice)
        if self._for is None or self._for[0] != asked[0] or self._for[1] is not choice:
            self._for, self._pairs = asked, pairs_of(specs, choice)
            self._looks = {pair.key: look for pair in self._each() if (look := self._looks.get(pair.key)) and look.pair == pair}
        now = self._clock()
        looks = ((pair, self._looks.get(pair.key)) for pair in self._each())
        return [
            pair.figures if look is not None and look.suspected else pair.suspicion
            for pair, look in looks
            if look is None or not 0 <= now - look.at < pair.every_seconds
        ]

    def take(self, answer: BatchResult[Sample]) -> list[BatchQuery]:
        """Learn what the answer has of the pairs; gives the figures to ask of those that are suspected for the first time."""
        now, suspects = self._clock(), []
        for pair in self._each():
            if answer.faults.keys() & {pair.key, pair.suspicion_key}:
                self._looks.pop(pair.key, None)
            elif pair.key in answer.found:
                samples = answer.found[pair.key]
                self._looks[pair.key] = _Look(pair, now, bool(samples), pair.contradictions(samples))
            elif answer.found.get(pair.suspicion_key):
                suspects.append(pair.figures)
            elif pair.suspicion_key in answer.found:
                self._looks[pair.key] = _Look(pair, now)
        return suspects

    def refused(self, answer: BatchResult[Sample]) -> list[str]:
        """What the server said of the second counts that it does not evaluate, one sentence each."""
        pairs = ((pair, answer.faults.get(pair.key) or answer.faults.get(pair.suspicion_key)) for pair in self._each())
        return [
            f"{pair.subject} cannot be held against {pair.second_says}: {fault.sentence()}" for pair, fault in pairs if fault
        ]

    def of(self, panel_id: str) -> tuple[Contradiction, ...]:
        """What contradicts the panel's value, as far as was last seen."""
        looks = (self._looks.get(pair.key) for pair in self._pairs.get(panel_id, ()))
        return tuple(found for look in looks if look for found in look.found)

    def _each(self) -> tuple[Pair, ...]:
        return tuple(dict.fromkeys(pair for pairs in self._pairs.values() for pair in pairs))
