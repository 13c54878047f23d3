"""The log excerpts of a bundle, as the screens of a replay read them."""

from __future__ import annotations

import asyncio
from pathlib import Path

from console.config.load import load_settings
from console.logs.merged_log import MergedLog
from console.logs.query import LogOrigin, LogQuery
from console.replay import contents
from console.replay.bundle_file import FORMAT, VERSION, Bundle, IncidentNote, Manifest, SourceNote, encode_lines
from console.replay.contents import KeptLine
from console.replay.session import ReplaySession
from console.replay.settings import build_settings

BEGAN = 1_767_276_000.0
MANIFEST = Manifest(
    FORMAT, VERSION, "cad-console", BEGAN + 900.0, "prod", "cad", IncidentNote(1, "incident-1", "it broke"),
    BEGAN - 600.0, BEGAN + 900.0, BEGAN, 15.0, (SourceNote("loki", "read"),),
)  # fmt: skip


async def test_no_line_of_later_is_in_a_moment(tmp_path: Path) -> None:
    """Neither at the end of a log, nor around a time near the moment, from an alert that has just begun to fire."""
    lines = [KeptLine("deployment/api", "api-1", int((BEGAN + at) * 1e9), f"line {at}") for at in range(0, 600, 60)]
    bundle = Bundle(MANIFEST, {contents.LOGS: encode_lines(lines)}, name="x")
    own = load_settings({}, {"HOME": str(tmp_path), "USER": "bob", "PATH": "/bin"}, service_account="/nonexistent")
    session = await asyncio.to_thread(ReplaySession, build_settings(own, bundle), bundle)
    past = await session.open_past(lambda: MANIFEST.end)
    try:
        await past.go(BEGAN + 130.0)
        for until in (None, BEGAN + 700.0, BEGAN + 70.0):
            log = MergedLog()
            query = LogQuery("deployment/api", origin=LogOrigin.LOKI, until=until)
            await past.create_log_source(query).read(log)
            log.merge_pending()
            found = [line.text for line in log.window(0, 100) if not line.notice]
            assert found == ["line 0", "line 60", *(["line 120"] if until != BEGAN + 70.0 else [])]
    finally:
        await past.close()
        await session.close()
