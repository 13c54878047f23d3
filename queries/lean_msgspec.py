"""Imports msgspec without what it hardly ever needs, in half of the time, so import this first. Everything of msgspec works as
always: what needs one of the modules imports it then.
"""

from __future__ import annotations

import os
import sys
from types import SimpleNamespace
from typing import Any

from queries.model.later import stand_in

USED_LATER = ("msgspec.inspect",)
"""For schemas."""
_REPLACED: dict[str, Any] = {
    "typing_extensions": None,  # what msgspec takes from it, Python itself has
    "platform": SimpleNamespace(system=lambda: os.uname().sysname),  # `uuid` asks for the system's name
}


def _import_msgspec() -> None:
    absent = [name for name in _REPLACED if name not in sys.modules]
    sys.modules.update((name, _REPLACED[name]) for name in absent)
    try:
        with stand_in(USED_LATER):
            import msgspec  # noqa: F401, PLC0415  # with those in place
    finally:
        for name in absent:
            del sys.modules[name]


if "msgspec" not in sys.modules:
    _import_msgspec()
