"""The metrics contract and the error taxonomy, read from contract.yaml."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal

import msgspec

from queries.yaml_text import loads


class ContractMetric(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One metric that the platform promises: its type and the labels that each of its series has."""

    name: str
    type: Literal["counter", "histogram"]
    labels: tuple[str, ...]

    @property
    def series(self) -> tuple[str, ...]:
        """The names under which Prometheus stores it."""
        parts = ("_bucket", "_count", "_sum") if self.type == "histogram" else ("",)
        return tuple(self.name + part for part in parts)


class CodeSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A metric with error codes, and the label that names who said them."""

    metric: str
    by: str


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    metrics: tuple[ContractMetric, ...]
    codes: tuple[CodeSource, ...]
    taxonomy: tuple[str, ...]
    legacy: dict[str, str]


@dataclass(frozen=True, slots=True)
class Contract:
    """`legacy` maps other spellings, in capitals, to codes of the taxonomy."""

    metrics: tuple[ContractMetric, ...]
    codes: tuple[CodeSource, ...]
    taxonomy: tuple[str, ...]
    legacy: tuple[tuple[str, str], ...]

    def mapped(self, code: str) -> str:
        """The code of the taxonomy that this one stands for, in any case; empty for a mapping gap."""
        upper = code.strip().upper()
        return upper if upper in self.taxonomy else dict(self.legacy).get(upper, "")


@cache
def load_contract() -> Contract:
    """The contract that is built in."""
    text = resources.files(__package__).joinpath("contract.yaml").read_text(encoding="utf-8")
    file = msgspec.convert(loads(text, where="contract.yaml"), _File)
    return Contract(file.metrics, file.codes, file.taxonomy, tuple(sorted(file.legacy.items())))
