"""A real Loki for the tests that it judges: started from LOKI_BIN on loopback, with small limits and a few lines.

It keeps no lines of long ago, so its `now` is another one than that of the recorded answers; `shift` makes one of the other.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from console.demo.process import free_port

SKIP = "set LOKI_BIN to a Loki binary (go build ./cmd/loki in its source): no command of this project builds it"
NOW = 1_767_276_000
NANO = 10**9
TENANT = "judge"
LABELS = {"app": "cad-ml-api", "container": "web", "namespace": "cad"}
LINES = (
    ("api-1", 1.0, "level=error broken", {"trace_id": "bb"}),
    ("api-2", 1.5, "\x1b[31mraw\x00\u202e\ttext", {}),
    ("api-1", 2.0, "level=info served", {"trace_id": "aa"}),
)
"""Pod, seconds after `now`, text, structured metadata."""
_SECONDS = re.compile(r"(?<!\d)(\d{10})(?=\d{9}(?!\d)|(?!\d))")


def shift(text: str, seconds: int) -> str:
    """The text with every time near the present or near NOW moved by so many seconds."""
    return _SECONDS.sub(lambda found: str(int(found[1]) + seconds) if found[1][:2] in ("17", "18") else found[1], text)


def binary() -> Path | None:
    """The Loki to judge by, None without one."""
    given = os.environ.get("LOKI_BIN", "")
    return Path(given) if given else None


def _config(folder: Path, http: int, grpc: int) -> dict[str, Any]:
    storage = {"filesystem": {"chunks_directory": str(folder / "chunks"), "rules_directory": str(folder / "rules")}}
    index = {"prefix": "index_", "period": "24h"}
    return {
        "auth_enabled": True,
        "server": {
            "http_listen_address": "127.0.0.1", "http_listen_port": http, "grpc_listen_address": "127.0.0.1",
            "grpc_listen_port": grpc, "log_level": "error",
        },
        "common": {
            "instance_addr": "127.0.0.1", "path_prefix": str(folder), "storage": storage, "replication_factor": 1,
            "ring": {"kvstore": {"store": "inmemory"}},
        },
        "schema_config": {
            "configs": [{"from": "2020-01-01", "store": "tsdb", "object_store": "filesystem", "schema": "v13", "index": index}]
        },
        "limits_config": {
            "max_entries_limit_per_query": 500, "max_query_series": 5, "max_query_length": "30d", "query_timeout": "5s",
            "max_concurrent_tail_requests": 2, "reject_old_samples": False, "ingestion_rate_mb": 100,
            "ingestion_burst_size_mb": 100, "per_stream_rate_limit": "100MB", "per_stream_rate_limit_burst": "100MB",
        },
        "analytics": {"reporting_enabled": False},
    }  # fmt: skip


@contextmanager
def real_loki(folder: Path) -> Iterator[tuple[str, int]]:
    """Its URL and its `now`, Unix seconds; ready, and with LINES."""
    program = binary()
    assert program is not None
    port = free_port()
    file = folder / "loki.json"  # JSON is YAML
    file.write_text(json.dumps(_config(folder, port, free_port())))
    with (folder / "loki.log").open("wb") as log:
        process = subprocess.Popen([program, f"-config.file={file}"], stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(120):
            assert process.poll() is None, (folder / "loki.log").read_text()[-2000:]
            try:
                if httpx.get(f"{url}/ready").status_code == httpx.codes.OK:
                    break
            except httpx.HTTPError:
                pass
            time.sleep(0.5)
        now = int(time.time()) // 60 * 60 - 60
        for pod, after, text, metadata in LINES:
            push(url, {**LABELS, "pod": pod}, [(now * NANO + int(after * NANO), text)], metadata)
        for number in range(10):
            push(url, {"app": "many", "pod": f"p{number}"}, [(now * NANO, "x")], {})
        yield url, now
    finally:
        process.terminate()
        process.wait(20)


def push(
    url: str, labels: Mapping[str, str], lines: list[tuple[int, str]], metadata: Mapping[str, str], *, tenant: str = TENANT
) -> None:
    values = [[str(at_ns), text, dict(metadata)] for at_ns, text in lines]
    body = {"streams": [{"stream": dict(labels), "values": values}]}
    httpx.post(f"{url}/loki/api/v1/push", json=body, headers={"X-Scope-OrgID": tenant}, timeout=30).raise_for_status()


def ask(url: str, question: Mapping[str, Any], *, shift_seconds: int) -> tuple[int, str, str]:
    """Status, content type and body of the answer to a recorded question: path, parameters, tenant (empty for none), and
    whether labels are to be categorized. Its times are those around NOW.
    """
    tenant = question.get("tenant", TENANT)
    headers = {"X-Scope-OrgID": tenant} if tenant else {}
    if question.get("categorize"):
        headers["X-Loki-Response-Encoding-Flags"] = "categorize-labels"
    params = {name: shift(value, shift_seconds) for name, value in question.get("params", {}).items()}
    found = httpx.get(f"{url}{question['path']}", params=params, headers=headers, timeout=60)
    return found.status_code, found.headers.get("content-type", ""), shift(found.text, -shift_seconds)
