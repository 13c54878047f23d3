"""The in-process cluster's own side: its life, its scene, and the knobs that tests turn."""

from __future__ import annotations

import json
import socket
import stat
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import httpx
import pytest
from cluster_fixture import deployment, until
from limits import extend
from steerable_cluster import SteerableCluster

from console.demo.cluster import PodTimings

QUICK = PodTimings(schedule=(0.0, 0.01), start=(0.01, 0.03), ready=(0.01, 0.05), end=(0.01, 0.03))
ROOT = "/apis/apps/v1/namespaces/cad-ml-platform/deployments"


@pytest.fixture
def cluster() -> Iterator[SteerableCluster]:
    made = SteerableCluster(timings=QUICK, autoscaler_seconds=0.2)
    made.seed()
    with made:
        yield made


def ask(cluster: SteerableCluster, path: str = ROOT, **query: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {cluster.token}"}
    return httpx.get(cluster.url + path, params=query, headers=headers, trust_env=False)


def test_the_scene_is_set_and_settled(cluster: SteerableCluster) -> None:
    """Seeding gives the platform's Deployments rolled out days ago, with an autoscaler that allows the runbook's five."""
    names = [item["metadata"]["name"] for item in ask(cluster).json()["items"]]
    assert {"cad-ml-api", "ocr-provider-paddle", "ocr-provider-deepseek", "cad-render"} <= set(names)
    assert all(cluster.deployment(name).settled for name in names)
    state = cluster.deployment("cad-ml-api")
    assert (state.desired, state.revision, dict(state.env)["LOG_LEVEL"]) == (3, 1, "INFO")
    (scaler,) = cluster.objects("horizontalpodautoscalers")
    assert (scaler["spec"]["minReplicas"], scaler["spec"]["maxReplicas"]) == (3, 20)
    assert [item["metadata"]["name"] for item in cluster.objects("configmaps")] == ["circuit-breaker-config"]
    assert cluster.objects("poddisruptionbudgets")[0]["spec"]["minAvailable"] == 2
    pods = [pod for pod in cluster.objects("pods") if pod["metadata"]["labels"]["app"] == "cad-ml-api"]
    assert len(pods) == 3
    assert pods[0]["metadata"]["annotations"]["prometheus.io/scrape"] == "true"
    assert pods[0]["metadata"]["creationTimestamp"] < time.strftime("%Y-%m-%dT", time.gmtime(time.time() - 8 * 86400))


def test_the_companions_are_settled_at_their_second_revision() -> None:
    """What the demo has besides Deployments: Redis and the log agent, each rolled out twice, days ago, with every pod ready."""
    made = SteerableCluster()
    made.seed(companions=True)
    with made:
        (redis,), (agent,) = made.objects("statefulsets"), made.objects("daemonsets")
        assert (redis["status"]["readyReplicas"], redis["status"]["updatedReplicas"]) == (2, 2)
        assert redis["status"]["currentRevision"] == redis["status"]["updateRevision"]
        assert (agent["status"]["numberReady"], agent["status"]["updatedNumberScheduled"]) == (3, 3)
        phases = {item["metadata"]["name"]: item["status"]["phase"] for item in made.objects("persistentvolumeclaims")}
        assert (phases["data-redis-0"], phases["data-redis-1"]) == ("Bound", "Bound")
        ages = {}
        for item in made.objects("controllerrevisions"):
            name = item["metadata"]["ownerReferences"][0]["name"]
            created = datetime.fromisoformat(item["metadata"]["creationTimestamp"]).timestamp()
            ages[name, item["revision"]] = round((time.time() - created) / 86400.0)
        assert ages == {("redis", 1): 30, ("redis", 2): 9, ("log-agent", 1): 30, ("log-agent", 2): 4}
        images = {pod["spec"]["containers"][0]["image"] for pod in made.objects("pods")}
        assert {image.rpartition("/")[2] for image in images} >= {"redis:7.4.1", "log-agent:1.5.1"}


def test_a_manual_five_stays_and_twenty_five_does_not(cluster: SteerableCluster) -> None:
    """The mitigation of memory pressure is inside the autoscaler's range; more than its maximum is rolled back."""
    cluster.patch("deployments", "cad-ml-api", {"spec": {"replicas": 5}})
    until(lambda: cluster.deployment("cad-ml-api").settled, "five replicas")
    time.sleep(0.5)
    assert cluster.deployment("cad-ml-api").desired == 5
    cluster.patch("deployments", "cad-ml-api", {"spec": {"replicas": 25}})
    until(lambda: cluster.deployment("cad-ml-api").desired == 20, "the autoscaler")


def test_applying_again_changes_what_differs(cluster: SteerableCluster) -> None:
    """`apply` of a present Deployment merges containers and variables by name and rolls out a new revision."""
    container = {"name": "cad-ml-api", "image": "registry.example.com/cad-ml/api:1.9.0", "env": [{"name": "NEW", "value": "1"}]}
    change = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "cad-ml-api"},
        "spec": {"template": {"spec": {"containers": [container]}}},
    }
    cluster.apply([change])
    until(lambda: (state := cluster.deployment("cad-ml-api")).revision == 2 and state.settled, "revision 2")
    state = cluster.deployment("cad-ml-api")
    assert state.image.endswith(":1.9.0")
    assert {"NEW", "LOG_LEVEL"} <= set(dict(state.env))


def test_changes_are_told(cluster: SteerableCluster) -> None:
    """`on_change` hears of every write, from the cluster's thread, and may ask the cluster in turn."""
    heard: list[tuple[str, str, str, int]] = []
    output = threading.Event()

    def hear(kind: str, plural: str, name: str) -> None:
        heard.append((kind, plural, name, cluster.deployment("cad-render").desired))
        output.set()

    cluster.on_change(hear)
    cluster.patch("deployments", "cad-render", {"spec": {"replicas": 4}})
    assert output.wait(5)
    assert heard[0] == ("MODIFIED", "deployments", "cad-render", 4)


def test_stopping_ends_everything_at_once(cluster: SteerableCluster) -> None:
    """`stop` cuts open watches and refuses new connections in well under a second; `start` serves the same objects again."""
    ended = threading.Event()

    def watch() -> None:
        headers = {"Authorization": f"Bearer {cluster.token}"}
        query = {"watch": "1", "resourceVersion": "0"}
        try:
            with httpx.stream("GET", cluster.url + ROOT, params=query, headers=headers, timeout=30, trust_env=False) as answer:
                for _ in answer.iter_lines():
                    pass
        except httpx.TransportError:
            ended.set()

    thread = threading.Thread(target=watch)
    thread.start()
    until(lambda: cluster.watches == 1, "the watch to be open")
    url, began = cluster.url, time.monotonic()
    cluster.stop()
    assert ended.wait(2)
    assert time.monotonic() - began < extend(1)
    thread.join()
    with pytest.raises(httpx.ConnectError):
        httpx.get(url + "/version", trust_env=False)
    cluster.start()
    assert ask(cluster, f"{ROOT}/cad-ml-api").status_code == 200
    cluster.patch("deployments", "cad-render", {"spec": {"replicas": 1}})
    until(lambda: cluster.deployment("cad-render").settled, "the controllers to work again")


def test_a_port_that_is_taken_is_an_error() -> None:
    """`start` on a taken port raises, and leaves no thread behind."""
    with SteerableCluster() as first:
        second = SteerableCluster()
        with pytest.raises(OSError, match="in use"):
            second.start(int(first.url.rpartition(":")[2]))
        second.stop()


def test_a_dropped_watch_is_cut_in_the_middle(cluster: SteerableCluster) -> None:
    """`drop_watches` breaks the stream without its end, which a client has to survive."""
    headers = {"Authorization": f"Bearer {cluster.token}"}
    query = {"watch": "1", "resourceVersion": "0"}
    with httpx.stream("GET", cluster.url + ROOT, params=query, headers=headers, timeout=30, trust_env=False) as answer:
        lines = answer.iter_lines()
        assert json.loads(next(lines))["type"] == "ADDED"
        assert cluster.drop_watches() == 1
        with pytest.raises(httpx.TransportError):
            list(lines)


def test_forgetting_ends_a_watch_that_continues(cluster: SteerableCluster) -> None:
    """After `forget_history` a watch from an earlier version gets the ERROR event with code 410."""
    version = ask(cluster).json()["metadata"]["resourceVersion"]
    cluster.patch("deployments", "cad-render", {"metadata": {"labels": {"x": "y"}}})
    cluster.forget_history()
    (line,) = ask(cluster, watch="1", resourceVersion=version, timeoutSeconds="5").text.splitlines()
    assert (json.loads(line)["type"], json.loads(line)["object"]["code"]) == ("ERROR", 410)


def test_bookmarks_come_at_the_asked_pace() -> None:
    """With a short bookmark interval an idle watch is told its version again and again."""
    with SteerableCluster(bookmark_seconds=0.2) as cluster:
        cluster.apply([deployment("one", paused=True, replicas=0)])
        version = ask(cluster).json()["metadata"]["resourceVersion"]
        answer = ask(cluster, watch="1", resourceVersion=version, timeoutSeconds="3", allowWatchBookmarks="true")
        kinds = [json.loads(line)["type"] for line in answer.text.splitlines()]
        assert kinds.count("BOOKMARK") >= 3


def test_denials_and_failures(cluster: SteerableCluster) -> None:
    """`deny` takes a right from everybody and access reviews say so; `fail_next` answers the next requests only."""
    cluster.deny("patch", "deployments/scale")
    headers = {"Authorization": f"Bearer {cluster.token}", "Content-Type": "application/merge-patch+json"}
    refused = httpx.patch(f"{cluster.url}{ROOT}/cad-render/scale", content="{}", headers=headers, trust_env=False)
    assert (refused.status_code, refused.json()["reason"]) == (403, "Forbidden")
    assert httpx.patch(f"{cluster.url}{ROOT}/cad-render", content="{}", headers=headers, trust_env=False).status_code == 200
    requested = {"verb": "patch", "group": "apps", "resource": "deployments", "subresource": "scale"}
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": requested},
    }
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    answer = httpx.post(cluster.url + path, json=body, trust_env=False)
    assert (answer.status_code, answer.json()["status"]["allowed"]) == (201, False)
    cluster.allow_all()
    cluster.fail_next(503, times=2)
    codes = [ask(cluster).status_code for _ in range(3)]
    assert codes == [503, 503, 200]


def test_an_image_that_cannot_be_pulled(cluster: SteerableCluster) -> None:
    """`break_image` keeps new pods waiting with that reason; their log answers 400 and the old pods stay."""
    cluster.break_image(":2.0.0", "CrashLoopBackOff")
    container = {"name": "cad-render", "image": "registry.example.com/cad-ml/render:2.0.0"}
    cluster.patch("deployments", "cad-render", {"spec": {"template": {"spec": {"containers": [container]}}}})

    def waiting() -> list[str]:
        found = []
        for pod in cluster.objects("pods"):
            for status in pod["status"].get("containerStatuses", []):
                if status["state"].get("waiting", {}).get("reason") == "CrashLoopBackOff":
                    found.append(pod["metadata"]["name"])
        return found

    (name, *_) = until(waiting, "a pod in CrashLoopBackOff")
    answer = ask(cluster, f"/api/v1/namespaces/cad-ml-platform/pods/{name}/log")
    assert (answer.status_code, "is waiting to start: CrashLoopBackOff" in answer.json()["message"]) == (400, True)
    assert cluster.deployment("cad-render").ready == 2


def test_what_pods_use(cluster: SteerableCluster) -> None:
    """metrics.k8s.io lists what running pods use, as a scenario says; without it the API is a 404 in plain text."""
    cluster.use(
        load=lambda pod: (0.5, 900.0),
        lines=lambda pod, container, after, until: [(until, line) for line in ("one", "two", "three")],
    )
    path = "/apis/metrics.k8s.io/v1beta1/namespaces/cad-ml-platform/pods"
    listed = ask(cluster, path, labelSelector="app=cad-render").json()
    assert listed["kind"] == "PodMetricsList"
    assert [item["containers"][0]["usage"] for item in listed["items"]] == [{"cpu": "500000000n", "memory": "921600Ki"}] * 2
    name = listed["items"][0]["metadata"]["name"]
    assert ask(cluster, f"{path}/{name}").json()["metadata"]["name"] == name
    log = ask(cluster, f"/api/v1/namespaces/cad-ml-platform/pods/{name}/log", tailLines="2")
    assert log.text == "two\nthree\n"
    cluster.serve_metrics(False)
    gone = ask(cluster, path)
    assert (gone.status_code, gone.text) == (404, "404 page not found\n")


def test_the_kubeconfig_is_its_owners_alone(cluster: SteerableCluster, tmp_path: Path) -> None:
    """The file holds the server, the namespace and the token, and nobody else can read it; the token is in no repr."""
    path = tmp_path / "kubeconfig"
    cluster.kubeconfig(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    read = json.loads(path.read_text())
    assert read["clusters"][0]["cluster"]["server"] == cluster.url
    assert read["contexts"][0]["context"]["namespace"] == "cad-ml-platform"
    assert read["users"][0]["user"]["token"] == cluster.token
    assert cluster.token not in repr(cluster) + repr(cluster.access)


def test_who_sends_no_token(cluster: SteerableCluster) -> None:
    """The demo lets in who sends no token (kubectl sends none over HTTP), a strict cluster does not; a wrong one never."""
    assert httpx.get(cluster.url + ROOT, trust_env=False).status_code == 200
    forged = {"Authorization": "Bearer forged"}
    assert httpx.get(cluster.url + ROOT, headers=forged, trust_env=False).status_code == 401
    with SteerableCluster(anonymous=False) as strict:
        assert httpx.get(strict.url + ROOT, trust_env=False).status_code == 403


@pytest.mark.parametrize("text", [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nContent-Length: -4\r\n\r\n"])
def test_what_is_no_http(cluster: SteerableCluster, text: bytes) -> None:
    """Bytes that are no request get a 400 and the connection is closed; the next client is served."""
    host, _, port = cluster.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=5) as line:
        line.sendall(text)
        assert line.recv(4096).partition(b" ")[2].startswith(b"400 ")
    assert ask(cluster).status_code == 200


def test_many_threads_at_once(cluster: SteerableCluster) -> None:
    """Threads that write the same object never lose a change: every write makes its own version."""
    versions: list[str] = []

    def write(number: int) -> None:
        for step in range(10):
            note = {"metadata": {"annotations": {f"t{number}": str(step)}}}
            versions.append(cluster.patch("configmaps", "circuit-breaker-config", note)["metadata"]["resourceVersion"])

    threads = [threading.Thread(target=write, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(versions)) == 50
    (kept,) = cluster.objects("configmaps")
    assert kept["metadata"]["annotations"] == {f"t{number}": "9" for number in range(5)}


@pytest.mark.parametrize(
    "body",
    [
        [],
        {"metadata": "text"},
        {"spec": "text"},
        {"spec": {"template": {"spec": {"containers": ["text"]}}}},
        {"spec": {"template": "text"}},
        {"spec": {"selector": "text"}},
        {"spec": {"strategy": {"rollingUpdate": "text"}}},
        {"spec": {"template": {"metadata": {"labels": []}}}},
    ],
)
def test_objects_of_another_shape(cluster: SteerableCluster, body: object) -> None:
    """Whatever shape an object has, the answer is a Status of the 400s, and the controllers go on."""
    for kind in ("merge-patch", "strategic-merge-patch"):
        headers = {"Content-Type": f"application/{kind}+json"}
        answer = httpx.patch(f"{cluster.url}{ROOT}/cad-render", content=json.dumps(body), headers=headers, trust_env=False)
        assert answer.status_code in (400, 422), answer.text
        assert answer.json()["kind"] == "Status"
    full = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "odd"},
        **(body if isinstance(body, dict) else {}),
    }
    assert httpx.post(cluster.url + ROOT, json=full, trust_env=False).status_code in (400, 422)
    cluster.patch("deployments", "cad-render", {"spec": {"replicas": 3}})
    until(lambda: cluster.deployment("cad-render").ready == 3, "the controllers to go on")
