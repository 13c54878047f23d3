"""The simulated platform: its counters and gauges, driven forward in time by a scenario and by the cluster's state."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, field

from console.demo import traffic
from console.demo.exposition import Metrics
from console.demo.scenarios import (
    API,
    BAD_IMAGE_TAG,
    CALM,
    GOOD_IMAGE_TAG,
    SLOW_DEPLOYMENT,
    WORKER,
    ClusterView,
    Conditions,
    Scenario,
    Start,
)

NAMESPACE = "cad-ml-platform"
_STEP_SECONDS = 1.0
_EASE_SECONDS = 1.2
_MOST_STEPS = 120.0

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

_CONFIDENCE_EDGES = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)
_CONFIDENCE_SHARES = (0.004, 0.012, 0.035, 0.11, 0.38, 0.74, 1.0)
_DRIFT_EDGES = (0.05, 0.1, 0.2, 0.3, 0.5, 1.0)
_DRIFT_SHARES = (0.55, 0.85, 0.97, 0.99, 1.0, 1.0)
_ENTROPY_EDGES = (1.0, 2.0, 3.0, 4.0, 5.0)
_ENTROPY_SHARES = (0.02, 0.15, 0.45, 0.85, 0.98)
_DELTA_EDGES = (0.0, 1.0, 8.0, 64.0)
_DELTA_SHARES = (0.9, 0.95, 0.99, 1.0)
_SURFACE_EDGES = (10.0, 50.0, 100.0, 500.0, 1000.0)
_SURFACE_SHARES = (0.1, 0.45, 0.7, 0.96, 0.99)


@dataclass(slots=True)
class Fare:
    """How the platform fares now, eased: it neither breaks nor heals from one second to the next."""

    error_share: float = 0.0
    timeout_shares: dict[str, float] = field(default_factory=dict)
    circuits: dict[str, float] = field(default_factory=dict)
    memory_shares: dict[str, float] = field(default_factory=dict)
    backlog: float = CALM.backlog

    def drift(self, to: Conditions, seconds: float) -> None:
        part = 1.0 - math.exp(-seconds / _EASE_SECONDS)
        self.error_share += (to.error_share - self.error_share) * part
        for held, wanted in ((self.timeout_shares, to.timeout_shares), (self.memory_shares, to.memory_shares)):
            for key in {*held, *wanted}:
                held[key] = held.get(key, 0.0) + (wanted.get(key, 0.0) - held.get(key, 0.0)) * part
        self.circuits = dict(to.circuits)
        self.backlog += (to.backlog - self.backlog) * (1.0 - math.exp(-seconds / (2.0 * _EASE_SECONDS)))


class Simulator:
    """Counters continue from whatever `advance` was told before: first the history, then the live scrapes.

    `begin` starts the scenario; until then the platform is calm (or silent, where the scenario has no traffic at all).
    The same seed and the same calls give the same text.
    """

    def __init__(self, scenario: Scenario, cluster: ClusterView, *, seed: int, now: float) -> None:
        self.scenario = scenario
        self.fare = Fare()
        self.metrics = Metrics()
        self._cluster = cluster
        self._seed = seed
        self._at = now
        self._start: Start | None = None
        self._traffic = self._wanted().traffic
        self._lock = threading.Lock()

    def begin(self) -> None:
        """From now on the scenario's trouble is there."""
        provider = self._cluster.deployment(SLOW_DEPLOYMENT)
        self._start = Start(restarted_at=provider.restarted_at if provider else "")

    def exposition(self, now: float) -> str:
        """The text of /metrics at `now` (Unix seconds)."""
        with self._lock:
            self._live(now)
            return self.metrics.text()

    def live(self, now: float) -> None:
        """Small steps to `now`, with whatever trouble there is."""
        with self._lock:
            self._live(now)

    def _live(self, now: float) -> None:
        wanted = self._wanted()
        step = max(_STEP_SECONDS, (now - self._at) / _MOST_STEPS)  # a laptop that slept all night wakes up at once
        while self._at + step <= now:
            self._step(step, wanted)
        if now > self._at:
            self._step(now - self._at, wanted)

    def advance(self, now: float) -> None:
        """One coarse step of the history."""
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
        """0..1 of all OCR and Vision requests that were ever counted."""
        failed = asked = 0.0
        for name in ("ocr_requests_total", "vision_requests_total"):
            failed += self.metrics.total(name, containing='status="error"')
            asked += self.metrics.total(name)
        return failed / asked if asked else 0.0

    def _wanted(self) -> Conditions:
        start = self._start
        if start is None:
            probe = self.scenario.conditions(self._cluster, Start())
            return CALM if probe.traffic else Conditions(traffic=False, backlog=0.0)
        return self.scenario.conditions(self._cluster, start)

    def _step(self, seconds: float, wanted: Conditions | None) -> None:
        self._at += seconds
        if wanted is not None:
            self.fare.drift(wanted, seconds)
            self._traffic = wanted.traffic
        elif not self._traffic:
            self.fare.backlog = 0.0
        if self._traffic:
            for provider in traffic.PROVIDERS:
                self._serve(provider, seconds)
            self._analyse(seconds)
            self._small_counters(seconds)
        self._gauges()
        self._pods(seconds, past=wanted is None)

    def base_errors(self) -> float:
        """Share of requests that fail without any scenario; the history's bad half-hours end where the story begins."""
        if self._start is not None:
            return traffic.CALM_ERROR_SHARE * (1.0 + 0.35 * traffic.noise(self._seed, "errors", self._at))
        return traffic.history_error_share(self._seed, self._at)

    def _serve(self, provider: traffic.Provider, seconds: float) -> None:
        add = self.metrics.add
        service, label = provider.service, f'provider="{provider.name}"'
        count = traffic.per_second(self._seed, provider, self._at) * seconds
        timeout_share = self.fare.timeout_shares.get(provider.name, 0.0) if service == "ocr" else 0.0
        failed = min(1.0, self.base_errors() + self.fare.error_share) * count
        for code, stage, share in traffic.CODES[service]:
            stage_label = f',stage="{stage}"' if stage else ""
            add(f"{service}_errors_total", f'{label},code="{code}"{stage_label}', failed * share)
        timeouts = timeout_share * count
        if timeouts > 1e-6:
            add("ocr_errors_total", f'{label},code="PROVIDER_TIMEOUT",stage="infer"', timeouts)
        cached = traffic.CACHE_HIT_SHARE * (count - failed - timeouts) if service == "ocr" else 0.0
        add(f"{service}_requests_total", f'{label},status="error"', failed + timeouts)
        add(f"{service}_requests_total", f'{label},status="cache_hit"', cached)
        add(f"{service}_requests_total", f'{label},status="success"', count - failed - timeouts - cached)
        shares, mean = traffic.shares_below(provider, timeout_share), traffic.mean_seconds(provider, timeout_share)
        name = f"{service}_processing_duration_seconds"
        self.metrics.observe(name, label, count=count, edges=traffic.EDGES, shares=shares, mean=mean)
        if service == "ocr":
            self._stages(provider, count, timeout_share)

    def _stages(self, provider: traffic.Provider, count: float, timeout_share: float) -> None:
        label = f'provider="{provider.name}"'
        for stage, part in traffic.STAGES:
            late = timeout_share if stage == "infer" else 0.0
            median = provider.median_seconds * part
            shares = tuple(traffic.below(e, median=median, spread=provider.spread, timeout_share=late) for e in traffic.EDGES)
            mean = traffic.mean_seconds(provider) * part * (1.0 - late) + late * traffic.TIMEOUT_SECONDS
            labels = f'{label},stage="{stage}"'
            self.metrics.observe(
                "ocr_stage_duration_seconds", labels, count=count, edges=traffic.EDGES, shares=shares, mean=mean
            )
        self.metrics.observe(
            "ocr_confidence_distribution",
            label,
            count=count,
            edges=_CONFIDENCE_EDGES,
            shares=_CONFIDENCE_SHARES,
            mean=0.89,
        )

    def _analyse(self, seconds: float) -> None:
        add = self.metrics.add
        count = traffic.analysis_per_second(self._seed, self._at) * seconds
        failed = min(1.0, self.base_errors() + self.fare.error_share) * count
        for code, stage, share in traffic.CODES["analysis"]:
            add("analysis_errors_total", f'stage="{stage}",code="{code}"', failed * share)
        add("analysis_requests_total", 'status="error"', failed)
        add("analysis_requests_total", 'status="success"', count - failed)
        add("analysis_rejections_total", 'reason="unsupported_format"', 0.002 * count)
        for stage, median in (("parse", 0.08), ("features", 0.25), ("classify", 0.06)):
            shares = tuple(traffic.below(edge, median=median, spread=0.5) for edge in traffic.EDGES)
            name, labels = "analysis_stage_duration_seconds", f'stage="{stage}"'
            self.metrics.observe(name, labels, count=count, edges=traffic.EDGES, shares=shares, mean=median * 1.13)
        for name in ("classification_prediction_drift_score", "material_distribution_drift_score"):
            self.metrics.observe(name, "", count=count, edges=_DRIFT_EDGES, shares=_DRIFT_SHARES, mean=0.06)
        self.metrics.observe("v4_surface_count", "", count=count, edges=_SURFACE_EDGES, shares=_SURFACE_SHARES, mean=96.0)
        self.metrics.observe("v4_shape_entropy", "", count=count, edges=_ENTROPY_EDGES, shares=_ENTROPY_SHARES, mean=3.1)
        hit = 0.86 + 0.03 * traffic.noise(self._seed, "cache", self._at)
        add("feature_cache_hits_total", "", count * hit)
        add("feature_cache_miss_total", "", count * (1.0 - hit))
        add("feature_cache_evictions_total", "", count * 0.02)
        add("classification_cache_hits_total", "", count * 0.72)
        add("classification_cache_miss_total", "", count * 0.28)

    def _small_counters(self, seconds: float) -> None:
        scale = traffic.shape(self._at) * seconds
        add = self.metrics.add
        add("ocr_input_rejected_total", 'reason="too_large"', 0.03 * scale)
        add("ocr_input_rejected_total", 'reason="unsupported_type"', 0.05 * scale)
        add("vision_input_rejected_total", 'reason="base64_invalid"', 0.02 * scale)
        add("vision_input_rejected_total", 'reason="too_large"', 0.02 * scale)
        add("dedup2d_jobs_total", 'status="success"', 3.0 * scale)
        add("dedup2d_jobs_total", 'status="error"', 0.01 * scale)
        add("feature_cache_tuning_requests_total", 'status="ok"', 0.002 * scale)
        add("classification_rate_limited_total", "", 0.01 * scale)
        add("model_opcode_scans_total", "", 0.05 * scale)
        add("vector_migrate_total", 'status="migrated"', 0.2 * scale)
        add("vector_migrate_total", 'status="downgraded"', 0.002 * scale)
        self.metrics.observe(
            "vector_migrate_dimension_delta",
            "",
            count=0.2 * scale,
            edges=_DELTA_EDGES,
            shares=_DELTA_SHARES,
            mean=1.2,
        )
        add("compare_requests_total", 'status="success"', 2.0 * scale)
        add("compare_requests_total", 'status="not_found"', 0.02 * scale)

    def _gauges(self) -> None:
        put, now = self.metrics.put, self._at
        for provider in traffic.PROVIDERS:
            if provider.service == "ocr":
                put("ocr_model_loaded", f'provider="{provider.name}"', 1.0)
                put("ocr_circuit_state", f'key="ocr:cb:{provider.name}"', self.fare.circuits.get(provider.name, 0.0))
        put("dedupcad_vision_circuit_state", 'endpoint="search"', 0.0)
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
        put("redis_up", "", 1.0)
        volume = f'namespace="{NAMESPACE}",persistentvolumeclaim="models"'
        put("kubelet_volume_stats_capacity_bytes", volume, DISK_BYTES)
        put("kubelet_volume_stats_available_bytes", volume, round(DISK_BYTES * 0.61))
        disk = 'device="/dev/sda1",fstype="ext4",mountpoint="/"'
        put("node_filesystem_size_bytes", disk, DISK_BYTES)
        put("node_filesystem_avail_bytes", disk, round(DISK_BYTES * (0.42 + 0.02 * traffic.noise(self._seed, "disk", now))))

    def queue_depth(self, at: float) -> float:
        if self.fare.backlog <= 0.0:
            return 0.0
        return float(
            round(max(0.0, self.fare.backlog * (1.0 + 0.4 * traffic.noise(self._seed, "queue", at, every_seconds=30))))
        )

    def service_error_share(self, service: str) -> float:
        """0..1, what the platform's own smoothed error rate says."""
        if not self._traffic:
            return 0.0
        share = self.base_errors() + self.fare.error_share
        if service == "ocr":
            own = [item for item in traffic.PROVIDERS if item.service == "ocr"]
            late = sum(item.per_second * self.fare.timeout_shares.get(item.name, 0.0) for item in own)
            share += late / sum(item.per_second for item in own)
        return share

    def cpu_share(self, deployment: str, at: float) -> float:
        """0..1 of the limit."""
        busy = 0.18 + (0.36 * traffic.shape(at) if self._traffic else 0.0)
        return busy * (1.0 + 0.1 * traffic.noise(self._seed, f"cpu {deployment}", at))

    def memory_share(self, deployment: str, at: float) -> float:
        """0..1 of the limit."""
        usual = 0.55 + 0.04 * traffic.noise(self._seed, f"memory {deployment}", at, every_seconds=1800.0)
        return max(usual, self.fare.memory_shares.get(deployment, 0.0))

    def _pods(self, seconds: float, *, past: bool) -> None:
        put = self.metrics.put
        gauges = (
            "container_memory_working_set_bytes",
            "container_spec_memory_limit_bytes",
            "kube_pod_container_resource_limits",
            "kube_pod_status_ready",
            "kube_pod_status_phase",
            "kube_pod_container_status_restarts_total",
            "kube_deployment_spec_replicas",
            "kube_deployment_status_replicas_ready",
            "kube_pod_container_info",
        )
        for name in gauges:
            self.metrics.forget(name)
        here: set[str] = set()
        cores, limit = CPU_LIMIT_CORES, MEMORY_LIMIT_BYTES
        for deployment in WORKLOADS:
            view = self._cluster.deployment(deployment)
            if view is None:
                continue
            # The cluster is as it is now: in the history the bad release was not out yet.
            image = view.image.replace(f":{BAD_IMAGE_TAG}", f":{GOOD_IMAGE_TAG}") if past else view.image
            named = f'namespace="{NAMESPACE}",deployment="{deployment}"'
            put("kube_deployment_spec_replicas", named, view.wanted)
            put("kube_deployment_status_replicas_ready", named, view.ready)
            for number, (pod, ready) in enumerate(self._cluster.pods(deployment)):
                place = f'namespace="{NAMESPACE}",pod="{pod}"'
                labels = f'{place},container="{deployment}"'
                here.add(labels)
                used = self.memory_share(deployment, self._at) * (1.0 - 0.01 * number)
                self.metrics.add(
                    "container_cpu_usage_seconds_total", labels, self.cpu_share(deployment, self._at) * cores * seconds
                )
                put("container_memory_working_set_bytes", labels, round(used * limit))
                put("container_spec_memory_limit_bytes", labels, limit)
                put("kube_pod_container_resource_limits", f'{labels},resource="cpu",unit="core"', cores)
                put("kube_pod_container_resource_limits", f'{labels},resource="memory",unit="byte"', limit)
                put("kube_pod_status_ready", f'{place},condition="true"', 1.0 if ready else 0.0)
                put("kube_pod_status_phase", f'{place},phase="Running"', 1.0)
                put("kube_pod_container_status_restarts_total", labels, 0.0)
                put("kube_pod_container_info", f'{labels},image="{image}"', 1.0)
        self.metrics.keep_only("container_cpu_usage_seconds_total", here)
