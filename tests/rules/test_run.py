"""`make rules-test`: it passes with as much as was promised, and it fails where a rule, a test or a route is wrong."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from console.demo.server_binaries import Servers

pytestmark = pytest.mark.servers


def _loaded() -> ModuleType:
    path = Path(__file__).with_name("run.py")
    spec = importlib.util.spec_from_file_location("rules_run", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


RUN = _loaded()


def test_everything_holds_and_there_is_as_much_as_promised(servers: Servers) -> None:
    """promtool and amtool accept every file, test and route; there are 35 recording rules, 30 alerts and 90 cases or more."""
    report = RUN.examine(RUN.FOLDER, servers)
    assert report.failures == ()
    assert report.recording >= 35 and report.alerts >= 30 and report.cases >= 90 and report.routes >= 3 * 13


MODELS = "alerting-models.yaml"


def _small(folder: Path) -> Path:
    """The rules of models with their tests, and the whole routing."""
    (folder / "tests").mkdir(parents=True)
    names = (
        "recording.yaml",
        "alerting-models.yaml",
        "alertmanager.yaml",
        "tests/alerting-models.test.yaml",
        "tests/routes.yaml",
    )
    for name in names:
        shutil.copy(RUN.FOLDER / name, folder / name)
    return folder


def test_the_small_set_is_well(servers: Servers, tmp_path: Path) -> None:
    """What the mistakes below are planted in passes without them."""
    assert RUN.examine(_small(tmp_path / "rules"), servers).failures == ()


def _changed(name: str, before: str, after: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        text = (folder / name).read_text()
        assert before in text
        (folder / name).write_text(text.replace(before, after))

    return change


@pytest.mark.parametrize(
    ("change", "output"),
    [
        (_changed(MODELS, "min(model_snapshots_available)", "min(model_snapshots_available"), "check rules"),
        (
            _changed(MODELS, "min(model_snapshots_available) == 0", "min(model_snapshots_available) == 1"),
            "test rules",
        ),
        (
            _changed(
                "tests/alerting-models.test.yaml",
                "{eval_time: 4m, alertname: ModelLoadError,",
                "{eval_time: 4m, alertname: ModelLoadErrors,",
            ),
            "tests the alert ModelLoadErrors, which no rule has",
        ),
        (_changed(MODELS, "component: vectors", "component: search"), "no component search"),
        (_changed("alertmanager.yaml", "receiver: deadman\n      group", "receiver: nobody\n      group"), "check-config"),
        (_changed("alertmanager.yaml", '"critical|info"', '"info"'), "severity=critical"),
        (_changed("tests/routes.yaml", "receivers: [deadman]", "receivers: [slack]"), "alertname=Watchdog"),
    ],
    ids=[
        "no PromQL",
        "a rule that a test refutes",
        "a case of an alert that no rule has",
        "an unknown component",
        "no receiver",
        "a route that is gone",
        "a wrong row",
    ],
)
def test_what_is_wrong_is_told(servers: Servers, tmp_path: Path, change: Callable[[Path], None], output: str) -> None:
    """Each kind of mistake makes the run fail and names what failed."""
    folder = _small(tmp_path / "rules")
    change(folder)
    failures = RUN.examine(folder, servers).failures
    assert failures and any(output in text for text in failures), failures
