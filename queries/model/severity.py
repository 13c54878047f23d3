"""How urgent an alert is, by its `priority` and `severity` labels."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from queries.model.frozen import dataclass
from queries.model.series import Labels, label


class Priority(StrEnum):
    P1 = "P1"
    P2 = "P2"
    P3 = "P3"
    P4 = "P4"


class Grade(NamedTuple):
    """`known` is False if neither label holds a known word: then it counts as P2 and is shown as unknown."""

    priority: Priority
    known: bool


UNKNOWN = Grade(Priority.P2, known=False)
"""Not P1, which would declare incidents automatically; not lower, because nobody knows that it is."""

_WORDS: Mapping[Priority, str] = {
    # Pages someone: Prometheus' critical, the SRE workbook's page, syslog's three highest, Zabbix' disaster, SEV0 and 1.
    Priority.P1: "critical crit page fatal emergency emerg panic alert disaster blocker urgent sev0 sev1 s0 s1 p0 p1",
    # Below critical and above warning: syslog's error, X.733's major, Zabbix' and Opsgenie's high.
    Priority.P2: "error err major high severe sev2 s2 p2",
    # X.733 has minor above warning, but both wait until the morning; ticket is the SRE workbook's other half.
    Priority.P3: "warning warn minor medium moderate average ticket sev3 s3 p3",
    # Pages nobody; `none` is what kube-prometheus gives its Watchdog.
    Priority.P4: "info information informational notice low none ok normal debug sev4 sev5 s4 s5 p4 p5",
}
_BUILT_IN = {word: Grade(priority, known=True) for priority, words in _WORDS.items() for word in words.split()}
_BY_PRIORITY = {f"p{level}": _BUILT_IN[f"p{level}"] for level in range(6)}


@functools.lru_cache(maxsize=1024)
def normalize(word: str) -> str:
    """Drop case, spaces, dots, dashes and underscores: `SEV-1` and `sev 1` are one word."""
    return "".join(character for character in word.casefold() if character not in " \t-_.")


@dataclass(frozen=True, slots=True)
class Severities:
    """The meaning of the words: the usual ones of the field, overridden by `own`, whose words are normalized."""

    own: tuple[tuple[str, Priority], ...] = ()

    def grade(self, labels: Labels) -> Grade:
        """Grade by the label `priority` if it is P0 to P5, else by the label `severity`."""
        written = label(labels, "priority")
        grade = _BY_PRIORITY.get(normalize(written)) if written else None
        return grade or self._grade_word(normalize(label(labels, "severity")))

    def _grade_word(self, word: str) -> Grade:
        for name, priority in self.own:
            if name == word:
                return Grade(priority, known=True)
        return _BUILT_IN.get(word, UNKNOWN)


BUILT_IN = Severities()
