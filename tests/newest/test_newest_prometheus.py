"""The newest Prometheus itself, with native histograms, UTF-8 names and an offset; opt-in: `make newest-servers`."""

from __future__ import annotations

import asyncio
import math
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from loopback import RECORDINGS

from console.checks.contract_probe import StoredMetrics, fetch_stored_metrics, observe_in_prometheus
from console.checks.rule_evaluation import old_series
from console.demo.process import free_port
from queries.catalogue.contract import load_contract
from queries.catalogue.error_codes import load_taxonomy
from queries.catalogue.loader import load_board
from queries.http.endpoint import Endpoint
from queries.prometheus.client import Prometheus
from queries.prometheus.evidence import EVERY_SECONDS
from queries.prometheus.history import Window
from queries.prometheus.metadata import Discovery

PROGRAM = os.environ.get("NEWEST_PROMETHEUS", "")
pytestmark = [
    pytest.mark.servers,
    pytest.mark.skipif(not PROGRAM, reason="no newest Prometheus: run `make newest-servers`"),
]
CONFIG = """
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [rules.yml]
scrape_configs:
  - job_name: cad-ml-platform
    convert_classic_histograms_to_nhcb: NATIVE
    static_configs: [{targets: ["127.0.0.1:PORT"]}]
"""
RULES = """
groups:
  - name: late
    query_offset: 3s
    rules: [{record: "job:dotted:sum", expr: 'sum({"dotted.name"})'}]
"""


class Platform(BaseHTTPRequestHandler):
    """The platform's recorded exposition, whose counters grow, and a dotted name."""

    started = time.monotonic()

    def do_GET(self) -> None:
        grown = 1 + (time.monotonic() - self.started) / 20
        lines = []
        for line in (RECORDINGS / "platform-metrics.txt").read_text().splitlines():
            found = re.fullmatch(r"(\w+(?:_total|_bucket|_count|_sum)(?:\{.*\})?) (\S+)", line)
            lines.append(f"{found[1]} {float(found[2]) * grown}" if found else line)
        body = "\n".join([*lines, '{"dotted.name"} 1', ""]).encode()
        self.send_response(200)
        self.send_header("content-type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[bytes], Path, str]]:
    """URL, process, configuration file and its text: classic histograms at first."""
    platform = ThreadingHTTPServer(("127.0.0.1", 0), Platform)
    threading.Thread(target=platform.serve_forever, daemon=True).start()
    text = CONFIG.replace("PORT", str(platform.server_port))
    config, port = tmp_path / "prometheus.yml", free_port()
    config.write_text(text.replace("NATIVE", "false"))
    (tmp_path / "rules.yml").write_text(RULES)
    arguments = [f"--config.file={config}", f"--storage.tsdb.path={tmp_path}/data", f"--web.listen-address=127.0.0.1:{port}"]
    with subprocess.Popen([PROGRAM, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield f"http://127.0.0.1:{port}", process, config, text
        finally:
            process.terminate()
            platform.shutdown()
            platform.server_close()


async def wait_for(source: Prometheus, query: str, *, seconds: float = 60.0) -> None:
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        try:
            if (await source.query(query)).samples:
                return
        except Exception as error:
            if time.monotonic() > limit - 1:
                raise error
        await asyncio.sleep(0.5)
    raise AssertionError(f"nothing for {query}")


async def test_a_server_that_changes_over_keeps_its_latency(
    server: tuple[str, subprocess.Popen[bytes], Path, str],
) -> None:
    """Classic, then native: the latency has a value in every refresh and a heat map, the contract holds, no panel has a
    warning."""
    url, process, config, text = server
    clock = [time.time()]
    source, discovery = Prometheus(Endpoint(url), clock=lambda: clock[0]), Discovery(Endpoint(url))
    latency = tuple(spec for spec in load_board("overview") if spec.id == "p95_latency")
    try:
        await wait_for(source, "rate(ocr_processing_duration_seconds_count[1m])")
        (before,) = (await source.panels(latency)).results
        assert before.samples and "the native histogram" not in " ".join(before.basis)
        config.write_text(text.replace("NATIVE", "true"))
        process.send_signal(signal.SIGHUP)
        await wait_for(source, "histogram_count(rate(ocr_processing_duration_seconds[1m]))")
        await wait_for(source, "absent(ocr_processing_duration_seconds_count)")
        for _ in range(2):
            (during,) = (await source.panels(latency)).results
            assert during.samples and not during.partial, during
            clock[0] += EVERY_SECONDS + 1.0
        (after,) = (await source.panels(latency)).results
        assert after.samples and "the native histogram" in " ".join(after.basis), after
        assert not after.annotations
        now = time.time()
        drawn = (await source.heat_history(latency[0], Window(now - 60.0, now, 5.0))).heat_map
        counted = (await source.query("histogram_count(sum(rate(ocr_processing_duration_seconds[5m])))")).samples
        assert drawn is not None and drawn.rows[-1].high == math.inf and counted[0].value > 0.0
        assert sum(row.points[-1][1] for row in drawn.rows) >= 0.5 * counted[0].value
        stored = await fetch_stored_metrics(load_contract(), load_taxonomy(), source, discovery, window_seconds=60.0)
        assert isinstance(stored, StoredMetrics)
        promised = load_contract().get("ocr_processing_duration_seconds")
        assert promised is not None and promised.is_native(observe_in_prometheus(promised, stored).stored)
    finally:
        discovery.close()
        await source.close()


async def test_a_late_group_over_a_dotted_name_is_fresh(server: tuple[str, subprocess.Popen[bytes], Path, str]) -> None:
    """The rule over a UTF-8 name is listed and evaluated; its samples lie as far in the past as the offset says."""
    source = Prometheus(Endpoint(server[0]))
    try:
        await wait_for(source, '{"job:dotted:sum"}')
        (group,) = await source.rule_groups()
        # The server writes the expression in a form of its own.
        assert [(rule.health, rule.expression) for rule in group.rules] == [("ok", 'sum({__name__="dotted.name"})')]
        (stamp,) = (await source.query('max(timestamp({__name__="job:dotted:sum"}))')).samples
        assert group.evaluated_at is not None and group.evaluated_at - stamp.value > 2.0
        assert not old_series([group], {"job:dotted:sum": stamp.value}, now=time.time())
        (dotted,) = (await source.query('{"dotted.name"}')).samples
        assert dotted.label("__name__") == "dotted.name"
    finally:
        await source.close()
