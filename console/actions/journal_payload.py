"""What the journal records about an action: facts without secrets."""

from __future__ import annotations

from typing import Any

from msgspec import structs

from console.actions.plan import ClusterTarget, Difference, Outcome, Plan, StepReport
from console.journal import process
from console.journal.payloads import ActionDeclined, ActionIntent, ActionOutcome, ActionStep
from queries.text.secrets import redact_value


def intent_payload(plan: Plan, target: ClusterTarget) -> ActionIntent:
    """Everything that a person confirmed, without environment values that look like secrets."""
    return ActionIntent(
        **_subject(plan, target),
        process=process.current().text(),
        differences=tuple(_difference(item) for item in plan.differences),
        notes=plan.notes,
        command=plan.command,
        digest=plan.digest,
        resource_version=plan.resource_version,
        cause=plan.request.cause,
        overrule=plan.request.overrule or None,
        panel_id=plan.request.panel_id,
        fingerprint=plan.request.fingerprint,
    )


def declined_payload(plan: Plan, target: ClusterTarget) -> ActionDeclined:
    """What the person declined."""
    return ActionDeclined(**_subject(plan, target), command=plan.command, cause=plan.request.cause)


def step_payload(plan: Plan, report: StepReport) -> ActionStep:
    """One step that begins, or that ended."""
    return ActionStep(
        report.step,
        "begun" if report.done is None else "done" if report.done else "failed",
        report.text,
        target=plan.subject,
        command=report.command or None,
        seconds=None if report.seconds is None else round(report.seconds, 1),
        output=report.output or None,
        answer=report.answer or None,
    )


def outcome_payload(
    plan: Plan, target: ClusterTarget, outcome: Outcome, text: str, elapsed_seconds: float, *, accepted: bool, rolled_out: bool
) -> ActionOutcome:
    """`accepted`: the server is known to have accepted the write; `rolled_out`: every pod became ready."""
    return ActionOutcome(
        outcome.value,
        text,
        **_subject(plan, target),
        elapsed_seconds=round(max(0.0, elapsed_seconds), 1),
        command=plan.command,
        cause=plan.request.cause,
        fingerprint=plan.request.fingerprint,
        revisions=structs.replace(plan.record, taken=accepted, rolled_out=rolled_out) if plan.record else None,
    )


def _subject(plan: Plan, target: ClusterTarget) -> dict[str, Any]:
    return {"action": plan.request.action, "title": plan.title, "target": plan.subject, **_target(target)}


def _target(target: ClusterTarget) -> dict[str, Any]:
    values = {
        "cluster": target.place,
        "server": target.server,
        "cluster_uid": target.identity.cluster_uid,
        "namespace_uid": target.identity.namespace_uid,
        "identity": target.identity.sentence(),
    }
    return {key: value or None for key, value in values.items()}


def _difference(item: Difference) -> tuple[str, ...]:
    variable = item.name.removeprefix("env ").partition(" ")[0] if item.name.startswith("env ") else ""
    return (item.name, _forget_secret(variable, item.before), _forget_secret(variable, item.after))


def _forget_secret(variable: str, value: str) -> str:
    """The preview shows that two secrets differ, the journal not even that. References (`<secret name/key>`) reveal nothing."""
    if value == "-" or (value.startswith("<") and value.endswith(">")):
        return value
    return "(not kept)" if "(hidden " in value or redact_value(variable, value) != value else value
