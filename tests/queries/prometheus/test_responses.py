"""Prometheus' JSON becomes samples, tracks and rules, whatever stands in its labels."""

from __future__ import annotations

import contextlib
import json
import math
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loopback import RECORDINGS

from queries.errors import InvalidResponse, RequestRejected, SourceError
from queries.model.alert import AlertState
from queries.model.annotations import UNEXPLAINED, Annotations
from queries.prometheus import responses

WHERE = "http://prometheus"


def recorded(name: str) -> bytes:
    return (RECORDINGS / f"prometheus-2.42-{name}.json").read_bytes()


def test_recorded_vector() -> None:
    """NaN, both infinities and hostile label text come through as they are."""
    samples = responses.decode_instant(recorded("vector"), where=WHERE).samples
    by_kind = {sample.label("kind") or sample.label("text") or sample.label("__name__"): sample.value for sample in samples}
    assert math.isnan(by_kind["nan"])
    assert (by_kind["inf"], by_kind["-inf"], by_kind["up"]) == (math.inf, -math.inf, 1.0)
    assert by_kind["[bold]\n\x1b[31m\u202e[@click=app.quit]"] == 1.5e-9


def test_recorded_scalar() -> None:
    """A scalar is one sample without labels."""
    (sample,) = responses.decode_instant(recorded("scalar"), where=WHERE).samples
    assert (sample.labels, sample.value) == ((), 42.0)


@pytest.mark.parametrize("name", ["string", "range-vector"])
def test_results_that_are_no_vector(name: str) -> None:
    """A text or a range is refused with a sentence, not drawn as nothing."""
    with pytest.raises(InvalidResponse, match="returns a"):
        responses.decode_instant(recorded(name), where=WHERE)


@pytest.mark.parametrize(("name", "words"), [("bad-data", "1:7: parse error"), ("execution", "duplicate series")])
def test_recorded_errors(name: str, words: str) -> None:
    """Prometheus' own words, with the position, are what the person reads."""
    with pytest.raises(RequestRejected, match=words):
        responses.decode_instant(recorded(name), where=WHERE)


def test_an_answer_that_differs_only_in_its_time_is_the_same_object() -> None:
    """So everything that follows from it is kept; another value, label or warning is decoded."""

    def body(*, at: float = 1700000000.123, value: str = "1", name: str = "up", more: str = "") -> bytes:
        item = f'{{"metric":{{"__name__":"{name}"}},"value":[{at},"{value}"]}}'
        other = f'{{"metric":{{"value":"[{at}"}},"value":[{at},"2"]}}'
        return f'{{"status":"success","data":{{"resultType":"vector","result":[{item},{other}]}}{more}}}'.encode()

    decoder = responses.InstantDecoder(WHERE)
    first = decoder.decode("up", body())
    assert first == responses.decode_instant(body(), where=WHERE)
    assert decoder.decode("up", body()) is first
    assert decoder.decode("other", body()) is not first
    later = body(at=1700000001.5, name="up").replace(b'"value":"[1700000001.5"', b'"value":"[1700000000.123"')
    assert decoder.decode("up", later) is first
    for other in (body(value="1.5"), body(name="down"), body(more=',"warnings":["partial"]'), body(at=5.0)):
        assert decoder.decode("up", other) == responses.decode_instant(other, where=WHERE) != first


@given(st.lists(st.tuples(st.text(max_size=4), st.floats(allow_nan=False)), max_size=4), st.floats(1e9, 2e9))
def test_a_kept_answer_is_what_decoding_returns(samples: list[tuple[str, float]], at: float) -> None:
    """Whatever stands in labels and values, and whatever was decoded before."""
    decoder = responses.InstantDecoder(WHERE)
    for moment in (at, at + 1.0, at):
        for shown in (samples, samples[1:]):
            result = [{"metric": {"value": text}, "value": [moment, str(value)]} for text, value in shown]
            body = json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}}).encode()
            assert decoder.decode("x", body) == responses.decode_instant(body, where=WHERE)


def test_recorded_matrix() -> None:
    """A matrix gives one track a series, its points in order."""
    tracks = responses.decode_range(recorded("matrix"), where=WHERE).series
    assert {track.label("provider") for track in tracks} == {"deepseek", "openai", "paddle"}
    for track in tracks:
        times = [at for at, _ in track.points]
        assert times == sorted(times) and len(times) == 5


def test_recorded_rules() -> None:
    """Alerting rules, their instances with live values, and the names of recorded series."""
    answer = responses.RulesDecoder(WHERE).decode(recorded("rules"))
    assert answer.recorded == ("ocr_p95_latency_seconds", "platform_requests_per_second")
    rule = next(item for item in answer.rules if item.name == "SlowPending")
    assert (rule.for_seconds, rule.expression, rule.group, rule.health) == (3600.0, "vector(1)", "rec", "ok")
    by_name = {alert.name: alert for alert in answer.alerts}
    pending, firing = by_name["SlowPending"], by_name["HighErrorRate"]
    assert pending.state is AlertState.PENDING and pending.fingerprint.startswith("pending:")
    assert firing.state is AlertState.ACTIVE and firing.fingerprint.startswith("prometheus:")
    assert firing.value is not None and 0.01 < firing.value < 1
    assert firing.starts_at > 1.7e9


def test_the_order_of_instances_says_nothing() -> None:
    """A server that tells the same instances in another order gives an equal answer, made of the very same alerts."""
    decoder = responses.RulesDecoder(WHERE)
    body = json.loads(recorded("rules"))
    instances = [rule["alerts"] for group in body["data"]["groups"] for rule in group["rules"] if rule.get("alerts")]
    many = [{**instances[0][0], "labels": {**instances[0][0]["labels"], "part": str(number)}} for number in range(9)]
    instances[0][:] = many
    one = decoder.decode(json.dumps(body).encode())
    instances[0][:] = [*many[4:], *many[:4]]
    other = decoder.decode(json.dumps(body).encode())
    assert len(one.alerts) >= 9
    assert one == other and all(first is second for first, second in zip(one.alerts, other.alerts, strict=True))


def test_rules_that_stay_the_same_stay_the_same_objects() -> None:
    """Only the evaluation moves on: rules keep their objects, their state is the new one; each other change is seen."""
    decoder = responses.RulesDecoder(WHERE)
    body = json.loads(recorded("rules"))
    before = decoder.decode(json.dumps(body).encode())
    groups = body["data"]["groups"]
    for group in groups:
        group["lastEvaluation"] = "2030-01-01T00:00:00Z"
        for rule in group["rules"]:
            rule["lastEvaluation"] = "2030-01-01T00:00:00Z"
    after = decoder.decode(json.dumps(body).encode())
    assert len(after.rules) > 1 and after.recording and after == before
    assert all(new is old for new, old in zip(after.rules, before.rules, strict=True))
    assert all(new.rules is old.rules for new, old in zip(after.recording, before.recording, strict=True))
    assert all(group.evaluated_at == 1_893_456_000.0 for group in after.recording)
    for at, group in enumerate(groups):
        for number, rule in enumerate(group["rules"]):
            rule.update(health="err", lastError=f"broken {at} {number}")
            found = decoder.decode(json.dumps(body).encode())
            assert found == responses.RulesDecoder(WHERE).decode(json.dumps(body).encode())
            assert found.recording == responses.RulesDecoder(WHERE).decode(json.dumps(body).encode()).recording
    groups.reverse()
    body["data"]["groups"] = groups[1:]
    found = decoder.decode(json.dumps(body).encode())
    assert found == responses.RulesDecoder(WHERE).decode(json.dumps(body).encode())


@pytest.mark.parametrize(
    ("extra", "annotations"),
    [
        ({"warnings": ["PromQL warning: w"], "infos": ["PromQL info: i"]}, (("PromQL warning: w",), ("PromQL info: i",), "")),
        # Thanos Query lists infos among the warnings, and says only there that a store is missing.
        ({"warnings": ["PromQL info: i", "x: down"]}, (("x: down",), ("PromQL info: i",), "x: down")),
        ({"isPartial": True}, ((), (), UNEXPLAINED)),
        ({"isPartial": False, "warnings": None}, ((), (), "")),
    ],
)  # fmt: skip
def test_warnings_infos_and_gaps_are_told_apart(extra: dict[str, object], annotations: tuple[object, ...]) -> None:
    """An info is advice, a PromQL warning doubts the result, any other warning and `isPartial` say that a part is missing."""
    body = json.dumps({"status": "success", "data": {"resultType": "vector", "result": []}, **extra}).encode()
    answer = responses.decode_instant(body, where=WHERE)
    assert answer.annotations == Annotations(*annotations)  # type: ignore[arg-type]


def test_native_histograms_are_named_not_lost() -> None:
    """A native histogram has no one value: it is left out, and that is said."""
    item = {"metric": {"a": "b"}, "histogram": [1, {"count": "3"}]}
    body = json.dumps({"status": "success", "data": {"resultType": "vector", "result": [item]}}).encode()
    answer = responses.decode_instant(body, where=WHERE)
    assert not answer.samples and "1 native histogram" in answer.warnings[0]


@pytest.mark.parametrize(
    "body",
    [
        b"null",
        b"[]",
        b'{"status":"success"}',
        b'{"status":"success","data":{"resultType":"other","result":[]}}',
        b'{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,2]}]}}',
        b'{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"x"]}]}}',
        b'{"status":"success","data":{"resultType":"vector","result":[{"metric":{"a":1},"value":[1,"1"]}]}}',
        b'{"status":"success","data":{"resultType":"vec',
        b'{"status":"error"}',
        b"",
    ],
)
def test_other_shapes_are_malformed(body: bytes) -> None:
    """An answer of another shape is Malformed, never a crash and never an empty panel."""
    with pytest.raises(InvalidResponse):
        responses.decode_instant(body, where=WHERE)


LABELS = st.dictionaries(st.text(min_size=1), st.text(), max_size=5)


@given(st.lists(st.tuples(LABELS, st.floats(allow_nan=True, allow_infinity=True)), max_size=5))
def test_any_labels_survive(items: list[tuple[dict[str, str], float]]) -> None:
    """Every label set and value that JSON can carry comes back exactly, sorted by name."""
    result = [{"metric": metric, "value": [1.0, _go(value)]} for metric, value in items]
    body = json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}}).encode()
    samples = responses.decode_instant(body, where=WHERE).samples
    assert [dict(sample.labels) for sample in samples] == [metric for metric, _ in items]
    for sample, (_, value) in zip(samples, items, strict=True):
        assert list(sample.labels) == sorted(sample.labels)
        assert sample.value == value or (math.isnan(sample.value) and math.isnan(value))


@given(st.binary(max_size=200))
def test_any_bytes_give_an_answer_or_a_source_error(body: bytes) -> None:
    """No body whatever raises anything but a SourceError."""
    for decode in (
        partial(responses.decode_instant, where=WHERE),
        partial(responses.decode_range, where=WHERE),
        responses.RulesDecoder(WHERE).decode,
    ):
        with contextlib.suppress(SourceError):
            decode(body)


@given(LABELS, LABELS)
def test_digest_tells_label_sets_apart(one: dict[str, str], other: dict[str, str]) -> None:
    """Two label sets share a digest only if they are equal; names and values cannot run into each other."""
    assert (responses.hash_labels(responses.sort_labels(one)) == responses.hash_labels(responses.sort_labels(other))) is (
        one == other
    )


def _go(value: float) -> str:
    return "NaN" if math.isnan(value) else {math.inf: "+Inf", -math.inf: "-Inf"}.get(value, repr(value))


def test_one_page_of_rules_is_not_all_rules() -> None:
    """3.16 sends `groupNextToken` where `group_limit` was asked for: the list is partial, nothing is concluded from its end."""
    page = (RECORDINGS / "prometheus-3.16-grouped-rules.json").read_bytes()
    rules = responses.RulesDecoder(WHERE).decode(page)
    assert [rule.name for rule in rules.rules] == ["Queue", "NoFor", "ZeroFor"]
    assert rules.partial == "the server listed only its first rule groups"
    whole = (RECORDINGS / "prometheus-3.16-restarted-rules.json").read_bytes()
    assert not responses.RulesDecoder(WHERE).decode(whole).partial


def sized(size: int) -> bytes:
    """A vector of one sample, in a body of this size."""
    body = b'{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1700000000,"1"]}]}}'
    return body + b" " * (size - len(body))


@pytest.mark.parametrize(("size", "kept"), [(32_767, True), (32_768, True), (32_769, False)])
def test_an_answer_of_up_to_32_kib_is_kept(size: int, kept: bool) -> None:
    """A larger one is decoded each time."""
    decoder = responses.InstantDecoder(WHERE)
    first = decoder.decode("up", sized(size))
    assert first == responses.decode_instant(sized(size), where=WHERE)
    assert (decoder.decode("up", sized(size)) is first) is kept


def test_the_answers_of_the_eight_latest_queries_are_kept() -> None:
    """A ninth takes the place of the one that was asked longest ago, not of the one that was first."""
    decoder = responses.InstantDecoder(WHERE)
    found = {name: decoder.decode(name, sized(200)) for name in "abcdefgh"}
    assert all(decoder.decode(name, sized(200)) is answer for name, answer in found.items())
    assert decoder.decode("a", sized(200)) is found["a"]
    decoder.decode("i", sized(200))
    kept = {name: decoder.decode(name, sized(200)) is found[name] for name in "acdefgh"}
    assert all(kept.values()) and decoder.decode("b", sized(200)) is not found["b"]


@pytest.mark.parametrize(
    ("text", "at"), [("", None), ("0001-01-01T00:00:00Z", None), ("1970-01-01T00:00:00Z", None), ("1970-01-01T00:00:01Z", 1.0)]
)
def test_a_group_that_was_never_evaluated(text: str, at: float | None) -> None:
    """Go writes the year 1 for never."""
    rule = {"type": "recording", "name": "r", "query": "up", "health": "ok"}
    group = {"name": "g", "file": "f", "interval": 5, "rules": [rule], "lastEvaluation": text}
    body = json.dumps({"status": "success", "data": {"groups": [group]}}).encode()
    (found,) = responses.RulesDecoder(WHERE).decode(body).recording
    assert found.evaluated_at == at
