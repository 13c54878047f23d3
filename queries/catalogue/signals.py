"""Signals: what is measured, apart from how one build spells it, and the expressions that texts with ${signal[5m]} become."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from types import MappingProxyType

import msgspec

from queries.decoding import convert
from queries.model.panel import Unit
from queries.yaml_text import loads

REFERENCE = re.compile(r"\$\{([a-z][a-z0-9_]*)(?:\[([^\]]+)\])?\}")
"""How a text names a signal: ${signal}, ${signal[5m]} over a window, or ${signal[5m offset 1h]} over an earlier one.

${signal[5m settled]} leaves out what may be under way still: what begins is counted a minute earlier than what ends.
"""
SETTLED = "settled"
UNDER_WAY = "1m"
"""How long a request may be under way."""
STATES = ("closed", "half_open", "open")
"""The states of a circuit, as definitions name their numbers."""
_STATE = re.compile(rf"\$({'|'.join(STATES)})\b")


class SignalError(ValueError):
    """A signal that does not fit, or one that does not exist; the message names the place and what there is."""


class UnstatedState(SignalError):
    """A metric's help text states a coding, and the state that an expression needs is not in it."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a server must have for a definition to hold: series of `metric`, with one of the values of each label, of a type."""

    metric: str
    labels: tuple[tuple[str, tuple[str, ...]], ...] = ()
    type: str = ""


@dataclass(frozen=True, slots=True)
class Encoding:
    """Which number means which state in a metric, by the words `closed`, `half_open` and `open`."""

    metric: str
    states: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Definition:
    """How one build spells a signal: PromQL with $window, $begun and $provider. `needs` is None where any server will do.

    `only` is what follows `and` where the definitions stand joined by `or`: the label sets that this one may speak for.
    `rest` is what follows `or` where this one stands alone: it answers for the label sets that this one has nothing for.
    `unless` is a metric whose series make the definition wrong.
    """

    id: str
    says: str
    expression: str
    needs: Evidence | None = None
    only: str = ""
    rest: str = ""
    unless: str = ""
    encoding: Encoding | None = None


@dataclass(frozen=True, slots=True)
class Witness:
    """The same counted in another way. They contradict each other where they differ by more than `ratio` (0..1) of the
    larger and by at least `events` in the window."""

    id: str
    says: str
    expression: str
    needs: Evidence
    ratio: float = 0.1
    events: float = 20.0


@dataclass(frozen=True, slots=True)
class Signal:
    """What is measured; `by` are the labels of its result. Its definitions stand in their order."""

    id: str
    about: str
    unit: Unit
    by: tuple[str, ...]
    definitions: tuple[Definition, ...]
    witnesses: tuple[Witness, ...] = ()


@dataclass(frozen=True, slots=True)
class DefinitionChoice:
    """What evidence decided: the definition of each signal by its id, and the numbers of each metric's states.

    A signal without a decision stands as all its definitions joined by `or`; a metric without a coding as the catalogue has it.
    `signals` are those of the catalogue and the team's own together; None for the catalogue's alone.
    """

    definitions: Mapping[str, Definition] = field(default_factory=lambda: MappingProxyType({}))
    encodings: Mapping[str, Mapping[str, float]] = field(default_factory=lambda: MappingProxyType({}))
    signals: Mapping[str, Signal] | None = None


UNDECIDED = DefinitionChoice()


class _Needs(msgspec.Struct, forbid_unknown_fields=True):
    metric: str
    labels: dict[str, tuple[str, ...]] = {}
    type: str = ""


class _Definition(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    says: str
    expr: str
    needs: _Needs | None = None
    only: str = ""
    rest: str = ""
    unless: str = ""
    encoding: dict[str, str | float] = {}


class _Witness(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    says: str
    expr: str
    needs: _Needs
    ratio: float = 0.1
    events: float = 20.0


class _Signal(msgspec.Struct, forbid_unknown_fields=True):
    definitions: tuple[_Definition, ...]
    about: str = ""
    unit: Unit | None = None
    by: tuple[str, ...] = ()
    witnesses: tuple[_Witness, ...] = ()


class _File(msgspec.Struct, forbid_unknown_fields=True):
    signals: dict[str, _Signal]


@cache
def load_signals(own: tuple[tuple[str, str], ...] = ()) -> Mapping[str, Signal]:
    """The signals of the catalogue, by id. `own` is the text of each of a team's files, with the file's name before it: their
    definitions of a signal that there is stand before the catalogue's. Raises SignalError, and YamlError for what is no YAML.
    """
    text = resources.files(__package__).joinpath("signals.yaml").read_text(encoding="utf-8")
    known = parse_signals(text, where="signals.yaml")
    for where, text in own:
        known = parse_signals(text, where=where, known=known)
    return known


def parse_signals(text: str, *, where: str, known: Mapping[str, Signal] | None = None) -> Mapping[str, Signal]:
    """The signals of a file's text, those of `known` with them. Raises as `load_signals`."""
    try:
        file = convert(loads(text, where=where), _File)
    except msgspec.ValidationError as error:
        raise SignalError(f"{where}: {error}") from None
    found = dict(known or {})
    for name, entry in file.signals.items():
        found[name] = _signal(name, entry, found.get(name), where=where)
    return MappingProxyType(found)


def referenced(text: str) -> tuple[str, ...]:
    """The signals that a text names, each once."""
    return tuple(dict.fromkeys(match[1] for match in REFERENCE.finditer(text)))


def referenced_through(text: str, *, signals: Mapping[str, Signal]) -> tuple[Signal, ...]:
    """The signals that a text is made of, also through other signals, each once."""
    found: dict[str, Signal] = {}

    def walk(text: str) -> None:
        for name in referenced(text):
            if name in signals and name not in found:
                found[name] = signals[name]
                for item in signals[name].definitions:
                    walk(item.expression)

    walk(text)
    return tuple(found.values())


def expand(
    text: str, choice: DefinitionChoice = UNDECIDED, *, signals: Mapping[str, Signal] | None = None, where: str = ""
) -> str:
    """The text with every signal's expression in its place.

    Raises SignalError for a signal that does not exist, UnstatedState for a metric whose coding lacks a state.
    """
    return _Expansion(choice, signals or choice.signals or load_signals(), f"{where}: " if where else "").of(text)


@dataclass(frozen=True, slots=True)
class _Expansion:
    choice: DefinitionChoice
    signals: Mapping[str, Signal]
    place: str

    def of(self, text: str, window: str | None = None, within: tuple[str, ...] = ()) -> str:
        """`window` is that of the signal whose expression the text is, `within` the signals that it stands in."""

        def put(match: re.Match[str]) -> str:
            name, inner = match[1], window if match[2] == "$window" else match[2]
            signal = self.signals.get(name)
            if signal is None:
                raise SignalError(f"{self.place}there is no signal {name!r}; there are {', '.join(sorted(self.signals))}")
            if name in within:
                raise SignalError(f"{self.place}the signal {name} is made of itself: {' of '.join((*within, name))}")
            whole = self.of(_alternatives(signal, self.choice), inner, (*within, name))
            if "$window" in whole or "$begun" in whole:
                if inner is None:
                    raise SignalError(f"{self.place}the signal {name} wants a window: ${{{name}[5m]}}")
                span, _, moved = inner.partition(" ")
                begun = f"offset {UNDER_WAY}" if moved == SETTLED else moved
                moved = "" if moved == SETTLED else moved
                whole = whole.replace("[$window]", f"[{span}] {moved}".rstrip()).replace(
                    "[$begun]", f"[{span}] {begun}".rstrip()
                )
            return f"({whole})"

        return REFERENCE.sub(put, text)


def _alternatives(signal: Signal, choice: DefinitionChoice) -> str:
    """The one definition that was decided, with its rest; else all of them, each for the label sets that no earlier one has."""
    decided = choice.definitions.get(signal.id)
    if decided is not None:
        texts = [decided.expression, decided.rest] if decided.rest else [decided.expression]
    elif len(signal.definitions) == 1:
        texts = [signal.definitions[0].expression]
    else:
        texts = [f"({item.expression}) and {item.only}" if item.only else item.expression for item in signal.definitions]
    codings = [item.encoding for item in ((decided,) if decided else signal.definitions) if item.encoding]
    whole = texts[0] if len(texts) == 1 else "\nor ".join(f"({text})" for text in texts)
    for coding in codings:
        whole = _numbered(whole, coding, choice)
    return whole


def _numbered(text: str, coding: Encoding, choice: DefinitionChoice) -> str:
    """The text with the number of each state in the place of its word."""
    states = choice.encodings.get(coding.metric, dict(coding.states))

    def number(match: re.Match[str]) -> str:
        state = match[1]
        if state in states:
            return f"{states[state]:g}"
        if state == "half_open" and states.keys() == {"closed", "open"}:
            return "NaN"  # equal to nothing: such a circuit is never half-open
        told = ", ".join(f"{value:g} is {word}" for word, value in states.items()) or "its targets contradict each other"
        words = f"the help text of {coding.metric} does not say which number means {state}: {told}"
        raise UnstatedState(words.replace("half_open", "half-open"))

    return _STATE.sub(number, text)


def witnessed(text: str, *, signals: Mapping[str, Signal] | None = None) -> tuple[tuple[Signal, str], ...]:
    """Every signal with witnesses that a text is made of, also through other signals, with the window it is asked over."""
    known = load_signals() if signals is None else signals
    found: dict[tuple[str, str], Signal] = {}

    def walk(text: str, window: str) -> None:
        for match in REFERENCE.finditer(text):
            inner = (match[2] or "").replace("$window", window)
            signal = known.get(match[1])
            if signal is None:
                continue
            if signal.witnesses:
                found[signal.id, inner] = signal
            for item in signal.definitions:
                walk(item.expression, inner)

    walk(text, "")
    return tuple((signal, window) for (_, window), signal in found.items())


def needed(signals: Iterable[Signal]) -> tuple[Evidence, ...]:
    """What has to be looked for on a server to decide these signals, each once."""
    found: dict[Evidence, None] = {}
    for signal in signals:
        found.update((item.needs, None) for item in signal.definitions if item.needs)
        found.update((Evidence(item.unless), None) for item in signal.definitions if item.unless)
        found.update((item.needs, None) for item in signal.witnesses)
    return tuple(found)


def _signal(name: str, entry: _Signal, known: Signal | None, *, where: str) -> Signal:
    """The signal of an entry, its definitions before those of `known`; what the entry leaves out is as there."""
    if not entry.definitions:
        raise SignalError(f"{where}: the signal {name} has no definition")
    about, unit = entry.about or (known.about if known else ""), entry.unit or (known.unit if known else None)
    if not about or unit is None:
        raise SignalError(f"{where}: the signal {name} is new and lacks {'`about`' if not about else '`unit`'}")
    if known is not None and (unit, entry.by or known.by) != (known.unit, known.by):
        told = f"{known.unit} by {', '.join(known.by) or 'nothing'}"
        raise SignalError(f"{where}: the signal {name} is measured in {told}, and so are all its definitions")
    definitions = tuple(_definition(item, where=f"{where}: {name}") for item in entry.definitions)
    witnesses = tuple(
        Witness(item.id, item.says, item.expr.strip(), _evidence(item.needs), item.ratio, item.events)
        for item in entry.witnesses
    )
    if known is not None:
        definitions, witnesses = definitions + known.definitions, witnesses + known.witnesses
    return Signal(name, about, unit, entry.by or (known.by if known else ()), definitions, witnesses)


def _definition(entry: _Definition, *, where: str) -> Definition:
    states = dict(entry.encoding)
    metric = states.pop("metric", "")
    encoding = None
    if entry.encoding:
        if not isinstance(metric, str) or not metric or not states.keys() <= set(STATES):
            raise SignalError(f"{where}: an encoding names its metric and the numbers of {', '.join(STATES)}")
        encoding = Encoding(metric, tuple((word, float(value)) for word, value in states.items()))
    needs = _evidence(entry.needs) if entry.needs else None
    only, rest = entry.only.strip(), entry.rest.strip()
    return Definition(entry.id, entry.says, entry.expr.strip(), needs, only, rest, entry.unless, encoding)


def _evidence(entry: _Needs) -> Evidence:
    return Evidence(entry.metric, tuple(sorted(entry.labels.items())), entry.type)


TABLE_KEYS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "": _Signal.__struct_fields__,
        "definitions": _Definition.__struct_fields__,
        "witnesses": _Witness.__struct_fields__,
        "needs": _Needs.__struct_fields__,
    }
)
"""What each table of a signal may say, by the key that holds it."""


def read_signal(name: str, entry: object, known: Mapping[str, Signal], *, where: str) -> Signal:
    """One signal by itself, its definitions before those of `known`. Raises msgspec.ValidationError and SignalError."""
    return _signal(name, convert(entry, _Signal), known.get(name), where=where)
