"""Prometheus servers that scrape the pods of a platform of events, each with other rules: none, ours, or somebody else's."""

from __future__ import annotations

import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import yaml
from page_server import Reply, Request, serve
from platform_events import LIVE, Exporter, history
from servers import servers, start_prometheus

from console.demo import server_config
from console.demo.scenarios import RuleSet

RULES: Mapping[str, tuple[RuleSet, ...]] = {"none": (), "ours": (RuleSet.OURS,), "foreign": (RuleSet.FOREIGN,)}
SCRAPE_SECONDS = 3
_EVALUATE_SECONDS = 2
_AHEAD_SECONDS = 25.0
"""So long the past is written and loaded; the present begins when it has an end."""


@dataclass(frozen=True, slots=True)
class Told:
    """The URLs of the servers by the rules that they have, and when the present of the events is, Unix seconds."""

    urls: Mapping[str, str]
    present: float


@contextmanager
def told_servers(folder: Path, *, names: Sequence[str] = tuple(RULES)) -> Iterator[Told]:
    """One Prometheus for each of these entries of RULES, all with the same past and the same pods to scrape."""
    present = time.time() + _AHEAD_SECONDS
    folder.mkdir(parents=True, exist_ok=True)
    text = folder / "history.txt"
    with text.open("w") as file:
        file.writelines(history(present))
        file.write("# EOF\n")
    command = [servers().promtool, "tsdb", "create-blocks-from", "openmetrics", "--max-block-duration=744h", "-q"]
    subprocess.run([*command, str(text), str(folder / "blocks")], check=True, capture_output=True)
    text.unlink()
    time.sleep(max(0.0, present - time.time()))  # Prometheus takes no sample older than its youngest block
    with _pods(present) as target, ExitStack() as stack:
        urls = {name: stack.enter_context(_server(folder, name, target)) for name in names}
        for name, url in urls.items():
            _until_evaluated(url, some=bool(RULES[name]))
        yield Told(urls, present)


@contextmanager
def _server(folder: Path, name: str, target: str) -> Iterator[str]:
    own = folder / name
    shutil.copytree(folder / "blocks", own / "data")
    interval = re.compile(r"^(\s+interval:) .*$", re.MULTILINE)
    rules = {
        file: interval.sub(rf"\g<1> {_EVALUATE_SECONDS}s", text) for file, text in server_config.rule_files(RULES[name]).items()
    }
    targets = [{"targets": [target], "labels": {"instance": pod.name, "__metrics_path__": f"/{pod.name}"}} for pod in LIVE]
    config = {
        "global": {"scrape_interval": f"{SCRAPE_SECONDS}s", "evaluation_interval": f"{_EVALUATE_SECONDS}s"},
        "rule_files": list(rules),
        "scrape_configs": [{"job_name": "cad-ml-platform", "static_configs": targets}],
    }
    with start_prometheus(yaml.safe_dump(config), rules, folder=own) as server:
        yield server.url


@contextmanager
def _pods(present: float) -> Iterator[str]:
    """The exporter of every pod on one loopback port, each under a path of its name; gives host:port."""
    exporter, lock = Exporter(), threading.Lock()
    exporter.advance(time.time() - present)

    def answer(request: Request) -> Reply:
        with lock:
            exporter.advance(time.time() - present)
            body = exporter.pod(request.path.removeprefix("/")).text().encode()
        return Reply(body, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    with serve(answer) as url:
        yield url.removeprefix("http://")


def _until_evaluated(url: str, *, some: bool) -> None:
    """Wait for two rounds of every group, because rules read what other rules record, and for two scrapes of every pod."""
    ends, rounds = time.monotonic() + 60.0, 3 * _EVALUATE_SECONDS
    began = time.time()
    while True:
        groups = httpx.get(f"{url}/api/v1/rules", timeout=10.0, trust_env=False).json()["data"]["groups"]
        seen = [group["lastEvaluation"] for group in groups]
        scraped = _value(url, f"count(count_over_time(scrape_samples_scraped[1m]) >= {2})") == len(LIVE)
        ready = bool(seen) == some and not any(moment.startswith("0001-") for moment in seen)
        if ready and scraped and time.time() - began > rounds:
            return
        assert time.monotonic() < ends, f"{url}: not every rule was evaluated, or not every pod scraped"
        time.sleep(0.2)


def _value(url: str, query: str) -> float:
    answer = httpx.get(f"{url}/api/v1/query", params={"query": query}, timeout=10.0, trust_env=False).json()
    found = answer["data"]["result"]
    return float(found[0]["value"][1]) if found else float("nan")
