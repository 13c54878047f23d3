"""What Thanos Query 0.42 answered, recorded, while it lacked a store: with a word about it, and without."""

from __future__ import annotations

import httpx
import pytest
from recorded_server import RecordedServer

from console.checks.panels import evaluate_panel
from queries.http.client import Client
from queries.http.endpoint import Endpoint
from queries.model.annotations import line_of
from queries.model.panel import PanelSpec, Unit
from queries.model.verdict import Verdict
from queries.prometheus.capabilities import ANCHORED, DURATION_EXPRESSIONS, INFO, NATIVE_HISTOGRAMS, UTF8_NAMES
from queries.prometheus.client import Prometheus
from queries.prometheus.thanos_stores import ThanosStores

ERRORS = 'sum(rate(ocr_requests_total{status="error"}[30s])) or vector(0)'
"""As many panels are written: it has a value where nothing is stored."""
STRICT, GONE, ALL_DOWN, NO_STORE = (
    f"thanos-0.42-{name}" for name in ("strict-store-down", "store-gone", "all-stores-down", "no-store")
)
MISSING = {
    STRICT: "fetch series for Store Gateway Addr: 127.0.0.1:19999",
    GONE: "Thanos Query omits store 127.0.0.1:19111: rpc error",
    ALL_DOWN: "Thanos Query omits sidecar 127.0.0.1:19101",
    NO_STORE: "Thanos Query has no store",
}


async def evaluate_query(source: Prometheus, query: str) -> tuple[Verdict, str]:
    """The verdict and the reason of a panel with this expression and no threshold that it breaches."""
    spec = PanelSpec("x", "X", Unit.COUNT, raw=query)
    panel = evaluate_panel(spec, spec.threshold, await source.panel(spec, query), now=0.0, taken_at=0.0, stale_after=60.0)
    return panel.verdict, panel.reason


@pytest.mark.parametrize("name", MISSING)
async def test_a_value_without_every_store_is_in_doubt(name: str) -> None:
    """Only an endpoint that is `strict` is missed in a warning; the others are left out of answers that look complete."""
    source = RecordedServer(name).source()
    verdict, reason = await evaluate_query(source, ERRORS)
    assert verdict is Verdict.IN_DOUBT and MISSING[name] in reason
    series = await source.query_range(ERRORS, start=0.0, end=20.0, step_seconds=5.0)
    assert series.series and MISSING[name] in series.annotations.partial
    await source.close()


@pytest.mark.parametrize("name", [ALL_DOWN, NO_STORE])
async def test_an_empty_result_is_no_data_for_the_reason_that_thanos_keeps_to_itself(name: str) -> None:
    """200, an empty result and no warning: the panel says which store is missing."""
    source = RecordedServer(name).source()
    verdict, reason = await evaluate_query(source, "up")
    assert verdict is Verdict.NO_DATA and MISSING[name] in reason
    await source.close()


@pytest.mark.parametrize("name", [ALL_DOWN, NO_STORE])
async def test_an_empty_list_of_rules_is_partial_from_the_first_answer(name: str) -> None:
    """No rule and no alert are listed, without a warning: that is not the absence of alerts."""
    source = RecordedServer(name).source()
    rules = await source.rules()
    assert not rules.rules and MISSING[name] in rules.partial
    await source.close()


async def test_rules_are_complete_where_a_store_without_rules_is_down() -> None:
    """A store gateway has series and no rules; rules and alerts carry Thanos' own fields."""
    source = RecordedServer(GONE).source()
    rules = await source.rules()
    (alert,) = rules.alerts
    assert dict(alert.labels)["alertname"] == "Down" and alert.value == 0.0 and not rules.partial
    assert ([rule.name for rule in rules.rules], rules.recorded) == (["Down", "Quiet"], ("job:up:sum",))
    await source.close()


async def test_the_remarks_about_a_query_are_told_from_a_missing_store() -> None:
    """Thanos lists infos, PromQL's warnings and missing stores together, and takes the place in the query from them."""
    source = RecordedServer(STRICT).source()
    advice = (await source.query("rate(ocr_model_loaded[30s])")).annotations
    assert MISSING[STRICT] in advice.partial and advice.warnings == (advice.partial,)
    assert [line_of(text) for text in advice.infos] == [None] and "might not be a counter" in advice.infos[0]
    wrong = (await source.query("histogram_quantile(0.9, ocr_model_loaded)")).annotations
    assert MISSING[STRICT] in wrong.partial and wrong.about_query == (wrong.warnings[1],)
    await source.close()


async def test_the_stores_are_asked_for_once_in_several_queries() -> None:
    """Thanos checks them every five seconds; another maker's server never gets the request."""
    server = RecordedServer(GONE)
    source = server.source()
    for _ in range(3):
        await source.query("up")
    await source.rules()
    assert server.paths.count("/api/v1/stores") == 1
    await source.close()
    other = RecordedServer("prometheus-3.16")
    source = other.source()
    await source.query("rate(ocr_model_loaded[1m])")
    await source.rules()
    assert "/api/v1/stores" not in other.paths
    await source.close()


async def test_thanos_is_known_by_its_answers() -> None:
    """It has no list of features, and a build like Prometheus'."""
    source = RecordedServer(STRICT).source()
    found = await source.capabilities()
    assert (found.maker, found.version, found.learned_from) == ("Thanos", "0.42.4", "probes")
    assert (found.rules, found.metadata, found.limit, found.parse_query) == (True, True, True, False)
    await source.close()


async def test_a_front_is_judged_by_its_own_language() -> None:
    """Thanos refuses duration expressions and modifiers that the Prometheus behind it evaluates: they are not offered."""
    source = RecordedServer(STRICT).source()
    found = (await source.capabilities()).extensions
    assert {name: found.get(name) for name in (DURATION_EXPRESSIONS, ANCHORED, INFO, NATIVE_HISTOGRAMS, UTF8_NAMES)} == {
        DURATION_EXPRESSIONS: False, ANCHORED: False, INFO: False, NATIVE_HISTOGRAMS: True, UTF8_NAMES: True,
    }  # fmt: skip
    await source.close()


async def test_a_thanos_that_allows_no_partial_answer_says_what_is_missing() -> None:
    """With `partial_response=false` (recorded, 0.42.4) a missing store is a 422: no data, for the reason that it gives."""
    told = "expanding series: proxy Series(): fetch series for Store Gateway Addr: 127.0.0.1:19999"
    body = {"status": "error", "errorType": "execution", "error": told}
    source = Prometheus(Endpoint("http://t"), transport=httpx.MockTransport(lambda _: httpx.Response(422, json=body)))
    verdict, reason = await evaluate_query(source, "up")
    assert verdict is Verdict.NO_DATA and told in reason
    await source.close()


class Stores:
    """A Thanos Query whose stores failed; `asked` counts the requests for their list."""

    def __init__(self, failed: int = 0, status: int = 200) -> None:
        self.failed, self.status, self.asked, self.now = failed, status, 0, 1000.0
        client = Client(Endpoint("http://thanos"), name="prometheus", transport=httpx.MockTransport(self._answer))
        self.client = client
        self.stores = ThanosStores(client, clock=lambda: self.now)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        listed = [{"name": f"s{at}", "lastError": "down"} for at in range(self.failed)]
        return httpx.Response(self.status, json={"status": "success", "data": {"sidecar": [*listed, {"name": "well"}]}})

    async def missing(self) -> str:
        return await self.stores.missing(is_thanos=True)


@pytest.mark.parametrize(
    ("failed", "named"),
    [(0, ""), (1, "sidecar s0"), (3, "sidecar s0, sidecar s1, sidecar s2"), (4, "sidecar s0, sidecar s1, sidecar s2, 1 more")],
)
async def test_three_stores_are_named_and_the_rest_is_counted(failed: int, named: str) -> None:
    """With the reason of the first; three need no further word."""
    server = Stores(failed)
    assert await server.missing() == (f"Thanos Query omits {named}: down" if named else "")
    await server.client.close()


@pytest.mark.parametrize(("status", "every"), [(200, 5.0), (403, 600.0)])
async def test_how_often_the_stores_are_listed(status: int, every: float) -> None:
    """Every five seconds, as Thanos checks them; a server that does not list them is asked again after ten minutes, and either
    after the clock was set back or the server was away.
    """
    server = Stores(status=status)
    for now, asked in ((0.0, 1), (0.0, 1), (every - 0.1, 1), (every, 2), (every, 2), (every - 0.1, 3)):
        server.now = 1000.0 + now
        await server.missing()
        assert server.asked == asked, now
    server.stores.forget()
    await server.missing()
    assert server.asked == 4
    await server.client.close()
