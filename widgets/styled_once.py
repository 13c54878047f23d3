"""A screen whose widgets are not matched with the style sheet twice when it opens."""

from __future__ import annotations

from textual.events import ScreenResume


class StyledOnce:
    """Textual matches each widget when it is mounted, and all of them again when the screen comes into view: not here the first
    time, which is a moment later. A screen that was covered may have missed a theme.
    """

    _was_in_view = False

    def on_screen_resume(self, event: ScreenResume) -> None:
        event.refresh_styles = self._was_in_view
        self._was_in_view = True
