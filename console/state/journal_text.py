"""A journal event in one line, for screen and command alike."""

from __future__ import annotations

from console.journal import payloads as p
from console.journal.event import Event
from queries.model.verdict import Verdict
from queries.text.durations import format_span


def event_text(event: Event) -> str:
    """`Error ratio: overrule CRIT: 7.84 %: known since Monday`, from whatever the event holds; never empty."""
    payload = p.try_decode(event)
    return (_payload_text(event, payload) if payload else _join(event.data.get("text"))) or event.subject or event.kind


def _payload_text(event: Event, payload: p.Payload) -> str:
    match payload:
        case p.ActionIntent() | p.ActionDeclined():
            where = f" [{payload.cluster}]" if payload.cluster else ""
            cause = f" ({payload.cause})" if payload.cause else ""
            overrule = payload.overrule if isinstance(payload, p.ActionIntent) else ""
            freeze = f" (freeze overruled: {overrule})" if overrule else ""
            return f"{_action_text(payload)}{cause}{freeze}{where}"
        case p.ActionStep(step=step, state=state, text=text):
            return _join(payload.target, f"{step} {state}" if not text.startswith(step) else "", text)
        case p.ActionOutcome(outcome=outcome, text=text):
            return _join(_action_text(payload), "" if text.startswith(outcome) else outcome, text)
        case p.RolloutCompleted() | p.RolloutFailed():
            return _join(payload.target, payload.text)
        case p.AlertAcknowledged() | p.AlertReleased():
            why = f" ({payload.why})" if isinstance(payload, p.AlertReleased) and payload.why else ""
            return f"{payload.name or event.data.get('text') or event.subject}{why}"
        case p.NoteWritten(text=text):
            return text
        case p.EventSettled(why=why) | p.IncidentClosed(why=why) | p.IncidentReopened(why=why):
            return why
    return _guard_text(payload) or _incident_text(payload) or _run_text(event, payload)


def _action_text(payload: p.ActionIntent | p.ActionDeclined | p.ActionOutcome) -> str:
    return payload.title or " ".join(filter(None, (payload.action, payload.target)))


def _guard_text(payload: p.Payload) -> str:
    match payload:
        case p.GuardStarted():
            return f"{payload.title or payload.target}: guard started"
        case p.GuardEvaluated() | p.GuardEnded():
            verdict = payload.verdict if isinstance(payload, p.GuardEvaluated) else payload.result
            return _join("guard", "" if payload.text.startswith(verdict) else verdict, payload.text)
        case p.GuardAnnounced(text=text):
            return _join("guard", text)
        case p.GuardWatching():
            return "guard watching"
        case p.GuardTakenOver():
            return "guard taken over" if payload.process else "guard left: nothing watches the change"
        case p.DrillStarted(drill=drill, target=target):
            return f"drill {drill} on {target}: started"
        case p.DrillFault(text=text):
            return _join("drill", text)
        case p.DrillObserved(what=what, seconds=seconds, source=source):
            return _join(f"drill: time to {what} {format_span(seconds)}", source)
        case p.DrillEnded(result=result, text=text):
            return _join("drill", "" if text.startswith(result) else result, text)
    return ""


def _incident_text(payload: p.Payload) -> str:
    match payload:
        case p.IncidentDeclared():
            return f"{payload.severity} {payload.title}"
        case p.SeverityChanged(severity=severity, why=why):
            return _join(severity, why)
        case p.RoleAssigned(role=role, person=person):
            return f"{role}: {person or 'nobody'}"
        case p.StepChanged():
            return _join(payload.step, "done" if payload.done else "reopened", payload.because, payload.note)
        case p.IncidentNoteAdded(text=text) | p.UpdateWritten(text=text) | p.ChangeSeen(text=text):
            return text
        case p.FollowUpRecorded():
            return _join("done" if payload.done else payload.owner, payload.due, payload.text)
        case p.AlertLinked():
            return f"{'linked' if payload.on else 'unlinked'} {payload.name}"
        case p.UpdateDelivered(update=update, how=how, where=where):
            return f"update {update}: {how}{f' to {where}' if where else ''}"
    return ""


def _run_text(event: Event, payload: p.Payload) -> str:
    match payload:
        case p.RunStarted():
            return f"{payload.title or payload.checklist}: started"
        case p.ItemAnswered():
            verdict = f" {Verdict(payload.verdict).word}" if payload.verdict in tuple(Verdict) else ""
            answer = f"{payload.title or payload.item}: {payload.answer}{verdict}"
            return _join(answer, payload.value_text, payload.reason)
        case p.RunNoteAdded():
            return _join(payload.title or payload.item, payload.text)
        case p.RunSigned():
            count = f", {len(payload.open)} open" if payload.open else ""
            return _join(
                f"{payload.title or payload.checklist}: signed by {payload.name or event.author}{count}", payload.remark
            )
        case p.HandoverSigned():
            to = f" to {payload.to}" if payload.to else ""
            return _join(f"handover: signed by {payload.name or event.author}{to}", payload.remark)
    return ""


def _join(*parts: object) -> str:
    return ": ".join(str(part) for part in parts if part)
