"""The guard of a run in lines: its gates, its signals, what happens next and when, and every verdict."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from console.actions.guard.gates import HOW
from console.actions.guard.model import NO_ROLLBACK, GuardPhase, GuardResult, GuardStatus, GuardVerdict, SignalReading
from console.actions.plan import CheckLevel, PreflightCheck
from queries.model.panel import PanelState
from queries.text.durations import format_age, format_span
from queries.text.numbers import format_figure
from queries.text.times import format_clock
from widgets.styled_text import Line, text, wrap

_TONES = {GuardVerdict.OK: "ok", GuardVerdict.WORSE: "critical", GuardVerdict.UNKNOWN: "unknown"}
_WORDS = {GuardVerdict.OK: "ok", GuardVerdict.WORSE: "WORSE", GuardVerdict.UNKNOWN: "UNKNOWN"}
_RESULT_TONES = {GuardResult.KEPT: "ok", GuardResult.ROLLED_BACK: "warn"}
_TITLE_WIDTH = 18


def render_guard(
    status: GuardStatus, panels: Sequence[PanelState], checks: Sequence[PreflightCheck], *, now: float, width: int
) -> Iterable[Line]:
    """What happens next comes first, then a line for each signal, then the gates."""
    words, tone = describe_next(status, now)
    for part in wrap(text(words)[0], width - 2):
        yield ((f" {part}", tone),)
    states = {item.spec.id: item for item in panels}
    for reading in status.readings:
        yield _render_signal(reading, states.get(reading.signal.panel), width)
    gates = [item for item in checks if item.how == HOW]
    if gates:
        yield from _render_gates(gates, width)


def describe_next(status: GuardStatus, now: float) -> tuple[str, str]:
    """What the guard does next and when, in words, and their tone."""
    undo = status.undo or NO_ROLLBACK
    acts_at = status.acts_at
    left = f"{format_span(acts_at - now)} ({format_clock(acts_at)})" if acts_at is not None else ""
    match status.phase:
        case GuardPhase.COUNTDOWN:
            return f"ROLLS BACK IN {left}: {status.reason}; {undo}; s stops it, r does it now", "critical"
        case GuardPhase.UNDO:
            return f"ROLLING BACK: {status.reason}; {undo}", "critical"
        case GuardPhase.HOLD:
            then, key = ("rolls back", ", r rolls back") if status.undo else ("gives up", "")
            return f"HOLDING: a signal is unknown; {then} in {left} unless it is known again; s stops it{key}", "unknown"
        case GuardPhase.ENDED:
            result = status.result or GuardResult.UNKNOWN
            return f"guard ended: {result.value}", _RESULT_TONES.get(result, "critical")
    if status.drill and status.ends_at is not None:
        ends = f"in {format_age(max(0.0, status.ends_at - now))} ({format_clock(status.ends_at)})"
        return f"drill {status.drill}: rolls back {ends}, r rolls back now: {undo}", "warn"
    if status.ends_at is None:
        return f"guarded while the change is made; if it gets worse: {undo}", "dim"
    ends = f"in {format_age(max(0.0, status.ends_at - now))} ({format_clock(status.ends_at)})"
    return f"guarded: kept {ends} if its signals stay so; if it gets worse: {undo}", ""


def render_verdicts(status: GuardStatus, width: int) -> Iterable[Line]:
    """Each interval's verdict in words, oldest first; alike ones in a row are one line with their number."""
    if status.left_out:
        for part in wrap(f"{status.left_out} earlier verdicts left out; the journal has every change of verdict", width - 2):
            yield ((f" {part}", "dim"),)
    runs: list[tuple[float, GuardVerdict, str, int]] = []
    for at, verdict, words in status.verdicts:
        if runs and (runs[-1][1], runs[-1][2]) == (verdict, words):
            runs[-1] = (runs[-1][0], verdict, words, runs[-1][3] + 1)
        else:
            runs.append((at, verdict, words, 1))
    for at, verdict, words, count in runs:
        head = f" {format_clock(at)} {_WORDS[verdict]:<8}"
        times = f" ×{count}" if count > 1 else ""
        first, *rest = wrap(text(f"{words}{times}")[0], width - len(head) - 1)
        yield ((f" {format_clock(at)} ", "dim"), (f"{_WORDS[verdict]:<8}", _TONES[verdict]), (first, ""))
        for part in rest:
            yield ((" " * len(head), ""), (part, ""))


def _render_signal(reading: SignalReading, state: PanelState | None, width: int) -> Line:
    """` WORSE    Error ratio   8.00 %  0.30 % before, worse from 1.00 % on`."""
    signal, verdict = reading.signal, reading.verdict
    head = (
        (f" {_WORDS[verdict]:<8}", _TONES[verdict]),
        text(f"{(signal.title or signal.panel)[:_TITLE_WIDTH]:<{_TITLE_WIDTH}} "),
    )
    if state is None or reading.value is None or signal.before is None or signal.limit is None:
        return (*head, text(reading.text.partition(": ")[2][: max(0, width - _TITLE_WIDTH - 12)]))
    spec = state.spec
    value, before, limit = (
        format_figure(item, spec.unit, spec.decimals) for item in (reading.value, signal.before, signal.limit)
    )
    worse = f"worse under {limit}" if signal.below else f"worse from {limit} on"
    twin = f", twin {format_figure(reading.twin, spec.unit, spec.decimals)}" if reading.twin is not None else ""
    return (*head, (f"{value:>9}", "strong"), (f"  {before} before, {worse}{twin}", "dim"))


def _render_gates(gates: Sequence[PreflightCheck], width: int) -> Iterable[Line]:
    bad = [item for item in gates if item.level is not CheckLevel.OK]
    count = f" gates: {len(gates) - len(bad)} of {len(gates)} ok"
    if not bad:
        yield ((count, "dim"),)
        return
    for at, part in enumerate(wrap(text(f"{count}; {'; '.join(item.text for item in bad)}")[0].strip(), width - 2)):
        yield ((f" {part}", "warn" if at == 0 else "dim"),)
