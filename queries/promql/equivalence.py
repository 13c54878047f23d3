"""Equivalence of PromQL expressions by the normal form of their syntax trees, and their differences in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from itertools import combinations

from queries.model.frozen import dataclass
from queries.promql.normal_form import Blind, Form, Incomparable, Key, NodeTable, Normalizer, format_factor
from queries.text.durations import format_duration

__all__ = ["Differs", "FormDifference", "Forms", "Incomparable"]


class Differs(StrEnum):
    """The kind of a difference between two expressions."""

    UNIT = "unit"
    WINDOW = "window"
    FILTER = "filter"
    DENOMINATOR = "denominator"
    COMPLEMENT = "complement"
    METRICS = "metrics"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class FormDifference:
    kind: Differs
    text: str


class Forms:
    """Normalizes expressions. Each set of rules expands recorded names by its own definitions.

    Commutative operands, matchers and `by` are sorted; parentheses, units of durations and constants are resolved;
    increase() is rate() times its window; a factor moves outwards through linear functions.
    """

    def __init__(self, **sets: Mapping[str, str]) -> None:
        self._sets = sets
        self._normalizers: dict[tuple[str, Blind], Normalizer] = {}
        self._tables: dict[Blind, NodeTable] = {}

    def form(self, expression: str, rules: str) -> Form:
        """The form of an expression; `rules` names the set that defines its recorded names. Raises Incomparable."""
        return self._normalizer(rules, Blind()).normalize(expression)

    def recorded(self, name: str, rules: str) -> Form:
        """The form of a recorded name in a set of rules. Raises Incomparable."""
        return self._normalizer(rules, Blind()).recorded(name)

    def equal(self, one: Form, other: Form) -> bool:
        return one.number == other.number and format_factor(one.factor) == format_factor(other.factor)

    def differences(self, theirs: tuple[str, str], ours: tuple[str, str]) -> tuple[FormDifference, ...]:
        """The differences between two expressions, each with the name of its set; empty if they are equivalent.

        Raises Incomparable.
        """
        one, other = self.form(*theirs), self.form(*ours)
        if self.equal(one, other):
            return ()
        found = next(filter(None, (self._differences(theirs, ours, blind) for blind in _BLINDS)), ())
        return found or tuple(self._other_differences(one, other))

    def _normalizer(self, rules: str, blind: Blind) -> Normalizer:
        key = (rules, blind)
        if key not in self._normalizers:
            table = self._tables.setdefault(blind, NodeTable())
            self._normalizers[key] = Normalizer(table, self._sets[rules], blind)
        return self._normalizers[key]

    def _differences(self, theirs: tuple[str, str], ours: tuple[str, str], blind: Blind) -> tuple[FormDifference, ...]:
        """The differences if only a factor and what `blind` ignores differ; else empty."""
        (their_text, their_set), (our_text, our_set) = theirs, ours
        one, other = (
            self._normalizer(their_set, blind).normalize(their_text),
            self._normalizer(our_set, blind).normalize(our_text),
        )
        table = self._tables[blind]
        full = self._tables[Blind()]
        left, right = (_features(full, form.number) for form in (self.form(*theirs), self.form(*ours)))
        found: list[FormDifference] = []
        if blind.windows:
            found.append(_between(Differs.WINDOW, "window", left.windows, right.windows))
        if blind.filters:
            found.append(_between(Differs.FILTER, "filter", left.filters, right.filters))
        if one.number == other.number:
            if format_factor(one.factor) != format_factor(other.factor):
                found.append(_unit(one, other))
            return tuple(found)
        if _complements(table, one, other):
            return (*found, FormDifference(Differs.COMPLEMENT, "it computes the complement of the console's expression"))
        return ()

    def _other_differences(self, one: Form, other: Form) -> Iterator[FormDifference]:
        """The differences beyond a window, a filter or a factor."""
        table = self._tables[Blind()]
        left, right = _features(table, one.number), _features(table, other.number)
        divisors = [_divisors(table, form.number) for form in (one, other)]
        if all(divisors) and divisors[0] != divisors[1]:
            yield FormDifference(Differs.DENOMINATOR, "it divides by something else")
        if format_factor(one.factor) != format_factor(other.factor):
            yield FormDifference(Differs.UNIT, f"factor {one.factor:.6g} instead of {other.factor:.6g}")
        if left.metrics != right.metrics:
            yield _between(Differs.METRICS, "metric", left.metrics, right.metrics)
        if left.windows != right.windows:
            yield _between(Differs.WINDOW, "window", left.windows, right.windows)
        if left.metrics == right.metrics and left.filters != right.filters:
            yield _between(Differs.FILTER, "filter", left.filters, right.filters)
        if left == right and format_factor(one.factor) == format_factor(other.factor):
            yield FormDifference(Differs.OTHER, "it computes something else from the same series")


_BLINDS = tuple(
    Blind(**dict.fromkeys(chosen, True)) for size in range(3) for chosen in combinations(("windows", "filters"), size)
)


@dataclass(frozen=True, slots=True)
class _Features:
    """The metrics, windows and filters that a normal form reads."""

    metrics: tuple[str, ...] = ()
    windows: tuple[str, ...] = ()
    filters: tuple[str, ...] = ()


def _features(table: NodeTable, number: int) -> _Features:
    metrics: set[str] = set()
    windows: set[float] = set()
    filters: set[str] = set()
    seen: set[int] = set()
    waiting = [number]
    while waiting:
        current = waiting.pop()
        if current in seen:
            continue
        seen.add(current)
        key = table.keys[current]
        if key[0] == "select":
            metrics.update((key[1],) if isinstance(key[1], str) else key[1])
            filters.update(key[2])
        elif key[0] == "picked":
            filters.update(key[2])
        elif key[0] == "range":
            windows.add(key[2])
        waiting.extend(_children(key))
    return _Features(tuple(sorted(metrics)), tuple(map(format_duration, sorted(windows))), tuple(sorted(filters)))


def _children(key: Key) -> Iterator[int]:
    """The node numbers in a key, by the layout of its kind."""
    kind = key[0]
    if kind in ("picked", "subquery", "range"):
        yield key[1]
    elif kind == "aggregate":
        yield key[6]
        if isinstance(key[4], tuple):
            yield key[4][1]
    elif kind in ("and", "unless"):
        yield from key[2:4]
    elif kind == "call":
        yield from (part[1] for part in key[2:] if isinstance(part, tuple) and isinstance(part[1], int))
    elif kind in ("sum", "product"):
        yield from (part[0] for part in key[1:] if isinstance(part, tuple))
    elif kind not in ("one", "vector", "select", "itself"):
        yield from (part[1] for part in key[2:] if isinstance(part, tuple))


def _divisors(table: NodeTable, number: int) -> tuple[int, ...]:
    """The divisors of a product, also inside a sum with a constant."""
    key = table.keys[number]
    if key[0] == "sum":
        inner = [part[0] for part in key[1:] if isinstance(part, tuple) and part[0] != table.one]
        return _divisors(table, inner[0]) if len(inner) == 1 else ()
    if key[0] != "product":
        return ()
    return tuple(part[0] for part in key[1:] if isinstance(part, tuple) and part[1] < 0)


def _complements(table: NodeTable, one: Form, other: Form) -> bool:
    """Whether one is a constant minus a multiple of the other."""

    def core(form: Form) -> int | None:
        key = table.keys[form.number]
        if key[0] != "sum" or len(key) != 3:
            return form.number
        numbers = [part[0] for part in key[1:] if isinstance(part, tuple)]
        rest = [number for number in numbers if number != table.one]
        return rest[0] if len(rest) == 1 else None

    return core(one) is not None and core(one) == core(other)


def _unit(one: Form, other: Form) -> FormDifference:
    if not one.factor or not other.factor:
        return FormDifference(Differs.UNIT, "it is always 0" if not one.factor else "it is not always 0")
    ratio = one.factor / other.factor
    text = f"{ratio:.6g} times" if abs(ratio) >= 1 else f"1/{1 / ratio:.6g} of"
    return FormDifference(Differs.UNIT, f"it is {text} the console's value")


def _between(kind: Differs, name: str, theirs: tuple[str, ...], ours: tuple[str, ...]) -> FormDifference:
    one, other = ([item for item in left if item not in right] for left, right in ((theirs, ours), (ours, theirs)))
    if one and other:
        return FormDifference(kind, f"{name} {', '.join(one)} instead of {', '.join(other)}")
    verb, found = ("adds", one) if one else ("lacks", other)
    return FormDifference(kind, f"it {verb} the {name}{'s' if len(found) > 1 else ''} {', '.join(found)}")
