"""How the drills of a journal ended."""

from __future__ import annotations

import pytest

from console.journal.event import Event
from console.state.drills import ROLLED_BACK, UNDO_FAILED, DrillsProjection


@pytest.mark.parametrize(
    ("journalled", "result"), [("taken back", ROLLED_BACK), (ROLLED_BACK, ROLLED_BACK), (UNDO_FAILED,) * 2]
)
def test_the_result_of_an_older_journal_has_the_word_of_today(journalled: str, result: str) -> None:
    """A drill that ended `taken back` was rolled back; every other result is as it was journalled."""
    start = {"drill": "kill-pod", "title": "Kill a pod", "target": "deployment/api", "limit_seconds": 60.0}
    events = [
        Event(1.0, "drill.started", "d1", "ann", "test", start),
        Event(2.0, "drill.ended", "d1", "ann", "test", {"result": journalled, "text": "", "target": "deployment/api"}),
    ]
    (ended,) = DrillsProjection().fold(DrillsProjection().initial(), events).ended
    assert ended.result == result
