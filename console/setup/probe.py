"""Which server answers at an address, and what the console can use of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

from console.setup.candidates import ALERTMANAGER, GRAFANA, KINDS, LOKI, PLATFORM, PROMETHEUS
from queries.alertmanager import Alertmanager
from queries.catalogue.loader import load_board
from queries.catalogue.signals import load_catalogue_signals
from queries.errors import SourceError
from queries.http.client import Client
from queries.http.endpoint import Endpoint
from queries.loki import Loki
from queries.model.annotations import Annotations
from queries.model.fault import Fault, FaultKind
from queries.model.frozen import dataclass
from queries.model.rule import RuleMatch
from queries.model.series import Sample, quote
from queries.model.text import visible
from queries.platform.client import Platform
from queries.prometheus.client import Prometheus, RulesResult
from queries.prometheus.query_batch import BatchQuery, QueryBatch
from queries.promql.our_rules import find_missing_alerts, our_expressions
from queries.promql.syntax import parse_promql

_LISTED = 4
"""Names of a list that are shown; the rest is counted."""
_PRESENT = "/present"
"""The key of the query for metric names; no signal has such a name."""
_ANSWERED = (FaultKind.DENIED, FaultKind.MALFORMED, FaultKind.REJECTED)


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """`summary` says what answered, or why nothing usable did; `details` are title and text of what the console found there."""

    kind: str
    url: str
    summary: str
    details: tuple[tuple[str, str], ...] = ()
    fault: Fault | None = None

    @property
    def ok(self) -> bool:
        return self.fault is None

    @property
    def answers(self) -> bool:
        """Whether something is there, if only to refuse: credentials, another kind of server, 503, a certificate."""
        fault = self.fault
        unheard = fault is not None and fault.kind in (FaultKind.UNREACHABLE, FaultKind.TIMED_OUT) and fault.status is None
        return not unheard or (fault is not None and "TLS" in fault.what)


async def probe(kind: str, endpoint: Endpoint, *, namespace: str) -> ProbeResult:
    """Try one address; never raises SourceError. `namespace` is the platform's, for the panels."""
    try:
        summary, details = await _PROBES[kind](endpoint, namespace)
    except SourceError as error:
        other = await _identify(endpoint) if error.fault.kind in _ANSWERED else ""
        url = visible(error.fault.where or endpoint.url)
        if other and other != kind:
            return ProbeResult(kind, url, f"{_article(other)} answers here, not {_article(kind)}", fault=error.fault)
        return ProbeResult(kind, url, visible(error.fault.sentence()), fault=error.fault)
    return ProbeResult(kind, visible(endpoint.url), summary, details)


def _article(kind: str) -> str:
    name = KINDS[kind]
    return f"the {name}" if kind == PLATFORM else f"{'an' if name[0] in 'AEIOU' else 'a'} {name}"


async def _prometheus(endpoint: Endpoint, namespace: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    prometheus = Prometheus(endpoint)
    try:
        await prometheus.query("1")  # says best what is wrong with an address
        server = await prometheus.capabilities()
        details = [("signals", await _describe_signals(prometheus))]
        try:
            details += _describe_rules(prometheus, await prometheus.rules(), namespace)
        except SourceError as error:
            details.append(("rules", visible(f"unknown: {error.fault.sentence()}")))
    finally:
        await prometheus.close()
    return f"{visible(server.maker) or KINDS[PROMETHEUS]} {visible(server.version)}".strip(), tuple(details)


async def _describe_signals(prometheus: Prometheus) -> str:
    """How many of the catalogue's signals have data now, with the definitions that fit this server: two requests."""

    async def fetch(text: str) -> tuple[Sequence[Sample], Annotations]:
        answer = await prometheus.query(text)
        return answer.samples, answer.annotations

    batch: QueryBatch[Sample] = QueryBatch(fetch, clock=time.time)
    now = time.time()
    try:
        if evidence := prometheus.decisions.evidence_query(now):
            seen = await batch.fetch([evidence])
            prometheus.decisions.ingest(seen.items[evidence.key], now)
        queries = {name: prometheus.expand(_count_series(name)) for name in load_catalogue_signals()}
        metrics = {name: set(parse_promql(text).metrics) for name, text in queries.items()}
        named = quote("|".join(sorted(set().union(*metrics.values()))))
        present = BatchQuery(_PRESENT, f"group by (__name__) ({{__name__=~{named}}})")
        found = await batch.fetch([present, *(BatchQuery(name, text) for name, text in queries.items())])
    except SourceError as error:
        return visible(f"unknown: {error.fault.sentence()}")
    stored = {sample.label("__name__") for sample in found.items[_PRESENT]}
    # Some signals are 0 where nothing is counted: that is a fact only where their metrics exist.
    names = tuple(queries)
    missing = [name for name in names if not found.items[name] or not metrics[name] & stored]
    text = f"{len(names) - len(missing)} of {len(names)} have data"
    if len(missing) == len(names):
        return f"none of {len(names)} has data: this Prometheus does not scrape the platform, or it exports nothing yet"
    return f"{text}; none for {_join(missing)}" if missing else text


def _count_series(name: str) -> str:
    return f"count(${{{name}{'[5m]' if _has_window(name) else ''}}})"


def _has_window(name: str) -> bool:
    return any(
        "$window" in item.expression or "$begun" in item.expression for item in load_catalogue_signals()[name].definitions
    )


def _describe_rules(prometheus: Prometheus, loaded: RulesResult, namespace: str) -> list[tuple[str, str]]:
    book, ours = prometheus.recorded.book, our_expressions()
    same = [name for name in ours if name in book and book[name].match is RuleMatch.SAME]
    other = [name for name in ours if name in book and book[name].match is not RuleMatch.SAME]
    recorded = f"{len(same)} of {len(ours)} of the console's are loaded"
    recorded += f"; {len(other)} differ, the console reads those raw: {_join(other)}" if other else ""
    recorded += "" if same or other else "; panels read raw series (load ours: `cad-console rules export`)"
    names = {rule.name for rule in loaded.rules}
    missing = find_missing_alerts(load_board("overview", namespace=namespace), names)
    alerting = f"{len(names)} are loaded"
    alerting += (
        f"; of those that panels name, {_join(missing)} {'are' if len(missing) > 1 else 'is'} missing" if missing else ""
    )
    return [("recording rules", visible(recorded)), ("alerting rules", visible(alerting))]


async def _alertmanager(endpoint: Endpoint, _: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    client = Client(endpoint, name=ALERTMANAGER)
    alertmanager = Alertmanager((endpoint,))
    try:
        state = await alertmanager.state()
        try:
            status = await client.get("/api/v2/status", type=dict)
        except SourceError:
            status = {}  # the version is all that is missing
    finally:
        await alertmanager.close()
        await client.close()
    version = (status.get("versionInfo") or {}).get("version", "")
    counts = f"{_count(len(state.alerts), 'alert')}, {_count(len(state.silences), 'silence')}"
    return f"{KINDS[ALERTMANAGER]} {visible(str(version))}".strip(), (("now", counts),)


async def _platform(endpoint: Endpoint, _: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    platform = Platform(endpoint)
    try:
        health = await platform.health()
    finally:
        await platform.close()
    return f"the platform's API: {visible(health.status)}", ()


async def _grafana(endpoint: Endpoint, _: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    client = Client(endpoint, name=GRAFANA)
    try:
        found = await client.get("/api/health", type=dict)
    finally:
        await client.close()
    return f"Grafana {visible(str(found.get('version', '')))}".strip(), ()


async def _loki(endpoint: Endpoint, _: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    loki = Loki(endpoint)
    try:
        labels = await loki.labels()
    finally:
        await loki.close()
    return "Loki", (("labels", visible(_join(labels)) or "none"),)


_Probe = Callable[[Endpoint, str], Awaitable[tuple[str, tuple[tuple[str, str], ...]]]]
_PROBES: Mapping[str, _Probe] = {
    PROMETHEUS: _prometheus,
    ALERTMANAGER: _alertmanager,
    PLATFORM: _platform,
    GRAFANA: _grafana,
    LOKI: _loki,
}
_SIGNS = {
    PROMETHEUS: ("/api/v1/query", (("query", "1"),), "data"),
    ALERTMANAGER: ("/api/v2/status", (), "versionInfo"),
    GRAFANA: ("/api/health", (), "database"),
    LOKI: ("/loki/api/v1/labels", (), "status"),
}
"""By kind a path that only such a server serves, and a key of its JSON."""


async def _identify(endpoint: Endpoint) -> str:
    """The kind of server that answers at a wrong address; empty if none is recognised."""
    client = Client(endpoint, name="server")

    async def has_sign(path: str, params: tuple[tuple[str, str], ...], key: str) -> bool:
        try:
            return key in await client.get(path, params, type=dict)
        except SourceError:
            return False

    try:
        found = await asyncio.gather(*(has_sign(*sign) for sign in _SIGNS.values()))
    finally:
        await client.close()
    return next((kind for kind, is_one in zip(_SIGNS, found, strict=True) if is_one), "")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _join(names: Iterable[str]) -> str:
    known = list(names)
    more = f" and {len(known) - _LISTED} more" if len(known) > _LISTED else ""
    return ", ".join(known[:_LISTED]) + more
