"""The platform's administration: documents that need its key, without its secrets, and what a build serves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from loopback import http_answer

from queries.errors import SourceError
from queries.http.endpoint import Endpoint, HttpConfig
from queries.platform.administration import Administration

KEY = "admin-key-123456"
OPEN_API = http_answer("200 OK", json.dumps({"paths": {"/admin/x": {"post": {}, "get": {}}, "/admin/y": {"put": {}}}}).encode())


@pytest.fixture
def config(tmp_path: Path) -> HttpConfig:
    (tmp_path / "key").write_text(f"{KEY}\n")
    return HttpConfig(header_files=(("X-Admin-Key", str(tmp_path / "key")),))


async def test_a_document_without_the_key(serve, config: HttpConfig) -> None:
    """It is asked for with the key, and a document that repeats the key does not show it."""
    server = await serve(http_answer("200 OK", json.dumps({"a": 1, "sent": f"with {KEY}"}).encode()))
    client = Administration(Endpoint(server.url, config))
    found = await client.document("/admin/state")
    assert found["a"] == 1 and KEY not in str(found) and "sent" in found
    assert KEY.encode() in server.requests[0] and server.requests[0].startswith(b"GET /admin/state ")
    assert client.key_files == config.header_files and client.where == server.url
    await client.close()


@pytest.mark.parametrize(("path", "methods"), [("/admin/x", ("GET", "POST")), ("/admin/y", ("PUT",)), ("/admin/z", ())])
async def test_the_methods_of_a_path(serve, config: HttpConfig, path: str, methods: tuple[str, ...]) -> None:
    """In upper case and in order; a path that the document lacks has none."""
    server = await serve(OPEN_API)
    client = Administration(Endpoint(server.url, config))
    assert await client.served_methods(path) == methods
    assert server.requests[0].startswith(b"GET /openapi.json ")
    await client.close()


@pytest.mark.parametrize("status", [401, 403, 404, 405, 410])
async def test_a_build_that_publishes_no_document(serve, config: HttpConfig, status: int) -> None:
    """What it serves is then unknown, which is not the same as nothing."""
    client = Administration(Endpoint((await serve(http_answer(f"{status} X", b"x", "text/plain"))).url, config))
    assert await client.served_methods("/admin/x") is None
    await client.close()


@pytest.mark.parametrize("status", [400, 409, 500])
async def test_any_other_failure_is_one(serve, config: HttpConfig, status: int) -> None:
    """It says nothing about what the build serves."""
    client = Administration(Endpoint((await serve(http_answer(f"{status} X", b"x", "text/plain"))).url, config))
    with pytest.raises(SourceError) as refused:
        await client.served_methods("/admin/x")
    assert refused.value.fault.status == status
    await client.close()
