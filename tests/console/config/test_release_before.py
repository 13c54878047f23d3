"""What release 0.4 took loads unchanged: a config with every key, checklists and runbooks of a team."""

from __future__ import annotations

import dataclasses
import enum
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from console.checklists.loader import load_checklists
from console.config.load import load_settings
from console.config.schema import DOCUMENT
from console.runbooks.index import RunbookIndex
from console.runbooks.page import PHASES
from queries.catalogue.loader import load_board

FOLDER = Path(__file__).parent / "recorded" / "release-0.4"
LOADED = json.loads((FOLDER / "loaded.json").read_text(encoding="utf-8"))
"""The settings by environment as 0.4 itself (98f1937) loaded them from this file, without paths, user and origins."""


def plain(value: Any) -> Any:
    """Values as JSON has them; `FOLDER` stands for the folder of the config file."""
    if dataclasses.is_dataclass(value):
        fields = (field.name for field in dataclasses.fields(value) if not field.name.startswith("_"))
        return {name: plain(getattr(value, name)) for name in fields}
    if isinstance(value, enum.Enum):
        return plain(value.value)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list | frozenset | set):
        return [plain(item) for item in value]
    return str(value).replace(str(FOLDER), "FOLDER") if isinstance(value, str | Path) else value


def differences(old: Any, new: Any, at: str = "") -> list[str]:
    """Where a value of the old settings is another now; new fields are no difference."""
    if isinstance(old, dict):
        return [line for key, value in old.items() for line in differences(value, new.get(key, "gone"), f"{at}.{key}")]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        pairs = enumerate(zip(old, new, strict=True))
        return [line for place, (one, other) in pairs for line in differences(one, other, f"{at}[{place}]")]
    return [] if old == new else [f"{at}: {old!r}, now {new!r}"]


@pytest.mark.parametrize("environment", ["production", "staging"])
def test_a_config_with_every_key_means_the_same(environment: str) -> None:
    """Every setting has the value that 0.4 loaded. Loki's address has become a server like the others."""
    given = {"config": str(FOLDER / "config.yaml"), "environment": environment}
    now = plain(load_settings(given, {"HOME": "/nonexistent", "USER": "ann"}))
    expected = dict(LOADED[environment])
    address = expected.pop("loki_url")
    assert len(expected) > 30 and differences(expected, now) == []
    assert (now["loki"] or {}).get("url", "") == address


def test_the_recorded_config_names_every_key_of_its_release() -> None:
    """Beside those that need other files of a team's own: those have tests of their own."""
    named = set(yaml.safe_load((FOLDER / "config.yaml").read_text(encoding="utf-8")))
    new = {"notify", "aliases", "timezone", "admin_calls", "drills", "recorder"}
    assert set(DOCUMENT.keys) - named == new | {"panels", "signals", "rules"}


def test_checklists_and_runbooks_of_a_team_load_unchanged() -> None:
    """Each item and each step of the files is there, in order, and nothing is broken."""
    settings = load_settings({"config": str(FOLDER / "config.yaml")}, {"HOME": "/nonexistent", "USER": "ann"})
    runbooks = RunbookIndex.from_settings(settings)
    found = load_checklists(settings, load_board("overview"), runbooks)
    assert found.broken == ()
    for path in sorted((FOLDER / "checklists").glob("*.yaml")):
        written = yaml.safe_load(path.read_text(encoding="utf-8"))
        loaded = found.get(path.stem)
        assert loaded is not None and (loaded.title, loaded.due) == (written["title"], written["due"])
        assert [item.id for item in loaded.items] == [item["id"] for item in written["items"]]
    for path in sorted((FOLDER / "runbooks").glob("*.md")):
        _, front, text = path.read_text(encoding="utf-8").split("---\n", 2)
        written = yaml.safe_load(front)
        page = next(item for item in runbooks.runbooks if item.id == path.stem)
        assert page.own and not page.broken and page.body.strip() == text.strip()
        phases = {phase: at for at, phase in enumerate(("", *PHASES))}
        steps = sorted(written["steps"], key=lambda step: phases[step.get("phase", "")])
        assert steps and [step.title for step in page.steps] == [step["title"] for step in steps]
        assert list(page.alerts) == written["alerts"]
