"""Every time that a person reads names its zone, and is in the one that the config file chose."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from screen_samples import cluster, settings

from console.actions.guard.gates import GateFacts, check_gates
from console.checks import error_codes
from console.checks.workloads import evaluate_workloads
from console.config.settings import NotifySettings, QuietHours
from console.state.revisions import RevisionRecord, revision_choices
from queries.catalogue.error_codes import load_taxonomy
from queries.model.panel import PanelSpec, Threshold, Unit
from queries.prometheus.code_counts import CodeCount
from queries.text.times import use_zone

NOW = datetime(2026, 1, 1, 23, 30, tzinfo=UTC).timestamp()


@pytest.fixture(autouse=True)
def berlin() -> Iterator[None]:
    use_zone("Europe/Berlin")
    yield
    use_zone("")


def test_the_rollout_of_the_overview() -> None:
    """The sample's newest revision is of 13:58 UTC."""
    spec = PanelSpec("workloads", "Workloads", Unit.COUNT, source="kubernetes")
    state = evaluate_workloads(spec, Threshold(), cluster(), taken_at=NOW, now=NOW, stale_after=30.0)
    assert state.note.endswith("rolled out 14:58 CET")


def test_when_a_revision_was_ready() -> None:
    """The preview of a rollback says it next to times in this zone."""
    state = cluster()
    records = {("uid-api", "cad-ml-api-rs41"): RevisionRecord(ready_at=NOW)}
    sentences = [item.text for item in revision_choices(state.workloads[0], state.revisions, records)]
    assert "was ready at 2026-01-02 00:30 CET" in sentences


def test_since_when_a_code_is_counted() -> None:
    """The sentence is for people, `items` for programs: those stay RFC 3339 in UTC."""
    counts = {load_taxonomy().counted[0]: (CodeCount("a", "ODD", 2, NOW),)}
    (found, *_) = error_codes.check_mapping(load_taxonomy(), counts, window_seconds=3600.0)
    assert "ODD (2 × since 2026-01-02 00:30:00 CET)" in found.text
    assert found.items[0]["since"] == "2026-01-01T23:30:00Z"


@pytest.mark.parametrize(
    ("begin", "end", "said"),
    [(22, 7, "quiet hours until 07:00 CET"), (0, 1, "quiet hours until 01:00 CET")],
)
def test_the_end_of_quiet_hours(tmp_path: Path, begin: int, end: int, said: str) -> None:
    """The next such time of the local day."""
    told = settings(tmp_path, notify=NotifySettings(quiet=QuietHours(begin * 60, end * 60)))
    texts = [item.text for item in check_gates(GateFacts(), told, now=NOW)]
    assert any(text.startswith(said) for text in texts), texts
