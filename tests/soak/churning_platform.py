"""A platform with thousands of alerts that come and go, and a small cluster, in a process of their own.

Arguments: how many alerts, how many of them are others at each look. Prints its URLs as one line of JSON; ends with its input.
"""

from __future__ import annotations

import itertools
import json
import sys
import time
from typing import Any

from steerable_cluster import SteerableCluster
from told_platform import ToldPlatform, told_platform

_VARIANTS = 40


def alert(number: int, turn: int) -> dict[str, Any]:
    name = f"Alert{number % 50}"
    stamp = "2026-01-01T09:00:00.000Z"
    output = {"alertname": name, "severity": "warning", "component": "platform", "instance": f"{number}", "turn": f"{turn}"}
    return {
        "fingerprint": f"{number:08x}{turn:08x}",
        "labels": output,
        "annotations": {"summary": f"{name} on node-{number} " + "x" * 80, "runbook_url": f"https://runbooks.example/{name}"},
        "startsAt": stamp,
        "endsAt": "2036-01-01T09:00:00.000Z",
        "updatedAt": stamp,
        "receivers": [{"name": "pager"}],
        "status": {"state": "active", "silencedBy": [], "inhibitedBy": []},
    }


class Churning(ToldPlatform):
    """Another list at each look, in a circle that is longer than anything that could keep the old ones."""

    def __init__(self, alerts: int, churned: int) -> None:
        super().__init__(vector=self.values, pages={"/health": {"status": "healthy", "services": {"api": "up"}}})
        turns = [0] * alerts
        self.bodies: list[str] = []
        for variant in range(_VARIANTS):
            for number in range(churned):
                turns[(variant * churned + number) % alerts] = variant
            self.bodies.append(json.dumps([alert(number, turn) for number, turn in enumerate(turns)]))
        self.variants = itertools.cycle(self.bodies)

    def values(self, query: str) -> list[tuple[dict[str, str], str]]:
        self.queries.clear()
        now = str(time.time() % 100.0)
        panels = ("error_ratio", "queue_depth", "cpu", "memory", "request_rate")
        return [({"__q__": f"{panel}/recorded"}, now) for panel in panels if f"{panel}/recorded" in query]

    def answer(self, path: str, query: str, at: str = "") -> tuple[int, str, str]:
        if path == "/api/v2/alerts":
            return 200, "application/json", next(self.variants)
        return super().answer(path, query, at)


def main(alerts: int, churned: int) -> None:
    made = Churning(alerts, churned)
    cluster = SteerableCluster()
    cluster.seed()
    with cluster, told_platform() as output:
        output.answer = made.answer  # type: ignore[method-assign]
        print(json.dumps({"platform": output.url, "kubernetes": cluster.url}), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
