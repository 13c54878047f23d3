"""The base of all screens: two header lines, a body, and the footer with the keys."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, TypeVar, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.events import Click, Resize, ScreenResume
from textual.geometry import Size
from textual.screen import Screen
from textual.widget import Widget

from console.screens import keys
from console.screens.header import find_command_at, render_header
from console.screens.messages import OpenExploreRequested, OpenRequested, RenderRequested
from console.screens.render_context import RenderContext
from console.screens.worker_errors import ReportsWorkerErrors
from widgets.footer import DANGEROUS, Footer
from widgets.styled_once import StyledOnce
from widgets.styled_text import Line
from widgets.text_view import TextView

if TYPE_CHECKING:
    from console.screens.drawn import Drawn
    from queries.model.panel import PanelState
    from widgets.table import Arrangement, Table
    from widgets.type_ahead import TypeAhead

C = TypeVar("C", bound=Widget)

_COLUMNS = [(0, "-narrow"), (132, "-wide")]
_ROWS = [(0, "-low"), (20, "-middle"), (36, "-high")]
_BREAKPOINT_CLASSES = frozenset(name for _, name in (*_COLUMNS, *_ROWS))


class ConsoleScreen(ReportsWorkerErrors, StyledOnce, Screen[None]):
    """`body` creates the widgets, `draw` fills them from a render context."""

    SCREEN_TITLE: ClassVar[str] = ""
    HELP_TEXT: ClassVar[str] = ""
    """What `?` says about this screen, in a few sentences."""
    TAKES_TYPE_AHEAD = True
    BLANK = True

    HORIZONTAL_BREAKPOINTS = _COLUMNS
    VERTICAL_BREAKPOINTS = _ROWS

    BINDINGS: ClassVar[list[BindingType]] = [*keys.NAVIGATION]

    def __init__(self) -> None:
        super().__init__()
        self.context: RenderContext | None = None
        self.header = TextView(id="header")
        self.footer = Footer(id="keys")
        self.opened_by: OpenRequested | None = None
        """The request that opened this page; None for a screen of the registry."""
        self._mark_row: TextView | None = None
        self._jumps = 0
        self._drawn: Drawn | None = None
        """What it was drawn from, as far as a newer snapshot could be compared with it."""
        self._laying_out = self.settled = False
        """Whether it was filled and laid out: keys that are typed earlier wait for that."""
        self._initial_size = Size(0, 0)

    def prepare(self, context: RenderContext, size: Size) -> None:
        """Set what it shows first and its size, so that its first frame is complete.

        Only for a screen that creates all its widgets in its constructor.
        """
        self.context, self._initial_size = context, size

    @property
    def width(self) -> int:
        """The width of a line; before the first layout, the announced one."""
        return self.size.width or self._initial_size.width

    def _find_classes(self, size: Size) -> frozenset[str]:
        """The class of this width, and the one of this height."""
        sides = ((self.HORIZONTAL_BREAKPOINTS, size.width), (self.VERTICAL_BREAKPOINTS, size.height))
        return frozenset([name for least, name in breakpoints if cells >= least][-1] for breakpoints, cells in sides)

    def is_classed_for(self, size: Size) -> bool:
        return self.classes.isdisjoint(_BREAKPOINT_CLASSES - (kept := self._find_classes(size))) and kept <= self.classes

    def compose(self) -> ComposeResult:
        # Before any widget is matched with the style sheet: Textual would match all of them again.
        fitting = self._find_classes(self.app.size)
        self.update_classes({name: name in fitting for name in _BREAKPOINT_CLASSES}, update=False)
        if self.context is not None:
            self._fill(self.context)
        yield self.header
        with draw_blank(Vertical(id="body")):
            yield from self.body()
        yield self.footer

    @property
    def place(self) -> str:
        """What other consoles see of this one while the screen is open."""
        return self.SCREEN_TITLE

    def body(self) -> Iterable[Widget]:
        raise NotImplementedError

    def draw(self, context: RenderContext) -> None:
        """Give every widget what it has to show now."""
        raise NotImplementedError

    def show_news(self, context: RenderContext) -> None:
        """As `show_context`, for a newer snapshot: where it would draw the same, nothing is drawn."""
        drawn = self.describe_drawn(context) if self.settled else None
        if drawn is not None and drawn.is_alike(self._drawn):
            self.context = context
            return
        self.show_context(context)
        self._drawn = drawn

    def describe_drawn(self, context: RenderContext) -> Drawn | None:
        """All that it draws from; None for a screen that is drawn with every snapshot."""
        return None

    def show_context(self, context: RenderContext) -> None:
        self._drawn = None
        changed = self.context is None or (self.context.as_of is None) is not (context.as_of is None)
        self.context = context
        if changed:
            self.refresh_bindings()
        if not self.is_mounted or not self.size.width:
            return
        self._fill(context)
        if not self._laying_out:
            self._laying_out = True
            self.call_after_refresh(self._on_laid_out)

    def _on_laid_out(self) -> None:
        self.settled = True
        self.app.call_next(cast("TypeAhead", self.app).release_keys)

    def forget_moment(self) -> None:
        """The moment that is shown is another one: what was read belongs to the one before."""

    def _show_mark_row(self, context: RenderContext) -> None:
        if self._mark_row is None:
            self._mark_row = TextView(id="marks")
            self.add_class("-past")
            self.mount(self._mark_row, after="#body")
        self._mark_row.show(context.marks)

    def _fill(self, context: RenderContext) -> None:
        if context.jumps != self._jumps:
            self._jumps = context.jumps
            self.forget_moment()
        if context.marks and self.is_mounted:
            self._show_mark_row(context)
        self.header.show(render_header(context, self.width))
        self.footer.show_note(context.terminal_status)
        self.draw(context)

    def redraw(self) -> None:
        """Draw again from the current context, after a person changed what is shown."""
        if self.context is not None:
            self.show_context(self.context)

    def action_actions(self) -> None:
        """The menu of actions: each with its key, which also works in the menu."""
        found: dict[str, tuple[str, str, str]] = {}
        disabled: dict[str, str] = {}
        for active in self.active_bindings.values():
            binding = active.binding
            if binding.group is DANGEROUS or binding.id in keys.MENU_IDS:
                key = self.app.get_key_display(binding)
                reason = "" if active.enabled else self.disabled_reason(binding.action)
                if reason:
                    disabled[binding.action] = reason
                tooltip = reason or binding.tooltip
                found[binding.action] = (binding.action, f"{key:<3} {binding.description:<11} {tooltip}", key)
        for action, title in self.menu_entries():
            found.setdefault(action, (action, f"    {title}", ""))
        if not found:
            self.app.notify("no action on this screen", markup=False)
            return
        letters = {letter: action for action, _, letter in found.values() if letter and action not in disabled}
        from widgets.dialogs.select import SelectDialog  # noqa: PLC0415  # not before the first frame

        choices = tuple(item[:2] for item in sorted(found.values(), key=lambda item: item[0] in disabled))
        title = "Actions: nothing is sent before a preview"
        dialog = SelectDialog(title, choices, letters, disabled=frozenset(disabled))
        self.app.push_screen(dialog, self._run_chosen)

    @cached_property
    def _changing(self) -> frozenset[str]:
        """The names of the actions that change something: none of them works in the past."""
        bindings = (item for found in self._bindings.key_to_bindings.values() for item in found)
        changing = (item for item in bindings if item.group is DANGEROUS or item.id in keys.CHANGING_IDS)
        return frozenset(item.action.partition("(")[0] for item in changing)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A key that would change something is grey while a past moment is shown."""
        past = self.context is not None and self.context.as_of is not None
        return None if past and action in self._changing else super().check_action(action, parameters)

    def disabled_reason(self, action: str) -> str:
        """Why the disabled action is not possible now, of all reasons the first; empty if nothing says why."""
        if self.context is not None and self.context.as_of is not None and action.partition("(")[0] in self._changing:
            from console.state.as_of import WHY_READ_ONLY  # noqa: PLC0415  # not before the first frame

            return WHY_READ_ONLY
        return self.why_disabled(action)

    def why_disabled(self, action: str) -> str:
        """Why the disabled action is not possible now, in one sentence; menu and help show it, and so does its key."""
        return {"back": "there is no earlier screen", "choose": "the list is empty"}.get(action, "")

    def explore(self, state: PanelState | None) -> None:
        """Open the query of a panel in Explore, if it is PromQL."""
        if state is not None and state.query and state.spec.source == "loki":
            self.show_notice("Explore is for PromQL: y copies this query over logs")
        elif state is not None and state.query:
            self.post_message(OpenExploreRequested(state.query))

    def explain_key(self, key: str) -> bool:
        """Say why the action of a key is not possible now; False if it is, or if nothing explains it."""
        active = self.active_bindings.get(key)
        if active is None or active.enabled or active.binding.action == "back":
            return False
        if reason := self.disabled_reason(active.binding.action):
            self.show_notice(f"{active.binding.description}: {reason}")
        return bool(reason)

    async def on_click(self, event: Click) -> None:
        """The first line leads to what it says, the second to the sources."""
        if self.context is None or event.screen_y > 1:
            return
        command = find_command_at(self.context, self.width, event.screen_x) if event.screen_y == 0 else "sources"
        if command:
            event.stop()
            await self.app.run_action(f"app.run_command({command!r})")

    def menu_entries(self) -> Iterable[tuple[str, str]]:
        """Actions without a key that the menu offers too, with their titles."""
        return ()

    async def _run_chosen(self, action: str | None) -> None:
        if action:
            await self.run_action(action)

    def on_table_columns_requested(self, event: Table.ColumnsRequested) -> None:
        """A person chooses the columns of a table, and the one to sort by."""
        from widgets.dialogs.columns import ColumnsDialog  # noqa: PLC0415  # not before the first frame

        def rearrange(chosen: Arrangement | None) -> None:
            if chosen is not None:
                event.table.rearrange(chosen)

        labels = tuple(item.label for item in event.table.columns if item.label)
        self.app.push_screen(ColumnsDialog(labels, event.table.arrangement), rearrange)

    def show_worker_error(self, group: str) -> None:
        self.redraw()

    def on_mount(self) -> None:
        self.post_message(RenderRequested())

    @on(ScreenResume)
    def _show_in_view(self) -> None:
        self.post_message(RenderRequested())

    def on_resize(self, event: Resize) -> None:
        self.call_after_refresh(self.redraw)


def draw_blank(container: C) -> C:
    """Draw nothing but the ground of a container without a border: Textual draws each of its lines, under what covers them."""
    container.BLANK = True  # type: ignore[misc]  # for one widget
    return container


def section(title: str, width: int) -> Line:
    """A rule with a title in it."""
    if not title:
        return (("─" * width, "rule"),)
    return (("── ", "rule"), (title, "title"), (" " + "─" * max(0, width - len(title) - 4), "rule"))
