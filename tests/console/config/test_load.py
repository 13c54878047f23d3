"""Settings: precedence, and one line for whatever cannot be understood."""

from __future__ import annotations

import ast
import dataclasses
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import console
from console.config.effective_settings import describe_settings
from console.config.errors import ConfigError
from console.config.load import load_settings
from console.config.schema import DOCUMENT, ENVIRONMENT, REFRESH
from console.config.settings import (
    SETTLE,
    Channel,
    Contact,
    IncidentSettings,
    NotifySettings,
    QuietHours,
    RecorderSettings,
    Settings,
    StoreSettings,
)
from console.config.validation import Fields, ListOf, MapOf, OneOf, Scalar, unwrap_kind
from console.incidents.severity_policy import SeverityPolicy
from queries.errors import AccessDenied, NotConfigured
from queries.http.credentials import Credentials
from queries.http.endpoint import ClusterPlace, Endpoint
from queries.kubernetes import auth
from queries.kubernetes.auth import KubeAccess
from queries.model.severity import Priority

GOOD = """\
default_environment: staging
environments:
  production:
    prometheus:
      url: https://prom.example/prefix/
      timeout: 3
      http_config:
        basic_auth: {username: reader, password: hunter2}
        tls_config: {insecure_skip_verify: true}
        http_headers: {X-Scope-OrgID: {values: [cad]}}
    alertmanager: [http://am-0:9093, {url: http://am-1:9093, timeout: 2}]
    kubernetes: {context: prod}
  staging:
    protected: false
    namespace: cad-staging
    prometheus: http://prom-staging:9090
    read_only: true
thresholds:
  error_ratio: {warn: 2}
alert_targets: {RedisDown: deployment/redis}
refresh: {every: 2, stale_after: 20}
theme: light
keys: {rollback: ctrl+b}
"""


class Home:
    """A home folder without anything in it but what a test puts there."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.environ = {"HOME": str(root), "USER": "you"}

    def config(self, text: str) -> Path:
        path = self.root / ".config" / "cad-console" / "config.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def load(self, flags: dict[str, Any] | None = None, **environ: str) -> Settings:
        return load_settings(flags or {}, {**self.environ, **environ}, service_account=str(self.root / "token"))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_nothing_said_means_nothing_configured(home: Home) -> None:
    """Without any word every source is not configured, and the unnamed environment is protected."""
    settings = home.load()
    assert (settings.prometheus, settings.alertmanagers, settings.kubernetes, settings.platform) == (None, (), None, None)
    assert settings.protected
    assert not settings.read_only
    assert settings.namespace == "cad-ml-platform"
    assert settings.user.startswith("you@")
    assert settings.paths.journal_file == str(home.root / ".local/state/cad-console/journal.sqlite3")


def test_the_file_fills_everything(home: Home) -> None:
    """Every section of the config file arrives in the settings of the chosen environment."""
    home.config(GOOD)
    settings = home.load({"environment": "production"})
    assert settings.prometheus is not None
    assert settings.prometheus.url == "https://prom.example/prefix"
    assert settings.prometheus.timeout_seconds == 3.0
    assert (settings.prometheus.http.username, settings.prometheus.http.password) == ("reader", "hunter2")
    assert settings.prometheus.http.insecure_skip_verify
    assert settings.prometheus.http.http_headers == (("X-Scope-OrgID", "cad"),)
    assert [item.url for item in settings.alertmanagers] == ["http://am-0:9093", "http://am-1:9093"]
    assert settings.kubernetes is not None
    assert settings.kubernetes.context == "prod"
    assert settings.protected
    assert settings.threshold("error_ratio").warn == 2
    assert settings.alert_targets[0].target == "deployment/redis"
    assert (settings.refresh_seconds, settings.stale_after_seconds, settings.theme) == (2.0, 20.0, "light")
    assert settings.keys == (("rollback", "ctrl+b"),)


@pytest.mark.parametrize(
    ("flags", "environ", "url", "origin"),
    [
        ({}, {}, "http://prom-staging:9090", "config file, line 16"),
        ({}, {"PROMETHEUS_URL": "http://env:1"}, "http://env:1", "environment variable PROMETHEUS_URL"),
        ({"prometheus_url": "http://flag:1"}, {"PROMETHEUS_URL": "http://env:1"}, "http://flag:1", "flag --prometheus-url"),
        ({}, {"PROMETHEUS_URL": ""}, "http://prom-staging:9090", "config file, line 16"),
    ],
)
def test_flag_over_variable_over_file(
    home: Home, flags: dict[str, Any], environ: dict[str, str], url: str, origin: str
) -> None:
    """A flag beats an environment variable, which beats the file; doctor is told where the value came from."""
    home.config(GOOD)
    settings = home.load(flags, **environ)
    assert settings.prometheus is not None
    assert settings.prometheus.url == url
    assert dict(settings.origins)["prometheus"] == origin


def test_environment_is_chosen_by_flag_then_variable_then_file(home: Home) -> None:
    """The environment's name has the same precedence as everything else."""
    home.config(GOOD)
    assert home.load().environment == "staging"
    assert home.load().read_only
    assert home.load(CAD_CONSOLE_ENVIRONMENT="production").environment == "production"
    assert home.load({"environment": "staging"}, CAD_CONSOLE_ENVIRONMENT="production").environment == "staging"


@pytest.mark.parametrize("name", ["production", "prod", "prod-eu", "live", "staging", "demo", ""])
def test_every_environment_is_protected_unless_it_says_otherwise(home: Home, name: str) -> None:
    """No name is special: what says nothing asks for the target's name to be typed, what says `protected: false` does not."""
    assert home.load({"environment": name}).protected
    if name:
        home.config(f"environments: {{{name}: {{protected: false}}}}\n")
        assert not home.load({"environment": name}).protected


def kubeconfig(path: Path, *contexts: str, namespace: str = "") -> str:
    """A kubeconfig whose first context is the current one; each context's server is named after file and context."""
    path.parent.mkdir(parents=True, exist_ok=True)
    own = {"user": "u", **({"namespace": namespace} if namespace else {})}
    body = {
        "current-context": contexts[0],
        "contexts": [{"name": name, "context": {"cluster": name, **own}} for name in contexts],
        "clusters": [{"name": name, "cluster": {"server": f"https://{name}.{path.name}:6443"}} for name in contexts],
        "users": [{"name": "u", "user": {"token": "t"}}],
    }
    path.write_text(json.dumps(body))
    return str(path)


OWN = "{kubeconfig: own}"


@pytest.mark.parametrize(
    ("flags", "table", "shell", "server", "origin", "protected", "note"),
    [
        ({}, OWN, True, "https://a.own:6443", "config file, line 2", False, "KUBECONFIG of the shell is ignored"),
        ({}, OWN, False, "https://a.own:6443", "config file, line 2", False, ""),
        (
            {},
            "{context: b}",
            True,
            "https://b.shell:6443",
            "the context of config file, line 2, in env",
            True,
            "staging names no",
        ),
        ({}, "{context: b}", False, "https://b.config:6443", "the context of config file, line 2, in ~/.kube/", False, ""),
        ({}, "{timeout: 3}", True, "https://a.shell:6443", "environment variable KUBECONFIG", True, "staging names no cluster"),
        ({}, "{}", False, "https://a.config:6443", "~/.kube/config", True, "staging names no cluster"),
        ({"kubeconfig": "flag"}, OWN, True, "https://a.flag:6443", "flag --kubeconfig", True, "the cluster"),
        ({"context": "b"}, OWN, True, "https://b.own:6443", "flag --context, in config file", True, "the cluster comes"),
        ({"context": "b"}, "{}", True, "https://b.shell:6443", "flag --context, in environment", True, "the cluster comes"),
        ({"kubeconfig": "flag", "context": "b"}, OWN, True, "https://b.flag:6443", "flag --kubeconfig", True, "the cluster"),
        ({"kubeconfig": "flag"}, "{context: b}", True, "https://b.flag:6443", "flag --kubeconfig", True, "the cluster"),
    ],
)
def test_flag_then_environment_then_shell_then_default(
    home: Home,
    flags: dict[str, str],
    table: str,
    shell: bool,
    server: str,
    origin: str,
    protected: bool,
    note: str,
) -> None:
    """The shell's KUBECONFIG never moves an environment that names its cluster; what it does not name is protected."""
    folder = home.root / ".config" / "cad-console"
    for name in ("own", "shell", "flag"):
        kubeconfig(folder / name, "a", "b")
    kubeconfig(home.root / ".kube" / "config", "a", "b")
    home.config(f"environments: {{staging: {{protected: false,\n kubernetes: {table}}}}}\n")
    given = {name: str(folder / value) if name == "kubeconfig" else value for name, value in flags.items()}
    settings = home.load(given, KUBECONFIG=str(folder / "shell") if shell else "")
    assert settings.kubernetes is not None
    assert settings.kubernetes.place is not None
    assert settings.kubernetes.place.server == server
    assert dict(settings.origins)["kubernetes"].startswith(origin)
    assert settings.protected is protected
    assert settings.cluster_named is not protected
    assert settings.cluster_note.startswith(note) if note else settings.cluster_note == ""


def test_the_shells_kubeconfig_that_is_the_environments_own_is_not_passed_over(home: Home) -> None:
    """Nothing is said where both name the same file."""
    path = kubeconfig(home.root / "own", "a")
    home.config(f"environments: {{staging: {{kubernetes: {{kubeconfig: {path}}}}}}}\n")
    assert home.load(KUBECONFIG=path).cluster_note == ""


def test_the_pods_own_cluster_comes_before_the_shells(home: Home) -> None:
    """`in_cluster: true` names a cluster too, and only a flag leads away from it."""
    (home.root / "token").write_text("t")
    path = kubeconfig(home.root / "shell", "a")
    home.config("environments: {staging: {protected: false, kubernetes: {in_cluster: true}}}\n")
    pod = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443", "KUBECONFIG": path}
    settings = home.load(None, **pod)
    assert settings.kubernetes is not None
    assert (settings.kubernetes.in_cluster, settings.protected) == (True, False)
    assert settings.kubernetes.place == ClusterPlace(server="https://10.0.0.1:443")
    assert "ignored" in settings.cluster_note
    flagged = home.load({"context": "a"}, **pod)
    assert flagged.kubernetes is not None
    assert (flagged.kubernetes.in_cluster, flagged.protected) == (False, True)


@pytest.mark.parametrize(
    ("flags", "table", "context", "namespace", "origin"),
    [
        ({"namespace": "flagged"}, "namespace: named, ", "own", "flagged", "flag --namespace"),
        ({}, "namespace: named, ", "own", "named", "config file, line 1"),
        ({}, "", "own", "own", "context a"),
        ({}, "", "", "cad-ml-platform", ""),
    ],
)
def test_the_contexts_namespace_counts_where_nobody_says_another(
    home: Home, flags: dict[str, str], table: str, context: str, namespace: str, origin: str
) -> None:
    """Flag, environment, context, default; and clients work in the very namespace that the screens name."""
    path = kubeconfig(home.root / "k", "a", namespace=context)
    home.config(f"environments: {{staging: {{{table}kubernetes: {{kubeconfig: {path}}}}}}}\n")
    settings = home.load(flags)
    assert settings.namespace == namespace
    assert settings.kubernetes is not None
    assert settings.kubernetes.namespace == namespace
    assert dict(settings.origins).get("namespace", "") == origin


@pytest.mark.parametrize(
    ("flags", "table", "store", "namespace"),
    [
        ({}, "", "kubernetes", "cad-ml-platform"),
        ({}, "namespace: named, ", "kubernetes", "named"),
        ({"namespace": "flagged"}, "namespace: named, ", "kubernetes", "flagged"),
        ({}, "", "{kubernetes: {namespace: journal}}", "journal"),
    ],
)
def test_the_contexts_namespace_moves_no_shared_journal(
    home: Home, flags: dict[str, str], table: str, store: str, namespace: str
) -> None:
    """Two people whose contexts have other namespaces share into one store: its own namespace, flag, environment, default."""
    found = set()
    for person in ("ann", "bob"):
        path = kubeconfig(home.root / person, "a", namespace=f"of-{person}")
        home.config(f"environments: {{staging: {{{table}store: {store}, kubernetes: {{kubeconfig: {path}}}}}}}\n")
        settings = home.load(flags)
        assert settings.store is not None
        found.add(settings.store.namespace)
        assert settings.namespace == (flags.get("namespace") or ("named" if table else f"of-{person}"))
    assert found == {namespace}


def test_a_context_of_the_default_file_is_the_environments_own_where_the_shell_names_that_file(home: Home) -> None:
    """What decides is the file that the context is in, not how the shell came to it."""
    path = kubeconfig(home.root / ".kube" / "config", "a", "b")
    home.config("environments: {staging: {protected: false, kubernetes: {context: b}}}\n")
    settings = home.load(KUBECONFIG=path)
    assert (settings.cluster_named, settings.protected, settings.cluster_note) == (True, False, "")


def test_a_contexts_namespace_that_cannot_be_one_ends_the_start(home: Home) -> None:
    """It would become part of paths and of commands."""
    path = kubeconfig(home.root / "k", "a", namespace="no such/name")
    with pytest.raises(ConfigError, match=r"contexts\.a\.namespace: expected a namespace's name"):
        home.load(KUBECONFIG=path)


def test_kubectl_is_led_to_the_same_cluster_from_any_shell(home: Home) -> None:
    """The default file needs no flag, another one needs --kubeconfig, and several go by the variable; always the context."""
    words = {}
    for name, path in (("default", home.root / ".kube" / "config"), ("one", home.root / "a b"), ("other", home.root / "c")):
        kubeconfig(path, "a")
        settings = home.load(KUBECONFIG=str(path) if name != "default" else "")
        assert settings.kubernetes is not None
        words[name] = shlex.join(settings.kubernetes.kubectl)
    both = home.load(KUBECONFIG=f"{home.root / 'c'}:{home.root / 'a b'}").kubernetes
    assert both is not None
    assert words["default"] == "kubectl --context a"
    assert words["one"] == f"kubectl --kubeconfig '{home.root}/a b' --context a"
    assert shlex.split(shlex.join(both.kubectl)) == [
        "env",
        f"KUBECONFIG={home.root}/c:{home.root}/a b",
        "kubectl",
        "--context",
        "a",
    ]


def test_kubectl_is_led_there_where_the_shells_kubeconfig_is_passed_over(home: Home) -> None:
    """kubectl in that shell reads KUBECONFIG, so the default file, and the pod's own cluster, have to be said to it too."""
    standard = kubeconfig(home.root / ".kube" / "config", "a")
    shell = kubeconfig(home.root / "prod.yaml", "a")
    home.config("environments: {staging: {kubernetes: {kubeconfig: ~/.kube/config}}}\n".replace("~", str(home.root)))
    settings = home.load(KUBECONFIG=shell)
    assert settings.kubernetes is not None
    assert settings.cluster_note.startswith("KUBECONFIG of the shell is ignored")
    assert settings.kubernetes.kubectl == ("kubectl", "--kubeconfig", standard, "--context", "a")
    alone = home.load().kubernetes
    assert alone is not None
    assert alone.kubectl == ("kubectl", "--context", "a")
    home.config("environments: {staging: {kubernetes: {in_cluster: true}}}\n")
    pod = home.load(KUBECONFIG=shell).kubernetes
    assert pod is not None
    assert pod.kubectl == ("env", "KUBECONFIG=/dev/null", "kubectl")


def test_the_cluster_of_a_kubeconfig_that_cannot_be_read_is_not_known(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Missing or half-written at the start: no place is claimed, and once it can be read the clients stay where they began."""
    monkeypatch.setattr(auth, "FAILED_SECONDS", 0.0)  # a failed login is remembered for a moment
    path = home.root / "k"
    for text in (None, "{apiVersion: v1, contexts: ["):
        if text:
            path.write_text(text)
        settings = home.load({"context": "a"}, KUBECONFIG=str(path))
        assert settings.kubernetes is not None
        assert settings.kubernetes.place is None
        access = KubeAccess(settings.kubernetes, environ={})
        with pytest.raises(NotConfigured):
            access.client(now=0.0)
        kubeconfig(path, "a")
        access.client(now=10.0)
        assert access.place.server == "https://a.k:6443"
        moved = json.loads(path.read_text())
        moved["clusters"][0]["cluster"]["server"] = "https://elsewhere:6443"
        path.write_text(json.dumps(moved))
        with pytest.raises(NotConfigured, match="now leads to context a, server https://elsewhere:6443"):
            access.client(now=20.0)
        path.unlink()


def test_another_shells_use_context_moves_no_console(home: Home) -> None:
    """The context of the start stays, whatever the file's current-context becomes."""
    path = kubeconfig(home.root / "k", "a", "b")
    settings = home.load(KUBECONFIG=path)
    kubeconfig(home.root / "k", "b", "a")
    assert settings.kubernetes is not None
    access = KubeAccess(settings.kubernetes, environ={})
    access.client()
    assert access.place.server == "https://a.k:6443"


def test_several_alertmanagers_from_one_variable(home: Home) -> None:
    """ALERTMANAGER_URL holds peers, separated by commas."""
    settings = home.load(ALERTMANAGER_URL="http://a:1, http://b:2,")
    assert [item.url for item in settings.alertmanagers] == ["http://a:1", "http://b:2"]


def test_user_information_leaves_the_url(home: Home) -> None:
    """A password in a URL works and is in no representation."""
    settings = home.load(PROMETHEUS_URL="http://reader:s%40cret@prom:9090/x")
    assert settings.prometheus is not None
    assert settings.prometheus.url == "http://prom:9090/x"
    assert settings.prometheus.http.password == "s@cret"
    assert "cret" not in repr(settings)


@pytest.mark.parametrize(
    ("server", "name"),
    [
        ("{url: 'http://u:sw0rdfish@p', http_config: {authorization: {credentials: t}}}", "http_config.authorization is set"),
        ("{url: 'http://u:sw0rdfish@p', http_config: {bearer_token: t}}", "http_config.authorization is set"),
        ("{url: 'http://:sw0rdfish@p', http_config: {basic_auth: {username: x}}}", "http_config.basic_auth is set"),
        (
            "{url: 'http://u:sw0rdfish@p', http_config: {http_headers: {authorization: {values: [x]}}}}",
            "http_config.http_headers.Authorization is set",
        ),
        (
            "{url: 'http://p', http_config: {basic_auth: {username: x}, authorization: {credentials: sw0rdfish}}}",
            "at most one of basic_auth and authorization",
        ),
    ],
)
@pytest.mark.parametrize("where", ["prometheus: {}", "alertmanager: [{}]", "channels: {{chat: {}}}"])
def test_two_authorizations_are_refused(home: Home, where: str, server: str, name: str) -> None:
    """As Prometheus refuses them: of two that make the Authorization header both are named, and no value is repeated."""
    item = server.replace("{url", "{kind: webhook, url") if "channels" in where else server
    home.config(f"environments:\n  a:\n    {where.format(item)}\n")
    with pytest.raises(ConfigError) as caught:
        home.load()
    assert name in str(caught.value)
    assert "config.yaml:3: " in str(caught.value) and "sw0rdfish" not in str(caught.value)


def test_a_ruler_stands_beside_its_prometheus(home: Home) -> None:
    """As a URL it is reached as the server beside it; as a mapping, or with a password in its URL, only as it says itself."""
    server = (
        "environments:\n  a:\n    prometheus: {url: 'http://p', timeout: 3, http_config: {bearer_token: t}, ruler: RULER}\n"
    )
    for ruler, url, token, timeout in (
        ("'http://r:8880'", "http://r:8880", "t", 3.0),
        ("'http://u:w@r'", "http://r", "", 3.0),
        ("{url: 'http://r'}", "http://r", "", 5.0),
    ):
        home.config(server.replace("RULER", ruler))
        found = home.load().prometheus
        assert found is not None and found.ruler is not None
        assert (found.ruler.url, found.ruler.http.credentials, found.ruler.timeout_seconds) == (url, token, timeout)
    assert dict(home.load().origins)["ruler"] == "config file, line 3"


def test_one_mapping_stands_for_a_list_of_one(home: Home) -> None:
    """Where a list of mappings is allowed; Loki is a server like the others."""
    home.config(
        "environments:\n  a:\n    alertmanager: {url: 'http://am', timeout: 2}\n    loki: {url: 'http://loki', timeout: 2}\n"
        "incidents: {contacts: {team: platform}}\n"
    )
    settings = home.load()
    assert [(item.url, item.timeout_seconds) for item in settings.alertmanagers] == [("http://am", 2.0)]
    assert settings.loki is not None and settings.loki.timeout_seconds == 2.0
    assert settings.incidents.contacts is not None and [item.team for item in settings.incidents.contacts] == ["platform"]
    home.config("environments:\n  a:\n    alertmanager: {address: 'http://am'}\n")
    with pytest.raises(ConfigError, match=r"environments\.a\.alertmanager\.address"):
        home.load()


def test_a_password_without_a_user_stays(home: Home) -> None:
    """Some servers take a token as the password of nobody."""
    home.config("environments:\n  a:\n    prometheus: {url: 'http://:t0ken@p:9090', http_config: {proxy_url: 'http://x:1'}}\n")
    settings = home.load()
    assert settings.prometheus is not None and settings.prometheus.http.password == "t0ken"
    assert Credentials(settings.prometheus.http, where="").headers() == [(b"authorization", b"Basic OnQwa2Vu")]


def test_every_key_fills_a_field_of_the_settings() -> None:
    """A key that names a setting names a field of Settings, and the keys that fill one are known."""
    fields = {field.name for field in dataclasses.fields(Settings)}
    filled = [key.setting for table in (DOCUMENT, ENVIRONMENT) for _, key in table.settings()]
    assert len(filled) >= 10
    assert set(filled) <= fields
    assert len(set(filled)) == len(filled)


def test_every_controller_that_may_revert_a_change_has_a_settle_time() -> None:
    """The schema and the defaults know the same controllers."""
    settle = unwrap_kind(REFRESH.keys["settle"])
    assert isinstance(settle, Fields)
    assert set(settle.keys) == set(SETTLE)


@pytest.mark.parametrize("line_text", ["1", "true", "YES", "on"])
def test_read_only_by_variable(home: Home, line_text: str) -> None:
    """CAD_CONSOLE_READ_ONLY takes the usual words."""
    assert home.load(CAD_CONSOLE_READ_ONLY=line_text).read_only


READ_ONLY = "read_only: {top}\nenvironments: {{a: {{read_only: {own}}}}}\n"


@pytest.mark.parametrize("flag", [False, True])
@pytest.mark.parametrize("line_text", [None, "", "false", "true"])
@pytest.mark.parametrize("top", ["false", "true"])
@pytest.mark.parametrize("own", ["false", "true"])
def test_read_only_only_adds_up(home: Home, flag: bool, line_text: str | None, top: str, own: str) -> None:
    """Flag, variable, file and environment: one true is enough, and no false or empty one lifts it."""
    home.config(READ_ONLY.format(top=top, own=own))
    environ = {} if line_text is None else {"CAD_CONSOLE_READ_ONLY": line_text}
    settings = home.load({"read_only": flag}, **environ)
    assert settings.read_only == (flag or "true" in (line_text, top, own))


def test_read_only_names_everyone_who_says_so(home: Home) -> None:
    """Doctor shows what would have to change, not only the first of them; a false is no reason."""
    home.config("read_only: true\nenvironments: {a: {read_only: false}}\n")
    settings = home.load({"read_only": True}, CAD_CONSOLE_READ_ONLY="false")
    assert dict(settings.origins)["read_only"] == "flag --read-only, config file, line 1"


@pytest.mark.parametrize("line_text", ["maybe", " ", "0x1", "truee"])
def test_an_unreadable_read_only_is_an_error(home: Home, line_text: str) -> None:
    """Neither reading of it is guessed: the console does not start."""
    with pytest.raises(ConfigError, match="CAD_CONSOLE_READ_ONLY: expected true or false"):
        home.load(CAD_CONSOLE_READ_ONLY=line_text)


def test_every_empty_variable_is_unset(home: Home) -> None:
    """A unit file or manifest that writes `NAME=` changes nothing: the settings are those without it."""
    home.config(GOOD)
    names = "PROMETHEUS_URL ALERTMANAGER_URL CAD_ML_API_URL GRAFANA_URL LOKI_URL REDIS_URL KUBECONFIG KUBERNETES_SERVICE_HOST "
    names += "CAD_CONSOLE_CONFIG CAD_CONSOLE_ENVIRONMENT CAD_CONSOLE_STORE CAD_CONSOLE_READ_ONLY LOGNAME "
    names += "XDG_CONFIG_HOME XDG_STATE_HOME XDG_CACHE_HOME"
    assert home.load(**dict.fromkeys(names.split(), "")) == home.load()
    assert home.load(CAD_CONSOLE_READ_ONLY="").read_only


def test_kubernetes_is_found_as_kubectl_finds_it(home: Home) -> None:
    """KUBECONFIG, else ~/.kube/config, else the pod's service account; a flag beats them."""
    assert home.load(KUBECONFIG="/nowhere/config").kubernetes is not None  # the source says what is wrong, later
    assert home.load(KUBERNETES_SERVICE_HOST="10.0.0.1").kubernetes is None
    (home.root / "token").write_text("t")
    inside = home.load(KUBERNETES_SERVICE_HOST="10.0.0.1").kubernetes
    assert inside is not None
    assert inside.in_cluster
    standard = home.root / ".kube" / "config"
    standard.parent.mkdir()
    standard.write_text("{}")
    found = home.load(KUBERNETES_SERVICE_HOST="10.0.0.1").kubernetes
    assert found is not None
    assert found.kubeconfig == str(standard)
    other = home.root / "other"
    other.write_text("{}")
    flagged = home.load({"kubeconfig": str(other), "context": "c", "namespace": "n"}, KUBECONFIG="/x").kubernetes
    assert flagged is not None
    assert (flagged.kubeconfig, flagged.context, flagged.namespace) == (str(other), "c", "n")


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("colour: blue\n", 1, "colour: unknown key, expected one of"),
        ("theem: light\n", 1, "theem: unknown key, did you mean 'theme'?"),
        (
            "environments:\n  a:\n    promethues: http://x\n",
            3,
            "environments.a.promethues: unknown key, did you mean 'prometheus'?",
        ),
        ("environments:\n  a:\n    prometheus: 9090\n", 3, "expected an http:// or https:// URL or a mapping, found a number"),
        ("environments:\n  a:\n    prometheus: ftp://x\n", 3, "expected an http:// or https:// URL"),
        ("environments:\n  a:\n    prometheus: {timeout: 3}\n", 3, "expected the key 'url' here"),
        ("environments:\n  a:\n    protected: maybe\n", 3, "environments.a.protected: expected true or false, found text"),
        ("environments: [a]\n", 1, "environments: expected a mapping, found a list"),
        ("environments:\n  a:\n    namespace: Not_A_Name\n", 3, "expected a namespace's name"),
        ("environments:\n  a:\n    alertmanager:\n      - http://x\n      - 5\n", 5, "environments.a.alertmanager[1]"),
        ("thresholds:\n  error_ratoi: {warn: 1}\n", 2, "did you mean 'error_ratio'?"),
        ("thresholds:\n  error_ratio: {warn: high}\n", 2, "thresholds.error_ratio.warn: expected a number, found text"),
        ("thresholds:\n  error_ratio: {warn: .nan}\n", 2, "thresholds.error_ratio.warn: expected a number"),
        (
            "thresholds:\n  error_ratio: {warn: 5, critical: 1}\n",
            2,
            "thresholds.error_ratio.critical: reversed thresholds: large values are bad, so expected critical at",
        ),
        (
            "thresholds:\n  provider_health:\n    warn: 60\n",
            3,
            "small values are bad, so expected critical at or under warn 60, found 70 (the other one is the panel's own)",
        ),
        ("thresholds:\n  ocr_p95:\n    critical: 1\n", 3, "thresholds.ocr_p95.critical: reversed thresholds"),
        ("runbooks: gone\n", 1, "runbooks: expected a folder, found none at"),
        ("runbooks:\n  - .\n  - gone\n", 3, "runbooks[1]: expected a folder, found none at"),
        ("panels: gone.yaml\n", 1, "panels: expected a file, a folder or a pattern, found nothing at"),
        ("panels: ['gone/*.yaml']\n", 1, "panels[0]: expected files, found none that match"),
        ("rules: {a: b}\n", 1, "rules: expected text or a list of them, found a mapping"),
        ("alert_targets:\n  X: pod/x\n", 2, "expected KIND/NAME of a workload"),
        ("refresh: 0\n", 1, "expected a number of seconds greater than 0"),
        ("refresh: true\n", 1, "found true or false"),
        ("- a\n- b\n", 1, "expected a mapping, found a list"),
        ("a: b: c\n", 1, "not YAML"),
        ("theme: light\ntheme: dark\n", 2, "theme: duplicate key"),
        ("1: x\n", 1, "expected a text key"),
        ("a: &x [1]\nb: *x\n", 2, "aliases"),
        ("theme: !!python/object/apply:os.system [id]\n", 1, "expected text"),
        ("theme: \x00\n", 1, "not YAML"),
        (
            "default_environment: nowhere\nenvironments: {a: {}}\n",
            1,
            "no such environment in the config file, expected one of a",
        ),
        ("environments: {a: {}, b: {}}\n", 0, "no environment chosen, expected one of a, b"),
        (
            "environments:\n  a:\n    prometheus:\n      url: http://x\n      http_config:\n        bearer_token_file: gone\n",
            6,
            "expected a readable file",
        ),
    ],
)
def test_what_cannot_be_understood_is_one_line(home: Home, text: str, line: int, words: str) -> None:
    """File, line, key and what was expected stand in one line."""
    path = home.config(text)
    with pytest.raises(ConfigError) as caught:
        home.load()
    output = str(caught.value)
    assert "\n" not in output
    assert output.startswith(f"{path}:{line}: " if line else f"{path}: "), output
    assert words in output


def test_a_bomb_of_aliases_is_refused_at_once(home: Home) -> None:
    """Nine lines that would be a billion values are refused by their second alias."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    home.config("\n".join(lines))
    with pytest.raises(ConfigError, match=r":2: .*aliases"):
        home.load()


def test_a_config_file_that_was_named_must_exist(home: Home) -> None:
    """A missing file is named; the default one may be missing."""
    with pytest.raises(ConfigError, match="no such file"):
        home.load({"config": str(home.root / "gone.yaml")})
    with pytest.raises(ConfigError, match="no such file"):
        home.load(CAD_CONSOLE_CONFIG=str(home.root / "gone.yaml"))


@pytest.mark.parametrize(
    ("flags", "environ", "words"),
    [
        ({"prometheus_url": "prom:9090"}, {}, "flag --prometheus-url: expected an http:// or https:// URL"),
        ({}, {"ALERTMANAGER_URL": "http://a:1,b"}, "environment variable ALERTMANAGER_URL: expected"),
        ({}, {"PROMETHEUS_URL": "http://user:secret@"}, "environment variable PROMETHEUS_URL: expected"),
        ({}, {"PROMETHEUS_URL": "http://a:99999"}, "environment variable PROMETHEUS_URL: expected"),
        ({}, {"CAD_CONSOLE_READ_ONLY": "perhaps"}, "CAD_CONSOLE_READ_ONLY: expected true or false"),
        ({"refresh": -1.0}, {}, "flag --refresh: expected a number of seconds"),
        ({"refresh": float("nan")}, {}, "flag --refresh: expected a number of seconds"),
        ({"namespace": "No"}, {}, "flag --namespace: expected a namespace's name"),
        ({"kubeconfig": "/nowhere/kubeconfig"}, {}, "flag --kubeconfig: expected a kubeconfig"),
    ],
)
def test_flags_and_variables_are_named(home: Home, flags: dict[str, Any], environ: dict[str, str], words: str) -> None:
    """A bad flag or variable is named, and its value is not repeated where it may hold a secret."""
    with pytest.raises(ConfigError) as caught:
        home.load(flags, **environ)
    assert words in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_secret_on_the_wrong_line_is_not_repeated(home: Home) -> None:
    """An error about a value names its type, never the value."""
    home.config("environments:\n  a:\n    prometheus: {url: http://x, timeout: hunter2}\n")
    with pytest.raises(ConfigError) as caught:
        home.load()
    assert "hunter2" not in str(caught.value)


@given(text=st.text(max_size=200))
def test_any_text_is_settings_or_one_line(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    """Whatever stands in the file, the outcome is settings or a ConfigError of one line."""
    path = tmp_path_factory.mktemp("any") / "config.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        load_settings({"config": str(path)}, {"HOME": str(path.parent)})
    except ConfigError as error:
        assert "\n" not in str(error)


INCIDENTS = """\
incidents:
  severities: {P1: {mitigate: 20m}, P3: {escalation: ask the owner, escalate_by: chat}}
  contacts: [{team: Night shift, pager: PagerDuty Night}]
  templates: updates
environments:
  production:
    channels:
      chat: {kind: slack, url_file: chat.url}
      pager: {kind: pagerduty, routing_key: R0UT1NGK3Y, timeout: 4}
"""


def test_incidents_and_channels(home: Home) -> None:
    """Response times, contacts and channels; paths count from the config file; no representation shows a secret."""
    path = home.config(INCIDENTS)
    (path.parent / "chat.url").write_text("https://hooks.example/services/T0KEN")
    settings = home.load()
    own = settings.incidents
    assert own.changes == (("P1", "mitigate", "20m"), ("P3", "escalation", "ask the owner"), ("P3", "escalate_by", "chat"))
    assert own.contacts is not None
    assert own.contacts[0].team == "Night shift"
    assert own.templates_dir == str(path.parent / "updates")
    chat, pager = own.channels
    assert (chat.kind, chat.url_file) == ("slack", str(path.parent / "chat.url"))
    assert pager.timeout_seconds == 4.0
    assert "R0UT1NGK3Y" not in repr(settings)


@pytest.mark.parametrize(
    ("text", "output"),
    [
        ("incidents: {severities: {P5: {mitigate: 5m}}}", "did you mean"),
        ("incidents: {severities: {P1: {mitigate: soon}}}", "expected a duration"),
        ("environments: {a: {channels: {chat: {kind: slack}}}}", "expected url or url_file here"),
        ("environments: {a: {channels: {chat: {kind: pagerduty}}}}", "expected routing_key or routing_key_file here"),
        ("environments: {a: {channels: {chat: {kind: teams, url: http://x}}}}", "expected slack, webhook or pagerduty"),
        ("environments: {a: {channels: {chat: {kind: slack, url: htp://s3cret}}}}", "expected an http:// or https:// URL"),
    ],
)
def test_incidents_that_are_not_understood(home: Home, text: str, output: str) -> None:
    """File, line and what was expected; never the value."""
    home.config(text)
    with pytest.raises(ConfigError, match=output) as error:
        home.load()
    assert "config.yaml:1" in str(error.value)
    assert "s3cret" not in str(error.value)


@pytest.mark.parametrize(
    ("line_text", "kind", "namespace", "url"),
    [
        ("kubernetes", "kubernetes", "cad-ml-platform", ""),
        ("{kubernetes: {namespace: journal, keep_days: 7}}", "kubernetes", "journal", ""),
        ("postgresql://ann:hunter2@db:5433/journal", "postgresql", "", "postgresql://ann:hunter2@db:5433/journal"),
        ("{postgresql: {url: 'postgresql://db/journal', password_file: secret}}", "postgresql", "", "postgresql://db/journal"),
    ],
)
def test_where_the_journal_is_shared(home: Home, line_text: str, kind: str, namespace: str, url: str) -> None:
    """A word, a URL or a mapping says it; what is shown of it, and every representation, is without the password."""
    path = home.config(f"environments:\n  prod:\n    store: {line_text}\n")
    (path.parent / "secret").write_text("hunter2")
    settings = home.load()
    assert settings.store is not None
    assert (settings.store.kind, settings.store.namespace, settings.store.url) == (kind, namespace, url)
    assert "hunter2" not in repr(settings) + settings.store.where
    assert dict(settings.origins)["store"] == "config file, line 3"
    again = home.load(CAD_CONSOLE_STORE="postgresql://other/journal").store
    assert again is not None and again.where == "postgresql://other/journal"


@pytest.mark.parametrize(
    ("line_text", "words"),
    [
        ("redis://hunter2", "expected kubernetes or a postgresql:// URL or a mapping"),
        ("{}", "expected one of kubernetes and postgresql here"),
        ("{kubernetes: {}, postgresql: {url: 'postgresql://db/j'}}", "expected one of kubernetes and postgresql here"),
        ("{kubernetes: {namespace: No_Name}}", "expected a namespace's name"),
        ("{kubernetes: {keep_days: 0}}", "expected a number of days greater than 0"),
        ("{postgresql: {password_file: x}}", "expected the key 'url' here"),
        ("{postgresql: {url: 'postgresql://db:99999/j'}}", "expected a postgresql:// URL"),
    ],
)
def test_a_store_that_cannot_be_understood(home: Home, line_text: str, words: str) -> None:
    """It is named with its line and what was expected, and never repeated."""
    home.config(f"environments:\n  prod:\n    store: {line_text}\n")
    with pytest.raises(ConfigError) as caught:
        home.load()
    assert ":3: " in str(caught.value) and words in str(caught.value)
    assert "hunter2" not in str(caught.value)
    with pytest.raises(ConfigError, match="CAD_CONSOLE_STORE: expected kubernetes or a postgresql:// URL"):
        home.load(CAD_CONSOLE_STORE="mysql://hunter2", CAD_CONSOLE_CONFIG=str(home.config("{}")))


def test_a_teams_error_codes(tmp_path: Path) -> None:
    """Own codes and the window are read; without them nothing is mapped, over a day."""
    path = tmp_path / "config.yaml"
    path.write_text('error_codes: {LICENSE_EXPIRED: AUTH_FAILED, "418": INPUT_ERROR}\nerror_codes_window: 36h\n')
    output = load_settings({"config": str(path)}, {})
    assert output.error_codes == (("LICENSE_EXPIRED", "AUTH_FAILED"), ("418", "INPUT_ERROR"))
    assert output.error_codes_window_seconds == 129_600.0
    assert (load_settings({}, {}).error_codes, load_settings({}, {}).error_codes_window_seconds) == ((), 86_400.0)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("error_codes:\n  OURS: AUTH_FAILED\n  INPUT_ERROR: LICENSE_EXPIRED\n", 3, "swap them"),
        ("error_codes:\n  OURS: AUTH_FAILURE\n", 2, "did you mean AUTH_FAILED?"),
        ("error_codes: {OURS: [AUTH_FAILED]}\n", 1, "expected text"),
        ("error_codes_window: 1 day\n", 1, "expected a duration like"),
    ],
)
def test_a_reversed_error_code_is_refused_with_its_line(tmp_path: Path, text: str, line: int, words: str) -> None:
    """A mapping that would hide a gap ends the start with file and line."""
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=rf"config\.yaml:{line}: .*{re.escape(words)}"):
        load_settings({"config": str(path)}, {})


def test_a_teams_own_files_are_found_beside_the_config_file(tmp_path: Path) -> None:
    """A folder stands for its files, a pattern for what it matches, also above the config file's folder; each file once."""
    for name in ("pages", "boards/more", "rules"):
        (tmp_path / "own" / name).mkdir(parents=True)
    for name in ("boards/a.yaml", "boards/b.yml", "boards/more/c.yaml", "boards/note.txt", "rules/x.rules", "rules/y.yaml"):
        (tmp_path / "own" / name).write_text("")
    (tmp_path / "etc").mkdir()
    file = tmp_path / "etc" / "config.yaml"
    file.write_text(
        "runbooks: ../own/pages\npanels: [../own/boards, '../own/boards/**/*.yaml']\nrules: [" + f"{tmp_path}/own/rules]\n"
    )
    own = load_settings({"config": str(file)}, {}).own
    assert [Path(name).resolve() for name in own.runbooks] == [tmp_path / "own" / "pages"]
    names = [str(Path(name).resolve().relative_to(tmp_path / "own")) for name in own.panels]
    assert names == ["boards/a.yaml", "boards/b.yml", "boards/more/c.yaml"]
    assert [Path(name).name for name in own.rules] == ["x.rules", "y.yaml"]


def test_thresholds_may_be_of_a_teams_own_panels(tmp_path: Path) -> None:
    """The panel's own direction counts; while a file of panels cannot be read, any name may be one of its panels."""
    (tmp_path / "shop.yaml").write_text("panels:\n  - {id: orders, title: O, unit: count, raw: x, below: true, warn: 5}\n")
    file = tmp_path / "config.yaml"
    file.write_text("panels: shop.yaml\nthresholds:\n  orders: {critical: 2}\n")
    assert load_settings({"config": str(file)}, {}).threshold("orders").critical == 2
    file.write_text("panels: shop.yaml\nthresholds:\n  orders: {critical: 9}\n")
    with pytest.raises(ConfigError, match=r"config\.yaml:3: thresholds\.orders\.critical: reversed thresholds: small values"):
        load_settings({"config": str(file)}, {})
    file.write_text("panels: shop.yaml\nthresholds:\n  odrers: {critical: 9}\n")
    with pytest.raises(ConfigError, match="did you mean 'orders'"):
        load_settings({"config": str(file)}, {})
    (tmp_path / "lost.yaml").write_text("panels: [")
    file.write_text("panels: [shop.yaml, lost.yaml]\nthresholds:\n  sales: {critical: 9}\n")
    assert load_settings({"config": str(file)}, {}).threshold("sales").critical == 9


NOTIFY = """\
notify:
  bell: [P1, P2]
  title: []
  desktop: {protocol: osc777, severities: [P1]}
  tmux: [P1]
  command: [notify-send, "{title}"]
  commands: {P1: [page, --now, "{text}"]}
  kinds: [alert, silence]
  before: 15m
  quiet_hours: {from: 22:00, to: "06:30", severities: []}
"""


def test_every_key_of_notify_arrives(home: Home) -> None:
    """Each in its field; a time without quotes, which YAML reads as a number, means the same; nothing said means a P1 rings."""
    home.config(NOTIFY)
    notify = home.load().notify
    p1, p2, *_ = Priority
    assert (notify.bell, notify.title, notify.tmux) == ((p1, p2), (), (p1,))
    assert (notify.desktop, notify.desktop_severities) == ("osc777", (p1,))
    assert dict(notify.commands)[p1] == ("page", "--now", "{text}")
    assert [dict(notify.commands)[item] for item in list(Priority)[1:]] == [("notify-send", "{title}")] * 3
    assert (notify.kinds, notify.before_seconds) == (("alert", "silence"), 900.0)
    assert notify.quiet == QuietHours(22 * 60, 6 * 60 + 30, ())
    home.config("notify: {desktop: osc9, quiet_hours: {from: '21:00', to: '06:00'}}\n")
    notify = home.load().notify
    assert (notify.desktop, notify.desktop_severities, notify.commands) == ("osc9", (p1, p2), ())
    assert notify.quiet is not None and notify.quiet.severities == (p1,)
    home.config("theme: dark\n")
    assert home.load().notify == NotifySettings(bell=(p1,), title=(p1,))


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("{bel: [P1]}", r"notify\.bel: unknown key, did you mean 'bell'\?"),
        ("{bell: [P9]}", r"notify\.bell\[0\]: expected P1, P2, P3 or P4"),
        ("{desktop: osc52}", r"notify\.desktop: expected osc9, osc777 or osc99"),
        ("{command: page}", r"notify\.command: expected a list"),
        ("{command: []}", r"notify\.command: expected a program and its arguments"),
        ("{commands: {P1: []}}", r"notify\.commands\.P1: expected a program and its arguments"),
        ("{kinds: [alerts]}", r"notify\.kinds\[0\]: expected alert, resolved,"),
        ("{quiet_hours: {from: '22:00'}}", r"notify\.quiet_hours: expected the key 'to'"),
        ("{quiet_hours: {from: '24:00', to: '06:00'}}", r"notify\.quiet_hours\.from: expected a time of day like \"22:00\""),
    ],
)
def test_what_notify_does_not_know_is_refused(home: Home, text: str, error: str) -> None:
    """With the line, the key, and what was expected."""
    path = home.config(f"notify: {text}\n")
    with pytest.raises(ConfigError, match=rf"{re.escape(str(path))}:1: {error}"):
        home.load()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{}", RecorderSettings(14 * 86_400.0, 500_000_000)),
        ("{keep: 30d, max_bytes: 2GiB}", RecorderSettings(30 * 86_400.0, 2 << 30)),
        ("{max_bytes: 1MB}", RecorderSettings(14 * 86_400.0, 1_000_000)),
    ],
)
def test_what_the_recorder_keeps(home: Home, text: str, expected: RecorderSettings) -> None:
    """Off without the key; `{}` is on with the defaults; each environment has a folder of its own beside the journal."""
    home.config("theme: dark\n")
    assert home.load().recorder is None
    home.config(f"recorder: {text}\ndefault_environment: a/b\nenvironments: {{a/b: {{}}, ..: {{}}}}\n")
    settings = home.load()
    assert settings.recorder == expected
    folder, other = Path(settings.recording_dir), Path(home.load({"environment": ".."}).recording_dir)
    assert folder.parent == other.parent == Path(settings.paths.journal_file).parent / "recording"
    assert folder != other
    assert ".." not in other.parts


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("true", "recorder: expected a mapping"),
        ("{keep: 14}", r"recorder\.keep: expected a duration"),
        ("{max_bytes: 500}", r"recorder\.max_bytes: expected a size like 500MB, from 1MB to 1000GB"),
        ("{max_bytes: 1kB}", r"recorder\.max_bytes: expected a size like 500MB"),
        ("{max_bytes: 9999999999GB}", r"recorder\.max_bytes: expected a size like 500MB"),
        ("{kept: 14d}", r"recorder\.kept: unknown key, did you mean 'keep'\?"),
    ],
)
def test_what_the_recorder_does_not_know_is_refused(home: Home, text: str, error: str) -> None:
    """With the line, the key, and what was expected."""
    path = home.config(f"recorder: {text}\n")
    with pytest.raises(ConfigError, match=rf"{re.escape(str(path))}:1: {error}"):
        home.load()


SAMPLES: dict[str, tuple[Any, ...]] = {
    "a size like 500MB, from 1MB to 1000GB": ("7MB",),
    "a number": (1.5,),
    "a number of seconds greater than 0": (7.5,),
    "a number of seconds, 0 for none": (7.5,),
    "a number of hours greater than 0": (7,),
    "a number of days greater than 0": (7,),
    "true or false": (True, False),
    "a duration like 15m, 2h or 1h30m": ("7m",),
    "an http:// or https:// URL": ("http://elsewhere:1",),
    "a redis://, rediss:// or unix:// URL": ("redis://elsewhere",),
    "a postgresql:// URL": ("postgresql://elsewhere/db",),
    "kubernetes or a postgresql:// URL": ("postgresql://elsewhere/db",),
    "deployment/NAME": ("deployment/elsewhere",),
    "a namespace's name": ("elsewhere",),
    "P1, P2, P3 or P4": ("P4",),
    "slack, webhook or pagerduty": ("webhook",),
    "pager, email, ticket or chat": ("chat",),
    'a day and time like "fri 16:00", or a date like "2026-12-20 18:00"': ("sun 07:00",),
    "text": ("ctrl+b",),
}
"""A value of each kind of scalar; both of a flag, because one of them is the default."""
NEEDED = {
    "basic_auth": {"username": "reader"}, "ruler": {"url": "http://ruler"}, "store": {}, "postgresql": {"url": "postgresql://h/d"},
    "channels": {"kind": "slack", "url": "http://hook"}, "prometheus": {"url": "http://prom"},
    "alertmanager": {"url": "http://am"}, "platform": {"url": "http://api"}, "grafana": {"url": "http://grafana"},
    "loki": {"url": "http://loki"}, "contacts": {"team": "platform"}, "kubernetes": {}, "environments": {},
    "services": {"health": "http://h", **{step: [step] for step in ("backup", "update", "restore", "smoke")}},
    "freeze": {"from": "fri 16:00", "to": "mon 08:00", "reason": "nobody is there"},
    "tokens": {"secrets": ["api/token"], **{step: [step] for step in ("register", "smoke", "withdraw")}},
}  # fmt: skip
"""What a key needs beside it."""
NAMES = {"thresholds": "error_ratio", "rule_windows": "5m", "severities": "P3", "environments": "production"}


def leaves(kind: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every key that holds a value, with the kind of value; `*` in the path is a name that a team chooses."""
    kind = unwrap_kind(kind)
    match kind:
        case Fields():
            for name, entry in kind.keys.items():
                yield from leaves(entry, (*path, name))
        case MapOf():
            yield from leaves(kind.each, (*path, "*"))
        case ListOf():
            yield from leaves(kind.each, path)
        case OneOf():
            yield path, kind.short.expected
            if not isinstance(unwrap_kind(kind.long), ListOf) or kind.long.takes_mapping:
                yield from (item for item in leaves(kind.long, path) if item[0] != path)
        case Scalar():
            yield path, kind.expected


def document(path: tuple[str, ...], *value: Any) -> dict[str, Any]:
    """A file with this one key, or without a value only with what that needs beside it."""
    made: dict[str, Any] = {"default_environment": "production", "environments": {"production": {}}}
    inner, parent = made, ""
    for at, name in enumerate(path):
        inner.update({key: item for key, item in NEEDED.get(parent, {}).items() if key not in inner and name != "*"})
        key = NAMES.get(path[at - 1], "one") if name == "*" else name
        if at == len(path) - 1:
            inner.update((key, item) for item in value)
        else:
            inner = inner.setdefault(key, {})
        parent = parent if name == "*" else name
    return made


def test_every_key_changes_something(home: Home) -> None:
    """Each key of the config file makes the settings differ from those without it; none is accepted and ignored."""
    (home.root / "one").mkdir()
    ignored, tried = [], 0
    for path, expected in leaves(DOCUMENT):
        values = ("light",) if path[-1] == "theme" else SAMPLES.get(expected, ("one",))
        if path[-1] in ("checklists", "templates", "runbooks"):
            values = (str(home.root / "one"),)
        if path == ("default_environment",):
            continue  # it chooses which of several others apply
        tried += 1
        changed = False
        for value in values:
            results = []
            for file in (document(path, value), document(path)):
                home.config(json.dumps(file))
                try:
                    results.append(dataclasses.replace(home.load(), origins=()))
                except ConfigError as error:
                    results.append(str(error))  # type: ignore[arg-type]
            changed |= results[0] != results[1]
        if not changed:
            ignored.append(".".join(path))
    assert tried > 100
    assert not ignored, ignored


@pytest.mark.parametrize("environment", ["production", "staging"])
def test_a_file_of_the_release_before_means_the_same(home: Home, environment: str) -> None:
    """Every key that 0.4 documented, in a file that its own loader took, is still known and fills what it filled."""
    file = home.config((Path(__file__).parent / "release-0.4.yaml").read_text(encoding="utf-8"))
    for name in ("chat.url", "hook.token", "pager.key", "password"):
        (file.parent / name).write_text("https://hook.example.com/chat")
    (file.parent / "kubeconfig").write_text("{}")
    settings = home.load({"environment": environment})
    assert settings.store is not None and settings.kubernetes is not None
    if environment == "staging":
        assert settings.store.namespace == "console" and settings.kubernetes.in_cluster
        return
    assert settings.prometheus is not None and settings.prometheus.http.password == "hunter2"
    assert settings.kubernetes.context == "production" and settings.kubernetes.timeout_seconds == 4.0
    assert [item.url for item in settings.alertmanagers] == [f"https://alertmanager-{at}.example.com" for at in (0, 1)]
    assert sorted(item.name for item in settings.incidents.channels) == ["chat", "hook", "pager"]
    assert (settings.theme, settings.slow, settings.shift_hours) == ("colour-blind", True, 8.0)
    assert settings.store.url and "password" not in repr(settings.store.url)


def test_every_setting_is_read_by_something() -> None:
    """Outside the configuration itself: a field that only `doctor` would print does nothing."""
    root = Path(console.__file__).parents[1]
    read = set()
    for package in ("console", "queries", "widgets"):
        for file in (root / package).rglob("*.py"):
            if "config" not in file.relative_to(root / package).parts[:1]:
                read |= {node.attr for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Attribute)}
    kinds = (Settings, IncidentSettings, SeverityPolicy, Contact, Channel, StoreSettings, NotifySettings, QuietHours, Endpoint)
    fields = {f"{kind.__name__}.{field.name}" for kind in kinds for field in dataclasses.fields(kind)}
    assert len(fields) > 60
    assert {name for name in fields if name.partition(".")[2] not in read} <= {
        "Settings.origins",  # what `doctor` and `config show` print
        "Settings.cluster_named",  # `protected` follows from it
        "QuietHours.start_minute",  # its own `contains` reads it
        "Settings.timezone",  # `load_settings` makes it the zone of the process
        "Settings.secret_files",  # whose permissions the configuration checks itself
        "Contact.pager",  # chosen by `escalate_by`
    }


OUTSIDE = """\
environments:
  production:
    services:
      cad-render:
        folder: render
        backup: [./backup]
        update: [./update, "{version}"]
        restart: [systemctl, restart, cad-render]
        health: http://127.0.0.1:8030/health
        restore: [./restore, "{backup}"]
        smoke: [./smoke]
        env_files: render.env
        limits: {update: 30}
      by-program: {backup: [b], update: [u], health: [h], restore: [r], smoke: [s]}
    tokens:
      render-api:
        make: [./make]
        secrets: [cad-ml-api/token]
        files: token
        restart: [deployment/cad-ml-api, external/cad-render]
        smoke: [./smoke]
        withdraw: [./withdraw]
"""


def test_services_and_tokens(home: Home) -> None:
    """Every key arrives. Files and folders are beside the config file and may be on another host: the console starts without
    them, and what holds a secret must be private where it is.
    """
    folder = home.config(OUTSIDE).parent
    settings = home.load()
    service, other = settings.services
    assert (service.name, service.folder, service.env_files) == ("cad-render", f"{folder}/render", (f"{folder}/render.env",))
    assert service.command("update") == ("./update", "{version}") and service.takes_version and service.takes_backup
    assert service.command("health") == () and service.health_url == "http://127.0.0.1:8030/health"
    assert (service.limit_seconds("update"), service.limit_seconds("backup")) == (30.0, 600.0)
    assert (other.command("health"), other.health_url, other.folder) == (("h",), "", str(folder))
    assert not (other.takes_version or other.takes_backup or other.command("restart"))
    (token,) = settings.tokens
    assert (token.secrets, token.files) == (("cad-ml-api/token",), (f"{folder}/token",))
    assert (token.workloads, token.in_cluster) == (("deployment/cad-ml-api",), True)
    assert set(settings.secret_files) == {f"{folder}/render.env", f"{folder}/token"}


@pytest.mark.parametrize(
    ("key", "text", "error"),
    [
        ("services", "r: {backup: [], update: [u], health: [h], restore: [r], smoke: [s]}", "found an empty list"),
        ("services", "r: {backup: [b], update: [u], health: 'http://u:p@h', restore: [r], smoke: [s]}", "without user and"),
        ("services", "r: {backup: ['{version}'], update: [u], health: [h], restore: [r], smoke: [s]}", "known only in update"),
        ("services", "r: {backup: [b], update: ['{backup}'], health: [h], restore: [r], smoke: [s]}", "known only in restore"),
        ("services", "r: {backup: [b], update: [u], health: [h], restore: [r]}", "expected the key 'smoke' here"),
        ("services", "R_1: {backup: [b], update: [u], health: [h], restore: [r], smoke: [s]}", "expected a name of lowercase"),
        ("services", "r: {backup: 'b; rm x', update: [u], health: [h], restore: [r], smoke: [s]}", "a list, found text"),
        ("tokens", "t: {make: [m], read: f, secrets: [a/b], smoke: [s], withdraw: [w]}", "at most one of make and read"),
        ("tokens", "t: {secrets: [a/b], smoke: [s], withdraw: [w]}", "expected make, read, or register"),
        ("tokens", "t: {make: [m], smoke: [s], withdraw: [w]}", "expected secrets or files"),
        ("tokens", "t: {make: [m], secrets: [a], smoke: [s], withdraw: [w]}", "expected NAME/KEY of a Secret"),
        ("tokens", "t: {make: [m], secrets: [a/b], restart: [external/x], smoke: [s], withdraw: [w]}", "found none named 'x'"),
        ("tokens", "t: {make: [m], secrets: [a/b], restart: [cronjob/x], smoke: [s], withdraw: [w]}", "or external/NAME"),
    ],
)  # fmt: skip
def test_services_and_tokens_that_are_refused(home: Home, key: str, text: str, error: str) -> None:
    """A shell command, a placeholder where nobody fills it in, a step that is missing: one line with file, line and key."""
    home.config(f"environments: {{production: {{{key}: {{{text}}}}}}}\n")
    with pytest.raises(ConfigError, match=re.escape(error)):
        home.load()


def test_a_header_from_a_file_is_as_new_as_the_file(home: Home) -> None:
    """A token that is rotated while the console runs is sent from then on; the platform's own headers stay beside the keys of
    its administration, and a file whose content is not text is an error of that server alone.
    """
    for name in ("token", "key"):
        (home.root / name).write_text(f"{name}-1")
    http = f"http_config: {{http_headers: {{X-Token: {{files: [{home.root / 'token'}]}}}}}}"
    home.config(
        f"environments:\n  a:\n    prometheus: {{url: 'http://p', {http}}}\n    platform: {{url: 'http://api', {http}}}\n"
        f"    administration: {{api_key_file: {home.root / 'key'}}}\n"
    )
    settings = home.load()
    assert settings.prometheus is not None and settings.administration is not None
    credentials = Credentials(settings.prometheus.http, where="p")
    assert credentials.headers() == [(b"X-Token", b"token-1")]
    (home.root / "token").write_text("token-two")
    assert credentials.headers() == [(b"X-Token", b"token-two")]
    keys = Credentials(settings.administration.http, where="api")
    assert keys.headers() == [(b"X-Token", b"token-two"), (b"X-API-Key", b"key-1")]
    described = {item.key: item.value for item in describe_settings(settings)}
    assert described["administration"] == "X-API-Key"
    (home.root / "token").write_bytes(b"\xff\xfe")
    with pytest.raises(AccessDenied, match="is not text"):
        credentials.headers()
    assert home.load().prometheus is not None
