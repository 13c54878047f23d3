"""Servers that lie, hang, break or refuse, in front of the real program: headless and on the screen."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from faulty_server import FAULTS, GOOD, REFUSE, FaultyServer, faulty_server, self_signed
from limits import extend
from loopback import CERTIFICATES
from real_program import HEALTH, Bench, platform
from terminal import PROGRAM
from told_platform import ToldPlatform


@pytest.fixture(scope="module")
def good() -> Iterator[FaultyServer]:
    with faulty_server(platform()) as server:
        yield server


@pytest.fixture(scope="module")
def bad() -> Iterator[FaultyServer]:
    with faulty_server(platform()) as server:
        yield server


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


DOWN, DENIED = "down", "denied"
SENTENCES: dict[str, tuple[str, str]] = {
    REFUSE: (DOWN, "the connection was refused"),
    "reset": (DOWN, "reset the connection"),
    "close": (DOWN, "closed the connection without an answer"),
    "silence": (DOWN, "no complete answer within 1s500ms (waiting for the answer)"),
    "trickle": (DOWN, "no complete answer within 1s500ms (receiving the answer)"),
    "endless": (DOWN, "larger than|no complete answer within"),
    "no http": (DOWN, "does not speak HTTP here"),
    "401": (DENIED, "401 the server requires credentials"),
    "403": (DENIED, "403 these credentials lack read permission"),
    "404": (DOWN, "check the URL and its path prefix"),
    "429": (DOWN, "it asks to wait 2m"),
    "500": (DOWN, "500 the server failed"),
    "502": (DOWN, "502 the server is starting, stopping or behind a broken proxy"),
    "503": (DOWN, "503 the server is starting, stopping or behind a broken proxy"),
    "login redirect": (DENIED, "https://sso.example/login"),
    "redirect loop": (DOWN, "endless redirects"),
    "login page": (DENIED, "a web page came instead of JSON"),
    "truncated": (DOWN, "cut off|the response is not in"),
    "cut off": (DOWN, "the answer was cut off"),
    "bad gzip": (DOWN, "encoded as gzip"),
    "no json": (DOWN, "check that the URL is"),
    "bad utf-8": (DOWN, "check that the URL is"),
    "wrong shape": (DOWN, "check that the URL is"),
    "a list": (DOWN, "the response is not in"),
    "null": (DOWN, "the response is not in"),
    "deep": (DOWN, "check that the URL is"),
    "empty": (DOWN, "cut off"),
}


DOCTOR_TOO = {
    REFUSE,
    "reset",
    "trickle",
    "endless",
    "401",
    "429",
    "login redirect",
    "cut off",
    "bad gzip",
    "wrong shape",
    "deep",
}
"""Faults that its other client, which asks what a Prometheus has to offer, meets in a way of its own."""


def said(words: str, text: str) -> bool:
    return any(choice in text for choice in words.split("|"))


def test_every_fault_has_its_sentence_here() -> None:
    """No fault of the server is left untried."""
    assert set(SENTENCES) == {*FAULTS, REFUSE}


@pytest.mark.parametrize("fault", SENTENCES)
def test_a_faulty_source_is_named_and_the_rest_lives(bench: Bench, good: FaultyServer, bad: FaultyServer, fault: str) -> None:
    """`status` and `doctor` end in time, without a traceback, with a sentence for each faulty source and nothing hidden.

    With every source faulty the exit code is 2; with Alertmanager and the API faulty the panels are as good as ever, and it is
    3: the alerts are Prometheus' own then.
    """
    bad.fault = fault
    everything, one = bench.config(bad.url), bench.config(good.url, others=bad.url)
    health, words = SENTENCES[fault]
    nothing, rest, *doctor = bench.run_all(
        ("status", "--format", "json", "--config", str(everything)),
        ("status", "--format", "json", "--config", str(one)),
        *([("doctor", "--config", str(everything))] if fault in DOCTOR_TOO else []),
    )
    for ran in (nothing, rest, *doctor):
        assert ran.err == "" or ran is rest
        assert "secret-token" not in ran.out + ran.err and "\x1b" not in ran.out + ran.err
        assert "defect of the console" not in ran.out
        assert ran.seconds < 12

    assert nothing.code == 2
    sources = nothing.told["sources"]
    for name in ("prometheus", "alertmanager", "platform"):
        assert sources[name]["state"] == health, sources
        assert said(words, sources[name]["error"]), sources
        assert bad.url in sources[name]["error"], sources
    assert {panel["verdict"] for panel in nothing.told["panels"]} == {"no_data"}

    assert rest.code == 3
    assert f"not Alertmanager: whether they are silenced or notified is not known (Alertmanager {health.upper()}" in rest.err
    for name in ("alertmanager", "platform"):
        assert rest.told["sources"][name]["state"] == health
        assert said(words, rest.told["sources"][name]["error"])
    assert rest.told["sources"]["prometheus"]["state"] == "up"
    assert {panel["id"]: panel["value"] for panel in rest.told["panels"]}["error_ratio"] == 0.42

    for ran in doctor:
        assert ran.code == 2
        assert said(words, ran.out)


_MEASURED = """
import resource, subprocess, sys
ran = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)
print(ran.returncode, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def test_an_endless_answer_does_not_fill_the_memory(bench: Bench, bad: FaultyServer) -> None:
    """`doctor` against a server that never stops sending stays far under what the server would send in that time."""
    bad.fault = "endless"
    argv = [PROGRAM, "doctor", "--config", str(bench.config(bad.url, others=""))]
    # Started by a small process: a child counts as its own what the process that starts it holds at that moment.
    ran = subprocess.run([sys.executable, "-c", _MEASURED, *argv], env=bench.environ(), capture_output=True, check=True)
    code, peak_kib = map(int, ran.stdout.split())
    assert code == 2
    assert peak_kib < 500 << 10


def test_tls_names_and_dns_are_told_apart(bench: Bench) -> None:
    """Expired, self-signed, unknown authority, plain HTTP behind https, an unknown name, a dead address: each says so."""
    with (
        faulty_server(platform(), certificate=CERTIFICATES / "expired.pem") as expired,
        faulty_server(platform(), certificate=self_signed(bench.home)) as own,
        faulty_server(platform(), certificate=CERTIFICATES / "localhost.pem") as unknown,
        faulty_server(platform()) as plain,
    ):
        wanted = {
            expired.url: "certificate",
            own.url: "self-signed",
            unknown.url: "unknown authority",
            plain.url.replace("http://", "https://"): "does not speak TLS",
            own.url.replace("https://", "http://"): "speak TLS",
            "http://no-such-host.invalid:9090": "cannot resolve no-such-host.invalid",
        }
        commands = [("status", "--format", "json", "--config", str(bench.config(url, others=""))) for url in wanted]
        ran = [*bench.run_all(*commands[:3]), *bench.run_all(*commands[3:])]
    assert len(ran) == len(wanted)
    for words, result in zip(wanted.values(), ran, strict=True):
        source = result.told["sources"]["prometheus"]
        assert (result.code, source["state"], result.err) == (2, "down", "")
        assert words in source["error"]


class OneBadQuery(ToldPlatform):
    """Has no recording rules, and refuses every query in which the queue's metric stands."""

    def answer(self, path: str, query: str) -> tuple[int, str, str]:
        if path == "/api/v1/query" and "dedup2d_job_queue_depth" in query:
            self.queries.append(query)
            body = {
                "status": "error",
                "errorType": "bad_data",
                "error": 'invalid parameter "query": parse error \x1b[31m[bold]',
            }
            return 400, "application/json", json.dumps(body)
        return super().answer(path, query)


def test_one_bad_query_is_the_trouble_of_one_panel(bench: Bench) -> None:
    """The panel says what was refused, where, and which query; the others have their values; Prometheus is degraded."""

    def vector(query: str) -> list[tuple[dict[str, str], str]]:
        alone = "__q__" not in query
        return [
            ({} if alone else {"__q__": f"{panel}/raw"}, "3")
            for panel in ("error_ratio", "cpu")
            if alone or f"{panel}/raw" in query
        ]

    told = OneBadQuery(vector=vector, pages={"/health": HEALTH})
    with faulty_server(told) as server:
        config = bench.config(server.url)
        text, document = bench.run_all(
            ("status", "--config", str(config)), ("status", "--format", "json", "--config", str(config))
        )
        assert (text.err, document.err) == ("", "")
        panels = {panel["id"]: panel for panel in document.told["panels"]}
        assert document.told["sources"]["prometheus"]["state"] == "degraded"
        assert panels["queue_depth"]["verdict"] == "no_data"
        assert "dedup2d_job_queue_depth" in panels["queue_depth"]["query"]
        assert panels["error_ratio"]["value"] == 3
        (row,) = [line for line in text.out.splitlines() if "Queue depth" in line]
        assert "parse error" in row and server.url in row and "\x1b" not in row

        with bench.terminal(config, columns=120, rows=40) as terminal:
            terminal.wait_for("Queue depth", "prom DEGRADED")
            begun = time.monotonic()
            terminal.send("7")
            terminal.wait_for("Queue depth: ", "parse error", "[31m[bold]")
            terminal.pump(1.5)
            asked = server.requests_since(begun).count("/api/v1/query")
        assert asked < 20  # a refused query is remembered, not asked apart from the others at every refresh


ON_SCREEN = {
    "401": ("prom DENIED", "401 the server requires credentials"),
    "endless": ("prom DOWN", ""),
    "login page": ("prom DENIED", "a web page came instead of JSON"),
    REFUSE: ("prom DOWN", "the connection was refused"),
}


def test_the_screen_lives_through_every_fault(bench: Bench) -> None:
    """With every server silent the console opens at once and takes keys; each later fault is named while keys are answered;
    when the server is good again the values come back, without a restart."""
    with faulty_server(platform()) as server:
        server.fault = "silence"
        begun = time.monotonic()
        with bench.terminal(bench.config(server.url, stale_after=2.0), columns=140, rows=40) as terminal:
            terminal.wait_for("Error ratio")
            assert time.monotonic() - begun < extend(3.0)
            terminal.send("7")
            terminal.wait_for("no response so far", seconds=2)
            terminal.wait_for("prom DOWN", "no complete answer within 1s500ms")
            for fault, (words, sentence) in ON_SCREEN.items():
                server.fault = fault
                terminal.wait_for(words, sentence, seconds=8)
                terminal.send("1")
                terminal.wait_for("Error ratio", seconds=2)
                terminal.send("7")
                terminal.wait_for("Sources", "Paths", seconds=2)
            server.fault = GOOD
            terminal.wait_for("prom ok", "alertmanager ok", "api ok", seconds=8)
            terminal.send("1")
            terminal.wait_for("0.42", seconds=8)
            server.fault = "503"
            terminal.wait_for("prom DOWN", "STALE", seconds=8)
            server.fault = GOOD
            terminal.wait_for("prom ok", seconds=8)
            terminal.wait_gone("STALE", seconds=8)
            terminal.send("q")
            assert terminal.wait_exit() == 0
            assert b"Traceback" not in terminal.received


def test_a_failing_server_is_not_hammered(bench: Bench) -> None:
    """At a cadence of 0.2 s a failing server is asked ever less often; one that asks for two minutes is left alone."""
    with faulty_server(platform()) as failing, faulty_server(platform()) as limited:
        failing.fault, limited.fault = "503", "429"
        config = bench.config(failing.url, others=limited.url, every=0.2, backoff_cap=30.0)
        with bench.terminal(config) as terminal:
            terminal.wait_for("prom DOWN", "Error ratio")
            terminal.pump(3.5)
            asked = [path for path in failing.requests_since(0.0) if path == "/api/v1/query"]
            assert 2 <= len(asked) <= 6, failing.arrivals  # 0.4 + 0.8 + 1.6 s of waiting, not seventeen rounds
            for path in ("/health", "/api/v2/alerts"):
                assert limited.requests_since(0.0).count(path) == 1, limited.arrivals
