"""What the words of the label `severity` count as."""

from __future__ import annotations

import pytest

from queries.model.alert import Alert, AlertState
from queries.model.severity import Priority, Severities, normalize


def alert(**labels: str) -> Alert:
    return Alert("abc", AlertState.ACTIVE, tuple(sorted({"alertname": "A", **labels}.items())))


@pytest.mark.parametrize(
    ("words", "priority"),
    [
        ("critical CRITICAL Crit page Page fatal EMERGENCY disaster sev0 SEV-1 sev_1 s1 P1 p0", "P1"),
        ("error ERR major High sev2 SEV-2 P2", "P2"),
        ("warning WARN Minor medium average ticket sev-3 P3", "P3"),
        ("info Informational notice low none OK debug sev4 P4 P5", "P4"),
    ],
)
def test_the_words_of_the_field_are_known_in_any_case(words: str, priority: str) -> None:
    """Case, dashes and underscores do not matter; each word has the priority that its makers mean."""
    for word in (*words.split(), " sev 1 " if priority == "P1" else words.split()[0]):
        found = alert(severity=word)
        assert (word, found.priority.value, found.severity_known) == (word, priority, True)


@pytest.mark.parametrize("word", ["", "gold", "1", "kritisch", "criticall", "true"])
def test_the_rest_counts_as_p2_and_is_called_unknown(word: str) -> None:
    """A word that nobody knows, and no word at all, are never less than P2, and said to be unknown."""
    found = alert(severity=word) if word else alert()
    assert (found.priority, found.severity_known) == (Priority.P2, False)
    assert found.severity_text == f"severity unknown: {word or 'none given'}"


def test_the_label_priority_comes_first() -> None:
    """P0 to P5 of the label `priority` decide, also without a severity; another word there does not."""
    assert (alert(priority="p3", severity="critical").priority, alert(priority="P4").severity_known) == ("P3", True)
    assert (alert(priority="P0").priority, alert(priority="P5").priority) == ("P1", "P4")
    assert (alert(priority="soon", severity="info").priority, alert(priority="soon").severity_known) == ("P4", False)


def test_words_of_ones_own_come_before_the_built_in_ones() -> None:
    """The configuration's words are normalized alike."""
    scale = Severities(((normalize("Gold-Tier"), Priority.P1), ("info", Priority.P3)))
    assert scale.grade((("severity", "gold tier"),)) == (Priority.P1, True)
    assert scale.grade((("severity", "INFO"),)).priority is Priority.P3
    assert scale.grade((("severity", "silver"),)) == (Priority.P2, False)
