"""What the console was told: one frozen value that everything else reads."""

from __future__ import annotations

from dataclasses import dataclass, field

from console.config.incident_settings import IncidentSettings
from console.config.own_files import OwnFiles
from console.config.store_settings import StoreSettings
from queries.http.endpoint import ClusterEndpoint, Endpoint, RedisEndpoint
from queries.model.panel import Threshold
from queries.model.severity import BUILT_IN, Severities

ERROR_CODES_WINDOW_SECONDS = 86_400.0
HEARTBEAT_ALERT = "Watchdog"
"""What the alert that always fires is called where nobody says otherwise."""


@dataclass(frozen=True, slots=True)
class AlertTarget:
    """Which workload an alert is about, where its labels do not say: `deployment/cad-ml-api`."""

    alertname: str
    target: str


@dataclass(frozen=True, slots=True)
class Paths:
    """Every path the console uses; `doctor` lists them."""

    config_file: str
    state_dir: str
    cache_dir: str
    journal_file: str
    log_file: str
    runbooks_dir: str
    checklists_dir: str = ""
    """A team's own checklists; they come before the shipped ones of the same name."""


SETTLE = {"hpa": 45.0, "argocd": 30.0, "flux": 60.0, "helm": 0.0}
"""Seconds. An HPA is evaluated every 15 s; Argo CD's self-heal comes within seconds, its full comparison every 3 min; Flux
keeps an interval of its own, which a Deployment does not name; Helm sets nothing again before somebody upgrades.
"""


@dataclass(frozen=True, slots=True)
class Settings:
    """The whole configuration after flags, environment variables, config file and defaults were merged.

    A source that is None is not configured. `origins` tells where each set value came from (`flag`, `environment
    variable PROMETHEUS_URL`, `config file, line 4`), by dotted key, for `doctor`; defaults are not listed.
    `protected` asks for the target's name to be typed before a write. Seconds everywhere.
    """

    environment: str
    namespace: str
    protected: bool
    read_only: bool
    user: str
    paths: Paths
    prometheus: Endpoint | None = None
    alertmanagers: tuple[Endpoint, ...] = ()
    kubernetes: ClusterEndpoint | None = None
    cluster_named: bool = True
    """Whether the environment itself names its cluster; one that a flag or the shell chose is protected."""
    cluster_note: str = ""
    """What has to be told once about how the cluster was chosen; empty where nothing is surprising."""
    labels: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """What alerts of this environment say in labels that name a place, beyond its own names."""
    rule_windows: tuple[tuple[str, str], ...] = ()
    """Windows over which this Prometheus records what our rules record over others."""
    platform: Endpoint | None = None
    grafana: Endpoint | None = None
    redis: RedisEndpoint | None = None
    loki_url: str = ""
    store: StoreSettings | None = None
    """Where the journal is shared; None: it stays on this machine."""
    refresh_seconds: float = 5.0
    stale_after_seconds: float = 30.0
    backoff_cap_seconds: float = 30.0
    verify_timeout_seconds: float = 180.0
    settle: tuple[tuple[str, float], ...] = ()
    """For how many seconds a change is watched once it is done, by who may take it back; what is left out is `SETTLE`."""
    thresholds: tuple[tuple[str, Threshold], ...] = ()
    alert_targets: tuple[AlertTarget, ...] = ()
    heartbeat_alert: str = HEARTBEAT_ALERT
    """The alert that always fires: never trouble, and told of only where it does not arrive."""
    error_codes: tuple[tuple[str, str], ...] = ()
    """A team's own error codes, and which of the nine each is."""
    error_codes_window_seconds: float = ERROR_CODES_WINDOW_SECONDS
    """Over how long a mapping gap is judged."""
    shift_hours: float = 12.0
    """How long a shift is taken to run where no handover was ever signed."""
    incidents: IncidentSettings = field(default_factory=IncidentSettings)
    own: OwnFiles = field(default_factory=OwnFiles)
    """A team's own runbooks, panels and rules."""
    severities: Severities = BUILT_IN
    """What the severities of alerts mean here."""
    theme: str = ""
    slow: bool = False
    """The line to the terminal is slow: fewer frames, nothing that blinks, and the bytes sent in the footer."""
    keys: tuple[tuple[str, str], ...] = ()
    secret_files: tuple[str, ...] = field(default=(), repr=False)
    """The files that the configuration and the kubeconfig name for a password, token or key."""
    origins: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    def settle_seconds(self, kind: str) -> float:
        return dict(self.settle).get(kind, SETTLE.get(kind, 0.0))

    def threshold(self, panel_id: str) -> Threshold:
        return dict(self.thresholds).get(panel_id, Threshold())
