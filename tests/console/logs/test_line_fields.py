"""The fields of a line, the query with filters by them, and the trace that one names."""

from __future__ import annotations

import pytest

from console.logs.line_fields import FieldKind, LineField, LineFilter, add_filters, build_fields, build_trace_url, find_fields

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def names(line: str) -> dict[str, str]:
    return {field.name: field.value for field in find_fields(line)}


def test_the_fields_of_json_and_logfmt() -> None:
    """Nested ones by their path, numbers as they stand; lists are none; quotes of logfmt are no part of a value."""
    assert names('{"a":{"b":{"c":1.50}},"d":"x","e":[1],"f":null,"g":true}') == {"a.b.c": "1.5", "d": "x", "g": "true"}
    assert names(r'level=info msg="said \"no\"" took=3ms') == {"level": "info", "msg": 'said "no"', "took": "3ms"}
    assert names("plain text with a=b in it") == {}
    assert len(find_fields("{" + ",".join(f'"k{number}":1' for number in range(500)) + "}")) == 100
    assert names("{" * 10_000) == {} and names('{"a":' * 5000 + "1" + "}" * 5000) == {}


@pytest.mark.parametrize(
    ("line", "trace"),
    [
        (f'{{"trace_id":"{TRACE}"}}', TRACE),
        (f'{{"trace":{{"id":"{TRACE}"}}}}', TRACE),
        (f'{{"span":{{"traceID":"{TRACE[:16]}"}}}}', TRACE[:16]),
        (f"level=info traceId={TRACE} msg=x", TRACE),
        (f"level=info traceparent=00-{TRACE}-00f067aa0ba902b7-01", TRACE),
        (f"2026-11-29 INFO [x] trace_id: {TRACE} served", TRACE),
        (f'{{"request_id":"{TRACE}"}}', ""),
        ('{"trace_id":"javascript:alert(1)"}', ""),
        (f"2026-11-29 INFO {TRACE} served", ""),
    ],
)
def test_the_trace_that_a_line_names(line: str, trace: str) -> None:
    """By the names that OpenTelemetry, Zipkin and W3C give it, and only if it is one."""
    assert next((field.trace_id for field in find_fields(line) if field.trace_id), "") == trace


def test_a_trace_among_the_metadata() -> None:
    """Where OpenTelemetry's collector puts it."""
    fields = build_fields((("app", "x"),), (("trace_id", TRACE),), "text")
    assert [(field.kind, field.trace_id) for field in fields] == [("label", ""), ("metadata", TRACE)]
    assert build_trace_url("https://tempo.test/t/{trace_id}?x=1", TRACE) == f"https://tempo.test/t/{TRACE}?x=1"
    assert build_trace_url("", TRACE) == ""


@pytest.mark.parametrize(
    ("field", "without", "query"),
    [
        (("pod", 'a"b', FieldKind.LABEL), False, '{app="x", pod="a\\"b"} |= "y"'),
        (("pod", "a", FieldKind.LABEL), True, '{app="x", pod!="a"} |= "y"'),
        (("trace_id", "aa", FieldKind.METADATA), False, '{app="x"} |= "y" | trace_id="aa"'),
        (("status", "500", FieldKind.LOGFMT), True, '{app="x"} |= "y" | logfmt status="status" | status!="500"'),
        (("a.b", "1", FieldKind.JSON), False, '{app="x"} |= "y" | json a_b="a.b" | a_b="1"'),
        (("http-code", "1", FieldKind.JSON), False, '{app="x"} |= "y" | json http_code="[\\"http-code\\"]" | http_code="1"'),
        (("trace_id", "aa", FieldKind.TEXT), True, '{app="x"} |= "y" != "aa"'),
    ],
)
def test_a_query_with_a_filter(field: tuple[str, str, FieldKind], without: bool, query: str) -> None:
    """Labels go into the selector, what a parser finds after it: only this one field is parsed."""
    assert add_filters('{app="x"} |= "y"', [LineFilter(LineField(*field), without)]) == query


def test_several_filters() -> None:
    """In the order in which they were chosen."""
    chosen = [
        LineFilter(LineField("pod", "a", FieldKind.LABEL)),
        LineFilter(LineField("level", "info", FieldKind.METADATA), without=True),
    ]
    assert add_filters("{}", chosen) == '{pod="a"} | level!="info"'
    assert [each.describe() for each in chosen] == ['pod="a"', 'level!="info"']
