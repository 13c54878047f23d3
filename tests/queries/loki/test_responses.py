"""Loki's answers to metric queries, and every answer that is none of numbers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from queries.errors import InvalidResponse
from queries.loki.responses import decode_count, decode_samples, decode_series


def answer(kind: str, *result: Any) -> bytes:
    return json.dumps({"status": "success", "data": {"resultType": kind, "result": list(result)}}).encode()


def vector(*values: str) -> bytes:
    return answer("vector", *({"metric": {"b": "2", "a": str(at)}, "value": [1.5, value]} for at, value in enumerate(values)))


STREAMS = answer("streams", {"stream": {"a": "b"}, "values": [["1", "line"]]})


def test_numbers_come_with_sorted_labels() -> None:
    """Of two series each with its own; no series is an empty answer."""
    assert [(item.labels, item.value) for item in decode_samples(vector("1", "2.5"), where="x")] == [
        ((("a", "0"), ("b", "2")), 1.0), ((("a", "1"), ("b", "2")), 2.5),
    ]  # fmt: skip
    matrix = answer(
        "matrix",
        {"metric": {"b": "1", "a": "2"}, "values": [[1.0, "3"], [2.0, "4"]]},
        {"metric": {}, "values": [[1.0, "5"]]},
    )
    one, two = decode_series(matrix, where="x")
    assert (one.labels, one.points, two.labels, two.points) == (
        (("a", "2"), ("b", "1")), ((1.0, 3.0), (2.0, 4.0)), (), ((1.0, 5.0),),
    )  # fmt: skip
    assert decode_samples(vector(), where="x") == () == decode_series(answer("matrix"), where="x")


@pytest.mark.parametrize(("values", "count"), [((), 0), (("3",), 3), (("3", "4.6"), 7), (("0",), 0)])
def test_a_count_is_the_sum_of_what_there_is(values: tuple[str, ...], count: int) -> None:
    assert decode_count(vector(*values), where="x") == count


def test_lines_are_no_numbers() -> None:
    """It says how to count them; what is not a number is an error too, with the place."""
    for decode in (decode_series, decode_samples):
        with pytest.raises(InvalidResponse, match="has lines as its result, not numbers") as told:
            decode(STREAMS, where="http://loki")
        assert (told.value.fault.hint, told.value.fault.where) == ("count them: count_over_time", "http://loki")
    with pytest.raises(InvalidResponse, match="a value is not a number"):
        decode_samples(vector("1", "x"), where="x")
    with pytest.raises(InvalidResponse, match="a value is not a number"):
        decode_series(answer("matrix", {"metric": {}, "values": [[1.0, "1"], [2.0, "x"]]}), where="x")
    for body in (STREAMS, vector("x"), vector("NaN"), vector("+Inf"), answer("matrix")):
        with pytest.raises(InvalidResponse, match="the count of lines is not a number"):
            decode_count(body, where="x")
