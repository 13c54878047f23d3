"""Keys that a person typed before the screen or the field they are meant for was ready."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from textual import events
from textual.screen import Screen
from textual.widget import Widget

from widgets.later import is_input

_REMEMBERED = 256
"""Keys on their way from a widget back to the application: as many as one read of the terminal may bring."""


if TYPE_CHECKING:
    from textual.app import App

    _App = App[None]
else:
    _App = object
    """Beside an application as a base: Textual prepares each class of its own, which takes as long as three modules."""


class TypeAhead(_App):
    """Gives such keys to the field, where they would be lost or be taken for the keys of a list.

    A terminal delivers `:`, `a`, `t` in one piece, and all of them go to the widget that has the focus then. They come back to
    the application one after another, when `:` has opened the field. Only screens with `TAKES_TYPE_AHEAD` get them: a preview
    must be read before it is confirmed, so a key that is older than a dialog never reaches it.

    A screen that opens for the first time has no focus until it is laid out: its keys wait for `release_keys` too.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._sent: deque[tuple[events.Key, Widget | None]] = deque(maxlen=_REMEMBERED)
        self._held: list[events.Key] = []
        self._early: list[events.Key] = []
        """Keys for a screen that is not laid out yet, and every key after them."""

    async def on_event(self, event: events.Event) -> None:
        if isinstance(event, events.Key):
            if event.is_forwarded:
                if self._early or self._waits_for_screen:
                    self._early.append(events.Key(event.key, event.character))
                    return
                if self._redirect(event) or self.explain_key(event):
                    return
            elif self._early or self._waits_for_screen:
                self._early.append(event)
                return
            elif self._waits_for_field:
                self._held.append(event)
                return
            else:
                self._sent.append((event, self.focused))
        await super().on_event(event)

    def explain_key(self, event: events.Key) -> bool:
        """Say why a key that no widget used cannot work now; whether it was such a key.

        Not before it came back here: it may have been typed for a field that opens meanwhile.
        """
        return False

    def release_typed(self) -> None:
        """The field has the focus: it gets what was typed for it meanwhile."""
        field, held, self._held = self.focused, self._held, []
        if field is not None:
            for event in held:
                field.post_message(event)

    async def release_keys(self) -> None:
        """The screen is laid out: it gets the keys that were typed for it meanwhile, in their order."""
        early, self._early = self._early, []
        while early and not self._waits_for_screen:
            await self.on_event(early.pop(0))
        self._early = early

    @property
    def _waits_for_screen(self) -> bool:
        return not getattr(self.screen, "settled", True)

    @property
    def _waits_for_field(self) -> bool:
        return self.focused is None and self.screen.is_modal and takes_type_ahead(self.screen)

    def _redirect(self, event: events.Key) -> bool:
        """Take a key that another widget had and did not use for one that was just typed; whether it was."""
        sent_to = next((widget for sent, widget in self._sent if sent is event), self.focused)
        if not self._waits_for_field and (sent_to is self.focused or not is_input(self.focused)):
            return False
        if takes_type_ahead(self.screen):
            self.post_message(events.Key(event.key, event.character))
            return True
        return False


def takes_type_ahead(screen: Screen[Any] | type[Screen[Any]]) -> bool:
    """Whether keys that are older than the focus of the screen's field belong to it."""
    return bool(getattr(screen, "TAKES_TYPE_AHEAD", False))
