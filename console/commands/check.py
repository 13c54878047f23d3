"""`cad-console check`: the platform's self-check with the exit codes that its scripts know."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Awaitable, Sequence
from typing import TypeVar
from xml.sax.saxutils import escape, quoteattr

from console.checks import platform as checks
from console.checks.platform import CheckResult, Result
from console.commands import document
from console.commands.columns import aligned
from console.config.load import load_settings
from console.config.settings import Settings
from queries.contract import Contract, Need, load_contract
from queries.discovery import Discovery
from queries.errors import NotConfigured, SourceError
from queries.model.fault import Fault
from queries.model.platform import PlatformHealth
from queries.model.series import Labels
from queries.platform import Platform
from queries.prometheus import Prometheus
from queries.taxonomy import Taxonomy, load_taxonomy

T = TypeVar("T")

_FAMILIES = "(ocr|vision|analysis|dedup2d|dedupcad|feature_cache|classification|model|compare|vector|faiss|v4)_.+"


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--strict", action="store_true", help="an absent metric fails unless the scrape announces it")
    parser.add_argument("--format", choices=("text", "json", "junit"), default="text")
    parser.epilog = (
        "exit codes: 0 passed, 1 general failure, 2 API failure, 3 health, 4 metrics, 5 contract violation, 6 mapping gap"
    )


def run(arguments: argparse.Namespace) -> int:
    results = asyncio.run(examine(load_settings(arguments), strict=arguments.strict))
    code = checks.exit_code(results)
    if arguments.format == "json":
        told = [
            {"area": item.area, "name": item.name, "result": item.result.value, "text": item.text, "code": item.code}
            for item in results
        ]
        print(document.dumps({"schema": 1, "exit_code": code, "checks": told}))
    elif arguments.format == "junit":
        print(junit(results))
    else:
        print(aligned([(_WORDS[item.result], item.area, item.name, item.text) for item in results]))
        print(f"exit code {code}: {_MEANING[code]}")
    return code


async def examine(settings: Settings, *, strict: bool) -> tuple[CheckResult, ...]:
    """Everything is looked at, also after a failure; what cannot be looked at is skipped."""
    (found, fault), of_metrics = await asyncio.gather(_health(settings), _metrics(settings, strict=strict))
    return (checks.api(fault), *checks.health(found, fault), *of_metrics)


def junit(results: Sequence[CheckResult]) -> str:
    """JUnit's XML, as build servers read it."""
    failures = sum(item.result is Result.FAILED for item in results)
    skipped = sum(item.result is Result.SKIPPED for item in results)
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<testsuite name="cad-console check" tests="{len(results)}" failures="{failures}" skipped="{skipped}">',
    ]
    for item in results:
        lines.append(f"  <testcase classname={quoteattr(item.area)} name={quoteattr(item.name)}>")
        if item.result is Result.FAILED:
            lines.append(f"    <failure type={quoteattr(f'exit code {item.code}')} message={quoteattr(item.text)}/>")
        elif item.result is Result.SKIPPED:
            lines.append(f"    <skipped message={quoteattr(item.text)}/>")
        else:
            lines.append(f"    <system-out>{escape(item.text)}</system-out>")
        lines.append("  </testcase>")
    lines.append("</testsuite>")
    return "\n".join(lines)


async def _health(settings: Settings) -> tuple[PlatformHealth | None, Fault | None]:
    if settings.platform is None:
        missing = NotConfigured("the platform's API is not configured", hint="set CAD_ML_API_URL or --api-url")
        return None, missing.fault
    platform = Platform(settings.platform)
    try:
        return await _tried(platform.health())
    finally:
        await platform.close()


async def _metrics(settings: Settings, *, strict: bool) -> tuple[CheckResult, ...]:
    if settings.prometheus is None:
        missing = NotConfigured("Prometheus is not configured", hint="set PROMETHEUS_URL or --prometheus-url")
        return (checks.metrics(missing.fault, ()),)
    prometheus, discovery = Prometheus(settings.prometheus), Discovery(settings.prometheus)
    try:
        families, fault = await _tried(prometheus.query(f'group by (__name__) ({{__name__=~"{_FAMILIES}"}})'))
        names = [item.label("__name__") for item in families.samples] if families else []
        basic = checks.metrics(fault, names)
        if basic.result is Result.FAILED:
            return (basic,)
        metadata, _ = await _tried(discovery.metadata())
        types = None if metadata is None else {item.name: item.type for item in metadata}
        contract = load_contract()
        return (
            basic,
            *[
                await _contract(contract, index, prometheus, types, strict=strict)
                for index in range(len(contract.metrics))
                if contract.metrics[index].need is Need.PROMISED
            ],
            *await _mapping(load_taxonomy(), prometheus),
        )
    finally:
        discovery.close()
        await prometheus.close()


async def _contract(
    contract: Contract, index: int, prometheus: Prometheus, types: dict[str, str] | None, *, strict: bool
) -> CheckResult:
    metric = contract.metrics[index]
    series: dict[str, tuple[Labels, ...]] = {}
    for name in metric.series:
        by = ", ".join((*metric.labels, *(["le"] if name.endswith("_bucket") else [])))
        answer, fault = await _tried(prometheus.query(f"group by ({by}) ({name})"))
        if answer is None:
            told = fault.sentence() if fault else "no answer"
            return CheckResult("contract", metric.name, Result.FAILED, told, checks.METRICS)
        series[name] = tuple(item.labels for item in answer.samples)
    # An OpenMetrics scrape names the family, without `_total`.
    told_type = None if types is None else types.get(metric.name) or types.get(metric.name.removesuffix("_total"), "")
    return checks.contract_metric(metric, series=series, type_told=told_type, strict=strict)


async def _mapping(taxonomy: Taxonomy, prometheus: Prometheus) -> tuple[CheckResult, ...]:
    codes = {}
    for source in taxonomy.counted:
        answer, fault = await _tried(prometheus.query(f"group by ({source.by}, code) ({source.metric})"))
        if answer is None:
            told = fault.sentence() if fault else "no answer"
            return (CheckResult("mapping", source.metric, Result.FAILED, told, checks.METRICS),)
        codes[source] = tuple(item.labels for item in answer.samples)
    return checks.mapping(taxonomy, codes)


async def _tried(asking: Awaitable[T]) -> tuple[T | None, Fault | None]:
    try:
        return await asking, None
    except SourceError as error:
        return None, error.fault


_WORDS = {Result.PASSED: "ok", Result.NOTED: "note", Result.FAILED: "FAILED", Result.SKIPPED: "skipped"}
_MEANING = {
    checks.PASSED: "all passed",
    checks.FAILED_GENERALLY: "general failure",
    checks.API: "API failure, cannot connect",
    checks.HEALTH: "the health check failed",
    checks.METRICS: "the metrics check failed",
    checks.CONTRACT: "contract violation",
    checks.MAPPING: "provider mapping gap",
}
