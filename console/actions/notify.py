"""Send an incident update to a channel: Slack, a webhook or PagerDuty."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any, ClassVar

from console.actions.action import AppliedCheck, ChangeWriter, ClusterReader, Parameter, Progress
from console.actions.plan import ActionRefused, CheckLevel, Difference, Plan, PreflightCheck, Request, plan_digest
from console.state.incident import DeliveryState, Incident, Update
from console.state.public_status import public_status
from queries.model.alert import Priority
from queries.model.frozen import dataclass
from queries.text.durations import ago
from queries.text.times import utc

NAME = "notify"
_SUMMARY_CHARACTERS = 1024
"""The longest summary that PagerDuty accepts."""
_PAGERDUTY_SEVERITY = {Priority.P1: "critical", Priority.P2: "error", Priority.P3: "warning", Priority.P4: "info"}


@dataclass(frozen=True, slots=True)
class NotifyFacts:
    """The update with its incident, and the channel's kind, empty if it is not configured."""

    incident: Incident
    update: Update
    kind: str


class Notify:
    name = NAME
    title = "Send"
    target_kind = "update"
    kinds: ClassVar[tuple[str, ...]] = ()
    expects_recovery = False
    parameters = (Parameter("channel", required=True, description="one of the environment's channels"),)

    async def fetch_facts(self, request: Request, reader: ClusterReader) -> NotifyFacts:
        kind, _, rest = request.target.partition("/")
        incident, _, update = rest.partition("/")
        if kind != "update" or not incident or not update:
            raise ActionRefused(f"the target {request.target[:80]!r} is not update/INCIDENT/UPDATE")
        return NotifyFacts(*await reader.incident_update(incident, update), reader.channel_kind(request.parameters["channel"]))

    def plan(self, request: Request, facts: NotifyFacts, now: float) -> Plan:
        channel, incident, update = request.parameters["channel"], facts.incident, facts.update
        if not facts.kind:
            raise ActionRefused(
                f"there is no channel {channel!r}; name it under `channels` of the environment in the config file"
            )
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
            body=_payload(facts),
            digest=plan_digest(self.name, channel, facts.kind, incident.id, update.id, update.text),
        )

    async def preflight(
        self, plan: Plan, facts: NotifyFacts, reader: ClusterReader, writer: ChangeWriter
    ) -> tuple[PreflightCheck, ...]:
        channel = plan.request.parameters["channel"]
        checks = [PreflightCheck(CheckLevel.OK, f"channel {channel} is configured", "config file")]
        for item in facts.update.deliveries:
            if item.where == channel and item.state is DeliveryState.SENT:
                checks.append(PreflightCheck(CheckLevel.WARN, f"{item.author} already sent it there", "journal"))
            elif item.where == channel and item.state is DeliveryState.UNKNOWN:
                checks.append(PreflightCheck(CheckLevel.WARN, "an earlier attempt may have arrived", "journal"))
        newest = facts.incident.updates[-1]
        if newest.id != facts.update.id:
            checks.append(PreflightCheck(CheckLevel.WARN, "there is a newer update", "journal"))
        return tuple(checks)

    async def execute(self, plan: Plan, writer: ChangeWriter) -> str:
        await writer.post_update(plan.request.parameters["channel"], plan.body)
        return ""

    async def check_applied(self, plan: Plan, reader: ClusterReader) -> AppliedCheck:
        """A channel cannot be read back."""
        channel = plan.request.parameters["channel"]
        return AppliedCheck(text=f"whether it arrived is unknown: check {channel} before you send it again", final=True)

    async def check_undone(self, plan: Plan, reader: ClusterReader) -> Progress | None:
        return None

    async def verify(self, plan: Plan, reader: ClusterReader) -> AsyncGenerator[Progress, None]:
        """Only that the channel accepted it."""
        yield Progress(f"{plan.request.parameters['channel']} accepted it", done=True)


def _payload(facts: NotifyFacts) -> dict[str, Any]:
    """What is sent, without secrets: the writer adds the routing key."""
    incident, update = facts.incident, facts.update
    if facts.kind == "slack":
        return {"text": _escape_for_slack(update.text)}
    details = {
        "id": incident.id,
        "title": incident.title,
        "severity": incident.severity.value,
        "status": public_status(incident).value,
        "environment": incident.environment,
        "declared_at": utc(incident.declared_at),
    }
    if facts.kind == "webhook":
        return {
            "incident": details,
            "update": {"id": update.id, "at": utc(update.at), "author": update.author, "text": update.text},
        }
    first = update.text.strip().splitlines()[0] if update.text.strip() else incident.title
    return {
        "event_action": "resolve" if incident.resolved_at is not None or not incident.open else "trigger",
        "dedup_key": f"cad-console-{incident.id}",
        "payload": {
            "summary": f"{incident.severity} {incident.title}: {first}"[:_SUMMARY_CHARACTERS],
            "source": incident.environment or "cad-console",
            "severity": _PAGERDUTY_SEVERITY[incident.severity],
            "timestamp": utc(update.at),
            "custom_details": {**details, "update": update.text},
        },
    }


def _escape_for_slack(text: str) -> str:
    """Without this, `<!channel>` in a label would notify everyone in the channel."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
