"""The metrics that one build of the platform exports: types, labels, known values and buckets, from exported.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec

from queries.decoding import convert
from queries.shipped import load_shipped

MetricType = Literal["counter", "gauge", "histogram"]
PARTS = {"histogram": ("_bucket", "_count", "_sum"), "summary": ("", "_count", "_sum")}
"""The suffixes of a family's series names, by type; other types have none."""


class ExportedMetric(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One family. `values` are the values of a label in the code, `buckets` the bounds as `le` spells them."""

    type: MetricType
    labels: tuple[str, ...] = ()
    values: dict[str, tuple[str, ...]] = {}
    buckets: tuple[str, ...] = ()

    @property
    def begins_below_zero(self) -> bool:
        """Whether prometheus_client omits its `_sum`: a sum of negative values is not a counter."""
        return bool(self.buckets) and self.buckets[0].startswith("-")


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    metrics: dict[str, ExportedMetric]


@cache
def load_exported() -> Mapping[str, ExportedMetric]:
    """The exported families by name."""
    return convert(load_shipped(Path(__file__).with_name("exported.yaml")), _File).metrics
