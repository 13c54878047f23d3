"""Read-only is enforced where a write leaves, whoever calls: no server gets one, no program starts, no file changes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from action_bench import settings_for
from loopback import always, http_answer, loopback

from console.actions.writers.writer import Writer
from console.config.services import Service
from console.config.settings import Channel, IncidentSettings
from queries.http.endpoint import Endpoint
from queries.text.secrets import SecretText

WRITES: dict[str, Callable[[Writer, Path], Awaitable[object]]] = {
    "create a silence": lambda writer, _: writer.post_silence({}),
    "expire a silence": lambda writer, _: writer.expire_silence("id"),
    "call the platform": lambda writer, _: writer.call_platform("POST", "/api/v1/x", (), {}),
    "send an update": lambda writer, _: writer.post_update("chat", {"text": "x"}),
    "start a program": lambda writer, _: writer.run_program("external/render", "update", {}),
    "replace a token file": lambda writer, folder: writer.write_token_file(str(folder / "token"), SecretText("new")),
}


@pytest.mark.parametrize("name", WRITES)
@pytest.mark.parametrize("read_only", [True, False])
async def test_under_read_only_no_write_leaves(name: str, read_only: bool, tmp_path: Path) -> None:
    """The call raises PermissionError and changes nothing; without read-only the very same call does."""
    (tmp_path / "token").write_text("old")
    async with loopback(always(http_answer("200 OK", b'{"silenceID": "x"}'))) as server:
        endpoint = Endpoint(server.url)
        settings = settings_for(
            tmp_path,
            None,
            read_only=read_only,
            alertmanagers=(endpoint,),
            administration=endpoint,
            incidents=IncidentSettings(channels=(Channel("chat", "webhook", url=f"{server.url}/hook"),)),
            services=(Service("render", (("update", ("touch", str(tmp_path / "started"))),), str(tmp_path)),),
        )
        writer = Writer(settings)
        try:
            if read_only:
                with pytest.raises(PermissionError, match="read-only"):
                    await WRITES[name](writer, tmp_path)
            else:
                await WRITES[name](writer, tmp_path)
        finally:
            await writer.close()
        sent = [head for head in server.requests if not head.startswith(b"GET ")]
    changed = bool(sent) or (tmp_path / "started").exists() or (tmp_path / "token").read_text() == "new"
    assert changed is not read_only
