"""The key dashboards: one at a time, by provider and time range, compared with an earlier time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.widget import Widget

from console.screens import keys, time_range
from console.screens.alert_actions import AlertActionsMixin
from console.screens.base import ConsoleScreen
from console.screens.chart_choices import COMPARISONS, WINDOWS
from console.screens.messages import OpenDashboardPanelRequested
from console.screens.panel_detail import PanelDetailScreen
from console.screens.render_context import RenderContext
from queries.model.dashboard import DASHBOARDS, DashboardChoice, DashboardState, PeriodComparison
from queries.model.panel import PanelState
from queries.model.panel_result import HistoryRange, PanelHistory
from queries.model.verdict import Verdict
from queries.text.durations import format_age
from queries.text.numbers import format_quantity
from widgets.panel import PanelRow
from widgets.panel_grid import PanelGrid, PanelTile
from widgets.styled_text import Line, Span, cut, spread, text, width_of, wrap
from widgets.text_view import TextView

if TYPE_CHECKING:
    from console.monitor.session import Session
    from queries.model.alert import TrackedAlert


class DashboardsScreen(ConsoleScreen, AlertActionsMixin):
    """Holds what a person chose; the session polls it while this screen is drawn."""

    SCREEN_TITLE = "Dashboards"
    HELP_TEXT = (
        "The five key dashboards and a team's own. n and N switch dashboards, p and P providers, e environments of the config "
        "file; c compares with the same time yesterday or last week; + and - change the time range of the trends. A panel that "
        "cannot be limited to a provider says so. Dashboards are polled only while visible."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "board(1)", "next", key_display="n", tooltip="Next dashboard; N: previous", id="dashboard.next"),
        Binding("N", "board(-1)", "previous", show=False, tooltip="Previous dashboard", id="dashboard.previous"),
        Binding("p", "provider(1)", "provider", tooltip="Next provider, then all", id="dashboard.provider"),
        Binding("P", "provider(-1)", "provider back", show=False, tooltip="Previous provider", id="dashboard.provider_back"),
        Binding("e", "environment", "environment", tooltip="Next environment of the config", id="dashboard.environment"),
        Binding("c", "compare", "compare", tooltip="Compare with yesterday, last week, nothing", id="dashboard.compare"),
        *time_range.RANGE_KEYS,
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
        return self.context.session.boards if self.context and self.context.session else DASHBOARDS

    def choose(self, choice: DashboardChoice) -> None:
        """Show another choice."""
        self._choice = choice
        self.redraw()

    def draw(self, context: RenderContext) -> None:
        if context.session is not None:
            context.session.dashboards.keep_alive(self._choice)
        shown = context.snapshot.dashboard if context.snapshot else None
        state = shown if shown is not None and shown.choice == self._choice else DashboardState(self._choice)
        self._head.show(self._head_lines(state, context, self.size.width))
        self._grid.show(tuple(_build_tiles(state, context)))

    def current_alert(self) -> TrackedAlert | None:
        tile = self._grid.current
        if tile is None or self.context is None:
            return None
        return next((item for item in self.context.alerts if item.alert.name in tile.state.spec.alerts), None)

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
            self.show_notice("the providers are not known yet")
            return
        self.choose(replace(self._choice, provider=names[(at + by) % len(names)]))

    def action_environment(self) -> None:
        session = self.context.session if self.context else None
        others = session.dashboards.environments if session else ()
        if not others:
            self.show_notice("the config file names no other environment with a Prometheus")
            return
        names = ["", *others]
        at = names.index(self._choice.environment) if self._choice.environment in names else 0
        self.choose(replace(self._choice, environment=names[(at + 1) % len(names)], provider=""))

    def action_compare(self) -> None:
        seconds = [item for _, item in COMPARISONS]
        at = seconds.index(self._choice.back_seconds)
        self.choose(replace(self._choice, back_seconds=seconds[(at + 1) % len(seconds)]))

    def action_window(self, by: int) -> None:
        seconds = [item for _, item in WINDOWS]
        at = min(max(0, seconds.index(self._choice.window_seconds) + by), len(seconds) - 1)
        self.choose(replace(self._choice, window_seconds=seconds[at]))

    def action_explore(self) -> None:
        tile = self._grid.current
        self.explore(tile.state if tile is not None else None)

    @on(PanelGrid.Selected)
    def _open_selected(self, event: PanelGrid.Selected) -> None:
        self.post_message(OpenDashboardPanelRequested(event.key))

    def _state(self) -> DashboardState | None:
        return self.context.snapshot.dashboard if self.context and self.context.snapshot else None

    def _head_lines(self, state: DashboardState, context: RenderContext, width: int) -> tuple[Line, ...]:
        return (
            _render_names(self._choice.name, self._boards, width),
            self._render_selection(state, context, width),
            *_render_errors(state, context, width),
        )

    def _render_selection(self, state: DashboardState, context: RenderContext, width: int) -> Line:
        """Provider, environment, time range and comparison, and the age of the values."""
        choice = self._choice
        back = next(name for name, seconds in COMPARISONS if seconds == choice.back_seconds)
        reach = next(name for name, seconds in WINDOWS if seconds == choice.window_seconds)
        elsewhere = choice.environment and choice.environment != context.settings.environment
        left: Line = (
            (" provider ", "dim"),
            text(choice.provider or "all", "strong" if choice.provider else ""),
            ("  environment ", "dim"),
            text(choice.environment or context.settings.environment, "warn" if elsewhere else ""),
            ("  range ", "dim"),
            (reach, ""),
            ("  vs ", "dim"),
            (back or "nothing", ""),
        )
        if state.taken_at is None:
            return spread(left, ((" no response " if state.fault else " fetching … ", "unknown"),), width)
        old = max(0.0, context.now - state.taken_at)
        age = f" {format_age(old)} old " if old > context.settings.stale_after_seconds or state.fault else ""
        return spread(left, ((age, "unknown"),), width)


class DashboardPanelScreen(PanelDetailScreen):
    """A panel of a dashboard, which is polled while this screen is open: `board`, or the last one that was visible."""

    def __init__(self, panel_id: str, board: str = "") -> None:
        super().__init__(panel_id)
        self._own_choice = DashboardChoice(board) if board else None
        self._compared = False

    def draw(self, context: RenderContext) -> None:
        if context.session is not None and self._own_choice is not None:
            context.session.dashboards.keep_alive(self._own_choice)
        elif context.session is not None:
            context.session.dashboards.keep_last_alive()
        shown = self._find_dashboard(context)
        if shown is not None and not self._compared:
            # The comparison of the dashboard, until a person chooses another one here.
            self._compared = True
            context.charts.back_seconds = shown.choice.back_seconds
        super().draw(context)

    def current_panel(self) -> str:
        """An action is verified on a panel of the overview: the first that lists the alert."""
        return AlertActionsMixin.current_panel(self)

    def why_missing(self, context: RenderContext) -> str:
        shown = self._find_dashboard(context)
        if shown is not None and shown.panels:
            return super().why_missing(context)
        return shown.fault.sentence() if shown is not None and shown.fault else "fetching …"

    def _find_dashboard(self, context: RenderContext) -> DashboardState | None:
        shown = context.snapshot.dashboard if context.snapshot else None
        return None if shown is None or self._own_choice not in (None, shown.choice) else shown

    def _find_state(self, context: RenderContext) -> PanelState | None:
        shown = self._find_dashboard(context)
        return shown.panel(self._panel_id) if shown else None

    def query_histories(self, session: Session, requested: HistoryRange) -> AsyncIterator[PanelHistory]:
        return session.dashboards.histories(self._panel_id, requested)


def _render_names(chosen: str, boards: tuple[tuple[str, str], ...], width: int) -> Line:
    """All dashboards, the chosen one in full; without room the others are shortened, and the first ones dropped."""
    for shorten in (False, True):
        spans: list[Span] = []
        for name, title in boards:
            part = text(title.split(" ")[0] if shorten and name != chosen else title)[0]
            spans += [(" ", ""), (f" {part} ", "cursor+title" if name == chosen else "dim")]
        if width_of(tuple(spans)) <= width:
            break
    # The chosen one is never dropped.
    while width_of(tuple(spans)) > width and spans[1][1] == "dim":
        del spans[:2]
    return cut(tuple(spans), width)


def _render_errors(state: DashboardState, context: RenderContext, width: int) -> Iterable[Line]:
    sentences = [(state.fault.sentence(), "critical")] if state.fault else []
    sentences += [(warning, "warn") for warning in state.warnings[:1]]
    for sentence, tone in sentences:
        for part in wrap(text(sentence)[0], width - 2)[:2]:
            yield ((f" {part}", tone),)


def _build_tiles(state: DashboardState, context: RenderContext) -> Iterable[PanelTile]:
    back = next(name for name, seconds in COMPARISONS if seconds == state.choice.back_seconds)
    for at, panel in enumerate(state.panels):
        changed = f"dashboard/{panel.spec.id}" in context.changed_ids
        earlier = _comparison_text(panel, state.comparisons[at], back) if state.comparisons else ""
        yield PanelTile(PanelRow(panel, changed=changed), earlier, context.charts.drawing)


def _comparison_text(panel: PanelState, then: PeriodComparison, back: str) -> str:
    """`yesterday 0.41 %`; an unknown value is `no data`, not 0."""
    if then.value is None:
        return f"{back} no data"
    caveat = f" {Verdict.IN_DOUBT.word}" if then.doubtful else ""
    return f"{back} {format_quantity(then.value, panel.spec.unit, panel.spec.decimals)}{caveat}"
