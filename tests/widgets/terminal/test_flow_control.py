"""When a frame may leave, without a terminal: the moments are given."""

from __future__ import annotations

from widgets.terminal.flow_control import MARK, FlowControl


def answering() -> FlowControl:
    """A pace whose terminal has answered once."""
    pace = FlowControl()
    assert pace.sent(100, 0.0) == MARK
    pace.answered()
    assert pace.wait(0.01, pending=False) == 0
    return pace


def test_a_small_frame_does_not_wait_for_the_answer_to_the_last() -> None:
    """Two keys within one round trip are both shown; a window full of bytes is not exceeded."""
    pace = answering()
    pace.sent(100, 1.0)
    assert pace.wait(1.02, pending=False) == 0
    pace.sent(5_000, 1.02)
    assert pace.wait(1.03, pending=False) > 0
    pace.answered()
    pace.answered()
    assert pace.wait(1.04, pending=False) == 0


def test_a_late_answer_stops_the_frames_until_it_comes() -> None:
    """A quarter of a second without an answer: nothing more is sent, however long; with the answer at once again."""
    pace = answering()
    pace.sent(100, 1.0)
    for moment in (1.3, 5.0, 61.0):
        assert pace.wait(moment, pending=False) > 0
    pace.answered()
    assert pace.wait(61.1, pending=False) == 0
    assert pace.struggling


def test_a_lost_answer_is_asked_for_again_ever_more_seldom() -> None:
    """In a minute of silence no more than six questions; one answer then counts for all."""
    pace = answering()
    pace.sent(100, 0.0)
    asked = [moment for moment in range(60) if pace.probe(float(moment))]
    assert 2 <= len(asked) <= 6
    pace.answered()
    assert not pace.unanswered
    assert pace.probe(99.0) == ""


def test_a_terminal_that_never_answers_is_not_waited_for() -> None:
    """Three questions, then none; frames leave whenever the line takes them."""
    pace = FlowControl()
    assert [pace.sent(10, float(at)) for at in range(5)] == [MARK, MARK, MARK, "", ""]
    assert pace.wait(9.0, pending=False) == 0
    assert pace.wait(9.0, pending=True) > 0


def test_a_slow_line_gets_a_frame_a_second_and_keys_sooner() -> None:
    """Slow: a second between frames, a quarter of one after a key."""
    pace = FlowControl(slow=True)
    pace.sent(10, 10.0)
    assert 0.5 < pace.wait(10.4, pending=False) < 0.7
    pace.key(10.4)
    assert pace.wait(10.4, pending=False) == 0.0
    pace.sent(10, 10.4)
    assert pace.wait(11.5, pending=False) == 0.0


def test_a_distant_line_is_not_called_slow() -> None:
    """Round trips of 0.4 s, one after another, are no struggle."""
    pace = answering()
    for at in range(100):
        pace.sent(100, float(at))
        pace.wait(at + 0.3, pending=False)
        pace.answered()
        assert pace.wait(at + 0.4, pending=False) == 0
    assert not pace.struggling
