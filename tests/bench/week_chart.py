"""How long a chart of seven days takes with the worst value of each step, against one of samples: 100 recorded series.

Both are asked of one server in turn, from the request to the lines of the chart; the figure is the median of the pairs' ratios.
The server computes the worst values on two processors, so the note says how much of them other programs used meanwhile.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path

from figure import Figure
from servers import servers, start_prometheus
from stage import Stage

from console.alerts.chart import build_chart
from console.demo.backfill import load_history
from console.demo.process import ServerProcess
from queries.catalogue.loader import load_board
from queries.model.panel import PanelSpec
from queries.model.panel_result import PanelHistory
from widgets.plot import render_chart

_DAYS, _EVALUATION_SECONDS, _SERIES, _PAIRS, _POINTS = 7, 30, 100, 15, 240
_NAME = "provider_health_score"
_SIZE = 120, 30
"""Columns and lines of the chart."""
_Took = tuple[float, float]
"""Wall time, and CPU time of server and console, in seconds."""


def measure(stage: Stage) -> list[Figure]:
    try:
        from queries.http.endpoint import Endpoint  # noqa: F401
        from queries.prometheus.history import Window  # noqa: F401
    except ImportError as error:
        print(f"      {error}: skipped", file=sys.stderr)
        return []
    place, end = stage.place("week"), int(time.time()) - 5
    text = place / "week.txt"
    with text.open("w") as file:
        file.writelines(_lines(end))
    load_history(servers().promtool, text, place / "data", limit_seconds=180.0)
    text.unlink()
    with start_prometheus("global: {scrape_interval: 1h}\n", folder=place) as server:
        began, before = time.perf_counter(), _busy() - _cpu(server) - time.process_time()
        pairs = asyncio.run(_measure_pairs(server, float(end)))
        others = (_busy() - _cpu(server) - time.process_time() - before) / (time.perf_counter() - began)
    wall, spent = (sorted(worst[at] / sampled[at] for worst, sampled, _ in pairs) for at in (0, 1))
    took = [statistics.median(pair[at][0] for pair in pairs) * 1000 for at in (0, 1, 2)]
    note = (
        f"{took[0]:.0f} ms against {took[1]:.0f} ms, pairs {wall[0]:.2f}–{wall[-1]:.2f}; "
        f"other programs used {max(0.0, others):.1f} of {os.cpu_count()} processors"
    )
    name = f"seven days of the worst value of {_SERIES} series ÷ sampled"
    again = statistics.median(opened[0] / sampled[0] for _, sampled, opened in pairs)
    return [
        Figure(name, statistics.median(wall), "×", 1.5, note),
        Figure("the same, opened again within ten minutes", again, "×", 1.0, f"{took[2]:.0f} ms"),
        Figure(f"CPU of server and console for {name}", statistics.median(spent), "×"),
    ]


async def _measure_pairs(server: ServerProcess, end: float) -> list[tuple[_Took, _Took, _Took]]:
    """What the worst values took, the samples, and the worst values again."""
    from queries.http.endpoint import Endpoint
    from queries.prometheus.client import Prometheus
    from queries.prometheus.history import Window

    listed = next(item for item in load_board("overview") if item.id == "provider_health")
    spec: PanelSpec = replace(listed, raw=_NAME, template=_NAME, recorded=None, recorded_names=())
    sampling = Prometheus(Endpoint(server.url))
    step = float(round(_DAYS * 86_400 / _POINTS))

    def draw(history: PanelHistory) -> int:
        limits = spec.threshold.lines
        data = build_chart(history, group_by=spec.group_by, unit=spec.unit, thresholds=limits, lower_is_worse=True)
        assert len(render_chart(data, *_SIZE)) <= _SIZE[1]
        return len(history.series)

    async def sampled(window: Window) -> int:
        return draw(await sampling.history(spec, start=window.start, end=window.end, step_seconds=step))

    pairs = []
    for number in range(_PAIRS + 2):
        # A console that has not shown the chart before.
        opened = Prometheus(Endpoint(server.url))
        await opened.query("1")

        async def worst(window: Window, source: Prometheus = opened) -> int:
            return [draw(found) async for found in source.peak_history(spec, window)][-1]

        window = Window(end - _DAYS * 86_400 - number, end - number, step)
        order = ((worst, 1), (sampled, _SERIES)) if number % 2 else ((sampled, _SERIES), (worst, 1))
        took = {ask.__name__: await _take(server, ask, window, count) for ask, count in order}
        pairs.append((took["worst"], took["sampled"], await _take(server, worst, window, 1)))
        await opened.close()
    await sampling.close()
    return pairs[2:]  # after the first two the server has its blocks in memory


async def _take(server: ServerProcess, ask: Callable[..., Awaitable[int]], window: object, count: int) -> _Took:
    began, before = time.perf_counter(), _cpu(server) + time.process_time()
    found = await ask(window)
    took = time.perf_counter() - began, _cpu(server) + time.process_time() - before
    if found != count:
        raise AssertionError(f"{ask.__name__} returned {found} series, not {count}")
    return took


def _cpu(server: ServerProcess) -> float:
    return sum(int((task / "schedstat").read_text().split()[0]) for task in Path(f"/proc/{server.pid}/task").iterdir()) / 1e9


def _busy() -> float:
    """Seconds that all processors of this machine have worked since it started."""
    user, nice, system, _, _, irq, softirq, steal = (int(each) for each in Path("/proc/stat").read_text().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def _lines(end: int) -> Iterator[str]:
    times = range(end - _DAYS * 86_400, end, _EVALUATION_SECONDS)
    for number in range(_SERIES):
        series = f'{_NAME}{{provider="p{number}"}}'
        yield from (f"{series} {90 + (at * 7919 + number * 104729) % 9973 / 1000:.3f} {at}\n" for at in times)
    yield "# EOF\n"
