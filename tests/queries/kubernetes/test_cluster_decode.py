"""Disruption budgets and events as the API server sends them."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from loopback import RECORDINGS

from queries.kubernetes import objects as k8s
from queries.kubernetes.cluster_decode import build_cluster_event, decode_budget
from queries.kubernetes.watch import KINDS
from queries.text.times import parse_rfc3339


@pytest.mark.parametrize(("selector", "covers"), [(None, False), ({}, True), ({"matchLabels": {"a": "b"}}, False)])
def test_a_budget_with_an_empty_selector_covers_every_pod(selector: Any, covers: bool) -> None:
    """policy/v1: an empty selector matches every pod of the namespace, an absent one none."""
    raw = {"metadata": {"name": "b"}, "spec": {"selector": selector} if selector is not None else {}}
    assert decode_budget(raw).selects((("app", "x"),)) is covers


def test_an_event_is_read_where_its_times_and_its_count_are() -> None:
    """1.36 sends a controller's event with `eventTime: null` in both groups, and its count and times only in core/v1 under the
    names that are no longer `deprecated`: that one is read."""
    recorded = json.loads((RECORDINGS / "kubernetes-1.36-event.json").read_text())
    core, newer = recorded["core/v1"], recorded["events.k8s.io/v1"]
    assert core["metadata"]["uid"] == newer["metadata"]["uid"]
    assert (core["eventTime"], newer["eventTime"], newer.get("count"), newer["deprecatedCount"]) == (None, None, None, 1)
    event = build_cluster_event(msgspec.convert({**core, "count": 12}, k8s.EventObject))
    assert (event.kind, event.name, event.reason, event.count) == ("Deployment", "web", "ScalingReplicaSet", 12)
    assert event.at == parse_rfc3339(core["lastTimestamp"]) == parse_rfc3339(newer["deprecatedLastTimestamp"])
    (kind,) = (item for item in KINDS if item.name == "events")
    assert kind.prefix == "/api/v1"
