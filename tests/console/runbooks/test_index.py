"""Runbooks: every spelling finds its page, nothing leads out of the folder, and what is broken is named by line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import console
from console.actions.registry import ACTIONS
from console.cli.console_lines import check_line
from console.cli.main import main
from console.lint.runbooks.linter import lint_runbooks
from console.runbooks.index import RunbookIndex
from console.runbooks.suggested_actions import fill_target
from queries.catalogue.loader import load_board
from queries.model.alert import Alert, AlertState
from queries.model.rule import Rule, RuleKind
from queries.model.series import label
from queries.platform.admin_calls import read_admin_calls
from queries.promql.rule_files import load_built_in

FOLDER = Path(console.__file__).parent.parent / "runbooks"
INDEX = RunbookIndex.load(FOLDER)


def alert(name: str = "Nameless", *, component: str = "", **annotations: str) -> Alert:
    labels = tuple(sorted({"alertname": name, "component": component}.items()))
    return Alert("f", AlertState.ACTIVE, labels, tuple(sorted(annotations.items())))


ALERTS = [placed.rule for file in load_built_in() for placed in file.rules if placed.rule.kind is RuleKind.ALERT]


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
    found = lint_runbooks(
        INDEX,
        [placed for file in load_built_in() for placed in file.rules],
        check_console=lambda words: check_line(words, INDEX),
        built_in=True,
    )
    assert [(item.file, item.line, item.text) for item in found.findings] == []
    assert (found.alerts, found.runbooks) == (len(ALERTS), len(INDEX.runbooks))
    assert main(["runbook", "--lint"]) == 0


def test_the_built_in_runbooks_are_whole() -> None:
    """None is broken; their actions exist; their targets are names; each has steps and a first thing to do."""
    known = {action.name for action in ACTIONS}
    labels = tuple((name, "x") for name in ("deployment", "provider"))
    assert INDEX.runbooks
    for runbook in INDEX.runbooks:
        assert runbook.broken is None, runbook.broken
        assert runbook.steps, runbook.id
        assert "## First" in runbook.body, runbook.id
        for action in runbook.actions:
            assert action.action in known, (runbook.id, action)
            if action.action == "admin":
                assert action.target.removeprefix("call/") in read_admin_calls().calls, (runbook.id, action)
                continue
            assert fill_target(action.target, labels), (runbook.id, action)
        for step in runbook.steps:
            assert not step.target or fill_target(step.target, labels), (runbook.id, step)


def test_every_panel_leads_to_a_runbook() -> None:
    """The runbooks that the catalogue names exist."""
    panels = load_board("overview")
    assert panels and not [spec.id for spec in panels if not INDEX.get(spec.runbook)]


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
        (
            "---\ntitle: x\nsteps:\n  - title: a\n    query: ${request[5m]}\n---\n",
            5,
            "no signal 'request'; expected one of",
        ),
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
    monkeypatch.setattr("console.cli.runbook.RunbookIndex.from_settings", lambda _: index)
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
    monkeypatch.setattr("console.cli.runbook.RunbookIndex.from_settings", lambda _: index)
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
    assert "no runbooks found" in index.fault
    assert index.match(alert()).path == ""


def own_index(folder: Path, **pages: str) -> RunbookIndex:
    """A team's folder before ours."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages.items():
        (folder / f"{name}.md").write_text(text)
    return RunbookIndex.load(FOLDER, own=[folder])


def rule(name: str, *, component: str = "", **annotations: str) -> Rule:
    labels = (("component", component),) if component else ()
    return Rule(RuleKind.ALERT, name, "up == 0", labels, tuple(sorted(annotations.items())))


def test_plain_markdown_is_a_runbook(tmp_path: Path) -> None:
    """Title from the first heading, in both forms and not from a fence; without one from the file's name; nothing is broken."""
    index = own_index(
        tmp_path,
        a="Some words\n\n## The queue is long ##\n\n# Later\n",
        b="The shop is down\n================\nCall.\n",
        c="```\n# a comment\n```\njust text\n",
        d="---\ntitle: Kube Pod\nweight: 20\n---\n\n# KubePod\n",
        e="---\nweight: 20\n---\n# From the heading\n",
        f="---\n---\n# Empty front matter\n",
    )
    pages = {item.id: item for item in index.runbooks if item.own}
    assert {name: page.title for name, page in pages.items()} == {
        "a": "The queue is long", "b": "The shop is down", "c": "c", "d": "Kube Pod", "e": "From the heading",
        "f": "Empty front matter",
    }  # fmt: skip
    assert all(page.plain and page.broken is None for page in pages.values())


@pytest.mark.parametrize("key", ["alerts: [X]", "alert: [X]", "severity: critical", "steps: []\ntags: [a]"])
def test_front_matter_that_is_meant_for_the_console_is_not_taken_for_anothers(tmp_path: Path, key: str) -> None:
    """A key of ours, or one that is nearly one, is read strictly, and a fault keeps its line."""
    index = own_index(tmp_path, page=f"---\ntitle: T\n{key}\n---\n# H\n")
    page = index.get("page")
    assert page is not None and not page.plain
    assert (page.broken is None) == (key in ("alerts: [X]", "severity: critical")), page.broken


@pytest.mark.parametrize("name", ["shop_orders_stopped", "ShopOrdersStopped", "shop-orders-stopped", "SHOP ORDERS STOPPED"])
def test_a_plain_page_serves_the_alert_of_its_name(tmp_path: Path, name: str) -> None:
    """In any spelling of the file; the alert, its rule and a person's words lead to the same page."""
    index = own_index(tmp_path, **{name: "# Orders\n"})
    match = index.match(alert("ShopOrdersStopped"))
    assert (match.id, match.matched_by) == (name, "file name")
    assert index.match_rule(rule("ShopOrdersStopped")) == match
    found = index.find("shopordersstopped", [rule("ShopOrdersStopped")])
    assert found.runbook is not None and (found.runbook.id, found.alert) == (name, "ShopOrdersStopped")


@pytest.mark.parametrize("key", ["runbook", "runbook_url"])
def test_a_plain_page_serves_the_rules_that_name_it(tmp_path: Path, key: str) -> None:
    """By path, URL or fragment, with the alert's name as a template too; also where a page of ours lists the alert."""
    index = own_index(tmp_path, queue="# Queue\n", HighErrorRate2="# Two\n")
    for address in ("docs/queue.md", "https://wiki.example.com/x/Queue/?a=b", "https://wiki.example.com/all.md#queue"):
        assert index.match_rule(rule("HighErrorRate", **{key: address})).id == "queue"
        assert index.match(alert("HighErrorRate", **{key: address})).matched_by == "annotation"
    template = "https://wiki.example.com/{{ $labels.alertname }}.md"
    assert index.match_rule(rule("HighErrorRate2", component="cache", **{key: template})).id == "HighErrorRate2"


def test_a_teams_page_comes_before_ours(tmp_path: Path) -> None:
    """A page of the same name hides ours and serves its alerts; a page that lists an alert takes it from ours; the first of
    several folders counts, and what is below them is found, but for hidden folders and indexes."""
    first, second = tmp_path / "first", tmp_path / "second"
    (second / "deep" / "er").mkdir(parents=True)
    (second / ".git").mkdir()
    (second / "deep" / "er" / "below.markdown").write_text("# Below\n")
    (second / ".git" / "hidden.md").write_text("# Hidden\n")
    for name in ("README", "_index", "index"):
        (second / f"{name}.md").write_text("# Index\n")
    own_index(second, queue="# Second\n")
    own_index(first, queue="# First\n", high_error_rate="# Ours\n", mine="---\ntitle: M\nalerts: [HighLatency]\n---\n")
    index = RunbookIndex.load(FOLDER, own=[first, second])
    ours = INDEX.get("high-error-rate")
    page = index.get("high-error-rate")
    assert ours is not None and page is not None
    assert (page.title, page.alerts, page.severity) == ("Ours", ours.alerts, ours.severity)
    assert {index.match(alert(name)).id for name in ours.alerts} == {"high_error_rate"}
    assert index.match(alert("HighLatency")).id == "mine" and index.get("high-latency") is not None
    assert (index.get("queue") or page).title == "First"
    assert {item.id for item in index.runbooks if item.own} == {"below", "high_error_rate", "mine", "queue"}
    assert index.fault == ""
    assert "none: no runbooks found" in RunbookIndex.load(FOLDER, own=[tmp_path / "none"]).fault


def test_a_broken_page_of_a_team_serves_by_its_name(tmp_path: Path) -> None:
    """It is BROKEN and said so; its alert opens it all the same, and not a page that says something else."""
    index = own_index(tmp_path, HighErrorRate="---\ntitle: T\nalerts: 7\n---\n# Text\n")
    match = index.match(alert("HighErrorRate"))
    page = index.get(match.id)
    assert page is not None and page.own and "HighErrorRate.md:3: alerts: expected a list" in (page.broken or "")
    assert page.body.strip() == "# Text"


def test_every_way_to_name_a_page_finds_what_the_screen_finds() -> None:
    """Path, URL, fragment, any spelling, and every alert that a rule raises, through one service."""
    rules = [
        rule("Sibling", runbook_url="https://wiki.example.com/runbooks/high-error-rate.md"),
        rule("Cold", component="cache"),
    ]
    for words in (
        "high-error-rate", "HIGH_ERROR_RATE", "runbooks/high-error-rate.md", str(FOLDER / "high-error-rate.md"),
        "https://wiki.example.com/x/high-error-rate/", "https://wiki.example.com/all#high-error-rate", "HighErrorRate",
        "Sibling", "sibling",
    ):  # fmt: skip
        found = INDEX.find(words, rules)
        assert found.runbook is not None and found.runbook.id == "high-error-rate", words
    for item in rules:
        match = INDEX.match(alert(item.name, component=label(item.labels, "component"), **dict(item.annotations)))
        found = INDEX.find(item.name, rules)
        assert found.runbook is not None and (found.runbook.id, found.matched_by) == (match.id, match.matched_by)
    firing = alert("Sibling", runbook_url="https://wiki.example.com/runbooks/high-latency.md")
    known = INDEX.find("Sibling", rules, [firing])
    assert known.runbook is not None and known.runbook.id == "high-latency"
    assert INDEX.find("nobody-knows-this", rules).error.endswith("`cad-console runbook --list` lists all")
    assert "did you mean Sibling?" in INDEX.find("Siblin", rules).error


@given(st.text(max_size=60))
def test_no_words_lead_out_of_the_folder(words: str) -> None:
    """Whatever a person types, the page is one of the folder's, or there is none."""
    for text in (words, f"../../{words}", f"/etc/{words}", f"{FOLDER}/../{words}"):
        found = INDEX.find(text)
        assert (found.runbook is None) == bool(found.error)
        assert found.runbook is None or Path(found.runbook.path).parent == FOLDER


def test_the_verb_exits_1_for_an_unknown_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It says so on stderr and what is spelled like it, and prints no page that nobody asked for."""
    config = tmp_path / "config.yaml"
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "shop_orders_stopped.md").write_text("# Orders stopped\n\nCall the shop.\n")
    config.write_text("runbooks: pages\n")
    assert main(["--config", str(config), "runbook", "high-eror-rate"]) == 1
    told = capsys.readouterr()
    assert told.out == "" and "no runbook or alert is named high-eror-rate; did you mean high-error-rate" in told.err
    for words in ("ShopOrdersStopped", "docs/shop-orders-stopped.md", "https://wiki.example.com/shop_orders_stopped#x"):
        assert main(["--config", str(config), "runbook", words]) == 0
        assert "Orders stopped" in capsys.readouterr().out
    assert main(["--config", str(config), "runbook", "--list"]) == 0
    assert "shop_orders_stopped" in capsys.readouterr().out


def test_a_runbooks_reversed_thresholds_are_refused(tmp_path: Path) -> None:
    """With the line, in the direction that the step says."""
    step = "---\ntitle: T\nsteps:\n  - title: S\n    query: up\n    warn: {}\n    critical: {}\n{}---\n"
    index = own_index(tmp_path, a=step.format(5, 1, ""), b=step.format(5, 1, "    below: true\n"))
    a, b = index.get("a"), index.get("b")
    assert a is not None and "a.md:7: steps.0.critical: reversed thresholds: large values are bad" in (a.broken or "")
    assert b is not None and b.broken is None
