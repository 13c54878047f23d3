"""Every action: one row gives it its key, palette entry, headless verb and help."""

from __future__ import annotations

from console.actions.action import Action
from console.actions.expire import Expire
from console.actions.notify import Notify
from console.actions.pause import Pause, Resume
from console.actions.restart import Restart
from console.actions.rollback import Rollback
from console.actions.scale import Scale
from console.actions.silence import CreateSilence

ACTIONS: tuple[Action, ...] = (Rollback(), Scale(), Restart(), Pause(), Resume(), CreateSilence(), Expire(), Notify())


def action_named(name: str) -> Action | None:
    """The action with this verb."""
    return next((item for item in ACTIONS if item.name == name), None)
