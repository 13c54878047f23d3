"""h11, whose events are built without compiling their methods: half of its import. Import it from here."""

from __future__ import annotations

import dataclasses

from queries.model import frozen

_standard = dataclasses.dataclass
dataclasses.dataclass = frozen.dataclass
try:
    import h11
finally:
    dataclasses.dataclass = _standard

__all__ = ["h11"]
