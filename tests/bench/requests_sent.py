"""What a refresh costs the wire: requests, bytes against asking the whole hour again, and round trips on a slow one."""

from __future__ import annotations

import statistics
import time

from figure import Figure
from stage import Stage
from wire_proxy import WireProxy

_TRIP = 0.040


def measure(stage: Stage) -> list[Figure]:
    with stage.platform() as sources, WireProxy(sources.prometheus.url) as proxy:
        with stage.console(sources.environ(PROMETHEUS_URL=proxy.url)) as terminal:
            terminal.read(6.0)
            full = [one for one in proxy.exchanges if "/query_range" in one.path]
            begun = time.monotonic()
            terminal.read(12.0)
            steady = [one for one in proxy.exchanges if one.at >= begun and "/rules" not in one.path]
            ranges = [one for one in steady if "/query_range" in one.path]
            rounds = proxy.rounds(since=begun)
        proxy.trip_seconds = _TRIP
        proxy.exchanges.clear()
        with stage.console(sources.environ(PROMETHEUS_URL=proxy.url)) as terminal:
            terminal.read(4.0)
            proxy.exchanges.clear()
            terminal.read(8.0)
            slow = [one.ended - one.at for one in proxy.exchanges if "/rules" not in one.path]
    if not full or not steady or not slow:
        raise AssertionError("the proxy saw no refresh")
    body = statistics.median(one.body_bytes for one in steady)
    return [
        Figure("HTTP requests a Prometheus refresh of the overview", len(steady) / max(1, rounds), "", 2),
        Figure(
            "steady range bytes ÷ full range",
            100.0 * sum(one.body_bytes for one in ranges) / len(steady) / full[0].body_bytes,
            "%",
            3,
            f"trends go on with the instants; the range at the start: {full[0].body_bytes} B",
        ),
        Figure("body of a steady refresh, every series", body, "B"),
        Figure("full refresh at 40 ms round trip ÷ round trip", statistics.median(slow) / _TRIP, "×", 3, "kept connection"),
    ]
