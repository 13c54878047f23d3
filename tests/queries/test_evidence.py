"""Which definition of a signal holds on a server, and why; and which number means which state."""

from __future__ import annotations

import httpx
import pytest

from queries.catalogue.signals import expand_signals, load_catalogue_signals, parse_signals
from queries.http.endpoint import Endpoint
from queries.model.series import Sample
from queries.prometheus.client import Prometheus
from queries.prometheus.evidence import (
    EVERY_SECONDS,
    HELP_EVERY_SECONDS,
    REMEMBERED_SECONDS,
    UNDECIDED_SECONDS,
    Decisions,
    parse_encoding,
)

HOUR = 3600.0


def series(metric: str, *statuses: str) -> list[Sample]:
    return [Sample((("__name__", metric), *([("status", status)] if status else [])), 1.0) for status in statuses or ("",)]


AS_EXPORTED = [
    *series("ocr_requests_total", "start", "success", "cache_hit"),
    *series("ocr_processing_duration_seconds_count"),
    *series("ocr_errors_total"),
    *series("vision_requests_total", "start", "success", "error"),
    *series("vision_processing_duration_seconds_count"),
    *series("vision_errors_total"),
    *series("dedup2d_job_queue_depth"),
    *series("ocr_circuit_state"),
]
ERRORS = series("ocr_requests_total", "start", "success", "error")


def chosen(decisions: Decisions) -> dict[str, str]:
    return {name: item.id for name, item in decisions.choice.definitions.items()}


def sentence(decisions: Decisions, start: str) -> str:
    return next((item for item in decisions.sentences if item.startswith(start)), "")


def test_the_first_definition_that_the_series_meet_holds() -> None:
    """As the platform exports: an OCR failure is a start without success, and the words say why and how many apply."""
    decisions = Decisions()
    decisions.ingest(AS_EXPORTED, 0.0)
    assert chosen(decisions) == {
        "ocr_requests": "starts",
        "ocr_attempts": "starts",
        "ocr_failures": "starts",
        "vision_requests": "starts",
        "vision_attempts": "starts",
        "vision_failures": "status",
        "queue_depth": "depth",
        "ocr_p95": "buckets",
        "ocr_latency_buckets": "buckets",
        "ocr_provider_timed": "count",
        "ocr_timed": "count",
        "ocr_within_2s": "bucket",
        "vision_p95": "buckets",
        "vision_latency_buckets": "buckets",
        "vision_provider_timed": "count",
        "vision_timed": "count",
        "vision_within_2s": "bucket",
    }
    assert sentence(decisions, "ocr failures") == (
        "ocr failures: starts without success, because no series has status=error|failed|failure; 3 of 4 definitions apply"
    )
    assert sentence(decisions, "vision failures") == 'vision failures: requests with status="error"; 4 of 4 definitions apply'


@pytest.mark.parametrize(
    ("names", "form"),
    [
        (("ocr_processing_duration_seconds_count",), "buckets"),
        (("ocr_processing_duration_seconds",), "native"),
        (("ocr_processing_duration_seconds", "ocr_processing_duration_seconds_count"), "buckets"),
    ],
)
def test_the_form_of_a_histogram_is_the_one_that_the_server_stores(names: tuple[str, ...], form: str) -> None:
    """Classic where classic series exist, native where only the native one does; with one form there is no choice to report."""
    decisions = Decisions()
    decisions.ingest([sample for name in names for sample in series(name)], 0.0)
    assert chosen(decisions)["ocr_p95"] == form
    said = sentence(decisions, "ocr p95")
    assert (said == "", "the native histogram" in said) == (
        names == ("ocr_processing_duration_seconds_count",),
        form == "native",
    )


def test_a_change_to_native_histograms_keeps_both_sides() -> None:
    """The chosen expression reads the classic series too, and files for other servers never have the native form."""
    decisions = Decisions()
    undecided = expand_signals("${ocr_p95[5m]} + ${timed[5m]}", decisions.choice)
    assert "histogram_count" not in undecided and "_bucket" in undecided
    decisions.ingest(series("ocr_processing_duration_seconds_count"), 0.0)
    assert expand_signals("${ocr_p95[5m]}", decisions.choice) == expand_signals("${ocr_p95[5m]}")
    decisions.ingest(series("ocr_processing_duration_seconds"), EVERY_SECONDS)
    changed = expand_signals("${ocr_p95[5m]}", decisions.choice)
    assert "rate(ocr_processing_duration_seconds{" in changed and "rate(ocr_processing_duration_seconds_bucket{" in changed
    assert "histogram_count" in expand_signals("${ocr_requests[5m]}", decisions.choice)


def test_what_is_missing_is_named() -> None:
    """Without the first metric the next one stands in, and the words name what is not there."""
    decisions = Decisions()
    decisions.ingest([*series("ocr_processing_duration_seconds_count"), *series("dedup2d_jobs_queued")], 0.0)
    assert sentence(decisions, "queue depth") == (
        "queue depth: the queued and the running jobs of every backend, because there is no dedup2d_job_queue_depth; "
        "1 of 2 definitions apply"
    )
    assert chosen(decisions)["ocr_requests"] == "timed" and "vision_requests" not in chosen(decisions)


def test_a_new_build_is_decided_again_at_once() -> None:
    """Series of another build change the decision with the next evidence, in both directions where nothing answers else."""
    decisions = Decisions()
    decisions.ingest(AS_EXPORTED, 0.0)
    decisions.ingest(ERRORS, EVERY_SECONDS)
    assert chosen(decisions)["ocr_failures"] == "status"
    decisions.ingest(series("ocr_requests_total", "success", "error"), 2 * EVERY_SECONDS)
    assert chosen(decisions)["ocr_requests"] == "outcomes"


def test_a_restart_is_no_new_build() -> None:
    """Counters with labels come back with their first use: for a day what was shown counts, and the rest answers meanwhile."""
    decisions = Decisions()
    decisions.ingest(ERRORS, 0.0)
    first = decisions.choice
    for at in (300.0, 600.0, HOUR, 5 * HOUR):
        decisions.ingest(AS_EXPORTED if at != 600.0 else [], at)
        assert chosen(decisions)["ocr_failures"] == "status", at
    assert first.definitions["ocr_failures"].rest
    decisions.ingest(AS_EXPORTED, REMEMBERED_SECONDS + 1.0)
    assert chosen(decisions)["ocr_failures"] == "starts"


def test_the_same_evidence_is_the_same_choice() -> None:
    """What is decided as before makes no panel's expression again."""
    decisions = Decisions()
    decisions.ingest(AS_EXPORTED, 0.0)
    before = decisions.choice
    decisions.ingest([*AS_EXPORTED, *series("ocr_requests_total", "something new")], 300.0)
    decisions.ingest([], 600.0)
    assert decisions.choice is before


def test_the_evidence_is_one_part_now_and_then() -> None:
    """At first, then every few minutes; also where the clock is set back."""
    decisions = Decisions()
    part = decisions.evidence_query(1000.0)
    assert part is not None and part.query.startswith('group by (__name__, status) ({__name__=~"')
    assert "ocr_requests_total" in part.query and "_bucket" not in part.query and "resilience_circuit_state" in part.query
    decisions.ingest(AS_EXPORTED, 1000.0)
    assert decisions.evidence_query(1000.0 + EVERY_SECONDS - 1.0) is None
    assert decisions.evidence_query(1000.0 + EVERY_SECONDS) is not None
    assert decisions.evidence_query(10.0) is not None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Circuit breaker state per key/provider (0=closed,1=half_open,2=open)", {"closed": 0, "half_open": 1, "open": 2}),
        ("Circuit breaker state (0=closed, 1=open, 2=half_open)", {"closed": 0, "open": 1, "half_open": 2}),
        ("0 closed 1 half-open 2 open", {"closed": 0, "half_open": 1, "open": 2}),
        ("state: closed (0), half-open (1), open (2)", {"closed": 0, "half_open": 1, "open": 2}),
        ("closed: 0; open: 1; half open: 2", {"closed": 0, "open": 1, "half_open": 2}),
        ("CLOSED=0 OPEN=1 HALF_OPEN=2", {"closed": 0, "open": 1, "half_open": 2}),
        ("0 = Closed / 1 = HalfOpen / 2 = Open", {"closed": 0, "half_open": 1, "open": 2}),
        ("closed→0, open→1", {"closed": 0, "open": 1}),
        ("State of the open/closed circuit (0=closed, 1=open)", {"closed": 0, "open": 1}),
        ("1 when open", {"open": 1}),
        ("0=closed,0=open", None),
        ("1=open, 2=open", None),
        ("Total number of circuit breaker opens", None),
        ("version 2 open beta", None),
        ("Number of open circuits in the last 5 minutes", None),
        ("", None),
    ],
)
def test_a_coding_is_read_from_words(text: str, told: dict[str, float] | None) -> None:
    """Either order, any joint; a text that contradicts itself or only speaks of circuits states nothing."""
    assert parse_encoding(text) == told


def test_the_help_text_goes_before_the_catalogue() -> None:
    """What it states is what panels compare with; where it states nothing the catalogue holds, and the words say which."""
    decisions = Decisions()
    decisions.ingest(AS_EXPORTED, 0.0)
    assert "as the catalogue defines it: its help text was not fetched yet" in sentence(decisions, "ocr_circuit_state")
    decisions.ingest_help("ocr_circuit_state", ["gauge"], ["state (0=closed, 1=open, 2=half_open)"])
    assert decisions.choice.encodings == {"ocr_circuit_state": {"closed": 0.0, "open": 1.0, "half_open": 2.0}}
    assert (
        sentence(decisions, "ocr_circuit_state")
        == "ocr_circuit_state: 0 is closed, 2 is half-open, 1 is open, by its help text"
    )
    decisions.ingest_help("ocr_circuit_state", ["gauge"], ["state of a circuit"])
    assert not decisions.choice.encodings
    assert sentence(decisions, "ocr_circuit_state").endswith("as the catalogue defines it: its help text states none")


def test_help_texts_that_contradict_each_other_decide_nothing() -> None:
    """Two builds at once: no number is right for both, and no state is guessed."""
    decisions = Decisions()
    decisions.ingest_help("ocr_circuit_state", ["gauge"], ["0=closed, 1=open, 2=half_open", "0=closed, 1=half_open, 2=open"])
    assert decisions.choice.encodings == {"ocr_circuit_state": {}}


def test_help_is_asked_for_at_once_and_hourly() -> None:
    """Of the metrics with a coding that the server has, once it is known which; sooner where the answer did not come."""
    decisions = Decisions()
    assert set(decisions.metrics_without_help(0.0)) == {
        "ocr_circuit_state", "dedupcad_vision_circuit_state", "resilience_circuit_state", "circuit_breaker_state",
    }  # fmt: skip
    decisions.ingest(AS_EXPORTED, 0.0)
    assert decisions.metrics_without_help(HELP_EVERY_SECONDS - 1.0) == ()
    assert decisions.metrics_without_help(HELP_EVERY_SECONDS) == ("ocr_circuit_state",)
    decisions.retry_help(HELP_EVERY_SECONDS)
    assert decisions.metrics_without_help(HELP_EVERY_SECONDS + EVERY_SECONDS) == ("ocr_circuit_state",)


def test_a_type_is_evidence_too() -> None:
    """A definition that needs a histogram holds once the server has said that it is one."""
    text = """
signals:
  x:
    about: x
    unit: count
    definitions:
      - {id: histogram, says: h, needs: {metric: x, type: histogram}, expr: 'x_count'}
      - {id: gauge, says: g, needs: {metric: x}, expr: x}
"""
    decisions = Decisions(parse_signals(text, where="x"))
    decisions.ingest(series("x"), 0.0)
    assert sentence(decisions, "x") == "x: g, because x is not known to be a histogram; 1 of 2 definitions apply"
    assert decisions.metrics_without_help(0.0) == ("x",)
    decisions.ingest_help("x", ["histogram"], [])
    decisions.ingest(series("x"), 300.0)
    assert chosen(decisions) == {"x": "histogram"}


def test_the_basis_of_a_text_is_that_of_its_signals() -> None:
    """Through other signals too; a signal with one definition needs no words."""
    decisions = Decisions()
    assert decisions.basis("${provider_health[5m]}") == ()
    decisions.ingest(AS_EXPORTED, 0.0)
    told = decisions.basis("${provider_health[5m]}")
    assert [item.partition(":")[0] for item in told] == [
        "ocr failures", "vision failures", "ocr attempts", "vision attempts", "ocr_circuit_state",
    ]  # fmt: skip
    assert load_catalogue_signals()["provider_health"].definitions[0].id not in " ".join(told)


def test_a_fallback_leaves_no_start_without_success() -> None:
    """Where another provider answers, its success is not the first one's: the error counter holds, also after a restart."""
    decisions = Decisions()
    decisions.ingest([*AS_EXPORTED, *series("ocr_fallback_triggered_total")], 0.0)
    assert sentence(decisions, "ocr failures") == (
        "ocr failures: the error counter, without what never was a request, because no series has status=error|failed|failure "
        "and there is ocr_fallback_triggered_total; 2 of 4 definitions apply"
    )
    decisions.ingest(AS_EXPORTED, HOUR)
    assert chosen(decisions)["ocr_failures"] == "errors"


def test_a_server_without_series_is_asked_again_soon() -> None:
    """Before its first scrape a server shows nothing: the console decides seconds after the series appear, not minutes."""
    decisions = Decisions()
    assert decisions.evidence_query(0.0) is not None
    decisions.ingest([], 0.0)
    assert decisions.evidence_query(UNDECIDED_SECONDS - 1.0) is None
    assert decisions.evidence_query(UNDECIDED_SECONDS) is not None
    decisions.ingest(AS_EXPORTED, UNDECIDED_SECONDS)
    assert chosen(decisions)
    assert decisions.evidence_query(UNDECIDED_SECONDS + EVERY_SECONDS - 1.0) is None


@pytest.mark.parametrize(
    ("pages", "again"),
    [({}, True), ({"ocr_circuit_state": [{"type": "gauge", "help": "0=closed, 1=open"}]}, False)],
    ids=["none", "one"],
)
async def test_a_server_without_help_texts_is_asked_again_in_minutes(pages: dict[str, object], again: bool) -> None:
    """Prometheus has no metadata before its first scrape; where it has some, the console asks hourly."""
    answer = httpx.Response(200, json={"status": "success", "data": pages})
    source = Prometheus(Endpoint("http://p"), transport=httpx.MockTransport(lambda _: answer), clock=lambda: 1000.0)
    await source.fetch_encodings()
    assert bool(source.decisions.metrics_without_help(1000.0 + EVERY_SECONDS)) is again
    await source.close()
