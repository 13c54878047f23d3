"""The settings in effect: a line for every key of the config file, with what it says."""

from __future__ import annotations

import argparse
from pathlib import Path

from console.config.effective_settings import describe_settings
from console.config.load import load_settings
from console.config.schema import DOCUMENT, ENVIRONMENT

CONFIG = """\
default_environment: staging
environments:
  staging:
    prometheus: http://127.0.0.1:9090
    rule_windows: {5m: 10m}
    freeze: [{from: "2026-12-20", to: "2027-01-04", reason: end of the year}]
heartbeat_alert: DeadMansSwitch
severities: {page: P1, ticket: P3}
error_codes: {GPU_LOST: INTERNAL_ERROR}
error_codes_window: 30m
shift_hours: 8
notify:
  desktop: osc9
  quiet_hours: {from: "22:00", to: "06:00"}
recorder: {keep: 3d, max_bytes: 200MB}
"""


def _described(tmp_path: Path, text: str) -> dict[str, tuple[str, str]]:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    path.chmod(0o600)
    settings = load_settings(argparse.Namespace(config=str(path)), environ={"HOME": str(tmp_path)})
    return {item.key: (item.value, item.origin) for item in describe_settings(settings)}


def test_every_key_of_the_file_has_its_line(tmp_path: Path) -> None:
    """`default_environment` chooses the environment, which has its own line; every other key stands under its own name."""
    keys = {*DOCUMENT.keys, *ENVIRONMENT.keys} - {"default_environment"}
    assert len(keys) > 30
    assert not keys - set(_described(tmp_path, CONFIG))


def test_a_line_says_what_the_file_says(tmp_path: Path) -> None:
    """Each value as it is in effect, with the line of the file that it came from."""
    shown = _described(tmp_path, CONFIG)
    expected = {
        "environments": "staging",
        "rule_windows": "5m recorded over 10m",
        "freeze": "1 in config",
        "heartbeat_alert": "DeadMansSwitch",
        "severities": "page is P1, ticket is P3",
        "error_codes": "GPU_LOST is INTERNAL_ERROR",
        "error_codes_window": "30m",
        "shift_hours": "8",
        "notify": "bell: P1; title: P1; desktop by osc9: P1, P2; quiet from 22:00 to 06:00",
        "recorder": "keeps 3d, at most 200 MB",
    }
    assert {key: shown[key][0] for key in expected} == expected
    for key in expected:
        assert "line" in shown[key][1], (key, shown[key])
