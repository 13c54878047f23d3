"""The manual is what the program is: references in step, every command and every link there."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from console.cli.parser import COMMANDS
from console.config.load import load_settings

ROOT = Path(__file__).parents[1]
DOCS = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", ROOT / "docs" / "generate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["configuration.md", "keys.md", "commands.md"])
def test_references_are_in_step(name: str) -> None:
    """Configuration, keys and commands are documented as they are: `make docs` after a change."""
    made = generator().files()[ROOT / "docs" / name]
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == made, "run make docs"


def test_every_command_has_its_exit_codes() -> None:
    """No verb is missing in the table of exit codes."""
    told = (ROOT / "docs" / "exit-codes.md").read_text(encoding="utf-8")
    for command in COMMANDS:
        assert re.search(rf"^\| `{command.name}[ `]", told, re.MULTILINE), command.name


def test_a_key_that_nobody_explains_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new key of the schema without a meaning stops the generator, which says where to explain it."""
    made = generator()
    monkeypatch.setattr(made, "MEANINGS", {key: told for key, told in made.MEANINGS.items() if key != "theme"})
    with pytest.raises(made.NoMeaning, match=r"theme.*meanings\.py"):
        made.configuration()


@pytest.mark.parametrize("path", DOCS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    """Every relative link and picture is there."""
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text(encoding="utf-8")):
        if not target.startswith(("http://", "https://")):
            assert (path.parent / target).exists(), target


def test_the_example_is_a_configuration(tmp_path: Path) -> None:
    """The config file of the reference loads as it stands."""
    text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    (tmp_path / "config.yaml").write_text(text.split("```yaml\n")[1].split("```")[0])
    (tmp_path / "prometheus.token").write_text("x")
    for name in ("production", "staging"):
        assert load_settings({"config": str(tmp_path / "config.yaml"), "environment": name}, {}).prometheus is not None
