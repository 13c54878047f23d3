"""The values of the simulated platform's series, and their text exposition as prometheus_client writes it."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from console.demo.families import FAMILIES, PLATFORM, Family

_BY_NAME = {family.name: family for family in FAMILIES}
_STAMPED = frozenset(family.name for family in PLATFORM if family.kind != "gauge")
_SECONDS = frozenset({"container_cpu_usage_seconds_total"})
"""Counters of what has no whole numbers."""


@dataclass(slots=True)
class _Observed:
    """One series of a histogram: cumulative counts below each bound, then the sum; `count` is of all."""

    below: list[float]
    count: float = 0.0
    sum: float = 0.0


class Metrics:
    """The values of all series, by family and label text (`provider="paddle",status="start"`).

    A family without labels is 0 from the start; a labelled series appears when it is first used. `at` (Unix seconds) is the
    moment that a `_created` series gets which appears now.
    """

    def __init__(self, *, at: float = 0.0) -> None:
        self.at = at
        self._values: dict[str, dict[str, float]] = {family.name: {} for family in FAMILIES}
        self._observed: dict[str, dict[str, _Observed]] = {}
        self._created: dict[str, dict[str, float]] = {name: {} for name in _STAMPED}
        for family in FAMILIES:
            if family.kind == "histogram":
                self._observed[family.name] = {}
            if not family.by_label and family in PLATFORM:
                self._begin(family)

    def add(self, name: str, labels: str, amount: float) -> None:
        if amount > 0:
            family = self._values[name]
            value = family[labels] = family.get(labels, 0.0) + amount
            if value - amount < 1.0 <= value:
                self._stamp(name, labels)

    def put(self, name: str, labels: str, value: float) -> None:
        self._values[name][labels] = value

    def forget(self, name: str) -> None:
        """Drop every series of a gauge family, before it is set anew for what exists now."""
        self._values[name].clear()

    def keep_only(self, name: str, labels: set[str]) -> None:
        family = self._values[name]
        for gone in [key for key in family if key not in labels]:
            del family[gone]

    def observe(self, name: str, labels: str, *, count: float, shares: Sequence[float], mean: float) -> None:
        """Add `count` observations, of which `shares` are at most the family's bounds, one after the other."""
        if count <= 0:
            return
        held = self._observed[name].get(labels)
        if held is None:
            self._stamp(name, labels)
            held = self._observed[name][labels] = _Observed([0.0] * len(shares))
        for index, share in enumerate(shares):
            held.below[index] += count * share
        held.count += count
        held.sum += count * mean

    def samples(self, names: Collection[str] = ()) -> Iterator[tuple[str, str]]:
        """Series (`name{labels}`) and their values as text, of these families or all that were ever used."""
        for family in FAMILIES:
            if not names or family.name in names:
                yield from self._family(family)

    def text(self) -> str:
        lines: list[str] = []
        for family in FAMILIES:
            # A family without series is announced all the same, as the platform's own client does: nothing was counted yet.
            if family.says:
                lines.append(f"# HELP {family.name} {family.says}")
            lines.append(f"# TYPE {family.name} {family.kind}")
            lines += [f"{series} {value}" for series, value in self._family(family)]
            stamps = self._created.get(family.name)
            if stamps:
                name = f"{family.name.removesuffix('_total')}_created"
                lines.append(f"# TYPE {name} gauge")
                lines += [f"{_series(name, labels)} {number(at)}" for labels, at in stamps.items()]
        return "\n".join(lines) + "\n"

    def _begin(self, family: Family) -> None:
        if family.kind == "histogram":
            self._observed[family.name][""] = _Observed([0.0] * len(family.bounds))
        else:
            self._values[family.name][""] = 0.0
        self._stamp(family.name, "")

    def _stamp(self, name: str, labels: str) -> None:
        if name in _STAMPED:
            self._created[name].setdefault(labels, self.at)

    def _family(self, family: Family) -> Iterator[tuple[str, str]]:
        name = family.name
        if family.kind == "histogram":
            for labels, held in self._observed[name].items():
                comma = "," if labels else ""
                for bound, value in zip(family.bounds, held.below, strict=True):
                    yield f'{name}_bucket{{le="{number(bound)}"{comma}{labels}}}', number(math.floor(value))
                yield f'{name}_bucket{{le="+Inf"{comma}{labels}}}', number(math.floor(held.count))
                yield _series(f"{name}_count", labels), number(math.floor(held.count))
                if family.bounds[0] >= 0:  # else prometheus_client exports no sum: it might fall
                    yield _series(f"{name}_sum", labels), number(round(held.sum, 6))
            return
        whole = family.kind == "counter" and name not in _SECONDS
        for labels, value in self._values[name].items():
            if whole and labels and value < 1.0 and name in _STAMPED:
                continue  # a request that is counted in fractions has not happened yet
            yield _series(name, labels), number(math.floor(value) if whole else float(f"{value:.9g}"))


def bounds(name: str) -> tuple[float, ...]:
    """The upper edges of a histogram's buckets, without +Inf."""
    return _BY_NAME[name].bounds


def number(value: float) -> str:
    """As prometheus_client writes it, which is as Go does: `2.0`, `250000.0`, `1e+06`."""
    text = repr(float(value))
    point = text.find(".")
    if value > 0 and point > 6:  # from there on Go writes an exponent
        mantissa = f"{text[0]}.{text[1:point]}{text[point + 1 :]}".rstrip("0.")
        return f"{mantissa}e+{point - 1:02}"
    return text


def _series(name: str, labels: str) -> str:
    return f"{name}{{{labels}}}" if labels else name
