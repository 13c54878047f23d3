"""The heat maps that a panel can name, from heat_maps.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

import msgspec

from queries.decoding import convert
from queries.model.panel import HeatMapSpec, Unit
from queries.shipped import load_shipped

STEP = "$step"


class _Entry(msgspec.Struct, forbid_unknown_fields=True):
    about: str
    unit: Unit
    by: tuple[str, ...]
    expr: str


class _File(msgspec.Struct, forbid_unknown_fields=True):
    heat_maps: dict[str, _Entry]


@cache
def load_heat_maps() -> Mapping[str, HeatMapSpec]:
    """The heat maps by name."""
    file = convert(load_shipped(Path(__file__).with_name("heat_maps.yaml")), _File)
    return MappingProxyType(
        {name: HeatMapSpec(item.about, item.unit, item.by, item.expr.strip()) for name, item in file.heat_maps.items()}
    )
