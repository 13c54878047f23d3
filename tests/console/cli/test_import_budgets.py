"""What each verb imports when its servers answer, seen from outside of the process and without a clock: a verb loads what its
sources need, and nothing else.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from steerable_cluster import SteerableCluster
from terminal import Terminal
from told_platform import told_platform

from console.cli.parser import VERBS
from console.demo.cluster import PodTimings
from queries.catalogue.panel_titles import read_panel_titles
from widgets.later import USED_LATER

ROOT = Path(__file__).resolve().parents[3]
ALERT = {
    "fingerprint": "abc",
    "labels": {"alertname": "HighErrorRate", "severity": "critical", "component": "platform"},
    "annotations": {},
    "startsAt": "2026-01-01T09:00:00Z",
    "endsAt": "2036-01-01T10:00:00Z",
    "updatedAt": "2026-01-01T09:00:00Z",
    "generatorURL": "",
    "receivers": [{"name": "pager"}],
    "status": {"state": "active", "silencedBy": [], "inhibitedBy": []},
}
RUN = """
import json, sys
from console.cli.main import main
try:
    code = main()
except SystemExit as error:
    code = error.code
print(json.dumps([code, sorted(name for name, module in sys.modules.items() if module)]), file=sys.stderr)
"""
SCREENS = ("textual", "rich", "widgets", "console.screens", "console.demo")
OFFICIAL = ("kubernetes", "requests", "pydantic", "dateutil", "prometheus_api_client", "pandas")
STORES = ("redis", "psycopg")
CLUSTER = ("urllib3", "queries.kubernetes.client", "queries.kubernetes.auth")
"""The settings read which context a kubeconfig chooses."""
PANELS = ("promql_parser", "queries.promql", "queries.prometheus.recorded_series")
RECORDS = ("queries.prometheus.client", "queries.prometheus.evidence", "queries.catalogue.loader", "queries.catalogue.signals")
"""What evaluates panels; a list of alerts needs the rules alone."""
YAML = ("yaml", "queries.yaml")
BLOCKING = ("urllib3", "kubernetes", "importlib.metadata")
NETWORK = ("httpx", "httpcore", "anyio", "ssl", "asyncio", "queries.prometheus", "queries.alertmanager")
ACTIONS = ("console.actions",)
GENERAL = ("httpcore", "anyio", "email.message", "http.client", "http.cookiejar", "urllib.request")
"""httpx' general transport, for a server behind a proxy, and what its cookies and forms need."""
RARE = ("difflib", "zoneinfo", "logging.handlers", "encodings.idna")
HARDLY = ("idna", "platform", "random", "shutil", "statistics", "typing_extensions", "httpx._client", "msgspec.inspect")
"""What the libraries and the parser of the command line import, and no verb that prints uses."""
XML = ("xml", "queries.text.junit", "console.checklists.report_junit")
"""For one format of a checklist."""
TEAM = ("queries.catalogue.own", "queries.catalogue.own_signals", "queries.catalogue.drills", "queries.platform.admin_calls")
"""What reads a team's own files."""
FORBIDDEN: Mapping[tuple[str, ...], tuple[str, ...]] = {
    ("status",): (
        *SCREENS,
        *OFFICIAL,
        *STORES,
        *ACTIONS,
        *GENERAL,
        *TEAM,
        "console.lint",
        "console.checklists",
        "console.setup",
    ),
    ("status", "--format", "json"): (*SCREENS, *OFFICIAL, *STORES, *ACTIONS, *GENERAL),
    ("alerts",): (
        *SCREENS,
        *OFFICIAL,
        *STORES,
        *ACTIONS,
        *CLUSTER,
        *PANELS,
        *RECORDS,
        *YAML,
        *GENERAL,
        *RARE,
        *TEAM,
        "queries.platform.client",
        "console.incidents",
        "console.lint",
        "console.cli.status",
    ),
    ("alerts", "--format", "json"): (*SCREENS, *OFFICIAL, *STORES, *ACTIONS, *PANELS),
    ("checklist", "hourly"): (
        *SCREENS,
        *OFFICIAL,
        *STORES,
        *ACTIONS,
        *GENERAL,
        *RARE,
        *XML,
        *CLUSTER,
        "queries.kubernetes.direct_read",
        "queries.alertmanager",
        "console.lint",
        "console.setup",
    ),
    ("journal",): (*SCREENS, *OFFICIAL, *STORES, *ACTIONS, *CLUSTER, *PANELS, *NETWORK, "console.monitor", "re2"),
    ("journal", "export"): (*SCREENS, *OFFICIAL, *STORES, *ACTIONS, *CLUSTER, *PANELS, *NETWORK, "console.monitor"),
    ("journal", "verify"): (*SCREENS, *OFFICIAL, *STORES, *ACTIONS, *CLUSTER, *PANELS, *NETWORK, "console.monitor"),
    ("runbook", "--list"): (*SCREENS, *OFFICIAL, *STORES),
    ("doctor",): (*SCREENS, *STORES),
    ("config",): (*SCREENS, *OFFICIAL, *STORES, *ACTIONS, *CLUSTER, *PANELS, *NETWORK),
}
NEEDED: Mapping[tuple[str, ...], tuple[str, ...]] = {
    ("status",): ("httpx", "queries.kubernetes.direct_read", "queries.prometheus.client", "sqlite3"),
    ("alerts",): ("httpx", "queries.alertmanager", "queries.prometheus.rules_reader", "sqlite3"),
    ("alerts", "--format", "json"): ("httpx", "queries.kubernetes.direct_read"),
    ("checklist", "hourly"): ("httpx", "queries.prometheus.client", "queries.platform.client", "console.checklists.evaluate"),
    ("journal",): ("sqlite3",),
}
"""So that a verb which did nothing, or met no server, proves nothing."""


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Servers that answer, and a cluster behind a kubeconfig with a token."""
    folder = tmp_path_factory.mktemp("budgets")
    made = SteerableCluster("cad-ml-platform", timings=PodTimings(), autoscaler_seconds=60.0, anonymous=False)
    made.seed()
    with made, told_platform(pages={"/api/v2/alerts": [ALERT]}) as platform:
        made.kubeconfig(folder / "kubeconfig")
        kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "TZ")}
        yield {**kept, **platform.environ(str(folder)), "KUBECONFIG": str(folder / "kubeconfig"), "PYTHONPATH": str(ROOT)}


def run(environ: Mapping[str, str], *words: str) -> tuple[int, frozenset[str], str]:
    """Exit code, every module that was loaded, and what was printed."""
    done = subprocess.run(
        [sys.executable, "-c", RUN, *words], env=dict(environ), capture_output=True, text=True, timeout=120, check=True
    )
    code, modules = json.loads(done.stderr.splitlines()[-1])
    return code, frozenset(modules), done.stdout


def within(modules: frozenset[str], names: tuple[str, ...]) -> list[str]:
    """The modules that are one of these, or inside one."""
    return sorted(module for module in modules if module.startswith(tuple(f"{name}." for name in names)) or module in names)


@pytest.mark.slow
@pytest.mark.parametrize("words", FORBIDDEN, ids=" ".join)
def test_a_verb_imports_what_its_sources_need(environ: dict[str, str], words: tuple[str, ...]) -> None:
    """With every server answering: no user interface, no official client where a token is enough, no source that the verb does
    not print; and what it does need is there.
    """
    assert words[0] in {verb.name for verb in VERBS}
    run(environ, "alerts")  # there is a journal from now on
    _, modules, out = run(environ, *words)
    assert within(modules, FORBIDDEN[words]) == []
    assert set(NEEDED.get(words, ())) <= modules
    assert out.strip()


@pytest.mark.slow
@pytest.mark.parametrize("words", [("status",), ("alerts",), ("checklist", "hourly")], ids=" ".join)
def test_a_verb_imports_no_more_than_it_uses(environ: dict[str, str], words: tuple[str, ...]) -> None:
    """Once what it read is kept."""
    run(environ, *words)
    _, modules, _ = run(environ, *words)
    assert within(modules, HARDLY) == []


@pytest.mark.slow
@pytest.mark.parametrize("words", [("status",), ("checklist", "hourly")], ids=" ".join)
def test_parsers_are_imported_only_for_what_is_new(environ: dict[str, str], words: tuple[str, ...]) -> None:
    """While the rules of a server, the panels, the runbooks and the kubeconfig stay the same, what an earlier command found of
    them is known; where nothing is kept, the parsers of PromQL and YAML are imported and the command prints the same.
    """
    run(environ, *words)
    _, kept, _ = run(environ, *words)
    assert within(kept, ("promql_parser", *YAML, *BLOCKING)) == []
    _, parsed, out = run({**environ, "XDG_CACHE_HOME": "/dev/null"}, *words)
    assert {"promql_parser", "yaml"} <= parsed
    assert out.strip()


@pytest.mark.slow
def test_alerts_prints_the_same_without_the_sources_that_it_leaves_out(environ: dict[str, str]) -> None:
    """The list is that of `status`, which polls everything: the same alert with the same priority, age and runbook."""
    _, _, alerts = run(environ, "alerts", "--format", "markdown")
    _, _, status = run(environ, "status", "--format", "markdown")
    rows = [line for line in alerts.splitlines() if "HighErrorRate" in line]
    assert len(rows) == 1
    assert rows[0] in status
    _, _, listed = run(environ, "alerts", "--format", "json")
    _, _, whole = run(environ, "status", "--format", "json")
    assert json.loads(listed) == json.loads(whole)["alerts"]
    assert json.loads(listed)[0]["actions"], "which come from the cluster"


FIRST_FRAME = """
import os, sys
if sys.argv[2] == "console":
    # As where the console opens.
    from widgets.later import import_textual
    import_textual()
from textual.app import App
import console.cli.main
compiled = []
def watch(event, values):
    if event == "compile" and values[1] == "<string>" and "def __init__" in str(values[0]):
        compiled.append(str(values[0]))
def sent(app):
    found = [sorted(name for name, module in sys.modules.items() if module), compiled[:]]
    import json
    open(sys.argv[1], "w").write(json.dumps([*found, app.export_screenshot().replace("&#160;", " ")]))
    os._exit(0)
App.post_display_hook = sent
sys.addaudithook(watch)
if sys.argv[2] == "bare":
    App().run()
console.cli.main.main([])
"""
NOT_BEFORE_THE_FIRST_FRAME = (
    "console.state", "console.journal", "console.monitor", "console.checks", "console.actions", "console.incidents",
    "queries.prometheus", "queries.kubernetes.client", "queries.model.alert", "queries.model.workload",
)  # fmt: skip
OWN = ("console", "queries", "runbooks", "widgets")
OWN_MODULES = 87
"""As many of our own may be there with the first frame: each costs a tenth of a millisecond for nothing but finding it."""


def first_frame(folder: Path, which: str, size: tuple[int, int]) -> tuple[frozenset[str], list[str], str]:
    """Every module that is loaded when the first frame is sent, what was compiled for data classes, and the frame as SVG."""
    out = folder / f"{which}.json"
    unanswered = {"PROMETHEUS_URL": "http://127.0.0.1:9", "ALERTMANAGER_URL": "http://127.0.0.1:9"}
    places = {"XDG_CONFIG_HOME": str(folder), "XDG_STATE_HOME": str(folder), "KUBECONFIG": str(folder / "none")}
    environ = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "PYTHONPATH": str(ROOT), **unanswered, **places}
    with Terminal([sys.executable, "-c", FIRST_FRAME, str(out), which], env=environ, columns=size[0], rows=size[1]) as terminal:
        assert terminal.wait_exit(seconds=60.0) == 0, terminal.text
    modules, compiled, frame = json.loads(out.read_text())
    return frozenset(modules), compiled, frame


@pytest.mark.servers
@pytest.mark.parametrize("size", [(80, 24), (120, 40), (160, 45)], ids=["80x24", "120x40", "160x45"])
def test_the_first_frame_imports_textual_and_what_it_shows(tmp_path: Path, size: tuple[int, int]) -> None:
    """The first frame is the whole overview. Beyond a bare Textual application it needs our own modules, of which no client,
    store or reducer, and hardly one of anybody else; some of a bare application's it does not need. No method of a data class
    is compiled.
    """
    bare, _, _ = first_frame(tmp_path, "bare", size)
    modules, compiled, frame = first_frame(tmp_path, "console", size)
    shown = [title for _, title in read_panel_titles("overview")] + ["no answer yet", "ACTING", "Firing", " open"]
    assert [text for text in shown if text not in frame] == []
    own = within(modules, OWN)
    assert 50 < len(own) <= OWN_MODULES
    others = modules - bare - {*own} - {"gc"}
    assert {*USED_LATER} <= bare - modules
    assert [name for name in others if not name.startswith("rich._unicode_data.")] == [], "Rich's table of wide characters"
    assert within(modules, NOT_BEFORE_THE_FIRST_FRAME) == []
    assert compiled == []
