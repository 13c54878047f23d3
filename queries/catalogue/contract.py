"""The metrics contract: every metric that the console relies on, from contract.yaml."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec

from queries.decoding import convert
from queries.model.frozen import dataclass
from queries.shipped import load_shipped

PLATFORM = "platform"


class Need(StrEnum):
    """How binding a metric is."""

    PROMISED = "promised"
    """The platform guarantees it: a breach is exit code 5."""
    EXPECTED = "expected"
    """Every known build exports it."""
    OPTIONAL = "optional"
    """Not every build or cluster exports it, and the console works without it."""


class ContractMetric(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"exporter": "from"}):
    """One metric: its type, the labels of each of its series, its unit and the version that introduced it."""

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
    """All values of a label, if known."""
    buckets: tuple[float, ...] = ()
    """Upper bounds of a histogram's buckets that the console relies on."""
    absent: str = ""
    """Why it may be missing, if not simply because not every build has it."""

    @property
    def after_first_use(self) -> bool:
        """Whether it may have no series yet: a client exports a metric without labels from the start, one with
        labels only after their first use."""
        return bool(self.labels or self.also)

    @property
    def absence(self) -> str:
        """Why its absence is not a breach."""
        if self.absent or self.exporter == PLATFORM:
            return self.absent or "not every build has it"
        return f"only where {self.exporter} is scraped"

    @property
    def series(self) -> tuple[str, ...]:
        """The names of its series in Prometheus."""
        parts = ("_bucket", "_count", "_sum") if self.type == "histogram" else ("",)
        return tuple(self.name + part for part in parts)

    @property
    def stored_as(self) -> tuple[str, ...]:
        """The names of its series; for a histogram also that of its single series as a native histogram."""
        return (*self.series, self.name) if self.type == "histogram" else self.series

    def is_native(self, stored: Collection[str]) -> bool:
        """Whether these series are those of a histogram that the server stores natively."""
        return self.type == "histogram" and self.name in stored

    @property
    def families(self) -> tuple[str, ...]:
        """Its possible family names in metadata: an OpenMetrics family has no `_total`."""
        return (self.name, self.name.removesuffix("_total")) if self.name.endswith("_total") else (self.name,)


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    target_labels: tuple[str, ...]
    metrics: tuple[ContractMetric, ...]


@dataclass(frozen=True, slots=True)
class Contract:
    """The contract; `target_labels` are labels that a scrape configuration may add to any series."""

    metrics: tuple[ContractMetric, ...]
    target_labels: frozenset[str]

    def get(self, name: str) -> ContractMetric | None:
        """The metric by its own name or by that of one of its series (`…_bucket`)."""
        return next((item for item in self.metrics if name == item.name or name in item.series), None)


@cache
def load_contract() -> Contract:
    """The built-in contract."""
    file = convert(load_shipped(Path(__file__).with_name("contract.yaml")), _File)
    return Contract(file.metrics, frozenset(file.target_labels))
