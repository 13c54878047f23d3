"""What an expression can speak of: metric names, the labels that their series carry, and the labels' known values."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from queries.contract import Contract
from queries.promql import Selector
from queries.taxonomy import Taxonomy


@dataclass(frozen=True, slots=True)
class Word:
    """One metric name. `labels` is None where it is not known what its series carry.

    `values` are all values that a label can take, `seen` some: there may be others.
    """

    name: str
    labels: frozenset[str] | None
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    seen: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    recorded: bool = False


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The known names. `complete` says that what is not among them is exported by nobody; else it is only not known here.

    `target_labels` may be on any series that is scraped.
    """

    words: Mapping[str, Word]
    target_labels: frozenset[str] = frozenset()
    complete: bool = False

    @classmethod
    def of_contract(cls, contract: Contract, taxonomy: Taxonomy) -> Vocabulary:
        """What the contract promises, by the names under which it is stored, with the codes that are known."""
        words: dict[str, Word] = {}
        codes = {"code": tuple(sorted(taxonomy.words))}
        for metric in contract.metrics:
            for name in metric.series:
                own = frozenset((*metric.labels, *metric.also, *(("le",) if name.endswith("_bucket") else ())))
                words[name] = Word(name, None if metric.any_label else own, metric.values, codes if "code" in own else {})
        return cls(words, contract.target_labels)

    def get(self, name: str) -> Word | None:
        return self.words.get(name)

    def chosen(self, selector: Selector) -> tuple[Word | None, ...]:
        """The words that a selector can mean: None for each name that it spells out and that is not known."""
        if selector.metrics:
            return tuple(self.words.get(name) for name in selector.metrics)
        named = [item for item in selector.matchers if item.name == "__name__"]
        if not named:
            return (None,)
        return tuple(word for name, word in self.words.items() if all(item.takes(name) for item in named))

    def near(self, name: str) -> str:
        """A known name that is spelled much like this one; empty where there is none."""
        return next(iter(difflib.get_close_matches(name, self.words, n=1, cutoff=0.8)), "")

    def extended(self, words: Iterable[Word], *, complete: bool | None = None) -> Vocabulary:
        """With more words; one that is there already is replaced."""
        more = {**self.words, **{word.name: word for word in words}}
        return replace(self, words=more, complete=self.complete if complete is None else complete)
