"""The metrics contract: every metric that the console relies on, read from contract.yaml."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import Literal

import msgspec

from queries.decoding import convert
from queries.yaml_text import loads

PLATFORM = "platform"


class Need(StrEnum):
    """How much depends on it."""

    PROMISED = "promised"
    """The platform owes it: a breach is exit code 5."""
    EXPECTED = "expected"
    """Every build that is known has it."""
    OPTIONAL = "optional"
    """Not every build or cluster has it, and the console does without."""


class ContractMetric(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"exporter": "from"}):
    """One metric: its type, the labels that each of its series has, the unit of its value and since when it is there."""

    name: str
    type: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    unit: str
    since: str
    exporter: str = PLATFORM
    need: Need = Need.EXPECTED
    also: tuple[str, ...] = ()
    """Labels that some builds or clusters add."""
    any_label: bool = False
    values: dict[str, tuple[str, ...]] = {}
    """The only values of a label, where these are known."""
    buckets: tuple[float, ...] = ()
    """Upper edges of a histogram's buckets that are relied on."""
    absent: str = ""
    """Why it may be missing, where there is more to say than that not every build has it."""

    @property
    def after_first_use(self) -> bool:
        """Whether it may have no series yet: a client exports what has no labels from the start, as 0, and what has labels
        from the first time that somebody names their values."""
        return bool(self.labels or self.also)

    @property
    def absence(self) -> str:
        """Why its absence is no fault of the platform."""
        if self.absent or self.exporter == PLATFORM:
            return self.absent or "not every build has it"
        return f"only where {self.exporter} is scraped"

    @property
    def series(self) -> tuple[str, ...]:
        """The names under which Prometheus stores it."""
        parts = ("_bucket", "_count", "_sum") if self.type == "histogram" else ("",)
        return tuple(self.name + part for part in parts)

    @property
    def families(self) -> tuple[str, ...]:
        """The names under which a scrape's metadata may hold it: an OpenMetrics family has no `_total`."""
        return (self.name, self.name.removesuffix("_total")) if self.name.endswith("_total") else (self.name,)


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    target_labels: tuple[str, ...]
    metrics: tuple[ContractMetric, ...]


@dataclass(frozen=True, slots=True)
class Contract:
    """`target_labels` are labels that a scrape configuration may add to any series."""

    metrics: tuple[ContractMetric, ...]
    target_labels: frozenset[str]

    def get(self, name: str) -> ContractMetric | None:
        """The metric by its name or by the name of one of its stored series (`…_bucket`)."""
        return next((item for item in self.metrics if name == item.name or name in item.series), None)


@cache
def load_contract() -> Contract:
    """The contract that is built in."""
    text = resources.files(__package__).joinpath("contract.yaml").read_text(encoding="utf-8")
    file = convert(loads(text, where="contract.yaml"), _File)
    return Contract(file.metrics, frozenset(file.target_labels))
