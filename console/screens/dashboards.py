"""The key dashboards: one at a time, for one provider or all, over a window, beside its values of an earlier time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.widget import Widget

from console.screens import keys, time_range
from console.screens.alert_actions import AlertActionsMixin
from console.screens.base import ConsoleScreen
from console.screens.messages import OpenRequested
from console.screens.panel_detail import PanelDetailScreen
from console.screens.render_context import RenderContext
from queries.model.dashboard import DASHBOARDS, DashboardChoice, DashboardState, PeriodComparison
from queries.model.panel import PanelHistory, PanelState
from queries.model.verdict import Verdict
from widgets.formatting import format_age, format_quantity
from widgets.panel import PanelRow
from widgets.panel_grid import PanelGrid, PanelTile
from widgets.styled_text import Line, Span, cut, spread, text, width_of, wrap
from widgets.text_view import TextView

if TYPE_CHECKING:
    from console.monitor.session import Session
    from queries.model.alert import TrackedAlert

BACK = (("", 0.0), ("yesterday", 86400.0), ("last week", 7 * 86400.0))
"""What the values can be compared with: the same time of an earlier day."""


class DashboardsScreen(ConsoleScreen, AlertActionsMixin):
    """What a person wants to see is kept here; the session asks for it while this screen is drawn."""

    TITLE_WORDS = "Dashboards"
    ABOUT = (
        "The five key dashboards and a team's own. n and N go from one to the next, p and P from provider to provider, e to "
        "another environment of the config file, c compares with the same time yesterday or last week, [ and ] change how far "
        "the trends reach. A panel that cannot be narrowed to a provider says so. It is asked only while it is on the screen."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "board(1)", "next", key_display="n", tooltip="The next dashboard; N the one before", id="dashboard.next"),
        Binding("N", "board(-1)", "previous", show=False, tooltip="The dashboard before", id="dashboard.previous"),
        Binding("p", "provider(1)", "provider", tooltip="One provider after another, then all", id="dashboard.provider"),
        Binding("P", "provider(-1)", "provider back", show=False, tooltip="The provider before", id="dashboard.provider_back"),
        Binding("e", "environment", "environment", tooltip="Another environment of the config", id="dashboard.environment"),
        Binding("c", "compare", "compare", tooltip="With yesterday, last week, nothing", id="dashboard.compare"),
        *time_range.KEYS,
        keys.RUNBOOK,
        keys.QUERY,
    ]

    def __init__(self) -> None:
        super().__init__()
        self._choice = DashboardChoice(DASHBOARDS[0][0])
        self._head = TextView(id="dashboard-head")
        self._grid = PanelGrid(id="dashboard-grid")
        self._grid.add_class("grow")

    def body(self) -> Iterable[Widget]:
        yield self._head
        yield self._grid

    @property
    def choice(self) -> DashboardChoice:
        return self._choice

    @property
    def _boards(self) -> tuple[tuple[str, str], ...]:
        return self.view.session.boards if self.view and self.view.session else DASHBOARDS

    def choose(self, choice: DashboardChoice) -> None:
        """Look at something else."""
        self._choice = choice
        self.redraw()

    def draw(self, view: RenderContext) -> None:
        if view.session is not None:
            view.session.dashboards.look(self._choice)
        shown = view.snapshot.dashboard if view.snapshot else None
        state = shown if shown is not None and shown.choice == self._choice else DashboardState(self._choice)
        self._head.show(self._head_lines(state, view, self.size.width))
        self._grid.show(tuple(_tiles(state, view)))

    def current_alert(self) -> TrackedAlert | None:
        tile = self._grid.current
        if tile is None or self.view is None:
            return None
        return next((item for item in self.view.alerts if item.alert.name in tile.state.spec.alerts), None)

    def current_runbook(self) -> str:
        tile = self._grid.current
        return tile.state.spec.runbook if tile else ""

    def action_board(self, by: int) -> None:
        names = [name for name, _ in self._boards]
        self.choose(replace(self._choice, name=names[(names.index(self._choice.name) + by) % len(names)]))

    def action_provider(self, by: int) -> None:
        state = self._state()
        names = ["", *(state.providers if state else ())]
        at = names.index(self._choice.provider) if self._choice.provider in names else 0
        if len(names) == 1 and not self._choice.provider:
            self._say("which providers there are is not known yet")
            return
        self.choose(replace(self._choice, provider=names[(at + by) % len(names)]))

    def action_environment(self) -> None:
        session = self.view.session if self.view else None
        others = session.dashboards.environments if session else ()
        if not others:
            self._say("the config file names no other environment with a Prometheus")
            return
        names = ["", *others]
        at = names.index(self._choice.environment) if self._choice.environment in names else 0
        self.choose(replace(self._choice, environment=names[(at + 1) % len(names)], provider=""))

    def action_compare(self) -> None:
        seconds = [item for _, item in BACK]
        at = seconds.index(self._choice.back_seconds)
        self.choose(replace(self._choice, back_seconds=seconds[(at + 1) % len(seconds)]))

    def action_window(self, by: int) -> None:
        seconds = [item for _, item in time_range.WINDOWS]
        at = min(max(0, seconds.index(self._choice.window_seconds) + by), len(seconds) - 1)
        self.choose(replace(self._choice, window_seconds=seconds[at]))

    def action_explore(self) -> None:
        tile = self._grid.current
        if tile is not None and tile.state.query:
            self.post_message(OpenRequested("explore", tile.state.query))

    @on(PanelGrid.Selected)
    def _open(self, event: PanelGrid.Selected) -> None:
        self.post_message(OpenRequested("dashboard panel", event.key))

    def _state(self) -> DashboardState | None:
        return self.view.snapshot.dashboard if self.view and self.view.snapshot else None

    def _head_lines(self, state: DashboardState, view: RenderContext, width: int) -> tuple[Line, ...]:
        return (_names(self._choice.name, self._boards, width), self._terms(state, view, width), *_troubles(state, view, width))

    def _terms(self, state: DashboardState, view: RenderContext, width: int) -> Line:
        """What is looked at, in words, and how old it is."""
        choice = self._choice
        back = next(name for name, seconds in BACK if seconds == choice.back_seconds)
        reach = next(name for name, seconds in time_range.WINDOWS if seconds == choice.window_seconds)
        elsewhere = choice.environment and choice.environment != view.settings.environment
        left: Line = (
            (" provider ", "dim"),
            text(choice.provider or "all", "strong" if choice.provider else ""),
            ("  environment ", "dim"),
            text(choice.environment or view.settings.environment, "warn" if elsewhere else ""),
            ("  window ", "dim"),
            (reach, ""),
            ("  against ", "dim"),
            (back or "nothing", ""),
        )
        if state.taken_at is None:
            return spread(left, ((" not answered " if state.fault else " asking … ", "unknown"),), width)
        old = max(0.0, view.now - state.taken_at)
        told = f" {format_age(old)} old " if old > view.settings.stale_after_seconds or state.fault else ""
        return spread(left, ((told, "unknown"),), width)


class DashboardPanelScreen(PanelDetailScreen):
    """A panel of the dashboard that was looked at; it goes on being asked for while this is on the screen."""

    def __init__(self, panel_id: str) -> None:
        super().__init__(panel_id)
        self._choice: DashboardChoice | None = None

    def draw(self, view: RenderContext) -> None:
        if view.session is not None:
            view.session.dashboards.look_again()
        super().draw(view)

    def current_panel(self) -> str:
        """An action is verified on a panel of the overview: the one that lists the alert as its own."""
        return AlertActionsMixin.current_panel(self)

    def _state_in(self, view: RenderContext) -> PanelState | None:
        shown = view.snapshot.dashboard if view.snapshot else None
        if shown is not None:
            self._choice = shown.choice
        return shown.panel(self._subject) if shown else None

    async def _history_of(self, session: Session, seconds: float) -> PanelHistory:
        return await session.dashboards.history(self._subject, window_seconds=seconds)

    def _earlier_name(self) -> str:
        back = self._choice.back_seconds if self._choice else 0.0
        return next((name for name, seconds in BACK if seconds == back), "")


def _names(chosen: str, boards: tuple[tuple[str, str], ...], width: int) -> Line:
    """All dashboards, the one in view in full; the others shorter where there is no room, and the first ones left out."""
    for shorten in (False, True):
        spans: list[Span] = []
        for name, title in boards:
            words = text(title.split(" ")[0] if shorten and name != chosen else title)[0]
            spans += [(" ", ""), (f" {words} ", "cursor+title" if name == chosen else "dim")]
        if width_of(tuple(spans)) <= width:
            break
    # The one in view has to be among them, however many there are.
    while width_of(tuple(spans)) > width and spans[1][1] == "dim":
        del spans[:2]
    return cut(tuple(spans), width)


def _troubles(state: DashboardState, view: RenderContext, width: int) -> Iterable[Line]:
    told = [(state.fault.sentence(), "critical")] if state.fault else []
    told += [(warning, "warn") for warning in state.warnings[:1]]
    for sentence, tone in told:
        for words in wrap(text(sentence)[0], width - 2)[:2]:
            yield ((f" {words}", tone),)


def _tiles(state: DashboardState, view: RenderContext) -> Iterable[PanelTile]:
    end = state.taken_at or view.now
    # To the step, so that a trend that rests is drawn once and not every second.
    step = state.choice.window_seconds / 60.0
    end = end // step * step
    back = next(name for name, seconds in BACK if seconds == state.choice.back_seconds)
    for at, panel in enumerate(state.panels):
        mark = f"dashboard/{panel.spec.id}" in view.marked
        earlier = _compared(panel, state.compared[at], back) if state.compared else ""
        yield PanelTile(PanelRow(panel, changed=mark), earlier, (end - state.choice.window_seconds, end))


def _compared(panel: PanelState, then: PeriodComparison, back: str) -> str:
    """`yesterday 0.41 %`; what was not known then is not 0."""
    if then.value is None:
        return f"{back} no data"
    doubt = f" {Verdict.IN_DOUBT.word}" if then.doubtful else ""
    return f"{back} {format_quantity(then.value, panel.spec.unit, panel.spec.decimals)}{doubt}"
