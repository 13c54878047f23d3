"""What a recorded name is worth on a server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class RuleMatch(StrEnum):
    """Whether a recorded series may be read, in a word."""

    SAME = "same"
    DIFFERENT = "different"
    TWICE = "recorded twice"
    FAILING = "failing"
    LATE = "late"
    UNVERIFIED = "not verified"


@dataclass(frozen=True, slots=True)
class RecordedSeries:
    """One of our recorded names on one server. `read` is the name under which the server records the same; `says` is why the
    worth is what it is, a sentence, nothing where it is read as it is; the expressions are as each side writes them."""

    name: str
    worth: RuleMatch
    read: str
    says: str = ""
    ours: str = ""
    loaded: tuple[str, ...] = ()
    differs: tuple[str, ...] = ()


RecordedBook = Mapping[str, RecordedSeries]
"""By our name; a name that is missing is not verified."""
NOTHING_SEEN: RecordedBook = MappingProxyType({})
