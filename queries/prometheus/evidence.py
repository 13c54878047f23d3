"""Which definition of a signal holds on a server, and why: decided from the series and help texts that it shows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from queries.catalogue.signals import (
    STATES,
    Definition,
    DefinitionChoice,
    Evidence,
    Signal,
    load_signals,
    needed,
    referenced_through,
)
from queries.model.series import Sample, quote
from queries.prometheus.query_batch import BatchQuery

EVIDENCE = "/evidence"
"""The key of the evidence among the parts of a refresh; no panel has such an id."""
EVERY_SECONDS = 300.0
UNDECIDED_SECONDS = 10.0
"""While the server shows no series of any signal, as before its first scrape, the console asks this often."""
HELP_EVERY_SECONDS = 3600.0
REMEMBERED_SECONDS = 24 * 3600.0
"""How long a value that a server has shown still counts where a definition has a `rest`: a counter with labels is there only
after its first use, so that a restart is no other build."""

_WORD = r"(?:half[\s_-]*open|closed|open)"
_SAYS = r"""["'()\s]*(=+|:|->|→|-|is|means|for|if|when)?["'()\s]*"""
_NUMBER = r"(?<![\w.])-?\d+(?:\.\d+)?(?![\w.]*\w)"
_NUMBER_FIRST = re.compile(rf"({_NUMBER}){_SAYS}\b({_WORD})\b", re.IGNORECASE)
_WORD_FIRST = re.compile(rf"(?<![\w-])({_WORD})\b{_SAYS}({_NUMBER})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ObservedSeries:
    """What a server shows of the metrics that were looked for: by metric the labels of its series that were looked for, and its
    type where it is known. `before` is what it has shown in the hours before: metric, label, value (empty for the metric)."""

    series: Mapping[str, frozenset[tuple[str, str]]]
    before: frozenset[tuple[str, str, str]] = frozenset()
    types: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided about one signal: its definition, how many of all definitions apply, and what those before it lack."""

    signal: str
    definition: Definition
    applies: int
    of: int
    because: str

    def sentence(self) -> str:
        """`ocr failures: starts without success, because no series has status=error; 3 of 4 definitions apply`."""
        name, why = self.signal.replace("_", " "), f", because {self.because}" if self.because else ""
        return f"{name}: {self.definition.says}{why}; {self.applies} of {self.of} definitions apply"


def decide(signals: Iterable[Signal], seen: ObservedSeries, before: Mapping[str, Decision]) -> Mapping[str, Decision]:
    """A decision for every signal with several definitions. One whose metrics are all gone keeps its decision."""
    found: dict[str, Decision] = {}
    for signal in signals:
        if len(signal.definitions) < 2:
            continue
        missing = [_missing(item, seen) for item in signal.definitions]
        applies = missing.count("")
        if not applies or not any(item.needs and item.needs.metric in seen.series for item in signal.definitions):
            if signal.id in before:
                found[signal.id] = before[signal.id]
            continue
        at = missing.index("")
        chosen = signal.definitions[at]
        because = " and ".join(dict.fromkeys(missing[:at]))
        found[signal.id] = Decision(signal.id, chosen, applies, len(signal.definitions), because)
    return MappingProxyType(found)


def _missing(definition: Definition, seen: ObservedSeries) -> str:
    """What the definition lacks, in words; empty where it holds."""
    needs, unless = definition.needs, definition.unless
    if unless and (unless in seen.series or (unless, "", "") in seen.before):
        return f"there is {unless}"
    if needs is None:
        return ""
    if needs.metric not in seen.series:
        return f"there is no {needs.metric}"
    for name, values in needs.labels:
        now = any((name, value) in seen.series[needs.metric] for value in values)
        if not now and not (definition.rest and any((needs.metric, name, value) in seen.before for value in values)):
            return f"no series has {name}={'|'.join(values)}"
    if needs.type and seen.types.get(needs.metric) != needs.type:
        return f"{needs.metric} is not known to be a {needs.type}"
    return ""


def read_coding(text: str) -> Mapping[str, float] | None:
    """The number of each state that a help text states (`0=closed, 1=open`, `closed 0`); None where it states none."""
    first = [(_state(match[3]), float(match[1]), match[2]) for match in _NUMBER_FIRST.finditer(text)]
    second = [(_state(match[1]), float(match[3]), match[2]) for match in _WORD_FIRST.finditer(text)]
    found = first if len(first) >= len(second) else second
    if len(found) == 1 and not found[0][2]:
        return None  # `version 2 open beta`: a number beside a word alone says nothing
    pairs = {(state, number) for state, number, _ in found}
    if not pairs or (len(first) == len(second) and pairs != {(state, number) for state, number, _ in second}):
        return None
    states, numbers = {state for state, _ in pairs}, {number for _, number in pairs}
    return (
        MappingProxyType(dict(sorted(pairs, key=lambda pair: pair[1]))) if len(states) == len(numbers) == len(pairs) else None
    )


def _state(word: str) -> str:
    return "half_open" if word.lower().startswith("half") else word.lower()


class Decisions:
    """What is decided about one server, from refresh to refresh. `signals` are the catalogue's where none are named."""

    def __init__(self, signals: Mapping[str, Signal] | None = None) -> None:
        self._signals = signals
        self.choice = DefinitionChoice(signals=signals)
        self._decided: Mapping[str, Decision] = MappingProxyType({})
        self._shown: dict[tuple[str, str, str], float] = {}
        self._present: Mapping[str, frozenset[tuple[str, str]]] | None = None
        self._types: dict[str, str] = {}
        self._codings: dict[str, Mapping[str, float]] = {}
        self._helped: dict[str, str] = {}
        self._told: dict[str, tuple[str, ...]] = {}
        """Every refresh tells it of every panel: kept until something new is learned."""
        self._due = self._help_due = float("-inf")

    @property
    def signals(self) -> Mapping[str, Signal]:
        """The signals that are decided about. Raises SignalError where the catalogue cannot be read."""
        return load_signals() if self._signals is None else self._signals

    @property
    def nothing_decided(self) -> bool:
        """Whether no series have been seen so far."""
        return self._present is None

    @property
    def sentences(self) -> tuple[str, ...]:
        """Every decision and every coding, in words."""
        return (*(item.sentence() for item in self._decided.values()), *(self._coding(name) for name in self.coded))

    @property
    def coded(self) -> tuple[str, ...]:
        """The metrics whose numbers have a meaning, of those that the server is known to have, else all."""
        codings = (item.encoding for signal in self.signals.values() for item in signal.definitions)
        names = tuple(dict.fromkeys(item.metric for item in codings if item))
        return names if self._present is None else tuple(name for name in names if name in self._present)

    def basis(self, text: str) -> tuple[str, ...]:
        """How the signals of a text are counted on this server, in words."""
        if text not in self._told:
            self._told[text] = self._basis(text)
        return self._told[text]

    def _basis(self, text: str) -> tuple[str, ...]:
        found = referenced_through(text, signals=self.signals)
        codings = (item.encoding.metric for signal in found for item in signal.definitions if item.encoding)
        shown = self.coded if self._present is not None else ()
        return (
            *(self._decided[signal.id].sentence() for signal in found if signal.id in self._decided),
            *(self._coding(name) for name in dict.fromkeys(codings) if name in shown),
        )

    # Series

    def part(self, now: float) -> BatchQuery | None:
        """What a refresh asks besides its panels where it is time; `now` is in seconds of any clock."""
        if now < self._due and not self._due - now > EVERY_SECONDS:
            return None
        self._due = now + (UNDECIDED_SECONDS if self.nothing_decided else EVERY_SECONDS)
        wanted = self._wanted()
        names = sorted({item.metric for item in wanted} | {*self.coded})
        labels = sorted({name for item in wanted for name, _ in item.labels})
        query = f"group by ({', '.join(('__name__', *labels))}) ({{__name__=~{quote('|'.join(names))}}})"
        return BatchQuery(EVIDENCE, query)

    def take(self, samples: Sequence[Sample], now: float) -> None:
        """Decide from what was answered."""
        self._told.clear()
        labels = {name for item in self._wanted() for name, _ in item.labels}
        series: dict[str, set[tuple[str, str]]] = {}
        for sample in samples:
            found = series.setdefault(sample.label("__name__"), set())
            found.update((name, value) for name, value in sample.labels if name in labels)
        before = frozenset(key for key, at in self._shown.items() if 0 <= now - at < REMEMBERED_SECONDS)
        self._shown = {key: self._shown[key] for key in before}
        self._shown.update(((metric, *pair), now) for metric, pairs in series.items() for pair in (("", ""), *pairs))
        self._present = {metric: frozenset(pairs) for metric, pairs in series.items()} if series else self._present
        if series:
            self._due = now + EVERY_SECONDS
            self._decide(before)

    def _wanted(self) -> tuple[Evidence, ...]:
        return needed(signal for signal in self.signals.values() if len(signal.definitions) > 1)

    def _decide(self, before: frozenset[tuple[str, str, str]]) -> None:
        self._decided = decide(self.signals.values(), ObservedSeries(self._present or {}, before, self._types), self._decided)
        self._choose()

    # Help texts

    def metrics_to_ask_about(self, now: float) -> tuple[str, ...]:
        """Whose help text and type to ask for; none where they were asked for within the hour."""
        if now < self._help_due and not self._help_due - now > HELP_EVERY_SECONDS:
            return ()
        self._help_due = now + HELP_EVERY_SECONDS
        typed = (item.metric for item in self._wanted() if item.type)
        return tuple(dict.fromkeys((*self.coded, *typed)))

    def ask_again(self, now: float) -> None:
        """No help text came: ask for them again in a few minutes, not in an hour."""
        self._help_due = now + EVERY_SECONDS

    def take_help(self, metric: str, types: Sequence[str], helps: Sequence[str]) -> None:
        """What a server says of a metric, by every target that says something else. No help text is no coding."""
        self._told.clear()
        if len(set(types)) == 1:
            self._types[metric] = types[0]
        found = [coding for coding in map(read_coding, helps) if coding is not None]
        if not found:
            self._codings.pop(metric, None)
            self._helped[metric] = "its help text states none" if helps else "the server has no help text of it"
        elif all(coding == found[0] for coding in found):
            self._codings[metric] = found[0]
            self._helped[metric] = "by its help text"
        else:  # two builds at once: neither is right for both
            self._codings[metric] = MappingProxyType({})
            self._helped[metric] = "its help texts contradict each other"
        self._choose()

    def _choose(self) -> None:
        definitions = {name: item.definition for name, item in self._decided.items()}
        if (definitions, self._codings) != (self.choice.definitions, self.choice.encodings):
            self.choice = DefinitionChoice(MappingProxyType(definitions), MappingProxyType(dict(self._codings)), self._signals)

    def _coding(self, metric: str) -> str:
        states = self._codings.get(metric)
        how = self._helped.get(metric, "its help text was not asked for yet")
        if states is None:
            codings = (item.encoding for signal in self.signals.values() for item in signal.definitions)
            states = dict(next(item.states for item in codings if item and item.metric == metric))
            how = f"as the catalogue has it: {how}"
        told = ", ".join(f"{states[word]:g} is {word.replace('_', '-')}" for word in STATES if word in states)
        return f"{metric}: {told}, {how}" if told else f"{metric}: {how}"
