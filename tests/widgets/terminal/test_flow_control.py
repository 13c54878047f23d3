"""When a frame may be sent, at given times and without a terminal."""

from __future__ import annotations

from widgets.terminal.flow_control import CURSOR_QUERY, FlowControl


def replying_terminal() -> FlowControl:
    """Flow control of a terminal that has replied once."""
    flow = FlowControl()
    assert flow.record_frame(100, 0.0) == CURSOR_QUERY
    flow.record_reply()
    assert flow.delay(0.01, pending=False) == 0
    return flow


def test_a_small_frame_does_not_wait_for_the_last_reply() -> None:
    """Two keys within one round trip are both shown; the window of bytes is not exceeded."""
    flow = replying_terminal()
    flow.record_frame(100, 1.0)
    assert flow.delay(1.02, pending=False) == 0
    flow.record_frame(5_000, 1.02)
    assert flow.delay(1.03, pending=False) > 0
    flow.record_reply()
    flow.record_reply()
    assert flow.delay(1.04, pending=False) == 0


def test_a_late_reply_blocks_further_frames() -> None:
    """After 0.25 s without a reply nothing more is sent, however long it takes; the reply unblocks at once."""
    flow = replying_terminal()
    flow.record_frame(100, 1.0)
    for moment in (1.3, 5.0, 61.0):
        assert flow.delay(moment, pending=False) > 0
    flow.record_reply()
    assert flow.delay(61.1, pending=False) == 0
    assert flow.congested


def test_a_lost_reply_is_requested_again_with_backoff() -> None:
    """At most six requests in a silent minute; one reply then counts for all."""
    flow = replying_terminal()
    flow.record_frame(100, 0.0)
    queries = [moment for moment in range(60) if flow.probe(float(moment))]
    assert 2 <= len(queries) <= 6
    flow.record_reply()
    assert not flow.awaiting_reply
    assert flow.probe(99.0) == ""


def test_a_terminal_that_never_replies_does_not_block() -> None:
    """Three requests, then none; frames are sent whenever the terminal accepts them."""
    flow = FlowControl()
    assert [flow.record_frame(10, float(at)) for at in range(5)] == [CURSOR_QUERY, CURSOR_QUERY, CURSOR_QUERY, "", ""]
    assert flow.delay(9.0, pending=False) == 0
    assert flow.delay(9.0, pending=True) > 0


def test_slow_mode_sends_a_frame_per_second_and_keys_sooner() -> None:
    """Slow mode: one second between frames, a quarter of a second after a key."""
    flow = FlowControl(slow=True)
    flow.record_frame(10, 10.0)
    assert 0.5 < flow.delay(10.4, pending=False) < 0.7
    flow.record_key(10.4)
    assert flow.delay(10.4, pending=False) == 0.0
    flow.record_frame(10, 10.4)
    assert flow.delay(11.5, pending=False) == 0.0


def test_a_distant_terminal_is_not_congested() -> None:
    """Consecutive round trips of 0.4 s are not congestion."""
    flow = replying_terminal()
    for at in range(100):
        flow.record_frame(100, float(at))
        flow.delay(at + 0.3, pending=False)
        flow.record_reply()
        assert flow.delay(at + 0.4, pending=False) == 0
    assert not flow.congested
