"""The menu of actions on a workload or one of its pods, on every screen that shows workloads."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from console.screens.base import ConsoleScreen

if TYPE_CHECKING:
    from console.actions.action import Action


class WorkloadActionsScreen(ConsoleScreen):
    """A subclass finds the target of an action; the menu offers every action that has one."""

    def find_target(self, action: Action) -> str:
        """The target under the cursor, as `KIND/NAME`; empty if the action is for none."""
        raise NotImplementedError

    def list_actions(self) -> tuple[Action, ...]:
        """All actions of the console, none without a session."""
        session = self.context.session if self.context else None
        return session.actions if session else ()

    def find_action(self, name: str) -> Action | None:
        return next((item for item in self.list_actions() if item.name == name), None)

    def menu_entries(self) -> Iterable[tuple[str, str]]:
        """The actions without a key that have a target."""
        bound = {active.binding.action for active in self.active_bindings.values()}
        for item in self.list_actions():
            target = self.find_target(item)
            if target and f"act({item.name!r})" not in bound:
                yield f"act({item.name!r})", f"{item.title} {target}"
