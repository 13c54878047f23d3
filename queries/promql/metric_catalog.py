"""The metric catalogue: metric names, the labels of their series, and known label values."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Collection, Iterable, Mapping

import msgspec

from queries.catalogue.contract import Contract
from queries.catalogue.error_codes import Taxonomy
from queries.catalogue.exported import PARTS, ExportedMetric
from queries.promql.syntax import Selector


class MetricInfo(msgspec.Struct, frozen=True):
    """One metric name. `labels` is None if the labels of its series are unknown.

    `values` are all values that a label can have, `seen` are some of them. `type` is empty if unknown.
    `certain` labels are on every series, `fixed` ones with one value; if `labels` is None, `lacks` are on none.
    """

    name: str
    labels: frozenset[str] | None
    values: Mapping[str, tuple[str, ...]] = {}
    seen: Mapping[str, tuple[str, ...]] = {}
    recorded: bool = False
    type: str = ""
    certain: frozenset[str] = frozenset()
    fixed: Mapping[str, str] = {}
    lacks: frozenset[str] = frozenset()


class MetricCatalog(msgspec.Struct, frozen=True):
    """The known names. `complete`: a name that is not among them does not exist; otherwise it is merely unknown.

    `target_labels` may be on any scraped series. `families` are types by family name, which for a histogram is not the name
    of any series.
    """

    metrics: Mapping[str, MetricInfo]
    target_labels: frozenset[str] = frozenset()
    complete: bool = False
    families: Mapping[str, str] = {}
    native: frozenset[str] = frozenset()
    """Histograms that the server stores as one native series each: they have no `_bucket`, `_count` or `_sum`."""
    partial: str = ""
    """Why a server's response is partial: no name then counts as missing, and the known names exclude the server's."""

    @classmethod
    def from_contract(cls, contract: Contract, taxonomy: Taxonomy) -> MetricCatalog:
        """The contract's metrics by series name, with the known error codes."""
        metrics: dict[str, MetricInfo] = {}
        codes = {"code": tuple(sorted(taxonomy.known_codes))}
        for metric in contract.metrics:
            for name in metric.series:
                more = frozenset({"le"}) if name.endswith("_bucket") else frozenset()
                each = frozenset(metric.labels) | more
                labels = None if metric.any_label else each | frozenset(metric.also)
                kind = "counter" if name != metric.name else metric.type
                seen = codes if "code" in each else {}
                metrics[name] = MetricInfo(name, labels, metric.values, seen, type=kind, certain=each)
        families = {metric.name: str(metric.type) for metric in contract.metrics}
        return cls(metrics, contract.target_labels, families=families)

    def with_exported(self, exported: Mapping[str, ExportedMetric]) -> MetricCatalog:
        """Add what a build is known to export; the contract takes precedence."""
        metrics = dict(self.metrics)
        for family, metric in exported.items():
            for part in PARTS.get(metric.type, ("",)):
                name = family + part
                if part == "_sum" and metric.begins_below_zero:
                    metrics.pop(name, None)
                    continue
                more = {"le": metric.buckets} if part == "_bucket" and metric.buckets else {}
                each = frozenset(metric.labels) | (frozenset({"le"}) if part == "_bucket" else frozenset())
                info = metrics.get(name) or MetricInfo(name, each, type="counter" if part else metric.type, certain=each)
                metrics[name] = msgspec.structs.replace(info, seen={**metric.values, **more, **info.seen})
        families = {**{name: metric.type for name, metric in exported.items()}, **self.families}
        return msgspec.structs.replace(self, metrics=metrics, families=families)

    def get(self, name: str) -> MetricInfo | None:
        return self.metrics.get(name)

    def select(self, selector: Selector) -> tuple[MetricInfo | None, ...]:
        """The metrics that a selector can match: None for each unknown name that it spells out."""
        if selector.metrics:
            return tuple(self.metrics.get(name) for name in selector.metrics)
        named = [item for item in selector.matchers if item.name == "__name__"]
        if not named:
            return (None,)
        return tuple(info for name, info in self.metrics.items() if all(item.matches(name) for item in named))

    def extend(self, metrics: Iterable[MetricInfo], *, complete: bool | None = None) -> MetricCatalog:
        """Add metrics; an existing one is replaced."""
        more = {**self.metrics, **{info.name: info for info in metrics}}
        return msgspec.structs.replace(self, metrics=more, complete=self.complete if complete is None else complete)


class Spelling:
    """Finds a known name with a similar spelling, among those that share a word with the unknown one."""

    def __init__(self, names: Collection[str]) -> None:
        self._names = names
        self._found: dict[str, str] = {}
        self._typos: dict[str, bool] = {}

    @functools.cached_property
    def _by_word(self) -> dict[str, list[str]]:
        by_word: dict[str, list[str]] = {}
        for name in self._names:
            for word in _parts(name):
                by_word.setdefault(word, []).append(name)
        return by_word

    def near(self, name: str) -> str:
        """A known name with a similar spelling, else empty."""
        if name not in self._found:
            self._found[name] = self._search(name)
        return self._found[name]

    def _search(self, name: str) -> str:
        shared: dict[str, int] = {}
        parts = _parts(name)
        for word in parts:
            for other in self._by_word.get(word, ())[:_MOST_OF_A_WORD]:
                shared[other] = shared.get(other, 0) + 1
        likely = sorted(shared, key=lambda other: -shared[other])[:_MOST_COMPARED]
        return next(iter(difflib.get_close_matches(name, likely, n=1, cutoff=0.8)), "")

    def is_typo(self, name: str) -> bool:
        """Whether the near name differs in one word only, by a letter or two: `hit` and `hits`."""
        if name not in self._typos:
            self._typos[name] = _differs_in_one_word(_parts(name), _parts(self.near(name)))
        return self._typos[name]


_MOST_OF_A_WORD = 400
_MOST_COMPARED = 30
_SHORTEST_TYPO = 3
_SHORTEST_DOUBLE_TYPO = 6


def _parts(name: str) -> list[str]:
    return name.replace(":", "_").split("_")


def _differs_in_one_word(one: list[str], other: list[str]) -> bool:
    if len(one) != len(other):
        return False
    different = [(left, right) for left, right in zip(one, other, strict=True) if left != right]
    return len(different) == 1 and _is_misspelling(*different[0])


def _is_misspelling(one: str, other: str) -> bool:
    """Whether one letter is missing, added, changed or swapped with the next; in a long word two."""
    short, long = sorted((one, other), key=len)
    if len(short) < _SHORTEST_TYPO:
        return False
    return _distance(short, long) <= (2 if len(long) >= _SHORTEST_DOUBLE_TYPO else 1)


def _distance(one: str, other: str) -> int:
    """The Damerau-Levenshtein distance: letters added, removed, changed or swapped with the next."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, start=1):
        above, before, row = before, row, [i]
        for j, candidate in enumerate(other, start=1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != candidate))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == candidate:
                cost = min(cost, above[j - 2] + 1)
            row.append(cost)
    return row[-1]
