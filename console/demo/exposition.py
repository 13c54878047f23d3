"""The simulated platform's metric families, and their text exposition."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator

FAMILIES: tuple[tuple[str, str, str], ...] = (
    ("ocr_requests_total", "counter", "OCR requests by provider and status."),
    ("ocr_errors_total", "counter", "OCR errors by provider, code and stage."),
    ("ocr_input_rejected_total", "counter", "OCR inputs that were refused, by reason."),
    ("ocr_processing_duration_seconds", "histogram", "Duration of OCR requests by provider."),
    ("ocr_stage_duration_seconds", "histogram", "Duration of the stages of OCR requests."),
    ("ocr_confidence_distribution", "histogram", "Confidence of OCR results, 0 to 1."),
    ("ocr_model_loaded", "gauge", "Whether the provider's model is loaded."),
    ("ocr_circuit_state", "gauge", "Circuit breaker: 0 closed, 1 half-open, 2 open."),
    ("dedupcad_vision_circuit_state", "gauge", "Circuit breaker: 0 closed, 1 half-open, 2 open."),
    ("ocr_error_rate_ema", "gauge", "Smoothed share of OCR requests that fail, 0 to 1."),
    ("vision_error_rate_ema", "gauge", "Smoothed share of Vision requests that fail, 0 to 1."),
    ("vision_requests_total", "counter", "Vision requests by provider and status."),
    ("vision_errors_total", "counter", "Vision errors by provider and code."),
    ("vision_input_rejected_total", "counter", "Vision inputs that were refused, by reason."),
    ("vision_processing_duration_seconds", "histogram", "Duration of Vision requests by provider."),
    ("analysis_requests_total", "counter", "CAD analyses by status."),
    ("analysis_errors_total", "counter", "Errors of CAD analyses by stage and code."),
    ("analysis_rejections_total", "counter", "CAD analyses that were refused, by reason."),
    ("analysis_stage_duration_seconds", "histogram", "Duration of the stages of CAD analyses."),
    ("dedup2d_job_queue_depth", "gauge", "Deduplication jobs that wait."),
    ("dedup2d_jobs_queued", "gauge", "Deduplication jobs that wait, by backend."),
    ("dedup2d_jobs_active", "gauge", "Deduplication jobs that run, by backend."),
    ("dedup2d_jobs_total", "counter", "Deduplication jobs that ended, by status."),
    ("feature_cache_hits_total", "counter", "Feature cache hits."),
    ("feature_cache_miss_total", "counter", "Feature cache misses."),
    ("feature_cache_evictions_total", "counter", "Feature cache evictions."),
    ("feature_cache_size", "gauge", "Entries in the feature cache."),
    ("feature_cache_tuning_recommended_capacity", "gauge", "Entries the feature cache should hold."),
    ("feature_cache_tuning_recommended_ttl_seconds", "gauge", "Seconds an entry should live."),
    ("feature_cache_tuning_requests_total", "counter", "Requests for a tuning of the feature cache, by status."),
    ("classification_cache_hits_total", "counter", "Classification cache hits."),
    ("classification_cache_miss_total", "counter", "Classification cache misses."),
    ("classification_rate_limited_total", "counter", "Classifications refused for their rate."),
    ("model_opcode_mode", "gauge", "0 audit, 1 block."),
    ("model_opcode_scans_total", "counter", "Models whose opcodes were scanned."),
    ("model_opcode_blocked_total", "counter", "Models that were blocked, by opcode."),
    ("model_rollback_total", "counter", "Rollbacks of a model, by level."),
    ("model_rollback_level", "gauge", "How many models back the platform is."),
    ("model_snapshots_available", "gauge", "Models one can go back to."),
    ("model_interface_validation_fail_total", "counter", "Models whose interface was refused."),
    ("model_security_fail_total", "counter", "Models that were refused for security, by reason."),
    ("v4_surface_count", "histogram", "Surfaces of a part, feature version 4."),
    ("v4_shape_entropy", "histogram", "Entropy of a part's shape in bits, feature version 4."),
    ("vector_migrate_total", "counter", "Vector migrations by status."),
    ("vector_migrate_dimension_delta", "histogram", "Change of a vector's dimensions when it is migrated."),
    ("classification_prediction_drift_score", "histogram", "Drift of predictions, 0 to 1."),
    ("material_distribution_drift_score", "histogram", "Drift of materials, 0 to 1."),
    ("faiss_index_age_seconds", "gauge", "Age of the vector index."),
    ("faiss_degraded_duration_seconds", "gauge", "How long the vector index has been degraded."),
    ("compare_requests_total", "counter", "Comparisons by status."),
    ("container_cpu_usage_seconds_total", "counter", "CPU time of a container."),
    ("container_memory_working_set_bytes", "gauge", "Memory of a container that cannot be freed."),
    ("container_spec_memory_limit_bytes", "gauge", "Memory limit of a container."),
    ("kube_pod_container_resource_limits", "gauge", "Limits of a container, cores or bytes."),
    ("kube_pod_container_info", "gauge", "Which image a container runs."),
    ("kube_pod_status_ready", "gauge", "Whether a pod is ready."),
    ("kube_pod_container_status_restarts_total", "counter", "Restarts of a container."),
    ("kube_pod_status_phase", "gauge", "The phase that a pod is in."),
    ("kube_deployment_spec_replicas", "gauge", "Wanted pods of a Deployment."),
    ("kube_deployment_status_replicas_ready", "gauge", "Ready pods of a Deployment."),
    ("node_filesystem_avail_bytes", "gauge", "What is free of a file system, for everybody."),
    ("node_filesystem_size_bytes", "gauge", "The size of a file system."),
    ("kubelet_volume_stats_available_bytes", "gauge", "What is free of a pod's volume."),
    ("kubelet_volume_stats_capacity_bytes", "gauge", "The size of a pod's volume."),
    ("redis_up", "gauge", "Whether the exporter reaches Redis."),
)


class Metrics:
    """The values of all series, by family and label text. A counter appears when it is first increased."""

    def __init__(self) -> None:
        self._values: dict[str, dict[str, float]] = {name: {} for name, _, _ in FAMILIES}
        self._histograms: dict[str, dict[str, list[float]]] = {n: {} for n, kind, _ in FAMILIES if kind == "histogram"}
        self._edges: dict[str, tuple[float, ...]] = {}

    def add(self, name: str, labels: str, amount: float) -> None:
        if amount > 0:
            family = self._values[name]
            family[labels] = family.get(labels, 0.0) + amount

    def put(self, name: str, labels: str, value: float) -> None:
        self._values[name][labels] = value

    def forget(self, name: str) -> None:
        """Drop every series of a gauge family, before it is set anew for what exists now."""
        self._values[name].clear()

    def keep_only(self, name: str, labels: set[str]) -> None:
        family = self._values[name]
        for gone in [key for key in family if key not in labels]:
            del family[gone]

    def observe(
        self, name: str, labels: str, *, count: float, edges: tuple[float, ...], shares: tuple[float, ...], mean: float
    ) -> None:
        """Add `count` observations, of which `shares` are at most `edges`; buckets are cumulative."""
        if count <= 0:
            return
        self._edges[name] = edges
        held = self._histograms[name].setdefault(labels, [0.0] * (len(edges) + 2))
        for index, share in enumerate(shares):
            held[index] += count * share
        held[-2] += count
        held[-1] += count * mean

    def total(self, name: str, *, containing: str = "") -> float:
        """The sum of a family's series whose label text holds `containing`."""
        return sum(value for labels, value in self._values[name].items() if containing in labels)

    def samples(self, names: Collection[str] = ()) -> Iterator[tuple[str, str]]:
        """Series (`name{labels}`) and their values as text, of these families or all; counters are whole numbers."""
        for name, kind, _ in FAMILIES:
            if not names or name in names:
                yield from self._family(name, kind)

    def text(self) -> str:
        lines: list[str] = []
        for name, kind, says in FAMILIES:
            # A family without series is announced all the same, as the platform's own client does: nothing was counted yet.
            lines += [f"# HELP {name} {says}", f"# TYPE {name} {kind}"]
            lines += [f"{series} {value}" for series, value in self._family(name, kind)]
        return "\n".join(lines) + "\n"

    def _family(self, name: str, kind: str) -> Iterator[tuple[str, str]]:
        if kind == "histogram":
            for labels, held in self._histograms[name].items():
                comma = "," if labels else ""
                for edge, value in zip(self._edges[name], held, strict=False):
                    yield f'{name}_bucket{{{labels}{comma}le="{edge}"}}', str(math.floor(value))
                yield f'{name}_bucket{{{labels}{comma}le="+Inf"}}', str(math.floor(held[-2]))
                braced = f"{{{labels}}}" if labels else ""
                yield f"{name}_sum{braced}", f"{held[-1]:.6f}"
                yield f"{name}_count{braced}", str(math.floor(held[-2]))
            return
        whole = kind == "counter" and name != "container_cpu_usage_seconds_total"
        for labels, number in self._values[name].items():
            braced = f"{{{labels}}}" if labels else ""
            yield f"{name}{braced}", str(math.floor(number)) if whole else f"{number:.9g}"
