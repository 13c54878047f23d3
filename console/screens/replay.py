"""The console on a bundle."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from console.config.settings import Settings
from console.replay.bundle_file import Bundle, BundleError
from console.screens.app import ConsoleApp
from queries.model.text import visible

if TYPE_CHECKING:
    from console.monitor.session import Session


def create_app(
    bundle: Bundle,
    settings: Settings,
    *,
    at: str = "",
    clock: Callable[[], float] = time.time,
    refuse: Callable[[BundleError], None] | None = None,
) -> ConsoleApp:
    """`settings` are those of `build_settings`; it begins at the moment that `at` names, else at the incident's first alert.

    The parts are read after the first frame: of a bundle that cannot be used `refuse` gets the error, and the console ends.
    """

    def open_session(settings: Settings) -> Session:
        from console.replay.session import ReplaySession  # noqa: PLC0415  # the clients, after the first frame

        try:
            return ReplaySession(settings, bundle)
        except BundleError as error:
            if refuse is not None:
                refuse(error)
                app.call_from_thread(app.exit)
            raise

    app = ConsoleApp(
        settings,
        session_factory=open_session,
        clock=clock,
        at=at or "incident",
        opening=f"REPLAY of {visible(bundle.name)}: reading it; no server is asked",
    )
    return app
