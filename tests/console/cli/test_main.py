"""The command line: what is imported, where flags may stand, and how it ends."""

from __future__ import annotations

import argparse
import itertools
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from console.cli.main import main
from console.cli.parser import VERBS, build_parser, verb_of
from console.cli.reference import arguments_of

HEAVY = ("textual", "httpx", "kubernetes", "yaml", "msgspec", "promql_parser", "prometheus_api_client", "requests", "rich")


def python(code: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        env={"HOME": "/nonexistent", "PATH": "/usr/bin:/bin", "USER": "you", **environ},
        check=False,
    )


def test_importing_the_command_line_imports_no_library() -> None:
    """`console.cli.main` needs argparse and the standard library, nothing that is installed."""
    code = f"import sys, console.cli.main; print([name for name in {HEAVY!r} if name in sys.modules])"
    assert python(code).stdout.strip() == "[]"


def test_settings_without_a_file_need_no_library() -> None:
    """Flags and environment variables are understood without YAML and without any client."""
    code = (
        "import sys; from console.config.load import load_settings;"
        "load_settings({'prometheus_url': 'http://x'}, {'HOME': '/nonexistent'});"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    assert python(code).stdout.strip() == "[]"


@pytest.mark.slow
@pytest.mark.parametrize("name", [verb.name for verb in VERBS if verb.name != "demo"])
def test_no_other_verb_imports_the_demo(name: str) -> None:
    """Building the parser of a verb loads nothing of the demo; only `rules` loads the lint."""
    code = (
        "import sys; from console.cli.parser import build_parser; "
        f"build_parser({name!r}); "
        "print(sorted({'.'.join(name.split('.')[:2]) for name in sys.modules} & {'console.demo', 'console.lint'}))"
    )
    assert python(code).stdout.strip() == ("['console.lint']" if name == "rules" else "[]")


def test_the_demo_without_its_extra_names_it() -> None:
    """Without the packages of the extra the verb ends in one line that says what to install."""
    code = (
        "import sys; "
        "import importlib.util as u; find = u.find_spec; "
        "u.find_spec = lambda name, *rest: None if name == 'jsonpatch' else find(name, *rest); "
        "from console.cli.main import main; sys.exit(main(['demo', '--check']))"
    )
    result = python(code)
    assert (result.returncode, result.stdout) == (1, "")
    assert "cad-console demo: missing jsonpatch; install the extra: pip install 'cad-console[demo]'" in result.stderr


@pytest.mark.slow
@pytest.mark.parametrize("words", [["status"], ["check"], ["doctor"], ["alerts"], ["runbook", "--list"], ["runbook", "triage"]])
def test_headless_commands_import_no_textual(words: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    """A command that prints never loads the user interface."""
    code = f"import sys; from console.cli.main import main; main({words!r});print('textual' in sys.modules, file=sys.stderr)"
    state = tmp_path_factory.mktemp("state")
    result = python(code, XDG_STATE_HOME=str(state), PROMETHEUS_URL="http://127.0.0.1:9")
    assert result.stderr.strip().endswith("False"), result.stderr


def test_every_command_can_be_filled_and_run() -> None:
    """Each verb of the tuple has a module with `add` and `run`."""
    import importlib

    assert VERBS
    for command in VERBS:
        module = importlib.import_module(command.module)
        assert callable(module.add), command.name
        assert callable(module.run), command.name


@pytest.mark.parametrize(
    "words",
    [
        ["--namespace", "n", "--read-only", "status", "--format", "json"],
        ["status", "--namespace", "n", "--format", "json", "--read-only"],
        ["--namespace=n", "status", "--read-only", "--format=json"],
    ],
)
def test_global_flags_stand_before_or_after_the_verb(words: list[str]) -> None:
    """Where a global flag stands makes no difference."""
    arguments = build_parser("status").parse_args(words)
    assert (arguments.command, arguments.namespace, arguments.read_only, arguments.format) == ("status", "n", True, "json")


def verbs(parser: argparse.ArgumentParser) -> Iterator[tuple[tuple[str, ...], argparse.ArgumentParser]]:
    """Every verb that has no verbs within, as it is written, with its own parser."""
    nested = next((action for action in arguments_of(parser) if isinstance(action.choices, Mapping)), None)
    if nested is None:
        yield (), parser
        return
    for name, inner in nested.choices.items():
        for words, found in verbs(inner):
            yield (name, *words), found


def every_verb() -> list[tuple[tuple[str, ...], argparse.ArgumentParser]]:
    """Derived from the parser: a verb that comes tomorrow is in here."""
    return [
        item for command in VERBS for item in verbs(build_parser(command.name)) if item[0][0] == command.name
    ]  # fmt: skip


EVERY_VERB = every_verb()


def sample(action: argparse.Action) -> list[str]:
    """Words that an argument takes."""
    if action.nargs in (0, argparse.REMAINDER):
        return []
    if action.choices is not None:
        return [str(next(iter(action.choices)))]
    for text in ("some words", "P2", "5", "5m", "120x40", f"1:{64 * 'a'}"):
        try:
            if action.type is not None:
                action.type(text)  # type: ignore[operator]
        except (ValueError, argparse.ArgumentTypeError):
            continue
        return [text, "- another"] if action.nargs in ("*", "+") else [text]
    raise AssertionError(f"no sample for {action}")


def told(words: list[str], parser: argparse.ArgumentParser | None = None) -> dict[str, Any]:
    return vars((parser or build_parser(verb_of(words))).parse_args(words))


@pytest.mark.parametrize(("verb", "inner"), EVERY_VERB, ids=["-".join(words) for words, _ in EVERY_VERB])
def test_options_and_operands_stand_in_any_order(verb: tuple[str, ...], inner: argparse.ArgumentParser) -> None:
    """Wherever among the verb's own words and its operands an option stands, before the verb too, it means the same."""
    operands = [word for action in arguments_of(inner) if not action.option_strings for word in sample(action)]
    options = [item for item in arguments_of(inner) if item.option_strings and item.dest not in ("help", "version", "run")]
    assert len(options) >= 12, "the flags that every verb has"
    groups = [[item.option_strings[-1], *sample(item)] for item in options]
    needed = [word for item, group in zip(options, groups, strict=True) if item.required for word in group]
    groups += [[f"{name}={values[0]}"] for name, *values in groups if values]
    words = [*verb, *operands]
    parser = build_parser(verb[0])
    for group in groups:
        expected = told([*verb, *group, *needed, *operands], parser)
        for at in range(len(words) + 1):
            written = [*words[:at], *group, *words[at:], *needed]
            assert (verb_of(written), told(written, parser)) == (verb[0], expected), written
    # All of them at once, dealt out between the words.
    plain = [group for group in groups if "=" not in group[0]]
    places = len(words) + 1
    dealt = [[*itertools.chain(*plain[at::places]), *words[at : at + 1]] for at in range(places)]
    assert told(list(itertools.chain(*dealt)), parser) == told([*words, *itertools.chain(*plain)], parser)


def test_what_a_dash_begins_may_be_an_operand() -> None:
    """After `--` everything is one, and a command after --run keeps its options."""
    words = ["--live", "rules", "lint", "--", "--odd.yaml", "-"]
    assert (told(words)["files"], told(words)["live"]) == (["--odd.yaml", "-"], True)
    words = ["demo", "--run", "cad-console", "status", "--scenario", "calm", "--keep"]
    found = told(words)
    assert (found["run"], found["keep"]) == (words[2:], False)
    assert told(["incident", "note", "3", "- it is back", "--corrects", "x"])["text"] == "- it is back"


def test_alertmanagers_are_repeated() -> None:
    """Each --alertmanager-url adds one peer."""
    arguments = build_parser("status").parse_args(
        ["status", "--alertmanager-url", "http://a", "--alertmanager-url", "http://b"]
    )
    assert arguments.alertmanager_url == ["http://a", "http://b"]


def test_a_config_error_is_one_line_and_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing starts: one line on stderr, nothing on stdout."""
    assert main(["status", "--prometheus-url", "nonsense"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert "flag --prometheus-url" in err


@pytest.mark.parametrize("words", [["nonsense"], ["status", "--nonsense"], ["--refresh", "often", "status"]])
def test_unknown_words_are_one_line_and_exit_code_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """An unknown verb or flag is named in one line."""
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_without_a_terminal_the_console_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    """In a pipe nothing is drawn: one line says what to use instead."""
    assert main(["--prometheus-url", "http://127.0.0.1:9"]) == 1
    assert "cad-console status" in capsys.readouterr().err


def test_output_that_nobody_takes_ends_without_a_traceback() -> None:
    """Also a short one, which is written at the end: 141 for a reader that has exited, 1 and the reason for a full disk."""
    code = "import sys; from console.cli.main import main; sys.exit(main(['journal']))"
    reader, writer = os.pipe()
    os.close(reader)
    for output, expected, reason in (
        (writer, 141, ""),
        (os.open("/dev/full", os.O_WRONLY), 1, "cad-console: the output cannot be written: No space left on device\n"),
    ):
        try:
            result = subprocess.run(
                [sys.executable, "-c", code],
                stdout=output,
                stderr=subprocess.PIPE,
                text=True,
                timeout=60,
                env={"HOME": "/nonexistent", "PATH": "/usr/bin:/bin", "USER": "you"},
                check=False,
            )
        finally:
            os.close(output)
        assert (result.returncode, result.stderr) == (expected, reason)


@pytest.mark.parametrize(
    ("words", "closed", "code", "output", "error"),
    [
        ("alerts --format json", "2>&-", 2, "[]\n", ""),
        ("act restart deployment/x", "<&-", 1, "", "cad-console: no terminal to confirm on; use --yes or --dry-run\n"),
        ("console", "<&-", 1, "", "cad-console: not a terminal; `cad-console status` prints a snapshot instead\n"),
        ("alerts --format json", ">&-", 2, "", None),
    ],
)
def test_a_closed_stream_is_the_null_device(
    tmp_path: Path, words: str, closed: str, code: int, output: str, error: str | None
) -> None:
    """With a closed standard error no error gets into the output; with a closed standard input there is no terminal."""
    program = "import sys; from console.cli.main import main; sys.exit(main(sys.argv[1:]))"
    result = subprocess.run(
        ["sh", "-c", f'exec "$@" {closed}', "sh", sys.executable, "-c", program, *words.split()],
        capture_output=True,
        text=True,
        timeout=60,
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "USER": "you"},
        check=False,
    )
    assert (result.returncode, result.stdout) == (code, output)
    assert error is None or result.stderr == error
