"""The rows of a workload's page, in the order in which people ask at night: what is wrong first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import field, replace

from console.actions.reconcilers import owners
from console.objects.description import (
    describe_autoscaler,
    describe_batch,
    describe_budget,
    describe_dependency,
    describe_event,
    describe_strategy,
)
from console.objects.problems import Problem, describe_count, summarize_condition
from console.objects.reading import WorkloadReading
from console.screens.base import section
from console.screens.messages import (
    OpenAlertRequested,
    OpenDescriptionRequested,
    OpenPanelRequested,
    OpenRequested,
    OpenYamlRequested,
)
from console.state.revisions import NO_RECORDS, Records, name_rollout_author, revision_choices, rollout_authors
from console.state.snapshot import Snapshot
from queries.kubernetes.object_decode import decode_conditions
from queries.model.alert import TrackedAlert
from queries.model.frozen import dataclass
from queries.model.object_page import EventCount, Existence, ObjectEvent, TemplateRevision
from queries.model.panel import PanelState
from queries.model.pod import Pod
from queries.model.text import visible
from queries.model.verdict import Verdict
from queries.model.workload import Revision
from queries.text.durations import format_age
from queries.text.numbers import format_quantity
from widgets.formatting import VERDICT_WIDTH
from widgets.styled_text import VERDICT_TONES, Line, Span, cut, fit, severity_tone, text, wrap

_MOST_PODS, _MOST_EVENTS = 100, 60
_INDENT = " " * (VERDICT_WIDTH + 2)


@dataclass(frozen=True, slots=True)
class PageRow:
    """One row. `subject` is the target of the object that the keys for YAML and description mean, `pod` and `revision` the name
    of what the row is about; all empty where it is about the workload itself.
    """

    key: str
    line: Line
    opens: OpenRequested | None = None
    subject: str = ""
    pod: str = ""
    revision: str = ""


@dataclass(frozen=True, slots=True)
class Related:
    """What the snapshot has about a workload."""

    alerts: tuple[TrackedAlert, ...] = ()
    panels: tuple[PanelState, ...] = ()
    records: Records = field(default_factory=lambda: NO_RECORDS)
    alerts_caveat: str = ""
    rolled_out_by: str = ""


def find_related(snapshot: Snapshot | None, reading: WorkloadReading, *, alerts_caveat: str = "") -> Related:
    """The alerts whose actions concern the workload, and the panels with a series of it or of its pods."""
    if snapshot is None:
        return Related(alerts_caveat=alerts_caveat, rolled_out_by=reading.workload.written_by)
    target = reading.target
    names_it = (reading.workload.kind.lower(), reading.workload.name)
    alerts = tuple(
        [
            item
            for item in snapshot.alerts
            if (names_it in item.alert.labels or (item.suggestions and target in [one.target for one in item.suggestions]))
            and item.elsewhere is None
        ]
    )
    panels = tuple(
        item
        for item in snapshot.panels
        if item.spec.id == "workloads" or any(value in reading.names for sample in item.samples for _, value in sample.labels)
    )
    author = name_rollout_author(reading.workload, rollout_authors(snapshot.ledger.recent))
    return Related(alerts, panels, snapshot.ledger.revisions, alerts_caveat, author)


def build_page(
    reading: WorkloadReading, findings: Iterable[Problem], related: Related, *, now: float, width: int, current: bool
) -> tuple[PageRow, ...]:
    """The rows of the page, for a width. If the reading is not `current`, no word claims what is now."""
    page = _Page(reading, tuple(findings), related, now, width, current)
    rows = (
        *page.problems(),
        *page.pods(),
        *page.events(),
        *page.revisions(),
        *page.setting(),
        *page.dependencies(),
        *page.related_rows(),
    )
    return tuple(rows)


@dataclass(frozen=True, slots=True)
class _Page:
    reading: WorkloadReading
    findings: tuple[Problem, ...]
    related: Related
    now: float
    width: int
    current: bool

    def problems(self) -> Iterator[PageRow]:
        yield self._heading("What is wrong")
        for at, finding in enumerate(self.findings):
            opens = OpenDescriptionRequested(finding.subject) if finding.subject else None
            row = PageRow(f"finding {at} {finding.text[:60]}", (), opens, finding.subject)
            yield from self._wrap(row, finding)
        yield from self._alerts()
        if all(finding.verdict is Verdict.OK for finding in self.findings):
            pending = self.reading.pending_parts()
            if pending:
                yield PageRow("no finding yet", ((f" {', '.join(pending)}: no answer yet", "unknown"),))
            else:
                words = "nothing that the cluster reports" if self.current else "nothing was wrong then"
                tone = "ok" if self.current else "unknown"
                if self.current and (self.related.alerts or self.related.alerts_caveat):
                    words, tone = "the cluster itself reports no problem", ""
                yield PageRow("no finding", ((f" {words}", tone),))
        for condition in decode_conditions(self.reading.raw):
            age = f", {self._age(condition.updated_at)} ago" if condition.updated_at else ""
            yield from self._plain(f"condition {condition.type}", f"{summarize_condition(condition)}{age}")

    def pods(self) -> Iterator[PageRow]:
        pods = self.reading.pods.value or ()
        yield self._heading(f"Pods  {len(pods)}" if pods else "Pods")
        yield from self._unknown("pods", self.reading.pods.error, pending=self.reading.pods.pending)
        shown: set[str] = set()
        left = _MOST_PODS
        newest = self.reading.current_revision()
        for revision in self.reading.revisions.value or ():
            own = self.reading.pods_of(revision)
            if not own:
                continue
            mark = "current" if newest is not None and revision.name == newest.name else "old"
            ready = f"{sum(pod.ready for pod in own)} of {len(own)} {'ready' if self.current else 'were ready'}"
            line: Line = (
                text(f" revision {revision.number} ({mark})  {ready}", "strong"), text(f"  {_images(revision)}", "dim")
            )  # fmt: skip
            yield PageRow(f"pods of {revision.name}", line, revision=revision.name)
            shown |= {pod.name for pod in own}
            yield from map(self._pod, own[:left])
            if len(own) > left:
                yield self._note(f"more of {revision.name}", f"{len(own) - left} more")
            left = max(0, left - len(own))
        others = [pod for pod in pods if pod.name not in shown]
        if others and shown:
            yield self._note("other pods", "of revisions that no longer exist")
        yield from map(self._pod, others[:left])
        if len(others) > left:
            yield self._note("more pods", f"{len(others) - left} more")

    def events(self) -> Iterator[PageRow]:
        reading = self.reading
        scope = f"of its {len(reading.event_pods)} worst pods too" if reading.event_pods else ""
        yield self._heading(f"Events  {scope}".rstrip())
        yield from self._unknown("events", reading.events.error, pending=reading.events.pending)
        events = reading.events.value or ()
        for at, event in enumerate(events[:_MOST_EVENTS]):
            subject = f"{event.kind.lower()}/{event.name}" if event.kind == "Pod" else ""
            row = PageRow(f"event {at}", (), OpenDescriptionRequested(subject) if subject else None, subject)
            yield from self._event(row, event)
        if len(events) > _MOST_EVENTS:
            yield self._note("more events", f"{len(events) - _MOST_EVENTS} older ones (d shows all)")
        if reading.events.value == ():
            yield self._note("no events", "none; the API server keeps events for an hour by default")

    def revisions(self) -> Iterator[PageRow]:
        reading = self.reading
        if not reading.has_revisions:
            return
        yield self._heading("Revisions  enter: what changed, c: compare any two")
        yield from self._unknown("revisions", reading.revisions.error, pending=reading.revisions.pending)
        newest = reading.current_revision()
        standings = self._standings()
        author = self.related.rolled_out_by
        current = visible(f"current, by {author}" if author else "current")
        for revision in reading.revisions.value or ():
            is_current = newest is not None and revision.name == newest.name
            note = "; ".join(
                filter(None, (current if is_current else standings.get(revision.number, ""), revision.change_cause))
            )
            own = reading.pods_of(revision)
            count = f"{len(own)} pods" if own else "-"
            line: Line = (
                (f" {revision.number:>4} ", "strong"),
                (f"{self._age(reading.current_since() if is_current else revision.since):>8} ", ""),
                (f"{count:<8} ", "" if own else "dim"),
                text(f"{_images(revision)}  ", "strong" if is_current else ""),
                text(note, "dim"),
            )
            yield PageRow(f"revision {revision.name}", cut(line, self.width), revision=revision.name)
        if reading.revisions.value == ():
            yield self._note("no revisions", "none")

    def setting(self) -> Iterator[PageRow]:
        reading = self.reading
        yield self._heading("Set-up")
        if reading.workload.batch is not None:
            yield from self._fact("runs", describe_batch(reading.workload.batch, self.now))
        elif reading.has_revisions:
            yield from self._fact("strategy", describe_strategy(reading.workload, reading.raw))
        if author := self.related.rolled_out_by:
            yield from self._fact("changed", visible(f"pod template, last by {author}"))
        if reading.workload.owner:
            yield from self._fact("owner", visible(reading.workload.owner))
        for scaler, raw in reading.autoscaler.value or ():
            subject = f"horizontalpodautoscaler/{scaler.name}"
            yield from self._fact("HPA", describe_autoscaler(scaler, raw), subject=subject)
        yield from self._absent("HPA", reading.autoscaler.value, reading.autoscaler.error)
        for budget in reading.budgets.value or ():
            yield from self._fact("PDB", describe_budget(budget), subject=f"poddisruptionbudget/{budget.name}")
        yield from self._absent("PDB", reading.budgets.value, reading.budgets.error)
        managers = owners(reading.raw)
        for item in managers:
            yield from self._fact("manager", visible(f"{item.name}, by {item.why}: it may revert a change made here"))
        if not managers:
            yield from self._fact("manager", "none is recorded on the object")

    def dependencies(self) -> Iterator[PageRow]:
        part = self.reading.dependencies
        yield self._heading("Depends on")
        yield from self._unknown("dependencies", part.error, pending=part.pending)
        for item in part.value or ():
            tone = {Existence.MISSING: "critical", Existence.UNKNOWN: "unknown"}.get(item.existence, "")
            kind = {"PersistentVolumeClaim": "PVC"}.get(item.kind, item.kind)
            subject = f"{item.kind.lower()}/{item.name}"
            line: Line = (
                (f" {kind:<10} ", "dim"), text(f"{item.name}  ", "strong"), (describe_dependency(item), tone),
            )  # fmt: skip
            # A Secret is named, never opened.
            opens = OpenYamlRequested(subject) if item.kind != "Secret" and item.existence is not Existence.MISSING else None
            yield PageRow(f"dependency {subject}", cut(line, self.width), opens, subject if opens else "")
        if part.value == ():
            yield self._note("no dependency", "no ConfigMap, Secret or PersistentVolumeClaim")

    def related_rows(self) -> Iterator[PageRow]:
        yield self._heading("Panels")
        for panel in self.related.panels:
            yield PageRow(f"panel {panel.spec.id}", self._panel(panel), OpenPanelRequested(panel.spec.id))

    def _alerts(self) -> Iterator[PageRow]:
        for item in self.related.alerts:
            alert = item.alert
            line: Line = (
                (f" {alert.priority:<{VERDICT_WIDTH}} ", severity_tone(alert.priority)),
                text(alert.name, "strong"),
                text(f"  alert {alert.state}, since {self._age(alert.starts_at)}"),
                text(f"  {item.owner or 'unacknowledged'}", "dim"),
            )
            yield PageRow(f"finding alert {alert.fingerprint}", line, OpenAlertRequested(alert.fingerprint))
        if self.related.alerts_caveat:
            yield self._note("alerts", f"{_INDENT[1:]}alerts: {self.related.alerts_caveat}")

    def _panel(self, panel: PanelState) -> Line:
        word, tone = panel.verdict.word, VERDICT_TONES[panel.verdict]
        names = self.reading.names
        own = [sample.value for sample in panel.samples if any(value in names for _, value in sample.labels)]
        values = f"{format_quantity(max(own), panel.spec.unit, panel.spec.decimals)}" if own else panel.note
        return (
            (f" {word:<{VERDICT_WIDTH}} ", tone),
            text(panel.spec.title, "strong"),
            text(f"  {values}", tone if own else "dim"),
        )

    def _standings(self) -> dict[int, str]:
        """What is known about each earlier revision of a Deployment."""
        reading = self.reading
        if reading.workload.kind != "Deployment":
            return {}
        known = [
            Revision(
                item.number, item.name, reading.workload.uid, item.since, len(reading.pods_of(item)),
                sum(pod.ready for pod in reading.pods_of(item)), item.change_cause, template=item.fingerprint,
                history=item.history,
            )
            for item in reading.revisions.value or ()
        ]  # fmt: skip
        choices = revision_choices(reading.workload, known, self.related.records)
        return {choice.revision.number: choice.text for choice in choices}

    def _pod(self, pod: Pod) -> PageRow:
        state: Span
        if not self.current:
            state = text("was ready" if pod.ready else f"was {pod.reason or pod.phase or 'not ready'}", "unknown")
        elif pod.ready:
            state = ("ready", "ok")
        elif pod.phase == "Succeeded" and not pod.reason:
            state = ("completed", "dim")
        else:
            state = text(pod.reason or pod.phase or "not ready", "critical")
        restarts = f"{pod.restarts} restarts" if pod.restarts != 1 else "1 restart"
        name = min(48, max(20, self.width - 47))
        line: Line = (
            text(f"   {fit(text(pod.name)[0], name)} ", "strong"),
            (f"{fit(state[0], 16)} ", state[1]),
            (f"{restarts:<11} ", "warn" if pod.restarts else "dim"),
            (f"{self._age(pod.created_at):>7} ", ""),
            text(f"{pod.last_exit}  " if pod.last_exit else "", "warn"),
            text(pod.node or "no node", "dim"),
        )
        target = f"pod/{pod.name}"
        return PageRow(f"pod {pod.name}", cut(line, self.width), OpenDescriptionRequested(target), target, pod=pod.name)

    def _event(self, row: PageRow, event: ObjectEvent) -> Iterator[PageRow]:
        """Its age, WARN for a warning, its text, and its count where it has one."""
        count = "" if event.counted is EventCount.ONCE else f" ({describe_count(event, self.now)})"
        words = f"{describe_event(event, own=self.reading.workload.name)}{count}"
        warn = "WARN" if event.warning else ""
        for at, part in enumerate(wrap(words, self.width - 15)):
            prefix: Line = (
                ((f" {self._age(event.last_at):>7} ", "dim"), (f"{warn:<4} ", "warn")) if not at else ((" " * 14, ""),)
            )
            yield replace(row, key=f"{row.key} {at}", line=(*prefix, (part, "")))

    def _heading(self, title: str) -> PageRow:
        return PageRow(f"heading {title.partition('  ')[0]}", section(visible(title), self.width))

    def _note(self, key: str, words: str) -> PageRow:
        return PageRow(f"note {key}", ((f" {words}", "dim"),))

    def _unknown(self, key: str, error: str, *, pending: bool) -> Iterator[PageRow]:
        if pending:
            yield PageRow(f"unknown {key}", ((" no answer yet", "unknown"),))
        elif error:
            for at, part in enumerate(wrap(visible(f"not known: {error}"), self.width - 2)):
                yield PageRow(f"unknown {key} {at}", ((f" {part}", "unknown"),))

    def _absent(self, name: str, value: tuple[object, ...] | None, error: str) -> Iterator[PageRow]:
        if error:
            yield from self._fact(name, visible(f"not known: {error}"), tone="unknown")
        elif value is None:
            yield from self._fact(name, "no answer yet", tone="unknown")
        elif not value:
            yield from self._fact(name, "none")

    def _fact(self, name: str, words: str, *, subject: str = "", tone: str = "") -> Iterator[PageRow]:
        for at, part in enumerate(wrap(words, self.width - 12)):
            prefix = f" {name:<9} " if not at else " " * 11
            yield PageRow(
                f"fact {name} {subject} {at}",
                ((prefix, "dim"), (part, tone)),
                OpenYamlRequested(subject) if subject else None,
                subject,
            )

    def _plain(self, key: str, words: str) -> Iterator[PageRow]:
        for at, part in enumerate(wrap(words, self.width - len(_INDENT) - 1)):
            yield PageRow(f"{key} {at}", ((f"{_INDENT}{part}", "dim"),))

    def _wrap(self, row: PageRow, finding: Problem) -> Iterator[PageRow]:
        is_note = finding.verdict is Verdict.OK
        word, tone = finding.word, "dim" if is_note else VERDICT_TONES[finding.verdict]
        if not self.current:
            word, tone = f"was {word}"[:VERDICT_WIDTH], "unknown"
        for at, part in enumerate(wrap(finding.text, self.width - len(_INDENT) - 1)):
            prefix = f" {word:<{VERDICT_WIDTH}} " if not at else _INDENT
            yield replace(row, key=f"{row.key} {at}", line=((prefix, tone), (part, "" if at or is_note else "strong")))

    def _age(self, at: float) -> str:
        return format_age(max(0.0, self.now - at)) if at else "-"


def _images(revision: TemplateRevision) -> str:
    spec = revision.template.get("spec") or {}
    return ", ".join(str(item.get("image") or "").rpartition("/")[2] for item in spec.get("containers") or ())
