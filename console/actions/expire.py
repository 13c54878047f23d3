"""End a silence before its time."""

from __future__ import annotations

import shlex
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace

from console.actions import silences
from console.actions.action import ChangeWriter, ClusterReader, Landing, Parameter, Progress
from console.actions.digest import digest
from console.actions.plan import ActionRefused, CheckLevel, Difference, Plan, PreflightCheck, Request
from console.actions.silences import ExistingSilence
from queries.errors import SourceError
from queries.model.alert import Alert


@dataclass(frozen=True, slots=True)
class ExpireFacts:
    """The silence, and the alerts as Alertmanager has them now."""

    silence: ExistingSilence
    alerts: tuple[Alert, ...]


@dataclass(frozen=True, slots=True)
class Expire:
    name: str = "expire"
    title: str = "Expire"
    key: str = "d"
    targets: str = "silence"
    heals: bool = False
    parameters: tuple[Parameter, ...] = ()

    async def facts(self, request: Request, reads: ClusterReader) -> ExpireFacts:
        identity = _identity(request)
        try:
            found = await reads.silence(identity)
        except SourceError as error:
            # Alertmanager 0.25 answers an unknown id with 500.
            if error.fault.status in (404, 500):
                raise ActionRefused(f"Alertmanager has no silence {identity}; it may have expired long ago") from None
            raise
        return ExpireFacts(silences.known(found), await reads.alerts())

    def plan(self, request: Request, facts: ExpireFacts, now: float) -> Plan:
        found = facts.silence
        if found.state == "expired":
            raise ActionRefused(f"nothing to do: silence {found.id} has expired already")
        back = [item for item in facts.alerts if found.id in item.silenced_by and item.silenced_by == (found.id,)]
        names = ", ".join(sorted({item.name for item in back})[:8])
        told = f"{len(back)} {'alert' if len(back) == 1 else 'alerts'} will notify again: {names}" if back else ""
        return Plan(
            request=request,
            title=f"Expire the silence of {silences.subject(found.matchers)}",
            subject=f"silence/{found.id}",
            differences=(
                Difference("state", found.state, "expired"),
                Difference("until", found.ends_at, "now"),
                Difference("matchers", silences.text(found.matchers), silences.text(found.matchers)),
                Difference("comment", found.comment, found.comment),
                Difference("by", found.created_by, found.created_by),
            ),
            notes=(told or "no firing alert is hidden by it alone",),
            command=shlex.join(["amtool", "silence", "expire", found.id]),
            confirm_word=silences.subject(found.matchers),
            body={"id": found.id},
            digest=digest(self.name, found.id, found.state, silences.text(found.matchers)),
        )

    async def preflight(
        self, plan: Plan, facts: ExpireFacts, reads: ClusterReader, writes: ChangeWriter
    ) -> tuple[PreflightCheck, ...]:
        return (PreflightCheck(CheckLevel.OK, "Alertmanager answers and has this silence", "GET silence"),)

    async def execute(self, plan: Plan, writes: ChangeWriter) -> str:
        await writes.expire_silence(_identity(plan.request))
        return ""

    async def landed(self, plan: Plan, reads: ClusterReader) -> Landing:
        found = silences.known(await reads.silence(_identity(plan.request)))
        return Landing(replace(plan)) if found.state == "expired" else Landing(text=f"the silence is still {found.state}")

    async def undone(self, plan: Plan, reads: ClusterReader) -> Progress | None:
        return None

    async def verify(self, plan: Plan, reads: ClusterReader) -> AsyncGenerator[Progress, None]:
        identity = _identity(plan.request)
        async for found in silences.watched(identity, reads):
            if found is None or found.state == "expired":
                yield Progress(f"silence {identity} has expired", done=True)
                return
            yield Progress(f"silence {identity[:8]} is still {found.state}")


def _identity(request: Request) -> str:
    kind, slash, identity = request.target.partition("/")
    if not slash or kind != "silence" or not identity.strip():
        raise ActionRefused(f"the target {request.target[:80]!r} is not silence/ID")
    return identity.strip()
