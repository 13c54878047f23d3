"""What is recorded comes back as it was, without secrets."""

from __future__ import annotations

import json
import os

import msgspec
import pytest

from console.recording.lines import RecordingError, States
from console.recording.objects import ObjectEncoder, decode_alerts, decode_cluster, decode_silences
from queries.model.alert import Alert, AlertState
from queries.model.cluster import Cluster, ClusterEvent, KindFault
from queries.model.label_selector import Requirement
from queries.model.matcher import Matcher
from queries.model.pod import Pod
from queries.model.replica_limits import Autoscaler, DisruptionBudget
from queries.model.silence import Silence
from queries.model.workload import BatchJob, Condition, Container, RequestsAndLimits, Revision, UpdateStrategy, Workload
from queries.text.secrets import redact_value

CONTAINER = Container("api", "cad-ml-api:1.4", (("LOG_LEVEL", "info"), ("KEY", "<secret db/key>")), RequestsAndLimits(0.5, 1.0))
WORKLOAD = Workload(
    "cad", "api", "u1", "17", 3, 3, 4, 4, 4, 3, 3, False, 7, 1.5,
    selector=(("app", "api"),), labels=(("app", "api"),), containers=(CONTAINER,),
    requirements=(Requirement("tier", "In", ("a",)),),
    conditions=(Condition("Progressing", "True", "NewReplicaSetAvailable", "", 2.0),), strategy=UpdateStrategy(max_surge=1),
)  # fmt: skip
CLUSTER = Cluster(
    "cad",
    workloads=(
        WORKLOAD,
        Workload(
            "cad", "nightly", "u2", "18", 1, 1, 0, 0, 0, 0, 0, False, 0, 1.0, kind="CronJob",
            batch=BatchJob("CronJob", "nightly", "0 3 * * *", active=1, starting_deadline_seconds=None),
        ),
    ),
    revisions=(Revision(7, "api-7d9f8", "u1", 1.0, 4, history=(3, 5)),),
    pods=(Pod("cad", "api-7d9f8-x2x4v", "p1", "Running", False, 3, 1.0, "CrashLoopBackOff", labels=(("app", "api"),)),),
    autoscalers=(Autoscaler("cad", "api", "Deployment", "api", 2, 8, 4, 4),),
    budgets=(DisruptionBudget("cad", "api", (("app", "api"),), 1),),
    events=(
        ClusterEvent("cad", "Pod", "api-7d9f8-x2x4v", "Warning", "BackOff", "restarting failed container", 5.0, 3),
        ClusterEvent("cad", "Pod", "api-7d9f8-x2x4v", "Warning", "BackOff", "restarting failed container", 6.0, 4),
    ),
    faults=(KindFault("jobs", "forbidden", True, 4.0),),
)  # fmt: skip
ALERT = Alert(
    "f1", AlertState.SUPPRESSED, (("alertname", "A"),), (("summary", "s"),), 3.0, 4.0, ("pager",), muted_by=("night",)
)


def as_read(states: States) -> dict[str, bytes]:
    return {key: json.dumps(value).encode() for key, value in states.items()}


def test_a_cluster_comes_back_as_it_was() -> None:
    """Every field of every kind of object survives, and the order."""
    assert decode_cluster(as_read(ObjectEncoder().encode_cluster(CLUSTER)), "cad") == CLUSTER


def test_alerts_and_silences_come_back_as_they_were() -> None:
    """With what suppressed an alert, and how many peers had answered."""
    encoder = ObjectEncoder()
    found = decode_alerts(as_read(encoder.encode_alerts([ALERT], peers_up=1, peers_total=2)))
    assert found.alerts[0].suppressed_as == "muted"
    assert found.alerts == (msgspec.convert({**msgspec.to_builtins(ALERT), "updated_at": 0.0}, Alert),)
    assert (found.peers_up, found.peers_total) == (1, 2)
    silence = Silence("s1", (Matcher("secret_name", "db", False, False),), 1.0, 2.0, "ana", "deploy", "expired", 3.0)
    assert decode_silences(as_read(encoder.encode_silences([silence]))) == (silence,)


def test_no_secret_is_recorded() -> None:
    """A canary in every text that a cluster or Alertmanager returns is in no recorded object."""
    canary = f"canary{os.urandom(6).hex()}"
    texts = (f"failed: password={canary}", f"Authorization: Bearer {canary}", f"https://u:{canary}@example.com/")
    for text in texts:
        container = Container("api", "img", (("DB_PASSWORD", redact_value("DB_PASSWORD", canary)),))
        cluster = Cluster(
            "cad",
            workloads=(
                Workload("cad", "a", "u", "1", 1, 1, 1, 1, 1, 1, 1, False, 1, 1.0, text, containers=(container,), message=text),
            ),
            pods=(Pod("cad", "p", "u", "Failed", False, 1, 1.0, text, message=text, last_exit=text),),
            events=(ClusterEvent("cad", "Pod", "p", "Warning", "Failed", text, 1.0),),
            faults=(KindFault("jobs", text),),
            revisions=(Revision(1, "r", "u", 1.0, 1, change_cause=text),),
        )
        encoder = ObjectEncoder()
        alert = Alert("f", AlertState.ACTIVE, (("alertname", "A"), ("url", text)), (("api_key", canary), ("summary", text)))
        written = json.dumps(
            [
                encoder.encode_cluster(cluster),
                encoder.encode_alerts([alert], peers_up=1, peers_total=1),
                encoder.encode_silences([Silence("s", (), 1.0, 2.0, text, text)]),
            ]
        )
        assert canary not in written, text
        assert written.count("(hidden") > 8


def test_an_unchanged_object_is_the_same_object() -> None:
    """What did not change is not encoded again, even where the server sent it again: so it costs nothing."""
    encoder = ObjectEncoder()
    first = encoder.encode_cluster(CLUSTER)
    again = encoder.encode_cluster(decode_cluster(as_read(first), "cad"))
    assert again.keys() == first.keys()
    assert all(again[key] is value for key, value in first.items())


@pytest.mark.parametrize("raw", [b'{"name":1}', b"[]", b"{}", b"[" * 100_000])
def test_an_object_that_cannot_be_read_is_said(raw: bytes) -> None:
    """An object of another shape is an error with its key, and no part of a cluster."""
    with pytest.raises(RecordingError, match="'pod/x' cannot be read"):
        decode_cluster({"pod/x": raw}, "cad")
