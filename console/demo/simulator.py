"""The simulated platform: counters and gauges that a scenario and the cluster's state drive."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from console.demo import traffic
from console.demo.exposition import Metrics, bucket_bounds
from console.demo.kube_state import put_objects
from console.demo.scenarios import (
    API,
    CALM,
    SLOW_DEPLOYMENT,
    WORKER,
    ClusterView,
    Conditions,
    Scenario,
    Start,
)

NAMESPACE = "cad-ml-platform"
OCR_OPEN, VISION_OPEN = 2.0, 1.0
"""ocr_circuit_state has 1 for half-open and 2 for open, dedupcad_vision_circuit_state 1 for open and 2 for half-open."""
_STEP_SECONDS = 1.0
_EASE_SECONDS = 1.2
_MAX_STEPS = 120.0

WORKLOADS = (
    API,
    "ocr-provider-paddle",
    SLOW_DEPLOYMENT,
    "ocr-provider-tesseract",
    "vision-provider-dedupcad",
    "vision-provider-clip",
    WORKER,
)
CPU_LIMIT_CORES = 1.0
MEMORY_LIMIT_BYTES = float(1 << 30)
DISK_BYTES = float(100 << 30)

_SHARES = {
    "ocr_confidence_distribution": (0.0, 0.0005, 0.004, 0.035, 0.21, 0.38, 0.74, 1.0),
    "ocr_completeness_ratio": (0.0, 0.01, 0.05, 0.45, 0.8, 1.0),
    "classification_prediction_drift_score": (0.0, 0.55, 0.85, 0.97, 0.99, 0.995, 1.0, 1.0, 1.0),
    "material_distribution_drift_score": (0.0, 0.55, 0.85, 0.97, 0.99, 0.995, 1.0, 1.0, 1.0),
    "material_drift_ratio": (0.85, 0.97, 0.99, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0),
    "v4_surface_count": (0.0, 0.01, 0.05, 0.1, 0.2, 0.45, 0.7, 0.85, 0.96, 0.99),
    "v4_shape_entropy": (0.0, 0.01, 0.02, 0.05, 0.15, 0.3, 0.5, 0.85, 1.0),
    "vector_migrate_dimension_delta": (0.0, 0.0, 0.0, 0.0, 0.01, 0.9, 0.95, 0.97, 0.98, 0.99, 1.0, 1.0, 1.0),
}
"""Cumulative shares per bucket bound of the families that no scenario changes."""
_STAGES = {
    item: tuple((stage, replace(item, median_seconds=item.median_seconds * part)) for stage, part in traffic.STAGES)
    for item in traffic.PROVIDERS
}
_ANALYSIS = (
    ("analysis_stage_duration_seconds", 'stage="parse"', traffic.Provider("analysis", "parse", 0.0, 0.08, 0.5)),
    ("feature_extraction_latency_seconds", 'version="v4"', traffic.Provider("analysis", "v4", 0.0, 0.04, 0.5)),
    ("feature_extraction_latency_seconds", 'version="v3"', traffic.Provider("analysis", "v3", 0.0, 0.006, 0.5)),
)


@dataclass(slots=True)
class TrafficOutcome:
    """The smoothed condition of the platform, which neither breaks nor recovers within a second."""

    error_share: float = 0.0
    timeout_shares: dict[str, float] = field(default_factory=dict)
    failing_shares: dict[str, float] = field(default_factory=dict)
    circuits: dict[str, float] = field(default_factory=dict)
    vision_circuit: float = 0.0
    memory_shares: dict[str, float] = field(default_factory=dict)
    backlog: float = CALM.backlog
    not_ready: tuple[str, ...] = ()

    def drift(self, to: Conditions, seconds: float) -> None:
        part = 1.0 - math.exp(-seconds / _EASE_SECONDS)
        self.error_share += (to.error_share - self.error_share) * part
        for current, target in (
            (self.timeout_shares, to.timeout_shares),
            (self.failing_shares, to.failing_shares),
            (self.memory_shares, to.memory_shares),
        ):
            for key in {*current, *target}:
                current[key] = current.get(key, 0.0) + (target.get(key, 0.0) - current.get(key, 0.0)) * part
        self.circuits, self.vision_circuit, self.not_ready = dict(to.circuits), to.vision_circuit, to.not_ready
        self.backlog += (to.backlog - self.backlog) * (1.0 - math.exp(-seconds / (2.0 * _EASE_SECONDS)))


class Simulator:
    """Counters continue across `advance` for the history and `live` for the scrapes.

    `begin` starts the scenario; until then the platform is calm (or idle, for a scenario without traffic). The same seed and
    calls produce the same text.
    """

    def __init__(self, scenario: Scenario, cluster: ClusterView, *, seed: int, now: float) -> None:
        self.scenario = scenario
        self.outcome = TrafficOutcome()
        self.metrics = Metrics(at=now)
        self._cluster = cluster
        self._seed = seed
        self._at = now
        self._start: Start | None = None
        self._traffic = self._conditions().traffic
        self._requests = self._failed = 0.0
        self._lock = threading.Lock()
        self._in_past = False
        # A model rollback before the start of the history.
        self.metrics.add("model_rollback_total", 'level="1"', 1.0)

    def begin(self) -> None:
        """Starts the scenario's fault."""
        provider = self._cluster.deployment(SLOW_DEPLOYMENT)
        self._start = Start(restarted_at=provider.restarted_at if provider else "")

    def exposition(self, now: float) -> str:
        """The text of /metrics at `now` (Unix seconds)."""
        with self._lock:
            self._poll(now)
            return self.metrics.text()

    def live(self, now: float) -> None:
        """Advances to `now` in small steps, with the current conditions."""
        with self._lock:
            self._poll(now)

    @contextmanager
    def past(self) -> Iterator[None]:
        """Within it only `replay` and `advance` move the time: otherwise an API poll in mid-week would jump to now."""
        self._in_past = True
        try:
            yield
        finally:
            self._in_past = False

    def replay(self, now: float) -> None:
        """Advances to `now`, a moment of the history, as `live` does."""
        with self._lock:
            self._live(now)

    def _poll(self, now: float) -> None:
        if not self._in_past:
            self._live(now)

    def _live(self, now: float) -> None:
        conditions = self._conditions()
        step = max(_STEP_SECONDS, (now - self._at) / _MAX_STEPS)  # bounds the work after a suspended laptop wakes up
        while self._at + step <= now:
            self._step(step, conditions)
        if now > self._at:
            self._step(now - self._at, conditions)

    def advance(self, now: float) -> None:
        """Advances by one coarse step of the history."""
        with self._lock:
            self._step(now - self._at, None)

    @property
    def seed(self) -> int:
        return self._seed

    @property
    def namespace(self) -> str:
        return NAMESPACE

    @property
    def has_traffic(self) -> bool:
        return self._traffic

    def mean_error_share(self) -> float:
        """The error share of all OCR and Vision requests so far, 0..1."""
        return self._failed / self._requests if self._requests else 0.0

    def error_percent(self) -> float:
        """The current error ratio of OCR and Vision requests, 0..100."""
        rates = [(traffic.per_second(self._seed, item, self._at), self._failing(item)) for item in traffic.PROVIDERS]
        return 100.0 * sum(rate * sum(shares) for rate, shares in rates) / sum(rate for rate, _ in rates)

    def requests_per_second(self) -> float:
        """The current rate of OCR and Vision requests."""
        return sum(traffic.per_second(self._seed, item, self._at) for item in traffic.PROVIDERS)

    def provider_failing_share(self, name: str) -> float:
        """The current error share of an OCR provider, 0..1, without the requests that the cache answers."""
        failing = sum(sum(self._failing(item)) for item in traffic.PROVIDERS if item.name == name)
        return failing / (1.0 - traffic.CACHE_HIT_SHARE * (1.0 - failing))

    def open_circuits(self) -> int:
        return sum(state == OCR_OPEN for state in self.outcome.circuits.values()) + (self.outcome.vision_circuit == VISION_OPEN)

    def _conditions(self) -> Conditions:
        start = self._start
        if start is None:
            probe = self.scenario.conditions(self._cluster, Start())
            return CALM if probe.traffic else Conditions(traffic=False, backlog=0.0)
        return self.scenario.conditions(self._cluster, start)

    def _step(self, seconds: float, conditions: Conditions | None) -> None:
        self._at += seconds
        self.metrics.at = self._at
        if conditions is not None:
            self.outcome.drift(conditions, seconds)
            self._traffic = conditions.traffic
        elif not self._traffic:
            self.outcome.backlog = 0.0
        if self._traffic:
            for provider in traffic.PROVIDERS:
                self._serve(provider, seconds)
            self._analyse(seconds)
            self._small_counters(seconds)
        self._gauges()
        self._pods(seconds, past=conditions is None)

    def base_errors(self) -> float:
        """The error share without a scenario; the history's bad half-hours end where the scenario starts."""
        if self._start is not None:
            return traffic.CALM_ERROR_SHARE * (1.0 + 0.35 * traffic.noise(self._seed, "errors", self._at))
        return traffic.history_error_share(self._seed, self._at)

    def _failing(self, provider: traffic.Provider) -> tuple[float, float, float]:
        """Error shares of a provider: general errors, timeouts, and invalid results."""
        own = provider.service == "ocr"
        usual = min(1.0, self.base_errors() + self.outcome.error_share)
        late = self.outcome.timeout_shares.get(provider.name, 0.0) if own else 0.0
        return usual, late, (1.0 - usual - late) * self.outcome.failing_shares.get(provider.name, 0.0) if own else 0.0

    def _serve(self, provider: traffic.Provider, seconds: float) -> None:
        count = traffic.per_second(self._seed, provider, self._at) * seconds
        usual, late, wrong = (share * count for share in self._failing(provider))
        self._requests += count
        self._failed += usual + late + wrong
        (self._read if provider.service == "ocr" else self._see)(provider, count, usual, late, wrong)

    def _read(self, provider: traffic.Provider, count: float, usual: float, late: float, wrong: float) -> None:
        """OCR counts `start`, then `success` or nothing; a cached result counts `cache_hit` alone."""
        add, label = self.metrics.add, f'provider="{provider.name}"'
        answered = count - usual - late - wrong
        cached = traffic.CACHE_HIT_SHARE * answered
        done = answered - cached
        add("ocr_requests_total", f'{label},status="start"', count - cached)
        add("ocr_requests_total", f'{label},status="success"', done)
        add("ocr_requests_total", f'{label},status="cache_hit"', cached)
        codes = [(code, stage, usual * share) for code, stage, share in traffic.CODES["ocr"]]
        for code, stage, number in (*codes, ("PROVIDER_TIMEOUT", "infer", late), ("PARSE_FAILED", "parse", wrong)):
            if number > 1e-6 * count:
                add("ocr_errors_total", f'code="{code}",{label},stage="{stage}"', number)
        slow = self.outcome.timeout_shares.get(provider.name, 0.0)  # near the timeout, some requests just make it
        self._time("ocr_processing_duration_seconds", provider, label, done, slow)
        for stage, own in _STAGES[provider]:
            self._time("ocr_stage_duration_seconds", own, f'{label},stage="{stage}"', done, slow if stage == "infer" else 0.0)
        self._quality("ocr_confidence_distribution", label, done, mean=0.89)
        self._quality("ocr_completeness_ratio", label, done, mean=0.74)

    def _see(self, provider: traffic.Provider, count: float, usual: float, late: float, wrong: float) -> None:
        """Vision counts `start`, then `success` or `error`."""
        add, label = self.metrics.add, f'provider="{provider.name}"'
        failed = usual + late + wrong
        add("vision_requests_total", f'{label},status="start"', count)
        add("vision_requests_total", f'{label},status="success"', count - failed)
        add("vision_requests_total", f'{label},status="error"', failed)
        for code, _, share in traffic.CODES["vision"]:
            add("vision_errors_total", f'code="{code}",{label}', failed * share)
        self._time("vision_processing_duration_seconds", provider, label, count, 0.0)

    def _time(self, name: str, provider: traffic.Provider, labels: str, count: float, slow: float) -> None:
        shares, mean = traffic.shares_below(provider, bucket_bounds(name), slow), traffic.mean_seconds(provider, slow)
        self.metrics.observe(name, labels, count=count, shares=shares, mean=mean)

    def _quality(self, name: str, labels: str, count: float, *, mean: float) -> None:
        self.metrics.observe(name, labels, count=count, shares=_SHARES[name], mean=mean)

    def _analyse(self, seconds: float) -> None:
        add = self.metrics.add
        count = traffic.analysis_per_second(self._seed, self._at) * seconds
        failed = min(1.0, self.base_errors() + self.outcome.error_share) * count
        for code, stage, share in traffic.CODES["analysis"]:
            add("analysis_errors_total", f'code="{code}",stage="{stage}"', failed * share)
        add("analysis_error_code_total", 'code="INTERNAL_ERROR"', failed)
        add("analysis_requests_total", 'status="error"', failed)
        add("analysis_requests_total", 'status="success"', count - failed)
        add("analysis_rejections_total", 'reason="file_too_large"', 0.002 * count)
        for name, labels, work in _ANALYSIS:
            self._time(name, work, labels, count, 0.0)
        for name, mean in (
            ("classification_prediction_drift_score", 0.06),
            ("material_distribution_drift_score", 0.06),
            ("material_drift_ratio", 0.08),
            ("v4_surface_count", 96.0),
            ("v4_shape_entropy", 0.5),
        ):
            self._quality(name, "", count, mean=mean)
        add("classification_prediction_distribution_total", 'label="plate",version="v16"', count)
        hit = 0.86 + 0.03 * traffic.noise(self._seed, "cache", self._at)
        add("analysis_cache_hits_total", "", count * 0.22)
        add("analysis_cache_miss_total", "", count * 0.78)
        add("feature_cache_hits_total", "", count * hit)
        add("feature_cache_miss_total", "", count * (1.0 - hit))
        add("feature_cache_evictions_total", "", count * 0.02)
        add("classification_cache_hits_total", "", count * 0.72)
        add("classification_cache_miss_total", "", count * 0.28)

    def _small_counters(self, seconds: float) -> None:
        scale = traffic.shape(self._at) * seconds
        add = self.metrics.add
        # Inputs that the platform rejects before it counts a request.
        add("ocr_input_rejected_total", 'reason="file_too_large"', 0.08 * scale)
        add("ocr_errors_total", 'code="INPUT_ERROR",provider="auto",stage="preprocess"', 0.08 * scale)
        add("ocr_errors_total", 'code="rate_limit",provider="paddle",stage="preprocess"', 0.02 * scale)
        add("ocr_rate_limited_total", "", 0.02 * scale)
        add("vision_input_rejected_total", 'reason="base64_padding_error"', 0.04 * scale)
        add("dedup2d_jobs_total", 'status="pending"', 3.01 * scale)
        add("dedup2d_jobs_total", 'status="completed"', 3.0 * scale)
        add("dedup2d_jobs_total", 'status="failed"', 0.01 * scale)
        open_now = self.outcome.vision_circuit == VISION_OPEN
        add("dedupcad_vision_requests_total", f'endpoint="search",status="{"circuit_open" if open_now else "success"}"', scale)
        add("feature_cache_tuning_requests_total", 'status="ok"', 0.002 * scale)
        add("classification_rate_limited_total", "", 0.01 * scale)
        add("model_opcode_scans_total", "", 0.05 * scale)
        add("vector_migrate_total", 'status="migrated"', 0.2 * scale)
        add("vector_migrate_total", 'status="downgraded"', 0.002 * scale)
        self._quality("vector_migrate_dimension_delta", "", 0.2 * scale, mean=1.2)
        add("compare_requests_total", 'status="success"', 2.0 * scale)
        add("compare_requests_total", 'status="not_found"', 0.02 * scale)

    def _gauges(self) -> None:
        put, now = self.metrics.put, self._at
        for provider in traffic.PROVIDERS:
            if provider.service == "ocr":
                put("ocr_model_loaded", f'provider="{provider.name}"', 1.0)
                put("ocr_circuit_state", f'key="ocr:cb:{provider.name}"', self.outcome.circuits.get(provider.name, 0.0))
        put("dedupcad_vision_circuit_state", 'endpoint="search"', self.outcome.vision_circuit)
        put("dedupcad_vision_circuit_state", 'endpoint="health"', 0.0)
        put("resilience_circuit_state", 'endpoint="analyze",service="vision"', 0.0)
        put("ocr_error_rate_ema", "", self.service_error_share("ocr"))
        put("vision_error_rate_ema", "", self.service_error_share("vision"))
        depth = self.queue_depth(now)
        put("dedup2d_job_queue_depth", "", depth)
        put("dedup2d_jobs_queued", 'backend="redis"', depth)
        put("dedup2d_jobs_active", 'backend="redis"', 4.0 if depth else 0.0)
        put("feature_cache_size", "", 8192.0 if self._traffic else 0.0)
        put("feature_cache_tuning_recommended_capacity", "", 10000.0)
        put("feature_cache_tuning_recommended_ttl_seconds", "", 3600.0)
        put("model_opcode_mode", "", 1.0)
        put("model_rollback_level", "", 0.0)
        put("model_snapshots_available", "", 3.0)
        put("faiss_index_age_seconds", "", now % 21600.0)
        put("faiss_degraded_duration_seconds", "", 0.0)
        put("analysis_result_store_files", "", 12034.0)
        put("baseline_material_age_seconds", "", 3600.0)
        put("baseline_prediction_age_seconds", "", 3600.0)
        put("ocr_confidence_fallback_threshold", "", 0.84)
        put("ocr_confidence_ema", "", 0.89)
        put("redis_up", "", 1.0)
        volume = f'namespace="{NAMESPACE}",persistentvolumeclaim="models"'
        put("kubelet_volume_stats_capacity_bytes", volume, DISK_BYTES)
        put("kubelet_volume_stats_available_bytes", volume, round(DISK_BYTES * 0.61))
        disk = 'device="/dev/sda1",fstype="ext4",mountpoint="/"'
        put("node_filesystem_size_bytes", disk, DISK_BYTES)
        put("node_filesystem_avail_bytes", disk, round(DISK_BYTES * (0.42 + 0.02 * traffic.noise(self._seed, "disk", now))))

    def queue_depth(self, at: float) -> float:
        if self.outcome.backlog <= 0.0:
            return 0.0
        return float(
            round(max(0.0, self.outcome.backlog * (1.0 + 0.4 * traffic.noise(self._seed, "queue", at, every_seconds=30))))
        )

    def service_error_share(self, service: str) -> float:
        """The platform's own smoothed error share of a service, 0..1."""
        if not self._traffic:
            return 0.0
        own = [item for item in traffic.PROVIDERS if item.service == service]
        failed = sum(item.per_second * sum(self._failing(item)) for item in own)
        return failed / sum(item.per_second for item in own)

    def cpu_share(self, deployment: str, at: float) -> float:
        """Share of the limit, 0..1."""
        busy = 0.18 + (0.36 * traffic.shape(at) if self._traffic else 0.0)
        return busy * (1.0 + 0.1 * traffic.noise(self._seed, f"cpu {deployment}", at))

    def memory_share(self, deployment: str, at: float) -> float:
        """Share of the limit, 0..1."""
        usual = 0.55 + 0.04 * traffic.noise(self._seed, f"memory {deployment}", at, every_seconds=1800.0)
        return max(usual, self.outcome.memory_shares.get(deployment, 0.0))

    def _pods(self, seconds: float, *, past: bool) -> None:
        put_objects(self.metrics, self._cluster, WORKLOADS, namespace=NAMESPACE, at=self._at, past=past)
        put = self.metrics.put
        for name in (
            "container_memory_working_set_bytes",
            "container_spec_memory_limit_bytes",
            "kube_pod_container_resource_limits",
        ):
            self.metrics.forget(name)
        here: set[str] = set()
        cores, limit = CPU_LIMIT_CORES, MEMORY_LIMIT_BYTES
        for deployment in WORKLOADS:
            for number, pod in enumerate(self._cluster.pods(deployment)):
                labels = f'namespace="{NAMESPACE}",pod="{pod.name}",container="{deployment}"'
                here.add(labels)
                used = self.memory_share(deployment, self._at) * (1.0 - 0.01 * number)
                self.metrics.add(
                    "container_cpu_usage_seconds_total", labels, self.cpu_share(deployment, self._at) * cores * seconds
                )
                put("container_memory_working_set_bytes", labels, round(used * limit))
                put("container_spec_memory_limit_bytes", labels, limit)
                put("kube_pod_container_resource_limits", f'{labels},resource="cpu",unit="core"', cores)
                put("kube_pod_container_resource_limits", f'{labels},resource="memory",unit="byte"', limit)
        self.metrics.keep_only("container_cpu_usage_seconds_total", here)
