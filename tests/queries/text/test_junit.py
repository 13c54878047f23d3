"""JUnit's XML is XML, whatever a source sends."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from console.checks.result import CheckResult, Result
from console.cli.check_report import report
from queries.text.junit import Case, CaseResult, format_junit, xml_text

FORBIDDEN = [*(chr(code) for code in range(0x20) if code not in (9, 10, 13)), "\ud800", "\udfff", "\ufffe", "\uffff"]
ALLOWED = "\t \x7f\x85\u2028\ufdd0\ufffd\U0001fffe\U0010ffff<&>\"']]>"


@pytest.mark.parametrize("result", CaseResult)
def test_every_character_becomes_xml(result: CaseResult) -> None:
    """Of what XML 1.0 forbids each is written out; expat takes the document and gives back everything else."""
    text = "".join(FORBIDDEN) + ALLOWED
    told = format_junit(text, [Case(text, text, result, text, type=text)], errors=True)
    root = ElementTree.fromstring(told.encode("utf-8"))
    case = root[0]
    found = case[0].text if result is CaseResult.PASSED else case[0].get("message")
    assert found == xml_text(text)
    assert case.get("name") == root.get("name") == xml_text(text)
    assert (found or "").endswith(ALLOWED) and "\\ufffe" in (found or "") and "\\ud800" in (found or "")


def test_the_self_check_with_a_noncharacter() -> None:
    """What failed before: U+FFFE in a label value made `check --format junit` a document that no parser takes."""
    results = [CheckResult("metrics", "up", Result.FAILED, "instance=\ufffe\x00\ud83d", 4)]
    root = ElementTree.fromstring(report(results, format="junit", name="check").encode("utf-8"))
    assert root[0][0].get("message") == "instance=\\ufffe\\u0000\\ud83d"
