"""The nine error codes, and the spellings of providers, their clients and older builds, from taxonomy.yaml."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

import msgspec

from queries.decoding import convert
from queries.model.frozen import dataclass
from queries.model.later import lazy_pattern
from queries.model.series import Sample, label
from queries.shipped import load_shipped

_STATUS = lazy_pattern(r"(?:HTTP|STATUS)?_*([1-5]\d\d)")


class Meaning(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The meaning of one of the nine, and what to check first."""

    means: str
    first: str


class CodeSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A metric with error codes, and the label that names their source."""

    metric: str
    by: str

    @property
    def created(self) -> str:
        """The gauge with the creation time of each series, if the client exports it."""
        return f"{self.metric.removesuffix('_total')}_created"


class _Provider(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    exceptions: dict[str, str] = {}
    statuses: dict[int, str] = {}


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    codes: dict[str, Meaning]
    counted: tuple[CodeSource, ...]
    spellings: dict[str, str]
    exceptions: dict[str, str]
    statuses: dict[int, str]
    providers: dict[str, _Provider]


@dataclass(frozen=True, slots=True)
class CodeShare:
    """The count of one of the nine; `raw` are the codes as sent, most frequent first.

    `code` is empty for codes that map to none of the nine.
    """

    code: str
    value: float
    raw: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Taxonomy:
    """The mapping to the nine codes; `counted` are the metrics with codes. Look-ups ignore case and word separators."""

    codes: Mapping[str, Meaning]
    counted: tuple[CodeSource, ...]
    spellings: frozenset[str]
    _words: Mapping[str, str]
    _own: Mapping[str, Mapping[str, str]]
    _team: Mapping[str, str]

    @property
    def known_codes(self) -> frozenset[str]:
        """Every known code: the nine, and the upper-case spellings that map to them."""
        return frozenset(self.codes) | self.spellings | frozenset(self._team)

    def map(self, raw: str, *, provider: str = "") -> str:
        """The one of the nine for a code, an exception's name or a status; empty for a mapping gap."""
        word = normalize_code(raw)
        if word in self.codes:
            return word
        name = provider.lower()
        own = self._own.get(name) or self._own.get(name.partition("_")[0], {})  # `deepseek_hf` is one of deepseek's
        status = _STATUS.fullmatch(word)
        for key in (word, normalize_code(raw.rpartition(".")[2]), status[1] if status else word):
            if found := self._team.get(key) or own.get(key) or self._words.get(key):
                return found
        # RFC 9110, section 15: an unknown status means the x00 of its class.
        return self._words.get(f"{status[1][0]}00", "") if status else ""

    def format(self, raw: str, *, provider: str = "") -> str:
        """A code for the screen: one of the nine, with the raw code if it differs."""
        code = self.map(raw, provider=provider)
        if not code:
            return f"none of the nine ({raw or 'empty'})"
        return code if raw == code else f"{code} ({raw})"

    def shares(self, samples: Iterable[Sample], *, by: str = "provider") -> tuple[CodeShare, ...]:
        """Samples with a `code` label summed by the nine, the most frequent first; mapping gaps share one entry."""
        summed: dict[str, dict[str, float]] = {}
        for sample in samples:
            raw = label(sample.labels, "code")
            found = summed.setdefault(self.map(raw, provider=label(sample.labels, by)), {})
            found[raw] = found.get(raw, 0.0) + sample.value
        shares = [
            CodeShare(code, sum(raw.values()), tuple(sorted(raw.items(), key=lambda item: (-item[1], item[0]))))
            for code, raw in summed.items()
        ]
        return tuple(sorted(shares, key=lambda item: (-item.value, item.code)))


_team_codes: tuple[tuple[str, str], ...] = ()


def use_team_codes(codes: Iterable[tuple[str, str]]) -> None:
    """Register a team's own codes (code, one of the nine) for this process."""
    global _team_codes  # noqa: PLW0603  # one process serves one configuration
    _team_codes = tuple(codes)


def load_taxonomy() -> Taxonomy:
    """The built-in taxonomy with the team's own codes."""
    return _with_team(_team_codes)


@cache
def _with_team(codes: tuple[tuple[str, str], ...]) -> Taxonomy:
    return replace(_built_in(), _team={normalize_code(word): code for word, code in codes})


def team_code_problem(taxonomy: Taxonomy, word: str, code: str) -> str:
    """The error in a team's own code, else empty."""
    nine = ", ".join(taxonomy.codes)
    if normalize_code(word) in taxonomy.codes:
        if code not in taxonomy.codes and code.strip():
            return f"this is one of the nine, and {code!r} is not: swap them, {code}: {normalize_code(word)}"
        return "this is one of the nine already; expected a code of your own here"
    if code in taxonomy.codes:
        return ""
    import difflib  # noqa: PLC0415  # only after a mistake

    near = difflib.get_close_matches(normalize_code(code), taxonomy.codes, n=1, cutoff=0.5)
    return f"{code!r} is none of the nine, " + (f"did you mean {near[0]}?" if near else f"expected one of {nine}")


@cache
def _built_in() -> Taxonomy:
    file = convert(load_shipped(Path(__file__).with_name("taxonomy.yaml")), _File, strict=False)
    own = {name: _merge_words(item.exceptions, item.statuses) for name, item in file.providers.items()}
    words = {**_merge_words(file.exceptions, file.statuses), **_merge_words(file.spellings, {})}
    for code in {*words.values(), *(code for item in own.values() for code in item.values())}:
        if code not in file.codes:
            raise ValueError(f"taxonomy.yaml: {code} is not one of the codes")
    return Taxonomy(file.codes, file.counted, frozenset(map(normalize_code, file.spellings)), words, own, {})


def _merge_words(words: Mapping[str, str], statuses: Mapping[int, str]) -> dict[str, str]:
    return {normalize_code(word): code for word, code in words.items()} | {str(key): code for key, code in statuses.items()}


def normalize_code(text: str) -> str:
    """`rate-limit`, `Rate limit` and `RATE_LIMIT` become one word; a name in camel case stays one."""
    return re.sub(r"[\s_\-]+", "_", text.strip()).upper()
