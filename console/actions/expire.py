"""Expire a silence early."""

from __future__ import annotations

import shlex
from collections.abc import AsyncGenerator
from typing import ClassVar

from console.actions.action import AppliedCheck, ChangeWriter, ClusterReader, Parameter, Progress
from console.actions.plan import ActionRefused, CheckLevel, Difference, Plan, PreflightCheck, Request, plan_digest
from console.actions.silence import format_matchers, poll_silence, silence_subject
from queries.errors import SourceError
from queries.model.alert import Alert
from queries.model.frozen import dataclass
from queries.model.silence import ExistingSilence


@dataclass(frozen=True, slots=True)
class ExpireFacts:
    """The silence, and the alerts that Alertmanager lists now."""

    silence: ExistingSilence
    alerts: tuple[Alert, ...]


class Expire:
    name = "expire"
    title = "Expire"
    target_kind = "silence"
    kinds: ClassVar[tuple[str, ...]] = ()
    expects_recovery = False
    parameters: tuple[Parameter, ...] = ()

    async def fetch_facts(self, request: Request, reader: ClusterReader) -> ExpireFacts:
        identity = _silence_id(request)
        try:
            silence = await reader.silence(identity)
        except SourceError as error:
            # Alertmanager 0.25 answers an unknown id with 500.
            if error.fault.status in (404, 500):
                raise ActionRefused(f"Alertmanager has no silence {identity}; it may have expired long ago") from None
            raise
        return ExpireFacts(silence, await reader.alerts())

    def plan(self, request: Request, facts: ExpireFacts, now: float) -> Plan:
        silence = facts.silence
        if silence.state == "expired":
            raise ActionRefused(f"nothing to do: silence {silence.id} has already expired")
        hidden = [item for item in facts.alerts if silence.id in item.silenced_by]
        unhidden = [item for item in hidden if not item.is_suppressed_without(silence.id)]
        names = ", ".join(sorted({item.name for item in unhidden})[:8])
        count = f"{len(unhidden)} {'alert' if len(unhidden) == 1 else 'alerts'}"
        matchers, subject = format_matchers(silence.matchers), silence_subject(silence.matchers)
        return Plan(
            request=request,
            title=f"Expire the silence of {subject}",
            subject=f"silence/{silence.id}",
            differences=(
                Difference("state", silence.state, "expired"),
                Difference("until", silence.ends_at, "now"),
                Difference("matchers", matchers, matchers),
                Difference("comment", silence.comment, silence.comment),
                Difference("by", silence.created_by, silence.created_by),
            ),
            notes=(f"{count} will notify again: {names}" if unhidden else "no firing alert is hidden by it alone",),
            command=shlex.join(["amtool", "silence", "expire", silence.id]),
            confirm_word=subject,
            body={"id": silence.id},
            digest=plan_digest(self.name, silence.id, silence.state, matchers),
        )

    async def preflight(
        self, plan: Plan, facts: ExpireFacts, reader: ClusterReader, writer: ChangeWriter
    ) -> tuple[PreflightCheck, ...]:
        return (PreflightCheck(CheckLevel.OK, "Alertmanager answers and has this silence", "GET silence"),)

    async def execute(self, plan: Plan, writer: ChangeWriter) -> str:
        await writer.expire_silence(_silence_id(plan.request))
        return ""

    async def check_applied(self, plan: Plan, reader: ClusterReader) -> AppliedCheck:
        silence = await reader.silence(_silence_id(plan.request))
        if silence.state == "expired":
            return AppliedCheck(plan)
        return AppliedCheck(text=f"the silence is still {silence.state}")

    async def check_undone(self, plan: Plan, reader: ClusterReader) -> Progress | None:
        return None

    async def verify(self, plan: Plan, reader: ClusterReader) -> AsyncGenerator[Progress, None]:
        identity = _silence_id(plan.request)
        async for silence in poll_silence(identity, reader):
            if silence is None or silence.state == "expired":
                yield Progress(f"silence {identity} has expired", done=True)
                return
            yield Progress(f"silence {identity[:8]} is still {silence.state}")


def _silence_id(request: Request) -> str:
    kind, slash, identity = request.target.partition("/")
    if not slash or kind != "silence" or not identity.strip():
        raise ActionRefused(f"the target {request.target[:80]!r} is not silence/ID")
    return identity.strip()
