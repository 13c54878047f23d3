"""The supply chain's own judgement: a lock that drifted, an audit that asked nobody, and what is locked now."""

from __future__ import annotations

from importlib.metadata import distributions
from pathlib import Path

import outcome
import pytest
import security
from packaging.markers import default_environment
from packaging.requirements import Requirement

LOCK = "httpx==0.28.1 \\\n    --hash=sha256:aa\nmsgspec==0.22.0 \\\n    --hash=sha256:bb \\\n    --hash=sha256:cc\n"


def test_the_locks_are_up_to_date() -> None:
    """Every dependency of the program is locked with hashes at the version of the constraints: `make lock` after a change."""
    assert "dependencies" in security.lock()


@pytest.mark.parametrize(
    ("lock", "constraints", "wanted", "words"),
    [
        (LOCK, "httpx==0.28.1\n", ["httpx>=0.28,<1", "msgspec"], ""),
        (LOCK, "httpx==0.29.0\n", ["httpx"], "httpx is 0.28.1, the constraints have 0.29.0"),
        (LOCK, "", ["pyyaml>=6"], "pyyaml is not locked"),
        (LOCK + "idna==3.20\n", "", [], "idna==3.20 has no hash"),
    ],
)
def test_a_lock_that_drifted_is_found(lock: str, constraints: str, wanted: list[str], words: str) -> None:
    """A missing hash, another version and a missing dependency are each named; a sound lock has no fault."""
    assert "; ".join(security.lock_faults(lock, constraints, wanted)) == words


@pytest.mark.parametrize("system", ["linux", "darwin"])
@pytest.mark.parametrize("version", ["3.11.0", "3.11.2", "3.12.0", "3.13.0", "3.14.0"])
def test_the_locks_install_on_every_python(version: str, system: str) -> None:
    """What a locked distribution requires only on an older or newer Python than the one that wrote the lock is locked too:
    with hashes pip installs nothing else, and `make demo` ended with its error on Debian 12's Python 3.11.2."""
    locked = security.pins(security.TEST_LOCK.read_text(encoding="utf-8"))
    environment = {
        **default_environment(),
        "python_version": version.rpartition(".")[0],
        "python_full_version": version,
        "implementation_version": version,
        "sys_platform": system,
        "platform_system": system.capitalize(),
        "extra": "",
    }
    required = [
        (item.metadata["Name"], Requirement(text))
        for item in distributions()
        if security.canonical(item.metadata["Name"]) in locked
        for text in item.requires or ()
    ]
    assert len(required) > 100
    applies = [(name, each) for name, each in required if each.marker is None or each.marker.evaluate(environment)]
    assert [f"{name}: {each}" for name, each in applies if security.canonical(each.name) not in locked] == []


def test_everything_is_installed_by_hash() -> None:
    """Makefile, CI and image: no command could bring a distribution that is in no lock."""
    assert "by hash" in security.installs()


@pytest.mark.parametrize(
    "line",
    [
        "\t@.venv/bin/python -m pip install --constraint constraints.txt --editable '.[test]'",
        "RUN pip install --require-hashes -r requirements.lock",
        "RUN pip install --no-deps --no-build-isolation /src",
        "test -x x || { python -m venv x && x/bin/pip install --quiet pip-tools==7.6.2; }",
        "FLAGS := -m pip install --upgrade\n\t@python $(FLAGS) pip",
        "pip install --require-hashes \\\n  -r x.lock",
        "pipx install .",
        "npm install",
    ],
)
def test_an_install_without_hashes_is_found(line: str) -> None:
    """Constraints pin no bytes, a source archive builds with what it likes, and a variable hides nothing."""
    assert len(security.open_installs(line)) == 1


@pytest.mark.parametrize(
    "line",
    [
        "RUN pip install --require-hashes --only-binary :all: -r requirements.lock",
        "LOCKED := -m pip install --require-hashes --only-binary :all:\n\t@python $(LOCKED) -r x.lock",
        "pip install --no-index --no-deps --no-build-isolation /src && pip uninstall --yes pip",
        "# pipx install .",
        "apt-get install -y postgresql",
    ],
)
def test_a_locked_install_is_taken(line: str) -> None:
    """By hash and as wheels, or without any index; the distribution's own packages are its own."""
    assert security.open_installs(line) == []


def test_an_audit_that_could_not_look_up_is_not_passed() -> None:
    """Vulnerable fails, not looked up is NOT RUN, and only looked up and clean is ok."""
    clean = {"name": "a", "version": "1", "vulns": []}
    skipped = {"name": "b", "skip_reason": "not found"}
    bad = {"name": "c", "version": "1", "vulns": [{"id": "PYSEC-1"}]}
    assert "1 dependencies" in security.summarize_audit({"dependencies": [clean]})
    with pytest.raises(outcome.NotRun, match="1 of 2"):
        security.summarize_audit({"dependencies": [clean, skipped]})
    with pytest.raises(outcome.Failed, match="c 1: PYSEC-1"):
        security.summarize_audit({"dependencies": [clean, skipped, bad]})


def test_a_broken_check_has_not_passed() -> None:
    """A check that raises what nobody foresaw is FAILED, and the exit code is 1."""

    def broken() -> str:
        raise KeyError("x")

    (result,) = outcome.results((("x", broken),))
    assert result.status == "FAILED" and outcome.report((("x", broken),)) == 1
    assert outcome.report((("y", lambda: "fine"),)) == 0


@pytest.mark.parametrize(
    ("says", "expected"),
    [
        ("raise SSLError(e, request=request)", "NotRun"),
        ("TypeError: unexpected keyword", "Failed"),
    ],
)
def test_an_audit_that_breaks_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, says: str, expected: str) -> None:
    """Where pip-audit dies with a traceback it is not taken for a report: without a network it was not run, else it failed."""
    program = tmp_path / "pip-audit"
    program.write_text(f"#!/bin/sh\necho '{says}' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr(security, "TOOLS", tmp_path)
    with pytest.raises(Exception, match=r"network|unexpected keyword") as raised:
        security.vulnerabilities()
    assert type(raised.value).__name__ == expected
