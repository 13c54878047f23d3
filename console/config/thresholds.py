"""Checks that the configured thresholds belong to existing panels and are in the right order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from console.config.errors import InvalidSetting
from console.config.own_files import OwnFiles
from queries.catalogue.loader import load_board
from queries.catalogue.own import read_own_boards
from queries.model.dashboard import DASHBOARDS
from queries.model.panel import PanelSpec, Threshold
from queries.text.suggestions import suggest_spelling


def check_thresholds(thresholds: Iterable[tuple[str, Threshold]], files: OwnFiles) -> None:
    """`files` are a team's own. A threshold that the config omits is the panel's. Raises InvalidSetting."""
    known: dict[str, PanelSpec] = {}
    unreadable = bool(files.panels) and read_own_boards(files.panels, files.signals).unreadable
    boards = _boards(files)
    for panel, threshold in thresholds:
        while panel not in known and (board := next(boards, None)) is not None:
            known.update(board)
        spec = known.get(panel)
        if spec is None and unreadable:
            continue  # it may belong to the unreadable file, which the self-check reports
        if spec is None:
            near = suggest_spelling(panel, known)
            raise InvalidSetting(f"unknown key, {near}", panel)
        if spec.broken:
            continue  # the panel itself shows its error and no value
        effective = spec.threshold.override(threshold)
        if wrong := effective.order_error(lower_is_worse=spec.lower_is_worse):
            part = "critical" if threshold.critical is not None else "warn"
            note = "" if None not in (threshold.warn, threshold.critical) else " (the other one is the panel's own)"
            raise InvalidSetting(f"{wrong}{note}", panel, part)


def _boards(files: OwnFiles) -> Iterator[dict[str, PanelSpec]]:
    """One board at a time, so that a match in the first reads no other."""
    yield {spec.id: spec for spec in load_board("overview")}
    if files.panels:
        own = read_own_boards(files.panels, files.signals)
        yield {spec.id: spec for spec in own.panels}
    for name, _ in DASHBOARDS:
        yield {spec.id: spec for spec in load_board(name)}
