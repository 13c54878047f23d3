"""`cad-console dashboards`: exports the key dashboards for Grafana, and lints the queries of existing ones."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from console.cli.parser import add_flags
from console.config.errors import ConfigError
from console.config.load import load_settings
from console.state.snapshot_json import dumps
from queries.errors import SourceError
from queries.model.text import visible

if TYPE_CHECKING:
    from console.config.settings import Settings
    from queries.grafana.dashboard_lint import DashboardFinding
    from queries.grafana.model import GrafanaQueries

_UNKNOWN = 2


def add(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    export = verbs.add_parser("export", help="write the key dashboards as Grafana JSON, one file each")
    export.add_argument("--output", metavar="DIR", required=True, help="the output folder, created if missing")
    export.add_argument("--raw", action="store_true", help="for a Prometheus without the recording rules")
    add_flags(export)
    lint = verbs.add_parser(
        "lint",
        help="check that the queries of existing dashboards use existing metrics and labels, and return data",
        epilog="exits 0 clean, 1 with errors, 2 where the check was not possible, 3 with warnings only",
    )
    lint.add_argument("files", nargs="*", metavar="FILE", help="dashboards exported from Grafana")
    lint.add_argument("--live", action="store_true", help="also every dashboard of the configured Grafana")
    add_flags(lint)
    lint.add_argument("--format", choices=("text", "json"), default="text")


def run(arguments: argparse.Namespace) -> int:
    if arguments.verb == "export":
        return _export(Path(arguments.output), raw=arguments.raw)
    if not arguments.files and not arguments.live:
        print("cad-console dashboards lint: name files, or use --live", file=sys.stderr)
        return _UNKNOWN
    return _lint(load_settings(arguments), arguments)


def _export(folder: Path, *, raw: bool) -> int:
    from queries.grafana.export import export_dashboards  # imports YAML

    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, dashboard in export_dashboards(raw=raw).items():
            path = folder / f"{name.replace('_', '-')}.json"
            path.write_text(dashboard_text(dashboard), encoding="utf-8")
            print(path)
    except OSError as error:
        print(f"cad-console dashboards export: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


def dashboard_text(dashboard: dict[str, Any]) -> str:
    """The text of an exported file; deterministic."""
    return json.dumps(dashboard, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _lint(settings: Settings, arguments: argparse.Namespace) -> int:
    if settings.prometheus is None:
        raise ConfigError(source="PROMETHEUS_URL", expected="expected a Prometheus to check the queries against")
    if arguments.live and settings.grafana is None:
        raise ConfigError(
            source="GRAFANA_URL", expected="expected the URL of a Grafana, for --live; or set `grafana` in the config file"
        )
    try:
        boards, findings = asyncio.run(_check(settings, _read(arguments.files), live=arguments.live))
    except SourceError as error:
        print(f"cad-console dashboards lint: not checked: {visible(error.fault.sentence())}", file=sys.stderr)
        return _UNKNOWN
    count = sum(len(board.queries) for _, board in boards)
    if arguments.format == "json":
        unchecked = [{"dashboard": name, "queries": number, "why": why} for name, number, why in _unchecked(boards)]
        items = [_json(item) for item in findings]
        print(dumps({"dashboards": len(boards), "queries": count, "findings": items, "not_checked": unchecked}))
    else:
        _print(boards, findings, count)
    errors = sum(item.severity == "error" for item in findings)
    return 1 if errors else 3 if findings else 0


def _read(files: list[str]) -> tuple[list[tuple[str, Any]], list[DashboardFinding]]:
    """The JSON of every file by its name, and a finding for each that cannot be read."""
    from queries.grafana.dashboard_lint import DashboardFinding

    documents: list[tuple[str, Any]] = []
    broken: list[DashboardFinding] = []
    for file in files:
        try:
            documents.append((file, json.loads(Path(file).read_text(encoding="utf-8"))))
        except (OSError, ValueError, RecursionError) as error:
            problem = (error.strerror or str(error)) if isinstance(error, OSError) else f"not JSON: {error}"
            broken.append(
                DashboardFinding("not-a-dashboard", "error", file, "file", problem, "name a file that Grafana exported")
            )
    return documents, broken


async def _check(
    settings: Settings, files: tuple[list[tuple[str, Any]], list[DashboardFinding]], *, live: bool
) -> tuple[list[tuple[str, GrafanaQueries]], tuple[DashboardFinding, ...]]:
    from queries.grafana.client import Grafana
    from queries.grafana.dashboard_lint import DashboardFinding, Exported, lint_dashboards  # imports the parser and the clients
    from queries.grafana.model import NotADashboard, read_dashboard
    from queries.prometheus.client import Prometheus
    from queries.prometheus.metadata import Discovery

    assert settings.prometheus is not None  # noqa: S101  # checked by the caller
    documents, broken = list(files[0]), list(files[1])
    if live and settings.grafana is not None:
        grafana = Grafana(settings.grafana)
        try:
            documents += await grafana.dashboards()
        finally:
            await grafana.close()
    boards = []
    for name, document in documents:
        try:
            boards.append((name, read_dashboard(document)))
        except NotADashboard as error:
            broken.append(
                DashboardFinding("not-a-dashboard", "error", name, "file", str(error), "name a file that Grafana exported")
            )
    discovery, prometheus = Discovery(settings.prometheus), Prometheus(settings.prometheus)
    try:
        names = frozenset(await discovery.metric_names())
        families = frozenset(item.name for item in await discovery.metadata())
        labels = frozenset(await discovery.label_names())
        results = await lint_dashboards(boards, prometheus, Exported(names, families, labels))
    finally:
        discovery.close()
        await prometheus.close()
    return boards, (*broken, *results)


def _json(finding: DashboardFinding) -> dict[str, str]:
    return {
        "rule": finding.rule,
        "severity": finding.severity,
        "dashboard": finding.dashboard,
        "place": finding.place,
        "problem": finding.problem,
        "mend": finding.fix,
    }


def _unchecked(boards: list[tuple[str, GrafanaQueries]]) -> Iterator[tuple[str, int, str]]:
    """Dashboard, number of unchecked queries, and the reason."""
    for name, board in boards:
        for kind, number in board.others:
            yield name, number, f"for {kind}"
        for unset, number in Counter(query.unset for query in board.queries if query.unset).items():
            yield name, number, f"no value is known for {', '.join(f'${name}' for name in unset)}"


def _print(boards: list[tuple[str, GrafanaQueries]], findings: tuple[DashboardFinding, ...], count: int) -> None:
    for item in findings:
        print(visible(f"{item.dashboard}: {item.place}: {item.severity} {item.rule}: {item.problem}; {item.fix}"))
    for name, number, why in _unchecked(boards):
        print(visible(f"{name}: {number} {'query was' if number == 1 else 'queries were'} not checked: {why}"))
    errors = sum(item.severity == "error" for item in findings)
    result = f"{errors} errors, {len(findings) - errors} warnings" if findings else "no findings"
    print(f"{len(boards)} dashboards, {count} queries: {result}")
