"""Which code reads and compares PromQL: what it found is kept until that code changes."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path


@cache
def code_stamp() -> tuple[tuple[str, int, int], ...]:
    """Path, size and time of change of every file that a result of the parser depends on."""
    here = Path(__file__).parent
    parser = find_spec("promql_parser")
    extension = Path(parser.origin).parent.iterdir() if parser and parser.origin else ()
    files = [*here.glob("*.py"), *(here.parent / "prometheus").glob("*.py"), *(item for item in extension if item.is_file())]
    return tuple((str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in sorted(files))
