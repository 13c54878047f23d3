"""`cad-console dashboards`: the key dashboards for Grafana, or what is wrong with the queries of existing ones."""

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
from queries.model.text import visible

if TYPE_CHECKING:
    from console.config.settings import Settings
    from queries.grafana.dashboard_lint import DashboardFinding
    from queries.grafana.model import GrafanaQueries

_UNJUDGED = 2


def add(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    export = verbs.add_parser("export", help="write the key dashboards as Grafana's JSON, one file each")
    export.add_argument("--output", metavar="DIR", required=True, help="the folder; it is made where it is missing")
    export.add_argument("--raw", action="store_true", help="for a Prometheus without the recording rules")
    add_flags(export)
    lint = verbs.add_parser(
        "lint",
        help="do the queries of existing dashboards refer to metrics and labels that exist, and return data",
        epilog="exits 0 clean, 1 with errors, 2 where it could not be judged, 3 with warnings only",
    )
    lint.add_argument("files", nargs="*", metavar="FILE", help="dashboards as Grafana exports them")
    lint.add_argument("--live", action="store_true", help="also every dashboard of the Grafana that is configured")
    add_flags(lint)
    lint.add_argument("--format", choices=("text", "json"), default="text")


def run(arguments: argparse.Namespace) -> int:
    if arguments.verb == "export":
        return _export(Path(arguments.output), raw=arguments.raw)
    if not arguments.files and not arguments.live:
        print("cad-console dashboards lint: name files, or use --live", file=sys.stderr)
        return _UNJUDGED
    return _lint(load_settings(arguments), arguments)


def _export(folder: Path, *, raw: bool) -> int:
    from queries.grafana.export import exported  # noqa: PLC0415  # brings YAML, only here

    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, dashboard in exported(raw=raw).items():
            path = folder / f"{name.replace('_', '-')}.json"
            path.write_text(written(dashboard), encoding="utf-8")
            print(path)
    except OSError as error:
        print(f"cad-console dashboards export: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


def written(dashboard: dict[str, Any]) -> str:
    """The text of an exported file: the same dashboard gives the same bytes."""
    return json.dumps(dashboard, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _lint(settings: Settings, arguments: argparse.Namespace) -> int:
    from queries.errors import SourceError  # noqa: PLC0415

    if settings.prometheus is None:
        raise ConfigError(source="PROMETHEUS_URL", expected="expected a Prometheus to hold the queries against")
    if arguments.live and settings.grafana is None:
        raise ConfigError(source="GRAFANA_URL", expected="expected a Grafana for --live")
    try:
        asked, findings = asyncio.run(_judged(settings, _read(arguments.files), live=arguments.live))
    except SourceError as error:
        print(f"cad-console dashboards lint: could not be judged: {visible(error.fault.sentence())}", file=sys.stderr)
        return _UNJUDGED
    count = sum(len(board.queries) for _, board in asked)
    if arguments.format == "json":
        unchecked = [{"dashboard": name, "queries": number, "why": why} for name, number, why in _unchecked(asked)]
        found = [_json(item) for item in findings]
        print(dumps({"dashboards": len(asked), "queries": count, "findings": found, "not_checked": unchecked}))
    else:
        _print(asked, findings, count)
    errors = sum(item.severity == "error" for item in findings)
    return 1 if errors else 3 if findings else 0


def _read(files: list[str]) -> tuple[list[tuple[str, Any]], list[DashboardFinding]]:
    """The JSON of every file by its name, and a finding for each that cannot be read."""
    from queries.grafana.dashboard_lint import DashboardFinding  # noqa: PLC0415

    documents: list[tuple[str, Any]] = []
    broken: list[DashboardFinding] = []
    for file in files:
        try:
            documents.append((file, json.loads(Path(file).read_text(encoding="utf-8"))))
        except (OSError, ValueError, RecursionError) as error:
            told = (error.strerror or str(error)) if isinstance(error, OSError) else f"not JSON: {error}"
            broken.append(DashboardFinding("not-a-dashboard", "error", file, "file", told, "name a file that Grafana exported"))
    return documents, broken


async def _judged(
    settings: Settings, files: tuple[list[tuple[str, Any]], list[DashboardFinding]], *, live: bool
) -> tuple[list[tuple[str, GrafanaQueries]], tuple[DashboardFinding, ...]]:
    from queries.grafana.client import Grafana  # noqa: PLC0415
    from queries.grafana.dashboard_lint import DashboardFinding, Exported, lint  # noqa: PLC0415  # brings the parser and the clients
    from queries.grafana.model import NoDashboard, read_dashboard  # noqa: PLC0415
    from queries.prometheus.client import Prometheus  # noqa: PLC0415
    from queries.prometheus.metadata import Discovery  # noqa: PLC0415

    assert settings.prometheus is not None  # noqa: S101  # said by the caller
    documents, broken = list(files[0]), list(files[1])
    if live and settings.grafana is not None:
        grafana = Grafana(settings.grafana)
        try:
            documents += await grafana.dashboards()
        finally:
            await grafana.close()
    asked = []
    for name, document in documents:
        try:
            asked.append((name, read_dashboard(document)))
        except NoDashboard as error:
            broken.append(
                DashboardFinding("not-a-dashboard", "error", name, "file", str(error), "name a file that Grafana exported")
            )
    discovery, prometheus = Discovery(settings.prometheus), Prometheus(settings.prometheus)
    try:
        names = frozenset(await discovery.metric_names())
        families = frozenset(item.name for item in await discovery.metadata())
        labels = frozenset(await discovery.label_names())
        found = await lint(asked, prometheus, Exported(names, families, labels))
    finally:
        discovery.close()
        await prometheus.close()
    return asked, (*broken, *found)


def _json(finding: DashboardFinding) -> dict[str, str]:
    return {
        "rule": finding.rule,
        "severity": finding.severity,
        "dashboard": finding.dashboard,
        "place": finding.place,
        "problem": finding.problem,
        "mend": finding.mend,
    }


def _unchecked(asked: list[tuple[str, GrafanaQueries]]) -> Iterator[tuple[str, int, str]]:
    """Of each dashboard how many queries nobody looked at, and why."""
    for name, board in asked:
        for kind, number in board.others:
            yield name, number, f"for {kind}"
        for unset, number in Counter(query.unset for query in board.queries if query.unset).items():
            yield name, number, f"no value is known for {', '.join(f'${one}' for one in unset)}"


def _print(asked: list[tuple[str, GrafanaQueries]], findings: tuple[DashboardFinding, ...], count: int) -> None:
    for item in findings:
        print(visible(f"{item.dashboard}: {item.place}: {item.severity} {item.rule}: {item.problem}; {item.mend}"))
    for name, number, why in _unchecked(asked):
        print(visible(f"{name}: {number} {'query was' if number == 1 else 'queries were'} not checked: {why}"))
    errors = sum(item.severity == "error" for item in findings)
    told = f"{errors} errors, {len(findings) - errors} warnings" if findings else "nothing wrong"
    print(f"{len(asked)} dashboards, {count} queries: {told}")
