"""The manual matches the program: references, commands, links, paths, examples and versions."""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import commit_subject
import pytest
import yaml
from loopback import http_answer, loopback
from screen_samples import snapshot

from console import __version__
from console.cli.parser import VERBS
from console.config.load import load_settings
from console.config.schema import DOCUMENT
from console.config.validation import TEXT, Fields, find_errors
from console.journal.event import Event
from console.journal.sqlite_tables import VERSION
from console.lint.context import ParsedRule
from console.runbooks.page import read_page
from queries.catalogue.own import read_own_boards
from queries.catalogue.own_signals import read_own_signals
from queries.errors import AccessDenied
from queries.http.endpoint import Endpoint
from queries.model.fault import Fault, FaultKind
from queries.model.verdict import Verdict
from queries.promql.rule_files import read_rules
from queries.yaml import load_with_lines

ROOT = Path(__file__).parents[1]
DOCS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("findings/*.md")])
PATH = re.compile(r"(?<![\w./-])(?:console|widgets|queries|tests|runbooks|deploy|findings)/[\w./*{},-]*")
DOTTED = re.compile(r"(?<![\w./-])(?:console|widgets|queries)(?:\.[A-Za-z_]\w*)+")


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", ROOT / "docs" / "generate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["architecture.md", "configuration.md", "keys.md", "commands.md"])
def test_references_are_in_step(name: str) -> None:
    """Layers, configuration, keys and commands are documented as they are: `make docs` after a change."""
    generated = generator().files()[ROOT / "docs" / name]
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == generated, "run make docs"


def test_every_command_has_its_exit_codes() -> None:
    """No verb is missing from the table of exit codes."""
    table = (ROOT / "docs" / "exit-codes.md").read_text(encoding="utf-8")
    assert VERBS
    for command in VERBS:
        assert re.search(rf"^\| `{command.name}[ `]", table, re.MULTILINE), command.name


def test_a_key_without_a_description_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new key of the schema without a description stops the generator, which says where to add it."""
    docs = generator()
    monkeypatch.setattr(docs.schema, "DOCUMENT", Fields({**DOCUMENT.keys, "theme": TEXT}))
    with pytest.raises(docs.MissingDescription, match=r"theme.*schema\.py"):
        docs.configuration()


def test_links_lead_somewhere() -> None:
    """Every relative link and picture exists."""
    links = [(path, target) for path in DOCS for target in re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text(encoding="utf-8"))]
    relative = [(path, target) for path, target in links if not target.startswith(("http://", "https://"))]
    assert relative and not [(path, target) for path, target in relative if not (path.parent / target).exists()]


@pytest.mark.parametrize("page", ["configuration.md", "connect.md"])
def test_the_example_is_a_configuration(page: str, tmp_path: Path) -> None:
    """The config file of the reference, and that of the page about servers, load as they stand."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    (block,) = (item for item in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if "default_environment" in item)
    (tmp_path / "config.yaml").write_text(block)
    for name in ("prometheus.token", "ca.pem", "production.kubeconfig", "staging.kubeconfig"):
        (tmp_path / name).write_text("x")
    for name in ("production", "staging"):
        settings = load_settings({"config": str(tmp_path / "config.yaml"), "environment": name}, {})
        assert settings.prometheus is not None


def test_the_example_is_a_board(tmp_path: Path) -> None:
    """The panel of the page about servers is read without a complaint."""
    text = (ROOT / "docs" / "connect.md").read_text(encoding="utf-8")
    (block,) = (item for item in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if "orders_waiting" in item)
    (tmp_path / "shop.yaml").write_text(block)
    boards = read_own_boards((str(tmp_path / "shop.yaml"),))
    assert boards.problems == ()
    assert [panel.id for panel in boards.panels] == ["order_errors", "orders_waiting"]


def missing(text: str) -> Iterator[str]:
    """Every path and dotted name of the project in a text that does not exist."""
    for found in PATH.findall(text):
        path = found.rstrip(".,")
        pattern = re.sub(r"\{[^}]*\}", "*", path)
        if not (list(ROOT.glob(pattern)) if "*" in pattern else (ROOT / path).exists()):
            yield path
    yield from (name for name in DOTTED.findall(text) if not is_defined(name))


def is_defined(name: str) -> bool:
    """Whether a dotted name is a package, a module, or a name that a module or its class defines; imports nothing."""
    parts = name.split(".")
    for depth in range(len(parts), 0, -1):
        base = ROOT.joinpath(*parts[:depth])
        source = base.with_suffix(".py") if base.with_suffix(".py").is_file() else base / "__init__.py"
        if source.is_file():
            body = ast.parse(source.read_text(encoding="utf-8")).body
            for part in parts[depth:]:
                bodies = [getattr(node, "body", []) for node in body if part in names_of(node)]
                if not bodies:
                    return False
                body = bodies[0]
            return True
    return False


def names_of(node: ast.stmt) -> set[str]:
    """The names that one statement of a module or class body defines."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return {item.id for target in targets for item in ast.walk(target) if isinstance(item, ast.Name)}


@pytest.mark.parametrize("path", DOCS, ids=lambda path: str(path.relative_to(ROOT)))
def test_paths_and_names_exist(path: Path) -> None:
    """A file, folder, module or name of the project that the manual names is there."""
    assert list(missing(path.read_text(encoding="utf-8"))) == []


def test_what_does_not_exist_is_found() -> None:
    """A module that was moved, a class that was renamed and a pattern without a match are all reported."""
    here = "`console/checks/panels.py`, queries/catalogue/*.yaml, console.checks.result.CheckResult and console.cli."
    assert list(missing(here)) == []
    gone = "`console/board.py`, `queries/catalogue/*.json`, console.checks.result.Sight, console.checks.result.Result.GONE"
    assert list(missing(gone)) == [
        "console/board.py",
        "queries/catalogue/*.json",
        "console.checks.result.Sight",
        "console.checks.result.Result.GONE",
    ]


def test_the_changelog_has_this_version() -> None:
    """The newest section is the program's version, and its row in the table has the journal's format."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## (\S+)", text, re.MULTILINE)
    assert newest is not None
    assert newest[1] == __version__
    row = re.search(r"^\| (\S+) \| (\d+) \| (\d+) \|$", text, re.MULTILINE)
    assert row is not None
    assert (row[1], row[2]) == (".".join(__version__.split(".")[:2]), str(VERSION))


def example(language: str, words: str) -> str:
    """The block of CONTRIBUTING.md in this language that contains the words."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (block,) = (item for item in re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL) if words in item)
    return str(block)


def test_examples_of_data_load(tmp_path: Path) -> None:
    """The signal, the panel and the runbook of CONTRIBUTING.md are read without a complaint, and refer to each other."""
    signals, panels, page = tmp_path / "signals.yaml", tmp_path / "panels.yaml", tmp_path / "shop-orders-stopped.md"
    signals.write_text(example("yaml", "shop_orders_total[$window]"))
    panels.write_text(example("yaml", "${shop_orders[5m]}"))
    page.write_text(example("markdown", "ShopOrdersStopped"))
    known = read_own_signals((str(signals),))
    assert known.problems == ()
    boards = read_own_boards((str(panels),), (str(signals),))
    assert boards.problems == ()
    (panel,) = boards.panels
    assert panel.id == "shop_orders"
    runbook = read_page(page, root=tmp_path, own=True, signals=known.signals)
    assert (runbook.id, len(runbook.steps), len(runbook.actions)) == (panel.runbook, 2, 1)


@pytest.fixture
def contributed(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Everything that the Python examples of CONTRIBUTING.md define; each runs as it stands."""
    module = ModuleType("contributing_example")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    scope: dict[str, Any] = module.__dict__
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) >= 8
    for block in blocks:
        exec(block, scope)
    return scope


def test_examples_of_code_run(contributed: dict[str, Any]) -> None:
    """The check, the action, the projection, the checklist item and the command of CONTRIBUTING.md do what they say."""
    licence, action, projection = contributed["licence"], contributed["Freeze"](), contributed["LastNote"]()
    fault = Fault(FaultKind.UNREACHABLE, "no connection")
    assert [licence(*each).result.value for each in ((8, None), (7, None), (None, None), (None, fault))] == [
        "passed",
        "failed",
        "failed",
        "failed",
    ]
    assert (action.name, action.is_in_place(None, {"spec": {"paused": True}})) == ("freeze", True)
    assert projection.apply("", Event(1.0, "note", "a", "ann", data={"text": "hello"})) == "hello"
    shown, evaluate = snapshot(), contributed["evaluate_silences"]
    verdicts = [evaluate(None, each).verdict for each in (shown, replace(shown, silences=()), replace(shown, sources=()))]
    assert verdicts == [Verdict.WARN, Verdict.OK, Verdict.NO_DATA]
    notices: list[str] = []
    contributed["VERSION"].run(SimpleNamespace(show_notice=notices.append), "")
    assert notices == [f"cad-console {__version__}"]


def test_examples_of_config_and_lint_find_errors(contributed: dict[str, Any]) -> None:
    """The key of CONTRIBUTING.md names its line if the value is no text, and the lint rule that of an alert without owner."""
    errors = list(find_errors(load_with_lines("greeting: [1]\n"), contributed["KEYS"]))
    assert [(item.key, item.line) for item in errors] == [("greeting", 1)]
    assert list(find_errors(load_with_lines("greeting: hello\n"), contributed["KEYS"])) == []
    rules = (
        "groups:\n  - name: a\n    rules:\n      - alert: A\n        expr: up == 0\n      - alert: B\n        expr: up == 0\n"
    )
    file = read_rules(f"{rules}        labels: {{owner: shop}}\n", path="a.yaml")
    assert len(file.rules) == 2
    found = [list(contributed["NO_OWNER"].find(ParsedRule(placed, None), None)) for placed in file.rules]
    assert [[match.line for match in each] for each in found] == [[4], []]


async def test_the_example_of_a_source_reads_a_server(contributed: dict[str, Any]) -> None:
    """The client of CONTRIBUTING.md gets the orders of a server, and maps its refusal to a SourceError."""
    answers = [http_answer("200 OK", b'[{"id": "1"}, {"id": "2"}]'), http_answer("403 Forbidden", b"{}")]

    async def behave(head: bytes, writer: Any) -> None:
        writer.write(answers.pop(0))
        await writer.drain()

    async with loopback(behave) as server:
        shop = contributed["Shop"](Endpoint(server.url))
        assert await shop.count_orders() == 2
        with pytest.raises(AccessDenied):
            await shop.count_orders()
        await shop.close()
    assert server.requests[0].startswith(b"GET /orders ")


def test_every_page_is_in_the_navigation() -> None:
    """mkdocs.yml lists every page of docs/ once."""
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    listed = re.findall(r"([\w/.-]+\.md)$", text, re.MULTILINE)
    own = {str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md")}
    assert sorted(listed) == sorted(own | {"index.md", "contributing.md", "changelog.md"})


def test_the_tools_of_the_manual_are_an_extra_of_their_own() -> None:
    """MkDocs is in the extra `docs` alone: no user and no test run installs it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert [item.split(">")[0] for item in project["optional-dependencies"]["docs"]] == ["mkdocs"]
    for name in ("requirements.lock", "requirements-test.lock"):
        assert "mkdocs" not in (ROOT / name).read_text(encoding="utf-8")


def test_the_site_is_built_strictly() -> None:
    """`make site` and the configuration are strict; with `--quiet` MkDocs does not count the warnings of dead links."""
    recipe = re.search(r"mkdocs .*build.*", (ROOT / "Makefile").read_text(encoding="utf-8"))
    assert recipe is not None
    assert "--strict" in recipe[0]
    assert "quiet" not in recipe[0]


def shown_strings() -> Iterator[str]:
    """Every string of the program that is not a docstring."""
    for package in ("console", "widgets", "queries"):
        for path in (ROOT / package).rglob("*.py"):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
            for node in ast.walk(tree):
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
                    yield node.value


def test_states_in_capitals_are_shown() -> None:
    """A state that the manual quotes in capitals is one that the screens or commands print."""
    strings = "\n".join(shown_strings())
    pages = ("screen.md", "day.md", "incident.md", "actions.md", "journal.md", "troubleshooting.md")
    quoted = {
        word
        for page in pages
        for code in re.findall(r"(?<!`)`([^`\n]+)`", (ROOT / "docs" / page).read_text(encoding="utf-8"))
        if not re.search(r"cad-console|sqlite3|incident |--|_|/", code)
        for word in re.findall(r"\b[A-Z]{4,}\b", code)
    }
    assert len(quoted) > 15
    placeholders = {"NAME", "FILE", "LINE", "TRAP", "KUBECONFIG", "REINDEX"}
    assert sorted(word for word in quoted - placeholders if not re.search(rf"\b{word}\b", strings)) == []


def test_hooks_work_offline() -> None:
    """Every hook of pre-commit is local and runs a tool of the project's environment."""
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    assert [repository["repo"] for repository in config["repos"]] == ["local"]
    hooks = config["repos"][0]["hooks"]
    assert {hook["id"] for hook in hooks} >= {"ruff", "ruff-format", "mypy", "imports", "docs", "subject"}
    assert {hook["language"] for hook in hooks} == {"system"}
    assert [hook["id"] for hook in hooks if not hook["entry"].startswith(".venv/bin/")] == []


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("A" * 71, ""),
        ("A" * 72, "the subject has 72 characters; write at most 71"),
        ("query infinite samples too", "start the subject with an imperative and a capital letter"),
        ("Query infinite samples too.", "end the subject without a full stop"),
        ("Query infinite samples too\n\n" + "a" * 100, ""),
    ],
)
def test_commit_subjects(message: str, words: str) -> None:
    """A subject of 71 characters passes and one of 72 does not; only the first line counts."""
    assert commit_subject.problem(message) == words


def test_each_line_of_the_compatibility_table_names_its_test() -> None:
    """A behaviour of a server that the manual states is held by a test that exists."""
    text = (ROOT / "docs" / "compatibility.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| ") and not line.startswith(("| ---", "| server |"))]
    existing = {
        name for path in (ROOT / "tests").rglob("test_*.py") for name in re.findall(r"def (test_\w+)", path.read_text())
    }
    assert len(rows) >= 8
    for row in rows:
        named = re.findall(r"`(test_\w+)`", row.rsplit("|", 2)[1])
        assert named and set(named) <= existing, row


def test_every_finding_is_in_their_index() -> None:
    """The table has each script of the folder, and none that is gone."""
    folder = ROOT / "findings"
    listed = re.findall(r"^\| `([\w-]+)` \|", (folder / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(listed) == sorted(path.stem for path in folder.glob("*.sh"))
