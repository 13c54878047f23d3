"""`status` and `alerts` against a platform on loopback: the published shape, exit codes, text that stays text."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from screen_samples import cluster, snapshot
from told_platform import Series, ToldPlatform, told_platform

from console.cli.alert_row import alert_row
from console.cli.main import main
from console.cli.status import alerts_title, as_markdown, as_text, exit_code
from queries.model.cluster import KindFault
from queries.model.source import Health, SourceState
from queries.model.verdict import Verdict
from queries.model.workload import BatchJob

ALERT = {
    "fingerprint": "abc",
    "labels": {"alertname": "HighErrorRate", "severity": "critical", "component": "platform\x1b[2J\u202e"},
    "annotations": {"runbook_url": "https://x/high-error-rate.md"},
    "startsAt": "2026-01-01T09:00:00Z",
    "endsAt": "2026-01-01T10:00:00Z",
    "updatedAt": "2026-01-01T09:00:00Z",
    "generatorURL": "",
    "receivers": [{"name": "pager"}],
    "status": {"state": "active", "silencedBy": [], "inhibitedBy": []},
}
HEALTH = {"status": "healthy", "services": {"api": "up", "redis": "disabled"}}


def recorded(**values: str) -> Callable[[str], list[Series]]:
    """Answers the joined query of the panels with these values, and every other one with nothing."""

    def vector(query: str) -> list[Series]:
        return [({"__q__": f"{panel}/recorded"}, value) for panel, value in values.items() if f"{panel}/recorded" in query]

    return vector


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], complaints: list[str]
) -> Iterator[Any]:
    def call(platform: ToldPlatform, *words: str, without: tuple[str, ...] = ()) -> tuple[int, str]:
        with monkeypatch.context() as environ:
            for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "CAD_CONSOLE_CONFIG", "XDG_STATE_HOME", "XDG_CONFIG_HOME"):
                environ.delenv(name, raising=False)
            for name, value in platform.environ(str(tmp_path)).items():
                environ.setenv(name, value)
            for name in without:
                environ.delenv(name)
            code = main(list(words))
        captured = capsys.readouterr()
        complaints.append(captured.err)
        return code, captured.out

    return call


@pytest.fixture
def complaints() -> list[str]:
    """What each `run` wrote to stderr."""
    return []


def test_a_past_moment_is_said_in_text_and_json(run: Any) -> None:
    """`--at` names the moment in both, asks with it, and refuses a text that is none, or one in the future."""
    asked: list[float] = []

    def then(query: str, at: float) -> list[Series]:
        asked.append(at)
        return [({"__q__": key}, "1") for key in ("error_ratio/recorded", "then/scraped", "then/evaluated")]

    with told_platform(then=then, pages={"/api/v2/alerts": [ALERT]}) as platform:
        code, out = run(platform, "status", "--at", "2026-06-01T03:12:00Z", "--format", "json")
        output = json.loads(out)
        assert output["as_of"] == "2026-06-01T03:12:00Z" and output["taken_at"] > output["as_of"]
        assert set(asked) == {datetime(2026, 6, 1, 3, 12, tzinfo=UTC).timestamp()}
        assert output["alerts"] == [] and output["sources"]["platform"]["state"] == "not known then"
        code, out = run(platform, "status", "--at", "-2h")
        assert "AS OF 20" in out.splitlines()[0] and "READ-ONLY" in out.splitlines()[0] and "HighErrorRate" not in out
        for text in ("2999-01-01", "soon"):
            assert run(platform, "status", "--at", text)[0] == 2
    with told_platform() as platform:
        code, out = run(platform, "status", "--at", "03:12")
    assert code == 2 and "Alerts: unknown" in out, "an empty server knows nothing of that moment"


def past_alerts(query: str, at: float) -> list[Series]:
    """One alert fires from 03:00 on; the rules were evaluated all the time."""
    alert = {"__q__": "then/alerts", "alertname": "HighErrorRate", "severity": "critical"}
    since = datetime(2026, 6, 1, 3, tzinfo=UTC).timestamp()
    firing: list[Series] = [
        ({**alert, "__name__": "ALERTS", "alertstate": "firing"}, "1"),
        ({**alert, "__name__": "ALERTS_FOR_STATE"}, str(since)),
    ]
    return [({"__q__": "then/evaluated"}, "12"), ({"__q__": "error_ratio/recorded"}, "7.5"), *(firing if at > since else [])]


def test_the_alerts_of_a_past_moment(run: Any) -> None:
    """`alerts --at` lists those of then and none of now; what was then cannot be acknowledged."""
    rule = {"type": "recording", "name": "platform_error_ratio", "query": "up", "health": "ok"}
    groups = {"groups": [{"name": "g", "file": "f", "interval": 30, "rules": [rule]}]}
    rules = {"status": "success", "data": groups}
    now = [{**ALERT, "labels": {"alertname": "Now"}}]
    with told_platform(then=past_alerts, pages={"/api/v2/alerts": now, "/api/v1/rules": rules}) as platform:
        code, out = run(platform, "alerts", "--at", "2026-06-01T03:12:00Z")
        assert code == 0 and "HighErrorRate" in out and "12m" in out and "Now" not in out
        code, out = run(platform, "alerts", "--at", "2026-06-01T02:12:00Z")
        assert code == 0 and out.startswith("no alerts")
        code, out = run(platform, "alerts", "--at", "2026-06-01T03:12:00Z", "--format", "json")
        assert [item["name"] for item in json.loads(out)] == ["HighErrorRate"]
        assert run(platform, "alerts", "--at", "2999-01-01")[0] == 2
        assert run(platform, "alerts", "ack", "HighErrorRate", "--at", "03:12")[0] == 2
    with told_platform(pages={"/api/v2/alerts": [ALERT]}) as platform:
        code, out = run(platform, "alerts", "--at", "2026-06-01T03:12:00Z")
        assert code == 2 and "HighErrorRate" not in out, "nothing is known of that moment"


def test_a_checklist_as_of_a_past_moment(run: Any) -> None:
    """Every item is evaluated as of then, and the report says so; a question for the cluster of now is not known then."""
    with told_platform(then=past_alerts, pages={"/api/v2/alerts": [ALERT]}) as platform:
        code, out = run(platform, "checklist", "hourly", "--at", "2026-06-01T03:12:00Z")
        assert "AS OF 2026-06-01T03:12:00Z" in out.splitlines()[0] and "7.50 %" in out and code in (1, 2)
        assert run(platform, "checklist", "hourly", "--at", "soon")[0] == 2


def test_the_published_shape(run: Any) -> None:
    """JSON has exactly the keys that were published, with the values that the servers gave."""
    vector = recorded(error_ratio="0.42", request_rate="NaN", error_budget="+Inf")
    with told_platform(vector=vector, pages={"/api/v2/alerts": [ALERT], "/health": HEALTH}) as platform:
        code, out = run(platform, "status", "--format", "json")
    output = json.loads(out)
    assert code == 1  # a critical alert is active
    assert list(output) == [
        "schema", "environment", "taken_at", "as_of", "sources", "panels", "alerts_from", "alerts_caveat", "alerts",
        "workloads", "workloads_not_visible",
        "platform",
    ]  # fmt: skip
    assert (output["alerts_from"], output["alerts_caveat"]) == ("alertmanager", None)
    assert (output["schema"], output["environment"]) == (1, "test")
    assert list(output["sources"]) == ["prometheus", "alertmanager", "kubernetes", "platform"]
    assert list(output["sources"]["prometheus"]) == ["state", "latency_ms", "age_seconds", "error", "warnings"]
    assert [item["state"] for item in output["sources"].values()] == ["up", "up", "not configured", "up"]
    panels = {item["id"]: item for item in output["panels"]}
    assert list(panels) == [
        "error_ratio", "p95_latency", "circuit_breakers", "provider_health", "queue_depth", "cpu", "memory", "request_rate",
        "error_budget", "workloads",
    ]  # fmt: skip
    assert panels["error_ratio"] == {
        "id": "error_ratio",
        "title": "Error ratio",
        "value": 0.42,
        "unit": "percent",
        "verdict": "ok",
        "reason": "under 1 %",
        "warn": 1.0,
        "critical": 5.0,
        "from": "recording rule",
        "query": "platform_error_ratio",
        "series": [{"labels": {}, "value": 0.42}],
        "more_series": False,
        "basis": [],
        "annotations": [],
        "partial": "",
        "caveat": "no loaded rule records platform_error_ratio",
        "contradictions": [],
    }
    for panel in ("request_rate", "error_budget", "queue_depth", "workloads"):
        assert (panels[panel]["value"], panels[panel]["verdict"]) == (None, "no_data"), panel
    alert = output["alerts"][0]
    assert list(alert) == [
        "fingerprint", "name", "severity", "severity_known", "priority", "state", "listed_by", "muted_by", "starts_at",
        "labels", "annotations", "runbook", "actions", "elsewhere",
    ]  # fmt: skip
    assert (alert["name"], alert["priority"], alert["state"]) == ("HighErrorRate", "P1", "active")
    assert alert["starts_at"] == "2026-01-01T09:00:00Z"
    assert alert["runbook"]["id"] == "high-error-rate"
    assert alert["runbook"]["matched_by"] == "alertname"
    assert alert["actions"][0]["action"] == "rollback"
    assert alert["actions"][0]["target"] == "deployment/cad-ml-api"
    # No cluster is known, so which revision it would be is not either: the console's own command looks it up.
    assert alert["actions"][0]["command"] == "cad-console act rollback deployment/cad-ml-api"
    assert alert["elsewhere"] is None
    assert output["workloads"] == []


@pytest.mark.parametrize("form", ["text", "json", "markdown"])
@pytest.mark.parametrize("command", ["status", "alerts"])
def test_what_comes_from_outside_stays_text(run: Any, command: str, form: str) -> None:
    """No escape sequence, bidi control or line break of a label reaches the terminal."""
    form = "table" if (command, form) == ("alerts", "text") else form
    with told_platform(pages={"/api/v2/alerts": [ALERT], "/health": HEALTH}) as platform:
        _, out = run(platform, command, "--format", form)
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert "platform" in out


@pytest.mark.parametrize(
    ("values", "alerts", "code"),
    [
        ({"error_ratio": "0.42"}, [], 0),
        ({"error_ratio": "1.5"}, [], 0),
        ({"error_ratio": "7.8"}, [], 1),
        ({}, [ALERT], 1),
        ({"error_ratio": "0.4"}, [{**ALERT, "status": {"state": "suppressed", "silencedBy": ["x"], "inhibitedBy": []}}], 0),
        ({}, [], 2),
    ],
)
def test_exit_codes(run: Any, values: Mapping[str, str], alerts: list[Any], code: int) -> None:
    """0 where nothing is critical, 1 for a critical panel or an active P1 (not a silenced one), 2 where nothing is measured."""
    with told_platform(vector=recorded(**values), pages={"/api/v2/alerts": alerts, "/health": HEALTH}) as platform:
        assert run(platform, "status")[0] == code


def test_no_answer_from_anybody_is_2(run: Any) -> None:
    """With every server refusing, or none configured, nothing is known: 2, never 0."""
    refusing = dict.fromkeys(("/api/v1/query", "/api/v1/rules", "/api/v2/alerts", "/health"), (503, "no"))
    with told_platform(pages=refusing) as platform:
        code, out = run(platform, "status")
        assert code == 2
        assert "Alerts: unknown" in out
        assert run(platform, "alerts")[0] == 2
        assert run(platform, "status", without=("PROMETHEUS_URL", "ALERTMANAGER_URL", "CAD_ML_API_URL"))[0] == 2


def test_one_dead_source_blanks_nothing_else(run: Any) -> None:
    """With Alertmanager denied, panels and API are as good as ever, and the source says what is missing."""
    pages = {"/api/v2/alerts": (401, "who are you"), "/api/v2/silences": (401, "who are you"), "/health": HEALTH}
    with told_platform(vector=recorded(error_ratio="0.42"), pages=pages) as platform:
        code, out = run(platform, "status", "--format", "json")
    output = json.loads(out)
    assert code == 3  # nothing critical is known, and the alerts are not Alertmanager's
    assert output["sources"]["alertmanager"]["state"] == "denied"
    assert output["sources"]["alertmanager"]["error"]
    assert output["panels"][0]["verdict"] == "ok"


def test_alerts_that_nobody_lists_are_not_healthy(run: Any) -> None:
    """Without Alertmanager, and with a Prometheus that denies its rules, no alert is known: 3, though every panel is ok."""
    pages = {"/api/v1/rules": (403, "no"), "/health": HEALTH}
    with told_platform(vector=recorded(error_ratio="0.42"), pages=pages) as platform:
        code, out = run(platform, "status", without=("ALERTMANAGER_URL",))
        assert code == 3 and "Alerts: unknown" in out
    with told_platform(vector=recorded(error_ratio="0.42"), pages={"/health": HEALTH}) as platform:
        assert run(platform, "status", without=("ALERTMANAGER_URL",))[0] == 0  # Prometheus lists none


def test_alerts_are_filtered_by_matchers(run: Any) -> None:
    """--filter takes Alertmanager's syntax; a bad one is one line and 2."""
    other = {**ALERT, "fingerprint": "def", "labels": {"alertname": "QueueBacklog", "severity": "warning"}}
    with told_platform(pages={"/api/v2/alerts": [ALERT, other]}) as platform:
        _, out = run(platform, "alerts", "--filter", 'severity="warning"')
        assert "QueueBacklog" in out
        assert "HighErrorRate" not in out
        assert "no alert matches" in run(platform, "alerts", "--filter", 'severity="none"')[1]
        assert run(platform, "alerts", "--filter", "severity")[0] == 2


@pytest.mark.slow
def test_reading_commands_only_read(run: Any) -> None:
    """No headless look sends anything but GET and the POST of a long query."""
    with told_platform(pages={"/api/v2/alerts": [ALERT], "/health": HEALTH}) as platform:
        for words in (["status"], ["alerts"], ["check"], ["doctor"], ["runbook", "triage"]):
            run(platform, *words)
        assert platform.methods <= {"GET", "POST"}
        assert platform.queries


def rule_page(name: str) -> dict[str, Any]:
    """`/api/v1/rules` of a Prometheus in which an alert of this name has fired since the new year."""
    labels = {"alertname": name, "severity": "info"}
    firing = {"labels": labels, "annotations": {}, "state": "firing", "activeAt": "2026-01-01T09:00:00Z", "value": "1"}
    rule = {"type": "alerting", "name": name, "query": "vector(1)", "duration": 0, "labels": {}, "annotations": {}}
    rule |= {"alerts": [firing], "state": "firing", "health": "ok"}
    return {"status": "success", "data": {"groups": [{"name": "g", "file": "f", "rules": [rule], "interval": 30}]}}


@pytest.mark.parametrize(
    ("command", "calm"),
    [(("status",), "Alerts: none"), (("status", "--format", "markdown"), "Alerts: none"), (("alerts",), "no alerts")],
)
def test_no_alert_proves_nothing_while_the_heartbeat_does_not_arrive(run: Any, command: tuple[str, ...], calm: str) -> None:
    """`none` is followed by the sentence that says why it may be wrong; with the heartbeat there it stands alone."""
    beat = {**ALERT, "labels": {"alertname": "Watchdog", "severity": "info"}}
    for delivered, doubted in (([], True), ([beat], False)):
        pages = {"/api/v1/rules": rule_page("Watchdog"), "/api/v2/alerts": delivered, "/health": HEALTH}
        with told_platform(pages=pages) as platform:
            _, out = run(platform, *command)
        assert calm in out and ("Watchdog does not reach Alertmanager" in out) is doubted


def test_no_alert_proves_nothing_while_prometheus_is_down(run: Any) -> None:
    """Alertmanager drops what nobody sends any more: `no alerts` is followed by why one may fire, and the exit code is 3."""
    with told_platform(pages={"/api/v1/rules": (503, "Service Unavailable"), "/api/v2/alerts": []}) as platform:
        code, out = run(platform, "alerts")
    assert code == 3 and out.startswith("no alerts; an alert that is not listed may still be firing: rule evaluation")
    with told_platform(pages={"/api/v2/alerts": []}) as platform:
        assert run(platform, "alerts") == (0, "no alerts\n")


@pytest.mark.parametrize("listed", [[], [ALERT]])
@pytest.mark.parametrize("form", ["json", "table"])
def test_a_list_names_on_stderr_what_it_cannot_say(run: Any, complaints: list[str], form: str, listed: list[Any]) -> None:
    """JSON is a list of alerts, and so is a table: why one that is not among them may be firing stands on stderr."""
    with told_platform(pages={"/api/v1/rules": (503, "Service Unavailable"), "/api/v2/alerts": listed}) as platform:
        code, out = run(platform, "alerts", "--format", form)
    assert code == 3
    assert "an alert that is not listed may still be firing" in (complaints[-1] if listed or form == "json" else out)
    beat = {"/api/v1/rules": rule_page("Watchdog"), "/api/v2/alerts": listed, "/health": HEALTH}
    with told_platform(pages=beat) as platform:
        run(platform, "alerts", "--format", "json")
    assert "Watchdog does not reach Alertmanager" in complaints[-1]


def test_a_heartbeat_that_does_not_arrive_degrades_alertmanager_for_a_program_too(run: Any) -> None:
    """In JSON the source says degraded, and the heartbeat is in no list of alerts."""
    pages = {"/api/v1/rules": rule_page("Watchdog"), "/health": HEALTH}
    with told_platform(pages=pages) as platform:
        output = json.loads(run(platform, "status", "--format", "json")[1])
        assert json.loads(run(platform, "alerts", "--format", "json")[1]) == []
    assert (output["sources"]["alertmanager"]["state"], output["alerts"]) == ("degraded", [])


def test_an_alert_that_somebody_has_is_taken_only_when_that_is_said(
    run: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`alerts ack` is the screen's own function: it names who has it and since when, exits 1 and writes nothing; with
    --take-over it is taken; for a name that nobody has it suggests the nearest.
    """
    with told_platform(pages={"/api/v2/alerts": [ALERT], "/health": HEALTH}) as platform:
        ann, bob = ({**platform.environ(""), "USER": who} for who in ("ann", "bob"))
        monkeypatch.setattr(platform, "environ", lambda home: {**ann, "HOME": home})
        assert run(platform, "alerts", "ack", "HighErrorRate") == (0, "HighErrorRate is yours until it resolves\n")
        monkeypatch.setattr(platform, "environ", lambda home: {**bob, "HOME": home})
        assert run(platform, "alerts", "ack", "abc") == (1, "")
        assert run(platform, "alerts", "release", "abc")[0] == 1
        assert "ann@" in run(platform, "alerts")[1]
        assert run(platform, "alerts", "ack", "abc", "--take-over") == (0, "HighErrorRate is yours until it resolves\n")
        assert run(platform, "alerts", "release", "abc") == (0, "HighErrorRate is released\n")
        with monkeypatch.context() as environ:
            for name, value in {**bob, "HOME": str(tmp_path)}.items():
                environ.setenv(name, value)
            assert main(["alerts", "ack", "HihgErrorRate"]) == 2
            assert "no alert matches HihgErrorRate; did you mean 'HighErrorRate'?; known: High" in capsys.readouterr().err
            assert main(["alerts", "ack"]) == 2
            assert "which alert? give its name or fingerprint; known: HighErrorRate abc" in capsys.readouterr().err
            assert main(["act", "restart", "deployment/x", "--alert", "HihgErrorRate", "--dry-run"]) == 1
            assert "--alert: no alert matches HihgErrorRate; did you mean 'HighErrorRate'?" in capsys.readouterr().err


def test_a_workload_of_any_kind_is_printed_with_its_verdict() -> None:
    """A StatefulSet with 0 of 3 ready is the first line, with the reason; a kind that may not be listed is named."""
    api = cluster().workloads[0]
    store = replace(api, name="store", uid="s", kind="StatefulSet", desired=3, ready=0, revision=0)
    batch = BatchJob("Job", "load", completions=3, succeeded=1, active=1)
    load = replace(api, name="load", uid="j", kind="Job", selector=(), batch=batch)
    forbidden = KindFault("cronjobs", "no", forbidden=True)
    shown = snapshot(cluster=replace(cluster(), workloads=(api, load, store), faults=(forbidden,)))
    lines = as_text(shown).partition("Workloads\n")[2].splitlines()
    assert " ".join(lines[0].split()) == "CRIT statefulset/store 0/3 ready - store: none of 3 pods is ready"
    assert lines[2].split()[:4] == ["ok", "job/load", "1/3", "done"]
    assert lines[3] == "  not visible: list cronjobs is forbidden"
    assert "not visible: list cronjobs is forbidden" in as_markdown(shown)


def test_no_alerts_while_no_rule_is_evaluated_is_not_none() -> None:
    """With Prometheus down behind an Alertmanager that responds, the title says that an alert may fire unseen."""
    shown = snapshot(alerts=())
    sources = tuple(replace(item, health=Health.DOWN) if item.name == "prometheus" else item for item in shown.sources)
    assert alerts_title(shown) == "Alerts: none"
    blind = replace(shown, sources=sources)
    for text in (alerts_title(blind), as_text(blind), as_markdown(blind).replace("\\", "")):
        assert "Alerts: none; an alert that is not listed may still be firing" in text


@pytest.mark.parametrize(
    ("pages", "more"),
    [
        ({}, 0),
        ({"/api/v1/rules": (503, "Service Unavailable")}, 3),
        ({"/health": (503, "Service Unavailable"), "/ready": (503, "Service Unavailable")}, 3),
        ({"/api/v1/rules": rule_page("Watchdog")}, 3),
    ],
)
def test_what_is_not_known_is_not_healthy(run: Any, pages: dict[str, Any], more: int) -> None:
    """Every panel is ok and no alert is listed: without the rules, the platform's own API or the heartbeat that is 3, not 0."""
    with told_platform(vector=recorded(error_ratio="0.42"), pages={"/health": HEALTH, **pages}) as platform:
        code, out = run(platform, "status")
        assert (code, "ok" in out and "Alerts: none" in out) == (more, True), out
        if "/health" not in pages:
            assert run(platform, "alerts")[0] == more


def test_a_cluster_that_does_not_answer_or_a_query_that_failed_is_not_healthy() -> None:
    """The workloads, or one panel, are unknown then, whatever the others say."""
    calm = tuple(replace(item, verdict=Verdict.OK, value=1.0) for item in snapshot().panels)
    sources = tuple(SourceState(item.name, Health.UP) for item in snapshot().sources)
    shown = replace(snapshot(alerts=()), panels=calm, sources=sources, rules_requested=True, platform=None)
    assert exit_code(shown) == 0
    for health in (Health.DOWN, Health.DENIED, Health.STALE):
        silent = tuple(replace(item, health=health) if item.name == "kubernetes" else item for item in sources)
        assert exit_code(replace(shown, sources=silent)) == 3
    absent = tuple(replace(item, health=Health.NOT_CONFIGURED) if item.name == "kubernetes" else item for item in sources)
    assert exit_code(replace(shown, sources=absent)) == 0
    failed = replace(calm[0], verdict=Verdict.NO_DATA, value=None, failed=True)
    assert exit_code(replace(shown, panels=(failed, *calm[1:]))) == 3
    assert exit_code(replace(shown, panels=(replace(failed, failed=False), *calm[1:]))) == 0


def test_an_alert_of_unknown_beginning_has_no_age() -> None:
    """Of a past moment nothing may tell since when it fired: that is no age of decades."""
    alert = replace(snapshot().alerts[0], alert=replace(snapshot().alerts[0].alert, starts_at=0.0))
    assert alert_row(alert, snapshot().taken_at)[4] == "-"
