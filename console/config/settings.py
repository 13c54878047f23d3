"""The configuration as frozen values; everything else reads it from here."""

from __future__ import annotations

from dataclasses import field
from pathlib import Path
from urllib.parse import quote, urlsplit

from console.config.freeze import Freeze
from console.config.own_files import OwnFiles
from console.config.services import EXTERNAL, Programs, Service, Token
from queries.http.endpoint import ClusterEndpoint, Endpoint, HttpConfig, RedisEndpoint
from queries.model.frozen import dataclass
from queries.model.panel import Threshold
from queries.model.severity import BUILT_IN, Priority, Severities

ERROR_CODES_WINDOW_SECONDS = 86_400.0
HEARTBEAT_ALERT = "Watchdog"
"""The default name of the alert that always fires."""
KUBERNETES = "kubernetes"
POSTGRESQL = "postgresql"
SETTLE = {"hpa": 45.0, "argocd": 30.0, "flux": 60.0, "helm": 0.0}
"""Seconds. The HPA controller syncs every 15 s; Argo CD's self-heal comes within seconds, its full comparison every 3 min; Flux
has an interval of its own, which a Deployment does not name; Helm reapplies nothing until an upgrade.
"""


@dataclass(frozen=True, slots=True)
class AlertTarget:
    """The workload that an alert is about, where its labels name none: `deployment/cad-ml-api`."""

    alertname: str
    target: str


@dataclass(frozen=True, slots=True)
class Paths:
    """Every path that the console uses; `doctor` lists them."""

    config_file: str
    state_dir: str
    cache_dir: str
    journal_file: str
    log_file: str
    runbooks_dir: str
    checklists_dir: str = ""
    """A team's own checklists; they take precedence over the built-in ones of the same name."""


@dataclass(frozen=True, slots=True)
class RecorderSettings:
    """For how long the recording is kept, and how much space it may take."""

    keep_seconds: float = 14 * 86_400.0
    max_bytes: int = 500_000_000


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """Where the journal is shared. `namespace` and `keep_days` are those of Kubernetes; `url` may hold a password and is in no
    representation.
    """

    kind: str
    namespace: str = ""
    keep_days: float = 30.0
    url: str = field(default="", repr=False)
    password_file: str = ""

    @property
    def where(self) -> str:
        """The store without its password."""
        if self.kind == KUBERNETES:
            return f"ConfigMaps in the namespace {self.namespace}"
        parts = urlsplit(self.url)
        return f"{POSTGRESQL}://{parts.netloc.rpartition('@')[2]}{parts.path}"


@dataclass(frozen=True, slots=True)
class Contact:
    """A team and how to contact it; unknown addresses are empty."""

    team: str
    chat: str = ""
    email: str = ""
    pager: str = ""

    @property
    def ways(self) -> str:
        """Every known address of the team, the chat channel first."""
        return "  ".join(filter(None, (self.chat, self.email, self.pager)))


@dataclass(frozen=True, slots=True, repr=False)
class Channel:
    """Where updates can be sent. `kind` is slack, webhook or pagerduty. URL and routing key are secrets: values, or files that
    the console reads for each delivery. The representation shows neither.
    """

    name: str
    kind: str
    url: str = ""
    url_file: str = ""
    routing_key: str = ""
    routing_key_file: str = ""
    http: HttpConfig = field(default_factory=HttpConfig)
    timeout_seconds: float = 10.0
    guards: bool = True
    """Whether it gets what the guard of a change announces during an incident."""

    def __repr__(self) -> str:
        return f"Channel({self.name!r}, {self.kind!r}, …)"


@dataclass(frozen=True, slots=True)
class IncidentSettings:
    """`changes` are severity, key and value of what differs from `console/incidents/response.yaml`; `contacts` replace its
    contacts, None keeps them. `templates_dir` is empty for the built-in templates. `people` can take a role; `services` are
    component and public name.
    """

    changes: tuple[tuple[str, str, str], ...] = ()
    contacts: tuple[Contact, ...] | None = None
    templates_dir: str = ""
    channels: tuple[Channel, ...] = ()
    people: tuple[str, ...] = ()
    services: tuple[tuple[str, str], ...] = ()

    def channel(self, name: str) -> Channel | None:
        return next((item for item in self.channels if item.name == name), None)


NOTIFY_KINDS = ("alert", "resolved", "timer", "takeover", "action", "silence", "shift")
"""What the console notifies about: an alert, its end, a response timer, an acknowledgement or role that somebody took over or
handed over, an action that ended while nobody looked, a silence that ends soon, the end of the shift.
"""


@dataclass(frozen=True, slots=True)
class QuietHours:
    """Minutes of the day in local time; `end_minute` may be smaller: over midnight. `severities` notify all the same."""

    start_minute: int
    end_minute: int
    severities: tuple[Priority, ...] = (Priority.P1,)

    def contains(self, minute: int) -> bool:
        """Whether this minute of the day is in them."""
        if self.start_minute <= self.end_minute:
            return self.start_minute <= minute < self.end_minute
        return minute >= self.start_minute or minute < self.end_minute


@dataclass(frozen=True, slots=True)
class NotifySettings:
    """Which severities notify in which way, and about what. `desktop` is the protocol, empty for none. `commands` are argument
    lists by severity.
    """

    bell: tuple[Priority, ...] = (Priority.P1,)
    title: tuple[Priority, ...] = (Priority.P1,)
    desktop: str = ""
    desktop_severities: tuple[Priority, ...] = (Priority.P1, Priority.P2)
    tmux: tuple[Priority, ...] = ()
    commands: tuple[tuple[Priority, tuple[str, ...]], ...] = ()
    kinds: tuple[str, ...] = NOTIFY_KINDS
    before_seconds: float = 600.0
    """How long before its end a silence or a shift notifies."""
    quiet: QuietHours | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """The whole configuration: flags over environment variables over config file over defaults. Durations are in seconds.

    A source that is None is not configured. `origins` names by dotted key where each value came from (`flag --theme`,
    `environment variable PROMETHEUS_URL`, `config file, line 4`), for `doctor`; it omits defaults. `protected` requires
    typing the target's name before a write.
    """

    environment: str
    namespace: str
    protected: bool
    read_only: bool
    user: str
    paths: Paths
    environments: tuple[str, ...] = ()
    """The names of all environments of the config file."""
    prometheus: Endpoint | None = None
    alertmanagers: tuple[Endpoint, ...] = ()
    kubernetes: ClusterEndpoint | None = None
    cluster_named: bool = True
    """Whether the environment itself names its cluster; one that a flag or the shell chose is protected."""
    cluster_note: str = ""
    """A notice about how the cluster was chosen; empty where nothing is surprising."""
    labels: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """The values that alerts of this environment carry in labels that name a place, beyond its own names."""
    rule_windows: tuple[tuple[str, str], ...] = ()
    """Windows over which this Prometheus records the series that our rules record over others."""
    platform: Endpoint | None = None
    administration: Endpoint | None = None
    """The platform's API with the keys of its administration; None where the config file names none."""
    grafana: Endpoint | None = None
    redis: RedisEndpoint | None = None
    loki: Endpoint | None = None
    loki_labels: tuple[tuple[str, str], ...] = ()
    """The labels with namespace, pod, container and workload, where a team names them."""
    trace_url: str = ""
    """Where a trace is shown, with `{trace_id}` in place of its id."""
    store: StoreSettings | None = None
    """Where the journal is shared; None keeps it on this machine."""
    recorder: RecorderSettings | None = None
    """What is kept of what no server keeps; None records nothing."""
    refresh_seconds: float = 5.0
    stale_after_seconds: float = 30.0
    backoff_cap_seconds: float = 30.0
    verify_timeout_seconds: float = 180.0
    verify_poll_seconds: float = 0.5
    """The interval of the checks after a change was sent; recovery is checked half as often."""
    settle: tuple[tuple[str, float], ...] = ()
    """How long the console watches a finished change, by the controller that may revert it; `SETTLE` has the defaults."""
    thresholds: tuple[tuple[str, Threshold], ...] = ()
    alert_targets: tuple[AlertTarget, ...] = ()
    heartbeat_alert: str = HEARTBEAT_ALERT
    """The alert that always fires: never a problem, and reported only where it is missing."""
    error_codes: tuple[tuple[str, str], ...] = ()
    """A team's own error codes, each with the one of the nine that it maps to."""
    error_codes_window_seconds: float = ERROR_CODES_WINDOW_SECONDS
    """The window over which `check` looks for unmapped codes."""
    shift_hours: float = 12.0
    """The length of a shift, for a handover without a signed predecessor."""
    incidents: IncidentSettings = field(default_factory=IncidentSettings)
    notify: NotifySettings = field(default_factory=NotifySettings)
    """How the console tells somebody who does not look at it."""
    own: OwnFiles = field(default_factory=OwnFiles)
    """A team's own runbooks, panels, signals, rules, calls of the platform's administration, and drills."""
    services: tuple[Service, ...] = ()
    """The services outside the cluster that the console can update."""
    tokens: tuple[Token, ...] = ()
    """The tokens that the console can rotate."""
    freezes: tuple[Freeze, ...] = ()
    """When nothing is deployed in this environment."""
    severities: Severities = BUILT_IN
    """The priority of each value of the label `severity`."""
    timezone: str = ""
    """`utc`, `local` or the name of a zone; empty for the defaults of `queries.text.times`."""
    theme: str = ""
    slow: bool = False
    """The connection to the terminal is slow: fewer frames, nothing blinks, and the footer counts the bytes."""
    keys: tuple[tuple[str, str], ...] = ()
    aliases: tuple[tuple[str, str], ...] = ()
    """Own names for commands of the command line, each with the text that it stands for."""
    secret_files: tuple[str, ...] = field(default=(), repr=False)
    """The files that the configuration and the kubeconfig name for a password, token or key."""
    origins: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    @property
    def recording_dir(self) -> str:
        """Where states of this environment are recorded, beside the journal; `console/recording` writes and reads it."""
        name = quote(self.environment, safe="").replace(".", "%2E")
        return str(Path(self.paths.journal_file).with_name("recording") / name)

    @property
    def recorded_place(self) -> dict[str, str]:
        """What a recording is about, free of secrets: one of another place says nothing of this one."""
        cluster = self.kubernetes
        where = (cluster.place.server if cluster.place else "") or cluster.context or "in-cluster" if cluster else ""
        managers = ", ".join(item.url for item in self.alertmanagers)
        return {"environment": self.environment, "cluster": where, "namespace": self.namespace, "alertmanager": managers}

    @property
    def has_source(self) -> bool:
        """Whether any server is configured that the console polls."""
        return bool(self.prometheus or self.alertmanagers or self.kubernetes or self.platform)

    def settle_seconds(self, kind: str) -> float:
        return dict(self.settle).get(kind, SETTLE.get(kind, 0.0))

    def service(self, name: str) -> Service | None:
        return next((item for item in self.services if item.name == name), None)

    def token(self, name: str) -> Token | None:
        return next((item for item in self.tokens if item.name == name), None)

    def programs(self, target: str) -> Programs | None:
        """Those of `external/NAME` or `token/NAME`."""
        kind, _, name = target.partition("/")
        return self.service(name) if kind == EXTERNAL else self.token(name)

    def threshold(self, panel_id: str) -> Threshold:
        return dict(self.thresholds).get(panel_id, Threshold())
