"""Which definition of a signal fits a server, and why: decided from its series, types and help texts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from types import MappingProxyType

from queries.catalogue.signals import (
    STATES,
    Definition,
    DefinitionChoice,
    Evidence,
    Signal,
    collect_evidence,
    find_signals,
    load_catalogue_signals,
)
from queries.model.frozen import dataclass
from queries.model.later import lazy_pattern
from queries.model.series import Sample, quote
from queries.prometheus.query_batch import BatchQuery

EVIDENCE = "/evidence"
"""The key of the evidence query in a refresh; no panel has such an id."""
EVERY_SECONDS = 300.0
UNDECIDED_SECONDS = 10.0
"""The interval while the server has no series of any signal, as before its first scrape."""
HELP_EVERY_SECONDS = 3600.0
REMEMBERED_SECONDS = 24 * 3600.0
"""How long a label value counts after its last sample for a definition with `rest`: a counter with labels exists only after
its first use, so that a restart does not look like another build."""

_WORD = r"(?:half[\s_-]*open|closed|open)"
_SAYS = r"""["'()\s]*(=+|:|->|→|-|is|means|for|if|when)?["'()\s]*"""
_NUMBER = r"(?<![\w.])-?\d+(?:\.\d+)?(?![\w.]*\w)"
_NUMBER_FIRST = lazy_pattern(rf"({_NUMBER}){_SAYS}\b({_WORD})\b", re.IGNORECASE)
_WORD_FIRST = lazy_pattern(rf"(?<![\w-])({_WORD})\b{_SAYS}({_NUMBER})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ObservedSeries:
    """What a server has of the required metrics: by metric the required label pairs of its series, and its type if known.

    `before` is what it had in the hours before: metric, label, value (both empty for the metric itself)."""

    series: Mapping[str, frozenset[tuple[str, str]]]
    before: frozenset[tuple[str, str, str]] = frozenset()
    types: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Decision:
    """The definition chosen for one signal, how many of all definitions apply, and what the ones before it lack."""

    signal: str
    definition: Definition
    applies: int
    of: int
    because: str

    def sentence(self) -> str:
        """`ocr failures: starts without success, because no series has status=error; 3 of 4 definitions apply`."""
        name, why = self.signal.replace("_", " "), f", because {self.because}" if self.because else ""
        return f"{name}: {self.definition.description}{why}; {self.applies} of {self.of} definitions apply"


def decide(signals: Iterable[Signal], seen: ObservedSeries, before: Mapping[str, Decision]) -> Mapping[str, Decision]:
    """Choose a definition for every signal with several. A signal whose metrics are all gone keeps its decision."""
    decisions: dict[str, Decision] = {}
    for signal in signals:
        if len(signal.definitions) < 2:
            continue
        missing = [_missing(item, seen) for item in signal.definitions]
        applies = missing.count("")
        if not applies or not any(item.needs and item.needs.metric in seen.series for item in signal.definitions):
            if signal.id in before:
                decisions[signal.id] = before[signal.id]
            continue
        at = missing.index("")
        chosen = signal.definitions[at]
        because = " and ".join(dict.fromkeys(missing[:at]))
        # Another form of the same definition, without series on this server, is not a failed alternative.
        counted = [lack for item, lack in zip(signal.definitions, missing, strict=True) if not item.evidence_only or not lack]
        decisions[signal.id] = Decision(signal.id, chosen, applies, len(counted), because)
    return MappingProxyType(decisions)


def _missing(definition: Definition, seen: ObservedSeries) -> str:
    """What the definition lacks, in words; empty if it applies."""
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


def parse_encoding(text: str) -> Mapping[str, float] | None:
    """The number of each state in a help text (`0=closed, 1=open`, `closed 0`); None if it states none."""
    first = [(_state(match[3]), float(match[1]), match[2]) for match in _NUMBER_FIRST.finditer(text)]
    second = [(_state(match[1]), float(match[3]), match[2]) for match in _WORD_FIRST.finditer(text)]
    found = first if len(first) >= len(second) else second
    if len(found) == 1 and not found[0][2]:
        return None  # `version 2 open beta`: one number beside a word is no encoding
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
    """The decisions for one server, from refresh to refresh. `signals` defaults to the catalogue's."""

    def __init__(self, signals: Mapping[str, Signal] | None = None, *, before: Decisions | None = None) -> None:
        """`before` are those of another time on this server: their help texts, and their choice until evidence comes."""
        self._signals = signals
        self.choice = DefinitionChoice(signals=signals)
        self._decided: Mapping[str, Decision] = MappingProxyType({})
        self._shown: dict[tuple[str, str, str], float] = {}
        self._present: Mapping[str, frozenset[tuple[str, str]]] | None = None
        self._types: dict[str, str] = {}
        self._encodings: dict[str, Mapping[str, float]] = {}
        self._encoding_source: dict[str, str] = {}
        self.changes = 0
        """Grows with everything that is learned."""
        self._basis_cache: dict[str, tuple[str, ...]] = {}
        """By text, because every refresh needs it for every panel; cleared with new evidence."""
        self._due = self._help_due = float("-inf")
        if before is not None:
            self.choice, self._decided, self._types = before.choice, before._decided, dict(before._types)
            self._encodings, self._encoding_source = dict(before._encodings), dict(before._encoding_source)

    @property
    def signals(self) -> Mapping[str, Signal]:
        """The signals to decide on. Raises SignalError if the catalogue cannot be read."""
        return load_catalogue_signals() if self._signals is None else self._signals

    @property
    def undecided(self) -> bool:
        """Whether the server has shown no series so far."""
        return self._present is None

    @property
    def sentences(self) -> tuple[str, ...]:
        """Every decision and every encoding, in words."""
        return (
            *(item.sentence() for name, item in self._decided.items() if self._is_notable(name)),
            *(self._describe_encoding(name) for name in self.encoded_metrics),
        )

    @property
    def encoded_metrics(self) -> tuple[str, ...]:
        """The metrics whose numbers encode a state: those that the server has, all before that is known."""
        codings = (item.encoding for signal in self.signals.values() for item in signal.definitions)
        names = tuple(dict.fromkeys(item.metric for item in codings if item))
        return names if self._present is None else tuple(name for name in names if name in self._present)

    @property
    def documented_metrics(self) -> tuple[str, ...]:
        """The metrics whose help text or type counts."""
        typed = (item.metric for item in self._required() if item.type)
        return tuple(dict.fromkeys((*self.encoded_metrics, *typed)))

    def _is_notable(self, name: str) -> bool:
        """Whether there was anything to decide for this signal."""
        return name in self._decided and self._decided[name].of > 1

    def basis(self, text: str) -> tuple[str, ...]:
        """How this server counts the signals of a text, in words."""
        if text not in self._basis_cache:
            self._basis_cache[text] = self._describe_basis(text)
        return self._basis_cache[text]

    def _describe_basis(self, text: str) -> tuple[str, ...]:
        found = find_signals(text, signals=self.signals)
        codings = (item.encoding.metric for signal in found for item in signal.definitions if item.encoding)
        shown = self.encoded_metrics if self._present is not None else ()
        return (
            *(self._decided[signal.id].sentence() for signal in found if self._is_notable(signal.id)),
            *(self._describe_encoding(name) for name in dict.fromkeys(codings) if name in shown),
        )

    # Series

    def evidence_query(self, now: float) -> BatchQuery | None:
        """The query to send with a refresh, None before it is due; `now` is in seconds of any clock."""
        if now < self._due and not self._due - now > EVERY_SECONDS:
            return None
        self._due = now + (UNDECIDED_SECONDS if self.undecided else EVERY_SECONDS)
        required = self._required()
        names = sorted({item.metric for item in required} | {*self.encoded_metrics})
        labels = sorted({name for item in required for name, _ in item.labels})
        query = f"group by ({', '.join(('__name__', *labels))}) ({{__name__=~{quote('|'.join(names))}}})"
        return BatchQuery(EVIDENCE, query)

    def ingest(self, samples: Sequence[Sample], now: float) -> None:
        """Decide from the samples of `evidence_query`."""
        self.changes += 1
        self._basis_cache.clear()
        labels = {name for item in self._required() for name, _ in item.labels}
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

    def retry_evidence(self, now: float) -> None:
        """The evidence was partial: it is better than none, and fetched again soon."""
        self._due = now + UNDECIDED_SECONDS
        self._present = None

    def _required(self) -> tuple[Evidence, ...]:
        return collect_evidence(signal for signal in self.signals.values() if len(signal.definitions) > 1)

    def _decide(self, before: frozenset[tuple[str, str, str]]) -> None:
        self._decided = decide(self.signals.values(), ObservedSeries(self._present or {}, before, self._types), self._decided)
        self._choose()

    # Help texts

    def metrics_without_help(self, now: float) -> tuple[str, ...]:
        """The metrics whose help text and type are due; none within an hour of the last call."""
        if now < self._help_due and not self._help_due - now > HELP_EVERY_SECONDS:
            return ()
        self._help_due = now + HELP_EVERY_SECONDS
        return self.documented_metrics

    def retry_help(self, now: float) -> None:
        """Without any help text: make them due again in a few minutes, not in an hour."""
        self._help_due = now + EVERY_SECONDS

    def ingest_help(self, metric: str, types: Sequence[str], helps: Sequence[str]) -> None:
        """Learn a metric's type and encoding from the metadata of its targets. Without a help text there is no encoding."""
        self.changes += 1
        self._basis_cache.clear()
        if len(set(types)) == 1:
            self._types[metric] = types[0]
        encodings = [encoding for encoding in map(parse_encoding, helps) if encoding is not None]
        if not encodings:
            self._encodings.pop(metric, None)
            self._encoding_source[metric] = "its help text states none" if helps else "the server has no help text for it"
        elif all(encoding == encodings[0] for encoding in encodings):
            self._encodings[metric] = encodings[0]
            self._encoding_source[metric] = "by its help text"
        else:  # two builds at once: neither is right for both
            self._encodings[metric] = MappingProxyType({})
            self._encoding_source[metric] = "its help texts contradict each other"
        self._choose()

    def _choose(self) -> None:
        definitions = {name: item.definition for name, item in self._decided.items()}
        if (definitions, self._encodings) != (self.choice.definitions, self.choice.encodings):
            self.choice = DefinitionChoice(
                MappingProxyType(definitions), MappingProxyType(dict(self._encodings)), self._signals
            )

    def _describe_encoding(self, metric: str) -> str:
        states = self._encodings.get(metric)
        how = self._encoding_source.get(metric, "its help text was not fetched yet")
        if states is None:
            codings = (item.encoding for signal in self.signals.values() for item in signal.definitions)
            states = dict(next(item.states for item in codings if item and item.metric == metric))
            how = f"as the catalogue defines it: {how}"
        text = ", ".join(f"{states[word]:g} is {word.replace('_', '-')}" for word in STATES if word in states)
        return f"{metric}: {text}, {how}" if text else f"{metric}: {how}"
