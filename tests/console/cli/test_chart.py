"""`chart` against a platform on loopback: the file, the exit codes, and text that stays text."""

from __future__ import annotations

import time
import unicodedata
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from told_platform import told_platform

from console.cli.main import main

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "ocr\x1b[7m\x9b7m\u202e\x07"


def matrix(*names: str) -> dict[str, Any]:
    """A range of the last half hour for each provider."""
    now = int(time.time()) // 15 * 15
    points = [[now - 15 * at, str(90.0 - at % 7)] for at in range(120, 0, -1)]
    result = [{"metric": {"provider": name}, "values": points} for name in names]
    return {"status": "success", "data": {"resultType": "matrix", "result": result}}


def buckets(counts: dict[str, float]) -> dict[str, Any]:
    """A range of the last half hour of a classic histogram: requests a second up to each bound."""
    now = int(time.time()) // 15 * 15
    times = [now - 15 * at for at in range(120, 0, -1)]
    result = [
        {"metric": {"service": "ocr", "le": le}, "values": [[at, str(count)] for at in times]} for le, count in counts.items()
    ]
    return {"status": "success", "data": {"resultType": "matrix", "result": result}}


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    def call(pages: dict[str, Any], *words: str) -> int:
        for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "CAD_CONSOLE_CONFIG", "XDG_STATE_HOME", "XDG_CONFIG_HOME"):
            monkeypatch.delenv(name, raising=False)
        with told_platform(pages=pages) as platform:
            for name, value in platform.environ(str(tmp_path)).items():
                monkeypatch.setenv(name, value)
            return main(["chart", *words])

    return call


def test_the_file_is_a_picture_of_every_series(run: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The exit code is 0, stdout is empty, and the file is XML with a line and a name for each series."""
    path = tmp_path / "chart.svg"
    pages = {"/api/v1/query_range": matrix("deepseek", "paddle")}
    assert run(pages, "Provider_Health", "--range", "30m", "--svg", str(path)) == 0
    assert capsys.readouterr().out == ""
    root = ElementTree.parse(path).getroot()
    assert root.tag == f"{SVG}svg" and len(list(root.iter(f"{SVG}polyline"))) == 2
    words = [item.text for item in root.iter(f"{SVG}text")]
    assert "deepseek" in words and "paddle" in words
    assert (root.findtext(f"{SVG}title") or "").endswith(", 30m, test")


def test_a_panel_of_a_dashboard_is_drawn_too(run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """By its id or its title, with its own thresholds; a misspelt name is compared with these panels too."""
    for name in ("burn_6h", "burn rate, 6H"):
        assert run({"/api/v1/query_range": matrix("deepseek")}, name) == 0
        root = ElementTree.fromstring(capsys.readouterr().out)
        assert (root.findtext(f"{SVG}title") or "").startswith("Burn rate, 6h, 1h, ")
        assert len(list(root.iter(f"{SVG}polyline"))) == 1
    assert run({}, "burn_6hh") == 2
    assert "did you mean 'burn_6h'?" in capsys.readouterr().err


def test_a_heat_map_is_a_picture_of_every_bucket(run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """With --heat-map there is a row for each bucket of the range, no line, and the panel's thresholds."""
    pages = {"/api/v1/query_range": buckets({"0.5": 3.0, "2": 4.0, "+Inf": 4.5})}
    assert run(pages, "p95_latency", "--heat-map") == 0
    root = ElementTree.fromstring(capsys.readouterr().out)
    words = [item.text for item in root.iter(f"{SVG}text")]
    assert [word for word in words if word in ("> 2 s", "≤ 2 s", "≤ 500 ms")] == ["> 2 s", "≤ 2 s", "≤ 500 ms"]
    assert not list(root.iter(f"{SVG}polyline")) and any(word and word.startswith("warn ") for word in words)


def test_a_label_does_not_steer_the_terminal(run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """A printed chart has the label's control characters as text, and is XML."""
    assert run({"/api/v1/query_range": matrix(HOSTILE, "paddle")}, "provider_health") == 0
    out = capsys.readouterr().out
    assert not [each for each in out if unicodedata.category(each) in ("Cc", "Cf") and each != "\n"]
    words = [item.text for item in ElementTree.fromstring(out).iter(f"{SVG}text")]
    assert "ocr\\e[7m\\x9b7m\\u202e\\x07" in words


@pytest.mark.parametrize(
    ("pages", "words", "code", "told"),
    [
        ({}, ("provider_health",), 1, ""),
        ({}, ("p95_latency", "--heat-map"), 1, ""),
        ({}, ("cpu", "--heat-map"), 2, "cpu has no heat map; expected one of error_ratio, p95_latency"),
        ({}, ("p95_latency", "--heat-map", "--compare", "yesterday"), 2, "omit --compare or --heat-map"),
        ({}, ("nothing\x1b[7m",), 2, "no panel nothing\\e[7m; expected one of error_ratio"),
        ({}, ("error_ratoi",), 2, "no panel error_ratoi; did you mean 'error_ratio'?"),
        ({}, ("cpu", "--range", "soon"), 2, "--range"),
        ({}, ("workloads",), 2, "has no history"),
        ({"/api/v1/query_range": (503, "busy\x1b[7m")}, ("provider_health",), 2, "503"),
    ],
)
def test_why_there_is_no_chart(
    run: Any, capsys: pytest.CaptureFixture[str], pages: dict[str, Any], words: tuple[str, ...], code: int, told: str
) -> None:
    """1 where Prometheus has no data, 2 where nothing could be asked; stderr says why."""
    assert run(pages, *words) == code
    captured = capsys.readouterr()
    assert told in captured.err and "\x1b" not in captured.err
    assert ("NO DATA in this time range" in captured.out) is (code == 1)
