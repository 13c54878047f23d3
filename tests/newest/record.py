"""Records what a real server answers, for the tests that hold against every maker.

    python tests/newest/record.py NAME URL [QUERY ...]

writes `tests/queries/recordings/NAME.json`: for each request its path, parameters, status, content type and body. Run it
against a server on loopback that holds nothing personal; the answers are stored as they came. Each QUERY is sent as an instant
query and over the last twenty seconds; the times are left out of the recording.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import httpx

from queries.prometheus.capabilities import FEATURES, PROBE_QUERIES

_RANGE = "/api/v1/query_range"
RECORDINGS = Path(__file__).resolve().parents[1] / "queries" / "recordings"
REQUESTS: tuple[tuple[str, dict[str, str]], ...] = (
    (FEATURES, {}),
    ("/api/v1/status/buildinfo", {}),
    ("/api/v1/metadata", {"limit": "1"}),
    ("/api/v1/labels", {"limit": "1"}),
    ("/api/v1/parse_query", {"query": "1"}),
    ("/api/v1/rules", {}),
    ("/api/v1/status/config", {}),
    ("/api/v1/alerts", {}),
    ("/api/v1/stores", {}),
    ("/nothing", {}),
    *(("/api/v1/query", {"query": text}) for text in PROBE_QUERIES.values()),
    ("/api/v1/query", {"query": "sum("}),
    ("/api/v1/query", {"query": 'count({__name__=~"ALERTS|ALERTS_FOR_STATE"})'}),
)


def main(name: str, url: str, *queries: str) -> None:
    asked = (*REQUESTS, *((path, {"query": text}) for text in queries for path in ("/api/v1/query", _RANGE)))
    found = []
    for path, params in asked:
        window = {"start": f"{time.time() - 20:.0f}", "end": f"{time.time():.0f}", "step": "5"} if path == _RANGE else {}
        answer = httpx.get(url + path, params={**params, **window}, timeout=10.0)
        kind = answer.headers.get("content-type", "")
        found.append({"path": path, "params": params, "status": answer.status_code, "type": kind, "body": answer.text})
    (RECORDINGS / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
