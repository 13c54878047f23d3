"""The nine error codes, and what providers, their clients and older builds say instead, read from taxonomy.yaml."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources

import msgspec

from queries.decoding import convert
from queries.model.series import Sample, label
from queries.yaml_text import loads

_STATUS = re.compile(r"(?:HTTP|STATUS)?_*([1-5]\d\d)")


class Meaning(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one of the nine says, and what to look at first."""

    means: str
    first: str


class CodeSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A metric with error codes, and the label that names who said them."""

    metric: str
    by: str

    @property
    def born(self) -> str:
        """The gauge that says when each of its series began, where the client exports one."""
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
    """How often one of the nine was counted, and as what: `raw` are the codes as they were sent, most frequent first.

    `code` is empty for what maps to none of the nine.
    """

    code: str
    value: float
    raw: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Taxonomy:
    """`counted` says which metrics hold codes. Look-ups ignore case and how words are joined."""

    codes: Mapping[str, Meaning]
    counted: tuple[CodeSource, ...]
    spellings: frozenset[str]
    _words: Mapping[str, str]
    _own: Mapping[str, Mapping[str, str]]
    _team: Mapping[str, str]

    @property
    def words(self) -> frozenset[str]:
        """Every code that is known: the nine, and the spellings in capitals that stand for one of them."""
        return frozenset(self.codes) | self.spellings | frozenset(self._team)

    def mapped(self, said: str, *, provider: str = "") -> str:
        """The one of the nine that a code, an exception's name or a status stands for; empty for a mapping gap."""
        word = _spelled(said)
        if word in self.codes:
            return word
        name = provider.lower()
        own = self._own.get(name) or self._own.get(name.partition("_")[0], {})  # `deepseek_hf` is one of deepseek's
        status = _STATUS.fullmatch(word)
        for key in (word, _spelled(said.rpartition(".")[2]), status[1] if status else word):
            if found := self._team.get(key) or own.get(key) or self._words.get(key):
                return found
        # RFC 9110, section 15: a status that is not known means what the x00 of its class means.
        return self._words.get(f"{status[1][0]}00", "") if status else ""

    def spoken(self, said: str, *, provider: str = "") -> str:
        """A code as a screen shows it: one of the nine, with the raw code beside it where that differs."""
        code = self.mapped(said, provider=provider)
        if not code:
            return f"none of the nine ({said or 'empty'})"
        return code if said == code else f"{code} ({said})"

    def shares(self, samples: Iterable[Sample], *, by: str = "provider") -> tuple[CodeShare, ...]:
        """Samples with a `code` label folded into the nine, the most frequent first; gaps keep a share of their own."""
        folded: dict[str, dict[str, float]] = {}
        for sample in samples:
            raw = label(sample.labels, "code")
            found = folded.setdefault(self.mapped(raw, provider=label(sample.labels, by)), {})
            found[raw] = found.get(raw, 0.0) + sample.value
        shares = [
            CodeShare(code, sum(raw.values()), tuple(sorted(raw.items(), key=lambda item: (-item[1], item[0]))))
            for code, raw in folded.items()
        ]
        return tuple(sorted(shares, key=lambda item: (-item.value, item.code)))


_team_codes: tuple[tuple[str, str], ...] = ()


def use_team_codes(codes: Iterable[tuple[str, str]]) -> None:
    """From now on a team's own codes (the code, and which of the nine it is) count everywhere in this process."""
    global _team_codes  # noqa: PLW0603  # one process serves one configuration
    _team_codes = tuple(codes)


def load_taxonomy() -> Taxonomy:
    """The taxonomy that is built in, with the team's own codes."""
    return _with_team(_team_codes)


@cache
def _with_team(codes: tuple[tuple[str, str], ...]) -> Taxonomy:
    return replace(_built_in(), _team={_spelled(word): code for word, code in codes})


def team_code_problem(taxonomy: Taxonomy, word: str, code: str) -> str:
    """What is wrong with a team's own code; empty where nothing is."""
    nine = ", ".join(taxonomy.codes)
    if _spelled(word) in taxonomy.codes:
        if code not in taxonomy.codes and code.strip():
            return f"this is one of the nine, and {code!r} is not: write it the other way round, {code}: {_spelled(word)}"
        return "this is one of the nine already; expected a code of your own here"
    if code in taxonomy.codes:
        return ""
    near = difflib.get_close_matches(_spelled(code), taxonomy.codes, n=1, cutoff=0.5)
    return f"{code!r} is none of the nine, " + (f"did you mean {near[0]}?" if near else f"expected one of {nine}")


@cache
def _built_in() -> Taxonomy:
    text = resources.files(__package__).joinpath("taxonomy.yaml").read_text(encoding="utf-8")
    file = convert(loads(text, where="taxonomy.yaml"), _File, strict=False)
    own = {name: _joined(item.exceptions, item.statuses) for name, item in file.providers.items()}
    words = {**_joined(file.exceptions, file.statuses), **_joined(file.spellings, {})}
    for code in {*words.values(), *(code for item in own.values() for code in item.values())}:
        if code not in file.codes:
            raise ValueError(f"taxonomy.yaml: {code} is none of the codes")
    return Taxonomy(file.codes, file.counted, frozenset(map(_spelled, file.spellings)), words, own, {})


def _joined(words: Mapping[str, str], statuses: Mapping[int, str]) -> dict[str, str]:
    return {_spelled(word): code for word, code in words.items()} | {str(key): code for key, code in statuses.items()}


def _spelled(said: str) -> str:
    """`rate-limit`, `Rate limit` and `RATE_LIMIT` are one word; a name in camel case stays one."""
    return re.sub(r"[\s_\-]+", "_", said.strip()).upper()
