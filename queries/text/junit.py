"""JUnit XML, safe for any text from outside."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum
from xml.sax.saxutils import escape, quoteattr

from queries.model.frozen import dataclass

_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 forbids even as references: C0 except three, surrogates, U+FFFE and U+FFFF."""


class CaseResult(StrEnum):
    """The child element of a test case."""

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


def format_junit(name: str, cases: Sequence[Case], *, errors: bool = False) -> str:
    """The document of one suite; with `errors` it counts errors too."""
    counted = {kind: sum(case.result is kind for case in cases) for kind in CaseResult}
    numbers = f'tests="{len(cases)}" failures="{counted[CaseResult.FAILURE]}"'
    numbers += f' errors="{counted[CaseResult.ERROR]}"' if errors else ""
    numbers += f' skipped="{counted[CaseResult.SKIPPED]}"'
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', f"<testsuite name={_quote(name)} {numbers}>"]
    for case in cases:
        lines.append(f"  <testcase classname={_quote(case.classname)} name={_quote(case.name)}>")
        if case.result is CaseResult.PASSED:
            lines.append(f"    <system-out>{escape(xml_text(case.text))}</system-out>")
        else:
            kind = f" type={_quote(case.type)}" if case.type else ""
            lines.append(f"    <{case.result.value}{kind} message={_quote(case.text)}/>")
        lines.append("  </testcase>")
    return "\n".join([*lines, "</testsuite>"])


def xml_text(text: str) -> str:
    r"""The text with every forbidden character escaped, as `\ufffe`."""
    return _FORBIDDEN.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _quote(text: str) -> str:
    return quoteattr(xml_text(text))
