"""How long the loaded recording rules take to be held against ours: a thousand of them, once for each change."""

from __future__ import annotations

import sys
import time

from figure import Figure
from stage import Stage

_COUNT = 1_000
_USUAL = (
    '100 * sum by (job, instance) (rate(http_requests_total{code=~"5..", job="j%d"}[%dm]))'
    ' / (sum by (job, instance) (rate(http_requests_total{job="j%d"}[5m])) > 0)'
)


def measure(stage: Stage) -> list[Figure]:
    try:
        from queries.catalogue.signals import UNDECIDED
        from queries.model.rule import Rule, RuleGroup, RuleKind
        from queries.prometheus.recorded_series import LoadedRules
        from queries.promql.our_rules import our_recordings
    except ImportError as error:
        print(f"      {error}: skipped", file=sys.stderr)
        return []
    texts = {f"r{at}": _USUAL % (at, at % 50 + 1, at) for at in range(_COUNT)} | dict(our_recordings())
    rules = tuple(Rule(RuleKind.RECORD, name, text, health="ok") for name, text in texts.items())
    group = RuleGroup("g", "g.yaml", rules, 30.0, time.time(), 0.1)
    loaded, took = LoadedRules(our_recordings), []
    for _ in range(2):
        began = time.perf_counter()
        loaded.match([group], UNDECIDED, now=time.time())
        took.append(time.perf_counter() - began)
    return [
        Figure(f"{_COUNT:,} foreign recording rules and ours held against ours", took[0], "s", 1.0),
        Figure("the same rules again, unchanged", took[1] * 1000, "ms", 20.0),
    ]
