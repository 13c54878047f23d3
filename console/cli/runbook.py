"""`cad-console runbook`: a runbook with live values, the list of all, or what is wrong with them."""

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
from console.incidents.severity_policy import load_response
from console.monitor.session import Session
from console.runbooks.index import TRIAGE, RunbookIndex
from console.runbooks.page import LAST_PHASE, Runbook
from console.runbooks.steps import StepResult
from console.runbooks.suggested_actions import fill
from queries.model.alert import TrackedAlert
from queries.model.text import visible
from queries.model.verdict import Verdict
from queries.text.tables import aligned


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "name", nargs="?", default="", help="a runbook's name or an alert's in any spelling, its path or its URL"
    )
    parser.add_argument("--list", action="store_true", help="list all runbooks")
    parser.add_argument(
        "--lint",
        action="store_true",
        help="what is wrong with them, and which alert has none; exit codes: 0 clean, 1 errors, 3 warnings only",
    )
    parser.add_argument("--format", choices=("text", "json"), default="text", help="of what --lint says")

    parser.epilog = "exits 1 where nothing has that name, and says what is spelled like it"


def run(arguments: argparse.Namespace) -> int:
    settings = load_settings(arguments)
    if arguments.lint:
        return _lint(settings, form=arguments.format)
    if arguments.list or not arguments.name:
        return _list(RunbookIndex.configured(settings))
    return with_session(settings, lambda session: _show(session, settings, arguments.name))


async def _show(session: Session, settings: Settings, name: str) -> int:
    """The page that the screens find: by what fires and by the rules that are loaded, else by those that should be."""
    answering = any((settings.prometheus, settings.kubernetes, settings.alertmanagers))
    snapshot = await session.once() if answering else None
    found = session.find_runbook(name)
    if found.runbook is None:
        found = session.runbooks.find(name, (rule.rule for rule in expected_alerts(settings)))
    if found.runbook is None:
        print(f"cad-console runbook: {visible(found.error)}", file=sys.stderr)
        return 1
    if found.matched_by == TRIAGE:
        print(f"no runbook fits {visible(found.alert)}; this is the general triage page\n")
    alerts = snapshot.alerts if snapshot else ()
    served = [item for item in alerts if item.runbook and item.runbook.id == found.runbook.id]
    # The alert that was named, else any that the page serves.
    served.sort(key=lambda item: item.alert.name != found.alert)
    await _print(found.runbook, session, settings, tracked=next(iter(served), None), answering=answering)
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
    print(aligned(rows))
    return 0


def _lint(settings: Settings, *, form: str) -> int:
    # Heavy, and only here.
    from console.cli.own_lines import check_line  # noqa: PLC0415
    from console.lint.finding import exit_code  # noqa: PLC0415
    from console.lint.report import as_json, as_text  # noqa: PLC0415
    from console.lint.runbooks.linter import TRAPS, lint  # noqa: PLC0415
    from console.state import snapshot_json  # noqa: PLC0415

    index = RunbookIndex.configured(settings)
    shipped = Path(settings.paths.runbooks_dir).resolve() == Path(console.__file__).resolve().parents[1] / "runbooks"
    rules = [rule for file in expected_rules(settings) for rule in file.rules]
    found = lint(index, rules, check_console=lambda words: check_line(words, index), shipped=shipped)
    code = exit_code(found.findings)
    unchecked = 0 if found.kubectl else found.kubectl_lines
    if form == "json":
        counts = {"runbooks": found.runbooks, "alerts": found.alerts, "kubectl_lines": found.kubectl_lines}
        told = {"schema": 1, "exit_code": code, **counts, "kubectl": found.kubectl, "kubectl_lines_unchecked": unchecked}
        print(snapshot_json.dumps({**told, "findings": as_json(found.findings)}))
        return code
    told_of = f"{found.runbooks} runbooks, {found.alerts} alerts, {found.kubectl_lines} kubectl lines"
    for line in as_text(found.findings, TRAPS, looked_at=told_of):
        print(line)
    if unchecked:
        print(f"kubectl is not on PATH: whether the {unchecked} kubectl lines are valid was not checked")
    return code


async def _print(
    runbook: Runbook, session: Session, settings: Settings, *, tracked: TrackedAlert | None, answering: bool
) -> None:
    print(f"{visible(runbook.headline)}\n{visible(runbook.path)}")
    if runbook.broken:
        print(f"broken: {visible(runbook.broken)}")
    if tracked is not None:
        print(f"for {visible(tracked.alert.name)}, {tracked.alert.state.value}")
        if doubt := session.subject_error(runbook, tracked):
            print(f"{Verdict.IN_DOUBT.word}: {visible(doubt)}")
    answers = session.runbook_steps(runbook, tracked) if answering else _unanswered(runbook)
    phase, acted = None, False
    async for result in answers:
        after = runbook.steps[result.index].phase
        if after == LAST_PHASE and not acted:
            _print_actions(runbook, session, tracked)
            acted = True
        if after != phase:
            print(f"\n{after.capitalize()}" if after else "")
            phase = after
        word = result.verdict.word if result.verdict else ""
        print(" ".join(part for part in (f"{result.index + 1}.", word, visible(result.title), result.value_text) if part))
        for line in result.text.splitlines():
            print(f"     {visible(line)}")
    if not acted:
        _print_actions(runbook, session, tracked)
    _print_escalation(runbook, settings)
    if runbook.body:
        print()
        for line in runbook.body.splitlines():
            print(visible(line))


async def _unanswered(runbook: Runbook) -> AsyncIterator[StepResult]:
    """The steps as they are written, where nobody can be asked."""
    for index, step in enumerate(runbook.steps):
        yield StepResult(index, step.title, "\n".join(filter(None, (step.text, step.query))), None, "", step.query)


def _print_escalation(runbook: Runbook, settings: Settings) -> None:
    if not runbook.escalate:
        return
    response = load_response(settings.incidents)
    print("\nEscalate")
    for item in runbook.escalate:
        contact = response.contact(item.to)
        print(f"  {item.to}: {visible(item.when)}")
        print(f"     {visible(contact.ways) if contact else 'no contact is configured'}")


def _print_actions(runbook: Runbook, session: Session, tracked: TrackedAlert | None) -> None:
    if tracked is not None:
        rows = [(f"  {item.action}", item.sentence, item.command) for item in session.targets(tracked)]
    else:
        rows = [(f"  {item.action}", fill(item.target, ()) or item.target, "") for item in runbook.actions]
    if rows:
        print("\nMitigate\n" + aligned(rows))
