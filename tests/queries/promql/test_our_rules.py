"""Which of the alerts that panels name are loaded."""

from __future__ import annotations

from queries.catalogue.loader import load_board
from queries.promql.our_rules import find_missing_alerts, our_alerts, rule_names


def test_nothing_is_missing_where_our_rules_are_loaded() -> None:
    """A panel also names alerts of the platform's own rule files, beside ours that say the same: they are not missing then."""
    panels = load_board("overview", namespace="cad-ml-platform")
    named = {name for spec in panels for name in spec.alerts}
    assert named - our_alerts(), "every alert is ours: this proves nothing"
    assert find_missing_alerts(panels, our_alerts()) == []


def test_what_is_missing_is_named() -> None:
    """One of ours, also where the panel's other alerts are loaded; and all names of a panel of which none is loaded."""
    panels = load_board("overview", namespace="cad-ml-platform")
    loaded = our_alerts() - {"SLOViolation", "QueueBacklog"}
    assert find_missing_alerts(panels, loaded) == ["Dedup2DJobQueueBacklog", "QueueBacklog", "SLOViolation"]


def test_recording_rules_come_first() -> None:
    """The alerts read them; both in the order of their names, and nothing but rule files."""
    names = rule_names()
    recording = [name for name in names if name.startswith("recording")]
    alerting = [name for name in names if name.startswith("alerting")]
    assert recording and alerting and list(names) == sorted(recording) + sorted(alerting)
    assert all(name.endswith(".yaml") for name in names)
