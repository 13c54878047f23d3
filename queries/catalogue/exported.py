"""What one build of the platform exports beyond the contract: types, labels, known values and buckets, from exported.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Literal

import msgspec

from queries.decoding import convert
from queries.yaml_text import loads

MetricType = Literal["counter", "gauge", "histogram"]
PARTS = {"histogram": ("_bucket", "_count", "_sum"), "summary": ("", "_count", "_sum")}
"""What follows a family's name in the names of its series; those of all other types are named as it is."""


class ExportedMetric(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One family. `values` are those that the code writes for a label, `buckets` the bounds as `le` spells them."""

    type: MetricType
    labels: tuple[str, ...] = ()
    values: dict[str, tuple[str, ...]] = {}
    buckets: tuple[str, ...] = ()

    @property
    def begins_below_zero(self) -> bool:
        """Whether prometheus_client leaves its `_sum` out: of negative values a sum would be no counter."""
        return bool(self.buckets) and self.buckets[0].startswith("-")


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    metrics: dict[str, ExportedMetric]


@cache
def load_exported() -> Mapping[str, ExportedMetric]:
    """The families by name."""
    text = resources.files(__package__).joinpath("exported.yaml").read_text(encoding="utf-8")
    return convert(loads(text, where="exported.yaml"), _File).metrics
