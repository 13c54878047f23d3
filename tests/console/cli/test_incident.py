"""`cad-console incident`: every verb headless, on a journal of its own."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path
from typing import Any

import pytest
from postgresql_fixture import Server
from told_platform import told_platform

from console.cli.main import main
from console.config.load import load_settings
from console.journal.payloads import ChangeSeen, Source, create_event
from console.journal.sqlite import Journal

ALERT = {
    "fingerprint": "abc",
    "labels": {"alertname": "HighErrorRate", "severity": "critical"},
    "annotations": {"summary": "errors"},
    "startsAt": "2026-01-01T09:00:00Z",
    "endsAt": "2036-01-01T10:00:00Z",
    "updatedAt": "2026-01-01T09:00:00Z",
    "generatorURL": "",
    "receivers": [{"name": "pager"}],
    "status": {"state": "active", "silencedBy": [], "inhibitedBy": [], "mutedBy": []},
}


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No source is configured, nobody else's files are read."""
    for name in ("PROMETHEUS_URL", "ALERTMANAGER_URL", "CAD_ML_API_URL", "KUBECONFIG", "XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USER", "ann")


def incident(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(["incident", *words])
    result = capsys.readouterr()
    return code, result.out, result.err


def test_an_incident_from_its_declaration_to_its_report(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Each verb does its part and says so; the report leaves unknown what no source could tell."""
    code, out, err = incident(
        capsys, "declare", "Errors everywhere", "--severity", "p1", "--commander", "ann", "--stability", "1m"
    )
    assert code == 0
    assert "declared incident 1 (i" in out
    assert "the current alerts are unknown" in err
    assert "Platform: PagerDuty Platform Team" in out
    assert incident(capsys, "tick", "acknowledge")[1] == "acknowledge: done\n"
    assert "completed acknowledge at" in incident(capsys, "tick", "acknowledge")[1]
    assert incident(capsys, "untick", "acknowledge", "--note", "wrong one")[0] == 0
    noted = incident(capsys, "note", "8 % fail?")[1].split()[-1]
    assert incident(capsys, "note", "1", "80 % fail", "--corrects", noted)[0] == 0
    assert incident(capsys, "role", "scribe", "bob")[1] == "scribe: bob\n"
    assert incident(capsys, "severity", "P2", "--why", "OCR only")[1] == "severity P1 → P2\n"
    code, out, err = incident(capsys, "severity", "P2")
    assert (code, out) == (1, "") and "incident 1 is already P2: nothing was changed" in err
    update = tmp_path / "update.txt"
    code, out, err = incident(capsys, "update", "--output", str(update))
    assert code == 0
    assert update.read_text() == out
    assert f"written to {update}, not sent: after posting it, mark it with `incident sent 1`" in err
    assert "It is not known how many requests are affected." in out
    steps = json.loads(incident(capsys, "show", "--format", "json")[1])["steps"]
    assert {item["step"]: item["done_at"] for item in steps}["communicate"] is None
    assert incident(capsys, "sent", "--update", "other")[0] == 1
    code, out, err = incident(capsys, "sent", "--where", "the status page", "--ago", "5m")
    assert code == 0 and "marked as sent to the status page" in out
    steps = json.loads(incident(capsys, "show", "--format", "json")[1])["steps"]
    assert {item["step"]: item["done_at"] for item in steps}["communicate"] is not None
    code, out, err = incident(capsys, "show")
    assert "written " in out and "marked as sent the status page" in out
    code, out, err = incident(capsys, "update", "--text", "we roll back")
    assert "not sent" in err
    assert incident(capsys, "tick", "resolve")[0] == 0
    result = json.loads(incident(capsys, "show", "--format", "json")[1])
    assert result["roles"]["scribe"] == "bob"
    assert [item["sendings"] != [] for item in result["updates"]] == [True, False]
    assert {item["step"]: item["state"] for item in result["steps"]}["acknowledge"] == "due"
    texts = [item["text"] for item in result["timeline"]]
    assert "resolve: done: without a mitigation" in texts
    assert next(item for item in result["timeline"] if item["text"] == "80 % fail")["corrects"] == noted
    assert incident(capsys, "note", "follow-up: a canary first")[0] == 0
    code, out, err = incident(capsys, "close", "--why", "fixed")
    assert code == 0
    assert "not done: acknowledge, assess, mitigate" in err
    code, out, _ = incident(capsys, "report", "1")
    assert code == 0
    assert "| requests failed | unknown | Prometheus is not configured |" in out
    assert "- 8 % fail? (ann@" in out
    assert "| a canary first (ann@" in out
    code, out, err = incident(capsys, "follow-up", "1", "widen the canary", "--owner", "bob", "--due", "2027-01-08")
    assert code == 0
    item = out.split()[-1]
    assert incident(capsys, "follow-up", "1", "x", "--due", "soon")[0] == 1
    assert f"follow-up {item}  open, bob until 2027-01-08: widen the canary" in incident(capsys, "show", "1")[1]
    assert "| widen the canary | bob | 2027-01-08 | open | ann@" in incident(capsys, "report", "1")[1]
    assert incident(capsys, "follow-up", "1", item, "--done")[1] == "done: widen the canary\n"
    assert incident(capsys, "follow-up", "1", item, "--done")[0] == 1
    page = tmp_path / "report.html"
    assert incident(capsys, "report", "1", "--format", "html", "--output", str(page))[1] == f"written to {page}\n"
    assert page.read_text().startswith("<!DOCTYPE html>") and "widen the canary" in page.read_text()
    assert json.loads(incident(capsys, "report", "--format", "json")[1])["impact"]["failed"] is None
    assert "MTTR" in incident(capsys, "list")[1]
    assert incident(capsys, "reopen", "1")[0] == 0
    assert incident(capsys, "list", "--format", "markdown")[1].startswith("| # |")


@pytest.mark.parametrize(
    ("words", "result"),
    [
        (("show",), "no incidents yet"),
        (("show", "7"), "no incident '7'; known: none"),
        (("declare",), "give a TITLE or --alert NAME"),
        (("declare", "--alert", "HighErrorRate"), "no current alert 'HighErrorRate'; current: none"),
        (("note", "x"), "no incidents yet"),
    ],
)
def test_what_cannot_be_done_is_said(capsys: pytest.CaptureFixture[str], words: tuple[str, ...], result: str) -> None:
    """Exit code 1, with what there is instead."""
    code, out, err = incident(capsys, *words)
    assert (code, out) == (1, "")
    assert result in err


def test_which_one_is_meant(capsys: pytest.CaptureFixture[str]) -> None:
    """With two open it has to be said; a channel that is not there and an untick of nothing are refused."""
    for title in ("one", "two"):
        incident(capsys, "declare", title, "--severity", "P3")
    code, _, err = incident(capsys, "note", "x")
    assert code == 1
    assert "which incident? open: 1, 2" in err
    assert "no channel 'chat'; configured: none" in incident(capsys, "update", "2", "--text", "x", "--send", "chat")[2]
    assert "assess is not done" in incident(capsys, "untick", "2", "assess")[2]
    assert incident(capsys, "close", "2")[0] == 0
    assert incident(capsys, "close", "2")[0] == 1
    with pytest.raises(SystemExit):
        main(["incident", "tick", "2", "celebrate"])


def test_a_change_of_a_closed_incident_names_it(capsys: pytest.CaptureFixture[str]) -> None:
    """With none open, what has no number does not change the newest closed one; with its number it does."""
    incident(capsys, "declare", "one", "--severity", "P3")
    assert incident(capsys, "close")[0] == 0
    changes = (("note", "x"), ("tick", "assess"), ("untick", "assess"), ("role", "scribe", "bob"), ("severity", "P1"),
               ("update", "--text", "over"), ("sent",))  # fmt: skip
    for verb, *words in changes:
        code, out, err = incident(capsys, verb, *words)
        assert code == 1 and out == "" and "no incident is open; give the number of the closed one, such as 1" in err
        assert incident(capsys, verb, "1", *words)[0] == 0


@pytest.mark.parametrize(
    ("alerts", "note"),
    [
        ([], ""),
        ([ALERT], "while alerts still fire: HighErrorRate"),
        ((503, "no"), "while the state of its alerts is unknown"),
    ],
)
def test_a_resolution_asks_whether_the_alerts_fire(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, alerts: Any, note: str
) -> None:
    """The journal has the alert as resolved; Alertmanager may list it again, or not answer."""
    with told_platform(pages={"/api/v2/alerts": [ALERT]}) as platform:
        for name, value in platform.environ(str(tmp_path)).items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("PROMETHEUS_URL")
        assert incident(capsys, "declare", "--alert", "HighErrorRate", "--stability", "1s")[0] == 0
        found = json.loads(incident(capsys, "show", "--format", "json")[1])
        assert incident(capsys, "tick", "mitigate")[0] == 0
        at = time.time() - 5.0
        seen = ChangeSeen("alert:abc", "resolved", 1, at, Source.ALERTMANAGER, "HighErrorRate resolved")
        with Journal.open(load_settings({}).paths.journal_file) as journal:
            journal.append(create_event(seen, at=at, subject=f"{found['id']}/1", author="ann", environment="test"))
        platform.pages["/api/v2/alerts"] = alerts
        time.sleep(1.1)
        assert incident(capsys, "tick", "resolve")[0] == 0
        texts = [item["text"] for item in json.loads(incident(capsys, "show", "--format", "json")[1])["timeline"]]
    assert f"resolve: done{note and f': {note}'}" in texts


def test_a_command_knows_what_another_host_wrote(
    postgresql: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first command on a second host lists the incident that the first one declared, and adds to it; without the store it
    says that it could not read it.
    """
    monkeypatch.setenv("CAD_CONSOLE_STORE", postgresql.url(postgresql.database()))

    def run(host: str, *words: str) -> tuple[int, str, str]:
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / host))
        code = main(["incident", *words])
        return (code, *capsys.readouterr())

    assert run("one", "declare", "OCR was slow", "--severity", "P2")[0] == 0
    assert "OCR was slow" in run("two", "list")[1]
    assert run("two", "note", "seen from here")[0] == 0
    assert "seen from here" in run("one", "show")[1]
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "three"))
    main(["checklist", "morning", "--at", "1ms", "--format", "json"])
    (pending,) = (item for item in json.loads(capsys.readouterr().out)["items"] if item["id"] == "pending-incidents")
    assert pending["verdict"] == "warn" and "OCR was slow" in pending["reason"], "a command on the past reads it too"
    monkeypatch.setenv("CAD_CONSOLE_STORE", "postgresql://nobody@127.0.0.1:9/none")
    code, out, err = run("two", "list")
    assert code == 0 and "OCR was slow" in out
    assert "the shared journal cannot be read now" in err
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "four"))
    main(["checklist", "morning", "--at", "1ms", "--format", "json"])
    (pending,) = (item for item in json.loads(capsys.readouterr().out)["items"] if item["id"] == "pending-incidents")
    assert pending["verdict"] == "no_data" and "the shared journal cannot be read now" in pending["reason"]


def test_every_alert_of_a_name_is_linked(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two pods, one alert each: by name both belong to the incident, which is not over while one of them fires; by fingerprint
    and name together each is linked once, by fingerprint one alone.
    """
    listed = [
        {**ALERT, "fingerprint": fingerprint, "labels": {**ALERT["labels"], "pod": pod}}  # type: ignore[dict-item]
        for fingerprint, pod in (("aaa", "api-1"), ("bbb", "api-2"))
    ]
    with told_platform(pages={"/api/v2/alerts": listed}) as platform:
        for name, value in platform.environ(str(tmp_path)).items():
            monkeypatch.setenv(name, value)
        for number, words, linked in (
            ("1", ("--alert", "HighErrorRate"), {"aaa", "bbb"}),
            ("2", ("--alert", "bbb", "--alert", "HighErrorRate"), {"aaa", "bbb"}),
            ("3", ("--alert", "bbb"), {"bbb"}),
        ):
            assert incident(capsys, "declare", *words)[0] == 0
            found = json.loads(incident(capsys, "show", number, "--format", "json")[1])["alerts"]
            assert len(found) == len(linked) and {item["fingerprint"] for item in found} == linked


def test_an_empty_update_is_refused(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe without a text, because the program before it failed, is no update."""
    assert incident(capsys, "declare", "Errors")[0] == 0
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    code, out, err = incident(capsys, "update", "--text", "-")
    assert (code, out) == (1, "") and "an update needs a text" in err
