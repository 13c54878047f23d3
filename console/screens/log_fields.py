"""The dialog with the fields of one line of a log: filter by one, copy it, or follow its trace."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.events import Resize

from console.logs.line_fields import FieldKind, LineField, LineFilter, build_trace_url, find_fields
from console.screens.messages import CopyRequested
from console.screens.worker_errors import ReportsWorkerErrors
from queries.errors import SourceError
from queries.model.log import LogLine
from widgets.dialogs.dialog import Dialog
from widgets.rows import Rows
from widgets.styled_text import Line, fit, text, wrap
from widgets.text_view import TextView

_TEXT_ROWS = 4
_NAME_CELLS = 24
_KINDS = {FieldKind.LABEL: "label", FieldKind.METADATA: "metadata"}


class LogFieldsDialog(ReportsWorkerErrors, Dialog[LineFilter | None]):
    """Returns the chosen filter, or None. `read` gives all fields of a line; those of its text are shown before it answers.
    `step` gives the line before (-1) or after (1) another one. `links` marks a trace for terminals that open links.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "back", tooltip="No filter", id="fields.leave"),
        Binding("exclamation_mark", "without", "without", key_display="!", tooltip="Lines without it", id="fields.without"),
        Binding("y", "copy", "copy", tooltip="Copy the value", id="fields.copy"),
        Binding("o", "copy_link", "link", tooltip="Copy the link of this trace", id="fields.link"),
        Binding("left_square_bracket", "step(-1)", "line before", key_display="[", tooltip="The line before", id="fields.back"),
        Binding("right_square_bracket", "step(1)", "line after", key_display="]", tooltip="The line after", id="fields.next"),
    ]

    def __init__(
        self,
        line: LogLine,
        *,
        read: Callable[[LogLine], Awaitable[tuple[LineField, ...]]],
        step: Callable[[LogLine, int], LogLine | None],
        trace_url: str,
        links: bool,
    ) -> None:
        super().__init__()
        self._line = line
        self._read, self._step = read, step
        self._trace_url, self._links = trace_url, links
        self._note = ""
        self._head = TextView(id="line-text")
        self._foot = TextView(id="line-keys")
        self._fields: Rows[LineField] = Rows(
            key=lambda item: f"{item.kind} {item.name}", draw=self._draw_field, empty=" no fields", id="line-fields"
        )

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield self._head
            yield self._fields
            yield self._foot

    def on_mount(self) -> None:
        self._fields.focus()
        self._show_line(self._line)

    def _show_line(self, line: LogLine) -> None:
        self._line, self._note = line, "reading its labels …"
        self._fields.show(find_fields(line.text))
        self._draw()
        self.run_worker(self._read_all(line), "reading the labels of a line", "fields", exclusive=True)

    async def _read_all(self, line: LogLine) -> None:
        try:
            fields = await self._read(line)
        except SourceError as error:
            self._note = str(error)
        else:
            self._note = ""
            self._fields.show(fields)
        self._draw()

    def show_worker_error(self, group: str) -> None:
        self._note = self.worker_errors.get(group, "")
        self._draw()

    def _draw(self) -> None:
        width = max(20, self._head.inner_width or self.size.width - 8)
        rows = wrap(text(self._line.text)[0], width - 2)
        shown = [*rows[:_TEXT_ROWS], *(["…"] if len(rows) > _TEXT_ROWS else [])]
        self._head.show((((" The fields of a line", "title"),), *((((f" {row}"), ""),) for row in shown)))
        hint = "enter only lines with it · ! without it · y copies · [ ] other lines · esc goes back"
        notes = tuple((text(f" {part}", "warn"),) for part in wrap(text(self._note)[0], width - 2) if part)
        linked = any(field.trace_id for field in self._fields.items) and self._trace_url
        trace: tuple[Line, ...] = (((" o copies the link of the trace", "dim"),),) if linked else ()
        self._foot.show((*notes, *(((f" {part}", "dim"),) for part in wrap(hint, width - 1)), *trace))
        # Text and keys are always visible; the fields scroll.
        self._fields.styles.max_height = max(1, self.size.height - 2 - len(self._head.lines) - len(self._foot.lines))

    def on_resize(self, event: Resize) -> None:
        self._draw()

    def _draw_field(self, field: LineField, width: int) -> Line:
        url = self._url(field)
        tone = f"accent@{url}" if url and self._links else "accent" if field.trace_id else ""
        room = max(8, width - _NAME_CELLS - 12)
        value = text(field.value[: 4 * room], tone)
        return (text(fit(field.name, _NAME_CELLS), "strong"), (" ", ""), value, (f"  {_KINDS.get(field.kind, '')}", "dim"))

    def _url(self, field: LineField) -> str:
        return build_trace_url(self._trace_url, field.trace_id) if field.trace_id else ""

    @on(Rows.Selected)
    def _selected(self, event: Rows.Selected) -> None:
        event.stop()
        self._choose(without=False)

    def action_without(self) -> None:
        self._choose(without=True)

    def _choose(self, *, without: bool) -> None:
        field = self._fields.current
        if field is not None:
            self.dismiss(LineFilter(field, without))

    def action_copy(self) -> None:
        field = self._fields.current
        if field is not None:
            self.post_message(CopyRequested(field.value, field.name))

    def action_copy_link(self) -> None:
        field = self._fields.current
        url = self._url(field) if field is not None else ""
        if url:
            self.post_message(CopyRequested(url, "the link of the trace"))
        else:
            what = "the config has no loki: trace_url" if field is not None and field.trace_id else "this field names no trace"
            self._note = what
            self._draw()

    def action_step(self, direction: int) -> None:
        line = self._step(self._line, direction)
        if line is None:
            self.app.bell()
        else:
            self._show_line(line)

    def action_leave(self) -> None:
        self.dismiss(None)
