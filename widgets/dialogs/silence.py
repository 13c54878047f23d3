"""The dialog that describes a silence, with a live list of what it would match."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Input

from queries.model.alert import TrackedAlert
from queries.model.matcher import Matcher, MatcherError, parse_matchers
from widgets.dialogs.button import DialogButton
from widgets.formatting import severity_word
from widgets.styled_text import Line, text
from widgets.text_view import TextView

_DURATION = re.compile(r"(?:\d+(?:ms|[smhdw]))+")


@dataclass(frozen=True, slots=True)
class SilenceForm:
    """What a person wants silenced: matchers in Alertmanager's syntax, a duration (`2h`), and why."""

    matchers: str
    duration: str
    comment: str


class SilenceDialog(ModalScreen[SilenceForm | None]):
    """`matches` tells which of the known alerts a set of matchers would silence."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "cancel", tooltip="Silence nothing", id="silence.cancel"),
        Binding("tab,down", "app.focus_next", show=False, tooltip="The next field", id="silence.next"),
        Binding("shift+tab,up", "app.focus_previous", show=False, tooltip="The field before", id="silence.before"),
    ]

    def __init__(
        self,
        wish: SilenceForm,
        *,
        matches: Callable[[tuple[Matcher, ...]], tuple[TrackedAlert, ...]],
        editing: bool = False,
        duration_hint: str = "30m, 2h, 1d from now",
    ) -> None:
        super().__init__()
        self._wish = wish
        self._matches = matches
        self._editing = editing
        self._duration_hint = duration_hint
        self._preview = TextView(id="matched")

    def compose(self) -> ComposeResult:
        title = " Change the silence" if self._editing else " Silence"
        with Vertical(classes="dialog"):
            yield TextView((((title, "title"),),), classes="caption")
            yield TextView(
                (((" matchers", "strong"), ('  name="value", name=~"a|b"; all have to match', "dim")),), classes="caption"
            )
            yield Input(self._wish.matchers, id="matchers")
            yield TextView((((" duration", "strong"), (f"  {self._duration_hint}", "dim")),), classes="caption")
            yield Input(self._wish.duration, id="duration")
            yield TextView((((" comment", "strong"), ("  why; the next person reads it", "dim")),), classes="caption")
            yield Input(self._wish.comment, id="comment")
            yield self._preview
            with Horizontal(classes="buttons"):
                yield TextView((((" esc cancels · tab: the next field", "dim"),),), classes="keys")
                yield DialogButton("Cancel", id="cancel")
                yield DialogButton("Preview", id="go", variant="primary")

    def on_mount(self) -> None:
        self.query_one("#comment", Input).focus()
        self._look()

    def action_cancel(self) -> None:
        self.dismiss(None)

    @on(Button.Pressed, "#cancel")
    def _cancelled(self) -> None:
        self.dismiss(None)

    @on(Input.Changed, "#matchers")
    def _look(self) -> None:
        self._preview.show(self._what_matches())

    @on(Input.Submitted)
    @on(Button.Pressed, "#go")
    def _finish(self) -> None:
        wish = SilenceForm(*(self.query_one(f"#{name}", Input).value.strip() for name in ("matchers", "duration", "comment")))
        complaint, where = self._wrong(wish)
        if complaint:
            self._preview.show(((text(f" {complaint}", "warn"),),))
            self.query_one(f"#{where}", Input).focus()
            return
        self.dismiss(wish)

    def _wrong(self, wish: SilenceForm) -> tuple[str, str]:
        try:
            if not parse_matchers(wish.matchers):
                return "at least one matcher is needed: a silence without one would silence everything", "matchers"
        except MatcherError as error:
            return str(error), "matchers"
        if not _DURATION.fullmatch(wish.duration) or not re.search(r"[1-9]", wish.duration):
            return "expected a duration like 30m, 2h or 1d", "duration"
        if not wish.comment:
            return "a comment is needed: say why", "comment"
        return "", ""

    def _what_matches(self) -> tuple[Line, ...]:
        try:
            matchers = parse_matchers(self.query_one("#matchers", Input).value)
        except MatcherError as error:
            return ((text(f" {error}", "warn"),),)
        if not matchers:
            return (((" no matcher yet", "dim"),),)
        found = self._matches(matchers)
        if not found:
            return (((" matches no alert that is known now", "warn"),),)
        lines: list[Line] = [((f" would match {len(found)} alert{'' if len(found) == 1 else 's'} now", "strong"),)]
        for tracked in found[:5]:
            alert = tracked.alert
            lines.append((text(f"  {alert.priority} {severity_word(alert)} {alert.name} {alert.component}"),))
        if len(found) > 5:
            lines.append(((f"  and {len(found) - 5} more", "dim"),))
        return tuple(lines)
