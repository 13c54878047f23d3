"""`cad-console incident`: declare, update and review incidents without a screen."""

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
from queries.text.durations import YEAR_SECONDS, parse_duration
from queries.text.tables import align, format_markdown_table
from queries.text.times import InvalidTime

Work = Callable[[Session, argparse.Namespace], Awaitable[int]]

_PAGE = 500
_NAMED = 20
_NUMBER = "its number or id; defaults to the only open one"


class _UsageError(Exception):
    """The request cannot be fulfilled; the message has the reason and the alternatives."""


def add(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)

    def verb(name: str, meaning: str, *, numbered: bool = True) -> argparse.ArgumentParser:
        subparser = verbs.add_parser(name, help=meaning, description=meaning, allow_abbrev=False)
        add_flags(subparser)
        if numbered:
            subparser.add_argument("incident", nargs="?", default="", metavar="N", help=_NUMBER)
        return subparser

    declare = verb("declare", "declare an incident; starts response timers and records the timeline", numbered=False)
    declare.add_argument("title", nargs="?", default="", metavar="TITLE", help="what is wrong; defaults to the alert's summary")
    declare.add_argument("--severity", type=_severity, metavar="P1…P4", help="defaults to the alert's own")
    declare.add_argument("--alert", action="append", default=[], metavar="NAME|FINGERPRINT", help="a related alert")
    declare.add_argument("--commander", default="", metavar="NAME", help="the incident commander")
    declare.add_argument(
        "--stability", type=_duration, metavar="DURATION", help="the stability window before it counts as resolved (15m)"
    )
    _format(verb("list", "list all incidents, with MTTA and MTTR", numbered=False), "markdown")
    show = _format(verb("show", "show one incident: response timers, roles, contacts, timeline"))
    show.add_argument("--limit", type=int, default=30, metavar="ENTRIES", help="the number of newest timeline entries (30)")
    note = verb("note", "add a note to the timeline; notes are never changed")
    note.add_argument("text", metavar="TEXT")
    note.add_argument("--corrects", default="", metavar="ID", help="the id of the note that this one corrects")
    for name, meaning in (("tick", "mark a step as done"), ("untick", "mark a step as not done")):
        step = verb(name, meaning)
        step.add_argument("step", choices=[item.value for item in Step], metavar="STEP", help=", ".join(Step))
        step.add_argument("--note", default="", metavar="TEXT")
    role = verb("role", "assign a role")
    role.add_argument("role", choices=[item.value for item in Role], metavar="ROLE", help=", ".join(Role))
    role.add_argument("person", metavar="PERSON", help="'' to clear the role")
    role.add_argument("--take-over", action="store_true", help="even if someone else has it; their console notifies them")
    level = verb("severity", "change the severity and its response timers")
    level.add_argument("severity", type=_severity, metavar="P1…P4")
    level.add_argument("--why", default="", metavar="TEXT")
    update = verb("update", "write a status update, filled from live data")
    update.add_argument("--for", dest="audience", default=STATUS_PAGE, metavar="AUDIENCE", help="status-page, chat or your own")
    update.add_argument("--text", default="", metavar="TEXT", help="instead of a template; - reads standard input")
    update.add_argument("--output", default="", metavar="FILE", help="write the update to this file")
    update.add_argument("--send", action="append", default=[], metavar="CHANNEL", help="send it to a configured channel")
    update.add_argument("--yes", action="store_true", help="with --send: do not ask for confirmation")
    sent = verb("sent", "mark an update that you posted by hand as sent; restarts the timer of the next one")
    sent.add_argument("--update", default="", metavar="ID", help="the update (default: the last)")
    sent.add_argument("--where", default=STATUS_PAGE, metavar="PLACE", help=f"where it was posted ({STATUS_PAGE})")
    sent.add_argument("--ago", type=_duration, metavar="DURATION", help="how long ago it was sent, such as 5m (default: now)")
    close = verb("close", "close the incident")
    close.add_argument("--why", default="", metavar="TEXT")
    verb("reopen", "reopen the incident").add_argument("--why", default="", metavar="TEXT")
    report = _format(verb("report", "write the post-incident review"), default="markdown")
    report.add_argument("--output", default="", metavar="FILE", help="write the review to this file")
    _format(verb("changes", "list the changes in the hour before its first alert"))


def run(arguments: argparse.Namespace) -> int:
    """0 done, 1 not possible, 2 where a channel may or may not have received an update."""
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
        return parse_duration(text, least=1.0, most=YEAR_SECONDS)
    except InvalidTime as error:
        raise argparse.ArgumentTypeError(str(error)) from None


async def _incidents(session: Session) -> Incidents:
    if session.journal is None:
        raise _UsageError(session.journal_fault or "there is no journal")
    return (await session.ledger()).incidents


async def _find(session: Session, name: str) -> Incident:
    known = await _incidents(session)
    current = known.current()
    key = name or (current.id if current else "")
    incident = await session.incident(key) if key else None
    if incident is not None:
        return incident
    numbers = ", ".join(str(item.number) for item in (known.open if not name else known.all[-_NAMED:])) or "none"
    if name:
        older = f" and {known.count - _NAMED} older ones" if known.count > _NAMED else ""
        raise _UsageError(f"no incident {visible(name)!r}; known: {numbers}{older}")
    raise _UsageError(f"which incident? open: {numbers}" if known.open else "no incidents yet")


async def _declare(session: Session, arguments: argparse.Namespace) -> int:
    await _incidents(session)
    snapshot = await session.once()
    alerts = tuple(_find_alert(snapshot, name) for name in arguments.alert)
    try:
        data = declaration(
            snapshot,
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
    incident = await _find(session, identity)
    if not snapshot.alerts_known:
        print("the current alerts are unknown: none is linked", file=sys.stderr)
    print(f"declared {incident.severity} {incident.number} ({incident.id}): {visible(incident.title)}")
    _show_lines(session, incident)
    return 0


def _find_alert(snapshot: Snapshot, name: str) -> TrackedAlert:
    matches = [item for item in snapshot.alerts if name in (item.alert.name, item.alert.fingerprint)]
    if matches:
        return matches[0]
    names = ", ".join(sorted({visible(item.alert.name) for item in snapshot.alerts})) or "none"
    raise _UsageError(f"no current alert {visible(name)!r}; current: {names}")


async def _list(session: Session, arguments: argparse.Namespace) -> int:
    known = await _incidents(session)
    now = time.time()
    incidents = [*reversed(await _older(session, known)), *known.all]
    if arguments.format == "json":
        print(dumps([_brief(session, item, now) for item in incidents]))
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
        for item in reversed(incidents)
    ]
    if arguments.format == "markdown":
        print(format_markdown_table(head, rows))
    elif rows:
        print(align([[word.upper() for word in head], *rows]))
        print("\nthe last 30 days")
        print(align(kpi_rows(kpis(known.all, now=now)), indent="  "))
    else:
        print("no incidents yet")
    return 0


async def _older(session: Session, known: Incidents) -> list[Incident]:
    """The incidents that only the journal has, newest first."""
    older: list[Incident] = []
    before = known.count + 1
    while len(older) < known.older and (page := await session.older_incidents(before=before, limit=_PAGE)):
        older += page
        before = page[-1].number
    return older


async def _show(session: Session, arguments: argparse.Namespace) -> int:
    incident = await _find(session, arguments.incident)
    if arguments.format == "json":
        print(dumps(_full(session, incident, time.time())))
        return 0
    _show_lines(session, incident)
    newest = incident.entries[-max(1, arguments.limit) :]
    print()
    print(align([entry_row(entry) for entry in newest]))
    if len(newest) < len(incident.entries):
        print(f"({len(incident.entries) - len(newest)} older entries: --limit)")
    return 0


def _show_lines(session: Session, incident: Incident) -> None:
    print(align(list(incident_lines(incident, session.response, time.time())), indent="  "))


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


def _full(session: Session, incident: Incident, now: float) -> dict[str, Any]:
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
                    {"where": each.where, "state": each.state.value, "at": utc(each.at), "why": each.why}
                    for each in item.sendings
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
    incident = await _find(session, arguments.incident)
    if not arguments.text.strip():
        raise _UsageError("a note needs text")
    data = incident_events.note(arguments.text, corrects=arguments.corrects)
    if arguments.corrects and all(entry.id != arguments.corrects for entry in incident.entries):
        raise _UsageError(f"no entry {visible(arguments.corrects)!r}; `incident show --format json` has the ids")
    await session.record(incident_events.NOTE, incident.id, data)
    print(f"noted as {data['id']}")
    return 0


async def _tick(session: Session, arguments: argparse.Namespace) -> int:
    incident = await _find(session, arguments.incident)
    step, done = Step(arguments.step), arguments.verb == "tick"
    if not done and step not in incident.ticks:
        raise _UsageError(f"{step} is not done")
    note = arguments.note
    if done and step is Step.RESOLVE:
        note = _note_early_resolution(session, incident, note, time.time())
    await session.record(incident_events.STEP, incident.id, incident_events.step(step, done=done, note=note))
    first = incident.ticks.get(step)
    if done and first is not None:
        print(f"noted; {visible(first.author)} completed {step} at {utc(first.at)}, and that time counts")
    else:
        print(f"{step}: {'done' if done else 'not done'}")
    return 0


def _note_early_resolution(session: Session, incident: Incident, note: str, now: float) -> str:
    """The note, preceded by how much of the stability window is missing."""
    warning = early_resolution(incident, session.response.of(incident.severity), now)
    return ": ".join(part for part in (warning, note) if part)


async def _role(session: Session, arguments: argparse.Namespace) -> int:
    incident = await _find(session, arguments.incident)
    role, person = Role(arguments.role), arguments.person.strip()
    holder, caveat = await session.give_role(incident.id, role, person)
    if holder != person and arguments.take_over:
        holder, caveat = await session.give_role(incident.id, role, person, over=holder)
    if caveat:
        print(f"cad-console: could not check whether someone else changed it: {visible(caveat)}", file=sys.stderr)
    if holder != person:
        print(f"cad-console: {visible(holder)} has this role; nothing changed, --take-over takes it over", file=sys.stderr)
        return 1
    print(f"{role}: {visible(person) or 'nobody'}")
    return 0


async def _change_severity(session: Session, arguments: argparse.Namespace) -> int:
    incident = await _find(session, arguments.incident)
    await session.record(incident_events.SEVERITY, incident.id, incident_events.severity(arguments.severity, arguments.why))
    print(f"severity {incident.severity} → {arguments.severity}")
    return 0


async def _close(session: Session, arguments: argparse.Namespace) -> int:
    incident = await _find(session, arguments.incident)
    if not incident.open:
        raise _UsageError(f"incident {incident.number} is already closed")
    await session.record(incident_events.CLOSED, incident.id, incident_events.closed(arguments.why))
    print(f"closed {incident.number}")
    missing = [step.value for step in Step if step not in incident.ticks and step is not Step.REVIEW]
    if missing:
        print(f"not done: {', '.join(missing)}", file=sys.stderr)
    return 0


async def _reopen(session: Session, arguments: argparse.Namespace) -> int:
    incident = await _find(session, arguments.incident)
    if incident.open:
        raise _UsageError(f"incident {incident.number} is open")
    await session.record(incident_events.REOPENED, incident.id, incident_events.closed(arguments.why))
    print(f"reopened {incident.number}")
    return 0


async def _update(session: Session, arguments: argparse.Namespace) -> int:
    incident = await _find(session, arguments.incident)
    unknown = [name for name in arguments.send if session.settings.incidents.channel(name) is None]
    if unknown:
        configured = ", ".join(item.name for item in session.settings.incidents.channels) or "none"
        raise _UsageError(f"no channel {visible(unknown[0])!r}; configured: {configured}")
    if arguments.send and not arguments.yes and not sys.stdin.isatty():
        raise _UsageError("no terminal to confirm on; use --yes")
    if arguments.text:
        text = sys.stdin.read() if arguments.text == "-" else arguments.text
    else:
        snapshot = await session.once()
        facts = facts_of(incident, snapshot, session.response.of(incident.severity), now=time.time())
        text = Templates.load(session.settings.incidents.templates_dir).fill(arguments.audience, facts, phase(incident))
    data = incident_events.update(text.strip())
    await session.record(incident_events.UPDATE, incident.id, data)
    print(text.strip())
    print(f"saved as update {data['update']}", file=sys.stderr)
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
        print(f"{where}not sent: after posting it, mark it with `incident sent {incident.number}`", file=sys.stderr)
    return code


async def _sent(session: Session, arguments: argparse.Namespace) -> int:
    incident = await _find(session, arguments.incident)
    matches = [item for item in incident.updates if not arguments.update or item.id == arguments.update]
    if not matches:
        known = ", ".join(item.id for item in incident.updates) or "none"
        raise _UsageError(f"no such update; known: {known}")
    now = time.time()
    at = now - arguments.ago if arguments.ago else now
    await session.record(
        incident_events.DELIVERED,
        incident.id,
        incident_events.delivered(matches[-1].id, DeliveryState.MARKED, arguments.where, at=at),
    )
    print(f"update {matches[-1].id}: marked as sent to {visible(arguments.where)}")
    return 0


async def _send(session: Session, request: Request, yes: bool) -> int:
    from console.cli.act import check_confirmations, print_preview, prompt  # noqa: PLC0415  # only for a delivery

    async def confirm(preview: Preview) -> bool:
        print_preview(preview)
        if preview.blocked:
            return False
        return check_confirmations(preview, ()) if yes else await prompt(preview)

    last = None
    async with aclosing(session.run(request, confirm)) as steps:  # type: ignore[type-var]
        async for step in steps:
            last = step
    result = visible(last.text) if last else "nothing happened"
    print(f"{request.parameters['channel']}: {result}", file=sys.stderr)
    outcome = last.outcome if last else None
    return {Outcome.DONE: 0, Outcome.UNKNOWN: 2}.get(outcome, 1) if outcome else 1


async def _report(session: Session, arguments: argparse.Namespace) -> int:
    incident = await _find(session, arguments.incident)
    await session.once()
    data = await review(session, incident, now=time.time())
    text = as_markdown(data) if arguments.format == "markdown" else dumps(as_json(data)) + "\n"
    if arguments.output:
        await asyncio.to_thread(_write, arguments.output, text)
        print(f"written to {arguments.output}")
    else:
        print(text, end="")
    return 0


async def _changes(session: Session, arguments: argparse.Namespace) -> int:
    incident = await _find(session, arguments.incident)
    await session.once()
    result = await changes_before(session, incident)
    if arguments.format == "json":
        rows = [{"at": utc(item.at), "kind": item.kind, "text": item.text, "author": item.author} for item in result.changes]
        data = {"start": utc(result.start), "end": utc(result.end), "changes": rows, "not_asked": list(result.faults)}
        print(dumps(data))
        return 0
    print(f"from {utc(result.start)} to {utc(result.end)}, the hour before the first alert")
    cells = [(utc(item.at), item.kind, visible(item.text), visible(item.author)) for item in result.changes]
    print(align(cells) or "no changes found")
    for error in result.faults:
        print(f"not queried: {visible(error)}", file=sys.stderr)
    return 0


_WORK: dict[str, Work] = {
    "declare": _declare,
    "list": _list,
    "show": _show,
    "note": _note,
    "tick": _tick,
    "untick": _tick,
    "role": _role,
    "severity": _change_severity,
    "update": _update,
    "sent": _sent,
    "close": _close,
    "reopen": _reopen,
    "report": _report,
    "changes": _changes,
}
