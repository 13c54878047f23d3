"""`cad-console incident`: declare, follow, tell and review incidents without a screen."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

from console.actions.plan import Outcome, Preview, Request
from console.cli.one_shot import with_session
from console.cli.parser import add_flags
from console.config.load import load_settings
from console.incidents.declaration import declaration
from console.incidents.postmortem import as_json, as_markdown, kpi_rows
from console.incidents.postmortem_data import changes_before, review
from console.incidents.response_timers import clocks, early_resolution
from console.incidents.templates import STATUS_PAGE, TemplateError, Templates, facts_of
from console.incidents.text import entry_row, incident_lines, state_words
from console.journal.sqlite import JournalError
from console.monitor.session import Session
from console.state import incident_events
from console.state.incident import DeliveryState, Incident, Incidents, Role, Step
from console.state.incident_metrics import kpis
from console.state.public_status import phase
from console.state.snapshot import Snapshot
from console.state.snapshot_json import dumps, utc
from queries.model.alert import Priority, TrackedAlert
from queries.model.text import visible
from queries.text.spans import InvalidTime, seconds_of
from queries.text.tables import aligned, markdown

Work = Callable[[Session, argparse.Namespace], Awaitable[int]]

_PAGE = 500
_NAMED = 20
_NUMBER = "its number or id; the only open one where it is left out"


class _UsageError(Exception):
    """What was asked for cannot be done; the message says why and what there is instead."""


def add(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)

    def verb(name: str, meaning: str, *, numbered: bool = True) -> argparse.ArgumentParser:
        made = verbs.add_parser(name, help=meaning, description=meaning, allow_abbrev=False)
        add_flags(made)
        if numbered:
            made.add_argument("incident", nargs="?", default="", metavar="N", help=_NUMBER)
        return made

    declare = verb("declare", "begin an incident; its timeline writes itself from then on", numbered=False)
    declare.add_argument("title", nargs="?", default="", metavar="TITLE", help="what is wrong; the alert's summary without one")
    declare.add_argument("--severity", type=_severity, metavar="P1…P4", help="the alert's own without one")
    declare.add_argument("--alert", action="append", default=[], metavar="NAME|FINGERPRINT", help="an alert that belongs to it")
    declare.add_argument("--commander", default="", metavar="NAME", help="who leads")
    declare.add_argument("--stability", type=_duration, metavar="DURATION", help="how long it has to stay quiet (15m)")
    _format(verb("list", "all incidents, and how fast they were answered", numbered=False), "markdown")
    show = _format(verb("show", "one incident: clocks, roles, whom to call, timeline"))
    show.add_argument("--limit", type=int, default=30, metavar="ENTRIES", help="the newest entries of its timeline (30)")
    note = verb("note", "add a note to the timeline; none is ever changed")
    note.add_argument("text", metavar="TEXT")
    note.add_argument("--corrects", default="", metavar="ID", help="the id of a note that this one corrects")
    for name, meaning in (("tick", "a step is done"), ("untick", "a step is not done after all")):
        step = verb(name, meaning)
        step.add_argument("step", choices=[item.value for item in Step], metavar="STEP", help=", ".join(Step))
        step.add_argument("--note", default="", metavar="TEXT")
    role = verb("role", "who has which role")
    role.add_argument("role", choices=[item.value for item in Role], metavar="ROLE", help=", ".join(Role))
    role.add_argument("person", metavar="PERSON", help="'' for nobody")
    role.add_argument("--take-over", action="store_true", help="even if somebody else has it; their console tells them")
    level = verb("severity", "another severity, with other clocks")
    level.add_argument("severity", type=_severity, metavar="P1…P4")
    level.add_argument("--why", default="", metavar="TEXT")
    update = verb("update", "write an update for people outside, filled from live data")
    update.add_argument("--for", dest="audience", default=STATUS_PAGE, metavar="AUDIENCE", help="status-page, chat or your own")
    update.add_argument("--text", default="", metavar="TEXT", help="instead of a template; - reads it from the standard input")
    update.add_argument("--output", default="", metavar="FILE", help="write it there")
    update.add_argument("--send", action="append", default=[], metavar="CHANNEL", help="send it to a configured channel")
    update.add_argument("--yes", action="store_true", help="with --send: do not ask")
    sent = verb("sent", "mark an update that you posted by hand as sent; the time to the next one runs from then")
    sent.add_argument("--update", default="", metavar="ID", help="which one (default: the last)")
    sent.add_argument("--where", default=STATUS_PAGE, metavar="PLACE", help=f"where people read it ({STATUS_PAGE})")
    sent.add_argument("--ago", type=_duration, metavar="DURATION", help="how long ago it went out, as 5m (default: now)")
    close = verb("close", "it is over")
    close.add_argument("--why", default="", metavar="TEXT")
    verb("reopen", "it is not over after all").add_argument("--why", default="", metavar="TEXT")
    report = _format(verb("report", "the post-incident review"), default="markdown")
    report.add_argument("--output", default="", metavar="FILE", help="write it there")
    _format(verb("changes", "what changed in the hour before its first alert"))


def run(arguments: argparse.Namespace) -> int:
    """0 done, 1 not possible, 2 where an update was given to a channel and it is not known whether it arrived."""
    settings = load_settings(arguments)
    try:
        return with_session(settings, lambda session: _WORK[arguments.verb](session, arguments))
    except (_UsageError, JournalError, TemplateError) as error:
        print(f"cad-console incident: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"cad-console incident: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1


def _format(parser: argparse.ArgumentParser, *more: str, default: str = "text") -> argparse.ArgumentParser:
    parser.add_argument("--format", choices=(default, "json", *more), default=default)
    return parser


def _write(file: str, text: str) -> None:
    Path(file).expanduser().write_text(text, encoding="utf-8")


def _severity(text: str) -> Priority:
    try:
        return Priority(text.upper())
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected one of {', '.join(Priority)}") from None


def _duration(text: str) -> float:
    try:
        return float(seconds_of(text))
    except InvalidTime as error:
        raise argparse.ArgumentTypeError(str(error)) from None


async def _incidents(session: Session) -> Incidents:
    if session.journal is None:
        raise _UsageError(session.journal_fault or "there is no journal")
    return (await session.ledger()).incidents


async def _chosen(session: Session, words: str) -> Incident:
    found = await _incidents(session)
    current = found.current()
    wanted = words or (current.id if current else "")
    incident = await session.incident(wanted) if wanted else None
    if incident is not None:
        return incident
    numbers = ", ".join(str(item.number) for item in (found.open if not words else found.all[-_NAMED:])) or "none"
    if words:
        more = f" and {found.count - _NAMED} older ones" if found.count > _NAMED else ""
        raise _UsageError(f"there is no incident {visible(words)!r}; there are {numbers}{more}")
    raise _UsageError(f"which incident? open are {numbers}" if found.open else "there is no incident yet")


async def _declare(session: Session, arguments: argparse.Namespace) -> int:
    await _incidents(session)
    shown = await session.once()
    alerts = tuple(_alert(shown, words) for words in arguments.alert)
    try:
        data = declaration(
            shown,
            title=arguments.title,
            severity=arguments.severity,
            alerts=alerts,
            commander=arguments.commander,
            stability_seconds=arguments.stability,
        )
    except ValueError as error:
        raise _UsageError(f"{error}: give a TITLE or --alert NAME") from None
    identity = incident_events.new_id()
    await session.record(incident_events.DECLARED, identity, data)
    incident = await _chosen(session, identity)
    if not shown.alerts_known:
        print("which alerts there are is not known now: none is linked", file=sys.stderr)
    print(f"declared {incident.severity} {incident.number} ({incident.id}): {visible(incident.title)}")
    _show_lines(session, incident)
    return 0


def _alert(shown: Snapshot, words: str) -> TrackedAlert:
    found = [item for item in shown.alerts if words in (item.alert.name, item.alert.fingerprint)]
    if found:
        return found[0]
    names = ", ".join(sorted({visible(item.alert.name) for item in shown.alerts})) or "none"
    raise _UsageError(f"no alert {visible(words)!r} is known now; there are {names}")


async def _list(session: Session, arguments: argparse.Namespace) -> int:
    held = await _incidents(session)
    now = time.time()
    found = [*reversed(await _older(session, held)), *held.all]
    if arguments.format == "json":
        print(dumps([_brief(session, item, now) for item in found]))
        return 0
    head = ("#", "id", "severity", "title", "began", "state", "commander")
    rows = [
        (
            str(item.number),
            item.id,
            item.severity.value,
            visible(item.title),
            utc(item.began_at),
            state_words(item, session.response.of(item.severity), now),
            visible(item.person(Role.COMMANDER)) or "-",
        )
        for item in reversed(found)
    ]
    if arguments.format == "markdown":
        print(markdown(head, rows))
    elif rows:
        print(aligned([[word.upper() for word in head], *rows]))
        print("\nthe last 30 days")
        print(aligned(kpi_rows(kpis(held.all, now=now)), indent="  "))
    else:
        print("there is no incident yet")
    return 0


async def _older(session: Session, held: Incidents) -> list[Incident]:
    """Those that are only in the journal, the newest first."""
    found: list[Incident] = []
    before = held.count + 1
    while len(found) < held.older and (page := await session.older_incidents(before=before, limit=_PAGE)):
        found += page
        before = page[-1].number
    return found


async def _show(session: Session, arguments: argparse.Namespace) -> int:
    incident = await _chosen(session, arguments.incident)
    if arguments.format == "json":
        print(dumps(_whole(session, incident, time.time())))
        return 0
    _show_lines(session, incident)
    newest = incident.entries[-max(1, arguments.limit) :]
    print()
    print(aligned([entry_row(entry) for entry in newest]))
    if len(newest) < len(incident.entries):
        print(f"({len(incident.entries) - len(newest)} older entries: --limit)")
    return 0


def _show_lines(session: Session, incident: Incident) -> None:
    print(aligned(list(incident_lines(incident, session.response, time.time())), indent="  "))


def _brief(session: Session, incident: Incident, now: float) -> dict[str, Any]:
    return {
        "id": incident.id,
        "number": incident.number,
        "title": incident.title,
        "severity": incident.severity.value,
        "phase": phase(incident).value,
        "open": incident.open,
        "began_at": utc(incident.began_at),
        "declared_at": utc(incident.declared_at),
        "closed_at": None if incident.closed_at is None else utc(incident.closed_at),
        "steps": [
            {
                "step": clock.step.value,
                "state": clock.pace.value,
                "due_at": None if clock.due_at is None else utc(clock.due_at),
                "done_at": utc(clock.tick.at) if clock.tick else None,
                "by": clock.tick.author if clock.tick else None,
            }
            for clock in clocks(incident, session.response.of(incident.severity), now)
        ],
        "roles": {role.value: incident.person(role) or None for role in Role},
    }


def _whole(session: Session, incident: Incident, now: float) -> dict[str, Any]:
    return {
        **_brief(session, incident, now),
        "alerts": [{"fingerprint": item.fingerprint, "name": item.name} for item in incident.alerts],
        "updates": [
            {
                "id": item.id,
                "at": utc(item.at),
                "author": item.author,
                "text": item.text,
                "sendings": [
                    {"where": one.where, "state": one.state.value, "at": utc(one.at), "why": one.why} for one in item.sendings
                ],
            }
            for item in incident.updates
        ],
        "timeline": [
            {
                "id": item.id,
                "at": utc(item.at),
                "recorded_at": utc(item.recorded_at),
                "source": item.source.value,
                "author": item.author,
                "text": item.text,
                "corrects": item.corrects or None,
            }
            for item in incident.entries
        ],
    }


async def _note(session: Session, arguments: argparse.Namespace) -> int:
    incident = await _chosen(session, arguments.incident)
    if not arguments.text.strip():
        raise _UsageError("a note needs a text")
    data = incident_events.note(arguments.text, corrects=arguments.corrects)
    if arguments.corrects and all(entry.id != arguments.corrects for entry in incident.entries):
        raise _UsageError(f"there is no entry {visible(arguments.corrects)!r}; `incident show --format json` has the ids")
    await session.record(incident_events.NOTE, incident.id, data)
    print(f"noted as {data['id']}")
    return 0


async def _tick(session: Session, arguments: argparse.Namespace) -> int:
    incident = await _chosen(session, arguments.incident)
    step, done = Step(arguments.step), arguments.verb == "tick"
    if not done and step not in incident.ticks:
        raise _UsageError(f"{step} is not done")
    note = arguments.note
    if done and step is Step.RESOLVE:
        note = _early_words(session, incident, note, time.time())
    await session.record(incident_events.STEP, incident.id, incident_events.step(step, done=done, note=note))
    first = incident.ticks.get(step)
    if done and first is not None:
        print(f"noted; {step} was done already at {utc(first.at)} by {visible(first.author)}, and that counts")
    else:
        print(f"{step}: {'done' if done else 'not done after all'}")
    return 0


def _early_words(session: Session, incident: Incident, note: str, now: float) -> str:
    """The note, with what is missing of the window of stability."""
    told = early_resolution(incident, session.response.of(incident.severity), now)
    return ": ".join(part for part in (told, note) if part)


async def _role(session: Session, arguments: argparse.Namespace) -> int:
    incident = await _chosen(session, arguments.incident)
    role, person = Role(arguments.role), arguments.person.strip()
    has, doubt = await session.give_role(incident.id, role, person)
    if has != person and arguments.take_over:
        has, doubt = await session.give_role(incident.id, role, person, over=has)
    if doubt:
        print(f"cad-console: it is not known whether somebody else changed it: {visible(doubt)}", file=sys.stderr)
    if has != person:
        print(f"cad-console: {visible(has)} has it; nothing was changed, --take-over takes it from them", file=sys.stderr)
        return 1
    print(f"{role}: {visible(person) or 'nobody'}")
    return 0


async def _level(session: Session, arguments: argparse.Namespace) -> int:
    incident = await _chosen(session, arguments.incident)
    await session.record(incident_events.SEVERITY, incident.id, incident_events.severity(arguments.severity, arguments.why))
    print(f"severity {incident.severity} → {arguments.severity}")
    return 0


async def _close(session: Session, arguments: argparse.Namespace) -> int:
    incident = await _chosen(session, arguments.incident)
    if not incident.open:
        raise _UsageError(f"incident {incident.number} is closed already")
    await session.record(incident_events.CLOSED, incident.id, incident_events.closed(arguments.why))
    print(f"closed {incident.number}")
    missing = [step.value for step in Step if step not in incident.ticks and step is not Step.REVIEW]
    if missing:
        print(f"not done: {', '.join(missing)}", file=sys.stderr)
    return 0


async def _reopen(session: Session, arguments: argparse.Namespace) -> int:
    incident = await _chosen(session, arguments.incident)
    if incident.open:
        raise _UsageError(f"incident {incident.number} is open")
    await session.record(incident_events.REOPENED, incident.id, incident_events.closed(arguments.why))
    print(f"opened {incident.number} again")
    return 0


async def _update(session: Session, arguments: argparse.Namespace) -> int:
    incident = await _chosen(session, arguments.incident)
    unknown = [name for name in arguments.send if session.settings.incidents.channel(name) is None]
    if unknown:
        there = ", ".join(item.name for item in session.settings.incidents.channels) or "none"
        raise _UsageError(f"there is no channel {visible(unknown[0])!r}; configured are {there}")
    if arguments.send and not arguments.yes and not sys.stdin.isatty():
        raise _UsageError("there is no terminal to ask on; give --yes")
    if arguments.text:
        text = sys.stdin.read() if arguments.text == "-" else arguments.text
    else:
        shown = await session.once()
        facts = facts_of(incident, shown, session.response.of(incident.severity), now=time.time())
        text = Templates.load(session.settings.incidents.templates_dir).fill(arguments.audience, facts, phase(incident))
    data = incident_events.update(text.strip())
    await session.record(incident_events.UPDATE, incident.id, data)
    print(text.strip())
    print(f"kept as update {data['update']}", file=sys.stderr)
    if arguments.output:
        await asyncio.to_thread(_write, arguments.output, text.strip() + "\n")
        await session.record(
            incident_events.DELIVERED,
            incident.id,
            incident_events.delivered(data["update"], DeliveryState.WRITTEN, arguments.output),
        )
    code = 0
    for channel in arguments.send:
        request = Request("notify", f"update/{incident.id}/{data['update']}", {"channel": channel})
        code = max(code, await _send(session, request, arguments.yes))
    if not arguments.send:
        where = f"written to {arguments.output}, " if arguments.output else ""
        print(f"{where}not sent: once you have posted it, `incident sent {incident.number}` marks it", file=sys.stderr)
    return code


async def _sent(session: Session, arguments: argparse.Namespace) -> int:
    incident = await _chosen(session, arguments.incident)
    found = [item for item in incident.updates if not arguments.update or item.id == arguments.update]
    if not found:
        there = ", ".join(item.id for item in incident.updates) or "none"
        raise _UsageError(f"there is no such update; there are {there}")
    now = time.time()
    at = now - arguments.ago if arguments.ago else now
    await session.record(
        incident_events.DELIVERED,
        incident.id,
        incident_events.delivered(found[-1].id, DeliveryState.MARKED, arguments.where, at=at),
    )
    print(f"update {found[-1].id}: marked as sent to {visible(arguments.where)}")
    return 0


async def _send(session: Session, request: Request, yes: bool) -> int:
    from console.cli.act import asked, confirmed, show  # noqa: PLC0415  # the same preview and question as there

    async def confirm(preview: Preview) -> bool:
        show(preview)
        if preview.blocked:
            return False
        return confirmed(preview, ()) if yes else await asked(preview)

    end = None
    async with aclosing(session.run(request, confirm)) as steps:  # type: ignore[type-var]
        async for step in steps:
            end = step
    told = visible(end.text) if end else "nothing happened"
    print(f"{request.parameters['channel']}: {told}", file=sys.stderr)
    outcome = end.outcome if end else None
    return {Outcome.DONE: 0, Outcome.UNKNOWN: 2}.get(outcome, 1) if outcome else 1


async def _report(session: Session, arguments: argparse.Namespace) -> int:
    incident = await _chosen(session, arguments.incident)
    await session.once()
    made = await review(session, incident, now=time.time())
    text = as_markdown(made) if arguments.format == "markdown" else dumps(as_json(made)) + "\n"
    if arguments.output:
        await asyncio.to_thread(_write, arguments.output, text)
        print(f"written to {arguments.output}")
    else:
        print(text, end="")
    return 0


async def _changes(session: Session, arguments: argparse.Namespace) -> int:
    incident = await _chosen(session, arguments.incident)
    await session.once()
    found = await changes_before(session, incident)
    if arguments.format == "json":
        rows = [{"at": utc(item.at), "kind": item.kind, "text": item.text, "author": item.author} for item in found.changes]
        print(dumps({"start": utc(found.start), "end": utc(found.end), "changes": rows, "not_asked": list(found.faults)}))
        return 0
    print(f"from {utc(found.start)} to {utc(found.end)}, the hour before the first alert")
    told = [(utc(item.at), item.kind, visible(item.text), visible(item.author)) for item in found.changes]
    print(aligned(told) or "nothing seen")
    for fault in found.faults:
        print(f"not asked: {visible(fault)}", file=sys.stderr)
    return 0


_WORK: dict[str, Work] = {
    "declare": _declare,
    "list": _list,
    "show": _show,
    "note": _note,
    "tick": _tick,
    "untick": _tick,
    "role": _role,
    "severity": _level,
    "update": _update,
    "sent": _sent,
    "close": _close,
    "reopen": _reopen,
    "report": _report,
    "changes": _changes,
}
