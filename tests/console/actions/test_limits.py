"""The limits of a container: what may be asked for, what is sent, and how it is rolled back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from action_bench import API, Bench, outcome, quiet

from console.actions.plan import Outcome

TARGET = f"deployment/{API}"


def resources(bench: Bench) -> dict[str, Any]:
    (found,) = [item for item in bench.cluster.objects("deployments") if item["metadata"]["name"] == API]
    return dict(found["spec"]["template"]["spec"]["containers"][0].get("resources") or {})


def give(bench: Bench, **given: Any) -> None:
    containers = [{"name": API, "resources": given}]
    bench.cluster.patch("deployments", API, {"spec": {"template": {"spec": {"containers": containers}}}})
    quiet(bench.cluster)


async def test_a_lower_limit_lowers_the_request_and_its_undo_restores_both(bench: Bench) -> None:
    """The API server rejects a request above its limit; the preview shows both, and the undo of the plan brings both back."""
    give(bench, limits={"memory": "512Mi", "cpu": "1"}, requests={"memory": "256Mi", "cpu": "100m"})
    before = resources(bench)
    steps = await bench.act("limits", TARGET, memory="16Mi")
    assert outcome(steps)[0] is Outcome.DONE, steps[-1]
    after = resources(bench)
    assert (after["limits"], after["requests"]) == ({"memory": "16Mi", "cpu": "1"}, {"memory": "16Mi", "cpu": "100m"})
    plan = bench.previews[0].plan
    assert [(item.name, item.before, item.after) for item in plan.differences[:2]] == [
        ("memory limit", "512Mi", "16Mi"), ("memory request", "256Mi", "16Mi")
    ]  # fmt: skip
    (write,) = bench.writes()
    assert write.headers["content-type"] == "application/json-patch+json"
    assert json.loads(write.body)[1]["op"] == "test", "it fails if another container took the place"
    assert plan.undo is not None and plan.undo.parameters["memory_request"] == "256Mi"
    steps = await bench.act("limits", TARGET, **plan.undo.parameters)
    assert outcome(steps)[0] is Outcome.DONE, steps[-1]
    assert resources(bench) == before


async def test_a_limit_where_there_was_none_is_removed_by_the_undo(bench: Bench) -> None:
    """`none` removes a limit, so what had none has none again."""
    give(bench, limits=None, requests=None)
    await bench.act("limits", TARGET, cpu="500m")
    undo = bench.previews[0].plan.undo
    assert undo is not None and undo.parameters == {"cpu": "none", "container": API}
    assert outcome(await bench.act("limits", TARGET, **undo.parameters))[0] is Outcome.DONE
    assert not resources(bench).get("limits")


@pytest.mark.parametrize(
    ("parameters", "why"),
    [
        ({}, "needs cpu"),
        ({"memory": "16 MB"}, "is not a quantity"),
        ({"memory": "-1"}, "is not a quantity"),
        ({"memory": "512Mi", "container": "nobody"}, "has no container 'nobody'; it has cad-ml-api"),
        ({"memory": "512Mi"}, "nothing to do"),
        ({"memory": "128Mi", "memory_request": "256Mi"}, "the memory request 256Mi is above the limit 128Mi"),
    ],
)
async def test_what_cannot_be_set_is_refused(bench: Bench, parameters: dict[str, str], why: str) -> None:
    """Nothing is sent, and the sentence says what was expected."""
    give(bench, limits={"memory": "512Mi"}, requests={"memory": "256Mi"})
    before = len(bench.writes())
    result, text = outcome(await bench.act("limits", TARGET, **parameters))
    assert result is Outcome.REFUSED and why in text, text
    assert len(bench.writes()) == before


@pytest.mark.parametrize("stored", ["1e9", "751619276800m", "1P", "128974848", "500000u"])
async def test_the_undo_brings_back_what_the_server_had_in_its_own_spelling(bench: Bench, stored: str) -> None:
    """Objects may have any quantity that the server accepts, with an exponent or a suffix that nobody types here."""
    give(bench, limits={"memory": stored}, requests=None)
    assert outcome(await bench.act("limits", TARGET, memory="512Mi"))[0] is Outcome.DONE
    undo = bench.previews[0].plan.undo
    assert undo is not None
    steps = await bench.act("limits", TARGET, **undo.parameters)
    assert outcome(steps)[0] is Outcome.DONE, steps[-1]
    assert resources(bench)["limits"]["memory"] == stored


async def test_the_same_amount_in_another_spelling_changes_nothing(bench: Bench) -> None:
    """The server would store what it has, and make no pods: there is nothing to wait for."""
    give(bench, limits={"cpu": "700m", "memory": "375809638400m"}, requests=None)
    before = len(bench.writes())
    result, text = outcome(await bench.act("limits", TARGET, cpu="0.7", memory="0.35Gi"))
    assert result is Outcome.REFUSED and "nothing to do" in text, text
    assert len(bench.writes()) == before


@pytest.mark.parametrize(("request_now", "refused"), [("256Mi", False), ("268435456", False), ("268435457", True)])
async def test_a_request_may_be_as_large_as_its_limit(bench: Bench, request_now: str, refused: bool) -> None:
    """In any spelling; one byte more is above it."""
    give(bench, limits={"memory": "512Mi"}, requests={"memory": "128Mi"})
    result, text = outcome(await bench.act("limits", TARGET, memory="256Mi", memory_request=request_now))
    assert result is (Outcome.REFUSED if refused else Outcome.DONE), text
    assert ("is above the limit 256Mi" in text) is refused


async def test_a_request_that_equals_the_new_limit_keeps_its_spelling(bench: Bench) -> None:
    """It is neither lowered nor written anew, so the preview has the limit alone."""
    give(bench, limits={"memory": "512Mi"}, requests={"memory": "262144Ki"})
    assert outcome(await bench.act("limits", TARGET, memory="256Mi"))[0] is Outcome.DONE
    assert [item.name for item in bench.previews[0].plan.differences if "memory" in item.name] == ["memory limit"]


async def test_of_two_containers_one_has_to_be_named(bench: Bench) -> None:
    """Both are listed; the limits of the other stay as they are."""
    give(bench, limits={"memory": "512Mi"}, requests=None)
    more = [{"name": "proxy", "image": "envoy:1", "resources": {"limits": {"memory": "64Mi"}}}]
    bench.cluster.patch("deployments", API, {"spec": {"template": {"spec": {"containers": more}}}})
    quiet(bench.cluster)
    result, text = outcome(await bench.act("limits", TARGET, memory="256Mi"))
    assert result is Outcome.REFUSED and "name one with --container" in text, text
    assert API in text and "proxy" in text
    assert outcome(await bench.act("limits", TARGET, memory="256Mi", container=API))[0] is Outcome.DONE
    (found,) = [item for item in bench.cluster.objects("deployments") if item["metadata"]["name"] == API]
    limits = {item["name"]: item["resources"]["limits"] for item in found["spec"]["template"]["spec"]["containers"]}
    assert (limits[API]["memory"], limits["proxy"]) == ("256Mi", {"memory": "64Mi"})
