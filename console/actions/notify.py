"""Send an incident's update to a channel: chat, a webhook or the pager."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

from console.actions.action import ChangeWriter, ClusterReader, Landing, Parameter, Progress
from console.actions.digest import digest
from console.actions.plan import ActionRefused, CheckLevel, Difference, Plan, PreflightCheck, Request
from console.state.incident import DeliveryState, Incident, Update
from console.state.public_status import phase
from queries.model.alert import Priority
from queries.text.durations import ago
from queries.text.times import utc

NAME = "notify"
_SUMMARY_CHARACTERS = 1024
"""What PagerDuty takes of a summary."""
_URGENCY = {Priority.P1: "critical", Priority.P2: "error", Priority.P3: "warning", Priority.P4: "info"}


@dataclass(frozen=True, slots=True)
class NotifyFacts:
    """The update with its incident, and of which kind the channel is (empty: not configured)."""

    incident: Incident
    update: Update
    kind: str


@dataclass(frozen=True, slots=True)
class Notify:
    name: str = NAME
    title: str = "Send"
    key: str = "u"
    targets: str = "update"
    heals: bool = False
    parameters: tuple[Parameter, ...] = (Parameter("channel", required=True, meaning="one of the environment's channels"),)

    async def facts(self, request: Request, reads: ClusterReader) -> NotifyFacts:
        kind, _, rest = request.target.partition("/")
        incident, _, update = rest.partition("/")
        if kind != "update" or not incident or not update:
            raise ActionRefused(f"the target {request.target[:80]!r} is not update/INCIDENT/UPDATE")
        found = await reads.incident_update(incident, update)
        return NotifyFacts(*found, reads.channel_kind(request.parameters["channel"]))

    def plan(self, request: Request, facts: NotifyFacts, now: float) -> Plan:
        channel, incident, update = request.parameters["channel"], facts.incident, facts.update
        if not facts.kind:
            raise ActionRefused(
                f"there is no channel {channel!r}; name it under `channels` of the environment in the config file"
            )
        body = _payload(facts, now)
        return Plan(
            request=request,
            title=f"Send the update to {channel}",
            subject=f"update/{incident.id}/{update.id}/{channel}",
            differences=(
                Difference("incident", f"{incident.severity} {incident.title}", f"{incident.severity} {incident.title}"),
                Difference("to", "-", f"{channel} ({facts.kind})"),
                Difference("written", f"{ago(update.at, now)} by {update.author}", f"{ago(update.at, now)} by {update.author}"),
            ),
            notes=tuple(update.text.splitlines()),
            command=f"cad-console act {NAME} {request.target} --channel {channel}",
            confirm_word=channel,
            body=body,
            digest=digest(self.name, channel, facts.kind, incident.id, update.id, update.text),
        )

    async def preflight(
        self, plan: Plan, facts: NotifyFacts, reads: ClusterReader, writes: ChangeWriter
    ) -> tuple[PreflightCheck, ...]:
        channel = plan.request.parameters["channel"]
        checks = [PreflightCheck(CheckLevel.OK, f"channel {channel} is configured", "config file")]
        for item in facts.update.sendings:
            if item.where == channel and item.state is DeliveryState.SENT:
                checks.append(PreflightCheck(CheckLevel.WARN, f"it was sent there before, by {item.author}", "journal"))
            elif item.where == channel and item.state is DeliveryState.UNKNOWN:
                checks.append(PreflightCheck(CheckLevel.WARN, "an earlier attempt may have arrived all the same", "journal"))
        newest = facts.incident.updates[-1]
        if newest.id != facts.update.id:
            checks.append(PreflightCheck(CheckLevel.WARN, "there is a newer update", "journal"))
        return tuple(checks)

    async def execute(self, plan: Plan, writes: ChangeWriter) -> str:
        assert isinstance(plan.body, dict)  # noqa: S101 - made by `plan` alone
        await writes.post_update(plan.request.parameters["channel"], plan.body)
        return ""

    async def landed(self, plan: Plan, reads: ClusterReader) -> Landing:
        """A channel cannot be asked what it has."""
        channel = plan.request.parameters["channel"]
        return Landing(text=f"nobody can see whether it arrived: look at {channel} before you send it again", final=True)

    async def undone(self, plan: Plan, reads: ClusterReader) -> Progress | None:
        return None

    async def verify(self, plan: Plan, reads: ClusterReader) -> AsyncGenerator[Progress, None]:
        """That the channel took it is all that there is to see."""
        yield Progress(f"{plan.request.parameters['channel']} took it", done=True)


def _payload(facts: NotifyFacts, now: float) -> dict[str, Any]:
    """What is sent, without any secret: a routing key is added by the writer."""
    incident, update = facts.incident, facts.update
    if facts.kind == "slack":
        return {"text": _for_slack(update.text)}
    about = {
        "id": incident.id,
        "title": incident.title,
        "severity": incident.severity.value,
        "status": phase(incident).value,
        "environment": incident.environment,
        "declared_at": utc(incident.declared_at),
    }
    if facts.kind == "webhook":
        return {
            "incident": about,
            "update": {"id": update.id, "at": utc(update.at), "author": update.author, "text": update.text},
        }
    first = update.text.strip().splitlines()[0] if update.text.strip() else incident.title
    return {
        "event_action": "resolve" if incident.resolved_at is not None or not incident.open else "trigger",
        "dedup_key": f"cad-console-{incident.id}",
        "payload": {
            "summary": f"{incident.severity} {incident.title}: {first}"[:_SUMMARY_CHARACTERS],
            "source": incident.environment or "cad-console",
            "severity": _URGENCY[incident.severity],
            "timestamp": utc(update.at),
            "custom_details": {**about, "update": update.text},
        },
    }


def _for_slack(text: str) -> str:
    """As Slack wants plain text: without this a label's `<!channel>` would call everybody."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
