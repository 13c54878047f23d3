"""`cad-console rules`: lints rule files or the rules of a server, and exports the console's own rules."""

from __future__ import annotations

import argparse
import gc
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from console.cli.parser import add_flags
from console.cli.rules_export import add_export, run_export
from console.config.errors import ConfigError
from console.config.load import load_settings
from console.config.missing import missing_server
from console.config.settings import Settings
from console.lint.context import SCRAPE_SECONDS, LintContext, build_context, parse_rules
from console.lint.finding import Finding, exit_code
from console.lint.linter import LINT_RULES, lint_rules
from console.lint.report import as_json, as_text
from console.lint.sarif import sarif
from console.lint.tools import Tools, merge, run_tools
from queries.catalogue.contract import load_contract
from queries.catalogue.error_codes import load_taxonomy, use_team_codes
from queries.catalogue.exported import load_exported
from queries.errors import InvalidResponse, RequestRejected, SourceError
from queries.model.frozen import dataclass
from queries.model.rule import RuleGroup, RuleKind
from queries.model.series import label, quote
from queries.model.text import visible
from queries.promql.metric_catalog import MetricCatalog
from queries.promql.rule_files import PlacedRule, RuleFile, built_in_names, load_built_in, read_rules
from queries.text.durations import parse_duration

if TYPE_CHECKING:
    from console.runbooks.index import RunbookIndex
    from queries.model.panel import PanelSpec
    from queries.prometheus.client import Prometheus

_LIMIT_BYTES = 16 << 20
_BAD_REQUEST = 400


@dataclass(frozen=True, slots=True)
class _Server:
    """The rules, metrics and scrape interval of a live server."""

    rules: tuple[PlacedRule, ...]
    catalog: MetricCatalog
    scrape_seconds: float
    refusals: Mapping[str, str]
    """The server's errors for expressions that our parser rejects; empty for those that it evaluates."""
    why_no_rules: str = ""
    """Why it lists no rules although there are some; empty if there may be none."""


def add(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    export = verbs.add_parser("export", help="write the console's own rules, one file each, for Prometheus or its operator")
    add_flags(export)
    add_export(export)
    lint_parser = verbs.add_parser("lint", help="check rules for common mistakes")
    add_flags(lint_parser)
    _add_lint(lint_parser)


def _add_lint(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="*", metavar="FILE", help="rule files, manifests, Alertmanager's configuration")
    parser.add_argument(
        "--live", action="store_true", help="check against Prometheus; without FILE, check the rules that it has loaded"
    )
    parser.add_argument("--format", choices=("text", "json", "sarif"), default="text")
    parser.epilog = (
        "without FILE and --live, checks the console's own rules; exit codes: 0 clean, 1 errors, 2 a file or server could not "
        "be read, 3 warnings only; `# lint: allow TRAP: REASON` in a rule suppresses one lint rule"
    )


def run(arguments: argparse.Namespace) -> int:
    if arguments.verb == "export":
        return run_export(arguments)
    with _without_gc():
        return _run_lint(arguments)


@contextmanager
def _without_gc() -> Iterator[None]:
    """Syntax trees and findings live until the end and have no reference cycles: a collection would find nothing."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _run_lint(arguments: argparse.Namespace) -> int:
    settings = load_settings(arguments)
    use_team_codes(settings.error_codes)
    named: tuple[RuleFile, ...] = tuple(_read(name) for name in arguments.files)
    files = named or (() if arguments.live else load_built_in())
    placed = [rule for file in files for rule in file.rules]
    try:
        server = _live(settings, placed) if arguments.live else None
    except SourceError as error:
        raise ConfigError(source="rules lint --live", expected=visible(error.fault.sentence())) from None
    if server is not None and not files and not server.rules:
        why = server.why_no_rules or "the server lists no rule"
        raise ConfigError(source="rules lint --live", expected=f"{why}; or name rule files, `rules lint --live FILE`")
    tools = Tools.find()
    with run_tools(files, tools) as tool_findings:
        context = _context(settings, server.rules if server and not files else placed, server)
        findings = merge(files, lint_rules(files, context), tool_findings(), tools)
    code = exit_code(findings)
    if arguments.format == "sarif":
        _print_json(sarif(findings, LINT_RULES, here=Path.cwd()))
    elif arguments.format == "json":
        _print_json(_json(findings, files, context, tools, code))
    else:
        _print(findings, files, context, tools)
    return code


def _read(name: str) -> RuleFile:
    path = Path(name)
    try:
        if path.stat().st_size > _LIMIT_BYTES:
            raise ConfigError(source=name, expected="expected a rule file of at most 16 MiB")
        return read_rules(path.read_text(encoding="utf-8"), path=name)
    except UnicodeDecodeError:
        raise ConfigError(source=name, expected="expected text in UTF-8") from None
    except OSError as error:
        raise ConfigError(source=name, expected=f"cannot be read: {error.strerror}") from None


def _print_json(value: object) -> None:
    from console.state import snapshot_json  # imports every source; text needs none

    print(snapshot_json.dumps(value))


def _live(settings: Settings, placed: Sequence[PlacedRule]) -> _Server:
    import asyncio  # as HTTP, only for --live

    return asyncio.run(_query_server(settings, placed))


async def _query_server(settings: Settings, placed: Sequence[PlacedRule]) -> _Server:
    # HTTP: only for --live.
    from queries.prometheus.client import Prometheus
    from queries.prometheus.live_metric_catalog import fetch_metric_catalog
    from queries.prometheus.metadata import Discovery

    if settings.prometheus is None:
        raise missing_server("Prometheus")
    prometheus, discovery = Prometheus(settings.prometheus), Discovery(settings.prometheus)
    try:
        live = tuple(_placed(await prometheus.rule_groups(), where=prometheus.where))
        parsed = parse_rules(placed or live)
        expressions = [item.expression for item in parsed if item.expression is not None]
        selectors = [selector for expression in expressions for selector in expression.selectors]
        recorded = {item.rule.name for item in live if item.rule.kind is RuleKind.RECORD}
        catalog = await fetch_metric_catalog(
            discovery, selectors, known=_known_metrics(), recorded=recorded, exist_now=partial(_exist_now, prometheus)
        )
        loaded = frozenset(item.rule.expression for item in live)
        refusals: dict[str, str] = {}
        for text in dict.fromkeys(item.rule.expression for item in parsed if item.error is not None):
            refusal = "" if text in loaded else await _fetch_refusal(prometheus, text)
            if refusal is not None:
                refusals[text] = refusal
        why = "" if live or placed else await prometheus.explain_missing_rules()
        return _Server(live, catalog, _shortest(item.interval for item in await discovery.targets()), refusals, why)
    finally:
        discovery.close()
        await prometheus.close()


async def _fetch_refusal(prometheus: Prometheus, text: str) -> str | None:
    """The server's error for an expression; empty if it evaluates the expression, None if it did not answer that.

    Evaluates at Unix time 0, where no server has data: every server evaluates, while few have an endpoint that only parses.
    """
    try:
        await prometheus.query(text, at=0.0)
    except RequestRejected as error:
        unparsed = error.fault.status == _BAD_REQUEST or "pars" in error.fault.what
        return visible(error.fault.what) if unparsed else ""
    except InvalidResponse:
        return ""  # a range vector or a string: not valid in a rule, but valid PromQL
    except SourceError:
        return None
    return ""


async def _exist_now(prometheus: Prometheus, names: Collection[str]) -> frozenset[str]:
    """The metrics that have series now; all of them if the response is partial."""
    result = await prometheus.query(f"group by (__name__) ({{__name__=~{quote('|'.join(names))}}})")
    if result.annotations.partial:
        return frozenset(names)
    return frozenset(label(item.labels, "__name__") for item in result.samples)


def _known_metrics() -> MetricCatalog:
    """The metrics known without a server: the contract's, and those that the platform's metric objects export."""
    return MetricCatalog.from_contract(load_contract(), load_taxonomy()).with_exported(load_exported())


def _shortest(intervals: Iterable[str]) -> float:
    """The shortest duration; the platform's own scrape interval where no target has one."""
    known = []
    for item in intervals:
        with suppress(ValueError):  # an older server returns none
            known.append(parse_duration(item))
    return min(known, default=SCRAPE_SECONDS)


def _placed(groups: Iterable[RuleGroup], *, where: str) -> Iterable[PlacedRule]:
    for group in groups:
        for rule in group.rules:
            yield PlacedRule(rule, group.name, group.file or where)


def _context(settings: Settings, placed: Sequence[PlacedRule], server: _Server | None) -> LintContext:
    if server is not None:
        return build_context(
            placed,
            others=lambda _: server.rules,
            catalog=server.catalog,
            runbooks=lambda: _runbooks(settings),
            panels=lambda: _panels(settings),
            sources=_own_rules() if placed is server.rules else (),
            scrape_seconds=server.scrape_seconds,
            refusals=server.refusals,
        )
    ours = frozenset(built_in_names())
    return build_context(
        placed,
        others=lambda read: () if ours.isdisjoint(read) else _own_rules(),
        catalog=_known_metrics(),
        runbooks=lambda: _runbooks(settings),
        panels=lambda: _panels(settings),
        names=ours,
    )


def _own_rules() -> list[PlacedRule]:
    return [rule for file in load_built_in() for rule in file.rules]


def _runbooks(settings: Settings) -> RunbookIndex:
    from console.runbooks.index import RunbookIndex  # only alerts link to them

    return RunbookIndex.from_settings(settings)


def _panels(settings: Settings) -> list[PanelSpec]:
    from console.checks.own_panels import load_overview
    from console.checks.panels import effective_threshold  # imports all evaluation of panels

    return [
        replace(spec, threshold=effective_threshold(spec, settings.threshold(spec.id)))
        for spec in load_overview(settings)
        if spec.source != "loki"
    ]


def _print(findings: Sequence[Finding], files: Sequence[RuleFile], context: LintContext, tools: Tools) -> None:
    where = f" in {len(files)} file{'s' if len(files) > 1 else ''}" if files else " of the server"
    scope = f"{len(context.rules)} rule{'' if len(context.rules) == 1 else 's'}{where}"
    print("\n".join(as_text(findings, LINT_RULES, scope=scope)))
    if context.catalog.partial:
        print(f"{visible(context.catalog.partial)}: series that the server does not list were not reported as missing")
    for name, path, concerned in _tools(files, tools):
        if concerned and not path:
            print(f"{name} is not on PATH: its findings are missing")


def _json(
    findings: Sequence[Finding], files: Sequence[RuleFile], context: LintContext, tools: Tools, code: int
) -> dict[str, object]:
    return {
        "schema": 1,
        "exit_code": code,
        "files": [file.path for file in files],
        "rules": len(context.rules),
        "compared_with": "the server" if context.catalog.complete else "the contract",
        "partial": context.catalog.partial,
        "tools": {name: path for name, path, _ in _tools(files, tools)},
        "findings": as_json(findings),
    }


def _tools(files: Sequence[RuleFile], tools: Tools) -> tuple[tuple[str, str, bool], ...]:
    """Each program, its path, and whether the report should mention its absence."""
    return (
        ("promtool", tools.promtool, any(not file.routing for file in files)),
        ("amtool", tools.amtool, any(file.native_routing for file in files)),
        ("pint", tools.pint, False),
    )
