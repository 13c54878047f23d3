"""The form for a silence, with a live list of the alerts it would match."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Button, Input

from queries.model.alert import TrackedAlert
from queries.model.frozen import dataclass
from queries.model.matcher import Matcher, MatcherError, parse_matchers
from queries.text.durations import parse_duration
from widgets.dialogs.button import DialogButton
from widgets.dialogs.dialog import Dialog
from widgets.formatting import severity_label
from widgets.styled_text import Line, text
from widgets.text_view import TextView


@dataclass(frozen=True, slots=True)
class SilenceForm:
    """A silence to be created: matchers in Alertmanager's syntax, a duration (`2h`), and a comment."""

    matchers: str
    duration: str
    comment: str


class SilenceDialog(Dialog[SilenceForm | None]):
    """`matches` returns the known alerts that a set of matchers would silence."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "cancel", tooltip="Silence nothing", id="silence.cancel"),
        Binding("tab,down", "app.focus_next", show=False, tooltip="The next field", id="silence.next"),
        Binding("shift+tab,up", "app.focus_previous", show=False, tooltip="The previous field", id="silence.before"),
    ]

    def __init__(
        self,
        form: SilenceForm,
        *,
        matches: Callable[[tuple[Matcher, ...]], tuple[TrackedAlert, ...]],
        editing: bool = False,
        duration_hint: str = "30m, 2h, 1d from now",
    ) -> None:
        super().__init__()
        self._initial = form
        self._matches = matches
        self._editing = editing
        self._duration_hint = duration_hint
        self._preview = TextView(id="matched")

    def compose(self) -> ComposeResult:
        title = " Edit the silence" if self._editing else " Silence"
        with Vertical(classes="dialog"):
            yield TextView((((title, "title"),),), classes="caption")
            yield TextView(
                (((" matchers", "strong"), ('  name="value", name=~"a|b"; all must match', "dim")),), classes="caption"
            )
            yield Input(self._initial.matchers, id="matchers")
            yield TextView((((" duration", "strong"), (f"  {self._duration_hint}", "dim")),), classes="caption")
            yield Input(self._initial.duration, id="duration")
            yield TextView((((" comment", "strong"), ("  why; the next person reads it", "dim")),), classes="caption")
            yield Input(self._initial.comment, id="comment")
            yield self._preview
            with Horizontal(classes="buttons"):
                yield TextView((((" esc cancels · tab: next field", "dim"),),), classes="keys")
                yield DialogButton("Cancel", id="cancel")
                yield DialogButton("Preview", id="go", variant="primary")

    def on_mount(self) -> None:
        # A silence from an alert has matchers and needs a comment; a new one needs its matchers first.
        self.query_one("#comment" if self._initial.matchers else "#matchers", Input).focus()
        self._update_preview()

    def action_cancel(self) -> None:
        self.dismiss(None)

    @on(Button.Pressed, "#cancel")
    def _on_cancel(self) -> None:
        self.dismiss(None)

    @on(Input.Changed, "#matchers")
    def _update_preview(self) -> None:
        self._preview.show(self._matching_lines())

    @on(Input.Submitted)
    @on(Button.Pressed, "#go")
    def _submit(self) -> None:
        form = SilenceForm(*(self.query_one(f"#{name}", Input).value.strip() for name in ("matchers", "duration", "comment")))
        error, field_id = self._validate(form)
        if error:
            self._preview.show(((text(f" {error}", "warn"),),))
            self.query_one(f"#{field_id}", Input).focus()
            return
        self.dismiss(form)

    def _validate(self, form: SilenceForm) -> tuple[str, str]:
        try:
            if not parse_matchers(form.matchers):
                return "at least one matcher is required: a silence without matchers would silence everything", "matchers"
        except MatcherError as error:
            return str(error), "matchers"
        try:
            parse_duration(form.duration, least=1.0)
        except ValueError:
            return "expected a duration like 30m, 2h or 1d", "duration"
        if not form.comment:
            return "a comment is required: say why", "comment"
        return "", ""

    def _matching_lines(self) -> tuple[Line, ...]:
        try:
            matchers = parse_matchers(self.query_one("#matchers", Input).value)
        except MatcherError as error:
            return ((text(f" {error}", "warn"),),)
        if not matchers:
            return (((" no matcher yet", "dim"),),)
        matching = self._matches(matchers)
        if not matching:
            return (((" matches no current alert", "warn"),),)
        lines: list[Line] = [((f" would match {len(matching)} alert{'' if len(matching) == 1 else 's'} now", "strong"),)]
        for tracked in matching[:5]:
            alert = tracked.alert
            lines.append((text(f"  {alert.priority} {severity_label(alert)} {alert.name} {alert.component}"),))
        if len(matching) > 5:
            lines.append(((f"  and {len(matching) - 5} more", "dim"),))
        return tuple(lines)
