"""`cad-console rules`: the traps of live rule sets, in files or in what a server has loaded, and our own rules to install."""

from __future__ import annotations

import argparse
import gc
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from console.cli.parser import add_flags
from console.cli.rules_export import add_export, run_export
from console.config.errors import ConfigError
from console.config.load import load_settings
from console.config.settings import Settings
from console.lint.context import SCRAPE_SECONDS, LintContext, parsed, scene
from console.lint.finding import Finding, exit_code
from console.lint.linter import TRAPS, lint
from console.lint.report import as_json, as_text
from console.lint.sarif import sarif
from console.lint.tools import Tools, ask, merged
from queries.catalogue.contract import load_contract
from queries.catalogue.error_codes import load_taxonomy, use_team_codes
from queries.catalogue.exported import load_exported
from queries.errors import NotConfigured, SourceError
from queries.model.rule import RuleGroup, RuleKind
from queries.model.text import visible
from queries.promql.metric_catalog import MetricCatalog
from queries.promql.rule_files import PlacedRule, RuleFile, built_in, built_in_names, read_rules
from queries.text.durations import duration_seconds

if TYPE_CHECKING:
    from console.runbooks.index import RunbookIndex
    from queries.model.panel import PanelSpec

_MOST_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class _Server:
    """What a live server has."""

    rules: tuple[PlacedRule, ...]
    vocabulary: MetricCatalog
    scrape_seconds: float


def add(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    export = verbs.add_parser("export", help="write our own rules, one file each, as Prometheus or the operator takes them")
    add_flags(export)
    add_export(export)
    lint_parser = verbs.add_parser("lint", help="look for traps")
    add_flags(lint_parser)
    _add_lint(lint_parser)


def _add_lint(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="*", metavar="FILE", help="rule files, manifests, Alertmanager's file")
    parser.add_argument("--live", action="store_true", help="with what Prometheus has: its rules where no FILE is named")
    parser.add_argument("--format", choices=("text", "json", "sarif"), default="text")
    parser.epilog = (
        "without FILE and --live the rules that come with the console are looked at; exit codes: 0 clean, 1 errors, "
        "2 something could not be read or asked, 3 warnings only; `# lint: allow TRAP: REASON` in a rule silences one trap"
    )


def run(arguments: argparse.Namespace) -> int:
    if arguments.verb == "export":
        return run_export(arguments)
    with _without_gc():
        return _run_lint(arguments)


@contextmanager
def _without_gc() -> Iterator[None]:
    """Trees and findings all live until the end, and have no circles: to look through them again and again finds nothing."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _run_lint(arguments: argparse.Namespace) -> int:
    settings = load_settings(arguments)
    use_team_codes(settings.error_codes)
    named: tuple[RuleFile, ...] = tuple(_read(name) for name in arguments.files)
    files = named or (() if arguments.live else built_in())
    placed = [rule for file in files for rule in file.rules]
    try:
        server = _live(settings, placed) if arguments.live else None
    except SourceError as error:
        raise ConfigError(source="rules lint --live", expected=visible(error.fault.sentence())) from None
    tools = Tools.found()
    with ask(files, tools) as told:
        looked_at = _scene(settings, server.rules if server and not files else placed, server)
        findings = merged(files, lint(files, looked_at), told())
    code = exit_code(findings)
    if arguments.format == "sarif":
        _print_json(sarif(findings, TRAPS, here=Path.cwd()))
    elif arguments.format == "json":
        _print_json(_json(findings, files, looked_at, tools, code))
    else:
        _print(findings, files, looked_at, tools)
    return code


def _read(name: str) -> RuleFile:
    path = Path(name)
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ConfigError(source=name, expected="larger than 16 MiB, no rule file")
        return read_rules(path.read_text(encoding="utf-8"), path=name)
    except UnicodeDecodeError:
        raise ConfigError(source=name, expected="expected text in UTF-8") from None
    except OSError as error:
        raise ConfigError(source=name, expected=f"cannot be read: {error.strerror}") from None


def _print_json(value: object) -> None:
    from console.state import snapshot_json  # noqa: PLC0415 - it knows every source, which a text report does not need

    print(snapshot_json.dumps(value))


def _live(settings: Settings, placed: Sequence[PlacedRule]) -> _Server:
    import asyncio  # noqa: PLC0415 - like HTTP, only for who asks a server

    return asyncio.run(_asked(settings, placed))


async def _asked(settings: Settings, placed: Sequence[PlacedRule]) -> _Server:
    # Only who asks a server waits for HTTP to be imported.
    from queries.prometheus.client import Prometheus  # noqa: PLC0415
    from queries.prometheus.live_metric_catalog import live_vocabulary  # noqa: PLC0415
    from queries.prometheus.metadata import Discovery  # noqa: PLC0415

    if settings.prometheus is None:
        raise NotConfigured("Prometheus is not configured", hint="set PROMETHEUS_URL or --prometheus-url")
    prometheus, discovery = Prometheus(settings.prometheus), Discovery(settings.prometheus)
    try:
        live = tuple(_placed(await prometheus.rule_groups(), where=prometheus.where))
        expressions = [item.expression for item in parsed(placed or live) if item.expression is not None]
        wanted = [picked for expression in expressions for picked in expression.selectors]
        known = _known()
        recorded = {item.rule.name for item in live if item.rule.kind is RuleKind.RECORD}
        vocabulary = await live_vocabulary(discovery, wanted, known=known, recorded=recorded)
        return _Server(live, vocabulary, _shortest(item.interval for item in await discovery.targets()))
    finally:
        discovery.close()
        await prometheus.close()


def _known() -> MetricCatalog:
    """What is known without a server: the contract, and what the platform's metric objects export."""
    return MetricCatalog.of_contract(load_contract(), load_taxonomy()).with_exported(load_exported())


def _shortest(intervals: Iterable[str]) -> float:
    """The shortest of some durations; the platform's own where none is known."""
    known = []
    for item in intervals:
        with suppress(ValueError):  # an older server says none
            known.append(duration_seconds(item))
    return min(known, default=SCRAPE_SECONDS)


def _placed(groups: Iterable[RuleGroup], *, where: str) -> Iterable[PlacedRule]:
    for group in groups:
        for rule in group.rules:
            yield PlacedRule(rule, group.name, group.file or where)


def _scene(settings: Settings, placed: Sequence[PlacedRule], server: _Server | None) -> LintContext:
    if server is not None:
        return scene(
            placed,
            others=lambda _: server.rules,
            vocabulary=server.vocabulary,
            runbooks=lambda: _runbooks(settings),
            panels=lambda: _panels(settings),
            sources=_own_rules() if placed is server.rules else (),
            scrape_seconds=server.scrape_seconds,
        )
    ours = frozenset(built_in_names())
    return scene(
        placed,
        others=lambda read: () if ours.isdisjoint(read) else _own_rules(),
        vocabulary=_known(),
        runbooks=lambda: _runbooks(settings),
        panels=lambda: _panels(settings),
        names=ours,
    )


def _own_rules() -> list[PlacedRule]:
    return [rule for file in built_in() for rule in file.rules]


def _runbooks(settings: Settings) -> RunbookIndex:
    from console.runbooks.index import RunbookIndex  # noqa: PLC0415 - only an alert asks for them

    return RunbookIndex.configured(settings)


def _panels(settings: Settings) -> list[PanelSpec]:
    from console.checks.own_panels import overview_panels  # noqa: PLC0415
    from console.checks.panels import effective  # noqa: PLC0415 - it brings all that judges a panel

    return [replace(spec, threshold=effective(spec, settings.threshold(spec.id))) for spec in overview_panels(settings)]


def _print(findings: Sequence[Finding], files: Sequence[RuleFile], looked_at: LintContext, tools: Tools) -> None:
    told = f"{len(looked_at.rules)} rules" + (f" in {len(files)} files" if files else " of the server")
    for line in as_text(findings, TRAPS, looked_at=told):
        print(line)
    for name, path, concerned in _tools(files, tools):
        if concerned and not path:
            print(f"{name} is not on PATH: what it would say is not in here")


def _json(
    findings: Sequence[Finding], files: Sequence[RuleFile], looked_at: LintContext, tools: Tools, code: int
) -> dict[str, object]:
    return {
        "schema": 1,
        "exit_code": code,
        "files": [file.path for file in files],
        "rules": len(looked_at.rules),
        "compared_with": "the server" if looked_at.vocabulary.complete else "the contract",
        "tools": {name: path for name, path, _ in _tools(files, tools)},
        "findings": as_json(findings),
    }


def _tools(files: Sequence[RuleFile], tools: Tools) -> tuple[tuple[str, str, bool], ...]:
    """Each program, its path, and whether the report misses it where it is not there."""
    return (
        ("promtool", tools.promtool, any(not file.routing for file in files)),
        ("amtool", tools.amtool, any(file.native_routing for file in files)),
        ("pint", tools.pint, False),
    )
