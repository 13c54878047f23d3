"""Inhibition on a real Alertmanager with the platform's own routing: the wider alert silences the narrower, and no other."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from servers import start_alertmanager

from console.demo import server_config
from queries.promql.rule_files import load_built_in
from queries.promql.rule_templates import rule_text

pytestmark = pytest.mark.servers

Labels = Mapping[str, str]


def _of_rules() -> dict[str, dict[str, str]]:
    """The labels that each alert of the rule set has of its own, by its name."""
    found = {}
    for file in load_built_in():
        for item in file.rules:
            if item.rule.kind.value == "alert":
                fixed = {name: value for name, value in item.rule.labels if "{{" not in value}
                found[item.rule.name] = {"alertname": item.rule.name, **fixed}
    return found


ALERTS = _of_rules()
API_POD = {"namespace": "n", "pod": "cad-ml-api-1"}
PADDLE, DEEPSEEK = {"provider": "paddle"}, {"provider": "deepseek"}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    routing = server_config.quiet_routing(rule_text("alertmanager.yaml"), where="alertmanager.yaml")
    with start_alertmanager(routing, folder=tmp_path_factory.mktemp("inhibition")) as server:
        yield server.url


def fired(name: str, **labels: str) -> dict[str, str]:
    return {**ALERTS[name], **labels}


def suppressed(url: str, *labels: Labels) -> list[bool]:
    """Fires these alerts, waits until Alertmanager lists them, tells which are inhibited, and lets all of them end."""
    case = f"case-{time.monotonic_ns()}"
    # A cluster of its own keeps one case from silencing another's alerts.
    own = [{**item, "cluster": case + item.get("cluster", "")} for item in labels]
    now = time.time()
    _post(url, own, ends=now + 600)
    ends = time.monotonic() + 20.0
    while True:
        listed = [
            item for item in httpx.get(f"{url}/api/v2/alerts", timeout=5.0).json() if case in item["labels"].get("cluster", "")
        ]
        states = {frozenset(item["labels"].items()): item["status"] for item in listed}
        if len(states) == len(own) and all(item["state"] != "unprocessed" for item in states.values()):
            break
        assert time.monotonic() < ends, "Alertmanager never listed the alerts"
        time.sleep(0.05)
    _post(url, own, ends=now)
    return [bool(states[frozenset(item.items())]["inhibitedBy"]) for item in own]


def _post(url: str, alerts: list[dict[str, str]], *, ends: float) -> None:
    at = {"startsAt": _utc(time.time() - 60), "endsAt": _utc(ends)}
    body: list[dict[str, Any]] = [{"labels": item, "annotations": {}, **at} for item in alerts]
    httpx.post(f"{url}/api/v2/alerts", json=body, timeout=5.0).raise_for_status()


def _utc(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()


def test_without_metrics_everything_is_silenced_but_the_heartbeat(url: str) -> None:
    """NoMetricsData inhibits each of the other alerts, not the Watchdog and not itself; none of them inhibits it."""
    others = [name for name in ALERTS if name not in ("NoMetricsData", "Watchdog")]
    output = suppressed(url, fired("NoMetricsData"), fired("Watchdog"), *(fired(name) for name in others))
    assert output[:2] == [False, False]
    assert [name for name, silenced in zip(others, output[2:], strict=True) if not silenced] == []


@pytest.mark.parametrize(
    ("wide", "narrow"),
    [
        (fired("HighErrorRate"), fired("AvailabilityBudgetBurnFast")),
        (fired("HighErrorRate"), fired("AvailabilityBudgetBurnSlow")),
        (fired("AvailabilityBudgetBurnFast"), fired("AvailabilityBudgetBurnSlow")),
        (fired("LatencyBudgetBurnFast"), fired("LatencyBudgetBurnSlow")),
        (fired("ErrorBudgetCritical"), fired("SLOViolation", slo="availability")),
        (fired("ProviderDown", **PADDLE), fired("ProviderTimeout", **PADDLE)),
        (fired("ProviderDown", **PADDLE), fired("HighLatency", **PADDLE)),
        (fired("PodCrashLooping", **API_POD), fired("PodNotReady", **API_POD)),
        (fired("PodCrashLooping", **API_POD), fired("PodRestartingTooOften", **API_POD)),
        (fired("RollbackLevelCritical"), fired("ModelRollbackTriggered", level="2")),
    ],
    ids=lambda labels: labels["alertname"],
)
def test_the_wider_alert_silences_the_narrower_and_never_the_other_way_round(url: str, wide: Labels, narrow: Labels) -> None:
    """Of two that tell the same, the one that needs somebody first is told; alone the narrower is told too."""
    assert suppressed(url, wide, narrow) == [False, True]
    assert suppressed(url, narrow) == [False]


@pytest.mark.parametrize(
    ("loud", "cause"),
    [
        *((fired("HighErrorRate"), fired(name)) for name in ("ProviderDown", "PodCrashLooping", "RedisDown", "ModelLoadError")),
        *(
            (fired("AvailabilityBudgetBurnFast"), fired(name))
            for name in ("ProviderTimeout", "ResourceExhaustion", "DiskSpaceLow")
        ),
        (fired("LatencyBudgetBurnFast"), fired("HighLatency", **PADDLE)),
        (fired("ProviderDown", **PADDLE), fired("ModelLoadError", **PADDLE)),
        (fired("ProviderDown", **PADDLE), fired("ProviderTimeout", **DEEPSEEK)),
        (fired("PodCrashLooping", **API_POD), fired("PodNotReady", namespace="n", pod="cad-render-1")),
        (fired("ErrorBudgetCritical"), fired("SLOViolation", slo="latency")),
    ],
    ids=lambda labels: labels["alertname"],
)
def test_what_says_which_part_is_broken_is_never_silenced_by_what_says_that_something_is(
    url: str, loud: Labels, cause: Labels
) -> None:
    """Also another provider, another pod and the other objective stay to be told."""
    assert suppressed(url, loud, cause) == [False, False]


def test_one_environment_does_not_silence_another(url: str) -> None:
    """With staging and production on one Alertmanager, a dark staging hides nothing of production."""
    dark = fired("NoMetricsData", environment="staging")
    output = suppressed(url, dark, fired("RedisDown", environment="production"), fired("RedisDown", environment="staging"))
    assert output == [False, False, True]
