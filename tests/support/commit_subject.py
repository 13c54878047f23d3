"""A commit-msg hook: the subject is shorter than 72 characters and starts with a capital letter."""

from __future__ import annotations

import sys
from pathlib import Path

LONGEST = 71


def problem(message: str) -> str:
    """What is wrong with the first line of a commit message; empty if nothing is."""
    subject = message.split("\n", 1)[0]
    if len(subject) > LONGEST:
        return f"the subject has {len(subject)} characters; write at most {LONGEST}"
    if not subject[:1].isupper():
        return "start the subject with an imperative and a capital letter"
    return "" if not subject.endswith(".") else "end the subject without a full stop"


if __name__ == "__main__":
    found = problem(Path(sys.argv[1]).read_text(encoding="utf-8"))
    if found:
        print(f"commit message: {found}", file=sys.stderr)
    raise SystemExit(1 if found else 0)
