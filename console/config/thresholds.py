"""Whether the thresholds of the config file are of panels that exist, and stand in the right order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from console.config.own_files import OwnFiles
from queries.catalogue.loader import load_board
from queries.catalogue.own import read_own_boards
from queries.model.dashboard import DASHBOARDS
from queries.model.panel import PanelSpec, Threshold
from queries.text.suggestions import instead


class WrongThreshold(ValueError):
    """`path` is the panel, and the threshold where one of them is wrong."""

    def __init__(self, expected: str, *path: str) -> None:
        super().__init__(expected)
        self.path = path


def check_thresholds(told: Iterable[tuple[str, Threshold]], files: OwnFiles) -> None:
    """`files` are a team's own. A threshold that the config leaves out is the panel's. Raises WrongThreshold."""
    known: dict[str, PanelSpec] = {}
    unreadable = bool(files.panels) and read_own_boards(files.panels, files.signals).unreadable
    boards = _boards(files)
    for panel, threshold in told:
        while panel not in known and (more := next(boards, None)) is not None:
            known.update(more)
        spec = known.get(panel)
        if spec is None and unreadable:
            continue  # it may be a panel of the file that cannot be read, which is reported
        if spec is None:
            near = instead(panel, known)
            raise WrongThreshold(f"unknown key, {near}", panel)
        if spec.broken:
            continue  # what is wrong with the panel is said where it stands, and it shows no value
        effective = spec.threshold.override(threshold)
        if wrong := effective.order_error(below=spec.below):
            part = "critical" if threshold.critical is not None else "warn"
            ours = "" if None not in (threshold.warn, threshold.critical) else " (the other one is the panel's own)"
            raise WrongThreshold(f"{wrong}{ours}", panel, part)


def _boards(files: OwnFiles) -> Iterator[dict[str, PanelSpec]]:
    """One board after another, so that only what is needed is read."""
    yield {spec.id: spec for spec in load_board("overview")}
    if files.panels:
        own = read_own_boards(files.panels, files.signals)
        yield {spec.id: spec for spec in own.panels}
    for name, _ in DASHBOARDS:
        yield {spec.id: spec for spec in load_board(name)}
