"""The simulated platform: what it exposes, and how it goes on."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import httpx
import pytest

from console.demo import traffic
from console.demo.bring import Servers
from console.demo.history import DAYS, moments, write_history
from console.demo.platform_api import PlatformApi
from console.demo.scenarios import SCENARIOS, scenario
from console.demo.simulator import Simulator

NOON = 1_795_003_200.0
NAMES = [item.name for item in SCENARIOS]


@dataclass
class Deployment:
    image: str = "registry/api:1.8.2"
    wanted: int = 3
    ready: int = 3
    restarted_at: str = ""


@dataclass
class Cluster:
    """A cluster that is what the test says it is."""

    of: dict[str, Deployment] = field(default_factory=dict)

    def deployment(self, name: str) -> Deployment:
        return self.of.setdefault(name, Deployment())

    def pods(self, name: str) -> tuple[tuple[str, bool], ...]:
        return tuple((f"{name}-7bbff-{number:05}", True) for number in range(self.deployment(name).wanted))


def simulator(name: str, cluster: Cluster | None = None, *, seed: int = 3) -> Simulator:
    return Simulator(scenario(name), cluster or Cluster(), seed=seed, now=NOON - 60.0)


def values(text: str) -> dict[str, float]:
    """Every sample of an exposition; a line that is neither sample nor comment fails."""
    found: dict[str, float] = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            series, _, value = line.rpartition(" ")
            assert series and series not in found, f"twice: {series}"
            found[series] = float(value)
    return found


def total(text: str, name: str, *parts: str) -> float:
    return sum(value for series, value in values(text).items() if series.startswith(name) and all(p in series for p in parts))


@pytest.mark.parametrize("name", NAMES)
def test_same_seed_same_text(name: str) -> None:
    """Two platforms with the same seed that are asked at the same moments say the same, byte for byte."""
    one, two = simulator(name), simulator(name)
    for later in (2.0, 4.0, 7.5):
        assert one.exposition(NOON + later) == two.exposition(NOON + later)
    assert simulator(name, seed=4).exposition(NOON + 7.5) != one.exposition(NOON + 7.5)


@pytest.mark.servers
@pytest.mark.parametrize("name", NAMES)
def test_promtool_reads_the_exposition(servers: Servers, name: str) -> None:
    """The text is what Prometheus calls well-formed, in every scenario."""
    platform = simulator(name)
    platform.begin()
    text = platform.exposition(NOON + 30.0)
    answer = subprocess.run([servers.promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert "error while linting" not in answer.stderr and answer.returncode in (0, 3), answer.stderr


def test_buckets_are_cumulative_and_counters_only_grow() -> None:
    """No bucket is smaller than the one before it, +Inf is the count, and no counter ever goes back."""
    platform = simulator("provider-timeout")
    platform.begin()
    before = values(platform.exposition(NOON))
    after = values(platform.exposition(NOON + 11.0))
    for series, value in before.items():
        if "_total" in series or "_bucket" in series or "_count" in series:
            assert after[series] >= value, series
    for series in after:
        if 'le="+Inf"' in series:
            count = series.replace("_bucket", "_count").replace(',le="+Inf"', "").replace('{le="+Inf"}', "")
            assert after[series] == after[count]
            stem = series.replace('le="+Inf"', 'le="')
            buckets = [value for name, value in after.items() if name.startswith(stem[: stem.index('le="') + 4])]
            assert buckets == sorted(buckets)


def test_quiet_has_no_traffic_series() -> None:
    """Without traffic the counters were never increased, so they are absent, as a real exporter leaves them out."""
    platform = simulator("quiet")
    platform.begin()
    text = platform.exposition(NOON + 60.0)
    assert not [
        name for name in values(text) if name.startswith(("ocr_requests", "vision_requests", "ocr_errors", "analysis_"))
    ]
    assert total(text, "ocr_model_loaded") == 3


def rise(platform: Simulator, start: float, name: str, *parts: str) -> float:
    before = total(platform.exposition(start), name, *parts)
    return total(platform.exposition(start + 20.0), name, *parts) - before


def test_bad_image_fails_eight_percent_until_it_is_gone() -> None:
    """While cad-ml-api runs 1.9.0 about 8 % of the requests fail; with 1.8.2 next to none do."""
    cluster = Cluster()
    cluster.of["cad-ml-api"] = Deployment(image="registry:5000/api:1.9.0")
    platform = simulator("bad-deploy", cluster)
    platform.begin()
    platform.exposition(NOON)
    share = rise(platform, NOON, "ocr_requests_total", 'status="error"') / rise(platform, NOON + 20.0, "ocr_requests_total")
    assert 0.07 < share < 0.09
    cluster.of["cad-ml-api"] = Deployment()
    platform.exposition(NOON + 60.0)
    failed = rise(platform, NOON + 60.0, "ocr_requests_total", 'status="error"')
    assert failed / rise(platform, NOON + 80.0, "ocr_requests_total") < 0.005


def test_timeouts_end_with_a_restart_after_the_start() -> None:
    """A restart from before the story does not end it, one after its start does."""
    cluster = Cluster()
    cluster.of["ocr-provider-deepseek"] = Deployment(restarted_at="yesterday")
    platform = simulator("provider-timeout", cluster)
    platform.begin()
    platform.exposition(NOON)
    assert rise(platform, NOON, "ocr_errors_total", "PROVIDER_TIMEOUT", "deepseek") > 10
    cluster.of["ocr-provider-deepseek"] = Deployment(restarted_at="now")
    platform.exposition(NOON + 60.0)
    assert rise(platform, NOON + 60.0, "ocr_errors_total", "PROVIDER_TIMEOUT", "deepseek") == 0


@pytest.mark.parametrize("wanted, ready, full", [(4, 4, True), (5, 4, True), (5, 5, False), (8, 8, False)])
def test_memory_pressure_ends_with_five_ready_replicas(wanted: int, ready: int, full: bool) -> None:
    """Five replicas that are ready end it; five that are only wanted do not yet."""
    cluster = Cluster()
    platform = simulator("memory-pressure", cluster)
    platform.begin()
    platform.exposition(NOON)
    cluster.of["cad-ml-api"] = Deployment(wanted=wanted, ready=ready)
    text = platform.exposition(NOON + 30.0)
    used = [v for k, v in values(text).items() if k.startswith("container_memory_working_set_bytes") and "cad-ml-api" in k]
    assert (max(used) / (1 << 30) > 0.8) is full


def test_live_goes_on_where_the_history_ended(tmp_path: Path) -> None:
    """The first live counters are the history's last ones plus what a second of traffic adds: no jump, no reset."""
    platform = Simulator(scenario("calm"), Cluster(), seed=3, now=NOON - DAYS * 86400.0)
    path = tmp_path / "om.txt"
    write_history(platform, path, now=NOON, target_labels='instance="i",job="j"')
    last: dict[str, float] = {}
    with path.open() as file:
        for line in file:
            if not line.startswith("#"):
                series, value, _ = line.rsplit(" ", 2)
                last[series] = float(value)
    live = values(platform.exposition(NOON + 1.0))
    series = 'ocr_requests_total{provider="paddle",status="success"'
    ended, began = last[series + ',instance="i",job="j"}'], live[series + "}"]
    rate = traffic.per_second(3, traffic.PROVIDERS[0], NOON)
    assert 0 < began - ended < 4 * rate
    assert path.read_text().endswith("# EOF\n")


def test_history_has_no_gap_wider_than_the_look_back() -> None:
    """Five minutes is as far as Prometheus looks back; no step of the history is wider, and none goes backwards."""
    times = [at for at, _ in moments(NOON)]
    gaps = [after - before for before, after in pairwise(times)]
    assert min(gaps) > 0 and max(gaps) <= 300.0
    assert times[0] == NOON - DAYS * 86400.0 and NOON - 3.0 < times[-1] < NOON


def test_nights_are_quieter_than_days() -> None:
    """The history has a daily shape: noon carries at least half again as much as the dead of night."""
    midnight = NOON - NOON % 86400.0
    assert traffic.shape(midnight + 13 * 3600) > 1.5 * traffic.shape(midnight + 2 * 3600)


def test_platform_api_tells_the_same_story() -> None:
    """/health, /ready, breakers and providers answer JSON that agrees with the metrics; the rest is 404."""
    platform = simulator("provider-timeout")
    platform.begin()
    api = PlatformApi(platform, clock=lambda: NOON + 30.0)
    api.start()
    try:
        with httpx.Client(base_url=api.url, trust_env=False) as client:
            assert client.get("/metrics").headers["content-type"].startswith("text/plain; version=0.0.4")
            health = client.get("/health").json()
            assert health["status"] == "degraded" and health["runtime"]["error_rate_ema"]["ocr"] > 0.01
            circuits = client.get("/health/circuit-breakers").json()["circuit_breakers"]
            assert circuits["ocr:cb:deepseek"]["state"] == "half_open" and circuits["ocr:cb:paddle"]["state"] == "closed"
            providers = {item["id"]: item["ready"] for item in client.get("/api/v1/providers/health").json()["results"]}
            assert providers["ocr/deepseek"] is False and providers["ocr/paddle"] is True
            assert client.get("/ready").status_code == 200
            missing = client.get("/api/v1/ocr")
            assert missing.status_code == 404 and json.loads(missing.text)
    finally:
        api.stop()
