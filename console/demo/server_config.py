"""The platform's rules and routing with short windows and intervals for the demo."""

from __future__ import annotations

import re
from collections.abc import Collection
from importlib import resources
from typing import Any

import yaml

from console.demo.scenarios import RuleSet
from queries.promql.our_rules import rule_names
from queries.promql.rule_templates import rule_text
from queries.text.durations import DURATION, format_duration, parse_duration
from queries.yaml import load_yaml

JOB = "cad-ml-platform"
INSTANCE = "cad-ml-api:8000"
TARGET_LABELS = f'instance="{INSTANCE}",job="{JOB}"'
SCRAPE_SECONDS = 2
FOR_SECONDS = 6
_SLOW_EVALUATION_SECONDS = 10
_FOREIGN = "foreign_rules.yaml"
_RANGE = re.compile(rf"(?<=\[){DURATION}(?=\])|(?<=\boffset ){DURATION}")

_STATED = re.compile(r"(?<=\blast )(\d+) (minutes?|hours?|days?)\b")


def rule_files(sets: Collection[RuleSet]) -> dict[str, str]:
    """The production text of every rule file of these sets, by file name."""
    found = {name: rule_text(name) for name in rule_names()} if RuleSet.OURS in sets else {}
    if RuleSet.FOREIGN in sets:
        found[_FOREIGN] = (resources.files("console.demo") / _FOREIGN).read_text(encoding="utf-8")
    return found


def fast_window(duration: str) -> str:
    """A window or offset for a scrape interval of 2 s: 20 s for up to half an hour, else a sixtieth.

    Windows of a day or more stay, since they read the backfilled history.
    """
    length = parse_duration(duration)
    return duration if length >= 86400 else "20s" if length <= 1800 else format_duration(round(length / 60.0))


def fast_windows() -> dict[str, str]:
    """The windows of our rules that differ in the demo."""
    found = {match[0] for name in rule_names() for match in _RANGE.finditer(rule_text(name))}
    return {window: fast_window(window) for window in sorted(found) if fast_window(window) != window}


def fast_rules(text: str, *, where: str) -> str:
    """The same groups and rules with short windows, also in annotations, intervals and `for`. Raises YamlError."""
    document = _mapping(load_yaml(text, where=where), where)
    for group in document["groups"]:
        interval = parse_duration(group.get("interval", "30s"))
        group["interval"] = f"{SCRAPE_SECONDS if interval <= 60 else _SLOW_EVALUATION_SECONDS}s"
        for rule in group["rules"]:
            rule["expr"] = _RANGE.sub(lambda match: fast_window(match[0]), rule["expr"])
            for key, value in rule.get("annotations", {}).items():
                rule["annotations"][key] = _STATED.sub(lambda match: fast_window(match[1] + match[2][0]), str(value))
            if "for" in rule:
                rule["for"] = format_duration(min(parse_duration(rule["for"]), FOR_SECONDS))
    return _dump(document)


def quiet_routing(text: str, *, where: str) -> str:
    """The same routes and receivers with short waits, and without notifications."""
    document = _mapping(load_yaml(text, where=where), where)
    document["global"] = {"resolve_timeout": "1m"}
    document["route"].update(group_wait="1s", group_interval="2s", repeat_interval="1h")
    document["receivers"] = [{"name": receiver["name"]} for receiver in document["receivers"]]
    return _dump(document)


def prometheus_config(*, platform: str, alertmanager: str, rule_files: tuple[str, ...]) -> str:
    """`platform` and `alertmanager` are host:port."""
    return _dump(
        {
            "global": {
                "scrape_interval": f"{SCRAPE_SECONDS}s",
                "scrape_timeout": f"{SCRAPE_SECONDS}s",
                "evaluation_interval": f"{SCRAPE_SECONDS}s",
                "external_labels": {"environment": "demo"},
            },
            "rule_files": list(rule_files),
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]},
            "scrape_configs": [
                {
                    "job_name": JOB,
                    "static_configs": [{"targets": [platform], "labels": {"instance": INSTANCE}}],
                }
            ],
        }
    )


def _mapping(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"{where} is not a mapping")
    return value


def _dump(document: object) -> str:
    text: str = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=160)
    return text
