"""Promote a Rollout: what the preview binds the patch to."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from console.actions.argo_rollout import Promote
from console.actions.object_patch import ObjectFacts
from console.actions.plan import Request

STEPS = [{"setWeight": 20}, {"pause": {}}, {"setWeight": 60}, {"pause": {}}, {"setWeight": 100}]
ROLLOUT: dict[str, Any] = {
    "metadata": {"name": "cad-ml-api", "namespace": "cad", "uid": "u", "resourceVersion": "7", "generation": 2},
    "spec": {"replicas": 4, "strategy": {"canary": {"steps": STEPS}}, "template": {}},
    "status": {
        "stableRS": "old",
        "currentPodHash": "new",
        "currentStepIndex": 1,
        "controllerPause": True,
        "pauseConditions": [{"reason": "CanaryPauseStep", "startTime": "2026-11-29T10:00:00Z"}],
        "phase": "Paused",
    },
}


@pytest.mark.parametrize("full", ["", "yes"])
def test_a_promotion_is_of_the_pause_in_the_preview(full: str) -> None:
    """Once the Rollout waits at its next pause, the confirmed plan no longer holds, although the patch is the same."""
    later = copy.deepcopy(ROLLOUT)
    later["metadata"]["resourceVersion"] = "8"
    later["status"]["currentStepIndex"] = 3
    later["status"]["pauseConditions"][0]["startTime"] = "2026-11-29T10:05:00Z"
    touched = copy.deepcopy(ROLLOUT)
    touched["metadata"]["resourceVersion"] = "9"
    request = Request("promote", "rollout/cad-ml-api", {"full": full})
    confirmed, moved, same = (
        Promote().plan(request, ObjectFacts(found, ("kubectl",)), 0.0) for found in (ROLLOUT, later, touched)
    )
    assert isinstance(confirmed.body, dict) and isinstance(moved.body, dict)
    assert confirmed.body["status"] == moved.body["status"]
    assert confirmed.digest != moved.digest
    assert confirmed.digest == same.digest
