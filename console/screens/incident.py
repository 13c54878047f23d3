"""One incident: its timers, its timeline, its panels and alerts, and when the next update is due."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widget import Widget
from textual.widgets import Input

from console.journal.errors import JournalError
from console.screens import messages
from console.screens.base import section
from console.screens.filterable_screen import FilterableScreen
from console.screens.incident_view import render_due_line, render_entry, render_head, render_side, render_steps
from console.screens.render_context import RenderContext
from console.state.incident import Incident, TimelineEntry
from queries.model.identity_cache import IdentityCache
from widgets.footer import DANGEROUS
from widgets.rows import Rows
from widgets.styled_text import text, wrap
from widgets.text_view import TextView

if TYPE_CHECKING:
    from console.monitor.session import Session


def _newest_first(entries: tuple[TimelineEntry, ...]) -> tuple[TimelineEntry, ...]:
    return tuple(reversed(entries))


_REVERSED: IdentityCache[tuple[TimelineEntry, ...], tuple[TimelineEntry, ...]] = IdentityCache(_newest_first)


_NOTE_ID = "incident.note"


class NoteField(Input):
    """An input whose keys are in the footer."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "submit", "add the note", key_display="enter", tooltip="Add the note to the timeline", id="note.add"),
        Binding("escape", "screen.drop_note", "discard", tooltip="Discard the note, back to the timeline", id="note.drop"),
    ]


class IncidentScreen(FilterableScreen):
    """Steps at the top; the timeline beside panels and alerts; a field for notes; at the bottom, what is due next."""

    SCREEN_TITLE = "Incident"
    HELP_TEXT = (
        "An incident with the timers of its six steps, its timeline (newest first), and its panels, alerts and contacts. "
        "n starts a note, and only n does; enter adds it. Acknowledging the alert, silencing it, rolling back and scaling "
        "complete the matching step automatically, even if you did them before you declared the incident."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "note", "note", tooltip="Add a note to the timeline", id=_NOTE_ID),
        Binding("t", "complete_step", "step", tooltip="Mark a step as done or not done", id="incident.tick"),
        Binding("u", "write_update", "update", tooltip="Write an update, filled from live data", id="incident.update"),
        Binding("U", "deliver_update", "send", show=False, tooltip="Send the last update", id="incident.deliver"),
        Binding("o", "mark_sent", "sent", show=False, tooltip="Mark the last update as sent", id="incident.sent"),
        Binding("r", "assign_role", "roles", tooltip="Assign a role", id="incident.role"),
        Binding("s", "change_severity", "severity", tooltip="Change the severity", id="incident.severity"),
        Binding(
            "f",
            "follow_up",
            "follow-up",
            show=False,
            tooltip="Add a follow-up: something to do after the incident",
            id="incident.follow_up",
        ),
        Binding("w", "show_changes", "what changed", tooltip="The hour before the first alert", id="incident.changes"),
        Binding("m", "write_review", "review", tooltip="Write the post-incident review", id="incident.report"),
        Binding(
            "b",
            "write_bundle",
            "bundle",
            show=False,
            tooltip="Write it into one file, for `cad-console replay`",
            id="incident.bundle",
        ),
        Binding("X", "close", "close", group=DANGEROUS, tooltip="Close the incident, or reopen it", id="incident.close"),
    ]

    def __init__(self, incident_id: str) -> None:
        super().__init__()
        self.incident_id = incident_id
        self._fetched: Incident | None = None
        self._fetched_for: Incident | None = None
        self._fetched_at = float("-inf")
        self._head = TextView(id="incident-head")
        self._steps = TextView(id="incident-steps")
        self._section_rules = [TextView(classes="rule") for _ in range(2)]
        self._timeline: Rows[TimelineEntry] = Rows(
            key=lambda item: item.id, draw=render_entry, empty="nothing yet", opens=False, id="timeline"
        )
        self._timeline.add_class("grow")
        self._entry = TextView(id="entry")
        self._side = TextView(id="incident-side", focusable=True)
        self._note = NoteField(placeholder="n starts a note", id="incident-note", classes="field", select_on_focus=False)
        self._due_line = TextView(classes="title")

    def body(self) -> Iterable[Widget]:
        yield self._head
        yield self._section_rules[0]
        yield self._steps
        with Horizontal(classes="halves"):
            with Vertical(classes="left"):
                yield self._section_rules[1]
                yield self._timeline
                yield self._entry
            with Vertical(classes="right"):
                yield self._side
        yield self._field
        yield self._note
        yield self._due_line

    @property
    def incident(self) -> Incident | None:
        """The current state; a closed incident is fetched from the journal."""
        current = self._find_incident(self.context) if self.context else None
        return current if current is not None and not current.outline else self._fetched or current

    @property
    def _left_width(self) -> int:
        """As in the stylesheet; the measured width would be known only after the first frame."""
        return self.width * 3 // 5 if self.has_class("-narrow") else self.width // 2

    def draw(self, context: RenderContext) -> None:
        self._fetch_if_missing(context)
        incident, session = self.incident, context.session
        width = self.width
        if incident is None or session is None:
            message = self.worker_errors.get("whole", "") or "this incident is not in the journal (yet)"
            self._head.show(((text(f" {message}", "warn"),),))
            return
        policies = session.severity_policies
        left = self._left_width
        self._head.show(tuple(render_head(incident, context.now, width)))
        self._section_rules[0].show((section("Steps", width),))
        self._steps.show(tuple(render_steps(incident, policies, context.now, width, snapshot=context.snapshot)))
        earlier = f", {incident.earlier} earlier: incident show" if incident.earlier else ""
        self._section_rules[1].show((section(f"Timeline, {len(incident.entries)} entries{earlier}", left),))
        at_newest = self._timeline.items and self._timeline.current is self._timeline.items[0]
        self._timeline.show(_REVERSED(incident.entries))
        if at_newest and incident.entries:
            self._timeline.move_to(incident.entries[-1].id)  # the cursor stays on the newest entry
        self._side.show(tuple(render_side(incident, context, policies, width - left - 1)))
        self._due_line.show((render_due_line(incident, policies, context.now, width),))
        self._draw_entry()

    def _find_incident(self, context: RenderContext) -> Incident | None:
        return context.snapshot.ledger.incidents.get(self.incident_id) if context.snapshot else None

    def _fetch_if_missing(self, context: RenderContext) -> None:
        """Fetch an incident that is closed or not in the state, and again when its outline changes."""
        current = self._find_incident(context)
        if context.session is None or (current is not None and not current.outline):
            return
        missing = current is None and self._fetched is None and context.now - self._fetched_at >= 1.0
        missing = missing and not self.has_worker("whole")
        if missing or current is not self._fetched_for:
            self._fetched_at, self._fetched_for = context.now, current
            self.run_worker(self._fetch(context.session), "reading the incident", "whole", exclusive=True)

    async def _fetch(self, session: Session) -> None:
        try:
            self._fetched = await session.incident(self.incident_id)
        except JournalError as error:
            self.show_notice(f"the incident cannot be read: {error}", warning=True)
        self.redraw()

    def action_note(self) -> None:
        self.set_focus(self._note)  # at once: what is typed next belongs to the note

    def action_drop_note(self) -> None:
        self._note.value = ""
        self._timeline.focus()

    def action_complete_step(self) -> None:
        self.post_message(messages.CompleteStepRequested(self.incident_id))

    def action_write_update(self) -> None:
        self.post_message(messages.WriteUpdateRequested(self.incident_id))

    def action_deliver_update(self) -> None:
        self.post_message(messages.DeliverUpdateRequested(self.incident_id))

    def action_mark_sent(self) -> None:
        self.post_message(messages.MarkUpdateSentRequested(self.incident_id))

    def action_assign_role(self) -> None:
        self.post_message(messages.AssignRoleRequested(self.incident_id))

    def action_change_severity(self) -> None:
        self.post_message(messages.ChangeSeverityRequested(self.incident_id))

    def action_follow_up(self) -> None:
        self.post_message(messages.FollowUpRequested(self.incident_id))

    def action_show_changes(self) -> None:
        self.post_message(messages.ShowChangesRequested(self.incident_id))

    def action_write_review(self) -> None:
        self.post_message(messages.WriteReviewRequested(self.incident_id))

    def action_write_bundle(self) -> None:
        self.post_message(messages.WriteBundleRequested(self.incident_id))

    def action_close(self) -> None:
        self.post_message(messages.CloseIncidentRequested(self.incident_id))

    @on(Input.Submitted, "#incident-note")
    def _note_submitted(self, event: Input.Submitted) -> None:
        note = event.value.strip()
        self.action_drop_note()
        if note:
            self.post_message(messages.AddNoteRequested(self.incident_id, note))

    @on(Rows.Highlighted)
    def _entry_highlighted(self) -> None:
        self._draw_entry()

    def _draw_entry(self) -> None:
        """Show the entry under the cursor in full if it is longer than its line."""
        entry = self._timeline.current
        entry_text = text(entry.text)[0] if entry else ""
        # A line of the timeline has the scrollbar and the cursor mark beside it.
        complete = entry is None or entry_text in "".join(part for part, _ in render_entry(entry, self._left_width - 3))
        lines = () if complete else tuple(((f"  {line}", "dim"),) for line in wrap(entry_text, self._left_width - 4)[:6])
        self._entry.show(lines)
