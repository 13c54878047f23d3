"""The catalogue of drills: every one names an action of the console, and a wrong one of a team is named by file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.actions.registry import action_named
from queries.catalogue.drills import BUILT_IN, read_drills
from queries.platform.admin_calls import read_admin_calls


def test_every_drill_is_made_of_an_action_that_exists() -> None:
    """Action and parameters; a call of the platform's administration can be rolled back by itself, so a guard can."""
    found = read_drills()
    assert found.problems == () and len(found.drills) == 6
    for drill in found.drills.values():
        action = action_named(drill.action)
        assert action is not None, drill.id
        assert drill.limit_seconds > 0.0 and (drill.undo or not drill.pods)
        if drill.action == "admin":
            call = read_admin_calls().calls[drill.target.partition("/")[2]]
            assert call.undo.call == call.id and call.state is not None and call.state.becomes
            assert set(drill.parameters) <= {item.name for item in call.parameters}
        else:
            assert set(drill.parameters) <= {item.name for item in action.parameters}


def test_a_drill_of_a_team_takes_the_place_of_ours(tmp_path: Path) -> None:
    """By its id; the others stay."""
    file = tmp_path / "own.yaml"
    file.write_text(Path(BUILT_IN).read_text().replace("limit: 2m", "limit: 3m"))
    found = read_drills((str(file),))
    assert found.problems == ()
    assert found.drills["kill-pod"].limit_seconds == 180.0 and found.drills["kill-pod"].own


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ("x: {title: a, about: b, action: scale}", "drills.x: expected the key 'limit' here"),
        ("x: {title: a, about: b, action: scale, limit: soon}", "drills.x.limit: 'soon' is not a duration"),
        ("x: {title: a, about: b, action: scale, limit: 1s}", "drills.x.limit: a duration of 1s is not between 5s and 4h"),
        ("x: {title: a, about: b, action: scale, limit: 1m, every: 5s}", "drills.x.every: expected with `pods` only"),
        ("x: {title: a, about: b, action: evict, limit: 1m, pods: each}", "drills.x.undo: expected how the platform recovers"),
        ("x: {title: a, about: b, action: scale, limit: 1m, id: y}", "drills.x.id: unknown key"),
        ("x: {title: a, about: b, action: scale, limit: 1m, limits: 2m}", "unknown key, did you mean 'limit'"),
        ("X_: {title: a, about: b, action: scale, limit: 1m}", "expected an id of lower-case words"),
    ],
)
def test_a_wrong_drill_is_named_and_the_others_are_used(tmp_path: Path, entry: str, why: str) -> None:
    """One sentence with file and line."""
    file = tmp_path / "own.yaml"
    file.write_text(f"drills:\n  {entry}\n  good: {{title: a, about: b, action: scale, limit: 1m}}\n")
    found = read_drills((str(file),))
    (problem,) = found.problems
    assert problem.startswith(f"{file}:") and why in problem, problem
    assert "good" in found.drills and "kill-pod" in found.drills
