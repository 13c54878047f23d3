"""What a cluster knows of an image: digests of pods and nodes, and annotations, of the container that is meant."""

from __future__ import annotations

from typing import Any

from console.actions.image_data import check_image_data
from console.actions.plan import CheckLevel
from queries.errors import AccessDenied, SourceError

VERSION, REVISION, OTHER = (f"org.opencontainers.image.{name}" for name in ("version", "revision", "authors"))
ONE, TWO = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"
NOTHING = (
    "digest not known, no pod and no node here has it; no org.opencontainers.image.* annotation of a workload describes it"
)


def pod(name: str, image: str, digest: str, *, group: str = "containers", container: str = "api") -> dict[str, Any]:
    statuses = "containerStatuses" if group == "containers" else "initContainerStatuses"
    spec = {group: [{"name": "side", "image": image}, {"name": container, "image": image}]}
    status = {statuses: [{"name": "side", "imageID": f"r/side@{TWO}"}, {"name": container, "imageID": digest}]}
    return {"metadata": {"name": name}, "spec": spec, "status": status}


def node(name: str, *names: str) -> dict[str, Any]:
    return {
        "metadata": {"name": name},
        "status": {"images": [{"names": ["r/other:1", f"r/other@{TWO}"]}, {"names": list(names)}]},
    }


def template(image: str, container: str = "api", **annotations: str) -> dict[str, Any]:
    return {"metadata": {"annotations": annotations}, "spec": {"containers": [{"name": container, "image": image}]}}


def workload(image: str, *, own: dict[str, str] | None = None, **annotations: str) -> dict[str, Any]:
    spec = {"selector": {"matchLabels": {"app": "api", "tier": "a"}}, "template": template(image, **annotations)}
    return {"kind": "Deployment", "metadata": {"name": "api", "annotations": own or {}}, "spec": spec}


class Reader:
    def __init__(self, **lists: list[dict[str, Any]] | SourceError) -> None:
        self.lists = lists
        self.asked: list[tuple[str, str]] = []

    async def list_objects(self, resource: str, *, labels: str = "", fields: str = "") -> list[dict[str, Any]]:
        self.asked.append((resource, labels))
        found = self.lists.get(resource, [])
        if isinstance(found, SourceError):
            raise found
        return found


async def texts(reader: Reader, of: dict[str, Any], *, group: str = "containers", after: str = "r/api:2") -> list[str]:
    own: Any = reader
    found = await check_image_data(own, of, container="api", group=group, before="r/api:1", after=after)
    assert {item.how for item in found} == {"image data"} and [item.level for item in found[:2]] == [CheckLevel.OK] * 2
    return [item.text for item in found]


async def test_a_digest_is_that_of_the_container_with_this_image() -> None:
    """Of a pod with another image, of another container, or without a digest, nothing is taken."""
    pods = [
        pod("p1", "r/api:1", f"docker-pullable://r/api@{ONE}"),
        pod("p2", "r/api:0", f"r/api@{TWO}"),
        pod("p3", "r/api:2", ""),
    ]
    reader = Reader(pods=pods)
    now, new = await texts(reader, workload("r/api:1"))
    assert now.startswith(f"now, r/api:1: {ONE[:19]} (pod p1); ") and new == f"new, r/api:2: {NOTHING}"
    assert reader.asked == [("pods", "app=api,tier=a"), ("replicasets", "app=api,tier=a"), ("nodes", "")]
    init = [pod("p1", "r/api:1", f"r/api@{ONE}", group="initContainers")]
    assert (await texts(Reader(pods=init), workload("r/api:1"), group="initContainers"))[0].startswith(
        f"now, r/api:1: {ONE[:19]}"
    )
    assert (await texts(Reader(pods=init), workload("r/api:1")))[0] == f"now, r/api:1: {NOTHING}"


async def test_places_with_one_digest_are_counted_and_two_digests_are_both_named() -> None:
    """A tag that moved shows as two digests; a node counts with the digest of that image alone."""
    pods = [pod("p1", "r/api:1", f"r/api@{ONE}"), pod("p2", "r/api:1", f"r/api@{ONE}"), pod("p3", "r/api:1", f"r/api@{TWO}")]
    nodes = [node("n1", f"r/api@{ONE}", "r/api:1"), node("n2", f"r/api@{TWO}", "r/api:2"), node("n3", "r/api:1")]
    now, new = await texts(Reader(pods=pods, nodes=nodes), workload("r/api:1"))
    assert now.startswith(f"now, r/api:1: {ONE[:19]} (pod p1 and 2 more); {TWO[:19]} (pod p3); ")
    assert new.startswith(f"new, r/api:2: {TWO[:19]} (node n2); ")


async def test_annotations_come_from_whoever_has_that_image() -> None:
    """The workload first, then its ReplicaSets in their order; the usual keys first, the others by name."""
    sets = [
        {"metadata": {"name": "api-0"}, "spec": {"template": template("r/api:2")}},
        {"metadata": {"name": "api-1"}, "spec": {"template": template("r/api:2", container="side", **{VERSION: "no"})}},
        {
            "metadata": {"name": "api-2"},
            "spec": {"template": template("r/api:2", **{OTHER: "ann", REVISION: "r", VERSION: "v2"})},
        },
        {"metadata": {"name": "api-3"}, "spec": {"template": template("r/api:2", **{VERSION: "no"})}},
    ]
    now, new = await texts(Reader(replicasets=sets), workload("r/api:1"))
    assert now == f"now, r/api:1: {NOTHING}"
    assert new.endswith("; version v2, revision r, authors ann (annotations of replicaset/api-2)")
    now, *_ = await texts(Reader(replicasets=sets), workload("r/api:1", **{VERSION: "v1"}))
    assert now.endswith("; version v1 (annotations of deployment/api)")


async def test_annotations_that_stay_are_warned_of() -> None:
    """Those of the workload and of its template: they describe the old image from then on."""
    found = await texts(Reader(), workload("r/api:1", own={VERSION: "v1", "other": "x"}, **{REVISION: "r1"}))
    assert found[2:] == [
        "the annotations of deployment/api stay as they are and describe the old image from then on: revision r1, version v1"
    ]


async def test_what_may_not_be_listed_is_named() -> None:
    """Each kind with its reason; without a selector no pods are asked for at all, since all of them would answer."""
    reader = Reader(pods=AccessDenied("pods no"), nodes=AccessDenied("nodes no"))
    found = await texts(reader, workload("r/api:1"))
    assert found[2:] == ["not checked: pods (pods no); nodes (nodes no)"]
    bare = Reader()
    await texts(bare, {"kind": "Deployment", "metadata": {"name": "api"}, "spec": {"template": template("r/api:1")}})
    assert bare.asked == [("nodes", "")]
