"""`doctor` tells everything but secrets."""

from __future__ import annotations

from pathlib import Path

import pytest
from told_platform import Series, told_platform

from console.cli.main import main

NAMES = {"status": "success", "data": ["platform_error_ratio", "ocr_requests_total", "ocr_processing_duration_seconds_count"]}
RULES = {
    "status": "success",
    "data": {
        "groups": [
            {
                "rules": [
                    {"type": "alerting", "name": "HighErrorRate", "query": "x > 5", "health": "err", "lastError": "no\x1b[2J"}
                ]
            }
        ]
    },
}


def vector(query: str) -> list[Series]:
    seen = [({"__q__": "/evidence", "__name__": "ocr_requests_total", "status": "start"}, "1")] if "/evidence" in query else []
    return seen + ([({"__q__": "error_ratio/recorded"}, "0.4")] if "error_ratio/recorded" in query else [])


def test_it_tells_what_is_reached_missed_and_from_where(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Sources, found and missed series, failing rules, paths and origins are told; no secret, no escape sequence is."""
    for name in ("KUBECONFIG", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    labels = {"status": "success", "data": ["app", "pod\x1b[2J"]}
    pages = {"/api/v1/label/__name__/values": NAMES, "/api/v1/rules": RULES, "/health": {"status": "healthy"}}
    pages["/loki/api/v1/labels"] = labels
    with told_platform(vector=vector, pages=pages) as platform:
        config = tmp_path / "config.yaml"
        config.write_text(
            "environments:\n  test:\n    prometheus:\n"
            f"      url: {platform.url}\n"
            "      http_config:\n        basic_auth: {username: reader, password: hunter2}\n"
            "    read_only: true\n"
        )
        for name, value in platform.environ(str(tmp_path)).items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("PROMETHEUS_URL")
        monkeypatch.setenv("LOKI_URL", platform.url)
        monkeypatch.setenv("ALERTMANAGER_URL", "http://user:s3cret@127.0.0.1:9")
        code = main(["doctor", "--config", str(config)])
    out = capsys.readouterr().out
    assert code == 1, out  # one configured source does not answer
    assert "hunter2" not in out
    assert "s3cret" not in out
    assert "\x1b" not in out
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert "read_only yes config file, line 7" in lines
    assert any(line.startswith("alertmanager down") for line in lines)
    assert f"loki up {platform.url} 2 labels: app, pod\\e[2J" in lines
    assert "error_ratio rule platform_error_ratio found" in lines
    assert "provider_health rule provider_health_score MISSING, the panel reads the raw expression" in lines
    assert "ocr_processing_duration_seconds found" in lines
    assert "vision_errors_total MISSING" in lines
    assert (
        "ocr failures starts without success, because no series has status=error|failed|failure; 2 of 4 definitions apply"
        in lines
    )
    assert any(line.startswith("FAILING HighErrorRate no\\e[2J") for line in lines)
    assert any(line.startswith("journal_file") and str(tmp_path) in line for line in lines)


def test_a_shared_journal_that_is_gone_counts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With every source well the exit code is 1 where the journal cannot be shared, and the reason stands under the journal."""
    for name in ("KUBECONFIG", "CAD_CONSOLE_CONFIG", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    with told_platform(vector=vector, pages={"/api/v1/label/__name__/values": NAMES, "/api/v1/rules": RULES}) as platform:
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("PROMETHEUS_URL", platform.url)
        for name in ("ALERTMANAGER_URL", "CAD_ML_API_URL"):
            monkeypatch.delenv(name, raising=False)
        assert main(["doctor"]) == 0
        capsys.readouterr()
        monkeypatch.setenv("CAD_CONSOLE_STORE", "postgresql://ann:hunter2@127.0.0.1:9/journal")
        assert main(["doctor"]) == 1
    out = " ".join(capsys.readouterr().out.split())
    assert "shared UNREACHABLE postgresql://127.0.0.1:9/journal: no connection to PostgreSQL" in out
    assert "hunter2" not in out


def test_it_lists_what_others_can_reach(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Under Permissions, with the command that mends it; every command says it on stderr too, once."""
    for name in ("KUBECONFIG", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    pages = {"/api/v1/label/__name__/values": NAMES, "/api/v1/rules": RULES, "/health": {"status": "healthy"}}
    with told_platform(vector=vector, pages=pages) as platform:
        token = tmp_path / "token"
        token.write_text("sesame-77")
        token.chmod(0o644)
        config = tmp_path / "config.yaml"
        config.write_text(
            f"environments: {{test: {{prometheus: {{url: '{platform.url}', http_config: {{bearer_token_file: token}}}}}}}}\n"
        )
        for name, value in platform.environ(str(tmp_path)).items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("PROMETHEUS_URL")
        words = f"{token} holds a secret and is readable by everybody (0644): chmod 600 {token}"
        assert main(["doctor", "--config", str(config)]) == 0  # a warning is no refusal
        out = capsys.readouterr().out
        assert f"WARN {words}" in " ".join(out.split())
        main(["status", "--config", str(config), "--format", "json"])
        out, err = capsys.readouterr()
        assert err.count(words) == 1 and words not in out
        token.chmod(0o600)
        (tmp_path / ".local" / "state" / "cad-console").chmod(0o777)
        assert main(["doctor", "--config", str(config)]) == 1  # every source answers, and no action would be taken
        out = " ".join(capsys.readouterr().out.split())
    assert "REFUSED" in out and "journal NOT USABLE the journal cannot be used" in out


def test_a_journal_that_cannot_be_used_counts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With every source well the exit code is 1 where the journal cannot be read: no action would be taken."""
    for name in ("KUBECONFIG", "CAD_CONSOLE_CONFIG", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    with told_platform(vector=vector, pages={"/api/v1/label/__name__/values": NAMES, "/api/v1/rules": RULES}) as platform:
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("PROMETHEUS_URL", platform.url)
        for name in ("ALERTMANAGER_URL", "CAD_ML_API_URL"):
            monkeypatch.delenv(name, raising=False)
        assert main(["doctor"]) == 0
        state = tmp_path / ".local" / "state" / "cad-console"
        (state / "journal.sqlite3").write_bytes(b"this is no database" * 1000)
        capsys.readouterr()
        assert main(["doctor"]) == 1
        assert "journal NOT USABLE" in " ".join(capsys.readouterr().out.split())


def test_a_recorder_that_cannot_write_counts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where `recorder:` is configured it says whether a console records now, and exits with 1 if the folder cannot be used."""
    for name in ("KUBECONFIG", "CAD_CONSOLE_CONFIG", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    config = tmp_path / "config.yaml"
    config.write_text("recorder: {}\n")
    with told_platform(vector=vector, pages={"/api/v1/label/__name__/values": NAMES, "/api/v1/rules": RULES}) as platform:
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("PROMETHEUS_URL", platform.url)
        for name in ("ALERTMANAGER_URL", "CAD_ML_API_URL"):
            monkeypatch.delenv(name, raising=False)
        assert main(["doctor", "--config", str(config)]) == 0
        assert "no console records now" in capsys.readouterr().out
        recording = tmp_path / ".local" / "state" / "cad-console" / "recording"
        for path in [*recording.rglob("*")][::-1]:
            path.rmdir() if path.is_dir() else path.unlink()
        recording.rmdir()
        recording.write_text("no folder")
        assert main(["doctor", "--config", str(config)]) == 1
        assert "FAILED" in capsys.readouterr().out
