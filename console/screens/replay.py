"""The console on a bundle."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from console.config.settings import Settings
from console.replay.bundle_file import Bundle
from console.screens.app import ConsoleApp
from queries.text.times import format_time

if TYPE_CHECKING:
    from console.monitor.session import Session


def create_app(bundle: Bundle, settings: Settings, *, at: str = "", clock: Callable[[], float] = time.time) -> ConsoleApp:
    """`settings` are those of `build_settings`; it begins at the moment that `at` names, else where the incident began."""
    return ConsoleApp(
        settings,
        session_factory=partial(_open, bundle),
        clock=clock,
        at=at or format_time(bundle.manifest.began_at),
    )


def _open(bundle: Bundle, settings: Settings) -> Session:
    from console.replay.session import ReplaySession  # noqa: PLC0415  # the clients, after the first frame

    return ReplaySession(settings, bundle)
