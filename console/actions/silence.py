"""Silence alerts for a while, or change a silence that is there."""

from __future__ import annotations

import shlex
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from typing import Any

from console.actions import silences
from console.actions.action import Landing, Parameter, Progress, Reads, Writes
from console.actions.ages import duration_text, seconds_of, utc
from console.actions.digest import digest
from console.actions.plan import CheckLevel, Difference, Plan, PreflightCheck, Refusal, Request
from console.actions.silences import Known
from queries.model.alert import Alert
from queries.model.silence import Matcher, MatcherError, parse_matchers

_SHOWN = 8


@dataclass(frozen=True, slots=True)
class SilenceFacts:
    """The alerts as Alertmanager has them now, and the silence that is edited, None for a new one."""

    alerts: tuple[Alert, ...]
    old: Known | None


@dataclass(frozen=True, slots=True)
class Silence:
    name: str = "silence"
    title: str = "Silence"
    key: str = "z"
    targets: str = "matchers"
    heals: bool = False
    parameters: tuple[Parameter, ...] = (
        Parameter("duration", required=True, meaning="how long from now on: 30m, 2h, 1d"),
        Parameter("comment", required=True, meaning="why, for those who wonder where the alert went"),
        Parameter("id", required=False, meaning="the silence to change; a new one, where it is not given"),
        Parameter("created_by", required=False, meaning="who; you, where it is not given"),
    )

    async def facts(self, request: Request, reads: Reads) -> SilenceFacts:
        identity = request.parameters.get("id", "")
        old = silences.known(await reads.silence(identity)) if identity else None
        return SilenceFacts(await reads.alerts(), old)

    def plan(self, request: Request, facts: SilenceFacts, now: float) -> Plan:
        given = request.parameters
        matchers = _matchers(request.target, facts.old)
        comment, author = given.get("comment", "").strip(), given.get("created_by", "").strip()
        if not comment:
            raise Refusal("a silence needs a comment: say why, for those who wonder where the alert went")
        if not author:
            raise Refusal("a silence needs to say whose it is")
        length = seconds_of(given.get("duration", ""))
        old = facts.old
        if old and old.state == "expired":
            raise Refusal("that silence has expired; make a new one")
        # Alertmanager keeps the id only where start and matchers stay as they are.
        starts_at = old.starts_at if old and old.state == "active" else utc(now)
        body = {
            **({"id": old.id} if old else {}),
            "matchers": [silences.as_api(item) for item in matchers],
            "startsAt": starts_at,
            "endsAt": utc(now + length),
            "createdBy": author,
            "comment": comment,
        }
        hidden = tuple(item for item in facts.alerts if item.firing and all(one.matches(item.labels) for one in matchers))
        text = silences.text(matchers)
        return Plan(
            request=request,
            title=f"Change silence {old.id[:8]}"
            if old
            else f"Silence {silences.subject(matchers)} for {duration_text(length)}",
            subject=text,
            differences=(
                Difference("matchers", silences.text(old.matchers) if old else "-", text),
                Difference("until", old.ends_at if old else "-", f"{body['endsAt']} ({duration_text(length)} from now)"),
                Difference("comment", old.comment if old else "-", comment),
                Difference("by", old.created_by if old else "-", author),
            ),
            notes=_notes(hidden, len(facts.alerts)),
            command=_amtool(matchers, old, length, author, comment),
            confirm_word=silences.subject(matchers),
            body=body,
            digest=digest(
                self.name, text, length, comment, author, old.id if old else "", [item.fingerprint for item in hidden]
            ),
        )

    async def preflight(self, plan: Plan, facts: SilenceFacts, reads: Reads, writes: Writes) -> tuple[PreflightCheck, ...]:
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

    async def execute(self, plan: Plan, writes: Writes) -> str:
        return await writes.post_silence(_body(plan))

    async def landed(self, plan: Plan, reads: Reads) -> Landing:
        """A new silence has no id that we know: it is looked for among all silences by everything that was sent of it."""
        matchers, body = set(_planned(plan)), _body(plan)
        for found in map(silences.known, await reads.silences()):
            same = (found.comment, found.created_by) == (body["comment"], body["createdBy"])
            ends = silences.same_moment(found.ends_at, body["endsAt"])
            if same and ends and set(found.matchers) == matchers and found.state != "expired":
                return Landing(replace(plan, written=found.id))
        return Landing(text="Alertmanager lists no such silence")

    async def undone(self, plan: Plan, reads: Reads) -> Progress | None:
        return None

    async def verify(self, plan: Plan, reads: Reads) -> AsyncGenerator[Progress, None]:
        """Read back from Alertmanager: the silence is active, and every alert that it matches is suppressed by it."""
        matchers, identity = _planned(plan), plan.written
        async for found in silences.watched(identity, reads):
            if found is None or found.state == "pending":
                yield Progress(f"silence {identity[:8]} is not there yet")
                continue
            if found.state == "expired":
                yield Progress(f"silence {identity[:8]} has expired already", done=False)
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


def _matchers(target: str, old: Known | None) -> tuple[Matcher, ...]:
    return old.matchers if old and not target.strip() else matchers_of(target)


def matchers_of(target: str) -> tuple[Matcher, ...]:
    """What a silence with these matchers would hide. Raises Refusal where they are none, or hide everything."""
    try:
        found = parse_matchers(target)
    except MatcherError as error:
        raise Refusal(f"the matchers are not understood: {error}") from None
    if not found:
        raise Refusal('a silence without matchers would hide everything; write alertname="HighErrorRate"')
    if all(item.matches(()) for item in found):
        raise Refusal("these matchers match everything, also an alert without any label: name at least one value")
    return found


def _planned(plan: Plan) -> tuple[Matcher, ...]:
    return tuple(silences.matcher(item) for item in _body(plan)["matchers"])


def _body(plan: Plan) -> dict[str, Any]:
    assert isinstance(plan.body, dict)  # noqa: S101 - made by `plan` alone
    return plan.body


def _notes(hidden: tuple[Alert, ...], known: int) -> tuple[str, ...]:
    if not hidden:
        return ("matches no alert that is firing now",)
    lines = [f"hides {_count(len(hidden))} of {known} now:"]
    for item in hidden[:_SHOWN]:
        where = ", ".join(value for name, value in item.labels if name in ("component", "provider", "instance", "pod"))
        lines.append(f"  {item.name}{f' ({where})' if where else ''} {item.severity}".rstrip())
    if len(hidden) > _SHOWN:
        lines.append(f"  and {len(hidden) - _SHOWN} more")
    return tuple(lines)


def _amtool(matchers: tuple[Matcher, ...], old: Known | None, length: int, author: str, comment: str) -> str:
    common = [f"--duration={duration_text(length)}", f"--comment={comment}"]
    if old and old.matchers == matchers:
        return shlex.join(["amtool", "silence", "update", *common, old.id])
    return shlex.join(["amtool", "silence", "add", f"--author={author}", *common, *(str(item) for item in matchers)])


def _count(number: int) -> str:
    return "1 alert" if number == 1 else f"{number} alerts"
