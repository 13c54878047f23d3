"""What has to hold before a guarded change: pure functions of what the console read."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from console.actions.guard.model import GuardOptions
from console.actions.guard.signals import BEFORE_SECONDS, describe_unknown
from console.actions.plan import CheckLevel, PreflightCheck
from console.checks.result import CheckResult, Result
from console.config.freeze import Freeze
from console.config.settings import QuietHours, Settings
from console.journal.payloads import GuardSignal
from console.state.guards import GuardRecord
from console.state.incident import Incident
from queries.model.frozen import dataclass
from queries.model.panel import PanelState
from queries.model.text import visible
from queries.model.verdict import Verdict
from queries.text.durations import format_duration
from queries.text.times import due_today, format_local, local_minute

HOW = "gate"
_REASON = "to change something all the same, give your reason (--overrule)"
_NO_DRILL = "no drill during a freeze"
_RULES, _CONTRACT = ("rules", "recording"), ("contract", "mapping")
_CAPACITY = ("cpu", "memory")
_BUDGET = "error_budget"
_SHOWN = 2


@dataclass(frozen=True, slots=True)
class GateFacts:
    """What the gates look at. `checks` is the whole self-check, empty with `checks_error` if it could not be run; `panels` are
    the overview's; with `incidents_error` more incidents may be open than are known.
    """

    checks: tuple[CheckResult, ...] = ()
    checks_error: str = ""
    panels: tuple[PanelState, ...] = ()
    incidents: tuple[Incident, ...] = ()
    incidents_error: str = ""


def check_gates(
    facts: GateFacts, settings: Settings, *, now: float, overrule: str = "", drill: bool = False
) -> tuple[PreflightCheck, ...]:
    """Every gate in one order. One that fails asks for its word; a freeze blocks unless `overrule` says why it has to be; one
    that could not be checked warns and says so.
    """
    return (
        *_check_areas(facts),
        _check_budget(facts.panels),
        *_check_capacity(facts.panels),
        *check_freezes(settings.freezes, overrule, now=now, hint=_NO_DRILL if drill else _REASON),
        *_check_quiet_hours(settings.notify.quiet, now),
        *_check_incidents(facts.incidents, facts.incidents_error),
    )


def check_others(others: Sequence[GuardRecord], error: str, target: str) -> PreflightCheck:
    """Whether another guard watches this target: two would judge each other's change. Without a target none was compared."""
    if others:
        first = others[0]
        text = f"{first.author} guards {first.start.target} since another change: {first.title}; wait for its end, or stop it"
        return PreflightCheck(CheckLevel.BLOCK, text, HOW)
    if error:
        return PreflightCheck(CheckLevel.WARN, f"could not check for guards of other consoles: {error}", HOW, unknown=True)
    if not target:
        return PreflightCheck(CheckLevel.WARN, "not checked: other guards, no --target", HOW, unknown=True)
    return PreflightCheck(CheckLevel.OK, "no other guard watches it", HOW)


def check_signals(
    options: GuardOptions,
    signals: Sequence[GuardSignal],
    states: Sequence[PanelState],
    known: Iterable[str],
    *,
    alone: Collection[str] = (),
) -> tuple[PreflightCheck, ...]:
    """Whether each signal can be judged: a value before the change, and not a bad one. `alone` are the panels with a value now
    and no history.
    """
    found, names = [], set(known)
    for name in options.signals:
        state = next((item for item in states if item.spec.id == name), None)
        signal = next((item for item in signals if item.panel == name), None)
        if state is None or signal is None:
            choices = ", ".join(sorted(names))
            found.append(PreflightCheck(CheckLevel.BLOCK, f"there is no signal {name}; known: {choices}", HOW))
        elif state.spec.source == "kubernetes":
            text = f"{state.spec.title} counts ready pods, which has no worse direction; name other signals (--signals)"
            found.append(PreflightCheck(CheckLevel.BLOCK, text, HOW))
        elif signal.before is None:
            text = f"{state.spec.title}: {describe_unknown(state)}: a guard cannot judge it; name others (--signals)"
            found.append(PreflightCheck(CheckLevel.BLOCK, text, HOW))
        else:
            title = state.spec.title
            if signal.bad_before:
                text = f"{title} is bad already: {state.reason}; only what is worse than that counts against the change"
                found.append(PreflightCheck(CheckLevel.WARN, text, HOW))
            if name in alone:
                before = format_duration(BEFORE_SECONDS)
                text = f"{title}: no value of the {before} before is known: its limit follows from the value now alone"
                found.append(PreflightCheck(CheckLevel.WARN, text, HOW))
    return tuple(found)


def check_freezes(
    freezes: Sequence[Freeze], overrule: str, *, now: float, guarded: bool = True, hint: str = _REASON
) -> tuple[PreflightCheck, ...]:
    """Whether nothing may be deployed now. Without a guard it only warns: what brings back an older state must not wait."""
    active = [(item, ends_at) for item in freezes if (ends_at := item.ends_at(now)) is not None]
    if not active:
        return (PreflightCheck(CheckLevel.OK, "no freeze now", HOW),) if freezes and guarded else ()
    checks = []
    for item, ends_at in active:
        text = f"frozen until {format_local(ends_at, now=now)}: {visible(item.reason)}"
        if overrule:
            checks.append(PreflightCheck(CheckLevel.WARN, f"{text}; overruled: {visible(overrule)}", HOW))
        elif item.refuses and guarded:
            text = f"{text}; {hint}"
            checks.append(PreflightCheck(CheckLevel.BLOCK, text, HOW))
        else:
            checks.append(PreflightCheck(CheckLevel.WARN, text, HOW if guarded else "freeze"))
    return tuple(checks)


def _check_areas(facts: GateFacts) -> tuple[PreflightCheck, ...]:
    if facts.checks_error:
        return (
            PreflightCheck(
                CheckLevel.WARN, f"not checked: self-check, contract and rules: {facts.checks_error}", HOW, unknown=True
            ),
        )
    others = {item.area for item in facts.checks} - {*_RULES, *_CONTRACT}
    return (
        _check_area("self-check", facts.checks, tuple(others)),
        _check_area("contract", facts.checks, _CONTRACT),
        _check_area("rules", facts.checks, _RULES),
    )


def _check_area(name: str, checks: Sequence[CheckResult], areas: Sequence[str]) -> PreflightCheck:
    own = [item for item in checks if item.area in areas]
    failed = [item for item in own if item.result is Result.FAILED]
    if failed:
        shown = "; ".join(f"{item.area} {item.name}: {item.text}" for item in failed[:_SHOWN])
        more = f"; {len(failed) - _SHOWN} more" if len(failed) > _SHOWN else ""
        return PreflightCheck(CheckLevel.ASK, f"{name} failed: {shown}{more}: type {name}", HOW, name)
    passed = [item for item in own if item.result is Result.PASSED]
    if not passed:
        why = f": {own[0].text}" if own else ""
        return PreflightCheck(CheckLevel.WARN, f"not checked: {name}{why}", HOW, unknown=True)
    return PreflightCheck(CheckLevel.OK, f"{name}: {len(passed)} checks passed", HOW)


def _check_budget(panels: Sequence[PanelState]) -> PreflightCheck:
    budget = next((item for item in panels if item.spec.id == _BUDGET), None)
    if budget is None or not budget.verdict.known or budget.value is None:
        why = f"{budget.verdict.word}, {budget.reason}" if budget else "it is not read"
        return PreflightCheck(CheckLevel.WARN, f"error budget not known: {why}", HOW, unknown=True)
    text = f"error budget: {budget.value:.1f} % left"
    if budget.verdict is Verdict.CRITICAL:
        return PreflightCheck(CheckLevel.ASK, f"{text}: releases are frozen; type freeze", HOW, "freeze")
    return PreflightCheck(CheckLevel.OK if budget.verdict is Verdict.OK else CheckLevel.WARN, text, HOW)


def _check_capacity(panels: Sequence[PanelState]) -> tuple[PreflightCheck, ...]:
    """Room on nodes and quotas are the action's own checks; this is what the platform uses now."""
    found = [item for item in panels if item.spec.id in _CAPACITY]
    full = [item for item in found if item.verdict is Verdict.CRITICAL]
    if full:
        text = "; ".join(f"{item.spec.title}: {item.reason}" for item in full)
        return (PreflightCheck(CheckLevel.ASK, f"no capacity left: {text}: type capacity", HOW, "capacity"),)
    unknown = [item for item in found if not item.verdict.known]
    if unknown or not found:
        text = "; ".join(f"{item.spec.title} {item.verdict.word}, {item.reason}" for item in unknown) or "it is not read"
        return (PreflightCheck(CheckLevel.WARN, f"capacity not known: {text}", HOW, unknown=True),)
    text = ", ".join(f"{item.spec.title} {item.verdict.word}" for item in found)
    return (PreflightCheck(CheckLevel.OK, f"capacity: {text}", HOW),)


def _check_quiet_hours(quiet: QuietHours | None, now: float) -> tuple[PreflightCheck, ...]:
    if quiet is None:
        return ()
    if not quiet.contains(local_minute(now)):
        return (PreflightCheck(CheckLevel.OK, "no quiet hours now", HOW),)
    end = f"{quiet.end_minute // 60:02}:{quiet.end_minute % 60:02}"
    ends = [format_local(at) for day in (now, now + 86_400.0) if (at := due_today(end, day)) is not None and at > now]
    text = f"quiet hours until {ends[0] if ends else end}: guard notifications may go unnoticed"
    return (PreflightCheck(CheckLevel.WARN, text, HOW),)


def _check_incidents(incidents: Sequence[Incident], error: str) -> tuple[PreflightCheck, ...]:
    if not incidents:
        text = f"could not check for open incidents: {error}"
        return (PreflightCheck(CheckLevel.WARN, text, HOW, unknown=True),) if error else ()
    first = incidents[0]
    text = f"incident {first.number} {first.severity} is open: its effect on the signals would count against the change"
    return (PreflightCheck(CheckLevel.WARN, text, HOW),)
