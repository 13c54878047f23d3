"""The parts of a report, without a format: what Markdown and HTML are written from."""

from __future__ import annotations

from typing import TypeAlias

from queries.model.chart import ChartData
from queries.model.frozen import dataclass


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in time in a cell; `at` is Unix seconds."""

    at: float


Cell: TypeAlias = str | Moment


@dataclass(frozen=True, slots=True)
class Paragraph:
    text: str


@dataclass(frozen=True, slots=True)
class ReportTable:
    """`empty` replaces a table without rows."""

    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    empty: str = "None."


@dataclass(frozen=True, slots=True)
class Bullets:
    """`empty` replaces a list without lines."""

    lines: tuple[str, ...]
    empty: str = "None."


@dataclass(frozen=True, slots=True)
class Quote:
    """A text as somebody wrote it; `status` is what became of it."""

    at: float
    author: str
    status: str
    text: str


@dataclass(frozen=True, slots=True)
class PanelChart:
    """Only HTML draws it."""

    title: str
    data: ChartData


Block: TypeAlias = Paragraph | ReportTable | Bullets | Quote | PanelChart


@dataclass(frozen=True, slots=True)
class Section:
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class ReportHead:
    """`started_at`, `ended_at` (None: still open) and `created_at` are Unix seconds."""

    title: str
    environment: str
    identity: str
    started_at: float
    ended_at: float | None
    created_at: float
    author: str
