"""The demo's service outside the cluster: a real HTTP process, changed through a session by the programs of its config."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request as HttpRequest
from urllib.request import urlopen

import pytest
from processes import is_alive, wait_until_dead

from console.actions.plan import Outcome, Preview, Request, RunStep
from console.config.load import load_settings
from console.demo.outside_service import NAME, TOKEN, OutsideService
from console.demo.process import free_port
from console.demo.render_service import BAD_VERSION, FIRST_VERSION
from console.journal.sqlite import Journal
from console.monitor.session import Session
from console.runbooks.index import RunbookIndex


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[OutsideService]:
    made = OutsideService(tmp_path / "render", free_port())
    made.prepare()
    made.start()
    yield made
    made.stop()


@pytest.fixture
async def session(outside: OutsideService, tmp_path: Path) -> AsyncIterator[Session]:
    config = tmp_path / "config.yaml"
    config.write_text(json.dumps({"environments": {"demo": {"protected": False, **outside.config()}}}))
    settings = load_settings({"config": str(config)}, {"HOME": str(tmp_path), "USER": "tester"})
    opened = Session(settings, specs=(), runbooks=RunbookIndex.load(""), journal=Journal.open(settings.paths.journal_file))
    yield opened
    await opened.close()


async def act(session: Session, action: str, target: str, **parameters: str) -> RunStep:
    async def agree(preview: Preview) -> bool:
        return True

    async with aclosing(session.run(Request(action, target, parameters), agree)) as steps:  # type: ignore[type-var]
        return [step async for step in steps][-1]


def get(outside: OutsideService, path: str, token: str = "") -> tuple[int, dict[str, str]]:
    request = HttpRequest(f"http://127.0.0.1:{outside.port}{path}", headers={"Authorization": f"Bearer {token}"})
    try:
        with urlopen(request, timeout=5.0) as response:
            return response.status, json.load(response)
    except HTTPError as error:
        return error.code, json.load(error)


async def test_a_bad_update_is_restored_and_a_good_one_kept(outside: OutsideService, session: Session) -> None:
    """The version that only a smoke test finds out is rolled back, and the running service says so itself; another is kept."""
    token = (outside.folder / "client-token").read_text().strip()
    assert get(outside, "/render", token) == (200, {"rendered": "part-1.dwg", "version": FIRST_VERSION})
    bad = await act(session, "update-service", f"external/{NAME}", to=BAD_VERSION)
    assert bad.outcome is Outcome.ROLLED_BACK, bad.text
    assert "smoke failed" in bad.text and f"{NAME} was restored, is healthy, and its smoke test passed" in bad.text
    assert get(outside, "/render", token) == (200, {"rendered": "part-1.dwg", "version": FIRST_VERSION})
    good = await act(session, "update-service", f"external/{NAME}", to="1.8.3")
    assert good.outcome is Outcome.DONE, good.text
    assert get(outside, "/health") == (200, {"status": "healthy", "version": "1.8.3"})


async def test_its_token_is_rotated(outside: OutsideService, session: Session) -> None:
    """The client has a new token that works, and the service refuses the old one from then on."""
    old = (outside.folder / "client-token").read_text().strip()
    end = await act(session, "rotate-token", f"token/{TOKEN}")
    assert end.outcome is Outcome.DONE, end.text
    new = (outside.folder / "client-token").read_text().strip()
    assert new != old
    assert [get(outside, "/render", token)[0] for token in (new, old)] == [200, 401]
    assert (outside.folder / "client-token").stat().st_mode & 0o777 == 0o600


def test_it_ends_when_it_is_stopped(outside: OutsideService) -> None:
    pid = int((outside.folder / "pid").read_text())
    assert is_alive(pid) and pid != os.getpid()
    outside.stop()
    assert wait_until_dead(pid)
