"""What the log of a pod or of a workload is read of."""

from __future__ import annotations

from queries.model.frozen import dataclass
from queries.model.label_selector import Requirement
from queries.model.series import Labels


@dataclass(frozen=True, slots=True)
class PodContainers:
    """The containers of a pod whose logs can be read, init and ephemeral ones last, and the one that kubectl picks."""

    names: tuple[str, ...]
    default: str


@dataclass(frozen=True, slots=True)
class LogRequest:
    """Which log of a pod: `container` is empty for the default one; `previous` is the one before its last restart;
    `since_seconds` is None for the whole log, `tail_lines` for all its lines. `since_ns`, Unix nanoseconds, replaces
    `since_seconds`; the API server rounds it down to the second.
    """

    pod: str
    container: str = ""
    previous: bool = False
    since_seconds: int | None = None
    since_ns: int | None = None
    tail_lines: int | None = None
    follow: bool = False


@dataclass(frozen=True, slots=True)
class LogTarget:
    """What a log is read of: `pod/NAME`, or a workload, whose pods its selector selects."""

    name: str
    query: str = ""
    """The selector as `labelSelector`; empty for one pod."""
    selector: Labels = ()
    requirements: tuple[Requirement, ...] = ()

    @property
    def pod(self) -> str:
        """The name of the pod; empty for a workload."""
        return "" if self.query else self.name.partition("/")[2]


@dataclass(frozen=True, slots=True)
class LogPod:
    """A pod as its logs need it. `restarts` and `exits` (`OOMKilled, exit code 137`) are by container."""

    name: str
    uid: str
    created_at: float
    containers: PodContainers
    labels: Labels = ()
    restarts: tuple[tuple[str, int], ...] = ()
    exits: tuple[tuple[str, str], ...] = ()
    ending: bool = False
    finished: bool = False

    def restarts_of(self, container: str) -> int:
        """How often the container was restarted."""
        return dict(self.restarts).get(container, 0)

    def exit_of(self, container: str) -> str:
        """How the container last ended; empty if it did not."""
        return dict(self.exits).get(container, "")
