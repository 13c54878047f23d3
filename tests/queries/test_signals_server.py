"""Signals on a real Prometheus: what is decided from its series and from its help texts."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from servers import start_prometheus

from queries.catalogue.loader import load_board
from queries.http.endpoint import Endpoint
from queries.prometheus.client import Prometheus

pytestmark = pytest.mark.servers


class Exporter(ThreadingHTTPServer):
    """Serves the text that it is given."""

    daemon_threads = True
    text = ""


class _Page(BaseHTTPRequestHandler):
    server: Exporter

    def do_GET(self) -> None:
        body = self.server.text.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None: ...


@dataclass(frozen=True, slots=True)
class Site:
    """An exporter and the Prometheus that scrapes it."""

    exporter: Exporter
    url: str

    @asynccontextmanager
    async def source(self, **options: Any) -> AsyncIterator[Prometheus]:
        source = Prometheus(Endpoint(self.url), **options)
        try:
            yield source
        finally:
            await source.close()


@contextmanager
def _site(text: str, folder: Path) -> Iterator[Site]:
    exporter = Exporter(("127.0.0.1", 0), _Page)
    exporter.text = text
    threading.Thread(target=exporter.serve_forever, args=(0.02,), daemon=True).start()
    config = (
        "global: {scrape_interval: 1s}\n"
        f"scrape_configs: [{{job_name: p, static_configs: [{{targets: ['127.0.0.1:{exporter.server_port}']}}]}}]\n"
    )
    try:
        with start_prometheus(config, folder=folder) as server:
            yield Site(exporter, server.url)
    finally:
        exporter.shutdown()
        exporter.server_close()


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Site]]:
    """One for each coding, begun together: a Prometheus hands its first targets to the scraper only after five seconds."""
    with ExitStack() as held:
        yield {
            coding: held.enter_context(_site(BREAKERS.format(coding=coding, status="start"), tmp_path_factory.mktemp("site")))
            for coding in (*(coding for coding, _, _ in CODINGS), "")
        }


async def until(source: Prometheus, query: str) -> None:
    for _ in range(100):
        if (await source.query(query)).samples:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"{query} has no series after ten seconds")


BREAKERS = """\
# HELP ocr_circuit_state state by key {coding}
# TYPE ocr_circuit_state gauge
ocr_circuit_state{{key="ocr:cb:paddle"}} 1
# HELP ocr_requests_total requests
# TYPE ocr_requests_total counter
ocr_requests_total{{provider="paddle",status="{status}"}} 7
"""
CIRCUITS = tuple(spec for spec in load_board("overview") if spec.id == "circuit_breakers")


CODINGS: tuple[tuple[str, float | None, str], ...] = (
    ("(0=closed,1=half_open,2=open)", 0.0, "ocr_circuit_state: 0 is closed, 1 is half-open, 2 is open, by its help text"),
    ("(0=closed, 1=open, 2=half_open)", 1.0, "ocr_circuit_state: 0 is closed, 2 is half-open, 1 is open, by its help text"),
    ("of a provider", 0.0, "as the catalogue defines it: its help text states none"),
    ("(0 closed, 1 half-open)", None, "does not say which number means open: 0 is closed, 1 is half-open"),
)


@pytest.mark.parametrize(("coding", "value", "told"), CODINGS)
async def test_the_help_text_says_which_number_is_open(
    sites: dict[str, Site], coding: str, value: float | None, told: str
) -> None:
    """The same series is an open circuit or a half-open one, as its own metadata has it; a coding without `open` is no data."""
    async with sites[coding].source() as source:
        await until(source, "ocr_circuit_state")
        await source.panels(CIRCUITS)
        for _ in range(50):  # the metadata come with the first scrape that is told, a moment after its series
            await source.fetch_encodings()
            if source.decisions.choice.encodings or "states none" in " ".join(source.decisions.sentences):
                break
            source.decisions.retry_help(-1e9)
            await asyncio.sleep(0.1)
        (answer,) = (await source.panels(CIRCUITS)).results
    assert [item.value for item in answer.samples] == ([] if value is None else [value])
    assert told in " ".join((*answer.basis, answer.fault.sentence() if answer.fault else ""))


async def test_a_new_build_is_decided_again(sites: dict[str, Site]) -> None:
    """The evidence is in the refresh itself: the decision is there with the first, and follows the series when it is due."""
    requests = tuple(spec for spec in load_board("ocr_performance") if spec.id == "ocr_requests")
    now = [1000.0]
    async with sites[""].source(clock=lambda: now[0]) as source:
        await until(source, 'ocr_requests_total{status="start"}')
        (answer,) = (await source.panels(requests)).results
        assert answer.basis == ("ocr requests: starts and cached answers; 2 of 3 definitions apply",)
        sites[""].exporter.text = BREAKERS.format(coding="", status="success")
        await until(source, 'ocr_requests_total{status="success"} unless on () ocr_requests_total{status="start"}')
        now[0] += 100.0
        assert (await source.panels(requests)).results[0].basis == answer.basis
        now[0] += 300.0
        (answer,) = (await source.panels(requests)).results
        assert answer.basis == (
            "ocr requests: terminal outcomes, because no series has status=start; 1 of 3 definitions apply",
        )
        (answer,) = (await source.panels(requests)).results
        assert "start" in answer.query and "|cache_hit" not in answer.query
