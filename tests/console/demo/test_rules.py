"""The rules as they are in production, and what the demo makes of them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.demo import server_config
from console.demo.server_binaries import Servers
from queries.model.dashboard import DASHBOARDS
from queries.promql.our_rules import rule_names
from queries.promql.rule_templates import rule_text
from queries.text.durations import parse_duration
from queries.yaml import load_yaml

RULES = Path(__file__).parents[3] / "queries" / "rules"
NAMES = rule_names()
STATED = re.compile(r"\blast \d+( minutes| hours?|s)\b")
RECORDING = tuple(name for name in NAMES if name.startswith("recording"))


def document(text: str) -> dict[str, Any]:
    found = load_yaml(text, where="test")
    assert isinstance(found, dict)
    return found


def rules(text: str) -> list[dict[str, Any]]:
    return [rule for group in document(text)["groups"] for rule in group["rules"]]


def test_every_rule_file_is_one_of_those_that_are_loaded() -> None:
    """No file of rules is forgotten by the demo, the manifests or the tests; recorded series come first."""
    found = {path.name for path in RULES.glob("*.yaml")} - {"alertmanager.yaml"}
    assert set(NAMES) == found and NAMES[: len(RECORDING)] == RECORDING


@pytest.mark.servers
@pytest.mark.parametrize("name", NAMES)
def test_fast_rules_are_still_rules(servers: Servers, name: str, tmp_path: Path) -> None:
    """What the demo loads is what promtool takes, with the same number of rules."""
    text = server_config.fast_rules(rule_text(name), where=name)
    (tmp_path / name).write_text(text)
    answer = subprocess.run(
        [servers.promtool, "check", "rules", str(tmp_path / name)], capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert f"{len(rules(rule_text(name)))} rules found" in answer.stdout


@pytest.mark.servers
def test_routing_is_taken_in_both_forms(servers: Servers, tmp_path: Path) -> None:
    """amtool accepts the production routing and the demo's, and the demo's sends nothing anywhere."""
    text = rule_text("alertmanager.yaml")
    quiet = server_config.quiet_routing(text, where="alertmanager.yaml")
    for name, content in (("real.yml", text), ("quiet.yml", quiet)):
        (tmp_path / name).write_text(content)
        answer = subprocess.run(
            [servers.amtool, "check-config", str(tmp_path / name)], capture_output=True, text=True, check=False
        )
        assert answer.returncode == 0, answer.stdout + answer.stderr
    before, after = document(text), document(quiet)
    assert [item["name"] for item in after["receivers"]] == [item["name"] for item in before["receivers"]]
    assert all(set(item) == {"name"} for item in after["receivers"])
    assert after["route"]["routes"] == before["route"]["routes"]
    assert after["inhibit_rules"] == before["inhibit_rules"]


@pytest.mark.parametrize("name", NAMES)
def test_only_windows_intervals_and_for_change(name: str) -> None:
    """The demo's rules differ from the production ones in nothing but time: names, labels and annotations stay, and a window
    that an annotation states is the one of the demo."""
    text = rule_text(name)
    pairs = list(zip(rules(text), rules(server_config.fast_rules(text, where=name)), strict=True))
    assert pairs
    for before, after in pairs:
        timeless = {"expr", "for", "annotations"}
        texts = (
            {key: STATED.sub("last", text) for key, text in rule.get("annotations", {}).items()} for rule in (before, after)
        )
        assert next(texts) == next(texts)
        assert {k: v for k, v in before.items() if k not in timeless} == {k: v for k, v in after.items() if k not in timeless}
        windows = [
            [parse_duration(window or offset) for window, offset in re.findall(r"\[(\w+)\]|offset (\w+)", rule["expr"])]
            for rule in (before, after)
        ]
        assert all(new <= max(20.0, old / 60.0) or new == old >= 86400.0 for old, new in zip(*windows, strict=True))
        assert ("[30d]" in before["expr"]) == ("[30d]" in after["expr"])
        assert parse_duration(after.get("for", "0s")) <= server_config.FOR_SECONDS


def test_every_series_is_recorded_once() -> None:
    """Every recorded name of the platform that its metrics can give is there, once; both objectives over eight windows."""
    names = [rule["record"] for name in RECORDING for rule in rules(rule_text(name))]
    assert len(names) == len(set(names)) >= 35
    windows = ("5m", "30m", "1h", "2h", "6h", "1d", "3d", "30d")
    assert {f"cad:slo_{kind}:ratio_rate{window}" for kind in ("errors", "slow") for window in windows} <= set(names)
    handed_over = {
        "platform_error_ratio", "ocr_error_ratio", "vision_error_ratio", "provider_health_score", "provider_timeout_rate",
        "provider_success_rate", "ocr_p95_latency_seconds", "vision_p95_latency_seconds", "ocr_avg_stage_duration_ms",
        "ocr_slowest_stage", "circuit_breaker_open_ratio", "platform_requests_per_second", "ocr_cache_hit_ratio",
        "dedup2d_job_error_rate", "slo_latency_compliance", "slo_availability", "error_budget_remaining", "ocr_avg_confidence",
        "ocr_low_confidence_ratio", "vision_base64_rejection_rate", "top_rejection_reason_rate", "memory_exhaustion_rate",
        "model_load_failure_rate", "cad:analysis_success_rate:5m", "cad:feature_cache_hit_rate:1h",
    }  # fmt: skip
    assert handed_over <= set(names)


def test_every_alert_says_what_to_read_and_do() -> None:
    """No alert lacks severity, component, summary, description, action or an absolute runbook_url whose runbook exists."""
    runbooks = {path.name for path in (RULES.parents[1] / "runbooks").glob("*.md")}
    titles = {title for _, title in DASHBOARDS}
    seen: set[str] = set()
    alerts = [rule for name in NAMES for rule in rules(rule_text(name)) if "alert" in rule]
    assert alerts
    for rule in alerts:
        assert rule["alert"] not in seen, "the same name twice"
        seen.add(rule["alert"])
        assert rule["labels"]["severity"] in ("critical", "warning", "info") and rule["labels"]["component"]
        assert {"summary", "description", "action", "runbook_url"} <= set(rule["annotations"]) and "for" in rule
        assert rule["annotations"]["dashboard"] in titles
        url = rule["annotations"]["runbook_url"]
        assert url.startswith("https://") and url.rpartition("/")[2] in runbooks
        assert "humanizePercentage" not in str(rule["annotations"])


@given(st.integers(1, 400), st.sampled_from(["s", "m", "h", "d", "w"]))
def test_windows_only_get_shorter(number: int, unit: str) -> None:
    """A window of half an hour or less becomes 20 s, a longer one a sixtieth of it, and from a day on it stays."""
    before = f"{number}{unit}"
    length, after = parse_duration(before), parse_duration(server_config.fast_window(before))
    assert after == (length if length >= 86400.0 else 20.0 if length <= 1800.0 else pytest.approx(length / 60.0, abs=0.5))


@pytest.mark.parametrize("text", ["", "5", "m", "5 m", "-5m", "5m!", "1.5h"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """Only Prometheus' own durations are read; anything else is an error, not 0 seconds."""
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(text)
