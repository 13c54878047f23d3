"""From an alert to the fields of the silence dialog and on to the request."""

from __future__ import annotations

from dataclasses import replace

from screen_samples import HOSTILE, NOW, snapshot, tracked

from console.screens.flows.silence_form import duration_hint, request_of, wish_of
from console.screens.messages import SilenceRequested
from queries.model.matcher import parse_matchers
from queries.model.text import visible
from widgets.dialogs.silence import SilenceForm


def test_the_prefilled_matchers_match_the_alert_whatever_its_labels_hold() -> None:
    """Also labels with quotes, newlines, escape sequences and markup: the field can be typed and still matches."""
    item = tracked("HighErrorRate", "critical", evil=HOSTILE, quote='a"b\\c')
    wish = wish_of(SilenceRequested(alert=item), now=NOW)
    assert visible(wish.matchers) == wish.matchers
    matchers = parse_matchers(wish.matchers)
    assert matchers
    assert all(matcher.matches(item.alert.labels) for matcher in matchers)
    assert not all(matcher.matches(tracked("HighErrorRate", "critical").alert.labels) for matcher in matchers)


def test_editing_keeps_the_id_and_the_time_that_is_left() -> None:
    """A silence that is changed keeps its matchers; the duration counts from now."""
    silence = snapshot().silences[0]
    event = SilenceRequested(silence=silence)
    wish = wish_of(event, now=NOW)
    assert wish == SilenceForm('alertname="CacheHitRateLow"', "2h0m", "cache is being rebuilt")
    request = request_of(wish, event, before=wish)
    assert request.action == "silence"
    assert "duration" not in request.parameters, "an end that nobody touched stays to the second"
    longer = replace(wish, duration="4h")
    assert request_of(longer, event, before=wish).parameters["duration"] == "4h"
    assert request.parameters["id"] == silence.id


def test_the_duration_of_a_scheduled_silence_counts_from_its_start() -> None:
    """What has not begun is not begun by a change: the field shows its length, and says from when on it counts."""
    silence = replace(snapshot().silences[0], state="pending", starts_at=NOW + 3600, ends_at=NOW + 3 * 3600)
    event = SilenceRequested(silence=silence)
    assert wish_of(event, now=NOW).duration == "2h0m"
    assert duration_hint(event).startswith("from its start")
