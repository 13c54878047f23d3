"""`config` and `completion`, and what the command line suggests for a mistyped word."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from terminal import Terminal

from console.cli.completion import SHELLS, completion_script
from console.cli.main import main
from console.cli.parser import VERBS

PASSWORD = "-".join(("correct", "horse"))
CONFIG = f"""\
default_environment: staging
environments:
  staging:
    prometheus: http://ann:{PASSWORD}@127.0.0.1:9090/
  production:
    prometheus:
      url: http://127.0.0.1:9091
      http_config: {{bearer_token_file: absent.token}}
refresh: {{every: 3}}
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("PROMETHEUS_URL", "KUBECONFIG", "CAD_CONSOLE_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    path = tmp_path / "config.yaml"
    path.touch(mode=0o600)
    path.write_text(CONFIG)
    return path


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(words)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_show_names_each_value_and_its_origin(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`config show --origin` has the flag that overrides the file, the file's line, and no password."""
    code, out, _ = run(capsys, "config", "show", "--origin", "--config", str(file), "--theme", "light")
    rows = {line.split()[0]: line for line in out.splitlines()}
    assert code == 0
    assert "light" in rows["theme"] and "flag --theme" in rows["theme"]
    assert "http://127.0.0.1:9090" in rows["prometheus"] and "config file, line 4" in rows["prometheus"]
    assert PASSWORD not in out
    assert "grafana" not in rows  # what is not set, only with --all


def test_show_as_json(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The JSON has every setting, also those without a value."""
    code, out, _ = run(capsys, "config", "--format", "json", "--config", str(file))
    shown = json.loads(out)
    assert code == 0
    assert shown["environment"] == {"value": "staging", "origin": "config file, line 1"}
    assert shown["grafana"]["value"] == ""


def test_check_names_all_errors_of_a_file(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every value that does not fit the schema is named in one run, with file, line, key and what was meant."""
    file.write_text("environments:\n  prod:\n    prometheus: {url: 5}\n    kubernets: x\nthem: dark\n")
    code, out, _ = run(capsys, "config", "check", "--config", str(file))
    assert code == 2
    assert out.splitlines() == [
        f"ERROR {file}:3: environments.prod.prometheus.url: expected an http:// or https:// URL, found a number",
        f"ERROR {file}:4: environments.prod.kubernets: unknown key, did you mean 'kubernetes'?",
        f"ERROR {file}:5: them: unknown key, did you mean 'theme'?",
    ]


def test_check_loads_every_environment(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A token file that is missing in another environment than the default one is an error of the check."""
    code, out, _ = run(capsys, "config", "check", "--config", str(file))
    assert code == 2
    assert out.count("ERROR") == 1 and "environments.production" in out and "absent.token" in out
    (file.parent / "absent.token").touch(mode=0o600)
    code, out, _ = run(capsys, "config", "check", "--config", str(file))
    assert (code, out) == (0, f"{file}: ok\n")


def test_check_refuses_keys_that_no_binding_has(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`keys` names bindings by id; an id that none has would change nothing, so it is an error with a suggestion."""
    (file.parent / "absent.token").touch(mode=0o600)
    file.write_text(CONFIG + 'keys: {alert.silence: "Z", alert.silnce: "X"}\n')
    code, out, _ = run(capsys, "config", "check", "--config", str(file))
    assert code == 2
    assert out == "ERROR keys.alert.silnce: no key has this id; did you mean 'alert.silence'?\n"


def test_a_file_that_is_not_yaml(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The check of a file that does not parse names the line."""
    file.write_text("environments: [\n")
    code, out, _ = run(capsys, "config", "check", "--config", str(file))
    assert code == 2 and out.startswith(f"ERROR {file}:")


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["runbok"], "'runbok' is unknown: did you mean 'runbook'?"),
        (["status", "--formt", "json"], "unknown argument '--formt': did you mean '--format'?"),
        (["incident", "declare", "--text", "x"], "unknown argument '--text' here: --text belongs to incident update"),
        (["demo", "--scenario", "bad-deplay"], "'bad-deplay' is unknown: did you mean 'bad-deploy'?"),
        (["alerts", "acknowledge", "--format", "xml"], "'xml' is unknown: expected one of table, json, markdown"),
    ],
)
def test_a_mistyped_word_is_corrected(words: list[str], hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A mistyped verb, option or choice exits 2 with one line: the nearest name, or all of them if none is near."""
    with pytest.raises(SystemExit) as ended:
        main(words)
    error = capsys.readouterr().err
    assert ended.value.code == 2
    assert hint in error and error.count("\n") == 1


def test_bash_completes_verbs_options_and_choices(tmp_path: Path) -> None:
    """A real bash that has read the script completes a verb, a verb's option and an option's choice."""
    script = subprocess.run(
        [sys.executable, "-m", "console", "completion", "bash"], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    (tmp_path / "completion.bash").write_text(script)
    code = """
        source completion.bash
        for words in "cad-console stat" "cad-console demo --scen" "cad-console demo --scenario bad"; do
            COMP_WORDS=($words); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); COMPREPLY=()
            $(complete -p cad-console | sed -E 's/.*-F ([^ ]+) .*/\\1/') cad-console
            echo "${COMPREPLY[*]}"
        done
    """
    bash = shutil.which("bash")
    assert bash is not None
    done = subprocess.run([bash, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60)
    assert [line.strip() for line in done.stdout.splitlines()] == ["status", "--scenario", "bad-deploy"]


TYPED = ("cad-console stat", "cad-console demo --scen", "cad-console demo --scenario bad", "cad-console config che")
COMPLETED = (
    "cad-console status",
    "cad-console demo --scenario",
    "cad-console demo --scenario bad-deploy",
    "cad-console config check",
)


def test_fish_completes_verbs_options_and_choices(tmp_path: Path) -> None:
    """A real fish that has read the script completes a verb, an option, an option's choice and a verb's choice."""
    fish = shutil.which("fish")
    if fish is None:
        pytest.skip("fish is not installed")
    (tmp_path / "completion.fish").write_text(completion_script("fish"))
    code = "source completion.fish; " + "; ".join(f'complete -C "{line}"' for line in TYPED)
    done = subprocess.run(
        [fish, "--no-config", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60
    )
    proposed = [line.partition("\t")[0] for line in done.stdout.splitlines()]
    assert proposed == [line.split()[-1] for line in COMPLETED]


@pytest.mark.servers
def test_zsh_completes_verbs_options_and_choices(tmp_path: Path) -> None:
    """The same at the prompt of a real zsh, where the script is a function of its fpath."""
    zsh = shutil.which("zsh")
    if zsh is None:
        pytest.skip("zsh is not installed")
    (tmp_path / "_cad-console").write_text(completion_script("zsh"))
    (tmp_path / ".zshrc").write_text("fpath=($ZDOTDIR $fpath); autoload -Uz compinit; compinit -u -D; PS1='READY '\n")
    with Terminal([zsh, "-d", "-i"], env={**os.environ, "ZDOTDIR": str(tmp_path)}, columns=120) as terminal:
        terminal.wait_for("READY")
        for typed, completed in zip(TYPED, COMPLETED, strict=True):
            terminal.send(f"\x15{typed}\t")
            terminal.wait_for(f"READY {completed}", seconds=10)


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_gets_every_verb(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The script of each shell has every verb."""
    code, out, _ = run(capsys, "completion", shell)
    assert code == 0 and VERBS
    assert not [verb.name for verb in VERBS if verb.name not in out]
