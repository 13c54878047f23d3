"""Silence alerts for a while, or change a silence that is there."""

from __future__ import annotations

import shlex
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from console.actions import silences
from console.actions.action import ChangeWriter, ClusterReader, Landing, Parameter, Progress
from console.actions.digest import digest
from console.actions.plan import ActionRefused, CheckLevel, Difference, Plan, PreflightCheck, Request
from console.actions.silences import ExistingSilence
from queries.model.alert import Alert
from queries.model.matcher import Matcher, MatcherError, parse_matchers
from queries.model.regex import RegexError, check_regex
from queries.model.series import quote
from queries.text.durations import YEAR_SECONDS, format_duration, parse_duration
from queries.text.times import parse_rfc3339, utc

_SHOWN = 8


@dataclass(frozen=True, slots=True)
class SilenceFacts:
    """The alerts as Alertmanager has them now, and the silence that is edited, None for a new one."""

    alerts: tuple[Alert, ...]
    old: ExistingSilence | None


@dataclass(frozen=True, slots=True)
class CreateSilence:
    name: str = "silence"
    title: str = "Silence"
    key: str = "z"
    targets: str = "matchers"
    heals: bool = False
    parameters: tuple[Parameter, ...] = (
        Parameter(
            "duration",
            required=True,
            meaning="how long from now, as 30m, 2h, 1d; for a scheduled silence, from its start",
            unless="id",
        ),
        Parameter("comment", required=True, meaning="why, for those who wonder where the alert went", unless="id"),
        Parameter(
            "id",
            required=False,
            meaning="the silence to change; it keeps what you do not give (default: a new silence)",
        ),
        Parameter("created_by", required=False, meaning="its author (default: you; a changed silence keeps its author)"),
    )

    async def facts(self, request: Request, reads: ClusterReader) -> SilenceFacts:
        identity = request.parameters.get("id", "")
        old = silences.known(await reads.silence(identity)) if identity else None
        return SilenceFacts(await reads.alerts(), old)

    def plan(self, request: Request, facts: SilenceFacts, now: float) -> Plan:
        old = facts.old
        if old and old.state == "expired":
            raise ActionRefused("that silence has expired; make a new one")
        matchers = _matchers(request.target, old)
        given = {name: value.strip() for name, value in request.parameters.items()}
        comment = given.get("comment") or (old.comment if old else "")
        author = given.get("created_by") or (old.created_by if old else request.user)
        if not comment.strip():
            raise ActionRefused("a silence needs a comment: say why, for those who wonder where the alert went")
        if not author:
            raise ActionRefused("a silence needs to say whose it is")
        ends_at, lasts = _end(given.get("duration", ""), old, now)
        same = old is not None and frozenset(matchers) == frozenset(old.matchers)
        body = {
            **(old.postable if old else {"startsAt": utc(now)}),
            "matchers": old.raw["matchers"] if old and same else [silences.as_api(item) for item in matchers],
            "endsAt": ends_at,
            "createdBy": author,
            "comment": comment,
        }
        hidden = tuple(item for item in facts.alerts if item.firing and all(one.matches(item.labels) for one in matchers))
        text = silences.text(matchers)
        return Plan(
            request=request,
            title=f"Change silence {old.id[:8]}" if old else f"Silence {silences.subject(matchers)} for {lasts}",
            subject=text,
            differences=_differences(old, body, text, lasts, same=same),
            notes=(*_change_notes(old, author, same=same), *_notes(hidden, len(facts.alerts), scheduled=_scheduled(old))),
            command=_amtool(matchers, old, body, lasts, same=same),
            confirm_word=silences.subject(matchers),
            body=body,
            digest=digest(
                self.name,
                text,
                given.get("duration", ""),
                comment,
                author,
                [old.postable, old.state] if old else "",
                [item.fingerprint for item in hidden],
            ),
        )

    async def preflight(
        self, plan: Plan, facts: SilenceFacts, reads: ClusterReader, writes: ChangeWriter
    ) -> tuple[PreflightCheck, ...]:
        matchers = _planned(plan)
        firing = [item for item in facts.alerts if item.firing]
        hidden = [item for item in firing if all(one.matches(item.labels) for one in matchers)]
        checks = [PreflightCheck(CheckLevel.OK, "Alertmanager answers", "GET alerts")]
        if not hidden:
            checks.append(PreflightCheck(CheckLevel.WARN, "it matches no alert that is firing now", "matchers"))
        elif len(hidden) == len(firing) and len(firing) > 1:
            text = f"it hides every alert there is: {len(hidden)} of {len(firing)}"
            checks.append(PreflightCheck(CheckLevel.WARN, text, "matchers"))
        else:
            checks.append(PreflightCheck(CheckLevel.OK, f"it matches {len(hidden)} of {len(firing)} alerts", "matchers"))
        return tuple(checks)

    async def execute(self, plan: Plan, writes: ChangeWriter) -> str:
        return await writes.post_silence(_body(plan))

    async def landed(self, plan: Plan, reads: ClusterReader) -> Landing:
        """A new silence has no id that we know: it is looked for among all silences by everything that was sent of it."""
        matchers, body = set(_planned(plan)), _body(plan)
        for found in map(silences.known, await reads.silences()):
            same = (found.comment, found.created_by) == (body["comment"], body["createdBy"])
            ends = silences.same_moment(found.ends_at, body["endsAt"])
            if same and ends and set(found.matchers) == matchers and found.state != "expired":
                return Landing(replace(plan, written=found.id))
        return Landing(text="Alertmanager lists no such silence")

    async def undone(self, plan: Plan, reads: ClusterReader) -> Progress | None:
        return None

    async def verify(self, plan: Plan, reads: ClusterReader) -> AsyncGenerator[Progress, None]:
        """Read back from Alertmanager: the silence is active, and every alert that it matches is suppressed by it."""
        matchers, body, identity = _planned(plan), _body(plan), plan.written
        async for found in silences.watched(identity, reads):
            if found is not None and found.state == "expired":
                yield Progress(f"silence {identity[:8]} has expired already", done=False)
                return
            if found is None or not _as_sent(found, body):
                yield Progress(f"silence {identity[:8]} is {'not there yet' if found is None else 'as it was'}")
                continue
            if found.state == "pending":
                yield Progress(f"silence {identity} is scheduled from {found.starts_at} until {found.ends_at}", done=True)
                return
            alerts = [
                item for item in await reads.alerts() if item.firing and all(one.matches(item.labels) for one in matchers)
            ]
            loud = [item for item in alerts if identity not in item.silenced_by]
            if not loud:
                many = "no alert is firing that it matches" if not alerts else f"{_count(len(alerts))} suppressed"
                yield Progress(f"silence {identity} is active until {found.ends_at}; {many}", done=True)
                return
            yield Progress(f"silence {identity[:8]} is active; {_count(len(loud))} not suppressed yet")


def _as_sent(found: ExistingSilence, body: Mapping[str, Any]) -> bool:
    """Whether Alertmanager has what was sent, field by field; the times in its own writing."""
    sent = silences.known(body)
    return (
        silences.same_moment(found.ends_at, sent.ends_at)
        and (found.created_by, found.comment, found.annotations) == (sent.created_by, sent.comment, sent.annotations)
        and frozenset(found.matchers) == frozenset(sent.matchers)
    )


def _matchers(target: str, old: ExistingSilence | None) -> tuple[Matcher, ...]:
    if old and not target.strip():
        _check(old.matchers)
        return old.matchers
    return matchers_of(target)


def matchers_of(target: str) -> tuple[Matcher, ...]:
    """What a silence with these matchers would hide. Raises Refusal where they are none, or hide everything."""
    try:
        found = parse_matchers(target)
    except MatcherError as error:
        raise ActionRefused(f"the matchers are not understood: {error}") from None
    if not found:
        raise ActionRefused('a silence without matchers would hide everything; write alertname="HighErrorRate"')
    _check(found)
    if all(item.matches(()) for item in found):
        raise ActionRefused("these matchers match everything, also an alert without any label: name at least one value")
    return found


def _check(matchers: tuple[Matcher, ...]) -> None:
    """Raises Refusal for what Alertmanager does not take in a silence, or takes and cannot match by.

    It compiles a silence's expression by itself when it takes it, and between anchors when it matches.
    """
    for item in matchers:
        if not item.name:
            raise ActionRefused("the matchers are not understood: a matcher needs the name of a label")
        try:
            item.check()
            if item.is_regex:
                check_regex(item.value)
        except (MatcherError, RegexError) as error:
            words = str(error) if isinstance(error, MatcherError) else f"{item}: not a regular expression: {error}"
            raise ActionRefused(f"the matchers are not understood: {words}") from None


def _planned(plan: Plan) -> tuple[Matcher, ...]:
    return tuple(silences.matcher(item) for item in _body(plan)["matchers"])


def _body(plan: Plan) -> dict[str, Any]:
    assert isinstance(plan.body, dict)  # noqa: S101 - made by `plan` alone
    return plan.body


def _end(duration: str, old: ExistingSilence | None, now: float) -> tuple[str, str]:
    """When it ends, and how long that is, in words. Raises Refusal."""
    if not duration:
        if old is None:
            raise ActionRefused("a silence needs a duration, like 30m, 2h or 1d")
        return old.ends_at, ""
    length = parse_duration(duration, least=1.0, most=YEAR_SECONDS)
    if old and _scheduled(old):
        return utc(_seconds(old.starts_at) + length), f"{format_duration(length)} from its start"
    return utc(now + length), format_duration(length)


def _scheduled(old: ExistingSilence | None) -> bool:
    return old is not None and old.state == "pending"


def _seconds(moment: str) -> float:
    try:
        return parse_rfc3339(moment)
    except ValueError:
        raise ActionRefused(f"Alertmanager names a start that is no time: {moment[:40]}") from None


def _differences(
    old: ExistingSilence | None, body: Mapping[str, Any], text: str, lasts: str, *, same: bool
) -> tuple[Difference, ...]:
    until = str(body["endsAt"])
    if lasts:
        until += f" ({lasts})" if _scheduled(old) else f" ({lasts} from now)"
    if old is None:
        return (
            Difference("matchers", "-", text),
            Difference("until", "-", until),
            Difference("comment", "-", str(body["comment"])),
            Difference("by", "-", str(body["createdBy"])),
        )
    # An active silence with other matchers is a new one to Alertmanager, which begins it at once.
    starts = old.starts_at if same or _scheduled(old) else "now"
    notes = ", ".join(f"{name}={value}" for name, value in sorted(old.annotations.items()))
    return (
        Difference("matchers", silences.text(old.matchers), silences.text(old.matchers) if same else text),
        Difference("starts", old.starts_at, starts),
        Difference("until", old.ends_at, until),
        Difference("comment", old.comment, str(body["comment"])),
        Difference("by", old.created_by, str(body["createdBy"])),
        *((Difference("annotations", notes, notes),) if notes else ()),
    )


def _change_notes(old: ExistingSilence | None, author: str, *, same: bool) -> tuple[str, ...]:
    """What changing a silence does beside the differences."""
    if old is None:
        return ()
    whose = f"it stays {author}'s; that you change it is in the journal" if author == old.created_by else ""
    other = "" if same else "with other matchers Alertmanager ends this silence and makes another one, with another id"
    return tuple(filter(None, (whose, other)))


def _notes(hidden: tuple[Alert, ...], known: int, *, scheduled: bool) -> tuple[str, ...]:
    if not hidden:
        return ("matches no alert that is firing now",)
    verb = "hides, once it begins," if scheduled else "hides"
    lines = [f"{verb} {_count(len(hidden))} of {known} now:"]
    for item in hidden[:_SHOWN]:
        where = ", ".join(value for name, value in item.labels if name in ("component", "provider", "instance", "pod"))
        lines.append(f"  {item.name}{f' ({where})' if where else ''} {item.severity}".rstrip())
    if len(hidden) > _SHOWN:
        lines.append(f"  and {len(hidden) - _SHOWN} more")
    return tuple(lines)


def _amtool(
    matchers: tuple[Matcher, ...], old: ExistingSilence | None, body: Mapping[str, Any], lasts: str, *, same: bool
) -> str:
    """amtool counts the duration of an update from the silence's start: so the end is named."""
    author, comment = f"--author={body['createdBy']}", f"--comment={body['comment']}"
    words = [str(item) for item in matchers]
    if old is None:
        return shlex.join(["amtool", "silence", "add", author, f"--duration={lasts}", comment, *words])
    times = [f"--end={body['endsAt']}"]
    if same and body["createdBy"] == old.created_by:
        return shlex.join(["amtool", "silence", "update", *times, comment, old.id])
    if _scheduled(old):
        times.insert(0, f"--start={old.starts_at}")
    noted = [f"--annotation={name}={quote(str(value))}" for name, value in sorted(old.annotations.items())]
    made = shlex.join(["amtool", "silence", "add", author, *times, comment, *noted, *words])
    return f"{made} && {shlex.join(['amtool', 'silence', 'expire', old.id])}"


def _count(number: int) -> str:
    return "1 alert" if number == 1 else f"{number} alerts"
