"""Silence alerts for a while, or change an existing silence."""

from __future__ import annotations

import shlex
from collections.abc import AsyncGenerator, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, ClassVar

from console.actions.action import AppliedCheck, ChangeWriter, ClusterReader, Parameter, Progress
from console.actions.plan import ActionRefused, CheckLevel, Difference, Plan, PreflightCheck, Request, plan_digest
from queries.errors import SourceError
from queries.model.alert import Alert
from queries.model.frozen import dataclass
from queries.model.matcher import Matcher, MatcherError, parse_matchers
from queries.model.regex import RegexError, check_regex
from queries.model.series import quote
from queries.model.silence import ExistingSilence, decode_matcher, encode_matcher
from queries.text.durations import YEAR_SECONDS, format_duration, parse_duration
from queries.text.times import parse_rfc3339, utc

_MAX_LISTED = 8
_EARLY_SECONDS = 60.0
"""So much earlier a new silence asks to start: Alertmanager starts it now, also where its clock is a little behind ours."""


@dataclass(frozen=True, slots=True)
class SilenceFacts:
    """The alerts that Alertmanager lists now, and the silence to change, None for a new one. `ahead_seconds` is how far
    Alertmanager's clock is ahead of this machine's.
    """

    alerts: tuple[Alert, ...]
    old: ExistingSilence | None
    ahead_seconds: float = 0.0


_SCHEDULED = "scheduled"
"""Of a silence that is to start later, as somebody asked for."""


class CreateSilence:
    name = "silence"
    title = "Silence"
    target_kind = "matchers"
    kinds: ClassVar[tuple[str, ...]] = ()
    expects_recovery = False
    parameters = (
        Parameter(
            "duration",
            required=True,
            description="how long from now, as 30m, 2h, 1d; for a scheduled silence, from its start",
            unless="id",
        ),
        Parameter("comment", required=True, description="the reason, for anyone who misses the alert", unless="id"),
        Parameter(
            "id",
            required=False,
            description="the silence to change; it keeps what you do not give (default: a new silence)",
        ),
        Parameter("created_by", required=False, description="its author (default: you; a changed silence keeps its author)"),
    )

    async def fetch_facts(self, request: Request, reader: ClusterReader) -> SilenceFacts:
        identity = request.parameters.get("id", "")
        old = await reader.silence(identity) if identity else None
        return SilenceFacts(await reader.alerts(), old, reader.alertmanager_ahead_seconds)

    def plan(self, request: Request, facts: SilenceFacts, now: float) -> Plan:
        old, now = facts.old, now + facts.ahead_seconds  # its times are Alertmanager's
        if old and old.state == "expired":
            raise ActionRefused("that silence has expired; create a new one")
        matchers = _matchers(request.target, old)
        given = {name: value.strip() for name, value in request.parameters.items()}
        comment = given.get("comment") or (old.comment if old else "")
        author = given.get("created_by") or (old.created_by if old else request.user)
        if not comment.strip():
            raise ActionRefused("a silence needs a comment: give the reason, for anyone who misses the alert")
        if not author:
            raise ActionRefused("a silence needs an author: give created_by")
        ends_at, length = _end(given.get("duration", ""), old, now)
        same = old is not None and frozenset(matchers) == frozenset(old.matchers)
        body = {
            **(old.postable if old else {"startsAt": utc(now - _EARLY_SECONDS)}),
            "matchers": old.raw["matchers"] if old and same else [encode_matcher(item) for item in matchers],
            "endsAt": ends_at,
            "createdBy": author,
            "comment": comment,
        }
        hidden = tuple(_firing_matches(facts.alerts, matchers))
        text = format_matchers(matchers)
        return Plan(
            request=request,
            title=f"Change silence {old.id[:8]}" if old else f"Silence {silence_subject(matchers)} for {length}",
            subject=text,
            differences=_differences(old, body, text, length, same=same),
            notes=(*_change_notes(old, author, same=same), *_notes(hidden, len(facts.alerts), scheduled=_is_scheduled(old))),
            command=_amtool(matchers, old, body, length, same=same),
            confirm_word=silence_subject(matchers),
            body=body,
            verify_with=_SCHEDULED if _is_scheduled(old) else None,
            digest=plan_digest(
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
        self, plan: Plan, facts: SilenceFacts, reader: ClusterReader, writer: ChangeWriter
    ) -> tuple[PreflightCheck, ...]:
        firing = [item for item in facts.alerts if item.firing]
        hidden = _firing_matches(firing, _planned_matchers(plan))
        checks = [PreflightCheck(CheckLevel.OK, "Alertmanager answers", "GET alerts")]
        if not hidden:
            checks.append(PreflightCheck(CheckLevel.WARN, "it matches no firing alert", "matchers"))
        elif len(hidden) == len(firing) and len(firing) > 1:
            text = f"it hides every firing alert: {len(hidden)} of {len(firing)}"
            checks.append(PreflightCheck(CheckLevel.WARN, text, "matchers"))
        else:
            checks.append(PreflightCheck(CheckLevel.OK, f"it matches {len(hidden)} of {len(firing)} alerts", "matchers"))
        return tuple(checks)

    async def execute(self, plan: Plan, writer: ChangeWriter) -> str:
        return await writer.post_silence(plan.body)

    async def check_applied(self, plan: Plan, reader: ClusterReader) -> AppliedCheck:
        """The id of a new silence is unknown without a response: find it by everything else that was sent."""
        matchers, body = set(_planned_matchers(plan)), plan.body
        for silence in await reader.silences():
            same = (silence.comment, silence.created_by) == (body["comment"], body["createdBy"])
            ends = _is_same_instant(silence.ends_at, body["endsAt"])
            if same and ends and set(silence.matchers) == matchers and silence.state != "expired":
                return AppliedCheck(replace(plan, written=silence.id))
        return AppliedCheck(text="Alertmanager lists no such silence")

    async def check_undone(self, plan: Plan, reader: ClusterReader) -> Progress | None:
        return None

    async def verify(self, plan: Plan, reader: ClusterReader) -> AsyncGenerator[Progress, None]:
        """Reads it back from Alertmanager: the silence is active, and suppresses every alert that it matches."""
        matchers, body, identity = _planned_matchers(plan), plan.body, plan.written
        async for silence in poll_silence(identity, reader):
            if silence is not None and silence.state == "expired":
                yield Progress(f"silence {identity[:8]} has expired already", done=False)
                return
            if silence is None or not _is_as_sent(silence, body):
                yield Progress(f"silence {identity[:8]} is {'not there yet' if silence is None else 'unchanged so far'}")
                continue
            if silence.state == "pending":
                times = f"from {silence.starts_at} until {silence.ends_at}"
                scheduled = plan.verify_with == _SCHEDULED
                yield Progress(f"silence {identity} is scheduled {times}", done=True if scheduled else None)
                if scheduled:
                    return
                continue  # it hides nothing before Alertmanager's clock says so
            hidden = _firing_matches(await reader.alerts(), matchers)
            loud = [item for item in hidden if identity not in item.silenced_by]
            if not loud:
                count = f"{_count(len(hidden))} suppressed" if hidden else "no firing alert matches it"
                yield Progress(f"silence {identity} is active until {silence.ends_at}; {count}", done=True)
                return
            yield Progress(f"silence {identity[:8]} is active; {_count(len(loud))} not suppressed yet")


def parse_silence_matchers(target: str) -> tuple[Matcher, ...]:
    """The matchers of a new silence. Raises ActionRefused if they are invalid or would hide everything."""
    try:
        matchers = parse_matchers(target)
    except MatcherError as error:
        raise ActionRefused(f"invalid matchers: {error}") from None
    if not matchers:
        raise ActionRefused('a silence without matchers would hide everything; write alertname="HighErrorRate"')
    _check(matchers)
    if all(item.matches(()) for item in matchers):
        raise ActionRefused("these matchers match everything, even an alert without labels: give at least one value")
    return matchers


def format_matchers(matchers: tuple[Matcher, ...]) -> str:
    """In Alertmanager's syntax; `parse_matchers` reads it back."""
    return ", ".join(str(item) for item in matchers)


def silence_subject(matchers: tuple[Matcher, ...]) -> str:
    """The alert's name if the matchers name exactly one, else `alerts`; also the word to type for confirmation."""
    names = [item.value for item in matchers if item.name == "alertname" and item.is_equal and not item.is_regex]
    return names[0] if len(names) == 1 and names[0] else "alerts"


async def poll_silence(identity: str, reader: ClusterReader) -> AsyncGenerator[ExistingSilence | None, None]:
    """The silence, read again for each step; None while no silence has this id. Raises other SourceErrors."""
    while True:
        try:
            yield await reader.silence(identity)
        except SourceError as error:
            if error.fault.status != 404:
                raise
            yield None


def _firing_matches(alerts: Iterable[Alert], matchers: tuple[Matcher, ...]) -> list[Alert]:
    return [item for item in alerts if item.firing and all(matcher.matches(item.labels) for matcher in matchers)]


def _is_as_sent(silence: ExistingSilence, body: Mapping[str, Any]) -> bool:
    """Whether Alertmanager stores what was sent, field by field; it may format the times differently."""
    sent = ExistingSilence.decode(body)
    return (
        _is_same_instant(silence.ends_at, sent.ends_at)
        and (silence.created_by, silence.comment, silence.annotations) == (sent.created_by, sent.comment, sent.annotations)
        and frozenset(silence.matchers) == frozenset(sent.matchers)
    )


def _is_same_instant(left: str, right: str) -> bool:
    """Whether two RFC 3339 times are the same second, whatever their format."""
    try:
        return abs((datetime.fromisoformat(left) - datetime.fromisoformat(right)).total_seconds()) < 1.0
    except (ValueError, TypeError):
        return left == right


def _matchers(target: str, old: ExistingSilence | None) -> tuple[Matcher, ...]:
    if old and not target.strip():
        _check(old.matchers)
        return old.matchers
    return parse_silence_matchers(target)


def _check(matchers: tuple[Matcher, ...]) -> None:
    """Raises ActionRefused for what Alertmanager rejects in a silence, or accepts and cannot evaluate.

    It compiles a silence's expression alone when it accepts it, and between anchors when it evaluates it.
    """
    for item in matchers:
        if not item.name:
            raise ActionRefused("invalid matchers: a matcher needs the name of a label")
        try:
            item.check()
            if item.is_regex:
                check_regex(item.value)
        except (MatcherError, RegexError) as error:
            message = str(error) if isinstance(error, MatcherError) else f"{item}: not a regular expression: {error}"
            raise ActionRefused(f"invalid matchers: {message}") from None


def _planned_matchers(plan: Plan) -> tuple[Matcher, ...]:
    return tuple(map(decode_matcher, plan.body["matchers"]))


def _end(duration: str, old: ExistingSilence | None, now: float) -> tuple[str, str]:
    """The end time, and the duration as text. Raises ActionRefused."""
    if not duration:
        if old is None:
            raise ActionRefused("a silence needs a duration, like 30m, 2h or 1d")
        return old.ends_at, ""
    length = parse_duration(duration, least=1.0, most=YEAR_SECONDS)
    if old and _is_scheduled(old):
        return utc(_start_seconds(old) + length), f"{format_duration(length)} from its start"
    return utc(now + length), format_duration(length)


def _is_scheduled(old: ExistingSilence | None) -> bool:
    return old is not None and old.state == "pending"


def _start_seconds(silence: ExistingSilence) -> float:
    try:
        return parse_rfc3339(silence.starts_at)
    except ValueError:
        raise ActionRefused(f"Alertmanager returned an invalid start time: {silence.starts_at[:40]}") from None


def _differences(
    old: ExistingSilence | None, body: Mapping[str, Any], text: str, length: str, *, same: bool
) -> tuple[Difference, ...]:
    until = str(body["endsAt"])
    if length:
        until += f" ({length})" if _is_scheduled(old) else f" ({length} from now)"
    if old is None:
        return (
            Difference("matchers", "-", text),
            Difference("until", "-", until),
            Difference("comment", "-", str(body["comment"])),
            Difference("by", "-", str(body["createdBy"])),
        )
    # Alertmanager replaces an active silence whose matchers change by a new one, which starts at once.
    starts = old.starts_at if same or _is_scheduled(old) else "now"
    annotations = ", ".join(f"{name}={value}" for name, value in sorted(old.annotations.items()))
    return (
        Difference("matchers", format_matchers(old.matchers), format_matchers(old.matchers) if same else text),
        Difference("starts", old.starts_at, starts),
        Difference("until", old.ends_at, until),
        Difference("comment", old.comment, str(body["comment"])),
        Difference("by", old.created_by, str(body["createdBy"])),
        *((Difference("annotations", annotations, annotations),) if annotations else ()),
    )


def _change_notes(old: ExistingSilence | None, author: str, *, same: bool) -> tuple[str, ...]:
    """What changing a silence does beside the differences."""
    if old is None:
        return ()
    author_note = f"{author} stays its author; the journal records that you changed it" if author == old.created_by else ""
    id_note = "" if same else "with other matchers Alertmanager ends this silence and creates a new one with a new id"
    amtool_note = "amtool cannot change the author: its line creates a new silence and ends this one"
    return tuple(filter(None, (author_note, id_note, amtool_note if same and author != old.created_by else "")))


def _notes(hidden: tuple[Alert, ...], known: int, *, scheduled: bool) -> tuple[str, ...]:
    if not hidden:
        return ("matches no firing alert",)
    verb = "hides, once it starts," if scheduled else "hides"
    lines = [f"{verb} {_count(len(hidden))} of {known} now:"]
    for item in hidden[:_MAX_LISTED]:
        where = ", ".join(value for name, value in item.labels if name in ("component", "provider", "instance", "pod"))
        lines.append(f"  {item.name}{f' ({where})' if where else ''} {item.severity}".rstrip())
    if len(hidden) > _MAX_LISTED:
        lines.append(f"  and {len(hidden) - _MAX_LISTED} more")
    return tuple(lines)


def _amtool(
    matchers: tuple[Matcher, ...], old: ExistingSilence | None, body: Mapping[str, Any], length: str, *, same: bool
) -> str:
    """The equivalent amtool command. `update` counts a duration from the silence's start, so the end time is given."""
    author, comment = f"--author={body['createdBy']}", f"--comment={body['comment']}"
    texts = [str(item) for item in matchers]
    if old is None:
        return shlex.join(["amtool", "silence", "add", author, f"--duration={length}", comment, *texts])
    times = [f"--end={body['endsAt']}"]
    if same and body["createdBy"] == old.created_by:
        return shlex.join(["amtool", "silence", "update", *times, comment, old.id])
    if _is_scheduled(old):
        times.insert(0, f"--start={old.starts_at}")
    annotations = [f"--annotation={name}={quote(str(value))}" for name, value in sorted(old.annotations.items())]
    add = shlex.join(["amtool", "silence", "add", author, *times, comment, *annotations, *texts])
    return f"{add} && {shlex.join(['amtool', 'silence', 'expire', old.id])}"


def _count(number: int) -> str:
    return "1 alert" if number == 1 else f"{number} alerts"
