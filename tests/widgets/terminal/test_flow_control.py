"""When a frame may be sent, at given times and without a terminal."""

from __future__ import annotations

import pytest

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


@pytest.mark.parametrize(("passed", "waits"), [(0.25, False), (0.26, True)])
def test_a_reply_is_late_after_a_quarter_of_a_second(passed: float, waits: bool) -> None:
    """Exactly a quarter is in time."""
    flow = replying_terminal()
    flow.record_frame(100, 1.0)
    assert (flow.delay(1.0 + passed, pending=False) > 0) is waits


@pytest.mark.parametrize(("sizes", "waits"), [((4095,), False), ((4096,), True), ((4000, 95), False), ((4000, 96), True)])
def test_the_window_holds_four_kilobytes(sizes: tuple[int, ...], waits: bool) -> None:
    """Of all frames that are not drawn yet together; a reply takes the oldest away."""
    flow = replying_terminal()
    for size in sizes:
        flow.record_frame(size, 1.0)
    assert (flow.delay(1.01, pending=False) > 0) is waits
    flow.record_reply()
    assert flow.delay(1.02, pending=False) == 0 and flow.awaiting_reply is (len(sizes) > 1)


def test_a_missing_reply_is_asked_for_at_doubling_intervals() -> None:
    """Two seconds after the frame, then after four, eight, sixteen, and every thirty; a reply begins that anew."""
    flow = replying_terminal()
    assert flow.probe(5.0) == "", "nothing is missing"
    flow.record_frame(100, 10.0)
    asked = [tenth / 10 for tenth in range(100, 1400) if flow.probe(tenth / 10)]
    assert asked == [12.0, 16.0, 24.0, 40.0, 70.0, 100.0, 130.0]
    flow.record_reply()
    assert not flow.awaiting_reply
    flow.record_frame(100, 200.0)
    assert [tenth / 10 for tenth in range(2000, 2070) if flow.probe(tenth / 10)] == [202.0, 206.0]


@pytest.mark.parametrize(("wait", "rounds", "congested"), [(0.5, 5, True), (0.5, 4, False), (0.49, 50, False)])
def test_long_waits_add_up(wait: float, rounds: int, congested: bool) -> None:
    """Waits of half a second and more count; from two and a half seconds in total on the link is slow."""
    flow = FlowControl()
    for at in range(rounds):
        assert flow.delay(at * 10.0, pending=True) == 0.25
        assert flow.delay(at * 10.0 + wait / 2, pending=True) == 0.25
        assert flow.delay(at * 10.0 + wait, pending=False) == 0.0
    assert flow.congested is congested
    assert flow.blocked_seconds == (wait * rounds if wait >= 0.5 else 0.0)


def test_frames_in_slow_mode_to_the_second() -> None:
    """A second after the last frame, a quarter after it if a key was pressed since; a key before the frame does not count."""
    flow = FlowControl(slow=True)
    assert flow.delay(0.0, pending=False) == 0.0, "the first one at once"
    flow.record_key(10.0)
    flow.record_frame(10, 10.0)
    assert [flow.delay(at, pending=False) for at in (10.0, 10.5, 11.0, 11.5)] == [1.0, 0.5, 0.0, 0.0]
    flow.record_key(10.125)
    assert [flow.delay(at, pending=False) for at in (10.125, 10.25, 10.5)] == [0.125, 0.0, 0.0]
    flow.slow = False
    assert flow.delay(10.0, pending=False) == 0.0


def test_another_program_took_the_replies() -> None:
    """After a suspend nothing is awaited, and the time before is no wait; what a terminal can do is still known."""
    flow = replying_terminal()
    flow.record_frame(5000, 1.0)
    flow.delay(1.1, pending=False)
    assert flow.awaiting_reply
    flow.reset()
    assert not flow.awaiting_reply and flow.delay(100.0, pending=False) == 0.0 and flow.blocked_seconds == 0.0
    assert flow.record_frame(5000, 101.0) == CURSOR_QUERY and flow.delay(101.1, pending=False) > 0


def test_a_terminal_that_did_not_reply_yet_is_not_waited_for() -> None:
    """A frame goes out although no reply ever came; one reply, and the frames before it are drawn."""
    flow = FlowControl()
    assert not flow.awaiting_reply
    flow.record_frame(5000, 0.0)
    flow.record_frame(5000, 0.1)
    assert flow.delay(9.0, pending=False) == 0.0 and flow.probe(9.0) == ""
    flow.record_reply()
    assert not flow.awaiting_reply
