"""One incident: its clocks, its timeline, what belongs to it, and when the next update is due."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from textual import events, on
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widget import Widget
from textual.widgets import Input

from console.journal.errors import JournalError
from console.screens.base import ConsoleScreen, section
from console.screens.incident_view import due_line, entry_line, head_lines, side_lines, step_lines
from console.screens.messages import IncidentRequested
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


_reversed: IdentityCache[tuple[TimelineEntry, ...], tuple[TimelineEntry, ...]] = IdentityCache(_newest_first)


class NoteField(Input):
    """An input whose keys are told in the footer."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "submit", "add the note", tooltip="Add the note to the timeline", id="note.add"),
        Binding("escape", "screen.drop_note", "drop it", tooltip="Drop the note, back to the timeline", id="note.drop"),
    ]


class IncidentScreen(ConsoleScreen):
    """Steps above; the timeline beside panels and alerts; a line for notes; below, what is due next."""

    TITLE_WORDS = "Incident"
    ABOUT = (
        "An incident with its six steps as clocks, its timeline (newest first), and the panels, alerts and contacts that "
        "belong to it. Typing adds a note: any letter that is no key here begins one, n begins any; enter adds it. "
        "Taking the alert, silencing it, rolling back and scaling tick the right step by themselves."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "note", "note", tooltip="Add a note to the timeline", id="incident.note"),
        Binding("t", "ask('tick')", "tick", tooltip="A step is done, or is not after all", id="incident.tick"),
        Binding("u", "ask('update')", "update", tooltip="Write an update, filled from live data", id="incident.update"),
        Binding("U", "ask('deliver')", "send", show=False, tooltip="Bring the last update out", id="incident.deliver"),
        Binding("o", "ask('sent')", "sent", show=False, tooltip="Mark the last update as sent: it is out", id="incident.sent"),
        Binding("r", "ask('role')", "roles", tooltip="Who has which role", id="incident.role"),
        Binding("s", "ask('severity')", "severity", tooltip="Another severity", id="incident.severity"),
        Binding("w", "ask('changes')", "what changed", tooltip="The hour before the first alert", id="incident.changes"),
        Binding("m", "ask('report')", "review", tooltip="Write the post-incident review", id="incident.report"),
        Binding("X", "ask('close')", "close", group=DANGEROUS, tooltip="It is over, or opened again", id="incident.close"),
    ]

    def __init__(self, identity: str) -> None:
        super().__init__()
        self.identity = identity
        self._read: Incident | None = None
        self._read_for: Incident | None = None
        self._asked_at = float("-inf")
        self._head = TextView(id="incident-head")
        self._steps = TextView(id="incident-steps")
        self._rules = [TextView(classes="rule") for _ in range(2)]
        self._timeline: Rows[TimelineEntry] = Rows(
            key=lambda item: item.id, draw=entry_line, empty="nothing yet", opens=False, id="timeline"
        )
        self._timeline.add_class("grow")
        self._whole = TextView(id="entry")
        self._side = TextView(id="incident-side", focusable=True)
        self._note = NoteField(
            placeholder="n or any letter: a note", id="incident-note", classes="field", select_on_focus=False
        )
        self._due = TextView(classes="title")

    def body(self) -> Iterable[Widget]:
        yield self._head
        yield self._rules[0]
        yield self._steps
        with Horizontal(classes="halves"):
            with Vertical(classes="left"):
                yield self._rules[1]
                yield self._timeline
                yield self._whole
            with Vertical(classes="right"):
                yield self._side
        yield self._note
        yield self._due

    def on_mount(self) -> None:
        super().on_mount()
        self._timeline.focus()

    @property
    def incident(self) -> Incident | None:
        """As it is now; one that is over is kept in the journal, and was read from there."""
        held = self._held(self.view) if self.view else None
        return held if held is not None and not held.outline else self._read or held

    @property
    def _left_width(self) -> int:
        """As the style sheet divides it; measured, it would be known only after the first frame."""
        return self.width * 3 // 5 if self.has_class("-narrow") else self.width // 2

    def draw(self, view: RenderContext) -> None:
        self._read_whole(view)
        incident, session = self.incident, view.session
        width = self.width
        if incident is None or session is None:
            told = self.worker_errors.get("whole", "") or "this incident is not in the journal (yet)"
            self._head.show(((text(f" {told}", "warn"),),))
            return
        response = session.response
        left = self._left_width
        self._head.show(tuple(head_lines(incident, view.now, width)))
        self._rules[0].show((section("Steps", width),))
        self._steps.show(tuple(step_lines(incident, response, view.now, width)))
        earlier = f", {incident.earlier} earlier: incident show" if incident.earlier else ""
        self._rules[1].show((section(f"Timeline, {len(incident.entries)} entries{earlier}", left),))
        newest = self._timeline.items and self._timeline.current is self._timeline.items[0]
        self._timeline.show(_reversed(incident.entries))
        if newest and incident.entries:
            self._timeline.move_to(incident.entries[-1].id)  # who reads the newest entry goes on to do so
        self._side.show(tuple(side_lines(incident, view, response, width - left - 1)))
        self._due.show((due_line(incident, response, view.now, width),))
        self._draw_entry()

    def _held(self, view: RenderContext) -> Incident | None:
        return view.snapshot.ledger.incidents.get(self.identity) if view.snapshot else None

    def _read_whole(self, view: RenderContext) -> None:
        """Reads one that is over, or that the state does not hold: once, and again where its outline is another one."""
        held = self._held(view)
        if view.session is None or (held is not None and not held.outline):
            return
        if (held is None and self._read is None and view.now - self._asked_at >= 1.0) or held is not self._read_for:
            self._asked_at, self._read_for = view.now, held
            self.run_worker(self._fetch(view.session), "reading the incident", "whole", exclusive=True)

    async def _fetch(self, session: Session) -> None:
        try:
            self._read = await session.incident(self.identity)
        except JournalError as error:
            self.app.notify(f"the incident cannot be read: {error}", markup=False, severity="warning", timeout=8)
        self.redraw()

    def action_note(self) -> None:
        self._note.focus()

    def action_drop_note(self) -> None:
        self._note.value = ""
        self._timeline.focus()

    def action_ask(self, what: str) -> None:
        self.post_message(IncidentRequested(what, self.identity))

    def on_key(self, event: events.Key) -> None:
        """A letter that means nothing else here begins a note, and is its first letter."""
        noting = self.focused is self._note
        character = event.character or ""
        # A key that the note itself took never comes here; one that was typed so fast that it was on its way to the list does.
        if character.isprintable() and character and (noting or (character.strip() and event.key not in self.active_bindings)):
            self.set_focus(self._note)
            self._note.value += character
            self._note.cursor_position = len(self._note.value)
            event.stop()

    @on(Input.Submitted, "#incident-note")
    def _noted(self, event: Input.Submitted) -> None:
        told = event.value.strip()
        self._note.value = ""
        if told:
            self.post_message(IncidentRequested("note", self.identity, told))

    @on(Rows.Highlighted)
    def _another(self) -> None:
        self._draw_entry()

    def _draw_entry(self) -> None:
        """The entry under the cursor, whole, where it is longer than its line."""
        entry = self._timeline.current
        told = text(entry.text)[0] if entry else ""
        # A line of the timeline has its scrollbar and its mark beside it.
        whole = entry is None or told in "".join(words for words, _ in entry_line(entry, self._left_width - 3))
        lines = () if whole else tuple(((f"  {line}", "dim"),) for line in wrap(told, self._left_width - 4)[:6])
        self._whole.show(lines)
