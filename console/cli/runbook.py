"""`cad-console runbook`: prints a runbook with live values, lists all, or lints them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import console
from console.cli.one_shot import with_session
from console.config.expected_rules import expected_alerts, expected_rules
from console.config.load import load_settings
from console.config.settings import Settings
from console.incidents.severity_policy import load_severity_policies
from console.monitor.session import Session
from console.runbooks.index import TRIAGE, RunbookIndex
from console.runbooks.page import LAST_PHASE, Runbook
from console.runbooks.steps import StepResult
from console.runbooks.suggested_actions import fill_target
from queries.model.alert import TrackedAlert
from queries.model.text import visible
from queries.model.verdict import Verdict
from queries.text.tables import align


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "name", nargs="?", default="", help="a runbook's name or an alert's in any spelling, its path or its URL"
    )
    parser.add_argument("--list", action="store_true", help="list all runbooks")
    parser.add_argument(
        "--lint",
        action="store_true",
        help="check the runbooks, and that every alert has one; exit codes: 0 clean, 1 errors, 3 warnings only",
    )
    parser.add_argument("--format", choices=("text", "json"), default="text", help="the output format of --lint")
    parser.epilog = "exits 1 where no runbook has that name, and suggests similar ones"


def run(arguments: argparse.Namespace) -> int:
    settings = load_settings(arguments)
    if arguments.lint:
        return _lint(settings, format=arguments.format)
    if arguments.list or not arguments.name:
        return _list(RunbookIndex.from_settings(settings))
    return with_session(settings, lambda session: _show(session, settings, arguments.name))


async def _show(session: Session, settings: Settings, name: str) -> int:
    """Prints the runbook that the screens find: by firing alerts and loaded rules, else by the expected rules."""
    live = any((settings.prometheus, settings.kubernetes, settings.alertmanagers))
    snapshot = await session.once() if live else None
    match = session.find_runbook(name)
    if match.runbook is None:
        match = session.runbooks.find(name, (rule.rule for rule in expected_alerts(settings)))
    if match.runbook is None:
        print(f"cad-console runbook: {visible(match.error)}", file=sys.stderr)
        return 1
    if match.matched_by == TRIAGE:
        print(f"no runbook matches {visible(match.alert)}; this is the general triage runbook\n")
    alerts = snapshot.alerts if snapshot else ()
    covered = [item for item in alerts if item.runbook and item.runbook.id == match.runbook.id]
    # The named alert, else any other that the runbook covers.
    covered.sort(key=lambda item: item.alert.name != match.alert)
    await _print(match.runbook, session, settings, tracked=next(iter(covered), None), live=live)
    return 0


def _list(index: RunbookIndex) -> int:
    if index.fault:
        print(index.fault)
        return 1
    rows = [
        (
            item.id,
            "BROKEN" if item.broken else item.severity or "-",
            visible(item.broken or item.headline),
            ", ".join(item.alerts),
        )
        for item in index.runbooks
    ]
    print(align(rows))
    return 0


def _lint(settings: Settings, *, format: str) -> int:
    # Heavy imports, only for --lint.
    from console.cli.console_lines import check_line
    from console.lint.finding import exit_code
    from console.lint.report import as_json, as_text
    from console.lint.runbooks.linter import LINT_RULES, lint_runbooks
    from console.state import snapshot_json

    index = RunbookIndex.from_settings(settings)
    built_in = Path(settings.paths.runbooks_dir).resolve() == Path(console.__file__).resolve().parents[1] / "runbooks"
    rules = [rule for file in expected_rules(settings) for rule in file.rules]
    report = lint_runbooks(index, rules, check_console=lambda words: check_line(words, index), built_in=built_in)
    code = exit_code(report.findings)
    unchecked = 0 if report.kubectl else report.kubectl_lines
    if format == "json":
        counts = {"runbooks": report.runbooks, "alerts": report.alerts, "kubectl_lines": report.kubectl_lines}
        document = {"schema": 1, "exit_code": code, **counts, "kubectl": report.kubectl, "kubectl_lines_unchecked": unchecked}
        print(snapshot_json.dumps({**document, "findings": as_json(report.findings)}))
        return code
    scope = f"{report.runbooks} runbooks, {report.alerts} alerts, {report.kubectl_lines} kubectl lines"
    for line in as_text(report.findings, LINT_RULES, scope=scope):
        print(line)
    if unchecked:
        print(f"kubectl is not on PATH: {unchecked} kubectl lines remain unchecked")
    return code


async def _print(runbook: Runbook, session: Session, settings: Settings, *, tracked: TrackedAlert | None, live: bool) -> None:
    print(f"{visible(runbook.headline)}\n{visible(runbook.path)}")
    if runbook.broken:
        print(f"broken: {visible(runbook.broken)}")
    if tracked is not None:
        print(f"for {visible(tracked.alert.name)}, {tracked.alert.state.value}")
        if error := session.subject_error(runbook, tracked):
            print(f"{Verdict.IN_DOUBT.word}: {visible(error)}")
    results = session.runbook_steps(runbook, tracked) if live else _static_steps(runbook)
    phase, actions_printed = None, False
    async for result in results:
        step_phase = runbook.steps[result.index].phase
        if step_phase == LAST_PHASE and not actions_printed:
            _print_actions(runbook, session, tracked)
            actions_printed = True
        if step_phase != phase:
            print(f"\n{step_phase.capitalize()}" if step_phase else "")
            phase = step_phase
        verdict = result.verdict.word if result.verdict else ""
        print(" ".join(part for part in (f"{result.index + 1}.", verdict, visible(result.title), result.value_text) if part))
        for line in result.text.splitlines():
            print(f"     {visible(line)}")
    if not actions_printed:
        _print_actions(runbook, session, tracked)
    _print_escalation(runbook, settings)
    if runbook.body:
        print()
        for line in runbook.body.splitlines():
            print(visible(line))


async def _static_steps(runbook: Runbook) -> AsyncIterator[StepResult]:
    """The steps without values, where no source is configured."""
    for index, step in enumerate(runbook.steps):
        yield StepResult(index, step.title, "\n".join(filter(None, (step.text, step.query))), None, "", step.query)


def _print_escalation(runbook: Runbook, settings: Settings) -> None:
    if not runbook.escalate:
        return
    response = load_severity_policies(settings.incidents)
    print("\nEscalate")
    for item in runbook.escalate:
        contact = response.contact(item.to)
        print(f"  {item.to}: {visible(item.when)}")
        print(f"     {visible(contact.ways) if contact else 'no contact is configured'}")


def _print_actions(runbook: Runbook, session: Session, tracked: TrackedAlert | None) -> None:
    if tracked is not None:
        rows = [(f"  {item.action}", item.sentence, item.command) for item in session.suggestions(tracked)]
    else:
        rows = [(f"  {item.action}", fill_target(item.target, ()) or item.target, "") for item in runbook.actions]
    if rows:
        print("\nMitigate\n" + align(rows))
