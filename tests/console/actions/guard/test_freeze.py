"""A guarded change in a freeze of the environment: refused, overruled on record, or only warned of."""

from __future__ import annotations

from dataclasses import replace

import pytest
from action_bench import Bench, outcome
from guard_bench import BRIEF, Signals

from console.actions.plan import CheckLevel, Outcome, Preview
from console.config.freeze import Freeze
from console.state.journal_text import event_text

NODE = "node/node-1"
ALWAYS = Freeze("2020-01-01", "2099-01-01", "year-end closing")
OVER = Freeze("2020-01-01", "2021-01-01", "over")


def freeze_lines(preview: Preview) -> list[tuple[CheckLevel, str]]:
    return [(item.level, item.text) for item in preview.checks if "froze" in item.text or "freeze" in item.text]


async def test_a_freeze_refuses_a_guarded_change(bench: Bench) -> None:
    """The preview says until when and why, and nothing is sent."""
    bench.settings = replace(bench.settings, freezes=(OVER, ALWAYS))
    result, text = outcome(await bench.act("cordon", NODE, guard=BRIEF, source=Signals(bench.journal)))
    assert result is Outcome.REFUSED
    assert "frozen until Thu 1 Jan" in text and "year-end closing; to change something all the same" in text
    assert bench.writes() == []


async def test_a_drill_in_a_freeze_offers_no_way_round(bench: Bench) -> None:
    """A drill has no reason to overrule a freeze, so the refusal names no flag for one."""
    bench.settings = replace(bench.settings, freezes=(ALWAYS,))
    guard = replace(BRIEF, signals=(), drill="d1")
    result, text = outcome(await bench.act("cordon", NODE, guard=guard, source=Signals(bench.journal)))
    assert result is Outcome.REFUSED
    assert "year-end closing; no drill during a freeze" in text and "--overrule" not in text


async def test_who_overrules_a_freeze_says_why_on_record(bench: Bench) -> None:
    """With a reason the change is made; the journal has the reason, and the preview shows both."""
    bench.settings = replace(bench.settings, freezes=(ALWAYS,))
    why = {"overrule": "hotfix of the login"}
    steps = await bench.act("cordon", NODE, guard=BRIEF, source=Signals(bench.journal), request=why)
    assert outcome(steps)[0] is Outcome.DONE
    ((level, text),) = freeze_lines(bench.previews[0])
    assert level is CheckLevel.WARN and text.endswith("year-end closing; overruled: hotfix of the login")
    assert bench.journal is not None
    (intent,) = bench.journal.events(kinds=("action.intent",))
    assert intent.data["overrule"] == "hotfix of the login"
    assert "(freeze overruled: hotfix of the login)" in event_text(intent)


@pytest.mark.parametrize(("freeze", "guarded", "found"), [
    (replace(ALWAYS, refuses=False), True, CheckLevel.WARN),
    (ALWAYS, False, CheckLevel.WARN),
    (OVER, True, CheckLevel.OK),
])  # fmt: skip
async def test_what_a_freeze_does_not_refuse(bench: Bench, freeze: Freeze, guarded: bool, found: CheckLevel) -> None:
    """One that only warns, an unguarded change, and a freeze that is over let the change through and say so."""
    bench.settings = replace(bench.settings, freezes=(freeze,))
    guard = BRIEF if guarded else None
    assert outcome(await bench.act("cordon", NODE, guard=guard, source=Signals(bench.journal)))[0] is Outcome.DONE
    assert [level for level, _ in freeze_lines(bench.previews[0])] == [found]


async def test_a_roll_back_in_a_freeze_is_not_held_up(bench: Bench) -> None:
    """A freeze that begins while the guard watches does not keep the guard from rolling the change back."""
    signals = Signals(bench.journal)
    bench.settings = replace(bench.settings, freezes=(ALWAYS,))
    signals.on_read = lambda count: signals.values.update(error_ratio=8.0) if count > 2 else None
    steps = await bench.act("cordon", NODE, guard=BRIEF, source=signals, request={"overrule": "hotfix"})
    assert outcome(steps)[0] is Outcome.ROLLED_BACK
