"""The flags of a guard, without starting anything."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest
from action_bench import settings_for

from console.actions.guard.model import GuardOptions
from console.cli import act
from console.config.errors import ConfigError


def test_the_flags_of_a_guard() -> None:
    """Each flag needs `--guard`; `off` is no guard; `image` has one by default only where the environment is protected."""
    parser = argparse.ArgumentParser()
    act.add(parser)

    def read(*words: str, action: str = "scale", protected: bool = True) -> GuardOptions | None:
        arguments = parser.parse_args([action, "deployment/x", *words])
        return act.read_guard(arguments, settings_for(Path(), None, protected=protected))

    assert read() is None
    assert read(action="image") == GuardOptions()
    assert read(action="image", protected=False) is None
    assert read("--guard", "off", action="image") is None
    assert read("--guard", "5m", "--signals", "cpu", "--hold", "30s") == GuardOptions(300.0, ("cpu",), 30.0)
    for wrong in (("--signals", "cpu"), ("--guard", "soon"), ("--guard", "5m", "--hold", "x")):
        with pytest.raises(ConfigError):
            read(*wrong)
