"""A newcomer without a config file: every verb that needs a server says how to begin."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.cli.main import main


@pytest.fixture
def empty_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A home without any file, and no variable that names a server."""
    names = ("PROMETHEUS_URL", "ALERTMANAGER_URL", "CAD_ML_API_URL", "GRAFANA_URL", "LOKI_URL", "REDIS_URL", "KUBECONFIG")
    for name in (*names, "KUBERNETES_SERVICE_HOST", "CAD_CONSOLE_CONFIG", "XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.mark.usefixtures("empty_home")
@pytest.mark.parametrize(
    "words", [("status",), ("check",), ("contract",), ("doctor",), ("alerts",), ("rules", "lint", "--live")]
)
def test_a_verb_without_any_server_names_init(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """It does not succeed, and the way out is in what it says: the verb that finds the servers, not only variables."""
    assert main(list(words)) != 0
    output = capsys.readouterr()
    assert "cad-console init" in output.out + output.err
