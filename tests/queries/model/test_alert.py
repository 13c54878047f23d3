"""What an alert says of itself: by which word it is held back, how severe it is, and which rule it is of."""

from __future__ import annotations

from dataclasses import replace

import pytest

from queries.model.alert import Alert, AlertRule, AlertState, Elsewhere, find_rule, labels_agree
from queries.model.object_page import VolumeUse


def alert(state: AlertState = AlertState.ACTIVE, fingerprint: str = "f", **labels: str) -> Alert:
    return Alert(fingerprint, state, tuple(sorted(labels.items())))


@pytest.mark.parametrize(
    ("silenced", "inhibited", "muted", "word"),
    [
        ((), (), (), "silenced"),
        (("s",), (), (), "silenced"),
        (("s",), ("i",), ("m",), "silenced"),
        ((), ("i",), (), "inhibited"),
        ((), ("i",), ("m",), "inhibited"),
        ((), (), ("m",), "muted"),
    ],
)
def test_a_suppressed_alert_says_by_what(
    silenced: tuple[str, ...], inhibited: tuple[str, ...], muted: tuple[str, ...], word: str
) -> None:
    """A person's silence counts first, then another alert, then a time interval; one that notifies is held back by nothing."""
    found = Alert("f", AlertState.SUPPRESSED, (), silenced_by=silenced, inhibited_by=inhibited, muted_by=muted)
    assert found.suppressed_as == word
    for state in (AlertState.ACTIVE, AlertState.PENDING):
        assert Alert("f", state, (), silenced_by=silenced, inhibited_by=inhibited, muted_by=muted).suppressed_as == ""


def test_a_severity_that_nobody_knows_is_called_so() -> None:
    """The rule's own word, in any case; none at all is not the same as a known one."""
    assert alert(severity="critical").severity_text == "critical"
    assert alert(severity="purple").severity_text == "severity unknown: purple"
    assert alert().severity_text == "severity unknown: none given"
    assert (alert(component="ocr", team="ml").component, alert(team="ml").component, alert().component) == ("ocr", "ml", "")


def test_who_lists_an_alert_and_whether_it_fires() -> None:
    assert [alert(fingerprint=text).listed_by for text in ("abc", "pending:abc", "prometheus:1")] == [
        "alertmanager", "prometheus", "prometheus",
    ]  # fmt: skip
    assert [alert(state).firing for state in (AlertState.ACTIVE, AlertState.PENDING, AlertState.SUPPRESSED)] == [
        True,
        False,
        True,
    ]
    sent = (("a", "b"),)
    assert Alert("f", AlertState.ACTIVE, (("x", "y"),), sent_labels=sent).labels_to_deliver == sent
    assert Alert("f", AlertState.ACTIVE, (("x", "y"),)).labels_to_deliver == (("x", "y"),)
    assert Elsewhere("its namespace is b", "kubectl x").sentence().endswith("only a silence is offered: its namespace is b")


@pytest.mark.parametrize(
    ("sent", "listed", "agree"),
    [
        ({}, {}, True),
        ({"a": "1"}, {}, True),
        ({}, {"a": "1"}, True),
        ({"a": "1", "b": "2"}, {"a": "1", "c": "3"}, True),
        ({"a": "1", "b": "2"}, {"a": "1", "b": "3"}, False),
        ({"a": "1", "b": "2"}, {"a": "2", "b": "2"}, False),
    ],
)
def test_labels_agree_where_none_of_them_differs(sent: dict[str, str], listed: dict[str, str], agree: bool) -> None:
    """What was added or dropped on the way is no difference; each label alone decides."""
    assert labels_agree(tuple(sent.items()), tuple(listed.items())) is agree


def rule(name: str, **labels: str) -> AlertRule:
    return AlertRule(name, "x", 0.0, tuple(labels.items()), (), "firing", "ok")


def test_of_several_rules_the_one_whose_labels_the_alert_has() -> None:
    """A label that the rule computes decides nothing; one rule alone counts in any case, several without a fit do not."""
    warn, page = rule("A", severity="warning"), rule("A", severity="critical", team="{{ $labels.team }}")
    other = rule("B", severity="critical")
    labels = (("alertname", "A"), ("severity", "critical"), ("team", "ml"))
    assert find_rule(labels, (other, warn, page)) is page
    assert find_rule((("alertname", "A"), ("severity", "info")), (warn, page)) is None
    assert find_rule((("alertname", "B"), ("severity", "info")), (warn, other)) is other
    assert find_rule((("alertname", "C"),), (warn, page)) is None


def test_of_two_rules_that_fit_the_one_that_says_more_is_the_alerts() -> None:
    """The expression and the limit that are shown belong to the alert: a rule without the label `component` is passed over for
    the one with it, whichever comes first; two that say the same are one, and two that only look alike are not guessed.
    """
    broad, narrow = rule("A", severity="critical"), rule("A", severity="critical", component="ocr")
    labels = (("alertname", "A"), ("component", "ocr"), ("severity", "critical"))
    assert find_rule(labels, (broad, narrow)) is narrow is find_rule(labels, (narrow, broad))
    assert find_rule((("alertname", "A"), ("severity", "critical")), (narrow, broad)) is broad
    assert find_rule(labels, (narrow, replace(narrow, group="other"))) is narrow
    assert find_rule(labels, (narrow, replace(narrow, expression="y"))) is None
    assert find_rule(labels, (narrow, replace(narrow, for_seconds=60.0))) is None


@pytest.mark.parametrize(
    ("use", "filled", "ratio", "inodes"),
    [
        (VolumeUse(), None, None, None),
        (VolumeUse(30.0, 100.0, 60.0), 30.0, 0.3, None),
        (VolumeUse(None, 100.0, 60.0), 40.0, 0.4, None),
        (VolumeUse(None, 100.0, 120.0), 0.0, 0.0, None),
        (VolumeUse(None, 100.0, None), None, None, None),
        (VolumeUse(None, None, 60.0), None, None, None),
        (VolumeUse(0.0, 100.0, 60.0), 0.0, 0.0, None),
        (VolumeUse(30.0, 0.0, 0.0), 30.0, None, None),
        (VolumeUse(inodes_used=5.0, inodes=10.0), None, None, 0.5),
        (VolumeUse(inodes_used=0.0, inodes=10.0), None, None, 0.0),
        (VolumeUse(inodes_used=5.0, inodes=0.0), None, None, None),
        (VolumeUse(inodes=10.0), None, None, None),
    ],
)
def test_how_full_a_volume_is(use: VolumeUse, filled: float | None, ratio: float | None, inodes: float | None) -> None:
    """What is used counts before what is left; without a size there is no share, and nothing at all is not none."""
    assert (use.filled_bytes, use.used_ratio, use.inodes_ratio) == (filled, ratio, inodes)
