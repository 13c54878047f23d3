"""Signals: what is measured, independent of how a build spells it, and the expansion of ${signal[5m]} to PromQL."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import field
from functools import cache
from pathlib import Path
from types import MappingProxyType

import msgspec

from queries.decoding import convert
from queries.model.frozen import dataclass
from queries.model.panel import Unit
from queries.shipped import load_shipped

REFERENCE = re.compile(r"\$\{([a-z][a-z0-9_]*)(?:\[([^\]]+)\])?\}")
"""A reference to a signal: ${signal}, ${signal[5m]} over a window, or ${signal[5m offset 1h]} over an earlier one.

${signal[5m settled]} excludes requests in flight: starts are counted a minute earlier than ends.
"""
SETTLED = "settled"
IN_FLIGHT = "1m"
"""The assumed duration of a request in flight."""
STATES = ("closed", "half_open", "open")
"""The states of a circuit breaker, as definitions name their numbers."""
_STATE = re.compile(rf"\$({'|'.join(STATES)})\b")


class SignalError(ValueError):
    """An invalid or unknown signal; the message names the place and the known ones."""


class UnstatedState(SignalError):
    """The encoding in a metric's help text lacks a state that an expression needs."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a definition needs on a server: series of `metric` with one of the values of each label, and a type."""

    metric: str
    labels: tuple[tuple[str, tuple[str, ...]], ...] = ()
    type: str = ""


@dataclass(frozen=True, slots=True)
class Encoding:
    """The number of each state in a metric: `closed`, `half_open` and `open`."""

    metric: str
    states: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Definition:
    """How one build spells a signal: PromQL with $window, $begun and $provider. `needs` is None if it applies to any server.

    `only` follows `and` when the definitions are joined by `or`: the label sets that this one covers.
    `rest` follows `or` when this one stands alone: the value of label sets without a result.
    `unless` is a metric whose presence rules the definition out.
    `evidence_only` keeps it out of expressions for servers whose series are unknown.
    """

    id: str
    description: str
    expression: str
    needs: Evidence | None = None
    only: str = ""
    rest: str = ""
    unless: str = ""
    encoding: Encoding | None = None
    evidence_only: bool = False


@dataclass(frozen=True, slots=True)
class Witness:
    """A second count of the same. The two contradict each other if they differ by more than `ratio` (0..1) of the larger and
    by at least `events` in the window."""

    id: str
    description: str
    expression: str
    needs: Evidence
    ratio: float = 0.1
    events: float = 20.0


@dataclass(frozen=True, slots=True)
class Signal:
    """What is measured; `by` are the labels of its result. Its definitions are in order of preference."""

    id: str
    about: str
    unit: Unit
    by: tuple[str, ...]
    definitions: tuple[Definition, ...]
    witnesses: tuple[Witness, ...] = ()


@dataclass(frozen=True, slots=True)
class DefinitionChoice:
    """The definition chosen for each signal by id, and the numbers of each metric's states.

    A signal without a choice expands to all its definitions joined by `or`; a metric without an encoding uses the
    catalogue's. `signals` are the catalogue's and the team's own; None for the catalogue's alone.
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
    evidence_only: bool = False


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
def load_catalogue_signals(own: tuple[tuple[str, str], ...] = ()) -> Mapping[str, Signal]:
    """The signals of the catalogue by id. `own` has name and text of each of a team's files: their definitions of an existing
    signal take precedence. Raises SignalError, and YamlError for text that is not YAML.
    """
    known = _read_signals(load_shipped(Path(__file__).with_name("signals.yaml")), where="signals.yaml", known={})
    for where, text in own:
        known = parse_signals(text, where=where, known=known)
    return known


def parse_signals(text: str, *, where: str, known: Mapping[str, Signal] | None = None) -> Mapping[str, Signal]:
    """The signals of a file's text, added to `known`. Raises as `load_signals`."""
    from queries.yaml import load_yaml  # noqa: PLC0415  # only for a team's own

    return _read_signals(load_yaml(text, where=where), where=where, known=known or {})


def _read_signals(value: object, *, where: str, known: Mapping[str, Signal]) -> Mapping[str, Signal]:
    try:
        file = convert(value, _File)
    except msgspec.ValidationError as error:
        raise SignalError(f"{where}: {error}") from None
    signals = dict(known)
    for name, entry in file.signals.items():
        signals[name] = _build_signal(name, entry, signals.get(name), where=where)
    return MappingProxyType(signals)


def find_references(text: str) -> tuple[str, ...]:
    """The names of the signals that a text references, each once."""
    return tuple(dict.fromkeys(match[1] for match in REFERENCE.finditer(text)))


def find_signals(text: str, *, signals: Mapping[str, Signal]) -> tuple[Signal, ...]:
    """The signals that a text references, directly or through other signals, each once."""
    found: dict[str, Signal] = {}

    def walk(text: str) -> None:
        for name in find_references(text):
            if name in signals and name not in found:
                found[name] = signals[name]
                for item in signals[name].definitions:
                    walk(item.expression)

    walk(text)
    return tuple(found.values())


def expand_signals(
    text: str, choice: DefinitionChoice = UNDECIDED, *, signals: Mapping[str, Signal] | None = None, where: str = ""
) -> str:
    """The text with every signal reference expanded.

    Raises SignalError for an unknown signal, UnstatedState for a metric whose encoding lacks a state.
    """
    return _Expansion(choice, signals or choice.signals or load_catalogue_signals(), f"{where}: " if where else "").expand(text)


@dataclass(frozen=True, slots=True)
class _Expansion:
    choice: DefinitionChoice
    signals: Mapping[str, Signal]
    place: str

    def expand(self, text: str, window: str | None = None, within: tuple[str, ...] = ()) -> str:
        """`window` is that of the enclosing signal, `within` are all enclosing signals."""

        def substitute(match: re.Match[str]) -> str:
            name, inner = match[1], window if match[2] == "$window" else match[2]
            signal = self.signals.get(name)
            if signal is None:
                raise SignalError(f"{self.place}there is no signal {name!r}; expected one of {', '.join(sorted(self.signals))}")
            if name in within:
                raise SignalError(f"{self.place}the signal {name} references itself: {' > '.join((*within, name))}")
            whole = self.expand(_join_definitions(signal, self.choice), inner, (*within, name))
            if "$window" in whole or "$begun" in whole:
                if inner is None:
                    raise SignalError(f"{self.place}the signal {name} needs a window: ${{{name}[5m]}}")
                span, _, shift = inner.partition(" ")
                start_shift = f"offset {IN_FLIGHT}" if shift == SETTLED else shift
                shift = "" if shift == SETTLED else shift
                whole = whole.replace("[$window]", f"[{span}] {shift}".rstrip()).replace(
                    "[$begun]", f"[{span}] {start_shift}".rstrip()
                )
            return f"({whole})"

        return REFERENCE.sub(substitute, text)


def _join_definitions(signal: Signal, choice: DefinitionChoice) -> str:
    """The chosen definition with its rest; else all of them, each for the label sets that no earlier one covers."""
    chosen = choice.definitions.get(signal.id)
    portable = tuple(item for item in signal.definitions if not item.evidence_only) or signal.definitions
    if chosen is not None:
        texts = [chosen.expression, chosen.rest] if chosen.rest else [chosen.expression]
    elif len(portable) == 1:
        texts = [portable[0].expression]
    else:
        texts = [f"({item.expression}) and {item.only}" if item.only else item.expression for item in portable]
    encodings = [item.encoding for item in ((chosen,) if chosen else portable) if item.encoding]
    whole = texts[0] if len(texts) == 1 else "\nor ".join(f"({text})" for text in texts)
    for encoding in encodings:
        whole = _encode_states(whole, encoding, choice)
    return whole


def _encode_states(text: str, encoding: Encoding, choice: DefinitionChoice) -> str:
    """The text with the number of each state instead of its word."""
    states = choice.encodings.get(encoding.metric, dict(encoding.states))

    def number(match: re.Match[str]) -> str:
        state = match[1]
        if state in states:
            return f"{states[state]:g}"
        if state == "half_open" and states.keys() == {"closed", "open"}:
            return "NaN"  # equal to nothing: such a circuit is never half-open
        stated = ", ".join(f"{value:g} is {word}" for word, value in states.items()) or "its targets contradict each other"
        message = f"the help text of {encoding.metric} does not say which number means {state}: {stated}"
        raise UnstatedState(message.replace("half_open", "half-open"))

    return _STATE.sub(number, text)


def find_witnessed(text: str, *, signals: Mapping[str, Signal] | None = None) -> tuple[tuple[Signal, str], ...]:
    """Every signal with witnesses that a text references, directly or through others, with its window."""
    known = load_catalogue_signals() if signals is None else signals
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


def collect_evidence(signals: Iterable[Signal]) -> tuple[Evidence, ...]:
    """The evidence to look for on a server to choose definitions of these signals, each once."""
    found: dict[Evidence, None] = {}
    for signal in signals:
        found.update((item.needs, None) for item in signal.definitions if item.needs)
        found.update((Evidence(item.unless), None) for item in signal.definitions if item.unless)
        found.update((item.needs, None) for item in signal.witnesses)
    return tuple(found)


def _build_signal(name: str, entry: _Signal, known: Signal | None, *, where: str) -> Signal:
    """The signal of an entry, with its definitions before those of `known`, which also fills missing fields."""
    if not entry.definitions:
        raise SignalError(f"{where}: the signal {name} has no definition")
    about, unit = entry.about or (known.about if known else ""), entry.unit or (known.unit if known else None)
    if not about or unit is None:
        raise SignalError(f"{where}: the signal {name} is new and lacks {'`about`' if not about else '`unit`'}")
    if known is not None and (unit, entry.by or known.by) != (known.unit, known.by):
        measured = f"{known.unit} by {', '.join(known.by) or 'nothing'}"
        raise SignalError(f"{where}: the signal {name} is measured in {measured}, and so must its definitions")
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
    return Definition(entry.id, entry.says, entry.expr.strip(), needs, only, rest, entry.unless, encoding, entry.evidence_only)


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
"""The keys of each mapping in a signal, by the key that holds it."""


def read_signal(name: str, entry: object, known: Mapping[str, Signal], *, where: str) -> Signal:
    """Read one signal, its definitions before those of `known`. Raises msgspec.ValidationError and SignalError."""
    return _build_signal(name, convert(entry, _Signal), known.get(name), where=where)
