"""The tour of the demo: five steps at the foot of whatever screen is open, each reached by doing what the one before says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from console.screens.base import ConsoleScreen, section
from queries.model.frozen import dataclass
from widgets.styled_text import Line, wrap
from widgets.text_view import TextView

if TYPE_CHECKING:
    from console.screens.app import ConsoleApp

LEAVE_KEY = "ctrl+t"
_ALERT, _RUNBOOK, _RUN, _STEPS = 2, 3, 4, 5
"""The steps by their screens; the first is the overview, the last the journal."""
_BAR = "tour"
_TEXT_LINES = 2


@dataclass(frozen=True, slots=True)
class Story:
    """What the scenario of the demo is about: its `alert`, and the `key` and name of the action that fixes it."""

    summary: str
    alert: str
    key: str
    action: str


class Tour:
    """Knows how far a person came. `progress` says what is still being started; empty once everything is up."""

    def __init__(self, story: Story, progress: Callable[[], str]) -> None:
        self._story = story
        self._progress = progress
        self._reached = 1
        self.ended = False

    def follow(self, app: ConsoleApp) -> None:
        """Show the step that fits the screen in view; called with every drawing of the console."""
        screen = app.screen
        if self.ended:
            self._remove_bars(app)
            return
        if not isinstance(screen, ConsoleScreen):
            return  # a dialog needs the room, and explains itself
        self._reach(screen, opened=app.session is not None)
        if self.ended:
            self._remove_bars(app)
            return
        lines = tuple(self._lines(app, screen.width))
        for bar in screen.query(f"#{_BAR}").results(TextView):
            bar.show(lines)
            return
        if screen.is_mounted and screen.width:
            bar = TextView(lines, id=_BAR)
            bar.styles.height = _TEXT_LINES + 1
            screen.query_one("#body").mount(bar)

    def leave(self, app: ConsoleApp) -> None:
        """End the tour at once; the demo goes on."""
        self.ended = True
        self._remove_bars(app)

    def _remove_bars(self, app: ConsoleApp) -> None:
        for screen in app.screen_stack:
            screen.query(f"#{_BAR}").remove()

    def _reach(self, screen: ConsoleScreen, *, opened: bool) -> None:
        """Go to the step of the screen in view; elsewhere the last one stays. Leaving the last step ends the tour."""
        step = _step_of(screen) if opened else 0
        if self._reached == _STEPS:
            self.ended = step != _STEPS
            return
        before = _RUN if step == _STEPS else _ALERT
        other_alert = step == _ALERT and not screen.place.endswith(f" {self._story.alert}")
        if step == _ALERT or (step and self._reached >= before):
            self._reached = self._reached if other_alert else step

    def _lines(self, app: ConsoleApp, width: int) -> Iterator[Line]:
        yield section(f"Tour, step {self._reached} of {_STEPS} · {LEAVE_KEY} leaves it", width)
        parts = wrap(self._text(app), width - 2)[:_TEXT_LINES]
        yield from (((f" {part}", ""),) for part in parts)

    def _text(self, app: ConsoleApp) -> str:
        story = self._story
        if self._reached == 1:
            starting = self._progress()
            if starting:
                return f"The demo is starting on this machine: {starting}"
            snapshot = app.context.snapshot
            if snapshot is None or not any(item.alert.name == story.alert for item in snapshot.active):
                return f"{story.summary}. {story.alert} will fire within half a minute; watch the panels meanwhile."
            return f"{story.alert} fires. Press 2 for the alerts, then enter to open it."
        return {
            _ALERT: "The alert: since when it fires, its expression and trend, what changed. Press b for its runbook.",
            _RUNBOOK: f"The runbook's steps are evaluated live. Press {story.key} for the preview of the fix ({story.action}); "
            "type what it asks for, then enter twice.",
            _RUN: "The preview: nothing is sent before you type what it asks for and press enter twice; esc leaves it."
            if _is_previewed(app.screen)
            else "Each stage of the change, the pods, and the recovery. When it is done press 6: who did what, and the proof.",
            _STEPS: "The journal has what you did. ? explains a screen, 0 has the dashboards, 8 checklists, 9 incidents.",
        }[self._reached]


def _is_previewed(screen: object) -> bool:
    """Whether the screen is of an action that nobody has confirmed yet."""
    from console.screens.action_run import ActionRunScreen  # noqa: PLC0415  # not before the first frame

    return isinstance(screen, ActionRunScreen) and screen.run.confirmed_at is None and not screen.run.finished


def _step_of(screen: ConsoleScreen) -> int:
    """The step that this screen is; 0 for a screen of none. Its module is loaded before any of these is in view."""
    from console.screens.action_run import ActionRunScreen  # noqa: PLC0415  # not before the first frame
    from console.screens.alert_detail import AlertDetailScreen  # noqa: PLC0415  # as above
    from console.screens.journal import JournalScreen  # noqa: PLC0415  # as above
    from console.screens.runbook import RunbookScreen  # noqa: PLC0415  # as above

    steps = ((AlertDetailScreen, _ALERT), (RunbookScreen, _RUNBOOK), (ActionRunScreen, _RUN), (JournalScreen, _STEPS))
    return next((step for kind, step in steps if isinstance(screen, kind)), 0)
