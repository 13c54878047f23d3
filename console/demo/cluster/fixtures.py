"""The platform's objects: Deployments, autoscaler, budgets, settings and services."""

from __future__ import annotations

from typing import Any

from console.demo.cluster.resource import Object
from queries.text.times import format_time

REGISTRY = "registry.example.com/cad-ml"

_WORKLOADS: tuple[tuple[str, str, int, str, str, dict[str, str]], ...] = (
    # name, component, replicas, image, tag, settings
    ("cad-ml-api", "platform", 3, "api", "1.8.2", {"LOG_LEVEL": "INFO", "METRICS_PORT": "8000", "ENABLE_PROFILING": "false"}),
    ("ocr-provider-paddle", "ocr", 2, "ocr-paddle", "2.7.1", {"OCR_TIMEOUT_MS": "4000"}),
    ("ocr-provider-deepseek", "ocr", 2, "ocr-deepseek", "1.4.0", {"OCR_TIMEOUT_MS": "4000"}),
    ("ocr-provider-tesseract", "ocr", 1, "ocr-tesseract", "5.3.4", {"OCR_TIMEOUT_MS": "4000"}),
    ("vision-provider-dedupcad", "vision", 2, "vision-dedupcad", "0.9.6", {"VISION_TIMEOUT_MS": "5000"}),
    ("vision-provider-clip", "vision", 1, "vision-clip", "1.1.0", {"VISION_TIMEOUT_MS": "5000"}),
    ("cad-render", "platform", 2, "render", "3.2.0", {"RENDER_DPI": "300"}),
)


def deployment(
    name: str,
    *,
    namespace: str,
    image: str,
    replicas: int,
    component: str = "platform",
    env: dict[str, str] | None = None,
    cause: str = "",
) -> Object:
    """A Deployment of the platform; its pods have the label `app` and the scrape annotations."""
    scrape = {"prometheus.io/scrape": "true", "prometheus.io/port": "8000", "prometheus.io/path": "/metrics"}
    container: dict[str, Any] = {
        "name": name,
        "image": image,
        "ports": [{"name": "http", "containerPort": 8000}],
        "env": [{"name": key, "value": value} for key, value in (env or {}).items()],
        "resources": {"requests": {"cpu": "250m", "memory": "512Mi"}, "limits": {"cpu": "1", "memory": "1Gi"}},
    }
    labels = {"app": name, "component": component}
    meta: dict[str, Any] = {"name": name, "namespace": namespace, "labels": labels}
    if cause:
        meta["annotations"] = {"kubernetes.io/change-cause": cause}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": meta,
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": labels, "annotations": scrape}, "spec": {"containers": [container]}},
        },
    }


def node(name: str, *, now: str) -> Object:
    """A healthy node with room for the platform."""
    healthy = (
        ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
    )
    conditions = [
        {"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": now}
        for kind, status, reason, message in healthy
    ]
    room = {"cpu": "8", "memory": "32Gi", "pods": "110"}
    status = {
        "conditions": conditions, "capacity": room, "allocatable": room, "nodeInfo": {"kubeletVersion": "v1.36.3"},
    }  # fmt: skip
    return {"metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}}, "spec": {}, "status": status}


def platform(namespace: str) -> tuple[Object, ...]:
    """All objects; the autoscaler's range covers the scaling that the runbooks prescribe."""
    items: list[Object] = []
    for name, component, replicas, image, tag, env in _WORKLOADS:
        items.append(
            deployment(
                name,
                namespace=namespace,
                image=f"{REGISTRY}/{image}:{tag}",
                replicas=replicas,
                component=component,
                env=env,
                cause=f"release {tag}",
            )
        )
        items.append(
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
                "spec": {"selector": {"app": name}, "ports": [{"name": "http", "port": 80, "targetPort": 8000}]},
            }
        )
    utilisation = (("cpu", 70), ("memory", 80))
    items.append(
        {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "cad-ml-api", "namespace": namespace},
            "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "cad-ml-api"},
                "minReplicas": 3,
                "maxReplicas": 20,
                "metrics": [
                    {
                        "type": "Resource",
                        "resource": {"name": name, "target": {"type": "Utilization", "averageUtilization": at}},
                    }
                    for name, at in utilisation
                ],
            },
        }
    )
    items.append(
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": {"name": "cad-ml-api", "namespace": namespace},
            "spec": {"minAvailable": 2, "selector": {"matchLabels": {"app": "cad-ml-api"}}},
        }
    )
    items.append(
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "models", "namespace": namespace},
            "spec": {"storageClassName": "standard", "resources": {"requests": {"storage": "100Gi"}}},
            "status": {"phase": "Bound", "capacity": {"storage": "100Gi"}},
        }
    )
    items.append(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "circuit-breaker-config", "namespace": namespace},
            "data": {"failure_threshold": "5", "recovery_timeout_seconds": "30", "half_open_max_calls": "3"},
        }
    )
    return tuple(items)


def backup(namespace: str, *, now: float) -> Object:
    """The nightly backup at 03:10 UTC, which succeeded after a minute."""
    last_run = (now - 191.5 * 60.0) // 86400.0 * 86400.0 + 190 * 60.0
    container = {"name": "backup", "image": f"{REGISTRY}/backup:1.2.0"}
    template = {"spec": {"containers": [container], "restartPolicy": "OnFailure"}}
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "nightly-backup", "namespace": namespace, "labels": {"app": "nightly-backup"}},
        "spec": {"schedule": "10 3 * * *", "suspend": False, "jobTemplate": {"spec": {"template": template}}},
        "status": {"lastScheduleTime": format_time(last_run), "lastSuccessfulTime": format_time(last_run + 60.0)},
    }


def companions(namespace: str) -> tuple[tuple[float, tuple[Object, ...]], ...]:
    """What runs beside the platform, in the order of its rollouts: the age in seconds, and the objects.

    Redis is a StatefulSet and the agent that collects the logs a DaemonSet, each with two revisions.
    """
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "redis", "namespace": namespace, "labels": {"app": "redis"}},
        "spec": {"clusterIP": "None", "selector": {"app": "redis"}, "ports": [{"name": "redis", "port": 6379}]},
    }
    day = 86400.0
    return (
        (
            30 * day,
            (service, _redis(namespace, "7.2.5", "--maxmemory 1gb"), _log_agent(namespace, "1.4.2", "info")),
        ),
        (9 * day, (_redis(namespace, "7.4.1", "--maxmemory 2gb"),)),
        (4 * day, (_log_agent(namespace, "1.5.1", "warn"),)),
    )


def _redis(namespace: str, tag: str, options: str) -> Object:
    storage = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "10Gi"}}}
    claim = {"metadata": {"name": "data"}, "spec": {**storage, "storageClassName": "standard"}}
    container = {
        "image": f"{REGISTRY}/redis:{tag}",
        "ports": [{"name": "redis", "containerPort": 6379}],
        "env": [{"name": "REDIS_OPTIONS", "value": options}],
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
    }
    spec = {"replicas": 2, "serviceName": "redis", "volumeClaimTemplates": [claim]}
    return _companion("StatefulSet", "redis", tag, {"containers": [container]}, namespace=namespace, **spec)


def _log_agent(namespace: str, tag: str, level: str) -> Object:
    container = {
        "image": f"{REGISTRY}/log-agent:{tag}",
        "env": [{"name": "AGENT_LOG_LEVEL", "value": level}],
        "volumeMounts": [{"name": "logs", "mountPath": "/var/log/pods", "readOnly": True}],
    }
    volumes = [{"name": "logs", "hostPath": {"path": "/var/log/pods"}}]
    pod = {"containers": [container], "volumes": volumes}
    return _companion("DaemonSet", "log-agent", tag, pod, namespace=namespace)


def _companion(kind: str, name: str, tag: str, pod: dict[str, Any], *, namespace: str, **spec: Any) -> Object:
    labels = {"app": name, "component": "infrastructure"}
    resources = {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"cpu": "1", "memory": "1Gi"}}
    containers = [{"name": name, "resources": resources, **item} for item in pod["containers"]]
    template = {"metadata": {"labels": labels}, "spec": {**pod, "containers": containers}}
    notes = {"kubernetes.io/change-cause": f"release {tag}"}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace, "labels": labels, "annotations": notes},
        "spec": {"selector": {"matchLabels": {"app": name}}, "template": template, **spec},
    }
