"""What servers say is text: markup, escape sequences, direction marks and endless words never reach the terminal as such."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from faulty_server import FaultyServer, faulty_server
from real_program import Bench
from terminal import Terminal
from told_platform import Series, ToldPlatform

HOSTILE = (
    "pw[bold red]X[/bold red][@click=app.quit]Q[/]|`<script>`"
    "\n\r\t\x00\x07\x08\x1b[2J\x1b[999;999H\x1b]0;PWNED\x07\x1b]52;c;cHduZWQ=\x07\x1b(0\x9b31m\x90q\x9c\x1b[?1049l"
    "\u202eLTR\u2066\u200b\u2028\U000e0041漢字\u0301é👩‍👩‍👧"
)
FORBIDDEN = (
    "\x1b]0;",
    "\x1b]52;c;cHduZWQ=",
    "PWNED\x07",
    "\u202e",
    "\u2066",
    "\u2028",
    "\x9b31m",
    "\x90q",
    "\x1b(0",
    "\x1b[999;999H",
)
VERY_LONG = "L" * (1 << 20)


def alert(number: int, **labels: str) -> dict[str, Any]:
    begun = datetime.now(UTC) - timedelta(minutes=5 + number % 50)
    stamp = begun.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return {
        "fingerprint": f"{number:016x}",
        "labels": {"alertname": "HighErrorRate", "severity": "critical", "component": "ocr", **labels},
        "annotations": {"summary": "more errors than usual", "runbook_url": "https://x/high-error-rate.md"},
        "startsAt": stamp,
        "updatedAt": stamp,
        "endsAt": (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "generatorURL": "http://prometheus/graph",
        "receivers": [{"name": "pager"}],
        "status": {"state": "active", "silencedBy": [], "inhibitedBy": []},
    }


def hostile_platform() -> ToldPlatform:
    """Every word that a server may choose is hostile; one alert has a label of a megabyte."""

    def vector(query: str) -> list[Series]:
        if "__q__" not in query:
            return [({"provider": HOSTILE, HOSTILE: HOSTILE}, "0.5")]
        told: list[Series] = [({"__q__": "error_ratio/recorded"}, "NaN"), ({"__q__": "request_rate/recorded"}, "+Inf")]
        told += [({"__q__": "p95_latency/recorded", "provider": HOSTILE}, "1.25")]
        told += [({"__q__": "cpu/recorded", "deployment": f"d{number}{HOSTILE}"}, str(number % 70)) for number in range(10_000)]
        told += [({"__q__": "queue_depth/raw", "backend": VERY_LONG}, "7")]
        return told

    bad = alert(1, alertname=HOSTILE, component=HOSTILE, instance=HOSTILE, **{"weird\x1b[1m": HOSTILE})
    bad["annotations"] = {"summary": HOSTILE, "description": HOSTILE * 20, "runbook_url": "https://x/" + HOSTILE}
    bad["generatorURL"] = "javascript:" + HOSTILE
    bad["receivers"] = [{"name": HOSTILE}]
    long = alert(2, instance=VERY_LONG, component=VERY_LONG, alertname="Long" + VERY_LONG)
    rule = {
        "type": "alerting",
        "name": HOSTILE,
        "query": HOSTILE,
        "duration": 60,
        "health": "err",
        "lastError": HOSTILE,
        "state": "pending",
        "labels": {"severity": HOSTILE},
        "annotations": {"summary": HOSTILE},
        "alerts": [
            {
                "labels": {"alertname": HOSTILE, "severity": HOSTILE},
                "annotations": {"summary": HOSTILE},
                "state": "pending",
                "activeAt": "2026-01-01T00:00:00Z",
                "value": "+Inf",
            }
        ],
    }
    silence = {
        "id": "11111111-1111-1111-1111-111111111111",
        "status": {"state": "active"},
        "matchers": [{"name": "alertname", "value": HOSTILE, "isRegex": False, "isEqual": True}],
        "startsAt": "2026-01-01T00:00:00Z",
        "endsAt": "2036-01-01T00:00:00Z",
        "updatedAt": "2026-01-01T00:00:00Z",
        "createdBy": HOSTILE,
        "comment": HOSTILE,
    }
    return ToldPlatform(
        vector=vector,
        pages={
            "/health": {"status": HOSTILE, "services": {HOSTILE: HOSTILE}},
            "/health/circuit-breakers": {HOSTILE: "open"},
            "/api/v2/alerts": [bad, long],
            "/api/v2/silences": [silence],
            "/api/v2/status": {"versionInfo": {"version": HOSTILE}, "cluster": {"status": HOSTILE}},
            "/api/v2/receivers": [{"name": HOSTILE}],
            "/api/v1/rules": {"status": "success", "data": {"groups": [{"name": HOSTILE, "file": HOSTILE, "rules": [rule]}]}},
            "/api/v1/label/__name__/values": {"status": "success", "data": [HOSTILE]},
            "/api/v1/status/buildinfo": {"status": "success", "data": {"version": HOSTILE}},
            "/api/v1/targets": {
                "status": "success",
                "data": {
                    "activeTargets": [
                        {"scrapeUrl": HOSTILE, "health": HOSTILE, "lastError": HOSTILE, "labels": {"job": HOSTILE}}
                    ]
                },
            },
        },
    )


@pytest.fixture(scope="module")
def hostile() -> Iterator[FaultyServer]:
    with faulty_server(hostile_platform()) as server:
        yield server


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


COMMANDS = {
    "status": ("status",),
    "status markdown": ("status", "--format", "markdown"),
    "status json": ("status", "--format", "json"),
    "alerts": ("alerts",),
    "alerts markdown": ("alerts", "--format", "markdown"),
    "alerts json": ("alerts", "--format", "json"),
    "runbook": ("runbook", "high-error-rate"),
    "runbook of an alert": ("runbook", HOSTILE.replace("\x00", "")),
    "doctor": ("doctor",),
    "check": ("check",),
}
UNPRINTABLE = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\U000e0000-\U000e0fff]"
)


def test_headless_output_holds_no_control_character(bench: Bench, hostile: FaultyServer) -> None:
    """Nothing that a server says reaches the output of any command as a control, direction or invisible character; a table
    in Markdown keeps its columns; JSON gives the words back as they are."""
    config = str(bench.config(hostile.url, timeout=8.0))
    ran = dict(zip(COMMANDS, bench.run_all(*((*words, "--config", config) for words in COMMANDS.values())), strict=True))
    for name, result in ran.items():
        assert result.err == "", name
        found = UNPRINTABLE.search(result.out)
        assert found is None, (name, found, result.out[max(0, found.start() - 80) : found.end() + 20])
        assert "Traceback" not in result.out, name
    for name in ("status markdown", "alerts markdown"):
        for block in ran[name].out.split("\n\n"):
            rows = [line for line in block.splitlines() if line.startswith("|")]
            assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) <= 1, (name, rows[:3])
    told = ran["status json"].told
    assert {item["name"] for item in told["alerts"]} >= {HOSTILE}
    panels = {item["id"]: item for item in told["panels"]}
    assert (panels["error_ratio"]["value"], panels["error_ratio"]["verdict"]) == (None, "no_data")
    assert len(panels["cpu"]["series"]) == 10_000
    assert panels["p95_latency"]["series"][0]["labels"] == {"provider": HOSTILE}


def intact(terminal: Terminal) -> str:
    """Nothing was interpreted once the screen is drawn: its frame stands, and no sequence of the server's left."""
    terminal.wait_for("HOSTILE", "cad-ml-platform", "prom", seconds=5)
    received = terminal.received.decode("utf-8", "replace")
    for sequence in FORBIDDEN:
        assert sequence not in received, repr(sequence)
    assert "PWNED" not in terminal.screen.title
    lines = terminal.screen.display
    assert "HOSTILE" in lines[0] and "cad-ml-platform" in lines[0], terminal.text
    assert "prom" in lines[1], terminal.text
    assert "?" in lines[-1], terminal.text
    return terminal.text


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (160, 45)])
def test_no_screen_interprets_what_servers_say(bench: Bench, hostile: FaultyServer, columns: int, rows: int) -> None:
    """Overview, alerts, alert detail, panel detail, silences, runbook and sources show the words, cut for width."""
    with bench.terminal(bench.config(hostile.url, timeout=8.0), columns=columns, rows=rows) as terminal:
        terminal.wait_for("Error ratio", "prom ok", "1.25")
        assert "pw[bold red]" in intact(terminal)
        terminal.send("2")
        terminal.wait_for("pw[bold red]", "LLLL")
        intact(terminal)
        for _ in range(3):
            terminal.send("\r")
            terminal.pump(0.5)
            intact(terminal)
            terminal.send("\x1b")
            terminal.pump(0.3)
            terminal.send("j")
        for key in "457":
            terminal.send(key)
            terminal.pump(0.5)
            intact(terminal)
        terminal.send("1")
        terminal.pump(0.4)
        for _ in range(5 if columns == 80 else 2):
            terminal.send("\r")
            terminal.pump(0.4)
            intact(terminal)
            terminal.send("\x1b")
            terminal.pump(0.2)
            terminal.send("j")
        assert terminal.exit_code is None
        terminal.send("q")
        assert terminal.wait_exit() == 0
        assert b"Traceback" not in terminal.received
