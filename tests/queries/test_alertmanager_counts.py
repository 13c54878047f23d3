"""What an Alertmanager's metrics prove of its list of alerts, and what they do not."""

from __future__ import annotations

import pytest

from queries.alertmanager_counts import ListProof

NOW = 1_800_000_000.0
METRICS = """\
# HELP alertmanager_alerts How many alerts by state.
alertmanager_alerts{state="active"} 2
alertmanager_alerts{state="suppressed"} 0
alertmanager_alerts_received_total{status="firing",version="v2"} 5000
alertmanager_alerts_received_total{status="resolved",version="v2"} 0
alertmanager_config_hash 1.04e+14
alertmanager_config_last_reload_success_timestamp_seconds 1.79e+09
alertmanager_silences{state="active"} 0
alertmanager_silences{state="expired"} 7
go_goroutines 61
process_start_time_seconds 1.79e+09
"""


def settled(*, ends_at: float = NOW + 240.0, metrics: str = METRICS) -> ListProof:
    """The counts since NOW, and a list that was read two seconds later."""
    proof = ListProof()
    for second in range(3):
        assert not proof.holds(metrics.encode(), NOW + second)
        proof.note_list(NOW + second, ends_at=ends_at)
    return proof


def test_the_list_holds_while_nothing_is_counted() -> None:
    """For half a minute; what else the server measures does not matter."""
    proof = settled()
    for second in range(3, 32):
        assert proof.holds(METRICS.replace("goroutines 61", f"goroutines {second}").encode(), NOW + second)
    assert not proof.holds(METRICS.encode(), NOW + 32.0)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('status="firing",version="v2"} 5000', 'status="firing",version="v2"} 5001'),
        ('status="resolved",version="v2"} 0', 'status="resolved",version="v2"} 1'),
        ('alerts{state="active"} 2', 'alerts{state="active"} 1'),
        ('silences{state="active"} 0', 'silences{state="active"} 1'),
        ('silences{state="expired"} 7', 'silences{state="expired"} 6'),
        ("hash 1.04e+14", "hash 1.05e+14"),
        ("timestamp_seconds 1.79e+09", "timestamp_seconds 1.8e+09"),
        ("start_time_seconds 1.79e+09", "start_time_seconds 1.8e+09"),
    ],
)
def test_each_count_ends_the_proof(before: str, after: str) -> None:
    """Until a list was read two seconds after the counts changed: an alert is counted before it is stored."""
    proof = settled()
    moved = METRICS.replace(before, after).encode()
    assert moved != METRICS.encode()
    held = []
    for tenth in range(0, 40, 5):
        now = NOW + 5.0 + tenth / 10
        held.append(proof.holds(moved, now))
        proof.note_list(now, ends_at=NOW + 240.0)
    assert held == [False] * 5 + [True] * 3


def test_the_list_is_read_again_before_an_alert_ends() -> None:
    """Nothing counts that; five seconds are for a clock that is not known to the second, and nothing is kept without an end."""
    proof = settled(ends_at=NOW + 20.0)
    assert proof.holds(METRICS.encode(), NOW + 14.9)
    assert not proof.holds(METRICS.encode(), NOW + 15.0)
    assert not settled(ends_at=float("-inf")).holds(METRICS.encode(), NOW + 4.0)


def test_a_person_wants_the_list_itself() -> None:
    """And has it with the next poll; later ones may rely on it."""
    proof = settled()
    proof.forget_list()
    assert not proof.holds(METRICS.encode(), NOW + 4.0)
    proof.note_list(NOW + 4.0, ends_at=NOW + 240.0)
    assert proof.holds(METRICS.encode(), NOW + 5.0)


@pytest.mark.parametrize("body", [b"", b"<html>not found</html>", METRICS.replace("alerts_received", "other").encode()])
def test_what_counts_nothing_proves_nothing(body: bytes) -> None:
    """A server without these metrics is asked for them once a minute, and for its list with every poll."""
    proof = settled()
    assert proof.wants_metrics(NOW + 4.0)
    assert not proof.holds(body, NOW + 4.0)
    assert not proof.wants_metrics(NOW + 63.9)
    assert proof.wants_metrics(NOW + 64.0)
    assert not proof.holds(METRICS.encode(), NOW + 64.0)


def test_a_clock_that_is_set_back_proves_nothing() -> None:
    """The list may be of any age then."""
    assert not settled().holds(METRICS.encode(), NOW - 3600.0)
