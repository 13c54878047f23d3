"""`make rules-test`: what promtool and amtool say of every rule, unit test and route of the platform, with the counts."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from console.demo.server_binaries import BinaryNotFound, Servers, provide_servers
from queries.promql.rule_files import RuleFile, read_rules
from queries.promql.rule_templates import render
from queries.yaml import load_yaml

FOLDER = Path(__file__).resolve().parents[2] / "queries" / "rules"


@dataclass(frozen=True, slots=True)
class Report:
    """How much there is, and what is wrong with it; nothing where it is all well."""

    recording: int
    alerts: int
    cases: int
    routes: int
    failures: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Route:
    """A set of labels and who has to be told of it, in Alertmanager's order."""

    labels: dict[str, str]
    receivers: tuple[str, ...]


def examine(source: Path, tools: Servers) -> Report:
    """Everything in a folder of rules, their tests and the routing; the rules as a server takes them."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(source, folder, dirs_exist_ok=True)
        for path in folder.glob("*.yaml"):
            path.write_text(render(path.read_text(encoding="utf-8"), where=path.name), encoding="utf-8")
        return _examine(folder, tools)


def _examine(folder: Path, tools: Servers) -> Report:
    paths = sorted(path for path in folder.glob("*.yaml") if path.name != "alertmanager.yaml")
    files = [read_rules(path.read_text(encoding="utf-8"), path=str(path)) for path in paths]
    alerts = [item.rule for file in files for item in file.rules if item.rule.kind.value == "alert"]
    tests = sorted((folder / "tests").glob("*.test.yaml"))
    routing = str(folder / "alertmanager.yaml")
    table = _mapping(folder / "tests" / "routes.yaml")
    routes = tuple(_routes(table, files))
    requested = [
        *([tools.promtool, "check", "rules", str(path)] for path in paths),
        *([tools.promtool, "test", "rules", str(copy)] for path in tests for copy in _with_what_each_reads(path)),
        [tools.amtool, "check-config", routing],
        *(_asked(tools.amtool, routing, route) for route in routes),
    ]
    with ThreadPoolExecutor(os.cpu_count()) as hands:
        failures = [text for text in hands.map(_run, requested) if text]
    unknown = {dict(rule.labels).get("component", "") for rule in alerts} - set(table["components"])
    failures += list(_misnamed(tests, {rule.name for rule in alerts}))
    failures += [f"routes.yaml has no component {name or '(none)'}" for name in sorted(unknown)]
    return Report(
        recording=sum(len(file.rules) for file in files) - len(alerts),
        alerts=len(alerts),
        cases=sum(map(_cases, tests)),
        routes=len(routes),
        failures=tuple(failures),
    )


def _with_what_each_reads(test: Path) -> Iterator[Path]:
    """A copy of each series of cases that loads only the rules that it reads, directly or through other rules.

    promtool evaluates every loaded rule at every step of every case, also those that nobody looks at: with all of them it takes
    many times as long. A rule is read by whatever spells its name: an expression, an annotation, a case.
    """
    content = _mapping(test)
    loaded = {name: _mapping((test.parent / name).resolve()) for name in content["rule_files"]}
    for number, case in enumerate(content["tests"]):
        folder = test.parent / f"{test.name.removesuffix('.test.yaml')}-{number}"
        folder.mkdir()
        for name, groups in _rules_read(case, loaded).items():
            (folder / Path(name).name).write_text(yaml.safe_dump({"groups": groups}, sort_keys=False), encoding="utf-8")
        copy = folder / test.name
        alone = {**content, "rule_files": [Path(name).name for name in loaded], "tests": [case]}
        copy.write_text(yaml.safe_dump(alone, sort_keys=False), encoding="utf-8")
        yield copy


def _rules_read(case: dict[str, Any], loaded: Mapping[str, dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """The groups of each file with only what the case reads."""
    rules = [rule for file in loaded.values() for group in file["groups"] for rule in group["rules"]]
    read: set[str] = set()
    words = _words(case)
    patterns = re.findall(r'__name__=~"([^"]+)"', str(case))
    words |= {_name(rule) for rule in rules if any(re.fullmatch(pattern, _name(rule)) for pattern in patterns)}
    words |= {_name(rule) for rule in rules if "alert" in rule and "ALERTS" in words}
    while words - read:
        read |= words
        words = _words([rule for rule in rules if _name(rule) in read])
    found = {}
    for name, file in loaded.items():
        groups = [{**group, "rules": [rule for rule in group["rules"] if _name(rule) in read]} for group in file["groups"]]
        found[name] = [group for group in groups if group["rules"]]
    return found


def _words(part: object) -> set[str]:
    return set(re.findall(r"[a-zA-Z_:][a-zA-Z0-9_:]*", yaml.safe_dump(part, width=1_000_000)))


def _name(rule: dict[str, Any]) -> str:
    return str(rule.get("record") or rule["alert"])


def _routes(table: dict[str, Any], files: Iterable[RuleFile]) -> Iterator[Route]:
    severities = {name: tuple(receivers) for name, receivers in table["severities"].items()}
    for severity, receivers in severities.items():
        for component in table["components"]:
            yield Route({"severity": severity, "component": component}, receivers)
    others = [Route(dict(item["labels"]), tuple(item["receivers"])) for item in table["others"]]
    yield from others
    own = {route.labels["alertname"]: route.receivers for route in others}
    for file in files:
        for item in file.rules:
            if item.rule.kind.value == "alert":
                labels = {"alertname": item.rule.name, **dict(item.rule.labels)}
                yield Route(labels, own.get(item.rule.name, severities.get(labels.get("severity", ""), ())))


def _asked(amtool: str, routing: str, route: Route) -> list[str]:
    expected = f"--verify.receivers={','.join(route.receivers)}"
    labels = [f"{name}={value}" for name, value in route.labels.items()]
    return [amtool, "config", "routes", "test", f"--config.file={routing}", expected, *labels]


def _cases(path: Path) -> int:
    found = _mapping(path)["tests"]
    return sum(len(test.get(key, ())) for test in found for key in ("alert_rule_test", "promql_expr_test"))


def _misnamed(tests: Iterable[Path], alerts: set[str]) -> Iterator[str]:
    """Cases of an alert that no rule has: promtool passes them where they expect none."""
    for path in tests:
        cases = [case for test in _mapping(path)["tests"] for case in test.get("alert_rule_test", ())]
        for name in sorted({case["alertname"] for case in cases} - alerts):
            yield f"{path.name} tests the alert {name}, which no rule has"


def _mapping(path: Path) -> dict[str, Any]:
    found = load_yaml(path.read_text(encoding="utf-8"), where=path.name)
    if not isinstance(found, dict):
        raise TypeError(f"{path.name} is not a mapping")
    return found


def _run(command: list[str]) -> str:
    """Empty where the program is content, else the command and all that it said."""
    answer = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    output = f"{answer.stdout}{answer.stderr}".strip()
    return "" if answer.returncode == 0 else f"{' '.join(command)}\n{output}"


def main() -> int:
    try:
        tools = provide_servers(lambda progress: print(progress, file=sys.stderr))
    except BinaryNotFound as error:
        print(error, file=sys.stderr)
        return 1
    report = examine(FOLDER, tools)
    for text in report.failures:
        print(f"FAILED {text}\n")
    print(f"{report.recording} recording rules, {report.alerts} alerts, {report.cases} unit-test cases, {report.routes} routes")
    print(f"{len(report.failures)} failures" if report.failures else "promtool and amtool have nothing against any of them")
    return 1 if report.failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
