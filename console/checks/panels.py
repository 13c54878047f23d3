"""Where a panel's verdict is decided: `evaluate_panel`, a pure function of its query result, the thresholds and the time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from queries.catalogue.error_code_series import CODE, group_samples_by_code
from queries.model.annotations import is_warning
from queries.model.fault import FaultKind
from queries.model.panel import Aggregation, Origin, PanelSpec, PanelState, Range, Threshold, Unit, aggregate, is_crossed
from queries.model.panel_result import Contradiction, PanelResult
from queries.model.series import Point, Sample
from queries.model.text import visible
from queries.model.verdict import Verdict
from queries.text.numbers import format_brief, format_brief_value
from queries.text.times import format_minute

_NO_RESULT = {
    "loki": "Loki counted no line: none was written, or the selector matches none (`or vector(0)` at its end makes that 0)"
}
"""What an empty result means, where it is not Prometheus'."""
NO_ANSWER, TOO_OLD = "no answer yet", "the last result is too old"
"""Why there is no value, or none of now, of a source that is not known to fail."""
NOTE_PARTS = 3
"""How many series the note at the end of a row names."""


def effective_threshold(spec: PanelSpec, configured: Threshold) -> Threshold:
    """The panel's threshold, overridden by the config."""
    return spec.threshold.override(configured)


def grade(value: float, threshold: Threshold, *, below: bool, allowed: Range) -> Verdict:
    """The worst threshold that the value crosses; an impossible value is in doubt, whichever side of them it is on."""
    if not math.isfinite(value):
        return Verdict.NO_DATA
    if not allowed.contains(value):
        return Verdict.IN_DOUBT
    if is_crossed(value, threshold.critical, lower_is_worse=below):
        return Verdict.CRITICAL
    return Verdict.WARN if is_crossed(value, threshold.warn, lower_is_worse=below) else Verdict.OK


def evaluate_panel(
    spec: PanelSpec,
    threshold: Threshold,
    answer: PanelResult | None,
    *,
    taken_at: float,
    now: float,
    stale_after: float,
    unanswered: str = "",
) -> PanelState:
    """What a result means; never `ok` if the value is unknown or outdated.

    `unanswered` says why its source has no current result; empty if it only has not answered yet. `taken_at` and `now` are Unix
    seconds.
    """
    limits = effective_threshold(spec, threshold)
    if spec.broken:
        return PanelState(spec, Verdict.NO_DATA, limits, reason=spec.broken)
    if answer is None:
        return PanelState(spec, Verdict.NO_DATA, limits, query=spec.recorded or spec.raw, reason=unanswered or NO_ANSWER)

    if spec.group_by == CODE:
        answer = replace(answer, samples=group_samples_by_code(answer.samples))

    build = partial(
        PanelState,
        spec,
        threshold=limits,
        origin=answer.origin,
        query=answer.query,
        samples=answer.samples,
        trend=answer.trend,
        trend_window=answer.trend_window,
        trend_sampled=answer.trend_sampled,
        truncated=answer.truncated,
        basis=answer.basis,
        caveat=answer.caveat,
        annotations=answer.annotations,
        partial=answer.partial,
    )

    def unknown(reason: str, *, failed: bool = False) -> PanelState:
        return build(verdict=Verdict.NO_DATA, reason=reason, note="partial" if answer.partial else "", failed=failed)

    if answer.fault is not None:
        # For a team's own panel, name the place of its expression.
        place = f"{spec.place}: " if spec.place and answer.fault.kind is FaultKind.REJECTED else ""
        return unknown(f"{place}{answer.fault.sentence()}", failed=answer.origin is not Origin.NONE)
    known = [sample for sample in answer.samples if math.isfinite(sample.value)]
    if answer.partial and not known:
        return unknown(f"partial: {visible(answer.partial)}")
    if not answer.samples:
        warning = next((text for text in answer.annotations if is_warning(text)), "")
        return unknown(visible(warning) or spec.no_data_reason or _NO_RESULT.get(spec.source, "Prometheus returned no series"))
    if not known:
        return unknown("the value is not a number: no events in the window (no traffic)")
    value = aggregate(spec.aggregation, [sample.value for sample in known])
    if value is None or not math.isfinite(value):
        return unknown("the sum of the series is too large for a number")
    age = now - taken_at
    verdict = grade(value, limits, below=spec.lower_is_worse, allowed=spec.allowed)
    infinite = next((sample for sample in answer.samples if math.isinf(sample.value)), None)
    if infinite is not None and verdict is Verdict.OK:
        return unknown(f"{_name(infinite, spec)} is infinite: errors without requests, or a broken expression")
    reason = _reason(value, verdict, limits, spec)
    caveat = _explain_doubt(value, verdict, known, answer, spec)
    if caveat:
        verdict, reason = Verdict.IN_DOUBT, caveat
    if not abs(age) <= stale_after:  # nobody knows the age of a result from the future: the clock was set back
        verdict = Verdict.STALE
        reason = unanswered or TOO_OLD
    return build(
        verdict=verdict,
        value=value,
        age_seconds=max(0.0, age),
        reason=reason,
        note=_note(spec, answer, verdict, limits),
        contradictions=answer.contradictions,
    )


def _explain_doubt(value: float, verdict: Verdict, known: Sequence[Sample], answer: PanelResult, spec: PanelSpec) -> str:
    """Why the value is in doubt, in one sentence; empty if it is not.

    A worse verdict from a plausible series outranks an impossible one.
    """
    if answer.partial:
        return f"partial: {visible(answer.partial)}"
    if answer.contradictions:
        return "; ".join(map(describe_contradiction, answer.contradictions))
    if verdict is Verdict.IN_DOUBT:
        return f"{format_brief_value(value, spec.unit)} is not possible: {_range(spec)}"
    warning = next((text for text in answer.annotations if is_warning(text)), "")
    if warning:
        return visible(warning)
    if verdict.rank < Verdict.IN_DOUBT.rank:
        impossible = next((item for item in known if not spec.allowed.contains(item.value)), None)
        if impossible is not None:
            value_text = format_brief_value(impossible.value, spec.unit)
            return f"{_name(impossible, spec)}: {value_text} is not possible: {_range(spec)}"
    return ""


def describe_contradiction(item: Contradiction) -> str:
    """`12 or 240: OCR failures in 5m, paddle, by requests with status="error" or by the error counter`."""
    whom = f", {visible(item.whom)}" if item.whom else ""
    says = f"by {visible(item.first.source)} or by {visible(item.second.source)}"
    return f"{_both_values(item)}: {visible(item.subject)}{whom}, {says}"


def _both_values(item: Contradiction) -> str:
    return f"{format_brief_value(item.first.value, item.unit)} or {format_brief_value(item.second.value, item.unit)}"


def _range(spec: PanelSpec) -> str:
    """The possible values of the panel."""
    low, high = (
        format_brief_value(end, spec.unit) if math.isfinite(end) else "" for end in (spec.allowed.low, spec.allowed.high)
    )
    if low and high:
        return f"it lies between {low} and {high}"
    return f"it is at most {high}" if high else f"it is at least {low}"


def crossed_at(trend: Sequence[Point], limit: float | None, *, below: bool) -> float | None:
    """When the trend crossed this limit to stay, Unix seconds; None if it did not, or was beyond it from the start."""
    if limit is None:
        return None
    crossed: float | None = None
    for at, value in reversed(trend):
        if not math.isfinite(value) or not is_crossed(value, limit, lower_is_worse=below):
            return crossed
        crossed = at
    return None


def describe_relation(verdict: Verdict, limits: Threshold, unit: Unit, *, below: bool) -> str:
    """`under 5 %`, `at or over 5 %`: how a value with this verdict relates to the threshold that decided; empty without one."""
    limit = limits.critical if verdict is Verdict.CRITICAL or limits.warn is None else limits.warn
    if limit is None:
        return ""
    crossed, within = ("under", "not under") if below else ("at or over", "under")
    return f"{within if verdict is Verdict.OK else crossed} {format_brief_value(limit, unit)}"


def _reason(value: float, verdict: Verdict, limits: Threshold, spec: PanelSpec) -> str:
    relation = describe_relation(verdict, limits, spec.unit, below=spec.lower_is_worse)
    if verdict is Verdict.OK or not relation:
        return relation or "no threshold is set"
    return f"{format_brief_value(value, spec.unit)} is {relation}"


def _note(spec: PanelSpec, answer: PanelResult, verdict: Verdict, limits: Threshold) -> str:
    if verdict is Verdict.IN_DOUBT and answer.partial:
        return "partial"
    if verdict is Verdict.IN_DOUBT and not answer.contradictions:
        return ""
    if answer.contradictions and verdict is Verdict.IN_DOUBT:
        first = answer.contradictions[0]
        more = len(answer.contradictions) - 1
        texts = (_both_values(first), visible(first.whom), visible(first.subject), f"{more} more" if more else "")
        return " · ".join(filter(None, texts))
    samples = answer.samples
    parts: list[str] = []
    if verdict in (Verdict.WARN, Verdict.CRITICAL):
        limit = limits.critical if verdict is Verdict.CRITICAL else limits.warn
        at = crossed_at(answer.trend, limit, below=spec.lower_is_worse)
        if at is not None:
            parts.append(f"since {format_minute(at)}")
    if spec.group_by and samples:
        # In a count of conditions, the ones that do not hold add nothing.
        shown = [item for item in samples if item.value != 0.0] if spec.aggregation is Aggregation.SUM else samples
        worst = sorted(shown, key=lambda item: _badness(item, below=spec.lower_is_worse))
        names = [f"{_name(sample, spec)} {format_brief(sample.value)}" for sample in worst[:NOTE_PARTS]]
        # The worst series comes before the time: on a narrow screen only the first part is visible.
        parts = [*names[:1], *parts, *names[1:]]
        if len(worst) > NOTE_PARTS:
            parts.append(f"+{len(worst) - NOTE_PARTS}{' or more' if answer.truncated else ''}")
    if answer.caveat is not None:
        parts.append(answer.caveat.word)
    return " · ".join(parts)


def _badness(sample: Sample, *, below: bool) -> tuple[int, float]:
    if math.isnan(sample.value):
        return (1, 0.0)
    return (0, sample.value if below else -sample.value)


def _name(sample: Sample, spec: PanelSpec) -> str:
    grouped_by = sample.label(spec.group_by) if spec.group_by else ""
    name = visible(grouped_by) or visible(next((value for key, value in sample.labels if key != "__name__"), spec.title))
    # An error code has its raw spellings beside it.
    width = 40 if spec.group_by == CODE else 24
    return name if len(name) <= width else f"{name[: width - 1]}…"
