"""Compare two trees by the median of the ratios of pairs that ran one after the other, and say it in one table."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

LIMIT = 1.05
"""A ratio beyond this counts as slower, larger, or more."""
Run = Mapping[str, float]
"""The figures of one run by their names."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """One figure of both trees: the medians, and the pairs' ratios new ÷ base in rising order."""

    figure: str
    unit: str
    base: float
    new: float
    pairs: tuple[float, ...]
    control: bool = False
    """The same program on both sides: it only tells how quiet the machine was, and is never over the limit."""

    @property
    def median(self) -> float:
        return statistics.median(self.pairs)

    @property
    def over(self) -> bool:
        return self.median > LIMIT and not self.control


def divide(new: float, base: float) -> float:
    """New ÷ base; nothing against nothing is equal, something against nothing is infinitely more."""
    if base == 0:
        return 1.0 if new == 0 else math.inf
    return new / base


def compare(
    pairs: Sequence[tuple[Run, Run]], *, units: Mapping[str, str], controls: frozenset[str] = frozenset()
) -> tuple[list[Ratio], list[str]]:
    """Of (base, new) runs: the ratio of every figure that each run has, and the names of those that a run lacks."""
    names = list(dict.fromkeys(name for pair in pairs for run in pair for name in run))
    whole = [name for name in names if all(name in run for pair in pairs for run in pair)]
    found = []
    for name in whole:
        bases, news = [base[name] for base, _ in pairs], [new[name] for _, new in pairs]
        ratios = sorted(divide(new, base) for base, new in zip(bases, news, strict=True))
        medians = statistics.median(bases), statistics.median(news)
        found.append(Ratio(name, units[name], *medians, tuple(ratios), control=name in controls))
    return found, [name for name in names if name not in whole]


def table(ratios: Sequence[Ratio], *, base: str, new: str) -> str:
    """Markdown: a row a figure, then one sentence on what is over the limit."""
    count = len(ratios[0].pairs) if ratios else 0
    lines = [
        f"Base {base}, new {new}; {count} pairs, interleaved; the ratio is the median of the pairs' ratios new ÷ base.",
        "",
        "| figure | base | new | ratio | pairs | |",
        "| --- | ---: | ---: | ---: | --- | --- |",
    ]
    for one in ratios:
        verdict = "control" if one.control else "OVER" if one.over else "ok"
        values = f"{one.base:.4g} {one.unit}".strip(), f"{one.new:.4g} {one.unit}".strip()
        spread = f"{one.pairs[0]:.2f}–{one.pairs[-1]:.2f}"
        lines.append(f"| {one.figure} | {values[0]} | {values[1]} | {one.median:.3f} | {spread} | {verdict} |")
    over = [f"{one.figure} {one.median:.3f} (pairs {one.pairs[0]:.2f}–{one.pairs[-1]:.2f})" for one in ratios if one.over]
    return "\n".join([*lines, "", f"Over {LIMIT}: {'; '.join(over) or 'none'}."])
