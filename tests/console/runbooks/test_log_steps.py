"""Steps that count lines of a log: judged as every other step, and unknown is never ok."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from kept_lines import KeptLines

from console.lint.runbooks.page import RunbookPage
from console.lint.runbooks.steps import step_rules
from console.runbooks.page import Runbook, RunbookStep, read_page
from console.runbooks.steps import StepContext, StepResult, evaluate_steps
from console.state.place import Place
from queries.model.verdict import Verdict
from queries.prometheus.responses import InstantResult

NOW = 1_767_276_000
QUERY = 'sum(count_over_time({app="api"} |= "ERROR" [5m]))'
STEP = RunbookStep("Errors in the log?", query=QUERY, source="loki", warn=3, critical=10)


async def refuse(query: str) -> InstantResult:
    raise AssertionError(f"Prometheus was asked for {query}")


async def evaluate(kept: KeptLines | None, step: RunbookStep = STEP) -> StepResult:
    loki = kept.client() if kept else None

    async def count(query: str) -> object:
        return await loki.samples(query, at_ns=NOW * 10**9)  # type: ignore[union-attr]

    context = StepContext(refuse, None, None, (), NOW, Place("test", "n"), query_logs=count if loki else None)  # type: ignore[arg-type]
    (result,) = [item async for item in evaluate_steps(Runbook("r", "r.md", "R", steps=(step,)), None, context)]
    return result


@pytest.mark.parametrize(("errors", "verdict"), [(2, Verdict.OK), (3, Verdict.WARN), (10, Verdict.CRITICAL)])
async def test_lines_are_counted_and_judged(errors: int, verdict: Verdict) -> None:
    """At the threshold it warns; the query is shown as it is, and is none for Prometheus."""
    kept = KeptLines(NOW)
    kept.store.push({"app": "api"}, [((NOW - 60) * 10**9 + at, f"ERROR {at}") for at in range(errors)])
    kept.store.push({"app": "api"}, [((NOW - 60) * 10**9 + at, f"INFO {at}") for at in range(50)])
    result = await evaluate(kept)
    assert (result.verdict, result.value_text, result.source) == (verdict, str(errors), "loki")


async def test_what_is_not_known_is_no_data() -> None:
    """Without a line Loki has no sample, which is not zero; nor is a refusal, a query of lines, or no Loki at all."""
    kept = KeptLines(NOW)
    assert ((found := await evaluate(kept)).verdict, found.text) == (Verdict.NO_DATA, "no series")
    kept.fails = lambda _: httpx.Response(504, text="request timed out, decrease the duration of the request")
    found = await evaluate(kept)
    assert found.verdict is Verdict.NO_DATA and "decrease the duration" in found.text
    kept.fails = lambda _: None
    found = await evaluate(kept, RunbookStep("t", query='{app="api"}', source="loki", warn=1))
    assert found.verdict is Verdict.NO_DATA and "change your query to a range query type" in found.text
    found = await evaluate(None)
    assert found.verdict is Verdict.NO_DATA and "set LOKI_URL" in found.text


PAGE = """---
title: Errors
alerts: [Errors]
severity: critical
component: api
steps:
  - phase: confirm
    title: Errors in the log?
    source: {source}
    {query}
    warn: 1
---

## What it means

Errors.
"""


def read(folder: Path, source: str, query: str = "query: '" + QUERY + "'") -> Runbook:
    path = folder / "errors.md"
    path.write_text(PAGE.format(source=source, query=query), encoding="utf-8")
    return read_page(path, root=folder)


def test_the_source_of_a_step(tmp_path: Path) -> None:
    """A source that is none, or one without a query, breaks the page with its line; LogQL is not checked as PromQL."""
    page = read(tmp_path, "loki")
    (step,) = page.steps
    assert (step.source, step.query, step.promql) == ("loki", QUERY, "")
    assert step_rules(RunbookPage.of(page)) == () and len(step_rules(RunbookPage.of(read(tmp_path, "prometheus")))) == 1
    assert "errors.md:9" in (read(tmp_path, "grafana").broken or "")
    assert "expected a query with this source" in (read(tmp_path, "loki", "text: x").broken or "")
