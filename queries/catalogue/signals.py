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
"""How a text names a signal: ${signal}, or ${signal[5m]} with a window."""
_ENCODING_WORDS = ("closed", "half_open", "open")


class SignalError(ValueError):
    """A signal that does not fit, or one that does not exist; the message names the place and what there is."""


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
    """How one build spells a signal: PromQL with $window and $provider. `needs` is None where any server will do.

    `only` is what follows `and` where the definitions stand joined by `or`: the label sets that this one may speak for.
    """

    id: str
    says: str
    expression: str
    needs: Evidence | None = None
    only: str = ""
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
class Choice:
    """What evidence decided: the definition of each signal by its id, and the numbers of each metric's states.

    A signal without a decision stands as all its definitions joined by `or`; a metric without a coding as the catalogue has it.
    """

    definitions: Mapping[str, Definition] = field(default_factory=lambda: MappingProxyType({}))
    encodings: Mapping[str, Mapping[str, float]] = field(default_factory=lambda: MappingProxyType({}))


UNDECIDED = Choice()


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
    encoding: dict[str, str | float] = {}


class _Witness(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    says: str
    expr: str
    needs: _Needs
    ratio: float = 0.1
    events: float = 20.0


class _Signal(msgspec.Struct, forbid_unknown_fields=True):
    about: str
    unit: Unit
    definitions: tuple[_Definition, ...]
    by: tuple[str, ...] = ()
    witnesses: tuple[_Witness, ...] = ()


class _File(msgspec.Struct, forbid_unknown_fields=True):
    signals: dict[str, _Signal]


@cache
def load_signals() -> Mapping[str, Signal]:
    """The signals of the catalogue, by id. Raises SignalError."""
    text = resources.files(__package__).joinpath("signals.yaml").read_text(encoding="utf-8")
    return parse_signals(text, where="signals.yaml")


def parse_signals(text: str, *, where: str) -> Mapping[str, Signal]:
    """The signals of a file's text. Raises SignalError, and YamlError for what is no YAML."""
    try:
        file = convert(loads(text, where=where), _File)
    except msgspec.ValidationError as error:
        raise SignalError(f"{where}: {error}") from None
    found = {name: _signal(name, entry, where=where) for name, entry in file.signals.items()}
    return MappingProxyType(found)


def referenced(text: str) -> tuple[str, ...]:
    """The signals that a text names, each once."""
    return tuple(dict.fromkeys(match[1] for match in REFERENCE.finditer(text)))


def expand(text: str, choice: Choice = UNDECIDED, *, signals: Mapping[str, Signal] | None = None, where: str = "") -> str:
    """The text with every signal's expression in its place. Raises SignalError for a signal that does not exist."""
    return _expand(text, choice, load_signals() if signals is None else signals, where, ())


def _expand(text: str, choice: Choice, signals: Mapping[str, Signal], where: str, within: tuple[str, ...]) -> str:
    def put(match: re.Match[str]) -> str:
        name, window = match[1], match[2]
        signal = signals.get(name)
        place = f"{where}: " if where else ""
        if signal is None:
            raise SignalError(f"{place}there is no signal {name!r}; there are {', '.join(sorted(signals))}")
        if name in within:
            raise SignalError(f"{place}the signal {name} is made of itself: {' of '.join((*within, name))}")
        decided = choice.definitions.get(name)
        texts = [_one(item, choice) for item in ((decided,) if decided else signal.definitions)]
        if decided is None and len(texts) > 1:
            texts = [
                f"({text}) and {item.only}" if item.only else text for text, item in zip(texts, signal.definitions, strict=True)
            ]
        whole = "\nor ".join(f"({item})" if len(texts) > 1 else item for item in texts)
        if "$window" in whole and window is None:
            raise SignalError(f"{place}the signal {name} wants a window: ${{{name}[5m]}}")
        if window is not None:
            whole = whole.replace("$window", window)
        return f"({_expand(whole, choice, signals, where, (*within, name))})"

    return REFERENCE.sub(put, text)


def _one(definition: Definition, choice: Choice) -> str:
    coding = definition.encoding
    if coding is None:
        return definition.expression
    states = choice.encodings.get(coding.metric) or dict(coding.states)
    text = definition.expression
    for word in _ENCODING_WORDS:
        text = re.sub(rf"\${word}\b", f"{states[word]:g}", text) if word in states else text
    return text


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
    found = (item.needs for signal in signals for item in (*signal.definitions, *signal.witnesses))
    return tuple(dict.fromkeys(item for item in found if item is not None))


def _signal(name: str, entry: _Signal, *, where: str) -> Signal:
    if not entry.definitions:
        raise SignalError(f"{where}: the signal {name} has no definition")
    return Signal(
        name,
        entry.about,
        entry.unit,
        entry.by,
        tuple(_definition(item, where=f"{where}: {name}") for item in entry.definitions),
        tuple(
            Witness(item.id, item.says, item.expr.strip(), _evidence(item.needs), item.ratio, item.events)
            for item in entry.witnesses
        ),
    )


def _definition(entry: _Definition, *, where: str) -> Definition:
    states = dict(entry.encoding)
    metric = states.pop("metric", "")
    encoding = None
    if entry.encoding:
        if not isinstance(metric, str) or not metric or not states.keys() <= set(_ENCODING_WORDS):
            raise SignalError(f"{where}: an encoding names its metric and the numbers of {', '.join(_ENCODING_WORDS)}")
        encoding = Encoding(metric, tuple((word, float(value)) for word, value in states.items()))
    needs = _evidence(entry.needs) if entry.needs else None
    return Definition(entry.id, entry.says, entry.expr.strip(), needs, entry.only.strip(), encoding)


def _evidence(entry: _Needs) -> Evidence:
    return Evidence(entry.metric, tuple(sorted(entry.labels.items())), entry.type)
