"""Runbooks: every spelling finds its page, nothing leads out of the folder, and what is broken is named by line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import console
from console.actions.registry import ACTIONS
from console.cli import main
from console.lint.pages.linter import lint
from console.runbooks import RunbookIndex
from console.suggestions import fill
from queries.catalogue.loader import load_board
from queries.model.alert import Alert, AlertState
from queries.model.rule import Rule, RuleKind
from queries.model.series import label
from queries.rule_files import built_in

FOLDER = Path(console.__file__).parent.parent / "runbooks"
INDEX = RunbookIndex.load(FOLDER)


def alert(name: str = "Nameless", *, component: str = "", **annotations: str) -> Alert:
    labels = tuple(sorted({"alertname": name, "component": component}.items()))
    return Alert("f", AlertState.ACTIVE, labels, tuple(sorted(annotations.items())))


ALERTS = [placed.rule for file in built_in() for placed in file.rules if placed.rule.kind is RuleKind.ALERT]


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule.name)
def test_every_alert_of_the_rules_opens_its_own_runbook(rule: Rule) -> None:
    """Each alert of the rule set is served by name, by a page that says what to do, and its link leads to the same page."""
    match = INDEX.match(alert(rule.name, component=label(rule.labels, "component"), runbook_url="nowhere"))
    assert (match.matched_by, bool(match.path)) == ("alertname", True)
    page = INDEX.get(match.id)
    assert page is not None and rule.name in page.alerts and page.steps and page.escalate
    noted = INDEX.match(alert("Nameless", runbook_url=label(rule.annotations, "runbook_url")))
    assert (noted.id, noted.matched_by) == (match.id, "annotation")


def test_there_are_thirty_alerts_and_three_guides() -> None:
    """The platform's manual promises at least so many pages."""
    served = {INDEX.match(alert(rule.name)).id for rule in ALERTS}
    assert len(ALERTS) >= 30 and len(served) >= 30
    assert {item.id for item in INDEX.runbooks if item.guide} == {"high-error-rate", "provider-timeout", "high-memory-usage"}


def test_what_is_shipped_is_clean() -> None:
    """`cad-console runbook --lint` has nothing to say of the built-in runbooks, and is the command that says so."""
    found = lint(INDEX, [placed for file in built_in() for placed in file.rules], shipped=True)
    assert [(item.file, item.line, item.text) for item in found.findings] == []
    assert (found.alerts, found.runbooks) == (len(ALERTS), len(INDEX.runbooks))
    assert main(["runbook", "--lint"]) == 0


def test_the_built_in_runbooks_are_whole() -> None:
    """None is broken; their actions exist; their targets are names; each has steps and a first thing to do."""
    known = {action.name for action in ACTIONS}
    labels = tuple((name, "x") for name in ("deployment", "provider"))
    for runbook in INDEX.runbooks:
        assert runbook.broken is None, runbook.broken
        assert runbook.steps, runbook.id
        assert "## First" in runbook.body, runbook.id
        for action in runbook.actions:
            assert action.action in known, (runbook.id, action)
            assert fill(action.target, labels), (runbook.id, action)
        for step in runbook.steps:
            assert not step.target or fill(step.target, labels), (runbook.id, step)


def test_every_panel_leads_to_a_runbook() -> None:
    """The runbooks that the catalogue names exist."""
    for spec in load_board("overview"):
        assert INDEX.get(spec.runbook), spec.id


@pytest.mark.parametrize(
    "noted",
    [
        "high-error-rate",
        "HighErrorRate.md",
        "docs/runbooks/high_error_rate.md",
        "https://wiki.example/x/high-error-rate.md?y=1#top",
        "https://wiki.example/HIGH_ERROR_RATE/",
        "C:\\runbooks\\high error rate.md",
    ],
)
@pytest.mark.parametrize("key", ["runbook", "runbook_url"])
def test_any_spelling_finds_it(noted: str, key: str) -> None:
    """The last part of the annotation counts, however it is spelled; a remote address is kept to be shown."""
    match = INDEX.match(alert(**{key: noted}))
    assert (match.id, match.matched_by) == ("high-error-rate", "annotation")
    assert match.url == (noted if noted.startswith("https://") else "")


def test_component_then_triage() -> None:
    """Without name and annotation the component decides; where nothing fits the match says so."""
    assert INDEX.match(alert(component="cache")).matched_by == "component"
    match = INDEX.match(alert(component="nobody", runbook_url="https://[broken/none"))
    assert (match.id, match.matched_by, match.url) == ("triage", "triage", "")


@given(st.text(max_size=60))
def test_nothing_leads_out_of_the_folder(noted: str) -> None:
    """Whatever an annotation says, the page is one of the folder's."""
    for text in (noted, f"../../{noted}", f"/etc/{noted}", f"{noted}/../passwd"):
        path = Path(INDEX.match(alert(runbook=text)).path)
        assert path.parent == FOLDER


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("no front matter\n", 1, "expected front matter"),
        ("---\ntitle: x\n", 1, "expected front matter"),
        ("---\nalerts: [A]\n---\n", 2, "expected a title"),
        ("---\ntitle: x\nseverity: loud\n---\n", 3, "severity: expected one of critical, warning, info"),
        ("---\ntitle: x\ncolour: red\n---\n", 3, "colour: unknown key"),
        ("---\ntitle: x\nsteps:\n  - title: a\n    warn: high\n---\n", 5, "steps.0.warn: expected a number"),
        ("---\ntitle: x\nsteps:\n  - query: up\n---\n", 4, "expected a title"),
        ("---\ntitle: x\nsteps:\n  - title: a\n    lookup: nonsense\n---\n", 5, "expected one of rollout-history"),
        ("---\ntitle: x\nactions: rollback\n---\n", 3, "actions: expected a list"),
        ("---\ntitle: x\nsteps:\n  - title: a\n    phase: mitigate\n---\n", 5, "expected one of confirm, diagnose, verify"),
        ("---\ntitle: x\nsteps:\n  - title: a\n    query: ${request[5m]}\n---\n", 5, "there is no signal 'request'; there are"),
        ("---\ntitle: x\nguide: yes please\n---\n", 3, "guide: expected true or false"),
        ("---\ntitle: x\nescalate:\n  - to: boss\n    when: now\n---\n", 4, "expected one of platform, devops, security"),
        ("---\ntitle: x\nescalate:\n  - when: now\n---\n", 4, "escalate.0: expected `to`: one of platform, devops"),
        ("---\ntitle: x\nescalate:\n  - to: devops\n---\n", 4, "escalate.0: expected `when`: a short sentence"),
        ("---\ntitle: x\nescalate: devops\n---\n", 3, "escalate: expected a list"),
        ("---\ntitle: [\n---\n", 3, "not YAML"),
        ("---\n- a\n---\n", 2, "expected a mapping"),
    ],
)
def test_broken_front_matter_is_named_and_the_rest_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, text: str, line: int, words: str
) -> None:
    """File and line of what is wrong; the page is listed as broken, its text is kept, and lint ends with 1."""
    (tmp_path / "bad.md").write_text(text)
    (tmp_path / "triage.md").write_text("---\ntitle: Triage\n---\nLook.\n")
    index = RunbookIndex.load(tmp_path)
    broken, good = index.runbooks
    assert broken.broken is not None
    assert broken.broken.startswith(f"{tmp_path / 'bad.md'}:{line}: "), broken.broken
    assert words in broken.broken
    assert good.broken is None
    assert index.match(alert()).matched_by == "triage"
    monkeypatch.setattr("console.commands.runbook.RunbookIndex.load", lambda _: index)
    assert main(["runbook", "--lint"]) == 1
    assert f"bad.md:{line}:" in capsys.readouterr().out


PHASED = """---
title: Everything is slow
guide: true
steps:
  - {phase: verify, title: Is it over?, query: platform_error_ratio, warn: 1}
  - {phase: diagnose, title: Was it a rollout?, lookup: rollout-history, target: deployment/cad-ml-api}
  - {phase: confirm, title: Is it so?, query: platform_error_ratio, warn: 1}
  - {title: Take a breath}
actions: [{action: rollback, target: deployment/cad-ml-api}]
escalate:
  - {to: devops, when: "not over 15 minutes after the page"}
---
The body.
"""


def test_a_runbook_is_walked_by_phase_and_says_whom_to_call(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steps without a phase first, then confirm, diagnose, the actions, verify, and whom to call, how and when; guides are
    marked in the list."""
    (tmp_path / "slow.md").write_text(PHASED)
    (tmp_path / "plain.md").write_text("---\ntitle: Plain\n---\nLook.\n")
    index = RunbookIndex.load(tmp_path)
    slow = index.get("slow")
    assert slow is not None and slow.broken is None and slow.guide
    assert [step.phase for step in slow.steps] == ["", "confirm", "diagnose", "verify"]
    monkeypatch.setattr("console.commands.runbook.RunbookIndex.load", lambda _: index)
    assert main(["runbook", "slow"]) == 0
    out = capsys.readouterr().out
    words = (
        "GUIDE Everything is slow", "1. Take a breath", "Confirm", "2. Is it so?", "Diagnose", "3. Was it a rollout?",
        "Mitigate", "rollback", "Verify", "4. Is it over?", "Escalate", "devops: not over 15 minutes after the page",
        "#devops  devops@example.com  PagerDuty DevOps", "The body.",
    )  # fmt: skip
    places = [out.find(word) for word in words]
    assert -1 not in places and places == sorted(places), out
    assert main(["runbook", "--list"]) == 0
    listed = capsys.readouterr().out
    assert "GUIDE Everything is slow" in listed and "GUIDE Plain" not in listed


def test_bytes_that_are_no_text_are_broken(tmp_path: Path) -> None:
    """A binary file is listed as broken."""
    (tmp_path / "x.md").write_bytes(b"---\n\xff\xfe\n---\n")
    assert "UTF-8" in str(RunbookIndex.load(tmp_path).runbooks[0].broken)


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    """Without any runbook the match is triage without a path, and the index says why."""
    index = RunbookIndex.load(tmp_path / "gone")
    assert "no runbooks there" in index.fault
    assert index.match(alert()).path == ""
