"""Signals: what is measured, apart from how one build spells it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from queries.catalogue.contract import load_contract
from queries.catalogue.signals import (
    UNDECIDED,
    DefinitionChoice,
    SignalError,
    UnstatedState,
    collect_evidence,
    expand_signals,
    find_references,
    find_witnessed,
    load_catalogue_signals,
    parse_signals,
)
from queries.promql.syntax import parse_promql

RUNBOOKS, CATALOGUE, CHECKLISTS = (
    Path(__file__).parents[2] / name for name in ("runbooks", "queries/catalogue", "console/checklists")
)
SIGNALS = load_catalogue_signals()
WINDOWED = {name for name, signal in SIGNALS.items() if "$window" in "".join(item.expression for item in signal.definitions)}


def reference(name: str) -> str:
    return f"${{{name}[5m]}}" if name in WINDOWED else f"${{{name}}}"


@pytest.mark.parametrize("name", SIGNALS)
def test_every_signal_is_promql_in_every_form(name: str) -> None:
    """Undecided, and with each of its definitions chosen: PromQL without a placeholder left, of the labels that `by` names."""
    signal = SIGNALS[name]
    texts = [expand_signals(reference(name))]
    texts += [expand_signals(reference(name), DefinitionChoice({name: item})) for item in signal.definitions]
    for text in texts:
        bare = text.replace(', provider=~"$provider"', "").replace('provider=~"$provider"', "")
        assert "$" not in bare.replace('"$1"', "").replace("dedupcad_vision/$1", ""), text
        assert parse_promql(bare).root is not None
    for witness in signal.witnesses:
        second = expand_signals(witness.expression.replace("$window", "5m"))
        assert parse_promql(second).root is not None and "$window" in witness.expression


HISTOGRAMS = tuple(item.name for item in load_contract().metrics if item.type == "histogram")
CLASSIC = re.compile(rf"\b({'|'.join(HISTOGRAMS)})_(?:bucket|sum|count)\b")
NATIVE = re.compile(rf"\b({'|'.join(HISTOGRAMS)})\{{?[^_a-z]")


@pytest.mark.parametrize("name", SIGNALS)
def test_every_signal_over_a_histogram_has_both_forms(name: str) -> None:
    """Where a definition reads classic series, another one reads the native histogram and the classic series after it; a
    second count has both forms by the signal that it refers to."""
    signal = SIGNALS[name]
    classic = {metric for item in signal.definitions if not item.evidence_only for metric in CLASSIC.findall(item.expression)}
    native = [item for item in signal.definitions if item.evidence_only]
    assert {metric for item in native for metric in NATIVE.findall(item.expression)} == classic
    for item in native:
        text = item.expression
        assert item.needs is not None and item.needs.metric in classic
        assert set(CLASSIC.findall(text)) == set(NATIVE.findall(text)), "a window across the change has both sides"
        assert text.index(f"{item.needs.metric}_") > NATIVE.search(text).start()  # type: ignore[union-attr]
    assert not [witness.id for witness in signal.witnesses if CLASSIC.search(witness.expression)]


def test_nothing_else_of_the_console_reads_a_form_of_a_histogram() -> None:
    """Panels, checklists' queries and runbooks refer to signals, so that they hold for native histograms as well."""
    texts = {
        str(path): path.read_text() for path in (*RUNBOOKS.glob("*.md"), *CATALOGUE.glob("*.yaml"), *CHECKLISTS.glob("*.yaml"))
    }
    assert len(texts) > 40
    queries = {path: re.sub(r"`[^`]*`|absent: .*|#.*", "", text) for path, text in texts.items() if "signals.yaml" not in path}
    assert {path: CLASSIC.findall(text) for path, text in queries.items() if CLASSIC.search(text)} == {}


def test_undecided_every_definition_stands_in_its_order() -> None:
    """Each label set takes the first definition that it has; `only` keeps one to those that it may speak for."""
    text = expand_signals("${ocr_failures[5m]}")
    places = [
        text.index(part) for part in ("error|failed", "clamp_min", 'on (provider) ocr_requests_total{status="start"', "0 * sum")
    ]
    assert places == sorted(places) and text.count("\nor ") == 3


def test_a_decided_signal_is_one_definition_with_its_rest() -> None:
    """What the definition has nothing for is answered by its rest, and no other definition is asked."""
    failures = SIGNALS["ocr_failures"]
    status, starts = failures.definitions[:2]
    assert expand_signals("${ocr_failures[5m]}", DefinitionChoice({failures.id: starts})).count("ocr_requests_total") == 2
    text = expand_signals("${ocr_failures[5m]}", DefinitionChoice({failures.id: status}))
    assert text.count("\nor ") == 1 and "clamp_min" in text and "and on" not in text


def test_a_window_reaches_inside_and_may_lie_earlier() -> None:
    """Signals that are made of signals take the window along, with its offset."""
    assert set(re.findall(r"\[[^\]]*\](?: offset \w+)?", expand_signals("${platform_failures[6h]}"))) == {"[6h]"}
    assert set(re.findall(r"\[[^\]]*\](?: offset \w+)?", expand_signals("${requests[5m offset 1d]}"))) == {"[5m] offset 1d"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("${ocr_request[5m]}", r"x\.yaml: there is no signal 'ocr_request'; expected one of analysis_errors, "),
        ("${ocr_requests}", r"needs a window: \$\{ocr_requests\[5m\]\}"),
        ("1 + ${platform_requests}", "needs a window"),
    ],
)
def test_a_wrong_reference_says_where_and_what_there_is(text: str, words: str) -> None:
    """The place, the name, and what exists instead."""
    with pytest.raises(SignalError, match=words):
        expand_signals(text, where="x.yaml")


def test_grafanas_own_variables_are_left_alone() -> None:
    """${datasource} is none of ours where no signal is looked for, and a text without a reference is not touched."""
    assert expand_signals("rate(x[5m])") == "rate(x[5m])"
    assert find_references("${ocr_requests[5m]} + ${ocr_requests[1h]} + ${queue_depth}") == ("ocr_requests", "queue_depth")


def test_the_codings_of_the_three_metrics() -> None:
    """Each metric has its own number for open, and what its help text states goes before the catalogue's."""
    text = expand_signals("${circuits}")
    assert "ocr_circuit_state == bool 2" in text and "circuit_breaker_state == bool 2" in text
    assert "dedupcad_vision_circuit_state == bool 1" in text and "resilience_circuit_state == bool 1" in text
    stated = DefinitionChoice(encodings={"ocr_circuit_state": {"closed": 0.0, "open": 1.0, "half_open": 2.0}})
    assert "ocr_circuit_state == bool 1" in expand_signals("${circuits}", stated)


def test_a_coding_without_the_needed_state_is_an_error() -> None:
    """Nothing is guessed where the help text leaves a state out."""
    stated = DefinitionChoice(encodings={"ocr_circuit_state": {"closed": 0.0, "half_open": 1.0}})
    with pytest.raises(
        UnstatedState, match="ocr_circuit_state does not say which number means open: 0 is closed, 1 is half-open"
    ):
        expand_signals("${circuits}", stated)


OWN = """
signals:
  ocr_requests:
    definitions:
      - id: gateway
        says: requests at the gateway
        needs: {metric: gateway_ocr_total}
        expr: sum by (provider) (rate(gateway_ocr_total[$window]))
  orders:
    about: orders of the shop
    unit: per_second
    definitions: [{id: counter, says: orders_total, expr: 'sum(rate(orders_total[$window])) / ${ocr_user_requests[$window]}'}]
"""


def test_a_teams_definitions_stand_in_front() -> None:
    """A known signal gains definitions, a new one is a signal like ours; the catalogue itself is not changed."""
    signals = load_catalogue_signals((("own.yaml", OWN),))
    assert [item.id for item in signals["ocr_requests"].definitions][:4] == ["gateway", "starts", "outcomes", "timed"]
    assert "gateway_ocr_total" in expand_signals("${orders[5m]}", UNDECIDED, signals=signals)
    assert "orders" not in load_catalogue_signals() and load_catalogue_signals() == SIGNALS


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (OWN.replace("    about: orders of the shop\n", ""), "own.yaml: the signal orders is new and lacks `about`"),
        (
            OWN.replace("  ocr_requests:\n", "  ocr_requests:\n    unit: seconds\n"),
            "ocr_requests is measured in per_second by provider",
        ),
        (OWN.replace("unit: per_second", "unit: parsec"), "parsec"),
        (OWN.replace("says: orders_total, ", ""), "says"),
    ],
)
def test_a_teams_definition_that_does_not_fit(text: str, words: str) -> None:
    """The file and what is wrong with it."""
    with pytest.raises(SignalError, match=words):
        load_catalogue_signals((("own.yaml", text),))


def test_made_of_itself() -> None:
    """A circle is named, not followed."""
    text = "signals: {a: {about: x, unit: count, definitions: [{id: i, says: s, expr: '${a}'}]}}"
    with pytest.raises(SignalError, match="references itself: a > a"):
        expand_signals("${a}", signals=parse_signals(text, where="x"))


def test_witnesses_are_found_through_other_signals() -> None:
    """The error ratio's figures have witnesses, over the window that the panel asks."""
    found = {
        (signal.id, window) for signal, window in find_witnessed("100 * ${platform_failures[5m]} / ${platform_requests[5m]}")
    }
    assert found == {("ocr_failures", "5m"), ("vision_failures", "5m"), ("vision_requests", "5m")}


def test_what_has_to_be_looked_for() -> None:
    """Each piece of evidence once."""
    looked = collect_evidence(SIGNALS.values())
    assert len(set(looked)) == len(looked)
    assert {item.metric for item in looked} >= {"ocr_requests_total", "vision_errors_total", "dedup2d_jobs_queued"}


def test_a_circuit_that_knows_no_half_open_is_never_half_open() -> None:
    """A coding of closed and open is whole: the state that it lacks equals no number."""
    text = expand_signals(
        "${ocr_circuit_share}", DefinitionChoice(encodings={"ocr_circuit_state": {"closed": 0.0, "open": 1.0}})
    )
    assert "== bool 1)" in text and "== bool NaN)" in text
