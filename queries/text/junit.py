"""JUnit's XML, as build servers read it, whatever text comes from outside."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from xml.sax.saxutils import escape, quoteattr

_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 allows in no document, not even as a character reference: C0 but for three, surrogates, U+FFFE and U+FFFF."""


class CaseResult(StrEnum):
    """What a test case's child element is called."""

    PASSED = "system-out"
    FAILURE = "failure"
    ERROR = "error"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Case:
    """One line of a report; `type` is the kind of failure or error."""

    classname: str
    name: str
    result: CaseResult
    text: str
    type: str = ""


def junit(name: str, cases: Sequence[Case], *, errors: bool = False) -> str:
    """The document of one suite; with `errors` it counts those too."""
    counted = {kind: sum(case.result is kind for case in cases) for kind in CaseResult}
    numbers = f'tests="{len(cases)}" failures="{counted[CaseResult.FAILURE]}"'
    numbers += f' errors="{counted[CaseResult.ERROR]}"' if errors else ""
    numbers += f' skipped="{counted[CaseResult.SKIPPED]}"'
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', f"<testsuite name={_quoted(name)} {numbers}>"]
    for case in cases:
        lines.append(f"  <testcase classname={_quoted(case.classname)} name={_quoted(case.name)}>")
        if case.result is CaseResult.PASSED:
            lines.append(f"    <system-out>{escape(xml_text(case.text))}</system-out>")
        else:
            kind = f" type={_quoted(case.type)}" if case.type else ""
            lines.append(f"    <{case.result.value}{kind} message={_quoted(case.text)}/>")
        lines.append("  </testcase>")
    return "\n".join([*lines, "</testsuite>"])


def xml_text(text: str) -> str:
    r"""The text with every character that XML forbids written out, as `\ufffe`."""
    return _FORBIDDEN.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _quoted(text: str) -> str:
    return quoteattr(xml_text(text))
