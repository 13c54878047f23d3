"""Which scenarios of the demo have a tour."""

from __future__ import annotations

from console.cli.demo import has_tour
from console.demo.guard import without_release
from console.demo.scenarios import SCENARIOS, scenario


def test_only_what_fires_and_is_fixed_has_a_tour() -> None:
    """Before its release, which `--guard` opens the demo with, nothing fires: the tour waited for an alert without a name."""
    toured = [item for item in SCENARIOS if has_tour(item)]
    assert "bad-deploy" in {item.name for item in toured}
    assert all(item.alert and item.remedy for item in toured)
    assert not has_tour(without_release(scenario("bad-deploy")))
