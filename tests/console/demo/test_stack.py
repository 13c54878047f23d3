"""The embedded stack on real servers: each scenario reaches its alert and comes back."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import httpx
import pytest
from steerable_cluster import SteerableCluster

from console.config.load import load_settings
from console.config.settings import HEARTBEAT_ALERT
from console.demo.scenarios import scenario
from console.demo.server_binaries import Servers
from console.demo.stack import Addresses, DemoStack
from queries.errors import SourceError
from queries.text.durations import parse_duration

pytestmark = pytest.mark.servers
ROOT = Path(__file__).parents[3]
INCIDENTS = ("bad-deploy", "provider-timeout", "memory-pressure", "queue-backlog")
SHOWN = ("silent-failure", "foreign-rules", "two-rule-sets", "not-ready")
"""Scenarios that say what a console has to show meanwhile."""


def demo(*words: str, timeout: float = 150.0) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "console", "demo", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def query(stack: DemoStack, text: str, *, at: float | None = None) -> dict[str, float]:
    requested = {"query": text} if at is None else {"query": text, "time": str(at)}
    answer = httpx.get(f"{stack.addresses.prometheus}/api/v1/query", params=requested, timeout=10.0).json()
    assert answer["status"] == "success", answer
    return {str(sorted(item["metric"].items())): float(item["value"][1]) for item in answer["data"]["result"]}


@pytest.fixture(scope="module")
def played(servers: Servers) -> Iterator[dict[str, subprocess.Popen[str]]]:
    """All four stories at the same time: each mostly waits for its alert to fire and to end."""
    yield from _played({name: (name, "--check") for name in INCIDENTS})


@pytest.fixture(scope="module")
def shown(servers: Servers) -> Iterator[dict[str, subprocess.Popen[str]]]:
    """Likewise those in which it matters what is shown."""
    yield from _played({**{name: (name, "--check") for name in SHOWN}, "no terminal": ("quiet",)})


def _played(expected: Mapping[str, Sequence[str]]) -> Iterator[dict[str, subprocess.Popen[str]]]:
    running = {
        name: subprocess.Popen(
            [sys.executable, "-m", "console", "demo", "--scenario", *words],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name, words in expected.items()
    }
    yield running
    for process in running.values():
        with process:
            process.terminate()


@pytest.mark.parametrize("name", INCIDENTS)
def test_the_scenario_plays_to_its_end(played: dict[str, subprocess.Popen[str]], name: str) -> None:
    """Alert, runbook, preview, action, verification, recovery and journal entry happen, in this order, with exit code 0."""
    out, err = played[name].communicate(timeout=150.0)
    assert played[name].returncode == 0, out + err
    order = ["alert", "runbook", "suggested", "preflight", "journal intent", "execute", "verify", "journal outcome", "passed"]
    found = [line[9:24].strip() for line in out.splitlines()]
    places = [found.index(step) for step in order]
    assert places == sorted(places), out
    fired = re.search(r"(\w+)  alert ", out)
    assert fired and parse_duration(fired[1]) < 40.0, "the alert took too long"


@pytest.mark.parametrize("name", SHOWN)
def test_the_console_shows_what_the_platform_knows(shown: dict[str, subprocess.Popen[str]], name: str) -> None:
    """A failure that no status tells, rules of other meanings, two groups for one name, a platform that is not ready: the
    console says each of them, and no figure is another than the platform's own."""
    out, err = shown[name].communicate(timeout=240.0)
    assert shown[name].returncode == 0, out + err


def test_without_a_terminal_the_scenario_is_played(shown: dict[str, subprocess.Popen[str]]) -> None:
    """In CI or over a pipe the first command that the README names does what --check does, and says so."""
    out, err = shown["no terminal"].communicate(timeout=150.0)
    assert shown["no terminal"].returncode == 0, out + err
    assert "not a terminal" in err.splitlines()[0]
    assert [line[9:24].strip() for line in out.splitlines()][-1] == "passed"


def test_calm_stays_calm_and_the_past_goes_on_smoothly(servers: Servers) -> None:
    """Half a minute without any alert but the heartbeat; request rates before and after the start are the same curve."""
    with DemoStack(scenario("calm"), servers) as stack:
        began = time.time()
        assert set(query(stack, 'up{job="cad-ml-platform"}').values()) == {1.0}, "also before the first scrape"
        stack.settle()
        while time.time() < began + 30.0:
            groups = httpx.get(f"{stack.addresses.prometheus}/api/v1/rules", timeout=10.0).json()["data"]["groups"]
            for rule in (rule for group in groups for rule in group["rules"]):
                assert rule["health"] in ("ok", "unknown"), rule
                if rule["name"] != HEARTBEAT_ALERT:
                    assert not rule.get("alerts"), f"{rule['name']} is {rule.get('state')}"
            assert not stack.active_alerts()
            time.sleep(2.0)
        then = query(stack, "platform_requests_per_second", at=began - 120.0)
        now = query(stack, "platform_requests_per_second")
        ((before,), (after,)) = then.values(), now.values()
        assert abs(after / before - 1.0) < 0.2
        assert query(stack, "platform_error_ratio", at=began - 86400.0), "a day ago is known"
        week = query(stack, "count_over_time(platform_error_ratio[7d])")
        assert min(week.values()) > 1900
        steps = query(stack, 'resets(ocr_requests_total{provider="paddle",status="success"}[30m])')
        assert set(steps.values()) == {0.0}, "the counters go on, they do not begin again"


def test_a_drill_is_detected_acknowledged_fixed_and_reported() -> None:
    """A bad image under a drill: each of the three times is a number with what showed it, and what was broken is as before."""
    done = demo("--scenario", "bad-deploy", "--drill", "bad-image", "--check", timeout=240.0)
    assert done.returncode == 0, done.stdout + done.stderr
    for what in ("detect  2m", "acknowledge  5m", "recover  20m"):
        assert re.search(rf"time to {what}  \S+  met  \S", done.stdout), done.stdout
    assert "fires (Alertmanager)" in done.stdout and "is as it was before" in done.stdout


def test_quiet_gives_no_ratio(servers: Servers) -> None:
    """Without traffic every ratio is empty in the live evaluation: neither 0 nor NaN, and nobody is woken."""
    with DemoStack(scenario("quiet"), servers) as stack:
        stack.settle()
        names = "platform_error_ratio|provider_.*|.*_p95_latency_seconds|slo_.*|error_budget_remaining|.*_hit_rat.*"
        assert query(stack, f'{{__name__=~"{names}"}}') == {}
        assert not stack.active_alerts()


def test_a_command_runs_on_the_settled_stack() -> None:
    """--run gives the command the four addresses and the demo's own journal, and its exit code is the demo's."""
    code = (
        "import os, sys, urllib.request as u, json;"
        "e = os.environ;"
        "a = json.load(u.urlopen(e['ALERTMANAGER_URL'] + '/api/v2/alerts'));"
        "u.urlopen(e['PROMETHEUS_URL'] + '/-/ready'); u.urlopen(e['CAD_ML_API_URL'] + '/health');"
        "k = json.load(open(e['KUBECONFIG']));"
        "u.urlopen(k['clusters'][0]['cluster']['server'] + '/version');"
        "print([x['labels']['alertname'] for x in a], e['XDG_STATE_HOME']); sys.exit(7)"
    )
    answer = demo("--scenario", "queue-backlog", "--run", sys.executable, "-c", code)
    assert answer.returncode == 7, answer.stderr
    assert "['QueueBacklog']" in answer.stdout, answer.stdout
    assert not Path(answer.stdout.split()[-1]).parent.exists(), "the folder is gone"


def test_a_context_of_a_kubeconfig_is_the_cluster_instead(
    servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With --kubernetes the bad image is rolled out there, the simulator follows it, and consoles get that context."""
    cluster = SteerableCluster("cad-ml-platform")
    cluster.seed()
    with cluster:
        cluster.kubeconfig(tmp_path / "mine")
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "mine"))
        stack = DemoStack(scenario("bad-deploy"), servers, kubernetes_context="demo")
        addresses = stack.prepare()
        try:
            assert stack.cluster is None
            settings = load_settings({"context": "demo"}, {**os.environ, **addresses.environment()})
            assert settings.kubernetes and settings.kubernetes.context == "demo"
            stack.begin()
            assert cluster.deployment("cad-ml-api").image.endswith(":1.9.0")
            ends = time.monotonic() + 10.0
            while time.monotonic() < ends and stack.simulator.outcome.error_share < 0.05:
                stack.simulator.live(time.time())
                time.sleep(0.2)
            assert stack.simulator.outcome.error_share > 0.05
        finally:
            stack.stop()
    with pytest.raises(SourceError, match="no-such"):
        DemoStack(scenario("calm"), servers, kubernetes_context="no-such").prepare()


@pytest.mark.parametrize(
    "words, code, output",
    [(("--run",), 2, "needs a command"), (("--run", "no-such"), 127, "no such program")],
)
def test_what_cannot_be_run_is_told(words: tuple[str, ...], code: int, output: str) -> None:
    """Without a command after --run one line says what to do, and nothing starts."""
    answer = demo(*words)
    assert answer.returncode == code and output in answer.stderr and answer.stderr.count("\n") == 1


SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP)
SAY_WHERE = "import os, time; print(os.getpid(), os.environ['PROMETHEUS_URL'], os.environ['XDG_STATE_HOME'], flush=True)"


@pytest.fixture(scope="module")
def running(servers: Servers) -> Iterator[dict[signal.Signals, subprocess.Popen[str]]]:
    """One demo for each signal, with a command that would run for a minute; they start at the same time."""
    command = ["--run", sys.executable, "-c", f"{SAY_WHERE}; time.sleep(60)"]
    started = {
        number: subprocess.Popen(
            [sys.executable, "-m", "console", "demo", "--scenario", "queue-backlog", *command],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        for number in SIGNALS
    }
    yield started
    for process in started.values():
        with process:
            process.terminate()


@pytest.mark.parametrize("number", SIGNALS)
def test_nothing_is_left_of_a_demo_that_is_ended(
    running: dict[signal.Signals, subprocess.Popen[str]], number: signal.Signals
) -> None:
    """However the demo ends while its command runs: servers and folder are gone, and after TERM or HUP the command too."""
    parent = running[number]
    assert parent.stdout
    pid, url, state = parent.stdout.readline().split()
    parent.send_signal(number)
    parent.wait(15)
    ends = time.monotonic() + 2.0
    while time.monotonic() < ends and Path(state).parent.exists():
        time.sleep(0.05)
    assert not Path(state).parent.exists()
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{url}/-/ready", timeout=2.0)
    if number is signal.SIGKILL:
        os.kill(int(pid), signal.SIGKILL)
    else:
        assert parent.returncode == 128 + number
        assert not Path(f"/proc/{pid}").exists()


def test_a_stack_that_is_stopped_while_it_starts_leaves_nothing(servers: Servers) -> None:
    """stop() in the middle of start(), as when a person leaves at once, ends what comes up afterwards too."""
    stack = DemoStack(scenario("calm"), servers)
    folder = Path(stack.prepare().folder)
    failures: list[BaseException] = []

    def start() -> None:
        try:
            stack.start()
        except Exception as error:
            failures.append(error)

    starting = threading.Thread(target=start)
    starting.start()
    time.sleep(0.4)
    stack.stop()
    starting.join(30)
    assert not starting.is_alive()
    for name in ("prometheus", "alertmanager"):
        with pytest.raises(httpx.TransportError):
            httpx.get(getattr(stack.addresses, name), timeout=2.0)
    assert not folder.exists()


def test_a_demo_never_reaches_the_journal_that_a_team_shares() -> None:
    """Whoever has a shared store in the environment and plays a demo plays it with a journal of its own."""
    addresses = Addresses("http://p", "http://a", "http://b", "/nowhere", "", "/nowhere")
    environ = {"HOME": "/nowhere", "CAD_CONSOLE_STORE": "postgresql://prod/journal", **addresses.environment()}
    del environ["KUBECONFIG"], environ["CAD_CONSOLE_CONFIG"]
    assert load_settings({}, environ).store is None
