"""Opens, saves and deletes views of lists by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from console.screens.filterable_screen import FilterableScreen
from console.screens.messages import ChoicesChanged
from console.screens.nodes import NodesScreen
from console.screens.services import ServicesScreen
from queries.model.text import visible

if TYPE_CHECKING:
    from console.screens.app import ConsoleApp

_SAVE, _DELETE = "save", "delete"


class ViewFlow:
    """Changes only what this console shows, and the file of views."""

    def __init__(self, app: ConsoleApp) -> None:
        self.app = app

    def run(self, argument: str) -> None:
        """`NAME`, `save NAME`, `delete NAME`; without an argument the list of views."""
        verb, _, name = argument.partition(" ")
        name = name.strip()
        if not argument:
            self.choose()
        elif verb in (_SAVE, _DELETE) and not name:
            self.app.show_notice(f"view {verb}: expected a name", warning=True)
        elif verb == _SAVE:
            self._save(name)
        elif verb == _DELETE:
            self._delete(name)
        else:
            self.app.call_later(self._open, argument)

    def choose(self) -> None:
        """Choose a saved view of any list."""
        views = self.app.views.items
        if not views:
            self.app.show_notice("no view is saved; `:view save NAME` keeps filter, order and columns of this list")
            return
        from widgets.dialogs.select import SelectDialog  # noqa: PLC0415  # not before the first frame

        choices = tuple((name, f"{name:<20} {view.screen}{f'  {view.filter}' if view.filter else ''}") for name, view in views)
        self.app.push_screen(SelectDialog("Views", choices), self._chosen)

    def _chosen(self, name: str | None) -> None:
        if name:
            self.app.call_later(self._open, name)

    async def _open(self, name: str) -> None:
        from console.screens.commands import run_command  # noqa: PLC0415  # it imports the flows

        view = self.app.views.get(name)
        if view is None:
            self.app.show_notice(
                visible(f"view: there is no view {name!r}; `:view save NAME` keeps the one in use"), warning=True
            )
            return
        run_command(self.app, view.screen)
        screen = self.app.screen
        if isinstance(screen, FilterableScreen) and self._command_of(screen) == view.screen:
            screen.call_after_refresh(screen.apply_view, view)

    def _save(self, name: str) -> None:
        screen = self.app.screen
        command = self._command_of(screen) if isinstance(screen, FilterableScreen) else ""
        if not command or not isinstance(screen, FilterableScreen):
            self.app.show_notice("view save: this screen has no list whose view could be saved", warning=True)
            return
        why = self.app.views.save(name, screen.capture_view(command))
        self.app.show_notice(f"not saved: {why}" if why else visible(f"saved; `:view {name}` opens it"), warning=bool(why))
        self.app.post_message(ChoicesChanged())

    def _delete(self, name: str) -> None:
        known = self.app.views.delete(name)
        self.app.show_notice(visible(f"view {name} deleted" if known else f"there is no view {name!r}"), warning=not known)
        self.app.post_message(ChoicesChanged())

    def _command_of(self, screen: object) -> str:
        """The command that opens this screen; empty for the page of one object."""
        if isinstance(screen, NodesScreen):
            return "nodes"
        if isinstance(screen, ServicesScreen):
            return "services"
        return self.app.shown_mode if len(self.app.screen_stack) == 1 else ""
