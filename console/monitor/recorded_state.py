"""What a recorder kept of the cluster and of Alertmanager at a moment."""

from __future__ import annotations

from console.recording.lines import RecordingError
from console.recording.objects import ALERTS, CLUSTER, SILENCES, decode_alerts, decode_cluster, decode_silences
from console.recording.reader import NO_RECORDER, Recording, Unknown
from queries.alertmanager import AlertmanagerState
from queries.model.cluster import Cluster
from queries.model.frozen import dataclass


@dataclass(frozen=True, slots=True)
class RecordedState:
    """Each is None where the recording does not tell. `cluster_unknown` says why, empty if no recorder ran then."""

    cluster: Cluster | None = None
    manager: AlertmanagerState | None = None
    cluster_unknown: str = ""


def read_recorded(recording: Recording, moment: float, *, namespace: str) -> RecordedState:
    """The states at the moment, Unix seconds. A recording that cannot be read is not known; blocks."""
    cluster: Cluster | None = None
    manager: AlertmanagerState | None = None
    unknown = ""
    try:
        found = recording.states_at(CLUSTER, moment)
        if isinstance(found, Unknown):
            unknown = found.reason
        else:
            cluster = decode_cluster(found, namespace)
            cluster.group_pods()
    except RecordingError as error:
        unknown = str(error)
    try:
        alerts, silences = recording.states_at(ALERTS, moment), recording.states_at(SILENCES, moment)
        if not isinstance(alerts, Unknown) and not isinstance(silences, Unknown):
            then = decode_alerts(alerts)
            manager = AlertmanagerState(then.alerts, decode_silences(silences), (), then.peers_up, then.peers_total, version="")
    except RecordingError as error:
        unknown = unknown or str(error)
    return RecordedState(cluster, manager, "" if unknown == NO_RECORDER else unknown)
