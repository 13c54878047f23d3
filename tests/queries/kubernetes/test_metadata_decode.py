"""Selectors, quantities and times as the API server writes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queries.kubernetes.metadata_decode import label_selector, parse_timestamp
from queries.kubernetes.workload_decode import REVISION, decode_workload
from queries.model.cluster import Cluster
from queries.model.pod import Pod
from queries.text.numbers import parse_quantity


def test_a_pod_is_selected_as_the_server_selects_it() -> None:
    """`matchExpressions` count like `matchLabels`, alone or together; the same selector is sent in the list's own syntax."""
    expressions = [
        {"key": "app", "operator": "In", "values": ["api", "web"]},
        {"key": "track", "operator": "NotIn", "values": ["canary"]},
        {"key": "team", "operator": "Exists"},
        {"key": "old", "operator": "DoesNotExist"},
    ]
    raw = {"metadata": {"name": "api"}, "spec": {"selector": {"matchLabels": {"tier": "x"}, "matchExpressions": expressions}}}
    workload = decode_workload(raw)
    good = (("app", "web"), ("team", "a"), ("tier", "x"))
    bad = (
        good[:2],
        (("app", "db"), *good[1:]),
        (*good, ("track", "canary")),
        (good[0], good[2]),
        (*good, ("old", "")),
    )
    assert workload.selects(good) and not any(map(workload.selects, bad))
    assert label_selector(raw) == "tier=x,app in (api,web),track notin (canary),team,!old"
    pods = tuple(Pod("n", str(at), str(at), "Running", True, 0, 0.0, labels=labels) for at, labels in enumerate((good, *bad)))
    alone = decode_workload({"metadata": {"name": "b"}, "spec": {"selector": {"matchExpressions": expressions[:1]}}})
    cluster = Cluster("n", (workload, alone), pods=pods)
    assert cluster.pods_of(workload) == pods[:1]
    assert cluster.pods_of(alone) == tuple(item for item in pods if item.name != "2")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("250m", 0.25), ("1", 1.0), ("1500000n", 0.0015), ("64Mi", 64 * 2**20), ("1G", 1e9), ("1e3", 1000.0),
        ("2E", 2e18), ("0", 0.0), ("", 0.0), ("cats", 0.0),
    ],
)  # fmt: skip
def test_quantities(text: str, number: float) -> None:
    """Kubernetes' suffixes, its exponents, and 0 for what is none."""
    assert parse_quantity(text) == pytest.approx(number)


@given(st.text(max_size=30))
def test_no_text_breaks_a_number_or_a_time(text: str) -> None:
    """Whatever stands where a quantity, a time or a revision should: a number comes out."""
    assert isinstance(parse_quantity(text), float)
    assert isinstance(parse_timestamp(text), float)
    decode_workload({"metadata": {"name": "x", "annotations": {REVISION: text}}})
