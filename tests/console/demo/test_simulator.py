"""The simulated platform: what it exposes, and how it goes on."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import httpx
import pytest
from simulated import NOON, Cluster, Deployment, simulator

from console.alerts.recent_changes import recent_changes
from console.demo import traffic
from console.demo.backfill import DAYS, recorded_samples, sample_times, write_history
from console.demo.embedded_cluster import ObservedReplicaSet, ObservedSet
from console.demo.kube_state import SERIES
from console.demo.platform_api import PlatformApi
from console.demo.scenarios import SCENARIOS, scenario
from console.demo.server_binaries import Servers
from console.demo.simulator import Simulator
from queries.catalogue.loader import load_board
from queries.model.dashboard import DASHBOARDS
from queries.model.series import Sample
from queries.prometheus.kube_state import read_cluster

NAMES = [item.name for item in SCENARIOS]
KUBE_STATE = Path(__file__).resolve().parents[2] / "queries" / "recordings" / "kube-state-metrics-2.20.json"


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


def test_a_past_moment_has_what_runs_beside_the_platform() -> None:
    """StatefulSets and DaemonSets with their pods: no kind is unknown then."""
    redis, agent = ObservedSet("statefulset", "redis", 2, 1), ObservedSet("daemonset", "log-agent", 3, 3)
    cluster = Cluster({"redis": Deployment("registry/redis:7.4.1")}, beside=(redis, agent))
    then = read_cluster(kube_state(cluster), "cad-ml-platform")
    assert then is not None
    assert then.faults == ()
    found = {item.target: (item.ready, item.desired) for item in then.workloads if item.kind != "Deployment"}
    assert found == {"statefulset/redis": (1, 2), "daemonset/log-agent": (3, 3)}
    images = {item.target: [each.image for each in item.containers] for item in then.workloads}
    assert images["statefulset/redis"] == ["registry/redis:7.4.1"]


def test_a_past_moment_names_the_rollout() -> None:
    """The ReplicaSets that had been created by then, with the image of their pods: before it, nothing changed."""
    old = ObservedReplicaSet("cad-ml-api-old", "cad-ml-api", 0, 0, NOON - 9 * 86_400.0)
    new = ObservedReplicaSet("cad-ml-api-new", "cad-ml-api", 3, 3, NOON - 300.0)
    cluster = Cluster({"cad-ml-api": Deployment("registry:5000/api:1.9.0", created_at=NOON - 9 * 86_400.0)}, rolled=(old, new))
    then = read_cluster(kube_state(cluster), "cad-ml-platform")
    changes = recent_changes(then, (), (), now=NOON)
    assert [(item.at, item.text) for item in changes] == [
        (NOON - 300.0, "cad-ml-api ReplicaSet cad-ml-api-new image api:1.9.0")
    ]
    later = replace(new, created_at=NOON + 60.0)
    before = read_cluster(kube_state(Cluster(rolled=(old, later))), "cad-ml-platform")
    assert recent_changes(before, (), (), now=NOON) == ()


def test_the_series_are_those_of_a_real_kube_state_metrics() -> None:
    """Each name and each label is in its recorded answer."""
    known: dict[str, set[str]] = {}
    for name, labels, _ in json.loads(KUBE_STATE.read_text(encoding="utf-8"))["samples"]:
        known.setdefault(name, set()).update(labels)
    beside = (ObservedSet("statefulset", "redis", 2, 1), ObservedSet("daemonset", "log-agent", 3, 3))
    rolled = (ObservedReplicaSet("cad-ml-api-new", "cad-ml-api", 3, 3, NOON - 300.0),)
    seen = set()
    for sample in kube_state(Cluster(beside=beside, rolled=rolled)):
        name = sample.label("__name__")
        if name != "kube_pod_container_resource_limits":  # the console's query of a past moment does not ask for it
            assert {label for label, _ in sample.labels} - {"__name__"} <= known[name], name
            seen.add(name)
    assert seen == set(SERIES)


def kube_state(cluster: Cluster) -> list[Sample]:
    text = simulator("calm", cluster).exposition(NOON)
    return [read_sample(series, value) for series, value in values(text).items() if series.startswith("kube_")]


def read_sample(series: str, value: float) -> Sample:
    name, _, labels = series.partition("{")
    return Sample((("__name__", name), *re.findall(r'(\w+)="([^"]*)"', labels)), value)


def test_buckets_are_cumulative_and_counters_only_grow() -> None:
    """No bucket is smaller than the one before it, +Inf is the count, and no counter ever goes back."""
    platform = simulator("provider-timeout")
    platform.begin()
    before = values(platform.exposition(NOON))
    after = values(platform.exposition(NOON + 11.0))
    counters = {name: value for name, value in before.items() if re.search("_total|_bucket|_count", name)}
    assert counters and not [name for name, value in counters.items() if after[name] < value]
    assert [name for name, value in counters.items() if after[name] > value]
    infinite = [name for name in after if 'le="+Inf"' in name]
    assert infinite
    for series in infinite:
        count = series.replace("_bucket", "_count").replace('le="+Inf",', "").replace('{le="+Inf"}', "")
        assert after[series] == after[count]
        head, tail = series.split('le="+Inf"')
        buckets = [value for name, value in after.items() if name.startswith(f'{head}le="') and name.endswith(tail)]
        assert len(buckets) > 1 and buckets == sorted(buckets)


def test_quiet_has_no_traffic_series() -> None:
    """Without traffic no labelled counter was ever increased, so it is absent, as a real exporter leaves it out."""
    platform = simulator("quiet")
    platform.begin()
    text = platform.exposition(NOON + 60.0)
    assert not [
        name for name in values(text) if name.startswith(("ocr_requests", "vision_requests", "ocr_errors", "analysis_requests"))
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
    assert 0.07 < failing(platform, NOON) < 0.09
    cluster.of["cad-ml-api"] = Deployment()
    platform.exposition(NOON + 60.0)
    assert failing(platform, NOON + 60.0) < 0.005


def failing(platform: Simulator, start: float, *parts: str) -> float:
    """The share of OCR requests, begun or answered from the cache, that did not succeed, over twenty seconds."""

    def counts(at: float) -> list[float]:
        text = platform.exposition(at)
        return [total(text, "ocr_requests_total", f'status="{status}"', *parts) for status in ("start", "success", "cache_hit")]

    started, ended, cached = (after - before for before, after in zip(counts(start), counts(start + 20.0), strict=True))
    return (started - ended) / (started + cached)


def test_a_provider_fails_without_a_word_of_it() -> None:
    """83 % of its requests are begun and never end; no status says so, the error counter does, and its circuit stays closed."""
    platform = simulator("silent-failure")
    platform.begin()
    platform.exposition(NOON)
    assert 0.78 < failing(platform, NOON, "deepseek") < 0.88
    text = platform.exposition(NOON + 80.0)
    assert total(text, "ocr_requests_total", 'status="error"') == 0.0
    assert total(text, "ocr_errors_total", "deepseek", "PARSE_FAILED") > 500
    assert total(text, "ocr_circuit_state") == 0.0 and total(text, "dedupcad_vision_circuit_state", "search") == 1.0


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


@pytest.mark.parametrize("desired, ready, full", [(4, 4, True), (5, 4, True), (5, 5, False), (8, 8, False)])
def test_memory_pressure_ends_with_five_ready_replicas(desired: int, ready: int, full: bool) -> None:
    """Five replicas that are ready end it; five that are only desired do not yet."""
    cluster = Cluster()
    platform = simulator("memory-pressure", cluster)
    platform.begin()
    platform.exposition(NOON)
    cluster.of["cad-ml-api"] = Deployment(desired=desired, ready=ready)
    text = platform.exposition(NOON + 30.0)
    used = [v for k, v in values(text).items() if k.startswith("container_memory_working_set_bytes") and "cad-ml-api" in k]
    assert (max(used) / (1 << 30) > 0.8) is full


@pytest.mark.slow
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
    series = 'ocr_requests_total{provider="paddle",status="start"'
    ended, began = last[series + ',instance="i",job="j"}'], live[series + "}"]
    rate = traffic.per_second(3, traffic.PROVIDERS[0], NOON)
    assert 0 < began - ended < 4 * rate
    assert path.read_text().endswith("# EOF\n")


@pytest.mark.slow
def test_a_poll_while_the_past_is_written_changes_nothing_of_it(tmp_path: Path) -> None:
    """A console queries the platform's API from its first second, while a week of history is still written: the history is
    the same, line by line, as without these polls."""

    def history(polls: int) -> list[str]:
        platform = Simulator(scenario("bad-deploy"), Cluster(), seed=3, now=NOON - DAYS * 86400.0)
        platform.begin()
        samples, calls = platform.metrics.samples, 0

        def samples_and_poll(names: tuple[str, ...]) -> Iterator[tuple[str, str]]:
            nonlocal calls
            calls += 1
            if calls <= polls:
                platform.live(NOON)
            return samples(names)

        platform.metrics.samples = samples_and_poll  # type: ignore[method-assign,assignment]
        path = tmp_path / f"{polls}.txt"
        write_history(platform, path, now=NOON, target_labels='instance="i",job="j"')
        return path.read_text().splitlines()

    alone, polled = history(0), history(3)
    assert len(alone) == len(polled)
    assert len(alone) > 10_000
    assert [pair for pair in zip(alone, polled, strict=True) if pair[0] != pair[1]][:1] == []


def test_every_dashboard_has_a_history() -> None:
    """The history has each recorded series that a panel reads, so that its trend begins before the demo."""
    boards = [load_board(name) for name in ("overview", *dict(DASHBOARDS))]
    read = {name for board in boards for spec in board for name in spec.recorded_names}
    platform = Simulator(scenario("calm"), Cluster(), seed=3, now=NOON - 60.0)
    platform.advance(NOON)
    written = {name for name, _, _ in recorded_samples(platform, NOON)}
    assert len(read) > 20
    assert read - written == set()


def test_history_has_no_gap_wider_than_the_look_back() -> None:
    """Five minutes is as far as Prometheus looks back; no step of the history is wider, and none goes backwards."""
    times = [at for at, _ in sample_times(NOON, 22.0)]
    gaps = [after - before for before, after in pairwise(times)]
    assert min(gaps) > 0 and max(gaps) <= 300.0
    assert times[0] == NOON - DAYS * 86400.0 and NOON - 3.0 < times[-1] < NOON


def test_nights_are_quieter_than_days() -> None:
    """The history has a daily shape: noon carries at least half again as much as the dead of night."""
    midnight = NOON - NOON % 86400.0
    assert traffic.shape(midnight + 13 * 3600) > 1.5 * traffic.shape(midnight + 2 * 3600)


@contextmanager
def served(name: str) -> Iterator[httpx.Client]:
    platform = simulator(name)
    platform.begin()
    api = PlatformApi(platform, clock=lambda: NOON + 30.0)
    api.start()
    try:
        with httpx.Client(base_url=api.url, trust_env=False) as client:
            yield client
    finally:
        api.stop()


def test_platform_api_tells_the_same_story() -> None:
    """/health agrees with the metrics in what stands deep in it, its status is a constant; what this build lacks is 404."""
    with served("provider-timeout") as client:
        moved = client.get("/metrics")
        assert moved.status_code == 307 and moved.headers["location"] == str(client.base_url.join("/metrics/"))
        assert client.get("/metrics/").headers["content-type"].startswith("text/plain; version=0.0.4")
        health = client.get("/health").json()
        assert health["status"] == "healthy" and health["runtime"]["error_rate_ema"]["ocr"] > 0.01
        assert health["config"]["ml"]["readiness"]["degraded_reasons"] == []
        circuits = health["resilience"]["circuit_breakers"]
        assert circuits["ocr:cb:deepseek"]["state"] == "half_open" and circuits["ocr:cb:paddle"]["state"] == "closed"
        assert "versions" in client.get("/health/extended").json()["vector_store"]
        assert (client.get("/ready").status_code, client.get("/ready").json()["ready"]) == (200, True)
        for path in ("/health/circuit-breakers", "/api/v1/providers/health", "/api/v1/ocr"):
            assert client.get(path).status_code == 404 and json.loads(client.get(path).text)


def test_a_platform_that_is_not_ready_says_healthy_all_the_same() -> None:
    """503 at /ready with the check that failed, while /health answers 200 and its constant; an open circuit degrades it."""
    with served("not-ready") as client:
        answer = client.get("/ready")
        assert answer.status_code == 503 and answer.json()["status"] == "not_ready"
        assert answer.json()["checks"]["models"]["status"] == "missing"
        health = client.get("/health")
        assert (health.status_code, health.json()["status"]) == (200, "healthy")
        assert health.json()["config"]["ml"]["readiness"]["degraded_reasons"] == ["models_missing"]
    with served("silent-failure") as client:
        resilience = client.get("/health").json()["resilience"]
        assert resilience["status"] == "degraded"
        assert resilience["circuit_breakers"]["dedupcad_vision:search"]["state"] == "open"
