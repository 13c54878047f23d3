"""The image of a container: what may be asked for, what the preview says of it, and what is sent."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from action_bench import API, Bench, outcome, quiet
from plain_cluster import PlainCluster, PlainWriter

from console.actions.image import Image
from console.actions.object_patch import ObjectFacts
from console.actions.plan import ActionRefused, CheckLevel, Outcome, PreflightCheck, Preview, Request
from console.demo.cluster.resource import NODES

TARGET = f"deployment/{API}"
HERE = "registry.example.com/cad-ml/api"
DIGEST = f"sha256:{'0a' * 32}"


async def test_a_tag_is_set_and_kept(bench: Bench) -> None:
    """`:TAG` is of the present repository; the one write is a patch of that image, and the journal holds both images."""
    steps = await bench.act("image", TARGET, image=":2.0.0")
    assert outcome(steps)[0] is Outcome.DONE, steps[-1]
    (write,) = bench.writes()
    version, name, image = json.loads(write.body)
    assert write.headers["content-type"] == "application/json-patch+json"
    assert version["path"] == "/metadata/resourceVersion"
    assert name == {"op": "test", "path": "/spec/template/spec/containers/0/name", "value": API}
    assert image == {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": f"{HERE}:2.0.0"}
    assert bench.journal is not None
    intent = bench.journal.events()[0].data
    before = next(item for item in intent["differences"] if item[0] == "image")
    assert before[2] == f"{HERE}:2.0.0"
    assert intent["command"] == f"kubectl -n cad-ml-platform set image {TARGET} {API}={HERE}:2.0.0"
    undo = intent["notes"][-1]
    assert undo == f"to undo: cad-console act image {TARGET} --image {before[1]}"
    steps = await bench.act("image", TARGET, image=undo.rpartition(" ")[2])
    assert outcome(steps)[0] is Outcome.DONE, steps[-1]
    (deployment,) = [item for item in bench.cluster.objects("deployments") if item["metadata"]["name"] == API]
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"] == before[1]


@pytest.mark.parametrize(
    ("parameters", "why"),
    [
        ({"image": "Bad:1"}, "is not an image repository"),
        ({"image": "@sha256:12"}, "is not a digest"),
        ({"image": ":a b"}, "is not a tag"),
        ({"image": ":2", "container": "nobody"}, "has no container 'nobody'; it has cad-ml-api"),
        ({}, "needs image"),
    ],
)
async def test_what_cannot_be_set_is_refused(bench: Bench, parameters: dict[str, str], why: str) -> None:
    """A bad reference and an unknown container are named, and nothing is sent."""
    result, text = outcome(await bench.act("image", TARGET, **parameters))
    assert result is Outcome.REFUSED and why in text, text
    assert bench.writes() == []


async def test_the_same_image_is_nothing_to_do(bench: Bench) -> None:
    """The image that the container has already is refused in words."""
    (deployment,) = [item for item in bench.cluster.objects("deployments") if item["metadata"]["name"] == API]
    image = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
    result, text = outcome(await bench.act("image", TARGET, image=image))
    assert result is Outcome.REFUSED and "nothing to do" in text


@pytest.mark.parametrize(
    ("policy", "image", "expected"),
    [
        ("IfNotPresent", ":2.0.0", (CheckLevel.OK, "IfNotPresent, by tag")),
        ("IfNotPresent", f"@{DIGEST}", (CheckLevel.OK, "IfNotPresent, by digest")),
        ("IfNotPresent", ":latest", (CheckLevel.WARN, "a node that already has one runs that one")),
        ("Always", "registry.example.com/cad-ml/api", (CheckLevel.WARN, "every start may be another build")),
        ("Never", ":2.0.0", (CheckLevel.WARN, "ErrImageNeverPull")),
    ],
)
async def test_the_pull_policy_is_weighed(bench: Bench, policy: str, image: str, expected: tuple[CheckLevel, str]) -> None:
    """The policy does not follow the tag, so each pair of them is named for what a node will do."""

    async def decline(preview: Preview) -> bool:
        return False

    container = [{"name": API, "imagePullPolicy": policy}]
    bench.cluster.patch("deployments", API, {"spec": {"template": {"spec": {"containers": container}}}})
    await bench.act("image", TARGET, image=image, confirm=decline)
    checks = {item.how: item for item in bench.previews[-1].checks}
    level, text = expected
    assert checks["pull policy"].level is level and text in checks["pull policy"].text
    assert "no record that" in checks["images"].text and checks["images"].level is CheckLevel.WARN


async def test_another_repository_and_a_dropped_digest_are_named(bench: Bench) -> None:
    """Both are allowed, and neither goes unsaid."""

    async def decline(preview: Preview) -> bool:
        return False

    container = [{"name": API, "image": f"{HERE}@{DIGEST}"}]
    bench.cluster.patch("deployments", API, {"spec": {"template": {"spec": {"containers": container}}}})
    await bench.act("image", TARGET, image="else.example.com/api:1", confirm=decline)
    texts = [item.text for item in bench.previews[-1].checks if item.how == "image"]
    assert texts[0] == f"another repository: {HERE} → else.example.com/api"
    assert texts[1].startswith("the digest is dropped")


CONTAINERS = [{"name": "api", "image": f"{HERE}:1"}, {"name": "proxy", "image": "envoy:1"}]
ROLLOUT: dict[str, Any] = {
    "metadata": {"name": "web", "namespace": "cad", "uid": "u", "resourceVersion": "7", "generation": 2},
    "spec": {
        "replicas": 2,
        "strategy": {"canary": {"steps": [{"setWeight": 20}, {"pause": {}}]}},
        "template": {"spec": {"containers": CONTAINERS, "initContainers": [{"name": "init", "image": "busybox:1"}]}},
    },
    "status": {"stableRS": "a", "currentPodHash": "a", "phase": "Healthy", "observedGeneration": "2"},
}


def plan_rollout(**parameters: str) -> Any:
    return Image().plan(Request("image", "rollout/web", parameters), ObjectFacts(ROLLOUT, ("kubectl",)), 0.0)


def test_a_rollouts_patch_names_one_container() -> None:
    """An init container is found in its own list; the patch has the version and changes nothing else of the Rollout."""
    plan = plan_rollout(container="init", image=":2")
    assert [item["path"] for item in plan.body] == [
        "/metadata/resourceVersion",
        "/spec/template/spec/initContainers/0/name",
        "/spec/template/spec/initContainers/0/image",
    ]
    assert plan.body[2]["value"] == "busybox:2"
    assert plan.notes[0] == "with Argo's plugin: kubectl argo rollouts set image web init=busybox:2"
    assert next((item.name, item.before, item.after) for item in plan.differences) == ("image init", "busybox:1", "busybox:2")
    with pytest.raises(ActionRefused, match="has the containers api, proxy, init: name one with --container"):
        plan_rollout(image=":2")


class Read:
    """A reader that returns one Rollout after another."""

    def __init__(self, *found: dict[str, Any]) -> None:
        self.found = list(found)

    async def read(self, resource: str, name: str) -> dict[str, Any]:
        return self.found.pop(0)


def released(phase: str, *, observed: str = "3", promoted: bool = False, image: str = f"{HERE}:2") -> dict[str, Any]:
    raw = copy.deepcopy(ROLLOUT)
    raw["metadata"]["generation"] = 3
    raw["spec"]["template"]["spec"]["containers"][0]["image"] = image
    raw["status"] |= {"phase": phase, "observedGeneration": observed, "currentPodHash": "a" if promoted else "b"}
    return raw


@pytest.mark.parametrize(
    ("phases", "done"),
    [
        ((released("Healthy", observed="2", promoted=True), released("Progressing"), released("Paused")), True),
        ((released("Progressing"), released("Healthy"), released("Healthy", promoted=True)), True),
        ((released("Progressing"), released("Degraded")), False),
        ((released("Progressing"), released("Progressing", image=f"{HERE}:1")), False),
    ],
)
async def test_a_rollout_is_done_where_it_waits_or_is_promoted(phases: tuple[dict[str, Any], ...], done: bool) -> None:
    """A phase of before the change proves nothing, a pause is the end of this action, and another image is a revert."""
    plan = plan_rollout(container="api", image=":2")
    reports = [item async for item in Image().verify(plan, Read(*phases))]  # type: ignore[arg-type]
    assert [item.done for item in reports] == [*[None] * (len(phases) - 1), done]
    assert bool(reports[-1].undone_by) == ("again" in reports[-1].text)


async def preview_of(bench: Bench, image: str) -> dict[str, list[PreflightCheck]]:
    """The checks of a preview that nobody confirmed, by how they were made."""

    async def decline(preview: Preview) -> bool:
        return False

    await bench.act("image", TARGET, image=image, confirm=decline)
    found: dict[str, list[PreflightCheck]] = {}
    for item in bench.previews[-1].checks:
        found.setdefault(item.how, []).append(item)
    return found


async def test_the_data_of_both_images_is_shown_where_the_cluster_has_it(bench: Bench) -> None:
    """Digests of pods and nodes, and OCI annotations of the revisions; what describes the old image and stays is warned of."""
    annotations = {"org.opencontainers.image.version": "1.8.2", "org.opencontainers.image.revision": "4f3a"}
    bench.cluster.patch("deployments", API, {"spec": {"template": {"metadata": {"annotations": annotations}}}})
    quiet(bench.cluster)
    digest = f"sha256:{'ab' * 32}"

    def pull() -> None:
        node = bench.cluster.store.copy(NODES, "", "node-1")
        assert node is not None
        node["status"]["images"] = [{"names": [f"{HERE}@{digest}", f"{HERE}:2.0.0"], "sizeBytes": 1}]
        bench.cluster.store.update(NODES, node)

    bench.cluster.call(pull)
    now, new, kept = (await preview_of(bench, ":2.0.0"))["image data"]
    assert now.text.startswith(f"now, {HERE}:1.8.2: sha256:") and "(pod cad-ml-api-" in now.text
    assert now.text.endswith(f"version 1.8.2, revision 4f3a (annotations of deployment/{API})")
    assert new.text == (
        f"new, {HERE}:2.0.0: {digest[:19]} (node node-1); no org.opencontainers.image.* annotation of a workload describes it"
    )
    assert kept.level is CheckLevel.WARN
    assert kept.text.endswith("describe the old image from then on: revision 4f3a, version 1.8.2")


async def test_what_the_cluster_does_not_know_of_an_image_is_said(bench: Bench) -> None:
    """An image that no pod and no node has: neither digest nor labels are made up; what may not be listed is named."""
    checks = (await preview_of(bench, ":3.0.0"))["image data"]
    assert checks[1].text == (
        f"new, {HERE}:3.0.0: digest not known, no pod and no node here has it; "
        "no org.opencontainers.image.* annotation of a workload describes it"
    )
    bench.cluster.deny("list", "nodes")
    *_, unread = (await preview_of(bench, ":3.0.0"))["image data"]
    assert unread.level is CheckLevel.WARN and unread.unknown and unread.text.startswith("not checked: nodes (")


async def rollout_checks(raw: dict[str, Any]) -> tuple[dict[str, list[PreflightCheck]], PlainWriter]:
    """The checks of a preview of `:2` on this Rollout, by how they were made, and what was only tried."""
    cluster = PlainCluster(rollouts=[raw])
    writer = PlainWriter(cluster)
    facts = ObjectFacts(raw, ("kubectl",))
    plan = Image().plan(Request("image", "rollout/web", {"image": ":2", "container": "api"}), facts, 0.0)
    found: dict[str, list[PreflightCheck]] = {}
    for item in await Image().preflight(plan, facts, cluster, writer):  # type: ignore[arg-type]
        found.setdefault(item.how, []).append(item)
    return found, writer


@pytest.mark.parametrize(
    ("status", "level", "text"),
    [
        ({}, CheckLevel.OK, "Healthy, step 1 of 2 (setWeight 20); 0 of 2 pods available"),
        ({"phase": "Degraded", "message": "no room"}, CheckLevel.WARN, "Degraded, step 1 of 2 (setWeight 20): no room; 0 of 2"),
        ({"phase": "", "stableRS": ""}, CheckLevel.WARN, "no phase reported, step 1 of 2 (setWeight 20); 0 of 2"),
        ({"currentPodHash": "b", "phase": "Healthy"}, CheckLevel.WARN,
         "an update is in progress and this one replaces it, from the first step: Healthy, step 1 of 2"),
        ({"currentPodHash": "b", "stableRS": "", "phase": "Healthy"}, CheckLevel.OK, "Healthy, step 1 of 2"),
        ({"observedGeneration": "1"}, CheckLevel.WARN, "Progressing, step 1 of 2 (setWeight 20): its controller has"),
    ],
)  # fmt: skip
async def test_the_phase_of_a_rollout_is_weighed(status: dict[str, Any], level: CheckLevel, text: str) -> None:
    """An update under way would be replaced, and what is not healthy is no good place to begin; the first release replaces
    nothing. Nothing is sent.
    """
    raw = copy.deepcopy(ROLLOUT)
    raw["status"] = {**raw["status"], **status}
    found, writer = await rollout_checks(raw)
    (phase,) = found["phase"]
    assert phase.level is level and phase.text.startswith(text)
    assert {"access review", "dry run", "image data"} <= found.keys() and writer.sent == []
