"""`cad-console incident`: declare, update and review incidents without a screen."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing

from console.actions.plan import Outcome, Preview, Request
from console.cli.one_shot import read_ledger, with_session
from console.cli.parser import add_flags
from console.cli.progress import ProgressLine
from console.config.load import load_settings
from console.incidents.incident_json import brief_json, incident_json
from console.incidents.postmortem import as_json, as_markdown, metric_rows
from console.incidents.service import IncidentError, open_steps, save_text
from console.incidents.templates import STATUS_PAGE, TemplateError
from console.incidents.text import entry_row, incident_lines, status_text
from console.journal.errors import JournalError
from console.journal.payloads import Role, Step
from console.monitor.session import Session
from console.state.incident import Incident, update_target
from console.state.incident_metrics import compute_metrics
from console.state.snapshot import Snapshot
from console.state.snapshot_json import dumps, format_json_time
from queries.model.alert import TrackedAlert
from queries.model.severity import Priority
from queries.model.text import visible
from queries.text.durations import YEAR_SECONDS, parse_duration
from queries.text.suggestions import nearest_names
from queries.text.tables import align, format_markdown_table
from queries.text.times import InvalidTime

Work = Callable[[Session, argparse.Namespace], Awaitable[int]]

_NUMBER = "its number or id; defaults to the only open one"


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
    declare.add_argument(
        "--alert", action="append", default=[], metavar="NAME|FINGERPRINT", help="a related alert, or all with this name"
    )
    declare.add_argument("--commander", default="", metavar="NAME", help="the incident commander")
    declare.add_argument(
        "--stability", type=_duration, metavar="DURATION", help="the stability window before it counts as resolved (15m)"
    )
    declare.add_argument(
        "--since",
        type=_duration,
        metavar="DURATION",
        help="how long ago it began, such as 20m, if that was before its first alert or the alert has already resolved",
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
    _add_reports(verb)
    follow_up = verb("follow-up", "add something to do after the incident; the report lists it as an action item")
    follow_up.add_argument("text", metavar="TEXT", help="what to do; with --done, the id of a follow-up")
    follow_up.add_argument("--owner", default="", metavar="NAME", help="the owner")
    follow_up.add_argument("--due", default="", metavar="DATE", help="due date: 2026-12-05, or 3d for 3 days from now")
    follow_up.add_argument("--done", action="store_true", help="mark it as done")


def _add_reports(verb: Callable[..., argparse.ArgumentParser]) -> None:
    """What is written about an incident."""
    report = _format(verb("report", "write the post-incident review"), "html", default="markdown")
    report.add_argument("--output", default="", metavar="FILE", help="write the review to this file")
    bundle = verb("bundle", "write everything about it into one file, which `cad-console replay` opens")
    bundle.add_argument("--output", default="", metavar="FILE", help="default: incident-N.bundle.zip in this folder")
    _format(verb("changes", "list the changes in the hour before its first alert"))


def run(arguments: argparse.Namespace) -> int:
    """0 done, 1 not possible, 2 where a channel received an update and may not have delivered it."""
    settings = load_settings(arguments)
    try:
        return with_session(settings, lambda session: _run(session, arguments))
    except (IncidentError, JournalError, TemplateError) as error:
        print(f"cad-console incident: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"cad-console incident: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1


async def _run(session: Session, arguments: argparse.Namespace) -> int:
    if session.journal is None:
        raise IncidentError(session.journal_fault or "there is no journal")
    await read_ledger(session)
    return await _WORK[arguments.verb](session, arguments)


def _format(parser: argparse.ArgumentParser, *more: str, default: str = "text") -> argparse.ArgumentParser:
    parser.add_argument("--format", choices=(default, "json", *more), default=default)
    return parser


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


async def _declare(session: Session, arguments: argparse.Namespace) -> int:
    snapshot = await session.once()
    named = (item for name in arguments.alert for item in _find_alerts(snapshot, name))
    alerts = tuple({item.alert.fingerprint: item for item in named}.values())
    try:
        incident = await session.incidents.declare(
            title=arguments.title,
            severity=arguments.severity,
            alerts=alerts,
            commander=arguments.commander,
            stability_seconds=arguments.stability,
            seconds_ago=arguments.since or 0.0,
        )
    except IncidentError as error:
        raise IncidentError(f"{error}: give a TITLE or --alert NAME") from None
    if not snapshot.alerts_known:
        print("the current alerts are unknown: none is linked", file=sys.stderr)
    print(f"declared incident {incident.number} ({incident.id}), {incident.severity}: {visible(incident.title)}")
    _print_lines(session, incident)
    return 0


def _find_alerts(snapshot: Snapshot, name: str) -> tuple[TrackedAlert, ...]:
    """Every alert of that name: while one of them fires, the incident is not over. Raises IncidentError."""
    if found := tuple(item for item in snapshot.alerts if name in (item.alert.name, item.alert.fingerprint)):
        return found
    names = ", ".join(sorted({visible(item.alert.name) for item in snapshot.alerts})) or "none"
    near = nearest_names(name, (item.alert.name for item in snapshot.alerts), most=1)
    hint = f", did you mean {visible(near[0])!r}?" if near else ""
    raise IncidentError(f"no current alert {visible(name)!r}{hint}; current: {names}")


async def _list(session: Session, arguments: argparse.Namespace) -> int:
    incidents, now = await session.incidents.all(), time.time()
    if arguments.format == "json":
        print(dumps([brief_json(item, session.severity_policies, now) for item in incidents]))
        return 0
    head = ("#", "id", "severity", "title", "began", "state", "commander")
    rows = [
        (
            str(item.number),
            item.id,
            item.severity.value,
            visible(item.title),
            format_json_time(item.began_at),
            status_text(item, session.severity_policies.for_severity(item.severity), now),
            visible(item.person(Role.COMMANDER)) or "-",
        )
        for item in reversed(incidents)
    ]
    if arguments.format == "markdown":
        print(format_markdown_table(head, rows))
    elif rows:
        print(align([[word.upper() for word in head], *rows]))
        print("\nthe last 30 days")
        print(align(metric_rows(compute_metrics((await session.incidents.known()).all, now=now)), indent="  "))
    else:
        print("no incidents yet")
    return 0


async def _show(session: Session, arguments: argparse.Namespace) -> int:
    incident = await session.incidents.find(arguments.incident)
    if arguments.format == "json":
        print(dumps(incident_json(incident, session.severity_policies, time.time())))
        return 0
    _print_lines(session, incident)
    newest = incident.entries[-max(1, arguments.limit) :]
    print()
    print(align([entry_row(entry) for entry in newest]))
    if len(newest) < len(incident.entries):
        print(f"({len(incident.entries) - len(newest)} older entries: --limit)")
    return 0


def _print_lines(session: Session, incident: Incident) -> None:
    print(align(list(incident_lines(incident, session.severity_policies, time.time())), indent="  "))


async def _find_open(session: Session, arguments: argparse.Namespace) -> Incident:
    """The incident to change: a closed one only by its number. Raises IncidentError."""
    incident = await session.incidents.find(arguments.incident)
    if not (arguments.incident or incident.open):
        raise IncidentError(f"no incident is open; give the number of the closed one, such as {incident.number}")
    return incident


async def _note(session: Session, arguments: argparse.Namespace) -> int:
    incident = await _find_open(session, arguments)
    identity = await session.incidents.add_note(incident, arguments.text, corrects=arguments.corrects)
    print(f"added note {identity}")
    return 0


async def _step(session: Session, arguments: argparse.Namespace) -> int:
    incident = await _find_open(session, arguments)
    step, done = Step(arguments.step), arguments.verb == "tick"
    if done and step is Step.RESOLVE and incident.alerts:
        await session.once()  # the note of a resolution says whether its alerts fire
    before = await session.incidents.change_step(incident, step, done=done, note=arguments.note)
    if done and before is not None:
        print(f"recorded; {visible(before.author)} completed {step} at {format_json_time(before.at)}, and that counts")
    else:
        print(f"{step}: {'done' if done else 'reopened'}")
    return 0


async def _role(session: Session, arguments: argparse.Namespace) -> int:
    incident = await _find_open(session, arguments)
    role, person = Role(arguments.role), arguments.person.strip()
    change = await session.incidents.assign_role(incident.id, role, person)
    if change.holder != person and arguments.take_over:
        change = await session.incidents.assign_role(incident.id, role, person, over=change.holder)
    if change.caveat:
        print(f"cad-console: could not check whether someone else changed it: {visible(change.caveat)}", file=sys.stderr)
    if change.holder != person:
        text = f"{visible(change.holder)} holds it; nothing was changed, --take-over takes it over"
        print(f"cad-console: {text}", file=sys.stderr)
        return 1
    print(f"{role}: {visible(person) or 'nobody'}")
    return 0


async def _change_severity(session: Session, arguments: argparse.Namespace) -> int:
    incident = await _find_open(session, arguments)
    await session.incidents.change_severity(incident, arguments.severity, arguments.why)
    print(f"severity {incident.severity} → {arguments.severity}")
    return 0


async def _close(session: Session, arguments: argparse.Namespace) -> int:
    incident = await session.incidents.find(arguments.incident)
    await session.incidents.close(incident, arguments.why)
    print(f"closed {incident.number}")
    if missing := open_steps(incident):
        print(f"not done: {', '.join(missing)}", file=sys.stderr)
    return 0


async def _reopen(session: Session, arguments: argparse.Namespace) -> int:
    incident = await session.incidents.find(arguments.incident)
    await session.incidents.reopen(incident, arguments.why)
    print(f"reopened {incident.number}")
    return 0


async def _update(session: Session, arguments: argparse.Namespace) -> int:
    incidents, channels = session.incidents, session.settings.incidents
    incident = await _find_open(session, arguments)
    for name in arguments.send:
        if channels.channel(name) is None:
            known = ", ".join(item.name for item in channels.channels) or "none"
            raise IncidentError(f"no channel {visible(name)!r}; configured: {known}")
    if arguments.send and not arguments.yes and not sys.stdin.isatty():
        raise IncidentError("there is no terminal to confirm on; give --yes")
    if arguments.text:
        text = sys.stdin.read() if arguments.text == "-" else arguments.text
    else:
        templates = await incidents.load_templates()
        text = incidents.draft_update(incident, templates, arguments.audience, await session.once())
    update = await incidents.write_update(incident, text.strip())
    print(update.text)
    print(f"kept as update {update.id}", file=sys.stderr)
    if arguments.output:
        await incidents.save_update(incident, update, arguments.output)
    code = 0
    for channel in arguments.send:
        request = Request("notify", update_target(incident.id, update.id), {"channel": channel})
        code = max(code, await _send(session, request, arguments.yes))
    if not arguments.send:
        where = f"written to {arguments.output}, " if arguments.output else ""
        print(f"{where}not sent: after posting it, mark it with `incident sent {incident.number}`", file=sys.stderr)
    return code


async def _sent(session: Session, arguments: argparse.Namespace) -> int:
    incident = await _find_open(session, arguments)
    update = await session.incidents.mark_sent(
        incident, arguments.where, update=arguments.update, seconds_ago=arguments.ago or 0.0
    )
    print(f"update {update.id}: marked as sent to {visible(arguments.where)}")
    return 0


async def _send(session: Session, request: Request, yes: bool) -> int:
    from console.cli.act import check_confirmations, print_preview, prompt  # only for a delivery

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
    incident = await session.incidents.find(arguments.incident)
    await session.once()
    postmortem = await session.incidents.review(incident, charts=arguments.format == "html")
    if arguments.format == "html":
        from console.incidents.postmortem_html import as_html  # only for this format

        text = as_html(postmortem)
    else:
        text = as_markdown(postmortem) if arguments.format == "markdown" else dumps(as_json(postmortem)) + "\n"
    if arguments.output:
        await save_text(arguments.output, text)
        print(f"written to {arguments.output}")
    else:
        print(text, end="")
    return 0


async def _follow_up(session: Session, arguments: argparse.Namespace) -> int:
    incident = await session.incidents.find(arguments.incident)
    if arguments.done:
        found = await session.incidents.finish_follow_up(incident, arguments.text)
        print(f"done: {visible(found.text)}")
    else:
        identity = await session.incidents.add_follow_up(incident, arguments.text, owner=arguments.owner, due=arguments.due)
        print(f"added follow-up {identity}")
    return 0


async def _changes(session: Session, arguments: argparse.Namespace) -> int:
    incident = await session.incidents.find(arguments.incident)
    await session.once()
    found = await session.incidents.changes(incident)
    if arguments.format == "json":
        rows = [
            {"at": format_json_time(item.at), "kind": item.kind, "text": item.text, "author": item.author}
            for item in found.changes
        ]
        print(
            dumps(
                {
                    "start": format_json_time(found.start),
                    "end": format_json_time(found.end),
                    "changes": rows,
                    "not_asked": list(found.faults),
                }
            )
        )
        return 0
    print(f"from {format_json_time(found.start)} to {format_json_time(found.end)}, the hour before the first alert")
    lines = [(format_json_time(item.at), item.kind, visible(item.text), visible(item.author)) for item in found.changes]
    print(align(lines) or "no changes found")
    for fault in found.faults:
        print(f"may be incomplete: {visible(fault)}", file=sys.stderr)
    return 0


async def _bundle(session: Session, arguments: argparse.Namespace) -> int:
    from console.replay.collect import default_name, source_rows, write_incident_bundle  # only for a bundle

    incident = await session.incidents.find(arguments.incident)
    file = arguments.output or default_name(incident)
    progress = ProgressLine(sys.stderr)
    try:
        written = await write_incident_bundle(session, incident, file, report=progress.show)
    finally:
        progress.end()
    print(align(source_rows(written.manifest.sources)), file=sys.stderr)
    print(f"{written.manifest.describe()}: {written.path}, {written.size / 1e6:.1f} MB, sha256 {written.sha256}")
    return 0


_WORK: dict[str, Work] = {
    "declare": _declare,
    "list": _list,
    "show": _show,
    "note": _note,
    "tick": _step,
    "untick": _step,
    "role": _role,
    "severity": _change_severity,
    "update": _update,
    "sent": _sent,
    "close": _close,
    "reopen": _reopen,
    "follow-up": _follow_up,
    "report": _report,
    "bundle": _bundle,
    "changes": _changes,
}
