"""The values of the simulated platform's series, and their text exposition in the style of prometheus_client."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from console.demo.families import FAMILIES, PLATFORM, Family

_BY_NAME = {family.name: family for family in FAMILIES}
_STAMPED = frozenset(family.name for family in PLATFORM if family.kind != "gauge")
_SECONDS = frozenset({"container_cpu_usage_seconds_total"})
"""Counters with fractional values."""


@dataclass(slots=True)
class _Observed:
    """One series of a histogram: cumulative counts per bound, total count and sum."""

    below: list[float]
    count: float = 0.0
    sum: float = 0.0


class Metrics:
    """The values of all series, by family and label text (`provider="paddle",status="start"`).

    A family without labels is 0 from the start; a labelled series appears at its first use. `at` (Unix seconds) is the value
    of a `_created` series that appears now.
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
        """Drops every series of a gauge family."""
        self._values[name].clear()

    def keep_only(self, name: str, labels: set[str]) -> None:
        family = self._values[name]
        for gone in [key for key in family if key not in labels]:
            del family[gone]

    def observe(self, name: str, labels: str, *, count: float, shares: Sequence[float], mean: float) -> None:
        """Adds `count` observations; `shares` are the cumulative shares per bound of the family."""
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
        """Series (`name{labels}`) and values as text, of these families or all used ones."""
        for family in FAMILIES:
            if not names or family.name in names:
                yield from self._family(family)

    def text(self) -> str:
        lines: list[str] = []
        for family in FAMILIES:
            # As in prometheus_client, a family without series has HELP and TYPE too.
            if family.help:
                lines.append(f"# HELP {family.name} {family.help}")
            lines.append(f"# TYPE {family.name} {family.kind}")
            lines += [f"{series} {value}" for series, value in self._family(family)]
            stamps = self._created.get(family.name)
            if stamps:
                name = f"{family.name.removesuffix('_total')}_created"
                lines.append(f"# TYPE {name} gauge")
                lines += [f"{_series(name, labels)} {format_sample(at)}" for labels, at in stamps.items()]
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
                    yield f'{name}_bucket{{le="{format_sample(bound)}"{comma}{labels}}}', format_sample(math.floor(value))
                yield f'{name}_bucket{{le="+Inf"{comma}{labels}}}', format_sample(math.floor(held.count))
                yield _series(f"{name}_count", labels), format_sample(math.floor(held.count))
                if family.bounds[0] >= 0:  # else prometheus_client exports no sum, which could decrease
                    yield _series(f"{name}_sum", labels), format_sample(round(held.sum, 6))
            return
        whole = family.kind == "counter" and name not in _SECONDS
        for labels, value in self._values[name].items():
            if whole and labels and value < 1.0 and name in _STAMPED:
                continue  # a fractional request has not happened yet
            yield _series(name, labels), format_sample(math.floor(value) if whole else float(f"{value:.9g}"))


def bucket_bounds(name: str) -> tuple[float, ...]:
    """The bucket bounds of a histogram, without +Inf."""
    return _BY_NAME[name].bounds


def format_sample(value: float) -> str:
    """A value as prometheus_client writes it, which is as in Go: `2.0`, `250000.0`, `1e+06`."""
    text = repr(float(value))
    point = text.find(".")
    if value > 0 and point > 6:  # Go writes an exponent from here on
        mantissa = f"{text[0]}.{text[1:point]}{text[point + 1 :]}".rstrip("0.")
        return f"{mantissa}e+{point - 1:02}"
    return text


def _series(name: str, labels: str) -> str:
    return f"{name}{{{labels}}}" if labels else name
