"""From an alert to the silence form, and on to the request."""

from __future__ import annotations

from dataclasses import replace

from screen_samples import HOSTILE, NOW, snapshot, tracked

from console.screens.flows.silence import build_request, duration_hint, fill_form
from console.screens.messages import EditSilenceRequested, SilenceAlertRequested
from queries.model.matcher import parse_matchers
from queries.model.text import visible
from widgets.dialogs.silence import SilenceForm


def test_the_prefilled_matchers_match_the_alert_whatever_its_labels_contain() -> None:
    """Labels with quotes, newlines, escape sequences and markup too: the field can be typed and still matches."""
    item = tracked("HighErrorRate", "critical", evil=HOSTILE, quote='a"b\\c')
    form = fill_form(SilenceAlertRequested(item), now=NOW)
    assert visible(form.matchers) == form.matchers
    matchers = parse_matchers(form.matchers)
    assert matchers
    assert all(matcher.matches(item.alert.labels) for matcher in matchers)
    assert not all(matcher.matches(tracked("HighErrorRate", "critical").alert.labels) for matcher in matchers)


def test_editing_keeps_the_id_and_the_remaining_time() -> None:
    """An edited silence keeps its matchers; the duration counts from now."""
    silence = snapshot().silences[0]
    event = EditSilenceRequested(silence)
    form = fill_form(event, now=NOW)
    assert form == SilenceForm('alertname="CacheHitRateLow"', "2h", "cache is being rebuilt")
    request = build_request(form, event, initial=form)
    assert request.action == "silence"
    assert "duration" not in request.parameters, "an end that nobody touched stays to the second"
    longer = replace(form, duration="4h")
    assert build_request(longer, event, initial=form).parameters["duration"] == "4h"
    assert request.parameters["id"] == silence.id


def test_the_duration_of_a_scheduled_silence_counts_from_its_start() -> None:
    """Editing does not start a pending silence: the field shows its length, and the hint says from when it counts."""
    silence = replace(snapshot().silences[0], state="pending", starts_at=NOW + 3600, ends_at=NOW + 3 * 3600)
    event = EditSilenceRequested(silence)
    assert fill_form(event, now=NOW).duration == "2h"
    assert duration_hint(event).startswith("from its start")
