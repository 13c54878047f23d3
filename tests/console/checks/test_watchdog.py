"""The dead-man's switch: told of only where it fires in Prometheus and does not arrive, or should fire and does not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.checks.result import Result
from console.checks.watchdog import ARRIVES_WITHIN_SECONDS, Partition, WatchdogState, check, skip, watchdog_state
from queries.model.alert import Alert, AlertRule, AlertState

NOW = 1_800_000_000.0
RULE = AlertRule("Watchdog", "vector(1)", 0.0, (), (), "firing", "ok")


def beat(at: float = NOW - 3600.0, state: AlertState = AlertState.ACTIVE, name: str = "Watchdog") -> Alert:
    return Alert("f", state, (("alertname", name), ("severity", "info")), starts_at=at)


def found(
    *, rule: AlertRule | None = RULE, fired: tuple[Alert, ...] = (), arrived: tuple[Alert, ...] = ()
) -> WatchdogState | None:
    return watchdog_state("Watchdog", (rule,) if rule else (), fired, arrived)


def test_one_that_fires_and_has_not_arrived_after_a_minute_and_a_half_is_told_in_one_sentence() -> None:
    """The sentence names the alert, what it means for the list, and where to look; a moment before it says nothing."""
    lost = found(fired=(beat(NOW),))
    assert lost is not None
    assert lost.warning(NOW + ARRIVES_WITHIN_SECONDS) == ""
    told = lost.warning(NOW + ARRIVES_WITHIN_SECONDS + 1.0)
    assert told == (
        "Watchdog does not reach Alertmanager, so an empty alert list is not reliable: "
        "check `alerting` in the Prometheus configuration"
    )


def test_one_that_waits_for_its_rule_has_not_been_sent_yet() -> None:
    """Prometheus sends it once it was pending for the rule's `for`: until a minute and a half after that it is not late."""
    rule = replace(RULE, for_seconds=300.0)
    lost = found(rule=rule, fired=(beat(NOW),))
    assert lost is not None
    assert lost.warning(NOW + 300.0 + ARRIVES_WITHIN_SECONDS) == ""
    assert "does not reach Alertmanager" in lost.warning(NOW + 301.0 + ARRIVES_WITHIN_SECONDS)
    assert check("Watchdog", lost, now=NOW + 301.0).text == "Watchdog has been firing for 1s and has not arrived yet"


@pytest.mark.parametrize("state", [AlertState.ACTIVE, AlertState.SUPPRESSED])
def test_one_that_arrived_is_not_told_of(state: AlertState) -> None:
    """Also where somebody silenced it: the way is open, and that is what it is for."""
    there = found(fired=(beat(),), arrived=(beat(state=state),))
    assert there is not None and there.warning(NOW) == ""


def test_the_watchdog_of_another_cluster_proves_nothing() -> None:
    """Two clusters share an Alertmanager, and ours is cut off from it: only the instance that has our labels has arrived."""
    ours = replace(beat(), sent_labels=(("alertname", "Watchdog"), ("cluster", "prod"), ("severity", "info")))
    there = [replace(beat(), labels=(("alertname", "Watchdog"), ("cluster", name))) for name in ("staging", "prod")]
    lost, both = found(fired=(ours,), arrived=(there[0],)), found(fired=(ours,), arrived=tuple(there))
    assert lost is not None and "does not reach Alertmanager" in lost.warning(NOW)
    assert check("Watchdog", lost, now=NOW).result is Result.FAILED
    assert both is not None and both.warning(NOW) == "" and check("Watchdog", both, now=NOW).result is Result.PASSED


def test_a_rule_that_was_evaluated_and_does_not_fire_is_told() -> None:
    """`ok` or `err` without an instance: the switch itself is broken; not evaluated yet, and pending, are not."""
    for health, broken in (("ok", True), ("err", True), ("unknown", False), ("", False)):
        silent = found(rule=replace(RULE, health=health, state="inactive"))
        assert silent is not None
        assert bool(silent.warning(NOW)) is broken and ("does not fire" in silent.warning(NOW)) is broken
    waiting = found(fired=(beat(state=AlertState.PENDING),))
    assert waiting is not None and waiting.warning(NOW) == ""


def test_without_the_rule_nothing_is_claimed() -> None:
    """A platform without a dead-man's switch gets neither doubt nor assurance."""
    assert found(rule=None) is None
    assert check("Watchdog", None, now=NOW).result is Result.NOTED
    assert "no rule Watchdog" in check("Watchdog", None, now=NOW).text


def test_the_self_check_tells_arrived_lost_and_too_early_apart() -> None:
    """Arrived passes, lost fails with the sentence, and one that fires for seconds is neither."""
    arrived = check("Watchdog", found(fired=(beat(),), arrived=(beat(),)), now=NOW)
    lost = check("Watchdog", found(fired=(beat(),)), now=NOW)
    early = check("Watchdog", found(fired=(beat(NOW - 20.0),)), now=NOW)
    assert [item.result for item in (arrived, lost, early)] == [Result.PASSED, Result.FAILED, Result.NOTED]
    assert "is not reliable" in lost.text and "has been firing for 20" in early.text and lost.area == "alertmanager"
    assert skip("no Alertmanager").result is Result.SKIPPED


def test_it_is_set_apart_from_all_other_alerts_by_its_name_alone() -> None:
    """Its instances leave the list, whatever their severity; without a name nothing does."""
    alerts = (beat(), beat(name="HighErrorRate"))
    assert Partition("Watchdog")(alerts) == (alerts[:1], alerts[1:])
    assert Partition("")(alerts) == ((), alerts)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(st.sampled_from(("Watchdog", "A", "B", "")), max_size=6), min_size=2, max_size=6))
def test_it_is_set_apart_wherever_it_stands_in_the_next_list(lists: list[list[str]]) -> None:
    """One list after the other, each of the same objects in any order, gives what each gives alone."""
    objects = {name: beat(name=name) for name in ("Watchdog", "A", "B", "")}
    parts = Partition("Watchdog")
    found = [[[item.name for item in part] for part in parts(tuple(objects[name] for name in names))] for names in lists]
    assert found == [
        [[name for name in names if name == "Watchdog"], [name for name in names if name != "Watchdog"]] for names in lists
    ]
