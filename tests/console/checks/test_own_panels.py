"""The panels and boards of a console: ours, and those of a team's files beside them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from screen_samples import settings

from console.checks.own_panels import (
    find_board_panel,
    find_problems,
    list_board_panels,
    list_boards,
    load_board_panels,
    load_overview,
    open_board,
)
from console.config.settings import Settings
from queries.catalogue.loader import load_board
from queries.model.dashboard import DASHBOARDS
from queries.model.panel import Threshold

FRONT = """panels:
  - {id: queue, title: Queue, unit: count, raw: shop_queue, warn: 5, critical: 9, runbook: nowhere}
  - {id: depth, title: Depth, unit: count, raw: shop_depth, runbook: known}
"""
TEAM = """title: The team
panels:
  - {id: hidden, title: Hidden load, unit: count, raw: 'load{namespace="$namespace"}', warn: 3}
  - front/queue
"""


class Runbooks:
    """Two of them, or none."""

    def __init__(self, *ids: str) -> None:
        self.ids = ids

    def get(self, name: str) -> object | None:
        return name if name in self.ids else None


@pytest.fixture
def own(tmp_path: Path) -> Settings:
    told = settings(tmp_path)
    for name, text in (("front", FRONT), ("team", TEAM)):
        (tmp_path / f"{name}.yaml").write_text(text)
    paths = tuple(str(tmp_path / f"{name}.yaml") for name in ("front", "team"))
    return replace(told, own=replace(told.own, panels=paths), thresholds=(("hidden", Threshold(warn=7.0)),))


def test_without_files_there_is_what_ships(tmp_path: Path) -> None:
    """The same panels and boards, no problem, and none that is only on a board of a team."""
    told = settings(tmp_path)
    assert load_overview(told) == load_board("overview", namespace=told.namespace)
    assert list_boards(told) == DASHBOARDS
    assert (load_board_panels(told), find_problems(told, Runbooks("known"))) == ((), ())
    for name, _ in DASHBOARDS:
        assert open_board(told, name, namespace=told.namespace).panels
    shown = {spec.id for spec in load_overview(told)}
    panels = list_board_panels(told)
    assert panels and not shown & panels.keys()
    name, (board, title) = next(iter(panels.items()))
    for spelling in (name, title.casefold()):
        found = find_board_panel(told, spelling)
        assert found is not None and (found.id, found.title) == (name, title)
    assert find_board_panel(told, "nowhere") is None and board in dict(DASHBOARDS)


def test_a_teams_files_stand_beside_what_ships(own: Settings) -> None:
    """Its panels after ours on the overview, each once; its board after ours; what is only on it is polled apart."""
    ours = load_board("overview", namespace=own.namespace)
    assert [spec.id for spec in load_overview(own)] == [*(spec.id for spec in ours), "queue", "depth"]
    assert list_boards(own) == (*DASHBOARDS, ("team", "The team"))
    board = open_board(own, "team", namespace="shop")
    assert [spec.id for spec in board.panels] == ["hidden", "queue"]
    assert board.panels[0].raw == 'load{namespace="shop"}'
    (hidden,) = load_board_panels(own)
    assert (hidden.id, hidden.threshold, hidden.raw) == ("hidden", Threshold(7.0), f'load{{namespace="{own.namespace}"}}')
    assert list_board_panels(own)["hidden"] == ("team", "Hidden load") and "queue" not in list_board_panels(own)
    found = find_board_panel(own, "hidden load")
    assert found is not None and (found.id, found.threshold) == ("hidden", Threshold(7.0))
    assert open_board(own, DASHBOARDS[0][0], namespace="shop").panels


def test_a_runbook_that_is_not_there_is_named_where_any_is(own: Settings) -> None:
    """With file and line, and only for the panel that names it; a console without runbooks says nothing of them."""
    (problem,) = [item for item in find_problems(own, Runbooks("known")) if "runbook" in item]
    assert problem.startswith("front.yaml:2: panel queue: no such runbook 'nowhere', ")
    assert [item for item in find_problems(own, Runbooks()) if "runbook" in item] == []
    both = find_problems(own, Runbooks("other"))
    assert len(both) == 2
    assert [item.partition(": panel ")[2].partition(":")[0] for item in both if "runbook" in item] == ["queue", "depth"]
