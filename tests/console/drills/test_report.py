"""The report of a drill: one record in four formats, and the exit code of a pipeline."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree

import pytest

from console.drills.report import exit_code, format_drill
from console.journal.payloads import DrillStarted, DrillTime
from console.state.drills import DrillRecord

START = DrillStarted("bad-image", "Release a bad image", "deployment/x|y", "", 600.0, "image deployment/x --image :1")
MET = (DrillTime("detect", 120.0, 41.25, "met", "alert A fires"), DrillTime("acknowledge", 300.0, 3.0, "met", "ann"),
       DrillTime("recover", 1200.0, 90.0, "met", "healthy"))  # fmt: skip


def record(*times: DrillTime, result: str = "changed") -> DrillRecord:
    return DrillRecord("d1", 3, "ann", 1.7e9, START, "r1", 1.7e9, "sent", times, result, "by bob", 1.7e9 + 90.0)


@pytest.mark.parametrize(
    ("times", "result", "code"),
    [
        (MET, "changed", 0),
        (MET, "undo failed", 5),
        ((*MET[:2], DrillTime("recover", 1200.0, None, "missed", "not recovered")), "rolled back", 1),
        ((DrillTime("detect", 120.0, None, "not observed", "no answers"), *MET[1:]), "rolled back", 2),
        ((DrillTime("detect", 120.0, None, "not expected", "bears it"), *MET[1:]), "rolled back", 0),
        ((), "not made", 1),
        (MET, "interrupted", 2),
        (MET, "unknown", 2),
    ],
)
def test_the_exit_code_says_what_a_pipeline_needs(times: tuple[DrillTime, ...], result: str, code: int) -> None:
    """0 only if every goal was met and the fault is gone; what is not known is never 0; a failed undo is 5 anyway."""
    assert exit_code(record(*times, result=result)) == code


def test_a_time_that_nobody_observed_is_no_number_in_any_format() -> None:
    """A dash in text and Markdown, null in JSON, an error in JUnit; each with the reason."""
    given = record(DrillTime("detect", 120.0, None, "not observed", "Alertmanager does not answer"), *MET[1:])
    for form in ("text", "markdown"):
        (line,) = [item for item in format_drill(given, format=form, now=1.7e9).splitlines() if "time to detect" in item]
        assert "Alertmanager does not answer" in line and " - " in line and "not observed" in line
    detect = json.loads(format_drill(given, format="json", now=1.7e9))["times"]["detect"]
    assert detect == {
        "goal_seconds": 120.0,
        "seconds": None,
        "result": "not observed",
        "source": "Alertmanager does not answer",
    }
    suite = ElementTree.fromstring(format_drill(given, format="junit", now=1.7e9))
    assert (suite.get("errors"), suite.get("failures"), suite.get("tests")) == ("1", "0", "4")
    assert suite.find("testcase/error") is not None


def test_markdown_escapes_what_came_from_outside() -> None:
    """A name with a bar stays in its cell."""
    assert "deployment/x\\|y" in format_drill(record(*MET), format="markdown", now=1.7e9)
