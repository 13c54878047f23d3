"""Samples and series, as Prometheus returns them."""

from __future__ import annotations

from typing import TypeAlias

from queries.model.frozen import dataclass

Labels: TypeAlias = tuple[tuple[str, str], ...]
"""Label pairs, sorted by name."""

Point: TypeAlias = tuple[float, float]
"""Unix seconds and value; the value may be NaN or infinite."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One element of an instant vector; the value may be NaN or infinite."""

    labels: Labels
    value: float

    def label(self, name: str, default: str = "") -> str:
        return label(self.labels, name, default)


@dataclass(frozen=True, slots=True)
class Series:
    """One element of a range matrix: points in order of time, without gaps' points."""

    labels: Labels
    points: tuple[Point, ...]

    def label(self, name: str, default: str = "") -> str:
        return label(self.labels, name, default)


def label(labels: Labels, name: str, default: str = "") -> str:
    """The value of one label, `default` if it is absent."""
    for key, value in labels:
        if key == name:
            return value
    return default


def drop_labels(labels: Labels, *names: str) -> Labels:
    """The labels without the named ones."""
    return tuple(pair for pair in labels if pair[0] not in names)


def format_labels(labels: Labels) -> str:
    """`{a="b", c="d"}`, quoted as PromQL quotes; empty for no labels."""
    if not labels:
        return ""
    quoted = ", ".join(f"{name}={quote(value)}" for name, value in labels)
    return "{" + quoted + "}"


def quote(value: str) -> str:
    """A PromQL string literal of exactly this value."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
