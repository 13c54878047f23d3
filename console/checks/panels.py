"""The verdict on one panel: a pure function of what was answered, the thresholds and the time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from queries.catalogue.error_code_series import CODE, group_samples_by_code
from queries.model.fault import FaultKind
from queries.model.panel import Aggregation, Contradiction, PanelResult, PanelSpec, PanelState, Range, Threshold, aggregate
from queries.model.series import Point, Sample
from queries.model.text import visible
from queries.model.verdict import Verdict
from queries.text.numbers import format_brief, format_brief_value
from queries.text.times import format_time

NOTE_PARTS = 3
"""How many series the remark at the end of a row names."""


def effective(spec: PanelSpec, told: Threshold) -> Threshold:
    """The panel's threshold, each line from the config where it says one."""
    return spec.threshold.override(told)


def compare(value: float, threshold: Threshold, *, below: bool, allowed: Range) -> Verdict:
    """A line is crossed by reaching it where large is bad, and by falling under it where small is bad. A value that is not
    possible is in doubt, on whichever side of the lines it lies.
    """

    def crossed(line: float | None) -> bool:
        return line is not None and (value < line if below else value >= line)

    if not math.isfinite(value):
        return Verdict.NO_DATA
    if not allowed.contains(value):
        return Verdict.IN_DOUBT
    if crossed(threshold.critical):
        return Verdict.CRITICAL
    return Verdict.WARN if crossed(threshold.warn) else Verdict.OK


def judge(
    spec: PanelSpec,
    threshold: Threshold,
    answer: PanelResult | None,
    *,
    taken_at: float,
    now: float,
    stale_after: float,
    unanswered: str = "no answer yet",
) -> PanelState:
    """What an answer means; never `ok` where the value is not known or not of now.

    `unanswered` is the sentence where there is no answer at all; `taken_at` and `now` are Unix seconds.
    """
    limits = effective(spec, threshold)
    if spec.broken:
        return PanelState(spec, Verdict.NO_DATA, limits, reason=spec.broken)
    if answer is None:
        return PanelState(spec, Verdict.NO_DATA, limits, query=spec.recorded or spec.raw, reason=unanswered)

    if spec.group_by == CODE:
        answer = replace(answer, samples=group_samples_by_code(answer.samples))

    def unknown(reason: str) -> PanelState:
        return PanelState(
            spec,
            Verdict.NO_DATA,
            limits,
            origin=answer.origin,
            query=answer.query,
            samples=answer.samples,
            trend=answer.trend,
            reason=reason,
            truncated=answer.truncated,
            basis=answer.basis,
            caveat=answer.caveat,
        )

    if answer.fault is not None:
        # Of a team's own panel it helps to know where its expression stands.
        place = f"{spec.place}: " if spec.place and answer.fault.kind is FaultKind.REJECTED else ""
        return unknown(f"{place}{answer.fault.sentence()}")
    known = [sample for sample in answer.samples if math.isfinite(sample.value)]
    if not answer.samples:
        return unknown(spec.no_data_reason or "the query gave no series")
    if not known:
        return unknown("the value is not a number: nothing was counted in the window (no traffic)")
    value = aggregate(spec.aggregation, [sample.value for sample in known])
    if value is None or not math.isfinite(value):
        return unknown("the sum of the series is too large to be a number")
    age = max(0.0, now - taken_at)
    verdict = compare(value, limits, below=spec.lower_is_worse, allowed=spec.allowed)
    boundless = next((sample for sample in answer.samples if math.isinf(sample.value)), None)
    if boundless is not None and verdict is Verdict.OK:
        return unknown(f"{_name(boundless, spec)} is infinite: errors without requests, or a broken expression")
    reason = _reason(value, verdict, limits, spec)
    doubt = _doubt(value, verdict, known, answer, spec)
    if doubt:
        verdict, reason = Verdict.IN_DOUBT, doubt
    if math.isnan(now) or math.isnan(taken_at) or age > stale_after:
        verdict = Verdict.STALE
        reason = unanswered if unanswered != "no answer yet" else "the last answer is too old"
    return PanelState(
        spec,
        verdict,
        limits,
        value=value,
        age_seconds=age,
        origin=answer.origin,
        query=answer.query,
        samples=answer.samples,
        trend=answer.trend,
        reason=reason,
        note="" if verdict is Verdict.IN_DOUBT and not answer.contradictions else _note(spec, answer, verdict, limits),
        truncated=answer.truncated,
        contradictions=answer.contradictions,
        basis=answer.basis,
        caveat=answer.caveat,
    )


def _doubt(value: float, verdict: Verdict, known: Sequence[Sample], answer: PanelResult, spec: PanelSpec) -> str:
    """Why the value cannot be believed, in one sentence; empty where it can.

    A series that is impossible beside a worse one that is not leaves the verdict of the worse one.
    """
    if answer.contradictions:
        return "; ".join(map(contradiction_sentence, answer.contradictions))
    if verdict is Verdict.IN_DOUBT:
        return f"{format_brief_value(value, spec.unit)} is not possible: {_range(spec)}"
    if verdict.rank < Verdict.IN_DOUBT.rank:
        odd = next((item for item in known if not spec.allowed.contains(item.value)), None)
        if odd is not None:
            return f"{_name(odd, spec)}: {format_brief_value(odd.value, spec.unit)} is not possible: {_range(spec)}"
    return ""


def contradiction_sentence(found: Contradiction) -> str:
    """`12 or 240: OCR failures in 5m, paddle, by requests with status="error" or by the error counter`."""
    whom = f", {visible(found.whom)}" if found.whom else ""
    says = f"by {visible(found.first.says)} or by {visible(found.second.says)}"
    return f"{_both(found)}: {visible(found.subject)}{whom}, {says}"


def _both(found: Contradiction) -> str:
    return f"{format_brief_value(found.first.value, found.unit)} or {format_brief_value(found.second.value, found.unit)}"


def _range(spec: PanelSpec) -> str:
    """What a value of the panel can be."""
    low, high = (
        format_brief_value(end, spec.unit) if math.isfinite(end) else "" for end in (spec.allowed.low, spec.allowed.high)
    )
    if low and high:
        return f"it lies between {low} and {high}"
    return f"it is at most {high}" if high else f"it is at least {low}"


def since(trend: Sequence[Point], line: float | None, *, below: bool) -> float | None:
    """When the trend crossed this line and stayed there, Unix seconds; None where it did not or began beyond it."""
    if line is None:
        return None
    crossed: float | None = None
    for at, value in reversed(trend):
        if not math.isfinite(value) or not (value < line if below else value >= line):
            return crossed
        crossed = at
    return None


def _reason(value: float, verdict: Verdict, limits: Threshold, spec: PanelSpec) -> str:
    line = limits.critical if verdict is Verdict.CRITICAL else limits.warn
    if line is None:
        return "no threshold is set" if limits.critical is None else f"within {format_brief_value(limits.critical, spec.unit)}"
    if verdict is Verdict.OK:
        return f"{'not under' if spec.lower_is_worse else 'under'} {format_brief_value(line, spec.unit)}"
    told, limit = format_brief_value(value, spec.unit), format_brief_value(line, spec.unit)
    return f"{told} is {'under' if spec.lower_is_worse else 'at or over'} {limit}"


def _note(spec: PanelSpec, answer: PanelResult, verdict: Verdict, limits: Threshold) -> str:
    if answer.contradictions and verdict is Verdict.IN_DOUBT:
        found = answer.contradictions[0]
        more = len(answer.contradictions) - 1
        words = (_both(found), visible(found.whom), visible(found.subject), f"{more} more" if more else "")
        return " · ".join(filter(None, words))
    samples = answer.samples
    parts: list[str] = []
    if verdict in (Verdict.WARN, Verdict.CRITICAL):
        line = limits.critical if verdict is Verdict.CRITICAL else limits.warn
        at = since(answer.trend, line, below=spec.lower_is_worse)
        if at is not None:
            parts.append(f"since {format_time(at, '%H:%M')}")
    if spec.group_by and samples:
        # In a count of things that are so, those that are not so say nothing.
        shown = [item for item in samples if item.value != 0.0] if spec.aggregation is Aggregation.SUM else samples
        worst = sorted(shown, key=lambda item: _badness(item, below=spec.lower_is_worse))
        told = [f"{_name(sample, spec)} {format_brief(sample.value)}" for sample in worst[:NOTE_PARTS]]
        # Who it is comes before since when: where there is room for one, that is the one.
        parts = [*told[:1], *parts, *told[1:]]
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
    said = sample.label(spec.group_by) if spec.group_by else ""
    name = visible(said) or visible(next((value for key, value in sample.labels if key != "__name__"), spec.title))
    # A code has the raw ones beside it.
    most = 40 if spec.group_by == CODE else 24
    return name if len(name) <= most else f"{name[: most - 1]}…"
