"""`cad-console runbook`: a runbook with live values, the list of all, or what is wrong with them."""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator

from console.commands.columns import aligned
from console.commands.once import with_session
from console.config.load import load_settings
from console.config.settings import Settings
from console.incidents.response import load_response
from console.runbook_steps import StepResult
from console.runbooks import LAST_PHASE, TRIAGE, Runbook, RunbookIndex
from console.session import Session
from console.suggestions import fill
from queries.model.alert import TrackedAlert
from queries.model.text import visible


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", default="", help="a runbook's name or an alert's, in any spelling")
    parser.add_argument("--list", action="store_true", help="list all runbooks")
    parser.add_argument(
        "--lint", action="store_true", help="name every broken one with file and line; exit 1 where there is one"
    )


def run(arguments: argparse.Namespace) -> int:
    settings = load_settings(arguments)
    index = RunbookIndex.load(settings.paths.runbooks_dir)
    if arguments.lint:
        return _lint(index)
    if arguments.list or not arguments.name:
        return _list(index)
    runbook = index.get(arguments.name) or index.for_alert_name(arguments.name)
    if runbook is None:
        runbook = index.get(TRIAGE)
        print(f"no runbook fits {visible(arguments.name)}; this is the general triage page\n")
        if runbook is None:
            print(index.fault or "there is no triage page either")
            return 1
    return with_session(settings, lambda session: _print(runbook, session, settings, arguments.name))


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


def _lint(index: RunbookIndex) -> int:
    from console.actions.registry import ACTIONS  # noqa: PLC0415  # heavy, and only here

    known = {action.name for action in ACTIONS}
    faults = [index.fault] if index.fault else []
    for item in index.runbooks:
        if item.broken:
            faults.append(item.broken)
        faults += [
            f"{item.path}: actions: there is no action {each.action!r}" for each in item.actions if each.action not in known
        ]
    faults += _served_twice(index)
    for fault in faults:
        print(visible(fault))
    if not faults:
        print(f"{len(index.runbooks)} runbooks, nothing wrong")
    return 1 if faults else 0


def _served_twice(index: RunbookIndex) -> list[str]:
    seen: dict[str, Runbook] = {}
    faults = []
    for item in index.runbooks:
        for name in item.alerts:
            if name in seen:
                faults.append(f"{item.path}: alerts: {name} is served by {seen[name].path} already")
            seen.setdefault(name, item)
    return faults


async def _print(runbook: Runbook, session: Session, settings: Settings, name: str) -> int:
    print(f"{visible(runbook.headline)}\n{visible(runbook.path)}")
    if runbook.broken:
        print(f"broken: {visible(runbook.broken)}")
    answering = any((settings.prometheus, settings.kubernetes, settings.alertmanagers))
    tracked: TrackedAlert | None = None
    if answering:
        snapshot = await session.once()
        tracked = next((item for item in snapshot.alerts if item.runbook and item.runbook.id == runbook.id), None)
        if tracked is not None:
            print(f"for {visible(tracked.alert.name)}, {tracked.alert.state.value}")
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
    return 0


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
